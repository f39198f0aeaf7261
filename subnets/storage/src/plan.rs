//! Which miner is to keep what.
//!
//! Every miner has objects of its own, which nobody else has, so that a copy of another miner's data is no help. Some
//! objects are kept by two miners: an object survives the loss of one of them. Pairs follow from the seed by rank of a
//! hash, so that a miner who comes or leaves changes few pairs.
//!
//! Objects are replaced one by one as rounds pass: a miner that has lost something is not without it for ever, and one that
//! keeps nothing has to take new objects again and again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::object::{ObjectId, Seed};

/// How much to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlacementRules {
    /// Objects that only one miner keeps, for each miner.
    pub own_objects: u32,
    /// Miners with whom each miner keeps an object in common, at least, as far as there are as many.
    pub partners: u32,
    /// Size of an object in bytes.
    pub object_bytes: u64,
    /// Rounds of challenges after which an object is replaced; 0 for never.
    pub lifetime_rounds: u64,
}

impl Default for PlacementRules {
    fn default() -> Self {
        Self { own_objects: 6, partners: 2, object_bytes: 256 * 1024, lifetime_rounds: 1000 }
    }
}

/// All objects that `miners` are to keep in `round`.
pub fn plan(
    miners: &BTreeSet<String>,
    rules: &PlacementRules,
    seed: &Seed,
    round: u64,
) -> BTreeSet<ObjectId> {
    let own = miners
        .iter()
        .flat_map(|miner| (0..rules.own_objects).map(|slot| object(rules, vec![miner.clone()], slot, round)));
    let shared = miners.iter().flat_map(|miner| {
        partners(miner, miners, rules.partners, seed)
            .into_iter()
            .map(|holders| object(rules, holders, 0, round))
    });
    own.chain(shared).collect()
}

/// The object in one of the holders' slots. Slots are renewed in turn, not at once.
fn object(rules: &PlacementRules, holders: Vec<String>, slot: u32, round: u64) -> ObjectId {
    let slots = u64::from(rules.own_objects.max(1));
    let offset = u64::from(slot).saturating_mul(rules.lifetime_rounds) / slots;
    let generation = round.saturating_add(offset).checked_div(rules.lifetime_rounds).unwrap_or_default();
    ObjectId { holders, slot, generation, size: rules.object_bytes }
}

/// The pairs, each in order, that `miner` chooses.
fn partners(miner: &String, miners: &BTreeSet<String>, count: u32, seed: &Seed) -> Vec<Vec<String>> {
    let mut ranked: Vec<(u64, Vec<String>)> = miners
        .iter()
        .filter(|other| *other != miner)
        .map(|other| {
            let pair = vec![miner.min(other).clone(), miner.max(other).clone()];
            (seed.draws(pair.join(" ").as_bytes()).below(u64::MAX), pair)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, pair)| pair).take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: PlacementRules =
        PlacementRules { own_objects: 3, partners: 2, object_bytes: 100, lifetime_rounds: 30 };

    fn miners(count: u32) -> BTreeSet<String> {
        (0..count).map(|number| format!("miner {number:03}")).collect()
    }

    fn planned(count: u32) -> BTreeSet<ObjectId> {
        plan(&miners(count), &RULES, &Seed::from_bytes([3; 32]), 0)
    }

    #[test]
    fn every_miner_has_objects_of_its_own_and_objects_in_common() {
        for count in [1, 2, 3, 10, 50] {
            let objects = planned(count);
            for miner in miners(count) {
                let held = || objects.iter().filter(|object| object.holders.contains(&miner));
                assert_eq!(held().filter(|object| object.holders.len() == 1).count(), 3);
                let shared = held().filter(|object| object.holders.len() == 2).count();
                assert!(shared >= usize::try_from(count - 1).unwrap().min(2), "{miner} of {count}: {shared}");
            }
            assert!(objects.iter().all(|object| (1..=2).contains(&object.holders.len())));
        }
    }

    #[test]
    fn a_newcomer_changes_little() {
        let (before, after) = (planned(50), planned(51));
        let lost = before.difference(&after).count();
        assert!(lost <= 10, "{lost} of {} objects moved", before.len());
    }

    #[test]
    fn pairs_depend_on_the_seed() {
        let other = plan(&miners(20), &RULES, &Seed::from_bytes([4; 32]), 0);
        assert_ne!(planned(20), other);
    }

    #[test]
    fn objects_are_replaced_in_turn() {
        let seed = Seed::from_bytes([3; 32]);
        let at = |round| plan(&miners(1), &RULES, &seed, round);
        let changes: Vec<usize> =
            (1..=60).map(|round| at(round).difference(&at(round - 1)).count()).collect();
        assert_eq!(changes.iter().sum::<usize>(), 6);
        assert!(changes.iter().all(|count| *count <= 1));
        let forever = PlacementRules { lifetime_rounds: 0, ..RULES };
        assert_eq!(plan(&miners(5), &forever, &seed, 0), plan(&miners(5), &forever, &seed, u64::MAX));
    }
}
