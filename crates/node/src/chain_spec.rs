//! Which chain a node runs, and the file that says so.
//!
//! The file is JSON: a `version` of the format, a `name`, a `kind`, and the `genesis`. Everybody who joins a chain needs the
//! same genesis to the bit, so nothing unknown is passed over. Accounts are SS58 addresses, amounts are rao.

mod plausible;

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use myelin_rpc::ChainKind;
use myelin_runtime::{presets::Genesis, Balance};
use myelin_store::contain_panics;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

pub use self::plausible::known_validator_account;

/// Milliseconds between the blocks of a development chain.
const DEVELOPMENT_SLOT_MS: u64 = 250;
/// The only version of the file that there is.
const FILE_VERSION: u32 = 1;
/// Bytes of a file; more are not read.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Bytes of a chain's name.
const MAX_NAME_BYTES: usize = 64;

/// Which chain a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// How it is called.
    pub name: String,
    /// What kind of chain it is.
    pub kind: ChainKind,
    /// What it starts from.
    pub genesis: Genesis,
}

/// Why a chain spec is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainSpecError {
    /// The file cannot be read or written.
    #[error("the chain spec {path} cannot be used: {source}; name a file that this user can read, or write to make one")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing would lose what is there.
    #[error("there is a file {path} already; a chain spec is never overwritten, so delete it or choose another path")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is larger than any spec.
    #[error("the chain spec {path} has more than {limit} bytes, so it is not one; name the file that those who run the chain give out")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes allowed.
        limit: u64,
    },
    /// It is not a JSON object at all.
    #[error(
        "{path} is no chain spec: expected a JSON object with `version`, `name`, `kind` and `genesis`, found {found}; \
         take the file of those who run the chain, or make one with `myelin init`"
    )]
    NotAnObject {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// It is not JSON, for example because its end is missing.
    #[error("the chain spec {path} is no whole JSON document: {reason}; correct it, or take the file of those who run the chain")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What was expected and found, with line and column.
        reason: String,
    },
    /// Something in it is missing or has another type than expected.
    #[error("the chain spec {path} is wrong at `{key}`: {reason}; correct it, or take the file of those who run the chain")]
    Content {
        /// The file.
        path: PathBuf,
        /// Where in the document.
        key: String,
        /// What was expected and found, with line and column.
        reason: String,
    },
    /// It has something that this program does not know, so the chain may be another one than it thinks.
    #[error("the chain spec {path} has an unknown key `{key}`; correct it, or use the program that the file is for")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Where in the document.
        key: String,
    },
    /// It is of another version of the format.
    #[error("the chain spec {path} has version {found}, this program reads version {FILE_VERSION}; use the program that the file is for")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
    },
    /// Nobody orders the chain's blocks.
    #[error("the chain \"{chain}\" of {path} has no validators, so nobody can agree on its blocks; name some in `genesis.validators`, as `myelin init` does")]
    NoValidators {
        /// The file.
        path: PathBuf,
        /// The chain's name.
        chain: String,
    },
    /// The chain that it describes cannot exist.
    #[error("the chain \"{chain}\" of {path} is not usable: {reason}; correct the file, or take that of those who run the chain")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The chain's name.
        chain: String,
        /// Why.
        reason: String,
    },
}

/// A spec as it is in its file.
#[derive(Serialize, Deserialize)]
struct SpecFile {
    version: u32,
    name: String,
    kind: KindName,
    genesis: Genesis,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Development,
    Local,
    Live,
}

/// Just enough to tell which version a file is of.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl ChainSpec {
    /// The development chain, with a block every 250 ms.
    pub fn development() -> Self {
        Self::development_with_slot(DEVELOPMENT_SLOT_MS)
    }

    /// The development chain with another pace, which is part of its genesis.
    pub fn development_with_slot(slot_duration_ms: u64) -> Self {
        Self {
            name: "Myelin Development".to_owned(),
            kind: ChainKind::Development,
            genesis: Genesis::development(slot_duration_ms),
        }
    }

    /// Reads a spec and checks that its chain can exist.
    ///
    /// # Errors
    /// See [`ChainSpecError`].
    pub fn load(path: &Path) -> Result<Self, ChainSpecError> {
        let spec = decode(path, &read(path)?)?;
        spec.check().map_err(|reason| ChainSpecError::Unusable {
            path: path.to_owned(),
            chain: spec.name.clone(),
            reason,
        })?;
        Ok(spec)
    }

    /// Reads the spec of a chain that several nodes run, and checks that somebody orders its blocks.
    ///
    /// # Errors
    /// See [`ChainSpecError`].
    pub fn load_network(path: &Path) -> Result<Self, ChainSpecError> {
        let spec = Self::load(path)?;
        match spec.genesis.validators.is_empty() {
            true => Err(ChainSpecError::NoValidators { path: path.to_owned(), chain: spec.name }),
            false => Ok(spec),
        }
    }

    /// Writes the spec to a file that does not exist yet.
    ///
    /// # Errors
    /// When there is a file, or it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ChainSpecError> {
        let failed = |source| ChainSpecError::File { path: path.to_owned(), source };
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(|source| match source
                .kind()
            {
                io::ErrorKind::AlreadyExists => ChainSpecError::Exists { path: path.to_owned() },
                _ => failed(source),
            })?;
        file.write_all(self.to_json().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// The content of the spec's file.
    pub fn to_json(&self) -> String {
        let file = SpecFile {
            version: FILE_VERSION,
            name: self.name.clone(),
            kind: self.kind.into(),
            genesis: self.genesis.clone(),
        };
        // Every part of a spec has a form in JSON.
        serde_json::to_string_pretty(&file).map(|text| text + "\n").unwrap_or_default()
    }

    /// Whether the chain can exist.
    ///
    /// # Errors
    /// A text that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.name.len() > MAX_NAME_BYTES {
            return Err(format!(
                "its name has {} bytes, expected 1 to {MAX_NAME_BYTES} that are not all blank",
                self.name.len()
            ));
        }
        if self.name.chars().any(char::is_control) {
            return Err(format!("its name is {:?}, expected one line of printable characters", self.name));
        }
        plausible::check_pace(&self.genesis)?;
        plausible::check_validators(&self.genesis.validators)?;
        if self.genesis.sudo.is_some() && self.kind != ChainKind::Development {
            return Err("`genesis.sudo` is set, which is for chains of kind \"development\" only".to_owned());
        }
        if self.kind == ChainKind::Live {
            plausible::check_secrecy(&self.genesis)?;
        }
        let issuance = |sum: Balance, (_, balance): &(_, Balance)| sum.checked_add(*balance);
        if self.genesis.balances.iter().try_fold(0, issuance).is_none() {
            return Err(format!(
                "`genesis.balances` add up to more than {} rao, which is all that there can be",
                Balance::MAX
            ));
        }
        // Some pallets do not return what they think of their part, but panic.
        contain_panics(|| self.genesis.build_storage()).and_then(|storage| storage).map(drop)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ChainSpecError> {
    let failed = |source| ChainSpecError::File { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ChainSpecError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    Ok(bytes)
}

/// What a document is that does not begin as an object. Lists would pass for one, because their items have an order.
fn other_than_object(bytes: &[u8]) -> Option<&'static str> {
    match (std::str::from_utf8(bytes), bytes.trim_ascii().first()) {
        (Err(_), _) => Some("bytes that are no UTF-8 text"),
        (_, None) => Some("an empty file"),
        (_, Some(b'{')) => None,
        (_, Some(b'[')) => Some("a list"),
        _ => Some("something else"),
    }
}

fn decode(path: &Path, bytes: &[u8]) -> Result<ChainSpec, ChainSpecError> {
    if let Some(found) = other_than_object(bytes) {
        return Err(ChainSpecError::NotAnObject { path: path.to_owned(), found });
    }
    // The version first: a file of another one is not wrong, but not for this program.
    let Versioned { version } = parse(path, bytes)?.0;
    if version != FILE_VERSION {
        return Err(ChainSpecError::Version { path: path.to_owned(), found: version });
    }
    let (SpecFile { name, kind, genesis, .. }, unknown) = parse(path, bytes)?;
    if let Some(key) = unknown {
        return Err(ChainSpecError::UnknownKey { path: path.to_owned(), key });
    }
    Ok(ChainSpec { name, kind: kind.into(), genesis })
}

/// The text of an error, with a number in it as the file has it: what is too large is read as a floating-point number.
fn with_literal(bytes: &[u8], error: &serde_json::Error) -> String {
    let told = error.to_string();
    // The parser stands behind the number.
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let read = String::from_utf8_lossy(line.get(..error.column()).unwrap_or(line));
    let before = read.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
    match told.split_once("floating point `").and_then(|(start, rest)| Some((start, rest.split_once('`')?.1)))
    {
        Some((start, end)) => format!("{start}number `{}`{end}", &read[before.len()..]),
        None => told,
    }
}

/// Parses a document; also returns the first key in it that nothing asked for.
fn parse<'a, T: Deserialize<'a>>(
    path: &Path,
    bytes: &'a [u8],
) -> Result<(T, Option<String>), ChainSpecError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let mut unknown = None;
    let found =
        serde_ignored::deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track), |key| {
            unknown.get_or_insert_with(|| key.to_string());
        });
    let wrong = |key: String, error: serde_json::Error| match error.classify() {
        Category::Data => {
            ChainSpecError::Content { path: path.to_owned(), key, reason: with_literal(bytes, &error) }
        }
        _ => ChainSpecError::Syntax { path: path.to_owned(), reason: error.to_string() },
    };
    let value = found.map_err(|error| wrong(track.path().to_string(), error))?;
    json.end().map_err(|error| wrong(".".to_owned(), error))?;
    Ok((value, unknown))
}

impl From<ChainKind> for KindName {
    fn from(kind: ChainKind) -> Self {
        match kind {
            ChainKind::Development => Self::Development,
            ChainKind::Local => Self::Local,
            ChainKind::Live => Self::Live,
        }
    }
}

impl From<KindName> for ChainKind {
    fn from(kind: KindName) -> Self {
        match kind {
            KindName::Development => Self::Development,
            KindName::Local => Self::Local,
            KindName::Live => Self::Live,
        }
    }
}
