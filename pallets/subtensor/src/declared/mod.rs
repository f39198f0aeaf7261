//! Storage that clients read and nothing here writes yet: each item answers its documented default.
//!
//! Clients wait for ever on a storage item that the metadata does not list, so the names are here before the features
//! are. An item moves to the concept that starts to write it.

pub mod storage;

use crate::*;

impl<T: Config> Pallet<T> {
    /// Smoothing of the old price controller.
    pub fn adjustment_alpha(netuid: NetUid) -> u64 {
        AdjustmentAlpha::<T>::get(netuid)
    }

    /// Blocks in an interval of the old price controller.
    pub fn adjustment_interval(netuid: NetUid) -> u16 {
        AdjustmentInterval::<T>::get(netuid)
    }

    /// Difficulty of proof of work, which does not exist here.
    pub fn difficulty(netuid: NetUid) -> u64 {
        Difficulty::<T>::get(netuid)
    }

    /// Bounds of the difficulty of proof of work, which does not exist here.
    pub fn difficulty_bounds(netuid: NetUid) -> (u64, u64) {
        (MinDifficulty::<T>::get(netuid), MaxDifficulty::<T>::get(netuid))
    }

    /// Whether a slot could be earned by proof of work, if that existed.
    pub fn pow_registration_allowed(netuid: NetUid) -> bool {
        NetworkPowRegistrationAllowed::<T>::get(netuid)
    }

    /// Whether the owner's cut is locked.
    pub fn owner_cut_auto_lock_enabled(netuid: NetUid) -> bool {
        OwnerCutAutoLockEnabled::<T>::get(netuid)
    }
}
