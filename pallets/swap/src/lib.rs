//! What sets the price in a subnet's pool beside its reserves: the weights of TAO and alpha, and the fee.
//!
//! Reserves belong to the market pallet; it passes them in and stores what comes out. The arithmetic is in
//! `myelin-economy`.

use myelin_economy::pool::{Pool, PoolError};
use sp_arithmetic::Perquintill;

pub use pallet::*;

#[frame_support::pallet]
pub mod pallet {
    use frame_support::{pallet_prelude::*, traits::ConstU16};
    use frame_system::pallet_prelude::*;
    use myelin_economy::constants::{DEFAULT_FEE_RATE_U16, MAX_FEE_RATE_U16};
    use sp_arithmetic::Perquintill;

    /// Number of a subnet.
    pub type NetUid = u16;

    /// Weights of a pool.
    #[derive(
        Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
    )]
    pub struct Balancer {
        /// Weight of TAO; alpha has the rest.
        pub quote: Perquintill,
    }

    impl Default for Balancer {
        fn default() -> Self {
            Self { quote: Perquintill::from_percent(50) }
        }
    }

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// Fee of a swap on its input, in 65535ths.
    #[pallet::storage]
    pub type FeeRate<T> =
        StorageMap<_, Twox64Concat, NetUid, u16, ValueQuery, ConstU16<DEFAULT_FEE_RATE_U16>>;

    /// Weights of a pool.
    #[pallet::storage]
    pub type SwapBalancer<T> = StorageMap<_, Twox64Concat, NetUid, Balancer, ValueQuery>;

    /// Whether a pool has weights of its own.
    #[pallet::storage]
    pub type PalSwapInitialized<T> = StorageMap<_, Twox64Concat, NetUid, bool, ValueQuery>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A pool has a new fee.
        FeeRateSet {
            /// The subnet.
            netuid: NetUid,
            /// In 65535ths.
            rate: u16,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// Above the highest fee.
        #[codec(index = 0)]
        FeeRateTooHigh,
        /// More asked than the pool holds.
        #[codec(index = 2)]
        InsufficientLiquidity,
        /// The price is at or beyond the limit.
        #[codec(index = 3)]
        PriceLimitExceeded,
        /// The pool is too thin to trade in.
        #[codec(index = 7)]
        ReservesTooLow,
        /// The input would dwarf the pool.
        #[codec(index = 11)]
        SwapInputTooLarge,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Sets the fee of a pool, in 65535ths. Root only.
        #[pallet::call_index(0)]
        #[pallet::weight(Weight::from_parts(30_000_000, 0))]
        pub fn set_fee_rate(origin: OriginFor<T>, netuid: NetUid, rate: u16) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(rate <= MAX_FEE_RATE_U16, Error::<T>::FeeRateTooHigh);
            FeeRate::<T>::insert(netuid, rate);
            Self::deposit_event(Event::FeeRateSet { netuid, rate });
            Ok(())
        }
    }
}

impl<T: Config> Pallet<T> {
    /// The pool of `netuid` with the given reserves.
    pub fn pool(netuid: NetUid, alpha_reserve_rao: u64, tao_reserve_rao: u64) -> Pool {
        let quote_weight_parts = SwapBalancer::<T>::get(netuid).quote.deconstruct();
        Pool { alpha_reserve_rao, tao_reserve_rao, quote_weight_parts }
    }

    /// Fee of a swap on its input, in 65535ths.
    pub fn fee_rate(netuid: NetUid) -> u16 {
        FeeRate::<T>::get(netuid)
    }

    /// Stores the weights that `pool` has.
    pub fn set_weights(netuid: NetUid, pool: &Pool) {
        SwapBalancer::<T>::insert(
            netuid,
            Balancer { quote: Perquintill::from_parts(pool.quote_weight_parts) },
        );
        if !PalSwapInitialized::<T>::get(netuid) {
            PalSwapInitialized::<T>::insert(netuid, true);
        }
    }
}

impl<T> From<PoolError> for Error<T> {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::InputTooLarge { .. } => Self::SwapInputTooLarge,
            PoolError::ReservesTooLow { .. } | PoolError::NoReserves => Self::ReservesTooLow,
            PoolError::PriceLimitExceeded { .. } => Self::PriceLimitExceeded,
            PoolError::InsufficientLiquidity { .. }
            | PoolError::ReserveOverflow { .. }
            | PoolError::WeightOutOfRange { .. } => Self::InsufficientLiquidity,
        }
    }
}
