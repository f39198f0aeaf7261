//! The observer: a process of its own that hears every vote and checks that nobody says two things.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
};

use crate::network::{myelin, wait_until, Network};

/// `myelin observe`, which prints a line for each message and decision and fails at the first contradiction.
pub struct Observer {
    process: Child,
    lines: Arc<AtomicU64>,
}

impl Observer {
    /// An observer that knows all validators.
    pub fn start(network: &Network) -> Self {
        let spec = network.spec_path();
        let mut process = myelin()
            .args(["observe", "--json", "--chain", spec.to_str().expect("a path of text")])
            .args(network.peer_arguments())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(network.logs().join("observer.log")).expect("a log"))
            .spawn()
            .expect("the program starts");
        let lines = Arc::new(AtomicU64::new(0));
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let counter = Arc::clone(&lines);
        std::thread::spawn(move || {
            for _ in stdout.lines().map_while(Result::ok) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { process, lines }
    }

    /// Fails if anybody said two things; the observer must have heard at least `messages` messages.
    pub fn finish(mut self, messages: u64) {
        wait_until("the observer hears the validators", || self.lines.load(Ordering::Relaxed) >= messages);
        let ended = self.process.try_wait().expect("it is ours");
        assert!(ended.is_none(), "the observer has found a contradiction: see observer.log");
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
