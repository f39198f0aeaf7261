//! Transfers without end.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc, Mutex,
    },
    time::Duration,
};

use myelin_client::{account_of, Client, ClientConfig, WaitFor};
use myelin_keys::{CryptoType, Keypair};
use tokio::{runtime::Handle, task::JoinHandle};

/// Who sends, each to the next.
const SENDERS: [&str; 8] = ["//Alice", "//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie", "//One", "//Two"];

/// A transfer that a node said is in a final block.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    pub height: u64,
    pub block: String,
}

/// Accounts that send transfers to one another through whichever node answers.
pub struct Load {
    urls: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    senders: Vec<JoinHandle<()>>,
    runtime: Handle,
}

impl Load {
    /// Transfers through the nodes at `urls`.
    pub fn start(runtime: &Handle, urls: Vec<String>) -> Self {
        let mut load = Self {
            urls: Arc::new(Mutex::new(urls)),
            stop: Arc::default(),
            acknowledged: Arc::default(),
            senders: Vec::new(),
            runtime: runtime.clone(),
        };
        for index in 0..SENDERS.len() {
            let (urls, stop) = (Arc::clone(&load.urls), Arc::clone(&load.stop));
            let sending = send(index, urls, stop, Arc::clone(&load.acknowledged));
            load.senders.push(runtime.spawn(sending));
        }
        load
    }

    /// From now on, transfers go through these nodes.
    pub fn redirect(&self, urls: Vec<String>) {
        *self.urls.lock().expect("no sender panicked") = urls;
    }

    /// Ends the load and says what was acknowledged.
    pub fn stop(self) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders {
            self.runtime.block_on(sender).expect("a sender does not panic");
        }
        self.acknowledged.lock().expect("no sender panicked").clone()
    }
}

async fn send(
    index: usize,
    urls: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
) {
    let key =
        |index: usize| Keypair::from_uri(SENDERS[index % SENDERS.len()], CryptoType::Sr25519).expect("a key");
    let (from, to) = (key(index), account_of(&key(index + 1)));
    let mut turn = index;
    while !stop.load(Ordering::Relaxed) {
        let url = {
            let urls = urls.lock().expect("no sender panicked");
            urls[turn % urls.len()].clone()
        };
        turn += 1;
        let config = ClientConfig {
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            inclusion_timeout: Duration::from_secs(10),
            reconnect_timeout: Duration::from_secs(2),
            ..ClientConfig::new(url)
        };
        // Nodes die while they are asked; the next one is tried.
        let Ok(client) = Client::with_config(config).await else { continue };
        for _ in 0..10 {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let Ok(receipt) = client.transfer(&from, &to, 1_000_000, WaitFor::Finalized).await else { break };
            let block = format!("{:?}", receipt.block);
            let height = u64::from(receipt.block_number);
            acknowledged.lock().expect("no sender panicked").push(Acknowledged { height, block });
        }
    }
}
