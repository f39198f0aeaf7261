//! Commands that write keys into a wallet.

use std::{
    fmt,
    fs::File,
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
};

use anyhow::{bail, Context as _, Result};
use clap::{ArgGroup, Args};
use myelin_keys::{
    CryptoType, ExposeSecret, Keypair, Overwrite, Protection, PublicKey, SecretString, Wallet,
};
use serde::Serialize;

use crate::{context::Context, keys::PasswordArguments};

const NEW_KEY_WORDS: usize = 12;
/// More than the longest words and any seed need.
const MAX_SECRET_BYTES: u64 = 4096;

#[derive(Args)]
pub struct CreateArguments {
    /// Name of the wallet.
    name: String,
    #[command(flatten)]
    hotkey: HotkeyName,
    #[command(flatten)]
    coldkey: ColdkeyArguments,
}

#[derive(Args)]
pub struct ImportArguments {
    /// Name of the wallet.
    name: String,
    #[command(flatten)]
    hotkey: HotkeyName,
    /// Makes no new hotkey beside the coldkey.
    #[arg(long, conflicts_with = "hotkey")]
    no_hotkey: bool,
    #[command(flatten)]
    secret: SecretArguments,
    #[command(flatten)]
    coldkey: ColdkeyArguments,
}

#[derive(Args)]
pub struct NewHotkeyArguments {
    /// Name of the wallet.
    name: String,
    #[command(flatten)]
    hotkey: HotkeyArguments,
}

#[derive(Args)]
pub struct ImportHotkeyArguments {
    /// Name of the wallet.
    name: String,
    #[command(flatten)]
    secret: SecretArguments,
    #[command(flatten)]
    hotkey: HotkeyArguments,
}

#[derive(Args)]
#[command(group = ArgGroup::new("addresses").args(["coldkey_address", "hotkey_address"]).required(true).multiple(true))]
pub struct ImportPublicArguments {
    /// Name of the wallet.
    name: String,
    #[command(flatten)]
    hotkey: HotkeyName,
    /// Address of the coldkey.
    #[arg(long, value_name = "ADDRESS")]
    coldkey_address: Option<String>,
    /// Address of the hotkey.
    #[arg(long, value_name = "ADDRESS")]
    hotkey_address: Option<String>,
    /// Replaces public keys that exist.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Args)]
struct HotkeyName {
    /// Name of the hotkey.
    #[arg(long, short = 'H', default_value = "default", value_name = "NAME")]
    hotkey: String,
}

/// How a coldkey is written.
#[derive(Args)]
struct ColdkeyArguments {
    /// Leaves the coldkey unencrypted.
    #[arg(long)]
    no_password: bool,
    /// Replaces a coldkey and a hotkey that exist; without their words, what they own is lost.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    password: PasswordArguments,
}

/// How a hotkey is written.
#[derive(Args)]
struct HotkeyArguments {
    #[command(flatten)]
    name: HotkeyName,
    /// Encrypts the hotkey, so that whoever runs a neuron with it needs its password.
    #[arg(long)]
    encrypt: bool,
    /// Replaces a hotkey of this name; without its words, its slots are lost.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    password: PasswordArguments,
}

/// Where the secret of a key comes from.
#[derive(Args)]
struct SecretArguments {
    /// File with the key's words; without a file, words or a seed are read from standard input.
    #[arg(long, value_name = "FILE")]
    mnemonic_file: Option<PathBuf>,
    /// File with the key's seed, 64 hex digits.
    #[arg(long, value_name = "FILE", conflicts_with = "mnemonic_file")]
    seed_file: Option<PathBuf>,
}

/// The keys that a command has written.
#[derive(Serialize)]
struct Written {
    wallet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    coldkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hotkey_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hotkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coldkey_mnemonic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hotkey_mnemonic: Option<String>,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wallet {}", self.wallet)?;
        if let Some(address) = &self.coldkey {
            write!(f, "\n  coldkey  {address}")?;
        }
        if let (Some(address), Some(name)) = (&self.hotkey, &self.hotkey_name) {
            write!(f, "\n  hotkey   {address}  {name}")?;
        }
        if let Some(words) = &self.coldkey_mnemonic {
            write!(f, "\n\nWrite the coldkey's words down; whoever has them has the funds:\n  {words}")?;
        }
        match &self.hotkey_mnemonic {
            Some(words) => write!(f, "\n\nThe hotkey's words:\n  {words}"),
            None => Ok(()),
        }
    }
}

impl Written {
    fn nothing(wallet: &Wallet) -> Self {
        Self {
            wallet: wallet.name().to_owned(),
            coldkey: None,
            hotkey_name: None,
            hotkey: None,
            coldkey_mnemonic: None,
            hotkey_mnemonic: None,
        }
    }

    fn with_coldkey(self, public: &PublicKey) -> Self {
        Self { coldkey: Some(public.to_ss58()), ..self }
    }

    fn with_hotkey(self, name: &str, public: &PublicKey) -> Self {
        Self { hotkey_name: Some(name.to_owned()), hotkey: Some(public.to_ss58()), ..self }
    }
}

/// A new wallet with new keys.
pub fn create(context: &Context, arguments: CreateArguments) -> Result<()> {
    let CreateArguments { name, hotkey, coldkey } = arguments;
    let wallet = context.wallets()?.wallet(&name)?;
    coldkey.check_vacant(&wallet, Some(&hotkey.hotkey))?;
    let (cold, hot) = (new_key()?, new_key()?);
    coldkey.write(&wallet, &cold, Some((&hotkey.hotkey, &hot)))?;
    let written = Written::nothing(&wallet).with_coldkey(&cold.public());
    let written = written.with_hotkey(&hotkey.hotkey, &hot.public());
    context.output.result(&Written {
        coldkey_mnemonic: words_of(&cold),
        hotkey_mnemonic: words_of(&hot),
        ..written
    })
}

/// A wallet with a coldkey that exists elsewhere, and a new hotkey.
pub fn import(context: &Context, arguments: ImportArguments) -> Result<()> {
    let ImportArguments { name, hotkey, no_hotkey, secret, coldkey } = arguments;
    let wallet = context.wallets()?.wallet(&name)?;
    let hotkey = (!no_hotkey).then_some(hotkey.hotkey);
    coldkey.check_vacant(&wallet, hotkey.as_deref())?;
    let cold = secret.key()?;
    let hotkey = match hotkey {
        Some(name) => Some((name, new_key()?)),
        None => None,
    };
    coldkey.write(&wallet, &cold, hotkey.as_ref().map(|(name, key)| (name.as_str(), key)))?;
    let written = Written::nothing(&wallet).with_coldkey(&cold.public());
    context.output.result(&match &hotkey {
        Some((name, hot)) => {
            Written { hotkey_mnemonic: words_of(hot), ..written.with_hotkey(name, &hot.public()) }
        }
        None => written,
    })
}

/// One more hotkey, beside whatever the wallet has.
pub fn new_hotkey(context: &Context, arguments: NewHotkeyArguments) -> Result<()> {
    let NewHotkeyArguments { name, hotkey } = arguments;
    let wallet = context.wallets()?.wallet(&name)?;
    check_coldkey(&wallet)?;
    hotkey.check_vacant(&wallet)?;
    let key = new_key()?;
    hotkey.write(&wallet, &key)?;
    let written = Written::nothing(&wallet).with_hotkey(hotkey.name(), &key.public());
    context.output.result(&Written { hotkey_mnemonic: words_of(&key), ..written })
}

/// One more hotkey, which exists elsewhere.
pub fn import_hotkey(context: &Context, arguments: ImportHotkeyArguments) -> Result<()> {
    let ImportHotkeyArguments { name, secret, hotkey } = arguments;
    let wallet = context.wallets()?.wallet(&name)?;
    hotkey.check_vacant(&wallet)?;
    let key = secret.key()?;
    hotkey.write(&wallet, &key)?;
    context.output.result(&Written::nothing(&wallet).with_hotkey(hotkey.name(), &key.public()))
}

/// Public keys alone, for a machine that must not hold the secret ones.
pub fn import_public(context: &Context, arguments: ImportPublicArguments) -> Result<()> {
    let wallet = context.wallets()?.wallet(&arguments.name)?;
    let overwrite = overwrite(arguments.overwrite);
    let read = |address: Option<String>| {
        address.map(|address| PublicKey::from_ss58(&address, CryptoType::Sr25519)).transpose()
    };
    // Both are read before either is written.
    let (coldkey, hotkey) = (read(arguments.coldkey_address)?, read(arguments.hotkey_address)?);
    let mut written = Written::nothing(&wallet);
    if let Some(public) = &coldkey {
        wallet.write_coldkey_public(public, overwrite)?;
        written = written.with_coldkey(public);
    }
    if let Some(public) = &hotkey {
        wallet.write_hotkey_public(&arguments.hotkey.hotkey, public, overwrite)?;
        written = written.with_hotkey(&arguments.hotkey.hotkey, public);
    }
    context.output.result(&written)
}

impl ColdkeyArguments {
    /// Asked before any password is, and before any secret is read.
    fn check_vacant(&self, wallet: &Wallet, hotkey: Option<&str>) -> Result<()> {
        let name = wallet.name();
        if self.overwrite {
            return Ok(());
        }
        if wallet.coldkey_exists() {
            bail!(
                "wallet `{name}` exists; `myelin wallet new-hotkey {name} -H NAME` adds a hotkey to it, another name \
                 makes another wallet, and --overwrite loses its keys"
            );
        }
        if let Some(hotkey) = hotkey {
            check_hotkey_vacant(wallet, hotkey)?;
        }
        Ok(())
    }

    fn write(&self, wallet: &Wallet, cold: &Keypair, hotkey: Option<(&str, &Keypair)>) -> Result<()> {
        let password = match self.no_password {
            true => None,
            false => Some(self.password.choose("say --no-password")?),
        };
        let protection = password.as_ref().map_or(Protection::Plain, Protection::Password);
        let overwrite = overwrite(self.overwrite);
        match hotkey {
            Some((name, hot)) => wallet.create(name, cold, hot, protection, overwrite)?,
            None => wallet.write_coldkey(cold, protection, overwrite)?,
        }
        Ok(())
    }
}

impl HotkeyArguments {
    fn name(&self) -> &str {
        &self.name.hotkey
    }

    fn check_vacant(&self, wallet: &Wallet) -> Result<()> {
        match self.overwrite {
            true => Ok(()),
            false => check_hotkey_vacant(wallet, self.name()),
        }
    }

    fn write(&self, wallet: &Wallet, key: &Keypair) -> Result<()> {
        let password = match self.encrypt {
            true => Some(self.password.choose("leave out --encrypt")?),
            false => None,
        };
        let protection = password.as_ref().map_or(Protection::Plain, Protection::Password);
        Ok(wallet.write_hotkey(self.name(), key, protection, overwrite(self.overwrite))?)
    }
}

/// A hotkey without a coldkey is nobody's, and more often the sign of a mistyped name.
fn check_coldkey(wallet: &Wallet) -> Result<()> {
    let name = wallet.name();
    if !wallet.coldkey_exists() {
        bail!(
            "wallet `{name}` has no coldkey that could own a hotkey; `myelin wallet list` shows the wallets, `myelin wallet \
             create {name}` makes this one, and `myelin wallet import-public {name} --coldkey-address ADDRESS` is for a \
             coldkey that is elsewhere"
        );
    }
    Ok(())
}

fn check_hotkey_vacant(wallet: &Wallet, hotkey: &str) -> Result<()> {
    let name = wallet.name();
    if wallet.hotkey_exists(hotkey)? {
        bail!(
            "wallet `{name}` has a hotkey `{hotkey}`; choose another with -H, or say --overwrite to lose it"
        );
    }
    Ok(())
}

impl SecretArguments {
    /// The key of the words or the seed.
    fn key(&self) -> Result<Keypair> {
        let (text, from) = match (&self.mnemonic_file, &self.seed_file) {
            (None, None) => (typed_or_piped()?, "standard input".to_owned()),
            (Some(path), _) | (None, Some(path)) => (file(path)?, path.display().to_string()),
        };
        let secret = text.expose_secret().trim();
        if secret.is_empty() {
            bail!("{from}: expected words or a seed, found nothing");
        }
        let is_seed = self.seed_file.is_some()
            || (self.mnemonic_file.is_none() && !secret.contains(char::is_whitespace));
        let key = match is_seed {
            true => Keypair::from_seed_hex(secret, CryptoType::Sr25519),
            false => Keypair::from_mnemonic(secret, CryptoType::Sr25519),
        };
        key.with_context(|| from)
    }
}

fn typed_or_piped() -> Result<SecretString> {
    if std::io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("The key's words, or its seed: ")?.into());
    }
    bounded(std::io::stdin()).context("cannot read a secret from standard input")
}

fn file(path: &Path) -> Result<SecretString> {
    let open = || File::open(path).map_err(anyhow::Error::from);
    open().and_then(bounded).with_context(|| {
        format!(
            "cannot read a secret from {}, expected a text file with a key's words or its seed",
            path.display()
        )
    })
}

fn bounded(source: impl Read) -> Result<SecretString> {
    let mut text = String::new();
    source.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        bail!("more than {MAX_SECRET_BYTES} bytes; expected words or a seed");
    }
    Ok(text.into())
}

fn new_key() -> Result<Keypair> {
    Ok(Keypair::generate(NEW_KEY_WORDS, CryptoType::Sr25519)?)
}

fn words_of(key: &Keypair) -> Option<String> {
    key.mnemonic().map(|words| words.expose_secret().to_owned())
}

fn overwrite(asked: bool) -> Overwrite {
    match asked {
        true => Overwrite::Replace,
        false => Overwrite::Refuse,
    }
}
