//! Metadata, encoded once.
//!
//! Clients ask for it whenever they connect, and to describe the whole runtime takes longer than most calls. It is the same
//! after every block, but for the slot duration, a constant that is part of the state.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use codec::Decode;
use myelin_chain::{storage_keys, StateView};

use crate::{
    error::{self, RpcResult},
    Context,
};

const PLAIN: &str = "Metadata_metadata";
const AT_VERSION: &str = "Metadata_metadata_at_version";
/// The encoding of an `Option` that is empty.
const NONE: &[u8] = &[0];

/// A runtime call that answers metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// In the version that everybody reads.
    Plain,
    /// In this version.
    AtVersion(u32),
}

impl Form {
    /// The form that a runtime call asks for, when it asks for one.
    pub fn asked_for(method: &str, mut arguments: &[u8]) -> Option<Self> {
        match method {
            PLAIN if arguments.is_empty() => Some(Self::Plain),
            AT_VERSION => u32::decode(&mut arguments).ok().map(Self::AtVersion),
            _ => None,
        }
    }

    fn call(self, context: &Context, state: &StateView) -> RpcResult<Vec<u8>> {
        match self {
            Self::Plain => context.call(state, PLAIN, &[]),
            Self::AtVersion(version) => context.call(state, AT_VERSION, &version.to_le_bytes()),
        }
    }
}

/// What was answered, and for which slot duration.
struct Answered {
    slot_duration: Option<Vec<u8>>,
    answer: Arc<[u8]>,
}

/// The last answer in each form that there is.
#[derive(Default)]
pub(crate) struct MetadataCache(Mutex<BTreeMap<Form, Answered>>);

impl MetadataCache {
    /// What the runtime answers.
    ///
    /// # Errors
    /// When the state cannot be read, or the answer exceeds the limits of the server.
    pub fn answer(&self, context: &Context, state: &StateView, form: Form) -> RpcResult<Arc<[u8]>> {
        let slot_duration = state.storage(&storage_keys::slot_duration()).map_err(error::chain)?;
        if let Some(answer) = self.find(form, &slot_duration) {
            return Ok(answer);
        }
        let answer: Arc<[u8]> = form.call(context, state)?.into();
        // Only versions that exist take up memory.
        if *answer != *NONE {
            let answered = Answered { slot_duration, answer: Arc::clone(&answer) };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(form, answered);
        }
        Ok(answer)
    }

    fn find(&self, form: Form, slot_duration: &Option<Vec<u8>>) -> Option<Arc<[u8]>> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = answers.get(&form).filter(|answered| answered.slot_duration == *slot_duration);
        answered.map(|answered| Arc::clone(&answered.answer))
    }
}
