//! What fuzzing has found interesting, replayed by ordinary tests.

#![allow(clippy::print_stderr, reason = "names the file that fails")]

use std::{fs, path::Path};

/// Runs a target on every file of its part of a corpus, which is a folder here. The crate that includes this is two
/// folders below that of the workspace.
pub fn replay(corpus: &str, target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(corpus).join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        eprintln!("{}", path.display());
        run(&fs::read(&path).expect("a file"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}
