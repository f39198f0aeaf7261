//! Who is who on a subnet: a copy of its metagraph that is refreshed in the background.
//!
//! Requests are judged by the copy, not by a read of the chain each. A copy that is too old judges nobody.

use std::{
    collections::HashMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use myelin_client::{Client, ClientError, Neuron};
use parking_lot::RwLock;
use tokio::task::JoinHandle;

/// Where neurons come from.
pub trait NeuronSource: Send + Sync + 'static {
    /// All neurons of the subnet.
    fn neurons(&self) -> impl Future<Output = Result<Vec<Neuron>, ClientError>> + Send;
}

/// The neurons of one subnet of a chain.
#[derive(Clone)]
pub struct ChainNeurons {
    /// A node of the chain.
    pub client: Client,
    /// The subnet.
    pub netuid: u16,
}

impl NeuronSource for ChainNeurons {
    async fn neurons(&self) -> Result<Vec<Neuron>, ClientError> {
        self.client.neurons(self.netuid).await
    }
}

/// The copy is missing or too old.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the copy of the metagraph is {}, expected at most {max_age_ms} ms old; try again when the server reaches its node", age(.age_ms))]
pub struct StaleDirectory {
    /// Age; `None` for no copy at all.
    pub age_ms: Option<u64>,
    /// Greatest age.
    pub max_age_ms: u64,
}

fn age(age_ms: &Option<u64>) -> String {
    age_ms.map_or_else(|| "missing".into(), |age_ms| format!("{age_ms} ms old"))
}

struct Copy {
    taken: Instant,
    neurons: Arc<HashMap<[u8; 32], Neuron>>,
}

/// Neurons by hotkey.
pub struct Directory {
    max_age: Duration,
    copy: RwLock<Option<Copy>>,
}

impl Directory {
    /// An empty directory whose copies serve for `max_age`.
    pub fn new(max_age: Duration) -> Self {
        Self { max_age, copy: RwLock::new(None) }
    }

    /// Takes `neurons` as what is true now.
    pub fn replace(&self, neurons: Vec<Neuron>) {
        let neurons = neurons.into_iter().map(|neuron| (neuron.hotkey.clone().into(), neuron)).collect();
        *self.copy.write() = Some(Copy { taken: Instant::now(), neurons: Arc::new(neurons) });
    }

    /// All neurons by hotkey.
    ///
    /// # Errors
    /// The copy is missing or too old.
    pub fn neurons(&self) -> Result<Arc<HashMap<[u8; 32], Neuron>>, StaleDirectory> {
        let copy = self.copy.read();
        let age = copy.as_ref().map(|copy| copy.taken.elapsed());
        match copy.as_ref().filter(|_| age.is_some_and(|age| age <= self.max_age)) {
            Some(copy) => Ok(Arc::clone(&copy.neurons)),
            None => {
                Err(StaleDirectory { age_ms: age.map(milliseconds), max_age_ms: milliseconds(self.max_age) })
            }
        }
    }

    /// Refreshes the directory from `source` for as long as the task lives. A failed read is tried again at the next turn.
    pub fn follow(self: &Arc<Self>, source: impl NeuronSource, every: Duration) -> JoinHandle<()> {
        let directory = Arc::clone(self);
        tokio::spawn(async move {
            let mut turns = tokio::time::interval(every);
            turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                match source.neurons().await {
                    Ok(neurons) => directory.replace(neurons),
                    Err(error) => tracing::warn!(%error, "the metagraph was not refreshed"),
                }
            }
        })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::policy::tests::neuron;

    #[test]
    fn a_missing_or_old_copy_judges_nobody() {
        let directory = Directory::new(Duration::from_millis(50));
        assert_eq!(directory.neurons(), Err(StaleDirectory { age_ms: None, max_age_ms: 50 }));
        directory.replace(vec![neuron([7; 32], true, 1)]);
        assert!(directory.neurons().unwrap().contains_key(&[7; 32]));
        std::thread::sleep(Duration::from_millis(60));
        let error = directory.neurons().unwrap_err();
        assert!(error.age_ms.unwrap() >= 60);
        assert!(error
            .to_string()
            .ends_with("expected at most 50 ms old; try again when the server reaches its node"));
    }

    struct Flaky(AtomicU32);

    impl NeuronSource for Flaky {
        async fn neurons(&self) -> Result<Vec<Neuron>, ClientError> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(ClientError::Missing { what: "subnet 9".into() }),
                turn => Ok(vec![neuron([u8::try_from(turn).unwrap(); 32], true, 1)]),
            }
        }
    }

    #[tokio::test]
    async fn refreshing_outlives_failures() {
        let directory = Arc::new(Directory::new(Duration::from_secs(60)));
        let task = directory.follow(Flaky(AtomicU32::new(0)), Duration::from_millis(5));
        let refreshed = async {
            while !directory.neurons().is_ok_and(|neurons| neurons.contains_key(&[3; 32])) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), refreshed).await.unwrap();
        task.abort();
    }
}
