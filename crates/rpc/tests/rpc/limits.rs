//! What clients cannot make a server do.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use myelin_rpc::{RpcConfig, RpcServer, RpcStartError};
use serde_json::{json, Value};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    raw::{frame, Socket},
    rig::{exchange, post, post_json, whole_exchange, Client, Rig},
};

fn request(id: u64, method: &str, parameters: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters})
}

/// A request for an answer that is about as large: keys are echoed.
fn echo(id: u64) -> Value {
    request(id, "state_queryStorageAt", json!([["00".repeat(20_000)]]))
}

/// Writes requests until the server reads no more; gives how many whole ones were written.
async fn write_until_stalled(socket: &Socket, request: impl Fn(u64) -> Value, most: u64) -> u64 {
    for count in 0..most {
        let bytes = frame(&request(count));
        let mut written = 0;
        while written < bytes.len() {
            match timeout(Duration::from_secs(2), socket.stream.writable()).await {
                Err(_) => return count,
                Ok(ready) => ready.unwrap(),
            }
            match socket.stream.try_write(&bytes[written..]) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Cut off.
                Err(_) => return count,
            }
        }
    }
    most
}

#[tokio::test]
async fn a_client_that_only_writes_is_not_read_any_more() {
    let rig = Rig::limited(RpcConfig { max_unread_bytes: 1 << 20, ..RpcConfig::any_port() }).await;
    let mut greedy = Socket::connect(rig.address()).await;
    let written = write_until_stalled(&greedy, echo, 100_000).await;
    assert!(written < 5_000, "the server has read {written} requests of 40 kB");
    let started = Instant::now();
    assert_eq!(rig.client().await.get("system_name", json!([])).await, "myelin");
    assert!(started.elapsed() < Duration::from_secs(5), "others are served meanwhile");
    for _ in 0..written {
        let answer = greedy.receive().await.unwrap();
        assert!(answer["result"].is_array(), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let config = RpcConfig { max_unread_time: Duration::from_millis(300), ..RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    let mut silent = Socket::connect(rig.address()).await;
    let written = write_until_stalled(&silent, echo, 100_000).await;
    assert!(written < 5_000, "the server has read {written} requests of 40 kB");
    let ended = async { while silent.receive().await.is_ok() {} };
    timeout(Duration::from_secs(10), ended).await.expect("the end of the connection");
    assert_eq!(rig.client().await.get("system_name", json!([])).await, "myelin");
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused_and_the_connection_goes_on() {
    let rig = Rig::limited(RpcConfig { max_request_bytes: 10_000, ..RpcConfig::any_port() }).await;
    let large = request(1, "state_getStorage", json!(["00".repeat(10_000)]));
    let (status, body) = post(rig.address(), &large.to_string()).await;
    assert!(status.contains("413") && body.contains("-32007"), "{status} {body}");
    let mut socket = Socket::connect(rig.address()).await;
    socket.send("state_getStorage", json!(["00".repeat(10_000)])).await;
    let answer = timeout(Duration::from_secs(10), socket.receive()).await.unwrap();
    // The frame is refused by its length; the library may end the connection after saying so.
    if let Ok(answer) = answer {
        assert_eq!(answer["error"]["code"], -32007, "{answer}");
    }
    assert_eq!(rig.client().await.get("system_name", json!([])).await, "myelin");
}

#[tokio::test]
async fn answers_that_are_too_large_are_errors() {
    let rig = Rig::limited(RpcConfig { max_response_bytes: 1_500, ..RpcConfig::any_port() }).await;
    let client = rig.client().await;
    let error = client.fail("state_getMetadata", json!([])).await;
    assert_eq!(error.code, 4002);
    assert!(error.message.contains("more than the limit"), "{error:?}");
    let keys = vec!["00"; 10_000];
    let error = client.fail("state_queryStorageAt", json!([keys])).await;
    assert!(error.message.contains("ask for fewer keys"), "{error:?}");
    let error = client.fail("rpc_methods", json!([])).await;
    assert_eq!(error.code, -32008, "{error:?}");
    assert_eq!(client.get("system_name", json!([])).await, "myelin");
}

#[tokio::test]
async fn what_all_clients_hold_together_is_limited() {
    let rig = Rig::limited(RpcConfig { max_held_bytes: 1_000_000, ..RpcConfig::any_port() }).await;
    let client = rig.client().await;
    let error = client.fail("state_getStorage", json!(["00".repeat(200_000)])).await;
    assert_eq!(error.code, -32000);
    assert!(error.message.contains("too much under way"), "{error:?}");
    assert_eq!(client.get("system_name", json!([])).await, "myelin", "and released again");
}

#[tokio::test]
async fn who_leaves_most_unread_makes_room_for_others() {
    const ANSWERS: usize = 40;
    let rig = Rig::limited(RpcConfig { max_held_bytes: 8 << 20, ..RpcConfig::any_port() }).await;
    let mut deaf = Vec::new();
    for _ in 0..8 {
        let mut socket = Socket::connect(rig.address()).await;
        for _ in 0..ANSWERS {
            socket.send("state_getMetadata", json!([])).await;
        }
        deaf.push(socket);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let client = rig.client().await;
    client.get("state_getMetadata", json!([])).await;
    let mut cut = 0;
    for mut socket in deaf {
        let mut answers = 0;
        while answers < ANSWERS && socket.receive().await.is_ok() {
            answers += 1;
        }
        cut += usize::from(answers < ANSWERS);
    }
    assert!((1..=8).contains(&cut), "{cut} were disconnected");
}

#[tokio::test]
async fn a_request_has_a_bounded_number_of_values() {
    let rig = Rig::manual().await;
    let mut socket = Socket::connect(rig.address()).await;
    let many: Vec<Value> = vec![json!({"": 0}); 20_000];
    for method in ["state_getStorage", "author_submitExtrinsic", "state_subscribeStorage"] {
        let refused = socket.ask(method, json!([many])).await;
        assert_eq!(refused["error"]["code"], 4002, "{method}: {refused}");
        assert!(
            refused["error"]["message"].as_str().unwrap().contains("more than 20000 values"),
            "{refused}"
        );
    }
    // What is in a text counts as one value.
    let refused = socket.ask("state_getStorage", json!([format!("0x{}", "[,".repeat(20_000))])).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
}

#[tokio::test]
async fn web_pages_from_elsewhere_are_refused_on_both_transports() {
    let rig = Rig::manual().await;
    let body = request(1, "dev_mine", json!([1])).to_string();
    let length = body.len();
    let http = |headers: &str| {
        format!("POST / HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    let websocket = |headers: &str| {
        format!(
            "GET / HTTP/1.1\r\n{headers}Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    };
    let foreign = "Host: 127.0.0.1\r\nOrigin: https://evil.example\r\n";
    let rebound = "Host: evil.example:9944\r\n";
    for request in [http(foreign), websocket(foreign), http(rebound), websocket(rebound)] {
        let request = request.replace("Connection: Upgrade", "Connection: Upgrade, close");
        let (status, text) = exchange(rig.address(), &request).await;
        assert!(status.contains("403") && text.contains("evil.example"), "{status} {text}");
    }
    assert_eq!(rig.chain.tip().number(), 0, "nothing was done");
    let local = "Host: localhost\r\nOrigin: http://localhost:3000\r\n";
    let (status, body) = exchange(rig.address(), &http(local)).await;
    assert!(status.contains("200") && body.contains("\"number\":1"), "{status} {body}");
}

/// A browser asks first, and shows the answer only to a page that it names.
#[tokio::test]
async fn browsers_hear_that_a_page_is_allowed() {
    let rig = Rig::manual().await;
    let preflight = |origin: &str| {
        format!(
            "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: content-type\r\nConnection: close\r\n\r\n"
        )
    };
    let allowed = whole_exchange(rig.address(), &preflight("https://polkadot.js.org")).await.to_lowercase();
    assert!(allowed.starts_with("http/1.1 204"), "{allowed}");
    for header in [
        "access-control-allow-origin: https://polkadot.js.org",
        "access-control-allow-methods: post",
        "access-control-allow-headers: content-type",
    ] {
        assert!(allowed.contains(header), "{header} in {allowed}");
    }
    let refused = whole_exchange(rig.address(), &preflight("https://evil.example")).await.to_lowercase();
    assert!(refused.starts_with("http/1.1 403") && !refused.contains("access-control"), "{refused}");

    let body = request(1, "system_name", json!([])).to_string();
    let post = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://polkadot.js.org\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = whole_exchange(rig.address(), &post).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 200") && answer.contains("\"result\":\"myelin\""), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://polkadot.js.org\r\n"), "{answer}");
    assert!(answer.contains("vary: origin\r\n"), "{answer}");
}

#[tokio::test]
async fn connections_are_limited() {
    let rig = Rig::limited(RpcConfig { max_connections: 3, ..RpcConfig::any_port() }).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Client::connect(rig.address()).await);
    }
    let (status, body) = post(rig.address(), &request(1, "system_name", json!([])).to_string()).await;
    assert!(status.contains("503") && body.contains("all 3 connections"), "{status} {body}");
    drop(open.pop());
    let served = async {
        loop {
            let (status, _) = post(rig.address(), &request(1, "system_name", json!([])).to_string()).await;
            if status.contains("200") {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), served).await.expect("a free place");
}

#[tokio::test]
async fn subscriptions_are_limited() {
    let rig = Rig::limited(RpcConfig { max_subscriptions: 2, ..RpcConfig::any_port() }).await;
    let mut socket = Socket::connect(rig.address()).await;
    let first = socket.ask("state_subscribeRuntimeVersion", json!([])).await;
    socket.ask("state_subscribeRuntimeVersion", json!([])).await;
    let refused = socket.ask("state_subscribeRuntimeVersion", json!([])).await;
    assert_eq!(refused["error"]["code"], -32006, "{refused}");
    socket.ask("state_unsubscribeRuntimeVersion", json!([first["result"]])).await;
    let subscribed = async {
        while socket.ask("state_subscribeRuntimeVersion", json!([])).await["error"].is_object() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), subscribed).await.expect("a free place");
}

#[tokio::test]
async fn batches_of_large_answers_are_limited() {
    let config = RpcConfig {
        max_unread_bytes: 100_000,
        max_wait: Duration::from_millis(200),
        ..RpcConfig::any_port()
    };
    let rig = Rig::limited(config).await;
    let batch: Vec<_> = (0..4).map(|id| request(id, "state_getMetadata", json!([]))).collect();
    let answers = post_json(rig.address(), json!(batch)).await;
    assert!(answers[0]["result"].is_string());
    assert!(
        answers[3]["error"]["message"].as_str().unwrap().contains("ask for less in one batch"),
        "{answers}"
    );
    let mut socket = Socket::connect(rig.address()).await;
    for _ in 0..3 {
        socket.stream.write_all(&frame(&json!(batch))).await.unwrap();
        assert!(socket.receive().await.unwrap()[0]["result"].is_string(), "the connection goes on");
    }
}

#[tokio::test]
async fn a_port_that_is_in_use_is_an_error_that_says_so() {
    let rig = Rig::manual().await;
    let other = Rig::manual().await;
    let error = start_at(&other, rig.address()).await;
    assert!(matches!(&error, RpcStartError::AddressInUse(address) if *address == rig.address()));
    assert!(error.to_string().contains("is in use"), "{error}");
    let error = start_at(&other, ([203, 0, 113, 1], 0).into()).await;
    assert!(matches!(&error, RpcStartError::Unusable { .. }), "{error}");
}

async fn start_at(rig: &Rig, address: SocketAddr) -> RpcStartError {
    match RpcServer::start(rig.services(), RpcConfig::at(address)).await {
        Err(error) => error,
        Ok(server) => panic!("it listens on {}", server.address()),
    }
}

#[tokio::test]
async fn stopping_ends_connections_and_lets_go_of_the_chain() {
    let rig = Rig::manual().await;
    let holders = Arc::strong_count(&rig.chain);
    let server = RpcServer::start(rig.services(), RpcConfig::any_port()).await.unwrap();
    let address = server.address();
    let client = Client::connect(address).await;
    let mut heads = client.subscribe("chain_subscribeNewHeads", json!([])).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut socket = Socket::connect(address).await;
        for _ in 0..40 {
            socket.send("state_getMetadata", json!([])).await;
        }
        busy.push(socket);
    }
    // A connection that is kept open for a next request.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
    let started = Instant::now();
    server.stop().await;
    assert_eq!(Arc::strong_count(&rig.chain), holders, "nobody of the server uses the chain any more");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    while heads.next().await.is_some() {}
    assert!(TcpStream::connect(address).await.is_err());
}

/// None of a batch's answers can be read before the batch is complete, so that waiting until they are is of no use.
#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_soon() {
    let rig = Rig::manual().await;
    let batch: Vec<_> = (0..200).map(|id| request(id, "state_getMetadata", json!([]))).collect();
    let started = Instant::now();
    let check = |answers: Value| {
        let answers = answers.as_array().unwrap();
        assert!(answers[0]["result"].is_string(), "{}", answers[0]);
        assert!(answers[199].to_string().contains("ask for less in one batch"), "{}", answers[199]);
    };
    check(post_json(rig.address(), json!(batch)).await);
    let mut socket = Socket::connect(rig.address()).await;
    for _ in 0..2 {
        socket.stream.write_all(&frame(&json!(batch))).await.unwrap();
        check(socket.receive().await.unwrap());
    }
    // Waiting for room for 30 s once would be too long, whatever else goes on here.
    assert!(started.elapsed() < Duration::from_secs(29), "{:?}", started.elapsed());
}
