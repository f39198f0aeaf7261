//! Values of one state by key: that of the newest block that was executed to be committed,
//! or ahead of its turn.
//!
//! Executing a block reads the same few thousand values as the block before it did. A walk through the trie, even through
//! its cached nodes, costs many times what a look into a map does.

use myelin_runtime::Hash;
use parking_lot::Mutex;

use crate::generations::Generations;

/// Bytes of keys and values in a generation, of which there are two.
const GENERATION_BYTES: usize = 12 << 20;

/// A key and its value; nothing when there is none.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// The values that were read from one state, or written by the block that made it. What is not used for long is forgotten.
pub(crate) struct HeadValues {
    known: Mutex<Known>,
}

struct Known {
    /// The state that the values belong to.
    root: Hash,
    values: Generations<Option<Vec<u8>>>,
}

impl Default for HeadValues {
    fn default() -> Self {
        let known = Known { root: Hash::zero(), values: Generations::new(GENERATION_BYTES) };
        Self { known: Mutex::new(known) }
    }
}

impl HeadValues {
    /// The value under `key` in the state `root`, if that is known: there may be none under that key.
    pub fn get(&self, root: Hash, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut known = self.known.lock();
        match known.root == root {
            true => known.values.get(key).cloned(),
            false => None,
        }
    }

    /// Whether it is known that there is `value` under `key` in the state `root`, or nothing.
    pub fn is(&self, root: Hash, key: &[u8], value: Option<&[u8]>) -> bool {
        let known = self.known.lock();
        known.root == root && known.values.peek(key).is_some_and(|found| found.as_deref() == value)
    }

    /// Remembers a value that was read from the state `root`.
    pub fn put(&self, root: Hash, key: &[u8], value: &Option<Vec<u8>>) {
        let mut known = self.known.lock();
        if known.root == root {
            known.values.put(key.to_vec(), value.clone());
        }
    }

    /// Goes on to the state `to`, in which nothing but `changes` differs from the state `from`.
    pub fn advance(&self, from: Hash, to: Hash, changes: Vec<Change>) {
        let mut known = self.known.lock();
        if known.root != from {
            known.values.clear();
        }
        known.root = to;
        for (key, value) in changes {
            known.values.put(key, value);
        }
    }
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
}
