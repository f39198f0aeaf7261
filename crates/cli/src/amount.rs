//! Amounts of TAO as people write them: decimal, exact, at most nine places.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use thiserror::Error;

const RAO_PER_TAO: u64 = 1_000_000_000;
const PLACES: usize = 9;

/// An amount in rao, shown in TAO (or in a subnet's alpha, which has as many places).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Amount {
    pub rao: u64,
}

/// Why a text is no amount.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AmountError {
    #[error("`{0}` is not an amount: write digits with at most one decimal point, such as 12.5")]
    NotANumber(String),
    #[error("an amount of {0} is below zero; give one above it, such as 12.5")]
    Negative(String),
    #[error("an amount of zero moves nothing, and the fee would be paid all the same; give one above it, such as 12.5")]
    Zero,
    #[error("`{0}` has more than {PLACES} decimal places; the smallest amount is 0.000000001")]
    TooPrecise(String),
    #[error("`{0}` is more than {max}", max = Amount { rao: u64::MAX })]
    TooLarge(String),
}

impl Amount {
    pub const fn from_rao(rao: u64) -> Self {
        Self { rao }
    }

    /// An amount that is not zero.
    ///
    /// # Errors
    /// Why a text is none.
    pub fn positive(text: &str) -> Result<Self, AmountError> {
        text.parse()
            .and_then(|amount| if amount == Self::default() { Err(AmountError::Zero) } else { Ok(amount) })
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        match text.strip_prefix('-').map(Self::unsigned) {
            Some(Ok(_)) => Err(AmountError::Negative(text.to_owned())),
            _ => Self::unsigned(text),
        }
    }
}

impl Amount {
    fn unsigned(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return Err(AmountError::NotANumber(text.to_owned()));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > PLACES {
            return Err(AmountError::TooPrecise(text.to_owned()));
        }
        let too_large = || AmountError::TooLarge(text.to_owned());
        let parse =
            |part: &str| if part.is_empty() { Ok(0) } else { part.parse::<u64>().map_err(|_| too_large()) };
        let whole_rao = parse(whole)?.checked_mul(RAO_PER_TAO).ok_or_else(too_large)?;
        let fraction_rao = parse(&format!("{fraction:0<PLACES$}"))?;
        whole_rao.checked_add(fraction_rao).map(Self::from_rao).ok_or_else(too_large)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.rao / RAO_PER_TAO, self.rao % RAO_PER_TAO);
        let digits = format!("{fraction:09}");
        let shown = match digits.trim_end_matches('0') {
            "" => whole.to_string(),
            fraction => format!("{whole}.{fraction}"),
        };
        f.pad(&shown)
    }
}

/// As a text, because JSON numbers lose digits.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<u64, AmountError> {
        text.parse::<Amount>().map(|amount| amount.rao)
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(parse("0.1"), Ok(100_000_000));
        assert_eq!(parse("12"), Ok(12_000_000_000));
        assert_eq!(parse(".000000001"), Ok(1));
        assert_eq!(parse("1.10000000000"), Ok(1_100_000_000));
        assert_eq!(parse("18446744073.709551615"), Ok(u64::MAX));
    }

    #[test]
    fn anything_else_says_why() {
        for text in ["", ".", "-", "--1", "-x", "1e9", "1,5", "1.2.3", " 1", "١"] {
            assert_eq!(parse(text), Err(AmountError::NotANumber(text.to_owned())), "{text}");
        }
        let dashes = "-".repeat(1 << 20);
        assert_eq!(parse(&dashes), Err(AmountError::NotANumber(dashes.clone())));
        assert_eq!(parse("-1.5"), Err(AmountError::Negative("-1.5".to_owned())));
        assert_eq!(parse("0"), Ok(0));
        for zero in ["0", "0.0", ".000000000"] {
            assert_eq!(Amount::positive(zero), Err(AmountError::Zero), "{zero}");
        }
        assert_eq!(Amount::positive("0.000000001"), Ok(Amount::from_rao(1)));
        assert!(matches!(parse("0.0000000001"), Err(AmountError::TooPrecise(_))));
        assert!(matches!(parse("18446744073.709551616"), Err(AmountError::TooLarge(_))));
        assert!(matches!(parse("99999999999999999999"), Err(AmountError::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(rao in any::<u64>()) {
            prop_assert_eq!(parse(&Amount::from_rao(rao).to_string()), Ok(rao));
        }
    }
}
