//! Pruning and reverting, against a model.

mod common;

use common::*;
use myelin_store::{Config, History, Store, StoreError};
use proptest::prelude::*;

#[test]
fn pruning_keeps_exactly_the_window() {
    let store = Store::open(&Config::memory().with_history(History::Blocks(4))).unwrap();
    let mut model = Model::start(&store, state([0]));
    for number in 1..30u8 {
        model.commit(&store, state([number, number / 2]), 0);
        model.oldest_state = u32::from(number).saturating_sub(3);
        model.check(&store.snapshot().unwrap());
    }
}

#[test]
fn an_archive_keeps_everything() {
    let store = Store::open(&Config::memory().with_history(History::Archive)).unwrap();
    let mut model = Model::start(&store, state([0]));
    for number in 1..600u32 {
        model.commit(&store, state([number as u8, 3]), (number / 256) as u8);
    }
    model.check(&store.snapshot().unwrap());
}

#[test]
fn a_pin_keeps_states_until_it_is_dropped() {
    let store = Store::open(&Config::memory().with_history(History::Blocks(2))).unwrap();
    let mut model = Model::start(&store, state([0]));
    (1..4).for_each(|name| model.commit(&store, state([name]), 0));
    let pin = store.pin(3);
    (4..60).for_each(|name| model.commit(&store, state([name]), 0));
    model.oldest_state = 3;
    model.check(&store.snapshot().unwrap());
    drop(pin);
    // One commit discards a bounded number of states, so it takes a few to catch up.
    (60..64).for_each(|name| model.commit(&store, state([name]), 0));
    model.oldest_state = 62;
    model.check(&store.snapshot().unwrap());
}

#[test]
fn a_shorter_window_takes_effect_on_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config::directory(directory.path());
    let store = Store::open(&config.clone().with_history(History::Blocks(20))).unwrap();
    let mut model = Model::start(&store, state([0]));
    (1..30).for_each(|name| model.commit(&store, state([name, name / 3]), 0));
    drop(store);
    let store = Store::open(&config.with_history(History::Blocks(2))).unwrap();
    (30..33).for_each(|name| model.commit(&store, state([name]), 0));
    model.oldest_state = 31;
    model.check(&store.snapshot().unwrap());
}

#[test]
fn a_shorter_history_of_blocks_leaves_headers_and_the_genesis() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config::directory(directory.path()).with_history(History::Blocks(2));
    let store = Store::open(&config).unwrap();
    let mut model = Model::start(&store, state([0]));
    (1..40).for_each(|name| model.commit(&store, state([name]), 0));
    drop(store);
    let store = Store::open(&config.with_block_history(History::Blocks(5))).unwrap();
    for name in 40..44 {
        model.commit(&store, state([name]), 0);
        model.discard_blocks(Some(5), None);
    }
    (model.oldest_state, model.oldest_block) = (42, 39);
    model.check(&store.snapshot().unwrap());
    assert!(matches!(store.export(), Err(StoreError::BlockNotKept { number: 1, oldest: 39 })));
}

#[test]
fn reverting_is_refused_where_nothing_is_kept() {
    let store = Store::open(&Config::memory().with_history(History::Blocks(2))).unwrap();
    let mut model = Model::start(&store, state([0]));
    (1..6).for_each(|name| model.commit(&store, state([name]), 0));
    model.oldest_state = 4;
    assert!(matches!(store.revert_to(3), Err(StoreError::StateNotKept { number: 3, oldest: 4 })));
    assert!(matches!(store.revert_to(6), Err(StoreError::NoSuchBlock { number: 6, tip: 5 })));
    model.check(&store.snapshot().unwrap());
}

#[derive(Clone, Debug)]
enum Step {
    Commit(State),
    /// Several blocks, of which only the newest state is kept where that is allowed.
    CommitNewest(Vec<State>),
    /// Back by this many blocks, as far as states are kept.
    Revert(u32),
    Pin,
    Unpin,
}

fn any_state() -> impl Strategy<Value = State> {
    proptest::collection::btree_set(0..12u8, 0..6)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => any_state().prop_map(Step::Commit),
        3 => proptest::collection::vec(any_state(), 0..5).prop_map(Step::CommitNewest),
        2 => (0..6u32).prop_map(Step::Revert),
        1 => Just(Step::Pin),
        1 => Just(Step::Unpin),
    ]
}

fn history() -> impl Strategy<Value = History> {
    prop_oneof![(1..6u32).prop_map(History::Blocks), Just(History::Archive)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_leaves_exactly_the_kept_states(
        history in history(),
        block_history in history(),
        genesis in any_state(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let config = Config::memory().with_history(history).with_block_history(block_history);
        let store = Store::open(&config).unwrap();
        let kept = match (history, block_history) {
            (History::Blocks(states), History::Blocks(blocks)) => Some(blocks.max(states)),
            _ => None,
        };
        let mut model = Model::start(&store, genesis);
        let mut pins = Vec::<myelin_store::Pin>::new();
        for (salt, step) in (0u8..).zip(steps) {
            match step {
                Step::Commit(state) => {
                    let pinned = pins.iter().map(myelin_store::Pin::number).min();
                    model.commit(&store, state, salt);
                    model.discard(history, pinned);
                    model.discard_blocks(kept, pinned);
                }
                Step::CommitNewest(states) => {
                    let pinned = pins.iter().map(myelin_store::Pin::number).min();
                    let before = model.tip();
                    let blocks: Vec<_> = states.into_iter().map(|state| {
                        let next = model.next(&state, salt);
                        model.blocks.push((next.0.clone(), state));
                        model.discard(history, pinned);
                        model.discard_blocks(kept, pinned);
                        next
                    }).collect();
                    store.commit_newest_state(&blocks).unwrap();
                    // A second time does nothing.
                    store.commit_newest_state(&blocks).unwrap();
                    if model.tip() > before && history != History::Archive && pinned.is_none() {
                        model.oldest_state = model.tip();
                    }
                }
                Step::Revert(back) => {
                    let number = model.tip().saturating_sub(back).max(model.oldest_state);
                    store.revert_to(number).unwrap();
                    model.blocks.truncate(number as usize + 1);
                    pins.retain(|pin| pin.number() <= number);
                }
                Step::Pin => pins.push(store.pin(model.tip())),
                Step::Unpin => drop(pins.pop()),
            }
            model.check(&store.snapshot().unwrap());
        }
    }
}
