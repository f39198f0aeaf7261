use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod epoch_storage {
    /// Bonds of a validator: target and bond, of 65535.
    #[pallet::storage]
    pub type Bonds<T> =
        StorageDoubleMap<_, Identity, StorageIndex, Identity, Uid, Vec<(Uid, u16)>, ValueQuery>;
    /// Share of the miners' reward, of 65535, by uid.
    #[pallet::storage]
    pub type Incentive<T> = StorageMap<_, Identity, StorageIndex, Vec<u16>, ValueQuery>;
    /// Whether a neuron has set weights lately, by uid.
    #[pallet::storage]
    pub type Active<T> = StorageMap<_, Identity, NetUid, Vec<bool>, ValueQuery>;
    /// Share of the validators' reward, of 65535, by uid.
    #[pallet::storage]
    pub type Dividends<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;
    /// Agreed weight, of 65535, by uid.
    #[pallet::storage]
    pub type Consensus<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;
    /// Share of a validator's weights that consensus kept, of 65535, by uid.
    #[pallet::storage]
    pub type ValidatorTrust<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;
    /// Who may validate, by uid.
    #[pallet::storage]
    pub type ValidatorPermit<T> = StorageMap<_, Identity, NetUid, Vec<bool>, ValueQuery>;
    /// Alpha earned in the last epoch, by uid.
    #[pallet::storage]
    pub type Emission<T> = StorageMap<_, Identity, NetUid, Vec<Alpha>, ValueQuery>;
    /// Share of stake, of 65535, by uid.
    #[pallet::storage]
    pub type StakeWeight<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;
    /// Block of the last epoch slot.
    #[pallet::storage]
    pub type LastEpochBlock<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// Block of an epoch ahead of the schedule; 0 for none.
    #[pallet::storage]
    pub type PendingEpochAt<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// Epoch slots so far.
    #[pallet::storage]
    pub type SubnetEpochIndex<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// Blocks since the last epoch ran.
    #[pallet::storage]
    pub type BlocksSinceLastStep<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// Block of the last epoch that ran.
    #[pallet::storage]
    pub type LastMechansimStepBlock<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;
    /// Most epochs in a block.
    #[pallet::storage]
    pub type MaxEpochsPerBlock<T> = StorageValue<_, u8, ValueQuery, ConstU8<2>>;
}
