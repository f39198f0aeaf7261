//! Opening a database, and the handle to it.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc, OnceLock,
    },
    time::{Duration, Instant},
};

use codec::Encode;
use parking_lot::Mutex;
use redb::{
    backends::{FileBackend, InMemoryBackend},
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, WriteTransaction,
};

use crate::{
    backend::{Fuse, Fused},
    contain::{contain_panics, DropContained},
    snapshot::Snapshot,
    tables::{self, decode, meta, FORMAT_VERSION},
    waymark::Waymark,
    Config, Hash, History, Location, Number, Result, StoreError, Tip,
};

const FILE_NAME: &str = "chain.redb";
/// How the name of a database begins that is not complete yet. What a killed process leaves of one can be deleted.
const STAGED_PREFIX: &str = ".chain.redb-";
/// Bytes that are written to see whether there is room.
const PROBE_BYTES: usize = 64 << 10;
/// Before the user's mask takes its part.
const FILE_MODE: u32 = 0o666;

/// A handle to a database; cheap to clone. The file is closed with the last handle and snapshot.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    database: DropContained<Database>,
    pub(crate) history: History,
    /// How many of the newest blocks are kept whole; nothing for all.
    pub(crate) blocks_kept: Option<Number>,
    pins: Mutex<BTreeMap<Number, usize>>,
    fuse: Arc<Fuse>,
    /// What failed first.
    failed: OnceLock<String>,
    path: Option<PathBuf>,
    waymark: Option<Waymark>,
    lost_tip: Option<Number>,
    commits: AtomicU64,
    commit_nanoseconds: AtomicU64,
}

/// What a store has done since it was opened, and what it takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreStatistics {
    /// Write transactions that reached the disk.
    pub commits: u64,
    /// How long they took together, from the begin of a transaction on.
    pub commit_time: Duration,
    /// Bytes of the file; nothing in memory.
    pub file_bytes: Option<u64>,
}

impl Store {
    /// Opens the database that `config` names, and creates it when there is none.
    ///
    /// # Errors
    /// When the file is in use, is not a database of this format, is damaged, or cannot be created.
    pub fn open(config: &Config) -> Result<Self> {
        let path = file_path(config);
        let fuse = Arc::new(Fuse::default());
        let opened = contain_panics(|| open_database(config, &fuse));
        let database = opened.map_err(|panic| engine_panic(path.as_deref(), &panic))??;
        let waymark = path.as_deref().and_then(Path::parent).map(Waymark::open).transpose();
        let waymark = waymark.map_err(StoreError::from_io)?;
        let lost_tip =
            waymark.as_ref().and_then(Waymark::read).filter(|before| ends_before(&database, *before));
        if let Some(before) = lost_tip {
            tracing::error!(
                before,
                "the chain was at this block before, and ends earlier now: the database is damaged, or an older copy. A node with \
                 peers gets the blocks again; otherwise put back a copy that has them"
            );
        }
        let shared = Shared {
            database: DropContained::new(database),
            history: config.history,
            blocks_kept: config.blocks_kept(),
            pins: Mutex::default(),
            fuse,
            failed: OnceLock::new(),
            path,
            waymark,
            lost_tip,
            commits: AtomicU64::new(0),
            commit_nanoseconds: AtomicU64::new(0),
        };
        let store = Self { shared: Arc::new(shared) };
        store.write(prepare_tables)?;
        store.shared.fuse.arm();
        Ok(store)
    }

    /// The tip that the chain had here before, when it has ended earlier since then without anybody having taken blocks back:
    /// the database is damaged, or an older copy.
    pub fn lost_tip(&self) -> Option<Number> {
        self.shared.lost_tip
    }

    fn note_tip(&self) {
        if let (Some(waymark), Ok(tip)) =
            (&self.shared.waymark, self.snapshot().and_then(|snapshot| snapshot.tip()))
        {
            waymark.write(tip.number);
        }
    }

    /// What the database holds now. Later commits do not change what a snapshot shows, nor does a later failure to write.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when something could not be written; when the database cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let snapshot = contain_panics(|| Snapshot::new(self.shared.database.begin_read()?))
            .map_err(|panic| engine_panic(self.shared.path.as_deref(), &panic))??;
        // Behind a blown fuse, the engine shows what is not on disk. It blows before that is shown.
        match self.shared.fuse.error() {
            Some(refused) => Err(StoreError::Closed { reason: StoreError::from_io(refused).to_string() }),
            None => Ok(snapshot),
        }
    }

    /// Keeps the states of block `number` and all later ones, whatever the history window, until the pin is dropped.
    /// A pin lives in memory: it ends with the process.
    pub fn pin(&self, number: Number) -> Pin {
        *self.shared.pins.lock().entry(number).or_default() += 1;
        Pin { shared: Arc::clone(&self.shared), number }
    }

    /// For how many blocks state is kept.
    pub fn history(&self) -> History {
        self.shared.history
    }

    /// Whether the disk takes nothing more: something was not written, or there is no room for a little beside the database.
    pub fn takes_nothing(&self) -> bool {
        let directory = self.shared.path.as_deref().and_then(Path::parent);
        let probe = |directory| {
            let mut file = tempfile::tempfile_in(directory)?;
            file.write_all(&[0; PROBE_BYTES])?;
            file.sync_all()
        };
        self.shared.fuse.is_blown()
            || directory.is_some_and(|directory| {
                probe(directory)
                    .is_err_and(|error| matches!(StoreError::from_io(error), StoreError::DiskFull))
            })
    }

    /// What was done since it was opened, and what it takes up.
    pub fn statistics(&self) -> StoreStatistics {
        let shared = &self.shared;
        let metadata = shared.path.as_ref().and_then(|path| std::fs::metadata(path).ok());
        StoreStatistics {
            commits: shared.commits.load(Ordering::Relaxed),
            commit_time: Duration::from_nanos(shared.commit_nanoseconds.load(Ordering::Relaxed)),
            file_bytes: metadata.map(|metadata| metadata.len()),
        }
    }

    pub(crate) fn lowest_pin(&self) -> Option<Number> {
        self.shared.pins.lock().keys().next().copied()
    }

    /// Runs `change` in a write transaction and commits it. After a failure of the database, as opposed to a refused
    /// change, every later write is refused: what the disk holds is then unknown.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut WriteTransaction) -> Result<T>) -> Result<T> {
        if let Some(reason) = self.shared.failed.get() {
            return Err(StoreError::Closed { reason: reason.clone() });
        }
        let result = contain_panics(|| {
            let mut transaction = self.shared.database.begin_write()?;
            let began = Instant::now();
            let value = change(&mut transaction)?;
            transaction.commit()?;
            self.shared.count_commit(began.elapsed());
            Ok(value)
        })
        .unwrap_or_else(|panic| Err(engine_panic(self.shared.path.as_deref(), &panic)));
        // Whoever waited for the transaction that failed had one after it.
        let result = match self.shared.fuse.error() {
            Some(refused) => Err(StoreError::from_io(refused)),
            None => result,
        };
        match &result {
            Ok(_) => self.note_tip(),
            // The first failure tells why.
            Err(error) if error.is_fatal() => drop(self.shared.failed.set(error.to_string())),
            Err(_) => {}
        }
        result
    }
}

/// Keeps states from being discarded; see [`Store::pin`].
pub struct Pin {
    shared: Arc<Shared>,
    number: Number,
}

impl Pin {
    /// The oldest block it protects.
    pub fn number(&self) -> Number {
        self.number
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.shared.pins.lock();
        if let Some(count) = pins.get_mut(&self.number) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.number);
            }
        }
    }
}

/// Whether there is a chain, and it ends before block `number`.
fn ends_before(database: &Database, number: Number) -> bool {
    contain_panics(|| Snapshot::new(database.begin_read()?)?.tip())
        .is_ok_and(|tip| tip.is_ok_and(|tip| tip.number < number))
}

/// The engine gave up on what it has read.
fn engine_panic(path: Option<&Path>, panic: &str) -> StoreError {
    let path = path.unwrap_or(Path::new("memory")).display();
    StoreError::corrupt(format_args!("{path}: its content contradicts itself ({panic})"))
}

fn file_path(config: &Config) -> Option<PathBuf> {
    match &config.location {
        Location::Memory => None,
        Location::Directory(directory) => Some(directory.join(FILE_NAME)),
    }
}

impl Shared {
    fn count_commit(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

fn open_database(config: &Config, fuse: &Arc<Fuse>) -> Result<Database> {
    match &config.location {
        Location::Memory => build(config, InMemoryBackend::new(), Path::new("memory"), fuse),
        Location::Directory(directory) => {
            let path = directory.join(FILE_NAME);
            match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => open_file(config, file, &path, fuse),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    create_file(config, directory, &path, fuse)
                }
                Err(source) => Err(StoreError::Unreachable { path, source }),
            }
        }
    }
}

/// Opens a file that is there. One without content was a database once: a new one has its name only when it is complete.
fn open_file(config: &Config, file: File, path: &Path, fuse: &Arc<Fuse>) -> Result<Database> {
    let metadata =
        file.metadata().map_err(|source| StoreError::Unreachable { path: path.to_owned(), source })?;
    match metadata.len() {
        0 => Err(StoreError::EmptyFile { path: path.to_owned() }),
        _ => build(config, file_backend(file, path)?, path, fuse),
    }
}

/// Makes a database under a temporary name, and gives it its own when it is complete.
fn create_file(config: &Config, directory: &Path, path: &Path, fuse: &Arc<Fuse>) -> Result<Database> {
    let unreachable = |source| StoreError::Unreachable { path: path.to_owned(), source };
    fs::create_dir_all(directory).map_err(unreachable)?;
    // Readable for others as any file, unlike what is temporary for good.
    let mut builder = tempfile::Builder::new();
    builder.prefix(STAGED_PREFIX).permissions(Permissions::from_mode(FILE_MODE));
    let (file, staged) = builder.tempfile_in(directory).map_err(unreachable)?.into_parts();
    let database = build(config, file_backend(file, path)?, path, fuse)?;
    staged.persist_noclobber(path).map_err(|refused| match refused.error.kind() {
        // Another process was faster.
        io::ErrorKind::AlreadyExists => StoreError::Locked { path: path.to_owned() },
        _ => unreachable(refused.error),
    })?;
    // The name, too, has to survive a power cut.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(unreachable)?;
    Ok(database)
}

fn file_backend(file: File, path: &Path) -> Result<FileBackend> {
    FileBackend::new(file).map_err(|error| open_error(error, path))
}

fn build(config: &Config, backend: impl StorageBackend, path: &Path, fuse: &Arc<Fuse>) -> Result<Database> {
    let started = path.to_owned();
    Database::builder()
        .set_cache_size(config.cache_bytes)
        .set_check_integrity_on_open(config.verify)
        .set_repair_callback(move |repair| report_repair(&started, repair.progress()))
        .create_with_backend(Fused::new(backend, config.max_bytes, Arc::clone(fuse)))
        .map_err(|error| open_error(error, path))
}

fn report_repair(path: &Path, progress: f64) {
    tracing::info!(
        path = %path.display(),
        percent = (progress * 100.0) as u32,
        "checking the database after an unclean stop"
    );
}

fn open_error(error: DatabaseError, path: &Path) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Locked { path: path.to_owned() }
        }
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() == io::ErrorKind::InvalidData =>
        {
            StoreError::corrupt(format_args!(
                "{} is not a database of this program ({error})",
                path.display()
            ))
        }
        other => match StoreError::from_engine(other.into()) {
            StoreError::Corrupt { detail } => {
                StoreError::corrupt(format_args!("{}: {detail}", path.display()))
            }
            error => error,
        },
    }
}

/// Creates what is missing in a new database and checks the format of an old one.
fn prepare_tables(transaction: &mut WriteTransaction) -> Result<()> {
    let mut meta_table = transaction.open_table(tables::META)?;
    let found: Option<u32> = meta_table.get(meta::FORMAT)?.map(|row| decode(row.value())).transpose()?;
    match found {
        Some(FORMAT_VERSION) => {}
        Some(found) => return Err(StoreError::FormatVersion { found, expected: FORMAT_VERSION }),
        None => {
            meta_table.insert(meta::FORMAT, FORMAT_VERSION.encode().as_slice())?;
        }
    }
    transaction.open_table(tables::HEADERS)?;
    transaction.open_table(tables::BODIES)?;
    transaction.open_table(tables::CERTIFICATES)?;
    transaction.open_table(tables::NUMBERS)?;
    transaction.open_table(tables::NODES)?;
    transaction.open_table(tables::JOURNAL)?;
    transaction.open_table(tables::REVIVED)?;
    transaction.open_table(tables::RECORDS)?;
    Ok(())
}

/// Reads a value of the metadata table.
pub(crate) fn read_meta<T: codec::Decode>(
    table: &impl redb::ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<T>> {
    table.get(name)?.map(|row| decode(row.value())).transpose()
}

/// The tip and the oldest kept state, which exist together or not at all.
pub(crate) fn read_tip(
    table: &impl redb::ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<(Tip, Number)>> {
    let tip: Option<Tip> = read_meta(table, meta::TIP)?;
    let oldest: Option<Number> = read_meta(table, meta::OLDEST_STATE)?;
    match (tip, oldest) {
        (None, None) => Ok(None),
        (Some(tip), Some(oldest)) if oldest <= tip.number => Ok(Some((tip, oldest))),
        (tip, oldest) => {
            Err(StoreError::corrupt(format_args!("the tip is {tip:?}, the oldest state {oldest:?}")))
        }
    }
}

/// The hash of block 0.
pub(crate) fn read_genesis(
    table: &impl redb::ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<Hash>> {
    read_meta(table, meta::GENESIS)
}
