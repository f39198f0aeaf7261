//! `myelin node`: a node of a network.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use myelin_bft::{Bft, BftConfig, PeerAddress, StatusView};
use myelin_gossip::{Gossip, GossipConfig, GossipHandle, Multiaddr, NodeKey};
use myelin_node::{ChainSpec, History, Location, NetworkStatus, Node, NodeConfig, NodeHandle};
use serde::Serialize;
use tokio::sync::watch;

use crate::{consensus_key, context::Context, network_files::KEY_FILE};

const DEFAULT_RPC_PORT: u16 = 9944;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 30333);
const DEFAULT_GOSSIP_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 30334);
/// How often to look whether the node is behind.
const STATUS_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Args)]
pub struct NodeArguments {
    /// The chain's specification.
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// Directory for database, keys and logs of consensus.
    #[arg(long, value_name = "DIR")]
    base_path: PathBuf,
    /// Signs blocks and votes with the consensus key; without it the node only follows.
    #[arg(long)]
    validator: bool,
    /// The consensus key's file, if it is not consensus.key in the base path.
    #[arg(long, value_name = "FILE")]
    consensus_key: Option<PathBuf>,
    /// Port for HTTP and WebSocket; 0 takes any free one.
    #[arg(long, default_value_t = DEFAULT_RPC_PORT, value_name = "PORT")]
    rpc_port: u16,
    /// Address to serve clients at.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    rpc_address: IpAddr,
    /// Where other nodes connect for blocks and votes.
    #[arg(long, default_value_t = DEFAULT_LISTEN, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// Where other nodes connect for transactions.
    #[arg(long, default_value_t = DEFAULT_GOSSIP_LISTEN, value_name = "IP:PORT")]
    gossip_listen: SocketAddr,
    /// A node to stay connected with for blocks and votes, as HOST:PORT or multiaddress; may be repeated.
    #[arg(long = "peer", value_name = "ADDRESS")]
    peers: Vec<PeerAddress>,
    /// A node to stay connected with for transactions, in the same form; may be repeated.
    #[arg(long = "gossip-peer", value_name = "ADDRESS")]
    gossip_peers: Vec<PeerAddress>,
    /// Finds further nodes through those that are known.
    #[arg(long)]
    discovery: bool,
    /// Keeps the state of every block, not only of the last 256.
    #[arg(long)]
    archive: bool,
    /// Bytes that the database may take; the node ends when it needs more.
    #[arg(long, value_name = "BYTES")]
    max_database_bytes: Option<u64>,
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
    listen: String,
    gossip_listen: String,
    validator: Option<String>,
}

impl std::fmt::Display for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "Myelin node")?;
        writeln!(f, "  rpc            {} and {}", self.rpc, self.http)?;
        writeln!(f, "  genesis        {}", self.genesis)?;
        writeln!(f, "  listens        {}", self.listen)?;
        writeln!(f, "  gossip listens {}", self.gossip_listen)?;
        write!(f, "  validator      {}", self.validator.as_deref().unwrap_or("no, it follows"))
    }
}

impl NodeArguments {
    fn bft_config(&self) -> Result<BftConfig> {
        let mut config =
            BftConfig::new(self.base_path.join("consensus"), self.listen).with_peers(self.peers.clone());
        config.discovery = self.discovery;
        if self.validator {
            let default = || self.base_path.join(KEY_FILE);
            config.key = Some(consensus_key::load(&self.consensus_key.clone().unwrap_or_else(default))?);
        }
        #[cfg(debug_assertions)]
        if let Some(offset) = self.clock_offset {
            let wall = config.clock;
            config.clock = Arc::new(move || wall().saturating_add(crate::duration::milliseconds(offset)));
        }
        Ok(config)
    }

    fn node_config(&self) -> Result<NodeConfig> {
        let spec = ChainSpec::load(&self.chain)?;
        let mut config = NodeConfig::new(spec, Location::Directory(self.base_path.clone()));
        config.store.max_bytes = self.max_database_bytes;
        if self.archive {
            config.store.history = History::Archive;
        }
        Ok(config)
    }

    fn gossip_config(&self, node: &NodeHandle, behind: watch::Receiver<bool>) -> Result<GossipConfig> {
        let key = NodeKey::load_or_create(&self.base_path.join("gossip.key"))?;
        let mut config = GossipConfig::new(node.chain().genesis_hash(), key);
        config.listen = vec![multiaddress(&self.gossip_listen.into())?];
        config.persistent_peers = self.gossip_peers.iter().map(multiaddress).collect::<Result<_>>()?;
        config.behind = Some(behind);
        Ok(config)
    }
}

fn multiaddress(address: &PeerAddress) -> Result<Multiaddr> {
    address.to_string().parse().with_context(|| format!("{address} is no address"))
}

pub async fn run(context: &Context, arguments: NodeArguments) -> Result<()> {
    let config = arguments.bft_config()?;
    let validator = config.key.as_ref().map(|key| format!("0x{}", hex::encode(key.public())));
    let bft = Bft::new(config);
    let status = bft.status();
    let view = status.clone();
    let node = Node::new(arguments.node_config()?, Box::new(bft))
        .network(Arc::new(move || network_status(&view)))
        .rpc_address(SocketAddr::new(arguments.rpc_address, arguments.rpc_port))
        .start()
        .await?;
    let gossip = start_gossip(&arguments, &node, status).await;
    let shutdown = node.shutdown_token();
    let outcome = match gossip {
        Ok(gossip) => {
            let told = context.output.result(&ready(&arguments, &node, &gossip, validator));
            let outcome = match told {
                Ok(()) => tokio::select! {
                    () = shutdown.cancelled() => Ok(()),
                    signal = context.ending().asked() => signal,
                },
                Err(error) => Err(error),
            };
            shutdown.cancel();
            outcome.and(gossip.join().await.map_err(Into::into))
        }
        Err(error) => {
            shutdown.cancel();
            Err(error)
        }
    };
    // What the node failed from says more than what followed from it.
    node.wait().await?;
    outcome
}

fn network_status(view: &StatusView) -> NetworkStatus {
    let status = view.get();
    NetworkStatus {
        peers: status.peers,
        is_syncing: status.is_syncing,
        should_have_peers: status.should_have_peers,
    }
}

async fn start_gossip(
    arguments: &NodeArguments,
    node: &NodeHandle,
    status: StatusView,
) -> Result<GossipHandle> {
    let (sender, behind) = watch::channel(false);
    let shutdown = node.shutdown_token();
    tokio::spawn(async move {
        while shutdown.run_until_cancelled(tokio::time::sleep(STATUS_INTERVAL)).await.is_some() {
            sender.send_replace(status.get().is_syncing);
        }
    });
    let config = arguments.gossip_config(node, behind)?;
    Ok(Gossip::start(config, Arc::clone(node.mempool()), node.shutdown_token()).await?)
}

fn ready(
    arguments: &NodeArguments,
    node: &NodeHandle,
    gossip: &GossipHandle,
    validator: Option<String>,
) -> Ready {
    Ready {
        rpc: node.ws_url(),
        http: node.http_url(),
        genesis: format!("{:?}", node.chain().genesis_hash()),
        listen: arguments.listen.to_string(),
        gossip_listen: gossip.listen_addresses().first().map(ToString::to_string).unwrap_or_default(),
        validator,
    }
}
