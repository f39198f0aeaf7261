use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod weights_storage {
    /// Weights that a validator has set: target and weight, the largest being 65535.
    #[pallet::storage]
    pub type Weights<T> =
        StorageDoubleMap<_, Identity, StorageIndex, Identity, Uid, Vec<(Uid, u16)>, ValueQuery>;
    /// Block of each neuron's last weights.
    #[pallet::storage]
    pub type LastUpdate<T> = StorageMap<_, Identity, StorageIndex, Vec<u64>, ValueQuery>;
}
