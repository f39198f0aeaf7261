//! Encodings: fixed bytes, round trips, and whatever strangers send.

use arc_malachitebft_app_channel::app::{
    engine::util::streaming::StreamContent,
    types::{
        codec::{Codec, HasEncodedLen},
        core::{
            ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate, PolkaSignature,
            Round, RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, ValidatorProof,
            Validity, VoteType,
        },
        streaming::{StreamId, StreamMessage},
        sync::{RawDecidedValue, Request, Response, Status},
        PeerId, ProposedValue, SignedConsensusMsg,
    },
};
use arc_malachitebft_core_consensus::LivenessMsg;
use arc_malachitebft_sync::{ValueRequest, ValueResponse};
use bytes::Bytes;
use myelin_bft::{
    codec::WireCodec,
    context::{Address, BlockId, Context, Height, Proposal, Vote},
    parts::Part,
};
use myelin_chain::Hash;
use proptest::prelude::*;

const KEY: Address = Address([0x11; 32]);
const SIGNATURE: [u8; 64] = [0x22; 64];

fn block() -> BlockId {
    BlockId(Hash::repeat_byte(0x33))
}

fn vote(kind: VoteType, value: NilOrVal<BlockId>) -> SignedMessage<Context, Vote> {
    let vote = Vote { height: Height(0x0102_0304), round: Round::new(5), kind, block: value, validator: KEY };
    SignedMessage::new(vote, SIGNATURE)
}

fn proposal(valid_round: Round) -> SignedMessage<Context, Proposal> {
    let proposal =
        Proposal { height: Height(7), round: Round::new(8), block: block(), valid_round, proposer: KEY };
    SignedMessage::new(proposal, SIGNATURE)
}

fn polka() -> PolkaCertificate<Context> {
    PolkaCertificate {
        height: Height(9),
        round: Round::new(1),
        value_id: block(),
        polka_signatures: vec![PolkaSignature::new(KEY, SIGNATURE)],
    }
}

fn round_certificate() -> RoundCertificate<Context> {
    RoundCertificate {
        height: Height(9),
        round: Round::new(1),
        cert_type: RoundCertificateType::Skip,
        round_signatures: vec![RoundSignature::new(VoteType::Precommit, NilOrVal::Nil, KEY, SIGNATURE)],
    }
}

fn part() -> Part {
    Part {
        height: 1,
        round: 2,
        block: block().0,
        sender: KEY.0,
        index: 3,
        count: 4,
        bytes: vec![0x44; 5],
        signature: SIGNATURE,
    }
}

fn response() -> Response<Context> {
    let certificate = ExtendedCommitCertificate {
        height: Height(1),
        round: Round::new(0),
        value_id: block(),
        commit_signatures: vec![ExtendedCommitSignature::new(KEY, SIGNATURE, None)],
    };
    let value = RawDecidedValue::new(Bytes::from_static(&[0x55; 3]), certificate);
    Response::ValueResponse(ValueResponse::new(Height(1), vec![value]))
}

/// The bytes of a message, which must come back as it was.
fn fixed<T>(name: &str, message: &T) -> String
where
    T: PartialEq + std::fmt::Debug,
    WireCodec: Codec<T>,
{
    let codec = WireCodec::default();
    let bytes = codec.encode(message).unwrap();
    assert_eq!(&codec.decode(bytes.clone()).unwrap(), message);
    // Bytes that are left over, or missing, are noticed.
    assert!(Codec::<T>::decode(&codec, [&bytes[..], &[0]].concat().into()).is_err());
    assert!(Codec::<T>::decode(&codec, bytes.slice(..bytes.len() - 1)).is_err());
    format!("{name}: {}\n", shown(&bytes))
}

/// Hexadecimal, with runs of one byte written as `byte*count`.
fn shown(bytes: &[u8]) -> String {
    let mut words: Vec<String> = Vec::new();
    for run in bytes.chunk_by(|left, right| left == right) {
        match run.len() {
            1..=3 => words.push(hex::encode(run)),
            count => words.push(format!("{:02x}*{count}", run[0])),
        }
    }
    words.join(" ")
}

/// Run with `UPDATE_FIXTURES=1` to change the format on purpose: nodes of both formats cannot talk to each other, and logs
/// of one cannot be read by the other.
#[test]
fn the_bytes_change_only_on_purpose() {
    let stream = |content| StreamMessage::new(StreamId::new(Bytes::from_static(b"id")), 6, content);
    let judged = ProposedValue::<Context> {
        height: Height(1),
        round: Round::new(2),
        valid_round: Round::Nil,
        proposer: KEY,
        value: block(),
        validity: Validity::Valid,
    };
    let peer_id = PeerId::from_bytes(&[0, 2, 8, 1]).unwrap();
    let status = Status::<Context> { peer_id, tip_height: Height(2), history_min_height: Height(1) };
    let request = Request::<Context>::ValueRequest(ValueRequest::new(Height(2)..=Height(3)));
    let nil = vote(VoteType::Precommit, NilOrVal::Nil);
    let found = [
        fixed("prevote", &SignedConsensusMsg::Vote(vote(VoteType::Prevote, NilOrVal::Val(block())))),
        fixed("precommit for nothing", &SignedConsensusMsg::Vote(nil.clone())),
        fixed("proposal", &SignedConsensusMsg::Proposal(proposal(Round::Nil))),
        fixed("proposal again", &SignedConsensusMsg::Proposal(proposal(Round::new(3)))),
        fixed("polka", &polka()),
        fixed("vote sent again", &LivenessMsg::Vote(nil)),
        fixed("polka sent again", &LivenessMsg::PolkaCertificate(polka())),
        fixed("round certificate", &LivenessMsg::SkipRoundCertificate(round_certificate())),
        fixed("part", &part()),
        fixed("part in a stream", &stream(StreamContent::Data(part()))),
        fixed("end of a stream", &stream(StreamContent::Fin)),
        fixed("validator proof", &ValidatorProof::<Context>::new(vec![1, 2], vec![3], SIGNATURE)),
        fixed("judged block", &judged),
        fixed("status", &status),
        fixed("request", &request),
        fixed("response", &response()),
    ]
    .concat();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wire.txt");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(path).unwrap());
}

#[test]
fn the_length_of_an_answer_is_known_before_it_is_encoded() {
    let codec = WireCodec::default();
    let length = codec.encode(&response()).unwrap().len();
    assert_eq!(codec.encoded_len(&response()).unwrap(), length);
}

#[test]
fn numbers_that_no_chain_reaches_are_refused() {
    let codec = WireCodec::default();
    let mut far = vote(VoteType::Prevote, NilOrVal::Nil);
    far.message.height = Height(1 << 32);
    assert!(codec.encode(&SignedConsensusMsg::Vote(far.clone())).is_err());
    far.message.height = Height(1);
    far.message.round = Round::Nil;
    assert!(codec.encode(&SignedConsensusMsg::Vote(far.clone())).is_err());
    // The round stands after a zero byte and the height.
    far.message.round = Round::new(0);
    let mut bytes = codec.encode(&SignedConsensusMsg::Vote(far)).unwrap().to_vec();
    bytes[5..9].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(Codec::<SignedConsensusMsg<Context>>::decode(&codec, bytes.into()).is_err());
}

#[test]
fn messages_have_limits() {
    let codec = WireCodec::default();
    let large = Bytes::from(vec![0; 1 << 24]);
    assert!(Codec::<SignedConsensusMsg<Context>>::decode(&codec, large.slice(..2000)).is_err());
    assert!(Codec::<Part>::decode(&codec, large.slice(..1 << 18)).is_err());
    let error = Codec::<Response<Context>>::decode(&codec, large).unwrap_err().to_string();
    assert!(error.contains("longer than the limit"), "{error}");
}

/// Decoding gives a value or an error, and a value's bytes are the ones it came from.
fn survives<T>(bytes: &[u8]) -> Result<(), TestCaseError>
where
    WireCodec: Codec<T>,
{
    let codec = WireCodec::default();
    if let Ok(message) = Codec::<T>::decode(&codec, bytes.to_vec().into()) {
        prop_assert_eq!(&codec.encode(&message).unwrap()[..], bytes);
    }
    Ok(())
}

fn all_survive(bytes: &[u8]) -> Result<(), TestCaseError> {
    survives::<SignedConsensusMsg<Context>>(bytes)?;
    survives::<LivenessMsg<Context>>(bytes)?;
    survives::<PolkaCertificate<Context>>(bytes)?;
    survives::<Part>(bytes)?;
    survives::<StreamMessage<Part>>(bytes)?;
    survives::<ValidatorProof<Context>>(bytes)?;
    survives::<ProposedValue<Context>>(bytes)?;
    survives::<Status<Context>>(bytes)?;
    survives::<Request<Context>>(bytes)?;
    survives::<Response<Context>>(bytes)
}

/// Encodings with some bytes changed, which get further into decoders than noise does.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let codec = WireCodec::default();
    let messages = vec![
        codec.encode(&SignedConsensusMsg::Vote(vote(VoteType::Prevote, NilOrVal::Val(block())))).unwrap(),
        codec.encode(&SignedConsensusMsg::Proposal(proposal(Round::new(3)))).unwrap(),
        codec.encode(&LivenessMsg::SkipRoundCertificate(round_certificate())).unwrap(),
        codec.encode(&LivenessMsg::PolkaCertificate(polka())).unwrap(),
        codec.encode(&part()).unwrap(),
        codec.encode(&response()).unwrap(),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    (prop::sample::select(messages), changes, any::<prop::sample::Index>()).prop_map(
        |(message, changes, end)| {
            let mut bytes = message.to_vec();
            for (index, value) in changes {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
            bytes.truncate(end.index(bytes.len()) + 1);
            bytes
        },
    )
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        all_survive(&bytes)?;
    }

    #[test]
    fn damaged_messages_never_panic(bytes in damaged()) {
        all_survive(&bytes)?;
    }
}
