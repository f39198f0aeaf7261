//! Believing a claim.

use std::time::Duration;

use curve25519_dalek::edwards::CompressedEdwardsY;
use myelin_keys::{CryptoType, PublicKey};

use super::{claim::Claim, header, payload, replay::ReplayStore, Request};

/// Why a request is not believed. Messages are safe to send to anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// A header is missing, doubled or not of its form.
    #[error("expected {expected} in the header {header}; sign the request with btauth/1")]
    Malformed {
        /// The header.
        header: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// The key can be signed for by anybody.
    #[error("the sender's key is of small order, so that anybody can sign for it; use another key")]
    WeakKey,
    /// Signed for somebody else, or for nobody.
    #[error("expected a request signed for {expected}, found {found}; check the receiver's hotkey")]
    WrongReceiver {
        /// This server.
        expected: String,
        /// What the request says.
        found: String,
    },
    /// Signed too long ago or in the future.
    #[error("the request was signed {age_ms} ms ago, expected between {oldest_ms} and {newest_ms} ms; sign again, or correct the clock")]
    Stale {
        /// By this server's clock; negative for the future.
        age_ms: i64,
        /// Greatest age.
        oldest_ms: i64,
        /// Least age.
        newest_ms: i64,
    },
    /// The signature does not fit.
    #[error("the signature does not fit the sender, method, target and body; sign exactly what is sent")]
    BadSignature,
    /// Seen before.
    #[error("this request was received before; sign every attempt with a new nonce")]
    Replayed,
    /// No room to remember another sender.
    #[error("too many senders at once; try again shortly")]
    ReplayStoreFull,
}

impl AuthError {
    /// A name for programs, which does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed_auth",
            Self::WeakKey => "weak_key",
            Self::WrongReceiver { .. } => "wrong_receiver",
            Self::Stale { .. } => "stale_request",
            Self::BadSignature => "bad_signature",
            Self::Replayed => "replayed_request",
            Self::ReplayStoreFull => "overloaded",
        }
    }
}

/// How far a request's time may be from the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Greatest age.
    pub max_age: Duration,
    /// How far ahead a sender's clock may be.
    pub allowed_skew: Duration,
}

impl Default for Window {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(10), allowed_skew: Duration::from_secs(2) }
    }
}

/// What a server expects of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectations {
    /// Address that requests must be signed for.
    pub receiver: String,
    /// Whether requests without a receiver are refused. They can be replayed to other servers.
    pub require_receiver: bool,
    /// How old requests may be.
    pub window: Window,
}

impl Expectations {
    /// The protocol's defaults for the server with hotkey `receiver`.
    pub fn for_receiver(receiver: &PublicKey) -> Self {
        Self { receiver: receiver.to_ss58(), require_receiver: true, window: Window::default() }
    }
}

/// Who sent a request, proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The sender.
    pub hotkey: PublicKey,
    /// The request's nonce.
    pub nonce_ns: u64,
}

impl Claim {
    /// Checks whom the request is for, and when it was signed.
    ///
    /// # Errors
    /// [`AuthError::WrongReceiver`], then [`AuthError::Stale`].
    pub fn check_address_and_time(&self, expected: &Expectations, now_ns: u64) -> Result<(), AuthError> {
        self.check_receiver(expected)?;
        self.check_freshness(expected.window, now_ns)
    }

    fn check_receiver(&self, expected: &Expectations) -> Result<(), AuthError> {
        let found = match &self.receiver {
            Some(receiver) if *receiver == expected.receiver => return Ok(()),
            None if !expected.require_receiver => return Ok(()),
            Some(receiver) => receiver.chars().take(64).collect(),
            None => format!("no header {}", header::RECEIVER),
        };
        Err(AuthError::WrongReceiver { expected: expected.receiver.clone(), found })
    }

    fn check_freshness(&self, window: Window, now_ns: u64) -> Result<(), AuthError> {
        let age_ns = i128::from(now_ns) - i128::from(self.nonce_ns);
        let (oldest_ns, newest_ns) = (nanoseconds(window.max_age), -nanoseconds(window.allowed_skew));
        if (newest_ns..=oldest_ns).contains(&age_ns) {
            return Ok(());
        }
        Err(AuthError::Stale {
            age_ms: milliseconds(age_ns),
            oldest_ms: milliseconds(oldest_ns),
            newest_ms: milliseconds(newest_ns),
        })
    }

    /// Checks that the sender signed `request`.
    ///
    /// # Errors
    /// [`AuthError::WeakKey`] or [`AuthError::BadSignature`].
    pub fn check_signature(&self, request: &Request<'_>) -> Result<(), AuthError> {
        if is_weak(&self.sender) {
            return Err(AuthError::WeakKey);
        }
        let scheme = self.sender.crypto_type;
        let sender = self.sender.to_ss58();
        let signed = payload(scheme, request, self.nonce_ns, &sender, self.receiver.as_deref());
        match self.sender.verify(&signed, &self.signature) {
            true => Ok(()),
            false => Err(AuthError::BadSignature),
        }
    }

    /// Checks that the request was not seen before, and remembers it. Only for claims whose signature holds.
    ///
    /// # Errors
    /// [`AuthError::Replayed`], or [`AuthError::ReplayStoreFull`].
    pub fn check_replay(&self, seen: &ReplayStore, window: Window, now_ns: u64) -> Result<Caller, AuthError> {
        let oldest_ns = now_ns.saturating_sub(u64::try_from(window.max_age.as_nanos()).unwrap_or(u64::MAX));
        seen.check_and_remember(self.sender.bytes, self.nonce_ns, oldest_ns)?;
        Ok(Caller { hotkey: self.sender, nonce_ns: self.nonce_ns })
    }
}

/// All checks of a whole request, in the protocol's order.
///
/// # Errors
/// The first check that fails.
pub fn verify(
    headers: &http::HeaderMap,
    request: &Request<'_>,
    expected: &Expectations,
    seen: &ReplayStore,
    now_ns: u64,
) -> Result<Caller, AuthError> {
    let claim = Claim::parse(headers)?;
    claim.check_address_and_time(expected, now_ns)?;
    claim.check_signature(request)?;
    claim.check_replay(seen, expected.window, now_ns)
}

/// Whether anybody can make signatures that hold for this key.
fn is_weak(key: &PublicKey) -> bool {
    match key.crypto_type {
        // The only element of small order in the group is its identity.
        CryptoType::Sr25519 => key.bytes == [0; 32],
        CryptoType::Ed25519 => {
            CompressedEdwardsY(key.bytes).decompress().is_some_and(|point| point.is_small_order())
        }
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

fn milliseconds(nanoseconds: i128) -> i64 {
    i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX)
}
