//! Calling the servers of others: requests are signed, answers are bounded in size and time, and their signature is checked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use myelin_keys::{Keypair, PublicKey};
use reqwest::{redirect::Policy, Url};

use crate::{
    answer::{self, AnswerError, Answered},
    btauth::{self, BodyDigest, Caller},
    clock::Nonces,
    refusal::ErrorBody,
    server::CONTENT_DIGEST,
};

/// Longest wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A request to a server.
pub struct Call {
    /// Method.
    pub method: Method,
    /// Where; path and query are signed as they are sent.
    pub url: Url,
    /// Hotkey of the server.
    pub receiver: PublicKey,
    /// What to send.
    pub body: CallBody,
    /// Longest time until the last byte of the answer.
    pub timeout: Duration,
    /// Largest answer.
    pub max_answer_bytes: usize,
}

/// What a call sends.
pub enum CallBody {
    /// Bytes at hand.
    Whole(Bytes),
    /// Bytes that are produced while they are sent. Their digest has to be known before.
    Streaming {
        /// SHA-256 of all bytes.
        digest: BodyDigest,
        /// Number of bytes.
        length: u64,
        /// The bytes.
        body: reqwest::Body,
    },
}

/// A believed answer: signed by the server that was asked.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// From sending the first byte to receiving the last.
    pub latency: Duration,
}

/// Why there is no believed answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No connection, or it broke.
    #[error("cannot reach {url}: {reason}; check that the server runs and is reachable from here")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// Too slow.
    #[error("no whole answer from {url} within {} ms", limit.as_millis())]
    TooSlow {
        /// Where.
        url: String,
        /// Longest time.
        limit: Duration,
    },
    /// Too large.
    #[error("the answer from {url} has more than {limit_bytes} bytes")]
    TooLarge {
        /// Where.
        url: String,
        /// Most bytes.
        limit_bytes: usize,
    },
    /// Not signed by the server that was asked.
    #[error("the answer from {url} cannot be believed: {reason}")]
    NotBelieved {
        /// Where.
        url: String,
        /// Why.
        reason: AnswerError,
    },
    /// The server refused.
    #[error("{url} refused with {status} ({code}): {message}")]
    Refused {
        /// Where.
        url: String,
        /// HTTP status.
        status: StatusCode,
        /// The server's name for it.
        code: String,
        /// The server's words.
        message: String,
    },
}

/// Sends signed requests.
#[derive(Clone)]
pub struct SignedClient {
    key: Arc<Keypair>,
    http: reqwest::Client,
    nonces: Arc<Nonces>,
}

impl SignedClient {
    /// A client that signs with `key`. Redirects are not followed, because they would send the signature elsewhere.
    ///
    /// # Errors
    /// The system's HTTP stack cannot be set up.
    pub fn new(key: Arc<Keypair>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(4)
            .build()?;
        Ok(Self { key, http, nonces: Arc::default() })
    }

    /// Who this client is.
    pub fn hotkey(&self) -> PublicKey {
        self.key.public()
    }

    /// Sends a request and returns the server's successful answer.
    ///
    /// # Errors
    /// Everything that is not a signed answer with a status of success, in time and size.
    pub async fn call(&self, call: Call) -> Result<Answer, CallError> {
        let (url, limit) = (call.url.to_string(), call.timeout);
        match tokio::time::timeout(limit, self.exchange(call)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::TooSlow { url, limit }),
        }
    }

    async fn exchange(&self, call: Call) -> Result<Answer, CallError> {
        let Call { method, url, receiver, body, max_answer_bytes, .. } = call;
        let started = Instant::now();
        let (request, caller) = self.signed(method, &url, &receiver, body);
        let mut response = request.send().await.map_err(|error| unreachable(&url, error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = read(&url, response, max_answer_bytes).await?;
        if !status.is_success() {
            return Err(refused(&url, status, &body));
        }
        let answered = Answered { request: caller, status: status.as_u16(), body: btauth::digest(&body) };
        answer::verify(&headers, &answered, &receiver)
            .map_err(|reason| CallError::NotBelieved { url: url.to_string(), reason })?;
        Ok(Answer { status, headers, body, latency: started.elapsed() })
    }

    fn signed(
        &self,
        method: Method,
        url: &Url,
        receiver: &PublicKey,
        body: CallBody,
    ) -> (reqwest::RequestBuilder, Caller) {
        let nonce_ns = self.nonces.next();
        let digest = body.digest();
        let target = target(url);
        let request = btauth::Request { method: method.as_str(), target: &target, body: digest };
        let headers = btauth::sign(&self.key, &request, Some(receiver), nonce_ns);
        let mut builder = self.http.request(method, url.clone());
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let builder = match body {
            CallBody::Whole(body) => builder.body(body),
            CallBody::Streaming { digest, length, body } => builder
                .header(CONTENT_DIGEST, hex::encode(digest))
                .header(http::header::CONTENT_LENGTH, length)
                .body(body),
        };
        (builder, Caller { hotkey: self.hotkey(), nonce_ns })
    }
}

impl CallBody {
    fn digest(&self) -> BodyDigest {
        match self {
            Self::Whole(body) => btauth::digest(body),
            Self::Streaming { digest, .. } => *digest,
        }
    }
}

/// Path and query as they go over the wire.
fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

async fn read(url: &Url, mut response: reqwest::Response, limit_bytes: usize) -> Result<Bytes, CallError> {
    let too_large = || CallError::TooLarge { url: url.to_string(), limit_bytes };
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(url, error))? {
        if body.len().saturating_add(chunk.len()) > limit_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unreachable(url: &Url, error: reqwest::Error) -> CallError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        reason = error.to_string();
        source = error.source();
    }
    CallError::Unreachable { url: url.to_string(), reason }
}

fn refused(url: &Url, status: StatusCode, body: &[u8]) -> CallError {
    const LONGEST_MESSAGE: usize = 400;
    let (code, message) = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => (body.error.code, body.error.message),
        Err(_) => ("unknown".into(), String::from_utf8_lossy(body).into_owned()),
    };
    let shorten = |text: String| text.chars().take(LONGEST_MESSAGE).collect();
    CallError::Refused { url: url.to_string(), status, code: shorten(code), message: shorten(message) }
}
