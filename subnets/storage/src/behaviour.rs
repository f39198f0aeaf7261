//! How a miner behaves. Everything but honesty is for demonstrations and tests of what validators notice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::proof::Root;

/// What a miner does with objects and challenges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Behaviour {
    /// Keeps what it accepts and proves it.
    Honest {
        /// Milliseconds to wait before each answer, for a miner far away.
        #[serde(default)]
        extra_latency_ms: u64,
    },
    /// Accepts everything and silently loses half of it.
    Drops,
    /// Keeps nothing, and asks another miner, with whom it is to keep objects in common, when it is asked. The other
    /// miner has to let it: its `policy.allow` must name the relay's hotkey, unless that has a validator permit.
    Relay {
        /// SS58 address of the other miner's hotkey.
        peer_hotkey: String,
        /// Where the other miner answers.
        peer_address: std::net::SocketAddr,
        /// Milliseconds that the way to the other miner takes, because between processes of one machine it takes none.
        link_latency_ms: u64,
    },
    /// Keeps nothing, and answers with made-up bytes and a proof of its own making.
    Liar,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::Honest { extra_latency_ms: 0 }
    }
}

impl Behaviour {
    /// Whether an accepted object is kept.
    pub(crate) fn keeps(&self, root: Root) -> bool {
        match self {
            Self::Honest { .. } => true,
            Self::Drops => root.0.iter().fold(0, |parity, byte| parity ^ (byte & 1)) == 0,
            Self::Relay { .. } | Self::Liar => false,
        }
    }

    pub(crate) fn pause(&self) -> Duration {
        match self {
            Self::Honest { extra_latency_ms } => Duration::from_millis(*extra_latency_ms),
            Self::Relay { link_latency_ms, .. } => Duration::from_millis(*link_latency_ms),
            Self::Drops | Self::Liar => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviours_are_configuration() {
        let read = |text: &str| serde_json::from_str::<Behaviour>(text);
        assert_eq!(read(r#"{"kind": "honest"}"#).unwrap(), Behaviour::default());
        assert_eq!(read(r#"{"kind": "drops"}"#).unwrap(), Behaviour::Drops);
        assert!(read(r#"{"kind": "relay"}"#).is_err());
        assert!(read(r#"{"kind": "honest", "extra": 1}"#).is_err());
    }

    #[test]
    fn dropping_loses_about_half() {
        let kept = (0..1000u32)
            .filter(|number| Behaviour::Drops.keeps(Root(*blake3::hash(&number.to_le_bytes()).as_bytes())));
        assert!((450..550).contains(&kept.count()));
    }
}
