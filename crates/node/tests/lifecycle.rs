//! Nodes that start, run, fail, end and start again.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use jsonrpsee::{core::client::ClientT, rpc_params, ws_client::WsClientBuilder};
use myelin_chain::{sequencer::Running, Application, LocalConfig, SealMode, Sequencer, StoreError};
use myelin_node::{ChainSpec, History, Location, Node, NodeConfig, NodeError, NodeHandle, RpcConfig};
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);

fn manual(path: &Path) -> Node {
    Node::development().audited().base_path(path).sealing(SealMode::Manual)
}

async fn ask(node: &NodeHandle, method: &str) -> Value {
    let client = WsClientBuilder::default().build(node.ws_url()).await.unwrap();
    client.request(method, rpc_params![]).await.unwrap()
}

async fn fails(node: Node) -> NodeError {
    match node.start().await {
        Err(error) => error,
        Ok(_) => panic!("it starts"),
    }
}

#[tokio::test]
async fn one_line_starts_a_chain_that_makes_blocks() {
    let started = Instant::now();
    let node = Node::development().audited().start().await.unwrap();
    assert_eq!(ask(&node, "system_chain").await, "Myelin Development");
    assert_eq!(ask(&node, "system_chainType").await, "Development");
    let mut events = node.chain().subscribe();
    if node.chain().tip().number() == 0 {
        timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
    }
    assert!(started.elapsed() < PATIENCE);
    assert!(node.http_url().starts_with("http://127.0.0.1:"));
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_chain_goes_on_where_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    let node = manual(directory.path()).start().await.unwrap();
    let tip = node.development().unwrap().mine(7).await.unwrap();
    node.shutdown().await.unwrap();
    for _ in 0..3 {
        let node = manual(directory.path()).start().await.unwrap();
        assert_eq!(ask(&node, "chain_getHead").await, serde_json::json!(tip.hash));
        node.shutdown().await.unwrap();
    }
    let node = manual(directory.path()).start().await.unwrap();
    assert_eq!(node.development().unwrap().mine(1).await.unwrap().number(), 8);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_base_path_belongs_to_one_node_and_one_chain() {
    let directory = tempfile::tempdir().unwrap();
    let node = manual(directory.path()).start().await.unwrap();
    let error = fails(manual(directory.path())).await;
    assert!(matches!(&error, NodeError::Store(StoreError::Locked { .. })), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    node.shutdown().await.unwrap();

    let config = NodeConfig {
        rpc: Some(RpcConfig::any_port()),
        ..NodeConfig::new(
            ChainSpec::development_with_slot(1_000),
            Location::Directory(directory.path().to_owned()),
        )
    };
    let error = fails(Node::local(config.clone(), LocalConfig::new(SealMode::Manual)).audited()).await;
    assert!(matches!(&error, NodeError::BlockTime { found_ms: 250, expected_ms: 1_000 }), "{error}");
    let mut config = config;
    config.chain.genesis.balances.pop();
    let error = fails(Node::local(config, LocalConfig::new(SealMode::Manual)).audited()).await;
    assert!(error.to_string().contains("belongs to the chain with genesis"), "more differs: {error}");

    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = fails(manual(&file)).await;
    assert!(matches!(&error, NodeError::Store(StoreError::Unreachable { .. })), "{error}");
}

#[tokio::test]
async fn a_port_belongs_to_one_node() {
    let node = Node::development().audited().start().await.unwrap();
    let address: SocketAddr = node.rpc_address().unwrap();
    let error = fails(Node::development().audited().rpc_address(address)).await;
    assert!(matches!(&error, NodeError::Rpc(_)), "{error}");
    assert!(error.to_string().contains(&format!("{address} is in use")), "{error}");
    node.shutdown().await.unwrap();
    let node = Node::development().audited().rpc_address(address).start().await.unwrap();
    assert_eq!(node.rpc_address(), Some(address), "the port is free again at once");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_node_can_do_without_rpc() {
    let node = Node::development().audited().rpc(None).sealing(SealMode::Manual).start().await.unwrap();
    assert_eq!((node.rpc_address(), node.ws_url()), (None, String::new()));
    assert_eq!(node.development().unwrap().mine(1).await.unwrap().number(), 1);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_ends_when_told_from_outside_or_dropped() {
    let token = CancellationToken::new();
    let node = Node::development().audited().shutdown_on(token.clone()).start().await.unwrap();
    token.cancel();
    timeout(PATIENCE, node.wait()).await.unwrap().unwrap();

    let directory = tempfile::tempdir().unwrap();
    drop(manual(directory.path()).start().await.unwrap());
    let started = async {
        loop {
            match manual(directory.path()).start().await {
                Ok(node) => break node,
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(PATIENCE, started)
        .await
        .expect("the dropped node lets go of its base path")
        .shutdown()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_bad_genesis_is_explained() {
    let mut chain = ChainSpec::development();
    chain.genesis.balances.push(chain.genesis.balances[0].clone());
    let node = Node::local(NodeConfig::new(chain, Location::Memory), LocalConfig::new(SealMode::Manual));
    let error = fails(node.rpc(None)).await;
    assert!(matches!(&error, NodeError::Genesis { .. }), "{error}");
    assert!(error.to_string().contains("\"Myelin Development\""), "{error}");
}

#[tokio::test]
async fn a_node_that_cannot_write_goes_on_reading_and_ends_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut config =
        NodeConfig::new(ChainSpec::development(), Location::Directory(directory.path().to_owned()));
    config.store.max_bytes = Some(4 << 20);
    config.store.history = History::Archive;
    config.rpc = Some(RpcConfig::any_port());
    let node = Node::local(config, LocalConfig::new(SealMode::Manual)).audited().start().await.unwrap();
    let token = node.shutdown_token();
    let address = node.rpc_address().unwrap();
    let control = node.development().unwrap().clone();
    let failing = async { while control.seal().await.is_ok() {} };
    timeout(Duration::from_secs(120), failing).await.expect("the database fills up");
    let says = async {
        while !ask(&node, "system_health").await.to_string().contains("no space left") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, says).await.expect("it says what is wrong");
    assert!(!token.is_cancelled(), "whoever asks is answered");
    let header = ask(&node, "chain_getHeader").await;
    assert_eq!(header["number"], format!("{:#x}", node.chain().tip().number()));
    assert!(ask(&node, "state_getRuntimeVersion").await["specVersion"].is_u64());
    token.cancel();
    let error = timeout(PATIENCE, node.wait()).await.unwrap().unwrap_err();
    assert!(matches!(&error, NodeError::Sequencer(_)), "{error}");
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody is served any more");
}

/// A sequencer that does what it is told and nothing else.
enum Stub {
    Ends,
    Panics,
    Waits,
}

impl Sequencer for Stub {
    fn name(&self) -> &'static str {
        "stub"
    }

    fn run(self: Box<Self>, application: Application, shutdown: CancellationToken) -> Running {
        Box::pin(async move {
            assert_eq!(application.chain().tip().number(), 0);
            match *self {
                Self::Ends => Ok(()),
                Self::Panics => panic!("a defect"),
                Self::Waits => {
                    shutdown.cancelled().await;
                    Ok(())
                }
            }
        })
    }
}

fn with(sequencer: Stub) -> Node {
    let config = NodeConfig {
        rpc: Some(RpcConfig::any_port()),
        ..NodeConfig::new(ChainSpec::development(), Location::Memory)
    };
    Node::new(config, Box::new(sequencer))
}

#[tokio::test]
async fn any_sequencer_will_do() {
    let node = with(Stub::Waits).start().await.unwrap();
    assert!(node.development().is_none());
    let methods = ask(&node, "rpc_methods").await;
    assert!(!methods.to_string().contains("dev_"), "{methods}");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_sequencer_that_ends_or_panics_takes_the_node_with_it() {
    let node = with(Stub::Ends).start().await.unwrap();
    let address = node.rpc_address().unwrap();
    let error = timeout(PATIENCE, node.wait()).await.unwrap().unwrap_err();
    assert!(matches!(&error, NodeError::SequencerEnded("stub")), "{error}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());

    let node = with(Stub::Panics).start().await.unwrap();
    let address = node.rpc_address().unwrap();
    let error = timeout(PATIENCE, node.wait()).await.unwrap().unwrap_err();
    assert!(matches!(&error, NodeError::Panicked(_)), "{error}");
    let closed = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, closed).await.expect("the server ends, too");
}
