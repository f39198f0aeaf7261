//! The ways to peers: those that the operator has named, and those that were found.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{ledger::Origin, Guest, Shared, Standing, ACCEPT_PAUSE};
use crate::PeerAddress;

/// How long it may take to reach a peer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A port of this machine behind which one peer is.
pub(super) struct Door {
    listener: TcpListener,
    address: SocketAddr,
    peer: PeerAddress,
    /// Its place among the named peers; nothing for one that was found.
    place: Option<usize>,
}

impl Door {
    /// # Errors
    /// When the system has no free port.
    pub fn to(peer: PeerAddress, place: Option<usize>) -> io::Result<Self> {
        let listener = StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener: TcpListener::from_std(listener)?, address, peer, place })
    }

    /// The peer as the engine reaches it.
    pub fn address(&self) -> PeerAddress {
        self.peer.through(self.address)
    }

    /// Connects whoever comes to the peer, for as long as it is polled.
    pub async fn run(self, shared: Arc<Shared>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((inside, _)) => {
                        let hang_up = shared.hang_up.subscribe();
                        connections.spawn(lead(inside, self.peer.clone(), self.place, Arc::clone(&shared), hang_up));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the engine cannot connect to a peer");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// When the peer cannot be reached, the engine sees that the connection ends, and tries again later.
async fn lead(
    inside: TcpStream,
    peer: PeerAddress,
    place: Option<usize>,
    shared: Arc<Shared>,
    mut hang_up: watch::Receiver<u64>,
) {
    match reach(&peer).await {
        Ok(outside) => {
            place.into_iter().for_each(|place| shared.contacts.opened(place));
            let ended = tokio::select! {
                ended = pass(inside, outside, place, &shared) => ended,
                _ = hang_up.changed() => Ok(()),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, %peer, "a connection to a peer has ended");
            }
            place.into_iter().for_each(|place| shared.contacts.ended(place));
        }
        Err(error) => {
            tracing::debug!(%error, %peer, "a peer cannot be reached");
            place.into_iter().for_each(|place| shared.contacts.unreachable(place, &error));
        }
    }
}

/// Who was found is a stranger, but takes none of their places, so that those who come cannot keep this node from going to others.
async fn pass(
    inside: TcpStream,
    outside: TcpStream,
    place: Option<usize>,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let origin = Origin::of(outside.peer_addr()?.ip());
    let standing = place.map_or(Standing::Stranger, |_| Standing::Named);
    let guest = Guest { shared: Arc::clone(shared), origin, standing };
    guest.pass(outside, inside).await
}

/// Connects to the first address of the peer that answers.
async fn reach(peer: &PeerAddress) -> io::Result<TcpStream> {
    let connecting = async {
        let addresses = peer.resolve().await;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "its name cannot be resolved"));
        }
        TcpStream::connect(addresses.as_slice()).await
    };
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let text = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        }
    }
}
