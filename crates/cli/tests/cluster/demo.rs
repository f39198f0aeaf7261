//! A whole network by one command, and the market on it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::network::{myelin, wait_until, Rpc};

/// A `myelin localnet`; told to end when dropped.
struct Localnet {
    process: Child,
    nodes: Vec<String>,
    metrics: Vec<String>,
    rpc: Vec<Rpc>,
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
        let addresses = |key: &str| {
            nodes.iter().map(|node| node[key].as_str().expect("an address").to_owned()).collect::<Vec<_>>()
        };
        let rpc = addresses("http").into_iter().map(Rpc::new).collect();
        Self { process, nodes: addresses("rpc"), metrics: addresses("metrics"), rpc }
    }

    /// The process of a validator, if it runs: the child that was told to answer at its port.
    fn process_of(&self, validator: usize) -> Option<u32> {
        let (_, port) = self.nodes[validator].rsplit_once(':').expect("a port");
        let entries = std::fs::read_dir("/proc").expect("processes");
        let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let mut children = processes.filter(|process| parent_of(*process) == Some(self.process.id()));
        children.find(|child| argument_of(*child, "--rpc-port").as_deref() == Some(port))
    }
}

fn parent_of(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn argument_of(process: u32, name: &str) -> Option<String> {
    let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).ok()?;
    line.split('\0').skip_while(|argument| *argument != name).nth(1).map(ToOwned::to_owned)
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
    // The second time, a subnet costs twice as much.
    for node in [&network.nodes[2], &network.nodes[0]] {
        let demo = myelin().args(["demo", "--json", "--node", node]).output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&demo.stderr);
        assert!(demo.status.success(), "{stderr}");
        let report: Value = serde_json::from_slice(&demo.stdout).expect("one document");
        assert_eq!(report["node"], node.as_str());
        assert_eq!(report["honest_miners_win"], true);
    }
}

#[test]
fn two_networks_can_start_at_the_same_moment() {
    let start = || {
        let network = Localnet::start(2);
        let height = || network.rpc[1].try_height().unwrap_or_default();
        wait_until("its validators agree", || height() >= 3);
        network
    };
    let networks = std::thread::scope(|scope| {
        let both = [scope.spawn(start), scope.spawn(start)];
        both.map(|network| network.join().expect("it runs"))
    });
    let genesis = networks.each_ref().map(|network| {
        network.rpc[0].try_ask("chain_getBlockHash", serde_json::json!([0])).expect("a genesis")
    });
    assert_ne!(genesis[0], genesis[1]);
    for (network, ready) in networks.iter().zip(networks.each_ref().map(|network| &network.metrics)) {
        let health = |metrics: &String| network.rpc[0].health(metrics.strip_suffix("/metrics"));
        wait_until("all are healthy", || {
            ready.iter().all(|metrics| health(metrics).is_some_and(|(status, _)| status == 200))
        });
        wait_until("and say so to clients", || {
            network.rpc.iter().all(|rpc| rpc.health(None).is_some_and(|(status, _)| status == 200))
        });
    }
    assert!(networks[0].nodes.iter().all(|node| !networks[1].nodes.contains(node)));
}

#[test]
fn a_validator_that_is_killed_is_started_again() {
    const VICTIM: usize = 1;
    let network = Localnet::start(4);
    let height = |node: usize| network.rpc[node].try_height().unwrap_or_default();
    wait_until("there are blocks", || height(VICTIM) >= 3);
    let killed = network.process_of(VICTIM).expect("it runs");
    let status = Command::new("kill").args(["-9", &killed.to_string()]).status().expect("kill runs");
    assert!(status.success());
    wait_until("it is started again", || network.process_of(VICTIM).is_some_and(|process| process != killed));
    let goal = height(0) + 8;
    wait_until("the others go on", || height(0) >= goal);
    wait_until("it catches up", || height(VICTIM) >= goal);
    let hash = |node: usize| network.rpc[node].try_ask("chain_getBlockHash", serde_json::json!([goal]));
    assert!(hash(VICTIM).is_some());
    assert_eq!(hash(VICTIM), hash(0));
    assert!((0..4).filter(|node| *node != VICTIM).all(|node| network.process_of(node).is_some()));
}
