//! The seam between the trie and the store.

use std::{collections::HashMap, sync::Arc};

use hash_db::Prefix;
use myelin_runtime::Hash;
use myelin_store::{Snapshot, StoreError};
use parking_lot::Mutex;
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::TrieBackendStorage;
use sp_trie::DBValue;

/// Encoded nodes by key.
pub(crate) type NodeMap = HashMap<Vec<u8>, Vec<u8>>;

/// Reads trie nodes out of a snapshot, and out of blocks that are not on disk yet.
///
/// The trie code above turns a failed read into a panic, and when it computes a root even into the *old* root. So the
/// first failure is kept here, and whoever ran something asks for it afterwards.
#[derive(Clone)]
pub(crate) struct NodeReader {
    snapshot: Arc<Snapshot>,
    unwritten: Option<Arc<NodeMap>>,
    failure: Arc<Mutex<Option<StoreError>>>,
}

impl NodeReader {
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, unwritten: None, failure: Arc::default() }
    }

    /// The same, with nodes that the snapshot does not have.
    pub fn with_unwritten(self, nodes: Arc<NodeMap>) -> Self {
        Self { unwritten: Some(nodes), ..self }
    }

    /// The first failure since the last call, if there was one.
    pub fn take_failure(&self) -> Result<(), StoreError> {
        self.failure.lock().take().map_or(Ok(()), Err)
    }

    fn read(&self, key: &[u8]) -> Result<Option<DBValue>, StoreError> {
        match self.unwritten.as_ref().and_then(|nodes| nodes.get(key)) {
            Some(node) => Ok(Some(node.clone())),
            None => self.snapshot.node(key),
        }
    }
}

impl TrieBackendStorage<BlakeTwo256> for NodeReader {
    fn get(&self, hash: &Hash, prefix: Prefix<'_>) -> Result<Option<DBValue>, String> {
        let key = sp_trie::prefixed_key::<BlakeTwo256>(hash, prefix);
        self.read(&key).map_err(|error| {
            let text = error.to_string();
            self.failure.lock().get_or_insert(error);
            text
        })
    }
}
