//! `myelin node`: a node of a network.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{bail, Context as _, Result};
use clap::Args;
use myelin_bft::{alarms, Bft, BftConfig, GateCounts, GateLimits, PeerAddress, StatusView};
use myelin_gossip::{Gossip, GossipConfig, GossipCounts, GossipHandle, Multiaddr, NodeKey, PeerInfo};
use myelin_metrics::{exposition, Sample, TextSource};
use myelin_node::{
    ChainSpec, ConsensusStatus, Location, MetricsOptions, NetworkStatus, Node, NodeConfig, NodeHandle,
    NodeOptions, NodeSettings,
};
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    consensus_key,
    context::Context,
    network_files::{consensus_home, KEY_FILE},
    private_file,
};

/// Where a node listens that is not told where: its peers are those that it dials.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// What the node is called among those that it exchanges transactions with.
const GOSSIP_KEY_FILE: &str = "gossip.key";
/// What it is called among those that it agrees on blocks with; made by the engine.
const NETWORK_KEY_FILE: &str = "consensus/network.key";
/// Bytes a second that are enough to vote, and for the greeting of a new connection to cost only seconds.
const LEAST_PEER_RATE: u64 = 64 << 10;
/// How often to look whether the node is behind.
const STATUS_INTERVAL: Duration = Duration::from_millis(250);

/// Options come from the command line, the environment, the file that --config names, and defaults, in this order.
#[derive(Args)]
pub struct NodeArguments {
    #[command(flatten)]
    options: NodeOptions,
    /// Bytes that the database may take; the node ends when it needs more.
    #[arg(long, value_name = "BYTES")]
    max_database_bytes: Option<u64>,
    /// Bytes a second that a node which is none of --p2p-peers may send, in the long run; those that are may send four times as much.
    #[arg(long, value_name = "BYTES", default_value_t = GateLimits::DEFAULT_RATE, value_parser = clap::value_parser!(u64).range(LEAST_PEER_RATE..))]
    p2p_peer_rate: u64,
    /// How far the node's clock is ahead, to see what happens then.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, value_name = "TIME", value_parser = crate::duration::parse)]
    clock_offset: Option<Duration>,
}

/// What the command says once clients can connect.
#[derive(Serialize)]
struct Ready {
    rpc: String,
    http: String,
    genesis: String,
    p2p: Option<String>,
    p2p_peers: usize,
    discovery: bool,
    gossip: Option<String>,
    gossip_peers: usize,
    metrics: Option<String>,
    validator: Option<String>,
}

impl std::fmt::Display for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let or_nowhere =
            |address: &Option<String>| address.clone().unwrap_or("nowhere, it only dials".into());
        writeln!(f, "Myelin node")?;
        writeln!(f, "  rpc        {} and {}", self.rpc, self.http)?;
        writeln!(f, "  genesis    {}", self.genesis)?;
        writeln!(f, "  p2p        {}", or_nowhere(&self.p2p))?;
        let finds_peers = self.discovery && self.gossip_peers > 0;
        if self.p2p_peers == 0 && !finds_peers && self.validator.is_none() {
            writeln!(f, "             and dials nobody: it has nobody to follow and takes no transactions; name --p2p-peers")?;
        }
        writeln!(f, "  gossip     {}", or_nowhere(&self.gossip))?;
        if self.gossip.is_none() && self.gossip_peers == 0 {
            writeln!(f, "             and dials nobody: transactions that clients hand in here go nowhere; name --gossip-peers")?;
        }
        if let Some(metrics) = &self.metrics {
            writeln!(f, "  metrics    {metrics}")?;
        }
        write!(f, "  validator  {}", self.validator.as_deref().unwrap_or("no, it follows"))
    }
}

/// Everything that a node is started from.
struct Setup {
    settings: NodeSettings,
    base_path: PathBuf,
    chain: ChainSpec,
    bft: BftConfig,
    max_database_bytes: Option<u64>,
}

impl Setup {
    fn new(arguments: NodeArguments) -> Result<Self> {
        let settings = arguments.options.resolve()?;
        let base_path = settings
            .base_path
            .clone()
            .context("where is the node to live? name a directory with --base-path")?;
        let chain = settings
            .chain
            .as_deref()
            .context("which chain? name its file with --chain; `myelin init` makes one")?;
        let chain = ChainSpec::load_network(chain)?;
        for key in [GOSSIP_KEY_FILE, NETWORK_KEY_FILE] {
            private_file::check_if_exists(&base_path.join(key))?;
        }
        peer_addresses("gossip-peers", &settings.gossip_peers)?;
        let mut bft = bft_config(&settings, &base_path)?;
        bft.limits = GateLimits::at_rate(arguments.p2p_peer_rate);
        #[cfg(debug_assertions)]
        if let Some(offset) = arguments.clock_offset {
            let wall = bft.clock;
            bft.clock = Arc::new(move || wall().saturating_add(crate::duration::milliseconds(offset)));
        }
        Ok(Self { settings, base_path, chain, bft, max_database_bytes: arguments.max_database_bytes })
    }

    fn validator(&self) -> Option<String> {
        self.bft.key.as_ref().map(|key| format!("0x{}", hex::encode(key.public())))
    }

    fn node_config(&self, measured: &Measured) -> NodeConfig {
        let location = Location::Directory(self.base_path.clone());
        let mut config = NodeConfig::new(self.chain.clone(), location);
        config.store.max_bytes = self.max_database_bytes;
        config.store.history = self.settings.history;
        config.store.block_history = self.settings.block_history;
        config.metrics = self.settings.metrics_address.map(|address| MetricsOptions {
            others: vec![Arc::new(engine_metrics), measured.text_source()],
            ..MetricsOptions::at(address)
        });
        config
    }

    /// What peers are told about where to agree on blocks with this node; nothing if that is nowhere, or not for everybody to know.
    fn introduction(&self, bft: &Bft) -> Result<Option<Multiaddr>> {
        match (self.settings.discovery, &self.settings.p2p_listen) {
            (true, Some(_)) => Ok(Some(bft.introduction()?.parse()?)),
            _ => Ok(None),
        }
    }

    fn gossip_config(
        &self,
        node: &NodeHandle,
        introduction: Option<Multiaddr>,
        behind: watch::Receiver<bool>,
    ) -> Result<GossipConfig> {
        let key = NodeKey::load_or_create(&self.base_path.join(GOSSIP_KEY_FILE))?;
        let mut config = GossipConfig::new(node.chain().genesis_hash(), key);
        config.listen = self.settings.gossip_listen.iter().cloned().collect();
        config.persistent_peers.clone_from(&self.settings.gossip_peers);
        config.consensus = introduction;
        config.behind = Some(behind);
        if !self.settings.discovery {
            config.limits.wanted_peers = 0;
        }
        Ok(config)
    }

    fn ready(&self, node: &NodeHandle, p2p: SocketAddr, gossip: &GossipHandle) -> Ready {
        Ready {
            rpc: node.ws_url(),
            http: node.http_url(),
            genesis: format!("{:?}", node.chain().genesis_hash()),
            p2p: self.settings.p2p_listen.as_ref().map(|_| PeerAddress::from(p2p).to_string()),
            p2p_peers: self.settings.p2p_peers.len(),
            discovery: self.settings.discovery,
            gossip: gossip.listen_addresses().first().map(ToString::to_string),
            gossip_peers: self.settings.gossip_peers.len(),
            metrics: node.metrics_address().map(|address| format!("http://{address}/metrics")),
            validator: self.validator(),
        }
    }
}

fn bft_config(settings: &NodeSettings, base_path: &Path) -> Result<BftConfig> {
    let listen = settings.p2p_listen.as_ref().map_or(Ok(ANY_PORT), socket_address)?;
    let peers = peer_addresses("p2p-peers", &settings.p2p_peers)?;
    let config = BftConfig::new(consensus_home(base_path), listen).with_peers(peers);
    if settings.validator {
        return Ok(config.with_key(consensus_key::load(&base_path.join(KEY_FILE))?));
    }
    Ok(config)
}

/// The addresses of a list of peers.
fn peer_addresses(key: &str, peers: &[Multiaddr]) -> Result<Vec<PeerAddress>> {
    let parse = |peer: &Multiaddr| match peer.is_empty() {
        true => bail!("{key}: an entry is empty; is there a comma too many?"),
        false => peer.to_string().parse().with_context(|| key.to_owned()),
    };
    peers.iter().map(parse).collect()
}

/// The address and port of `/ip4/ADDRESS/tcp/PORT` or `/ip6/ADDRESS/tcp/PORT`.
fn socket_address(address: &Multiaddr) -> Result<SocketAddr> {
    let text = address.to_string();
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        ["", "ip4" | "ip6", ip, "tcp", port] => Ok(SocketAddr::new(ip.parse()?, port.parse()?)),
        _ => bail!("cannot listen at {text}: write an address such as /ip4/0.0.0.0/tcp/30333"),
    }
}

pub async fn run(context: &Context, arguments: NodeArguments) -> Result<()> {
    let mut setup = Setup::new(arguments)?;
    let (found, discovered) = watch::channel(BTreeSet::new());
    setup.bft.discovered = setup.settings.discovery.then_some(discovered);
    let bft = Bft::new(setup.bft.clone()).bind()?;
    let meeting = Meeting { address: bft.address(), introduction: setup.introduction(&bft)?, found };
    let (status, network, consensus) = (bft.status(), bft.status(), bft.status());
    let has_key = setup.bft.key.is_some();
    let measured = Measured { status: status.clone(), gossip: Arc::default() };
    let passing_on = PassingOn::new(&measured);
    let node = Node::new(setup.node_config(&measured), Box::new(bft))
        .network(Arc::new(move || network_status(&network, has_key, &passing_on)))
        .consensus(Arc::new(move || consensus_status(&consensus)))
        .rpc(Some(setup.settings.rpc.clone()))
        .start()
        .await?;
    let outcome = take_part(context, &setup, &node, meeting, measured).await;
    alarms::engine_ends();
    node.shutdown_token().cancel();
    // What the node failed from says more than what followed from it.
    node.wait().await?;
    outcome
}

/// How those that exchange transactions get to know each other as peers that agree on blocks.
struct Meeting {
    /// Where they agree on blocks with it.
    address: SocketAddr,
    /// What others are told.
    introduction: Option<Multiaddr>,
    /// Whom to tell what others have said.
    found: watch::Sender<BTreeSet<PeerAddress>>,
}

/// Exchanges transactions and serves clients until the node ends or is asked to.
async fn take_part(
    context: &Context,
    setup: &Setup,
    node: &NodeHandle,
    meeting: Meeting,
    measured: Measured,
) -> Result<()> {
    let shutdown = node.shutdown_token();
    let gossip = start_gossip(setup, node, meeting.introduction, measured.status.clone()).await?;
    tokio::spawn(pass_on_found(gossip.watch_peers(), meeting.found));
    measured.follow(&gossip);
    context.output.result(&setup.ready(node, meeting.address, &gossip))?;
    tokio::select! {
        () = shutdown.cancelled() => {}
        signal = context.ending().asked() => {
            signal?;
            alarms::engine_ends();
        }
    }
    shutdown.cancel();
    Ok(gossip.join().await?)
}

fn network_status(view: &StatusView, has_key: bool, passing_on: &PassingOn) -> NetworkStatus {
    let status = view.get();
    // Who signs blocks puts its own transactions into them.
    let goes_nowhere = passing_on.trouble(Instant::now()).filter(|_| !status.signs);
    NetworkStatus {
        peers: status.peers,
        is_syncing: status.is_syncing,
        should_have_peers: status.should_have_peers,
        trouble: view.trouble().or(goes_nowhere),
        signs: has_key.then_some(status.signs),
    }
}

fn consensus_status(view: &StatusView) -> ConsensusStatus {
    let status = view.get();
    ConsensusStatus {
        height: status.height,
        round: status.round,
        validators: status.validators,
        peers: status.peers,
    }
}

/// Notices when there is nobody to pass transactions on to.
struct PassingOn {
    gossip: Arc<OnceLock<GossipReader>>,
    alone_since: Mutex<Option<Instant>>,
}

impl PassingOn {
    /// How long a node may be without peers before that is trouble.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn new(measured: &Measured) -> Self {
        Self { gossip: Arc::clone(&measured.gossip), alone_since: Mutex::new(Some(Instant::now())) }
    }

    fn trouble(&self, now: Instant) -> Option<String> {
        let (_, peers) = self.gossip.get()?();
        // Nothing in here panics half way.
        let mut alone_since = self.alone_since.lock().unwrap_or_else(PoisonError::into_inner);
        if peers > 0 {
            *alone_since = None;
            return None;
        }
        let alone = now.saturating_duration_since(*alone_since.get_or_insert(now));
        (alone >= Self::PATIENCE).then(|| {
            "it has no peer to pass transactions on to, so that those of its clients reach no block; look at --gossip-peers"
                .to_owned()
        })
    }
}

/// What is measured beside the node's own parts.
struct Measured {
    status: StatusView,
    /// Set once the gossip runs.
    gossip: Arc<OnceLock<GossipReader>>,
}

/// Reads what the gossip has done, and how many peers it has.
type GossipReader = Box<dyn Fn() -> (GossipCounts, usize) + Send + Sync>;

impl Measured {
    fn follow(&self, gossip: &GossipHandle) {
        let (counts, peers) = (gossip.counts_reader(), gossip.watch_peers());
        let reader: GossipReader = Box::new(move || (counts(), peers.borrow().len()));
        // Gossip is started once.
        let _ = self.gossip.set(reader);
    }

    fn text_source(&self) -> TextSource {
        let (status, gossip) = (self.status.clone(), Arc::clone(&self.gossip));
        Arc::new(move || {
            let mut samples = gate_samples(status.gate());
            samples.extend(gossip.get().into_iter().flat_map(|read| gossip_samples(&read())));
            exposition("myelin", samples)
        })
    }
}

fn gate_samples(counts: GateCounts) -> Vec<Sample> {
    [
        ("gate_connections_accepted", "Connections of nodes at the consensus port", counts.accepted),
        ("gate_connections_refused", "Connections that were closed at once", counts.refused),
        (
            "gate_received_bytes",
            "Bytes that came in on them, and on connections to persistent peers",
            counts.bytes,
        ),
        ("gate_throttled", "How often a stranger was made to wait", counts.throttled),
        ("gate_named_throttled", "How often a persistent peer was made to wait", counts.named_throttled),
        ("gate_peers_dropped", "Addresses that were dropped for sending too much", counts.dropped),
    ]
    .map(|(name, help, count)| Sample::counter(name, help, count as f64))
    .to_vec()
}

fn gossip_samples((counts, peers): &(GossipCounts, usize)) -> Vec<Sample> {
    let counters = [
        ("gossip_batches_received", "Batches of transactions that peers sent", counts.batches_received),
        ("gossip_received_bytes", "Bytes of the transactions in them", counts.bytes_received),
        ("gossip_batches_sent", "Batches of transactions that were sent to peers", counts.batches_sent),
        ("gossip_sent_bytes", "Bytes of the transactions in them", counts.bytes_sent),
        ("gossip_transactions_received", "Transactions that peers sent", counts.received),
        ("gossip_transactions_accepted", "Those that were taken into the mempool", counts.accepted),
        ("gossip_transactions_duplicate", "Those that were known", counts.duplicates),
        ("gossip_transactions_refused", "Those that are not valid", counts.refused),
        ("gossip_transactions_dropped", "Those that there was no room or time for", counts.dropped),
        ("gossip_transactions_sent", "Transactions sent, counted for each peer", counts.forwarded),
        ("gossip_throttled", "Answers held back because a peer sent too much", counts.throttled),
        ("gossip_faults", "Faults of peers", counts.faults),
        ("gossip_peers_banned", "Peers that were dropped, and refused for a while", counts.bans),
    ];
    let counters = counters.into_iter().map(|(name, help, count)| Sample::counter(name, help, count as f64));
    let peers = Sample::gauge("gossip_peers", "Peers that transactions are exchanged with", *peers as f64);
    counters.chain([peers]).collect()
}

/// What the engine measures by itself.
fn engine_metrics() -> String {
    let mut text = String::new();
    myelin_bft::write_metrics(&mut text);
    text
}

/// Tells the sequencer where those agree on blocks that transactions are exchanged with, until nobody is any more.
async fn pass_on_found(
    mut peers: watch::Receiver<Vec<PeerInfo>>,
    found: watch::Sender<BTreeSet<PeerAddress>>,
) {
    while peers.changed().await.is_ok() {
        let addresses = peers.borrow_and_update();
        let addresses = addresses.iter().filter_map(|peer| peer.consensus.as_ref()?.to_string().parse().ok());
        found.send_replace(addresses.collect());
    }
}

async fn start_gossip(
    setup: &Setup,
    node: &NodeHandle,
    introduction: Option<Multiaddr>,
    status: StatusView,
) -> Result<GossipHandle> {
    let (sender, behind) = watch::channel(status.get().is_behind);
    let shutdown = node.shutdown_token();
    tokio::spawn(async move {
        while shutdown.run_until_cancelled(tokio::time::sleep(STATUS_INTERVAL)).await.is_some() {
            sender.send_replace(status.get().is_behind);
        }
    });
    let config = setup.gossip_config(node, introduction, behind)?;
    Ok(Gossip::start(config, Arc::clone(node.mempool()), node.shutdown_token()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_can_be_listened_at() {
        let address = |text: &str| socket_address(&text.parse().expect("a multiaddress"));
        assert_eq!(address("/ip4/127.0.0.1/tcp/7").ok(), Some(SocketAddr::from(([127, 0, 0, 1], 7))));
        assert!(address("/ip6/::1/tcp/7").is_ok());
        for text in ["/dns4/node.example/tcp/7", "/ip4/127.0.0.1/udp/7", "/ip4/127.0.0.1"] {
            assert!(address(text).is_err(), "{text}");
        }
        for text in ["/ip4/127.0.0.1/tcp/7", "/ip6/::1/tcp/7"] {
            assert_eq!(PeerAddress::from(address(text).expect("an address")).to_string(), text);
        }
    }

    #[test]
    fn an_entry_of_a_list_that_is_no_peer_is_told_with_its_list() {
        let told = |peer: Multiaddr| format!("{:#}", peer_addresses("gossip-peers", &[peer]).unwrap_err());
        assert!(told(Multiaddr::empty()).contains("gossip-peers: an entry is empty"));
        assert!(told("/ip4/127.0.0.1".parse().expect("one")).contains("gossip-peers: \"/ip4/127.0.0.1\""));
        assert!(peer_addresses("gossip-peers", &["/dns/node.example/tcp/7".parse().expect("one")]).is_ok());
    }
}
