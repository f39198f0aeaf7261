//! The bytes that peers exchange. They change only together with the protocol's name.

use std::time::Duration;

use codec::Encode;
use libp2p::futures::io::Cursor;
use libp2p::{request_response::Codec, StreamProtocol};
use myelin_chain::Hash;
use myelin_gossip::wire::{
    decode_request, decode_response, protocol_name, GossipCodec, Request, Response, Unreadable, WireError,
    WireLimits, MAX_ADDRESSES, MAX_ADDRESS_BYTES, MAX_RESPONSE_BYTES,
};
use proptest::prelude::*;
use tokio_util::compat::TokioAsyncReadCompatExt;

const LIMITS: WireLimits = WireLimits { max_message_bytes: 256, max_batch_count: 4 };
const PATIENCE: Duration = Duration::from_millis(50);
const PROTOCOL: StreamProtocol = StreamProtocol::new("/test");

#[test]
fn the_protocol_is_named_after_the_chain() {
    assert_eq!(
        protocol_name(&Hash::repeat_byte(0xab)),
        format!("/myelin/{}/transactions/2", "ab".repeat(32))
    );
}

#[tokio::test]
async fn requests_have_these_bytes() {
    let fixtures = [
        (Request::Transactions(vec![vec![1, 2, 3], vec![0xff]]), "080000000008 0c010203 04ff"),
        (Request::Transactions(Vec::new()), "020000000000"),
        (Request::Peers, "0100000001"),
        (Request::Consensus(vec![6, 0, 80]), "0500000002 0c060050"),
    ];
    for (request, fixture) in fixtures {
        let expected = hex::decode(fixture.replace(' ', "")).unwrap();
        let mut codec = GossipCodec::new(LIMITS, PATIENCE);
        let mut stream = Cursor::new(Vec::new());
        codec.write_request(&PROTOCOL, &mut stream, Ok(request.clone())).await.unwrap();
        assert_eq!(hex::encode(stream.get_ref()), hex::encode(&expected));
        let read = codec.read_request(&PROTOCOL, &mut Cursor::new(expected)).await.unwrap();
        assert_eq!(read, Ok(request));
    }
}

#[tokio::test]
async fn responses_have_these_bytes() {
    let fixtures = [
        (Response::Received, "0100000000"),
        (Response::Busy, "0100000001"),
        (Response::Peers(vec![vec![4, 5]]), "0500000002 04 080405"),
    ];
    for (response, fixture) in fixtures {
        let expected = hex::decode(fixture.replace(' ', "")).unwrap();
        let mut codec = GossipCodec::new(LIMITS, PATIENCE);
        let mut stream = Cursor::new(Vec::new());
        codec.write_response(&PROTOCOL, &mut stream, response.clone()).await.unwrap();
        assert_eq!(hex::encode(stream.get_ref()), hex::encode(&expected));
        let read = codec.read_response(&PROTOCOL, &mut Cursor::new(expected)).await.unwrap();
        assert_eq!(read, response);
    }
}

#[tokio::test]
async fn an_announced_length_is_refused_before_anything_is_read() {
    let mut codec = GossipCodec::new(LIMITS, PATIENCE);
    let announced = 257_u32.to_le_bytes().to_vec();
    let read = codec.read_request(&PROTOCOL, &mut Cursor::new(announced)).await.unwrap();
    assert_eq!(read, Err(Unreadable::Bad(WireError::TooLarge { found: 257, limit: 256 })));
    let cut = [&8_u32.to_le_bytes()[..], &[0; 7]].concat();
    let read = codec.read_request(&PROTOCOL, &mut Cursor::new(cut)).await.unwrap();
    assert_eq!(read, Err(Unreadable::Endless));
    let (_never, silent) = tokio::io::duplex(8);
    let read = codec.read_request(&PROTOCOL, &mut silent.compat()).await.unwrap();
    assert_eq!(read, Err(Unreadable::Endless));
}

#[test]
fn wrong_bytes_are_explained() {
    let request = |bytes: &[u8]| decode_request(bytes, &LIMITS).unwrap_err();
    assert!(matches!(request(&[]), WireError::Malformed(_)));
    assert!(matches!(request(&[9]), WireError::Malformed(_)));
    assert_eq!(request(&[1, 0]), WireError::Trailing(1));
    assert_eq!(request(&[0, 5 << 2]), WireError::TooMany { found: 5, limit: 4 });
    assert!(matches!(request(&[0, 4, 12, 1]), WireError::Malformed(_)), "three bytes announced, one there");
    let huge = [0, 4, 3, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(request(&huge), WireError::TooLarge { found: u32::MAX as usize, limit: 256 });
    assert!(matches!(request(&[0; 257]), WireError::TooLarge { .. }));
    let long = Request::Consensus(vec![0; MAX_ADDRESS_BYTES + 1]).encode();
    let limits = WireLimits { max_message_bytes: 1024, ..LIMITS };
    assert!(matches!(decode_request(&long, &limits), Err(WireError::TooLarge { found: 257, limit: 256 })));
    let many = Response::Peers(vec![Vec::new(); MAX_ADDRESSES + 1]).encode();
    assert!(matches!(decode_response(&many), Err(WireError::TooMany { .. })));
    let long = Response::Peers(vec![vec![0; MAX_ADDRESS_BYTES + 1]]).encode();
    assert!(matches!(decode_response(&long), Err(WireError::TooLarge { .. })));
}

#[test]
fn the_largest_response_is_readable() {
    let largest = Response::Peers(vec![vec![7; MAX_ADDRESS_BYTES]; MAX_ADDRESSES]);
    let bytes = largest.encode();
    assert_eq!(bytes.len(), MAX_RESPONSE_BYTES);
    assert_eq!(decode_response(&bytes), Ok(largest));
}

/// Bytes that get past the first checks now and then.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let small = proptest::collection::vec(prop_oneof![0..8_u8, any::<u8>()], 0..300);
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), small]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in bytes()) {
        if let Ok(request) = decode_request(&bytes, &LIMITS) {
            prop_assert!(decode_request(&request.encode(), &LIMITS) == Ok(request));
        }
        if let Ok(response) = decode_response(&bytes) {
            prop_assert!(decode_response(&response.encode()) == Ok(response));
        }
    }

    #[test]
    fn any_stream_is_a_message_or_an_error(bytes in bytes()) {
        let mut codec = GossipCodec::new(LIMITS, PATIENCE);
        let reading = async {
            let _ = codec.read_request(&PROTOCOL, &mut Cursor::new(bytes.clone())).await;
            let _ = codec.read_response(&PROTOCOL, &mut Cursor::new(bytes)).await;
        };
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(reading);
    }
}
