//! The engine's vocabulary, in terms of this chain.
//!
//! The value that validators agree on is the hash of a block; the block itself travels in parts beside the votes. An
//! address is a consensus key.

use std::{fmt, sync::Arc};

use arc_malachitebft_app_channel::app::types::core::{
    self as engine, LinearTimeouts, NilOrVal, Round, SignedExtension, VoteType,
};
use myelin_chain::{ConsensusKey, Hash, ValidatorSet};

use crate::{parts::Part, proposer, signing::Ed25519};

/// Ties the types below together for the engine.
#[derive(Clone, Debug)]
pub struct Context;

/// Height of a block. The engine counts in 64 bits; the codec refuses what the chain cannot have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Height(pub u64);

impl Height {
    /// The height as the chain counts it.
    pub fn number(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl From<u32> for Height {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl fmt::Display for Height {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl engine::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// Who signs: a consensus key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub ConsensusKey);

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl engine::Address for Address {}

/// What is agreed on: the hash of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub Hash);

impl fmt::Display for BlockId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

impl engine::Value for BlockId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// A proposer's word for a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub height: Height,
    pub round: Round,
    pub block: BlockId,
    /// The earlier round in which more than two thirds prevoted for the block.
    pub valid_round: Round,
    pub proposer: Address,
}

impl engine::Proposal<Context> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockId {
        &self.block
    }

    fn take_value(self) -> BlockId {
        self.block
    }

    fn pol_round(&self) -> Round {
        self.valid_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

/// A vote for a block, or for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    pub height: Height,
    pub round: Round,
    pub kind: VoteType,
    pub block: NilOrVal<BlockId>,
    pub validator: Address,
}

impl engine::Vote<Context> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.block
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.block
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.validator
    }

    fn extension(&self) -> Option<&SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Context>> {
        None
    }

    fn extend(self, _: SignedExtension<Context>) -> Self {
        self
    }
}

/// One validator as the engine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    address: Address,
    power: u64,
}

impl engine::Validator<Context> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &Address {
        &self.address
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

/// The validators of one height, never empty; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    set: Arc<ValidatorSet>,
    members: Arc<[Member]>,
}

impl Members {
    /// The validators as the engine sees them; nothing when there are none.
    pub fn new(set: ValidatorSet) -> Option<Self> {
        if set.is_empty() {
            return None;
        }
        let member = |validator: &myelin_chain::Validator| Member {
            address: Address(validator.key),
            power: validator.power,
        };
        let members = set.members().iter().map(member).collect();
        Some(Self { set: Arc::new(set), members })
    }

    /// The validators as the chain sees them.
    pub fn set(&self) -> &ValidatorSet {
        &self.set
    }
}

impl engine::ValidatorSet<Context> for Members {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.set.total_power()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        self.members.iter().find(|member| member.address == *address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }
}

impl engine::ProposalPart<Context> for Part {
    fn is_first(&self) -> bool {
        self.index == 0
    }

    fn is_last(&self) -> bool {
        self.index.checked_add(1) == Some(self.count)
    }
}

impl engine::Context for Context {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Member;
    type ValidatorSet = Members;
    type Timeouts = LinearTimeouts;
    type Value = BlockId;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    #[expect(
        clippy::indexing_slicing,
        reason = "there are no members without one, and the position is one of theirs"
    )]
    fn select_proposer<'a>(&self, members: &'a Members, height: Height, round: Round) -> &'a Member {
        &members.members[proposer::index(members.set(), height.number(), round.as_u32().unwrap_or(0))]
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        block: BlockId,
        valid_round: Round,
        proposer: Address,
    ) -> Proposal {
        Proposal { height, round, block, valid_round, proposer }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        block: NilOrVal<BlockId>,
        validator: Address,
    ) -> Vote {
        Vote { height, round, kind: VoteType::Prevote, block, validator }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        block: NilOrVal<BlockId>,
        validator: Address,
    ) -> Vote {
        Vote { height, round, kind: VoteType::Precommit, block, validator }
    }
}
