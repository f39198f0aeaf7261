//! Which nodes each block added and made unreachable, and what to delete when a state leaves the window.

use std::collections::{BTreeMap, BTreeSet};

use codec::{Decode, Encode};
use redb::{ReadableTable, Table, WriteTransaction};

use crate::{
    tables::{decode, JOURNAL, NODES, REVIVED},
    NodeChanges, Number, Result,
};

/// What one block did to the set of nodes.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct JournalRow {
    /// Keys that were not in the database before.
    pub born: Vec<Vec<u8>>,
    /// Keys that were there, their death pending.
    pub revived: Vec<Vec<u8>>,
    /// Keys that no later state contains, unless they are revived.
    pub died: Vec<Vec<u8>>,
}

/// What several blocks that follow each other change together.
#[derive(Default)]
pub struct NetChanges<'a> {
    /// Nodes that the last state has and the first had not. In order of their keys: neighbours lie next to each other.
    inserted: BTreeMap<&'a [u8], &'a [u8]>,
    /// Keys of nodes that the first state had and the last has not.
    removed: BTreeSet<&'a [u8]>,
}

impl<'a> NetChanges<'a> {
    /// Adds what the next block changes.
    pub fn add(&mut self, changes: &'a NodeChanges) {
        for key in &changes.removed {
            if self.inserted.remove(key.as_slice()).is_none() {
                self.removed.insert(key);
            }
        }
        for (key, node) in &changes.inserted {
            if !self.removed.remove(key.as_slice()) {
                self.inserted.insert(key, node);
            }
        }
    }
}

/// The tables that node changes touch, open for writing.
pub struct NodeTables<'txn> {
    pub nodes: Table<'txn, &'static [u8], &'static [u8]>,
    pub journal: Table<'txn, Number, &'static [u8]>,
    pub revived: Table<'txn, &'static [u8], Number>,
}

impl<'txn> NodeTables<'txn> {
    pub fn open(transaction: &'txn WriteTransaction) -> Result<Self> {
        Ok(Self {
            nodes: transaction.open_table(NODES)?,
            journal: transaction.open_table(JOURNAL)?,
            revived: transaction.open_table(REVIVED)?,
        })
    }

    /// Writes what block `number` does to the nodes, and its journal row.
    pub fn apply(&mut self, number: Number, changes: &NodeChanges) -> Result<()> {
        let mut row = self.insert(number, &changes.inserted)?;
        row.died.clone_from(&changes.removed);
        self.record(number, &row)
    }

    /// Writes the nodes that block `number` adds; returns its journal row, without deaths.
    pub fn insert(&mut self, number: Number, nodes: &[(Vec<u8>, Vec<u8>)]) -> Result<JournalRow> {
        let mut row = JournalRow { born: Vec::with_capacity(nodes.len()), ..JournalRow::default() };
        for (key, node) in nodes {
            if self.nodes.insert(key.as_slice(), node.as_slice())?.is_none() {
                row.born.push(key.clone());
            } else {
                self.revived.insert(key.as_slice(), number)?;
                row.revived.push(key.clone());
            }
        }
        Ok(row)
    }

    /// Writes the journal row of block `number`.
    pub fn record(&mut self, number: Number, row: &JournalRow) -> Result<()> {
        self.journal.insert(number, row.encode().as_slice())?;
        Ok(())
    }

    /// The oldest block that has a journal row.
    pub fn oldest(&self) -> Result<Option<Number>> {
        Ok(self.journal.first()?.map(|(number, _)| number.value()))
    }

    /// Takes a journal row out.
    pub fn take(&mut self, number: Number) -> Result<Option<JournalRow>> {
        self.journal.remove(number)?.map(|row| decode(row.value())).transpose()
    }

    /// Applies the deaths of block `number`, which discards the state of the block before it.
    pub fn bury(&mut self, number: Number, row: &JournalRow) -> Result<()> {
        for key in &row.died {
            if !self.revived_after(key, number)? {
                self.nodes.remove(key.as_slice())?;
            }
        }
        for key in &row.revived {
            self.forget_revival(key, number)?;
        }
        Ok(())
    }

    /// Discards all states, and makes the newest one into what follows from it by `changes`.
    pub fn replace_all_states(&mut self, changes: &NetChanges<'_>) -> Result<()> {
        while let Some(number) = self.oldest()? {
            let row = self.take(number)?.unwrap_or_default();
            self.bury(number, &row)?;
        }
        changes.removed.iter().try_for_each(|key| self.nodes.remove(*key).map(drop))?;
        changes.inserted.iter().try_for_each(|(key, node)| self.nodes.insert(*key, *node).map(drop))?;
        Ok(())
    }

    fn revived_after(&self, key: &[u8], number: Number) -> Result<bool> {
        Ok(self.revived.get(key)?.is_some_and(|revival| revival.value() > number))
    }

    fn forget_revival(&mut self, key: &[u8], number: Number) -> Result<()> {
        let last = self.revived.get(key)?.map(|revival| revival.value());
        if last == Some(number) {
            self.revived.remove(key)?;
        }
        Ok(())
    }
}
