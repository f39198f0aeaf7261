//! Carrying a chain from one store to another.

mod common;

use common::*;
use myelin_store::{Config, Dump, History, Store, StoreError};

fn filled(history: History) -> (Store, Model) {
    let store = Store::open(&Config::memory().with_history(history)).unwrap();
    let mut model = Model::start(&store, state([0, 5]));
    (1..20).for_each(|name| model.commit(&store, state([name % 4, name / 3]), 0));
    if let History::Blocks(blocks) = history {
        model.oldest_state = 20u32.saturating_sub(blocks);
    }
    (store, model)
}

#[test]
fn a_dump_carries_the_whole_chain_with_its_history() {
    let (source, mut model) = filled(History::Blocks(6));
    let dump = Dump::from_bytes(&source.export().unwrap().to_bytes()).unwrap();
    let target = Store::open(&Config::memory().with_history(History::Blocks(6))).unwrap();
    target.import(&dump).unwrap();
    model.check(&target.snapshot().unwrap());
    // The journal came along: pruning and reverting go on.
    for name in 20..30 {
        model.commit(&target, state([name % 4]), 0);
        model.oldest_state += 1;
    }
    model.check(&target.snapshot().unwrap());
    target.revert_to(26).unwrap();
    model.blocks.truncate(27);
    model.check(&target.snapshot().unwrap());
}

#[test]
fn importing_replaces_another_chain_but_not_the_nodes_records() {
    let (source, model) = filled(History::Archive);
    let (target, _) = filled(History::Blocks(3));
    target.revert_to(18).unwrap();
    target.put_record(b"own", b"kept").unwrap();
    target.import(&source.export().unwrap()).unwrap();
    model.check(&target.snapshot().unwrap());
    assert_eq!(target.snapshot().unwrap().record(b"own").unwrap().unwrap(), b"kept");
}

#[test]
fn a_damaged_dump_is_refused() {
    let (source, _) = filled(History::Blocks(3));
    let bytes = source.export().unwrap().to_bytes();
    let refused = |bytes: &[u8]| matches!(Dump::from_bytes(bytes), Err(StoreError::BadDump(_)));
    for position in (0..bytes.len()).step_by(37) {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1;
        assert!(refused(&damaged), "byte {position} changed unnoticed");
        assert!(refused(&bytes[..position]), "cut off at {position} unnoticed");
    }
    assert!(!refused(&bytes));
}

#[test]
fn a_dump_with_a_right_digest_and_wrong_content_is_refused() {
    let (source, _) = filled(History::Blocks(3));
    let dump = source.export().unwrap();
    let with = |change: fn(&mut Dump)| {
        let mut changed = dump.clone();
        change(&mut changed);
        Dump::from_bytes(&changed.to_bytes()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(with(|dump| drop(dump.blocks.remove(3))).contains("not numbered"));
    assert!(with(|dump| dump.blocks.clear()).contains("not numbered"));
    assert!(with(|dump| dump.oldest_state = 40).contains("do not belong"));
    assert!(with(|dump| dump.nodes[0].1.push(1)).contains("another hash"));
}
