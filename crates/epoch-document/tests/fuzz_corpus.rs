//! What fuzzing has found interesting, replayed: the bodies of the fuzz targets on the corpus of the repository.

#![allow(clippy::print_stderr, reason = "names the file that fails")]

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::{fs, path::Path};

fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
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

#[test]
fn documents_do_no_harm() {
    replay("epoch_json", targets::epoch_json);
}

#[test]
fn inputs_do_no_harm() {
    replay("epoch", targets::epoch);
}
