//! The state of one block as the runtime reads it: its trie, with the values of the newest state in front.

use std::{fmt, sync::Arc};

use myelin_runtime::Hash;
use myelin_store::StoreError;
use sp_core::storage::{ChildInfo, StateVersion};
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{
    Backend, BackendTransaction, IterArgs, StorageIterator, StorageKey, StorageValue, TrieBackend,
    TrieBackendBuilder, UsageInfo,
};
use sp_trie::{cache::LocalTrieCache, MerkleValue};

use crate::{head_values::HeadValues, node_reader::NodeReader};

type Trie = TrieBackend<NodeReader, BlakeTwo256, LocalTrieCache<BlakeTwo256>>;
type Error = <Trie as Backend<BlakeTwo256>>::Error;
type Result<T> = std::result::Result<T, Error>;

/// State at one root.
pub(crate) struct StateBackend {
    trie: Trie,
    root: Hash,
    values: Option<Arc<HeadValues>>,
}

impl StateBackend {
    /// State at `root`, read through `reader` and a cache of decoded nodes, for whoever only reads.
    pub fn new(reader: NodeReader, root: Hash, cache: LocalTrieCache<BlakeTwo256>) -> Self {
        let trie = TrieBackendBuilder::new(reader, root).with_cache(cache).build();
        Self { trie, root, values: None }
    }

    /// State at `root` for executing a block on it, with the values that are known of it in front. What that changes is mostly
    /// changed again by the next block, so that keeping decoded nodes would cost more than it saves.
    pub fn for_execution(reader: NodeReader, root: Hash, values: Arc<HeadValues>) -> Self {
        let trie = TrieBackendBuilder::new(reader, root).with_optional_cache(None).build();
        Self { trie, root, values: Some(values) }
    }

    /// The trie alone.
    pub fn trie(&self) -> &Trie {
        &self.trie
    }

    /// The first failed read since the last call, if there was one.
    pub fn take_failure(&self) -> std::result::Result<(), StoreError> {
        self.trie.backend_storage().take_failure()
    }

    /// Whether it is known, without looking, that there is `value` under `key`, or nothing.
    pub fn is_known_to_be(&self, key: &[u8], value: Option<&[u8]>) -> bool {
        self.values.as_ref().is_some_and(|values| values.is(self.root, key, value))
    }

    fn known(&self, key: &[u8]) -> Option<Option<StorageValue>> {
        self.values.as_ref().and_then(|values| values.get(self.root, key))
    }
}

impl fmt::Debug for StateBackend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StateBackend").field("root", &self.root).finish_non_exhaustive()
    }
}

/// Keys and values of the trie in order.
pub(crate) struct Iter(<Trie as Backend<BlakeTwo256>>::RawIter);

impl StorageIterator<BlakeTwo256> for Iter {
    type Backend = StateBackend;
    type Error = Error;

    fn next_key(&mut self, backend: &StateBackend) -> Option<Result<StorageKey>> {
        self.0.next_key(&backend.trie)
    }

    fn next_pair(&mut self, backend: &StateBackend) -> Option<Result<(StorageKey, StorageValue)>> {
        self.0.next_pair(&backend.trie)
    }

    fn was_complete(&self) -> bool {
        self.0.was_complete()
    }
}

impl Backend<BlakeTwo256> for StateBackend {
    type Error = Error;
    type TrieBackendStorage = NodeReader;
    type RawIter = Iter;

    fn storage(&self, key: &[u8]) -> Result<Option<StorageValue>> {
        if let Some(value) = self.known(key) {
            return Ok(value);
        }
        let value = self.trie.storage(key)?;
        if let Some(values) = &self.values {
            values.put(self.root, key, &value);
        }
        Ok(value)
    }

    fn exists_storage(&self, key: &[u8]) -> Result<bool> {
        Ok(self.storage(key)?.is_some())
    }

    fn storage_hash(&self, key: &[u8]) -> Result<Option<Hash>> {
        self.trie.storage_hash(key)
    }

    fn closest_merkle_value(&self, key: &[u8]) -> Result<Option<MerkleValue<Hash>>> {
        self.trie.closest_merkle_value(key)
    }

    fn child_closest_merkle_value(&self, child: &ChildInfo, key: &[u8]) -> Result<Option<MerkleValue<Hash>>> {
        self.trie.child_closest_merkle_value(child, key)
    }

    fn child_storage(&self, child: &ChildInfo, key: &[u8]) -> Result<Option<StorageValue>> {
        self.trie.child_storage(child, key)
    }

    fn child_storage_hash(&self, child: &ChildInfo, key: &[u8]) -> Result<Option<Hash>> {
        self.trie.child_storage_hash(child, key)
    }

    fn next_storage_key(&self, key: &[u8]) -> Result<Option<StorageKey>> {
        self.trie.next_storage_key(key)
    }

    fn next_child_storage_key(&self, child: &ChildInfo, key: &[u8]) -> Result<Option<StorageKey>> {
        self.trie.next_child_storage_key(child, key)
    }

    fn storage_root<'a>(
        &self,
        delta: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        version: StateVersion,
    ) -> (Hash, BackendTransaction<BlakeTwo256>) {
        self.trie.storage_root(delta, version)
    }

    fn child_storage_root<'a>(
        &self,
        child: &ChildInfo,
        delta: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        version: StateVersion,
    ) -> (Hash, bool, BackendTransaction<BlakeTwo256>) {
        self.trie.child_storage_root(child, delta, version)
    }

    fn raw_iter(&self, arguments: IterArgs<'_>) -> Result<Iter> {
        self.trie.raw_iter(arguments).map(Iter)
    }

    fn register_overlay_stats(&self, stats: &sp_state_machine::StateMachineStats) {
        self.trie.register_overlay_stats(stats);
    }

    fn usage_info(&self) -> UsageInfo {
        self.trie.usage_info()
    }
}
