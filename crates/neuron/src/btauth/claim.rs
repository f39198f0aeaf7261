//! What a request's headers claim, before anything of it is believed.

use http::HeaderMap;
use myelin_keys::{CryptoType, PublicKey, Signature};

use super::{header, verify::AuthError, VERSION};

/// The parsed headers of a signed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who claims to have sent it.
    pub sender: PublicKey,
    /// For whom, as sent.
    pub receiver: Option<String>,
    /// When it claims to have been signed, in nanoseconds since 1970.
    pub nonce_ns: u64,
    /// The signature.
    pub signature: Signature,
}

impl Claim {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] names the header that is missing, doubled or not of its form.
    pub fn parse(headers: &HeaderMap) -> Result<Self, AuthError> {
        if one(headers, header::VERSION)? != Some(VERSION) {
            return Err(malformed(header::VERSION, "`1`"));
        }
        let sender = required(headers, header::HOTKEY)?;
        let nonce_ns = nonce(required(headers, header::NONCE)?)?;
        let scheme = scheme(one(headers, header::CRYPTO)?)?;
        let signature = Self::signature_of(required(headers, header::SIGNATURE)?)
            .ok_or_else(|| malformed(header::SIGNATURE, "128 hex digits"))?;
        let receiver = one(headers, header::RECEIVER)?.map(str::to_owned);
        let sender = PublicKey::from_ss58(sender, scheme)
            .map_err(|_| malformed(header::HOTKEY, "an SS58 address with prefix 42"))?;
        Ok(Self { sender, receiver, nonce_ns, signature })
    }

    /// The 64 bytes of a signature in hex, with or without `0x`.
    pub(crate) fn signature_of(text: &str) -> Option<Signature> {
        let mut signature = [0; 64];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut signature).ok()?;
        Some(signature)
    }
}

fn malformed(header: &'static str, expected: &'static str) -> AuthError {
    AuthError::Malformed { header, expected }
}

/// The only value of a header, if there is one.
fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(malformed(name, "one value"));
    }
    first.map(|value| value.to_str().map_err(|_| malformed(name, "ASCII text"))).transpose()
}

fn required<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, AuthError> {
    one(headers, name)?.ok_or_else(|| malformed(name, "a value"))
}

/// Digits without leading zeros: the payload is rebuilt from the number, so that only one text may stand for it.
fn nonce(text: &str) -> Result<u64, AuthError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    match text.parse() {
        Ok(nonce) if digits && canonical => Ok(nonce),
        _ => Err(malformed(header::NONCE, "decimal nanoseconds")),
    }
}

fn scheme(name: Option<&str>) -> Result<CryptoType, AuthError> {
    match name {
        None | Some("sr25519") => Ok(CryptoType::Sr25519),
        Some("ed25519") => Ok(CryptoType::Ed25519),
        Some(_) => Err(malformed(header::CRYPTO, "`sr25519` or `ed25519`")),
    }
}
