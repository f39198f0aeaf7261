//! Objects that a validator places: bytes that follow from its secret seed.
//!
//! The validator can make any of them again at any time, so it keeps only their roots. A miner cannot: without the seed
//! the bytes are noise, which neither compresses nor follows from another miner's.

use std::io::{self, Read};

use bytes::Bytes;
use futures::{stream, Stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::proof::Root;

/// Bytes made at once.
const PIECE_BYTES: u64 = 64 * 1024;
const CONTEXT_DATA: &str = "myelin storage 2026 object data";
const CONTEXT_DRAWS: &str = "myelin storage 2026 draws";

/// A validator's secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed of the system's randomness.
    ///
    /// # Errors
    /// The system has none.
    pub fn generate() -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(seed))
    }

    /// A known seed, for tests.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    fn keyed(&self, context: &str) -> blake3::Hasher {
        let mut derive = blake3::Hasher::new_derive_key(context);
        derive.update(&self.0);
        blake3::Hasher::new_keyed(derive.finalize().as_bytes())
    }

    /// Numbers that nobody without the seed can foresee, another sequence for each `name`.
    pub fn draws(&self, name: &[u8]) -> Draws {
        let mut hasher = self.keyed(CONTEXT_DRAWS);
        hasher.update(name);
        Draws(hasher.finalize_xof())
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seed(..)")
    }
}

impl TryFrom<String> for Seed {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut seed = [0; 32];
        hex::decode_to_slice(text, &mut seed)?;
        Ok(Self(seed))
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        hex::encode(seed.0)
    }
}

/// An endless sequence of numbers.
pub struct Draws(blake3::OutputReader);

impl Draws {
    /// A number below `bound`; 0 for a bound of 0. The bias is below 2^-32 for bounds below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        // The high half of the product spreads evenly without a division.
        let product = u128::from(u64::from_le_bytes(bytes)) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }
}

/// What an object is called before its root is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// Those who are to keep it, in order: one, or two who keep copies.
    pub holders: Vec<String>,
    /// Place among the objects of these holders.
    pub slot: u32,
    /// How often the object in this place was replaced.
    pub generation: u64,
    /// Size in bytes.
    pub size: u64,
}

/// An object's names: by content, and for the request that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// BLAKE3.
    pub root: Root,
    /// SHA-256.
    pub sha256: [u8; 32],
}

impl ObjectId {
    /// The object's bytes from `seed`.
    pub fn reader(&self, seed: &Seed) -> ObjectReader {
        let mut hasher = seed.keyed(CONTEXT_DATA);
        for holder in &self.holders {
            hasher.update(holder.as_bytes());
            hasher.update(&[0]);
        }
        hasher.update(&self.slot.to_le_bytes());
        hasher.update(&self.generation.to_le_bytes());
        hasher.update(&self.size.to_le_bytes());
        ObjectReader { bytes: hasher.finalize_xof(), left: self.size }
    }

    /// Makes the object once and names it.
    pub fn digests(&self, seed: &Seed) -> Digests {
        let (mut blake3, mut sha256) = (blake3::Hasher::new(), Sha256::new());
        let mut reader = self.reader(seed);
        while let Some(piece) = reader.next_piece() {
            blake3.update(&piece);
            sha256.update(&piece);
        }
        Digests { root: Root(*blake3.finalize().as_bytes()), sha256: sha256.finalize().into() }
    }

    /// The object's bytes as a body to send.
    pub fn stream(&self, seed: &Seed) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::iter(self.reader(seed).pieces().map(Ok))
    }
}

/// Makes an object's bytes while they are read.
pub struct ObjectReader {
    bytes: blake3::OutputReader,
    left: u64,
}

impl ObjectReader {
    fn next_piece(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.left.min(PIECE_BYTES)).unwrap_or_default();
        if length == 0 {
            return None;
        }
        let mut piece = vec![0; length];
        self.fill(&mut piece);
        Some(piece.into())
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        self.bytes.fill(buffer);
        self.left = self.left.saturating_sub(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
    }

    fn pieces(mut self) -> impl Iterator<Item = Bytes> {
        std::iter::from_fn(move || self.next_piece())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if let Some(buffer) = buffer.get_mut(..length) {
            self.fill(buffer);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use futures::StreamExt;

    use super::*;
    use crate::proof::hash_tree;

    fn id(holders: &[&str], slot: u32, size: u64) -> ObjectId {
        let holders = holders.iter().map(|holder| (*holder).to_owned()).collect();
        ObjectId { holders, slot, generation: 0, size }
    }

    #[tokio::test]
    async fn an_object_can_be_made_again_in_every_way() {
        let seed = Seed::from_bytes([7; 32]);
        for size in [1, 65_535, 65_536, 200_001] {
            let object = id(&["a"], 0, size);
            let mut read = Vec::new();
            object.reader(&seed).read_to_end(&mut read).unwrap();
            let streamed: Vec<Bytes> = object.stream(&seed).map(Result::unwrap).collect().await;
            assert_eq!(streamed.concat(), read);
            assert_eq!(read.len() as u64, size);
            let digests = object.digests(&seed);
            assert_eq!(digests.root, hash_tree(&read[..], size).unwrap().0);
            assert_eq!(digests.sha256, <[u8; 32]>::from(Sha256::digest(&read)));
        }
    }

    #[test]
    fn every_name_and_every_seed_gives_other_bytes() {
        let ids = [
            id(&["a"], 0, 64),
            id(&["a"], 1, 64),
            ObjectId { generation: 1, ..id(&["a"], 0, 64) },
            id(&["b"], 0, 64),
            id(&["a", "b"], 0, 64),
            id(&["ab"], 0, 64),
            id(&["a"], 0, 65),
        ];
        let roots: HashSet<Root> = [[1; 32], [2; 32]]
            .iter()
            .flat_map(|seed| ids.iter().map(|id| id.digests(&Seed::from_bytes(*seed)).root))
            .collect();
        assert_eq!(roots.len(), 14);
    }

    #[test]
    fn draws_are_repeatable_and_spread_over_their_range() {
        let seed = Seed::from_bytes([1; 32]);
        let take = |name: &[u8]| {
            let mut draws = seed.draws(name);
            (0..10_000).map(|_| draws.below(10)).collect::<Vec<_>>()
        };
        let drawn = take(b"round 1");
        assert_eq!(drawn, take(b"round 1"));
        assert_ne!(drawn, take(b"round 2"));
        for value in 0..10 {
            let count = drawn.iter().filter(|drawn| **drawn == value).count();
            assert!((850..1150).contains(&count), "{value}: {count}");
        }
        assert_eq!(seed.draws(b"").below(0), 0);
    }

    #[test]
    fn a_seed_is_not_shown_but_can_be_stored() {
        let seed = Seed::generate().unwrap();
        assert_eq!(format!("{seed:?}"), "Seed(..)");
        let stored = serde_json::to_string(&seed).unwrap();
        assert!(serde_json::from_str::<Seed>(&stored).unwrap() == seed);
        assert!(Seed::generate().unwrap() != seed);
    }
}
