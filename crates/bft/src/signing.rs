//! Signatures: Ed25519 over bytes that name what is signed, the chain and the place in it.

use std::{
    fmt,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
};

use arc_malachitebft_app_channel::app::types::core::{
    NilOrVal, Round, SignedMessage, SigningScheme, ValidatorProof, VoteExtensionScope, VoteType,
};
use arc_malachitebft_signing::{Error, VerificationResult};
use async_trait::async_trait;
use codec::Encode;
use myelin_chain::{
    certificate::{verify_signature, vote_sign_bytes, ConsensusSignature, VoteKind},
    ConsensusKey, Hash,
};
use sp_core::{ed25519, Pair as _};

use crate::{
    context::{Address, BlockId, Context, Proposal, Vote},
    guard::{Place, SigningGuard},
    Step,
};

/// Separates proposals from whatever else a key may sign.
const PROPOSAL_DOMAIN: &[u8; 18] = b"myelin/proposal/1\0";

/// The secret half of a consensus key.
#[derive(Clone)]
pub struct ConsensusSecret(ed25519::Pair);

impl ConsensusSecret {
    /// The key with this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519::Pair::from_seed(seed))
    }

    /// A new key, and the seed to keep it by.
    pub fn generate() -> (Self, [u8; 32]) {
        let (pair, seed) = ed25519::Pair::generate();
        (Self(pair), seed)
    }

    /// The public half.
    pub fn public(&self) -> ConsensusKey {
        self.0.public().0
    }

    pub(crate) fn sign(&self, message: &[u8]) -> ConsensusSignature {
        self.0.sign(message).0
    }
}

impl fmt::Debug for ConsensusSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ConsensusSecret of {}", Address(self.public()))
    }
}

/// The signature scheme, for the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ed25519;

/// Bytes of another length than a key or a signature has.
#[derive(Debug, thiserror::Error)]
#[error("expected {expected} bytes, found {found}")]
pub struct WrongLength {
    expected: usize,
    found: usize,
}

impl SigningScheme for Ed25519 {
    type DecodingError = WrongLength;
    type Signature = ConsensusSignature;
    type PublicKey = Address;
    type PrivateKey = ConsensusSecret;

    fn decode_signature(bytes: &[u8]) -> Result<ConsensusSignature, WrongLength> {
        bytes.try_into().map_err(|_| WrongLength { expected: 64, found: bytes.len() })
    }

    fn encode_signature(signature: &ConsensusSignature) -> Vec<u8> {
        signature.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<Address, WrongLength> {
        let key = bytes.try_into().map_err(|_| WrongLength { expected: 32, found: bytes.len() })?;
        Ok(Address(key))
    }

    fn encode_public_key(key: &Address) -> Vec<u8> {
        key.0.to_vec()
    }
}

pub(crate) fn vote_kind(kind: VoteType) -> VoteKind {
    match kind {
        VoteType::Prevote => VoteKind::Prevote,
        VoteType::Precommit => VoteKind::Precommit,
    }
}

pub(crate) fn block_of(value: &NilOrVal<BlockId>) -> Option<Hash> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(block.0),
    }
}

/// Rounds that count; the engine's "no round" is signed by nobody.
pub(crate) fn round_of(round: Round) -> u32 {
    round.as_u32().unwrap_or(u32::MAX)
}

/// Where a vote stands.
pub(crate) fn place_of_vote(vote: &Vote) -> Place {
    let step = match vote.kind {
        VoteType::Prevote => Step::Prevote,
        VoteType::Precommit => Step::Precommit,
    };
    Place { height: vote.height.number(), round: round_of(vote.round), step }
}

/// Where a proposal stands.
pub(crate) fn place_of_proposal(proposal: &Proposal) -> Place {
    Place { height: proposal.height.number(), round: round_of(proposal.round), step: Step::Proposal }
}

pub(crate) fn vote_bytes(chain: &Hash, vote: &Vote) -> Vec<u8> {
    let (height, round) = (vote.height.number(), round_of(vote.round));
    vote_sign_bytes(chain, height, round, vote_kind(vote.kind), block_of(&vote.block).as_ref())
}

fn proposal_bytes(chain: &Hash, proposal: &Proposal) -> Vec<u8> {
    let Proposal { height, round, block, valid_round, .. } = proposal;
    (PROPOSAL_DOMAIN, chain, height.number(), round_of(*round), block.0, valid_round.as_u32()).encode()
}

/// Checks what others signed.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    pub chain: Hash,
}

fn verdict(valid: bool) -> Result<VerificationResult, Error> {
    Ok(VerificationResult::from_bool(valid))
}

#[async_trait]
impl arc_malachitebft_signing::Verifier<Context> for Verifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &ConsensusSignature,
        key: &Address,
    ) -> Result<VerificationResult, Error> {
        verdict(verify_signature(&key.0, &vote_bytes(&self.chain, vote), signature))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &ConsensusSignature,
        key: &Address,
    ) -> Result<VerificationResult, Error> {
        verdict(verify_signature(&key.0, &proposal_bytes(&self.chain, proposal), signature))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Context>,
        (): &(),
        _: &ConsensusSignature,
        _: &Address,
    ) -> Result<VerificationResult, Error> {
        // Votes here carry no extensions.
        verdict(false)
    }

    async fn verify_validator_proof(
        &self,
        proof: &ValidatorProof<Context>,
    ) -> Result<VerificationResult, Error> {
        let key = proof.decoded_public_key();
        verdict(key.is_ok_and(|key| verify_signature(&key.0, &proof.preimage(), &proof.signature)))
    }
}

/// Signs, once the guard permits it and while the node is sound.
#[derive(Clone)]
pub(crate) struct Signer {
    pub secret: ConsensusSecret,
    pub chain: Hash,
    pub guard: Arc<SigningGuard>,
    /// Set when something failed locally; what cannot be executed or stored must not be voted for.
    pub halted: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
#[error("nothing is signed any more, because this node has failed; see the first error in its log")]
struct Halted;

impl Signer {
    fn permit(&self, place: Place, value: Option<Hash>) -> Result<(), Error> {
        if self.halted.load(Ordering::Acquire) {
            return Err(Error::from_source(Halted));
        }
        self.guard.permit(place, value).map_err(Error::from_source)
    }
}

#[async_trait]
impl arc_malachitebft_signing::Signer<Context> for Signer {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Context, Vote>, Error> {
        self.permit(place_of_vote(&vote), block_of(&vote.block))?;
        let signature = self.secret.sign(&vote_bytes(&self.chain, &vote));
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(&self, proposal: Proposal) -> Result<SignedMessage<Context, Proposal>, Error> {
        self.permit(place_of_proposal(&proposal), Some(proposal.block.0))?;
        let signature = self.secret.sign(&proposal_bytes(&self.chain, &proposal));
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Context>,
        (): (),
    ) -> Result<SignedMessage<Context, ()>, Error> {
        Err(Error::new())
    }

    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Context>, Error> {
        let bytes = ValidatorProof::<Context>::signing_bytes(&public_key, &peer_id);
        let signature = self.secret.sign(&bytes);
        Ok(ValidatorProof::new(public_key, peer_id, signature))
    }
}
