//! The demo, judged by what it prints: in time, with the miners in the right order and all money accounted for.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;

use crate::steps::{build_programs, myelin};

const LIMIT: Duration = Duration::from_secs(60);
const HONEST_MINERS: usize = 2;
const FAULTY_MINERS: usize = 3;
const VALIDATORS: usize = 2;

pub fn run(root: &Path) -> Result<()> {
    build_programs(root)?;
    let start = Instant::now();
    let output = Command::new(myelin(root)).args(["demo", "--json"]).stdin(Stdio::null()).output()?;
    let took = start.elapsed();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("`myelin demo --json` failed: {}\n{stdout}\n{stderr}", output.status);
    }
    ensure!(
        took < LIMIT,
        "the demo took {:.0} s, at most {} are allowed",
        took.as_secs_f64(),
        LIMIT.as_secs()
    );
    let report = serde_json::from_str(&stdout).context("the demo prints one JSON document")?;
    check(&report).with_context(|| format!("the demo's report: {stdout}"))
}

/// The order of the miners is worked out here again, from what each has.
fn check(report: &Value) -> Result<()> {
    ensure!(report["honest_miners_win"] == true, "the verdict is not that honest miners win");
    ensure!(report["conserved"] == true, "money is not conserved");
    let neurons = report["neurons"].as_array().context("no list of neurons")?;
    // Validators have no score: nobody judges them.
    let (miners, validators): (Vec<_>, Vec<_>) =
        neurons.iter().partition(|neuron| neuron["score"].is_number());
    let (honest, faulty): (Vec<&Value>, Vec<&Value>) =
        miners.iter().partition(|miner| miner["honest"] == true);
    let counts = (honest.len(), faulty.len(), validators.len());
    ensure!(
        counts == (HONEST_MINERS, FAULTY_MINERS, VALIDATORS),
        "{counts:?} honest miners, others, validators"
    );
    let least = amounts(&honest)?.into_iter().min();
    let most = amounts(&faulty)?.into_iter().max();
    ensure!(least > most, "an honest miner has {least:?} rao, another {most:?}");
    let dividends = |neuron: &&Value| neuron["dividends"].as_f64().is_some_and(|dividends| dividends > 0.0);
    ensure!(validators.iter().all(dividends), "a validator earns nothing");
    Ok(())
}

fn amounts(neurons: &[&Value]) -> Result<Vec<u64>> {
    neurons.iter().map(|neuron| rao(neuron["stake"].as_str().context("no stake")?)).collect()
}

/// A decimal with at most nine places, in billionths.
fn rao(text: &str) -> Result<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<9}").parse().with_context(|| format!("`{text}` is not an amount"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn miner(honest: bool, stake: &str) -> Value {
        json!({ "score": 0.2, "honest": honest, "stake": stake, "dividends": 0.0 })
    }

    fn report(faulty: &str) -> Value {
        let validator = json!({ "score": null, "honest": true, "stake": "1", "dividends": 0.5 });
        json!({
            "honest_miners_win": true,
            "conserved": true,
            "neurons": [
                validator, validator, miner(true, "9.5"), miner(true, "10"),
                miner(false, faulty), miner(false, "0"), miner(false, "0.000000001"),
            ],
        })
    }

    #[test]
    fn a_good_report_passes_and_every_flaw_is_found() {
        assert!(check(&report("9.499999999")).is_ok());
        assert!(check(&report("9.5")).is_err(), "as much as an honest miner");
        for (flaw, value) in
            [("honest_miners_win", json!(false)), ("conserved", json!(null)), ("neurons", json!([]))]
        {
            let mut flawed = report("1");
            flawed[flaw] = value;
            assert!(check(&flawed).is_err(), "{flaw}");
        }
        let mut idle = report("1");
        idle["neurons"][0]["dividends"] = json!(0.0);
        assert!(check(&idle).is_err(), "a validator without dividends");
    }
}
