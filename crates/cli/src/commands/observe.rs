//! `myelin observe`: hears what validators say, and notices when one of them says two things.

use std::{
    collections::{btree_map::Entry, BTreeMap},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{bail, Result};
use clap::Args;
use myelin_bft::{alarms, Bft, BftConfig, ConsensusMessage, ConsensusObserver, PeerAddress, Step};
use myelin_chain::{Certificate, ConsensusKey, Hash};
use myelin_node::{ChainSpec, Location, Node, NodeConfig};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{context::Context, temporary::TemporaryDirectory};

/// Messages that wait to be printed.
const CAPACITY: usize = 16 * 1024;
/// Heights for which messages are remembered.
const REMEMBERED_HEIGHTS: u32 = 256;

#[derive(Args)]
pub struct ObserveArguments {
    /// The chain's specification.
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// A node to listen to, as HOST:PORT or multiaddress; may be repeated.
    #[arg(long = "peer", value_name = "ADDRESS", required = true)]
    peers: Vec<PeerAddress>,
}

/// Something that was heard.
enum Heard {
    Message(ConsensusMessage),
    Decision { height: u32, round: u32, block: Hash, signatures: usize },
}

/// A line of output.
#[derive(Serialize)]
struct Line {
    what: &'static str,
    height: u32,
    round: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    validator: Option<String>,
    block: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<usize>,
}

impl From<&Heard> for Line {
    fn from(heard: &Heard) -> Self {
        match heard {
            Heard::Message(message) => Self {
                what: name_of(message.step),
                height: message.height,
                round: message.round,
                validator: Some(format!("0x{}", hex::encode(message.validator))),
                block: message.block.map(|block| format!("{block:?}")),
                signatures: None,
            },
            Heard::Decision { height, round, block, signatures } => Self {
                what: "decision",
                height: *height,
                round: *round,
                validator: None,
                block: Some(format!("{block:?}")),
                signatures: Some(*signatures),
            },
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {:9}", self.height, self.round, self.what)?;
        if let Some(validator) = &self.validator {
            write!(f, " by {}", validator.get(..12).unwrap_or(validator))?;
        }
        write!(f, " {}", self.block.as_deref().unwrap_or("for no block"))?;
        self.signatures.map_or(Ok(()), |count| write!(f, ", {count} signatures"))
    }
}

const fn name_of(step: Step) -> &'static str {
    match step {
        Step::Proposal => "proposal",
        Step::Prevote => "prevote",
        Step::Precommit => "precommit",
    }
}

/// Hands on what the engine hears, without ever making it wait.
struct Ear(mpsc::Sender<Heard>);

impl Ear {
    fn hear(&self, heard: Heard) {
        // Whoever prints slower than the network talks misses some, and only then.
        if self.0.try_send(heard).is_err() {
            tracing::warn!("a message was not looked at, because printing is too slow");
        }
    }
}

impl ConsensusObserver for Ear {
    fn received(&self, message: &ConsensusMessage) {
        self.hear(Heard::Message(*message));
    }

    fn sent(&self, _: &ConsensusMessage) {}

    fn committed(&self, certificate: &Certificate) {
        self.hear(Heard::Decision {
            height: certificate.height,
            round: certificate.round,
            block: certificate.block,
            signatures: certificate.signatures.len(),
        });
    }
}

/// Who said something, in which round, at which step.
type Place = (ConsensusKey, u32, Step);

/// What validators have said, by height: for which block, or for none.
#[derive(Default)]
struct Said(BTreeMap<u32, BTreeMap<Place, Option<Hash>>>);

impl Said {
    /// Notes a message; an error if the same validator has said something else at that point.
    fn note(&mut self, message: &ConsensusMessage) -> Result<()> {
        let place = (message.validator, message.round, message.step);
        match self.0.entry(message.height).or_default().entry(place) {
            Entry::Vacant(entry) => {
                entry.insert(message.block);
            }
            Entry::Occupied(entry) if *entry.get() == message.block => {}
            Entry::Occupied(entry) => bail!(
                "validator 0x{} said two things at height {}, round {}, {}: {:?} and {:?}",
                hex::encode(message.validator),
                message.height,
                message.round,
                name_of(message.step),
                entry.get(),
                message.block
            ),
        }
        while self.0.len() > REMEMBERED_HEIGHTS as usize {
            self.0.pop_first();
        }
        Ok(())
    }
}

pub async fn run(context: &Context, arguments: ObserveArguments) -> Result<()> {
    let chain = ChainSpec::load_network(&arguments.chain)?;
    let home = TemporaryDirectory::new("myelin-observe-")?;
    let (ear, mut heard) = mpsc::channel(CAPACITY);
    let any_port = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let mut config = BftConfig::new(home.path(), any_port).with_peers(arguments.peers);
    config.observer = Some(Arc::new(Ear(ear)));
    let node = Node::new(NodeConfig::new(chain, Location::Memory), Box::new(Bft::new(config)));
    let node = node.rpc(None).start().await?;
    let shutdown = node.shutdown_token();
    let outcome = tokio::select! {
        outcome = report(context, &mut heard) => outcome,
        () = shutdown.cancelled() => Ok(()),
        signal = context.ending().asked() => {
            alarms::engine_ends();
            signal
        }
    };
    shutdown.cancel();
    outcome.and(Ok(node.wait().await?))
}

/// Prints what is heard, until a contradiction.
async fn report(context: &Context, heard: &mut mpsc::Receiver<Heard>) -> Result<()> {
    let mut said = Said::default();
    while let Some(heard) = heard.recv().await {
        context.output.result(&Line::from(&heard))?;
        if let Heard::Message(message) = &heard {
            said.note(message)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(height: u32, step: Step, block: Option<u8>) -> ConsensusMessage {
        ConsensusMessage {
            validator: [7; 32],
            height,
            round: 0,
            step,
            block: block.map(Hash::repeat_byte),
            signature: [0; 64],
        }
    }

    #[test]
    fn two_votes_for_one_step_are_a_contradiction() {
        let mut said = Said::default();
        said.note(&vote(1, Step::Prevote, Some(1))).expect("the first");
        said.note(&vote(1, Step::Prevote, Some(1))).expect("the same again");
        said.note(&vote(1, Step::Precommit, None)).expect("another step");
        said.note(&vote(2, Step::Prevote, None)).expect("another height");
        for second in [Some(2), None] {
            let error = said.note(&vote(1, Step::Prevote, second)).expect_err("another block");
            assert!(error.to_string().contains("two things at height 1"), "{error}");
        }
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut said = Said::default();
        for height in 0..3 * REMEMBERED_HEIGHTS {
            said.note(&vote(height, Step::Proposal, Some(1))).expect("one message each");
        }
        assert_eq!(said.0.len(), REMEMBERED_HEIGHTS as usize);
    }
}
