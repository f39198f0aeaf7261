//! Taking blocks back, for development chains.

use std::collections::{HashMap, HashSet};

use redb::{ReadableTable, WriteTransaction};

use crate::{
    database::{read_tip, Store},
    journal::NodeTables,
    tables::{self, decode, meta},
    write::{put_meta, BlockTables},
    History, Number, Result, StoreError, Tip,
};

impl Store {
    /// Makes block `number` the tip again, as if the later ones had never been. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlock`] above the tip, [`StoreError::StateNotKept`] below the kept history.
    pub fn revert_to(&self, number: Number) -> Result<()> {
        let keep_unknown = self.history() == History::Archive;
        self.write(|transaction| {
            let (tip, oldest) = read_tip(&transaction.open_table(tables::META)?)?.ok_or(StoreError::Empty)?;
            if number > tip.number {
                return Err(StoreError::NoSuchBlock { number, tip: tip.number });
            }
            if number < oldest {
                return Err(StoreError::StateNotKept { number, oldest });
            }
            revert_nodes(transaction, number, tip.number, keep_unknown)?;
            let mut block_tables = BlockTables::open(transaction)?;
            (number + 1..=tip.number).try_for_each(|later| block_tables.remove(later))?;
            let hash = block_tables.hash_of(number)?;
            put_meta(transaction, meta::TIP, &Tip { number, hash })
        })
    }
}

/// The first thing that the reverted blocks did to a node tells what it was before them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstEvent {
    Born,
    Revived,
    Died,
}

fn revert_nodes(transaction: &WriteTransaction, to: Number, from: Number, keep_unknown: bool) -> Result<()> {
    let mut node_tables = NodeTables::open(transaction)?;
    let mut first_events = HashMap::new();
    for number in (to + 1..=from).rev() {
        let row = node_tables.take(number)?.unwrap_or_default();
        first_events.extend(row.born.into_iter().map(|key| (key, FirstEvent::Born)));
        first_events.extend(row.revived.into_iter().map(|key| (key, FirstEvent::Revived)));
        first_events.extend(row.died.into_iter().map(|key| (key, FirstEvent::Died)));
    }
    let remaining = Remaining::read(&node_tables)?;
    for (key, event) in first_events {
        let lives = match event {
            FirstEvent::Born => false,
            FirstEvent::Died => true,
            FirstEvent::Revived => keep_unknown || remaining.died.contains(&key),
        };
        if !lives {
            node_tables.nodes.remove(key.as_slice())?;
        }
        match remaining.revived.get(&key).filter(|_| lives) {
            Some(number) => node_tables.revived.insert(key.as_slice(), *number)?,
            None => node_tables.revived.remove(key.as_slice())?,
        };
    }
    Ok(())
}

/// What the journal still says after the reverted rows are gone.
struct Remaining {
    died: HashSet<Vec<u8>>,
    revived: HashMap<Vec<u8>, Number>,
}

impl Remaining {
    fn read(node_tables: &NodeTables<'_>) -> Result<Self> {
        let (mut died, mut revived) = (HashSet::new(), HashMap::new());
        for entry in node_tables.journal.iter()? {
            let (number, row) = entry?;
            let row: crate::journal::JournalRow = decode(row.value())?;
            died.extend(row.died);
            revived.extend(row.revived.into_iter().map(|key| (key, number.value())));
        }
        Ok(Self { died, revived })
    }
}
