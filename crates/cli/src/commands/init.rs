//! `myelin init`: a chain and the keys of those who order its blocks.

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::{context::Context, duration, network_files::NetworkFiles, table::Table};

#[derive(Args)]
pub struct InitArguments {
    /// Directory for the chain's specification and one base path for each validator; made if it does not exist.
    directory: PathBuf,
    /// How many validators, all of equal power: 1 to 100.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    validators: u16,
    /// What the chain is called; up to 64 bytes.
    #[arg(long, default_value = "Myelin Local")]
    name: String,
    /// Time between blocks, such as 500ms or 1s; at least 50ms.
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = duration::parse)]
    block_time: Duration,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    chain: PathBuf,
    validators: Vec<MadeValidator>,
}

#[derive(Serialize)]
struct MadeValidator {
    base_path: PathBuf,
    consensus_key: String,
    account: String,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "chain  {}\n", self.chain.display())?;
        let mut table = Table::new(["base path", "consensus key"]);
        for validator in &self.validators {
            table.row([validator.base_path.display().to_string(), validator.consensus_key.clone()]);
        }
        let first = self.validators.first().map(|validator| validator.base_path.display().to_string());
        write!(
            f,
            "{table}\n\nEdit the chain before its first block: its accounts are those of a development chain. Then run\n  \
             myelin node --validator --chain {} --base-path {}",
            self.chain.display(),
            first.unwrap_or_default()
        )
    }
}

pub fn run(context: &Context, arguments: &InitArguments) -> Result<()> {
    let InitArguments { directory, validators, name, block_time } = arguments;
    let files = NetworkFiles::create(directory, name, *validators, *block_time)?;
    let members = (0..).zip(&files.spec.genesis.validators);
    let validators = members.map(|(index, validator)| MadeValidator {
        base_path: files.base_path(index),
        consensus_key: format!("{:?}", validator.key),
        account: validator.account.to_string(),
    });
    context.output.result(&Made { chain: files.spec_path(), validators: validators.collect() })
}
