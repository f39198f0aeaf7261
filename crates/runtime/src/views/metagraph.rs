//! A subnet and its neurons, one column for each property.
//!
//! Fields have numbers, by which a client can ask for some of them. The table below is the record, the record in which
//! every field is optional, the numbers, and the sources.

use alloc::{collections::BTreeSet, vec::Vec};

use codec::{Compact, Decode, Encode};
use myelin_economy::{schedule::EpochSchedule, stake::StakePair};
use pallet_subtensor::{
    storage_index, AxonInfo, ChainIdentityV2, MechId, NetUid, StorageIndex, SubnetIdentityV3, Uid,
};
use scale_info::TypeInfo;
use substrate_fixed::types::I96F32;

use super::{
    compact,
    subnet::{existing, pending_alpha},
    value_of, Market,
};
use crate::AccountId;

/// Number under which the subnet's number is asked for.
const NETUID: u16 = 0;
/// Number under which the list of validators is asked for.
const VALIDATORS: u16 = 72;
/// Number under which published metadata is asked for.
const COMMITMENTS: u16 = 73;

/// What several columns are made of.
struct Subnet {
    netuid: NetUid,
    /// Whose incentives and updates are shown.
    mechanism: StorageIndex,
    hotkeys: Vec<AccountId>,
    coldkeys: Vec<AccountId>,
    stakes: Vec<StakePair>,
    schedule: EpochSchedule,
    /// TAO in, alpha in, alpha out.
    last_emission: (u64, u64, u64),
    burn_bounds: (u64, u64),
    difficulty_bounds: (u64, u64),
    /// In a block, in an interval.
    registration_caps: (u16, u16),
    /// Low, high.
    alpha_values: (u16, u16),
}

impl Subnet {
    fn of(netuid: NetUid, mechanism: MechId) -> Self {
        let hotkeys = Market::hotkeys(netuid);
        Self {
            netuid,
            mechanism: storage_index(netuid, mechanism),
            coldkeys: hotkeys.iter().map(Market::coldkey_of).collect(),
            stakes: hotkeys.iter().map(|hotkey| Market::effective_stake(netuid, hotkey)).collect(),
            hotkeys,
            schedule: Market::epoch_schedule(netuid),
            last_emission: Market::last_emission(netuid),
            burn_bounds: Market::burn_bounds(netuid),
            difficulty_bounds: Market::difficulty_bounds(netuid),
            registration_caps: Market::registration_caps(netuid),
            alpha_values: Market::alpha_values(netuid),
        }
    }

    fn each_hotkey<Value>(&self, value: impl Fn(&AccountId) -> Value) -> Vec<Value> {
        self.hotkeys.iter().map(value).collect()
    }

    fn each_uid<Value>(&self, value: impl Fn(Uid) -> Value) -> Vec<Value> {
        (0..).zip(&self.hotkeys).map(|(uid, _)| value(uid)).collect()
    }

    fn each_stake(&self, amount: impl Fn(&StakePair) -> u64) -> Vec<Compact<u64>> {
        self.stakes.iter().map(|stake| Compact(amount(stake))).collect()
    }
}

macro_rules! metagraph {
    (
        ($subnet:ident)
        $($(#[$doc:meta])* $number:literal $field:ident: $type:ty = $value:expr;)*
    ) => {
        record! {
            /// A subnet and its neurons. Lists are ordered by uid.
            Metagraph($subnet: &Subnet) {
                /// The subnet, or the storage index of the mechanism that is shown.
                netuid: Compact<u16> = Compact($subnet.mechanism);
                $($(#[$doc])* $field: $type = $value;)*
            }
        }

        /// The fields of a [`Metagraph`] that were asked for.
        #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
        pub struct SelectiveMetagraph {
            /// The subnet.
            pub netuid: Compact<u16>,
            $($(#[$doc])* pub $field: Option<$type>,)*
            /// Neurons that may validate and have enough stake to, by growing stake.
            pub validators: Option<Vec<Compact<Uid>>>,
            /// Metadata that neurons publish. Always empty: nothing here takes it yet.
            pub commitments: Option<Vec<(AccountId, Vec<Compact<u8>>)>>,
        }

        impl Metagraph {
            /// The fields with these numbers, under the number `netuid`. Numbers that no field has are passed over.
            fn select(self, netuid: NetUid, numbers: &BTreeSet<u16>) -> SelectiveMetagraph {
                SelectiveMetagraph {
                    netuid: Compact(netuid),
                    $($field: numbers.contains(&$number).then_some(self.$field),)*
                    validators: None,
                    commitments: None,
                }
            }
        }
    };
}

metagraph! {
    (subnet)
    /// Name to show, UTF-8.
    1 name: Vec<Compact<u8>> = compact(Market::subnet_name(subnet.netuid));
    /// Symbol of the token, UTF-8.
    2 symbol: Vec<Compact<u8>> = compact(Market::token_symbol(subnet.netuid));
    /// How the subnet presents itself.
    3 identity: Option<SubnetIdentityV3> = Market::subnet_identity(subnet.netuid);
    /// Block of registration.
    4 network_registered_at: Compact<u64> = Compact(Market::registered_at(subnet.netuid));
    /// The owner's hotkey.
    5 owner_hotkey: AccountId = Market::owner_hotkey(subnet.netuid);
    /// The owner's coldkey.
    6 owner_coldkey: AccountId = Market::owner_coldkey(subnet.netuid);
    /// Block of this answer.
    7 block: Compact<u64> = Compact(Market::now());
    /// Blocks in an epoch.
    8 tempo: Compact<u16> = Compact(subnet.schedule.tempo_blocks);
    /// Block of the last epoch that ran.
    9 last_step: Compact<u64> = Compact(Market::last_step_block(subnet.netuid));
    /// Blocks since the last epoch ran.
    10 blocks_since_last_step: Compact<u64> = Compact(subnet.schedule.blocks_since_epoch);
    /// Always 0; TAO goes to pools, see `tao_in_emission`.
    11 subnet_emission: Compact<u64> = Compact(0);
    /// Alpha in the pool.
    12 alpha_in: Compact<u64> = Compact(Market::alpha_reserve(subnet.netuid));
    /// Alpha outside the pool.
    13 alpha_out: Compact<u64> = Compact(Market::alpha_out(subnet.netuid));
    /// TAO in the pool, in rao.
    14 tao_in: Compact<u64> = Compact(Market::tao_reserve(subnet.netuid));
    /// Alpha that the last block minted outside the pool.
    15 alpha_out_emission: Compact<u64> = Compact(subnet.last_emission.2);
    /// Alpha that the last block put into the pool.
    16 alpha_in_emission: Compact<u64> = Compact(subnet.last_emission.1);
    /// Rao that the last block put into the pool.
    17 tao_in_emission: Compact<u64> = Compact(subnet.last_emission.0);
    /// Alpha for miners and validators until the next epoch.
    18 pending_alpha_emission: Compact<u64> =
        Compact(pending_alpha(subnet.netuid));
    /// Always 0; root is paid in alpha.
    19 pending_root_emission: Compact<u64> = Compact(0);
    /// Rao traded so far.
    20 subnet_volume: Compact<u128> = Compact(Market::traded_volume(subnet.netuid));
    /// Moving average of the price, TAO an alpha.
    21 moving_price: I96F32 = Market::moving_price(subnet.netuid);
    /// Sigmoid temperature of an earlier trust definition.
    22 rho: Compact<u16> = Compact(Market::rho(subnet.netuid));
    /// Share of stake, of 65535, that decides consensus.
    23 kappa: Compact<u16> = Compact(Market::kappa(subnet.netuid));
    /// Fewest weights in a weight vector.
    24 min_allowed_weights: Compact<u16> = Compact(Market::min_allowed_weights(subnet.netuid));
    /// Largest single weight, of 65535.
    25 max_weights_limit: Compact<u16> = Compact(Market::max_weights_limit(subnet.netuid));
    /// Lowest version key that weights may carry.
    26 weights_version: Compact<u64> = Compact(Market::weights_version_key(subnet.netuid));
    /// Fewest blocks between two weight settings of one validator.
    27 weights_rate_limit: Compact<u64> = Compact(Market::weights_set_rate_limit(subnet.netuid));
    /// Blocks without weights after which a validator is inactive.
    28 activity_cutoff: Compact<u64> = Compact(Market::activity_cutoff(subnet.netuid));
    /// Most validators.
    29 max_validators: Compact<u16> = Compact(Market::max_allowed_validators(subnet.netuid));
    /// Neurons.
    30 num_uids: Compact<u16> = Compact(Market::neuron_count(subnet.netuid));
    /// Most neurons.
    31 max_uids: Compact<u16> = Compact(Market::max_allowed_uids(subnet.netuid));
    /// Price of a slot, in rao.
    32 burn: Compact<u64> = Compact(Market::burn(subnet.netuid));
    /// Difficulty of proof of work, which does not exist here.
    33 difficulty: Compact<u64> = Compact(Market::difficulty(subnet.netuid));
    /// Whether neurons can register.
    34 registration_allowed: bool = Market::registration_allowed(subnet.netuid);
    /// Whether a slot could be earned by proof of work, if that existed.
    35 pow_registration_allowed: bool = Market::pow_registration_allowed(subnet.netuid);
    /// Blocks during which a new neuron is replaced last.
    36 immunity_period: Compact<u16> = Compact(Market::immunity_period(subnet.netuid));
    /// Lowest difficulty.
    37 min_difficulty: Compact<u64> = Compact(subnet.difficulty_bounds.0);
    /// Highest difficulty.
    38 max_difficulty: Compact<u64> = Compact(subnet.difficulty_bounds.1);
    /// Lowest price of a slot, in rao.
    39 min_burn: Compact<u64> = Compact(subnet.burn_bounds.0);
    /// Highest price of a slot, in rao.
    40 max_burn: Compact<u64> = Compact(subnet.burn_bounds.1);
    /// Smoothing of the old price controller.
    41 adjustment_alpha: Compact<u64> = Compact(Market::adjustment_alpha(subnet.netuid));
    /// Blocks in an interval of the old price controller.
    42 adjustment_interval: Compact<u16> = Compact(Market::adjustment_interval(subnet.netuid));
    /// A third of the most registrations in an interval; root only.
    43 target_regs_per_interval: Compact<u16> = Compact(subnet.registration_caps.1);
    /// Most registrations in a block; root only.
    44 max_regs_per_block: Compact<u16> = Compact(subnet.registration_caps.0);
    /// Fewest blocks between two announcements of one neuron.
    45 serving_rate_limit: Compact<u64> = Compact(Market::serving_rate_limit(subnet.netuid));
    /// Whether weights are committed first and revealed later.
    46 commit_reveal_weights_enabled: bool = Market::commit_reveal_enabled(subnet.netuid);
    /// Epochs between commit and reveal.
    47 commit_reveal_period: Compact<u64> = Compact(Market::reveal_period_epochs(subnet.netuid));
    /// Whether bonds move at a rate of their own for each pair.
    48 liquid_alpha_enabled: bool = Market::liquid_alpha_enabled(subnet.netuid);
    /// Upper bound of the liquid alpha, of 65535.
    49 alpha_high: Compact<u16> = Compact(subnet.alpha_values.1);
    /// Lower bound of the liquid alpha, of 65535.
    50 alpha_low: Compact<u16> = Compact(subnet.alpha_values.0);
    /// Share of the old bonds that remains after an epoch, of a million.
    51 bonds_moving_avg: Compact<u64> = Compact(Market::bonds_moving_average(subnet.netuid));
    /// Hotkeys.
    52 hotkeys: Vec<AccountId> = subnet.hotkeys.clone();
    /// Owners of the hotkeys.
    53 coldkeys: Vec<AccountId> = subnet.coldkeys.clone();
    /// How the coldkeys present themselves.
    54 identities: Vec<Option<ChainIdentityV2>> =
        subnet.coldkeys.iter().map(Market::coldkey_identity).collect();
    /// Where neurons answer; all zero for nowhere.
    55 axons: Vec<AxonInfo> =
        subnet.each_hotkey(|hotkey| Market::axon(subnet.netuid, hotkey).unwrap_or_default());
    /// Who has set weights lately.
    56 active: Vec<bool> = Market::active(subnet.netuid);
    /// Who may validate.
    57 validator_permit: Vec<bool> = Market::validator_permits(subnet.netuid);
    /// Always empty; the protocol has no pruning scores any more.
    58 pruning_score: Vec<Compact<u16>> = Vec::new();
    /// Block of each neuron's last weights.
    59 last_update: Vec<Compact<u64>> = compact(Market::last_updates(subnet.mechanism));
    /// Alpha earned in the last epoch.
    60 emission: Vec<Compact<u64>> = compact(Market::neuron_emission(subnet.netuid));
    /// Share of the validators' reward, of 65535.
    61 dividends: Vec<Compact<u16>> = compact(Market::dividends(subnet.netuid));
    /// Share of the miners' reward, of 65535.
    62 incentives: Vec<Compact<u16>> = compact(Market::incentive(subnet.mechanism));
    /// Agreed weight, of 65535.
    63 consensus: Vec<Compact<u16>> = compact(Market::consensus(subnet.netuid));
    /// Always empty; the protocol has no trust any more.
    64 trust: Vec<Compact<u16>> = Vec::new();
    /// Always empty; the protocol has no ranks any more.
    65 rank: Vec<Compact<u16>> = Vec::new();
    /// Block in which each slot was taken.
    66 block_at_registration: Vec<Compact<u64>> =
        subnet.each_uid(|uid| Compact(Market::registered_block(subnet.netuid, uid)));
    /// Alpha that counts for each neuron, after parents and children.
    67 alpha_stake: Vec<Compact<u64>> = subnet.each_stake(|stake| stake.alpha_rao);
    /// Rao on root that count for each neuron, after parents and children, without the weight of TAO.
    68 tao_stake: Vec<Compact<u64>> = subnet.each_stake(|stake| stake.root_rao);
    /// Alpha, and TAO by its weight.
    69 total_stake: Vec<Compact<u64>> =
        subnet.each_stake(|stake| Market::weighted_total(*stake).saturating_to_num());
    /// Always 0; dividends are paid in alpha.
    70 tao_dividends_per_hotkey: Vec<(AccountId, Compact<u64>)> =
        subnet.each_hotkey(|hotkey| (hotkey.clone(), Compact(0)));
    /// Last epoch's dividends of each hotkey, in alpha.
    71 alpha_dividends_per_hotkey: Vec<(AccountId, Compact<u64>)> = subnet
        .each_hotkey(|hotkey| (hotkey.clone(), Compact(Market::alpha_dividends(subnet.netuid, hotkey))));
}

/// `netuid` with the first mechanism's incentives.
pub fn metagraph(netuid: NetUid) -> Option<Metagraph> {
    mechagraph(netuid, 0)
}

/// All subnets.
pub fn all_metagraphs() -> Vec<Option<Metagraph>> {
    Market::all_netuids().into_iter().map(metagraph).collect()
}

/// `netuid` with one mechanism's incentives, under that mechanism's storage index.
pub fn mechagraph(netuid: NetUid, mechanism: MechId) -> Option<Metagraph> {
    read(netuid, mechanism).map(|subnet| Metagraph::of(&subnet))
}

/// All mechanisms of all subnets.
pub fn all_mechagraphs() -> Vec<Option<Metagraph>> {
    Market::all_netuids()
        .into_iter()
        .flat_map(|netuid| Market::mechanisms(netuid).map(move |mechanism| mechagraph(netuid, mechanism)))
        .collect()
}

/// Some fields of `netuid`, by number. The subnet's number stays 0 unless it is asked for.
pub fn selective_metagraph(netuid: NetUid, numbers: Vec<u16>) -> Option<SelectiveMetagraph> {
    let numbers = BTreeSet::from_iter(numbers);
    let shown = if numbers.contains(&NETUID) { netuid } else { 0 };
    select(netuid, 0, shown, &numbers)
}

/// Some fields of one mechanism of `netuid`, by number.
pub fn selective_mechagraph(
    netuid: NetUid,
    mechanism: MechId,
    numbers: Vec<u16>,
) -> Option<SelectiveMetagraph> {
    select(netuid, mechanism, netuid, &BTreeSet::from_iter(numbers))
}

fn select(
    netuid: NetUid,
    mechanism: MechId,
    shown: NetUid,
    numbers: &BTreeSet<u16>,
) -> Option<SelectiveMetagraph> {
    let subnet = read(netuid, mechanism)?;
    Some(SelectiveMetagraph {
        validators: numbers.contains(&VALIDATORS).then(|| validators(&subnet)),
        commitments: numbers.contains(&COMMITMENTS).then(Vec::new),
        ..Metagraph::of(&subnet).select(shown, numbers)
    })
}

fn read(netuid: NetUid, mechanism: MechId) -> Option<Subnet> {
    existing(netuid)
        .filter(|netuid| mechanism < Market::mechanism_count(*netuid))
        .map(|netuid| Subnet::of(netuid, mechanism))
}

/// Neurons that may validate and have more than the least stake for it, by growing stake.
fn validators(subnet: &Subnet) -> Vec<Compact<Uid>> {
    let permits = Market::validator_permits(subnet.netuid);
    let mut validators: Vec<_> = (0..)
        .zip(&subnet.stakes)
        .map(|(uid, stake)| (Market::weighted_total(*stake), uid))
        .filter(|(stake, uid)| *stake > Market::stake_threshold() && value_of(&permits, *uid))
        .collect();
    validators.sort_unstable();
    validators.into_iter().map(|(_, uid)| Compact(uid)).collect()
}

record! {
    /// The neurons of a subnet by column, with a history of their emission.
    SubnetState(graph: Metagraph) {
        /// The subnet.
        netuid: Compact<u16> = graph.netuid;
        /// Hotkeys.
        hotkeys: Vec<AccountId> = graph.hotkeys;
        /// Owners of the hotkeys.
        coldkeys: Vec<AccountId> = graph.coldkeys;
        /// Who has set weights lately.
        active: Vec<bool> = graph.active;
        /// Who may validate.
        validator_permit: Vec<bool> = graph.validator_permit;
        /// Always empty; the protocol has no pruning scores any more.
        pruning_score: Vec<Compact<u16>> = graph.pruning_score;
        /// Block of each neuron's last weights.
        last_update: Vec<Compact<u64>> = graph.last_update;
        /// Alpha earned in the last epoch.
        emission: Vec<Compact<u64>> = graph.emission;
        /// Share of the validators' reward, of 65535.
        dividends: Vec<Compact<u16>> = graph.dividends;
        /// Share of the miners' reward, of 65535.
        incentives: Vec<Compact<u16>> = graph.incentives;
        /// Agreed weight, of 65535.
        consensus: Vec<Compact<u16>> = graph.consensus;
        /// Always empty; the protocol has no trust any more.
        trust: Vec<Compact<u16>> = graph.trust;
        /// Always empty; the protocol has no ranks any more.
        rank: Vec<Compact<u16>> = graph.rank;
        /// Block in which each slot was taken.
        block_at_registration: Vec<Compact<u64>> = graph.block_at_registration;
        /// Alpha that counts for each neuron, after parents and children.
        alpha_stake: Vec<Compact<u64>> = graph.alpha_stake;
        /// Rao on root that count for each neuron, after parents and children, without the weight of TAO.
        tao_stake: Vec<Compact<u64>> = graph.tao_stake;
        /// Alpha, and TAO by its weight.
        total_stake: Vec<Compact<u64>> = graph.total_stake;
        /// One list for each subnet, one value for each neuron. All 0: the protocol keeps no history any more.
        emission_history: Vec<Vec<Compact<u64>>> = Market::all_netuids()
            .into_iter()
            .map(|_| graph.num_uids)
            .map(|Compact(neurons)| (0..neurons).map(|_| Compact(0)).collect())
            .collect();
    }
}

/// The neurons of `netuid` by column.
pub fn subnet_state(netuid: NetUid) -> Option<SubnetState> {
    metagraph(netuid).map(SubnetState::of)
}
