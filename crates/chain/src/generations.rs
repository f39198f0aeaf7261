//! A map that forgets what has not been used for long.

use std::{collections::HashMap, mem};

use ahash::RandomState;

/// What takes memory in proportion to its length.
pub(crate) trait Length {
    /// Bytes.
    fn length(&self) -> usize;
}

impl Length for Vec<u8> {
    fn length(&self) -> usize {
        self.len()
    }
}

impl Length for Option<Vec<u8>> {
    fn length(&self) -> usize {
        self.as_ref().map_or(0, Vec::len)
    }
}

/// Values by key in two generations. When the young one is full, it becomes the old one, and what was old is forgotten; a
/// value that is used moves to the young one.
///
/// The hasher has a secret: users choose parts of the keys.
pub(crate) struct Generations<V> {
    young: HashMap<Vec<u8>, V, RandomState>,
    /// Bytes of keys and values in `young`.
    bytes: usize,
    old: HashMap<Vec<u8>, V, RandomState>,
    limit: usize,
}

impl<V: Length> Generations<V> {
    /// No values; a generation is full when it has more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { young: HashMap::default(), bytes: 0, old: HashMap::default(), limit }
    }

    /// The value under `key`, which is used by that.
    pub fn get(&mut self, key: &[u8]) -> Option<&V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.put(key, value);
        }
        self.young.get(key)
    }

    /// The value under `key`, which is not used by that.
    pub fn peek(&self, key: &[u8]) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Remembers a value instead of what was under `key`.
    pub fn put(&mut self, key: Vec<u8>, value: V) {
        self.old.remove(&key);
        if self.bytes > self.limit {
            // The memory of the table goes round as well.
            mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
            self.bytes = 0;
        }
        let key_bytes = key.len();
        self.bytes += key_bytes + value.length();
        if let Some(replaced) = self.young.insert(key, value) {
            self.bytes = self.bytes.saturating_sub(key_bytes + replaced.length());
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 10;

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let mut values = Generations::new(LIMIT);
        values.put(b"used".to_vec(), vec![1]);
        for index in 0_u32..1_000 {
            values.put(index.to_be_bytes().to_vec(), vec![0; LIMIT / 8]);
            assert_eq!(values.get(b"used"), Some(&vec![1]));
        }
        let bytes = |values: &HashMap<Vec<u8>, Vec<u8>, RandomState>| -> usize {
            values.iter().map(|(key, value)| key.len() + value.length()).sum()
        };
        assert!(bytes(&values.young) + bytes(&values.old) <= 3 * LIMIT);
        assert_eq!(bytes(&values.young), values.bytes);
        assert_eq!(values.peek(&0_u32.to_be_bytes()), None);
    }

    #[test]
    fn a_new_value_wins_over_an_older_generation() {
        let mut values = Generations::new(LIMIT);
        values.put(b"a".to_vec(), vec![1]);
        values.put(b"fills".to_vec(), vec![0; LIMIT + 1]);
        values.put(b"turns".to_vec(), vec![]);
        values.put(b"a".to_vec(), vec![2]);
        assert_eq!(values.peek(b"a"), Some(&vec![2]));
        assert_eq!(values.get(b"a"), Some(&vec![2]));
    }
}
