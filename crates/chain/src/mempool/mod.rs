//! Transactions that wait for a block.
//!
//! A transaction is checked on worker threads: decoded, its signature verified (which the block's execution then need not
//! repeat), and validated by the runtime on the tip. It then enters the *lane* of its account at its nonce. Those that
//! follow each other from the account's nonce on are *ready*, the others are *future*. A proposer takes ready ones by
//! priority, then arrival, each lane in order. Another transaction for the same account and nonce replaces the one in
//! the pool only with a higher priority.
//!
//! After each block, lanes advance, expired transactions leave, and a bounded number of the rest is validated again; after
//! a revert, all are.

mod admission;
mod bans;
mod pool;
mod ready_log;
mod watch;
mod workers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Instant,
};

use myelin_runtime::{AccountId, Hash, Nonce};
use parking_lot::Mutex;
use sp_crypto_hashing::blake2_256;
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError, UnknownTransaction};
use tokio::sync::{oneshot, watch as signal};

use self::{
    admission::Checked,
    pool::{LaneKey, Pool, ReadyOrder, Refusal},
    ready_log::ReadyLog,
    watch::Watchers,
    workers::Workers,
};
use crate::{
    chain::ChainObserver,
    executor::{Candidates, Rejection, Verdict},
    storage_keys, Chain, ChainError, CommittedBlock, StateView, Tip, Transaction,
};

pub use self::watch::{TransactionStatus, Watcher};

/// How much a mempool holds and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolLimits {
    /// Transactions in all.
    pub max_count: usize,
    /// Bytes of all transactions.
    pub max_bytes: usize,
    /// Transactions of one account.
    pub max_per_account: usize,
    /// Bytes of one transaction.
    pub max_transaction_bytes: usize,
    /// Milliseconds for which an invalid transaction is refused without another look.
    pub ban_ms: u64,
    /// Transactions validated again after each block.
    pub revalidated_per_block: usize,
    /// Submissions that may wait for a worker.
    pub max_waiting_submissions: usize,
    /// Threads that check transactions; 0 means one for each processor.
    pub workers: usize,
}

impl Default for MempoolLimits {
    fn default() -> Self {
        Self {
            max_count: 32 * 1024,
            max_bytes: 64 << 20,
            max_per_account: 8 * 1024,
            max_transaction_bytes: 2 << 20,
            ban_ms: 60_000,
            revalidated_per_block: 64,
            max_waiting_submissions: 16 * 1024,
            workers: 0,
        }
    }
}

/// Why a transaction was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The bytes are not a transaction.
    #[error("bad format: {0}")]
    Malformed(String),
    /// It is larger than any transaction may be.
    #[error("the transaction has {found} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its bytes.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The runtime refuses it.
    #[error("{}", Into::<&'static str>::into(*.0))]
    Invalid(InvalidTransaction),
    /// The runtime cannot tell whether it is valid.
    #[error("{}", Into::<&'static str>::into(*.0))]
    Unknown(UnknownTransaction),
    /// The runtime panicked on it.
    #[error("the runtime cannot validate it: {0}")]
    Panicked(String),
    /// It was found invalid a short while ago.
    #[error("Transaction is temporarily banned")]
    Banned,
    /// It is in the pool already.
    #[error("Transaction is already imported: {0:?}")]
    AlreadyImported(Hash),
    /// Another transaction with the same account and nonce has at least its priority.
    #[error("Priority is too low: ({old} vs {new})")]
    PriorityTooLow {
        /// Priority of the one in the pool.
        old: u64,
        /// Priority of this one.
        new: u64,
    },
    /// The pool is full of transactions that are at least as good, or the account has its share.
    #[error("the pool is full ({0}); wait for a block, or pay a tip")]
    PoolFull(&'static str),
    /// The node does not know the newest state yet, on which transactions have to be judged.
    #[error("this node is still catching up with its network: {}; submit again later, or to another node", newest(*.number, *.age_s))]
    Behind {
        /// Height of the newest block here.
        number: u32,
        /// Seconds since the time of that block.
        age_s: u64,
    },
    /// The node has just met its peers, and the newest state may not be here.
    #[error("this node has just started, or found its peers again, and does not know yet whether its network is ahead; submit again in a few seconds, or to another node")]
    Unsure,
    /// The node only follows, and has nobody to follow.
    #[error("this node only follows its network, and none of its peers is connected, so that what is submitted here would reach no block; submit to another node; this one's /health and log say which peers it misses")]
    CutOff,
    /// The node can write nothing, and ends soon.
    #[error("this node can write nothing to its disk any more and ends soon; submit to another node")]
    Ending,
    /// Too many submissions are being checked.
    #[error("the node is busy checking transactions; submit again in a moment")]
    Busy,
    /// The node failed.
    #[error("the node cannot check transactions: {0}")]
    Node(String),
}

impl SubmitError {
    /// Whether submitting the same bytes again soon would be in vain.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Panicked(_) => true,
            Self::Invalid(reason) => matches!(
                reason,
                InvalidTransaction::Call
                    | InvalidTransaction::Stale
                    | InvalidTransaction::BadProof
                    | InvalidTransaction::AncientBirthBlock
                    | InvalidTransaction::BadMandatory
                    | InvalidTransaction::MandatoryValidation
            ),
            _ => false,
        }
    }

    /// Whether the transaction itself was found wanting, not the node.
    fn is_verdict(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Panicked(_) | Self::Malformed(_))
    }
}

impl From<ChainError> for SubmitError {
    fn from(error: ChainError) -> Self {
        Self::Node(error.to_string())
    }
}

impl From<TransactionValidityError> for SubmitError {
    fn from(error: TransactionValidityError) -> Self {
        match error {
            TransactionValidityError::Invalid(error) => Self::Invalid(error),
            TransactionValidityError::Unknown(error) => Self::Unknown(error),
        }
    }
}

/// What a mempool holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Transactions that can go into the next block.
    pub ready: usize,
    /// Transactions that wait for an earlier nonce.
    pub future: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

/// Why a node cannot judge transactions: its network is ahead, or may be, or out of reach, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// It has just started, and has not heard how far the others are.
    Unsure,
    /// The others are ahead.
    By {
        /// Height of its newest block.
        number: u32,
        /// Milliseconds since the time of that block.
        age_ms: u64,
    },
    /// It only follows the others, and is connected to none of them.
    CutOff,
    /// It can write nothing, so that it will never see the next block.
    Ending,
}

/// The genesis has no time.
fn newest(number: u32, age_s: u64) -> String {
    match number {
        0 => "it has no block but the first".to_owned(),
        _ => format!("its newest block, number {number}, is {age_s} s old"),
    }
}

impl From<Behind> for SubmitError {
    fn from(behind: Behind) -> Self {
        match behind {
            Behind::Unsure => Self::Unsure,
            Behind::By { number, age_ms } => Self::Behind { number, age_s: age_ms / 1_000 },
            Behind::CutOff => Self::CutOff,
            Behind::Ending => Self::Ending,
        }
    }
}

/// Transactions that wait for a block.
pub struct Mempool {
    shared: Arc<Shared>,
    workers: Workers,
}

pub(crate) struct Shared {
    chain: Arc<Chain>,
    limits: MempoolLimits,
    state: Mutex<State>,
    /// Whether and how far the node is behind its network.
    behind: Mutex<Option<Behind>>,
    /// Counts the times that something became ready.
    ready_signal: signal::Sender<u64>,
    started: Instant,
}

struct State {
    pool: Pool,
    watchers: Watchers,
    ready_log: ReadyLog,
    /// Height that the lanes' nonces belong to.
    number: u32,
    /// Transactions that have to be validated again soon, whatever the limit for each block.
    doubtful: usize,
}

impl State {
    fn new(limits: MempoolLimits, number: u32) -> Self {
        Self {
            pool: Pool::new(limits),
            watchers: Watchers::default(),
            ready_log: ReadyLog::default(),
            number,
            doubtful: 0,
        }
    }

    /// How many transactions to validate again now.
    fn due(&self, limits: &MempoolLimits) -> usize {
        self.doubtful.max(limits.revalidated_per_block).min(self.pool.len())
    }
}

impl Mempool {
    /// An empty mempool that follows `chain`.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn new(chain: Arc<Chain>, limits: MempoolLimits) -> std::io::Result<Arc<Self>> {
        let threads = match limits.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let state = State::new(limits, chain.tip().number());
        let shared = Arc::new(Shared {
            chain: Arc::clone(&chain),
            limits,
            state: Mutex::new(state),
            behind: Mutex::new(None),
            ready_signal: signal::Sender::new(0),
            started: Instant::now(),
        });
        let workers = Workers::start(threads, limits.max_waiting_submissions)?;
        let mempool = Arc::new(Self { shared, workers });
        let observer: Weak<Self> = Arc::downgrade(&mempool);
        chain.observe(observer);
        Ok(mempool)
    }

    /// Checks a transaction on a worker thread and takes it in.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, bytes: Vec<u8>) -> Result<Hash, SubmitError> {
        self.hand_in(bytes, None)?.await.unwrap_or(Err(SubmitError::Busy))
    }

    /// Like [`submit`](Self::submit); the watcher tells everything that happens to the transaction, from its first
    /// status on.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit_and_watch(&self, bytes: Vec<u8>) -> Result<(Hash, Watcher), SubmitError> {
        let (sender, watcher) = watch::channel();
        let hash = self.hand_in(bytes, Some(sender))?.await.unwrap_or(Err(SubmitError::Busy))?;
        Ok((hash, watcher))
    }

    /// Checks a transaction on the calling thread and takes it in.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn submit_here(&self, bytes: Vec<u8>) -> Result<Hash, SubmitError> {
        self.shared.submit(bytes, None)
    }

    /// While the node is behind its network, transactions are refused: judged on an old state, good ones look bad and
    /// expired ones good. The sequencer says so, with nothing once the node has caught up.
    pub fn set_behind(&self, behind: Option<Behind>) {
        *self.shared.behind.lock() = behind;
    }

    /// All transactions, the ready ones first and in the order of inclusion.
    pub fn pending(&self) -> Vec<Arc<Transaction>> {
        self.shared.state.lock().pool.all()
    }

    /// The transaction with this hash.
    pub fn get(&self, hash: &Hash) -> Option<Arc<Transaction>> {
        self.shared.state.lock().pool.get(hash)
    }

    /// How much it holds.
    pub fn status(&self) -> PoolStatus {
        let state = self.shared.state.lock();
        let ready = state.pool.ready_len();
        PoolStatus { ready, future: state.pool.len() - ready, bytes: state.pool.bytes() }
    }

    /// The nonce for the next transaction of an account, counting its ready ones here.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn next_nonce(&self, account: &AccountId) -> Result<Nonce, ChainError> {
        let pooled = self.shared.state.lock().pool.next_nonce(account);
        match pooled {
            Some(nonce) => Ok(nonce),
            None => chain_nonce(&self.shared.chain.tip_state()?, account),
        }
    }

    /// Takes a transaction out; false when it is not there.
    pub fn remove(&self, hash: &Hash) -> bool {
        let mut state = self.shared.state.lock();
        let changes = state.pool.remove(hash, TransactionStatus::Dropped);
        self.shared.tell(&mut state, &changes);
        !changes.is_empty()
    }

    /// The ready transactions for a proposer, best first. Rejected ones leave the pool and are refused for a while.
    pub fn best(&self) -> Best {
        let order = ReadyOrder::new(&self.shared.state.lock().pool);
        Best { shared: Arc::clone(&self.shared), order, offered: None }
    }

    /// Changes whenever a transaction becomes ready.
    pub fn ready_signal(&self) -> signal::Receiver<u64> {
        self.shared.ready_signal.subscribe()
    }

    /// Up to `max_count` ready transactions, oldest first, of those that became ready after the one with number `after`;
    /// each with its number. Numbers grow and are never used twice, and start at 1. The first one is returned whatever
    /// its size, others only while all together have at most `max_bytes`.
    pub fn ready_after(
        &self,
        after: u64,
        max_count: usize,
        max_bytes: usize,
    ) -> Vec<(u64, Arc<Transaction>)> {
        let state = self.shared.state.lock();
        let mut bytes = 0_usize;
        let found = state.ready_log.after(after, max_count).into_iter();
        let found = found.filter_map(|(number, hash)| Some((number, state.pool.get(&hash)?)));
        let fitting = found.take_while(|(_, transaction)| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(transaction.bytes.len());
            first || bytes <= max_bytes
        });
        fitting.collect()
    }

    fn revalidate_due(&self) {
        let shared = Arc::clone(&self.shared);
        if self.shared.state.lock().due(&self.shared.limits) > 0 {
            // A full queue means that there is more urgent work; the next block asks again.
            self.workers.submit(move || shared.revalidate());
        }
    }

    fn hand_in(
        &self,
        bytes: Vec<u8>,
        watcher: Option<watch::Sender>,
    ) -> Result<oneshot::Receiver<Result<Hash, SubmitError>>, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let queued = self.workers.submit(move || {
            // Whoever asked may have gone away.
            let _ = reply.send(shared.submit(bytes, watcher));
        });
        queued.then_some(answer).ok_or(SubmitError::Busy)
    }
}

impl ChainObserver for Mempool {
    fn committed(&self, block: &Arc<CommittedBlock>) {
        if let Err(error) = self.shared.follow(block) {
            tracing::error!(%error, "the mempool could not follow a block");
        }
        self.revalidate_due();
    }

    fn reverted(&self, tip: &Tip) {
        if let Err(error) = self.shared.restart(tip.number()) {
            tracing::error!(%error, "the mempool could not follow a revert");
        }
        self.revalidate_due();
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn submit(&self, bytes: Vec<u8>, watcher: Option<watch::Sender>) -> Result<Hash, SubmitError> {
        if let Some(behind) = *self.behind.lock() {
            return Err(behind.into());
        }
        let limit = self.limits.max_transaction_bytes;
        if bytes.len() > limit {
            return Err(SubmitError::TooLarge { found: bytes.len(), limit });
        }
        let transaction = Transaction::new(bytes);
        let hash = transaction.hash;
        self.state
            .lock()
            .pool
            .check_hash(&hash, self.now_ms())
            .map_err(|refusal| refusal.into_error(hash))?;
        loop {
            let view = self.chain.tip_state()?;
            let checked = self.check(&view, &transaction)?;
            if let Some(result) = self.admit(&view, checked, &watcher) {
                return result.map(|()| hash).map_err(|refusal| refusal.into_error(hash));
            }
        }
    }

    fn check(&self, view: &StateView, transaction: &Arc<Transaction>) -> Result<Checked, SubmitError> {
        let checked = admission::check(&self.chain, view, transaction);
        if checked.as_ref().is_err_and(SubmitError::is_lasting) {
            self.state.lock().pool.refuse(&transaction.hash, self.now_ms());
        }
        checked
    }

    /// Puts a checked transaction into the pool; nothing when the pool has moved on to another block meanwhile.
    fn admit(
        &self,
        view: &StateView,
        checked: Checked,
        watcher: &Option<watch::Sender>,
    ) -> Option<Result<(), Refusal>> {
        let mut state = self.state.lock();
        if state.number != view.number() {
            return None;
        }
        let hash = checked.admission.transaction.hash;
        let aligned = state.pool.align(&checked.admission.lane, checked.next);
        self.tell(&mut state, &aligned);
        Some(state.pool.insert(checked.admission, checked.next).map(|changes| {
            if let Some(watcher) = watcher {
                state.watchers.add(hash, watcher.clone());
            }
            self.tell(&mut state, &changes);
        }))
    }

    fn tell(&self, state: &mut State, changes: &[(Hash, TransactionStatus)]) {
        state.watchers.tell(changes);
        state.ready_log.hear(changes);
        if changes.iter().any(|(_, status)| *status == TransactionStatus::Ready) {
            self.ready_signal.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn follow(&self, block: &Arc<CommittedBlock>) -> Result<(), ChainError> {
        let mut state = self.state.lock();
        state.number = block.number();
        if state.pool.is_empty() {
            return Ok(());
        }
        let hashes: Vec<Hash> = block.block.body.iter().map(|bytes| blake2_256(bytes).into()).collect();
        let lanes = self.touched_lanes(&state, block, &hashes)?;
        for (lane, next) in lanes {
            let changes = state.pool.advance(&lane, next, |hash| departed(hash, block, &hashes));
            self.tell(&mut state, &changes);
        }
        let expired = state.pool.expire(block.number());
        self.tell(&mut state, &expired);
        Ok(())
    }

    /// The lanes that the block used up something of, with the nonces they start from now.
    fn touched_lanes(
        &self,
        state: &State,
        block: &CommittedBlock,
        hashes: &[Hash],
    ) -> Result<BTreeMap<LaneKey, Nonce>, ChainError> {
        let mut known = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for (bytes, hash) in block.block.body.iter().zip(hashes) {
            if let Some((lane, nonce)) = state.pool.place(hash) {
                let next = known.entry(lane.clone()).or_insert(0);
                *next = nonce.saturating_add(1).max(*next);
            } else if let Some(account) =
                admission::signer(bytes).filter(|account| state.pool.has_lane(account))
            {
                unknown.insert(account);
            }
        }
        if !unknown.is_empty() {
            let view = self.chain.tip_state()?;
            for account in unknown {
                let next = chain_nonce(&view, &account)?;
                known.insert(LaneKey::Account(account), next);
            }
        }
        Ok(known)
    }

    /// Starts over after a revert: every lane from the nonce that its account has now. What was valid because of a block
    /// that is no more, such as the one it names as its birth, is found by validating all again.
    fn restart(&self, number: u32) -> Result<(), ChainError> {
        let mut state = self.state.lock();
        state.number = number;
        state.pool.lift_bans();
        let view = self.chain.tip_state()?;
        for account in state.pool.accounts() {
            let next = chain_nonce(&view, &account)?;
            let changes =
                state.pool.advance(&LaneKey::Account(account), next, |_| vec![TransactionStatus::Dropped]);
            self.tell(&mut state, &changes);
        }
        state.doubtful = state.pool.len();
        Ok(())
    }

    fn revalidate(&self) {
        let taken = {
            let mut state = self.state.lock();
            let due = state.due(&self.limits);
            state.doubtful = 0;
            state.pool.take_for_revalidation(due)
        };
        for transaction in taken {
            let Ok(view) = self.chain.tip_state() else { return };
            let verdict = admission::check(&self.chain, &view, &transaction);
            let mut state = self.state.lock();
            // On another block than the pool's, a transaction may look stale that is about to leave as included.
            if state.number != view.number() {
                state.doubtful += 1;
                continue;
            }
            let changes = match verdict {
                Ok(checked) => state.pool.align(&checked.admission.lane, checked.next),
                Err(error) if error.is_verdict() => state.pool.ban(&transaction.hash, self.now_ms()),
                Err(_) => Vec::new(),
            };
            self.tell(&mut state, &changes);
        }
    }
}

/// What becomes of a transaction whose nonce the block has used up.
fn departed(hash: &Hash, block: &CommittedBlock, included: &[Hash]) -> Vec<TransactionStatus> {
    match included.iter().position(|found| found == hash).and_then(|index| u32::try_from(index).ok()) {
        Some(index) => vec![
            TransactionStatus::InBlock { block: block.hash, index },
            TransactionStatus::Finalized { block: block.hash, index },
        ],
        None => vec![TransactionStatus::Invalid],
    }
}

/// The nonce of an account in a state.
fn chain_nonce(view: &StateView, account: &AccountId) -> Result<Nonce, ChainError> {
    Ok(view.value::<Nonce>(&storage_keys::account(account))?.unwrap_or_default())
}

impl Refusal {
    fn into_error(self, hash: Hash) -> SubmitError {
        match self {
            Self::AlreadyImported => SubmitError::AlreadyImported(hash),
            Self::Banned => SubmitError::Banned,
            Self::Stale => SubmitError::Invalid(InvalidTransaction::Stale),
            Self::PriorityTooLow { old, new } => SubmitError::PriorityTooLow { old, new },
            Self::AccountFull => SubmitError::PoolFull("the account has too many transactions waiting"),
            Self::PoolFull => SubmitError::PoolFull("others pay as much or more"),
        }
    }
}

/// Ready transactions for one proposal; see [`Mempool::best`].
pub struct Best {
    shared: Arc<Shared>,
    order: ReadyOrder,
    offered: Option<(LaneKey, Nonce)>,
}

impl Candidates for Best {
    fn next(&mut self) -> Option<Arc<Transaction>> {
        let (transaction, lane, nonce) = self.order.next(&self.shared.state.lock().pool)?;
        self.offered = Some((lane, nonce));
        Some(transaction)
    }

    fn report(&mut self, transaction: &Arc<Transaction>, verdict: Verdict) {
        let mut state = self.shared.state.lock();
        match (verdict, self.offered.take()) {
            (Verdict::Included, Some((lane, nonce))) => self.order.accept(&state.pool, &lane, nonce),
            (Verdict::Included | Verdict::Deferred, _) => {}
            (Verdict::Rejected(rejection), _) => {
                log_rejection(&transaction.hash, &rejection);
                let changes = state.pool.ban(&transaction.hash, self.shared.now_ms());
                self.shared.tell(&mut state, &changes);
            }
        }
    }
}

fn log_rejection(hash: &Hash, rejection: &Rejection) {
    match rejection {
        Rejection::Invalid(_) => {
            tracing::debug!(?hash, %rejection, "a pooled transaction was not valid any more")
        }
        Rejection::Panicked(_) => tracing::error!(?hash, %rejection, "a transaction makes the runtime panic"),
    }
}
