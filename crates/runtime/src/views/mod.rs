//! What clients read of the market in one call: the records that runtime APIs answer with, and how each is filled.
//!
//! The order and the names of fields are the wire format, so nothing here follows taste: clients of the protocol decode
//! these records by the metadata and look fields up by name. A field is declared once, with its type, its meaning and its
//! source; records that share fields share their declaration. Everything is read through the pallet's functions.
//!
//! Numbers marked `compact`, and all numbers in lists, are SCALE compact integers.
//!
//! | module | answers |
//! |---|---|
//! | [`interface`] | the signatures of all of these runtime APIs |
//! | [`neuron`] | the neurons of a subnet, one record each |
//! | [`metagraph`] | a subnet and its neurons, one column for each property |
//! | [`subnet`] | a subnet without its neurons |
//! | [`hyperparameters`] | the rules of a subnet |
//! | [`stake`] | who stakes what |
//! | [`delegate`] | who takes stake of others |
//! | [`swap`] | prices, and what a trade would do |
//! | [`basket`] | that there are no baskets |
//! | [`audit`] | whether money is conserved |

#[macro_use]
mod records;

pub mod audit;
pub mod basket;
pub mod delegate;
pub mod hyperparameters;
pub mod interface;
pub mod metagraph;
pub mod neuron;
pub mod stake;
pub mod subnet;
pub mod swap;

use alloc::vec::Vec;

use codec::Compact;

/// The pallet that all of this is read from.
type Market = crate::SubtensorModule;

/// A list in compact integers.
fn compact<Number>(numbers: Vec<Number>) -> Vec<Compact<Number>> {
    numbers.into_iter().map(Compact).collect()
}

/// The value of `uid`, or the zero of its type where the list is shorter.
fn value_of<Value: Copy + Default>(values: &[Value], uid: pallet_subtensor::Uid) -> Value {
    values.get(usize::from(uid)).copied().unwrap_or_default()
}
