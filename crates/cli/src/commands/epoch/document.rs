//! The inputs of an epoch as a JSON document, checked field by field.

use myelin_yuma::{EpochInput, LiquidAlpha, Parameters, SparseRow, YumaVersion};
use serde::{Deserialize, Deserializer};
use substrate_fixed::types::I64F64;
use thiserror::Error;

/// A document that says more than the inputs: only `steps[].input` is read.
#[derive(Deserialize)]
struct Case {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    input: Fields,
}

/// The fields of one epoch. Lists go by uid.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    n: u16,
    block: u64,
    tempo: u16,
    activity_cutoff: u64,
    last_step_block: u64,
    last_update: Vec<u64>,
    block_at_registration: Vec<u64>,
    alpha_stake: Vec<u64>,
    tao_stake: Vec<u64>,
    tao_weight: u64,
    #[serde(default)]
    total_stake_bits: Option<Vec<StakeBits>>,
    stake_threshold: u64,
    owner_uid: Option<u16>,
    validator_permits: Vec<bool>,
    max_allowed_validators: u16,
    commit_reveal: bool,
    commit_blocks: Vec<Option<u64>>,
    kappa: u16,
    bonds_penalty: u16,
    bonds_moving_average: u64,
    liquid_alpha: bool,
    alpha_low: u16,
    alpha_high: u16,
    alpha_sigmoid_steepness: i16,
    yuma3: bool,
    weights: Vec<SparseRow>,
    bonds: Vec<SparseRow>,
    rao_emission: u64,
}

/// Bits of a 64.64 fixed-point number, as a decimal text.
#[derive(Clone, Copy)]
struct StakeBits(i128);

impl<'de> Deserialize<'de> for StakeBits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bits = text.parse().map_err(|_| {
            serde::de::Error::custom(format!(
                "total_stake_bits: `{text}` is not a decimal number of 128 bits"
            ))
        })?;
        if bits < 0 {
            return Err(serde::de::Error::custom(format!(
                "total_stake_bits: `{text}` is negative; stake is not"
            )));
        }
        Ok(Self(bits))
    }
}

/// Why a document is not the inputs of an epoch.
#[derive(Debug, Error)]
pub enum DocumentError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("step {step}: field `{field}` has {found} entries; expected {expected}")]
    Length { step: usize, field: &'static str, found: usize, expected: String },
    #[error("step {step}: field `owner_uid` is {found}, but there are only {uid_count} uids")]
    Owner { step: usize, found: u16, uid_count: u16 },
}

/// One epoch, ready to be computed.
pub struct Epoch {
    fields: Fields,
    total_stake: Vec<I64F64>,
}

/// Reads the inputs of one epoch, or of every step of a case; tells which it was.
pub fn parse(text: &str) -> Result<(Vec<Epoch>, bool), DocumentError> {
    let is_case = matches!(serde_json::from_str::<serde_json::Value>(text)?, serde_json::Value::Object(fields) if fields.contains_key("steps"));
    let inputs = match is_case {
        true => serde_json::from_str::<Case>(text)?.steps.into_iter().map(|step| step.input).collect(),
        false => vec![serde_json::from_str::<Fields>(text)?],
    };
    let epochs = inputs.into_iter().enumerate().map(|(step, fields)| Epoch::new(step, fields));
    Ok((epochs.collect::<Result<_, _>>()?, is_case))
}

impl Epoch {
    fn new(step: usize, fields: Fields) -> Result<Self, DocumentError> {
        fields.check(step)?;
        let total_stake = fields.total_stake();
        Ok(Self { fields, total_stake })
    }

    pub fn input(&self) -> EpochInput<'_> {
        let fields = &self.fields;
        EpochInput {
            uid_count: fields.n,
            block: fields.block,
            tempo: fields.tempo,
            activity_cutoff: fields.activity_cutoff,
            last_step_block: fields.last_step_block,
            last_update: &fields.last_update,
            block_at_registration: &fields.block_at_registration,
            total_stake: &self.total_stake,
            stake_threshold: fields.stake_threshold,
            owner: fields.owner_uid,
            validator_permits: &fields.validator_permits,
            max_allowed_validators: fields.max_allowed_validators,
            commit_blocks: fields.commit_reveal.then_some(&fields.commit_blocks[..]),
            weights: &fields.weights,
            bonds: &fields.bonds,
            parameters: fields.parameters(),
            emission: fields.rao_emission,
        }
    }
}

impl Fields {
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

    /// The bits as given, else alpha and TAO by its weight.
    fn total_stake(&self) -> Vec<I64F64> {
        match &self.total_stake_bits {
            Some(bits) => bits.iter().map(|bits| I64F64::from_bits(bits.0)).collect(),
            None => {
                let pairs = self.alpha_stake.iter().zip(&self.tao_stake);
                pairs.map(|(alpha, tao)| myelin_yuma::total_stake(*alpha, *tao, self.tao_weight)).collect()
            }
        }
    }

    fn check(&self, step: usize) -> Result<(), DocumentError> {
        let uids = usize::from(self.n);
        let exact = [
            ("alpha_stake", self.alpha_stake.len()),
            ("tao_stake", self.tao_stake.len()),
            ("weights", self.weights.len()),
            ("bonds", self.bonds.len()),
        ];
        let bits = self.total_stake_bits.as_ref().map(|bits| ("total_stake_bits", bits.len()));
        for (field, found) in exact.into_iter().chain(bits) {
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
        match self.owner_uid {
            Some(found) if found >= self.n => Err(DocumentError::Owner { step, found, uid_count: self.n }),
            _ => Ok(()),
        }
    }
}

fn check_length(
    step: usize,
    field: &'static str,
    found: usize,
    fits: bool,
    expected: impl FnOnce() -> String,
) -> Result<(), DocumentError> {
    if fits {
        return Ok(());
    }
    Err(DocumentError::Length { step, field, found, expected: expected() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, Value};

    fn valid() -> Value {
        json!({
            "n": 2, "block": 1000, "tempo": 100, "activity_cutoff": 5000, "last_step_block": 0,
            "last_update": [900, 900], "block_at_registration": [10, 10], "alpha_stake": [1, 0],
            "tao_stake": [0, 0], "tao_weight": 0, "stake_threshold": 0, "owner_uid": null,
            "validator_permits": [true, false], "max_allowed_validators": 64, "commit_reveal": false,
            "commit_blocks": [], "kappa": 32767, "bonds_penalty": 65535, "bonds_moving_average": 900000,
            "liquid_alpha": false, "alpha_low": 45875, "alpha_high": 58982,
            "alpha_sigmoid_steepness": 1000, "yuma3": false, "weights": [[[1, 65535]], []],
            "bonds": [[], []], "rao_emission": 1000000000u64,
        })
    }

    fn problem(field: &str, value: Value) -> String {
        let mut document = valid();
        document[field] = value;
        parse(&document.to_string()).err().expect("a problem").to_string()
    }

    #[test]
    fn a_valid_document_is_computed() {
        let (epochs, is_case) = parse(&valid().to_string()).expect("valid");
        assert!(!is_case && epochs.len() == 1);
        assert_eq!(myelin_yuma::epoch(&epochs[0].input()).incentive, vec![0, 65535]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(problem("suprise", json!(1)).contains("suprise"));
        assert!(problem("kappa", json!(65536)).contains("65536"));
        assert!(problem("alpha_stake", json!([1])).contains("alpha_stake"));
        assert!(problem("last_update", json!([1, 2, 3])).contains("last_update"));
        assert!(problem("owner_uid", json!(2)).contains("owner_uid"));
        assert!(problem("total_stake_bits", json!(["1", "x"])).contains("total_stake_bits"));
        assert!(problem("total_stake_bits", json!(["1", "-1"])).contains("negative"));
    }

    #[test]
    fn missing_fields_are_named() {
        let mut document = valid();
        document.as_object_mut().expect("an object").remove("tempo");
        assert!(parse(&document.to_string()).err().expect("a problem").to_string().contains("tempo"));
    }
}
