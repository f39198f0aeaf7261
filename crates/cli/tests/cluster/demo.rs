//! A whole network by one command, and the market on it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use serde_json::Value;

use crate::network::{myelin, wait_until};

/// A `myelin localnet`; told to end when dropped.
struct Localnet {
    process: Child,
    nodes: Vec<String>,
}

impl Localnet {
    fn start(validators: u16) -> Self {
        let count = validators.to_string();
        let arguments =
            ["localnet", "--json", "--end-with-stdin", "--rpc-port", "0", "--block-time", "250ms"];
        let mut process = myelin()
            .args(arguments)
            .args(["--validators", &count])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("it says where it is");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
        let nodes = ready["nodes"].as_array().expect("nodes");
        let nodes = nodes.iter().map(|node| node["rpc"].as_str().expect("an address").to_owned()).collect();
        Self { process, nodes }
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        wait_until("the network ends when asked to", || matches!(self.process.try_wait(), Ok(Some(_))));
    }
}

#[test]
fn the_market_works_on_any_node_of_a_network() {
    let network = Localnet::start(4);
    assert_eq!(network.nodes.len(), 4);
    let demo =
        myelin().args(["demo", "--json", "--node", &network.nodes[2]]).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{stderr}");
    let report: Value = serde_json::from_slice(&demo.stdout).expect("one document");
    assert_eq!(report["node"], network.nodes[2].as_str());
    assert_eq!(report["honest_miners_win"], true);
}
