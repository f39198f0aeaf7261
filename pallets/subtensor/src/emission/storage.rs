use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod emission_storage {
    /// TAO in existence, in rao.
    #[pallet::storage]
    pub type TotalIssuance<T> = StorageValue<_, Tao, ValueQuery>;
    /// TAO emitted in the last block, in rao.
    #[pallet::storage]
    pub type BlockEmission<T> = StorageValue<_, u64, ValueQuery, ConstU64<1_000_000_000>>;
    /// TAO put into the pool in the last block.
    #[pallet::storage]
    pub type SubnetTaoInEmission<T> = StorageMap<_, Identity, NetUid, Tao, ValueQuery>;
    /// Alpha put into the pool in the last block.
    #[pallet::storage]
    pub type SubnetAlphaInEmission<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// Alpha emitted outside the pool in the last block.
    #[pallet::storage]
    pub type SubnetAlphaOutEmission<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// TAO with which the chain bought alpha in the last block.
    #[pallet::storage]
    pub type SubnetExcessTao<T> = StorageMap<_, Identity, NetUid, Tao, ValueQuery>;
    /// Alpha for miners until the next epoch.
    #[pallet::storage]
    pub type PendingServerEmission<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// Alpha for validators until the next epoch.
    #[pallet::storage]
    pub type PendingValidatorEmission<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// Alpha for TAO staked on root until the next epoch.
    #[pallet::storage]
    pub type PendingRootAlphaDivs<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// Alpha for the owner until the next epoch.
    #[pallet::storage]
    pub type PendingOwnerCut<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// Alpha that was emitted and that rounding or a missing receiver left with nobody.
    #[pallet::storage]
    pub type UnassignedAlpha<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// The owner's share of emission, of 65535.
    #[pallet::storage]
    pub type SubnetOwnerCut<T> = StorageValue<_, u16, ValueQuery, ConstU16<11_796>>;
    /// Whether the owner is paid.
    #[pallet::storage]
    pub type OwnerCutEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;
    /// Share of the last epoch's incentive that was withheld.
    #[pallet::storage]
    pub type MinerBurned<T> = StorageMap<_, Identity, NetUid, U96F32, ValueQuery>;
    /// Last epoch's dividends of a hotkey, in alpha.
    #[pallet::storage]
    pub type AlphaDividendsPerSubnet<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, Alpha, ValueQuery>;
    /// Last epoch's dividends of a hotkey for its TAO on root, in alpha.
    #[pallet::storage]
    pub type RootAlphaDividendsPerSubnet<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, Alpha, ValueQuery>;
    /// Root's share of the last block's emission.
    #[pallet::storage]
    pub type RootProp<T> = StorageMap<_, Identity, NetUid, U96F32, ValueQuery>;
}
