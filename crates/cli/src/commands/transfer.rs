//! `myelin transfer`

use anyhow::Result;
use clap::Args;
use myelin_runtime::RuntimeCall;

use crate::{
    amount::Amount,
    context::Context,
    keys::{account_named, WalletArguments},
    transaction::{no_details, send, TransactionArguments},
};

#[derive(Args)]
pub struct TransferArguments {
    /// Receiver: an address or the name of a wallet.
    to: String,
    /// TAO to send, such as 12.5.
    #[arg(value_parser = Amount::positive, allow_negative_numbers = true)]
    amount: Amount,
    /// Lets the sender's account be removed when almost nothing is left.
    #[arg(long)]
    allow_death: bool,
    #[command(flatten)]
    wallet: WalletArguments,
    #[command(flatten)]
    transaction: TransactionArguments,
}

pub async fn run(context: &Context, arguments: TransferArguments) -> Result<()> {
    let dest = account_named(context, &arguments.to)?.into();
    let signer = arguments.wallet.coldkey(context)?;
    let client = context.client().await?;
    let value = arguments.amount.rao;
    let call = match arguments.allow_death {
        true => pallet_balances::Call::transfer_allow_death { dest, value },
        false => pallet_balances::Call::transfer_keep_alive { dest, value },
    };
    send(context, &client, RuntimeCall::Balances(call), &signer, arguments.transaction, no_details).await
}
