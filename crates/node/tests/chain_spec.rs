//! Chain specs on disk.

use std::{fs, path::Path};

use myelin_chain::{AccountId, Chain, Hash, Store, StoreConfig};
use myelin_node::{ChainKind, ChainSpec, ChainSpecError};
use serde_json::{json, Value};

fn genesis_hash(spec: &ChainSpec) -> Hash {
    let genesis = spec.genesis.build_storage().unwrap();
    Chain::open(Store::open(&StoreConfig::memory()).unwrap(), Some(&genesis)).unwrap().genesis_hash()
}

fn document() -> Value {
    serde_json::from_str(&ChainSpec::development().to_json()).unwrap()
}

/// What is said about a file with this content.
fn complaint(content: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spec.json");
    fs::write(&path, content).unwrap();
    let error = ChainSpec::load(&path).unwrap_err().to_string();
    assert!(error.contains("spec.json"), "it does not name the file: {error}");
    error
}

/// What is said about the development spec after a change.
fn complaint_after(change: impl FnOnce(&mut Value)) -> String {
    let mut document = document();
    change(&mut document);
    complaint(&document.to_string())
}

#[test]
fn a_spec_that_is_written_and_read_starts_the_same_chain() {
    let directory = tempfile::tempdir().unwrap();
    let kinds = [ChainKind::Development, ChainKind::Local, ChainKind::Live];
    for (number, kind) in kinds.into_iter().enumerate() {
        let mut spec = ChainSpec::development_with_slot(1_000 + number as u64);
        spec.kind = kind;
        spec.name = format!("Chain {number}, \"with\" marks");
        spec.genesis.sudo = spec.genesis.sudo.filter(|_| kind == ChainKind::Development);
        // Everybody knows the keys of a development chain.
        spec.genesis.balances.retain(|_| kind != ChainKind::Live);
        let path = directory.path().join(format!("{number}.json"));
        spec.save(&path).unwrap();
        let read = ChainSpec::load(&path).unwrap();
        assert_eq!(read, spec);
        assert_eq!(genesis_hash(&read), genesis_hash(&spec));
    }
    assert_ne!(genesis_hash(&ChainSpec::development()), genesis_hash(&ChainSpec::development_with_slot(1)));
}

#[test]
fn it_is_written_for_people() {
    let document = document();
    assert_eq!((&document["version"], &document["kind"]), (&json!(1), &json!("development")));
    let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    assert_eq!(document["genesis"]["balances"][0], json!([alice, 1_000_000_000_000_000_u64]));
    assert_eq!(document["genesis"]["sudo"], json!(alice));
}

#[test]
fn nothing_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spec.json");
    fs::write(&path, "precious").unwrap();
    let error = ChainSpec::development().save(&path).unwrap_err();
    assert!(matches!(error, ChainSpecError::Exists { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn every_wrong_input_is_explained() {
    let error = ChainSpec::load(Path::new("/nowhere/spec.json")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/spec.json") && error.contains("No such file"), "{error}");

    for (content, expected) in [
        ("", "expected a JSON object with `version`, `name`, `kind` and `genesis`, found an empty file"),
        (" \n", "found an empty file"),
        ("[]", "found a list"),
        ("[1, \"name\", \"local\", {}]", "found a list"),
        ("7", "found something else"),
        ("null", "or make one with `myelin init`"),
        ("{\"version\": 1", "line 1 column"),
        ("{\"version\": 2}", "has version 2, this program reads version 1"),
        ("{\"version\": 1}", "missing field `name`"),
        ("{}", "missing field `version`"),
    ] {
        let error = complaint(content);
        assert!(error.contains(expected), "{content}: {error}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spec.json");
    fs::write(&path, b"{\"name\": \"\xff\"}").unwrap();
    let error = ChainSpec::load(&path).unwrap_err().to_string();
    assert!(error.contains("spec.json is no chain spec") && error.contains("no UTF-8 text"), "{error}");
    let spec = ChainSpec::development().to_json();
    let slot = "\"slot_duration_ms\": 250";
    for number in ["18446744073709551616", "2.50"] {
        let error = complaint(&spec.replace(slot, &format!("\"slot_duration_ms\": {number}")));
        assert!(error.contains(&format!("number `{number}`, expected u64")), "{error}");
    }
    let trailing = complaint(&(ChainSpec::development().to_json() + "{}"));
    assert!(trailing.contains("trailing characters"), "{trailing}");
}

/// The development spec as that of a network with one validator, after a change.
fn network(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = document();
    document["kind"] = json!("local");
    document["genesis"]["sudo"] = Value::Null;
    document["genesis"]["validators"] = json!([{ "key": KEY, "account": stranger(), "power": 1 }]);
    change(&mut document);
    document
}

/// The public key of the RFC 8032 test vector 1, whose secret key exists.
const KEY: &str = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/// The point of order 8 with the smallest encoding: anybody can make signatures that it verifies.
const SMALL_ORDER: &str = "0x26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
/// No x belongs to y = 2.
const NO_POINT: &str = "0x0200000000000000000000000000000000000000000000000000000000000000";

/// The address of an account whose secret key nobody knows.
fn stranger() -> String {
    AccountId::new([7; 32]).to_string()
}

#[test]
fn a_network_that_cannot_agree_is_refused() {
    let refused = |change: fn(&mut Value)| complaint(&network(change).to_string());
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 12] = [
        (
            |spec| spec["genesis"]["validators"][0]["key"] = json!(format!("0x{}", "00".repeat(32))),
            "validators[0].key` is 0x0000",
        ),
        (
            |spec| spec["genesis"]["validators"][0]["key"] = json!(SMALL_ORDER),
            "no public key that a secret one belongs to",
        ),
        (
            |spec| spec["genesis"]["validators"][0]["key"] = json!(NO_POINT),
            "no public key that a secret one belongs to",
        ),
        (|spec| spec["genesis"]["validators"][0]["power"] = json!(0), "has no power; give it at least 1"),
        (
            |spec| {
                let again = spec["genesis"]["validators"][0].clone();
                spec["genesis"]["validators"].as_array_mut().unwrap().push(again);
            },
            "is listed twice",
        ),
        (|spec| spec["genesis"]["slot_duration_ms"] = json!(0), "is 0; give 50 to 3600000 milliseconds"),
        (|spec| spec["genesis"]["slot_duration_ms"] = json!(1), "is 1; give 50 to 3600000 milliseconds"),
        (|spec| spec["genesis"]["slot_duration_ms"] = json!(31_536_000_000_u64), "is 31536000000; give 50"),
        (|spec| spec["genesis"]["slot_duration_ms"] = json!(u64::MAX), "is 18446744073709551615; give 50"),
        (
            |spec| {
                spec["genesis"]["timing"] =
                    json!({ "propose_timeout_ms": 0, "vote_timeout_ms": 400, "timeout_step_ms": 250 });
            },
            "`genesis.timing.propose_timeout_ms` is 0; give 10 to 3600000",
        ),
        (|spec| spec["kind"] = json!("live"), "names 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
        (
            |spec| {
                spec["kind"] = json!("live");
                spec["genesis"]["balances"] = json!([]);
                let account = myelin_node::known_validator_account(0).to_string();
                spec["genesis"]["validators"][0]["account"] = json!(account);
            },
            "whose secret key everybody knows (//Validator/0)",
        ),
    ];
    for (change, expected) in cases {
        let error = refused(change);
        assert!(error.contains(expected), "expected {expected:?}, found: {error}");
    }
}

fn loads(document: &Value) -> Result<ChainSpec, ChainSpecError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spec.json");
    fs::write(&path, document.to_string()).unwrap();
    ChainSpec::load_network(&path)
}

#[test]
fn a_network_that_can_agree_is_taken() {
    assert_eq!(loads(&network(|_| {})).unwrap().genesis.validators.len(), 1);
    // Powers beyond all bounds are scaled down where they are added up.
    loads(&network(|spec| {
        let validators = spec["genesis"]["validators"].as_array_mut().unwrap();
        let second = json!({ "key": SECOND_KEY, "account": stranger(), "power": u64::MAX });
        validators[0]["power"] = json!(u64::MAX);
        validators.push(second);
    }))
    .unwrap();
    loads(&network(|spec| {
        spec["kind"] = json!("live");
        spec["genesis"]["balances"] = json!([[stranger(), 1_000_000_000_u64]]);
    }))
    .unwrap();
    let error = loads(&network(|spec| spec["genesis"]["validators"] = json!([]))).unwrap_err().to_string();
    assert!(error.contains("has no validators") && error.contains("genesis.validators"), "{error}");
}

/// The public key of the RFC 8032 test vector 2.
const SECOND_KEY: &str = "0x3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

#[test]
fn a_spec_without_its_end_is_told_from_one_with_wrong_values() {
    let whole = ChainSpec::development().to_json();
    for length in (2..whole.len() - 2).step_by(whole.len() / 40) {
        let error = complaint(&whole[..length]);
        assert!(error.contains("is no whole JSON document") && !error.contains('?'), "{length}: {error}");
    }
}

#[test]
fn every_wrong_value_is_named() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 13] = [
        (|spec| spec["extra"] = json!(1), "unknown key `extra`"),
        (|spec| spec["genesis"]["extra"] = json!(1), "unknown key `genesis.extra`"),
        (
            |spec| spec["genesis"]["market"]["new_subnet"]["extra"] = json!(1),
            "unknown key `genesis.market.new_subnet.extra`",
        ),
        (|spec| spec["kind"] = json!("toy"), "wrong at `kind`: unknown variant `toy`"),
        (|spec| spec["name"] = json!("a\u{1b}[2J\nb"), "expected one line of printable characters"),
        (|spec| spec["name"] = json!(" "), "its name has 1 bytes, expected 1 to 64 that are not all blank"),
        (|spec| spec["genesis"]["balances"][1][0] = json!("5Grw"), "wrong at `genesis.balances[1][0]`"),
        (
            |spec| spec["genesis"]["balances"][1][1] = json!(-1),
            "wrong at `genesis.balances[1][1]`: invalid value: integer `-1`, expected u64",
        ),
        (
            |spec| spec["genesis"]["balances"][1][1] = json!(u64::MAX),
            "add up to more than 18446744073709551615 rao",
        ),
        (|spec| spec["genesis"]["balances"][1] = spec["genesis"]["balances"][0].clone(), "duplicate"),
        (|spec| spec["genesis"]["slot_duration_ms"] = json!(0), "`genesis.slot_duration_ms` is 0"),
        (|spec| spec["kind"] = json!("live"), "`genesis.sudo` is set"),
        (|spec| drop(spec["genesis"].as_object_mut().unwrap().remove("market")), "missing field `market`"),
    ];
    for (change, expected) in cases {
        let error = complaint_after(change);
        assert!(error.contains(expected), "expected {expected:?}, found: {error}");
    }
}
