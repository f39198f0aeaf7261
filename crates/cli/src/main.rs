//! The `myelin` program: a node, a wallet and the tools of every participant.

mod amount;
mod commands;
mod context;
mod keys;
mod output;
mod table;
mod transaction;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    commands::{
        demo::DemoArguments, dev::DevArguments, epoch::EpochArguments, metagraph::MetagraphArguments,
        query::QueryCommand, stake::StakeCommand, storage::StorageCommand, subnet::SubnetCommand,
        transfer::TransferArguments, wallet::WalletCommand, weights::WeightsCommand,
    },
    context::{Context, GlobalArguments},
};

/// An open market protocol for machine intelligence.
///
/// The result goes to standard output, everything else to standard error.
#[derive(Parser)]
#[command(name = "myelin", version, propagate_version = true, infer_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a development chain on this machine, with funded accounts.
    Dev(DevArguments),
    /// Shows the whole market at work: miners store data, validators check it, the honest ones earn.
    Demo(DemoArguments),
    /// Creates, lists and uses keys.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Sends TAO.
    Transfer(TransferArguments),
    /// Opens, starts and lists subnets, and registers neurons on them.
    #[command(subcommand)]
    Subnet(SubnetCommand),
    /// Buys, sells and lists stake.
    #[command(subcommand)]
    Stake(StakeCommand),
    /// Sets and shows weights.
    #[command(subcommand)]
    Weights(WeightsCommand),
    /// Shows the neurons of a subnet.
    Metagraph(MetagraphArguments),
    /// Reads the chain.
    #[command(subcommand)]
    Query(QueryCommand),
    /// Runs a miner or a validator of the storage market.
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Recomputes an epoch from its inputs, so that anybody can check what was paid.
    Epoch(EpochArguments),
    /// Prints a completion script for a shell.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logging(arguments.global.verbose);
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Command::Completions { shell } = arguments.command {
        clap_complete::generate(shell, &mut Arguments::command(), "myelin", &mut std::io::stdout());
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let context = Context::new(arguments.global);
    let code = runtime.block_on(dispatch(&context, arguments.command))?;
    // Whatever still runs in the background is of no use without the command.
    runtime.shutdown_background();
    Ok(code)
}

async fn dispatch(context: &Context, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(arguments) => return commands::demo::run(context, arguments).await,
        Command::Dev(arguments) => commands::dev::run(context, arguments).await?,
        Command::Wallet(command) => commands::wallet::run(context, command).await?,
        Command::Transfer(arguments) => commands::transfer::run(context, arguments).await?,
        Command::Subnet(command) => commands::subnet::run(context, command).await?,
        Command::Stake(command) => commands::stake::run(context, command).await?,
        Command::Weights(command) => commands::weights::run(context, command).await?,
        Command::Metagraph(arguments) => commands::metagraph::run(context, arguments).await?,
        Command::Query(command) => commands::query::run(context, command).await?,
        Command::Storage(command) => commands::storage::run(context, command).await?,
        Command::Epoch(arguments) => commands::epoch::run(context, &arguments).await?,
        Command::Completions { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Logs go to standard error; `RUST_LOG` wins over `--verbose`.
fn init_logging(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
