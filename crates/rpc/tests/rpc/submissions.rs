//! Transactions, from their submission to the final block.

use std::time::Duration;

use codec::{DecodeAll, Encode};
use frame_support::traits::Get;
use myelin_rpc::RpcConfig;
use myelin_runtime::{Runtime, RuntimeCall, RAO_PER_TAO};
use serde_json::{json, Value};
use sp_core::{sr25519, Pair, H256};
use sp_crypto_hashing::blake2_256;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie, Dave, Eve};
use sp_runtime::{
    generic::Era, transaction_validity::InvalidTransaction, ApplyExtrinsicResult, DispatchError,
};

use crate::rig::{hex, next, transfer_call, Client, Failure, Rig, Signer};

async fn submit(client: &Client, bytes: &[u8]) -> Result<Value, Failure> {
    client.ask("author_submitExtrinsic", json!([hex(bytes)])).await
}

#[tokio::test]
async fn a_transfer_is_followed_to_its_final_block() {
    let rig = Rig::instant().await;
    let client = rig.client().await;
    let transfer = rig.signer(Alice).transfer(Bob, RAO_PER_TAO, 0);
    let mut watch = client.watch(&transfer).await.unwrap();
    assert_eq!(next(&mut watch).await, "ready");
    let in_block = next(&mut watch).await;
    let block = in_block["inBlock"].clone();
    assert!(block.is_string(), "{in_block}");
    assert_eq!(next(&mut watch).await, json!({"finalized": block}));
    let body = client.get("chain_getBlock", json!([block])).await;
    let extrinsics = body["block"]["extrinsics"].as_array().unwrap();
    assert!(extrinsics.contains(&json!(hex(&transfer))));
}

#[tokio::test]
async fn submission_answers_the_hash_and_what_waits_is_listed() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let signer = rig.signer(Alice);
    let (now, later) = (signer.transfer(Bob, 5_000, 0), signer.transfer(Bob, 5_000, 1));
    assert_eq!(submit(&client, &now).await.unwrap(), hex(&blake2_256(&now)));
    let by_name = client.get("author_submitExtrinsic", json!({"bytes": hex::encode(&later)})).await;
    assert_eq!(by_name, hex(&blake2_256(&later)));
    assert_eq!(client.get("author_pendingExtrinsics", json!([])).await, json!([hex(&now), hex(&later)]));
    rig.mine(1).await;
    assert_eq!(client.get("author_pendingExtrinsics", json!([])).await, json!([]));
}

#[tokio::test]
async fn statuses_before_and_beside_a_block() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let signer = rig.signer(Alice);
    let mut future = client.watch(&signer.transfer(Bob, 5_000, 1)).await.unwrap();
    assert_eq!(next(&mut future).await, "future");
    let cheap = signer.transfer(Bob, 5_000, 0);
    let mut replaced = client.watch(&cheap).await.unwrap();
    assert_eq!(next(&mut replaced).await, "ready");
    assert_eq!(next(&mut future).await, "ready");
    let tipped = signer.sign(transfer_call(Bob, 5_000), 0, RAO_PER_TAO, Era::Immortal, signer.genesis);
    let mut replacing = client.watch(&tipped).await.unwrap();
    assert_eq!(next(&mut replacing).await, "ready");
    assert_eq!(next(&mut replaced).await, json!({"usurped": hex(&blake2_256(&tipped))}));
    let block = rig.mine(1).await;
    assert_eq!(next(&mut replacing).await, json!({"inBlock": block}));
    assert_eq!(next(&mut replacing).await, json!({"finalized": block}));
    let error = submit(&client, &cheap).await.unwrap_err();
    assert_eq!((error.code, error.data.as_str()), (1010, "\"Transaction is outdated\""));
}

#[tokio::test]
async fn a_transaction_that_cannot_be_valid_any_more_is_told() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let signer = rig.signer(Eve);
    // Both are valid now; after the first, nothing is left for the second.
    let all = 1_999 * RAO_PER_TAO + RAO_PER_TAO / 2;
    let mut first = client.watch(&signer.transfer(Bob, all, 0)).await.unwrap();
    let call = transfer_call(Bob, 1_000);
    let expensive = signer.sign(call, 1, RAO_PER_TAO, Era::Immortal, signer.genesis);
    let mut second = client.watch(&expensive).await.unwrap();
    assert_eq!((next(&mut first).await, next(&mut second).await), (json!("ready"), json!("ready")));
    rig.mine(3).await;
    assert_eq!(next(&mut second).await, "invalid");
}

#[tokio::test]
async fn refusals_carry_the_codes_and_texts_of_substrate() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let signer = rig.signer(Alice);
    let refused = |error: Failure| (error.code, error.message, error.data);
    let invalid = |text: &str| (1010, "Invalid Transaction".to_owned(), format!("\"{text}\""));

    let mut forged = signer.transfer(Bob, 5_000, 0);
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    let error = submit(&client, &forged).await.unwrap_err();
    assert_eq!(error.code, 1010, "{error:?}");

    let poor = sr25519::Pair::from_seed(&[9; 32]);
    let poor = Signer { pair: poor, genesis: signer.genesis };
    let error = submit(&client, &poor.transfer(Bob, 5_000, 0)).await.unwrap_err();
    assert_eq!(refused(error), invalid("Inability to pay some fees (e.g. account balance too low)"));

    let elsewhere = Signer { pair: Alice.pair(), genesis: H256::repeat_byte(3) };
    let foreign = elsewhere.transfer(Bob, 5_000, 0);
    let error = submit(&client, &foreign).await.unwrap_err();
    assert_eq!(refused(error), invalid("Transaction has a bad signature"));
    let error = submit(&client, &foreign).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (1012, "Transaction is temporarily banned"));

    let hash = rig.mine(1).await;
    rig.mine(100).await;
    let old = signer.sign(transfer_call(Bob, 5_000), 0, 0, Era::mortal(8, 1), hash);
    let error = submit(&client, &old).await.unwrap_err();
    assert_eq!(refused(error), invalid("Transaction has a bad signature"));
    let ancient = signer.sign(transfer_call(Bob, 5_000), 0, 0, Era::mortal(4096, 1), hash);
    assert!(submit(&client, &ancient).await.is_ok(), "the birth block is still known");

    let transfer = rig.signer(Bob).transfer(Charlie, 5_000, 0);
    submit(&client, &transfer).await.unwrap();
    let error = submit(&client, &transfer).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (1013, "Transaction Already Imported"));
    let other = rig.signer(Bob).transfer(Dave, 5_000, 0);
    let error = submit(&client, &other).await.unwrap_err();
    assert_eq!(error.code, 1014);
    assert!(error.message.starts_with("Priority is too low: ("), "{error:?}");

    let error = submit(&client, &[1, 2, 3]).await.unwrap_err();
    assert_eq!(error.code, 1001);
    let remark = RuntimeCall::System(frame_system::Call::remark { remark: vec![0; (2 << 20) + 100] });
    let error = submit(&client, &signer.sign(remark, 0, 0, Era::Immortal, signer.genesis)).await.unwrap_err();
    assert_eq!(error.code, 1010);
    assert!(error.data.contains("exhaust the block limits"), "{error:?}");
    let error = client.fail("author_submitExtrinsic", json!(["0x123"])).await;
    assert_eq!(error.code, -32602);

    let weights = RuntimeCall::SubtensorModule(pallet_subtensor::Call::set_weights {
        netuid: 0,
        dests: vec![],
        weights: vec![],
        version_key: 0,
    });
    let error = submit(&client, &rig.signer(Dave).sign(weights, 0, 0, Era::Immortal, signer.genesis)).await;
    assert_eq!(refused(error.unwrap_err()), invalid("Custom error: 10"));
}

#[tokio::test]
async fn a_watched_refusal_is_an_error_and_no_subscription() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let error = client.watch(&[]).await.map(drop).unwrap_err();
    assert_eq!(error.code, 1001);
    let error = client.watch(&rig.signer(Alice).transfer(Bob, 1, 0)[..20]).await.map(drop).unwrap_err();
    assert_eq!(error.code, 1001);
}

/// A call that is nested deeper than any stack must not be decoded to its end by anybody, and one that is nested as deep as
/// is allowed must not exhaust the stack of whoever checks, executes or prices it.
#[tokio::test]
async fn deeply_nested_calls_are_harmless() {
    let rig = Rig::instant().await;
    let client = rig.client().await;
    let signer = rig.signer(Alice);
    let mut nonce = 0;
    for (depth, is_call) in [(100, true), (250, true), (5_000, false), (500_000, false)] {
        for call in [nested_batch(depth), nested_derivative(depth)] {
            let bytes = signer.sign_encoded(&call, nonce, 0, Era::Immortal, signer.genesis);
            assert_eq!(
                client.ask("payment_queryInfo", json!([hex(&bytes)])).await.is_ok(),
                is_call,
                "{depth}"
            );
            let arguments = hex(&bytes) + "00000000";
            let info = client.ask("state_call", json!(["TransactionPaymentApi_query_info", arguments])).await;
            assert_eq!(info.is_ok(), is_call, "{depth}");
            if !is_call {
                submit(&client, &bytes).await.unwrap_err();
                continue;
            }
            let mut watch = client.watch(&bytes).await.unwrap();
            while next(&mut watch).await["finalized"].is_null() {}
            nonce += 1;
        }
    }
    assert_eq!(client.get("system_name", json!([])).await, "myelin");
}

/// An encoded batch in a batch in a batch.
fn nested_batch(depth: usize) -> Vec<u8> {
    let empty = RuntimeCall::Utility(pallet_utility::Call::batch { calls: vec![] }).encode();
    let one_call = codec::Compact(1u32).encode();
    nested(&[&empty[..empty.len() - 1], &one_call].concat(), depth)
}

/// An encoded call on behalf of an account derived from one derived from another.
fn nested_derivative(depth: usize) -> Vec<u8> {
    let call = Box::new(remark());
    let whole = RuntimeCall::Utility(pallet_utility::Call::as_derivative { index: 0, call }).encode();
    nested(&whole[..whole.len() - remark().encode().len()], depth)
}

fn nested(level: &[u8], depth: usize) -> Vec<u8> {
    [level.repeat(depth), remark().encode()].concat()
}

fn remark() -> RuntimeCall {
    RuntimeCall::System(frame_system::Call::remark { remark: vec![] })
}

#[tokio::test]
async fn a_dry_run_tells_what_would_happen_and_does_nothing() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let signer = rig.signer(Alice);
    let first = rig.mine(1).await;
    let run = async |bytes: &[u8], at: Option<H256>| {
        let answer = client.get("system_dryRun", json!([hex(bytes), at])).await;
        let answer = hex::decode(answer.as_str().unwrap().trim_start_matches("0x")).unwrap();
        ApplyExtrinsicResult::decode_all(&mut &answer[..]).unwrap()
    };
    let transfer = signer.transfer(Bob, 5_000, 0);
    assert_eq!(run(&transfer, None).await, Ok(Ok(())));
    assert_eq!(run(&transfer, Some(rig.chain.genesis_hash())).await, Ok(Ok(())), "also on genesis");
    let too_much = run(&signer.transfer(Bob, u64::MAX / 2, 0), None).await;
    assert!(
        matches!(too_much, Ok(Err(DispatchError::Token(_) | DispatchError::Arithmetic(_)))),
        "{too_much:?}"
    );
    assert_eq!(run(&signer.transfer(Bob, 5_000, 7), None).await, Err(InvalidTransaction::Future.into()));

    let state = rig.chain.tip_state().unwrap();
    assert_eq!((state.number(), rig.mempool.status().ready), (1, 0));
    assert_eq!(rig.mempool.next_nonce(&signer.account()).unwrap(), 0);
    submit(&client, &transfer).await.unwrap();
    rig.mine(1).await;
    assert_eq!(run(&transfer, None).await, Err(InvalidTransaction::Stale.into()));
    assert_eq!(run(&transfer, Some(first)).await, Ok(Ok(())), "then it was good");
    assert_eq!(rig.chain.tip().number(), 2);

    let error = client.fail("system_dryRun", json!(["0x010203"])).await;
    assert_eq!(error.code, 1001);
    let nested = signer.sign_encoded(&nested_batch(500_000), 1, 0, Era::Immortal, signer.genesis);
    assert_eq!(client.fail("system_dryRun", json!([hex(&nested)])).await.code, 1001);
    let error = client.fail("system_dryRun", json!([hex(&vec![0; (2 << 20) + 1_025])])).await;
    assert_eq!(error.code, 4002, "{error:?}");
    let error = client.fail("system_dryRun", json!([hex(&transfer), H256::repeat_byte(9)])).await;
    assert!(error.message.contains("UnknownBlock"), "{error:?}");
}

#[tokio::test]
async fn a_dry_run_has_the_time_of_a_call() {
    let config = RpcConfig { max_call_time: Duration::ZERO, ..RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    let transfer = rig.signer(Alice).transfer(Bob, 5_000, 0);
    let error = rig.client().await.fail("system_dryRun", json!([hex(&transfer)])).await;
    assert!(error.message.contains("took longer than 0 ms"), "{error:?}");
}

#[tokio::test]
async fn a_transaction_whose_birth_is_forgotten_is_refused_as_ancient() {
    let rig = Rig::manual().await;
    let client = rig.client().await;
    let signer = rig.signer(Alice);
    let birth = rig.mine(1).await;
    let era = Era::mortal(4096, 1);
    // The runtime remembers the hashes of this many blocks.
    let remembered: u32 = <Runtime as frame_system::Config>::BlockHashCount::get();
    rig.mine(remembered - 1).await;
    submit(&client, &signer.sign(transfer_call(Bob, 5_000), 0, 0, era, birth)).await.unwrap();
    rig.mine(2).await;
    let ancient = "\"Transaction has an ancient birth block\"";
    let late = signer.sign(transfer_call(Bob, 5_000), 1, 0, era, birth);
    let error = submit(&client, &late).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str(), error.data.as_str()),
        (1010, "Invalid Transaction", ancient)
    );
    let watched = client.watch(&signer.sign(transfer_call(Dave, 5_000), 1, 0, era, birth)).await;
    assert_eq!(watched.map(drop).unwrap_err().data, ancient);
}
