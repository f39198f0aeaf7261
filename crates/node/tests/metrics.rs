//! Metrics and health of real nodes, over HTTP.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use jsonrpsee::{core::client::ClientT, rpc_params, ws_client::WsClientBuilder};
use myelin_node::{
    ConsensusStatus, History, MetricsOptions, NetworkStatus, Node, NodeError, NodeHandle, SealMode,
};
use serde_json::{json, Value};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> MetricsOptions {
    MetricsOptions::at(([127, 0, 0, 1], 0).into())
}

/// Status and body of an answer.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body = if head.contains("transfer-encoding: chunked") { panic!("chunked: {head}") } else { body };
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn metrics(node: &NodeHandle) -> String {
    let (status, body) = get(node.metrics_address().unwrap(), "/metrics").await;
    assert_eq!(status, 200);
    body
}

async fn health(node: &NodeHandle) -> (u16, Value) {
    let (status, body) = get(node.metrics_address().unwrap(), "/health").await;
    (status, serde_json::from_str(&body).unwrap())
}

/// The number on the line that begins like this.
fn number(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_node_counts_what_it_does() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::development()
        .base_path(directory.path())
        .history(History::Archive)
        .sealing(SealMode::Manual)
        .network(Arc::new(|| NetworkStatus {
            peers: 3,
            is_syncing: true,
            should_have_peers: true,
            trouble: None,
            signs: Some(true),
        }))
        .consensus(Arc::new(|| ConsensusStatus { height: 8, round: 2, validators: 4, peers: 3 }))
        .metrics(Some(MetricsOptions {
            others: vec![Arc::new(|| "engine_votes_total 5\n# EOF\n".to_owned())],
            ..options()
        }))
        .start()
        .await
        .unwrap();
    node.development().unwrap().mine(7).await.unwrap();
    let client = WsClientBuilder::default().build(node.ws_url()).await.unwrap();
    let _: Value = client.request("chain_getHead", rpc_params![]).await.unwrap();
    assert!(client.request::<Value, _>("chain_getHeader", rpc_params!["?"]).await.is_err());
    assert!(client.request::<Value, _>("no_such_method", rpc_params![]).await.is_err());

    let text = metrics(&node).await;
    for (name, expected) in [
        ("myelin_block_height", 7.0),
        ("myelin_blocks_total", 7.0),
        ("myelin_block_interval_seconds_count", 6.0),
        ("myelin_block_extrinsics_count", 7.0),
        ("myelin_block_extrinsics_sum", 7.0),
        ("myelin_mempool_transactions{state=\"ready\"}", 0.0),
        ("myelin_mempool_bytes", 0.0),
        ("myelin_rpc_requests_total{method=\"chain_getHead\"}", 1.0),
        ("myelin_rpc_errors_total{method=\"chain_getHead\"}", 0.0),
        ("myelin_rpc_errors_total{method=\"chain_getHeader\"}", 1.0),
        ("myelin_rpc_requests_total{method=\"unknown\"}", 1.0),
        ("myelin_rpc_connections", 1.0),
        ("myelin_network_peers", 3.0),
        ("myelin_network_syncing", 1.0),
        ("myelin_consensus_signs", 1.0),
        ("myelin_consensus_height", 8.0),
        ("myelin_consensus_round", 2.0),
        ("myelin_consensus_validators", 4.0),
        ("engine_votes_total", 5.0),
    ] {
        assert_eq!(number(&text, name), expected, "{name} in\n{text}");
    }
    assert!(number(&text, "myelin_store_commits_total") >= 2.0);
    assert!(number(&text, "myelin_store_commit_seconds_total") > 0.0);
    assert!(number(&text, "myelin_store_file_bytes") > 1_000.0);
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    assert_eq!(get(node.metrics_address().unwrap(), "/").await.0, 404);
    drop(client);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_node_that_makes_blocks_is_healthy_and_one_that_does_not_is_not() {
    let node = Node::development().metrics(Some(options())).start().await.unwrap();
    let started = Instant::now();
    let (status, found) = loop {
        let (status, found) = health(&node).await;
        if found["healthy"] == json!(true) || started.elapsed() > PATIENCE {
            break (status, found);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((status, &found["is_syncing"], &found["peers"]), (200, &json!(false), &json!(0)), "{found}");
    assert!(found["height"].as_u64().unwrap() >= 1 && found["reason"].is_null(), "{found}");
    node.shutdown().await.unwrap();

    let stalled = Node::development()
        .sealing(SealMode::Manual)
        .metrics(Some(MetricsOptions { max_tip_age_slots: Some(0), ..options() }))
        .start()
        .await
        .unwrap();
    let (status, found) = health(&stalled).await;
    assert_eq!((status, &found["reason"]), (503, &json!("there is no block yet")));
    stalled.development().unwrap().mine(1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (status, found) = health(&stalled).await;
    assert_eq!((status, &found["healthy"], &found["height"]), (503, &json!(false), &json!(1)), "{found}");
    assert!(found["reason"].as_str().unwrap().contains("more than 0 slots"), "{found}");
    stalled.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_a_node_misses_makes_it_unhealthy_at_both_ports() {
    let trouble = || "no node of this chain is connected".to_owned();
    let node = Node::development()
        .network(Arc::new(move || NetworkStatus { trouble: Some(trouble()), ..NetworkStatus::default() }))
        .metrics(Some(options()))
        .start()
        .await
        .unwrap();
    for address in [node.metrics_address().unwrap(), node.rpc_address().unwrap()] {
        let (status, body) = get(address, "/health").await;
        let found: Value = serde_json::from_str(&body).unwrap();
        let reason = found["reason"].as_str().unwrap();
        assert!(status == 503 && reason.starts_with("no node of this chain is connected"), "{found}");
    }
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_chain_that_makes_blocks_on_demand_is_healthy_without_any() {
    let node = Node::development().sealing(SealMode::Manual).start().await.unwrap();
    let (status, body) = get(node.rpc_address().unwrap(), "/health").await;
    assert!(status == 200 && body.contains("\"healthy\":true"), "{status} {body}");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_is_off_by_default_and_its_port_is_its_own() {
    let node = Node::development().start().await.unwrap();
    assert_eq!(node.metrics_address(), None);
    node.shutdown().await.unwrap();

    let node = Node::development().metrics(Some(options())).start().await.unwrap();
    let address = node.metrics_address().unwrap();
    let second = Node::development().metrics(Some(MetricsOptions::at(address))).start().await;
    let Err(error) = second else { panic!("two nodes serve at {address}") };
    assert!(matches!(&error, NodeError::Metrics(_)), "{error}");
    assert!(error.to_string().contains("choose another address"), "{error}");
    node.shutdown().await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn an_open_connection_does_not_keep_the_base_path() {
    let directory = tempfile::tempdir().unwrap();
    let start = || Node::development().base_path(directory.path()).metrics(Some(options())).start();
    let node = start().await.unwrap();
    let mut open = TcpStream::connect(node.metrics_address().unwrap()).await.unwrap();
    open.write_all(b"GET /health HTTP/1.1\r\nhost: {address}\r\n\r\n").await.unwrap();
    assert!(open.read(&mut [0; 64]).await.unwrap() > 0, "it is being served");
    node.shutdown().await.unwrap();
    start().await.expect("the base path is free").shutdown().await.unwrap();
}
