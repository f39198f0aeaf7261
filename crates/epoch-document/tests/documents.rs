//! Documents that are right, and everything that can be wrong with one.

use myelin_epoch_document::{Document, DocumentError, OutputDocument, MAX_DOCUMENT_BYTES};
use myelin_yuma::{epoch_with_trace, EpochOutput};
use serde_json::{json, Value};
use std::{
    fs,
    io::{self, Read},
    path::Path,
};

fn valid() -> Value {
    json!({
        "n": 2, "block": 1000, "tempo": 100, "activity_cutoff": 5000, "last_step_block": 0,
        "last_update": [900, 900], "block_at_registration": [10, 10], "alpha_stake": [1, 0],
        "tao_stake": [0, 0], "tao_weight": 0, "total_stake_bits": ["18446744073709551616", "0"],
        "stake_threshold": 0, "owner_uid": null, "validator_permits": [true, false],
        "max_allowed_validators": 64, "commit_reveal": false, "commit_blocks": [], "kappa": 32767,
        "bonds_penalty": 65535, "bonds_moving_average": 900000, "liquid_alpha": false, "alpha_low": 45875,
        "alpha_high": 58982, "alpha_sigmoid_steepness": 1000, "yuma3": false, "weights": [[[1, 65535]], []],
        "bonds": [[], []], "rao_emission": 1000000000u64,
    })
}

fn case(steps: Value) -> Value {
    json!({ "schema": 1, "name": "a", "desc": "b", "steps": steps })
}

fn error(document: &Value) -> DocumentError {
    Document::parse(&document.to_string()).expect_err(&document.to_string())
}

fn problem(field: &str, value: Value) -> String {
    let mut document = valid();
    document[field] = value;
    error(&document).to_string()
}

/// The largest value of each integer field, for scalars and list entries.
const INTEGERS: [(&str, u64); 15] = [
    ("n", 65_535),
    ("block", u64::MAX),
    ("tempo", 65_535),
    ("activity_cutoff", u64::MAX),
    ("last_step_block", u64::MAX),
    ("tao_weight", u64::MAX),
    ("stake_threshold", u64::MAX),
    ("owner_uid", 65_535),
    ("max_allowed_validators", 65_535),
    ("kappa", 65_535),
    ("bonds_penalty", 65_535),
    ("bonds_moving_average", u64::MAX),
    ("alpha_low", 65_535),
    ("alpha_high", 65_535),
    ("rao_emission", u64::MAX),
];
const FLAGS: [&str; 3] = ["commit_reveal", "liquid_alpha", "yuma3"];
const LISTS: [&str; 9] = [
    "last_update",
    "block_at_registration",
    "alpha_stake",
    "tao_stake",
    "total_stake_bits",
    "validator_permits",
    "commit_blocks",
    "weights",
    "bonds",
];

#[test]
fn the_tables_name_every_field() {
    let mut named: Vec<&str> = INTEGERS.iter().map(|(field, _)| *field).collect();
    named.extend(FLAGS.iter().chain(&LISTS).chain(&["alpha_sigmoid_steepness"]));
    named.sort_unstable();
    let document = valid();
    let fields: Vec<&str> = document.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(named, fields);
}

#[test]
fn a_valid_document_is_computed() {
    let document = Document::parse(&valid().to_string()).expect("valid");
    assert!(!document.is_case() && document.epochs().len() == 1);
    assert_eq!(myelin_yuma::epoch(&document.epochs()[0].input()).incentive, vec![0, 65535]);
}

#[test]
fn every_field_but_the_redundant_one_is_required() {
    for field in valid().as_object().expect("an object").keys() {
        let mut document = valid();
        document.as_object_mut().expect("an object").remove(field);
        let parsed = Document::parse(&document.to_string());
        if field == "total_stake_bits" {
            assert!(parsed.is_ok(), "it follows from other fields");
            continue;
        }
        let error = parsed.expect_err(field).to_string();
        assert!(error.contains(&format!("missing field `{field}`")), "{error}");
        let error = self::error(&case(json!([{ "input": valid() }, { "input": document }]))).to_string();
        assert!(error.contains(&format!("missing field `{field}`")) && error.contains("step 1"), "{error}");
    }
}

#[test]
fn integers_out_of_range_are_named() {
    for (field, highest) in INTEGERS {
        let expected = format!("`{field}` is -1; expected 0..={highest}");
        assert!(problem(field, json!(-1)).starts_with(&expected), "{}", problem(field, json!(-1)));
        let too_large = match highest {
            u64::MAX => valid().to_string().replace(
                &format!("\"{field}\":{}", valid()[field]),
                &format!("\"{field}\":18446744073709551616"),
            ),
            _ => {
                let mut document = valid();
                document[field] = json!(highest + 1);
                document.to_string()
            }
        };
        let error = Document::parse(&too_large).expect_err(field).to_string();
        assert!(error.starts_with(&format!("`{field}` is ")), "{error}");
        assert!(error.contains(&format!("expected 0..={highest}")), "{error}");
    }
    for value in [32_768, -32_769] {
        let error = problem("alpha_sigmoid_steepness", json!(value));
        let expected = format!("`alpha_sigmoid_steepness` is {value}; expected -32768..=32767");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn values_of_another_type_are_named() {
    for (field, _) in INTEGERS {
        for value in [json!("1"), json!(true), json!([1]), json!({}), json!(1.5), Value::Null] {
            if field == "owner_uid" && value.is_null() {
                continue;
            }
            let error = problem(field, value.clone());
            assert!(error.starts_with(&format!("`{field}` is ")), "{value}: {error}");
        }
    }
    for field in FLAGS {
        for value in [json!(1), json!("true"), Value::Null] {
            let error = problem(field, value);
            assert!(error.starts_with(&format!("`{field}` is ")), "{error}");
        }
    }
    for field in LISTS {
        for value in [json!(1), json!("[]"), json!({}), Value::Null] {
            let error = problem(field, value);
            assert!(error.starts_with(&format!("`{field}` is ")), "{error}");
        }
        let error = problem(field, json!([{}, {}]));
        assert!(error.starts_with(&format!("`{field}[0]` is ")), "{error}");
    }
}

#[test]
fn entries_are_named_by_their_indices() {
    for field in ["last_update", "block_at_registration", "alpha_stake", "tao_stake", "commit_blocks"] {
        let error = problem(field, json!([1, -1]));
        assert!(error.starts_with(&format!("`{field}[1]` is -1; expected 0..={}", u64::MAX)), "{error}");
    }
    for field in ["weights", "bonds"] {
        let error = problem(field, json!([[], [[0, 1], [0, 70000]]]));
        assert!(error.starts_with(&format!("`{field}[1][1][1]` is 70000; expected 0..=65535")), "{error}");
        for entry in [json!([0]), json!([0, 1, 2]), json!(5), json!({ "0": 1 })] {
            let error = problem(field, json!([[entry], []]));
            assert!(error.starts_with(&format!("`{field}[0][0]")), "{error}");
        }
    }
    for bits in ["x", "-1", "170141183460469231731687303715884105728", "", "1.0"] {
        let error = problem("total_stake_bits", json!(["0", bits]));
        assert!(error.starts_with("`total_stake_bits[1]` is ") && error.contains(bits), "{error}");
    }
}

#[test]
fn lists_have_an_entry_for_each_uid() {
    for field in LISTS {
        let long = match field {
            "weights" | "bonds" => json!([[], [], []]),
            "validator_permits" => json!([true, true, true]),
            "total_stake_bits" => json!(["18446744073709551616", "0", "0"]),
            _ => json!([1, 1, 1]),
        };
        let error = problem(field, long);
        assert!(error.starts_with(&format!("`{field}` has 3 entries; expected ")), "{error}");
    }
    // No longer ones are kept than there can be neurons.
    assert!(problem("weights", json!(vec![json!([]); 65_537])).contains("has more than 65536 entries"));
    assert!(problem("alpha_stake", json!(vec![1; 65_537])).contains("has more than 65536 entries"));
    for field in ["alpha_stake", "tao_stake", "total_stake_bits", "weights", "bonds"] {
        let error = problem(field, json!([]));
        assert!(error.starts_with(&format!("`{field}` has 0 entries; expected 2")), "{error}");
    }
    for field in ["last_update", "block_at_registration", "validator_permits"] {
        let mut document = valid();
        document[field] = json!([]);
        assert!(Document::parse(&document.to_string()).is_ok(), "{field} may be short");
    }
    let mut document = valid();
    document["commit_reveal"] = json!(true);
    assert!(error(&document).to_string().starts_with("`commit_blocks` has 0 entries; expected 2"));
    document["commit_blocks"] = json!([null, 3]);
    assert!(Document::parse(&document.to_string()).is_ok());
}

#[test]
fn fields_that_contradict_each_other_are_named() {
    let error = problem("total_stake_bits", json!(["18446744073709551616", "7"]));
    assert!(error.starts_with("`total_stake_bits[1]` is 7, but"), "{error}");
    let error = problem("owner_uid", json!(2));
    assert!(error.starts_with("`owner_uid` is 2, but uids go from 0 to below 2"), "{error}");
}

#[test]
fn unknown_and_repeated_fields_are_named_at_every_level() {
    assert!(problem("suprise", json!(1)).contains("unknown field `suprise`"));
    // Also when the name is one that cases have.
    assert!(problem("name", json!("x")).contains("unknown field `name`, expected one of `n`"));
    let mut document = case(json!([{ "input": valid() }]));
    document["suprise"] = json!(1);
    assert!(error(&document).to_string().contains("unknown field `suprise`"));
    let document = case(json!([{ "input": valid() }, { "input": valid(), "suprise": 1 }]));
    let text = error(&document).to_string();
    assert!(text.starts_with("step 1: ") && text.contains("unknown field `suprise`"), "{text}");
    let mut input = valid();
    input["suprise"] = json!(1);
    let text = error(&case(json!([{ "input": input }]))).to_string();
    assert!(text.starts_with("step 0: ") && text.contains("unknown field `suprise`"), "{text}");
    let twice = valid().to_string().replacen("\"tempo\":", "\"tempo\":1,\"tempo\":", 1);
    assert!(Document::parse(&twice).expect_err("twice").to_string().contains("duplicate field `tempo`"));
}

#[test]
fn cases_have_a_known_schema_and_steps() {
    let steps = || json!([{ "input": valid() }]);
    let document = Document::parse(&case(steps()).to_string()).expect("valid");
    assert!(document.is_case() && document.epochs().len() == 1);
    assert!(Document::parse(&json!({ "steps": steps() }).to_string()).is_ok());
    let other = error(&json!({ "schema": 2, "steps": steps() })).to_string();
    assert!(other.starts_with("`schema` is 2; expected 1"), "{other}");
    assert!(error(&json!({ "schema": 1 })).to_string().contains("missing field `steps`"));
    assert!(error(&case(json!([]))).to_string().contains("`steps` is empty"));
    let empty = error(&case(json!([{}]))).to_string();
    assert!(empty.starts_with("step 0: ") && empty.contains("missing field `input`"), "{empty}");
    let text = error(&case(json!([{ "input": valid() }, { "input": { "n": 70000 } }]))).to_string();
    assert!(text.starts_with("step 1: `n` is 70000; expected 0..=65535"), "{text}");
}

#[test]
fn lists_are_no_objects() {
    let values = Value::Array(valid().as_object().expect("an object").values().cloned().collect());
    assert!(matches!(error(&values), DocumentError::NotAnObject { found: "a list" }));
    for steps in [json!([[valid()]]), json!([{ "input": values }]), json!([1]), json!({})] {
        assert!(matches!(error(&case(steps)), DocumentError::Field { .. }));
    }
}

#[test]
fn what_is_no_json_is_said_so_once() {
    for text in ["{", "nonsense", "{\"n\": 1", "{} x", "tru"] {
        let error = Document::parse(text).expect_err(text);
        assert!(error.to_string().starts_with("not a JSON document: "), "{error}");
        assert!(std::error::Error::source(&error).is_none(), "nothing is said twice");
    }
    assert!(Document::parse(&"[".repeat(100_000)).is_err(), "depth is bounded");
    let deep = format!("{{\"n\": {}", "[".repeat(100_000));
    assert!(Document::parse(&deep).is_err());
}

/// How much of an endless source is read before the error.
fn read_of(first: &[u8], then: u8) -> (u64, DocumentError) {
    struct Counted<R>(R, u64);
    impl<R: Read> Read for Counted<R> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(into)?;
            self.1 += count as u64;
            Ok(count)
        }
    }
    let mut source = Counted(first.chain(io::repeat(then)), 0);
    let error = Document::read(&mut source).expect_err("endless");
    (source.1, error)
}

#[test]
fn endless_sources_are_read_to_the_limit_or_not_at_all() {
    let (read, error) = read_of(b"", 0);
    assert!(matches!(error, DocumentError::Json { .. }), "{error}");
    assert!(read <= 4096, "{read}");
    let (read, error) = read_of(b"[", b'[');
    assert!(matches!(error, DocumentError::NotAnObject { found: "a list" }), "{error}");
    assert!(read <= 4096, "{read}");
    for start in [b"{".as_slice(), b""] {
        let (read, error) = read_of(start, b' ');
        assert_eq!(error.to_string(), "it is longer than 94371840 bytes; expected the inputs of an epoch");
        assert!(read <= MAX_DOCUMENT_BYTES + 4096, "{read}");
    }
}

#[test]
fn what_is_no_text_is_said_so() {
    let (_, error) = read_of(b"\xff\xfe{", 0);
    assert_eq!(error.to_string(), "it is not a text in UTF-8, from byte 0 on; expected a JSON document");
    let error = Document::read(&b"{\"n\": \"\xc3("[..]).expect_err("no text");
    assert!(matches!(error, DocumentError::NotText { from: 7 }), "{error}");
    let text = valid().to_string();
    assert!(Document::read(text.as_bytes()).is_ok());
    assert!(Document::read(format!("\u{feff}{text}").as_bytes()).is_ok(), "a byte order mark means nothing");
}

#[test]
fn long_values_are_shown_in_part() {
    let long = "x".repeat(1_000_000);
    let with = |name: &str, value: Value| {
        let mut fields = valid();
        fields[name] = value;
        fields
    };
    let digits = "9".repeat(300);
    let number =
        valid().to_string().replace(&format!("\"kappa\":{}", valid_kappa()), &format!("\"kappa\":{digits}"));
    for (text, named) in [
        (with(&long, json!(1)).to_string(), "unknown field"),
        (with("kappa", json!(long)).to_string(), "`kappa`"),
        (with("total_stake_bits", json!([long.replace('x', "\"")])).to_string(), "total_stake_bits"),
        (with("total_stake_bits", json!([long.replace('x', " y")])).to_string(), "total_stake_bits"),
        (with("weights", json!([[[long, 1]]])).to_string(), "`weights[0][0][0]`"),
        (case(json!([{ "input": valid(), long.as_str(): 1 }])).to_string(), "step 0: "),
        (number, "expected 0..=65535"),
    ] {
        let error = Document::parse(&text).expect_err(named).to_string();
        assert!(error.contains(named) && error.contains("[...]"), "{error}");
        assert!(error.len() < 3_000, "{} bytes", error.len());
    }
    let error = error(&with("kapa", json!(1))).to_string();
    assert!(error.contains("unknown field `kapa`") && !error.contains("[...]"), "{error}");
}

#[test]
fn json_of_another_kind_is_told_what_it_is() {
    for (text, found) in [
        ("", "an empty text"),
        ("[]", "a list"),
        (" null ", "null"),
        ("-1", "a number"),
        ("1e5", "a number"),
        ("\"x\"", "a text"),
        ("true", "true or false"),
    ] {
        let error = Document::parse(text).expect_err(text).to_string();
        assert!(error.starts_with("expected a JSON object with the inputs of an epoch"), "{error}");
        assert!(error.ends_with(&format!("; found {found}")), "{error}");
    }
}

#[test]
fn numbers_are_told_as_they_are_written() {
    for number in [
        "18446744073709551616",
        "123456789012345678901234567890",
        "2.50",
        "-1e3",
        "65536",
        "-9223372036854775809",
    ] {
        let valid = valid().to_string();
        for spaced in ["", " ", "\n  "] {
            let kappa = format!("\"kappa\":{}", valid_kappa());
            let text = valid.replace(&kappa, &format!("\"kappa\":{spaced}{number}"));
            assert_ne!(text, valid, "it has the field");
            let error = Document::parse(&text).expect_err(number).to_string();
            assert!(error.starts_with(&format!("`kappa` is {number}; expected 0..=65535")), "{error}");
        }
    }
}

fn valid_kappa() -> u64 {
    valid()["kappa"].as_u64().expect("a number")
}

#[test]
fn recorded_cases_come_out_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/epoch");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the vectors are part of the repository") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("a text");
        let recorded: Value = serde_json::from_str(&text).expect("JSON");
        let document = Document::parse(&text).expect("a case");
        for (epoch, step) in document.epochs().iter().zip(recorded["steps"].as_array().expect("steps")) {
            let (output, trace) = epoch_with_trace(&epoch.input());
            let mut shown = serde_json::to_value(OutputDocument::new(&output, Some(&trace))).expect("JSON");
            assert_eq!(shown["trace"], step["trace"]);
            shown.as_object_mut().expect("an object").remove("trace");
            assert_eq!(shown, step["output"]);
            count += 1;
        }
    }
    assert_eq!(count, 123);
}

#[test]
fn a_result_without_trace_has_none() {
    let shown = serde_json::to_value(OutputDocument::new(&EpochOutput::default(), None)).expect("JSON");
    assert_eq!(shown.get("trace"), None);
}
