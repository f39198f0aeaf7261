//! The swarm: transport, connection limits, and the protocols on a connection.

use std::{collections::HashSet, time::Duration};

use libp2p::{
    connection_limits::{self, ConnectionLimits},
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns, identify,
    identity::Keypair,
    noise, ping,
    request_response::{self, ProtocolSupport},
    swarm::{self, NetworkBehaviour},
    tcp, yamux, PeerId, StreamProtocol, Swarm, Transport,
};

use crate::{
    addresses::{needs_dns, peer_of},
    pending::PendingShares,
    wire::{protocol_name, GossipCodec, WireLimits},
    GossipConfig, GossipError, GossipLimits,
};

/// Streams that a peer may have open at a time, over all protocols.
const MAX_STREAMS: usize = 16;
/// Messages under way with one peer, both ways: one of ours, and of the peer's one more than it may have.
const MAX_MESSAGES: usize = 3;
/// Connections that are being set up at a time, by others and by this node.
const MAX_PENDING_INBOUND: u32 = 256;
const MAX_PENDING_OUTBOUND: u32 = 16;
/// Connections above the bound, until it is decided who makes room.
const MAX_SURPLUS: u32 = 16;
/// Two, because both sides may dial at the same moment.
const MAX_CONNECTIONS_PER_PEER: u32 = 2;
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection stays although nothing is said; pings find the dead ones.
const IDLE_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// What runs on a connection.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    limits: connection_limits::Behaviour,
    pending: PendingShares,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub exchange: request_response::Behaviour<GossipCodec>,
}

/// The version that peers tell each other when they meet; it differs between chains.
pub fn greeting(config: &GossipConfig) -> String {
    protocol_name(&config.genesis_hash)
}

/// A swarm that is not listening yet.
pub fn build(config: &GossipConfig) -> Result<Swarm<Behaviour>, GossipError> {
    let key = config.key.keypair();
    let resolve = config.persistent_peers.iter().any(needs_dns);
    let transport = transport(key, resolve)?;
    let behaviour = behaviour(config, key)?;
    let swarm_config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIMEOUT);
    let mut swarm = Swarm::new(transport, behaviour, config.key.peer_id(), swarm_config);
    config.external.iter().for_each(|address| swarm.add_external_address(address.clone()));
    Ok(swarm)
}

/// TCP, and names only if they are needed: not every machine has a resolver.
fn transport(key: &Keypair, resolve: bool) -> Result<Boxed<(PeerId, StreamMuxerBox)>, GossipError> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    if resolve {
        secure(dns::tokio::Transport::system(tcp).map_err(setup)?, key)
    } else {
        secure(tcp, key)
    }
}

fn secure<T>(transport: T, key: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, GossipError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    let mut streams = yamux::Config::default();
    // Also bounds what waits unread: each stream has a window of 256 KiB.
    streams.set_max_num_streams(MAX_STREAMS);
    let noise = noise::Config::new(key).map_err(setup)?;
    let secured = transport.upgrade(Version::V1Lazy).authenticate(noise).multiplex(streams);
    Ok(secured.timeout(SETUP_TIMEOUT).boxed())
}

fn behaviour(config: &GossipConfig, key: &Keypair) -> Result<Behaviour, GossipError> {
    let greeting = greeting(config);
    let protocol = StreamProtocol::try_from_owned(greeting.clone()).map_err(setup)?;
    let identify = identify::Config::new(greeting, key.public())
        .with_agent_version(concat!("myelin/", env!("CARGO_PKG_VERSION")).to_owned())
        .with_cache_size(0);
    let limits = &config.limits;
    let codec_limits =
        WireLimits { max_message_bytes: limits.max_message_bytes, max_batch_count: limits.max_batch_count };
    // The other half is for checking and answering.
    let codec = GossipCodec::new(codec_limits, limits.request_timeout / 2);
    let exchange = request_response::Config::default()
        .with_request_timeout(limits.request_timeout)
        .with_max_concurrent_streams(MAX_MESSAGES);
    Ok(Behaviour {
        limits: connection_limits(limits, config),
        pending: PendingShares::default(),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new()),
        exchange: request_response::Behaviour::with_codec(
            codec,
            [(protocol, ProtocolSupport::Full)],
            exchange,
        ),
    })
}

/// Persistent peers have places of their own.
fn connection_limits(limits: &GossipLimits, config: &GossipConfig) -> connection_limits::Behaviour {
    let persistent = u32::try_from(config.persistent_peers.len()).unwrap_or(u32::MAX);
    let outbound = limits.max_outbound.saturating_add(persistent);
    let connections = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INBOUND))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTBOUND.saturating_add(persistent)))
        .with_max_established_incoming(Some(limits.max_inbound.saturating_add(MAX_SURPLUS)))
        .with_max_established_outgoing(Some(outbound))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER));
    let mut behaviour = connection_limits::Behaviour::new(connections);
    let named: HashSet<PeerId> = config.persistent_peers.iter().filter_map(peer_of).collect();
    named.iter().for_each(|peer| behaviour.bypass_peer_id(peer));
    behaviour
}

fn setup(error: impl std::fmt::Display) -> GossipError {
    GossipError::Transport(error.to_string())
}
