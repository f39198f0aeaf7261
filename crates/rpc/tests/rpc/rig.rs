//! A server with everything behind it, and ways to talk to it.

use std::{net::SocketAddr, sync::Arc};

use codec::Encode;
use jsonrpsee::{
    core::{
        client::{ClientT, Error, Subscription, SubscriptionClientT},
        traits::ToRpcParams,
    },
    ws_client::{WsClient, WsClientBuilder},
};
use myelin_chain::{
    Application, Chain, Hash, History, Local, LocalConfig, LocalHandle, Mempool, MempoolLimits, Nonce,
    SealMode, Sequencer, Store, StoreConfig,
};
use myelin_rpc::{ChainKind, HealthReport, Identity, NetworkStatus, RpcConfig, RpcServer, Services};
use myelin_runtime::{presets::Genesis, AccountId, Balance, RuntimeCall, TxExtension, VERSION};
use serde_json::{json, value::RawValue, Value};
use sp_core::{sr25519, Pair};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{generic::Era, MultiAddress, MultiSignature};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub const SLOT_MS: u64 = 250;
/// How a signed extrinsic of version 4 begins.
const SIGNED_VERSION_4: u8 = 0x84;

pub struct Rig {
    pub chain: Arc<Chain>,
    pub mempool: Arc<Mempool>,
    pub control: LocalHandle,
    pub server: RpcServer,
    _sequencer: DropGuard,
}

impl Rig {
    /// A development chain that makes blocks only when told.
    pub async fn manual() -> Self {
        Self::start(SealMode::Manual, RpcConfig::any_port(), History::Archive, true).await
    }

    /// One that makes a block for each transaction.
    pub async fn instant() -> Self {
        Self::start(SealMode::Instant, RpcConfig::any_port(), History::Archive, true).await
    }

    pub async fn limited(config: RpcConfig) -> Self {
        Self::start(SealMode::Manual, config, History::Archive, true).await
    }

    pub async fn start(mode: SealMode, config: RpcConfig, history: History, is_development: bool) -> Self {
        let genesis = Genesis::development(SLOT_MS).build_storage().unwrap();
        let store = Store::open(&StoreConfig::memory().with_history(history)).unwrap();
        let chain = Chain::open_audited(store, Some(&genesis)).unwrap();
        let limits = MempoolLimits { workers: 2, ..MempoolLimits::default() };
        let mempool = Mempool::new(Arc::clone(&chain), limits).unwrap();
        let (sequencer, control) = Local::new(LocalConfig::new(mode));
        let shutdown = CancellationToken::new();
        let application = Application::new(Arc::clone(&chain), Arc::clone(&mempool));
        tokio::spawn(Box::new(sequencer).run(application, shutdown.clone()));
        let development = is_development.then(|| control.clone());
        let services = services(&chain, &mempool, development);
        let server = RpcServer::start(services, config).await.unwrap();
        Self { chain, mempool, control, server, _sequencer: shutdown.drop_guard() }
    }

    /// What another server would serve.
    pub fn services(&self) -> Services {
        services(&self.chain, &self.mempool, None)
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    pub async fn mine(&self, blocks: u32) -> Hash {
        self.control.mine(blocks).await.unwrap().hash
    }

    pub fn signer(&self, key: Sr25519Keyring) -> Signer {
        Signer { pair: key.pair(), genesis: self.chain.genesis_hash() }
    }
}

fn services(chain: &Arc<Chain>, mempool: &Arc<Mempool>, development: Option<LocalHandle>) -> Services {
    Services {
        chain: Arc::clone(chain),
        mempool: Arc::clone(mempool),
        identity: Identity {
            chain_name: "Test".to_owned(),
            chain_kind: ChainKind::Development,
            node_version: "1.2.3".to_owned(),
        },
        network: Arc::new(|| NetworkStatus {
            peers: 3,
            is_syncing: true,
            should_have_peers: true,
            trouble: None,
            signs: None,
        }),
        health: Arc::new(|| HealthReport { is_healthy: true, document: "{\"healthy\":true}".to_owned() }),
        development,
    }
}

/// A WebSocket client.
pub struct Client(pub WsClient);

/// What a request failed with.
#[derive(Debug, PartialEq)]
pub struct Failure {
    pub code: i32,
    pub message: String,
    pub data: String,
}

pub struct Parameters(pub Value);

impl ToRpcParams for Parameters {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        match self.0 {
            Value::Null => Ok(None),
            value => serde_json::value::to_raw_value(&value).map(Some),
        }
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let builder = WsClientBuilder::default()
            .max_response_size(128 << 20)
            .max_buffer_capacity_per_subscription(4096);
        Self(builder.build(format!("ws://{address}")).await.unwrap())
    }

    pub async fn ask(&self, method: &str, parameters: Value) -> Result<Value, Failure> {
        self.0.request(method, Parameters(parameters)).await.map_err(failure)
    }

    /// Asks for what must be there.
    pub async fn get(&self, method: &str, parameters: Value) -> Value {
        self.ask(method, parameters.clone())
            .await
            .unwrap_or_else(|error| panic!("{method} {parameters}: {error:?}"))
    }

    /// Asks for what must fail.
    pub async fn fail(&self, method: &str, parameters: Value) -> Failure {
        match self.ask(method, parameters.clone()).await {
            Err(failure) => failure,
            Ok(value) => panic!("{method} {parameters} gave {value}"),
        }
    }

    pub async fn subscribe(&self, method: &str, parameters: Value) -> Subscription<Value> {
        // The client does not look at the name for unsubscribing before it unsubscribes.
        let unsubscribe = method.replacen("subscribe", "unsubscribe", 1);
        self.0.subscribe(method, Parameters(parameters), &unsubscribe).await.unwrap()
    }

    pub async fn watch(&self, bytes: &[u8]) -> Result<Subscription<Value>, Failure> {
        let parameters = Parameters(json!([hex(bytes)]));
        self.0
            .subscribe("author_submitAndWatchExtrinsic", parameters, "author_unwatchExtrinsic")
            .await
            .map_err(failure)
    }
}

pub async fn next(subscription: &mut Subscription<Value>) -> Value {
    let next = tokio::time::timeout(std::time::Duration::from_secs(20), subscription.next());
    next.await.expect("a notification in time").expect("an open subscription").expect("a notification")
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Call(error) => Failure {
            code: error.code(),
            message: error.message().to_owned(),
            data: error.data().map(|data| data.get().to_owned()).unwrap_or_default(),
        },
        other => panic!("the connection failed: {other}"),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Posts `body` over plain HTTP; gives the status line and the answer.
pub async fn post(address: SocketAddr, body: &str) -> (String, String) {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    exchange(address, &(head + body)).await
}

/// Sends a whole HTTP request; gives the status line and the answer's body.
pub async fn exchange(address: SocketAddr, request: &str) -> (String, String) {
    let answer = whole_exchange(address, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// Sends a whole HTTP request; gives the answer with its headers.
pub async fn whole_exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

pub async fn post_json(address: SocketAddr, request: Value) -> Value {
    let (status, body) = post(address, &request.to_string()).await;
    assert_eq!(status, "HTTP/1.1 200 OK", "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Signs calls for one account on one chain.
pub struct Signer {
    pub pair: sr25519::Pair,
    pub genesis: Hash,
}

impl Signer {
    pub fn account(&self) -> AccountId {
        AccountId::from(self.pair.public())
    }

    pub fn sign(&self, call: RuntimeCall, nonce: Nonce, tip: Balance, era: Era, birth: Hash) -> Vec<u8> {
        self.sign_encoded(&call.encode(), nonce, tip, era, birth)
    }

    /// Signs a call that may be no call at all.
    pub fn sign_encoded(&self, call: &[u8], nonce: Nonce, tip: Balance, era: Era, birth: Hash) -> Vec<u8> {
        let extension: TxExtension = (
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckSpecVersion::new(),
            frame_system::CheckTxVersion::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckEra::from(era),
            myelin_runtime::extensions::CheckNonce(nonce),
            frame_system::CheckWeight::new(),
            pallet_transaction_payment::ChargeTransactionPayment::from(tip),
            Default::default(),
            frame_metadata_hash_extension::CheckMetadataHash::new(false),
        );
        let extension = extension.encode();
        let metadata_hash = None::<[u8; 32]>;
        let implicit =
            (VERSION.spec_version, VERSION.transaction_version, self.genesis, birth, metadata_hash).encode();
        let mut payload = [call, &extension, &implicit].concat();
        if payload.len() > 256 {
            payload = sp_crypto_hashing::blake2_256(&payload).to_vec();
        }
        let signature = MultiSignature::Sr25519(self.pair.sign(&payload)).encode();
        let address = MultiAddress::<_, ()>::Id(self.account()).encode();
        [&[SIGNED_VERSION_4], address.as_slice(), &signature, &extension, call].concat().encode()
    }

    pub fn transfer(&self, to: Sr25519Keyring, amount: Balance, nonce: Nonce) -> Vec<u8> {
        self.sign(transfer_call(to, amount), nonce, 0, Era::Immortal, self.genesis)
    }
}

pub fn transfer_call(to: Sr25519Keyring, amount: Balance) -> RuntimeCall {
    RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
        dest: MultiAddress::Id(to.to_account_id()),
        value: amount,
    })
}

/// The key of an account in the state.
pub fn account_key(account: &AccountId) -> String {
    hex(&myelin_chain::storage_keys::account(account))
}
