//! Arguments of requests: by position or by name, with a clear error for whatever is not as expected.

use jsonrpsee::types::Params;
use myelin_chain::Hash;
use serde_json::Value;
use sp_core::crypto::{AccountId32, Ss58Codec};

use crate::error::{invalid_parameters, limit_exceeded, RpcResult};

/// The names under which one parameter may be given, the usual one first.
pub(crate) type Names = &'static [&'static str];

/// Values in the parameters of one request; the longest list that a method takes has half as many. A value takes up some
/// hundred times what its text does.
const MAX_VALUES: usize = 20_000;

/// The arguments of one request.
pub(crate) struct Arguments {
    names: &'static [Names],
    values: Vec<Value>,
}

impl Arguments {
    /// Reads a request's parameters; `names` tells their order.
    pub fn parse(params: &Params<'_>, names: &'static [Names]) -> RpcResult<Self> {
        let given = params.as_str().unwrap_or("null");
        if !has_few_values(given) {
            return Err(limit_exceeded(format!(
                "the parameters have more than {MAX_VALUES} values; ask for less at once"
            )));
        }
        let given: Value = serde_json::from_str(given)
            .map_err(|error| invalid_parameters(format!("the parameters are not JSON: {error}")))?;
        let values = match given {
            Value::Null => Vec::new(),
            Value::Array(values) => in_order(values, names)?,
            Value::Object(values) => by_name(values, names)?,
            _ => return Err(invalid_parameters("expected the parameters as an array or an object")),
        };
        Ok(Self { names, values })
    }

    /// The argument at `index`, which must be there.
    pub fn required<T: Argument>(&mut self, index: usize) -> RpcResult<T> {
        self.optional(index)?.ok_or_else(|| {
            let (name, position) = (self.name(index), index + 1);
            invalid_parameters(format!(
                "parameter {position} (`{name}`) is missing: expected {}",
                T::EXPECTED
            ))
        })
    }

    /// The argument at `index`; nothing when it is absent or null.
    pub fn optional<T: Argument>(&mut self, index: usize) -> RpcResult<Option<T>> {
        let value = self.values.get_mut(index).map(Value::take).unwrap_or_default();
        if value.is_null() {
            return Ok(None);
        }
        T::from_json(value).map(Some).map_err(|found| {
            let (name, position) = (self.name(index), index + 1);
            let expected = T::EXPECTED;
            invalid_parameters(format!("parameter {position} (`{name}`): expected {expected}, found {found}"))
        })
    }

    fn name(&self, index: usize) -> &'static str {
        self.names.get(index).and_then(|names| names.first()).copied().unwrap_or("?")
    }
}

/// Whether what stands between strings allows for so many values only. The text is JSON, as the server library has found.
fn has_few_values(text: &str) -> bool {
    let (mut in_string, mut is_escaped, mut values) = (false, false, 0_usize);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values <= MAX_VALUES
}

fn in_order(values: Vec<Value>, names: &[Names]) -> RpcResult<Vec<Value>> {
    let count = values.iter().rposition(|value| !value.is_null()).map_or(0, |last| last + 1);
    if count > names.len() {
        let allowed = names.len();
        return Err(invalid_parameters(format!("expected at most {allowed} parameters, found {count}")));
    }
    Ok(values)
}

fn by_name(given: serde_json::Map<String, Value>, names: &[Names]) -> RpcResult<Vec<Value>> {
    let mut values = vec![Value::Null; names.len()];
    for (name, value) in given {
        let position = names.iter().position(|names| names.contains(&name.as_str()));
        let place = position.and_then(|position| values.get_mut(position)).ok_or_else(|| {
            let known: Vec<_> = names.iter().filter_map(|names| names.first().copied()).collect();
            let shown = shorten(&name);
            invalid_parameters(format!("unknown parameter `{shown}`: this method has [{}]", known.join(", ")))
        })?;
        *place = value;
    }
    Ok(values)
}

/// Something that can be given as an argument.
pub(crate) trait Argument: Sized {
    /// What is expected, for error texts.
    const EXPECTED: &'static str;

    /// Reads it; the error says what was found instead.
    fn from_json(value: Value) -> Result<Self, String>;
}

/// Bytes in hexadecimal, with or without 0x.
#[derive(Debug, PartialEq)]
pub(crate) struct Bytes(pub Vec<u8>);

/// Bytes together with the text in which they were given.
#[derive(Debug, PartialEq)]
pub(crate) struct Key {
    pub text: String,
    pub bytes: Vec<u8>,
}

/// A height, as a number or in hexadecimal with 0x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Height(pub u64);

/// One thing or several.
#[derive(Debug, PartialEq)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl Argument for Bytes {
    const EXPECTED: &'static str = "bytes in hexadecimal";

    fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => decode_hex(&text).map(Self),
            other => Err(describe(&other)),
        }
    }
}

impl Argument for Key {
    const EXPECTED: &'static str = "a storage key in hexadecimal";

    fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => decode_hex(&text).map(|bytes| Self { text, bytes }),
            other => Err(describe(&other)),
        }
    }
}

impl Argument for Hash {
    const EXPECTED: &'static str = "a hash: 32 bytes in hexadecimal";

    fn from_json(value: Value) -> Result<Self, String> {
        let Bytes(bytes) = Bytes::from_json(value)?;
        let hash: [u8; 32] = bytes.as_slice().try_into().map_err(|_| format!("{} bytes", bytes.len()))?;
        Ok(hash.into())
    }
}

impl Argument for Height {
    const EXPECTED: &'static str = "a block number, or one in hexadecimal that starts with 0x";

    fn from_json(value: Value) -> Result<Self, String> {
        let number = match &value {
            Value::Number(number) => number.as_u64(),
            // Without the prefix, "10" would be read as 16 where 10 was meant.
            Value::String(text) => {
                text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        number.map(Self).ok_or_else(|| describe(&value))
    }
}

impl Argument for u64 {
    const EXPECTED: &'static str = "a number from 0 to 18446744073709551615";

    fn from_json(value: Value) -> Result<Self, String> {
        value.as_u64().ok_or_else(|| describe(&value))
    }
}

impl Argument for u32 {
    const EXPECTED: &'static str = "a number from 0 to 4294967295";

    fn from_json(value: Value) -> Result<Self, String> {
        value.as_u64().and_then(|number| number.try_into().ok()).ok_or_else(|| describe(&value))
    }
}

impl Argument for u16 {
    const EXPECTED: &'static str = "a number from 0 to 65535";

    fn from_json(value: Value) -> Result<Self, String> {
        value.as_u64().and_then(|number| number.try_into().ok()).ok_or_else(|| describe(&value))
    }
}

impl Argument for String {
    const EXPECTED: &'static str = "a text";

    fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(describe(&other)),
        }
    }
}

impl Argument for AccountId32 {
    const EXPECTED: &'static str = "an account's SS58 address";

    fn from_json(value: Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| describe(&value))?;
        Self::from_ss58check(text).map_err(|error| format!("\"{}\" ({error:?})", shorten(text)))
    }
}

impl<T: Argument> Argument for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn from_json(value: Value) -> Result<Self, String> {
        let Value::Array(values) = value else { return Err(describe(&value)) };
        let entry = |(index, value)| {
            T::from_json(value)
                .map_err(|found| format!("{found} at index {index}, where {} belongs", T::EXPECTED))
        };
        values.into_iter().enumerate().map(entry).collect()
    }
}

impl<T: Argument> Argument for OneOrMany<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(_) => Vec::from_json(value).map(Self::Many),
            value => T::from_json(value).map(Self::One),
        }
    }
}

fn decode_hex(text: &str) -> Result<Vec<u8>, String> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text))
        .map_err(|error| format!("\"{}\" ({error})", shorten(text)))
}

/// Shows bytes as clients expect them.
pub(crate) fn to_hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    text.push_str(&hex::encode(bytes));
    text
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => format!("the number {}", shorten(&number.to_string())),
        Value::String(text) => format!("\"{}\"", shorten(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// As much of a text as an error should repeat.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_none() {
        start
    } else {
        format!("{start}... ({} bytes)", text.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAMES: &[Names] = &[&["key"], &["hash", "at"]];

    fn parse(given: Value) -> RpcResult<Arguments> {
        let text = given.to_string();
        Arguments::parse(&Params::new(Some(&text)), NAMES)
    }

    #[test]
    fn arguments_come_by_position_or_by_name() {
        for given in [json!(["0x01", null]), json!(["01"]), json!({"key": "0x01", "at": null})] {
            let mut arguments = parse(given).unwrap();
            assert_eq!(arguments.required::<Bytes>(0).unwrap(), Bytes(vec![1]));
            assert_eq!(arguments.optional::<Hash>(1).unwrap(), None);
        }
        assert_eq!(Arguments::parse(&Params::new(None), NAMES).unwrap().optional::<Bytes>(0).unwrap(), None);
    }

    #[test]
    fn errors_say_what_was_expected_and_found() {
        let error =
            |given: Value| parse(given).and_then(|mut arguments| arguments.required::<Hash>(0)).unwrap_err();
        let message = |given| error(given).message().to_owned();
        assert_eq!(error(json!([])).code(), -32602);
        assert_eq!(
            message(json!([])),
            "parameter 1 (`key`) is missing: expected a hash: 32 bytes in hexadecimal"
        );
        assert!(message(json!(["0x0102"])).ends_with("found 2 bytes"));
        assert!(message(json!([7])).ends_with("found the number 7"));
        assert!(
            message(json!({"kye": 1})).starts_with("unknown parameter `kye`: this method has [key, hash]")
        );
        assert_eq!(message(json!([1, 2, 3])), "expected at most 2 parameters, found 3");
        assert!(message(json!(["zz".repeat(1000)])).len() < 200);
    }

    #[test]
    fn trailing_nulls_are_no_arguments() {
        assert!(parse(json!(["0x01", null, null, null])).is_ok());
    }

    #[test]
    fn heights_are_numbers_or_hexadecimal() {
        let height = |value| Height::from_json(value).ok();
        assert_eq!(height(json!(12)), Some(Height(12)));
        assert_eq!(height(json!("0x0c")), Some(Height(12)));
        assert_eq!(height(json!("10")), None);
        assert_eq!(height(json!(-1)), None);
        assert_eq!(height(json!(1.5)), None);
        assert_eq!(height(json!("")), None);
        let many = OneOrMany::<Height>::from_json(json!([1, "0x2"]));
        assert_eq!(many, Ok(OneOrMany::Many(vec![Height(1), Height(2)])));
    }
}
