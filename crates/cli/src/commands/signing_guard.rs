//! `myelin signing-guard`: what a validator has signed last, and beginning anew where that is lost.

use std::{fmt, path::PathBuf};

use anyhow::{bail, Result};
use clap::Args;
use myelin_bft::{
    guard::{Doubt, Place},
    SigningGuard,
};
use serde::Serialize;

use crate::{
    consensus_key,
    context::Context,
    network_files::{guard_path, KEY_FILE},
};

#[derive(Args)]
pub struct SigningGuardArguments {
    /// The validator's base path.
    #[arg(long, value_name = "DIR")]
    base_path: PathBuf,
    /// Begin anew, where the guard is missing or damaged: for a key that has never signed anything, or where all validators of a
    /// network have lost their guards. A key that signs again what it signed before counts as a traitor.
    #[arg(long)]
    new: bool,
}

/// What a guard knows.
#[derive(Serialize)]
struct Known {
    file: PathBuf,
    height: Option<u32>,
    round: Option<u32>,
    step: Option<String>,
}

impl Known {
    fn new(file: PathBuf, newest: Option<Place>) -> Self {
        Self {
            file,
            height: newest.map(|place| place.height),
            round: newest.map(|place| place.round),
            step: newest.map(|place| format!("{:?}", place.step).to_lowercase()),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.file.display())?;
        match (self.height, self.round, &self.step) {
            (Some(height), Some(round), Some(step)) => {
                write!(f, "remembers a {step} of height {height}, round {round}")
            }
            _ => write!(f, "belongs to a key that has signed nothing"),
        }
    }
}

pub fn run(context: &Context, arguments: &SigningGuardArguments) -> Result<()> {
    let SigningGuardArguments { base_path, new } = arguments;
    let key = consensus_key::load(&base_path.join(KEY_FILE))?.public();
    let file = guard_path(base_path);
    if *new {
        SigningGuard::create(&file, key)?;
    }
    match SigningGuard::newest(&file, key)? {
        Ok(newest) => context.output.result(&Known::new(file, newest)),
        Err(doubt @ Doubt::Outdated) => bail!(
            "{} {doubt}; start the validator, which follows until what it has signed is past, and stop any other node with its key",
            file.display()
        ),
        Err(doubt) => bail!(
            "{} {doubt}, so what this key has signed is not known; start the validator, which follows until that is past, or begin anew with --new if the key has never signed anything",
            file.display()
        ),
    }
}
