//! What the project does to itself. `cargo xtask test` is what CI runs.

// The tool talks to the person who runs it.
#![allow(clippy::print_stderr)]

mod clients;
mod demo;
mod steps;
mod tidy;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What the project does to itself")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs every check and test: format, lints, tidiness, Rust tests, the demo, and unmodified clients.
    Test {
        /// Leaves out the tests that need python3, node and a package index.
        #[arg(long)]
        rust_only: bool,
    },
    /// Checks the rules of the house that no compiler checks.
    Tidy,
    /// Kills, divides and restores validators again and again; takes half an hour.
    Faults {
        /// How often each fault is repeated; a tenth of it when one time takes many seconds.
        #[arg(long, default_value_t = 100)]
        cycles: u32,
    },
    /// Runs unmodified clients of the ecosystem against a development chain.
    Clients,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { rust_only } => steps::test(rust_only),
        Task::Tidy => tidy::check(&workspace()),
        Task::Faults { cycles } => steps::faults(&workspace(), cycles),
        Task::Clients => clients::run(&workspace()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace: the one that cargo runs this for, which may have taken it from a build of another copy.
fn workspace() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let xtask = PathBuf::from(here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()));
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}
