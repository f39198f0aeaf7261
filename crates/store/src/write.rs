//! Writing: genesis, commits with pruning, certificates and records.

use std::borrow::Borrow;

use codec::Encode;
use redb::{ReadableTable, Table, WriteTransaction};

use crate::{
    database::{read_genesis, read_tip, Store},
    journal::{NetChanges, NodeTables},
    tables::{self, meta, seal, HeaderRow},
    BlockRecord, Hash, History, NodeChanges, Number, Result, StoreError, Tip,
};

/// How many journal rows an archive keeps, for reverting.
const ARCHIVE_JOURNAL_ROWS: Number = crate::DEFAULT_HISTORY_BLOCKS;
/// How many states, and how many blocks, one block discards at most, so that catching up after a pin or a longer window stays bounded.
const MAX_DISCARDED_PER_BLOCK: usize = 16;

impl Store {
    /// Starts the chain with its block 0 and the nodes of its state.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] when there is a chain already.
    pub fn initialize(&self, genesis: &BlockRecord, nodes: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        self.write(|transaction| {
            if let Some(found) = read_genesis(&transaction.open_table(tables::META)?)? {
                return Err(StoreError::NotEmpty(found));
            }
            NodeTables::open(transaction)?.insert(0, nodes)?;
            BlockTables::open(transaction)?.insert(genesis)?;
            put_meta(transaction, meta::GENESIS, &genesis.hash())?;
            put_meta(transaction, meta::OLDEST_STATE, &0u32)?;
            put_meta(transaction, meta::TIP, &Tip { number: 0, hash: genesis.hash() })
        })
    }

    /// Moves the tip over `blocks`, which follow each other: states, blocks, certificates, tip and pruning in one
    /// transaction, which is on disk when this returns. Several blocks at once cost much less than one by one.
    ///
    /// A block that is committed already is passed over, so a commit may be repeated after a crash.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for another block at a committed height, [`StoreError::NotNext`] for a gap, and nothing is
    /// written then; whatever the database reports, after which every further write is refused.
    pub fn commit<C: Borrow<NodeChanges>>(&self, blocks: &[(BlockRecord, C)]) -> Result<()> {
        self.write(|transaction| {
            let (mut tip, mut oldest_state) =
                read_tip(&transaction.open_table(tables::META)?)?.ok_or(StoreError::Empty)?;
            let mut block_tables = BlockTables::open(transaction)?;
            let mut node_tables = NodeTables::open(transaction)?;
            for (block, changes) in blocks {
                if block_tables.is_committed(block, tip)? {
                    continue;
                }
                node_tables.apply(block.number, changes.borrow())?;
                block_tables.insert(block)?;
                self.discard_old_blocks(&mut block_tables, block.number)?;
                tip = Tip { number: block.number, hash: block.hash() };
                if let Some(oldest) = self.discard_old_states(&mut node_tables, tip.number)? {
                    oldest_state = oldest;
                }
            }
            drop((block_tables, node_tables));
            put_meta(transaction, meta::OLDEST_STATE, &oldest_state)?;
            put_meta(transaction, meta::TIP, &tip)
        })
    }

    /// Like [`commit`](Self::commit), for a node that is so far behind that it would discard the states of these blocks before
    /// anybody could ask for them: of all states, only the one after the last block is kept. What a block adds and a later one
    /// removes is never written.
    ///
    /// The same as `commit` in an archive, and while a state is [pinned](Self::pin).
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_newest_state<C: Borrow<NodeChanges>>(&self, blocks: &[(BlockRecord, C)]) -> Result<()> {
        if self.history() == History::Archive || self.lowest_pin().is_some() {
            return self.commit(blocks);
        }
        self.write(|transaction| {
            let (mut tip, _) = read_tip(&transaction.open_table(tables::META)?)?.ok_or(StoreError::Empty)?;
            let mut block_tables = BlockTables::open(transaction)?;
            let mut net = NetChanges::default();
            let first = tip.number;
            for (block, changes) in blocks {
                if block_tables.is_committed(block, tip)? {
                    continue;
                }
                net.add(changes.borrow());
                block_tables.insert(block)?;
                self.discard_old_blocks(&mut block_tables, block.number)?;
                tip = Tip { number: block.number, hash: block.hash() };
            }
            if tip.number == first {
                return Ok(());
            }
            NodeTables::open(transaction)?.replace_all_states(&net)?;
            drop(block_tables);
            put_meta(transaction, meta::OLDEST_STATE, &tip.number)?;
            put_meta(transaction, meta::TIP, &tip)
        })
    }

    /// Writes a node-level record, durably. Records are the sequencer's and the node's own; no block depends on them.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub fn put_record(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|transaction| {
            transaction.open_table(tables::RECORDS)?.insert(key, value)?;
            Ok(())
        })
    }

    /// Removes node-level records by their keys and writes others, all in one durable transaction. What is in both is
    /// written.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub fn update_records(&self, removed: &[Vec<u8>], written: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        self.write(|transaction| {
            let mut table = transaction.open_table(tables::RECORDS)?;
            for key in removed {
                table.remove(key.as_slice())?;
            }
            for (key, value) in written {
                table.insert(key.as_slice(), value.as_slice())?;
            }
            Ok(())
        })
    }

    /// Removes the node-level records whose keys start with `prefix`; returns how many there were.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub fn remove_records(&self, prefix: &[u8]) -> Result<usize> {
        let keys: Vec<_> = self.snapshot()?.records(prefix)?.into_iter().map(|(key, _)| key).collect();
        self.write(|transaction| {
            let mut table = transaction.open_table(tables::RECORDS)?;
            keys.iter().try_for_each(|key| table.remove(key.as_slice()).map(drop))?;
            Ok(())
        })?;
        Ok(keys.len())
    }

    /// Discards the states that have left the history window; returns the oldest one that is left, if that changed.
    fn discard_old_states(&self, node_tables: &mut NodeTables<'_>, tip: Number) -> Result<Option<Number>> {
        let (rows_kept, delete_nodes) = match self.history() {
            History::Blocks(blocks) => (blocks.max(1) - 1, true),
            History::Archive => (ARCHIVE_JOURNAL_ROWS, false),
        };
        let newest_discarded = tip.saturating_sub(rows_kept).min(self.lowest_pin().unwrap_or(Number::MAX));
        let mut oldest_state = None;
        for _ in 0..MAX_DISCARDED_PER_BLOCK {
            let Some(number) = node_tables.oldest()?.filter(|number| *number <= newest_discarded) else {
                break;
            };
            let row = node_tables.take(number)?.unwrap_or_default();
            if delete_nodes {
                node_tables.bury(number, &row)?;
                oldest_state = Some(number);
            }
        }
        Ok(oldest_state)
    }

    /// Discards extrinsics and certificates of blocks that have left the history window, but for block 0.
    fn discard_old_blocks(&self, block_tables: &mut BlockTables<'_>, tip: Number) -> Result<()> {
        let Some(kept) = self.shared.blocks_kept else { return Ok(()) };
        let newest_discarded =
            tip.saturating_sub(kept).min(self.lowest_pin().map_or(Number::MAX, |pin| pin.saturating_sub(1)));
        for _ in 0..MAX_DISCARDED_PER_BLOCK {
            match first_whole_block(&block_tables.bodies)? {
                Some(number) if number <= newest_discarded => block_tables.remove_content(number)?,
                _ => break,
            }
        }
        Ok(())
    }
}

/// The oldest block, besides block 0, that is kept whole.
pub fn first_whole_block(bodies: &impl ReadableTable<Number, &'static [u8]>) -> Result<Option<Number>> {
    Ok(bodies.range(1..)?.next().transpose()?.map(|(number, _)| number.value()))
}

/// The tables that hold blocks, open for writing.
pub struct BlockTables<'txn> {
    headers: Table<'txn, Number, &'static [u8]>,
    bodies: Table<'txn, Number, &'static [u8]>,
    certificates: Table<'txn, Number, &'static [u8]>,
    numbers: Table<'txn, Hash, Number>,
}

impl<'txn> BlockTables<'txn> {
    pub fn open(transaction: &'txn WriteTransaction) -> Result<Self> {
        Ok(Self {
            headers: transaction.open_table(tables::HEADERS)?,
            bodies: transaction.open_table(tables::BODIES)?,
            certificates: transaction.open_table(tables::CERTIFICATES)?,
            numbers: transaction.open_table(tables::NUMBERS)?,
        })
    }

    pub fn insert(&mut self, block: &BlockRecord) -> Result<()> {
        let hash = block.hash();
        let header = HeaderRow { hash, header: block.header.clone() }.encode();
        self.headers.insert(block.number, header.as_slice())?;
        self.bodies.insert(block.number, seal(&block.body.encode()).as_slice())?;
        self.certificates.insert(block.number, seal(&block.certificate).as_slice())?;
        self.numbers.insert(hash, block.number)?;
        Ok(())
    }

    pub fn remove(&mut self, number: Number) -> Result<()> {
        let hash = self.hash_of(number)?;
        self.headers.remove(number)?;
        self.numbers.remove(hash)?;
        self.remove_content(number)
    }

    /// Leaves of a block what tells its hash.
    fn remove_content(&mut self, number: Number) -> Result<()> {
        self.bodies.remove(number)?;
        self.certificates.remove(number)?;
        Ok(())
    }

    pub fn hash_of(&self, number: Number) -> Result<Hash> {
        let row = self.headers.get(number)?;
        let row =
            row.ok_or_else(|| StoreError::corrupt(format_args!("the header of block {number} is missing")))?;
        Ok(HeaderRow::read(row.value())?.hash)
    }

    /// Whether `block` is there already; an error when it cannot come after `tip`.
    fn is_committed(&self, block: &BlockRecord, tip: Tip) -> Result<bool> {
        if block.number <= tip.number {
            let (stored, offered) = (self.hash_of(block.number)?, block.hash());
            return match stored == offered {
                true => Ok(true),
                false => Err(StoreError::Conflict { number: block.number, stored, offered }),
            };
        }
        match block.number - 1 == tip.number {
            true => Ok(false),
            false => Err(StoreError::NotNext { tip: tip.number, offered: block.number }),
        }
    }
}

/// Writes a value of the metadata table.
pub fn put_meta(transaction: &WriteTransaction, name: &str, value: &impl Encode) -> Result<()> {
    transaction.open_table(tables::META)?.insert(name, value.encode().as_slice())?;
    Ok(())
}
