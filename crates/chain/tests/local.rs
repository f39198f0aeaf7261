//! The local sequencer: sealing, time, snapshots, dumps, stopping.

mod common;

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc, Mutex, Weak,
    },
    time::Duration,
};

use common::*;
use myelin_chain::{
    audit::audit, storage_keys, Application, Chain, ChainError, ChainEvent, ChainObserver, CommittedBlock,
    History, Local, LocalConfig, LocalError, LocalHandle, Mempool, SealMode, Sequencer, SequencerError,
    SnapshotId, StoreConfig, StoreError, Tip, Transaction, TransactionStatus,
};
use sp_keyring::Sr25519Keyring as Keyring;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(20);

/// A running local sequencer whose wall clock the test moves.
struct Node {
    chain: Arc<Chain>,
    mempool: Arc<Mempool>,
    handle: LocalHandle,
    wall_ms: Arc<AtomicU64>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), SequencerError>>,
}

impl Node {
    fn start(mode: SealMode) -> Self {
        Self::start_on(memory_chain(History::Blocks(256)), mode)
    }

    fn start_on(chain: Arc<Chain>, mode: SealMode) -> Self {
        let mempool = mempool(&chain);
        let wall_ms = Arc::new(AtomicU64::new(START_MS));
        let wall = Arc::clone(&wall_ms);
        let config =
            LocalConfig { clock: Arc::new(move || wall.load(Ordering::SeqCst)), ..LocalConfig::new(mode) };
        let (local, handle) = Local::new(config);
        let shutdown = CancellationToken::new();
        let application = Application::new(Arc::clone(&chain), Arc::clone(&mempool));
        let running = tokio::spawn(Box::new(local).run(application, shutdown.clone()));
        Self { chain, mempool, handle, wall_ms, shutdown, running }
    }

    async fn stop(self) -> Result<(), SequencerError> {
        self.shutdown.cancel();
        timeout(SOON, self.running).await.unwrap().unwrap()
    }

    fn transfer(&self, nonce: u32) -> Vec<u8> {
        Signer::new(&self.chain, Keyring::Alice).transfer(&Keyring::Bob.to_account_id(), 1_000, nonce, 0)
    }

    fn number(&self) -> u32 {
        self.chain.tip().number()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_mode_seals_only_when_told() {
    let node = Node::start(SealMode::Manual);
    node.mempool.submit(node.transfer(0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(node.number(), 0);
    let tip = node.handle.seal().await.unwrap();
    assert_eq!((tip.number(), tip.time_ms), (1, START_MS));
    assert_eq!(node.chain.block(&tip.hash).unwrap().unwrap().block.body.len(), 2);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn instant_mode_seals_a_block_per_arrival_and_none_while_idle() {
    let node = Node::start(SealMode::Instant);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(node.number(), 0, "nothing has arrived");
    for nonce in 0..3 {
        let (_, mut watcher) = node.mempool.submit_and_watch(node.transfer(nonce)).await.unwrap();
        let mut last = None;
        while let Some(status) = timeout(SOON, watcher.next()).await.unwrap() {
            last = Some(status);
        }
        assert!(matches!(last, Some(TransactionStatus::Finalized { .. })), "{last:?}");
        assert_eq!(node.number(), nonce + 1);
    }
    node.mempool.submit(node.transfer(9)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(node.number(), 3, "one that waits for an earlier nonce is no reason for a block");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn interval_mode_seals_empty_blocks_at_its_pace_and_can_be_changed() {
    let node = Node::start(SealMode::Interval(Duration::from_millis(20)));
    let mut events = node.chain.subscribe();
    for number in 1..=3 {
        let event = timeout(SOON, events.recv()).await.unwrap().unwrap();
        assert!(matches!(event, ChainEvent::Committed(block) if block.number() == number));
    }
    node.handle.set_mode(SealMode::Manual).await.unwrap();
    let stopped_at = node.number();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(node.number(), stopped_at);
    node.handle.set_mode(SealMode::Interval(Duration::from_millis(10))).await.unwrap();
    while node.number() == stopped_at {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let zero = node.handle.set_mode(SealMode::Interval(Duration::ZERO)).await;
    assert!(matches!(zero, Err(LocalError::ZeroInterval)));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_is_sealed_when_instant_mode_begins() {
    let node = Node::start(SealMode::Manual);
    node.mempool.submit(node.transfer(0)).await.unwrap();
    let mut events = node.chain.subscribe();
    node.handle.set_mode(SealMode::Instant).await.unwrap();
    timeout(SOON, events.recv()).await.unwrap().unwrap();
    assert_eq!((node.number(), node.mempool.status().ready), (1, 0));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mining_advances_time_by_a_slot_per_block() {
    let node = Node::start(SealMode::Manual);
    let first = node.handle.seal().await.unwrap();
    let mut events = node.chain.subscribe();
    let tip = node.handle.mine(300).await.unwrap();
    assert_eq!((tip.number(), tip.time_ms), (301, first.time_ms + 300 * SLOT_MS));
    assert_eq!(node.chain.tip(), tip);
    for number in 2..=301 {
        let event = timeout(SOON, events.recv()).await.unwrap().unwrap();
        assert!(matches!(event, ChainEvent::Committed(block) if block.number() == number));
    }
    assert_eq!(node.handle.status().await.unwrap().time_ms, tip.time_ms, "the clock came along");
    node.wall_ms.fetch_add(10, Ordering::SeqCst);
    assert_eq!(node.handle.seal().await.unwrap().time_ms, tip.time_ms + 10);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mining_includes_what_waits() {
    let node = Node::start(SealMode::Manual);
    for nonce in 0..5 {
        node.mempool.submit(node.transfer(nonce)).await.unwrap();
    }
    let (hash, mut watcher) = node.mempool.submit_and_watch(node.transfer(5)).await.unwrap();
    node.handle.mine(10).await.unwrap();
    let mut statuses = Vec::new();
    while let Some(status) = watcher.try_next() {
        statuses.push(status);
    }
    assert!(
        matches!(
            statuses[..],
            [
                TransactionStatus::Ready,
                TransactionStatus::InBlock { .. },
                TransactionStatus::Finalized { .. }
            ]
        ),
        "{statuses:?}"
    );
    let first = node.chain.block(&node.chain.hash_of(1).unwrap().unwrap()).unwrap().unwrap();
    assert_eq!(Transaction::new(first.block.body[6].clone()).hash, hash);
    assert_eq!(node.mempool.next_nonce(&Keyring::Alice.to_account_id()).unwrap(), 6);
    assert!(audit(&node.chain.tip_state().unwrap()).unwrap().holds());
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mining_works_with_the_shortest_history() {
    let node = Node::start_on(memory_chain(History::Blocks(1)), SealMode::Manual);
    assert_eq!(node.handle.mine(40).await.unwrap().number(), 40);
    node.chain.tip_state().unwrap().verify().unwrap();
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn time_can_be_set_and_increased_but_not_turned_back() {
    let node = Node::start(SealMode::Manual);
    let tip = node.handle.seal().await.unwrap();
    let refused = node.handle.set_time(tip.time_ms).await;
    assert!(matches!(refused, Err(LocalError::TimeNotLater { .. })), "{refused:?}");
    node.handle.set_time(tip.time_ms + 5_000).await.unwrap();
    assert_eq!(node.handle.seal().await.unwrap().time_ms, tip.time_ms + 5_000);
    assert_eq!(node.handle.increase_time(60_000).await.unwrap(), 65_000);
    assert_eq!(node.handle.seal().await.unwrap().time_ms, tip.time_ms + 65_000);
    let standing_still = node.handle.seal().await.unwrap().time_ms;
    assert_eq!(standing_still, tip.time_ms + 65_001, "a block is later than its parent");
    node.wall_ms.fetch_add(1_000, Ordering::SeqCst);
    assert_eq!(node.handle.seal().await.unwrap().time_ms, tip.time_ms + 66_000);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn time_cannot_be_moved_to_where_no_block_follows() {
    let node = Node::start(SealMode::Manual);
    let tip = node.handle.seal().await.unwrap();
    for refused in [
        node.handle.increase_time(u64::MAX).await.map(drop),
        node.handle.set_time(u64::MAX).await,
        node.handle.set_time(tip.time_ms + 101 * 365 * 86_400_000).await,
    ] {
        assert!(matches!(refused, Err(LocalError::TimeTooFarAhead { .. })), "{refused:?}");
    }
    assert_eq!(node.handle.status().await.unwrap().offset_ms, 0, "nothing has moved");
    node.handle.increase_time(99 * 365 * 86_400_000).await.unwrap();
    assert_eq!(node.handle.mine(2).await.unwrap().number(), 3);
    let twice = node.handle.increase_time(99 * 365 * 86_400_000).await;
    assert!(matches!(twice, Err(LocalError::TimeTooFarAhead { .. })), "the limit is for all moves together");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_chain_keeps_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig::directory(directory.path());
    let node = Node::start_on(open(&config), SealMode::Manual);
    let tip = node.handle.mine(1_000).await.unwrap();
    let Node { chain, mempool, running, shutdown, .. } = node;
    shutdown.cancel();
    running.await.unwrap().unwrap();
    drop((chain, mempool));
    let node = Node::start_on(open(&config), SealMode::Manual);
    assert_eq!(node.handle.status().await.unwrap().time_ms, tip.time_ms);
    node.wall_ms.fetch_add(40, Ordering::SeqCst);
    assert_eq!(node.handle.seal().await.unwrap().time_ms, tip.time_ms + 40);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_gone_back_to_from_far_beyond_the_window() {
    let node = Node::start_on(memory_chain(History::Blocks(8)), SealMode::Manual);
    node.handle.mine(3).await.unwrap();
    let noted = node.handle.seal().await.unwrap();
    let offset_ms = node.handle.status().await.unwrap().offset_ms;
    let first = node.handle.snapshot().await.unwrap();
    node.mempool.submit(node.transfer(0)).await.unwrap();
    node.handle.mine(200).await.unwrap();
    let second = node.handle.snapshot().await.unwrap();
    let after = node.handle.status().await.unwrap();
    assert_eq!(after.snapshots, [first, second]);
    assert!(after.offset_ms > offset_ms);

    assert_eq!(node.handle.revert(first).await.unwrap(), noted);
    let status = node.handle.status().await.unwrap();
    assert_eq!((status.snapshots.len(), status.offset_ms, status.tip), (0, offset_ms, noted.clone()));
    for id in [first, second, SnapshotId(77)] {
        assert!(
            matches!(node.handle.revert(id).await, Err(LocalError::UnknownSnapshot(unknown)) if unknown == id)
        );
    }
    let view = node.chain.tip_state().unwrap();
    view.verify().unwrap();
    assert!(audit(&view).unwrap().holds());
    // The same transfer applies again, and history goes on.
    node.mempool.submit(node.transfer(0)).await.unwrap();
    assert_eq!(node.handle.mine(20).await.unwrap().number(), noted.number() + 20);
    assert_eq!(node.chain.oldest_state().unwrap(), node.number() - 7);
    node.stop().await.unwrap();
}

/// Reads the newest state over and over until `end`; returns how often.
fn read_meanwhile(chain: &Chain, end: &AtomicBool) -> u64 {
    let mut count = 0;
    while !end.load(Ordering::SeqCst) {
        let view = chain.tip_state().unwrap();
        let time_ms: Option<u64> = view.value(&storage_keys::timestamp()).unwrap();
        assert_eq!(time_ms.is_some(), view.number() > 0);
        let number: Option<u32> = view.value(&storage_keys::value("System", "Number")).unwrap();
        assert_eq!(number.unwrap_or_default(), view.number());
        match chain.state(&view.hash()) {
            Ok(again) => assert_eq!(again.value::<u64>(&storage_keys::timestamp()).unwrap(), time_ms),
            // It was taken back, or has left the window.
            Err(ChainError::UnknownBlock(_) | ChainError::StateDiscarded(_)) => {}
            Err(error) => panic!("{error}"),
        }
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_always_find_the_state_of_the_tip() {
    let node = Node::start_on(memory_chain(History::Blocks(1)), SealMode::Manual);
    let end = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (chain, end) = (Arc::clone(&node.chain), Arc::clone(&end));
            std::thread::spawn(move || read_meanwhile(&chain, &end))
        })
        .collect();
    for _ in 0..12 {
        let snapshot = node.handle.snapshot().await.unwrap();
        node.handle.mine(20).await.unwrap();
        node.handle.revert(snapshot).await.unwrap();
        // More than the window in one transaction.
        node.handle.mine(5).await.unwrap();
    }
    end.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.join().unwrap() > 10);
    }
    assert_eq!(node.number(), 60);
    node.stop().await.unwrap();
}

/// Reads the newest state whenever it is told of a block.
struct Inquisitive {
    chain: Arc<Chain>,
    seen: Mutex<Vec<(u32, u32)>>,
}

impl ChainObserver for Inquisitive {
    fn committed(&self, block: &Arc<CommittedBlock>) {
        let view = self.chain.tip_state().unwrap();
        view.verify().unwrap();
        self.seen.lock().unwrap().push((block.number(), view.number()));
    }

    fn reverted(&self, tip: &Tip) {
        self.chain.tip_state().unwrap().verify().unwrap();
        self.seen.lock().unwrap().push((tip.number(), tip.number()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_of_a_batch_longer_than_the_window_reads_the_newest_state() {
    let node = Node::start_on(memory_chain(History::Blocks(1)), SealMode::Manual);
    let observer = Arc::new(Inquisitive { chain: Arc::clone(&node.chain), seen: Mutex::default() });
    let weak: Weak<Inquisitive> = Arc::downgrade(&observer);
    node.chain.observe(weak);
    node.handle.mine(4).await.unwrap();
    let snapshot = node.handle.snapshot().await.unwrap();
    node.handle.mine(2).await.unwrap();
    node.handle.revert(snapshot).await.unwrap();
    let seen = observer.seen.lock().unwrap().clone();
    assert_eq!(seen, [(1, 4), (2, 4), (3, 4), (4, 4), (5, 6), (6, 6), (4, 4)]);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_loaded_into_another_node() {
    let source = Node::start(SealMode::Manual);
    source.mempool.submit(source.transfer(0)).await.unwrap();
    let tip = source.handle.mine(30).await.unwrap();
    let dump = source.handle.dump().await.unwrap();
    let target = Node::start(SealMode::Manual);
    target.handle.snapshot().await.unwrap();
    target.handle.mine(3).await.unwrap();
    assert_eq!(target.handle.load(dump.clone()).await.unwrap(), tip);
    assert_eq!(target.handle.status().await.unwrap().snapshots, []);
    assert_eq!(target.handle.mine(1).await.unwrap().time_ms, tip.time_ms + SLOT_MS);
    assert_eq!(target.mempool.next_nonce(&Keyring::Alice.to_account_id()).unwrap(), 1);
    let cut = target.handle.load(dump[..dump.len() / 2].to_vec()).await;
    assert!(matches!(cut, Err(LocalError::Chain(ChainError::Store(StoreError::BadDump(_))))), "{cut:?}");
    assert_eq!(target.number(), tip.number() + 1);
    source.stop().await.unwrap();
    target.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_interrupts_mining_and_loses_nothing_that_was_told() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig::directory(directory.path());
    let node = Node::start_on(open(&config), SealMode::Manual);
    let mut events = node.chain.subscribe();
    let handle = node.handle.clone();
    let mining = tokio::spawn(async move { handle.mine(1_000_000).await });
    timeout(SOON, events.recv()).await.unwrap().unwrap();
    let Node { chain, mempool, running, shutdown, handle, .. } = node;
    shutdown.cancel();
    timeout(SOON, running).await.unwrap().unwrap().unwrap();
    let stopped = mining.await.unwrap();
    assert!(matches!(stopped, Err(LocalError::ShuttingDown { blocks }) if blocks > 0), "{stopped:?}");
    assert!(matches!(handle.seal().await, Err(LocalError::Stopped)));
    let tip = chain.tip();
    drop((chain, mempool));
    let chain = open(&config);
    assert_eq!(chain.tip(), tip);
    chain.tip_state().unwrap().verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_stops_sealing_and_is_the_nodes_error() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig { max_bytes: Some(8 << 20), ..StoreConfig::directory(directory.path()) };
    let node = Node::start_on(open(&config), SealMode::Manual);
    let refused = node.handle.mine(1_000_000).await;
    assert!(
        matches!(refused, Err(LocalError::Chain(ChainError::Store(StoreError::DiskFull)))),
        "{refused:?}"
    );
    let tip = node.chain.tip();
    node.chain.tip_state().unwrap().verify().unwrap();
    let Node { chain, mempool, running, handle, .. } = node;
    let error = timeout(SOON, running).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(matches!(handle.seal().await, Err(LocalError::Stopped)));
    drop((chain, mempool));
    let chain = open(&StoreConfig::directory(directory.path()));
    assert!(chain.tip().number() >= tip.number(), "everything that was told is there");
    chain.tip_state().unwrap().verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_no_book_knows_stops_sealing_and_is_the_nodes_error() {
    let node = Node::start_on(memory_chain_from(&tainted_genesis()), SealMode::Manual);
    node.handle.mine(2).await.unwrap();
    node.mempool.submit(opening(&node.chain)).await.unwrap();
    let refused = node.handle.mine(1).await;
    assert!(
        matches!(refused, Err(LocalError::Chain(ChainError::NotConserved { number: 3, .. }))),
        "{refused:?}"
    );
    assert_eq!(node.number(), 2);
    let error = timeout(SOON, node.running).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("not conserved after block 3"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_without_handles_goes_on_and_stops() {
    let Node { chain, mempool, handle, shutdown, running, .. } =
        Node::start(SealMode::Interval(Duration::from_millis(5)));
    drop(handle);
    let mut events = chain.subscribe();
    timeout(SOON, events.recv()).await.unwrap().unwrap();
    shutdown.cancel();
    timeout(SOON, running).await.unwrap().unwrap().unwrap();
    drop(mempool);
}
