//! What a node knows about one connected peer.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use libp2p::{core::ConnectedPoint, request_response::OutboundRequestId, Multiaddr};
use myelin_chain::{Hash, Mempool};

use crate::{meter::Meter, seen::Seen, GossipLimits};

/// Transactions that are known to be known to a peer: it sent them.
const KNOWN_COUNT: usize = 4 * 1024;
/// One fault is forgiven in this time.
const FORGIVEN: Duration = Duration::from_secs(10);
/// The longest pause before a peer that does not take anything is offered something again.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// After so many requests that failed one after the other, a peer is given up.
pub const MAX_FAILURES: u32 = 5;
/// How often the mempool is asked for one batch, when all that it lists is known to the peer.
const MAX_LOOKS: usize = 8;

/// A connected peer.
pub struct Peer {
    /// Tells this stay from earlier ones of the same peer.
    pub session: u64,
    /// Where it is.
    pub address: Multiaddr,
    /// Its host.
    pub ip: Option<IpAddr>,
    /// Whether it dialled this node.
    pub inbound: bool,
    /// Since when it is connected.
    pub since: Instant,
    /// When it last sent something new and valid.
    pub useful: Option<Instant>,
    /// Where others may reach it.
    pub told: Option<Multiaddr>,
    /// Where it agrees on blocks.
    pub consensus: Option<Multiaddr>,
    /// Whether it knows where this node agrees on blocks, or there is nothing to know.
    pub is_informed: bool,
    /// Whether one of its requests waits for an answer.
    pub answering: bool,
    /// The request that it has to answer.
    pub asked: Option<(OutboundRequestId, Asked)>,
    /// When it is to be asked for its peers.
    pub discovery: Instant,
    known: Seen,
    sent: u64,
    looked: u64,
    resume: Instant,
    failures: u32,
    /// What it may still use up.
    pub allowance: Allowance,
}

/// What a peer may still use up. It outlasts the connection, so that connecting anew gains nothing.
pub struct Allowance {
    transactions: Meter,
    bytes: Meter,
    faults: Meter,
}

/// Transactions for a peer.
pub struct Batch {
    /// The ready number to remember when the peer has received them.
    pub number: u64,
    /// They, with their hashes.
    pub transactions: Vec<(Hash, Vec<u8>)>,
}

/// What a request was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Transactions up to this ready number.
    Transactions(u64),
    /// Its peers.
    Peers,
    /// To note where this node agrees on blocks.
    Consensus,
}

impl Peer {
    /// A peer that has just connected.
    pub fn new(
        session: u64,
        endpoint: &ConnectedPoint,
        allowance: Option<Allowance>,
        limits: &GossipLimits,
        now: Instant,
    ) -> Self {
        let address = endpoint.get_remote_address().clone();
        Self {
            session,
            ip: crate::addresses::ip_of(&address),
            address,
            inbound: endpoint.is_listener(),
            since: now,
            useful: None,
            told: None,
            consensus: None,
            is_informed: false,
            answering: false,
            asked: None,
            discovery: now,
            known: Seen::new(KNOWN_COUNT, limits.seen_for, now),
            sent: 0,
            looked: 0,
            resume: now,
            failures: 0,
            allowance: allowance.unwrap_or_else(|| Allowance::new(limits, now)),
        }
    }

    /// Whether it may be asked something now.
    pub fn is_free(&self, now: Instant) -> bool {
        self.asked.is_none() && self.resume <= now
    }

    /// The next transactions for it.
    pub fn next_batch(&mut self, mempool: &Mempool, limits: &GossipLimits) -> Option<Batch> {
        for _ in 0..MAX_LOOKS {
            let listed = mempool.ready_after(self.looked, limits.max_batch_count, limits.max_batch_bytes);
            self.looked = listed.last()?.0;
            let unknown =
                listed.into_iter().filter(|(_, transaction)| !self.known.contains(&transaction.hash));
            let batch: Vec<_> = unknown
                .map(|(_, transaction)| (transaction.hash, Arc::unwrap_or_clone(transaction).bytes))
                .collect();
            if !batch.is_empty() {
                return Some(Batch { number: self.looked, transactions: batch });
            }
        }
        None
    }

    /// It has this transaction.
    pub fn knows(&mut self, hash: Hash, now: Instant) {
        self.known.insert(hash, now);
    }

    /// It has looked at everything up to this ready number.
    pub fn received(&mut self, number: u64) {
        self.sent = self.sent.max(number);
        self.failures = 0;
    }

    /// It did not look at what was sent; the same is offered after a pause.
    pub fn not_now(&mut self, now: Instant) {
        self.looked = self.sent;
        let factor = 1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.resume = now + Duration::from_secs(1).saturating_mul(factor).min(MAX_PAUSE);
    }

    /// Requests that failed since the last one that did not.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

impl Allowance {
    fn new(limits: &GossipLimits, now: Instant) -> Self {
        Self {
            transactions: Meter::new(limits.transactions_per_second, limits.burst, now),
            bytes: Meter::new(limits.bytes_per_second, limits.burst, now),
            faults: Meter::every(FORGIVEN, limits.max_faults, now),
        }
    }

    /// Whether nothing of it is used.
    pub fn is_whole(&self, now: Instant) -> bool {
        [&self.transactions, &self.bytes, &self.faults].iter().all(|meter| meter.is_whole(now))
    }

    /// Takes this from it; returns for how long it has to wait.
    pub fn charge(&mut self, transactions: u64, bytes: u64, now: Instant) -> Duration {
        self.transactions.charge(transactions, now).max(self.bytes.charge(bytes, now))
    }

    /// Counts faults; true when there are too many.
    pub fn fault(&mut self, count: u64, now: Instant) -> bool {
        let one = u64::try_from(FORGIVEN.as_nanos()).unwrap_or(u64::MAX);
        !self.faults.charge(one.saturating_mul(count), now).is_zero()
    }
}
