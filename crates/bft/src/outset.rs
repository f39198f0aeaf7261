//! Whether a node knows how far its network is.
//!
//! A node that starts with an old block does not know whether its network has gone on without it, until a peer says how far
//! it is, or a block is decided. Before that, it must not judge transactions. It must not wait for ever, either: perhaps
//! nobody is there, or all start together.

use std::{sync::Arc, time::Duration};

use myelin_chain::{local::WallClock, Application, Behind};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::status::StatusView;

/// A node whose newest block is older than this many slots may be behind.
const MAX_TIP_AGE_SLOTS: u64 = 20;
/// How long a node waits for a peer that says how far it is.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// What a node knows about how far its network is.
pub(crate) struct Outset {
    application: Application,
    status: StatusView,
    knowledge: Mutex<Knowledge>,
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
        let may_be_behind = status.get().should_have_peers && is_old(application, clock());
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
        })
    }

    /// A peer has blocks up to `tip`.
    pub fn heard(&self, tip: u32) {
        let mut knowledge = self.knowledge.lock();
        if let Knowledge::Nothing { .. } = *knowledge {
            match tip > self.application.chain().head().number() {
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
        let behind = (is_synced && is_old_age(age_ms, slot_ms)).then_some(Behind::By { number, age_ms });
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
