//! Several nodes as processes on one machine: they order one chain, and any of them can die and come back.
//!
//! A quick run is part of the tests. `cargo xtask faults` runs the same for longer: it sets MYELIN_FAULT_CYCLES. Random
//! choices follow from a seed that is printed; MYELIN_SEED repeats them.

// The seed of a random run belongs on the screen, and a process that a test starts says where it listens.
#![allow(clippy::print_stderr, clippy::print_stdout)]

mod alone;
mod demo;
mod faults;
mod faulty;
mod finding;
mod follow;
mod load;
mod measures;
mod network;
mod proxy;
mod random;
mod watch;
