//! Values in the state that a subscriber watches. Only what changed is told; a slow subscriber misses values that were
//! there between two notifications, but never the newest one.

use std::{collections::HashSet, sync::Arc};

use myelin_chain::{Hash, StateView};
use serde::Serialize;
use sp_crypto_hashing::blake2_256;
use tokio::sync::broadcast::error::RecvError;

use super::{End, Pending, Subscriber, Subscription};
use crate::{
    connection::Watching,
    error::{self, limit_exceeded, RpcResult},
    parameters::{to_hex, Arguments, Key},
    Context,
};

/// Keys that one subscription may watch.
const MAX_WATCHED: usize = 1000;
/// Bytes of values in one notification.
const MAX_CHANGED_BYTES: usize = 8 << 20;
/// Bytes that a watched key takes besides its own, in the list and among what is read for it.
const BYTES_PER_KEY: usize = 512;

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
    pending: Pending,
) -> Result<(), End> {
    let (mut watch, _watching) = match admit(&mut arguments, &pending) {
        Ok(admitted) => admitted,
        Err(error) => return pending.reject(error).await,
    };
    let mut events = context.chain().subscribe();
    let subscriber = Subscriber::accept(pending, &context).await?;
    loop {
        let turn = subscriber.turn().await?;
        let reader = Arc::clone(&context);
        let look = move || {
            let changed = reader.state(None).and_then(|state| watch.look(&state));
            (watch, changed)
        };
        let (watched, changed) = context.workshop.read(look).await?;
        watch = watched;
        let changed = changed?;
        if !changed.changes.is_empty() {
            subscriber.notify(&changed).await?;
        }
        drop(turn);
        loop {
            match subscriber.wait(events.recv()).await? {
                Ok(_) if !events.is_empty() => {}
                Ok(_) | Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}

/// What is watched, and what it was when the subscriber was last told.
struct Watch {
    keys: Vec<Watched>,
}

struct Watched {
    key: Key,
    told: Told,
}

/// What a subscriber knows of a value. Values can be large, so only their hashes are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Absent,
    Value([u8; 32]),
}

/// Values that have changed.
#[derive(Serialize)]
struct Changed {
    block: Hash,
    changes: Vec<(String, Option<String>)>,
}

/// Checks what is asked for, and counts it as held by the connection.
fn admit(arguments: &mut Arguments, pending: &Pending) -> RpcResult<(Watch, Option<Watching>)> {
    let watch = Watch::new(arguments.required(0)?)?;
    let watching = pending.flow.as_ref().map(|flow| flow.watch(watch.bytes())).transpose()?;
    Ok((watch, watching))
}

impl Watch {
    /// Watches each key once.
    fn new(mut keys: Vec<Key>) -> RpcResult<Self> {
        let found = keys.len();
        if found > MAX_WATCHED {
            return Err(limit_exceeded(format!(
                "{found} keys were given; watch at most {MAX_WATCHED} in one subscription"
            )));
        }
        let mut seen = HashSet::new();
        keys.retain(|key| seen.insert(key.bytes.clone()));
        Ok(Self { keys: keys.into_iter().map(|key| Watched { key, told: Told::Nothing }).collect() })
    }

    fn bytes(&self) -> usize {
        self.keys.iter().map(|Watched { key, .. }| key.text.len() + key.bytes.len() + BYTES_PER_KEY).sum()
    }

    /// What has changed up to `state`.
    fn look(&mut self, state: &StateView) -> RpcResult<Changed> {
        let mut changes = Vec::new();
        let mut bytes = 0_usize;
        for Watched { key, told } in &mut self.keys {
            let value = state.storage(&key.bytes).map_err(error::chain)?;
            let found = value.as_ref().map_or(Told::Absent, |value| Told::Value(blake2_256(value)));
            if *told == found {
                continue;
            }
            bytes = bytes.saturating_add(value.as_ref().map_or(0, Vec::len));
            if bytes > MAX_CHANGED_BYTES {
                return Err(limit_exceeded(format!(
                    "more than {MAX_CHANGED_BYTES} bytes of values have changed at once; watch fewer keys in one subscription"
                )));
            }
            *told = found;
            changes.push((key.text.clone(), value.map(to_hex)));
        }
        Ok(Changed { block: state.hash(), changes })
    }
}
