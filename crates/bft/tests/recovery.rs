//! What a node does after it lost something: its newest state, its log, or its disk.

mod common;

use std::{fs, path::Path};

use common::*;
use myelin_bft::SigningGuard;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Puts back everything but the signing guard.
fn restore(backup: &Path, home: &Path) {
    for entry in fs::read_dir(backup).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "signing-guard" {
            fs::copy(entry.path(), home.join(entry.file_name())).unwrap();
        }
    }
}

/// Four validators at some height; the last one has ended, and a copy of its files then is there.
struct Ended {
    network: Network,
    nodes: Vec<Node>,
    backup: tempfile::TempDir,
}

impl Ended {
    async fn new() -> Self {
        Self::on(Network::new(250, &[1, 1, 1, 1])).await
    }

    async fn on(network: Network) -> Self {
        let mut nodes = network.start_all();
        nodes[3].reach(4).await;
        nodes.pop().unwrap().stop().await;
        let backup = tempfile::tempdir().unwrap();
        copy(&network.directory(3), backup.path());
        Self { network, nodes, backup }
    }

    /// The validator goes on for some blocks; the height that it may have signed in last.
    async fn run_on(&self, blocks: u32) -> u32 {
        let again = self.network.start(3);
        again.reach(again.height() + blocks).await;
        let chain = std::sync::Arc::clone(again.chain());
        again.stop().await;
        chain.tip().number() + 1
    }

    /// The validator starts, and catches up without a contradiction. Then it is one that the others cannot decide without.
    async fn comes_back(mut self, at_least: u32) {
        let restored = self.network.start(3);
        restored.reach(at_least.max(self.nodes[0].height())).await;
        // Those that follow do not vote.
        restored.until("it signs", || restored.status.get().signs).await;
        self.nodes.pop().unwrap().stop().await;
        let height = restored.height() + 6;
        restored.reach(height).await;
        self.nodes[0].reach(height).await;
        assert_agreement(&self.network, &[&self.nodes[0], &restored], height);
        restored.stop().await;
        for node in self.nodes {
            node.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_with_an_old_database_follows_before_it_signs() {
    let ended = Ended::new().await;
    let signed = ended.run_on(8).await;
    restore(ended.backup.path(), &ended.network.directory(3));
    ended.comes_back(signed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_with_an_old_guard_finds_out_what_it_has_signed() {
    let ended = Ended::new().await;
    // So many blocks that the backup is older than those that a validator starts with at once.
    let signed = ended.run_on(24).await;
    fs::remove_dir_all(ended.network.directory(3)).unwrap();
    copy(ended.backup.path(), &ended.network.directory(3));
    ended.comes_back(signed).await;
}

/// It has signed more than it knows. Nobody gives it the blocks that tell, and that is no reason to go on without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_with_an_old_guard_signs_nothing_while_its_peers_have_discarded_what_it_needs() {
    let ended = Ended::on(Network::new(250, &[1, 1, 1, 1]).pruned()).await;
    ended.run_on(24).await;
    fs::remove_dir_all(ended.network.directory(3)).unwrap();
    copy(ended.backup.path(), &ended.network.directory(3));
    let restored = ended.network.start(3);
    let (height, witness) = (restored.height(), &ended.network.witness);
    let lacks = || restored.status.trouble().is_some_and(|trouble| trouble.contains("on only"));
    restored.until("it says what it lacks", lacks).await;
    let messages = witness.messages_of(secret(3).public());
    // Longer than a validator waits for blocks that are only said to be there.
    let goal = ended.nodes[0].height() + 60;
    ended.nodes[0].reach(goal).await;
    assert!(!restored.status.get().signs && restored.height() == height);
    assert_eq!(witness.messages_of(secret(3).public()), messages, "it has signed something");
    assert_eq!(witness.faults(), Vec::<String>::new());
    restored.stop().await;
    for node in ended.nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_without_its_guard_signs_nothing_until_the_others_have_gone_on() {
    let damages: [fn(&Path); 4] = [
        |guard| fs::remove_file(guard).unwrap(),
        |guard| fs::write(guard, &fs::read(guard).unwrap()[..256]).unwrap(),
        |guard| fs::write(guard, [0x3d; 50]).unwrap(),
        // The disk is lost, and only the key was kept elsewhere.
        |guard| {
            let home = guard.parent().unwrap();
            fs::remove_dir_all(home).unwrap();
            fs::create_dir(home).unwrap();
        },
    ];
    for damage in damages {
        let ended = Ended::new().await;
        let signed = ended.run_on(2).await;
        damage(&ended.network.guard(3));
        ended.comes_back(signed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_signs_where_all_guards_are_lost_until_somebody_says_so() {
    let network = Network::new(250, &[1, 1]);
    for index in 0..2 {
        fs::create_dir(network.directory(index)).unwrap();
    }
    let nodes = network.start_all();
    nodes[0].until("they meet", || nodes[0].status.get().peers > 0).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(network.witness.messages(), 0);
    for (node, index) in nodes.into_iter().zip(0..) {
        node.stop().await;
        SigningGuard::create(&network.guard(index), secret(index).public()).unwrap();
    }
    let nodes = network.start_all();
    nodes[0].reach(3).await;
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
    fs::remove_file(network.guard(0)).unwrap();
    let error = network.start(0).failure().await.to_string();
    assert!(error.contains("signing-guard is missing") && error.contains("--new"), "{error}");
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
async fn a_second_node_with_a_key_in_use_never_signs() {
    let network = Network::new(250, &[1, 1, 1, 1]);
    let nodes = network.start_all();
    let follower = network.start_follower(8);
    follower.reach(2).await;
    follower.stop().await;
    SigningGuard::create(&network.guard(8), secret(3).public()).unwrap();
    // What it finds then is more than it takes for up to date.
    let height = nodes[0].height() + 24;
    nodes[0].reach(height).await;
    let error = network.start_with_key(8, 3).failure().await.to_string();
    assert!(error.contains("another node signs with its key"), "{error}");
    let height = nodes[0].height() + 2;
    nodes[0].reach(height).await;
    assert_agreement(&network, &[&nodes[0]], height);
    for node in nodes {
        node.stop().await;
    }
}
