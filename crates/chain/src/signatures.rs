//! Signatures that were verified once and need not be again.

use std::{collections::HashSet, sync::Arc};

use myelin_runtime::signature::{SignatureCache, SignatureDigest};
use parking_lot::{Mutex, RwLock};

/// A bounded set of verified signatures. When half of the capacity is used up since the last turn, the older half goes;
/// a forgotten signature is only verified again.
pub struct VerifiedSet {
    generations: RwLock<Generations>,
    capacity: usize,
}

#[derive(Default)]
struct Generations {
    young: HashSet<SignatureDigest>,
    old: HashSet<SignatureDigest>,
}

impl VerifiedSet {
    /// A set of at most `capacity` signatures.
    pub fn new(capacity: usize) -> Self {
        Self { generations: RwLock::default(), capacity }
    }

    /// Remembers a signature that was found good.
    pub fn insert(&self, digest: SignatureDigest) {
        let mut generations = self.generations.write();
        if generations.young.len() >= self.capacity / 2 {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(digest);
    }
}

impl SignatureCache for VerifiedSet {
    fn contains(&self, digest: &SignatureDigest) -> bool {
        let generations = self.generations.read();
        generations.young.contains(digest) || generations.old.contains(digest)
    }
}

/// Asks `known`, and notes the first signature that it did not know.
///
/// The runtime verifies an extrinsic's own signature before anything else of it and stops when it is bad. So when a
/// validation with this cache succeeds, the noted signature was verified and is good.
pub(crate) struct FirstUnknown {
    known: Arc<VerifiedSet>,
    noted: Mutex<Option<SignatureDigest>>,
}

impl FirstUnknown {
    pub fn new(known: Arc<VerifiedSet>) -> Arc<Self> {
        Arc::new(Self { known, noted: Mutex::default() })
    }

    /// Remembers the noted signature as good.
    pub fn confirm(&self) {
        if let Some(digest) = self.noted.lock().take() {
            self.known.insert(digest);
        }
    }
}

impl SignatureCache for FirstUnknown {
    fn contains(&self, digest: &SignatureDigest) -> bool {
        let known = self.known.contains(digest);
        if !known {
            self.noted.lock().get_or_insert(*digest);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_bounded_and_keeps_the_newest() {
        let set = VerifiedSet::new(8);
        (0..100u8).for_each(|index| set.insert([index; 32]));
        let kept = (0..100u8).filter(|index| set.contains(&[*index; 32])).count();
        assert!((4..=8).contains(&kept), "{kept} kept");
        assert!(set.contains(&[99; 32]) && !set.contains(&[0; 32]));
    }

    #[test]
    fn only_the_first_unknown_signature_is_confirmed() {
        let set = Arc::new(VerifiedSet::new(8));
        let probe = FirstUnknown::new(Arc::clone(&set));
        assert!(!probe.contains(&[1; 32]) && !probe.contains(&[2; 32]));
        probe.confirm();
        assert!(set.contains(&[1; 32]) && !set.contains(&[2; 32]));
    }
}
