//! Watching what validators say and decide.

use codec::{Decode, Encode};
use myelin_chain::{Certificate, ConsensusKey, Hash};

/// Steps of a round, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Step {
    /// A block is proposed.
    #[codec(index = 0)]
    Proposal = 0,
    /// Validators say whether it is valid.
    #[codec(index = 1)]
    Prevote = 1,
    /// Validators say whether enough found it valid.
    #[codec(index = 2)]
    Precommit = 2,
}

/// A signed message of a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsensusMessage {
    /// Who claims to have signed. Signatures are verified later, by the engine.
    pub validator: ConsensusKey,
    /// Height of the block.
    pub height: u32,
    /// Round of the height.
    pub round: u32,
    /// Step of the round.
    pub step: Step,
    /// The block; none for a vote against all.
    pub block: Option<Hash>,
    /// The signature.
    pub signature: [u8; 64],
}

/// Hears of every message that crosses the network, and of every decision. Calls come from the engine's threads and must
/// return at once.
pub trait ConsensusObserver: Send + Sync {
    /// A message that another node sent to this one.
    fn received(&self, message: &ConsensusMessage);
    /// A message that this node sends.
    fn sent(&self, message: &ConsensusMessage);
    /// A block that was committed here.
    fn committed(&self, certificate: &Certificate);
}
