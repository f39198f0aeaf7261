//! Proposing, validating, committing and reading blocks and their states.

mod common;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use codec::{Decode, Encode};
use common::*;
use myelin_chain::{
    audit::audit,
    executor::{Budget, NoCandidates},
    storage_keys, Block, CallError, CallLimits, Candidates, Chain, ChainError, ChainEvent, CommitOutcome,
    Hash, History, InvalidBlock, ProposalContext, Rejection, Store, StoreConfig, StoreError, SubmitError,
    Transaction, Validity, Verdict,
};
use myelin_runtime::{
    presets::{self, ConsensusTiming},
    RuntimeCall,
};
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::generic::Era;
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};

/// Offers what it is given and notes what became of it.
#[derive(Default)]
struct Offered {
    waiting: VecDeque<Arc<Transaction>>,
    verdicts: Vec<Verdict>,
}

impl Offered {
    fn new(transactions: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { waiting: transactions.into_iter().map(Transaction::new).collect(), verdicts: Vec::new() }
    }
}

impl Candidates for Offered {
    fn next(&mut self) -> Option<Arc<Transaction>> {
        self.waiting.pop_front()
    }

    fn report(&mut self, _: &Arc<Transaction>, verdict: Verdict) {
        self.verdicts.push(verdict);
    }
}

fn chain() -> Arc<Chain> {
    memory_chain(History::Blocks(16))
}

/// A block with one transfer, on the tip.
fn transfer_block(chain: &Chain) -> Block {
    let alice = Signer::new(chain, Keyring::Alice);
    let mut offered = Offered::new([alice.transfer(&Keyring::Bob.to_account_id(), 5, 0, 0)]);
    let executed = chain.propose(&context(START_MS), &mut offered).unwrap();
    assert_eq!(offered.verdicts, [Verdict::Included]);
    executed.block
}

fn reason(chain: &Chain, block: &Block) -> InvalidBlock {
    match chain.validate(block, None).unwrap() {
        Validity::Invalid(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_proposed_block_is_valid_elsewhere_and_committing_it_moves_the_tip() {
    let (proposer, other) = (chain(), chain());
    let block = transfer_block(&proposer);
    let validity = other.validate(&block, Some(START_MS)).unwrap();
    let Validity::Valid(validated) = validity else { panic!("{validity:?}") };
    let hash = block.hash();
    assert_eq!(validated.hash, hash);
    assert!(block.has_own_body());
    assert!(
        !Block { body: vec![block.body[1].clone(), block.body[0].clone()], ..block.clone() }.has_own_body()
    );
    assert_eq!(other.commit(*validated, b"certificate".to_vec()).unwrap(), CommitOutcome::Committed);
    assert_eq!((other.tip().hash, other.tip().time_ms, other.tip().number()), (hash, START_MS, 1));
    let stored = other.block(&hash).unwrap().unwrap();
    assert_eq!((&stored.block, stored.certificate.as_slice()), (&block, &b"certificate"[..]));
    assert_eq!(other.header(&hash).unwrap().unwrap(), block.header);
    assert_eq!(other.hash_of(1).unwrap(), Some(hash));
    assert_eq!(other.hash_of(2).unwrap(), None);
    let transfer = Transaction::new(block.body[1].clone());
    assert_eq!(stored.block.body[1], transfer.bytes);
    assert!(audit(&other.tip_state().unwrap()).unwrap().holds());
}

#[test]
fn every_change_to_a_block_makes_it_invalid() {
    let chain = chain();
    let block = transfer_block(&chain);
    let changed = |change: fn(&mut Block)| {
        let mut block = block.clone();
        change(&mut block);
        reason(&chain, &block)
    };
    let field = |reason: InvalidBlock| match reason {
        InvalidBlock::HeaderMismatch { field, .. } => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(changed(|block| block.header.state_root = Hash::repeat_byte(1))), "state root");
    assert_eq!(
        field(changed(|block| block.header.extrinsics_root = Hash::repeat_byte(1))),
        "extrinsics root"
    );
    assert_eq!(field(changed(|block| drop(block.body.pop()))), "extrinsics root");
    assert_eq!(
        field(changed(|block| block.header.digest.push(sp_runtime::DigestItem::Other(vec![1])))),
        "digest"
    );
    let garbage = changed(|block| block.body.push(vec![1, 2, 3]));
    assert!(matches!(garbage, InvalidBlock::MalformedExtrinsic { index: 2, .. }), "{garbage:?}");
    let repeated = changed(|block| block.body.push(block.body[1].clone()));
    let stale = TransactionValidityError::Invalid(InvalidTransaction::Stale);
    assert_eq!(repeated, InvalidBlock::InvalidExtrinsic { index: 2, error: stale });
    let forged = changed(|block| *block.body[1].get_mut(60).unwrap() ^= 1);
    assert!(matches!(forged, InvalidBlock::InvalidExtrinsic { index: 1, .. }), "{forged:?}");
    assert!(matches!(changed(|block| block.body.clear()), InvalidBlock::Execution(_)), "no time set");
    assert_eq!(changed(|block| block.body.swap(0, 1)), InvalidBlock::InherentPosition { index: 1 });
    let large = changed(|block| block.body.push(vec![0; 11 << 20]));
    assert!(matches!(large, InvalidBlock::TooLarge { .. }), "{large:?}");
    assert!(matches!(chain.validate(&block, None).unwrap(), Validity::Valid(_)));
}

#[test]
fn time_must_pass_and_not_run_ahead() {
    let chain = chain();
    let late = chain.propose(&context(START_MS), &mut NoCandidates).unwrap();
    let validity = chain.validate(&late.block, Some(START_MS - 1)).unwrap();
    let expected = InvalidBlock::TimeTooLate { found: START_MS, latest: START_MS - 1 };
    assert!(matches!(validity, Validity::Invalid(reason) if reason == expected));
    chain.commit(late, Vec::new()).unwrap();
    let same_time = chain.propose(&context(START_MS), &mut NoCandidates);
    assert!(matches!(same_time, Err(ChainError::TimeNotLater { .. })), "{same_time:?}");
    assert!(chain.propose(&context(START_MS + 1), &mut NoCandidates).is_ok());
}

#[test]
fn a_block_that_does_not_follow_the_tip_cannot_be_judged() {
    let (ahead, behind) = (chain(), chain());
    commit_empty(&ahead);
    let block = ahead.propose(&context(START_MS + 9), &mut NoCandidates).unwrap().block;
    assert!(matches!(behind.validate(&block, None).unwrap(), Validity::Unknown { number: 2, tip: 0 }));
    commit_empty(&behind);
    assert!(matches!(behind.validate(&block, None).unwrap(), Validity::Valid(_)));
    commit_empty(&behind);
    assert!(matches!(behind.validate(&block, None).unwrap(), Validity::Unknown { number: 2, tip: 2 }));
}

#[test]
fn commits_are_idempotent_and_never_fork() {
    let chain = chain();
    let propose = |time_ms| chain.propose(&context(time_ms), &mut NoCandidates).unwrap();
    let (first, again, other) = (propose(START_MS), propose(START_MS), propose(START_MS + 1));
    assert_eq!(chain.commit(first, Vec::new()).unwrap(), CommitOutcome::Committed);
    assert_eq!(chain.commit(again, Vec::new()).unwrap(), CommitOutcome::AlreadyCommitted);
    let error = chain.commit(other, Vec::new()).unwrap_err();
    assert!(matches!(error, ChainError::Store(StoreError::Conflict { number: 1, .. })), "{error}");
    assert_eq!(chain.tip().number(), 1);
    let next = chain.propose(&context(START_MS + 9), &mut NoCandidates).unwrap();
    chain.revert_to(0).unwrap();
    commit_empty(&chain);
    commit_empty(&chain);
    chain.revert_to(1).unwrap();
    assert_eq!(chain.commit(next, Vec::new()).unwrap(), CommitOutcome::Committed, "same parent as before");
}

#[test]
fn bad_transactions_are_left_out_and_reported() {
    let chain = chain();
    let alice = Signer::new(&chain, Keyring::Alice);
    let bob = Keyring::Bob.to_account_id();
    let good = alice.transfer(&bob, 5, 0, 0);
    let mut forged = good.clone();
    forged[60] ^= 1;
    let mut offered = Offered::new([
        vec![1, 2, 3],
        forged,
        alice.transfer(&bob, 5, 2, 0),
        good.clone(),
        good,
        alice.transfer(&bob, 6, 1, 0),
    ]);
    let executed = chain.propose(&context(START_MS), &mut offered).unwrap();
    let invalid = |error| Verdict::Rejected(Rejection::Invalid(TransactionValidityError::Invalid(error)));
    assert!(
        matches!(offered.verdicts[0], Verdict::Rejected(Rejection::Panicked(_))),
        "{:?}",
        offered.verdicts[0]
    );
    assert_eq!(
        offered.verdicts[1..],
        [
            invalid(InvalidTransaction::BadProof),
            Verdict::Deferred,
            Verdict::Included,
            invalid(InvalidTransaction::Stale),
            Verdict::Included
        ]
    );
    assert_eq!(executed.block.body.len(), 3);
    assert!(
        matches!(chain.validate(&executed.block, None).unwrap(), Validity::Valid(_)),
        "nothing leaked into state"
    );
}

#[test]
fn a_budget_limits_bytes_and_time() {
    let chain = chain();
    let alice = Signer::new(&chain, Keyring::Alice);
    let transfers: Vec<_> =
        (0..20).map(|nonce| alice.transfer(&Keyring::Bob.to_account_id(), 5, nonce, 0)).collect();
    let within = |budget| {
        let context = ProposalContext { budget, ..context(START_MS) };
        chain.propose(&context, &mut Offered::new(transfers.clone())).unwrap().block.body.len()
    };
    let size = transfers[0].len();
    let ample = Budget { max_bytes: 1 << 20, max_time: Duration::from_secs(60) };
    assert_eq!(within(ample), 21);
    assert_eq!(within(Budget { max_bytes: 12 + 3 * size, ..ample }), 4);
    assert_eq!(within(Budget { max_time: Duration::ZERO, ..ample }), 1);
}

#[test]
fn the_author_is_named_in_the_header_and_paid() {
    let chain = chain();
    let author = Keyring::Eve.to_account_id();
    let before = free_balance(&chain, &author);
    let alice = Signer::new(&chain, Keyring::Alice);
    let context = ProposalContext { author: Some(author.clone()), ..context(START_MS) };
    let mut offered = Offered::new([alice.transfer(&Keyring::Bob.to_account_id(), 5, 0, 1_000)]);
    let executed = chain.propose(&context, &mut offered).unwrap();
    assert_eq!(executed.block.header.digest.logs, [myelin_runtime::authorship::author_digest(&author)]);
    chain.commit(executed, Vec::new()).unwrap();
    assert!(free_balance(&chain, &author) > before + 1_000);
    assert!(audit(&chain.tip_state().unwrap()).unwrap().holds());
}

fn free_balance(chain: &Chain, account: &myelin_chain::AccountId) -> u64 {
    let bytes = chain.tip_state().unwrap().storage(&storage_keys::account(account)).unwrap().unwrap();
    u64::decode(&mut &bytes[16..]).unwrap()
}

#[test]
fn states_of_the_window_are_readable_and_older_ones_say_that_they_are_gone() {
    let chain = memory_chain(History::Blocks(4));
    let hashes: Vec<_> =
        std::iter::once(chain.genesis_hash()).chain((0..9).map(|_| commit_empty(&chain))).collect();
    for hash in &hashes[6..] {
        assert!(chain.state(hash).unwrap().verify().unwrap() > 10);
    }
    let error = chain.state(&hashes[5]).err().unwrap();
    assert!(matches!(error, ChainError::StateDiscarded(hash) if hash == hashes[5]));
    assert!(error.to_string().contains(&format!("State already discarded for {:?}", hashes[5])), "{error}");
    assert!(chain.block(&hashes[1]).unwrap().is_some(), "blocks are kept");
    let unknown = chain.state(&Hash::repeat_byte(9)).err().unwrap();
    assert!(matches!(unknown, ChainError::UnknownBlock(_)) && unknown.to_string().contains("UnknownBlock"));
    assert_eq!((chain.oldest_state().unwrap(), chain.history_min().unwrap()), (6, 0));
}

#[test]
fn blocks_of_the_window_are_given_and_a_range_that_begins_before_it_is_empty() {
    let config =
        StoreConfig::memory().with_history(History::Blocks(2)).with_block_history(History::Blocks(4));
    let chain = open(&config);
    let hashes: Vec<_> =
        std::iter::once(chain.genesis_hash()).chain((0..9).map(|_| commit_empty(&chain))).collect();
    let given = |first| {
        let blocks = chain.decided(first..=20).unwrap();
        blocks.map(|block| block.unwrap().block.number()).collect::<Vec<_>>()
    };
    assert_eq!((chain.history_min().unwrap(), given(6)), (6, vec![6, 7, 8, 9]));
    assert_eq!((given(5), given(8)), (vec![], vec![8, 9]));
    assert!(chain.block(&hashes[0]).unwrap().is_some(), "the genesis is kept");
    let error = chain.block(&hashes[5]).err().unwrap().to_string();
    assert!(error.contains("block 5 is not kept whole, the oldest one that is, is block 6"), "{error}");
}

#[test]
fn a_view_outlives_its_block_in_the_window() {
    let chain = memory_chain(History::Blocks(2));
    let view = chain.tip_state().unwrap();
    commit_empties(&chain, 5);
    assert!(view.verify().unwrap() > 10);
    assert!(matches!(chain.state(&view.hash()), Err(ChainError::StateDiscarded(_))));
}

#[test]
fn keys_are_paged_in_order() {
    let chain = chain();
    let view = chain.tip_state().unwrap();
    let prefix = storage_keys::accounts();
    let all = view.keys_paged(&prefix, 1_000, None).unwrap();
    assert_eq!(all.len(), view.pairs(&prefix).unwrap().count());
    let mut paged = Vec::new();
    // Clients pass the prefix itself as the first start.
    let mut start = prefix.to_vec();
    loop {
        let page = view.keys_paged(&prefix, 3, Some(&start)).unwrap();
        let Some(last) = page.last() else { break };
        start = last.clone();
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert!(all.is_sorted() && all.iter().all(|key| key.starts_with(&prefix)));
    assert_eq!(view.keys_paged(b"no such prefix", 10, None).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_read_proof_proves_values_and_absence() {
    let chain = chain();
    commit_empty(&chain);
    let view = chain.tip_state().unwrap();
    let keys = vec![storage_keys::total_issuance().to_vec(), b"absent".to_vec()];
    let proof = sp_trie::StorageProof::new(view.read_proof(&keys).unwrap());
    let proven = sp_state_machine::read_proof_check::<sp_runtime::traits::BlakeTwo256, _>(
        view.header().state_root,
        proof,
        keys.iter(),
    )
    .unwrap();
    assert_eq!(proven[&keys[0]], view.storage(&keys[0]).unwrap());
    assert_eq!(proven[&keys[1]], None);
}

#[test]
fn runtime_calls_answer_and_fail_as_values() {
    let chain = chain();
    let view = chain.tip_state().unwrap();
    let call = |method: &str, arguments: &[u8], limits| view.call(method, arguments, limits);
    let alice = Keyring::Alice.to_account_id().encode();
    assert_eq!(call("AccountNonceApi_account_nonce", &alice, CallLimits::default()).unwrap(), 0u32.encode());
    let unknown = call("No_such_method", &[], CallLimits::default()).unwrap_err();
    assert_eq!(unknown.to_string(), "Exported method No_such_method is not found");
    let garbage = call("AccountNonceApi_account_nonce", &[1], CallLimits::default()).unwrap_err();
    assert!(matches!(garbage, CallError::Arguments(_)), "{garbage}");
    let large = CallLimits { max_result_bytes: 100, ..CallLimits::default() };
    assert!(matches!(
        call("Metadata_metadata", &[], large),
        Err(CallError::ResultTooLarge { limit: 100, .. })
    ));
    let hurried = CallLimits { max_time: Duration::ZERO, ..CallLimits::default() };
    let late = call("AccountNonceApi_account_nonce", &Keyring::Dave.to_account_id().encode(), hurried);
    assert!(matches!(late, Err(CallError::DeadlineExceeded(0))), "{late:?}");
    assert_eq!(call("AccountNonceApi_account_nonce", &alice, CallLimits::default()).unwrap(), 0u32.encode());
}

#[test]
fn a_call_that_reads_only_what_is_cached_ends_in_time() {
    let chain = chain();
    let view = chain.tip_state().unwrap();
    let ask = |count: usize, max_time| {
        let coldkeys = vec![Keyring::Alice.to_account_id(); count].encode();
        let limits = CallLimits { max_time, ..CallLimits::default() };
        view.call("StakeInfoRuntimeApi_get_stake_info_for_coldkeys", &coldkeys, limits)
    };
    // Whatever one account needs is in memory after this.
    ask(1, Duration::from_secs(60)).unwrap();
    let started = std::time::Instant::now();
    let late = ask(65_000, Duration::from_millis(100));
    assert!(matches!(late, Err(CallError::DeadlineExceeded(100))), "{:?}", late.map(|answer| answer.len()));
    assert!(started.elapsed() < Duration::from_secs(30), "took {:?}", started.elapsed());
}

#[test]
fn decided_gives_final_blocks_in_order() {
    let chain = chain();
    let hashes: Vec<_> = (0..6).map(|_| commit_empty(&chain)).collect();
    let decided = |range| chain.decided(range).unwrap().map(|block| block.unwrap().hash).collect::<Vec<_>>();
    assert_eq!(decided(2..=4), hashes[1..4]);
    assert_eq!(decided(5..=100), hashes[4..]);
    assert_eq!(decided(7..=9), Vec::<Hash>::new());
    assert_eq!(chain.params(7).unwrap().slot_duration_ms, SLOT_MS);
}

#[test]
fn a_genesis_names_those_who_order_blocks() {
    let alone = chain().params(1).unwrap();
    assert!(alone.validators.is_empty());
    assert_eq!(alone.timing, ConsensusTiming::for_interval(SLOT_MS));
    let mut genesis = development();
    let validator = |byte: u8, power| presets::Validator {
        key: [byte; 32].into(),
        account: Keyring::Alice.to_account_id(),
        power,
    };
    genesis.validators = vec![validator(1, 10), validator(2, 20)];
    let timing = ConsensusTiming { propose_timeout_ms: 1, vote_timeout_ms: 2, timeout_step_ms: 3 };
    genesis.timing = Some(timing);
    let params = memory_chain_with(&genesis).params(1).unwrap();
    let found: Vec<_> = params.validators.members().iter().map(|member| (member.key, member.power)).collect();
    assert_eq!(found, [([2; 32], 20), ([1; 32], 10)]);
    assert_eq!(params.timing, timing);
    genesis.validators.push(validator(1, 5));
    assert!(genesis.build_storage().unwrap_err().contains("listed twice"));
    genesis.validators = vec![validator(1, 0)];
    assert!(genesis.build_storage().unwrap_err().contains("no power"));
}

#[test]
fn subscribers_hear_of_blocks_and_reverts_in_order() {
    let chain = chain();
    let mut events = chain.subscribe();
    let hashes = [commit_empty(&chain), commit_empty(&chain)];
    chain.revert_to(1).unwrap();
    for hash in hashes {
        assert!(matches!(events.try_recv().unwrap(), ChainEvent::Committed(block) if block.hash == hash));
    }
    assert!(matches!(events.try_recv().unwrap(), ChainEvent::Reverted(tip) if tip.hash == hashes[0]));
    assert!(events.try_recv().is_err());
    assert_eq!(chain.tip().hash, hashes[0]);
    assert_eq!(chain.block(&hashes[1]).unwrap().map(|block| block.hash), None);
    assert!(matches!(chain.state(&hashes[1]), Err(ChainError::UnknownBlock(_))));
}

#[test]
fn the_same_blocks_give_the_same_hashes_on_disk_and_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let (memory, disk) = (chain(), open(&StoreConfig::directory(directory.path())));
    for _ in 0..5 {
        assert_eq!(commit_empty(&memory), commit_empty(&disk));
    }
}

#[test]
fn a_chain_goes_on_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig::directory(directory.path()).with_history(History::Blocks(4));
    let chain = open(&config);
    let hashes: Vec<_> = (0..9).map(|_| commit_empty(&chain)).collect();
    let tip = chain.tip();
    drop(chain);
    let chain = open(&config);
    assert_eq!(chain.tip(), tip);
    assert_eq!(chain.hash_of(3).unwrap(), Some(hashes[2]));
    chain.tip_state().unwrap().verify().unwrap();
    commit_empty(&chain);
    assert_eq!(chain.tip().number(), 10);
}

#[test]
fn a_database_of_another_chain_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig::directory(directory.path());
    drop(open(&config));
    let other = myelin_runtime::presets::Genesis { sudo: None, ..development() }.build_storage().unwrap();
    let error = Chain::open(Store::open(&config).unwrap(), Some(&other)).err().unwrap();
    assert!(matches!(error, ChainError::Store(StoreError::WrongGenesis { .. })), "{error}");
    assert!(Chain::open(Store::open(&config).unwrap(), None).is_ok());
    let empty = Chain::open(Store::open(&StoreConfig::memory()).unwrap(), None).err().unwrap();
    assert!(matches!(empty, ChainError::Store(StoreError::Empty)), "{empty}");
}

#[test]
fn an_audited_chain_has_no_block_with_money_that_no_book_knows() {
    let audited = memory_chain_from(&tainted_genesis());
    let (waiting, transaction) = (mempool(&audited), opening(&audited));
    waiting.submit_here(transaction.clone()).unwrap();
    let error = audited.propose(&context(next_time_ms(&audited)), &mut waiting.best()).unwrap_err();
    assert!(error.is_fatal());
    let text = error.to_string();
    let ChainError::NotConserved { number: 1, hash, books } = error else { panic!("{text}") };
    let (held, issued) = (books.accounts_rao, books.market.ledger_issuance_rao);
    let pool = &books.market.subnets[1];
    let unknown_rao = pool.pool_account_rao - pool.tao_reserve_rao;
    assert_eq!(unknown_rao, 1_000_000 * myelin_runtime::RAO_PER_TAO);
    let on_account = format!("pool_account_rao: {}", pool.pool_account_rao);
    for part in [
        "after block 1,",
        &format!("{hash:?}"),
        &format!("{held} rao"),
        &format!("issued {issued}"),
        &on_account,
    ] {
        assert!(text.contains(part), "{text} does not name {part}");
    }

    // Who does not look makes the same block.
    let store = Store::open(&StoreConfig::memory()).unwrap();
    let careless = Chain::open(store, Some(&tainted_genesis())).unwrap();
    let waiting = mempool(&careless);
    waiting.submit_here(transaction).unwrap();
    assert_eq!(commit_pool(&careless, &waiting), hash);
    let block = careless.block(&hash).unwrap().unwrap().block;
    assert!(matches!(audited.validate(&block, None), Err(ChainError::NotConserved { number: 1, .. })));
    assert_eq!(audited.tip().number(), 0, "nothing was committed");
    let imported = audited.import(&careless.export().unwrap());
    assert!(matches!(imported, Err(ChainError::NotConserved { number: 1, .. })), "{imported:?}");
}

#[test]
fn opening_is_quick() {
    let directory = tempfile::tempdir().unwrap();
    let started = std::time::Instant::now();
    drop(open(&StoreConfig::directory(directory.path())));
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?} even unoptimised", started.elapsed());
}

#[test]
fn a_dump_is_loaded_only_when_it_is_whole_and_of_this_chain() {
    let (source, target) = (memory_chain(History::Blocks(4)), memory_chain(History::Blocks(4)));
    commit_empties(&source, 9);
    let dump = source.export().unwrap();
    target.import(&dump).unwrap();
    assert_eq!(target.tip(), source.tip());
    target.tip_state().unwrap().verify().unwrap();
    commit_empty(&target);

    let parsed = myelin_store::Dump::from_bytes(&dump).unwrap();
    let refused = |change: fn(&mut myelin_store::Dump)| {
        let mut changed = parsed.clone();
        change(&mut changed);
        target.import(&changed.to_bytes()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    // The path to a root is empty, so that its key is its hash alone.
    assert!(refused(|dump| dump.nodes.retain(|(key, _)| key.len() == 32)).contains("not whole"));
    assert!(refused(|dump| dump.blocks.truncate(8)).contains("do not belong") || parsed.blocks.len() == 8);
    assert!(refused(|dump| dump.blocks[4].header[0] ^= 1).contains("does not follow"));
    assert!(refused(|dump| dump.blocks[4].body.push(vec![0])).contains("the body of block 4 is not"));
    assert!(refused(|dump| dump.blocks[0].body.push(vec![0])).contains("the body of block 0 is not"));
    let root = source.state(&source.hash_of(7).unwrap().unwrap()).unwrap().header().state_root;
    let mut changed = parsed.clone();
    changed.nodes.retain(|(key, _)| key.as_slice() != root.as_bytes());
    let error = target.import(&changed.to_bytes()).unwrap_err().to_string();
    assert!(error.contains("the state of block 7 is missing"), "{error}");
    let other = memory_chain_with(&myelin_runtime::presets::Genesis { sudo: None, ..development() });
    let error = other.import(&dump).unwrap_err();
    assert!(matches!(error, ChainError::Store(StoreError::WrongGenesis { .. })), "{error}");
    assert_eq!(target.tip().number(), 10, "nothing changed");
}

/// Calls nested as deeply as an extrinsic may nest them.
fn nested_call(depth: usize) -> RuntimeCall {
    let innermost = transfer_call(&Keyring::Bob.to_account_id(), 1);
    (0..depth).fold(innermost, |call, _| {
        RuntimeCall::Utility(pallet_utility::Call::as_derivative { index: 0, call: Box::new(call) })
    })
}

/// Runs `work` on a thread with this many bytes of stack.
fn on_stack<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(bytes).spawn(work).unwrap().join().unwrap()
}

#[test]
fn deep_nesting_exhausts_no_stack() {
    let chain = chain();
    let alice = Signer::new(&chain, Keyring::Alice);
    let sign = move |depth, nonce| {
        let signer = alice.clone();
        let genesis = signer.genesis();
        on_stack(256 << 20, move || signer.sign(nested_call(depth), nonce, 0, Era::Immortal, genesis))
    };
    let (deepest, too_deep) = (sign(250, 0), sign(2_000, 1));
    on_stack(512 << 10, move || {
        let mempool = mempool(&chain);
        let arguments = [deepest.as_slice(), &u32::try_from(deepest.len()).unwrap().encode()].concat();
        let view = chain.tip_state().unwrap();
        view.call("TransactionPaymentApi_query_info", &arguments, CallLimits::default()).unwrap();
        mempool.submit_here(deepest.clone()).unwrap();
        let hash = commit_pool(&chain, &mempool);
        assert_eq!(chain.block(&hash).unwrap().unwrap().block.body[1], deepest);
        assert!(matches!(mempool.submit_here(too_deep), Err(SubmitError::Malformed(_))));
    });
}
