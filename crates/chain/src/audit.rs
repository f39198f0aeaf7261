//! Checks that money is conserved: that balances, reserves, stakes and pots add up to what the runtime says exists.
//!
//! The runtime adds up ([`Audit`]); here it is asked, for a state that is there, or for every block before it becomes one
//! ([`Chain::open_audited`](crate::Chain::open_audited)).

use codec::Decode;
use myelin_runtime::Hash;

pub use myelin_runtime::views::audit::Audit;

use crate::{CallError, CallLimits, ChainError, StateView};

/// The runtime function that adds up.
pub(crate) const AUDIT: &str = "AuditApi_audit";

/// Adds up where all TAO and alpha is in a state. Reads every account and every hotkey, for as long as that takes.
///
/// # Errors
/// When the database is damaged or the runtime fails.
pub fn audit(state: &StateView) -> Result<Audit, ChainError> {
    let unlimited = CallLimits { max_time: std::time::Duration::MAX, max_result_bytes: usize::MAX };
    let answer = state.call(AUDIT, &[], unlimited).map_err(|error| match error {
        CallError::Store(error) => error.into(),
        source => ChainError::Runtime { method: AUDIT, source },
    })?;
    Audit::decode(&mut &answer[..]).map_err(|error| {
        let source = CallError::Panicked(format!("its answer cannot be decoded: {error}"));
        ChainError::Runtime { method: AUDIT, source }
    })
}

/// Refuses books of block `number` that do not add up.
pub(crate) fn must_hold(number: u32, hash: Hash, books: Audit) -> Result<(), ChainError> {
    match books.holds() {
        true => Ok(()),
        false => Err(ChainError::NotConserved { number, hash, books: Box::new(books) }),
    }
}
