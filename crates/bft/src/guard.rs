//! The last word against signing twice.
//!
//! The engine keeps a log of its own and repeats after a crash what it had said before. That log, and the database, may
//! however be lost, or be restored from a backup that is older than the last vote. Therefore this file remembers what was
//! signed last and is on disk before the message leaves; from then on nothing lower and nothing that contradicts it is
//! signed.
//!
//! A vote of the newest height binds what may be voted for in later rounds of it, and only the engine's log knows that. So
//! when the file knows of votes in a height, votes in that height are signed only if the log that was replayed contains
//! the newest of them. Otherwise the node follows the others until that height is past.
//!
//! The file is made together with the key. Where it is missing, not whole, or older than a vote of this key that others
//! have put into a certificate, nobody knows what the key has signed last. Such a guard permits nothing, until the node has
//! seen a block decided that was made after it started: what the key had signed is past then, because whoever signed it has
//! ended before. A network all of whose guards are lost needs a person who says so ([`SigningGuard::create`]).
//!
//! The file has two slots that are written in turn, each with a checksum. A slot that cannot be read may be a write that did
//! not complete, whose message has not left; or it was damaged later. Nobody can tell, so it counts as damage.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use codec::{Decode, DecodeAll, Encode};
use myelin_chain::{ConsensusKey, Hash};
use parking_lot::Mutex;
use sp_crypto_hashing::blake2_256;

use crate::Step;

const SLOT_BYTES: usize = 256;
const SLOTS: u64 = 2;
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
#[derive(Clone, Encode, Decode)]
struct Row {
    version: u8,
    key: ConsensusKey,
    /// Counts rows, because two may have the same newest place.
    sequence: u64,
    /// The chain and what was signed on it; nothing as long as the key is new.
    signed: Option<(Hash, Signed)>,
    /// Whether others have a newer vote.
    is_outdated: bool,
}

const VERSION: u8 = 3;

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
    /// What was signed before is not known.
    #[error("not signed: {wanted:?}, because {path} does not tell what this key has signed before")]
    Unknown {
        /// What was to be signed.
        wanted: Place,
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another key or chain.
    #[error("{path} belongs to another key or chain, expected that of this node's key on this chain; give every key on every chain a home directory of its own")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is there and whole.
    #[error("{path} is whole and knows what its key has signed, so nothing is to be begun anew; leave it where it is")]
    Exists {
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

/// Why it is not known what a key has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// There is no file.
    #[error("is missing")]
    Missing,
    /// There is one that cannot be read.
    #[error("is damaged")]
    Damaged,
    /// Others have a newer vote of the key.
    #[error("is older than a vote of this key that others have")]
    Outdated,
}

/// Remembers what one key has signed on one chain.
pub struct SigningGuard {
    path: PathBuf,
    chain: Hash,
    key: ConsensusKey,
    state: Mutex<State>,
}

struct State {
    memory: Result<Memory, Doubt>,
    refused: Option<Place>,
}

struct Memory {
    file: File,
    sequence: u64,
    /// What is in the file, so what may have left.
    published: Option<Signed>,
    /// What was signed, which may be ahead of the file.
    signed: Option<Signed>,
    /// What the file held when it was opened, until it is seen in the engine's log.
    unconfirmed: Option<Signed>,
}

impl SigningGuard {
    /// Makes the file of a key that has never signed anything, or whose owner knows that whatever it has signed is past.
    ///
    /// # Errors
    /// [`GuardError::Exists`] when there is one that is whole, and [`GuardError::Disk`].
    pub fn create(path: &Path, key: ConsensusKey) -> Result<(), GuardError> {
        let disk = |source| GuardError::Disk { path: path.to_owned(), source };
        let known = read_rows(path).map_err(disk)?.and_then(|rows| newest(rows).known());
        match known {
            Ok(_) => Err(GuardError::Exists { path: path.to_owned() }),
            Err(_) => {
                let row = Row { version: VERSION, key, sequence: 0, signed: None, is_outdated: false };
                write_file(path, &row).map_err(disk)
            }
        }
    }

    /// Opens the file of `key` on `chain`. One that does not tell what the key has signed permits nothing.
    ///
    /// # Errors
    /// [`GuardError::Foreign`] and [`GuardError::Disk`].
    pub fn open(path: &Path, chain: Hash, key: ConsensusKey) -> Result<Self, GuardError> {
        let disk = |source| GuardError::Disk { path: path.to_owned(), source };
        let memory = match read_rows(path).map_err(disk)? {
            Ok(rows) => {
                let is_own = |row: &Row| row.key == key && row.chain().is_none_or(|found| found == chain);
                if !rows.iter().all(is_own) {
                    return Err(GuardError::Foreign { path: path.to_owned() });
                }
                Memory::open(path, rows).map_err(disk)?
            }
            Err(doubt) => Err(doubt),
        };
        let state = State { memory, refused: None };
        Ok(Self { path: path.to_owned(), chain, key, state: Mutex::new(state) })
    }

    /// Where the guard is in a sequencer's home directory.
    pub fn path_in(home: &Path) -> PathBuf {
        home.join("signing-guard")
    }

    /// The newest that a key has signed by its guard, or why that is not known.
    ///
    /// # Errors
    /// [`GuardError::Foreign`] and [`GuardError::Disk`].
    pub fn newest(path: &Path, key: ConsensusKey) -> Result<Result<Option<Place>, Doubt>, GuardError> {
        let rows = read_rows(path).map_err(|source| GuardError::Disk { path: path.to_owned(), source })?;
        match rows {
            Ok(rows) if rows.iter().any(|row| row.key != key) => {
                Err(GuardError::Foreign { path: path.to_owned() })
            }
            Ok(rows) => {
                let known = newest(rows).known();
                Ok(known.map(|row| row.signed.map(|(_, signed)| signed.newest)))
            }
            Err(doubt) => Ok(Err(doubt)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it is not known what the key has signed; nothing when it is.
    pub fn doubt(&self) -> Option<Doubt> {
        self.state.lock().memory.as_ref().err().copied()
    }

    /// The newest height in which something was signed, if that is known.
    pub fn height(&self) -> Option<u32> {
        let state = self.state.lock();
        let published = state.memory.as_ref().ok()?.published.as_ref();
        published.map(|signed| signed.newest.height)
    }

    /// Hears of an own message in the engine's log. It was signed, even if the process ended before it left and was recorded.
    pub fn confirm(&self, place: Place, value: Option<Hash>) {
        let mut state = self.state.lock();
        let Ok(memory) = &mut state.memory else { return };
        let newest = |signed: &Signed| (signed.newest, signed.value(signed.newest.step));
        if memory.unconfirmed.as_ref().map(newest) == Some((place, Some(value))) {
            memory.unconfirmed = None;
        }
        memory.learn(place, value);
    }

    /// Whether an own vote that others have can be one that was signed here. What is newer than everything in the file, or
    /// contradicts it, is not; nor is anything as long as it is not known what was signed.
    pub fn may_have_signed(&self, place: Place, value: Option<Hash>) -> bool {
        let state = self.state.lock();
        let Ok(memory) = &state.memory else { return false };
        memory.signed.as_ref().is_some_and(|signed| match same_round(place, signed.newest) {
            true => signed.value(place.step) == Some(value),
            false => place < signed.newest,
        })
    }

    /// Permits nothing from now on, also after a restart, because others have a vote of the key that is not known here.
    ///
    /// # Errors
    /// [`GuardError::Disk`].
    pub fn distrust(&self) -> Result<(), GuardError> {
        let mut state = self.state.lock();
        if let Ok(memory) = &mut state.memory {
            let sequence = memory.sequence.wrapping_add(1);
            let signed = memory.published.clone().map(|signed| (self.chain, signed));
            let row = Row { version: VERSION, key: self.key, sequence, signed, is_outdated: true };
            write_slot(&mut memory.file, sequence % SLOTS, &row).map_err(|source| self.disk(source))?;
            state.memory = Err(Doubt::Outdated);
        }
        Ok(())
    }

    /// Forgets the doubt: whatever was signed is no newer than `height`. Nothing is signed there or below any more.
    ///
    /// # Errors
    /// [`GuardError::Disk`].
    pub fn trust_after(&self, height: u32) -> Result<(), GuardError> {
        let newest = Place { height, round: u32::MAX, step: Step::Precommit };
        let row = self.row(0, Signed { newest, values: [None; 3] });
        let open = || {
            write_file(&self.path, &row)?;
            Memory::open(&self.path, [row.clone(), row.clone()])
        };
        self.state.lock().memory = open().map_err(|source| self.disk(source))?;
        Ok(())
    }

    /// Asks to sign.
    ///
    /// # Errors
    /// [`GuardError::Refused`] and [`GuardError::Unknown`].
    pub fn permit(&self, place: Place, value: Option<Hash>) -> Result<(), GuardError> {
        let mut guard = self.state.lock();
        let State { memory, refused } = &mut *guard;
        let memory = memory.as_mut().map_err(|_| self.unknown(place))?;
        let unconfirmed =
            memory.unconfirmed.as_ref().is_some_and(|signed| place.height <= signed.newest.height);
        match Signed::after(memory.signed.as_ref(), place, value) {
            Some(signed) if !unconfirmed => {
                memory.signed = Some(signed);
                Ok(())
            }
            _ => {
                *refused = Some(place);
                let signed = memory.signed.as_ref().map_or(place, |signed| signed.newest);
                Err(GuardError::Refused { wanted: place, signed })
            }
        }
    }

    /// Records a message that is about to leave; it is on disk when this returns.
    ///
    /// # Errors
    /// [`GuardError::Refused`] when it contradicts one that left before, [`GuardError::Unknown`] and [`GuardError::Disk`]. It
    /// must not leave then.
    pub fn publish(&self, place: Place, value: Option<Hash>) -> Result<(), GuardError> {
        let mut guard = self.state.lock();
        let State { memory, refused } = &mut *guard;
        let memory = memory.as_mut().map_err(|_| self.unknown(place))?;
        let signed = match Signed::with(memory.published.as_ref(), place, value) {
            Ok(Some(signed)) => signed,
            Ok(None) => return Ok(()),
            Err(signed) => {
                *refused = Some(place);
                return Err(GuardError::Refused { wanted: place, signed });
            }
        };
        let sequence = memory.sequence.wrapping_add(1);
        write_slot(&mut memory.file, sequence % SLOTS, &self.row(sequence, signed.clone()))
            .map_err(|source| self.disk(source))?;
        memory.sequence = sequence;
        memory.published = Some(signed);
        memory.learn(place, value);
        Ok(())
    }

    /// What was refused since the last call, if anything.
    pub fn take_refusal(&self) -> Option<Place> {
        self.state.lock().refused.take()
    }

    fn row(&self, sequence: u64, signed: Signed) -> Row {
        Row {
            version: VERSION,
            key: self.key,
            sequence,
            signed: Some((self.chain, signed)),
            is_outdated: false,
        }
    }

    fn unknown(&self, wanted: Place) -> GuardError {
        GuardError::Unknown { wanted, path: self.path.clone() }
    }

    fn disk(&self, source: io::Error) -> GuardError {
        GuardError::Disk { path: self.path.clone(), source }
    }
}

impl Row {
    fn chain(&self) -> Option<Hash> {
        self.signed.as_ref().map(|(chain, _)| *chain)
    }

    /// The row, unless others have a newer vote.
    fn known(self) -> Result<Self, Doubt> {
        match self.is_outdated {
            false => Ok(self),
            true => Err(Doubt::Outdated),
        }
    }
}

impl Memory {
    /// A message was signed, by this process or by one before it. One that contradicts what is known is left to whoever
    /// is to let it go.
    fn learn(&mut self, place: Place, value: Option<Hash>) {
        if let Ok(Some(signed)) = Signed::with(self.signed.as_ref(), place, value) {
            self.signed = Some(signed);
        }
    }

    fn open(path: &Path, rows: [Row; SLOTS as usize]) -> io::Result<Result<Self, Doubt>> {
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(newest(rows).known().map(|row| {
            let signed = row.signed.map(|(_, signed)| signed);
            Self {
                file,
                sequence: row.sequence,
                published: signed.clone(),
                signed: signed.clone(),
                unconfirmed: signed,
            }
        }))
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

fn newest([first, second]: [Row; SLOTS as usize]) -> Row {
    if first.sequence >= second.sequence {
        first
    } else {
        second
    }
}

fn read_rows(path: &Path) -> io::Result<Result<[Row; SLOTS as usize], Doubt>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Doubt::Missing)),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // One byte more than there should be, to see that there are no more.
    file.take(SLOTS * SLOT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let rows = match bytes.as_chunks::<SLOT_BYTES>() {
        ([first, second], []) => read_slot(first).zip(read_slot(second)),
        _ => None,
    };
    Ok(rows.map(|(first, second)| [first, second]).ok_or(Doubt::Damaged))
}

fn read_slot(slot: &[u8; SLOT_BYTES]) -> Option<Row> {
    let (digest, rest) = slot.split_first_chunk::<DIGEST_BYTES>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let payload = rest.get(..u16::from_le_bytes(*length).into())?;
    let row = Row::decode_all(&mut &payload[..]).ok()?;
    (blake2_256(payload) == *digest && row.version == VERSION).then_some(row)
}

/// Puts a whole file in the place of whatever is there.
fn write_file(path: &Path, row: &Row) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    fs::create_dir_all(directory)?;
    let mut file = options.open(&temporary)?;
    for slot in 0..SLOTS {
        write_slot(&mut file, slot, row)?;
    }
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The entry in the directory has to outlive a crash as well.
    File::open(directory)?.sync_all()
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

        /// The guard, of a new key if there is none.
        fn open(&self) -> SigningGuard {
            if !self.path().exists() {
                SigningGuard::create(&self.path(), [2; 32]).unwrap();
            }
            self.open_as_it_is()
        }

        fn open_as_it_is(&self) -> SigningGuard {
            SigningGuard::open(&self.path(), Hash::repeat_byte(1), [2; 32]).unwrap()
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
    fn what_the_log_holds_was_signed_although_it_had_not_left() {
        let home = Home::new();
        sign(&home.open(), place(5, 0, Step::Prevote), block(1)).unwrap();
        let restarted = home.open();
        let (vote, other) = (place(5, 0, Step::Precommit), place(6, 0, Step::Proposal));
        assert!(!restarted.may_have_signed(vote, block(1)));
        restarted.confirm(place(5, 0, Step::Prevote), block(1));
        restarted.confirm(vote, block(1));
        assert!(restarted.may_have_signed(vote, block(1)));
        assert!(restarted.permit(vote, block(2)).is_err());
        // It was signed before the restart, and leaves now.
        restarted.publish(vote, block(1)).unwrap();
        restarted.publish(other, block(3)).unwrap();
        assert!(restarted.may_have_signed(other, block(3)) && restarted.may_have_signed(vote, block(1)));
        assert!(!restarted.may_have_signed(other, block(4)));
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

    fn assert_permits_nothing(guard: &SigningGuard) {
        for height in [0, 6, 7, u32::MAX] {
            let wanted = place(height, 0, Step::Prevote);
            assert!(matches!(guard.permit(wanted, None), Err(GuardError::Unknown { .. })));
            assert!(matches!(guard.publish(wanted, None), Err(GuardError::Unknown { .. })));
        }
    }

    #[test]
    fn without_a_whole_file_nothing_is_signed() {
        let home = Home::new();
        let guard = home.open();
        sign(&guard, place(5, 0, Step::Prevote), block(1)).unwrap();
        sign(&guard, place(6, 0, Step::Prevote), block(1)).unwrap();
        drop(guard);
        let whole = fs::read(home.path()).unwrap();
        let cut = [0, 1, 50, SLOT_BYTES, whole.len() - 1].map(|length| whole[..length].to_vec());
        let random = (0..50).map(|byte: u8| byte.wrapping_mul(0x9d)).collect();
        let first_lost = [vec![0; SLOT_BYTES], whole[SLOT_BYTES..].to_vec()].concat();
        let second_lost = [whole[..SLOT_BYTES].to_vec(), vec![0; SLOT_BYTES]].concat();
        let longer = [&whole[..], &[0]].concat();
        let flipped = [0, DIGEST_BYTES, DIGEST_BYTES + 2, DIGEST_BYTES + 40].map(|index| {
            let mut bytes = whole.clone();
            bytes[SLOT_BYTES + index] ^= 1;
            bytes
        });
        let others = [random, first_lost, second_lost, longer];
        for bytes in cut.into_iter().chain(flipped).chain(others) {
            fs::write(home.path(), bytes).unwrap();
            let guard = home.open_as_it_is();
            assert_eq!((guard.doubt(), guard.height()), (Some(Doubt::Damaged), None));
            assert_permits_nothing(&guard);
        }
        fs::remove_file(home.path()).unwrap();
        let guard = home.open_as_it_is();
        assert_eq!(guard.doubt(), Some(Doubt::Missing));
        assert_permits_nothing(&guard);
        assert!(!home.path().exists(), "opening makes no file that looks like that of a new key");
        fs::write(home.path(), whole).unwrap();
        assert_eq!(home.open_as_it_is().height(), Some(6));
    }

    #[test]
    fn doubt_ends_above_what_may_have_been_signed() {
        let home = Home::new();
        let guard = home.open_as_it_is();
        guard.trust_after(7).unwrap();
        for guard in [guard, home.open_as_it_is()] {
            assert_eq!((guard.doubt(), guard.height()), (None, Some(7)));
            for step in [Step::Proposal, Step::Prevote, Step::Precommit] {
                assert!(guard.permit(place(7, 0, step), None).is_err());
                assert!(guard.permit(place(7, 900, step), block(1)).is_err());
            }
        }
        let guard = home.open_as_it_is();
        sign(&guard, place(8, 0, Step::Prevote), block(1)).unwrap();
        assert_eq!(home.open_as_it_is().height(), Some(8));
    }

    #[test]
    fn a_vote_that_others_have_shows_that_the_file_is_old() {
        let home = Home::new();
        let guard = home.open();
        assert!(
            !guard.may_have_signed(place(1, 0, Step::Precommit), block(1)),
            "a new key has signed nothing"
        );
        sign(&guard, place(5, 1, Step::Precommit), block(1)).unwrap();
        assert!(guard.may_have_signed(place(4, 0, Step::Precommit), block(9)));
        assert!(guard.may_have_signed(place(5, 0, Step::Precommit), block(9)));
        assert!(guard.may_have_signed(place(5, 1, Step::Precommit), block(1)));
        assert!(!guard.may_have_signed(place(5, 1, Step::Precommit), block(2)));
        assert!(!guard.may_have_signed(place(5, 2, Step::Precommit), block(1)));
        assert!(!guard.may_have_signed(place(6, 0, Step::Precommit), block(1)));
        guard.distrust().unwrap();
        assert_eq!(guard.doubt(), Some(Doubt::Outdated));
        assert_permits_nothing(&guard);
        let again = home.open_as_it_is();
        assert_eq!(again.doubt(), Some(Doubt::Outdated), "the reason is remembered");
        assert_permits_nothing(&again);
        again.trust_after(9).unwrap();
        assert_eq!((home.open_as_it_is().doubt(), home.open_as_it_is().height()), (None, Some(9)));
    }

    #[test]
    fn a_whole_file_is_not_begun_anew() {
        let home = Home::new();
        SigningGuard::create(&home.path(), [2; 32]).unwrap();
        assert!(matches!(SigningGuard::create(&home.path(), [2; 32]), Err(GuardError::Exists { .. })));
        sign(&home.open(), place(5, 0, Step::Prevote), block(1)).unwrap();
        assert!(matches!(SigningGuard::create(&home.path(), [2; 32]), Err(GuardError::Exists { .. })));
        fs::write(home.path(), [0; 9]).unwrap();
        SigningGuard::create(&home.path(), [2; 32]).unwrap();
        assert_eq!((home.open().doubt(), home.open().height()), (None, None));
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
