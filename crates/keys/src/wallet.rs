//! Wallets on disk:
//!
//! ```text
//! <wallet path>/                      ~/.bittensor/wallets unless told otherwise
//!   <wallet name>/                    directories are created with mode 700
//!     coldkey                         keypair, usually encrypted; files are created with mode 600
//!     coldkeypub.txt                  public key
//!     hotkeys/
//!       <hotkey name>                 keypair, usually plain
//!       <hotkey name>pub.txt          public key
//! ```
//!
//! Files appear whole or not at all, and never replace others unless told to. A secret key is on disk before its
//! public key: were it the other way round, a crash could leave an address to which funds can be sent but from which
//! none can be taken. For the same reason, replacing a key first removes the old public key.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use crate::{
    error::{KeyfileError, WalletError},
    files::{self, Staged},
    keyfile::{self, Keyfile},
    keypair::Keypair,
    public_key::PublicKey,
};

const DEFAULT_WALLET_PATH: &str = ".bittensor/wallets";
const COLDKEY: &str = "coldkey";
const COLDKEY_PUBLIC: &str = "coldkeypub.txt";
const HOTKEYS: &str = "hotkeys";
const PUBLIC_SUFFIX: &str = "pub.txt";

/// Endings of files beside hotkeys that are not hotkeys; so no hotkey may be named so.
const COMPANION_SUFFIXES: [&str; 3] = [PUBLIC_SUFFIX, ".lock", ".tmp"];

const MAX_NAME_BYTES: usize = 128;

/// What to do where a keyfile already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it and return an error.
    Refuse,
    /// Replace it. Its key is lost unless there is a backup.
    Replace,
}

/// How a secret key is stored.
#[derive(Debug, Clone, Copy)]
pub enum Protection<'a> {
    /// Readable for whoever can read the file.
    Plain,
    /// Encrypted with a password, which must not be empty.
    Password(&'a SecretString),
}

impl<'a> Protection<'a> {
    fn password(self) -> Option<&'a SecretString> {
        match self {
            Self::Plain => None,
            Self::Password(password) => Some(password),
        }
    }
}

/// A directory of wallets.
#[derive(Debug, Clone)]
pub struct WalletStore {
    path: PathBuf,
    accept_open_files: bool,
}

/// One wallet of a [`WalletStore::list`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletListing {
    pub name: String,
    pub has_coldkey: bool,
    pub hotkeys: Vec<String>,
    /// Hotkeys of which only the public key is here.
    pub public_hotkeys: Vec<String>,
}

impl WalletStore {
    /// The wallets under `path`, which need not exist yet. A leading `~/` means the home directory.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, WalletError> {
        let path = path.into();
        let path = match path.strip_prefix("~") {
            Ok(rest) => home()?.join(rest),
            Err(_) => path,
        };
        Ok(Self { path, accept_open_files: false })
    }

    /// The wallets under `~/.bittensor/wallets`.
    pub fn default_location() -> Result<Self, WalletError> {
        Self::new(Path::new("~").join(DEFAULT_WALLET_PATH))
    }

    /// Reads unencrypted secret keys even from files that others than their owner can read, for systems where file modes
    /// mean nothing (mounted secrets in containers, for example).
    pub fn accept_open_files(mut self) -> Self {
        self.accept_open_files = true;
        self
    }

    /// The directory that holds the wallets' directories.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The wallet of this name, which need not exist yet.
    pub fn wallet(&self, name: &str) -> Result<Wallet, WalletError> {
        check_name(name)?;
        let accept_open_files = self.accept_open_files;
        Ok(Wallet { name: name.to_owned(), directory: self.path.join(name), accept_open_files })
    }

    /// All wallets, by name; none if the directory does not exist. Names that no wallet can have are left out.
    pub fn list(&self) -> Result<Vec<WalletListing>, WalletError> {
        let entries = files::entries(&self.path)?;
        let names = entries.into_iter().filter(|(name, kind)| kind.is_dir() && check_name(name).is_ok());
        names.map(|(name, _)| self.wallet(&name)?.listing()).collect()
    }
}

/// One coldkey and its hotkeys, on disk. Nothing is read until a key is asked for.
#[derive(Clone)]
pub struct Wallet {
    name: String,
    directory: PathBuf,
    accept_open_files: bool,
}

impl Wallet {
    /// The wallet's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The wallet's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The coldkey. Without a password an encrypted one is [`KeyfileError::PasswordNeeded`].
    pub fn coldkey(&self, password: Option<&SecretString>) -> Result<Keypair, WalletError> {
        self.read_secret(&self.coldkey_path(), password)
    }

    /// The coldkey's public key, from `coldkeypub.txt`.
    pub fn coldkey_public(&self) -> Result<PublicKey, WalletError> {
        read_public(&self.coldkey_public_path())
    }

    /// A hotkey. Without a password an encrypted one is [`KeyfileError::PasswordNeeded`].
    pub fn hotkey(&self, hotkey_name: &str, password: Option<&SecretString>) -> Result<Keypair, WalletError> {
        self.read_secret(&self.hotkey_path(hotkey_name)?, password)
    }

    /// A hotkey's public key, from its public file or else, as older wallets have none, from the hotkey itself.
    pub fn hotkey_public(&self, hotkey_name: &str) -> Result<PublicKey, WalletError> {
        match read_public(&self.hotkey_public_path(hotkey_name)?) {
            Err(WalletError::Missing { .. }) => read_public(&self.hotkey_path(hotkey_name)?),
            public => public,
        }
    }

    /// Whether any file is where the coldkey or its public key would be written.
    pub fn coldkey_exists(&self) -> bool {
        files::exists(&self.coldkey_path()) || files::exists(&self.coldkey_public_path())
    }

    /// Whether any file is where this hotkey or its public key would be written.
    pub fn hotkey_exists(&self, hotkey_name: &str) -> Result<bool, WalletError> {
        Ok(files::exists(&self.hotkey_path(hotkey_name)?)
            || files::exists(&self.hotkey_public_path(hotkey_name)?))
    }

    /// Whether the coldkey needs a password.
    pub fn coldkey_is_encrypted(&self) -> Result<bool, WalletError> {
        files::read(&self.coldkey_path()).map(|contents| keyfile::is_encrypted(&contents.bytes))
    }

    /// Whether a hotkey needs a password.
    pub fn hotkey_is_encrypted(&self, hotkey_name: &str) -> Result<bool, WalletError> {
        files::read(&self.hotkey_path(hotkey_name)?).map(|contents| keyfile::is_encrypted(&contents.bytes))
    }

    /// Fails if the coldkey could not be used even with its password.
    pub fn check_coldkey(&self) -> Result<(), WalletError> {
        self.check_secret(&self.coldkey_path())
    }

    /// Fails if a hotkey could not be used even with its password.
    pub fn check_hotkey(&self, hotkey_name: &str) -> Result<(), WalletError> {
        self.check_secret(&self.hotkey_path(hotkey_name)?)
    }

    /// The names of the hotkeys.
    pub fn hotkeys(&self) -> Result<Vec<String>, WalletError> {
        Ok(self.hotkey_files()?.into_iter().filter(|name| check_hotkey_name(name).is_ok()).collect())
    }

    /// The names of the hotkeys of which only the public key is here.
    pub fn public_hotkeys(&self) -> Result<Vec<String>, WalletError> {
        let files = self.hotkey_files()?;
        let named = files.iter().filter_map(|file| file.strip_suffix(PUBLIC_SUFFIX));
        let alone =
            named.filter(|name| check_hotkey_name(name).is_ok() && !files.iter().any(|file| file == name));
        Ok(alone.map(str::to_owned).collect())
    }

    fn hotkey_files(&self) -> Result<Vec<String>, WalletError> {
        let entries = files::entries(&self.directory.join(HOTKEYS))?;
        Ok(entries.into_iter().filter(|(_, kind)| kind.is_file()).map(|(name, _)| name).collect())
    }

    /// Writes a whole wallet: the coldkey as `protection` says, the hotkey plain, and both public keys. Unless told to
    /// replace, nothing is written if any of them exists.
    pub fn create(
        &self,
        hotkey_name: &str,
        coldkey: &Keypair,
        hotkey: &Keypair,
        protection: Protection<'_>,
        overwrite: Overwrite,
    ) -> Result<(), WalletError> {
        let hotkey_paths = self.hotkey_paths(hotkey_name)?;
        check_vacant(&[self.coldkey_paths(), hotkey_paths.clone()], overwrite)?;
        let coldkey = stage(self.coldkey_paths(), coldkey, protection)?;
        let hotkey = stage(hotkey_paths, hotkey, Protection::Plain)?;
        coldkey.publish(overwrite)?;
        hotkey.publish(overwrite)
    }

    /// Writes the coldkey and its public key.
    pub fn write_coldkey(
        &self,
        coldkey: &Keypair,
        protection: Protection<'_>,
        overwrite: Overwrite,
    ) -> Result<(), WalletError> {
        write_pair(self.coldkey_paths(), coldkey, protection, overwrite)
    }

    /// Writes a hotkey and its public key.
    pub fn write_hotkey(
        &self,
        hotkey_name: &str,
        hotkey: &Keypair,
        protection: Protection<'_>,
        overwrite: Overwrite,
    ) -> Result<(), WalletError> {
        write_pair(self.hotkey_paths(hotkey_name)?, hotkey, protection, overwrite)
    }

    /// Writes `coldkeypub.txt` alone, for a machine that must not hold the coldkey. Where the coldkey is,
    /// [`WalletError::SecretBeside`], whatever `overwrite` says.
    pub fn write_coldkey_public(&self, public: &PublicKey, overwrite: Overwrite) -> Result<(), WalletError> {
        write_public(self.coldkey_paths(), public, overwrite)
    }

    /// Writes a hotkey's public file alone. Where the hotkey is, [`WalletError::SecretBeside`], whatever `overwrite` says.
    pub fn write_hotkey_public(
        &self,
        hotkey_name: &str,
        public: &PublicKey,
        overwrite: Overwrite,
    ) -> Result<(), WalletError> {
        write_public(self.hotkey_paths(hotkey_name)?, public, overwrite)
    }

    fn listing(&self) -> Result<WalletListing, WalletError> {
        Ok(WalletListing {
            name: self.name.clone(),
            has_coldkey: files::exists(&self.coldkey_path()),
            hotkeys: self.hotkeys()?,
            public_hotkeys: self.public_hotkeys()?,
        })
    }

    fn read_secret(&self, path: &Path, password: Option<&SecretString>) -> Result<Keypair, WalletError> {
        let contents = files::read(path)?;
        let keypair = keyfile::decode(&contents.bytes, password)
            .and_then(Keyfile::into_keypair)
            .map_err(|problem| keyfile_error(path, problem))?;
        if contents.open_to_others() && !keyfile::is_encrypted(&contents.bytes) && !self.accept_open_files {
            return Err(WalletError::OpenToOthers { path: path.into(), mode: contents.mode });
        }
        Ok(keypair)
    }

    fn check_secret(&self, path: &Path) -> Result<(), WalletError> {
        match self.read_secret(path, None) {
            Err(WalletError::Keyfile { problem: KeyfileError::PasswordNeeded, .. }) => Ok(()),
            read => read.map(drop),
        }
    }

    fn coldkey_path(&self) -> PathBuf {
        self.directory.join(COLDKEY)
    }

    fn coldkey_public_path(&self) -> PathBuf {
        self.directory.join(COLDKEY_PUBLIC)
    }

    fn hotkey_path(&self, hotkey_name: &str) -> Result<PathBuf, WalletError> {
        check_hotkey_name(hotkey_name)?;
        Ok(self.directory.join(HOTKEYS).join(hotkey_name))
    }

    fn hotkey_public_path(&self, hotkey_name: &str) -> Result<PathBuf, WalletError> {
        check_hotkey_name(hotkey_name)?;
        Ok(self.directory.join(HOTKEYS).join(format!("{hotkey_name}{PUBLIC_SUFFIX}")))
    }

    fn coldkey_paths(&self) -> KeyPaths {
        KeyPaths { secret: self.coldkey_path(), public: self.coldkey_public_path() }
    }

    fn hotkey_paths(&self, hotkey_name: &str) -> Result<KeyPaths, WalletError> {
        Ok(KeyPaths { secret: self.hotkey_path(hotkey_name)?, public: self.hotkey_public_path(hotkey_name)? })
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wallet").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct KeyPaths {
    secret: PathBuf,
    public: PathBuf,
}

/// A keypair that is on disk but has no name yet.
struct StagedPair {
    secret: Staged,
    public: Staged,
}

impl StagedPair {
    fn publish(self, overwrite: Overwrite) -> Result<(), WalletError> {
        if overwrite == Overwrite::Replace {
            files::remove(self.public.path())?;
        }
        self.secret.publish(overwrite)?;
        self.public.publish(overwrite)
    }
}

fn stage(paths: KeyPaths, keypair: &Keypair, protection: Protection<'_>) -> Result<StagedPair, WalletError> {
    let secret = keyfile::encode(keypair, protection.password());
    let secret = secret.map_err(|problem| keyfile_error(&paths.secret, problem))?;
    let public = keyfile::encode_public(&keypair.public());
    let public = public.map_err(|problem| keyfile_error(&paths.public, problem))?;
    Ok(StagedPair {
        secret: Staged::write(paths.secret, &secret)?,
        public: Staged::write(paths.public, &public)?,
    })
}

fn write_pair(
    paths: KeyPaths,
    keypair: &Keypair,
    protection: Protection<'_>,
    overwrite: Overwrite,
) -> Result<(), WalletError> {
    check_vacant(std::slice::from_ref(&paths), overwrite)?;
    stage(paths, keypair, protection)?.publish(overwrite)
}

/// Beside another secret key, a public key would take funds to an address from which this wallet cannot take them.
fn write_public(paths: KeyPaths, public: &PublicKey, overwrite: Overwrite) -> Result<(), WalletError> {
    let KeyPaths { secret, public: path } = paths;
    if files::exists(&secret) {
        return Err(WalletError::SecretBeside { path: secret });
    }
    let contents = keyfile::encode_public(public).map_err(|problem| keyfile_error(&path, problem))?;
    Staged::write(path, &contents)?.publish(overwrite)
}

/// Asked before anything is written, so that a refusal leaves no half of a wallet behind.
fn check_vacant(targets: &[KeyPaths], overwrite: Overwrite) -> Result<(), WalletError> {
    let mut paths = targets.iter().flat_map(|paths| [&paths.secret, &paths.public]);
    match paths.find(|path| overwrite == Overwrite::Refuse && files::exists(path)) {
        Some(path) => Err(WalletError::Exists { path: path.clone() }),
        None => Ok(()),
    }
}

fn read_public(path: &Path) -> Result<PublicKey, WalletError> {
    let contents = files::read(path)?;
    keyfile::decode(&contents.bytes, None)
        .map(|keyfile| keyfile.public())
        .map_err(|problem| keyfile_error(path, problem))
}

fn keyfile_error(path: &Path, problem: KeyfileError) -> WalletError {
    WalletError::Keyfile { path: path.into(), problem }
}

/// A name is one path component that does not hide.
fn check_name(name: &str) -> Result<(), WalletError> {
    let expected = match name {
        "" => "a name",
        _ if name.len() > MAX_NAME_BYTES => "a name of at most 128 bytes",
        _ if name.starts_with('.') => "a name that does not start with a dot",
        _ if name
            .contains(|character: char| character == '/' || character == '\\' || character.is_control()) =>
        {
            "a name without slashes and control characters"
        }
        _ => return Ok(()),
    };
    Err(WalletError::Name { expected, found: name.chars().take(MAX_NAME_BYTES).collect() })
}

fn check_hotkey_name(name: &str) -> Result<(), WalletError> {
    check_name(name)?;
    if COMPANION_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        let expected = "a hotkey name that does not end in pub.txt, .lock or .tmp";
        return Err(WalletError::Name { expected, found: name.to_owned() });
    }
    Ok(())
}

fn home() -> Result<PathBuf, WalletError> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or(WalletError::NoHome)
}
