//! The rules of a subnet.
//!
//! The first two versions are records, so that every new rule needed a new version. The third is a list of names and
//! values; it is what clients ask for.

use alloc::vec::Vec;

use codec::{Decode, Encode};
use pallet_subtensor::NetUid;
use scale_info::TypeInfo;
use substrate_fixed::types::{I32F32, U64F64};

use super::{subnet::existing, Market};

records! {
    (netuid: NetUid)
    /// The rules of a subnet, first version.
    short SubnetHyperparams;
    /// The rules of a subnet, second version.
    long SubnetHyperparamsV2;
    both {
        /// Sigmoid temperature of an earlier trust definition.
        #[codec(compact)]
        rho: u16 = Market::rho(netuid);
        /// Share of stake, of 65535, that decides consensus.
        #[codec(compact)]
        kappa: u16 = Market::kappa(netuid);
        /// Blocks during which a new neuron is replaced last.
        #[codec(compact)]
        immunity_period: u16 = Market::immunity_period(netuid);
        /// Fewest weights in a weight vector.
        #[codec(compact)]
        min_allowed_weights: u16 = Market::min_allowed_weights(netuid);
        /// Largest single weight, of 65535.
        #[codec(compact)]
        max_weights_limit: u16 = Market::max_weights_limit(netuid);
        /// Blocks in an epoch.
        #[codec(compact)]
        tempo: u16 = Market::tempo(netuid);
        /// Lowest difficulty of proof of work, which does not exist here.
        #[codec(compact)]
        min_difficulty: u64 = Market::difficulty_bounds(netuid).0;
        /// Highest difficulty of proof of work, which does not exist here.
        #[codec(compact)]
        max_difficulty: u64 = Market::difficulty_bounds(netuid).1;
        /// Lowest version key that weights may carry.
        #[codec(compact)]
        weights_version: u64 = Market::weights_version_key(netuid);
        /// Fewest blocks between two weight settings of one validator.
        #[codec(compact)]
        weights_rate_limit: u64 = Market::weights_set_rate_limit(netuid);
        /// Blocks in an interval of the old price controller.
        #[codec(compact)]
        adjustment_interval: u16 = Market::adjustment_interval(netuid);
        /// Blocks without weights after which a validator is inactive.
        #[codec(compact)]
        activity_cutoff: u64 = Market::activity_cutoff(netuid);
        /// Whether neurons can register.
        registration_allowed: bool = Market::registration_allowed(netuid);
        /// A third of the most registrations in an interval; root only.
        #[codec(compact)]
        target_regs_per_interval: u16 = Market::registration_caps(netuid).1;
        /// Lowest price of a slot, in rao.
        #[codec(compact)]
        min_burn: u64 = Market::burn_bounds(netuid).0;
        /// Highest price of a slot, in rao.
        #[codec(compact)]
        max_burn: u64 = Market::burn_bounds(netuid).1;
        /// Share of the old bonds that remains after an epoch, of a million.
        #[codec(compact)]
        bonds_moving_avg: u64 = Market::bonds_moving_average(netuid);
        /// Most registrations in a block; root only.
        #[codec(compact)]
        max_regs_per_block: u16 = Market::registration_caps(netuid).0;
        /// Fewest blocks between two announcements of one neuron.
        #[codec(compact)]
        serving_rate_limit: u64 = Market::serving_rate_limit(netuid);
        /// Most validators.
        #[codec(compact)]
        max_validators: u16 = Market::max_allowed_validators(netuid);
        /// Smoothing of the old price controller.
        #[codec(compact)]
        adjustment_alpha: u64 = Market::adjustment_alpha(netuid);
        /// Difficulty of proof of work, which does not exist here.
        #[codec(compact)]
        difficulty: u64 = Market::difficulty(netuid);
        /// Epochs between commit and reveal.
        #[codec(compact)]
        commit_reveal_period: u64 = Market::reveal_period_epochs(netuid);
        /// Whether weights are committed first and revealed later.
        commit_reveal_weights_enabled: bool = Market::commit_reveal_enabled(netuid);
        /// Upper bound of the liquid alpha, of 65535.
        #[codec(compact)]
        alpha_high: u16 = Market::alpha_values(netuid).1;
        /// Lower bound of the liquid alpha, of 65535.
        #[codec(compact)]
        alpha_low: u16 = Market::alpha_values(netuid).0;
        /// Whether bonds move at a rate of their own for each pair.
        liquid_alpha_enabled: bool = Market::liquid_alpha_enabled(netuid);
    }
    long {
        /// Steepness of the liquid alpha sigmoid.
        alpha_sigmoid_steepness: I32F32 = I32F32::from_num(Market::alpha_sigmoid_steepness(netuid));
        /// 2 or 3.
        #[codec(compact)]
        yuma_version: u16 = if Market::yuma3_enabled(netuid) { 3 } else { 2 };
        /// Whether the token trades.
        subnet_is_active: bool = Market::subtoken_enabled(netuid);
        /// Whether stake may change hands.
        transfers_enabled: bool = Market::transfers_enabled(netuid);
        /// Whether a commitment can reset bonds.
        bonds_reset_enabled: bool = Market::bonds_reset_enabled(netuid);
        /// Always false: pools take no liquidity from users.
        user_liquidity_enabled: bool = false;
    }
    both {}
}

/// One rule of a subnet.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct HyperparamEntry {
    /// What it is called.
    pub name: Vec<u8>,
    /// What it is set to.
    pub value: HyperparamValue,
}

/// What a rule is set to. The kind tells clients how to show it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub enum HyperparamValue {
    /// On or off.
    Bool(bool),
    /// A small number, often of 65535.
    U16(#[codec(compact)] u16),
    /// A number.
    U32(#[codec(compact)] u32),
    /// A number, often of blocks.
    U64(#[codec(compact)] u64),
    /// A large number.
    U128(#[codec(compact)] u128),
    /// Rao.
    TaoBalance(#[codec(compact)] u64),
    /// A signed number with a fraction.
    I32F32(I32F32),
    /// A number with a fraction.
    U64F64(U64F64),
}

/// The rules of `netuid`, first version.
pub fn subnet_hyperparams(netuid: NetUid) -> Option<SubnetHyperparams> {
    existing(netuid).map(SubnetHyperparams::of)
}

/// The rules of `netuid`, second version.
pub fn subnet_hyperparams_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2> {
    existing(netuid).map(SubnetHyperparamsV2::of)
}

/// The rules of `netuid` by name.
pub fn subnet_hyperparams_v3(netuid: NetUid) -> Option<Vec<HyperparamEntry>> {
    let rules = subnet_hyperparams_v2(netuid)?;
    let entry = |(name, value): (&str, HyperparamValue)| HyperparamEntry { name: name.into(), value };
    Some(named_rules(netuid, &rules).into_iter().map(entry).collect())
}

/// Every rule, in the order of the wire.
fn named_rules(netuid: NetUid, rules: &SubnetHyperparamsV2) -> [(&'static str, HyperparamValue); 33] {
    use HyperparamValue::{Bool, TaoBalance, I32F32, U16, U32, U64, U64F64};
    let (burn_half_life, burn_increase_mult) = Market::burn_dynamics(netuid);
    [
        ("kappa", U16(rules.kappa)),
        ("immunity_period", U16(rules.immunity_period)),
        ("min_allowed_weights", U16(rules.min_allowed_weights)),
        ("max_weights_limit", U16(rules.max_weights_limit)),
        ("tempo", U16(rules.tempo)),
        ("weights_version", U64(rules.weights_version)),
        ("weights_rate_limit", U64(rules.weights_rate_limit)),
        ("activity_cutoff", U64(rules.activity_cutoff)),
        ("activity_cutoff_factor", U32(Market::activity_cutoff_factor_milli(netuid))),
        ("registration_allowed", Bool(rules.registration_allowed)),
        ("target_regs_per_interval", U16(rules.target_regs_per_interval)),
        ("min_burn", TaoBalance(rules.min_burn)),
        ("max_burn", TaoBalance(rules.max_burn)),
        ("burn_half_life", U16(burn_half_life)),
        ("burn_increase_mult", U64F64(burn_increase_mult)),
        ("bonds_moving_avg", U64(rules.bonds_moving_avg)),
        ("max_regs_per_block", U16(rules.max_regs_per_block)),
        ("serving_rate_limit", U64(rules.serving_rate_limit)),
        ("max_validators", U16(rules.max_validators)),
        ("commit_reveal_period", U64(rules.commit_reveal_period)),
        ("commit_reveal_weights_enabled", Bool(rules.commit_reveal_weights_enabled)),
        ("alpha_high", U16(rules.alpha_high)),
        ("alpha_low", U16(rules.alpha_low)),
        ("liquid_alpha_enabled", Bool(rules.liquid_alpha_enabled)),
        ("alpha_sigmoid_steepness", I32F32(rules.alpha_sigmoid_steepness)),
        ("yuma_version", U16(rules.yuma_version)),
        ("subnet_is_active", Bool(rules.subnet_is_active)),
        ("transfers_enabled", Bool(rules.transfers_enabled)),
        ("bonds_reset_enabled", Bool(rules.bonds_reset_enabled)),
        ("user_liquidity_enabled", Bool(rules.user_liquidity_enabled)),
        ("owner_cut_enabled", Bool(Market::owner_cut_enabled(netuid))),
        ("owner_cut_auto_lock_enabled", Bool(Market::owner_cut_auto_lock_enabled(netuid))),
        ("min_childkey_take", U16(Market::min_childkey_take(netuid))),
    ]
}
