//! `author_*`: handing in transactions.

use std::sync::Arc;

use serde_json::json;

use super::{Answer, Method, Run};
use crate::{
    error,
    parameters::{to_hex, Arguments, Bytes, Names},
    work::Cost,
    Context,
};

/// The parameter that holds an encoded extrinsic.
pub(crate) const EXTRINSIC: Names = &["extrinsic", "bytes"];

pub(crate) const METHODS: &[Method] = &[
    Method {
        name: "author_submitExtrinsic",
        aliases: &[],
        parameters: &[EXTRINSIC],
        run: Run::Waiting(submit),
    },
    Method {
        name: "author_pendingExtrinsics",
        aliases: &[],
        parameters: &[],
        run: Run::Blocking(Cost::Read, |context, _| {
            let pending = context.services.mempool.pending();
            Ok(pending.iter().map(|transaction| to_hex(&transaction.bytes)).collect())
        }),
    },
];

fn submit(context: Arc<Context>, mut arguments: Arguments) -> Answer {
    Box::pin(async move {
        let Bytes(bytes) = arguments.required(0)?;
        let hash = context.services.mempool.submit(bytes).await.map_err(error::submission)?;
        Ok(json!(hash))
    })
}
