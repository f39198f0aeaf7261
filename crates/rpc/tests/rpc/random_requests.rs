//! Random requests to every method: no panic, and the node answers afterwards.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{json, Value};

use crate::rig::{post, Rig};

const REQUESTS: usize = 1_500;

/// Texts that methods look for, hexadecimal of all lengths, and anything else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "(0x)?[0-9a-f]{0,80}",
        "0x[0-9a-f]{64}",
        Just("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY".to_owned()),
        prop_oneof![
            Just("Core_version"),
            Just("Metadata_metadata_at_version"),
            Just("TransactionPaymentApi_query_info"),
            Just("SubnetInfoRuntimeApi_get_metagraph"),
            Just("StakeInfoRuntimeApi_get_stake_info_for_coldkeys"),
            Just("AuditApi_audit"),
            Just("/proc/self/mem"),
            Just("/dev/zero"),
        ]
        .prop_map(str::to_owned),
        ".{0,20}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0u64..20).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        text().prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name(), inner, 0..4).prop_map(|entries| json!(entries)),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "hash", "key", "keys", "name", "bytes", "prefix", "count", "account", "path", "n", "ms",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[a-z]{1,6}"]
}

fn parameters() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => prop::collection::vec(value(), 0..5).prop_map(Value::from),
        2 => prop::collection::hash_map(name(), value(), 0..4).prop_map(|entries| json!(entries)),
        1 => value(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_stops_the_node() {
    let rig = Rig::instant().await;
    let client = rig.client().await;
    let methods = client.get("rpc_methods", json!([])).await;
    // A random number of blocks may be a million.
    let methods: Vec<String> = methods["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .filter(|name| name != "dev_mine")
        .collect();
    assert!(methods.len() > 60, "{}", methods.len());
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[42; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    for index in 0..REQUESTS {
        let method = &methods[index % methods.len()];
        let parameters = parameters().new_tree(&mut runner).unwrap().current();
        let request = json!({"jsonrpc": "2.0", "id": index, "method": method, "params": parameters});
        let (status, answer) = post(rig.address(), &request.to_string()).await;
        assert!(status.contains("200"), "{request}: {status}");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{request}: {answer}"));
        let code = &answer["error"]["code"];
        assert!(*code != -32603, "{request}: {answer}");
        assert!(answer["id"] == index || answer["id"].is_null(), "{request}: {answer}");
    }
    let before = rig.chain.tip().number();
    rig.mine(1).await;
    assert_eq!(rig.chain.tip().number(), before + 1);
    assert_eq!(client.get("system_name", json!([])).await, "myelin");
}
