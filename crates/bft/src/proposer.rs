//! Whose turn it is to propose.
//!
//! Heights walk over the line of voting power in steps of the golden ratio, which visits every stretch of it in
//! proportion to its length and at nearly even distances; whoever owns the point proposes. Within a height, everyone who
//! had a turn is left out until all had one, so that a proposer that is gone costs one round, not several.
//!
//! The choice depends on set, height and round alone. Priorities that accumulate from height to height would share power
//! as evenly, but every node would have to carry them along, through changes of the set and through pruned history.

use myelin_chain::{Validator, ValidatorSet};

/// The golden ratio's fraction in 64 bits: the step between heights.
const HEIGHT_STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// The fraction of the plastic number's inverse: the step between rounds, so that a dead proposer's rounds do not all
/// fall to its neighbour.
const ROUND_STEP: u64 = 0xc13f_a9a9_02a6_328f;

/// Who proposes in `round` of `height`; nobody from an empty set.
pub fn select(validators: &ValidatorSet, height: u32, round: u32) -> Option<&Validator> {
    validators.members().get(index(validators, height, round))
}

/// The proposer's position in the set.
#[expect(
    clippy::indexing_slicing,
    reason = "those who wait are positions of members, and fewer have passed than there are"
)]
pub(crate) fn index(validators: &ValidatorSet, height: u32, round: u32) -> usize {
    let members = validators.members();
    let turn = round as usize % members.len().max(1);
    let mut waiting: Vec<usize> = (0..members.len()).collect();
    let mut power = validators.total_power();
    for passed in 0..turn {
        let chosen = waiting.remove(position(members, &waiting, power, point(height, passed)));
        power = power.saturating_sub(members[chosen].power);
    }
    waiting.get(position(members, &waiting, power, point(height, turn))).copied().unwrap_or_default()
}

/// A point between 0 and 1, in 64 bits. The sequence is meant to wrap around.
fn point(height: u32, turn: usize) -> u64 {
    let by_height = u64::from(height).wrapping_mul(HEIGHT_STEP);
    by_height.wrapping_add((turn as u64).wrapping_mul(ROUND_STEP))
}

/// Which of those who wait owns the point of the line that their powers make up.
#[expect(clippy::indexing_slicing, reason = "those who wait are positions of members")]
fn position(members: &[Validator], waiting: &[usize], power: u64, point: u64) -> usize {
    let mut left = ((u128::from(point) * u128::from(power)) >> 64) as u64;
    for (position, index) in waiting.iter().enumerate() {
        match left.checked_sub(members[*index].power) {
            Some(rest) => left = rest,
            None => return position,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use myelin_chain::AccountId;
    use proptest::prelude::*;

    use super::*;

    fn set(powers: &[u64]) -> ValidatorSet {
        let member = |(power, key): (&u64, u8)| Validator {
            key: [key; 32],
            account: AccountId::new([key; 32]),
            power: *power,
        };
        ValidatorSet::new(powers.iter().zip(0u8..).map(member).collect()).unwrap()
    }

    #[test]
    fn an_empty_set_has_no_proposer() {
        assert_eq!(select(&ValidatorSet::default(), 1, 0), None);
    }

    #[test]
    fn the_choice_is_fixed() {
        let set = set(&[40, 30, 20, 10]);
        let chosen = |height| (0..5).map(|round| index(&set, height, round)).collect::<Vec<_>>();
        assert_eq!(chosen(1), [1, 0, 2, 3, 1]);
        assert_eq!(chosen(2), [0, 3, 2, 1, 0]);
        assert_eq!(chosen(3), [2, 1, 0, 3, 2]);
    }

    proptest! {
        #[test]
        fn everyone_has_a_turn_before_anyone_has_two(
            powers in prop::collection::vec(1u64..1_000_000, 1..20), height: u32
        ) {
            let set = set(&powers);
            let mut chosen: Vec<_> = (0..powers.len() as u32).map(|round| index(&set, height, round)).collect();
            prop_assert_eq!(index(&set, height, powers.len() as u32), chosen[0]);
            chosen.sort_unstable();
            prop_assert_eq!(chosen, (0..powers.len()).collect::<Vec<_>>());
        }

        #[test]
        fn turns_are_in_proportion_to_power(
            powers in prop::collection::vec(1u64..1000, 1..8), start in 0u32..1_000_000_000
        ) {
            const HEIGHTS: u32 = 2000;
            let set = set(&powers);
            let mut turns = vec![0u64; powers.len()];
            for height in start..start + HEIGHTS {
                turns[index(&set, height, 0)] += 1;
            }
            for (turns, member) in turns.iter().zip(set.members()) {
                let due = u64::from(HEIGHTS) * member.power / set.total_power();
                // The discrepancy of the sequence grows with the logarithm of its length.
                prop_assert!(turns.abs_diff(due) <= 8, "{turns} turns, {due} due");
            }
        }

        #[test]
        fn any_round_of_any_height_has_a_proposer(power in 1u64.., height: u32, round: u32) {
            prop_assert!(select(&set(&[power, power, 1]), height, round).is_some());
        }
    }
}
