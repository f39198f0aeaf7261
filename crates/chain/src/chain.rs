//! The chain: its tip, its blocks, their states, and the three ways a block passes through it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use codec::Encode;
use hash_db::Prefix;
use myelin_runtime::{
    presets::{self, ConsensusTiming},
    AccountId, Hash, Header, VERSION,
};
use myelin_store::{BlockRecord, Dump, NodeChanges, Snapshot, Store, StoreError};
use parking_lot::{Mutex, MutexGuard, RwLock};
use sp_core::storage::{StateVersion, Storage};
use sp_runtime::traits::{BlakeTwo256, Hash as _};
use sp_state_machine::{Backend as _, InMemoryBackend, TrieBackendBuilder, TrieBackendStorage};
use sp_trie::{
    cache::{CacheSize, SharedTrieCache},
    DBValue,
};
use tokio::sync::broadcast;

use crate::{
    audit::{audit, must_hold},
    block::{decode_header, Block, CommittedBlock},
    executor::{
        execute, node_changes, Candidates, Content, ExecutedBlock, ExecutionError, ProposalContext, Validity,
    },
    head_values::HeadValues,
    line::Line,
    node_reader::{NodeCache, NodeReader},
    signatures::VerifiedSet,
    state::StateView,
    state_backend::StateBackend,
    storage_keys,
    validators::ValidatorSet,
    ChainError, InvalidBlock,
};

/// Bytes of trie nodes and values held in memory for readers.
const TRIE_CACHE_BYTES: usize = 16 << 20;
/// Verified signatures remembered until a block contains their transactions.
const VERIFIED_SIGNATURES: usize = 1 << 17;
/// Events that a slow subscriber may fall behind before it misses some.
const EVENT_CAPACITY: usize = 4096;
/// Milliseconds between blocks when the state does not say.
const DEFAULT_SLOT_DURATION_MS: u64 = 250;
/// Bytes of extrinsics in a block, whoever made it.
pub const MAX_BODY_BYTES: usize = 10 << 20;

/// The newest block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its hash.
    pub hash: Hash,
    /// Its header.
    pub header: Header,
    /// Its time in milliseconds since the Unix epoch; 0 for genesis.
    pub time_ms: u64,
}

impl Tip {
    /// Its height.
    pub fn number(&self) -> u32 {
        self.header.number
    }
}

/// What a sequencer needs to know about the next height.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainParams {
    /// The height these hold for.
    pub height: u32,
    /// Intended milliseconds between blocks.
    pub slot_duration_ms: u64,
    /// Who orders the block; nobody on a chain that one node orders alone.
    pub validators: ValidatorSet,
    /// How long they wait for each other.
    pub timing: ConsensusTiming,
}

/// What happened to the tip.
#[derive(Clone, Debug)]
pub enum ChainEvent {
    /// It moved to this block, which is final, or over it to one that is told of next.
    Committed(Arc<CommittedBlock>),
    /// The owner of a development chain took it back.
    Reverted(Arc<Tip>),
}

/// Hears of every change of the tip, in order, before anyone else does.
pub trait ChainObserver: Send + Sync {
    /// `block` is final. Blocks that become final together are told of one by one, when the last of them is the tip.
    fn committed(&self, block: &Arc<CommittedBlock>);
    /// The tip went back to `tip`.
    fn reverted(&self, tip: &Tip);
}

/// Whether a commit changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The block is the new tip.
    Committed,
    /// It was there already.
    AlreadyCommitted,
}

/// A chain on a store. All methods take `&self`; writers exclude each other, readers are never blocked.
pub struct Chain {
    store: Store,
    genesis_hash: Hash,
    /// For readers.
    cache: Arc<SharedTrieCache<BlakeTwo256>>,
    /// For executing blocks.
    values: Arc<HeadValues>,
    nodes: Arc<NodeCache>,
    signatures: Arc<VerifiedSet>,
    /// Whether every block has its books checked.
    audited: bool,
    /// What everyone sees.
    visible: RwLock<Visible>,
    /// Held by whoever writes to the store; locked before the head.
    writer: Mutex<()>,
    /// The newest committed block, which may not be on disk yet.
    head: Mutex<Head>,
    events: broadcast::Sender<ChainEvent>,
    observers: RwLock<Vec<Weak<dyn ChainObserver>>>,
}

/// The newest durable block and the database as it is after it, which only change together: a tip whose state the
/// database has not yet, or not any more, would look like damage.
#[derive(Clone)]
struct Visible {
    tip: Arc<Tip>,
    snapshot: Arc<Snapshot>,
}

struct Head {
    tip: Arc<Tip>,
    /// Committed blocks that are not on disk yet, so that nobody has heard of them.
    unwritten: Vec<Unwritten>,
}

#[derive(Clone)]
struct Unwritten {
    block: Arc<CommittedBlock>,
    changes: Arc<NodeChanges>,
}

/// What a block is executed on.
struct Base {
    parent: Arc<Tip>,
    /// What blocks up to the parent have changed since the snapshot, oldest first.
    unwritten: Vec<Arc<NodeChanges>>,
    snapshot: Arc<Snapshot>,
}

impl Chain {
    /// Opens the chain in `store`; an empty store gets the chain that starts from `genesis`. Without `genesis`, whatever
    /// chain is there is opened.
    ///
    /// # Errors
    /// [`StoreError::WrongGenesis`] when the store holds another chain, [`StoreError::Empty`] when it holds none and
    /// `genesis` is not given, and when the tip or its state is damaged.
    pub fn open(store: Store, genesis: Option<&Storage>) -> Result<Arc<Self>, ChainError> {
        Self::open_as(store, genesis, false)
    }

    /// Like [`open`](Self::open), for a chain that never has a tip after which money is not conserved: every block is
    /// audited when it is executed, every state that is opened, imported or gone back to as well. That costs time in
    /// proportion to the number of accounts and stakes.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`ChainError::NotConserved`], here and wherever a block is executed.
    pub fn open_audited(store: Store, genesis: Option<&Storage>) -> Result<Arc<Self>, ChainError> {
        let chain = Self::open_as(store, genesis, true)?;
        chain.audit_tip()?;
        Ok(chain)
    }

    fn open_as(store: Store, genesis: Option<&Storage>, audited: bool) -> Result<Arc<Self>, ChainError> {
        if let Some(genesis) = genesis {
            ensure_genesis(&store, genesis)?;
        }
        let snapshot = Arc::new(store.snapshot()?);
        let genesis_hash = snapshot.genesis().map(Hash::from).ok_or(StoreError::Empty)?;
        let cache = Arc::new(SharedTrieCache::new(CacheSize::new(TRIE_CACHE_BYTES), None));
        let tip = Arc::new(read_tip(&snapshot, &cache)?);
        Ok(Arc::new(Self {
            store,
            genesis_hash,
            cache,
            values: Arc::default(),
            nodes: Arc::default(),
            signatures: Arc::new(VerifiedSet::new(VERIFIED_SIGNATURES)),
            audited,
            visible: RwLock::new(Visible { tip: Arc::clone(&tip), snapshot }),
            writer: Mutex::default(),
            head: Mutex::new(Head { tip, unwritten: Vec::new() }),
            events: broadcast::channel(EVENT_CAPACITY).0,
            observers: RwLock::default(),
        }))
    }

    /// The newest final block.
    pub fn tip(&self) -> Arc<Tip> {
        Arc::clone(&self.visible.read().tip)
    }

    /// The newest committed block, which is ahead of [`tip`](Self::tip) while blocks are
    /// [deferred](Self::commit_deferred).
    pub fn head(&self) -> Arc<Tip> {
        Arc::clone(&self.head.lock().tip)
    }

    /// Hash of block 0.
    pub fn genesis_hash(&self) -> Hash {
        self.genesis_hash
    }

    /// The store beneath, for records of the node and the sequencer.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The header of the block with this hash; nothing for an unknown one.
    ///
    /// # Errors
    /// When the database is damaged, as for every reader here.
    pub fn header(&self, hash: &Hash) -> Result<Option<Header>, ChainError> {
        let snapshot = self.snapshot();
        let Some(number) = snapshot.number_of(&hash.0)? else { return Ok(None) };
        snapshot.header(number)?.map(|bytes| decode_header(&bytes)).transpose()
    }

    /// The block with this hash; nothing for an unknown one.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn block(&self, hash: &Hash) -> Result<Option<CommittedBlock>, ChainError> {
        let snapshot = self.snapshot();
        let Some(number) = snapshot.number_of(&hash.0)? else { return Ok(None) };
        snapshot.block(number)?.map(CommittedBlock::from_record).transpose()
    }

    /// The hash of block `number`; nothing above the tip.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn hash_of(&self, number: u32) -> Result<Option<Hash>, ChainError> {
        let Visible { tip, snapshot } = self.visible();
        match number {
            _ if number == tip.number() => Ok(Some(tip.hash)),
            _ => Ok(snapshot.hash_of(number)?.map(Hash::from)),
        }
    }

    /// The state after the block with this hash.
    ///
    /// # Errors
    /// [`ChainError::UnknownBlock`], and [`ChainError::StateDiscarded`] outside the history window.
    pub fn state(&self, hash: &Hash) -> Result<StateView, ChainError> {
        let snapshot = self.snapshot();
        let unknown = || ChainError::UnknownBlock(format!("{hash:?}"));
        let number = snapshot.number_of(&hash.0)?.ok_or_else(unknown)?;
        if number < snapshot.oldest_state()? {
            return Err(ChainError::StateDiscarded(*hash));
        }
        let header = snapshot.header(number)?.ok_or_else(unknown)?;
        Ok(StateView::new(*hash, decode_header(&header)?, snapshot, Arc::clone(&self.cache)))
    }

    /// The state after the newest final block.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn tip_state(&self) -> Result<StateView, ChainError> {
        let Visible { tip, snapshot } = self.visible();
        Ok(StateView::new(tip.hash, tip.header.clone(), snapshot, Arc::clone(&self.cache)))
    }

    /// What the sequencer needs to know about height `next_height`, after the newest committed block.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn params(&self, next_height: u32) -> Result<ChainParams, ChainError> {
        let state = self.state_of(self.base());
        let slot_duration_ms: Option<u64> = state.value(&storage_keys::slot_duration())?;
        let slot_duration_ms = slot_duration_ms.unwrap_or(DEFAULT_SLOT_DURATION_MS);
        let timing: Option<ConsensusTiming> = state.value(&storage_keys::consensus_timing())?;
        Ok(ChainParams {
            height: next_height,
            slot_duration_ms,
            validators: read_validators(&state)?,
            timing: timing.unwrap_or_else(|| ConsensusTiming::for_interval(slot_duration_ms)),
        })
    }

    /// The final blocks of a range of heights, in order, ending with the tip at the latest; none when the first is not kept.
    ///
    /// # Errors
    /// Each item is an error when the database is damaged.
    pub fn decided(
        &self,
        heights: std::ops::RangeInclusive<u32>,
    ) -> Result<impl Iterator<Item = Result<CommittedBlock, ChainError>>, ChainError> {
        let Visible { tip, snapshot } = self.visible();
        let last = (*heights.end()).min(tip.number());
        // An empty range, where there is nothing to begin with.
        let first = match *heights.start() {
            first if first > 0 && first < snapshot.oldest_block()? => tip.number().saturating_add(1),
            first => first,
        };
        Ok((first..=last).map(move |number| {
            let record = snapshot.block(number)?;
            let missing = || ChainError::damaged(format_args!("block {number} is missing"));
            CommittedBlock::from_record(record.ok_or_else(missing)?)
        }))
    }

    /// The oldest block from which on all are kept.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn history_min(&self) -> Result<u32, ChainError> {
        Ok(self.snapshot().oldest_block()?)
    }

    /// The oldest block whose state is kept.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn oldest_state(&self) -> Result<u32, ChainError> {
        Ok(self.snapshot().oldest_state()?)
    }

    /// Every change of the tip from now on. A subscriber that falls behind by thousands of events misses some and is
    /// told so by the channel; blocks are then found by height.
    pub fn subscribe(&self) -> broadcast::Receiver<ChainEvent> {
        self.events.subscribe()
    }

    /// Adds somebody who must hear of every block, for as long as it lives.
    pub fn observe(&self, observer: Weak<dyn ChainObserver>) {
        self.observers.write().push(observer);
    }

    /// Signatures that need no second verification.
    pub(crate) fn signatures(&self) -> &Arc<VerifiedSet> {
        &self.signatures
    }

    /// How many verified signatures are remembered.
    pub fn remembered_signatures(&self) -> usize {
        self.signatures.len()
    }

    /// The state after the newest block of `line`, or the newest committed one.
    pub(crate) fn state_ahead(&self, line: &Line) -> StateView {
        self.state_of(self.base_after(line))
    }

    /// Executes a new block on the newest committed one. Nothing is written.
    ///
    /// # Errors
    /// When the database or the runtime fails, or the context contradicts the chain, such as a time that is not later
    /// than the parent's. A bad transaction is no error: `candidates` hears of it.
    pub fn propose(
        &self,
        context: &ProposalContext,
        candidates: &mut dyn Candidates,
    ) -> Result<ExecutedBlock, ChainError> {
        let base = self.base();
        if context.time_ms <= base.parent.time_ms {
            return Err(ChainError::TimeNotLater { requested: context.time_ms, parent: base.parent.time_ms });
        }
        self.execute_on(&base, Content::Offered { context, candidates }).map_err(|error| match error {
            ExecutionError::Node(error) => error,
            ExecutionError::Block(reason) => ChainError::Unproposable(reason),
        })
    }

    /// Executes somebody else's block on the tip and compares. Nothing is written. A block whose time is later than
    /// `latest_time_ms` is invalid; while catching up there is no such limit.
    ///
    /// # Errors
    /// When the database or the runtime fails. A bad block is no error but [`Validity::Invalid`].
    pub fn validate(&self, block: &Block, latest_time_ms: Option<u64>) -> Result<Validity, ChainError> {
        self.validate_on(&self.base(), block, latest_time_ms)
    }

    /// Executes a block after those of `line` and compares. Nothing is written, and nobody can see anything of it.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub(crate) fn validate_ahead(&self, line: &Line, block: &Block) -> Result<Validity, ChainError> {
        let base = self.base_after(line);
        let mut validity = self.validate_on(&base, block, None)?;
        if let Validity::Valid(executed) = &mut validity {
            self.nodes.extend(executed.changes.inserted.iter().cloned());
            self.advance_values(&base.parent, executed);
        }
        Ok(validity)
    }

    fn validate_on(
        &self,
        base: &Base,
        block: &Block,
        latest_time_ms: Option<u64>,
    ) -> Result<Validity, ChainError> {
        let parent = &base.parent;
        if block.number() != parent.number().saturating_add(1) || block.header.parent_hash != parent.hash {
            return Ok(Validity::Unknown { number: block.number(), tip: parent.number() });
        }
        match self.check(block, base, latest_time_ms) {
            Ok(executed) => Ok(Validity::Valid(Box::new(executed))),
            Err(ExecutionError::Block(reason)) => Ok(Validity::Invalid(reason)),
            Err(ExecutionError::Node(error)) => Err(error),
        }
    }

    /// Makes an executed block the tip: when this returns, the block is on disk and final, and everyone has heard of it.
    /// Repeating a commit does nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for another block at a committed height, [`ChainError::StaleParent`] when the tip is not
    /// the parent any more, and whatever the database reports; after that the node must stop.
    pub fn commit(&self, executed: ExecutedBlock, certificate: Vec<u8>) -> Result<CommitOutcome, ChainError> {
        let writer = self.writer.lock();
        self.write_out(&writer, Store::commit)?;
        if executed.block.number() <= self.head().number() {
            let Unwritten { block, changes } = committed(executed, certificate);
            self.store.commit(&[(block.to_record(), changes)])?;
            return Ok(CommitOutcome::AlreadyCommitted);
        }
        self.append(executed, certificate)?;
        for Unwritten { changes, .. } in self.write_out(&writer, Store::commit)? {
            let changes = Arc::unwrap_or_clone(changes);
            self.nodes.extend(changes.inserted);
        }
        Ok(CommitOutcome::Committed)
    }

    /// Makes an executed block the parent of the next one. It is not on disk, and nobody hears of it, before
    /// [`flush`](Self::flush), which writes all such blocks in one transaction.
    ///
    /// # Errors
    /// [`ChainError::StaleParent`] when the newest committed block is not the parent.
    pub fn commit_deferred(&self, executed: ExecutedBlock, certificate: Vec<u8>) -> Result<(), ChainError> {
        let is_new = executed.values.is_some();
        let changes = Arc::clone(&executed.changes);
        self.append(executed, certificate)?;
        if is_new {
            self.nodes.extend(changes.inserted.iter().cloned());
        }
        Ok(())
    }

    /// Writes all deferred blocks and tells everyone.
    ///
    /// # Errors
    /// Whatever the database reports; after that the node must stop.
    pub fn flush(&self) -> Result<(), ChainError> {
        self.write_out(&self.writer.lock(), Store::commit).map(drop)
    }

    /// Writes all deferred blocks and tells everyone, but keeps no state other than the newest, where history is not archived:
    /// for a node so far behind that it would discard those states before anybody could ask for them.
    ///
    /// # Errors
    /// Whatever the database reports; after that the node must stop.
    pub fn flush_newest_state(&self) -> Result<(), ChainError> {
        self.write_out(&self.writer.lock(), Store::commit_newest_state).map(drop)
    }

    /// Takes back every block above `number`, for development chains.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlock`] and [`StoreError::StateNotKept`] when there is nothing to go back to.
    pub fn revert_to(&self, number: u32) -> Result<(), ChainError> {
        let writer = self.writer.lock();
        self.write_out(&writer, Store::commit)?;
        let mut head = self.head.lock();
        self.store.revert_to(number)?;
        self.restart_at_stored_tip(&mut head)
    }

    /// The whole chain as bytes: all blocks, and every state that is kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn export(&self) -> Result<Vec<u8>, ChainError> {
        self.flush()?;
        Ok(self.store.export()?.to_bytes())
    }

    /// Replaces everything by a dump of a chain with the same genesis, for development chains.
    ///
    /// # Errors
    /// When the dump is damaged or of another chain; nothing changes then.
    pub fn import(&self, dump: &[u8]) -> Result<(), ChainError> {
        let dump = check_dump(dump)?;
        match dump.genesis() {
            Some(found) if found != self.genesis_hash.0 => {
                return Err(StoreError::WrongGenesis { found, expected: self.genesis_hash.0 }.into());
            }
            _ => {}
        }
        let _writer = self.writer.lock();
        let mut head = self.head.lock();
        self.store.import(&dump)?;
        self.restart_at_stored_tip(&mut head)
    }

    fn restart_at_stored_tip(&self, head: &mut Head) -> Result<(), ChainError> {
        let snapshot = Arc::new(self.store.snapshot()?);
        let tip = Arc::new(read_tip(&snapshot, &self.cache)?);
        *head = Head { tip: Arc::clone(&tip), unwritten: Vec::new() };
        *self.visible.write() = Visible { tip: Arc::clone(&tip), snapshot };
        self.each_observer(|observer| observer.reverted(&tip));
        // Nobody listening is fine.
        let _ = self.events.send(ChainEvent::Reverted(tip));
        self.audit_tip()
    }

    fn audit_tip(&self) -> Result<(), ChainError> {
        if !self.audited {
            return Ok(());
        }
        let state = self.tip_state()?;
        must_hold(state.number(), state.hash(), audit(&state)?)
    }

    fn check(
        &self,
        block: &Block,
        base: &Base,
        latest_time_ms: Option<u64>,
    ) -> Result<ExecutedBlock, ExecutionError> {
        let bytes = block.body.iter().map(Vec::len).sum();
        if bytes > MAX_BODY_BYTES {
            return Err(ExecutionError::Block(InvalidBlock::TooLarge {
                found: bytes,
                limit: MAX_BODY_BYTES,
            }));
        }
        let executed = self.execute_on(base, Content::Given(block))?;
        match latest_time_ms {
            Some(latest) if executed.time_ms > latest => {
                Err(ExecutionError::Block(InvalidBlock::TimeTooLate { found: executed.time_ms, latest }))
            }
            _ => Ok(executed),
        }
    }

    fn execute_on(&self, base: &Base, content: Content<'_>) -> Result<ExecutedBlock, ExecutionError> {
        let parent = &base.parent.header;
        let reader = NodeReader::new(Arc::clone(&base.snapshot))
            .with_unwritten(base.unwritten.clone())
            .with_cache(Arc::clone(&self.nodes));
        let state = StateBackend::for_execution(reader, parent.state_root, Arc::clone(&self.values));
        execute(&state, parent, Arc::clone(&self.signatures) as _, self.audited, content)
    }

    fn base(&self) -> Base {
        // The head and what everyone sees only change while the head is locked, so that the three belong together.
        let head = self.head.lock();
        Base {
            parent: Arc::clone(&head.tip),
            unwritten: head.unwritten.iter().map(|unwritten| Arc::clone(&unwritten.changes)).collect(),
            snapshot: self.snapshot(),
        }
    }

    /// Like [`base`](Self::base), after the blocks of `line` that follow the newest committed one.
    fn base_after(&self, line: &Line) -> Base {
        let mut base = self.base();
        for (tip, changes) in line.after(&base.parent) {
            base.unwritten.push(Arc::clone(changes));
            base.parent = Arc::clone(tip);
        }
        base
    }

    fn state_of(&self, base: Base) -> StateView {
        let Base { parent, unwritten, snapshot } = base;
        let cache = Arc::clone(&self.cache);
        StateView::with_unwritten(parent.hash, parent.header.clone(), snapshot, cache, unwritten)
    }

    fn visible(&self) -> Visible {
        self.visible.read().clone()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.visible.read().snapshot)
    }

    fn append(&self, mut executed: ExecutedBlock, certificate: Vec<u8>) -> Result<(), ChainError> {
        let mut head = self.head.lock();
        if executed.block.header.parent_hash != head.tip.hash {
            let (number, expected) = (executed.block.number(), executed.block.header.parent_hash);
            return Err(ChainError::StaleParent { number, expected, tip: head.tip.hash });
        }
        self.advance_values(&head.tip, &mut executed);
        head.tip = Arc::new(executed.tip());
        head.unwritten.push(committed(executed, certificate));
        Ok(())
    }

    /// Lets the values of the state after `executed` be known, if they are not yet.
    fn advance_values(&self, parent: &Tip, executed: &mut ExecutedBlock) {
        if let Some(values) = executed.values.take() {
            self.values.advance(parent.header.state_root, executed.block.header.state_root, values);
        }
    }

    /// Writes what is committed but not on disk, and tells everyone; gives what that was. The head may move on meanwhile.
    fn write_out(
        &self,
        _writer: &MutexGuard<'_, ()>,
        commit: impl FnOnce(&Store, &[(BlockRecord, Arc<NodeChanges>)]) -> Result<(), StoreError>,
    ) -> Result<Vec<Unwritten>, ChainError> {
        let (tip, unwritten) = {
            let head = self.head.lock();
            (Arc::clone(&head.tip), head.unwritten.clone())
        };
        if unwritten.is_empty() {
            return Ok(unwritten);
        }
        let record = |unwritten: &Unwritten| (unwritten.block.to_record(), Arc::clone(&unwritten.changes));
        commit(&self.store, &unwritten.iter().map(record).collect::<Vec<_>>())?;
        let snapshot = Arc::new(self.store.snapshot()?);
        {
            let mut head = self.head.lock();
            *self.visible.write() = Visible { tip, snapshot };
            head.unwritten.drain(..unwritten.len());
        }
        for Unwritten { block, .. } in &unwritten {
            self.each_observer(|observer| observer.committed(block));
            // Nobody listening is fine.
            let _ = self.events.send(ChainEvent::Committed(Arc::clone(block)));
        }
        Ok(unwritten)
    }

    fn each_observer(&self, mut tell: impl FnMut(&dyn ChainObserver)) {
        self.observers.read().iter().filter_map(Weak::upgrade).for_each(|observer| tell(observer.as_ref()));
    }
}

pub(crate) fn read_validators(state: &StateView) -> Result<ValidatorSet, ChainError> {
    let members: Option<Vec<presets::Validator<AccountId>>> = state.value(&storage_keys::validators())?;
    let members = members.unwrap_or_default().into_iter().map(Into::into).collect();
    ValidatorSet::new(members)
        .map_err(|error| ChainError::damaged(format_args!("the validators in the state are no set: {error}")))
}

fn committed(executed: ExecutedBlock, certificate: Vec<u8>) -> Unwritten {
    let ExecutedBlock { hash, block, changes, .. } = executed;
    Unwritten { block: Arc::new(CommittedBlock { hash, block, certificate }), changes }
}

/// Block 0 and the nodes of its state.
fn genesis_block(genesis: &Storage) -> (BlockRecord, NodeChanges) {
    let state = InMemoryBackend::<BlakeTwo256>::from((genesis.clone(), StateVersion::V1));
    let header = Header {
        parent_hash: Hash::zero(),
        number: 0,
        state_root: *state.root(),
        extrinsics_root: sp_trie::empty_trie_root::<sp_trie::LayoutV1<BlakeTwo256>>(),
        digest: Default::default(),
    };
    let record =
        BlockRecord { number: 0, header: header.encode(), body: Vec::new(), certificate: Vec::new() };
    (record, node_changes(state.into_storage()))
}

/// The hash of the block 0 that a chain with this genesis has.
pub fn genesis_hash(genesis: &Storage) -> Hash {
    genesis_block(genesis).0.hash().into()
}

fn ensure_genesis(store: &Store, genesis: &Storage) -> Result<(), ChainError> {
    let (block, changes) = genesis_block(genesis);
    match store.snapshot()?.genesis() {
        None => Ok(store.initialize(&block, &changes.inserted)?),
        Some(found) if found == block.hash() => Ok(()),
        Some(found) => Err(StoreError::WrongGenesis { found, expected: block.hash() }.into()),
    }
}

fn read_tip(snapshot: &Arc<Snapshot>, cache: &Arc<SharedTrieCache<BlakeTwo256>>) -> Result<Tip, ChainError> {
    let number = snapshot.tip()?.number;
    let missing = || ChainError::damaged(format_args!("the header of the tip, block {number}, is missing"));
    let header = decode_header(&snapshot.header(number)?.ok_or_else(missing)?)?;
    let hash = header.hash();
    let view = StateView::new(hash, header.clone(), Arc::clone(snapshot), Arc::clone(cache));
    let time_ms = view.value(&storage_keys::timestamp())?.unwrap_or_default();
    Ok(Tip { hash, header, time_ms })
}

/// Reads a dump and checks that its blocks follow each other and have the bodies that their headers name, that the newest
/// state is whole, and that of each older one at least the root is there.
///
/// Older states are not read through: that would take as long as all of them together are large. Where one turns out not
/// to be whole, reading it later is an error.
///
/// # Errors
/// [`StoreError::BadDump`].
pub fn check_dump(bytes: &[u8]) -> Result<Dump, ChainError> {
    let dump = Dump::from_bytes(bytes)?;
    check_blocks(&dump).and_then(|roots| check_states(&dump, &roots)).map_err(StoreError::BadDump)?;
    Ok(dump)
}

/// Checks each block against the one before it and its body against its header; gives the state roots.
fn check_blocks(dump: &Dump) -> Result<Vec<Hash>, String> {
    let mut parent = Hash::zero();
    let mut roots = Vec::with_capacity(dump.blocks.len());
    for block in &dump.blocks {
        let number = block.number;
        let header = decode_header(&block.header).map_err(|error| error.to_string())?;
        if header.parent_hash != parent || header.number != number {
            return Err(format!("block {number} does not follow the one before it"));
        }
        let version = VERSION.extrinsics_root_state_version();
        if header.extrinsics_root != BlakeTwo256::ordered_trie_root(block.body.clone(), version) {
            return Err(format!("the body of block {number} is not the one that its header names"));
        }
        parent = header.hash();
        roots.push(header.state_root);
    }
    Ok(roots)
}

fn check_states(dump: &Dump, roots: &[Hash]) -> Result<(), String> {
    let nodes = DumpedNodes(dump.nodes.iter().map(|(key, node)| (key.as_slice(), node.as_slice())).collect());
    for (root, number) in roots.iter().zip(0u32..).skip(dump.oldest_state as usize) {
        if !nodes.0.contains_key(root.as_bytes()) {
            return Err(format!("the state of block {number} is missing"));
        }
    }
    let newest = roots.last().copied().unwrap_or_default();
    check_whole(nodes, newest).map_err(|error| format!("its newest state is not whole: {error}"))
}

fn check_whole(nodes: DumpedNodes<'_>, root: Hash) -> Result<(), String> {
    let state = TrieBackendBuilder::<_, BlakeTwo256>::new(nodes, root).build();
    let mut pairs = state.pairs(Default::default())?;
    pairs.try_for_each(|pair| pair.map(drop))
}

struct DumpedNodes<'a>(HashMap<&'a [u8], &'a [u8]>);

impl TrieBackendStorage<BlakeTwo256> for DumpedNodes<'_> {
    fn get(&self, hash: &Hash, prefix: Prefix<'_>) -> Result<Option<DBValue>, String> {
        let key = sp_trie::prefixed_key::<BlakeTwo256>(hash, prefix);
        Ok(self.0.get(key.as_slice()).map(|node| node.to_vec()))
    }
}
