//! Honest and dishonest miners before a validator, over real HTTP.

use std::{sync::Arc, time::Duration};

use crate::setting::{
    address, key, records, settle, start_miner, start_miner_in, validator_config, weights, Subnet,
};
use axum::{body::Body, response::IntoResponse, routing::any, Router};
use bytes::Bytes;
use futures::{stream, StreamExt};
use http::StatusCode;
use myelin_client::ClientError;
use myelin_storage::{
    validator::{Validator, ValidatorError},
    Behaviour, ValidatorConfig,
};

const ROUNDS: usize = 16;

fn honest() -> Behaviour {
    Behaviour::default()
}

async fn ask(validator: &Validator<Subnet>, rounds: usize) {
    for _ in 0..rounds {
        validator.ask_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_miners_beat_every_faulty_one() {
    let directory = tempfile::tempdir().unwrap();
    let subnet = Subnet::with_validator("//V");
    let near = start_miner(&subnet, "//Near", honest()).await;
    let _far = start_miner(&subnet, "//Far", Behaviour::Honest { extra_latency_ms: 300 }).await;
    let _drops = start_miner(&subnet, "//Drops", Behaviour::Drops).await;
    let peer = Behaviour::Relay {
        peer_hotkey: address("//Near"),
        peer_address: near.address,
        link_latency_ms: 2_000,
    };
    let _relay = start_miner(&subnet, "//Relay", peer).await;
    let _liar = start_miner(&subnet, "//Liar", Behaviour::Liar).await;
    let validator =
        Validator::open(validator_config(directory.path(), 1), key("//V"), subnet.clone()).unwrap();
    settle(&validator, 5).await;
    ask(&validator, ROUNDS).await;

    let records = records(&validator);
    let record = |uri: &str| records[&address(uri)];
    let total = |uri: &str| {
        let record = record(uri);
        record.correct + record.late + record.wrong + record.missing
    };
    for uri in ["//Near", "//Far", "//Drops", "//Relay", "//Liar"] {
        assert_eq!(total(uri), ROUNDS as u64, "{uri}");
    }
    assert_eq!(record("//Near").correct, ROUNDS as u64, "{:?}", record("//Near"));
    assert_eq!(record("//Far").correct, ROUNDS as u64, "{:?}", record("//Far"));
    assert!(record("//Far").latency_ms >= Some(300));
    assert!(record("//Near").score > record("//Far").score);
    assert_eq!(record("//Liar").correct, 0);
    assert_eq!(record("//Liar").wrong, ROUNDS as u64);
    assert_eq!(record("//Relay").correct, 0, "{:?}", record("//Relay"));
    assert!(record("//Relay").late > 0, "{:?}", record("//Relay"));
    assert!(record("//Drops").missing > ROUNDS as u64 / 4, "{:?}", record("//Drops"));

    let weights = weights(&validator);
    let [near, far, drops, relay, liar] = [1, 2, 3, 4, 5].map(|uid| weights[&uid]);
    assert_eq!(near, u16::MAX);
    assert!(far > near / 2, "{far}");
    assert!(drops < far / 2, "{drops} of {far}");
    assert_eq!((relay, liar), (0, 0));
    assert_eq!(weights[&0], 0, "a validator is not a miner");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_in_time_still_lacks_what_only_it_should_have() {
    let directory = tempfile::tempdir().unwrap();
    let subnet = Subnet::with_validator("//V");
    let near = start_miner(&subnet, "//Near", honest()).await;
    let peer =
        Behaviour::Relay { peer_hotkey: address("//Near"), peer_address: near.address, link_latency_ms: 0 };
    let _relay = start_miner(&subnet, "//Relay", peer).await;
    let validator =
        Validator::open(validator_config(directory.path(), 2), key("//V"), subnet.clone()).unwrap();
    settle(&validator, 2).await;
    // The other miner has to learn of the relay before it serves it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask(&validator, 40).await;
    let record = records(&validator)[&address("//Relay")];
    // One object in common, four of its own.
    assert!(record.correct > 0, "{record:?}");
    assert!(record.missing > record.correct, "{record:?}");
    let weights = weights(&validator);
    assert!(weights[&2] < weights[&1] / 4, "{weights:?}");
}

/// A server that is no miner at all.
async fn start_impostor(subnet: &Subnet, uri: &str, reply: fn() -> axum::response::Response) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    subnet.join(uri, Some(listener.local_addr().unwrap()));
    let routes = Router::new().fallback(any(move |body: Body| async move {
        // Swallow what is sent, as a miner that accepts everything does.
        let _ = body.into_data_stream().count().await;
        reply()
    }));
    tokio::spawn(async move { axum::serve(listener, routes).await });
}

fn endless() -> axum::response::Response {
    Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65_536]))))
        .into_response()
}

fn hanging() -> axum::response::Response {
    Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()).into_response()
}

fn garbage() -> axum::response::Response {
    (StatusCode::OK, vec![0xff; 1000]).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_survives_whatever_miners_send() {
    let directory = tempfile::tempdir().unwrap();
    let subnet = Subnet::with_validator("//V");
    let _honest = start_miner(&subnet, "//Honest", honest()).await;
    start_impostor(&subnet, "//Endless", endless).await;
    start_impostor(&subnet, "//Hanging", hanging).await;
    start_impostor(&subnet, "//Garbage", garbage).await;
    // Nobody listens here.
    subnet.join("//Gone", Some("127.0.0.1:1".parse().unwrap()));
    let config =
        ValidatorConfig { deadline_ms: 400, upload_timeout_ms: 400, ..validator_config(directory.path(), 3) };
    let validator = Validator::open(config, key("//V"), subnet.clone()).unwrap();
    settle(&validator, 1).await;
    let started = std::time::Instant::now();
    ask(&validator, 20).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let records = records(&validator);
    assert_eq!(records[&address("//Honest")].correct, 20);
    for uri in ["//Endless", "//Hanging", "//Garbage", "//Gone"] {
        let record = records[&address(uri)];
        assert_eq!((record.correct, record.score), (0, 0.0), "{uri}");
        assert_eq!(record.late + record.wrong + record.missing, 20, "{uri}");
    }
    let weights = weights(&validator);
    assert_eq!(weights.into_values().filter(|weight| *weight > 0).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miner_that_restarts_has_everything_again() {
    let directory = tempfile::tempdir().unwrap();
    let subnet = Subnet::with_validator("//V");
    let miner = start_miner(&subnet, "//M", honest()).await;
    let validator =
        Validator::open(validator_config(directory.path(), 4), key("//V"), subnet.clone()).unwrap();
    settle(&validator, 1).await;
    ask(&validator, 3).await;
    let disk = miner.kill();
    validator.ask_all().await;
    subnet.leave("//M");
    let miner = start_miner_in(&subnet, "//M", honest(), disk).await;
    subnet.join("//M", Some(miner.address));
    settle(&validator, 1).await;
    // The gate of the new process has to learn its callers first.
    tokio::time::sleep(Duration::from_millis(100)).await;
    ask(&validator, 5).await;
    let record = records(&validator)[&address("//M")];
    assert_eq!((record.correct, record.missing), (8, 1), "{record:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_restarts_continues_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let subnet = Subnet::with_validator("//V");
    let _miner = start_miner(&subnet, "//M", honest()).await;
    let open = || Validator::open(validator_config(directory.path(), 5), key("//V"), subnet.clone()).unwrap();
    let before = open();
    settle(&before, 1).await;
    ask(&before, 5).await;
    let (reports, weights) = (before.reports(), before.weights());
    drop(before);
    let after = open();
    after.refresh().await.unwrap();
    assert_eq!(after.reports(), reports);
    assert_eq!(after.weights(), weights);
    ask(&after, 1).await;
    assert_eq!(records(&after)[&address("//M")].correct, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_those_who_left_are_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let subnet = Subnet::with_validator("//V");
    let stay = start_miner(&subnet, "//Stay", honest()).await;
    let _go = start_miner(&subnet, "//Go", honest()).await;
    let validator =
        Validator::open(validator_config(directory.path(), 6), key("//V"), subnet.clone()).unwrap();
    settle(&validator, 2).await;
    let stored = |uri: &str| {
        validator
            .reports()
            .into_iter()
            .find(|report| report.hotkey == address(uri))
            .map(|report| report.stored)
    };
    assert_eq!((stored("//Stay"), stored("//Go")), (Some(5), Some(5)));
    subnet.leave("//Go");
    validator.refresh().await.unwrap();
    validator.place().await;
    // The object in common ended with the pair, on the miner's disk too.
    assert_eq!((stored("//Stay"), stored("//Go")), (Some(4), None));
    let objects = stay.directory.path().join("Stay/objects").join(address("//V"));
    assert_eq!(std::fs::read_dir(objects).unwrap().count(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_set_once_an_epoch_and_not_before_they_may_be() {
    let directory = tempfile::tempdir().unwrap();
    let subnet = Subnet::with_validator("//V");
    let _miner = start_miner(&subnet, "//M", honest()).await;
    let config = ValidatorConfig { version_key: 7, ..validator_config(directory.path(), 7) };
    let validator = Validator::open(config, key("//V"), subnet.clone()).unwrap();
    // Before anybody has proven anything there is nothing to say.
    assert_eq!(validator.set_weights_if_due(None).await.unwrap(), None);
    settle(&validator, 1).await;
    ask(&validator, 2).await;
    let first = validator.set_weights_if_due(None).await.unwrap();
    assert_eq!(first, Some(1));
    assert_eq!(subnet.weights()[0].version_key, 7);
    assert_eq!(subnet.weights()[0].uids, [0, 1]);
    assert_eq!(subnet.weights()[0].values, [0, u16::MAX]);
    // Same epoch; then next epoch but inside the rate limit; then after it.
    assert_eq!(validator.set_weights_if_due(first).await.unwrap(), Some(1));
    subnet.turn(|turn| (turn.epoch, turn.block) = (2, 109));
    assert_eq!(validator.set_weights_if_due(first).await.unwrap(), Some(1));
    subnet.turn(|turn| turn.block = 110);
    assert_eq!(validator.set_weights_if_due(first).await.unwrap(), Some(2));
    assert_eq!(subnet.weights().len(), 2);

    subnet.turn(|turn| (turn.epoch, turn.block, turn.rules.version_key) = (3, 200, 8));
    let outdated = validator.set_weights_if_due(Some(2)).await.unwrap_err();
    assert!(outdated.to_string().contains("update this program"), "{outdated}");
    subnet.turn(|turn| turn.rules.commit_reveal = true);
    assert!(matches!(validator.set_weights_if_due(Some(2)).await, Err(ClientError::Argument { .. })));
    assert_eq!(subnet.weights().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_validator_outlives_its_node() {
    let directory = tempfile::tempdir().unwrap();
    let subnet = Subnet::with_validator("//V");
    let _miner = start_miner(&subnet, "//M", honest()).await;
    let config = validator_config(directory.path(), 8);
    let validator = Arc::new(Validator::open(config, key("//V"), subnet.clone()).unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn({
        let validator = Arc::clone(&validator);
        async move {
            validator
                .run(async {
                    let _ = stopped.await;
                })
                .await
        }
    });
    let wait_for = |count: usize| {
        let subnet = subnet.clone();
        async move {
            let reached = async {
                while subnet.weights().len() < count {
                    subnet.turn(|turn| (turn.epoch, turn.block) = (turn.epoch + 1, turn.block + 10));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
        }
    };
    wait_for(2).await;
    subnet.set_down(true);
    let said = subnet.weights().len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(subnet.weights().len(), said);
    subnet.set_down(false);
    wait_for(said + 2).await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert!(records(&validator)[&address("//M")].correct > 0);
}

#[test]
fn settings_without_sense_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let config = ValidatorConfig { deadline_ms: 0, ..validator_config(directory.path(), 9) };
    let error = Validator::open(config, key("//V"), Subnet::default()).err().unwrap();
    assert!(matches!(error, ValidatorError::Zero { name: "deadline_ms" }), "{error}");
}
