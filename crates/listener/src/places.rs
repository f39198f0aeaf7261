//! Who has how many connections, and who makes room.
//!
//! A connection is *silent* until the server keeps its place: after the head of a request, or not before it knows the caller. Whoever wants to lock others out needs many, and they cost
//! nothing. So an address has a share of the places only, and a silent connection keeps its place only while nobody else
//! wants it: when the share of an address is used up, its own oldest silent one makes room, and when all places are taken, the
//! oldest of all. Only where none is silent are new ones refused.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// Where connections come from: an IPv4 address, or the network that a site gets for itself in IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    /// That of an address.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => Self(IpAddr::V6((u128::from(ip) >> 64 << 64).into())),
            ip => Self(ip),
        }
    }

    /// Whether it is this machine.
    pub fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceLimits {
    /// In all.
    pub max: usize,
    /// From one address; in IPv6, from one /64 network.
    pub max_of_address: usize,
    /// From one address of this machine, where reverse proxies connect from.
    pub max_of_loopback: usize,
}

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// Its address has its share.
    OfAddress(usize),
    /// All are taken.
    OfAll(usize),
}

/// The places for connections.
pub struct Places {
    limits: PlaceLimits,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    taken: HashMap<u64, Taken>,
    /// Those that are silent, the oldest first.
    silent: BTreeSet<u64>,
    by_origin: HashMap<Origin, usize>,
}

struct Taken {
    origin: Origin,
    /// Ends the connection.
    cut: CancellationToken,
}

impl Table {
    /// A place is free again. Nothing happens if it was before.
    fn free(&mut self, number: u64) -> Option<Taken> {
        self.silent.remove(&number);
        let taken = self.taken.remove(&number)?;
        if let Some(count) = self.by_origin.get_mut(&taken.origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&taken.origin);
            }
        }
        Some(taken)
    }

    /// Ends the oldest silent connection among some; false when none of them is silent.
    fn make_room(&mut self, among: impl Fn(&Taken) -> bool) -> bool {
        let oldest = self.silent.iter().find(|number| self.taken.get(number).is_some_and(&among)).copied();
        match oldest.and_then(|number| self.free(number)) {
            Some(taken) => {
                taken.cut.cancel();
                true
            }
            None => false,
        }
    }
}

impl Places {
    /// Places that are all free.
    pub fn new(limits: PlaceLimits) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default() })
    }

    /// A place for a connection from `ip`, which `cut` ends. It is silent at first.
    ///
    /// # Errors
    /// All places are taken, or those of the address, and none of them by a silent connection.
    pub fn take(self: &Arc<Self>, ip: IpAddr, cut: CancellationToken) -> Result<Place, NoPlace> {
        let origin = Origin::of(ip);
        let share =
            if origin.is_loopback() { self.limits.max_of_loopback } else { self.limits.max_of_address };
        let mut table = self.table();
        let has_share = table.by_origin.get(&origin).is_some_and(|count| *count >= share);
        if has_share && !table.make_room(|taken| taken.origin == origin) {
            return Err(NoPlace::OfAddress(share));
        }
        if table.taken.len() >= self.limits.max && !table.make_room(|_| true) {
            return Err(NoPlace::OfAll(self.limits.max));
        }
        let number = table.next;
        table.next += 1;
        table.taken.insert(number, Taken { origin, cut });
        table.silent.insert(number);
        *table.by_origin.entry(origin).or_default() += 1;
        drop(table);
        Ok(Place { places: Arc::clone(self), number })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in here panics half way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken until this is dropped.
pub struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Place {
    /// The connection is silent no more, and keeps its place.
    pub fn keep(&self) {
        self.places.table().silent.remove(&self.number);
    }

    /// Whether the connection had to make room.
    pub fn is_lost(&self) -> bool {
        !self.places.table().taken.contains_key(&self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().free(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(max: usize, max_of_address: usize, max_of_loopback: usize) -> Arc<Places> {
        Places::new(PlaceLimits { max, max_of_address, max_of_loopback })
    }

    fn take(places: &Arc<Places>, ip: &str) -> Result<Place, NoPlace> {
        places.take(ip.parse().unwrap(), CancellationToken::new())
    }

    /// A place of a connection that has asked for something.
    fn take_and_keep(places: &Arc<Places>, ip: &str) -> Result<Place, NoPlace> {
        take(places, ip).inspect(Place::keep)
    }

    #[test]
    fn an_address_has_a_share_and_the_network_of_a_site_is_one_address() {
        let places = places(10, 2, 4);
        let of = |ips: &[&str]| ips.iter().map(|ip| take_and_keep(&places, ip)).collect::<Vec<_>>();
        let v4 = of(&["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"]);
        assert_eq!(v4[2].as_ref().err(), Some(&NoPlace::OfAddress(2)));
        assert!(v4[3].is_ok());
        let v6 = of(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]);
        assert_eq!(v6.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true]);
        drop(v4);
        let local = of(&["::1", "::1", "::1", "::1", "::1"]);
        assert_eq!(local[4].as_ref().err(), Some(&NoPlace::OfAddress(4)));
    }

    #[test]
    fn places_come_back() {
        let places = places(2, 2, 2);
        for _ in 0..10 {
            let both = [take_and_keep(&places, "192.0.2.1").unwrap(), take(&places, "192.0.2.2").unwrap()];
            drop(both);
        }
        let table = places.table();
        assert!(table.taken.is_empty() && table.silent.is_empty() && table.by_origin.is_empty());
    }

    #[test]
    fn the_oldest_silent_one_makes_room() {
        let places = places(3, 3, 3);
        let cuts = [0; 3].map(|_| CancellationToken::new());
        let held = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
            .iter()
            .zip(&cuts)
            .map(|(ip, cut)| places.take(ip.parse().unwrap(), cut.clone()).unwrap())
            .collect::<Vec<_>>();
        held[0].keep();
        let first = take_and_keep(&places, "192.0.2.4").unwrap();
        let cut =
            |cuts: &[CancellationToken]| cuts.iter().map(CancellationToken::is_cancelled).collect::<Vec<_>>();
        assert_eq!(cut(&cuts), [false, true, false]);
        assert!(held[1].is_lost() && !held[2].is_lost());
        let second = take_and_keep(&places, "192.0.2.4").unwrap();
        assert_eq!(cut(&cuts), [false, true, true]);
        assert_eq!(take(&places, "192.0.2.5").err(), Some(NoPlace::OfAll(3)));
        // Those that made room give no second place back.
        drop(held);
        let third = [take_and_keep(&places, "192.0.2.5"), take_and_keep(&places, "192.0.2.5")];
        assert!(third[0].is_ok() && third[1].is_err());
        drop((first, second, third));
        assert!(places.table().taken.is_empty() && places.table().by_origin.is_empty());
    }

    #[test]
    fn who_has_a_share_makes_room_for_themselves_only() {
        let places = places(10, 2, 2);
        let other = take(&places, "192.0.2.2").unwrap();
        let held = [0; 2].map(|_| take(&places, "192.0.2.1").unwrap());
        let honest = take_and_keep(&places, "192.0.2.1").unwrap();
        assert!(held[0].is_lost() && !held[1].is_lost() && !other.is_lost() && !honest.is_lost());
    }
}
