//! The files of a network's first validators: `chain.json`, and a base path with a consensus key for each of them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{bail, Context as _, Result};
use myelin_bft::SigningGuard;
use myelin_node::{known_validator_account, ChainKind, ChainSpec};
use myelin_runtime::presets::{Genesis, Validator};

use crate::{consensus_key::NewKey, duration};

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
    /// Existing files are left as they are, and are an error. Nothing is made for a chain that cannot be.
    pub fn create(directory: &Path, name: &str, validators: u16, block_time: Duration) -> Result<Self> {
        if directory.join(SPEC_FILE).exists() {
            bail!("{} already holds a network; choose another directory", directory.display());
        }
        let mut genesis = Genesis::development(duration::milliseconds(block_time));
        genesis.sudo = None;
        let keys = (0..validators).map(|_| NewKey::make()).collect::<Result<Vec<_>>>()?;
        let validator = |(key, index): (&NewKey, u16)| Validator {
            key: key.public().into(),
            account: known_validator_account(index),
            power: 1,
        };
        genesis.validators = keys.iter().zip(0..).map(validator).collect();
        let spec = ChainSpec { name: name.to_owned(), kind: ChainKind::Local, genesis };
        if let Err(reason) = spec.check() {
            bail!("no such chain can be made: {reason}");
        }
        for (key, index) in keys.iter().zip(0..) {
            let base_path = base_path(directory, index);
            fs::create_dir_all(&base_path).with_context(|| format!("cannot make {}", base_path.display()))?;
            key.save(&base_path.join(KEY_FILE))?;
            SigningGuard::create(&guard_path(&base_path), key.public())?;
        }
        let files = Self { directory: directory.to_owned(), spec };
        files.spec.save(&files.spec_path())?;
        Ok(files)
    }

    /// The network in `directory`.
    fn open(directory: &Path) -> Result<Self> {
        let spec = ChainSpec::load_network(&directory.join(SPEC_FILE))?;
        Ok(Self { directory: directory.to_owned(), spec })
    }

    /// The network in `directory`, if there is one.
    pub fn open_if_there(directory: &Path) -> Result<Option<Self>> {
        directory.join(SPEC_FILE).exists().then(|| Self::open(directory)).transpose()
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

#[cfg(test)]
mod tests {
    use myelin_keys::{CryptoType, Keypair};

    use super::*;

    #[test]
    fn everybody_can_spend_what_the_validators_of_a_test_network_earn() {
        for index in [0, 1, 99] {
            let path = format!("//Validator/{index}");
            let key = Keypair::from_uri(&path, CryptoType::Sr25519).expect("a key");
            assert_eq!(known_validator_account(index), myelin_client::account_of(&key));
        }
    }
}
