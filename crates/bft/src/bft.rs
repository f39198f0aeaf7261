//! The sequencer: sessions of the engine, one after another.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use myelin_chain::{
    sequencer::{Running, Sequencer},
    Application, SequencerError,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{BftConfig, PeerAddress},
    contacts::Contacts,
    gate::{self, EnginePort, Gate, GateHandle},
    guard::{Doubt, SigningGuard},
    network_key,
    outset::Outset,
    resumption::{Goal, Stance},
    session::{Session, SessionEnd},
    status::StatusView,
    BftError,
};

/// Agrees on blocks with other nodes.
pub struct Bft {
    config: BftConfig,
    status: StatusView,
    contacts: Arc<Contacts>,
    outset: Option<Arc<Outset>>,
    listener: Option<TcpListener>,
}

impl Bft {
    /// A sequencer that takes part as configured once it runs.
    pub fn new(config: BftConfig) -> Self {
        let status = StatusView::new(&config.name, !config.persistent_peers.is_empty());
        let contacts = Arc::new(Contacts::new(&config.persistent_peers));
        Self { config, status, contacts, outset: None, listener: None }
    }

    /// The same with its public port taken already, so that a port that is not free is an error before the node starts.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(self) -> Result<Self, BftError> {
        let listener = gate::listen(self.config.listen)?;
        Ok(Self { listener: Some(listener), ..self })
    }

    /// Where it listens, or is to listen.
    pub fn address(&self) -> SocketAddr {
        match self.listener.as_ref().map(TcpListener::local_addr) {
            Some(Ok(bound)) => bound,
            _ => self.config.listen,
        }
    }

    /// Where others reach this node, on whatever host it is: `/tcp/<port>/p2p/<name>`. Makes its name when there is none.
    ///
    /// # Errors
    /// When the file with its network key cannot be read, or made.
    pub fn introduction(&self) -> Result<String, BftError> {
        let address = self.address();
        self.create_home()?;
        let name = network_key::load_or_create(&self.config.network_key_path())?.public().to_peer_id();
        Ok(format!("/tcp/{}/p2p/{name}", address.port()))
    }

    fn create_home(&self) -> Result<(), BftError> {
        let home = &self.config.home;
        fs::create_dir_all(home).map_err(|source| BftError::Home { path: home.clone(), source })
    }

    /// Tells how the node stands in its network, while it runs and before.
    pub fn status(&self) -> StatusView {
        self.status.clone()
    }

    async fn drive(mut self, application: Application, shutdown: CancellationToken) -> Result<(), BftError> {
        let outset = match self.outset.take() {
            Some(outset) => outset,
            None => self.outset(&application),
        };
        self.create_home()?;
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => gate::listen(self.config.listen)?,
        };
        let port = EnginePort::reserve()?;
        let gate = self.gate(listener, port.address())?;
        let (peers, handle) = (gate.ways_out(), gate.handle());
        tokio::select! {
            ended = self.run_sessions(port.address(), &peers, &handle, &outset, &application, &shutdown) => ended,
            () = gate.run() => Err(BftError::NetworkStopped),
        }
    }

    fn gate(&self, listener: TcpListener, engine: SocketAddr) -> Result<Gate, BftError> {
        let BftConfig { listen, limits, persistent_peers, .. } = &self.config;
        let counters = self.status.gate_counters();
        let contacts = Arc::clone(&self.contacts);
        Gate::new(listener, engine, *limits, persistent_peers.clone(), counters, contacts)
            .map_err(|source| BftError::Listen { address: *listen, source })
    }

    async fn run_sessions(
        &self,
        listen: SocketAddr,
        peers: &[PeerAddress],
        gate: &GateHandle,
        outset: &Arc<Outset>,
        application: &Application,
        shutdown: &CancellationToken,
    ) -> Result<(), BftError> {
        let guard = self.open_guard(application)?;
        let mut is_first = true;
        let mut follow_until = guard.as_ref().and_then(|guard| {
            doubtful(guard, application).or_else(|| may_be_behind(outset, application).then_some(Goal::Peers))
        });
        loop {
            if let (Some(guard), Some(goal)) = (&guard, follow_until) {
                self.ensure_somebody_to_follow(application, guard, goal)?;
                warn_that_it_follows(guard, goal);
            }
            let session = Session {
                config: &self.config,
                listen,
                peers,
                application,
                guard: guard.as_ref(),
                status: &self.status,
                outset,
                follow_until,
                gate,
                is_first,
            };
            is_first = false;
            let end = session.run(shutdown).await?;
            if let (Some(guard), Some(Goal::NewBlock(_)), SessionEnd::CaughtUp) = (&guard, follow_until, end)
            {
                guard.trust_after(application.chain().head().number())?;
            }
            follow_until = match end {
                SessionEnd::Shutdown => return Ok(()),
                SessionEnd::CaughtUp => guard.as_ref().and_then(|guard| doubtful(guard, application)),
                SessionEnd::Behind => Some(Goal::Peers),
                SessionEnd::Refused(height) => Some(Goal::Height(height)),
            };
        }
    }

    fn outset(&self, application: &Application) -> Arc<Outset> {
        Outset::new(application, &self.status, &self.config, &self.contacts)
    }

    fn open_guard(&self, application: &Application) -> Result<Option<Arc<SigningGuard>>, BftError> {
        let Some(key) = &self.config.key else { return Ok(None) };
        let chain = application.chain().genesis_hash();
        let guard = SigningGuard::open(&self.config.guard_path(), chain, key.public())?;
        Ok(Some(Arc::new(guard)))
    }

    /// A chain whose only validator may not sign will never move again, and that must not look like waiting.
    fn ensure_somebody_to_follow(
        &self,
        application: &Application,
        guard: &SigningGuard,
        goal: Goal,
    ) -> Result<(), BftError> {
        let next = application.chain().tip().number().saturating_add(1);
        let validators = application.params(next)?.validators;
        let own = self.config.key.as_ref().map(|key| key.public());
        match (validators.members(), goal) {
            ([only], Goal::Height(height)) if Some(only.key) == own => {
                Err(BftError::NobodyToFollow { height })
            }
            ([only], Goal::NewBlock(doubt)) if Some(only.key) == own => {
                Err(BftError::NobodyKnows { path: guard.path().to_owned(), doubt })
            }
            _ => Ok(()),
        }
    }
}

/// Until when a validator must not sign: what it has signed is not known, or its chain has not even come close to the height
/// that it has signed in, because it was restored from a backup.
fn doubtful(guard: &SigningGuard, application: &Application) -> Option<Goal> {
    let next = application.chain().tip().number().saturating_add(1);
    match guard.doubt() {
        Some(doubt) => Some(Goal::NewBlock(doubt)),
        None => guard.height().filter(|height| *height > next).map(Goal::Height),
    }
}

/// Whether a validator starts with an old block, so that others are perhaps ahead. It follows from the start then, because the
/// way from signing to following takes longer than the other. On a new chain nobody is likely to be ahead, and it listens first.
fn may_be_behind(outset: &Outset, application: &Application) -> bool {
    application.chain().tip().number() > 0 && outset.stance() != Stance::TakePart
}

fn warn_that_it_follows(guard: &SigningGuard, goal: Goal) {
    match goal {
        Goal::Peers => tracing::info!("others may be ahead; this validator follows them, and signs nothing, until it is as far"),
        Goal::Height(height) => tracing::warn!(
            height,
            "this validator has signed messages that its log or its chain does not know of; it follows the others, and signs nothing, until that height is past"
        ),
        Goal::NewBlock(Doubt::Outdated) => tracing::warn!(
            "{} is older than a vote of this validator that others have, so what it has signed is not known; it follows the others, and signs nothing, until they have decided a block without it; if another node signs with its key, stop that one",
            guard.path().display(),
        ),
        Goal::NewBlock(doubt) => tracing::warn!(
            "{} {doubt}, so what this validator has signed is not known; it follows the others, and signs nothing, until they have decided a block without it; if its key has never signed anything, stop it and run `myelin signing-guard --new --base-path DIR`",
            guard.path().display(),
        ),
    }
}

impl Sequencer for Bft {
    fn name(&self) -> &'static str {
        "bft"
    }

    fn prepare(&mut self, application: &Application) {
        self.outset = Some(self.outset(application));
    }

    fn run(self: Box<Self>, application: Application, shutdown: CancellationToken) -> Running {
        Box::pin(async move { self.drive(application, shutdown).await.map_err(SequencerError::from) })
    }
}
