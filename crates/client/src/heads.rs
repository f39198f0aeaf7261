//! Following the chain.

use std::time::Duration;

use jsonrpsee::core::client::Subscription;
use myelin_runtime::{Header, Runtime};
use pallet_subtensor::{NetUid, SubnetEpochIndex};
use tokio::time::{sleep, timeout, Instant};

use crate::{
    client::Client,
    error::ClientError,
    transport::{array, SubscriptionMethods},
};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const SLOWEST_RETRY: Duration = Duration::from_secs(5);

/// Which heads to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// Every new best block.
    Best,
    /// Final blocks.
    Finalized,
}

impl HeadKind {
    fn methods(self) -> SubscriptionMethods {
        match self {
            Self::Best => SubscriptionMethods {
                subscribe: "chain_subscribeNewHeads",
                unsubscribe: "chain_unsubscribeNewHeads",
            },
            Self::Finalized => SubscriptionMethods {
                subscribe: "chain_subscribeFinalizedHeads",
                unsubscribe: "chain_unsubscribeFinalizedHeads",
            },
        }
    }
}

/// Headers as they come, across lost connections.
///
/// Heights only grow. Heights may be skipped while the node is out of reach, or when the reader is slower than the chain.
pub struct Heads {
    client: Client,
    kind: HeadKind,
    subscription: Option<Subscription<Header>>,
    last_number: Option<u32>,
}

impl Heads {
    /// The next header.
    ///
    /// # Errors
    /// The node stayed out of reach for `reconnect_timeout`, or came back as another version or chain.
    pub async fn next(&mut self) -> Result<Header, ClientError> {
        loop {
            let Some(subscription) = &mut self.subscription else {
                self.subscription = Some(self.subscribe_with_patience().await?);
                continue;
            };
            match subscription.next().await {
                Some(Ok(header)) if self.last_number.is_none_or(|last| header.number > last) => {
                    self.last_number = Some(header.number);
                    return Ok(header);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(ClientError::decode(self.kind.methods().subscribe, error)),
                None => self.subscription = None,
            }
        }
    }

    async fn subscribe_with_patience(&self) -> Result<Subscription<Header>, ClientError> {
        let give_up = Instant::now() + self.client.config().reconnect_timeout;
        let mut pause = FIRST_RETRY;
        loop {
            match self.subscribe().await {
                Err(error) if error.is_transient() && Instant::now() + pause < give_up => {
                    tracing::debug!(%error, "node out of reach, trying again");
                    sleep(pause).await;
                    pause = (pause * 2).min(SLOWEST_RETRY);
                }
                outcome => return outcome,
            }
        }
    }

    async fn subscribe(&self) -> Result<Subscription<Header>, ClientError> {
        let transport = self.client.transport();
        let connection = transport.connection().await?;
        transport.subscribe(&connection, self.kind.methods(), array([])).await
    }
}

impl Client {
    /// Headers from now on, beginning with the current one.
    pub fn heads(&self, kind: HeadKind) -> Heads {
        Heads { client: self.clone(), kind, subscription: None, last_number: None }
    }

    /// Waits until the best block is at least `number`, and returns its header.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] after `patience`, or the node was lost.
    pub async fn wait_for_block(&self, number: u32, patience: Duration) -> Result<Header, ClientError> {
        let mut heads = self.heads(HeadKind::Best);
        let reached = async {
            loop {
                let header = heads.next().await?;
                if header.number >= number {
                    return Ok(header);
                }
            }
        };
        within(patience, format!("waiting for block {number}"), reached).await
    }

    /// Waits until an epoch of `netuid` has run, and returns the header of the block after which that was seen.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] after `patience`, or the node was lost.
    pub async fn wait_for_epoch(&self, netuid: NetUid, patience: Duration) -> Result<Header, ClientError> {
        let mut heads = self.heads(HeadKind::Best);
        let reached = async {
            let mut first_index = None;
            loop {
                let header = heads.next().await?;
                let index = self.at(header.hash()).epoch_index(netuid).await?;
                if index > *first_index.get_or_insert(index) {
                    return Ok(header);
                }
            }
        };
        within(patience, format!("waiting for an epoch of subnet {netuid}"), reached).await
    }

    async fn epoch_index(&self, netuid: NetUid) -> Result<u64, ClientError> {
        self.map::<SubnetEpochIndex<Runtime>, _, _>(netuid).await
    }
}

async fn within<T>(
    patience: Duration,
    what: String,
    reached: impl std::future::Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    timeout(patience, reached).await.unwrap_or(Err(ClientError::Timeout { what, after: patience }))
}
