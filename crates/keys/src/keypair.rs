//! Keypairs: making them from secrets, and signing.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sp_core::{
    crypto::{Pair as _, SecretStringError},
    ed25519, sr25519,
};
use zeroize::Zeroizing;

use crate::{
    error::KeyError,
    mnemonic,
    public_key::{CryptoType, PublicKey, Signature},
};

pub(crate) type Seed = Zeroizing<[u8; 32]>;

const SEED_BYTES: usize = 32;
const SR25519_PRIVATE_KEY_BYTES: usize = 64;
const PASSPHRASE_MARK: &str = "///";

/// A secret key with its public key, and what it was derived from as far as that is known.
pub struct Keypair {
    secret: Secret,
    public: PublicKey,
    /// Present when the key is the mnemonic's own, without path or passphrase, so that the words alone restore it.
    mnemonic: Option<SecretString>,
    seed: Option<Seed>,
}

enum Secret {
    Sr25519(Box<sr25519::Pair>),
    /// Only the seed is kept, because `ed25519::Pair` is `Copy` and so cannot be wiped.
    Ed25519(Seed),
}

impl Keypair {
    /// A new keypair from a fresh mnemonic of 12, 15, 18, 21 or 24 words; [`Keypair::mnemonic`] has the words.
    pub fn generate(word_count: usize, crypto_type: CryptoType) -> Result<Self, KeyError> {
        Self::from_mnemonic(&mnemonic::generate(word_count)?, crypto_type)
    }

    /// The keypair of an English BIP39 mnemonic. Additional white space is ignored.
    pub fn from_mnemonic(phrase: &str, crypto_type: CryptoType) -> Result<Self, KeyError> {
        let phrase = mnemonic::parse(phrase)?;
        let mut keypair = Self::derive(&phrase, crypto_type)?;
        keypair.mnemonic = Some(SecretString::from(phrase.as_str()));
        Ok(keypair)
    }

    /// The keypair of a 32-byte seed.
    pub fn from_seed(seed: &[u8; SEED_BYTES], crypto_type: CryptoType) -> Result<Self, KeyError> {
        let mut keypair = Self::from_private_key(seed, crypto_type)?;
        keypair.seed = Some(Zeroizing::new(*seed));
        Ok(keypair)
    }

    /// The keypair of a private key: for sr25519 a 32-byte seed or the 64-byte expanded key, for ed25519 the 32-byte
    /// seed, optionally followed by the 32-byte public key.
    pub fn from_private_key(private_key: &[u8], crypto_type: CryptoType) -> Result<Self, KeyError> {
        if ![SEED_BYTES, SR25519_PRIVATE_KEY_BYTES].contains(&private_key.len()) {
            return Err(KeyError::Length {
                what: "private key",
                expected: "32 or 64",
                found: private_key.len(),
            });
        }
        let invalid = |_| KeyError::PrivateKey { crypto_type };
        match crypto_type {
            CryptoType::Sr25519 => {
                sr25519::Pair::from_seed_slice(private_key).map(Self::sr25519).map_err(invalid)
            }
            CryptoType::Ed25519 => {
                let (seed, _) =
                    private_key.split_first_chunk().ok_or(KeyError::PrivateKey { crypto_type })?;
                Ok(Self::ed25519(Zeroizing::new(*seed)))
            }
        }
    }

    /// The keypair of a hex seed (64 digits, optionally after `0x`).
    pub fn from_seed_hex(seed: &str, crypto_type: CryptoType) -> Result<Self, KeyError> {
        let bytes = decode_hex(seed, "seed", "64 digits")?;
        let seed = <&[u8; SEED_BYTES]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Length {
            what: "seed",
            expected: "32",
            found: bytes.len(),
        })?;
        Self::from_seed(seed, crypto_type)
    }

    /// The keypair of a hex private key, as in [`Keypair::from_private_key`] (optionally after `0x`).
    pub fn from_private_key_hex(private_key: &str, crypto_type: CryptoType) -> Result<Self, KeyError> {
        Self::from_private_key(&decode_hex(private_key, "private key", "64 or 128 digits")?, crypto_type)
    }

    /// The keypair of a Substrate secret URI: a mnemonic or `0x` seed, then any number of `//hard` and `/soft`
    /// junctions, then optionally `///passphrase`. Without mnemonic and seed, as in `//Alice`, the well-known
    /// development mnemonic is meant, so those keys are public.
    pub fn from_uri(uri: &str, crypto_type: CryptoType) -> Result<Self, KeyError> {
        // Left to the library, an empty URI would silently be the development account.
        if uri.trim().is_empty() || uri.starts_with(PASSPHRASE_MARK) {
            return Err(KeyError::SecretUri);
        }
        let Some((phrase, rest)) = uri.find('/').map(|slash| uri.split_at(slash)) else {
            return Self::from_root(uri, crypto_type);
        };
        if phrase.is_empty() || phrase.starts_with("0x") {
            return Self::derive(uri, crypto_type);
        }
        let phrase = mnemonic::parse(phrase)?;
        Self::derive(&Zeroizing::new([phrase.as_str(), rest].concat()), crypto_type)
    }

    fn from_root(root: &str, crypto_type: CryptoType) -> Result<Self, KeyError> {
        match root.strip_prefix("0x") {
            Some(seed) => Self::from_seed_hex(seed, crypto_type),
            None => Self::from_mnemonic(root, crypto_type),
        }
    }

    fn derive(uri: &str, crypto_type: CryptoType) -> Result<Self, KeyError> {
        // The library's errors quote the URI, so only their kind goes further.
        let uri_error = |error| match error {
            SecretStringError::InvalidPath => KeyError::DerivationPath { crypto_type },
            _ => KeyError::SecretUri,
        };
        let (mut keypair, seed) = match crypto_type {
            CryptoType::Sr25519 => {
                let (pair, seed) = sr25519::Pair::from_string_with_seed(uri, None).map_err(uri_error)?;
                (Self::sr25519(pair), seed)
            }
            CryptoType::Ed25519 => {
                let (pair, seed) = ed25519::Pair::from_string_with_seed(uri, None).map_err(uri_error)?;
                (Self::ed25519(Zeroizing::new(pair.seed())), seed)
            }
        };
        keypair.seed = seed.map(Zeroizing::new);
        Ok(keypair)
    }

    fn sr25519(pair: sr25519::Pair) -> Self {
        let public = PublicKey { crypto_type: CryptoType::Sr25519, bytes: pair.public().0 };
        Self { secret: Secret::Sr25519(Box::new(pair)), public, mnemonic: None, seed: None }
    }

    fn ed25519(seed: Seed) -> Self {
        let public =
            PublicKey { crypto_type: CryptoType::Ed25519, bytes: ed25519::Pair::from_seed(&seed).public().0 };
        Self { secret: Secret::Ed25519(seed), public, mnemonic: None, seed: None }
    }

    /// The public key.
    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The signature scheme.
    /// The signature scheme.
    pub fn crypto_type(&self) -> CryptoType {
        self.public.crypto_type
    }

    /// The words that restore this key, where it is known that words alone do.
    pub fn mnemonic(&self) -> Option<&SecretString> {
        self.mnemonic.as_ref()
    }

    /// Signs exactly `message`. Sr25519 signatures are randomised: two of the same message differ.
    pub fn sign(&self, message: &[u8]) -> Signature {
        match &self.secret {
            Secret::Sr25519(pair) => pair.sign(message).0,
            Secret::Ed25519(seed) => ed25519::Pair::from_seed(seed).sign(message).0,
        }
    }

    pub(crate) fn seed(&self) -> Option<&Seed> {
        self.seed.as_ref()
    }

    /// 64 bytes for sr25519, 32 for ed25519.
    pub(crate) fn private_key(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match &self.secret {
            Secret::Sr25519(pair) => pair.to_raw_vec(),
            Secret::Ed25519(seed) => seed.to_vec(),
        })
    }

    pub(crate) fn exposed_mnemonic(&self) -> Option<&str> {
        self.mnemonic.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keypair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The bytes of hex digits after an optional `0x`. Errors do not quote the digits.
pub(crate) fn decode_hex(
    text: &str,
    what: &'static str,
    expected: &'static str,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).map(Zeroizing::new).map_err(|error| KeyError::Hex {
        what,
        expected,
        found: match error {
            hex::FromHexError::OddLength => "an odd number of digits",
            _ => "a character that is not a hex digit",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    const SEED: &str = "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BOTH: [CryptoType; 2] = [CryptoType::Sr25519, CryptoType::Ed25519];

    #[test]
    fn signatures_verify_only_as_made() {
        for crypto_type in BOTH {
            let keypair = Keypair::generate(12, crypto_type).unwrap();
            let other = Keypair::generate(12, crypto_type).unwrap().public();
            let signature = keypair.sign(b"message");
            let mut damaged = signature;
            damaged[40] ^= 1;
            let other_scheme = PublicKey { crypto_type: crypto_type.other(), ..keypair.public() };
            assert!(keypair.public().verify(b"message", &signature));
            assert!(!keypair.public().verify(b"massage", &signature));
            assert!(!keypair.public().verify(b"message", &damaged));
            assert!(!other.verify(b"message", &signature));
            assert!(!other_scheme.verify(b"message", &signature));
        }
    }

    #[test]
    fn every_secret_of_a_keypair_restores_it() {
        for crypto_type in BOTH {
            let keypair = Keypair::generate(24, crypto_type).unwrap();
            let seed = keypair.seed().unwrap();
            let restored = [
                Keypair::from_mnemonic(keypair.exposed_mnemonic().unwrap(), crypto_type),
                Keypair::from_uri(keypair.exposed_mnemonic().unwrap(), crypto_type),
                Keypair::from_seed(seed, crypto_type),
                Keypair::from_uri(&format!("0x{}", hex::encode(**seed)), crypto_type),
                Keypair::from_private_key(&keypair.private_key(), crypto_type),
            ];
            for copy in restored {
                assert_eq!(copy.unwrap().public(), keypair.public());
            }
        }
    }

    #[test]
    fn a_mnemonic_is_kept_only_where_it_restores_the_key() {
        let kept = |uri: &str| Keypair::from_uri(uri, CryptoType::Sr25519).unwrap().mnemonic().is_some();
        assert!(kept(PHRASE));
        assert!(!kept(&format!("{PHRASE}//hard")));
        assert!(!kept(&format!("{PHRASE}///passphrase")));
        assert!(!kept(SEED));
        assert!(!kept("//Alice"));
    }

    #[test]
    fn a_seed_is_kept_only_where_it_restores_the_key() {
        let keypair = |uri: &str| Keypair::from_uri(uri, CryptoType::Sr25519).unwrap();
        for uri in ["//Alice", "//a//b", &format!("{PHRASE}///passphrase")] {
            let derived = keypair(uri);
            let restored = Keypair::from_seed(derived.seed().unwrap(), CryptoType::Sr25519).unwrap();
            assert_eq!(restored.public(), derived.public(), "{uri}");
        }
        assert!(keypair("//Alice/soft").seed().is_none());
    }

    #[test]
    fn uris_that_are_not_understood_are_refused() {
        let error = |uri: &str| Keypair::from_uri(uri, CryptoType::Sr25519).unwrap_err();
        for uri in ["", "  ", "///passphrase", "/", "//", "0x12//Alice", "//Alice/"] {
            assert_eq!(error(uri), KeyError::SecretUri, "{uri}");
        }
        assert_eq!(error("Alice"), KeyError::MnemonicWordCount { found: 1 });
        assert_eq!(error("Alice//hard"), KeyError::MnemonicWordCount { found: 1 });
        assert_eq!(error("0x1234"), KeyError::Length { what: "seed", expected: "32", found: 2 });
        assert_eq!(
            Keypair::from_uri("//Alice/soft", CryptoType::Ed25519).unwrap_err(),
            KeyError::DerivationPath { crypto_type: CryptoType::Ed25519 }
        );
    }

    #[test]
    fn private_keys_of_the_wrong_shape_are_refused() {
        for crypto_type in BOTH {
            for length in [0, 31, 33, 63, 65] {
                let error = Keypair::from_private_key(&vec![1; length], crypto_type).unwrap_err();
                assert_eq!(
                    error,
                    KeyError::Length { what: "private key", expected: "32 or 64", found: length }
                );
            }
        }
        // The first half is a scalar and must be below the group's order.
        assert_eq!(
            Keypair::from_private_key(&[255; 64], CryptoType::Sr25519).unwrap_err(),
            KeyError::PrivateKey { crypto_type: CryptoType::Sr25519 }
        );
        let hex_error = |text: &str| Keypair::from_seed_hex(text, CryptoType::Sr25519).unwrap_err();
        assert!(matches!(hex_error("0xabc"), KeyError::Hex { found: "an odd number of digits", .. }));
        assert!(matches!(
            hex_error("xy"),
            KeyError::Hex { found: "a character that is not a hex digit", .. }
        ));
    }

    #[test]
    fn debug_output_and_errors_hold_no_secret() {
        let keypair = Keypair::from_mnemonic(PHRASE, CryptoType::Sr25519).unwrap();
        let shown = format!("{keypair:?} {keypair:#?} {:?}", keypair.mnemonic());
        assert!(shown.contains("5EHgWw2Af1pnoc7f1A8bfmM97W3DAYW8xr82RfhLL9oAabAe"));
        for secret in
            ["winner".to_owned(), hex::encode(**keypair.seed().unwrap()), hex::encode(keypair.private_key())]
        {
            assert!(!shown.contains(&secret));
        }
        let error = Keypair::from_uri("secretword\u{1}//path//", CryptoType::Sr25519).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secretword"));
    }
}
