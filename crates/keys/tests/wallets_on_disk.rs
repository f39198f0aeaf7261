//! What wallets do to files: modes, overwriting, odd files and odd names.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{symlink, PermissionsExt},
    path::{Path, PathBuf},
};

use myelin_keys::{
    CryptoType, KeyfileError, Keypair, Overwrite, Protection, SecretString, Wallet, WalletError,
    WalletListing, WalletStore,
};
use proptest::{prelude::*, test_runner::RngSeed};
use tempfile::TempDir;

const HOTKEY: &str = "default";

struct Setup {
    directory: TempDir,
    store: WalletStore,
    wallet: Wallet,
}

fn setup() -> Setup {
    let directory = TempDir::new().unwrap();
    let store = WalletStore::new(directory.path().join("wallets")).unwrap();
    let wallet = store.wallet("alice").unwrap();
    Setup { directory, store, wallet }
}

fn key(uri: &str) -> Keypair {
    Keypair::from_uri(uri, CryptoType::Sr25519).unwrap()
}

fn create(wallet: &Wallet, overwrite: Overwrite) -> Result<(), WalletError> {
    wallet.create(HOTKEY, &key("//Alice"), &key("//Alice//hot"), Protection::Plain, overwrite)
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file below a directory with its contents.
fn snapshot(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(snapshot(&entry.path())),
            false => drop(files.insert(entry.path(), fs::read(entry.path()).unwrap())),
        }
    }
    files
}

#[test]
fn files_and_directories_are_private() {
    let Setup { wallet, store, .. } = setup();
    create(&wallet, Overwrite::Refuse).unwrap();
    for directory in [store.path(), wallet.directory(), &wallet.directory().join("hotkeys")] {
        assert_eq!(mode(directory), 0o700, "{directory:?}");
    }
    let files = snapshot(wallet.directory());
    let names = ["coldkey", "coldkeypub.txt", "hotkeys/default", "hotkeys/defaultpub.txt"];
    assert!(files.keys().eq(names.map(|name| wallet.directory().join(name)).iter()));
    assert!(files.keys().all(|file| mode(file) == 0o600));
}

#[test]
fn nothing_is_overwritten_unasked() {
    for blocked in ["coldkey", "coldkeypub.txt", "hotkeys/default", "hotkeys/defaultpub.txt"] {
        let Setup { wallet, .. } = setup();
        let path = wallet.directory().join(blocked);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "occupied").unwrap();
        assert!(
            matches!(create(&wallet, Overwrite::Refuse), Err(WalletError::Exists { path: found }) if found == path)
        );
        assert_eq!(snapshot(wallet.directory()), BTreeMap::from([(path, b"occupied".to_vec())]));
        create(&wallet, Overwrite::Replace).unwrap();
        assert_eq!(wallet.coldkey(None).unwrap().public(), wallet.coldkey_public().unwrap());
        assert_eq!(wallet.hotkey(HOTKEY, None).unwrap().public(), wallet.hotkey_public(HOTKEY).unwrap());
    }
}

#[test]
fn a_dangling_link_is_not_overwritten() {
    let Setup { directory, wallet, .. } = setup();
    fs::create_dir_all(wallet.directory()).unwrap();
    symlink(directory.path().join("elsewhere"), wallet.directory().join("coldkey")).unwrap();
    assert!(matches!(create(&wallet, Overwrite::Refuse), Err(WalletError::Exists { .. })));
    assert!(!directory.path().join("elsewhere").exists());
}

#[test]
fn a_refused_password_changes_nothing() {
    let Setup { wallet, .. } = setup();
    create(&wallet, Overwrite::Refuse).unwrap();
    let before = snapshot(wallet.directory());
    let empty = SecretString::from("");
    let error =
        wallet.write_coldkey(&key("//Bob"), Protection::Password(&empty), Overwrite::Replace).unwrap_err();
    assert!(matches!(error, WalletError::Keyfile { problem: KeyfileError::EmptyPassword, .. }));
    assert_eq!(snapshot(wallet.directory()), before);
}

#[test]
fn parts_of_a_wallet_can_be_written_alone() {
    let Setup { wallet, .. } = setup();
    let (cold, hot) = (key("//Alice"), key("//Alice//hot"));
    wallet.write_coldkey_public(&cold.public(), Overwrite::Refuse).unwrap();
    wallet.write_hotkey_public(HOTKEY, &hot.public(), Overwrite::Refuse).unwrap();
    assert_eq!(wallet.coldkey_public().unwrap(), cold.public());
    assert_eq!(wallet.hotkey_public(HOTKEY).unwrap(), hot.public());
    assert!(wallet.coldkey_exists() && wallet.hotkey_exists(HOTKEY).unwrap());
    assert!(!wallet.hotkey_exists("other").unwrap());
    assert!(matches!(wallet.coldkey(None), Err(WalletError::Missing { .. })));
    wallet.write_hotkey("second", &hot, Protection::Plain, Overwrite::Refuse).unwrap();
    assert_eq!(wallet.hotkey("second", None).unwrap().public(), hot.public());
}

#[test]
fn a_public_key_is_not_written_beside_a_secret_key() {
    let Setup { wallet, .. } = setup();
    create(&wallet, Overwrite::Refuse).unwrap();
    let (before, other) = (snapshot(wallet.directory()), key("//Bob").public());
    for overwrite in [Overwrite::Refuse, Overwrite::Replace] {
        let outcomes = [
            wallet.write_coldkey_public(&other, overwrite),
            wallet.write_hotkey_public(HOTKEY, &other, overwrite),
        ];
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(WalletError::SecretBeside { .. }))));
    }
    assert_eq!(snapshot(wallet.directory()), before);
}

#[test]
fn a_hotkey_without_public_file_still_has_a_public_key() {
    let Setup { wallet, .. } = setup();
    create(&wallet, Overwrite::Refuse).unwrap();
    fs::remove_file(wallet.directory().join("hotkeys/defaultpub.txt")).unwrap();
    assert_eq!(wallet.hotkey_public(HOTKEY).unwrap(), key("//Alice//hot").public());
}

#[test]
fn a_public_key_is_no_secret_key() {
    let Setup { wallet, .. } = setup();
    create(&wallet, Overwrite::Refuse).unwrap();
    let coldkey = wallet.directory().join("coldkey");
    fs::copy(wallet.directory().join("coldkeypub.txt"), &coldkey).unwrap();
    let error = wallet.coldkey(None).unwrap_err();
    assert!(
        matches!(&error, WalletError::Keyfile { path, problem: KeyfileError::PublicOnly { .. } } if *path == coldkey)
    );
    assert!(error.to_string().contains("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"));
}

#[test]
fn plain_secrets_open_to_others_are_refused() {
    let Setup { wallet, store, .. } = setup();
    create(&wallet, Overwrite::Refuse).unwrap();
    let coldkey = wallet.directory().join("coldkey");
    for open in [0o640, 0o604, 0o644, 0o666] {
        chmod(&coldkey, open);
        let error = wallet.coldkey(None).unwrap_err();
        assert!(matches!(error, WalletError::OpenToOthers { mode, .. } if mode == open));
        assert!(error.to_string().contains("chmod 600"));
    }
    let accepting = store.accept_open_files().wallet("alice").unwrap();
    assert_eq!(accepting.coldkey(None).unwrap().public(), key("//Alice").public());
    chmod(wallet.directory().join("coldkeypub.txt"), 0o644);
    assert_eq!(wallet.coldkey_public().unwrap(), key("//Alice").public());
}

#[test]
fn files_that_are_no_keyfiles_are_told_apart() {
    let Setup { wallet, .. } = setup();
    let coldkey = wallet.directory().join("coldkey");
    assert!(matches!(wallet.coldkey(None), Err(WalletError::Missing { path }) if path == coldkey));

    fs::create_dir_all(&coldkey).unwrap();
    assert!(matches!(wallet.coldkey(None), Err(WalletError::NotAFile { found: "a directory", .. })));
    fs::remove_dir(&coldkey).unwrap();

    fs::write(&coldkey, vec![b' '; 64 * 1024]).unwrap();
    let problem = wallet.coldkey(None).unwrap_err();
    assert!(matches!(problem, WalletError::Keyfile { problem: KeyfileError::Empty, .. }));
    fs::write(&coldkey, vec![b' '; 64 * 1024 + 1]).unwrap();
    assert!(matches!(wallet.coldkey(None), Err(WalletError::TooLarge { limit: 65536, .. })));
    fs::remove_file(&coldkey).unwrap();

    symlink("/dev/zero", &coldkey).unwrap();
    assert!(matches!(wallet.coldkey(None), Err(WalletError::NotAFile { found: "a device or socket", .. })));
}

#[test]
fn a_pipe_does_not_block() {
    let Setup { wallet, .. } = setup();
    fs::create_dir_all(wallet.directory()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(wallet.directory().join("coldkey")).status().unwrap();
    assert!(made.success());
    assert!(matches!(wallet.coldkey(None), Err(WalletError::NotAFile { found: "a pipe", .. })));
}

#[test]
fn wallets_are_listed() {
    let Setup { store, wallet, .. } = setup();
    assert_eq!(store.list().unwrap(), []);
    create(&wallet, Overwrite::Refuse).unwrap();
    wallet.write_hotkey("another", &key("//Bob"), Protection::Plain, Overwrite::Refuse).unwrap();
    let bob = store.wallet("bob").unwrap();
    bob.write_coldkey_public(&key("//Bob").public(), Overwrite::Refuse).unwrap();
    bob.write_hotkey_public("watched", &key("//Bob").public(), Overwrite::Refuse).unwrap();
    for companion in ["default.lock", ".hidden", "default.tmp"] {
        fs::write(wallet.directory().join("hotkeys").join(companion), "").unwrap();
    }
    fs::create_dir(store.path().join(".git")).unwrap();
    fs::write(store.path().join("notes.txt"), "").unwrap();
    let listing = |name: &str, has_coldkey, hotkeys: &[&str]| WalletListing {
        name: name.into(),
        has_coldkey,
        hotkeys: hotkeys.iter().map(ToString::to_string).collect(),
        public_hotkeys: Vec::new(),
    };
    let mut bob = listing("bob", false, &[]);
    bob.public_hotkeys.push("watched".into());
    assert_eq!(store.list().unwrap(), [listing("alice", true, &["another", "default"]), bob]);
}

#[test]
fn names_stay_inside_the_wallet() {
    let Setup { store, wallet, .. } = setup();
    for name in ["", ".", "..", ".hidden", "a/b", "../b", "a\\b", "a\0b", "a\nb", &"a".repeat(129)] {
        assert!(matches!(store.wallet(name), Err(WalletError::Name { .. })), "{name:?}");
        assert!(matches!(wallet.hotkey(name, None), Err(WalletError::Name { .. })), "{name:?}");
    }
    for name in ["defaultpub.txt", "default.lock", "default.tmp"] {
        let written = wallet.write_hotkey(name, &key("//Bob"), Protection::Plain, Overwrite::Refuse);
        assert!(matches!(written, Err(WalletError::Name { .. })), "{name:?}");
    }
    assert!(store.wallet("my wallet (2) ü").is_ok());
}

#[test]
fn a_tilde_means_the_home_directory() {
    let home = std::env::home_dir().unwrap();
    assert_eq!(WalletStore::new("~/keys").unwrap().path(), home.join("keys"));
    assert_eq!(WalletStore::default_location().unwrap().path(), home.join(".bittensor/wallets"));
    assert_eq!(WalletStore::new("/~/keys").unwrap().path(), Path::new("/~/keys"));
}

#[test]
fn every_truncated_file_is_refused() {
    let Setup { wallet, .. } = setup();
    create(&wallet, Overwrite::Refuse).unwrap();
    let coldkey = wallet.directory().join("coldkey");
    let contents = fs::read(&coldkey).unwrap();
    for length in 0..contents.len() {
        fs::write(&coldkey, &contents[..length]).unwrap();
        assert!(matches!(wallet.coldkey(None), Err(WalletError::Keyfile { .. })), "{length}");
    }
}

proptest! {
  #![proptest_config(ProptestConfig { cases: 256, rng_seed: RngSeed::Fixed(3), ..ProptestConfig::default() })]

  #[test]
  fn arbitrary_files_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
    let Setup { wallet, .. } = setup();
    fs::create_dir_all(wallet.directory()).unwrap();
    for file in ["coldkey", "coldkeypub.txt"] {
      let path = wallet.directory().join(file);
      fs::write(&path, &bytes).unwrap();
      chmod(&path, 0o600);
    }
    prop_assert!(matches!(wallet.coldkey(None), Err(WalletError::Keyfile { .. })), "secret");
    prop_assert!(matches!(wallet.coldkey_public(), Err(WalletError::Keyfile { .. })), "public");
  }
}
