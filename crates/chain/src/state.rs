//! Reading the state of a block.

use std::{sync::Arc, time::Duration};

use codec::Decode;
use myelin_runtime::{arguments::Function, Hash, Header};
use myelin_store::{NodeChanges, Snapshot};
use sp_runtime::{traits::BlakeTwo256, ApplyExtrinsicResult};
use sp_state_machine::{Backend as _, IterArgs};
use sp_trie::cache::SharedTrieCache;

use crate::{
    executor::{call_runtime, dry_run, with_ample_stack, CallOptions},
    externalities::Deadline,
    node_reader::NodeReader,
    overlay::Overlay,
    state_backend::StateBackend,
    storage_keys, CallError, ChainError,
};

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// What a runtime call from outside may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// The call is stopped at its first access to the state after this time. Work that accesses nothing is not
    /// interrupted, so callers allow only functions that are known to end.
    pub max_time: Duration,
    /// Largest answer in bytes.
    pub max_result_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { max_time: Duration::from_secs(10), max_result_bytes: 64 << 20 }
    }
}

/// The state after one block. It stays readable for as long as the view lives, even when the block leaves the history
/// window meanwhile.
pub struct StateView {
    hash: Hash,
    header: Header,
    snapshot: Arc<Snapshot>,
    cache: Arc<SharedTrieCache<BlakeTwo256>>,
    backend: StateBackend,
}

impl StateView {
    pub(crate) fn new(
        hash: Hash,
        header: Header,
        snapshot: Arc<Snapshot>,
        cache: Arc<SharedTrieCache<BlakeTwo256>>,
    ) -> Self {
        Self::with_unwritten(hash, header, snapshot, cache, Vec::new())
    }

    /// The same for a block with state nodes that are not in the snapshot yet.
    pub(crate) fn with_unwritten(
        hash: Hash,
        header: Header,
        snapshot: Arc<Snapshot>,
        cache: Arc<SharedTrieCache<BlakeTwo256>>,
        unwritten: Vec<Arc<NodeChanges>>,
    ) -> Self {
        let reader = NodeReader::new(Arc::clone(&snapshot)).with_unwritten(unwritten);
        let backend = StateBackend::new(reader, header.state_root, cache.local_cache_untrusted());
        Self { hash, header, snapshot, cache, backend }
    }

    /// The block whose state this is.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its height.
    pub fn number(&self) -> u32 {
        self.header.number
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// When the database cannot be read, as for every reader here.
    pub fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ChainError> {
        self.read(self.backend.storage(key))
    }

    /// The Blake2b-256 hash of the value under `key`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn storage_hash(&self, key: &[u8]) -> Result<Option<Hash>, ChainError> {
        self.read(self.backend.storage_hash(key))
    }

    /// The value under `key`, decoded.
    ///
    /// # Errors
    /// When the database cannot be read or the value is no `T`.
    pub fn value<T: Decode>(&self, key: &[u8]) -> Result<Option<T>, ChainError> {
        let Some(bytes) = self.storage(key)? else { return Ok(None) };
        T::decode(&mut &bytes[..]).map(Some).map_err(|error| {
            ChainError::damaged(format_args!("a value in the state cannot be decoded: {error}"))
        })
    }

    /// Up to `count` keys that start with `prefix`, in order, after `start` when it is given.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn keys_paged(
        &self,
        prefix: &[u8],
        count: usize,
        start: Option<&[u8]>,
    ) -> Result<Vec<Vec<u8>>, ChainError> {
        let keys = self.read(self.backend.keys(range(prefix, start)))?;
        keys.take(count).map(|key| self.read(key)).collect()
    }

    /// All keys that start with `prefix` and their values, in order.
    ///
    /// # Errors
    /// Each item is an error when the database cannot be read.
    pub fn pairs<'a>(
        &'a self,
        prefix: &'a [u8],
    ) -> Result<impl Iterator<Item = Result<Pair, ChainError>> + 'a, ChainError> {
        let pairs = self.read(self.backend.pairs(range(prefix, None)))?;
        Ok(pairs.map(|pair| self.read(pair)))
    }

    /// Reads the whole state and checks every node of it against the state root; returns how many values there are.
    ///
    /// # Errors
    /// When a node is missing or is not the one that its parent names.
    pub fn verify(&self) -> Result<u64, ChainError> {
        // Every node read is checked against its hash, and each names its children by theirs.
        self.pairs(&[])?.try_fold(0, |count, pair| pair.map(|_| count + 1))
    }

    /// Encoded trie nodes that prove the values under `keys`, or their absence, against the state root.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn read_proof(&self, keys: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, ChainError> {
        let proof = sp_state_machine::prove_read_on_trie_backend(self.backend.trie(), keys);
        Ok(self.read(proof)?.into_iter_nodes().collect())
    }

    /// Runs a runtime function on this state and forgets what it writes.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(&self, method: &str, arguments: &[u8], limits: CallLimits) -> Result<Vec<u8>, CallError> {
        let function = Function::find(method).ok_or_else(|| CallError::UnknownMethod(method.to_owned()))?;
        let state = self.own_backend();
        let options = CallOptions { deadline: Deadline::after(limits.max_time), ..CallOptions::default() };
        let call = || {
            function.check(arguments)?;
            call_runtime(&state, &mut Overlay::default(), options, method, arguments)
        };
        let answer = with_ample_stack(call)?;
        if answer.len() > limits.max_result_bytes {
            return Err(CallError::ResultTooLarge { found: answer.len(), limit: limits.max_result_bytes });
        }
        Ok(answer)
    }

    /// Executes an extrinsic as the only one of a block that follows this one, and forgets what it writes. The outer result
    /// is the extrinsic's validity there, the inner one that of what it dispatches.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn dry_run(&self, extrinsic: &[u8], limits: CallLimits) -> Result<ApplyExtrinsicResult, CallError> {
        let number = |key: &[u8]| {
            self.value::<u64>(key).map_err(|error| match error {
                ChainError::Store(error) => error.into(),
                other => CallError::Panicked(other.to_string()),
            })
        };
        let slot_ms = number(&storage_keys::slot_duration())?.unwrap_or_default().max(1);
        let time_ms = number(&storage_keys::timestamp())?.unwrap_or_default().saturating_add(slot_ms);
        dry_run(&self.own_backend(), &self.header, time_ms, extrinsic, Deadline::after(limits.max_time))
    }

    /// The same state, with failures that are not mixed up with those of other readers of this view.
    fn own_backend(&self) -> StateBackend {
        let reader = NodeReader::new(Arc::clone(&self.snapshot));
        StateBackend::new(reader, self.header.state_root, self.cache.local_cache_untrusted())
    }

    pub(crate) fn backend(&self) -> &StateBackend {
        &self.backend
    }

    fn read<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Result<T, ChainError> {
        self.backend.take_failure()?;
        result.map_err(|error| ChainError::damaged(format_args!("the state of {:?}: {error}", self.hash)))
    }
}

fn range<'a>(prefix: &'a [u8], start: Option<&'a [u8]>) -> IterArgs<'a> {
    let mut arguments = IterArgs::default();
    arguments.prefix = Some(prefix);
    arguments.start_at = start;
    arguments.start_at_exclusive = true;
    arguments
}
