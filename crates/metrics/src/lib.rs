//! Serves `/metrics`, in the text format of OpenMetrics that Prometheus reads, and `/health`, as JSON.
//!
//! What is measured belongs to whoever assembles a node: this crate knows no chain. It takes a [`Registry`], and texts of
//! other registries, such as that of a consensus engine which keeps its own. There is no authentication, so the address
//! belongs into a network of the operator.

mod samples;
mod server;

pub use prometheus_client::{metrics, registry::Registry};
pub use samples::{exposition, Sample, Samples, Value};
pub use server::{Health, HealthCheck, MetricsConfig, MetricsError, MetricsServer, TextSource};
