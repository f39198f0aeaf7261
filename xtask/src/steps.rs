//! `cargo xtask test`: one step after the other, the first failure ends it.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{bail, Context, Result};

use crate::{clients, demo, tidy, workspace};

pub fn test(rust_only: bool) -> Result<()> {
    let root = workspace();
    if !rust_only {
        clients::require_tools()?;
    }
    step("format", || cargo(&root, &["fmt", "--all", "--check"]))?;
    step("tidy", || tidy::check(&root))?;
    step("lints", || {
        cargo(&root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])
    })?;
    step("tests", || cargo(&root, &["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    step("demo", || demo::run(&root))?;
    step("cores", || cores(&root))?;
    if rust_only {
        eprintln!("== clients: left out, as asked by --rust-only");
        return Ok(());
    }
    step("clients", || clients::run(&root))
}

/// The binary that the tests have built.
pub fn myelin(root: &Path) -> std::path::PathBuf {
    target_directory(root).join("debug").join("myelin")
}

pub fn target_directory(root: &Path) -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |path| root.join(path))
}

/// Runs a command to its end; its output goes where ours goes.
pub fn execute(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} failed: {status}");
    }
    Ok(())
}

/// Runs cargo in the workspace.
pub fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    execute(Command::new(env!("CARGO")).current_dir(root).args(arguments))
}

/// The fault tests of `cargo test`, for longer. One after the other, because they are about time.
pub fn faults(root: &Path, cycles: u32) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    let mut arguments = vec!["test", "--workspace", "--locked"];
    for test in ["cluster", "crash", "restart", "faults", "flood", "recovery"] {
        arguments.extend(["--test", test]);
    }
    let repeated = ["MYELIN_FAULT_CYCLES", "MYELIN_KILL_ITERATIONS"];
    let environment = repeated.map(|name| (name, cycles.to_string()));
    execute(command.current_dir(root).args(&arguments).args(["--", "--test-threads", "1"]).envs(environment))
}

/// Builds the programs with the features that the tests have built everything with: another selection of packages would
/// build most dependencies once more.
pub fn build_programs(root: &Path) -> Result<()> {
    cargo(root, &["build", "--locked", "--workspace", "--bins", "--examples"])
}

/// The mathematics alone: on one thread and on several, and without whatever else the workspace switches on.
fn cores(root: &Path) -> Result<()> {
    for features in [&[][..], &["--features", "parallel"]] {
        cargo(root, &[&["test", "--locked", "--package", "myelin-yuma"], features].concat())?;
    }
    let build = ["build", "--locked", "--no-default-features"];
    let packages = ["--package", "myelin-fixed", "--package", "myelin-yuma", "--package", "myelin-economy"];
    cargo(root, &[&build[..], &packages].concat())
}

fn step(name: &str, action: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("== {name}");
    let start = Instant::now();
    action().with_context(|| format!("step `{name}`"))?;
    eprintln!("== {name}: ok, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
