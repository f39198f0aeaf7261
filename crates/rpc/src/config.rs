//! What the server listens on, and what it spends on clients.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

/// The port that clients try first.
pub const DEFAULT_PORT: u16 = 9944;

/// The wallet and explorer that connects to nodes of this machine, as Substrate allows.
const POLKADOT_APPS: &str = "https://polkadot.js.org";

/// How a server works. Every limit bounds what clients can make the node hold or do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcConfig {
    /// Where to listen, for HTTP and WebSocket alike. Port 0 takes any free one.
    pub address: SocketAddr,
    /// Origins whose web pages may use the server, as browsers write them (`https://wallet.example`), besides pages of this
    /// machine. `*` stands for all.
    pub allowed_origins: Vec<String>,
    /// Names by which clients may address the server, besides `localhost` and IP addresses. `*` stands for all.
    pub allowed_hosts: Vec<String>,
    /// Open connections; more are refused, unless one that has not asked for anything yet can make room.
    pub max_connections: usize,
    /// Those of them that come from one address; in IPv6, from one /64 network.
    pub max_connections_per_address: usize,
    /// The same for an address of this machine, where reverse proxies connect from.
    pub max_connections_per_loopback_address: usize,
    /// How long a new connection may take until the head of its first request is there.
    pub max_head_time: Duration,
    /// How long the body of a request may take after its head.
    pub max_body_time: Duration,
    /// How long an HTTP connection may take from one answer to the next request.
    pub max_idle_time: Duration,
    /// How often a WebSocket client is asked whether it is there. One that says nothing to three of these questions is
    /// disconnected at the next.
    pub ping_interval: Duration,
    /// Bytes of a request or batch.
    pub max_request_bytes: u32,
    /// Bytes of an answer.
    pub max_response_bytes: u32,
    /// Requests in a batch.
    pub max_batch: u32,
    /// Subscriptions of one connection.
    pub max_subscriptions: u32,
    /// Requests of one connection that are worked on at the same time; others wait unread.
    pub max_requests_in_progress: usize,
    /// Bytes of answers that a client has not read yet, above which no more of its requests are worked on.
    pub max_unread_bytes: usize,
    /// Bytes that the subscriptions of one connection may keep to know what has changed: mostly the keys that they watch.
    pub max_watched_bytes: usize,
    /// Bytes of requests, answers and watched keys of all connections together, above which those that hold most are refused more.
    pub max_held_bytes: usize,
    /// How long a client may leave notifications unread before a subscription is closed. After twice that without
    /// reading anything it is disconnected.
    pub max_unread_time: Duration,
    /// Notifications of one connection that wait to be sent.
    pub notification_capacity: u32,
    /// Reads of the database at the same time.
    pub parallel_reads: usize,
    /// Runtime calls at the same time.
    pub parallel_calls: usize,
    /// How long a request may wait for its turn.
    pub max_wait: Duration,
    /// How long a runtime call may take.
    pub max_call_time: Duration,
    /// Bytes of a runtime call's arguments.
    pub max_argument_bytes: usize,
}

impl Default for RpcConfig {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            address: (Ipv4Addr::LOCALHOST, DEFAULT_PORT).into(),
            allowed_origins: vec![POLKADOT_APPS.to_owned()],
            allowed_hosts: Vec::new(),
            max_connections: 512,
            max_connections_per_address: 64,
            max_connections_per_loopback_address: 384,
            max_head_time: Duration::from_secs(10),
            max_body_time: Duration::from_secs(30),
            max_idle_time: Duration::from_secs(60),
            ping_interval: Duration::from_secs(30),
            // Twice the largest extrinsic, because it comes in hexadecimal, and something around it.
            max_request_bytes: 5 << 20,
            max_response_bytes: 64 << 20,
            max_batch: 256,
            max_subscriptions: 128,
            max_requests_in_progress: 16,
            max_unread_bytes: 16 << 20,
            max_watched_bytes: 2 << 20,
            max_held_bytes: 256 << 20,
            max_unread_time: Duration::from_secs(30),
            notification_capacity: 128,
            parallel_reads: 8 * processors,
            parallel_calls: processors.max(2),
            max_wait: Duration::from_secs(30),
            max_call_time: Duration::from_secs(10),
            // The largest extrinsic, and something around it.
            max_argument_bytes: (2 << 20) + 1024,
        }
    }
}

impl RpcConfig {
    /// Defaults on `address`.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, ..Self::default() }
    }

    /// Defaults on a free port of this machine.
    pub fn any_port() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }
}
