//! What a node says, and does not take, that its network is out of reach for.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::network::{free_address, multiaddress, myelin, wait_until, Network, Node};

/// How long a refusal may take on a busy machine; waiting for a block would take a minute.
const AT_ONCE: Duration = Duration::from_secs(20);

/// What a client says whose transfer must be refused, and at once.
fn refused_transfer(node: &Node) -> String {
    let started = Instant::now();
    let transfer = ["transfer", "//Bob", "1", "-w", "//Alice", "--node", &node.url];
    let output = myelin().args(transfer).output().expect("the program starts");
    assert!(!output.status.success() && started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn reason(node: &Node) -> String {
    node.ask("system_health", json!([]))["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_follower_without_peers_says_at_start_what_is_missing_and_takes_nothing() {
    let network = Network::new(1, "500ms");
    let follower = network.start_follower_of("follower", &[]);
    assert!(
        follower.log().contains("dials nobody; name nodes of the chain with p2p-peers"),
        "{}",
        follower.log()
    );
    let words = refused_transfer(&follower);
    assert!(words.contains("none of its peers is connected") && words.contains("another node"), "{words}");
    let refusal = follower.rpc.answer("author_submitExtrinsic", json!(["0x00"])).expect("an answer");
    assert_eq!(refusal["error"]["code"], 1016, "{refusal}");
    assert!(reason(&follower).contains("p2p-peers"), "{}", reason(&follower));
    let (status, health) = follower.rpc.health(None).expect("an answer");
    let told = health["reason"].as_str().expect("a reason");
    assert!(status == 503 && told.contains("dials nobody"), "{health}");
}

#[test]
fn a_follower_names_the_addresses_of_peers_that_are_of_no_use() {
    let network = Network::new(1, "500ms");
    let other_chain = Network::start(1, "600ms");
    let (stranger, nobody) = (other_chain.consensus_address(0), free_address());
    let follower = network.start_follower_of("follower", &[stranger, nobody]);
    let of_another_chain = format!("{} takes connections, but they end at once", multiaddress(stranger));
    let is_down = format!("{} cannot be reached", multiaddress(nobody));
    let says = |text: &str| text.contains(&of_another_chain) && text.contains(&is_down);
    wait_until("health names both", || says(&reason(&follower)));
    wait_until("so does the log", || says(&follower.log()));
    let log = follower.log();
    assert!(!log.contains("arc_malachitebft"), "ports of this machine mean nothing to anybody: {log}");
    // Once a minute, and the first time it may not have tried both.
    assert!(log.matches("no node of this chain is connected").count() <= 2, "{log}");
    let words = refused_transfer(&follower);
    assert!(words.contains("none of its peers is connected"), "{words}");
}

#[test]
fn a_validator_that_is_alone_takes_transactions_and_the_client_says_what_it_waits_for() {
    let mut network = Network::new(2, "500ms");
    network.start_node(0);
    let validator = network.node(0);
    let submit = || validator.rpc.answer("author_submitExtrinsic", json!(["0x00"]));
    // It is asked about the transaction itself once it has waited for the others.
    wait_until("it takes transactions", || submit().is_some_and(|answer| answer["error"]["code"] == 1001));
    let mut client = myelin()
        .args(["transfer", "//Bob", "1", "-w", "//Alice", "--node", &validator.url])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let words = BufReader::new(client.stderr.take().expect("piped"));
    let told = words.lines().map_while(Result::ok).find(|line| line.starts_with("waiting until"));
    client.kill().expect("it is ours");
    client.wait().expect("it has ended");
    let told = told.expect("it says that it waits");
    for part in ["a final block has the transaction", "newest block is 0", "it has 0 peers"] {
        assert!(told.contains(part), "{part} in {told}");
    }
}
