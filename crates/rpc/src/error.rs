//! JSON-RPC errors, with the codes and texts that Substrate's clients recognise.

use std::fmt::Display;

use jsonrpsee::types::{error::ErrorCode, ErrorObjectOwned};
use myelin_chain::{CallError, ChainError, LocalError, SubmitError};
use serde_json::Value;
use sp_runtime::transaction_validity::{InvalidTransaction, UnknownTransaction};

/// What a method answers.
pub(crate) type RpcResult<T = Value> = Result<T, ErrorObjectOwned>;

/// The bytes are not an extrinsic.
const BAD_FORMAT: i32 = 1001;
/// The runtime could not be asked.
const VERIFICATION_ERROR: i32 = 1002;
/// The runtime refuses the transaction.
const POOL_INVALID: i32 = 1010;
/// The runtime cannot tell.
const POOL_UNKNOWN: i32 = 1011;
/// The transaction was refused a short while ago.
const POOL_TEMPORARILY_BANNED: i32 = 1012;
/// The transaction is in the pool.
const POOL_ALREADY_IMPORTED: i32 = 1013;
/// Another transaction holds the place.
const POOL_TOO_LOW_PRIORITY: i32 = 1014;
/// There is no room.
const POOL_IMMEDIATELY_DROPPED: i32 = 1016;
/// The request asks for more than one answer may hold.
const LIMIT_EXCEEDED: i32 = 4002;
/// Reading the chain failed, or the block is not there.
const CLIENT_ERROR: i32 = 4003;
/// Too much is going on; the same request may succeed later.
const BUSY: i32 = -32000;
/// A command to a development chain failed.
const DEVELOPMENT_ERROR: i32 = -32020;

pub(crate) fn invalid_parameters(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(ErrorCode::InvalidParams.code(), text, None::<()>)
}

pub(crate) fn internal(text: impl Display) -> ErrorObjectOwned {
    tracing::error!(%text, "a request failed because of the node");
    ErrorObjectOwned::owned(ErrorCode::InternalError.code(), format!("Internal error: {text}"), None::<()>)
}

pub(crate) fn busy(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(BUSY, text, None::<()>)
}

/// The method is not available over HTTP.
pub(crate) fn needs_websocket(method: &str) -> ErrorObjectOwned {
    let text = format!(
        "{method} is a subscription, which needs a WebSocket: connect to the same address with ws:// instead of http://"
    );
    ErrorObjectOwned::owned(ErrorCode::MethodNotFound.code(), text, None::<()>)
}

pub(crate) fn limit_exceeded(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(LIMIT_EXCEEDED, text, None::<()>)
}

pub(crate) fn client(text: impl Display) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(CLIENT_ERROR, format!("Client error: {text}"), None::<()>)
}

pub(crate) fn development(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(DEVELOPMENT_ERROR, text, None::<()>)
}

pub(crate) fn chain(error: ChainError) -> ErrorObjectOwned {
    match error {
        ChainError::UnknownBlock(hash) => {
            client(format_args!("UnknownBlock: Header was not found in the database: {hash}"))
        }
        error if error.is_fatal() => internal(error),
        error => client(error),
    }
}

pub(crate) fn call(error: CallError) -> ErrorObjectOwned {
    match error {
        CallError::Store(error) => chain(error.into()),
        CallError::Panicked(text) => client(format_args!(
            "Execution failed: the runtime call panicked: {text}; this is a defect of the node, please report it"
        )),
        CallError::ResultTooLarge { .. } => limit_exceeded(error.to_string()),
        error => client(format_args!("Execution failed: {error}")),
    }
}

pub(crate) fn local(error: LocalError) -> ErrorObjectOwned {
    match error {
        LocalError::Chain(error) if error.is_fatal() => internal(error),
        error => development(error.to_string()),
    }
}

fn pool(code: i32, message: impl Into<String>, data: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message, Some(data.into()))
}

pub(crate) fn submission(error: SubmitError) -> ErrorObjectOwned {
    match error {
        SubmitError::Malformed(text) => {
            pool(BAD_FORMAT, format!("Extrinsic has invalid format: {text}"), text)
        }
        SubmitError::TooLarge { found, limit } => pool(
            POOL_INVALID,
            "Invalid Transaction",
            format!(
                "{}: it has {found} bytes, more than the limit of {limit}",
                <&str>::from(InvalidTransaction::ExhaustsResources)
            ),
        ),
        SubmitError::Invalid(reason) => pool(POOL_INVALID, "Invalid Transaction", invalid_text(reason)),
        SubmitError::Unknown(reason) => {
            pool(POOL_UNKNOWN, "Unknown Transaction Validity", unknown_text(reason))
        }
        SubmitError::Panicked(text) => pool(VERIFICATION_ERROR, "Verification Error", text),
        SubmitError::Banned => {
            pool(POOL_TEMPORARILY_BANNED, "Transaction is temporarily banned", error.to_string())
        }
        SubmitError::AlreadyImported(hash) => {
            pool(POOL_ALREADY_IMPORTED, "Transaction Already Imported", format!("{hash:?}"))
        }
        SubmitError::PriorityTooLow { .. } => pool(
            POOL_TOO_LOW_PRIORITY,
            error.to_string(),
            "The transaction has too low priority to replace another transaction already in the pool.",
        ),
        SubmitError::PoolFull(_)
        | SubmitError::Busy
        | SubmitError::Unsure
        | SubmitError::Behind { .. }
        | SubmitError::CutOff
        | SubmitError::Ending => pool(POOL_IMMEDIATELY_DROPPED, "Immediately Dropped", error.to_string()),
        error => internal(error),
    }
}

fn invalid_text(reason: InvalidTransaction) -> String {
    match reason {
        InvalidTransaction::Custom(number) => format!("Custom error: {number}"),
        reason => <&str>::from(reason).to_owned(),
    }
}

fn unknown_text(reason: UnknownTransaction) -> String {
    match reason {
        UnknownTransaction::Custom(number) => format!("Custom error: {number}"),
        reason => <&str>::from(reason).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_find_the_texts_that_they_search_for() {
        let text = |error: SubmitError| {
            let error = submission(error);
            (error.code(), error.message().to_owned(), error.data().map(|data| data.get().to_owned()))
        };
        let invalid = |reason, data: &str| {
            let expected = (1010, "Invalid Transaction".to_owned(), Some(format!("\"{data}\"")));
            assert_eq!(text(SubmitError::Invalid(reason)), expected);
        };
        invalid(InvalidTransaction::Stale, "Transaction is outdated");
        invalid(InvalidTransaction::BadProof, "Transaction has a bad signature");
        invalid(InvalidTransaction::AncientBirthBlock, "Transaction has an ancient birth block");
        invalid(InvalidTransaction::Payment, "Inability to pay some fees (e.g. account balance too low)");
        invalid(InvalidTransaction::Custom(6), "Custom error: 6");
        assert_eq!(text(SubmitError::Banned).0, 1012);
        assert_eq!(text(SubmitError::AlreadyImported(Default::default())).1, "Transaction Already Imported");
        assert_eq!(text(SubmitError::PriorityTooLow { old: 7, new: 5 }).1, "Priority is too low: (7 vs 5)");
        let behind = SubmitError::Behind { number: 1, age_s: 60 };
        for error in
            [SubmitError::Busy, SubmitError::Unsure, behind, SubmitError::CutOff, SubmitError::Ending]
        {
            assert_eq!(text(error).0, 1016);
        }
        assert!(text(SubmitError::TooLarge { found: 3, limit: 2 }).2.unwrap().contains("block limit"));
    }

    #[test]
    fn a_discarded_state_and_an_unknown_block_are_told_apart() {
        let hash = myelin_chain::Hash::repeat_byte(7);
        let discarded = chain(ChainError::StateDiscarded(hash));
        assert_eq!(discarded.code(), 4003);
        assert!(discarded.message().contains(&format!("State already discarded for {hash:?}")));
        let unknown = chain(ChainError::UnknownBlock(format!("{hash:?}")));
        assert!(unknown.message().contains("UnknownBlock: Header was not found"));
        let pruned = chain(myelin_chain::StoreError::BlockNotKept { number: 3, oldest: 9 }.into());
        assert_eq!(pruned.code(), 4003);
        assert!(pruned.message().contains("block 3 is not kept whole"), "{}", pruned.message());
        let method = call(CallError::UnknownMethod("Some_api".to_owned()));
        assert!(method.message().contains("Exported method Some_api is not found"));
    }
}
