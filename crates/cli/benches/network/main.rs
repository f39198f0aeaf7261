//! What networks of real processes on one machine do: how evenly blocks come and what an idle network costs, how many
//! transfers become final, what a dead validator costs, how fast nodes catch up. `cargo bench -p myelin --bench network`;
//! Linux, where `/proc` tells processor time and memory. A word after `--` selects the measurements with it in their name.
//!
//! `MYELIN_PROGRAM` names another program than the one of this build, and `MYELIN_OTHER_PROGRAM` one whose replay is measured by
//! turns with it.

// The figures are the result.
#![allow(clippy::print_stdout)]

mod heads;
mod nodes;
mod transfers;

use std::time::{Duration, Instant};

use heads::Arrivals;
use nodes::{load_average, Cluster, Node};
use transfers::{Accounts, Load};

const IDLE: Duration = Duration::from_secs(60);
const WARM_UP: Duration = Duration::from_secs(8);
const LOADED: Duration = Duration::from_secs(20);
/// Blocks that a validator misses before it comes back.
const MISSED_BLOCKS: u64 = 20;
/// Blocks of the chain that a late node replays, and transfers in each.
const REPLAYED_BLOCKS: u64 = 1_000;
const TRANSFERS_PER_BLOCK: usize = 100;
/// Blocks after which the node that has the chain keeps no state of these any more.
const SETTLED_AFTER: u64 = 260;
/// How many nodes do so, one after another.
const REPLAYS: usize = 4;

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let run = |name: &str, measure: &dyn Fn(&str)| {
        if name.contains(&filter) {
            measure(name);
        }
    };
    run("idle/validators=4,target=500ms", &|name| measure_idle(name, "500ms"));
    run("idle/validators=4,target=250ms", &|name| measure_idle(name, "250ms"));
    run("transfers/validators=4", &|name| measure_transfers(name, 4, 8));
    run("transfers/validators=1", &|name| measure_transfers(name, 1, 16));
    run("fault/validators=4,dead=1", &measure_fault);
    run("replay/validators=1", &measure_replay);
}

fn report(name: &str, figures: &str) {
    println!("cli::network::{name}: {figures} (load average {})", load_average());
}

fn measure_idle(name: &str, block_time: &str) {
    let cluster = Cluster::start(4, block_time, &[]);
    cluster.wait_for_height(10);
    let (arrivals, before) = (Arrivals::start(cluster.node(0)), cluster.processor_time());
    std::thread::sleep(IDLE);
    let (intervals, used) = (arrivals.stop().intervals(), cluster.processor_time() - before);
    let cores = used.as_secs_f64() / IDLE.as_secs_f64();
    let memory = cluster.running().map(Node::resident_mib).max().unwrap_or_default();
    report(name, &format!("{}, {cores:.2} cores in all, at most {memory} MiB a node", spread(&intervals)));
}

fn spread(intervals: &[Duration]) -> String {
    let mut sorted = intervals.to_vec();
    sorted.sort();
    let shown = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    let count = u32::try_from(sorted.len()).unwrap_or(u32::MAX).max(1);
    let mean = (sorted.iter().sum::<Duration>() / count).as_millis();
    let p99 = shown(sorted.get(sorted.len() * 99 / 100));
    format!("{count} blocks, mean {mean} ms, p99 {p99} ms, longest {} ms", shown(sorted.last()))
}

fn measure_transfers(name: &str, validators: usize, rounds_in_flight: usize) {
    let accounts = Accounts::new(8, 100);
    let cluster = Cluster::start(validators, "500ms", &accounts.endowments());
    cluster.wait_for_height(2);
    let without_load = cluster.node(0).extrinsics(2);
    let rounds = if validators == 1 { 400 } else { 160 };
    let signed = accounts.sign(rounds, cluster.node(0).genesis());
    let arrivals = Arrivals::start(cluster.node(0));
    let urls: Vec<_> = cluster.running().map(|node| node.http.clone()).collect();
    let load = Load::start(signed, &urls, rounds_in_flight);
    std::thread::sleep(WARM_UP + LOADED);
    let (arrivals, is_dry) = (arrivals.stop().after(WARM_UP), load.is_dry());
    assert!(!is_dry, "the signed transfers were used up; sign more");
    let sent = load.stop();
    let blocks = arrivals.heights().skip(1);
    let counts: Vec<_> = blocks.map(|height| cluster.node(0).extrinsics(height) - without_load).collect();
    let (transfers, seconds) = (counts.iter().sum::<usize>(), arrivals.duration().as_secs_f64());
    let rate = transfers as f64 / seconds;
    let largest = counts.iter().max().copied().unwrap_or_default();
    let memory = cluster.running().map(Node::resident_mib).max().unwrap_or_default();
    report(
        name,
        &format!(
            "{rate:.0} transfers/s over {seconds:.0} s, {}, at most {largest} in a block, {sent} sent, {memory} MiB",
            spread(&arrivals.intervals())
        ),
    );
}

fn measure_fault(name: &str) {
    let mut cluster = Cluster::start(4, "500ms", &[]);
    cluster.wait_for_height(6);
    let arrivals = Arrivals::start(cluster.node(0));
    cluster.kill(3);
    let goal = cluster.node(0).height() + MISSED_BLOCKS;
    cluster.node(0).wait_for_height(goal);
    let intervals = arrivals.stop().intervals();
    let begin = Instant::now();
    cluster.start_node(3);
    let answered = begin.elapsed();
    cluster.node(3).wait_for_height(goal);
    let (caught_up, missed) = (begin.elapsed().as_millis(), MISSED_BLOCKS);
    report(name, &spread(&intervals));
    let answered = answered.as_millis();
    report(
        "restart/validators=4",
        &format!(
            "{missed} blocks caught up in {caught_up} ms, of which {answered} ms until the node answered"
        ),
    );
}

fn measure_replay(name: &str) {
    let accounts = Accounts::new(1, TRANSFERS_PER_BLOCK);
    let cluster = Cluster::start(1, "50ms", &accounts.endowments());
    let node = cluster.node(0);
    let first = node.height();
    let signed = accounts.sign(REPLAYED_BLOCKS as usize, node.genesis());
    let (sent_from, url) = (node.height() + 1, node.http.clone());
    transfers::send_each_block(&signed, node, &url);
    let last = node.height();
    // At its pace of blocks, discarding the states of these would take a tenth of its time while it is asked.
    node.wait_for_height(last + SETTLED_AFTER);
    for round in 1..=REPLAYS {
        for (index, program) in nodes::programs().iter().enumerate() {
            let follower = cluster.start_follower(program, &format!("follower-{round}-{index}"));
            let figures = replay(node, &follower, sent_from.max(first + 1), last);
            report(&format!("{name},program={index}"), &figures);
        }
    }
}

/// What it takes `follower` to get from block `first` to `last`, which `node` has.
fn replay(node: &Node, follower: &Node, first: u64, last: u64) -> String {
    let begin = follower.wait_for_height(first);
    let (started, before) = (follower.height(), follower.processor_time());
    let end = follower.wait_for_height(last);
    let used = follower.processor_time() - before;
    let (blocks, seconds) = (last - started, (end - begin).as_secs_f64());
    let transfers: usize = (started + 1..=last).map(|height| node.extrinsics(height) - 1).sum();
    let (rate, moved) = (blocks as f64 / seconds, transfers as f64 / seconds);
    let mean = transfers as f64 / blocks as f64;
    let each = used.as_secs_f64() * 1_000.0 / blocks as f64;
    format!("{blocks} blocks of {mean:.0} transfers: {rate:.0} blocks/s, {moved:.0} transfers/s, {each:.1} ms of processor time a block")
}
