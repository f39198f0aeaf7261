//! The recorded helper tables of `tests/vectors/helpers`, value by value.

use myelin_fixed::{exp_safe, log2, Proportion, SafeDiv, I32F32, I64F64, I96F32};
use serde_json::Value;
use std::{fs, path::Path};

fn table(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/helpers").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a vector file is JSON")
}

fn rows<'a>(table: &'a Value, key: &str) -> &'a [Value] {
    let rows = table[key].as_array().expect("a table is an array");
    assert!(!rows.is_empty(), "{key} is empty");
    rows
}

/// Numbers above 2^53 are recorded as strings.
fn number<T: std::str::FromStr>(value: &Value) -> T {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|_| panic!("not a number that fits: {value}"))
}

fn i32f32(value: &Value) -> I32F32 {
    I32F32::from_bits(number(value))
}

#[test]
fn operations_round_and_saturate_as_recorded() {
    for case in rows(&table("i32f32_ops.json"), "cases") {
        let (a, b) = (i32f32(&case["a"]), i32f32(&case["b"]));
        assert_eq!(a.saturating_add(b), i32f32(&case["sat_add"]), "{case}");
        assert_eq!(a.saturating_sub(b), i32f32(&case["sat_sub"]), "{case}");
        assert_eq!(a.saturating_mul(b), i32f32(&case["sat_mul"]), "{case}");
        assert_eq!(a.checked_mul(b).unwrap_or_default(), i32f32(&case["checked_mul_or_0"]), "{case}");
        assert_eq!(a.safe_div(b), i32f32(&case["safe_div"]), "{case}");
        if let Some(saturated) = case.get("sat_div") {
            assert_eq!(a.saturating_div(b), i32f32(saturated), "{case}");
        }
    }
}

#[test]
fn fixed_values_convert_as_recorded() {
    for case in rows(&table("conversions.json"), "fixed") {
        let x = i32f32(&case["bits"]);
        assert_eq!(x.saturating_to_num::<u16>(), number::<u16>(&case["fixed_to_u16"]), "{case}");
        assert_eq!(x.saturating_to_num::<u64>(), number::<u64>(&case["fixed_to_u64"]), "{case}");
        assert_eq!(x.to_u16_proportion(), number::<u16>(&case["fixed_proportion_to_u16"]), "{case}");
        assert_eq!(exp_safe(x), i32f32(&case["exp_safe"]), "{case}");
    }
}

#[test]
fn u16_proportions_convert_as_recorded() {
    for case in rows(&table("conversions.json"), "u16") {
        let stored: u16 = number(&case["u16"]);
        let x = I32F32::from_u16_proportion(stored);
        assert_eq!(I32F32::saturating_from_num(stored), i32f32(&case["u16_to_fixed"]), "{case}");
        assert_eq!(x, i32f32(&case["u16_proportion_to_fixed"]), "{case}");
        assert_eq!(x.to_u16_proportion(), number::<u16>(&case["roundtrip"]), "{case}");
    }
}

#[test]
fn stakes_normalise_as_recorded() {
    for case in rows(&table("conversions.json"), "stake_normalise") {
        let stakes: Vec<I64F64> = rows(case, "stake")
            .iter()
            .map(|stake| I64F64::saturating_from_num(number::<u64>(stake)))
            .collect();
        let sum: I64F64 = stakes.iter().sum();
        for (index, stake) in stakes.into_iter().enumerate() {
            let share = stake.safe_div(sum);
            assert_eq!(share.to_bits(), number::<i128>(&case["i64f64_bits"][index]), "{case}");
            assert_eq!(share.saturating_to_num::<I32F32>(), i32f32(&case["i32f32_bits"][index]), "{case}");
        }
    }
}

#[test]
fn log2_matches_the_recorded_bits() {
    for case in rows(&table("log2_i96f32.json"), "cases") {
        let x = I96F32::from_bits(number(&case["i96f32_bits"]));
        assert_eq!(log2(x).map(I96F32::to_bits), Some(number::<i128>(&case["log2_bits"])), "{case}");
    }
}
