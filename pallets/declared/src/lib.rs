//! Storage that clients read, of pallets that are not built yet.
//!
//! Clients fail, or wait for ever, when the metadata does not list a storage item that they ask for beside what the user
//! wants. These pallets have no calls and never write; every item answers its default. One that is built leaves this crate.

/// Metadata that neurons publish.
#[frame_support::pallet]
pub mod commitments {
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// One piece of published metadata.
    #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
    pub enum Data {
        /// Nothing.
        None,
        /// Bytes as they are.
        BigRaw(Vec<u8>),
    }

    /// What a neuron publishes.
    #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
    pub struct CommitmentInfo {
        /// In order of publication.
        pub fields: Vec<Data>,
    }

    /// A publication and its deposit.
    #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
    pub struct Registration {
        /// Rao held for it.
        pub deposit: u64,
        /// Block of publication.
        pub block: u32,
        /// What was published.
        pub info: CommitmentInfo,
    }

    /// Metadata of a neuron.
    #[pallet::storage]
    pub type CommitmentOf<T: Config> =
        StorageDoubleMap<_, Identity, u16, Twox64Concat, T::AccountId, Registration, OptionQuery>;

    /// Timelocked metadata of a neuron that was revealed, with the block of each.
    #[pallet::storage]
    pub type RevealedCommitments<T: Config> =
        StorageDoubleMap<_, Identity, u16, Twox64Concat, T::AccountId, Vec<(Vec<u8>, u64)>, OptionQuery>;
}

/// Transactions that only the block's author can read.
#[frame_support::pallet]
pub mod mev_shield {
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// Key to encrypt to. Without one, clients send in the clear what may be sent in the clear.
    #[pallet::storage]
    pub type NextKey<T> = StorageValue<_, Vec<u8>, OptionQuery>;
}

/// What was done with alpha beside staking it.
#[frame_support::pallet]
pub mod alpha_assets {
    use frame_support::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// Alpha that its holders have destroyed.
    #[pallet::storage]
    pub type AlphaBurned<T> = StorageMap<_, Twox64Concat, u16, u64, ValueQuery>;
}
