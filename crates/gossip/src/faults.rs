//! Who is not welcome for a while.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use libp2p::PeerId;
use myelin_listener::Origin;

/// The longest ban, and for how long after a ban the next one counts as a repetition.
const MAX_BAN: Duration = Duration::from_secs(3600);
/// Bans that are remembered; the one that ends first makes room.
const MAX_BANS: usize = 4096;

/// Whom a ban is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Banned {
    Peer(PeerId),
    Origin(Origin),
}

struct Ban {
    until: Instant,
    times: u32,
}

/// Bans, each longer than the one before it.
pub struct Bans {
    first: Duration,
    bans: HashMap<Banned, Ban>,
}

impl Bans {
    /// Nobody is banned. `first` is how long the first ban lasts.
    pub fn new(first: Duration) -> Self {
        Self { first, bans: HashMap::new() }
    }

    /// Bans a peer, and its address unless that is of this machine: others may share that one.
    pub fn ban(&mut self, peer: PeerId, ip: Option<IpAddr>, now: Instant) {
        self.extend(Banned::Peer(peer), now);
        if let Some(origin) = ip.map(Origin::of).filter(|origin| !origin.is_loopback()) {
            self.extend(Banned::Origin(origin), now);
        }
    }

    /// Whether the peer or its address is banned.
    pub fn contains(&self, peer: &PeerId, ip: Option<IpAddr>, now: Instant) -> bool {
        self.holds(&Banned::Peer(*peer), now)
            || ip.is_some_and(|ip| self.holds(&Banned::Origin(Origin::of(ip)), now))
    }

    fn holds(&self, banned: &Banned, now: Instant) -> bool {
        self.bans.get(banned).is_some_and(|ban| now < ban.until)
    }

    fn extend(&mut self, banned: Banned, now: Instant) {
        self.bans.retain(|_, ban| now < ban.until + MAX_BAN);
        if self.bans.len() >= MAX_BANS && !self.bans.contains_key(&banned) {
            let first_to_end = self.bans.iter().min_by_key(|(_, ban)| ban.until).map(|(banned, _)| *banned);
            first_to_end.and_then(|banned| self.bans.remove(&banned));
        }
        let ban = self.bans.entry(banned).or_insert(Ban { until: now, times: 0 });
        let factor = 1_u32.checked_shl(ban.times.min(16)).unwrap_or(u32::MAX);
        ban.times = ban.times.saturating_add(1);
        ban.until = now + self.first.saturating_mul(factor).min(MAX_BAN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeKey;

    fn peer(number: u64) -> PeerId {
        let mut secret = [1; 32];
        secret[..8].copy_from_slice(&number.to_le_bytes());
        NodeKey::from_secret(secret).peer_id()
    }

    #[test]
    fn bans_end_and_grow() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut bans = Bans::new(second);
        let ip = IpAddr::from([8, 8, 8, 8]);
        bans.ban(peer(1), Some(ip), start);
        assert!(bans.contains(&peer(1), None, start));
        assert!(bans.contains(&peer(2), Some(ip), start), "the address is banned, too");
        assert!(!bans.contains(&peer(1), Some(ip), start + second));
        bans.ban(peer(1), Some(ip), start + second);
        assert!(bans.contains(&peer(1), None, start + 2 * second));
        assert!(!bans.contains(&peer(1), None, start + 3 * second));
    }

    #[test]
    fn this_machine_is_never_banned_as_a_whole() {
        let now = Instant::now();
        let mut bans = Bans::new(Duration::from_secs(1));
        let ip = IpAddr::from([127, 0, 0, 1]);
        bans.ban(peer(1), Some(ip), now);
        assert!(!bans.contains(&peer(2), Some(ip), now));
    }

    #[test]
    fn they_are_bounded() {
        let now = Instant::now();
        let mut bans = Bans::new(Duration::from_secs(1));
        let ips = (0..=MAX_BANS as u32).map(|number| IpAddr::from((0x0800_0000 + number).to_be_bytes()));
        ips.for_each(|ip| bans.extend(Banned::Origin(Origin::of(ip)), now));
        assert_eq!(bans.bans.len(), MAX_BANS);
        bans.extend(Banned::Peer(peer(1)), now + 2 * MAX_BAN);
        assert_eq!(bans.bans.len(), 1, "old ones are forgotten");
    }
}
