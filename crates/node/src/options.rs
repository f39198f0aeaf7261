//! What an operator can say about a node, and where.
//!
//! Each option can be given in four places. The first that has it counts:
//!
//! 1. the command line, such as `--rpc-port 9945`;
//! 2. the environment, such as `MYELIN_RPC_PORT=9945`;
//! 3. the file that `--config` or `MYELIN_CONFIG` names, such as `rpc-port = 9945`;
//! 4. the default.
//!
//! Options do not add up: peers on the command line replace those in the file. Keys of the file are the long names of the
//! flags. An unknown key is an error. Relative paths in the file start from its folder.

use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use myelin_chain::History;
use myelin_gossip::Multiaddr;
use myelin_rpc::RpcConfig;
use serde::{de, Deserialize, Deserializer};

use crate::web::{self, HostName, Origin};

/// Bytes of an options file; more are not read.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Characters of a line that an error shows.
const MAX_SHOWN_CHARACTERS: usize = 80;
/// How many lines a value may be long whose key is still found.
const MAX_LINES_BACK: usize = 64;
const DEFAULT_RPC_PORT: u16 = 9944;
const DEFAULT_HISTORY: History = History::Blocks(256);

/// What an operator said about a node, in one place or several; see the module.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NodeOptions {
    /// File with options that are given neither here nor in the environment.
    #[arg(long, env = "MYELIN_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Directory for blocks, state and keys; one node at a time can use it.
    #[arg(long, env = "MYELIN_BASE_PATH", value_name = "DIR")]
    pub base_path: Option<PathBuf>,
    /// File that says which chain to run.
    #[arg(long, env = "MYELIN_CHAIN", value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// Address to serve clients on; this machine only unless given.
    #[arg(long, env = "MYELIN_RPC_ADDRESS", value_name = "IP")]
    pub rpc_address: Option<IpAddr>,
    /// Port for HTTP and WebSocket [default: 9944]; 0 takes any free one.
    #[arg(long, env = "MYELIN_RPC_PORT", value_name = "PORT")]
    pub rpc_port: Option<u16>,
    /// Web pages from elsewhere that may use the node, separated by commas, or * for all [default: https://polkadot.js.org].
    #[arg(long, env = "MYELIN_RPC_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub rpc_allowed_origin: Option<Vec<Origin>>,
    /// Names, besides localhost, that clients may reach the node by, separated by commas, or * for all.
    #[arg(long, env = "MYELIN_RPC_ALLOWED_HOST", value_name = "HOST", value_delimiter = ',')]
    pub rpc_allowed_host: Option<Vec<HostName>>,
    /// Connections of one client address [default: 64]; give a reverse proxy on another machine more.
    #[arg(long, env = "MYELIN_RPC_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER")]
    pub rpc_connections_per_address: Option<NonZeroUsize>,
    /// Address to agree on blocks at, such as /ip4/0.0.0.0/tcp/30333.
    #[arg(long, env = "MYELIN_P2P_LISTEN", value_name = "MULTIADDR")]
    pub p2p_listen: Option<Multiaddr>,
    /// Peers to agree on blocks with, separated by commas.
    #[arg(long, env = "MYELIN_P2P_PEERS", value_name = "MULTIADDR", value_delimiter = ',')]
    pub p2p_peers: Option<Vec<Multiaddr>>,
    /// Address to exchange transactions at, such as /ip4/0.0.0.0/tcp/30334.
    #[arg(long, env = "MYELIN_GOSSIP_LISTEN", value_name = "MULTIADDR")]
    pub gossip_listen: Option<Multiaddr>,
    /// Peers to stay connected to for transactions, separated by commas.
    #[arg(long, env = "MYELIN_GOSSIP_PEERS", value_name = "MULTIADDR", value_delimiter = ',')]
    pub gossip_peers: Option<Vec<Multiaddr>>,
    /// Finds further peers through those of --gossip-peers, for both, and is found by others [default: true].
    #[arg(long, env = "MYELIN_DISCOVERY", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = parse_switch)]
    pub discovery: Option<bool>,
    /// Address and port to serve /metrics and /health on; nowhere unless given.
    #[arg(long, env = "MYELIN_METRICS_ADDRESS", value_name = "IP:PORT")]
    pub metrics_address: Option<SocketAddr>,
    /// For how many blocks state is kept [default: 256]; `archive` for all.
    #[arg(long, env = "MYELIN_HISTORY", value_name = "BLOCKS")]
    pub history: Option<HistoryOption>,
    /// For how many blocks transactions and certificates are kept, but for no fewer than state [default: archive]; what new
    /// nodes need is all of them.
    #[arg(long, env = "MYELIN_BLOCK_HISTORY", value_name = "BLOCKS")]
    pub block_history: Option<HistoryOption>,
    /// Takes part in deciding blocks, if the node's key is a validator's.
    #[arg(long, env = "MYELIN_VALIDATOR", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = parse_switch)]
    pub validator: Option<bool>,
}

/// For how many blocks something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryOption(pub History);

/// What is known about a node when every place was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// Directory for blocks, state and keys; nothing for memory.
    pub base_path: Option<PathBuf>,
    /// File that says which chain to run.
    pub chain: Option<PathBuf>,
    /// Where clients are served, and which.
    pub rpc: RpcConfig,
    /// Where to agree on blocks; nothing for a node that only dials.
    pub p2p_listen: Option<Multiaddr>,
    /// With whom to agree on blocks.
    pub p2p_peers: Vec<Multiaddr>,
    /// Where to exchange transactions; nothing for a node that only dials.
    pub gossip_listen: Option<Multiaddr>,
    /// With whom to exchange transactions.
    pub gossip_peers: Vec<Multiaddr>,
    /// Whether further peers are found through these, and find this node.
    pub discovery: bool,
    /// Where metrics and health are served; nothing for nowhere.
    pub metrics_address: Option<SocketAddr>,
    /// For how many blocks state is kept.
    pub history: History,
    /// For how many blocks transactions and certificates are kept.
    pub block_history: History,
    /// Whether the node takes part in deciding blocks.
    pub validator: bool,
}

/// Why an options file is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The file cannot be read.
    #[error("the options file {path} cannot be read: {source}; name a file of TOML text, such as `rpc-port = 9945`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("{path}, line {line}, `{text}`: {reason}; write each option as `key = value`")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is on it.
        text: String,
        /// What was expected and found.
        reason: String,
    },
    /// Something in it is not an option, or not a value for it.
    #[error("{path}, line {line}, key `{key}`: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// The key on it.
        key: String,
        /// What was expected and found.
        reason: String,
    },
}

impl NodeOptions {
    /// The options of a file.
    ///
    /// # Errors
    /// See [`OptionsError`].
    pub fn load(path: &Path) -> Result<Self, OptionsError> {
        let failed = |source| OptionsError::File { path: path.to_owned(), source };
        let mut text = String::new();
        let file = fs::File::open(path).map_err(failed)?;
        io::Read::read_to_string(&mut io::Read::take(file, MAX_FILE_BYTES + 1), &mut text).map_err(failed)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            let limit = format!("it has more than {MAX_FILE_BYTES} bytes");
            return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, limit)));
        }
        Ok(Self::parse(path, &text)?.relative_to(path.parent().unwrap_or(Path::new("."))))
    }

    /// These options, and those of `others` that are not among these.
    pub fn or(self, others: Self) -> Self {
        Self {
            config: self.config.or(others.config),
            base_path: self.base_path.or(others.base_path),
            chain: self.chain.or(others.chain),
            rpc_address: self.rpc_address.or(others.rpc_address),
            rpc_port: self.rpc_port.or(others.rpc_port),
            rpc_allowed_origin: self.rpc_allowed_origin.or(others.rpc_allowed_origin),
            rpc_allowed_host: self.rpc_allowed_host.or(others.rpc_allowed_host),
            rpc_connections_per_address: self
                .rpc_connections_per_address
                .or(others.rpc_connections_per_address),
            p2p_listen: self.p2p_listen.or(others.p2p_listen),
            p2p_peers: self.p2p_peers.or(others.p2p_peers),
            gossip_listen: self.gossip_listen.or(others.gossip_listen),
            gossip_peers: self.gossip_peers.or(others.gossip_peers),
            discovery: self.discovery.or(others.discovery),
            metrics_address: self.metrics_address.or(others.metrics_address),
            history: self.history.or(others.history),
            block_history: self.block_history.or(others.block_history),
            validator: self.validator.or(others.validator),
        }
    }

    /// These options, completed by the file that they name, if they name one, and by the defaults.
    ///
    /// # Errors
    /// When the file is not usable.
    pub fn resolve(self) -> Result<NodeSettings, OptionsError> {
        let file = self.config.as_deref().map(Self::load).transpose()?;
        Ok(self.or(file.unwrap_or_default()).into_settings())
    }

    fn into_settings(self) -> NodeSettings {
        let address = self.rpc_address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let address = SocketAddr::new(address, self.rpc_port.unwrap_or(DEFAULT_RPC_PORT));
        let mut rpc = web::rpc_config(address, self.rpc_allowed_origin, self.rpc_allowed_host);
        if let Some(connections) = self.rpc_connections_per_address {
            rpc.max_connections_per_address = connections.get();
        }
        NodeSettings {
            base_path: self.base_path,
            chain: self.chain,
            rpc,
            p2p_listen: self.p2p_listen,
            p2p_peers: self.p2p_peers.unwrap_or_default(),
            gossip_listen: self.gossip_listen,
            gossip_peers: self.gossip_peers.unwrap_or_default(),
            discovery: self.discovery.unwrap_or(true),
            metrics_address: self.metrics_address,
            history: self.history.map_or(DEFAULT_HISTORY, |history| history.0),
            block_history: self.block_history.map_or(History::Archive, |history| history.0),
            validator: self.validator.unwrap_or(false),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, OptionsError> {
        let path = path.to_owned();
        if let Err(error) = text.parse::<toml::Table>() {
            let (line, reason) = (line_of(text, &error), reason_of(&error));
            return Err(OptionsError::Syntax { path, line, text: shown(line_at(text, line)), reason });
        }
        toml::from_str(text).map_err(|error| {
            let line = line_of(text, &error);
            OptionsError::Content { path, line, key: key_at(text, line), reason: reason_of(&error) }
        })
    }

    fn relative_to(mut self, folder: &Path) -> Self {
        for path in [&mut self.base_path, &mut self.chain].into_iter().flatten() {
            *path = folder.join(&path);
        }
        self
    }
}

/// The line that an error is on, counted from 1.
fn line_of(text: &str, error: &toml::de::Error) -> usize {
    let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

fn line_at(text: &str, line: usize) -> &str {
    text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim()
}

/// What an error says, on one line.
fn reason_of(error: &toml::de::Error) -> String {
    error.message().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of a line.
fn shown(line: &str) -> String {
    line.chars().take(MAX_SHOWN_CHARACTERS).collect()
}

/// The key that a line of TOML belongs to: its own, or that of the value which goes on there. That is on the last line up to
/// there before which everything is whole.
fn key_at(text: &str, line: usize) -> String {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1));
    let starts: Vec<usize> = starts.take(line).collect();
    let begins_item =
        |start: &&usize| text.get(..**start).is_some_and(|before| before.parse::<toml::Table>().is_ok());
    let start = starts.iter().rev().take(MAX_LINES_BACK).find(begins_item);
    let item =
        start.and_then(|start| text.get(*start..)?.lines().next()).unwrap_or_else(|| line_at(text, line));
    let key = if item.trim_start().starts_with('[') { item } else { item.split('=').next().unwrap_or(item) };
    shown(key.trim())
}

/// Reads a switch as people write it in the environment.
fn parse_switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("write true or false (yes, no, on, off, 1 and 0 are understood, too)".to_owned()),
    }
}

impl FromStr for HistoryOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("archive", _) => Ok(Self(History::Archive)),
            (_, Ok(blocks)) if blocks > 0 => Ok(Self(History::Blocks(blocks))),
            _ => Err(format!("`{text}` is neither `archive` nor a number of blocks from 1 on")),
        }
    }
}

impl<'de> Deserialize<'de> for HistoryOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = HistoryOption;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("\"archive\" or a number of blocks from 1 on")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HistoryOption, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<HistoryOption, E> {
                number.to_string().parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NodeOptions, String> {
        NodeOptions::parse(Path::new("myelin.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_has_a_key() {
        let text = r#"
            base-path = "data"
            chain = "/etc/spec.json"
            rpc-address = "0.0.0.0"
            rpc-port = 1
            rpc-allowed-origin = ["https://wallet.example", "http://10.0.0.2:3000"]
            rpc-allowed-host = ["node.example"]
            rpc-connections-per-address = 9
            p2p-listen = "/ip4/0.0.0.0/tcp/2"
            p2p-peers = ["/dns4/one/tcp/3"]
            gossip-listen = "/ip4/0.0.0.0/tcp/4"
            gossip-peers = [
                "/ip4/1.2.3.4/tcp/5",
                "/ip4/1.2.3.4/tcp/6",
            ]
            discovery = false
            metrics-address = "127.0.0.1:7"
            history = "archive"
            block-history = 1000
            validator = true
        "#;
        let settings = parse(text).unwrap().relative_to(Path::new("/srv")).into_settings();
        let expected = NodeSettings {
            base_path: Some("/srv/data".into()),
            chain: Some("/etc/spec.json".into()),
            rpc: RpcConfig {
                allowed_origins: vec!["https://wallet.example".to_owned(), "http://10.0.0.2:3000".to_owned()],
                allowed_hosts: vec!["node.example".to_owned()],
                max_connections_per_address: 9,
                ..RpcConfig::at("0.0.0.0:1".parse().unwrap())
            },
            p2p_listen: Some("/ip4/0.0.0.0/tcp/2".parse().unwrap()),
            p2p_peers: vec!["/dns4/one/tcp/3".parse().unwrap()],
            gossip_listen: Some("/ip4/0.0.0.0/tcp/4".parse().unwrap()),
            gossip_peers: vec!["/ip4/1.2.3.4/tcp/5".parse().unwrap(), "/ip4/1.2.3.4/tcp/6".parse().unwrap()],
            discovery: false,
            metrics_address: Some("127.0.0.1:7".parse().unwrap()),
            history: History::Archive,
            block_history: History::Blocks(1_000),
            validator: true,
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn mistakes_are_found_at_their_place() {
        let cases = [
            ("rpc-port = 1\nrpc_port = 2\n", 2, "rpc_port", "unknown field"),
            ("\n\nrpc-port = 99999", 3, "rpc-port", "invalid value"),
            ("rpc-port = \"x\"", 1, "rpc-port", "invalid type"),
            ("rpc-address = \"here\"", 1, "rpc-address", "invalid IP address"),
            (
                "rpc-allowed-origin = [\"wallet.example\"]",
                1,
                "rpc-allowed-origin",
                "write scheme and name alone",
            ),
            ("rpc-allowed-host = [\"a:1\"]", 1, "rpc-allowed-host", "without scheme and port"),
            ("gossip-peers = [\n  \"/ip4/1.2.3.4\",\n  \"nowhere\",\n]", 3, "gossip-peers", "multiaddr"),
            ("rpc-connections-per-address = 0", 1, "rpc-connections-per-address", "nonzero"),
            ("history = 0", 1, "history", "from 1 on"),
            ("history = true", 1, "history", "expected \"archive\" or a number of blocks"),
            ("validator = \"yes\"", 1, "validator", "expected a boolean"),
            ("config = \"other.toml\"", 1, "config", "unknown field"),
            ("[validator]", 1, "[validator]", "expected a boolean"),
            ("rpc-port = 1\n[validator]\nx = 1", 2, "[validator]", "expected a boolean"),
            ("rpc-port = 1\n[server]\nrpc-port = 2", 2, "[server]", "unknown field"),
            ("rpc-port = 1\n[[server]]\nrpc-port = 2", 2, "[[server]]", "unknown field"),
        ];
        for (text, line, key, reason) in cases {
            let error = parse(text).unwrap_err();
            assert!(
                error.starts_with(&format!("myelin.toml, line {line}, key `{key}`: ")),
                "{text}: {error}"
            );
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_no_toml_is_shown_where_it_is() {
        let long = format!("rpc-port = 1\n{}", "x".repeat(1000));
        let cases = [
            ("rpc-port = 1\nrpc-port = 2", 2, "rpc-port = 2", "duplicate key"),
            ("rpc-port 1", 1, "rpc-port 1", "expected"),
            ("history = 5\n[[", 2, "[[", ""),
            ("history = 5\n\n[[gossip\nrpc-port = 1", 3, "[[gossip", ""),
            ("history = 5\nrpc-address = \"0.0", 2, "rpc-address = \"0.0", ""),
            ("history = 5\ngossip-peers = [\n  \"/ip4/1.2.3.4\"\n  x\n]", 4, "x", "expected"),
            (&long, 2, &"x".repeat(80), "expected"),
        ];
        for (text, line, shown, reason) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("myelin.toml, line {line}, `{shown}`: ")), "{text}: {error}");
            assert!(error.contains(reason) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn switches_are_read_as_people_write_them() {
        for text in ["true", "1", "Yes", "on"] {
            assert_eq!(parse_switch(text), Ok(true), "{text}");
        }
        for text in ["false", "0", "no", "OFF"] {
            assert_eq!(parse_switch(text), Ok(false), "{text}");
        }
        for text in ["", "2", "maybe", "truer"] {
            assert!(parse_switch(text).unwrap_err().contains("true or false"), "{text}");
        }
    }

    #[test]
    fn the_first_place_counts_option_by_option() {
        let first =
            parse("rpc-port = 1\ngossip-peers = [\"/ip4/1.1.1.1/tcp/1\"]\nvalidator = false").unwrap();
        let second =
            parse("rpc-port = 2\nhistory = 9\ngossip-peers = [\"/ip4/2.2.2.2/tcp/2\"]\nvalidator = true")
                .unwrap();
        let settings = first.or(second).into_settings();
        assert_eq!(settings.rpc.address.port(), 1);
        assert_eq!(settings.gossip_peers, ["/ip4/1.1.1.1/tcp/1".parse::<Multiaddr>().unwrap()]);
        assert_eq!(settings.history, History::Blocks(9));
        assert!(!settings.validator, "that it is off is said, too");
    }

    #[test]
    fn nothing_said_means_a_private_node() {
        let settings = NodeOptions::default().resolve().unwrap();
        assert_eq!(settings.rpc, RpcConfig::default());
        assert_eq!(settings.rpc.address, "127.0.0.1:9944".parse().unwrap());
        assert_eq!(settings.history, History::Blocks(256));
        assert_eq!(
            (settings.metrics_address, settings.gossip_listen, settings.validator, settings.discovery),
            (None, None, false, true)
        );
    }
}
