//! Time as a development chain sees it.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Tells wall-clock time in milliseconds since the Unix epoch.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The clock of the machine.
pub fn system_clock() -> WallClock {
    Arc::new(|| {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The wall clock, shifted.
pub struct ChainClock {
    wall: WallClock,
    /// Milliseconds added to the wall clock.
    offset_ms: i128,
}

impl ChainClock {
    /// A clock that shows the wall clock's time, or the tip's if that is later.
    pub fn new(wall: WallClock, tip_time_ms: u64) -> Self {
        let mut clock = Self { wall, offset_ms: 0 };
        clock.catch_up(tip_time_ms);
        clock
    }

    /// What it shows now.
    pub fn now_ms(&self) -> u64 {
        let shifted = i128::from((self.wall)()).saturating_add(self.offset_ms);
        u64::try_from(shifted.max(0)).unwrap_or(u64::MAX)
    }

    /// The time for a block after one at `parent_ms`: later than it, however the clock stands.
    pub fn block_time_ms(&self, parent_ms: u64) -> u64 {
        self.now_ms().max(parent_ms.saturating_add(1))
    }

    /// How far it would be from the wall clock if it showed `time_ms` now.
    pub fn ahead_at(&self, time_ms: u64) -> i128 {
        i128::from(time_ms) - i128::from((self.wall)())
    }

    /// How far it would be from the wall clock if it were moved forward.
    pub fn ahead_after(&self, by_ms: u64) -> i128 {
        self.offset_ms.saturating_add(by_ms.into())
    }

    /// Makes it show `time_ms` now.
    pub fn set(&mut self, time_ms: u64) {
        self.offset_ms = self.ahead_at(time_ms);
    }

    /// Moves it forward.
    pub fn increase(&mut self, by_ms: u64) {
        self.offset_ms = self.ahead_after(by_ms);
    }

    /// Moves it forward to `time_ms` if it shows less.
    pub fn catch_up(&mut self, time_ms: u64) {
        if self.now_ms() < time_ms {
            self.set(time_ms);
        }
    }

    /// Puts it this far from the wall clock again.
    pub fn restore(&mut self, offset_ms: i64) {
        self.offset_ms = offset_ms.into();
    }

    /// How far it is from the wall clock, in milliseconds.
    pub fn offset_ms(&self) -> i64 {
        i64::try_from(self.offset_ms).unwrap_or(if self.offset_ms < 0 { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_ms: u64, tip_ms: u64) -> ChainClock {
        ChainClock::new(Arc::new(move || wall_ms), tip_ms)
    }

    #[test]
    fn it_follows_the_wall_clock_and_can_be_moved() {
        let mut clock = at(1_000, 0);
        assert_eq!((clock.now_ms(), clock.offset_ms()), (1_000, 0));
        clock.increase(500);
        assert_eq!(clock.now_ms(), 1_500);
        clock.set(900);
        assert_eq!((clock.now_ms(), clock.offset_ms()), (900, -100));
        clock.catch_up(800);
        assert_eq!(clock.now_ms(), 900);
        clock.catch_up(2_000);
        assert_eq!(clock.now_ms(), 2_000);
    }

    #[test]
    fn a_block_is_later_than_its_parent() {
        assert_eq!(at(1_000, 0).block_time_ms(200), 1_000);
        assert_eq!(at(1_000, 0).block_time_ms(1_000), 1_001);
        assert_eq!(at(1_000, 0).block_time_ms(7_000), 7_001);
    }

    #[test]
    fn a_chain_that_is_ahead_of_the_wall_clock_keeps_its_time() {
        assert_eq!(at(1_000, 5_000).now_ms(), 5_000);
    }
}
