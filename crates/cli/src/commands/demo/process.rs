//! The demo's processes: this program again, each with a log file.
//!
//! All of them end with the demo, however it ends: they are killed when it ends in order, and end by themselves when their
//! standard input closes because it was killed.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{bail, Context as _, Result};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::PATIENCE;

/// How often to look whether all of them are alive.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

pub struct Processes {
    program: PathBuf,
    directory: PathBuf,
    running: Vec<Running>,
}

struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

/// What `myelin dev --json` says once it answers.
#[derive(Deserialize)]
struct Ready {
    rpc: String,
}

impl Processes {
    pub fn new(directory: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("this program cannot find itself")?;
        Ok(Self { program, directory: directory.to_owned(), running: Vec::new() })
    }

    /// Starts a development chain; returns where it answers.
    pub async fn start_node(&mut self) -> Result<String> {
        let base_path = self.directory.join("chain");
        let arguments = ["dev", "--json", "--audit", "--rpc-port", "0", "--base-path"].map(String::from);
        let arguments = arguments.into_iter().chain([base_path.display().to_string()]).collect();
        self.start("node", arguments, Stdio::piped())?;
        let stdout = self.running.last_mut().and_then(|node| node.child.stdout.take());
        let mut lines = BufReader::new(stdout.context("the node has no output")?).lines();
        let line =
            tokio::time::timeout(PATIENCE, lines.next_line()).await.context("the node does not start")??;
        let Some(line) = line else {
            self.check_alive()?;
            bail!("the node closed its output");
        };
        let ready: Ready = serde_json::from_str(&line).with_context(|| format!("the node said `{line}`"))?;
        Ok(ready.rpc)
    }

    /// Starts a miner or a validator.
    pub fn start_neuron(&mut self, name: &str, arguments: Vec<String>) -> Result<()> {
        self.start(name, arguments, Stdio::null())
    }

    fn start(&mut self, name: &str, arguments: Vec<String>, stdout: Stdio) -> Result<()> {
        let log = self.directory.join(format!("{name}.log"));
        let stderr = File::create(&log).with_context(|| log.display().to_string())?;
        let child = Command::new(&self.program)
            .arg("--end-with-stdin")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.running.push(Running { name: name.to_owned(), child, log });
        Ok(())
    }

    /// Completes only when a process has ended by itself, with the error that says which.
    pub async fn watch(&mut self) -> Result<()> {
        loop {
            self.check_alive()?;
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }

    /// Kills all of them and waits until they are gone and write no more.
    pub async fn end(mut self) {
        for process in &mut self.running {
            // One that has ended by itself needs nothing more.
            let _ = process.child.start_kill();
        }
        for process in &mut self.running {
            let _ = process.child.wait().await;
        }
    }

    /// Fails with the last words of the first process that has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        for process in &mut self.running {
            if let Some(status) = process.child.try_wait()? {
                let words = std::fs::read_to_string(&process.log).unwrap_or_default();
                let last: Vec<&str> = words.lines().rev().take(10).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                bail!("{} ended ({status}):\n{}", process.name, last.join("\n"));
            }
        }
        Ok(())
    }
}
