//! `myelin wallet`

use std::fmt;

use anyhow::{bail, Context as _, Result};
use clap::{Args, Subcommand};
use myelin_keys::{
    CryptoType, ExposeSecret, Keypair, Overwrite, Protection, PublicKey, SecretString, WalletListing,
};
use serde::Serialize;

use crate::{
    amount::Amount,
    context::Context,
    keys::{account_named, PasswordArguments, WalletArguments},
    table::Table,
};

const NEW_KEY_WORDS: usize = 12;

#[derive(Subcommand)]
pub enum WalletCommand {
    /// Makes a wallet with a new coldkey and a new hotkey.
    Create(CreateArguments),
    /// Restores a wallet from its words.
    Import(ImportArguments),
    /// Lists the wallets.
    List,
    /// Shows the free TAO of an address or a wallet.
    Balance {
        /// Address or name of a wallet.
        account: String,
    },
    /// Signs a text with a hotkey or a coldkey.
    Sign(SignArguments),
    /// Checks a signature.
    Verify(VerifyArguments),
}

#[derive(Args)]
pub struct CreateArguments {
    /// Name of the wallet.
    name: String,
    #[command(flatten)]
    write: WriteArguments,
}

#[derive(Args)]
pub struct ImportArguments {
    /// Name of the wallet.
    name: String,
    /// File with the coldkey's words; standard input without it.
    #[arg(long, value_name = "FILE")]
    mnemonic_file: Option<std::path::PathBuf>,
    #[command(flatten)]
    write: WriteArguments,
}

#[derive(Args)]
pub struct WriteArguments {
    /// Name of the hotkey.
    #[arg(long, short = 'H', default_value = "default", value_name = "NAME")]
    hotkey: String,
    /// Leaves the coldkey unencrypted.
    #[arg(long)]
    no_password: bool,
    /// Replaces keys that exist.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    password: PasswordArguments,
}

#[derive(Args)]
pub struct SignArguments {
    /// The text.
    message: String,
    /// Signs with the coldkey instead of the hotkey.
    #[arg(long)]
    coldkey: bool,
    #[command(flatten)]
    wallet: WalletArguments,
}

#[derive(Args)]
pub struct VerifyArguments {
    /// The text.
    message: String,
    /// Hex digits of the signature.
    signature: String,
    /// Address of the signer.
    address: String,
}

pub async fn run(context: &Context, command: WalletCommand) -> Result<()> {
    match command {
        WalletCommand::Create(arguments) => create(context, arguments),
        WalletCommand::Import(arguments) => import(context, arguments),
        WalletCommand::List => list(context),
        WalletCommand::Balance { account } => balance(context, &account).await,
        WalletCommand::Sign(arguments) => sign(context, arguments),
        WalletCommand::Verify(arguments) => verify(context, arguments),
    }
}

#[derive(Serialize)]
struct Created {
    wallet: String,
    hotkey_name: String,
    coldkey: String,
    hotkey: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    coldkey_mnemonic: Option<String>,
    hotkey_mnemonic: Option<String>,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wallet {}\n  coldkey  {}\n  hotkey   {}", self.wallet, self.coldkey, self.hotkey)?;
        if let Some(words) = &self.coldkey_mnemonic {
            write!(f, "\n\nWrite the coldkey's words down; whoever has them has the funds:\n  {words}")?;
        }
        match &self.hotkey_mnemonic {
            Some(words) => write!(f, "\nThe hotkey's words:\n  {words}"),
            None => Ok(()),
        }
    }
}

fn create(context: &Context, arguments: CreateArguments) -> Result<()> {
    let coldkey = Keypair::generate(NEW_KEY_WORDS, CryptoType::Sr25519)?;
    let words = coldkey.mnemonic().map(|words| words.expose_secret().to_owned());
    let created = write(context, arguments.name, &coldkey, arguments.write)?;
    context.output.result(&Created { coldkey_mnemonic: words, ..created })
}

fn import(context: &Context, arguments: ImportArguments) -> Result<()> {
    let words = match &arguments.mnemonic_file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => {
            std::io::read_to_string(std::io::stdin()).context("cannot read the words from standard input")?
        }
    };
    let words: SecretString = words.trim().to_owned().into();
    let coldkey = Keypair::from_mnemonic(words.expose_secret(), CryptoType::Sr25519)?;
    let created = write(context, arguments.name, &coldkey, arguments.write)?;
    context.output.result(&created)
}

fn write(context: &Context, name: String, coldkey: &Keypair, arguments: WriteArguments) -> Result<Created> {
    let wallet = context.wallets()?.wallet(&name)?;
    let overwrite = if arguments.overwrite { Overwrite::Replace } else { Overwrite::Refuse };
    let exists = wallet.coldkey_exists() || wallet.hotkey_exists(&arguments.hotkey)?;
    if exists && !arguments.overwrite {
        bail!("wallet `{name}` exists; choose another name, or say --overwrite to lose its keys");
    }
    let hotkey = Keypair::generate(NEW_KEY_WORDS, CryptoType::Sr25519)?;
    let password = match arguments.no_password {
        true => None,
        false => Some(arguments.password.choose()?),
    };
    let protection = password.as_ref().map_or(Protection::Plain, Protection::Password);
    wallet.create(&arguments.hotkey, coldkey, &hotkey, protection, overwrite)?;
    Ok(Created {
        wallet: name,
        hotkey_name: arguments.hotkey,
        coldkey: coldkey.public().to_ss58(),
        hotkey: hotkey.public().to_ss58(),
        coldkey_mnemonic: None,
        hotkey_mnemonic: hotkey.mnemonic().map(|words| words.expose_secret().to_owned()),
    })
}

#[derive(Serialize)]
struct Listing {
    wallets: Vec<ListedWallet>,
}

#[derive(Serialize)]
struct ListedWallet {
    name: String,
    coldkey: Option<String>,
    hotkeys: Vec<ListedHotkey>,
}

#[derive(Serialize)]
struct ListedHotkey {
    name: String,
    address: Option<String>,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wallets.is_empty() {
            return f.write_str("no wallets; make one with `myelin wallet create NAME`");
        }
        let mut table = Table::new(["wallet", "key", "address"]);
        let shown = |address: &Option<String>| address.clone().unwrap_or_else(|| "unreadable".into());
        for wallet in &self.wallets {
            table.row([wallet.name.clone(), "coldkey".into(), shown(&wallet.coldkey)]);
            for hotkey in &wallet.hotkeys {
                table.row([wallet.name.clone(), hotkey.name.clone(), shown(&hotkey.address)]);
            }
        }
        table.fmt(f)
    }
}

fn list(context: &Context) -> Result<()> {
    let store = context.wallets()?;
    let describe = |listing: WalletListing| -> Result<ListedWallet> {
        let wallet = store.wallet(&listing.name)?;
        let hotkeys = listing.hotkeys.into_iter().map(|name| {
            let address = wallet.hotkey_public(&name).ok().map(|public| public.to_ss58());
            ListedHotkey { name, address }
        });
        Ok(ListedWallet {
            coldkey: wallet.coldkey_public().ok().map(|public| public.to_ss58()),
            hotkeys: hotkeys.collect(),
            name: listing.name,
        })
    };
    let wallets = store.list()?.into_iter().map(describe).collect::<Result<_>>()?;
    context.output.result(&Listing { wallets })
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
    context.output.result(&Verdict { valid: public.verify(arguments.message.as_bytes(), &signature) })?;
    Ok(())
}
