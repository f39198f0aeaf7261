//! Objects on a miner's disk.
//!
//! ```text
//! <directory>/objects/<owner>/<root>.data    the object's bytes
//! <directory>/objects/<owner>/<root>.tree    the hashes kept beside them
//! <directory>/incoming/                      what is being received
//! ```
//!
//! An object exists when its `.data` file does. It is received into `incoming`, brought to disk, and then renamed, `.tree`
//! first, so that a crash at any moment leaves either the whole object or none. What a crash leaves behind is removed when
//! the store is opened. The index is in memory only and made from the directory, so that there is nothing to disagree
//! with.
//!
//! Owners are the validators that placed the objects: they count towards a share of the disk each, and only an owner can
//! remove its object.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use crate::proof::{hash_tree, tree_bytes, Root, StoredObject};

const DATA: &str = "data";
const TREE: &str = "tree";

/// How much disk to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Bytes for everything.
    pub total_bytes: u64,
    /// Bytes for the objects of one owner.
    pub owner_bytes: u64,
    /// Bytes of one object.
    pub object_bytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { total_bytes: 64 << 30, owner_bytes: 8 << 30, object_bytes: 64 << 20 }
    }
}

/// What is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Number of objects.
    pub objects: u64,
    /// Their bytes, kept hashes included.
    pub bytes: u64,
}

/// Why something is not stored or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Larger than any object here.
    #[error("expected an object of 1 to {limit_bytes} bytes, found {found_bytes}")]
    Size {
        /// Largest object.
        limit_bytes: u64,
        /// Size of the object.
        found_bytes: u64,
    },
    /// No room.
    #[error("there is no room for {needed_bytes} more bytes here ({free_bytes} are free for this owner); remove objects first")]
    Full {
        /// Bytes of the object and its hashes.
        needed_bytes: u64,
        /// Bytes left.
        free_bytes: u64,
    },
    /// The bytes that came are not the object.
    #[error("expected {expected} of {expected_bytes} bytes, found {found} of {found_bytes} bytes")]
    Content {
        /// Name that was announced.
        expected: Root,
        /// Size that was announced.
        expected_bytes: u64,
        /// Name of what came.
        found: Root,
        /// Size of what came.
        found_bytes: u64,
    },
    /// Not here.
    #[error("there is no object {0} here")]
    Missing(Root),
    /// The disk has less room than this store may use.
    #[error("the disk is full; make room on it, or give this store less of it")]
    DiskFull,
    /// The disk fails.
    #[error("the disk failed: {0}")]
    Io(io::Error),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull
            }
            _ => Self::Io(error),
        }
    }
}

/// An owner, as the name of its directory.
type Owner = String;

#[derive(Default)]
struct Index {
    /// Size of each object, by root and owner.
    sizes: HashMap<Root, BTreeMap<Owner, u64>>,
    used: HashMap<Owner, u64>,
    total: u64,
}

impl Index {
    fn insert(&mut self, root: Root, owner: &str, size: u64) {
        if self.sizes.entry(root).or_default().insert(owner.to_owned(), size).is_none() {
            self.reserve(owner, footprint(size));
        }
    }

    fn remove(&mut self, root: Root, owner: &str) -> bool {
        let Some(owners) = self.sizes.get_mut(&root) else { return false };
        let Some(size) = owners.remove(owner) else { return false };
        if owners.is_empty() {
            self.sizes.remove(&root);
        }
        self.release(owner, footprint(size));
        true
    }

    fn reserve(&mut self, owner: &str, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
        let used = self.used.entry(owner.to_owned()).or_default();
        *used = used.saturating_add(bytes);
    }

    fn release(&mut self, owner: &str, bytes: u64) {
        self.total = self.total.saturating_sub(bytes);
        if let Some(used) = self.used.get_mut(owner) {
            *used = used.saturating_sub(bytes);
        }
    }

    fn free(&self, owner: &str, quota: &Quota) -> u64 {
        let used = self.used.get(owner).copied().unwrap_or_default();
        quota.owner_bytes.saturating_sub(used).min(quota.total_bytes.saturating_sub(self.total))
    }
}

/// Bytes that an object of `size` takes.
fn footprint(size: u64) -> u64 {
    size.saturating_add(tree_bytes(size))
}

/// Objects in a directory. Clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    objects: PathBuf,
    incoming: PathBuf,
    quota: Quota,
    index: Mutex<Index>,
}

impl Store {
    /// Opens the store in `directory`, makes its index and removes what a crash left behind.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub fn open(directory: &Path, quota: Quota) -> io::Result<Self> {
        let (objects, incoming) = (directory.join("objects"), directory.join("incoming"));
        fs::create_dir_all(&objects)?;
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir_all(&incoming)?;
        let mut index = Index::default();
        for owner in fs::read_dir(&objects)? {
            read_owner(&owner?.path(), &mut index)?;
        }
        Ok(Self { shared: Arc::new(Shared { objects, incoming, quota, index: Mutex::new(index) }) })
    }

    /// What is stored.
    pub fn usage(&self) -> Usage {
        let index = self.shared.index.lock();
        let objects = index.sizes.values().map(BTreeMap::len).sum::<usize>();
        Usage { objects: u64::try_from(objects).unwrap_or(u64::MAX), bytes: index.total }
    }

    /// Makes room for an object of `size` bytes and begins to receive it.
    ///
    /// # Errors
    /// Too large, no room, or the disk fails.
    pub async fn receive(&self, owner: &str, size: u64) -> Result<Incoming, StoreError> {
        let limit_bytes = self.shared.quota.object_bytes;
        if size == 0 || size > limit_bytes {
            return Err(StoreError::Size { limit_bytes, found_bytes: size });
        }
        let reservation = self.reserve(owner, footprint(size))?;
        let directory = self.shared.incoming.clone();
        let file = blocking(move || tempfile::NamedTempFile::new_in(directory)).await?;
        let (file, path) = file.into_parts();
        Ok(Incoming {
            reservation,
            size,
            file: tokio::fs::File::from_std(file),
            path,
            hasher: blake3::Hasher::new(),
            received: 0,
        })
    }

    fn reserve(&self, owner: &str, bytes: u64) -> Result<Reservation, StoreError> {
        let mut index = self.shared.index.lock();
        let free_bytes = index.free(owner, &self.shared.quota);
        if bytes > free_bytes {
            return Err(StoreError::Full { needed_bytes: bytes, free_bytes });
        }
        index.reserve(owner, bytes);
        Ok(Reservation { store: self.clone(), owner: owner.to_owned(), bytes })
    }

    /// Opens an object, whoever owns it.
    ///
    /// # Errors
    /// Not here, or the disk fails.
    pub fn open_object(&self, root: Root) -> Result<StoredObject, StoreError> {
        let (owner, size) = {
            let index = self.shared.index.lock();
            let owners = index.sizes.get(&root).and_then(|owners| owners.first_key_value());
            let (owner, size) = owners.ok_or(StoreError::Missing(root))?;
            (owner.clone(), *size)
        };
        let data = fs::File::open(self.path(&owner, root, DATA))?;
        let tree = fs::read(self.path(&owner, root, TREE))?;
        Ok(StoredObject { root, size, data, tree })
    }

    /// Removes the object `root` of `owner`.
    ///
    /// # Errors
    /// This owner has no such object, or the disk fails.
    pub fn remove(&self, owner: &str, root: Root) -> Result<(), StoreError> {
        if !self.shared.index.lock().remove(root, owner) {
            return Err(StoreError::Missing(root));
        }
        fs::remove_file(self.path(owner, root, DATA))?;
        fs::remove_file(self.path(owner, root, TREE))?;
        Ok(())
    }

    /// Forgets a damaged object, whoever owns it.
    ///
    /// # Errors
    /// The disk fails.
    pub fn remove_damaged(&self, root: Root) -> Result<(), StoreError> {
        let owners = self.shared.index.lock().sizes.get(&root).cloned().unwrap_or_default();
        owners.keys().try_for_each(|owner| self.remove(owner, root))
    }

    fn path(&self, owner: &str, root: Root, extension: &str) -> PathBuf {
        self.shared.objects.join(owner).join(format!("{root}.{extension}"))
    }

    /// Brings a received object to its place. Blocks.
    fn place(&self, owner: &str, root: Root, size: u64, data: tempfile::TempPath) -> Result<(), StoreError> {
        let directory = self.shared.objects.join(owner);
        fs::create_dir_all(&directory)?;
        let (found, tree) = hash_tree(fs::File::open(&data)?, size)?;
        if found != root {
            return Err(StoreError::Content {
                expected: root,
                expected_bytes: size,
                found,
                found_bytes: size,
            });
        }
        let mut kept = tempfile::NamedTempFile::new_in(&self.shared.incoming)?;
        io::Write::write_all(&mut kept, &tree)?;
        kept.as_file().sync_all()?;
        kept.persist(self.path(owner, root, TREE)).map_err(|error| error.error)?;
        data.persist(self.path(owner, root, DATA)).map_err(|error| error.error)?;
        sync_directory(&directory)?;
        sync_directory(&self.shared.objects)?;
        self.shared.index.lock().insert(root, owner, size);
        Ok(())
    }
}

/// Room in the store; given back when dropped.
struct Reservation {
    store: Store,
    owner: Owner,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.store.shared.index.lock().release(&self.owner, self.bytes);
    }
}

/// An object that is being received. Dropping it removes what came.
pub struct Incoming {
    reservation: Reservation,
    size: u64,
    file: tokio::fs::File,
    path: tempfile::TempPath,
    hasher: blake3::Hasher,
    received: u64,
}

impl Incoming {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// More bytes than announced, or the disk fails.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.received = self.received.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.received > self.size {
            return Err(StoreError::Size { limit_bytes: self.size, found_bytes: self.received });
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).await?;
        Ok(())
    }

    /// Checks that all of `root` came, and stores it for good.
    ///
    /// # Errors
    /// Other bytes came, or the disk fails.
    pub async fn commit(mut self, root: Root) -> Result<(), StoreError> {
        let found = Root(*self.hasher.finalize().as_bytes());
        if (found, self.received) != (root, self.size) {
            return Err(StoreError::Content {
                expected: root,
                expected_bytes: self.size,
                found,
                found_bytes: self.received,
            });
        }
        // Without this, syncing would swallow the error of the last write.
        self.file.flush().await?;
        self.file.sync_all().await?;
        let Self { reservation, size, path, .. } = self;
        // The room is held until the object itself counts.
        blocking(move || reservation.store.place(&reservation.owner, root, size, path)).await
    }
}

async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

/// Indexes an owner's objects and removes files that belong to none.
fn read_owner(directory: &Path, index: &mut Index) -> io::Result<()> {
    let Some(owner) = directory.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    if !directory.is_dir() {
        return Ok(());
    }
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        match whole_object(&path)? {
            Found::Object(root, size) => index.insert(root, owner, size),
            Found::PartOfObject => {}
            Found::Leftover => {
                tracing::warn!(path = %path.display(), "removed a file that belongs to no object");
                fs::remove_file(&path)?;
            }
        }
    }
    Ok(())
}

/// What a file in the objects' directory is.
enum Found {
    Object(Root, u64),
    PartOfObject,
    Leftover,
}

fn whole_object(path: &Path) -> io::Result<Found> {
    let root = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
    let extension = path.extension().and_then(|extension| extension.to_str());
    let (Some(root), Some(extension)) = (root, extension) else { return Ok(Found::Leftover) };
    let length = |extension: &str| match fs::metadata(path.with_extension(extension)) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let whole = match (length(DATA)?, length(TREE)?) {
        (Some(data), Some(tree)) if data > 0 && tree == tree_bytes(data) => Some(data),
        _ => None,
    };
    Ok(match (extension, whole) {
        (DATA, Some(size)) => Found::Object(root, size),
        (TREE, Some(_)) => Found::PartOfObject,
        _ => Found::Leftover,
    })
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::{verify, Slice};

    const QUOTA: Quota = Quota { total_bytes: 400_000, owner_bytes: 250_000, object_bytes: 150_000 };

    fn object(fill: u8, size: u64) -> (Vec<u8>, Root) {
        let mut data = vec![0; usize::try_from(size).unwrap()];
        blake3::Hasher::new_keyed(&[fill; 32]).finalize_xof().fill(&mut data);
        let root = Root(*blake3::hash(&data).as_bytes());
        (data, root)
    }

    async fn put(store: &Store, owner: &str, data: &[u8], root: Root) -> Result<(), StoreError> {
        let mut incoming = store.receive(owner, data.len() as u64).await?;
        for piece in data.chunks(10_000) {
            incoming.write(piece).await?;
        }
        incoming.commit(root).await
    }

    fn check(store: &Store, root: Root, data: &[u8]) {
        let stored = store.open_object(root).unwrap();
        let slice = Slice { chunk: 3, chunks: 2 };
        let proof = stored.prove(slice).unwrap();
        assert_eq!(verify(root, data.len() as u64, slice, &proof).unwrap(), &data[3072..5120]);
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => found.extend(files(&path)),
                false => found.push(path),
            }
        }
        found
    }

    #[tokio::test]
    async fn objects_outlive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), QUOTA).unwrap();
        let (data, root) = object(1, 100_000);
        put(&store, "a", &data, root).await.unwrap();
        check(&store, root, &data);
        let usage = store.usage();
        assert_eq!(usage, Usage { objects: 1, bytes: footprint(100_000) });
        drop(store);
        let store = Store::open(directory.path(), QUOTA).unwrap();
        assert_eq!(store.usage(), usage);
        check(&store, root, &data);
    }

    #[tokio::test]
    async fn only_the_announced_object_is_stored() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), QUOTA).unwrap();
        let (data, root) = object(1, 10_000);
        let other = object(2, 10_000).1;
        assert!(matches!(put(&store, "a", &data, other).await, Err(StoreError::Content { .. })));
        let mut short = store.receive("a", 10_000).await.unwrap();
        short.write(&data[..9_999]).await.unwrap();
        assert!(matches!(short.commit(root).await, Err(StoreError::Content { found_bytes: 9_999, .. })));
        let mut long = store.receive("a", 9_999).await.unwrap();
        assert!(matches!(long.write(&data).await, Err(StoreError::Size { .. })));
        drop(long);
        assert!(matches!(store.open_object(root), Err(StoreError::Missing(_))));
        assert_eq!(store.usage(), Usage::default());
        assert_eq!(files(directory.path()), Vec::<PathBuf>::new());
    }

    #[tokio::test]
    async fn what_a_crash_leaves_behind_is_ignored_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (data, root) = object(1, 50_000);
        let placed = |extension: &str| directory.path().join("objects/a").join(format!("{root}.{extension}"));
        {
            let store = Store::open(directory.path(), QUOTA).unwrap();
            put(&store, "a", &data, root).await.unwrap();
        }
        let (whole_data, whole_tree) = (fs::read(placed(DATA)).unwrap(), fs::read(placed(TREE)).unwrap());
        // Every state that a crash can leave: a part received, the hashes without the object, a file cut short.
        let crashes: [[Option<&[u8]>; 2]; 5] = [
            [None, Some(&whole_tree)],
            [Some(&whole_data), None],
            [Some(&whole_data[..20_000]), Some(&whole_tree)],
            [Some(&whole_data), Some(&whole_tree[..64])],
            [Some(&[]), Some(&[])],
        ];
        for [left_data, left_tree] in crashes {
            for (extension, left) in [(DATA, left_data), (TREE, left_tree)] {
                match left {
                    Some(bytes) => fs::write(placed(extension), bytes).unwrap(),
                    None => fs::remove_file(placed(extension)).unwrap_or_default(),
                }
            }
            fs::write(directory.path().join("incoming/received"), b"half of an object").unwrap();
            fs::write(directory.path().join("objects/a/notes.txt"), b"not an object").unwrap();
            let store = Store::open(directory.path(), QUOTA).unwrap();
            assert_eq!(store.usage(), Usage::default());
            assert!(matches!(store.open_object(root), Err(StoreError::Missing(_))));
            assert_eq!(files(directory.path()), Vec::<PathBuf>::new());
            // The object can be placed again.
            put(&store, "a", &data, root).await.unwrap();
            check(&store, root, &data);
        }
    }

    #[tokio::test]
    async fn quotas_hold_for_everything_each_owner_and_each_object() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), QUOTA).unwrap();
        let full = |result: Result<(), StoreError>| matches!(result, Err(StoreError::Full { .. }));
        let (a, b, c) = (object(1, 120_000), object(2, 120_000), object(3, 120_000));
        put(&store, "a", &a.0, a.1).await.unwrap();
        put(&store, "a", &b.0, b.1).await.unwrap();
        assert!(full(put(&store, "a", &c.0, c.1).await), "owner");
        put(&store, "b", &c.0, c.1).await.unwrap();
        assert!(full(put(&store, "c", &a.0, a.1).await), "everything");
        store.remove("a", a.1).unwrap();
        put(&store, "c", &a.0, a.1).await.unwrap();
        assert!(matches!(store.receive("d", 150_001).await, Err(StoreError::Size { .. })));
        assert!(matches!(store.receive("d", 0).await, Err(StoreError::Size { .. })));
    }

    #[tokio::test]
    async fn room_is_held_while_an_object_comes_and_given_back_if_it_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), QUOTA).unwrap();
        let first = store.receive("a", 120_000).await.unwrap();
        let second = store.receive("a", 120_000).await.unwrap();
        assert!(matches!(store.receive("a", 120_000).await, Err(StoreError::Full { .. })));
        drop((first, second));
        assert_eq!(store.usage(), Usage::default());
        store.receive("a", 120_000).await.unwrap();
    }

    const UNDER_A_LIMIT: &str = "MYELIN_TEST_FILE_LIMIT";

    /// Runs in a process of its own, where a file that grows too large fails as on a full disk.
    #[tokio::test]
    async fn a_full_disk_refuses_one_object_and_loses_none() {
        if std::env::var_os(UNDER_A_LIMIT).is_none() {
            let script = "trap '' XFSZ; ulimit -f 80; exec \"$0\" \"$@\"";
            let output = std::process::Command::new("sh")
                .args(["-c", script])
                .arg(std::env::current_exe().unwrap())
                .args(["a_full_disk_refuses_one_object_and_loses_none", "--nocapture"])
                .env(UNDER_A_LIMIT, "1")
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), QUOTA).unwrap();
        let (small, large) = (object(1, 20_000), object(2, 120_000));
        put(&store, "a", &small.0, small.1).await.unwrap();
        let (usage, before) = (store.usage(), files(directory.path()));
        assert!(matches!(put(&store, "a", &large.0, large.1).await, Err(StoreError::DiskFull)));
        // The last write of an object fails no less than the first.
        let mut at_once = store.receive("a", 120_000).await.unwrap();
        let written = at_once.write(&large.0).await;
        let refused = match written {
            Ok(()) => at_once.commit(large.1).await,
            Err(error) => Err(error),
        };
        assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
        assert_eq!((store.usage(), files(directory.path())), (usage, before));
        check(&store, small.1, &small.0);
    }

    #[tokio::test]
    async fn an_owner_removes_only_its_own_copy() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), QUOTA).unwrap();
        let (data, root) = object(1, 50_000);
        put(&store, "a", &data, root).await.unwrap();
        put(&store, "b", &data, root).await.unwrap();
        // Placing an object again changes nothing.
        put(&store, "a", &data, root).await.unwrap();
        assert_eq!(store.usage().objects, 2);
        store.remove("a", root).unwrap();
        assert!(matches!(store.remove("a", root), Err(StoreError::Missing(_))));
        check(&store, root, &data);
        store.remove_damaged(root).unwrap();
        assert!(matches!(store.open_object(root), Err(StoreError::Missing(_))));
        assert_eq!(store.usage(), Usage::default());
    }
}
