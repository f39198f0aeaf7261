//! How often each hotkey may call.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// A token bucket's size and refill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// Requests that may come at once.
    pub burst: u32,
    /// Milliseconds in which the right to one more request returns.
    pub refill_ms: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { burst: 64, refill_ms: 50 }
    }
}

/// One bucket for each caller, in bounded memory.
///
/// A bucket is stored as the moment at which it is full again; a bucket that is full needs no storage.
pub struct Buckets {
    rate: Rate,
    most: usize,
    full_at: Mutex<HashMap<[u8; 32], Instant>>,
}

impl Buckets {
    /// Buckets for at most `most` callers that are not at rest.
    pub fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, full_at: Mutex::default() }
    }

    /// Takes a token from the bucket of `caller`.
    ///
    /// # Errors
    /// How long to wait for the next token.
    pub fn take(&self, caller: [u8; 32], now: Instant) -> Result<(), Duration> {
        let refill = Duration::from_millis(self.rate.refill_ms.max(1));
        let mut full_at = self.full_at.lock();
        if full_at.len() >= self.most && !full_at.contains_key(&caller) {
            full_at.retain(|_, at| *at > now);
            if full_at.len() >= self.most {
                return Err(refill);
            }
        }
        let at = full_at.get(&caller).copied().filter(|at| *at > now).unwrap_or(now) + refill;
        let excess = (at - now).saturating_sub(refill * self.rate.burst.max(1));
        if excess > Duration::ZERO {
            return Err(excess);
        }
        full_at.insert(caller, at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_refill_rate_holds() {
        let buckets = Buckets::new(Rate { burst: 3, refill_ms: 100 }, 10);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for _ in 0..3 {
            assert_eq!(buckets.take([1; 32], start), Ok(()));
        }
        assert_eq!(buckets.take([1; 32], start), Err(Duration::from_millis(100)));
        assert_eq!(buckets.take([1; 32], at(40)), Err(Duration::from_millis(60)));
        assert_eq!(buckets.take([1; 32], at(100)), Ok(()));
        assert_eq!(buckets.take([1; 32], at(100)), Err(Duration::from_millis(100)));
        // Others are not touched, and a bucket at rest fills up no further than its size.
        assert_eq!(buckets.take([2; 32], at(100)), Ok(()));
        let taken = (0..10).take_while(|_| buckets.take([1; 32], at(100_000)).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn memory_is_bounded_and_rest_frees_it() {
        let buckets = Buckets::new(Rate { burst: 1, refill_ms: 10 }, 2);
        let start = Instant::now();
        assert_eq!(buckets.take([1; 32], start), Ok(()));
        assert_eq!(buckets.take([2; 32], start), Ok(()));
        assert_eq!(buckets.take([3; 32], start), Err(Duration::from_millis(10)));
        assert_eq!(buckets.take([3; 32], start + Duration::from_millis(11)), Ok(()));
        assert!(buckets.full_at.lock().len() <= 2);
    }
}
