//! Finding the key that a command is to sign with.
//!
//! A wallet is named, or is a development key such as `//Alice` that everybody knows.

use std::{io::IsTerminal, path::PathBuf};

use anyhow::{bail, Context as _};
use clap::Args;
use myelin_keys::{CryptoType, ExposeSecret, Keypair, PublicKey, SecretString, Wallet, WalletError};
use myelin_runtime::AccountId;

use crate::context::Context;

/// Where the password of an encrypted key is read from when there is no terminal.
const PASSWORD_VARIABLE: &str = "MYELIN_WALLET_PASSWORD";

/// Options that pick the keys of a wallet.
#[derive(Args, Clone)]
#[command(next_help_heading = "Signing key")]
pub struct WalletArguments {
    /// Name of the wallet, or a development key such as //Alice.
    #[arg(long, short, value_name = "NAME")]
    pub wallet: String,
    /// Name of the hotkey in the wallet.
    #[arg(long, short = 'H', default_value = "default", value_name = "NAME")]
    pub hotkey: String,
    #[command(flatten)]
    pub password: PasswordArguments,
}

/// Where a password comes from.
#[derive(Args, Clone, Default)]
pub struct PasswordArguments {
    /// File with the password of the key; without it MYELIN_WALLET_PASSWORD is used, or a prompt.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

impl WalletArguments {
    /// The key that owns funds.
    pub fn coldkey(&self, context: &Context) -> anyhow::Result<Keypair> {
        if is_development_key(&self.wallet) {
            return development_key(&self.wallet);
        }
        let wallet = self.open(context)?;
        let password = match wallet.coldkey_is_encrypted()? {
            true => Some(self.password.read(&format!("Password of coldkey `{}`: ", self.wallet))?),
            false => None,
        };
        Ok(wallet.coldkey(password.as_ref())?)
    }

    /// The key that signs for a running neuron.
    pub fn hotkey(&self, context: &Context) -> anyhow::Result<Keypair> {
        if is_development_key(&self.wallet) {
            return development_key(&self.development_hotkey());
        }
        let wallet = self.open(context)?;
        let password = match wallet.hotkey_is_encrypted(&self.hotkey)? {
            true => Some(self.password.read(&format!("Password of hotkey `{}`: ", self.hotkey))?),
            false => None,
        };
        Ok(wallet.hotkey(&self.hotkey, password.as_ref())?)
    }

    /// Address of the hotkey; needs no password.
    pub fn hotkey_account(&self, context: &Context) -> anyhow::Result<AccountId> {
        if is_development_key(&self.wallet) {
            return Ok(account(&development_key(&self.development_hotkey())?.public()));
        }
        Ok(account(&self.open(context)?.hotkey_public(&self.hotkey)?))
    }

    /// Address of the coldkey; needs no password.
    pub fn coldkey_account(&self, context: &Context) -> anyhow::Result<AccountId> {
        if is_development_key(&self.wallet) {
            return Ok(account(&development_key(&self.wallet)?.public()));
        }
        Ok(account(&self.open(context)?.coldkey_public()?))
    }

    fn open(&self, context: &Context) -> anyhow::Result<Wallet> {
        Ok(context.wallets()?.wallet(&self.wallet)?)
    }

    /// The hotkey `default` of `//Alice` is `//Alice//default`.
    fn development_hotkey(&self) -> String {
        format!("{}//{}", self.wallet, self.hotkey)
    }
}

impl PasswordArguments {
    /// The password of an existing key: from the file, the environment or the terminal.
    pub fn read(&self, prompt: &str) -> anyhow::Result<SecretString> {
        match self.given()? {
            Some(password) => Ok(password),
            None if std::io::stdin().is_terminal() => Ok(rpassword::prompt_password(prompt)?.into()),
            None => bail!(
                "this key needs a password: give --password-file, set {PASSWORD_VARIABLE}, or run in a terminal"
            ),
        }
    }

    /// The password for a new key, asked for twice at the terminal; `otherwise` says how to do without.
    pub fn choose(&self, otherwise: &str) -> anyhow::Result<SecretString> {
        if let Some(password) = self.given()? {
            return Ok(password);
        }
        if !std::io::stdin().is_terminal() {
            bail!(
                "a new password is needed: give --password-file, set {PASSWORD_VARIABLE}, run in a terminal, or {otherwise}"
            );
        }
        let first: SecretString = rpassword::prompt_password("New password: ")?.into();
        let second: SecretString = rpassword::prompt_password("The same again: ")?.into();
        if first.expose_secret() != second.expose_secret() {
            bail!("the two passwords differ; nothing was written");
        }
        Ok(first)
    }

    fn given(&self) -> anyhow::Result<Option<SecretString>> {
        if let Some(path) = &self.password_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the password from {}", path.display()))?;
            return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned().into()));
        }
        Ok(std::env::var(PASSWORD_VARIABLE).ok().map(SecretString::from))
    }
}

/// An address, or the name of a wallet whose coldkey is meant.
pub fn account_named(context: &Context, name: &str) -> anyhow::Result<AccountId> {
    if is_development_key(name) {
        return Ok(account(&development_key(name)?.public()));
    }
    let no_address = match PublicKey::from_ss58(name, CryptoType::Sr25519) {
        Ok(public) => return Ok(account(&public)),
        Err(problem) => problem,
    };
    let store = context.wallets()?;
    match store.wallet(name)?.coldkey_public() {
        Ok(public) => Ok(account(&public)),
        Err(WalletError::Missing { .. }) => bail!(
            "`{name}` is neither an address ({no_address}) nor a wallet with a coldkey in {}",
            store.path().display()
        ),
        Err(problem) => Err(problem.into()),
    }
}

pub fn account(public: &PublicKey) -> AccountId {
    AccountId::new(public.bytes)
}

pub fn is_development_key(name: &str) -> bool {
    name.starts_with("//")
}

pub fn development_key(uri: &str) -> anyhow::Result<Keypair> {
    Keypair::from_uri(uri, CryptoType::Sr25519).with_context(|| format!("`{uri}` is no development key"))
}
