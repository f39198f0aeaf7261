//! The mempool's data: lanes of transactions, and the rules by which they enter, leave and wait.
//!
//! No runtime, no clock, no threads: every function takes what it needs and returns what changed for whom.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet},
    sync::Arc,
};

use myelin_runtime::{AccountId, Hash, Nonce};

use super::{bans::Bans, MempoolLimits, TransactionStatus};
use crate::Transaction;

/// Why the pool does not take a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is in the pool.
    AlreadyImported,
    /// It was found invalid a short while ago.
    Banned,
    /// The account has used its nonce.
    Stale,
    /// Another one holds its place with at least its priority.
    PriorityTooLow { old: u64, new: u64 },
    /// The account has as many transactions as it may.
    AccountFull,
    /// The pool is full of better ones.
    PoolFull,
}

/// What orders transactions among each other: those of one lane apply in the order of their nonces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneKey {
    /// The transactions that an account signed.
    Account(AccountId),
    /// An unsigned transaction, alone in its lane, by what it provides.
    Tag(Vec<u8>),
}

/// A transaction that the runtime found valid.
#[derive(Clone, Debug)]
pub struct Admission {
    pub transaction: Arc<Transaction>,
    pub lane: LaneKey,
    pub nonce: Nonce,
    pub priority: u64,
    /// The last block that may contain it.
    pub last_block: u32,
}

/// A transaction's new status.
pub type StatusChange = (Hash, TransactionStatus);

struct Entry {
    transaction: Arc<Transaction>,
    priority: u64,
    sequence: u64,
    last_block: u32,
    /// Its place in the queue for revalidation.
    turn: u64,
}

/// What decides who goes first when the pool is full: the smallest goes.
type TailRank = (bool, u64, Reverse<u64>, LaneKey);

struct Lane {
    /// The nonce of the next transaction that applies.
    next: Nonce,
    /// How many transactions follow each other from `next` on.
    ready: usize,
    entries: BTreeMap<Nonce, Entry>,
}

impl Lane {
    fn new(next: Nonce) -> Self {
        Self { next, ready: 0, entries: BTreeMap::new() }
    }

    fn is_ready(&self, nonce: Nonce) -> bool {
        nonce.checked_sub(self.next).is_some_and(|ahead| (ahead as usize) < self.ready)
    }

    /// Counts the ready ones again after a change at or above `next + ready`; returns the newly ready hashes.
    fn extend_ready(&mut self) -> Vec<Hash> {
        let mut added = Vec::new();
        while let Some(entry) = self.nonce_at(self.ready).and_then(|nonce| self.entries.get(&nonce)) {
            added.push(entry.transaction.hash);
            self.ready += 1;
        }
        added
    }

    fn nonce_at(&self, offset: usize) -> Option<Nonce> {
        Nonce::try_from(offset).ok().and_then(|offset| self.next.checked_add(offset))
    }

    /// Shortens the ready part to end before `nonce`; returns the hashes that have to wait now.
    fn cut_ready(&mut self, nonce: Nonce) -> Vec<Hash> {
        let Some(kept) =
            nonce.checked_sub(self.next).map(|ahead| ahead as usize).filter(|kept| *kept < self.ready)
        else {
            return Vec::new();
        };
        let end = self.nonce_at(self.ready);
        self.ready = kept;
        let waiting =
            self.entries.range(nonce..).take_while(|(later, _)| end.is_none_or(|end| **later < end));
        waiting.map(|(_, entry)| entry.transaction.hash).collect()
    }
}

/// Transactions by lane.
pub struct Pool {
    limits: MempoolLimits,
    lanes: HashMap<LaneKey, Lane>,
    places: HashMap<Hash, (LaneKey, Nonce)>,
    tails: BTreeSet<TailRank>,
    expiries: BTreeSet<(u32, Hash)>,
    bans: Bans,
    bytes: usize,
    ready: usize,
    sequence: u64,
    /// All transactions, those that have gone unchecked for longest first.
    revalidation: BTreeMap<u64, Hash>,
    next_turn: u64,
}

impl Pool {
    pub fn new(limits: MempoolLimits) -> Self {
        Self {
            bans: Bans::default(),
            limits,
            lanes: HashMap::new(),
            places: HashMap::new(),
            tails: BTreeSet::new(),
            expiries: BTreeSet::new(),
            bytes: 0,
            ready: 0,
            sequence: 0,
            revalidation: BTreeMap::new(),
            next_turn: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn ready_len(&self) -> usize {
        self.ready
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn contains(&self, hash: &Hash) -> bool {
        self.places.contains_key(hash)
    }

    pub fn place(&self, hash: &Hash) -> Option<&(LaneKey, Nonce)> {
        self.places.get(hash)
    }

    /// Whether the account has transactions here.
    pub fn has_lane(&self, account: &AccountId) -> bool {
        self.lanes.contains_key(&LaneKey::Account(account.clone()))
    }

    /// The accounts that have transactions here.
    pub fn accounts(&self) -> Vec<AccountId> {
        let accounts = self.lanes.keys().filter_map(|key| match key {
            LaneKey::Account(account) => Some(account.clone()),
            LaneKey::Tag(_) => None,
        });
        accounts.collect()
    }

    /// The nonce after the last ready transaction of an account, when it has any here.
    pub fn next_nonce(&self, account: &AccountId) -> Option<Nonce> {
        let lane = self.lanes.get(&LaneKey::Account(account.clone()))?;
        lane.nonce_at(lane.ready)
    }

    /// All transactions: the ready ones in the order in which they would be proposed, then the waiting ones.
    pub fn all(&self) -> Vec<Arc<Transaction>> {
        let mut order = ReadyOrder::new(self);
        let mut all = Vec::with_capacity(self.len());
        while let Some((transaction, key, nonce)) = order.next(self) {
            order.accept(self, &key, nonce);
            all.push(transaction);
        }
        let mut lanes: Vec<_> = self.lanes.iter().collect();
        lanes.sort_by_key(|(key, _)| *key);
        for (_, lane) in lanes {
            let waiting = lane.entries.iter().filter(|(nonce, _)| !lane.is_ready(**nonce));
            all.extend(waiting.map(|(_, entry)| Arc::clone(&entry.transaction)));
        }
        all
    }

    /// Whether a transaction with this hash may be looked at at all.
    pub fn check_hash(&self, hash: &Hash, now_ms: u64) -> Result<(), Refusal> {
        if self.contains(hash) {
            return Err(Refusal::AlreadyImported);
        }
        if self.bans.contains(hash, now_ms) {
            return Err(Refusal::Banned);
        }
        Ok(())
    }

    /// Takes a transaction in. `next` is the nonce that its lane's account has on chain.
    pub fn insert(&mut self, admission: Admission, next: Nonce) -> Result<Vec<StatusChange>, Refusal> {
        if self.contains(&admission.transaction.hash) {
            return Err(Refusal::AlreadyImported);
        }
        let next = self.lanes.get(&admission.lane).map_or(next, |lane| lane.next);
        if admission.nonce < next {
            return Err(Refusal::Stale);
        }
        let outgoing = self.outgoing(&admission)?;
        let victims = self.plan_room(&admission, next, &outgoing)?;
        // Nothing fails from here on, so nobody leaves for one that is refused in the end.
        let mut changes = Vec::new();
        for hash in outgoing.dropped().into_iter().chain(victims) {
            changes.extend(self.remove(&hash, TransactionStatus::Dropped));
        }
        self.place_entry(admission, next, &mut changes);
        Ok(changes)
    }

    /// Takes a transaction out; the later ones of its lane have to wait.
    pub fn remove(&mut self, hash: &Hash, status: TransactionStatus) -> Vec<StatusChange> {
        let Some((key, nonce)) = self.places.get(hash).cloned() else { return Vec::new() };
        let mut changes = vec![(*hash, status)];
        self.with_lane(&key, |pool, lane| {
            changes.extend(lane.cut_ready(nonce).into_iter().filter(|later| later != hash).map(waiting));
            pool.forget(lane, nonce);
        });
        changes
    }

    /// Takes a transaction out because it can never be valid again, and refuses it for a while.
    pub fn ban(&mut self, hash: &Hash, now_ms: u64) -> Vec<StatusChange> {
        self.bans.insert(*hash, now_ms.saturating_add(self.limits.ban_ms));
        self.remove(hash, TransactionStatus::Invalid)
    }

    /// Refuses a transaction that is not here for a while.
    pub fn refuse(&mut self, hash: &Hash, now_ms: u64) {
        if !self.contains(hash) {
            self.bans.insert(*hash, now_ms.saturating_add(self.limits.ban_ms));
        }
    }

    /// Forgets what was refused, because the chain went back to where it may be valid.
    pub fn lift_bans(&mut self) {
        self.bans = Bans::default();
    }

    /// Moves a lane to the nonce that its account has on chain now. Transactions before it leave with the status that
    /// `departed` gives them.
    pub fn advance(
        &mut self,
        key: &LaneKey,
        next: Nonce,
        departed: impl Fn(&Hash) -> Vec<TransactionStatus>,
    ) -> Vec<StatusChange> {
        let mut changes = Vec::new();
        self.with_lane(key, |pool, lane| {
            let passed: Vec<_> = lane.entries.range(..next).map(|(nonce, _)| *nonce).collect();
            for nonce in passed {
                if let Some(entry) = pool.forget(lane, nonce) {
                    let hash = entry.transaction.hash;
                    changes.extend(departed(&hash).into_iter().map(|status| (hash, status)));
                }
            }
            let were_ready: HashSet<_> = lane
                .entries
                .iter()
                .filter(|(nonce, _)| lane.is_ready(**nonce))
                .map(|(_, entry)| entry.transaction.hash)
                .collect();
            lane.next = next;
            lane.ready = 0;
            let now_ready: HashSet<_> = lane.extend_ready().into_iter().collect();
            for entry in lane.entries.values() {
                let hash = entry.transaction.hash;
                match (were_ready.contains(&hash), now_ready.contains(&hash)) {
                    (false, true) => changes.push((hash, TransactionStatus::Ready)),
                    (true, false) => changes.push(waiting(hash)),
                    _ => {}
                }
            }
        });
        changes
    }

    /// Moves a lane to the nonce that a look at the chain gave for its account, if it stands elsewhere. An account that
    /// was removed from the chain starts again at 0, which no block says.
    pub fn align(&mut self, key: &LaneKey, next: Nonce) -> Vec<StatusChange> {
        match self.lanes.get(key) {
            Some(lane) if lane.next != next => self.advance(key, next, |_| vec![TransactionStatus::Invalid]),
            _ => Vec::new(),
        }
    }

    /// Takes out what may not be in a block above `number`.
    pub fn expire(&mut self, number: u32) -> Vec<StatusChange> {
        let expired: Vec<_> = self
            .expiries
            .iter()
            .take_while(|(last_block, _)| *last_block <= number)
            .map(|(_, hash)| *hash)
            .collect();
        expired.iter().flat_map(|hash| self.remove(hash, TransactionStatus::Invalid)).collect()
    }

    /// Up to `count` transactions that have gone unchecked for longest; they count as checked now.
    pub fn take_for_revalidation(&mut self, count: usize) -> Vec<Arc<Transaction>> {
        let count = count.min(self.revalidation.len());
        let oldest: Vec<_> = (0..count).filter_map(|_| self.revalidation.pop_first()).collect();
        oldest.into_iter().filter_map(|(_, hash)| self.queue_again(&hash)).collect()
    }

    fn queue_again(&mut self, hash: &Hash) -> Option<Arc<Transaction>> {
        let turn = self.queue(*hash);
        let (key, nonce) = self.places.get(hash)?;
        let entry = self.lanes.get_mut(key)?.entries.get_mut(nonce)?;
        entry.turn = turn;
        Some(Arc::clone(&entry.transaction))
    }

    /// Puts a transaction at the end of the queue for revalidation; returns its place there.
    fn queue(&mut self, hash: Hash) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.revalidation.insert(turn, hash);
        turn
    }

    pub fn get(&self, hash: &Hash) -> Option<Arc<Transaction>> {
        let (key, nonce) = self.places.get(hash)?;
        self.lanes.get(key)?.entries.get(nonce).map(|entry| Arc::clone(&entry.transaction))
    }

    /// Which transaction of the same lane goes when `admission` comes.
    fn outgoing(&self, admission: &Admission) -> Result<Outgoing, Refusal> {
        let Some(lane) = self.lanes.get(&admission.lane) else { return Ok(Outgoing::Nobody) };
        if let Some(old) = lane.entries.get(&admission.nonce) {
            return if admission.priority > old.priority {
                Ok(Outgoing::Replaced { bytes: old.transaction.bytes.len() })
            } else {
                Err(Refusal::PriorityTooLow { old: old.priority, new: admission.priority })
            };
        }
        match lane.entries.last_key_value() {
            Some(_) if lane.entries.len() < self.limits.max_per_account => Ok(Outgoing::Nobody),
            Some((last, entry)) if *last > admission.nonce => {
                Ok(Outgoing::Last { hash: entry.transaction.hash, bytes: entry.transaction.bytes.len() })
            }
            _ => Err(Refusal::AccountFull),
        }
    }

    /// Which transactions of other lanes have to go for `admission`, worst first. Only the last of a lane can go, so that
    /// no gap opens.
    fn plan_room(
        &self,
        admission: &Admission,
        next: Nonce,
        outgoing: &Outgoing,
    ) -> Result<Vec<Hash>, Refusal> {
        let (freed_count, freed_bytes) = outgoing.frees();
        let mut count = self.len() + 1 - freed_count;
        let mut bytes = self.bytes + admission.transaction.bytes.len() - freed_bytes;
        let rank = (self.would_be_ready(admission, next), admission.priority, Reverse(self.sequence));
        let mut tails = self.tails.iter().filter(|(.., lane)| *lane != admission.lane).cloned().peekable();
        let mut uncovered = BTreeSet::new();
        let mut victims = Vec::new();
        while count > self.limits.max_count || bytes > self.limits.max_bytes {
            let worst = match (tails.peek(), uncovered.first()) {
                (Some(tail), Some(other)) if other < tail => uncovered.pop_first(),
                (Some(_), _) => tails.next(),
                (None, _) => uncovered.pop_first(),
            };
            let (ready, priority, sequence, key) = worst.ok_or(Refusal::PoolFull)?;
            if (ready, priority, sequence) >= rank {
                return Err(Refusal::PoolFull);
            }
            let Some(lane) = self.lanes.get(&key) else { continue };
            let mut from_last =
                lane.entries.iter().rev().skip_while(|(_, entry)| Reverse(entry.sequence) != sequence);
            if let Some((_, victim)) = from_last.next() {
                count -= 1;
                bytes -= victim.transaction.bytes.len();
                victims.push(victim.transaction.hash);
            }
            uncovered.extend(from_last.next().map(|(nonce, entry)| rank_of(&key, lane, *nonce, entry)));
        }
        Ok(victims)
    }

    fn would_be_ready(&self, admission: &Admission, next: Nonce) -> bool {
        self.lanes.get(&admission.lane).map_or(admission.nonce == next, |lane| {
            lane.is_ready(admission.nonce) || lane.nonce_at(lane.ready) == Some(admission.nonce)
        })
    }

    fn place_entry(&mut self, admission: Admission, next: Nonce, changes: &mut Vec<StatusChange>) {
        let Admission { transaction, lane: key, nonce, priority, last_block } = admission;
        let hash = transaction.hash;
        self.bytes += transaction.bytes.len();
        self.places.insert(hash, (key.clone(), nonce));
        self.expiries.insert((last_block, hash));
        let turn = self.queue(hash);
        let sequence = self.sequence;
        self.sequence += 1;
        self.lanes.entry(key.clone()).or_insert_with(|| Lane::new(next));
        self.with_lane(&key, |pool, lane| {
            if let Some(old) = pool.forget(lane, nonce) {
                changes.push((old.transaction.hash, TransactionStatus::Usurped(hash)));
            }
            lane.entries.insert(nonce, Entry { transaction, priority, sequence, last_block, turn });
            let newly_ready = lane.extend_ready();
            if !newly_ready.contains(&hash) {
                changes.push(if lane.is_ready(nonce) {
                    (hash, TransactionStatus::Ready)
                } else {
                    waiting(hash)
                });
            }
            changes.extend(newly_ready.into_iter().map(|hash| (hash, TransactionStatus::Ready)));
        });
    }

    /// Runs `change` on a lane and brings everything derived from the lane up to date.
    fn with_lane(&mut self, key: &LaneKey, change: impl FnOnce(&mut Self, &mut Lane)) {
        let Some(mut lane) = self.lanes.remove(key) else { return };
        if let Some(rank) = tail_rank(key, &lane) {
            self.tails.remove(&rank);
        }
        self.ready -= lane.ready;
        change(self, &mut lane);
        self.ready += lane.ready;
        if let Some(rank) = tail_rank(key, &lane) {
            self.tails.insert(rank);
            self.lanes.insert(key.clone(), lane);
        }
    }

    fn forget(&mut self, lane: &mut Lane, nonce: Nonce) -> Option<Entry> {
        let entry = lane.entries.remove(&nonce)?;
        self.places.remove(&entry.transaction.hash);
        self.expiries.remove(&(entry.last_block, entry.transaction.hash));
        self.revalidation.remove(&entry.turn);
        self.bytes -= entry.transaction.bytes.len();
        Some(entry)
    }
}

fn waiting(hash: Hash) -> StatusChange {
    (hash, TransactionStatus::Future)
}

fn tail_rank(key: &LaneKey, lane: &Lane) -> Option<TailRank> {
    let (nonce, entry) = lane.entries.last_key_value()?;
    Some(rank_of(key, lane, *nonce, entry))
}

fn rank_of(key: &LaneKey, lane: &Lane, nonce: Nonce, entry: &Entry) -> TailRank {
    (lane.is_ready(nonce), entry.priority, Reverse(entry.sequence), key.clone())
}

/// Who leaves a lane for a new transaction.
enum Outgoing {
    Nobody,
    /// The one at the same nonce.
    Replaced {
        bytes: usize,
    },
    /// The last one, because the lane is full.
    Last {
        hash: Hash,
        bytes: usize,
    },
}

impl Outgoing {
    fn dropped(&self) -> Option<Hash> {
        match self {
            Self::Last { hash, .. } => Some(*hash),
            Self::Nobody | Self::Replaced { .. } => None,
        }
    }

    /// How many transactions and bytes less there will be.
    fn frees(&self) -> (usize, usize) {
        match self {
            Self::Nobody => (0, 0),
            Self::Replaced { bytes } | Self::Last { bytes, .. } => (1, *bytes),
        }
    }
}

/// Walks the ready transactions, best first: by priority, then by arrival, within a lane by nonce.
pub struct ReadyOrder {
    heads: BinaryHeap<(u64, Reverse<u64>, LaneKey, Nonce)>,
}

impl ReadyOrder {
    pub fn new(pool: &Pool) -> Self {
        let mut order = Self { heads: BinaryHeap::new() };
        pool.lanes.iter().for_each(|(key, lane)| order.push(pool, key, lane.next));
        order
    }

    /// The best transaction left. Those behind it in its lane come only after [`accept`](Self::accept).
    pub fn next(&mut self, pool: &Pool) -> Option<(Arc<Transaction>, LaneKey, Nonce)> {
        while let Some((_, _, key, nonce)) = self.heads.pop() {
            let entry = pool
                .lanes
                .get(&key)
                .filter(|lane| lane.is_ready(nonce))
                .and_then(|lane| lane.entries.get(&nonce));
            if let Some(entry) = entry {
                return Some((Arc::clone(&entry.transaction), key, nonce));
            }
        }
        None
    }

    /// The transaction at `nonce` applies, so the one behind it may.
    pub fn accept(&mut self, pool: &Pool, key: &LaneKey, nonce: Nonce) {
        if let Some(next) = nonce.checked_add(1) {
            self.push(pool, key, next);
        }
    }

    fn push(&mut self, pool: &Pool, key: &LaneKey, nonce: Nonce) {
        let lane = pool.lanes.get(key).filter(|lane| lane.is_ready(nonce));
        if let Some(entry) = lane.and_then(|lane| lane.entries.get(&nonce)) {
            self.heads.push((entry.priority, Reverse(entry.sequence), key.clone(), nonce));
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
