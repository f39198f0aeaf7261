//! Blocks on their way from the proposer to the others, in parts.
//!
//! Every part is signed by the validator who sends it and says which block it belongs to, so that parts from anybody else
//! are dropped before they take memory, and what a validator may make others hold is bounded. The parts of a block
//! together must have the hash that they name.

use std::collections::BTreeMap;

use codec::{Decode, Encode};
use myelin_chain::{
    certificate::{verify_signature, ConsensusSignature},
    Block, ConsensusKey, Hash, MAX_BODY_BYTES,
};
use sp_crypto_hashing::blake2_256;

use crate::signing::ConsensusSecret;

/// Bytes of a block in one part.
pub const PART_BYTES: usize = 128 << 10;
/// Bytes of an encoded block: the body, and room for header and lengths.
pub const MAX_BLOCK_BYTES: usize = MAX_BODY_BYTES + (1 << 20);
/// Parts of a block.
pub const MAX_PARTS: u16 = MAX_BLOCK_BYTES.div_ceil(PART_BYTES) as u16;
/// Incomplete blocks held for one sender: one of this height and one of the next.
const MAX_OPEN_PER_SENDER: usize = 2;
/// Bytes of incomplete blocks held for all senders together: room for the four who may send at a time.
const MAX_OPEN_BYTES: usize = 8 * MAX_BLOCK_BYTES;

/// Separates parts from whatever else a key may sign.
const PART_DOMAIN: &[u8; 14] = b"myelin/part/1\0";

/// A piece of a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Height of the block.
    pub height: u32,
    /// The round it is proposed in.
    pub round: u32,
    /// Hash of the block.
    pub block: Hash,
    /// The validator who sends it.
    pub sender: ConsensusKey,
    /// Which part this is, from 0.
    pub index: u16,
    /// How many parts there are.
    pub count: u16,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The sender's signature for all of the above.
    pub signature: ConsensusSignature,
}

/// Why a part is dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// Its numbers are out of bounds.
    #[error("part {index} of {count} has {length} bytes, expected {PART_BYTES}, fewer only in the last of at most {MAX_PARTS}")]
    Bounds {
        /// Which part.
        index: u16,
        /// Of how many.
        count: u16,
        /// Bytes in it.
        length: usize,
    },
    /// Its signature does not fit.
    #[error("the part is not signed by its sender")]
    Signature,
    /// Others of the same block disagree.
    #[error("the parts of block {0:?} contradict each other")]
    Contradiction(Hash),
    /// The whole is not the block that was named.
    #[error("the parts of block {0:?} are not that block: {1}")]
    NotTheBlock(Hash, String),
    /// Too much is being received.
    #[error("parts of other blocks take all the memory there is for them")]
    Full,
}

impl Part {
    fn sign_bytes(&self, chain: &Hash) -> Vec<u8> {
        let place = (self.height, self.round, self.block, self.index, self.count);
        (PART_DOMAIN, chain, place, blake2_256(&self.bytes)).encode()
    }

    /// Whether numbers, length and signature are right.
    ///
    /// # Errors
    /// [`PartError::Bounds`] and [`PartError::Signature`].
    pub fn check(&self, chain: &Hash) -> Result<(), PartError> {
        let length = self.bytes.len();
        let full = self.index.checked_add(1) == Some(self.count) || length == PART_BYTES;
        if self.index >= self.count || self.count > MAX_PARTS || length > PART_BYTES || length == 0 || !full {
            return Err(PartError::Bounds { index: self.index, count: self.count, length });
        }
        match verify_signature(&self.sender, &self.sign_bytes(chain), &self.signature) {
            true => Ok(()),
            false => Err(PartError::Signature),
        }
    }
}

/// Cuts an encoded block into signed parts; nothing when it is larger than a block may be.
pub fn split(
    chain: &Hash,
    secret: &ConsensusSecret,
    (height, round): (u32, u32),
    block: Hash,
    encoded: &[u8],
) -> Option<Vec<Part>> {
    let count = u16::try_from(encoded.len().div_ceil(PART_BYTES)).ok().filter(|count| *count <= MAX_PARTS)?;
    let sign = |(bytes, index): (&[u8], u16)| {
        let sender = secret.public();
        let mut part =
            Part { height, round, block, sender, index, count, bytes: bytes.to_vec(), signature: [0; 64] };
        part.signature = secret.sign(&part.sign_bytes(chain));
        part
    };
    Some(encoded.chunks(PART_BYTES).zip(0..).map(sign).collect())
}

/// Puts blocks together.
#[derive(Default)]
pub struct Assembler {
    open: BTreeMap<(ConsensusKey, u32, Hash), Assembly>,
    bytes: usize,
    started: u64,
}

struct Assembly {
    parts: Vec<Option<Vec<u8>>>,
    missing: usize,
    bytes: usize,
    started: u64,
}

impl Assembler {
    /// Takes a part that was checked; gives the block when it was the last one missing.
    ///
    /// # Errors
    /// See [`PartError`]; what was received of that block is forgotten then.
    pub fn insert(&mut self, part: Part) -> Result<Option<Block>, PartError> {
        let key = (part.sender, part.height, part.block);
        if self.bytes.saturating_add(part.bytes.len()) > MAX_OPEN_BYTES {
            return Err(PartError::Full);
        }
        if !self.open.contains_key(&key) {
            self.begin(key, part.count);
        }
        let Some(assembly) = self.open.get_mut(&key) else { return Ok(None) };
        if assembly.parts.len() != usize::from(part.count) {
            self.forget(&key);
            return Err(PartError::Contradiction(part.block));
        }
        let Some(place @ None) = assembly.parts.get_mut(usize::from(part.index)) else { return Ok(None) };
        self.bytes += part.bytes.len();
        assembly.bytes += part.bytes.len();
        *place = Some(part.bytes);
        assembly.missing -= 1;
        if assembly.missing > 0 {
            return Ok(None);
        }
        let parts = self.forget(&key).map(|assembly| assembly.parts).unwrap_or_default();
        let whole = parts.into_iter().flatten().collect::<Vec<_>>().concat();
        decode_block(part.height, part.block, &whole).map(Some)
    }

    /// Forgets blocks of this height and below.
    pub fn forget_up_to(&mut self, height: u32) {
        let old: Vec<_> = self.open.keys().filter(|key| key.1 <= height).copied().collect();
        for key in old {
            self.forget(&key);
        }
    }

    fn begin(&mut self, key: (ConsensusKey, u32, Hash), count: u16) {
        let of_sender: Vec<_> = self
            .open
            .iter()
            .filter(|(other, _)| other.0 == key.0)
            .map(|(key, open)| (open.started, *key))
            .collect();
        if of_sender.len() >= MAX_OPEN_PER_SENDER {
            if let Some((_, oldest)) = of_sender.into_iter().min() {
                self.forget(&oldest);
            }
        }
        let count = usize::from(count);
        let assembly = Assembly { parts: vec![None; count], missing: count, bytes: 0, started: self.started };
        self.started += 1;
        self.open.insert(key, assembly);
    }

    fn forget(&mut self, key: &(ConsensusKey, u32, Hash)) -> Option<Assembly> {
        let assembly = self.open.remove(key)?;
        self.bytes -= assembly.bytes;
        Some(assembly)
    }
}

/// Reads a block that must have this height and hash.
pub(crate) fn decode_block(height: u32, hash: Hash, encoded: &[u8]) -> Result<Block, PartError> {
    let wrong = |reason: String| PartError::NotTheBlock(hash, reason);
    let block = Block::from_peer(encoded).map_err(|error| wrong(error.to_string()))?;
    if block.hash() != hash {
        return Err(wrong(format!("its hash is {:?}", block.hash())));
    }
    if block.number() != height {
        return Err(wrong(format!("its height is {}, not {height}", block.number())));
    }
    match block.has_own_body() {
        true => Ok(block),
        false => Err(wrong("its body is another".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use myelin_chain::Header;

    use super::*;

    fn chain() -> Hash {
        Hash::repeat_byte(1)
    }

    fn secret(seed: u8) -> ConsensusSecret {
        ConsensusSecret::from_seed(&[seed; 32])
    }

    fn block(height: u32, body_bytes: usize) -> Block {
        let header = Header {
            parent_hash: Hash::zero(),
            number: height,
            state_root: Hash::repeat_byte(2),
            extrinsics_root: Hash::zero(),
            digest: Default::default(),
        };
        let body = vec![(0..body_bytes).map(|index| index as u8).collect()];
        let extrinsics_root = myelin_chain::block::extrinsics_root(&body);
        Block { header: Header { extrinsics_root, ..header }, body }
    }

    fn parts(seed: u8, block: &Block) -> Vec<Part> {
        split(&chain(), &secret(seed), (block.number(), 0), block.hash(), &block.encode()).unwrap()
    }

    fn insert_all(assembler: &mut Assembler, parts: impl IntoIterator<Item = Part>) -> Option<Block> {
        let mut whole = None;
        for part in parts {
            part.check(&chain()).unwrap();
            whole = assembler.insert(part).unwrap().or(whole);
        }
        whole
    }

    #[test]
    fn parts_make_the_block_in_any_order_and_number() {
        for body_bytes in [0, 1000, PART_BYTES, 3 * PART_BYTES + 17] {
            let block = block(5, body_bytes);
            let parts = parts(1, &block);
            let mut assembler = Assembler::default();
            let twice = parts.iter().rev().flat_map(|part| [part.clone(), part.clone()]);
            let twice: Vec<_> = twice.take(2 * parts.len() - 1).collect();
            assert_eq!(insert_all(&mut assembler, twice), Some(block));
            assert_eq!(assembler.bytes, 0);
            assert!(assembler.open.is_empty());
        }
    }

    #[test]
    fn a_block_beyond_the_limit_has_no_parts() {
        let whole = vec![0; MAX_BLOCK_BYTES];
        assert_eq!(
            split(&chain(), &secret(1), (1, 0), Hash::zero(), &whole).unwrap().len(),
            usize::from(MAX_PARTS)
        );
        let more = vec![0; usize::from(MAX_PARTS) * PART_BYTES + 1];
        assert!(split(&chain(), &secret(1), (1, 0), Hash::zero(), &more).is_none());
    }

    #[test]
    fn every_field_is_signed() {
        let good = parts(1, &block(5, 10)).remove(0);
        let refused = |change: fn(&mut Part)| {
            let mut part = good.clone();
            change(&mut part);
            part.check(&chain()).unwrap_err()
        };
        for error in [
            refused(|part| part.height += 1),
            refused(|part| part.round += 1),
            refused(|part| part.block = Hash::zero()),
            refused(|part| part.sender = secret(2).public()),
            refused(|part| part.bytes[0] ^= 1),
            refused(|part| part.signature[0] ^= 1),
        ] {
            assert_eq!(error, PartError::Signature);
        }
        assert_eq!(good.check(&Hash::zero()), Err(PartError::Signature));
        for error in [
            refused(|part| part.index = 1),
            refused(|part| part.count = 2),
            refused(|part| part.count = MAX_PARTS + 1),
            refused(|part| part.bytes = Vec::new()),
            refused(|part| part.bytes = vec![0; PART_BYTES + 1]),
        ] {
            assert!(matches!(error, PartError::Bounds { .. }), "{error:?}");
        }
    }

    #[test]
    fn what_is_not_the_block_is_refused() {
        let (block, other) = (block(5, 10), block(5, 11));
        let mut assembler = Assembler::default();
        let other_body = Block { body: other.body.clone(), ..block.clone() };
        for (height, encoded) in
            [(5, other.encode()), (6, block.encode()), (5, vec![9; 50]), (5, other_body.encode())]
        {
            let part = split(&chain(), &secret(1), (height, 0), block.hash(), &encoded).unwrap().remove(0);
            let error = assembler.insert(part).unwrap_err();
            assert!(matches!(error, PartError::NotTheBlock(..)), "{error}");
        }
        assert_eq!(assembler.bytes, 0);
    }

    #[test]
    fn nobody_makes_others_hold_more_than_two_blocks() {
        let mut assembler = Assembler::default();
        for height in 1..10 {
            let first = parts(1, &block(height, 2 * PART_BYTES)).remove(0);
            assert_eq!(assembler.insert(first).unwrap(), None);
        }
        assert_eq!(assembler.open.len(), MAX_OPEN_PER_SENDER);
        assert_eq!(assembler.bytes, MAX_OPEN_PER_SENDER * PART_BYTES);
        // Another sender is not affected.
        let whole = block(3, 2 * PART_BYTES);
        assert_eq!(insert_all(&mut assembler, parts(2, &whole)), Some(whole));
        assembler.forget_up_to(9);
        assert_eq!((assembler.open.len(), assembler.bytes), (0, 0));
    }

    #[test]
    fn all_together_have_a_limit() {
        let mut assembler = Assembler::default();
        let mut refused = 0;
        for seed in 1..=20 {
            let mut large = parts(seed, &block(1, MAX_BODY_BYTES));
            large.truncate(large.len() - 1);
            refused += large
                .into_iter()
                .filter(|part| assembler.insert(part.clone()) == Err(PartError::Full))
                .count();
        }
        assert!(refused > 0);
        assert!(assembler.bytes <= MAX_OPEN_BYTES);
    }
}
