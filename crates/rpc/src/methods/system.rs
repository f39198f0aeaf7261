//! `system_*`: what node and chain are, and what a transaction would do.

use codec::Encode;
use myelin_chain::{block::decode_extrinsic, SubmitError};
use serde_json::json;

use super::{author::EXTRINSIC, state::HASH, Method, Run};
use crate::{
    error::{self, RpcResult},
    parameters::{to_hex, Arguments, Bytes},
    work::Cost,
    Context,
};

/// The name of this program.
const NODE_NAME: &str = "myelin";
/// What SS58 addresses begin with.
const SS58_PREFIX: u16 = 42;
/// A TAO has this many decimals.
const TOKEN_DECIMALS: u8 = 9;
const TOKEN_SYMBOL: &str = "TAO";

pub(crate) const METHODS: &[Method] = &[
    now("system_name", |_| Ok(json!(NODE_NAME))),
    now("system_version", |context| Ok(json!(context.services.identity.node_version))),
    now("system_chain", |context| Ok(json!(context.services.identity.chain_name))),
    now("system_chainType", |context| Ok(json!(context.services.identity.chain_kind.as_str()))),
    now("system_properties", |_| Ok(properties())),
    now("system_health", |context| Ok(health(context))),
    Method {
        name: "system_accountNextIndex",
        aliases: &["account_nextIndex"],
        parameters: &[&["account"]],
        run: Run::Blocking(Cost::Read, next_nonce),
    },
    Method {
        name: "system_dryRun",
        aliases: &["system_dryRunAt"],
        parameters: &[EXTRINSIC, HASH],
        run: Run::Blocking(Cost::Call, dry_run),
    },
];

const fn now(name: &'static str, run: fn(&Context) -> RpcResult) -> Method {
    Method { name, aliases: &[], parameters: &[], run: Run::Now(run) }
}

fn properties() -> serde_json::Value {
    json!({ "ss58Format": SS58_PREFIX, "tokenDecimals": TOKEN_DECIMALS, "tokenSymbol": TOKEN_SYMBOL })
}

fn health(context: &Context) -> serde_json::Value {
    let status = (context.services.network)();
    let mut health = json!({
        "peers": status.peers,
        "isSyncing": status.is_syncing,
        "shouldHavePeers": status.should_have_peers,
    });
    // Clients pass over a key that they do not know.
    if let Some((trouble, health)) = status.trouble.zip(health.as_object_mut()) {
        health.insert("reason".to_owned(), json!(trouble));
    }
    health
}

fn next_nonce(context: &Context, mut arguments: Arguments) -> RpcResult {
    let account = arguments.required(0)?;
    let nonce = context.services.mempool.next_nonce(&account).map_err(error::chain)?;
    Ok(json!(nonce))
}

/// What would become of an extrinsic in the next block, as an encoded `ApplyExtrinsicResult`. Nothing is written.
fn dry_run(context: &Context, mut arguments: Arguments) -> RpcResult {
    let Bytes(bytes) = arguments.required(0)?;
    context.check_arguments(&bytes)?;
    // The runtime decodes without limiting how deep calls are nested.
    decode_extrinsic(&bytes).map_err(|text| error::submission(SubmitError::Malformed(text)))?;
    let state = context.state(arguments.optional(1)?)?;
    let outcome = state.dry_run(&bytes, context.call_limits()).map_err(error::call)?;
    Ok(json!(to_hex(outcome.encode())))
}
