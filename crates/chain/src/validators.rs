//! Who orders blocks, independent of the engine that they run.

use codec::Encode;
use myelin_runtime::{presets, AccountId, Hash};
use sp_crypto_hashing::blake2_256;

/// An Ed25519 public key that votes are signed with.
pub type ConsensusKey = [u8; 32];

/// How many validators a set may have.
pub const MAX_VALIDATORS: usize = 512;
/// What all votes of a set may weigh together, so that three times as much is still a `u64`.
pub const MAX_TOTAL_POWER: u64 = 1 << 60;

/// One of those who order blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Verifies its votes.
    pub key: ConsensusKey,
    /// Who is paid for the blocks that it proposes.
    pub account: AccountId,
    /// What its vote weighs, at least 1.
    pub power: u64,
}

impl From<presets::Validator<AccountId>> for Validator {
    fn from(validator: presets::Validator<AccountId>) -> Self {
        Self { key: validator.key.0, account: validator.account, power: validator.power }
    }
}

/// Those who order the block of one height, the heaviest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidatorSet {
    members: Vec<Validator>,
    total_power: u64,
}

/// Why a list of validators is not a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidatorSetError {
    /// Too long.
    #[error("there are {0} validators, more than the limit of {MAX_VALIDATORS}; name fewer")]
    TooMany(usize),
    /// A vote without weight.
    #[error("validator {0:?} has no power; give it at least 1")]
    NoPower(Hash),
    /// The same key twice.
    #[error("validator {0:?} is listed twice; every validator needs its own key")]
    Duplicate(Hash),
}

impl ValidatorSet {
    /// Orders validators by power and key, whatever order they come in. When they weigh more than [`MAX_TOTAL_POWER`]
    /// together, all are scaled down; nobody falls below 1.
    ///
    /// # Errors
    /// See [`ValidatorSetError`]. An empty list is a set, of a chain that one node orders alone.
    pub fn new(mut members: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        if members.len() > MAX_VALIDATORS {
            return Err(ValidatorSetError::TooMany(members.len()));
        }
        if let Some(idle) = members.iter().find(|member| member.power == 0) {
            return Err(ValidatorSetError::NoPower(idle.key.into()));
        }
        members.sort_by_key(|member| member.key);
        if let Some(pair) = members.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return Err(ValidatorSetError::Duplicate(pair[0].key.into()));
        }
        normalise(&mut members);
        members.sort_by(|left, right| right.power.cmp(&left.power).then(left.key.cmp(&right.key)));
        let total_power = members.iter().map(|member| member.power).sum();
        Ok(Self { members, total_power })
    }

    /// The validators, the heaviest first.
    pub fn members(&self) -> &[Validator] {
        &self.members
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What all votes weigh together.
    pub fn total_power(&self) -> u64 {
        self.total_power
    }

    /// The validator with this key.
    pub fn get(&self, key: &ConsensusKey) -> Option<&Validator> {
        self.members.iter().find(|member| member.key == *key)
    }

    /// Whether `power` is more than two thirds of the whole.
    pub fn is_quorum(&self, power: u64) -> bool {
        u128::from(power) * 3 > u128::from(self.total_power) * 2
    }

    /// Blake2b-256 of keys, accounts and powers in order: what a light client pins.
    pub fn hash(&self) -> Hash {
        let parts: Vec<_> =
            self.members.iter().map(|member| (member.key, &member.account, member.power)).collect();
        blake2_256(&parts.encode()).into()
    }
}

fn normalise(members: &mut [Validator]) {
    let total: u128 = members.iter().map(|member| u128::from(member.power)).sum();
    // Raising small ones to 1 adds at most one each, so there has to be room for that.
    let limit = u128::from(MAX_TOTAL_POWER) - MAX_VALIDATORS as u128;
    if total <= limit {
        return;
    }
    for member in members {
        let scaled = u128::from(member.power) * limit / total;
        member.power = u64::try_from(scaled).unwrap_or(u64::MAX).max(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn validator(key: u8, power: u64) -> Validator {
        Validator { key: [key; 32], account: AccountId::new([key; 32]), power }
    }

    #[test]
    fn the_order_is_by_power_then_key() {
        let set = ValidatorSet::new(vec![validator(3, 1), validator(2, 5), validator(1, 1)]).unwrap();
        let keys: Vec<_> = set.members().iter().map(|member| member.key[0]).collect();
        assert_eq!(keys, [2, 1, 3]);
        assert_eq!(set.total_power(), 7);
        assert_eq!(set.get(&[3; 32]).unwrap().power, 1);
    }

    #[test]
    fn two_thirds_are_not_enough() {
        let set = ValidatorSet::new((1..=3).map(|key| validator(key, 1)).collect()).unwrap();
        assert!(!set.is_quorum(2));
        assert!(set.is_quorum(3));
        assert!(!ValidatorSet::default().is_quorum(0));
    }

    #[test]
    fn what_is_not_a_set_is_refused() {
        let refused = |members| ValidatorSet::new(members).unwrap_err();
        assert_eq!(refused(vec![validator(1, 0)]), ValidatorSetError::NoPower([1; 32].into()));
        assert_eq!(
            refused(vec![validator(1, 1), validator(2, 1), validator(1, 2)]),
            ValidatorSetError::Duplicate([1; 32].into())
        );
        let many = (0..=MAX_VALIDATORS as u64)
            .map(|index| {
                let mut validator = validator(0, 1);
                validator.key[..8].copy_from_slice(&index.to_le_bytes());
                validator
            })
            .collect();
        assert_eq!(refused(many), ValidatorSetError::TooMany(MAX_VALIDATORS + 1));
    }

    proptest! {
        #[test]
        fn power_stays_in_bounds_and_in_proportion(powers in prop::collection::vec(1u64.., 1..32)) {
            let members: Vec<_> =
                powers.iter().zip(0u8..).map(|(power, key)| validator(key, *power)).collect();
            let total: u128 = powers.iter().map(|power| u128::from(*power)).sum();
            let set = ValidatorSet::new(members.clone()).unwrap();
            prop_assert!(set.total_power() <= MAX_TOTAL_POWER);
            for member in members {
                let kept = set.get(&member.key).unwrap().power;
                prop_assert!(kept >= 1);
                let exact = u128::from(member.power) * u128::from(set.total_power()) / total;
                prop_assert!(u128::from(kept).abs_diff(exact) <= MAX_VALIDATORS as u128);
            }
        }
    }
}
