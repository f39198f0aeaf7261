//! How a node takes part.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
};

use arc_malachitebft_app_channel::app::net::Multiaddr;
use myelin_chain::local::{system_clock, WallClock};
use tokio::sync::watch;

use crate::{ConsensusObserver, ConsensusSecret, GateLimits, SigningGuard};

/// How a node takes part in agreeing on blocks.
#[derive(Clone)]
pub struct BftConfig {
    /// Signs votes and proposals. Without one, the node only follows; the same when the key is not in the set.
    pub key: Option<ConsensusSecret>,
    /// Holds the engine's log, the [`SigningGuard`](crate::SigningGuard)'s file and the network key; created when missing.
    pub home: PathBuf,
    /// Where other nodes connect, over TCP.
    pub listen: SocketAddr,
    /// Nodes to stay connected with.
    pub persistent_peers: Vec<PeerAddress>,
    /// Further nodes that are found while it runs, each with its name. Some are dialled as long as there are too few peers.
    pub discovered: Option<watch::Receiver<BTreeSet<PeerAddress>>>,
    /// How the node is called in logs and metrics.
    pub name: String,
    /// What other nodes may use up.
    pub limits: GateLimits,
    /// Where time comes from.
    pub clock: WallClock,
    /// Hears of every message and decision.
    pub observer: Option<Arc<dyn ConsensusObserver>>,
    /// How the node misbehaves.
    #[cfg(feature = "faults")]
    pub fault: Option<crate::Fault>,
}

impl BftConfig {
    /// A node with its files in `home` that others reach at `listen`, that only follows, and knows nobody.
    pub fn new(home: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Self {
            key: None,
            home: home.into(),
            listen,
            persistent_peers: Vec::new(),
            discovered: None,
            name: format!("node-{}", listen.port()),
            limits: GateLimits::default(),
            clock: system_clock(),
            observer: None,
            #[cfg(feature = "faults")]
            fault: None,
        }
    }

    /// The same as a validator with this key.
    pub fn with_key(self, key: ConsensusSecret) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The same with these nodes to stay connected with.
    pub fn with_peers(self, persistent_peers: Vec<PeerAddress>) -> Self {
        Self { persistent_peers, ..self }
    }

    /// The engine's log of what this node has signed in the height under way.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.home.join("consensus.wal")
    }

    pub(crate) fn guard_path(&self) -> PathBuf {
        SigningGuard::path_in(&self.home)
    }

    pub(crate) fn network_key_path(&self) -> PathBuf {
        self.home.join("network.key")
    }
}

/// Where to reach a node: `host:port`, or a multiaddress such as `/dns/node.example/tcp/26656`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddress(String);

impl PeerAddress {
    pub(crate) fn multiaddr(&self) -> Result<Multiaddr, BadPeerAddress> {
        self.0.parse().map_err(|_| BadPeerAddress(self.0.clone()))
    }

    /// The kind of the host, the host, the port, and what comes after them, such as the name of the peer.
    fn parts(&self) -> Option<(&str, &str, u16, &str)> {
        let (kind, rest) = self.0.strip_prefix('/')?.split_once('/')?;
        let (host, rest) = rest.split_once("/tcp/")?;
        let (port, suffix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_known = matches!(kind, "ip4" | "ip6" | "dns" | "dns4" | "dns6");
        let is_tcp = suffix.is_empty() || suffix.starts_with("/p2p/");
        (is_known && is_tcp).then_some((kind, host, port.parse().ok()?, suffix))
    }

    /// The name that the peer has to prove there, if one is given.
    pub(crate) fn name(&self) -> Option<&str> {
        self.parts()?.3.strip_prefix("/p2p/")
    }

    /// Its host and port, as they are written.
    pub(crate) fn host_and_port(&self) -> Option<(&str, u16)> {
        self.parts().map(|(_, host, port, _)| (host, port))
    }

    /// Its IP address, if it names one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        let (kind, host, ..) = self.parts()?;
        matches!(kind, "ip4" | "ip6").then(|| host.parse().ok())?
    }

    /// The addresses that it has now; none when its name cannot be resolved.
    pub(crate) async fn resolve(&self) -> Vec<SocketAddr> {
        let Some((kind, host, port, _)) = self.parts() else { return Vec::new() };
        if let Some(ip) = self.ip() {
            return vec![(ip, port).into()];
        }
        let is_wanted = |address: &SocketAddr| match kind {
            "dns4" => address.is_ipv4(),
            "dns6" => address.is_ipv6(),
            _ => true,
        };
        match tokio::net::lookup_host((host, port)).await {
            Ok(found) => found.filter(is_wanted).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// The same peer, reached through another address.
    pub(crate) fn through(&self, address: SocketAddr) -> Self {
        let suffix = self.parts().map_or("", |(.., suffix)| suffix);
        Self(format!("{}{suffix}", Self::from(address)))
    }
}

/// Not an address of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the address of a node; write one such as /ip4/192.0.2.1/tcp/30333 or /dns/node.example/tcp/30333")]
pub struct BadPeerAddress(String);

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        let family = if address.is_ipv4() { "ip4" } else { "ip6" };
        Self(format!("/{family}/{}/tcp/{}", address.ip(), address.port()))
    }
}

impl FromStr for PeerAddress {
    type Err = BadPeerAddress;

    fn from_str(text: &str) -> Result<Self, BadPeerAddress> {
        let bad = || BadPeerAddress(text.to_owned());
        let address = match text.parse::<SocketAddr>() {
            _ if text.starts_with('/') => Self(text.to_owned()),
            Ok(address) => address.into(),
            Err(_) => Self::named(text).ok_or_else(bad)?,
        };
        // Where one can listen at all addresses, or at any port, nobody can be reached.
        let is_place = address.parts().is_some_and(|(_, _, port, _)| port != 0)
            && !address.ip().is_some_and(|ip| ip.is_unspecified());
        (is_place && address.multiaddr().is_ok()).then_some(address).ok_or_else(bad)
    }
}

impl PeerAddress {
    /// That of `host:port`.
    fn named(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let is_host = !host.is_empty() && host.bytes().all(is_name);
        is_host.then(|| Self(format!("/dns/{host}/tcp/{port}")))
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_may_have_a_name_of_its_machine() {
        let local: PeerAddress = "localhost:1".parse().unwrap();
        let resolved = local.resolve().await;
        assert!(resolved.iter().all(|address| address.ip().is_loopback() && address.port() == 1));
        let named: PeerAddress = "/ip6/2001:db8::1/tcp/1".parse().unwrap();
        assert_eq!(named.resolve().await, ["[2001:db8::1]:1".parse::<SocketAddr>().unwrap()]);
        let nobody: PeerAddress = "nobody.invalid:1".parse().unwrap();
        assert_eq!(nobody.resolve().await, Vec::<SocketAddr>::new());
    }

    #[test]
    fn a_peer_keeps_its_name_behind_another_address() {
        let name = "/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        let peer: PeerAddress = format!("/dns/node-1.example/tcp/26656{name}").parse().unwrap();
        let door = peer.through("127.0.0.1:7".parse().unwrap());
        assert_eq!(door.to_string(), format!("/ip4/127.0.0.1/tcp/7{name}"));
        door.multiaddr().unwrap();
    }

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("127.0.0.1:26656", "/ip4/127.0.0.1/tcp/26656"),
            ("[::1]:26656", "/ip6/::1/tcp/26656"),
            ("node-1.example:26656", "/dns/node-1.example/tcp/26656"),
            ("/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/1"),
        ] {
            let address: PeerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            address.multiaddr().unwrap();
            assert_eq!(address.ip().is_some(), !shown.contains("dns"), "{shown}");
        }
        for text in [
            "",
            "host",
            "host:",
            ":1",
            "host:99999",
            "/ip4/300.0.0.1/tcp/1",
            "/ip4/1.1.1.1/udp/1",
            "/ip4/1.1.1.1/tcp/1/ws",
            "/ip4/1.1.1.1/tcp/0",
            "/ip4/0.0.0.0/tcp/1",
            "[::]:1",
            "host:0",
            "a b:1",
        ] {
            assert!(text.parse::<PeerAddress>().is_err(), "{text}");
        }
    }
}
