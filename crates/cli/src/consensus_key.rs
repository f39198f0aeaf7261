//! The file of a validator's consensus key: 64 hexadecimal digits, readable for its owner only.
//!
//! It signs blocks and votes and holds no funds. Whoever has it can get the validator punished, so it is made on the machine
//! that uses it and never copied to another one that runs.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{bail, Context as _, Result};
use myelin_bft::ConsensusSecret;

/// More of a file is not read.
const MAX_FILE_BYTES: u64 = 1024;

/// Makes a key and its file, which must not exist.
pub fn create(path: &Path) -> Result<ConsensusSecret> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no randomness")?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let write = || {
        let mut file = options.open(path)?;
        writeln!(file, "{}", hex::encode(seed))?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot make the consensus key {}", path.display()))?;
    Ok(ConsensusSecret::from_seed(&seed))
}

/// Reads a key.
pub fn load(path: &Path) -> Result<ConsensusSecret> {
    let hint = "make one with `myelin init`, or run without --validator to follow only";
    let metadata =
        fs::metadata(path).with_context(|| format!("no consensus key at {}: {hint}", path.display()))?;
    let text = match metadata.len() {
        ..=MAX_FILE_BYTES => fs::read_to_string(path).with_context(|| path.display().to_string())?,
        _ => String::new(),
    };
    let mut seed = [0; 32];
    if hex::decode_to_slice(text.trim(), &mut seed).is_err() {
        // The content stays secret even when it is wrong.
        bail!(
            "{} is no consensus key: expected 64 hexadecimal digits; restore it from a backup",
            path.display()
        );
    }
    Ok(ConsensusSecret::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_private_and_read_again() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("consensus.key");
        let made = create(&path).expect("makes");
        assert_eq!(load(&path).expect("reads").public(), made.public());
        assert_eq!(fs::metadata(&path).expect("exists").permissions().mode() & 0o777, 0o600);
        assert!(create(&path).is_err(), "a key is never written over");
    }

    #[test]
    fn what_is_no_key_is_explained() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("consensus.key");
        assert!(load(&path).err().is_some_and(|error| error.to_string().contains("myelin init")));
        fs::write(&path, "abcd").expect("writes");
        assert!(load(&path).err().is_some_and(|error| error.to_string().contains("64 hexadecimal digits")));
    }
}
