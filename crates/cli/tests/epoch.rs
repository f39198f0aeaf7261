//! `myelin epoch`: every recorded case from its file, and the epochs of a chain from the chain.

mod support;

use std::{fs, path::PathBuf, time::Duration};

use codec::Encode;
use frame_support::storage::generator::{StorageDoubleMap, StorageMap};
use myelin_client::{account_of, Client, WaitFor};
use myelin_keys::{CryptoType, Keypair};
use myelin_runtime::{AccountId, Runtime, RuntimeCall, RAO_PER_TAO};
use pallet_subtensor as market;
use serde_json::Value;
use support::{document, failure, run, Chain};

const NETUID: u16 = 1;
const TEMPO: u16 = 12;

fn recorded_files() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/epoch");
    let entries = fs::read_dir(folder).expect("the vectors are part of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a text")).expect("JSON")
}

#[test]
fn every_recorded_case_is_recomputed() {
    let files = recorded_files();
    assert_eq!(files.len(), 79);
    for path in files {
        let recorded = read(&path);
        let steps = recorded["steps"].as_array().expect("steps");
        let computed = document(&["epoch", "--trace", "--input", path.to_str().expect("a path of text")]);
        let computed = computed.as_array().expect("a result for each step");
        assert_eq!(computed.len(), steps.len(), "{}", path.display());
        for (index, (computed, step)) in computed.iter().zip(steps).enumerate() {
            assert_eq!(computed["trace"], step["trace"], "{}, step {index}", path.display());
            let mut output = computed.clone();
            output.as_object_mut().expect("an object").remove("trace");
            assert_eq!(output, step["output"], "{}, step {index}", path.display());
        }
    }
}

#[test]
fn a_single_input_gives_a_single_result_in_a_file() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (input, output) = (directory.path().join("input.json"), directory.path().join("output.json"));
    let step = read(&recorded_files()[58])["steps"][1].clone();
    fs::write(&input, step["input"].to_string()).expect("writes");
    let arguments = ["epoch", "--input", input.to_str().expect("text"), "--threads", "2", "--repeat", "1"];
    let done = run(&[&arguments[..], &["--output", output.to_str().expect("text")]].concat());
    assert!(done.status.success() && done.stdout.is_empty());
    let told = String::from_utf8_lossy(&done.stderr);
    let micros = told.trim().strip_prefix("median microseconds: ").expect(&told);
    assert!(micros.parse::<f64>().expect(micros) > 0.0);
    assert_eq!(read(&output), step["output"]);

    let told = failure(&["epoch", "--input", arguments[2], "--output", arguments[2]]);
    assert!(told.contains("name another file"), "{told}");
    assert_eq!(read(&input), step["input"], "the inputs are still there");
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("input.json");
    let path_text = path.to_str().expect("text");
    assert!(failure(&["epoch", "--input", path_text]).contains("input.json"));
    let mut case = read(&recorded_files()[0]);
    case["steps"][0]["input"]["kappa"] = 65_536.into();
    fs::write(&path, case.to_string()).expect("writes");
    let told = failure(&["epoch", "--input", path_text]);
    assert!(told.contains("step 0: `kappa` is 65536; expected 0..=65535"), "{told}");
    assert_eq!(told.matches("65536").count(), 1, "said once: {told}");
    fs::write(&path, "null").expect("writes");
    let told = failure(&["epoch", "--input", path_text]);
    assert!(told.contains("expected a JSON object") && told.contains("found null"), "{told}");
    for (arguments, missing) in
        [(vec!["epoch"], "--input <FILE>"), (vec!["epoch", "--netuid", "1"], "--from-chain")]
    {
        let words = String::from_utf8(run(&arguments).stderr).expect("text");
        let (error, usage) = words.split_once("Usage:").expect("how to use it");
        assert!(error.contains(missing), "{words}");
        let both = usage.contains("--input <FILE>") && usage.contains("--from-chain --netuid <NETUID>");
        assert!(both, "{words}");
    }
    for arguments in [
        vec!["epoch"],
        vec!["epoch", "--from-chain"],
        vec!["epoch", "--netuid", "1"],
        vec!["epoch", "--input", path_text, "--repeat", "0"],
        vec!["epoch", "--input", path_text, "--from-chain", "--netuid", "1"],
    ] {
        assert_eq!(run(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}

/// What a command says that fails with this many KiB of address space.
fn failure_within(kib: u64, input: &str) -> String {
    let mut command = std::process::Command::new("sh");
    let script = format!("ulimit -v {kib}; exec \"$0\" epoch --input \"$1\"");
    let output =
        command.args(["-c", &script, env!("CARGO_BIN_EXE_myelin"), input]).output().expect("a shell");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{input}: {words}");
    words
}

#[test]
fn what_is_no_document_is_not_read_to_its_end() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = |name: &str, content: &[u8], bytes: u64| {
        let path = directory.path().join(name);
        fs::write(&path, content).expect("writes");
        fs::File::options().write(true).open(&path).expect("opens").set_len(bytes).expect("grows");
        path.to_str().expect("text").to_owned()
    };
    for (input, reason) in [
        ("/dev/zero".to_owned(), "not a JSON document"),
        (file("large.json", b"{", 100_000_000), "it has 100000000 bytes; at most 94371840 are read"),
        (file("latin.json", b"{\"n\": \"\xe9\"}", 11), "not a text in UTF-8, from byte 7 on"),
    ] {
        let told = failure_within(4 << 20, &input);
        assert!(told.contains(reason) && told.contains(&input), "{told}");
        assert!(told.len() < 1_000, "{told}");
    }
}

fn key(name: &str) -> Keypair {
    Keypair::from_uri(&format!("//{name}"), CryptoType::Sr25519).expect("a key")
}

fn account(name: &str) -> AccountId {
    account_of(&key(name))
}

/// A subnet on a chain with a block for each transaction.
struct Subnet {
    chain: Chain,
    client: Client,
}

impl Subnet {
    /// Alice owns it; Bob and Charlie validate as well, Bob also with stake that Ferdie lends him; Dave and Eve mine.
    async fn open() -> Self {
        let chain = Chain::start(&["--block-time", "instant"]);
        let client = Client::connect(chain.url.clone()).await.expect("a node");
        let subnet = Self { chain, client };
        let (client, alice) = (&subnet.client, key("Alice"));
        client.register_subnet(&alice, &account("Alice"), WaitFor::InBlock).await.expect("opens");
        client.start_subnet(&alice, NETUID, WaitFor::InBlock).await.expect("starts");
        for name in ["Bob", "Charlie", "Dave", "Eve"] {
            let coldkey = key(name);
            let hotkey = account(name);
            client.register_neuron(&coldkey, NETUID, &hotkey, WaitFor::InBlock).await.expect("registers");
        }
        for (name, tao) in [("Bob", 900), ("Charlie", 150), ("Alice", 400), ("Ferdie", 300)] {
            if name == "Ferdie" {
                let call = market::Call::root_register { hotkey: account(name) };
                let call = RuntimeCall::SubtensorModule(call);
                client.submit(call, &key(name), WaitFor::InBlock).await.expect("root");
            }
            let amount = tao * RAO_PER_TAO;
            client
                .add_stake(&key(name), &account(name), NETUID, amount, WaitFor::InBlock)
                .await
                .expect("stake");
        }
        // Ferdie and nominators on root, and nominators on the subnet.
        for (name, behind, netuid, tao) in [
            ("Ferdie", "Ferdie", 0, 700),
            ("Eve", "Bob", 0, 200),
            ("Dave", "Bob", NETUID, 70),
            ("Eve", "Bob", NETUID, 30),
            ("Ferdie", "Charlie", NETUID, 90),
        ] {
            let amount = tao * RAO_PER_TAO;
            client
                .add_stake(&key(name), &account(behind), netuid, amount, WaitFor::InBlock)
                .await
                .expect("stake");
        }
        // As if the second mechanism had been there when they registered.
        let updates = vec![subnet.height().await.into(); 5];
        subnet.put_at::<market::LastUpdate<Runtime>, _>(market::storage_index(NETUID, 1), updates).await;
        let half = u64::MAX / 2;
        subnet.put_at::<market::Tempo<Runtime>, _>(NETUID, TEMPO).await;
        subnet.put_at::<market::MechanismCountCurrent<Runtime>, _>(NETUID, 2u8).await;
        subnet.put_at::<market::MechanismEmissionSplit<Runtime>, _>(NETUID, vec![40_000u16, 25_535]).await;
        subnet
            .put(
                market::ChildKeys::<Runtime>::storage_double_map_final_key(account("Ferdie"), NETUID),
                vec![(half, account("Bob"))],
            )
            .await;
        subnet
            .put(
                market::ParentKeys::<Runtime>::storage_double_map_final_key(account("Bob"), NETUID),
                vec![(half, account("Ferdie"))],
            )
            .await;
        // What Bob keeps of it, what is burned of it, and what he takes of his nominators.
        let take = market::ChildkeyTake::<Runtime>::storage_double_map_final_key(account("Bob"), NETUID);
        subnet.put(take, 6_553u16).await;
        subnet.put(market::CKBurn::<Runtime>::hashed_key().to_vec(), u64::MAX / 50).await;
        subnet.put(market::Delegates::<Runtime>::hashed_key_for(account("Bob")), 5_000u16).await;
        subnet
    }

    async fn put_at<Item, Value>(&self, netuid: u16, value: Value)
    where
        Item: StorageMap<u16, Value>,
        Value: codec::FullCodec,
    {
        self.put(Item::storage_map_final_key(netuid), value).await;
    }

    /// Writes to storage as only a development chain's owner can.
    async fn put(&self, storage_key: Vec<u8>, value: impl Encode) {
        let items = vec![(storage_key, value.encode())];
        let call = Box::new(RuntimeCall::System(frame_system::Call::set_storage { items }));
        let call = RuntimeCall::Sudo(pallet_sudo::Call::sudo { call });
        self.client.submit(call, &key("Alice"), WaitFor::InBlock).await.expect("sudo");
    }

    async fn judge(&self, name: &str, mechanism: u8, weights: &[(u16, u16)]) {
        let (dests, weights) = weights.iter().copied().unzip();
        let call = market::Call::set_mechanism_weights {
            netuid: NETUID,
            mecid: mechanism,
            dests,
            weights,
            version_key: 0,
        };
        let call = RuntimeCall::SubtensorModule(call);
        self.client.submit(call, &key(name), WaitFor::InBlock).await.expect("weights");
    }

    async fn judge_all(&self) {
        self.put_at::<market::WeightsSetRateLimit<Runtime>, _>(NETUID, 0u64).await;
        self.judge("Alice", 0, &[(3, 30), (4, 70)]).await;
        self.judge("Bob", 0, &[(3, 50), (4, 50)]).await;
        self.judge("Charlie", 0, &[(3, 90), (4, 20), (0, 1)]).await;
        self.judge("Bob", 1, &[(4, 1), (3, 2)]).await;
        self.judge("Charlie", 1, &[(3, 100)]).await;
    }

    async fn height(&self) -> u32 {
        self.client.block_number().await.expect("a height")
    }

    async fn last_epoch(&self) -> u32 {
        let block = self.client.map::<market::LastMechansimStepBlock<Runtime>, _, _>(NETUID).await;
        block.expect("a block").try_into().expect("a height")
    }

    /// Makes blocks until the next one runs an epoch.
    async fn approach_epoch(&self) -> u32 {
        let slot = self.client.map::<market::LastEpochBlock<Runtime>, _, _>(NETUID).await.expect("a block");
        let epoch = u32::try_from(slot).expect("a height") + u32::from(TEMPO);
        while self.height().await + 1 < epoch {
            self.make_block().await;
        }
        epoch
    }

    async fn make_block(&self) {
        self.client
            .transfer(&key("Alice"), &account("Nobody"), 1_000_000, WaitFor::InBlock)
            .await
            .expect("block");
    }

    async fn run_epoch(&self) -> u32 {
        let epoch = self.approach_epoch().await;
        self.make_block().await;
        assert_eq!(self.last_epoch().await, epoch);
        epoch
    }

    fn verify(&self, more: &[&str]) -> Value {
        self.chain.ask(&[&["epoch", "--from-chain", "--netuid", "1"], more].concat())
    }

    fn dispute(&self, more: &[&str]) -> (Value, String) {
        let arguments =
            [&["--json", "--node", &self.chain.url, "epoch", "--from-chain", "--netuid", "1"], more];
        let output = run(&arguments.concat());
        assert_eq!(output.status.code(), Some(1));
        let report = serde_json::from_slice(&output.stdout).expect("a report");
        (report, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn assert_agrees(report: &Value, epoch: u32) {
    assert_eq!(report["agrees"], true, "{report}");
    assert_eq!(
        (report["epoch_block"].as_u64(), report["mechanisms"].as_u64()),
        (Some(epoch.into()), Some(2))
    );
    assert!(report["emission_rao"].as_u64().expect("an amount") > 0);
    // Seven values a uid for the subnet, three for each mechanism, and four for each hotkey that is paid.
    let left_out = report["overwritten_uids"].as_array().expect("uids").len() as u64;
    assert!(report["compared_values"].as_u64().expect("a count") > (5 - left_out) * (7 + 2 * 2) + 6 * 4);
    let reasons = report["not_compared"].as_array().expect("a list");
    assert!(reasons
        .iter()
        .any(|left_out| left_out["value"].as_str().is_some_and(|text| text.contains("TotalHotkeyAlpha"))));
}

/// Dividends of `name` in the state after the newest block: for alpha, and for root.
async fn dividends(subnet: &Subnet, name: &str) -> (u64, u64) {
    let (client, hotkey) = (&subnet.client, account(name));
    let alpha = client.double_map::<market::AlphaDividendsPerSubnet<Runtime>, _, _, _>(NETUID, &hotkey).await;
    let root =
        client.double_map::<market::RootAlphaDividendsPerSubnet<Runtime>, _, _, _>(NETUID, &hotkey).await;
    (alpha.expect("reads"), root.expect("reads"))
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_of_a_chain_are_verified_and_tampering_is_found() {
    let subnet = Subnet::open().await;
    let early = subnet.chain.refuses(&["epoch", "--from-chain", "--netuid", "1", "--at", "3"]);
    assert!(early.contains("has not run an epoch yet") || early.contains("no subnet 1"), "{early}");
    let nowhere = subnet.chain.refuses(&["epoch", "--from-chain", "--netuid", "7"]);
    assert!(nowhere.contains("no subnet 7"), "{nowhere}");
    let future = subnet.chain.refuses(&["epoch", "--from-chain", "--netuid", "1", "--at", "100000"]);
    assert!(future.contains("100000"), "{future}");

    let permits = subnet.run_epoch().await;
    assert_agrees(&subnet.verify(&[]), permits);
    subnet.judge_all().await;
    let yuma3 = subnet.run_epoch().await;
    assert_agrees(&subnet.verify(&[]), yuma3);
    assert!(dividends(&subnet, "Bob").await.0 > 0 && dividends(&subnet, "Charlie").await.0 > 0);
    assert_eq!(dividends(&subnet, "Bob").await.1, 0, "root is not paid while prices are low");
    let price = substrate_fixed::types::I96F32::from_num(2);
    subnet.put_at::<market::SubnetMovingPrice<Runtime>, _>(NETUID, price).await;
    subnet.put_at::<market::Yuma3On<Runtime>, _>(NETUID, false).await;
    subnet.put_at::<market::BondsPenalty<Runtime>, _>(NETUID, 30_000u16).await;
    let yuma2 = subnet.run_epoch().await;
    assert_agrees(&subnet.verify(&[]), yuma2);
    assert!(dividends(&subnet, "Bob").await.1 > 0 && dividends(&subnet, "Ferdie").await.1 > 0);
    assert_eq!(dividends(&subnet, "Charlie").await.1, 0, "nobody stakes on root with Charlie");
    subnet.put_at::<market::Yuma3On<Runtime>, _>(NETUID, true).await;
    subnet.put_at::<market::LiquidAlphaOn<Runtime>, _>(NETUID, true).await;
    subnet.put_at::<market::CommitRevealWeightsEnabled<Runtime>, _>(NETUID, true).await;
    let destination =
        market::AutoStakeDestination::<Runtime>::storage_double_map_final_key(account("Dave"), NETUID);
    subnet.put(destination, account("Charlie")).await;
    let liquid = subnet.run_epoch().await;
    assert_agrees(&subnet.verify(&[]), liquid);
    subnet.put_at::<market::CommitRevealWeightsEnabled<Runtime>, _>(NETUID, false).await;
    let between = (yuma2 + 2).to_string();
    assert_agrees(&subnet.verify(&["--at", &between]), yuma2);
    let shown = run(&["--node", &subnet.chain.url, "epoch", "--from-chain", "--netuid", "1"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("stored values agree"));

    // What was verified can be recomputed without the chain.
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("case.json");
    let path = path.to_str().expect("text");
    subnet.verify(&["--output", path]);
    let case = read(std::path::Path::new(path));
    let steps = case["steps"].as_array().expect("steps");
    assert_eq!(document(&["epoch", "--input", path])[1], steps[1]["output"]);
    let incentives = steps[0]["output"]["incentive"].as_array().expect("values");
    assert!(incentives.iter().any(|incentive| *incentive != 0), "miners earn");
    assert!(steps[0]["input"]["tao_stake"][1].as_u64() > Some(0), "Ferdie's root stake is lent to Bob");

    // A newcomer in the block of the epoch covers up what it stored, and nothing else.
    let epoch = subnet.approach_epoch().await;
    let (newcomer, _) = subnet
        .client
        .register_neuron(&key("One"), NETUID, &account("One"), WaitFor::InBlock)
        .await
        .expect("registers");
    let report = subnet.verify(&[]);
    assert_agrees(&report, epoch);
    assert_eq!(report["overwritten_uids"], serde_json::json!([newcomer]));

    // Tampering in the block of the epoch, after it.
    let epoch = subnet.approach_epoch().await;
    subnet.put_at::<market::Dividends<Runtime>, _>(NETUID, vec![1u16, 2, 3, 4, 5, 6]).await;
    assert_eq!(subnet.last_epoch().await, epoch);
    let (report, told) = subnet.dispute(&[]);
    assert_eq!(report["agrees"], false);
    let differences = report["differences"].as_array().expect("differences");
    assert!(differences.iter().all(|difference| difference["field"] == "dividends"), "{differences:?}");
    assert!(differences.iter().any(|difference| difference["uid"] == 1 && difference["stored"] == 2));
    assert!(told.contains("does not come to"), "{told}");

    let epoch = subnet.approach_epoch().await;
    let bob =
        market::RootAlphaDividendsPerSubnet::<Runtime>::storage_double_map_final_key(NETUID, account("Bob"));
    subnet.put(bob, 1_234u64).await;
    assert_eq!(subnet.last_epoch().await, epoch);
    let (report, _) = subnet.dispute(&[]);
    let differences = report["differences"].as_array().expect("differences");
    assert_eq!(differences.len(), 1, "{differences:?}");
    let (field, hotkey) = (&differences[0]["field"], &differences[0]["hotkey"]);
    assert_eq!(
        (field.as_str(), hotkey.as_str()),
        (Some("root_dividends"), Some(&*account("Bob").to_string()))
    );
    assert_eq!(differences[0]["stored"], 1_234);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_gone_is_said_to_be() {
    let subnet = Subnet::open().await;
    let epoch = subnet.run_epoch().await;
    subnet.put_at::<market::Tempo<Runtime>, _>(NETUID, 0u16).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(300);
    while subnet.height().await < epoch + 258 {
        assert!(std::time::Instant::now() < deadline, "300 blocks take less than 5 minutes");
        subnet.make_block().await;
    }
    let told = subnet.chain.refuses(&["epoch", "--from-chain", "--netuid", "1"]);
    assert!(told.contains("--archive") && told.contains(&(epoch - 1).to_string()), "{told}");
}
