//! The contents of a keyfile.
//!
//! A keyfile is one JSON object, without white space when we write it:
//!
//! | field | value | written |
//! |---|---|---|
//! | `accountId`, `publicKey` | `0x` and 64 hex digits, the same in both | always |
//! | `privateKey` | `0x` and hex: 64 bytes (sr25519) or the 32-byte seed (ed25519) | with a secret |
//! | `secretPhrase` | the mnemonic | if it alone restores the key |
//! | `secretSeed` | `0x` and 64 hex digits | if known |
//! | `ss58Address` | address with prefix 42 | always |
//! | `cryptoType` | 0 ed25519, 1 sr25519 | always |
//!
//! An encrypted keyfile is the same JSON inside a password envelope: `$NACL`, nonce, NaCl secretbox.
//!
//! Reading is more liberal, because three generations of tools wrote these files: fields come in any order, may be
//! `null` or unknown; a missing `cryptoType` means sr25519, and it may be a string; the address may sit under
//! `" ss58Address"`; the whole file may be a bare hex key or mnemonic. The first of phrase, seed and private key is the
//! secret. What it yields must agree with the stored address and public key; where the address says that the crypto
//! type was mislabelled, the address wins. Older envelopes (Ansible Vault, Fernet) are named and refused.

use secrecy::SecretString;
use serde::{de::IgnoredAny, Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    envelope,
    error::{KeyError, KeyfileError},
    keypair::{decode_hex, Keypair},
    public_key::{CryptoType, PublicKey},
};

/// No keyfile comes near this; anything larger is something else.
pub const MAX_KEYFILE_BYTES: u64 = 64 * 1024;

/// Room for every keyfile that is written, so that secrets are never left behind by a growing buffer.
const ENCODED_CAPACITY: usize = 4096;

const LEGACY_ENVELOPES: [(&[u8], &str); 2] = [(b"$ANSIBLE_VAULT", "Ansible Vault"), (b"gAAAAA", "Fernet")];

/// A decoded keyfile.
#[derive(Debug)]
pub enum Keyfile {
    Secret(Keypair),
    Public(PublicKey),
}

impl Keyfile {
    /// The public key, which both kinds have.
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Secret(keypair) => keypair.public(),
            Self::Public(public) => *public,
        }
    }

    /// The keypair, or an error if there is only a public key.
    pub fn into_keypair(self) -> Result<Keypair, KeyfileError> {
        match self {
            Self::Secret(keypair) => Ok(keypair),
            Self::Public(public) => Err(KeyfileError::PublicOnly { address: public.to_ss58() }),
        }
    }
}

/// Whether the contents are in a password envelope, of whatever generation.
pub fn is_encrypted(contents: &[u8]) -> bool {
    contents.starts_with(envelope::PREFIX) || legacy_format(contents).is_some()
}

/// Decodes the contents of a keyfile. The password is only looked at if they are encrypted.
pub fn decode(contents: &[u8], password: Option<&SecretString>) -> Result<Keyfile, KeyfileError> {
    if let Some(format) = legacy_format(contents) {
        return Err(KeyfileError::LegacyEncryption { format });
    }
    if !contents.starts_with(envelope::PREFIX) {
        return decode_plain(contents);
    }
    envelope::check_shape(contents)?;
    let opened = envelope::open(contents, password.ok_or(KeyfileError::PasswordNeeded)?)?;
    decode_plain(&opened)
}

/// Encodes a keypair; with a password, encrypted.
pub fn encode(
    keypair: &Keypair,
    password: Option<&SecretString>,
) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
    let public = keypair.public();
    let plain = to_json(&Written {
        private_key: Some(hex_field(&keypair.private_key())),
        secret_phrase: keypair.exposed_mnemonic(),
        secret_seed: keypair.seed().map(|seed| hex_field(&**seed)),
        ..Written::public(&public)
    })?;
    match password {
        Some(password) => envelope::seal(&plain, password).map(Zeroizing::new),
        None => Ok(plain),
    }
}

/// Encodes a public key, as in `coldkeypub.txt`.
pub fn encode_public(public: &PublicKey) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
    to_json(&Written::public(public))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    account_id: Zeroizing<String>,
    public_key: Zeroizing<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_phrase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_seed: Option<Zeroizing<String>>,
    ss58_address: String,
    crypto_type: u8,
}

impl Written<'_> {
    fn public(public: &PublicKey) -> Self {
        Self {
            account_id: hex_field(&public.bytes),
            public_key: hex_field(&public.bytes),
            private_key: None,
            secret_phrase: None,
            secret_seed: None,
            ss58_address: public.to_ss58(),
            crypto_type: public.crypto_type.code(),
        }
    }
}

fn hex_field(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(["0x", &Zeroizing::new(hex::encode(bytes))].concat())
}

fn to_json(written: &Written<'_>) -> Result<Zeroizing<Vec<u8>>, KeyfileError> {
    let mut json = Zeroizing::new(Vec::with_capacity(ENCODED_CAPACITY));
    serde_json::to_writer(&mut *json, written)
        .map_err(|error| KeyfileError::Encryption { reason: error.to_string() })?;
    Ok(json)
}

fn legacy_format(contents: &[u8]) -> Option<&'static str> {
    LEGACY_ENVELOPES.iter().find(|(prefix, _)| contents.starts_with(prefix)).map(|(_, format)| *format)
}

fn decode_plain(contents: &[u8]) -> Result<Keyfile, KeyfileError> {
    let text = std::str::from_utf8(contents).map_err(|_| KeyfileError::NotText)?.trim();
    match text.as_bytes().first() {
        None => Err(KeyfileError::Empty),
        Some(b'{') => decode_json(text),
        Some(_) => decode_bare(text),
    }
}

/// The first generation of tools wrote a seed, private key or mnemonic with nothing around it.
fn decode_bare(text: &str) -> Result<Keyfile, KeyfileError> {
    let bare_key = text.strip_prefix("0x").unwrap_or(text);
    if bare_key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return secret_from_hex(bare_key, CryptoType::Sr25519).map(Keyfile::Secret);
    }
    if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_whitespace()) {
        return Ok(Keyfile::Secret(Keypair::from_mnemonic(text, CryptoType::Sr25519)?));
    }
    Err(KeyfileError::UnknownText)
}

/// Keeps a seed as such, so that a file that is written again still has it.
fn secret_from_hex(digits: &str, crypto_type: CryptoType) -> Result<Keypair, KeyfileError> {
    match digits.len() {
        64 => Ok(Keypair::from_seed_hex(digits, crypto_type)?),
        _ => Ok(Keypair::from_private_key_hex(digits, crypto_type)?),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    account_id: Option<Zeroizing<String>>,
    public_key: Option<Zeroizing<String>>,
    private_key: Option<Zeroizing<String>>,
    secret_phrase: Option<Zeroizing<String>>,
    secret_seed: Option<Zeroizing<String>>,
    #[serde(alias = " ss58Address")]
    ss58_address: Option<String>,
    crypto_type: Option<StoredCryptoType>,
    // These two exist only in polkadot.js exports.
    encoded: Option<IgnoredAny>,
    encoding: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StoredCryptoType {
    Number(u64),
    Text(String),
}

impl StoredCryptoType {
    fn parse(&self) -> Result<CryptoType, KeyError> {
        match self {
            Self::Number(code) => CryptoType::try_from(*code),
            Self::Text(text) => text.trim().parse(),
        }
    }
}

fn decode_json(text: &str) -> Result<Keyfile, KeyfileError> {
    let stored: Stored = serde_json::from_str(text).map_err(json_error)?;
    if stored.encoded.is_some() && stored.encoding.is_some() {
        return Err(KeyfileError::PolkadotJs);
    }
    let crypto_type =
        stored.crypto_type.as_ref().map(StoredCryptoType::parse).transpose()?.unwrap_or_default();
    let claims = Claims::read(&stored, crypto_type)?;
    match stored.secret(crypto_type)? {
        Some(keypair) => claims.settle(&stored, keypair).map(Keyfile::Secret),
        None => claims.public().map(Keyfile::Public),
    }
}

/// The library's messages quote values, which may be secret; its positions do not.
fn json_error(error: serde_json::Error) -> KeyfileError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => KeyfileError::Field { line, column },
        _ => KeyfileError::Syntax { line, column },
    }
}

impl Stored {
    fn secret(&self, crypto_type: CryptoType) -> Result<Option<Keypair>, KeyError> {
        if let Some(phrase) = &self.secret_phrase {
            return Keypair::from_mnemonic(phrase, crypto_type).map(Some);
        }
        if let Some(seed) = &self.secret_seed {
            return Keypair::from_seed_hex(seed, crypto_type).map(Some);
        }
        self.private_key.as_ref().map(|key| Keypair::from_private_key_hex(key, crypto_type)).transpose()
    }
}

/// What the file says the public key is, under up to three names.
struct Claims(Vec<(&'static str, PublicKey)>);

impl Claims {
    fn read(stored: &Stored, crypto_type: CryptoType) -> Result<Self, KeyError> {
        let address = stored.ss58_address.as_ref().map(|address| PublicKey::from_ss58(address, crypto_type));
        let hex_key = |digits: &Option<Zeroizing<String>>, field| {
            digits.as_ref().map(|digits| public_from_hex(digits, field, crypto_type)).transpose()
        };
        let claims = [
            ("ss58Address", address.transpose()?),
            ("publicKey", hex_key(&stored.public_key, "publicKey")?),
            ("accountId", hex_key(&stored.account_id, "accountId")?),
        ];
        Ok(Self(
            claims.into_iter().filter_map(|(field, public)| public.map(|public| (field, public))).collect(),
        ))
    }

    fn public(&self) -> Result<PublicKey, KeyfileError> {
        let (_, public) = self.0.first().ok_or(KeyfileError::NoKey)?;
        self.check(public)?;
        Ok(*public)
    }

    /// The keypair that agrees with the claims: this one, or the same secret under the other scheme.
    fn settle(&self, stored: &Stored, keypair: Keypair) -> Result<Keypair, KeyfileError> {
        let mismatch = match self.check(&keypair.public()) {
            Ok(()) => return Ok(keypair),
            Err(mismatch) => mismatch,
        };
        match stored.secret(keypair.crypto_type().other()) {
            Ok(Some(other)) if self.check(&other.public()).is_ok() => Ok(other),
            _ => Err(mismatch),
        }
    }

    fn check(&self, derived: &PublicKey) -> Result<(), KeyfileError> {
        match self.0.iter().find(|(_, claimed)| claimed.bytes != derived.bytes) {
            None => Ok(()),
            Some((field, claimed)) => {
                Err(KeyfileError::Mismatch { field, stored: claimed.to_ss58(), derived: derived.to_ss58() })
            }
        }
    }
}

fn public_from_hex(digits: &str, what: &'static str, crypto_type: CryptoType) -> Result<PublicKey, KeyError> {
    let bytes = decode_hex(digits, what, "64 digits")?;
    let found = bytes.len();
    let bytes = bytes.as_slice().try_into().map_err(|_| KeyError::Length { what, expected: "32", found })?;
    Ok(PublicKey { crypto_type, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, test_runner::RngSeed};
    use serde_json::{json, Value};

    const PHRASE: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    const ADDRESS: &str = "5EHgWw2Af1pnoc7f1A8bfmM97W3DAYW8xr82RfhLL9oAabAe";
    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    const SEED: &str = "0x6fa2796b0071cac425d8a7851038318c2c37dcebfe4bae73197ce93e75909bd2";
    const PUBLIC: &str = "0x625e25364c7b68e0a83065ccb40afed43f8fe933e669b24f3d69a57eddb3b715";

    fn keypair() -> Keypair {
        Keypair::from_mnemonic(PHRASE, CryptoType::Sr25519).unwrap()
    }

    fn decode_value(value: Value) -> Result<Keyfile, KeyfileError> {
        decode(value.to_string().as_bytes(), None)
    }

    fn error(contents: impl AsRef<[u8]>) -> KeyfileError {
        decode(contents.as_ref(), None).unwrap_err()
    }

    #[test]
    fn written_bytes_are_pinned() {
        let expected = concat!(
            r#"{"accountId":"0x625e25364c7b68e0a83065ccb40afed43f8fe933e669b24f3d69a57eddb3b715","#,
            r#""publicKey":"0x625e25364c7b68e0a83065ccb40afed43f8fe933e669b24f3d69a57eddb3b715","#,
            r#""privateKey":"0xad8a44476e667ef8eab356d1d6f09303f21ba1ac44a3f8b96210bdd603d1900b"#,
            r#"b25d15f130020fffc3261f584f84168e7a6f0009f6c3abb2f3fa460f493b0595","#,
            r#""secretPhrase":"legal winner thank year wave sausage worth useful legal winner thank yellow","#,
            r#""secretSeed":"0x6fa2796b0071cac425d8a7851038318c2c37dcebfe4bae73197ce93e75909bd2","#,
            r#""ss58Address":"5EHgWw2Af1pnoc7f1A8bfmM97W3DAYW8xr82RfhLL9oAabAe","cryptoType":1}"#,
        );
        assert_eq!(std::str::from_utf8(&encode(&keypair(), None).unwrap()).unwrap(), expected);
        let expected_public = concat!(
            r#"{"accountId":"0x625e25364c7b68e0a83065ccb40afed43f8fe933e669b24f3d69a57eddb3b715","#,
            r#""publicKey":"0x625e25364c7b68e0a83065ccb40afed43f8fe933e669b24f3d69a57eddb3b715","#,
            r#""ss58Address":"5EHgWw2Af1pnoc7f1A8bfmM97W3DAYW8xr82RfhLL9oAabAe","cryptoType":1}"#,
        );
        let public = encode_public(&keypair().public()).unwrap();
        assert_eq!(std::str::from_utf8(&public).unwrap(), expected_public);
    }

    #[test]
    fn what_is_known_of_a_secret_survives_rewriting() {
        let sr25519 = [PHRASE, SEED, "//Alice", "//Alice/soft"].map(|uri| (uri, CryptoType::Sr25519));
        let ed25519 = [PHRASE, SEED, "//Alice"].map(|uri| (uri, CryptoType::Ed25519));
        for (uri, crypto_type) in sr25519.into_iter().chain(ed25519) {
            let contents = encode(&Keypair::from_uri(uri, crypto_type).unwrap(), None).unwrap();
            let reread = decode(&contents, None).unwrap().into_keypair().unwrap();
            assert_eq!(encode(&reread, None).unwrap(), contents, "{uri} {crypto_type}");
        }
    }

    #[test]
    fn any_one_secret_is_enough() {
        let private_key = hex_field(&keypair().private_key());
        for (field, value) in [("secretPhrase", PHRASE), ("secretSeed", SEED), ("privateKey", &private_key)] {
            let keyfile =
                decode_value(json!({ field: value, "ss58Address": ADDRESS, "cryptoType": 1 })).unwrap();
            assert_eq!(keyfile.into_keypair().unwrap().public(), keypair().public(), "{field}");
        }
    }

    #[test]
    fn files_of_older_tools_are_read() {
        let nulls = json!({ "accountId": PUBLIC, "publicKey": PUBLIC, "privateKey": null, "secretPhrase": null,
      "secretSeed": SEED, "ss58Address": ADDRESS, "cryptoType": null, "somethingElse": [1, {}] });
        let spaced = json!({ "secretSeed": SEED, " ss58Address": ADDRESS });
        let numeric_text = json!({ "secretSeed": SEED, "cryptoType": "1" });
        for value in [nulls, spaced, numeric_text] {
            assert_eq!(decode_value(value).unwrap().into_keypair().unwrap().public(), keypair().public());
        }
        let private_key = hex_field(&keypair().private_key());
        for bare in [SEED, &SEED[2..], &private_key, PHRASE, &format!("\n{PHRASE} \n")] {
            assert_eq!(
                decode(bare.as_bytes(), None).unwrap().into_keypair().unwrap().public(),
                keypair().public()
            );
        }
    }

    #[test]
    fn a_mislabelled_crypto_type_yields_to_the_address() {
        let keyfile =
            decode_value(json!({ "secretPhrase": PHRASE, "ss58Address": ADDRESS, "cryptoType": 0 })).unwrap();
        assert_eq!(keyfile.public(), keypair().public());
    }

    #[test]
    fn public_keyfiles_hold_no_secret() {
        for value in [
            json!({ "ss58Address": ADDRESS }),
            json!({ "publicKey": PUBLIC }),
            json!({ "accountId": PUBLIC }),
        ] {
            let keyfile = decode_value(value).unwrap();
            assert_eq!(keyfile.public(), keypair().public());
            assert_eq!(
                keyfile.into_keypair().unwrap_err(),
                KeyfileError::PublicOnly { address: ADDRESS.into() }
            );
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let mismatch =
            |field| KeyfileError::Mismatch { field, stored: ALICE.into(), derived: ADDRESS.into() };
        let alice = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
        let cases = [
            (json!({ "secretPhrase": PHRASE, "ss58Address": ALICE }), "ss58Address"),
            (json!({ "secretSeed": SEED, "ss58Address": ADDRESS, "publicKey": alice }), "publicKey"),
            (json!({ "ss58Address": ADDRESS, "publicKey": alice }), "publicKey"),
            (json!({ "ss58Address": ADDRESS, "accountId": alice }), "accountId"),
        ];
        for (value, field) in cases {
            assert_eq!(decode_value(value).unwrap_err(), mismatch(field));
        }
    }

    #[test]
    fn other_files_are_named() {
        assert_eq!(error(""), KeyfileError::Empty);
        assert_eq!(error(" \n"), KeyfileError::Empty);
        assert_eq!(error([0xff, 0xfe, 0x00]), KeyfileError::NotText);
        assert_eq!(error("-----BEGIN PRIVATE KEY-----"), KeyfileError::UnknownText);
        assert_eq!(error("{}"), KeyfileError::NoKey);
        assert_eq!(
            error(r#"{"encoded":"x","encoding":{"version":"3"},"address":"y"}"#),
            KeyfileError::PolkadotJs
        );
        assert_eq!(
            error("$ANSIBLE_VAULT;1.1;AES256\n33"),
            KeyfileError::LegacyEncryption { format: "Ansible Vault" }
        );
        assert_eq!(error("gAAAAABk"), KeyfileError::LegacyEncryption { format: "Fernet" });
        assert_eq!(error([b"$NACL".as_slice(), &[0; 100]].concat()), KeyfileError::PasswordNeeded);
        assert_eq!(
            decode(b"$NACL short", Some(&SecretString::from("password"))).unwrap_err(),
            KeyfileError::EnvelopeTruncated { expected: 45, found: 11 }
        );
    }

    #[test]
    fn unknown_crypto_types_are_refused_before_any_key() {
        for (stored, found) in [(json!(2), "2"), (json!(256), "256"), (json!("ecdsa"), "\"ecdsa\"")] {
            let error = decode_value(json!({ "secretSeed": SEED, "cryptoType": stored })).unwrap_err();
            assert_eq!(error, KeyfileError::Key(KeyError::CryptoType { found: found.into() }));
        }
    }

    #[test]
    fn damaged_fields_are_located_without_their_content() {
        let secret = "not-to-be-shown";
        let damaged = [
            format!(r#"{{"secretSeed":["{secret}"]}}"#),
            format!(r#"{{"cryptoType":-1,"secretPhrase":"{secret}"}}"#),
            format!(r#"{{"secretSeed":"{secret}"}}"#),
            format!(r#"{{"secretPhrase":"{secret}"}}"#),
            format!(r#"{{"secretPhrase":"{secret}"#),
            format!(r#"{{"privateKey":"0x{secret}"}}"#),
            secret.to_owned(),
        ];
        for contents in damaged {
            let error = error(contents);
            assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        }
        assert_eq!(error("{\"a\":\n1,"), KeyfileError::Syntax { line: 2, column: 2 });
    }

    #[test]
    fn every_truncation_is_refused() {
        let contents = encode(&keypair(), None).unwrap();
        for length in 0..contents.len() {
            assert!(decode(&contents[..length], None).is_err(), "{length}");
        }
    }

    proptest! {
    #![proptest_config(ProptestConfig { cases: 128, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

      #[test]
      fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&bytes, None).is_err());
      }

      #[test]
      fn arbitrary_fields_never_panic(
        fields in prop::collection::hash_map(
          prop::sample::select(vec!["secretPhrase", "secretSeed", "privateKey", "publicKey", "ss58Address", "cryptoType"]),
          prop_oneof![
            "(0x)?[0-9a-f]{0,130}".prop_map(Value::from),
            "\\PC{0,60}".prop_map(Value::from),
            prop::sample::select(vec![PHRASE, SEED, PUBLIC, ADDRESS, ALICE]).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::Null),
          ],
          0..6,
        )
      ) {
        // Whatever is accepted must be consistent enough to be written and read again.
        if let Ok(Keyfile::Secret(keypair)) = decode_value(json!(fields)) {
          let reread = decode(&encode(&keypair, None).unwrap(), None).unwrap();
          prop_assert_eq!(reread.public(), keypair.public());
        }
      }

      #[test]
      fn an_edited_keyfile_never_yields_another_account(position in 0usize..564, byte in any::<u8>()) {
        let mut contents = encode(&keypair(), None).unwrap();
        contents[position] = byte;
        if let Ok(keyfile) = decode(&contents, None) {
          prop_assert_eq!(keyfile.public().bytes, keypair().public().bytes);
        }
      }

      #[test]
      fn every_seed_round_trips(seed in any::<[u8; 32]>(), ed25519 in any::<bool>()) {
        let crypto_type = if ed25519 { CryptoType::Ed25519 } else { CryptoType::Sr25519 };
        let keypair = Keypair::from_seed(&seed, crypto_type).unwrap();
        let reread = decode(&encode(&keypair, None).unwrap(), None).unwrap();
        prop_assert_eq!(reread.public(), keypair.public());
        let public = decode(&encode_public(&keypair.public()).unwrap(), None).unwrap();
        prop_assert_eq!(public.public(), keypair.public());
      }
    }
}
