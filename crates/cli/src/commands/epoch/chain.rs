//! What an epoch of a live chain started from.
//!
//! An epoch runs at the beginning of its block, before any transaction. So its inputs are the state after the block
//! before it, but for one: the alpha that the block itself mints is set aside before the epoch pays out. That part is
//! computed here by the same functions that the chain uses.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use frame_support::storage::generator::StorageMap;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use myelin_client::Client;
use myelin_economy::{
    block_emission::alpha_issuance_rao,
    distribution::EpochPots,
    stake::{inherited_stake, ParentLink, StakePair},
    subnet_emission::{accrue, effective_moving_price, root_proportion, root_sells, tao_weight, Accrual},
};
use myelin_epoch_document::EpochFields;
use myelin_runtime::{AccountId, Runtime};
use myelin_yuma::SparseRow;
use pallet_subtensor::{storage_index, MechId, NetUid, StorageIndex, Uid, ROOT};

/// Reads that wait for an answer at the same time.
pub const CONCURRENT_READS: usize = 16;

/// Number of the mechanism whose price follows its pool.
const DYNAMIC: u16 = 1;

/// The value of a storage map of the market.
macro_rules! read {
    ($client:expr, $item:ident, $netuid:expr) => {
        $client.map::<pallet_subtensor::$item<Runtime>, _, _>($netuid).await?
    };
}

/// The state before an epoch and after its block.
pub struct EpochStates {
    pub netuid: NetUid,
    /// Block in which the epoch ran.
    pub block: u32,
    pub before: Client,
    pub after: Client,
}

/// Inputs of an epoch, one for each mechanism.
pub struct ChainInputs {
    pub mechanisms: Vec<EpochFields>,
    /// What was paid out.
    pub pots: EpochPots,
}

impl EpochStates {
    /// Finds the last epoch of a subnet that ran in or before block `at`, or in or before the newest.
    pub async fn find(client: &Client, netuid: NetUid, at: Option<u32>) -> Result<Self> {
        let from = match at {
            Some(number) => client.at(client.block_hash(number).await?),
            None => client.pinned().await?,
        };
        let number = from.block_number().await?;
        let added =
            readable(from.map::<pallet_subtensor::NetworksAdded<Runtime>, _, _>(netuid).await, number)?;
        anyhow::ensure!(added, "there is no subnet {netuid} at block {number}");
        anyhow::ensure!(netuid != ROOT, "root has no epochs; name another subnet");
        let block = u32::try_from(read!(from, LastMechansimStepBlock, netuid))?;
        let Some(parent) = block.checked_sub(1) else {
            anyhow::bail!("subnet {netuid} has not run an epoch yet at block {number}; wait for its first");
        };
        let states = Self {
            netuid,
            block,
            before: client.at(client.block_hash(parent).await?),
            after: client.at(client.block_hash(block).await?),
        };
        readable(states.before.value::<pallet_subtensor::TaoWeight<Runtime>, _>().await, parent)?;
        Ok(states)
    }

    /// Reads everything that the epoch started from.
    pub async fn inputs(&self) -> Result<ChainInputs> {
        let pots = self.pots().await?;
        let (before, netuid) = (&self.before, self.netuid);
        let count = read!(before, MechanismCountCurrent, netuid);
        anyhow::ensure!(
            count > 0,
            "subnet {netuid} had no mechanism at block {}, so nothing was computed",
            self.block
        );
        let split = read!(before, MechanismEmissionSplit, netuid);
        let parts = myelin_yuma::split_emission(pots.epoch_emission_rao(), count, split.as_deref());
        let subnet = self.subnet_fields().await?;
        let mut mechanisms = Vec::new();
        for (mechanism, rao_emission) in (0..count).zip(parts) {
            mechanisms.push(EpochFields { rao_emission, ..self.mechanism_fields(mechanism, &subnet).await? });
        }
        Ok(ChainInputs { mechanisms, pots })
    }

    /// The fields that all mechanisms have in common; the others are empty.
    async fn subnet_fields(&self) -> Result<EpochFields> {
        let (before, netuid) = (&self.before, self.netuid);
        let n = read!(before, SubnetworkN, netuid);
        let stakes = self.stakes(n).await?;
        let tempo = read!(before, Tempo, netuid);
        let cutoff_milli = read!(before, ActivityCutoffFactorMilli, netuid);
        let registrations =
            before.double_map_entries::<pallet_subtensor::BlockAtRegistration<Runtime>, _, _, _>(netuid);
        let owner = read!(before, SubnetOwnerHotkey, netuid);
        let (alpha_low, alpha_high) = read!(before, AlphaValues, netuid);
        let tao_weight = before.value::<pallet_subtensor::TaoWeight<Runtime>, _>().await?;
        let total_stake = |stake: &StakePair| {
            myelin_yuma::total_stake(stake.alpha_rao, stake.root_rao, tao_weight).to_bits()
        };
        Ok(EpochFields {
            n,
            block: self.block.into(),
            tempo,
            activity_cutoff: myelin_yuma::stake::activity_cutoff_blocks(cutoff_milli, tempo),
            last_step_block: read!(before, LastMechansimStepBlock, netuid),
            last_update: Vec::new(),
            block_at_registration: by_uid(n, registrations.await?),
            alpha_stake: stakes.iter().map(|stake| stake.alpha_rao).collect(),
            tao_stake: stakes.iter().map(|stake| stake.root_rao).collect(),
            tao_weight,
            total_stake_bits: Some(stakes.iter().map(total_stake).collect()),
            stake_threshold: before.value::<pallet_subtensor::StakeThreshold<Runtime>, _>().await?,
            owner_uid: before.uid(netuid, &owner).await?,
            validator_permits: cut(read!(before, ValidatorPermit, netuid), n),
            max_allowed_validators: read!(before, MaxAllowedValidators, netuid),
            commit_reveal: read!(before, CommitRevealWeightsEnabled, netuid),
            // The runtime takes no commits yet, and so masks no weights for one, whatever else is in its storage.
            commit_blocks: vec![None; n.into()],
            kappa: read!(before, Kappa, netuid),
            bonds_penalty: read!(before, BondsPenalty, netuid),
            bonds_moving_average: read!(before, BondsMovingAverage, netuid),
            liquid_alpha: read!(before, LiquidAlphaOn, netuid),
            alpha_low,
            alpha_high,
            alpha_sigmoid_steepness: read!(before, AlphaSigmoidSteepness, netuid),
            yuma3: read!(before, Yuma3On, netuid),
            weights: Vec::new(),
            bonds: Vec::new(),
            rao_emission: 0,
        })
    }

    async fn mechanism_fields(&self, mechanism: MechId, subnet: &EpochFields) -> Result<EpochFields> {
        let index = storage_index(self.netuid, mechanism);
        let weights = self.before.double_map_entries::<pallet_subtensor::Weights<Runtime>, _, _, _>(index);
        Ok(EpochFields {
            last_update: cut(read!(self.before, LastUpdate, index), subnet.n),
            weights: by_uid(subnet.n, weights.await?),
            bonds: by_uid(subnet.n, bonds(&self.before, index).await?),
            ..subnet.clone()
        })
    }

    /// Stake of every uid, with what it inherits and without what it lends.
    async fn stakes(&self, n: u16) -> Result<Vec<StakePair>> {
        let keys = self.before.double_map_entries::<pallet_subtensor::Keys<Runtime>, _, _, _>(self.netuid);
        let hotkeys: BTreeMap<Uid, AccountId> = keys.await?.into_iter().collect();
        let stakes = (0..n).map(|uid| {
            let hotkey = hotkeys.get(&uid);
            async move {
                match hotkey {
                    Some(hotkey) => self.stake_of(hotkey).await,
                    None => Ok(StakePair::default()),
                }
            }
        });
        stream::iter(stakes).buffered(CONCURRENT_READS).try_collect().await
    }

    async fn stake_of(&self, hotkey: &AccountId) -> Result<StakePair> {
        let (before, netuid) = (&self.before, self.netuid);
        let children =
            before.double_map::<pallet_subtensor::ChildKeys<Runtime>, _, _, _>(hotkey, netuid).await?;
        let children: Vec<u64> = children.into_iter().map(|(proportion, _)| proportion).collect();
        let mut parents = Vec::new();
        for (proportion_u64, parent) in
            before.double_map::<pallet_subtensor::ParentKeys<Runtime>, _, _, _>(hotkey, netuid).await?
        {
            parents.push(ParentLink { stake: self.own_stake(&parent).await?, proportion_u64 });
        }
        Ok(inherited_stake(self.own_stake(hotkey).await?, &children, &parents))
    }

    async fn own_stake(&self, hotkey: &AccountId) -> Result<StakePair> {
        let alpha = |netuid: NetUid| {
            self.before.double_map::<pallet_subtensor::TotalHotkeyAlpha<Runtime>, _, _, _>(hotkey, netuid)
        };
        Ok(StakePair { alpha_rao: alpha(self.netuid).await?, root_rao: alpha(ROOT).await? })
    }

    /// What the epoch paid out: what was set aside until its block, and what that block added.
    async fn pots(&self) -> Result<EpochPots> {
        let (before, netuid) = (&self.before, self.netuid);
        let prices = self.emitting_prices().await?;
        let accrued = if prices.contains_key(&netuid) { self.accrual().await? } else { Accrual::default() };
        let prices: Vec<_> = prices.into_values().collect();
        let root_rao = if root_sells(&prices) { accrued.root_rao } else { 0 };
        let sum = u64::saturating_add;
        Ok(EpochPots {
            server_rao: sum(read!(before, PendingServerEmission, netuid), accrued.server_rao),
            validator_rao: sum(read!(before, PendingValidatorEmission, netuid), accrued.validator_rao),
            root_rao: sum(read!(before, PendingRootAlphaDivs, netuid), root_rao),
            owner_cut_rao: sum(read!(before, PendingOwnerCut, netuid), accrued.owner_cut_rao),
        })
    }

    /// How the block divided the alpha that it minted.
    async fn accrual(&self) -> Result<Accrual> {
        let (before, after, netuid) = (&self.before, &self.after, self.netuid);
        let minted_rao = read!(after, SubnetAlphaOutEmission, netuid);
        let injected_rao = read!(after, SubnetAlphaInEmission, netuid);
        let issuance_rao =
            alpha_issuance_rao(read!(before, SubnetAlphaIn, netuid), read!(before, SubnetAlphaOut, netuid))
                .saturating_add(injected_rao)
                .saturating_add(minted_rao);
        let tao_weight = tao_weight(before.value::<pallet_subtensor::TaoWeight<Runtime>, _>().await?);
        let root_proportion = root_proportion(read!(before, SubnetTAO, ROOT), tao_weight, issuance_rao);
        let owner_cut = before.value::<pallet_subtensor::SubnetOwnerCut<Runtime>, _>().await?;
        let owner_cut = read!(before, OwnerCutEnabled, netuid).then_some(owner_cut);
        Ok(accrue(minted_rao, owner_cut, root_proportion))
    }

    /// Moving prices of all subnets that get emission.
    async fn emitting_prices(&self) -> Result<BTreeMap<NetUid, substrate_fixed::types::U64F64>> {
        let before = &self.before;
        let started =
            before.map_entries::<pallet_subtensor::FirstEmissionBlockNumber<Runtime>, NetUid, u64>();
        let trading = flagged::<pallet_subtensor::SubtokenEnabled<Runtime>>(before).await?;
        let mut prices = BTreeMap::new();
        for (netuid, _) in started.await? {
            let open = read!(before, NetworkRegistrationAllowed, netuid);
            if netuid != ROOT && open && trading.contains(&netuid) {
                let is_dynamic = read!(before, SubnetMechanism, netuid) == DYNAMIC;
                let price = read!(before, SubnetMovingPrice, netuid);
                prices.insert(netuid, effective_moving_price(price, is_dynamic));
            }
        }
        Ok(prices)
    }
}

/// Bonds of a mechanism, by uid.
pub async fn bonds(client: &Client, index: StorageIndex) -> Result<Vec<(Uid, SparseRow)>> {
    Ok(client.double_map_entries::<pallet_subtensor::Bonds<Runtime>, _, _, _>(index).await?)
}

async fn flagged<Item>(client: &Client) -> Result<BTreeSet<NetUid>>
where
    Item: StorageMap<NetUid, bool>,
    Item::Hasher: frame_support::ReversibleStorageHasher,
{
    let entries = client.map_entries::<Item, NetUid, bool>().await?;
    Ok(entries.into_iter().filter_map(|(netuid, is_set)| is_set.then_some(netuid)).collect())
}

/// A first read from the state after block `number`.
fn readable<T>(read: Result<T, myelin_client::ClientError>, number: u32) -> Result<T> {
    read.with_context(|| {
        format!(
            "the state after block {number} cannot be read; nodes keep only the last blocks' states, \
             ask one that runs with `--archive`"
        )
    })
}

/// One value for each uid; the default where there is no entry.
pub fn by_uid<Value: Clone + Default>(n: u16, entries: Vec<(Uid, Value)>) -> Vec<Value> {
    let mut values = vec![Value::default(); usize::from(n)];
    for (uid, value) in entries {
        if let Some(slot) = values.get_mut(usize::from(uid)) {
            *slot = value;
        }
    }
    values
}

fn cut<Value>(mut values: Vec<Value>, n: u16) -> Vec<Value> {
    values.truncate(n.into());
    values
}
