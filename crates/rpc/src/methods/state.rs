//! `state_*`: the state after a block, and runtime functions on it.

use codec::Decode;
use myelin_chain::{Hash, StateView};
use serde_json::{json, Value};
use sp_version::RuntimeVersion;

use super::{Method, Run};
use crate::{
    error::{self, internal, limit_exceeded, RpcResult},
    metadata::Form,
    parameters::{to_hex, Arguments, Bytes, Key, Names},
    runtime_calls,
    work::Cost,
    Context,
};

/// Keys in a page, as Substrate allows.
const MAX_PAGE: u32 = 1000;
/// Keys in an answer that is not paged.
const MAX_KEYS: usize = 100_000;
/// Keys that one request may read.
const MAX_READS: usize = 10_000;

/// Bytes around a key and its value in an answer.
const ENVELOPE_BYTES: usize = 10;

const KEY: Names = &["key"];
const KEYS: Names = &["keys"];
const PREFIX: Names = &["prefix"];
pub(crate) const HASH: Names = &["hash", "at", "block", "blockHash", "block_hash"];

pub(crate) const METHODS: &[Method] = &[
    call("state_call", &["state_callAt"], &[&["name", "method"], &["bytes", "data"], HASH], state_call),
    // These two take no arguments of a client and what they find is kept or constant, so that they need not wait for a call.
    read("state_getMetadata", &[], &[HASH], metadata),
    read("state_getRuntimeVersion", &["chain_getRuntimeVersion"], &[HASH], runtime_version),
    read("state_getStorage", &["state_getStorageAt"], &[KEY, HASH], storage),
    read("state_getStorageHash", &["state_getStorageHashAt"], &[KEY, HASH], storage_hash),
    read("state_getStorageSize", &["state_getStorageSizeAt"], &[KEY, HASH], storage_size),
    read("state_queryStorageAt", &[], &[KEYS, HASH], query_storage),
    read("state_getReadProof", &[], &[KEYS, HASH], read_proof),
    read("state_getKeys", &[], &[PREFIX, HASH], keys),
    read(
        "state_getKeysPaged",
        &["state_getKeysPagedAt"],
        &[PREFIX, &["count"], &["startKey", "start_key"], HASH],
        keys_paged,
    ),
];

const fn read(
    name: &'static str,
    aliases: &'static [&'static str],
    parameters: &'static [Names],
    run: fn(&Context, Arguments) -> RpcResult,
) -> Method {
    Method { name, aliases, parameters, run: Run::Blocking(Cost::Read, run) }
}

const fn call(
    name: &'static str,
    aliases: &'static [&'static str],
    parameters: &'static [Names],
    run: fn(&Context, Arguments) -> RpcResult,
) -> Method {
    Method { name, aliases, parameters, run: Run::Blocking(Cost::Call, run) }
}

fn state_call(context: &Context, mut arguments: Arguments) -> RpcResult {
    let method: String = arguments.required(0)?;
    let Bytes(bytes) = arguments.required(1)?;
    context.check_arguments(&bytes)?;
    runtime_calls::check(&method, &bytes)?;
    let state = context.state(arguments.optional(2)?)?;
    match Form::asked_for(&method, &bytes) {
        Some(form) => Ok(json!(to_hex(context.metadata.answer(context, &state, form)?))),
        None => Ok(json!(to_hex(context.call(&state, &method, &bytes)?))),
    }
}

fn metadata(context: &Context, mut arguments: Arguments) -> RpcResult {
    let state = context.state(arguments.optional(0)?)?;
    let answer = context.metadata.answer(context, &state, Form::Plain)?;
    let metadata: Vec<u8> = decode("Metadata_metadata", &answer)?;
    Ok(json!(to_hex(metadata)))
}

fn runtime_version(context: &Context, mut arguments: Arguments) -> RpcResult {
    let state = context.state(arguments.optional(0)?)?;
    version_of(context, &state)
}

/// The version of the runtime that made `state`.
pub(crate) fn version_of(context: &Context, state: &StateView) -> RpcResult {
    let version: RuntimeVersion = decode("Core_version", &context.call(state, "Core_version", &[])?)?;
    serde_json::to_value(version).map_err(internal)
}

pub(crate) fn decode<T: Decode>(method: &str, answer: &[u8]) -> RpcResult<T> {
    T::decode(&mut &answer[..])
        .map_err(|error| internal(format!("the answer of {method} cannot be decoded: {error}")))
}

fn storage(context: &Context, mut arguments: Arguments) -> RpcResult {
    let Bytes(key) = arguments.required(0)?;
    let state = context.state(arguments.optional(1)?)?;
    Ok(json!(state.storage(&key).map_err(error::chain)?.map(to_hex)))
}

fn storage_hash(context: &Context, mut arguments: Arguments) -> RpcResult {
    let Bytes(key) = arguments.required(0)?;
    let state = context.state(arguments.optional(1)?)?;
    Ok(json!(state.storage_hash(&key).map_err(error::chain)?))
}

fn storage_size(context: &Context, mut arguments: Arguments) -> RpcResult {
    let Bytes(key) = arguments.required(0)?;
    let state = context.state(arguments.optional(1)?)?;
    Ok(json!(state.storage(&key).map_err(error::chain)?.map(|value| value.len())))
}

fn query_storage(context: &Context, mut arguments: Arguments) -> RpcResult {
    let keys = bounded(arguments.required::<Vec<Key>>(0)?)?;
    let state = context.state(arguments.optional(1)?)?;
    let mut room = context.config.max_response_bytes as usize;
    let mut changes = Vec::with_capacity(keys.len());
    for Key { text, bytes } in keys {
        let value = state.storage(&bytes).map_err(error::chain)?.map(to_hex);
        let size = text.len() + value.as_ref().map_or(0, String::len) + ENVELOPE_BYTES;
        room = room
            .checked_sub(size)
            .ok_or_else(|| limit_exceeded("the values are too large for one answer; ask for fewer keys"))?;
        changes.push(json!([text, value]));
    }
    Ok(json!([{ "block": state.hash(), "changes": changes }]))
}

fn read_proof(context: &Context, mut arguments: Arguments) -> RpcResult {
    let keys = bounded(arguments.required::<Vec<Bytes>>(0)?)?;
    let state = context.state(arguments.optional(1)?)?;
    let keys: Vec<_> = keys.into_iter().map(|Bytes(key)| key).collect();
    let proof: Vec<_> = state.read_proof(&keys).map_err(error::chain)?.iter().map(to_hex).collect();
    Ok(json!({ "at": state.hash(), "proof": proof }))
}

fn bounded<T>(keys: Vec<T>) -> RpcResult<Vec<T>> {
    match keys.len() {
        found if found > MAX_READS => {
            Err(limit_exceeded(format!("{found} keys were asked for; ask for at most {MAX_READS} at once")))
        }
        _ => Ok(keys),
    }
}

fn keys(context: &Context, mut arguments: Arguments) -> RpcResult {
    let Bytes(prefix) = arguments.required(0)?;
    let state = context.state(arguments.optional::<Hash>(1)?)?;
    let keys = state.keys_paged(&prefix, MAX_KEYS + 1, None).map_err(error::chain)?;
    if keys.len() > MAX_KEYS {
        return Err(limit_exceeded(format!(
            "more than {MAX_KEYS} keys start with this prefix; read them with state_getKeysPaged"
        )));
    }
    Ok(keys.iter().map(to_hex).map(Value::from).collect())
}

fn keys_paged(context: &Context, mut arguments: Arguments) -> RpcResult {
    let prefix = arguments.optional(0)?.unwrap_or(Bytes(Vec::new())).0;
    let count: u32 = arguments.required(1)?;
    if count > MAX_PAGE {
        return Err(limit_exceeded(format!("count exceeds maximum value. value: {count}, max: {MAX_PAGE}")));
    }
    let start: Option<Bytes> = arguments.optional(2)?;
    let state = context.state(arguments.optional(3)?)?;
    let start = start.as_ref().map(|Bytes(key)| key.as_slice());
    let keys = state.keys_paged(&prefix, count as usize, start).map_err(error::chain)?;
    Ok(keys.iter().map(to_hex).map(Value::from).collect())
}
