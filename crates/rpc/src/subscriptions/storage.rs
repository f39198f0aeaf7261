//! Values in the state that a subscriber watches. Only what changed is told; a slow subscriber misses values that were
//! there between two notifications, but never the newest one.

use std::sync::Arc;

use jsonrpsee::{types::ErrorObjectOwned, PendingSubscriptionSink};
use myelin_chain::Hash;
use serde_json::{json, Value};
use tokio::sync::broadcast::error::RecvError;

use super::{End, Subscriber, Subscription};
use crate::{
    error::{self, limit_exceeded, RpcResult},
    parameters::{to_hex, Arguments, Key},
    work::Cost,
    Context,
};

/// Keys that one subscription may watch.
const MAX_WATCHED: usize = 1000;

pub(super) const SUBSCRIPTION: Subscription = Subscription {
    subscribe: "state_subscribeStorage",
    notification: "state_storage",
    unsubscribe: "state_unsubscribeStorage",
    aliases: &[],
    parameters: &[&["keys"]],
};

pub(super) async fn follow(
    context: Arc<Context>,
    mut arguments: Arguments,
    pending: PendingSubscriptionSink,
) -> Result<(), End> {
    let keys = match watched_keys(&mut arguments) {
        Ok(keys) => Arc::new(keys),
        Err(error) => return reject(pending, error).await,
    };
    let mut events = context.chain().subscribe();
    let subscriber = Subscriber::accept(pending, &context).await?;
    let mut seen: Vec<Option<Reading>> = vec![None; keys.len()];
    loop {
        let (block, values) = read(&context, &keys).await?;
        let changes: Vec<Value> = keys
            .iter()
            .zip(values)
            .zip(&mut seen)
            .filter(|((_, value), seen)| seen.as_ref() != Some(value))
            .map(|((key, value), seen)| {
                *seen = Some(value.clone());
                json!([key.text, value])
            })
            .collect();
        if !changes.is_empty() {
            subscriber.notify(&json!({ "block": block, "changes": changes })).await?;
        }
        loop {
            match subscriber.wait(events.recv()).await? {
                Ok(_) if !events.is_empty() => {}
                Ok(_) | Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}

async fn reject(pending: PendingSubscriptionSink, error: ErrorObjectOwned) -> Result<(), End> {
    pending.reject(error).await;
    Ok(())
}

/// A value in hexadecimal, if there is one.
type Reading = Option<String>;

fn watched_keys(arguments: &mut Arguments) -> RpcResult<Vec<Key>> {
    let keys: Vec<Key> = arguments.required(0)?;
    match keys.len() {
        found if found > MAX_WATCHED => Err(limit_exceeded(format!(
            "{found} keys were given; watch at most {MAX_WATCHED} in one subscription"
        ))),
        _ => Ok(keys),
    }
}

async fn read(context: &Arc<Context>, keys: &Arc<Vec<Key>>) -> RpcResult<(Hash, Vec<Reading>)> {
    let (reader, keys) = (Arc::clone(context), Arc::clone(keys));
    let read = move || {
        let state = reader.state(None)?;
        let value = |key: &Key| Ok(state.storage(&key.bytes).map_err(error::chain)?.map(to_hex));
        let values = keys.iter().map(value).collect::<RpcResult<_>>()?;
        Ok((state.hash(), values))
    };
    context.workshop.run(Cost::Read, read).await?
}
