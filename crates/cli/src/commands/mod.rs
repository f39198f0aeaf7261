//! The commands, one file each.

pub mod demo;
pub mod dev;
pub mod epoch;
pub mod init;
pub mod localnet;
pub mod metagraph;
pub mod node;
pub mod observe;
pub mod query;
pub mod signing_guard;
pub mod stake;
pub mod storage;
pub mod subnet;
pub mod transfer;
pub mod wallet;
pub mod weights;
