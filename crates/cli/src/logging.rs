//! What goes into the log.

use std::io::IsTerminal;

use myelin_bft::alarms::is_false_alarm;
use tracing_subscriber::{
    filter::dynamic_filter_fn, layer::SubscriberExt, util::SubscriberInitExt, EnvFilter, Layer,
};

/// Logs go to standard error, in colour only to a terminal; `RUST_LOG` wins over `--verbose`.
pub fn init(verbose: u8) {
    let default = match verbose {
        // The engine calls every peer that is not up yet an error, and knows it by a port of this machine; which peers
        // a node misses, it says itself. What a node has failed from is the command's own last word.
        0 => "warn,arc_malachitebft_network=off,arc_malachitebft_discovery=off,yamux=error,myelin_node::handle=off",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let (filter, is_default) = match EnvFilter::try_from_default_env() {
        Ok(filter) => (filter, false),
        Err(_) => (EnvFilter::new(default), verbose == 0),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // Whoever asked for more than the default hears the engine until its end.
        .with_filter(dynamic_filter_fn(move |event, _| !is_default || !is_false_alarm(event.target())));
    tracing_subscriber::registry().with(filter).with(lines).init();
}
