//! The demo ends as a whole, however it is ended.

#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use support::myelin;

const PATIENCE: Duration = Duration::from_secs(120);
/// A node, five miners, two validators.
const ACTORS: usize = 8;

/// A demo of which every process runs; killed without notice when dropped.
struct Demo {
    process: Child,
    actors: Vec<u32>,
}

impl Demo {
    /// Everything that it writes is below `directory`.
    fn start(directory: &Path) -> Self {
        let process = myelin().arg("demo").env("TMPDIR", directory).stderr(Stdio::piped()).spawn();
        let mut demo = Self { process: process.expect("the program starts"), actors: Vec::new() };
        let stderr = demo.process.stderr.take().expect("piped");
        let mut progress = BufReader::new(stderr).lines();
        let working = progress.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("epoch 1/")));
        working.expect("it comes to an epoch").expect("text");
        demo.actors = children_of(demo.process.id());
        assert_eq!(demo.actors.len(), ACTORS);
        demo
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().expect("kill runs").success());
    }

    fn wait(&mut self) -> ExitStatus {
        wait_until("the demo ends", || matches!(self.process.try_wait(), Ok(Some(_))));
        self.process.wait().expect("it is ours")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// State and parent of a process, as `/proc` shows them; none if there is no such process.
fn state_and_parent(process: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn children_of(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("reads");
    let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|process| state_and_parent(*process).is_some_and(|(_, of)| of == parent)).collect()
}

/// Whether it runs. One that has ended stays in the list as `Z` until its parent, maybe one that never asks, is told.
fn runs(process: u32) -> bool {
    state_and_parent(process).is_some_and(|(state, _)| state != 'Z')
}

#[test]
fn a_demo_that_is_asked_to_end_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut demo = Demo::start(directory.path());
    demo.signal("TERM");
    assert_eq!(demo.wait().code(), Some(1), "there was no verdict");
    assert!(!demo.actors.iter().any(|process| runs(*process)));
    assert_eq!(fs::read_dir(directory.path()).expect("reads").count(), 0);
}

#[test]
fn the_processes_of_a_killed_demo_end_by_themselves_and_the_next_removes_its_files() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut demo = Demo::start(directory.path());
    demo.signal("KILL");
    demo.wait();
    wait_until("its processes end", || !demo.actors.iter().any(|process| runs(*process)));
    let folders = || fs::read_dir(directory.path()).expect("reads").count();
    assert_eq!(folders(), 1);
    let mut next = Demo::start(directory.path());
    assert_eq!(folders(), 1, "the killed demo's files are there");
    next.signal("TERM");
    next.wait();
    assert_eq!(folders(), 0);
}
