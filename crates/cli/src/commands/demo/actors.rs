//! Who takes part in the demo.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use myelin_client::{account_of, neurons_of, Client};
use myelin_keys::{CryptoType, Keypair, Overwrite, Protection, WalletStore};
use myelin_storage::{plan::PlacementRules, score::ScoringRules, Behaviour, MinerConfig, ValidatorConfig};
use serde::Serialize;
use tokio::time::Instant;

use super::{market::Market, PATIENCE};
use crate::processes::Processes;

const HOTKEY: &str = "default";
const KEY_WORDS: usize = 12;
/// TAO that each validator stakes.
const VALIDATOR_STAKE_TAO: u64 = 200;
/// How long the slower of the honest miners takes to answer.
const SLOW_MS: u64 = 150;
/// In what time an answer must be there.
const DEADLINE_MS: u64 = 1_000;
/// How long the way to the other miner takes; more than there is time for.
const DETOUR_MS: u64 = 1_500;

/// Everybody.
pub struct Cast {
    pub owner: Keys,
    pub neurons: Vec<Neuron>,
    directory: PathBuf,
}

/// A wallet's keys.
pub struct Keys {
    pub coldkey: Keypair,
    pub hotkey: Keypair,
}

/// One who registers on the subnet.
pub struct Neuron {
    pub label: &'static str,
    pub role: Role,
    pub coldkey: Keypair,
    pub hotkey: Keypair,
}

pub enum Role {
    Validator { stake_tao: u64 },
    Miner(Conduct),
}

/// How a miner behaves, in the order in which they are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    Fast,
    Slow,
    Drops,
    Relay,
    Liar,
}

impl Conduct {
    pub const ALL: [Self; 5] = [Self::Fast, Self::Slow, Self::Drops, Self::Relay, Self::Liar];

    const fn label(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Drops => "drops",
            Self::Relay => "relay",
            Self::Liar => "liar",
        }
    }

    pub const fn describe(self) -> &'static str {
        match self {
            Self::Fast => "honest",
            Self::Slow => "honest, slower",
            Self::Drops => "loses half of the data",
            Self::Relay => "keeps nothing, asks another miner",
            Self::Liar => "keeps nothing, makes answers up",
        }
    }

    /// Whether this miner does what it is paid for.
    pub const fn is_honest(self) -> bool {
        matches!(self, Self::Fast | Self::Slow)
    }
}

impl Cast {
    /// Makes a wallet for everybody.
    pub fn new(directory: &Path) -> Result<Self> {
        let store = WalletStore::new(directory.join("wallets"))?;
        let owner = new_wallet(&store, "owner")?;
        let validators = ["validator-1", "validator-2"]
            .map(|label| (label, Role::Validator { stake_tao: VALIDATOR_STAKE_TAO }));
        let miners = Conduct::ALL.map(|conduct| (conduct.label(), Role::Miner(conduct)));
        let neurons = validators
            .into_iter()
            .chain(miners)
            .map(|(label, role)| {
                let Keys { coldkey, hotkey } = new_wallet(&store, label)?;
                Ok(Neuron { label, role, coldkey, hotkey })
            })
            .collect::<Result<_>>()?;
        Ok(Self { owner, neurons, directory: directory.to_owned() })
    }

    pub fn miners(&self) -> impl Iterator<Item = (Conduct, &Neuron)> {
        self.neurons.iter().filter_map(|neuron| match neuron.role {
            Role::Miner(conduct) => Some((conduct, neuron)),
            Role::Validator { .. } => None,
        })
    }

    /// Starts all miners and validators. The relay starts when the miner that it asks can be found.
    pub async fn start(
        &self,
        client: &Client,
        processes: &mut Processes,
        node: &str,
        market: &Market,
    ) -> Result<()> {
        for (conduct, miner) in self.miners().filter(|(conduct, _)| *conduct != Conduct::Relay) {
            let behaviour = match conduct {
                Conduct::Fast => Behaviour::Honest { extra_latency_ms: 0 },
                Conduct::Slow => Behaviour::Honest { extra_latency_ms: SLOW_MS },
                Conduct::Drops => Behaviour::Drops,
                Conduct::Relay | Conduct::Liar => Behaviour::Liar,
            };
            self.start_miner(processes, node, market, miner, behaviour)?;
        }
        let (peer, relay) = (self.miner(Conduct::Fast)?, self.miner(Conduct::Relay)?);
        let behaviour = Behaviour::Relay {
            peer_hotkey: peer.hotkey.public().to_ss58(),
            peer_address: self.address_of(client, processes, market, peer).await?,
            link_latency_ms: DETOUR_MS,
        };
        self.start_miner(processes, node, market, relay, behaviour)?;
        for neuron in self.neurons.iter().filter(|neuron| matches!(neuron.role, Role::Validator { .. })) {
            self.start_validator(processes, node, market, neuron)?;
        }
        Ok(())
    }

    fn miner(&self, wanted: Conduct) -> Result<&Neuron> {
        let found = self.miners().find(|(conduct, _)| *conduct == wanted);
        found.map(|(_, neuron)| neuron).context("a miner is missing")
    }

    /// Where a neuron says on chain that it answers.
    async fn address_of(
        &self,
        client: &Client,
        processes: &mut Processes,
        market: &Market,
        neuron: &Neuron,
    ) -> Result<SocketAddr> {
        let hotkey = account_of(&neuron.hotkey);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            processes.check_alive()?;
            let neurons = neurons_of(&client.metagraph(market.netuid).await?);
            let announced =
                neurons.into_iter().find(|found| found.hotkey == hotkey).and_then(|found| found.axon);
            if let Some(address) = announced {
                return Ok(address);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("miner `{}` did not announce where it answers", neuron.label)
    }

    fn start_miner(
        &self,
        processes: &mut Processes,
        node: &str,
        market: &Market,
        neuron: &Neuron,
        behaviour: Behaviour,
    ) -> Result<()> {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = MinerConfig {
            netuid: market.netuid,
            directory: self.directory.join(format!("{}-objects", neuron.label)),
            listen: any_port,
            announce: Some(any_port),
            behaviour,
            ..MinerConfig::default()
        };
        self.start_neuron(processes, node, neuron, "miner", &config)
    }

    fn start_validator(
        &self,
        processes: &mut Processes,
        node: &str,
        market: &Market,
        neuron: &Neuron,
    ) -> Result<()> {
        let config = ValidatorConfig {
            netuid: market.netuid,
            state_file: self.directory.join(format!("{}.json", neuron.label)),
            scoring: ScoringRules { newest_share: 0.2, ..ScoringRules::default() },
            placement: PlacementRules {
                own_objects: 4,
                partners: 1,
                object_bytes: 64 * 1024,
                ..PlacementRules::default()
            },
            round_ms: 500,
            deadline_ms: DEADLINE_MS,
            refresh_ms: 1_000,
            turn_ms: 500,
            ..ValidatorConfig::default()
        };
        self.start_neuron(processes, node, neuron, "validator", &config)
    }

    fn start_neuron(
        &self,
        processes: &mut Processes,
        node: &str,
        neuron: &Neuron,
        role: &str,
        config: &impl Serialize,
    ) -> Result<()> {
        let path = self.directory.join(format!("{}-config.json", neuron.label));
        let text = serde_json::to_string_pretty(config)?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        let wallets = self.directory.join("wallets");
        let arguments = [
            "--node".into(),
            node.to_owned(),
            "--wallet-path".into(),
            wallets.display().to_string(),
            "storage".into(),
            role.to_owned(),
            "--config".into(),
            path.display().to_string(),
            "--wallet".into(),
            neuron.label.to_owned(),
        ];
        processes.start_quiet(neuron.label, arguments.to_vec())
    }
}

fn new_wallet(store: &WalletStore, name: &str) -> Result<Keys> {
    let generate = || Keypair::generate(KEY_WORDS, CryptoType::Sr25519);
    let keys = Keys { coldkey: generate()?, hotkey: generate()? };
    store.wallet(name)?.create(HOTKEY, &keys.coldkey, &keys.hotkey, Protection::Plain, Overwrite::Refuse)?;
    Ok(keys)
}
