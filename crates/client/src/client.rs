//! The client itself: a handle that is cheap to clone, over one connection.

use std::{fmt, sync::Arc};

use codec::{Decode, DecodeAll, Encode};
use myelin_runtime::{AccountId, Hash, Header, Nonce};
use serde::Deserialize;
use sp_core::{crypto::Ss58Codec, Bytes};

use crate::{
    config::ClientConfig,
    error::ClientError,
    nonce::Nonces,
    storage::hex_value,
    transport::{array, Transport},
};

/// Client of one node. Clones share the connection and the nonces.
///
/// Reads are answered from the node's best block, or from the block that the client is [pinned](Client::at) to.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    block: Option<Hash>,
}

struct Shared {
    transport: Transport,
    nonces: Nonces,
}

/// How a node stands in its network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeHealth {
    /// Nodes that it is connected to.
    pub peers: u32,
    /// Whether it gets blocks that others had before.
    pub is_syncing: bool,
    /// Whether it ought to be connected to others.
    pub should_have_peers: bool,
    /// What keeps it from following its network, if it says so.
    pub reason: Option<String>,
}

impl fmt::Display for NodeHealth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.should_have_peers, self.peers) {
            (false, _) => write!(formatter, "it needs no peers")?,
            (true, 1) => write!(formatter, "it has 1 peer")?,
            (true, peers) => write!(formatter, "it has {peers} peers")?,
        }
        if self.is_syncing {
            write!(formatter, " and is catching up")?;
        }
        self.reason.as_ref().map_or(Ok(()), |reason| write!(formatter, "; {reason}"))
    }
}

/// A block as the node gives it.
#[derive(Clone, Debug, Deserialize)]
pub struct BlockBody {
    /// Its header.
    pub header: Header,
    /// Its extrinsics as they travel, each with its length prefix.
    pub extrinsics: Vec<Bytes>,
}

#[derive(Deserialize)]
struct SignedBlock {
    block: BlockBody,
}

impl Client {
    /// Connects to the node at `url` with default settings.
    ///
    /// # Errors
    /// Those of [`Client::with_config`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, ClientError> {
        Self::with_config(ClientConfig::new(url)).await
    }

    /// Connects to a node.
    ///
    /// # Errors
    /// The node cannot be reached, runs another version, or follows another chain than `config` asks for.
    pub async fn with_config(config: ClientConfig) -> Result<Self, ClientError> {
        let transport = Transport::new(config);
        transport.connection().await?;
        Ok(Self { shared: Arc::new(Shared { transport, nonces: Nonces::default() }), block: None })
    }

    /// The same client, reading from the state after `block`.
    pub fn at(&self, block: Hash) -> Self {
        Self { shared: Arc::clone(&self.shared), block: Some(block) }
    }

    /// The same client, reading from what is the best block now, so that several reads fit together.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn pinned(&self) -> Result<Self, ClientError> {
        match self.block {
            Some(_) => Ok(self.clone()),
            None => Ok(self.at(self.best_hash().await?)),
        }
    }

    /// How this client was set up.
    pub fn config(&self) -> &ClientConfig {
        self.transport().config()
    }

    /// Hash of block 0.
    ///
    /// # Errors
    /// No connection.
    pub async fn genesis(&self) -> Result<Hash, ClientError> {
        self.transport().genesis().await
    }

    /// How the node stands in its network.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn health(&self) -> Result<NodeHealth, ClientError> {
        self.transport().read("system_health", array([])).await
    }

    /// Hash of the newest block.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn best_hash(&self) -> Result<Hash, ClientError> {
        self.transport().read("chain_getBlockHash", array([])).await
    }

    /// Hash of the newest final block.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn finalized_hash(&self) -> Result<Hash, ClientError> {
        self.transport().read("chain_getFinalizedHead", array([])).await
    }

    /// Hash of the block at `number`.
    ///
    /// # Errors
    /// Those of a read, or no such block.
    pub async fn block_hash(&self, number: u32) -> Result<Hash, ClientError> {
        let hash: Option<Hash> = self.transport().read("chain_getBlockHash", array([number.into()])).await?;
        hash.ok_or_else(|| ClientError::Missing { what: format!("block {number}") })
    }

    /// Header of the block this client reads from.
    ///
    /// # Errors
    /// Those of a read, or no such block.
    pub async fn header(&self) -> Result<Header, ClientError> {
        let header: Option<Header> =
            self.transport().read("chain_getHeader", array([self.block_value()])).await?;
        header.ok_or_else(|| self.missing_block())
    }

    /// The block this client reads from.
    ///
    /// # Errors
    /// Those of a read, or no such block.
    pub async fn block(&self) -> Result<BlockBody, ClientError> {
        let block: Option<SignedBlock> =
            self.transport().read("chain_getBlock", array([self.block_value()])).await?;
        block.map(|block| block.block).ok_or_else(|| self.missing_block())
    }

    /// Height of the block this client reads from.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn block_number(&self) -> Result<u32, ClientError> {
        Ok(self.header().await?.number)
    }

    /// The nonce of the account's next transaction, transactions in the pool included.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn next_nonce(&self, account: &AccountId) -> Result<Nonce, ClientError> {
        self.transport().read("account_nextIndex", array([account.to_ss58check().into()])).await
    }

    /// Calls a runtime API; `arguments` is the tuple of its arguments.
    ///
    /// # Errors
    /// Those of a read, or an answer of another shape.
    pub async fn runtime_api<T: Decode>(
        &self,
        method: &str,
        arguments: impl Encode,
    ) -> Result<T, ClientError> {
        let params = array([method.into(), hex_value(&arguments.encode()), self.block_value()]);
        let answer: Bytes = self.transport().read("state_call", params).await?;
        T::decode_all(&mut &answer.0[..]).map_err(|error| ClientError::decode(method, error))
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    pub(crate) fn nonces(&self) -> &Nonces {
        &self.shared.nonces
    }

    pub(crate) fn block_value(&self) -> serde_json::Value {
        self.block.map_or(serde_json::Value::Null, |hash| hex_value(hash.as_bytes()))
    }

    fn missing_block(&self) -> ClientError {
        let what = self.block.map_or_else(|| "best block".into(), |hash| format!("block {hash:?}"));
        ClientError::Missing { what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(document: &str) -> String {
        serde_json::from_str::<NodeHealth>(document).unwrap().to_string()
    }

    #[test]
    fn health_is_read_with_and_without_a_reason() {
        let alone = r#"{"peers":0,"isSyncing":false,"shouldHavePeers":true,"reason":"one is down"}"#;
        assert_eq!(shown(alone), "it has 0 peers; one is down");
        let behind = r#"{"peers":1,"isSyncing":true,"shouldHavePeers":true}"#;
        assert_eq!(shown(behind), "it has 1 peer and is catching up");
        let development = r#"{"peers":0,"isSyncing":false,"shouldHavePeers":false}"#;
        assert_eq!(shown(development), "it needs no peers");
    }
}
