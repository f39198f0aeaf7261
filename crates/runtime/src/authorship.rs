//! Who is paid for a block.
//!
//! The sequencer names the account in the block's header, as a pre-runtime digest item. Fees go there; a block without
//! an author burns them.

use codec::{Decode, Encode};
use frame_support::traits::{
    fungible::{Balanced, Credit},
    Get, OnUnbalanced,
};
use sp_runtime::DigestItem;

use crate::{AccountId, Balances, Runtime, SubtensorModule, System};

/// Marks the author's digest item.
pub const ENGINE_ID: sp_runtime::ConsensusEngineId = *b"myln";

/// The digest item that names `author`.
pub fn author_digest(author: &AccountId) -> DigestItem {
    DigestItem::PreRuntime(ENGINE_ID, author.encode())
}

/// The author named in the header of the block being executed.
pub struct BlockAuthor;

impl Get<Option<AccountId>> for BlockAuthor {
    fn get() -> Option<AccountId> {
        let author = System::digest().logs.iter().find_map(|item| match item.as_pre_runtime() {
            Some((ENGINE_ID, mut bytes)) => AccountId::decode(&mut bytes).ok(),
            _ => None,
        });
        // Only the market moves the TAO of pools.
        author.filter(|author| !SubtensorModule::is_pool_account(author))
    }
}

/// Gives fees and tips to the block's author.
pub struct PayBlockAuthor;

impl OnUnbalanced<Credit<AccountId, Balances>> for PayBlockAuthor {
    fn on_nonzero_unbalanced(fee: Credit<AccountId, Balances>) {
        let Some(author) = BlockAuthor::get() else { return };
        // A fee too small to open the author's account is burned when the credit is dropped.
        let _ = <Balances as Balanced<<Runtime as frame_system::Config>::AccountId>>::resolve(&author, fee);
    }
}
