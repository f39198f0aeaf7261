//! A node reduced to the methods that the client uses, which behaves as badly as a test asks for.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use codec::{Decode, Encode};
use frame_system::{EventRecord, Phase};
use jsonrpsee::{
    core::SubscriptionResult,
    server::{RpcModule, Server, ServerHandle, SubscriptionMessage, SubscriptionSink},
    types::ErrorObjectOwned,
    PendingSubscriptionSink,
};
use myelin_client::ClientConfig;
use myelin_runtime::{Hash, Header, RuntimeEvent, UncheckedExtrinsic, VERSION};
use parking_lot::Mutex;
use serde_json::{json, Value};
use sp_core::crypto::AccountId32;
use sp_runtime::{generic::Preamble, traits::Header as _, DispatchError};

/// What the node does with a submission.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Puts it into the next block.
    Include,
    /// Puts it into the next block, where it fails.
    Fail(DispatchError),
    /// Does not take it.
    Refuse(i32, &'static str, &'static str),
    /// Takes it and says nothing more.
    Forget,
    /// Takes it and drops it from the pool.
    Drop,
    /// Puts it into the next block and closes the connection before it says so.
    IncludeAndDie,
}

struct Block {
    header: Header,
    extrinsics: Vec<Vec<u8>>,
    events: Vec<EventRecord<RuntimeEvent, Hash>>,
}

pub struct Chain {
    blocks: Mutex<Vec<Block>>,
    /// Reactions to submissions to come; `Include` when used up.
    pub reactions: Mutex<VecDeque<Reaction>>,
    /// Nonces of the submissions so far.
    pub nonces: Mutex<Vec<u32>>,
    /// Answers to `account_nextIndex`.
    pub next_nonce: Mutex<u32>,
    pub nonce_requests: Mutex<u32>,
    /// Dry runs that it refused.
    pub dry_runs: Mutex<u32>,
    pub spec_version: Mutex<u32>,
    /// Methods that never answer.
    pub silent: Mutex<Vec<&'static str>>,
    heads: Mutex<Vec<SubscriptionSink>>,
    server: Mutex<Option<ServerHandle>>,
}

pub const FEE_RAO: u64 = 1234;

impl Chain {
    pub fn new(genesis_state: Hash) -> Arc<Self> {
        let chain = Arc::new(Self {
            blocks: Mutex::default(),
            reactions: Mutex::default(),
            nonces: Mutex::default(),
            next_nonce: Mutex::new(5),
            nonce_requests: Mutex::default(),
            dry_runs: Mutex::default(),
            spec_version: Mutex::new(VERSION.spec_version),
            silent: Mutex::default(),
            heads: Mutex::default(),
            server: Mutex::default(),
        });
        chain.append_to(Hash::zero(), genesis_state, Vec::new(), Vec::new());
        chain
    }

    fn append_to(
        &self,
        parent: Hash,
        state: Hash,
        extrinsics: Vec<Vec<u8>>,
        events: Vec<RuntimeEvent>,
    ) -> Header {
        let mut blocks = self.blocks.lock();
        let number = u32::try_from(blocks.len()).unwrap();
        let header = Header::new(number, Hash::zero(), state, parent, Default::default());
        let record = |event| EventRecord { phase: Phase::ApplyExtrinsic(0), event, topics: Vec::new() };
        let events = events.into_iter().map(record).collect();
        blocks.push(Block { header: header.clone(), extrinsics, events });
        header
    }

    /// A new block on top.
    pub fn append(&self, extrinsics: Vec<Vec<u8>>, events: Vec<RuntimeEvent>) -> Header {
        let header = self.append_to(self.head(), Hash::zero(), extrinsics, events);
        let message = SubscriptionMessage::from_json(&header).unwrap();
        for sink in self.heads.lock().iter_mut() {
            // A sink of a lost connection refuses.
            let _ = sink.try_send(message.clone());
        }
        header
    }

    pub fn head(&self) -> Hash {
        self.blocks.lock().last().unwrap().header.hash()
    }

    fn find<T>(&self, hash: Option<Hash>, read: impl Fn(&Block) -> T) -> Option<T> {
        let hash = hash.unwrap_or_else(|| self.head());
        self.blocks.lock().iter().find(|block| block.header.hash() == hash).map(read)
    }

    fn include(&self, bytes: Vec<u8>, failure: Option<DispatchError>) -> Hash {
        let fee = RuntimeEvent::TransactionPayment(pallet_transaction_payment::Event::TransactionFeePaid {
            who: AccountId32::new([1; 32]),
            actual_fee: FEE_RAO,
            tip: 0,
        });
        let dispatch_info = Default::default();
        let end = match failure {
            Some(dispatch_error) => frame_system::Event::ExtrinsicFailed { dispatch_error, dispatch_info },
            None => frame_system::Event::ExtrinsicSuccess { dispatch_info },
        };
        self.append(vec![bytes], vec![fee, RuntimeEvent::System(end)]).hash()
    }

    /// Starts answering at `address`.
    pub async fn serve(self: &Arc<Self>, address: SocketAddr) -> SocketAddr {
        let server = Server::builder().build(address).await.unwrap();
        let address = server.local_addr().unwrap();
        *self.server.lock() = Some(server.start(methods(Arc::clone(self))));
        address
    }

    /// Closes the port and all connections.
    pub async fn stop(&self) {
        let handle = self.server.lock().take().unwrap();
        self.heads.lock().clear();
        let _ = handle.stop();
        handle.stopped().await;
    }
}

/// A chain that answers, and settings to talk to it with little patience.
pub async fn start() -> (Arc<Chain>, ClientConfig) {
    let chain = Chain::new(Hash::repeat_byte(1));
    let address = chain.serve(([127, 0, 0, 1], 0).into()).await;
    (chain, config(address))
}

fn config(address: SocketAddr) -> ClientConfig {
    ClientConfig {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(2),
        inclusion_timeout: Duration::from_millis(500),
        reconnect_timeout: Duration::from_secs(5),
        ..ClientConfig::new(format!("ws://{address}"))
    }
}

fn methods(chain: Arc<Chain>) -> RpcModule<Chain> {
    let mut module = RpcModule::from_arc(chain);
    answer(&mut module, "state_getRuntimeVersion", |chain, _| {
        json!({
            "specName": VERSION.spec_name,
            "specVersion": *chain.spec_version.lock(),
            "transactionVersion": VERSION.transaction_version,
        })
    });
    answer(&mut module, "chain_getBlockHash", |chain, params| match params.first() {
        Some(Value::Number(number)) => {
            let index = usize::try_from(number.as_u64().unwrap()).unwrap();
            json!(chain.blocks.lock().get(index).map(|block| block.header.hash()))
        }
        _ => json!(chain.head()),
    });
    answer(&mut module, "chain_getFinalizedHead", |chain, _| json!(chain.head()));
    answer(&mut module, "chain_getHeader", |chain, params| {
        json!(chain.find(hash(params, 0), |block| block.header.clone()))
    });
    answer(&mut module, "chain_getBlock", |chain, params| {
        json!(chain.find(hash(params, 0), |block| {
            let extrinsics: Vec<_> = block.extrinsics.iter().map(|bytes| hex_text(bytes)).collect();
            json!({ "block": { "header": block.header, "extrinsics": extrinsics }, "justifications": null })
        }))
    });
    answer(&mut module, "state_getStorage", |chain, params| {
        json!(chain.find(hash(params, 1), |block| hex_text(&block.events.encode())))
    });
    answer(&mut module, "state_call", |_, params| match params.first() {
        Some(Value::String(method)) if method == "AccountNonceApi_account_nonce" => json!("0x05000000"),
        _ => json!("0x2a"),
    });
    module
        .register_method("system_dryRun", |_, chain, _| {
            *chain.dry_runs.lock() += 1;
            Err::<Value, _>(ErrorObjectOwned::owned(
                -32601,
                "RPC call is unsafe to be called externally",
                None::<()>,
            ))
        })
        .unwrap();
    answer(&mut module, "account_nextIndex", |chain, _| {
        *chain.nonce_requests.lock() += 1;
        json!(*chain.next_nonce.lock())
    });
    subscriptions(&mut module);
    module
}

/// Registers a method that may be told to keep silent.
fn answer(module: &mut RpcModule<Chain>, name: &'static str, reply: fn(&Chain, &[Value]) -> Value) {
    module
        .register_async_method(name, move |params, chain, _| async move {
            if chain.silent.lock().contains(&name) {
                std::future::pending::<()>().await;
            }
            let params: Vec<Value> = params.parse().unwrap_or_default();
            Ok::<_, ErrorObjectOwned>(reply(&chain, &params))
        })
        .unwrap();
}

fn subscriptions(module: &mut RpcModule<Chain>) {
    module
        .register_subscription(
            "chain_subscribeNewHeads",
            "chain_newHead",
            "chain_unsubscribeNewHeads",
            |_, pending, chain, _| async move {
                let sink = pending.accept().await?;
                let head = chain.find(None, |block| block.header.clone());
                sink.send(SubscriptionMessage::from_json(&head)?).await?;
                chain.heads.lock().push(sink.clone());
                sink.closed().await;
                Ok(())
            },
        )
        .unwrap();
    module
        .register_subscription(
            "author_submitAndWatchExtrinsic",
            "author_extrinsicUpdate",
            "author_unwatchExtrinsic",
            |params, pending, chain, _| async move {
                let bytes: sp_core::Bytes = params.one()?;
                react(&chain, bytes.0, pending).await
            },
        )
        .unwrap();
}

async fn react(chain: &Arc<Chain>, bytes: Vec<u8>, pending: PendingSubscriptionSink) -> SubscriptionResult {
    chain.nonces.lock().push(nonce_of(&bytes));
    let reaction = chain.reactions.lock().pop_front().unwrap_or(Reaction::Include);
    if let Reaction::Refuse(code, message, data) = reaction {
        pending.reject(ErrorObjectOwned::owned(code, message, Some(data))).await;
        return Ok(());
    }
    let sink = pending.accept().await?;
    // A clone that is dropped would end the subscription.
    let sink = &sink;
    let send =
        |status: Value| async move { sink.send(SubscriptionMessage::from_json(&status).unwrap()).await };
    send(json!("ready")).await?;
    match reaction {
        Reaction::Include | Reaction::Refuse(..) => {
            let block = chain.include(bytes, None);
            send(json!({ "inBlock": block })).await?;
            send(json!({ "finalized": block })).await?;
        }
        Reaction::Fail(error) => {
            let block = chain.include(bytes, Some(error));
            send(json!({ "inBlock": block })).await?;
        }
        Reaction::Drop => send(json!("dropped")).await?,
        Reaction::Forget => sink.closed().await,
        Reaction::IncludeAndDie => {
            chain.include(bytes, None);
            let _ = chain.server.lock().as_ref().unwrap().stop();
        }
    }
    Ok(())
}

fn nonce_of(bytes: &[u8]) -> u32 {
    let extrinsic = UncheckedExtrinsic::decode(&mut &bytes[..]).unwrap();
    match extrinsic.preamble {
        Preamble::Signed(_, _, extension) => extension.5 .0,
        _ => panic!("a signed extrinsic"),
    }
}

fn hash(params: &[Value], index: usize) -> Option<Hash> {
    params.get(index).and_then(|value| serde_json::from_value(value.clone()).ok())
}

fn hex_text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
