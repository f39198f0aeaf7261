//! Locked alpha, the conviction that grows from it, and the subnet that it can win.
//!
//! A lock keeps alpha of one coldkey on one subnet behind one hotkey. *Mass* is what is locked; *conviction* follows it
//! slowly. With `dt` blocks gone by, `M` the maturity and `U` the unlock time, both e-folding times in blocks:
//!
//! | lock | mass | conviction |
//! |---|---|---|
//! | perpetual | `m` | `c e^(-dt/M) + m (1 - e^(-dt/M))` |
//! | decaying | `m e^(-dt/U)` | `c e^(-dt/M) + m U / (U - M) (e^(-dt/U) - e^(-dt/M))` |
//! | decaying, `U = M` | `m e^(-dt/M)` | `c e^(-dt/M) + m (dt/M) e^(-dt/M)` |
//!
//! On the hotkey of the subnet's owner conviction is the mass itself.
//!
//! # Exponentials
//!
//! `e^(-x)` is [`myelin_fixed::exp`] with 64 fraction bits, and zero for `x` above 40, where less than a rao is left of any
//! amount that can exist. This is a choice: the reference chain states the formulas and no bits. All products and quotients
//! round down; mass is whole rao.

use alloc::vec::Vec;
use myelin_fixed::{exp, SafeDiv, I64F64, U64F64};

/// Locks with less mass *and* less conviction than this count as none, in rao.
pub const DUST_RAO: u64 = 100;

/// E-folding times of conviction and of decaying mass by default, in blocks.
pub const DEFAULT_RATE_BLOCKS: u64 = 934_866;

/// Age at which a subnet can be taken over: a year of 12-second blocks.
pub const TAKEOVER_AGE_BLOCKS: u64 = 2_629_800;

/// All conviction times this has to reach the alpha outside the pool.
const TAKEOVER_FACTOR: u64 = 10;

/// Above this many e-folding times nothing is left.
const MOST_FOLDS: u64 = 40;

/// How quickly locks change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRates {
    /// E-folding time of conviction, in blocks; at least 1.
    pub maturity_blocks: u64,
    /// E-folding time of decaying mass, in blocks; at least 1.
    pub unlock_blocks: u64,
}

impl Default for LockRates {
    fn default() -> Self {
        Self { maturity_blocks: DEFAULT_RATE_BLOCKS, unlock_blocks: DEFAULT_RATE_BLOCKS }
    }
}

/// What becomes of a lock over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// It stays until it is made decaying.
    Perpetual,
    /// Its mass melts away.
    Decaying,
}

/// A lock, or the sum of all locks of one kind behind a hotkey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockState {
    /// Alpha that is locked, in rao.
    pub mass_rao: u64,
    /// Conviction, in rao with fraction.
    pub conviction: U64F64,
    /// The block that the other two are for.
    pub updated_block: u64,
}

impl LockState {
    /// The lock at `now_block`. A lock of the future stays as it is.
    #[must_use]
    pub fn rolled(&self, kind: LockKind, rates: LockRates, now_block: u64) -> Self {
        let elapsed = now_block.saturating_sub(self.updated_block);
        if elapsed == 0 {
            return *self;
        }
        let matured = remaining(elapsed, rates.maturity_blocks);
        let kept = self.conviction.saturating_mul(matured);
        let mass = whole(self.mass_rao);
        let (mass, gained) = match kind {
            LockKind::Perpetual => (mass, mass.saturating_mul(one().saturating_sub(matured))),
            LockKind::Decaying => {
                let left = remaining(elapsed, rates.unlock_blocks);
                (mass.saturating_mul(left), mass.saturating_mul(gain_while_melting(elapsed, rates)))
            }
        };
        Self {
            mass_rao: mass.saturating_to_num(),
            conviction: kept.saturating_add(gained),
            updated_block: now_block,
        }
    }

    /// The lock with conviction equal to mass, as on the owner's hotkey.
    #[must_use]
    pub fn pinned(&self) -> Self {
        Self { conviction: whole(self.mass_rao), ..*self }
    }

    /// Whether so little is left that the lock counts as none.
    #[must_use]
    pub fn is_dust(&self) -> bool {
        self.mass_rao < DUST_RAO && self.conviction < DUST_RAO
    }

    /// The lock with more mass; conviction has yet to follow. Both have to be of the same block.
    #[must_use]
    pub fn with_more(&self, mass_rao: u64) -> Self {
        Self { mass_rao: self.mass_rao.saturating_add(mass_rao), ..*self }
    }

    /// Both locks as one. They have to be of the same block.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        Self {
            mass_rao: self.mass_rao.saturating_add(other.mass_rao),
            conviction: self.conviction.saturating_add(other.conviction),
            ..*self
        }
    }

    /// Parts with up to `mass_rao` and as much of the conviction as that is of the mass. Returns what stays and what
    /// goes; together they are the lock, to the last bit.
    #[must_use]
    pub fn split(&self, mass_rao: u64) -> (Self, Self) {
        let mass_rao = mass_rao.min(self.mass_rao);
        let share = whole(mass_rao).safe_div(whole(self.mass_rao));
        let conviction = self.conviction.saturating_mul(share);
        let goes = Self { mass_rao, conviction, ..*self };
        let stays = Self {
            mass_rao: self.mass_rao.saturating_sub(mass_rao),
            conviction: self.conviction.saturating_sub(conviction),
            ..*self
        };
        (stays, goes)
    }
}

/// Alpha of a coldkey on a subnet that its lock leaves free, in rao.
#[must_use]
pub fn unlocked_rao(total_alpha_rao: u64, locked_rao: u64) -> u64 {
    total_alpha_rao.saturating_sub(locked_rao)
}

/// Locked alpha that has to go along when `amount_rao` of `total_alpha_rao` is transferred: free alpha goes first.
#[must_use]
pub fn locked_part_rao(amount_rao: u64, total_alpha_rao: u64, locked_rao: u64) -> u64 {
    amount_rao.saturating_sub(unlocked_rao(total_alpha_rao, locked_rao)).min(locked_rao)
}

/// What decides whether a subnet changes hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover<Hotkey> {
    /// Blocks since the subnet was registered.
    pub age_blocks: u64,
    /// Alpha outside the pool, in rao.
    pub alpha_out_rao: u64,
    /// Conviction behind each hotkey, of all its locks together.
    pub convictions: Vec<(Hotkey, U64F64)>,
}

impl<Hotkey: Ord> Takeover<Hotkey> {
    /// The hotkey with the most conviction, the smallest among equals, if the subnet is old enough and all conviction
    /// together is at least a tenth of the alpha outside the pool. Whether its coldkey exists and is not the owner's
    /// already is for the caller to see.
    #[must_use]
    pub fn winner(&self) -> Option<&Hotkey> {
        let total = self
            .convictions
            .iter()
            .fold(U64F64::from_num(0), |sum, (_, conviction)| sum.saturating_add(*conviction));
        let is_old = self.age_blocks >= TAKEOVER_AGE_BLOCKS;
        let is_convinced = total.saturating_mul(whole(TAKEOVER_FACTOR)) >= whole(self.alpha_out_rao);
        let candidates = self.convictions.iter().filter(|(_, conviction)| *conviction > 0);
        let strongest = candidates.max_by(|(hotkey, conviction), (other_hotkey, other)| {
            conviction.cmp(other).then_with(|| other_hotkey.cmp(hotkey))
        });
        strongest.filter(|_| is_old && is_convinced).map(|(hotkey, _)| hotkey)
    }
}

/// `e^(-elapsed / fold)`.
fn remaining(elapsed_blocks: u64, fold_blocks: u64) -> U64F64 {
    let fold_blocks = fold_blocks.max(1);
    if elapsed_blocks / fold_blocks >= MOST_FOLDS {
        return U64F64::from_num(0);
    }
    let folds =
        I64F64::saturating_from_num(elapsed_blocks).safe_div(I64F64::saturating_from_num(fold_blocks));
    let zero = I64F64::from_num(0);
    exp(zero.saturating_sub(folds)).map_or(U64F64::from_num(0), U64F64::saturating_from_num)
}

/// Conviction that a rao of melting mass brings.
fn gain_while_melting(elapsed_blocks: u64, rates: LockRates) -> U64F64 {
    let (unlock, maturity) = (rates.unlock_blocks.max(1), rates.maturity_blocks.max(1));
    let matured = remaining(elapsed_blocks, maturity);
    if unlock == maturity {
        return whole(elapsed_blocks).safe_div(whole(maturity)).saturating_mul(matured);
    }
    let left = remaining(elapsed_blocks, unlock);
    // Both differences change sign together.
    let (factor, difference) = if unlock > maturity {
        (whole(unlock).safe_div(whole(unlock - maturity)), left.saturating_sub(matured))
    } else {
        (whole(unlock).safe_div(whole(maturity - unlock)), matured.saturating_sub(left))
    };
    factor.saturating_mul(difference)
}

fn whole(value: u64) -> U64F64 {
    U64F64::saturating_from_num(value)
}

fn one() -> U64F64 {
    U64F64::from_num(1)
}
