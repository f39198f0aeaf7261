use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod identity_storage {
    /// How a coldkey presents itself.
    #[pallet::storage]
    pub type IdentitiesV2<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, ChainIdentityV2, OptionQuery>;
    /// How a subnet presents itself.
    #[pallet::storage]
    pub type SubnetIdentitiesV3<T> = StorageMap<_, Blake2_128Concat, NetUid, SubnetIdentityV3, OptionQuery>;
}
