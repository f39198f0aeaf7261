//! The engine's log of the height under way: whether it can be used.
//!
//! The engine itself says only that something is wrong, or stands still when it comes to the damaged place.

use std::{io, path::Path};

use arc_malachitebft_wal::Log;

use crate::BftError;

/// Reads the log as the engine will for height `next`, if there is one.
///
/// # Errors
/// [`BftError::DamagedLog`], and [`BftError::EngineStart`] when the file cannot be used for another reason.
pub(crate) fn check(path: &Path, next: u32) -> Result<(), BftError> {
    if !path.exists() {
        return Ok(());
    }
    read(path, next).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            BftError::DamagedLog { path: path.to_owned(), reason: error.to_string() }
        }
        _ => BftError::EngineStart(format!("{} cannot be used: {error}", path.display())),
    })
}

fn read(path: &Path, next: u32) -> io::Result<()> {
    let mut log = Log::open(path)?;
    // One of another height is begun anew.
    if log.sequence() != u64::from(next) || log.is_empty() {
        return Ok(());
    }
    log.iter()?.try_for_each(|entry| entry.map(drop))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HEIGHT: u32 = 7;

    /// A log of two entries.
    fn write(path: &Path) {
        let mut log = Log::open(path).unwrap();
        log.reset(HEIGHT.into()).unwrap();
        log.append(b"a vote").unwrap();
        log.append(b"another vote").unwrap();
        log.flush().unwrap();
    }

    #[test]
    fn damage_is_found_and_the_file_and_the_remedy_are_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("consensus.wal");
        check(&path, HEIGHT).unwrap();
        write(&path);
        check(&path, HEIGHT).unwrap();
        let whole = fs::read(&path).unwrap();
        let (first, last) = (0, whole.len() - 1);
        for place in [first, last] {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            fs::write(&path, &damaged).unwrap();
            let error = check(&path, HEIGHT).unwrap_err().to_string();
            let says = |part: &str| error.contains(part);
            assert!(says(path.to_str().unwrap()) && says("damaged") && says("move it away"), "{error}");
            assert!(says("signing-guard"), "{error}");
        }
        check(&path, HEIGHT + 1).unwrap();
        fs::write(&path, &whole[..6]).unwrap();
        let error = check(&path, HEIGHT).unwrap_err();
        assert!(matches!(error, BftError::DamagedLog { .. }), "{error}");
        fs::write(&path, &whole[..last]).unwrap();
        check(&path, HEIGHT).expect("what was being written at a crash is dropped");
    }

    #[test]
    fn a_log_in_use_is_not_called_damaged() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("consensus.wal");
        let _held = Log::open(&path).unwrap();
        let error = check(&path, HEIGHT).unwrap_err();
        assert!(
            matches!(&error, BftError::EngineStart(reason) if reason.contains("consensus.wal")),
            "{error}"
        );
    }
}
