//! Until when a client has to ask for something, and to have said all of it.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use myelin_listener::Place;
use tokio::time::{sleep, sleep_until, Instant, Sleep};

use crate::RpcConfig;

/// When a connection has to be asked something next. Nothing is asked of a connection while a request of it is being
/// answered, or when it has become a WebSocket, which is asked for signs of life instead.
pub(crate) struct Deadline {
    place: Place,
    max_idle_time: Duration,
    state: Mutex<State>,
}

struct State {
    requests: usize,
    is_websocket: bool,
    ends: Instant,
}

impl Deadline {
    /// The deadline of a connection that begins now, and has a place for as long as anybody knows this.
    pub fn new(place: Place, config: &RpcConfig) -> Arc<Self> {
        let state = State { requests: 0, is_websocket: false, ends: Instant::now() + config.max_head_time };
        Arc::new(Self { place, max_idle_time: config.max_idle_time, state: Mutex::new(state) })
    }

    /// The head of a request has come. It is being answered until what this returns is dropped.
    pub fn begin(self: &Arc<Self>) -> Asked {
        self.place.keep();
        self.state().requests += 1;
        Asked(Arc::clone(self))
    }

    /// A part of an answer was taken.
    pub fn took_answer(&self) {
        self.state().ends = Instant::now() + self.max_idle_time;
    }

    /// Whether the client had to go because it asked for nothing.
    pub fn has_passed(&self) -> bool {
        self.place.is_lost() || self.ends().is_some_and(|ends| ends <= Instant::now())
    }

    /// Ready when the deadline has passed; `timer` wakes the task for it.
    pub fn poll_passed(&self, timer: &mut Pin<Box<Sleep>>, context: &mut Context<'_>) -> Poll<()> {
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            match self.ends() {
                Some(ends) if ends <= now => return Poll::Ready(()),
                Some(ends) => timer.as_mut().reset(ends),
                None => timer.as_mut().reset(now + self.max_idle_time),
            }
        }
        Poll::Pending
    }

    /// A timer for [`poll_passed`](Self::poll_passed).
    pub fn timer(&self) -> Pin<Box<Sleep>> {
        Box::pin(sleep_until(self.ends().unwrap_or_else(Instant::now)))
    }

    /// When the connection is to be closed, as far as that can be said now.
    fn ends(&self) -> Option<Instant> {
        let state = self.state();
        (state.requests == 0 && !state.is_websocket).then_some(state.ends)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
pub(crate) struct Asked(Arc<Deadline>);

impl Asked {
    /// The answer is that the connection is a WebSocket from now on.
    pub fn becomes_websocket(&self) {
        self.0.state().is_websocket = true;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.ends = Instant::now() + self.0.max_idle_time;
    }
}

/// The body of a request, which fails when it is not complete in time.
pub(crate) struct TimedBody<B> {
    body: B,
    max_time: Duration,
    timer: Pin<Box<Sleep>>,
}

impl<B> TimedBody<B> {
    /// A body that has to be complete after `max_time` from now.
    pub fn new(body: B, max_time: Duration) -> Self {
        Self { body, max_time, timer: Box::pin(sleep(max_time)) }
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let late = late(self.max_time);
        self.timer.as_mut().poll(context).map(|()| Some(Err(late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn late(max_time: Duration) -> io::Error {
    let text =
        format!("the request's body was not complete within {} s; send less at once", max_time.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, text)
}
