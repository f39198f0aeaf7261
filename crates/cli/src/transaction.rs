//! Sending a transaction, or showing what sending it would do.

use std::{convert::Infallible, fmt, future::Future, time::Duration};

use clap::{Args, ValueEnum};
use myelin_client::{account_of, Client, ClientError, Receipt, WaitFor};
use myelin_keys::Keypair;
use myelin_runtime::{AccountId, Runtime, RuntimeCall};
use pallet_subtensor::{Call, NetUid, SubnetOwner};
use serde::Serialize;

use crate::{amount::Amount, context::Context, output::Output};

/// How long a transaction may take before the person who waits is told what for.
const QUIET_WAIT: Duration = Duration::from_secs(5);
/// How often they are told from then on.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(15);
/// Why there may be no block meanwhile.
const NO_BLOCK: &str =
    "there has been no block for 5 seconds; a chain with `--block-time manual` makes one for each request \
                        `dev_mine`; still waiting";

/// Options of every command that changes the chain.
#[derive(Args, Clone, Copy)]
#[command(next_help_heading = "Transaction")]
pub struct TransactionArguments {
    /// Runs the transaction on the newest state and shows its fee or its error; sends nothing. Without it, what passes there is sent.
    #[arg(long)]
    pub dry_run: bool,
    /// Which block to wait for: one that has the transaction, or a final one.
    #[arg(long, value_enum, default_value_t = Wait::Finalized)]
    pub wait: Wait,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Wait {
    Included,
    Finalized,
}

impl From<Wait> for WaitFor {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Included => Self::InBlock,
            Wait::Finalized => Self::Finalized,
        }
    }
}

/// What a command that changes the chain answers.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Outcome {
    /// Nothing was sent.
    DryRun { call: String, signer: String, fee: Amount },
    /// It is in a block, and what it asked for was done.
    Success {
        call: String,
        extrinsic_hash: String,
        extrinsic_id: String,
        block_hash: String,
        block_number: u32,
        fee: Amount,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        details: Vec<Detail>,
    },
}

/// One thing that a transaction did.
#[derive(Serialize)]
pub struct Detail {
    pub name: &'static str,
    pub value: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DryRun { call, signer, fee } => {
                write!(f, "would send {call}\n  signer  {signer}\n  fee     {fee} TAO")
            }
            Self::Success { call, extrinsic_id, block_hash, fee, details, .. } => {
                write!(
                    f,
                    "{call}\n  extrinsic  {extrinsic_id}\n  block      {block_hash}\n  fee        {fee} TAO"
                )?;
                details.iter().try_for_each(|detail| write!(f, "\n  {:<9}  {}", detail.name, detail.value))
            }
        }
    }
}

/// Sends `call` if it does not fail on trial, or shows what it would cost; prints the outcome.
pub async fn send(
    context: &Context,
    client: &Client,
    call: RuntimeCall,
    signer: &Keypair,
    arguments: TransactionArguments,
    details: impl FnOnce(&Receipt) -> Vec<Detail>,
) -> anyhow::Result<()> {
    let outcome = match arguments.dry_run {
        true => dry_run(client, &call, signer).await,
        false => {
            let submission = submit(client, &call, signer, arguments.wait, details);
            saying_that_it_waits(context.output, client, arguments.wait, submission).await
        }
    };
    match outcome {
        Ok(outcome) => context.output.result(&outcome),
        Err(error) => Err(explained(client, &call, &account_of(signer), error).await),
    }
}

/// Awaits a submission; says on the way that it lasts, what it waits for, and how the node is.
async fn saying_that_it_waits<T>(
    output: Output,
    client: &Client,
    wait: Wait,
    submission: impl Future<Output = T>,
) -> T {
    tokio::select! {
        biased;
        outcome = submission => outcome,
        never = keep_telling(output, client, wait) => match never {},
    }
}

async fn keep_telling(output: Output, client: &Client, wait: Wait) -> Infallible {
    let before = client.block_number().await.ok();
    tokio::time::sleep(QUIET_WAIT).await;
    if before.is_some() && client.block_number().await.ok() == before {
        output.progress(NO_BLOCK);
    }
    loop {
        output.progress(waiting_for(client, wait).await);
        tokio::time::sleep(PROGRESS_INTERVAL).await;
    }
}

async fn waiting_for(client: &Client, wait: Wait) -> String {
    let block = match wait {
        Wait::Included => "a block",
        Wait::Finalized => "a final block",
    };
    let node = match tokio::join!(client.block_number(), client.health()) {
        (Ok(number), Ok(health)) => format!("its newest block is {number}, {health}"),
        (Err(error), _) | (_, Err(error)) => format!("it does not say how it is: {error}"),
    };
    format!("waiting until {block} has the transaction; the node at {}: {node}", client.config().url)
}

async fn dry_run(client: &Client, call: &RuntimeCall, signer: &Keypair) -> Result<Outcome, ClientError> {
    let account = account_of(signer);
    client.dry_run(call.clone(), signer).await?;
    let fee = Amount::from_rao(client.estimate_fee(call.clone(), &account).await?);
    Ok(Outcome::DryRun { call: call_name(call), signer: account.to_string(), fee })
}

async fn submit(
    client: &Client,
    call: &RuntimeCall,
    signer: &Keypair,
    wait: Wait,
    details: impl FnOnce(&Receipt) -> Vec<Detail>,
) -> Result<Outcome, ClientError> {
    // What surely fails costs no fee.
    client.check(call.clone(), signer).await?;
    let receipt = client.submit(call.clone(), signer, wait.into()).await?;
    Ok(Outcome::Success {
        call: call_name(call),
        extrinsic_hash: format!("{:?}", receipt.extrinsic),
        extrinsic_id: format!("{}-{:04}", receipt.block_number, receipt.index),
        block_hash: format!("{:?}", receipt.block),
        block_number: receipt.block_number,
        fee: Amount::from_rao(receipt.fee_rao),
        details: details(&receipt),
    })
}

/// The error with what the chain knows besides: who may do this, or what there is to pay with.
async fn explained(
    client: &Client,
    call: &RuntimeCall,
    account: &AccountId,
    error: ClientError,
) -> anyhow::Error {
    let fact = match (owned_subnet(call), error.failure()) {
        (Some(netuid), Some(failure)) if failure.error == "BadOrigin" => owner_fact(client, netuid).await,
        _ if error.is_about_funds() => funds_fact(client, account).await,
        _ => None,
    };
    match fact {
        Some(fact) => {
            let told = format!("{error}; {fact}");
            anyhow::Error::new(error).context(told)
        }
        None => error.into(),
    }
}

/// The subnet of a call that only its owner may make.
fn owned_subnet(call: &RuntimeCall) -> Option<NetUid> {
    match call {
        RuntimeCall::SubtensorModule(Call::start_call { netuid }) => Some(*netuid),
        _ => None,
    }
}

async fn owner_fact(client: &Client, netuid: NetUid) -> Option<String> {
    let owner: AccountId = client.map::<SubnetOwner<Runtime>, _, _>(netuid).await.ok()?;
    Some(format!("only the owner of subnet {netuid}, {owner}, may do this"))
}

async fn funds_fact(client: &Client, account: &AccountId) -> Option<String> {
    let funds = client.funds(account).await.ok()?;
    Some(format!("{account} has {} TAO free", Amount::from_rao(funds.free_rao)))
}

/// For transactions of which there is nothing to add.
pub fn no_details(_: &Receipt) -> Vec<Detail> {
    Vec::new()
}

/// `Pallet.call`, as clients name it.
fn call_name(call: &RuntimeCall) -> String {
    use frame_support::traits::GetCallMetadata;
    let metadata = call.get_call_metadata();
    format!("{}.{}", metadata.pallet_name, metadata.function_name)
}
