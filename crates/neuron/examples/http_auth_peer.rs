//! The Rust side of the cross-language test of `btauth/1` in `tests/clients/http_auth.py`.
//!
//! Writes one line of JSON to standard output: requests that it signed, its hotkey, and the address at which it serves
//! `POST /echo` to anybody who signs. Ends when its standard input does.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use axum::{middleware::from_fn_with_state, routing::post, Router};
use bytes::Bytes;
use myelin_keys::{CryptoType, Keypair, PublicKey};
use myelin_neuron::{
    btauth::{self, Caller, Request},
    directory::Directory,
    limits::Rate,
    now_ns,
    policy::CallerPolicy,
    server::{require_signature, Gate, GateConfig},
};
use serde_json::{json, Value};

const MAX_BODY_BYTES: u64 = 100_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = Arc::new(Keypair::from_uri("//Bob", CryptoType::Sr25519)?);
    let hotkey = key.public();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let hello = json!({
        "url": format!("http://{}", listener.local_addr()?),
        "hotkey": hotkey.to_ss58(),
        "max_body_bytes": MAX_BODY_BYTES,
        "requests": signed_requests()?,
    });
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{hello}")?;
    stdout.flush()?;
    let server = axum::serve(listener, routes(key)?);
    tokio::select! {
        ended = server => ended?,
        _ = tokio::task::spawn_blocking(wait_for_end_of_input) => {}
    }
    Ok(())
}

fn routes(key: Arc<Keypair>) -> Result<Router, Box<dyn std::error::Error>> {
    let config = GateConfig {
        policy: CallerPolicy::anybody(),
        max_body_bytes: MAX_BODY_BYTES,
        rate: Rate { burst: 1000, refill_ms: 1 },
        ..GateConfig::default()
    };
    let directory = Arc::new(Directory::new(Duration::from_secs(60)));
    let gate = Arc::new(Gate::new(key, directory, config)?);
    let echo = |caller: Caller, body: Bytes| async move { ([("x-caller", caller.hotkey.to_ss58())], body) };
    Ok(Router::new().route("/echo", post(echo)).layer(from_fn_with_state(gate, require_signature)))
}

/// Requests of Alice, in both schemes, bound to Bob and to nobody.
fn signed_requests() -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let receiver = Keypair::from_uri("//Bob", CryptoType::Sr25519)?.public();
    let requests: [(&str, &str, &[u8]); 4] = [
        ("POST", "/generate", b"{\"prompt\": \"hello\"}"),
        ("GET", "/", b""),
        ("PUT", "/a%20b/%C3%A9?q=%2F&empty=&x", &[0, 255, 10, 13]),
        ("DELETE", "/utf8", "Straße ☃".as_bytes()),
    ];
    let mut signed = Vec::new();
    for crypto_type in [CryptoType::Sr25519, CryptoType::Ed25519] {
        let sender = Keypair::from_uri("//Alice", crypto_type)?;
        for (method, target, body) in requests {
            for receiver in [Some(&receiver), None] {
                signed.push(signed_request(&sender, receiver, method, target, body));
            }
        }
    }
    Ok(signed)
}

fn signed_request(
    sender: &Keypair,
    receiver: Option<&PublicKey>,
    method: &str,
    target: &str,
    body: &[u8],
) -> Value {
    let nonce_ns = now_ns();
    let request = Request { method, target, body: btauth::digest(body) };
    let headers: serde_json::Map<String, Value> = btauth::sign(sender, &request, receiver, nonce_ns)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    json!({
        "method": method,
        "path": target,
        "body": hex::encode(body),
        "bound": receiver.is_some(),
        "sender": sender.public().to_ss58(),
        "crypto": sender.crypto_type().to_string(),
        "nonce_ns": nonce_ns,
        "headers": headers,
    })
}

fn wait_for_end_of_input() {
    // What comes in does not matter, only that it ends.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
