//! Commands against a chain of their own.

mod support;

use support::{document, failure, run, Chain};

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
    let metagraph = chain.ask(&["metagraph", "1"]);
    assert_eq!(metagraph["neurons"].as_array().map(Vec::len), Some(2));
    let weights = chain.ask(&["weights", "show", "1"]);
    assert_eq!(weights["validators"][0]["weights"], serde_json::json!([[0, 16384], [1, 65535]]));
    let stakes = chain.ask(&["stake", "list", "//Bob"]);
    assert_eq!(stakes["stakes"][0]["netuid"], 1);
    chain.ask(&["stake", "remove", "1", "-w", "//Bob"]);
    assert_eq!(chain.ask(&["query", "conservation"])["conserved"], true);
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
fn what_cannot_be_done_says_why() {
    let chain = Chain::start(&["--block-time", "instant"]);
    let poor = chain.refuses(&["transfer", "//Bob", "1", "-w", "//Nobody"]);
    assert!(poor.contains("pay some fees"), "{poor}");
    let too_much = chain.refuses(&["transfer", "//Bob", "1000001", "-w", "//Alice"]);
    assert!(too_much.to_lowercase().contains("fund") || too_much.contains("balance"), "{too_much}");
    let nowhere = chain.refuses(&["subnet", "start", "9", "-w", "//Alice"]);
    assert!(nowhere.contains("SubnetNotExists"), "{nowhere}");
    let missing = chain.refuses(&["metagraph", "9"]);
    assert!(missing.contains('9'), "{missing}");
    let nobody = chain.refuses(&["transfer", "nosuchwallet", "1", "-w", "//Alice"]);
    assert!(nobody.contains("neither an address nor a wallet"), "{nobody}");
    // None of it cost anything or stopped the chain.
    assert_eq!(chain.ask(&["query", "conservation"])["conserved"], true);
    let offline = failure(&["--node", "ws://127.0.0.1:1", "query", "block"]);
    assert!(offline.contains("myelin dev"), "{offline}");
}

#[test]
fn amounts_and_times_are_checked_before_anything_happens() {
    for arguments in [
        vec!["transfer", "//Bob", "1e9", "-w", "//Alice"],
        vec!["transfer", "//Bob", "0.0000000001", "-w", "//Alice"],
        vec!["dev", "--block-time", "soon"],
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
    assert_eq!(document(&["wallet", "verify", "other", signature, address])["valid"], false);
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
