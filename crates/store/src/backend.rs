//! A storage backend that can still be read after the disk has refused a write.
//!
//! The engine (redb 4) refuses everything after a failed write, reading as well. Here a failure blows a *fuse* instead: nothing is
//! written to the file from then on, and what the engine goes on to write is kept in memory, so that it does not notice. For
//! the file it is as if the process had been killed at that moment: whoever opens it next finds by checksums whether the
//! transaction in progress is whole, and otherwise the one before. That transaction is the last which the store begins, and
//! fails there in any case. Nothing that it has written is at a place which an older snapshot reads, so who holds one can
//! read on.

use std::{
    io,
    ops::Bound,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
};

use parking_lot::Mutex;
use redb::{BackendError, StorageBackend};

/// Shared by a backend and its store.
#[derive(Debug, Default)]
pub struct Fuse {
    is_armed: AtomicBool,
    is_blown: AtomicBool,
    unwritten: Mutex<Unwritten>,
}

/// What the file would hold besides.
#[derive(Debug, Default)]
struct Unwritten {
    /// Why it does not.
    error: Option<io::Error>,
    /// How long the file would be.
    len: u64,
    /// How much of what the file holds would still be in it.
    kept: u64,
    /// Offset and data, in the order in which they were written.
    writes: Vec<(u64, Vec<u8>)>,
}

impl Fuse {
    /// From now on, a failed write does not fail. Until then, while the file is opened, it does.
    pub fn arm(&self) {
        self.is_armed.store(true, Ordering::Release);
    }

    /// Whether nothing is written any more.
    pub fn is_blown(&self) -> bool {
        self.is_blown.load(Ordering::Acquire)
    }

    /// Why nothing is written any more, once that is so.
    pub fn error(&self) -> Option<io::Error> {
        let copy = |error: &io::Error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => error.kind().into(),
        };
        self.is_blown().then(|| self.unwritten.lock().error.as_ref().map(copy)).flatten()
    }
}

impl Unwritten {
    fn write(&mut self, offset: u64, data: &[u8]) {
        self.len = self.len.max(offset.saturating_add(data.len() as u64));
        self.writes.push((offset, data.to_vec()));
    }

    fn set_len(&mut self, len: u64) {
        (self.len, self.kept) = (len, self.kept.min(len));
        for (offset, data) in &mut self.writes {
            data.truncate(usize::try_from(len.saturating_sub(*offset)).unwrap_or(usize::MAX));
        }
    }

    /// Puts what was written over what the file holds from `offset` on.
    fn cover(&self, offset: u64, out: &mut [u8]) {
        for (start, data) in &self.writes {
            let skipped = usize::try_from(offset.saturating_sub(*start)).unwrap_or(usize::MAX);
            let begin = usize::try_from(start.saturating_sub(offset)).unwrap_or(usize::MAX);
            if let (Some(data), Some(out)) = (data.get(skipped..), out.get_mut(begin..)) {
                let common = data.len().min(out.len());
                out[..common].copy_from_slice(&data[..common]);
            }
        }
    }
}

/// Passes everything on to `inner` until its fuse is blown. Growth beyond `max_bytes` fails as on a full disk.
#[derive(Debug)]
pub struct Fused<B> {
    inner: B,
    max_bytes: u64,
    fuse: Arc<Fuse>,
}

impl<B: StorageBackend> Fused<B> {
    pub fn new(inner: B, max_bytes: Option<u64>, fuse: Arc<Fuse>) -> Self {
        Self { inner, max_bytes: max_bytes.unwrap_or(u64::MAX), fuse }
    }

    /// Changes the file, or notes the change when the file is not to be changed any more.
    fn change(
        &self,
        change: impl FnOnce(&B) -> io::Result<()>,
        note: impl FnOnce(&mut Unwritten),
    ) -> io::Result<()> {
        let mut unwritten = self.fuse.unwritten.lock();
        if !self.fuse.is_blown() {
            let Err(error) = change(&self.inner) else { return Ok(()) };
            if !self.fuse.is_armed.load(Ordering::Acquire) {
                return Err(error);
            }
            let len = self.inner.len()?;
            *unwritten = Unwritten { error: Some(error), len, kept: len, writes: Vec::new() };
            self.fuse.is_blown.store(true, Ordering::Release);
        }
        note(&mut unwritten);
        Ok(())
    }
}

impl<B: StorageBackend> StorageBackend for Fused<B> {
    fn len(&self) -> io::Result<u64> {
        match self.fuse.is_blown() {
            true => Ok(self.fuse.unwritten.lock().len),
            false => self.inner.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.fuse.is_blown() {
            return self.inner.read(offset, out);
        }
        let unwritten = self.fuse.unwritten.lock();
        if offset.saturating_add(out.len() as u64) > unwritten.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let in_file = usize::try_from(unwritten.kept.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (stored, beyond) = out.split_at_mut(in_file.min(out.len()));
        if !stored.is_empty() {
            self.inner.read(offset, stored)?;
        }
        beyond.fill(0);
        unwritten.cover(offset, out);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let change = |inner: &B| match len > self.max_bytes && len > inner.len()? {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => inner.set_len(len),
        };
        self.change(change, |unwritten| unwritten.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(B::sync_data, |_| {})
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|inner| inner.write(offset, data), |unwritten| unwritten.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use redb::backends::InMemoryBackend;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
        Read(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..60_u64, vec(any::<u8>(), 0..30)).prop_map(|(offset, data)| Step::Write(offset, data)),
            1 => (0..90_u64).prop_map(Step::SetLen),
            3 => (0..90_u64, 0..30_usize).prop_map(|(offset, length)| Step::Read(offset, length)),
        ]
    }

    /// What a file without a fuse would do; nothing for a write beyond its end, which the engine does not do.
    fn perform(backend: &impl StorageBackend, step: &Step) -> Option<Vec<u8>> {
        let len = backend.len().unwrap();
        match step {
            Step::Write(offset, data) if offset + data.len() as u64 <= len => {
                backend.write(*offset, data).unwrap()
            }
            Step::Write(..) => {}
            Step::SetLen(len) => backend.set_len(*len).unwrap(),
            Step::Read(offset, length) if offset + *length as u64 <= len => {
                let mut out = vec![7; *length];
                backend.read(*offset, &mut out).unwrap();
                return Some(out);
            }
            Step::Read(offset, length) => assert!(backend.read(*offset, &mut vec![0; *length]).is_err()),
        }
        None
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn behind_a_blown_fuse_all_looks_written_and_the_file_stays(
            before in vec(step(), 0..20),
            after in vec(step(), 0..40),
        ) {
            let fuse = Arc::new(Fuse::default());
            let (fused, plain) =
                (Fused::new(InMemoryBackend::new(), Some(90), Arc::clone(&fuse)), InMemoryBackend::new());
            let compare = |step: &Step| assert_eq!(perform(&fused, step), perform(&plain, step), "{step:?}");
            before.iter().for_each(compare);
            let content = || {
                let mut content = vec![0; usize::try_from(fused.inner.len().unwrap()).unwrap()];
                fused.inner.read(0, &mut content).unwrap();
                content
            };
            let kept = content();
            prop_assert_eq!(fused.set_len(91).unwrap_err().kind(), io::ErrorKind::StorageFull);
            fuse.arm();
            prop_assert!(!fuse.is_blown());
            compare(&Step::SetLen(91));
            after.iter().for_each(compare);
            prop_assert!(fuse.is_blown());
            for _ in 0..2 {
                prop_assert_eq!(fuse.error().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
            }
            prop_assert_eq!(content(), kept);
        }
    }
}
