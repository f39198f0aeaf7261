//! What every command knows: where the node and the wallets are, and how to answer.

use clap::Args;
use myelin_client::Client;
use myelin_keys::WalletStore;

use crate::{ending::Ending, output::Output};

/// Where a development chain answers unless told otherwise.
const DEFAULT_NODE: &str = "ws://127.0.0.1:9944";

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArguments {
    /// WebSocket address of the node [default: ws://127.0.0.1:9944].
    #[arg(long, short = 'n', global = true, env = "MYELIN_NODE", value_name = "URL")]
    pub node: Option<String>,
    /// Directory of the wallets.
    #[arg(long, global = true, env = "MYELIN_WALLET_PATH", value_name = "DIR")]
    pub wallet_path: Option<std::path::PathBuf>,
    /// Prints the result as one JSON document, and an error as one JSON object on standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// Logs more; twice for debugging.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Ends when standard input closes, and so with the process at its other end.
    #[arg(long, global = true, hide = true)]
    pub end_with_stdin: bool,
}

/// Where the node and the wallets are, and how to answer.
pub struct Context {
    global: GlobalArguments,
    pub output: Output,
}

impl Context {
    pub fn new(global: GlobalArguments) -> Self {
        let output = Output { json: global.json };
        Self { global, output }
    }

    pub async fn client(&self) -> anyhow::Result<Client> {
        let hint = "start a chain with `myelin dev`, or name a node with --node";
        Client::connect(self.node_url()).await.map_err(|error| anyhow::anyhow!("{error}; {hint}"))
    }

    pub fn node_url(&self) -> &str {
        self.named_node().unwrap_or(DEFAULT_NODE)
    }

    /// The node, if one was named.
    pub fn named_node(&self) -> Option<&str> {
        self.global.node.as_deref()
    }

    pub fn ending(&self) -> Ending {
        Ending { with_stdin: self.global.end_with_stdin }
    }

    pub fn wallets(&self) -> anyhow::Result<WalletStore> {
        match &self.global.wallet_path {
            Some(path) => Ok(WalletStore::new(path)?),
            None => Ok(WalletStore::default_location()?),
        }
    }
}
