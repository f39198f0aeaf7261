use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod stake_storage {
    /// Alpha behind a hotkey.
    #[pallet::storage]
    pub type TotalHotkeyAlpha<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, Alpha, ValueQuery>;
    /// Alpha behind a hotkey at the end of the last epoch.
    #[pallet::storage]
    pub type TotalHotkeyAlphaLastEpoch<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, Alpha, ValueQuery>;
    /// All shares in a hotkey's alpha.
    #[pallet::storage]
    pub type TotalHotkeySharesV2<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, SafeFloat, ValueQuery>;
    /// Share of (hotkey, coldkey, netuid) in the hotkey's alpha.
    #[pallet::storage]
    pub type AlphaV2<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Blake2_128Concat, T::AccountId>,
            NMapKey<Blake2_128Concat, T::AccountId>,
            NMapKey<Identity, NetUid>,
        ),
        SafeFloat,
        ValueQuery,
    >;
    /// Hotkeys that a coldkey has stake with.
    #[pallet::storage]
    pub type StakingHotkeys<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, Vec<T::AccountId>, ValueQuery>;
    /// Block of the last change of stake.
    #[pallet::storage]
    pub type LastColdkeyHotkeyStakeBlock<T: Config> =
        StorageDoubleMap<_, Twox64Concat, T::AccountId, Twox64Concat, T::AccountId, u64, OptionQuery>;
    /// Where mining rewards of a coldkey are staked.
    #[pallet::storage]
    pub type AutoStakeDestination<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, T::AccountId, OptionQuery>;
}
