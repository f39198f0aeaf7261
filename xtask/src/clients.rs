//! Unmodified clients of the ecosystem against a development chain: `btcli` and the `bittensor` SDK from a virtual
//! environment, `@polkadot/api` from npm. Their exact versions are pinned beside the scripts.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{bail, Context, Result};

use crate::steps::{build_programs, execute, myelin, target_directory};

/// Fails with a list of the tools that are missing.
pub fn require_tools() -> Result<()> {
    let missing: Vec<&str> =
        ["python3", "node", "npm"].into_iter().filter(|tool| !is_installed(tool)).collect();
    if !missing.is_empty() {
        bail!(
            "missing: {}. Install python3 (3.10 or later, with venv) and node (20 or later, with npm), \
             or leave out the client tests with `cargo xtask test --rust-only`",
            missing.join(", ")
        );
    }
    Ok(())
}

fn is_installed(tool: &str) -> bool {
    Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub fn run(root: &Path) -> Result<()> {
    require_tools()?;
    build_programs(root)?;
    let scripts = root.join("tests").join("clients");
    let python = prepare_python(root, &scripts)?;
    let node_modules = prepare_node(root, &scripts)?;
    let chain = DevelopmentChain::start(root)?;
    for script in ["sdk.py", "btcli.py", "wallets.py", "http_auth.py"] {
        execute(
            Command::new(&python)
                .arg(scripts.join(script))
                .env("MYELIN", myelin(root))
                .env("MYELIN_NODE", &chain.url)
                .env("PATH", path_with(&python)?),
        )
        .with_context(|| format!("tests/clients/{script}"))?;
    }
    execute(Command::new("node").arg(node_modules.join("polkadot_api.mjs")).env("MYELIN_NODE", &chain.url))
        .context("tests/clients/polkadot_api.mjs")
}

/// A virtual environment with the pinned packages; returns its interpreter.
fn prepare_python(root: &Path, scripts: &Path) -> Result<PathBuf> {
    let directory = target_directory(root).join("clients").join("venv");
    let python = directory.join("bin").join("python");
    if !python.exists() {
        execute(Command::new("python3").args(["-m", "venv"]).arg(&directory))?;
    }
    execute(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(scripts.join("requirements.txt")),
    )?;
    Ok(python)
}

/// A directory with the pinned packages and a copy of the script that uses them.
fn prepare_node(root: &Path, scripts: &Path) -> Result<PathBuf> {
    let directory = target_directory(root).join("clients").join("node");
    std::fs::create_dir_all(&directory)?;
    for file in ["package.json", "package-lock.json", "polkadot_api.mjs"] {
        std::fs::copy(scripts.join(file), directory.join(file)).with_context(|| format!("copy {file}"))?;
    }
    execute(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&directory))?;
    Ok(directory)
}

/// The PATH with the virtual environment's commands first.
fn path_with(python: &Path) -> Result<std::ffi::OsString> {
    let commands = python.parent().context("interpreter without a directory")?.to_path_buf();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(commands).chain(std::env::split_paths(&inherited));
    std::env::join_paths(paths).context("PATH")
}

/// A `myelin dev` on a free port, ended when dropped.
struct DevelopmentChain {
    process: Child,
    url: String,
}

impl DevelopmentChain {
    fn start(root: &Path) -> Result<Self> {
        const PATIENCE: Duration = Duration::from_secs(30);
        let mut process = Command::new(myelin(root))
            .args(["dev", "--rpc-port", "0", "--json", "--audit"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start `myelin dev`")?;
        let stdout = process.stdout.take().context("no standard output")?;
        let mut chain = Self { process, url: String::new() };
        let start = Instant::now();
        for line in BufReader::new(stdout).lines() {
            if let Some(url) = websocket_url(&line?) {
                chain.url = url;
                return Ok(chain);
            }
            if start.elapsed() > PATIENCE {
                break;
            }
        }
        bail!("`myelin dev --json` did not say where it listens")
    }
}

impl Drop for DevelopmentChain {
    fn drop(&mut self) {
        // The process may have ended by itself; there is nobody left to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The first WebSocket address in a line of JSON.
fn websocket_url(line: &str) -> Option<String> {
    let start = line.find("ws://")?;
    let rest = line.get(start..)?;
    Some(rest.split('"').next().unwrap_or(rest).to_owned())
}

#[cfg(test)]
mod tests {
    use super::websocket_url;

    #[test]
    fn the_address_is_found_in_the_document() {
        let line = r#"{"rpc":"ws://127.0.0.1:40123","http":"http://127.0.0.1:40123"}"#;
        assert_eq!(websocket_url(line).as_deref(), Some("ws://127.0.0.1:40123"));
        assert_eq!(websocket_url("{}"), None);
    }
}
