//! `myelin storage`: the storage market's miner and validator, each a process of its own.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use myelin_client::{account_of, neurons_of};
use myelin_keys::Keypair;
use myelin_storage::{run_miner, run_validator, MinerConfig, ValidatorConfig};
use serde::de::DeserializeOwned;

use crate::{context::Context, ending::Ending, keys::WalletArguments};

/// A configuration is a page of text.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

#[derive(Subcommand)]
pub enum StorageCommand {
    /// Keeps data and proves it, for the wallet's hotkey.
    Miner(NeuronArguments),
    /// Places data, checks that miners keep it, and sets weights, for the wallet's hotkey.
    Validator(NeuronArguments),
    /// Prints the default configuration of both as JSON.
    Config,
}

#[derive(Args)]
pub struct NeuronArguments {
    /// Number of the subnet; overrides the configuration's.
    #[arg(long, value_name = "NETUID")]
    netuid: Option<u16>,
    /// Configuration as JSON; what it leaves out is at its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    wallet: WalletArguments,
}

/// Both configurations.
#[derive(serde::Serialize)]
struct Defaults {
    miner: MinerConfig,
    validator: ValidatorConfig,
}

impl std::fmt::Display for Defaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string_pretty(self).map_err(|_| std::fmt::Error)?;
        f.write_str(&text)
    }
}

pub async fn run(context: &Context, command: StorageCommand) -> Result<()> {
    match command {
        StorageCommand::Miner(arguments) => {
            let mut config: MinerConfig = arguments.config()?;
            config.node_url = context.node_url().to_owned();
            config.netuid = arguments.netuid.unwrap_or(config.netuid);
            let hotkey = Arc::new(arguments.wallet.hotkey(context)?);
            introduce(context, "miner", config.netuid, &hotkey).await?;
            context.output.progress(format!(
                "keeping data in {}, answering at {}",
                config.directory.display(),
                config.listen
            ));
            Ok(run_miner(config, hotkey, ended(context.ending())).await?)
        }
        StorageCommand::Validator(arguments) => {
            let mut config: ValidatorConfig = arguments.config()?;
            config.node_url = context.node_url().to_owned();
            config.netuid = arguments.netuid.unwrap_or(config.netuid);
            let hotkey = Arc::new(arguments.wallet.hotkey(context)?);
            introduce(context, "validator", config.netuid, &hotkey).await?;
            Ok(run_validator(config, hotkey, ended(context.ending())).await?)
        }
        StorageCommand::Config => context
            .output
            .result(&Defaults { miner: MinerConfig::default(), validator: ValidatorConfig::default() }),
    }
}

/// Says who begins to work, and what that one still lacks. A subnet must exist; a slot may come later.
async fn introduce(context: &Context, role: &str, netuid: u16, hotkey: &Keypair) -> Result<()> {
    let (client, account) = (context.client().await?, account_of(hotkey));
    let metagraph = client.metagraph(netuid).await?;
    context.output.progress(format!("{role} of subnet {netuid}, hotkey {account}; Ctrl-C ends it"));
    if !neurons_of(&metagraph).iter().any(|neuron| neuron.hotkey == account) {
        context.output.progress(format!(
            "this hotkey has no slot on subnet {netuid} yet; `myelin subnet register {netuid}` buys one"
        ));
    }
    Ok(())
}

/// Completes when the process is asked to end, or cannot be asked.
async fn ended(ending: Ending) {
    if let Err(error) = ending.asked().await {
        tracing::error!(%error, "cannot listen for signals");
    }
}

impl NeuronArguments {
    fn config<Config: DeserializeOwned + Default>(&self) -> Result<Config> {
        let Some(path) = &self.config else { return Ok(Config::default()) };
        let shown = || format!("configuration {}", path.display());
        let length = std::fs::metadata(path).with_context(shown)?.len();
        anyhow::ensure!(
            length <= MAX_CONFIG_BYTES,
            "{}: {length} bytes; at most {MAX_CONFIG_BYTES} are read",
            shown()
        );
        let text = std::fs::read_to_string(path).with_context(shown)?;
        serde_json::from_str(&text).with_context(shown)
    }
}
