//! What `myelin dev` costs as a whole: how soon it answers, what it holds while nothing happens, how fast it makes empty
//! blocks when asked over RPC. `cargo bench -p myelin --bench start`; Linux, where `/proc` tells memory.

// The figures are the result.
#![allow(clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;
use support::{myelin, Chain};

const STARTS: usize = 9;
const IDLE: Duration = Duration::from_secs(20);
const BLOCKS: u32 = 2_000;
const POLL: Duration = Duration::from_millis(1);

fn main() {
    for location in ["memory", "disk"] {
        measure_starts(location);
        measure_idle_memory(location);
        measure_empty_blocks(location);
    }
}

/// The directory for a node on disk, and the node's arguments.
fn arguments_for(location: &str) -> (tempfile::TempDir, Vec<String>) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let base_path = directory.path().display().to_string();
    let arguments = match location {
        "disk" => vec!["--base-path".to_owned(), base_path],
        _ => Vec::new(),
    };
    (directory, arguments)
}

fn start(arguments: &[String], more: &[&str]) -> Chain {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Chain::started_by(myelin(), &arguments)
}

fn tip(chain: &Chain) -> u64 {
    let header = chain.request("chain_getHeader", &json!([])).expect("answers");
    let number = header["result"]["number"].as_str().expect("a height");
    u64::from_str_radix(number.trim_start_matches("0x"), 16).expect("hex digits")
}

/// From the start of the process, database and genesis included, to the first answer and to block 1.
fn measure_starts(location: &str) {
    let (mut answers, mut blocks) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let (_directory, arguments) = arguments_for(location);
        let begin = Instant::now();
        let chain = start(&arguments, &[]);
        tip(&chain);
        answers.push(begin.elapsed());
        while tip(&chain) == 0 {
            std::thread::sleep(POLL);
        }
        blocks.push(begin.elapsed());
    }
    println!("cli::start/until=answer,location={location}: {}", spread(answers));
    println!("cli::start/until=block_1,location={location}: {}", spread(blocks));
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let shown = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    let (median, last) = (shown(times.get(times.len() / 2)), shown(times.last()));
    format!("median {median} ms, slowest of {} {last} ms", times.len())
}

/// Resident memory of a node that makes a block every 250 ms and has no clients.
fn measure_idle_memory(location: &str) {
    let (_directory, arguments) = arguments_for(location);
    let chain = start(&arguments, &[]);
    std::thread::sleep(IDLE);
    let status = fs::read_to_string(format!("/proc/{}/status", chain.id())).expect("Linux");
    let mib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
        kib / 1024
    };
    let (now, peak) = (mib("VmRSS"), mib("VmHWM"));
    println!("cli::idle/seconds={},location={location}: {now} MiB, at most {peak} MiB", IDLE.as_secs());
}

/// Empty blocks, all asked for in one request.
fn measure_empty_blocks(location: &str) {
    let (_directory, arguments) = arguments_for(location);
    let chain = start(&arguments, &["--block-time", "manual"]);
    let begin = Instant::now();
    chain.request("dev_mine", &json!([BLOCKS])).expect("answers");
    let rate = f64::from(BLOCKS) / begin.elapsed().as_secs_f64();
    assert_eq!(tip(&chain), u64::from(BLOCKS));
    println!("cli::dev_mine/blocks={BLOCKS},location={location}: {rate:.0} blocks/s");
}
