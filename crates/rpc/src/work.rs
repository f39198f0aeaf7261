//! Work that does not belong on an async thread, a bounded amount of it at a time.

use std::{future::Future, sync::Arc, thread, time::Duration};

use tokio::sync::{oneshot, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::{task_tracker::TaskTrackerToken, TaskTracker};

use crate::{
    error::{busy, internal, RpcResult},
    turns::{self, Client, Turns},
    RpcConfig,
};

/// A call that is nested as deep as decoding allows needs more stack than a thread has by default. Only what is used of it
/// takes memory.
const CALL_STACK_BYTES: usize = 64 << 20;

/// What a piece of work costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// A bounded number of database reads.
    Read,
    /// A runtime call, or as much as one.
    Call,
}

/// Runs work, and knows what is still going on.
pub(crate) struct Workshop {
    reads: Arc<Semaphore>,
    calls: Arc<Turns>,
    max_wait: Duration,
    tracker: TaskTracker,
}

impl Workshop {
    pub fn new(config: &RpcConfig) -> Self {
        Self {
            reads: Arc::new(Semaphore::new(config.parallel_reads.max(1))),
            calls: Turns::new(config.parallel_calls.max(1)),
            max_wait: config.max_wait,
            tracker: TaskTracker::new(),
        }
    }

    /// Runs `job` on a thread of its own when it is `client`'s turn. The job runs to its end even if nobody waits for it.
    pub async fn run<T: Send + 'static>(
        &self,
        cost: Cost,
        client: Client,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> RpcResult<T> {
        let turn = (self.turn(cost, client).await?, self.token());
        let job = move || {
            let _turn = turn;
            job()
        };
        let finished = match cost {
            Cost::Read => tokio::task::spawn_blocking(job).await.ok(),
            Cost::Call => on_deep_stack(job)
                .map_err(|error| busy(format!("no thread for the call: {error}; try again in a moment")))?
                .await
                .ok(),
        };
        finished.ok_or_else(|| internal("the request's thread ended unexpectedly"))
    }

    /// Reads something for the server itself.
    pub async fn read<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> RpcResult<T> {
        self.run(Cost::Read, Client::Server, job).await
    }

    /// Marks something as going on, until the token is dropped.
    pub fn token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    /// Refuses whatever waits for its turn or comes later.
    pub fn refuse(&self) {
        self.reads.close();
        self.calls.close();
    }

    /// Waits until nothing is going on any more. Nothing new may begin by then.
    pub fn finished(&self) -> impl Future<Output = ()> + '_ {
        self.tracker.close();
        self.tracker.wait()
    }

    async fn turn(&self, cost: Cost, client: Client) -> RpcResult<Turn> {
        let turn = async {
            match cost {
                Cost::Read => Arc::clone(&self.reads).acquire_owned().await.map(Turn::Read).ok(),
                Cost::Call => self.calls.take(client).await.map(Turn::Call).ok(),
            }
        };
        match tokio::time::timeout(self.max_wait, turn).await {
            Ok(Some(turn)) => Ok(turn),
            Ok(None) => Err(busy("the node is shutting down")),
            Err(_) => Err(busy(format!(
                "the node is busy: the request waited {} ms for its turn; try again in a moment",
                self.max_wait.as_millis()
            ))),
        }
    }
}

/// Held while it lasts.
#[expect(dead_code, reason = "what counts is when it is dropped")]
enum Turn {
    Read(OwnedSemaphorePermit),
    Call(turns::Turn),
}

fn on_deep_stack<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<oneshot::Receiver<T>> {
    let (reply, answer) = oneshot::channel();
    let work = move || {
        // Whoever asked may have gone away.
        let _ = reply.send(job());
    };
    thread::Builder::new().name("rpc-call".to_owned()).stack_size(CALL_STACK_BYTES).spawn(work)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workshop(parallel_calls: usize, max_wait: Duration) -> Workshop {
        Workshop::new(&RpcConfig { parallel_calls, max_wait, ..RpcConfig::default() })
    }

    #[tokio::test]
    async fn work_takes_turns_and_does_not_wait_for_ever() {
        let workshop = workshop(1, Duration::from_millis(50));
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let (long, refused) = tokio::join!(
            async {
                let long = workshop.run(Cost::Call, Client::Server, move || blocked.recv().is_ok());
                long.await
            },
            async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let refused = workshop.run(Cost::Call, Client::Server, || ()).await;
                release.send(()).unwrap();
                refused
            }
        );
        assert!(long.unwrap());
        assert!(refused.unwrap_err().message().contains("the request waited 50 ms"));
        assert_eq!(workshop.run(Cost::Call, Client::Server, || 7).await.unwrap(), 7);
        workshop.finished().await;
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_one_request() {
        let workshop = workshop(1, Duration::from_secs(5));
        for cost in [Cost::Call, Cost::Read] {
            let failed: RpcResult<()> = workshop.run(cost, Client::Server, || panic!("a defect")).await;
            assert_eq!(failed.unwrap_err().code(), -32603);
            assert_eq!(workshop.run(cost, Client::Server, || 7).await.unwrap(), 7);
        }
        workshop.finished().await;
    }
}
