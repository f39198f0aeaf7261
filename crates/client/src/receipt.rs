//! What became of a transaction: where it is and what it did.

use codec::DecodeAll;
use frame_support::storage::storage_prefix;
use frame_system::{EventRecord, Phase};
use myelin_runtime::{Hash, RuntimeEvent};

use crate::{
    client::{BlockBody, Client},
    error::ClientError,
    failure::{failure_in, DispatchFailure},
};

/// A transaction in a block.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Hash of the transaction.
    pub extrinsic: Hash,
    /// Hash of the block.
    pub block: Hash,
    /// Height of the block.
    pub block_number: u32,
    /// Position in the block.
    pub index: u32,
    /// What was paid for the transaction, tip included.
    pub fee_rao: u64,
    /// What it did, in order.
    pub events: Vec<RuntimeEvent>,
}

impl Receipt {
    /// Why the action failed, if it did.
    pub fn failure(&self) -> Option<DispatchFailure> {
        self.events.iter().find_map(failure_in)
    }

    /// The receipt if the action succeeded.
    ///
    /// # Errors
    /// [`ClientError::Failed`] with the first failure and the receipt.
    pub fn success(self) -> Result<Self, ClientError> {
        match self.failure() {
            None => Ok(self),
            Some(failure) => Err(ClientError::Failed { failure, receipt: Box::new(self) }),
        }
    }

    /// The first event for which `pick` has an answer.
    pub fn find<T>(&self, pick: impl FnMut(&RuntimeEvent) -> Option<T>) -> Option<T> {
        self.events.iter().find_map(pick)
    }
}

impl Client {
    /// The receipt of the transaction with hash `extrinsic` in `block`, whether it succeeded or not.
    ///
    /// # Errors
    /// Those of a read, or the transaction is not in that block.
    pub async fn receipt(&self, extrinsic: Hash, block: Hash) -> Result<Receipt, ClientError> {
        let at = self.at(block);
        let body = at.block().await?;
        let index = position(&body, extrinsic).ok_or_else(|| ClientError::Missing {
            what: format!("transaction {extrinsic:?} in block {block:?}"),
        })?;
        let events = at.events_of(index).await?;
        let fee_rao = events.iter().find_map(fee_in).unwrap_or_default();
        Ok(Receipt { extrinsic, block, block_number: body.header.number, index, fee_rao, events })
    }

    /// Looks for a transaction in the blocks from `first_block` to the best block.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn find_receipt(
        &self,
        extrinsic: Hash,
        first_block: u32,
    ) -> Result<Option<Receipt>, ClientError> {
        let last_block = self.at(self.best_hash().await?).block_number().await?;
        for number in first_block..=last_block {
            let block = self.block_hash(number).await?;
            if position(&self.at(block).block().await?, extrinsic).is_some() {
                return self.receipt(extrinsic, block).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Events of the block that this client reads from, with the phase of the block they belong to.
    ///
    /// # Errors
    /// Those of a read, or bytes of another shape.
    pub async fn events(&self) -> Result<Vec<EventRecord<RuntimeEvent, Hash>>, ClientError> {
        let key = storage_prefix(b"System", b"Events");
        let bytes = self.storage(&key).await?.unwrap_or_else(|| vec![0]);
        DecodeAll::decode_all(&mut &bytes[..]).map_err(|error| ClientError::decode("System.Events", error))
    }

    async fn events_of(&self, index: u32) -> Result<Vec<RuntimeEvent>, ClientError> {
        let events = self.events().await?;
        let own = events.into_iter().filter(|record| record.phase == Phase::ApplyExtrinsic(index));
        Ok(own.map(|record| record.event).collect())
    }
}

fn position(block: &BlockBody, extrinsic: Hash) -> Option<u32> {
    let index = block
        .extrinsics
        .iter()
        .position(|bytes| sp_crypto_hashing::blake2_256(bytes) == *extrinsic.as_fixed_bytes())?;
    u32::try_from(index).ok()
}

fn fee_in(event: &RuntimeEvent) -> Option<u64> {
    match event {
        RuntimeEvent::TransactionPayment(pallet_transaction_payment::Event::TransactionFeePaid {
            actual_fee,
            ..
        }) => Some(*actual_fee),
        _ => None,
    }
}
