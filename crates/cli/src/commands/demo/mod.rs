//! `myelin demo`: the storage market at work, on a chain of its own.
//!
//! A node (unless `--node` names one), two validators and five miners run as processes of this program. Two miners are honest, one of them slower; three
//! are not. After a few epochs the honest ones must have earned more than every other, and all money must add up, or the demo has
//! failed.

mod actors;
mod market;
mod report;

use std::{path::Path, pin::pin, process::ExitCode, time::Duration};

use anyhow::{bail, Context as _, Result};
use clap::Args;
use myelin_client::Client;
use serde::Deserialize;

use self::{actors::Cast, market::Market, report::Report};
use crate::{context::Context, processes::Processes, temporary::TemporaryDirectory};

/// Epochs that are watched after everybody is at work.
const EPOCHS: u32 = 12;
/// No single step takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct DemoArguments {
    /// Leaves everything running until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

pub async fn run(context: &Context, arguments: DemoArguments) -> Result<ExitCode> {
    let directory = TemporaryDirectory::new("myelin-demo-")?;
    let mut processes = Processes::new(directory.path())?;
    let outcome = show(context, &arguments, directory.path(), &mut processes).await;
    processes.end().await;
    let removed = directory.close().context("cannot remove the demo's directory");
    outcome.and_then(|code| removed.map(|()| code))
}

/// Plays until there is a report or the demo is asked to end; with `--keep`, waits for that after the report too.
async fn show(
    context: &Context,
    arguments: &DemoArguments,
    directory: &Path,
    processes: &mut Processes,
) -> Result<ExitCode> {
    let mut asked = pin!(context.ending().asked());
    let report = tokio::select! {
        report = play(context, directory, processes) => report?,
        asked = &mut asked => {
            asked?;
            bail!("asked to end before the miners could be judged");
        }
    };
    context.output.result(&report)?;
    if arguments.keep {
        context.output.progress(format!("the chain stays up at {}; Ctrl-C ends it", report.node));
        tokio::select! {
            ended = processes.watch() => ended?,
            asked = &mut asked => asked?,
        }
    }
    Ok(if report.succeeds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The market from its beginning to the report.
async fn play(context: &Context, directory: &Path, processes: &mut Processes) -> Result<Report> {
    let say = |text: &str| context.output.progress(text);
    let node = match context.named_node() {
        Some(url) => {
            say(&format!("using the chain at {url}, where //Alice has to have TAO"));
            url.to_owned()
        }
        None => {
            say("starting a chain with a block every 250 ms");
            start_node(directory, processes).await?
        }
    };
    let client = Client::connect(node.clone()).await?;
    let cast = Cast::new(directory)?;
    say("creating wallets, funding them, opening a subnet for storage");
    let market = Market::open(&client, &cast).await?;
    say("starting five miners and two validators");
    cast.start(&client, processes, &node, &market).await?;

    let mut watched = market.watch(&client, &cast);
    for epoch in 1..=EPOCHS {
        let standing = watched.next_epoch(PATIENCE).await?;
        processes.check_alive()?;
        say(&format!("epoch {epoch}/{EPOCHS}, block {}: {}", standing.block, standing.summary()));
    }
    Report::new(&client, &cast, &market, node).await
}

/// What `myelin dev --json` says once it answers.
#[derive(Deserialize)]
struct Ready {
    rpc: String,
}

/// Starts a development chain; returns where it answers.
async fn start_node(directory: &Path, processes: &mut Processes) -> Result<String> {
    let base_path = directory.join("chain").display().to_string();
    let arguments =
        ["dev", "--json", "--audit", "--rpc-port", "0", "--base-path", &base_path].map(String::from);
    let ready: Ready = processes.start_and_hear("node", arguments.to_vec()).await?;
    Ok(ready.rpc)
}
