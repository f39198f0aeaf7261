//! The file of a validator's consensus key: 64 hexadecimal digits, readable for its owner only.
//!
//! It signs blocks and votes and holds no funds. Whoever has it can get the validator punished, so it is made on the machine
//! that uses it and never copied to another one that runs.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{anyhow, bail, Context as _, Result};
use myelin_bft::ConsensusSecret;

use crate::private_file;

/// More of a file is not read.
const MAX_FILE_BYTES: u64 = 1024;

/// A new key, that is in no file yet.
pub struct NewKey([u8; 32]);

impl NewKey {
    pub fn make() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("the system gives no randomness")?;
        Ok(Self(seed))
    }

    pub fn public(&self) -> [u8; 32] {
        ConsensusSecret::from_seed(&self.0).public()
    }

    /// Writes the key to its file, which must not exist.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let write = || {
            let mut file = options.open(path)?;
            writeln!(file, "{}", hex::encode(self.0))?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot make the consensus key {}", path.display()))
    }
}

/// Reads a key.
pub fn load(path: &Path) -> Result<ConsensusSecret> {
    let hint = "make one with `myelin init`, or run without --validator to follow only";
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("there is no consensus key {}; {hint}", path.display()),
        _ => anyhow!("the consensus key {} cannot be read: {error}; let this user read it", path.display()),
    })?;
    let bytes = private_file::read(path, file, MAX_FILE_BYTES)?;
    let mut seed = [0; 32];
    if hex::decode_to_slice(bytes.trim_ascii(), &mut seed).is_err() {
        // The content stays secret even when it is wrong.
        bail!(
            "{} is no consensus key: expected 64 hexadecimal digits, found {}; restore it from a backup",
            path.display(),
            described(&bytes)
        );
    }
    Ok(ConsensusSecret::from_seed(&seed))
}

fn described(bytes: &[u8]) -> String {
    match (bytes.len(), std::str::from_utf8(bytes)) {
        (0, _) => "an empty file".to_owned(),
        (length, Ok(_)) => format!("{length} bytes of other text"),
        (length, Err(_)) => format!("{length} bytes that are no text"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    use super::*;

    fn create(path: &Path) -> Result<()> {
        NewKey::make()?.save(path)
    }

    #[test]
    fn a_key_is_made_once_private_and_read_again() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("consensus.key");
        let key = NewKey::make().expect("makes");
        key.save(&path).expect("writes");
        assert_eq!(load(&path).expect("reads").public(), key.public());
        assert_eq!(fs::metadata(&path).expect("exists").permissions().mode() & 0o777, 0o600);
        assert!(create(&path).is_err(), "a key is never written over");
    }

    #[test]
    fn what_is_no_key_is_explained() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("consensus.key");
        let complaint = || load(&path).map(drop).expect_err("no key").to_string();
        assert!(complaint().contains("myelin init"), "{}", complaint());
        create(&path).expect("makes");
        for (content, found) in [
            (&b""[..], "found an empty file"),
            (b"abcd", "found 4 bytes of other text"),
            (b"\xff\xfe\x00", "found 3 bytes that are no text"),
            (&[b'a'; 5_000], "found 1024 bytes of other text"),
        ] {
            fs::write(&path, content).expect("writes");
            let complaint = complaint();
            assert!(
                complaint.contains("consensus.key is no consensus key: expected 64 hexadecimal digits"),
                "{complaint}"
            );
            assert!(
                complaint.contains(found) && complaint.contains("restore it from a backup"),
                "{complaint}"
            );
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("consensus.key");
        create(&path).expect("makes");
        for mode in [0o644, 0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("changes");
            let refused = load(&path).map(drop).expect_err("refuses").to_string();
            assert!(refused.contains(&format!("run `chmod 600 {}`", path.display())), "{refused}");
            assert!(refused.contains(&format!("found {mode:04o}")), "{refused}");
            assert!(private_file::check_if_exists(&path).is_err());
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("changes");
            load(&path).expect("reads");
            private_file::check_if_exists(&path).expect("is private");
        }
        private_file::check_if_exists(&directory.path().join("missing")).expect("is nobody's");
    }
}
