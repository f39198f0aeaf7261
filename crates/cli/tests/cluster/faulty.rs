//! One of four validators is a build of the node that misbehaves as a proposer.
//!
//! The program itself cannot be told to, so the faulty node is this test binary, started again with [`SETUP`].

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use myelin_bft::{Bft, BftConfig, ConsensusSecret, Fault};
use myelin_client::account_of;
use myelin_gossip::{Gossip, GossipConfig, NodeKey};
use myelin_keys::{CryptoType, Keypair};
use myelin_node::{ChainSpec, Location, NodeConfig};
use myelin_runtime::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    follow::assert_acknowledged,
    load::Load,
    network::{wait_until, Network, Node, Places},
    watch::Observer,
};

const BLOCK_TIME: &str = "250ms";
/// The environment's variable with the setup of a faulty node, as JSON.
const SETUP: &str = "MYELIN_FAULTY_NODE";
/// The validator that is faulty.
const BAD: usize = 3;
/// What others say of a block that claims a state which it does not lead to.
const WRONG_STATE_ROOT: &str = "the state root is";

/// How a faulty node is started.
#[derive(Serialize, Deserialize)]
struct Setup {
    fault: String,
    chain: PathBuf,
    base_path: PathBuf,
    consensus: SocketAddr,
    consensus_peers: Vec<SocketAddr>,
    gossip: String,
    gossip_peers: Vec<String>,
}

fn fault_of(name: &str) -> Fault {
    let faults =
        [Fault::WrongStateRoot, Fault::RepeatsInvalidBlock, Fault::OversizedBlock, Fault::GarbageParts];
    faults.into_iter().find(|fault| format!("{fault:?}") == name).expect("the name of a fault")
}

fn start_faulty(network: &Network, fault: Fault) -> Node {
    let Places { consensus, gossip, consensus_peers, gossip_peers } = network.places(BAD);
    let setup = Setup {
        fault: format!("{fault:?}"),
        chain: network.spec_path(),
        base_path: network.base_path(BAD),
        consensus,
        consensus_peers,
        gossip,
        gossip_peers,
    };
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--ignored", "--exact", "faulty::node", "--nocapture"])
        .env(SETUP, serde_json::to_string(&setup).expect("a document"))
        .stdin(Stdio::null());
    Node::start("faulty", network.logs(), command)
}

/// Who is paid for a validator's blocks, as `myelin init` writes it.
fn account_of_validator(index: usize) -> AccountId {
    let key = Keypair::from_uri(&format!("//Validator/{index}"), CryptoType::Sr25519).expect("a key");
    account_of(&key)
}

/// Three honest validators go on beside a faulty one, each of them having refused what it proposed with `complaint`.
/// Returns what each of them has logged.
fn the_rest_goes_on(fault: Fault, complaint: &str) -> Vec<String> {
    let mut network = Network::new(4, BLOCK_TIME);
    (0..BAD).for_each(|index| network.start_node(index));
    let faulty = start_faulty(&network, fault);
    let observer = Observer::start(&network);
    let load =
        Load::start(network.runtime().handle(), network.running().map(|node| node.url.clone()).collect());
    network.wait_for_blocks(12);
    for node in network.running() {
        wait_until(&format!("{} refuses a block", node.name), || node.log().contains(complaint));
    }
    network.wait_for_blocks(4);
    let acknowledged = load.stop();
    assert!(!acknowledged.is_empty(), "transfers become final");
    network.wait_for_blocks(1);
    network.assert_agreement();
    network.running().for_each(|node| assert_acknowledged(&acknowledged, node));
    // Everybody else had a turn and was paid for a block.
    let node = network.node(0);
    let digests: String = (1..=node.height()).map(|height| node.digest(height)).collect();
    for index in 0..4 {
        let account = hex::encode(<AccountId as AsRef<[u8]>>::as_ref(&account_of_validator(index)));
        assert_eq!(digests.contains(&account), index != BAD, "validator {index} made one of {digests}");
    }
    assert!(faulty.height() > 0, "the faulty node was there all the time");
    observer.finish(12 * 3);
    network.running().map(Node::log).collect()
}

#[test]
fn a_wrong_state_root_is_out_voted() {
    the_rest_goes_on(Fault::WrongStateRoot, WRONG_STATE_ROOT);
}

#[test]
fn an_invalid_block_that_is_sent_again_and_again_is_executed_once_a_round() {
    for log in the_rest_goes_on(Fault::RepeatsInvalidBlock, WRONG_STATE_ROOT) {
        let complaints = log.lines().filter(|line| line.contains(WRONG_STATE_ROOT));
        let mut times = HashMap::<_, usize>::new();
        complaints.filter_map(|line| line.split_once("height=")).for_each(|(_, whose)| {
            *times.entry(whose.to_owned()).or_default() += 1;
        });
        // A validator may reach another round while the block is still being sent.
        let most = times.into_iter().max_by_key(|(_, times)| *times).expect("some were refused");
        assert!(most.1 <= 4, "{most:?}");
    }
}

#[test]
fn an_oversized_block_is_out_voted() {
    the_rest_goes_on(Fault::OversizedBlock, "more than the limit of");
}

#[test]
fn parts_that_are_not_the_block_are_out_voted() {
    the_rest_goes_on(Fault::GarbageParts, "a part of a block is dropped");
}

#[test]
#[ignore = "no test, but the process of a faulty node that the tests start"]
fn node() {
    let setup = std::env::var(SETUP).expect("only the tests of this file start it");
    let setup: Setup = serde_json::from_str(&setup).expect("a setup");
    tracing_subscriber::fmt().with_env_filter("warn").with_ansi(false).with_writer(std::io::stderr).init();
    Runtime::new().expect("threads").block_on(run(setup));
}

/// A validator as `myelin node --validator` runs it, but for its fault.
async fn run(setup: Setup) {
    let key = std::fs::read_to_string(setup.base_path.join("consensus.key")).expect("a key");
    let mut seed = [0; 32];
    hex::decode_to_slice(key.trim(), &mut seed).expect("hexadecimal digits");
    let peers = setup.consensus_peers.into_iter().map(Into::into).collect();
    let mut bft = BftConfig::new(setup.base_path.join("consensus"), setup.consensus)
        .with_peers(peers)
        .with_key(ConsensusSecret::from_seed(&seed));
    bft.fault = Some(fault_of(&setup.fault));
    let chain = ChainSpec::load(&setup.chain).expect("a chain");
    let config = NodeConfig::new(chain, Location::Directory(setup.base_path.clone()));
    let node = myelin_node::Node::new(config, Box::new(Bft::new(bft)))
        .rpc_address((Ipv4Addr::LOCALHOST, 0).into())
        .start()
        .await
        .expect("it starts");
    let gossip_key = NodeKey::load_or_create(&setup.base_path.join("gossip.key")).expect("a key");
    let mut gossip = GossipConfig::new(node.chain().genesis_hash(), gossip_key);
    let multiaddress = |text: &String| text.parse().expect("an address");
    gossip.listen = vec![multiaddress(&setup.gossip)];
    gossip.persistent_peers = setup.gossip_peers.iter().map(multiaddress).collect();
    let gossip = Gossip::start(gossip, Arc::clone(node.mempool()), node.shutdown_token()).await;
    let _gossip = gossip.expect("it listens");
    // The harness may have begun a line.
    println!("\n{}", json!({ "rpc": node.ws_url(), "http": node.http_url() }));
    node.wait().await.expect("nobody ends it");
}
