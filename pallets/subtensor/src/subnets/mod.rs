//! Which subnets exist, who owns them, what one costs and whether it has started.

pub mod storage;
mod symbols;

use alloc::vec::Vec;

use frame_support::{
    ensure,
    pallet_prelude::*,
    traits::{
        fungible::Inspect,
        tokens::{Fortitude, Preservation},
    },
    PalletId,
};
use myelin_economy::subnet_lifecycle::{initial_pool, LockCost};
use sp_runtime::traits::AccountIdConversion;
use substrate_fixed::types::U64F64;

use crate::{
    genesis::{ChainParameters, SubnetParameters},
    *,
};

const POOL_ACCOUNTS: PalletId = PalletId(*b"subtensr");

impl<T: Config> Pallet<T> {
    /// Whether `netuid` exists.
    pub fn subnet_exists(netuid: NetUid) -> bool {
        NetworksAdded::<T>::get(netuid)
    }

    /// All subnets, root among them, in the order of their storage keys: by low byte, then by high byte.
    ///
    /// That order is part of the protocol: emission walks it.
    pub fn all_netuids() -> Vec<NetUid> {
        NetworksAdded::<T>::iter_keys().collect()
    }

    /// All subnets but root, in the same order.
    pub fn market_netuids() -> Vec<NetUid> {
        let mut netuids = Self::all_netuids();
        netuids.retain(|netuid| *netuid != ROOT);
        netuids
    }

    /// The account that holds a subnet's TAO.
    pub fn pool_account(netuid: NetUid) -> T::AccountId {
        POOL_ACCOUNTS.into_sub_account_truncating(netuid)
    }

    /// Whether `account` holds the TAO of some subnet.
    pub fn is_pool_account(account: &T::AccountId) -> bool {
        PalletId::try_from_sub_account::<NetUid>(account).is_some_and(|(id, _)| id == POOL_ACCOUNTS)
    }

    /// Coldkey of the owner.
    pub fn owner_coldkey(netuid: NetUid) -> T::AccountId {
        SubnetOwner::<T>::get(netuid)
    }

    /// Hotkey of the owner.
    pub fn owner_hotkey(netuid: NetUid) -> T::AccountId {
        SubnetOwnerHotkey::<T>::get(netuid)
    }

    /// The owner's coldkey and hotkey, if the subnet has an owner.
    pub fn owner_keys(netuid: NetUid) -> Option<(T::AccountId, T::AccountId)> {
        let coldkey = SubnetOwner::<T>::try_get(netuid).ok()?;
        let hotkey = SubnetOwnerHotkey::<T>::try_get(netuid).ok()?;
        Some((coldkey, hotkey))
    }

    /// Whether the token of `netuid` trades.
    pub fn subtoken_enabled(netuid: NetUid) -> bool {
        SubtokenEnabled::<T>::get(netuid)
    }

    /// First block with emission, of a subnet that has started.
    pub fn first_emission_block(netuid: NetUid) -> Option<u64> {
        FirstEmissionBlockNumber::<T>::get(netuid)
    }

    /// Whether the pool of `netuid` takes part in TAO emission.
    pub fn emission_enabled(netuid: NetUid) -> bool {
        SubnetEmissionEnabled::<T>::get(netuid)
    }

    /// Block of registration.
    pub fn registered_at(netuid: NetUid) -> u64 {
        NetworkRegisteredAt::<T>::get(netuid)
    }

    /// Symbol of the token, UTF-8.
    pub fn token_symbol(netuid: NetUid) -> Vec<u8> {
        TokenSymbol::<T>::get(netuid)
    }

    /// What new subnets start with.
    pub fn new_subnet_parameters() -> SubnetParameters {
        NewSubnetParameters::<T>::get()
    }

    /// Price of a subnet in this block, in rao.
    pub fn lock_cost() -> Tao {
        let cost = LockCost {
            last_cost_rao: NetworkLastLockCost::<T>::get(),
            last_block: Self::last_limited_block(&RateLimitKey::NetworkLastRegistered),
            min_cost_rao: NetworkMinLockCost::<T>::get(),
            reduction_interval_blocks: NetworkLockReductionInterval::<T>::get(),
        };
        cost.cost_rao(Self::now(), Self::block_emission_for(Self::total_issuance()))
    }

    /// Whether enough blocks have passed since the last subnet registration.
    pub fn network_rate_limit_passed() -> bool {
        Self::rate_limit_passed(&RateLimitKey::NetworkLastRegistered, NetworkRateLimit::<T>::get())
    }

    pub(crate) fn set_subnet_costs(chain: &ChainParameters) {
        NewSubnetParameters::<T>::put(chain.new_subnet.clone());
        NetworkRateLimit::<T>::put(chain.network_rate_limit);
        NetworkMinLockCost::<T>::put(chain.min_lock_cost);
        NetworkLastLockCost::<T>::put(chain.min_lock_cost);
        NetworkLockReductionInterval::<T>::put(chain.lock_reduction_interval);
    }

    pub(crate) fn create_root() {
        NetworksAdded::<T>::insert(ROOT, true);
        TotalNetworks::<T>::put(1);
        SubtokenEnabled::<T>::insert(ROOT, true);
        TokenSymbol::<T>::insert(ROOT, symbols::symbol(ROOT).unwrap_or_default());
    }

    pub(crate) fn do_register_network(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        identity: Option<SubnetIdentityV3>,
    ) -> DispatchResult {
        Self::ensure_hotkey_is_free_or_owned(coldkey, hotkey)?;
        ensure!(!Self::is_pool_account(hotkey), Error::<T>::CannotUseSystemAccount);
        ensure!(
            Self::now() >= NetworkRegistrationStartBlock::<T>::get(),
            Error::<T>::SubNetRegistrationDisabled
        );
        ensure!(Self::network_rate_limit_passed(), Error::<T>::NetworkTxRateLimitExceeded);
        let netuid = Self::free_netuid()?;
        let cost = Self::lock_cost();
        ensure!(Self::can_pay(coldkey, cost), Error::<T>::CannotAffordLockCost);

        let median_price = Self::median_price();
        let paid = Self::pay_lock(coldkey, netuid, cost)?;
        Self::create_subnet(netuid, coldkey, hotkey)?;
        Self::seed_pool(netuid, paid, median_price)?;
        if let Some(identity) = identity {
            Self::put_subnet_identity(netuid, identity)?;
        }
        Self::deposit_event(Event::NetworkAdded(netuid, 1));
        Ok(())
    }

    pub(crate) fn do_start_call(coldkey: &T::AccountId, netuid: NetUid) -> DispatchResult {
        ensure!(Self::subnet_exists(netuid), Error::<T>::SubnetNotExists);
        ensure!(&Self::owner_coldkey(netuid) == coldkey, DispatchError::BadOrigin);
        ensure!(
            !FirstEmissionBlockNumber::<T>::contains_key(netuid),
            Error::<T>::FirstEmissionBlockNumberAlreadySet
        );
        let earliest = Self::registered_at(netuid).saturating_add(StartCallDelay::<T>::get());
        ensure!(Self::now() >= earliest, Error::<T>::NeedWaitingMoreBlocksToStarCall);

        let first_block = Self::now().saturating_add(1);
        FirstEmissionBlockNumber::<T>::insert(netuid, first_block);
        SubtokenEnabled::<T>::insert(netuid, true);
        Self::deposit_event(Event::FirstEmissionBlockNumberSet(netuid, first_block));
        Ok(())
    }

    /// The smallest netuid that is not in use.
    fn free_netuid() -> Result<NetUid, Error<T>> {
        let markets = TotalNetworks::<T>::get().saturating_sub(1);
        ensure!(markets < SubnetLimit::<T>::get(), Error::<T>::SubnetLimitReached);
        (1..MAX_SUBNETS).find(|netuid| !Self::subnet_exists(*netuid)).ok_or(Error::<T>::SubnetLimitReached)
    }

    fn can_pay(coldkey: &T::AccountId, cost: Tao) -> bool {
        T::Currency::reducible_balance(coldkey, Preservation::Expendable, Fortitude::Polite) >= cost
    }

    /// Moves the lock to the pool's account and remembers what was paid.
    fn pay_lock(coldkey: &T::AccountId, netuid: NetUid, cost: Tao) -> Result<Tao, DispatchError> {
        let paid = Self::pay_into_pool(coldkey, netuid, cost)?;
        SubnetLocked::<T>::insert(netuid, paid);
        NetworkLastLockCost::<T>::put(paid);
        Self::touch_rate_limit(RateLimitKey::NetworkLastRegistered);
        Ok(paid)
    }

    fn create_subnet(netuid: NetUid, coldkey: &T::AccountId, hotkey: &T::AccountId) -> DispatchResult {
        let now = Self::now();
        let parameters = NewSubnetParameters::<T>::get();
        NetworksAdded::<T>::insert(netuid, true);
        TotalNetworks::<T>::mutate(|total| *total = total.saturating_add(1));
        NetworkRegisteredAt::<T>::insert(netuid, now);
        RegisteredSubnetCounter::<T>::mutate(netuid, |count| *count = count.saturating_add(1));
        SubnetOwner::<T>::insert(netuid, coldkey);
        SubnetOwnerHotkey::<T>::insert(netuid, hotkey);
        SubnetEmissionEnabled::<T>::insert(netuid, parameters.emission_enabled);
        TokenSymbol::<T>::insert(netuid, Self::pick_symbol(netuid));

        Self::set_new_subnet_hyperparameters(netuid, &parameters);
        Self::start_epoch_clock(netuid);
        Self::open_registration(netuid);
        Self::create_hotkey_if_missing(coldkey, hotkey)?;
        Self::append_neuron(netuid, hotkey)?;
        Ok(())
    }

    /// The subnet's own symbol, else the first that no subnet uses, else the default.
    fn pick_symbol(netuid: NetUid) -> Vec<u8> {
        let used: Vec<Vec<u8>> = TokenSymbol::<T>::iter_values().collect();
        let free = |symbol: &Vec<u8>| !used.contains(symbol);
        symbols::symbol(netuid)
            .filter(free)
            .or_else(|| symbols::all().find(free))
            .unwrap_or_else(defaults::DefaultTokenSymbol::get)
    }

    /// Puts the lock into the pool, at the median price of the existing pools; the rest of the lock is destroyed.
    fn seed_pool(netuid: NetUid, paid: Tao, median_price: U64F64) -> DispatchResult {
        let seed = initial_pool(paid, NetworkMinLockCost::<T>::get(), median_price);
        Self::create_pool(netuid, pools::Mechanism::Dynamic, seed.tao_rao, seed.alpha_rao);
        Self::burn_from_pool(netuid, seed.recycled_rao)
    }
}
