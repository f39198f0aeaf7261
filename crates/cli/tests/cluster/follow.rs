//! Blocks that a node said are final.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    load::Acknowledged,
    network::{wait_until, Node},
};

/// Hash and state root by height.
#[derive(Default)]
pub struct Final(BTreeMap<u64, (Value, Value)>);

impl Final {
    /// Notes the newest blocks of a node; fails if one is another than what was final before.
    pub fn note(&mut self, node: &Node) {
        let tip = node.height();
        for height in tip.saturating_sub(3).max(1)..=tip {
            let block = node.block(height);
            let before = self.0.entry(height).or_insert_with(|| block.clone());
            assert_eq!(*before, block, "block {height} of {} is another than it was", node.name);
        }
    }

    /// Highest block that was final.
    pub fn height(&self) -> u64 {
        self.0.keys().next_back().copied().unwrap_or_default()
    }

    /// Fails unless a node still has everything that was final.
    pub fn assert_kept_by(&self, node: &Node) {
        for (height, block) in &self.0 {
            assert_eq!(node.block(*height), *block, "block {height} of {}", node.name);
        }
    }
}

/// Fails unless a node has, or comes to have, every block that contains an acknowledged transfer.
pub fn assert_acknowledged(acknowledged: &[Acknowledged], node: &Node) {
    // Another node may have acknowledged it, and be a block ahead.
    let newest = acknowledged.iter().map(|transfer| transfer.height).max().unwrap_or_default();
    wait_until(&format!("{} comes to block {newest}", node.name), || node.height() >= newest);
    for Acknowledged { height, block } in acknowledged {
        assert_eq!(node.block(*height).0, Value::from(block.as_str()), "block {height} of {}", node.name);
    }
}
