//! Seen nonces, in bounded memory.
//!
//! Nonces are times, so what may be forgotten is what has become stale. Everything forgotten leaves a floor behind: a
//! sender's nonces at or below their floor count as seen. In regular service a floor is always older than what the
//! freshness check lets through, and costs nobody anything. When the clock is set back, or a sender exceeds its share,
//! the floor makes the store refuse too much instead of too little.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use super::verify::AuthError;

/// Bounds of a [`ReplayStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Senders to remember at once.
    pub senders: usize,
    /// Nonces to remember of each; with more inside the freshness window, its older requests are refused.
    pub nonces_per_sender: usize,
}

impl Default for ReplayLimits {
    fn default() -> Self {
        Self { senders: 4096, nonces_per_sender: 4096 }
    }
}

/// Remembers accepted `(sender, nonce)` pairs.
pub struct ReplayStore {
    limits: ReplayLimits,
    state: Mutex<State>,
}

struct State {
    senders: HashMap<[u8; 32], Seen>,
    /// Floor of senders that are not remembered.
    floor_ns: u64,
}

struct Seen {
    nonces: BTreeSet<u64>,
    floor_ns: u64,
}

impl ReplayStore {
    /// An empty store. Requests signed at `started_ns` or before are refused, because an earlier process of the same
    /// server may have accepted them.
    pub fn new(limits: ReplayLimits, started_ns: u64) -> Self {
        let state = State { senders: HashMap::new(), floor_ns: started_ns };
        Self { limits, state: Mutex::new(state) }
    }

    /// Remembers a nonce that was not seen before. Nonces below `oldest_ns` are stale and may be forgotten.
    pub(crate) fn check_and_remember(
        &self,
        sender: [u8; 32],
        nonce_ns: u64,
        oldest_ns: u64,
    ) -> Result<(), AuthError> {
        let mut state = self.state.lock();
        if !state.senders.contains_key(&sender) {
            state.make_room(self.limits.senders, oldest_ns)?;
        }
        let floor_ns = state.floor_ns;
        let seen = state.senders.entry(sender).or_insert_with(|| Seen { nonces: BTreeSet::new(), floor_ns });
        seen.forget_below(oldest_ns);
        seen.remember(nonce_ns, self.limits.nonces_per_sender)
    }
}

impl State {
    fn make_room(&mut self, most: usize, oldest_ns: u64) -> Result<(), AuthError> {
        if self.senders.len() < most {
            return Ok(());
        }
        let mut floor_ns = self.floor_ns;
        self.senders.retain(|_, seen| {
            seen.forget_below(oldest_ns);
            let in_use = !seen.nonces.is_empty();
            if !in_use {
                floor_ns = floor_ns.max(seen.floor_ns);
            }
            in_use
        });
        self.floor_ns = floor_ns;
        match self.senders.len() < most {
            true => Ok(()),
            false => Err(AuthError::ReplayStoreFull),
        }
    }
}

impl Seen {
    fn forget_below(&mut self, oldest_ns: u64) {
        let fresh = self.nonces.split_off(&oldest_ns);
        if let Some(forgotten) = self.nonces.last() {
            self.floor_ns = self.floor_ns.max(*forgotten);
        }
        self.nonces = fresh;
    }

    fn remember(&mut self, nonce_ns: u64, most: usize) -> Result<(), AuthError> {
        if nonce_ns <= self.floor_ns || !self.nonces.insert(nonce_ns) {
            return Err(AuthError::Replayed);
        }
        if self.nonces.len() > most {
            if let Some(oldest) = self.nonces.pop_first() {
                self.floor_ns = oldest;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const WINDOW: u64 = 10;

    fn store(senders: usize, nonces_per_sender: usize) -> ReplayStore {
        ReplayStore::new(ReplayLimits { senders, nonces_per_sender }, 0)
    }

    fn accept(store: &ReplayStore, sender: u8, nonce: u64, now: u64) -> Result<(), AuthError> {
        store.check_and_remember([sender; 32], nonce, now.saturating_sub(WINDOW))
    }

    #[test]
    fn a_nonce_is_accepted_once_from_each_sender() {
        let store = store(10, 10);
        assert_eq!(accept(&store, 1, 100, 100), Ok(()));
        assert_eq!(accept(&store, 1, 100, 100), Err(AuthError::Replayed));
        assert_eq!(accept(&store, 2, 100, 100), Ok(()));
        // Parallel requests arrive out of order.
        assert_eq!(accept(&store, 1, 99, 100), Ok(()));
    }

    #[test]
    fn what_an_earlier_process_may_have_accepted_is_refused() {
        let store = ReplayStore::new(ReplayLimits::default(), 50);
        assert_eq!(accept(&store, 1, 50, 51), Err(AuthError::Replayed));
        assert_eq!(accept(&store, 1, 51, 51), Ok(()));
    }

    #[test]
    fn a_clock_set_back_does_not_revive_forgotten_nonces() {
        let store = store(10, 10);
        assert_eq!(accept(&store, 1, 100, 100), Ok(()));
        assert_eq!(accept(&store, 1, 200, 200), Ok(()));
        assert_eq!(accept(&store, 1, 100, 100), Err(AuthError::Replayed));
    }

    #[test]
    fn a_sender_without_room_for_its_nonces_harms_only_itself() {
        let store = store(10, 2);
        for nonce in [100, 101, 102] {
            assert_eq!(accept(&store, 1, nonce, 100), Ok(()));
        }
        assert_eq!(accept(&store, 1, 100, 100), Err(AuthError::Replayed));
        assert_eq!(accept(&store, 1, 99, 100), Err(AuthError::Replayed));
        assert_eq!(accept(&store, 2, 99, 100), Ok(()));
    }

    #[test]
    fn idle_senders_make_room_and_busy_ones_do_not() {
        let store = store(2, 10);
        assert_eq!(accept(&store, 1, 100, 100), Ok(()));
        assert_eq!(accept(&store, 2, 101, 101), Ok(()));
        assert_eq!(accept(&store, 3, 102, 102), Err(AuthError::ReplayStoreFull));
        assert_eq!(accept(&store, 3, 111, 111), Ok(()));
        // The sender that made room cannot be replayed either.
        assert_eq!(accept(&store, 1, 100, 100), Err(AuthError::ReplayStoreFull));
        assert_eq!(accept(&store, 1, 100, 122), Err(AuthError::Replayed));
    }

    proptest! {
        /// Whatever the history, clock jumps included: nothing is accepted twice, and memory stays bounded.
        #[test]
        fn nothing_is_accepted_twice(
            requests in proptest::collection::vec((0u8..6, 90u64..200, 90u64..200), 0..400),
        ) {
            let store = store(3, 4);
            let mut accepted = HashSet::new();
            for (sender, nonce, now) in requests {
                if accept(&store, sender, nonce, now).is_ok() {
                    prop_assert!(accepted.insert((sender, nonce)));
                }
                let state = store.state.lock();
                prop_assert!(state.senders.len() <= 3);
                prop_assert!(state.senders.values().all(|seen| seen.nonces.len() <= 4));
            }
        }

        /// With a clock that only moves forward and enough room, no fresh request is refused.
        #[test]
        fn fresh_requests_are_not_refused(steps in proptest::collection::vec((0u8..4, 0u64..WINDOW), 0..200)) {
            let store = store(4, 200);
            let mut sent = HashSet::new();
            for (step, (sender, age)) in steps.into_iter().enumerate() {
                let now = 1000 + u64::try_from(step).unwrap();
                let nonce = now - age;
                let first = sent.insert((sender, nonce));
                prop_assert_eq!(accept(&store, sender, nonce, now).is_ok(), first);
            }
        }
    }
}
