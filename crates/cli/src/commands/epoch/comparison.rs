//! What a chain has stored of an epoch, beside what it comes to.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use myelin_runtime::{AccountId, Runtime, RuntimeEvent};
use myelin_yuma::{EpochOutput, SubnetOutput};
use pallet_subtensor::{storage_index, Event, MechId, NetUid, StorageIndex, Uid};
use serde::Serialize;
use serde_json::Value;
use substrate_fixed::types::I96F32;

use super::{
    accounts::{all, root_rate},
    chain::{bonds, by_uid, EpochStates},
    payouts::Payouts,
};

/// A stored value that is not what its inputs come to.
#[derive(Debug, Serialize, PartialEq)]
pub struct Difference {
    /// The mechanism; none for what belongs to the subnet as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<MechId>,
    pub field: &'static str,
    /// The neuron; none for what belongs to a hotkey, registered or not, or to the subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hotkey: Option<AccountId>,
    /// Null where nothing is stored.
    pub stored: Value,
    /// Null where there should be nothing.
    pub computed: Value,
}

/// Something that an epoch changes and that cannot be told any more.
#[derive(Debug, Serialize, PartialEq)]
pub struct NotCompared {
    pub value: &'static str,
    pub reason: &'static str,
}

/// What transactions change, too.
pub const NOT_COMPARED: &[NotCompared] = &[
    NotCompared {
        value: "the emission that the epoch divides (SubnetAlphaOutEmission, SubnetAlphaInEmission, Pending*Emission)",
        reason: "it follows from all subnets and all blocks before; it is taken as the chain has recorded it",
    },
    NotCompared {
        value: "stake behind hotkeys and its shares (TotalHotkeyAlpha, TotalHotkeySharesV2, AlphaV2)",
        reason: "transactions of the same block stake and unstake after the epoch; stake_at_epoch is what dividends made of it",
    },
    NotCompared {
        value: "alpha that is nobody's or set aside for claims (UnassignedAlpha, RootClaimPot, SubnetAlphaOut)",
        reason: "transactions of the same block change it after the epoch; `myelin query conservation` adds it up",
    },
];

/// Compares values by uid and by hotkey.
#[derive(Default)]
pub struct Comparison {
    /// Uids whose results were overwritten after the epoch: nothing to compare.
    pub overwritten: BTreeSet<Uid>,
    pub differences: Vec<Difference>,
    pub compared: usize,
}

impl Comparison {
    /// Compares everything that the chain stores of an epoch.
    pub async fn of(
        states: &EpochStates,
        mechanisms: &[(u64, EpochOutput)],
        subnet: &SubnetOutput,
        payouts: &Payouts,
    ) -> Result<Self> {
        let mut comparison = Self { overwritten: registered_in_block(states).await?, ..Self::default() };
        comparison.compare_subnet(states, subnet).await?;
        let miners_paid = miners_paid(states).await?;
        for (mechanism, (_, output)) in (0..).zip(mechanisms) {
            let index = storage_index(states.netuid, mechanism);
            comparison.compare_mechanism(states, mechanism, output).await?;
            let paid = miners_paid.get(&index).map(Vec::as_slice).unwrap_or_default();
            comparison.compare(Some(mechanism), "server_emission", paid, &output.server_emission, false);
        }
        comparison.compare_payouts(states, payouts).await?;
        Ok(comparison)
    }

    async fn compare_payouts(&mut self, states: &EpochStates, computed: &Payouts) -> Result<()> {
        let EpochStates { after, netuid, .. } = states;
        macro_rules! stored {
            ($item:ident) => {
                after
                    .double_map_entries::<pallet_subtensor::$item<Runtime>, _, _, _>(netuid)
                    .await?
                    .into_iter()
                    .collect()
            };
        }
        self.compare_by_hotkey(
            "alpha_dividends",
            &stored!(AlphaDividendsPerSubnet),
            &computed.alpha_dividends,
        );
        self.compare_by_hotkey(
            "root_dividends",
            &stored!(RootAlphaDividendsPerSubnet),
            &computed.root_dividends,
        );
        let hotkeys = || computed.alpha_at_epoch.keys();
        let alpha = all(hotkeys(), |hotkey| async move {
            let alpha = after
                .double_map::<pallet_subtensor::TotalHotkeyAlphaLastEpoch<Runtime>, _, _, _>(hotkey, netuid);
            Ok((hotkey.clone(), alpha.await?))
        });
        let alpha = alpha.await?.into_iter().collect();
        self.compare_by_hotkey("stake_at_epoch", &alpha, &computed.alpha_at_epoch);
        let rates =
            all(
                hotkeys(),
                |hotkey| async move { Ok((hotkey.clone(), root_rate(after, *netuid, hotkey).await?)) },
            );
        let rates = rates.await?.into_iter().collect();
        self.compare_by_hotkey("root_claim_rate", &shown(&rates), &shown(&computed.root_rates));
        let burned = after.map::<pallet_subtensor::MinerBurned<Runtime>, _, _>(netuid).await?;
        self.note("miner_burned", None, Some(&burned.to_string()), Some(&computed.miner_burned.to_string()));
        Ok(())
    }

    /// Compares values of all hotkeys that have one.
    fn compare_by_hotkey<T: PartialEq + Serialize>(
        &mut self,
        field: &'static str,
        stored: &BTreeMap<AccountId, T>,
        computed: &BTreeMap<AccountId, T>,
    ) {
        let hotkeys: BTreeSet<_> = stored.keys().chain(computed.keys()).collect();
        for hotkey in hotkeys {
            self.note(field, Some(hotkey), stored.get(hotkey), computed.get(hotkey));
        }
    }

    /// Compares one value that belongs to no mechanism and no neuron.
    fn note<T: PartialEq + Serialize>(
        &mut self,
        field: &'static str,
        hotkey: Option<&AccountId>,
        stored: Option<&T>,
        computed: Option<&T>,
    ) {
        self.compared += 1;
        if stored != computed {
            let (stored, computed) = (json(stored), json(computed));
            let (hotkey, uid, mechanism) = (hotkey.cloned(), None, None);
            self.differences.push(Difference { mechanism, field, uid, hotkey, stored, computed });
        }
    }

    async fn compare_subnet(&mut self, states: &EpochStates, computed: &SubnetOutput) -> Result<()> {
        macro_rules! compare {
            ($field:literal, $item:ident, $computed:expr) => {
                let item = states.after.map::<pallet_subtensor::$item<Runtime>, _, _>(states.netuid);
                self.compare(None, $field, &item.await?, &$computed, true);
            };
        }
        compare!("active", Active, computed.active);
        compare!("consensus", Consensus, computed.consensus);
        compare!("dividends", Dividends, computed.dividends);
        compare!("emission", Emission, computed.emission);
        compare!("stake_weight", StakeWeight, computed.stake_weight);
        compare!("validator_permits", ValidatorPermit, computed.validator_permits);
        compare!("validator_trust", ValidatorTrust, computed.validator_trust);
        Ok(())
    }

    async fn compare_mechanism(
        &mut self,
        states: &EpochStates,
        mechanism: MechId,
        computed: &EpochOutput,
    ) -> Result<()> {
        let index = storage_index(states.netuid, mechanism);
        let incentive = states.after.map::<pallet_subtensor::Incentive<Runtime>, _, _>(index).await?;
        self.compare(Some(mechanism), "incentive", &incentive, &computed.incentive, true);
        let entries = bonds(&states.after, index).await?;
        let rows = entries.iter().map(|(uid, _)| uid.saturating_add(1)).max().unwrap_or_default();
        let rows = by_uid(rows.max(computed.bonds.len() as u16), entries);
        self.compare(Some(mechanism), "bonds", &rows, &computed.bonds, true);
        Ok(())
    }

    /// Compares one list. `can_be_overwritten` by a registration in the same block.
    fn compare<T: PartialEq + Serialize>(
        &mut self,
        mechanism: Option<MechId>,
        field: &'static str,
        stored: &[T],
        computed: &[T],
        can_be_overwritten: bool,
    ) {
        for uid in 0..stored.len().max(computed.len()) {
            let (found, expected) = (stored.get(uid), computed.get(uid));
            let uid = uid as Uid;
            if can_be_overwritten && self.overwritten.contains(&uid) {
                continue;
            }
            self.compared += 1;
            if found != expected {
                let (stored, computed) = (json(found), json(expected));
                let (uid, hotkey) = (Some(uid), None);
                self.differences.push(Difference { mechanism, field, uid, hotkey, stored, computed });
            }
        }
    }
}

fn json<T: Serialize>(value: Option<&T>) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Fractions as decimal texts, which hold all of their digits.
fn shown(rates: &BTreeMap<AccountId, I96F32>) -> BTreeMap<AccountId, String> {
    rates.iter().map(|(hotkey, rate)| (hotkey.clone(), rate.to_string())).collect()
}

/// Uids that were taken in the block of the epoch, after it: their results are those of newcomers.
async fn registered_in_block(states: &EpochStates) -> Result<BTreeSet<Uid>> {
    let registrations = states
        .after
        .double_map_entries::<pallet_subtensor::BlockAtRegistration<Runtime>, NetUid, Uid, u64>(states.netuid)
        .await?;
    let in_block = registrations.into_iter().filter(|(_, block)| *block == u64::from(states.block));
    Ok(in_block.map(|(uid, _)| uid).collect())
}

/// What the block's events say that miners were paid, by mechanism.
async fn miners_paid(states: &EpochStates) -> Result<BTreeMap<StorageIndex, Vec<u64>>> {
    let events = states.after.events().await?;
    let paid = events.into_iter().filter_map(|record| match record.event {
        RuntimeEvent::SubtensorModule(Event::IncentiveAlphaEmittedToMiners { netuid, emissions }) => {
            Some((netuid, emissions))
        }
        _ => None,
    });
    Ok(paid.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named_with_both_values() {
        let mut comparison = Comparison { overwritten: [3].into(), ..Comparison::default() };
        comparison.compare(Some(1), "incentive", &[1, 2, 3, 4], &[1, 5, 3, 9], true);
        comparison.compare(None, "active", &[true], &[true, false], false);
        assert_eq!(comparison.compared, 5);
        assert_eq!(
            serde_json::to_value(comparison.differences).expect("JSON"),
            json!([
                { "mechanism": 1, "field": "incentive", "uid": 1, "stored": 2, "computed": 5 },
                { "field": "active", "uid": 1, "stored": null, "computed": false },
            ])
        );
    }
}
