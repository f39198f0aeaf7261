//! What can go wrong. Every message says what was expected, what was found and what to do; none contains a secret.

use std::{io, path::PathBuf};

use crate::public_key::{CryptoType, SS58_PREFIX};

/// A mnemonic, seed, private key, secret URI or address that is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("expected a mnemonic of 12, 15, 18, 21 or 24 words, found {found}; check for missing or doubled words")]
    MnemonicWordCount { found: usize },
    #[error(
    "word {position} of the mnemonic is not in the English BIP39 list; check its spelling (all words are lower case)"
  )]
    MnemonicWord { position: usize },
    #[error(
        "the words of the mnemonic are valid but their checksum is not; check for swapped or mistaken words"
    )]
    MnemonicChecksum,
    #[error("expected {expected} of {what} as hex digits, optionally after 0x; found {found}")]
    Hex { what: &'static str, expected: &'static str, found: &'static str },
    #[error("expected {expected} bytes of {what}, found {found}; check that it was copied whole")]
    Length { what: &'static str, expected: &'static str, found: usize },
    #[error("these bytes are not an {crypto_type} private key; check the key and its crypto type")]
    PrivateKey { crypto_type: CryptoType },
    #[error(
    "expected a secret URI such as `//Alice`, `<mnemonic>//hard/soft///passphrase` or `0x<seed>//hard`, found text of \
     another shape; check slashes and characters"
  )]
    SecretUri,
    #[error("an {crypto_type} key cannot follow this derivation path; ed25519 keys derive through `//` junctions only")]
    DerivationPath { crypto_type: CryptoType },
    #[error("expected crypto type 0 (ed25519) or 1 (sr25519), found {found}; this key needs another tool")]
    CryptoType { found: String },
    #[error("expected an SS58 address, found {found}; copy the whole address again")]
    Ss58 { found: &'static str },
    #[error(
    "expected an SS58 address with prefix {SS58_PREFIX} (it starts with 5), found prefix {found}; this address \
     belongs to another network"
  )]
    Ss58Prefix { found: u16 },
}

/// The contents of a keyfile that are not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyfileError {
    #[error("expected a keyfile, found an empty file; restore it from a backup or from its mnemonic")]
    Empty,
    #[error("expected a keyfile (JSON text, or an envelope that starts with $NACL), found other bytes; restore it")]
    NotText,
    #[error(
    "expected keyfile JSON, found a syntax error at line {line}, column {column}; the file is truncated or damaged, \
     restore it from a backup or from its mnemonic"
  )]
    Syntax { line: usize, column: usize },
    #[error(
    "expected strings in the keyfile's fields (cryptoType: a number), found another type at line {line}, column \
     {column}; restore the file"
  )]
    Field { line: usize, column: usize },
    #[error(
        "expected keyfile JSON, a hex seed or a mnemonic, found other text; check that this is a keyfile"
    )]
    UnknownText,
    #[error(
    "expected a Bittensor keyfile, found a polkadot.js JSON export; import it with `btcli wallet regen-coldkey \
     --json-path <file>`"
  )]
    PolkadotJs,
    #[error("expected secretPhrase, secretSeed, privateKey, ss58Address or publicKey in the keyfile, found none of them")]
    NoKey,
    #[error("expected a secret key, found only the public key of {address}; open the coldkey or hotkey file instead")]
    PublicOnly { address: String },
    #[error(
    "{field} in the keyfile belongs to {stored}, but the rest of the file yields {derived}; one of them was edited or \
     damaged, restore the file"
  )]
    Mismatch { field: &'static str, stored: String, derived: String },
    #[error("the keyfile is encrypted; give its password")]
    PasswordNeeded,
    #[error("expected a password to encrypt the keyfile with, found an empty one; choose one or store the key plain")]
    EmptyPassword,
    #[error("the password does not open this keyfile; check it (or, if it is right, the file is damaged)")]
    WrongPassword,
    #[error("expected at least {expected} bytes of encrypted keyfile, found {found}; the file is truncated, restore it")]
    EnvelopeTruncated { expected: usize, found: usize },
    #[error(
    "expected a keyfile encrypted with NaCl, found the older {format} encryption; open it with the Python `bittensor` \
     package and store it again, or create it again from its mnemonic"
  )]
    LegacyEncryption { format: &'static str },
    #[error("the password function needs {needed_mib} MiB of memory, which could not be had; free memory and try again")]
    OutOfMemory { needed_mib: u32 },
    #[error("the keyfile encryption failed: {reason}")]
    Encryption { reason: String },
    #[error("in the keyfile: {0}")]
    Key(KeyError),
}

impl From<KeyError> for KeyfileError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

/// A wallet or keyfile on disk that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    #[error("{}: {problem}", path.display())]
    Keyfile { path: PathBuf, problem: KeyfileError },
    #[error("expected {expected}, found {found:?}; choose another name")]
    Name { expected: &'static str, found: String },
    #[error("{}: expected a keyfile, found nothing; check the wallet's path and names, or create the key", path.display())]
    Missing { path: PathBuf },
    #[error("{}: already exists; choose another name, or ask for it to be replaced (its key is then lost)", path.display())]
    Exists { path: PathBuf },
    #[error(
        "{}: expected no secret key beside a public key that is written alone, found one; choose another name",
        path.display()
    )]
    SecretBeside { path: PathBuf },
    #[error("{}: expected a regular file, found {found}; check the wallet's path and names", path.display())]
    NotAFile { path: PathBuf, found: &'static str },
    #[error("{}: expected a keyfile of at most {limit} bytes, found more; this is not a keyfile", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{}: the system denies access; run as the wallet's owner or correct its permissions", path.display())]
    AccessDenied { path: PathBuf },
    #[error(
    "{path}: expected an unencrypted secret key that only its owner can read (mode 600), found mode {mode:03o}; run \
     `chmod 600 '{path}'`",
    path = path.display()
  )]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error(
        "expected a home directory for the default wallet path, found none; set HOME or give the wallet path"
    )]
    NoHome,
    #[error("{}: the disk is full or a file may not become so large; make room and try again", path.display())]
    DiskFull { path: PathBuf },
    #[error("{}: cannot be read or written: {problem}; check the disk and the wallet's path", path.display())]
    Io { path: PathBuf, problem: io::Error },
}
