//! The task that owns the swarm.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{stream, StreamExt};
use libp2p::{
    core::ConnectedPoint,
    identify,
    multiaddr::Protocol,
    request_response::{self, OutboundFailure, OutboundRequestId, ResponseChannel},
    swarm::{dial_opts::DialOpts, ConnectionId, SwarmEvent},
    Multiaddr, PeerId, Swarm,
};
use myelin_chain::{Hash, Mempool, SubmitError};
use myelin_listener::Origin;
use sp_crypto_hashing::blake2_256;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    addresses::{beside, ip_of, makes_sense_to, peer_of, plain, AddressBook, Target},
    counts::Counters,
    faults::Bans,
    network::{self, Behaviour, BehaviourEvent},
    peer::{Allowance, Asked, Batch, Peer, MAX_FAILURES},
    seen::Seen,
    verdict::{judge, Conduct},
    wire::{Request, Response, Unreadable, MAX_ADDRESSES, MAX_ADDRESS_BYTES},
    GossipConfig, GossipCounts, GossipError, GossipLimits, PeerInfo,
};

/// How often pauses are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Learnt peers that are dialled at a time.
const MAX_DIALS: usize = 4;
/// Peers that left whose allowances are remembered.
const MAX_LEFT: usize = 1024;
/// What asking for peers, or saying where one agrees on blocks, costs, in transactions.
const PEERS_COST: u64 = 100;
/// How long a peer counts as useful after it brought something new.
const USEFUL_FOR: Duration = Duration::from_secs(60);

type Exchange = request_response::Event<Result<Request, Unreadable>, Response>;
type Checked = (Hash, Result<Hash, SubmitError>);

/// A request whose answer is due.
struct Due {
    peer: PeerId,
    session: u64,
    bytes: u64,
    channel: ResponseChannel<Response>,
}

/// Work that is done beside the swarm, one for each peer at most.
enum Done {
    /// A batch was checked.
    Checked(Due, Vec<Checked>),
    /// The time has come to answer.
    Answer(Due, Response),
}

/// The transport shares its port with whoever else allows that, such as another node, so the port has to be tried before.
fn check_free(address: &Multiaddr) -> io::Result<()> {
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    match (ip_of(address), port) {
        (Some(ip), Some(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// The task that owns the swarm.
pub struct Service {
    swarm: Swarm<Behaviour>,
    greeting: String,
    listen: Vec<Multiaddr>,
    consensus: Option<Multiaddr>,
    limits: GossipLimits,
    mempool: Arc<Mempool>,
    behind: Option<watch::Receiver<bool>>,
    peers: HashMap<PeerId, Peer>,
    /// What peers that left had used up.
    left: HashMap<PeerId, Allowance>,
    sessions: u64,
    /// Batches that are being checked.
    checking: usize,
    book: AddressBook,
    bans: Bans,
    seen: Seen,
    work: JoinSet<Done>,
    counters: Counters,
    told: watch::Sender<Vec<PeerInfo>>,
}

impl Service {
    /// A service that does not listen yet.
    pub fn new(
        config: GossipConfig,
        mempool: Arc<Mempool>,
        counters: Counters,
        told: watch::Sender<Vec<PeerInfo>>,
    ) -> Result<Self, GossipError> {
        let now = Instant::now();
        Ok(Self {
            swarm: network::build(&config)?,
            greeting: network::greeting(&config),
            book: AddressBook::new(&config.persistent_peers, config.limits.redial, now),
            bans: Bans::new(config.limits.ban),
            seen: Seen::new(config.limits.seen_count, config.limits.seen_for, now),
            listen: config.listen,
            consensus: config.consensus,
            limits: config.limits,
            behind: config.behind,
            mempool,
            peers: HashMap::new(),
            left: HashMap::new(),
            sessions: 0,
            checking: 0,
            work: JoinSet::new(),
            counters,
            told,
        })
    }

    /// Starts to listen everywhere; returns one address for each, with this node's name.
    pub async fn listen(&mut self) -> Result<Vec<Multiaddr>, GossipError> {
        let mut found = Vec::new();
        for address in self.listen.clone() {
            let fail = |reason: String| GossipError::Listen { address: address.clone(), reason };
            check_free(&address).map_err(|error| fail(error.to_string()))?;
            let listener = self.swarm.listen_on(address.clone()).map_err(|error| fail(error.to_string()))?;
            let bound = loop {
                match self.swarm.select_next_some().await {
                    SwarmEvent::NewListenAddr { listener_id, address } if listener_id == listener => {
                        break address;
                    }
                    SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == listener => {
                        return Err(fail(
                            reason.err().map_or("it was closed".to_owned(), |error| error.to_string()),
                        ));
                    }
                    other => self.on_swarm(other),
                }
            };
            let name = *self.swarm.local_peer_id();
            found.push(bound.with_p2p(name).unwrap_or_else(|bound| bound));
        }
        Ok(found)
    }

    /// Works until `shutdown` is cancelled.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut ready = self.mempool.ready_signal();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(done) = self.work.join_next() => self.on_done(done),
                Ok(()) = ready.changed() => self.offer_to_all(),
                _ = ticks.tick() => self.on_tick(),
            }
        }
        self.told.send_replace(Vec::new());
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        self.dial(now);
        self.look_for_peers(now);
        self.offer_to_all();
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id, connection_id, endpoint, num_established, ..
            } => {
                self.on_connected(peer_id, connection_id, &endpoint, num_established.get());
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => self.on_gone(&peer_id),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "a peer cannot be reached");
                self.book.failed(connection_id, Instant::now());
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                self.on_identified(peer_id, &info);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping)) if ping.result.is_err() => {
                // Nothing says why; the connection is of no use.
                self.swarm.close_connection(ping.connection);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Exchange(event)) => self.on_exchange(event),
            _ => {}
        }
    }

    // Peers come and go.

    fn on_connected(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
        connections: u32,
    ) {
        let now = Instant::now();
        self.book.succeeded(connection, id);
        let address = endpoint.get_remote_address();
        if self.bans.contains(&id, ip_of(address), now) || self.is_crowded(&id, ip_of(address)) {
            self.disconnect(&id);
            return;
        }
        if connections > 1 && self.peers.contains_key(&id) {
            return;
        }
        // Who is turned away leaves with what it had used up.
        if endpoint.is_listener() && !self.make_room_for(&id, now) {
            self.disconnect(&id);
            return;
        }
        self.sessions += 1;
        let allowance = self.left.remove(&id);
        let mut peer = Peer::new(self.sessions, endpoint, allowance, &self.limits, now);
        peer.is_informed = self.consensus.is_none();
        if endpoint.is_dialer() {
            peer.told = plain(address, id);
        }
        tracing::debug!(peer = %id, %address, inbound = peer.inbound, "a peer is connected");
        self.peers.insert(id, peer);
        self.tell_peers();
        self.offer(&id);
    }

    /// Whether enough others come from this address already.
    fn is_crowded(&self, id: &PeerId, ip: Option<IpAddr>) -> bool {
        let Some(origin) = ip.map(Origin::of) else { return false };
        !self.book.is_persistent(id) && self.crowd(origin, id) >= self.limits.max_peers_per_ip
    }

    /// Peers from there, other than one. What comes from this machine may come from anywhere.
    fn crowd(&self, origin: Origin, except: &PeerId) -> usize {
        let is_there = |peer: &Peer| peer.ip.is_some_and(|ip| Origin::of(ip) == origin);
        match origin.is_loopback() {
            true => 0,
            false => self.peers.iter().filter(|(id, peer)| *id != except && is_there(peer)).count(),
        }
    }

    /// Whether there is a place for one more that has dialled this node. Of many from one address one has to go for it, or else
    /// the one that has stayed longest without bringing anything new; but nobody who came just before.
    fn make_room_for(&mut self, id: &PeerId, now: Instant) -> bool {
        let counts = |peer: &PeerId| peer != id && !self.book.is_persistent(peer);
        if self.book.is_persistent(id) {
            return true;
        }
        let inbound: Vec<_> =
            self.peers.iter().filter(|(other, peer)| peer.inbound && counts(other)).collect();
        if inbound.len() < self.limits.max_inbound as usize {
            return true;
        }
        let replaceable = inbound.into_iter().filter_map(|(other, peer)| {
            let crowd = peer.ip.map_or(0, |ip| self.crowd(Origin::of(ip), other));
            let is_useful = peer.useful.is_some_and(|useful| now < useful + USEFUL_FOR);
            let stayed = now.saturating_duration_since(peer.since);
            (crowd > 0 || stayed >= self.limits.min_stay).then_some((crowd, !is_useful, stayed, *other))
        });
        let Some((.., leaves)) = replaceable.max() else { return false };
        tracing::debug!(peer = %leaves, "a peer makes room for another");
        self.forget(&leaves, now);
        self.disconnect(&leaves);
        true
    }

    fn on_gone(&mut self, id: &PeerId) {
        let now = Instant::now();
        self.book.lost(id, now);
        if self.forget(id, now) {
            tracing::debug!(peer = %id, "a peer is gone");
        }
    }

    /// Drops what is known about a peer, but for what it had used up. False if nothing was.
    fn forget(&mut self, id: &PeerId, now: Instant) -> bool {
        let Some(peer) = self.peers.remove(id) else { return false };
        self.left.retain(|_, allowance| !allowance.is_whole(now));
        if self.left.len() < MAX_LEFT {
            self.left.insert(*id, peer.allowance);
        }
        self.tell_peers();
        true
    }

    fn on_identified(&mut self, id: PeerId, info: &identify::Info) {
        if info.protocol_version != self.greeting {
            tracing::debug!(peer = %id, version = %info.protocol_version, "a peer is on another chain");
            self.disconnect(&id);
            return;
        }
        self.book.proven(&id);
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.told.is_none()) else { return };
        // A peer can claim any address, so only ports of its own host count.
        let here = info.listen_addrs.iter().filter(|address| ip_of(address) == peer.ip);
        peer.told = here.filter_map(|address| plain(address, id)).next();
    }

    fn disconnect(&mut self, id: &PeerId) {
        // It may have gone by itself.
        let _ = self.swarm.disconnect_peer_id(*id);
    }

    fn ban(&mut self, id: &PeerId, reason: &str) {
        let ip = self.peers.get(id).and_then(|peer| peer.ip);
        tracing::info!(peer = %id, reason, "a peer is banned for a while");
        self.bans.ban(*id, ip, Instant::now());
        self.counters.add(GossipCounts { bans: 1, ..Default::default() });
        // Nothing more is read from it, although its connection takes a moment to close.
        self.peers.remove(id);
        self.tell_peers();
        self.disconnect(id);
    }

    fn fault(&mut self, id: &PeerId, count: u64, reason: &str) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let too_many = peer.allowance.fault(count, Instant::now());
        self.counters.add(GossipCounts { faults: count, ..Default::default() });
        if too_many {
            self.ban(id, reason);
        }
    }

    fn tell_peers(&self) {
        let info = |(id, peer): (&PeerId, &Peer)| PeerInfo {
            peer: *id,
            address: peer.address.clone(),
            inbound: peer.inbound,
            consensus: peer.consensus.clone(),
        };
        let mut peers: Vec<_> = self.peers.iter().map(info).collect();
        peers.sort_by_key(|peer| peer.peer);
        self.told.send_replace(peers);
    }

    // Dialling.

    fn dial(&mut self, now: Instant) {
        let connected = |id: &PeerId| self.peers.contains_key(id);
        let mut due = self.book.due_persistent(now, connected);
        let dialled = self.dialled();
        if dialled < self.limits.wanted_peers {
            let missing = self.limits.wanted_peers - dialled;
            let count = MAX_DIALS.min(missing).saturating_sub(self.book.dialing_candidates());
            due.extend(self.book.due_candidates(count, now, connected));
        }
        due.retain(|target| {
            let ip = ip_of(&target.address);
            !target.peer.is_some_and(|peer| self.bans.contains(&peer, ip, now))
        });
        due.iter().for_each(|target| self.dial_one(target, now));
    }

    fn dial_one(&mut self, target: &Target, now: Instant) {
        let options = match target.peer {
            Some(peer) => {
                DialOpts::peer_id(peer).addresses(vec![target.address.clone()]).allocate_new_port().build()
            }
            None => DialOpts::unknown_peer_id().address(target.address.clone()).allocate_new_port().build(),
        };
        let connection = options.connection_id();
        self.book.started(&target.address, connection);
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(%error, address = %target.address, "a peer cannot be dialled");
            self.book.failed(connection, now);
        }
    }

    /// Peers that this node has chosen. Who comes by himself does not count: that may be one who wants to be all that there is.
    fn dialled(&self) -> usize {
        self.peers.values().filter(|peer| !peer.inbound).count()
    }

    fn look_for_peers(&mut self, now: Instant) {
        if self.dialled() >= self.limits.wanted_peers {
            return;
        }
        let due = |peer: &Peer| peer.is_free(now) && peer.discovery <= now;
        let askable: Vec<_> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect();
        for id in askable {
            let request = self.swarm.behaviour_mut().exchange.send_request(&id, Ok(Request::Peers));
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.discovery = now + self.limits.discovery;
                peer.asked = Some((request, Asked::Peers));
            }
        }
    }

    fn learn(&mut self, teller: &PeerId, addresses: Vec<Vec<u8>>) {
        let now = Instant::now();
        let Some(from) = self.peers.get(teller).map(|peer| peer.ip) else { return };
        for address in addresses.into_iter().filter_map(|bytes| Multiaddr::try_from(bytes).ok()) {
            let (Some(ip), Some(id)) = (ip_of(&address), peer_of(&address)) else { continue };
            let is_news = id != *self.swarm.local_peer_id() && !self.bans.contains(&id, Some(ip), now);
            match plain(&address, id) {
                Some(address) if is_news && makes_sense_to(ip, from) => self.book.learn(id, address, now),
                _ => {}
            }
        }
    }

    fn addresses_for(&self, asker: &PeerId) -> Vec<Vec<u8>> {
        let Some(to) = self.peers.get(asker).map(|peer| peer.ip) else { return Vec::new() };
        let others =
            self.peers.iter().filter(|(id, _)| *id != asker).filter_map(|(_, peer)| peer.told.as_ref());
        let meant = others.filter(|address| ip_of(address).is_some_and(|ip| makes_sense_to(ip, to)));
        let encoded = meant.map(Multiaddr::to_vec).filter(|bytes| bytes.len() <= MAX_ADDRESS_BYTES);
        encoded.take(MAX_ADDRESSES).collect()
    }

    // Sending.

    fn offer_to_all(&mut self) {
        let ids: Vec<_> = self.peers.keys().copied().collect();
        ids.iter().for_each(|id| self.offer(id));
    }

    /// Sends the next batch to a peer that has nothing to answer, and tells it before where this node agrees on blocks.
    fn offer(&mut self, id: &PeerId) {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.is_free(now)) else { return };
        if let Some(own) = self.consensus.as_ref().filter(|_| !peer.is_informed) {
            let request = Ok(Request::Consensus(own.to_vec()));
            let request = self.swarm.behaviour_mut().exchange.send_request(id, request);
            peer.asked = Some((request, Asked::Consensus));
            return;
        }
        let Some(Batch { number, transactions }) = peer.next_batch(&self.mempool, &self.limits) else {
            return;
        };
        let (hashes, transactions): (Vec<_>, Vec<_>) = transactions.into_iter().unzip();
        for hash in &hashes {
            self.seen.insert(*hash, now);
        }
        let bytes_sent = transactions.iter().map(|bytes| bytes.len() as u64).sum();
        let forwarded = hashes.len() as u64;
        self.counters.add(GossipCounts { batches_sent: 1, bytes_sent, forwarded, ..Default::default() });
        let request =
            self.swarm.behaviour_mut().exchange.send_request(id, Ok(Request::Transactions(transactions)));
        peer.asked = Some((request, Asked::Transactions(number)));
    }

    fn on_response(&mut self, id: &PeerId, request: OutboundRequestId, response: Response) {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Some((_, asked)) = peer.asked.take_if(|(expected, _)| *expected == request) else { return };
        match (asked, response) {
            (Asked::Transactions(number), Response::Received) => peer.received(number),
            (Asked::Consensus, Response::Received) => peer.is_informed = true,
            (_, Response::Busy) => peer.not_now(now),
            (Asked::Peers, Response::Peers(addresses)) => self.learn(id, addresses),
            (asked, _) => self.ban(id, &format!("it answered something else than it was asked ({asked:?})")),
        }
        self.offer(id);
    }

    fn on_request_failed(&mut self, id: &PeerId, request: OutboundRequestId, error: &OutboundFailure) {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(id) else { return };
        if peer.asked.take_if(|(expected, _)| *expected == request).is_none() {
            return;
        }
        tracing::debug!(peer = %id, %error, "a request to a peer failed");
        match error {
            OutboundFailure::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.ban(id, "it answered something that cannot be decoded");
            }
            _ => {
                peer.not_now(now);
                if peer.failures() >= MAX_FAILURES || matches!(error, OutboundFailure::UnsupportedProtocols) {
                    self.disconnect(id);
                }
            }
        }
    }

    // Receiving.

    fn on_exchange(&mut self, event: Exchange) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                request_response::Message::Request { request, channel, .. } => match request {
                    Ok(request) => self.on_request(peer, request, channel),
                    Err(error) => self.on_unreadable(&peer, &error),
                },
                request_response::Message::Response { request_id, response } => {
                    self.on_response(&peer, request_id, response);
                }
            },
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                self.on_request_failed(&peer, request_id, &error);
            }
            // What it was that nobody answered is known where it was decided.
            request_response::Event::InboundFailure { .. } | request_response::Event::ResponseSent { .. } => {
            }
        }
    }

    fn on_unreadable(&mut self, id: &PeerId, error: &Unreadable) {
        match error {
            Unreadable::Bad(error) => self.ban(id, &format!("it sent something that is no message: {error}")),
            Unreadable::Endless => self.fault(id, 1, "its requests come to no end"),
        }
    }

    fn on_request(&mut self, id: PeerId, request: Request, channel: ResponseChannel<Response>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if std::mem::replace(&mut peer.answering, true) {
            self.fault(&id, 1, "it does not wait for answers");
            return;
        }
        let session = peer.session;
        match request {
            Request::Transactions(batch) => {
                let bytes = batch.iter().map(|bytes| bytes.len() as u64).sum();
                self.on_batch(Due { peer: id, session, bytes, channel }, batch);
            }
            Request::Peers => {
                let response = Response::Peers(self.addresses_for(&id));
                self.answer(Due { peer: id, session, bytes: 0, channel }, response, PEERS_COST);
            }
            Request::Consensus(claim) => {
                self.note_consensus(&id, &claim);
                self.answer(Due { peer: id, session, bytes: 0, channel }, Response::Received, PEERS_COST);
            }
        }
    }

    /// Notes what a peer says first about where it agrees on blocks; that does not change while it is connected.
    fn note_consensus(&mut self, id: &PeerId, claim: &[u8]) {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.consensus.is_none()) else { return };
        peer.consensus = beside(&peer.address, claim);
        self.tell_peers();
    }

    fn on_batch(&mut self, due: Due, batch: Vec<Vec<u8>>) {
        let received = batch.len() as u64;
        self.counters.add(GossipCounts {
            batches_received: 1,
            bytes_received: due.bytes,
            received,
            ..Default::default()
        });
        let is_behind = self.behind.as_ref().is_some_and(|behind| *behind.borrow());
        // Peers that left may still have batches here.
        if is_behind || self.checking >= self.max_checking() {
            self.answer(due, Response::Busy, received);
            return;
        }
        let fresh = self.unseen(&due.peer, batch);
        let duplicates = received - fresh.len() as u64;
        self.counters.add(GossipCounts { duplicates, ..Default::default() });
        if let Some(peer) = self.peers.get_mut(&due.peer) {
            // Paid for at once; the rest when it is known what they were good for.
            peer.allowance.charge(duplicates, 0, Instant::now());
        }
        let (mempool, at_once) = (Arc::clone(&self.mempool), self.limits.concurrent_checks.max(1));
        self.checking += 1;
        self.work.spawn(async move {
            let checks = stream::iter(fresh).map(|(hash, bytes)| {
                let mempool = Arc::clone(&mempool);
                async move { (hash, mempool.submit(bytes).await) }
            });
            Done::Checked(due, checks.buffered(at_once).collect().await)
        });
    }

    fn max_checking(&self) -> usize {
        (self.limits.max_inbound as usize).saturating_add(self.limits.max_outbound as usize).max(1)
    }

    /// The transactions of a batch that were not seen lately, with their hashes.
    fn unseen(&mut self, id: &PeerId, batch: Vec<Vec<u8>>) -> Vec<(Hash, Vec<u8>)> {
        let now = Instant::now();
        let mut fresh = Vec::new();
        for bytes in batch {
            let hash = Hash::from(blake2_256(&bytes));
            if let Some(peer) = self.peers.get_mut(id) {
                peer.knows(hash, now);
            }
            if self.seen.insert(hash, now) {
                fresh.push((hash, bytes));
            }
        }
        fresh
    }

    fn on_done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Checked(due, checked)) => {
                self.checking -= 1;
                self.on_checked(due, &checked);
            }
            Ok(Done::Answer(due, response)) => self.answer_now(due, response),
            Err(error) => {
                // Only checking can panic, and then its peer is never answered.
                self.checking -= 1;
                tracing::error!(%error, "a batch of transactions could not be checked");
            }
        }
    }

    fn on_checked(&mut self, due: Due, checked: &[Checked]) {
        let mut cost = 0_u64;
        let mut faults = 0;
        let mut conduct = Conduct::Honest;
        for (hash, result) in checked {
            let verdict = judge(result);
            self.counters.add(verdict.counts);
            cost = cost.saturating_add(verdict.cost);
            conduct = conduct.max(verdict.conduct);
            faults += u64::from(verdict.conduct == Conduct::Fault);
            if verdict.again {
                self.seen.remove(hash);
            }
        }
        let id = due.peer;
        if let Some(peer) =
            self.peers.get_mut(&id).filter(|_| checked.iter().any(|(_, result)| result.is_ok()))
        {
            peer.useful = Some(Instant::now());
        }
        match conduct {
            Conduct::Honest => {}
            Conduct::Fault => self.fault(&id, faults, "it sends forged transactions"),
            Conduct::Hostile => self.ban(&id, "it sends what is no transaction"),
        }
        self.answer(due, Response::Received, cost);
    }

    /// Answers when the peer has paid for its request.
    fn answer(&mut self, due: Due, response: Response, cost: u64) {
        let stays = |peer: &&mut Peer| peer.session == due.session;
        let Some(peer) = self.peers.get_mut(&due.peer).filter(stays) else { return };
        let wait = peer.allowance.charge(cost, due.bytes, Instant::now());
        if wait.is_zero() {
            self.answer_now(due, response);
            return;
        }
        self.counters.add(GossipCounts { throttled: 1, ..Default::default() });
        self.work.spawn(async move {
            tokio::time::sleep(wait).await;
            Done::Answer(due, response)
        });
    }

    fn answer_now(&mut self, due: Due, response: Response) {
        let stays = |peer: &&mut Peer| peer.session == due.session;
        let Some(peer) = self.peers.get_mut(&due.peer).filter(stays) else { return };
        peer.answering = false;
        // A peer that has gone misses nothing.
        let _ = self.swarm.behaviour_mut().exchange.send_response(due.channel, response);
    }
}
