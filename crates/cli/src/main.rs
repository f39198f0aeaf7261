//! The `myelin` program: a node, a wallet and the tools of every participant.

mod amount;
mod commands;
mod consensus_key;
mod context;
#[cfg(test)]
mod documents;
mod duration;
mod ending;
mod environment;
mod keys;
mod logging;
mod network_files;
mod output;
mod private_file;
mod processes;
mod table;
mod temporary;
mod transaction;

use std::{io::Write, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    commands::{
        demo::DemoArguments, dev::DevArguments, epoch::EpochArguments, init::InitArguments,
        localnet::LocalnetArguments, metagraph::MetagraphArguments, node::NodeArguments,
        observe::ObserveArguments, query::QueryCommand, signing_guard::SigningGuardArguments,
        stake::StakeCommand, storage::StorageCommand, subnet::SubnetCommand, transfer::TransferArguments,
        wallet::WalletCommand, weights::WeightsCommand,
    },
    context::{Context, GlobalArguments},
    output::Output,
};

/// Executing blocks means many small pieces of memory for a short time, which this allocator hands out in half the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a newcomer needs most.
const FIRST_STEPS: &str = "\
First steps:
  myelin demo                             a whole market at work, in less than a minute
  myelin dev                              a chain of your own; leave it running and go on in another terminal
  myelin wallet create me --no-password   keys of your own
  myelin transfer me 2000 -w //Alice      funds from a key that everybody has on a development chain
  myelin subnet create -w me              a market of your own";

/// An open market protocol for machine intelligence.
///
/// The result goes to standard output, everything else to standard error. With --json the result is one JSON document, and what
/// goes wrong is one JSON object with the text as `error`, on the last line of standard error.
#[derive(Parser)]
#[command(name = "myelin", version, infer_subcommands = true, arg_required_else_help = true, after_help = FIRST_STEPS)]
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
    /// Makes a chain and the keys of those who order its blocks.
    Init(InitArguments),
    /// Runs a node of a network: a validator, or one that follows.
    Node(NodeArguments),
    /// Runs a whole network on this machine, a process for each validator.
    Localnet(LocalnetArguments),
    /// Listens to what validators say to each other, and fails when one of them says two things.
    Observe(ObserveArguments),
    /// Shows what a validator has signed last, or begins anew where that is lost.
    SigningGuard(SigningGuardArguments),
    /// Shows the whole market at work: miners store data, validators check it, the honest ones earn.
    ///
    /// Starts a chain of its own; with --node, plays on a development chain or a local network that runs already. The exit code
    /// is 0 only if every honest miner earned more than every other and all money adds up.
    Demo(DemoArguments),
    /// Creates, lists and uses keys.
    #[command(subcommand, arg_required_else_help = true)]
    Wallet(WalletCommand),
    /// Sends TAO.
    Transfer(TransferArguments),
    /// Opens, starts and lists subnets, and registers neurons on them.
    #[command(subcommand, arg_required_else_help = true)]
    Subnet(SubnetCommand),
    /// Buys, sells and lists stake.
    #[command(subcommand, arg_required_else_help = true)]
    Stake(StakeCommand),
    /// Sets and shows weights.
    #[command(subcommand, arg_required_else_help = true)]
    Weights(WeightsCommand),
    /// Shows the neurons of a subnet.
    Metagraph(MetagraphArguments),
    /// Reads the chain.
    #[command(subcommand, arg_required_else_help = true)]
    Query(QueryCommand),
    /// Runs a miner or a validator of the storage market.
    #[command(subcommand, arg_required_else_help = true)]
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
    let program = Arguments::command();
    environment::forget_empty(&program);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&environment::name_origin(error, &program)),
    };
    logging::init(arguments.global.verbose);
    let output = Output { json: arguments.global.json };
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Command::Completions { shell } = arguments.command {
        anyhow::ensure!(!arguments.global.json, "a completion script is no JSON document; leave out --json");
        // Through memory, because the generator panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "myelin", &mut script);
        std::io::stdout().write_all(&script)?;
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
        Command::Init(arguments) => commands::init::run(context, &arguments)?,
        Command::Node(arguments) => commands::node::run(context, arguments).await?,
        Command::Localnet(arguments) => commands::localnet::run(context, arguments).await?,
        Command::SigningGuard(arguments) => commands::signing_guard::run(context, &arguments)?,
        Command::Observe(arguments) => commands::observe::run(context, arguments).await?,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
