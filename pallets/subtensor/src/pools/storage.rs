use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod pools_storage {
    /// 1 for a pool that sets the price, 0 for one TAO an alpha.
    #[pallet::storage]
    pub type SubnetMechanism<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;
    /// TAO in the pool; on root, all TAO staked there.
    #[pallet::storage]
    pub type SubnetTAO<T> = StorageMap<_, Identity, NetUid, Tao, ValueQuery>;
    /// Alpha in the pool.
    #[pallet::storage]
    pub type SubnetAlphaIn<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// Alpha outside the pool.
    #[pallet::storage]
    pub type SubnetAlphaOut<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// Alpha that the chain has bought and nobody owns.
    #[pallet::storage]
    pub type SubnetProtocolAlpha<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// TAO traded so far.
    #[pallet::storage]
    pub type SubnetVolume<T> = StorageMap<_, Identity, NetUid, u128, ValueQuery>;
    /// Moving average of the price.
    #[pallet::storage]
    pub type SubnetMovingPrice<T> = StorageMap<_, Identity, NetUid, I96F32, ValueQuery>;
    /// Weight of the newest price in the moving average.
    #[pallet::storage]
    pub type SubnetMovingAlpha<T> = StorageValue<_, I96F32, ValueQuery, DefaultMovingAlpha>;
    /// TAO that users have brought, net.
    #[pallet::storage]
    pub type SubnetTaoFlow<T> = StorageMap<_, Identity, NetUid, i64, ValueQuery>;
    /// TAO that the protocol has brought, net.
    #[pallet::storage]
    pub type SubnetProtocolFlow<T> = StorageMap<_, Identity, NetUid, i64, ValueQuery>;
    /// TAO in all pools and on root.
    #[pallet::storage]
    pub type TotalStake<T> = StorageValue<_, Tao, ValueQuery>;
    /// Weight of TAO staked on root against alpha, of 2^64-1.
    #[pallet::storage]
    pub type TaoWeight<T> = StorageValue<_, u64, ValueQuery, ConstU64<971_718_665_099_567_868>>;
}
