//! `myelin epoch`: recomputes an epoch from a file, so that anybody can check what a subnet has paid.

mod document;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};
use clap::Args;
use myelin_yuma::{epoch_with_trace, EpochOutput, Trace};
use serde::Serialize;
use serde_json::{json, Value};

use self::document::Epoch;
use crate::context::Context;

/// More than any subnet can come to.
const MAX_FILE_BYTES: u64 = 1 << 30;

#[derive(Args)]
pub struct EpochArguments {
    /// File with the inputs of one epoch, or with a case whose `steps` have an `input` each.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// File for the result, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Threads to compute with; the result is the same for any number.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Computes this many times and says on standard error what the median took, in microseconds.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Adds the intermediate values, as bits of 32.32 fixed-point numbers.
    #[arg(long)]
    trace: bool,
}

pub fn run(context: &Context, arguments: &EpochArguments) -> Result<()> {
    let (epochs, is_case) = read(&arguments.input)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads.into()).build()?;
    let mut results = Vec::with_capacity(epochs.len());
    let mut micros = Vec::new();
    for epoch in &epochs {
        let (result, median) = pool.install(|| timed(epoch, arguments.repeat));
        results.push(shown(&result.0, arguments.trace.then_some(&result.1)));
        micros.push(median);
    }
    if arguments.repeat > 1 {
        context.output.progress(Medians(&micros));
    }
    let result = match is_case {
        true => Value::Array(results),
        false => results.pop().unwrap_or(Value::Null),
    };
    write(context, arguments.output.as_deref(), &result)
}

/// The result, and the median time it took in microseconds.
fn timed(epoch: &Epoch, repeat: u32) -> ((EpochOutput, Trace), f64) {
    let input = epoch.input();
    let mut result = None;
    let mut micros: Vec<f64> = (0..repeat)
        .map(|_| {
            let start = Instant::now();
            let computed = epoch_with_trace(&input);
            let elapsed = start.elapsed().as_secs_f64() * 1e6;
            result = Some(computed);
            elapsed
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let median = micros.get(micros.len() / 2).copied().unwrap_or_default();
    (result.unwrap_or_default(), median)
}

struct Medians<'a>(&'a [f64]);

impl fmt::Display for Medians<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let medians: Vec<String> = self.0.iter().map(|micros| format!("{micros:.1}")).collect();
        write!(f, "median microseconds: {}", medians.join(" "))
    }
}

fn read(path: &Path) -> Result<(Vec<Epoch>, bool)> {
    let shown = || format!("epoch inputs in {}", path.display());
    let length = std::fs::metadata(path).with_context(shown)?.len();
    anyhow::ensure!(
        length <= MAX_FILE_BYTES,
        "{}: {length} bytes; at most {MAX_FILE_BYTES} are read",
        shown()
    );
    let text = std::fs::read_to_string(path).with_context(shown)?;
    document::parse(&text).with_context(shown)
}

fn shown(output: &EpochOutput, trace: Option<&Trace>) -> Value {
    let mut value = json!({
        "stake_weight": output.stake_weight,
        "active": output.active,
        "consensus": output.consensus,
        "incentive": output.incentive,
        "validator_trust": output.validator_trust,
        "dividends": output.dividends,
        "server_emission": output.server_emission,
        "validator_emission": output.validator_emission,
        "emission": output.emission,
        "validator_permits": output.validator_permits,
        "bonds": output.bonds,
    });
    if let (Some(trace), Value::Object(fields)) = (trace, &mut value) {
        let trace = json!({
            "stake": trace.stake,
            "active_stake": trace.active_stake,
            "consensus": trace.consensus,
            "validator_trust": trace.validator_trust,
            "ranks": trace.ranks,
            "incentive": trace.incentive,
            "dividends": trace.dividends,
            "emission_sum": trace.emission_sum,
        });
        fields.insert("trace".into(), trace);
    }
    value
}

/// Shown as the document it is, with or without `--json`.
#[derive(Serialize)]
#[serde(transparent)]
struct Document<'a>(&'a Value);

impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn write(context: &Context, path: Option<&Path>, result: &Value) -> Result<()> {
    match path {
        None => context.output.result(&Document(result)),
        Some(path) => std::fs::write(path, format!("{result}\n"))
            .with_context(|| format!("cannot write {}", path.display())),
    }
}
