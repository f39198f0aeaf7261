//! Commands against a chain of their own.

mod support;

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
};

use support::{document, failure, myelin, run, without_room, Chain};

#[test]
fn the_program_says_its_version_and_helps() {
    let version = run(&["--version"]);
    assert!(version.status.success());
    assert_eq!(
        String::from_utf8_lossy(&version.stdout).trim(),
        format!("myelin {}", env!("CARGO_PKG_VERSION"))
    );
    for command in ["dev", "wallet", "transfer", "subnet", "stake", "weights", "metagraph", "query"] {
        assert!(run(&[command, "--help"]).status.success(), "{command}");
    }
    assert!(run(&["completions", "bash"]).stdout.len() > 1000);
}

#[test]
fn a_subnet_is_opened_staked_on_and_judged() {
    let chain = Chain::start(&["--block-time", "instant"]);
    let dry = chain.ask(&["subnet", "create", "--name", "first", "-w", "//Alice", "--dry-run"]);
    assert_eq!(dry["status"], "dry_run");
    assert_eq!(chain.ask(&["subnet", "list"])["subnets"].as_array().map(Vec::len), Some(1), "only root");
    let created = chain.ask(&["subnet", "create", "--name", "first", "-w", "//Alice"]);
    assert_eq!(
        (created["status"].as_str(), created["details"][0]["value"].as_str()),
        (Some("success"), Some("1"))
    );
    chain.ask(&["subnet", "start", "1", "-w", "//Alice"]);
    chain.ask(&["subnet", "register", "1", "-w", "//Bob"]);
    chain.ask(&["stake", "add", "1", "10.5", "-w", "//Bob"]);
    chain.ask(&["weights", "set", "1", "0:0.25", "1:1", "-w", "//Alice"]);

    let subnets = chain.ask(&["subnet", "list"]);
    assert_eq!(subnets["subnets"][1]["name"], "first");
    let epoch = chain.ask(&["query", "epoch", "1"]);
    assert!(epoch["next_epoch_block"].as_u64() > epoch["block"].as_u64(), "{epoch}");
    let root = chain.refuses(&["query", "epoch", "0"]);
    assert!(root.contains("runs no epochs"), "{root}");
    let metagraph = chain.ask(&["metagraph", "1"]);
    assert_eq!(metagraph["neurons"].as_array().map(Vec::len), Some(2));
    let weights = chain.ask(&["weights", "show", "1"]);
    assert_eq!(weights["validators"][0]["weights"], serde_json::json!([[0, 16384], [1, 65535]]));
    let stakes = chain.ask(&["stake", "list", "//Bob"]);
    assert_eq!(stakes["stakes"][0]["netuid"], 1);
    let position = stakes["stakes"][0]["alpha"].as_str().expect("an amount").to_owned();
    let too_much = chain.refuses(&["stake", "remove", "1", "10000", "-w", "//Bob"]);
    assert!(too_much.contains("less than 10000") && too_much.contains("`all`"), "{too_much}");
    assert_eq!(run(&["stake", "remove", "1", "-w", "//Bob"]).status.code(), Some(2), "how much is not said");
    let part = chain.ask(&["stake", "remove", "1", "1", "-w", "//Bob"]);
    assert_eq!(part["details"][1]["value"], "1", "of {position}");
    chain.ask(&["stake", "remove", "1", "all", "-w", "//Bob"]);
    let nothing = chain.refuses(&["stake", "remove", "1", "all", "-w", "//Bob"]);
    assert!(nothing.contains("nothing is staked"), "{nothing}");
    assert_eq!(chain.ask(&["query", "conservation"])["conserved"], true);
}

#[test]
fn web_pages_and_names_are_allowed_by_flags() {
    const OK: &str = "HTTP/1.1 200 OK";
    const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden";
    const WALLET: &str = "https://wallet.example";
    let closed = Chain::start(&["--block-time", "manual"]);
    assert_eq!(closed.status_for("localhost", WALLET), FORBIDDEN);
    assert_eq!(closed.status_for("node.example", "https://polkadot.js.org"), FORBIDDEN);
    let open = Chain::start(&[
        "--block-time",
        "manual",
        "--rpc-allowed-origin",
        "https://other.example,https://wallet.example",
        "--rpc-allowed-host",
        "node.example",
    ]);
    assert_eq!(open.status_for("localhost", WALLET), OK);
    assert_eq!(open.status_for("node.example:9944", WALLET), OK);
    assert_eq!(open.status_for("elsewhere.example", WALLET), FORBIDDEN);
    assert_eq!(open.status_for("localhost", "https://polkadot.js.org"), FORBIDDEN, "the default is replaced");
    let mistaken = run(&["dev", "--rpc-allowed-origin", "wallet.example"]);
    assert_eq!(mistaken.status.code(), Some(2));
    let words = String::from_utf8_lossy(&mistaken.stderr);
    assert!(words.contains("write scheme and name alone"), "{words}");
}

#[test]
fn a_transfer_arrives_to_the_rao() {
    let chain = Chain::start(&["--block-time", "instant"]);
    let before = chain.ask(&["wallet", "balance", "//Nobody"])["free"].clone();
    assert_eq!(before, "0");
    let sent = chain.ask(&["transfer", "//Nobody", "1.000000001", "-w", "//Alice"]);
    assert_eq!(sent["status"], "success");
    assert_eq!(chain.ask(&["query", "balance", "//Nobody"])["free"], "1.000000001");
}

#[test]
fn a_dry_run_fails_as_the_real_one_would_and_changes_nothing() {
    let chain = Chain::start(&["--block-time", "instant"]);
    let before = chain.ask(&["query", "balance", "//Alice"]);
    for (command, reason) in [
        (vec!["transfer", "//Bob", "1000001", "-w", "//Alice"], "would fail"),
        (vec!["transfer", "//Bob", "1", "-w", "//Nobody"], "pay some fees"),
        (vec!["subnet", "start", "9", "-w", "//Alice"], "SubnetNotExists"),
    ] {
        let words = chain.refuses(&[command.as_slice(), &["--dry-run"]].concat());
        assert!(words.contains(reason), "{words}");
    }
    let dry = chain.ask(&["transfer", "//Bob", "1", "-w", "//Alice", "--dry-run"]);
    assert_eq!(dry["status"], "dry_run");
    assert_ne!(dry["fee"], "0");
    assert_eq!(chain.ask(&["query", "balance", "//Alice"]), before);
    assert_eq!(chain.ask(&["query", "block"])["number"], 0);
}

#[test]
fn what_would_fail_is_not_sent() {
    let chain = Chain::start(&["--block-time", "instant"]);
    chain.ask(&["subnet", "create", "-w", "//Alice"]);
    let height = chain.ask(&["query", "block"])["number"].clone();
    let funds = chain.ask(&["query", "balance", "//Alice"])["free"].clone();
    let alice = chain.ask(&["query", "balance", "//Alice"])["address"].clone();
    let alice = alice.as_str().expect("an address");
    for (amount, reason) in [("99999999", "does not suffice"), ("1000001", "does not suffice")] {
        let words = chain.refuses(&["transfer", "//Bob", amount, "-w", "//Alice"]);
        assert!(words.contains("nothing was sent") && words.contains(reason), "{words}");
        let free = funds.as_str().expect("an amount");
        assert!(words.contains(&format!("{alice} has {free} TAO free")), "{words}");
    }
    let stranger = chain.refuses(&["subnet", "start", "1", "-w", "//Bob"]);
    assert!(stranger.contains("only the owner of subnet 1, 5Grwva"), "{stranger}");
    for command in [
        &["subnet", "register", "9", "-w", "//Bob"][..],
        &["stake", "add", "9", "10", "-w", "//Bob"],
        &["stake", "add", "0", "10000000", "-w", "//Alice", "--to", alice],
        &["weights", "set", "1", "9:1", "-w", "//Alice"],
        &["weights", "set", "1", "0:1", "-w", "//Bob"],
        &["subnet", "create", "-w", "//Nobody"],
    ] {
        let words = chain.refuses(command);
        assert!(!words.contains("is in block"), "{words}");
    }
    assert_eq!(chain.ask(&["query", "block"])["number"], height);
    assert_eq!(chain.ask(&["query", "balance", "//Alice"])["free"], funds);
}

#[test]
fn commands_that_run_at_once_with_one_account_all_arrive() {
    let chain = Chain::start(&["--block-time", "250ms"]);
    let command = |number: u32| {
        let amount = format!("{}.5", 10 + number);
        let mut command = myelin();
        command.args(["--node", &chain.url, "transfer", "//Nobody", &amount, "-w", "//Alice"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts")
    };
    let started: Vec<Child> = (0..8).map(command).collect();
    for process in started {
        let output = process.wait_with_output().expect("it is ours");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(chain.ask(&["query", "balance", "//Nobody"])["free"], "112");
}

#[test]
fn what_cannot_be_done_says_why() {
    let chain = Chain::start(&["--block-time", "instant"]);
    let poor = chain.refuses(&["transfer", "//Bob", "1", "-w", "//Nobody"]);
    assert!(poor.contains("pay some fees"), "{poor}");
    let too_much = chain.refuses(&["transfer", "//Bob", "1000001", "-w", "//Alice"]);
    assert!(too_much.to_lowercase().contains("fund") || too_much.contains("balance"), "{too_much}");
    let nowhere = chain.refuses(&["subnet", "start", "9", "-w", "//Alice"]);
    assert!(nowhere.contains("SubnetNotExists"), "{nowhere}");
    for command in [
        &["metagraph", "9"][..],
        &["weights", "show", "9"],
        &["query", "price", "9"],
        &["query", "epoch", "9"],
    ] {
        let missing = chain.refuses(command);
        assert!(missing.contains("no subnet 9"), "{missing}");
    }
    let mistyped = chain.refuses(&["query", "balance", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQX"]);
    assert!(mistyped.contains("copy the whole address"), "{mistyped}");
    let nobody = chain.refuses(&["transfer", "nosuchwallet", "1", "-w", "//Alice"]);
    assert!(nobody.contains("neither an address") && nobody.contains("nor a wallet"), "{nobody}");
    // None of it cost anything or stopped the chain.
    assert_eq!(chain.ask(&["query", "conservation"])["conserved"], true);
    let offline = failure(&["--node", "ws://127.0.0.1:1", "query", "block"]);
    assert!(offline.contains("myelin dev"), "{offline}");
}

#[test]
fn an_empty_variable_is_none_and_a_wrong_one_is_named() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let missing = directory.path().join("chain.json");
    let words = |name: &str, value: &str| {
        let mut node = myelin();
        node.args(["node", "--base-path"]).arg(directory.path()).arg("--chain").arg(&missing);
        let output = node.env(name, value).output().expect("the program starts");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for name in
        ["MYELIN_RPC_PORT", "MYELIN_VALIDATOR", "MYELIN_P2P_PEERS", "MYELIN_METRICS_ADDRESS", "MYELIN_NODE"]
    {
        let told = words(name, "");
        assert!(told.contains("the chain spec") && told.contains("No such file"), "{name}: {told}");
    }
    for (name, value) in
        [("MYELIN_RPC_PORT", "many"), ("MYELIN_VALIDATOR", "2"), ("MYELIN_GOSSIP_PEERS", "x,y")]
    {
        let told = words(name, value);
        assert!(told.contains(&format!("the environment variable {name}")), "{name}: {told}");
    }
}

#[test]
fn networks_that_cannot_be_leave_nothing_behind() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("network").display().to_string();
    let nameless = failure(&["init", &path, "--name", ""]);
    assert!(nameless.contains("its name has 0 bytes"), "{nameless}");
    let hurried = failure(&["init", &path, "--block-time", "1ms"]);
    assert!(hurried.contains("give 50 to 3600000 milliseconds"), "{hurried}");
    let crowded = failure(&["localnet", "--base-path", &path, "--rpc-port", "65534"]);
    assert!(crowded.contains("leaves no ports for 4 validators"), "{crowded}");
    assert!(!directory.path().join("network").exists());
    for (command, limit) in [("init", "1 to 100"), ("localnet", "1 to 32")] {
        let help = String::from_utf8(run(&[command, "--help"]).stdout).expect("text");
        assert!(help.contains(limit), "{help}");
    }
}

#[test]
fn a_network_without_validators_is_refused_before_anything_else_is_said() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let network = directory.path().to_str().expect("a path of text");
    document(&["init", network]);
    let chain = format!("{network}/chain.json");
    let mut spec: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&chain).expect("reads")).expect("a document");
    spec["genesis"]["validators"] = serde_json::json!([]);
    std::fs::write(&chain, spec.to_string()).expect("writes");
    let base_path = format!("{network}/node");
    let output = run(&["node", "--chain", &chain, "--base-path", &base_path, "--rpc-port", "0"]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.stdout.is_empty() && words.contains("has no validators"), "{words}");
    assert_eq!(words.lines().count(), 1, "one error is one line: {words}");
}

/// The document on the last line of standard error, with the exit code; nothing may be on standard output.
fn error_document(arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let output = run(&[&["--json"], arguments].concat());
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let words = String::from_utf8(output.stderr).expect("text");
    let line = words.lines().last().unwrap_or_default();
    (output.status.code(), serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {words}")))
}

#[test]
fn errors_are_documents_when_results_are() {
    let chain = Chain::start(&["--block-time", "instant"]);
    let (code, failed) =
        error_document(&["--node", &chain.url, "stake", "add", "9", "1", "-w", "//Alice", "--to", "//Bob"]);
    assert_eq!((code, failed["name"].as_str()), (Some(1), Some("SubtensorModule.SubnetNotExists")));
    let told = failed["error"].as_str().expect("a text");
    assert!(told.starts_with("the transaction would fail, so nothing was sent: "), "{told}");
    let (code, missing) = error_document(&["--node", &chain.url, "query", "price", "9"]);
    assert_eq!((code, missing.get("name")), (Some(1), None));
    let (code, mistyped) = error_document(&["transfer", "//Bob", "1e9", "-w", "//Alice"]);
    assert_eq!(code, Some(2));
    let told = mistyped["error"].as_str().expect("a text");
    assert!(told.starts_with("invalid value '1e9'"), "{told}");
    let help = run(&["--json", "--help"]);
    assert!(help.status.success() && !help.stdout.is_empty());
}

#[test]
fn a_chain_that_makes_no_blocks_by_itself_is_explained() {
    let chain = Chain::start(&["--block-time", "manual"]);
    let mut command = myelin();
    command.args(["--node", &chain.url, "transfer", "//Nobody", "1", "-w", "//Alice"]);
    let mut waiting =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut hint = String::new();
    let stderr = waiting.stderr.take().expect("it is piped");
    BufReader::new(stderr).read_line(&mut hint).expect("text");
    assert!(hint.contains("`dev_mine`"), "{hint}");
    chain.request("dev_mine", &serde_json::json!([])).expect("an answer");
    assert!(waiting.wait().expect("it is ours").success());
    assert_eq!(chain.ask(&["query", "balance", "//Nobody"])["free"], "1");
}

#[test]
fn amounts_of_nothing_and_less_are_refused_as_amounts() {
    for (amount, reason) in [("0", "moves nothing"), ("-1", "below zero"), ("-0.5", "below zero")] {
        for command in [
            &["transfer", "//Bob", amount, "-w", "//Alice"][..],
            &["stake", "add", "1", amount, "-w", "//Alice"],
            &["stake", "remove", "1", amount, "-w", "//Alice"],
        ] {
            let output = run(command);
            let words = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{words}");
            assert!(words.contains(reason) && !words.contains("unexpected argument"), "{words}");
        }
    }
}

#[test]
fn weights_that_say_nothing_have_to_be_meant() {
    let chain = Chain::start(&["--block-time", "instant"]);
    chain.ask(&["subnet", "create", "-w", "//Alice"]);
    chain.ask(&["weights", "set", "1", "0:1", "-w", "//Alice"]);
    let zeros = ["weights", "set", "1", "0:0", "-w", "//Alice"];
    let refused = chain.refuses(&zeros);
    assert!(refused.contains("--clear"), "{refused}");
    let said = || chain.ask(&["weights", "show", "1"])["validators"].clone();
    assert_eq!(said()[0]["weights"], serde_json::json!([[0, 65535]]));
    let both = chain.refuses(&["weights", "set", "1", "0:1", "--clear", "-w", "//Alice"]);
    assert!(both.contains("no weights"), "{both}");
    chain.ask(&[&zeros[..], &["--clear"]].concat());
    assert_eq!(said(), serde_json::json!([]));
    chain.ask(&["weights", "set", "1", "0:1", "-w", "//Alice"]);
    chain.ask(&["weights", "set", "1", "--clear", "-w", "//Alice"]);
    assert_eq!(said(), serde_json::json!([]));
}

#[test]
fn the_readme_shows_the_genesis_that_everybody_gets() {
    let chain = Chain::start(&["--block-time", "manual"]);
    let answer = chain.request("chain_getBlockHash", &serde_json::json!([0])).expect("an answer");
    let genesis = answer["result"].as_str().expect("a hash");
    assert!(include_str!("../../../README.md").contains(&format!("genesis     {genesis}")), "{genesis}");
}

#[test]
fn a_completion_script_is_no_document() {
    let refused = failure(&["--json", "completions", "bash"]);
    assert!(refused.contains("leave out --json"), "{refused}");
}

#[test]
fn amounts_and_times_are_checked_before_anything_happens() {
    for arguments in [
        vec!["transfer", "//Bob", "1e9", "-w", "//Alice"],
        vec!["transfer", "//Bob", "0.0000000001", "-w", "//Alice"],
        vec!["dev", "--block-time", "soon"],
        vec!["dev", "--block-time", "1ns"],
        vec!["weights", "set", "1", "3=1", "-w", "//Alice"],
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn wallets_are_made_listed_and_used() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_str().expect("a path of text");
    let created = document(&["--wallet-path", path, "wallet", "create", "mine", "--no-password"]);
    let again = failure(&["--wallet-path", path, "wallet", "create", "mine", "--no-password"]);
    assert!(again.contains("exists"), "{again}");
    let words = directory.path().join("words");
    std::fs::write(&words, created["coldkey_mnemonic"].as_str().expect("words")).expect("writes");
    let words = words.to_str().expect("a path of text");
    let restored = document(&[
        "--wallet-path",
        path,
        "wallet",
        "import",
        "again",
        "--no-password",
        "--mnemonic-file",
        words,
    ]);
    assert_eq!(restored["coldkey"], created["coldkey"]);
    let signed = document(&["--wallet-path", path, "wallet", "sign", "hello", "-w", "mine", "--coldkey"]);
    let signature = signed["signature"].as_str().expect("a signature");
    let address = created["coldkey"].as_str().expect("an address");
    assert_eq!(document(&["wallet", "verify", "hello", signature, address])["valid"], true);
    let forged = failure(&["wallet", "verify", "other", signature, address]);
    assert!(forged.contains(address), "{forged}");
}

fn wallet_command<'a>(path: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--wallet-path", path, "wallet"], arguments].concat()
}

#[test]
fn hotkeys_are_added_and_the_coldkey_stays() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_str().expect("a path of text");
    let wallet = |arguments: &[&str]| document(&wallet_command(path, arguments));
    let refused = |arguments: &[&str]| failure(&wallet_command(path, arguments));
    wallet(&["create", "mine", "--no-password"]);
    let coldkey = std::fs::read(directory.path().join("mine/coldkey")).expect("reads");
    let exists = refused(&["create", "mine", "-H", "second", "--no-password"]);
    assert!(exists.contains("myelin wallet new-hotkey mine"), "{exists}");

    let mistyped = refused(&["new-hotkey", "mein"]);
    assert!(mistyped.contains("`mein` has no coldkey"), "{mistyped}");
    assert!(!directory.path().join("mein").exists());

    let second = wallet(&["new-hotkey", "mine", "-H", "second"]);
    let again = refused(&["new-hotkey", "mine", "-H", "second"]);
    assert!(again.contains("second"), "{again}");
    let words = directory.path().join("words");
    std::fs::write(&words, second["hotkey_mnemonic"].as_str().expect("words")).expect("writes");
    let words = words.to_str().expect("a path of text");
    let third = wallet(&["import-hotkey", "mine", "-H", "third", "--mnemonic-file", words]);
    assert_eq!(third["hotkey"], second["hotkey"]);
    let signed = wallet(&["sign", "hello", "-w", "mine", "-H", "second"]);
    assert_eq!(signed["signer"], second["hotkey"]);
    assert_eq!(std::fs::read(directory.path().join("mine/coldkey")).expect("reads"), coldkey);
}

#[test]
fn a_signing_guard_is_shown_and_begun_anew_only_where_it_is_lost() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let network = directory.path().join("net");
    document(&["init", network.to_str().expect("a path of text")]);
    let base_path = network.join("node-0");
    let command = ["signing-guard", "--base-path", base_path.to_str().expect("a path of text")];
    let anew = [&command[..], &["--new"]].concat();
    let guard = base_path.join("consensus/signing-guard");
    let made = document(&command);
    assert_eq!((made["height"].as_u64(), made["file"].as_str()), (None, guard.to_str()));
    assert!(failure(&anew).contains("is whole"), "what is known is not thrown away");
    let losses: [fn(&Path) -> std::io::Result<()>; 2] =
        [|guard| std::fs::remove_file(guard), |guard| std::fs::write(guard, "x")];
    for lose in losses {
        lose(&guard).expect("it is ours");
        let lost = failure(&command);
        assert!(lost.contains("is not known") && lost.contains("--new"), "{lost}");
        document(&anew);
        document(&command);
    }
}

/// Seed of the well-known development key `//Alice`.
const ALICE_SEED: &str = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

#[test]
fn a_seed_and_an_address_make_wallets_too() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_str().expect("a path of text");
    let wallet = |arguments: &[&str]| document(&wallet_command(path, arguments));
    let refused = |arguments: &[&str]| failure(&wallet_command(path, arguments));
    let seed = directory.path().join("seed");
    std::fs::write(&seed, ALICE_SEED).expect("writes");
    let seed = seed.to_str().expect("a path of text");
    let import = ["import", "alice", "--no-hotkey", "--no-password", "--seed-file", seed];
    assert_eq!(wallet(&import)["coldkey"], ALICE);
    let public = ["import-public", "watched", "--coldkey-address", ALICE, "--hotkey-address", ALICE];
    wallet(&public);
    let secret = refused(&["sign", "hello", "-w", "watched", "--coldkey"]);
    assert!(secret.contains("coldkey"), "{secret}");
    let beside = refused(&["import-public", "alice", "--coldkey-address", ALICE, "--overwrite"]);
    assert!(beside.contains("secret key"), "{beside}");
    let listed = wallet(&["list"]);
    let holds = |index: usize| listed["wallets"][index]["coldkey_secret"].clone();
    assert_eq!((holds(0), holds(1)), (true.into(), false.into()));
    assert_eq!(listed["wallets"][1]["hotkeys"][0]["secret"], false);
}

#[test]
fn a_full_disk_costs_no_key() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_str().expect("a path of text");
    let keyfiles = || {
        ["coldkey", "coldkeypub.txt", "hotkeys/default", "hotkeys/defaultpub.txt"]
            .map(|name| std::fs::read(directory.path().join("mine").join(name)).ok())
    };
    let create = wallet_command(path, &["create", "mine", "--no-password", "--overwrite"]);
    let full = without_room(&create);
    assert!(full.contains("the disk is full") && full.contains("mine"), "{full}");
    assert_eq!(keyfiles(), [None, None, None, None]);
    document(&create);
    let before = keyfiles();
    without_room(&create);
    without_room(&wallet_command(path, &["new-hotkey", "mine", "--overwrite"]));
    assert_eq!(keyfiles(), before);
    // Nothing half written either.
    let names = std::fs::read_dir(directory.path().join("mine")).expect("reads").count();
    assert_eq!(names, 3);
    assert_eq!(std::fs::read_dir(directory.path().join("mine/hotkeys")).expect("reads").count(), 2);
}

#[test]
fn a_truncated_keyfile_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_str().expect("a path of text");
    document(&["--wallet-path", path, "wallet", "create", "mine", "--no-password"]);
    let keyfile = directory.path().join("mine").join("coldkey");
    let text = std::fs::read_to_string(&keyfile).expect("reads");
    std::fs::write(&keyfile, &text[..text.len() / 2]).expect("writes");
    let broken = failure(&["--wallet-path", path, "wallet", "sign", "hello", "-w", "mine", "--coldkey"]);
    assert!(broken.contains("coldkey"), "{broken}");
    let listed = document(&["--wallet-path", path, "wallet", "list"]);
    let wallet = &listed["wallets"][0];
    assert_eq!(wallet["coldkey_secret"], false);
    let problem = wallet["coldkey_problem"].as_str().expect("a problem");
    assert!(problem.contains("mine/coldkey") && problem.contains("truncated"), "{problem}");
    assert_eq!(
        (&wallet["hotkeys"][0]["secret"], &wallet["hotkeys"][0]["problem"]),
        (&true.into(), &().into())
    );
    let shown = run(&["--wallet-path", path, "wallet", "list"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    let coldkey = shown.lines().find(|line| line.contains("coldkey")).expect("a row");
    assert!(coldkey.ends_with("a file that cannot be used") && shown.contains(problem), "{shown}");
}

#[test]
fn key_files_that_others_can_read_stop_a_node() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let network = directory.path().to_str().expect("a path of text");
    document(&["init", network]);
    let (chain, base_path) = (format!("{network}/chain.json"), format!("{network}/node-0"));
    let node = ["node", "--validator", "--chain", &chain, "--base-path", &base_path, "--rpc-port", "0"];
    let readable_for = |name: &str, mode: u32| {
        let path = directory.path().join("node-0").join(name);
        if !path.exists() {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes it");
            std::fs::write(&path, "a secret").expect("writes");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changes");
        path.display().to_string()
    };
    for name in ["consensus.key", "gossip.key", "consensus/network.key"] {
        let path = readable_for(name, 0o644);
        let refused = failure(&node);
        assert!(refused.contains(&format!("run `chmod 600 {path}`")), "{refused}");
        readable_for(name, 0o600);
    }
    std::fs::write(&chain, "[]").expect("writes");
    let refused = failure(&node);
    assert!(refused.contains("chain.json is no chain spec: expected a JSON object"), "{refused}");
}

#[test]
fn an_epoch_is_recomputed_from_a_file() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/epoch");
    let path = format!("{vectors}/p59-seq-y3-kappa-first.json");
    let case: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("reads")).expect("a case");
    let expected: Vec<_> =
        case["steps"].as_array().expect("steps").iter().map(|step| step["output"].clone()).collect();
    assert_eq!(document(&["epoch", "--input", &path]), serde_json::Value::Array(expected));
}
