//! Proofs that bytes belong to an object: BLAKE3's tree of hashes, as `bao-tree` walks it.
//!
//! An object is named by its *root*, the BLAKE3 hash of its bytes. A *slice* is a run of 1 KiB chunks together with the
//! hashes that tie them to the root; who knows root and size can check it and needs nothing else. Hashes of groups of 16
//! chunks are kept beside the object, which is 0.4 % of its size; those inside a group are computed when asked for.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    str::FromStr,
};

use bao_tree::{
    io::{
        outboard::PreOrderOutboard,
        sync::{encode_ranges_validated, outboard, DecodeResponseIter},
        BaoContentItem, DecodeError, EncodeError,
    },
    BaoTree, BlockSize, ChunkNum, ChunkRanges,
};
use serde::{Deserialize, Serialize};

/// Bytes of a chunk, the smallest piece that can be proven.
pub const CHUNK_BYTES: u64 = 1024;
/// Most chunks in a slice.
pub const MAX_SLICE_CHUNKS: u64 = 256;

const GROUP: BlockSize = BlockSize::from_chunk_log(4);
const HASH_PAIR_BYTES: u64 = 64;

/// Name of an object: the BLAKE3 hash of its bytes. Shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Root(pub [u8; 32]);

impl fmt::Display for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Root({self})")
    }
}

/// Text that is not the name of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of an object as 64 hex digits, found {found:?}")]
pub struct RootError {
    found: String,
}

impl FromStr for Root {
    type Err = RootError;

    fn from_str(text: &str) -> Result<Self, RootError> {
        let mut root = [0; 32];
        match hex::decode_to_slice(text, &mut root) {
            Ok(()) => Ok(Self(root)),
            Err(_) => Err(RootError { found: text.chars().take(80).collect() }),
        }
    }
}

impl TryFrom<String> for Root {
    type Error = RootError;

    fn try_from(text: String) -> Result<Self, RootError> {
        text.parse()
    }
}

impl From<Root> for String {
    fn from(root: Root) -> Self {
        root.to_string()
    }
}

/// A run of chunks of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Slice {
    /// First chunk.
    pub chunk: u64,
    /// Number of chunks.
    pub chunks: u64,
}

/// Why a slice cannot be made or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Not a slice of the object.
    #[error("expected 1 to {MAX_SLICE_CHUNKS} chunks within the {available} of the object, found chunks {first} to {last}")]
    Range {
        /// Chunks of the object.
        available: u64,
        /// First chunk asked for.
        first: u64,
        /// Last chunk asked for.
        last: u64,
    },
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the object's root")]
    Mismatch,
    /// Too few bytes.
    #[error("the proof ends early")]
    Short,
    /// Too many bytes.
    #[error("{0} bytes follow the proof")]
    Trailing(usize),
    /// The object cannot be read.
    #[error("the object cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Slice {
    /// The last chunk, if the slice lies within an object of `size` bytes.
    fn check(self, size: u64) -> Result<(), ProofError> {
        let available = chunk_count(size);
        let end = self.chunk.saturating_add(self.chunks);
        if (1..=MAX_SLICE_CHUNKS).contains(&self.chunks) && end <= available {
            return Ok(());
        }
        Err(ProofError::Range { available, first: self.chunk, last: end.saturating_sub(1) })
    }

    fn ranges(self) -> ChunkRanges {
        ChunkRanges::from(ChunkNum(self.chunk)..ChunkNum(self.chunk.saturating_add(self.chunks)))
    }

    /// Number of data bytes in the slice of an object of `size` bytes.
    pub fn data_bytes(self, size: u64) -> u64 {
        let start = self.chunk.saturating_mul(CHUNK_BYTES);
        let end = self.chunk.saturating_add(self.chunks).saturating_mul(CHUNK_BYTES).min(size);
        end.saturating_sub(start)
    }

    /// An upper bound of the bytes that a proof of this slice has, for an object of `size` bytes.
    pub fn proof_bytes_bound(self, size: u64) -> u64 {
        let depth = u64::from(u64::BITS - chunk_count(size).leading_zeros()) + 1;
        // A tree over the chunks themselves, and a path to the root on each side.
        let pairs = self.chunks.saturating_add(depth.saturating_mul(2));
        self.data_bytes(size).saturating_add(pairs.saturating_mul(HASH_PAIR_BYTES))
    }
}

/// Number of chunks in `size` bytes.
pub fn chunk_count(size: u64) -> u64 {
    size.div_ceil(CHUNK_BYTES).max(1)
}

/// Number of bytes in the hashes kept beside an object of `size` bytes.
pub fn tree_bytes(size: u64) -> u64 {
    BaoTree::new(size, GROUP).outboard_size()
}

/// Root of the `size` bytes in `data`, and the hashes to keep beside them.
///
/// # Errors
/// `data` cannot be read, or is shorter.
pub fn hash_tree(data: impl Read, size: u64) -> io::Result<(Root, Vec<u8>)> {
    let tree = BaoTree::new(size, GROUP);
    let length = usize::try_from(tree.outboard_size()).map_err(io::Error::other)?;
    let mut kept = PreOrderOutboard { root: blake3::Hash::from_bytes([0; 32]), tree, data: vec![0; length] };
    let root = outboard(data, tree, &mut kept)?;
    Ok((Root(*root.as_bytes()), kept.data))
}

/// An object as it lies on disk.
pub struct StoredObject {
    /// Its name.
    pub root: Root,
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes.
    pub data: File,
    /// The hashes kept beside it.
    pub tree: Vec<u8>,
}

impl StoredObject {
    /// The slice with its proof.
    ///
    /// # Errors
    /// Not a slice of the object, or what lies on disk is not the object any more.
    pub fn prove(&self, slice: Slice) -> Result<Vec<u8>, ProofError> {
        prove(&self.data, &self.tree, self.root, self.size, slice)
    }
}

/// The slice of `data`, whose kept hashes are `tree`, with its proof.
///
/// # Errors
/// Not a slice of the object, or `data` and `tree` do not lead to `root`.
pub fn prove(
    data: impl bao_tree::io::sync::ReadAt,
    tree: &[u8],
    root: Root,
    size: u64,
    slice: Slice,
) -> Result<Vec<u8>, ProofError> {
    slice.check(size)?;
    let kept = PreOrderOutboard { root: root.0.into(), tree: BaoTree::new(size, GROUP), data: tree };
    let mut encoded = Vec::new();
    match encode_ranges_validated(data, kept, &slice.ranges(), &mut encoded) {
        Ok(()) => Ok(encoded),
        Err(EncodeError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
        Err(_) => Err(ProofError::Mismatch),
    }
}

/// Checks a proof, and returns the bytes of the slice.
///
/// # Errors
/// Not a slice of an object of `size` bytes, or anything but its proof for `root`.
pub fn verify(root: Root, size: u64, slice: Slice, proof: &[u8]) -> Result<Vec<u8>, ProofError> {
    slice.check(size)?;
    let mut left = proof;
    let ranges = slice.ranges();
    let mut data = Vec::with_capacity(usize::try_from(slice.data_bytes(size)).unwrap_or_default());
    for item in DecodeResponseIter::new(root.0.into(), BaoTree::new(size, GROUP), &mut left, &ranges) {
        match item.map_err(proof_error)? {
            BaoContentItem::Parent(_) => {}
            BaoContentItem::Leaf(leaf) => data.extend_from_slice(&leaf.data),
        }
    }
    match left.len() {
        0 => Ok(data),
        length => Err(ProofError::Trailing(length)),
    }
}

fn proof_error(error: DecodeError) -> ProofError {
    match error {
        DecodeError::ParentNotFound(_) | DecodeError::LeafNotFound(_) => ProofError::Short,
        DecodeError::Io(error) => ProofError::Io(error),
        DecodeError::ParentHashMismatch(_) | DecodeError::LeafHashMismatch(_) => ProofError::Mismatch,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(size: u64, seed: u8) -> Vec<u8> {
        let mut data = vec![0; usize::try_from(size).unwrap()];
        blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut data);
        data
    }

    struct Proven {
        data: Vec<u8>,
        root: Root,
        size: u64,
        slice: Slice,
        proof: Vec<u8>,
    }

    fn proven(size: u64, slice: Slice) -> Proven {
        let data = object(size, 1);
        let (root, tree) = hash_tree(&data[..], size).unwrap();
        assert_eq!(tree.len() as u64, tree_bytes(size));
        let proof = prove(&data[..], &tree, root, size, slice).unwrap();
        Proven { data, root, size, slice, proof }
    }

    fn a_slice(size: u64, first: u64, chunks: u64) -> Slice {
        let available = chunk_count(size);
        let chunk = first % available;
        Slice { chunk, chunks: 1 + chunks % (available - chunk).min(MAX_SLICE_CHUNKS) }
    }

    #[test]
    fn a_root_is_the_plain_hash() {
        for size in [1, 1023, 1024, 1025, 16 * 1024, 16 * 1024 + 1, 100_000] {
            let data = object(size, 2);
            assert_eq!(hash_tree(&data[..], size).unwrap().0, Root(*blake3::hash(&data).as_bytes()));
        }
    }

    #[test]
    fn names_are_hex() {
        let root = Root([0xab; 32]);
        assert_eq!(root.to_string().parse(), Ok(root));
        assert!("ab".parse::<Root>().is_err());
        assert_eq!(serde_json::to_string(&root).unwrap(), format!("\"{}\"", "ab".repeat(32)));
    }

    #[test]
    fn slices_outside_of_the_object_are_refused() {
        let data = object(5000, 1);
        let (root, tree) = hash_tree(&data[..], 5000).unwrap();
        for (chunk, chunks) in
            [(0, 0), (5, 1), (4, 2), (u64::MAX, 1), (0, MAX_SLICE_CHUNKS + 1), (1, u64::MAX)]
        {
            let slice = Slice { chunk, chunks };
            assert!(matches!(prove(&data[..], &tree, root, 5000, slice), Err(ProofError::Range { .. })));
            assert!(matches!(verify(root, 5000, slice, &[]), Err(ProofError::Range { .. })));
        }
        assert!(prove(&data[..], &tree, root, 5000, Slice { chunk: 4, chunks: 1 }).is_ok());
    }

    #[test]
    fn damage_on_disk_is_noticed_before_it_is_sent() {
        let data = object(50_000, 1);
        let (root, tree) = hash_tree(&data[..], 50_000).unwrap();
        let slice = Slice { chunk: 20, chunks: 2 };
        let mut damaged = data.clone();
        damaged[20 * 1024 + 5] ^= 1;
        assert!(matches!(prove(&damaged[..], &tree, root, 50_000, slice), Err(ProofError::Mismatch)));
        assert!(matches!(prove(&data[..10_000], &tree, root, 50_000, slice), Err(ProofError::Mismatch)));
        let mut damaged_tree = tree;
        damaged_tree[0] ^= 1;
        assert!(matches!(prove(&data[..], &damaged_tree, root, 50_000, slice), Err(ProofError::Mismatch)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn proofs_hold_and_are_no_longer_than_their_bound(
            size in 1u64..300_000, first in any::<u64>(), chunks in any::<u64>(),
        ) {
            let Proven { data, root, slice, proof, .. } = proven(size, a_slice(size, first, chunks));
            let start = usize::try_from(slice.chunk * CHUNK_BYTES).unwrap();
            let end = start + usize::try_from(slice.data_bytes(size)).unwrap();
            prop_assert_eq!(&verify(root, size, slice, &proof).unwrap()[..], &data[start..end]);
            prop_assert!(proof.len() as u64 <= slice.proof_bytes_bound(size));
        }

        #[test]
        fn any_changed_bit_is_noticed(
            size in 1u64..100_000, first in any::<u64>(), chunks in any::<u64>(),
            position in any::<usize>(), bit in 0u8..8,
        ) {
            let Proven { root, slice, mut proof, .. } = proven(size, a_slice(size, first, chunks));
            let position = position % proof.len();
            proof[position] ^= 1 << bit;
            prop_assert!(matches!(verify(root, size, slice, &proof), Err(ProofError::Mismatch)));
        }

        #[test]
        fn any_other_length_is_noticed(
            size in 1u64..100_000, first in any::<u64>(), chunks in any::<u64>(), cut in any::<usize>(), extra in 1usize..100,
        ) {
            let Proven { root, slice, mut proof, .. } = proven(size, a_slice(size, first, chunks));
            let shorter = &proof[..cut % proof.len()];
            prop_assert!(matches!(verify(root, size, slice, shorter), Err(ProofError::Short)));
            proof.resize(proof.len() + extra, 0);
            prop_assert!(matches!(verify(root, size, slice, &proof), Err(ProofError::Trailing(_))));
        }

        #[test]
        fn a_proof_is_for_one_slice_of_one_object(
            size in 2048u64..100_000, first in any::<u64>(), chunks in any::<u64>(),
            other_first in any::<u64>(), other_chunks in any::<u64>(), other_size in 2048u64..100_000,
        ) {
            let Proven { root, size, slice, proof, .. } = proven(size, a_slice(size, first, chunks));
            let other = a_slice(size, other_first, other_chunks);
            prop_assert_eq!(verify(root, size, other, &proof).is_ok(), other == slice);
            let (other_root, _) = hash_tree(&object(size, 9)[..], size).unwrap();
            prop_assert!(verify(other_root, size, slice, &proof).is_err());
            // Which sizes a proof admits is the tree's business; it never yields other bytes.
            let honest = verify(root, size, slice, &proof).unwrap();
            if let Ok(data) = verify(root, other_size, slice, &proof) {
                prop_assert_eq!(data, honest);
            }
        }
    }
}
