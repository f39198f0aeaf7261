//! Requests that are answered again and again.

use myelin_rpc::RpcConfig;
use myelin_runtime::VERSION;
use serde_json::{json, Value};
use sp_keyring::Sr25519Keyring::{Alice, Bob, Ferdie};

use crate::{
    raw::Socket,
    rig::{account_key, hex, next, Rig},
};

const HEADS: &[(&str, &str)] = &[
    ("chain_subscribeNewHeads", "chain_unsubscribeNewHeads"),
    ("chain_subscribeNewHead", "chain_unsubscribeNewHead"),
    ("chain_subscribe_newHead", "chain_unsubscribe_newHead"),
    ("chain_subscribeFinalizedHeads", "chain_unsubscribeFinalizedHeads"),
    ("chain_subscribeFinalisedHeads", "chain_unsubscribeFinalisedHeads"),
    ("chain_subscribeAllHeads", "chain_unsubscribeAllHeads"),
];

fn number(header: &Value) -> u32 {
    u32::from_str_radix(header["number"].as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

#[tokio::test]
async fn heads_come_one_by_one_however_fast_blocks_are_made() {
    let rig = Rig::manual().await;
    rig.mine(2).await;
    let client = rig.client().await;
    let mut subscriptions = Vec::new();
    for (method, _) in HEADS {
        subscriptions.push(client.subscribe(method, json!([])).await);
    }
    rig.mine(500).await;
    for subscription in &mut subscriptions {
        for expected in 2..=502 {
            let header = next(subscription).await;
            assert_eq!(number(&header), expected);
        }
    }
    rig.mine(1).await;
    let header = next(&mut subscriptions[0]).await;
    let parent = rig.chain.hash_of(502).unwrap().unwrap();
    assert_eq!((number(&header), &header["parentHash"]), (503, &json!(parent)));
}

#[tokio::test]
async fn notifications_carry_the_names_that_clients_expect() {
    let rig = Rig::manual().await;
    let mut socket = Socket::connect(rig.address()).await;
    let names = [
        ("chain_subscribeNewHeads", json!([]), "chain_newHead", "chain_unsubscribeNewHeads"),
        (
            "chain_subscribeFinalizedHeads",
            json!([]),
            "chain_finalizedHead",
            "chain_unsubscribeFinalizedHeads",
        ),
        ("chain_subscribeAllHeads", json!([]), "chain_allHead", "chain_unsubscribeAllHeads"),
        ("state_subscribeStorage", json!([["0x00"]]), "state_storage", "state_unsubscribeStorage"),
        (
            "state_subscribeRuntimeVersion",
            json!([]),
            "state_runtimeVersion",
            "state_unsubscribeRuntimeVersion",
        ),
    ];
    for (subscribe, parameters, notification, unsubscribe) in names {
        let accepted = socket.ask(subscribe, parameters).await;
        let id = accepted["result"].as_str().unwrap_or_else(|| panic!("{subscribe}: {accepted}"));
        assert_eq!(id.len(), 16, "a random text");
        let first = socket.receive().await.unwrap();
        assert_eq!(first["method"], notification);
        assert_eq!(first["params"]["subscription"], id);
        assert!(first["params"]["result"].is_object(), "{first}");
        assert_eq!(socket.ask(unsubscribe, json!([id])).await["result"], true);
        assert_eq!(socket.ask(unsubscribe, json!([id])).await["result"], false);
    }
}

#[tokio::test]
async fn heads_follow_a_chain_that_is_taken_back() {
    let rig = Rig::manual().await;
    rig.mine(3).await;
    let snapshot = rig.control.snapshot().await.unwrap();
    let client = rig.client().await;
    let mut heads = client.subscribe("chain_subscribeNewHeads", json!([])).await;
    rig.mine(4).await;
    for expected in 3..=7 {
        assert_eq!(number(&next(&mut heads).await), expected);
    }
    rig.control.revert(snapshot).await.unwrap();
    assert_eq!(number(&next(&mut heads).await), 3);
    rig.mine(1).await;
    assert_eq!(number(&next(&mut heads).await), 4);
}

#[tokio::test]
async fn watched_values_are_told_when_they_change() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let keys = [account_key(&Bob.to_account_id()), account_key(&Ferdie.to_account_id()), "0xdead".to_owned()];
    let mut storage = client.subscribe("state_subscribeStorage", json!([keys])).await;
    let first = next(&mut storage).await;
    assert_eq!(first["block"], json!(rig.chain.genesis_hash()));
    assert_eq!(first["changes"].as_array().unwrap().len(), 3);
    assert_eq!(first["changes"][2], json!(["0xdead", null]));
    rig.mine(3).await;
    client.get("author_submitExtrinsic", json!([hex(&rig.signer(Alice).transfer(Bob, 1_000, 0))])).await;
    let hash = rig.mine(1).await;
    let change = next(&mut storage).await;
    assert_eq!(change["block"], json!(hash), "blocks without a change are not told");
    let value = client.get("state_getStorage", json!([keys[0]])).await;
    assert_eq!(change["changes"], json!([[keys[0], value]]));
    let mut socket = Socket::connect(rig.address()).await;
    let refused = socket.ask("state_subscribeStorage", json!([])).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("(`keys`) is missing"), "{refused}");
    let refused = socket.ask("state_subscribeStorage", json!([vec!["00"; 1001]])).await;
    assert_eq!(refused["error"]["code"], 4002);
}

#[tokio::test]
async fn what_a_connection_watches_is_bounded_in_bytes() {
    const LONG: usize = 2000;
    let limits = RpcConfig { max_watched_bytes: 3 * LONG * 2, ..RpcConfig::any_port() };
    let rig = Rig::limited(limits).await;
    let mut socket = Socket::connect(rig.address()).await;
    // Another spelling of a key is the same key.
    let twice = [vec!["0xAA"; 300], vec!["aa"; 300]].concat();
    let watched = socket.ask("state_subscribeStorage", json!([twice])).await;
    assert!(watched["result"].is_string(), "{watched}");
    let told = socket.receive().await.unwrap();
    assert_eq!(told["params"]["result"]["changes"], json!([["0xAA", null]]));

    let long = |byte: &str| json!([[byte.repeat(LONG)]]);
    let watched = socket.ask("state_subscribeStorage", long("11")).await;
    assert!(watched["result"].is_string(), "{watched}");
    socket.receive().await.unwrap();
    let refused = socket.ask("state_subscribeStorage", long("22")).await;
    assert_eq!(refused["error"]["code"], 4002, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("watch fewer keys"), "{refused}");
    socket.ask("state_unsubscribeStorage", json!([watched["result"]])).await;
    let again = socket.ask("state_subscribeStorage", long("22")).await;
    assert!(again["result"].is_string(), "what is not watched any more is not counted: {again}");
}

#[tokio::test]
async fn the_runtime_version_is_told_at_once() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let mut version = client.subscribe("state_subscribeRuntimeVersion", json!([])).await;
    assert_eq!(next(&mut version).await["specVersion"], VERSION.spec_version);
}

#[tokio::test]
async fn a_slow_reader_of_heads_misses_none() {
    let rig = Rig::limited(RpcConfig { notification_capacity: 2, ..RpcConfig::any_port() }).await;
    let mut slow = Socket::connect(rig.address()).await;
    slow.send("chain_subscribeNewHeads", json!([])).await;
    for _ in 0..20 {
        rig.mine(10).await;
    }
    assert!(slow.receive().await.unwrap()["result"].is_string());
    for expected in 0..=200 {
        let head = slow.receive().await.unwrap();
        assert_eq!(number(&head["params"]["result"]), expected);
    }
}
