//! How much a block mints, as a function of what exists already.
//!
//! The same curve serves TAO and each subnet's alpha: one coin a block, halved at each half of the way to the
//! ceiling of 21 million. With `r = issuance / ceiling` the emission is `2^-floor(log2(1 / (1 - r)))` coins.

use crate::constants::{DEFAULT_BLOCK_EMISSION_RAO, TOTAL_SUPPLY_RAO};
use myelin_fixed::{log2, SafeDiv, I96F32};
use thiserror::Error;

/// An issuance for which the curve has no value.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the emission curve has no value at an issuance of {issuance_rao} rao of {TOTAL_SUPPLY_RAO}; treat the emission as zero")]
pub struct EmissionError {
    /// The issuance asked about.
    pub issuance_rao: u64,
}

/// Rao that one block mints when `issuance_rao` exist; zero at and above the ceiling.
///
/// # Errors
/// If the fixed-point curve has no value, which does not happen for any issuance below the ceiling.
pub fn block_emission_rao(issuance_rao: u64) -> Result<u64, EmissionError> {
    if issuance_rao >= TOTAL_SUPPLY_RAO {
        return Ok(0);
    }
    let halvings = halvings(issuance_rao).ok_or(EmissionError { issuance_rao })?;
    let divisor = 1_i128.checked_shl(halvings).ok_or(EmissionError { issuance_rao })?;
    let share = I96F32::from_num(1).safe_div(I96F32::saturating_from_num(divisor));
    Ok(share.saturating_mul(I96F32::from_num(DEFAULT_BLOCK_EMISSION_RAO)).saturating_to_num())
}

/// Emission of a block that also respects the ceiling: what is left of it, if that is less.
#[must_use]
pub fn mintable_rao(emission_rao: u64, issuance_rao: u64) -> u64 {
    emission_rao.min(TOTAL_SUPPLY_RAO.saturating_sub(issuance_rao))
}

/// Alpha that exists of a subnet: in its pool and out of it.
#[must_use]
pub fn alpha_issuance_rao(alpha_in_rao: u64, alpha_out_rao: u64) -> u64 {
    alpha_in_rao.saturating_add(alpha_out_rao)
}

/// `floor(log2(1 / (1 - issuance / ceiling)))`.
fn halvings(issuance_rao: u64) -> Option<u32> {
    let one = I96F32::from_num(1);
    let issued = I96F32::from_num(issuance_rao).checked_div(I96F32::from_num(TOTAL_SUPPLY_RAO))?;
    let scarcity = one.checked_div(one.checked_sub(issued)?)?;
    Some(log2(scarcity)?.floor().saturating_to_num())
}
