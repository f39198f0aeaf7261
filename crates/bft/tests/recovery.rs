//! What a node does after it lost something: its newest state, its log, or its disk.

mod common;

use std::{fs, path::Path, time::Instant};

use common::*;
use myelin_chain::SubmitError;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Puts back everything but the signing guard, which no backup may contain.
fn restore(backup: &Path, home: &Path) {
    for entry in fs::read_dir(backup).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "signing-guard" {
            fs::copy(entry.path(), home.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_with_an_old_backup_follows_before_it_signs() {
    let network = Network::new(250, &[1, 1, 1, 1]);
    let mut nodes = network.start_all();
    nodes[3].reach(4).await;
    nodes.pop().unwrap().stop().await;
    let backup = tempfile::tempdir().unwrap();
    copy(&network.directory(3), backup.path());
    let again = network.start(3);
    again.reach(12).await;
    again.stop().await;
    restore(backup.path(), &network.directory(3));
    let restored = network.start(3);
    assert!(restored.height() < 8);
    restored.reach(nodes[0].height()).await;
    // It signs again: the others cannot decide without it once one of them is gone.
    nodes.pop().unwrap().stop().await;
    let height = restored.height() + 6;
    restored.reach(height).await;
    nodes[0].reach(height).await;
    assert_agreement(&network, &[&nodes[0], &restored], height);
    restored.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_validator_with_an_old_backup_refuses_to_go_on() {
    let network = Network::new(100, &[1]);
    let node = network.start(0);
    node.reach(3).await;
    node.stop().await;
    let backup = tempfile::tempdir().unwrap();
    copy(&network.directory(0), backup.path());
    let again = network.start(0);
    again.reach(9).await;
    again.stop().await;
    restore(backup.path(), &network.directory(0));
    let error = network.start(0).failure().await.to_string();
    assert!(error.contains("has signed there before"), "{error}");
    assert_eq!(network.witness.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_log_costs_one_height() {
    let network = Network::new(250, &[1, 1, 1, 1]);
    let mut nodes = network.start_all();
    nodes[3].reach(4).await;
    nodes.pop().unwrap().stop().await;
    fs::remove_file(network.directory(3).join("consensus.wal")).unwrap();
    let again = network.start(3);
    let height = again.height() + 10;
    again.reach(height).await;
    nodes[0].reach(height).await;
    assert_agreement(&network, &[&nodes[0], &again], height);
    again.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_named_with_what_to_do_and_that_helps() {
    let network = Network::new(250, &[1, 1, 1, 1]);
    let mut nodes = network.start_all();
    nodes[3].reach(4).await;
    nodes.pop().unwrap().stop().await;
    let log = network.directory(3).join("consensus.wal");
    fs::write(&log, [0xff; 64]).unwrap();
    let error = network.start(3).failure().await.to_string();
    assert!(error.contains(log.to_str().unwrap()) && error.contains("move it away"), "{error}");
    fs::rename(&log, network.directory(3).join("damaged")).unwrap();
    let again = network.start(3);
    let height = again.height() + 8;
    again.reach(height).await;
    nodes[0].reach(height).await;
    assert_agreement(&network, &[&nodes[0], &again], height);
    again.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_is_full_stops_and_the_rest_goes_on() {
    let network = Network::new(250, &[1, 1, 1, 1]);
    let nodes: Vec<_> = (0..3).map(|index| network.start(index)).collect();
    let mut store = myelin_chain::StoreConfig::directory(network.directory(3));
    store.max_bytes = Some(6 << 20);
    let address = network.addresses[3];
    let full = Node::start(&network.genesis, store, network.config(3, address).with_key(secret(3)));
    full.reach(2).await;
    nodes[0].reach(1).await;
    // Blocks of nothing but payments fill it up.
    let mut nonce = 0;
    while !full.has_ended() {
        for _ in 0..100 {
            nodes[0].submit_transfer(
                sp_keyring::Sr25519Keyring::Alice,
                &fresh_account(nonce),
                1_000_000,
                nonce,
            );
            nonce += 1;
        }
        let height = nodes[0].height() + 1;
        nodes[0].reach(height).await;
    }
    let chain = std::sync::Arc::clone(full.chain());
    let error = full.failure().await.to_string();
    assert!(error.contains("disk"), "{error}");
    // What it has can still be read.
    assert!(chain.tip_state().is_ok() && chain.tip().number() >= 2);
    let height = nodes[0].height() + 5;
    for node in &nodes {
        node.reach(height).await;
    }
    assert_agreement(&network, &nodes.iter().collect::<Vec<_>>(), height);
    for node in nodes {
        node.stop().await;
    }
}

fn fresh_account(seed: u32) -> myelin_chain::AccountId {
    let mut bytes = [0x5c; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    myelin_chain::AccountId::new(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_used_twice_is_found_out() {
    let network = Network::new(250, &[1, 1, 1, 1]);
    let mut nodes = network.start_all();
    // A copy of validator 3 in another home knows nothing of what the other has signed.
    let mut twins = [nodes.remove(3), network.start_with_key(8, 3)];
    let (mut homes, mut nonces, started) = (9.., [0, 0], Instant::now());
    let found = loop {
        assert!(started.elapsed() < PATIENCE, "nobody was found out by height {}", nodes[0].height());
        for (twin, nonce) in twins.iter_mut().zip(&mut nonces) {
            // Who finds a vote in a certificate that it has not cast stops by itself.
            if twin.has_ended() {
                let again = network.start_with_key(homes.next().unwrap(), 3);
                let error = std::mem::replace(twin, again).failure().await.to_string();
                assert!(error.contains("another node signs with its key"), "{error}");
                *nonce = 0;
            }
        }
        // Transactions that only one of them has make their blocks different. It takes none before it knows how far the others are.
        let chain = nodes[0].chain().genesis_hash();
        let bytes = transfer(chain, sp_keyring::Sr25519Keyring::Bob, &account(9), 1_000_000, nonces[1]);
        match twins[1].application.mempool().submit_here(bytes) {
            Ok(_) => nonces[1] += 1,
            Err(error) => {
                assert!(matches!(error, SubmitError::Unsure | SubmitError::Behind { .. }), "{error}")
            }
        }
        let height = nodes[0].height() + 1;
        nodes[0].reach(height).await;
        let found = myelin_bft::evidence::equivocations(nodes[0].chain().store()).unwrap();
        if !found.is_empty() {
            break found;
        }
    };
    for equivocation in &found {
        assert_eq!(equivocation.validator, secret(3).public());
        assert_ne!(equivocation.first, equivocation.second);
        assert!((1..=nodes[0].height()).contains(&equivocation.height));
    }
    // The witness sees it as well, and the chain is one.
    assert!(!network.witness.faults().is_empty());
    let height = nodes[0].height();
    nodes[1].reach(height).await;
    assert_eq!(nodes[0].history(height), nodes[1].history(height));
    for node in nodes.into_iter().chain(twins) {
        node.end().await;
    }
}
