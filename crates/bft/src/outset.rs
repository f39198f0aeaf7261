//! Whether a node knows how far its network is.
//!
//! A node that starts with an old block does not know whether its network has gone on without it, until a peer says how far
//! it is, or a block is decided. Before that, it must not judge transactions. It must not wait for ever, either: perhaps
//! nobody is there, or all start together.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use myelin_chain::{local::WallClock, Application, Behind};
use parking_lot::Mutex;

use crate::{
    resumption::{Lead, Stance},
    status::StatusView,
};

/// A node whose newest block is older than this many slots may be behind.
const MAX_TIP_AGE_SLOTS: u64 = 20;
/// How long a node waits for a peer that says how far it is.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// What a node knows about how far its network is.
pub(crate) struct Outset {
    application: Application,
    status: StatusView,
    knowledge: Mutex<Knowledge>,
    lead: Mutex<Lead>,
    started_ms: u64,
}

#[derive(Clone, Copy)]
enum Knowledge {
    /// Nobody has said anything.
    Nothing { since: Instant },
    /// Somebody is ahead, but no block of theirs is here. Who lies about that delays transactions until the next block.
    SomebodyIsAhead,
    /// Blocks tell, or nobody does.
    Enough,
}

impl Outset {
    /// What is known when the node starts. Transactions are refused from now on if that is not enough.
    pub fn new(application: &Application, status: &StatusView, clock: &WallClock) -> Arc<Self> {
        let started_ms = clock();
        let may_be_behind = status.get().should_have_peers && is_old(application, started_ms);
        let knowledge = match may_be_behind {
            true => Knowledge::Nothing { since: Instant::now() },
            false => Knowledge::Enough,
        };
        if may_be_behind {
            application.mempool().set_behind(Some(Behind::Unsure));
            status.set_syncing(false, true);
        }
        Arc::new(Self {
            application: application.clone(),
            status: status.clone(),
            knowledge: knowledge.into(),
            lead: if may_be_behind { Lead::unknown(Instant::now()) } else { Lead::None }.into(),
            started_ms,
        })
    }

    /// What a validator may do.
    pub fn stance(&self) -> Stance {
        self.lead.lock().stance(Instant::now())
    }

    /// When the node started, by its clock.
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The number of peers, counted now and then.
    pub fn connected(&self, peers: usize) {
        self.lead.lock().connected(peers, Instant::now());
    }

    /// A peer has blocks up to `tip`.
    pub fn heard(&self, tip: u32) {
        let head = self.application.chain().head().number();
        self.lead.lock().heard(tip, head, Instant::now());
        let mut knowledge = self.knowledge.lock();
        if let Knowledge::Nothing { .. } = *knowledge {
            match tip > head {
                true => *knowledge = Knowledge::SomebodyIsAhead,
                false => self.settle(&mut knowledge, false, None),
            }
        }
    }

    /// Time has passed.
    pub fn tick(&self) {
        let mut knowledge = self.knowledge.lock();
        if matches!(*knowledge, Knowledge::Nothing { since } if since.elapsed() >= MAX_WAIT) {
            self.settle(&mut knowledge, false, None);
        }
    }

    /// A block was committed, `number`; it came from a node that was ahead if `is_synced`. Who gets single new blocks from
    /// others, because they were faster, is not behind.
    pub fn committed(&self, number: u32, is_synced: bool, age_ms: u64, slot_ms: u64) {
        let is_old = is_old_age(age_ms, slot_ms);
        self.lead.lock().committed(number, is_old, Instant::now());
        let behind = (is_synced && is_old).then_some(Behind::By { number, age_ms });
        self.settle(&mut self.knowledge.lock(), is_synced, behind);
    }

    fn settle(&self, knowledge: &mut Knowledge, is_synced: bool, behind: Option<Behind>) {
        *knowledge = Knowledge::Enough;
        self.application.mempool().set_behind(behind);
        self.status.set_syncing(is_synced, behind.is_some());
    }
}

/// Whether the newest block is old. A state that cannot be read is reported when a block is to be made.
fn is_old(application: &Application, now_ms: u64) -> bool {
    let head = application.chain().head();
    let params = application.params(head.number().saturating_add(1));
    params.is_ok_and(|params| is_old_age(now_ms.saturating_sub(head.time_ms), params.slot_duration_ms))
}

fn is_old_age(age_ms: u64, slot_ms: u64) -> bool {
    age_ms > slot_ms.saturating_mul(MAX_TIP_AGE_SLOTS)
}

#[cfg(test)]
mod tests {
    use myelin_chain::{Chain, Mempool, MempoolLimits, Store, StoreConfig, SubmitError};
    use myelin_runtime::presets::Genesis;

    use super::*;

    const SLOT_MS: u64 = 100;
    const OLD_MS: u64 = (MAX_TIP_AGE_SLOTS + 1) * SLOT_MS;

    /// A node at the genesis, whose time is 0.
    fn outset(has_peers: bool, now_ms: u64) -> Arc<Outset> {
        let genesis = Genesis::development(SLOT_MS).build_storage().unwrap();
        let chain = Chain::open(Store::open(&StoreConfig::memory()).unwrap(), Some(&genesis)).unwrap();
        let limits = MempoolLimits { workers: 1, ..MempoolLimits::default() };
        let mempool = Mempool::new(Arc::clone(&chain), limits).unwrap();
        let clock: WallClock = Arc::new(move || now_ms);
        Outset::new(&Application::new(chain, mempool), &StatusView::new("outset", has_peers), &clock)
    }

    impl Outset {
        /// What a submission is refused for; nothing if the transaction itself is looked at.
        fn refusal(&self) -> Option<SubmitError> {
            let refusal = self.application.mempool().submit_here(vec![0]).unwrap_err();
            assert_eq!(self.status.get().is_behind, !matches!(refusal, SubmitError::Malformed(_)));
            Some(refusal).filter(|refusal| !matches!(refusal, SubmitError::Malformed(_)))
        }

        fn is_unsure(&self) -> bool {
            matches!(self.refusal(), Some(SubmitError::Unsure))
        }
    }

    #[test]
    fn only_who_may_be_behind_is_unsure() {
        assert!(outset(true, OLD_MS).is_unsure());
        assert!(outset(false, OLD_MS).refusal().is_none(), "there is nobody who could be ahead");
        assert!(outset(true, SLOT_MS).refusal().is_none(), "its block is new");
    }

    #[test]
    fn a_peer_that_is_not_ahead_is_enough() {
        let outset = outset(true, OLD_MS);
        outset.tick();
        assert!(outset.is_unsure(), "it waits longer for the first");
        outset.heard(0);
        assert!(outset.refusal().is_none());
        outset.heard(5);
        assert!(outset.refusal().is_none(), "blocks tell from then on");
    }

    #[test]
    fn a_peer_that_is_ahead_is_followed_first() {
        let outset = outset(true, OLD_MS);
        outset.heard(5);
        outset.heard(0);
        assert!(outset.is_unsure());
        outset.committed(1, true, OLD_MS, SLOT_MS);
        assert!(matches!(outset.refusal(), Some(SubmitError::Behind { number: 1, age_s: 2 })));
        outset.heard(1);
        assert!(outset.refusal().is_some());
        outset.committed(2, true, SLOT_MS, SLOT_MS);
        assert!(outset.refusal().is_none(), "it has caught up");
    }

    #[test]
    fn an_old_block_of_its_own_making_is_enough() {
        let outset = outset(true, OLD_MS);
        outset.committed(1, false, OLD_MS, SLOT_MS);
        assert!(outset.refusal().is_none());
    }
}
