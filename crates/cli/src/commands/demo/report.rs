//! What the demo comes to.

use std::fmt;

use anyhow::{Context as _, Result};
use myelin_client::{account_of, neurons_of, Client};
use myelin_runtime::views::{audit::Audit, neuron::NeuronInfo};
use serde::Serialize;

use super::{
    actors::{Cast, Neuron, Role},
    market::Market,
};
use crate::{amount::Amount, table::Table};

#[derive(Serialize)]
pub struct Report {
    pub node: String,
    pub netuid: u16,
    pub block: u64,
    /// An alpha in TAO.
    pub price: Amount,
    pub neurons: Vec<Row>,
    /// Whether every honest miner earned more than every other.
    pub honest_miners_win: bool,
    /// Whether all TAO and all alpha on the chain add up.
    pub conserved: bool,
}

#[derive(Serialize)]
pub struct Row {
    pub uid: u16,
    pub name: &'static str,
    pub behaviour: &'static str,
    pub honest: bool,
    /// Mean weight that validators give, from 0 to 1; none for validators.
    pub score: Option<f64>,
    /// Share of the miners' reward in the last epoch, from 0 to 1.
    pub incentive: f64,
    /// Share of the validators' reward in the last epoch, from 0 to 1.
    pub dividends: f64,
    /// Alpha behind the hotkey.
    pub stake: Amount,
    /// What that alpha is worth, in TAO.
    pub tao: Amount,
    #[serde(skip)]
    is_miner: bool,
}

impl Report {
    pub async fn new(client: &Client, cast: &Cast, market: &Market, node: String) -> Result<Self> {
        let client = client.pinned().await?;
        let metagraph = client.metagraph(market.netuid).await?;
        let neurons = neurons_of(&metagraph);
        let prices = client.prices().await?;
        let price_rao =
            prices.iter().find(|price| price.netuid == market.netuid).map_or(0, |price| price.price);
        let scores = mean_weights(&client, market.netuid, neurons.len()).await?;
        let mut rows = Vec::new();
        for neuron in &cast.neurons {
            let hotkey = account_of(&neuron.hotkey);
            let found = neurons.iter().find(|found| found.hotkey == hotkey).context("a neuron is gone")?;
            let score = scores.get(usize::from(found.uid)).copied().unwrap_or_default();
            rows.push(Row::new(neuron, found, score, price_rao));
        }
        let honest_miners_win = honest_miners_win(&rows);
        let audit: Audit = client.runtime_api("AuditApi_audit", ()).await?;
        Ok(Self {
            node,
            netuid: market.netuid,
            block: metagraph.block.0,
            price: Amount::from_rao(price_rao),
            neurons: rows,
            honest_miners_win,
            conserved: audit.holds(),
        })
    }

    /// Whether the demo has shown what it is to show.
    pub fn succeeds(&self) -> bool {
        self.honest_miners_win && self.conserved
    }
}

impl Row {
    fn new(actor: &Neuron, neuron: &myelin_client::Neuron, score: f64, price_rao: u64) -> Self {
        let share = |value: u16| f64::from(value) / f64::from(u16::MAX);
        let (behaviour, honest, is_miner) = match actor.role {
            Role::Miner(conduct) => (conduct.describe(), conduct.is_honest(), true),
            Role::Validator { .. } => ("validates", true, false),
        };
        Self {
            uid: neuron.uid,
            name: actor.label,
            behaviour,
            honest,
            score: is_miner.then_some(score),
            incentive: share(neuron.incentive),
            dividends: share(neuron.dividends),
            stake: Amount::from_rao(neuron.stake_rao),
            tao: Amount::from_rao(worth_rao(neuron.stake_rao, price_rao)),
            is_miner,
        }
    }
}

/// Weight that each neuron gets, averaged over those who set weights; each validator's weights sum to 1.
async fn mean_weights(client: &Client, netuid: u16, count: usize) -> Result<Vec<f64>> {
    let neurons: Vec<NeuronInfo> = client.runtime_api("NeuronInfoRuntimeApi_get_neurons", netuid).await?;
    let mut means = vec![0.0; count];
    let rows: Vec<_> =
        neurons.into_iter().map(|neuron| neuron.weights).filter(|row| !row.is_empty()).collect();
    for row in &rows {
        let total: f64 = row.iter().map(|(_, weight)| f64::from(weight.0)).sum();
        for (uid, weight) in row {
            if let (Some(mean), true) = (means.get_mut(usize::from(uid.0)), total > 0.0) {
                *mean += f64::from(weight.0) / total / rows.len() as f64;
            }
        }
    }
    Ok(means)
}

fn worth_rao(alpha_rao: u64, price_rao: u64) -> u64 {
    let worth = u128::from(alpha_rao) * u128::from(price_rao) / u128::from(myelin_runtime::RAO_PER_TAO);
    u64::try_from(worth).unwrap_or(u64::MAX)
}

fn honest_miners_win(rows: &[Row]) -> bool {
    let earned = |honest: bool| {
        rows.iter().filter(move |row| row.is_miner && row.honest == honest).map(|row| row.stake)
    };
    match (earned(true).min(), earned(false).max()) {
        (Some(honest), Some(faulty)) => honest > faulty,
        _ => false,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headings =
            ["neuron", "uid", "behaviour", "score", "incentive", "dividends", "stake (alpha)", "worth (TAO)"];
        let mut table = Table::new(headings);
        for row in &self.neurons {
            table.row([
                row.name.into(),
                row.uid.to_string(),
                row.behaviour.into(),
                row.score.map(|score| format!("{score:.3}")).unwrap_or_default(),
                format!("{:.3}", row.incentive),
                format!("{:.3}", row.dividends),
                row.stake.to_string(),
                row.tao.to_string(),
            ]);
        }
        let verdict = if self.honest_miners_win {
            "every honest miner earned more than every other"
        } else {
            "FAILED: a miner that cheats earned as much as an honest one"
        };
        let books = if self.conserved {
            "all TAO and all alpha add up"
        } else {
            "FAILED: TAO or alpha was lost or made from nothing"
        };
        write!(
            f,
            "subnet {} at block {}, one alpha costs {} TAO\n\n{table}\n\n{verdict}\n{books}",
            self.netuid, self.block, self.price
        )
    }
}
