//! A gate in front of real handlers, called over real HTTP.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    middleware::from_fn_with_state,
    routing::{get, post, put},
    Router,
};
use bytes::Bytes;
use futures::{stream, StreamExt};
use http::{Method, StatusCode};
use myelin_client::Neuron;
use myelin_keys::{CryptoType, Keypair, PublicKey};
use myelin_neuron::{
    answer,
    btauth::{self, digest, Caller},
    directory::Directory,
    limits::Rate,
    now_ns,
    outgoing::{Call, CallBody, CallError, SignedClient},
    policy::CallerPolicy,
    refusal::{ErrorBody, Refusal},
    server::{require_signature, require_signature_streaming, BodyError, Gate, GateConfig},
};
use myelin_runtime::AccountId;
use reqwest::Url;

struct Server {
    address: SocketAddr,
    hotkey: PublicKey,
}

fn key(uri: &str) -> Arc<Keypair> {
    Arc::new(Keypair::from_uri(uri, CryptoType::Sr25519).unwrap())
}

fn neuron(key: &Keypair, validator_permit: bool) -> Neuron {
    Neuron {
        uid: 0,
        hotkey: AccountId::new(key.public().bytes),
        coldkey: AccountId::new([0; 32]),
        stake_rao: 100,
        validator_permit,
        active: true,
        axon: None,
        last_update: 0,
        incentive: 0,
        dividends: 0,
        consensus: 0,
        emission: 0,
        registered_at: 0,
    }
}

fn directory() -> Arc<Directory> {
    let directory = Directory::new(Duration::from_secs(60));
    directory.replace(vec![neuron(&key("//Alice"), true), neuron(&key("//Charlie"), false)]);
    Arc::new(directory)
}

async fn count(body: Body) -> Result<String, Refusal> {
    let mut stream = body.into_data_stream();
    let mut length = 0;
    while let Some(chunk) = stream.next().await {
        length += chunk.map_err(|error| BodyError::refusal(&error))?.len();
    }
    Ok(length.to_string())
}

async fn serve(config: GateConfig, directory: Arc<Directory>) -> Server {
    let server_key = key("//Bob");
    let hotkey = server_key.public();
    let gate = Arc::new(Gate::new(server_key, directory, config).unwrap());
    let whole = Router::new()
        .route(
            "/echo",
            post(
                |caller: Caller, body: Bytes| async move { ([("x-caller", caller.hotkey.to_ss58())], body) },
            ),
        )
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(5)).await }))
        .route("/big", get(|| async { vec![7u8; 100_000] }))
        .route("/teapot", get(|| async { Refusal::new(StatusCode::IM_A_TEAPOT, "teapot", "no coffee here") }))
        .layer(from_fn_with_state(gate.clone(), require_signature));
    let streaming = Router::new()
        .route("/upload", put(count))
        .layer(from_fn_with_state(gate, require_signature_streaming));
    let nested = Router::new().nest("/v1", whole.clone());
    let open = Router::new().route("/open", get(|_: Caller| async {}));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        async move { axum::serve(listener, whole.merge(nested).merge(streaming).merge(open)).await },
    );
    Server { address, hotkey }
}

async fn default_server() -> Server {
    serve(GateConfig::default(), directory()).await
}

impl Server {
    fn call(&self, method: Method, path: &str, body: &[u8]) -> Call {
        Call {
            method,
            url: self.url(path),
            receiver: self.hotkey,
            body: CallBody::Whole(Bytes::copy_from_slice(body)),
            timeout: Duration::from_secs(2),
            max_answer_bytes: 64 * 1024,
        }
    }

    fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}

fn client(uri: &str) -> SignedClient {
    SignedClient::new(key(uri)).unwrap()
}

fn refusal(result: Result<myelin_neuron::outgoing::Answer, CallError>) -> (u16, String) {
    match result {
        Err(CallError::Refused { status, code, .. }) => (status.as_u16(), code),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[tokio::test]
async fn a_validator_is_served_and_the_answer_is_signed() {
    let server = default_server().await;
    let answer = client("//Alice").call(server.call(Method::POST, "/echo?a=%20b", b"hello")).await.unwrap();
    assert_eq!(&answer.body[..], b"hello");
    assert_eq!(answer.headers["x-caller"], key("//Alice").public().to_ss58());
    assert_eq!(answer.headers[answer::header::HOTKEY], server.hotkey.to_ss58());
}

#[tokio::test]
async fn the_whole_target_is_signed_where_routers_are_nested() {
    let server = default_server().await;
    let alice = client("//Alice");
    let answer = alice.call(server.call(Method::POST, "/v1/echo?x=1", b"hello")).await.unwrap();
    assert_eq!(&answer.body[..], b"hello");
}

#[tokio::test]
async fn policy_is_applied() {
    let server = default_server().await;
    let call = || server.call(Method::POST, "/echo", b"");
    assert_eq!(refusal(client("//Charlie").call(call()).await), (403, "no_validator_permit".into()));
    assert_eq!(refusal(client("//Dave").call(call()).await), (403, "not_registered".into()));
}

#[tokio::test]
async fn a_stale_metagraph_serves_only_whom_the_lists_allow() {
    let policy = CallerPolicy { allow: [key("//Eve").public().to_ss58()].into(), ..CallerPolicy::default() };
    let empty = Arc::new(Directory::new(Duration::from_secs(60)));
    let server = serve(GateConfig { policy, ..GateConfig::default() }, empty).await;
    let call = || server.call(Method::POST, "/echo", b"");
    assert_eq!(refusal(client("//Alice").call(call()).await), (503, "metagraph_stale".into()));
    client("//Eve").call(call()).await.unwrap();
}

#[tokio::test]
async fn bodies_are_bounded_before_they_are_hashed() {
    let config = GateConfig { max_body_bytes: 1000, ..GateConfig::default() };
    let server = serve(config, directory()).await;
    let alice = client("//Alice");
    let result = alice.call(server.call(Method::POST, "/echo", &[0; 1001])).await;
    assert_eq!(refusal(result), (413, "body_too_large".into()));
    alice.call(server.call(Method::POST, "/echo", &[0; 1000])).await.unwrap();
    // Without a length the body is counted while it arrives.
    let mut call = server.call(Method::POST, "/echo", b"");
    let chunks = stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 100]))));
    call.body = CallBody::Whole(Bytes::new());
    let headers = btauth::sign(
        &key("//Alice"),
        &btauth::Request { method: "POST", target: "/echo", body: digest(&[0; 2000]) },
        Some(&server.hotkey),
        now_ns(),
    );
    let mut request = reqwest::Client::new().post(call.url).body(reqwest::Body::wrap_stream(chunks));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    assert_eq!(request.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_caller_is_slowed_down_and_told_when_to_return() {
    let config = GateConfig { rate: Rate { burst: 2, refill_ms: 60_000 }, ..GateConfig::default() };
    let server = serve(config, directory()).await;
    let alice = client("//Alice");
    for _ in 0..2 {
        alice.call(server.call(Method::POST, "/echo", b"")).await.unwrap();
    }
    let response = raw(&server, "//Alice", now_ns()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((59..=60).contains(&seconds));
    let body: ErrorBody = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(body.error.code, "rate_limited");
}

/// A request to `/echo` with an empty body, signed for a given time.
async fn raw(server: &Server, uri: &str, nonce_ns: u64) -> reqwest::Response {
    let request = btauth::Request { method: "POST", target: "/echo", body: digest(b"") };
    let mut builder = reqwest::Client::new().post(server.url("/echo"));
    for (name, value) in btauth::sign(&key(uri), &request, Some(&server.hotkey), nonce_ns) {
        builder = builder.header(name, value);
    }
    builder.send().await.unwrap()
}

#[tokio::test]
async fn replays_and_stale_requests_are_refused() {
    let server = default_server().await;
    let nonce = now_ns();
    assert_eq!(raw(&server, "//Alice", nonce).await.status(), StatusCode::OK);
    let code = |response: reqwest::Response| async move {
        let status = response.status().as_u16();
        let body: ErrorBody = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        (status, body.error.code)
    };
    assert_eq!(code(raw(&server, "//Alice", nonce).await).await, (401, "replayed_request".into()));
    let old = nonce - 11_000_000_000;
    assert_eq!(code(raw(&server, "//Alice", old).await).await, (401, "stale_request".into()));
}

#[tokio::test]
async fn only_so_many_requests_are_worked_on_at_once() {
    let config = GateConfig { max_concurrent: 1, ..GateConfig::default() };
    let server = Arc::new(serve(config, directory()).await);
    let alice = client("//Alice");
    let busy = tokio::spawn({
        let (alice, server) = (alice.clone(), server.clone());
        async move { alice.call(server.call(Method::GET, "/slow", b"")).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        refusal(alice.call(server.call(Method::POST, "/echo", b"")).await),
        (503, "overloaded".into())
    );
    busy.abort();
    let _ = busy.await;
    // The slot returns when the caller leaves.
    tokio::time::sleep(Duration::from_millis(100)).await;
    alice.call(server.call(Method::POST, "/echo", b"")).await.unwrap();
}

#[tokio::test]
async fn who_has_not_shown_a_signature_takes_nobodys_room() {
    let config = GateConfig { max_concurrent: 1, ..GateConfig::default() };
    let server = serve(config, directory()).await;
    // The signature covers a body that never comes, so it cannot be checked.
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(with_endless_body(&server).send())).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(waiting.iter().all(|request| !request.is_finished()));
    client("//Alice").call(server.call(Method::POST, "/echo", b"hello")).await.unwrap();
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A request with a body of which only one byte comes.
fn with_endless_body(server: &Server) -> reqwest::RequestBuilder {
    let never =
        stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"a")) }).chain(stream::pending());
    let request = btauth::Request { method: "POST", target: "/echo", body: digest(b"ab") };
    let builder = reqwest::Client::new().post(server.url("/echo")).body(reqwest::Body::wrap_stream(never));
    btauth::sign(&key("//Alice"), &request, Some(&server.hotkey), now_ns())
        .into_iter()
        .fold(builder, |builder, (name, value)| builder.header(name, value))
}

#[tokio::test]
async fn slow_work_and_slow_bodies_end() {
    let limit = Duration::from_millis(200);
    let config = GateConfig { handler_timeout: limit, body_timeout: limit, ..GateConfig::default() };
    let server = serve(config, directory()).await;
    assert_eq!(
        refusal(client("//Alice").call(server.call(Method::GET, "/slow", b"")).await),
        (408, "timeout".into())
    );
    let builder = with_endless_body(&server);
    assert_eq!(builder.send().await.unwrap().status(), StatusCode::REQUEST_TIMEOUT);
}

fn upload(server: &Server, chunks: Vec<Bytes>, digest: btauth::BodyDigest) -> Call {
    let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    let body = reqwest::Body::wrap_stream(stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>)));
    Call { body: CallBody::Streaming { digest, length, body }, ..server.call(Method::PUT, "/upload", b"") }
}

#[tokio::test]
async fn uploads_are_checked_while_they_stream() {
    let server = default_server().await;
    let alice = client("//Alice");
    let chunks: Vec<Bytes> = (0..50u8).map(|fill| Bytes::from(vec![fill; 10_000])).collect();
    let whole = digest(&chunks.concat());
    let answer = alice.call(upload(&server, chunks.clone(), whole)).await.unwrap();
    assert_eq!(&answer.body[..], b"500000");
    let mut altered = chunks.clone();
    altered[49] = Bytes::from(vec![0; 10_000]);
    assert_eq!(refusal(alice.call(upload(&server, altered, whole)).await), (401, "body_digest".into()));
    let without_digest = server.call(Method::PUT, "/upload", b"abc");
    assert_eq!(refusal(alice.call(without_digest).await), (401, "content_digest_missing".into()));
}

#[tokio::test]
async fn errors_of_handlers_reach_the_caller_in_words() {
    let server = default_server().await;
    match client("//Alice").call(server.call(Method::GET, "/teapot", b"")).await {
        Err(CallError::Refused { status, code, message, .. }) => {
            assert_eq!((status.as_u16(), &*code, &*message), (418, "teapot", "no coffee here"));
        }
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[tokio::test]
async fn a_route_without_a_gate_has_no_callers() {
    let server = default_server().await;
    assert_eq!(
        refusal(client("//Alice").call(server.call(Method::GET, "/open", b"")).await),
        (500, "no_gate".into())
    );
}

#[tokio::test]
async fn oversized_late_and_unsigned_answers_are_not_taken() {
    let server = default_server().await;
    let alice = client("//Alice");
    let big = alice.call(server.call(Method::GET, "/big", b"")).await;
    assert!(matches!(big, Err(CallError::TooLarge { limit_bytes: 65_536, .. })), "{big:?}");
    let mut slow = server.call(Method::GET, "/slow", b"");
    slow.timeout = Duration::from_millis(100);
    let late = alice.call(slow).await;
    assert!(matches!(late, Err(CallError::TooSlow { .. })), "{late:?}");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = Server { address: listener.local_addr().unwrap(), hotkey: server.hotkey };
    tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/echo", post(|| async { "me" }))).await
    });
    let unsigned = alice.call(plain.call(Method::POST, "/echo", b"")).await;
    assert!(matches!(unsigned, Err(CallError::NotBelieved { .. })), "{unsigned:?}");
}

#[tokio::test]
async fn an_answer_of_another_server_is_not_believed() {
    let server = default_server().await;
    let mut call = server.call(Method::POST, "/echo", b"");
    call.receiver = key("//Ferdie").public();
    // The real server refuses, because the request is not for it.
    assert_eq!(refusal(client("//Alice").call(call).await), (401, "wrong_receiver".into()));
    let request = Caller { hotkey: key("//Alice").public(), nonce_ns: 1 };
    let answered = answer::Answered { request, status: 200, body: digest(b"yes") };
    let headers: http::HeaderMap = answer::sign(&key("//Bob"), &answered)
        .into_iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
    let bob = key("//Bob").public();
    assert_eq!(answer::verify(&headers, &answered, &bob), Ok(()));
    let changed = [
        answer::Answered { status: 201, ..answered },
        answer::Answered { body: digest(b"no"), ..answered },
        answer::Answered { request: Caller { nonce_ns: 2, ..request }, ..answered },
        answer::Answered { request: Caller { hotkey: bob, ..request }, ..answered },
    ];
    for changed in changed {
        assert_eq!(answer::verify(&headers, &changed, &bob), Err(answer::AnswerError::BadSignature));
    }
    let ferdie = key("//Ferdie").public();
    assert!(matches!(
        answer::verify(&headers, &answered, &ferdie),
        Err(answer::AnswerError::WrongSigner { .. })
    ));
}
