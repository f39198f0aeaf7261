//! The state as the runtime sees it while it runs: what it has written, over the state of a block.

use std::{
    any::{Any, TypeId},
    cmp::Ordering,
    time::{Duration, Instant},
};

use codec::Encode;
use sp_core::storage::{well_known_keys, ChildInfo, StateVersion, TrackedStorageKey};
use sp_externalities::{Error, Extension, ExtensionStore, Extensions, Externalities, MultiRemovalResults};
use sp_state_machine::{Backend as _, IterArgs};

use crate::{overlay::Overlay, state_backend::StateBackend, CallError};

/// When a runtime call has to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// `limit` from now on; nothing when that is beyond the range of time.
    pub fn after(limit: Duration) -> Option<Self> {
        Instant::now().checked_add(limit).map(|at| Self { at, limit })
    }

    fn is_over(&self) -> bool {
        Instant::now() > self.at
    }
}

/// Reads and writes of one runtime call.
///
/// Native code cannot be interrupted, but all that a runtime does for long, it does with the state. So every access counts
/// towards the deadline, whether it reads the disk, a cache, or what the call itself has written. An access that comes too
/// late panics, as one does that cannot read the database; [`check`](Self::check) and the backend's failure tell which.
///
/// There are no child tries: none is ever found, and writing to one panics.
pub(crate) struct StateAccess<'a> {
    overlay: &'a mut Overlay,
    state: &'a StateBackend,
    extensions: Extensions,
    deadline: Option<Deadline>,
    exceeded: Option<Deadline>,
}

impl<'a> StateAccess<'a> {
    /// Access to `state` with `overlay` over it, without end.
    pub fn new(overlay: &'a mut Overlay, state: &'a StateBackend) -> Self {
        Self { overlay, state, extensions: Extensions::default(), deadline: None, exceeded: None }
    }

    /// The same until the deadline.
    pub fn until(self, deadline: Option<Deadline>) -> Self {
        Self { deadline, ..self }
    }

    /// Gives the runtime something that is not state.
    pub fn register(&mut self, extension: impl Extension) {
        self.extensions.register(extension);
    }

    /// Whether every access came in time.
    ///
    /// # Errors
    /// [`CallError::DeadlineExceeded`].
    pub fn check(&self) -> Result<(), CallError> {
        let late = |Deadline { limit, .. }| {
            CallError::DeadlineExceeded(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
        };
        self.exceeded.map(late).map_or(Ok(()), Err)
    }

    fn must_be_in_time(&mut self) {
        self.exceeded = self.deadline.filter(Deadline::is_over);
        if self.exceeded.is_some() {
            panic!("out of time");
        }
    }

    fn stored(&self, key: &[u8]) -> Option<Vec<u8>> {
        readable(self.state.storage(key))
    }

    fn next_stored_key(&self, key: &[u8]) -> Option<Vec<u8>> {
        readable(self.state.next_storage_key(key))
    }

    /// Removes up to `limit` keys that the state has under `prefix`, from `cursor` on. Gives the key to go on with, how many of
    /// them were removed now, and how many were looked at.
    fn remove_stored(
        &mut self,
        prefix: &[u8],
        limit: Option<u32>,
        cursor: Option<&[u8]>,
    ) -> (Option<Vec<u8>>, u32, u32) {
        let mut range = IterArgs::default();
        range.prefix = Some(prefix);
        range.start_at = cursor;
        let (mut removed, mut seen) = (0, 0);
        for key in readable(self.state.keys(range)) {
            let key = readable(key);
            if limit == Some(seen) {
                return (Some(key), removed, seen);
            }
            seen += 1;
            if self.overlay.get(&key) != Some(None) {
                self.overlay.set(key, None);
                removed += 1;
            }
        }
        (None, removed, seen)
    }
}

/// A runtime has no way to go on without its state. The reader has kept the failure for whoever called the runtime.
fn readable<T>(read: Result<T, String>) -> T {
    read.unwrap_or_else(|error| panic!("the state cannot be read: {error}"))
}

fn no_child_tries() -> ! {
    panic!("this chain has no child tries to write to")
}

impl Externalities for StateAccess<'_> {
    fn storage(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.must_be_in_time();
        match self.overlay.get(key) {
            Some(written) => written.map(<[u8]>::to_vec),
            None => self.stored(key),
        }
    }

    fn storage_hash(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let value = self.storage(key)?;
        Some(sp_crypto_hashing::blake2_256(&value).to_vec())
    }

    fn exists_storage(&mut self, key: &[u8]) -> bool {
        self.must_be_in_time();
        match self.overlay.get(key) {
            Some(written) => written.is_some(),
            None => self.stored(key).is_some(),
        }
    }

    fn next_storage_key(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.must_be_in_time();
        let mut stored = self.next_stored_key(key);
        let mut after = key.to_vec();
        while let Some((written, has_value)) = self.overlay.next_key(&after) {
            let order = stored.as_ref().map_or(Ordering::Greater, |stored| stored.cmp(&written));
            match order {
                Ordering::Less => break,
                _ if has_value => return Some(written),
                Ordering::Equal => stored = self.next_stored_key(&written),
                Ordering::Greater => {}
            }
            after = written;
        }
        stored
    }

    fn place_storage(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.must_be_in_time();
        if well_known_keys::is_child_storage_key(&key) {
            no_child_tries();
        }
        self.overlay.set(key, value);
    }

    fn storage_append(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.must_be_in_time();
        let state = self.state;
        self.overlay.append(key, &value, |key| readable(state.storage(key)));
    }

    fn clear_prefix(
        &mut self,
        prefix: &[u8],
        limit: Option<u32>,
        cursor: Option<&[u8]>,
    ) -> MultiRemovalResults {
        self.must_be_in_time();
        if well_known_keys::starts_with_child_storage_key(prefix) {
            no_child_tries();
        }
        let written = self.overlay.clear_prefix(prefix);
        let (maybe_cursor, backend, loops) = self.remove_stored(prefix, limit, cursor);
        MultiRemovalResults { maybe_cursor, backend, unique: written + backend, loops }
    }

    fn storage_root(&mut self, version: StateVersion) -> Vec<u8> {
        self.must_be_in_time();
        self.overlay.root(self.state, version).encode()
    }

    fn storage_start_transaction(&mut self) {
        self.must_be_in_time();
        self.overlay.start_transaction();
    }

    fn storage_rollback_transaction(&mut self) -> Result<(), ()> {
        self.must_be_in_time();
        self.overlay.rollback_transaction().map_err(drop)
    }

    fn storage_commit_transaction(&mut self) -> Result<(), ()> {
        self.must_be_in_time();
        self.overlay.commit_transaction().map_err(drop)
    }

    fn child_storage(&mut self, _: &ChildInfo, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn child_storage_hash(&mut self, _: &ChildInfo, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn next_child_storage_key(&mut self, _: &ChildInfo, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn place_child_storage(&mut self, _: &ChildInfo, _: Vec<u8>, _: Option<Vec<u8>>) {
        no_child_tries()
    }

    fn kill_child_storage(&mut self, _: &ChildInfo, _: Option<u32>, _: Option<&[u8]>) -> MultiRemovalResults {
        no_child_tries()
    }

    fn clear_child_prefix(
        &mut self,
        _: &ChildInfo,
        _: &[u8],
        _: Option<u32>,
        _: Option<&[u8]>,
    ) -> MultiRemovalResults {
        no_child_tries()
    }

    fn child_storage_root(&mut self, _: &ChildInfo, _: StateVersion) -> Vec<u8> {
        no_child_tries()
    }

    /// Blocks do not depend on what workers beside the chain keep, and there are none.
    fn set_offchain_storage(&mut self, _: &[u8], _: Option<&[u8]>) {}

    // What follows is for measuring the runtime's weights, which happens elsewhere.

    fn wipe(&mut self) {
        panic!("a running chain is not wiped");
    }

    fn commit(&mut self) {
        panic!("only a block commits");
    }

    fn read_write_count(&self) -> (u32, u32, u32, u32) {
        (0, 0, 0, 0)
    }

    fn reset_read_write_count(&mut self) {}

    fn get_whitelist(&self) -> Vec<TrackedStorageKey> {
        Vec::new()
    }

    fn set_whitelist(&mut self, _: Vec<TrackedStorageKey>) {}

    fn get_read_and_written_keys(&self) -> Vec<(Vec<u8>, u32, u32, bool)> {
        Vec::new()
    }
}

impl ExtensionStore for StateAccess<'_> {
    fn extension_by_type_id(&mut self, type_id: TypeId) -> Option<&mut dyn Any> {
        self.extensions.get_mut(type_id)
    }

    fn register_extension_with_type_id(&mut self, _: TypeId, _: Box<dyn Extension>) -> Result<(), Error> {
        Err(Error::ExtensionsAreNotSupported)
    }

    fn deregister_extension_by_type_id(&mut self, type_id: TypeId) -> Result<(), Error> {
        Err(Error::ExtensionIsNotRegistered(type_id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use myelin_store::{BlockRecord, Config, Store};
    use proptest::{collection::vec, option, prelude::*};
    use sp_core::storage::Storage;
    use sp_runtime::traits::BlakeTwo256;
    use sp_state_machine::{Ext, InMemoryBackend, OverlayedChanges};

    use super::*;
    use crate::{executor::node_changes, head_values::HeadValues, node_reader::NodeReader};

    /// What a runtime does to its state.
    #[derive(Clone, Debug)]
    enum Operation {
        Read(Vec<u8>),
        Hash(Vec<u8>),
        Exists(Vec<u8>),
        Next(Vec<u8>),
        Place(Vec<u8>, Option<Vec<u8>>),
        Append(Vec<u8>, Vec<u8>),
        ClearPrefix(Vec<u8>, Option<u32>, Option<Vec<u8>>),
        Start,
        Commit,
        Rollback,
        Root,
    }

    /// Few, so that they are met again. As in the runtime, none is a prefix of another: removing such keys is an assertion's
    /// failure in the trie library.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        vec(0_u8..3, 4)
    }

    /// Some are the beginning of a list, some are not.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![vec(any::<u8>(), 0..40), Just(vec![4, 7]), Just(vec![0]), Just(vec![0b11; 3])]
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            3 => key().prop_map(Operation::Read),
            1 => key().prop_map(Operation::Hash),
            1 => key().prop_map(Operation::Exists),
            3 => vec(0_u8..3, 0..5).prop_map(Operation::Next),
            6 => (key(), option::of(value())).prop_map(|(key, value)| Operation::Place(key, value)),
            6 => (key(), vec(any::<u8>(), 1..4)).prop_map(|(key, value)| Operation::Append(key, value)),
            1 => (vec(0_u8..3, 1..4), option::of(0_u32..4), option::of(key()))
                .prop_map(|(prefix, limit, cursor)| Operation::ClearPrefix(prefix, limit, cursor)),
            3 => Just(Operation::Start),
            2 => Just(Operation::Commit),
            2 => Just(Operation::Rollback),
            1 => Just(Operation::Root),
        ]
    }

    fn perform(externalities: &mut dyn Externalities, operation: &Operation) -> String {
        match operation {
            Operation::Read(key) => format!("{:?}", externalities.storage(key)),
            Operation::Hash(key) => format!("{:?}", externalities.storage_hash(key)),
            Operation::Exists(key) => format!("{:?}", externalities.exists_storage(key)),
            Operation::Next(key) => format!("{:?}", externalities.next_storage_key(key)),
            Operation::Place(key, value) => {
                externalities.place_storage(key.clone(), value.clone());
                String::new()
            }
            Operation::Append(key, element) => {
                externalities.storage_append(key.clone(), element.clone());
                String::new()
            }
            Operation::ClearPrefix(prefix, limit, cursor) => {
                let found = externalities.clear_prefix(prefix, *limit, cursor.as_deref());
                format!("{:?}", found.deconstruct())
            }
            Operation::Start => {
                externalities.storage_start_transaction();
                String::new()
            }
            Operation::Commit => format!("{:?}", externalities.storage_commit_transaction()),
            Operation::Rollback => format!("{:?}", externalities.storage_rollback_transaction()),
            Operation::Root => {
                // The library keeps a root when something is appended after it.
                externalities.place_storage(b"\xff".to_vec(), None);
                format!("{:?}", externalities.storage_root(StateVersion::V1))
            }
        }
    }

    fn stored(state: &InMemoryBackend<BlakeTwo256>) -> StateBackend {
        let store = Store::open(&Config::memory()).unwrap();
        let record = BlockRecord { number: 0, header: vec![], body: vec![], certificate: vec![] };
        let root = *state.root();
        store.initialize(&record, &node_changes(state.clone().into_storage()).inserted).unwrap();
        let reader = NodeReader::new(Arc::new(store.snapshot().unwrap())).with_cache(Arc::default());
        let values = Arc::new(HeadValues::default());
        values.advance(root, root, Vec::new());
        StateBackend::for_execution(reader, root, values)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_048, failure_persistence: None, ..ProptestConfig::default() })]

        /// The library's overlay is slower and has what this chain does not need. Where both can do it, they do the same.
        #[test]
        fn does_what_the_overlay_of_the_library_does(
            pairs in proptest::collection::btree_map(key(), value(), 0..40),
            client in vec(operation(), 0..10),
            runtime in vec(operation(), 1..60),
        ) {
            let genesis = Storage { top: pairs, children_default: Default::default() };
            let reference = InMemoryBackend::<BlakeTwo256>::from((genesis, StateVersion::V1));
            let state = stored(&reference);
            let mut expected = OverlayedChanges::default();
            let mut overlay = Overlay::default();
            for (inside, operations) in [(false, &client), (true, &runtime)] {
                if inside {
                    expected.enter_runtime().unwrap();
                    overlay.enter_runtime();
                }
                for operation in operations {
                    let wanted = perform(&mut Ext::new(&mut expected, &reference, None), operation);
                    let found = perform(&mut StateAccess::new(&mut overlay, &state), operation);
                    prop_assert_eq!(found, wanted, "{:?}", operation);
                }
                if inside {
                    expected.exit_runtime().unwrap();
                    overlay.exit_runtime();
                }
            }
            while expected.commit_transaction().is_ok() {
                overlay.commit_transaction().unwrap();
            }
            prop_assert!(overlay.commit_transaction().is_err());
            expected.set_storage(b"\xff".to_vec(), None);
            overlay.set(b"\xff".to_vec(), None);
            let wanted = expected.drain_storage_changes(&reference, StateVersion::V1).unwrap();
            let (root, nodes, mut changes) = overlay.into_changes(&state, StateVersion::V1);
            changes.sort();
            prop_assert_eq!(changes, wanted.main_storage_changes);
            prop_assert_eq!(root, wanted.transaction_storage_root);
            let (found, wanted) = (node_changes(nodes), node_changes(wanted.transaction));
            prop_assert_eq!(found.inserted, wanted.inserted);
            prop_assert_eq!(found.removed, wanted.removed);
        }
    }

    #[test]
    fn a_root_holds_until_the_next_write() {
        let state = stored(&InMemoryBackend::from((Storage::default(), StateVersion::V1)));
        let mut overlay = Overlay::default();
        let mut roots = vec![overlay.root(&state, StateVersion::V1)];
        overlay.start_transaction();
        for element in [1, 2] {
            overlay.append(b"list".to_vec(), &[element], |_| None);
            roots.push(overlay.root(&state, StateVersion::V1));
            assert_eq!(overlay.root(&state, StateVersion::V1), roots[roots.len() - 1]);
        }
        overlay.rollback_transaction().unwrap();
        assert_eq!(overlay.root(&state, StateVersion::V1), roots[0]);
        roots.dedup();
        assert_eq!(roots.len(), 3);
    }

    #[test]
    fn a_late_access_is_told_from_a_failed_one() {
        let state = stored(&InMemoryBackend::from((Storage::default(), StateVersion::V1)));
        let mut overlay = Overlay::default();
        let mut access = StateAccess::new(&mut overlay, &state).until(Deadline::after(Duration::ZERO));
        while Instant::now() == access.deadline.unwrap().at {}
        assert!(myelin_store::contain_panics(|| access.storage(b"key")).is_err());
        assert!(matches!(access.check(), Err(CallError::DeadlineExceeded(0))));
        assert!(state.take_failure().is_ok());
    }
}
