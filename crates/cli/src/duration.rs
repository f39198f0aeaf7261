//! Times on the command line.

use std::time::Duration;

/// No block takes longer.
pub const SLOWEST: Duration = Duration::from_secs(3600);

/// Reads a time above zero, such as `250ms` or `1s`.
///
/// # Errors
/// What is wrong, for the person who wrote it.
pub fn parse(text: &str) -> Result<Duration, String> {
    let expected = format!("expected 1ms to {}s, such as 250ms or 1s", SLOWEST.as_secs());
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "" => return Err(format!("`{text}` has no unit; {expected}")),
        _ => return Err(format!("`{text}` is no whole number of ms or s; {expected}")),
    };
    let time = digits.parse().ok().and_then(|count: u32| unit.checked_mul(count));
    match time {
        Some(time) if time > Duration::ZERO && time <= SLOWEST => Ok(time),
        _ => Err(format!("`{text}` is out of bounds; {expected}")),
    }
}

/// The same in whole milliseconds.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_answered_with_the_bounds() {
        for (text, found) in [
            ("1ns", "no whole number of ms or s"),
            ("1.5s", "no whole number of ms or s"),
            ("ms", "out of bounds"),
            ("-1s", "no whole number of ms or s"),
            ("250", "has no unit"),
            ("", "has no unit"),
            ("0ms", "out of bounds"),
            ("3601s", "out of bounds"),
            ("99999999999999999999s", "out of bounds"),
        ] {
            let told = parse(text).expect_err(text);
            assert!(told.contains(found) && told.contains("1ms to 3600s"), "{told}");
        }
        assert_eq!(parse("3600s"), Ok(SLOWEST));
        assert_eq!(parse("1ms"), Ok(Duration::from_millis(1)));
    }
}
