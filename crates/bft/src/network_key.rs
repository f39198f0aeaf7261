//! The key that a node is known by among its peers. It authenticates connections and has no part in consensus.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use arc_malachitebft_app_channel::app::types::Keypair;
use sp_core::{ed25519, Pair as _};

use crate::BftError;

/// Reads the key, and makes one when there is none.
pub(crate) fn load_or_create(path: &Path) -> Result<Keypair, BftError> {
    let seed = match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| BftError::BadNetworkKey(path.to_owned()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (_, seed) = ed25519::Pair::generate();
            create(path, &seed).map_err(|source| BftError::Home { path: path.to_owned(), source })?;
            seed
        }
        Err(source) => return Err(BftError::Home { path: path.to_owned(), source }),
    };
    keypair(seed).ok_or_else(|| BftError::BadNetworkKey(path.to_owned()))
}

fn keypair(mut seed: [u8; 32]) -> Option<Keypair> {
    Keypair::ed25519_from_bytes(&mut seed).ok()
}

fn create(path: &Path, seed: &[u8; 32]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(seed)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_key() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("network.key");
        let first = load_or_create(&path).unwrap().public();
        assert_eq!(load_or_create(&path).unwrap().public(), first);
        fs::write(&path, b"short").unwrap();
        assert!(matches!(load_or_create(&path), Err(BftError::BadNetworkKey(_))));
    }
}
