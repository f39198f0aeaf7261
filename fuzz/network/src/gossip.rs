//! Transactions and addresses that peers exchange.

use codec::Encode;
use myelin_gossip::wire::{decode_request, decode_response, WireLimits};

const LIMITS: WireLimits = WireLimits { max_message_bytes: 1 << 12, max_batch_count: 16 };

/// A request, and a response.
pub fn gossip_wire(data: &[u8]) {
    if let Ok(request) = decode_request(data, &LIMITS) {
        assert_eq!(request.encode(), data);
    }
    if let Ok(response) = decode_response(data) {
        assert_eq!(response.encode(), data);
    }
}
