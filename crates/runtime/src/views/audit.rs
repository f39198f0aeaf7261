//! Where all TAO and alpha is, and whether it adds up.

use codec::{Decode, Encode};
use frame_support::sp_runtime::Saturating;
use pallet_subtensor::MarketAudit;
use scale_info::TypeInfo;

use super::Market;
use crate::Runtime;

/// The books of the whole chain.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo, serde::Serialize, serde::Deserialize)]
pub struct Audit {
    /// Accounts that exist.
    pub accounts: u64,
    /// Rao of all accounts, free and reserved.
    pub accounts_rao: u128,
    /// What the market and the ledger have recorded.
    pub market: MarketAudit,
}

impl Audit {
    /// Whether nothing was lost or made from nothing.
    pub fn holds(&self) -> bool {
        self.accounts_rao == u128::from(self.market.ledger_issuance_rao) && self.market.holds()
    }
}

/// Adds up all accounts, reserves, stakes and pots of the chain.
///
/// Reads every account and every hotkey.
pub(crate) fn audit() -> Audit {
    let (mut accounts, mut accounts_rao) = (0_u64, 0_u128);
    for account in frame_system::Account::<Runtime>::iter_values() {
        accounts.saturating_inc();
        accounts_rao.saturating_accrue(u128::from(account.data.free));
        accounts_rao.saturating_accrue(u128::from(account.data.reserved));
    }
    Audit { accounts, accounts_rao, market: Market::audit() }
}
