//! Who a node is to its peers.

use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
};

use libp2p::{identity::Keypair, PeerId};

use crate::GossipError;

/// More of a file is not read; a key takes 64 digits.
const MAX_FILE_BYTES: u64 = 1024;

/// An Ed25519 key that names a node in the network. It signs no blocks and owns no funds.
#[derive(Clone)]
pub struct NodeKey(Keypair);

impl NodeKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, GossipError> {
        Self::random_secret().map(Self::from_secret)
    }

    /// The key with this secret.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        // Every 32 bytes are a secret, so this falls back to nothing.
        let keypair = Keypair::ed25519_from_bytes(secret).unwrap_or_else(|_| Keypair::generate_ed25519());
        Self(keypair)
    }

    /// The key in a file of 64 hexadecimal digits. A missing file is made, readable for its owner only.
    ///
    /// # Errors
    /// When the file cannot be read, made or understood.
    pub fn load_or_create(path: &Path) -> Result<Self, GossipError> {
        match fs::File::open(path) {
            Ok(file) => Self::read(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(source) => Err(GossipError::KeyFile { path: path.to_owned(), source }),
        }
    }

    /// How peers call this node.
    pub fn peer_id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(crate) fn keypair(&self) -> &Keypair {
        &self.0
    }

    fn random_secret() -> Result<[u8; 32], GossipError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| GossipError::Randomness(error.to_string()))?;
        Ok(secret)
    }

    fn read(path: &Path, file: fs::File) -> Result<Self, GossipError> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE_BYTES), &mut bytes)
            .map_err(|source| GossipError::KeyFile { path: path.to_owned(), source })?;
        let mut secret = [0; 32];
        match hex::decode_to_slice(bytes.trim_ascii(), &mut secret) {
            Ok(()) => Ok(Self::from_secret(secret)),
            // The content stays secret even when it is wrong.
            Err(_) => Err(GossipError::Key {
                path: path.to_owned(),
                found: format!("{} bytes that are no key", bytes.len()),
            }),
        }
    }

    fn create(path: &Path) -> Result<Self, GossipError> {
        let secret = Self::random_secret()?;
        let failed = |source| GossipError::KeyFile { path: path.to_owned(), source };
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        writeln!(file, "{}", hex::encode(secret)).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Self::from_secret(secret))
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("NodeKey").field(&self.peer_id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_one_name() {
        let name = NodeKey::from_secret([7; 32]).peer_id().to_string();
        assert_eq!(name, NodeKey::from_secret([7; 32]).peer_id().to_string());
        assert_ne!(name, NodeKey::from_secret([8; 32]).peer_id().to_string());
        assert!(!format!("{:?}", NodeKey::from_secret([7; 32])).contains("0707"));
    }

    #[test]
    fn a_file_is_made_once_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let made = NodeKey::load_or_create(&path).unwrap();
        assert_eq!(NodeKey::load_or_create(&path).unwrap().peer_id(), made.peer_id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_file_is_explained_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "not a key").unwrap();
        let error = NodeKey::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("expected 64 hexadecimal digits"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
        let missing = directory.path().join("no").join("key");
        assert!(matches!(NodeKey::load_or_create(&missing), Err(GossipError::KeyFile { .. })));
    }
}
