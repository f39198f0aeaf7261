//! The runtime's version. The runtime is part of this program, so that it never changes while a subscription lasts.

use std::{future, sync::Arc};

use super::{End, Pending, Subscriber, Subscription};
use crate::{methods::state::version_of, parameters::Arguments, Context};

pub(super) const SUBSCRIPTION: Subscription = Subscription {
    subscribe: "state_subscribeRuntimeVersion",
    notification: "state_runtimeVersion",
    unsubscribe: "state_unsubscribeRuntimeVersion",
    aliases: &[("chain_subscribeRuntimeVersion", "chain_unsubscribeRuntimeVersion")],
    parameters: &[],
};

pub(super) async fn follow(context: Arc<Context>, _: Arguments, pending: Pending) -> Result<(), End> {
    let subscriber = Subscriber::accept(pending, &context).await?;
    let reader = Arc::clone(&context);
    let version = context.workshop.read(move || version_of(&reader, &reader.state(None)?)).await??;
    subscriber.notify(&version).await?;
    subscriber.wait(future::pending()).await
}
