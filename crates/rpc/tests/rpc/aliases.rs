//! Every name and every spelling that clients use.

use serde_json::{json, Value};

use crate::rig::{post_json, Rig};

const ALIASES: &[(&str, &str, &str)] = &[
    ("chain_getBlockHash", "chain_getHead", "[]"),
    ("chain_getFinalizedHead", "chain_getFinalisedHead", "[]"),
    ("state_getRuntimeVersion", "chain_getRuntimeVersion", "[null]"),
    ("state_getStorage", "state_getStorageAt", r#"["0x3a"]"#),
    ("state_getStorageHash", "state_getStorageHashAt", r#"["0x3a"]"#),
    ("state_getStorageSize", "state_getStorageSizeAt", r#"["0x3a"]"#),
    ("state_getKeysPaged", "state_getKeysPagedAt", r#"["0x", 3]"#),
    ("state_call", "state_callAt", r#"["Core_version", "0x"]"#),
    (
        "system_accountNextIndex",
        "account_nextIndex",
        r#"["5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"]"#,
    ),
];

#[tokio::test]
async fn aliases_answer_as_the_method_itself() {
    let rig = Rig::manual().await;
    rig.mine(2).await;
    let client = rig.client().await;
    for (method, alias, parameters) in ALIASES {
        let parameters: Value = serde_json::from_str(parameters).unwrap();
        let answer = client.get(method, parameters.clone()).await;
        assert_eq!(client.get(alias, parameters).await, answer, "{alias}");
    }
}

#[tokio::test]
async fn named_parameters_mean_the_same_over_http_and_websocket() {
    let rig = Rig::manual().await;
    let hash = rig.mine(3).await;
    let client = rig.client().await;
    let account = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let cases = [
        (
            "state_call",
            json!({"name": "Core_version", "bytes": "", "hash": null}),
            json!(["Core_version", "0x", hash]),
        ),
        (
            "state_getKeysPaged",
            json!({"prefix": "0x26", "count": 2, "startKey": "0x26", "hash": hash}),
            json!(["26", 2, "26"]),
        ),
        ("state_getKeysPaged", json!({"prefix": "0x26", "count": 2, "start_key": null}), json!(["0x26", 2])),
        ("state_getKeys", json!({"prefix": "0x26", "hash": hash}), json!(["26"])),
        ("state_getStorage", json!({"key": "0x3a", "hash": hash}), json!(["3a"])),
        ("state_queryStorageAt", json!({"keys": ["0x3a"], "hash": hash}), json!([["0x3a"], null])),
        ("chain_getBlockHash", json!({"hash": 3}), json!([3])),
        ("chain_getBlock", json!({"hash": hash}), json!([])),
        ("chain_getHeader", json!({"hash": hash}), json!([hash])),
        ("system_accountNextIndex", json!({"account": account}), json!([account])),
        ("state_getMetadata", json!({"hash": hash}), json!([])),
        ("state_getRuntimeVersion", json!({"hash": hash}), json!([])),
    ];
    for (method, named, positional) in cases {
        let answer = client.get(method, positional).await;
        assert_eq!(client.get(method, named.clone()).await, answer, "{method} by name");
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": named});
        let response = post_json(rig.address(), request).await;
        assert_eq!(response["result"], answer, "{method} over HTTP");
        assert_eq!(response["id"], 7);
    }
}

#[tokio::test]
async fn all_methods_are_listed_and_development_methods_only_where_they_work() {
    let rig = Rig::manual().await;
    let methods = rig.client().await.get("rpc_methods", json!([])).await;
    let methods = methods["methods"].as_array().unwrap();
    assert!(methods.is_sorted_by_key(|name| name.as_str().unwrap().to_owned()));
    for name in
        ["rpc_methods", "chain_subscribeNewHead", "author_unwatchExtrinsic", "state_getReadProof", "dev_mine"]
    {
        assert!(methods.contains(&json!(name)), "{name}");
    }

    let live = Rig::start(
        myelin_chain::SealMode::Manual,
        myelin_rpc::RpcConfig::any_port(),
        myelin_chain::History::Archive,
        false,
    )
    .await;
    let client = live.client().await;
    let methods = client.get("rpc_methods", json!([])).await;
    assert!(!methods.to_string().contains("dev_"), "{methods}");
    assert_eq!(client.fail("dev_mine", json!([])).await.code, -32601);
}
