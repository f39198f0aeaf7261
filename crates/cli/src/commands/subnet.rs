//! `myelin subnet`

use std::fmt;

use anyhow::{bail, Result};
use clap::{Args, Subcommand};
use myelin_client::{Client, Receipt};
use myelin_runtime::{
    views::{subnet::DynamicInfo, swap::SubnetPrice},
    Runtime, RuntimeCall, RuntimeEvent,
};
use pallet_subtensor::{Call, Event, NetUid, SubnetIdentityV3};
use serde::Serialize;

use crate::{
    amount::Amount,
    context::Context,
    keys::WalletArguments,
    table::Table,
    transaction::{no_details, send, Detail, TransactionArguments},
};

#[derive(Subcommand)]
pub enum SubnetCommand {
    /// Lists the subnets.
    List,
    /// Shows what a new subnet costs now.
    Cost,
    /// Opens a subnet, with the wallet's hotkey in its first slot.
    Create(CreateArguments),
    /// Starts a subnet of yours: its token trades and it earns emission.
    Start(NetuidArguments),
    /// Buys a slot for the wallet's hotkey.
    Register(NetuidArguments),
}

#[derive(Args)]
pub struct CreateArguments {
    /// Name to show.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    wallet: WalletArguments,
    #[command(flatten)]
    transaction: TransactionArguments,
}

#[derive(Args)]
pub struct NetuidArguments {
    /// Number of the subnet.
    netuid: NetUid,
    #[command(flatten)]
    wallet: WalletArguments,
    #[command(flatten)]
    transaction: TransactionArguments,
}

pub async fn run(context: &Context, command: SubnetCommand) -> Result<()> {
    match command {
        SubnetCommand::List => list(context).await,
        SubnetCommand::Cost => cost(context).await,
        SubnetCommand::Create(arguments) => create(context, arguments).await,
        SubnetCommand::Start(arguments) => {
            let signer = arguments.wallet.coldkey(context)?;
            let call = market(Call::start_call { netuid: arguments.netuid });
            send(context, &context.client().await?, call, &signer, arguments.transaction, no_details).await
        }
        SubnetCommand::Register(arguments) => register(context, arguments).await,
    }
}

async fn create(context: &Context, arguments: CreateArguments) -> Result<()> {
    let signer = arguments.wallet.coldkey(context)?;
    let hotkey = arguments.wallet.hotkey_account(context)?;
    let call = match arguments.name {
        None => Call::register_network { hotkey },
        Some(name) => {
            let identity = SubnetIdentityV3 { subnet_name: name.into_bytes(), ..Default::default() };
            Call::register_network_with_identity { hotkey, identity: Some(identity) }
        }
    };
    let client = context.client().await?;
    send(context, &client, market(call), &signer, arguments.transaction, netuid_of).await
}

fn netuid_of(receipt: &Receipt) -> Vec<Detail> {
    let netuid = receipt.find(|event| match event {
        RuntimeEvent::SubtensorModule(Event::NetworkAdded(netuid, _)) => Some(netuid.to_string()),
        _ => None,
    });
    netuid.into_iter().map(|value| Detail { name: "netuid", value }).collect()
}

async fn register(context: &Context, arguments: NetuidArguments) -> Result<()> {
    let signer = arguments.wallet.coldkey(context)?;
    let hotkey = arguments.wallet.hotkey_account(context)?;
    let call = market(Call::burned_register { netuid: arguments.netuid, hotkey });
    let client = context.client().await?;
    send(context, &client, call, &signer, arguments.transaction, uid_of).await
}

fn uid_of(receipt: &Receipt) -> Vec<Detail> {
    let uid = receipt.find(|event| match event {
        RuntimeEvent::SubtensorModule(Event::NeuronRegistered(_, uid, _)) => Some(uid.to_string()),
        _ => None,
    });
    uid.into_iter().map(|value| Detail { name: "uid", value }).collect()
}

pub fn market(call: Call<Runtime>) -> RuntimeCall {
    RuntimeCall::SubtensorModule(call)
}

/// Fails if there is no such subnet, about which the chain would answer with defaults.
pub async fn check_subnet(client: &Client, netuid: NetUid) -> Result<()> {
    match client.prices().await?.iter().any(|price| price.netuid == netuid) {
        true => Ok(()),
        false => bail!("there is no subnet {netuid} on this chain; `myelin subnet list` shows all"),
    }
}

#[derive(Serialize)]
struct Cost {
    cost: Amount,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} TAO", self.cost)
    }
}

async fn cost(context: &Context) -> Result<()> {
    let cost = Amount::from_rao(context.client().await?.subnet_cost().await?);
    context.output.result(&Cost { cost })
}

#[derive(Serialize)]
struct Listing {
    subnets: Vec<Subnet>,
}

#[derive(Serialize)]
struct Subnet {
    netuid: NetUid,
    name: String,
    symbol: String,
    price: Amount,
    tao_in: Amount,
    alpha_in: Amount,
    alpha_out: Amount,
    tempo: u16,
    owner: String,
}

impl Subnet {
    fn new(info: DynamicInfo, prices: &[SubnetPrice]) -> Self {
        let price = prices.iter().find(|price| price.netuid == info.netuid).map_or(0, |price| price.price);
        Self {
            netuid: info.netuid,
            name: text(&info.subnet_name),
            symbol: text(&info.token_symbol),
            price: Amount::from_rao(price),
            tao_in: Amount::from_rao(info.tao_in),
            alpha_in: Amount::from_rao(info.alpha_in),
            alpha_out: Amount::from_rao(info.alpha_out),
            tempo: info.tempo,
            owner: info.owner_coldkey.to_string(),
        }
    }
}

/// Text of which each byte is compact-encoded.
pub fn text(bytes: &[codec::Compact<u8>]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|byte| byte.0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Table::new(["netuid", "name", "symbol", "price", "TAO in", "alpha in", "alpha out", "tempo"]);
        for subnet in &self.subnets {
            table.row([
                subnet.netuid.to_string(),
                subnet.name.clone(),
                subnet.symbol.clone(),
                subnet.price.to_string(),
                subnet.tao_in.to_string(),
                subnet.alpha_in.to_string(),
                subnet.alpha_out.to_string(),
                subnet.tempo.to_string(),
            ]);
        }
        table.fmt(f)
    }
}

async fn list(context: &Context) -> Result<()> {
    let client = context.client().await?.pinned().await?;
    let infos: Vec<Option<DynamicInfo>> =
        client.runtime_api("SubnetInfoRuntimeApi_get_all_dynamic_info", ()).await?;
    let prices = client.prices().await?;
    let mut subnets: Vec<Subnet> =
        infos.into_iter().flatten().map(|info| Subnet::new(info, &prices)).collect();
    subnets.sort_by_key(|subnet| subnet.netuid);
    context.output.result(&Listing { subnets })
}
