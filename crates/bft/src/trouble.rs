//! What keeps a node from following its network, as the operator is told it.
//!
//! A node without peers, or with peers that cannot help it, looks as if it waited. So it says what it misses, where health is
//! asked for and now and then in the log.

use std::{fmt::Display, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a node may be without peers before that is trouble.
pub(crate) const PEER_PATIENCE: Duration = Duration::from_secs(10);
/// How often the operator is told.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// For how long it counts what a peer has said; they repeat it every second.
const STATUS_LIFETIME: Duration = Duration::from_secs(10);

/// How a node stands among the others at some moment.
pub(crate) struct Standing {
    /// Whether nobody is connected who should be, while blocks of others are missed.
    pub misses_peers: bool,
    /// Whether there is no hope that somebody answers who was dialled.
    pub dials_nobody: bool,
    /// Height of the newest block.
    pub head: u32,
    /// Whether that block is old. Who has new ones misses none, whatever peers claim.
    pub is_old: bool,
}

/// Notices trouble and remembers when the operator was told.
#[derive(Default)]
pub(crate) struct Trouble(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    without_peers_since: Option<Instant>,
    /// When a peer was heard last that has the next block.
    helped: Option<Instant>,
    /// The last peer that is ahead and does not have the next block.
    useless: Option<Useless>,
    told: Option<Instant>,
}

struct Useless {
    peer: String,
    history_min: u32,
    heard: Instant,
}

fn is_recent(time: Option<Instant>, now: Instant, lifetime: Duration) -> bool {
    time.is_some_and(|time| now.saturating_duration_since(time) < lifetime)
}

impl Trouble {
    /// A peer that is ahead of `head` has blocks from `history_min` on.
    pub fn heard_of_more(&self, peer: &impl Display, head: u32, history_min: u32, now: Instant) {
        let mut seen = self.0.lock();
        match history_min <= head.saturating_add(1) {
            true => seen.helped = Some(now),
            false => seen.useless = Some(Useless { peer: peer.to_string(), history_min, heard: now }),
        }
    }

    /// What is wrong now; `peers` describes the peers that the node should have. Says so in the log if that is due.
    pub fn look(&self, standing: &Standing, peers: impl FnOnce() -> String, now: Instant) -> Option<String> {
        let mut seen = self.0.lock();
        let trouble =
            seen.without_peers(standing, peers, now).or_else(|| seen.without_history(standing, now));
        if let Some(trouble) = trouble.as_deref().filter(|_| !is_recent(seen.told, now, WARNING_INTERVAL)) {
            seen.told = Some(now);
            tracing::warn!("{trouble}");
        }
        trouble
    }
}

impl Seen {
    fn without_peers(
        &mut self,
        standing: &Standing,
        peers: impl FnOnce() -> String,
        now: Instant,
    ) -> Option<String> {
        if !standing.misses_peers {
            self.without_peers_since = None;
            return None;
        }
        let since = *self.without_peers_since.get_or_insert(now);
        let is_certain = standing.dials_nobody || now.saturating_duration_since(since) >= PEER_PATIENCE;
        is_certain.then(|| match standing.dials_nobody {
            true => "no node of this chain is connected, and this one dials nobody; name nodes of the chain with p2p-peers, \
                     or let them name this one"
                .to_owned(),
            false => format!(
                "no node of this chain is connected: {}; see that these nodes run and are of the same chain, or name others \
                 with p2p-peers",
                peers()
            ),
        })
    }

    fn without_history(&self, standing: &Standing, now: Instant) -> Option<String> {
        let has_help = is_recent(self.helped, now, STATUS_LIFETIME);
        let useless = self.useless.as_ref().filter(|_| standing.is_old && !has_help)?;
        let next = standing.head.saturating_add(1);
        let is_current = is_recent(Some(useless.heard), now, STATUS_LIFETIME) && useless.history_min > next;
        is_current.then(|| {
            format!(
                "no connected node says that it has block {next}, which is the next one here: peer {} has blocks from {} on \
                 only; name a node that keeps older blocks with p2p-peers",
                useless.peer, useless.history_min
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLLOWING: Standing = Standing { misses_peers: false, dials_nobody: false, head: 7, is_old: true };
    const ALONE: Standing = Standing { misses_peers: true, ..FOLLOWING };
    const SECOND: Duration = Duration::from_secs(1);

    fn look(trouble: &Trouble, standing: &Standing, now: Instant) -> String {
        trouble.look(standing, || "one is down".to_owned(), now).unwrap_or_default()
    }

    #[test]
    fn missing_peers_are_trouble_after_a_while_and_nobody_to_dial_at_once() {
        let (trouble, start) = (Trouble::default(), Instant::now());
        assert_eq!(look(&trouble, &ALONE, start), "");
        assert_eq!(look(&trouble, &FOLLOWING, start + 9 * SECOND), "");
        assert_eq!(look(&trouble, &ALONE, start + 11 * SECOND), "", "there was one meanwhile");
        assert_eq!(look(&trouble, &ALONE, start + 20 * SECOND), "");
        let told = look(&trouble, &ALONE, start + 21 * SECOND);
        assert!(told.contains("no node of this chain is connected: one is down;"), "{told}");
        let nobody = Standing { dials_nobody: true, ..ALONE };
        let told = look(&Trouble::default(), &nobody, start);
        assert!(told.contains("dials nobody") && told.contains("p2p-peers"), "{told}");
    }

    #[test]
    fn the_log_tells_it_now_and_then() {
        let (trouble, start) = (Trouble::default(), Instant::now());
        let nobody = Standing { dials_nobody: true, ..ALONE };
        let told_at = |seconds: u32| {
            look(&trouble, &nobody, start + seconds * SECOND);
            trouble.0.lock().told.map(|told| (told - start).as_secs())
        };
        assert_eq!([0, 59, 60, 119, 120].map(told_at), [Some(0), Some(0), Some(60), Some(60), Some(120)]);
    }

    #[test]
    fn peers_without_the_next_block_are_trouble_until_one_has_it() {
        let (trouble, start) = (Trouble::default(), Instant::now());
        trouble.heard_of_more(&"helper", 7, 8, start);
        trouble.heard_of_more(&"pruned", 7, 9, start + 9 * SECOND);
        assert_eq!(look(&trouble, &FOLLOWING, start + 9 * SECOND), "", "the helper has it");
        let told = look(&trouble, &FOLLOWING, start + 12 * SECOND);
        let up_to_date = Standing { is_old: false, ..FOLLOWING };
        assert_eq!(look(&trouble, &up_to_date, start + 12 * SECOND), "", "who has new blocks misses none");
        assert!(told.contains("has block 8") && told.contains("peer pruned has blocks from 9 on"), "{told}");
        let further = Standing { head: 8, ..FOLLOWING };
        assert_eq!(look(&trouble, &further, start + 12 * SECOND), "", "it came from somewhere");
        assert_eq!(look(&trouble, &FOLLOWING, start + 19 * SECOND), "", "it is gone");
        trouble.heard_of_more(&"pruned", 7, 9, start + 20 * SECOND);
        trouble.heard_of_more(&"helper", 7, 1, start + 20 * SECOND);
        assert_eq!(look(&trouble, &FOLLOWING, start + 20 * SECOND), "");
    }
}
