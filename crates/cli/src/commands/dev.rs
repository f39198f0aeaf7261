//! `myelin dev`: a development chain on this machine.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use anyhow::Result;
use clap::Args;
use myelin_node::{
    rpc_config, ChainSpec, History, HostName, LocalConfig, Location, Node, NodeConfig, NodeError, NodeHandle,
    Origin, SealMode,
};
use serde::Serialize;
use sp_keyring::Sr25519Keyring as Keyring;

use crate::{amount::Amount, context::Context, duration, table::Table};

const DEFAULT_PORT: u16 = 9944;
/// Pace that is part of the genesis of a chain that does not seal by the clock.
const DEFAULT_SLOT: Duration = Duration::from_millis(250);

#[derive(Args)]
pub struct DevArguments {
    /// Port for HTTP and WebSocket; 0 takes any free one.
    #[arg(long, default_value_t = DEFAULT_PORT, value_name = "PORT")]
    rpc_port: u16,
    /// Address to listen on. Whoever reaches a development chain controls it.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    rpc_address: IpAddr,
    /// Web pages from elsewhere that may use the chain, separated by commas, or * for all [default: https://polkadot.js.org].
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    rpc_allowed_origin: Option<Vec<Origin>>,
    /// Names, besides localhost, that clients may reach the chain by, separated by commas, or * for all.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    rpc_allowed_host: Option<Vec<HostName>>,
    /// Directory for blocks and state; without it they are in memory and end with the program.
    #[arg(long, value_name = "DIR")]
    base_path: Option<PathBuf>,
    /// Time between blocks, such as 250ms or 1s; `instant` for a block for each transaction, `manual` for none by itself.
    #[arg(long, default_value = "250ms", value_name = "TIME")]
    block_time: BlockTime,
    /// Keeps the state of every block, not only of the last 256.
    #[arg(long)]
    archive: bool,
    /// Adds up all money after every block, and ends the chain where it does not agree.
    #[arg(long, hide = true)]
    audit: bool,
}

/// When blocks are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockTime {
    Every(Duration),
    Instant,
    Manual,
}

impl FromStr for BlockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "instant" => Ok(Self::Instant),
            "manual" => Ok(Self::Manual),
            _ => duration::parse(text)
                .map(Self::Every)
                .map_err(|error| format!("{error}, or instant, or manual")),
        }
    }
}

impl BlockTime {
    fn sealing(self) -> SealMode {
        match self {
            Self::Every(time) => SealMode::Interval(time),
            Self::Instant => SealMode::Instant,
            Self::Manual => SealMode::Manual,
        }
    }

    fn is_by_the_clock(self) -> bool {
        matches!(self, Self::Every(_))
    }

    fn slot_ms(self) -> u64 {
        let slot = if let Self::Every(time) = self { time } else { DEFAULT_SLOT };
        duration::milliseconds(slot)
    }
}

/// What the command says once clients can connect.
#[derive(Serialize)]
struct Ready {
    rpc: String,
    http: String,
    genesis: String,
    block_time: String,
    accounts: Vec<Account>,
}

#[derive(Serialize)]
struct Account {
    key: String,
    address: String,
    balance: Amount,
}

impl Ready {
    fn new(node: &NodeHandle, chain: &ChainSpec, sealing: SealMode) -> Self {
        let accounts = chain.genesis.balances.iter().filter_map(|(account, rao)| {
            let key = Keyring::from_account_id(account)?;
            Some(Account {
                key: format!("//{key:?}"),
                address: account.to_string(),
                balance: Amount::from_rao(*rao),
            })
        });
        Self {
            rpc: node.ws_url(),
            http: node.http_url(),
            genesis: format!("{:?}", node.chain().genesis_hash()),
            block_time: match sealing {
                SealMode::Interval(time) => format!("{} ms", time.as_millis()),
                SealMode::Instant => "a block for each transaction".into(),
                SealMode::Manual => "only by dev_mine".into(),
            },
            accounts: accounts.collect(),
        }
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Myelin development chain")?;
        writeln!(f, "  rpc         {} and {}", self.rpc, self.http)?;
        writeln!(f, "  genesis     {}", self.genesis)?;
        writeln!(f, "  block time  {}\n", self.block_time)?;
        let mut table = Table::new(["key", "address", "TAO"]);
        for account in &self.accounts {
            table.row([account.key.clone(), account.address.clone(), account.balance.to_string()]);
        }
        write!(f, "{table}\n\nThese keys are public: never use them elsewhere. //Alice is sudo. Ctrl-C ends the chain.")
    }
}

pub async fn run(context: &Context, arguments: DevArguments) -> Result<()> {
    let slot_ms = arguments.block_time.slot_ms();
    let (node, chain) = match start(&arguments, slot_ms).await {
        // Who does not seal by the clock has not asked for any pace.
        Err(NodeError::BlockTime { found_ms, .. }) if !arguments.block_time.is_by_the_clock() => {
            start(&arguments, found_ms).await?
        }
        started => started?,
    };
    context.output.result(&Ready::new(&node, &chain, arguments.block_time.sealing()))?;
    let shutdown = node.shutdown_token();
    tokio::select! {
        () = shutdown.cancelled() => {}
        signal = context.ending().asked() => signal?,
    }
    shutdown.cancel();
    Ok(node.wait().await?)
}

/// Starts the chain whose genesis says that its blocks are `slot_ms` apart.
async fn start(arguments: &DevArguments, slot_ms: u64) -> Result<(NodeHandle, ChainSpec), NodeError> {
    let chain = ChainSpec::development_with_slot(slot_ms);
    let location = arguments.base_path.clone().map_or(Location::Memory, Location::Directory);
    let mut local = LocalConfig::new(arguments.block_time.sealing());
    // Not one of those whose balances people look at.
    local.author = Some(Keyring::One.to_account_id());
    let address = SocketAddr::new(arguments.rpc_address, arguments.rpc_port);
    let (origins, hosts) = (arguments.rpc_allowed_origin.clone(), arguments.rpc_allowed_host.clone());
    let rpc = rpc_config(address, origins, hosts);
    let mut node = Node::local(NodeConfig::new(chain.clone(), location), local).rpc(Some(rpc));
    if arguments.archive {
        node = node.history(History::Archive);
    }
    if arguments.audit {
        node = node.audited();
    }
    Ok((node.start().await?, chain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_times_are_read() {
        let every = |ms| Ok(BlockTime::Every(Duration::from_millis(ms)));
        assert_eq!("250ms".parse(), every(250));
        assert_eq!("12s".parse(), every(12_000));
        assert_eq!("instant".parse(), Ok(BlockTime::Instant));
        assert_eq!("manual".parse(), Ok(BlockTime::Manual));
        for text in ["", "250", "0ms", "-1s", "1.5s", "7200s", "99999999999s", "fast"] {
            assert!(text.parse::<BlockTime>().is_err(), "{text}");
        }
    }
}
