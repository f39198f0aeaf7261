//! Validators and followers as processes on the loopback interface.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{json, Value};
use tempfile::TempDir;

/// No single thing takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(10);
/// Parts of a second in which the system counts processor time.
const TICKS_PER_SECOND: u64 = 100;

/// Names a program to measure instead of the one that was built with this.
const PROGRAM: &str = "MYELIN_PROGRAM";
/// Names another one to measure by turns with it, where a measurement can do so.
const OTHER_PROGRAM: &str = "MYELIN_OTHER_PROGRAM";

/// The programs to measure by turns.
pub fn programs() -> Vec<PathBuf> {
    [Some(program()), std::env::var_os(OTHER_PROGRAM).map(PathBuf::from)].into_iter().flatten().collect()
}

fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(|| env!("CARGO_BIN_EXE_myelin").into(), PathBuf::from)
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("MYELIN_NODE").env_remove("MYELIN_WALLET_PASSWORD").stdin(Stdio::null());
    command
}

/// The machine's load average over a minute.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").expect("Linux");
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Where a node is reached by its peers.
struct Addresses {
    consensus: SocketAddr,
    gossip: SocketAddr,
}

impl Addresses {
    fn free() -> Self {
        Self { consensus: free_address(), gossip: free_address() }
    }

    fn arguments(&self, consensus: &str, gossip: &str) -> [String; 4] {
        let address = |address: SocketAddr| format!("/ip4/{}/tcp/{}", address.ip(), address.port());
        [consensus.to_owned(), address(self.consensus), gossip.to_owned(), address(self.gossip)]
    }
}

/// An address on this machine that nobody listens on right now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// A network; all of its processes end with it.
pub struct Cluster {
    directory: TempDir,
    addresses: Vec<Addresses>,
    nodes: Vec<Option<Node>>,
}

impl Cluster {
    /// A running network with further accounts that hold something in rao.
    pub fn start(validators: usize, block_time: &str, endowments: &[(String, u64)]) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("network");
        let count = validators.to_string();
        let status = command(&program())
            .arg("init")
            .arg(&path)
            .args(["--validators", &count, "--block-time", block_time])
            .stdout(Stdio::null())
            .status();
        assert!(status.expect("the program starts").success());
        endow(&path.join("chain.json"), endowments);
        let addresses = (0..validators).map(|_| Addresses::free()).collect();
        let nodes = (0..validators).map(|_| None).collect();
        let mut cluster = Self { directory, addresses, nodes };
        (0..validators).for_each(|index| cluster.start_node(index));
        cluster
    }

    pub fn start_node(&mut self, index: usize) {
        let name = format!("node-{index}");
        let mut arguments = self.common_arguments(&format!("network/{name}"));
        arguments.push("--validator".to_owned());
        for (other, addresses) in self.addresses.iter().enumerate() {
            arguments.extend(match other == index {
                true => addresses.arguments("--p2p-listen", "--gossip-listen"),
                false => addresses.arguments("--p2p-peers", "--gossip-peers"),
            });
        }
        self.nodes[index] = Some(Node::start(&program(), &name, self.directory.path(), arguments));
    }

    /// A node that is no validator and has nothing yet.
    pub fn start_follower(&self, program: &Path, name: &str) -> Node {
        let mut arguments = self.common_arguments(name);
        for addresses in &self.addresses {
            arguments.extend(addresses.arguments("--p2p-peers", "--gossip-peers"));
        }
        Node::start(program, name, self.directory.path(), arguments)
    }

    fn common_arguments(&self, base_path: &str) -> Vec<String> {
        let path = |path: &str| self.directory.path().join(path).display().to_string();
        let (chain, base_path) = (path("network/chain.json"), path(base_path));
        ["node", "--json", "--rpc-port", "0", "--chain", &chain, "--base-path", &base_path]
            .map(String::from)
            .to_vec()
    }

    /// The signal that no process can prepare for.
    pub fn kill(&mut self, index: usize) {
        drop(self.nodes[index].take());
    }

    pub fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().expect("the node runs")
    }

    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    pub fn wait_for_height(&self, height: u64) {
        for node in self.running() {
            node.wait_for_height(height);
        }
    }

    /// What all nodes together have used since they started.
    pub fn processor_time(&self) -> Duration {
        self.running().map(Node::processor_time).sum()
    }
}

fn endow(chain: &Path, endowments: &[(String, u64)]) {
    let mut spec: Value = serde_json::from_slice(&fs::read(chain).expect("reads")).expect("a document");
    let balances = spec["genesis"]["balances"].as_array_mut().expect("balances");
    balances.extend(endowments.iter().map(|(account, rao)| json!([account, rao])));
    fs::write(chain, spec.to_string()).expect("writes");
}

/// A node that runs as a process; killed without notice when dropped.
pub struct Node {
    process: Child,
    pub ws: String,
    pub http: String,
    client: reqwest::blocking::Client,
}

impl Node {
    fn start(program: &Path, name: &str, logs: &Path, arguments: Vec<String>) -> Self {
        let log: PathBuf = logs.join(format!("{name}.log"));
        let stderr = File::options().create(true).append(true).open(&log).expect("a log");
        let mut process = command(program)
            .args(&arguments)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{name}: {error}\n{}", fs::read_to_string(&log).unwrap_or_default())
        });
        let address = |key: &str| ready[key].as_str().expect("an address").to_owned();
        let client = reqwest::blocking::Client::new();
        Self { process, ws: address("rpc"), http: address("http"), client }
    }

    fn ask(&self, method: &str, parameters: &Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let answer = self.client.post(&self.http).json(&request).send().and_then(|answer| answer.json());
        let answer: Value = answer.expect("the node answers");
        answer["result"].clone()
    }

    pub fn height(&self) -> u64 {
        let header = self.ask("chain_getHeader", &json!([]));
        let digits = header["number"].as_str().and_then(|text| text.strip_prefix("0x")).expect("a height");
        u64::from_str_radix(digits, 16).expect("a height")
    }

    /// Waits until the tip is at least there; says when it was.
    pub fn wait_for_height(&self, height: u64) -> Instant {
        let begin = Instant::now();
        while self.height() < height {
            assert!(begin.elapsed() < PATIENCE, "height {height} is not reached");
            std::thread::sleep(POLL);
        }
        Instant::now()
    }

    pub fn genesis(&self) -> [u8; 32] {
        let hash = self.ask("chain_getBlockHash", &json!([0]));
        let digits = hash.as_str().and_then(|text| text.strip_prefix("0x")).expect("a hash");
        hex::decode(digits).expect("a hash").try_into().expect("32 bytes")
    }

    /// How many extrinsics a block has.
    pub fn extrinsics(&self, height: u64) -> usize {
        let hash = self.ask("chain_getBlockHash", &json!([height]));
        let block = self.ask("chain_getBlock", &json!([hash]));
        block["block"]["extrinsics"].as_array().expect("a body").len()
    }

    /// What its process has used since it started.
    pub fn processor_time(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("Linux");
        // The second field is a name in parentheses, which may have spaces.
        let (_, fields) = text.rsplit_once(") ").expect("a name");
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks"));
        Duration::from_millis(ticks.sum::<u64>() * 1000 / TICKS_PER_SECOND)
    }

    pub fn resident_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("Linux");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a field");
        let kib = line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok());
        kib.expect("a number") / 1024
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
