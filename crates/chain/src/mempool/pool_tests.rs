//! The pool against a slow model, over random histories.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

const LIMITS: MempoolLimits = MempoolLimits {
    max_count: 12,
    max_bytes: 600,
    max_per_account: 4,
    max_transaction_bytes: 200,
    ban_ms: 100,
    revalidated_per_block: 3,
    max_waiting_submissions: 1,
    workers: 1,
};

fn account(index: u8) -> AccountId {
    AccountId::from([index; 32])
}

fn transaction(name: u32, size: usize) -> Arc<Transaction> {
    let mut bytes = vec![0; size.max(4)];
    bytes[..4].copy_from_slice(&name.to_le_bytes());
    Transaction::new(bytes)
}

fn admission(name: u32, lane: LaneKey, nonce: Nonce, priority: u64) -> Admission {
    Admission { transaction: transaction(name, 40), lane, nonce, priority, last_block: u32::MAX }
}

fn signed(name: u32, sender: u8, nonce: Nonce, priority: u64) -> Admission {
    admission(name, LaneKey::Account(account(sender)), nonce, priority)
}

fn hash_of(name: u32) -> Hash {
    transaction(name, 40).hash
}

fn names(pool: &Pool) -> Vec<u32> {
    let name = |transaction: Arc<Transaction>| u32::from_le_bytes(transaction.bytes[..4].try_into().unwrap());
    pool.all().into_iter().map(name).collect()
}

#[test]
fn the_order_is_priority_then_arrival_and_nonces_stay_in_order() {
    let mut pool = Pool::new(LIMITS);
    for (name, sender, nonce, priority) in
        [(1, 1, 0, 5), (2, 1, 1, 90), (3, 2, 0, 7), (4, 3, 0, 7), (5, 4, 3, 99), (6, 2, 1, 1)]
    {
        pool.insert(signed(name, sender, nonce, priority), 0).unwrap();
    }
    assert_eq!(names(&pool), [3, 4, 1, 2, 6, 5]);
    assert_eq!((pool.ready_len(), pool.len()), (5, 6));
    assert_eq!(pool.next_nonce(&account(1)), Some(2));
    assert_eq!(pool.next_nonce(&account(4)), Some(0), "a gap is not counted");
    assert_eq!(pool.next_nonce(&account(9)), None);
}

#[test]
fn filling_a_gap_makes_what_waits_ready() {
    let mut pool = Pool::new(LIMITS);
    assert_eq!(pool.insert(signed(2, 1, 6, 1), 5).unwrap(), [(hash_of(2), TransactionStatus::Future)]);
    let changes = pool.insert(signed(1, 1, 5, 1), 5).unwrap();
    assert_eq!(changes, [(hash_of(1), TransactionStatus::Ready), (hash_of(2), TransactionStatus::Ready)]);
}

#[test]
fn only_a_higher_priority_replaces() {
    let mut pool = Pool::new(LIMITS);
    pool.insert(signed(1, 1, 0, 10), 0).unwrap();
    pool.insert(signed(2, 1, 1, 10), 0).unwrap();
    let equal = pool.insert(signed(3, 1, 0, 10), 0);
    assert_eq!(equal, Err(Refusal::PriorityTooLow { old: 10, new: 10 }));
    let changes = pool.insert(signed(4, 1, 0, 11), 0).unwrap();
    assert_eq!(
        changes,
        [(hash_of(1), TransactionStatus::Usurped(hash_of(4))), (hash_of(4), TransactionStatus::Ready)]
    );
    assert_eq!(names(&pool), [4, 2], "the one behind it stays ready");
}

#[test]
fn what_is_known_stale_or_banned_is_refused() {
    let mut pool = Pool::new(LIMITS);
    pool.insert(signed(1, 1, 3, 10), 3).unwrap();
    assert_eq!(pool.insert(signed(1, 1, 3, 99), 3), Err(Refusal::AlreadyImported));
    assert_eq!(pool.insert(signed(2, 1, 2, 99), 3), Err(Refusal::Stale));
    assert_eq!(pool.ban(&hash_of(1), 1_000), [(hash_of(1), TransactionStatus::Invalid)]);
    assert_eq!(pool.check_hash(&hash_of(1), 1_099), Err(Refusal::Banned));
    assert_eq!(pool.check_hash(&hash_of(1), 1_100), Ok(()));
}

#[test]
fn a_full_account_gives_up_its_last_for_an_earlier_one() {
    let mut pool = Pool::new(LIMITS);
    for nonce in 1..5 {
        pool.insert(signed(nonce, 1, nonce, 1), 0).unwrap();
    }
    assert_eq!(pool.insert(signed(9, 1, 5, 99), 0), Err(Refusal::AccountFull));
    let changes = pool.insert(signed(10, 1, 0, 1), 0).unwrap();
    assert_eq!(changes[0], (hash_of(4), TransactionStatus::Dropped));
    assert_eq!(names(&pool), [10, 1, 2, 3]);
}

#[test]
fn a_full_pool_drops_the_worst_and_never_a_better_one() {
    let mut pool = Pool::new(LIMITS);
    for sender in 0..12 {
        pool.insert(signed(sender.into(), sender, u32::from(sender == 3), 10 + u64::from(sender)), 0)
            .unwrap();
    }
    // Sender 3 waits for an earlier nonce, so it goes first, whatever its priority.
    let changes = pool.insert(signed(100, 20, 0, 1), 0).unwrap();
    assert_eq!(changes[0], (hash_of(3), TransactionStatus::Dropped));
    assert_eq!(pool.insert(signed(101, 21, 0, 1), 0), Err(Refusal::PoolFull), "equal, and later");
    let changes = pool.insert(signed(102, 21, 0, 2), 0).unwrap();
    assert_eq!(changes[0], (hash_of(100), TransactionStatus::Dropped));
}

#[test]
fn revalidation_goes_round() {
    let mut pool = Pool::new(LIMITS);
    (0..5).for_each(|sender| drop(pool.insert(signed(sender.into(), sender, 0, 1), 0).unwrap()));
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.extend(pool.take_for_revalidation(3).into_iter().map(|transaction| transaction.hash));
    }
    let expected: Vec<_> = (0..5).cycle().take(15).map(hash_of).collect();
    assert_eq!(seen, expected);
}

#[test]
fn the_queue_for_revalidation_holds_only_what_is_in_the_pool() {
    let mut pool = Pool::new(LIMITS);
    for nonce in 0..1_000 {
        pool.insert(signed(nonce, 1, nonce, 1), nonce).unwrap();
        pool.advance(&LaneKey::Account(account(1)), nonce + 1, |_| vec![TransactionStatus::Invalid]);
        assert!(pool.is_empty() && pool.revalidation.is_empty());
    }
    pool.insert(signed(5_000, 1, 0, 1), 0).unwrap();
    pool.insert(signed(5_001, 2, 0, 1), 0).unwrap();
    let taken: Vec<_> = pool.take_for_revalidation(9).into_iter().map(|taken| taken.hash).collect();
    assert_eq!(taken, [hash_of(5_000), hash_of(5_001)], "each once, however many are asked for");
}

#[test]
fn a_lane_follows_an_account_that_starts_again() {
    let mut pool = Pool::new(LIMITS);
    let key = LaneKey::Account(account(1));
    pool.insert(signed(1, 1, 5, 1), 5).unwrap();
    assert_eq!(pool.align(&key, 5), []);
    assert_eq!(pool.align(&key, 0), [(hash_of(1), TransactionStatus::Future)]);
    assert_eq!((pool.ready_len(), pool.next_nonce(&account(1))), (0, Some(0)));
    pool.insert(signed(2, 1, 0, 1), 0).unwrap();
    assert_eq!(names(&pool), [2, 1]);
    assert_eq!(pool.align(&key, 6).len(), 2, "both have been used up");
    assert_eq!((pool.len(), pool.align(&key, 0)), (0, vec![]));
}

/// The same rules, written down slowly.
#[derive(Default)]
struct Model {
    entries: Vec<Modelled>,
    next: BTreeMap<LaneKey, Nonce>,
    sequence: u64,
}

#[derive(Clone)]
struct Modelled {
    hash: Hash,
    size: usize,
    lane: LaneKey,
    nonce: Nonce,
    priority: u64,
    sequence: u64,
    last_block: u32,
}

impl Model {
    fn at(&self, lane: &LaneKey, nonce: Nonce) -> Option<&Modelled> {
        self.entries.iter().find(|entry| entry.lane == *lane && entry.nonce == nonce)
    }

    fn is_ready(&self, entry: &Modelled) -> bool {
        (self.next[&entry.lane]..=entry.nonce).all(|nonce| self.at(&entry.lane, nonce).is_some())
    }

    fn lane(&self, lane: &LaneKey) -> impl Iterator<Item = &Modelled> {
        let mut entries: Vec<_> = self.entries.iter().filter(|entry| entry.lane == *lane).collect();
        entries.sort_by_key(|entry| entry.nonce);
        entries.into_iter()
    }

    fn remove(&mut self, hash: &Hash) {
        self.entries.retain(|entry| entry.hash != *hash);
        let lanes: BTreeSet<_> = self.entries.iter().map(|entry| entry.lane.clone()).collect();
        self.next.retain(|lane, _| lanes.contains(lane));
    }

    /// All or nothing.
    fn insert(&mut self, new: &Admission, next: Nonce) -> Result<(), Refusal> {
        let before = (self.entries.clone(), self.next.clone());
        let inserted = self.try_insert(new, next);
        if inserted.is_err() {
            (self.entries, self.next) = before;
        }
        inserted
    }

    fn try_insert(&mut self, new: &Admission, next: Nonce) -> Result<(), Refusal> {
        let hash = new.transaction.hash;
        if self.entries.iter().any(|entry| entry.hash == hash) {
            return Err(Refusal::AlreadyImported);
        }
        let next = *self.next.get(&new.lane).unwrap_or(&next);
        if new.nonce < next {
            return Err(Refusal::Stale);
        }
        let replaced = self.at(&new.lane, new.nonce).cloned();
        if let Some(old) = &replaced {
            if new.priority <= old.priority {
                return Err(Refusal::PriorityTooLow { old: old.priority, new: new.priority });
            }
        } else if self.lane(&new.lane).count() >= LIMITS.max_per_account {
            let last = self.lane(&new.lane).last().unwrap().clone();
            if last.nonce < new.nonce {
                return Err(Refusal::AccountFull);
            }
            self.remove(&last.hash);
        }
        let replaced_size = replaced.as_ref().map_or(0, |old| old.size);
        let ready = (next..new.nonce).all(|nonce| self.at(&new.lane, nonce).is_some());
        loop {
            let bytes: usize = self.entries.iter().map(|entry| entry.size).sum();
            let count = self.entries.len() + usize::from(replaced.is_none());
            let size = new.transaction.bytes.len();
            if count <= LIMITS.max_count && bytes + size - replaced_size <= LIMITS.max_bytes {
                break;
            }
            let rank = |entry: &Modelled| (self.is_ready(entry), entry.priority, Reverse(entry.sequence));
            let tails =
                self.next.keys().filter(|lane| **lane != new.lane).filter_map(|lane| self.lane(lane).last());
            let worst = tails.min_by_key(|entry| rank(entry)).cloned();
            match worst.filter(|worst| rank(worst) < (ready, new.priority, Reverse(self.sequence))) {
                Some(worst) => self.remove(&worst.hash),
                None => return Err(Refusal::PoolFull),
            }
        }
        if let Some(old) = replaced {
            self.entries.retain(|entry| entry.hash != old.hash);
        }
        self.next.insert(new.lane.clone(), next);
        self.entries.push(Modelled {
            hash,
            size: new.transaction.bytes.len(),
            lane: new.lane.clone(),
            nonce: new.nonce,
            priority: new.priority,
            sequence: self.sequence,
            last_block: new.last_block,
        });
        self.sequence += 1;
        Ok(())
    }

    fn advance(&mut self, lane: &LaneKey, next: Nonce) {
        if let Some(current) = self.next.get_mut(lane) {
            *current = next;
        }
        let passed: Vec<_> =
            self.lane(lane).filter(|entry| entry.nonce < next).map(|entry| entry.hash).collect();
        passed.iter().for_each(|hash| self.remove(hash));
    }

    fn ready_order(&self) -> Vec<Hash> {
        let mut heads = self.next.clone();
        let mut order = Vec::new();
        loop {
            let best = heads.iter().filter_map(|(lane, nonce)| self.at(lane, *nonce));
            let Some(best) = best.max_by_key(|entry| (entry.priority, Reverse(entry.sequence))) else {
                return order;
            };
            order.push(best.hash);
            *heads.get_mut(&best.lane).unwrap() += 1;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert { name: u32, size: usize, lane: u8, nonce: Nonce, priority: u64, last_block: u32, next: Nonce },
    Remove(u32),
    Ban(u32),
    Advance(u8, Nonce),
    Expire(u32),
    Revalidate(usize),
}

fn lane(index: u8) -> LaneKey {
    if index < 5 {
        LaneKey::Account(account(index))
    } else {
        LaneKey::Tag(vec![index])
    }
}

fn step() -> impl Strategy<Value = Step> {
    let insert = (0..60u32, 4..120usize, 0..7u8, 0..6u32, 0..6u64, 0..12u32, 0..3u32);
    prop_oneof![
        10 => insert.prop_map(|(name, size, lane, nonce, priority, last_block, next)| {
            let (nonce, next) = if lane < 5 { (nonce, next) } else { (0, 0) };
            Step::Insert { name, size, lane, nonce, priority, last_block, next }
        }),
        1 => (0..60u32).prop_map(Step::Remove),
        1 => (0..60u32).prop_map(Step::Ban),
        1 => (0..8usize).prop_map(Step::Revalidate),
        2 => (0..7u8, 0..6u32).prop_map(|(lane, next)| Step::Advance(lane, if lane < 5 { next } else { 1 })),
        1 => (0..12u32).prop_map(Step::Expire),
    ]
}

/// What everyone who watches was told last.
#[derive(Default)]
struct Told(HashMap<Hash, TransactionStatus>);

impl Told {
    fn hear(&mut self, changes: Vec<StatusChange>) {
        self.0.extend(changes);
    }

    fn check(&self, pool: &Pool, model: &Model) {
        for (hash, status) in &self.0 {
            match model.entries.iter().find(|entry| entry.hash == *hash) {
                Some(entry) if model.is_ready(entry) => assert_eq!(*status, TransactionStatus::Ready),
                Some(_) => assert_eq!(*status, TransactionStatus::Future),
                None => assert!(status.is_last(), "{status:?} was the last word on a transaction that left"),
            }
        }
        assert!(pool.places.keys().all(|hash| self.0.contains_key(hash)), "nobody was told");
    }
}

fn check(pool: &Pool, model: &Model) {
    let order = model.ready_order();
    let all: Vec<_> = pool.all().iter().map(|transaction| transaction.hash).collect();
    assert_eq!(all[..order.len()], order);
    assert_eq!(pool.ready_len(), order.len());
    assert_eq!(pool.len(), model.entries.len());
    assert_eq!(pool.bytes(), model.entries.iter().map(|entry| entry.size).sum::<usize>());
    assert!(model.entries.iter().all(|entry| pool.contains(&entry.hash)));
    assert!(pool.len() <= LIMITS.max_count && pool.bytes() <= LIMITS.max_bytes);
    assert_eq!(pool.lanes.len(), model.next.len());
    assert_eq!(pool.tails.len(), model.next.len());
    assert_eq!(pool.expiries.len(), model.entries.len());
    assert_eq!(pool.revalidation.len(), model.entries.len());
    assert!(pool.revalidation.values().all(|hash| pool.contains(hash)));
    for (key, next) in &model.next {
        let LaneKey::Account(account) = key else { continue };
        let ready = model.lane(key).filter(|entry| model.is_ready(entry)).count();
        assert_eq!(pool.next_nonce(account), Some(next + ready as u32));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..120)) {
        let (mut pool, mut model, mut told) = (Pool::new(LIMITS), Model::default(), Told::default());
        let name_to_hash: HashMap<u32, Vec<Hash>> = steps.iter().fold(HashMap::new(), |mut map, step| {
            if let Step::Insert { name, size, .. } = step {
                map.entry(*name).or_insert_with(Vec::new).push(transaction(*name, *size).hash);
            }
            map
        });
        for step in steps {
            match step {
                Step::Insert { name, size, lane: index, nonce, priority, last_block, next } => {
                    let admission =
                        Admission { transaction: transaction(name, size), lane: lane(index), nonce, priority, last_block };
                    let expected = model.insert(&admission, next);
                    let found = pool.insert(admission, next);
                    prop_assert_eq!(found.as_ref().map(drop), expected.as_ref().map(drop));
                    told.hear(found.unwrap_or_default());
                }
                Step::Remove(name) => for hash in name_to_hash.get(&name).into_iter().flatten() {
                    told.hear(pool.remove(hash, TransactionStatus::Dropped));
                    model.remove(hash);
                },
                Step::Ban(name) => for hash in name_to_hash.get(&name).into_iter().flatten() {
                    told.hear(pool.ban(hash, 0));
                    model.remove(hash);
                },
                Step::Advance(index, next) => {
                    told.hear(pool.advance(&lane(index), next, |_| vec![TransactionStatus::Invalid]));
                    model.advance(&lane(index), next);
                }
                Step::Revalidate(count) => {
                    let taken = pool.take_for_revalidation(count);
                    prop_assert_eq!(taken.len(), count.min(pool.len()));
                }
                Step::Expire(number) => {
                    told.hear(pool.expire(number));
                    let expired: Vec<_> =
                        model.entries.iter().filter(|entry| entry.last_block <= number).map(|entry| entry.hash).collect();
                    expired.iter().for_each(|hash| model.remove(hash));
                }
            }
            check(&pool, &model);
            told.check(&pool, &model);
        }
    }
}
