//! What a miner's answers are worth.
//!
//! Each answer has a value between 0 and 1: nothing for a wrong, late or missing one, and for a right one the more the
//! earlier it came before the deadline. A miner's score is the exponential moving average of these values, so that it is
//! monotone in every answer: who never answers worse than another never scores lower. Weights are a power of the score,
//! because half of the data is worth less than half of the price.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How answers become weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScoringRules {
    /// Share of the newest answer in the average, above 0 and up to 1.
    pub newest_share: f64,
    /// Share of an answer's value that depends on its speed, from 0 to 1.
    pub speed_share: f64,
    /// Power of the score that makes the weight, at least 1.
    pub sharpness: f64,
}

impl Default for ScoringRules {
    fn default() -> Self {
        Self { newest_share: 0.1, speed_share: 0.3, sharpness: 3.0 }
    }
}

/// Rules that make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("expected {expected} in the scoring rules, found {found}; correct the configuration")]
pub struct RulesError {
    expected: &'static str,
    found: f64,
}

/// What came of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The right bytes, in time.
    Correct {
        /// From the request to the last byte of the answer.
        latency_ms: u64,
    },
    /// No whole answer within the deadline.
    Late,
    /// An answer that proves nothing.
    Wrong,
    /// The miner says that it does not have the object, or does not answer at all.
    Missing,
}

impl ScoringRules {
    /// Checks that the rules make sense.
    ///
    /// # Errors
    /// Names the first that does not.
    pub fn validate(&self) -> Result<(), RulesError> {
        let check =
            |good: bool, expected, found| if good { Ok(()) } else { Err(RulesError { expected, found }) };
        let newest = self.newest_share;
        check(newest > 0.0 && newest <= 1.0, "newest_share above 0 and up to 1", newest)?;
        let speed = self.speed_share;
        check((0.0..=1.0).contains(&speed), "speed_share from 0 to 1", speed)?;
        let sharpness = self.sharpness;
        check((1.0..=100.0).contains(&sharpness), "sharpness from 1 to 100", sharpness)
    }

    /// What an answer is worth, from 0 to 1.
    pub fn value(&self, outcome: Outcome, deadline: Duration) -> f64 {
        match outcome {
            Outcome::Correct { latency_ms } => {
                let used = Duration::from_millis(latency_ms).as_secs_f64()
                    / deadline.as_secs_f64().max(f64::MIN_POSITIVE);
                1.0 - self.speed_share * used.clamp(0.0, 1.0)
            }
            Outcome::Late | Outcome::Wrong | Outcome::Missing => 0.0,
        }
    }

    /// The score after one more answer.
    pub fn next_score(&self, score: f64, outcome: Outcome, deadline: Duration) -> f64 {
        let value = self.value(outcome, deadline);
        (score + self.newest_share * (value - score)).clamp(0.0, 1.0)
    }

    /// Weights of `scores`, the best at 65535. Empty if nobody has scored.
    pub fn weights(&self, scores: &[(u16, f64)]) -> Vec<(u16, u16)> {
        let best = scores.iter().map(|(_, score)| *score).fold(0.0, f64::max);
        if best <= 0.0 {
            return Vec::new();
        }
        scores.iter().map(|(uid, score)| (*uid, scaled((score / best).powf(self.sharpness)))).collect()
    }
}

fn scaled(share: f64) -> u16 {
    // In range by the clamp; a cast of a float saturates.
    (share.clamp(0.0, 1.0) * f64::from(u16::MAX)).round() as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEADLINE: Duration = Duration::from_millis(1000);

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            3 => (0u64..=1000).prop_map(|latency_ms| Outcome::Correct { latency_ms }),
            1 => Just(Outcome::Late),
            1 => Just(Outcome::Wrong),
            1 => Just(Outcome::Missing),
        ]
    }

    fn rules() -> impl Strategy<Value = ScoringRules> {
        (0.01f64..=1.0, 0.0f64..=1.0, 1.0f64..=5.0).prop_map(|(newest_share, speed_share, sharpness)| {
            ScoringRules { newest_share, speed_share, sharpness }
        })
    }

    /// An answer that is at least as good.
    fn improved(outcome: Outcome, by_ms: u64) -> Outcome {
        match outcome {
            Outcome::Correct { latency_ms } => {
                Outcome::Correct { latency_ms: latency_ms.saturating_sub(by_ms) }
            }
            _ if by_ms.is_multiple_of(2) => outcome,
            _ => Outcome::Correct { latency_ms: by_ms },
        }
    }

    fn score(rules: &ScoringRules, outcomes: impl Iterator<Item = Outcome>) -> f64 {
        outcomes.fold(0.0, |score, outcome| rules.next_score(score, outcome, DEADLINE))
    }

    proptest! {
        #[test]
        fn better_answers_never_score_lower(
            rules in rules(), answers in proptest::collection::vec((outcome(), 0u64..1000), 0..60),
        ) {
            let plain = score(&rules, answers.iter().map(|(outcome, _)| *outcome));
            let better = score(&rules, answers.iter().map(|(outcome, by_ms)| improved(*outcome, *by_ms)));
            prop_assert!(better >= plain, "{better} < {plain}");
        }

        #[test]
        fn scores_stay_in_range(rules in rules(), answers in proptest::collection::vec(outcome(), 0..60)) {
            let score = score(&rules, answers.into_iter());
            prop_assert!((0.0..=1.0).contains(&score));
        }

        #[test]
        fn weights_keep_the_order_of_scores(rules in rules(), scores in proptest::collection::vec(0.0f64..=1.0, 1..30)) {
            let named: Vec<(u16, f64)> = (0..).zip(scores.iter().copied()).collect();
            let weights = rules.weights(&named);
            prop_assume!(!weights.is_empty());
            prop_assert_eq!(weights.iter().map(|(_, weight)| *weight).max(), Some(u16::MAX));
            for (a, b) in weights.iter().zip(weights.iter().skip(1)) {
                let (first, second) = (scores[usize::from(a.0)], scores[usize::from(b.0)]);
                prop_assert!((first <= second) == (a.1 <= b.1) || a.1 == b.1);
            }
        }

        #[test]
        fn any_correct_answer_in_time_beats_any_other(latency_ms in 0u64..=1000) {
            let rules = ScoringRules::default();
            let correct = rules.value(Outcome::Correct { latency_ms }, DEADLINE);
            for worthless in [Outcome::Late, Outcome::Wrong, Outcome::Missing] {
                prop_assert!(correct > rules.value(worthless, DEADLINE));
            }
        }
    }

    #[test]
    fn half_of_the_data_is_worth_an_eighth() {
        let rules = ScoringRules::default();
        assert_eq!(rules.weights(&[(3, 0.8), (5, 0.4), (9, 0.0)]), [(3, u16::MAX), (5, 8192), (9, 0)]);
        assert!(rules.weights(&[(1, 0.0)]).is_empty());
    }

    #[test]
    fn rules_without_sense_are_refused() {
        let default = ScoringRules::default();
        assert!(default.validate().is_ok());
        for rules in [
            ScoringRules { newest_share: 0.0, ..default },
            ScoringRules { newest_share: f64::NAN, ..default },
            ScoringRules { speed_share: 1.1, ..default },
            ScoringRules { sharpness: 0.5, ..default },
        ] {
            assert!(rules.validate().is_err(), "{rules:?}");
        }
    }
}
