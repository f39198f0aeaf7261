//! The miner: keeps objects on disk and proves slices of them over HTTP.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Path, Query, State},
    middleware::from_fn_with_state,
    routing::{get, put},
    Json, Router,
};
use futures::StreamExt;
use http::{header::CONTENT_LENGTH, HeaderMap, StatusCode};
use myelin_client::{account_of, Client, ClientConfig, ClientError, WaitFor};
use myelin_keys::{CryptoType, KeyError, Keypair, PublicKey};
use myelin_listener::{serve, PlaceLimits, ServeLimits};
use myelin_neuron::{
    btauth::Caller,
    directory::{ChainNeurons, Directory, NeuronSource},
    limits::Rate,
    outgoing::{CallError, SignedClient},
    policy::{AddressError, CallerPolicy},
    refusal::Refusal,
    server::{require_signature, require_signature_streaming, BodyError, Gate, GateConfig},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    behaviour::Behaviour,
    proof::{hash_tree, prove, ProofError, Root, RootError, Slice, MAX_SLICE_CHUNKS},
    protocol::Peer,
    store::{Quota, Store, StoreError, Usage},
};

/// The protocol number that neurons of this ecosystem announce.
const AXON_PROTOCOL: u8 = 4;
/// Largest body of a request that is not an upload, and longest time to answer it.
const MAX_QUERY_BYTES: u64 = 64 * 1024;
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// How old the copy of the metagraph may be.
const DIRECTORY_MAX_AGE: Duration = Duration::from_secs(300);
/// How long a relay waits for the other miner.
const RELAY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection may take until the head of a request is there.
const MAX_HEAD_TIME: Duration = Duration::from_secs(30);
/// How long a caller may take nothing of an answer.
const MAX_STALLED_TIME: Duration = Duration::from_secs(30);
/// One address may have this part of the connections.
const SHARES: usize = 8;
const ANNOUNCE_RETRY: Duration = Duration::from_secs(5);

/// How a miner runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MinerConfig {
    /// The node, `ws://host:port`.
    pub node_url: String,
    /// The subnet.
    pub netuid: u16,
    /// Where objects are kept.
    pub directory: PathBuf,
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What to announce on chain. With port 0 the port that is listened on; nothing is announced if this is missing.
    pub announce: Option<SocketAddr>,
    /// How much disk to give.
    pub quota: Quota,
    /// Milliseconds between looks at who is on the subnet.
    pub refresh_ms: u64,
    /// Who may call.
    pub policy: CallerPolicy,
    /// How often each may call.
    pub rate: Rate,
    /// Open connections; an eighth of them may come from one address.
    pub max_connections: usize,
    /// Uploads at once, and other requests at once.
    pub max_concurrent: usize,
    /// Longest time for an object to arrive, in milliseconds.
    pub upload_timeout_ms: u64,
    /// Honest, or how not.
    pub behaviour: Behaviour,
}

impl Default for MinerConfig {
    fn default() -> Self {
        Self {
            node_url: "ws://127.0.0.1:9944".into(),
            netuid: 1,
            directory: "storage-miner".into(),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8091),
            announce: None,
            quota: Quota::default(),
            refresh_ms: 5_000,
            policy: CallerPolicy::default(),
            rate: Rate::default(),
            max_connections: 512,
            max_concurrent: 64,
            upload_timeout_ms: 120_000,
            behaviour: Behaviour::default(),
        }
    }
}

/// Why a miner cannot run.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// The directory cannot be used.
    #[error("cannot keep objects in {}: {reason}; check the path, its permissions and the disk", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The port cannot be used.
    #[error("cannot listen on {address}: {reason}; choose another address or end what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: std::io::Error,
    },
    /// The HTTP stack cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// A list of the policy is wrong.
    #[error(transparent)]
    Policy(#[from] AddressError),
    /// The peer of a relay has no address.
    #[error("in the relay's peer_hotkey: {0}")]
    Peer(KeyError),
    /// The chain cannot be used.
    #[error(transparent)]
    Chain(#[from] ClientError),
    /// No slot on the subnet.
    #[error("the hotkey {hotkey} is not registered on subnet {netuid}; register it, then start the miner")]
    NotRegistered {
        /// This miner.
        hotkey: String,
        /// The subnet.
        netuid: u16,
    },
}

/// Runs a miner until `shutdown` completes: announces it on chain, keeps objects and proves them.
///
/// # Errors
/// See [`MinerError`]. Trouble with single requests, or with the node later on, does not end a miner.
pub async fn run_miner(
    config: MinerConfig,
    hotkey: Arc<Keypair>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), MinerError> {
    let client = Client::with_config(ClientConfig::new(&config.node_url)).await?;
    let source = ChainNeurons { client: client.clone(), netuid: config.netuid };
    let miner = Miner::bind(config, Arc::clone(&hotkey), source).await?;
    let (netuid, endpoint) = (miner.config.netuid, miner.endpoint());
    let announced = announce(&client, &hotkey, netuid, endpoint);
    let serving = async {
        miner.serve(shutdown).await;
        Ok(())
    };
    tokio::try_join!(announced, serving).map(|_| ())
}

/// A miner that listens but does not serve yet.
pub struct Miner {
    config: MinerConfig,
    /// Where it listens.
    pub address: SocketAddr,
    listener: TcpListener,
    routes: Router,
    _following: AbortOnDropHandle<()>,
}

impl Miner {
    /// Opens the store and the port. Callers are judged by what `source` says of them.
    ///
    /// # Errors
    /// Directory, port or configuration cannot be used.
    pub async fn bind(
        config: MinerConfig,
        hotkey: Arc<Keypair>,
        source: impl NeuronSource,
    ) -> Result<Self, MinerError> {
        let store = open_store(&config).await?;
        let listen_error = |reason| MinerError::Listen { address: config.listen, reason };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let callers = Arc::new(Directory::new(DIRECTORY_MAX_AGE));
        let gates = Gates::new(&config, &hotkey, &callers)?;
        let service = Arc::new(Service {
            store,
            behaviour: config.behaviour.clone(),
            relay: relay(&config.behaviour)?,
            client: SignedClient::new(hotkey)?,
        });
        let refresh = Duration::from_millis(config.refresh_ms.max(1));
        let _following = AbortOnDropHandle::new(callers.follow(source, refresh));
        Ok(Self { routes: routes(service, gates), address, listener, config, _following })
    }

    /// What to announce.
    fn endpoint(&self) -> Option<SocketAddr> {
        let mut endpoint = self.config.announce?;
        if endpoint.port() == 0 {
            endpoint.set_port(self.address.port());
        }
        Some(endpoint)
    }

    /// Serves until `shutdown` completes, then finishes the requests under way.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        tracing::info!(address = %self.address, behaviour = ?self.config.behaviour, "the miner serves");
        let max = self.config.max_connections;
        let places = PlaceLimits {
            max,
            max_of_address: max.div_ceil(SHARES),
            // Where everything runs on one machine, or behind a proxy, all come from there.
            max_of_loopback: max,
        };
        let limits = ServeLimits { places, max_head_time: MAX_HEAD_TIME, max_stalled_time: MAX_STALLED_TIME };
        serve(self.listener, self.routes, limits, shutdown).await;
    }
}

async fn open_store(config: &MinerConfig) -> Result<Store, MinerError> {
    let (path, quota) = (config.directory.clone(), config.quota);
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, quota)).await;
    opened
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|reason| MinerError::Directory { path: config.directory.clone(), reason })
}

/// Two gates, so that only uploads may be large and slow.
struct Gates {
    uploads: Arc<Gate>,
    queries: Arc<Gate>,
}

impl Gates {
    fn new(
        config: &MinerConfig,
        hotkey: &Arc<Keypair>,
        callers: &Arc<Directory>,
    ) -> Result<Self, AddressError> {
        let gate = |max_body_bytes, timeout| {
            let config = GateConfig {
                policy: config.policy.clone(),
                rate: config.rate,
                max_concurrent: config.max_concurrent,
                max_body_bytes,
                body_timeout: timeout,
                handler_timeout: timeout,
                ..GateConfig::default()
            };
            Gate::new(Arc::clone(hotkey), Arc::clone(callers), config).map(Arc::new)
        };
        Ok(Self {
            uploads: gate(config.quota.object_bytes, Duration::from_millis(config.upload_timeout_ms))?,
            queries: gate(MAX_QUERY_BYTES, QUERY_TIMEOUT)?,
        })
    }
}

fn relay(behaviour: &Behaviour) -> Result<Option<Peer>, MinerError> {
    let Behaviour::Relay { peer_hotkey, peer_address, .. } = behaviour else { return Ok(None) };
    let hotkey = PublicKey::from_ss58(peer_hotkey, CryptoType::Sr25519).map_err(MinerError::Peer)?;
    Ok(Some(Peer { hotkey, address: *peer_address }))
}

/// Announces `endpoint` on chain, unless that is what is announced already.
async fn announce(
    client: &Client,
    hotkey: &Keypair,
    netuid: u16,
    endpoint: Option<SocketAddr>,
) -> Result<(), MinerError> {
    let Some(endpoint) = endpoint else { return Ok(()) };
    loop {
        match announce_once(client, hotkey, netuid, endpoint).await {
            Err(MinerError::Chain(error)) if error.is_transient() || is_too_soon(&error) => {
                tracing::warn!(%error, "not announced yet, trying again");
                tokio::time::sleep(ANNOUNCE_RETRY).await;
            }
            outcome => return outcome,
        }
    }
}

async fn announce_once(
    client: &Client,
    hotkey: &Keypair,
    netuid: u16,
    endpoint: SocketAddr,
) -> Result<(), MinerError> {
    let account = account_of(hotkey);
    let neurons = client.neurons(netuid).await?;
    let Some(neuron) = neurons.into_iter().find(|neuron| neuron.hotkey == account) else {
        return Err(MinerError::NotRegistered { hotkey: hotkey.public().to_ss58(), netuid });
    };
    if neuron.axon == Some(endpoint) {
        return Ok(());
    }
    client.serve_axon(hotkey, netuid, endpoint, AXON_PROTOCOL, WaitFor::InBlock).await?;
    tracing::info!(%endpoint, uid = neuron.uid, "announced");
    Ok(())
}

fn is_too_soon(error: &ClientError) -> bool {
    matches!(error, ClientError::Rejected { reason, .. } if reason.contains("Custom error: 12"))
}

struct Service {
    store: Store,
    behaviour: Behaviour,
    relay: Option<Peer>,
    client: SignedClient,
}

fn routes(service: Arc<Service>, gates: Gates) -> Router {
    let uploads = Router::new()
        .route("/objects/{root}", put(put_object))
        .layer(from_fn_with_state(gates.uploads, require_signature_streaming));
    let rest = Router::new()
        .route("/objects/{root}", axum::routing::delete(delete_object))
        .route("/objects/{root}/slice", get(get_slice))
        .route("/status", get(status))
        .layer(from_fn_with_state(gates.queries, require_signature));
    uploads.merge(rest).with_state(service)
}

async fn put_object(
    State(service): State<Arc<Service>>,
    Path(root): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let root = parse_root(&root)?;
    let owner = caller.hotkey.to_ss58();
    let mut incoming =
        service.store.receive(&owner, announced_length(&headers)?).await.map_err(store_refusal)?;
    let mut body = body.into_data_stream();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| BodyError::refusal(&error))?;
        incoming.write(&bytes).await.map_err(store_refusal)?;
    }
    if !service.behaviour.keeps(root) {
        return Ok(StatusCode::CREATED);
    }
    incoming.commit(root).await.map_err(store_refusal)?;
    tracing::debug!(%root, owner, "stored");
    Ok(StatusCode::CREATED)
}

async fn delete_object(
    State(service): State<Arc<Service>>,
    Path(root): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Refusal> {
    let root = parse_root(&root)?;
    let owner = caller.hotkey.to_ss58();
    blocking(move || service.store.remove(&owner, root).map_err(store_refusal)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn status(State(service): State<Arc<Service>>) -> Json<Usage> {
    Json(service.store.usage())
}

async fn get_slice(
    State(service): State<Arc<Service>>,
    Path(root): Path<String>,
    Query(slice): Query<Slice>,
) -> Result<Vec<u8>, Refusal> {
    let root = parse_root(&root)?;
    tokio::time::sleep(service.behaviour.pause()).await;
    match (&service.behaviour, service.relay) {
        (Behaviour::Liar, _) => Ok(made_up(slice)),
        (_, Some(peer)) => relayed(&service, peer, root, slice).await,
        (_, None) => blocking(move || proven(&service.store, root, slice)).await,
    }
}

fn proven(store: &Store, root: Root, slice: Slice) -> Result<Vec<u8>, Refusal> {
    let object = store.open_object(root).map_err(store_refusal)?;
    match object.prove(slice) {
        Ok(proof) => Ok(proof),
        Err(error @ ProofError::Range { .. }) => {
            Err(Refusal::new(StatusCode::BAD_REQUEST, "slice", error.to_string()))
        }
        Err(error) => {
            tracing::error!(%root, %error, "an object is damaged, forgetting it");
            store.remove_damaged(root).map_err(store_refusal)?;
            Err(Refusal::new(StatusCode::NOT_FOUND, "object_damaged", "the object was damaged on disk"))
        }
    }
}

async fn relayed(service: &Service, peer: Peer, root: Root, slice: Slice) -> Result<Vec<u8>, Refusal> {
    let limit = usize::try_from(Slice { chunk: 0, chunks: MAX_SLICE_CHUNKS }.proof_bytes_bound(u64::MAX))
        .unwrap_or(usize::MAX);
    match peer.slice(&service.client, root, slice, limit, RELAY_TIMEOUT).await {
        Ok((proof, _)) => Ok(proof.into()),
        Err(CallError::Refused { .. }) => Err(store_refusal(StoreError::Missing(root))),
        Err(error) => Err(Refusal::new(StatusCode::BAD_GATEWAY, "peer", error.to_string())),
    }
}

/// Bytes that nobody placed, with a proof that holds for a root that nobody asked for.
fn made_up(slice: Slice) -> Vec<u8> {
    let chunks = slice.chunks.clamp(1, MAX_SLICE_CHUNKS);
    let size = chunks.saturating_mul(crate::proof::CHUNK_BYTES);
    let data = vec![0x5a; usize::try_from(size).unwrap_or_default()];
    let own = hash_tree(&data[..], size)
        .map_err(ProofError::from)
        .and_then(|(root, tree)| prove(&data[..], &tree, root, size, Slice { chunk: 0, chunks }));
    own.unwrap_or(data)
}

fn parse_root(text: &str) -> Result<Root, Refusal> {
    text.parse()
        .map_err(|error: RootError| Refusal::new(StatusCode::BAD_REQUEST, "object_name", error.to_string()))
}

fn announced_length(headers: &HeaderMap) -> Result<u64, Refusal> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.ok_or_else(|| {
        let message = "expected the object's size in the header content-length; add it";
        Refusal::new(StatusCode::LENGTH_REQUIRED, "length_missing", message)
    })
}

fn store_refusal(error: StoreError) -> Refusal {
    let (status, code) = match &error {
        StoreError::Size { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "object_size"),
        StoreError::Full { .. } => (StatusCode::INSUFFICIENT_STORAGE, "full"),
        StoreError::Content { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "content"),
        StoreError::Missing(_) => (StatusCode::NOT_FOUND, "no_object"),
        StoreError::DiskFull => {
            tracing::error!(%error, "storage failure");
            (StatusCode::INSUFFICIENT_STORAGE, "full")
        }
        StoreError::Io(_) => {
            tracing::error!(%error, "storage failure");
            (StatusCode::INTERNAL_SERVER_ERROR, "disk")
        }
    };
    Refusal::new(status, code, error.to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "worker", error.to_string()))
    })
}
