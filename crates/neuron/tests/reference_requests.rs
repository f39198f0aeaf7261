//! Requests that the Python SDK signed, and what becomes of them when anything is changed.
//!
//! `fixtures/make.py` says how the recorded requests were made.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use myelin_keys::{CryptoType, Keypair, PublicKey};
use myelin_neuron::btauth::{
    self, digest, header, payload, verify, AuthError, Expectations, ReplayLimits, ReplayStore, Request,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    nonce_ns: u64,
    receiver: String,
    vectors: Vec<Vector>,
}

#[derive(Clone, Deserialize)]
struct Vector {
    sender_uri: String,
    method: String,
    path: String,
    body: String,
    receiver: Option<String>,
    headers: std::collections::BTreeMap<String, String>,
    payload: String,
}

impl Vector {
    fn body(&self) -> Vec<u8> {
        hex::decode(&self.body).unwrap()
    }

    fn request(&self) -> Request<'_> {
        Request { method: &self.method, target: &self.path, body: digest(&self.body()) }
    }

    fn headers(&self) -> HeaderMap {
        let pair = |(name, value): (&String, &String)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        self.headers.iter().map(pair).collect()
    }

    fn scheme(&self) -> CryptoType {
        self.headers.get("X-Bittensor-Crypto").map_or(CryptoType::Sr25519, |name| name.parse().unwrap())
    }

    fn key(&self) -> Keypair {
        Keypair::from_uri(&self.sender_uri, self.scheme()).unwrap()
    }
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/http_auth.json")).unwrap()
}

fn expectations(fixture: &Fixture) -> Expectations {
    let receiver = PublicKey::from_ss58(&fixture.receiver, CryptoType::Sr25519).unwrap();
    Expectations { require_receiver: false, ..Expectations::for_receiver(&receiver) }
}

fn fresh_store() -> ReplayStore {
    ReplayStore::new(ReplayLimits::default(), 0)
}

/// The first recorded request, for a receiver.
fn bound() -> (Vector, Expectations, u64) {
    let fixture = fixture();
    let expected = Expectations { require_receiver: true, ..expectations(&fixture) };
    let vector = fixture.vectors.into_iter().find(|vector| vector.receiver.is_some()).unwrap();
    (vector, expected, fixture.nonce_ns)
}

fn check(vector: &Vector, expected: &Expectations, now_ns: u64) -> Result<(), AuthError> {
    verify(&vector.headers(), &vector.request(), expected, &fresh_store(), now_ns).map(|_| ())
}

fn check_with(change: impl FnOnce(&mut HeaderMap)) -> Result<(), AuthError> {
    let (vector, expected, now) = bound();
    let mut headers = vector.headers();
    change(&mut headers);
    verify(&headers, &vector.request(), &expected, &fresh_store(), now).map(|_| ())
}

#[test]
fn every_recorded_request_is_believed() {
    let fixture = fixture();
    let expected = expectations(&fixture);
    assert_eq!(fixture.vectors.len(), 20);
    for vector in &fixture.vectors {
        let caller =
            verify(&vector.headers(), &vector.request(), &expected, &fresh_store(), fixture.nonce_ns)
                .unwrap();
        assert_eq!(caller.hotkey, vector.key().public());
        assert_eq!(caller.nonce_ns, fixture.nonce_ns);
    }
}

#[test]
fn the_signed_bytes_are_the_same() {
    let fixture = fixture();
    for vector in &fixture.vectors {
        let sender = vector.key().public().to_ss58();
        let ours = payload(
            vector.scheme(),
            &vector.request(),
            fixture.nonce_ns,
            &sender,
            vector.receiver.as_deref(),
        );
        assert_eq!(hex::encode(ours), vector.payload);
    }
}

#[test]
fn the_headers_are_the_same() {
    let fixture = fixture();
    for vector in &fixture.vectors {
        let receiver = vector
            .receiver
            .as_ref()
            .map(|address| PublicKey::from_ss58(address, CryptoType::Sr25519).unwrap());
        let signed = btauth::sign(&vector.key(), &vector.request(), receiver.as_ref(), fixture.nonce_ns);
        let mut ours: Vec<(String, String)> =
            signed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut theirs: Vec<(String, String)> =
            vector.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        if vector.scheme() == CryptoType::Sr25519 {
            // Sr25519 signatures are random.
            ours.retain(|(name, _)| name != header::SIGNATURE);
            theirs.retain(|(name, _)| name != header::SIGNATURE);
        }
        ours.sort();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn freshness_has_two_bounds() {
    let (vector, expected, nonce) = bound();
    let at = |now: u64| check(&vector, &expected, now);
    let (age, skew) = (10_000_000_000, 2_000_000_000);
    assert_eq!(at(nonce + age), Ok(()));
    assert!(matches!(at(nonce + age + 1), Err(AuthError::Stale { age_ms: 10_000, .. })));
    assert_eq!(at(nonce - skew), Ok(()));
    assert!(matches!(at(nonce - skew - 1), Err(AuthError::Stale { age_ms: -2000, .. })));
    assert!(matches!(at(0), Err(AuthError::Stale { .. })));
    assert!(matches!(at(u64::MAX), Err(AuthError::Stale { .. })));
}

#[test]
fn a_request_for_another_or_for_nobody_is_refused() {
    let (vector, expected, now) = bound();
    let other = Expectations {
        receiver: "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY".into(),
        ..expected.clone()
    };
    assert!(matches!(check(&vector, &other, now), Err(AuthError::WrongReceiver { .. })));
    let unbound = fixture().vectors.into_iter().find(|vector| vector.receiver.is_none()).unwrap();
    assert!(matches!(check(&unbound, &expected, now), Err(AuthError::WrongReceiver { .. })));
    // Taking the receiver away from a bound request does not make it an unbound one.
    let lenient = Expectations { require_receiver: false, ..expected };
    let mut headers = vector.headers();
    headers.remove(header::RECEIVER);
    let result = verify(&headers, &vector.request(), &lenient, &fresh_store(), now);
    assert_eq!(result.unwrap_err(), AuthError::BadSignature);
}

#[test]
fn a_request_is_believed_once() {
    let (vector, expected, now) = bound();
    let store = fresh_store();
    let send = || verify(&vector.headers(), &vector.request(), &expected, &store, now).map(|_| ());
    assert_eq!(send(), Ok(()));
    assert_eq!(send(), Err(AuthError::Replayed));
}

#[test]
fn forged_requests_do_not_use_up_nonces() {
    let (vector, expected, now) = bound();
    let store = fresh_store();
    let forged = Vector { body: "00".into(), ..vector.clone() };
    let send =
        |vector: &Vector| verify(&vector.headers(), &vector.request(), &expected, &store, now).map(|_| ());
    assert_eq!(send(&forged), Err(AuthError::BadSignature));
    assert_eq!(send(&vector), Ok(()));
}

#[test]
fn the_first_failing_check_is_reported() {
    let (vector, expected, now) = bound();
    let wrong_everything = Vector { body: "00".into(), ..vector };
    let other = Expectations { receiver: "nobody".into(), ..expected.clone() };
    let late = now + Duration::from_secs(60).as_nanos() as u64;
    let mut broken = wrong_everything.clone();
    broken.headers.insert("X-Bittensor-Nonce".into(), "soon".into());
    assert!(matches!(check(&broken, &other, late), Err(AuthError::Malformed { .. })));
    assert!(matches!(check(&wrong_everything, &other, late), Err(AuthError::WrongReceiver { .. })));
    assert!(matches!(check(&wrong_everything, &expected, late), Err(AuthError::Stale { .. })));
    assert_eq!(check(&wrong_everything, &expected, now), Err(AuthError::BadSignature));
}

#[test]
fn headers_of_another_form_are_refused_by_name() {
    let malformed = |name: &'static str, value: Option<&str>| {
        let result = check_with(|headers| {
            headers.remove(name);
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
        });
        match result {
            Err(AuthError::Malformed { header, .. }) => assert_eq!(header, name, "{value:?}"),
            other => panic!("expected {name} = {value:?} to be malformed, found {other:?}"),
        }
    };
    for name in [header::VERSION, header::HOTKEY, header::NONCE, header::SIGNATURE] {
        malformed(name, None);
        malformed(name, Some(""));
        malformed(name, Some("Ünlesbar"));
    }
    for nonce in ["-1", "+1", "1e9", "0x10", " 1", "1_000", "01", "99999999999999999999"] {
        malformed(header::NONCE, Some(nonce));
    }
    for version in ["2", "1.0", " 1"] {
        malformed(header::VERSION, Some(version));
    }
    for scheme in ["1", "SR25519", "ecdsa", ""] {
        malformed(header::CRYPTO, Some(scheme));
    }
    malformed(header::SIGNATURE, Some("0x00"));
    malformed(header::SIGNATURE, Some(&format!("0x{}", "0".repeat(130))));
    malformed(header::HOTKEY, Some("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQX"));
}

#[test]
fn a_doubled_header_is_refused() {
    for name in [header::VERSION, header::HOTKEY, header::NONCE, header::SIGNATURE, header::RECEIVER] {
        let result = check_with(|headers| {
            let value = headers.get(name).unwrap().clone();
            headers.append(name, value);
        });
        assert!(matches!(result, Err(AuthError::Malformed { header, .. }) if header == name), "{name}");
    }
}

#[test]
fn another_scheme_than_the_signed_one_is_not_tried() {
    let result = check_with(|headers| {
        headers.insert(header::CRYPTO, HeaderValue::from_static("ed25519"));
    });
    assert_eq!(result, Err(AuthError::BadSignature));
}

#[test]
fn keys_that_anybody_can_sign_for_are_refused() {
    // With the identity as public key, R = s*B holds for any message when s = 0 and R is the identity.
    let weak = [
        (CryptoType::Sr25519, [0; 32]),
        (CryptoType::Ed25519, [0; 32]),
        (CryptoType::Ed25519, {
            let mut identity = [0; 32];
            identity[0] = 1;
            identity
        }),
    ];
    for (crypto_type, bytes) in weak {
        let address = PublicKey { crypto_type, bytes }.to_ss58();
        let result = check_with(|headers| {
            headers.insert(header::HOTKEY, address.parse().unwrap());
            headers.insert(header::CRYPTO, crypto_type.to_string().parse().unwrap());
        });
        assert_eq!(result, Err(AuthError::WeakKey), "{crypto_type}");
    }
}

proptest! {
    /// Any change of what is signed breaks the signature.
    #[test]
    fn any_change_is_noticed(which in 0usize..20, what in 0u8..4, position in any::<usize>(), bit in 0u8..8) {
        let fixture = fixture();
        let mut vector = fixture.vectors[which].clone();
        let flip = |bytes: &mut Vec<u8>| match bytes.len() {
            0 => bytes.push(bit),
            length => bytes[position % length] ^= 1 << bit,
        };
        match what {
            0 => {
                let mut body = vector.body();
                flip(&mut body);
                vector.body = hex::encode(body);
            }
            1 => vector.path.push('x'),
            2 => vector.method.push('X'),
            _ => {
                let signature = vector.headers.get_mut("X-Bittensor-Signature").unwrap();
                let mut bytes = hex::decode(&signature[2..]).unwrap();
                flip(&mut bytes);
                *signature = format!("0x{}", hex::encode(bytes));
            }
        }
        prop_assert_eq!(check(&vector, &expectations(&fixture), fixture.nonce_ns), Err(AuthError::BadSignature));
    }
}
