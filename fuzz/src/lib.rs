//! What the fuzz targets do with their bytes.
//!
//! The targets call these functions, and so does an ordinary test that replays the corpus
//! (`crates/epoch-document/tests/fuzz_corpus.rs`). Bytes may fail to be an input; they may not make anything panic or
//! overflow, and what an epoch pays is bounded.

use arbitrary::{Arbitrary, Unstructured};
use myelin_epoch_document::{Document, OutputDocument};
use myelin_fixed::I64F64;
use myelin_yuma::{
    epoch_with_trace, EpochInput, EpochOutput, LiquidAlpha, Parameters, SparseRow, YumaVersion,
};

/// Uids of a fuzzed subnet; more would only make runs slow.
const MOST_UIDS: u16 = 300;

/// Reads a document, computes it and writes the result.
pub fn epoch_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error says something");
            return;
        }
    };
    for epoch in document.epochs() {
        let (output, trace) = epoch_with_trace(&epoch.input());
        check(&epoch.input(), &output);
        let shown = serde_json::to_string(&OutputDocument::new(&output, Some(&trace)));
        assert!(shown.is_ok(), "a result is a document");
    }
}

/// Computes whatever epoch the bytes stand for.
pub fn epoch(data: &[u8]) {
    let Ok(subnet) = Subnet::arbitrary(&mut Unstructured::new(data)) else { return };
    let total_stake = subnet.total_stake();
    let input = subnet.input(&total_stake);
    let (output, _) = epoch_with_trace(&input);
    assert_eq!(output, myelin_yuma::epoch(&input), "the trace changes nothing");
    check(&input, &output);
}

/// What must hold for every input.
fn check(input: &EpochInput<'_>, output: &EpochOutput) {
    let sum = |amounts: &[u64]| amounts.iter().map(|amount| u128::from(*amount)).sum::<u128>();
    let paid = sum(&output.server_emission) + sum(&output.validator_emission);
    let emission = u128::from(input.emission);
    assert!(paid <= emission, "paid {paid} of {emission}");
    assert!(sum(&output.emission) <= emission);
    let permits = output.validator_permits.iter().filter(|permit| **permit).count();
    assert!(permits <= usize::from(input.max_allowed_validators) + 1, "{permits} permits");
    assert_eq!(output.bonds.len(), usize::from(input.uid_count));
}

/// An epoch's input, owned.
#[derive(Arbitrary, Debug)]
struct Subnet {
    uid_count: u16,
    block: u64,
    tempo: u16,
    activity_cutoff: u64,
    last_step_block: u64,
    last_update: Vec<u64>,
    block_at_registration: Vec<u64>,
    total_stake: Vec<TotalStake>,
    stake_threshold: u64,
    owner: Option<u16>,
    validator_permits: Vec<bool>,
    max_allowed_validators: u16,
    commit_blocks: Option<Vec<Option<u64>>>,
    weights: Vec<SparseRow>,
    bonds: Vec<SparseRow>,
    kappa: u16,
    bonds_penalty: u16,
    bonds_moving_average: u64,
    yuma3: bool,
    liquid_alpha: Option<(u16, u16, i16)>,
    emission: u64,
}

/// Whole rao, or any bits at all.
#[derive(Arbitrary, Debug)]
enum TotalStake {
    Whole(u64),
    Bits(i128),
}

impl Subnet {
    fn total_stake(&self) -> Vec<I64F64> {
        let bits = self.total_stake.iter().map(|stake| match stake {
            TotalStake::Whole(rao) => I64F64::saturating_from_num(*rao),
            TotalStake::Bits(bits) => I64F64::from_bits(*bits),
        });
        bits.collect()
    }

    fn input<'a>(&'a self, total_stake: &'a [I64F64]) -> EpochInput<'a> {
        let liquid_alpha =
            self.liquid_alpha.map(|(low, high, steepness)| LiquidAlpha { low, high, steepness });
        let version =
            YumaVersion::from_flags(self.yuma3, liquid_alpha.is_some(), liquid_alpha.unwrap_or_default());
        EpochInput {
            uid_count: self.uid_count % MOST_UIDS,
            block: self.block,
            tempo: self.tempo,
            activity_cutoff: self.activity_cutoff,
            last_step_block: self.last_step_block,
            last_update: &self.last_update,
            block_at_registration: &self.block_at_registration,
            total_stake,
            stake_threshold: self.stake_threshold,
            owner: self.owner,
            validator_permits: &self.validator_permits,
            max_allowed_validators: self.max_allowed_validators,
            commit_blocks: self.commit_blocks.as_deref(),
            weights: &self.weights,
            bonds: &self.bonds,
            parameters: Parameters {
                kappa: self.kappa,
                bonds_penalty: self.bonds_penalty,
                bonds_moving_average: self.bonds_moving_average,
                version,
            },
            emission: self.emission,
        }
    }
}
