//! What one connection may make the node hold.
//!
//! The server library reads requests as fast as they arrive, works on all of them at once and keeps every answer until it
//! can be sent. A client that only writes would fill the memory of the node. Here the two directions are tied together:
//!
//! - requests stay unread in the socket while the client does not take answers, or enough requests are under way;
//! - no further request is worked on while too many bytes of answers wait, and none of a connection that holds more than its
//!   share while all connections together hold too much; who leaves most unread then is disconnected;
//! - notifications wait like answers, values of the state are read for one of them at a time, and what a connection watches
//!   counts as held;
//! - a client that takes nothing for too long is disconnected, and so is one that [asks](Deadline) for nothing.

use std::{
    collections::HashMap,
    future::Future,
    io,
    pin::Pin,
    sync::{
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        Arc, PoisonError, Weak,
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::{
    future::{BoxFuture, FutureExt},
    task::AtomicWaker,
};
use jsonrpsee::{
    server::{
        middleware::rpc::{RpcService, RpcServiceT},
        MethodCallback, Methods,
    },
    types::{
        error::{OVERSIZED_RESPONSE_CODE, OVERSIZED_RESPONSE_MSG},
        ErrorObjectOwned, Id, Request,
    },
    MethodResponse,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Mutex, MutexGuard, Notify},
    time::{sleep, Sleep},
};
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::task_tracker::TaskTrackerToken,
};

use crate::{
    deadline::Deadline,
    error::{busy, limit_exceeded, needs_websocket, RpcResult},
    gate::Transport,
    statistics::RpcStatistics,
    turns::Client,
    RpcConfig,
};

/// Bytes of answers that wait, above which no more requests are read. Each answer that waits costs some kilobytes besides.
const READ_ON_BELOW_BYTES: usize = 64 << 10;
/// How soon an answer is on its way to a client that takes it.
const SENT_WITHIN: Duration = Duration::from_secs(1);
/// What a connection may hold even if all together hold too much.
const SHARE_BYTES: usize = 256 << 10;
/// A request is in memory as it came, as its parameters, and decoded.
const COPIES_OF_REQUEST: usize = 3;

/// Bytes that all connections together hold: requests that are worked on, and answers that wait.
#[derive(Default)]
pub(crate) struct Traffic {
    held_bytes: AtomicUsize,
    connections: std::sync::Mutex<HashMap<u64, Weak<Flow>>>,
}

impl Traffic {
    /// Disconnects who leaves most unread, until all together hold no more than `limit`, or nobody leaves more unread than a
    /// share. Who reads at all is disconnected after those who do not.
    fn relieve(&self, limit: usize) {
        let mut flows: Vec<Arc<Flow>> = self.connections().values().filter_map(Weak::upgrade).collect();
        let unread = |flow: &Arc<Flow>| flow.unread_bytes.load(Ordering::Acquire);
        flows.retain(|flow| unread(flow) > SHARE_BYTES);
        flows.sort_by_cached_key(|flow| (flow.stalled.load(Ordering::Acquire), unread(flow)));
        let mut held = self.held_bytes.load(Ordering::Acquire);
        // Some are on their way out already.
        flows.retain(|flow| {
            let stays = !flow.cut.is_cancelled();
            held = held.saturating_sub(if stays { 0 } else { unread(flow) });
            stays
        });
        while let Some(flow) = flows.pop().filter(|_| held > limit) {
            held = held.saturating_sub(unread(&flow));
            flow.cut.cancel();
        }
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Flow>>> {
        // Nothing in here panics half way.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection holds.
pub(crate) struct Flow {
    client: Client,
    /// The connection's.
    number: u64,
    /// Ends the connection.
    cut: CancellationToken,
    traffic: Arc<Traffic>,
    /// Requests that are worked on.
    in_progress: AtomicUsize,
    /// Bytes that they take up.
    in_progress_bytes: AtomicUsize,
    /// Bytes that were read and are not known to be a request yet.
    undecoded_bytes: AtomicUsize,
    /// Bytes of answers and notifications that are not written to the socket yet.
    unread_bytes: AtomicUsize,
    /// Bytes that its subscriptions keep to know what has changed.
    watched_bytes: AtomicUsize,
    /// Whose turn it is to prepare a notification.
    notifying: Mutex<()>,
    /// Whether the socket takes no more, because the client does not read.
    stalled: AtomicBool,
    /// Whether the client has taken nothing for too long. Ends reading as well, which goes on independently of writing.
    abandoned: AtomicBool,
    /// Cancelled when the connection is over.
    closed: CancellationToken,
    /// Whoever reads from the socket.
    reader: AtomicWaker,
    drained: Notify,
    /// Times that something was written.
    writes: AtomicU64,
    /// Their number when waiting for more room turned out to be in vain.
    in_vain_after: AtomicU64,
    limits: Limits,
}

struct Limits {
    in_progress: usize,
    request_bytes: usize,
    response_bytes: usize,
    unread_bytes: usize,
    watched_bytes: usize,
    held_bytes: usize,
    max_wait: Duration,
}

impl Flow {
    /// The flow of connection `number`, which `cut` ends.
    pub fn new(
        client: Client,
        number: u64,
        cut: CancellationToken,
        traffic: Arc<Traffic>,
        config: &RpcConfig,
    ) -> Arc<Self> {
        let flow = Arc::new(Self {
            client,
            number,
            cut,
            traffic,
            in_progress: AtomicUsize::new(0),
            in_progress_bytes: AtomicUsize::new(0),
            undecoded_bytes: AtomicUsize::new(0),
            unread_bytes: AtomicUsize::new(0),
            watched_bytes: AtomicUsize::new(0),
            notifying: Mutex::new(()),
            stalled: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            closed: CancellationToken::new(),
            reader: AtomicWaker::new(),
            drained: Notify::new(),
            writes: AtomicU64::new(0),
            in_vain_after: AtomicU64::new(u64::MAX),
            limits: Limits {
                in_progress: config.max_requests_in_progress.max(1),
                request_bytes: config.max_request_bytes as usize,
                response_bytes: config.max_response_bytes as usize,
                unread_bytes: config.max_unread_bytes,
                watched_bytes: config.max_watched_bytes,
                held_bytes: config.max_held_bytes,
                max_wait: config.max_wait,
            },
        });
        flow.traffic.connections().insert(number, Arc::downgrade(&flow));
        flow
    }

    /// Whose connection it is.
    pub fn client(&self) -> Client {
        self.client
    }

    /// A request is worked on until what this returns is dropped.
    fn begin(self: &Arc<Self>, request_bytes: usize, going_on: TaskTrackerToken) -> InProgress {
        let bytes = request_bytes.saturating_mul(COPIES_OF_REQUEST);
        self.in_progress.fetch_add(1, Ordering::AcqRel);
        self.in_progress_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.traffic.held_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.undecoded_bytes.store(0, Ordering::Release);
        self.wake_reader();
        InProgress { flow: Arc::clone(self), bytes, _going_on: going_on }
    }

    /// Another answer or notification waits to be written. Whatever is told here is written some time, or
    /// [never](Self::is_owed_no_more), or the connection ends.
    pub fn owe(&self, bytes: usize) {
        self.unread_bytes.fetch_add(bytes, Ordering::AcqRel);
        let held = self.traffic.held_bytes.fetch_add(bytes, Ordering::AcqRel);
        if held.saturating_add(bytes) > self.limits.held_bytes {
            self.traffic.relieve(self.limits.held_bytes);
        }
    }

    /// So many bytes wait no more. Returns how many of them did.
    pub fn is_owed_no_more(&self, bytes: usize) -> usize {
        let before = self
            .unread_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |unread| Some(unread.saturating_sub(bytes)));
        let owed = before.unwrap_or_default().min(bytes);
        self.traffic.held_bytes.fetch_sub(owed, Ordering::AcqRel);
        owed
    }

    /// Bytes were written. They include what is not accounted for, such as headers. Returns how many of them are accounted for.
    fn wrote(&self, bytes: usize) -> usize {
        let owed = self.is_owed_no_more(bytes);
        self.stalled.store(false, Ordering::Release);
        self.writes.fetch_add(1, Ordering::AcqRel);
        // What is answered without having been a request was read all the same.
        self.undecoded_bytes.store(0, Ordering::Release);
        if self.unread_bytes.load(Ordering::Acquire) <= self.limits.unread_bytes {
            self.drained.notify_waiters();
        }
        self.wake_reader();
        owed
    }

    fn may_read(&self) -> bool {
        let limit = self.limits.request_bytes.saturating_mul(COPIES_OF_REQUEST);
        !self.stalled.load(Ordering::Acquire)
            && self.unread_bytes.load(Ordering::Acquire) <= READ_ON_BELOW_BYTES
            && self.undecoded_bytes.load(Ordering::Acquire) <= limit
            && self.in_progress_bytes.load(Ordering::Acquire) <= limit
            && self.in_progress.load(Ordering::Acquire) < self.limits.in_progress
    }

    fn wake_reader(&self) {
        if self.may_read() {
            self.reader.wake();
        }
    }

    /// Whether this connection may have more while all connections together hold what they do. To be asked when a request
    /// comes and again when it is its turn, because many wait for theirs.
    pub fn check_share(&self) -> RpcResult<()> {
        match self.exceeds_share() {
            true => Err(busy("the node is busy: its clients have too much under way; try again in a moment")),
            false => Ok(()),
        }
    }

    fn exceeds_share(&self) -> bool {
        let held = [&self.unread_bytes, &self.in_progress_bytes, &self.watched_bytes]
            .iter()
            .map(|bytes| bytes.load(Ordering::Acquire))
            .fold(0, usize::saturating_add);
        held > SHARE_BYTES && self.traffic.held_bytes.load(Ordering::Acquire) > self.limits.held_bytes
    }

    /// A subscription keeps so many bytes until what this returns is dropped.
    pub fn watch(self: &Arc<Self>, bytes: usize) -> RpcResult<Watching> {
        let limit = self.limits.watched_bytes;
        let before = self.watched_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.traffic.held_bytes.fetch_add(bytes, Ordering::AcqRel);
        let watching = Watching { flow: Arc::clone(self), bytes };
        match before.saturating_add(bytes) {
            found if found > limit => Err(limit_exceeded(format!(
                "the subscriptions of this connection would keep {found} bytes to know what has changed, the limit is {limit}; \
                 watch fewer keys"
            ))),
            _ => self.check_share().map(|()| watching),
        }
    }

    /// Waits until a notification may be prepared and sent, which is while the connection holds what this returns.
    pub async fn turn_to_notify(&self) -> MutexGuard<'_, ()> {
        let turn = self.notifying.lock().await;
        loop {
            let drained = self.drained.notified();
            let has_room = self.unread_bytes.load(Ordering::Acquire) <= self.limits.unread_bytes;
            if has_room && !self.exceeds_share() {
                return turn;
            }
            // Other connections make room, too, and do not tell this one.
            let _ = tokio::time::timeout(SENT_WITHIN, drained).await;
        }
    }

    /// Waits until the client has read enough of the answers that it has.
    async fn room(&self) -> RpcResult<()> {
        self.check_share()?;
        match tokio::time::timeout(self.limits.max_wait, self.drains()).await {
            Ok(true) => Ok(()),
            _ => Err(busy("too many answers wait to be read; read them, or ask for less in one batch")),
        }
    }

    /// Waits until few enough answers wait. False when that would be in vain, because they are not being sent: the answers to
    /// a batch are kept until there are all of them.
    async fn drains(&self) -> bool {
        loop {
            let drained = self.drained.notified();
            let writes = self.writes.load(Ordering::Acquire);
            if self.unread_bytes.load(Ordering::Acquire) <= self.limits.unread_bytes {
                return true;
            }
            if self.in_vain_after.load(Ordering::Acquire) == writes {
                return false;
            }
            if tokio::time::timeout(SENT_WITHIN, drained).await.is_err() && self.is_idle_since(writes) {
                self.in_vain_after.store(writes, Ordering::Release);
                return false;
            }
        }
    }

    /// Whether nothing was written since, although the client would take it.
    fn is_idle_since(&self, writes: u64) -> bool {
        self.writes.load(Ordering::Acquire) == writes && !self.stalled.load(Ordering::Acquire)
    }

    /// The answer, or an error if it is too large.
    fn bounded(&self, id: Id<'_>, response: MethodResponse) -> MethodResponse {
        let limit = self.limits.response_bytes;
        match response.as_result().len() {
            found if found > limit => MethodResponse::error(id, oversized(found, limit)),
            _ => response,
        }
    }

    /// Ends when the connection is over.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Nothing more is read or written.
    fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.reader.wake();
    }
}

fn oversized(found: usize, limit: usize) -> ErrorObjectOwned {
    let detail = format!("the answer has {found} bytes, the limit is {limit}; ask for less at once");
    ErrorObjectOwned::owned(OVERSIZED_RESPONSE_CODE, OVERSIZED_RESPONSE_MSG, Some(detail))
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.traffic.connections().remove(&self.number);
        self.traffic.held_bytes.fetch_sub(*self.unread_bytes.get_mut(), Ordering::AcqRel);
    }
}

/// What a subscription keeps.
pub(crate) struct Watching {
    flow: Arc<Flow>,
    bytes: usize,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.flow.watched_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.flow.traffic.held_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// A request that is being worked on.
struct InProgress {
    flow: Arc<Flow>,
    bytes: usize,
    _going_on: TaskTrackerToken,
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.flow.in_progress.fetch_sub(1, Ordering::AcqRel);
        self.flow.in_progress_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.flow.traffic.held_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.flow.wake_reader();
    }
}

/// Works on the requests of one connection, as its flow allows.
#[derive(Clone)]
pub(crate) struct Metered {
    service: RpcService,
    methods: Methods,
    flow: Arc<Flow>,
    context: Arc<crate::Context>,
    statistics: Arc<RpcStatistics>,
}

impl Metered {
    pub fn new(
        service: RpcService,
        methods: Methods,
        flow: Arc<Flow>,
        context: Arc<crate::Context>,
        statistics: Arc<RpcStatistics>,
    ) -> Self {
        Self { service, methods, flow, context, statistics }
    }

    /// Only a WebSocket can carry notifications.
    fn check_transport(&self, request: &Request<'_>) -> RpcResult<()> {
        let is_subscription = matches!(
            self.methods.method(&request.method),
            Some(MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_))
        );
        match request.extensions().get() {
            Some(Transport::Http) if is_subscription => Err(needs_websocket(&request.method)),
            _ => Ok(()),
        }
    }
}

impl<'a> RpcServiceT<'a> for Metered {
    type Future = BoxFuture<'a, MethodResponse>;

    fn call(&self, mut request: Request<'a>) -> Self::Future {
        let Self { service, flow, context, statistics, .. } = self.clone();
        let transport = self.check_transport(&request);
        let request_bytes = request.params.as_ref().map_or(0, |parameters| parameters.get().len());
        let in_progress = flow.begin(request_bytes, context.workshop.token());
        request.extensions_mut().insert(Arc::clone(&flow));
        async move {
            let _in_progress = in_progress;
            let (id, method) = (request.id.clone().into_owned(), request.method.clone());
            let began = Instant::now();
            let may_go_on = match transport {
                Ok(()) => flow.room().await,
                refused => refused,
            };
            let response = match may_go_on {
                Ok(()) => flow.bounded(id, service.call(request).await),
                Err(error) => MethodResponse::error(id, error),
            };
            statistics.answered(&method, response.is_error(), began.elapsed());
            // A subscription's first answer is sent by the subscription itself.
            if !response.is_subscription() {
                flow.owe(response.as_result().len());
            }
            response
        }
        .boxed()
    }
}

/// A socket that is read only while its flow allows, and fails when the other side reads nothing, or asks for nothing, for too
/// long.
pub(crate) struct Guarded<S, Held> {
    socket: S,
    flow: Arc<Flow>,
    deadline: Arc<Deadline>,
    /// Runs until the deadline.
    timer: Pin<Box<Sleep>>,
    max_stalled_time: Duration,
    /// Runs while a write cannot go on.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Different tasks read and write, and each has to be woken.
    cut_while_reading: Cut,
    cut_while_writing: Cut,
    /// Dropped when the connection is over.
    _held: Held,
}

/// Ends when the connection is to be cut off.
type Cut = Pin<Box<WaitForCancellationFutureOwned>>;

impl<S, Held> Guarded<S, Held> {
    /// Guards `socket`, which is cut off when `cut` is cancelled.
    pub fn new(
        socket: S,
        flow: Arc<Flow>,
        deadline: Arc<Deadline>,
        max_stalled_time: Duration,
        cut: CancellationToken,
        held: Held,
    ) -> Self {
        Self {
            socket,
            flow,
            timer: deadline.timer(),
            deadline,
            max_stalled_time,
            stalled: None,
            cut_while_reading: Box::pin(cut.clone().cancelled_owned()),
            cut_while_writing: Box::pin(cut.cancelled_owned()),
            _held: held,
        }
    }

    /// What to make of a write that cannot go on now.
    fn poll_stalled<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.flow.stalled.store(true, Ordering::Release);
        let time = self.max_stalled_time;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(time)));
        if stalled.as_mut().poll(context).is_ready() {
            self.flow.abandon();
            return Poll::Ready(Err(timed_out("read")));
        }
        poll_cut(&mut self.cut_while_writing, context)
    }

    fn written(&mut self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        self.stalled = None;
        if let Ok(bytes) = result {
            if self.flow.wrote(bytes) > 0 {
                self.deadline.took_answer();
            }
        }
        Poll::Ready(result)
    }
}

fn timed_out(done: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the client has not {done} anything for too long"))
}

fn poll_cut<T>(cut: &mut Cut, context: &mut Context<'_>) -> Poll<io::Result<T>> {
    let aborted =
        || Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the node stops, or needs the place"));
    cut.as_mut().poll(context).map(|()| aborted())
}

impl<S, Held> Drop for Guarded<S, Held> {
    fn drop(&mut self) {
        self.flow.closed.cancel();
    }
}

impl<S: AsyncRead + Unpin, Held: Unpin> AsyncRead for Guarded<S, Held> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.flow.reader.register(context.waker());
        if self.flow.abandoned.load(Ordering::Acquire) {
            return Poll::Ready(Err(timed_out("read")));
        }
        if self.flow.may_read() {
            let before = buffer.filled().len();
            if let Poll::Ready(result) = Pin::new(&mut self.socket).poll_read(context, buffer) {
                let bytes = buffer.filled().len().saturating_sub(before);
                self.flow.undecoded_bytes.fetch_add(bytes, Ordering::AcqRel);
                return Poll::Ready(result);
            }
        }
        let Self { deadline, timer, .. } = &mut *self;
        if deadline.poll_passed(timer, context).is_ready() {
            return Poll::Ready(Err(timed_out("asked for")));
        }
        poll_cut(&mut self.cut_while_reading, context)
    }
}

impl<S: AsyncWrite + Unpin, Held: Unpin> AsyncWrite for Guarded<S, Held> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.socket).poll_write(context, bytes) {
            Poll::Ready(result) => self.written(result),
            Poll::Pending => self.poll_stalled(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.socket).poll_write_vectored(context, parts) {
            Poll::Ready(result) => self.written(result),
            Poll::Pending => self.poll_stalled(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
