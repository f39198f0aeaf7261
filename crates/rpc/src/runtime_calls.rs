//! Which runtime functions may be called from outside.
//!
//! The functions run natively and without metering, so only those that are known to end and to be meant for reading are
//! let through. What builds, executes or validates blocks is the node's business.

use codec::{Compact, Decode};
use myelin_chain::CallError;

use crate::error::{self, client, limit_exceeded, RpcResult};

/// Runtime APIs all of whose functions may be called.
const READABLE: &[&str] = &[
    "AccountNonceApi",
    "AuditApi",
    "BetaBasketRuntimeApi",
    "DelegateInfoRuntimeApi",
    "Metadata",
    "NeuronInfoRuntimeApi",
    "StakeInfoRuntimeApi",
    "SubnetInfoRuntimeApi",
    "SubnetRegistrationRuntimeApi",
    "SwapRuntimeApi",
    "TransactionPaymentApi",
];

/// Single functions that may be called.
const READABLE_FUNCTIONS: &[&str] = &["Core_version"];

/// Runtime APIs that only the node calls.
const INTERNAL: &[&str] = &["BlockBuilder", "Core", "TaggedTransactionQueue"];

/// Functions whose arguments begin with a list of accounts, for each of which they do the whole work.
const OF_ACCOUNTS: &[&str] = &[
    "StakeInfoRuntimeApi_get_stake_availability_for_coldkeys",
    "StakeInfoRuntimeApi_get_stake_info_for_coldkeys",
];

/// Accounts that such a list may name.
const MAX_ACCOUNTS: u32 = 1_000;

/// Whether `method` may be called with these arguments. Whether they are arguments at all, the chain checks.
///
/// # Errors
/// One that tells a function that is refused from one that does not exist.
pub(crate) fn check(method: &str, arguments: &[u8]) -> RpcResult<()> {
    let api = method.split_once('_').map_or(method, |(api, _)| api);
    if OF_ACCOUNTS.contains(&method) {
        check_accounts(arguments)
    } else if READABLE.contains(&api) || READABLE_FUNCTIONS.contains(&method) {
        Ok(())
    } else if INTERNAL.contains(&api) {
        let name = shorten(method);
        Err(client(format_args!(
            "Execution failed: {name} is for the node alone; only functions that read may be called"
        )))
    } else {
        Err(error::call(CallError::UnknownMethod(shorten(method))))
    }
}

/// The deadline of a call bounds its time; this keeps a single call from using that up with one account over and over.
fn check_accounts(mut arguments: &[u8]) -> RpcResult<()> {
    match Compact::<u32>::decode(&mut arguments) {
        Ok(Compact(found)) if found > MAX_ACCOUNTS => Err(limit_exceeded(format!(
            "the call asks for {found} accounts; ask for at most {MAX_ACCOUNTS} at once"
        ))),
        // What is no list, the chain refuses.
        _ => Ok(()),
    }
}

/// As much of a name as an error should repeat.
fn shorten(method: &str) -> String {
    method.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_allowed_and_the_rest_is_refused_by_name() {
        for method in ["Core_version", "Metadata_metadata_at_version", "SwapRuntimeApi_current_alpha_price"] {
            assert!(check(method, &[]).is_ok(), "{method}");
        }
        for method in ["Core_execute_block", "Core_initialize_block", "BlockBuilder_apply_extrinsic", "Core"]
        {
            assert!(check(method, &[]).unwrap_err().message().contains("is for the node alone"), "{method}");
        }
        for method in ["", "_", "Foo_bar", "core_version"] {
            let expected = format!("Exported method {method} is not found");
            assert!(check(method, &[]).unwrap_err().message().contains(&expected), "{method}");
        }
        assert!(check(&"x".repeat(1 << 20), &[]).unwrap_err().message().len() < 300);
    }

    #[test]
    fn lists_of_accounts_are_bounded() {
        use codec::Encode;
        for method in OF_ACCOUNTS {
            assert!(check(method, &vec![[0u8; 32]; 1_000].encode()).is_ok(), "{method}");
            let error = check(method, &vec![[0u8; 32]; 1_001].encode()).unwrap_err();
            assert_eq!(error.code(), 4002, "{method}");
            assert!(error.message().contains("at most 1000"), "{error:?}");
            assert!(check(method, &[]).is_ok(), "the chain says what is wrong");
        }
    }

    /// A new runtime API has to be sorted into one of the lists, and one that is gone leaves them.
    #[test]
    fn the_lists_are_the_runtime_apis() {
        use std::collections::BTreeSet;
        let names = READABLE.iter().chain(INTERNAL);
        let listed: BTreeSet<_> = names.map(|name| sp_crypto_hashing::blake2_64(name.as_bytes())).collect();
        let implemented: BTreeSet<_> = myelin_runtime::VERSION.apis.iter().map(|(id, _)| *id).collect();
        assert_eq!(listed, implemented);
    }
}
