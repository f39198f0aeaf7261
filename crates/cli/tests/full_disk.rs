//! A node on a disk that is full: what it cannot write it refuses, and what it said was final stays.

mod support;

use std::{path::Path, process::Stdio};

use serde_json::{json, Value};
use support::{limited, myelin, Chain};

const BLOCK_BYTES: u64 = 512;
/// How often the database of a new chain may fit on the disk: often enough for some blocks.
const ROOM: u64 = 16;

#[test]
fn a_dump_that_does_not_fit_is_refused_and_the_node_goes_on() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("chain.dump");
    let path = path.to_str().expect("a path of text");
    let chain = Chain::started_by(limited(8), &["--audit", "--block-time", "manual"]);
    let mine = |count: u32| chain.request("dev_mine", &json!([count])).expect("answers");
    mine(10);
    let refused = chain.request("dev_dump", &json!([path])).expect("answers");
    let words = refused["error"]["message"].as_str().expect("an error");
    assert!(words.contains(path), "{words}");
    assert!(!Path::new(path).exists(), "half a dump stays");
    assert_eq!(mine(1)["result"]["number"], 11);
}

#[test]
fn a_node_that_cannot_write_ends_and_keeps_every_final_block() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_str().expect("a path of text");
    let arguments = ["--audit", "--base-path", path, "--block-time", "manual"];
    Chain::started_by(myelin(), &arguments).kill();
    let mut program = limited(ROOM * size(directory.path()) / BLOCK_BYTES);
    program.stderr(Stdio::piped());
    let chain = Chain::started_by(program, &arguments);
    let mut last = Value::Null;
    while let Ok(answer) = chain.request("dev_mine", &json!([5])) {
        if answer["result"].is_null() {
            break;
        }
        last = answer["result"].clone();
    }
    let (code, words) = chain.end();
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("no space left for the database") && !words.contains("panicked"), "{words}");

    let chain = Chain::started_by(myelin(), &arguments);
    let number = last["number"].as_u64().expect("it made blocks while there was room");
    let block = chain.ask(&["query", "block", &number.to_string()]);
    assert_eq!(block["hash"], last["hash"]);
    assert_eq!(chain.ask(&["query", "conservation"])["conserved"], true);
    assert!(
        !chain.request("dev_mine", &json!([20])).expect("answers")["result"].is_null(),
        "with room it goes on"
    );
}

/// Bytes of the largest file in a directory.
fn size(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).expect("reads").map(|entry| entry.expect("reads"));
    files.map(|file| file.metadata().expect("reads").len()).max().expect("a database")
}
