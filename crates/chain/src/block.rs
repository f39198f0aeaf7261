//! Blocks and transactions as values.

use std::sync::Arc;

use codec::{Decode, DecodeLimit, Encode};
use myelin_runtime::{authorship::ENGINE_ID, AccountId, Hash, Header, UncheckedExtrinsic, VERSION};
use myelin_store::BlockRecord;
use sp_crypto_hashing::blake2_256;
use sp_runtime::traits::{BlakeTwo256, Hash as _};

use crate::ChainError;

/// How deep calls may be nested in an extrinsic.
pub use frame_support::MAX_EXTRINSIC_DEPTH;

/// A block as it is proposed and agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// Its header, which commits to everything else.
    pub header: Header,
    /// Encoded extrinsics, each with its length prefix, inherents first.
    pub body: Vec<Vec<u8>>,
}

impl Block {
    /// The hash of its header.
    pub fn hash(&self) -> Hash {
        self.header.hash()
    }

    /// Its height.
    pub fn number(&self) -> u32 {
        self.header.number
    }

    /// Whether the body is the one that the header commits to. The hash alone says nothing about the body, so whoever
    /// gets a block from somebody checks this before blaming its author for what is wrong with it.
    pub fn has_own_body(&self) -> bool {
        extrinsics_root(&self.body) == self.header.extrinsics_root
    }
}

/// What a header says about the body.
pub fn extrinsics_root(body: &[Vec<u8>]) -> Hash {
    BlakeTwo256::ordered_trie_root(body.to_vec(), VERSION.extrinsics_root_state_version())
}

/// A block that is final.
#[derive(Clone, Debug)]
pub struct CommittedBlock {
    /// Its hash.
    pub hash: Hash,
    /// Header and body.
    pub block: Block,
    /// What proves that it was decided. Empty for the local sequencer.
    pub certificate: Vec<u8>,
}

impl CommittedBlock {
    /// Its height.
    pub fn number(&self) -> u32 {
        self.block.header.number
    }

    pub(crate) fn from_record(record: BlockRecord) -> Result<Self, ChainError> {
        let hash = Hash::from(record.hash());
        let header = decode_header(&record.header)?;
        Ok(Self { hash, block: Block { header, body: record.body }, certificate: record.certificate })
    }

    pub(crate) fn to_record(&self) -> BlockRecord {
        BlockRecord {
            number: self.number(),
            header: self.block.header.encode(),
            body: self.block.body.clone(),
            certificate: self.certificate.clone(),
        }
    }
}

/// Who is paid for a block: the account in its digest, when that says nothing else.
pub fn author(header: &Header) -> Option<AccountId> {
    match header.digest.logs.as_slice() {
        [item] => match item.as_pre_runtime() {
            Some((ENGINE_ID, bytes)) => codec::DecodeAll::decode_all(&mut &bytes[..]).ok(),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn decode_header(bytes: &[u8]) -> Result<Header, ChainError> {
    codec::DecodeAll::decode_all(&mut &bytes[..])
        .map_err(|error| ChainError::damaged(format_args!("a stored header cannot be decoded: {error}")))
}

/// A transaction's bytes and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Blake2b-256 of the bytes.
    pub hash: Hash,
    /// Encoded extrinsic with its length prefix.
    pub bytes: Vec<u8>,
}

impl Transaction {
    /// Names the bytes by their hash.
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { hash: blake2_256(&bytes).into(), bytes })
    }
}

/// Decodes an extrinsic; its encoding must be the canonical one, because two encodings of one extrinsic would have two
/// hashes.
///
/// # Errors
/// A text that says what is wrong with the bytes.
pub fn decode_extrinsic(bytes: &[u8]) -> Result<UncheckedExtrinsic, String> {
    let extrinsic = UncheckedExtrinsic::decode_all_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &bytes[..])
        .map_err(|error| format!("not an extrinsic of this runtime: {error}"))?;
    if extrinsic.encode() != bytes {
        return Err("the extrinsic is not in its canonical encoding".to_owned());
    }
    Ok(extrinsic)
}
