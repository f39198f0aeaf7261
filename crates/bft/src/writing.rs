//! Writing committed blocks to the disk while the next ones are executed.

use std::{
    mem,
    sync::Arc,
    thread::{self, JoinHandle},
};

use myelin_chain::{Chain, ChainError};

use crate::BftError;

/// How to write what a chain has deferred.
pub(crate) type Flush = fn(&Chain) -> Result<(), ChainError>;

/// At most one write that is under way.
#[derive(Default)]
pub(crate) struct Writing(Option<JoinHandle<Result<(), ChainError>>>);

impl Writing {
    /// Begins to write, after the write before.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn begin(&mut self, chain: &Arc<Chain>, flush: Flush) -> Result<(), BftError> {
        self.finish()?;
        let chain = Arc::clone(chain);
        let builder = thread::Builder::new().name("block-writer".to_owned());
        self.0 = Some(builder.spawn(move || flush(&chain)).map_err(|_| BftError::Worker)?);
        Ok(())
    }

    /// Looks whether the write that was under way has failed.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn check(&mut self) -> Result<(), BftError> {
        match self.0.as_ref().is_some_and(JoinHandle::is_finished) {
            true => self.finish(),
            false => Ok(()),
        }
    }

    /// Waits for the write that is under way.
    ///
    /// # Errors
    /// When it has failed; the node must stop then.
    pub fn finish(&mut self) -> Result<(), BftError> {
        match mem::take(&mut self.0) {
            Some(thread) => Ok(thread.join().map_err(|_| BftError::Worker)??),
            None => Ok(()),
        }
    }
}

impl Drop for Writing {
    /// Nobody holds the chain any more when the worker has ended.
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // The worker ends because of another failure.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use myelin_chain::{Store, StoreConfig, StoreError};
    use myelin_runtime::presets::Genesis;

    use super::*;

    type Look = fn(&mut Writing, &Arc<Chain>) -> Result<(), BftError>;

    fn chain() -> Arc<Chain> {
        let genesis = Genesis::development(250).build_storage().unwrap();
        Chain::open(Store::open(&StoreConfig::memory()).unwrap(), Some(&genesis)).unwrap()
    }

    fn fail(_: &Chain) -> Result<(), ChainError> {
        Err(StoreError::Closed { reason: "a test".to_owned() }.into())
    }

    #[test]
    fn a_failed_write_is_told_whoever_looks_next() {
        let chain = chain();
        let looks: [Look; 3] = [
            |writing, _| writing.finish(),
            |writing, chain| writing.begin(chain, Chain::flush),
            |writing, _| loop {
                writing.check()?;
                thread::yield_now();
            },
        ];
        for look in looks {
            let mut writing = Writing::default();
            writing.begin(&chain, Chain::flush).unwrap();
            writing.begin(&chain, fail).unwrap();
            assert!(matches!(look(&mut writing, &chain), Err(BftError::Chain(_))));
            writing.finish().unwrap();
        }
    }

    #[test]
    fn nobody_holds_the_chain_when_the_worker_is_gone() {
        let chain = chain();
        let mut writing = Writing::default();
        writing.begin(&chain, fail).unwrap();
        drop(writing);
        assert_eq!(Arc::strong_count(&chain), 1);
    }
}
