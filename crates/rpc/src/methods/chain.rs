//! `chain_*`: blocks and their hashes. The newest block is final, so that head and finalized head are the same.

use myelin_chain::{Hash, Header};
use serde_json::{json, Value};

use super::{Method, Run};
use crate::{
    error::{self, limit_exceeded, RpcResult},
    parameters::{to_hex, Arguments, Height, Names, OneOrMany},
    work::Cost,
    Context,
};

/// Block hashes in one answer.
const MAX_HASHES: usize = 4096;

const HASH: Names = &["hash", "blockHash", "block_hash", "at"];

pub(crate) const METHODS: &[Method] = &[
    Method {
        name: "chain_getBlockHash",
        aliases: &["chain_getHead"],
        parameters: &[&["hash", "blockNumber", "block_number", "list_or_value", "listOrValue"]],
        run: Run::Blocking(Cost::Read, block_hash),
    },
    Method {
        name: "chain_getFinalizedHead",
        aliases: &["chain_getFinalisedHead"],
        parameters: &[],
        run: Run::Now(|context| Ok(json!(context.chain().tip().hash))),
    },
    Method {
        name: "chain_getHeader",
        aliases: &[],
        parameters: &[HASH],
        run: Run::Blocking(Cost::Read, header),
    },
    Method {
        name: "chain_getBlock",
        aliases: &[],
        parameters: &[HASH],
        run: Run::Blocking(Cost::Read, block),
    },
];

/// A header as clients expect it.
pub(crate) fn header_json(header: &Header) -> Value {
    json!({
        "parentHash": header.parent_hash,
        "number": format!("{:#x}", header.number),
        "stateRoot": header.state_root,
        "extrinsicsRoot": header.extrinsics_root,
        "digest": { "logs": header.digest.logs },
    })
}

fn block_hash(context: &Context, mut arguments: Arguments) -> RpcResult {
    match arguments.optional::<OneOrMany<Height>>(0)? {
        None => Ok(json!(context.chain().tip().hash)),
        Some(OneOrMany::One(height)) => hash_at(context, height),
        Some(OneOrMany::Many(heights)) if heights.len() > MAX_HASHES => {
            let found = heights.len();
            Err(limit_exceeded(format!(
                "{found} block hashes were asked for; ask for at most {MAX_HASHES} at once"
            )))
        }
        Some(OneOrMany::Many(heights)) => {
            heights.into_iter().map(|height| hash_at(context, height)).collect()
        }
    }
}

fn hash_at(context: &Context, Height(height): Height) -> RpcResult {
    let Ok(number) = height.try_into() else { return Ok(Value::Null) };
    let hash = context.chain().hash_of(number).map_err(error::chain)?;
    Ok(json!(hash))
}

fn header(context: &Context, mut arguments: Arguments) -> RpcResult {
    let Some(hash) = arguments.optional::<Hash>(0)? else {
        return Ok(header_json(&context.chain().tip().header));
    };
    let header = context.chain().header(&hash).map_err(error::chain)?;
    Ok(header.as_ref().map(header_json).unwrap_or_default())
}

fn block(context: &Context, mut arguments: Arguments) -> RpcResult {
    let hash = context.hash_or_tip(arguments.optional(0)?);
    let Some(found) = context.chain().block(&hash).map_err(error::chain)? else { return Ok(Value::Null) };
    let extrinsics: Vec<_> = found.block.body.iter().map(to_hex).collect();
    Ok(json!({
        "block": { "header": header_json(&found.block.header), "extrinsics": extrinsics },
        "justifications": null,
    }))
}
