//! An allowance of bytes that fills up again at a steady rate.

use std::time::{Duration, Instant};

/// What was used of an allowance, as the time in which it fills up again.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    per_second: u64,
    /// The time in which an empty allowance fills up.
    whole: Duration,
    used: Duration,
    last: Instant,
}

impl Allowance {
    /// `bytes` at once, which come back at `per_second`.
    pub fn new(bytes: u64, per_second: u64, now: Instant) -> Self {
        let per_second = per_second.max(1);
        Self { per_second, whole: time_of(bytes, per_second), used: Duration::ZERO, last: now }
    }

    /// Uses `bytes`, also more than are left; returns for how long nothing more may be used.
    pub fn charge(&mut self, bytes: u64, now: Instant) -> Duration {
        self.refill(now);
        self.used = self.used.saturating_add(time_of(bytes, self.per_second));
        self.used.saturating_sub(self.whole)
    }

    /// Whether nothing is left.
    pub fn is_empty(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.used >= self.whole
    }

    /// Whether a quarter or more is left.
    pub fn has_recovered(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.used <= self.whole / 4 * 3
    }

    /// Whether nothing is used any more.
    pub fn is_whole(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.used.is_zero()
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.last);
        self.last = self.last.max(now);
        self.used = self.used.saturating_sub(passed);
    }
}

fn time_of(bytes: u64, per_second: u64) -> Duration {
    let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(per_second);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_comes_back_in_time() {
        let start = Instant::now();
        let mut allowance = Allowance::new(200, 100, start);
        assert_eq!(allowance.charge(200, start), Duration::ZERO);
        assert!(allowance.is_empty(start) && !allowance.has_recovered(start));
        assert_eq!(allowance.charge(50, start), Duration::from_millis(500));
        let later = start + Duration::from_millis(500);
        assert_eq!(allowance.charge(0, later), Duration::ZERO);
        assert!(allowance.has_recovered(later + Duration::from_millis(500)));
        assert!(!allowance.is_whole(later + Duration::from_millis(1_999)));
        let rested = start + Duration::from_secs(60);
        assert!(allowance.is_whole(rested));
        assert_eq!(allowance.charge(201, rested), Duration::from_millis(10), "no more than all is saved up");
    }

    #[test]
    fn extremes_saturate() {
        let start = Instant::now();
        let mut allowance = Allowance::new(0, 0, start);
        assert!(allowance.is_empty(start));
        allowance.charge(u64::MAX, start);
        assert!(allowance.charge(u64::MAX, start) > Duration::from_secs(1 << 32));
    }
}
