//! What servers of HTTP have in common before they read a request: how many connections they have, from whom, and how long one
//! may say nothing.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod places;
mod serve;

pub use places::{NoPlace, Origin, Place, PlaceLimits, Places};
pub use serve::{serve, PlaceHandle, ServeLimits};
