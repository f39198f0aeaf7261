//! Commits of weights that are not revealed yet, and what they say about stored weights.
//!
//! With commit-reveal a validator's stored weights are as old as its oldest unrevealed commit: whoever registered after
//! that may have taken the place of the neuron that was meant.

use alloc::{vec, vec::Vec};

/// A commit of a hash of weights, as its validator's queue holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedCommit {
    /// Epoch index in which it was made.
    pub epoch: u64,
    /// Block in which it was made.
    pub block: u64,
}

/// A commit that everybody can read once time has come, as the bucket of its epoch holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelockedCommit {
    /// Who made it; `None` if the hotkey has left the subnet.
    pub uid: Option<u16>,
    /// Block in which it was made.
    pub block: u64,
}

/// The clock of a subnet's commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitClock {
    /// Epoch index: epochs so far, this one included.
    pub epoch: u64,
    /// Epochs between a commit and its reveal.
    pub reveal_period_epochs: u64,
}

impl CommitClock {
    /// Whether a commit made in `epoch` can no longer be revealed.
    #[must_use]
    pub fn is_expired(&self, epoch: u64) -> bool {
        self.epoch > epoch.saturating_add(self.reveal_period_epochs)
    }

    /// Whether a commit made in `epoch` can be revealed now.
    #[must_use]
    pub fn is_revealable(&self, epoch: u64) -> bool {
        epoch.checked_add(self.reveal_period_epochs) == Some(self.epoch)
    }
}

/// For every uid the block of its oldest commit that is neither revealed nor expired: what
/// [`EpochInput::commit_blocks`](crate::EpochInput::commit_blocks) wants.
///
/// `hashed` are queues, oldest commit first, each with its owner; of each the first unexpired commit counts.
/// `timelocked` are the buckets of all epochs. Uids of `uid_count` and above are left out.
#[must_use]
pub fn oldest_commit_blocks<'a>(
    uid_count: u16,
    clock: CommitClock,
    hashed: impl IntoIterator<Item = (u16, &'a [HashedCommit])>,
    timelocked: impl IntoIterator<Item = (u64, &'a [TimelockedCommit])>,
) -> Vec<Option<u64>> {
    let mut oldest = vec![None; usize::from(uid_count)];
    let mut note = |uid: u16, block: u64| {
        if let Some(known) = oldest.get_mut(usize::from(uid)) {
            *known = Some(known.map_or(block, |known: u64| known.min(block)));
        }
    };
    for (uid, queue) in hashed {
        if let Some(commit) = queue.iter().find(|commit| !clock.is_expired(commit.epoch)) {
            note(uid, commit.block);
        }
    }
    for (_, bucket) in timelocked.into_iter().filter(|(epoch, _)| !clock.is_expired(*epoch)) {
        for commit in bucket {
            if let Some(uid) = commit.uid {
                note(uid, commit.block);
            }
        }
    }
    oldest
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: CommitClock = CommitClock { epoch: 10, reveal_period_epochs: 2 };

    fn hashed(commits: &[(u64, u64)]) -> Vec<HashedCommit> {
        commits.iter().map(|(epoch, block)| HashedCommit { epoch: *epoch, block: *block }).collect()
    }

    fn timelocked(uid: u16, block: u64) -> TimelockedCommit {
        TimelockedCommit { uid: Some(uid), block }
    }

    #[test]
    fn commits_expire_after_the_reveal_period() {
        assert!(CLOCK.is_expired(7) && !CLOCK.is_expired(8) && !CLOCK.is_expired(u64::MAX));
        assert!(CLOCK.is_revealable(8) && !CLOCK.is_revealable(7) && !CLOCK.is_revealable(9));
        assert!(!CLOCK.is_revealable(u64::MAX));
    }

    #[test]
    fn the_first_unexpired_commit_of_a_queue_counts() {
        let queues =
            [(0, hashed(&[(7, 70), (8, 85), (9, 80)])), (1, hashed(&[(7, 70)])), (9, hashed(&[(9, 1)]))];
        let queues = queues.iter().map(|(uid, queue)| (*uid, queue.as_slice()));
        assert_eq!(oldest_commit_blocks(3, CLOCK, queues, []), [Some(85), None, None]);
    }

    #[test]
    fn the_oldest_timelocked_commit_counts_whatever_its_place() {
        let gone = TimelockedCommit { uid: None, block: 1 };
        let old = [timelocked(0, 2)];
        let live = [timelocked(0, 90), timelocked(1, 95), timelocked(0, 88), gone];
        let newest = [timelocked(1, 99), timelocked(7, 3)];
        let buckets = [(7, &old[..]), (8, &live[..]), (10, &newest[..])];
        assert_eq!(oldest_commit_blocks(3, CLOCK, [], buckets), [Some(88), Some(95), None]);
    }

    #[test]
    fn both_kinds_count_together() {
        let queue = hashed(&[(9, 91)]);
        let bucket = [timelocked(0, 90), timelocked(1, 92)];
        let blocks = oldest_commit_blocks(2, CLOCK, [(0, &queue[..]), (1, &queue[..])], [(9, &bucket[..])]);
        assert_eq!(blocks, [Some(90), Some(91)]);
    }
}
