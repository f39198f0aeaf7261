//! The door for other nodes: it owns the public port, and bounds what strangers use up.
//!
//! The engine reads from every connection as fast as it can, keeps what it has read for seconds, and drops nobody. So it
//! listens on a port of this machine only, and what comes in at the public one is passed on to it:
//!
//! - An *address* (in IPv6, a /64 network) has a limited number of connections, and so have all strangers together. A new
//!   connection costs as much as some bytes. When strangers have all their places, the address with the most of them makes
//!   room for one that has fewer.
//! - Bytes are taken from the allowance of their address, which fills up again at a steady rate, and from one that all
//!   strangers share. While either is empty, nothing more is read, so that TCP makes the sender wait.
//! - An address that keeps its own allowance empty for too long is dropped, and refused for a while.
//! - An address where the operator has named a persistent peer is a *named* one. It has places of its own and a larger
//!   allowance. While that is empty it waits, too, but it is never dropped: the chain may need it.
//! - The engine also dials peers: those that are named, and some that were found. It is told a port of this machine for each of
//!   them, behind which the gate connects to the peer itself, so that what comes in on these connections counts as well. Who was
//!   found and not named is a stranger here, too.
//!
//! Bytes that a node reads from others are thus bounded whatever they do, and with them what the engine remembers. They are
//! encrypted, so that bytes and connections are all that can be counted here.

mod allowance;
mod door;
mod ledger;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener},
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        tcp::{OwnedReadHalf, OwnedWriteHalf},
        TcpListener, TcpSocket, TcpStream,
    },
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{interval, sleep, MissedTickBehavior},
};

pub(crate) use self::ledger::Origin;
use self::{
    door::Door,
    ledger::{Admission, Ledger, Passage, Place, Standing},
};
use crate::{contacts::Contacts, seldom::Seldom, BftError, PeerAddress};

/// Bytes that are read from a connection at once.
const CHUNK_BYTES: usize = 64 << 10;
/// How often accounts are looked through that may be forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How often the names of persistent peers are resolved again.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(60);
/// The pause after a connection could not be taken, for example because the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What other nodes may use up at the public port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateLimits {
    /// Connections from one address; several nodes may share a machine or a router.
    pub max_connections_per_ip: usize,
    /// Connections of all strangers together. The engine takes 200 in all.
    pub max_strangers: usize,
    /// Bytes a second from the address of a stranger, in the long run.
    pub bytes_per_second: u64,
    /// Bytes from it at once.
    pub burst_bytes: u64,
    /// Bytes a second from all strangers together.
    pub all_bytes_per_second: u64,
    /// Bytes from all of them at once.
    pub all_burst_bytes: u64,
    /// Bytes a second from an address where peers are that the operator has named.
    pub named_bytes_per_second: u64,
    /// Bytes from it at once.
    pub named_burst_bytes: u64,
    /// For how long a stranger's address may keep its allowance empty before it is dropped.
    pub patience: Duration,
    /// For how long it is refused then.
    pub ban: Duration,
}

impl GateLimits {
    /// Bytes a second from the address of a stranger unless configured: one that passes on full blocks of 0.7 MB every
    /// 250 ms sends 2.8 MB.
    pub const DEFAULT_RATE: u64 = 8 << 20;

    /// The usual limits with another rate: two seconds' worth at once, twice as much from all strangers together, and four
    /// times as much from a named peer.
    pub fn at_rate(bytes_per_second: u64) -> Self {
        Self {
            max_connections_per_ip: 64,
            max_strangers: 100,
            bytes_per_second,
            burst_bytes: bytes_per_second.saturating_mul(2),
            all_bytes_per_second: bytes_per_second.saturating_mul(2),
            all_burst_bytes: bytes_per_second.saturating_mul(4),
            named_bytes_per_second: bytes_per_second.saturating_mul(4),
            named_burst_bytes: bytes_per_second.saturating_mul(8),
            patience: Duration::from_secs(10),
            ban: Duration::from_secs(60),
        }
    }
}

impl Default for GateLimits {
    fn default() -> Self {
        Self::at_rate(Self::DEFAULT_RATE)
    }
}

/// What happened at the public port since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateCounts {
    /// Connections that were taken.
    pub accepted: u64,
    /// Connections that were closed at once.
    pub refused: u64,
    /// Bytes that were read from others, also on connections to them.
    pub bytes: u64,
    /// How often a stranger was made to wait.
    pub throttled: u64,
    /// How often a named peer was made to wait.
    pub named_throttled: u64,
    /// Addresses that were dropped because they sent too much for too long.
    pub dropped: u64,
}

/// The counts of a gate that may run.
#[derive(Default)]
pub(crate) struct GateCounters {
    accepted: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
    throttled: AtomicU64,
    named_throttled: AtomicU64,
    dropped: AtomicU64,
}

impl GateCounters {
    pub fn read(&self) -> GateCounts {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        GateCounts {
            accepted: load(&self.accepted),
            refused: load(&self.refused),
            bytes: load(&self.bytes),
            throttled: load(&self.throttled),
            named_throttled: load(&self.named_throttled),
            dropped: load(&self.dropped),
        }
    }
}

fn count(cell: &AtomicU64, amount: u64) {
    cell.fetch_add(amount, Ordering::Relaxed);
}

/// Takes the public port, and nobody else has it.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) fn listen(address: SocketAddr) -> Result<StdTcpListener, BftError> {
    let listen = || {
        let listener = StdTcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|source| BftError::Listen { address, source })
}

/// A port of this machine that the engine can listen on, and nobody else gets.
///
/// The engine lets others share its port, if they allow that, too. So this socket holds the port without listening.
pub(crate) struct EnginePort {
    address: SocketAddr,
    _held: TcpSocket,
}

impl EnginePort {
    /// # Errors
    /// When the system has no free port.
    pub fn reserve() -> Result<Self, BftError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reserve = || {
            let held = TcpSocket::new_v4()?;
            held.set_reuseaddr(true)?;
            held.set_reuseport(true)?;
            held.bind(any)?;
            Ok(Self { address: held.local_addr()?, _held: held })
        };
        reserve().map_err(|source| BftError::Listen { address: any, source })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A gate that is about to run.
pub(crate) struct Gate {
    listener: TcpListener,
    persistent_peers: Vec<PeerAddress>,
    doors: Vec<Door>,
    shared: Arc<Shared>,
    connections: JoinSet<()>,
    /// What ends them, each by its place.
    ends: HashMap<Place, AbortHandle>,
}

struct Shared {
    engine: SocketAddr,
    ledger: Mutex<Ledger>,
    named: Mutex<HashSet<Origin>>,
    counters: Arc<GateCounters>,
    contacts: Arc<Contacts>,
    /// That a named peer is made to wait.
    told: Mutex<Seldom>,
    /// Counts how often all connections had to end. They look from before they were made, so that none is missed.
    hang_up: watch::Sender<u64>,
}

impl Gate {
    /// A gate from the public port to the engine's.
    ///
    /// # Errors
    /// When the listener cannot be used, or there are no ports for the ways to the persistent peers.
    pub fn new(
        listener: StdTcpListener,
        engine: SocketAddr,
        limits: GateLimits,
        persistent_peers: Vec<PeerAddress>,
        counters: Arc<GateCounters>,
        contacts: Arc<Contacts>,
    ) -> io::Result<Self> {
        let shared = Shared {
            engine,
            ledger: Mutex::new(Ledger::new(limits, Instant::now())),
            named: Mutex::new(persistent_peers.iter().filter_map(PeerAddress::ip).map(Origin::of).collect()),
            counters,
            contacts,
            told: Mutex::default(),
            hang_up: watch::Sender::default(),
        };
        let peers = persistent_peers.iter().enumerate();
        let doors =
            peers.map(|(index, peer)| Door::to(peer.clone(), Some(index))).collect::<io::Result<_>>()?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            persistent_peers,
            doors,
            shared: Arc::new(shared),
            connections: JoinSet::new(),
            ends: HashMap::new(),
        })
    }

    /// Where the engine reaches the persistent peers.
    pub fn ways_out(&self) -> Vec<PeerAddress> {
        self.doors.iter().map(Door::address).collect()
    }

    /// For sessions of the engine, while it runs.
    pub fn handle(&self) -> GateHandle {
        GateHandle(Arc::clone(&self.shared))
    }

    /// Passes connections on for as long as it is polled; all of them end with it.
    pub async fn run(mut self) {
        let mut sweep = interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut resolving = JoinSet::new();
        resolving.spawn(keep_resolving(Arc::clone(&self.shared), std::mem::take(&mut self.persistent_peers)));
        let mut doors = JoinSet::new();
        for door in std::mem::take(&mut self.doors) {
            doors.spawn(door.run(Arc::clone(&self.shared)));
        }
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((connection, from)) => self.welcome(connection, Origin::of(from.ip())),
                    Err(error) => {
                        tracing::warn!(%error, "a connection of another node cannot be taken");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = self.connections.join_next() => {}
                _ = sweep.tick() => {
                    self.shared.ledger.lock().sweep(Instant::now());
                    self.ends.retain(|_, end| !end.is_finished());
                }
            }
        }
    }

    fn welcome(&mut self, connection: TcpStream, origin: Origin) {
        let standing = self.shared.standing(origin);
        let admission = self.shared.ledger.lock().admit(origin, standing, Instant::now());
        let Some(Admission { place, instead_of }) = admission else {
            count(&self.shared.counters.refused, 1);
            return;
        };
        count(&self.shared.counters.accepted, 1);
        if let Some(end) = instead_of.and_then(|place| self.ends.remove(&place)) {
            end.abort();
        }
        let admitted = Admitted { shared: Arc::clone(&self.shared), origin, standing, place };
        let mut hang_up = self.shared.hang_up.subscribe();
        let end = self.connections.spawn(async move {
            let passing = async {
                let inside = TcpStream::connect(admitted.shared.engine).await?;
                let guest = Guest { shared: Arc::clone(&admitted.shared), origin, standing };
                guest.pass(connection, inside).await
            };
            let ended = tokio::select! {
                ended = passing => ended,
                _ = hang_up.changed() => Ok(()),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, ?origin, "a connection of another node has ended");
            }
        });
        self.ends.insert(place, end);
    }
}

impl Shared {
    fn standing(&self, origin: Origin) -> Standing {
        match self.named.lock().contains(&origin) {
            true => Standing::Named,
            false => Standing::Stranger,
        }
    }
}

/// What sessions of the engine need of a gate.
pub(crate) struct GateHandle(Arc<Shared>);

impl GateHandle {
    /// Ends all connections that there are.
    pub fn hang_up(&self) {
        self.0.hang_up.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Opens a way to a peer that nobody has named.
    ///
    /// # Errors
    /// When the system has no free port.
    pub fn open(&self, peer: PeerAddress) -> io::Result<WayOut> {
        let door = Door::to(peer, None)?;
        let address = door.address();
        let mut running = JoinSet::new();
        running.spawn(door.run(Arc::clone(&self.0)));
        Ok(WayOut { address, _running: running })
    }
}

/// A way to a peer, which closes, with its connections, when this is dropped.
pub(crate) struct WayOut {
    address: PeerAddress,
    _running: JoinSet<()>,
}

impl WayOut {
    /// Where the engine reaches the peer.
    pub fn address(&self) -> &PeerAddress {
        &self.address
    }
}

/// A place that is taken until this is dropped.
struct Admitted {
    shared: Arc<Shared>,
    origin: Origin,
    standing: Standing,
    place: Place,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.shared.ledger.lock().leave(self.origin, self.standing, self.place);
    }
}

/// A connection with another node.
struct Guest {
    shared: Arc<Shared>,
    origin: Origin,
    standing: Standing,
}

impl Guest {
    /// Passes on what comes from one side to the other. Whatever goes wrong on one of them ends both.
    async fn pass(&self, outside: TcpStream, inside: TcpStream) -> io::Result<()> {
        outside.set_nodelay(true)?;
        inside.set_nodelay(true)?;
        let (from_outside, mut to_outside) = outside.into_split();
        let (mut from_inside, to_inside) = inside.into_split();
        tokio::select! {
            ended = self.pass_in(from_outside, to_inside) => ended,
            ended = tokio::io::copy(&mut from_inside, &mut to_outside) => ended.map(drop),
        }
    }

    async fn pass_in(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 || !self.may_pass(length as u64).await {
                return Ok(());
            }
            to.write_all(chunk.get(..length).unwrap_or_default()).await?;
        }
    }

    /// Waits until bytes may be passed on; false when they may not.
    async fn may_pass(&self, bytes: u64) -> bool {
        let counters = &self.shared.counters;
        count(&counters.bytes, bytes);
        let passage = self.shared.ledger.lock().charge(self.origin, self.standing, bytes, Instant::now());
        match passage {
            Passage::Free => true,
            Passage::After(wait) => {
                self.tell_throttled();
                sleep(wait).await;
                true
            }
            Passage::Dropped { is_new } => {
                if is_new {
                    count(&counters.dropped, 1);
                    tracing::warn!(origin = ?self.origin, "a peer sends more than anybody needs to; it is dropped, and refused for a while");
                }
                false
            }
        }
    }

    fn tell_throttled(&self) {
        let counters = &self.shared.counters;
        if self.standing == Standing::Stranger {
            return count(&counters.throttled, 1);
        }
        count(&counters.named_throttled, 1);
        if self.shared.told.lock().is_due(Instant::now()) {
            tracing::warn!(origin = ?self.origin, "a persistent peer sends more than anybody needs to, and is made to wait; if that goes on, see what is wrong with it");
        }
    }
}

/// Finds out where the persistent peers are, again and again, because names move.
async fn keep_resolving(shared: Arc<Shared>, peers: Vec<PeerAddress>) {
    loop {
        let mut found = HashSet::new();
        for peer in &peers {
            found.extend(peer.resolve().await.into_iter().map(|address| Origin::of(address.ip())));
        }
        *shared.named.lock() = found;
        sleep(RESOLVE_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);
    const BYTES_PER_SECOND: u64 = 64 << 10;

    /// A gate in front of nobody, with one named peer, its counters and its contacts.
    fn gate(peer: SocketAddr) -> (Gate, Arc<GateCounters>, Arc<Contacts>) {
        let counters = Arc::<GateCounters>::default();
        let peers = vec![peer.into()];
        let contacts = Arc::new(Contacts::new(&peers));
        let limits = GateLimits {
            named_bytes_per_second: BYTES_PER_SECOND,
            named_burst_bytes: 2 * BYTES_PER_SECOND,
            bytes_per_second: BYTES_PER_SECOND,
            burst_bytes: 2 * BYTES_PER_SECOND,
            patience: Duration::from_millis(100),
            ..GateLimits::default()
        };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = listen(any).unwrap();
        let gate = Gate::new(listener, any, limits, peers, Arc::clone(&counters), Arc::clone(&contacts));
        (gate.unwrap(), counters, contacts)
    }

    async fn way_out(gate: &Gate) -> TcpStream {
        let way = gate.ways_out()[0].resolve().await;
        TcpStream::connect(way.as_slice()).await.unwrap()
    }

    #[tokio::test]
    async fn a_peer_that_was_dialled_has_an_allowance_too() {
        let peer = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (gate, counters, contacts) = gate(peer.local_addr().unwrap());
        let mut engine = way_out(&gate).await;
        let running = tokio::spawn(gate.run());
        engine.write_all(b"a greeting").await.unwrap();
        let (mut flooder, _) = peer.accept().await.unwrap();
        let mut greeting = [0; 10];
        flooder.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"a greeting");
        assert!(contacts.describe().contains("takes connections"), "{}", contacts.describe());
        let began = Instant::now();
        tokio::spawn(async move { while flooder.write_all(&[7; 4096]).await.is_ok() {} });
        let mut flood = vec![0; 4 * BYTES_PER_SECOND as usize];
        tokio::time::timeout(PATIENCE, engine.read_exact(&mut flood)).await.unwrap().unwrap();
        assert!(flood.iter().all(|byte| *byte == 7));
        // Two seconds' worth came at once, and what is read as a whole may overdraw the allowance.
        assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
        let counts = counters.read();
        assert!(counts.named_throttled > 0 && counts.dropped == 0, "{counts:?}");
        running.abort();
    }

    #[tokio::test]
    async fn a_peer_that_was_found_is_a_stranger_and_its_way_closes_when_it_is_left() {
        let named = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (gate, counters, _) = gate(named.local_addr().unwrap());
        let handle = gate.handle();
        let running = tokio::spawn(gate.run());
        let found = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let way = handle.open(found.local_addr().unwrap().into()).unwrap();
        let mut engine = TcpStream::connect(way.address().resolve().await.as_slice()).await.unwrap();
        engine.write_all(b"x").await.unwrap();
        let (mut outside, _) = found.accept().await.unwrap();
        assert_eq!(outside.read_u8().await.unwrap(), b'x');
        let mut flood = Box::pin(async move { while outside.write_all(&[7; 64 << 10]).await.is_ok() {} });
        let mut reading =
            Box::pin(async { while engine.read(&mut [0; 64 << 10]).await.is_ok_and(|read| read > 0) {} });
        let is_dropped = async {
            while counters.read().dropped == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = &mut flood => {}
            () = &mut reading => {}
            () = is_dropped => {}
            () = sleep(PATIENCE) => panic!("a stranger that floods is not dropped"),
        }
        assert_eq!(counters.read().named_throttled, 0);
        drop((flood, reading));
        let mut again = TcpStream::connect(way.address().resolve().await.as_slice()).await.unwrap();
        let (_outside, _) = found.accept().await.unwrap();
        drop(way);
        assert!(tokio::time::timeout(PATIENCE, again.read_u8()).await.unwrap().is_err());
        running.abort();
    }

    #[tokio::test]
    async fn a_peer_that_is_not_there_is_told_by_the_end_of_the_connection() {
        let nobody = StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let (gate, _, contacts) = gate(nobody);
        let mut engine = way_out(&gate).await;
        let running = tokio::spawn(gate.run());
        let ended = tokio::time::timeout(PATIENCE, engine.read_u8()).await.unwrap();
        assert!(ended.is_err());
        let told = contacts.describe();
        let peer = format!("/ip4/127.0.0.1/tcp/{} cannot be reached", nobody.port());
        assert!(told.contains(&peer) && told.contains("refused"), "{told}");
        running.abort();
    }

    #[tokio::test]
    async fn whoever_hangs_up_ends_all_connections_and_new_ones_can_follow() {
        let peer = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (gate, ..) = gate(peer.local_addr().unwrap());
        let handle = gate.handle();
        let way = gate.ways_out()[0].resolve().await;
        let running = tokio::spawn(gate.run());
        for _ in 0..2 {
            let mut engine = TcpStream::connect(way.as_slice()).await.unwrap();
            let (mut outside, _) = peer.accept().await.unwrap();
            engine.write_all(b"x").await.unwrap();
            assert_eq!(outside.read_u8().await.unwrap(), b'x');
            handle.hang_up();
            let ended = tokio::time::timeout(PATIENCE, outside.read_u8()).await.unwrap();
            assert!(ended.is_err());
        }
        running.abort();
    }

    #[tokio::test]
    async fn a_peer_that_hangs_up_is_told_from_one_that_is_not_there() {
        let peer = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (gate, _, contacts) = gate(peer.local_addr().unwrap());
        let mut engine = way_out(&gate).await;
        let running = tokio::spawn(gate.run());
        drop(peer.accept().await.unwrap());
        let ended = tokio::time::timeout(PATIENCE, engine.read_u8()).await.unwrap();
        assert!(ended.is_err());
        let says = || contacts.describe().contains("they end at once");
        let told = async {
            while !says() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
        running.abort();
    }
}
