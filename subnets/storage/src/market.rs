//! What a validator needs of the chain.

use std::future::Future;

use std::sync::Arc;

use myelin_client::{account_of, Client, ClientError, Neuron, WaitFor, WeightRules, Weights};
use myelin_keys::Keypair;

/// Whether a validator may speak now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Height of the chain.
    pub block: u64,
    /// Epochs of the subnet so far.
    pub epoch: u64,
    /// What to keep to.
    pub rules: WeightRules,
}

/// One subnet of a chain, as one validator sees it.
pub trait Market: Send + Sync + 'static {
    /// Everybody on the subnet.
    fn neurons(&self) -> impl Future<Output = Result<Vec<Neuron>, ClientError>> + Send;

    /// Whether weights can be set.
    fn turn(&self) -> impl Future<Output = Result<Turn, ClientError>> + Send;

    /// Sets weights.
    fn set_weights(&self, weights: Weights) -> impl Future<Output = Result<(), ClientError>> + Send;
}

/// A subnet of a real chain.
pub struct ChainMarket {
    /// A node of the chain.
    pub client: Client,
    /// The subnet.
    pub netuid: u16,
    /// The validator.
    pub hotkey: Arc<Keypair>,
}

impl Market for ChainMarket {
    async fn neurons(&self) -> Result<Vec<Neuron>, ClientError> {
        self.client.neurons(self.netuid).await
    }

    async fn turn(&self) -> Result<Turn, ClientError> {
        let at = self.client.pinned().await?;
        Ok(Turn {
            block: at.block_number().await?.into(),
            epoch: at.epoch_schedule(self.netuid).await?.index,
            rules: at.weight_rules(self.netuid, &account_of(&self.hotkey)).await?,
        })
    }

    async fn set_weights(&self, weights: Weights) -> Result<(), ClientError> {
        self.client.set_weights(&self.hotkey, self.netuid, weights, WaitFor::InBlock).await.map(|_| ())
    }
}
