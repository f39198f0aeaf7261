//! Chain specs on disk.

use std::{fs, path::Path};

use myelin_chain::{Chain, Hash, Store, StoreConfig};
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

#[test]
fn every_wrong_value_is_named() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 12] = [
        (|spec| spec["extra"] = json!(1), "unknown key `extra`"),
        (|spec| spec["genesis"]["extra"] = json!(1), "unknown key `genesis.extra`"),
        (
            |spec| spec["genesis"]["market"]["new_subnet"]["extra"] = json!(1),
            "unknown key `genesis.market.new_subnet.extra`",
        ),
        (|spec| spec["kind"] = json!("toy"), "wrong at `kind`: unknown variant `toy`"),
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
