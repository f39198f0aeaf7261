//! Reading: a consistent view of everything at one moment.

use std::borrow::Borrow;

use redb::{Key, ReadOnlyTable, ReadTransaction, ReadableTableMetadata, Value};
use sp_crypto_hashing::blake2_256;

use crate::{
    contain::{contain_panics, DropContained},
    database::{read_genesis, read_tip},
    error::Hex,
    tables::{self, decode, unseal, HeaderRow},
    write::first_whole_block,
    BlockRecord, Hash, Number, Result, StoreError, Tip,
};

/// What the database held when the snapshot was taken. Holding one for long keeps the file from reusing space.
pub struct Snapshot {
    open: DropContained<Open>,
    chain: Option<ChainMeta>,
}

struct Open {
    transaction: ReadTransaction,
    nodes: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

#[derive(Clone, Copy)]
struct ChainMeta {
    genesis: Hash,
    tip: Tip,
    oldest_state: Number,
}

impl Snapshot {
    pub(crate) fn new(transaction: ReadTransaction) -> Result<Self> {
        let meta = transaction.open_table(tables::META)?;
        let chain = match (read_genesis(&meta)?, read_tip(&meta)?) {
            (None, None) => None,
            (Some(genesis), Some((tip, oldest_state))) => Some(ChainMeta { genesis, tip, oldest_state }),
            _ => return Err(StoreError::corrupt("only one of genesis and tip is recorded")),
        };
        let nodes = transaction.open_table(tables::NODES)?;
        Ok(Self { open: DropContained::new(Open { transaction, nodes }), chain })
    }

    pub(crate) fn transaction(&self) -> &ReadTransaction {
        &self.open.transaction
    }

    /// Hash of block 0, or nothing in a store without a chain.
    pub fn genesis(&self) -> Option<Hash> {
        self.chain.map(|chain| chain.genesis)
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`StoreError::Empty`] in a store without a chain.
    pub fn tip(&self) -> Result<Tip> {
        self.chain.map(|chain| chain.tip).ok_or(StoreError::Empty)
    }

    /// The oldest block whose state is kept.
    ///
    /// # Errors
    /// [`StoreError::Empty`] in a store without a chain.
    pub fn oldest_state(&self) -> Result<Number> {
        self.chain.map(|chain| chain.oldest_state).ok_or(StoreError::Empty)
    }

    /// The oldest block from which on all blocks are kept whole; 0 when nothing was discarded.
    ///
    /// # Errors
    /// When the table is damaged.
    pub fn oldest_block(&self) -> Result<Number> {
        let read = || first_whole_block(&self.open.transaction.open_table(tables::BODIES)?);
        let first = contain_panics(read).map_err(StoreError::corrupt)??;
        Ok(first.filter(|number| *number > 1).unwrap_or_default())
    }

    /// The hash of block `number`.
    ///
    /// # Errors
    /// When the row is damaged, as for every reader here.
    pub fn hash_of(&self, number: Number) -> Result<Option<Hash>> {
        Ok(self.header_row(number)?.map(|row| row.hash))
    }

    /// The height of the block with this hash.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn number_of(&self, hash: &Hash) -> Result<Option<Number>> {
        self.read(tables::NUMBERS, hash, Ok)
    }

    /// The encoded header of block `number`.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn header(&self, number: Number) -> Result<Option<Vec<u8>>> {
        Ok(self.header_row(number)?.map(|row| row.header))
    }

    /// The encoded extrinsics of block `number`.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn body(&self, number: Number) -> Result<Option<Vec<Vec<u8>>>> {
        self.read(tables::BODIES, number, |row| decode(unseal("body", number, row)?))
    }

    /// The certificate of block `number`.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn certificate(&self, number: Number) -> Result<Option<Vec<u8>>> {
        self.read(tables::CERTIFICATES, number, |row| Ok(unseal("certificate", number, row)?.to_vec()))
    }

    /// Header, body and certificate of block `number`.
    ///
    /// # Errors
    /// [`StoreError::BlockNotKept`] when it was discarded; when a row is damaged, or only a part of the block is there.
    pub fn block(&self, number: Number) -> Result<Option<BlockRecord>> {
        match (self.header(number)?, self.body(number)?, self.certificate(number)?) {
            (Some(header), Some(body), Some(certificate)) => {
                Ok(Some(BlockRecord { number, header, body, certificate }))
            }
            (None, None, None) => Ok(None),
            (Some(_), None, None) if number < self.oldest_block()? => {
                Err(StoreError::BlockNotKept { number, oldest: self.oldest_block()? })
            }
            _ => Err(StoreError::corrupt(format_args!("a part of block {number} is missing"))),
        }
    }

    /// The trie node under `key`, which ends with the node's hash.
    ///
    /// # Errors
    /// When the row is damaged or holds another node.
    pub fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let read =
            || -> Result<Option<Vec<u8>>> { Ok(self.open.nodes.get(key)?.map(|node| node.value().to_vec())) };
        let node = contain_panics(read).map_err(StoreError::corrupt)??;
        match node {
            Some(node) if !key.ends_with(&blake2_256(&node)) => {
                Err(StoreError::corrupt(format_args!("the state node {} has another hash", Hex(key))))
            }
            node => Ok(node),
        }
    }

    /// How many trie nodes there are, those of all kept states together.
    ///
    /// # Errors
    /// When the table is damaged.
    pub fn node_count(&self) -> Result<u64> {
        let count = || -> Result<u64> { Ok(self.open.nodes.len()?) };
        contain_panics(count).map_err(StoreError::corrupt)?
    }

    /// A node-level record; see [`Store::put_record`](crate::Store::put_record).
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(tables::RECORDS, key, |value| Ok(value.to_vec()))
    }

    /// The node-level records whose keys start with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// When a row is damaged.
    pub fn records(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let read = || -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
            let table = self.open.transaction.open_table(tables::RECORDS)?;
            let mut found = Vec::new();
            for row in table.range(prefix..)? {
                let (key, value) = row?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                found.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(found)
        };
        contain_panics(read).map_err(StoreError::corrupt)?
    }

    fn header_row(&self, number: Number) -> Result<Option<HeaderRow>> {
        self.read(tables::HEADERS, number, HeaderRow::read)
    }

    fn read<'key, K, V, T>(
        &self,
        table: redb::TableDefinition<'_, K, V>,
        key: impl Borrow<K::SelfType<'key>>,
        convert: impl FnOnce(V::SelfType<'_>) -> Result<T>,
    ) -> Result<Option<T>>
    where
        K: Key + 'static,
        V: Value + 'static,
    {
        let read = || -> Result<Option<T>> {
            let table = self.open.transaction.open_table(table)?;
            let row = table.get(key.borrow())?;
            row.map(|row| convert(row.value())).transpose()
        };
        contain_panics(read).map_err(StoreError::corrupt)?
    }
}
