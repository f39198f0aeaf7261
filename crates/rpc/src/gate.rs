//! Which web pages may use the server.
//!
//! A server on this machine is within reach of every web page that its user opens. Browsers say which page a request comes
//! from (`Origin`), also for WebSockets, so pages from elsewhere are refused unless they are allowed. A page can also give
//! its own name the address of this machine and be its own origin (*DNS rebinding*); it cannot hide the name (`Host`), so
//! unknown names are refused, too. Programs that are no browsers send no origin and pass. Over HTTP, browsers want to hear
//! that a page is allowed before they send its request, and again before they let it see the answer.

use std::{
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    future::{ready, BoxFuture, Either, Ready},
    FutureExt, TryFutureExt,
};
use http::{
    header::{
        HeaderName, HeaderValue, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HOST, ORIGIN, VARY,
    },
    uri::Authority,
    Method, Request, StatusCode, Uri,
};
use jsonrpsee::server::{ws::is_upgrade_request, HttpBody, HttpResponse};
use tower::Service;

use crate::{
    deadline::{Deadline, TimedBody},
    HealthReport, HealthView, RpcConfig,
};

/// Where a `GET` is answered with how the node is.
const HEALTH_PATH: &str = "/health";
/// Allows everything.
const ANY: &str = "*";

/// Lets requests through or not.
pub(crate) struct Gate {
    origins: Vec<String>,
    hosts: Vec<String>,
}

impl Gate {
    pub fn new(config: &RpcConfig) -> Self {
        Self { origins: config.allowed_origins.clone(), hosts: config.allowed_hosts.clone() }
    }

    /// The answer to a request that must not be served.
    pub fn refusal<B>(&self, request: &Request<B>) -> Option<HttpResponse> {
        let origins = values(request, ORIGIN).find(|origin| !self.allows_origin(origin)).map(|origin| {
            format!("web pages of {origin} may not use this node; its operator can allow them with --rpc-allowed-origin {origin}\n")
        });
        let named = request.uri().authority().map(Authority::as_str);
        let mut names = named.into_iter().chain(values(request, HOST));
        let hosts = names.find(|name| !self.allows_host(name)).map(|name| {
            format!(
                "this node is not known as {name}; use its IP address, or let its operator allow that name with \
                 --rpc-allowed-host\n"
            )
        });
        origins.or(hosts).map(forbidden)
    }

    fn allows_origin(&self, origin: &str) -> bool {
        lists(&self.origins, origin) || origin.parse::<Uri>().is_ok_and(|origin| is_local_page(&origin))
    }

    fn allows_host(&self, name: &str) -> bool {
        let Ok(authority) = name.parse::<Authority>() else { return false };
        let host = authority.host();
        lists(&self.hosts, host) || is_localhost(host) || address(host).is_some()
    }
}

/// How a request comes; kept among its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    WebSocket,
}

impl Transport {
    fn of<B>(request: &Request<B>) -> Self {
        match is_upgrade_request(request) {
            true => Self::WebSocket,
            false => Self::Http,
        }
    }
}

/// A connection's service behind a gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    service: S,
    gate: Arc<Gate>,
    deadline: Arc<Deadline>,
    max_body_time: Duration,
    health: HealthView,
}

impl<S> Gated<S> {
    pub fn new(
        service: S,
        gate: Arc<Gate>,
        deadline: Arc<Deadline>,
        max_body_time: Duration,
        health: HealthView,
    ) -> Self {
        Self { service, gate, deadline, max_body_time, health }
    }
}

impl<S, B> Service<Request<B>> for Gated<S>
where
    S: Service<Request<TimedBody<B>>, Response = HttpResponse>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = S::Error;
    type Future =
        Either<Ready<Result<HttpResponse, S::Error>>, BoxFuture<'static, Result<HttpResponse, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let asked = self.deadline.begin();
        let transport = Transport::of(&request);
        request.extensions_mut().insert(transport);
        if let Some(refusal) = self.gate.refusal(&request) {
            return Either::Left(ready(Ok(refusal)));
        }
        let page = request.headers().get(ORIGIN).cloned();
        if is_preflight(&request) {
            return Either::Left(ready(Ok(readable_by(page, permission()))));
        }
        if transport == Transport::Http && asks_for_health(&request) {
            return Either::Left(ready(Ok(readable_by(page, health((self.health)())))));
        }
        let max_body_time = self.max_body_time;
        let answer = self.service.call(request.map(|body| TimedBody::new(body, max_body_time)));
        let answered = move |answer: HttpResponse| {
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                asked.becomes_websocket();
            }
            readable_by(page, answer)
        };
        Either::Right(answer.map_ok(answered).boxed())
    }
}

/// Header values; one that is no text is like one that nobody allows.
fn values<B>(request: &Request<B>, name: HeaderName) -> impl Iterator<Item = &str> {
    request.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or_default())
}

fn lists(allowed: &[String], name: &str) -> bool {
    allowed.iter().any(|allowed| allowed == ANY || allowed.eq_ignore_ascii_case(name))
}

fn is_local_page(origin: &Uri) -> bool {
    let is_page = matches!(origin.scheme_str(), Some("http" | "https"));
    let is_local =
        |host: &str| is_localhost(host) || address(host).is_some_and(|address| address.is_loopback());
    is_page && origin.host().is_some_and(is_local)
}

fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether a browser asks beforehand what a page may do.
fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn asks_for_health<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET && request.uri().path() == HEALTH_PATH
}

fn health(report: HealthReport) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(report.document));
    if !report.is_healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What an allowed page may do: send JSON.
fn permission() -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    response
}

/// Browsers hand an answer over only to a page that it names.
fn readable_by(page: Option<HeaderValue>, mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(page) = page {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
    }
    response
}

fn forbidden(text: String) -> HttpResponse {
    tracing::debug!(reason = text.trim_end(), "a request was refused");
    let mut response = HttpResponse::new(HttpBody::from(text));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(config: &RpcConfig, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Gate::new(config).refusal(&request.body(()).unwrap()).is_none()
    }

    #[test]
    fn pages_from_elsewhere_are_refused() {
        let config = RpcConfig::default();
        let page = |origin: &str| passes(&config, &[("host", "127.0.0.1:9944"), ("origin", origin)]);
        for allowed in [
            "http://localhost",
            "https://LOCALHOST:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:5173",
            "https://polkadot.js.org",
        ] {
            assert!(page(allowed), "{allowed}");
        }
        for refused in [
            "https://evil.example",
            "http://polkadot.js.org",
            "https://polkadot.js.org.evil.example",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://203.0.113.5",
            "ftp://localhost",
            "null",
            "",
            "http://",
        ] {
            assert!(!page(refused), "{refused}");
        }
        let both = [("origin", "http://localhost"), ("origin", "https://evil.example")];
        assert!(!passes(&config, &both), "all of them count");
        assert!(passes(&config, &[]), "no browser");
    }

    #[test]
    fn names_that_are_not_the_nodes_are_refused() {
        let config = RpcConfig { allowed_hosts: vec!["node.example".to_owned()], ..RpcConfig::default() };
        let name = |host: &str| passes(&config, &[("host", host)]);
        for known in ["localhost:9944", "127.0.0.1", "[::1]:9944", "192.168.1.7:9944", "Node.Example:443"] {
            assert!(name(known), "{known}");
        }
        for unknown in ["evil.example:9944", "localhost.evil.example", "", "a b"] {
            assert!(!name(unknown), "{unknown}");
        }
    }

    #[test]
    fn an_operator_may_allow_more_or_everything() {
        let config = RpcConfig {
            allowed_origins: vec!["https://wallet.example".to_owned()],
            allowed_hosts: vec!["*".to_owned()],
            ..RpcConfig::default()
        };
        assert!(passes(&config, &[("origin", "https://wallet.example"), ("host", "any.example")]));
        assert!(
            !passes(&config, &[("origin", "https://polkadot.js.org")]),
            "it is not among the allowed any more"
        );
        let open = RpcConfig { allowed_origins: vec!["*".to_owned()], ..RpcConfig::default() };
        assert!(passes(&open, &[("origin", "null")]));
    }
}
