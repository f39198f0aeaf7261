//! Whom an epoch can pay, and what they had before it.
//!
//! Everything is read before anything is computed, because reads of a distant node are what takes time.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use codec::DecodeAll;
use frame_support::storage::generator::StorageMap;
use futures::{
    stream::{self, StreamExt as _, TryStreamExt as _},
    Future,
};
use myelin_client::Client;
use myelin_economy::{
    decimal::SafeFloat, share_pool::SharePool, stake::effective_childkey_take, subnet_emission::tao_weight,
};
use myelin_runtime::{AccountId, Runtime};
use pallet_subtensor::{NetUid, Uid, ROOT};
use substrate_fixed::types::{I96F32, U96F32};

use super::chain::CONCURRENT_READS;

/// The relatives of a registered hotkey.
pub struct Neuron {
    /// Parts of its stake that it lends, in (2^64 - 1)ths.
    pub child_proportions_u64: Vec<u64>,
    /// Who lends to it, and which part.
    pub parents: Vec<(u64, AccountId)>,
    pub childkey_take_u16: u16,
    /// The hotkey that its incentive is staked behind.
    pub staked_behind: AccountId,
}

/// A hotkey that can be paid.
pub struct Holder {
    /// Its owner.
    pub coldkey: AccountId,
    pub take_u16: u16,
    /// Alpha behind it on the subnet.
    pub pool: SharePool,
    /// TAO behind it on root.
    pub root_rao: u64,
    /// Alpha of the subnet that it owes for each rao of that.
    pub root_rate: I96F32,
}

/// A hotkey and one who stakes behind it.
pub type Stake = (AccountId, AccountId);

/// Everybody whom an epoch can pay.
pub struct Accounts {
    /// Registered hotkeys, by uid.
    pub hotkeys: Vec<AccountId>,
    /// By hotkey.
    pub neurons: BTreeMap<AccountId, Neuron>,
    /// By hotkey.
    pub holders: BTreeMap<AccountId, Holder>,
    /// Shares of those who can be paid themselves.
    pub shares: BTreeMap<Stake, SafeFloat>,
    /// Who owns the subnet; an account of zeros if nobody does.
    pub owner_coldkey: AccountId,
    pub owner_hotkey: AccountId,
    /// Whether both are set, so that the owner's cut can be paid.
    pub has_owner: bool,
    pub tao_weight: U96F32,
    pub childkey_burn_u64: u64,
}

/// Reads what belongs to one subnet.
struct Reader<'a> {
    client: &'a Client,
    netuid: NetUid,
}

impl Accounts {
    /// Reads them from the state that `client` is pinned to.
    pub async fn read(client: &Client, netuid: NetUid) -> Result<Self> {
        let reader = Reader { client, netuid };
        let registered = reader.registered().await?;
        let neurons = reader.neurons(&registered).await?;
        let owner_coldkey = client.map::<pallet_subtensor::SubnetOwner<Runtime>, _, _>(netuid).await?;
        let owner_hotkey = client.map::<pallet_subtensor::SubnetOwnerHotkey<Runtime>, _, _>(netuid).await?;
        let has_owner = reader.is_stored::<pallet_subtensor::SubnetOwner<Runtime>>().await?
            && reader.is_stored::<pallet_subtensor::SubnetOwnerHotkey<Runtime>>().await?;
        let hotkeys = neurons.iter().flat_map(|(hotkey, neuron)| {
            let parents = neuron.parents.iter().map(|(_, parent)| parent);
            parents.chain([hotkey, &neuron.staked_behind]).cloned()
        });
        let hotkeys: BTreeSet<AccountId> = hotkeys.chain([owner_hotkey.clone()]).collect();
        let holders: BTreeMap<_, _> =
            all(hotkeys, |hotkey| reader.holder(hotkey)).await?.into_iter().collect();
        let owned = holders.iter().map(|(hotkey, holder)| (hotkey.clone(), holder.coldkey.clone()));
        let earned = neurons.iter().filter_map(|(hotkey, neuron)| {
            Some((neuron.staked_behind.clone(), holders.get(hotkey)?.coldkey.clone()))
        });
        let stakes: BTreeSet<Stake> =
            owned.chain(earned).chain([(owner_hotkey.clone(), owner_coldkey.clone())]).collect();
        let shares = all(stakes, |stake| reader.shares(stake)).await?.into_iter().collect();
        let weight = client.value::<pallet_subtensor::TaoWeight<Runtime>, _>().await?;
        Ok(Self {
            hotkeys: registered,
            neurons,
            holders,
            shares,
            owner_coldkey,
            owner_hotkey,
            has_owner,
            tao_weight: tao_weight(weight),
            childkey_burn_u64: client.value::<pallet_subtensor::CKBurn<Runtime>, _>().await?,
        })
    }
}

impl Reader<'_> {
    /// Registered hotkeys, by uid.
    async fn registered(&self) -> Result<Vec<AccountId>> {
        let keys = self.client.double_map_entries::<pallet_subtensor::Keys<Runtime>, _, _, _>(self.netuid);
        let keys: BTreeMap<Uid, AccountId> = keys.await?.into_iter().collect();
        Ok(keys.into_values().collect())
    }

    async fn neurons(&self, hotkeys: &[AccountId]) -> Result<BTreeMap<AccountId, Neuron>> {
        let client = self.client;
        let least = client.value::<pallet_subtensor::MinChildkeyTake<Runtime>, _>().await?;
        let least_here =
            client.map::<pallet_subtensor::MinChildkeyTakePerSubnet<Runtime>, _, _>(self.netuid).await?;
        let neurons = all(hotkeys.iter().cloned(), |hotkey| self.neuron(hotkey, least, least_here)).await?;
        Ok(neurons.into_iter().collect())
    }

    async fn neuron(
        &self,
        hotkey: AccountId,
        least_take: u16,
        least_take_here: u16,
    ) -> Result<(AccountId, Neuron)> {
        let Self { client, netuid } = *self;
        let children = client.double_map::<pallet_subtensor::ChildKeys<Runtime>, _, _, _>(&hotkey, netuid);
        let children = children.await?.into_iter().map(|(proportion, _)| proportion).collect();
        let parents = client.double_map::<pallet_subtensor::ParentKeys<Runtime>, _, _, _>(&hotkey, netuid);
        let parents = parents.await?.into_iter().collect();
        let take = client.double_map::<pallet_subtensor::ChildkeyTake<Runtime>, _, _, _>(&hotkey, netuid);
        let take = effective_childkey_take(take.await?, least_take, least_take_here);
        let coldkey = client.map::<pallet_subtensor::Owner<Runtime>, _, _>(&hotkey).await?;
        let destination =
            client.double_map::<pallet_subtensor::AutoStakeDestination<Runtime>, _, _, _>(&coldkey, netuid);
        let staked_behind = destination.await?.unwrap_or_else(|| hotkey.clone());
        let neuron =
            Neuron { child_proportions_u64: children, parents, childkey_take_u16: take, staked_behind };
        Ok((hotkey, neuron))
    }

    async fn holder(&self, hotkey: AccountId) -> Result<(AccountId, Holder)> {
        let Self { client, netuid } = *self;
        let alpha = |netuid: NetUid| {
            client.double_map::<pallet_subtensor::TotalHotkeyAlpha<Runtime>, _, _, _>(&hotkey, netuid)
        };
        let shares =
            client.double_map::<pallet_subtensor::TotalHotkeySharesV2<Runtime>, _, _, _>(&hotkey, netuid);
        let holder = Holder {
            coldkey: client.map::<pallet_subtensor::Owner<Runtime>, _, _>(&hotkey).await?,
            take_u16: client.map::<pallet_subtensor::Delegates<Runtime>, _, _>(&hotkey).await?,
            pool: SharePool { value_rao: alpha(netuid).await?, shares: shares.await? },
            root_rao: alpha(ROOT).await?,
            root_rate: root_rate(client, netuid, &hotkey).await?,
        };
        Ok((hotkey, holder))
    }

    async fn shares(&self, stake: Stake) -> Result<(Stake, SafeFloat)> {
        let key = pallet_subtensor::AlphaV2::<Runtime>::hashed_key_for((&stake.0, &stake.1, self.netuid));
        let bytes = self.client.storage(&key).await?;
        let shares = bytes.map(|bytes| SafeFloat::decode_all(&mut bytes.as_slice()));
        Ok((stake, shares.transpose().context("the shares of a stake")?.unwrap_or_default()))
    }

    async fn is_stored<Item: StorageMap<NetUid, AccountId>>(&self) -> Result<bool> {
        Ok(self.client.storage(&Item::storage_map_final_key(self.netuid)).await?.is_some())
    }
}

/// Alpha of `netuid` that a hotkey owes for each rao behind it on root.
pub async fn root_rate(client: &Client, netuid: NetUid, hotkey: &AccountId) -> Result<I96F32> {
    let rates = client.map::<pallet_subtensor::RootClaimable<Runtime>, _, _>(hotkey).await?;
    Ok(rates.get(&netuid).copied().unwrap_or_default())
}

/// What `read` gives for all `items`, in their order.
pub async fn all<Item, Value, Reading: Future<Output = Result<Value>>>(
    items: impl IntoIterator<Item = Item>,
    read: impl Fn(Item) -> Reading,
) -> Result<Vec<Value>> {
    stream::iter(items.into_iter().map(read)).buffered(CONCURRENT_READS).try_collect().await
}
