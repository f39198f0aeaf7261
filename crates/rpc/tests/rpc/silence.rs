//! Clients that connect and ask for nothing, and what they cost the others.

use std::{net::SocketAddr, time::Duration};

use myelin_rpc::RpcConfig;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Mutex,
    time::{sleep, timeout, Instant},
};

use crate::{
    raw::Socket,
    rig::{exchange, post, post_json, Client, Rig},
};

/// More than there are places.
const CROWD: usize = 700;
/// Within which an honest client is served, less than it takes until silent ones have to go.
const SOON: Duration = Duration::from_secs(5);
/// Within which the server has done whatever it is to do after a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// One crowd at a time, because some systems give a process no more than 1,024 files.
static ONE_CROWD: Mutex<()> = Mutex::const_new(());
const HALF_A_HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\n";

async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Connections that ask for nothing: every second one has begun to. `address_of` says where each comes from.
async fn crowd(to: SocketAddr, address_of: impl Fn(usize) -> [u8; 4]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let mut stream = connect_from(address_of(number), to).await;
        if number % 2 == 0 {
            // It may have been turned away by now.
            let _ = stream.write_all(HALF_A_HEAD).await;
        }
        crowd.push(stream);
    }
    crowd
}

/// Expects that an honest client is served over HTTP and over a WebSocket.
async fn is_served_soon(address: SocketAddr) {
    let began = Instant::now();
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "system_name", "params": []});
    assert_eq!(post_json(address, request).await["result"], "myelin");
    let client = Client::connect(address).await;
    assert_eq!(client.get("system_name", json!([])).await, "myelin");
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
}

/// Waits until the server has ended a connection, whatever it says before.
async fn is_ended(stream: &mut TcpStream) {
    let ended = async {
        let mut said = [0; 4096];
        while stream.read(&mut said).await.is_ok_and(|bytes| bytes > 0) {}
    };
    timeout(PATIENCE, ended).await.expect("the end of the connection");
}

#[tokio::test]
async fn a_silent_crowd_from_the_same_address_locks_nobody_out() {
    let _crowd = ONE_CROWD.lock().await;
    // This machine has the share that others have.
    let share = RpcConfig::default().max_connections_per_address;
    let config = RpcConfig { max_connections_per_loopback_address: share, ..RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    let crowd = crowd(rig.address(), |_| [127, 0, 0, 1]).await;
    is_served_soon(rig.address()).await;
    assert!(rig.server.statistics().silent_connections() > 0, "some had to make room");
    drop(crowd);
}

#[tokio::test]
async fn a_silent_crowd_from_many_addresses_locks_nobody_out() {
    let _crowd = ONE_CROWD.lock().await;
    let config =
        RpcConfig { max_connections: 128, max_connections_per_loopback_address: 20, ..RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    let crowd = crowd(rig.address(), |number| [127, 0, 1, 1 + (number % 14) as u8]).await;
    is_served_soon(rig.address()).await;
    drop(crowd);
}

#[tokio::test]
async fn an_address_with_its_share_leaves_the_others_theirs() {
    let config = RpcConfig { max_connections_per_loopback_address: 3, ..RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Client::connect(rig.address()).await);
    }
    let (status, text) = post(rig.address(), "{}").await;
    assert!(status.contains("429") && text.contains("3 connections"), "{status} {text}");
    assert_eq!(rig.server.statistics().refused_connections(), 1);
    let mut other = connect_from([127, 0, 0, 2], rig.address()).await;
    other.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "it is served, although there is nothing to get: {answer}");
    assert_eq!(open[0].get("system_name", json!([])).await, "myelin");
}

#[tokio::test]
async fn who_does_not_finish_a_head_or_a_body_has_to_go() {
    let short = Duration::from_millis(300);
    let config = RpcConfig { max_head_time: short, max_body_time: short, ..RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    let half_a_body = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    for said in [b"".as_slice(), HALF_A_HEAD, half_a_body] {
        let mut stream = TcpStream::connect(rig.address()).await.unwrap();
        stream.write_all(said).await.unwrap();
        is_ended(&mut stream).await;
    }
    assert_eq!(rig.server.statistics().silent_connections(), 2);
    // A drop of a body now and then does not help.
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    stream.write_all(half_a_body).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let dripping = async {
        while writing.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let ended = async {
        let mut said = [0; 4096];
        while reading.read(&mut said).await.is_ok_and(|bytes| bytes > 0) {}
    };
    timeout(PATIENCE, async {
        tokio::select! { () = dripping => {}, () = ended => {} }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_asks_for_nothing_more_has_to_go_and_who_waits_does_not() {
    let config = RpcConfig { max_idle_time: Duration::from_millis(50), ..RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    let mut websocket = Socket::connect(rig.address()).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "dev_mine", "params": [300]}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The connection would be kept open, so its end is what is waited for.
    let asked = Instant::now();
    let (status, answer) = timeout(PATIENCE, exchange(rig.address(), &request)).await.expect("an end");
    assert!(status.contains("200") && answer.contains("\"number\":300"), "{status} {answer}");
    assert!(asked.elapsed() > Duration::from_millis(50), "the request takes longer than the limit");
    assert_eq!(rig.server.statistics().silent_connections(), 1);
    let answer = websocket.ask("system_name", json!([])).await;
    assert_eq!(answer["result"], "myelin", "a WebSocket may be idle");
}

#[tokio::test]
async fn a_websocket_that_shows_no_sign_of_life_has_to_go() {
    let config = RpcConfig { ping_interval: Duration::from_secs(1), ..RpcConfig::any_port() };
    let rig = Rig::limited(config).await;
    // This one answers pings by itself.
    let alive = rig.client().await;
    let mut silent = Socket::connect(rig.address()).await;
    assert!(timeout(PATIENCE, silent.receive()).await.expect("the end of the connection").is_err());
    assert_eq!(alive.get("system_name", json!([])).await, "myelin");
}
