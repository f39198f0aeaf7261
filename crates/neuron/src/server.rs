//! The gate of a server: who is let through to the handlers.
//!
//! In order: shape, receiver and freshness of the signature; the caller policy; size and time of the body; the signature; replay;
//! the caller's rate; room for one more request. Cheap checks come before expensive ones, and nothing is charged to a caller
//! before the signature holds, nor can anybody without one take the room of those who have. Only then does the connection keep
//! its [place](myelin_listener::PlaceHandle). The handler finds a [`Caller`] in the request.
//!
//! There are two ways to treat bodies. [`require_signature`] reads the body whole, because the signature covers its
//! digest. [`require_signature_streaming`] is for large uploads: the sender repeats the digest in the header
//! `X-Myelin-Content-Sha256`, so that the signature can be checked before the first byte of the body is taken; the handler
//! reads a body that fails at its end if the digest is another, and must not keep anything of a body that failed.
//!
//! Answers of handlers are [signed](crate::answer) if they are no longer than `max_signed_answer_bytes`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, BodyDataStream},
    extract::{FromRequestParts, OriginalUri, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{stream, StreamExt};
use http::{header::CONTENT_LENGTH, request::Parts, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use myelin_keys::Keypair;
use myelin_listener::PlaceHandle;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    answer::{self, Answered},
    btauth::{self, BodyDigest, Caller, Claim, Expectations, ReplayLimits, ReplayStore},
    clock::now_ns,
    directory::Directory,
    limits::{Buckets, Rate},
    policy::{AddressError, CallerPolicy, Listed},
    refusal::Refusal,
};

/// Digest of the body, for uploads that are not read whole. Hex.
pub const CONTENT_DIGEST: &str = "x-myelin-content-sha256";

/// Bounds of a gate.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// Who may call.
    pub policy: CallerPolicy,
    /// How old requests may be.
    pub window: btauth::Window,
    /// Largest body.
    pub max_body_bytes: u64,
    /// Longest time for a body to arrive.
    pub body_timeout: Duration,
    /// Longest time for a handler to answer.
    pub handler_timeout: Duration,
    /// Requests at once.
    pub max_concurrent: usize,
    /// How often one hotkey may call.
    pub rate: Rate,
    /// Memory for replays.
    pub replay: ReplayLimits,
    /// Longest answer that is signed.
    pub max_signed_answer_bytes: u64,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            policy: CallerPolicy::default(),
            window: btauth::Window::default(),
            max_body_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            handler_timeout: Duration::from_secs(60),
            max_concurrent: 256,
            rate: Rate::default(),
            replay: ReplayLimits::default(),
            max_signed_answer_bytes: 16 * 1024 * 1024,
        }
    }
}

/// Lets requests through to handlers, or not.
pub struct Gate {
    key: Arc<Keypair>,
    expected: Expectations,
    config: GateConfig,
    directory: Arc<Directory>,
    seen: ReplayStore,
    buckets: Buckets,
    slots: Arc<Semaphore>,
}

impl Gate {
    /// A gate for the server with hotkey `key`, which knows callers from `directory`.
    ///
    /// # Errors
    /// The policy's lists hold something that is no address.
    pub fn new(
        key: Arc<Keypair>,
        directory: Arc<Directory>,
        config: GateConfig,
    ) -> Result<Self, AddressError> {
        config.policy.validate()?;
        let expected = Expectations { window: config.window, ..Expectations::for_receiver(&key.public()) };
        Ok(Self {
            expected,
            seen: ReplayStore::new(config.replay, now_ns()),
            buckets: Buckets::new(config.rate, config.replay.senders),
            slots: Arc::new(Semaphore::new(config.max_concurrent)),
            key,
            directory,
            config,
        })
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Refusal::overloaded())
    }

    /// What can be checked without the body.
    fn claim(&self, parts: &Parts) -> Result<Claim, Refusal> {
        let claim = Claim::parse(&parts.headers)?;
        claim.check_address_and_time(&self.expected, now_ns())?;
        self.check_policy(&claim)?;
        match content_length(parts) {
            Some(length) if length > self.config.max_body_bytes => {
                Err(Refusal::too_large(self.config.max_body_bytes))
            }
            _ => Ok(claim),
        }
    }

    fn check_policy(&self, claim: &Claim) -> Result<(), Refusal> {
        let policy = &self.config.policy;
        let address = claim.sender.to_ss58();
        if policy.listed(&address) != Listed::Neither || !policy.needs_metagraph() {
            return Ok(policy.check(&address, None)?);
        }
        let neurons = self.directory.neurons()?;
        Ok(policy.check(&address, neurons.get(&claim.sender.bytes))?)
    }

    /// What needs the body's digest.
    fn prove(&self, claim: &Claim, parts: &Parts, body: BodyDigest) -> Result<Caller, Refusal> {
        let request = btauth::Request { method: parts.method.as_str(), target: target(parts), body };
        claim.check_signature(&request)?;
        let caller = claim.check_replay(&self.seen, self.config.window, now_ns())?;
        self.buckets.take(caller.hotkey.bytes, Instant::now()).map_err(Refusal::too_often)?;
        Ok(caller)
    }

    async fn read(&self, body: Body) -> Result<Bytes, Refusal> {
        let limit = self.config.max_body_bytes;
        let reading = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        match tokio::time::timeout(self.config.body_timeout, reading).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::too_large(limit)),
            Ok(Err(error)) => Err(BodyError::Broken(error.to_string()).into()),
            Err(_) => Err(Refusal::too_slow("the body", self.config.body_timeout)),
        }
    }

    async fn admit_whole(&self, request: Request) -> Result<(Request, Caller), Refusal> {
        let (parts, body) = request.into_parts();
        let claim = self.claim(&parts)?;
        let body = self.read(body).await?;
        let caller = self.prove(&claim, &parts, btauth::digest(&body))?;
        keep_place(&parts);
        Ok((with_caller(parts, Body::from(body), caller), caller))
    }

    fn admit_streaming(&self, request: Request) -> Result<(Request, Caller), Refusal> {
        let (parts, body) = request.into_parts();
        let claim = self.claim(&parts)?;
        let digest = content_digest(&parts)?;
        let caller = self.prove(&claim, &parts, digest)?;
        keep_place(&parts);
        let body = CheckedBody {
            stream: body.into_data_stream(),
            hasher: Sha256::new(),
            expected: digest,
            limit_bytes: self.config.max_body_bytes,
            left_bytes: self.config.max_body_bytes,
            timeout: self.config.body_timeout,
            deadline: tokio::time::Instant::now() + self.config.body_timeout,
        };
        Ok((with_caller(parts, body.into_body(), caller), caller))
    }

    async fn answer(&self, admitted: Result<(Request, Caller), Refusal>, next: Next) -> Response {
        let with_slot = admitted.and_then(|(request, caller)| Ok((request, caller, self.slot()?)));
        let (request, caller, _slot) = match with_slot {
            Ok(admitted) => admitted,
            Err(refusal) => {
                tracing::debug!(code = refusal.code, message = %refusal, "refused a request");
                return refusal.into_response();
            }
        };
        let limit = self.config.handler_timeout;
        let response = match tokio::time::timeout(limit, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Refusal::too_slow("the work", limit).into_response(),
        };
        self.signed(response, caller).await
    }

    async fn signed(&self, response: Response, request: Caller) -> Response {
        let length = http_body::Body::size_hint(response.body()).exact();
        if length.is_none_or(|length| length > self.config.max_signed_answer_bytes) {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be read");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let answered = Answered { request, status: parts.status.as_u16(), body: btauth::digest(&body) };
        for (name, value) in answer::sign(&self.key, &answered) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                parts.headers.insert(name, value);
            }
        }
        Response::from_parts(parts, Body::from(body))
    }
}

/// Middleware that lets through only requests with a valid signature of a caller who may call.
///
/// Use with [`axum::middleware::from_fn_with_state`].
pub async fn require_signature(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let admitted = gate.admit_whole(request).await;
    gate.answer(admitted, next).await
}

/// Like [`require_signature`], for bodies that are too large to be read whole.
pub async fn require_signature_streaming(
    State(gate): State<Arc<Gate>>,
    request: Request,
    next: Next,
) -> Response {
    let admitted = gate.admit_streaming(request);
    gate.answer(admitted, next).await
}

/// The caller is known, so strangers who want its place must not have it.
fn keep_place(parts: &Parts) {
    if let Some(place) = parts.extensions.get::<PlaceHandle>() {
        place.keep();
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| {
            let message =
                "this route is not behind the gate that proves callers; report this to the server's operator";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "no_gate", message)
        })
    }
}

/// Why a body ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More than allowed.
    #[error("expected a body of at most {limit_bytes} bytes, found more")]
    TooLarge {
        /// Most bytes.
        limit_bytes: u64,
    },
    /// Too slow.
    #[error("the body took more than {} ms", limit.as_millis())]
    TooSlow {
        /// Longest time.
        limit: Duration,
    },
    /// Not what was signed.
    #[error("expected a body with the digest that was signed, found another")]
    Digest,
    /// The connection broke.
    #[error("the body could not be read: {0}")]
    Broken(String),
}

impl BodyError {
    /// What a failed read of a body is to be answered with.
    pub fn refusal(error: &(dyn std::error::Error + 'static)) -> Refusal {
        let mut source = Some(error);
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<Self>() {
                return error.clone().into();
            }
            source = error.source();
        }
        Self::Broken(error.to_string()).into()
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit_bytes } => Self::too_large(limit_bytes),
            BodyError::TooSlow { limit } => Self::too_slow("the body", limit),
            BodyError::Digest => Self::new(StatusCode::UNAUTHORIZED, "body_digest", error.to_string()),
            BodyError::Broken(_) => Self::new(StatusCode::BAD_REQUEST, "broken_body", error.to_string()),
        }
    }
}

/// A body that is checked while it is read.
struct CheckedBody {
    stream: BodyDataStream,
    hasher: Sha256,
    expected: BodyDigest,
    limit_bytes: u64,
    left_bytes: u64,
    timeout: Duration,
    deadline: tokio::time::Instant,
}

impl CheckedBody {
    fn into_body(self) -> Body {
        let chunks = stream::try_unfold(Some(self), |body| async move {
            match body {
                None => Ok(None),
                Some(body) => body.next().await,
            }
        });
        Body::from_stream(chunks)
    }

    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>, BodyError> {
        let chunk = tokio::time::timeout_at(self.deadline, self.stream.next())
            .await
            .map_err(|_| BodyError::TooSlow { limit: self.timeout })?;
        match chunk {
            Some(Ok(chunk)) => {
                self.count(&chunk)?;
                Ok(Some((chunk, Some(self))))
            }
            Some(Err(error)) => Err(BodyError::Broken(error.to_string())),
            None if BodyDigest::from(self.hasher.finalize()) == self.expected => Ok(None),
            None => Err(BodyError::Digest),
        }
    }

    fn count(&mut self, chunk: &Bytes) -> Result<(), BodyError> {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.left_bytes = self
            .left_bytes
            .checked_sub(length)
            .ok_or(BodyError::TooLarge { limit_bytes: self.limit_bytes })?;
        self.hasher.update(chunk);
        Ok(())
    }
}

fn with_caller(mut parts: Parts, body: Body, caller: Caller) -> Request {
    parts.extensions.insert(caller);
    Request::from_parts(parts, body)
}

/// Path and query as sent. A router inside another one sees a shorter path, but only the whole one is signed.
fn target(parts: &Parts) -> &str {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    uri.path_and_query().map_or("/", |target| target.as_str())
}

fn content_length(parts: &Parts) -> Option<u64> {
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn content_digest(parts: &Parts) -> Result<BodyDigest, Refusal> {
    let mut digest = BodyDigest::default();
    let header = parts.headers.get(CONTENT_DIGEST).and_then(|value| value.to_str().ok());
    match header.map(|text| hex::decode_to_slice(text, &mut digest)) {
        Some(Ok(())) => Ok(digest),
        _ => {
            let message = format!(
                "expected the body's SHA-256 as 64 hex digits in the header {CONTENT_DIGEST}; add it"
            );
            Err(Refusal::new(StatusCode::UNAUTHORIZED, "content_digest_missing", message))
        }
    }
}
