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
    let failed = |source| BftError::Home { path: path.to_owned(), source };
    let mut secret = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (_, seed) = ed25519::Pair::generate();
            create(path, &seed).map_err(failed)?;
            seed.to_vec()
        }
        Err(source) => return Err(failed(source)),
    };
    let found = secret.len();
    Keypair::ed25519_from_bytes(secret.as_mut_slice())
        .map_err(|_| BftError::BadNetworkKey { path: path.to_owned(), found })
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
        for wrong in [vec![], vec![7; 31], vec![7; 33], vec![7; 64]] {
            fs::write(&path, &wrong).unwrap();
            let error = load_or_create(&path).unwrap_err().to_string();
            let says = format!("holds {} bytes, expected the 32 of a network key", wrong.len());
            assert!(error.contains(&says) && error.contains("delete it"), "{error}");
        }
    }
}
