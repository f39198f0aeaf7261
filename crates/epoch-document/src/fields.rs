//! The fields of an input, as they stand in a document.

use crate::{
    error::{DocumentError, Place},
    read::{integer, integers, optional_integer, optional_integers, rows, stake_bits},
};
use myelin_fixed::I64F64;
use myelin_yuma::{EpochInput, LiquidAlpha, Parameters, SparseRow, YumaVersion};
use serde::{Deserialize, Serialize};

/// The inputs of one epoch. Lists go by uid. The names are those of the document.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "tests/vectors/README.md describes the document")]
pub struct EpochFields {
    #[serde(deserialize_with = "integer")]
    pub n: u16,
    #[serde(deserialize_with = "integer")]
    pub block: u64,
    #[serde(deserialize_with = "integer")]
    pub tempo: u16,
    #[serde(deserialize_with = "integer")]
    pub activity_cutoff: u64,
    #[serde(deserialize_with = "integer")]
    pub last_step_block: u64,
    #[serde(deserialize_with = "integers")]
    pub last_update: Vec<u64>,
    #[serde(deserialize_with = "integers")]
    pub block_at_registration: Vec<u64>,
    #[serde(deserialize_with = "integers")]
    pub alpha_stake: Vec<u64>,
    #[serde(deserialize_with = "integers")]
    pub tao_stake: Vec<u64>,
    #[serde(deserialize_with = "integer")]
    pub tao_weight: u64,
    /// Bits of 64.64 fixed-point numbers, as decimal texts.
    #[serde(default, with = "stake_bits", skip_serializing_if = "Option::is_none")]
    pub total_stake_bits: Option<Vec<i128>>,
    #[serde(deserialize_with = "integer")]
    pub stake_threshold: u64,
    #[serde(deserialize_with = "optional_integer")]
    pub owner_uid: Option<u16>,
    pub validator_permits: Vec<bool>,
    #[serde(deserialize_with = "integer")]
    pub max_allowed_validators: u16,
    pub commit_reveal: bool,
    #[serde(deserialize_with = "optional_integers")]
    pub commit_blocks: Vec<Option<u64>>,
    #[serde(deserialize_with = "integer")]
    pub kappa: u16,
    #[serde(deserialize_with = "integer")]
    pub bonds_penalty: u16,
    #[serde(deserialize_with = "integer")]
    pub bonds_moving_average: u64,
    pub liquid_alpha: bool,
    #[serde(deserialize_with = "integer")]
    pub alpha_low: u16,
    #[serde(deserialize_with = "integer")]
    pub alpha_high: u16,
    #[serde(deserialize_with = "integer")]
    pub alpha_sigmoid_steepness: i16,
    pub yuma3: bool,
    #[serde(deserialize_with = "rows")]
    pub weights: Vec<SparseRow>,
    #[serde(deserialize_with = "rows")]
    pub bonds: Vec<SparseRow>,
    #[serde(deserialize_with = "integer")]
    pub rao_emission: u64,
}

impl EpochFields {
    pub(crate) fn input<'a>(&'a self, total_stake: &'a [I64F64]) -> EpochInput<'a> {
        EpochInput {
            uid_count: self.n,
            block: self.block,
            tempo: self.tempo,
            activity_cutoff: self.activity_cutoff,
            last_step_block: self.last_step_block,
            last_update: &self.last_update,
            block_at_registration: &self.block_at_registration,
            total_stake,
            stake_threshold: self.stake_threshold,
            owner: self.owner_uid,
            validator_permits: &self.validator_permits,
            max_allowed_validators: self.max_allowed_validators,
            commit_blocks: self.commit_reveal.then_some(self.commit_blocks.as_slice()),
            weights: &self.weights,
            bonds: &self.bonds,
            parameters: self.parameters(),
            emission: self.rao_emission,
        }
    }

    fn parameters(&self) -> Parameters {
        let liquid_alpha = LiquidAlpha {
            low: self.alpha_low,
            high: self.alpha_high,
            steepness: self.alpha_sigmoid_steepness,
        };
        Parameters {
            kappa: self.kappa,
            bonds_penalty: self.bonds_penalty,
            bonds_moving_average: self.bonds_moving_average,
            version: YumaVersion::from_flags(self.yuma3, self.liquid_alpha, liquid_alpha),
        }
    }

    /// Total stake of every uid, if all fields fit each other.
    pub(crate) fn checked(&self, step: Option<usize>) -> Result<Vec<I64F64>, DocumentError> {
        self.check_lengths(step)?;
        if let Some(found) = self.owner_uid.filter(|owner| *owner >= self.n) {
            let place = Place::new(step, "owner_uid");
            return Err(DocumentError::Owner { place, found, uid_count: self.n });
        }
        let total_stake = self.total_stake();
        self.check_total_stake(&total_stake, step)?;
        Ok(total_stake)
    }

    fn total_stake(&self) -> Vec<I64F64> {
        let parts = self.alpha_stake.iter().zip(&self.tao_stake);
        parts.map(|(alpha, tao)| myelin_yuma::total_stake(*alpha, *tao, self.tao_weight)).collect()
    }

    fn check_total_stake(&self, total_stake: &[I64F64], step: Option<usize>) -> Result<(), DocumentError> {
        let given = self.total_stake_bits.iter().flatten().zip(total_stake).enumerate();
        for (uid, (found, expected)) in given {
            if *found != expected.to_bits() {
                return Err(DocumentError::TotalStake {
                    place: Place::new(step, format!("total_stake_bits[{uid}]")),
                    found: *found,
                    expected: expected.to_bits(),
                });
            }
        }
        Ok(())
    }

    fn check_lengths(&self, step: Option<usize>) -> Result<(), DocumentError> {
        let uids = usize::from(self.n);
        let exact = [
            ("alpha_stake", self.alpha_stake.len()),
            ("tao_stake", self.tao_stake.len()),
            ("weights", self.weights.len()),
            ("bonds", self.bonds.len()),
        ];
        let bits = self.total_stake_bits.as_ref().map(|bits| ("total_stake_bits", bits.len()));
        let commits = self.commit_reveal.then_some(("commit_blocks", self.commit_blocks.len()));
        for (field, found) in exact.into_iter().chain(bits).chain(commits) {
            check_length(step, field, found, found == uids, || format!("{uids}, one for each uid"))?;
        }
        let at_most = [
            ("last_update", self.last_update.len()),
            ("block_at_registration", self.block_at_registration.len()),
            ("validator_permits", self.validator_permits.len()),
            ("commit_blocks", self.commit_blocks.len()),
        ];
        for (field, found) in at_most {
            check_length(step, field, found, found <= uids, || format!("at most {uids}, one for each uid"))?;
        }
        Ok(())
    }
}

fn check_length(
    step: Option<usize>,
    field: &str,
    found: usize,
    fits: bool,
    expected: impl FnOnce() -> String,
) -> Result<(), DocumentError> {
    if fits {
        return Ok(());
    }
    Err(DocumentError::Length { place: Place::new(step, field), found, expected: expected() })
}
