//! The one place that knows about threads: independent work items, results in order.
//!
//! Results are combined by exact integer addition only, so they do not depend on the number of threads.

#[cfg(feature = "parallel")]
pub(crate) use threads::{entries_per_block, map};

#[cfg(not(feature = "parallel"))]
pub(crate) use one_thread::{entries_per_block, map};

#[cfg(not(feature = "parallel"))]
mod one_thread {
    use alloc::vec::Vec;

    /// How many of a matrix's entries a block of rows should hold: all, since few large allocations are cheap.
    pub(crate) fn entries_per_block(_all: usize) -> usize {
        usize::MAX
    }

    /// `f` of every item, in order.
    pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        items.into_iter().map(f).collect()
    }
}

#[cfg(feature = "parallel")]
mod threads {
    use alloc::vec::Vec;
    use rayon::iter::{IntoParallelIterator, ParallelIterator};

    /// Waking another thread for less costs more than it saves.
    const WORTH_A_THREAD: usize = 1 << 16;

    /// More than one, so that a thread that is held up does not hold up all.
    const BLOCKS_PER_THREAD: usize = 2;

    /// How many of a matrix's entries a block of rows should hold: few blocks for each thread, since few large
    /// allocations are cheap.
    pub(crate) fn entries_per_block(all: usize) -> usize {
        match rayon::current_num_threads() {
            1 => usize::MAX,
            threads => (all / (BLOCKS_PER_THREAD * threads)).max(WORTH_A_THREAD),
        }
    }

    /// `f` of every item, in order, on as many threads as the current pool has.
    pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        if items.len() < 2 || rayon::current_num_threads() == 1 {
            return items.into_iter().map(f).collect();
        }
        items.into_par_iter().map(f).collect()
    }
}
