//! What the gossip of a node has done so far.

use std::sync::{
    atomic::{AtomicU64, Ordering},
    Arc,
};

/// What the gossip of a node has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GossipCounts {
    /// Batches that peers sent.
    pub batches_received: u64,
    /// Bytes of the transactions in them.
    pub bytes_received: u64,
    /// Batches sent to peers.
    pub batches_sent: u64,
    /// Bytes of the transactions in them.
    pub bytes_sent: u64,
    /// Transactions that peers sent.
    pub received: u64,
    /// Those that the mempool took.
    pub accepted: u64,
    /// Those that had been seen or were in the mempool already.
    pub duplicates: u64,
    /// Those that are not valid here and now.
    pub refused: u64,
    /// Those that the node had no room or time for.
    pub dropped: u64,
    /// Transactions sent to peers, counted once for each.
    pub forwarded: u64,
    /// Answers that were held back because a peer sent too much.
    pub throttled: u64,
    /// Faults of peers.
    pub faults: u64,
    /// Peers that were banned.
    pub bans: u64,
}

#[derive(Default)]
struct Cells {
    batches_received: AtomicU64,
    bytes_received: AtomicU64,
    batches_sent: AtomicU64,
    bytes_sent: AtomicU64,
    received: AtomicU64,
    accepted: AtomicU64,
    duplicates: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    forwarded: AtomicU64,
    throttled: AtomicU64,
    faults: AtomicU64,
    bans: AtomicU64,
}

/// The counts of a running gossip.
#[derive(Clone, Default)]
pub struct Counters(Arc<Cells>);

impl Counters {
    /// Adds to what was counted.
    pub fn add(&self, more: GossipCounts) {
        let cells = &*self.0;
        let pairs = [
            (&cells.batches_received, more.batches_received),
            (&cells.bytes_received, more.bytes_received),
            (&cells.batches_sent, more.batches_sent),
            (&cells.bytes_sent, more.bytes_sent),
            (&cells.received, more.received),
            (&cells.accepted, more.accepted),
            (&cells.duplicates, more.duplicates),
            (&cells.refused, more.refused),
            (&cells.dropped, more.dropped),
            (&cells.forwarded, more.forwarded),
            (&cells.throttled, more.throttled),
            (&cells.faults, more.faults),
            (&cells.bans, more.bans),
        ];
        for (cell, amount) in pairs.into_iter().filter(|(_, amount)| *amount > 0) {
            cell.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// What was counted until now.
    pub fn read(&self) -> GossipCounts {
        let cells = &*self.0;
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        GossipCounts {
            batches_received: load(&cells.batches_received),
            bytes_received: load(&cells.bytes_received),
            batches_sent: load(&cells.batches_sent),
            bytes_sent: load(&cells.bytes_sent),
            received: load(&cells.received),
            accepted: load(&cells.accepted),
            duplicates: load(&cells.duplicates),
            refused: load(&cells.refused),
            dropped: load(&cells.dropped),
            forwarded: load(&cells.forwarded),
            throttled: load(&cells.throttled),
            faults: load(&cells.faults),
            bans: load(&cells.bans),
        }
    }
}
