//! Fixed-point arithmetic for on-chain economics.
//!
//! The number types and their operations come from [`substrate_fixed`]; this crate adds only what that one
//! lacks: a division that cannot fail ([`SafeDiv`]), integer proportions of a whole ([`Proportion`], [`WideProportion`]), and
//! exponentials and logarithms whose every bit is specified ([`exp`], [`exp_safe`], [`log2`], [`ln`]).
//!
//! # One rounding rule
//!
//! A fixed value is an integer `bits` that stands for `bits / 2^f`.
//!
//! | type       | stored in | f  |
//! |------------|-----------|----|
//! | [`I32F32`] | `i64`     | 32 |
//! | [`I64F64`] | `i128`    | 64 |
//! | [`I96F32`] | `i128`    | 32 |
//! | [`U64F64`] | `u128`    | 64 |
//! | [`U96F32`] | `u128`    | 32 |
//!
//! Addition is exact, so sums do not depend on order. Only two operations round:
//!
//! * **Multiplication floors**: `floor(a * b / 2^f)` of the exact double-width product, toward minus infinity.
//! * **Division truncates toward zero**: `trunc(a * 2^f / b)`.
//!
//! For the non-negative numbers that make up almost all of the economy both round down, and what rounding
//! loses is never handed to anyone. Converting to fewer fraction bits, or to an integer, floors as well.
//! `saturating_*` clamps on overflow, `checked_*` returns `None`; the plain operators may wrap in release
//! builds and are not used on values that come from outside.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod exponential;
mod proportion;
mod safe_div;

pub use exponential::{exp, exp_safe, exp_safe_lanes, ln, log2, EXP_SAFE_LIMIT};
pub use proportion::{Proportion, WideProportion};
pub use safe_div::SafeDiv;
pub use substrate_fixed::{
    self,
    types::{I32F32, I64F64, I96F32, U64F64, U96F32},
};
