//! Making blocks, moving time, going back.

use std::time::Duration;

use codec::{Decode, Encode};
use myelin_chain::storage_keys;
use serde_json::{json, Value};
use sp_keyring::Sr25519Keyring::{Alice, Bob, Dave};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    raw::Socket,
    rig::{account_key, hex, next, Client, Rig},
};

async fn time_ms(client: &Client) -> u64 {
    let value = client.get("state_getStorage", json!([hex(&storage_keys::timestamp())])).await;
    let bytes = hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap();
    u64::decode(&mut &bytes[..]).unwrap()
}

#[tokio::test]
async fn blocks_are_made_when_asked() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let one = client.get("dev_mine", json!([])).await;
    assert_eq!(one, json!({"number": 1, "hash": client.get("chain_getHead", json!([])).await}));
    assert_eq!(client.get("dev_mine", json!([5])).await["number"], 6);
    assert_eq!(client.get("dev_mine", json!({"n": 2})).await["number"], 8);
    assert_eq!(client.get("dev_mine", json!([0])).await["number"], 8);
    assert_eq!(client.fail("dev_mine", json!([1_000_001])).await.code, 4002);
    for wrong in [json!(["1"]), json!([-1]), json!([1u64 << 32]), json!([0.5])] {
        assert_eq!(client.fail("dev_mine", wrong).await.code, -32602);
    }
}

#[tokio::test]
async fn others_get_their_turn_while_many_blocks_are_made() {
    let rig = Rig::manual().await;
    let (client, other) = (rig.client().await, rig.client().await);
    let mining = client.get("dev_mine", json!([1_000]));
    let others = async {
        while rig.chain.tip().number() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let snapshot = other.get("dev_snapshot", json!([])).await;
        (snapshot, other.get("dev_mine", json!([1])).await)
    };
    let (tip, (snapshot, between)) = tokio::join!(mining, others);
    assert_eq!(tip["number"], 1_000, "blocks of others count");
    assert!(between["number"].as_u64().unwrap() < 1_000, "{between}");
    let noted = other.get("dev_revert", json!([snapshot])).await;
    assert!(noted["number"].as_u64().unwrap() < 1_000, "{noted}");
}

/// Whether somebody else makes blocks, too.
async fn is_contested(client: &Client) -> bool {
    let first = client.get("dev_mine", json!([1])).await["number"].as_u64().unwrap();
    client.get("dev_mine", json!([1])).await["number"] != first + 1
}

#[tokio::test]
async fn no_blocks_are_made_for_somebody_who_has_left() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let mut websocket = Socket::connect(rig.address()).await;
    websocket.send("dev_mine", json!([1_000_000])).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"dev_mine","params":[1000000]}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut http = TcpStream::connect(rig.address()).await.unwrap();
    http.write_all(request.as_bytes()).await.unwrap();
    for _ in 0..3 {
        while !is_contested(&client).await {}
    }
    drop((websocket, http));
    let ended = async { while is_contested(&client).await {} };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("nobody mines any more");
    assert!(rig.chain.tip().number() < 200_000, "{}", rig.chain.tip().number());
}

#[tokio::test]
async fn time_can_be_set_and_moved() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    client.get("dev_mine", json!([1])).await;
    let later = time_ms(&client).await + 3_600_000;
    assert_eq!(client.get("dev_setTime", json!([later])).await, later);
    client.get("dev_mine", json!([1])).await;
    let then = time_ms(&client).await;
    assert!(then >= later, "{then} is before {later}");
    let ahead = client.get("dev_increaseTime", json!({"ms": 60_000})).await;
    assert!(ahead.as_u64().unwrap() > 3_600_000, "{ahead}");
    rig.control.seal().await.unwrap();
    assert!(time_ms(&client).await >= then + 60_000);
    let error = client.fail("dev_setTime", json!([1_000])).await;
    assert_eq!(error.code, -32020);
    assert!(error.message.contains("not later than the newest block's"), "{error:?}");
    for (method, far) in [("dev_increaseTime", u64::MAX), ("dev_setTime", u64::MAX)] {
        let error = client.fail(method, json!([far])).await;
        assert_eq!(error.code, -32020);
        assert!(error.message.contains("100 years"), "{error:?}");
    }
    client.get("dev_mine", json!([1])).await;
}

#[tokio::test]
async fn an_epoch_can_be_waited_for() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let call = myelin_runtime::RuntimeCall::SubtensorModule(pallet_subtensor::Call::register_network {
        hotkey: Dave.to_account_id(),
    });
    let signer = rig.signer(Alice);
    let bytes = signer.sign(call, 0, 0, sp_runtime::generic::Era::Immortal, signer.genesis);
    let mut watch = client.watch(&bytes).await.unwrap();
    assert_eq!(next(&mut watch).await, "ready");
    rig.mine(1).await;
    let epochs = |value: Value| {
        let bytes = hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap();
        Option::<u64>::decode(&mut &bytes[..]).unwrap()
    };
    let ask = json!(["SubnetInfoRuntimeApi_get_next_epoch_start_block", hex(&1u16.encode())]);
    for _ in 0..3 {
        let due = epochs(client.get("state_call", ask.clone()).await).expect("a subnet with epochs");
        let tip = client.get("dev_nextEpoch", json!([1])).await;
        assert_eq!(tip["number"], due);
        let then = epochs(client.get("state_call", ask.clone()).await).unwrap();
        assert!(then > due, "the epoch of block {due} has run");
    }
    let error = client.fail("dev_nextEpoch", json!([999])).await;
    assert!(error.message.contains("subnet 999 has no next epoch"), "{error:?}");
    assert_eq!(client.fail("dev_nextEpoch", json!([70_000])).await.code, -32602);
    assert_eq!(client.get("dev_conservation", json!([])).await["holds"], true);
}

#[tokio::test]
async fn snapshots_are_gone_back_to() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let before = client.get("dev_mine", json!([2])).await;
    let key = account_key(&Bob.to_account_id());
    let value = client.get("state_getStorage", json!([key])).await;
    let snapshot = client.get("dev_snapshot", json!([])).await;
    client.get("author_submitExtrinsic", json!([hex(&rig.signer(Alice).transfer(Bob, 5_000, 0))])).await;
    let mined = client.get("dev_mine", json!([3])).await;
    assert_ne!(client.get("state_getStorage", json!([key])).await, value);
    assert_eq!(client.get("dev_revert", json!([snapshot])).await, before);
    assert_eq!(client.get("state_getStorage", json!([key])).await, value);
    assert_eq!(client.get("chain_getHead", json!([])).await, before["hash"]);
    assert_eq!(client.get("chain_getHeader", json!([mined["hash"]])).await, Value::Null);
    assert_eq!(client.get("account_nextIndex", json!([Alice.to_account_id().to_string()])).await, 0);
    let error = client.fail("dev_revert", json!([snapshot])).await;
    assert!(error.message.contains("there is no snapshot"), "{error:?}");
}

#[tokio::test]
async fn a_chain_can_be_dumped_and_loaded_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.dump");
    let rig = Rig::manual().await;
    let client = rig.client().await;
    client.get("author_submitExtrinsic", json!([hex(&rig.signer(Alice).transfer(Bob, 5_000, 0))])).await;
    let tip = client.get("dev_mine", json!([4])).await;
    let dumped = client.get("dev_dump", json!({"path": path})).await;
    assert_eq!(dumped["bytes"], std::fs::metadata(&path).unwrap().len());

    let other = Rig::manual().await;
    let elsewhere = other.client().await;
    elsewhere.get("dev_mine", json!([9])).await;
    assert_eq!(elsewhere.get("dev_load", json!([path])).await, tip);
    let key = account_key(&Bob.to_account_id());
    let value = client.get("state_getStorage", json!([key])).await;
    assert_eq!(elsewhere.get("state_getStorage", json!([key])).await, value);
    assert_eq!(elsewhere.get("dev_mine", json!([1])).await["number"], 5);

    let error = client.fail("dev_dump", json!([path])).await;
    assert!(error.message.contains("name a new file"), "an existing file is left alone: {error:?}");
    for wrong in ["relative.dump", ""] {
        assert!(client.fail("dev_dump", json!([wrong])).await.message.contains("an absolute path"));
    }
    let missing = directory.path().join("missing");
    assert!(client.fail("dev_load", json!([missing])).await.message.contains("cannot be read"));
    assert!(client.fail("dev_load", json!([directory.path()])).await.message.contains("not a file"));
    // A file with nothing in it takes no room on the disk, but would in memory.
    let large = directory.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(4 << 30).unwrap();
    let error = client.fail("dev_load", json!([large])).await;
    assert!(error.message.contains("cannot be read: it does not start as a dump does"), "{error:?}");
    let damaged = directory.path().join("damaged");
    std::fs::write(&damaged, b"myelindb and more").unwrap();
    let error = client.fail("dev_load", json!([damaged])).await;
    assert_eq!(error.code, -32020);
    assert_eq!(client.get("chain_getHead", json!([])).await, tip["hash"], "nothing has changed");
}
