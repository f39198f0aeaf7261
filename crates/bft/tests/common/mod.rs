//! What the tests share: networks of real nodes in one process, over TCP on the loopback interface.
#![allow(dead_code)] // Each test binary uses its own part.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        atomic::{AtomicU16, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};

use codec::Encode;
use myelin_bft::{
    Bft, BftConfig, ConsensusMessage, ConsensusObserver, ConsensusSecret, PeerAddress, SigningGuard,
    StatusView, Step,
};
use myelin_chain::{
    Application, Certificate, Chain, ConsensusKey, Hash, History, Mempool, MempoolLimits, Sequencer,
    SequencerError, Store, StoreConfig, SubmitError,
};
use myelin_runtime::{
    presets::{Genesis, Validator},
    AccountId, RuntimeCall, SignedPayload, TxExtension, UncheckedExtrinsic, VERSION,
};
use parking_lot::Mutex;
use sp_core::{sr25519, Pair};
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::{generic::Era, MultiAddress, MultiSignature};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a busy machine may take for what takes a moment.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

/// Validator, height, round and step: of two different messages with the same place, one is a lie.
type Place = (ConsensusKey, u32, u32, Step);

/// Sees every message of every node, and panics when a validator contradicts itself or two nodes decide differently.
#[derive(Default)]
pub struct Witness {
    said: Mutex<HashMap<Place, Option<Hash>>>,
    decided: Mutex<HashMap<u32, Hash>>,
    faults: Mutex<Vec<String>>,
}

impl Witness {
    fn note(&self, message: &ConsensusMessage) {
        let place = (message.validator, message.height, message.round, message.step);
        let before = *self.said.lock().entry(place).or_insert(message.block);
        if before != message.block {
            self.faults.lock().push(format!("{message:?} contradicts {before:?}"));
        }
    }

    /// Everything that must never happen and did.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().clone()
    }

    /// Waits for a message of this validator about this height or a later one.
    pub async fn until_heard(&self, validator: ConsensusKey, height: u32) {
        let started = Instant::now();
        while !self.said.lock().keys().any(|place| place.0 == validator && place.1 >= height) {
            assert!(started.elapsed() < PATIENCE, "waited for a message about height {height}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn messages(&self) -> usize {
        self.said.lock().len()
    }

    /// How many things this validator has said.
    pub fn messages_of(&self, validator: ConsensusKey) -> usize {
        self.said.lock().keys().filter(|place| place.0 == validator).count()
    }

    /// The highest round in which a block was proposed at this height.
    pub fn rounds(&self, height: u32) -> u32 {
        let said = self.said.lock();
        said.keys().filter(|place| place.1 == height).map(|place| place.2).max().unwrap_or(0)
    }
}

impl ConsensusObserver for Witness {
    fn received(&self, message: &ConsensusMessage) {
        self.note(message);
    }

    fn sent(&self, message: &ConsensusMessage) {
        self.note(message);
    }

    fn committed(&self, certificate: &Certificate) {
        let before = *self.decided.lock().entry(certificate.height).or_insert(certificate.block);
        if before != certificate.block {
            self.faults.lock().push(format!("{before:?} and {:?} were both decided", certificate.block));
        }
    }
}

pub fn secret(index: u8) -> ConsensusSecret {
    ConsensusSecret::from_seed(&[index + 1; 32])
}

pub fn account(index: u8) -> AccountId {
    AccountId::new([0xa0 + index; 32])
}

/// An address on this machine that nobody listens on, below those that the system gives out by itself: a node that starts
/// could get one of these as the port behind its gate, before the one that it is meant for has started.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Tests that run at the same time begin at different ports.
    let begin = (std::process::id() % 700) as u16 * 10;
    loop {
        let offset = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 7_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 13_000 + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A network of validators with these powers, and places for nodes.
pub struct Network {
    pub genesis: Genesis,
    pub witness: Arc<Witness>,
    pub addresses: Vec<SocketAddr>,
    directory: tempfile::TempDir,
    block_history: History,
    change: Box<dyn Fn(u8, BftConfig) -> BftConfig>,
}

impl Network {
    pub fn new(slot_ms: u64, powers: &[u64]) -> Self {
        log();
        let mut genesis = Genesis::development(slot_ms);
        let validator = |(power, index): (&u64, u8)| Validator {
            key: secret(index).public().into(),
            account: account(index),
            power: *power,
        };
        genesis.validators = powers.iter().zip(0u8..).map(validator).collect();
        Self {
            genesis,
            witness: Arc::default(),
            addresses: powers.iter().map(|_| free_address()).collect(),
            directory: tempfile::tempdir().unwrap(),
            block_history: History::Archive,
            change: Box::new(|_, config| config),
        }
    }

    /// The same with nodes that are configured otherwise.
    pub fn changed(self, change: impl Fn(u8, BftConfig) -> BftConfig + 'static) -> Self {
        Self { change: Box::new(change), ..self }
    }

    /// The same with nodes that keep next to nothing.
    pub fn pruned(self) -> Self {
        Self { block_history: History::Blocks(4), ..self }
    }

    pub fn directory(&self, index: u8) -> PathBuf {
        self.directory.path().join(format!("node{index}"))
    }

    pub fn guard(&self, index: u8) -> PathBuf {
        self.directory(index).join("signing-guard")
    }

    pub fn config(&self, index: u8, listen: SocketAddr) -> BftConfig {
        let peers = self.addresses.iter().filter(|address| **address != listen);
        let mut config = BftConfig::new(self.directory(index), listen)
            .with_peers(peers.map(|address| (*address).into()).collect());
        config.name = format!("node{index}");
        config.observer = Some(Arc::clone(&self.witness) as _);
        config
    }

    fn address(&self, index: u8) -> SocketAddr {
        self.addresses.get(usize::from(index)).copied().unwrap_or_else(free_address)
    }

    /// Starts, or starts again, a validator.
    pub fn start(&self, index: u8) -> Node {
        let config = self.config(index, self.address(index)).with_key(secret(index));
        self.run(index, config)
    }

    /// Starts a node that only follows.
    pub fn start_follower(&self, index: u8) -> Node {
        self.run(index, self.config(index, free_address()))
    }

    /// Starts a node that signs with the key of a validator.
    pub fn start_with_key(&self, index: u8, key: u8) -> Node {
        self.run(index, self.config(index, free_address()).with_key(secret(key)))
    }

    pub fn start_all(&self) -> Vec<Node> {
        (0..self.addresses.len() as u8).map(|index| self.start(index)).collect()
    }

    fn run(&self, index: u8, config: BftConfig) -> Node {
        let config = (self.change)(index, config);
        if let Some(key) = config.key.as_ref().filter(|_| !config.home.exists()) {
            SigningGuard::create(&self.guard(index), key.public()).unwrap();
        }
        let mut store = StoreConfig::directory(self.directory(index)).with_block_history(self.block_history);
        if self.block_history != History::Archive {
            store = store.with_history(self.block_history);
        }
        Node::start(&self.genesis, store, config)
    }
}

/// A node that runs.
pub struct Node {
    pub application: Application,
    pub status: StatusView,
    whereabouts: PeerAddress,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), SequencerError>>,
}

impl Node {
    pub fn start(genesis: &Genesis, store: StoreConfig, config: BftConfig) -> Self {
        let store = Store::open(&store).unwrap();
        let chain = Chain::open(store, Some(&genesis.build_storage().unwrap())).unwrap();
        let mempool =
            Mempool::new(Arc::clone(&chain), MempoolLimits { workers: 1, ..MempoolLimits::default() })
                .unwrap();
        let application = Application::new(chain, mempool);
        let here = PeerAddress::from(config.listen).to_string();
        let mut bft = Bft::new(config);
        bft.prepare(&application);
        let status = bft.status();
        let (host, _) = here.split_once("/tcp/").unwrap();
        let whereabouts = format!("{host}{}", bft.introduction().unwrap()).parse().unwrap();
        let shutdown = CancellationToken::new();
        let sequencer = Box::new(bft).run(application.clone(), shutdown.clone());
        let running = tokio::spawn(async {
            let outcome = sequencer.await;
            tracing::warn!(?outcome, "the node has ended");
            outcome
        });
        Self { application, status, whereabouts, shutdown, running }
    }

    pub fn chain(&self) -> &Arc<Chain> {
        self.application.chain()
    }

    /// Where others reach it, with its name.
    pub fn whereabouts(&self) -> PeerAddress {
        self.whereabouts.clone()
    }

    pub fn height(&self) -> u32 {
        self.chain().tip().number()
    }

    /// Waits for a height.
    pub async fn reach(&self, height: u32) {
        self.until(&format!("height {height}"), || self.height() >= height).await;
    }

    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            let ended = self.running.is_finished();
            assert!(!ended, "the node ended at height {}, before {what}", self.height());
            assert!(started.elapsed() < PATIENCE, "waited for {what} at height {}", self.height());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn has_ended(&self) -> bool {
        self.running.is_finished()
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }

    /// Stops a node that may have failed already.
    pub async fn end(self) {
        self.shutdown.cancel();
        let _ = self.running.await.unwrap();
    }

    /// Runs until the node fails.
    pub async fn failure_at_any_time(self) -> SequencerError {
        self.running.await.unwrap().unwrap_err()
    }

    /// Waits for the node to fail.
    pub async fn failure(self) -> SequencerError {
        tokio::time::timeout(PATIENCE, self.running).await.expect("the node fails").unwrap().unwrap_err()
    }

    pub fn submit_transfer(&self, from: Keyring, to: &AccountId, value: u64, nonce: u32) -> Hash {
        let bytes = transfer(self.chain().genesis_hash(), from, to, value, nonce);
        let started = Instant::now();
        loop {
            match self.application.mempool().submit_here(bytes.clone()) {
                // A block is seen a moment before the node has drawn its conclusion from it, may leave some behind, and may be old
                // when a busy machine has it.
                Err(SubmitError::Unsure | SubmitError::Behind { .. } | SubmitError::PoolFull(_))
                    if started.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                outcome => return outcome.unwrap(),
            }
        }
    }

    /// The hash and state root of every block, after checking its certificate and that only validators are paid.
    pub fn history(&self, up_to: u32) -> Vec<(Hash, Hash)> {
        let params = self.application.params(1).unwrap();
        let blocks = self.chain().decided(1..=up_to).unwrap().map(Result::unwrap);
        blocks
            .map(|committed| {
                let certificate = Certificate::from_bytes(&committed.certificate).unwrap();
                certificate.verify(&params.validators, &self.chain().genesis_hash()).unwrap();
                assert_eq!((certificate.height, certificate.block), (committed.number(), committed.hash));
                let author = myelin_chain::block::author(&committed.block.header).unwrap();
                assert!(params.validators.members().iter().any(|member| member.account == author));
                (committed.hash, committed.block.header.state_root)
            })
            .collect()
    }
}

/// Checks that all have the same blocks up to this height, and that nobody misbehaved.
pub fn assert_agreement(network: &Network, nodes: &[&Node], up_to: u32) {
    let expected = nodes[0].history(up_to);
    assert_eq!(expected.len(), up_to as usize);
    for node in nodes {
        assert_eq!(node.history(up_to), expected);
    }
    assert_eq!(network.witness.faults(), Vec::<String>::new());
    assert!(network.witness.messages() > 0);
}

pub fn transfer(genesis: Hash, from: Keyring, to: &AccountId, value: u64, nonce: u32) -> Vec<u8> {
    let pair: sr25519::Pair = from.pair();
    let destination = MultiAddress::Id(to.clone());
    let call = RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive { dest: destination, value });
    let extension: TxExtension = (
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckEra::from(Era::Immortal),
        myelin_runtime::extensions::CheckNonce(nonce),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(0),
        Default::default(),
        frame_metadata_hash_extension::CheckMetadataHash::new(false),
    );
    let implicit =
        ((), VERSION.spec_version, VERSION.transaction_version, genesis, genesis, (), (), (), (), None);
    let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
    let signature = payload.using_encoded(|bytes| pair.sign(bytes));
    let address = MultiAddress::Id(AccountId::from(pair.public()));
    UncheckedExtrinsic::new_signed(call, address, MultiSignature::Sr25519(signature).into(), extension)
        .encode()
}
