//! When blocks are due.
//!
//! A block's time is its parent's plus the interval of the chain, as long as its proposer keeps up, and the clock's
//! otherwise. Everybody waits until the block after the next is due before a height is over. So small delays do not add up,
//! and the clock of one machine neither hurries nor slows the others.

use std::time::Duration;

/// How far ahead of this machine's clock a block may be when it is voted on.
pub const MAX_CLOCK_DRIFT_MS: u64 = 1000;

/// The time of a block that is proposed now.
pub fn block_time_ms(parent_ms: u64, interval_ms: u64, now_ms: u64) -> u64 {
    let due = parent_ms.saturating_add(interval_ms);
    let is_on_schedule = now_ms >= due && now_ms - due < interval_ms;
    match is_on_schedule {
        true => due.max(parent_ms.saturating_add(1)),
        false => now_ms.max(parent_ms.saturating_add(1)),
    }
}

/// How long a height that starts now should last.
pub fn height_duration(parent_ms: u64, interval_ms: u64, now_ms: u64) -> Duration {
    let over = parent_ms.saturating_add(interval_ms.saturating_mul(2));
    let left = match over.checked_sub(now_ms) {
        // A clock that runs behind must not hold the chain back.
        Some(left) => left.min(interval_ms.saturating_add(interval_ms / 2)),
        None => 0,
    };
    Duration::from_millis(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_the_schedule() {
        assert_eq!(block_time_ms(10_000, 500, 10_500), 10_500);
        assert_eq!(block_time_ms(10_000, 500, 10_730), 10_500);
        assert_eq!(height_duration(10_000, 500, 10_507), Duration::from_millis(493));
    }

    #[test]
    fn a_late_block_starts_a_new_schedule() {
        assert_eq!(block_time_ms(10_000, 500, 11_000), 11_000);
        assert_eq!(block_time_ms(0, 500, 1_700_000_000_000), 1_700_000_000_000);
        assert_eq!(height_duration(10_000, 500, 11_200), Duration::ZERO);
    }

    #[test]
    fn time_moves_forward_whatever_the_clock_says() {
        assert_eq!(block_time_ms(10_000, 500, 10_000), 10_001);
        assert_eq!(block_time_ms(10_000, 500, 3), 10_001);
        assert_eq!(block_time_ms(10_000, 0, 10_000), 10_001);
        assert_eq!(height_duration(10_000, 500, 0), Duration::from_millis(750));
    }
}
