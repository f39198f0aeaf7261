//! The order in which transactions became ready, so that whoever passes them on needs to remember one number.

use std::collections::{BTreeMap, HashMap};

use myelin_runtime::Hash;

use super::TransactionStatus;

/// The ready transactions of a pool by the moment that they became ready. It holds no more than the pool does.
#[derive(Default)]
pub struct ReadyLog {
    last: u64,
    by_number: BTreeMap<u64, Hash>,
    numbers: HashMap<Hash, u64>,
}

impl ReadyLog {
    /// Follows what the pool says about its transactions.
    pub fn hear(&mut self, changes: &[(Hash, TransactionStatus)]) {
        for (hash, status) in changes {
            match status {
                TransactionStatus::Ready => self.append(*hash),
                _ => self.forget(hash),
            }
        }
    }

    /// Up to `count` hashes with their numbers, oldest first, of those that became ready after number `after`.
    pub fn after(&self, after: u64, count: usize) -> Vec<(u64, Hash)> {
        let later = self.by_number.range(after.saturating_add(1)..);
        later.take(count).map(|(number, hash)| (*number, *hash)).collect()
    }

    fn append(&mut self, hash: Hash) {
        if !self.numbers.contains_key(&hash) {
            self.last += 1;
            self.by_number.insert(self.last, hash);
            self.numbers.insert(hash, self.last);
        }
    }

    fn forget(&mut self, hash: &Hash) {
        if let Some(number) = self.numbers.remove(hash) {
            self.by_number.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> Hash {
        Hash::repeat_byte(byte)
    }

    #[test]
    fn only_ready_ones_are_listed_in_the_order_of_becoming_so() {
        let mut log = ReadyLog::default();
        log.hear(&[(hash(1), TransactionStatus::Future), (hash(2), TransactionStatus::Ready)]);
        log.hear(&[(hash(1), TransactionStatus::Ready), (hash(2), TransactionStatus::Ready)]);
        assert_eq!(log.after(0, 9), [(1, hash(2)), (2, hash(1))]);
        assert_eq!(log.after(1, 9), [(2, hash(1))]);
        assert_eq!(log.after(0, 1), [(1, hash(2))]);
        assert_eq!(log.after(u64::MAX, 1), []);
    }

    #[test]
    fn what_leaves_or_waits_again_is_forgotten() {
        let mut log = ReadyLog::default();
        log.hear(&[(hash(1), TransactionStatus::Ready), (hash(2), TransactionStatus::Ready)]);
        log.hear(&[(hash(1), TransactionStatus::Invalid), (hash(2), TransactionStatus::Future)]);
        assert_eq!(log.after(0, 9), []);
        assert!(log.numbers.is_empty());
        log.hear(&[(hash(2), TransactionStatus::Ready)]);
        assert_eq!(log.after(2, 9), [(3, hash(2))], "it is new to those who saw it wait");
    }
}
