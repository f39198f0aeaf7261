//! Whether a node knows how far its network is.
//!
//! A node that starts with an old block does not know whether its network has gone on without it, until a peer says how far
//! it is, or a block is decided. Before that, it must not judge transactions. It must not wait for ever, either: perhaps
//! nobody is there, or all start together.
//!
//! A node that only follows is nothing without the others: what is handed in there reaches a block through them alone. So it
//! takes no transactions while it is connected to none of them, however long that is. A validator goes on taking them,
//! because the others may come back and its turn to propose with them.

use std::{collections::BTreeSet, fmt::Display, sync::Arc, time::Duration};

use myelin_chain::{local::WallClock, Application, Behind, ConsensusKey, ValidatorSet};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use crate::{
    ahead::Ahead,
    config::{BftConfig, PeerAddress},
    contacts::Contacts,
    context::Vote,
    observer::ConsensusMessage,
    resumption::{Lead, Stance},
    signing::vote_bytes,
    status::StatusView,
    trouble::{Standing, Trouble, PEER_PATIENCE},
};

/// A node whose newest block is older than this many slots may be behind.
const MAX_TIP_AGE_SLOTS: u64 = 20;
/// How long after its last word a peer counts as connected that is not counted. Peers are counted twice a second.
const MAX_SILENCE: Duration = Duration::from_secs(3);

/// What a node knows about how far its network is.
pub(crate) struct Outset {
    application: Application,
    status: StatusView,
    clock: WallClock,
    own: Option<ConsensusKey>,
    contacts: Arc<Contacts>,
    /// Peers that were found, and whom it may dial.
    found: Option<watch::Receiver<BTreeSet<PeerAddress>>>,
    view: Mutex<View>,
    trouble: Trouble,
    lead: Mutex<Lead>,
    /// Nothing in a node that cannot say who the validators are.
    ahead: Option<Mutex<Ahead>>,
    started_ms: u64,
}

struct View {
    knowledge: Knowledge,
    /// When a peer has last said how far it is.
    heard: Option<Instant>,
}

#[derive(Clone, Copy)]
enum Knowledge {
    /// Nobody has said anything.
    Nothing { since: Instant },
    /// Somebody is ahead, but no block of theirs is here. Who lies about that delays transactions until the next block.
    SomebodyIsAhead,
    /// It only follows, and nobody is there.
    CutOff,
    /// Blocks tell, or nobody does.
    Enough,
}

impl Outset {
    /// What is known when the node starts. Transactions are refused from now on if that is not enough.
    pub fn new(
        application: &Application,
        status: &StatusView,
        config: &BftConfig,
        contacts: &Arc<Contacts>,
    ) -> Arc<Self> {
        let view = View { knowledge: Knowledge::Enough, heard: None };
        let outset = Self {
            application: application.clone(),
            status: status.clone(),
            clock: Arc::clone(&config.clock),
            own: config.key.as_ref().map(|key| key.public()),
            contacts: Arc::clone(contacts),
            found: config.discovered.clone(),
            view: view.into(),
            trouble: Trouble::default(),
            lead: Lead::None.into(),
            ahead: validators(application).map(|set| Ahead::new(set, Instant::now().into_std()).into()),
            started_ms: (config.clock)(),
        };
        let follows = outset.follows();
        status.set_should_have_peers(follows || status.get().should_have_peers);
        if outset.own.is_some() && outset.is_old() && (status.get().should_have_peers || outset.has_others())
        {
            let is_new_chain = application.chain().head().number() == 0;
            *outset.lead.lock() = Lead::unknown(is_new_chain, Instant::now().into_std());
        }
        {
            let mut view = outset.view.lock();
            if follows && outset.dials_nobody() {
                outset.cut_off(&mut view);
            } else if follows || (status.get().should_have_peers && outset.is_old()) {
                outset.wait(&mut view, Instant::now());
            }
        }
        outset.look_for_trouble(Instant::now());
        Arc::new(outset)
    }

    /// What a validator may do.
    pub fn stance(&self) -> Stance {
        self.lead.lock().stance(Instant::now().into_std())
    }

    /// When the node started, by its clock.
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The number of peers, counted now and then.
    pub fn connected(&self, peers: usize) {
        self.lead.lock().connected(peers, Instant::now().into_std());
    }

    /// A peer has blocks from `history_min` up to `tip`.
    pub fn heard(&self, peer: &impl Display, tip: u32, history_min: u32) {
        let newest = self.application.chain().head();
        let (head, age_ms) = (newest.number(), (self.clock)().saturating_sub(newest.time_ms));
        self.lead.lock().heard(tip, head, Instant::now().into_std());
        if tip > head {
            self.trouble.heard_of_more(peer, head, history_min, Instant::now());
        }
        let mut view = self.view.lock();
        view.heard = Some(Instant::now());
        match (view.knowledge, tip > head) {
            (Knowledge::Enough, _) | (Knowledge::SomebodyIsAhead, false) => {}
            (_, false) => self.settle(&mut view, false, None),
            (_, true) => {
                view.knowledge = Knowledge::SomebodyIsAhead;
                self.set_behind(true, Some(Behind::By { number: head, age_ms }));
            }
        }
    }

    /// A vote has arrived, whose signature nobody has verified. What it says matters only while this validator does not take part.
    pub fn heard_vote(&self, observed: &ConsensusMessage, vote: &Vote) {
        let Some(ahead) = self.ahead.as_ref().filter(|_| self.lead.lock().is_open()) else { return };
        let chain = self.application.chain();
        let head = chain.head().number();
        if observed.height <= head.saturating_add(1) {
            return;
        }
        let signed = || vote_bytes(&chain.genesis_hash(), vote);
        if let Some(tip) = ahead.lock().heard(observed, signed, Instant::now().into_std()) {
            self.lead.lock().proven(tip, head);
        }
    }

    /// Time has passed.
    pub fn tick(&self, now: Instant) {
        self.look_for_peers(now);
        self.look_for_trouble(now);
    }

    fn look_for_peers(&self, now: Instant) {
        let has_peers = self.status.get().peers > 0;
        let mut view = self.view.lock();
        let was_heard = view.heard.is_some_and(|heard| now.saturating_duration_since(heard) < MAX_SILENCE);
        let is_cut_off = !has_peers && !was_heard && self.follows();
        match view.knowledge {
            Knowledge::Nothing { since } if now.saturating_duration_since(since) < PEER_PATIENCE => {}
            Knowledge::Nothing { .. } if !is_cut_off => self.settle(&mut view, false, None),
            Knowledge::CutOff if has_peers => self.wait(&mut view, now),
            Knowledge::CutOff => {}
            _ if is_cut_off => self.cut_off(&mut view),
            _ => {}
        }
    }

    /// Tells the operator what is wrong.
    fn look_for_trouble(&self, now: Instant) {
        let status = self.status.get();
        let is_old = self.is_old();
        let standing = Standing {
            misses_peers: status.peers == 0 && status.should_have_peers && (self.follows() || is_old),
            dials_nobody: self.dials_nobody(),
            head: self.application.chain().head().number(),
            is_old,
        };
        self.status.set_trouble(self.trouble.look(&standing, || self.contacts.describe(), now));
    }

    /// A block was committed, `number`; it came from a node that was ahead if `is_synced`. Who gets single new blocks from
    /// others, because they were faster, is not behind.
    pub fn committed(&self, number: u32, is_synced: bool, age_ms: u64, slot_ms: u64) {
        let is_old = is_old_age(age_ms, slot_ms);
        self.lead.lock().committed(number, is_old, Instant::now().into_std());
        let behind = (is_synced && is_old).then_some(Behind::By { number, age_ms });
        self.settle(&mut self.view.lock(), is_synced, behind);
    }

    fn settle(&self, view: &mut View, is_synced: bool, behind: Option<Behind>) {
        view.knowledge = Knowledge::Enough;
        self.set_behind(is_synced, behind);
    }

    fn wait(&self, view: &mut View, since: Instant) {
        view.knowledge = Knowledge::Nothing { since };
        self.set_behind(false, Some(Behind::Unsure));
    }

    fn cut_off(&self, view: &mut View) {
        view.knowledge = Knowledge::CutOff;
        self.set_behind(false, Some(Behind::CutOff));
    }

    fn set_behind(&self, is_synced: bool, behind: Option<Behind>) {
        self.application.mempool().set_behind(behind);
        self.status.set_syncing(is_synced, behind.is_some());
    }

    /// Whether it takes no part in deciding blocks. A state that cannot be read is reported when a block is to be made.
    fn follows(&self) -> bool {
        let Some(own) = self.own else { return true };
        validators(&self.application).is_some_and(|validators| validators.get(&own).is_none())
    }

    /// Whether there are other validators.
    fn has_others(&self) -> bool {
        validators(&self.application).is_some_and(|validators| validators.members().len() > 1)
    }

    fn dials_nobody(&self) -> bool {
        self.contacts.is_empty() && self.found.as_ref().is_none_or(|found| found.borrow().is_empty())
    }

    /// Whether the newest block is old.
    fn is_old(&self) -> bool {
        let head = self.application.chain().head();
        let params = self.application.params(head.number().saturating_add(1));
        params.is_ok_and(|params| {
            is_old_age((self.clock)().saturating_sub(head.time_ms), params.slot_duration_ms)
        })
    }
}

/// Who decides the next block. A state that cannot be read is reported when a block is to be made.
fn validators(application: &Application) -> Option<ValidatorSet> {
    let next = application.chain().head().number().saturating_add(1);
    application.params(next).ok().map(|params| params.validators)
}

fn is_old_age(age_ms: u64, slot_ms: u64) -> bool {
    age_ms > slot_ms.saturating_mul(MAX_TIP_AGE_SLOTS)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use arc_malachitebft_app_channel::app::types::{codec::Codec, sync::Status, Keypair, PeerId};
    use myelin_chain::{Chain, Lookahead, Mempool, MempoolLimits, Store, StoreConfig, SubmitError};
    use myelin_runtime::{
        presets::{Genesis, Validator},
        AccountId,
    };

    use super::*;
    use crate::{codec::WireCodec, context::Context, ConsensusSecret};

    const SLOT_MS: u64 = 100;
    const OLD_MS: u64 = (MAX_TIP_AGE_SLOTS + 1) * SLOT_MS;
    const VALIDATOR: [u8; 32] = [1; 32];
    const FOLLOWER: [u8; 32] = [2; 32];
    const SECOND: Duration = Duration::from_secs(1);

    /// A node at the genesis, whose time is 0.
    fn outset(seed: [u8; 32], has_peers: bool, now_ms: u64) -> Arc<Outset> {
        let secret = ConsensusSecret::from_seed;
        let mut genesis = Genesis::development(SLOT_MS);
        let (key, account) = (secret(&VALIDATOR).public().into(), AccountId::new([7; 32]));
        genesis.validators = vec![Validator { key, account, power: 1 }];
        let storage = genesis.build_storage().unwrap();
        let chain = Chain::open(Store::open(&StoreConfig::memory()).unwrap(), Some(&storage)).unwrap();
        let limits = MempoolLimits { workers: 1, ..MempoolLimits::default() };
        let mempool = Mempool::new(Arc::clone(&chain), limits).unwrap();
        let peer = SocketAddr::from(([192, 0, 2, 1], 7));
        let mut config = BftConfig::new("unused", peer).with_key(secret(&seed));
        config.persistent_peers = has_peers.then_some(peer.into()).into_iter().collect();
        config.clock = Arc::new(move || now_ms);
        let contacts = Arc::new(Contacts::new(&config.persistent_peers));
        let status = StatusView::new("outset", has_peers);
        Outset::new(&Application::new(chain, mempool), &status, &config, &contacts)
    }

    fn validator(has_peers: bool, now_ms: u64) -> Arc<Outset> {
        outset(VALIDATOR, has_peers, now_ms)
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

        fn is_cut_off(&self) -> bool {
            matches!(self.refusal(), Some(SubmitError::CutOff))
        }

        fn hear(&self, tip: u32) {
            self.heard(&"somebody", tip, 1);
        }

        fn trouble(&self) -> String {
            self.status.trouble().unwrap_or_default()
        }
    }

    #[test]
    fn a_validator_is_unsure_only_if_it_may_be_behind() {
        assert!(validator(true, OLD_MS).is_unsure());
        assert!(validator(false, OLD_MS).refusal().is_none(), "there is nobody who could be ahead");
        assert!(validator(true, SLOT_MS).refusal().is_none(), "its block is new");
    }

    #[test]
    fn a_peer_that_is_not_ahead_is_enough() {
        let outset = validator(true, OLD_MS);
        outset.tick(Instant::now());
        assert!(outset.is_unsure(), "it waits longer for the first");
        outset.hear(0);
        assert!(outset.refusal().is_none());
        outset.hear(5);
        assert!(outset.refusal().is_none(), "blocks tell from then on");
    }

    #[test]
    fn a_peer_that_is_ahead_is_followed_first() {
        let outset = validator(true, OLD_MS);
        outset.hear(5);
        outset.hear(0);
        let refusal = outset.refusal();
        assert!(matches!(refusal, Some(SubmitError::Behind { number: 0, .. })), "{refusal:?}");
        assert!(refusal.unwrap().to_string().contains("no block but the first"));
        assert!(outset.status.get().is_syncing);
        outset.committed(1, true, OLD_MS, SLOT_MS);
        assert!(matches!(outset.refusal(), Some(SubmitError::Behind { number: 1, age_s: 2 })));
        outset.hear(1);
        assert!(outset.refusal().is_some());
        outset.committed(2, true, SLOT_MS, SLOT_MS);
        assert!(outset.refusal().is_none(), "it has caught up");
    }

    #[test]
    fn an_old_block_of_its_own_making_is_enough() {
        let outset = validator(true, OLD_MS);
        outset.committed(1, false, OLD_MS, SLOT_MS);
        assert!(outset.refusal().is_none());
    }

    #[test]
    fn a_validator_whom_nobody_answers_takes_transactions_and_says_what_it_misses() {
        let (outset, start) = (validator(true, OLD_MS), Instant::now());
        outset.tick(start + 9 * SECOND);
        assert!(outset.is_unsure() && outset.trouble().is_empty());
        outset.tick(start + 20 * SECOND);
        assert!(outset.refusal().is_none());
        assert!(outset.trouble().contains("/ip4/192.0.2.1/tcp/7 is not connected"), "{}", outset.trouble());
        assert_eq!(validator(false, OLD_MS).trouble(), "", "it needs nobody");
        let at_work = validator(true, SLOT_MS);
        at_work.tick(start);
        at_work.tick(start + 20 * SECOND);
        assert_eq!(at_work.trouble(), "", "it makes blocks");
    }

    #[test]
    fn a_follower_takes_nothing_while_it_has_no_peer() {
        for age_ms in [SLOT_MS, OLD_MS] {
            let (outset, start) = (outset(FOLLOWER, true, age_ms), Instant::now());
            assert!(outset.is_unsure(), "its peers are being dialled");
            outset.tick(start + 20 * SECOND);
            outset.tick(start + 40 * SECOND);
            assert!(outset.is_cut_off() && outset.trouble().contains("192.0.2.1"), "{}", outset.trouble());
            outset.status.set_peers(1);
            outset.tick(start + 41 * SECOND);
            assert!(outset.is_unsure() && outset.trouble().is_empty(), "the peer may be ahead");
            outset.hear(0);
            assert!(outset.refusal().is_none());
            outset.status.set_peers(0);
            outset.tick(Instant::now());
            assert!(outset.refusal().is_none(), "the peer has just been heard");
            outset.tick(Instant::now() + MAX_SILENCE);
            assert!(outset.is_cut_off());
            outset.hear(0);
            assert!(outset.refusal().is_none(), "it is heard before it is counted");
        }
    }

    #[test]
    fn a_follower_that_dials_nobody_says_so_at_once() {
        let outset = outset(FOLLOWER, false, SLOT_MS);
        assert!(outset.is_cut_off());
        assert!(outset.trouble().contains("p2p-peers"), "{}", outset.trouble());
        assert!(outset.status.get().should_have_peers);
        outset.hear(0);
        assert!(outset.refusal().is_none(), "somebody has dialled it");
    }

    #[test]
    fn a_peer_that_lacks_what_is_needed_is_named() {
        let outset = outset(FOLLOWER, true, OLD_MS);
        outset.status.set_peers(1);
        let keypair = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let peer_id = PeerId::from_bytes(&keypair.public().to_peer_id().to_bytes()).unwrap();
        let (tip_height, history_min_height) = (900.into(), 600.into());
        let status = Status::<Context> { peer_id, tip_height, history_min_height };
        let lookahead = Arc::new(Lookahead::start(Arc::clone(outset.application.chain())).unwrap());
        let network = WireCodec::network(None, None, lookahead, Arc::clone(&outset));
        let told = WireCodec::default().encode(&status).unwrap();
        let heard: Status<Context> = network.decode(told).unwrap();
        assert_eq!(heard.peer_id, peer_id);
        outset.tick(Instant::now());
        assert!(matches!(outset.refusal(), Some(SubmitError::Behind { number: 0, .. })));
        let trouble = outset.trouble();
        let names = format!("peer {peer_id} has blocks from 600 on only");
        assert!(trouble.contains("has block 1,") && trouble.contains(&names), "{trouble}");
        outset.hear(900);
        outset.tick(Instant::now());
        assert_eq!(outset.trouble(), "");
    }
}
