//! That there are no baskets.
//!
//! Elsewhere, a validator can hold the root dividends of its stakers in a basket of tokens and issue *beta* on it. Wallets
//! ask for a coldkey's beta whenever they show its balance, and fail without an answer. Here root dividends stay alpha, so
//! the answer is always: none.

use alloc::vec::Vec;

use codec::{Decode, Encode};
use pallet_subtensor::{Alpha, NetUid, Tao};
use scale_info::TypeInfo;

use crate::AccountId;

/// A coldkey's part in a basket.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct BasketPosition {
    /// Whose basket it is.
    pub hotkey: AccountId,
    /// Beta of the coldkey.
    pub beta: u64,
    /// Beta of all.
    pub beta_total: u64,
    /// What the basket would bring.
    pub nav_tao: Tao,
    /// What the part would bring.
    pub value_tao: Tao,
    /// What the part is worth at the prices as they are.
    pub spot_value_tao: Tao,
}

/// One token in a basket.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct BasketHolding {
    /// The subnet.
    pub netuid: NetUid,
    /// Its token.
    pub alpha: Alpha,
    /// What that is worth at the price as it is.
    pub spot_tao: Tao,
    /// What that would bring.
    pub realizable_tao: Tao,
}

/// A validator's basket.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct BasketSummary {
    /// Whose basket it is.
    pub hotkey: AccountId,
    /// What it would bring.
    pub nav_tao: Tao,
    /// What it is worth at the prices as they are.
    pub spot_nav_tao: Tao,
    /// What came in so far.
    pub deposited_tao: Tao,
    /// What went out so far.
    pub redeemed_tao: Tao,
    /// Beta on it.
    pub shares: u64,
    /// What is in it.
    pub holdings: Vec<BasketHolding>,
}

impl BasketSummary {
    /// The basket that `hotkey` does not have.
    pub fn empty(hotkey: AccountId) -> Self {
        Self {
            hotkey,
            nav_tao: 0,
            spot_nav_tao: 0,
            deposited_tao: 0,
            redeemed_tao: 0,
            shares: 0,
            holdings: Vec::new(),
        }
    }
}

/// Whether and how much a validator may trade in its basket.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct BasketTradingStatus {
    /// Whether anybody may.
    pub enabled: bool,
    /// Whether this validator may not.
    pub frozen: bool,
    /// What it may trade now.
    pub tao_available: Tao,
    /// What it may trade in a full interval.
    pub budget_tao: Tao,
    /// Blocks in an interval.
    pub refill_blocks: u64,
}
