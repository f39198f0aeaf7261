//! `myelin localnet`: a whole network on this machine, a process for each validator. One that ends, however, is started again.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{bail, Context as _, Result};
use clap::Args;
use myelin_bft::PeerAddress;
use myelin_client::Client;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    context::Context,
    duration,
    network_files::NetworkFiles,
    processes::Processes,
    table::{counted, Table},
    temporary::TemporaryDirectory,
};

const DEFAULT_PORT: u16 = 9944;
const NAME: &str = "Myelin Localnet";
/// How long it may take until the validators have agreed on a block.
const FIRST_BLOCK_PATIENCE: Duration = Duration::from_secs(15);

#[derive(Args)]
pub struct LocalnetArguments {
    /// How many validators a new network has, 1 to 32; one that exists keeps its own.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32))]
    validators: u16,
    /// Directory for chain, keys, databases and logs; without it they are temporary.
    #[arg(long, value_name = "DIR")]
    base_path: Option<PathBuf>,
    /// RPC port of the first validator; the others take the next ones. 0 takes free ones.
    #[arg(long, default_value_t = DEFAULT_PORT, value_name = "PORT")]
    rpc_port: u16,
    /// Port of the first validator's /metrics and /health; the others take the next ones. 0 takes free ones.
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    metrics_port: u16,
    /// Time between blocks of a new network, such as 500ms or 1s; at least 50ms.
    #[arg(long, default_value = "500ms", value_name = "TIME", value_parser = duration::parse)]
    block_time: Duration,
}

/// What the command says once all validators answer.
#[derive(Serialize)]
struct Ready {
    chain: PathBuf,
    logs: PathBuf,
    genesis: String,
    nodes: Vec<ReadyNode>,
}

/// What `myelin node --json` says once it answers.
#[derive(Clone, Serialize, Deserialize)]
struct ReadyNode {
    rpc: String,
    http: String,
    genesis: String,
    p2p: String,
    gossip: String,
    metrics: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A network of {}", counted(self.nodes.len() as u64, "validator"))?;
        writeln!(f, "  chain    {}", self.chain.display())?;
        writeln!(f, "  genesis  {}", self.genesis)?;
        writeln!(f, "  logs     {}\n", self.logs.display())?;
        let mut table = Table::new(["node", "rpc", "metrics", "for blocks", "for transactions"]);
        for (index, node) in self.nodes.iter().enumerate() {
            let ReadyNode { rpc, p2p, gossip, metrics, .. } = node.clone();
            table.row([index.to_string(), rpc, metrics, p2p, gossip]);
        }
        write!(f, "{table}\n\nCtrl-C ends all of them.")
    }
}

/// Where a validator is reached: by the others, and by everybody else.
struct Addresses {
    consensus: SocketAddr,
    gossip: SocketAddr,
    rpc: SocketAddr,
    metrics: SocketAddr,
}

/// A port for each validator that the user has chosen; nothing where any will do.
#[derive(Clone, Copy)]
struct ChosenPorts {
    flag: &'static str,
    first: u16,
}

impl ChosenPorts {
    fn nth(self, index: u16) -> Option<SocketAddr> {
        let port = self.first.checked_add(index).filter(|_| self.first > 0)?;
        Some((Ipv4Addr::LOCALHOST, port).into())
    }

    /// Fails unless there are as many as that, and nobody listens there.
    fn check(self, validators: u16) -> Result<()> {
        let Self { flag, first } = self;
        if first == 0 {
            return Ok(());
        }
        if first.checked_add(validators.saturating_sub(1)).is_none() {
            bail!(
                "{flag} {first} leaves no ports for {validators} validators; choose one up to {}",
                u16::MAX - (validators - 1)
            );
        }
        for address in (0..validators).filter_map(|index| self.nth(index)) {
            TcpListener::bind(address).with_context(|| {
                format!("{address} cannot be listened at; end what uses it, or choose another {flag}")
            })?;
        }
        Ok(())
    }

    fn overlaps(self, other: Self, validators: u16) -> bool {
        let is_close = self.first.abs_diff(other.first) < validators;
        self.first > 0 && other.first > 0 && is_close
    }
}

/// The ports that the user has chosen, of which nothing is left to chance.
#[derive(Clone, Copy)]
struct Choice {
    rpc: ChosenPorts,
    metrics: ChosenPorts,
}

impl Choice {
    fn of(arguments: &LocalnetArguments) -> Self {
        Self {
            rpc: ChosenPorts { flag: "--rpc-port", first: arguments.rpc_port },
            metrics: ChosenPorts { flag: "--metrics-port", first: arguments.metrics_port },
        }
    }

    fn check(self, validators: u16) -> Result<()> {
        if self.rpc.overlaps(self.metrics, validators) {
            bail!(
                "--rpc-port {} and --metrics-port {} are too close for {validators} validators, which take as many from each \
                 on; choose others",
                self.rpc.first,
                self.metrics.first
            );
        }
        self.rpc.check(validators)?;
        self.metrics.check(validators)
    }
}

/// Ports for peers, below those that the system gives to outgoing connections: one of these could take a port while its
/// validator is down.
const PEER_PORTS: Range<u16> = 30_333..32_768;

/// Addresses on this machine that are this network's for as long as this exists.
///
/// Nobody listens at an address until its validator has started, and while that is down, so another network could find it
/// free meanwhile. So whoever chooses a port first takes it for UDP, which no validator uses: only one can, and the system
/// gives it back when the program has ended in whatever way.
struct Claims {
    ports: Range<u16>,
    held: Vec<UdpSocket>,
}

impl Claims {
    fn new() -> Self {
        Self { ports: PEER_PORTS, held: Vec::new() }
    }

    /// The addresses of the validators, which they can take again when they are started again. Those for peers come first, so that
    /// they are the same whatever else is chosen.
    fn addresses(&mut self, choice: Choice, validators: u16) -> Result<Vec<Addresses>> {
        let for_peers: Vec<_> =
            (0..validators).map(|_| Ok((self.claim()?, self.claim()?))).collect::<Result<_>>()?;
        let mut or_any = |chosen: Option<SocketAddr>| chosen.map_or_else(|| self.claim(), Ok);
        let of_one = |(index, (consensus, gossip))| {
            let rpc = or_any(choice.rpc.nth(index))?;
            Ok(Addresses { consensus, gossip, rpc, metrics: or_any(choice.metrics.nth(index))? })
        };
        (0..).zip(for_peers).map(of_one).collect()
    }

    /// An address that no other network has claimed and nobody listens at.
    fn claim(&mut self) -> Result<SocketAddr> {
        let mut addresses = self.ports.by_ref().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let free = addresses.find_map(|address| {
            let claim = UdpSocket::bind(address).ok()?;
            TcpListener::bind(address).is_ok().then_some((address, claim))
        });
        let Range { start, end } = PEER_PORTS;
        let (address, claim) = free.with_context(|| {
            format!("no port from {start} to {} is free on this machine; end other networks on it", end - 1)
        })?;
        self.held.push(claim);
        Ok(address)
    }
}

pub async fn run(context: &Context, arguments: LocalnetArguments) -> Result<()> {
    let temporary = match arguments.base_path {
        Some(_) => None,
        None => Some(TemporaryDirectory::new("myelin-localnet-")?),
    };
    let directory = match (&arguments.base_path, &temporary) {
        (Some(path), _) => path.as_path(),
        (None, Some(temporary)) => temporary.path(),
        (None, None) => bail!("there is no directory for the network"),
    };
    let choice = Choice::of(&arguments);
    let existing = NetworkFiles::open_if_there(directory)?;
    choice.check(existing.as_ref().map_or(arguments.validators, NetworkFiles::validators))?;
    let files = match existing {
        Some(files) => files,
        None => NetworkFiles::create(directory, NAME, arguments.validators, arguments.block_time)?,
    };
    let logs = directory.join("logs");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let mut processes = Processes::new(&logs)?;
    let outcome = tokio::select! {
        outcome = run_nodes(context, &files, &logs, choice, &mut processes) => outcome,
        signal = context.ending().asked() => signal,
    };
    processes.end().await;
    outcome
}

/// Starts all validators, says so, and starts those again that end.
async fn run_nodes(
    context: &Context,
    files: &NetworkFiles,
    logs: &Path,
    choice: Choice,
    processes: &mut Processes,
) -> Result<()> {
    let mut claims = Claims::new();
    let addresses = claims.addresses(choice, files.validators())?;
    let mut nodes: Vec<ReadyNode> = Vec::new();
    for index in 0..files.validators() {
        context.output.progress(format!("starting validator {index} of {}", files.validators()));
        let arguments = node_arguments(files, &addresses, index);
        nodes.push(processes.start_and_hear(&format!("node-{index}"), arguments).await?);
    }
    until_blocks(&nodes).await;
    let genesis = nodes.first().map(|node| node.genesis.clone()).unwrap_or_default();
    let ready = Ready { chain: files.spec_path(), logs: logs.to_owned(), genesis, nodes };
    context.output.result(&ready)?;
    processes.keep_running(|text| context.output.progress(text)).await
}

/// Waits until each validator has a new block, because it refuses transactions until then. A network that cannot agree is a
/// network all the same, so there is a limit.
async fn until_blocks(nodes: &[ReadyNode]) {
    let mut waiting = JoinSet::new();
    for node in nodes {
        let url = node.rpc.clone();
        waiting.spawn(async move {
            let client = Client::connect(url).await?;
            let height = client.block_number().await?;
            client.wait_for_block(height.saturating_add(1), FIRST_BLOCK_PATIENCE).await
        });
    }
    for waited in waiting.join_all().await {
        if let Err(error) = waited {
            tracing::warn!(%error, "a validator has no new block");
        }
    }
}

fn node_arguments(files: &NetworkFiles, addresses: &[Addresses], index: u16) -> Vec<String> {
    let option = |name: &str, value: String| [name.to_owned(), value];
    let mut arguments = vec!["node".to_owned(), "--json".to_owned(), "--validator".to_owned()];
    arguments.extend(option("--chain", files.spec_path().display().to_string()));
    arguments.extend(option("--base-path", files.base_path(index).display().to_string()));
    for (other, Addresses { consensus, gossip, rpc, metrics }) in addresses.iter().enumerate() {
        let is_own = other == usize::from(index);
        let (to_consensus, to_gossip) = match is_own {
            true => ("--p2p-listen", "--gossip-listen"),
            false => ("--p2p-peers", "--gossip-peers"),
        };
        if is_own {
            arguments.extend(option("--rpc-port", rpc.port().to_string()));
            arguments.extend(option("--metrics-address", metrics.to_string()));
        }
        arguments.extend(option(to_consensus, PeerAddress::from(*consensus).to_string()));
        arguments.extend(option(to_gossip, PeerAddress::from(*gossip).to_string()));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_ports_are_checked_before_anything_starts() {
        let choice = |rpc, metrics| Choice {
            rpc: ChosenPorts { flag: "--rpc-port", first: rpc },
            metrics: ChosenPorts { flag: "--metrics-port", first: metrics },
        };
        let refused = |choice: Choice, validators| choice.check(validators).expect_err("refused").to_string();
        let too_high = refused(choice(65_534, 0), 4);
        assert!(
            too_high.contains("--rpc-port 65534 leaves no ports") && too_high.contains("up to 65532"),
            "{too_high}"
        );
        let too_close = refused(choice(20_000, 20_003), 4);
        assert!(too_close.contains("too close for 4 validators"), "{too_close}");
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = taken.local_addr().expect("an address").port();
        let in_use = refused(choice(0, port), 1);
        assert!(
            in_use.contains(&format!("127.0.0.1:{port}")) && in_use.contains("--metrics-port"),
            "{in_use}"
        );
        choice(0, 0).check(32).expect("any will do");
        assert_eq!(choice(65_532, 0).rpc.nth(3).map(|address| address.port()), Some(65_535));
    }

    #[test]
    fn networks_that_begin_together_have_different_ports() {
        let claim = || {
            let mut claims = Claims::new();
            let addresses: Vec<_> = (0..16).map(|_| claims.claim().expect("a free port")).collect();
            (addresses, claims)
        };
        let claimed: Vec<_> = std::thread::scope(|scope| {
            let networks: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            networks.into_iter().map(|network| network.join().expect("no panic")).collect()
        });
        let mut addresses: Vec<_> = claimed.iter().flat_map(|(addresses, _)| addresses).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 8 * 16);
    }
}
