//! Time of signing.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Nanoseconds since 1970; 0 on a machine whose clock is before that.
pub fn now_ns() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Gives nonces that are times and never repeat, however many are drawn at once.
#[derive(Default)]
pub(crate) struct Nonces {
    last: AtomicU64,
}

impl Nonces {
    pub(crate) fn next(&self) -> u64 {
        let now = now_ns();
        let later = |last: u64| Some(now.max(last.saturating_add(1)));
        match self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later) {
            Ok(last) | Err(last) => now.max(last.saturating_add(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_grow() {
        let nonces = Nonces::default();
        let drawn: Vec<_> = (0..10_000).map(|_| nonces.next()).collect();
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(drawn[0] > 1_700_000_000_000_000_000);
    }
}
