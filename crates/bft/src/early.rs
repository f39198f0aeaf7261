//! Blocks that came before their parent was committed.

use myelin_chain::{Block, ConsensusKey, Hash};

/// A block for a height that has not begun.
pub(crate) struct Early {
    pub round: u32,
    pub sender: ConsensusKey,
    pub hash: Hash,
    pub block: Block,
}

/// Blocks that wait for their height, each once. Who may send them, and how many, is decided before.
#[derive(Default)]
pub(crate) struct EarlyBlocks(Vec<Early>);

impl EarlyBlocks {
    /// Whether a block that was sent in a round is here: its parts may come again, as often as somebody likes.
    pub fn holds(&self, sender: &ConsensusKey, round: u32, hash: &Hash) -> bool {
        self.0.iter().any(|early| (&early.sender, early.round, &early.hash) == (sender, round, hash))
    }

    /// Keeps a block.
    pub fn insert(&mut self, early: Early) {
        if !self.holds(&early.sender, early.round, &early.hash) {
            self.0.push(early);
        }
    }

    /// The blocks of this height. Those of later ones stay, whatever round this one is in; older ones are forgotten.
    pub fn take(&mut self, height: u32) -> Vec<Early> {
        let (later, due): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|early| early.block.number() > height);
        self.0 = later;
        due.into_iter().filter(|early| early.block.number() == height).collect()
    }
}

#[cfg(test)]
mod tests {
    use myelin_chain::Header;

    use super::*;

    fn early(height: u32, round: u32) -> Early {
        let header = Header {
            parent_hash: Hash::zero(),
            number: height,
            state_root: Hash::zero(),
            extrinsics_root: Hash::zero(),
            digest: Default::default(),
        };
        let block = Block { header, body: Vec::new() };
        Early { round, sender: [1; 32], hash: block.hash(), block }
    }

    #[test]
    fn a_block_that_is_sent_again_is_kept_once() {
        let mut blocks = EarlyBlocks::default();
        let hash = early(2, 0).hash;
        assert!(!blocks.holds(&[1; 32], 0, &hash));
        (0..3).for_each(|_| blocks.insert(early(2, 0)));
        assert!(blocks.holds(&[1; 32], 0, &hash));
        assert!(!blocks.holds(&[1; 32], 1, &hash) && !blocks.holds(&[2; 32], 0, &hash));
        blocks.insert(early(2, 1));
        assert_eq!(blocks.take(2).len(), 2);
    }

    #[test]
    fn a_block_waits_for_its_height_through_all_rounds_of_the_one_before() {
        let mut blocks = EarlyBlocks::default();
        blocks.insert(early(3, 0));
        blocks.insert(early(2, 0));
        assert!(blocks.take(1).is_empty() && blocks.take(1).is_empty());
        assert_eq!(blocks.take(3).len(), 1);
        assert!(blocks.take(2).is_empty(), "what is older is forgotten");
    }
}
