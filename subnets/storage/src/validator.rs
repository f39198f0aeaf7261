//! The validator: places objects at miners, asks for random slices at random times, and says what miners are worth.
//!
//! Three things go on side by side, so that none waits for another's slow miners: placing what the [plan](crate::plan)
//! asks for, rounds of challenges, and setting weights once an epoch. They share the [`State`], which is saved after every
//! change of substance.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures::{stream, StreamExt};
use myelin_client::{Client, ClientConfig, ClientError, Neuron, Weights};
use myelin_keys::{CryptoType, Keypair, PublicKey};
use myelin_neuron::outgoing::{CallError, SignedClient};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::{interval, sleep, MissedTickBehavior};

use crate::{
    market::{ChainMarket, Market},
    object::{Draws, ObjectId},
    plan::{plan, PlacementRules},
    proof::{chunk_count, verify, Root, Slice, MAX_SLICE_CHUNKS},
    protocol::Peer,
    score::{Outcome, RulesError, ScoringRules},
    state::{Holding, Placement, Record, State, StateError},
};

/// How a validator runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidatorConfig {
    /// The node, `ws://host:port`.
    pub node_url: String,
    /// The subnet.
    pub netuid: u16,
    /// Where to remember.
    pub state_file: PathBuf,
    /// What to place.
    pub placement: PlacementRules,
    /// What answers are worth.
    pub scoring: ScoringRules,
    /// Milliseconds between rounds of challenges; each miner is asked once in a round, at a random time.
    pub round_ms: u64,
    /// Milliseconds in which an answer must be whole.
    pub deadline_ms: u64,
    /// Most chunks asked for at once.
    pub slice_chunks: u64,
    /// Milliseconds between looks at who is on the subnet.
    pub refresh_ms: u64,
    /// Milliseconds between looks at whether weights can be set.
    pub turn_ms: u64,
    /// Milliseconds for placing one object.
    pub upload_timeout_ms: u64,
    /// Miners to place objects at, at once.
    pub parallel_uploads: usize,
    /// Version of these rules, as the subnet's owner counts them.
    pub version_key: u64,
}

impl Default for ValidatorConfig {
    fn default() -> Self {
        Self {
            node_url: "ws://127.0.0.1:9944".into(),
            netuid: 1,
            state_file: "storage-validator.json".into(),
            placement: PlacementRules::default(),
            scoring: ScoringRules::default(),
            round_ms: 5_000,
            deadline_ms: 1_000,
            slice_chunks: 16,
            refresh_ms: 10_000,
            turn_ms: 1_000,
            upload_timeout_ms: 60_000,
            parallel_uploads: 8,
            version_key: 0,
        }
    }
}

/// Why a validator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ValidatorError {
    /// The state file cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The scoring rules make no sense.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// A setting makes no sense.
    #[error("expected {name} of at least 1, found 0; correct the configuration")]
    Zero {
        /// The setting.
        name: &'static str,
    },
    /// The HTTP stack cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The chain cannot be used.
    #[error(transparent)]
    Chain(#[from] ClientError),
}

/// Runs a validator until `shutdown` completes.
///
/// # Errors
/// See [`ValidatorError`]. Trouble with miners, or with the node later on, does not end a validator.
pub async fn run_validator(
    config: ValidatorConfig,
    hotkey: Arc<Keypair>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ValidatorError> {
    let client = Client::with_config(ClientConfig::new(&config.node_url)).await?;
    let market = ChainMarket { client, netuid: config.netuid, hotkey: Arc::clone(&hotkey) };
    Validator::open(config, hotkey, market)?.run(shutdown).await
}

/// A miner on the subnet.
#[derive(Clone, Copy, Debug)]
struct Listed {
    uid: u16,
    peer: Peer,
}

/// What came of placing one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placed {
    Stored,
    Refused,
    /// The miner cannot be reached; there is no use in trying more now.
    Unreachable,
}

/// A question to a miner.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Challenge {
    root: Root,
    size: u64,
    slice: Slice,
    holding: Holding,
    delay: Duration,
}

/// What a validator says about a miner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The miner's address.
    pub hotkey: String,
    /// Its slot.
    pub uid: u16,
    /// What is known of it.
    pub record: Record,
    /// Objects that it confirmed to keep.
    pub stored: usize,
}

/// A validator of one subnet.
pub struct Validator<M> {
    config: ValidatorConfig,
    market: M,
    client: SignedClient,
    own_address: String,
    state: Mutex<State>,
    /// Everybody's slot by address, whether they answer or not.
    uids: Mutex<BTreeMap<String, u16>>,
    miners: Mutex<BTreeMap<String, Listed>>,
    saving: tokio::sync::Mutex<()>,
}

impl<M: Market> Validator<M> {
    /// A validator that continues from its state file.
    ///
    /// # Errors
    /// State or configuration cannot be used.
    pub fn open(config: ValidatorConfig, hotkey: Arc<Keypair>, market: M) -> Result<Self, ValidatorError> {
        config.scoring.validate()?;
        let at_least_one = [
            ("placement.object_bytes", config.placement.object_bytes),
            ("round_ms", config.round_ms),
            ("deadline_ms", config.deadline_ms),
            ("slice_chunks", config.slice_chunks),
            ("refresh_ms", config.refresh_ms),
            ("turn_ms", config.turn_ms),
        ];
        if let Some((name, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(ValidatorError::Zero { name });
        }
        let state = State::load(&config.state_file)?;
        // A validator that cannot remember would place everything anew after each start.
        state.save(&config.state_file)?;
        Ok(Self {
            own_address: hotkey.public().to_ss58(),
            client: SignedClient::new(hotkey)?,
            state: Mutex::new(state),
            uids: Mutex::default(),
            miners: Mutex::default(),
            saving: tokio::sync::Mutex::default(),
            config,
            market,
        })
    }

    /// Works until `shutdown` completes.
    ///
    /// # Errors
    /// The state cannot be saved at the end.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) -> Result<(), ValidatorError> {
        let work =
            async { tokio::join!(self.keep_placing(), self.keep_asking(), self.keep_setting_weights()) };
        tokio::select! {
            _ = work => {}
            () = shutdown => {}
        }
        let state = self.state.lock().clone();
        Ok(state.save(&self.config.state_file)?)
    }

    async fn keep_placing(&self) {
        let mut turns = every(self.config.refresh_ms);
        loop {
            turns.tick().await;
            match self.refresh().await {
                Ok(()) => self.place().await,
                Err(error) => tracing::warn!(%error, "cannot see who is on the subnet"),
            }
        }
    }

    async fn keep_asking(&self) {
        let mut turns = every(self.config.round_ms);
        loop {
            turns.tick().await;
            self.ask_all().await;
        }
    }

    async fn keep_setting_weights(&self) {
        let mut turns = every(self.config.turn_ms);
        let (mut last_epoch, mut told) = (None, String::new());
        loop {
            turns.tick().await;
            match self.set_weights_if_due(last_epoch).await {
                Ok(epoch) => (last_epoch, told) = (epoch, String::new()),
                // Turns are short: the same trouble is told once, not every second.
                Err(error) if error.to_string() == told => tracing::debug!(%error, "weights were not set"),
                Err(error) => {
                    tracing::warn!(%error, "weights were not set; trying on");
                    told = error.to_string();
                }
            }
        }
    }

    /// Looks at who is on the subnet and where they answer. Forgets those who are gone.
    ///
    /// # Errors
    /// The chain cannot be read.
    pub async fn refresh(&self) -> Result<(), ClientError> {
        let neurons = self.market.neurons().await?;
        let uids: BTreeMap<String, u16> =
            neurons.iter().map(|neuron| (address(neuron).to_ss58(), neuron.uid)).collect();
        let miners = neurons
            .iter()
            .filter_map(|neuron| Some((address(neuron), neuron.uid, neuron.axon?)))
            .map(|(hotkey, uid, axon)| (hotkey.to_ss58(), listed(hotkey, uid, axon)))
            .filter(|(address, _)| *address != self.own_address)
            .collect();
        self.state.lock().records.retain(|address, _| uids.contains_key(address));
        *self.uids.lock() = uids;
        *self.miners.lock() = miners;
        Ok(())
    }

    /// Places what is planned and not placed, and frees miners of what is not planned any more.
    pub async fn place(&self) {
        let retired = self.follow_plan().await;
        for (placement, holder) in retired {
            self.free(&placement, holder).await;
        }
        let waiting = self.waiting();
        stream::iter(waiting)
            .for_each_concurrent(self.config.parallel_uploads.max(1), |(address, objects)| async move {
                self.place_at(&address, objects).await;
            })
            .await;
        self.save().await;
    }

    /// Brings the placements in line with the plan. Returns those that ended, one for each holder that is to be told.
    async fn follow_plan(&self) -> Vec<(Placement, Listed)> {
        let miners = self.miners.lock().clone();
        let (planned, known, seed) = {
            let state = self.state.lock();
            let names: BTreeSet<String> = miners.keys().cloned().collect();
            let planned = plan(&names, &self.config.placement, &state.seed, state.round);
            let known: BTreeSet<ObjectId> =
                state.placements.iter().map(|placement| placement.object.clone()).collect();
            (planned, known, state.seed.clone())
        };
        let new: Vec<ObjectId> = planned.difference(&known).cloned().collect();
        let made = tokio::task::spawn_blocking(move || {
            new.into_iter().map(|object| made(object.digests(&seed).root, object)).collect::<Vec<_>>()
        });
        let made = made.await.unwrap_or_default();
        let mut state = self.state.lock();
        let (kept, ended): (Vec<_>, Vec<_>) = std::mem::take(&mut state.placements)
            .into_iter()
            .partition(|placement| planned.contains(&placement.object));
        state.placements = kept;
        state.placements.extend(made);
        ended.into_iter().flat_map(|placement| holders_to_tell(&placement, &miners)).collect()
    }

    async fn free(&self, placement: &Placement, holder: Listed) {
        let timeout = self.deadline();
        if let Err(error) = holder.peer.delete(&self.client, placement.root, timeout).await {
            tracing::debug!(%error, "a miner was not told that it need not keep an object");
        }
    }

    /// What each miner is still to be offered.
    fn waiting(&self) -> Vec<(String, Vec<ObjectId>)> {
        let state = self.state.lock();
        let objects_for = |address: &String| {
            let waits = |placement: &&Placement| {
                placement.holdings.get(address).is_some_and(|holding| *holding != Holding::Stored)
            };
            state
                .placements
                .iter()
                .filter(waits)
                .map(|placement| placement.object.clone())
                .collect::<Vec<_>>()
        };
        let miners = self.miners.lock();
        miners.keys().map(|address| (address.clone(), objects_for(address))).collect()
    }

    async fn place_at(&self, address: &str, objects: Vec<ObjectId>) {
        let mut reachable = true;
        for object in objects {
            let placed = if reachable { self.offer(address, &object).await } else { Placed::Unreachable };
            reachable = placed != Placed::Unreachable;
            let holding = if placed == Placed::Stored { Holding::Stored } else { Holding::Refused };
            self.note_holding(address, &object, holding);
        }
    }

    async fn offer(&self, address: &str, object: &ObjectId) -> Placed {
        let Some(miner) = self.miners.lock().get(address).copied() else { return Placed::Unreachable };
        let seed = self.state.lock().seed.clone();
        let (made, named) = (object.clone(), seed.clone());
        let Ok(digests) = tokio::task::spawn_blocking(move || made.digests(&named)).await else {
            return Placed::Unreachable;
        };
        let timeout = Duration::from_millis(self.config.upload_timeout_ms);
        match miner.peer.put(&self.client, object, &seed, digests, timeout).await {
            Ok(()) => Placed::Stored,
            Err(error) => {
                tracing::debug!(uid = miner.uid, %error, "a miner did not take an object");
                match error {
                    CallError::Unreachable { .. } | CallError::TooSlow { .. } => Placed::Unreachable,
                    _ => Placed::Refused,
                }
            }
        }
    }

    fn note_holding(&self, address: &str, object: &ObjectId, holding: Holding) {
        let mut state = self.state.lock();
        let placement = state.placements.iter_mut().find(|placement| placement.object == *object);
        if let Some(found) = placement.and_then(|placement| placement.holdings.get_mut(address)) {
            *found = holding;
        }
    }

    /// One round: asks every miner for a slice of something that it should have, each at a time of its own.
    pub async fn ask_all(&self) {
        let miners = self.miners.lock().clone();
        let challenges = self.challenges(&miners);
        let asked = challenges.into_iter().filter_map(|(address, challenge)| {
            let miner = *miners.get(&address)?;
            Some(async move { (address, self.ask(miner, challenge).await) })
        });
        let mut outcomes = asked.collect::<stream::FuturesUnordered<_>>();
        while let Some((address, outcome)) = outcomes.next().await {
            self.note_outcome(&address, outcome);
        }
        self.save().await;
    }

    /// Draws this round's challenges. Nobody without the seed can foresee them, and no round is drawn twice.
    fn challenges(&self, miners: &BTreeMap<String, Listed>) -> Vec<(String, Challenge)> {
        let mut state = self.state.lock();
        state.round = state.round.saturating_add(1);
        let mut draws = state.seed.draws(&state.round.to_le_bytes());
        let draw = |address: &String| {
            let offered: Vec<&Placement> = state
                .placements
                .iter()
                .filter(|placement| {
                    placement.holdings.get(address).is_some_and(|holding| *holding != Holding::Untried)
                })
                .collect();
            let challenge = self.draw(&mut draws, address, &offered)?;
            Some((address.clone(), challenge))
        };
        miners.keys().filter_map(draw).collect()
    }

    fn draw(&self, draws: &mut Draws, address: &str, offered: &[&Placement]) -> Option<Challenge> {
        let count = u64::try_from(offered.len()).unwrap_or_default();
        let placement = offered.get(usize::try_from(draws.below(count)).ok()?)?;
        let size = placement.object.size;
        let available = chunk_count(size);
        let longest = self.config.slice_chunks.min(MAX_SLICE_CHUNKS).min(available).max(1);
        let chunks = draws.below(longest).saturating_add(1);
        let chunk = draws.below(available.saturating_sub(chunks).saturating_add(1));
        Some(Challenge {
            root: placement.root,
            size,
            slice: Slice { chunk, chunks },
            holding: placement.holdings.get(address).copied()?,
            delay: Duration::from_millis(draws.below(self.config.round_ms)),
        })
    }

    async fn ask(&self, miner: Listed, challenge: Challenge) -> Outcome {
        let Challenge { root, size, slice, holding, delay } = challenge;
        if holding != Holding::Stored {
            return Outcome::Missing;
        }
        sleep(delay).await;
        let limit = usize::try_from(slice.proof_bytes_bound(size)).unwrap_or(usize::MAX);
        match miner.peer.slice(&self.client, root, slice, limit, self.deadline()).await {
            Ok((proof, latency)) => match verify(root, size, slice, &proof) {
                Ok(_) => {
                    Outcome::Correct { latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX) }
                }
                Err(error) => {
                    tracing::debug!(uid = miner.uid, %error, "a miner proved nothing");
                    Outcome::Wrong
                }
            },
            Err(error) => {
                tracing::debug!(uid = miner.uid, %error, "a miner did not answer a challenge");
                outcome_of(&error)
            }
        }
    }

    fn note_outcome(&self, address: &str, outcome: Outcome) {
        let mut state = self.state.lock();
        let record = state.records.entry(address.to_owned()).or_default();
        record.score = self.config.scoring.next_score(record.score, outcome, self.deadline());
        record.count(outcome);
    }

    /// Sets weights if this epoch's were not set yet and the chain allows it. Returns the epoch of the last weights.
    ///
    /// # Errors
    /// The chain cannot be read, or refuses.
    pub async fn set_weights_if_due(&self, last_epoch: Option<u64>) -> Result<Option<u64>, ClientError> {
        let turn = self.market.turn().await?;
        if Some(turn.epoch) == last_epoch || turn.block < turn.rules.next_block() {
            return Ok(last_epoch);
        }
        if turn.rules.commit_reveal {
            return Err(ClientError::Argument {
                expected: "a subnet on which weights are set in the open".into(),
                found: "one on which they are committed first; its owner can turn commit-reveal off".into(),
            });
        }
        if turn.rules.version_key > self.config.version_key {
            return Err(ClientError::Argument {
                expected: format!(
                    "version key {} or higher (the subnet asks for it)",
                    turn.rules.version_key
                ),
                found: format!("{}; update this program", self.config.version_key),
            });
        }
        let Some(weights) = self.weights() else { return Ok(last_epoch) };
        self.market.set_weights(weights).await?;
        tracing::info!(epoch = turn.epoch, "weights set");
        Ok(Some(turn.epoch))
    }

    /// What everybody on the subnet is worth; `None` while nobody has proven anything.
    pub fn weights(&self) -> Option<Weights> {
        let state = self.state.lock();
        let score = |address: &String| state.records.get(address).map_or(0.0, |record| record.score);
        let scores: Vec<(u16, f64)> =
            self.uids.lock().iter().map(|(address, uid)| (*uid, score(address))).collect();
        let (uids, values): (Vec<u16>, Vec<u16>) = self.config.scoring.weights(&scores).into_iter().unzip();
        (!uids.is_empty()).then_some(Weights { uids, values, version_key: self.config.version_key })
    }

    /// What is known of each miner that can be asked.
    pub fn reports(&self) -> Vec<Report> {
        let state = self.state.lock();
        let stored = |address: &String| {
            let held = |placement: &&Placement| placement.holdings.get(address) == Some(&Holding::Stored);
            state.placements.iter().filter(held).count()
        };
        let miners = self.miners.lock();
        miners
            .iter()
            .map(|(address, miner)| Report {
                hotkey: address.clone(),
                uid: miner.uid,
                record: state.records.get(address).copied().unwrap_or_default(),
                stored: stored(address),
            })
            .collect()
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.config.deadline_ms)
    }

    /// Saves the state. Trouble is reported, and mended by the next save that works.
    async fn save(&self) {
        let _turn = self.saving.lock().await;
        let (state, path) = (self.state.lock().clone(), self.config.state_file.clone());
        match tokio::task::spawn_blocking(move || state.save(&path)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the state was not saved"),
            Err(error) => tracing::error!(%error, "the state was not saved"),
        }
    }
}

fn every(milliseconds: u64) -> tokio::time::Interval {
    let mut turns = interval(Duration::from_millis(milliseconds));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

fn address(neuron: &Neuron) -> PublicKey {
    PublicKey { crypto_type: CryptoType::Sr25519, bytes: neuron.hotkey.clone().into() }
}

fn listed(hotkey: PublicKey, uid: u16, address: SocketAddr) -> Listed {
    Listed { uid, peer: Peer { hotkey, address } }
}

fn made(root: Root, object: ObjectId) -> Placement {
    let holdings = object.holders.iter().map(|holder| (holder.clone(), Holding::Untried)).collect();
    Placement { object, root, holdings }
}

fn holders_to_tell(placement: &Placement, miners: &BTreeMap<String, Listed>) -> Vec<(Placement, Listed)> {
    let stored = placement.holdings.iter().filter(|(_, holding)| **holding == Holding::Stored);
    stored.filter_map(|(address, _)| Some((placement.clone(), *miners.get(address)?))).collect()
}

fn outcome_of(error: &CallError) -> Outcome {
    match error {
        CallError::TooSlow { .. } => Outcome::Late,
        CallError::TooLarge { .. } | CallError::NotBelieved { .. } => Outcome::Wrong,
        _ => Outcome::Missing,
    }
}
