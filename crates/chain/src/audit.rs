//! Checks that money is conserved.

use codec::Decode;
use frame_system::AccountInfo;
use myelin_runtime::{Balance, Nonce};
use pallet_balances::AccountData;

use crate::{storage_keys, ChainError, StateView};

/// What all accounts hold, against what the runtime says exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conservation {
    /// Sum of free and reserved rao over all accounts. Wider than a balance, so that a defect cannot wrap it.
    pub held_rao: u128,
    /// Rao that the runtime has issued.
    pub issued_rao: u128,
    /// How many accounts there are.
    pub accounts: u64,
}

impl Conservation {
    /// Whether every rao is where it is recorded.
    pub fn holds(&self) -> bool {
        self.held_rao == self.issued_rao
    }
}

/// Adds up all balances of a state. Reads every account.
///
/// # Errors
/// When the database is damaged or an account cannot be decoded.
pub fn conservation(state: &StateView) -> Result<Conservation, ChainError> {
    let issued: Option<Balance> = state.value(&storage_keys::total_issuance())?;
    let mut found = Conservation { held_rao: 0, issued_rao: issued.unwrap_or_default().into(), accounts: 0 };
    for pair in state.pairs(&storage_keys::accounts())? {
        let (_, value) = pair?;
        let account = AccountInfo::<Nonce, AccountData<Balance>>::decode(&mut &value[..])
            .map_err(|error| ChainError::damaged(format_args!("an account cannot be decoded: {error}")))?;
        found.held_rao += u128::from(account.data.free) + u128::from(account.data.reserved);
        found.accounts += 1;
    }
    Ok(found)
}
