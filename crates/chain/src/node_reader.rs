//! The seam between the trie and the store.

use std::sync::Arc;

use hash_db::Prefix;
use myelin_runtime::Hash;
use myelin_store::{NodeChanges, Snapshot, StoreError};
use parking_lot::Mutex;
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::TrieBackendStorage;
use sp_trie::DBValue;

use crate::generations::Generations;

/// Bytes of keys and nodes in a generation, of which there are two.
const GENERATION_BYTES: usize = 12 << 20;

/// Nodes that executing blocks has read or made lately. A node's key contains its hash, so what is here is right for every
/// state that has such a key.
pub(crate) struct NodeCache(Mutex<Generations<Vec<u8>>>);

impl Default for NodeCache {
    fn default() -> Self {
        Self(Mutex::new(Generations::new(GENERATION_BYTES)))
    }
}

impl NodeCache {
    /// Remembers nodes.
    pub fn extend(&self, nodes: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) {
        let mut cache = self.0.lock();
        nodes.into_iter().for_each(|(key, node)| cache.put(key, node));
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().get(key).cloned()
    }
}

/// Reads trie nodes out of a snapshot, and out of blocks that are not on disk yet.
///
/// The trie code above turns a failed read into a panic, and when it computes a root even into the *old* root. So the
/// first failure is kept here, and whoever ran something asks for it afterwards.
#[derive(Clone)]
pub(crate) struct NodeReader {
    snapshot: Arc<Snapshot>,
    /// What blocks that are not on disk yet have changed, oldest first.
    unwritten: Vec<Arc<NodeChanges>>,
    cache: Option<Arc<NodeCache>>,
    failure: Arc<Mutex<Option<StoreError>>>,
}

impl NodeReader {
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, unwritten: Vec::new(), cache: None, failure: Arc::default() }
    }

    /// The same, with nodes that the snapshot does not have: what blocks have changed since, oldest first.
    pub fn with_unwritten(self, unwritten: Vec<Arc<NodeChanges>>) -> Self {
        Self { unwritten, ..self }
    }

    /// The same, with a cache in front.
    pub fn with_cache(self, cache: Arc<NodeCache>) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The first failure since the last call, if there was one.
    pub fn take_failure(&self) -> Result<(), StoreError> {
        self.failure.lock().take().map_or(Ok(()), Err)
    }

    fn read(&self, key: Vec<u8>) -> Result<Option<DBValue>, StoreError> {
        let Some(cache) = &self.cache else { return self.read_uncached(&key) };
        if let Some(node) = cache.get(&key) {
            return Ok(Some(node));
        }
        let node = self.read_uncached(&key)?;
        cache.extend(node.clone().map(|node| (key, node)));
        Ok(node)
    }

    /// A key tells its node's content, so it does not matter where the node is found. What is in the cache no more is most
    /// probably old, thus in the snapshot.
    fn read_uncached(&self, key: &[u8]) -> Result<Option<DBValue>, StoreError> {
        match self.snapshot.node(key)? {
            Some(node) => Ok(Some(node)),
            None => Ok(self.unwritten.iter().rev().find_map(|changes| inserted(changes, key)).cloned()),
        }
    }
}

/// The node under `key` among those that a block has inserted, which the executor leaves in the order of their keys.
fn inserted<'a>(changes: &'a NodeChanges, key: &[u8]) -> Option<&'a Vec<u8>> {
    let found = changes.inserted.binary_search_by(|(other, _)| other.as_slice().cmp(key)).ok()?;
    changes.inserted.get(found).map(|(_, node)| node)
}

impl TrieBackendStorage<BlakeTwo256> for NodeReader {
    fn get(&self, hash: &Hash, prefix: Prefix<'_>) -> Result<Option<DBValue>, String> {
        let key = sp_trie::prefixed_key::<BlakeTwo256>(hash, prefix);
        self.read(key).map_err(|error| {
            let text = error.to_string();
            self.failure.lock().get_or_insert(error);
            text
        })
    }
}
