//! The state machine: FRAME pallets wired together, executed natively.
//!
//! The names in here are what clients find in the metadata and build their calls from: pallet names and indices, call
//! and argument names, extension identifiers and runtime API names follow the protocol that `btcli`, the `bittensor`
//! SDK and Substrate wallets speak.

#![recursion_limit = "256"]

extern crate alloc;

pub mod accounts;
pub mod apis;
pub mod arguments;
pub mod authorship;
pub mod extensions;
pub mod fees;
pub mod filter;
pub mod presets;
pub mod signature;
pub mod views;

use alloc::borrow::Cow;
use std::sync::LazyLock;

use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU16, ConstU32, ConstU64, ConstU8},
    weights::{constants::WEIGHT_REF_TIME_PER_SECOND, Weight},
};
use frame_system::limits;
use sp_runtime::{
    generic,
    traits::{BlakeTwo256, IdentifyAccount, One, Verify},
    MultiAddress, Perbill,
};
use sp_version::RuntimeVersion;

pub use apis::api;
pub use filter::CallFilter;
pub use signature::Signature;

/// 32-byte public key of an account.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// Rao; 1 TAO is 1e9 rao.
pub type Balance = u64;
/// Transactions an account has sent.
pub type Nonce = u32;
/// Height of a block.
pub type BlockNumber = u32;
/// Blake2b-256 digest.
pub type Hash = sp_core::H256;
/// How an extrinsic names an account.
pub type Address = MultiAddress<AccountId, ()>;
/// Block header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// Block with decoded extrinsics.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// What a signed extrinsic carries and commits to, in signing order.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    extensions::CheckNonce,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    extensions::MarketGuards,
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
);
/// A transaction or inherent as it travels.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// The bytes that an extrinsic's signature covers.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;
/// Runs blocks.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

/// Rao in one TAO.
pub const RAO_PER_TAO: Balance = 1_000_000_000;
/// Accounts with less than this many rao are removed.
pub const EXISTENTIAL_DEPOSIT: Balance = 500;
/// How many recent block hashes a transaction's era can refer to.
pub const BLOCK_HASH_COUNT: BlockNumber = 2400;

/// Changes with every change of metadata, because clients cache metadata by it.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("node-subtensor"),
    impl_name: Cow::Borrowed("myelin"),
    authoring_version: 1,
    spec_version: 4,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(2)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(3)]
    pub type Aura = pallet_aura;
    #[runtime::pallet_index(5)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(6)]
    pub type TransactionPayment = pallet_transaction_payment;
    #[runtime::pallet_index(7)]
    pub type SubtensorModule = pallet_subtensor;
    #[runtime::pallet_index(11)]
    pub type Utility = pallet_utility;
    #[runtime::pallet_index(12)]
    pub type Sudo = pallet_sudo;
    #[runtime::pallet_index(18)]
    pub type Commitments = pallet_declared::commitments;
    #[runtime::pallet_index(28)]
    pub type Swap = pallet_swap;
    #[runtime::pallet_index(30)]
    pub type MevShield = pallet_declared::mev_shield;
    #[runtime::pallet_index(31)]
    pub type AlphaAssets = pallet_declared::alpha_assets;
    // Far from the indices that clients know.
    #[runtime::pallet_index(100)]
    pub type Validators = pallet_validators;
}

const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);

/// Milliseconds that there may be between blocks: up to an hour.
pub const SLOT_DURATIONS_MS: core::ops::RangeInclusive<u64> = 1..=3_600_000;

/// Both are asked for several times in each transaction.
static BLOCK_WEIGHTS: LazyLock<limits::BlockWeights> = LazyLock::new(|| {
    let max = Weight::from_parts(4 * WEIGHT_REF_TIME_PER_SECOND, u64::MAX);
    limits::BlockWeights::with_sensible_defaults(max, NORMAL_DISPATCH_RATIO)
});
static BLOCK_LENGTH: LazyLock<limits::BlockLength> = LazyLock::new(|| {
    limits::BlockLength::builder()
        .max_length(10 * 1024 * 1024)
        .modify_max_length_for_class(frame_support::dispatch::DispatchClass::Normal, |max| {
            *max = NORMAL_DISPATCH_RATIO * *max
        })
        .build()
});

parameter_types! {
    pub const Version: RuntimeVersion = VERSION;
    pub BlockWeights: limits::BlockWeights = BLOCK_WEIGHTS.clone();
    pub BlockLength: limits::BlockLength = BLOCK_LENGTH.clone();
    /// Milliseconds between blocks. Part of genesis, so that one binary serves chains of different pace.
    pub storage SlotDuration: u64 = 250;
    pub FeeMultiplier: pallet_transaction_payment::Multiplier = One::one();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type BaseCallFilter = CallFilter;
    type Block = Block;
    type Nonce = Nonce;
    type Version = Version;
    type BlockWeights = BlockWeights;
    type BlockLength = BlockLength;
    type BlockHashCount = ConstU32<BLOCK_HASH_COUNT>;
    type DbWeight = frame_support::weights::constants::RocksDbWeight;
    type SS58Prefix = ConstU16<42>;
    type AccountData = pallet_balances::AccountData<Balance>;
    type MaxConsumers = ConstU32<16>;
}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = ();
    // Time only has to move forward; how fast is the sequencer's business.
    type MinimumPeriod = ConstU64<1>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

impl pallet_aura::Config for Runtime {
    type SlotDuration = SlotDuration;
}

impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type Balance = Balance;
    type DustRemoval = ();
    type ExistentialDeposit = ConstU64<EXISTENTIAL_DEPOSIT>;
    type AccountStore = accounts::Accounts;
    type ReserveIdentifier = [u8; 8];
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type MaxFreezes = ConstU32<50>;
    type DoneSlashHandler = ();
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction =
        pallet_transaction_payment::FungibleAdapter<Balances, authorship::PayBlockAuthor>;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightToFee = fees::WeightToFee;
    type LengthToFee = fees::LengthToFee;
    type FeeMultiplierUpdate = pallet_transaction_payment::ConstFeeMultiplier<FeeMultiplier>;
    type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}

impl pallet_swap::Config for Runtime {}

impl pallet_validators::Config for Runtime {}

impl pallet_subtensor::Config for Runtime {
    type Currency = Balances;
    type BlockAuthor = authorship::BlockAuthor;
    type InitialStartCallDelay = ConstU64<0>;
}

impl pallet_declared::commitments::Config for Runtime {}

impl pallet_declared::mev_shield::Config for Runtime {}

impl pallet_declared::alpha_assets::Config for Runtime {}
