//! Accounts, keyfiles and wallets on disk, in the formats of Bittensor's tools.
//!
//! # Terms
//! - A *coldkey* owns funds and is usually encrypted. A *hotkey* signs for a running miner or validator and is usually
//!   not. Both are [`Keypair`]s.
//! - A *keyfile* holds one keypair or one public key: JSON, or JSON inside a password envelope. See [`keyfile`].
//! - A *wallet* is a directory with one coldkey and any number of hotkeys. See [`wallet`].
//!
//! # Secrets
//! - Passwords come in as [`SecretString`]. This crate never prompts, prints or reads environment variables for one.
//! - No secret appears in `Debug` output or in an error, not even the one character that did not parse.
//! - Secrets that this crate holds are wiped when dropped. Copies on the stack inside the curve libraries are not.
//! - Opening or writing an encrypted keyfile costs 512 MiB of memory and a few seconds, by design of the format. Call
//!   it from a thread that may block.
//!
//! Only Unix systems are supported: the safety of an unencrypted hotkey rests on file modes.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod envelope;
mod error;
mod files;
pub mod keyfile;
mod keypair;
mod mnemonic;
mod public_key;
pub mod wallet;

pub use error::{KeyError, KeyfileError, WalletError};
pub use keypair::Keypair;
pub use public_key::{CryptoType, PublicKey, Signature, SS58_PREFIX};
pub use secrecy::{ExposeSecret, SecretString};
pub use wallet::{Overwrite, Protection, Wallet, WalletListing, WalletStore};
