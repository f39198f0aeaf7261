//! Bytes on the wire and in the engine's log, in SCALE.
//!
//! The types here are the format; `tests/fixtures.rs` holds it fixed. Decoders take bytes from strangers: each has a limit,
//! and numbers that this chain cannot have (a height beyond 32 bits, a round that nobody reaches) are refused before the
//! engine computes with them.

use std::sync::Arc;

use arc_malachitebft_app_channel::app::{
    engine::util::streaming::StreamContent,
    types::{
        codec::{Codec, HasEncodedLen},
        core::{
            CommitCertificate, CommitSignature, ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal,
            PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType, RoundSignature,
            SignedMessage, ValidatorProof, Validity, VoteType,
        },
        streaming::{StreamId, StreamMessage},
        sync::{RawDecidedValue, Request, Response, Status},
        PeerId, ProposedValue, SignedConsensusMsg,
    },
};
use arc_malachitebft_core_consensus::LivenessMsg;
use arc_malachitebft_sync::{ValueRequest, ValueResponse};
use bytes::Bytes;
use codec::{Decode, DecodeAll, Encode};
use myelin_chain::{
    certificate::{ConsensusSignature, VoteKind},
    validators::MAX_VALIDATORS,
    Certificate, ConsensusKey, Hash, Lookahead,
};

use crate::{
    context::{Address, BlockId, Context, Height, Proposal, Vote},
    guard::{GuardError, SigningGuard},
    observer::{ConsensusMessage, ConsensusObserver},
    outset::Outset,
    parts::{Part, PART_BYTES},
    signing::{block_of, place_of_proposal, place_of_vote, round_of, vote_kind},
};

/// Rounds beyond this are refused: at the shortest timeouts, reaching it takes years.
const MAX_ROUND: u32 = 1 << 24;
/// Bytes of a vote, a proposal, a proof or a status.
pub(crate) const MAX_SMALL_BYTES: usize = 1 << 10;
/// Bytes of a certificate.
pub(crate) const MAX_CERTIFICATE_BYTES: usize = 1024 + 160 * MAX_VALIDATORS;
/// Bytes of a block's part with its envelope.
pub(crate) const MAX_PART_MESSAGE_BYTES: usize = PART_BYTES + 1024;
/// Bytes of an answer with blocks.
pub const MAX_RESPONSE_BYTES: usize = 12 << 20;
/// Bytes that name a stream of parts.
const MAX_STREAM_ID_BYTES: usize = 64;

/// Why bytes are not a message, or a message has no bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Too long to be looked at.
    #[error("a message of {found} bytes is longer than the limit of {limit}")]
    TooLong {
        /// Bytes in the message.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not the format.
    #[error("the message cannot be decoded: {0}")]
    Malformed(#[from] codec::Error),
    /// A number that no chain reaches.
    #[error("the message names {what} {value}, the limit is {limit}")]
    OutOfBounds {
        /// Of what kind.
        what: &'static str,
        /// The number.
        value: u64,
        /// The largest that there may be.
        limit: u64,
    },
    /// Not the name of a node.
    #[error("the message names no node: {0}")]
    BadPeer(String),
    /// It must not leave.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

type Result<T> = std::result::Result<T, CodecError>;

/// Encodes and decodes what the engine sends, receives and logs.
#[derive(Clone, Default)]
pub struct WireCodec {
    role: Role,
}

#[derive(Clone, Default)]
enum Role {
    /// Only translates.
    #[default]
    Plain,
    /// Sits between engine and network.
    Network {
        own: Option<(ConsensusKey, Arc<SigningGuard>)>,
        observer: Option<Arc<dyn ConsensusObserver>>,
        /// Makes the blocks of peers who are ahead ready, before the engine asks about them.
        lookahead: Arc<Lookahead>,
        /// Hears how far peers are.
        outset: Arc<Outset>,
    },
    /// Sits between engine and log.
    Log { own: ConsensusKey, guard: Arc<SigningGuard> },
}

impl WireCodec {
    pub(crate) fn network(
        own: Option<(ConsensusKey, Arc<SigningGuard>)>,
        observer: Option<Arc<dyn ConsensusObserver>>,
        lookahead: Arc<Lookahead>,
        outset: Arc<Outset>,
    ) -> Self {
        Self { role: Role::Network { own, observer, lookahead, outset } }
    }

    pub(crate) fn log(own: Option<(ConsensusKey, Arc<SigningGuard>)>) -> Self {
        let role = own.map_or(Role::Plain, |(own, guard)| Role::Log { own, guard });
        Self { role }
    }

    fn leaving(&self, message: &SignedConsensusMsg<Context>) -> Result<()> {
        let Role::Network { own, observer, .. } = &self.role else { return Ok(()) };
        let (signer, place, value) = subject(message);
        if let Some((_, guard)) = own.as_ref().filter(|(key, _)| *key == signer) {
            guard.publish(place, value)?;
        }
        if let Some(observer) = observer {
            observer.sent(&observed(message));
        }
        Ok(())
    }

    fn arrived(&self, message: &SignedConsensusMsg<Context>) {
        let (signer, place, value) = subject(message);
        match &self.role {
            Role::Log { own, guard } if *own == signer => guard.confirm(place, value),
            Role::Network { observer, outset, .. } => {
                let observed = observed(message);
                if let Some(observer) = observer {
                    observer.received(&observed);
                }
                if let SignedConsensusMsg::Vote(vote) = message {
                    outset.heard_vote(&observed, &vote.message);
                }
            }
            _ => {}
        }
    }
}

fn subject(message: &SignedConsensusMsg<Context>) -> (ConsensusKey, crate::guard::Place, Option<Hash>) {
    match message {
        SignedConsensusMsg::Vote(vote) => {
            (vote.message.validator.0, place_of_vote(&vote.message), block_of(&vote.message.block))
        }
        SignedConsensusMsg::Proposal(proposal) => {
            let message = &proposal.message;
            (message.proposer.0, place_of_proposal(message), Some(message.block.0))
        }
    }
}

fn observed(message: &SignedConsensusMsg<Context>) -> ConsensusMessage {
    let (validator, place, block) = subject(message);
    let crate::guard::Place { height, round, step } = place;
    ConsensusMessage { validator, height, round, step, block, signature: *message.signature() }
}

fn decode<T: Decode>(bytes: &Bytes, limit: usize) -> Result<T> {
    match bytes.len() {
        found if found > limit => Err(CodecError::TooLong { found, limit }),
        _ => Ok(T::decode_all(&mut &bytes[..])?),
    }
}

/// A round that exists.
fn defined(round: Round) -> Result<u32> {
    let value = round_of(round);
    match value > MAX_ROUND {
        true => Err(CodecError::OutOfBounds { what: "round", value: value.into(), limit: MAX_ROUND.into() }),
        false => Ok(value),
    }
}

fn round(value: u32) -> Result<Round> {
    defined(Round::new(value)).map(Round::new)
}

fn optional_round(value: Option<u32>) -> Result<Round> {
    value.map_or(Ok(Round::Nil), round)
}

fn number(height: Height) -> Result<u32> {
    u32::try_from(height.0).map_err(|_| CodecError::OutOfBounds {
        what: "height",
        value: height.0,
        limit: u32::MAX.into(),
    })
}

fn vote_type(kind: VoteKind) -> VoteType {
    match kind {
        VoteKind::Prevote => VoteType::Prevote,
        VoteKind::Precommit => VoteType::Precommit,
    }
}

fn nil_or(block: Option<Hash>) -> NilOrVal<BlockId> {
    block.map_or(NilOrVal::Nil, |block| NilOrVal::Val(BlockId(block)))
}

/// A signed vote.
#[derive(Encode, Decode)]
struct WireVote {
    height: u32,
    round: u32,
    kind: VoteKind,
    block: Option<Hash>,
    validator: ConsensusKey,
    signature: ConsensusSignature,
}

/// A signed proposal.
#[derive(Encode, Decode)]
struct WireProposal {
    height: u32,
    round: u32,
    block: Hash,
    valid_round: Option<u32>,
    proposer: ConsensusKey,
    signature: ConsensusSignature,
}

#[derive(Encode, Decode)]
enum WireMessage {
    #[codec(index = 0)]
    Vote(WireVote),
    #[codec(index = 1)]
    Proposal(WireProposal),
}

/// Prevotes of more than two thirds for a block.
#[derive(Encode, Decode)]
struct WirePolka {
    height: u32,
    round: u32,
    block: Hash,
    signatures: Vec<(ConsensusKey, ConsensusSignature)>,
}

#[derive(Encode, Decode)]
struct WireRoundVote {
    kind: VoteKind,
    block: Option<Hash>,
    validator: ConsensusKey,
    signature: ConsensusSignature,
}

/// Votes that let others go to a later round.
#[derive(Encode, Decode)]
struct WireRoundCertificate {
    height: u32,
    round: u32,
    is_skip: bool,
    votes: Vec<WireRoundVote>,
}

#[derive(Encode, Decode)]
enum WireLiveness {
    #[codec(index = 0)]
    Vote(WireVote),
    #[codec(index = 1)]
    Polka(WirePolka),
    #[codec(index = 2)]
    Round(WireRoundCertificate),
}

#[derive(Encode, Decode)]
struct WireStream {
    id: Vec<u8>,
    sequence: u64,
    part: Option<Part>,
}

#[derive(Encode, Decode)]
struct WireProof {
    key: Vec<u8>,
    peer: Vec<u8>,
    signature: ConsensusSignature,
}

/// A block that was judged, in the log.
#[derive(Encode, Decode)]
struct WireProposedValue {
    height: u32,
    round: u32,
    valid_round: Option<u32>,
    proposer: ConsensusKey,
    block: Hash,
    is_valid: bool,
}

#[derive(Encode, Decode)]
struct WireStatus {
    peer: Vec<u8>,
    tip: u32,
    history_min: u32,
}

#[derive(Encode, Decode)]
struct WireRequest {
    first: u32,
    last: u32,
}

#[derive(Encode, Decode)]
struct WireResponse {
    first: u32,
    blocks: Vec<(Vec<u8>, Certificate)>,
}

fn to_wire_vote(vote: &SignedMessage<Context, Vote>) -> Result<WireVote> {
    let Vote { height, round, kind, block, validator } = &vote.message;
    Ok(WireVote {
        height: number(*height)?,
        round: defined(*round)?,
        kind: vote_kind(*kind),
        block: block_of(block),
        validator: validator.0,
        signature: vote.signature,
    })
}

fn from_wire_vote(wire: WireVote) -> Result<SignedMessage<Context, Vote>> {
    let vote = Vote {
        height: wire.height.into(),
        round: round(wire.round)?,
        kind: vote_type(wire.kind),
        block: nil_or(wire.block),
        validator: Address(wire.validator),
    };
    Ok(SignedMessage::new(vote, wire.signature))
}

impl Codec<SignedConsensusMsg<Context>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, message: &SignedConsensusMsg<Context>) -> Result<Bytes> {
        self.leaving(message)?;
        let wire = match message {
            SignedConsensusMsg::Vote(vote) => WireMessage::Vote(to_wire_vote(vote)?),
            SignedConsensusMsg::Proposal(proposal) => {
                let Proposal { height, round, block, valid_round, proposer } = &proposal.message;
                WireMessage::Proposal(WireProposal {
                    height: number(*height)?,
                    round: defined(*round)?,
                    block: block.0,
                    valid_round: valid_round.as_u32(),
                    proposer: proposer.0,
                    signature: proposal.signature,
                })
            }
        };
        Ok(wire.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<SignedConsensusMsg<Context>> {
        let message = match decode(&bytes, MAX_SMALL_BYTES)? {
            WireMessage::Vote(vote) => SignedConsensusMsg::Vote(from_wire_vote(vote)?),
            WireMessage::Proposal(wire) => {
                let proposal = Proposal {
                    height: wire.height.into(),
                    round: round(wire.round)?,
                    block: BlockId(wire.block),
                    valid_round: optional_round(wire.valid_round)?,
                    proposer: Address(wire.proposer),
                };
                SignedConsensusMsg::Proposal(SignedMessage::new(proposal, wire.signature))
            }
        };
        self.arrived(&message);
        Ok(message)
    }
}

fn to_wire_polka(polka: &PolkaCertificate<Context>) -> Result<WirePolka> {
    let signatures =
        polka.polka_signatures.iter().map(|signed| (signed.address.0, signed.signature)).collect();
    Ok(WirePolka {
        height: number(polka.height)?,
        round: defined(polka.round)?,
        block: polka.value_id.0,
        signatures,
    })
}

fn from_wire_polka(wire: WirePolka) -> Result<PolkaCertificate<Context>> {
    let signed = |(key, signature)| PolkaSignature::new(Address(key), signature);
    Ok(PolkaCertificate {
        height: wire.height.into(),
        round: round(wire.round)?,
        value_id: BlockId(wire.block),
        polka_signatures: wire.signatures.into_iter().map(signed).collect(),
    })
}

impl Codec<PolkaCertificate<Context>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, polka: &PolkaCertificate<Context>) -> Result<Bytes> {
        Ok(to_wire_polka(polka)?.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<PolkaCertificate<Context>> {
        from_wire_polka(decode(&bytes, MAX_CERTIFICATE_BYTES)?)
    }
}

fn to_wire_round(certificate: &RoundCertificate<Context>) -> Result<WireRoundCertificate> {
    let vote = |vote: &RoundSignature<Context>| WireRoundVote {
        kind: vote_kind(vote.vote_type),
        block: block_of(&vote.value_id),
        validator: vote.address.0,
        signature: vote.signature,
    };
    Ok(WireRoundCertificate {
        height: number(certificate.height)?,
        round: defined(certificate.round)?,
        is_skip: matches!(certificate.cert_type, RoundCertificateType::Skip),
        votes: certificate.round_signatures.iter().map(vote).collect(),
    })
}

fn from_wire_round(wire: WireRoundCertificate) -> Result<RoundCertificate<Context>> {
    let vote = |vote: WireRoundVote| {
        RoundSignature::new(vote_type(vote.kind), nil_or(vote.block), Address(vote.validator), vote.signature)
    };
    Ok(RoundCertificate {
        height: wire.height.into(),
        round: round(wire.round)?,
        cert_type: match wire.is_skip {
            true => RoundCertificateType::Skip,
            false => RoundCertificateType::Precommit,
        },
        round_signatures: wire.votes.into_iter().map(vote).collect(),
    })
}

impl Codec<LivenessMsg<Context>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, message: &LivenessMsg<Context>) -> Result<Bytes> {
        let wire = match message {
            LivenessMsg::Vote(vote) => {
                self.leaving(&SignedConsensusMsg::Vote(vote.clone()))?;
                WireLiveness::Vote(to_wire_vote(vote)?)
            }
            LivenessMsg::PolkaCertificate(polka) => WireLiveness::Polka(to_wire_polka(polka)?),
            LivenessMsg::SkipRoundCertificate(certificate) => {
                WireLiveness::Round(to_wire_round(certificate)?)
            }
        };
        Ok(wire.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<LivenessMsg<Context>> {
        Ok(match decode(&bytes, MAX_CERTIFICATE_BYTES)? {
            WireLiveness::Vote(vote) => {
                let vote = from_wire_vote(vote)?;
                self.arrived(&SignedConsensusMsg::Vote(vote.clone()));
                LivenessMsg::Vote(vote)
            }
            WireLiveness::Polka(polka) => LivenessMsg::PolkaCertificate(from_wire_polka(polka)?),
            WireLiveness::Round(certificate) => {
                LivenessMsg::SkipRoundCertificate(from_wire_round(certificate)?)
            }
        })
    }
}

impl Codec<Part> for WireCodec {
    type Error = CodecError;

    fn encode(&self, part: &Part) -> Result<Bytes> {
        Ok(part.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<Part> {
        decode(&bytes, MAX_PART_MESSAGE_BYTES)
    }
}

impl Codec<StreamMessage<Part>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, message: &StreamMessage<Part>) -> Result<Bytes> {
        let id = message.stream_id.to_bytes().to_vec();
        let wire = WireStream { id, sequence: message.sequence, part: message.content.as_data().cloned() };
        Ok(wire.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<StreamMessage<Part>> {
        let wire: WireStream = decode(&bytes, MAX_PART_MESSAGE_BYTES)?;
        if wire.id.len() > MAX_STREAM_ID_BYTES {
            return Err(CodecError::TooLong { found: wire.id.len(), limit: MAX_STREAM_ID_BYTES });
        }
        let content = wire.part.map_or(StreamContent::Fin, StreamContent::Data);
        Ok(StreamMessage::new(StreamId::new(wire.id.into()), wire.sequence, content))
    }
}

impl Codec<ValidatorProof<Context>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, proof: &ValidatorProof<Context>) -> Result<Bytes> {
        let ValidatorProof { public_key, peer_id, signature } = proof;
        let wire = WireProof { key: public_key.clone(), peer: peer_id.clone(), signature: *signature };
        Ok(wire.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<ValidatorProof<Context>> {
        let wire: WireProof = decode(&bytes, MAX_SMALL_BYTES)?;
        Ok(ValidatorProof::new(wire.key, wire.peer, wire.signature))
    }
}

impl Codec<ProposedValue<Context>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, value: &ProposedValue<Context>) -> Result<Bytes> {
        let wire = WireProposedValue {
            height: number(value.height)?,
            round: defined(value.round)?,
            valid_round: value.valid_round.as_u32(),
            proposer: value.proposer.0,
            block: value.value.0,
            is_valid: value.validity.to_bool(),
        };
        Ok(wire.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<ProposedValue<Context>> {
        let wire: WireProposedValue = decode(&bytes, MAX_SMALL_BYTES)?;
        Ok(ProposedValue {
            height: wire.height.into(),
            round: round(wire.round)?,
            valid_round: optional_round(wire.valid_round)?,
            proposer: Address(wire.proposer),
            value: BlockId(wire.block),
            validity: Validity::from_bool(wire.is_valid),
        })
    }
}

impl Codec<Status<Context>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, status: &Status<Context>) -> Result<Bytes> {
        let wire = WireStatus {
            peer: status.peer_id.to_bytes(),
            tip: number(status.tip_height)?,
            history_min: number(status.history_min_height)?,
        };
        Ok(wire.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<Status<Context>> {
        let wire: WireStatus = decode(&bytes, MAX_SMALL_BYTES)?;
        let peer_id =
            PeerId::from_bytes(&wire.peer).map_err(|error| CodecError::BadPeer(error.to_string()))?;
        if let Role::Network { outset, .. } = &self.role {
            outset.heard(&peer_id, wire.tip, wire.history_min);
        }
        Ok(Status { peer_id, tip_height: wire.tip.into(), history_min_height: wire.history_min.into() })
    }
}

impl Codec<Request<Context>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, request: &Request<Context>) -> Result<Bytes> {
        let Request::ValueRequest(request) = request;
        let wire =
            WireRequest { first: number(*request.range.start())?, last: number(*request.range.end())? };
        Ok(wire.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<Request<Context>> {
        let wire: WireRequest = decode(&bytes, MAX_SMALL_BYTES)?;
        Ok(Request::ValueRequest(ValueRequest::new(wire.first.into()..=wire.last.into())))
    }
}

/// A certificate as blocks carry it.
pub(crate) fn to_certificate(certificate: &CommitCertificate<Context>) -> Result<Certificate> {
    let signed = |signed: &CommitSignature<Context>| (signed.address.0, signed.signature);
    Ok(Certificate {
        height: number(certificate.height)?,
        round: defined(certificate.round)?,
        block: certificate.value_id.0,
        signatures: certificate.commit_signatures.iter().map(signed).collect(),
    })
}

/// A certificate as the engine exchanges it.
pub(crate) fn from_certificate(certificate: Certificate) -> Result<ExtendedCommitCertificate<Context>> {
    let signed = |(key, signature)| ExtendedCommitSignature::new(Address(key), signature, None);
    Ok(ExtendedCommitCertificate {
        height: certificate.height.into(),
        round: round(certificate.round)?,
        value_id: BlockId(certificate.block),
        commit_signatures: certificate.signatures.into_iter().map(signed).collect(),
    })
}

fn to_wire_response(response: &Response<Context>) -> Result<WireResponse> {
    let Response::ValueResponse(response) = response;
    let block = |value: &RawDecidedValue<Context>| -> Result<_> {
        let certificate = to_certificate(&value.certificate.trim_vote_extensions())?;
        Ok((value.value_bytes.to_vec(), certificate))
    };
    let blocks = response.values.iter().map(block).collect::<Result<_>>()?;
    Ok(WireResponse { first: number(response.start_height)?, blocks })
}

impl Codec<Response<Context>> for WireCodec {
    type Error = CodecError;

    fn encode(&self, response: &Response<Context>) -> Result<Bytes> {
        Ok(to_wire_response(response)?.encode().into())
    }

    fn decode(&self, bytes: Bytes) -> Result<Response<Context>> {
        let wire: WireResponse = decode(&bytes, MAX_RESPONSE_BYTES)?;
        let block = |(block, certificate): (Vec<u8>, Certificate)| -> Result<_> {
            if certificate.signatures.len() > MAX_VALIDATORS {
                let value = certificate.signatures.len() as u64;
                return Err(CodecError::OutOfBounds {
                    what: "a number of signatures,",
                    value,
                    limit: MAX_VALIDATORS as u64,
                });
            }
            Ok((certificate, Bytes::from(block)))
        };
        let blocks = wire.blocks.into_iter().map(block).collect::<Result<Vec<_>>>()?;
        if let Role::Network { lookahead, .. } = &self.role {
            let in_order =
                (wire.first..).zip(&blocks).take_while(|(height, (proof, _))| *height == proof.height);
            lookahead.expect(in_order.map(|(_, block)| block.clone()));
        }
        let value = |(certificate, block)| Ok(RawDecidedValue::new(block, from_certificate(certificate)?));
        let values = blocks.into_iter().map(value).collect::<Result<Vec<_>>>()?;
        Ok(Response::ValueResponse(ValueResponse::new(wire.first.into(), values)))
    }
}

impl HasEncodedLen<Response<Context>> for WireCodec {
    fn encoded_len(&self, response: &Response<Context>) -> Result<usize> {
        Ok(to_wire_response(response)?.encoded_size())
    }
}
