//! `myelin metagraph`

use std::fmt;

use anyhow::Result;
use clap::Args;
use myelin_client::neurons_of;
use pallet_subtensor::{NetUid, ROOT};
use serde::Serialize;

use crate::{amount::Amount, commands::subnet::text, context::Context, table::Table};

#[derive(Args)]
pub struct MetagraphArguments {
    /// Number of the subnet.
    netuid: NetUid,
}

#[derive(Serialize)]
struct Shown {
    netuid: NetUid,
    name: String,
    block: u64,
    tempo: u16,
    last_step: u64,
    neurons: Vec<Neuron>,
}

#[derive(Serialize)]
struct Neuron {
    uid: u16,
    hotkey: String,
    coldkey: String,
    stake: Amount,
    incentive: u16,
    dividends: u16,
    consensus: u16,
    emission: Amount,
    validator_permit: bool,
    active: bool,
    last_update: u64,
    axon: Option<String>,
}

impl From<myelin_client::Neuron> for Neuron {
    fn from(neuron: myelin_client::Neuron) -> Self {
        Self {
            uid: neuron.uid,
            hotkey: neuron.hotkey.to_string(),
            coldkey: neuron.coldkey.to_string(),
            stake: Amount::from_rao(neuron.stake_rao),
            incentive: neuron.incentive,
            dividends: neuron.dividends,
            consensus: neuron.consensus,
            emission: Amount::from_rao(neuron.emission),
            validator_permit: neuron.validator_permit,
            active: neuron.active,
            last_update: neuron.last_update,
            axon: neuron.axon.map(|address| address.to_string()),
        }
    }
}

pub async fn run(context: &Context, arguments: MetagraphArguments) -> Result<()> {
    let metagraph = context.client().await?.metagraph(arguments.netuid).await?;
    context.output.result(&Shown {
        netuid: metagraph.netuid.0,
        name: text(&metagraph.name),
        block: metagraph.block.0,
        tempo: metagraph.tempo.0,
        last_step: metagraph.last_step.0,
        neurons: neurons_of(&metagraph).into_iter().map(Neuron::from).collect(),
    })
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subnet {} ({}), block {}, ", self.netuid, self.name, self.block)?;
        match self.netuid {
            ROOT => writeln!(f, "no epochs")?,
            _ => writeln!(f, "an epoch every {} blocks, the last at {}", self.tempo, self.last_step)?,
        }
        let headings = ["hotkey", "uid", "stake", "incentive", "dividends", "emission", "role", "axon"];
        let mut table = Table::new(headings);
        let share = |value: u16| format!("{:.4}", f64::from(value) / f64::from(u16::MAX));
        for neuron in &self.neurons {
            table.row([
                neuron.hotkey.clone(),
                neuron.uid.to_string(),
                neuron.stake.to_string(),
                share(neuron.incentive),
                share(neuron.dividends),
                neuron.emission.to_string(),
                if neuron.validator_permit { "validator" } else { "miner" }.into(),
                neuron.axon.clone().unwrap_or_default(),
            ]);
        }
        table.fmt(f)
    }
}
