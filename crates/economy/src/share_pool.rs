//! Stake of one hotkey on one subnet, shared by those who stake behind it.
//!
//! The pool holds `value` alpha-rao and counts *shares* in [`SafeFloat`]. A member with `s` of `d` shares owns
//! `floor(value * s / d)`. Dividends raise `value` only, so they reach every member without touching one.
//!
//! * Deposit of `u`: `u * d / value` new shares (the first deposit: `u` shares).
//! * Withdrawal of `u`: `u * d / value` shares fewer.
//!
//! Shares have 21 digits, so a large member who leaves takes digits of `d` along. What keeps the members from
//! owning more than the pool holds is one rule: `d` never falls below the sum of their shares. Therefore `d` moves
//! first, and the member by what `d` really moved, rounded down. Besides:
//!
//! * A member who withdraws all it owns keeps no share; its fraction of a rao stays with the others.
//! * A pool that is emptied drops its shares, and a deposit into shares without value starts the count anew.
//!
//! # Where this differs from the reference chain
//!
//! There, count and member each move by the same number of shares, truncated on digits of their own, so members can come to
//! own slightly more than the pool holds, and who leaves keeps a fraction of a rao. Here they cannot, for the three rules
//! above. The two pools always hold the same; what a member owns of it differs by at most two rao for each operation before,
//! with the dividends on those, besides digits that neither can hold. `tests/share_pool.rs` holds both against each other.

use crate::decimal::SafeFloat;
use thiserror::Error;

/// Why a pool of stake shares refuses an operation.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SharePoolError {
    /// More is withdrawn than the member owns.
    #[error("withdrawal of {requested_rao} alpha-rao exceeds the member's {owned_rao}; withdraw at most what is owned")]
    NotEnoughStake {
        /// What was asked for.
        requested_rao: u64,
        /// What the member's shares are worth.
        owned_rao: u64,
    },
    /// The deposit would buy no shares at all.
    #[error("deposit of {amount_rao} alpha-rao buys no share of a pool of {value_rao}; deposit more")]
    BuysNoShares {
        /// What was deposited.
        amount_rao: u64,
        /// What the pool held.
        value_rao: u64,
    },
    /// The pool cannot count any higher.
    #[error("a pool of {value_rao} alpha-rao cannot grow by {amount_rao}; the sum must fit 64 bits")]
    Overflow {
        /// What was added.
        amount_rao: u64,
        /// What the pool held.
        value_rao: u64,
    },
}

/// A hotkey's stake on a subnet and the number of its shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharePool {
    /// Alpha-rao in the pool.
    pub value_rao: u64,
    /// Shares of all members.
    pub shares: SafeFloat,
}

/// A pool and one member's shares after an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharePoolUpdate {
    /// The pool.
    pub pool: SharePool,
    /// The member's shares.
    pub member_shares: SafeFloat,
    /// The count of shares began anew: shares of other members that storage still holds are worth nothing and
    /// must be removed.
    pub restarted: bool,
}

impl SharePool {
    /// Alpha-rao that `member_shares` are worth, never more than the pool holds.
    #[must_use]
    pub fn value_of(&self, member_shares: SafeFloat) -> u64 {
        SafeFloat::from(self.value_rao)
            .mul_div(member_shares, self.shares)
            .map_or(0, SafeFloat::to_u64)
            .min(self.value_rao)
    }

    /// Adds `amount_rao` for one member.
    ///
    /// # Errors
    /// [`SharePoolError::BuysNoShares`] and [`SharePoolError::Overflow`]; the pool stays as it was.
    pub fn deposit(
        &self,
        member_shares: SafeFloat,
        amount_rao: u64,
    ) -> Result<SharePoolUpdate, SharePoolError> {
        let overflow = SharePoolError::Overflow { amount_rao, value_rao: self.value_rao };
        let value_rao = self.value_rao.checked_add(amount_rao).ok_or(overflow)?;
        if amount_rao == 0 {
            return Ok(SharePoolUpdate { pool: *self, member_shares, restarted: false });
        }
        if self.shares.is_zero() || self.value_rao == 0 {
            return Ok(self.restarted(value_rao));
        }
        let bought = self.shares_worth(amount_rao).ok_or(overflow)?;
        let shares = self.shares.checked_add(bought).ok_or(overflow)?;
        let gained = shares.floored_sub(self.shares).ok_or(overflow)?;
        if gained.is_zero() {
            return Err(SharePoolError::BuysNoShares { amount_rao, value_rao: self.value_rao });
        }
        let member_shares = member_shares.checked_add(gained).ok_or(overflow)?;
        Ok(SharePoolUpdate { pool: Self { value_rao, shares }, member_shares, restarted: false })
    }

    /// Takes `amount_rao` out for one member.
    ///
    /// # Errors
    /// [`SharePoolError::NotEnoughStake`] if the member owns less; the pool stays as it was.
    pub fn withdraw(
        &self,
        member_shares: SafeFloat,
        amount_rao: u64,
    ) -> Result<SharePoolUpdate, SharePoolError> {
        let owned_rao = self.value_of(member_shares);
        let not_enough = SharePoolError::NotEnoughStake { requested_rao: amount_rao, owned_rao };
        if amount_rao > owned_rao {
            return Err(not_enough);
        }
        if amount_rao == 0 {
            return Ok(SharePoolUpdate { pool: *self, member_shares, restarted: false });
        }
        let value_rao = self.value_rao.saturating_sub(amount_rao);
        if value_rao == 0 {
            return Ok(SharePoolUpdate {
                pool: Self::default(),
                member_shares: SafeFloat::ZERO,
                restarted: true,
            });
        }
        let (shares, member_shares) = self
            .shares_after_withdrawal(member_shares, amount_rao)
            .filter(|_| amount_rao < owned_rao)
            .or_else(|| self.shares_without(member_shares))
            .ok_or(not_enough)?;
        Ok(SharePoolUpdate { pool: Self { value_rao, shares }, member_shares, restarted: false })
    }

    /// All shares and the member's after a withdrawal; `None` if that would take more than the member has.
    fn shares_after_withdrawal(
        &self,
        member_shares: SafeFloat,
        amount_rao: u64,
    ) -> Option<(SafeFloat, SafeFloat)> {
        let shares = self.shares.saturating_sub(self.shares_worth(amount_rao)?)?;
        let lost = self.shares.floored_sub(shares)?;
        Some((shares, member_shares.floored_sub(lost)?))
    }

    /// All shares after a member gave up its own, rounded up, and the member's, which are none.
    fn shares_without(&self, member_shares: SafeFloat) -> Option<(SafeFloat, SafeFloat)> {
        Some((self.shares.saturating_sub(member_shares)?, SafeFloat::ZERO))
    }

    /// Raises what every share is worth, as dividends do.
    ///
    /// # Errors
    /// [`SharePoolError::Overflow`]; the pool stays as it was.
    pub fn credit_all(&self, amount_rao: u64) -> Result<Self, SharePoolError> {
        let overflow = SharePoolError::Overflow { amount_rao, value_rao: self.value_rao };
        let value_rao = self.value_rao.checked_add(amount_rao).ok_or(overflow)?;
        Ok(Self { value_rao, ..*self })
    }

    /// The first deposit, or one into shares that are worth nothing.
    fn restarted(&self, value_rao: u64) -> SharePoolUpdate {
        let shares = SafeFloat::from(value_rao);
        SharePoolUpdate {
            pool: Self { value_rao, shares },
            member_shares: shares,
            restarted: !self.shares.is_zero(),
        }
    }

    fn shares_worth(&self, amount_rao: u64) -> Option<SafeFloat> {
        SafeFloat::from(amount_rao).mul_div(self.shares, SafeFloat::from(self.value_rao))
    }
}
