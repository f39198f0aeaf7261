//! Values that storage answers where nothing was written and a plain number does not do.

use alloc::vec::Vec;

use frame_support::traits::Get;
use sp_runtime::AccountId32;
use substrate_fixed::types::{I96F32, U64F64};

macro_rules! default {
    ($(#[$doc:meta])* $name:ident: $type:ty = $value:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Get<$type> for $name {
            fn get() -> $type {
                $value
            }
        }
    };
}

default! {
    /// The account of nobody.
    DefaultAccount: AccountId32 = AccountId32::new([0; 32])
}
default! {
    /// What a token is called before it has a symbol of its own.
    DefaultTokenSymbol: Vec<u8> = "\u{1D70F}".as_bytes().to_vec()
}
default! {
    /// 0.7 and 0.9.
    DefaultAlphaValues: (u16, u16) = (45_875, 58_982)
}
default! {
    /// 1.26, to the nearest double.
    DefaultBurnIncreaseMult: U64F64 = U64F64::from_bits(myelin_economy::constants::DEFAULT_BURN_INCREASE_BITS)
}
default! {
    /// 0.000003, rounded to 32 fraction bits.
    DefaultMovingAlpha: I96F32 = I96F32::from_bits(myelin_economy::constants::DEFAULT_MOVING_ALPHA_BITS)
}
default! {
    /// Half a thousandth of an alpha.
    DefaultRootClaimableThreshold: I96F32 =
        I96F32::from_num(myelin_economy::constants::DEFAULT_ROOT_CLAIMABLE_THRESHOLD_RAO)
}
default! {
    /// As much as is earned.
    DefaultCollateralDrainRatio: U64F64 = U64F64::from_num(1)
}
