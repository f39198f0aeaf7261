//! Work that is done ahead of time, or put off, while a node catches up.

mod common;

use std::time::{Duration, Instant};

use codec::Encode;
use common::*;
use myelin_chain::{History, Validity};
use sp_keyring::Sr25519Keyring as Keyring;

#[test]
fn deferred_blocks_are_seen_together_once_they_are_written() {
    let chain = memory_chain(History::Archive);
    let mut events = chain.subscribe();
    for number in 1..=3 {
        let time_ms = chain.head().time_ms + 500;
        let executed = chain.propose(&context(time_ms), &mut myelin_chain::executor::NoCandidates).unwrap();
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
    let propose =
        |time_ms| chain.propose(&context(time_ms), &mut myelin_chain::executor::NoCandidates).unwrap();
    let (first, second) = (propose(500), propose(1_000));
    chain.commit_deferred(first, Vec::new()).unwrap();
    assert!(chain.commit_deferred(second, Vec::new()).is_err());
}

#[test]
fn signatures_of_an_expected_block_are_verified_before_it_comes() {
    let proposer = memory_chain(History::Archive);
    let pool = mempool(&proposer);
    let alice = Signer::new(&proposer, Keyring::Alice);
    let bob = Signer::new(&proposer, Keyring::Bob).account();
    for nonce in 0..5 {
        pool.submit_here(alice.transfer(&bob, 1_000_000, nonce, 0)).unwrap();
    }
    let executed = proposer.propose(&context(next_time_ms(&proposer)), &mut pool.best()).unwrap();
    let chain = memory_chain(History::Archive);
    let pool = mempool(&chain);
    let mut forged = executed.block.clone();
    let last = forged.body.last_mut().unwrap();
    last[60] ^= 1;
    // What is no block does no harm.
    pool.expect_block(vec![0xff; 100]);
    pool.expect_block(forged.encode());
    wait_for(|| chain.remembered_signatures() == 4);
    assert!(matches!(chain.validate(&forged, None).unwrap(), Validity::Invalid(_)));
    pool.expect_block(executed.block.encode());
    wait_for(|| chain.remembered_signatures() == 5);
    assert!(matches!(chain.validate(&executed.block, None).unwrap(), Validity::Valid(_)));
}

fn wait_for(holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
