//! Runtime functions with arguments that are none.

use codec::Decode;
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use proptest::{
    prelude::Rng,
    test_runner::{RngAlgorithm, TestRng},
};
use serde_json::json;

use crate::rig::{hex, Client, Failure, Rig};

const SEED: [u8; 32] = [7; 32];
const RANDOM_INPUTS: usize = 20;
const MAX_ARGUMENT_BYTES: usize = 20_000;

/// Every function that the metadata lists, with the number of its parameters.
async fn functions(client: &Client) -> Vec<(String, usize)> {
    let answer = client.get("state_call", json!(["Metadata_metadata_at_version", "0x0f000000"])).await;
    let bytes = hex::decode(answer.as_str().unwrap().trim_start_matches("0x")).unwrap();
    let bytes = Option::<Vec<u8>>::decode(&mut &bytes[..]).unwrap().unwrap();
    let RuntimeMetadata::V15(metadata) = RuntimeMetadataPrefixed::decode(&mut &bytes[..]).unwrap().1 else {
        panic!("another version of metadata");
    };
    let functions = metadata.apis.into_iter().flat_map(|api| {
        let functions = api.methods.into_iter();
        functions.map(move |function| (format!("{}_{}", api.name, function.name), function.inputs.len()))
    });
    functions.collect()
}

/// Nothing, one byte over and over in all lengths that matter, lists that promise more than there is, and noise.
fn inputs() -> Vec<Vec<u8>> {
    let lengths = (0..=10).chain([31, 32, 33, 34, 35, 36, 63, 64, 65, 66, 67, 100, 500, MAX_ARGUMENT_BYTES]);
    let repeated = lengths.flat_map(|length| [0, 1, 2, 4, 5, 0x80, 0xff].map(|byte| vec![byte; length]));
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let noise = (0..RANDOM_INPUTS).map(|_| {
        let mut bytes = vec![0; (random.next_u32() % 200) as usize];
        random.fill_bytes(&mut bytes);
        bytes
    });
    // 2^14 elements, 2^30 - 1, 2^32 - 1 and 2^64 - 1.
    let promised = ["02000100", "feffffff", "03ffffffff", "13ffffffffffffffff"];
    let promised = promised.map(|text| [hex::decode(text).unwrap(), vec![0; 64]].concat());
    repeated.chain(noise).chain(promised).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_arguments_make_a_function_panic() {
    let config =
        myelin_rpc::RpcConfig { max_argument_bytes: MAX_ARGUMENT_BYTES, ..myelin_rpc::RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    rig.mine(2).await;
    let client = rig.client().await;
    let inputs = inputs();
    let (mut values, mut refusals) = (0, 0);
    for (function, parameters) in functions(&client).await {
        let forbidden = client.ask("state_call", json!([function, "0x"])).await;
        if forbidden.is_err_and(|error| error.message.contains("is for the node alone")) {
            continue;
        }
        for input in &inputs {
            match client.ask("state_call", json!([function, hex(input)])).await {
                Ok(_) => values += 1,
                Err(Failure { code: 4003, message, .. }) => {
                    let expected =
                        format!("Execution failed: Bad input data provided to {function}: expected ");
                    assert!(message.contains(&expected), "{function} {}: {message}", hex(input));
                    refusals += 1;
                }
                // Too many accounts.
                Err(Failure { code: 4002, message, .. }) => {
                    assert!(
                        function.contains("coldkeys") && message.contains("accounts"),
                        "{function}: {message}"
                    );
                }
                Err(other) => panic!("{function} {}: {other:?}", hex(input)),
            }
        }
        assert_eq!(
            client.ask("state_call", json!([function, "0x"])).await.is_ok(),
            parameters == 0,
            "{function}"
        );
        let oversized = hex(&[0; MAX_ARGUMENT_BYTES + 1]);
        assert_eq!(client.fail("state_call", json!([function, oversized])).await.code, 4002, "{function}");
    }
    assert!(values > 500 && refusals > 500, "{values} {refusals}");
}
