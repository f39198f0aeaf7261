//! The recorded helper tables of `tests/vectors/helpers`, value by value.

mod vectors;

use myelin_yuma::{
    bonds::RateCurve,
    consensus::weighted_median,
    stake::{activity_cutoff_blocks, top_nonzero},
    weights::{check_max_limited, max_upscale, max_upscale_bits, normalise_to_u16, row_normalise},
    LiquidAlpha,
};
use vectors::{cases, helper, number, numbers};

#[test]
fn integer_weight_rows_match() {
    for case in cases(&helper("weights.json"), "u16_rows") {
        let weights: Vec<u16> = numbers(&case["weights"]);
        assert_eq!(max_upscale(&weights), numbers::<u16>(&case["max_upscale"]), "{case}");
        assert_eq!(row_normalise(&weights), numbers::<i64>(&case["row_normalise_bits"]), "{case}");
        assert_eq!(normalise_to_u16(&weights), numbers::<u16>(&case["normalize_weights_u16"]), "{case}");
        let limited = check_max_limited(&weights, number(&case["max_limit"]));
        assert_eq!(limited, number::<bool>(&case["check_vec_max_limited"]), "{case}");
    }
}

#[test]
fn fixed_point_rows_match() {
    for case in cases(&helper("weights.json"), "fixed_rows") {
        let bits: Vec<i64> = numbers(&case["bits"]);
        assert_eq!(max_upscale_bits(&bits), numbers::<u16>(&case["vec_max_upscale_to_u16"]), "{case}");
        assert_eq!(top_nonzero(&bits, 3), numbers::<bool>(&case["is_topk_nonzero_3"]), "{case}");
    }
}

#[test]
fn weighted_medians_match() {
    for case in cases(&helper("weighted_median.json"), "cases") {
        let (stakes, scores) = (numbers(&case["stake_bits"]), numbers(&case["score_bits"]));
        let median = weighted_median(&stakes, &scores, number(&case["kappa_u16"]));
        assert_eq!(median, number::<i64>(&case["median_bits"]), "{case}");
    }
}

#[test]
fn liquid_alpha_rates_match() {
    for case in cases(&helper("alpha_sigmoid.json"), "cases") {
        let curve = RateCurve::new(LiquidAlpha {
            low: number(&case["alpha_low"]),
            high: number(&case["alpha_high"]),
            steepness: number(&case["steepness"]),
        });
        let rate = curve.rate(number(&case["consensus"]), number(&case["weight"]), number(&case["bond"]));
        assert_eq!(rate, number::<i64>(&case["alpha_bits"]), "{case}");
    }
}

#[test]
fn weights_are_upscaled_to_the_largest() {
    for (weights, upscaled) in [
        (vec![], vec![]),
        (vec![0, 0], vec![0, 0]),
        (vec![1], vec![65_535]),
        (vec![0, 1], vec![0, 65_535]),
        (vec![65_534], vec![65_535]),
        (vec![0, 1, 65_534], vec![0, 1, 65_535]),
        (vec![0, 1, 2, 3, 4, 65_533, 65_535], vec![0, 1, 2, 3, 4, 65_533, 65_535]),
    ] {
        assert_eq!(max_upscale(&weights), upscaled, "{weights:?}");
    }
}

#[test]
fn the_limit_is_on_the_largest_share() {
    assert!(!check_max_limited(&[0, 65_535, 65_535], 32_767));
    assert!(check_max_limited(&[0, 65_535, 65_535], 32_768));
    assert!(!check_max_limited(&[0, 65_535, 65_535, 65_535], 21_844));
    assert!(check_max_limited(&[0, 65_535, 65_535, 65_535], 21_845));
    assert!(check_max_limited(&[], 0) && check_max_limited(&[0, 0], 0), "no weights, no largest one");
}

#[test]
fn the_higher_index_wins_among_equals() {
    let top = |values: &[i64], count| top_nonzero(values, count);
    assert_eq!(top(&[0, 1, 2, 3, 4, 5, 5, 5, 5, 6], 5), [[false; 5], [true; 5]].concat());
    assert_eq!(top(&[5, 5, 5], 2), [false, true, true]);
    assert_eq!(top(&[0, 3, 0], 2), [false, true, false], "zero never counts");
    assert_eq!(top(&[1, 1], 0), [false, false]);
    assert!(top(&[], 4).is_empty());
}

#[test]
fn the_default_curve_rises_from_low_to_high() {
    let curve = RateCurve::new(LiquidAlpha::default());
    for (difference, rate) in [
        (0.0, 3_012_258_989),
        (0.1, 3_021_959_911),
        (0.25, 3_071_671_555),
        (0.5, 3_436_006_604),
        (0.75, 3_800_341_653),
        (1.0, 3_859_754_218),
    ] {
        let bits = (difference * f64::from(1u32 << 31) * 2.0) as i64;
        assert_eq!(curve.rate(0, bits, 0), rate, "buying {difference} above consensus");
        assert_eq!(curve.rate(1 << 32, 0, bits), rate, "selling {difference}");
    }
}

#[test]
fn medians_need_strictly_more_than_the_minority() {
    let bits = |value: f64| (value * 4_294_967_296.0) as i64;
    let kappa = 33_422; // Just below 0.51.
    for (stakes, scores, median) in [
        (vec![0.49, 0.51], vec![0.5, 1.0], 1.0),
        (vec![0.51, 0.49], vec![0.5, 1.0], 0.5),
        (vec![0.49, 0.0, 0.51], vec![0.5, 0.7, 1.0], 1.0),
        (vec![0.49, 0.01, 0.5], vec![0.5, 0.7, 1.0], 0.7),
        (vec![0.49, 0.51, 0.0], vec![0.5, 0.7, 1.0], 0.7),
        (vec![0.0, 0.49, 0.51], vec![0.5, 0.7, 1.0], 1.0),
        (vec![0.2; 5], vec![0.8, 0.2, 1.0, 0.6, 0.4], 0.6),
        (vec![0.1; 10], vec![0.8, 0.8, 0.2, 0.2, 1.0, 1.0, 0.6, 0.6, 0.4, 0.4], 0.6),
        (vec![], vec![], 0.0),
        (vec![0.0, 0.0], vec![0.5, 1.0], 0.0),
    ] {
        let to_bits = |values: Vec<f64>| values.into_iter().map(bits).collect::<Vec<_>>();
        let found = weighted_median(&to_bits(stakes.clone()), &to_bits(scores.clone()), kappa);
        assert_eq!(found, bits(median), "stakes {stakes:?}, scores {scores:?}");
    }
}

#[test]
fn extreme_majorities_take_the_highest_and_the_lowest_score() {
    let (stakes, scores) = ([3, 5, 2], [7, 1, 9]);
    assert_eq!(weighted_median(&stakes, &scores, 0), 9);
    assert_eq!(weighted_median(&stakes, &scores, u16::MAX), 1);
    assert_eq!(weighted_median(&stakes, &[7, 0, 9], u16::MAX), 0);
}

#[test]
fn the_activity_cutoff_is_a_part_of_the_tempo() {
    for (factor_milli, tempo, blocks) in [(13_889, 360, 5_000), (13_889, 1, 13), (0, 360, 1), (1, 999, 1)] {
        assert_eq!(activity_cutoff_blocks(factor_milli, tempo), blocks);
    }
    assert_eq!(activity_cutoff_blocks(u32::MAX, u16::MAX), 281_470_681_677);
}
