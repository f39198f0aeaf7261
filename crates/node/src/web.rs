//! Which web pages may use a node, and by which names it may be addressed, as an operator writes it.

use std::{net::SocketAddr, str::FromStr};

use myelin_rpc::RpcConfig;
use serde::Deserialize;

/// Allows everything.
const ANY: &str = "*";

/// Where a web page comes from, as browsers write it: `https://wallet.example`, with `:PORT` if it has one. Or `*` for all.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

/// A name that a node is reached by: `node.example`. Or `*` for all.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_origin = text.split_once("://").is_some_and(|(scheme, place)| {
            !scheme.is_empty() && scheme.chars().all(is_of_scheme) && is_place(place)
        });
        match text == ANY || is_origin {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "`{text}` is not an origin: write scheme and name alone, as in https://wallet.example or \
                 http://192.168.1.7:3000, or * for all"
            )),
        }
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text == ANY || (!text.is_empty() && text.chars().all(is_of_name)) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "`{text}` is not a host name: write it without scheme and port, as in node.example, or * for all"
            )),
        }
    }
}

fn is_of_scheme(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+-.".contains(letter)
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._".contains(letter)
}

/// Whether it is a name or address, perhaps with a port.
fn is_place(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| is_of_name(letter) || "[]:".contains(letter))
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(Origin(text): Origin) -> Self {
        text
    }
}

impl From<HostName> for String {
    fn from(HostName(text): HostName) -> Self {
        text
    }
}

/// RPC at `address`, for whoever is allowed besides programs of this machine; what is not said is the default.
pub fn rpc_config(
    address: SocketAddr,
    origins: Option<Vec<Origin>>,
    hosts: Option<Vec<HostName>>,
) -> RpcConfig {
    let mut config = RpcConfig::at(address);
    if let Some(origins) = origins {
        config.allowed_origins = origins.into_iter().map(String::from).collect();
    }
    if let Some(hosts) = hosts {
        config.allowed_hosts = hosts.into_iter().map(String::from).collect();
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_browser_sends_is_refused() {
        for origin in [
            "*",
            "https://wallet.example",
            "http://localhost:3000",
            "http://[::1]:80",
            "chrome-extension://abcdef",
        ] {
            assert_eq!(origin.parse::<Origin>().map(String::from).as_deref(), Ok(origin));
        }
        // These would never match anything.
        for text in [
            "",
            "wallet.example",
            "https://wallet.example/",
            "https://wallet.example/app",
            "https://*.example",
            "https://",
            "://wallet.example",
            "https://user@wallet.example",
            "https://one.example https://two.example",
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert!(error.contains("write scheme and name alone"), "{text}: {error}");
        }
    }

    #[test]
    fn a_host_is_a_name_alone() {
        for name in ["*", "node.example", "localhost", "my_node-1"] {
            assert_eq!(name.parse::<HostName>().map(String::from).as_deref(), Ok(name));
        }
        for text in ["", "node.example:9944", "ws://node.example", "node.example/", "a b", "*.example"] {
            let error = text.parse::<HostName>().unwrap_err();
            assert!(error.contains("without scheme and port"), "{text}: {error}");
        }
    }
}
