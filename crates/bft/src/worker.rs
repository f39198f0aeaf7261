//! Answers the engine's questions about blocks, one after another, on a thread of its own.
//!
//! Executing and storing blocks takes long and blocks, so none of it happens where the engine's messages are received. The
//! engine goes on with votes meanwhile. What was executed is kept until the height is decided, so that a decided block is
//! committed without being executed again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use arc_malachitebft_app_channel::{
    app::{
        engine::{
            host::{HeightParams, Next, SyncedValueOutcome},
            util::streaming::StreamContent,
        },
        types::{
            codec::Codec,
            core::{CommitCertificate, LinearTimeouts, Round, Validity as EngineValidity},
            streaming::{StreamId, StreamMessage},
            sync::RawDecidedValue,
            LocallyProposedValue, MisbehaviorEvidence, ProposedValue, SignedConsensusMsg,
        },
    },
    AppMsg, NetworkMsg,
};
use arc_malachitebft_core_consensus::HIDDEN_LOCK_ROUND;
use bytes::Bytes;
use codec::Encode;
use myelin_chain::{
    executor::Budget, Application, Block, Certificate, Chain, ChainParams, CommittedBlock, ConsensusKey,
    ExecutedBlock, Hash, History, Lookahead, ProposalContext, ValidatorSet, Validity,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    author,
    codec::{from_certificate, to_certificate, WireCodec},
    config::BftConfig,
    context::{Address, BlockId, Context, Height, Members},
    early::{Early, EarlyBlocks},
    evidence::{self, Equivocation},
    guard::{Place, SigningGuard},
    outset::Outset,
    pace::{block_time_ms, height_duration, MAX_CLOCK_DRIFT_MS},
    parts::{split, Assembler, Part, MAX_BLOCK_BYTES},
    proposer,
    resumption::{Goal, Stance},
    seldom::Seldom,
    signing::round_of,
    status::StatusView,
    undecided::{Undecided, UndecidedBlocks},
    writing::Writing,
    BftError, Step,
};

/// Rounds beyond the one in progress for which blocks are taken.
const MAX_ROUNDS_AHEAD: u32 = 1;
/// Bytes of blocks in one answer to a node that catches up, besides the last one.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Blocks in one answer.
const MAX_ANSWER_BLOCKS: usize = 256;
/// The least time for transactions in a block.
const MIN_BUILD_TIME: Duration = Duration::from_millis(20);
/// The most.
const MAX_BUILD_TIME: Duration = Duration::from_millis(1000);

/// Blocks that are held in memory only, at most, while the node catches up, besides as many that are being written.
const MAX_DEFERRED_BLOCKS: usize = 128;
/// Bytes of them and of what they change.
const MAX_DEFERRED_BYTES: usize = 24 << 20;

/// What a worker is to do.
pub(crate) enum Job {
    /// Answer the engine.
    Answer(Box<AppMsg<Context>>),
    /// Write what is held in memory only.
    Flush,
}

/// Committed blocks that are not on disk yet.
#[derive(Default)]
struct Deferred {
    blocks: usize,
    bytes: usize,
}

/// A block that was judged in this height.
struct Candidate {
    round: u32,
    sender: ConsensusKey,
    hash: Hash,
    is_valid: bool,
}

/// What the operator is told of proposers.
#[derive(Default)]
struct Warnings {
    part: Seldom,
    block: Seldom,
}

/// What a worker needs to know once.
pub(crate) struct WorkerSetup {
    pub application: Application,
    pub config: BftConfig,
    pub network: mpsc::Sender<NetworkMsg<Context>>,
    /// What this validator has signed.
    pub guard: Option<Arc<SigningGuard>>,
    pub status: StatusView,
    pub outset: Arc<Outset>,
    /// Has executed blocks that peers have sent.
    pub lookahead: Arc<Lookahead>,
    /// Only follow, until then.
    pub follow_until: Option<Goal>,
}

impl WorkerSetup {
    /// Whether this node signs, and not only follows.
    fn signs(&self) -> bool {
        self.guard.is_some() && self.follow_until.is_none()
    }
}

/// Why a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerEnd {
    /// Nobody asks any more.
    Idle,
    /// It was to follow, and has reached its goal.
    CaughtUp,
    /// It was to sign, and others are ahead.
    Behind,
}

pub(crate) struct Worker {
    setup: WorkerSetup,
    chain: Hash,
    /// For the height after the tip.
    params: ChainParams,
    round: u32,
    candidates: Vec<Candidate>,
    blocks: HashMap<Hash, Block>,
    executed: HashMap<Hash, ExecutedBlock>,
    /// Blocks of this height that were found invalid, with the round in which that was.
    refused: HashMap<Hash, u32>,
    undecided: UndecidedBlocks,
    assembler: Assembler,
    early: EarlyBlocks,
    /// The one block that a validator may send for a round.
    announced: BTreeMap<(u32, ConsensusKey, u32), Hash>,
    /// Whether the block of this height came from a node that was ahead.
    is_synced: bool,
    deferred: Deferred,
    writing: Writing,
    streams: u64,
    warnings: Warnings,
    /// Where to say that the engine is to begin, until it is known how far peers are.
    ready: Option<Ready>,
}

type Ready = oneshot::Sender<(Height, HeightParams<Context>)>;

impl Worker {
    /// A worker that goes on where the last one stopped, or crashed.
    pub fn new(setup: WorkerSetup) -> Result<Self, BftError> {
        let chain = setup.application.chain();
        let height = chain.tip().number().saturating_add(1);
        let params = setup.application.params(height)?;
        let (undecided, kept) = UndecidedBlocks::load(chain.store(), height)?;
        let mut worker = Self {
            chain: chain.genesis_hash(),
            params,
            round: 0,
            candidates: Vec::new(),
            blocks: HashMap::new(),
            executed: HashMap::new(),
            undecided,
            assembler: Assembler::default(),
            early: EarlyBlocks::default(),
            refused: HashMap::new(),
            announced: BTreeMap::new(),
            is_synced: false,
            deferred: Deferred::default(),
            writing: Writing::default(),
            streams: 0,
            warnings: Warnings::default(),
            ready: None,
            setup,
        };
        for Undecided { round, sender, block } in kept {
            let hash = block.hash();
            worker.candidates.push(Candidate { round, sender, hash, is_valid: true });
            worker.blocks.insert(hash, block);
        }
        Ok(worker)
    }

    /// Works until nobody asks any more, or something fails after which this node must not go on.
    pub fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> Result<WorkerEnd, BftError> {
        let mut end = WorkerEnd::Idle;
        while let Some(job) = jobs.blocking_recv() {
            match job {
                Job::Answer(question) => self.answer(*question)?,
                Job::Flush => self.begin_to_flush()?,
            }
            if let Some(reached) = self.reached()? {
                end = reached;
                break;
            }
        }
        self.flush()?;
        Ok(end)
    }

    /// Whether this session is over, because another one is to sign, or to follow.
    fn reached(&mut self) -> Result<Option<WorkerEnd>, BftError> {
        let outset = &self.setup.outset;
        let head = self.setup.application.chain().head();
        let is_caught_up = match self.setup.follow_until {
            None if self.ready.is_some() => return self.begin_when_sure(),
            None => false,
            Some(Goal::Height(height)) => head.number() >= height,
            Some(Goal::Peers) => outset.stance() == Stance::TakePart,
            Some(Goal::NewBlock(_)) => self.is_after_start(head.time_ms),
        };
        Ok(is_caught_up.then_some(WorkerEnd::CaughtUp))
    }

    /// Lets a validator begin once it knows that it is as far as its peers.
    fn begin_when_sure(&mut self) -> Result<Option<WorkerEnd>, BftError> {
        match self.setup.outset.stance() {
            Stance::Listen => Ok(None),
            Stance::Follow => Ok(Some(WorkerEnd::Behind)),
            Stance::TakePart => self.begin().map(|()| None),
        }
    }

    fn begin(&mut self) -> Result<(), BftError> {
        if let Some(reply) = self.ready.take() {
            let is_member = self.own_key().is_some_and(|own| self.validators().get(&own).is_some());
            self.setup.status.set_signs(self.setup.signs() && is_member);
            // Whoever asked may be gone.
            let _ = reply.send((self.height().into(), self.height_params()?));
        }
        Ok(())
    }

    fn answer(&mut self, question: AppMsg<Context>) -> Result<(), BftError> {
        // Whoever asked may be gone by the time of the answer, so failures to send it mean nothing.
        match question {
            AppMsg::ConsensusReady { reply } => {
                self.ready = Some(reply);
                if !self.setup.signs() {
                    self.begin()?;
                }
            }
            AppMsg::StartedRound { height, round, reply_value, .. } => {
                let values = self.start_round(height.number(), round_of(round))?;
                let _ = reply_value.send(values);
            }
            AppMsg::GetValue { height, round, timeout, reply } => {
                let (height, round) = (height.number(), round_of(round));
                if let Some((hash, parts)) = self.propose(height, round, timeout)? {
                    let round = Round::new(round);
                    let _ = reply.send(LocallyProposedValue::new(height.into(), round, BlockId(hash)));
                    self.send(parts);
                }
            }
            AppMsg::RestreamProposal { height, round, value_id, .. } => {
                let parts = self.parts_of(height.number(), round_of(round), value_id.0);
                self.send(parts.unwrap_or_default());
            }
            AppMsg::ReceivedProposalPart { part, reply, .. } => {
                let value = match part.content {
                    StreamContent::Data(part) => self.receive(part)?,
                    StreamContent::Fin => None,
                };
                let _ = reply.send(value);
            }
            AppMsg::Decided { certificate, reply, .. } => {
                self.commit(&certificate)?;
                let _ = reply.send(());
            }
            AppMsg::Finalized { certificate, evidence, reply, .. } => {
                self.keep_evidence(&certificate, &evidence)?;
                let next = Next::Start(self.height().into(), self.height_params()?);
                let _ = reply.send(next);
            }
            AppMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply } => {
                let outcome = self.judge_synced(height.number(), round_of(round), proposer, &value_bytes)?;
                let _ = reply.send(outcome);
            }
            AppMsg::GetDecidedValues { range, reply } => {
                self.flush()?;
                let blocks = self.decided(range.start().number(), range.end().number())?;
                let _ = reply.send(blocks);
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                // Everybody has block 0.
                let _ = reply.send(self.setup.application.history_min()?.max(1).into());
            }
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions { extensions, reply, .. } => {
                let verdicts = extensions.into_iter().map(|(address, ())| (address, Ok(()))).collect();
                let _ = reply.send(verdicts);
            }
        }
        Ok(())
    }

    /// Height of the newest committed block.
    fn head(&self) -> u32 {
        self.setup.application.chain().head().number()
    }

    /// The height that is being decided.
    fn height(&self) -> u32 {
        self.params.height
    }

    fn validators(&self) -> &ValidatorSet {
        &self.params.validators
    }

    fn own_key(&self) -> Option<ConsensusKey> {
        self.setup.config.key.as_ref().map(|key| key.public())
    }

    fn now_ms(&self) -> u64 {
        (self.setup.config.clock)()
    }

    fn height_params(&self) -> Result<HeightParams<Context>, BftError> {
        let members = Members::new(self.validators().clone()).ok_or(BftError::NoValidators)?;
        let parent_ms = self.setup.application.chain().head().time_ms;
        let duration = height_duration(parent_ms, self.params.slot_duration_ms, self.now_ms());
        Ok(HeightParams::new(members, timeouts(&self.params), Some(duration)))
    }

    /// The blocks of a round that are known already.
    fn start_round(&mut self, height: u32, round: u32) -> Result<Vec<ProposedValue<Context>>, BftError> {
        if height != self.height() {
            return Ok(Vec::new());
        }
        self.round = round;
        self.setup.status.set_round(height, round, self.validators().members().len());
        self.judge_early()?;
        let of_round = self.candidates.iter().filter(|candidate| candidate.round == round);
        Ok(of_round.map(|candidate| self.proposed(candidate)).collect())
    }

    fn proposed(&self, candidate: &Candidate) -> ProposedValue<Context> {
        ProposedValue {
            height: self.height().into(),
            round: Round::new(candidate.round),
            valid_round: Round::Nil,
            proposer: Address(candidate.sender),
            value: BlockId(candidate.hash),
            validity: EngineValidity::from_bool(candidate.is_valid),
        }
    }

    /// The block that this node proposes in a round: the same one whenever it is asked.
    fn propose(
        &mut self,
        height: u32,
        round: u32,
        timeout: Duration,
    ) -> Result<Option<(Hash, Vec<Part>)>, BftError> {
        let Some(own) = self.own_key().filter(|_| height == self.height()) else { return Ok(None) };
        let before = self.candidates.iter().find(|known| known.round == round && known.sender == own);
        let hash = match before.map(|known| known.hash) {
            Some(hash) => hash,
            None => match self.build(own, round, timeout)? {
                Some(hash) => hash,
                None => return Ok(None),
            },
        };
        let parts = self.parts_of(height, round, hash).unwrap_or_default();
        Ok(Some((hash, parts)))
    }

    fn build(&mut self, own: ConsensusKey, round: u32, timeout: Duration) -> Result<Option<Hash>, BftError> {
        let application = &self.setup.application;
        let max_time = self.build_time().min(timeout / 3).clamp(MIN_BUILD_TIME, MAX_BUILD_TIME);
        let parent_ms = application.chain().tip().time_ms;
        let context = ProposalContext {
            time_ms: block_time_ms(parent_ms, self.params.slot_duration_ms, self.now_ms()),
            author: self.validators().get(&own).map(|validator| validator.account.clone()),
            budget: Budget { max_time, ..Budget::default() },
        };
        let began = Instant::now();
        let proposed = application.propose(&context);
        self.setup.status.executed(began.elapsed());
        let executed = match proposed {
            Ok(executed) => executed,
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => {
                // The turn passes to the next validator.
                tracing::error!(%error, height = self.height(), round, "no block can be proposed");
                return Ok(None);
            }
        };
        #[cfg(feature = "faults")]
        if let Some(block) = self.setup.config.fault.and_then(|fault| fault.tamper(&executed.block)) {
            let hash = block.hash();
            self.blocks.insert(hash, block);
            self.candidates.push(Candidate { round, sender: own, hash, is_valid: true });
            return Ok(Some(hash));
        }
        let hash = executed.hash;
        self.keep_valid(round, own, executed)?;
        Ok(Some(hash))
    }

    /// How long transactions may be executed for a block, so that there is time left to agree on it and to store it. The
    /// others execute it once more before they vote, unless there are no others.
    fn build_time(&self) -> Duration {
        let interval = Duration::from_millis(self.params.slot_duration_ms);
        match self.validators().members().len() {
            0..=1 => interval * 2 / 3,
            _ => interval / 3,
        }
    }

    /// Remembers a valid block, on disk first.
    fn keep_valid(
        &mut self,
        round: u32,
        sender: ConsensusKey,
        executed: ExecutedBlock,
    ) -> Result<(), BftError> {
        let hash = executed.hash;
        // Who does not vote has nothing to keep promises about, and is not asked for the block again.
        if self.setup.signs() {
            let undecided = Undecided { round, sender, block: executed.block.clone() };
            self.undecided.write(self.setup.application.chain().store(), &undecided)?;
            self.blocks.insert(hash, undecided.block);
        }
        self.executed.insert(hash, executed);
        self.candidates.push(Candidate { round, sender, hash, is_valid: true });
        Ok(())
    }

    fn parts_of(&self, height: u32, round: u32, hash: Hash) -> Option<Vec<Part>> {
        let block = self.blocks.get(&hash).filter(|_| height == self.height())?;
        let secret = self.setup.config.key.as_ref()?;
        let encoded = block.encode();
        #[cfg(feature = "faults")]
        let encoded = self.spoiled(encoded);
        split(&self.chain, secret, (height, round), hash, &encoded)
    }

    #[cfg(feature = "faults")]
    fn spoiled(&self, mut encoded: Vec<u8>) -> Vec<u8> {
        if let Some(fault) = self.setup.config.fault {
            fault.spoil(&mut encoded);
        }
        encoded
    }

    fn send(&mut self, parts: Vec<Part>) {
        #[cfg(feature = "faults")]
        for _ in 1..self.setup.config.fault.map_or(1, crate::Fault::sends) {
            self.send_once(parts.clone());
        }
        self.send_once(parts);
    }

    fn send_once(&mut self, parts: Vec<Part>) {
        for (part, sequence) in parts.into_iter().zip(0..) {
            // The network drops what it has seen before, so a block that is sent again needs another name.
            let id = (part.height, part.round, self.streams, self.now_ms()).encode();
            let message = StreamMessage::new(StreamId::new(id.into()), sequence, StreamContent::Data(part));
            if self.setup.network.blocking_send(NetworkMsg::PublishProposalPart(message)).is_err() {
                return;
            }
        }
        self.streams = self.streams.wrapping_add(1);
    }

    /// Takes a part of a block; the block's verdict when it was the last one.
    fn receive(&mut self, part: Part) -> Result<Option<ProposedValue<Context>>, BftError> {
        if !self.is_wanted(&part) {
            return Ok(None);
        }
        let (height, round, sender, hash) = (part.height, part.round, part.sender, part.block);
        if self.is_known_valid(height, hash) {
            let again = Candidate { round, sender, hash, is_valid: true };
            return Ok((part.index == 0).then(|| self.proposed(&again)));
        }
        if self.is_done_with(height, round, &sender, &hash) {
            return Ok(None);
        }
        let assembled = part.check(&self.chain).and_then(|()| {
            self.announced.insert((height, sender, round), hash);
            self.assembler.insert(part)
        });
        let block = match assembled {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(None),
            Err(error) => {
                if self.warnings.part.is_due(Instant::now()) {
                    tracing::warn!(%error, height, round, sender = %Address(sender), "a part of a block is dropped");
                }
                return Ok(None);
            }
        };
        if height != self.height() {
            self.early.insert(Early { round, sender, hash, block });
            return Ok(None);
        }
        let candidate = self.judge(round, sender, block)?;
        Ok(Some(self.proposed(&candidate)))
    }

    /// Whether a part is of a block that matters, from somebody who may send it.
    ///
    /// Only the proposers of four rounds may: of this one and the next, in this height and in the next. So few blocks are
    /// on their way at a time that there is always memory for those that matter.
    fn is_wanted(&self, part: &Part) -> bool {
        let reached = match part.height.checked_sub(self.height()) {
            Some(0) => self.round,
            // Before this height is decided, only its own validators are known; they hardly ever change.
            Some(1) => 0,
            _ => return false,
        };
        let announced = self.announced.get(&(part.height, part.sender, part.round));
        part.round <= reached.saturating_add(MAX_ROUNDS_AHEAD)
            && self.may_send(part.height, &part.sender, part.round)
            && announced.is_none_or(|hash| *hash == part.block)
    }

    /// Whether a validator may send a block for a round: its proposer, and in late rounds anybody, because the engine
    /// then has blocks sent again by all who have them.
    fn may_send(&self, height: u32, sender: &ConsensusKey, round: u32) -> bool {
        match Round::new(round) >= HIDDEN_LOCK_ROUND {
            true => self.validators().get(sender).is_some(),
            false => proposer::select(self.validators(), height, round)
                .is_some_and(|validator| validator.key == *sender),
        }
    }

    /// Whether there is nothing to gain from parts of a block now: it waits for its height, or was found invalid in this round.
    /// In a later round it may be valid: its time may have come, or its author's turn. Without that, a proposer could have all
    /// others execute one bad block all the time.
    fn is_done_with(&self, height: u32, round: u32, sender: &ConsensusKey, hash: &Hash) -> bool {
        match height == self.height() {
            true => self.refused.get(hash) == Some(&self.round),
            false => self.early.holds(sender, round, hash),
        }
    }

    /// Whether a block of this height was found valid.
    fn is_known_valid(&self, height: u32, hash: Hash) -> bool {
        height == self.height() && self.candidates.iter().any(|known| known.hash == hash && known.is_valid)
    }

    fn judge_early(&mut self) -> Result<(), BftError> {
        let height = self.height();
        for Early { round, sender, hash, block } in self.early.take(height) {
            if self.may_send(height, &sender, round) && !self.is_known_valid(height, hash) {
                self.judge(round, sender, block)?;
            }
        }
        Ok(())
    }

    /// Executes a block that is being agreed on.
    fn judge(&mut self, round: u32, sender: ConsensusKey, block: Block) -> Result<Candidate, BftError> {
        let hash = block.hash();
        let latest_ms = self.now_ms().saturating_add(MAX_CLOCK_DRIFT_MS);
        let turns = round.max(self.round).min(self.validators().members().len() as u32);
        let proposers =
            (0..=turns).filter_map(|round| proposer::select(self.validators(), self.height(), round));
        let verdict = match author::check(&block.header, proposers) {
            Ok(()) => self.execute(&block, Some(latest_ms))?,
            Err(reason) => Err(reason.to_string()),
        };
        let candidate = Candidate { round, sender, hash, is_valid: verdict.is_ok() };
        match verdict {
            Ok(executed) => self.keep_valid(round, sender, *executed)?,
            Err(reason) => {
                if self.warnings.block.is_due(Instant::now()) {
                    tracing::warn!(%reason, height = self.height(), round, sender = %Address(sender), "an invalid block is proposed");
                }
                self.refused.insert(hash, self.round);
                self.candidates.push(Candidate { ..candidate });
            }
        }
        Ok(candidate)
    }

    /// Executes a block, or says what is wrong with it.
    fn execute(
        &self,
        block: &Block,
        latest_ms: Option<u64>,
    ) -> Result<Result<Box<ExecutedBlock>, String>, BftError> {
        let began = Instant::now();
        let validity = self.setup.application.validate(block, latest_ms)?;
        self.setup.status.executed(began.elapsed());
        Ok(match validity {
            Validity::Valid(executed) => Ok(executed),
            Validity::Invalid(reason) => Err(reason.to_string()),
            // The tip is final, so what does not follow it never will.
            Validity::Unknown { .. } => Err("it does not follow the newest block".to_owned()),
        })
    }

    /// Executes a block that others have decided, if that has not been done ahead. The engine has verified its certificate.
    fn judge_synced(
        &mut self,
        height: u32,
        round: u32,
        proposer: Address,
        encoded: &Bytes,
    ) -> Result<SyncedValueOutcome<Context>, BftError> {
        if height != self.height() {
            return Ok(SyncedValueOutcome::LocalTransientError);
        }
        let (hash, is_valid) = match self.setup.lookahead.take(height, encoded) {
            Some((executed, took)) => {
                self.setup.status.executed(took);
                (executed.hash, self.judge_decided(round, proposer.0, Ok(executed))?)
            }
            None => {
                let Some(block) = decode_any_block(encoded).filter(|block| block.number() == height) else {
                    return Ok(SyncedValueOutcome::PeerFault);
                };
                let hash = block.hash();
                let is_valid = self.is_known_valid(height, hash) || {
                    let verdict = self.execute(&block, None)?;
                    self.judge_decided(round, proposer.0, verdict)?
                };
                (hash, is_valid)
            }
        };
        let candidate = Candidate { round, sender: proposer.0, hash, is_valid };
        Ok(SyncedValueOutcome::Verdict(self.proposed(&candidate)))
    }

    fn judge_decided(
        &mut self,
        round: u32,
        sender: ConsensusKey,
        verdict: Result<Box<ExecutedBlock>, String>,
    ) -> Result<bool, BftError> {
        self.is_synced = true;
        let members = || self.validators().members().iter();
        let verdict = verdict.and_then(|executed| match author::check(&executed.block.header, members()) {
            Ok(()) => Ok(executed),
            Err(reason) => Err(reason.to_string()),
        });
        match verdict {
            Ok(executed) => self.keep_valid(round, sender, *executed).map(|()| true),
            Err(reason) => {
                tracing::error!(%reason, height = self.height(), "a decided block is invalid here");
                Ok(false)
            }
        }
    }

    /// Makes a decided block the tip.
    fn commit(&mut self, decided: &CommitCertificate<Context>) -> Result<(), BftError> {
        let certificate = to_certificate(decided)?;
        let (height, tip) = (certificate.height, self.head());
        if height != tip.saturating_add(1) {
            return Err(BftError::OutOfOrder { decided: height, tip });
        }
        certificate
            .verify(self.validators(), &self.chain)
            .map_err(|source| BftError::Certificate { height, source })?;
        let executed = self.take_executed(height, certificate.block)?;
        self.record_own_signatures(&certificate, executed.time_ms)?;
        self.write(executed, certificate.encode())?;
        if let Some(observer) = &self.setup.config.observer {
            observer.committed(&certificate);
        }
        self.tell_progress(height);
        self.start_height(height.saturating_add(1))
    }

    /// Tells whether the node still catches up.
    fn tell_progress(&self, number: u32) {
        let age_ms = self.now_ms().saturating_sub(self.setup.application.chain().head().time_ms);
        self.setup.outset.committed(number, self.is_synced, age_ms, self.params.slot_duration_ms);
    }

    /// Commits a block. While a node that signs nothing catches up, several blocks go to the disk together: what a crash
    /// takes from it, its peers still have.
    fn write(&mut self, executed: ExecutedBlock, certificate: Vec<u8>) -> Result<(), BftError> {
        let chain = self.setup.application.chain();
        if !self.is_synced || self.setup.signs() {
            self.deferred = Deferred::default();
            chain.commit(executed, certificate)?;
            return Ok(());
        }
        self.deferred.blocks += 1;
        self.deferred.bytes += executed.bytes();
        chain.commit_deferred(executed, certificate)?;
        if self.deferred.blocks >= MAX_DEFERRED_BLOCKS || self.deferred.bytes >= MAX_DEFERRED_BYTES {
            self.begin_to_flush()?;
        }
        Ok(())
    }

    /// Has all that is deferred written, on another thread.
    fn begin_to_flush(&mut self) -> Result<(), BftError> {
        if std::mem::take(&mut self.deferred).blocks == 0 {
            return self.writing.check();
        }
        let flush = match self.is_far_behind() {
            true => Chain::flush_newest_state,
            false => Chain::flush,
        };
        self.writing.begin(self.setup.application.chain(), flush)
    }

    /// Writes all that is deferred.
    fn flush(&mut self) -> Result<(), BftError> {
        self.begin_to_flush()?;
        self.writing.finish()
    }

    /// Whether the states of the newest blocks will be discarded before this node has caught up, at its network's pace. Where
    /// the network has stood still instead, a few states that could have been kept are not.
    fn is_far_behind(&self) -> bool {
        let chain = self.setup.application.chain();
        let History::Blocks(kept) = chain.store().history() else { return false };
        let window_ms = u64::from(kept).saturating_mul(self.params.slot_duration_ms);
        chain.head().time_ms.saturating_add(window_ms.saturating_mul(2)) < self.now_ms()
    }

    /// Looks for an own vote in a certificate, which leaves with the block, so that such a vote has left, too, and whether the block
    /// was decided in an own turn, so that an own proposal has. One that is not known here was signed by another node, or by an
    /// earlier process that knew more than the guard does now. A node whose votes come late is in no certificate, but has turns.
    fn record_own_signatures(&self, certificate: &Certificate, time_ms: u64) -> Result<(), BftError> {
        let Some(own) = self.own_key() else { return Ok(()) };
        let (height, round) = (certificate.height, certificate.round);
        let has_voted = certificate.signatures.iter().any(|(key, _)| *key == own);
        let has_proposed =
            proposer::select(self.validators(), height, round).is_some_and(|proposer| proposer.key == own);
        for (has_signed, step) in [(has_voted, Step::Precommit), (has_proposed, Step::Proposal)] {
            if has_signed {
                self.record_own_signature(Place { height, round, step }, certificate.block, time_ms)?;
            }
        }
        Ok(())
    }

    fn record_own_signature(&self, place: Place, block: Hash, time_ms: u64) -> Result<(), BftError> {
        let Some(guard) = &self.setup.guard else { return Ok(()) };
        match (guard.may_have_signed(place, Some(block)), self.setup.signs()) {
            (true, true) => return Ok(guard.publish(place, Some(block))?),
            (true, false) => return Ok(()),
            #[cfg(feature = "faults")]
            (false, _) if self.setup.config.fault == Some(crate::Fault::SharesKey) => return Ok(()),
            (false, _) => guard.distrust()?,
        }
        match self.setup.signs() || self.is_after_start(time_ms) {
            true => Err(BftError::KeyUsedElsewhere { height: place.height }),
            false => Ok(()),
        }
    }

    /// Whether a block was made while this process ran. Clocks differ by no more than what blocks may be ahead.
    fn is_after_start(&self, time_ms: u64) -> bool {
        time_ms > self.setup.outset.started_ms().saturating_add(MAX_CLOCK_DRIFT_MS)
    }

    fn take_executed(&mut self, height: u32, hash: Hash) -> Result<ExecutedBlock, BftError> {
        if let Some(executed) = self.executed.remove(&hash) {
            return Ok(executed);
        }
        // Found valid before a restart.
        let block = self.blocks.get(&hash).ok_or(BftError::UnknownBlock { height, block: hash })?;
        match self.setup.application.validate(block, None)? {
            Validity::Valid(executed) => Ok(*executed),
            Validity::Invalid(reason) => Err(BftError::InvalidDecided { height, block: hash, reason }),
            Validity::Unknown { tip, .. } => Err(BftError::OutOfOrder { decided: height, tip }),
        }
    }

    fn start_height(&mut self, height: u32) -> Result<(), BftError> {
        self.setup.lookahead.head_moved();
        self.params = self.setup.application.params(height)?;
        self.round = 0;
        self.is_synced = false;
        self.candidates.clear();
        self.blocks.clear();
        self.executed.clear();
        self.refused.clear();
        self.assembler.forget_up_to(height.saturating_sub(1));
        self.announced.retain(|(announced, ..), _| *announced >= height);
        Ok(())
    }

    fn keep_evidence(
        &mut self,
        certificate: &CommitCertificate<Context>,
        found: &MisbehaviorEvidence<Context>,
    ) -> Result<(), BftError> {
        if found.is_empty() {
            return Ok(());
        }
        let pairs = equivocations(certificate.height.number(), found)?;
        for pair in &pairs {
            tracing::warn!(height = pair.height, validator = %Address(pair.validator), "a validator has signed twice");
        }
        let lost = evidence::keep(self.setup.application.chain().store(), &pairs)?;
        if lost > 0 {
            tracing::warn!(lost, "there is no room for more proofs of equivocation");
        }
        Ok(())
    }

    /// Final blocks for a node that catches up, as many as fit into an answer.
    fn decided(&self, first: u32, last: u32) -> Result<Vec<RawDecidedValue<Context>>, BftError> {
        let mut answer = Vec::new();
        let mut bytes = 0usize;
        for committed in self.setup.application.decided(first.max(1)..=last)?.take(MAX_ANSWER_BLOCKS) {
            let CommittedBlock { block, certificate, hash } = committed?;
            let certificate = Certificate::from_bytes(&certificate).map_err(|source| {
                BftError::Chain(
                    myelin_chain::StoreError::Corrupt { detail: format!("{hash:?}: {source}") }.into(),
                )
            })?;
            let block = block.encode();
            bytes = bytes.saturating_add(block.len()).saturating_add(certificate.encoded_size());
            if bytes > MAX_ANSWER_BYTES && !answer.is_empty() {
                break;
            }
            answer.push(RawDecidedValue::new(block.into(), from_certificate(certificate)?));
        }
        Ok(answer)
    }
}

fn timeouts(params: &ChainParams) -> LinearTimeouts {
    let ms = |value: u32| Duration::from_millis(value.into());
    let timing = &params.timing;
    let step = ms(timing.timeout_step_ms);
    LinearTimeouts {
        propose: ms(timing.propose_timeout_ms),
        propose_delta: step,
        prevote: ms(timing.vote_timeout_ms),
        prevote_delta: step,
        precommit: ms(timing.vote_timeout_ms),
        precommit_delta: step,
        rebroadcast: ms(timing.propose_timeout_ms) + 2 * ms(timing.vote_timeout_ms),
        ..LinearTimeouts::default()
    }
}

fn decode_any_block(encoded: &[u8]) -> Option<Block> {
    let block = (encoded.len() <= MAX_BLOCK_BYTES).then(|| Block::from_peer(encoded).ok())?;
    block.filter(Block::has_own_body)
}

fn equivocations(height: u32, found: &MisbehaviorEvidence<Context>) -> Result<Vec<Equivocation>, BftError> {
    let codec = WireCodec::default();
    let pair = |validator: &Address, first, second| -> Result<_, BftError> {
        let bytes = |message: &SignedConsensusMsg<Context>| codec.encode(message).map(|bytes| bytes.to_vec());
        Ok(Equivocation { height, validator: validator.0, first: bytes(&first)?, second: bytes(&second)? })
    };
    let mut pairs = Vec::new();
    for (validator, votes) in found.votes.iter() {
        for (first, second) in votes {
            let message = |vote: &_| SignedConsensusMsg::Vote(Clone::clone(vote));
            pairs.push(pair(validator, message(first), message(second))?);
        }
    }
    for (validator, proposals) in found.proposals.iter() {
        for (first, second) in proposals {
            let message = |proposal: &_| SignedConsensusMsg::Proposal(Clone::clone(proposal));
            pairs.push(pair(validator, message(first), message(second))?);
        }
    }
    Ok(pairs)
}
