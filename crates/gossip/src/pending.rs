//! Connections that are being set up: so many from one address only, so that whoever opens them and says nothing does not keep
//! others out.

use std::{
    collections::HashMap,
    convert::Infallible,
    task::{Context, Poll},
};

use libp2p::{
    core::{transport::PortUse, Endpoint},
    swarm::{
        dummy, ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
    Multiaddr, PeerId,
};
use myelin_listener::Origin;

use crate::addresses::ip_of;

/// From one address at a time.
const MAX_OF_ADDRESS: usize = 8;
/// From this machine, where a whole network may run.
const MAX_OF_LOOPBACK: usize = 64;

#[derive(Debug, thiserror::Error)]
#[error("its address has {0} connections under way already")]
struct TooMany(usize);

/// Counts incoming connections until they are established or given up.
#[derive(Default)]
pub struct PendingShares(HashMap<ConnectionId, Origin>);

impl PendingShares {
    fn admit(&mut self, connection: ConnectionId, origin: Origin) -> Result<(), TooMany> {
        let share = if origin.is_loopback() { MAX_OF_LOOPBACK } else { MAX_OF_ADDRESS };
        let found = self.0.values().filter(|other| **other == origin).count();
        if found >= share {
            return Err(TooMany(found));
        }
        self.0.insert(connection, origin);
        Ok(())
    }
}

impl NetworkBehaviour for PendingShares {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        match ip_of(remote) {
            Some(ip) => self.admit(connection, Origin::of(ip)).map_err(ConnectionDenied::new),
            None => Ok(()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.0.remove(&connection);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event {
            self.0.remove(&connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_share_of_what_is_being_set_up() {
        let mut shares = PendingShares::default();
        let origin = |ip: &str| Origin::of(ip.parse().unwrap());
        let connection = ConnectionId::new_unchecked;
        for number in 0..MAX_OF_ADDRESS {
            shares.admit(connection(number), origin("192.0.2.1")).unwrap();
        }
        assert!(shares.admit(connection(100), origin("192.0.2.1")).is_err());
        shares.admit(connection(101), origin("192.0.2.2")).unwrap();
        shares.0.remove(&connection(3));
        shares.admit(connection(102), origin("192.0.2.1")).unwrap();
    }
}
