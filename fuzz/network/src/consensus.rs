//! What validators send to each other.

use arc_malachitebft_app_channel::app::types::{
    codec::Codec,
    core::{PolkaCertificate, ValidatorProof},
    streaming::StreamMessage,
    sync::{Request, Response, Status},
    ProposedValue, SignedConsensusMsg,
};
use arc_malachitebft_core_consensus::LivenessMsg;
use codec::{Decode, Encode};
use myelin_bft::{
    codec::WireCodec,
    context::Context,
    parts::{Assembler, Part, MAX_PARTS, PART_BYTES},
};
use myelin_chain::{Block, Hash};

/// A message of the kind that the first byte names.
pub fn consensus_wire(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 10 {
        0 => survives::<SignedConsensusMsg<Context>>(bytes),
        1 => survives::<LivenessMsg<Context>>(bytes),
        2 => survives::<PolkaCertificate<Context>>(bytes),
        3 => survives::<Part>(bytes),
        4 => survives::<StreamMessage<Part>>(bytes),
        5 => survives::<ValidatorProof<Context>>(bytes),
        6 => survives::<ProposedValue<Context>>(bytes),
        7 => survives::<Status<Context>>(bytes),
        8 => survives::<Request<Context>>(bytes),
        _ => survives::<Response<Context>>(bytes),
    }
}

fn survives<T>(bytes: &[u8])
where
    WireCodec: Codec<T>,
{
    let codec = WireCodec::default();
    let Ok(message) = Codec::<T>::decode(&codec, bytes.to_vec().into()) else { return };
    let encoded = codec.encode(&message).unwrap_or_else(|_| panic!("what was decoded can be encoded"));
    assert_eq!(encoded, bytes);
}

/// What is done to an assembler: parts of a block in any order, from several senders.
#[derive(Decode)]
enum Step {
    /// The next bytes of a block, or whatever else is there.
    Insert {
        sender: u8,
        height: u8,
        block: u8,
        index: u8,
        count: u8,
        bytes: Vec<u8>,
    },
    /// A whole block in parts of one byte each, but for those that are left out.
    Whole {
        sender: u8,
        left_out: u8,
        block: Block,
    },
    Forget {
        height: u8,
    },
}

/// Parts that were checked may come in any order and number.
pub fn parts(mut data: &[u8]) {
    let mut assembler = Assembler::default();
    for _ in 0..64 {
        let Ok(step) = Step::decode(&mut data) else { return };
        match step {
            Step::Insert { sender, height, block, index, count, bytes } => {
                insert(
                    &mut assembler,
                    (sender, height.into(), Hash::repeat_byte(block)),
                    (index, count),
                    bytes,
                );
            }
            Step::Whole { sender, left_out, block } => insert_whole(&mut assembler, sender, left_out, &block),
            Step::Forget { height } => assembler.forget_up_to(height.into()),
        }
    }
}

fn insert(assembler: &mut Assembler, place: (u8, u32, Hash), (index, count): (u8, u8), bytes: Vec<u8>) {
    let (sender, height, block) = place;
    let (index, count) = (u16::from(index), u16::from(count));
    // What `Part::check` lets through, apart from signatures.
    if index >= count || count > MAX_PARTS || bytes.is_empty() || bytes.len() > PART_BYTES {
        return;
    }
    let part =
        Part { height, round: 0, block, sender: [sender; 32], index, count, bytes, signature: [0; 64] };
    if let Ok(Some(whole)) = assembler.insert(part) {
        assert_eq!((whole.hash(), whole.number()), (block, height));
    }
}

fn insert_whole(assembler: &mut Assembler, sender: u8, left_out: u8, block: &Block) {
    let encoded = block.encode();
    let pieces: Vec<_> = encoded.chunks(encoded.len().div_ceil(16).max(1)).collect();
    let count = pieces.len() as u8;
    for (piece, index) in pieces.into_iter().zip(0..).filter(|(_, index)| *index != left_out) {
        insert(assembler, (sender, block.number(), block.hash()), (index, count), piece.to_vec());
    }
}
