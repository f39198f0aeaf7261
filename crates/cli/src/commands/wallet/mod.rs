//! `myelin wallet`

mod keys;

use std::fmt;

use anyhow::{bail, Context as _, Result};
use clap::{Args, Subcommand};
use myelin_keys::{CryptoType, PublicKey, Wallet, WalletError, WalletListing};
use serde::Serialize;

use self::keys::{
    CreateArguments, ImportArguments, ImportHotkeyArguments, ImportPublicArguments, NewHotkeyArguments,
};
use crate::{
    amount::Amount,
    context::Context,
    keys::{account_named, WalletArguments},
    table::Table,
};

#[derive(Subcommand)]
pub enum WalletCommand {
    /// Makes a wallet with a new coldkey and a new hotkey.
    Create(CreateArguments),
    /// Restores a wallet from its coldkey's words or seed.
    Import(ImportArguments),
    /// Adds a new hotkey to a wallet.
    NewHotkey(NewHotkeyArguments),
    /// Adds a hotkey to a wallet from the hotkey's words or seed.
    ImportHotkey(ImportHotkeyArguments),
    /// Writes public keys alone, for a machine that must not hold the secret ones.
    ImportPublic(ImportPublicArguments),
    /// Lists the wallets.
    List,
    /// Shows the free TAO of an address or a wallet.
    Balance {
        /// Address or name of a wallet.
        account: String,
    },
    /// Signs a text with a hotkey or a coldkey.
    Sign(SignArguments),
    /// Checks a signature; fails if it is not valid.
    Verify(VerifyArguments),
}

#[derive(Args)]
pub struct SignArguments {
    /// The text to sign.
    message: String,
    /// Signs with the coldkey instead of the hotkey.
    #[arg(long)]
    coldkey: bool,
    #[command(flatten)]
    wallet: WalletArguments,
}

#[derive(Args)]
pub struct VerifyArguments {
    /// The text that was signed.
    message: String,
    /// Hex digits of the signature.
    signature: String,
    /// Address of the signer.
    address: String,
}

pub async fn run(context: &Context, command: WalletCommand) -> Result<()> {
    match command {
        WalletCommand::Create(arguments) => keys::create(context, arguments),
        WalletCommand::Import(arguments) => keys::import(context, arguments),
        WalletCommand::NewHotkey(arguments) => keys::new_hotkey(context, arguments),
        WalletCommand::ImportHotkey(arguments) => keys::import_hotkey(context, arguments),
        WalletCommand::ImportPublic(arguments) => keys::import_public(context, arguments),
        WalletCommand::List => list(context),
        WalletCommand::Balance { account } => balance(context, &account).await,
        WalletCommand::Sign(arguments) => sign(context, arguments),
        WalletCommand::Verify(arguments) => verify(context, arguments),
    }
}

#[derive(Serialize)]
struct Listing {
    wallets: Vec<ListedWallet>,
}

#[derive(Serialize)]
struct ListedWallet {
    name: String,
    /// None if it has none, or one that cannot be read.
    coldkey: Option<String>,
    /// Whether there is a coldkey to sign with.
    coldkey_secret: bool,
    /// Why a file of the coldkey cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    coldkey_problem: Option<String>,
    hotkeys: Vec<ListedHotkey>,
}

#[derive(Serialize)]
struct ListedHotkey {
    name: String,
    /// None if it cannot be read.
    address: Option<String>,
    /// Whether there is a key to sign with.
    secret: bool,
    /// Why a file of it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wallets.is_empty() {
            return f.write_str("no wallets; make one with `myelin wallet create NAME`");
        }
        let mut table = Table::new(["wallet", "key", "address", "holds"]);
        let mut problems = Vec::new();
        for (wallet, key) in self.wallets.iter().flat_map(ListedWallet::keys) {
            table
                .row([wallet, key.name, key.address.unwrap_or("unreadable"), key.holds()].map(str::to_owned));
            problems.extend(key.problem);
        }
        table.fmt(f)?;
        problems.iter().try_for_each(|problem| write!(f, "\n\n{problem}"))
    }
}

/// A key as a row shows it.
struct ListedKey<'a> {
    name: &'a str,
    address: Option<&'a str>,
    secret: bool,
    problem: Option<&'a str>,
}

impl ListedKey<'_> {
    fn holds(&self) -> &'static str {
        match (self.problem, self.secret) {
            (Some(_), _) => "a file that cannot be used",
            (None, true) => "secret key",
            (None, false) => "public key",
        }
    }
}

impl ListedWallet {
    /// Its name with each of its keys.
    fn keys(&self) -> impl Iterator<Item = (&str, ListedKey<'_>)> {
        let coldkey = ListedKey {
            name: "coldkey",
            address: self.coldkey.as_deref(),
            secret: self.coldkey_secret,
            problem: self.coldkey_problem.as_deref(),
        };
        let exists = coldkey.address.is_some() || coldkey.secret || coldkey.problem.is_some();
        let hotkeys = self.hotkeys.iter().map(|hotkey| ListedKey {
            name: &hotkey.name,
            address: hotkey.address.as_deref(),
            secret: hotkey.secret,
            problem: hotkey.problem.as_deref(),
        });
        let keys = exists.then_some(coldkey).into_iter().chain(hotkeys);
        keys.map(|key| (self.name.as_str(), key))
    }
}

fn list(context: &Context) -> Result<()> {
    let store = context.wallets()?;
    let describe = |listing: WalletListing| -> Result<ListedWallet> {
        let wallet = store.wallet(&listing.name)?;
        let secret = listing.hotkeys.iter().map(|name| listed_hotkey(&wallet, name, true));
        let public = listing.public_hotkeys.iter().map(|name| listed_hotkey(&wallet, name, false));
        let hotkeys = secret.chain(public).collect();
        let usable = if listing.has_coldkey { wallet.check_coldkey() } else { Ok(()) };
        let public = match wallet.coldkey_public() {
            Err(WalletError::Missing { .. }) => Ok(None),
            public => public.map(Some),
        };
        Ok(ListedWallet {
            coldkey_secret: listing.has_coldkey && usable.is_ok(),
            coldkey_problem: usable.as_ref().err().or(public.as_ref().err()).map(ToString::to_string),
            coldkey: public.ok().flatten().map(|public| public.to_ss58()),
            hotkeys,
            name: listing.name,
        })
    };
    let wallets = store.list()?.into_iter().map(describe).collect::<Result<_>>()?;
    context.output.result(&Listing { wallets })
}

fn listed_hotkey(wallet: &Wallet, name: &str, has_secret: bool) -> ListedHotkey {
    let usable = if has_secret { wallet.check_hotkey(name) } else { Ok(()) };
    let public = wallet.hotkey_public(name);
    ListedHotkey {
        name: name.to_owned(),
        secret: has_secret && usable.is_ok(),
        problem: usable.as_ref().err().or(public.as_ref().err()).map(ToString::to_string),
        address: public.ok().map(|public| public.to_ss58()),
    }
}

#[derive(Serialize)]
struct Balance {
    address: String,
    free: Amount,
    reserved: Amount,
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} TAO", self.free)?;
        if self.reserved.rao > 0 {
            write!(f, " and {} TAO reserved", self.reserved)?;
        }
        Ok(())
    }
}

pub async fn balance(context: &Context, account: &str) -> Result<()> {
    let account = account_named(context, account)?;
    let funds = context.client().await?.funds(&account).await?;
    context.output.result(&Balance {
        address: account.to_string(),
        free: Amount::from_rao(funds.free_rao),
        reserved: Amount::from_rao(funds.reserved_rao),
    })
}

#[derive(Serialize)]
struct Signed {
    signature: String,
    signer: String,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nby {}", self.signature, self.signer)
    }
}

fn sign(context: &Context, arguments: SignArguments) -> Result<()> {
    let key = match arguments.coldkey {
        true => arguments.wallet.coldkey(context)?,
        false => arguments.wallet.hotkey(context)?,
    };
    let signature = hex::encode(key.sign(arguments.message.as_bytes()));
    context.output.result(&Signed { signature, signer: key.public().to_ss58() })
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.valid { "valid" } else { "not valid" })
    }
}

fn verify(context: &Context, arguments: VerifyArguments) -> Result<()> {
    let public = PublicKey::from_ss58(&arguments.address, CryptoType::Sr25519)?;
    let bytes =
        hex::decode(arguments.signature.trim_start_matches("0x")).context("the signature is not hex")?;
    let length = bytes.len();
    let signature =
        bytes.try_into().map_err(|_| anyhow::anyhow!("a signature has 64 bytes, this one has {length}"))?;
    let valid = public.verify(arguments.message.as_bytes(), &signature);
    context.output.result(&Verdict { valid })?;
    if !valid {
        bail!("{} did not sign this text so", arguments.address);
    }
    Ok(())
}
