//! Proofs that a validator signed two things of which it may sign only one, kept for punishing it.

use codec::{Decode, DecodeAll, Encode};
use myelin_chain::{ConsensusKey, Store, StoreError};

const PREFIX: &[u8] = b"bft/evidence/";
/// Proofs kept; further ones are only logged.
const MAX_RECORDS: usize = 1024;

/// Two signed messages of one validator that contradict each other, encoded as on the wire: a vote is a zero byte, height,
/// round, kind, optional block, key and signature; a proposal is a one, height, round, block, optional earlier round, key
/// and signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Equivocation {
    /// The height that both are about.
    pub height: u32,
    /// Who signed.
    pub validator: ConsensusKey,
    /// One message.
    pub first: Vec<u8>,
    /// The other.
    pub second: Vec<u8>,
}

/// All proofs, the lowest height first.
///
/// # Errors
/// When the database is damaged.
pub fn equivocations(store: &Store) -> Result<Vec<Equivocation>, StoreError> {
    let rows = store.snapshot()?.records(PREFIX)?;
    let read = |(_, row): &(Vec<u8>, Vec<u8>)| {
        Equivocation::decode_all(&mut &row[..])
            .map_err(|error| StoreError::Corrupt { detail: format!("a proof of equivocation: {error}") })
    };
    rows.iter().map(read).collect()
}

/// Keeps proofs; returns how many there was no room for.
pub(crate) fn keep(store: &Store, found: &[Equivocation]) -> Result<usize, StoreError> {
    let room = MAX_RECORDS.saturating_sub(store.snapshot()?.records(PREFIX)?.len());
    let row = |equivocation: &Equivocation| {
        let digest = sp_crypto_hashing::blake2_256(&equivocation.encode());
        ([PREFIX, &equivocation.height.to_be_bytes(), &digest].concat(), equivocation.encode())
    };
    let rows: Vec<_> = found.iter().take(room).map(row).collect();
    store.update_records(&[], &rows)?;
    Ok(found.len().saturating_sub(room))
}
