//! What people and programs ask of the market.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use codec::Compact;
use myelin_runtime::{
    views::{metagraph::Metagraph, stake::StakeInfo, swap::SubnetPrice},
    AccountId, Balance, Runtime,
};
use pallet_subtensor::{
    Alpha, AxonInfo, BlocksSinceLastStep, CommitRevealWeightsEnabled, LastEpochBlock, LastUpdate, NetUid,
    PendingEpochAt, SubnetEpochIndex, Tao, Tempo, Uid, Uids, WeightsSetRateLimit, WeightsVersionKey,
};

use crate::{client::Client, error::ClientError};

/// Funds of an account, in rao.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds {
    /// Belongs to the account, frozen parts included.
    pub free_rao: Balance,
    /// Held back for a purpose.
    pub reserved_rao: Balance,
    /// Part of the free funds that cannot be sent.
    pub frozen_rao: Balance,
}

/// One neuron of a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neuron {
    /// Slot.
    pub uid: Uid,
    /// Key that signs for the neuron.
    pub hotkey: AccountId,
    /// Key that owns the hotkey.
    pub coldkey: AccountId,
    /// Stake that counts on this subnet: alpha, and TAO on root by its weight.
    pub stake_rao: u64,
    /// Whether it may validate.
    pub validator_permit: bool,
    /// Whether it has set weights lately.
    pub active: bool,
    /// Where it answers, if it has announced that.
    pub axon: Option<SocketAddr>,
    /// Block of its last weights.
    pub last_update: u64,
    /// Share of the miners' reward, of 65535.
    pub incentive: u16,
    /// Share of the validators' reward, of 65535.
    pub dividends: u16,
    /// Agreed weight, of 65535.
    pub consensus: u16,
    /// Alpha earned in the last epoch, in rao of the subnet's token.
    pub emission: Alpha,
    /// Block in which the slot was taken.
    pub registered_at: u64,
}

/// When a subnet's epochs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochSchedule {
    /// Blocks in an epoch; 0 for none.
    pub tempo: u16,
    /// Epochs so far.
    pub index: u64,
    /// Block of the last epoch slot.
    pub last_epoch_block: u64,
    /// Blocks since the last epoch ran.
    pub blocks_since_epoch: u64,
    /// Block of the next epoch; `None` without a tempo.
    pub next_epoch_block: Option<u64>,
}

/// What a validator has to keep to when it sets weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightRules {
    /// The validator's slot.
    pub uid: Uid,
    /// Fewest blocks between two weight settings.
    pub rate_limit_blocks: u64,
    /// Block of the validator's last weights; 0 for never.
    pub last_update: u64,
    /// Lowest version key.
    pub version_key: u64,
    /// Whether weights must be committed first and revealed later.
    pub commit_reveal: bool,
}

impl WeightRules {
    /// First block in which weights can be set again.
    pub fn next_block(&self) -> u64 {
        match self.last_update {
            0 => 0,
            last => last.saturating_add(self.rate_limit_blocks),
        }
    }
}

impl Client {
    /// Funds of `account`; zero for one that does not exist.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn funds(&self, account: &AccountId) -> Result<Funds, ClientError> {
        let data = self.map::<frame_system::Account<Runtime>, _, _>(account).await?.data;
        Ok(Funds { free_rao: data.free, reserved_rao: data.reserved, frozen_rao: data.frozen })
    }

    /// Free funds of `account`, in rao.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn balance(&self, account: &AccountId) -> Result<Balance, ClientError> {
        Ok(self.funds(account).await?.free_rao)
    }

    /// A subnet and its neurons, one column for each property.
    ///
    /// # Errors
    /// Those of a read, or no such subnet.
    pub async fn metagraph(&self, netuid: NetUid) -> Result<Metagraph, ClientError> {
        let found: Option<Metagraph> = self.runtime_api("SubnetInfoRuntimeApi_get_metagraph", netuid).await?;
        found.ok_or_else(|| no_subnet(netuid))
    }

    /// The neurons of a subnet, by uid.
    ///
    /// # Errors
    /// Those of a read, or no such subnet.
    pub async fn neurons(&self, netuid: NetUid) -> Result<Vec<Neuron>, ClientError> {
        Ok(neurons_of(&self.metagraph(netuid).await?))
    }

    /// Numbers of all subnets, root among them.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn subnets(&self) -> Result<Vec<NetUid>, ClientError> {
        Ok(self.prices().await?.into_iter().map(|price| price.netuid).collect())
    }

    /// Rao an alpha on every subnet.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn prices(&self) -> Result<Vec<SubnetPrice>, ClientError> {
        self.runtime_api("SwapRuntimeApi_current_alpha_price_all", ()).await
    }

    /// What a new subnet costs now, in rao.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn subnet_cost(&self) -> Result<Tao, ClientError> {
        self.runtime_api("SubnetRegistrationRuntimeApi_get_network_registration_cost", ()).await
    }

    /// All stake of a coldkey.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn stakes(&self, coldkey: &AccountId) -> Result<Vec<StakeInfo>, ClientError> {
        self.runtime_api("StakeInfoRuntimeApi_get_stake_info_for_coldkey", coldkey).await
    }

    /// What `coldkey` has staked with `hotkey` on `netuid`, in rao of the subnet's token.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn stake(
        &self,
        coldkey: &AccountId,
        hotkey: &AccountId,
        netuid: NetUid,
    ) -> Result<Alpha, ClientError> {
        let method = "StakeInfoRuntimeApi_get_stake_info_for_hotkey_coldkey_netuid";
        let found: Option<StakeInfo> = self.runtime_api(method, (hotkey, coldkey, netuid)).await?;
        Ok(found.map_or(0, |info| info.stake))
    }

    /// The slot of `hotkey` on `netuid`.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn uid(&self, netuid: NetUid, hotkey: &AccountId) -> Result<Option<Uid>, ClientError> {
        self.double_map::<Uids<Runtime>, _, _, _>(netuid, hotkey).await
    }

    /// When the epochs of `netuid` run.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn epoch_schedule(&self, netuid: NetUid) -> Result<EpochSchedule, ClientError> {
        let at = self.pinned().await?;
        let tempo = at.map::<Tempo<Runtime>, _, _>(netuid).await?;
        let last_epoch_block = at.map::<LastEpochBlock<Runtime>, _, _>(netuid).await?;
        let pending = at.map::<PendingEpochAt<Runtime>, _, _>(netuid).await?;
        let regular = last_epoch_block.saturating_add(tempo.into());
        let next = if pending == 0 { regular } else { regular.min(pending) };
        Ok(EpochSchedule {
            tempo,
            index: at.map::<SubnetEpochIndex<Runtime>, _, _>(netuid).await?,
            last_epoch_block,
            blocks_since_epoch: at.map::<BlocksSinceLastStep<Runtime>, _, _>(netuid).await?,
            next_epoch_block: (tempo > 0).then_some(next),
        })
    }

    /// What the validator `hotkey` has to keep to when it sets weights on `netuid`.
    ///
    /// # Errors
    /// Those of a read, or the hotkey has no slot there.
    pub async fn weight_rules(&self, netuid: NetUid, hotkey: &AccountId) -> Result<WeightRules, ClientError> {
        let at = self.pinned().await?;
        let uid = at.uid(netuid, hotkey).await?.ok_or_else(|| ClientError::Missing {
            what: format!("neuron {hotkey} on subnet {netuid} (register the hotkey)"),
        })?;
        let updates = at.map::<LastUpdate<Runtime>, _, _>(netuid).await?;
        Ok(WeightRules {
            uid,
            rate_limit_blocks: at.map::<WeightsSetRateLimit<Runtime>, _, _>(netuid).await?,
            last_update: updates.get(usize::from(uid)).copied().unwrap_or_default(),
            version_key: at.map::<WeightsVersionKey<Runtime>, _, _>(netuid).await?,
            commit_reveal: at.map::<CommitRevealWeightsEnabled<Runtime>, _, _>(netuid).await?,
        })
    }
}

/// The rows of a metagraph. Columns that are too short read as zeros.
pub fn neurons_of(metagraph: &Metagraph) -> Vec<Neuron> {
    let keys = metagraph.hotkeys.iter().zip(&metagraph.coldkeys);
    (0..)
        .zip(keys)
        .map(|(uid, (hotkey, coldkey))| Neuron {
            uid,
            hotkey: hotkey.clone(),
            coldkey: coldkey.clone(),
            stake_rao: number(&metagraph.total_stake, uid),
            validator_permit: cell(&metagraph.validator_permit, uid),
            active: cell(&metagraph.active, uid),
            axon: metagraph.axons.get(usize::from(uid)).and_then(endpoint),
            last_update: number(&metagraph.last_update, uid),
            incentive: number(&metagraph.incentives, uid),
            dividends: number(&metagraph.dividends, uid),
            consensus: number(&metagraph.consensus, uid),
            emission: number(&metagraph.emission, uid),
            registered_at: number(&metagraph.block_at_registration, uid),
        })
        .collect()
}

fn number<Value: Copy + Default>(column: &[Compact<Value>], uid: Uid) -> Value {
    column.get(usize::from(uid)).map(|number| number.0).unwrap_or_default()
}

fn cell<Value: Copy + Default>(column: &[Value], uid: Uid) -> Value {
    column.get(usize::from(uid)).copied().unwrap_or_default()
}

/// Where an announcement points, if it points anywhere.
fn endpoint(axon: &AxonInfo) -> Option<SocketAddr> {
    if axon.port == 0 || axon.ip == 0 {
        return None;
    }
    let address = match axon.ip_type {
        4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(axon.ip).ok()?)),
        6 => IpAddr::V6(Ipv6Addr::from(axon.ip)),
        _ => return None,
    };
    Some(SocketAddr::new(address, axon.port))
}

fn no_subnet(netuid: NetUid) -> ClientError {
    ClientError::Missing { what: format!("subnet {netuid}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::ip_number;

    #[test]
    fn announcements_are_read_as_they_were_made() {
        for text in ["10.1.2.3:8091", "[2001:db8::7]:9000"] {
            let address: SocketAddr = text.parse().unwrap();
            let (ip, ip_type) = ip_number(address.ip());
            let axon = AxonInfo { ip, ip_type, port: address.port(), ..Default::default() };
            assert_eq!(endpoint(&axon), Some(address));
        }
    }

    #[test]
    fn nonsense_announcements_point_nowhere() {
        let good = AxonInfo { ip: 0x0a01_0203, ip_type: 4, port: 1, ..Default::default() };
        assert!(endpoint(&good).is_some());
        for axon in [
            AxonInfo::default(),
            AxonInfo { port: 0, ..good.clone() },
            AxonInfo { ip: 0, ..good.clone() },
            AxonInfo { ip_type: 5, ..good.clone() },
            AxonInfo { ip: u128::MAX, ..good },
        ] {
            assert_eq!(endpoint(&axon), None);
        }
    }

    #[test]
    fn weights_can_be_set_after_the_rate_limit() {
        let rules = WeightRules {
            uid: 0,
            rate_limit_blocks: 100,
            last_update: 7,
            version_key: 0,
            commit_reveal: false,
        };
        assert_eq!(rules.next_block(), 107);
        assert_eq!(WeightRules { last_update: 0, ..rules }.next_block(), 0);
    }
}
