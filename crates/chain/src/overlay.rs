//! What an execution has written so far, in transactions that can be taken back.
//!
//! Every key has one entry, the newest. What an open transaction replaces goes to a journal, so that closing a transaction
//! costs nothing when it is kept, and one step for each of its writes when it is not. A block writes tens of keys for each
//! extrinsic in two nested transactions; a version of every value for every transaction would be the larger part of
//! executing it.

use std::{
    collections::BTreeSet,
    mem,
    ops::Bound::{Excluded, Included, Unbounded},
};

use ahash::RandomState;
use codec::{Compact, CompactLen, Decode, Encode};
use indexmap::IndexMap;
use myelin_runtime::Hash;
use sp_core::storage::StateVersion;
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{Backend as _, BackendTransaction};

use crate::{head_values::Change, state_backend::StateBackend};

/// Why a transaction was not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no open transaction, or it is not the runtime's own")]
pub(crate) struct NotOpen;

/// Writes that are not in the state yet.
#[derive(Default)]
pub(crate) struct Overlay {
    /// In the order in which keys were first written. The hasher has a secret: users choose parts of the keys.
    entries: IndexMap<Vec<u8>, Entry, RandomState>,
    /// The keys of the first entries in order: those that there were when somebody asked for the order. Most keys are written
    /// after that, and keeping each of them in order at once would cost more.
    ordered: BTreeSet<Vec<u8>>,
    /// What open transactions replaced, oldest first.
    journal: Vec<Undo>,
    /// For each open transaction, how long the journal was when it began.
    open: Vec<usize>,
    /// How many of them are not the runtime's to close.
    protected: usize,
    /// The root of the state with these writes, and the trie nodes that it takes, while nothing else is written.
    root: Option<(Hash, BackendTransaction<BlakeTwo256>)>,
}

/// What was written under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Nothing when the key was removed.
    value: Option<Vec<u8>>,
    list: Option<List>,
}

/// The length of a list that is being appended to, which is written before its elements only when somebody reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct List {
    length: u32,
    /// The length that stands before the elements now, if one does.
    prefix: Option<u32>,
}

/// How to take a write back.
enum Undo {
    /// The newest key was not there.
    Added,
    /// Another entry was at this place.
    Replaced(usize, Entry),
    /// The list at this place had one element less, which took so many bytes.
    Appended(usize, usize),
}

impl Overlay {
    /// What was written under `key`: nothing when it was not touched, no value when it was removed.
    pub fn get(&mut self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.entries.get_mut(key).map(Entry::read)
    }

    /// Writes a value under `key`, or removes it.
    pub fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.place(key, Entry { value, list: None });
    }

    /// Adds an encoded element to the list under `key`, which is `stored()` when it was not touched. What is no list becomes
    /// one with this element alone.
    pub fn append(&mut self, key: Vec<u8>, element: &[u8], stored: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
        let Some((index, _, entry)) = self.entries.get_full_mut(&key) else {
            let list = Entry::list(stored(&key)).with_element(element);
            return self.place(key, list);
        };
        if entry.list.is_some() {
            entry.push(element);
            self.remember(Undo::Appended(index, element.len()));
        } else {
            let longer = Entry::list(entry.value.clone()).with_element(element);
            let replaced = mem::replace(entry, longer);
            self.remember(Undo::Replaced(index, replaced));
        }
    }

    /// Removes all keys with this prefix that were written; returns how many of them had a value.
    pub fn clear_prefix(&mut self, prefix: &[u8]) -> u32 {
        let keys: Vec<_> = self
            .ordered()
            .range::<[u8], _>((Included(prefix), Unbounded))
            .take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect();
        let mut cleared = 0;
        for key in keys {
            cleared += u32::from(self.get(&key).flatten().is_some());
            self.set(key, None);
        }
        cleared
    }

    /// The first written key after `key`, and whether it has a value.
    pub fn next_key(&mut self, key: &[u8]) -> Option<(Vec<u8>, bool)> {
        let next = self.ordered().range::<[u8], _>((Excluded(key), Unbounded)).next()?.clone();
        let has_value = self.get(&next).flatten().is_some();
        Some((next, has_value))
    }

    /// Begins a transaction within those that are open.
    pub fn start_transaction(&mut self) {
        self.open.push(self.journal.len());
    }

    /// Keeps what the innermost transaction has written.
    pub fn commit_transaction(&mut self) -> Result<(), NotOpen> {
        self.close()?;
        if self.open.is_empty() {
            self.journal.clear();
        }
        Ok(())
    }

    /// Takes back what the innermost transaction has written.
    pub fn rollback_transaction(&mut self) -> Result<(), NotOpen> {
        let start = self.close()?;
        while self.journal.len() > start {
            if let Some(undo) = self.journal.pop() {
                self.take_back(undo);
            }
        }
        Ok(())
    }

    /// Hands the overlay to the runtime, which cannot close the transactions that are open now.
    pub fn enter_runtime(&mut self) {
        self.protected = self.open.len();
    }

    /// Takes it from the runtime; what that left open is rolled back.
    pub fn exit_runtime(&mut self) {
        while self.open.len() > self.protected {
            // That the loop goes on says that there is one.
            let _ = self.rollback_transaction();
        }
        self.protected = 0;
    }

    /// The root of `state` with all this in it.
    pub fn root(&mut self, state: &StateBackend, version: StateVersion) -> Hash {
        if let Some((root, _)) = &self.root {
            return *root;
        }
        // A trie node is hashed again for every write beneath it, whether or not that changes anything.
        let changed = self.entries.iter_mut().filter_map(|(key, entry)| {
            let value = entry.read();
            (!state.is_known_to_be(key, value)).then_some((key.as_slice(), value))
        });
        let (root, nodes) = state.storage_root(changed, version);
        self.root.insert((root, nodes)).0
    }

    /// Ends the execution: the root of `state` with all this in it, the trie nodes that it takes, and what was written.
    pub fn into_changes(
        mut self,
        state: &StateBackend,
        version: StateVersion,
    ) -> (Hash, BackendTransaction<BlakeTwo256>, Vec<Change>) {
        let root = self.root(state, version);
        let nodes = self.root.take().map(|(_, nodes)| nodes).unwrap_or_default();
        (root, nodes, self.entries.into_iter().map(|(key, entry)| (key, entry.into_value())).collect())
    }

    fn place(&mut self, key: Vec<u8>, entry: Entry) {
        let undo = match self.entries.insert_full(key, entry) {
            (_, None) => Undo::Added,
            (index, Some(replaced)) => Undo::Replaced(index, replaced),
        };
        self.remember(undo);
    }

    fn remember(&mut self, undo: Undo) {
        self.root = None;
        if !self.open.is_empty() {
            self.journal.push(undo);
        }
    }

    /// Closes the innermost transaction; returns where its part of the journal begins.
    fn close(&mut self) -> Result<usize, NotOpen> {
        match self.open.len() > self.protected {
            true => self.open.pop().ok_or(NotOpen),
            false => Err(NotOpen),
        }
    }

    fn take_back(&mut self, undo: Undo) {
        self.root = None;
        match undo {
            Undo::Added => {
                let taken = self.entries.pop();
                if let Some((key, _)) = taken.filter(|_| self.ordered.len() > self.entries.len()) {
                    self.ordered.remove(&key);
                }
            }
            Undo::Replaced(index, replaced) => {
                if let Some((_, entry)) = self.entries.get_index_mut(index) {
                    *entry = replaced;
                }
            }
            Undo::Appended(index, bytes) => {
                if let Some((_, entry)) = self.entries.get_index_mut(index) {
                    entry.pop(bytes);
                }
            }
        }
    }

    fn ordered(&mut self) -> &BTreeSet<Vec<u8>> {
        let written_since = self.entries.get_range(self.ordered.len()..);
        self.ordered.extend(written_since.into_iter().flat_map(|entries| entries.keys().cloned()));
        &self.ordered
    }
}

impl Entry {
    /// `value` as a list to append to; an empty one when it is none.
    fn list(value: Option<Vec<u8>>) -> Self {
        let length = value.as_ref().and_then(|bytes| Compact::<u32>::decode(&mut &bytes[..]).ok());
        let list =
            List { length: length.map_or(0, |length| length.0), prefix: length.map(|length| length.0) };
        let value = value.filter(|_| length.is_some()).unwrap_or_default();
        Self { value: Some(value), list: Some(list) }
    }

    fn with_element(mut self, element: &[u8]) -> Self {
        self.push(element);
        self
    }

    fn push(&mut self, element: &[u8]) {
        if let (Some(bytes), Some(list)) = (&mut self.value, &mut self.list) {
            bytes.extend_from_slice(element);
            list.length = list.length.saturating_add(1);
        }
    }

    fn pop(&mut self, element_bytes: usize) {
        if let (Some(bytes), Some(list)) = (&mut self.value, &mut self.list) {
            bytes.truncate(bytes.len().saturating_sub(element_bytes));
            list.length = list.length.saturating_sub(1);
        }
    }

    /// The value, with its length before it when it is a list.
    fn read(&mut self) -> Option<&[u8]> {
        self.write_length();
        self.value.as_deref()
    }

    fn into_value(mut self) -> Option<Vec<u8>> {
        self.write_length();
        self.value
    }

    fn write_length(&mut self) {
        let (Some(bytes), Some(list)) = (&mut self.value, &mut self.list) else { return };
        if list.prefix != Some(list.length) {
            let old = list.prefix.map_or(0, |length| Compact::compact_len(&length));
            bytes.splice(..old, Compact(list.length).encode());
            list.prefix = Some(list.length);
        }
    }
}
