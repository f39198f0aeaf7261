//! Blocks and transactions as values.

use std::sync::Arc;

use codec::{Compact, Decode, DecodeAll, DecodeLimit, Encode};
use myelin_runtime::{authorship::ENGINE_ID, AccountId, Hash, Header, UncheckedExtrinsic, VERSION};
use myelin_store::BlockRecord;
use sp_crypto_hashing::blake2_256;
use sp_runtime::traits::{BlakeTwo256, Hash as _};

use crate::ChainError;

/// How deep calls may be nested in an extrinsic.
pub use frame_support::MAX_EXTRINSIC_DEPTH;

/// Bytes of a header, at most. Its author is all that its digest tells.
const MAX_HEADER_BYTES: usize = 1024;
/// Bytes of an extrinsic, at least: all but a few are signed, and a signature alone takes as many.
const MIN_EXTRINSIC_BYTES: usize = 64;
/// Extrinsics of a block that may have fewer: what its author puts in front.
const MAX_INHERENTS: usize = 16;

/// A block as it is proposed and agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// Its header, which commits to everything else.
    pub header: Header,
    /// Encoded extrinsics, each with its length prefix, inherents first.
    pub body: Vec<Vec<u8>>,
}

impl Block {
    /// Reads a block from anybody. What no valid block looks like is refused before it takes much more memory than its bytes,
    /// as millions of empty extrinsics would.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_peer(encoded: &[u8]) -> Result<Self, codec::Error> {
        let head = &encoded[..encoded.len().min(MAX_HEADER_BYTES)];
        let mut after_header = head;
        let header = Header::decode(&mut after_header)?;
        let body = &encoded[head.len() - after_header.len()..];
        let Compact(extrinsics) = Compact::<u32>::decode(&mut &body[..])?;
        if extrinsics as usize > MAX_INHERENTS + body.len() / MIN_EXTRINSIC_BYTES {
            return Err("more extrinsics than signed ones of this length".into());
        }
        Ok(Self { header, body: DecodeAll::decode_all(&mut &body[..])? })
    }

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
            Some((ENGINE_ID, bytes)) => DecodeAll::decode_all(&mut &bytes[..]).ok(),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn decode_header(bytes: &[u8]) -> Result<Header, ChainError> {
    DecodeAll::decode_all(&mut &bytes[..])
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

#[cfg(test)]
mod tests {
    use sp_runtime::{Digest, DigestItem};

    use super::*;

    fn block(digest: Vec<DigestItem>, body: Vec<Vec<u8>>) -> Block {
        let header = Header {
            parent_hash: Hash::repeat_byte(1),
            number: 7,
            state_root: Hash::repeat_byte(2),
            extrinsics_root: extrinsics_root(&body),
            digest: Digest { logs: digest },
        };
        Block { header, body }
    }

    #[test]
    fn a_block_of_a_peer_is_the_one_that_it_encoded() {
        let author = DigestItem::PreRuntime(ENGINE_ID, vec![3; 32]);
        let signed = vec![vec![0; 10], vec![1; 110], vec![2; 64]];
        for block in [block(vec![], vec![]), block(vec![author], signed)] {
            let encoded = block.encode();
            assert_eq!(Block::from_peer(&encoded), Ok(block));
            assert!(Block::from_peer(&encoded[..encoded.len() - 1]).is_err());
            assert!(Block::from_peer(&[&encoded[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn a_block_of_very_many_small_things_is_refused() {
        assert!(Block::from_peer(&block(vec![], vec![vec![]; 10_000]).encode()).is_err());
        let many = vec![DigestItem::RuntimeEnvironmentUpdated; 10_000];
        assert!(Block::from_peer(&block(many, vec![]).encode()).is_err());
        let count = Compact(u32::MAX).encode();
        let header = block(vec![], vec![]).header.encode();
        assert!(Block::from_peer(&[header, count].concat()).is_err());
    }
}
