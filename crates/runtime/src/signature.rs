//! Signatures whose verification can be done ahead of execution.
//!
//! Verifying sr25519 is about half of the cost of a transfer. The mempool verifies on its own threads and hands the
//! executor a set of what it has already checked; the executor verifies whatever is not in that set. The set only ever
//! short-cuts a true answer, so a block's result does not depend on it.

use std::sync::Arc;

use codec::{Decode, DecodeWithMemTracking, Encode};
use sp_externalities::ExternalitiesExt;
use sp_runtime::{
    traits::{IdentifyAccount, Lazy, Verify},
    AccountId32, MultiSignature,
};

/// Identifies one checked `(signature, payload, signer)`.
pub type SignatureDigest = [u8; 32];

/// What the executor asks before it verifies a signature itself.
pub trait SignatureCache: Send + Sync + 'static {
    /// Whether this exact signature was verified before.
    fn contains(&self, digest: &SignatureDigest) -> bool;
}

sp_externalities::decl_extension! {
    /// Makes a [`SignatureCache`] visible to the runtime call it is registered for.
    pub struct VerifiedSignatures(Arc<dyn SignatureCache>);
}

/// A `MultiSignature` in bytes and metadata, which consults [`VerifiedSignatures`] when verified.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, serde::Serialize, serde::Deserialize,
)]
pub struct Signature(pub MultiSignature);

impl Signature {
    /// The digest under which a checked signature is remembered.
    pub fn digest(&self, payload: &[u8], signer: &AccountId32) -> SignatureDigest {
        (&self.0, payload, signer).using_encoded(sp_crypto_hashing::blake2_256)
    }

    fn is_known(&self, payload: &[u8], signer: &AccountId32) -> bool {
        sp_externalities::with_externalities(|mut ext| {
            ext.extension::<VerifiedSignatures>()
                .is_some_and(|cache| cache.0.contains(&self.digest(payload, signer)))
        })
        .unwrap_or(false)
    }
}

impl scale_info::TypeInfo for Signature {
    type Identity = MultiSignature;

    fn type_info() -> scale_info::Type {
        MultiSignature::type_info()
    }
}

impl From<MultiSignature> for Signature {
    fn from(signature: MultiSignature) -> Self {
        Self(signature)
    }
}

impl Verify for Signature {
    type Signer = <MultiSignature as Verify>::Signer;

    fn verify<L: Lazy<[u8]>>(
        &self,
        mut payload: L,
        signer: &<Self::Signer as IdentifyAccount>::AccountId,
    ) -> bool {
        let payload = payload.get();
        self.is_known(payload, signer) || self.0.verify(payload, signer)
    }
}
