//! The mempool with a chain beneath it.

mod common;

use std::sync::Arc;

use common::*;
use myelin_chain::{
    Candidates, Chain, History, Mempool, MempoolLimits, PoolStatus, Rejection, SubmitError, Transaction,
    TransactionStatus, Verdict, Watcher,
};
use myelin_runtime::RuntimeCall;
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::{generic::Era, transaction_validity::InvalidTransaction};

struct Setting {
    chain: Arc<Chain>,
    mempool: Arc<Mempool>,
    alice: Signer,
}

fn setting() -> Setting {
    let chain = memory_chain(History::Blocks(64));
    let mempool = mempool(&chain);
    let alice = Signer::new(&chain, Keyring::Alice);
    Setting { chain, mempool, alice }
}

impl Setting {
    fn transfer(&self, nonce: u32, tip: u64) -> Vec<u8> {
        self.alice.transfer(&Keyring::Bob.to_account_id(), 1_000_000, nonce, tip)
    }

    fn status(&self) -> (usize, usize) {
        let PoolStatus { ready, future, .. } = self.mempool.status();
        (ready, future)
    }

    async fn watch(&self, bytes: Vec<u8>) -> Watcher {
        self.mempool.submit_and_watch(bytes).await.unwrap().1
    }
}

async fn told(watcher: &mut Watcher) -> TransactionStatus {
    tokio::time::timeout(std::time::Duration::from_secs(20), watcher.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_watcher_hears_ready_in_block_and_finalized() {
    let setting = setting();
    let mut watcher = setting.watch(setting.transfer(0, 0)).await;
    assert_eq!(told(&mut watcher).await, TransactionStatus::Ready);
    let block = commit_pool(&setting.chain, &setting.mempool);
    assert_eq!(told(&mut watcher).await, TransactionStatus::InBlock { block, index: 1 });
    assert_eq!(told(&mut watcher).await, TransactionStatus::Finalized { block, index: 1 });
    assert_eq!(watcher.next().await, None);
    assert_eq!(setting.status(), (0, 0));
}

#[tokio::test]
async fn nonces_are_counted_and_gaps_wait() {
    let setting = setting();
    let account = setting.alice.account();
    assert_eq!(setting.mempool.next_nonce(&account).unwrap(), 0);
    let mut later = setting.watch(setting.transfer(1, 0)).await;
    assert_eq!(told(&mut later).await, TransactionStatus::Future);
    assert_eq!(setting.status(), (0, 1));
    assert_eq!(setting.mempool.next_nonce(&account).unwrap(), 0);
    setting.mempool.submit(setting.transfer(0, 0)).await.unwrap();
    assert_eq!(told(&mut later).await, TransactionStatus::Ready);
    assert_eq!(setting.mempool.next_nonce(&account).unwrap(), 2);
    commit_pool(&setting.chain, &setting.mempool);
    assert_eq!(setting.mempool.next_nonce(&account).unwrap(), 2);
    assert_eq!(setting.status(), (0, 0));
}

#[tokio::test]
async fn refusals_say_why() {
    let setting = setting();
    let submit = |bytes: Vec<u8>| setting.mempool.submit(bytes);
    assert!(matches!(submit(vec![1, 2, 3]).await, Err(SubmitError::Malformed(_))));
    assert!(matches!(submit(vec![0; 3 << 20]).await, Err(SubmitError::TooLarge { .. })));
    let mut trailing = setting.transfer(0, 0);
    trailing.push(0);
    assert!(matches!(submit(trailing).await, Err(SubmitError::Malformed(_))));
    let mut forged = setting.transfer(0, 0);
    forged[60] ^= 1;
    assert_eq!(submit(forged.clone()).await, Err(SubmitError::Invalid(InvalidTransaction::BadProof)));
    assert_eq!(submit(forged).await, Err(SubmitError::Banned));
    let poor = Signer::from_seed(&setting.chain, 1);
    let unpaid = poor.transfer(&setting.alice.account(), 1, 0, 0);
    for _ in 0..2 {
        let refused = submit(unpaid.clone()).await;
        assert_eq!(refused, Err(SubmitError::Invalid(InvalidTransaction::Payment)), "may be paid for later");
    }
    commit_empty(&setting.chain);
    let transfer = setting.transfer(0, 0);
    let hash = submit(transfer.clone()).await.unwrap();
    assert_eq!(submit(transfer).await, Err(SubmitError::AlreadyImported(hash)));
    commit_pool(&setting.chain, &setting.mempool);
    let stale = submit(setting.transfer(0, 7)).await.unwrap_err();
    assert_eq!(stale.to_string(), "Transaction is outdated");
}

#[tokio::test]
async fn a_higher_tip_replaces_and_an_equal_one_does_not() {
    let setting = setting();
    let mut old = setting.watch(setting.transfer(0, 10)).await;
    assert_eq!(told(&mut old).await, TransactionStatus::Ready);
    let too_low = setting.mempool.submit(setting.transfer(0, 0)).await.unwrap_err();
    assert!(matches!(too_low, SubmitError::PriorityTooLow { .. }), "{too_low}");
    assert!(too_low.to_string().to_lowercase().contains("priority is too low"));
    let new = setting.mempool.submit(setting.transfer(0, 1_000_000)).await.unwrap();
    assert_eq!(told(&mut old).await, TransactionStatus::Usurped(new));
    assert_eq!(setting.mempool.pending().iter().map(|pooled| pooled.hash).collect::<Vec<_>>(), [new]);
}

#[tokio::test]
async fn a_mortal_transaction_leaves_when_its_time_is_over() {
    let setting = setting();
    let birth = commit_empty(&setting.chain);
    let call = transfer_call(&Keyring::Bob.to_account_id(), 5);
    // A nonce ahead of the account's, so that no block takes it.
    let mortal = setting.alice.sign(call, 3, 0, Era::mortal(4, 1), birth);
    let mut watcher = setting.watch(mortal).await;
    assert_eq!(told(&mut watcher).await, TransactionStatus::Future);
    for _ in 0..2 {
        commit_empty(&setting.chain);
        assert_eq!(setting.status(), (0, 1), "it may be in blocks up to 4");
    }
    commit_empty(&setting.chain);
    assert_eq!(setting.status(), (0, 0));
    assert_eq!(told(&mut watcher).await, TransactionStatus::Invalid);
}

#[tokio::test]
async fn what_another_block_made_invalid_is_found_and_told() {
    let setting = setting();
    let rich = Signer::from_seed(&setting.chain, 5);
    let funding = 20_000_000;
    let fund = setting.alice.transfer(&rich.account(), funding, 0, 0);
    setting.mempool.submit(fund).await.unwrap();
    commit_pool(&setting.chain, &setting.mempool);
    // Both can be paid for now; the second cannot once the first is in a block, because its tip takes all.
    let mut first = setting.watch(rich.transfer(&setting.alice.account(), 1, 0, funding / 2)).await;
    let mut second = setting.watch(rich.transfer(&setting.alice.account(), 1, 1, funding / 2)).await;
    assert_eq!(told(&mut first).await, TransactionStatus::Ready);
    assert_eq!(told(&mut second).await, TransactionStatus::Ready);
    commit_pool(&setting.chain, &setting.mempool);
    assert!(matches!(told(&mut first).await, TransactionStatus::InBlock { .. }));
    assert_eq!(told(&mut second).await, TransactionStatus::Invalid);
    assert_eq!(setting.status(), (0, 0));
}

#[tokio::test]
async fn waiting_transactions_are_validated_again_after_blocks() {
    let setting = setting();
    let rich = Signer::from_seed(&setting.chain, 5);
    let fund = setting.alice.transfer(&rich.account(), 20_000_000, 0, 0);
    setting.mempool.submit(fund).await.unwrap();
    commit_pool(&setting.chain, &setting.mempool);
    let mut waiting = setting.watch(rich.transfer(&setting.alice.account(), 1, 9, 10_000_000)).await;
    assert_eq!(told(&mut waiting).await, TransactionStatus::Future);
    setting.mempool.submit(rich.transfer(&setting.alice.account(), 15_000_000, 0, 0)).await.unwrap();
    commit_pool(&setting.chain, &setting.mempool);
    assert_eq!(told(&mut waiting).await, TransactionStatus::Invalid);
}

#[tokio::test]
async fn a_transaction_that_panics_the_runtime_is_dropped_and_refused() {
    let setting = setting();
    let panicking = setting.transfer(0, 0);
    let mut watcher = setting.watch(panicking.clone()).await;
    assert_eq!(told(&mut watcher).await, TransactionStatus::Ready);
    // No call is known that makes the runtime panic, so this says what a proposer would say about one.
    let mut offered = setting.mempool.best();
    let transaction = offered.next().unwrap();
    offered.report(&transaction, Verdict::Rejected(Rejection::Panicked("a defect".to_owned())));
    drop(offered);
    let bob = Signer::new(&setting.chain, Keyring::Bob);
    let mut other = setting.watch(bob.transfer(&setting.alice.account(), 5, 0, 0)).await;
    let block = commit_pool(&setting.chain, &setting.mempool);
    assert_eq!(told(&mut watcher).await, TransactionStatus::Invalid);
    assert_eq!(setting.mempool.submit(panicking).await, Err(SubmitError::Banned));
    assert_eq!(told(&mut other).await, TransactionStatus::Ready);
    assert_eq!(told(&mut other).await, TransactionStatus::InBlock { block, index: 1 });
}

#[tokio::test]
async fn a_block_from_elsewhere_advances_lanes() {
    let setting = setting();
    let elsewhere = memory_chain(History::Blocks(64));
    let other_pool = mempool(&elsewhere);
    let mut same_nonce = setting.watch(setting.transfer(0, 0)).await;
    let mut next_nonce = setting.watch(setting.transfer(1, 0)).await;
    other_pool.submit_here(setting.transfer(0, 77)).unwrap();
    let hash = commit_pool(&elsewhere, &other_pool);
    let block = elsewhere.block(&hash).unwrap().unwrap().block;
    let myelin_chain::Validity::Valid(executed) = setting.chain.validate(&block, None).unwrap() else {
        panic!()
    };
    setting.chain.commit(*executed, Vec::new()).unwrap();
    assert_eq!(told(&mut same_nonce).await, TransactionStatus::Ready);
    assert_eq!(told(&mut same_nonce).await, TransactionStatus::Invalid);
    assert_eq!(told(&mut next_nonce).await, TransactionStatus::Ready);
    assert_eq!(setting.status(), (1, 0));
    assert_eq!(setting.mempool.next_nonce(&setting.alice.account()).unwrap(), 2);
}

#[tokio::test]
async fn a_revert_makes_nonces_free_again() {
    let setting = setting();
    let included = setting.transfer(0, 0);
    setting.mempool.submit(included.clone()).await.unwrap();
    commit_pool(&setting.chain, &setting.mempool);
    setting.mempool.submit(setting.transfer(1, 0)).await.unwrap();
    assert!(setting.mempool.submit(included.clone()).await.is_err());
    setting.chain.revert_to(0).unwrap();
    assert_eq!(setting.status(), (0, 1));
    setting.mempool.submit(included).await.unwrap();
    assert_eq!(setting.status(), (2, 0));
    let hash = commit_pool(&setting.chain, &setting.mempool);
    assert_eq!(setting.chain.block(&hash).unwrap().unwrap().block.body.len(), 3);
}

#[tokio::test]
async fn an_operator_can_remove_a_transaction() {
    let setting = setting();
    let (hash, mut watcher) = setting.mempool.submit_and_watch(setting.transfer(0, 0)).await.unwrap();
    assert_eq!(told(&mut watcher).await, TransactionStatus::Ready);
    assert_eq!(setting.mempool.get(&hash), Some(Transaction::new(setting.transfer_again(hash))));
    assert!(setting.mempool.remove(&hash));
    assert!(!setting.mempool.remove(&hash));
    assert_eq!(told(&mut watcher).await, TransactionStatus::Dropped);
}

impl Setting {
    /// The bytes that the mempool holds under `hash`, which must hash to it.
    fn transfer_again(&self, hash: myelin_chain::Hash) -> Vec<u8> {
        let bytes = self.mempool.get(&hash).unwrap().bytes.clone();
        assert_eq!(sp_crypto_hashing::blake2_256(&bytes), hash.0);
        bytes
    }
}

#[tokio::test]
async fn many_submissions_at_once_all_get_in() {
    let chain = memory_chain(History::Blocks(64));
    let limits = MempoolLimits { workers: 4, ..MempoolLimits::default() };
    let mempool = Mempool::new(Arc::clone(&chain), limits).unwrap();
    let signers: Vec<_> = [Keyring::Alice, Keyring::Bob, Keyring::Charlie]
        .into_iter()
        .map(|key| Signer::new(&chain, key))
        .collect();
    let transfers = signers.iter().flat_map(|signer| {
        (0..40).rev().map(|nonce| signer.transfer(&Keyring::Dave.to_account_id(), 5, nonce, 0))
    });
    let submissions = transfers.map(|bytes| mempool.submit(bytes));
    let results = futures::future::join_all(submissions).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(mempool.status().ready, 120);
    while mempool.status().ready > 0 {
        commit_pool(&chain, &mempool);
    }
    assert!(myelin_chain::audit::audit(&chain.tip_state().unwrap()).unwrap().holds());
}

#[tokio::test]
async fn a_transaction_born_in_a_reverted_block_is_not_valid_any_more() {
    let setting = setting();
    commit_empties(&setting.chain, 4);
    let birth = setting.chain.tip().hash;
    let call = transfer_call(&Keyring::Bob.to_account_id(), 1_000_000);
    let mortal = setting.alice.sign(call, 0, 0, Era::mortal(64, 4), birth);
    let mut mortal = setting.watch(mortal).await;
    let bob = Signer::new(&setting.chain, Keyring::Bob);
    let mut immortal = setting.watch(bob.transfer(&setting.alice.account(), 5, 0, 0)).await;
    assert_eq!(told(&mut mortal).await, TransactionStatus::Ready);
    setting.chain.revert_to(2).unwrap();
    assert_eq!(told(&mut mortal).await, TransactionStatus::Invalid);
    assert_eq!(setting.status(), (1, 0), "what does not depend on the block stays");
    let block = commit_pool(&setting.chain, &setting.mempool);
    assert_eq!(told(&mut immortal).await, TransactionStatus::Ready);
    assert_eq!(told(&mut immortal).await, TransactionStatus::InBlock { block, index: 1 });
}

#[tokio::test]
async fn an_account_that_is_removed_and_comes_back_starts_again() {
    let setting = setting();
    let phoenix = Signer::from_seed(&setting.chain, 77);
    let fund = |nonce, tip| setting.alice.transfer(&phoenix.account(), 50_000_000, nonce, tip);
    setting.mempool.submit(fund(0, 0)).await.unwrap();
    commit_pool(&setting.chain, &setting.mempool);

    let everything = RuntimeCall::Balances(pallet_balances::Call::transfer_all {
        dest: sp_runtime::MultiAddress::Id(Keyring::Bob.to_account_id()),
        keep_alive: false,
    });
    let genesis = setting.chain.genesis_hash();
    // The tips bring it before the next gift, and that before the transfer.
    let leave = phoenix.sign(everything, 0, 10_000_000, Era::Immortal, genesis);
    setting.mempool.submit(leave).await.unwrap();
    let mut later = setting.watch(phoenix.transfer(&setting.alice.account(), 1_000, 1, 0)).await;
    setting.mempool.submit(fund(1, 5_000_000)).await.unwrap();
    commit_pool(&setting.chain, &setting.mempool);

    // The account has come back in the same block, with nonce 0.
    setting.mempool.submit(phoenix.transfer(&setting.alice.account(), 2_000, 0, 0)).await.unwrap();
    let block = commit_pool(&setting.chain, &setting.mempool);
    let mut statuses = Vec::new();
    while let Some(status) = later.try_next() {
        statuses.push(status);
    }
    assert!(statuses.contains(&TransactionStatus::InBlock { block, index: 2 }), "{statuses:?} in {block:?}");
    assert_eq!(setting.mempool.next_nonce(&phoenix.account()).unwrap(), 2);
}

#[tokio::test]
async fn ready_transactions_are_listed_once_each_as_they_become_ready() {
    let setting = setting();
    let hashes = |after, count, bytes| {
        let listed = setting.mempool.ready_after(after, count, bytes);
        listed.into_iter().map(|(number, transaction)| (number, transaction.hash)).collect::<Vec<_>>()
    };
    let second = setting.mempool.submit(setting.transfer(1, 0)).await.unwrap();
    assert_eq!(hashes(0, 9, usize::MAX), [], "it waits for the one before it");
    let first = setting.mempool.submit(setting.transfer(0, 0)).await.unwrap();
    assert_eq!(hashes(0, 9, usize::MAX), [(1, first), (2, second)]);
    assert_eq!(hashes(0, 1, usize::MAX), [(1, first)]);
    assert_eq!(hashes(0, 9, 1), [(1, first)], "one is returned whatever its size");
    assert_eq!(hashes(2, 9, usize::MAX), []);
    assert!(setting.mempool.remove(&first));
    assert_eq!(hashes(0, 9, usize::MAX), [], "the second waits again");
    let first = setting.mempool.submit(setting.transfer(0, 0)).await.unwrap();
    assert_eq!(hashes(2, 9, usize::MAX), [(3, first), (4, second)]);
    commit_pool(&setting.chain, &setting.mempool);
    assert_eq!(hashes(0, 9, usize::MAX), []);
}
