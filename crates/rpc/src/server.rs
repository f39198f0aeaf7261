//! Listening, and ending.

use std::{
    io,
    net::SocketAddr,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};

use jsonrpsee::{
    server::{
        middleware::rpc::{RpcService, RpcServiceBuilder},
        serve_with_graceful_shutdown, stop_channel, BatchRequestConfig, Methods, PingConfig,
        RandomStringIdProvider, RegisterMethodError, Server, StopHandle,
    },
    RpcModule,
};
use myelin_listener::{PlaceLimits, Places};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::task_tracker::TaskTrackerToken,
};

use crate::{
    connection::{Flow, Guarded, Metered, Traffic},
    deadline::Deadline,
    gate::{Gate, Gated},
    methods,
    refusal::Refusals,
    statistics::{Connected, RpcStatistics},
    subscriptions,
    turns::Client,
    Context, RpcConfig, Services,
};

/// Characters of a subscription's id.
const ID_LENGTH: usize = 16;
/// How many questions whether it is there a WebSocket client may leave unanswered.
const MAX_UNANSWERED_PINGS: u32 = 3;
/// How long connections may take to end by themselves when the server stops.
const GRACE: Duration = Duration::from_secs(2);
/// How long to wait before accepting again when the system has no more file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcStartError {
    /// Somebody else listens there.
    #[error("the RPC address {0} is in use, perhaps by another node; stop that program or choose another port (0 takes any free one)")]
    AddressInUse(SocketAddr),
    /// The system does not let this program listen there.
    #[error("cannot listen on the RPC address {address}: {source}; choose an address of this machine and a port that this user may use")]
    Unusable {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Two methods have one name.
    #[error("the RPC methods contradict each other: {0}; this is a defect of the node")]
    Methods(String),
}

/// A running server. Dropping it stops it without waiting for it.
pub struct RpcServer {
    address: SocketAddr,
    context: Arc<Context>,
    statistics: Arc<RpcStatistics>,
    stopping: DropGuard,
    cut: CancellationToken,
}

impl RpcServer {
    /// Listens on the configured address and serves `services` from now on.
    ///
    /// # Errors
    /// See [`RpcStartError`].
    pub async fn start(services: Services, config: RpcConfig) -> Result<Self, RpcStartError> {
        let listener = listen(config.address).await?;
        let address = listener
            .local_addr()
            .map_err(|source| RpcStartError::Unusable { address: config.address, source })?;
        let context = Arc::new(Context::new(services, config));
        let methods = all_methods(&context).map_err(|error| RpcStartError::Methods(error.to_string()))?;
        let statistics = RpcStatistics::new(methods.method_names());
        let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
        let serve = connection_server(&context, methods, &statistics, cut.clone());
        tokio::spawn(accept(listener, Arc::clone(&context), serve, stopping.clone()));
        Ok(Self { address, context, statistics, stopping: stopping.drop_guard(), cut })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done so far.
    pub fn statistics(&self) -> &Arc<RpcStatistics> {
        &self.statistics
    }

    /// Closes all connections and waits until nothing of the server uses the chain any more.
    pub async fn stop(self) {
        let Self { context, stopping, cut, .. } = self;
        drop(stopping);
        context.workshop.refuse();
        if timeout(GRACE, context.workshop.finished()).await.is_err() {
            cut.cancel();
            context.workshop.finished().await;
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RpcStartError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => RpcStartError::AddressInUse(address),
        _ => RpcStartError::Unusable { address, source },
    })
}

fn all_methods(context: &Arc<Context>) -> Result<Methods, RegisterMethodError> {
    let mut module = RpcModule::from_arc(Arc::clone(context));
    methods::register(&mut module, context.services.development.is_some())?;
    subscriptions::register(&mut module)?;
    methods::register_list(&mut module)?;
    Ok(module.into())
}

/// What a connection holds until it is over.
type Held = (TaskTrackerToken, Connected);

/// Takes in connections until the server stops.
async fn accept(
    listener: TcpListener,
    context: Arc<Context>,
    serve: impl Fn(TcpStream, SocketAddr, &StopHandle),
    stopping: CancellationToken,
) {
    let _going_on = context.workshop.token();
    let (stop_handle, server_handle) = stop_channel();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, from)) => serve(socket, from, &stop_handle),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // When all connections have ended there is nobody to tell.
    let _ = server_handle.stop();
}

/// Gives a function that serves one connection, in a task of its own.
fn connection_server(
    context: &Arc<Context>,
    methods: Methods,
    statistics: &Arc<RpcStatistics>,
    cut: CancellationToken,
) -> impl Fn(TcpStream, SocketAddr, &StopHandle) {
    let (context, statistics) = (Arc::clone(context), Arc::clone(statistics));
    let config = context.config.clone();
    let service_builder = Server::builder()
        .max_request_body_size(config.max_request_bytes)
        // Answers are bounded before the library sees them, so that it never drops one that is accounted for.
        .max_response_body_size(u32::MAX)
        .max_subscriptions_per_connection(config.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(config.max_batch))
        .set_message_buffer_capacity(config.notification_capacity)
        .set_id_provider(RandomStringIdProvider::new(ID_LENGTH))
        .enable_ws_ping(ping(config.ping_interval))
        .to_service_builder()
        // The library counts requests. Here connections are counted, before anything is read from them.
        .max_connections(u32::MAX);
    let (places, refusals) = (Places::new(places_of(&config)), Refusals::new());
    let traffic = Arc::new(Traffic::default());
    let gate = Arc::new(Gate::new(&config));
    let connections = AtomicU64::new(0);
    move |socket, from, stop_handle| {
        let cut = cut.child_token();
        let place = match places.take(from.ip(), cut.clone()) {
            Ok(place) => place,
            Err(reason) => {
                statistics.refuse();
                return refusals.refuse(socket, reason);
            }
        };
        let deadline = Deadline::new(place, &config);
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection sends small packets late");
        }
        let held: Held = (context.workshop.token(), statistics.connected());
        let number = connections.fetch_add(1, Ordering::Relaxed);
        let client = Client::new(from.ip(), number);
        let flow = Flow::new(client, number, cut.clone(), Arc::clone(&traffic), &config);
        // Later than subscriptions are closed, so that a client that reads again learns why they were.
        let max_stalled_time = 2 * config.max_unread_time;
        let stream =
            Guarded::new(socket, Arc::clone(&flow), Arc::clone(&deadline), max_stalled_time, cut, held);
        let (serving, counting, known) = (Arc::clone(&context), Arc::clone(&statistics), methods.clone());
        let metered = move |service: RpcService| {
            Metered::new(
                service,
                known.clone(),
                Arc::clone(&flow),
                Arc::clone(&serving),
                Arc::clone(&counting),
            )
        };
        let service = service_builder
            .clone()
            .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(metered))
            .build(methods.clone(), stop_handle.clone());
        let service = Gated::new(
            service,
            Arc::clone(&gate),
            Arc::clone(&deadline),
            config.max_body_time,
            Arc::clone(&context.services.health),
        );
        let stopped = stop_handle.clone().shutdown();
        let statistics = Arc::clone(&statistics);
        tokio::spawn(async move {
            if let Err(error) = serve_with_graceful_shutdown(stream, service, stopped).await {
                tracing::debug!(%error, "a connection ended with an error");
            }
            if deadline.has_passed() {
                statistics.close_silent();
            }
        });
    }
}

fn places_of(config: &RpcConfig) -> PlaceLimits {
    PlaceLimits {
        max: config.max_connections,
        max_of_address: config.max_connections_per_address,
        max_of_loopback: config.max_connections_per_loopback_address,
    }
}

fn ping(interval: Duration) -> PingConfig {
    PingConfig::new().ping_interval(interval).inactive_limit(interval * MAX_UNANSWERED_PINGS)
}
