//! What goes into a store.

use codec::{Decode, Encode};
use sp_crypto_hashing::blake2_256;

use crate::{Hash, Number};

/// The newest committed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Tip {
    /// Its height.
    pub number: Number,
    /// Its hash.
    pub hash: Hash,
}

/// A block as bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlockRecord {
    /// Height.
    pub number: Number,
    /// Encoded header; the block's hash is its Blake2b-256.
    pub header: Vec<u8>,
    /// Encoded extrinsics, in order.
    pub body: Vec<Vec<u8>>,
    /// Proof that the block was decided; its meaning is the sequencer's.
    pub certificate: Vec<u8>,
}

impl BlockRecord {
    /// The block's hash.
    pub fn hash(&self) -> Hash {
        blake2_256(&self.header)
    }
}

/// What a block changed in the state trie, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeChanges {
    /// Nodes that the new state has and the old one had not: key and encoded node.
    pub inserted: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys of nodes that the old state had and the new one has not.
    pub removed: Vec<Vec<u8>>,
}
