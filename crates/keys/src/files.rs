//! Bounded reads and atomic, private writes.

use std::{
    fs::{self, DirBuilder, File, Metadata, Permissions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::{error::WalletError, keyfile::MAX_KEYFILE_BYTES, wallet::Overwrite};

const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
const OTHERS_MASK: u32 = 0o077;

/// What a keyfile contains and who else may read it.
pub(crate) struct Contents {
    pub bytes: Zeroizing<Vec<u8>>,
    /// The permission bits of the file.
    pub mode: u32,
}

impl Contents {
    pub fn open_to_others(&self) -> bool {
        self.mode & OTHERS_MASK != 0
    }
}

/// Reads a whole keyfile, or nothing if it is too large to be one.
pub(crate) fn read(path: &Path) -> Result<Contents, WalletError> {
    // Opening a pipe or device could block for ever, so look first.
    check_regular(path, &fs::metadata(path).map_err(|error| io_error(path, error))?)?;
    let file = File::open(path).map_err(|error| io_error(path, error))?;
    let metadata = file.metadata().map_err(|error| io_error(path, error))?;
    check_regular(path, &metadata)?;
    // The buffer has its final size from the start: growing would leave copies of secrets behind.
    let limit = MAX_KEYFILE_BYTES.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEYFILE_BYTES as usize + 64));
    file.take(limit).read_to_end(&mut bytes).map_err(|error| io_error(path, error))?;
    if bytes.len() as u64 >= limit {
        return Err(WalletError::TooLarge { path: path.into(), limit: MAX_KEYFILE_BYTES });
    }
    Ok(Contents { bytes, mode: metadata.permissions().mode() & 0o777 })
}

fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), WalletError> {
    let kind = metadata.file_type();
    let found = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () => "a device or socket",
    };
    Err(WalletError::NotAFile { path: path.into(), found })
}

/// A file that is complete on disk under a temporary name, and removed again unless it is published.
pub(crate) struct Staged {
    file: NamedTempFile,
    path: PathBuf,
}

impl Staged {
    /// Writes `bytes` beside `path`, creating private directories as needed.
    pub fn write(path: PathBuf, bytes: &[u8]) -> Result<Self, WalletError> {
        let directory = parent(&path);
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)
            .map_err(|error| io_error(directory, error))?;
        let file = write_temporary(directory, bytes).map_err(|error| io_error(directory, error))?;
        Ok(Self { file, path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, in one step that either happens or does not. Without [`Overwrite::Replace`] an existing
    /// file stays, even if it appeared only now.
    pub fn publish(self, overwrite: Overwrite) -> Result<(), WalletError> {
        let Self { file, path } = self;
        let named = match overwrite {
            Overwrite::Refuse => file.persist_noclobber(&path),
            Overwrite::Replace => file.persist(&path),
        };
        named.map_err(|failed| io_error(&path, failed.error))?;
        sync_directory(&path)
    }
}

fn write_temporary(directory: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".keyfile-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(FILE_MODE))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Removes a file if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), WalletError> {
    match fs::remove_file(path) {
        Ok(()) => sync_directory(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(path, error)),
    }
}

/// A new name is durable only once its directory is.
fn sync_directory(path: &Path) -> Result<(), WalletError> {
    let directory = parent(path);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_error(directory, error))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Names of a directory's entries that are text, sorted; none if there is no such directory.
pub(crate) fn entries(directory: &Path) -> Result<Vec<(String, fs::FileType)>, WalletError> {
    let listing = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(|error| io_error(directory, error))?,
    };
    let mut entries = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|error| io_error(directory, error))?;
        // Following links: a wallet may well be one. A dangling link is no entry.
        if let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), fs::metadata(entry.path())) {
            entries.push((name, metadata.file_type()));
        }
    }
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries)
}

/// Whether anything is at this path, even a dangling link.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

pub(crate) fn io_error(path: &Path, problem: io::Error) -> WalletError {
    let path = path.into();
    match problem.kind() {
        ErrorKind::NotFound => WalletError::Missing { path },
        ErrorKind::AlreadyExists => WalletError::Exists { path },
        ErrorKind::PermissionDenied => WalletError::AccessDenied { path },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            WalletError::DiskFull { path }
        }
        _ => WalletError::Io { path, problem },
    }
}
