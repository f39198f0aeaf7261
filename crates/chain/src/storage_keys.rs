//! Where the runtime keeps the few values that the node reads itself.

use codec::Encode;
use myelin_runtime::AccountId;
use sp_crypto_hashing::{blake2_128, twox_128};

/// The key of a storage value.
pub fn value(pallet: &str, item: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&twox_128(pallet.as_bytes()));
    key[16..].copy_from_slice(&twox_128(item.as_bytes()));
    key
}

/// Milliseconds since the Unix epoch of the block, `u64`.
pub fn timestamp() -> [u8; 32] {
    value("Timestamp", "Now")
}

/// The prefix of all accounts.
pub fn accounts() -> [u8; 32] {
    value("System", "Account")
}

/// The key of one account.
pub fn account(account: &AccountId) -> Vec<u8> {
    account.using_encoded(|bytes| [accounts().as_slice(), &blake2_128(bytes), bytes].concat())
}

/// Sum of all balances as the runtime accounts for it.
pub fn total_issuance() -> [u8; 32] {
    value("Balances", "TotalIssuance")
}

/// Who orders blocks, a vector of [`Validator`](myelin_runtime::presets::Validator).
pub fn validators() -> [u8; 32] {
    value("Validators", "Members")
}

/// How long they wait for each other, [`ConsensusTiming`](myelin_runtime::presets::ConsensusTiming).
pub fn consensus_timing() -> [u8; 32] {
    value("Validators", "Timing")
}

/// Milliseconds between blocks, `u64`.
pub fn slot_duration() -> Vec<u8> {
    myelin_runtime::SlotDuration::key().to_vec()
}
