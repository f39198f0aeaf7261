//! What can be wrong with a document.

use crate::MAX_DOCUMENT_BYTES;
use std::fmt;
use thiserror::Error;

/// Why a document is not the inputs of an epoch.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// The source gives nothing more.
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    /// The source gives more than any epoch comes to.
    #[error("it is longer than {MAX_DOCUMENT_BYTES} bytes; expected the inputs of an epoch")]
    TooLong,
    /// The source gives something else than text.
    #[error("it is not a text in UTF-8, from byte {from} on; expected a JSON document")]
    NotText {
        /// Bytes before the first that is none.
        from: usize,
    },
    /// The text is not JSON, or breaks off.
    #[error("not a JSON document: {problem}")]
    Json {
        /// What the parser says.
        problem: String,
    },
    /// The text is JSON, but neither inputs nor a case.
    #[error("expected a JSON object with the inputs of an epoch, or one with `steps` that have an `input` each; found {found}")]
    NotAnObject {
        /// What it is instead.
        found: &'static str,
    },
    /// A field is missing, unknown, of another type or out of range.
    #[error("{place}{problem}")]
    Field {
        /// Where.
        place: Place,
        /// What was found, what was expected, and at which line.
        problem: String,
    },
    /// A list does not have one entry for each uid.
    #[error("{place}has {found} entries; expected {expected}")]
    Length {
        /// The list.
        place: Place,
        /// Its length.
        found: usize,
        /// The lengths it may have.
        expected: String,
    },
    /// The owner is none of the uids.
    #[error("{place}is {found}, but uids go from 0 to below {uid_count}; give the owner's uid, or null")]
    Owner {
        /// The field.
        place: Place,
        /// What it says.
        found: u16,
        /// Number of uids.
        uid_count: u16,
    },
    /// A total stake does not follow from its parts.
    #[error("{place}is {found}, but `alpha_stake`, `tao_stake` and `tao_weight` come to {expected}; correct one of them, or leave `total_stake_bits` out")]
    TotalStake {
        /// The entry.
        place: Place,
        /// Bits as given.
        found: i128,
        /// Bits as they follow.
        expected: i128,
    },
    /// A case has no steps.
    #[error("`steps` is empty; a case has at least one step")]
    NoSteps,
}

/// A field of a document. Shown as the beginning of a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The step of a case, from 0; none for what is outside the steps or in a document without.
    pub step: Option<usize>,
    /// The field, with indices, such as `weights[3][1][0]`; empty for the whole.
    pub field: String,
}

impl Place {
    /// A field at a step.
    pub fn new(step: Option<usize>, field: impl Into<String>) -> Self {
        Self { step, field: field.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = self.step {
            write!(f, "step {step}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "`{}` ", self.field)?;
        }
        Ok(())
    }
}

/// Characters of a message that are shown.
const SHOWN_MESSAGE: usize = 2_000;
/// Characters of a value in it that are shown.
const SHOWN_VALUE: usize = 120;

/// A message that quotes a document, without the middle of what is long. Whoever wrote the document wants to know which value is
/// meant, and whoever did not, not all of it.
pub(crate) fn shortened(message: &str) -> String {
    let is_quote = |c| c == '`' || c == '"';
    let parts = message.split_inclusive(is_quote).map(|part| without_middle(part, SHOWN_VALUE));
    without_middle(&parts.collect::<String>(), SHOWN_MESSAGE)
}

fn without_middle(text: &str, shown: usize) -> String {
    let length = text.chars().count();
    if length <= shown {
        return text.to_owned();
    }
    let (head, tail) = (text.chars().take(shown / 2), text.chars().skip(length - shown / 2));
    head.chain("[...]".chars()).chain(tail).collect()
}
