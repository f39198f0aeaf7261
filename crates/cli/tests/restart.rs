//! A node that is killed at any moment loses nothing that it said was final.

// The seed of a random run belongs on the screen.
#![allow(clippy::print_stderr)]

mod support;

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use support::{failure, Chain};

/// How often the node is killed; a long run sets MYELIN_KILL_ITERATIONS.
fn iterations() -> u32 {
    std::env::var("MYELIN_KILL_ITERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// A seed that is printed, and can be given back as MYELIN_SEED.
fn seed() -> u64 {
    let given = std::env::var("MYELIN_SEED").ok().and_then(|text| text.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let seed = given.unwrap_or_else(clock);
    eprintln!("MYELIN_SEED={seed}");
    seed
}

/// A step of a 64-bit linear congruential generator.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn what_was_final_survives_kill_9_at_any_moment() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut random = seed();
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for _ in 0..iterations() {
        let chain = Chain::on_disk(directory.path(), "20ms");
        for (number, hash) in &acknowledged {
            let block = chain.ask(&["query", "block", &number.to_string()]);
            assert_eq!(block["hash"], hash.as_str(), "block {number} was final");
        }
        assert_eq!(chain.ask(&["query", "conservation"])["conserved"], true);
        for _ in 0..next(&mut random) % 4 {
            let sent = chain.ask(&["transfer", "//Bob", "0.5", "-w", "//Alice"]);
            let number = sent["block_number"].as_u64().expect("a height");
            acknowledged.push((number, sent["block_hash"].as_str().expect("a hash").to_owned()));
        }
        std::thread::sleep(Duration::from_millis(next(&mut random) % 60));
        chain.kill();
    }
    assert!(!acknowledged.is_empty() || iterations() < 3, "the load did something");
}

#[test]
fn a_base_path_belongs_to_one_node() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let _first = Chain::on_disk(directory.path(), "manual");
    let second = refused(directory.path());
    assert!(second.contains("another"), "{second}");
}

#[test]
fn a_port_belongs_to_one_node() {
    let first = Chain::start(&["--block-time", "manual"]);
    let port = first.url.rsplit(':').next().expect("a port");
    let second = failure(&["dev", "--rpc-port", port]);
    assert!(second.contains(port), "{second}");
}

#[test]
fn a_damaged_database_is_an_error_and_stays_as_it_is() {
    let directory = tempfile::tempdir().expect("temporary directory");
    Chain::on_disk(directory.path(), "manual").kill();
    let database = std::fs::read_dir(directory.path())
        .expect("reads")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .max_by_key(|path| std::fs::metadata(path).map_or(0, |data| data.len()))
        .expect("a database");
    let garbage = vec![0x5a; 4096];
    std::fs::write(&database, &garbage).expect("writes");
    let broken = refused(directory.path());
    assert!(broken.contains(database.to_str().expect("a path of text")), "{broken}");
    assert_eq!(std::fs::read(&database).expect("reads"), garbage);
}

#[test]
fn another_chains_database_is_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    Chain::on_disk(directory.path(), "manual").kill();
    let path = directory.path().to_str().expect("a path of text");
    let other = failure(&["dev", "--rpc-port", "0", "--base-path", path, "--block-time", "1s"]);
    assert!(other.contains("genesis"), "{other}");
}

fn refused(base_path: &Path) -> String {
    let path = base_path.to_str().expect("a path of text");
    failure(&["dev", "--rpc-port", "0", "--base-path", path, "--block-time", "manual"])
}
