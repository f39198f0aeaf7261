//! The demo's market on the chain: how it is set up and how it is watched.

use std::time::Duration;

use anyhow::{bail, Context as _, Result};
use futures::future::try_join_all;
use myelin_client::{account_of, neurons_of, Client, WaitFor};
use myelin_keys::Keypair;
use myelin_runtime::{AccountId, RuntimeCall, RAO_PER_TAO};
use pallet_subtensor::{Call, NetUid, SubnetIdentityV3};

use super::actors::{Cast, Neuron, Role};
use crate::{amount::Amount, keys::development_key};

/// Who pays for everything on a development chain.
const TREASURY: &str = "//Alice";
/// TAO that the owner gets beside the price of a subnet, which doubles with each that is opened and falls slowly.
const OWNER_TAO: u64 = 100;
/// TAO that a miner gets: the price of a slot, and something to spare.
const MINER_TAO: u64 = 20;
/// TAO that a validator gets beside what it stakes.
const VALIDATOR_TAO: u64 = 20;

pub struct Market {
    pub netuid: NetUid,
}

impl Market {
    /// Funds everybody, opens and starts the subnet, registers all neurons and stakes with the validators.
    pub async fn open(client: &Client, cast: &Cast) -> Result<Self> {
        fund(client, cast).await.context("funding the wallets")?;
        let netuid = open_subnet(client, cast).await.context("opening the subnet")?;
        try_join_all(cast.neurons.iter().map(|neuron| join(client, netuid, neuron)))
            .await
            .context("registering the neurons")?;
        Ok(Self { netuid })
    }

    pub fn watch<'a>(&self, client: &'a Client, cast: &'a Cast) -> Watch<'a> {
        Watch { client, cast, netuid: self.netuid }
    }
}

async fn fund(client: &Client, cast: &Cast) -> Result<()> {
    let rao = |tao: u64| tao.saturating_mul(RAO_PER_TAO);
    let needs = cast.neurons.iter().map(|neuron| (account_of(&neuron.coldkey), rao(neuron.role.tao())));
    let subnet = client.subnet_cost().await?.saturating_add(rao(OWNER_TAO));
    let needs: Vec<_> = needs.chain([(account_of(&cast.owner.coldkey), subnet)]).collect();
    let treasury = development_key(TREASURY)?;
    let (held, needed) =
        (client.balance(&account_of(&treasury)).await?, needs.iter().map(|(_, value)| value).sum());
    if held <= needed {
        bail!(
            "{TREASURY} holds {} TAO, and the demo takes {} TAO, most of it for a subnet, whose price doubles with each that is opened \
             and falls slowly; play it on a new network",
            Amount::from_rao(held),
            Amount::from_rao(needed)
        );
    }
    let calls = needs.into_iter().map(|(account, value)| transfer(account, value)).collect();
    let batch = RuntimeCall::Utility(pallet_utility::Call::batch_all { calls });
    client.submit(batch, &treasury, WaitFor::Finalized).await?;
    Ok(())
}

fn transfer(to: AccountId, value: u64) -> RuntimeCall {
    RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive { dest: to.into(), value })
}

impl Role {
    /// TAO that a neuron of this role needs.
    fn tao(&self) -> u64 {
        match self {
            Self::Miner(_) => MINER_TAO,
            Self::Validator { stake_tao } => stake_tao.saturating_add(VALIDATOR_TAO),
        }
    }
}

async fn open_subnet(client: &Client, cast: &Cast) -> Result<NetUid> {
    let identity = SubnetIdentityV3 {
        subnet_name: b"storage".to_vec(),
        description: b"Miners keep data, validators check that they do".to_vec(),
        ..Default::default()
    };
    let hotkey = account_of(&cast.owner.hotkey);
    let call = Call::register_network_with_identity { hotkey, identity: Some(identity) };
    let coldkey: &Keypair = &cast.owner.coldkey;
    let receipt = client.submit(RuntimeCall::SubtensorModule(call), coldkey, WaitFor::Finalized).await?;
    let netuid = receipt
        .find(|event| match event {
            myelin_runtime::RuntimeEvent::SubtensorModule(pallet_subtensor::Event::NetworkAdded(
                netuid,
                _,
            )) => Some(*netuid),
            _ => None,
        })
        .context("the receipt does not name the subnet")?;
    client.start_subnet(coldkey, netuid, WaitFor::Finalized).await?;
    Ok(netuid)
}

async fn join(client: &Client, netuid: NetUid, neuron: &Neuron) -> Result<()> {
    let hotkey = account_of(&neuron.hotkey);
    client.register_neuron(&neuron.coldkey, netuid, &hotkey, WaitFor::Finalized).await?;
    if let Role::Validator { stake_tao } = neuron.role {
        let amount_rao = stake_tao.saturating_mul(RAO_PER_TAO);
        client.add_stake(&neuron.coldkey, &hotkey, netuid, amount_rao, WaitFor::Finalized).await?;
    }
    Ok(())
}

/// The market, epoch by epoch.
pub struct Watch<'a> {
    client: &'a Client,
    cast: &'a Cast,
    netuid: NetUid,
}

/// Where everybody stands after an epoch.
pub struct Standing {
    pub block: u64,
    incentives: Vec<(&'static str, u16)>,
}

impl Watch<'_> {
    pub async fn next_epoch(&mut self, patience: Duration) -> Result<Standing> {
        self.client.wait_for_epoch(self.netuid, patience).await.context("waiting for an epoch")?;
        let metagraph = self.client.metagraph(self.netuid).await?;
        let neurons = neurons_of(&metagraph);
        let incentive = |neuron: &Neuron| {
            let hotkey = account_of(&neuron.hotkey);
            neurons.iter().find(|found| found.hotkey == hotkey).map_or(0, |found| found.incentive)
        };
        let miners = self.cast.miners().map(|(_, miner)| (miner.label, incentive(miner)));
        Ok(Standing { block: metagraph.block.0, incentives: miners.collect() })
    }
}

impl Standing {
    /// Each miner's share of the reward, in words.
    pub fn summary(&self) -> String {
        let share = |value: u16| f64::from(value) / f64::from(u16::MAX) * 100.0;
        let parts = self.incentives.iter().map(|(label, value)| format!("{label} {:.0} %", share(*value)));
        parts.collect::<Vec<_>>().join(", ")
    }
}
