//! Checking one transaction: bytes, signature, and the runtime's opinion of it on the tip.

use std::sync::Arc;

use codec::{Decode, Encode};
use myelin_runtime::{AccountId, Nonce, UncheckedExtrinsic};
use sp_runtime::{
    generic::Preamble,
    transaction_validity::{TransactionSource, TransactionValidity, ValidTransaction},
    MultiAddress,
};

use super::{
    chain_nonce,
    pool::{Admission, LaneKey},
    SubmitError,
};
use crate::{
    block::decode_extrinsic,
    executor::{call_runtime, with_ample_stack, CallOptions},
    overlay::Overlay,
    signatures::FirstUnknown,
    CallError, Chain, StateView, Transaction,
};

const VALIDATE: &str = "TaggedTransactionQueue_validate_transaction";

/// A transaction that may enter the pool.
pub struct Checked {
    pub admission: Admission,
    /// The nonce that its lane starts from, in the state it was checked on.
    pub next: Nonce,
}

/// Decodes, verifies and validates a transaction on `view`. A good signature is remembered for execution.
pub fn check(
    chain: &Chain,
    view: &StateView,
    transaction: &Arc<Transaction>,
) -> Result<Checked, SubmitError> {
    with_ample_stack(|| check_here(chain, view, transaction))
}

fn check_here(
    chain: &Chain,
    view: &StateView,
    transaction: &Arc<Transaction>,
) -> Result<Checked, SubmitError> {
    let extrinsic = decode_extrinsic(&transaction.bytes).map_err(SubmitError::Malformed)?;
    let signatures = FirstUnknown::new(Arc::clone(chain.signatures()));
    let arguments = (TransactionSource::External, RawBytes(&transaction.bytes), view.hash()).encode();
    let answer = call_runtime(
        view.backend(),
        &mut Overlay::default(),
        CallOptions { signatures: Some(signatures.clone()), ..CallOptions::default() },
        VALIDATE,
        &arguments,
    )
    .map_err(call_failure)?;
    let validity = TransactionValidity::decode(&mut &answer[..])
        .map_err(|error| SubmitError::Node(format!("the runtime's validity cannot be decoded: {error}")))??;
    signatures.confirm();
    admission(view, transaction, signer_of(&extrinsic), validity)
}

/// The account that signed an extrinsic, if it is a signed one.
pub fn signer(bytes: &[u8]) -> Option<AccountId> {
    with_ample_stack(|| decode_extrinsic(bytes)).ok().as_ref().and_then(signer_of)
}

fn signer_of(extrinsic: &UncheckedExtrinsic) -> Option<AccountId> {
    match &extrinsic.preamble {
        Preamble::Signed(MultiAddress::Id(account), ..) => Some(account.clone()),
        _ => None,
    }
}

fn call_failure(error: CallError) -> SubmitError {
    match error {
        CallError::Panicked(text) => SubmitError::Panicked(text),
        other => SubmitError::Node(other.to_string()),
    }
}

fn admission(
    view: &StateView,
    transaction: &Arc<Transaction>,
    signer: Option<AccountId>,
    validity: ValidTransaction,
) -> Result<Checked, SubmitError> {
    let longevity = u32::try_from(validity.longevity).unwrap_or(u32::MAX);
    let place = |lane, nonce| Admission {
        transaction: Arc::clone(transaction),
        lane,
        nonce,
        priority: validity.priority,
        last_block: view.number().saturating_add(longevity),
    };
    let Some((account, nonce)) = signer.and_then(|account| nonce_tag(&account, &validity.provides)) else {
        let admission = place(LaneKey::Tag(unsigned_tag(&validity)?), 0);
        return Ok(Checked { admission, next: 0 });
    };
    let next = chain_nonce(view, &account)?;
    Ok(Checked { admission: place(LaneKey::Account(account), nonce), next })
}

/// A signed transaction provides the tag `(account, nonce)`.
fn nonce_tag(account: &AccountId, provides: &[Vec<u8>]) -> Option<(AccountId, Nonce)> {
    let decoded = provides.iter().filter_map(|tag| <(AccountId, Nonce)>::decode(&mut &tag[..]).ok());
    decoded.into_iter().find(|(provider, _)| provider == account)
}

/// An unsigned transaction is known by the first tag that it provides.
fn unsigned_tag(validity: &ValidTransaction) -> Result<Vec<u8>, SubmitError> {
    match (validity.provides.first(), validity.requires.is_empty()) {
        (Some(tag), true) => Ok(tag.clone()),
        (None, _) => {
            Err(SubmitError::Malformed("the transaction provides no tag, so it could be repeated".to_owned()))
        }
        (_, false) => {
            Err(SubmitError::Malformed("an unsigned transaction may not require others".to_owned()))
        }
    }
}

/// Bytes that are their own encoding.
struct RawBytes<'a>(&'a [u8]);

impl Encode for RawBytes<'_> {
    fn encode_to<W: codec::Output + ?Sized>(&self, output: &mut W) {
        output.write(self.0);
    }
}
