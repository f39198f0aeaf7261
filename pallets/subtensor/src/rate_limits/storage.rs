use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod rate_limits_storage {
    /// Block of the last use of a rate-limited action.
    #[pallet::storage]
    pub type LastRateLimitedBlock<T: Config> =
        StorageMap<_, Identity, RateLimitKey<T::AccountId>, u64, ValueQuery>;
    /// Block in which an account's last call without a fee failed.
    #[pallet::storage]
    pub type LastFreeFailure<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u64, ValueQuery>;
    /// Blocks between two swaps of a hotkey by one coldkey.
    #[pallet::storage]
    pub type TxRateLimit<T> = StorageValue<_, u64, ValueQuery, ConstU64<1000>>;
}
