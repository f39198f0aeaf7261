//! Who may call, as data.

use std::collections::BTreeSet;

use myelin_client::Neuron;
use myelin_keys::{CryptoType, PublicKey};
use serde::{Deserialize, Serialize};

/// Conditions that a caller has to meet. The default is the usual one of a miner: validators of its subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallerPolicy {
    /// Has a slot on the subnet.
    pub registered: bool,
    /// May validate on the subnet.
    pub validator_permit: bool,
    /// Has at least this stake on the subnet, in rao.
    pub min_stake_rao: u64,
    /// Addresses that may call whatever else is asked for.
    pub allow: BTreeSet<String>,
    /// Addresses that may not call. Stronger than `allow`.
    pub deny: BTreeSet<String>,
}

impl Default for CallerPolicy {
    fn default() -> Self {
        Self {
            registered: true,
            validator_permit: true,
            min_stake_rao: 0,
            allow: BTreeSet::new(),
            deny: BTreeSet::new(),
        }
    }
}

/// Why a caller may not call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// On the deny list.
    #[error("{0} is not served here")]
    Denied(String),
    /// No slot.
    #[error("{0} is not registered on this subnet; register the hotkey")]
    NotRegistered(String),
    /// No permit.
    #[error("{0} has no validator permit on this subnet; more stake is needed")]
    NoPermit(String),
    /// Too little stake.
    #[error(
        "{hotkey} has {found_rao} rao of stake on this subnet, expected at least {expected_rao}; add stake"
    )]
    TooLittleStake {
        /// The caller.
        hotkey: String,
        /// Its stake.
        found_rao: u64,
        /// The least.
        expected_rao: u64,
    },
}

/// An entry of a list that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected SS58 addresses in the caller policy's allow and deny lists, found {found:?}; correct the list"
)]
pub struct AddressError {
    /// The entry.
    pub found: String,
}

/// What the lists say about a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Allowed,
    Denied,
    Neither,
}

impl CallerPolicy {
    /// Anybody with a hotkey.
    pub fn anybody() -> Self {
        Self { registered: false, validator_permit: false, ..Self::default() }
    }

    /// Checks that the lists hold addresses.
    ///
    /// # Errors
    /// The first entry that is none.
    pub fn validate(&self) -> Result<(), AddressError> {
        let wrong = self
            .allow
            .iter()
            .chain(&self.deny)
            .find(|address| PublicKey::from_ss58(address, CryptoType::Sr25519).is_err());
        match wrong {
            None => Ok(()),
            Some(found) => Err(AddressError { found: found.clone() }),
        }
    }

    /// Whether the metagraph decides about callers on neither list.
    pub fn needs_metagraph(&self) -> bool {
        self.registered || self.validator_permit || self.min_stake_rao > 0
    }

    pub(crate) fn listed(&self, address: &str) -> Listed {
        match (self.deny.contains(address), self.allow.contains(address)) {
            (true, _) => Listed::Denied,
            (false, true) => Listed::Allowed,
            (false, false) => Listed::Neither,
        }
    }

    /// Whether the caller with `address`, who is `neuron` on the subnet, may call.
    ///
    /// # Errors
    /// The first condition that is not met.
    pub fn check(&self, address: &str, neuron: Option<&Neuron>) -> Result<(), PolicyError> {
        let hotkey = || address.to_owned();
        match self.listed(address) {
            Listed::Denied => return Err(PolicyError::Denied(hotkey())),
            Listed::Allowed => return Ok(()),
            Listed::Neither if !self.needs_metagraph() => return Ok(()),
            Listed::Neither => {}
        }
        let neuron = neuron.ok_or_else(|| PolicyError::NotRegistered(hotkey()))?;
        if self.validator_permit && !neuron.validator_permit {
            return Err(PolicyError::NoPermit(hotkey()));
        }
        if neuron.stake_rao < self.min_stake_rao {
            return Err(PolicyError::TooLittleStake {
                hotkey: hotkey(),
                found_rao: neuron.stake_rao,
                expected_rao: self.min_stake_rao,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use myelin_runtime::AccountId;

    use super::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    pub(crate) fn neuron(hotkey: [u8; 32], validator_permit: bool, stake_rao: u64) -> Neuron {
        Neuron {
            uid: 0,
            hotkey: AccountId::new(hotkey),
            coldkey: AccountId::new([0; 32]),
            stake_rao,
            validator_permit,
            active: true,
            axon: None,
            last_update: 0,
            incentive: 0,
            dividends: 0,
            consensus: 0,
            emission: 0,
            registered_at: 0,
        }
    }

    #[test]
    fn conditions_are_checked_one_by_one() {
        let policy = CallerPolicy { min_stake_rao: 10, ..CallerPolicy::default() };
        let check = |neuron: Option<Neuron>| policy.check(ALICE, neuron.as_ref());
        assert_eq!(check(None), Err(PolicyError::NotRegistered(ALICE.into())));
        assert_eq!(check(Some(neuron([1; 32], false, 10))), Err(PolicyError::NoPermit(ALICE.into())));
        assert!(matches!(
            check(Some(neuron([1; 32], true, 9))),
            Err(PolicyError::TooLittleStake { found_rao: 9, expected_rao: 10, .. })
        ));
        assert_eq!(check(Some(neuron([1; 32], true, 10))), Ok(()));
    }

    #[test]
    fn lists_decide_before_the_metagraph() {
        let one = |address: &str| BTreeSet::from([address.to_owned()]);
        let allowed = CallerPolicy { allow: one(ALICE), ..CallerPolicy::default() };
        assert_eq!(allowed.check(ALICE, None), Ok(()));
        let both = CallerPolicy { deny: one(ALICE), ..allowed };
        assert_eq!(
            both.check(ALICE, Some(&neuron([1; 32], true, 1))),
            Err(PolicyError::Denied(ALICE.into()))
        );
        assert_eq!(CallerPolicy::anybody().check(ALICE, None), Ok(()));
    }

    #[test]
    fn policies_are_data_and_mistakes_in_them_are_found() {
        let policy: CallerPolicy =
            serde_json::from_str(r#"{"validator_permit": false, "allow": ["Alice"]}"#).unwrap();
        assert!(policy.registered && !policy.validator_permit);
        assert_eq!(policy.validate(), Err(AddressError { found: "Alice".into() }));
        assert!(serde_json::from_str::<CallerPolicy>(r#"{"min_steak_rao": 1}"#).is_err());
    }
}
