//! Executing blocks: one function for proposing, validating, replaying and dry-running.
//!
//! The runtime is native code that reads and writes through an overlay on the parent's state. A block
//! is executed as: `Core_initialize_block`, each extrinsic through `BlockBuilder_apply_extrinsic` in an overlay
//! transaction of its own, `BlockBuilder_finalize_block`. A proposer offers extrinsics and drops what does not apply; a
//! validator has the body given, where everything must apply, and then compares the header that results with the one
//! that was claimed, state root included.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use codec::{Decode, Encode};
use frame_support::traits::IsInherent;
use myelin_runtime::{
    api,
    authorship::author_digest,
    signature::{SignatureCache, VerifiedSignatures},
    AccountId, Hash, Header, Runtime, UncheckedExtrinsic,
};
use myelin_store::{contain_panics, NodeChanges};
use sp_core::storage::StateVersion;
use sp_externalities::set_and_run_with_externalities;
use sp_inherents::InherentData;
use sp_runtime::{
    traits::BlakeTwo256,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    ApplyExtrinsicResult, Digest,
};
use sp_trie::PrefixedMemoryDB;

use crate::{
    audit::{must_hold, AUDIT},
    block::{decode_extrinsic, Block, Transaction},
    externalities::{Deadline, StateAccess},
    head_values::Change,
    overlay::Overlay,
    state_backend::StateBackend,
    storage_keys, CallError, ChainError, InvalidBlock, Tip,
};

/// How many transactions in a row may turn out not to fit before a proposal stops looking for smaller ones.
const MAX_MISFITS: usize = 8;

/// Calls nest in calls, and each level of an unoptimised runtime takes many kilobytes of stack.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// The runtime function that executes one extrinsic.
const APPLY: &str = "BlockBuilder_apply_extrinsic";

/// What a proposer may spend on a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of all extrinsics together.
    pub max_bytes: usize,
    /// Time after which no further transaction is started.
    pub max_time: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { max_bytes: 4 << 20, max_time: Duration::from_millis(500) }
    }
}

/// What a proposer decides about a block besides its transactions.
#[derive(Clone, Debug)]
pub struct ProposalContext {
    /// Milliseconds since the Unix epoch; must be later than the parent's.
    pub time_ms: u64,
    /// Who is paid for the block.
    pub author: Option<AccountId>,
    /// What the block may cost.
    pub budget: Budget,
}

/// What became of a transaction that was offered for a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the block.
    Included,
    /// It may fit into a later block.
    Deferred,
    /// It is not in the block and will not get into the next one either.
    Rejected(Rejection),
}

/// Why a transaction cannot be included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The runtime refused it.
    #[error("not valid: {0:?}")]
    Invalid(TransactionValidityError),
    /// The runtime panicked on it.
    #[error("the runtime panicked: {0}")]
    Panicked(String),
}

/// Transactions in the order in which a proposer should try them.
pub trait Candidates {
    /// The next transaction to try.
    fn next(&mut self) -> Option<Arc<Transaction>>;
    /// Hears what became of a transaction that [`next`](Self::next) returned.
    fn report(&mut self, transaction: &Arc<Transaction>, verdict: Verdict);
}

/// No transactions.
pub struct NoCandidates;

impl Candidates for NoCandidates {
    fn next(&mut self) -> Option<Arc<Transaction>> {
        None
    }

    fn report(&mut self, _: &Arc<Transaction>, _: Verdict) {}
}

/// A block and what it does to the state, ready to be committed.
pub struct ExecutedBlock {
    /// The block.
    pub block: Block,
    /// Its hash.
    pub hash: Hash,
    /// Milliseconds since the Unix epoch at which it was made.
    pub time_ms: u64,
    /// How many of its extrinsics a proposer was offered, so all but the inherents.
    pub(crate) pooled: usize,
    pub(crate) changes: Arc<NodeChanges>,
    /// What it writes, by key; nothing once that is known as the values of the newest state.
    pub(crate) values: Option<Vec<Change>>,
}

impl ExecutedBlock {
    /// Bytes of memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        let nodes = self.changes.inserted.iter().map(|(key, node)| key.len() + node.len());
        self.block.body.iter().map(Vec::len).chain(nodes).sum()
    }

    /// The newest block once it is committed.
    pub(crate) fn tip(&self) -> Tip {
        Tip { hash: self.hash, header: self.block.header.clone(), time_ms: self.time_ms }
    }
}

impl fmt::Debug for ExecutedBlock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ExecutedBlock");
        shown.field("number", &self.block.number()).field("hash", &self.hash).field("time_ms", &self.time_ms);
        shown.finish_non_exhaustive()
    }
}

/// The answer to whether a block may follow the tip.
#[derive(Debug)]
pub enum Validity {
    /// It may; committing this needs no second execution.
    Valid(Box<ExecutedBlock>),
    /// It may not, and never will.
    Invalid(InvalidBlock),
    /// That cannot be said now, because the block does not follow the tip.
    Unknown {
        /// Height of the block.
        number: u32,
        /// Height of the tip.
        tip: u32,
    },
}

/// What to put into a block.
pub(crate) enum Content<'a> {
    Offered { context: &'a ProposalContext, candidates: &'a mut dyn Candidates },
    Given(&'a Block),
}

/// Why an execution gave no block.
#[derive(Debug)]
pub(crate) enum ExecutionError {
    /// The node is at fault.
    Node(ChainError),
    /// The block is at fault.
    Block(InvalidBlock),
}

impl From<ChainError> for ExecutionError {
    fn from(error: ChainError) -> Self {
        Self::Node(error)
    }
}

/// What a runtime call gets besides the state.
#[derive(Clone, Default)]
pub(crate) struct CallOptions {
    /// Signatures that need no verification.
    pub signatures: Option<Arc<dyn SignatureCache>>,
    /// The call is stopped at its first access to the state after this.
    pub deadline: Option<Deadline>,
}

/// Runs one runtime function on `state`; its writes go to `overlay`.
///
/// # Errors
/// See [`CallError`]. After an error the overlay may hold a part of what the call wrote; the caller rolls it back or
/// discards it.
pub(crate) fn call_runtime(
    state: &StateBackend,
    overlay: &mut Overlay,
    options: CallOptions,
    method: &str,
    arguments: &[u8],
) -> Result<Vec<u8>, CallError> {
    let CallOptions { signatures, deadline } = options;
    overlay.enter_runtime();
    let mut access = StateAccess::new(overlay, state).until(deadline);
    if let Some(signatures) = signatures {
        access.register(VerifiedSignatures(signatures));
    }
    let outcome =
        contain_panics(|| set_and_run_with_externalities(&mut access, || api::dispatch(method, arguments)));
    let in_time = access.check();
    overlay.exit_runtime();
    // A panic because of a failed read is the database's fault, not the runtime's.
    state.take_failure()?;
    in_time?;
    match outcome {
        Err(panic) => Err(CallError::Panicked(panic)),
        Ok(None) => Err(CallError::UnknownMethod(method.to_owned())),
        Ok(Some(bytes)) => Ok(bytes),
    }
}

fn close_transaction(overlay: &mut Overlay, keep: bool) -> Result<(), ExecutionError> {
    let closed = if keep { overlay.commit_transaction() } else { overlay.rollback_transaction() };
    closed.map_err(|error| ExecutionError::Block(InvalidBlock::Execution(error.to_string())))
}

/// Runs `operation`, which calls the runtime, with enough stack for the deepest nesting that decodes.
pub(crate) fn with_ample_stack<T>(operation: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_BYTES / 2, STACK_BYTES, operation)
}

/// Executes a block on `state`, which is the state after `parent`. With `audited`, the block is refused as the node's own
/// failure when money is not conserved after it.
pub(crate) fn execute(
    state: &StateBackend,
    parent: &Header,
    signatures: Arc<dyn SignatureCache>,
    audited: bool,
    content: Content<'_>,
) -> Result<ExecutedBlock, ExecutionError> {
    with_ample_stack(|| execute_here(state, parent, signatures, audited, content))
}

fn execute_here(
    state: &StateBackend,
    parent: &Header,
    signatures: Arc<dyn SignatureCache>,
    audited: bool,
    content: Content<'_>,
) -> Result<ExecutedBlock, ExecutionError> {
    let options = CallOptions { signatures: Some(signatures), deadline: None };
    let mut execution = Execution { audited, ..Execution::new(state, options) };
    match content {
        Content::Offered { context, candidates } => {
            execution.initialize(parent, digest_of(context))?;
            execution.apply_inherents(context)?;
            execution.apply_offered(context.budget, candidates)?;
            execution.finish()
        }
        Content::Given(block) => {
            execution.initialize(parent, block.header.digest.clone())?;
            execution.apply_given(&block.body)?;
            let executed = execution.finish()?;
            compare_headers(&executed.block.header, &block.header).map_err(ExecutionError::Block)?;
            Ok(executed)
        }
    }
}

/// Executes a block on `state`, which is the state after `parent`, with nothing in it but `extrinsic`; gives what became of
/// that and forgets the rest.
///
/// # Errors
/// See [`CallError`].
pub(crate) fn dry_run(
    state: &StateBackend,
    parent: &Header,
    time_ms: u64,
    extrinsic: &[u8],
    deadline: Option<Deadline>,
) -> Result<ApplyExtrinsicResult, CallError> {
    let context = ProposalContext { time_ms, author: None, budget: Budget::default() };
    let run = || {
        let mut execution = Execution::new(state, CallOptions { signatures: None, deadline });
        execution.initialize(parent, digest_of(&context))?;
        execution.apply_inherents(&context)?;
        let answer = execution.call(APPLY, extrinsic).map_err(|source| node_failure(APPLY, source))?;
        decode_answer(APPLY, &answer)
    };
    with_ample_stack(run).map_err(|error| match error {
        ExecutionError::Node(ChainError::Runtime { source, .. }) => source,
        ExecutionError::Node(ChainError::Store(error)) => error.into(),
        ExecutionError::Node(error) => CallError::Panicked(error.to_string()),
        ExecutionError::Block(reason) => CallError::Panicked(reason.to_string()),
    })
}

fn digest_of(context: &ProposalContext) -> Digest {
    Digest { logs: context.author.iter().map(author_digest).collect() }
}

struct Execution<'a> {
    state: &'a StateBackend,
    overlay: Overlay,
    options: CallOptions,
    audited: bool,
    body: Vec<Vec<u8>>,
    pooled: usize,
}

impl<'a> Execution<'a> {
    fn new(state: &'a StateBackend, options: CallOptions) -> Self {
        let overlay = Overlay::default();
        Self { state, overlay, options, audited: false, body: Vec::new(), pooled: 0 }
    }

    fn call(&mut self, method: &str, arguments: &[u8]) -> Result<Vec<u8>, CallError> {
        call_runtime(self.state, &mut self.overlay, self.options.clone(), method, arguments)
    }

    /// A call that fails only when the node or the whole block is at fault.
    fn step(&mut self, method: &'static str, arguments: &[u8]) -> Result<Vec<u8>, ExecutionError> {
        self.call(method, arguments).map_err(|error| match error {
            CallError::Panicked(text) => ExecutionError::Block(InvalidBlock::Execution(text)),
            source => node_failure(method, source),
        })
    }

    fn initialize(&mut self, parent: &Header, digest: Digest) -> Result<(), ExecutionError> {
        let header = Header {
            parent_hash: parent.hash(),
            number: parent.number.saturating_add(1),
            state_root: Hash::zero(),
            extrinsics_root: Hash::zero(),
            digest,
        };
        self.step("Core_initialize_block", &header.encode()).map(drop)
    }

    fn apply_inherents(&mut self, context: &ProposalContext) -> Result<(), ExecutionError> {
        let mut data = InherentData::new();
        data.put_data(sp_timestamp::INHERENT_IDENTIFIER, &sp_timestamp::InherentType::new(context.time_ms))
            .map_err(|error| ChainError::damaged(format_args!("the inherent data cannot be encoded: {error}")))?;
        let inherents = self.step("BlockBuilder_inherent_extrinsics", &data.encode())?;
        let inherents =
            decode_answer::<Vec<UncheckedExtrinsic>>("BlockBuilder_inherent_extrinsics", &inherents)?;
        let body: Vec<_> = inherents.iter().map(Encode::encode).collect();
        self.apply_given(&body)
    }

    fn apply_given(&mut self, body: &[Vec<u8>]) -> Result<(), ExecutionError> {
        let mut inherents_are_over = false;
        for bytes in body {
            let index = self.body.len();
            let extrinsic = decode_extrinsic(bytes).map_err(|reason| {
                ExecutionError::Block(InvalidBlock::MalformedExtrinsic { index, reason })
            })?;
            let is_inherent = Runtime::is_inherent(&extrinsic);
            if is_inherent && inherents_are_over {
                return Err(ExecutionError::Block(InvalidBlock::InherentPosition { index }));
            }
            inherents_are_over |= !is_inherent;
            let verdict = self.apply(bytes)?;
            must_be_included(index, verdict).map_err(ExecutionError::Block)?;
        }
        Ok(())
    }

    fn apply_offered(
        &mut self,
        budget: Budget,
        candidates: &mut dyn Candidates,
    ) -> Result<(), ExecutionError> {
        let started = Instant::now();
        let mut room = budget.max_bytes.saturating_sub(self.body.iter().map(Vec::len).sum());
        let mut misfits = 0;
        while misfits < MAX_MISFITS && started.elapsed() < budget.max_time {
            let Some(transaction) = candidates.next() else { break };
            let verdict = match room.checked_sub(transaction.bytes.len()) {
                Some(_) => self.apply(&transaction.bytes)?,
                None => Verdict::Deferred,
            };
            match verdict {
                Verdict::Included => {
                    room -= transaction.bytes.len();
                    self.pooled += 1;
                }
                Verdict::Deferred => misfits += 1,
                Verdict::Rejected(_) => {}
            }
            candidates.report(&transaction, verdict);
        }
        Ok(())
    }

    /// Applies one extrinsic; state and body change only when it is included.
    fn apply(&mut self, bytes: &[u8]) -> Result<Verdict, ExecutionError> {
        self.overlay.start_transaction();
        let verdict = match self.call(APPLY, bytes) {
            Ok(answer) => verdict_of(decode_answer(APPLY, &answer)?),
            Err(CallError::Panicked(text)) => Verdict::Rejected(Rejection::Panicked(text)),
            Err(source) => return Err(node_failure(APPLY, source)),
        };
        let included = verdict == Verdict::Included;
        close_transaction(&mut self.overlay, included)?;
        if included {
            self.body.push(bytes.to_vec());
        }
        Ok(verdict)
    }

    /// The time that the block has set.
    fn time_ms(&mut self) -> u64 {
        let value = self.overlay.get(&storage_keys::timestamp()).flatten();
        value.and_then(|mut bytes| u64::decode(&mut bytes).ok()).unwrap_or_default()
    }

    /// Checks the state that the block leaves behind, before anything of it is written.
    fn audit(&mut self, header: &Header) -> Result<(), ExecutionError> {
        self.overlay.start_transaction();
        let answer = self.step(AUDIT, &[]);
        close_transaction(&mut self.overlay, false)?;
        Ok(must_hold(header.number, header.hash(), decode_answer(AUDIT, &answer?)?)?)
    }

    fn finish(mut self) -> Result<ExecutedBlock, ExecutionError> {
        let header = self.step("BlockBuilder_finalize_block", &[])?;
        let header: Header = decode_answer("BlockBuilder_finalize_block", &header)?;
        if self.audited {
            self.audit(&header)?;
        }
        let time_ms = self.time_ms();
        let (root, nodes, values) = self.overlay.into_changes(self.state, StateVersion::V1);
        self.state.take_failure().map_err(ChainError::from)?;
        if root != header.state_root {
            return Err(ChainError::damaged("the state changes do not give the header's state root").into());
        }
        Ok(ExecutedBlock {
            hash: header.hash(),
            block: Block { header, body: self.body },
            time_ms,
            pooled: self.pooled,
            changes: Arc::new(node_changes(nodes)),
            values: Some(values),
        })
    }
}

/// A call that failed for no fault of its input.
fn node_failure(method: &'static str, source: CallError) -> ExecutionError {
    match source {
        CallError::Store(error) => ChainError::from(error).into(),
        source => ChainError::Runtime { method, source }.into(),
    }
}

/// Where nothing may be left out, leaving it out makes the block invalid.
fn must_be_included(index: usize, verdict: Verdict) -> Result<(), InvalidBlock> {
    match verdict {
        Verdict::Included => Ok(()),
        Verdict::Deferred => {
            let error = InvalidTransaction::ExhaustsResources.into();
            Err(InvalidBlock::InvalidExtrinsic { index, error })
        }
        Verdict::Rejected(Rejection::Invalid(error)) => Err(InvalidBlock::InvalidExtrinsic { index, error }),
        Verdict::Rejected(Rejection::Panicked(text)) => Err(InvalidBlock::Execution(text)),
    }
}

fn verdict_of(result: ApplyExtrinsicResult) -> Verdict {
    match result {
        Ok(_) => Verdict::Included,
        Err(TransactionValidityError::Invalid(
            InvalidTransaction::ExhaustsResources | InvalidTransaction::Future,
        )) => Verdict::Deferred,
        Err(error) => Verdict::Rejected(Rejection::Invalid(error)),
    }
}

fn decode_answer<T: Decode>(method: &'static str, bytes: &[u8]) -> Result<T, ExecutionError> {
    T::decode(&mut &bytes[..]).map_err(|error| {
        let source = CallError::Panicked(format!("its answer cannot be decoded: {error}"));
        ChainError::Runtime { method, source }.into()
    })
}

/// Splits the trie's write set into nodes to insert and keys to remove.
pub(crate) fn node_changes(mut nodes: PrefixedMemoryDB<BlakeTwo256>) -> NodeChanges {
    let mut changes = NodeChanges::default();
    for (key, (node, references)) in nodes.drain() {
        match references {
            1.. => changes.inserted.push((key, node)),
            0 => {}
            _ => changes.removed.push(key),
        }
    }
    // Neighbours in the trie are neighbours in the database.
    changes.inserted.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    changes.removed.sort_unstable();
    changes
}

fn compare_headers(expected: &Header, found: &Header) -> Result<(), InvalidBlock> {
    let mismatch =
        |field, expected: String, found: String| Err(InvalidBlock::HeaderMismatch { field, expected, found });
    if expected.parent_hash != found.parent_hash {
        return mismatch(
            "parent hash",
            format!("{:?}", expected.parent_hash),
            format!("{:?}", found.parent_hash),
        );
    }
    if expected.number != found.number {
        return mismatch("number", expected.number.to_string(), found.number.to_string());
    }
    if expected.extrinsics_root != found.extrinsics_root {
        return mismatch(
            "extrinsics root",
            format!("{:?}", expected.extrinsics_root),
            format!("{:?}", found.extrinsics_root),
        );
    }
    if expected.digest != found.digest {
        return mismatch("digest", format!("{:?}", expected.digest), format!("{:?}", found.digest));
    }
    if expected.state_root != found.state_root {
        return mismatch(
            "state root",
            format!("{:?}", expected.state_root),
            format!("{:?}", found.state_root),
        );
    }
    Ok(())
}
