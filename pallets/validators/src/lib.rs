//! Who orders blocks, with what weight, and how patiently they wait for each other.
//!
//! The set is part of genesis. It is state, because every node has to know the set of the next height from the block
//! before it, and because elections will change it there. A chain with an empty set is ordered by one node alone.

extern crate alloc;

pub use pallet::*;

/// One of those who order blocks.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    codec::Encode,
    codec::Decode,
    codec::DecodeWithMemTracking,
    codec::MaxEncodedLen,
    scale_info::TypeInfo,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Validator<AccountId> {
    /// Ed25519 public key that its votes are signed with.
    pub key: sp_core::H256,
    /// Who is paid for the blocks that it proposes.
    pub account: AccountId,
    /// What its vote weighs, at least 1.
    pub power: u64,
}

/// How long validators wait for each other, in milliseconds.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    codec::Encode,
    codec::Decode,
    codec::DecodeWithMemTracking,
    codec::MaxEncodedLen,
    scale_info::TypeInfo,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct ConsensusTiming {
    /// For the proposal of a round, which has to be built, sent and executed in this time.
    pub propose_timeout_ms: u32,
    /// For missing votes once more than two thirds have voted without agreeing.
    pub vote_timeout_ms: u32,
    /// By how much both grow with every round of a height.
    pub timeout_step_ms: u32,
}

impl ConsensusTiming {
    /// What suits a chain with this many milliseconds between blocks: a proposer that is gone costs about two seconds on a
    /// fast one.
    pub fn for_interval(slot_duration_ms: u64) -> Self {
        let slot = u32::try_from(slot_duration_ms).unwrap_or(u32::MAX);
        Self {
            propose_timeout_ms: (slot / 2).saturating_add(750),
            vote_timeout_ms: 400,
            timeout_step_ms: 250,
        }
    }
}

#[frame_support::pallet]
pub mod pallet {
    use frame_support::pallet_prelude::*;

    use super::{ConsensusTiming, Validator};

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// Those who order the next block.
    #[pallet::storage]
    pub type Members<T: Config> =
        StorageValue<_, alloc::vec::Vec<Validator<<T as frame_system::Config>::AccountId>>, ValueQuery>;

    /// How long they wait for each other; by the pace of the chain when nothing is set.
    #[pallet::storage]
    pub type Timing<T> = StorageValue<_, ConsensusTiming, OptionQuery>;

    /// The first set.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Those who order the first block.
        pub members: alloc::vec::Vec<Validator<<T as frame_system::Config>::AccountId>>,
        /// How long they wait for each other.
        pub timing: Option<ConsensusTiming>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if !self.members.is_empty() {
                Members::<T>::put(&self.members);
            }
            Timing::<T>::set(self.timing);
        }
    }
}
