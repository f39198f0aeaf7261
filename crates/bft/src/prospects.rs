//! Which of the peers that were found are dialled. No clock and no sockets: time is told.
//!
//! Whom a node gets to know is up to others, so all that they cause is bounded: peers that are dialled at a time, attempts
//! with each of them, and what is remembered. Peers that have dialled this node do not count as ones that it has, because who
//! wants to cut it off from the others can be as many of these as he likes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{gate::Origin, PeerAddress};

/// Peers that a node wants to have dialled, named ones and found ones.
const WANTED: usize = 8;
/// Found peers that it gets to know at a time.
const MAX_TRIALS: usize = 4;
/// Found peers at one host. This machine is exempt: networks for trying things out are on one.
const MAX_PER_HOST: usize = 2;
/// How long a found peer may take to connect, or to come back.
const TRIAL_TIME: Duration = Duration::from_secs(10);
/// The pause after the first trial that came to nothing; it is longer after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// After so many of them, a peer is given up.
const MAX_FAILURES: u32 = 3;
/// For how long.
const GIVEN_UP_FOR: Duration = Duration::from_secs(60 * 60);
/// Peers that are remembered because of failures.
const MAX_REMEMBERED: usize = 1024;

/// Who is connected with this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census {
    /// What the node itself is called.
    pub own: String,
    /// The names of its peers.
    pub peers: BTreeSet<String>,
    /// How many of them it has dialled.
    pub dialled: usize,
}

impl Census {
    fn has(&self, peer: &PeerAddress) -> bool {
        peer.name().is_some_and(|name| self.peers.contains(name))
    }
}

/// What is to be done about a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Dial(PeerAddress),
    Leave(PeerAddress),
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    /// When they are a reason no more to leave the peer alone.
    until: Instant,
}

/// The peers that were found, as far as anything was done about them.
pub(crate) struct Prospects {
    named: Vec<PeerAddress>,
    /// Those that are dialled, with when they were connected last, or chosen.
    dialled: BTreeMap<PeerAddress, Instant>,
    failures: BTreeMap<PeerAddress, Failures>,
}

impl Prospects {
    /// Nothing is known yet; `named` are dialled anyway.
    pub fn new(named: &[PeerAddress]) -> Self {
        Self { named: named.to_vec(), dialled: BTreeMap::new(), failures: BTreeMap::new() }
    }

    /// What is to be done now that these peers are known, and those of the census are connected.
    pub fn look(&mut self, found: &BTreeSet<PeerAddress>, census: &Census, now: Instant) -> Vec<Change> {
        let mut changes = self.leave_the_useless(census, now);
        self.failures.retain(|_, failures| failures.until > now || failures.count < MAX_FAILURES);
        let on_trial = self.dialled.keys().filter(|peer| !census.has(peer)).count();
        let missing =
            WANTED.saturating_sub(census.dialled + on_trial).min(MAX_TRIALS.saturating_sub(on_trial));
        for _ in 0..missing {
            let Some(peer) = self.choose(found, census, now) else { break };
            self.dialled.insert(peer.clone(), now);
            changes.push(Change::Dial(peer));
        }
        changes
    }

    fn leave_the_useless(&mut self, census: &Census, now: Instant) -> Vec<Change> {
        let mut left = Vec::new();
        for (peer, since) in &mut self.dialled {
            if census.has(peer) {
                *since = now;
                self.failures.remove(peer);
            } else if now.saturating_duration_since(*since) >= TRIAL_TIME {
                left.push(peer.clone());
            }
        }
        for peer in &left {
            self.dialled.remove(peer);
            self.failed(peer, now);
        }
        left.into_iter().map(Change::Leave).collect()
    }

    fn failed(&mut self, peer: &PeerAddress, now: Instant) {
        let count = self.failures.get(peer).map_or(0, |failures| failures.count).saturating_add(1);
        let pause = if count < MAX_FAILURES { FIRST_PAUSE.saturating_mul(count) } else { GIVEN_UP_FOR };
        self.failures.insert(peer.clone(), Failures { count, until: now + pause });
        if self.failures.len() > MAX_REMEMBERED {
            let soonest = self.failures.iter().min_by_key(|(_, failures)| failures.until);
            if let Some(peer) = soonest.map(|(peer, _)| peer.clone()) {
                self.failures.remove(&peer);
            }
        }
    }

    /// The peer that has failed least, of those that may be dialled, at the host that has failed least: somebody who makes up
    /// ever new peers at a few hosts is tried after everybody else.
    fn choose(&self, found: &BTreeSet<PeerAddress>, census: &Census, now: Instant) -> Option<PeerAddress> {
        let failures = |peer: &PeerAddress| self.failures.get(peer).copied();
        let may_be_dialled = |peer: &&PeerAddress| {
            let is_known = peer.name().is_none_or(|name| name == census.own || census.peers.contains(name));
            let is_resting = failures(peer).is_some_and(|failures| failures.until > now);
            !is_known && !is_resting && !self.is_dialled(peer) && !self.is_crowded(peer)
        };
        let choices = found.iter().filter(may_be_dialled);
        let at_host = |peer: &PeerAddress| {
            let of_host = self.failures.iter().filter(|(other, _)| is_same_host(other, peer));
            of_host.map(|(_, failures)| failures.count).fold(0, u32::saturating_add)
        };
        let own = |peer: &PeerAddress| failures(peer).map_or(0, |failures| failures.count);
        choices.min_by_key(|peer| (at_host(peer), own(peer))).cloned()
    }

    /// Whether this node dials the address, or somebody of this name elsewhere.
    fn is_dialled(&self, peer: &PeerAddress) -> bool {
        let is_same = |other: &PeerAddress| {
            other.host_and_port() == peer.host_and_port()
                || (other.name().is_some() && other.name() == peer.name())
        };
        self.named.iter().chain(self.dialled.keys()).any(is_same)
    }

    fn is_crowded(&self, peer: &PeerAddress) -> bool {
        let is_here = peer.ip().is_some_and(|ip| ip.is_loopback());
        !is_here && self.dialled.keys().filter(|other| is_same_host(other, peer)).count() >= MAX_PER_HOST
    }
}

fn is_same_host(one: &PeerAddress, other: &PeerAddress) -> bool {
    let name = |peer: &PeerAddress| peer.host_and_port().map(|(host, _)| host.to_owned());
    match (one.ip(), other.ip()) {
        (Some(one), Some(other)) => Origin::of(one) == Origin::of(other),
        _ => name(one) == name(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: u32 = 60 * 60;

    /// Somebody at a host of its own.
    fn peer(number: u32) -> PeerAddress {
        let host = std::net::Ipv4Addr::from(0x0b00_0000 + number);
        format!("/ip4/{host}/tcp/7/p2p/{}", name(number)).parse().unwrap()
    }

    fn name(number: u32) -> String {
        use arc_malachitebft_app_channel::app::types::Keypair;
        let mut secret = [1; 32];
        secret[..4].copy_from_slice(&number.to_le_bytes());
        Keypair::ed25519_from_bytes(secret).unwrap().public().to_peer_id().to_string()
    }

    fn peers(numbers: std::ops::Range<u32>) -> BTreeSet<PeerAddress> {
        numbers.map(peer).collect()
    }

    fn census(connected: &BTreeSet<PeerAddress>) -> Census {
        let peers = connected.iter().filter_map(PeerAddress::name).map(str::to_owned).collect();
        Census { own: name(999), peers, dialled: connected.len() }
    }

    fn alone() -> Census {
        census(&BTreeSet::new())
    }

    fn dialled(changes: &[Change]) -> BTreeSet<PeerAddress> {
        let dialled = |change: &Change| match change {
            Change::Dial(peer) => Some(peer.clone()),
            Change::Leave(_) => None,
        };
        changes.iter().filter_map(dialled).collect()
    }

    #[test]
    fn peers_are_dialled_until_there_are_enough() {
        let (mut now, found) = (Instant::now(), peers(0..20));
        let mut prospects = Prospects::new(&[]);
        let mut connected = BTreeSet::new();
        for expected in [4, 4, 0, 0] {
            let new = dialled(&prospects.look(&found, &census(&connected), now));
            assert_eq!(new.len(), expected);
            connected.extend(new);
            now += SECOND;
        }
        let lost = connected.pop_first().unwrap();
        assert!(prospects.look(&found, &census(&connected), now).is_empty(), "it may come back");
        now += TRIAL_TIME;
        let changes = prospects.look(&found, &census(&connected), now);
        assert_eq!(changes.first(), Some(&Change::Leave(lost.clone())));
        let instead = dialled(&changes);
        assert!(instead.len() == 1 && !instead.contains(&lost));
        let mut named = Census { dialled: WANTED, ..alone() };
        assert!(Prospects::new(&[]).look(&found, &named, now).is_empty(), "named ones are enough");
        named.dialled = WANTED - 1;
        assert_eq!(Prospects::new(&[]).look(&found, &named, now).len(), 1);
    }

    #[test]
    fn nobody_is_dialled_twice_or_who_is_there_already() {
        let now = Instant::now();
        let (named, at_home) = (peer(1), peer(999));
        let other_name: PeerAddress = format!("/ip4/11.0.0.1/tcp/7/p2p/{}", name(50)).parse().unwrap();
        let nameless: PeerAddress = "/ip4/11.0.0.9/tcp/7".parse().unwrap();
        let inbound = BTreeSet::from([peer(2)]);
        let mut found = peers(1..4);
        found.extend([at_home, other_name, nameless]);
        let mut prospects = Prospects::new(std::slice::from_ref(&named));
        let who_dialled_this_node = Census { dialled: 0, ..census(&inbound) };
        let changes = prospects.look(&found, &who_dialled_this_node, now);
        assert_eq!(changes, [Change::Dial(peer(3))]);
        assert!(prospects.look(&found, &who_dialled_this_node, now).is_empty());
        let same_name: PeerAddress = format!("/ip4/11.0.0.77/tcp/7/p2p/{}", name(3)).parse().unwrap();
        assert!(prospects.look(&BTreeSet::from([same_name]), &alone(), now).is_empty());
    }

    #[test]
    fn who_is_of_no_use_is_given_up_and_who_comes_back_is_not() {
        let start = Instant::now();
        let found = peers(1..2);
        let mut prospects = Prospects::new(&[]);
        let mut attempts = Vec::new();
        for second in 0..HOUR {
            if !dialled(&prospects.look(&found, &alone(), start + SECOND * second)).is_empty() {
                attempts.push(second);
            }
        }
        assert_eq!(attempts, [0, 40, 110]);
        let later = start + 2 * GIVEN_UP_FOR;
        assert_eq!(dialled(&prospects.look(&found, &alone(), later)), found);
        prospects.look(&found, &census(&found), later + SECOND);
        assert!(prospects.failures.is_empty());
    }

    #[test]
    fn one_host_gets_two_places() {
        let now = Instant::now();
        let at = |host: &str, number: u16| -> PeerAddress {
            format!("{host}/tcp/{}/p2p/{}", number + 1, name(number.into())).parse().unwrap()
        };
        let dialled_at = |host: &str| {
            let found = (0..4).map(|number| at(host, number)).collect();
            dialled(&Prospects::new(&[]).look(&found, &alone(), now)).len()
        };
        assert_eq!(dialled_at("/ip4/192.0.2.1"), MAX_PER_HOST);
        assert_eq!(dialled_at("/dns4/node.example"), MAX_PER_HOST);
        assert_eq!(dialled_at("/ip4/127.0.0.1"), MAX_TRIALS);
        let site = [at("/ip6/2001:db8::1", 1), at("/ip6/2001:db8::2", 2), at("/ip6/2001:db8::3", 3)];
        assert_eq!(Prospects::new(&[]).look(&site.into(), &alone(), now).len(), MAX_PER_HOST);
    }

    #[test]
    fn addresses_without_number_cost_a_bounded_number_of_attempts() {
        let start = Instant::now();
        let mut prospects = Prospects::new(&[]);
        let (mut attempts, mut next) = (0, 0);
        let mut found = peers(0..1);
        for second in 0..HOUR {
            // New ones every second, thousands in all, none of which is there.
            found = peers(next..next + 5);
            next += 5;
            attempts += dialled(&prospects.look(&found, &alone(), start + SECOND * second)).len();
            assert!(prospects.dialled.len() <= MAX_TRIALS && prospects.failures.len() <= MAX_REMEMBERED);
        }
        let most = MAX_TRIALS * (HOUR as usize / TRIAL_TIME.as_secs() as usize);
        assert!(attempts > 0 && attempts <= most, "{attempts} attempts of {next} addresses");
        // Whoever is there gets a turn among those that have failed already.
        let honest = peer(0x00ff_ffff);
        found.insert(honest.clone());
        let now = start + SECOND * HOUR + TRIAL_TIME;
        assert!(dialled(&prospects.look(&found, &alone(), now)).len() <= MAX_TRIALS);
        let later = prospects.look(&found, &alone(), now + TRIAL_TIME);
        assert!(dialled(&later).contains(&honest) || prospects.dialled.contains_key(&honest), "{later:?}");
    }
}
