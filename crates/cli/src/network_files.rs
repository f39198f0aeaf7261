//! The files of a network's first validators: `chain.json`, and a base path with a consensus key for each of them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{bail, Context as _, Result};
use myelin_bft::SigningGuard;
use myelin_keys::{CryptoType, Keypair};
use myelin_node::{ChainKind, ChainSpec};
use myelin_runtime::{
    presets::{Genesis, Validator},
    AccountId,
};

use crate::{consensus_key, duration};

const SPEC_FILE: &str = "chain.json";
/// The consensus key's file in a node's base path.
pub const KEY_FILE: &str = "consensus.key";
/// The directory in it where the sequencer keeps its files.
const CONSENSUS_DIRECTORY: &str = "consensus";

/// A directory with the files of a network.
pub struct NetworkFiles {
    directory: PathBuf,
    pub spec: ChainSpec,
}

impl NetworkFiles {
    /// Makes keys for `validators` validators of equal power, and a chain with funded development accounts that they order.
    ///
    /// Existing files are left as they are, and are an error.
    pub fn create(directory: &Path, name: &str, validators: u16, block_time: Duration) -> Result<Self> {
        if directory.join(SPEC_FILE).exists() {
            bail!("{} already holds a network; choose another directory", directory.display());
        }
        let mut genesis = Genesis::development(duration::milliseconds(block_time));
        genesis.sudo = None;
        for index in 0..validators {
            let base_path = base_path(directory, index);
            fs::create_dir_all(&base_path).with_context(|| format!("cannot make {}", base_path.display()))?;
            let key = consensus_key::create(&base_path.join(KEY_FILE))?;
            SigningGuard::create(&guard_path(&base_path), key.public())?;
            genesis.validators.push(Validator {
                key: key.public().into(),
                account: validator_account(index)?,
                power: 1,
            });
        }
        let spec = ChainSpec { name: name.to_owned(), kind: ChainKind::Local, genesis };
        let files = Self { directory: directory.to_owned(), spec };
        files.spec.save(&files.spec_path())?;
        Ok(files)
    }

    /// The network in `directory`.
    pub fn open(directory: &Path) -> Result<Self> {
        let spec = ChainSpec::load(&directory.join(SPEC_FILE))?;
        Ok(Self { directory: directory.to_owned(), spec })
    }

    /// The network in `directory`, which is made if there is none.
    pub fn open_or_create(
        directory: &Path,
        name: &str,
        validators: u16,
        block_time: Duration,
    ) -> Result<Self> {
        if directory.join(SPEC_FILE).exists() {
            Self::open(directory)
        } else {
            Self::create(directory, name, validators, block_time)
        }
    }

    pub fn spec_path(&self) -> PathBuf {
        self.directory.join(SPEC_FILE)
    }

    /// The base path of validator `index`.
    pub fn base_path(&self, index: u16) -> PathBuf {
        base_path(&self.directory, index)
    }

    pub fn validators(&self) -> u16 {
        u16::try_from(self.spec.genesis.validators.len()).unwrap_or(u16::MAX)
    }
}

/// Where the sequencer of the node with this base path keeps its files.
pub fn consensus_home(base_path: &Path) -> PathBuf {
    base_path.join(CONSENSUS_DIRECTORY)
}

/// The signing guard of the node with this base path.
pub fn guard_path(base_path: &Path) -> PathBuf {
    SigningGuard::path_in(&consensus_home(base_path))
}

fn base_path(directory: &Path, index: u16) -> PathBuf {
    directory.join(format!("node-{index}"))
}

/// Who is paid for a validator's blocks: a key that everybody knows, as everything on such a chain.
fn validator_account(index: u16) -> Result<AccountId> {
    let key = Keypair::from_uri(&format!("//Validator/{index}"), CryptoType::Sr25519)?;
    Ok(myelin_client::account_of(&key))
}
