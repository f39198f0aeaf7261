//! A network of nodes that run as processes, with links between them that can be cut.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::proxy::Proxy;

/// No single thing takes longer, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program under test, alone with its wallets.
pub fn myelin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_myelin"));
    command.env_remove("MYELIN_NODE").env_remove("MYELIN_WALLET_PASSWORD").stdin(Stdio::null());
    command
}

/// A node that knows whom it is told, and reaches nobody past the links.
fn node_command(arguments: &[String]) -> Command {
    let mut command = finding_command(arguments);
    command.env("MYELIN_DISCOVERY", "false");
    command
}

/// A node that finds others through those that it is told.
fn finding_command(arguments: &[String]) -> Command {
    let mut command = myelin();
    command.args(arguments).env_remove("MYELIN_DISCOVERY");
    command
}

/// Waits until `holds`; fails with `what` when it takes too long.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where a node is reached by its peers: for blocks and votes, and for transactions.
#[derive(Clone, Copy)]
struct Ports {
    consensus: SocketAddr,
    gossip: SocketAddr,
}

impl Ports {
    fn free() -> Self {
        Self { consensus: free_address(), gossip: free_address() }
    }
}

/// An address on this machine that nobody listens on, below those that the system gives to outgoing connections: one of
/// these could take it before the node does, or while the node is down.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Tests that run at the same time begin at different ports.
    let begin = (std::process::id() % 800) as u16 * 10;
    loop {
        let offset = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 21_000 + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

pub fn multiaddress(address: SocketAddr) -> String {
    format!("/ip4/{}/tcp/{}", address.ip(), address.port())
}

/// Where a validator is reached by the others, and where it reaches them.
pub struct Places {
    pub consensus: SocketAddr,
    pub gossip: String,
    pub consensus_peers: Vec<SocketAddr>,
    pub gossip_peers: Vec<String>,
}

/// The way from one node to another.
struct Link {
    from: usize,
    to: usize,
    consensus: Proxy,
    gossip: Proxy,
}

/// Validators of one chain; all of them end with it.
pub struct Network {
    directory: TempDir,
    ports: Vec<Ports>,
    links: Vec<Link>,
    nodes: Vec<Option<Node>>,
    /// Runs the links.
    runtime: Runtime,
}

impl Network {
    /// The files of a network with `validators` validators and a block every `block_time`; no node runs yet.
    pub fn new(validators: usize, block_time: &str) -> Self {
        Self::with_genesis(validators, block_time, |_| {})
    }

    /// The same after `change` was made to the chain's specification.
    pub fn with_genesis(validators: usize, block_time: &str, change: impl FnOnce(&mut Value)) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let count = validators.to_string();
        let path = directory.path().join("network");
        let arguments = ["init", text(&path), "--validators", &count, "--block-time", block_time];
        let output = myelin().args(arguments).output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        edit(&path.join("chain.json"), change);
        let ports: Vec<_> = (0..validators).map(|_| Ports::free()).collect();
        let runtime = Runtime::new().expect("threads");
        let links = runtime.block_on(connect(&ports));
        let nodes = (0..validators).map(|_| None).collect();
        Self { directory, ports, links, nodes, runtime }
    }

    /// A running network.
    pub fn start(validators: usize, block_time: &str) -> Self {
        let mut network = Self::new(validators, block_time);
        network.start_all();
        network
    }

    pub fn start_all(&mut self) {
        for index in 0..self.nodes.len() {
            self.start_node(index);
        }
    }

    pub fn start_node(&mut self, index: usize) {
        self.start_node_with(index, &[], |_| {});
    }

    /// Starts a validator with further arguments, its command changed.
    pub fn start_node_with(&mut self, index: usize, further: &[&str], change: impl FnOnce(&mut Command)) {
        let base_path = self.base_path(index);
        let places = self.places(index);
        let mut arguments = self.common_arguments(&base_path);
        arguments.extend(["--validator".into(), "--p2p-listen".into(), multiaddress(places.consensus)]);
        arguments.extend(["--gossip-listen".into(), places.gossip]);
        for peer in places.consensus_peers {
            arguments.extend(["--p2p-peers".into(), multiaddress(peer)]);
        }
        for peer in places.gossip_peers {
            arguments.extend(["--gossip-peers".into(), peer]);
        }
        arguments.extend(further.iter().map(|argument| (*argument).to_owned()));
        let mut command = node_command(&arguments);
        change(&mut command);
        self.nodes[index] = Some(Node::start(&format!("node-{index}"), self.logs(), command));
    }

    /// Where validator `index` is reached, and where it reaches the others.
    pub fn places(&self, index: usize) -> Places {
        let Ports { consensus, gossip } = self.ports[index];
        let links = || self.links.iter().filter(|link| link.from == index);
        Places {
            consensus,
            gossip: multiaddress(gossip),
            consensus_peers: links().map(|link| link.consensus.address()).collect(),
            gossip_peers: links().map(|link| multiaddress(link.gossip.address())).collect(),
        }
    }

    /// Starts a node that is no validator and knows the first two, with a store of its own.
    pub fn start_follower(&self, name: &str, further: &[&str]) -> Node {
        let base_path = self.directory.path().join(name);
        let mut arguments = self.common_arguments(&base_path);
        for ports in self.ports.iter().take(2) {
            arguments.extend(["--p2p-peers".into(), multiaddress(ports.consensus)]);
            arguments.extend(["--gossip-peers".into(), multiaddress(ports.gossip)]);
        }
        arguments.extend(further.iter().map(|argument| (*argument).to_owned()));
        Node::start(name, self.logs(), node_command(&arguments))
    }

    /// Starts a validator that knows the first one only, past the links, and is to find the others.
    pub fn start_node_that_finds(&mut self, index: usize) {
        let Ports { consensus, gossip } = self.ports[index];
        let mut arguments = self.common_arguments(&self.base_path(index));
        arguments.extend(["--validator".into(), "--p2p-listen".into(), multiaddress(consensus)]);
        arguments.extend(["--gossip-listen".into(), multiaddress(gossip)]);
        if index != 0 {
            arguments.extend(self.first_as_only_peer());
        }
        self.nodes[index] =
            Some(Node::start(&format!("node-{index}"), self.logs(), finding_command(&arguments)));
    }

    /// Starts a node that is no validator, knows the first one only, and is to find the others.
    pub fn start_follower_that_finds(&self, name: &str) -> Node {
        let mut arguments = self.common_arguments(&self.directory.path().join(name));
        arguments.extend(self.first_as_only_peer());
        Node::start(name, self.logs(), finding_command(&arguments))
    }

    fn first_as_only_peer(&self) -> [String; 4] {
        let Ports { consensus, gossip } = self.ports[0];
        ["--p2p-peers".into(), multiaddress(consensus), "--gossip-peers".into(), multiaddress(gossip)]
    }

    /// Starts a node that is no validator and knows these peers only, if any.
    pub fn start_follower_of(&self, name: &str, peers: &[SocketAddr]) -> Node {
        let base_path = self.directory.path().join(name);
        let mut arguments = self.common_arguments(&base_path);
        for peer in peers {
            arguments.extend(["--p2p-peers".into(), multiaddress(*peer)]);
        }
        Node::start(name, self.logs(), node_command(&arguments))
    }

    /// Where validator `index` is reached for blocks.
    pub fn consensus_address(&self, index: usize) -> SocketAddr {
        self.ports[index].consensus
    }

    /// Arguments to reach the validators at their own addresses, past the links.
    pub fn peer_arguments(&self) -> Vec<String> {
        let of = |ports: &Ports| ["--peer".into(), ports.consensus.to_string()];
        self.ports.iter().flat_map(of).collect()
    }

    fn common_arguments(&self, base_path: &Path) -> Vec<String> {
        let spec = self.spec_path();
        let arguments =
            ["node", "--json", "--rpc-port", "0", "--chain", text(&spec), "--base-path", text(base_path)];
        arguments.map(String::from).to_vec()
    }

    pub fn spec_path(&self) -> PathBuf {
        self.directory.path().join("network").join("chain.json")
    }

    pub fn base_path(&self, index: usize) -> PathBuf {
        self.directory.path().join("network").join(format!("node-{index}"))
    }

    pub fn logs(&self) -> &Path {
        self.directory.path()
    }

    pub fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().expect("the node runs")
    }

    /// The signal that no process can prepare for.
    pub fn kill(&mut self, index: usize) {
        drop(self.nodes[index].take());
    }

    /// Asks a node to end, as a supervisor does.
    pub fn ask_to_end(&self, index: usize) {
        let process = self.node(index).process.id().to_string();
        let status = Command::new("kill").args(["-TERM", &process]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits until a node has ended by itself; says how, and what it wrote.
    pub fn wait_for_end(&mut self, index: usize) -> (ExitStatus, String) {
        let mut node = self.nodes[index].take().expect("the node runs");
        wait_until("the node ends", || node.ended().is_some());
        (node.ended().expect("it has ended"), node.log())
    }

    /// The nodes that run.
    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// Cuts every link between nodes of different groups; nodes of one group reach each other.
    pub fn divide(&self, groups: &[&[usize]]) {
        let group_of = |node: usize| groups.iter().position(|group| group.contains(&node));
        for link in &self.links {
            link.set_open(group_of(link.from) == group_of(link.to));
        }
    }

    pub fn heal(&self) {
        self.links.iter().for_each(|link| link.set_open(true));
    }

    /// Waits until every running node has `blocks` more blocks than the highest had.
    pub fn wait_for_blocks(&self, blocks: u64) {
        let goal = self.running().map(Node::height).max().unwrap_or_default() + blocks;
        for node in self.running() {
            wait_until(&format!("{} comes to block {goal}", node.name), || node.height() >= goal);
        }
    }

    /// Fails unless all running nodes have the same block, with the same state, at every height up to the lowest tip.
    pub fn assert_agreement(&self) {
        let lowest = self.running().map(Node::height).min().expect("a node runs");
        let first = self.running().next().expect("a node runs");
        for height in (1..=lowest).rev().take(200) {
            let expected = first.block(height);
            for node in self.running() {
                assert_eq!(node.block(height), expected, "block {height} of {}", node.name);
            }
        }
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

impl Link {
    fn set_open(&self, open: bool) {
        self.consensus.set_open(open);
        self.gossip.set_open(open);
    }
}

async fn connect(ports: &[Ports]) -> Vec<Link> {
    let mut links = Vec::new();
    for from in 0..ports.len() {
        for (to, target) in ports.iter().enumerate().filter(|(to, _)| *to != from) {
            let consensus = Proxy::start(target.consensus).await.expect("a free port");
            let gossip = Proxy::start(target.gossip).await.expect("a free port");
            links.push(Link { from, to, consensus, gossip });
        }
    }
    links
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut document = serde_json::from_slice(&fs::read(path).expect("reads")).expect("a document");
    change(&mut document);
    fs::write(path, serde_json::to_vec_pretty(&document).expect("a document")).expect("writes");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// A node that runs as a process; killed without notice when dropped.
pub struct Node {
    pub name: String,
    pub process: Child,
    pub url: String,
    /// What it said when it was ready.
    pub ready: Value,
    pub rpc: Rpc,
    log: PathBuf,
}

/// Where a node answers.
pub struct Rpc {
    http: String,
    client: reqwest::blocking::Client,
}

impl Rpc {
    pub fn new(http: String) -> Self {
        let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(5));
        Self { http, client: client.build().expect("a client") }
    }

    /// Asks the node; nothing when it does not answer.
    pub fn try_ask(&self, method: &str, parameters: Value) -> Option<Value> {
        self.answer(method, parameters)?.get("result").cloned()
    }

    /// The whole answer, be it a result or an error.
    pub fn answer(&self, method: &str, parameters: Value) -> Option<Value> {
        let request =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        self.client.post(&self.http).json(&request).send().ok()?.json().ok()
    }

    /// Status and document that `/health` is answered with at `base`, or at this port.
    pub fn health(&self, base: Option<&str>) -> Option<(u16, Value)> {
        let address = format!("{}/health", base.unwrap_or(&self.http));
        let answer = self.client.get(address).send().ok()?;
        Some((answer.status().as_u16(), answer.json().ok()?))
    }

    /// Height of the tip; nothing when the node does not answer.
    pub fn try_height(&self) -> Option<u64> {
        Some(number(&self.try_ask("chain_getHeader", serde_json::json!([]))?["number"]))
    }
}

impl Node {
    /// Runs `command` until it has said where it listens, in a line that is a document.
    pub fn start(name: &str, logs: &Path, mut command: Command) -> Self {
        let log = logs.join(format!("{name}.log"));
        let stderr = File::options().create(true).append(true).open(&log).expect("a log");
        let mut process = command.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the program starts");
        let stdout = process.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with('{'));
        let line = line.unwrap_or_else(|| panic!("{name} ended:\n{}", last_lines(&log)));
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
        // A process that is a test says so when it has run for a minute, and ends if nobody takes that.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |key: &str| ready[key].as_str().expect("an address").to_owned();
        let rpc = Rpc::new(address("http"));
        let url = address("rpc");
        Self { name: name.to_owned(), process, url, ready, rpc, log }
    }

    pub fn ask(&self, method: &str, parameters: Value) -> Value {
        let start = Instant::now();
        loop {
            match self.rpc.try_ask(method, parameters.clone()) {
                Some(answer) => return answer,
                None if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
                None => panic!("{} does not answer {method}\n{}", self.name, last_lines(&self.log)),
            }
        }
    }

    /// Height of the tip.
    pub fn height(&self) -> u64 {
        let header = self.ask("chain_getHeader", serde_json::json!([]));
        number(&header["number"])
    }

    /// How many nodes it agrees on blocks with.
    pub fn peers(&self) -> u64 {
        self.ask("system_health", serde_json::json!([]))["peers"].as_u64().expect("a number")
    }

    /// Hash and state root of a block.
    pub fn block(&self, height: u64) -> (Value, Value) {
        let hash = self.ask("chain_getBlockHash", serde_json::json!([height]));
        let header = self.ask("chain_getHeader", serde_json::json!([hash]));
        (hash, header["stateRoot"].clone())
    }

    /// What a block's header tells besides its place: who made it.
    pub fn digest(&self, height: u64) -> String {
        let hash = self.ask("chain_getBlockHash", serde_json::json!([height]));
        self.ask("chain_getHeader", serde_json::json!([hash]))["digest"].to_string()
    }

    /// Whether the process has ended, and how.
    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("it is ours")
    }

    /// What it has written until now.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn number(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x")).expect("a number");
    u64::from_str_radix(digits, 16).expect("a number")
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(15).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
