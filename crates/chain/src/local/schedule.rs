//! When the next block is due.

use tokio::{
    sync::watch,
    time::{interval_at, Instant, Interval, MissedTickBehavior},
};

use super::SealMode;

/// Waits for the next block's moment, by the current mode.
pub struct Schedule {
    mode: SealMode,
    ticks: Option<Interval>,
    arrivals: watch::Receiver<u64>,
}

impl Schedule {
    /// A schedule for `mode`; `arrivals` changes when a transaction becomes ready.
    pub fn new(mode: SealMode, arrivals: watch::Receiver<u64>) -> Self {
        let mut schedule = Self { mode, ticks: None, arrivals };
        schedule.start();
        schedule
    }

    /// Changes to `mode` if it is another.
    pub fn follow(&mut self, mode: SealMode) {
        if self.mode != mode {
            self.mode = mode;
            self.start();
        }
    }

    /// Ends when a block is due. May be dropped while waiting.
    pub async fn due(&mut self) {
        match (self.mode, &mut self.ticks) {
            (SealMode::Interval(_), Some(ticks)) => {
                ticks.tick().await;
            }
            // The sender lives as long as the mempool; without it nothing arrives any more.
            (SealMode::Instant, _) if self.arrivals.changed().await.is_ok() => {}
            _ => std::future::pending().await,
        }
    }

    fn start(&mut self) {
        self.ticks = match self.mode {
            SealMode::Interval(interval) => {
                let mut ticks =
                    interval_at(Instant::now() + interval, interval.max(std::time::Duration::from_millis(1)));
                // A block that took long must not be followed by a burst of them.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                Some(ticks)
            }
            SealMode::Instant | SealMode::Manual => None,
        };
        // What is ready already counts as arrived.
        self.arrivals.mark_changed();
    }
}
