//! Wallets written by the Python tools (`fixtures/make.py`) are read, and what we write is what they expect.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use myelin_keys::{
    CryptoType, ExposeSecret, KeyfileError, Keypair, Overwrite, Protection, PublicKey, SecretString,
    Signature, Wallet, WalletError, WalletStore,
};
use serde_json::Value;
use tempfile::TempDir;

const HOTKEY: &str = "default";

fn fixtures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(fixtures().join("expected.json")).unwrap()).unwrap()
}

fn password() -> SecretString {
    SecretString::from(expected()["password"].as_str().unwrap())
}

/// The fixture wallets with the file modes they were written with, which version control does not keep.
fn fixture_store() -> (TempDir, WalletStore) {
    let directory = TempDir::new().unwrap();
    copy_private(&fixtures().join("wallets"), directory.path());
    let store = WalletStore::new(directory.path()).unwrap();
    (directory, store)
}

fn copy_private(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_private(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn signature(hex_digits: &Value) -> Signature {
    hex::decode(hex_digits.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn crypto_type(expected: &Value) -> CryptoType {
    CryptoType::try_from(expected["crypto_type"].as_u64().unwrap()).unwrap()
}

fn assert_public(public: PublicKey, expected: &Value, message: &[u8]) {
    assert_eq!(public.crypto_type, crypto_type(expected));
    assert_eq!(public.to_ss58(), expected["ss58"].as_str().unwrap());
    assert_eq!(hex::encode(public.bytes), expected["public_key"].as_str().unwrap());
    assert!(public.verify(message, &signature(&expected["signature"])));
}

fn assert_keypair(keypair: &Keypair, expected: &Value, message: &[u8]) {
    assert_public(keypair.public(), expected, message);
    assert!(keypair.public().verify(message, &keypair.sign(message)));
}

fn assert_plain_wallet(wallet: &Wallet, expected: &Value, message: &[u8]) {
    assert_keypair(&wallet.coldkey(None).unwrap(), &expected["coldkey"], message);
    assert_keypair(&wallet.hotkey(HOTKEY, None).unwrap(), &expected["hotkey"], message);
}

fn assert_public_wallet(wallet: &Wallet, expected: &Value, message: &[u8]) {
    assert_public(wallet.coldkey_public().unwrap(), &expected["coldkey"], message);
    assert_public(wallet.hotkey_public(HOTKEY).unwrap(), &expected["hotkey"], message);
}

#[test]
fn wallets_of_the_python_tools_are_read() {
    let (_directory, store) = fixture_store();
    let expected = expected();
    let message = expected["message"].as_str().unwrap().as_bytes();
    for (name, expected) in expected["wallets"].as_object().unwrap() {
        let wallet = store.wallet(name).unwrap();
        assert_public_wallet(&wallet, expected, message);
        if name == "encrypted" {
            assert!(wallet.coldkey_is_encrypted().unwrap() && wallet.hotkey_is_encrypted(HOTKEY).unwrap());
            assert_keypair(&wallet.coldkey(Some(&password())).unwrap(), &expected["coldkey"], message);
        } else {
            assert!(!wallet.coldkey_is_encrypted().unwrap() && !wallet.hotkey_is_encrypted(HOTKEY).unwrap());
            assert_plain_wallet(&wallet, expected, message);
        }
    }
}

#[test]
fn ed25519_signatures_are_the_reference_ones() {
    let (_directory, store) = fixture_store();
    let expected = expected();
    let message = expected["message"].as_str().unwrap().as_bytes();
    let coldkey = store.wallet("ed25519").unwrap().coldkey(None).unwrap();
    assert_eq!(coldkey.sign(message), signature(&expected["wallets"]["ed25519"]["coldkey"]["signature"]));
}

#[test]
fn rewritten_wallets_have_the_reference_fields() {
    let (_directory, store) = fixture_store();
    let target = TempDir::new().unwrap();
    let rewritten_store = WalletStore::new(target.path()).unwrap();
    for name in ["plain", "ed25519", "seed", "classic"] {
        let original = store.wallet(name).unwrap();
        let rewritten = rewritten_store.wallet(name).unwrap();
        let (coldkey, hotkey) = (original.coldkey(None).unwrap(), original.hotkey(HOTKEY, None).unwrap());
        rewritten.create(HOTKEY, &coldkey, &hotkey, Protection::Plain, Overwrite::Refuse).unwrap();
        for file in ["coldkey", "coldkeypub.txt", "hotkeys/default", "hotkeys/defaultpub.txt"] {
            let json = |wallet: &Wallet| -> Value {
                serde_json::from_slice(&fs::read(wallet.directory().join(file)).unwrap()).unwrap()
            };
            assert_eq!(json(&rewritten), json(&original), "{name}/{file}");
        }
    }
}

#[test]
fn derivations_are_the_reference_ones() {
    let expected = expected();
    let derivations = expected["derivations"].as_array().unwrap();
    assert!(derivations.len() > 20);
    for derivation in derivations {
        let uri = derivation["uri"].as_str().unwrap();
        for crypto_type in [CryptoType::Sr25519, CryptoType::Ed25519] {
            let derived = Keypair::from_uri(uri, crypto_type).ok().map(|keypair| keypair.public().to_ss58());
            assert_eq!(
                derived.as_deref(),
                derivation[crypto_type.to_string()].as_str(),
                "{uri} {crypto_type}"
            );
        }
    }
}

#[test]
fn a_wrong_or_missing_password_is_told() {
    let (_directory, store) = fixture_store();
    let wallet = store.wallet("encrypted").unwrap();
    let problem = |password: Option<&SecretString>| match wallet.coldkey(password) {
        Err(WalletError::Keyfile { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(None), KeyfileError::PasswordNeeded);
    assert_eq!(problem(Some(&SecretString::from("wrong"))), KeyfileError::WrongPassword);
}

#[test]
fn encrypted_wallets_round_trip() {
    let target = TempDir::new().unwrap();
    let wallet = WalletStore::new(target.path()).unwrap().wallet("encrypted").unwrap();
    let coldkey = Keypair::generate(24, CryptoType::Sr25519).unwrap();
    wallet.write_coldkey(&coldkey, Protection::Password(&password()), Overwrite::Refuse).unwrap();
    assert!(fs::read(wallet.directory().join("coldkey")).unwrap().starts_with(b"$NACL"));
    let reread = wallet.coldkey(Some(&password())).unwrap();
    assert_eq!(reread.public(), coldkey.public());
    let words = |keypair: &Keypair| keypair.mnemonic().unwrap().expose_secret().to_owned();
    assert_eq!(words(&reread), words(&coldkey));
}
