//! Requests that are answered once.

use std::{net::SocketAddr, sync::Arc};

use codec::{Decode, Encode};
use myelin_chain::{History, SealMode};
use myelin_rpc::{HealthReport, NetworkStatus, RpcConfig, RpcServer};
use myelin_runtime::{RuntimeCall, RAO_PER_TAO, VERSION};
use serde_json::{json, Value};
use sp_core::H256;
use sp_crypto_hashing::blake2_256;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Ferdie};
use sp_runtime::generic::Era;

use crate::rig::{account_key, exchange, hex, post, post_json, whole_exchange, Rig};

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

#[tokio::test]
async fn system() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    assert_eq!(client.get("system_name", json!([])).await, "myelin");
    assert_eq!(client.get("system_version", json!([])).await, "1.2.3");
    assert_eq!(client.get("system_chain", json!([])).await, "Test");
    assert_eq!(client.get("system_chainType", json!([])).await, "Development");
    let properties = json!({"ss58Format": 42, "tokenDecimals": 9, "tokenSymbol": "TAO"});
    assert_eq!(client.get("system_properties", json!([])).await, properties);
    let health = json!({"peers": 3, "isSyncing": true, "shouldHavePeers": true});
    assert_eq!(client.get("system_health", Value::Null).await, health);
}

/// Head and body of the answer to a `GET` of `/health`.
async fn get_health(address: SocketAddr, header: &str) -> (String, String) {
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\n{header}Connection: close\r\n\r\n");
    let answer = whole_exchange(address, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn health_is_told_where_requests_are_answered() {
    let rig = Rig::manual().await;
    let (head, body) = get_health(rig.address(), "").await;
    assert!(head.contains(" 200 ") && head.contains("application/json"), "{head}");
    assert_eq!(body, "{\"healthy\":true}");
    let (head, _) = get_health(rig.address(), "Origin: https://evil.example\r\n").await;
    assert!(head.contains(" 403 "), "{head}");

    let mut services = rig.services();
    let trouble = || "it is alone".to_owned();
    services.health = Arc::new(move || HealthReport { is_healthy: false, document: "{}".to_owned() });
    services.network = Arc::new(move || NetworkStatus { trouble: Some(trouble()), ..Default::default() });
    let lonely = RpcServer::start(services, RpcConfig::any_port()).await.unwrap();
    let (head, body) = get_health(lonely.address(), "").await;
    assert!(head.contains(" 503 ") && body == "{}", "{head}");
    let health = crate::rig::Client::connect(lonely.address()).await.get("system_health", json!([])).await;
    assert_eq!(health["reason"], "it is alone");
}

#[tokio::test]
async fn nonces_count_what_waits() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let alice = Alice.to_account_id().to_string();
    assert_eq!(client.get("system_accountNextIndex", json!([alice])).await, 0);
    for nonce in 0..3 {
        client
            .get("author_submitExtrinsic", json!([hex(&rig.signer(Alice).transfer(Bob, 1_000, nonce))]))
            .await;
    }
    assert_eq!(client.get("account_nextIndex", json!([alice])).await, 3);
    rig.mine(1).await;
    assert_eq!(client.get("system_accountNextIndex", json!([alice])).await, 3);
    let error = client.fail("system_accountNextIndex", json!(["5Grwva"])).await;
    assert!(error.message.contains("expected an account's SS58 address, found \"5Grwva\""), "{error:?}");
}

#[tokio::test]
async fn hashes_by_number() {
    let rig = Rig::manual().await;
    let tip = rig.mine(20).await;
    let client = rig.client().await;
    let genesis = json!(rig.chain.genesis_hash());
    let hash = |parameters: Value| client.get("chain_getBlockHash", parameters);
    assert_eq!(hash(json!([0])).await, genesis);
    assert_eq!(hash(json!(["0x0"])).await, genesis);
    assert_eq!(hash(json!([20])).await, json!(tip));
    assert_eq!(hash(json!(["0x14"])).await, json!(tip));
    assert_eq!(hash(json!([])).await, json!(tip));
    assert_eq!(hash(json!([null])).await, json!(tip));
    assert_eq!(hash(json!([[0, "0x14", 21]])).await, json!([genesis, tip, null]));
    assert_eq!(hash(json!([21])).await, Value::Null);
    assert_eq!(hash(json!([u64::MAX])).await, Value::Null);
    for wrong in [json!(["14"]), json!([-1]), json!([1.5]), json!([{}]), json!([[[]]])] {
        assert_eq!(client.fail("chain_getBlockHash", wrong.clone()).await.code, -32602, "{wrong}");
    }
    assert_eq!(client.fail("chain_getBlockHash", json!([vec![0; 5000]])).await.code, 4002);
    assert_eq!(client.get("chain_getFinalizedHead", json!([])).await, json!(tip));
}

#[tokio::test]
async fn headers_and_blocks() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let transfer = rig.signer(Alice).transfer(Bob, 1_000, 0);
    client.get("author_submitExtrinsic", json!([hex(&transfer)])).await;
    let hash = rig.mine(1).await;
    let header = client.get("chain_getHeader", json!([hash])).await;
    assert_eq!(header["number"], "0x1");
    assert_eq!(header["parentHash"], json!(rig.chain.genesis_hash()));
    assert_eq!(header["digest"], json!({"logs": []}));
    assert_eq!(client.get("chain_getHeader", json!([])).await, header);
    let block = client.get("chain_getBlock", json!([hash])).await;
    assert_eq!(block["block"]["header"], header);
    assert_eq!(block["justifications"], Value::Null);
    let extrinsics = block["block"]["extrinsics"].as_array().unwrap();
    assert_eq!(extrinsics.len(), 2, "the inherent and the transfer");
    assert_eq!(extrinsics[1], hex(&transfer));
    let unknown = json!([H256::repeat_byte(9)]);
    assert_eq!(client.get("chain_getHeader", unknown.clone()).await, Value::Null);
    assert_eq!(client.get("chain_getBlock", unknown).await, Value::Null);
    assert!(client.fail("chain_getBlock", json!(["0x12"])).await.message.contains("found 1 bytes"));
    // What SDKs verify: the header's hash is that of its encoding.
    let genesis = client.get("chain_getHeader", json!([rig.chain.genesis_hash()])).await;
    assert_eq!(
        (genesis["number"].clone(), genesis["parentHash"].clone()),
        (json!("0x0"), json!(H256::zero()))
    );
}

#[tokio::test]
async fn values_in_the_state() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let first = rig.mine(1).await;
    client.get("author_submitExtrinsic", json!([hex(&rig.signer(Alice).transfer(Bob, 1_000, 0))])).await;
    rig.mine(1).await;
    let key = account_key(&Alice.to_account_id());
    let now = client.get("state_getStorage", json!([key])).await;
    let then = client.get("state_getStorage", json!([key, first])).await;
    assert_eq!(bytes(&now)[..4], 1u32.encode(), "the nonce");
    assert_eq!(bytes(&then)[..4], 0u32.encode());
    assert_eq!(client.get("state_getStorageSize", json!([key])).await, bytes(&now).len());
    let hash = client.get("state_getStorageHash", json!([key])).await;
    assert_eq!(bytes(&hash), blake2_256(&bytes(&now)));
    for method in ["state_getStorage", "state_getStorageSize", "state_getStorageHash"] {
        assert_eq!(client.get(method, json!(["0xdead"])).await, Value::Null, "{method}");
        assert!(client.fail(method, json!(["0xxyz"])).await.message.contains("found \"0xxyz\""), "{method}");
    }
    let plain = key.strip_prefix("0x").unwrap();
    let changes = client.get("state_queryStorageAt", json!([[plain, "0xDEAD"], first])).await;
    assert_eq!(changes, json!([{"block": first, "changes": [[plain, then], ["0xDEAD", null]]}]));
    assert_eq!(client.fail("state_queryStorageAt", json!([vec!["00"; 10_001]])).await.code, 4002);
    assert!(client.fail("state_queryStorageAt", json!([["0x00", 5]])).await.message.contains("at index 1"));
}

#[tokio::test]
async fn pages_of_keys() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let prefix = hex(&myelin_chain::storage_keys::accounts());
    let all = client.get("state_getKeys", json!([prefix])).await;
    let all = all.as_array().unwrap();
    assert!(all.len() >= 8 && all.is_sorted_by_key(|key| key.to_string()));
    let mut pages = Vec::new();
    let mut start = json!(prefix);
    loop {
        let page = client.get("state_getKeysPaged", json!([prefix, 3, start, null])).await;
        let page = page.as_array().unwrap().clone();
        let Some(last) = page.last() else { break };
        start = last.clone();
        pages.extend(page);
    }
    assert_eq!(&pages, all);
    assert_eq!(client.get("state_getKeysPaged", json!([prefix, 0])).await, json!([]));
    assert_eq!(client.get("state_getKeysPaged", json!([prefix, 5, "0xff"])).await, json!([]));
    assert_eq!(client.get("state_getKeysPaged", json!([prefix, 1, "0x00"])).await, json!([all[0]]));
    let error = client.fail("state_getKeysPaged", json!([prefix, 1001])).await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (4002, "count exceeds maximum value. value: 1001, max: 1000")
    );
}

#[tokio::test]
async fn proofs_prove_against_the_header() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let hash = rig.mine(1).await;
    let key = myelin_chain::storage_keys::account(&Bob.to_account_id());
    let answer = client.get("state_getReadProof", json!([[hex(&key), "0xdead"], hash])).await;
    assert_eq!(answer["at"], json!(hash));
    let nodes = answer["proof"].as_array().unwrap().iter().map(bytes);
    let root = rig.chain.header(&hash).unwrap().unwrap().state_root;
    let proof = sp_state_machine::StorageProof::new(nodes);
    let keys = [key.clone(), vec![0xde, 0xad]];
    let found =
        sp_state_machine::read_proof_check::<sp_runtime::traits::BlakeTwo256, _>(root, proof, &keys).unwrap();
    let value = client.get("state_getStorage", json!([hex(&key), hash])).await;
    assert_eq!(found[&keys[0]].as_ref(), Some(&bytes(&value)));
    assert_eq!(found[&keys[1]], None);
}

#[tokio::test]
async fn the_runtime_and_its_metadata() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let version = client.get("state_getRuntimeVersion", json!([])).await;
    assert_eq!(version["specName"], *VERSION.spec_name);
    assert_eq!(version["specVersion"], VERSION.spec_version);
    assert_eq!(version["transactionVersion"], VERSION.transaction_version);
    assert_eq!(version["apis"][0].as_array().unwrap().len(), 2);
    let metadata = bytes(&client.get("state_getMetadata", json!([])).await);
    assert_eq!(metadata[..4], *b"meta");
    let at_version =
        client.get("state_call", json!(["Metadata_metadata_at_version", "0x0f000000", null])).await;
    let metadata = Option::<Vec<u8>>::decode(&mut &bytes(&at_version)[..]).unwrap().unwrap();
    assert_eq!(metadata[..5], *b"meta\x0f");
}

/// The slot duration is a constant in the metadata, and part of the state.
#[tokio::test]
async fn metadata_follows_the_slot_duration() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let metadata = async |at: H256| {
        let plain = client.get("state_getMetadata", json!([at])).await;
        let parameters = json!(["Metadata_metadata_at_version", "0x0f000000", at]);
        (bytes(&plain), bytes(&client.get("state_call", parameters).await))
    };
    let before = rig.mine(1).await;
    let described = metadata(before).await;
    let slot_duration = (myelin_chain::storage_keys::slot_duration(), 12_345u64.encode());
    let call = frame_system::Call::set_storage { items: vec![slot_duration] }.into();
    let call = RuntimeCall::Sudo(pallet_sudo::Call::sudo { call: Box::new(call) });
    let signer = rig.signer(Alice);
    let change = signer.sign(call, 0, 0, Era::Immortal, signer.genesis);
    client.get("author_submitExtrinsic", json!([hex(&change)])).await;
    let after = rig.mine(1).await;
    let (plain, of_version) = metadata(after).await;
    for (now, then) in [(&plain, &described.0), (&of_version, &described.1)] {
        assert_eq!(now.len(), then.len());
        assert_ne!(now, then);
        assert!(now.windows(8).any(|window| window == 12_345u64.encode()));
    }
    assert_eq!(metadata(before).await, described);
    assert_eq!(metadata(after).await, (plain, of_version));
}

#[tokio::test]
async fn runtime_functions() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let call = |method: &str, argument: String| {
        let parameters = json!([method, argument]);
        let client = &client;
        async move { client.ask("state_call", parameters).await }
    };
    let alice = Alice.to_account_id().encode();
    assert_eq!(call("AccountNonceApi_account_nonce", hex::encode(&alice)).await.unwrap(), "0x00000000");
    assert_eq!(call("AccountNonceApi_account_nonce", hex(&alice)).await.unwrap(), "0x00000000");

    let error = call("NoSuchApi_at_all", String::new()).await.unwrap_err();
    assert_eq!(error.code, 4003);
    assert!(error.message.contains("Exported method NoSuchApi_at_all is not found"), "{error:?}");
    let error = call("Metadata_no_such", String::new()).await.unwrap_err();
    assert!(error.message.contains("Exported method Metadata_no_such is not found"), "{error:?}");
    for refused in ["Core_execute_block", "Core_initialize_block", "BlockBuilder_finalize_block"] {
        let error = call(refused, String::new()).await.unwrap_err();
        assert!(error.message.contains("only functions that read may be called"), "{error:?}");
    }
    let error = call("AccountNonceApi_account_nonce", "0x01".to_owned()).await.unwrap_err();
    assert_eq!(error.code, 4003);
    assert!(error.message.contains("Bad input data provided to AccountNonceApi_account_nonce"), "{error:?}");
    let error = call("AccountNonceApi_account_nonce", "0x0".to_owned()).await.unwrap_err();
    assert_eq!(error.code, -32602);
    let large = "00".repeat((2 << 20) + 1025);
    assert_eq!(call("AccountNonceApi_account_nonce", large).await.unwrap_err().code, 4002);
}

#[tokio::test]
async fn fees() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let transfer = rig.signer(Alice).transfer(Bob, 1_000, 0);
    let info = client.get("payment_queryInfo", json!([hex(&transfer)])).await;
    assert_eq!(info["class"], "normal");
    let fee: u64 = info["partialFee"].as_str().unwrap().parse().unwrap();
    let details = client.get("payment_queryFeeDetails", json!([hex(&transfer), null])).await;
    let part = |name: &str| {
        let amount = details["inclusionFee"][name].as_str().unwrap();
        u64::from_str_radix(amount.strip_prefix("0x").unwrap(), 16).unwrap()
    };
    assert_eq!(part("baseFee") + part("lenFee") + part("adjustedWeightFee"), fee);
    assert_eq!(part("lenFee"), transfer.len() as u64);

    rig.mine(1).await;
    let before = client.get("myelin_conservation", json!([])).await;
    client.get("author_submitExtrinsic", json!([hex(&transfer)])).await;
    rig.mine(1).await;
    let after = client.get("myelin_conservation", json!([])).await;
    let issued = |audit: &Value| audit["ledgerIssuanceRao"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(after["holds"] == true && before["holds"] == true, "{after}");
    assert!(issued(&before) >= 3_000_000 * RAO_PER_TAO);
    assert_eq!(issued(&before) - issued(&after), fee, "fees without an author are burned");
    assert_eq!(after["number"], 2);

    let error = client.fail("payment_queryInfo", json!(["0x1234"])).await;
    assert_eq!(error.code, 4003);
}

#[tokio::test]
async fn blocks_that_are_not_there() {
    let rig = Rig::start(SealMode::Manual, RpcConfig::any_port(), History::Blocks(4), true).await;
    let client = rig.client().await;
    let old = rig.mine(1).await;
    rig.mine(20).await;
    let key = account_key(&Ferdie.to_account_id());
    for (method, parameters) in [
        ("state_getStorage", json!([key, old])),
        ("state_queryStorageAt", json!([[key], old])),
        ("state_getKeysPaged", json!(["0x", 1, null, old])),
        ("state_call", json!(["Core_version", "0x", old])),
        ("state_getMetadata", json!([old])),
        ("state_getReadProof", json!([[key], old])),
        ("myelin_conservation", json!([old])),
    ] {
        let error = client.fail(method, parameters).await;
        assert_eq!(error.code, 4003, "{method}");
        assert!(
            error.message.contains(&format!("State already discarded for {old:?}")),
            "{method}: {error:?}"
        );
    }
    assert_ne!(client.get("chain_getBlock", json!([old])).await, Value::Null, "blocks are kept");
    let unknown = H256::repeat_byte(1);
    let error = client.fail("state_getStorage", json!([key, unknown])).await;
    assert_eq!(error.code, 4003);
    assert!(error.message.contains("UnknownBlock: Header was not found"), "{error:?}");
}

#[tokio::test]
async fn batches() {
    let rig = Rig::manual().await;
    let request = |id: u32, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": []});
    let batch = json!([request(1, "system_name"), request(2, "no_such"), request(3, "chain_getHead")]);
    let answers = post_json(rig.address(), batch).await;
    assert_eq!(answers[0]["result"], "myelin");
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(answers[2]["result"], json!(rig.chain.genesis_hash()));
    let large: Vec<_> = (0..300).map(|id| request(id, "system_name")).collect();
    let refused = post_json(rig.address(), json!(large)).await;
    assert_eq!(refused["error"]["code"], -32010, "{refused}");
    let metadata = json!(vec![request(1, "state_getMetadata"); 5]);
    let answers = post_json(rig.address(), metadata).await;
    assert_eq!(answers.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn what_is_not_a_request() {
    let rig = Rig::manual().await;
    let address = rig.address();
    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("[1, 2]", -32600),
        (r#"{"jsonrpc": "2.0", "id": 1}"#, -32600),
        (r#"{"jsonrpc": "2.0", "id": 1, "method": "nope"}"#, -32601),
        (r#"{"jsonrpc": "2.0", "id": 1, "method": "chain_getHeader", "params": 5}"#, -32602),
        (r#"{"jsonrpc": "2.0", "id": 1, "method": "chain_getHeader", "params": [1, 2]}"#, -32602),
        (r#"{"jsonrpc": "2.0", "id": 1, "method": "chain_getHeader", "params": {"hsah": 2}}"#, -32602),
    ] {
        let (_, answer) = post(address, body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{body}: {answer}"));
        let found = if answer.is_array() { &answer[0]["error"]["code"] } else { &answer["error"]["code"] };
        assert_eq!(found, code, "{body}: {answer}");
    }
    let nested = "[".repeat(200_000);
    let body = format!(r#"{{"jsonrpc": "2.0", "id": 1, "method": "chain_getHeader", "params": {nested}"#);
    assert!(post(address, &body).await.1.contains("-32700"));
    let get =
        exchange(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).await;
    assert!(get.0.contains("405"), "{get:?}");
    assert_eq!(rig.client().await.get("system_name", json!([])).await, "myelin");
}

#[tokio::test]
async fn subscriptions_need_a_websocket() {
    let rig = Rig::manual().await;
    let methods = rig.client().await.get("rpc_methods", json!([])).await;
    let names = methods["methods"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let names: Vec<_> = names
        .filter(|name| ["ubscribe", "submitAndWatch", "unwatch"].iter().any(|part| name.contains(part)))
        .collect();
    assert!(names.len() >= 18, "{names:?}");
    let request = |name: &str| json!({"jsonrpc": "2.0", "id": 1, "method": name, "params": []});
    let batch: Vec<_> = names.iter().map(|name| request(name)).collect();
    let answers = post_json(rig.address(), json!(batch)).await;
    for (name, answer) in names.iter().zip(answers.as_array().unwrap()) {
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(name) && message.contains("ws:// instead of http://"), "{message}");
    }
}
