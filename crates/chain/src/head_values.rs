//! Values of one state by key: that of the newest committed block.
//!
//! Executing a block reads the same few thousand values as the block before it did. A walk through the trie, even through
//! its cached nodes, costs many times what a look into a map does.

use std::{collections::HashMap, mem};

use myelin_runtime::Hash;
use parking_lot::Mutex;

/// Bytes of keys and values in a generation, of which there are two.
const GENERATION_BYTES: usize = 12 << 20;

/// A key and its value; nothing when there is none.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

type Values = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// The values that were read from one state, or written by the block that made it. What is not used for long is forgotten.
#[derive(Default)]
pub(crate) struct HeadValues {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The state that the values belong to.
    root: Hash,
    young: Values,
    /// Bytes in `young`.
    bytes: usize,
    old: Values,
}

impl HeadValues {
    /// The value under `key` in the state `root`, if that is known: there may be none under that key.
    pub fn get(&self, root: Hash, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut known = self.known.lock();
        if known.root != root {
            return None;
        }
        if let Some(value) = known.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = known.old.remove_entry(key)?;
        known.put(key, value.clone());
        Some(value)
    }

    /// Remembers a value that was read from the state `root`.
    pub fn put(&self, root: Hash, key: &[u8], value: &Option<Vec<u8>>) {
        let mut known = self.known.lock();
        if known.root == root {
            known.put(key.to_vec(), value.clone());
        }
    }

    /// Goes on to the state `to`, in which nothing but `changes` differs from the state `from`.
    pub fn advance(&self, from: Hash, to: Hash, changes: Vec<Change>) {
        let mut known = self.known.lock();
        if known.root != from {
            *known = Known::default();
        }
        known.root = to;
        for (key, value) in changes {
            known.old.remove(&key);
            known.put(key, value);
        }
    }
}

impl Known {
    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if self.bytes > GENERATION_BYTES {
            self.old = mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += size(&key, &value);
        let key_bytes = key.len();
        if let Some(replaced) = self.young.insert(key, value) {
            self.bytes = self.bytes.saturating_sub(key_bytes + replaced.map_or(0, |value| value.len()));
        }
    }
}

fn size(key: &[u8], value: &Option<Vec<u8>>) -> usize {
    key.len() + value.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(byte: u8) -> Hash {
        Hash::repeat_byte(byte)
    }

    #[test]
    fn knows_only_the_state_it_was_told_about() {
        let values = HeadValues::default();
        values.advance(root(0), root(1), vec![(b"a".to_vec(), Some(vec![1])), (b"b".to_vec(), None)]);
        assert_eq!(values.get(root(1), b"a"), Some(Some(vec![1])));
        assert_eq!(values.get(root(1), b"b"), Some(None));
        assert_eq!(values.get(root(1), b"c"), None);
        assert_eq!(values.get(root(2), b"a"), None);
        values.put(root(2), b"c", &Some(vec![3]));
        assert_eq!(values.get(root(1), b"c"), None, "that was read from another state");
    }

    #[test]
    fn changes_replace_what_was_known_and_the_rest_stays() {
        let values = HeadValues::default();
        values.advance(
            root(0),
            root(1),
            vec![(b"a".to_vec(), Some(vec![1])), (b"b".to_vec(), Some(vec![2]))],
        );
        values.advance(root(1), root(2), vec![(b"a".to_vec(), None)]);
        assert_eq!(values.get(root(2), b"a"), Some(None));
        assert_eq!(values.get(root(2), b"b"), Some(Some(vec![2])));
    }

    #[test]
    fn a_state_that_does_not_follow_forgets_everything() {
        let values = HeadValues::default();
        values.advance(root(0), root(1), vec![(b"a".to_vec(), Some(vec![1]))]);
        values.advance(root(7), root(8), vec![(b"b".to_vec(), Some(vec![2]))]);
        assert_eq!(values.get(root(8), b"a"), None);
        assert_eq!(values.get(root(8), b"b"), Some(Some(vec![2])));
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let values = HeadValues::default();
        let big = Some(vec![0; GENERATION_BYTES / 8]);
        values.advance(root(0), root(1), vec![(b"used".to_vec(), Some(vec![1]))]);
        for index in 0_u32..100 {
            values.put(root(1), &index.to_be_bytes(), &big);
            assert_eq!(values.get(root(1), b"used"), Some(Some(vec![1])));
        }
        let known = values.known.lock();
        let bytes: usize = known.young.iter().chain(&known.old).map(|(key, value)| size(key, value)).sum();
        assert!(bytes <= 3 * GENERATION_BYTES, "{bytes}");
        let young: usize = known.young.iter().map(|(key, value)| size(key, value)).sum();
        assert_eq!(young, known.bytes);
    }

    #[test]
    fn a_change_wins_over_an_older_generation() {
        let values = HeadValues::default();
        values.advance(root(0), root(1), vec![(b"a".to_vec(), Some(vec![1]))]);
        values.put(root(1), b"fills", &Some(vec![0; GENERATION_BYTES + 1]));
        values.put(root(1), b"turns", &None);
        values.advance(root(1), root(2), vec![(b"a".to_vec(), Some(vec![2]))]);
        assert_eq!(values.get(root(2), b"a"), Some(Some(vec![2])));
    }
}
