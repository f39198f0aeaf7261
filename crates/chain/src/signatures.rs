//! Signatures that were verified once and need not be again.

use std::{collections::HashSet, sync::Arc};

use codec::Encode;
use myelin_runtime::{
    signature::{SignatureCache, SignatureDigest},
    SignedPayload, System, UncheckedExtrinsic,
};
use myelin_store::contain_panics;
use parking_lot::{Mutex, RwLock};
use sp_externalities::set_and_run_with_externalities;
use sp_runtime::{
    generic::Preamble,
    traits::{BlakeTwo256, TransactionExtension, Verify},
    MultiAddress,
};
use sp_state_machine::{Ext, OverlayedChanges};

use crate::{block::decode_extrinsic, StateView};

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

    /// How many it holds.
    pub fn len(&self) -> usize {
        let generations = self.generations.read();
        generations.young.len() + generations.old.len()
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

/// Verifies extrinsics that will probably be executed soon, on a state that may be older than the one they will be executed
/// on, and remembers the good ones. What is malformed, or refers to blocks that are not there yet, is left to execution.
pub(crate) fn verify_ahead(view: &StateView, known: &VerifiedSet, extrinsics: &[Vec<u8>]) {
    let mut overlay = OverlayedChanges::<BlakeTwo256>::default();
    let mut ext = Ext::new(&mut overlay, view.backend(), None);
    let verify = || {
        // Signatures name blocks, and the state knows the newest one only once the next has begun.
        let next = view.number().saturating_add(1);
        System::initialize(&next, &view.hash(), &Default::default());
        for extrinsic in extrinsics.iter().filter_map(|bytes| decode_extrinsic(bytes).ok()) {
            verify_one(known, extrinsic);
        }
    };
    // A state that cannot be read fails again, and is reported, when the block is executed.
    let _ = contain_panics(|| set_and_run_with_externalities(&mut ext, verify));
}

fn verify_one(known: &VerifiedSet, extrinsic: UncheckedExtrinsic) {
    let UncheckedExtrinsic { preamble, function, .. } = extrinsic;
    let Preamble::Signed(MultiAddress::Id(signer), signature, extension) = preamble else { return };
    let Ok(implicit) = extension.implicit() else { return };
    SignedPayload::from_raw(function, extension, implicit).using_encoded(|payload| {
        let digest = signature.digest(payload, &signer);
        if !known.contains(&digest) && signature.0.verify(payload, &signer) {
            known.insert(digest);
        }
    });
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
