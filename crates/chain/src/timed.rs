//! Externalities that stop a runtime call when its time is over.

use std::{
    any::{Any, TypeId},
    time::{Duration, Instant},
};

use sp_core::storage::{ChildInfo, StateVersion, TrackedStorageKey};
use sp_externalities::{Error, Extension, ExtensionStore, Externalities, MultiRemovalResults};

use crate::CallError;

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

/// Passes everything on to `inner` while there is time.
///
/// Native code cannot be interrupted, but all that a runtime does for long, it does with the state. So every access counts,
/// whether it reads the disk, a cache, or what the call itself has written. An access that comes too late panics, as one
/// does that cannot read the database, and [`check`](Self::check) tells the two apart.
pub(crate) struct Timed<'a> {
    inner: &'a mut dyn Externalities,
    deadline: Option<Deadline>,
    exceeded: Option<Deadline>,
}

impl<'a> Timed<'a> {
    /// `inner`, until the deadline or without end.
    pub fn new(inner: &'a mut dyn Externalities, deadline: Option<Deadline>) -> Self {
        Self { inner, deadline, exceeded: None }
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

    fn in_time(&mut self) -> &mut dyn Externalities {
        self.exceeded = self.deadline.filter(Deadline::is_over);
        if self.exceeded.is_some() {
            panic!("out of time");
        }
        self.inner
    }
}

macro_rules! in_time {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $answer:ty)?;)+) => {$(
        fn $name(&mut self, $($argument: $type),*) $(-> $answer)? {
            self.in_time().$name($($argument),*)
        }
    )+};
}

impl Externalities for Timed<'_> {
    in_time! {
        fn set_offchain_storage(key: &[u8], value: Option<&[u8]>);
        fn storage(key: &[u8]) -> Option<Vec<u8>>;
        fn storage_hash(key: &[u8]) -> Option<Vec<u8>>;
        fn child_storage(child: &ChildInfo, key: &[u8]) -> Option<Vec<u8>>;
        fn child_storage_hash(child: &ChildInfo, key: &[u8]) -> Option<Vec<u8>>;
        fn exists_storage(key: &[u8]) -> bool;
        fn exists_child_storage(child: &ChildInfo, key: &[u8]) -> bool;
        fn next_storage_key(key: &[u8]) -> Option<Vec<u8>>;
        fn next_child_storage_key(child: &ChildInfo, key: &[u8]) -> Option<Vec<u8>>;
        fn kill_child_storage(
            child: &ChildInfo, limit: Option<u32>, cursor: Option<&[u8]>
        ) -> MultiRemovalResults;
        fn clear_prefix(prefix: &[u8], limit: Option<u32>, cursor: Option<&[u8]>) -> MultiRemovalResults;
        fn clear_child_prefix(
            child: &ChildInfo, prefix: &[u8], limit: Option<u32>, cursor: Option<&[u8]>
        ) -> MultiRemovalResults;
        fn place_storage(key: Vec<u8>, value: Option<Vec<u8>>);
        fn place_child_storage(child: &ChildInfo, key: Vec<u8>, value: Option<Vec<u8>>);
        fn storage_root(version: StateVersion) -> Vec<u8>;
        fn child_storage_root(child: &ChildInfo, version: StateVersion) -> Vec<u8>;
        fn storage_append(key: Vec<u8>, value: Vec<u8>);
        fn storage_start_transaction();
        fn storage_rollback_transaction() -> Result<(), ()>;
        fn storage_commit_transaction() -> Result<(), ()>;
        fn wipe();
        fn commit();
        fn reset_read_write_count();
        fn set_whitelist(keys: Vec<TrackedStorageKey>);
    }

    fn read_write_count(&self) -> (u32, u32, u32, u32) {
        self.inner.read_write_count()
    }

    fn get_whitelist(&self) -> Vec<TrackedStorageKey> {
        self.inner.get_whitelist()
    }

    fn proof_size(&self) -> Option<u32> {
        self.inner.proof_size()
    }

    fn get_read_and_written_keys(&self) -> Vec<(Vec<u8>, u32, u32, bool)> {
        self.inner.get_read_and_written_keys()
    }
}

impl ExtensionStore for Timed<'_> {
    fn extension_by_type_id(&mut self, type_id: TypeId) -> Option<&mut dyn Any> {
        self.inner.extension_by_type_id(type_id)
    }

    fn register_extension_with_type_id(
        &mut self,
        type_id: TypeId,
        extension: Box<dyn Extension>,
    ) -> Result<(), Error> {
        self.inner.register_extension_with_type_id(type_id, extension)
    }

    fn deregister_extension_by_type_id(&mut self, type_id: TypeId) -> Result<(), Error> {
        self.inner.deregister_extension_by_type_id(type_id)
    }
}
