//! Whole miners and validators: over real HTTP before an imagined subnet, and on a real chain.

mod chain;
mod misbehaviour;
mod setting;
