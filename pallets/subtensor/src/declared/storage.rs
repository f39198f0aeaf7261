use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod declared_storage {
    /// Old price controller.
    #[pallet::storage]
    pub type AdjustmentAlpha<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// Old price controller.
    #[pallet::storage]
    pub type AdjustmentInterval<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<100>>;
    /// Proof of work, which does not exist here.
    #[pallet::storage]
    pub type Difficulty<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<10_000_000>>;
    /// Proof of work, which does not exist here.
    #[pallet::storage]
    pub type MinDifficulty<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<10_000_000>>;
    /// Proof of work, which does not exist here.
    #[pallet::storage]
    pub type MaxDifficulty<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ u64::MAX / 4 }>>;
    /// Proof of work, which does not exist here.
    #[pallet::storage]
    pub type NetworkPowRegistrationAllowed<T> =
        StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;
    /// Proof of work, which does not exist here.
    #[pallet::storage]
    pub type LastPowRegistrationBlock<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// Flags of an account; bit 0: accepts locked alpha.
    #[pallet::storage]
    pub type AccountFlags<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u128, ValueQuery>;
    /// Announced swaps of a coldkey: first block, hash of the new coldkey.
    #[pallet::storage]
    pub type ColdkeySwapAnnouncements<T: Config> =
        StorageMap<_, Twox64Concat, T::AccountId, (u32, H256), OptionQuery>;
    /// Disputed swaps of a coldkey.
    #[pallet::storage]
    pub type ColdkeySwapDisputes<T: Config> = StorageMap<_, Twox64Concat, T::AccountId, u32, OptionQuery>;
    /// Share of the registration price that is kept as collateral, of 65535.
    #[pallet::storage]
    pub type CollateralLockShare<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;
    /// Collateral that is released for each alpha that a miner earns.
    #[pallet::storage]
    pub type CollateralDrainRatio<T> =
        StorageMap<_, Identity, NetUid, U64F64, ValueQuery, DefaultCollateralDrainRatio>;
    /// Collateral of (netuid, hotkey, coldkey).
    #[pallet::storage]
    pub type MinerCollateral<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Identity, NetUid>,
            NMapKey<Blake2_128Concat, T::AccountId>,
            NMapKey<Blake2_128Concat, T::AccountId>,
        ),
        MinerCollateralState,
        OptionQuery,
    >;
    /// Lock of (coldkey, netuid, hotkey).
    #[pallet::storage]
    pub type Lock<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Blake2_128Concat, T::AccountId>,
            NMapKey<Identity, NetUid>,
            NMapKey<Blake2_128Concat, T::AccountId>,
        ),
        LockState,
        OptionQuery,
    >;
    /// Coldkeys with a lock on (netuid, hotkey).
    #[pallet::storage]
    pub type LockingColdkeys<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Identity, NetUid>,
            NMapKey<Blake2_128Concat, T::AccountId>,
            NMapKey<Blake2_128Concat, T::AccountId>,
        ),
        (),
        OptionQuery,
    >;
    /// Sum of perpetual locks on a hotkey.
    #[pallet::storage]
    pub type HotkeyLock<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, LockState, OptionQuery>;
    /// Sum of decaying locks on a hotkey.
    #[pallet::storage]
    pub type DecayingHotkeyLock<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, LockState, OptionQuery>;
    /// Sum of perpetual locks on the owner's hotkey.
    #[pallet::storage]
    pub type OwnerLock<T> = StorageMap<_, Identity, NetUid, LockState, OptionQuery>;
    /// Sum of decaying locks on the owner's hotkey.
    #[pallet::storage]
    pub type DecayingOwnerLock<T> = StorageMap<_, Identity, NetUid, LockState, OptionQuery>;
    /// Whether a coldkey's lock decays.
    #[pallet::storage]
    pub type DecayingLock<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, bool, OptionQuery>;
    /// Blocks in which conviction matures.
    #[pallet::storage]
    pub type MaturityRate<T> = StorageValue<_, u64, ValueQuery, ConstU64<934_866>>;
    /// Blocks in which a lock decays.
    #[pallet::storage]
    pub type UnlockRate<T> = StorageValue<_, u64, ValueQuery, ConstU64<934_866>>;
    /// Whether the owner's cut is locked.
    #[pallet::storage]
    pub type OwnerCutAutoLockEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;
    /// Subnets being dissolved.
    #[pallet::storage]
    pub type DissolveCleanupQueue<T> = StorageValue<_, Vec<NetUid>, ValueQuery>;
    /// Subnet being dissolved.
    #[pallet::storage]
    pub type CurrentDissolveCleanupStatus<T> = StorageValue<_, NetUid, OptionQuery>;
    /// Subnets waiting for a free slot: coldkey, hotkey.
    #[pallet::storage]
    pub type NetworkRegistrationQueue<T: Config> =
        StorageValue<_, Vec<(T::AccountId, T::AccountId)>, ValueQuery>;
    /// Children that take effect later: children, first block.
    #[pallet::storage]
    pub type PendingChildKeys<T: Config> = StorageDoubleMap<
        _,
        Identity,
        NetUid,
        Blake2_128Concat,
        T::AccountId,
        (Vec<(u64, T::AccountId)>, u64),
        ValueQuery,
    >;
    /// Blocks before stake on root can be taken back.
    #[pallet::storage]
    pub type RootStakeUnlockInterval<T> = StorageValue<_, u64, ValueQuery>;
    /// Moving average of the users' flow: block, rao.
    #[pallet::storage]
    pub type SubnetEmaTaoFlow<T> = StorageMap<_, Identity, NetUid, (u64, I64F64), OptionQuery>;
    /// Encrypted weights by epoch: hotkey, block, ciphertext, round.
    #[pallet::storage]
    pub type TimelockedWeightCommits<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        StorageIndex,
        Twox64Concat,
        u64,
        Vec<(T::AccountId, u64, Vec<u8>, u64)>,
        ValueQuery,
    >;
    /// Alpha staked on a subnet.
    #[pallet::storage]
    pub type TotalAlphaStaked<T> = StorageMap<_, Identity, NetUid, Alpha, ValueQuery>;
    /// EVM address of a neuron and the block of its proof.
    #[pallet::storage]
    pub type AssociatedEvmAddress<T> =
        StorageDoubleMap<_, Twox64Concat, NetUid, Twox64Concat, Uid, (H160, u64), OptionQuery>;
    /// Beta that a rao staked on root with a hotkey has earned so far; there are no baskets to earn it in.
    #[pallet::storage]
    pub type BasketRate<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, I96F32, ValueQuery>;
    /// Beta of that which (hotkey, coldkey) has had.
    #[pallet::storage]
    pub type BasketClaimed<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Blake2_128Concat, T::AccountId, i128, ValueQuery>;
    /// Subnets that many have paid for.
    #[pallet::storage]
    pub type SubnetLeases<T: Config> =
        StorageMap<_, Twox64Concat, u32, SubnetLease<T::AccountId>, OptionQuery>;
    /// Parents whose stake is too small for their children to count.
    #[pallet::storage]
    pub type ChildkeyThresholdSuspended<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, (), OptionQuery>;
}
