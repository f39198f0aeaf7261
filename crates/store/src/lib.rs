//! Blocks, state and history on disk.
//!
//! One database file holds everything a node must not lose: headers, bodies, commit certificates, the nodes of the
//! state trie, the tip, and small node-level records. A block moves all of it in one transaction ([`Store::commit`]),
//! which is on disk when the call returns: after a crash either the whole block is there or nothing of it.
//!
//! Terms:
//! - A *node* is an encoded trie node. Its key is its path prefix followed by its 32-byte Blake2b hash, so equal
//!   subtrees at different places are different nodes, and a node is part of a given state at most once.
//! - The *journal* row of block `n` lists the nodes that `n` added (*born*) and the ones it made unreachable (*died*).
//!   A dead node stays until every state that contains it has left the history window.
//! - A node that is added again while its death is still pending is *revived*: the pending death no longer counts.
//! - *History* says for how many blocks state is kept. Another one says so of extrinsics and certificates.
//!   Headers are always kept.
//!
//! This is the only crate that knows the database engine. It knows nothing of what the bytes mean.

mod backend;
mod config;
mod contain;
mod database;
mod dump;
mod error;
mod journal;
mod record;
mod revert;
mod snapshot;
mod tables;
mod waymark;
mod write;

pub use config::{Config, History, Location, DEFAULT_CACHE_BYTES, DEFAULT_HISTORY_BLOCKS};
pub use contain::contain_panics;
pub use database::{Pin, Store, StoreStatistics};
pub use dump::{Dump, DUMP_MAGIC};
pub use error::StoreError;
pub use record::{BlockRecord, NodeChanges, Tip};
pub use snapshot::Snapshot;

/// Blake2b-256 digest.
pub type Hash = [u8; 32];
/// Height of a block.
pub type Number = u32;
/// What every operation of this crate returns.
pub type Result<T> = std::result::Result<T, StoreError>;
