//! What the fuzz targets of everything that strangers send do with their bytes.
//!
//! A package of its own, because it compiles the whole node. The targets call these functions, and so do ordinary tests
//! that replay the corpus (`tests/fuzz_corpus.rs` of the crates that are fuzzed). Bytes may fail to be a message; they may
//! not make anything panic or overflow, and what is decoded has the bytes that it came from.

pub mod chain;
pub mod consensus;
pub mod gossip;
