//! Signatures that were verified once and need not be again.

use std::{collections::HashSet, sync::Arc};

use ahash::RandomState;
use codec::Encode;
use frame_system::BlockHash;
use myelin_runtime::{
    signature::{SignatureCache, SignatureDigest},
    AccountId, Hash, Runtime, SignedPayload, System, UncheckedExtrinsic,
};
use myelin_store::contain_panics;
use parking_lot::{Mutex, RwLock};
use sp_externalities::set_and_run_with_externalities;
use sp_runtime::{
    generic::Preamble,
    traits::{TransactionExtension, Verify},
    MultiAddress, MultiSignature,
};

use crate::{block::decode_extrinsic, externalities::StateAccess, overlay::Overlay, Block, StateView};

/// A bounded set of verified signatures. When half of the capacity is used up since the last turn, the older half goes;
/// a forgotten signature is only verified again.
pub struct VerifiedSet {
    generations: RwLock<Generations>,
    capacity: usize,
}

#[derive(Default)]
struct Generations {
    young: HashSet<SignatureDigest, RandomState>,
    old: HashSet<SignatureDigest, RandomState>,
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
            let Generations { young, old } = &mut *generations;
            std::mem::swap(young, old);
            young.clear();
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

/// Verifies the signatures in blocks that will probably be executed soon, on a state that may be older than the one they will
/// be executed on, and remembers the good ones. What is malformed is left to execution, and so is what names a block, as most
/// transactions name a recent one, of which neither that state, nor `ancestors`, nor these blocks tell the hash. Ends early when
/// nobody wants it any more.
pub(crate) fn verify_ahead<'a>(
    view: &StateView,
    known: &VerifiedSet,
    ancestors: &[(u32, Hash)],
    blocks: impl IntoIterator<Item = &'a Block>,
    is_wanted: impl Fn() -> bool,
) {
    let mut overlay = Overlay::default();
    let mut access = StateAccess::new(&mut overlay, view.backend());
    set_and_run_with_externalities(&mut access, || {
        ancestors.iter().for_each(|(number, hash)| BlockHash::<Runtime>::insert(number, hash));
    });
    let mut unknown = Vec::new();
    for block in blocks {
        let read = || {
            System::set_block_number(block.number());
            BlockHash::<Runtime>::insert(block.number().saturating_sub(1), block.header.parent_hash);
            let extrinsics = block.body.iter().filter_map(|bytes| decode_extrinsic(bytes).ok());
            let claims = extrinsics.filter_map(Claim::of);
            unknown.extend(claims.filter(|claim| !known.contains(&claim.digest)));
        };
        // A state that cannot be read fails again, and is reported, when the block is executed.
        let _ = contain_panics(|| set_and_run_with_externalities(&mut access, read));
    }
    let (mut schnorr, other): (Vec<_>, Vec<_>) =
        unknown.into_iter().partition(|claim| matches!(claim.signature, MultiSignature::Sr25519(_)));
    // Those who sign more than once take less time when their signatures are together.
    schnorr.sort_unstable_by(|left, right| left.signer.cmp(&right.signer));
    schnorr.chunks(LARGE_BATCH).take_while(|_| is_wanted()).for_each(|batch| verify_batch(known, batch));
    other.chunks(LARGE_BATCH).take_while(|_| is_wanted()).for_each(|batch| verify_each(known, batch));
}

/// That an account has signed something.
struct Claim {
    signature: MultiSignature,
    payload: Vec<u8>,
    signer: AccountId,
    digest: SignatureDigest,
}

impl Claim {
    fn of(extrinsic: UncheckedExtrinsic) -> Option<Self> {
        let UncheckedExtrinsic { preamble, function, .. } = extrinsic;
        let Preamble::Signed(MultiAddress::Id(signer), signature, extension) = preamble else { return None };
        let implicit = extension.implicit().ok()?;
        let payload = SignedPayload::from_raw(function, extension, implicit).encode();
        let digest = signature.digest(&payload, &signer);
        Some(Self { signature: signature.0, payload, signer, digest })
    }
}

/// Signatures that are verified together at most. More take so much memory at a time that getting it costs more than they save.
const LARGE_BATCH: usize = 256;
/// As few signatures are looked at one by one when one of them is bad; of more, it is found out which half is.
const SMALL_BATCH: usize = 32;
/// What sr25519 signatures of this kind of chain are made for.
const SIGNING_CONTEXT: &[u8] = b"substrate";

fn verify_each(known: &VerifiedSet, claims: &[Claim]) {
    for claim in claims {
        if claim.signature.verify(claim.payload.as_slice(), &claim.signer) {
            known.insert(claim.digest);
        }
    }
}

/// Verifies sr25519 signatures together, in less than half of the time that one by one takes.
fn verify_batch(known: &VerifiedSet, claims: &[Claim]) {
    if all_are_good(claims) {
        claims.iter().for_each(|claim| known.insert(claim.digest));
    } else if claims.len() <= SMALL_BATCH {
        verify_each(known, claims);
    } else {
        let (first, second) = claims.split_at(claims.len() / 2);
        verify_batch(known, first);
        verify_batch(known, second);
    }
}

/// Whether all of these are good sr25519 signatures. The group has prime order and only canonical encodings are taken, so
/// that verifying together and one by one cannot disagree, but with the probability of a broken signature.
fn all_are_good(claims: &[Claim]) -> bool {
    let mut last: Option<(&AccountId, schnorrkel::PublicKey)> = None;
    let parts = claims.iter().map(|claim| {
        let MultiSignature::Sr25519(signature) = &claim.signature else { return None };
        let key = match last {
            Some((signer, key)) if *signer == claim.signer => key,
            _ => schnorrkel::PublicKey::from_bytes(claim.signer.as_ref()).ok()?,
        };
        last = Some((&claim.signer, key));
        Some((schnorrkel::Signature::from_bytes(signature.as_ref()).ok()?, key))
    });
    let Some((signatures, keys)) = parts.collect::<Option<(Vec<_>, Vec<_>)>>() else { return false };
    let context = schnorrkel::signing_context(SIGNING_CONTEXT);
    let transcripts = claims.iter().map(|claim| context.bytes(&claim.payload));
    schnorrkel::verify_batch(transcripts, &signatures, &keys, true).is_ok()
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

    fn claim(keyring: sp_keyring::Sr25519Keyring, payload: &[u8]) -> Claim {
        Claim {
            signature: keyring.sign(payload).into(),
            payload: payload.to_vec(),
            signer: keyring.to_account_id(),
            digest: sp_crypto_hashing::blake2_256(payload),
        }
    }

    #[test]
    fn good_signatures_pass_together_and_bad_ones_are_found() {
        use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};
        let claims = || vec![claim(Alice, b"one"), claim(Bob, b"two"), claim(Charlie, b"three")];
        assert!(all_are_good(&claims()));
        let spoil: [fn(&mut Claim); 4] = [
            |claim| claim.payload.push(0),
            |claim| claim.signer = Alice.to_account_id(),
            |claim| claim.signer = [0xff; 32].into(),
            |claim| claim.signature = sp_core::sr25519::Signature::from([0; 64]).into(),
        ];
        for spoil in spoil {
            let mut claims = claims();
            spoil(&mut claims[1]);
            let known = VerifiedSet::new(8);
            verify_batch(&known, &claims);
            let found: Vec<_> = claims.iter().map(|claim| known.contains(&claim.digest)).collect();
            assert_eq!(found, [true, false, true]);
        }
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
