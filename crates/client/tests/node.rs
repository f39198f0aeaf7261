//! The client against a real development node.

use std::time::Duration;

use myelin_client::{account_of, Client, ClientConfig, ClientError, HeadKind, WaitFor, Weights};
use myelin_keys::{CryptoType, Keypair};
use myelin_node::{Node, NodeHandle, SealMode};
use myelin_runtime::{AccountId, Runtime, RuntimeCall, RuntimeEvent, RAO_PER_TAO};
use pallet_subtensor::{Keys, NetworksAdded, Tempo};

const PATIENCE: Duration = Duration::from_secs(20);

fn key(uri: &str) -> Keypair {
    Keypair::from_uri(uri, CryptoType::Sr25519).unwrap()
}

fn account(uri: &str) -> AccountId {
    account_of(&key(uri))
}

/// A chain with a block every 50 ms, which is as fast as tests need it.
async fn start() -> (NodeHandle, Client) {
    let node = Node::development()
        .audited()
        .sealing(SealMode::Interval(Duration::from_millis(50)))
        .start()
        .await
        .unwrap();
    let client = Client::connect(node.ws_url()).await.unwrap();
    (node, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_moves_money_and_costs_what_was_estimated() {
    let (node, client) = start().await;
    let (alice, bob) = (key("//Alice"), account("//Bob"));
    let before = (client.balance(&account_of(&alice)).await.unwrap(), client.balance(&bob).await.unwrap());
    let call = pallet_balances::Call::<Runtime>::transfer_keep_alive {
        dest: bob.clone().into(),
        value: 7 * RAO_PER_TAO,
    };
    let estimate = client.estimate_fee(RuntimeCall::Balances(call), &account_of(&alice)).await.unwrap();
    let receipt = client.transfer(&alice, &bob, 7 * RAO_PER_TAO, WaitFor::Finalized).await.unwrap();
    assert_eq!(receipt.fee_rao, estimate);
    let at = client.at(receipt.block);
    assert_eq!(at.balance(&bob).await.unwrap(), before.1 + 7 * RAO_PER_TAO);
    assert_eq!(at.balance(&account_of(&alice)).await.unwrap(), before.0 - 7 * RAO_PER_TAO - receipt.fee_rao);
    let transferred = receipt.find(|event| match event {
        RuntimeEvent::Balances(pallet_balances::Event::Transfer { to, amount, .. }) if *to == bob => {
            Some(*amount)
        }
        _ => None,
    });
    assert_eq!(transferred, Some(7 * RAO_PER_TAO));
    let found = client.find_receipt(receipt.extrinsic, 0).await.unwrap().unwrap();
    assert_eq!((found.block, found.index), (receipt.block, receipt.index));
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ed25519_account_can_pay() {
    let (node, client) = start().await;
    let payer = Keypair::from_uri("//Edward", CryptoType::Ed25519).unwrap();
    client.transfer(&key("//Alice"), &account_of(&payer), RAO_PER_TAO, WaitFor::InBlock).await.unwrap();
    client.transfer(&payer, &account("//Bob"), RAO_PER_TAO / 2, WaitFor::InBlock).await.unwrap();
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_transfers_all_arrive() {
    let (node, client) = start().await;
    let to = account("//Nobody");
    let transfers: Vec<_> = (0..30)
        .map(|_| {
            let (client, to) = (client.clone(), to.clone());
            tokio::spawn(
                async move { client.transfer(&key("//Alice"), &to, 1_000_000, WaitFor::InBlock).await },
            )
        })
        .collect();
    for transfer in transfers {
        transfer.await.unwrap().unwrap();
    }
    assert_eq!(client.balance(&to).await.unwrap(), 30_000_000);
    // Two clients that count nonces of one account on their own get along, too.
    let other = Client::connect(node.ws_url()).await.unwrap();
    for client in [&other, &client, &other, &client] {
        client.transfer(&key("//Alice"), &to, 1, WaitFor::InBlock).await.unwrap();
    }
    assert_eq!(client.balance(&to).await.unwrap(), 30_000_004);
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_apart() {
    let (node, client) = start().await;
    let poor = key("//Poor");
    let unpaid = client.transfer(&poor, &account("//Bob"), 1, WaitFor::InBlock).await.unwrap_err();
    assert!(
        matches!(unpaid, ClientError::Rejected { advice: "add funds to the signing account", .. }),
        "{unpaid}"
    );
    let value = u64::MAX / 2;
    let call = pallet_balances::Call::transfer_keep_alive { dest: account("//Bob").into(), value };
    match client.check(RuntimeCall::Balances(call), &key("//Alice")).await.unwrap_err() {
        ClientError::WouldFail { failure } => assert!(failure.is_about_funds(), "{failure}"),
        other => panic!("expected an action that would fail, found {other}"),
    }
    let too_much = client.transfer(&key("//Alice"), &account("//Bob"), u64::MAX / 2, WaitFor::InBlock).await;
    match too_much.unwrap_err() {
        ClientError::Failed { failure, receipt } => {
            assert_eq!(
                (failure.pallet.as_str(), failure.error.as_str()),
                ("Runtime", "Arithmetic(Underflow)")
            );
            assert!(receipt.fee_rao > 0);
        }
        other => panic!("expected a failed action, found {other}"),
    }
    let nowhere = client.register_neuron(&key("//Alice"), 99, &account("//Hot"), WaitFor::InBlock).await;
    match nowhere.unwrap_err() {
        ClientError::Failed { failure, .. } => assert_eq!(failure.error, "SubnetNotExists"),
        other => panic!("expected a failed action, found {other}"),
    }
    let stranger =
        client.serve_axon(&poor, 0, "10.0.0.1:8091".parse().unwrap(), 0, WaitFor::InBlock).await.unwrap_err();
    assert!(stranger.to_string().contains("the hotkey is not registered on this subnet"), "{stranger}");
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_is_opened_judged_and_paid() {
    let (node, client) = start().await;
    let (owner, owner_hot) = (key("//Alice"), key("//OwnerHot"));
    let (miner, miner_hot) = (key("//Bob"), key("//MinerHot"));
    let wait = WaitFor::InBlock;
    let (netuid, _) = client.register_subnet(&owner, &account_of(&owner_hot), wait).await.unwrap();
    client.start_subnet(&owner, netuid, wait).await.unwrap();
    let (uid, _) = client.register_neuron(&miner, netuid, &account_of(&miner_hot), wait).await.unwrap();
    assert_eq!(uid, 1);
    let endpoint = "127.0.0.1:8091".parse().unwrap();
    client.serve_axon(&miner_hot, netuid, endpoint, 4, wait).await.unwrap();
    client.add_stake(&owner, &account_of(&owner_hot), netuid, 100 * RAO_PER_TAO, wait).await.unwrap();

    let rules = client.weight_rules(netuid, &account_of(&owner_hot)).await.unwrap();
    assert_eq!((rules.uid, rules.commit_reveal), (0, false));
    let weights = Weights { uids: vec![uid], values: vec![u16::MAX], version_key: rules.version_key };
    client.set_weights(&owner_hot, netuid, weights, wait).await.unwrap();
    let schedule = client.epoch_schedule(netuid).await.unwrap();
    let header = client.wait_for_epoch(netuid, PATIENCE).await.unwrap();
    assert!(client.epoch_schedule(netuid).await.unwrap().index > schedule.index);
    assert!(u64::from(header.number) >= schedule.next_epoch_block.unwrap());
    client.wait_for_epoch(netuid, PATIENCE).await.unwrap();

    let neurons = client.neurons(netuid).await.unwrap();
    assert_eq!(neurons.len(), 2);
    assert_eq!(neurons[1].hotkey, account_of(&miner_hot));
    assert_eq!(neurons[1].coldkey, account_of(&miner));
    assert_eq!(neurons[1].axon, Some(endpoint));
    assert_eq!(neurons[1].incentive, u16::MAX);
    assert!(neurons[0].stake_rao > 0 && neurons[0].validator_permit);

    let stake = client.stake(&account_of(&owner), &account_of(&owner_hot), netuid).await.unwrap();
    client.remove_stake(&owner, &account_of(&owner_hot), netuid, stake / 2, wait).await.unwrap();
    assert!(client.stakes(&account_of(&owner)).await.unwrap().iter().any(|info| info.netuid == netuid));
    assert!(client.prices().await.unwrap().iter().any(|price| price.netuid == netuid && price.price > 0));
    assert!(matches!(client.metagraph(99).await, Err(ClientError::Missing { .. })));
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_is_read_by_the_runtimes_types() {
    let (node, client) = start().await;
    let alice = key("//Alice");
    let (netuid, receipt) =
        client.register_subnet(&alice, &account("//Hot"), WaitFor::InBlock).await.unwrap();
    let at = client.at(receipt.block);
    let added = at.map_entries::<NetworksAdded<Runtime>, _, _>().await.unwrap();
    assert_eq!(added, [(0, true), (netuid, true)]);
    assert!(at.map::<NetworksAdded<Runtime>, _, _>(netuid).await.unwrap());
    let keys = at.double_map_entries::<Keys<Runtime>, _, _, _>(netuid).await.unwrap();
    assert_eq!(keys, [(0, account("//Hot"))]);
    // Nothing is stored for a subnet that does not exist, so that the item's default is read.
    assert_eq!(at.map::<Tempo<Runtime>, _, _>(999).await.unwrap(), 360);
    let before = client.at(client.genesis().await.unwrap());
    assert!(!before.map::<NetworksAdded<Runtime>, _, _>(netuid).await.unwrap());
    assert!(client.block_hash(4_000_000).await.is_err());
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_followed_across_a_restart_of_the_node() {
    let directory = tempfile::tempdir().unwrap();
    let start = |address| {
        Node::development()
            .audited()
            .sealing(SealMode::Interval(Duration::from_millis(50)))
            .base_path(directory.path())
            .rpc_address(address)
            .start()
    };
    let node = start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = node.rpc_address().unwrap();
    let client =
        Client::with_config(ClientConfig { reconnect_timeout: PATIENCE, ..ClientConfig::new(node.ws_url()) })
            .await
            .unwrap();
    let mut heads = client.heads(HeadKind::Finalized);
    let before = heads.next().await.unwrap().number;
    client.transfer(&key("//Alice"), &account("//Bob"), 1, WaitFor::Finalized).await.unwrap();
    node.shutdown().await.unwrap();
    let node = start(address).await.unwrap();
    let mut last = before;
    for _ in 0..5 {
        let number = heads.next().await.unwrap().number;
        assert!(number > last);
        last = number;
    }
    client.transfer(&key("//Alice"), &account("//Bob"), 1, WaitFor::Finalized).await.unwrap();
    client.wait_for_block(last + 3, PATIENCE).await.unwrap();
    node.shutdown().await.unwrap();
}
