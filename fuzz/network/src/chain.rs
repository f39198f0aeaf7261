//! Blocks, extrinsics and certificates.

use std::sync::OnceLock;

use codec::Encode;
use myelin_chain::{
    Block, Certificate, Chain, Hash, Mempool, MempoolLimits, Store, StoreConfig, Validator, ValidatorSet,
};
use myelin_runtime::presets::Genesis;

/// A certificate, and whether it is good, which it is not.
pub fn certificate(data: &[u8]) {
    let Ok(certificate) = Certificate::from_bytes(data) else { return };
    assert_eq!(certificate.encode(), data);
    let validator = |key: u8| Validator { key: [key; 32], account: [key; 32].into(), power: 1 };
    let validators = ValidatorSet::new((1..=4).map(validator).collect()).expect("a set");
    assert!(certificate.verify(&validators, &Hash::zero()).is_err());
}

/// A block, and whether it may be the first of a chain.
pub fn block(data: &[u8]) {
    let Ok(mut block) = Block::from_peer(data) else { return };
    assert_eq!(block.encode(), data);
    let mempool = mempool();
    let tip = mempool.0.tip();
    mempool.0.validate(&block, None).expect("the node is sound");
    // The same again as a block that gets as far as being executed.
    block.header.parent_hash = tip.hash;
    block.header.number = tip.number() + 1;
    mempool.0.validate(&block, None).expect("the node is sound");
}

/// A transaction that is handed in.
pub fn extrinsic(data: &[u8]) {
    if let Err(error) = mempool().1.submit_here(data.to_vec()) {
        assert!(!error.to_string().is_empty(), "an error says something");
    }
}

/// A chain with nothing on it, and its mempool.
fn mempool() -> &'static (std::sync::Arc<Chain>, std::sync::Arc<Mempool>) {
    static NODE: OnceLock<(std::sync::Arc<Chain>, std::sync::Arc<Mempool>)> = OnceLock::new();
    NODE.get_or_init(|| {
        let genesis = Genesis::development(500).build_storage().expect("a genesis");
        let store = Store::open(&StoreConfig::memory()).expect("memory");
        let chain = Chain::open(store, Some(&genesis)).expect("a chain");
        let limits = MempoolLimits { workers: 1, ban_ms: 0, ..MempoolLimits::default() };
        let mempool = Mempool::new(std::sync::Arc::clone(&chain), limits).expect("threads");
        (chain, mempool)
    })
}
