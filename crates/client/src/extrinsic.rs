//! Building and signing transactions with the runtime's own types.

use codec::Encode;
use frame_metadata_hash_extension::CheckMetadataHash;
use myelin_keys::{CryptoType, Keypair};
use myelin_runtime::{
    extensions, AccountId, Hash, Nonce, Runtime, RuntimeCall, SignedPayload, TxExtension, UncheckedExtrinsic,
    VERSION,
};
use pallet_transaction_payment::ChargeTransactionPayment;
use sp_runtime::{generic::Era, traits::TransactionExtension, MultiAddress, MultiSignature};

/// What a signature commits to besides the call.
pub(crate) struct SigningContext {
    pub(crate) nonce: Nonce,
    pub(crate) era: Era,
    /// Block at which `era` begins.
    pub(crate) era_birth: Hash,
    pub(crate) genesis: Hash,
}

/// A transaction ready to send.
pub(crate) struct SignedTransaction {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: Hash,
}

/// The account that a key signs for.
pub fn account_of(key: &Keypair) -> AccountId {
    AccountId::new(key.public().bytes)
}

/// An encoded transaction that is signed without asking a node, for the chain with this genesis. It does not expire, so keep
/// it from whoever must not send it later.
pub fn sign_offline(call: impl Into<RuntimeCall>, key: &Keypair, nonce: Nonce, genesis: Hash) -> Vec<u8> {
    let context = SigningContext { nonce, era: Era::Immortal, era_birth: genesis, genesis };
    sign(call.into(), key, &context).bytes
}

pub(crate) fn sign(call: RuntimeCall, key: &Keypair, context: &SigningContext) -> SignedTransaction {
    let payload = SignedPayload::from_raw(call.clone(), extension(context), implicit(context));
    let signature = payload.using_encoded(|bytes| key.sign(bytes));
    let signature = match key.crypto_type() {
        CryptoType::Ed25519 => MultiSignature::Ed25519(signature.into()),
        CryptoType::Sr25519 => MultiSignature::Sr25519(signature.into()),
    };
    assemble(call, account_of(key), signature, context)
}

/// The transaction with a signature of zeros, which is as long as a real one: enough to estimate its fee.
pub(crate) fn without_signature(
    call: RuntimeCall,
    signer: AccountId,
    context: &SigningContext,
) -> SignedTransaction {
    assemble(call, signer, MultiSignature::Sr25519([0; 64].into()), context)
}

fn assemble(
    call: RuntimeCall,
    signer: AccountId,
    signature: MultiSignature,
    context: &SigningContext,
) -> SignedTransaction {
    let address = MultiAddress::Id(signer);
    let extrinsic = UncheckedExtrinsic::new_signed(call, address, signature.into(), extension(context));
    let bytes = extrinsic.encode();
    let hash = Hash::from(sp_crypto_hashing::blake2_256(&bytes));
    SignedTransaction { bytes, hash }
}

fn extension(context: &SigningContext) -> TxExtension {
    (
        frame_system::CheckNonZeroSender::<Runtime>::new(),
        frame_system::CheckSpecVersion::<Runtime>::new(),
        frame_system::CheckTxVersion::<Runtime>::new(),
        frame_system::CheckGenesis::<Runtime>::new(),
        frame_system::CheckEra::<Runtime>::from(context.era),
        extensions::CheckNonce(context.nonce),
        frame_system::CheckWeight::<Runtime>::new(),
        ChargeTransactionPayment::<Runtime>::from(0),
        extensions::MarketGuards,
        CheckMetadataHash::<Runtime>::new(false),
    )
}

fn implicit(context: &SigningContext) -> <TxExtension as TransactionExtension<RuntimeCall>>::Implicit {
    (
        (),
        VERSION.spec_version,
        VERSION.transaction_version,
        context.genesis,
        context.era_birth,
        (),
        (),
        (),
        (),
        None,
    )
}
