//! Requests that are answered again and again.
//!
//! Nothing is queued for a subscriber but what is on its way to the socket, and that counts as held by its connection. A
//! subscription keeps the place up to which its subscriber has been told, and reads from the chain what comes next once the
//! subscriber has taken the last notification. So a slow subscriber costs no memory, and heads are never skipped. One that
//! takes nothing for [`max_unread_time`](crate::RpcConfig::max_unread_time) is closed, with an error notification that says so.

mod heads;
mod storage;
mod submission;
mod version;

use std::{future::Future, sync::Arc, time::Duration};

use jsonrpsee::{
    core::server::SendTimeoutError,
    server::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
    PendingSubscriptionSink, RpcModule, SubscriptionCloseResponse, SubscriptionMessage, SubscriptionSink,
};
use serde::Serialize;
use serde_json::value::to_raw_value;
use tokio::{sync::MutexGuard, time::timeout};

use crate::{
    connection::Flow,
    parameters::{Arguments, Names},
    Context,
};

/// One kind of subscription.
struct Subscription {
    subscribe: &'static str,
    notification: &'static str,
    unsubscribe: &'static str,
    /// Other names for subscribing and unsubscribing.
    aliases: &'static [(&'static str, &'static str)],
    parameters: &'static [Names],
}

/// Adds all subscriptions.
pub(crate) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    for subscription in heads::SUBSCRIPTIONS {
        add(module, subscription, heads::follow)?;
    }
    add(module, &storage::SUBSCRIPTION, storage::follow)?;
    add(module, &version::SUBSCRIPTION, version::follow)?;
    add(module, &submission::SUBSCRIPTION, submission::follow)
}

fn add<Follow, Following>(
    module: &mut RpcModule<Context>,
    subscription: &'static Subscription,
    follow: Follow,
) -> Result<(), RegisterMethodError>
where
    Follow: Fn(Arc<Context>, Arguments, Pending) -> Following + Clone + Send + Sync + 'static,
    Following: Future<Output = Result<(), End>> + Send,
{
    let Subscription { subscribe, notification, unsubscribe, aliases, parameters } = *subscription;
    module.register_subscription(
        subscribe,
        notification,
        unsubscribe,
        move |params: Params<'static>, sink, context: Arc<Context>, extensions| {
            let follow = follow.clone();
            let pending = Pending { sink, flow: extensions.get::<Arc<Flow>>().cloned() };
            async move {
                let _going_on = context.workshop.token();
                close_response(match Arguments::parse(&params, parameters) {
                    Ok(arguments) => follow(context, arguments, pending).await,
                    Err(error) => pending.reject(error).await,
                })
            }
        },
    )?;
    for (subscribe_alias, unsubscribe_alias) in aliases {
        module.register_alias(subscribe_alias, subscribe)?;
        module.register_alias(unsubscribe_alias, unsubscribe)?;
    }
    Ok(())
}

/// Why a subscription is over.
enum End {
    /// The subscriber left.
    Gone,
    /// The subscriber left notifications unread for this long.
    TooSlow(Duration),
    /// The node cannot go on with it.
    Failed(ErrorObjectOwned),
}

impl From<ErrorObjectOwned> for End {
    fn from(error: ErrorObjectOwned) -> Self {
        Self::Failed(error)
    }
}

fn close_response(result: Result<(), End>) -> SubscriptionCloseResponse {
    let reason = match result {
        Ok(()) | Err(End::Gone) => return SubscriptionCloseResponse::None,
        Err(End::TooSlow(time)) => format!(
            "the subscription is closed: its notifications were not read for {} ms; subscribe again, and read what was missed",
            time.as_millis()
        ),
        Err(End::Failed(error)) => format!("the subscription is closed: {}", error.message()),
    };
    SubscriptionMessage::from_json(&reason)
        .map_or(SubscriptionCloseResponse::None, SubscriptionCloseResponse::NotifErr)
}

/// Somebody who has asked for a subscription.
struct Pending {
    sink: PendingSubscriptionSink,
    /// Of the connection, where there is one.
    flow: Option<Arc<Flow>>,
}

impl Pending {
    async fn reject(self, error: ErrorObjectOwned) -> Result<(), End> {
        self.sink.reject(error).await;
        Ok(())
    }
}

/// An accepted subscriber.
struct Subscriber {
    sink: SubscriptionSink,
    flow: Option<Arc<Flow>>,
    patience: Duration,
}

impl Subscriber {
    async fn accept(pending: Pending, context: &Context) -> Result<Self, End> {
        let sink = pending.sink.accept().await.map_err(|_| End::Gone)?;
        Ok(Self { sink, flow: pending.flow, patience: context.config.max_unread_time })
    }

    async fn notify(&self, content: &impl Serialize) -> Result<(), End> {
        let content = to_raw_value(content).map_err(crate::error::internal)?;
        let message = SubscriptionMessage::from_json(&content).map_err(crate::error::internal)?;
        let bytes = content.get().len();
        self.owe(bytes);
        self.sink.send_timeout(message, self.patience).await.map_err(|error| {
            self.owe_no_more(bytes);
            match error {
                SendTimeoutError::Closed(_) => End::Gone,
                SendTimeoutError::Timeout(_) => End::TooSlow(self.patience),
            }
        })
    }

    fn owe(&self, bytes: usize) {
        if let Some(flow) = &self.flow {
            flow.owe(bytes);
        }
    }

    fn owe_no_more(&self, bytes: usize) {
        if let Some(flow) = &self.flow {
            flow.is_owed_no_more(bytes);
        }
    }

    /// Waits until it is this subscription's turn to read values for a notification and to send it.
    async fn turn(&self) -> Result<Option<MutexGuard<'_, ()>>, End> {
        let Some(flow) = &self.flow else { return Ok(None) };
        let turn = timeout(self.patience, flow.turn_to_notify());
        self.wait(turn).await?.map(Some).map_err(|_| End::TooSlow(self.patience))
    }

    /// Waits for `event`, but no longer than the subscriber stays.
    async fn wait<T>(&self, event: impl Future<Output = T>) -> Result<T, End> {
        tokio::select! {
            () = self.sink.closed() => Err(End::Gone),
            result = event => Ok(result),
        }
    }
}

#[cfg(test)]
mod tests {
    use myelin_chain::{
        executor::NoCandidates, Chain, Mempool, MempoolLimits, ProposalContext, Store, StoreConfig,
    };
    use serde_json::Value;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{ChainKind, HealthReport, Identity, RpcConfig, Services};

    const PATIENCE: Duration = Duration::from_millis(200);
    const CAPACITY: usize = 3;

    fn context() -> Context {
        let genesis = myelin_runtime::presets::Genesis::development(250).build_storage().unwrap();
        let chain = Chain::open(Store::open(&StoreConfig::memory()).unwrap(), Some(&genesis)).unwrap();
        let mempool = Mempool::new(Arc::clone(&chain), MempoolLimits::default()).unwrap();
        let identity = Identity {
            chain_name: "Test".to_owned(),
            chain_kind: ChainKind::Development,
            node_version: String::new(),
        };
        let services = Services {
            chain,
            mempool,
            identity,
            network: Arc::new(Default::default),
            health: Arc::new(|| HealthReport { is_healthy: true, document: String::new() }),
            development: None,
        };
        Context::new(services, RpcConfig { max_unread_time: PATIENCE, ..RpcConfig::any_port() })
    }

    fn mine(chain: &Chain, blocks: usize) {
        for _ in 0..blocks {
            let time_ms = chain.tip().time_ms + 250;
            let proposal = ProposalContext { time_ms, author: None, budget: Default::default() };
            let executed = chain.propose(&proposal, &mut NoCandidates).unwrap();
            chain.commit(executed, Vec::new()).unwrap();
        }
    }

    /// Subscribes without a connection; notifications wait in a channel of [`CAPACITY`].
    async fn subscribe(method: &str, parameters: &str) -> (Arc<Chain>, mpsc::Receiver<String>) {
        let context = context();
        let chain = Arc::clone(&context.services.chain);
        let mut module = RpcModule::new(context);
        register(&mut module).unwrap();
        let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{parameters}}}"#);
        let (answer, notifications) = module.raw_json_request(&request, CAPACITY).await.unwrap();
        assert!(answer.contains("result"), "{answer}");
        (chain, notifications)
    }

    async fn received(notifications: &mut mpsc::Receiver<String>) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(text) = notifications.recv().await {
            all.push(serde_json::from_str(&text).unwrap());
        }
        all
    }

    #[tokio::test]
    async fn a_subscriber_that_does_not_read_is_closed_and_told_why() {
        let time = crate::parameters::to_hex(myelin_chain::storage_keys::timestamp());
        let watched = format!(r#"[["{time}"]]"#);
        for (method, parameters) in [("chain_subscribeNewHeads", "[]"), ("state_subscribeStorage", &watched)]
        {
            let (chain, mut notifications) = subscribe(method, parameters).await;
            for _ in 0..20 {
                mine(&chain, 1);
                tokio::time::sleep(PATIENCE / 20).await;
            }
            tokio::time::sleep(2 * PATIENCE).await;
            let all = received(&mut notifications).await;
            let (closed, told) = all.split_last().unwrap();
            assert_eq!(told.len(), CAPACITY, "{method}");
            assert!(told.iter().all(|message| message["params"]["result"].is_object()), "{method}: {told:?}");
            let reason = closed["params"]["error"].as_str().unwrap();
            assert!(reason.contains("were not read for 200 ms; subscribe again"), "{method}: {reason}");
        }
    }

    #[tokio::test]
    async fn a_subscriber_that_reads_in_time_goes_on() {
        let (chain, mut notifications) = subscribe("chain_subscribeFinalizedHeads", "[]").await;
        mine(&chain, 100);
        for expected in 0..=100 {
            let message: Value = serde_json::from_str(&notifications.recv().await.unwrap()).unwrap();
            assert_eq!(message["params"]["result"]["number"], format!("{expected:#x}"));
        }
        assert!(notifications.try_recv().is_err());
    }
}
