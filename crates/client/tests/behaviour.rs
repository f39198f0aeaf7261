//! What the client does when nodes misbehave.

mod common;

use std::time::Duration;

use common::{start, Chain, Reaction, FEE_RAO};
use myelin_client::{account_of, Client, ClientConfig, ClientError, HeadKind, Receipt, WaitFor};
use myelin_keys::{CryptoType, Keypair};
use myelin_runtime::{Hash, Runtime, VERSION};
use sp_runtime::DispatchError;

fn key(uri: &str) -> Keypair {
    Keypair::from_uri(uri, CryptoType::Sr25519).unwrap()
}

async fn pay(client: &Client) -> Result<Receipt, ClientError> {
    client.transfer(&key("//Alice"), &account_of(&key("//Bob")), 1, WaitFor::Finalized).await
}

#[tokio::test]
async fn a_transfer_is_followed_into_its_block() {
    let (chain, config) = start().await;
    let client = Client::with_config(config).await.unwrap();
    let receipt = pay(&client).await.unwrap();
    assert_eq!((receipt.block, receipt.block_number, receipt.index), (chain.head(), 1, 0));
    assert_eq!(receipt.fee_rao, FEE_RAO);
    assert_eq!(receipt.events.len(), 2);
}

#[tokio::test]
async fn a_failed_action_has_name_and_receipt() {
    let (chain, config) = start().await;
    let error = DispatchError::from(pallet_subtensor::Error::<Runtime>::SubnetNotExists);
    chain.reactions.lock().push_back(Reaction::Fail(error));
    let client = Client::with_config(config).await.unwrap();
    // A failing action is known once its block is.
    match client.transfer(&key("//Alice"), &account_of(&key("//Bob")), 1, WaitFor::InBlock).await {
        Err(ClientError::Failed { failure, receipt }) => {
            assert_eq!(failure.to_string(), "No such subnet (SubtensorModule.SubnetNotExists)");
            assert_eq!(receipt.fee_rao, FEE_RAO);
        }
        other => panic!("expected a failed action, found {other:?}"),
    }
}

#[tokio::test]
async fn nonces_are_asked_for_once_then_counted() {
    let (chain, config) = start().await;
    let client = Client::with_config(config).await.unwrap();
    for _ in 0..3 {
        pay(&client).await.unwrap();
    }
    assert_eq!(*chain.nonces.lock(), [5, 6, 7]);
    assert_eq!(*chain.nonce_requests.lock(), 1);
}

#[tokio::test]
async fn parallel_transactions_have_distinct_nonces_in_order() {
    let (chain, config) = start().await;
    let client = Client::with_config(config).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { pay(&client).await.map(|receipt| receipt.block_number) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(*chain.nonces.lock(), (5..13).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_counted_nonce_that_is_used_up_is_asked_for_again() {
    let (chain, config) = start().await;
    let client = Client::with_config(config).await.unwrap();
    pay(&client).await.unwrap();
    *chain.next_nonce.lock() = 20;
    chain.reactions.lock().push_back(Reaction::Refuse(
        1010,
        "Invalid Transaction",
        "Transaction is outdated",
    ));
    pay(&client).await.unwrap();
    pay(&client).await.unwrap();
    assert_eq!(*chain.nonces.lock(), [5, 6, 20, 21]);
}

const TAKEN: Reaction = Reaction::Refuse(1014, "Priority is too low: (1 vs 1)", "taken");

#[tokio::test]
async fn a_nonce_that_others_take_is_asked_for_again_and_again() {
    let (chain, config) = start().await;
    let client = Client::with_config(config).await.unwrap();
    chain.reactions.lock().extend([TAKEN; 5]);
    pay(&client).await.unwrap();
    assert_eq!(chain.nonces.lock().len(), 6);
    assert_eq!(*chain.nonce_requests.lock(), 6);
    // But not for ever.
    chain.reactions.lock().extend([TAKEN; 1_000]);
    let error = pay(&client).await.unwrap_err();
    assert!(matches!(error, ClientError::Rejected { code: 1014, .. }), "{error}");
    assert!(chain.nonces.lock().len() < 100);
}

#[tokio::test]
async fn a_node_that_runs_nothing_on_trial_is_no_obstacle() {
    let (chain, config) = start().await;
    let client = Client::with_config(config).await.unwrap();
    let alice = key("//Alice");
    let call = || frame_system::Call::remark { remark: Vec::new() };
    let error = client.dry_run(call(), &alice).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { code: -32601, .. }), "{error}");
    client.check(call(), &alice).await.unwrap();
    assert_eq!(*chain.dry_runs.lock(), 2);
}

#[tokio::test]
async fn a_refusal_is_explained_and_resets_the_nonce() {
    let (chain, config) = start().await;
    chain.reactions.lock().push_back(Reaction::Refuse(1010, "Invalid Transaction", "Custom error: 6"));
    let client = Client::with_config(config).await.unwrap();
    let error = pay(&client).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the node did not accept the transaction: Invalid Transaction: Custom error: 6 (too soon after the last time); \
         wait for the rate limit to pass"
    );
    pay(&client).await.unwrap();
    assert_eq!(*chain.nonces.lock(), [5, 5]);
    assert_eq!(*chain.nonce_requests.lock(), 2);
}

#[tokio::test]
async fn a_dropped_transaction_is_reported_as_not_included() {
    let (chain, config) = start().await;
    chain.reactions.lock().push_back(Reaction::Drop);
    let client = Client::with_config(config).await.unwrap();
    let error = pay(&client).await.unwrap_err();
    assert!(matches!(error, ClientError::NotIncluded { ref status, .. } if status == "dropped"), "{error}");
}

#[tokio::test]
async fn a_connection_lost_after_sending_leaves_the_fate_unknown_until_looked_up() {
    let (chain, config) = start().await;
    let address = config.url.trim_start_matches("ws://").parse().unwrap();
    chain.reactions.lock().push_back(Reaction::IncludeAndDie);
    let client = Client::with_config(config).await.unwrap();
    let error = pay(&client).await.unwrap_err();
    let ClientError::FateUnknown { extrinsic, first_block, .. } = error else {
        panic!("expected an unknown fate, found {error}")
    };
    assert!(!error.is_transient());
    chain.stop().await;
    chain.serve(address).await;
    let receipt = client.find_receipt(extrinsic, first_block).await.unwrap().unwrap();
    assert_eq!((receipt.block_number, receipt.fee_rao), (1, FEE_RAO));
    assert!(client.find_receipt(Hash::zero(), 0).await.unwrap().is_none());
}

#[tokio::test]
async fn waiting_for_a_block_ends_in_time() {
    let (chain, config) = start().await;
    chain.reactions.lock().push_back(Reaction::Forget);
    let client = Client::with_config(config).await.unwrap();
    let error = pay(&client).await.unwrap_err();
    assert!(matches!(error, ClientError::FateUnknown { .. }), "{error}");
}

#[tokio::test]
async fn a_silent_node_does_not_hang_a_read() {
    let (chain, config) = start().await;
    let client = Client::with_config(ClientConfig { request_timeout: Duration::from_millis(200), ..config })
        .await
        .unwrap();
    chain.silent.lock().push("chain_getHeader");
    let error = client.block_number().await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { ref what, .. } if what == "chain_getHeader"), "{error}");
}

#[tokio::test]
async fn an_answer_of_another_shape_is_an_error() {
    let (_chain, config) = start().await;
    let client = Client::with_config(config).await.unwrap();
    assert_eq!(client.runtime_api::<u8>("Api_of_one_byte", ()).await.unwrap(), 42);
    let error = client.runtime_api::<u64>("Api_of_eight_bytes", ()).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot read the node's answer to Api_of_eight_bytes"), "{error}");
}

#[tokio::test]
async fn another_runtime_version_is_refused_with_both_versions() {
    let (chain, config) = start().await;
    *chain.spec_version.lock() = VERSION.spec_version + 1;
    let error = Client::with_config(config).await.err().unwrap().to_string();
    let versions = format!(
        "runs node-subtensor {} (transactions 1), this program was built for node-subtensor {} (transactions 1)",
        VERSION.spec_version + 1,
        VERSION.spec_version
    );
    assert!(error.contains(&versions), "{error}");
}

#[tokio::test]
async fn another_chain_is_refused() {
    let (chain, config) = start().await;
    let expected = Some(Hash::repeat_byte(9));
    let error = Client::with_config(ClientConfig { genesis: expected, ..config }).await.err().unwrap();
    assert!(matches!(error, ClientError::WrongGenesis { found, .. } if found == chain.head()), "{error}");
}

#[tokio::test]
async fn a_chain_that_was_reset_under_the_client_is_noticed() {
    let (chain, config) = start().await;
    let address = config.url.trim_start_matches("ws://").parse().unwrap();
    let client = Client::with_config(config).await.unwrap();
    chain.stop().await;
    Chain::new(Hash::repeat_byte(2)).serve(address).await;
    let error = client.block_number().await.unwrap_err();
    assert!(matches!(error, ClientError::WrongGenesis { .. }), "{error}");
}

#[tokio::test]
async fn no_node_is_an_error_that_names_the_address() {
    let (chain, config) = start().await;
    chain.stop().await;
    let error = Client::with_config(config.clone()).await.err().unwrap();
    assert!(error.to_string().contains(&config.url), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn reads_reconnect_to_a_node_that_restarted() {
    let (chain, config) = start().await;
    let address = config.url.trim_start_matches("ws://").parse().unwrap();
    let client = Client::with_config(config).await.unwrap();
    chain.stop().await;
    chain.append(Vec::new(), Vec::new());
    chain.serve(address).await;
    assert_eq!(client.block_number().await.unwrap(), 1);
}

#[tokio::test]
async fn heads_continue_after_a_restart_and_never_repeat() {
    let (chain, config) = start().await;
    let address = config.url.trim_start_matches("ws://").parse().unwrap();
    let client = Client::with_config(config).await.unwrap();
    let mut heads = client.heads(HeadKind::Best);
    assert_eq!(heads.next().await.unwrap().number, 0);
    chain.append(Vec::new(), Vec::new());
    assert_eq!(heads.next().await.unwrap().number, 1);
    chain.stop().await;
    let later = tokio::spawn({
        let chain = chain.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            chain.serve(address).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            chain.append(Vec::new(), Vec::new());
        }
    });
    assert_eq!(heads.next().await.unwrap().number, 2);
    later.await.unwrap();
}

#[tokio::test]
async fn waiting_for_a_height_has_a_deadline() {
    let (chain, config) = start().await;
    let client = Client::with_config(config).await.unwrap();
    chain.append(Vec::new(), Vec::new());
    assert_eq!(client.wait_for_block(1, Duration::from_secs(2)).await.unwrap().number, 1);
    let error = client.wait_for_block(2, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no answer to waiting for block 2 within 100 ms; the node may be overloaded, try again or allow more time"
    );
}

#[tokio::test]
async fn lost_nodes_are_given_up_on() {
    let (chain, config) = start().await;
    let patience = Duration::from_millis(300);
    let client = Client::with_config(ClientConfig { reconnect_timeout: patience, ..config }).await.unwrap();
    let mut heads = client.heads(HeadKind::Best);
    heads.next().await.unwrap();
    chain.stop().await;
    let error = heads.next().await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
}
