//! Warnings that others can cause, of which one a minute is enough.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(60);

/// When such a warning was given last.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Option<Instant>);

impl Seldom {
    /// Whether it is to be given now; if so, it is given.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_is_given() {
        let (mut warning, start) = (Seldom::default(), Instant::now());
        let given: Vec<_> =
            (0..=120).filter(|second| warning.is_due(start + Duration::from_secs(*second))).collect();
        assert_eq!(given, [0, 60, 120]);
    }
}
