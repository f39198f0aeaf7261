//! Where peers are, who may be told, and when to try again.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use libp2p::{multiaddr::Protocol, swarm::ConnectionId, Multiaddr, PeerId};

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Addresses learnt from peers that are remembered.
const MAX_CANDIDATES: usize = 256;
/// After so many failed attempts, a learnt address is forgotten.
const MAX_FAILURES: u32 = 3;

/// From where an address makes sense, from near to far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Machine,
    Site,
    World,
}

/// The host of an address that names one by number.
pub fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// Who is expected at an address.
pub fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last()? {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

/// Whether an address needs name resolution.
pub fn needs_dns(address: &Multiaddr) -> bool {
    let is_name = |part| {
        matches!(part, Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_))
    };
    address.iter().any(is_name)
}

/// The address with the peer's name at its end, if it is a plain one: a host by number, and a TCP port.
pub fn plain(address: &Multiaddr, peer: PeerId) -> Option<Multiaddr> {
    let mut parts = address.iter();
    let host = parts.next().filter(|part| matches!(part, Protocol::Ip4(_) | Protocol::Ip6(_)))?;
    let port = parts.next().filter(|part| matches!(part, Protocol::Tcp(port) if *port != 0))?;
    match parts.next() {
        None => {}
        Some(Protocol::P2p(named)) if named == peer && parts.next().is_none() => {}
        Some(_) => return None,
    }
    Some([host, port, Protocol::P2p(peer)].into_iter().collect())
}

/// The address on the same host as `known` that `claim` says: `/tcp/<port>/p2p/<name>`, and nothing else. The host may be a name
/// that was dialled.
pub fn beside(known: &Multiaddr, claim: &[u8]) -> Option<Multiaddr> {
    let claim = Multiaddr::try_from(claim.to_vec()).ok()?;
    let mut parts = claim.iter();
    let port = parts.next().filter(|part| matches!(part, Protocol::Tcp(port) if *port != 0))?;
    let name = parts.next().filter(|part| matches!(part, Protocol::P2p(_)))?;
    let host = known.iter().next().filter(|part| {
        matches!(
            part,
            Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)
        )
    })?;
    parts.next().is_none().then(|| [host, port, name].into_iter().collect())
}

/// Whether somebody at `listener` can use an address at `ip`, and may know it. Who was dialled by a name may be anywhere.
pub fn makes_sense_to(ip: IpAddr, listener: Option<IpAddr>) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && reach(ip) >= listener.map_or(Reach::World, reach)
}

fn reach(ip: IpAddr) -> Reach {
    match ip.to_canonical() {
        ip if ip.is_loopback() => Reach::Machine,
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() => Reach::Site,
        IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Reach::Site,
        _ => Reach::World,
    }
}

/// A peer to connect to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is.
    pub address: Multiaddr,
    /// Who it is, if that is known.
    pub peer: Option<PeerId>,
    dialing: Option<ConnectionId>,
    failures: u32,
    next: Instant,
}

impl Target {
    fn new(address: Multiaddr, now: Instant) -> Self {
        Self { peer: peer_of(&address), address, dialing: None, failures: 0, next: now }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.dialing.is_none() && self.next <= now
    }

    fn pause(&mut self, first: Duration, now: Instant) {
        let factor = 1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.dialing = None;
        self.next = now + first.saturating_mul(factor).min(MAX_PAUSE);
    }
}

/// Everybody that a node may connect to.
pub struct AddressBook {
    persistent: Vec<Target>,
    candidates: HashMap<PeerId, Target>,
    pause: Duration,
}

impl AddressBook {
    /// Knows the persistent peers. `pause` is the one before the first repetition.
    pub fn new(persistent: &[Multiaddr], pause: Duration, now: Instant) -> Self {
        let persistent = persistent.iter().map(|address| Target::new(address.clone(), now)).collect();
        Self { persistent, candidates: HashMap::new(), pause }
    }

    /// Remembers where somebody is, unless enough others are.
    pub fn learn(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        if self.candidates.len() < MAX_CANDIDATES && !self.is_persistent(&peer) {
            self.candidates.entry(peer).or_insert_with(|| Target::new(address, now));
        }
    }

    /// Whether the node is to stay connected to this peer.
    pub fn is_persistent(&self, peer: &PeerId) -> bool {
        self.persistent.iter().any(|target| target.peer.as_ref() == Some(peer))
    }

    /// The persistent peers that are to be dialled now.
    pub fn due_persistent(&self, now: Instant, connected: impl Fn(&PeerId) -> bool) -> Vec<Target> {
        let missing = |target: &&Target| !target.peer.as_ref().is_some_and(&connected);
        self.persistent.iter().filter(|target| target.is_due(now)).filter(missing).cloned().collect()
    }

    /// Up to `count` learnt peers that are to be dialled now.
    pub fn due_candidates(
        &self,
        count: usize,
        now: Instant,
        connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<Target> {
        let due = self.candidates.iter().filter(|(peer, target)| target.is_due(now) && !connected(peer));
        due.map(|(_, target)| target.clone()).take(count).collect()
    }

    /// How many learnt peers are being dialled.
    pub fn dialing_candidates(&self) -> usize {
        self.candidates.values().filter(|target| target.dialing.is_some()).count()
    }

    /// A target is being dialled.
    pub fn started(&mut self, address: &Multiaddr, connection: ConnectionId) {
        if let Some(target) = self.targets().find(|target| target.address == *address) {
            target.dialing = Some(connection);
        }
    }

    /// A dial led to this peer.
    pub fn succeeded(&mut self, connection: ConnectionId, peer: PeerId) {
        if let Some(target) = self.targets().find(|target| target.dialing == Some(connection)) {
            target.dialing = None;
            target.peer = Some(peer);
        }
    }

    /// A peer turned out to be of use, so that it is dialled soon when it is lost.
    pub fn proven(&mut self, peer: &PeerId) {
        self.targets()
            .filter(|target| target.peer.as_ref() == Some(peer))
            .for_each(|target| target.failures = 0);
    }

    /// A dial led nowhere.
    pub fn failed(&mut self, connection: ConnectionId, now: Instant) {
        let pause = self.pause;
        if let Some(target) = self.targets().find(|target| target.dialing == Some(connection)) {
            target.pause(pause, now);
        }
        self.candidates.retain(|_, target| target.failures < MAX_FAILURES);
    }

    /// A peer is gone, or is of no use: it is dialled again after a pause.
    pub fn lost(&mut self, peer: &PeerId, now: Instant) {
        let pause = self.pause;
        if let Some(target) = self.targets().find(|target| target.peer.as_ref() == Some(peer)) {
            target.pause(pause, now);
        }
        self.candidates.retain(|_, target| target.failures < MAX_FAILURES);
    }

    fn targets(&mut self) -> impl Iterator<Item = &mut Target> {
        self.persistent.iter_mut().chain(self.candidates.values_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeKey;

    fn peer(number: u16) -> PeerId {
        let mut secret = [1; 32];
        secret[..2].copy_from_slice(&number.to_le_bytes());
        NodeKey::from_secret(secret).peer_id()
    }

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_plain_addresses_are_told() {
        let (one, two) = (peer(1), peer(2));
        let told = address(&format!("/ip4/1.2.3.4/tcp/5/p2p/{one}"));
        assert_eq!(plain(&address("/ip4/1.2.3.4/tcp/5"), one), Some(told.clone()));
        assert_eq!(plain(&told, one), Some(told.clone()));
        assert_eq!(plain(&told, two), None, "it is somebody else's");
        for other in [
            "/ip4/1.2.3.4/tcp/0",
            "/ip4/1.2.3.4/udp/5",
            "/dns4/host/tcp/5",
            "/ip4/1.2.3.4",
            "/ip4/1.2.3.4/tcp/5/ws",
        ] {
            assert_eq!(plain(&address(other), one), None, "{other}");
        }
    }

    #[test]
    fn a_claim_counts_on_the_host_that_is_known_and_says_nothing_but_port_and_name() {
        let name = peer(1);
        let claim = |text: String| text.parse::<Multiaddr>().unwrap().to_vec();
        let good = claim(format!("/tcp/7/p2p/{name}"));
        for (known, host) in
            [("/ip4/1.2.3.4/tcp/5", "/ip4/1.2.3.4"), ("/dns4/node.example/tcp/5/p2p/", "/dns4/node.example")]
        {
            let known = if known.ends_with('/') { format!("{known}{name}") } else { known.to_owned() };
            let expected = address(&format!("{host}/tcp/7/p2p/{name}"));
            assert_eq!(beside(&address(&known), &good), Some(expected));
        }
        assert_eq!(beside(&address("/dnsaddr/node.example"), &good), None);
        for wrong in [
            format!("/ip4/9.9.9.9/tcp/7/p2p/{name}"),
            format!("/tcp/0/p2p/{name}"),
            format!("/udp/7/p2p/{name}"),
            format!("/tcp/7/p2p/{name}/p2p-circuit"),
            "/tcp/7".to_owned(),
        ] {
            assert_eq!(beside(&address("/ip4/1.2.3.4/tcp/5"), &claim(wrong.clone())), None, "{wrong}");
        }
        assert_eq!(beside(&address("/ip4/1.2.3.4/tcp/5"), &[0xff; 9]), None);
    }

    #[test]
    fn near_addresses_are_for_near_peers() {
        let hosts = [ip("127.0.0.1"), ip("10.0.0.1"), ip("8.8.8.8")];
        for (from, listener) in hosts.iter().enumerate() {
            for (at, host) in hosts.iter().enumerate() {
                assert_eq!(makes_sense_to(*host, Some(*listener)), at >= from, "{host} to {listener}");
            }
        }
        assert!(!makes_sense_to(ip("0.0.0.0"), Some(hosts[0])));
        assert!(!makes_sense_to(ip("224.0.0.1"), Some(hosts[0])));
        assert!(!makes_sense_to(ip("::ffff:127.0.0.1"), Some(hosts[2])));
        assert!(!makes_sense_to(ip("fd00::1"), Some(hosts[2])));
        assert!(makes_sense_to(hosts[2], None) && !makes_sense_to(hosts[1], None));
    }

    #[test]
    fn a_persistent_peer_is_tried_for_ever_with_growing_pauses() {
        let start = Instant::now();
        let there = address("/ip4/127.0.0.1/tcp/5");
        let mut book = AddressBook::new(std::slice::from_ref(&there), Duration::from_secs(1), start);
        let mut now = start;
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(book.due_persistent(now, |_| false).len(), 1);
            let connection = ConnectionId::new_unchecked(pause);
            book.started(&there, connection);
            assert!(book.due_persistent(now, |_| false).is_empty(), "it is being dialled");
            book.failed(connection, now);
            now += Duration::from_secs(pause as u64);
            assert!(book.due_persistent(now - Duration::from_millis(1), |_| false).is_empty());
        }
        let connection = ConnectionId::new_unchecked(99);
        book.started(&there, connection);
        book.succeeded(connection, peer(1));
        assert!(book.is_persistent(&peer(1)), "its name is known now");
        assert!(book.due_persistent(now, |known| *known == peer(1)).is_empty());
        book.lost(&peer(1), now);
        assert!(book.due_persistent(now + Duration::from_secs(29), |_| false).is_empty(), "it was of no use");
        book.proven(&peer(1));
        book.lost(&peer(1), now);
        assert_eq!(book.due_persistent(now + Duration::from_secs(1), |_| false).len(), 1);
    }

    #[test]
    fn learnt_peers_are_bounded_and_forgotten_when_useless() {
        let start = Instant::now();
        let mut book = AddressBook::new(&[], Duration::from_secs(1), start);
        for number in 0..300 {
            book.learn(peer(number), address(&format!("/ip4/1.2.3.4/tcp/{}", number + 1)), start);
        }
        assert_eq!(book.candidates.len(), MAX_CANDIDATES);
        assert_eq!(book.due_candidates(5, start, |_| false).len(), 5);
        assert!(book.due_candidates(5, start, |_| true).is_empty());
        let target = book.due_candidates(1, start, |_| false).remove(0);
        for attempt in 0..MAX_FAILURES as usize {
            let connection = ConnectionId::new_unchecked(attempt);
            book.started(&target.address, connection);
            assert_eq!(book.dialing_candidates(), 1);
            book.failed(connection, start);
        }
        assert_eq!(book.candidates.len(), MAX_CANDIDATES - 1);
        assert_eq!(book.dialing_candidates(), 0);
    }
}
