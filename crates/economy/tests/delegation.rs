//! Rules of takes and children at their edges.

use myelin_economy::delegation::{
    check_bounds, check_childkey_take, check_children, check_decrease, check_increase, daily_rao,
    pending_children_apply, return_per_1000_tao_rao, ChildrenError, TakeBounds, TakeClock, TakeError,
};

const BOUNDS: TakeBounds = TakeBounds { min_u16: 100, max_u16: 11_796 };
const RESTED: TakeClock = TakeClock { last_block: 0, limit_blocks: 50, now_block: 1 };
const TAO: u64 = 1_000_000_000;

fn clock(now_block: u64) -> TakeClock {
    TakeClock { last_block: 1_000, limit_blocks: 50, now_block }
}

#[test]
fn a_decrease_is_lower_and_within_bounds() {
    assert_eq!(check_decrease(Some(200), 199, BOUNDS), Ok(()));
    assert_eq!(check_decrease(Some(200), 100, BOUNDS), Ok(()));
    let none = TakeError::NoDecrease { take_u16: 200, present_u16: 200 };
    assert_eq!(check_decrease(Some(200), 200, BOUNDS), Err(none));
    assert_eq!(
        check_decrease(Some(200), 99, BOUNDS),
        Err(TakeError::TooLow { take_u16: 99, lowest_u16: 100 })
    );
    assert_eq!(check_decrease(None, 60_000, BOUNDS), Ok(()), "who is no delegate has nothing to decrease");
}

#[test]
fn every_take_is_within_bounds() {
    assert_eq!(check_bounds(100, BOUNDS), Ok(()));
    assert_eq!(check_bounds(11_796, BOUNDS), Ok(()));
    assert!(matches!(check_bounds(99, BOUNDS), Err(TakeError::TooLow { lowest_u16: 100, .. })));
    assert!(matches!(check_bounds(11_797, BOUNDS), Err(TakeError::TooHigh { highest_u16: 11_796, .. })));
}

#[test]
fn an_increase_is_higher_within_bounds_and_rested() {
    assert_eq!(check_increase(Some(200), 11_796, BOUNDS, RESTED), Ok(()));
    assert_eq!(check_increase(None, 0, BOUNDS, RESTED), Ok(()));
    let too_low = TakeError::TooLow { take_u16: 200, lowest_u16: 201 };
    assert_eq!(check_increase(Some(200), 200, BOUNDS, RESTED), Err(too_low));
    let too_high = TakeError::TooHigh { take_u16: 11_797, highest_u16: 11_796 };
    assert_eq!(check_increase(Some(200), 11_797, BOUNDS, RESTED), Err(too_high));
    let too_soon = Err(TakeError::TooSoon { last_block: 1_000, limit_blocks: 50 });
    assert_eq!(
        check_increase(Some(200), 300, BOUNDS, clock(1_050)),
        too_soon,
        "more than the limit has to pass"
    );
    assert_eq!(check_increase(Some(200), 300, BOUNDS, clock(1_051)), Ok(()));
    let unlimited = TakeClock { limit_blocks: 0, ..clock(1_000) };
    assert_eq!(check_increase(Some(200), 300, BOUNDS, unlimited), Ok(()));
}

#[test]
fn only_increases_of_a_childkey_take_wait() {
    let too_soon = Err(TakeError::TooSoon { last_block: 1_000, limit_blocks: 50 });
    assert_eq!(check_childkey_take(200, 300, BOUNDS, clock(1_049)), too_soon);
    assert_eq!(
        check_childkey_take(200, 300, BOUNDS, clock(1_050)),
        Ok(()),
        "as soon as the limit has passed"
    );
    assert_eq!(check_childkey_take(200, 150, BOUNDS, clock(1_001)), Ok(()));
    assert_eq!(check_childkey_take(200, 200, BOUNDS, clock(1_001)), Ok(()));
    assert!(matches!(check_childkey_take(200, 99, BOUNDS, RESTED), Err(TakeError::TooLow { .. })));
    assert!(matches!(check_childkey_take(200, 11_797, BOUNDS, RESTED), Err(TakeError::TooHigh { .. })));
}

#[test]
fn children_are_distinct_few_and_below() {
    let half = u64::MAX / 2;
    assert_eq!(check_children(&0, &[(half, 1), (half, 2), (1, 3)], &[9]), Ok(()));
    assert_eq!(check_children(&0, &[], &[9]), Ok(()));
    assert_eq!(check_children(&0, &[(1, 1), (2, 1)], &[]), Err(ChildrenError::Duplicate));
    assert_eq!(check_children(&0, &[(1, 0)], &[]), Err(ChildrenError::Itself));
    let six: Vec<(u64, u8)> = (1..=6).map(|child| (1, child)).collect();
    assert_eq!(check_children(&0, &six, &[]), Err(ChildrenError::TooMany { found: 6 }));
    assert_eq!(check_children(&0, &six[..5], &[]), Ok(()));
    assert_eq!(check_children(&0, &[(half, 1), (half, 2), (2, 3)], &[]), Err(ChildrenError::Overflow));
    assert_eq!(check_children(&0, &[(1, 9)], &[9]), Err(ChildrenError::ParentToo));
}

#[test]
fn children_apply_at_the_first_epoch_after_their_cooldown() {
    assert!(pending_children_apply(99, 100, 100, true));
    assert!(!pending_children_apply(100, 100, 100, true), "strictly after");
    assert!(!pending_children_apply(50, 99, 100, true), "only at an epoch");
    assert!(pending_children_apply(500, 100, 100, false), "at once where nothing trades yet");
}

#[test]
fn a_thousand_tao_get_their_part_of_what_the_take_leaves() {
    assert_eq!(return_per_1000_tao_rao(80 * TAO, 0, 4_000 * TAO), 20 * TAO);
    assert_eq!(return_per_1000_tao_rao(80 * TAO, u16::MAX, 4_000 * TAO), 0);
    assert_eq!(return_per_1000_tao_rao(65_535, 13_107, 1_000 * TAO), 52_428);
    assert_eq!(return_per_1000_tao_rao(80 * TAO, 0, 0), 0, "without root stake there is no return on it");
    assert_eq!(return_per_1000_tao_rao(u64::MAX, 0, 1), u64::MAX);
}

#[test]
fn a_day_has_as_many_epochs_as_fit() {
    assert_eq!(daily_rao(1_000, 360, 7_200), 20_000);
    assert_eq!(daily_rao(1_000, 0, 7_200), 0);
    assert_eq!(daily_rao(u64::MAX, 1, u64::MAX), u64::MAX);
}
