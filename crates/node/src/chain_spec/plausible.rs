//! What a genesis must not say, although a chain could be made from it.

use std::ops::RangeInclusive;

use curve25519_dalek::edwards::CompressedEdwardsY;
use myelin_chain::ValidatorSet;
use myelin_runtime::{
    presets::{ConsensusTiming, Genesis, Validator},
    AccountId, SLOT_DURATIONS_MS,
};
use sp_core::{sr25519, Pair};
use sp_keyring::Sr25519Keyring as Keyring;

/// The same where validators have to agree on each block.
const AGREED_SLOT_MS: RangeInclusive<u64> = 50..=3_600_000;
/// Milliseconds that validators wait for each other.
const TIMEOUT_MS: RangeInclusive<u32> = 10..=3_600_000;
/// Milliseconds by which they wait longer in each round: not never, because only then they meet at last.
const TIMEOUT_STEP_MS: RangeInclusive<u32> = 1..=3_600_000;
/// How many accounts of test networks' validators are known to everybody.
const KNOWN_VALIDATORS: u16 = 100;

/// The account that is paid for the blocks of a test network's validator: everybody knows its key, as everything on such a
/// chain.
pub fn known_validator_account(index: u16) -> AccountId {
    known_account(&format!("//Validator/{index}"))
}

fn known_account(path: &str) -> AccountId {
    // The phrase and the paths are constants of which keys can be made.
    let pair = sr25519::Pair::from_string(path, None).map(|pair| pair.public());
    pair.unwrap_or_default().into()
}

/// Checks how fast the chain is.
pub(super) fn check_pace(genesis: &Genesis) -> Result<(), String> {
    let slot_ms = match genesis.validators.is_empty() {
        true => SLOT_DURATIONS_MS,
        false => AGREED_SLOT_MS,
    };
    check_bounds("slot_duration_ms", genesis.slot_duration_ms, slot_ms)?;
    let Some(timing) = genesis.timing else { return Ok(()) };
    let ConsensusTiming { propose_timeout_ms, vote_timeout_ms, timeout_step_ms } = timing;
    check_bounds("timing.propose_timeout_ms", propose_timeout_ms, TIMEOUT_MS)?;
    check_bounds("timing.vote_timeout_ms", vote_timeout_ms, TIMEOUT_MS)?;
    check_bounds("timing.timeout_step_ms", timeout_step_ms, TIMEOUT_STEP_MS)
}

fn check_bounds<Number: PartialOrd + std::fmt::Display>(
    key: &str,
    found: Number,
    bounds: RangeInclusive<Number>,
) -> Result<(), String> {
    match bounds.contains(&found) {
        true => Ok(()),
        false => {
            let (least, most) = bounds.into_inner();
            Err(format!("`genesis.{key}` is {found}; give {least} to {most} milliseconds"))
        }
    }
}

/// Checks that validators are a set, and that each can sign what nobody else can.
pub(super) fn check_validators(validators: &[Validator<AccountId>]) -> Result<(), String> {
    let members = validators.iter().cloned().map(Into::into).collect();
    ValidatorSet::new(members).map_err(|error| error.to_string())?;
    for (index, validator) in validators.iter().enumerate() {
        // Whatever signature is made up passes for one of a point of small order, such as zero.
        let point = CompressedEdwardsY(validator.key.0).decompress();
        if point.is_none_or(|point| point.is_small_order()) {
            return Err(format!(
                "`genesis.validators[{index}].key` is {:?}, which is no public key that a secret one belongs to; give the \
                 consensus key that `myelin init` has shown",
                validator.key
            ));
        }
    }
    Ok(())
}

/// Checks that no account is one whose secret key everybody knows.
pub(super) fn check_secrecy(genesis: &Genesis) -> Result<(), String> {
    let of_keyring = Keyring::iter().map(|key| (key.to_account_id(), format!("//{key:?}")));
    let of_validators =
        (0..KNOWN_VALIDATORS).map(|index| (known_validator_account(index), format!("//Validator/{index}")));
    let known: Vec<_> = of_keyring.chain(of_validators).collect();
    let owned = genesis.balances.iter().map(|(account, _)| ("balances", account));
    let paid = genesis.validators.iter().map(|validator| ("validators", &validator.account));
    for (key, account) in owned.chain(paid) {
        if let Some((_, path)) = known.iter().find(|(known, _)| known == account) {
            return Err(format!(
                "`genesis.{key}` names {account}, whose secret key everybody knows ({path}), on a chain of kind \"live\"; \
                 replace it by an account of a person, or make the chain one of kind \"local\""
            ));
        }
    }
    Ok(())
}
