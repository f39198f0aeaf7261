//! `myelin epoch`: recomputes an epoch from a file or from a chain, so that anybody can check what a subnet has paid.

mod accounts;
mod chain;
mod comparison;
mod payouts;
mod verify;

use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};
use clap::{ArgGroup, Args};
use myelin_epoch_document::{Document, Epoch, OutputDocument, MAX_DOCUMENT_BYTES};
use myelin_yuma::{epoch_with_trace, EpochOutput, Trace};
use pallet_subtensor::NetUid;
use serde::Serialize;

use crate::context::Context;

#[derive(Args)]
#[command(
    group = ArgGroup::new("inputs").args(["input", "from_chain"]).required(true),
    override_usage = "myelin epoch --input <FILE> [OPTIONS]\n       myelin epoch --from-chain --netuid <NETUID> [OPTIONS]"
)]
pub struct EpochArguments {
    /// File with the inputs of one epoch, or with a case whose `steps` have an `input` each; at most 90 MiB.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Takes the inputs of a subnet's last epoch from the node, and says whether what the chain has stored agrees; fails
    /// if it does not.
    #[arg(long, requires = "netuid", conflicts_with_all = ["repeat", "trace"])]
    from_chain: bool,
    /// Number of the subnet.
    #[arg(long, requires = "from_chain", conflicts_with = "input")]
    netuid: Option<NetUid>,
    /// Takes the last epoch in or before this block, instead of the last.
    #[arg(long, value_name = "BLOCK", requires = "from_chain", conflicts_with = "input")]
    at: Option<u32>,
    /// File for the result, instead of standard output; with --from-chain, for inputs and result.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Threads to compute with; the result is the same for any number.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Computes this many times and says on standard error what the median took, in microseconds.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// Adds the intermediate values, as bits of 32.32 fixed-point numbers.
    #[arg(long)]
    trace: bool,
}

pub async fn run(context: &Context, arguments: &EpochArguments) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads.into()).build()?;
    let output = arguments.output.as_deref();
    match (&arguments.input, arguments.netuid) {
        (Some(input), _) => recompute(context, arguments, input, &pool),
        (None, Some(netuid)) => verify::run(context, netuid, arguments.at, output, &pool).await,
        (None, None) => anyhow::bail!("name inputs with --input, or a subnet with --from-chain --netuid"),
    }
}

fn recompute(
    context: &Context,
    arguments: &EpochArguments,
    input: &Path,
    pool: &rayon::ThreadPool,
) -> Result<()> {
    if let Some(output) = &arguments.output {
        let is_input =
            output.canonicalize().is_ok_and(|output| input.canonicalize().is_ok_and(|input| input == output));
        anyhow::ensure!(
            !is_input,
            "--output is the file with the inputs, which would be lost; name another file"
        );
    }
    let document = read(input)?;
    if let Some(repeat) = arguments.repeat {
        let medians = document.epochs().iter().map(|epoch| pool.install(|| median_micros(epoch, repeat)));
        context.output.progress(Medians(medians.collect()));
    }
    let compute = |epoch: &Epoch| match arguments.trace {
        true => {
            let (output, trace) = epoch_with_trace(&epoch.input());
            (output, Some(trace))
        }
        false => (myelin_yuma::epoch(&epoch.input()), None),
    };
    let results = document.epochs().iter().map(|epoch| pool.install(|| compute(epoch)));
    let results: Vec<(EpochOutput, Option<Trace>)> = results.collect();
    let outputs: Vec<OutputDocument<'_>> =
        results.iter().map(|(output, trace)| OutputDocument::new(output, trace.as_ref())).collect();
    let results = match document.is_case() {
        true => Results::Steps(&outputs),
        false => Results::Single(outputs.first()),
    };
    write(context, arguments.output.as_deref(), &results)
}

/// What computing an epoch takes, in microseconds.
fn median_micros(epoch: &Epoch, repeat: u32) -> f64 {
    let input = epoch.input();
    let mut micros: Vec<f64> = (0..repeat)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(myelin_yuma::epoch(std::hint::black_box(&input)));
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    micros.get(micros.len() / 2).copied().unwrap_or_default()
}

struct Medians(Vec<f64>);

impl fmt::Display for Medians {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let medians: Vec<String> = self.0.iter().map(|micros| format!("{micros:.1}")).collect();
        write!(f, "median microseconds: {}", medians.join(" "))
    }
}

fn read(path: &Path) -> Result<Document> {
    let open = || -> Result<Document> {
        let file = File::open(path)?;
        let (found, limit) = (file.metadata()?.len(), MAX_DOCUMENT_BYTES);
        anyhow::ensure!(found <= limit, "it has {found} bytes; at most {limit} are read");
        Ok(Document::read(file)?)
    };
    open().with_context(|| format!("epoch inputs in {}", path.display()))
}

/// What the inputs come to, shown as the document it is, with or without `--json`.
#[derive(Serialize)]
#[serde(untagged)]
enum Results<'a> {
    Single(Option<&'a OutputDocument<'a>>),
    Steps(&'a [OutputDocument<'a>]),
}

impl fmt::Display for Results<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

fn write(context: &Context, path: Option<&Path>, results: &Results<'_>) -> Result<()> {
    match path {
        None => context.output.result(results),
        Some(path) => std::fs::write(path, format!("{results}\n"))
            .with_context(|| format!("cannot write {}", path.display())),
    }
}
