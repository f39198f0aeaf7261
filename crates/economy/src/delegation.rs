//! Takes, children and what stakers can expect: the rules between those who stake and those who validate for them.

use crate::constants::RAO_PER_TAO;
use alloc::collections::BTreeSet;
use thiserror::Error;

/// Most children of one hotkey on one subnet.
pub const MAX_CHILDREN: usize = 5;

/// Why a take cannot be set.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TakeError {
    /// Below the lowest take, or on the wrong side of the present one.
    #[error("a take of {take_u16} is too low; it has to be at least {lowest_u16}")]
    TooLow {
        /// What was asked for.
        take_u16: u16,
        /// The lowest that would do.
        lowest_u16: u16,
    },
    /// Not lower than the present take, which a decrease has to be.
    #[error("a take of {take_u16} is no decrease from {present_u16}; choose a lower one, or increase it")]
    NoDecrease {
        /// What was asked for.
        take_u16: u16,
        /// What it is now.
        present_u16: u16,
    },
    /// Above the highest take.
    #[error("a take of {take_u16} is too high; it may be {highest_u16} at most")]
    TooHigh {
        /// What was asked for.
        take_u16: u16,
        /// The highest that would do.
        highest_u16: u16,
    },
    /// The last change is not long enough ago.
    #[error("the take was changed in block {last_block}; wait until {limit_blocks} blocks have passed")]
    TooSoon {
        /// The last change.
        last_block: u64,
        /// Blocks to wait.
        limit_blocks: u64,
    },
}

/// Lowest and highest take, in 65535ths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeBounds {
    /// Lowest.
    pub min_u16: u16,
    /// Highest.
    pub max_u16: u16,
}

/// How long a take stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeClock {
    /// Block of the last change; 0 for none.
    pub last_block: u64,
    /// Blocks between changes; 0 for no limit.
    pub limit_blocks: u64,
    /// The present.
    pub now_block: u64,
}

impl TakeClock {
    /// A delegate's take rests while no *more* than the limit has passed.
    fn has_rested(&self) -> bool {
        self.is_unlimited() || self.now_block.saturating_sub(self.last_block) > self.limit_blocks
    }

    /// A child key's take may change as soon as the limit has passed.
    fn limit_has_passed(&self) -> bool {
        self.is_unlimited() || self.now_block.saturating_sub(self.last_block) >= self.limit_blocks
    }

    fn is_unlimited(&self) -> bool {
        self.last_block == 0 || self.limit_blocks == 0
    }

    fn too_soon(&self) -> TakeError {
        TakeError::TooSoon { last_block: self.last_block, limit_blocks: self.limit_blocks }
    }
}

/// Checks what holds for every take, in whatever direction it changes.
///
/// # Errors
/// [`TakeError::TooLow`] and [`TakeError::TooHigh`].
pub fn check_bounds(take_u16: u16, bounds: TakeBounds) -> Result<(), TakeError> {
    check_lowest(take_u16, bounds.min_u16)?;
    check_highest(take_u16, bounds.max_u16)
}

/// Checks that a delegate's take may fall to `take_u16`. `present_u16` is `None` for who is no delegate yet.
///
/// # Errors
/// [`TakeError::NoDecrease`] and [`TakeError::TooLow`].
pub fn check_decrease(present_u16: Option<u16>, take_u16: u16, bounds: TakeBounds) -> Result<(), TakeError> {
    if let Some(present_u16) = present_u16.filter(|present| take_u16 >= *present) {
        return Err(TakeError::NoDecrease { take_u16, present_u16 });
    }
    check_lowest(take_u16, bounds.min_u16)
}

/// Checks that a delegate's take may rise to `take_u16`. `present_u16` is `None` for who is no delegate yet.
///
/// # Errors
/// [`TakeError::TooLow`] if it is no increase, [`TakeError::TooHigh`], [`TakeError::TooSoon`].
pub fn check_increase(
    present_u16: Option<u16>,
    take_u16: u16,
    bounds: TakeBounds,
    clock: TakeClock,
) -> Result<(), TakeError> {
    if let Some(present_u16) = present_u16.filter(|present| take_u16 <= *present) {
        return Err(TakeError::TooLow { take_u16, lowest_u16: present_u16.saturating_add(1) });
    }
    check_highest(take_u16, bounds.max_u16)?;
    clock.has_rested().then_some(()).ok_or_else(|| clock.too_soon())
}

/// Checks a new take of a child key. Only increases have to wait.
///
/// # Errors
/// [`TakeError::TooLow`], [`TakeError::TooHigh`], [`TakeError::TooSoon`].
pub fn check_childkey_take(
    present_u16: u16,
    take_u16: u16,
    bounds: TakeBounds,
    clock: TakeClock,
) -> Result<(), TakeError> {
    check_bounds(take_u16, bounds)?;
    if take_u16 > present_u16 && !clock.limit_has_passed() {
        return Err(clock.too_soon());
    }
    Ok(())
}

fn check_lowest(take_u16: u16, lowest_u16: u16) -> Result<(), TakeError> {
    if take_u16 < lowest_u16 {
        return Err(TakeError::TooLow { take_u16, lowest_u16 });
    }
    Ok(())
}

fn check_highest(take_u16: u16, highest_u16: u16) -> Result<(), TakeError> {
    if take_u16 > highest_u16 {
        return Err(TakeError::TooHigh { take_u16, highest_u16 });
    }
    Ok(())
}

/// Why a hotkey cannot have these children.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ChildrenError {
    /// One is named twice.
    #[error("a child is named twice; name each once, with all it gets")]
    Duplicate,
    /// The hotkey itself is among them.
    #[error("a hotkey cannot be its own child")]
    Itself,
    /// There are too many.
    #[error("{found} children; at most {MAX_CHILDREN} are possible")]
    TooMany {
        /// Their number.
        found: usize,
    },
    /// Together they get more than there is.
    #[error("the children's proportions sum to more than the whole; lower them")]
    Overflow,
    /// One of them is a parent.
    #[error("a child is a parent of the hotkey already; stake cannot go in a circle")]
    ParentToo,
}

/// Checks the children that `hotkey` wants to lend stake to: proportion of 2^64 - 1, and child.
///
/// # Errors
/// The first rule that is broken, in the order of [`ChildrenError`].
pub fn check_children<Hotkey: Ord>(
    hotkey: &Hotkey,
    children: &[(u64, Hotkey)],
    parents: &[Hotkey],
) -> Result<(), ChildrenError> {
    let distinct: BTreeSet<&Hotkey> = children.iter().map(|(_, child)| child).collect();
    if distinct.len() != children.len() {
        return Err(ChildrenError::Duplicate);
    }
    if distinct.contains(hotkey) {
        return Err(ChildrenError::Itself);
    }
    if children.len() > MAX_CHILDREN {
        return Err(ChildrenError::TooMany { found: children.len() });
    }
    let total = children.iter().try_fold(0, |sum: u64, (proportion, _)| sum.checked_add(*proportion));
    total.ok_or(ChildrenError::Overflow)?;
    if parents.iter().any(|parent| distinct.contains(parent)) {
        return Err(ChildrenError::ParentToo);
    }
    Ok(())
}

/// Whether children that were set some time ago apply in this block: at an epoch slot after their cooldown, or at any
/// on a subnet that does not trade yet.
#[must_use]
pub fn pending_children_apply(
    cooldown_block: u64,
    last_epoch_block: u64,
    now_block: u64,
    subtoken_enabled: bool,
) -> bool {
    last_epoch_block == now_block && (!subtoken_enabled || cooldown_block < now_block)
}

/// What an epoch's reward comes to in a day, in rao; nothing without a tempo.
#[must_use]
pub fn daily_rao(epoch_reward_rao: u64, tempo_blocks: u16, blocks_per_day: u64) -> u64 {
    let per_tempo_of_days = u128::from(epoch_reward_rao) * u128::from(blocks_per_day);
    let daily = per_tempo_of_days.checked_div(u128::from(tempo_blocks)).unwrap_or(0);
    u64::try_from(daily).unwrap_or(u64::MAX)
}

/// Part of a delegate's daily return that 1000 TAO staked on root with it gets after its take, in rao; nothing without root
/// stake.
#[must_use]
pub fn return_per_1000_tao_rao(daily_return_rao: u64, take_u16: u16, root_stake_rao: u64) -> u64 {
    let for_stakers =
        u128::from(daily_return_rao) * u128::from(u16::MAX.saturating_sub(take_u16)) / u128::from(u16::MAX);
    let thousand_tao = u128::from(RAO_PER_TAO) * 1_000;
    let part = for_stakers.saturating_mul(thousand_tao).checked_div(u128::from(root_stake_rao));
    u64::try_from(part.unwrap_or(0)).unwrap_or(u64::MAX)
}
