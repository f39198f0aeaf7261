use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod subnets_storage {
    /// Subnets that exist, root among them.
    #[pallet::storage]
    pub type NetworksAdded<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;
    /// Number of subnets, root among them.
    #[pallet::storage]
    pub type TotalNetworks<T> = StorageValue<_, u16, ValueQuery>;
    /// Most subnets beside root.
    #[pallet::storage]
    pub type SubnetLimit<T> = StorageValue<_, u16, ValueQuery, ConstU16<128>>;
    /// Block of a subnet's registration.
    #[pallet::storage]
    pub type NetworkRegisteredAt<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// How often a netuid has been registered.
    #[pallet::storage]
    pub type RegisteredSubnetCounter<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// Blocks during which a new subnet cannot be replaced.
    #[pallet::storage]
    pub type NetworkImmunityPeriod<T> = StorageValue<_, u64, ValueQuery, ConstU64<1_296_000>>;
    /// Lowest price of a subnet, in rao.
    #[pallet::storage]
    pub type NetworkMinLockCost<T> = StorageValue<_, Tao, ValueQuery, ConstU64<1_000_000_000_000>>;
    /// Price of the most recent subnet, in rao.
    #[pallet::storage]
    pub type NetworkLastLockCost<T> = StorageValue<_, Tao, ValueQuery, ConstU64<1_000_000_000_000>>;
    /// Blocks in which the price falls by the last price.
    #[pallet::storage]
    pub type NetworkLockReductionInterval<T> = StorageValue<_, u64, ValueQuery, ConstU64<100_800>>;
    /// Fewest blocks between two subnet registrations.
    #[pallet::storage]
    pub type NetworkRateLimit<T> = StorageValue<_, u64, ValueQuery, ConstU64<7200>>;
    /// First block in which subnets can be registered.
    #[pallet::storage]
    pub type NetworkRegistrationStartBlock<T> = StorageValue<_, u64, ValueQuery>;
    /// Blocks between a subnet's registration and its start.
    #[pallet::storage]
    pub type StartCallDelay<T: Config> = StorageValue<_, u64, ValueQuery, T::InitialStartCallDelay>;
    /// First block in which a started subnet earns emission.
    #[pallet::storage]
    pub type FirstEmissionBlockNumber<T> = StorageMap<_, Identity, NetUid, u64, OptionQuery>;
    /// Whether stake can be bought and sold.
    #[pallet::storage]
    pub type SubtokenEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;
    /// Owner's coldkey.
    #[pallet::storage]
    pub type SubnetOwner<T: Config> =
        StorageMap<_, Identity, NetUid, T::AccountId, ValueQuery, DefaultAccount>;
    /// Owner's hotkey.
    #[pallet::storage]
    pub type SubnetOwnerHotkey<T: Config> =
        StorageMap<_, Identity, NetUid, T::AccountId, ValueQuery, DefaultAccount>;
    /// TAO that the owner paid for the subnet.
    #[pallet::storage]
    pub type SubnetLocked<T> = StorageMap<_, Identity, NetUid, Tao, ValueQuery>;
    /// Symbol of the subnet's token, UTF-8.
    #[pallet::storage]
    pub type TokenSymbol<T> = StorageMap<_, Identity, NetUid, Vec<u8>, ValueQuery, DefaultTokenSymbol>;
    /// Whether the subnet's pool takes part in TAO emission.
    #[pallet::storage]
    pub type SubnetEmissionEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;
    /// What a new subnet starts with; a parameter of the chain.
    #[pallet::storage]
    pub type NewSubnetParameters<T> = StorageValue<_, SubnetParameters, ValueQuery>;
}
