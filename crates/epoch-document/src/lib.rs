//! Epochs as JSON: what goes into one and what comes out, so that anybody can recompute what a subnet has paid.
//!
//! A document is the inputs of one epoch, or a *case* whose `steps` have an `input` each; `tests/vectors/README.md` says
//! what the fields mean. A case may also record results (`output`, `trace` and others); they are not read.
//!
//! Everything that is wrong with a document is an error that names the step and the field:
//!
//! * a field that is missing, unknown or given twice,
//! * a number that is no integer or out of range, a list or a text in its place,
//! * a list whose length does not fit `n`. One entry for each uid is right. `last_update`, `block_at_registration` and
//!   `validator_permits` may be shorter, as on a subnet that has just grown. `commit_blocks` may be empty without
//!   `commit_reveal`,
//! * `total_stake_bits` that are not what `alpha_stake`, `tao_stake` and `tao_weight` come to. They may be left out,
//! * a `schema` other than 1, a case without steps.
//!
//! Reading takes memory in proportion to the document, which has a limit, and never panics.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod error;
mod fields;
mod output;
mod read;

pub use error::{DocumentError, Place};
pub use fields::EpochFields;
pub use output::OutputDocument;

use std::io::Read;

use myelin_yuma::EpochInput;

/// Bytes of the longest document that is read: more than three epochs of 4,096 neurons come to when 256 of them judge all.
pub const MAX_DOCUMENT_BYTES: u64 = 90 << 20;

/// One epoch, ready to be computed.
#[derive(Clone, Debug)]
pub struct Epoch {
    fields: EpochFields,
    total_stake: Vec<myelin_fixed::I64F64>,
}

/// What a document holds: at least one epoch.
#[derive(Clone, Debug)]
pub struct Document {
    epochs: Vec<Epoch>,
    is_case: bool,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        read::document(text)
    }

    /// Reads a document from a source that may be endless. One that does not begin as a document is not read to its end.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and where the source fails, is too long or no text.
    pub fn read(source: impl Read) -> Result<Self, DocumentError> {
        read::text(source).and_then(|text| Self::parse(&text))
    }

    /// Its epochs, in order.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// Whether it is a case with steps, rather than the inputs of one epoch.
    #[must_use]
    pub fn is_case(&self) -> bool {
        self.is_case
    }
}

impl Epoch {
    /// Checks fields that belong together.
    ///
    /// # Errors
    /// The first one that does not fit, at `step` of a case.
    pub fn new(fields: EpochFields, step: Option<usize>) -> Result<Self, DocumentError> {
        let total_stake = fields.checked(step)?;
        Ok(Self { fields, total_stake })
    }

    /// The epoch's inputs.
    #[must_use]
    pub fn input(&self) -> EpochInput<'_> {
        self.fields.input(&self.total_stake)
    }
}
