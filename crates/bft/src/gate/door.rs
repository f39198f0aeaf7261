//! The ways to the peers that the operator has named.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
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
}

impl Door {
    /// # Errors
    /// When the system has no free port.
    pub fn to(peer: PeerAddress) -> io::Result<Self> {
        let listener = StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener: TcpListener::from_std(listener)?, address, peer })
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
                    Ok((inside, _)) => drop(connections.spawn(lead(inside, self.peer.clone(), Arc::clone(&shared)))),
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
async fn lead(inside: TcpStream, peer: PeerAddress, shared: Arc<Shared>) {
    let passing = async {
        let outside = timeout(CONNECT_TIMEOUT, connect(&peer)).await??;
        let origin = Origin::of(outside.peer_addr()?.ip());
        let guest = Guest { shared, origin, standing: Standing::Named };
        guest.pass(outside, inside).await
    };
    if let Err(error) = passing.await {
        tracing::debug!(%error, %peer, "a connection to a peer has ended");
    }
}

/// Connects to the first address of the peer that answers.
async fn connect(peer: &PeerAddress) -> io::Result<TcpStream> {
    let addresses = peer.resolve().await;
    TcpStream::connect(addresses.as_slice()).await
}
