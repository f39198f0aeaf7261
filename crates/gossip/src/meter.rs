//! Allowances: a bucket that leaks at a steady rate.

use std::time::{Duration, Instant};

/// What one peer has used of an allowance, as the time in which the allowance would cover it.
#[derive(Clone, Debug)]
pub struct Meter {
    per_second: u64,
    burst: Duration,
    used: Duration,
    last: Instant,
}

impl Meter {
    /// Nothing is used yet. `burst` is the time whose allowance may be used at once.
    pub fn new(per_second: u64, burst: Duration, now: Instant) -> Self {
        Self { per_second: per_second.max(1), burst, used: Duration::ZERO, last: now }
    }

    /// One every `period`, and `burst` of them at once.
    pub fn every(period: Duration, burst: u64, now: Instant) -> Self {
        let burst = u32::try_from(burst).unwrap_or(u32::MAX);
        // In units of nanoseconds, so that any period is exact.
        Self::new(1_000_000_000, period.saturating_mul(burst), now)
    }

    /// Uses `amount`; returns for how long nothing more may be used.
    pub fn charge(&mut self, amount: u64, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.last);
        let nanoseconds = u128::from(amount) * 1_000_000_000 / u128::from(self.per_second);
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.last = self.last.max(now);
        self.used = self.used.saturating_sub(passed).saturating_add(cost);
        self.used.saturating_sub(self.burst)
    }

    /// Whether nothing is used any more.
    pub fn is_whole(&self, now: Instant) -> bool {
        self.used <= now.saturating_duration_since(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_is_free_and_the_rest_takes_its_time() {
        let start = Instant::now();
        let mut meter = Meter::new(100, Duration::from_secs(2), start);
        assert_eq!(meter.charge(200, start), Duration::ZERO);
        assert_eq!(meter.charge(50, start), Duration::from_millis(500));
        let later = start + Duration::from_millis(500);
        assert_eq!(meter.charge(0, later), Duration::ZERO);
        assert_eq!(meter.charge(1, later), Duration::from_millis(10));
        assert!(!meter.is_whole(start + Duration::from_secs(2)));
        assert!(meter.is_whole(start + Duration::from_secs(60)));
        let rested = start + Duration::from_secs(60);
        assert_eq!(meter.charge(200, rested), Duration::ZERO, "and no more than the burst is saved up");
        assert_eq!(meter.charge(1, rested), Duration::from_millis(10));
    }

    #[test]
    fn one_every_period() {
        let start = Instant::now();
        let period = Duration::from_secs(10);
        let mut meter = Meter::every(period, 3, start);
        let one = u64::try_from(period.as_nanos()).unwrap();
        assert_eq!((0..3).map(|_| meter.charge(one, start)).max(), Some(Duration::ZERO));
        assert_eq!(meter.charge(one, start), period);
        assert_eq!(meter.charge(one, start + 2 * period), Duration::ZERO);
    }

    #[test]
    fn extremes_saturate() {
        let start = Instant::now();
        let mut meter = Meter::new(0, Duration::ZERO, start);
        meter.charge(u64::MAX, start);
        assert!(meter.charge(u64::MAX, start) >= Duration::from_secs(u64::MAX / 1_000_000_000));
    }
}
