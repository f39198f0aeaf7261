//! The slot duration, under the pallet name where wallets look for it.
//!
//! Clients of this ecosystem derive the block time from the constant `Aura.SlotDuration`. Blocks here are ordered by
//! a sequencer outside the state machine, so the constant is all that is left of that pallet.

pub use pallet::*;

#[frame_support::pallet]
pub mod pallet {
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {
        /// Milliseconds between two blocks under steady conditions.
        #[pallet::constant]
        type SlotDuration: Get<u64>;
    }
}
