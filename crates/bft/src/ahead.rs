//! Who is ahead for certain.
//!
//! How far a peer says it is, is anybody's word. A vote for a height is signed, and whoever is honest casts it when everything
//! before that height is decided. So when validators with more than a third of the power have voted for later heights, one of
//! them is honest, and this node is behind, even where nobody has the blocks that it needs.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use myelin_chain::{certificate::verify_signature, ConsensusKey, ValidatorSet};

use crate::observer::ConsensusMessage;

/// Signatures that are verified in a second at most. Honest validators send a few; strangers may send any number.
const MAX_CHECKS: u32 = 1_000;
const SECOND: Duration = Duration::from_secs(1);

/// The highest heights that validators have voted for.
#[derive(Debug)]
pub(crate) struct Ahead {
    validators: ValidatorSet,
    heights: BTreeMap<ConsensusKey, u32>,
    since: Instant,
    checks: u32,
}

impl Ahead {
    pub fn new(validators: ValidatorSet, now: Instant) -> Self {
        Self { validators, heights: BTreeMap::new(), since: now, checks: 0 }
    }

    /// A vote has arrived, which signs `signed`. Gives the height that is decided for certain, if this vote tells of one.
    pub fn heard(
        &mut self,
        vote: &ConsensusMessage,
        signed: impl FnOnce() -> Vec<u8>,
        now: Instant,
    ) -> Option<u32> {
        let ConsensusMessage { validator, height, signature, .. } = vote;
        let is_known = self.heights.get(validator).is_some_and(|known| known >= height);
        if is_known || self.validators.get(validator).is_none() || !self.may_check(now) {
            return None;
        }
        if !verify_signature(validator, &signed(), signature) {
            return None;
        }
        self.heights.insert(*validator, *height);
        self.decided()
    }

    fn may_check(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= SECOND {
            (self.since, self.checks) = (now, 0);
        }
        self.checks = self.checks.saturating_add(1);
        self.checks <= MAX_CHECKS
    }

    /// The height before the highest one that validators with more than a third of the power have reached.
    fn decided(&self) -> Option<u32> {
        let power = |key: &ConsensusKey| self.validators.get(key).map_or(0, |validator| validator.power);
        let mut reached: Vec<_> = self.heights.iter().map(|(key, height)| (*height, power(key))).collect();
        reached.sort_unstable_by(|left, right| right.cmp(left));
        let mut sum = 0_u128;
        reached.into_iter().find_map(|(height, power)| {
            sum = sum.saturating_add(power.into());
            let is_enough = sum.saturating_mul(3) > u128::from(self.validators.total_power());
            is_enough.then(|| height.saturating_sub(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use myelin_chain::{AccountId, Validator};

    use super::*;
    use crate::{ConsensusSecret, Step};

    fn secret(seed: u8) -> ConsensusSecret {
        ConsensusSecret::from_seed(&[seed; 32])
    }

    /// Four validators, of which the fourth weighs as much as two.
    fn ahead(now: Instant) -> Ahead {
        let member = |(seed, power): (u8, u64)| Validator {
            key: secret(seed).public(),
            account: AccountId::new([seed; 32]),
            power,
        };
        let members = [(1, 1), (2, 1), (3, 1), (4, 2)].map(member).to_vec();
        Ahead::new(ValidatorSet::new(members).unwrap(), now)
    }

    fn signed(height: u32) -> Vec<u8> {
        height.to_le_bytes().to_vec()
    }

    fn vote(seed: u8, height: u32) -> ConsensusMessage {
        let (validator, signature) = (secret(seed).public(), secret(seed).sign(&signed(height)));
        ConsensusMessage { validator, height, round: 0, step: Step::Prevote, block: None, signature }
    }

    fn hear(ahead: &mut Ahead, vote: &ConsensusMessage, now: Instant) -> Option<u32> {
        ahead.heard(vote, || signed(vote.height), now)
    }

    #[test]
    fn more_than_a_third_of_the_power_tell_the_truth() {
        let now = Instant::now();
        let mut ahead = ahead(now);
        assert_eq!(hear(&mut ahead, &vote(1, 90), now), None, "one may lie");
        assert_eq!(hear(&mut ahead, &vote(1, 95), now), None, "even twice");
        assert_eq!(hear(&mut ahead, &vote(2, 40), now), Some(39), "of two, one does not");
        assert_eq!(hear(&mut ahead, &vote(2, 30), now), None, "that is old");
        assert_eq!(hear(&mut ahead, &vote(4, 50), now), Some(49));
        assert_eq!(hear(&mut ahead, &vote(3, 45), now), Some(49));
    }

    #[test]
    fn strangers_and_forged_votes_tell_nothing_and_cost_little() {
        let now = Instant::now();
        let mut ahead = ahead(now);
        let forged = ConsensusMessage { height: 9, ..vote(4, 8) };
        assert_eq!(hear(&mut ahead, &forged, now), None);
        assert_eq!(hear(&mut ahead, &vote(9, 9), now), None);
        for _ in 0..2 * MAX_CHECKS {
            assert_eq!(ahead.heard(&forged, Vec::new, now), None);
        }
        assert_eq!(hear(&mut ahead, &vote(4, 8), now), None, "no more in this second");
        assert_eq!(hear(&mut ahead, &vote(4, 8), now + SECOND), Some(7));
    }
}
