//! A market for storage.
//!
//! Miners give disk: they keep objects that validators place, and prove on demand that they still have them. Validators
//! ask for random slices at random times, check the proofs against roots that they computed themselves, and turn correct,
//! timely answers into weights. Nobody trusts anybody:
//!
//! | a miner who | is found because |
//! |---|---|
//! | loses data | it cannot prove slices of it |
//! | keeps one copy for several identities | every miner has objects of its own, which are noise without the seed |
//! | fetches from others on demand | most of its objects are nowhere else, and the rest comes too late |
//! | makes up bytes | the proof does not lead to the root |
//! | hangs, floods or sends garbage | answers are bounded in time and size, and signed |
//!
//! The two programs are [`run_miner`] and [`run_validator`]; each runs as a process of its own. Their configurations are
//! plain data.
//!
//! | module | does |
//! |---|---|
//! | [`proof`] | roots, slices and their proofs |
//! | [`object`] | makes objects from a secret seed |
//! | [`plan`] | decides who keeps what |
//! | [`score`] | values answers |
//! | [`store`] | keeps objects on disk |
//! | [`protocol`] | says it over HTTP |
//! | [`behaviour`] | how miners misbehave in demonstrations |
//! | [`state`] | what a validator remembers |
//! | [`market`] | what a validator needs of the chain |
//! | [`miner`], [`validator`] | the programs |

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod behaviour;
pub mod market;
pub mod miner;
pub mod object;
pub mod plan;
pub mod proof;
pub mod protocol;
pub mod score;
pub mod state;
pub mod store;
pub mod validator;

pub use behaviour::Behaviour;
pub use miner::{run_miner, MinerConfig, MinerError};
pub use validator::{run_validator, ValidatorConfig, ValidatorError};
