//! What may happen to validators, and what must hold all the same.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    follow::{assert_acknowledged, Final},
    load::Load,
    network::{wait_until, Network, Node},
    random::{cycles, slow_cycles, Random},
    watch::Observer,
};

const BLOCK_TIME: &str = "250ms";
/// No pause may be longer with one of four validators dead.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

fn urls(network: &Network) -> Vec<String> {
    network.running().map(|node| node.url.clone()).collect()
}

#[test]
fn four_validators_order_one_chain_and_a_fifth_node_follows() {
    let network = Network::start(4, BLOCK_TIME);
    let observer = Observer::start(&network);
    let load = Load::start(network.runtime().handle(), urls(&network));
    network.wait_for_blocks(8);
    let follower = network.start_follower("follower", &[]);
    let goal = network.node(0).height() + 4;
    wait_until("the follower catches up", || follower.height() >= goal);
    let acknowledged = load.stop();
    assert!(!acknowledged.is_empty(), "transfers become final");
    network.wait_for_blocks(1);
    network.assert_agreement();
    assert_acknowledged(&acknowledged, network.node(3));
    assert_acknowledged(&acknowledged, &follower);
    observer.finish(8 * 4);
}

#[test]
fn one_validator_is_a_network_too() {
    let network = Network::start(1, BLOCK_TIME);
    network.wait_for_blocks(5);
    let follower = network.start_follower("follower", &["--history", "archive"]);
    wait_until("the follower catches up", || follower.height() >= 5);
    assert_eq!(follower.block(3), network.node(0).block(3));
}

#[test]
fn any_node_is_killed_under_load_and_comes_back() {
    let mut random = Random::new();
    let mut network = Network::start(4, BLOCK_TIME);
    let observer = Observer::start(&network);
    let load = Load::start(network.runtime().handle(), urls(&network));
    let mut all = Final::default();
    for _ in 0..cycles(4) {
        let victim = random.below(4) as usize;
        std::thread::sleep(Duration::from_millis(random.below(700)));
        all.note(network.node(victim));
        network.kill(victim);
        load.redirect(urls(&network));
        std::thread::sleep(Duration::from_millis(random.below(1_500)));
        network.start_node(victim);
        load.redirect(urls(&network));
        let node = network.node(victim);
        let goal = all.height();
        wait_until("the node has again what it said was final", || node.height() >= goal);
        network.wait_for_blocks(1);
    }
    let acknowledged = load.stop();
    assert!(!acknowledged.is_empty(), "the load did something");
    network.wait_for_blocks(1);
    network.assert_agreement();
    for node in network.running() {
        all.assert_kept_by(node);
        assert_acknowledged(&acknowledged, node);
    }
    observer.finish(1);
}

#[test]
fn a_network_that_was_away_as_a_whole_goes_on() {
    let mut network = Network::start(4, BLOCK_TIME);
    network.wait_for_blocks(4);
    for _ in 0..slow_cycles(2) {
        // Killed in the middle of a height, in which most have voted; then for so long that all listen before they sign.
        (0..4).for_each(|index| network.kill(index));
        std::thread::sleep(Duration::from_secs(6));
        (0..4).for_each(|index| network.start_node(index));
        network.wait_for_blocks(3);
    }
    network.assert_agreement();
}

#[test]
fn the_chain_goes_on_without_one_of_four() {
    let mut network = Network::start(4, BLOCK_TIME);
    network.wait_for_blocks(4);
    network.kill(2);
    let longest = longest_pause(network.node(0), 24);
    assert!(longest <= LONGEST_PAUSE, "a pause of {longest:?}");
    network.start_node(2);
    let goal = network.node(0).height();
    let start = Instant::now();
    wait_until("the node catches up", || network.node(2).height() >= goal);
    eprintln!("caught up with block {goal} in {:?}", start.elapsed());
    network.wait_for_blocks(2);
    network.assert_agreement();
}

/// The longest time between two blocks of a node, among the next `blocks`.
fn longest_pause(node: &Node, blocks: u64) -> Duration {
    let (mut height, end) = (node.height(), node.height() + blocks);
    let (mut since, mut longest) = (Instant::now(), Duration::ZERO);
    while height < end {
        std::thread::sleep(Duration::from_millis(10));
        let now = node.height();
        longest = longest.max(since.elapsed());
        if now > height {
            (height, since) = (now, Instant::now());
        }
    }
    longest
}

#[test]
fn divided_halves_stop_and_go_on_when_they_meet() {
    // No observer here: it would be a way from one half to the other.
    let network = Network::start(4, BLOCK_TIME);
    network.wait_for_blocks(4);
    for _ in 0..slow_cycles(1) {
        network.divide(&[&[0, 1], &[2, 3]]);
        // What was under way may still be decided.
        std::thread::sleep(Duration::from_secs(1));
        let before: Vec<_> = network.running().map(Node::height).collect();
        std::thread::sleep(Duration::from_secs(3));
        let after: Vec<_> = network.running().map(Node::height).collect();
        assert_eq!(after, before, "neither half has more than two thirds");
        network.heal();
        network.wait_for_blocks(4);
        network.assert_agreement();
    }
}

#[test]
fn three_go_on_without_the_fourth_and_take_it_back() {
    let network = Network::start(4, BLOCK_TIME);
    network.wait_for_blocks(4);
    network.divide(&[&[0, 1, 2], &[3]]);
    // It may still take in what has reached it.
    std::thread::sleep(Duration::from_secs(1));
    let alone = network.node(3).height();
    let goal = network.node(0).height() + 12;
    wait_until("three of four decide", || network.node(0).height() >= goal);
    assert!(network.node(3).height() <= alone + 1, "the fourth is cut off");
    network.heal();
    wait_until("the fourth catches up", || network.node(3).height() >= goal);
    network.wait_for_blocks(2);
    network.assert_agreement();
}

#[test]
fn a_node_that_catches_up_tells_clients_that_it_takes_no_transactions() {
    let mut network = Network::start(4, BLOCK_TIME);
    network.wait_for_blocks(4);
    network.kill(2);
    network.kill(3);
    // Two of four decide nothing, so all that the follower gets is old.
    std::thread::sleep(Duration::from_secs(6));
    let follower = network.start_follower("follower", &[]);
    let submit = || follower.rpc.answer("author_submitExtrinsic", serde_json::json!(["0x00"]));
    let says = |text: &str| submit().is_some_and(|answer| answer["error"].to_string().contains(text));
    wait_until("it says that it catches up", || {
        assert!(!says("format"), "at no time before it looks at a transaction");
        says("still catching up") && says("another node")
    });
    network.start_node(2);
    // It is asked about the transaction itself again.
    wait_until("it has caught up", || says("format"));
}

#[test]
fn a_restored_backup_does_not_sign_again_what_it_signed() {
    let mut network = Network::start(4, BLOCK_TIME);
    let observer = Observer::start(&network);
    network.wait_for_blocks(6);
    network.kill(1);
    let backup = network.logs().join("backup");
    copy(&network.base_path(1), &backup);
    let guard = network.base_path(1).join("consensus/signing-guard");
    let keys_only = |base_path: &Path| {
        fs::remove_dir_all(base_path.join("consensus")).expect("removes");
        fs::remove_file(base_path.join("chain.redb")).expect("removes");
    };
    let restored = |base_path: &Path| {
        fs::remove_dir_all(base_path).expect("removes");
        copy(&backup, base_path);
    };
    let lost: [&dyn Fn(&Path); 4] = [
        // Everything but the guard is older than what the validator has signed since.
        &|base_path| {
            let newest = fs::read(&guard).expect("reads");
            restored(base_path);
            fs::write(&guard, newest).expect("writes");
        },
        // So is the guard, or it is not there, or not whole, or nothing is there but the key.
        &restored,
        &|base_path| {
            restored(base_path);
            fs::remove_file(&guard).expect("removes");
        },
        &keys_only,
    ];
    for lose in lost {
        network.start_node(1);
        network.wait_for_blocks(24);
        network.kill(1);
        lose(&network.base_path(1));
        network.start_node(1);
        let goal = network.node(0).height() + 6;
        wait_until("the restored node catches up", || network.node(1).height() >= goal);
        network.assert_agreement();
        network.kill(1);
    }
    observer.finish(1);
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success());
}

#[test]
fn a_clock_half_a_minute_ahead_stops_nobody_else() {
    let mut network = Network::new(4, BLOCK_TIME);
    for index in 0..3 {
        network.start_node(index);
    }
    network.start_node_with(3, &["--clock-offset", "30s"], |_| {});
    network.wait_for_blocks(12);
    network.assert_agreement();
}

#[test]
fn a_node_that_is_asked_to_end_does_so_without_an_alarm() {
    let mut network = Network::start(4, BLOCK_TIME);
    network.wait_for_blocks(4);
    let before: Vec<_> = network.running().map(|node| node.log().len()).collect();
    (0..4).for_each(|index| network.ask_to_end(index));
    for (index, before) in before.into_iter().enumerate() {
        let (status, log) = network.wait_for_end(index);
        assert!(status.success(), "{log}");
        assert!(!log[before..].contains("arc_malachitebft"), "the engine complains: {log}");
    }
}

#[test]
fn a_node_that_finds_only_pruned_blocks_says_so_and_gets_them_from_an_archive() {
    let mut network = Network::start(2, BLOCK_TIME);
    network.wait_for_blocks(2);
    network.kill(0);
    network.start_node_with(0, &["--history", "2", "--block-history", "4"], |_| {});
    wait_until("old blocks are discarded", || network.node(0).height() >= 24);
    let old = network.node(1).block(3);
    assert_eq!(network.node(0).block(3), old, "headers stay");
    let asked = network.node(0).rpc.answer("chain_getBlock", serde_json::json!([old.0])).expect("an answer");
    assert!(asked["error"]["message"].to_string().contains("block 3 is not kept whole"), "{asked}");
    let late = network.start_follower_of("late", &[network.consensus_address(0)]);
    wait_until("it says what is missing", || {
        let (status, health) = late.rpc.health(None).expect("an answer");
        let reason = health["reason"].as_str().unwrap_or_default();
        status == 503 && reason.contains("has block 1,") && reason.contains("on only")
    });
    assert_eq!(late.height(), 0);
    drop(late);
    let late = network.start_follower("late", &[]);
    let goal = network.node(1).height();
    wait_until("the archive has them", || late.height() >= goal);
    assert_eq!(late.block(3), old);
}

#[test]
fn a_full_disk_ends_the_validator_and_not_the_chain() {
    let mut network = Network::start(4, BLOCK_TIME);
    network.wait_for_blocks(4);
    network.kill(0);
    network.start_node_with(0, &["--max-database-bytes", "1"], |_| {});
    // It goes on answering for a while, from its disk as well.
    let node = network.node(0);
    let reason = || node.rpc.health(None).map(|(_, health)| health["reason"].to_string()).unwrap_or_default();
    wait_until("it says that its disk is full", || reason().contains("no space left"));
    assert_eq!(node.block(2), network.node(1).block(2));
    let account =
        serde_json::json!(["0x26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9", 1]);
    assert!(node.ask("state_getKeysPaged", account).as_array().is_some_and(|keys| !keys.is_empty()));
    let refused = node.rpc.answer("author_submitExtrinsic", serde_json::json!(["0x00"])).expect("an answer");
    assert!(refused["error"]["data"].to_string().contains("ends soon"), "{refused}");
    let (status, log) = network.wait_for_end(0);
    assert!(!status.success(), "a supervisor has to notice");
    assert!(log.contains("space"), "{log}");
    network.wait_for_blocks(4);
    network.assert_agreement();
}
