use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod root_storage {
    /// Alpha that a unit of root stake with a hotkey has earned so far, by subnet.
    #[pallet::storage]
    pub type RootClaimable<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, BTreeMap<NetUid, I96F32>, ValueQuery>;
    /// Alpha of that which (netuid, hotkey, coldkey) has had.
    #[pallet::storage]
    pub type RootClaimed<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Identity, NetUid>,
            NMapKey<Blake2_128Concat, T::AccountId>,
            NMapKey<Blake2_128Concat, T::AccountId>,
        ),
        u128,
        ValueQuery,
    >;
    /// Alpha set aside for claims.
    #[pallet::storage]
    pub type RootClaimPot<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// Smallest claim, in alpha rao.
    #[pallet::storage]
    pub type RootClaimableThreshold<T> =
        StorageMap<_, Blake2_128Concat, NetUid, I96F32, ValueQuery, DefaultRootClaimableThreshold>;
}
