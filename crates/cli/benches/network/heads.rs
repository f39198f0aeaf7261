//! When blocks become final, as a subscriber sees it.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use myelin_client::{Client, HeadKind};
use tokio::runtime::Runtime;

use crate::nodes::Node;

/// Heights, and when each was heard of.
pub struct Heard {
    began: Instant,
    heads: Vec<(u64, Instant)>,
}

/// Listens until it is stopped.
pub struct Arrivals {
    stop: Arc<AtomicBool>,
    listener: JoinHandle<Heard>,
}

impl Arrivals {
    /// Listens to a node from now on.
    pub fn start(node: &Node) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, stopped) = (node.ws.clone(), Arc::clone(&stop));
        Self { stop, listener: std::thread::spawn(move || listen(&url, &stopped)) }
    }

    /// What was heard since.
    pub fn stop(self) -> Heard {
        self.stop.store(true, Ordering::Relaxed);
        self.listener.join().expect("the listener does not panic")
    }
}

fn listen(url: &str, stop: &AtomicBool) -> Heard {
    let mut heard = Heard { began: Instant::now(), heads: Vec::new() };
    let runtime = Runtime::new().expect("threads");
    runtime.block_on(async {
        let client = Client::connect(url).await.expect("the node answers");
        let mut heads = client.heads(HeadKind::Finalized);
        while !stop.load(Ordering::Relaxed) {
            let header = heads.next().await.expect("the node goes on");
            heard.heads.push((u64::from(header.number), Instant::now()));
        }
    });
    heard
}

impl Heard {
    /// What was heard later than `warm_up` after the beginning.
    pub fn after(mut self, warm_up: Duration) -> Self {
        self.heads.retain(|(_, at)| *at - self.began > warm_up);
        self
    }

    pub fn heights(&self) -> impl Iterator<Item = u64> + '_ {
        let (first, last) = (self.heads.first(), self.heads.last());
        first.map_or(1, |head| head.0)..=last.map_or(0, |head| head.0)
    }

    /// From the first to the last.
    pub fn duration(&self) -> Duration {
        let (first, last) = (self.heads.first().expect("a block"), self.heads.last().expect("a block"));
        last.1 - first.1
    }

    /// Times between blocks that follow each other.
    pub fn intervals(&self) -> Vec<Duration> {
        self.heads.windows(2).map(|pair| pair[1].1 - pair[0].1).collect()
    }
}
