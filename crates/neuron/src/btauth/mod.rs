//! `btauth/1`: HTTP requests signed by a hotkey, byte for byte as Bittensor's Python SDK signs and checks them.
//!
//! # The request
//! A signed request says: sent by hotkey X, to hotkey Y, with exactly this method, target and body, just now.
//!
//! | header | value |
//! |---|---|
//! | `X-Bittensor-Version` | `1` |
//! | `X-Bittensor-Hotkey` | the sender's SS58 address |
//! | `X-Bittensor-Receiver` | the receiver's SS58 address; may be left out where the receiver allows it |
//! | `X-Bittensor-Nonce` | nanoseconds since 1970, decimal |
//! | `X-Bittensor-Crypto` | `ed25519`; left out for sr25519 |
//! | `X-Bittensor-Signature` | `0x` and 64 bytes in hex |
//!
//! What is signed is [`payload`]: eight lines joined by line feeds, without one at the end.
//!
//! # The checks, in order
//! shape, receiver, freshness (a nonce at most 10 s old and 2 s ahead), signature under the declared scheme only, replay.
//! The store of seen nonces is touched only after the signature holds, so that nobody can use up another's nonces.
//!
//! # Where this is stricter than the SDK
//! A header that appears twice, a nonce with anything but digits or with leading zeros, a signature that is not 128 hex
//! digits, a scheme by number, and keys for which anybody can sign (of small order) are refused. The SDK itself never
//! sends any of these.

mod claim;
mod replay;
mod verify;

use myelin_keys::{CryptoType, Keypair, PublicKey};
use sha2::{Digest, Sha256};

pub use claim::Claim;
pub use replay::{ReplayLimits, ReplayStore};
pub use verify::{verify, AuthError, Caller, Expectations, Window};

/// First line of what is signed.
pub const PROTOCOL: &str = "btauth/1";
/// Value of the version header.
pub const VERSION: &str = "1";

/// Names of the headers, in lower case as HTTP libraries want them.
pub mod header {
    /// Protocol version.
    pub const VERSION: &str = "x-bittensor-version";
    /// Sender.
    pub const HOTKEY: &str = "x-bittensor-hotkey";
    /// Receiver.
    pub const RECEIVER: &str = "x-bittensor-receiver";
    /// Time of signing.
    pub const NONCE: &str = "x-bittensor-nonce";
    /// Scheme.
    pub const CRYPTO: &str = "x-bittensor-crypto";
    /// Signature.
    pub const SIGNATURE: &str = "x-bittensor-signature";
}

/// Stands for the receiver in a payload without one.
const NO_RECEIVER: &str = "-";

/// SHA-256 of a body.
pub type BodyDigest = [u8; 32];

/// Digest of a body as it travels.
pub fn digest(body: &[u8]) -> BodyDigest {
    Sha256::digest(body).into()
}

/// What of a request is signed, besides who and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Path and query exactly as sent, percent-encoding included.
    pub target: &'a str,
    /// Digest of the raw body.
    pub body: BodyDigest,
}

/// The bytes that are signed.
pub fn payload(
    scheme: CryptoType,
    request: &Request<'_>,
    nonce_ns: u64,
    sender: &str,
    receiver: Option<&str>,
) -> Vec<u8> {
    let Request { method, target, body } = request;
    let lines = [
        PROTOCOL,
        &scheme.to_string(),
        &method.to_uppercase(),
        target,
        &hex::encode(body),
        &nonce_ns.to_string(),
        sender,
        receiver.unwrap_or(NO_RECEIVER),
    ];
    lines.join("\n").into_bytes()
}

/// Headers that sign `request` with `key`, for `receiver` if there is one. Every attempt needs a nonce of its own.
pub fn sign(
    key: &Keypair,
    request: &Request<'_>,
    receiver: Option<&PublicKey>,
    nonce_ns: u64,
) -> Vec<(&'static str, String)> {
    let sender = key.public().to_ss58();
    let receiver = receiver.map(PublicKey::to_ss58);
    let signed = payload(key.crypto_type(), request, nonce_ns, &sender, receiver.as_deref());
    let mut headers = vec![
        (header::VERSION, VERSION.to_owned()),
        (header::NONCE, nonce_ns.to_string()),
        (header::SIGNATURE, format!("0x{}", hex::encode(key.sign(&signed)))),
        (header::HOTKEY, sender),
    ];
    if key.crypto_type() != CryptoType::Sr25519 {
        headers.push((header::CRYPTO, key.crypto_type().to_string()));
    }
    headers.extend(receiver.map(|receiver| (header::RECEIVER, receiver)));
    headers
}
