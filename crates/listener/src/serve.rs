//! Serving routes to whoever connects.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1, service::service_fn, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::places::{Place, PlaceLimits, Places};

/// How long to wait before accepting again when the system has no more file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server spends on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// How many there may be.
    pub places: PlaceLimits,
    /// How long a connection may take until the head of a request is there: the first, or another after an answer.
    pub max_head_time: Duration,
    /// How long a client may take nothing of an answer.
    pub max_stalled_time: Duration,
}

/// The place of a request's connection; among the request's extensions.
///
/// Until somebody keeps it, the connection has to go when others want a place and it is the oldest such. What a caller must
/// have shown for that is for the routes to say.
#[derive(Clone)]
pub struct PlaceHandle(Arc<Place>);

impl PlaceHandle {
    /// The connection keeps its place.
    pub fn keep(&self) {
        self.0.keep();
    }
}

/// Serves `routes` until `shutdown` completes, then finishes the requests under way. Dropping the future ends all connections
/// at once.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) {
    let places = Places::new(limits.places);
    let ending = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (socket, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let cut = CancellationToken::new();
        match places.take(from.ip(), cut.clone()) {
            Ok(place) => {
                let connection = Connection { socket, place, cut, ending: ending.clone() };
                connections.spawn(connection.run(routes.clone(), limits));
            }
            Err(reason) => tracing::debug!(%from, ?reason, "there is no place for a connection"),
        }
    }
    drop(listener);
    ending.cancel();
    while connections.join_next().await.is_some() {}
}

struct Connection {
    socket: TcpStream,
    place: Place,
    /// Cancelled when somebody else needs the place.
    cut: CancellationToken,
    /// Cancelled when the server ends.
    ending: CancellationToken,
}

impl Connection {
    async fn run(self, routes: Router, limits: ServeLimits) {
        let Self { socket, place, cut, ending } = self;
        let place = PlaceHandle(Arc::new(place));
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(place.clone());
            routes.clone().call(request)
        });
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(limits.max_stalled_time));
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.max_head_time)
            .serve_connection(TokioIo::new(Box::pin(socket)), service);
        let mut serving = pin!(serving);
        let ended = tokio::select! {
            () = cut.cancelled() => return,
            ended = serving.as_mut() => ended,
            () = ending.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended with an error");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::{routing::get, Extension};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
        time::{timeout, Instant},
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(20);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

    /// Serves until the sender is used or dropped.
    async fn start(limits: ServeLimits) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let slow = || async {
            sleep(SHORT).await;
            "late"
        };
        let known = |place: Extension<PlaceHandle>| async move {
            place.keep();
            "known"
        };
        let large = || async { vec![0; 64 << 20] };
        let routes = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/known", get(known))
            .route("/large", get(large))
            .route("/slow", get(slow));
        let running = tokio::spawn(async move {
            serve(listener, routes, limits, async {
                let _ = stopped.await;
            })
            .await;
        });
        (address, stop, running)
    }

    fn limits(max: usize, max_head_time: Duration) -> ServeLimits {
        let places = PlaceLimits { max, max_of_address: max, max_of_loopback: max };
        ServeLimits { places, max_head_time, max_stalled_time: max_head_time }
    }

    /// Sends a request and returns what comes until the answer's body is `body`.
    async fn ask(socket: &mut TcpStream, request: &[u8], body: &str) {
        socket.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(body.as_bytes()) {
            assert_ne!(
                timeout(LONG, socket.read_buf(&mut answer)).await.unwrap().unwrap(),
                0,
                "it ends early"
            );
        }
    }

    /// Waits until the server closes the connection; says how long that took.
    async fn closed(socket: &mut TcpStream) -> Duration {
        let began = Instant::now();
        let mut ignored = Vec::new();
        // A connection that is cut may be reset.
        let _ = timeout(LONG, socket.read_to_end(&mut ignored)).await.expect("it is closed");
        began.elapsed()
    }

    #[tokio::test]
    async fn who_says_nothing_or_half_a_head_is_closed_in_time_and_so_is_who_has_asked() {
        let (address, _stop, _) = start(limits(8, SHORT)).await;
        for said in [&b""[..], b"GET / HTT", b"GET / HTTP/1.1\r\nhost: x\r\n"] {
            let mut silent = TcpStream::connect(address).await.unwrap();
            silent.write_all(said).await.unwrap();
            assert!(closed(&mut silent).await < LONG / 2);
        }
        let mut asked = TcpStream::connect(address).await.unwrap();
        ask(&mut asked, REQUEST, "here").await;
        ask(&mut asked, REQUEST, "here").await;
        assert!(closed(&mut asked).await < LONG / 2);
    }

    #[tokio::test]
    async fn strangers_make_room_for_others_and_not_for_whom_the_server_knows() {
        let (address, _stop, _) = start(limits(4, LONG)).await;
        let mut known = TcpStream::connect(address).await.unwrap();
        ask(&mut known, b"GET /known HTTP/1.1\r\nhost: localhost\r\n\r\n", "known").await;
        let mut strangers = Vec::new();
        for number in 0..12 {
            let mut socket = TcpStream::connect(address).await.unwrap();
            match number % 2 {
                0 => socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap(),
                _ => ask(&mut socket, REQUEST, "here").await,
            }
            strangers.push(socket);
        }
        let mut honest = TcpStream::connect(address).await.unwrap();
        ask(&mut honest, REQUEST, "here").await;
        for socket in &mut strangers[..9] {
            assert!(closed(socket).await < LONG / 2, "the oldest had to go");
        }
        ask(&mut known, REQUEST, "here").await;
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_is_closed() {
        let (address, _stop, _) = start(limits(1, SHORT)).await;
        let mut deaf = TcpStream::connect(address).await.unwrap();
        deaf.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        sleep(SHORT * 4).await;
        let mut taken = 0;
        let mut part = vec![0; 1 << 20];
        while let Ok(Ok(bytes @ 1..)) = timeout(LONG, deaf.read(&mut part)).await {
            taken += bytes;
        }
        assert!(taken < 64 << 20, "it got {taken} bytes, which is all");
    }

    #[tokio::test]
    async fn requests_under_way_are_finished_when_the_server_ends() {
        let (address, stop, running) = start(limits(4, LONG)).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        ask(&mut idle, REQUEST, "here").await;
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        sleep(SHORT / 3).await;
        stop.send(()).unwrap();
        ask(&mut busy, b"", "late").await;
        timeout(LONG / 2, running).await.expect("idle connections do not hold it").unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }
}
