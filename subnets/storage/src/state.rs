//! What a validator remembers, in one file.
//!
//! The file is written beside its place and then renamed, so that a crash leaves the old or the new one. It holds the
//! secret seed: only its owner may read it.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    object::{ObjectId, Seed},
    proof::Root,
    score::Outcome,
};

/// Whether a miner has an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holding {
    /// Not offered yet.
    Untried,
    /// The miner has confirmed that it keeps it.
    Stored,
    /// The miner did not take it.
    Refused,
}

/// An object that was made, and who keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Which object.
    pub object: ObjectId,
    /// Its name; its bytes follow from the seed.
    pub root: Root,
    /// Its holders by address.
    pub holdings: BTreeMap<String, Holding>,
}

/// What is known of a miner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Moving average of its answers' values, from 0 to 1.
    pub score: f64,
    /// Right answers in time.
    pub correct: u64,
    /// Answers that did not come in time.
    pub late: u64,
    /// Answers that proved nothing.
    pub wrong: u64,
    /// Answers that it does not have the object, and no answers at all.
    pub missing: u64,
    /// Time of the last right answer.
    pub latency_ms: Option<u64>,
}

impl Record {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Correct { latency_ms } => {
                self.correct = self.correct.saturating_add(1);
                self.latency_ms = Some(latency_ms);
            }
            Outcome::Late => self.late = self.late.saturating_add(1),
            Outcome::Wrong => self.wrong = self.wrong.saturating_add(1),
            Outcome::Missing => self.missing = self.missing.saturating_add(1),
        }
    }
}

/// Everything a validator remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What objects and challenges follow from.
    pub seed: Seed,
    /// Rounds of challenges so far.
    pub round: u64,
    /// Objects that are placed or to be placed.
    pub placements: Vec<Placement>,
    /// Miners by address.
    pub records: BTreeMap<String, Record>,
}

/// A state file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The disk fails.
    #[error("cannot read or write the validator's state in {}: {reason}; check the path, its permissions and the disk", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Not a state file.
    #[error("{} is not a validator's state ({reason}); restore it from a backup, or move it away to begin anew", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: serde_json::Error,
    },
}

impl State {
    /// The state of a validator that knows nothing.
    pub fn new(seed: Seed) -> Self {
        Self { seed, round: 0, placements: Vec::new(), records: BTreeMap::new() }
    }

    /// Reads the file at `path`, or begins anew if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is something else.
    pub fn load(path: &Path) -> Result<Self, StateError> {
        let io_error = |reason| StateError::Io { path: path.to_owned(), reason };
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|reason| StateError::Format { path: path.to_owned(), reason }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Seed::generate().map(Self::new).map_err(io_error)
            }
            Err(error) => Err(io_error(error)),
        }
    }

    /// Writes the file at `path`, whole or not at all.
    ///
    /// # Errors
    /// The disk fails.
    pub fn save(&self, path: &Path) -> Result<(), StateError> {
        self.write(path).map_err(|reason| StateError::Io { path: path.to_owned(), reason })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory)?;
        // Made readable for its owner only.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        fs::File::open(directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn state() -> State {
        let object = ObjectId { holders: vec!["a".into(), "b".into()], slot: 1, generation: 2, size: 3 };
        let holdings = BTreeMap::from([("a".into(), Holding::Stored), ("b".into(), Holding::Refused)]);
        let mut record = Record { score: 0.1 + 0.2, ..Record::default() };
        record.count(Outcome::Correct { latency_ms: 7 });
        State {
            round: 9,
            placements: vec![Placement { object, root: Root([1; 32]), holdings }],
            records: BTreeMap::from([("a".into(), record)]),
            ..State::new(Seed::from_bytes([5; 32]))
        }
    }

    #[test]
    fn state_is_the_same_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/state.json");
        state().save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), state());
        let newer = State { round: 10, ..state() };
        newer.save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap().round, 10);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
    }

    #[test]
    fn every_new_validator_has_a_seed_of_its_own() {
        let path = Path::new("/nowhere/state.json");
        assert_ne!(State::load(path).unwrap().seed, State::load(path).unwrap().seed);
    }

    #[test]
    fn a_damaged_file_is_not_taken_for_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        for text in ["", "{}", "[]", "{\"seed\": \"00\"}"] {
            fs::write(&path, text).unwrap();
            let error = State::load(&path).unwrap_err();
            assert!(error.to_string().contains("restore it from a backup"), "{error}");
        }
    }
}
