//! How a client behaves.

use std::time::Duration;

use myelin_runtime::Hash;

/// Where a node is and how patient to be with it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `ws://host:port` or `wss://host:port`.
    pub url: String,
    /// Longest wait for the connection and its handshake.
    pub connect_timeout: Duration,
    /// Longest wait for one answer, including reconnection.
    pub request_timeout: Duration,
    /// Longest wait for a transaction to reach the state that the caller asked for.
    pub inclusion_timeout: Duration,
    /// How long subscriptions try to reach a lost node before they give up.
    pub reconnect_timeout: Duration,
    /// Blocks in which a signed transaction may be included, counted from the finalized head. A power of two from 4.
    pub era_period_blocks: u64,
    /// Largest answer in bytes.
    pub max_response_bytes: u32,
    /// The only genesis to talk to; any if `None`.
    pub genesis: Option<Hash>,
}

impl ClientConfig {
    /// Sane defaults for the node at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
            inclusion_timeout: Duration::from_secs(60),
            reconnect_timeout: Duration::from_secs(60),
            era_period_blocks: 128,
            max_response_bytes: 64 * 1024 * 1024,
            genesis: None,
        }
    }
}
