//! What can go wrong with a store, and what to do about it.

use std::{fmt, io, path::PathBuf};

use crate::{Hash, Number};

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process holds the database.
    #[error("the database {} is in use by another process; stop that process or choose another base path", .path.display())]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// The base path cannot be created or opened.
    #[error("cannot open {}: {source}; check that the path is a directory that this user may write to", .path.display())]
    Unreachable {
        /// The path that was tried.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The database file has no content.
    #[error("the database {} is empty (0 bytes), so what it held is lost; nothing was written to it. Restore a backup, or delete the file to begin anew, or to sync again from other nodes", .path.display())]
    EmptyFile {
        /// The database file.
        path: PathBuf,
    },
    /// The database's content contradicts itself.
    #[error("the database is damaged: {detail}. Stop the node, then restore a backup, or delete the database and sync again")]
    Corrupt {
        /// What was found.
        detail: String,
    },
    /// The database was written by another version of this program.
    #[error("the database has format {found}, this program reads format {expected}; use the program that wrote it, or export there and import here")]
    FormatVersion {
        /// The format of the file.
        found: u32,
        /// The format of this program.
        expected: u32,
    },
    /// The database belongs to another chain.
    #[error("the database belongs to the chain with genesis {}, this node is configured for {}; choose another base path or the matching chain", Hex(.found), Hex(.expected))]
    WrongGenesis {
        /// Genesis of the database.
        found: Hash,
        /// Genesis that was asked for.
        expected: Hash,
    },
    /// There is no room for what had to be written.
    #[error(
        "no space left for the database; free some disk space (or raise the size limit) and restart the node"
    )]
    DiskFull,
    /// The operating system failed to read or write.
    #[error("reading or writing the database failed: {0}; check the disk, then restart the node")]
    Io(#[source] io::Error),
    /// The store refuses to work because an earlier write failed.
    #[error(
        "the database is closed after an earlier failure ({reason}); restart the node when that is mended"
    )]
    Closed {
        /// The earlier failure.
        reason: String,
    },
    /// The store holds no chain yet.
    #[error("the database holds no chain yet; initialise it with a genesis block or import a dump")]
    Empty,
    /// The store already holds a chain.
    #[error("the database already holds a chain with genesis {}; use an empty base path", Hex(.0))]
    NotEmpty(Hash),
    /// Another block is already committed at this height.
    #[error("block {number} is already committed as {}, and {} was offered for the same height; refusing to fork", Hex(.stored), Hex(.offered))]
    Conflict {
        /// Height of both.
        number: Number,
        /// Hash of the committed block.
        stored: Hash,
        /// Hash of the other.
        offered: Hash,
    },
    /// The block does not follow the tip.
    #[error(
        "block {offered} does not follow the tip, which is block {tip}; commit the blocks between first"
    )]
    NotNext {
        /// Height of the tip.
        tip: Number,
        /// Height of the block.
        offered: Number,
    },
    /// The state needed is no longer kept.
    #[error("the state of block {number} is not kept, the oldest kept one is {oldest}; keep a longer history or run an archive node")]
    StateNotKept {
        /// The block asked for.
        number: Number,
        /// The oldest block whose state is kept.
        oldest: Number,
    },
    /// Of this block, only the header is kept.
    #[error("block {number} is not kept whole, the oldest one that is, is block {oldest}; keep a longer history of blocks, or ask a node that does")]
    BlockNotKept {
        /// The block asked for.
        number: Number,
        /// The oldest block, besides block 0, that is kept whole.
        oldest: Number,
    },
    /// There is no such block.
    #[error("block {number} does not exist, the tip is block {tip}")]
    NoSuchBlock {
        /// The block asked for.
        number: Number,
        /// Height of the tip.
        tip: Number,
    },
    /// A dump cannot be imported.
    #[error("the dump cannot be imported: {0}; export it again from a running node")]
    BadDump(String),
}

impl StoreError {
    pub(crate) fn corrupt(detail: impl fmt::Display) -> Self {
        Self::Corrupt { detail: detail.to_string() }
    }

    /// Whether what the disk holds is unknown after this error.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::DiskFull | Self::Io(_) | Self::Closed { .. })
    }

    pub(crate) fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull
            }
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::corrupt(error),
            _ => Self::Io(error),
        }
    }

    pub(crate) fn from_engine(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::from_io(error),
            error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
                Self::Closed { reason: error.to_string() }
            }
            other => Self::corrupt(other),
        }
    }
}

macro_rules! from_engine_errors {
    ($($error:ty),+) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::from_engine(error.into())
            }
        }
    )+};
}

from_engine_errors!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);

impl From<codec::Error> for StoreError {
    fn from(error: codec::Error) -> Self {
        Self::corrupt(format_args!("a row cannot be decoded: {error}"))
    }
}

/// Shows bytes as 0x-prefixed hexadecimal.
pub(crate) struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}
