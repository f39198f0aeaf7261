//! Files that something else has changed, and disks that are full.

#![allow(clippy::print_stderr)] // Says when a system does not let it test everything.

mod common;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use common::*;
use myelin_store::{Config, Store, StoreError};
use proptest::prelude::*;

fn file(directory: &Path) -> PathBuf {
    directory.join("chain.redb")
}

/// A closed store with some blocks, and what is in it.
fn written() -> (tempfile::TempDir, Model) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&Config::directory(directory.path())).unwrap();
    let mut model = Model::start(&store, state([0]));
    (1..40).for_each(|name| model.commit(&store, state([name, name / 2]), 0));
    (directory, model)
}

/// Reads everything there is; the first error ends it.
fn read_all(store: &Store) -> Result<(), StoreError> {
    let snapshot = store.snapshot()?;
    for number in 0..=snapshot.tip()?.number {
        let record = snapshot.block(number)?.ok_or(StoreError::Empty)?;
        snapshot.number_of(&record.hash())?;
    }
    (0..=255).try_for_each(|name| snapshot.node(&node(name).0).map(drop))?;
    snapshot.records(b"")?;
    store.export().map(drop)
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("chain.redb"), vec![0x5a; 100_000]).unwrap();
    let error = Store::open(&Config::directory(directory.path())).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("chain.redb"), "{error}");
}

#[test]
fn an_empty_file_is_not_taken_for_a_new_database() {
    let (directory, _) = written();
    let path = file(directory.path());
    fs::write(&path, b"").unwrap();
    let error = Store::open(&Config::directory(directory.path())).err().unwrap();
    assert!(matches!(error, StoreError::EmptyFile { .. }), "{error:?}");
    let words = error.to_string();
    assert!(words.contains("chain.redb is empty") && words.contains("Restore a backup"), "{words}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0, "it was written to");
}

#[test]
fn a_chain_that_ends_earlier_than_before_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config::directory(directory.path());
    let store = Store::open(&config).unwrap();
    let mut model = Model::start(&store, state([0]));
    model.commit(&store, state([1, 0]), 0);
    drop(store);
    let early = fs::read(file(directory.path())).unwrap();
    let store = Store::open(&config).unwrap();
    assert_eq!(store.lost_tip(), None);
    (2..10).for_each(|name| model.commit(&store, state([name, name / 2]), 0));
    drop(store);

    fs::write(file(directory.path()), early).unwrap();
    let store = Store::open(&config).unwrap();
    assert_eq!(store.lost_tip(), Some(9));
    drop(store);
    let store = Store::open(&config).unwrap();
    assert_eq!(store.lost_tip(), None, "it goes on from here");
    store.revert_to(0).unwrap();
    drop(store);
    assert_eq!(Store::open(&config).unwrap().lost_tip(), None, "blocks that were taken back are not lost");
    fs::write(directory.path().join("chain.tip"), b"garbage").unwrap();
    assert_eq!(Store::open(&config).unwrap().lost_tip(), None);
}

#[test]
fn half_a_file_is_refused_and_stays_as_it_is() {
    let (directory, _) = written();
    let path = file(directory.path());
    let bytes = fs::read(&path).unwrap();
    let half = &bytes[..bytes.len() / 2];
    fs::write(&path, half).unwrap();
    let error = Store::open(&Config::directory(directory.path())).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("chain.redb"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), half);
}

#[test]
fn a_database_that_cannot_be_made_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let tiny = Config { max_bytes: Some(1), ..Config::directory(directory.path()) };
    let error = Store::open(&tiny).err().unwrap();
    assert!(matches!(error, StoreError::DiskFull), "{error:?}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    Store::open(&Config::directory(directory.path())).unwrap();
    assert_eq!(file(directory.path()), directory.path().join("chain.redb"));
}

#[test]
fn a_path_that_cannot_be_a_directory_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Store::open(&Config::directory(file.path().join("below"))).err().unwrap();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("check that the path is a directory"), "{error}");
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Store::open(&Config::directory(directory.path())).unwrap();
    let error = Store::open(&Config::directory(directory.path())).err().unwrap();
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
}

#[test]
fn another_format_version_is_refused() {
    let (directory, _) = written();
    let database = redb::Database::open(file(directory.path())).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    transaction.open_table(meta).unwrap().insert("format", 99u32.to_le_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Store::open(&Config::directory(directory.path())).err().unwrap();
    assert!(matches!(error, StoreError::FormatVersion { found: 99, expected: 2 }), "{error:?}");
}

/// Without a cache, what is read is in the file, and not in memory. With one, a transaction is written in another order.
const CACHES: [usize; 2] = [0, myelin_store::DEFAULT_CACHE_BYTES];

/// Commits large blocks until the database refuses, checks that it then refuses everything, has lost nothing and can still be
/// read, and closes it.
fn fill(config: &Config) -> Model {
    let store = Store::open(config).unwrap();
    let mut model = Model::start(&store, state([0]));
    let mut snapshot = store.snapshot().unwrap();
    let error = loop {
        let (mut record, changes) = model.next(&state([1]), 0);
        record.certificate = vec![1; 400_000];
        match store.commit(&[(record.clone(), changes.clone())]) {
            Ok(()) => model.blocks.push((record, state([1]))),
            Err(error) => break error,
        }
        snapshot = store.snapshot().unwrap();
        assert!(model.tip() < 100, "the limit has no effect");
    };
    assert!(matches!(error, StoreError::DiskFull), "{error:?}");
    assert!(model.tip() > 2, "there was room for some blocks");
    let (next, changes) = model.next(&state([2]), 0);
    assert!(
        matches!(store.commit(&[(next.clone(), changes.clone())]), Err(StoreError::Closed { .. })),
        "writing went on"
    );
    model.check(&snapshot);
    assert!(matches!(store.snapshot(), Err(StoreError::Closed { .. })), "what is not on disk is shown");
    model
}

/// Goes on where [`fill`] ended, with more room.
fn go_on(directory: &Path, model: &mut Model) {
    let store = Store::open(&Config::directory(directory)).unwrap();
    model.check_blocks(&store.snapshot().unwrap());
    model.commit(&store, state([2]), 0);
    model.check_blocks(&store.snapshot().unwrap());
}

#[test]
fn a_database_that_reaches_its_limit_stops_writing_and_loses_nothing() {
    for cache_bytes in CACHES {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { max_bytes: Some(6 << 20), cache_bytes, ..Config::directory(directory.path()) };
        go_on(directory.path(), &mut fill(&config));
    }
}

#[test]
fn writers_that_race_for_the_last_room_are_told_what_is_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config { max_bytes: Some(3 << 20), ..Config::directory(directory.path()) };
    let store = Store::open(&config).unwrap();
    let write = |writer: u8| {
        let key = |number: u8| vec![writer, number];
        (0..)
            .take_while(|number| store.put_record(&key(*number), &[*number; 60_000]).is_ok())
            .map(key)
            .collect()
    };
    let written: Vec<Vec<Vec<u8>>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6).map(|writer| scope.spawn(move || write(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    drop(store);
    let store = Store::open(&Config::directory(directory.path())).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(written.iter().map(Vec::len).sum::<usize>() > 6);
    for key in written.into_iter().flatten() {
        assert!(snapshot.record(&key).unwrap().is_some(), "{key:?} is lost");
    }
}

/// Tells the child where to fill a disk.
const FULL_DISK: &str = "MYELIN_FULL_DISK";
/// Makes room when it is removed.
const BALLAST: &str = "ballast";
/// What the child says at its end, with the number of blocks that it could write.
const FILLED: &str = "filled after block ";

/// The child: fills the place that it was given, whose limits are the operating system's. Does nothing in an ordinary test
/// run.
#[test]
fn child_fills_a_disk() {
    let Some(directory) = std::env::var_os(FULL_DISK).map(PathBuf::from) else { return };
    let mut tip = 0;
    for cache_bytes in CACHES {
        fs::write(directory.join(BALLAST), vec![1; 3 << 20]).unwrap();
        let database = directory.join("database");
        let mut model = fill(&Config { cache_bytes, ..Config::directory(&database) });
        tip = model.tip();
        fs::remove_file(directory.join(BALLAST)).unwrap();
        go_on(&database, &mut model);
        fs::remove_dir_all(&database).unwrap();
    }
    writeln!(std::io::stdout(), "{FILLED}{tip}").unwrap();
}

/// Runs the child in a shell after `prepare`, which limits what it can write to `$MYELIN_FULL_DISK`.
fn fill_limited(shell: &[&str], prepare: &str) -> std::io::Result<Output> {
    let directory = tempfile::tempdir().unwrap();
    Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", &format!("{prepare}; exec \"$0\" child_fills_a_disk --exact --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(FULL_DISK, directory.path())
        .output()
}

fn assert_filled(output: &Output) {
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains(FILLED), "{}: {told} {errors}", output.status);
}

/// The system refuses to let the file grow, as it does with a quota.
#[test]
fn a_file_that_may_not_grow_stops_writing_and_loses_nothing() {
    // In blocks of 512 bytes. Without the trap, the signal would end the process before the error is seen.
    assert_filled(&fill_limited(&["sh"], "trap '' XFSZ; ulimit -f 12288").unwrap());
}

/// A file system without free blocks: growing the file succeeds, filling it fails, in the middle of a transaction.
#[test]
fn a_full_file_system_stops_writing_and_loses_nothing() {
    const NOT_MOUNTED: &str = "not mounted";
    let mount =
        format!("mount -t tmpfs -o size=10m tmpfs \"${FULL_DISK}\" || {{ echo {NOT_MOUNTED}; exit 1; }}");
    match fill_limited(&["unshare", "--map-root-user", "--mount", "sh"], &mount) {
        Ok(output) if !output.stdout.is_empty() && !output.stdout.starts_with(NOT_MOUNTED.as_bytes()) => {
            assert_filled(&output)
        }
        // Not every system lets a user make namespaces and mount there.
        _ => eprintln!("no file system could be mounted; only the limit on file sizes is tested here"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_gives_errors_or_the_truth(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..64),
        verify in any::<bool>(),
    ) {
        let (directory, model) = written();
        let path = file(directory.path());
        let mut bytes = fs::read(&path).unwrap();
        for (position, value) in damage {
            let position = position.index(bytes.len());
            bytes[position] = value;
        }
        fs::write(&path, bytes).unwrap();
        check_damaged(directory.path(), verify, &model);
    }

    #[test]
    fn a_cut_off_file_gives_errors_or_the_truth(
        length in any::<prop::sample::Index>(),
        verify in any::<bool>(),
    ) {
        let (directory, model) = written();
        let path = file(directory.path());
        let length = length.index(fs::metadata(&path).unwrap().len() as usize);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length as u64).unwrap();
        check_damaged(directory.path(), verify, &model);
    }
}

/// Opening and reading end soon, without a panic, and what is read without an error is what was written.
fn check_damaged(directory: &Path, verify: bool, model: &Model) {
    let started = Instant::now();
    let config = Config { verify, ..Config::directory(directory) };
    if let Ok(store) = Store::open(&config) {
        if read_all(&store).is_ok() {
            let snapshot = store.snapshot().unwrap();
            for number in 0..=snapshot.tip().unwrap().number {
                assert_eq!(snapshot.block(number).unwrap().unwrap(), model.blocks[number as usize].0);
            }
        }
        let (record, changes) = model.next(&state([77]), 7);
        // Either it works or it says why not.
        let _ = store.commit(&[(record.clone(), changes.clone())]);
    }
    assert!(started.elapsed().as_secs() < 10, "took {:?}", started.elapsed());
}
