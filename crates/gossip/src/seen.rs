//! Hashes of transactions that need no second look.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use myelin_chain::Hash;

/// A bounded set that forgets: the hashes of now, and those of the time before.
#[derive(Debug)]
pub struct Seen {
    capacity: usize,
    keep: Duration,
    since: Instant,
    current: HashSet<Hash>,
    previous: HashSet<Hash>,
}

impl Seen {
    /// Holds at most twice `capacity` hashes, each for `keep` at least unless that many others came meanwhile.
    pub fn new(capacity: usize, keep: Duration, now: Instant) -> Self {
        Self { capacity, keep, since: now, current: HashSet::new(), previous: HashSet::new() }
    }

    /// Whether the hash is remembered.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.current.contains(hash) || self.previous.contains(hash)
    }

    /// Remembers a hash; false when it is remembered already.
    pub fn insert(&mut self, hash: Hash, now: Instant) -> bool {
        if self.current.len() >= self.capacity || now.saturating_duration_since(self.since) >= self.keep {
            self.previous = std::mem::take(&mut self.current);
            self.since = now;
        }
        !self.previous.contains(&hash) && self.current.insert(hash)
    }

    /// Forgets a hash, so that it is looked at again.
    pub fn remove(&mut self, hash: &Hash) {
        self.current.remove(hash);
        self.previous.remove(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> Hash {
        Hash::from_low_u64_be(number)
    }

    #[test]
    fn a_hash_is_new_once() {
        let now = Instant::now();
        let mut seen = Seen::new(8, Duration::from_secs(1), now);
        assert!(seen.insert(hash(1), now));
        assert!(!seen.insert(hash(1), now));
        seen.remove(&hash(1));
        assert!(!seen.contains(&hash(1)));
        assert!(seen.insert(hash(1), now));
    }

    #[test]
    fn it_holds_no_more_than_twice_its_capacity() {
        let now = Instant::now();
        let mut seen = Seen::new(8, Duration::from_secs(1), now);
        for number in 0..1_000 {
            assert!(seen.insert(hash(number), now));
            assert!(seen.current.len() + seen.previous.len() <= 16);
            assert!(!seen.insert(hash(number.saturating_sub(7)), now), "the last eight are there");
        }
    }

    #[test]
    fn time_passes() {
        let start = Instant::now();
        let keep = Duration::from_secs(1);
        let mut seen = Seen::new(8, keep, start);
        seen.insert(hash(1), start);
        seen.insert(hash(2), start + keep);
        assert!(seen.contains(&hash(1)), "it is kept for one period at least");
        seen.insert(hash(3), start + 2 * keep);
        assert!(!seen.contains(&hash(1)));
        assert!(seen.contains(&hash(2)));
    }
}
