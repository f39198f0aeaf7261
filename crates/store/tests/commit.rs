//! What a commit does, and what it refuses.

mod common;

use common::*;
use myelin_store::{Config, History, NodeChanges, Store, StoreError};

#[test]
fn committed_blocks_are_read_back_whole() {
    let store = memory();
    let mut model = Model::start(&store, state([1, 2]));
    for number in 1..20u8 {
        model.commit(&store, state([number, number + 1]), number);
    }
    model.check(&store.snapshot().unwrap());
}

#[test]
fn a_snapshot_does_not_see_later_commits() {
    let store = memory();
    let mut model = Model::start(&store, state([1]));
    let before = (store.snapshot().unwrap(), model.clone());
    model.commit(&store, state([2]), 0);
    before.1.check(&before.0);
    model.check(&store.snapshot().unwrap());
}

#[test]
fn repeating_a_commit_does_nothing() {
    let store = memory();
    let mut model = Model::start(&store, state([1]));
    let (record, changes) = model.next(&state([1, 2]), 0);
    model.commit(&store, state([1, 2]), 0);
    model.commit(&store, state([3]), 0);
    store.commit(&[(record.clone(), changes.clone())]).unwrap();
    model.check(&store.snapshot().unwrap());
}

#[test]
fn another_block_at_a_committed_height_is_refused_loudly() {
    let store = memory();
    let mut model = Model::start(&store, state([1]));
    let (other, changes) = model.next(&state([1]), 9);
    model.commit(&store, state([1, 2]), 0);
    let error = store.commit(&[(other.clone(), changes.clone())]).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { number: 1, .. }), "{error}");
    assert!(error.to_string().contains("refusing to fork"), "{error}");
    model.check(&store.snapshot().unwrap());
    model.commit(&store, state([4]), 0);
    model.check(&store.snapshot().unwrap());
}

#[test]
fn a_gap_is_refused() {
    let store = memory();
    let model = Model::start(&store, state([1]));
    let error = store.commit(&[(block(2, &state([1]), 0), NodeChanges::default())]).unwrap_err();
    assert!(matches!(error, StoreError::NotNext { tip: 0, offered: 2 }), "{error}");
    model.check(&store.snapshot().unwrap());
}

#[test]
fn a_store_without_a_chain_says_so() {
    let store = memory();
    assert!(matches!(store.snapshot().unwrap().tip(), Err(StoreError::Empty)));
    assert!(matches!(
        store.commit(&[(block(1, &state([]), 0), NodeChanges::default())]),
        Err(StoreError::Empty)
    ));
    assert!(matches!(store.revert_to(0), Err(StoreError::Empty)));
    assert!(matches!(store.export(), Err(StoreError::Empty)));
}

#[test]
fn a_chain_starts_once() {
    let store = memory();
    let model = Model::start(&store, state([1]));
    let error = store.initialize(&block(0, &state([2]), 0), &[]).unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty(found) if found == model.blocks[0].0.hash()), "{error}");
}

#[test]
fn records_are_removed_and_written_together() {
    let store = memory();
    for key in [b"a", b"b", b"c"] {
        store.put_record(key, b"old").unwrap();
    }
    let written = [(b"b".to_vec(), b"new".to_vec()), (b"d".to_vec(), b"new".to_vec())];
    store.update_records(&[b"a".to_vec(), b"b".to_vec(), b"none".to_vec()], &written).unwrap();
    let found = store.snapshot().unwrap().records(b"").unwrap();
    let expected = [(b"b", b"new"), (b"c", b"old"), (b"d", b"new")];
    assert_eq!(found, expected.map(|(key, value)| (key.to_vec(), value.to_vec())));
}

#[test]
fn records_are_kept_by_key_and_prefix() {
    let store = memory();
    for (key, value) in [("vote/2", "b"), ("vote/1", "a"), ("wote", "c")] {
        store.put_record(key.as_bytes(), value.as_bytes()).unwrap();
    }
    store.put_record(b"vote/1", b"z").unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.record(b"vote/1").unwrap().unwrap(), b"z");
    let found = snapshot.records(b"vote/").unwrap();
    assert_eq!(found, [(b"vote/1".to_vec(), b"z".to_vec()), (b"vote/2".to_vec(), b"b".to_vec())]);
    assert_eq!(store.remove_records(b"vote/").unwrap(), 2);
    let left = store.snapshot().unwrap().records(b"").unwrap();
    assert_eq!(left, [(b"wote".to_vec(), b"c".to_vec())]);
}

#[test]
fn everything_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config::directory(directory.path()).with_history(History::Blocks(3));
    let store = Store::open(&config).unwrap();
    let mut model = Model::start(&store, state([1, 2]));
    for number in 1..10u8 {
        model.commit(&store, state([number, 3]), number);
    }
    model.oldest_state = 7;
    drop(store);
    model.check(&Store::open(&config).unwrap().snapshot().unwrap());
}

#[test]
fn several_blocks_are_committed_at_once() {
    let (at_once, one_by_one) = (window_of_three(), window_of_three());
    let (mut model, mut other) = (Model::start(&at_once, state([1])), Model::start(&one_by_one, state([1])));
    let mut blocks = Vec::new();
    for number in 1..12u8 {
        other.commit(&one_by_one, state([number % 4]), 0);
        let (record, changes) = model.next(&state([number % 4]), 0);
        model.blocks.push((record.clone(), state([number % 4])));
        blocks.push((record, changes));
    }
    at_once.commit(&blocks[..7]).unwrap();
    // The first ones are there already.
    at_once.commit(&blocks[3..]).unwrap();
    (model.oldest_state, other.oldest_state) = (9, 9);
    other.check(&one_by_one.snapshot().unwrap());
    model.check(&at_once.snapshot().unwrap());
}

fn window_of_three() -> Store {
    Store::open(&Config::memory().with_history(History::Blocks(3))).unwrap()
}

#[test]
fn a_refused_batch_leaves_nothing_behind() {
    let store = memory();
    let model = Model::start(&store, state([1]));
    let (record, changes) = model.next(&state([2]), 0);
    let gap = (block(3, &state([4]), 0), Default::default());
    let error = store.commit(&[(record, changes), gap]).unwrap_err();
    assert!(matches!(error, StoreError::NotNext { tip: 1, offered: 3 }), "{error}");
    model.check(&store.snapshot().unwrap());
}

#[test]
fn what_was_committed_survives_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&Config::directory(directory.path())).unwrap();
    let mut model = Model::start(&store, state([1]));
    for name in 2..9 {
        model.commit(&store, state([name]), 0);
        model.check(&as_after_a_crash(directory.path()).snapshot().unwrap());
    }
}

/// Opens a copy of the files as they are now, as if the process had just been killed.
fn as_after_a_crash(directory: &std::path::Path) -> Store {
    let copy = tempfile::tempdir().unwrap().keep();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let store = Store::open(&Config::directory(&copy)).unwrap();
    std::fs::remove_dir_all(&copy).unwrap();
    store
}
