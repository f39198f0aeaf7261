//! The two programs against a real node, through a restart of it.

use std::{future::Future, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use crate::setting::{key, validator_config};
use myelin_client::{account_of, Client, Neuron, WaitFor};
use myelin_keys::Keypair;
use myelin_node::{Node, NodeHandle, SealMode};
use myelin_runtime::RAO_PER_TAO;
use myelin_storage::{run_miner, run_validator, Behaviour, MinerConfig, MinerError, ValidatorConfig};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);

async fn start_node(directory: &Path, address: SocketAddr) -> NodeHandle {
    let node = Node::development()
        .audited()
        .sealing(SealMode::Interval(Duration::from_millis(100)))
        .base_path(directory.join("node"))
        .rpc_address(address);
    node.start().await.unwrap()
}

/// A subnet owned by the validator, with stake behind it and miners on it.
async fn open_market(client: &Client, validator: &Keypair, miners: &[Arc<Keypair>]) -> u16 {
    let (owner, wait) = (key("//Alice"), WaitFor::InBlock);
    let hotkey = account_of(validator);
    let (netuid, _) = client.register_subnet(&owner, &hotkey, wait).await.unwrap();
    client.start_subnet(&owner, netuid, wait).await.unwrap();
    client.add_stake(&owner, &hotkey, netuid, 100 * RAO_PER_TAO, wait).await.unwrap();
    for miner in miners {
        client.register_neuron(&key("//Bob"), netuid, &account_of(miner), wait).await.unwrap();
    }
    netuid
}

fn miner_config(node: &str, netuid: u16, directory: &Path, behaviour: Behaviour) -> MinerConfig {
    MinerConfig {
        node_url: node.to_owned(),
        netuid,
        directory: directory.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        announce: Some("127.0.0.1:0".parse().unwrap()),
        refresh_ms: 200,
        behaviour,
        ..MinerConfig::default()
    }
}

/// Completes when the test ends.
fn end_of(test: &watch::Sender<()>) -> impl Future<Output = ()> + Send + 'static {
    let mut ended = test.subscribe();
    async move {
        let _ = ended.changed().await;
    }
}

async fn wait_until(client: &Client, netuid: u16, reached: impl Fn(&[Neuron]) -> bool) -> Vec<Neuron> {
    let waiting = async {
        loop {
            if let Ok(neurons) = client.neurons(netuid).await {
                if reached(&neurons) {
                    return neurons;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_storage_is_paid_and_lies_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let node = start_node(directory.path(), "127.0.0.1:0".parse().unwrap()).await;
    let (url, address) = (node.ws_url(), node.rpc_address().unwrap());
    let client = Client::connect(&url).await.unwrap();
    let (validator, honest, liar) = (key("//Validator"), key("//Honest"), key("//Liar"));
    let netuid = open_market(&client, &validator, &[honest.clone(), liar.clone()]).await;

    let (test, _) = watch::channel(());
    let start_miner = |name: &str, hotkey: &Arc<Keypair>, behaviour| {
        let config = miner_config(&url, netuid, &directory.path().join(name), behaviour);
        tokio::spawn(run_miner(config, Arc::clone(hotkey), end_of(&test)))
    };
    let honest_task = start_miner("honest", &honest, Behaviour::default());
    let liar_task = start_miner("liar", &liar, Behaviour::Liar);
    let config = ValidatorConfig {
        node_url: url.clone(),
        netuid,
        round_ms: 200,
        ..validator_config(directory.path(), 1)
    };
    let validator_task = tokio::spawn(run_validator(config, Arc::clone(&validator), end_of(&test)));

    let neurons = wait_until(&client, netuid, |neurons| neurons[1].incentive == u16::MAX).await;
    assert!(neurons[1].axon.is_some() && neurons[2].axon.is_some());
    assert_eq!((neurons[0].incentive, neurons[2].incentive), (0, 0));
    let paid = client.stake(&account_of(&key("//Bob")), &account_of(&honest), netuid).await.unwrap();
    assert!(paid > 0);

    // The programs outlive their node.
    let last_update = client.neurons(netuid).await.unwrap()[0].last_update;
    node.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let node = start_node(directory.path(), address).await;
    let neurons = wait_until(&client, netuid, |neurons| neurons[0].last_update > last_update + 20).await;
    assert_eq!((neurons[1].incentive, neurons[2].incentive), (u16::MAX, 0));

    test.send(()).unwrap();
    honest_task.await.unwrap().unwrap();
    liar_task.await.unwrap().unwrap();
    validator_task.await.unwrap().unwrap();
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_without_a_slot_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let node = start_node(directory.path(), "127.0.0.1:0".parse().unwrap()).await;
    let client = Client::connect(node.ws_url()).await.unwrap();
    let netuid = open_market(&client, &key("//Validator"), &[]).await;
    let config = miner_config(&node.ws_url(), netuid, &directory.path().join("miner"), Behaviour::default());
    let error = run_miner(config, key("//Stranger"), std::future::pending()).await.unwrap_err();
    assert!(matches!(error, MinerError::NotRegistered { .. }), "{error}");
    node.shutdown().await.unwrap();
}
