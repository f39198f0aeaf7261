//! One run of the engine: starting it, carrying its questions to the worker, stopping it.

use std::{
    net::SocketAddr,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::Duration,
};

use arc_malachitebft_app_channel::{
    app::{
        config::{
            ChannelNames, ConsensusConfig, DiscoveryConfig, NodeConfig, P2pConfig, ProtocolNames,
            PubSubMaxSizePerTopic, ValuePayload, ValueSyncConfig,
        },
        types::{codec::Codec, Keypair},
    },
    Channels, ConsensusContext, EngineBuilder, EngineHandle, NetworkContext, NetworkIdentity, NetworkRequest,
    RequestContext, Signer as _, SyncContext, WalContext,
};
use myelin_chain::{Application, Hash, Lookahead};
use tokio::{
    sync::{mpsc, oneshot},
    time::{interval, sleep, timeout, Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    alarms,
    codec::{WireCodec, MAX_CERTIFICATE_BYTES, MAX_PART_MESSAGE_BYTES, MAX_RESPONSE_BYTES, MAX_SMALL_BYTES},
    config::{BftConfig, PeerAddress},
    context::{Address, Context},
    engine_log,
    gate::GateHandle,
    guard::SigningGuard,
    network_key, no_log,
    outset::Outset,
    prospects::Census,
    resumption::Goal,
    scout::Scout,
    signing::{Signer, Verifier},
    status::StatusView,
    worker::{Job, Worker, WorkerEnd, WorkerSetup},
    BftError,
};

/// Questions that may wait for the worker.
const JOB_CAPACITY: usize = 64;
/// Requests to the engine that may wait.
const REQUEST_CAPACITY: usize = 16;
/// Bytes of whatever is told to everybody, with the envelope that the network puts around it.
const MAX_MESSAGE_BYTES: usize = MAX_PART_MESSAGE_BYTES + (16 << 10);
/// How often nodes tell each other their height, so how fast one that is behind notices.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Blocks that a node which is behind asks for at once.
const SYNC_BATCH_BLOCKS: usize = 20;
/// How long a block may be held in memory only while the node catches up.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);
/// How often peers are counted.
const PEER_INTERVAL: Duration = Duration::from_millis(500);
/// Counts without an answer after which the network is taken for dead.
const MAX_UNANSWERED: u32 = 20;
/// How long the engine may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long others have to notice that the connections of a session have ended, before the next one connects under the same
/// name. Who hears from a node again before that takes it for the same one, and does not tell it what it wants to hear.
const PARTING_TIME: Duration = Duration::from_secs(1);
/// How often to look whether it has let go of the chain.
const LET_GO_INTERVAL: Duration = Duration::from_millis(5);
/// How often it is tried whether it has let go of its log and its address.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// The node shuts down.
    Shutdown,
    /// It was to follow, and has reached its goal.
    CaughtUp,
    /// It was to sign, and others are ahead.
    Behind,
    /// The guard has refused to sign in this height.
    Refused(u32),
}

/// What a session runs with.
pub(crate) struct Session<'a> {
    pub config: &'a BftConfig,
    /// Where the engine listens.
    pub listen: SocketAddr,
    /// Where it reaches the persistent peers.
    pub peers: &'a [PeerAddress],
    pub application: &'a Application,
    pub guard: Option<&'a Arc<SigningGuard>>,
    pub status: &'a StatusView,
    pub outset: &'a Arc<Outset>,
    /// Only follow, until then.
    pub follow_until: Option<Goal>,
    /// What all connections pass.
    pub gate: &'a GateHandle,
    /// Whether no other session has run in this process.
    pub is_first: bool,
}

impl Session<'_> {
    /// Runs the engine until `shutdown` is cancelled or the session is over for another reason.
    pub async fn run(self, shutdown: &CancellationToken) -> Result<SessionEnd, BftError> {
        if !self.is_first {
            // A node that shuts down meanwhile does so right after the start.
            let _ = timeout(PARTING_TIME, shutdown.cancelled()).await;
        }
        alarms::engine_begins();
        let halted = Arc::new(AtomicBool::new(false));
        let lookahead = Lookahead::start(Arc::clone(self.application.chain()))
            .map_err(|error| BftError::EngineStart(error.to_string()))?;
        let lookahead = Arc::new(lookahead);
        let (mut channels, engine) = self.start_engine_patiently(&halted, &lookahead).await?;
        let (jobs, worker) = self.start_worker(&channels, &halted, lookahead)?;
        let end = carry(&mut channels, jobs, worker, &self, shutdown).await;
        alarms::engine_ends();
        stop(engine).await;
        // The engine's connections live on after it, until something happens on them.
        self.gate.hang_up();
        self.until_let_go().await;
        self.status.set_peers(0);
        self.status.set_signs(false);
        let refusal = self.guard.and_then(|guard| guard.take_refusal());
        match (end, refusal) {
            (Ok(Carried::EngineStopped), Some(place)) => Ok(SessionEnd::Refused(place.height)),
            (Ok(Carried::EngineStopped), None) => Err(BftError::EngineStopped),
            (Ok(Carried::Shutdown), _) => Ok(SessionEnd::Shutdown),
            (Ok(Carried::CaughtUp), _) => Ok(SessionEnd::CaughtUp),
            (Ok(Carried::Behind), _) => Ok(SessionEnd::Behind),
            (Err(error), _) => Err(error),
        }
    }

    /// Parts of the engine live on for a moment after it has stopped, and hold the chain. Whoever waits for the node may open its
    /// database again at once.
    async fn until_let_go(&self) {
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Arc::strong_count(self.outset) > 1 {
            if Instant::now() >= deadline {
                tracing::warn!("a part of the consensus engine does not let go of the chain");
                return;
            }
            sleep(LET_GO_INTERVAL).await;
        }
    }

    /// The guard, when this session signs.
    fn signing_guard(&self) -> Option<&Arc<SigningGuard>> {
        self.guard.filter(|_| self.follow_until.is_none())
    }

    /// The engine of the session before lets go of its log and its address a little after it has stopped.
    async fn start_engine_patiently(
        &self,
        halted: &Arc<AtomicBool>,
        lookahead: &Arc<Lookahead>,
    ) -> Result<(Channels<Context>, EngineHandle), BftError> {
        let deadline = Instant::now() + if self.is_first { Duration::ZERO } else { STOP_TIMEOUT };
        loop {
            match self.start_engine(halted, lookahead).await {
                Err(BftError::EngineStart(_)) if Instant::now() < deadline => sleep(RETRY_INTERVAL).await,
                outcome => return outcome,
            }
        }
    }

    async fn start_engine(
        &self,
        halted: &Arc<AtomicBool>,
        lookahead: &Arc<Lookahead>,
    ) -> Result<(Channels<Context>, EngineHandle), BftError> {
        let chain = self.application.chain().genesis_hash();
        let keypair = network_key::load_or_create(&self.config.network_key_path())?;
        let own = self.config.key.as_ref().map(|key| key.public()).zip(self.signing_guard().cloned());
        let network_codec = WireCodec::network(
            own.clone(),
            self.config.observer.clone(),
            Arc::clone(lookahead),
            Arc::clone(self.outset),
        );
        let signer = self.signer(chain, halted);
        let identity = identity(&self.config.name, keypair, signer.as_ref()).await?;
        let verifier = Box::new(Verifier { chain });
        let consensus = match signer {
            Some(signer) => {
                let address = Address(signer.secret.public());
                ConsensusContext::new_validator(address, verifier, Box::new(signer))
            }
            // Nobody's address: who follows must not be taken for a validator, not even for itself.
            None => ConsensusContext::new_full_node(Address([0; 32]), verifier),
        };
        let config = EngineConfig::new(self.config, self.listen, self.peers, &chain)?;
        let builder = EngineBuilder::new(Context, config)
            .with_default_network(NetworkContext::new(identity, network_codec))
            .with_default_sync(SyncContext::new(WireCodec::default()))
            .with_default_consensus(consensus)
            .with_default_request(RequestContext::new(REQUEST_CAPACITY));
        let built = match own {
            Some(_) => {
                let path = self.config.log_path();
                engine_log::check(&path, self.application.chain().tip().number().saturating_add(1))?;
                builder.with_default_wal(WalContext::new(path, WireCodec::log(own))).build().await
            }
            None => {
                let log = no_log::start().await.map_err(|error| BftError::EngineStart(error.to_string()))?;
                let built = builder.with_custom_wal(log.clone()).build().await;
                if built.is_err() {
                    log.stop(None);
                }
                built
            }
        };
        built.map_err(|error| BftError::EngineStart(format!("{error:#}")))
    }

    fn signer(&self, chain: Hash, halted: &Arc<AtomicBool>) -> Option<Signer> {
        let (secret, guard) = self.config.key.clone().zip(self.signing_guard().cloned())?;
        Some(Signer { secret, chain, guard, halted: Arc::clone(halted) })
    }

    fn start_worker(
        &self,
        channels: &Channels<Context>,
        halted: &Arc<AtomicBool>,
        lookahead: Arc<Lookahead>,
    ) -> Result<(Jobs, WorkerOutcome), BftError> {
        let setup = WorkerSetup {
            application: self.application.clone(),
            config: self.config.clone(),
            network: channels.network.clone(),
            guard: self.guard.cloned(),
            status: self.status.clone(),
            outset: Arc::clone(self.outset),
            lookahead,
            follow_until: self.follow_until,
        };
        let (jobs, received) = mpsc::channel(JOB_CAPACITY);
        let (reply, outcome) = oneshot::channel();
        let halted = Arc::clone(halted);
        let work = move || {
            // Whatever goes wrong here, also a panic: nothing is signed from then on.
            let halt = Halt(halted);
            let ended = Worker::new(setup).and_then(|worker| worker.run(received));
            drop(halt);
            // Whoever waited may be gone.
            let _ = reply.send(ended);
        };
        std::thread::Builder::new()
            .name("block-worker".to_owned())
            .spawn(work)
            .map_err(|error| BftError::EngineStart(error.to_string()))?;
        Ok((jobs, outcome))
    }
}

type Jobs = mpsc::Sender<Job>;
type WorkerOutcome = oneshot::Receiver<Result<WorkerEnd, BftError>>;

struct Halt(Arc<AtomicBool>);

impl Drop for Halt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

enum Carried {
    Shutdown,
    CaughtUp,
    Behind,
    EngineStopped,
}

/// Carries the engine's questions to the worker until one of them ends, or the node does.
async fn carry(
    channels: &mut Channels<Context>,
    jobs: Jobs,
    mut worker: WorkerOutcome,
    session: &Session<'_>,
    shutdown: &CancellationToken,
) -> Result<Carried, BftError> {
    let mut count = interval(PEER_INTERVAL);
    count.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut flush = interval(FLUSH_INTERVAL);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (answers, mut counted) = mpsc::channel::<Census>(1);
    let mut scout = Scout::new(session.config, session.gate, channels.net_requests.clone());
    let mut unanswered = 0;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {
                drop(jobs);
                ended(worker.await)?;
                return Ok(Carried::Shutdown);
            }
            outcome = &mut worker => return ended(outcome),
            message = channels.consensus.recv() => match message {
                // The worker's end is seen in the next turn.
                Some(message) => drop(jobs.send(Job::Answer(Box::new(message))).await),
                None => {
                    drop(jobs);
                    ended(worker.await)?;
                    return Ok(Carried::EngineStopped);
                }
            },
            Some(census) = counted.recv() => {
                unanswered = 0;
                session.status.set_peers(census.peers.len());
                session.outset.connected(census.peers.len());
                scout.look(&census);
            }
            // A worker that has no room for it is busy with blocks, and looks at their number itself.
            _ = flush.tick() => drop(jobs.try_send(Job::Flush)),
            _ = count.tick() => {
                // A network task that has died, for example because the address is taken, tells nobody.
                if unanswered >= MAX_UNANSWERED {
                    drop(jobs);
                    ended(worker.await)?;
                    return Err(BftError::NetworkStopped);
                }
                unanswered += 1;
                session.outset.tick(Instant::now());
                count_peers(channels, answers.clone());
            }
        }
    }
}

fn ended(
    outcome: Result<Result<WorkerEnd, BftError>, oneshot::error::RecvError>,
) -> Result<Carried, BftError> {
    match outcome.map_err(|_| BftError::Worker)?? {
        WorkerEnd::CaughtUp => Ok(Carried::CaughtUp),
        WorkerEnd::Behind => Ok(Carried::Behind),
        WorkerEnd::Idle => Ok(Carried::EngineStopped),
    }
}

/// Asks who is connected; the answer arrives in the background.
fn count_peers(channels: &Channels<Context>, answers: mpsc::Sender<Census>) {
    let requests = channels.net_requests.clone();
    tokio::spawn(async move {
        if let Ok(Some(dump)) = NetworkRequest::dump_state(&requests).await {
            let dialled = dump.peers.values().filter(|peer| peer.peer_type.is_persistent());
            let census = Census {
                own: dump.local_node.peer_id.to_string(),
                peers: dump.peers.keys().map(ToString::to_string).collect(),
                dialled: dialled.count(),
            };
            // The session may be over.
            let _ = answers.send(census).await;
        }
    });
}

async fn stop(engine: EngineHandle) {
    let node = engine.actor.get_cell();
    node.stop_children_and_wait(None, Some(STOP_TIMEOUT)).await;
    node.stop(None);
    if timeout(STOP_TIMEOUT, engine.handle).await.is_err() {
        tracing::warn!("the consensus engine takes long to stop");
        node.kill();
    }
}

async fn identity(
    name: &str,
    keypair: Keypair,
    signer: Option<&Signer>,
) -> Result<NetworkIdentity, BftError> {
    let Some(signer) = signer else { return Ok(NetworkIdentity::new(name.to_owned(), keypair, None)) };
    let key = signer.secret.public();
    let proof = signer
        .sign_validator_proof(key.to_vec(), keypair.public().to_peer_id().to_bytes())
        .await
        .map_err(|error| BftError::EngineStart(error.to_string()))?;
    let proof = WireCodec::default().encode(&proof)?;
    Ok(NetworkIdentity::new_validator(name.to_owned(), keypair, Address(key).to_string(), proof))
}

struct EngineConfig {
    name: String,
    consensus: ConsensusConfig,
    sync: ValueSyncConfig,
}

impl EngineConfig {
    fn new(
        config: &BftConfig,
        listen: SocketAddr,
        peers: &[PeerAddress],
        chain: &Hash,
    ) -> Result<Self, BftError> {
        let peers = peers.iter().map(PeerAddress::multiaddr).collect::<Result<_, _>>()?;
        let byte_size = |bytes: usize| {
            let mut size = P2pConfig::default().rpc_max_size;
            size.0 = bytes as u64;
            size
        };
        let response = byte_size(MAX_RESPONSE_BYTES);
        let p2p = P2pConfig {
            listen_addr: PeerAddress::from(listen).multiaddr()?,
            persistent_peers: peers,
            discovery: without_discovery(),
            rpc_max_size: response,
            pubsub_max_size: byte_size(MAX_MESSAGE_BYTES),
            pubsub_max_size_per_topic: PubSubMaxSizePerTopic {
                consensus: Some(byte_size(MAX_SMALL_BYTES)),
                proposal_parts: Some(byte_size(MAX_PART_MESSAGE_BYTES)),
                liveness: Some(byte_size(MAX_CERTIFICATE_BYTES)),
            },
            protocol_names: protocols(chain),
            channel_names: channels(chain),
            ..P2pConfig::default()
        };
        let consensus = ConsensusConfig {
            p2p,
            value_payload: ValuePayload::ProposalAndParts,
            ..ConsensusConfig::default()
        };
        let sync = ValueSyncConfig {
            status_update_interval: STATUS_INTERVAL,
            max_response_size: response,
            batch_size: SYNC_BATCH_BLOCKS,
            ..ValueSyncConfig::default()
        };
        Ok(Self { name: config.name.clone(), consensus, sync })
    }
}

/// Behind the gate, all connections come from this machine: their addresses tell the engine nothing, neither for limits nor for
/// others to know.
fn without_discovery() -> DiscoveryConfig {
    DiscoveryConfig {
        enabled: false,
        max_connections_per_ip: usize::MAX,
        ip_throttle_duration: Duration::ZERO,
        ..DiscoveryConfig::default()
    }
}

/// A part of the hash that is long enough to tell chains apart; the engine takes names of up to 64 bytes.
fn short_name(chain: &Hash) -> String {
    chain.as_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Nodes of another chain speak other protocols, so that they never exchange more than a greeting.
fn protocols(chain: &Hash) -> ProtocolNames {
    let name = |protocol: &str| format!("/myelin/{}/{protocol}/1", short_name(chain));
    ProtocolNames {
        consensus: name("consensus"),
        sync: name("sync"),
        validator_proof: name("validator-proof"),
        ..ProtocolNames::default()
    }
}

fn channels(chain: &Hash) -> ChannelNames {
    let name = |channel: &str| format!("/myelin/{}/{channel}", short_name(chain));
    ChannelNames {
        consensus: name("votes"),
        proposal_parts: name("parts"),
        sync: name("status"),
        liveness: name("liveness"),
    }
}

impl NodeConfig for EngineConfig {
    fn moniker(&self) -> &str {
        &self.name
    }

    fn consensus(&self) -> &ConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut ConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}
