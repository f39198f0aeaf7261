//! Work that is done ahead of time, or put off, while a node catches up.

mod common;

use std::sync::Arc;

use bytes::Bytes;
use codec::Encode;
use common::*;
use myelin_chain::{
    certificate::{vote_sign_bytes, Certificate, VoteKind},
    executor::NoCandidates,
    Block, Chain, Hash, History, Lookahead, Store, StoreConfig, Validity,
};
use myelin_runtime::presets::{Genesis, Validator};
use sp_core::{ed25519, Pair as _};
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::generic::Era;

#[test]
fn deferred_blocks_are_seen_together_once_they_are_written() {
    let chain = memory_chain(History::Archive);
    let mut events = chain.subscribe();
    for number in 1..=3 {
        let time_ms = chain.head().time_ms + 500;
        let executed = chain.propose(&context(time_ms), &mut NoCandidates).unwrap();
        chain.commit_deferred(executed, vec![number as u8]).unwrap();
        assert_eq!((chain.head().number(), chain.tip().number()), (number, 0));
        assert_eq!(chain.params(number + 1).unwrap().height, number + 1);
        assert!(events.try_recv().is_err(), "nobody has heard of it");
    }
    chain.flush().unwrap();
    assert_eq!(chain.tip(), chain.head());
    for number in 1..=3 {
        let hash = chain.hash_of(number).unwrap().unwrap();
        assert_eq!(chain.block(&hash).unwrap().unwrap().certificate, [number as u8]);
        assert!(events.try_recv().is_ok());
    }
}

#[test]
fn a_deferred_block_of_another_parent_is_refused() {
    let chain = memory_chain(History::Archive);
    let propose = |time_ms| chain.propose(&context(time_ms), &mut NoCandidates).unwrap();
    let (first, second) = (propose(500), propose(1_000));
    chain.commit_deferred(first, Vec::new()).unwrap();
    assert!(chain.commit_deferred(second, Vec::new()).is_err());
}

#[test]
fn what_is_written_meanwhile_is_what_was_committed_before() {
    let chain = memory_chain(History::Blocks(4));
    let executed = chain.propose(&context(500), &mut NoCandidates).unwrap();
    chain.commit_deferred(executed, Vec::new()).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| chain.flush_newest_state());
        for number in 2..=40 {
            let executed = chain.propose(&context(number * 500), &mut NoCandidates).unwrap();
            chain.commit_deferred(executed, Vec::new()).unwrap();
        }
        writing.join().unwrap().unwrap();
    });
    assert_eq!(chain.head().number(), 40);
    chain.flush_newest_state().unwrap();
    assert_eq!(chain.tip(), chain.head());
    assert_eq!(chain.tip_state().unwrap().number(), 40);
}

/// Votes on a chain of its own.
fn validator() -> ed25519::Pair {
    ed25519::Pair::from_seed(&[1; 32])
}

/// A chain of that validator.
fn chain_of_one(history: History) -> Arc<Chain> {
    let account = Keyring::Alice.to_account_id();
    let validators = vec![Validator { key: validator().public().0.into(), account, power: 1 }];
    let genesis = Genesis { validators, ..development() }.build_storage().unwrap();
    let store = Store::open(&StoreConfig::memory().with_history(history)).unwrap();
    Chain::open_audited(store, Some(&genesis)).unwrap()
}

/// What proves that the validator has decided a block, whatever block it is.
fn proof(block: &Block) -> Certificate {
    let (height, round, hash) = (block.number(), 0, block.hash());
    let genesis = chain_of_one(History::Archive).genesis_hash();
    let message = vote_sign_bytes(&genesis, height, round, VoteKind::Precommit, Some(&hash));
    let signature = (validator().public().0, validator().sign(&message).0);
    Certificate { height, round, block: hash, signatures: vec![signature] }
}

/// Blocks as a peer sends them, each with a transfer.
fn blocks_of_a_peer(count: u32) -> Vec<Block> {
    let peer = chain_of_one(History::Archive);
    let pool = mempool(&peer);
    let alice = Signer::new(&peer, Keyring::Alice);
    let bob = Signer::new(&peer, Keyring::Bob).account();
    let next = |number: u32| {
        // The first transaction names no block, the others each the newest.
        let era = if number == 0 { Era::Immortal } else { Era::mortal(8, number.into()) };
        let transfer = alice.sign(transfer_call(&bob, 1_000_000), number, 0, era, peer.tip().hash);
        pool.submit_here(transfer).unwrap();
        commit_pool(&peer, &pool);
        peer.block(&peer.tip().hash).unwrap().unwrap().block
    };
    (0..count).map(next).collect()
}

fn encoded(block: &Block) -> Bytes {
    block.encode().into()
}

fn expect(lookahead: &Lookahead, blocks: &[Block]) {
    lookahead.expect(blocks.iter().map(|block| (proof(block), encoded(block))));
}

/// Commits the next block as a sequencer does, which asks for it first; whether it had been executed already.
fn commit_next(chain: &Chain, lookahead: &Lookahead, block: &Block) -> bool {
    let ready = lookahead.take(block.number(), &encoded(block));
    let was_ready = ready.is_some();
    let executed =
        ready.map(|(executed, _)| executed).unwrap_or_else(|| match chain.validate(block, None).unwrap() {
            Validity::Valid(executed) => executed,
            other => panic!("{other:?}"),
        });
    assert_eq!(executed.block, *block);
    chain.commit_deferred(*executed, vec![7]).unwrap();
    lookahead.head_moved();
    was_ready
}

/// Commits blocks that are expected, all of which are ready. The last one is left to the sequencer.
fn commit_all(chain: &Chain, lookahead: &Lookahead, blocks: &[Block]) {
    let (last, others) = blocks.split_last().unwrap();
    for block in others {
        assert!(commit_next(chain, lookahead, block), "{}", block.number());
    }
    commit_next(chain, lookahead, last);
}

#[test]
fn expected_blocks_are_executed_on_top_of_each_other_and_seen_by_nobody() {
    let blocks = blocks_of_a_peer(12);
    let chain = chain_of_one(History::Blocks(4));
    let mut events = chain.subscribe();
    let before = chain.tip();
    let lookahead = Lookahead::start(Arc::clone(&chain)).unwrap();
    // In no order, and one of them twice.
    expect(&lookahead, &blocks[6..]);
    expect(&lookahead, &blocks[..7]);
    commit_all(&chain, &lookahead, &blocks);
    assert_eq!((chain.tip(), chain.head().hash), (before, blocks[11].hash()));
    assert!(events.try_recv().is_err(), "nobody has heard of it");
    assert_eq!(chain.remembered_signatures(), blocks.len());
    chain.flush().unwrap();
    assert_eq!(chain.tip().hash, blocks[11].hash());
    drop(lookahead);
    assert_eq!(Arc::strong_count(&chain), 1);
}

#[test]
fn a_wrong_block_in_the_middle_stops_only_what_comes_after_it() {
    let blocks = blocks_of_a_peer(6);
    let chain = chain_of_one(History::Archive);
    let lookahead = Lookahead::start(Arc::clone(&chain)).unwrap();
    let mut wrong = blocks.clone();
    wrong[2].header.state_root = Hash::repeat_byte(1);
    expect(&lookahead, &wrong);
    for block in &blocks[..2] {
        assert!(commit_next(&chain, &lookahead, block));
    }
    assert!(lookahead.take(3, &encoded(&wrong[2])).is_none());
    assert!(matches!(chain.validate(&wrong[2], None).unwrap(), Validity::Invalid(_)));
    // Another peer sends the right ones.
    expect(&lookahead, &blocks[2..]);
    commit_all(&chain, &lookahead, &blocks[2..]);
    chain.flush().unwrap();
    assert_eq!(chain.tip().hash, blocks[5].hash());
}

#[test]
fn what_is_no_block_or_another_does_no_harm() {
    let blocks = blocks_of_a_peer(3);
    let chain = chain_of_one(History::Archive);
    let lookahead = Lookahead::start(Arc::clone(&chain)).unwrap();
    let mut forged = blocks[0].clone();
    let last = forged.body.last_mut().unwrap();
    last[60] ^= 1;
    let (garbage, forged) = (Bytes::from_static(&[0xff; 100]), encoded(&forged));
    let proof = proof(&blocks[0]);
    let at = |height: u32| Certificate { height, ..proof.clone() };
    let unproven = Certificate { signatures: Vec::new(), ..proof.clone() };
    let claims = [
        (&proof, &garbage),
        (&proof, &forged),
        (&proof, &encoded(&blocks[2])),
        (&unproven, &encoded(&blocks[0])),
        (&at(2), &encoded(&blocks[0])),
        (&at(u32::MAX), &encoded(&blocks[0])),
    ];
    for (proof, bytes) in claims {
        // There is another, or nobody would make any of them ready.
        lookahead.expect([(proof.clone(), bytes.clone()), (at(3), garbage.clone())]);
        assert!(lookahead.take(1, bytes).is_none());
    }
    expect(&lookahead, &blocks);
    commit_all(&chain, &lookahead, &blocks);
}

#[test]
fn nothing_is_left_of_what_was_executed_when_another_block_is_decided() {
    let blocks = blocks_of_a_peer(4);
    let chain = chain_of_one(History::Archive);
    let lookahead = Lookahead::start(Arc::clone(&chain)).unwrap();
    expect(&lookahead, &blocks);
    let ready = lookahead.take(1, &encoded(&blocks[0]));
    assert!(ready.is_some());
    // Decided is an empty block; what was executed ahead may be on its way still.
    let other = commit_empty(&chain);
    lookahead.head_moved();
    assert!(lookahead.take(2, &encoded(&blocks[1])).is_none());
    assert!(matches!(chain.validate(&blocks[1], None).unwrap(), Validity::Unknown { .. }));
    let (stale, _) = ready.unwrap();
    assert!(chain.commit_deferred(*stale, Vec::new()).is_err());
    assert_eq!(chain.tip().hash, other);
    // The chain goes on with the values of the block that was decided.
    let alone = chain_of_one(History::Archive);
    assert_eq!(commit_empty(&alone), other);
    for _ in 0..3 {
        assert_eq!(commit_empty(&chain), commit_empty(&alone));
    }
}

#[test]
fn a_stop_in_the_middle_leaves_the_chain_as_it_is() {
    let blocks = blocks_of_a_peer(8);
    let chain = chain_of_one(History::Archive);
    for _ in 0..20 {
        let lookahead = Lookahead::start(Arc::clone(&chain)).unwrap();
        expect(&lookahead, &blocks);
        drop(lookahead);
        assert_eq!(Arc::strong_count(&chain), 1, "nobody works on");
        assert_eq!((chain.tip().number(), chain.head().number()), (0, 0));
    }
    let lookahead = Lookahead::start(Arc::clone(&chain)).unwrap();
    for block in &blocks {
        assert!(!commit_next(&chain, &lookahead, block));
    }
    chain.flush().unwrap();
    assert_eq!(chain.tip().hash, blocks[7].hash());
}
