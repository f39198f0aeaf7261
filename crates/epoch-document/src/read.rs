//! From text to fields, in one pass, with errors that say where.

use crate::{
    error::{shortened, DocumentError, Place},
    fields::EpochFields,
    Document, Epoch, MAX_DOCUMENT_BYTES,
};
use myelin_yuma::SparseRow;
use serde::{
    de::{
        value::MapAccessDeserializer, DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess,
        Unexpected, Visitor,
    },
    Deserialize, Deserializer,
};
use serde_path_to_error::Segment;
use std::{fmt, io::Read, marker::PhantomData};

/// The only version of the document.
const SCHEMA: u64 = 1;

/// Fields that a case has and an input has not.
const CASE_FIELDS: [&str; 4] = ["schema", "name", "desc", "steps"];

/// A field that no input is without, and no case has.
const INPUT_FIELD: &str = "n";

/// As many as there are uids.
const MAX_ENTRIES: usize = 1 << 16;

/// Bytes that tell whether a source is worth reading.
const FIRST_BYTES: u64 = 4096;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The text of a source, or its beginning if that is not how a document begins.
pub(crate) fn text(mut source: impl Read) -> Result<String, DocumentError> {
    let mut bytes = Vec::new();
    source.by_ref().take(FIRST_BYTES).read_to_end(&mut bytes)?;
    let after_mark = bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(&bytes);
    if matches!(after_mark.trim_ascii_start().first(), None | Some(b'{')) {
        source.take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLong);
    }
    String::from_utf8(bytes)
        .map_err(|error| DocumentError::NotText { from: error.utf8_error().valid_up_to() })
}

pub(crate) fn document(text: &str) -> Result<Document, DocumentError> {
    // Editors put it there, and readers of JSON may pass over it.
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if !is_case(text)? {
        let epochs = vec![Epoch::new(typed::<EpochFields>(text)?, None)?];
        return Ok(Document { epochs, is_case: false });
    }
    let steps = typed::<Case>(text)?.steps;
    if steps.is_empty() {
        return Err(DocumentError::NoSteps);
    }
    let epochs = steps.into_iter().enumerate().map(|(index, step)| Epoch::new(step.0.input.0, Some(index)));
    Ok(Document { epochs: epochs.collect::<Result<_, _>>()?, is_case: true })
}

/// A case; what it records besides inputs may be anything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default, rename = "schema")]
    _schema: Schema,
    #[serde(default, rename = "name")]
    _name: String,
    #[serde(default, rename = "desc")]
    _description: String,
    steps: Vec<Object<Step>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    input: Object<EpochFields>,
    #[serde(default, rename = "output")]
    _output: IgnoredAny,
    #[serde(default, rename = "legacy")]
    _legacy: IgnoredAny,
    #[serde(default, rename = "trace")]
    _trace: IgnoredAny,
    #[serde(default, rename = "dense_equal")]
    _dense_equal: IgnoredAny,
    #[serde(default, rename = "dense")]
    _dense: IgnoredAny,
}

/// A version of the document that is [`SCHEMA`].
#[derive(Default)]
struct Schema;

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match integer::<u64, D>(deserializer)? {
            SCHEMA => Ok(Self),
            other => Err(D::Error::custom(format!("is {other}; expected {SCHEMA}"))),
        }
    }
}

/// Whether a document is a case, by the names of its fields.
fn is_case(text: &str) -> Result<bool, DocumentError> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            let (mut is_like_case, mut is_like_input) = (false, false);
            while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                is_like_case |= CASE_FIELDS.contains(&name.as_str());
                is_like_input |= name == INPUT_FIELD;
            }
            Ok(is_like_case && !is_like_input)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let is_case = json.deserialize_map(Names).and_then(|is_case| json.end().map(|()| is_case));
    is_case.map_err(|error| match other_than_object(text) {
        Some(found) if error.is_data() || text.trim_ascii().is_empty() => {
            DocumentError::NotAnObject { found }
        }
        _ => DocumentError::Json { problem: error.to_string() },
    })
}

/// What a JSON text is that does not begin as an object.
fn other_than_object(text: &str) -> Option<&'static str> {
    match text.trim_ascii_start().bytes().next() {
        None => Some("an empty text"),
        Some(b'[') => Some("a list"),
        Some(b'"') => Some("a text"),
        Some(b'-' | b'0'..=b'9') => Some("a number"),
        Some(b'n') => Some("null"),
        Some(b't' | b'f') => Some("true or false"),
        _ => None,
    }
}

fn typed<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let object: Object<T> = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let place = place(error.path());
        let text = with_literal(text, &error.into_inner());
        // A field's own problems are sentences that begin with it, as all do that are about the whole.
        let is_sentence = place.field.is_empty() || text.starts_with("is ");
        let problem = shortened(&if is_sentence { text } else { format!("is wrong: {text}") });
        DocumentError::Field { place, problem }
    })?;
    Ok(object.0)
}

/// Stands in an error for a number that was read as a floating-point one, and is not known to the digit any more.
const NUMBER: &str = "\u{0}";

/// The text of an error, with a number in it as the document has it.
fn with_literal(document: &str, error: &serde_json::Error) -> String {
    let told = error.to_string();
    // The parser stands behind the number.
    let line = document.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let read = line.get(..error.column().min(line.len())).unwrap_or_default();
    let rest = read.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let literal = read.strip_prefix(rest).filter(|literal| !literal.is_empty());
    told.replace(NUMBER, &shortened(literal.unwrap_or("no integer")))
}

/// `steps[2].input.weights[0]` is `weights[0]` at step 2.
fn place(path: &serde_path_to_error::Path) -> Place {
    let segments: Vec<&Segment> = path.iter().collect();
    let (step, field) = match segments.as_slice() {
        [Segment::Map { key }, Segment::Seq { index }, rest @ ..] if key == "steps" => {
            let rest = match rest {
                [Segment::Map { key }, inner @ ..] if key == "input" => inner,
                other => other,
            };
            (Some(*index), rest)
        }
        all => (None, all),
    };
    Place::new(step, shortened(&named(field)))
}

fn named(segments: &[&Segment]) -> String {
    let mut name = String::new();
    for segment in segments {
        match segment {
            Segment::Map { key } if name.is_empty() => name.push_str(key),
            Segment::Seq { index } => name.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => name.push_str(&format!(".{key}")),
            Segment::Unknown => name.push_str(".?"),
        }
    }
    name
}

/// A `T` that stands in the document as an object: serde would take a list of its fields as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// An integer type that a document can hold, with its range.
pub(crate) trait Integer: TryFrom<u64> + TryFrom<i64> {
    const LOWEST: i64;
    const HIGHEST: u64;
}

impl Integer for u16 {
    const LOWEST: i64 = 0;
    const HIGHEST: u64 = u16::MAX as u64;
}

impl Integer for u64 {
    const LOWEST: i64 = 0;
    const HIGHEST: u64 = u64::MAX;
}

impl Integer for i16 {
    const LOWEST: i64 = i16::MIN as i64;
    const HIGHEST: u64 = i16::MAX as u64;
}

/// An integer that tells its range when it is out of it.
struct Ranged<T>(T);

impl<'de, T: Integer> Deserialize<'de> for Ranged<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(RangedVisitor(PhantomData)).map(Self)
    }
}

struct RangedVisitor<T>(PhantomData<T>);

impl<T: Integer> RangedVisitor<T> {
    fn out_of_range<E: serde::de::Error>(found: impl fmt::Display) -> E {
        E::custom(format!("is {found}; expected {}..={}", T::LOWEST, T::HIGHEST))
    }
}

impl<T: Integer> Visitor<'_> for RangedVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer within {}..={}", T::LOWEST, T::HIGHEST)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<T, E> {
        T::try_from(value).map_err(|_| Self::out_of_range(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<T, E> {
        T::try_from(value).map_err(|_| Self::out_of_range(value))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<T, E> {
        Err(Self::out_of_range(NUMBER))
    }
}

pub(crate) fn integer<'de, T: Integer, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ranged::deserialize(deserializer).map(|integer| integer.0)
}

/// A list with at most one entry for each uid there can be. Longer ones cost memory before they can be found to have the wrong
/// length.
struct Entries<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    if entries.len() >= MAX_ENTRIES {
                        return Err(A::Error::custom(format!("has more than {MAX_ENTRIES} entries")));
                    }
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_seq(EntriesVisitor(PhantomData))
    }
}

pub(crate) fn integers<'de, T: Integer, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let Entries(integers) = Entries::<Ranged<T>>::deserialize(deserializer)?;
    Ok(integers.into_iter().map(|integer| integer.0).collect())
}

/// Null or an integer; unlike a plain option it has to be there.
pub(crate) fn optional_integer<'de, T: Integer, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Ranged<T>>::deserialize(deserializer)?.map(|integer| integer.0))
}

pub(crate) fn optional_integers<'de, T: Integer, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Option<T>>, D::Error> {
    let Entries(integers) = Entries::<Option<Ranged<T>>>::deserialize(deserializer)?;
    Ok(integers.into_iter().map(|integer| integer.map(|integer| integer.0)).collect())
}

pub(crate) fn rows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SparseRow>, D::Error> {
    let Entries(rows) = Entries::<Entries<(Ranged<u16>, Ranged<u16>)>>::deserialize(deserializer)?;
    let row = |Entries(row): Entries<(Ranged<u16>, Ranged<u16>)>| {
        row.into_iter().map(|(uid, value)| (uid.0, value.0)).collect()
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Bits of numbers that have no place in a JSON number, as decimal texts.
pub(crate) mod stake_bits {
    use super::*;
    use serde::Serializer;

    struct Bits(i128);

    impl<'de> Deserialize<'de> for Bits {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(BitsVisitor)
        }
    }

    struct BitsVisitor;

    impl Visitor<'_> for BitsVisitor {
        type Value = Bits;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a text with an integer within 0..={}", i128::MAX)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bits, E> {
            let bits = text.parse::<i128>().ok().filter(|bits| *bits >= 0);
            bits.map(Bits).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<i128>>, D::Error> {
        let Entries(bits) = Entries::<Bits>::deserialize(deserializer)?;
        Ok(Some(bits.into_iter().map(|bits| bits.0).collect()))
    }

    pub fn serialize<S: Serializer>(bits: &Option<Vec<i128>>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(bits.iter().flatten().map(ToString::to_string))
    }
}
