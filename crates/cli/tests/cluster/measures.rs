//! What a node of a network measures.

use crate::{
    load::Load,
    network::{wait_until, Network},
};

/// The sum of all numbers of a name.
fn number(text: &str, name: &str) -> f64 {
    let of_name = |line: &&str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
    };
    let lines: Vec<_> = text.lines().filter(of_name).collect();
    assert!(!lines.is_empty(), "no {name} in\n{text}");
    lines.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[test]
fn a_node_measures_execution_and_what_peers_send() {
    let mut network = Network::new(4, "250ms");
    network.start_node_with(0, &["--metrics-address", "127.0.0.1:0"], |_| {});
    (1..4).for_each(|index| network.start_node(index));
    let load = Load::start(network.runtime().handle(), vec![network.node(1).url.clone()]);
    let address = network.node(0).ready["metrics"].as_str().expect("an address");
    let metrics = || reqwest::blocking::get(address).expect("answers").text().expect("text");
    wait_until("a peer has sent transactions that were taken", || {
        number(&metrics(), "myelin_gossip_transactions_accepted_total") > 0.0
    });
    network.wait_for_blocks(4);
    let text = metrics();
    load.stop();
    for name in [
        "myelin_block_execution_seconds_count",
        "myelin_block_execution_seconds_sum",
        "myelin_gossip_peers",
        "myelin_gossip_batches_received_total",
        "myelin_gossip_received_bytes_total",
        "myelin_gossip_transactions_received_total",
        "myelin_gate_connections_accepted_total",
        "myelin_gate_received_bytes_total",
    ] {
        assert!(number(&text, name) > 0.0, "{name} in\n{text}");
    }
    for name in [
        "myelin_gossip_transactions_dropped_total",
        "myelin_gossip_throttled_total",
        "myelin_gossip_peers_banned_total",
        "myelin_gate_throttled_total",
        "myelin_gate_peers_dropped_total",
    ] {
        assert!(number(&text, name) == 0.0, "{name} in\n{text}");
    }
}
