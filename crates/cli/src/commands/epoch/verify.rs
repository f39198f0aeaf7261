//! `myelin epoch --from-chain`: whether a chain has stored and paid what its own state comes to.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result};
use myelin_epoch_document::{Epoch, EpochFields, OutputDocument};
use myelin_yuma::EpochOutput;
use pallet_subtensor::{NetUid, Uid};
use serde::Serialize;

use super::{
    accounts::Accounts,
    chain::{ChainInputs, EpochStates},
    comparison::{Comparison, Difference, NotCompared, NOT_COMPARED},
    payouts::Payouts,
};
use crate::{context::Context, table::counted};

/// Differences that are shown to people; `--json` has all.
const SHOWN_DIFFERENCES: usize = 50;

/// What was verified and how it came out.
#[derive(Serialize)]
struct Report {
    netuid: NetUid,
    epoch_block: u32,
    neurons: usize,
    mechanisms: usize,
    emission_rao: u64,
    compared_values: usize,
    /// Uids that were registered in the same block after the epoch; their results cannot be seen any more.
    overwritten_uids: Vec<Uid>,
    /// What the epoch changed, too, and what cannot be told from the states that are kept.
    not_compared: &'static [NotCompared],
    agrees: bool,
    differences: Vec<Difference>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "subnet {}, epoch of block {}: {}, {}, {} rao of alpha",
            self.netuid,
            self.epoch_block,
            counted(self.neurons as u64, "neuron"),
            counted(self.mechanisms as u64, "mechanism"),
            self.emission_rao
        )?;
        if !self.overwritten_uids.is_empty() {
            let uids: Vec<String> = self.overwritten_uids.iter().map(ToString::to_string).collect();
            writeln!(f, "left out, since registered later in the same block: uid {}", uids.join(", "))?;
        }
        for NotCompared { value, reason } in self.not_compared {
            writeln!(f, "not compared: {value}, because {reason}")?;
        }
        if self.agrees {
            return write!(f, "all {} stored values agree", self.compared_values);
        }
        write!(f, "{} of {} stored values differ", self.differences.len(), self.compared_values)?;
        for difference in self.differences.iter().take(SHOWN_DIFFERENCES) {
            write!(f, "\n  {difference}")?;
        }
        match self.differences.len().checked_sub(SHOWN_DIFFERENCES) {
            Some(more @ 1..) => write!(f, "\n  and {more} more; --json shows all"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mechanism) = self.mechanism {
            write!(f, "mechanism {mechanism}: ")?;
        }
        write!(f, "{}", self.field)?;
        if let Some(uid) = self.uid {
            write!(f, " of uid {uid}")?;
        }
        if let Some(hotkey) = &self.hotkey {
            write!(f, " of {hotkey}")?;
        }
        write!(f, ": stored {}, computed {}", self.stored, self.computed)
    }
}

/// The epoch as a case that `--input` takes.
#[derive(Serialize)]
struct Case<'a> {
    schema: u64,
    name: String,
    desc: &'static str,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    input: &'a EpochFields,
    output: OutputDocument<'a>,
}

/// Recomputes the last epoch of `netuid` in or before block `at` and compares; writes inputs and results to `output`.
///
/// # Errors
/// The chain cannot be read, no epoch ran yet, or a stored value differs.
pub async fn run(
    context: &Context,
    netuid: NetUid,
    at: Option<u32>,
    output: Option<&Path>,
    pool: &rayon::ThreadPool,
) -> Result<()> {
    let client = context.client().await?;
    let states = EpochStates::find(&client, netuid, at).await?;
    let inputs = states.inputs().await?;
    let outputs = compute(&inputs, pool)?;
    if let Some(path) = output {
        write_case(path, &states, &inputs, &outputs)?;
    }
    let result = myelin_yuma::aggregate(&outputs);
    let accounts = Accounts::read(&states.before, netuid).await?;
    let payouts = Payouts::of(accounts, &inputs.pots, &result);
    let comparison = Comparison::of(&states, &outputs, &result, &payouts).await?;
    let report = Report {
        netuid,
        epoch_block: states.block,
        neurons: inputs.mechanisms.first().map_or(0, |fields| fields.n.into()),
        mechanisms: outputs.len(),
        emission_rao: inputs.pots.epoch_emission_rao(),
        compared_values: comparison.compared,
        overwritten_uids: comparison.overwritten.into_iter().collect(),
        not_compared: NOT_COMPARED,
        agrees: comparison.differences.is_empty(),
        differences: comparison.differences,
    };
    context.output.result(&report)?;
    anyhow::ensure!(report.agrees, "the chain has stored what its own state does not come to");
    Ok(())
}

fn compute(inputs: &ChainInputs, pool: &rayon::ThreadPool) -> Result<Vec<(u64, EpochOutput)>> {
    let outputs = inputs.mechanisms.iter().enumerate().map(|(mechanism, fields)| {
        let epoch = Epoch::new(fields.clone(), Some(mechanism))?;
        Ok((fields.rao_emission, pool.install(|| myelin_yuma::epoch(&epoch.input()))))
    });
    outputs.collect()
}

fn write_case(
    path: &Path,
    states: &EpochStates,
    inputs: &ChainInputs,
    outputs: &[(u64, EpochOutput)],
) -> Result<()> {
    let steps = inputs.mechanisms.iter().zip(outputs);
    let case = Case {
        schema: 1,
        name: format!("subnet {}, block {}", states.netuid, states.block),
        desc: "read from a chain; one step for each mechanism",
        steps: steps
            .map(|(input, (_, output))| Step { input, output: OutputDocument::new(output, None) })
            .collect(),
    };
    let text = serde_json::to_string(&case)?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}
