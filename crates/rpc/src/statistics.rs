//! What a server has done so far.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};

/// The name under which requests for methods are counted that do not exist.
const UNKNOWN: &str = "unknown";

/// What was asked for by one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodCounts {
    /// Requests that were answered.
    pub requests: u64,
    /// Those that were answered with an error.
    pub errors: u64,
    /// How long all of them took together, waiting included.
    pub time: Duration,
}

#[derive(Default)]
struct MethodCells {
    requests: AtomicU64,
    errors: AtomicU64,
    nanoseconds: AtomicU64,
}

/// What a server has done since it started. Only methods that exist have a place of their own, so clients cannot make it
/// grow.
#[derive(Default)]
pub struct RpcStatistics {
    methods: BTreeMap<String, MethodCells>,
    accepted: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
    silent: AtomicU64,
}

impl RpcStatistics {
    /// Nothing was asked for yet.
    pub(crate) fn new<'a>(methods: impl Iterator<Item = &'a str>) -> Arc<Self> {
        let names = methods.chain([UNKNOWN]).map(|name| (name.to_owned(), MethodCells::default()));
        Arc::new(Self { methods: names.collect(), ..Self::default() })
    }

    /// By method, what was asked for.
    pub fn methods(&self) -> impl Iterator<Item = (&str, MethodCounts)> {
        self.methods.iter().map(|(name, cells)| {
            let counts = MethodCounts {
                requests: cells.requests.load(Ordering::Relaxed),
                errors: cells.errors.load(Ordering::Relaxed),
                time: Duration::from_nanos(cells.nanoseconds.load(Ordering::Relaxed)),
            };
            (name.as_str(), counts)
        })
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> u64 {
        // In this order, so that a connection which comes between is not seen to have ended only.
        let closed = self.closed.load(Ordering::Acquire);
        self.accepted.load(Ordering::Acquire).saturating_sub(closed)
    }

    /// Connections that there were.
    pub fn accepted_connections(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Connections that were turned away because there were too many.
    pub fn refused_connections(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connections that were closed because they asked for nothing.
    pub fn silent_connections(&self) -> u64 {
        self.silent.load(Ordering::Relaxed)
    }

    /// A request was answered.
    pub(crate) fn answered(&self, method: &str, is_error: bool, time: Duration) {
        let Some(cells) = self.methods.get(method).or_else(|| self.methods.get(UNKNOWN)) else { return };
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        cells.requests.fetch_add(1, Ordering::Relaxed);
        cells.errors.fetch_add(u64::from(is_error), Ordering::Relaxed);
        cells.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// A connection is open until what this returns is dropped.
    pub(crate) fn connected(self: &Arc<Self>) -> Connected {
        self.accepted.fetch_add(1, Ordering::AcqRel);
        Connected(Arc::clone(self))
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn close_silent(&self) {
        self.silent.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that is open.
pub(crate) struct Connected(Arc<RpcStatistics>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_methods_have_a_place() {
        let statistics = RpcStatistics::new(["one"].into_iter());
        statistics.answered("one", false, Duration::from_millis(5));
        statistics.answered("one", true, Duration::from_millis(5));
        statistics.answered("made_up", true, Duration::ZERO);
        let counts: Vec<_> = statistics.methods().collect();
        let one = MethodCounts { requests: 2, errors: 1, time: Duration::from_millis(10) };
        assert_eq!(
            counts,
            [("one", one), (UNKNOWN, MethodCounts { requests: 1, errors: 1, ..Default::default() })]
        );
    }

    #[test]
    fn connections_come_and_go() {
        let statistics = RpcStatistics::new([].into_iter());
        let connected = statistics.connected();
        assert_eq!((statistics.open_connections(), statistics.accepted_connections()), (1, 1));
        drop(connected);
        assert_eq!((statistics.open_connections(), statistics.accepted_connections()), (0, 1));
    }
}
