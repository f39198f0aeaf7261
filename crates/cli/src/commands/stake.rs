//! `myelin stake`

use std::{fmt, str::FromStr};

use anyhow::{bail, Result};
use clap::{Args, Subcommand};
use myelin_client::Receipt;
use myelin_runtime::RuntimeEvent;
use pallet_subtensor::{Call, Event, NetUid};
use serde::Serialize;

use crate::{
    amount::{Amount, AmountError},
    commands::subnet::market,
    context::Context,
    keys::{account_named, WalletArguments},
    table::Table,
    transaction::{send, Detail, TransactionArguments},
};

#[derive(Subcommand)]
pub enum StakeCommand {
    /// Stakes TAO with a hotkey: buys alpha of the subnet.
    Add(OrderArguments),
    /// Sells stake for TAO.
    Remove(RemoveArguments),
    /// Lists the stakes of an address or a wallet.
    List {
        /// Address or name of a wallet.
        account: String,
    },
}

#[derive(Args)]
pub struct OrderArguments {
    /// Number of the subnet; 0 is root.
    netuid: NetUid,
    /// TAO to spend, such as 12.5.
    #[arg(value_parser = Amount::positive, allow_negative_numbers = true)]
    amount: Amount,
    #[command(flatten)]
    order: Order,
}

#[derive(Args)]
pub struct RemoveArguments {
    /// Number of the subnet; 0 is root.
    netuid: NetUid,
    /// Alpha to sell, or `all`.
    #[arg(value_name = "AMOUNT|all", allow_negative_numbers = true)]
    quantity: Quantity,
    #[command(flatten)]
    order: Order,
}

/// How much of a position to sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    All,
    Exactly(Amount),
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            _ => Amount::positive(text)
                .map(Self::Exactly)
                .map_err(|error: AmountError| format!("{error}, or `all`")),
        }
    }
}

#[derive(Args)]
struct Order {
    /// Address of the hotkey that the stake is with; the wallet's own without it.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Worst price to accept, in TAO for one alpha.
    #[arg(long, value_name = "PRICE")]
    limit_price: Option<Amount>,
    /// With --limit-price: takes what can be had within it, instead of all or nothing.
    #[arg(long, requires = "limit_price")]
    allow_partial: bool,
    #[command(flatten)]
    wallet: WalletArguments,
    #[command(flatten)]
    transaction: TransactionArguments,
}

pub async fn run(context: &Context, command: StakeCommand) -> Result<()> {
    match command {
        StakeCommand::Add(arguments) => add(context, arguments).await,
        StakeCommand::Remove(arguments) => remove(context, arguments).await,
        StakeCommand::List { account } => list(context, &account).await,
    }
}

impl Order {
    fn hotkey(&self, context: &Context) -> Result<myelin_runtime::AccountId> {
        match &self.to {
            Some(address) => account_named(context, address),
            None => self.wallet.hotkey_account(context),
        }
    }
}

async fn add(context: &Context, arguments: OrderArguments) -> Result<()> {
    let OrderArguments { netuid, amount, order } = arguments;
    let hotkey = order.hotkey(context)?;
    let call = match order.limit_price {
        None => Call::add_stake { hotkey, netuid, amount_staked: amount.rao },
        Some(limit) => Call::add_stake_limit {
            hotkey,
            netuid,
            amount_staked: amount.rao,
            limit_price: limit.rao,
            allow_partial: order.allow_partial,
        },
    };
    let signer = order.wallet.coldkey(context)?;
    send(context, &context.client().await?, market(call), &signer, order.transaction, bought).await
}

async fn remove(context: &Context, arguments: RemoveArguments) -> Result<()> {
    let RemoveArguments { netuid, quantity, order } = arguments;
    let hotkey = order.hotkey(context)?;
    let coldkey = order.wallet.coldkey_account(context)?;
    let client = context.client().await?;
    let position = Amount::from_rao(client.stake(&coldkey, &hotkey, netuid).await?);
    let amount_unstaked = match quantity {
        _ if position.rao == 0 => {
            bail!("nothing is staked with {hotkey} on subnet {netuid}; `myelin stake list` shows what is")
        }
        Quantity::All => position.rao,
        Quantity::Exactly(amount) if amount > position => bail!(
            "{position} alpha is staked with {hotkey} on subnet {netuid}, less than {amount}; give no more than there is, \
             or `all`"
        ),
        Quantity::Exactly(amount) => amount.rao,
    };
    let call = match order.limit_price {
        None => Call::remove_stake { hotkey, netuid, amount_unstaked },
        Some(limit) => Call::remove_stake_limit {
            hotkey,
            netuid,
            amount_unstaked,
            limit_price: limit.rao,
            allow_partial: order.allow_partial,
        },
    };
    let signer = order.wallet.coldkey(context)?;
    send(context, &client, market(call), &signer, order.transaction, sold).await
}

fn bought(receipt: &Receipt) -> Vec<Detail> {
    let trade = receipt.find(|event| match event {
        RuntimeEvent::SubtensorModule(Event::StakeAdded(_, _, tao, alpha, _, _)) => Some((*tao, *alpha)),
        _ => None,
    });
    trade_details(trade)
}

fn sold(receipt: &Receipt) -> Vec<Detail> {
    let trade = receipt.find(|event| match event {
        RuntimeEvent::SubtensorModule(Event::StakeRemoved(_, _, tao, alpha, _, _)) => Some((*tao, *alpha)),
        _ => None,
    });
    trade_details(trade)
}

fn trade_details(trade: Option<(u64, u64)>) -> Vec<Detail> {
    let shown = |name, rao| Detail { name, value: Amount::from_rao(rao).to_string() };
    trade.map_or_else(Vec::new, |(tao, alpha)| vec![shown("tao", tao), shown("alpha", alpha)])
}

#[derive(Serialize)]
struct Listing {
    stakes: Vec<Stake>,
}

#[derive(Serialize)]
struct Stake {
    netuid: NetUid,
    hotkey: String,
    alpha: Amount,
    registered: bool,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stakes.is_empty() {
            return f.write_str("no stake");
        }
        let mut table = Table::new(["hotkey", "netuid", "alpha", "registered"]);
        for stake in &self.stakes {
            let registered = if stake.registered { "yes" } else { "no" };
            table.row([
                stake.hotkey.clone(),
                stake.netuid.to_string(),
                stake.alpha.to_string(),
                registered.into(),
            ]);
        }
        table.fmt(f)
    }
}

async fn list(context: &Context, account: &str) -> Result<()> {
    let account = account_named(context, account)?;
    let infos = context.client().await?.stakes(&account).await?;
    let stakes = infos.into_iter().map(|info| Stake {
        netuid: info.netuid,
        hotkey: info.hotkey.to_string(),
        alpha: Amount::from_rao(info.stake),
        registered: info.is_registered,
    });
    context.output.result(&Listing { stakes: stakes.collect() })
}
