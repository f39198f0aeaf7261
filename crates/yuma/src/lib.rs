//! Yuma Consensus: how a subnet's validators agree on what its miners earn, and what they earn themselves.
//!
//! [`epoch`] is a pure function from what the chain knows at the end of a tempo ([`EpochInput`]) to what it then stores
//! and pays ([`EpochOutput`]). There is no clock, no storage, no randomness and no floating point in it; all
//! arithmetic is specified to the last bit, so that every node computes the same.
//!
//! # Terms
//!
//! A *uid* is a neuron's place in a subnet, from 0 to `n - 1`. *Validators* (rows, `i`) are uids with a permit;
//! *miners* (columns, `j`) are all uids. Everything below is a number between 0 and 1 unless noted.
//!
//! | symbol | what it is | computed in |
//! |---|---|---|
//! | `S_i` | stake, as a share of the subnet's; active stake counts only active validators | [`stake`] |
//! | `W_ij` | weight that a validator sets on a miner, rows sum to 1 | [`weights`] |
//! | `C_j` | consensus weight of a miner | [`consensus`] |
//! | `R_j`, `I_j` | rank, and incentive: the miner's share of all ranks | [`consensus`] |
//! | `T_i` | validator trust | [`consensus`] |
//! | `B_ij` | bond of a validator in a miner | [`bonds`] |
//! | `D_i` | dividend | [`bonds`] |
//! | `kappa`, `beta`, `alpha` | majority, bonds penalty, rate of the moving average | [`Parameters`] |
//!
//! # Steps
//!
//! 1. **Stake.** Stakes below the threshold count as zero, the owner's excepted. `S` is stake over its sum. Active stake
//!    is that of validators that have set weights within the activity cutoff and held a permit *before* this epoch,
//!    normalised again. From here on, stake means active stake. New permits go to the `K` largest `S` that are not
//!    zero, the higher uid first among equals; the owner always has one.
//! 2. **Weights.** Rows without a permit are empty. Weights on oneself (the owner's excepted) and on neurons that came
//!    after the weights were set, or with commit-reveal after they were committed, are dropped. Rows are normalised.
//! 3. **Consensus** is the stake-weighted median of a column, no weight being a vote for zero:
//!    ```text
//!    C_j = max { w : sum of S_i with W_ij >= w  reaches kappa }
//!        = min { w in column j : sum of S_i with W_ij <= w  >  sum of S - kappa }
//!    ```
//!    The second is the closed form: `w` ranges over the votes that were cast, the comparison is strict, and if no vote
//!    passes (`kappa` of 0) the largest is taken.
//! 4. **Clipping.** What a validator gives beyond consensus does not count: `V_ij = min(W_ij, C_j)`.
//!    `R_j = sum_i S_i V_ij`, `I_j = R_j / sum R`, `T_i = sum_j V_ij`.
//! 5. **Bonds** follow the weights `(1 - beta) W_ij + beta V_ij` with a moving average. Bonds in neurons that have
//!    been replaced since the last epoch are void.
//!    * Yuma 2: stake buys shares of a miner. `dB_ij = W_ij S_i / sum_k W_kj S_k`, and
//!      `B_ij = alpha dB_ij + (1 - alpha) B'_ij`, where `B'` are the old bonds and each is a share of its column.
//!      `D_i = sum_j I_j B_ij`.
//!    * Yuma 3: `B_ij = alpha W_ij + (1 - alpha) B'_ij` without stake, which only enters
//!      `D_i = S_i sum_j I_j B_ij / sum_k B_kj`. So a small validator that finds a good miner first gains on large ones.
//!    * Liquid alpha (Yuma 3 only) gives each bond its own rate, a sigmoid of how far the weight is above consensus
//!      when buying, or below the bond when selling: see [`LiquidAlpha`].
//! 6. **Emission.** `D` is normalised. Of the amount to distribute, a uid gets `I_i / sum(I + D)` as a miner and
//!    `D_i / sum(I + D)` as a validator: half for each side, or all of it if the other side is empty. If both are,
//!    validators are paid by stake.
//!
//! # What differs from the whitepaper
//!
//! The published algorithm (<https://docs.learnbittensor.org/yuma-consensus>) is Yuma 2 over real numbers. This is what
//! the network runs:
//!
//! * Numbers are fixed-point ([`I32F32`](myelin_fixed::I32F32), stake shares with 64 fraction bits first). Products
//!   and quotients round down; a normalised vector therefore sums to slightly less than 1 and is not corrected. Stored
//!   values are 65535ths, rounded down. What rounding loses is not paid to anyone.
//! * There is no trust of miners and no rank before clipping: nothing depends on them.
//! * How much goes to miners and how much to validators is not a parameter, but follows from normalising both together.
//! * Permits, activity, voids left by replaced neurons, the owner's privileges, the stake threshold, commit-reveal and
//!   payment by stake when nobody agrees on anything are additions.
//! * Yuma 2 stores the bonds of a column relative to its largest, and an epoch starts from what was stored, so bonds are
//!   rounded every time.
//! * Yuma 3 and liquid alpha came later. With liquid alpha a bond in a miner whom the validator's weights do not name is
//!   gone at once; a weight of zero lets it decay. Its rate sees only those entries of a row whose uid exceeds all
//!   before them, and takes others for zero; rows sorted by uid never notice.
//! * `beta` strictly between 0 and 1 drops zero weights and sorts rows, which only liquid alpha can tell.
//! * `bonds_moving_average` above one million makes `alpha` negative; bonds that fall to zero or below are dropped.
//!
//! All of it equals the reference chain bit for bit, except that sums of more than 32768 full weights or bonds, and of
//! more stake than can exist, which it would clamp or wrap, are right here.
//!
//! # Cost
//!
//! Time and memory are proportional to the number of weights and bonds, plus `n` for each validator. With the
//! feature `parallel` rows and columns are spread over the threads of the current rayon pool, with the same bits.

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
#[cfg(test)]
extern crate std;

mod arithmetic;
pub mod bonds;
pub mod commits;
pub mod consensus;
mod emission;
mod epoch;
mod input;
pub mod mechanisms;
mod output;
mod parallel;
mod sparse;
pub mod stake;
pub mod weights;

pub use arithmetic::{Bits, ONE};
pub use epoch::{epoch, epoch_with_trace};
pub use input::{EpochInput, LiquidAlpha, Parameters, SparseRow, YumaVersion};
pub use mechanisms::{aggregate, split_emission, SubnetOutput};
pub use output::{EpochOutput, Trace};
pub use stake::total_stake;
