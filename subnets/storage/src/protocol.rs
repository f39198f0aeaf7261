//! How validators speak to miners: HTTP, signed with `btauth/1`.
//!
//! | request | meaning |
//! |---|---|
//! | `PUT /objects/{root}` | keep this object; the body is its bytes |
//! | `GET /objects/{root}/slice?chunk=5&chunks=2` | prove these chunks; the answer is a proof |
//! | `DELETE /objects/{root}` | the object need not be kept any more |
//! | `GET /status` | how much is kept |

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Method;
use myelin_keys::PublicKey;
use myelin_neuron::outgoing::{Call, CallBody, CallError, SignedClient};
use reqwest::Url;

use crate::{
    object::{Digests, ObjectId, Seed},
    proof::{Root, Slice},
};

/// Answers without proofs are short.
const SHORT_ANSWER_BYTES: usize = 4096;

/// A miner as a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who must answer.
    pub hotkey: PublicKey,
    /// Where.
    pub address: SocketAddr,
}

impl Peer {
    fn call(&self, method: Method, target: &str, timeout: Duration) -> Result<Call, CallError> {
        let url = format!("http://{}{target}", self.address);
        Ok(Call {
            method,
            url: Url::parse(&url)
                .map_err(|error| CallError::Unreachable { url, reason: error.to_string() })?,
            receiver: self.hotkey,
            body: CallBody::Whole(Bytes::new()),
            timeout,
            max_answer_bytes: SHORT_ANSWER_BYTES,
        })
    }

    /// Places an object made from `seed`.
    ///
    /// # Errors
    /// The miner does not take it, or does not answer in time.
    pub async fn put(
        &self,
        client: &SignedClient,
        object: &ObjectId,
        seed: &Seed,
        digests: Digests,
        timeout: Duration,
    ) -> Result<(), CallError> {
        let body = CallBody::Streaming {
            digest: digests.sha256,
            length: object.size,
            body: reqwest::Body::wrap_stream(object.stream(seed)),
        };
        let path = format!("/objects/{}", digests.root);
        client.call(Call { body, ..self.call(Method::PUT, &path, timeout)? }).await.map(|_| ())
    }

    /// Asks for a proof of `slice`, of at most `max_bytes`. Returns it with the time it took.
    ///
    /// # Errors
    /// The miner refuses, or does not answer in time or size.
    pub async fn slice(
        &self,
        client: &SignedClient,
        root: Root,
        slice: Slice,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<(Bytes, Duration), CallError> {
        let Slice { chunk, chunks } = slice;
        let target = format!("/objects/{root}/slice?chunk={chunk}&chunks={chunks}");
        // A refusal has to fit, too.
        let max_answer_bytes = max_bytes.max(SHORT_ANSWER_BYTES);
        let call = Call { max_answer_bytes, ..self.call(Method::GET, &target, timeout)? };
        client.call(call).await.map(|answer| (answer.body, answer.latency))
    }

    /// Frees the miner of an object.
    ///
    /// # Errors
    /// The miner refuses or does not answer in time.
    pub async fn delete(
        &self,
        client: &SignedClient,
        root: Root,
        timeout: Duration,
    ) -> Result<(), CallError> {
        let path = format!("/objects/{root}");
        client.call(self.call(Method::DELETE, &path, timeout)?).await.map(|_| ())
    }
}
