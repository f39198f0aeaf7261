//! The market.
//!
//! Anyone opens a *subnet* (a market for one commodity), anyone registers a *neuron* on it and sells (a miner) or judges
//! (a validator). Validators set *weights* on miners. Every *epoch* Yuma Consensus turns weights and stake into one agreed
//! reward, which is paid in the subnet's token, *alpha*; alpha trades against TAO in the subnet's *pool*.
//!
//! The pallet is organised by concept: a folder owns its storage items, and other folders call its functions. Dispatchables
//! are thin and stand together in this file, because FRAME wants one `call` block. Mathematics is elsewhere: consensus in
//! `myelin-yuma`, economics in `myelin-economy`; what is left here reads storage, calls them and writes storage.
//!
//! | concept | owns |
//! |---|---|
//! | [`subnets`] | which subnets exist, who owns them, what they cost, whether they have started |
//! | [`hyperparameters`] | the rules of each subnet |
//! | [`neurons`] | slots of a subnet, and which coldkey owns which hotkey |
//! | [`registration`] | the price of a slot and who makes room |
//! | [`serving`] | where neurons answer |
//! | [`weights`] | what validators say |
//! | [`stake`] | alpha behind hotkeys, and whose it is |
//! | [`delegation`] | takes, parents and children |
//! | [`pools`] | reserves, prices, trades |
//! | [`epoch`] | when an epoch is due, and its results |
//! | [`emission`] | minting, pending rewards and payment |
//! | [`root`] | what TAO staked on root earns |
//! | [`identity`] | names |
//! | [`rate_limits`] | when a limited action happened last |
//! | [`declared`] | what clients read of features that are not built |
//!
//! [`audit`] owns nothing: it adds up what the others hold.

// FRAME makes a function with every argument of a call.
#![allow(clippy::too_many_arguments)]

extern crate alloc;

pub mod audit;
pub mod declared;
pub mod defaults;
pub mod delegation;
pub mod emission;
pub mod epoch;
pub mod genesis;
pub mod hyperparameters;
pub mod identity;
pub mod neurons;
pub mod pools;
pub mod rate_limits;
pub mod registration;
pub mod root;
pub mod serving;
pub mod stake;
pub mod subnets;
pub mod types;
pub mod weights;

pub use audit::{MarketAudit, SubnetAudit};
pub use pallet::*;
pub use types::*;

use frame_support::pallet_macros::import_section;

#[import_section(subnets::storage::subnets_storage)]
#[import_section(hyperparameters::storage::hyperparameters_storage)]
#[import_section(neurons::storage::neurons_storage)]
#[import_section(registration::storage::registration_storage)]
#[import_section(serving::storage::serving_storage)]
#[import_section(weights::storage::weights_storage)]
#[import_section(stake::storage::stake_storage)]
#[import_section(delegation::storage::delegation_storage)]
#[import_section(pools::storage::pools_storage)]
#[import_section(epoch::storage::epoch_storage)]
#[import_section(emission::storage::emission_storage)]
#[import_section(root::storage::root_storage)]
#[import_section(identity::storage::identity_storage)]
#[import_section(rate_limits::storage::rate_limits_storage)]
#[import_section(declared::storage::declared_storage)]
#[frame_support::pallet]
pub mod pallet {
    use alloc::{collections::BTreeMap, vec::Vec};

    use frame_support::{
        pallet_prelude::*,
        storage::Key as NMapKey,
        traits::{
            fungible::{Balanced, Mutate},
            ConstBool, ConstI16, ConstU16, ConstU32, ConstU64, ConstU8,
        },
    };
    use frame_system::pallet_prelude::*;
    use myelin_economy::decimal::SafeFloat;
    use sp_core::{H160, H256};
    use sp_runtime::AccountId32;
    use substrate_fixed::types::{I64F64, I96F32, U64F64, U96F32};

    use crate::{defaults::*, delegation::TakeChange, genesis::SubnetParameters, types::*};

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<AccountId = AccountId32> + pallet_swap::Config {
        /// The TAO ledger.
        type Currency: Balanced<Self::AccountId, Balance = Tao> + Mutate<Self::AccountId, Balance = Tao>;

        /// Who earns the fees of the block being executed.
        type BlockAuthor: Get<Option<Self::AccountId>>;

        /// Blocks between a subnet's registration and its start, until governance says otherwise.
        #[pallet::constant]
        type InitialStartCallDelay: Get<u64>;
    }

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// What new subnets start with; `None` makes a chain without the root subnet, for tests of other parts.
        pub chain: Option<crate::genesis::ChainParameters>,
        #[serde(skip)]
        pub marker: PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if let Some(chain) = &self.chain {
                Pallet::<T>::build_genesis(chain);
            }
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A subnet exists: netuid, mechanism of its pool.
        NetworkAdded(NetUid, u16),
        /// A subnet has started: netuid, first block with emission.
        FirstEmissionBlockNumberSet(NetUid, u64),
        /// A neuron has a slot: netuid, uid, hotkey.
        NeuronRegistered(NetUid, Uid, T::AccountId),
        /// TAO spent on slots of a subnet so far: netuid, rao.
        RAORecycledForRegistrationSet(NetUid, Tao),
        /// A neuron has said where it answers: netuid, hotkey.
        AxonServed(NetUid, T::AccountId),
        /// A neuron has said where it serves metrics: netuid, hotkey.
        PrometheusServed(NetUid, T::AccountId),
        /// A validator has set weights: storage index, uid.
        WeightsSet(StorageIndex, Uid),
        /// Stake was bought: coldkey, hotkey, rao paid, alpha received, netuid, fee in rao.
        StakeAdded(T::AccountId, T::AccountId, Tao, Alpha, NetUid, u64),
        /// Stake was sold: coldkey, hotkey, rao received, alpha sold, netuid, fee in alpha.
        StakeRemoved(T::AccountId, T::AccountId, Tao, Alpha, NetUid, u64),
        /// A delegate takes less: coldkey, hotkey, take of 65535.
        TakeDecreased(T::AccountId, T::AccountId, u16),
        /// A delegate takes more: coldkey, hotkey, take of 65535.
        TakeIncreased(T::AccountId, T::AccountId, u16),
        /// Miners of a mechanism have earned: storage index, alpha by uid.
        IncentiveAlphaEmittedToMiners {
            /// `mechanism * 4096 + netuid`.
            netuid: StorageIndex,
            /// Alpha by uid.
            emissions: Vec<Alpha>,
        },
        /// An epoch slot was used up without an epoch, because two slots have the same hotkey.
        EpochSkipped {
            /// The subnet.
            netuid: NetUid,
        },
        /// An epoch waits for the next block, because this one has enough of them.
        EpochDeferred {
            /// The subnet.
            netuid: NetUid,
        },
    }

    /// Numbers are those that clients have compiled in, to name errors inside other events.
    #[pallet::error]
    pub enum Error<T> {
        /// IP type is neither 4 nor 6.
        #[codec(index = 1)]
        InvalidIpType,
        /// Not an address that a neuron can answer at.
        #[codec(index = 2)]
        InvalidIpAddress,
        /// Port 0.
        #[codec(index = 3)]
        InvalidPort,
        /// The hotkey has no slot on this subnet.
        #[codec(index = 4)]
        HotKeyNotRegisteredInSubNet,
        /// Nobody owns this hotkey.
        #[codec(index = 5)]
        HotKeyAccountNotExists,
        /// The hotkey has no slot on this subnet.
        #[codec(index = 6)]
        HotKeyNotRegisteredInNetwork,
        /// The hotkey belongs to another coldkey.
        #[codec(index = 7)]
        NonAssociatedColdKey,
        /// More stake asked back than there is.
        #[codec(index = 9)]
        NotEnoughStakeToWithdraw,
        /// Too little stake to set weights.
        #[codec(index = 10)]
        NotEnoughStakeToSetWeights,
        /// The coldkey cannot pay this.
        #[codec(index = 12)]
        NotEnoughBalanceToStake,
        /// Only neurons with a validator permit set weights.
        #[codec(index = 15)]
        NeuronNoValidatorPermit,
        /// As many uids as weights are needed.
        #[codec(index = 16)]
        WeightVecNotEqualSize,
        /// A uid appears twice.
        #[codec(index = 17)]
        DuplicateUids,
        /// A uid has no neuron.
        #[codec(index = 18)]
        UidVecContainInvalidOne,
        /// Fewer weights than the subnet asks for.
        #[codec(index = 19)]
        WeightVecLengthIsLow,
        /// Enough registrations for this block.
        #[codec(index = 20)]
        TooManyRegistrationsThisBlock,
        /// The hotkey has a slot already.
        #[codec(index = 21)]
        HotKeyAlreadyRegisteredInSubNet,
        /// Too soon after this validator's last weights.
        #[codec(index = 29)]
        SettingWeightsTooFast,
        /// The version key is older than the subnet asks for.
        #[codec(index = 30)]
        IncorrectWeightVersionKey,
        /// Too soon after this neuron's last announcement.
        #[codec(index = 31)]
        ServingRateLimitExceeded,
        /// More uids than the subnet has.
        #[codec(index = 32)]
        UidsLengthExceedUidsInSubNet,
        /// Too soon after the last subnet registration.
        #[codec(index = 33)]
        NetworkTxRateLimitExceeded,
        /// Too soon after the last change of this take.
        #[codec(index = 34)]
        DelegateTxRateLimitExceeded,
        /// This subnet takes no neurons.
        #[codec(index = 37)]
        SubNetRegistrationDisabled,
        /// Enough registrations for this interval.
        #[codec(index = 38)]
        TooManyRegistrationsThisInterval,
        /// Root has a call of its own for registration.
        #[codec(index = 42)]
        RegistrationNotPermittedOnRootSubnet,
        /// Every member of root has at least as much stake.
        #[codec(index = 43)]
        StakeTooLowForRoot,
        /// Root has no weights.
        #[codec(index = 47)]
        CanNotSetRootNetworkWeights,
        /// The subnet is full and nobody can make room.
        #[codec(index = 48)]
        NoNeuronIdAvailable,
        /// A take below the lowest, or on the wrong side of the present one.
        #[codec(index = 49)]
        DelegateTakeTooLow,
        /// A take above the highest.
        #[codec(index = 50)]
        DelegateTakeTooHigh,
        /// This subnet wants weights committed, not set.
        #[codec(index = 53)]
        CommitRevealEnabled,
        /// The identity is longer than allowed.
        #[codec(index = 73)]
        InvalidIdentity,
        /// No such mechanism on this subnet.
        #[codec(index = 74)]
        MechanismDoesNotExist,
        /// No such subnet.
        #[codec(index = 76)]
        SubnetNotExists,
        /// Less than the smallest amount that can be staked or unstaked.
        #[codec(index = 82)]
        AmountTooLow,
        /// The pool cannot fill this.
        #[codec(index = 83)]
        InsufficientLiquidity,
        /// The price would move past the limit.
        #[codec(index = 84)]
        SlippageTooHigh,
        /// The subnet has started already.
        #[codec(index = 88)]
        FirstEmissionBlockNumberAlreadySet,
        /// The subnet cannot start yet.
        #[codec(index = 89)]
        NeedWaitingMoreBlocksToStarCall,
        /// The subnet's token does not trade yet.
        #[codec(index = 94)]
        SubtokenDisabled,
        /// Arithmetic beyond its range.
        #[codec(index = 105)]
        Overflow,
        /// As many subnets as there can be.
        #[codec(index = 116)]
        SubnetLimitReached,
        /// The coldkey cannot pay for a subnet.
        #[codec(index = 117)]
        CannotAffordLockCost,
        /// A pool's account is nobody's hotkey.
        #[codec(index = 141)]
        CannotUseSystemAccount,
        /// The coldkey owns, or stakes with, as many hotkeys as one may.
        #[codec(index = 163)]
        TooManyStakingHotkeys,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::block_step()
        }

        fn on_finalize(_: BlockNumberFor<T>) {
            Self::record_issuance();
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Says what the signing hotkey thinks the targets are worth, relative to each other.
        #[pallet::call_index(0)]
        #[pallet::weight((Pallet::<T>::set_weights_weight(dests.len()), DispatchClass::Normal, Pays::No))]
        pub fn set_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            dests: Vec<Uid>,
            weights: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            Self::do_set_weights(&hotkey, netuid, 0, dests, weights, version_key)
        }

        /// Buys stake with a hotkey for TAO.
        #[pallet::call_index(2)]
        #[pallet::weight(Weight::from_parts(640_000_000, 0))]
        pub fn add_stake(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount_staked: Tao,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_add_stake(&coldkey, &hotkey, netuid, amount_staked)
        }

        /// Sells stake with a hotkey for TAO.
        #[pallet::call_index(3)]
        #[pallet::weight(Weight::from_parts(640_000_000, 0))]
        pub fn remove_stake(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount_unstaked: Alpha,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_remove_stake(&coldkey, &hotkey, netuid, amount_unstaked)
        }

        /// Says where the signing hotkey answers requests.
        #[pallet::call_index(4)]
        #[pallet::weight((Weight::from_parts(30_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn serve_axon(
            origin: OriginFor<T>,
            netuid: NetUid,
            version: u32,
            ip: u128,
            port: u16,
            ip_type: u8,
            protocol: u8,
            placeholder1: u8,
            placeholder2: u8,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let block = Self::now();
            let axon = AxonInfo { block, version, ip, port, ip_type, protocol, placeholder1, placeholder2 };
            Self::do_serve_axon(hotkey, netuid, axon)
        }

        /// Says where the signing hotkey serves metrics.
        #[pallet::call_index(5)]
        #[pallet::weight((Weight::from_parts(30_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn serve_prometheus(
            origin: OriginFor<T>,
            netuid: NetUid,
            version: u32,
            ip: u128,
            port: u16,
            ip_type: u8,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let endpoint = PrometheusInfo { block: Self::now(), version, ip, port, ip_type };
            Self::do_serve_prometheus(hotkey, netuid, endpoint)
        }

        /// Buys a slot on a subnet for a hotkey.
        #[pallet::call_index(7)]
        #[pallet::weight(Weight::from_parts(330_000_000, 0))]
        pub fn burned_register(origin: OriginFor<T>, netuid: NetUid, hotkey: T::AccountId) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_burned_register(&coldkey, netuid, &hotkey)
        }

        /// Opens a subnet. The caller owns it, and its hotkey gets the first slot.
        #[pallet::call_index(59)]
        #[pallet::weight(Weight::from_parts(270_000_000, 0))]
        pub fn register_network(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_register_network(&coldkey, &hotkey, None)
        }

        /// Takes a seat on root for a hotkey.
        #[pallet::call_index(62)]
        #[pallet::weight(Weight::from_parts(330_000_000, 0))]
        pub fn root_register(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_root_register(&coldkey, &hotkey)
        }

        /// Lowers what a delegate takes of its nominators' dividends.
        #[pallet::call_index(65)]
        #[pallet::weight((Weight::from_parts(30_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn decrease_take(origin: OriginFor<T>, hotkey: T::AccountId, take: u16) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_change_take(coldkey, hotkey, take, TakeChange::Decrease)
        }

        /// Raises what a delegate takes of its nominators' dividends.
        #[pallet::call_index(66)]
        #[pallet::weight((Weight::from_parts(30_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn increase_take(origin: OriginFor<T>, hotkey: T::AccountId, take: u16) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_change_take(coldkey, hotkey, take, TakeChange::Increase)
        }

        /// Opens a subnet with a name.
        #[pallet::call_index(79)]
        #[pallet::weight(Weight::from_parts(270_000_000, 0))]
        pub fn register_network_with_identity(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            identity: Option<SubnetIdentityV3>,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_register_network(&coldkey, &hotkey, identity)
        }

        /// Buys stake, but not above a price in rao an alpha.
        #[pallet::call_index(88)]
        #[pallet::weight(Weight::from_parts(640_000_000, 0))]
        pub fn add_stake_limit(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount_staked: Tao,
            limit_price: Tao,
            allow_partial: bool,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_add_stake_limit(&coldkey, &hotkey, netuid, amount_staked, limit_price, allow_partial)
        }

        /// Sells stake, but not below a price in rao an alpha.
        #[pallet::call_index(89)]
        #[pallet::weight(Weight::from_parts(640_000_000, 0))]
        pub fn remove_stake_limit(
            origin: OriginFor<T>,
            hotkey: T::AccountId,
            netuid: NetUid,
            amount_unstaked: Alpha,
            limit_price: Tao,
            allow_partial: bool,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_remove_stake_limit(
                &coldkey,
                &hotkey,
                netuid,
                amount_unstaked,
                limit_price,
                allow_partial,
            )
        }

        /// Makes the caller the owner of a hotkey that nobody owns.
        #[pallet::call_index(91)]
        #[pallet::weight(Weight::from_parts(30_000_000, 0))]
        pub fn try_associate_hotkey(origin: OriginFor<T>, hotkey: T::AccountId) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::create_hotkey_if_missing(&coldkey, &hotkey)
        }

        /// Starts a subnet: its token trades and it earns emission.
        #[pallet::call_index(92)]
        #[pallet::weight(Weight::from_parts(30_000_000, 0))]
        pub fn start_call(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::do_start_call(&coldkey, netuid)
        }

        /// Says what the signing hotkey thinks the targets are worth to one mechanism of the subnet.
        #[pallet::call_index(119)]
        #[pallet::weight((Pallet::<T>::set_weights_weight(dests.len()), DispatchClass::Normal, Pays::No))]
        pub fn set_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            dests: Vec<Uid>,
            weights: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            Self::do_set_weights(&hotkey, netuid, mecid, dests, weights, version_key)
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Height of the block being executed.
    pub fn now() -> u64 {
        use sp_runtime::traits::UniqueSaturatedInto;
        frame_system::Pallet::<T>::block_number().unique_saturated_into()
    }
}
