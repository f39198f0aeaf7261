//! Signed answers.
//!
//! `btauth/1` signs requests only. A server of ours signs what it answers to a verified request too, so that a caller can
//! prove what it was told, and by whom.
//!
//! | header | value |
//! |---|---|
//! | `X-Myelin-Response-Version` | `1` |
//! | `X-Myelin-Response-Hotkey` | the server's SS58 address |
//! | `X-Myelin-Response-Crypto` | `ed25519`; left out for sr25519 |
//! | `X-Myelin-Response-Signature` | `0x` and 64 bytes in hex |
//!
//! What is signed is [`payload`]: seven lines joined by line feeds, without one at the end. The request's nonce ties the
//! answer to the request, whose signature covers method, target and body.

use http::HeaderMap;
use myelin_keys::{CryptoType, Keypair, PublicKey};

use crate::btauth::{BodyDigest, Caller, Claim};

/// First line of what is signed.
pub const PROTOCOL: &str = "myelin-response/1";
/// Value of the version header.
pub const VERSION: &str = "1";

/// Names of the headers.
pub mod header {
    /// Protocol version.
    pub const VERSION: &str = "x-myelin-response-version";
    /// The server.
    pub const HOTKEY: &str = "x-myelin-response-hotkey";
    /// Scheme.
    pub const CRYPTO: &str = "x-myelin-response-crypto";
    /// Signature.
    pub const SIGNATURE: &str = "x-myelin-response-signature";
}

/// What is signed of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Whose request it answers, and which.
    pub request: Caller,
    /// HTTP status.
    pub status: u16,
    /// Digest of the raw body.
    pub body: BodyDigest,
}

/// Why an answer is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A header is missing, doubled or not of its form.
    #[error("expected {expected} in the answer's header {header}; the server does not sign its answers")]
    Malformed {
        /// The header.
        header: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// Signed by somebody else.
    #[error("expected an answer from {expected}, found one from {found}; check the address of the server")]
    WrongSigner {
        /// Who was asked.
        expected: String,
        /// Who signed.
        found: String,
    },
    /// The signature does not fit.
    #[error("the signature of the answer does not fit; it was altered on its way, or the server is faulty")]
    BadSignature,
}

/// The bytes that are signed by the server `responder`.
pub fn payload(scheme: CryptoType, answered: &Answered, responder: &str) -> Vec<u8> {
    let Answered { request, status, body } = answered;
    let lines = [
        PROTOCOL,
        &scheme.to_string(),
        &request.nonce_ns.to_string(),
        &request.hotkey.to_ss58(),
        responder,
        &status.to_string(),
        &hex::encode(body),
    ];
    lines.join("\n").into_bytes()
}

/// Headers that sign an answer.
pub fn sign(key: &Keypair, answered: &Answered) -> Vec<(&'static str, String)> {
    let responder = key.public().to_ss58();
    let signature = key.sign(&payload(key.crypto_type(), answered, &responder));
    let mut headers = vec![
        (header::VERSION, VERSION.to_owned()),
        (header::SIGNATURE, format!("0x{}", hex::encode(signature))),
        (header::HOTKEY, responder),
    ];
    if key.crypto_type() != CryptoType::Sr25519 {
        headers.push((header::CRYPTO, key.crypto_type().to_string()));
    }
    headers
}

/// Checks that `responder` gave this answer.
///
/// # Errors
/// The first of shape, signer and signature that is wrong.
pub fn verify(headers: &HeaderMap, answered: &Answered, responder: &PublicKey) -> Result<(), AnswerError> {
    if one(headers, header::VERSION)? != VERSION {
        return Err(AnswerError::Malformed { header: header::VERSION, expected: "`1`" });
    }
    let found = one(headers, header::HOTKEY)?;
    let expected = responder.to_ss58();
    if found != expected {
        return Err(AnswerError::WrongSigner { expected, found: found.chars().take(64).collect() });
    }
    let signature = Claim::signature_of(one(headers, header::SIGNATURE)?)
        .ok_or(AnswerError::Malformed { header: header::SIGNATURE, expected: "128 hex digits" })?;
    match responder.verify(&payload(responder.crypto_type, answered, &expected), &signature) {
        true => Ok(()),
        false => Err(AnswerError::BadSignature),
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, AnswerError> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(AnswerError::Malformed { header: name, expected: "one value" }),
    }
}
