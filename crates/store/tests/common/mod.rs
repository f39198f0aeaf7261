//! A model of a chain with small random states, to compare a store with.
#![allow(dead_code)] // Each test binary uses its own part.

use std::collections::{BTreeMap, BTreeSet};

use myelin_store::{BlockRecord, Config, History, NodeChanges, Number, Snapshot, Store, StoreError};
use sp_crypto_hashing::blake2_256;

/// A node is named by a small number; there are few of them, so that histories bring dead ones back.
pub type NodeName = u8;
pub type State = BTreeSet<NodeName>;

/// How many states one commit discards at most.
const DISCARDED_PER_COMMIT: Number = 16;

pub fn node(name: NodeName) -> (Vec<u8>, Vec<u8>) {
    let value = vec![name; 40];
    let key = [&[name % 5][..], &blake2_256(&value)].concat();
    (key, value)
}

pub fn changes(from: &State, to: &State) -> NodeChanges {
    NodeChanges {
        inserted: to.difference(from).map(|name| node(*name)).collect(),
        removed: from.difference(to).map(|name| node(*name).0).collect(),
    }
}

/// A block whose hash depends on its number, its state and `salt`.
pub fn block(number: Number, state: &State, salt: u8) -> BlockRecord {
    let mut header = number.to_le_bytes().to_vec();
    header.push(salt);
    header.extend(state);
    let body = (0..number % 3).map(|index| [header.as_slice(), &index.to_le_bytes()].concat()).collect();
    BlockRecord { number, header, body, certificate: vec![salt; 3] }
}

/// Every block of a chain with its state.
#[derive(Clone, Default)]
pub struct Model {
    pub blocks: Vec<(BlockRecord, State)>,
    pub oldest_state: Number,
    pub oldest_block: Number,
}

impl Model {
    pub fn start(store: &Store, genesis: State) -> Self {
        let record = block(0, &genesis, 0);
        store.initialize(&record, &changes(&State::new(), &genesis).inserted).unwrap();
        Self { blocks: vec![(record, genesis)], ..Self::default() }
    }

    pub fn tip(&self) -> Number {
        Number::try_from(self.blocks.len()).unwrap() - 1
    }

    pub fn next(&self, state: &State, salt: u8) -> (BlockRecord, NodeChanges) {
        let (_, tip_state) = self.blocks.last().unwrap();
        (block(self.tip() + 1, state, salt), changes(tip_state, state))
    }

    pub fn commit(&mut self, store: &Store, state: State, salt: u8) {
        let (record, changes) = self.next(&state, salt);
        store.commit(&[(record.clone(), changes)]).unwrap();
        self.blocks.push((record, state));
    }

    /// What a commit of the newest block discards: what has left the window, unless it is pinned.
    pub fn discard(&mut self, history: History, pinned: Option<Number>) {
        if let History::Blocks(blocks) = history {
            let window = (self.tip() + 1).saturating_sub(blocks).min(pinned.unwrap_or(Number::MAX));
            self.oldest_state = window.clamp(self.oldest_state, self.oldest_state + DISCARDED_PER_COMMIT);
        }
    }

    /// What it discards of blocks, when the newest `kept` are kept whole.
    pub fn discard_blocks(&mut self, kept: Option<Number>, pinned: Option<Number>) {
        let Some(kept) = kept else { return };
        let window = (self.tip() + 1).saturating_sub(kept).min(pinned.unwrap_or(Number::MAX));
        let first = self.oldest_block.max(1);
        let first = window.clamp(first, first + DISCARDED_PER_COMMIT);
        self.oldest_block = if first > 1 { first } else { 0 };
    }

    /// The store shows exactly these blocks, and exactly the nodes of the kept states.
    pub fn check(&self, snapshot: &Snapshot) {
        self.check_blocks(snapshot);
        assert_eq!(snapshot.oldest_state().unwrap(), self.oldest_state);
        let kept: BTreeMap<_, _> = self.blocks[self.oldest_state as usize..]
            .iter()
            .flat_map(|(_, state)| state.iter().map(|name| node(*name)))
            .collect();
        for (key, value) in &kept {
            assert_eq!(snapshot.node(key).unwrap().as_ref(), Some(value));
        }
        assert_eq!(snapshot.node_count().unwrap(), kept.len() as u64, "nodes beyond the kept states remain");
    }

    pub fn check_blocks(&self, snapshot: &Snapshot) {
        assert_eq!(snapshot.tip().unwrap().number, self.tip());
        assert_eq!(snapshot.genesis(), Some(self.blocks[0].0.hash()));
        assert_eq!(snapshot.oldest_block().unwrap(), self.oldest_block);
        for (record, _) in &self.blocks {
            let is_kept = record.number == 0 || record.number >= self.oldest_block;
            match snapshot.block(record.number) {
                Ok(found) => {
                    assert!(is_kept && found.as_ref() == Some(record), "{record:?}, found {found:?}")
                }
                Err(StoreError::BlockNotKept { number, oldest }) => {
                    assert!(!is_kept && (number, oldest) == (record.number, self.oldest_block), "{record:?}")
                }
                Err(error) => panic!("{error}"),
            }
            assert_eq!(snapshot.header(record.number).unwrap().as_ref(), Some(&record.header));
            assert_eq!(snapshot.number_of(&record.hash()).unwrap(), Some(record.number));
        }
        assert_eq!(snapshot.block(self.tip() + 1).unwrap(), None);
    }
}

pub fn memory() -> Store {
    Store::open(&Config::memory()).unwrap()
}

pub fn state(names: impl IntoIterator<Item = NodeName>) -> State {
    names.into_iter().collect()
}
