//! What a chain has stored of an epoch, beside what it comes to.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use myelin_runtime::{Runtime, RuntimeEvent};
use myelin_yuma::{EpochOutput, SubnetOutput};
use pallet_subtensor::{storage_index, Event, MechId, NetUid, StorageIndex, Uid};
use serde::Serialize;
use serde_json::Value;

use super::chain::{bonds, by_uid, EpochStates};

/// A stored value that is not what its inputs come to.
#[derive(Debug, Serialize, PartialEq)]
pub struct Difference {
    /// The mechanism; none for what belongs to the subnet as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<MechId>,
    pub field: &'static str,
    pub uid: Uid,
    /// Null where nothing is stored.
    pub stored: Value,
    /// Null where there should be nothing.
    pub computed: Value,
}

/// Compares values by uid.
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
        Ok(comparison)
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
                let shown = |value: Option<&T>| serde_json::to_value(value).unwrap_or_default();
                let (stored, computed) = (shown(found), shown(expected));
                self.differences.push(Difference { mechanism, field, uid, stored, computed });
            }
        }
    }
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
