//! The tables and what their rows hold.

use codec::{Decode, Encode};
use redb::TableDefinition;
use sp_crypto_hashing::{blake2_256, twox_64};

use crate::{error::Hex, Hash, Number, Result, StoreError};

/// Changes with every change of a table or a row.
pub const FORMAT_VERSION: u32 = 2;

/// Name to encoded value; see [`meta`].
pub const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Number to block hash and encoded header.
pub const HEADERS: TableDefinition<'_, Number, &[u8]> = TableDefinition::new("headers");
/// Number to checksum and encoded extrinsics.
pub const BODIES: TableDefinition<'_, Number, &[u8]> = TableDefinition::new("bodies");
/// Number to checksum and certificate.
pub const CERTIFICATES: TableDefinition<'_, Number, &[u8]> = TableDefinition::new("certificates");
/// Block hash to number.
pub const NUMBERS: TableDefinition<'_, Hash, Number> = TableDefinition::new("numbers");
/// Node key to encoded node.
pub const NODES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("nodes");
/// Number to [`JournalRow`](crate::journal::JournalRow).
pub const JOURNAL: TableDefinition<'_, Number, &[u8]> = TableDefinition::new("journal");
/// Key of a revived node to the block that revived it last.
pub const REVIVED: TableDefinition<'_, &[u8], Number> = TableDefinition::new("revived");
/// Node-level records.
pub const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// Names in [`META`].
pub mod meta {
    /// `u32`: [`FORMAT_VERSION`](super::FORMAT_VERSION) of the file.
    pub const FORMAT: &str = "format";
    /// `Hash`: hash of block 0.
    pub const GENESIS: &str = "genesis";
    /// [`Tip`](crate::Tip).
    pub const TIP: &str = "tip";
    /// `Number`: the oldest block whose state is kept whole.
    pub const OLDEST_STATE: &str = "oldest_state";
}

/// A row of [`HEADERS`].
#[derive(Encode, Decode)]
pub struct HeaderRow {
    pub hash: Hash,
    pub header: Vec<u8>,
}

impl HeaderRow {
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let row: Self = decode(bytes)?;
        if blake2_256(&row.header) != row.hash {
            return Err(StoreError::corrupt(format_args!(
                "the header of {} has another hash",
                Hex(&row.hash)
            )));
        }
        Ok(row)
    }
}

/// Prefixes `payload` with a checksum, so that damage is seen when it is read back.
pub fn seal(payload: &[u8]) -> Vec<u8> {
    let mut row = twox_64(payload).to_vec();
    row.extend_from_slice(payload);
    row
}

/// Undoes [`seal`].
pub fn unseal<'a>(what: &str, number: Number, row: &'a [u8]) -> Result<&'a [u8]> {
    match row.split_first_chunk::<8>() {
        Some((checksum, payload)) if *checksum == twox_64(payload) => Ok(payload),
        _ => Err(StoreError::corrupt(format_args!("the {what} of block {number} fails its checksum"))),
    }
}

/// Decodes a whole row.
pub fn decode<T: Decode>(bytes: &[u8]) -> Result<T> {
    Ok(codec::DecodeAll::decode_all(&mut &bytes[..])?)
}
