//! What a server says to a request that it does not serve: `{"error": {"code": "...", "message": "..."}}`.
//!
//! Codes are names for programs and do not change; messages are for people.
//!
//! | status | meaning |
//! |---|---|
//! | 401 | not proven who sent it |
//! | 403 | proven, but may not call |
//! | 408 | the body, or the work, took too long |
//! | 413 | too large |
//! | 429 | too often; `Retry-After` says when |
//! | 503 | the server has too much to do, or knows too little; `Retry-After` says when |
//!
//! Other statuses are the application's.

use std::time::Duration;

use axum::{
    response::{IntoResponse, Response},
    Json,
};
use http::{header::RETRY_AFTER, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::{btauth::AuthError, directory::StaleDirectory, policy::PolicyError};

/// A request that is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Name for programs.
    pub code: &'static str,
    /// Text for people.
    pub message: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// The body of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The only member, so that it cannot be mistaken for a result.
    pub error: ErrorText,
}

/// Code and message of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorText {
    /// Name for programs.
    pub code: String,
    /// Text for people.
    pub message: String,
}

impl Refusal {
    /// A refusal of the application.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// The same, with a hint when to try again.
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "too many requests at once; try again shortly",
        )
        .retry_after(Duration::from_secs(1))
    }

    pub(crate) fn too_large(limit_bytes: u64) -> Self {
        let message = format!("expected a body of at most {limit_bytes} bytes, found more; send less");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(crate) fn too_slow(what: &str, limit: Duration) -> Self {
        let message = format!("{what} took more than {} ms; send less or try again", limit.as_millis());
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
    }

    pub(crate) fn too_often(wait: Duration) -> Self {
        let message = format!("too many requests from this hotkey; try again in {} ms", wait.as_millis());
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).retry_after(wait)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::ReplayStoreFull => Self::overloaded(),
            error => Self::new(StatusCode::UNAUTHORIZED, error.code(), error.to_string()),
        }
    }
}

impl From<PolicyError> for Refusal {
    fn from(error: PolicyError) -> Self {
        let code = match error {
            PolicyError::Denied(_) => "denied",
            PolicyError::NotRegistered(_) => "not_registered",
            PolicyError::NoPermit(_) => "no_validator_permit",
            PolicyError::TooLittleStake { .. } => "too_little_stake",
        };
        Self::new(StatusCode::FORBIDDEN, code, error.to_string())
    }
}

impl From<StaleDirectory> for Refusal {
    fn from(error: StaleDirectory) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "metagraph_stale", error.to_string())
            .retry_after(Duration::from_secs(5))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: ErrorText { code: self.code.to_owned(), message: self.message } };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(RETRY_AFTER, value);
            }
        }
        response
    }
}
