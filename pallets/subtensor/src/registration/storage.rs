use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod registration_storage {
    /// Price of a slot, in rao.
    #[pallet::storage]
    pub type Burn<T> = StorageMap<_, Identity, NetUid, Tao, ValueQuery, ConstU64<100_000_000>>;
    /// Lowest price of a slot, in rao.
    #[pallet::storage]
    pub type MinBurn<T> = StorageMap<_, Identity, NetUid, Tao, ValueQuery, ConstU64<500_000>>;
    /// Highest price of a slot, in rao.
    #[pallet::storage]
    pub type MaxBurn<T> = StorageMap<_, Identity, NetUid, Tao, ValueQuery, ConstU64<100_000_000_000>>;
    /// Blocks in which the price halves.
    #[pallet::storage]
    pub type BurnHalfLife<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<360>>;
    /// Factor on the price for each registration.
    #[pallet::storage]
    pub type BurnIncreaseMult<T> =
        StorageMap<_, Identity, NetUid, U64F64, ValueQuery, DefaultBurnIncreaseMult>;
    /// Registrations in this block.
    #[pallet::storage]
    pub type RegistrationsThisBlock<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;
    /// Most registrations in a block; root only.
    #[pallet::storage]
    pub type MaxRegistrationsPerBlock<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<1>>;
    /// Registrations since root's last interval.
    #[pallet::storage]
    pub type RegistrationsThisInterval<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;
    /// A third of the most registrations in an interval; root only.
    #[pallet::storage]
    pub type TargetRegistrationsPerInterval<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<2>>;
    /// Whether neurons can register. A subnet that does not take neurons earns no emission.
    #[pallet::storage]
    pub type NetworkRegistrationAllowed<T> =
        StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;
    /// TAO spent on slots so far.
    #[pallet::storage]
    pub type RAORecycledForRegistration<T> = StorageMap<_, Identity, NetUid, Tao, ValueQuery>;
    /// Immune neurons are replaced once no more than these others are left.
    #[pallet::storage]
    pub type MinNonImmuneUids<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<10>>;
    /// The owner's oldest neurons that are never replaced.
    #[pallet::storage]
    pub type ImmuneOwnerUidsLimit<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<1>>;
}
