//! A transaction, from its submission to the final block.

use std::sync::Arc;

use myelin_chain::TransactionStatus;
use serde_json::{json, Value};

use super::{End, Pending, Subscriber, Subscription};
use crate::{
    error::{self, RpcResult},
    methods::author::EXTRINSIC,
    parameters::{Arguments, Bytes},
    Context,
};

pub(super) const SUBSCRIPTION: Subscription = Subscription {
    subscribe: "author_submitAndWatchExtrinsic",
    notification: "author_extrinsicUpdate",
    unsubscribe: "author_unwatchExtrinsic",
    aliases: &[],
    parameters: &[EXTRINSIC],
};

pub(super) async fn follow(
    context: Arc<Context>,
    mut arguments: Arguments,
    pending: Pending,
) -> Result<(), End> {
    let submitted: RpcResult<_> = async {
        let Bytes(bytes) = arguments.required(0)?;
        context.services.mempool.submit_and_watch(bytes).await.map_err(error::submission)
    }
    .await;
    let mut watcher = match submitted {
        Ok((_, watcher)) => watcher,
        Err(error) => return pending.reject(error).await,
    };
    let subscriber = Subscriber::accept(pending, &context).await?;
    while let Some(status) = subscriber.wait(watcher.next()).await? {
        subscriber.notify(&status_json(status)).await?;
    }
    Ok(())
}

fn status_json(status: TransactionStatus) -> Value {
    match status {
        TransactionStatus::Future => json!("future"),
        TransactionStatus::Ready => json!("ready"),
        TransactionStatus::InBlock { block, .. } => json!({ "inBlock": block }),
        TransactionStatus::Finalized { block, .. } => json!({ "finalized": block }),
        TransactionStatus::Usurped(by) => json!({ "usurped": by }),
        TransactionStatus::Dropped => json!("dropped"),
        TransactionStatus::Invalid => json!("invalid"),
    }
}
