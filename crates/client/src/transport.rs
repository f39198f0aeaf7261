//! The connection: one WebSocket, opened when needed, checked each time it is opened.

use std::{future::Future, sync::Arc, time::Duration};

use jsonrpsee::{
    core::{
        client::{ClientT, Error as RpcError, Subscription, SubscriptionClientT},
        params::ArrayParams,
    },
    ws_client::{PingConfig, WsClient, WsClientBuilder},
};
use myelin_runtime::{Hash, VERSION};
use serde::{de::DeserializeOwned, Deserialize};
use tokio::sync::Mutex;

use crate::{config::ClientConfig, error::ClientError};

/// Attempts of a read before its last error is returned.
const READ_ATTEMPTS: u32 = 2;
const PING_INTERVAL: Duration = Duration::from_secs(10);
const SILENCE_LIMIT: Duration = Duration::from_secs(25);

/// The part of the node's version that decides whether its bytes can be read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeVersion {
    spec_name: String,
    spec_version: u32,
    transaction_version: u32,
}

impl std::fmt::Display for RuntimeVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { spec_name, spec_version, transaction_version } = self;
        write!(formatter, "{spec_name} {spec_version} (transactions {transaction_version})")
    }
}

#[derive(Default)]
struct State {
    connection: Option<Arc<WsClient>>,
    genesis: Option<Hash>,
}

pub(crate) struct Transport {
    config: ClientConfig,
    state: Mutex<State>,
}

impl Transport {
    pub(crate) fn new(config: ClientConfig) -> Self {
        let state = State { connection: None, genesis: config.genesis };
        Self { config, state: Mutex::new(state) }
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The open connection, or a new one to a node that was checked to be of the right version and chain.
    pub(crate) async fn connection(&self) -> Result<Arc<WsClient>, ClientError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|connection| connection.is_connected()) {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(self.open().await?);
        self.check_runtime(&connection).await?;
        state.genesis = Some(self.check_genesis(&connection, state.genesis).await?);
        state.connection = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// The chain's genesis hash, known once connected.
    pub(crate) async fn genesis(&self) -> Result<Hash, ClientError> {
        self.connection().await?;
        let genesis = self.state.lock().await.genesis;
        genesis.ok_or_else(|| ClientError::Missing { what: "genesis block".into() })
    }

    async fn open(&self) -> Result<WsClient, ClientError> {
        let config = &self.config;
        let connecting = WsClientBuilder::default()
            .connection_timeout(config.connect_timeout)
            .request_timeout(config.request_timeout)
            .max_response_size(config.max_response_bytes)
            .enable_ws_ping(PingConfig::new().ping_interval(PING_INTERVAL).inactive_limit(SILENCE_LIMIT))
            .build(&config.url);
        let connect_error = |reason: String| ClientError::Connect { url: config.url.clone(), reason };
        match tokio::time::timeout(config.connect_timeout, connecting).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(connect_error(error.to_string())),
            Err(_) => {
                Err(connect_error(format!("no handshake within {} ms", config.connect_timeout.as_millis())))
            }
        }
    }

    async fn check_runtime(&self, connection: &WsClient) -> Result<(), ClientError> {
        let found: RuntimeVersion =
            self.ask(connection, "state_getRuntimeVersion", ArrayParams::new()).await?;
        let expected = RuntimeVersion {
            spec_name: VERSION.spec_name.to_string(),
            spec_version: VERSION.spec_version,
            transaction_version: VERSION.transaction_version,
        };
        let same = found.spec_name == expected.spec_name
            && found.spec_version == expected.spec_version
            && found.transaction_version == expected.transaction_version;
        if same {
            return Ok(());
        }
        Err(ClientError::WrongRuntime {
            url: self.config.url.clone(),
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }

    async fn check_genesis(
        &self,
        connection: &WsClient,
        expected: Option<Hash>,
    ) -> Result<Hash, ClientError> {
        let found: Hash = self.ask(connection, "chain_getBlockHash", array([0.into()])).await?;
        match expected {
            Some(expected) if expected != found => {
                Err(ClientError::WrongGenesis { url: self.config.url.clone(), expected, found })
            }
            _ => Ok(found),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        connection: &WsClient,
        method: &str,
        params: ArrayParams,
    ) -> Result<T, ClientError> {
        self.within_deadline(method, async {
            connection.request(method, params).await.map_err(|error| self.explain(method, error))
        })
        .await
    }

    /// Asks for something that changes nothing, so that it can be asked again on a new connection.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        method: &str,
        params: ArrayParams,
    ) -> Result<T, ClientError> {
        self.within_deadline(method, self.read_with_retry(method, params)).await
    }

    async fn read_with_retry<T: DeserializeOwned>(
        &self,
        method: &str,
        params: ArrayParams,
    ) -> Result<T, ClientError> {
        let mut attempt = 1;
        loop {
            let connection = self.connection().await?;
            match connection
                .request(method, params.clone())
                .await
                .map_err(|error| self.explain(method, error))
            {
                Err(ClientError::Disconnected { reason, .. }) if attempt < READ_ATTEMPTS => {
                    tracing::debug!(method, reason, "connection lost, asking again");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Opens a subscription on `connection`. Not repeated, because a submission must not be.
    pub(crate) async fn subscribe<T: DeserializeOwned>(
        &self,
        connection: &WsClient,
        methods: SubscriptionMethods,
        params: ArrayParams,
    ) -> Result<Subscription<T>, ClientError> {
        let SubscriptionMethods { subscribe, unsubscribe } = methods;
        self.within_deadline(subscribe, async {
            connection
                .subscribe(subscribe, params, unsubscribe)
                .await
                .map_err(|error| self.explain(subscribe, error))
        })
        .await
    }

    async fn within_deadline<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let after = self.config.request_timeout;
        tokio::time::timeout(after, answer)
            .await
            .unwrap_or_else(|_| Err(ClientError::Timeout { what: what.to_owned(), after }))
    }

    fn explain(&self, method: &str, error: RpcError) -> ClientError {
        let what = method.to_owned();
        match error {
            RpcError::Call(error) => {
                ClientError::Refused { method: what, code: error.code(), message: refusal_text(&error) }
            }
            RpcError::RequestTimeout => ClientError::Timeout { what, after: self.config.request_timeout },
            RpcError::ParseError(error) => ClientError::decode(what, error),
            error => ClientError::Disconnected { what, reason: error.to_string() },
        }
    }
}

/// The names of a subscription's two methods.
#[derive(Clone, Copy)]
pub(crate) struct SubscriptionMethods {
    pub(crate) subscribe: &'static str,
    pub(crate) unsubscribe: &'static str,
}

/// Positional parameters.
pub(crate) fn array<const N: usize>(values: [serde_json::Value; N]) -> ArrayParams {
    let mut params = ArrayParams::new();
    for value in values {
        // A `Value` always serialises.
        let _ = params.insert(value);
    }
    params
}

/// Message and data of a JSON-RPC error; nodes put the reason into either.
fn refusal_text(error: &jsonrpsee::types::ErrorObjectOwned) -> String {
    let message = error.message();
    match error.data().map(|data| data.get()) {
        Some(data) => {
            let data = serde_json::from_str::<String>(data).unwrap_or_else(|_| data.to_owned());
            format!("{message}: {data}")
        }
        None => message.to_owned(),
    }
}
