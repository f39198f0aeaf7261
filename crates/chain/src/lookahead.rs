//! Work on blocks before it is known that they are decided, for a node that catches up.
//!
//! Such a node has blocks from its peers long before the sequencer asks about them, because it asks about one after another
//! and each takes it several steps. Meanwhile they are made ready here, in two stages on a thread each: the signatures of
//! several blocks are verified together, and the blocks are executed on top of each other.
//!
//! The bytes may be anybody's, so work is done only on a block whose certificate is good for the validators that are known
//! now, and nothing of it counts. What came of executing it is handed out only for the very same bytes, to
//! a sequencer that asks when they are the next block; it then decides as if it had executed them itself. Until then, nobody
//! else sees anything of it; only caches, which give the same values to everybody, know it. When another block is committed,
//! what was executed after the expected one is thrown away. What cannot be executed is dropped, and the sequencer finds out why
//! by executing it.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::{
    chain::read_validators, executor::STACK_BYTES, line::Line, signatures::verify_ahead, Block, Certificate,
    Chain, ExecutedBlock, Hash, Tip, Validity,
};

/// Heights beyond the newest committed block for which blocks are taken.
const MAX_HEIGHTS_AHEAD: u32 = 512;
/// Bytes of blocks that wait, at most.
const MAX_EXPECTED_BYTES: usize = 32 << 20;
/// Bytes of blocks after which their signatures are not verified together with those of more blocks.
const BATCH_BYTES: usize = 96 << 10;
/// Bytes of blocks with verified signatures after which no more are decoded, but the next one to be executed.
const MAX_VERIFIED_BYTES: usize = 1 << 20;
/// How long a sequencer waits for a block, at most; after that it executes the block itself.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Bytes of executed blocks and their changes after which no more are executed.
const MAX_EXECUTED_BYTES: usize = 8 << 20;

/// Makes expected blocks ready.
pub struct Lookahead {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    chain: Arc<Chain>,
    state: Mutex<State>,
    /// Whenever anything in the state changes.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By height, one each.
    expected: BTreeMap<u32, Expected>,
    /// What is being executed.
    executing: Option<Bytes>,
    /// What was executed, and not committed yet.
    line: Line,
    /// What came of that, by height, until it is asked for.
    ready: BTreeMap<u32, Ready>,
    closed: bool,
}

struct Expected {
    encoded: Bytes,
    certificate: Arc<Certificate>,
    stage: Stage,
}

enum Stage {
    /// Nobody has looked at it.
    Arrived,
    /// Its certificate and its signatures are being verified.
    Verifying,
    /// It can be executed.
    Verified(Block),
}

struct Ready {
    encoded: Bytes,
    executed: Box<ExecutedBlock>,
    /// Bytes of memory.
    bytes: usize,
    took: Duration,
}

/// Blocks whose signatures are verified together.
struct Batch {
    /// What was executed when they were chosen.
    line: Line,
    /// Hashes of blocks before them, with their heights.
    ancestors: Vec<(u32, Hash)>,
    blocks: Vec<(u32, Bytes, Arc<Certificate>)>,
}

impl Lookahead {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn start(chain: Arc<Chain>) -> io::Result<Self> {
        let shared = Arc::new(Shared { chain, state: Mutex::default(), changed: Condvar::new() });
        let mut lookahead = Self { shared, threads: Vec::new() };
        for (name, work) in
            [("verify-ahead", Shared::verify as fn(&Shared)), ("execute-ahead", Shared::execute)]
        {
            let open = Open(Arc::clone(&lookahead.shared));
            // Calls nest deeply.
            let builder = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
            lookahead.threads.push(builder.spawn(move || work(&open.0))?);
        }
        Ok(lookahead)
    }

    /// These encoded blocks, with what is said to prove them, will probably be asked for.
    pub fn expect(&self, blocks: impl IntoIterator<Item = (Certificate, Bytes)>) {
        let mut state = self.shared.state.lock();
        let head = self.shared.chain.head();
        state.follow(&head);
        let head = head.number();
        for (certificate, encoded) in blocks {
            let number = certificate.height;
            let is_ahead = number > head && number - head <= MAX_HEIGHTS_AHEAD;
            // A decided block gives way to no other; one that was not looked at does, because somebody was asked again.
            let is_as_good = |expected: &Expected| {
                expected.encoded == encoded || matches!(expected.stage, Stage::Verified(_))
            };
            let is_known = state.line.newest().is_some_and(|newest| number <= newest.number())
                || state.expected.get(&number).is_some_and(is_as_good);
            if is_ahead && !is_known {
                let certificate = Arc::new(certificate);
                state.expected.insert(number, Expected { encoded, certificate, stage: Stage::Arrived });
            }
        }
        state.forget_too_far();
        self.shared.changed.notify_all();
    }

    /// What came of executing exactly these bytes as the block after the newest committed one, and how long it took; waits
    /// for it a little while it is under way. Nothing when it takes longer, or nobody has expected them, or they are no good.
    pub fn take(&self, number: u32, encoded: &[u8]) -> Option<(Box<ExecutedBlock>, Duration)> {
        let deadline = Instant::now() + MAX_WAIT;
        let mut state = self.shared.state.lock();
        while !state.closed {
            if state.ready.get(&number).is_some_and(|ready| ready.encoded == encoded) {
                return state.ready.remove(&number).map(|ready| (ready.executed, ready.took));
            }
            if !state.is_under_way(number, encoded) {
                return None;
            }
            if self.shared.changed.wait_until(&mut state, deadline).timed_out() {
                return None;
            }
        }
        None
    }

    /// The newest committed block is another one.
    pub fn head_moved(&self) {
        self.shared.state.lock().follow(&self.shared.chain.head());
        self.shared.changed.notify_all();
    }
}

impl Drop for Lookahead {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that prepares blocks had panicked");
            }
        }
    }
}

/// Nobody waits for threads of which one has ended, whatever the reason.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for what `find` finds; nothing at the end.
    fn wait_for<T>(&self, mut find: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let mut state = self.state.lock();
        while !state.closed {
            if let Some(found) = find(&mut state) {
                return Some(found);
            }
            self.changed.wait(&mut state);
        }
        None
    }

    fn verify(&self) {
        while let Some(Batch { line, mut ancestors, blocks }) = self.wait_for(State::begin_to_verify) {
            let view = self.chain.state_ahead(&line);
            // What cannot be read is reported when the next block is executed.
            let validators = read_validators(&view).unwrap_or_default();
            let genesis = self.chain.genesis_hash();
            let decide = |encoded: &Bytes, certificate: &Certificate| {
                certificate.verify(&validators, &genesis).ok()?;
                decided_block(certificate, encoded)
            };
            let decoded: Vec<_> =
                blocks.iter().map(|(_, encoded, certificate)| decide(encoded, certificate)).collect();
            ancestors.push((view.number(), view.hash()));
            let is_open = || !self.state.lock().closed;
            verify_ahead(&view, self.chain.signatures(), &ancestors, decoded.iter().flatten(), is_open);
            let mut state = self.state.lock();
            for ((number, encoded, _), block) in blocks.iter().zip(decoded) {
                state.end_to_verify(*number, encoded, block);
            }
            self.changed.notify_all();
        }
    }

    fn execute(&self) {
        while let Some((line, encoded, block)) = self.wait_for(|state| self.begin_to_execute(state)) {
            let began = Instant::now();
            let ready = match self.chain.validate_ahead(&line, &block) {
                Ok(Validity::Valid(executed)) => {
                    Some(Ready { encoded, bytes: executed.bytes(), executed, took: began.elapsed() })
                }
                _ => None,
            };
            self.state.lock().end_to_execute(ready, &self.chain.head());
            self.changed.notify_all();
        }
    }

    fn begin_to_execute(&self, state: &mut State) -> Option<(Line, Bytes, Block)> {
        let head = self.chain.head();
        state.follow(&head);
        let newest = Arc::clone(state.line.newest().unwrap_or(&head));
        let next = newest.number().saturating_add(1);
        let has_room = state.ready.values().map(|ready| ready.bytes).sum::<usize>() < MAX_EXECUTED_BYTES;
        let is_verified = |expected: &Expected| matches!(expected.stage, Stage::Verified(_));
        if !has_room || state.is_hardly_behind() || !state.expected.get(&next).is_some_and(is_verified) {
            return None;
        }
        let Expected { encoded, stage: Stage::Verified(block), .. } = state.expected.remove(&next)? else {
            return None;
        };
        if block.header.parent_hash != newest.hash {
            // Whoever waits for it does so in vain.
            self.changed.notify_all();
            return None;
        }
        state.executing = Some(encoded.clone());
        Some((state.line.clone(), encoded, block))
    }
}

impl State {
    /// Blocks whose signatures are to be verified next, the lowest first.
    fn begin_to_verify(&mut self) -> Option<Batch> {
        let mut ancestors = Vec::new();
        let mut bytes_verified = 0;
        for Expected { encoded, stage, .. } in self.expected.values() {
            if let Stage::Verified(block) = stage {
                bytes_verified += encoded.len();
                ancestors.push((block.number().saturating_sub(1), block.header.parent_hash));
            }
        }
        let is_full = bytes_verified >= MAX_VERIFIED_BYTES;
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for (index, (number, expected)) in self.expected.iter_mut().enumerate() {
            // The lowest block may be what everything waits for: it is not to wait for a large one above it.
            let is_too_much = !blocks.is_empty() && bytes + expected.encoded.len() > BATCH_BYTES;
            if is_too_much || (is_full && index > 0) {
                break;
            }
            if let Stage::Arrived = expected.stage {
                expected.stage = Stage::Verifying;
                bytes += expected.encoded.len();
                blocks.push((*number, expected.encoded.clone(), Arc::clone(&expected.certificate)));
            }
        }
        (!blocks.is_empty()).then(|| Batch { line: self.line.clone(), ancestors, blocks })
    }

    fn end_to_verify(&mut self, number: u32, encoded: &Bytes, block: Option<Block>) {
        // Others may have come for this height meanwhile.
        let Some(expected) = self.expected.get_mut(&number).filter(|expected| expected.encoded == encoded)
        else {
            return;
        };
        match block {
            Some(block) => expected.stage = Stage::Verified(block),
            None => drop(self.expected.remove(&number)),
        }
    }

    fn end_to_execute(&mut self, ready: Option<Ready>, head: &Arc<Tip>) {
        self.executing = None;
        self.follow(head);
        let Some(ready) = ready else { return };
        let newest = self.line.newest().unwrap_or(head);
        if ready.executed.block.header.parent_hash == newest.hash {
            self.line.push(Arc::new(ready.executed.tip()), Arc::clone(&ready.executed.changes));
            self.ready.insert(ready.executed.block.number(), ready);
        }
    }

    /// Forgets what does not follow the newest committed block.
    fn follow(&mut self, head: &Tip) {
        self.line.follow(head);
        let next = head.number().saturating_add(1);
        self.expected = self.expected.split_off(&next);
        self.ready = self.ready.split_off(&next);
        if self.line.newest().is_none() {
            self.ready.clear();
        }
    }

    fn forget_too_far(&mut self) {
        let mut bytes = self.expected.values().map(|expected| expected.encoded.len()).sum::<usize>();
        while bytes > MAX_EXPECTED_BYTES {
            let Some((_, expected)) = self.expected.pop_last() else { return };
            bytes -= expected.encoded.len();
        }
    }

    /// Whether these bytes will be executed, when they are the block after the newest committed one.
    fn is_under_way(&self, number: u32, encoded: &[u8]) -> bool {
        let is_executing = self.executing.as_ref().is_some_and(|executing| executing == encoded);
        let is_expected = || self.expected.get(&number).is_some_and(|expected| expected.encoded == encoded);
        is_executing || (self.line.newest().is_none() && !self.is_hardly_behind() && is_expected())
    }

    /// Whether there is but one block, which a sequencer asks for at once, or has from elsewhere.
    fn is_hardly_behind(&self) -> bool {
        self.line.newest().is_none() && self.expected.len() <= 1
    }
}

/// The block that was decided, when these bytes are it. A certificate names the hash of a header, which names the body.
fn decided_block(certificate: &Certificate, encoded: &[u8]) -> Option<Block> {
    let block = Block::from_peer(encoded).ok()?;
    let is_decided = block.number() == certificate.height && block.hash() == certificate.block;
    (is_decided && block.has_own_body()).then_some(block)
}
