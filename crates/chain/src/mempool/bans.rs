//! Hashes of transactions that were found invalid a short while ago.

use std::collections::{HashMap, VecDeque};

use myelin_runtime::Hash;

/// More bans than this push out the oldest.
const MAX_BANS: usize = 16 * 1024;

/// A bounded set of hashes, each until a moment.
#[derive(Default)]
pub struct Bans {
    until_ms: HashMap<Hash, u64>,
    order: VecDeque<Hash>,
}

impl Bans {
    pub fn contains(&self, hash: &Hash, now_ms: u64) -> bool {
        self.until_ms.get(hash).is_some_and(|until_ms| now_ms < *until_ms)
    }

    pub fn insert(&mut self, hash: Hash, until_ms: u64) {
        if self.until_ms.insert(hash, until_ms).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > MAX_BANS {
            if let Some(oldest) = self.order.pop_front() {
                self.until_ms.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_ends() {
        let mut bans = Bans::default();
        bans.insert(Hash::repeat_byte(1), 100);
        assert!(bans.contains(&Hash::repeat_byte(1), 99));
        assert!(!bans.contains(&Hash::repeat_byte(1), 100));
    }

    #[test]
    fn the_oldest_bans_make_room() {
        let mut bans = Bans::default();
        (0..=MAX_BANS as u64).for_each(|index| bans.insert(Hash::from_low_u64_be(index), u64::MAX));
        assert!(!bans.contains(&Hash::from_low_u64_be(0), 0));
        assert!(bans.contains(&Hash::from_low_u64_be(1), 0));
        assert_eq!(bans.until_ms.len(), MAX_BANS);
    }
}
