//! Miners and validators in one process, with what they need around them.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use myelin_client::{account_of, ClientError, Neuron, WeightRules, Weights};
use myelin_keys::{CryptoType, Keypair};
use myelin_neuron::{directory::NeuronSource, limits::Rate};
use myelin_storage::{
    market::{Market, Turn},
    miner::Miner,
    plan::PlacementRules,
    score::ScoringRules,
    state::{Record, State},
    validator::Validator,
    Behaviour, MinerConfig, ValidatorConfig,
};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};

pub fn key(uri: &str) -> Arc<Keypair> {
    Arc::new(Keypair::from_uri(uri, CryptoType::Sr25519).unwrap())
}

pub fn address(uri: &str) -> String {
    key(uri).public().to_ss58()
}

fn neuron(uid: u16, key: &Keypair, axon: Option<SocketAddr>) -> Neuron {
    Neuron {
        uid,
        hotkey: account_of(key),
        coldkey: account_of(key),
        stake_rao: 1,
        validator_permit: true,
        active: true,
        axon,
        last_update: 0,
        incentive: 0,
        dividends: 0,
        consensus: 0,
        emission: 0,
        registered_at: 0,
    }
}

/// A subnet that lives in memory: who is on it, and what was said.
#[derive(Clone, Default)]
pub struct Subnet {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    neurons: Vec<Neuron>,
    weights: Vec<Weights>,
    turn: Turn,
    /// Makes everything fail, as a node that restarts does.
    down: bool,
}

impl Default for Inner {
    fn default() -> Self {
        let rules = WeightRules {
            uid: 0,
            rate_limit_blocks: 10,
            last_update: 0,
            version_key: 0,
            commit_reveal: false,
        };
        let turn = Turn { block: 100, epoch: 1, rules };
        Self { neurons: Vec::new(), weights: Vec::new(), turn, down: false }
    }
}

impl Subnet {
    /// A subnet with the validator in slot 0.
    pub fn with_validator(uri: &str) -> Self {
        let subnet = Self::default();
        subnet.join(uri, None);
        subnet
    }

    pub fn join(&self, uri: &str, axon: Option<SocketAddr>) {
        let mut inner = self.inner.lock();
        let uid = u16::try_from(inner.neurons.len()).unwrap();
        inner.neurons.push(neuron(uid, &key(uri), axon));
    }

    pub fn leave(&self, uri: &str) {
        let account = account_of(&key(uri));
        self.inner.lock().neurons.retain(|neuron| neuron.hotkey != account);
    }

    pub fn set_down(&self, down: bool) {
        self.inner.lock().down = down;
    }

    pub fn turn(&self, change: impl FnOnce(&mut Turn)) {
        change(&mut self.inner.lock().turn);
    }

    pub fn weights(&self) -> Vec<Weights> {
        self.inner.lock().weights.clone()
    }

    fn read<T>(&self, read: impl FnOnce(&mut Inner) -> T) -> Result<T, ClientError> {
        let mut inner = self.inner.lock();
        match inner.down {
            true => Err(ClientError::Connect { url: "ws://test".into(), reason: "down".into() }),
            false => Ok(read(&mut inner)),
        }
    }
}

impl NeuronSource for Subnet {
    async fn neurons(&self) -> Result<Vec<Neuron>, ClientError> {
        self.read(|inner| inner.neurons.clone())
    }
}

impl Market for Subnet {
    async fn neurons(&self) -> Result<Vec<Neuron>, ClientError> {
        self.read(|inner| inner.neurons.clone())
    }

    async fn turn(&self) -> Result<Turn, ClientError> {
        self.read(|inner| inner.turn)
    }

    async fn set_weights(&self, weights: Weights) -> Result<(), ClientError> {
        self.read(|inner| {
            inner.turn.rules.last_update = inner.turn.block;
            inner.weights.push(weights);
        })
    }
}

/// A miner with threads of its own, so that it can be killed as a process is.
pub struct RunningMiner {
    pub address: SocketAddr,
    pub directory: Arc<tempfile::TempDir>,
    threads: Option<Runtime>,
}

impl RunningMiner {
    /// Ends the miner at once, connections included.
    pub fn kill(mut self) -> Arc<tempfile::TempDir> {
        self.end();
        Arc::clone(&self.directory)
    }

    fn end(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

impl Drop for RunningMiner {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a miner and joins the subnet with it.
pub async fn start_miner(subnet: &Subnet, uri: &str, behaviour: Behaviour) -> RunningMiner {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let miner = start_miner_in(subnet, uri, behaviour, directory).await;
    subnet.join(uri, Some(miner.address));
    miner
}

pub async fn start_miner_in(
    subnet: &Subnet,
    uri: &str,
    behaviour: Behaviour,
    directory: Arc<tempfile::TempDir>,
) -> RunningMiner {
    let config = MinerConfig {
        directory: directory.path().join(uri.trim_matches('/')),
        listen: "127.0.0.1:0".parse().unwrap(),
        refresh_ms: 50,
        rate: Rate { burst: 1000, refill_ms: 1 },
        behaviour,
        ..MinerConfig::default()
    };
    let threads = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (key, source) = (key(uri), subnet.clone());
    let (bound, address) = tokio::sync::oneshot::channel();
    threads.spawn(async move {
        let miner = Miner::bind(config, key, source).await.unwrap();
        bound.send(miner.address).unwrap();
        miner.serve(std::future::pending()).await;
    });
    RunningMiner { address: address.await.unwrap(), directory, threads: Some(threads) }
}

/// Small objects, quick rounds, and a seed that is always the same.
pub fn validator_config(directory: &Path, seed: u8) -> ValidatorConfig {
    let config = ValidatorConfig {
        state_file: directory.join("validator.json"),
        placement: PlacementRules { own_objects: 4, partners: 2, object_bytes: 100_000, lifetime_rounds: 0 },
        scoring: ScoringRules { newest_share: 0.1, ..ScoringRules::default() },
        round_ms: 50,
        deadline_ms: 1_000,
        upload_timeout_ms: 5_000,
        refresh_ms: 200,
        turn_ms: 50,
        ..ValidatorConfig::default()
    };
    if !config.state_file.exists() {
        let seed = serde_json::from_value(serde_json::json!(hex::encode([seed; 32]))).unwrap();
        State::new(seed).save(&config.state_file).unwrap();
    }
    config
}

pub fn records(validator: &Validator<Subnet>) -> BTreeMap<String, Record> {
    validator.reports().into_iter().map(|report| (report.hotkey, report.record)).collect()
}

/// Weights by uid, 65535 for the best.
pub fn weights(validator: &Validator<Subnet>) -> BTreeMap<u16, u16> {
    let weights = validator.weights().unwrap();
    weights.uids.into_iter().zip(weights.values).collect()
}

/// Waits until the gate of a miner knows its callers.
pub async fn settle(validator: &Validator<Subnet>, stored: usize) {
    for _ in 0..100 {
        validator.refresh().await.unwrap();
        validator.place().await;
        if validator.reports().iter().filter(|report| report.stored > 0).count() >= stored {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("objects were not placed: {:?}", validator.reports());
}
