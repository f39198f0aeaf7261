//! This program again, as processes with a log file each.
//!
//! All of them end with their parent, however it ends: their standard input closes then, and they are told to end with it.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{bail, Context as _, Result};
use serde::{de::DeserializeOwned, Deserialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// No process takes longer to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often to look whether all of them are alive.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

pub struct Processes {
    program: PathBuf,
    directory: PathBuf,
    running: Vec<Running>,
}

struct Running {
    name: String,
    arguments: Vec<String>,
    child: Child,
    log: PathBuf,
}

impl Processes {
    /// Log files are below `directory`.
    pub fn new(directory: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("this program cannot find itself")?;
        Ok(Self { program, directory: directory.to_owned(), running: Vec::new() })
    }

    /// Starts a process that says one line of JSON when it is ready; returns what it says.
    pub async fn start_and_hear<Ready: DeserializeOwned>(
        &mut self,
        name: &str,
        arguments: Vec<String>,
    ) -> Result<Ready> {
        self.start(name, arguments, Stdio::piped())?;
        let stdout = self.running.last_mut().and_then(|process| process.child.stdout.take());
        let mut lines = BufReader::new(stdout.context("the process has no output")?).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .with_context(|| format!("{name} does not start"))??;
        let Some(line) = line else {
            // Whoever closes its output is about to end.
            if let Ok(ended) = tokio::time::timeout(PATIENCE, self.watch()).await {
                ended?;
            }
            bail!("{name} closed its output");
        };
        serde_json::from_str(&line).with_context(|| format!("{name} said `{line}`"))
    }

    /// Starts a process that says nothing.
    pub fn start_quiet(&mut self, name: &str, arguments: Vec<String>) -> Result<()> {
        self.start(name, arguments, Stdio::null())
    }

    fn start(&mut self, name: &str, arguments: Vec<String>, stdout: Stdio) -> Result<()> {
        let log = self.directory.join(format!("{name}.log"));
        let child = self.spawn(name, &arguments, &log, stdout)?;
        self.running.push(Running { name: name.to_owned(), arguments, child, log });
        Ok(())
    }

    fn spawn(&self, name: &str, arguments: &[String], log: &Path, stdout: Stdio) -> Result<Child> {
        let stderr =
            File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
        Command::new(&self.program)
            .arg("--end-with-stdin")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))
    }

    /// Starts every process again that has ended, for as long as it is polled; says so to `tell`.
    pub async fn keep_running(&mut self, tell: impl Fn(String)) -> Result<()> {
        loop {
            for index in 0..self.running.len() {
                self.revive(index, &tell)?;
            }
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }

    fn revive(&mut self, index: usize, tell: &impl Fn(String)) -> Result<()> {
        let Some(process) = self.running.get_mut(index) else { return Ok(()) };
        let Some(status) = process.child.try_wait()? else { return Ok(()) };
        tell(format!("{} ended ({status}), see {}; starting it again", process.name, process.log.display()));
        let (name, arguments, log) = (process.name.clone(), process.arguments.clone(), process.log.clone());
        let child = self.spawn(&name, &arguments, &log, Stdio::null())?;
        if let Some(process) = self.running.get_mut(index) {
            process.child = child;
        }
        Ok(())
    }

    /// Completes only when a process has ended by itself, with the error that says which.
    pub async fn watch(&mut self) -> Result<()> {
        loop {
            self.check_alive()?;
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }

    /// Tells all of them to end and waits until they are gone and write no more; those that take too long are killed.
    pub async fn end(mut self) {
        for process in &mut self.running {
            drop(process.child.stdin.take());
        }
        for process in &mut self.running {
            if tokio::time::timeout(PATIENCE, process.child.wait()).await.is_err() {
                // One that has ended by itself meanwhile needs nothing more.
                let _ = process.child.kill().await;
            }
        }
    }

    /// Fails with the last words of the first process that has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        for process in &mut self.running {
            if let Some(status) = process.child.try_wait()? {
                let words = std::fs::read_to_string(&process.log).unwrap_or_default();
                bail!("{} ended ({status}): {}", process.name, last_words(&words));
            }
        }
        Ok(())
    }
}

/// What a process with this log has ended from: its error, or what it wrote last.
fn last_words(log: &str) -> String {
    #[derive(Deserialize)]
    struct ErrorDocument {
        error: String,
    }

    let document = log.lines().last().and_then(|line| serde_json::from_str::<ErrorDocument>(line).ok());
    document.map_or_else(
        || {
            let last: Vec<&str> = log.lines().rev().take(10).collect();
            last.into_iter().rev().flat_map(|line| ["\n", line]).collect()
        },
        |document| document.error,
    )
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn the_error_of_a_process_is_its_last_word() {
        assert_eq!(last_words("WARN a\n{\"error\":\"no key\"}\n"), "no key");
        assert_eq!(last_words("one\ntwo\n"), "\none\ntwo");
        let long: String = (0..20).map(|line| format!("{line}\n")).collect();
        assert_eq!(last_words(&long).lines().nth(1), Some("10"));
    }
}
