//! What authentication costs: signing, checking, and a whole signed exchange over HTTP on one connection.

use std::{sync::Arc, time::Duration};

use axum::{middleware::from_fn_with_state, routing::post, Router};
use bytes::Bytes;
use criterion::{criterion_group, criterion_main, BatchSize, Criterion};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use myelin_keys::{CryptoType, Keypair};
use myelin_neuron::{
    btauth::{self, digest, verify, Expectations, ReplayLimits, ReplayStore, Request},
    directory::Directory,
    limits::Rate,
    now_ns,
    outgoing::{Call, CallBody, SignedClient},
    policy::CallerPolicy,
    server::{require_signature, Gate, GateConfig},
};

const BODY: &[u8] = &[7; 1024];

fn key(uri: &str) -> Arc<Keypair> {
    Arc::new(Keypair::from_uri(uri, CryptoType::Sr25519).unwrap())
}

fn request() -> Request<'static> {
    Request { method: "POST", target: "/echo", body: digest(BODY) }
}

fn signed(sender: &Keypair, receiver: &Keypair) -> HeaderMap {
    btauth::sign(sender, &request(), Some(&receiver.public()), now_ns())
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap()))
        .collect()
}

fn sign_and_verify(criterion: &mut Criterion) {
    let (alice, bob) = (key("//Alice"), key("//Bob"));
    criterion.bench_function("neuron::sign/body_bytes=1024", |bencher| bencher.iter(|| signed(&alice, &bob)));
    let expected = Expectations::for_receiver(&bob.public());
    let seen = ReplayStore::new(ReplayLimits::default(), 0);
    criterion.bench_function("neuron::verify/body_bytes=1024", |bencher| {
        bencher.iter_batched(
            || signed(&alice, &bob),
            |headers| verify(&headers, &request(), &expected, &seen, now_ns()).unwrap(),
            BatchSize::SmallInput,
        )
    });
}

fn exchange(criterion: &mut Criterion) {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (client, call) = threads.block_on(async {
        let config = GateConfig {
            policy: CallerPolicy::anybody(),
            rate: Rate { burst: u32::MAX, refill_ms: 1 },
            ..GateConfig::default()
        };
        let callers = Arc::new(Directory::new(Duration::from_secs(60)));
        let gate = Arc::new(Gate::new(key("//Bob"), callers, config).unwrap());
        let routes = Router::new()
            .route("/echo", post(|body: Bytes| async move { body }))
            .layer(from_fn_with_state(gate, require_signature));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: reqwest::Url = format!("http://{}/echo", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let call = move || Call {
            method: Method::POST,
            url: url.clone(),
            receiver: key("//Bob").public(),
            body: CallBody::Whole(Bytes::from_static(BODY)),
            timeout: Duration::from_secs(5),
            max_answer_bytes: 4096,
        };
        (SignedClient::new(key("//Alice")).unwrap(), call)
    });
    criterion.bench_function("neuron::exchange/body_bytes=1024", |bencher| {
        bencher.iter_batched(
            &call,
            |call| threads.block_on(client.call(call)).unwrap(),
            BatchSize::SmallInput,
        )
    });
}

criterion_group!(benches, sign_and_verify, exchange);
criterion_main!(benches);
