//! Signed transfers, and sending them as fast as a network takes them.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Arc,
    },
    thread::JoinHandle,
    time::Duration,
};

use codec::Decode;
use myelin_client::{account_of, sign_offline};
use myelin_keys::{CryptoType, Keypair};
use rayon::prelude::*;
use serde_json::{json, Value};

use crate::nodes::Node;

const ENDOWMENT: u64 = 1_000_000_000_000;
const AMOUNT: u64 = 1_000_000;
const POLL: Duration = Duration::from_millis(20);

/// Accounts in groups; a group has one sender.
pub struct Accounts(Vec<Vec<Keypair>>);

/// The transfers of a group: in each round, one from every account. Hexadecimal, as requests carry them.
pub struct SignedGroup {
    rounds: Vec<Vec<String>>,
    /// Storage key of the account that is last in each round.
    last: String,
}

impl Accounts {
    pub fn new(groups: usize, per_group: usize) -> Self {
        let key = |group: usize, index: usize| {
            Keypair::from_uri(&format!("//Bench/{group}/{index}"), CryptoType::Sr25519).expect("a key")
        };
        let group = |group| (0..per_group).map(|index| key(group, index)).collect();
        Self((0..groups).map(group).collect())
    }

    /// What each of them is to have from the beginning, in rao.
    pub fn endowments(&self) -> Vec<(String, u64)> {
        self.0.iter().flatten().map(|key| (account_of(key).to_string(), ENDOWMENT)).collect()
    }

    /// Signs `rounds` transfers of each account to its neighbour.
    pub fn sign(&self, rounds: usize, genesis: [u8; 32]) -> Vec<SignedGroup> {
        self.0.iter().map(|group| sign_group(group, rounds, genesis)).collect()
    }
}

fn sign_group(group: &[Keypair], rounds: usize, genesis: [u8; 32]) -> SignedGroup {
    let transfer = |index: usize, nonce: u32| {
        let to = account_of(&group[(index + 1) % group.len()]);
        let call = pallet_balances::Call::transfer_keep_alive { dest: to.into(), value: AMOUNT };
        let bytes =
            sign_offline(myelin_runtime::RuntimeCall::Balances(call), &group[index], nonce, genesis.into());
        format!("0x{}", hex::encode(bytes))
    };
    let round = |nonce: usize| (0..group.len()).map(|index| transfer(index, nonce as u32)).collect();
    let last = account_of(group.last().expect("an account"));
    let last = format!("0x{}", hex::encode(myelin_chain::storage_keys::account(&last)));
    SignedGroup { rounds: (0..rounds).into_par_iter().map(round).collect(), last }
}

/// A connection to hand transfers in.
struct Sender {
    client: reqwest::blocking::Client,
    url: String,
}

impl Sender {
    fn new(url: &str) -> Self {
        Self { client: reqwest::blocking::Client::new(), url: url.to_owned() }
    }

    fn post(&self, request: &Value) -> Value {
        let answer = self.client.post(&self.url).json(request).send().and_then(|answer| answer.json());
        answer.expect("the node answers")
    }

    fn send(&self, transfers: &[String]) {
        let request = |(bytes, id): (&String, usize)| json!({ "jsonrpc": "2.0", "id": id, "method": "author_submitExtrinsic", "params": [bytes] });
        let answers = self.post(&transfers.iter().zip(0..).map(request).collect());
        for answer in answers.as_array().expect("an answer to each") {
            assert!(answer["result"].is_string(), "a transfer is refused: {answer}");
        }
    }

    /// Transactions of an account that are in final blocks.
    fn nonce(&self, account: &str) -> usize {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "state_getStorage", "params": [account] });
        let answer = self.post(&request);
        let bytes =
            answer["result"].as_str().and_then(|text| hex::decode(&text[2..]).ok()).expect("an account");
        u32::decode(&mut &bytes[..]).expect("a nonce") as usize
    }
}

/// Sends until stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// Each group goes to one of the nodes in turn, and has this many rounds on their way at most.
    pub fn start(groups: Vec<SignedGroup>, urls: &[String], rounds_in_flight: usize) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let start = |(group, url): (SignedGroup, &String)| {
            let (sender, stop, sent) = (Sender::new(url), Arc::clone(&stop), Arc::clone(&sent));
            std::thread::spawn(move || send(&sender, &group, rounds_in_flight, &stop, &sent))
        };
        let senders = groups.into_iter().zip(urls.iter().cycle()).map(start).collect();
        Self { stop, sent, senders }
    }

    /// Whether a sender has nothing left.
    pub fn is_dry(&self) -> bool {
        self.senders.iter().any(JoinHandle::is_finished)
    }

    /// Ends the load; says how many transfers were sent.
    pub fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.join().expect("nothing is refused");
        }
        self.sent.load(Ordering::Relaxed)
    }
}

fn send(
    sender: &Sender,
    group: &SignedGroup,
    rounds_in_flight: usize,
    stop: &AtomicBool,
    sent: &AtomicUsize,
) {
    let mut done = 0;
    for (number, round) in group.rounds.iter().enumerate() {
        while number >= done + rounds_in_flight {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            done = sender.nonce(&group.last);
            if number >= done + rounds_in_flight {
                std::thread::sleep(POLL);
            }
        }
        sender.send(round);
        sent.fetch_add(round.len(), Ordering::Relaxed);
    }
}

/// Sends one round for each block of a node, and waits until all are in.
pub fn send_each_block(groups: &[SignedGroup], node: &Node, url: &str) {
    let sender = Sender::new(url);
    for group in groups {
        let mut height = node.height();
        for round in &group.rounds {
            sender.send(round);
            while node.height() == height {
                std::thread::sleep(Duration::from_millis(2));
            }
            height = node.height();
        }
        while sender.nonce(&group.last) < group.rounds.len() {
            std::thread::sleep(POLL);
        }
    }
}
