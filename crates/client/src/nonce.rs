//! Nonces: asked of the node once, then counted here.
//!
//! Transactions of one account are signed and handed to the node one after another, so that they arrive in order. What the
//! node does with them afterwards runs in parallel. After any doubt the count is forgotten and asked for again.

use std::{collections::HashMap, sync::Arc};

use myelin_runtime::{AccountId, Nonce};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The next nonce of one account, if it is known.
type Lane = Arc<AsyncMutex<Option<Nonce>>>;

#[derive(Default)]
pub(crate) struct Nonces {
    lanes: Mutex<HashMap<AccountId, Lane>>,
}

impl Nonces {
    /// Waits for the account's turn to send. Holding the guard keeps others waiting.
    pub(crate) async fn turn(&self, account: &AccountId) -> OwnedMutexGuard<Option<Nonce>> {
        self.lane(account).lock_owned().await
    }

    /// Forgets the count, because the chain's may be another.
    pub(crate) async fn forget(&self, account: &AccountId) {
        *self.turn(account).await = None;
    }

    fn lane(&self, account: &AccountId) -> Lane {
        Arc::clone(self.lanes.lock().entry(account.clone()).or_default())
    }
}
