//! What miners and validators share: how one proves to another who calls, who may call, and how often.
//!
//! | module | does |
//! |---|---|
//! | [`btauth`] | signs and checks requests as Bittensor's Python SDK does: functions over plain values |
//! | [`answer`] | signs and checks answers, likewise |
//! | [`policy`] | says who may call, as data |
//! | [`directory`] | keeps a copy of the metagraph, of known age |
//! | [`limits`] | counts requests of each hotkey |
//! | [`refusal`] | statuses and codes of what is not served |
//! | [`server`] | puts the above before the handlers of an `axum` server |
//! | [`outgoing`] | calls such servers |
//!
//! # A server
//! ```no_run
//! # use std::{sync::Arc, time::Duration};
//! use axum::{middleware::from_fn_with_state, routing::post, Router};
//! use myelin_client::Client;
//! use myelin_keys::Keypair;
//! use myelin_neuron::{btauth::Caller, directory::{ChainNeurons, Directory}, server::{require_signature, Gate, GateConfig}};
//!
//! # async fn example(client: Client, key: Arc<Keypair>) -> Result<(), Box<dyn std::error::Error>> {
//! let directory = Arc::new(Directory::new(Duration::from_secs(300)));
//! directory.follow(ChainNeurons { client, netuid: 1 }, Duration::from_secs(30));
//! let gate = Arc::new(Gate::new(key, directory, GateConfig::default())?);
//! let routes: Router = Router::new()
//!     .route("/greet", post(|caller: Caller| async move { format!("hello {}", caller.hotkey) }))
//!     .layer(from_fn_with_state(gate, require_signature));
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod answer;
pub mod btauth;
mod clock;
pub mod directory;
pub mod limits;
pub mod outgoing;
pub mod policy;
pub mod refusal;
pub mod server;

pub use clock::now_ns;
