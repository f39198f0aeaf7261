//! What the mempool's answer to a transaction says about the peer that sent it.

use myelin_chain::{Hash, SubmitError};
use sp_runtime::transaction_validity::InvalidTransaction;

use crate::GossipCounts;

/// What a transaction costs that had to be checked and was good for nothing, in good ones.
const REFUSED_COST: u64 = 16;

/// What follows from one transaction of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How much of the peer's allowance it takes.
    pub cost: u64,
    /// Whether another peer may offer the same bytes again soon, and they are looked at.
    pub again: bool,
    /// What it says about the peer.
    pub conduct: Conduct,
    /// Where it is counted.
    pub counts: GossipCounts,
}

/// What a transaction says about the peer that sent it, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conduct {
    /// An honest node may send this.
    Honest,
    /// An honest node sends this only when it disagrees about the chain.
    Fault,
    /// No honest node sends this: its mempool would not have taken it.
    Hostile,
}

/// Judges one transaction by what the mempool said.
pub fn judge(result: &Result<Hash, SubmitError>) -> Verdict {
    let honest = |cost, again, counts| Verdict { cost, again, conduct: Conduct::Honest, counts };
    match result {
        Ok(_) => honest(1, false, GossipCounts { accepted: 1, ..Default::default() }),
        Err(SubmitError::AlreadyImported(_)) => {
            honest(1, false, GossipCounts { duplicates: 1, ..Default::default() })
        }
        // The block that contains it came first.
        Err(SubmitError::Invalid(InvalidTransaction::Stale)) => honest(1, false, refused()),
        Err(
            SubmitError::Busy
            | SubmitError::Unsure
            | SubmitError::Behind { .. }
            | SubmitError::CutOff
            | SubmitError::Ending
            | SubmitError::PoolFull(_)
            | SubmitError::Node(_),
        ) => honest(1, true, GossipCounts { dropped: 1, ..Default::default() }),
        Err(SubmitError::PriorityTooLow { .. } | SubmitError::Banned) => {
            honest(REFUSED_COST, false, refused())
        }
        Err(SubmitError::Malformed(_)) => bad(Conduct::Hostile),
        // Its mempool may have been given a higher limit than this one.
        Err(SubmitError::TooLarge { .. }) => bad(Conduct::Fault),
        Err(SubmitError::Invalid(reason)) if is_forged(reason) => bad(Conduct::Fault),
        Err(_) => honest(REFUSED_COST, true, refused()),
    }
}

fn refused() -> GossipCounts {
    GossipCounts { refused: 1, ..Default::default() }
}

fn bad(conduct: Conduct) -> Verdict {
    Verdict { cost: REFUSED_COST, again: false, conduct, counts: refused() }
}

/// Reasons that do not depend on how far a node has come. A mortal transaction can look forged to a node that does not
/// know its birth block, which is why one is not enough for a ban.
fn is_forged(reason: &InvalidTransaction) -> bool {
    matches!(
        reason,
        InvalidTransaction::Call
            | InvalidTransaction::BadProof
            | InvalidTransaction::BadSigner
            | InvalidTransaction::BadMandatory
            | InvalidTransaction::MandatoryValidation
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conduct(error: SubmitError) -> Conduct {
        judge(&Err(error)).conduct
    }

    #[test]
    fn only_what_no_mempool_takes_is_hostile() {
        assert_eq!(conduct(SubmitError::Malformed(String::new())), Conduct::Hostile);
        assert_eq!(conduct(SubmitError::TooLarge { found: 2, limit: 1 }), Conduct::Fault);
        assert_eq!(conduct(SubmitError::Invalid(InvalidTransaction::BadProof)), Conduct::Fault);
        for error in [
            SubmitError::Busy,
            SubmitError::Unsure,
            SubmitError::Behind { number: 1, age_s: 60 },
            SubmitError::CutOff,
            SubmitError::Ending,
            SubmitError::Banned,
            SubmitError::PoolFull("full"),
            SubmitError::AlreadyImported(Hash::zero()),
            SubmitError::Panicked(String::new()),
            SubmitError::PriorityTooLow { old: 1, new: 1 },
            SubmitError::Invalid(InvalidTransaction::Stale),
            SubmitError::Invalid(InvalidTransaction::Payment),
        ] {
            assert_eq!(conduct(error), Conduct::Honest);
        }
    }

    #[test]
    fn what_may_become_valid_is_looked_at_again() {
        assert!(judge(&Err(SubmitError::Busy)).again);
        assert!(judge(&Err(SubmitError::Behind { number: 1, age_s: 60 })).again);
        assert!(judge(&Err(SubmitError::PoolFull("full"))).again);
        assert!(judge(&Err(SubmitError::Invalid(InvalidTransaction::Payment))).again);
        assert!(!judge(&Ok(Hash::zero())).again);
        assert!(!judge(&Err(SubmitError::Invalid(InvalidTransaction::BadProof))).again);
    }
}
