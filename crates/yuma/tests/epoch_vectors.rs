//! Every recorded epoch, field by field.

mod vectors;

use myelin_yuma::{epoch, epoch_with_trace, total_stake, EpochOutput, Trace};
use serde_json::Value;
use vectors::{epoch_steps, numbers, sparse_rows, OwnedInput};

const RECORDED_STEPS: usize = 123;

/// Compares the named fields one by one, so that a failure shows the first that differs and nothing else.
macro_rules! assert_fields {
    ($context:expr, $found:expr, $expected:expr, $($field:ident)*) => {
        $( assert_eq!($found.$field, $expected.$field, "{}: {}", $context, stringify!($field)); )*
    };
}

#[test]
fn recorded_epochs_are_reproduced_bit_for_bit() {
    let steps = epoch_steps();
    assert_eq!(steps.len(), RECORDED_STEPS);
    for (context, step) in steps {
        let input = OwnedInput::parse(&step["input"]);
        let (output, trace) = epoch_with_trace(&input.borrow());
        let expected = expected_trace(&step["trace"]);
        assert_fields!(context, trace, expected,
            stake active_stake consensus validator_trust preranks ranks incentive dividends emission_sum);
        let expected = EpochOutput { stake: input.whole_stakes(), ..expected_output(&step["output"]) };
        assert_fields!(context, output, expected,
            stake stake_weight active consensus incentive validator_trust dividends
            server_emission validator_emission emission validator_permits bonds);
        assert_eq!(output, expected, "{context}");
    }
}

#[test]
fn recorded_total_stakes_follow_from_their_parts() {
    for (context, step) in epoch_steps() {
        let input = OwnedInput::parse(&step["input"]);
        let parts = input.alpha_stake.iter().zip(&input.tao_stake);
        let totals: Vec<_> = parts.map(|(alpha, tao)| total_stake(*alpha, *tao, input.tao_weight)).collect();
        assert_eq!(totals, input.total_stake, "{context}");
    }
}

#[test]
fn lists_may_be_longer_than_the_subnet() {
    for (context, step) in epoch_steps() {
        let mut input = OwnedInput::parse(&step["input"]);
        let expected = epoch(&input.borrow());
        input.total_stake.push(myelin_fixed::I64F64::from_num(1_000_000));
        input.weights.push(vec![(0, 1)]);
        input.bonds.push(vec![(0, 1)]);
        assert_eq!(epoch(&input.borrow()), expected, "{context}");
    }
}

fn expected_output(value: &Value) -> EpochOutput {
    EpochOutput {
        stake: Vec::new(),
        stake_weight: numbers(&value["stake_weight"]),
        active: numbers(&value["active"]),
        consensus: numbers(&value["consensus"]),
        incentive: numbers(&value["incentive"]),
        validator_trust: numbers(&value["validator_trust"]),
        dividends: numbers(&value["dividends"]),
        server_emission: numbers(&value["server_emission"]),
        validator_emission: numbers(&value["validator_emission"]),
        emission: numbers(&value["emission"]),
        validator_permits: numbers(&value["validator_permits"]),
        bonds: sparse_rows(&value["bonds"]),
    }
}

fn expected_trace(value: &Value) -> Trace {
    Trace {
        stake: numbers(&value["stake"]),
        active_stake: numbers(&value["active_stake"]),
        consensus: numbers(&value["consensus"]),
        validator_trust: numbers(&value["validator_trust"]),
        preranks: numbers(&value["preranks"]),
        ranks: numbers(&value["ranks"]),
        incentive: numbers(&value["incentive"]),
        dividends: numbers(&value["dividends"]),
        emission_sum: value["emission_sum"].as_i64().expect("an integer"),
    }
}
