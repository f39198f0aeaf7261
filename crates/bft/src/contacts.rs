//! What became of the attempts to reach the peers that the operator has named.
//!
//! The engine dials them through the gate and knows them by ports of this machine only, so whoever looks for a peer that is
//! missing has to be told here.

use std::io;

use parking_lot::Mutex;

use crate::PeerAddress;

/// Peers that are described one by one.
const MAX_DESCRIBED: usize = 8;

/// How the newest attempt to reach a peer went.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Contact {
    /// There was none, or the engine dials the peer itself.
    None,
    /// There is no connection, for this reason.
    Unreachable(String),
    /// There is a connection; whether one before it has ended. The engine dials again within seconds.
    Open { again: bool },
    /// There was a connection, and one of both sides has ended it.
    Ended,
}

/// The named peers, each with its newest contact.
pub(crate) struct Contacts {
    peers: Vec<PeerAddress>,
    newest: Mutex<Vec<Contact>>,
}

impl Contacts {
    pub fn new(peers: &[PeerAddress]) -> Self {
        Self { peers: peers.to_vec(), newest: Mutex::new(vec![Contact::None; peers.len()]) }
    }

    /// Whether the operator has named nobody.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// There is a connection with the peer at `index`.
    pub fn opened(&self, index: usize) {
        self.change(index, |before| Contact::Open {
            again: matches!(before, Contact::Ended | Contact::Open { again: true }),
        });
    }

    /// A connection with the peer at `index` has ended.
    pub fn ended(&self, index: usize) {
        self.change(index, |_| Contact::Ended);
    }

    /// There is no way to the peer at `index`.
    pub fn unreachable(&self, index: usize, reason: &io::Error) {
        self.change(index, |_| Contact::Unreachable(reason.to_string()));
    }

    fn change(&self, index: usize, change: impl FnOnce(&Contact) -> Contact) {
        if let Some(newest) = self.newest.lock().get_mut(index) {
            *newest = change(newest);
        }
    }

    /// Says of each peer, none of which is of any use, what is known about it.
    pub fn describe(&self) -> String {
        if self.is_empty() {
            return "those that were found cannot be reached".to_owned();
        }
        let newest = self.newest.lock();
        let peers = self.peers.iter().zip(newest.iter()).take(MAX_DESCRIBED);
        let mut text = peers.map(|(peer, contact)| describe(peer, contact)).collect::<Vec<_>>().join("; ");
        let further = self.peers.len().saturating_sub(MAX_DESCRIBED);
        if further > 0 {
            text.push_str(&format!("; and {further} more"));
        }
        text
    }
}

fn describe(peer: &PeerAddress, contact: &Contact) -> String {
    match contact {
        Contact::None => format!("{peer} is not connected"),
        Contact::Unreachable(reason) => format!("{peer} cannot be reached ({reason})"),
        Contact::Open { again: false } => {
            format!("{peer} takes connections, but does not introduce itself as a node")
        }
        Contact::Open { again: true } | Contact::Ended => format!(
            "{peer} takes connections, but they end at once: it is probably a node of another chain, or no node"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn every_peer_is_named_with_what_happened() {
        let address = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let peers: Vec<PeerAddress> = (1..=10).map(|port| address(port).into()).collect();
        let contacts = Contacts::new(&peers);
        contacts.unreachable(0, &io::Error::other("connection refused"));
        contacts.opened(1);
        contacts.opened(2);
        contacts.ended(2);
        contacts.opened(4);
        contacts.ended(4);
        contacts.opened(4);
        contacts.opened(99);
        let text = contacts.describe();
        for part in [
            "/ip4/192.0.2.1/tcp/1 cannot be reached (connection refused)",
            "/ip4/192.0.2.1/tcp/2 takes connections, but does not introduce itself",
            "/ip4/192.0.2.1/tcp/3 takes connections, but they end at once: it is probably a node of another chain",
            "/ip4/192.0.2.1/tcp/4 is not connected",
            "/ip4/192.0.2.1/tcp/5 takes connections, but they end at once",
            "and 2 more",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("tcp/9"), "{text}");
    }
}
