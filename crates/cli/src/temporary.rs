//! Folders that last as long as the process that works in them.
//!
//! A process that is killed leaves its folder behind, so the next one of the same kind removes it. A lock in the folder tells
//! whether its process still runs: the system takes the lock from a process that has ended, however that happened.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

const LOCK: &str = "lock";
/// The lock's name until it is locked, so that a lock that nobody holds was left behind.
const UNLOCKED: &str = "lock.new";

/// A folder of this process, removed when dropped.
pub struct TemporaryDirectory {
    directory: TempDir,
    /// Held until the folder is gone.
    _lock: File,
}

impl TemporaryDirectory {
    /// Makes a folder whose name begins with `prefix`, and removes those that ended processes of this user left under the same
    /// prefix.
    pub fn new(prefix: &str) -> Result<Self> {
        Self::new_in(&std::env::temp_dir(), prefix)
    }

    fn new_in(parent: &Path, prefix: &str) -> Result<Self> {
        let make = || {
            let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
            let _lock = lock(directory.path())?;
            Ok::<_, io::Error>(Self { directory, _lock })
        };
        let made = make().with_context(|| format!("no temporary directory in {}", parent.display()))?;
        if let Err(error) = remove_left_behind(parent, prefix, made.path()) {
            tracing::debug!(%error, "what others left behind stays");
        }
        Ok(made)
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn close(self) -> io::Result<()> {
        self.directory.close()
    }
}

fn lock(directory: &Path) -> io::Result<File> {
    let unlocked = directory.join(UNLOCKED);
    let file = File::create_new(&unlocked)?;
    file.lock()?;
    fs::rename(unlocked, directory.join(LOCK))?;
    Ok(file)
}

fn remove_left_behind(parent: &Path, prefix: &str, own: &Path) -> io::Result<()> {
    let user = fs::metadata(own)?.uid();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        if named && entry.path() != own {
            // One that cannot be removed keeps nobody from working.
            if let Err(error) = remove_if_left_behind(&entry.path(), user) {
                tracing::debug!(path = %entry.path().display(), %error, "it stays");
            }
        }
    }
    Ok(())
}

/// Removes a folder of this user that no process works in. One without a lock may be about to get it.
fn remove_if_left_behind(directory: &Path, user: u32) -> io::Result<()> {
    let metadata = fs::symlink_metadata(directory)?;
    if !metadata.is_dir() || metadata.uid() != user {
        return Ok(());
    }
    let lock = File::open(directory.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => remove(directory),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The lock goes last: what cannot be removed yet, because a process still writes there, is left for another time.
fn remove(directory: &Path) -> io::Result<()> {
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    for path in paths.collect::<io::Result<Vec<PathBuf>>>()? {
        match () {
            () if path.ends_with(LOCK) => {}
            () if fs::symlink_metadata(&path)?.is_dir() => fs::remove_dir_all(path)?,
            () => fs::remove_file(path)?,
        }
    }
    fs::remove_dir_all(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "myelin-test-";

    fn names(parent: &Path) -> Vec<String> {
        let entries = fs::read_dir(parent).expect("reads").map(|entry| entry.expect("reads").file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().expect("text")).collect();
        names.sort();
        names
    }

    /// What a killed process leaves: its folder, and no process that holds the lock.
    fn leave_behind(parent: &Path) -> PathBuf {
        let TemporaryDirectory { directory, _lock } =
            TemporaryDirectory::new_in(parent, PREFIX).expect("makes");
        let path = directory.keep();
        fs::create_dir(path.join("chain")).expect("makes");
        fs::write(path.join("chain/chain.redb"), b"data").expect("writes");
        path
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let live = TemporaryDirectory::new_in(parent.path(), PREFIX).expect("makes");
        fs::write(live.path().join("data"), b"data").expect("writes");
        let elsewhere = parent.path().join("elsewhere");
        fs::create_dir(&elsewhere).expect("makes");
        fs::write(elsewhere.join(LOCK), b"").expect("writes");
        std::os::unix::fs::symlink(&elsewhere, parent.path().join("myelin-test-link")).expect("links");
        fs::create_dir(parent.path().join("myelin-test-starting")).expect("makes");
        let left = leave_behind(parent.path());

        let next = TemporaryDirectory::new_in(parent.path(), PREFIX).expect("makes");
        assert!(!left.exists());
        assert!(live.path().join("data").exists() && elsewhere.join(LOCK).exists());
        assert_eq!(names(parent.path()).len(), 5, "{:?}", names(parent.path()));
        next.close().expect("removes");
        live.close().expect("removes");
        assert_eq!(names(parent.path()), ["elsewhere", "myelin-test-link", "myelin-test-starting"]);
    }
}
