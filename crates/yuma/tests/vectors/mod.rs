//! Reads the recorded vectors of the workspace's `tests/vectors`.

#![allow(dead_code, reason = "each test binary uses a part")]

use myelin_fixed::I64F64;
use myelin_yuma::{EpochInput, LiquidAlpha, Parameters, SparseRow, YumaVersion};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(name)
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A helper table.
pub fn helper(name: &str) -> Value {
    read(&folder("helpers").join(name))
}

/// The cases of a table; there is at least one.
pub fn cases<'a>(table: &'a Value, key: &str) -> &'a [Value] {
    let cases = table[key].as_array().expect("a table is an array");
    assert!(!cases.is_empty(), "{key} is empty");
    cases
}

/// All recorded epochs, each with a name for messages.
pub fn epoch_steps() -> Vec<(String, Value)> {
    let entries = fs::read_dir(folder("epoch")).expect("the vectors are part of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| steps_of(path)).collect()
}

fn steps_of(path: &Path) -> Vec<(String, Value)> {
    let case = read(path);
    let name = case["name"].as_str().expect("a name");
    let steps = case["steps"].as_array().expect("steps").iter().enumerate();
    steps.map(|(index, step)| (format!("{name}, step {index}"), step.clone())).collect()
}

/// A scalar. Numbers above 2^53 are recorded as strings.
pub fn number<T: FromStr>(value: &Value) -> T {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|_| panic!("not a scalar of the expected type: {value}"))
}

pub fn numbers<T: FromStr>(value: &Value) -> Vec<T> {
    value.as_array().expect("an array").iter().map(number).collect()
}

pub fn sparse_rows(value: &Value) -> Vec<SparseRow> {
    let entry = |entry: &Value| (number(&entry[0]), number(&entry[1]));
    let row = |row: &Value| row.as_array().expect("a row").iter().map(entry).collect();
    value.as_array().expect("rows").iter().map(row).collect()
}

fn optional<T: FromStr>(value: &Value) -> Option<T> {
    (!value.is_null()).then(|| number(value))
}

/// The recorded input of an epoch, owned.
pub struct OwnedInput {
    pub last_update: Vec<u64>,
    pub block_at_registration: Vec<u64>,
    pub total_stake: Vec<I64F64>,
    pub validator_permits: Vec<bool>,
    pub commit_blocks: Option<Vec<Option<u64>>>,
    pub weights: Vec<SparseRow>,
    pub bonds: Vec<SparseRow>,
    pub alpha_stake: Vec<u64>,
    pub tao_stake: Vec<u64>,
    pub tao_weight: u64,
    scalars: EpochInput<'static>,
}

impl OwnedInput {
    pub fn parse(value: &Value) -> Self {
        let commit_blocks =
            || value["commit_blocks"].as_array().expect("an array").iter().map(optional).collect();
        Self {
            last_update: numbers(&value["last_update"]),
            block_at_registration: numbers(&value["block_at_registration"]),
            total_stake: numbers(&value["total_stake_bits"]).into_iter().map(I64F64::from_bits).collect(),
            validator_permits: numbers(&value["validator_permits"]),
            commit_blocks: number::<bool>(&value["commit_reveal"]).then(commit_blocks),
            weights: sparse_rows(&value["weights"]),
            bonds: sparse_rows(&value["bonds"]),
            alpha_stake: numbers(&value["alpha_stake"]),
            tao_stake: numbers(&value["tao_stake"]),
            tao_weight: number(&value["tao_weight"]),
            scalars: scalars(value),
        }
    }

    pub fn borrow(&self) -> EpochInput<'_> {
        EpochInput {
            last_update: &self.last_update,
            block_at_registration: &self.block_at_registration,
            total_stake: &self.total_stake,
            validator_permits: &self.validator_permits,
            commit_blocks: self.commit_blocks.as_deref(),
            weights: &self.weights,
            bonds: &self.bonds,
            ..self.scalars.clone()
        }
    }

    /// Whole rao of each uid's total stake.
    pub fn whole_stakes(&self) -> Vec<u64> {
        self.total_stake.iter().map(|stake| stake.saturating_to_num()).collect()
    }
}

fn scalars(value: &Value) -> EpochInput<'static> {
    EpochInput {
        uid_count: number(&value["n"]),
        block: number(&value["block"]),
        tempo: number(&value["tempo"]),
        activity_cutoff: number(&value["activity_cutoff"]),
        last_step_block: number(&value["last_step_block"]),
        last_update: &[],
        block_at_registration: &[],
        total_stake: &[],
        stake_threshold: number(&value["stake_threshold"]),
        owner: optional(&value["owner_uid"]),
        validator_permits: &[],
        max_allowed_validators: number(&value["max_allowed_validators"]),
        commit_blocks: None,
        weights: &[],
        bonds: &[],
        parameters: parameters(value),
        emission: number(&value["rao_emission"]),
    }
}

fn parameters(value: &Value) -> Parameters {
    let liquid_alpha = LiquidAlpha {
        low: number(&value["alpha_low"]),
        high: number(&value["alpha_high"]),
        steepness: number(&value["alpha_sigmoid_steepness"]),
    };
    Parameters {
        kappa: number(&value["kappa"]),
        bonds_penalty: number(&value["bonds_penalty"]),
        bonds_moving_average: number(&value["bonds_moving_average"]),
        version: YumaVersion::from_flags(
            number(&value["yuma3"]),
            number(&value["liquid_alpha"]),
            liquid_alpha,
        ),
    }
}
