//! `myelin query`

use std::fmt;

use anyhow::{bail, Result};
use clap::Subcommand;
use codec::Decode;
use myelin_runtime::{views::audit::Audit, RuntimeCall, UncheckedExtrinsic};
use pallet_subtensor::{NetUid, SubnetAudit, ROOT};
use serde::Serialize;

use crate::{
    amount::Amount,
    commands::{subnet::check_subnet, wallet},
    context::Context,
    table::{counted, Table},
};

#[derive(Subcommand)]
pub enum QueryCommand {
    /// Shows the free TAO of an address or a wallet.
    Balance {
        /// Address or name of a wallet.
        account: String,
    },
    /// Shows the newest block, or the one at a height.
    Block {
        /// Height of the block.
        number: Option<u32>,
    },
    /// Shows what an alpha of a subnet costs.
    Price {
        /// Number of the subnet.
        netuid: NetUid,
    },
    /// Shows when the next epoch of a subnet runs.
    Epoch {
        /// Number of the subnet.
        netuid: NetUid,
    },
    /// Adds up all TAO and all alpha, and fails if anything was lost or made from nothing.
    Conservation,
}

pub async fn run(context: &Context, command: QueryCommand) -> Result<()> {
    match command {
        QueryCommand::Balance { account } => wallet::balance(context, &account).await,
        QueryCommand::Block { number } => block(context, number).await,
        QueryCommand::Price { netuid } => price(context, netuid).await,
        QueryCommand::Epoch { netuid } => epoch(context, netuid).await,
        QueryCommand::Conservation => conservation(context).await,
    }
}

#[derive(Serialize)]
struct Block {
    number: u32,
    hash: String,
    parent_hash: String,
    state_root: String,
    /// None for the genesis block, which has no time.
    time_ms: Option<u64>,
    extrinsics: usize,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "block {}\n  hash        {}\n  parent      {}\n  state root  {}\n  extrinsics  {}",
            self.number, self.hash, self.parent_hash, self.state_root, self.extrinsics
        )?;
        match self.time_ms {
            Some(time_ms) => write!(f, "\n  time        {time_ms} ms"),
            None => Ok(()),
        }
    }
}

async fn block(context: &Context, number: Option<u32>) -> Result<()> {
    let client = context.client().await?;
    let client = match number {
        Some(number) => client.at(client.block_hash(number).await?),
        None => client.pinned().await?,
    };
    let body = client.block().await?;
    let header = &body.header;
    context.output.result(&Block {
        number: header.number,
        hash: format!("{:?}", header.hash()),
        parent_hash: format!("{:?}", header.parent_hash),
        state_root: format!("{:?}", header.state_root),
        time_ms: body.extrinsics.iter().find_map(|bytes| time_of(bytes)),
        extrinsics: body.extrinsics.len(),
    })
}

/// The time that the inherent of a block sets. The block says so itself, however old it is.
fn time_of(extrinsic: &[u8]) -> Option<u64> {
    match UncheckedExtrinsic::decode(&mut &extrinsic[..]).ok()?.function {
        RuntimeCall::Timestamp(pallet_timestamp::Call::set { now }) => Some(now),
        _ => None,
    }
}

#[derive(Serialize)]
struct Price {
    netuid: NetUid,
    price: Amount,
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} TAO", self.price)
    }
}

async fn price(context: &Context, netuid: NetUid) -> Result<()> {
    let client = context.client().await?.pinned().await?;
    check_subnet(&client, netuid).await?;
    let rao: u64 = client.runtime_api("SwapRuntimeApi_current_alpha_price", netuid).await?;
    context.output.result(&Price { netuid, price: Amount::from_rao(rao) })
}

#[derive(Serialize)]
struct Epoch {
    netuid: NetUid,
    block: u32,
    next_epoch_block: u64,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.next_epoch_block.saturating_sub(u64::from(self.block));
        write!(f, "block {}, {} from now", self.next_epoch_block, counted(left, "block"))
    }
}

async fn epoch(context: &Context, netuid: NetUid) -> Result<()> {
    let client = context.client().await?.pinned().await?;
    check_subnet(&client, netuid).await?;
    if netuid == ROOT {
        bail!("root, subnet 0, runs no epochs: who stakes there is paid in the epochs of the other subnets");
    }
    let schedule = client.epoch_schedule(netuid).await?;
    let Some(next_epoch_block) = schedule.next_epoch_block else {
        bail!("subnet {netuid} runs no epochs: its tempo is 0")
    };
    let block = client.block_number().await?;
    // One that is overdue runs in the next block.
    let next_epoch_block = next_epoch_block.max(u64::from(block).saturating_add(1));
    context.output.result(&Epoch { netuid, block, next_epoch_block })
}

#[derive(Serialize)]
struct Books<'a> {
    conserved: bool,
    #[serde(flatten)]
    audit: &'a Audit,
}

impl fmt::Display for Books<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuance = Amount::from_rao(self.audit.market.ledger_issuance_rao);
        writeln!(f, "{} TAO in {} accounts", issuance, self.audit.accounts)?;
        let mut table = Table::new([
            "netuid",
            "TAO in pool",
            "alpha out",
            "staked",
            "pending",
            "root",
            "protocol",
            "nobody's",
        ]);
        let shown = |rao| Amount::from_rao(rao).to_string();
        for SubnetAudit {
            netuid,
            tao_reserve_rao,
            alpha_out,
            staked,
            pending,
            root_claims,
            protocol,
            unassigned,
            ..
        } in self.audit.market.subnets.iter().cloned()
        {
            let sums =
                [tao_reserve_rao, alpha_out, staked, pending, root_claims, protocol, unassigned].map(shown);
            let [tao, out, staked, pending, root, protocol, unassigned] = sums;
            table.row([netuid.to_string(), tao, out, staked, pending, root, protocol, unassigned]);
        }
        let verdict = if self.conserved { "every sum agrees" } else { "THE SUMS DO NOT AGREE" };
        write!(f, "{table}\n{verdict}")
    }
}

async fn conservation(context: &Context) -> Result<()> {
    let audit: Audit = context.client().await?.runtime_api("AuditApi_audit", ()).await?;
    let conserved = audit.holds();
    context.output.result(&Books { conserved, audit: &audit })?;
    if !conserved {
        bail!("money is not conserved on this chain; keep its database and report this");
    }
    Ok(())
}
