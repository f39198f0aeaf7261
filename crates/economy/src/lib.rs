//! The economy as pure functions over plain values: no storage, no clock, no floats, no panics.
//!
//! The state machine reads its storage, calls these functions and writes what they return. They reproduce the
//! reference chain's numbers to the last rao.
//!
//! | concept | module |
//! |---|---|
//! | what a block mints | [`block_emission`] |
//! | how it is divided among subnets, and moving prices | [`subnet_emission`] |
//! | when epochs run | [`schedule`] |
//! | who is paid at an epoch, and in which order | [`distribution`], [`stake`], [`payment`] |
//! | root dividends | [`root_claims`] |
//! | price of a neuron, and which one is pruned | [`registration`] |
//! | price of a subnet, its first reserves, and which one is pruned | [`subnet_lifecycle`] |
//! | takes, children, what stakers can expect | [`delegation`] |
//! | trading alpha for TAO, and asking what a trade would do | [`pool`], [`power`], [`quote`] |
//! | stake behind a hotkey | [`share_pool`], [`decimal`] |
//! | locked alpha, and the subnets it can win | [`conviction`] |
//!
//! # Units
//!
//! Amounts are `u64` rao, a billionth of a TAO or of a subnet's alpha; the names say `rao`, and which of the two it
//! is where it could be either. Prices are TAO per alpha. Proportions are integers of 65535 (`_u16`), of 2^64 - 1
//! (`_u64`) or of 10^18 (`_parts`). Blocks are numbers, not times.
//!
//! # Rounding
//!
//! Everything rounds down, as [`myelin_fixed`] describes. A function that divides an amount either gives all of it
//! away or returns what remains in a field named `dust`, so that the caller can account for every rao.

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

extern crate alloc;

pub mod block_emission;
pub mod constants;
pub mod conviction;
pub mod decimal;
pub mod delegation;
pub mod distribution;
pub mod payment;
pub mod pool;
pub mod power;
pub mod quote;
pub mod registration;
pub mod root_claims;
pub mod schedule;
pub mod share_pool;
pub mod stake;
pub mod subnet_emission;
pub mod subnet_lifecycle;
