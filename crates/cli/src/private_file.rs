//! Files that only their owner may read, such as keys without a password.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use anyhow::{bail, Context as _, Result};

/// What others than the owner may do with a file.
const OTHERS: u32 = 0o077;
const PERMISSIONS: u32 = 0o777;

/// Reads an open file that others cannot read, up to `limit` bytes of it.
pub fn read(path: &Path, file: File, limit: u64) -> Result<Vec<u8>> {
    let name = || path.display().to_string();
    check(path, &file.metadata().with_context(name)?)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).with_context(name)?;
    Ok(bytes)
}

/// Refuses a file that others can read. One that does not exist is nobody's.
pub fn check_if_exists(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(metadata) => check(path, &metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn check(path: &Path, metadata: &Metadata) -> Result<()> {
    let mode = metadata.permissions().mode() & PERMISSIONS;
    if mode & OTHERS != 0 {
        let path = path.display();
        bail!(
            "other users of this machine can use the key file {path}: expected mode 0600, found {mode:04o}; run \
             `chmod 600 {path}`, and replace the key if somebody may have read it"
        );
    }
    Ok(())
}
