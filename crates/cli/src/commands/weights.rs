//! `myelin weights`

use std::{fmt, str::FromStr};

use anyhow::{bail, Context as _, Result};
use clap::{Args, Subcommand};
use myelin_runtime::views::neuron::NeuronInfo;
use pallet_subtensor::{Call, MechId, NetUid, Uid};
use serde::Serialize;

use crate::{
    commands::subnet::{check_subnet, market},
    context::Context,
    keys::WalletArguments,
    table::Table,
    transaction::{no_details, send, TransactionArguments},
};

#[derive(Subcommand)]
pub enum WeightsCommand {
    /// Says what the wallet's hotkey thinks miners are worth, relative to each other.
    Set(SetArguments),
    /// Shows what validators say.
    Show {
        /// Number of the subnet.
        netuid: NetUid,
    },
}

#[derive(Args)]
pub struct SetArguments {
    /// Number of the subnet.
    netuid: NetUid,
    /// Weights as UID:WEIGHT, such as 3:0.7 4:0.3.
    #[arg(required_unless_present = "clear", value_name = "UID:WEIGHT")]
    weights: Vec<Weight>,
    /// Takes back what the hotkey has said: no weights, or only zeros.
    #[arg(long)]
    clear: bool,
    /// Number of the mechanism.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    mechanism: MechId,
    /// Version of the judging program.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    version_key: u64,
    #[command(flatten)]
    wallet: WalletArguments,
    #[command(flatten)]
    transaction: TransactionArguments,
}

/// What a validator says about one neuron.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Weight {
    uid: Uid,
    worth: f64,
}

impl FromStr for Weight {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (uid, worth) = text.split_once(':').context("write UID:WEIGHT, such as 3:0.7")?;
        let uid = uid.parse().with_context(|| format!("`{uid}` is not a uid"))?;
        let worth: f64 = worth.parse().with_context(|| format!("`{worth}` is not a weight"))?;
        if !worth.is_finite() || worth < 0.0 {
            bail!("a weight is zero or more, not {worth}");
        }
        Ok(Self { uid, worth })
    }
}

/// Weights on the scale of the chain: the largest is 65535.
fn scaled(weights: &[Weight]) -> Vec<u16> {
    let largest = weights.iter().map(|weight| weight.worth).fold(f64::MIN_POSITIVE, f64::max);
    let bits = |weight: &Weight| (weight.worth / largest * myelin_yuma::ONE as f64) as myelin_yuma::Bits;
    myelin_yuma::weights::max_upscale_bits(&weights.iter().map(bits).collect::<Vec<_>>())
}

pub async fn run(context: &Context, command: WeightsCommand) -> Result<()> {
    match command {
        WeightsCommand::Set(arguments) => set(context, arguments).await,
        WeightsCommand::Show { netuid } => show(context, netuid).await,
    }
}

/// A row of zeros takes the place of the one before and says nothing: its validator earns nothing until it says something.
fn check_meant(arguments: &SetArguments) -> Result<()> {
    let says_nothing = arguments.weights.iter().all(|weight| weight.worth == 0.0);
    if arguments.clear && !says_nothing {
        bail!("--clear takes back what the hotkey has said, so give no weights, or only zeros");
    }
    if !arguments.clear && says_nothing {
        bail!(
            "all weights are zero, which takes back what the hotkey has said, and it earns no dividends until it sets others; \
             give one of them more than zero, or say --clear if that is meant"
        );
    }
    Ok(())
}

async fn set(context: &Context, arguments: SetArguments) -> Result<()> {
    check_meant(&arguments)?;
    // The chain wants to hear of somebody.
    let nobody = [Weight { uid: 0, worth: 0.0 }];
    let weights = if arguments.weights.is_empty() { &nobody[..] } else { &arguments.weights };
    let call = Call::set_mechanism_weights {
        netuid: arguments.netuid,
        mecid: arguments.mechanism,
        dests: weights.iter().map(|weight| weight.uid).collect(),
        weights: scaled(weights),
        version_key: arguments.version_key,
    };
    let signer = arguments.wallet.hotkey(context)?;
    let client = context.client().await?;
    send(context, &client, market(call), &signer, arguments.transaction, no_details).await
}

#[derive(Serialize)]
struct Shown {
    netuid: NetUid,
    validators: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    uid: Uid,
    hotkey: String,
    last_update: u64,
    weights: Vec<(Uid, u16)>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.validators.is_empty() {
            return write!(f, "nobody has set weights on subnet {}", self.netuid);
        }
        let mut table = Table::new(["hotkey", "uid", "block", "weights"]);
        for row in &self.validators {
            let weights: Vec<String> =
                row.weights.iter().map(|(uid, weight)| format!("{uid}:{weight}")).collect();
            table.row([
                row.hotkey.clone(),
                row.uid.to_string(),
                row.last_update.to_string(),
                weights.join(" "),
            ]);
        }
        table.fmt(f)
    }
}

async fn show(context: &Context, netuid: NetUid) -> Result<()> {
    let client = context.client().await?.pinned().await?;
    check_subnet(&client, netuid).await?;
    let neurons: Vec<NeuronInfo> = client.runtime_api("NeuronInfoRuntimeApi_get_neurons", netuid).await?;
    let rows = neurons.into_iter().filter(|neuron| !neuron.weights.is_empty()).map(|neuron| Row {
        uid: neuron.uid,
        hotkey: neuron.hotkey.to_string(),
        last_update: neuron.last_update,
        weights: neuron.weights.iter().map(|(uid, weight)| (uid.0, weight.0)).collect(),
    });
    context.output.result(&Shown { netuid, validators: rows.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(texts: &[&str]) -> Vec<Weight> {
        texts.iter().map(|text| text.parse().expect("a weight")).collect()
    }

    #[test]
    fn the_largest_weight_fills_the_scale() {
        assert_eq!(scaled(&weights(&["1:0.3", "2:0.6"])), vec![32768, 65535]);
        assert_eq!(scaled(&weights(&["1:0", "2:0"])), vec![0, 0]);
    }

    #[test]
    fn what_is_no_weight_is_refused() {
        for text in ["1", "a:1", "1:x", "1:-1", "1:NaN", "1:inf", "70000:1"] {
            assert!(text.parse::<Weight>().is_err(), "{text}");
        }
    }
}
