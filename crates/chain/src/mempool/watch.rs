//! Telling submitters what happens to their transactions.

use std::collections::HashMap;

use myelin_runtime::Hash;
use tokio::sync::mpsc;

/// What happened to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// It waits for an earlier nonce of its account.
    Future,
    /// It can go into the next block.
    Ready,
    /// It is in this block, at this position of the body.
    InBlock {
        /// The block's hash.
        block: Hash,
        /// Position in the body.
        index: u32,
    },
    /// The block that contains it is final.
    Finalized {
        /// The block's hash.
        block: Hash,
        /// Position in the body.
        index: u32,
    },
    /// Another transaction took its place.
    Usurped(Hash),
    /// It had to make room for better ones, or was removed by the operator.
    Dropped,
    /// It is not valid any more.
    Invalid,
}

impl TransactionStatus {
    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Future | Self::Ready | Self::InBlock { .. })
    }
}

pub(super) type Sender = mpsc::UnboundedSender<TransactionStatus>;

/// What happens to one transaction, in order. A transaction has few statuses, so nothing is ever skipped.
pub struct Watcher {
    statuses: mpsc::UnboundedReceiver<TransactionStatus>,
}

impl Watcher {
    /// The next status; nothing after the last one.
    pub async fn next(&mut self) -> Option<TransactionStatus> {
        self.statuses.recv().await
    }

    /// The next status if it is there already.
    pub fn try_next(&mut self) -> Option<TransactionStatus> {
        self.statuses.try_recv().ok()
    }
}

pub(super) fn channel() -> (Sender, Watcher) {
    let (sender, statuses) = mpsc::unbounded_channel();
    (sender, Watcher { statuses })
}

/// Who watches which transaction.
#[derive(Default)]
pub(super) struct Watchers {
    by_hash: HashMap<Hash, Vec<Sender>>,
}

impl Watchers {
    pub fn add(&mut self, hash: Hash, watcher: Sender) {
        self.by_hash.entry(hash).or_default().push(watcher);
    }

    pub fn tell(&mut self, changes: &[(Hash, TransactionStatus)]) {
        for (hash, status) in changes {
            let Some(watchers) = self.by_hash.get_mut(hash) else { continue };
            watchers.retain(|watcher| watcher.send(*status).is_ok());
            if watchers.is_empty() || status.is_last() {
                self.by_hash.remove(hash);
            }
        }
    }
}
