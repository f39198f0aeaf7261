//! Who has how many connections, and what they may still send. No clock and no sockets: time is told.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{allowance::Allowance, GateLimits};

/// What a new connection costs of its address's allowance, in bytes: a greeting is cheap to send and dear to answer.
const CONNECTION_COST: u64 = 256 << 10;
/// Addresses that are remembered at a time; strangers from further ones are refused.
const MAX_ORIGINS: usize = 4096;

/// Whom connections come from: an IPv4 address, or the network that a site gets for itself in IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin(IpAddr);

impl Origin {
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V6(ip) => Self(IpAddr::V6((u128::from(ip) >> 64 << 64).into())),
            ip => Self(ip),
        }
    }
}

/// Whether the operator has named a peer at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// It was named: it has an allowance of its own, and is never dropped.
    Named,
    /// It was not.
    Stranger,
}

/// What happens with bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// They are passed on, and more may be read.
    Free,
    /// They are passed on after this time.
    After(Duration),
    /// They are dropped with the connection.
    Dropped {
        /// Whether the address is dropped now; otherwise it was before.
        is_new: bool,
    },
}

impl Passage {
    fn after(wait: Duration) -> Self {
        match wait {
            Duration::ZERO => Self::Free,
            wait => Self::After(wait),
        }
    }
}

/// One connection among all there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place(u64);

/// A connection that was taken into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    pub place: Place,
    /// The connection that has to end for it.
    pub instead_of: Option<Place>,
}

struct Account {
    /// The oldest first.
    connections: Vec<Place>,
    allowance: Allowance,
    /// Since when the allowance has not recovered.
    empty_since: Option<Instant>,
    banned_until: Option<Instant>,
}

impl Account {
    fn is_banned(&self, now: Instant) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }
}

/// The accounts of all addresses. One that becomes named, or is not any more, has two for a while.
pub(super) struct Ledger {
    limits: GateLimits,
    accounts: HashMap<(Origin, Standing), Account>,
    strangers: usize,
    of_all_strangers: Allowance,
    next: u64,
}

impl Ledger {
    pub fn new(limits: GateLimits, now: Instant) -> Self {
        let of_all_strangers = Allowance::new(limits.all_burst_bytes, limits.all_bytes_per_second, now);
        Self { limits, accounts: HashMap::new(), strangers: 0, of_all_strangers, next: 0 }
    }

    /// Takes a new connection into account, unless it is refused. When strangers have all their places, the address with the
    /// most of them makes room for one that has fewer, so that nobody keeps others out by holding on to connections.
    pub fn admit(&mut self, origin: Origin, standing: Standing, now: Instant) -> Option<Admission> {
        let is_stranger = standing == Standing::Stranger;
        if is_stranger
            && self.accounts.len() >= MAX_ORIGINS
            && !self.accounts.contains_key(&(origin, standing))
        {
            return None;
        }
        let max_connections = self.limits.max_connections_per_ip;
        let account = self.account(origin, standing, now);
        if account.connections.len() >= max_connections {
            return None;
        }
        if is_stranger {
            if account.is_banned(now) || account.allowance.is_empty(now) {
                return None;
            }
            account.allowance.charge(CONNECTION_COST, now);
        }
        let own = account.connections.len();
        let is_full = is_stranger && self.strangers >= self.limits.max_strangers;
        let instead_of = if is_full { Some(self.turn_out_beyond(own.saturating_add(1))?) } else { None };
        let place = Place(self.next);
        self.next = self.next.wrapping_add(1);
        self.account(origin, standing, now).connections.push(place);
        self.strangers += usize::from(is_stranger);
        Some(Admission { place, instead_of })
    }

    /// Takes the newest connection from the stranger that has most of them, if that is more than `enough`.
    fn turn_out_beyond(&mut self, enough: usize) -> Option<Place> {
        let strangers = self.accounts.iter_mut().filter(|((_, standing), _)| *standing == Standing::Stranger);
        let crowd = strangers.map(|(_, account)| &mut account.connections);
        let crowd = crowd.max_by_key(|connections| (connections.len(), connections.last().copied()))?;
        let place = (crowd.len() > enough).then(|| crowd.pop()).flatten()?;
        self.strangers = self.strangers.saturating_sub(1);
        Some(place)
    }

    fn account(&mut self, origin: Origin, standing: Standing, now: Instant) -> &mut Account {
        let (burst, per_second) = match standing {
            Standing::Named => (self.limits.named_burst_bytes, self.limits.named_bytes_per_second),
            Standing::Stranger => (self.limits.burst_bytes, self.limits.bytes_per_second),
        };
        self.accounts.entry((origin, standing)).or_insert_with(|| Account {
            connections: Vec::new(),
            allowance: Allowance::new(burst, per_second, now),
            empty_since: None,
            banned_until: None,
        })
    }

    /// Says what happens with bytes from an admitted connection, or from one to a named peer.
    pub fn charge(&mut self, origin: Origin, standing: Standing, bytes: u64, now: Instant) -> Passage {
        let GateLimits { patience, ban, .. } = self.limits;
        let account = self.account(origin, standing, now);
        if account.is_banned(now) {
            return Passage::Dropped { is_new: false };
        }
        if account.allowance.has_recovered(now) {
            account.empty_since = None;
        }
        let own = account.allowance.charge(bytes, now);
        if standing == Standing::Named {
            return Passage::after(own);
        }
        if !own.is_zero() {
            let since = *account.empty_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= patience {
                account.banned_until = now.checked_add(ban);
                account.empty_since = None;
                return Passage::Dropped { is_new: true };
            }
        }
        // Who is slow only because of others is never dropped for it.
        Passage::after(own.max(self.of_all_strangers.charge(bytes, now)))
    }

    /// A connection that was admitted has ended. If it had to, that is known.
    pub fn leave(&mut self, origin: Origin, standing: Standing, place: Place) {
        let Some(account) = self.accounts.get_mut(&(origin, standing)) else { return };
        let before = account.connections.len();
        account.connections.retain(|connection| *connection != place);
        if standing == Standing::Stranger && account.connections.len() < before {
            self.strangers = self.strangers.saturating_sub(1);
        }
    }

    /// Forgets those about whom there is nothing to know.
    pub fn sweep(&mut self, now: Instant) {
        self.accounts.retain(|_, account| {
            !account.connections.is_empty() || account.is_banned(now) || !account.allowance.is_whole(now)
        });
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.accounts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: Standing = Standing::Stranger;

    fn limits() -> GateLimits {
        GateLimits {
            max_connections_per_ip: 3,
            max_strangers: 5,
            bytes_per_second: 1 << 20,
            burst_bytes: 2 << 20,
            all_bytes_per_second: 2 << 20,
            all_burst_bytes: 3 << 20,
            named_bytes_per_second: 4 << 20,
            named_burst_bytes: 8 << 20,
            patience: Duration::from_secs(10),
            ban: Duration::from_secs(60),
        }
    }

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse().unwrap())
    }

    #[test]
    fn an_origin_is_an_address_or_the_network_of_a_site() {
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("2001:db8:1:2::3"), origin("2001:db8:1:2:ffff::4"));
        assert_ne!(origin("2001:db8:1:2::3"), origin("2001:db8:1:3::3"));
    }

    #[test]
    fn connections_that_this_node_has_begun_take_no_places() {
        let now = Instant::now();
        let mut ledger = Ledger::new(limits(), now);
        let named = origin("192.0.2.1");
        assert_eq!(ledger.charge(named, Standing::Named, 1, now), Passage::Free);
        ledger.sweep(now + Duration::from_secs(1));
        assert_eq!(ledger.len(), 0, "nothing is known about it");
        assert_eq!(
            ledger.charge(named, Standing::Named, 9 << 20, now),
            Passage::After(Duration::from_millis(250))
        );
        assert_eq!((0..5).filter_map(|_| ledger.admit(named, Standing::Named, now)).count(), 3);
    }

    #[test]
    fn connections_are_limited_by_address_and_in_all_and_named_peers_keep_their_place() {
        let now = Instant::now();
        let mut ledger = Ledger::new(limits(), now);
        let (one, two, named) = (origin("192.0.2.1"), origin("192.0.2.2"), origin("192.0.2.3"));
        let of_one: Vec<_> = (0..5).filter_map(|_| ledger.admit(one, STRANGER, now)).collect();
        assert_eq!(of_one.len(), 3);
        assert_eq!(
            (0..5).filter_map(|_| ledger.admit(two, STRANGER, now)).count(),
            2,
            "there are five places"
        );
        assert_eq!((0..5).filter_map(|_| ledger.admit(named, Standing::Named, now)).count(), 3);
        ledger.leave(one, STRANGER, of_one[0].place);
        assert!(ledger.admit(two, STRANGER, now).is_some_and(|admission| admission.instead_of.is_none()));
    }

    #[test]
    fn who_has_most_places_makes_room() {
        let now = Instant::now();
        let mut ledger = Ledger::new(limits(), now);
        let [one, two, three, four] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"].map(origin);
        let mut admit = |origin| ledger.admit(origin, STRANGER, now);
        let of_one = [admit(one), admit(one), admit(one)].map(|admission| admission.unwrap().place);
        let of_two = [admit(two), admit(two)].map(|admission| admission.unwrap().place);
        assert_eq!(admit(three).unwrap().instead_of, Some(of_one[2]), "the newest of those that have most");
        assert_eq!(admit(four).unwrap().instead_of, Some(of_two[1]), "the newest of as many");
        assert_eq!(admit(four), None, "who would have as many as the other had");
        assert_eq!(admit(two), None);
        ledger.leave(one, STRANGER, of_one[2]);
        assert_eq!(ledger.admit(two, STRANGER, now), None, "that place was given to another long ago");
        ledger.leave(one, STRANGER, of_one[1]);
        assert!(ledger.admit(two, STRANGER, now).is_some());
    }

    #[test]
    fn connecting_again_and_again_uses_up_the_allowance() {
        let now = Instant::now();
        let mut ledger = Ledger::new(limits(), now);
        let one = origin("192.0.2.1");
        let mut admitted = 0;
        while let Some(admission) = ledger.admit(one, STRANGER, now) {
            ledger.leave(one, STRANGER, admission.place);
            admitted += 1;
        }
        assert_eq!(admitted, (2 << 20) / CONNECTION_COST);
        assert!(ledger.admit(one, STRANGER, now + Duration::from_secs(1)).is_some());
    }

    #[test]
    fn who_sends_too_much_waits_and_is_dropped_and_may_come_back() {
        let start = Instant::now();
        let mut ledger = Ledger::new(limits(), start);
        let one = origin("192.0.2.1");
        let admission = ledger.admit(one, STRANGER, start).unwrap();
        let (mut now, mut passed) = (start, 0_u64);
        let dropped = loop {
            match ledger.charge(one, STRANGER, 64 << 10, now) {
                Passage::Free => passed += 64 << 10,
                Passage::After(wait) => {
                    passed += 64 << 10;
                    now += wait;
                }
                Passage::Dropped { is_new } => break is_new,
            }
        };
        assert!(dropped);
        let took = now - start;
        assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&took), "{took:?}");
        assert!(passed <= (2 << 20) + (11 << 20), "{passed} bytes");
        assert_eq!(
            ledger.charge(one, STRANGER, 1, now),
            Passage::Dropped { is_new: false },
            "on all its connections"
        );
        assert_eq!(ledger.admit(one, STRANGER, now + Duration::from_secs(59)), None);
        ledger.leave(one, STRANGER, admission.place);
        ledger.sweep(now + Duration::from_secs(59));
        assert_eq!(ledger.len(), 1, "a ban is remembered");
        ledger.sweep(now + Duration::from_secs(61));
        assert_eq!(ledger.len(), 0);
        assert!(ledger.admit(one, STRANGER, now + Duration::from_secs(61)).is_some());
    }

    #[test]
    fn who_sends_much_now_and_then_stays() {
        let mut now = Instant::now();
        let mut ledger = Ledger::new(limits(), now);
        let one = origin("192.0.2.1");
        assert!(ledger.admit(one, STRANGER, now).is_some());
        for _ in 0..100 {
            // Three MiB at once, every four seconds: more than there is at once, and less than comes back.
            for _ in 0..48 {
                match ledger.charge(one, STRANGER, 64 << 10, now) {
                    Passage::Free => {}
                    Passage::After(wait) => now += wait,
                    Passage::Dropped { .. } => panic!("an honest peer is dropped"),
                }
            }
            now += Duration::from_secs(4);
        }
    }

    #[test]
    fn all_strangers_share_an_allowance_and_none_is_dropped_for_the_others() {
        let start = Instant::now();
        let mut ledger = Ledger::new(limits(), start);
        let origins = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"].map(origin);
        assert!(origins.iter().all(|origin| ledger.admit(*origin, STRANGER, start).is_some()));
        let mut waits = Vec::new();
        // One MiB each in one second is what each may send, and twice what all may.
        for second in 0..60 {
            for origin in origins {
                match ledger.charge(origin, STRANGER, 1 << 20, start + Duration::from_secs(second)) {
                    Passage::Free => {}
                    Passage::After(wait) => waits.push(wait),
                    Passage::Dropped { .. } => panic!("an honest peer is dropped"),
                }
            }
        }
        assert!(waits.last().is_some_and(|wait| *wait > Duration::from_secs(50)), "{waits:?}");
    }

    #[test]
    fn who_was_named_waits_and_is_never_dropped() {
        let start = Instant::now();
        let mut ledger = Ledger::new(limits(), start);
        let one = origin("192.0.2.1");
        assert!(ledger.admit(one, Standing::Named, start).is_some());
        let (mut now, mut passed) = (start, 0_u64);
        while now < start + Duration::from_secs(60) {
            match ledger.charge(one, Standing::Named, 1 << 20, now) {
                Passage::Free => {}
                Passage::After(wait) => now += wait,
                Passage::Dropped { .. } => panic!("a named peer is dropped"),
            }
            passed += 1 << 20;
        }
        assert!((240..=250).contains(&(passed >> 20)), "{passed} bytes in a minute, 4 MiB/s and 8 at once");
        // Strangers are none the worse for it, also at the same address.
        assert!(ledger.admit(one, STRANGER, now).is_some());
        assert_eq!(ledger.charge(one, STRANGER, 1 << 20, now), Passage::Free);
    }

    #[test]
    fn addresses_without_number_are_not_remembered() {
        let now = Instant::now();
        let limits = GateLimits { max_strangers: usize::MAX, ..limits() };
        let mut ledger = Ledger::new(limits, now);
        for number in 0..2 * MAX_ORIGINS as u32 {
            ledger.admit(Origin::of(IpAddr::from(number.to_be_bytes())), STRANGER, now);
        }
        assert_eq!(ledger.len(), MAX_ORIGINS);
        assert!(ledger.admit(origin("198.51.100.1"), Standing::Named, now).is_some());
    }
}
