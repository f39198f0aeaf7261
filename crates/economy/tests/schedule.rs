//! Epoch schedules against recorded numbers of the reference chain.

use myelin_economy::schedule::{EpochSchedule, ScheduleError};

fn schedule(tempo_blocks: u16, last_epoch_block: u64) -> EpochSchedule {
    EpochSchedule { tempo_blocks, last_epoch_block, ..EpochSchedule::default() }
}

#[test]
fn blocks_until_the_next_epoch() {
    let cases = [
        (10, 5, 5),
        (20, 15, 5),
        (30, 25, 5),
        (10, 9, 1),
        (20, 21, 0),
        (0, 5, u64::MAX),
        (65_534, 100, 65_434),
    ];
    for (tempo, now, blocks) in cases {
        assert_eq!(schedule(tempo, 0).blocks_until_next(now), blocks, "tempo {tempo} at {now}");
    }
}

#[test]
fn next_epoch_is_the_earlier_of_regular_and_requested() {
    let pending = |pending_epoch_block| EpochSchedule { pending_epoch_block, ..schedule(50, 100) };
    assert_eq!(pending(0).next_epoch_block(), Some(150));
    assert_eq!(pending(120).next_epoch_block(), Some(120));
    assert_eq!(pending(200).next_epoch_block(), Some(150));
    assert_eq!(schedule(0, 100).next_epoch_block(), None);
}

#[test]
fn an_epoch_is_due_after_a_tempo_on_request_or_when_overdue() {
    assert!(!schedule(50, 100).is_due(149));
    assert!(schedule(50, 100).is_due(150));
    let requested = EpochSchedule { pending_epoch_block: 120, ..schedule(50, 100) };
    assert!(!requested.is_due(119));
    assert!(requested.is_due(120));
    let waiting = |blocks_since_epoch| EpochSchedule { blocks_since_epoch, ..schedule(50, 100) };
    assert!(!waiting(50_400).is_due(101));
    assert!(waiting(50_401).is_due(101));
    assert!(!EpochSchedule { blocks_since_epoch: u64::MAX, ..schedule(0, 0) }.is_due(u64::MAX));
}

#[test]
fn the_freeze_window_is_closed_before_an_epoch() {
    assert!(!schedule(50, 100).is_frozen(140, 10));
    assert!(schedule(50, 100).is_frozen(141, 10));
    assert!(EpochSchedule { pending_epoch_block: 120, ..schedule(50, 100) }.is_frozen(110, 10));
    assert!(!schedule(0, 0).is_frozen(1_000, 10));
    // A subnet whose epochs never advance stays frozen once its first one would have been due.
    assert!(schedule(100, 0).is_frozen(100_000, 10));
}

#[test]
fn an_owner_requests_an_epoch_one_window_ahead() {
    assert_eq!(schedule(50, 100).request(110, 5).unwrap().pending_epoch_block, 115);
    assert_eq!(schedule(10, 1).request(5, 8), Err(ScheduleError::AlreadyImminent { remaining_blocks: 6 }));
    let pending = EpochSchedule { pending_epoch_block: 120, ..schedule(50, 100) };
    assert_eq!(pending.request(110, 5), Err(ScheduleError::AlreadyPending { pending_epoch_block: 120 }));
}

#[test]
fn an_owner_sets_a_tempo_inside_the_bounds() {
    let changed = schedule(360, 100).with_owner_tempo(720, 500).unwrap();
    assert_eq!((changed.tempo_blocks, changed.last_epoch_block), (720, 500));
    for tempo_blocks in [359, 50_401] {
        let refused = schedule(360, 100).with_owner_tempo(tempo_blocks, 500);
        assert_eq!(refused, Err(ScheduleError::TempoOutOfBounds { tempo_blocks }));
    }
}

#[test]
fn a_deferred_epoch_runs_one_block_later_and_counting_starts_again() {
    let due = schedule(50, 100).tick();
    let deferred = due.defer(150);
    assert!(!deferred.is_due(149));
    assert!(deferred.is_due(151));
    let ran = deferred.consume(151, true);
    assert_eq!(
        (ran.last_epoch_block, ran.pending_epoch_block, ran.blocks_since_epoch, ran.epoch_index),
        (151, 0, 0, 1)
    );
    let skipped = deferred.consume(151, false);
    assert_eq!((skipped.last_epoch_block, skipped.blocks_since_epoch, skipped.epoch_index), (151, 1, 1));
}

#[test]
fn commit_reveal_counts_a_due_epoch_as_begun() {
    assert_eq!(schedule(50, 100).current_epoch_index(149), 0);
    assert_eq!(schedule(50, 100).current_epoch_index(150), 1);
    assert_eq!(schedule(50, 100).consume(150, true).current_epoch_index(150), 1);
}

#[test]
fn new_subnets_are_staggered() {
    assert_eq!(EpochSchedule::new(3, 360, 1_000).last_epoch_block, 997);
    assert_eq!(EpochSchedule::new(723, 360, 1_000).last_epoch_block, 997);
    assert_eq!(EpochSchedule::new(3, 0, 1_000).last_epoch_block, 1_000);
    assert_eq!(EpochSchedule::new(300, 360, 1).last_epoch_block, 0);
}
