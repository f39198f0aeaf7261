//! Threads that check transactions, so that neither the network nor block execution waits for it.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};

use crate::executor::STACK_BYTES;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads with one bounded queue.
pub struct Workers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
    capacity: usize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Workers {
    /// Starts `threads` threads that share a queue of at most `capacity` jobs.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(threads: usize, capacity: usize) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let threads =
            (0..threads.max(1)).map(|index| spawn(index, Arc::clone(&queue))).collect::<Result<_, _>>()?;
        Ok(Self { queue, threads, capacity })
    }

    /// Queues `job`; false when the queue is full or closed.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut state = self.queue.state.lock();
        if state.closed || state.jobs.len() >= self.capacity {
            return false;
        }
        state.jobs.push_back(Box::new(job));
        drop(state);
        self.queue.changed.notify_one();
        true
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        self.queue.changed.notify_all();
        let current = thread::current().id();
        for worker in self.threads.drain(..) {
            // The last owner may be a job of this very pool.
            if worker.thread().id() != current && worker.join().is_err() {
                tracing::error!("a mempool worker had panicked");
            }
        }
    }
}

fn spawn(index: usize, queue: Arc<Queue>) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("mempool-{index}")).stack_size(STACK_BYTES).spawn(move || {
        while let Some(job) = queue.take() {
            job()
        }
    })
}

impl Queue {
    fn take(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_run_and_a_full_queue_refuses() {
        let workers = Workers::start(1, 2).unwrap();
        let (release, blocked) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        assert!(workers.submit(move || {
            started.send(()).unwrap();
            blocked.recv().unwrap();
        }));
        has_started.recv().unwrap();
        let (done, results) = mpsc::channel();
        for number in 0..2 {
            let done = done.clone();
            assert!(workers.submit(move || done.send(number).unwrap()));
        }
        assert!(!workers.submit(|| {}), "the queue holds two already");
        release.send(()).unwrap();
        assert_eq!(results.iter().take(2).collect::<Vec<_>>(), [0, 1]);
    }
}
