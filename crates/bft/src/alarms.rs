//! What the engine logs when it is told to end.
//!
//! It takes its own end for a fault, and so says what would alarm an operator whenever a session ends, or the node. A process
//! that runs several nodes, as tests do, does not tell their engines apart.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether an engine ends because it was told to.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Parts of the engine that call its orderly end a fault: its supervisor, which sees the parts end that it is told to end; the
/// network, whose messages nobody takes any more; the clocks of both; who passes on questions to them; and who can write
/// nothing into a log that is closed.
const ALARMED: [&str; 6] = [
    "arc_malachitebft_app_channel::connector",
    "arc_malachitebft_app_channel::run",
    "arc_malachitebft_engine::node",
    "arc_malachitebft_engine::network",
    "arc_malachitebft_engine::util::failure",
    "arc_malachitebft_engine::util::ticker",
];

/// Whether an event with this target says only that the engine ends as it is to.
pub fn is_false_alarm(target: &str) -> bool {
    IS_ENDING.load(Ordering::Relaxed) && ALARMED.contains(&target)
}

/// From now on, the engine ends because it is told to.
pub fn engine_ends() {
    IS_ENDING.store(true, Ordering::Relaxed);
}

/// Another one begins.
pub(crate) fn engine_begins() {
    IS_ENDING.store(false, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_false_only_while_an_engine_ends() {
        engine_ends();
        assert!(is_false_alarm("arc_malachitebft_engine::util::ticker"));
        assert!(!is_false_alarm("arc_malachitebft_engine::wal"));
        engine_begins();
        assert!(!is_false_alarm("arc_malachitebft_engine::util::ticker"));
    }
}
