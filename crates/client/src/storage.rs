//! Typed reads of storage, by the runtime's own storage types.
//!
//! `client.map::<pallet_subtensor::Tempo<Runtime>, _, _>(netuid)` is the value, or the item's default where nothing is
//! stored.

use codec::{DecodeAll, EncodeLike, FullCodec};
use frame_support::{
    storage::generator::{StorageDoubleMap, StorageMap, StorageValue},
    ReversibleStorageHasher,
};
use serde::Deserialize;
use sp_core::Bytes;

use crate::{client::Client, error::ClientError, transport::array};

/// Keys asked for at once.
const PAGE_KEYS: u32 = 500;

/// One answer of `state_queryStorageAt`.
#[derive(Deserialize)]
struct ChangeSet {
    changes: Vec<(Bytes, Option<Bytes>)>,
}

impl Client {
    /// The bytes under `key`.
    ///
    /// # Errors
    /// Those of a read: no connection, no answer in time, refused.
    pub async fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ClientError> {
        let params = array([hex_value(key), self.block_value()]);
        let bytes: Option<Bytes> = self.transport().read("state_getStorage", params).await?;
        Ok(bytes.map(|bytes| bytes.0))
    }

    /// The value of a storage item without keys.
    ///
    /// # Errors
    /// Those of a read, or bytes of another shape.
    pub async fn value<Item, Value>(&self) -> Result<Item::Query, ClientError>
    where
        Item: StorageValue<Value>,
        Value: FullCodec,
    {
        let found = self.decoded(&Item::storage_value_final_key(), Item::storage_prefix()).await?;
        Ok(Item::from_optional_value_to_query(found))
    }

    /// The value of a storage map at `key`.
    ///
    /// # Errors
    /// Those of a read, or bytes of another shape.
    pub async fn map<Item, Key, Value>(&self, key: impl EncodeLike<Key>) -> Result<Item::Query, ClientError>
    where
        Item: StorageMap<Key, Value>,
        Key: FullCodec,
        Value: FullCodec,
    {
        let found = self.decoded(&Item::storage_map_final_key(key), Item::storage_prefix()).await?;
        Ok(Item::from_optional_value_to_query(found))
    }

    /// The value of a storage map with two keys.
    ///
    /// # Errors
    /// Those of a read, or bytes of another shape.
    pub async fn double_map<Item, First, Second, Value>(
        &self,
        first: impl EncodeLike<First>,
        second: impl EncodeLike<Second>,
    ) -> Result<Item::Query, ClientError>
    where
        Item: StorageDoubleMap<First, Second, Value>,
        First: FullCodec,
        Second: FullCodec,
        Value: FullCodec,
    {
        let key = Item::storage_double_map_final_key(first, second);
        let found = self.decoded(&key, Item::storage_prefix()).await?;
        Ok(Item::from_optional_value_to_query(found))
    }

    /// All entries of a storage map, in the order of its hashed keys. Pin the client first, or the pages may come from
    /// different blocks.
    ///
    /// # Errors
    /// Those of a read, or bytes of another shape.
    pub async fn map_entries<Item, Key, Value>(&self) -> Result<Vec<(Key, Value)>, ClientError>
    where
        Item: StorageMap<Key, Value>,
        Item::Hasher: ReversibleStorageHasher,
        Key: FullCodec,
        Value: FullCodec,
    {
        self.entries::<Item::Hasher, Key, Value>(&Item::prefix_hash(), Item::storage_prefix()).await
    }

    /// All entries under the first key of a storage map with two keys. Pin the client first, or the pages may come from
    /// different blocks.
    ///
    /// # Errors
    /// Those of a read, or bytes of another shape.
    pub async fn double_map_entries<Item, First, Second, Value>(
        &self,
        first: impl EncodeLike<First>,
    ) -> Result<Vec<(Second, Value)>, ClientError>
    where
        Item: StorageDoubleMap<First, Second, Value>,
        Item::Hasher2: ReversibleStorageHasher,
        First: FullCodec,
        Second: FullCodec,
        Value: FullCodec,
    {
        let prefix = Item::storage_double_map_final_key1(first);
        self.entries::<Item::Hasher2, Second, Value>(&prefix, Item::storage_prefix()).await
    }

    async fn decoded<Value: FullCodec>(&self, key: &[u8], item: &[u8]) -> Result<Option<Value>, ClientError> {
        self.storage(key).await?.map(|bytes| decode(item, &bytes)).transpose()
    }

    async fn entries<Hasher, Key, Value>(
        &self,
        prefix: &[u8],
        item: &[u8],
    ) -> Result<Vec<(Key, Value)>, ClientError>
    where
        Hasher: ReversibleStorageHasher,
        Key: FullCodec,
        Value: FullCodec,
    {
        let mut entries = Vec::new();
        let mut last_key = prefix.to_vec();
        loop {
            let keys = self.keys_page(prefix, &last_key).await?;
            let Some(last) = keys.last() else { return Ok(entries) };
            last_key.clone_from(&last.0);
            for (key, bytes) in self.values_of(&keys).await? {
                let Some(bytes) = bytes else { continue };
                let hashed = key.get(prefix.len()..).unwrap_or_default();
                entries.push((decode(item, Hasher::reverse(hashed))?, decode(item, &bytes)?));
            }
        }
    }

    async fn keys_page(&self, prefix: &[u8], after: &[u8]) -> Result<Vec<Bytes>, ClientError> {
        let params = array([hex_value(prefix), PAGE_KEYS.into(), hex_value(after), self.block_value()]);
        self.transport().read("state_getKeysPaged", params).await
    }

    async fn values_of(&self, keys: &[Bytes]) -> Result<Vec<(Bytes, Option<Bytes>)>, ClientError> {
        let keys = keys.iter().map(|key| hex_value(key)).collect::<Vec<_>>();
        let params = array([keys.into(), self.block_value()]);
        let answer: Vec<ChangeSet> = self.transport().read("state_queryStorageAt", params).await?;
        Ok(answer.into_iter().flat_map(|set| set.changes).collect())
    }
}

fn decode<T: codec::Decode>(item: &[u8], mut bytes: &[u8]) -> Result<T, ClientError> {
    T::decode_all(&mut bytes).map_err(|error| {
        ClientError::decode(format!("storage item {}", String::from_utf8_lossy(item)), error)
    })
}

pub(crate) fn hex_value(bytes: &[u8]) -> serde_json::Value {
    format!("0x{}", hex::encode(bytes)).into()
}
