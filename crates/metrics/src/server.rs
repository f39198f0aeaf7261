//! The HTTP server.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{header::CONTENT_TYPE, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
    Json, Router,
};
use myelin_listener::{serve, PlaceLimits, ServeLimits};
use parking_lot::RwLock;
use prometheus_client::{encoding::text, registry::Registry};
use serde::Serialize;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A few machines ask, every few seconds.
const LIMITS: ServeLimits = ServeLimits {
    places: PlaceLimits { max: 32, max_of_address: 8, max_of_loopback: 32 },
    max_head_time: Duration::from_secs(60),
    max_stalled_time: Duration::from_secs(10),
};
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Ends every exposition, and so may be in an answer only once.
const END: &str = "# EOF\n";

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether clients should be sent here.
    pub healthy: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The height of the tip.
    pub height: u32,
    /// Milliseconds since the time of the tip; nothing before the first block.
    pub tip_age_ms: Option<u64>,
    /// Whether the node is behind the others.
    pub is_syncing: bool,
    /// Nodes that it is connected to.
    pub peers: usize,
    /// Whether it signs blocks now; nothing if it has no key for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signs: Option<bool>,
}

/// Tells how a node is.
pub type HealthCheck = Arc<dyn Fn() -> Health + Send + Sync>;

/// Writes metrics of another registry, in the same format.
pub type TextSource = Arc<dyn Fn() -> String + Send + Sync>;

/// What is served where.
pub struct MetricsConfig {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// What is measured.
    pub registry: Registry,
    /// What is measured elsewhere.
    pub others: Vec<TextSource>,
    /// How the node is.
    pub health: HealthCheck,
}

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics on {address}: {source}; choose another address, or end what uses this one")]
pub struct MetricsError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// A running server. It ends with the token that it was started with.
pub struct MetricsServer {
    address: SocketAddr,
    running: JoinHandle<()>,
}

/// Taken away when the server ends, because connections that are still open then must not keep the node's parts.
type Shared = Arc<RwLock<Option<Served>>>;

struct Served {
    registry: Registry,
    others: Vec<TextSource>,
    health: HealthCheck,
}

impl MetricsServer {
    /// Listens, and serves until `shutdown` is cancelled.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(config: MetricsConfig, shutdown: CancellationToken) -> Result<Self, MetricsError> {
        let MetricsConfig { address, registry, others, health } = config;
        let failed = |source| MetricsError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let served: Shared = Arc::new(RwLock::new(Some(Served { registry, others, health })));
        let routes = Router::new()
            .route("/metrics", get(show_metrics))
            .route("/health", get(show_health))
            .with_state(Arc::clone(&served));
        let running = tokio::spawn(async move {
            // A scrape is short and nobody misses an answer of a node that ends, so none is waited for.
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = serve(listener, routes, LIMITS, std::future::pending()) => {}
            }
            served.write().take();
        });
        Ok(Self { address, running })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has ended.
    pub async fn stopped(self) {
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the metrics server had panicked");
        }
    }
}

async fn show_metrics(State(served): State<Shared>) -> Response {
    match served.read().as_ref().map(Served::text) {
        None => ending(),
        Some(Ok(text)) => (StatusCode::OK, [(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Some(Err(error)) => {
            let reason = format!("the metrics cannot be written: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response()
        }
    }
}

async fn show_health(State(served): State<Shared>) -> Response {
    let Some(health) = served.read().as_ref().map(|served| (served.health)()) else { return ending() };
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

fn ending() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the node has stopped\n").into_response()
}

impl Served {
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode_registry(&mut text, &self.registry)?;
        for other in &self.others {
            let exposition = other();
            text.push_str(exposition.strip_suffix(END).unwrap_or(&exposition));
        }
        text.push_str(END);
        Ok(text)
    }
}
