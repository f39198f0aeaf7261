//! The password envelope of keyfiles: `$NACL`, a 24-byte nonce, then a NaCl secretbox (16-byte tag, ciphertext).
//!
//! The box's key is Argon2i 1.3 of the password with libsodium's "sensitive" limits: 8 passes over 512 MiB, one lane.
//! The salt is the same for every wallet in the world, so a weak password can be guessed for all of them at once; only
//! its length protects it.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use crypto_secretbox::{
    aead::{rand_core::RngCore, Aead, OsRng},
    KeyInit, XSalsa20Poly1305,
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

use crate::error::KeyfileError;

pub(crate) const PREFIX: &[u8] = b"$NACL";
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const MIN_ENVELOPE_BYTES: usize = PREFIX.len() + NONCE_BYTES + TAG_BYTES;

const SALT: [u8; 16] =
    [0x13, 0x71, 0x83, 0xdf, 0xf1, 0x5a, 0x09, 0xbc, 0x9c, 0x90, 0xb5, 0x51, 0x87, 0x39, 0xe9, 0xb1];
const PASSES: u32 = 8;
const MEMORY_KIB: u32 = 512 * 1024;
const LANES: u32 = 1;

/// Encrypts `plaintext` under `password`.
pub(crate) fn seal(plaintext: &[u8], password: &SecretString) -> Result<Vec<u8>, KeyfileError> {
    if password.expose_secret().is_empty() {
        return Err(KeyfileError::EmptyPassword);
    }
    EnvelopeKey::derive(password)?.seal(plaintext)
}

/// Decrypts an envelope. Its shape is checked before the costly key derivation.
pub(crate) fn open(envelope: &[u8], password: &SecretString) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
    let parts = split(envelope)?;
    EnvelopeKey::derive(password)?.open(parts)
}

/// Checks what can be checked of an envelope without its password.
pub(crate) fn check_shape(envelope: &[u8]) -> Result<(), KeyfileError> {
    split(envelope).map(drop)
}

struct Parts<'a> {
    nonce: &'a [u8; NONCE_BYTES],
    sealed: &'a [u8],
}

fn split(envelope: &[u8]) -> Result<Parts<'_>, KeyfileError> {
    let truncated = KeyfileError::EnvelopeTruncated { expected: MIN_ENVELOPE_BYTES, found: envelope.len() };
    let body = envelope.strip_prefix(PREFIX).unwrap_or_default();
    match body.split_first_chunk() {
        Some((nonce, sealed)) if sealed.len() >= TAG_BYTES => Ok(Parts { nonce, sealed }),
        _ => Err(truncated),
    }
}

struct EnvelopeKey(Zeroizing<[u8; 32]>);

impl EnvelopeKey {
    fn derive(password: &SecretString) -> Result<Self, KeyfileError> {
        let mut key = Zeroizing::new([0; 32]);
        let refused = |error: argon2::Error| KeyfileError::Encryption { reason: error.to_string() };
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(key.len())).map_err(refused)?;
        let mut memory = allocate(params.block_count())?;
        let derived = Argon2::new(Algorithm::Argon2i, Version::V0x13, params)
            .hash_password_into_with_memory(
                password.expose_secret().as_bytes(),
                &SALT,
                key.as_mut(),
                &mut memory,
            )
            .map_err(refused);
        memory.zeroize();
        derived.map(|()| Self(key))
    }

    fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, KeyfileError> {
        let mut nonce = [0; NONCE_BYTES];
        OsRng.fill_bytes(&mut nonce);
        let sealed = self
            .cipher()
            .encrypt(&nonce.into(), plaintext)
            .map_err(|error| KeyfileError::Encryption { reason: error.to_string() })?;
        Ok([PREFIX, &nonce, &sealed].concat())
    }

    fn open(&self, Parts { nonce, sealed }: Parts<'_>) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
        let opened = self.cipher().decrypt(nonce.into(), sealed);
        opened.map(Zeroizing::new).map_err(|_| KeyfileError::WrongPassword)
    }

    fn cipher(&self) -> XSalsa20Poly1305 {
        XSalsa20Poly1305::new((&*self.0).into())
    }
}

/// Half a gigabyte may not be there; asking politely makes that an error instead of an abort.
fn allocate(blocks: usize) -> Result<Vec<Block>, KeyfileError> {
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(blocks)
        .map_err(|_| KeyfileError::OutOfMemory { needed_mib: MEMORY_KIB / 1024 })?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, test_runner::RngSeed};

    fn key() -> EnvelopeKey {
        EnvelopeKey(Zeroizing::new([7; 32]))
    }

    fn open_with_key(envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
        split(envelope).and_then(|parts| key().open(parts))
    }

    #[test]
    fn derived_keys_are_those_of_libsodium() {
        // crypto_pwhash_argon2i with OPSLIMIT_SENSITIVE, MEMLIMIT_SENSITIVE and the fixed salt; computed with libsodium.
        let derived = EnvelopeKey::derive(&SecretString::from("password")).unwrap();
        assert_eq!(
            hex::encode(*derived.0),
            "e0f0a46eb9cef9668809f83188345c0af9c9514a18a407709e1f34dd677a7363"
        );
    }

    #[test]
    fn an_empty_password_is_refused() {
        assert_eq!(seal(b"{}", &SecretString::from("")), Err(KeyfileError::EmptyPassword));
    }

    #[test]
    fn sealing_twice_differs() {
        assert_ne!(key().seal(b"{}").unwrap(), key().seal(b"{}").unwrap());
    }

    #[test]
    fn truncations_never_open() {
        let envelope = key().seal(br#"{"secretSeed":"0x00"}"#).unwrap();
        for length in 0..envelope.len() {
            let expected = if length < MIN_ENVELOPE_BYTES {
                KeyfileError::EnvelopeTruncated { expected: MIN_ENVELOPE_BYTES, found: length }
            } else {
                KeyfileError::WrongPassword
            };
            assert_eq!(open_with_key(&envelope[..length]), Err(expected));
        }
    }

    proptest! {
    #![proptest_config(ProptestConfig { cases: 256, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

      #[test]
      fn round_trip(plaintext in prop::collection::vec(any::<u8>(), 0..2000)) {
        let envelope = key().seal(&plaintext).unwrap();
        prop_assert_eq!(envelope.len(), plaintext.len() + MIN_ENVELOPE_BYTES);
        prop_assert_eq!(&*open_with_key(&envelope).unwrap(), &plaintext);
      }

      #[test]
      fn a_flipped_bit_never_opens(bit in 0..(PREFIX.len() + NONCE_BYTES + TAG_BYTES + 2) * 8) {
        let mut envelope = key().seal(b"{}").unwrap();
        envelope[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open_with_key(&envelope).is_err());
      }

      #[test]
      fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(open_with_key(&bytes).is_err());
        prop_assert!(open_with_key(&[PREFIX, &bytes].concat()).is_err());
      }
    }
}
