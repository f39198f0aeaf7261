//! Public keys, their SS58 addresses, and signature checks.

use std::fmt;

use sp_core::{
    crypto::{AccountId32, Pair as _, PublicError, Ss58AddressFormat, Ss58Codec},
    ed25519, sr25519,
};

use crate::error::KeyError;

/// The SS58 prefix of Bittensor networks, and of Substrate chains in general.
pub const SS58_PREFIX: u16 = 42;

/// Longest text worth decoding: 32 bytes with any prefix need at most 50 characters, and decoding costs the square.
const MAX_ADDRESS_CHARACTERS: usize = 64;

/// A signature of either scheme: 64 bytes.
pub type Signature = [u8; 64];

/// The signature scheme of a key. The number is the one in keyfiles and in SCALE's `MultiSignature`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CryptoType {
    Ed25519 = 0,
    #[default]
    Sr25519 = 1,
}

impl CryptoType {
    /// The number that stands for this scheme in keyfiles and in `MultiSignature`.
    pub const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Ed25519 => Self::Sr25519,
            Self::Sr25519 => Self::Ed25519,
        }
    }
}

impl TryFrom<u64> for CryptoType {
    type Error = KeyError;

    fn try_from(code: u64) -> Result<Self, KeyError> {
        match code {
            0 => Ok(Self::Ed25519),
            1 => Ok(Self::Sr25519),
            _ => Err(KeyError::CryptoType { found: code.to_string() }),
        }
    }
}

impl std::str::FromStr for CryptoType {
    type Err = KeyError;

    /// Accepts the names and the numbers.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text {
            "ed25519" | "0" => Ok(Self::Ed25519),
            "sr25519" | "1" => Ok(Self::Sr25519),
            _ => Err(KeyError::CryptoType {
                found: format!("{:?}", text.chars().take(32).collect::<String>()),
            }),
        }
    }
}

impl fmt::Display for CryptoType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ed25519 => "ed25519",
            Self::Sr25519 => "sr25519",
        })
    }
}

/// A public key, which is also the account's id on chain. Displays as its SS58 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey {
    pub crypto_type: CryptoType,
    pub bytes: [u8; 32],
}

impl PublicKey {
    /// Decodes an SS58 address of prefix 42. The address does not carry the scheme.
    pub fn from_ss58(address: &str, crypto_type: CryptoType) -> Result<Self, KeyError> {
        decode_ss58(address).map(|bytes| Self { crypto_type, bytes })
    }

    /// The SS58 address, prefix 42.
    pub fn to_ss58(&self) -> String {
        AccountId32::new(self.bytes).to_ss58check_with_version(Ss58AddressFormat::custom(SS58_PREFIX))
    }

    /// Whether this key signed exactly `message`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        match self.crypto_type {
            CryptoType::Ed25519 => {
                ed25519::Pair::verify(&(*signature).into(), message, &ed25519::Public::from_raw(self.bytes))
            }
            CryptoType::Sr25519 => {
                sr25519::Pair::verify(&(*signature).into(), message, &sr25519::Public::from_raw(self.bytes))
            }
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_ss58())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({} {self})", self.crypto_type)
    }
}

fn decode_ss58(address: &str) -> Result<[u8; 32], KeyError> {
    if address.len() > MAX_ADDRESS_CHARACTERS {
        return Err(KeyError::Ss58 { found: "too many characters" });
    }
    let (account, format) = AccountId32::from_ss58check_with_version(address).map_err(ss58_error)?;
    match u16::from(format) {
        SS58_PREFIX => Ok(account.into()),
        found => Err(KeyError::Ss58Prefix { found }),
    }
}

fn ss58_error(error: PublicError) -> KeyError {
    KeyError::Ss58 {
        found: match error {
            PublicError::BadBase58 => "a character outside base 58",
            PublicError::BadLength => "the wrong number of characters for an account",
            PublicError::InvalidChecksum => "a wrong checksum (some character differs)",
            _ => "an unknown kind of address",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    fn decode(address: &str) -> Result<PublicKey, KeyError> {
        PublicKey::from_ss58(address, CryptoType::Sr25519)
    }

    #[test]
    fn address_round_trip() {
        let alice = decode(ALICE).unwrap();
        assert_eq!(
            hex::encode(alice.bytes),
            "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
        );
        assert_eq!(alice.to_string(), ALICE);
        assert_eq!(format!("{alice:?}"), format!("PublicKey(sr25519 {ALICE})"));
    }

    #[test]
    fn wrong_addresses_are_told_apart() {
        let found = |address: &str| decode(address).unwrap_err();
        assert_eq!(
            found(&ALICE.replace('Q', "R")),
            KeyError::Ss58 { found: "a wrong checksum (some character differs)" }
        );
        assert_eq!(found(&ALICE.replace('Q', "0")), KeyError::Ss58 { found: "a character outside base 58" });
        assert_eq!(
            found(&ALICE[..40]),
            KeyError::Ss58 { found: "the wrong number of characters for an account" }
        );
        assert_eq!(found(""), KeyError::Ss58 { found: "the wrong number of characters for an account" });
        assert_eq!(found(&"1".repeat(100_000)), KeyError::Ss58 { found: "too many characters" });
    }

    #[test]
    fn address_of_another_network_is_refused() {
        let account = AccountId32::new(decode(ALICE).unwrap().bytes);
        for prefix in [0, 2, 64, 1284] {
            let address = account.to_ss58check_with_version(Ss58AddressFormat::custom(prefix));
            assert_eq!(decode(&address), Err(KeyError::Ss58Prefix { found: prefix }));
        }
    }

    #[test]
    fn crypto_types_have_names_and_numbers() {
        for crypto_type in [CryptoType::Ed25519, CryptoType::Sr25519] {
            assert_eq!(crypto_type.to_string().parse(), Ok(crypto_type));
            assert_eq!(crypto_type.code().to_string().parse(), Ok(crypto_type));
            assert_eq!(CryptoType::try_from(u64::from(crypto_type.code())), Ok(crypto_type));
        }
        assert_eq!("ecdsa".parse::<CryptoType>(), Err(KeyError::CryptoType { found: "\"ecdsa\"".into() }));
        assert_eq!(CryptoType::try_from(2), Err(KeyError::CryptoType { found: "2".into() }));
    }
}
