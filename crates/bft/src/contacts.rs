//! What became of the attempts to reach the peers that the operator has named.
//!
//! The engine dials them through the gate and knows them by ports of this machine only, so whoever looks for a peer that is
//! missing has to be told here.

use parking_lot::Mutex;

use crate::PeerAddress;

/// Peers that are described one by one.
const MAX_DESCRIBED: usize = 8;

/// How the newest attempt to reach a peer went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    /// There was none, or the engine dials the peer itself.
    None,
    /// There is no connection, for this reason.
    Unreachable(String),
    /// There is a connection.
    Open,
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

    /// Notes what happened with the peer at `index`.
    pub fn note(&self, index: usize, contact: Contact) {
        if let Some(newest) = self.newest.lock().get_mut(index) {
            *newest = contact;
        }
    }

    /// Says of each peer, none of which is of any use, what is known about it.
    pub fn describe(&self) -> String {
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
        Contact::Open => format!("{peer} takes connections, but does not introduce itself as a node"),
        Contact::Ended => format!(
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
        contacts.note(0, Contact::Unreachable("connection refused".to_owned()));
        contacts.note(1, Contact::Open);
        contacts.note(2, Contact::Open);
        contacts.note(2, Contact::Ended);
        contacts.note(99, Contact::Open);
        let text = contacts.describe();
        for part in [
            "/ip4/192.0.2.1/tcp/1 cannot be reached (connection refused)",
            "/ip4/192.0.2.1/tcp/2 takes connections, but does not introduce itself",
            "/ip4/192.0.2.1/tcp/3 takes connections, but they end at once: it is probably a node of another chain",
            "/ip4/192.0.2.1/tcp/4 is not connected",
            "and 2 more",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("tcp/9"), "{text}");
    }
}
