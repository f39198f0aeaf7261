//! A running node.

use std::{net::SocketAddr, sync::Arc};

use myelin_chain::{Application, Chain, LocalHandle, Mempool, Sequencer, SequencerError};
use myelin_rpc::RpcServer;
use tokio::{runtime::Builder, sync::oneshot, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    last_answers::{self, Failure},
    metrics::MeteredNode,
    NodeError,
};

/// Async threads of the sequencer.
const SEQUENCER_THREADS: usize = 2;

/// What serves others while a node runs.
pub(crate) struct Servers {
    pub rpc: Option<RpcServer>,
    pub metrics: Option<MeteredNode>,
}

/// A running node. Dropping it shuts the node down without waiting for it.
pub struct NodeHandle {
    application: Application,
    rpc_address: Option<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    development: Option<LocalHandle>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), NodeError>>,
    _shutdown_on_drop: DropGuard,
}

impl NodeHandle {
    pub(crate) fn run(
        application: Application,
        sequencer: Box<dyn Sequencer>,
        servers: Servers,
        development: Option<LocalHandle>,
        failure: Failure,
        shutdown: CancellationToken,
    ) -> Self {
        let rpc_address = servers.rpc.as_ref().map(RpcServer::address);
        let metrics_address = servers.metrics.as_ref().map(MeteredNode::address);
        let running =
            tokio::spawn(run_parts(application.clone(), sequencer, servers, failure, shutdown.clone()));
        let _shutdown_on_drop = shutdown.clone().drop_guard();
        Self { application, rpc_address, metrics_address, development, shutdown, running, _shutdown_on_drop }
    }

    /// Where clients connect; nothing without a server.
    pub fn rpc_address(&self) -> Option<SocketAddr> {
        self.rpc_address
    }

    /// Where metrics and health are served; nothing without that server.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The address for WebSocket clients; empty without a server.
    pub fn ws_url(&self) -> String {
        self.url("ws")
    }

    /// The address for HTTP clients; empty without a server.
    pub fn http_url(&self) -> String {
        self.url("http")
    }

    /// The chain.
    pub fn chain(&self) -> &Arc<Chain> {
        self.application.chain()
    }

    /// The transactions that wait.
    pub fn mempool(&self) -> &Arc<Mempool> {
        self.application.mempool()
    }

    /// Controls the sequencer of a node that decides alone.
    pub fn development(&self) -> Option<&LocalHandle> {
        self.development.as_ref()
    }

    /// Cancelled when the node is to shut down, by anybody.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Waits until the node has ended, everything acknowledged is on disk, and the base path is free again.
    ///
    /// # Errors
    /// What the node failed from, if nobody told it to end.
    pub async fn wait(self) -> Result<(), NodeError> {
        let Self { application, running, _shutdown_on_drop, .. } = self;
        drop(application);
        running.await.map_err(|error| NodeError::Panicked(error.to_string()))?
    }

    /// Shuts the node down and waits as [`wait`](Self::wait) does.
    ///
    /// # Errors
    /// What the node failed from.
    pub async fn shutdown(self) -> Result<(), NodeError> {
        self.shutdown.cancel();
        self.wait().await
    }

    fn url(&self, scheme: &str) -> String {
        self.rpc_address.map(|address| format!("{scheme}://{address}")).unwrap_or_default()
    }
}

/// Runs sequencer and servers until one of them, or somebody else, cancels `shutdown`.
async fn run_parts(
    application: Application,
    sequencer: Box<dyn Sequencer>,
    servers: Servers,
    failure: Failure,
    shutdown: CancellationToken,
) -> Result<(), NodeError> {
    let name = sequencer.name();
    tracing::info!(sequencer = name, tip = application.chain().tip().number(), "the node runs");
    // A panic must not leave the server behind.
    let ends_with_sequencer = shutdown.clone().drop_guard();
    let deciding = async {
        let _ends = ends_with_sequencer;
        let outcome = on_own_threads(sequencer, application.clone(), shutdown.clone()).await?;
        match outcome {
            Ok(()) if !shutdown.is_cancelled() => Err(NodeError::SequencerEnded(name)),
            Err(error) => {
                last_answers::give(&application, &error, &failure, &shutdown).await;
                Err(error.into())
            }
            Ok(()) => Ok(()),
        }
    };
    let serving = async {
        shutdown.cancelled().await;
        if let Some(server) = servers.rpc {
            server.stop().await;
        }
        if let Some(server) = servers.metrics {
            server.stopped().await;
        }
    };
    let (outcome, ()) = tokio::join!(deciding, serving);
    match &outcome {
        Ok(()) => tracing::info!("the node has stopped"),
        Err(error) => tracing::error!(%error, "the node has failed"),
    }
    outcome
}

/// Runs the sequencer on threads of its own, so that blocks are on time however busy the server keeps the others.
async fn on_own_threads(
    sequencer: Box<dyn Sequencer>,
    application: Application,
    shutdown: CancellationToken,
) -> Result<Result<(), SequencerError>, NodeError> {
    let (reply, outcome) = oneshot::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(SEQUENCER_THREADS)
        .thread_name("sequencer")
        .enable_all()
        .build()
        .map_err(NodeError::Threads)?;
    let work = move || {
        let ended = runtime.block_on(sequencer.run(application, shutdown));
        drop(runtime);
        // Whoever asked may have gone away.
        let _ = reply.send(ended);
    };
    std::thread::Builder::new().name("sequencer".to_owned()).spawn(work).map_err(NodeError::Threads)?;
    outcome.await.map_err(|_| NodeError::Panicked("the sequencer panicked".to_owned()))
}
