//! A whole chain as one sequence of bytes, to carry it elsewhere.
//!
//! Layout: magic, format version, the encoded [`Dump`], and a Blake2b-256 digest of all of that. A dump is outside input:
//! what can be checked without knowing what the bytes mean is checked here, before anything is replaced.

use codec::{Decode, Encode};
use redb::{Key, ReadableTable, TableDefinition, Value, WriteTransaction};
use sp_crypto_hashing::blake2_256;

use crate::{
    contain_panics,
    database::Store,
    error::Hex,
    journal::{JournalRow, NodeTables},
    tables::{self, decode, meta},
    write::{put_meta, BlockTables},
    BlockRecord, Hash, Number, Result, Snapshot, StoreError, Tip,
};

/// What every dump begins with.
pub const DUMP_MAGIC: [u8; 8] = *b"myelindb";
const DUMP_VERSION: u32 = 1;
const DIGEST_BYTES: usize = 32;

/// All blocks, and every state that is kept. Node-level records are not part of it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Dump {
    /// Every block from 0 to the tip.
    pub blocks: Vec<BlockRecord>,
    /// Every state node: key and encoded node.
    pub nodes: Vec<(Vec<u8>, Vec<u8>)>,
    /// The oldest block whose state is kept.
    pub oldest_state: Number,
    pub(crate) journal: Vec<(Number, JournalRow)>,
    pub(crate) revived: Vec<(Vec<u8>, Number)>,
}

impl Dump {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = (DUMP_MAGIC, DUMP_VERSION, self).encode();
        let digest = blake2_256(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    /// Reads and checks bytes: digest, version, block numbers, and that each node has its hash.
    ///
    /// # Errors
    /// [`StoreError::BadDump`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bad = |text: String| StoreError::BadDump(text);
        let split = bytes.len().checked_sub(DIGEST_BYTES).ok_or_else(|| bad("it is too short".to_owned()))?;
        let (content, digest) = bytes.split_at(split);
        let mut input = content
            .strip_prefix(&DUMP_MAGIC)
            .ok_or_else(|| bad("it does not start as a dump does".to_owned()))?;
        if blake2_256(content) != digest {
            return Err(bad("its digest does not match, so it is damaged or cut off".to_owned()));
        }
        let version = u32::decode(&mut input).map_err(|error| bad(error.to_string()))?;
        if version != DUMP_VERSION {
            return Err(bad(format!("it has version {version}, this program reads version {DUMP_VERSION}")));
        }
        let dump: Self = codec::DecodeAll::decode_all(&mut input).map_err(|error| bad(error.to_string()))?;
        dump.check().map_err(bad)?;
        Ok(dump)
    }

    /// Hash of block 0.
    pub fn genesis(&self) -> Option<Hash> {
        self.blocks.first().map(BlockRecord::hash)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let numbers = self.blocks.iter().map(|block| block.number);
        if self.blocks.is_empty() || !numbers.eq((0..).take(self.blocks.len())) {
            return Err("its blocks are not numbered from 0 on".to_owned());
        }
        let kept = self.oldest_state as usize..self.blocks.len();
        if kept.is_empty() || !self.journal.iter().all(|(number, _)| kept.contains(&(*number as usize))) {
            return Err("its states do not belong to its blocks".to_owned());
        }
        match self.nodes.iter().find(|(key, node)| !key.ends_with(&blake2_256(node))) {
            Some((key, _)) => Err(format!("the state node {} has another hash", Hex(key))),
            None => Ok(()),
        }
    }
}

impl Store {
    /// The whole chain.
    ///
    /// # Errors
    /// [`StoreError::Empty`] when there is none.
    pub fn export(&self) -> Result<Dump> {
        let snapshot = self.snapshot()?;
        contain_panics(|| read_dump(&snapshot)).map_err(StoreError::corrupt)?
    }

    /// Replaces the chain, if there is one, by another. Node-level records stay.
    ///
    /// # Errors
    /// Whatever the database reports; the chain is as it was then.
    pub fn import(&self, dump: &Dump) -> Result<()> {
        self.write(|transaction| {
            clear(transaction)?;
            write_dump(transaction, dump)
        })
    }
}

fn read_dump(snapshot: &Snapshot) -> Result<Dump> {
    let tip = snapshot.tip()?;
    let missing = |number| StoreError::corrupt(format_args!("block {number} is missing"));
    let blocks = (0..=tip.number).map(|number| snapshot.block(number)?.ok_or_else(|| missing(number)));
    let transaction = snapshot.transaction();
    let mut dump = Dump {
        blocks: blocks.collect::<Result<_>>()?,
        nodes: Vec::new(),
        oldest_state: snapshot.oldest_state()?,
        journal: Vec::new(),
        revived: Vec::new(),
    };
    for row in transaction.open_table(tables::NODES)?.iter()? {
        let (key, node) = row?;
        dump.nodes.push((key.value().to_vec(), node.value().to_vec()));
    }
    for row in transaction.open_table(tables::JOURNAL)?.iter()? {
        let (number, row) = row?;
        dump.journal.push((number.value(), decode(row.value())?));
    }
    for row in transaction.open_table(tables::REVIVED)?.iter()? {
        let (key, number) = row?;
        dump.revived.push((key.value().to_vec(), number.value()));
    }
    Ok(dump)
}

fn clear(transaction: &WriteTransaction) -> Result<()> {
    clear_table(transaction, tables::HEADERS)?;
    clear_table(transaction, tables::BODIES)?;
    clear_table(transaction, tables::CERTIFICATES)?;
    clear_table(transaction, tables::NUMBERS)?;
    clear_table(transaction, tables::NODES)?;
    clear_table(transaction, tables::JOURNAL)?;
    clear_table(transaction, tables::REVIVED)
}

fn clear_table<K: Key + 'static, V: Value + 'static>(
    transaction: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<()> {
    transaction.delete_table(table)?;
    transaction.open_table(table)?;
    Ok(())
}

fn write_dump(transaction: &WriteTransaction, dump: &Dump) -> Result<()> {
    let mut node_tables = NodeTables::open(transaction)?;
    for (key, node) in &dump.nodes {
        node_tables.nodes.insert(key.as_slice(), node.as_slice())?;
    }
    for (number, row) in &dump.journal {
        node_tables.record(*number, row)?;
    }
    for (key, number) in &dump.revived {
        node_tables.revived.insert(key.as_slice(), *number)?;
    }
    drop(node_tables);
    let mut block_tables = BlockTables::open(transaction)?;
    dump.blocks.iter().try_for_each(|block| block_tables.insert(block))?;
    if let (Some(genesis), Some(tip)) = (dump.blocks.first(), dump.blocks.last()) {
        put_meta(transaction, meta::GENESIS, &genesis.hash())?;
        put_meta(transaction, meta::OLDEST_STATE, &dump.oldest_state)?;
        put_meta(transaction, meta::TIP, &Tip { number: tip.number, hash: tip.hash() })?;
    }
    Ok(())
}
