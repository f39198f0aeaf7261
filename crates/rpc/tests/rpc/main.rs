//! A real server on a free port, driven by real clients.

mod aliases;
mod development;
mod limits;
mod methods;
mod random_requests;
mod raw;
mod rig;
mod runtime_functions;
mod silence;
mod submissions;
mod subscriptions;
