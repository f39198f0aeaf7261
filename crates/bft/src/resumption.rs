//! When a validator that starts may sign.
//!
//! Its guard knows what it has signed, unless somebody has put back an old one with an old database. Then what it would
//! sign is long decided, and may contradict what it signed when it was not. So a validator whose newest block is old first
//! listens how far its peers are, and follows until it is as far. On the way it sees which of its own votes others have.

use std::time::{Duration, Instant};

use crate::guard::Doubt;

/// How long nobody new must have connected until it is clear that nobody is ahead. One who says that he is not may be the first
/// who happened to speak; and nodes without a block are silent, so on a new chain this is all that can be heard.
const MAX_SILENCE: Duration = Duration::from_millis(1_500);
/// How long a node waits for a first word, or for the next block of those that claim to be ahead.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Until when a validator follows without signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// This height is committed.
    Height(u32),
    /// It is as far as its peers.
    Peers,
    /// A block is committed that was made after the node started.
    NewBlock(Doubt),
}

/// What a validator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// Wait for what peers say.
    Listen,
    /// Follow those that are ahead.
    Follow,
    /// Take part.
    TakePart,
}

/// How far peers are, as far as a node that starts has heard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lead {
    /// Nobody is known to be ahead. If `is_settled`, that will do once nobody new connects any more: somebody has said that he
    /// is not, or nobody has a block and thus anything to say.
    Unknown { is_settled: bool, started: Instant, peers: usize, since: Instant },
    /// Somebody claims to have a newer block. Who lies about that delays this validator until blocks stop coming, or are new.
    Claimed { tip: u32, since: Instant },
    /// It is certain that a block is decided. This validator follows until it has it, however long nobody gives it the blocks.
    Certain { tip: u32 },
    /// Nobody is ahead by more than what happens while a node runs.
    None,
}

impl Lead {
    pub fn unknown(is_new_chain: bool, now: Instant) -> Self {
        Self::Unknown { is_settled: is_new_chain, started: now, peers: 0, since: now }
    }

    /// A peer has blocks up to `tip`, this node up to `head`.
    pub fn heard(&mut self, tip: u32, head: u32, now: Instant) {
        *self = match *self {
            Self::Unknown { .. } if tip > head => Self::Claimed { tip, since: now },
            Self::Unknown { started, peers, since, .. } => {
                Self::Unknown { is_settled: true, started, peers, since }
            }
            Self::Claimed { tip: before, since } => Self::Claimed { tip: tip.max(before), since },
            Self::Certain { .. } | Self::None => *self,
        }
    }

    /// Whether what others say matters.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The block `tip` is decided for certain; this node has blocks up to `head`.
    pub fn proven(&mut self, tip: u32, head: u32) {
        *self = match *self {
            Self::None => Self::None,
            Self::Certain { tip: before } => Self::Certain { tip: tip.max(before) },
            _ if tip > head => Self::Certain { tip },
            _ => *self,
        }
    }

    /// The number of peers, counted now and then.
    pub fn connected(&mut self, count: usize, now: Instant) {
        if let Self::Unknown { peers, since, .. } = self {
            if *peers != count {
                (*peers, *since) = (count, now);
            }
        }
    }

    /// A block was committed.
    pub fn committed(&mut self, number: u32, is_old: bool, now: Instant) {
        *self = match *self {
            Self::Claimed { tip, .. } if is_old && number < tip => Self::Claimed { tip, since: now },
            Self::Certain { tip } if is_old && number < tip => *self,
            _ => Self::None,
        }
    }

    pub fn stance(&mut self, now: Instant) -> Stance {
        let age = |since| now.saturating_duration_since(since);
        let is_over = match *self {
            Self::Unknown { is_settled, started, peers, since } => {
                age(started) >= MAX_WAIT || (is_settled && peers > 0 && age(since) >= MAX_SILENCE)
            }
            Self::Claimed { since, .. } => age(since) >= MAX_WAIT,
            Self::Certain { .. } => false,
            Self::None => true,
        };
        if is_over {
            *self = Self::None;
        }
        match self {
            Self::Unknown { .. } => Stance::Listen,
            Self::Claimed { .. } | Self::Certain { .. } => Stance::Follow,
            Self::None => Stance::TakePart,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_behind_takes_part() {
        let now = Instant::now();
        let mut lead = Lead::unknown(false, now);
        assert_eq!(lead.stance(now), Stance::Listen);
        lead.connected(1, now);
        lead.heard(5, 5, now);
        assert_eq!(lead.stance(now), Stance::Listen, "the next may be ahead");
        assert_eq!({ lead }.stance(now + MAX_SILENCE), Stance::TakePart);
        let mut others = lead;
        others.connected(2, now);
        others.heard(6, 5, now);
        assert_eq!(others.stance(now), Stance::Follow);
        assert_eq!(lead.stance(now + MAX_SILENCE), Stance::TakePart);
        lead.heard(9, 5, now);
        assert_eq!(lead.stance(now), Stance::TakePart, "what happens later is no reason to leave");
    }

    #[test]
    fn who_is_behind_follows_until_it_is_as_far() {
        let now = Instant::now();
        let mut lead = Lead::unknown(true, now);
        lead.heard(7, 5, now);
        lead.heard(6, 5, now);
        lead.committed(6, true, now);
        assert_eq!(lead.stance(now), Stance::Follow);
        lead.committed(7, true, now);
        assert_eq!(lead.stance(now), Stance::TakePart);
    }

    #[test]
    fn a_lie_ends_with_a_new_block_or_when_no_block_comes() {
        let start = Instant::now();
        let mut lead = Lead::unknown(true, start);
        lead.heard(u32::MAX, 5, start);
        let later = start + MAX_WAIT / 2;
        lead.committed(6, true, later);
        assert_eq!(lead.stance(start + MAX_WAIT), Stance::Follow, "a block came meanwhile");
        assert_eq!({ lead }.stance(later + MAX_WAIT), Stance::TakePart);
        lead.committed(7, false, start + MAX_WAIT);
        assert_eq!(lead.stance(start + MAX_WAIT), Stance::TakePart);
    }

    #[test]
    fn who_is_certainly_behind_follows_however_long_no_block_comes() {
        let start = Instant::now();
        let mut lead = Lead::unknown(false, start);
        lead.proven(5, 5);
        assert_eq!({ lead }.stance(start + MAX_WAIT), Stance::TakePart, "it is as far as that");
        lead.heard(9, 5, start);
        lead.proven(7, 5);
        lead.heard(5, 5, start);
        lead.proven(6, 5);
        assert_eq!(lead.stance(start + 9 * MAX_WAIT), Stance::Follow);
        lead.committed(6, true, start);
        assert_eq!(lead.stance(start + 9 * MAX_WAIT), Stance::Follow);
        lead.committed(7, true, start);
        assert_eq!(lead.stance(start), Stance::TakePart);
        lead.proven(9, 7);
        assert_eq!(lead.stance(start), Stance::TakePart, "what happens later is no reason to leave");
    }

    #[test]
    fn silence_on_a_new_chain_means_that_nobody_has_a_block() {
        let start = Instant::now();
        let mut lead = Lead::unknown(true, start);
        let mut has_blocks = Lead::unknown(false, start);
        has_blocks.connected(1, start);
        assert_eq!(has_blocks.stance(start + 2 * MAX_SILENCE), Stance::Listen, "the peer may be busy");
        assert_eq!(has_blocks.stance(start + MAX_WAIT), Stance::TakePart);
        let second = start + MAX_SILENCE / 2;
        lead.connected(1, start);
        lead.connected(2, second);
        lead.connected(2, start + MAX_SILENCE);
        assert_eq!(lead.stance(start + MAX_SILENCE), Stance::Listen, "the second has just come");
        assert_eq!(lead.stance(second + MAX_SILENCE), Stance::TakePart);
        let mut alone = Lead::unknown(true, start);
        alone.connected(0, start);
        assert_eq!(alone.stance(start + MAX_WAIT - Duration::from_millis(1)), Stance::Listen);
        assert_eq!(alone.stance(start + MAX_WAIT), Stance::TakePart);
    }
}
