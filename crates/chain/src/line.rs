//! Blocks that were executed on top of each other, and are not decided.

use std::sync::Arc;

use myelin_store::NodeChanges;

use crate::Tip;

/// Executed blocks that follow each other, oldest first. The first follows a committed block.
#[derive(Clone, Default)]
pub(crate) struct Line(Vec<Link>);

#[derive(Clone)]
struct Link {
    tip: Arc<Tip>,
    changes: Arc<NodeChanges>,
}

impl Line {
    /// The newest block, if there is one.
    pub fn newest(&self) -> Option<&Arc<Tip>> {
        self.0.last().map(|link| &link.tip)
    }

    /// Adds the block after the newest.
    pub fn push(&mut self, tip: Arc<Tip>, changes: Arc<NodeChanges>) {
        self.0.push(Link { tip, changes });
    }

    /// The blocks after `head`, and what they change: none when another block than one of these was committed.
    pub fn after(&self, head: &Tip) -> impl Iterator<Item = (&Arc<Tip>, &Arc<NodeChanges>)> {
        let start = self.start(head).unwrap_or(self.0.len());
        self.0.iter().skip(start).map(|link| (&link.tip, &link.changes))
    }

    /// Forgets what is not after `head`.
    pub fn follow(&mut self, head: &Tip) {
        match self.start(head) {
            Some(start) => drop(self.0.drain(..start)),
            None => self.0.clear(),
        }
    }

    /// The place of the block that follows `head`.
    fn start(&self, head: &Tip) -> Option<usize> {
        self.0.iter().position(|link| link.tip.header.parent_hash == head.hash)
    }
}

#[cfg(test)]
mod tests {
    use myelin_runtime::{Hash, Header};

    use super::*;

    fn tip(number: u32, parent_hash: Hash, salt: u8) -> Arc<Tip> {
        let header = Header {
            parent_hash,
            number,
            state_root: Hash::repeat_byte(salt),
            extrinsics_root: Hash::zero(),
            digest: Default::default(),
        };
        Arc::new(Tip { hash: header.hash(), header, time_ms: 0 })
    }

    fn numbers(line: &Line, head: &Tip) -> Vec<u32> {
        line.after(head).map(|(tip, _)| tip.number()).collect()
    }

    #[test]
    fn what_follows_the_newest_committed_block_stays() {
        let genesis = tip(0, Hash::zero(), 0);
        let mut tips = vec![Arc::clone(&genesis)];
        let mut line = Line::default();
        for number in 1..=3 {
            let next = tip(number, tips.last().unwrap().hash, 0);
            line.push(Arc::clone(&next), Arc::default());
            tips.push(next);
        }
        assert_eq!(numbers(&line, &genesis), [1, 2, 3]);
        line.follow(&tips[2]);
        assert_eq!(numbers(&line, &tips[2]), [3]);
        assert_eq!(line.newest(), Some(&tips[3]));
        line.follow(&tips[3]);
        assert_eq!(line.newest(), None);
    }

    #[test]
    fn nothing_stays_after_another_block() {
        let genesis = tip(0, Hash::zero(), 0);
        let (expected, other) = (tip(1, genesis.hash, 1), tip(1, genesis.hash, 2));
        let mut line = Line::default();
        line.push(Arc::clone(&expected), Arc::default());
        line.push(tip(2, expected.hash, 1), Arc::default());
        assert_eq!(numbers(&line, &other), [0; 0]);
        line.follow(&other);
        assert_eq!(line.newest(), None);
    }
}
