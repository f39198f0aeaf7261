//! The last word against signing twice.
//!
//! The engine keeps a log of its own and repeats after a crash what it had said before. That log, and the database, may
//! however be lost, or be restored from a backup that is older than the last vote. Therefore this file remembers what was
//! signed last and is on disk before the message leaves; from then on nothing lower and nothing that contradicts it is
//! signed. **The file must never be restored from a backup, and a key must never be used without its file.**
//!
//! A vote of the newest height binds what may be voted for in later rounds of it, and only the engine's log knows that. So
//! when the file knows of votes in a height, votes in that height are signed only if the log that was replayed contains
//! the newest of them. Otherwise the node follows the others until that height is past.
//!
//! The file has two slots that are written in turn, each with a checksum, so that a torn write loses only the message
//! that has not left.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use codec::{Decode, DecodeAll, Encode};
use myelin_chain::{ConsensusKey, Hash};
use parking_lot::Mutex;
use sp_crypto_hashing::blake2_256;

use crate::Step;

const SLOT_BYTES: usize = 256;
const DIGEST_BYTES: usize = 32;

/// What a message is about: of two different ones with the same place, only one may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Place {
    /// Height of the block.
    pub height: u32,
    /// Round of the height.
    pub round: u32,
    /// Step of the round.
    pub step: Step,
}

/// What was signed in the newest round: for each step the block, or none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Signed {
    newest: Place,
    values: [Option<Option<Hash>>; 3],
}

/// A row of the file.
#[derive(Encode, Decode)]
struct Row {
    version: u8,
    chain: Hash,
    key: ConsensusKey,
    signed: Signed,
}

const VERSION: u8 = 1;

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The message could contradict one that was signed before.
    #[error("not signed: {wanted:?} after {signed:?} was signed already; the node follows the others until that height is past")]
    Refused {
        /// What was to be signed.
        wanted: Place,
        /// The newest that was signed.
        signed: Place,
    },
    /// The file belongs to another key or chain.
    #[error("{path} belongs to another key or chain, expected that of this node's key on this chain; give every key on every chain a home directory of its own")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{path} is damaged, so what was signed last is unknown; use a new consensus key, or delete the file once you are sure that the others are past every height this key has signed")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The disk does not take or give the file.
    #[error("{path} cannot be used: {source}; make it readable and writable for the node, which signs nothing without it")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Remembers what one key has signed on one chain.
pub struct SigningGuard {
    path: PathBuf,
    chain: Hash,
    key: ConsensusKey,
    state: Mutex<State>,
}

struct State {
    file: File,
    next_slot: u64,
    /// What is in the file, so what may have left.
    published: Option<Signed>,
    /// What was signed, which may be ahead of the file.
    signed: Option<Signed>,
    /// What the file held when it was opened, until it is seen in the engine's log.
    unconfirmed: Option<Signed>,
    refused: Option<Place>,
}

impl SigningGuard {
    /// Opens the file of `key` on `chain`, or begins a new one.
    ///
    /// # Errors
    /// [`GuardError::Foreign`], [`GuardError::Damaged`] and [`GuardError::Disk`].
    pub fn open(path: &Path, chain: Hash, key: ConsensusKey) -> Result<Self, GuardError> {
        let disk = |source| GuardError::Disk { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(disk)?;
        let mut bytes = Vec::new();
        (&mut file).take(4 * SLOT_BYTES as u64).read_to_end(&mut bytes).map_err(disk)?;
        if bytes.is_empty() {
            // The entry in the directory has to outlive a crash as well.
            path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all()).map_err(disk)?;
        }
        let rows: Vec<_> = bytes
            .chunks(SLOT_BYTES)
            .zip(0..)
            .filter_map(|(slot, index)| Some((read_slot(slot)?, index)))
            .collect();
        if rows.iter().any(|(row, _)| row.chain != chain || row.key != key) {
            return Err(GuardError::Foreign { path: path.to_owned() });
        }
        let newest = rows.into_iter().max_by_key(|(row, _)| row.signed.newest);
        if newest.is_none() && bytes.len() > SLOT_BYTES {
            return Err(GuardError::Damaged { path: path.to_owned() });
        }
        let next_slot = newest.as_ref().map_or(0, |(_, index)| 1 - index);
        let published = newest.map(|(row, _)| row.signed);
        let state = State {
            file,
            next_slot,
            signed: published.clone(),
            unconfirmed: published.clone(),
            published,
            refused: None,
        };
        Ok(Self { path: path.to_owned(), chain, key, state: Mutex::new(state) })
    }

    /// The newest height in which something was signed.
    pub fn height(&self) -> Option<u32> {
        self.state.lock().published.as_ref().map(|signed| signed.newest.height)
    }

    /// Hears of an own message in the engine's log.
    pub fn confirm(&self, place: Place, value: Option<Hash>) {
        let mut state = self.state.lock();
        let newest = |signed: &Signed| (signed.newest, signed.value(signed.newest.step));
        if state.unconfirmed.as_ref().map(newest) == Some((place, Some(value))) {
            state.unconfirmed = None;
        }
    }

    /// Asks to sign.
    ///
    /// # Errors
    /// [`GuardError::Refused`].
    pub fn permit(&self, place: Place, value: Option<Hash>) -> Result<(), GuardError> {
        let mut state = self.state.lock();
        let unconfirmed =
            state.unconfirmed.as_ref().is_some_and(|signed| place.height <= signed.newest.height);
        match Signed::after(state.signed.as_ref(), place, value) {
            Some(signed) if !unconfirmed => {
                state.signed = Some(signed);
                Ok(())
            }
            _ => {
                state.refused = Some(place);
                let signed = state.signed.as_ref().map_or(place, |signed| signed.newest);
                Err(GuardError::Refused { wanted: place, signed })
            }
        }
    }

    /// Records a message that is about to leave; it is on disk when this returns.
    ///
    /// # Errors
    /// [`GuardError::Refused`] when it contradicts one that left before, and [`GuardError::Disk`]. It must not leave then.
    pub fn publish(&self, place: Place, value: Option<Hash>) -> Result<(), GuardError> {
        let mut state = self.state.lock();
        let signed = match Signed::with(state.published.as_ref(), place, value) {
            Ok(Some(signed)) => signed,
            Ok(None) => return Ok(()),
            Err(signed) => {
                state.refused = Some(place);
                return Err(GuardError::Refused { wanted: place, signed });
            }
        };
        let row = Row { version: VERSION, chain: self.chain, key: self.key, signed: signed.clone() };
        let slot = state.next_slot;
        write_slot(&mut state.file, slot, &row)
            .map_err(|source| GuardError::Disk { path: self.path.clone(), source })?;
        state.next_slot = 1 - slot;
        state.published = Some(signed);
        Ok(())
    }

    /// What was refused since the last call, if anything.
    pub fn take_refusal(&self) -> Option<Place> {
        self.state.lock().refused.take()
    }
}

#[expect(clippy::indexing_slicing, reason = "there are as many values as steps")]
impl Signed {
    fn value(&self, step: Step) -> Option<Option<Hash>> {
        self.values[step as usize]
    }

    /// What has left once a message has that was permitted; nothing when that is known already.
    ///
    /// # Errors
    /// The newest place, when another value has left for the same one.
    fn with(signed: Option<&Self>, place: Place, value: Option<Hash>) -> Result<Option<Self>, Place> {
        let Some(signed) = signed else { return Ok(Self::after(None, place, value)) };
        match signed.value(place.step).filter(|_| same_round(place, signed.newest)) {
            Some(before) if before == value => return Ok(None),
            Some(_) => return Err(signed.newest),
            None => {}
        }
        if same_round(place, signed.newest) {
            // Messages reach the disk in another order than they were signed in, when the later one was in a certificate.
            let mut next = signed.clone();
            next.values[place.step as usize] = Some(value);
            next.newest = next.newest.max(place);
            return Ok(Some(next));
        }
        // What peers missed is sent again later; it was recorded when it was new.
        Ok(Self::after(Some(signed), place, value))
    }

    /// What has been signed once `value` is, too; nothing when that must not be.
    fn after(signed: Option<&Self>, place: Place, value: Option<Hash>) -> Option<Self> {
        match signed {
            Some(signed) if same_round(place, signed.newest) => {
                let mut next = signed.clone();
                match next.value(place.step) {
                    Some(before) if before != value => return None,
                    None if place.step < signed.newest.step => return None,
                    _ => {}
                }
                next.values[place.step as usize] = Some(value);
                next.newest = next.newest.max(place);
                Some(next)
            }
            Some(signed) if place < signed.newest => None,
            _ => {
                let mut values = [None; 3];
                values[place.step as usize] = Some(value);
                Some(Self { newest: place, values })
            }
        }
    }
}

fn same_round(left: Place, right: Place) -> bool {
    (left.height, left.round) == (right.height, right.round)
}

fn read_slot(slot: &[u8]) -> Option<Row> {
    let (digest, rest) = slot.split_first_chunk::<DIGEST_BYTES>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let payload = rest.get(..u16::from_le_bytes(*length).into())?;
    let row = Row::decode_all(&mut &payload[..]).ok()?;
    (blake2_256(payload) == *digest && row.version == VERSION).then_some(row)
}

fn write_slot(file: &mut File, slot: u64, row: &Row) -> io::Result<()> {
    let payload = row.encode();
    let mut bytes = blake2_256(&payload).to_vec();
    bytes.extend((payload.len() as u16).to_le_bytes());
    bytes.extend(payload);
    bytes.resize(SLOT_BYTES, 0);
    file.seek(SeekFrom::Start(slot * SLOT_BYTES as u64))?;
    file.write_all(&bytes)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(height: u32, round: u32, step: Step) -> Place {
        Place { height, round, step }
    }

    fn block(byte: u8) -> Option<Hash> {
        Some(Hash::repeat_byte(byte))
    }

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("signed")
        }

        fn try_open(&self) -> Result<SigningGuard, GuardError> {
            SigningGuard::open(&self.path(), Hash::repeat_byte(1), [2; 32])
        }

        fn open(&self) -> SigningGuard {
            self.try_open().unwrap()
        }
    }

    fn sign(guard: &SigningGuard, place: Place, value: Option<Hash>) -> Result<(), GuardError> {
        guard.permit(place, value)?;
        guard.publish(place, value)
    }

    #[test]
    fn a_round_goes_forward_and_repeats_itself() {
        let home = Home::new();
        let guard = home.open();
        for (step, value) in [(Step::Proposal, block(1)), (Step::Prevote, block(1)), (Step::Precommit, None)]
        {
            sign(&guard, place(5, 0, step), value).unwrap();
            sign(&guard, place(5, 0, step), value).unwrap();
        }
        sign(&guard, place(5, 0, Step::Proposal), block(1)).unwrap();
        sign(&guard, place(5, 1, Step::Prevote), None).unwrap();
        sign(&guard, place(6, 0, Step::Prevote), block(2)).unwrap();
        assert_eq!(guard.height(), Some(6));
        assert_eq!(guard.take_refusal(), None);
    }

    #[test]
    fn what_contradicts_or_goes_back_is_refused() {
        let home = Home::new();
        let guard = home.open();
        sign(&guard, place(5, 1, Step::Prevote), block(1)).unwrap();
        for (wanted, value) in [
            (place(5, 1, Step::Prevote), block(2)),
            (place(5, 1, Step::Prevote), None),
            (place(5, 1, Step::Proposal), block(1)),
            (place(5, 0, Step::Precommit), block(1)),
            (place(4, 9, Step::Precommit), block(1)),
        ] {
            assert!(matches!(guard.permit(wanted, value), Err(GuardError::Refused { .. })), "{wanted:?}");
            assert_eq!(guard.take_refusal(), Some(wanted));
        }
    }

    #[test]
    fn two_values_are_refused_before_either_has_left() {
        let home = Home::new();
        let guard = home.open();
        guard.permit(place(5, 0, Step::Prevote), block(1)).unwrap();
        assert!(guard.permit(place(5, 0, Step::Prevote), block(2)).is_err());
        assert_eq!(guard.height(), None);
    }

    #[test]
    fn it_remembers_and_waits_for_the_log() {
        let home = Home::new();
        sign(&home.open(), place(5, 0, Step::Precommit), block(1)).unwrap();
        let restored = home.open();
        assert_eq!(restored.height(), Some(5));
        // Without the log, not even a later round is safe: the vote above locks this validator.
        assert!(restored.permit(place(5, 1, Step::Prevote), None).is_err());
        restored.confirm(place(5, 0, Step::Prevote), block(1));
        restored.confirm(place(5, 0, Step::Precommit), block(2));
        assert!(restored.permit(place(5, 1, Step::Prevote), None).is_err());
        restored.confirm(place(5, 0, Step::Precommit), block(1));
        restored.permit(place(5, 1, Step::Prevote), None).unwrap();
        // Once past the height, the log is not needed.
        let later = home.open();
        for step in [Step::Proposal, Step::Prevote, Step::Precommit] {
            sign(&later, place(6, 0, step), block(2)).unwrap();
        }
    }

    #[test]
    fn old_messages_may_be_sent_again_but_not_others() {
        let home = Home::new();
        sign(&home.open(), place(5, 0, Step::Prevote), block(1)).unwrap();
        let guard = home.open();
        guard.publish(place(4, 0, Step::Prevote), block(9)).unwrap();
        guard.publish(place(5, 0, Step::Prevote), block(1)).unwrap();
        assert!(guard.publish(place(5, 0, Step::Prevote), block(2)).is_err());
    }

    #[test]
    fn a_torn_write_loses_only_the_newest() {
        let home = Home::new();
        let guard = home.open();
        sign(&guard, place(5, 0, Step::Prevote), block(1)).unwrap();
        sign(&guard, place(5, 0, Step::Precommit), block(1)).unwrap();
        let mut bytes = std::fs::read(home.path()).unwrap();
        bytes[SLOT_BYTES + 40] ^= 1;
        std::fs::write(home.path(), &bytes).unwrap();
        let guard = home.open();
        assert!(guard.permit(place(5, 0, Step::Prevote), block(2)).is_err());
        bytes[40] ^= 1;
        std::fs::write(home.path(), &bytes).unwrap();
        assert!(matches!(home.try_open(), Err(GuardError::Damaged { .. })));
    }

    #[test]
    fn the_file_belongs_to_one_key_on_one_chain() {
        let home = Home::new();
        sign(&home.open(), place(5, 0, Step::Prevote), block(1)).unwrap();
        for (chain, key) in [(Hash::zero(), [2; 32]), (Hash::repeat_byte(1), [3; 32])] {
            let opened = SigningGuard::open(&home.path(), chain, key);
            assert!(matches!(opened, Err(GuardError::Foreign { .. })));
        }
    }
}
