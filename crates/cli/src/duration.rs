//! Times on the command line.

use std::time::Duration;

/// No block takes longer.
pub const SLOWEST: Duration = Duration::from_secs(3600);

/// Reads a time above zero, such as `250ms` or `1s`.
///
/// # Errors
/// What is wrong, for the person who wrote it.
pub fn parse(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, Duration::from_millis(1)),
        (None, Some(digits)) => (digits, Duration::from_secs(1)),
        (None, None) => return Err(format!("`{text}` has no unit: write a time such as 250ms or 1s")),
    };
    let count: u32 = digits.parse().map_err(|_| format!("`{digits}` is not a whole number"))?;
    match unit.checked_mul(count) {
        Some(time) if time > Duration::ZERO && time <= SLOWEST => Ok(time),
        _ => Err(format!("`{text}` is not between 1ms and {}s", SLOWEST.as_secs())),
    }
}

/// The same in whole milliseconds.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
