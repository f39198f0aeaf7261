//! Alpha behind hotkeys, and whose it is.
//!
//! A hotkey's alpha on a subnet is one number; who staked it holds *shares* of it. Dividends raise the number and so reach
//! every holder without touching any of them. On root, alpha is TAO.

pub mod storage;

use alloc::vec::Vec;

use frame_support::{
    ensure,
    pallet_prelude::*,
    storage::generator::StorageDoubleMap as _,
    traits::{
        fungible::{Inspect, Mutate},
        tokens::{Fortitude, Precision, Preservation},
    },
};
use myelin_economy::{
    constants::MIN_STAKE_RAO,
    pool::Side,
    share_pool::{SharePool, SharePoolUpdate},
    stake::{inherited_stake, ParentLink, StakePair},
};

use crate::{
    pools::{no_limit, Fee, Trade},
    *,
};

impl<T: Config> Pallet<T> {
    /// Alpha behind `hotkey` on `netuid`, its own and its nominators'.
    pub fn hotkey_alpha(hotkey: &T::AccountId, netuid: NetUid) -> Alpha {
        TotalHotkeyAlpha::<T>::get(hotkey, netuid)
    }

    /// Alpha of `coldkey` behind `hotkey` on `netuid`.
    pub fn stake_of(hotkey: &T::AccountId, coldkey: &T::AccountId, netuid: NetUid) -> Alpha {
        Self::share_pool(hotkey, netuid).value_of(AlphaV2::<T>::get((hotkey, coldkey, netuid)))
    }

    /// All who stake behind `hotkey`, with the subnet and their alpha there.
    pub fn nominators_of(hotkey: &T::AccountId) -> Vec<(T::AccountId, NetUid, Alpha)> {
        AlphaV2::<T>::iter_prefix((hotkey,))
            .map(|((coldkey, netuid), shares)| {
                (coldkey, netuid, Self::share_pool(hotkey, netuid).value_of(shares))
            })
            .collect()
    }

    /// Hotkeys that `coldkey` has stake with, or had.
    pub fn staking_hotkeys(coldkey: &T::AccountId) -> Vec<T::AccountId> {
        StakingHotkeys::<T>::get(coldkey)
    }

    /// Hotkeys with alpha on any subnet: hotkey, subnet, alpha.
    pub fn all_hotkey_alpha() -> impl Iterator<Item = (T::AccountId, NetUid, Alpha)> {
        TotalHotkeyAlpha::<T>::iter()
    }

    /// What is behind `hotkey` itself on `netuid` and on root.
    pub fn own_stake(netuid: NetUid, hotkey: &T::AccountId) -> StakePair {
        StakePair {
            alpha_rao: Self::hotkey_alpha(hotkey, netuid),
            root_rao: Self::hotkey_alpha(hotkey, ROOT),
        }
    }

    /// What counts for `hotkey` on `netuid` after it has lent to its children and borrowed from its parents.
    pub fn effective_stake(netuid: NetUid, hotkey: &T::AccountId) -> StakePair {
        let children: Vec<u64> =
            Self::children_of(hotkey, netuid).into_iter().map(|(part, _)| part).collect();
        let parents: Vec<ParentLink> = Self::parents_of(hotkey, netuid)
            .into_iter()
            .map(|(proportion_u64, parent)| ParentLink {
                stake: Self::own_stake(netuid, &parent),
                proportion_u64,
            })
            .collect();
        inherited_stake(Self::own_stake(netuid, hotkey), &children, &parents)
    }

    /// Whole rao of stake that counts for `hotkey` on `netuid`: alpha, and TAO by its weight.
    pub fn weighted_stake_rao(netuid: NetUid, hotkey: &T::AccountId) -> u64 {
        Self::weighted_total(Self::effective_stake(netuid, hotkey)).saturating_to_num()
    }

    /// Where mining rewards of `coldkey` on `netuid` are staked, if not behind the miner.
    pub fn auto_stake_destination(coldkey: &T::AccountId, netuid: NetUid) -> Option<T::AccountId> {
        AutoStakeDestination::<T>::get(coldkey, netuid)
    }

    /// What the storage keys of those destinations start with.
    pub(crate) fn auto_stake_prefix() -> [u8; 32] {
        AutoStakeDestination::<T>::prefix_hash()
    }

    pub(crate) fn do_add_stake(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Tao,
    ) -> DispatchResult {
        Self::check_stakeable(coldkey, hotkey, netuid, amount)?;
        Self::buy_stake(coldkey, hotkey, netuid, amount, no_limit(Side::Buy))
    }

    pub(crate) fn do_add_stake_limit(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Tao,
        limit_price: Tao,
        allow_partial: bool,
    ) -> DispatchResult {
        let most = Self::most_until_limit(netuid, Side::Buy, limit_price);
        ensure!(allow_partial || amount <= most, Error::<T>::SlippageTooHigh);
        let amount = amount.min(most);
        Self::check_stakeable(coldkey, hotkey, netuid, amount)?;
        Self::buy_stake(coldkey, hotkey, netuid, amount, limit_price)?;
        if !Self::owns(coldkey, hotkey) {
            Self::become_delegate(hotkey);
        }
        Ok(())
    }

    pub(crate) fn do_remove_stake(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Alpha,
    ) -> DispatchResult {
        ensure!(Self::subnet_exists(netuid), Error::<T>::SubnetNotExists);
        ensure!(Self::subtoken_enabled(netuid), Error::<T>::SubtokenDisabled);
        let amount = amount.min(Self::stake_of(hotkey, coldkey, netuid));
        Self::check_unstakeable(coldkey, hotkey, netuid, amount)?;
        Self::sell_stake(coldkey, hotkey, netuid, amount, no_limit(Side::Sell))
    }

    pub(crate) fn do_remove_stake_limit(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Alpha,
        limit_price: Tao,
        allow_partial: bool,
    ) -> DispatchResult {
        ensure!(Self::subnet_exists(netuid), Error::<T>::SubnetNotExists);
        let most = Self::most_until_limit(netuid, Side::Sell, limit_price);
        ensure!(allow_partial || amount <= most, Error::<T>::SlippageTooHigh);
        let amount = amount.min(most);
        Self::check_unstakeable(coldkey, hotkey, netuid, amount)?;
        Self::sell_stake(coldkey, hotkey, netuid, amount, limit_price)
    }

    fn check_stakeable(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Tao,
    ) -> Result<(), Error<T>> {
        ensure!(Self::subnet_exists(netuid), Error::<T>::SubnetNotExists);
        ensure!(Self::subtoken_enabled(netuid), Error::<T>::SubtokenDisabled);
        let market = Self::market(netuid, Fee::Charged);
        ensure!(amount <= market.largest_input_rao(Side::Buy), Error::<T>::InsufficientLiquidity);
        ensure!(amount >= market.smallest_stake_rao(), Error::<T>::AmountTooLow);
        let spendable = T::Currency::reducible_balance(coldkey, Preservation::Expendable, Fortitude::Polite);
        ensure!(spendable >= amount, Error::<T>::NotEnoughBalanceToStake);
        ensure!(Self::hotkey_exists(hotkey), Error::<T>::HotKeyAccountNotExists);
        Self::ensure_may_stake_with(coldkey, hotkey)
    }

    /// Checks that there is room for `hotkey` among those that `coldkey` stakes with. The list is written as a whole.
    pub(crate) fn ensure_may_stake_with(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
    ) -> Result<(), Error<T>> {
        let hotkeys = StakingHotkeys::<T>::get(coldkey);
        let has_room = hotkeys.len() < MAX_HOTKEYS_OF_COLDKEY || hotkeys.contains(hotkey);
        ensure!(has_room, Error::<T>::TooManyStakingHotkeys);
        Ok(())
    }

    fn check_unstakeable(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Alpha,
    ) -> Result<(), Error<T>> {
        ensure!(amount > 0, Error::<T>::AmountTooLow);
        let market = Self::market(netuid, Fee::Charged);
        ensure!(amount <= market.largest_input_rao(Side::Sell), Error::<T>::InsufficientLiquidity);
        let held = Self::stake_of(hotkey, coldkey, netuid);
        ensure!(amount <= held, Error::<T>::NotEnoughStakeToWithdraw);
        let trade = Self::simulate_market(netuid, Side::Sell, amount, Fee::Charged)
            .map_err(|_| Error::<T>::InsufficientLiquidity)?;
        ensure!(amount == held || trade.paid_out >= MIN_STAKE_RAO, Error::<T>::AmountTooLow);
        ensure!(Self::hotkey_exists(hotkey), Error::<T>::HotKeyAccountNotExists);
        Ok(())
    }

    /// The most that can be traded before the price passes `limit_price`, fee included.
    fn most_until_limit(netuid: NetUid, side: Side, limit_price: Tao) -> u64 {
        Self::market(netuid, Fee::Charged).most_until_limit_rao(side, limit_price)
    }

    fn buy_stake(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Tao,
        limit_price: Tao,
    ) -> DispatchResult {
        let paid = Self::pay_into_pool(coldkey, netuid, amount)?;
        let trade = Self::swap(netuid, Side::Buy, paid, limit_price, Fee::Charged)?;
        ensure!(trade.paid_out > 0, Error::<T>::InsufficientLiquidity);
        Self::pay_out_of_pool(netuid, coldkey, trade.unfilled)?;
        Self::pay_fee_to_author(netuid, trade.fee)?;
        Self::credit_stake(hotkey, coldkey, netuid, trade.paid_out)?;
        Self::note_stake_change(hotkey, coldkey);
        Self::record_user_flow(netuid, trade.paid_in, 0);
        let spent = paid.saturating_sub(trade.unfilled);
        Self::deposit_event(Event::StakeAdded(
            coldkey.clone(),
            hotkey.clone(),
            spent,
            trade.paid_out,
            netuid,
            trade.fee,
        ));
        Ok(())
    }

    fn sell_stake(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Alpha,
        limit_price: Tao,
    ) -> DispatchResult {
        Self::debit_stake(hotkey, coldkey, netuid, amount)?;
        Self::note_stake_change(hotkey, coldkey);
        let trade = Self::swap(netuid, Side::Sell, amount, limit_price, Fee::Charged)?;
        if trade.unfilled > 0 {
            Self::credit_stake(hotkey, coldkey, netuid, trade.unfilled)?;
        }
        Self::pay_out_of_pool(netuid, coldkey, trade.paid_out)?;
        let author_tao = Self::sell_fee_for_author(netuid, trade.fee)?;
        Self::record_user_flow(netuid, 0, trade.paid_out.saturating_add(author_tao));
        Self::deposit_event(Event::StakeRemoved(
            coldkey.clone(),
            hotkey.clone(),
            trade.paid_out,
            amount.saturating_sub(trade.unfilled),
            netuid,
            trade.fee,
        ));
        Ok(())
    }

    /// Pays a fee in TAO, which lies on the pool's account, to the block's author, or burns it.
    pub(crate) fn pay_fee_to_author(netuid: NetUid, fee: Tao) -> DispatchResult {
        match T::BlockAuthor::get() {
            Some(author) if Self::can_receive(&author, fee) => Self::pay_out_of_pool(netuid, &author, fee),
            _ => Self::burn_from_pool(netuid, fee),
        }
    }

    fn can_receive(account: &T::AccountId, amount: Tao) -> bool {
        T::Currency::balance(account).saturating_add(amount) >= T::Currency::minimum_balance()
    }

    pub(crate) fn burn_from_pool(netuid: NetUid, amount: Tao) -> DispatchResult {
        if amount > 0 {
            T::Currency::burn_from(
                &Self::pool_account(netuid),
                amount,
                Preservation::Expendable,
                Precision::Exact,
                Fortitude::Force,
            )?;
        }
        Ok(())
    }

    /// Sells a fee in alpha for the block's author. What cannot be sold stays with nobody. Returns the TAO paid.
    fn sell_fee_for_author(netuid: NetUid, fee: Alpha) -> Result<Tao, DispatchError> {
        if fee == 0 {
            return Ok(0);
        }
        if T::BlockAuthor::get().is_none()
            || Self::simulate_market(netuid, Side::Sell, fee, Fee::Waived).is_err()
        {
            Self::leave_unassigned(netuid, fee);
            return Ok(0);
        }
        let trade: Trade = Self::swap_at_market(netuid, Side::Sell, fee, Fee::Waived)?;
        Self::leave_unassigned(netuid, trade.unfilled);
        Self::pay_fee_to_author(netuid, trade.paid_out)?;
        Ok(trade.paid_out)
    }

    fn share_pool(hotkey: &T::AccountId, netuid: NetUid) -> SharePool {
        SharePool {
            value_rao: TotalHotkeyAlpha::<T>::get(hotkey, netuid),
            shares: TotalHotkeySharesV2::<T>::get(hotkey, netuid),
        }
    }

    fn put_share_pool(hotkey: &T::AccountId, netuid: NetUid, pool: &SharePool) {
        if pool.value_rao == 0 {
            TotalHotkeyAlpha::<T>::remove(hotkey, netuid);
        } else {
            TotalHotkeyAlpha::<T>::insert(hotkey, netuid, pool.value_rao);
        }
        if pool.shares.is_zero() {
            TotalHotkeySharesV2::<T>::remove(hotkey, netuid);
        } else {
            TotalHotkeySharesV2::<T>::insert(hotkey, netuid, pool.shares);
        }
    }

    fn put_share_update(
        hotkey: &T::AccountId,
        coldkey: &T::AccountId,
        netuid: NetUid,
        update: &SharePoolUpdate,
    ) {
        if update.restarted {
            Self::forget_shares(hotkey, netuid);
        }
        Self::put_share_pool(hotkey, netuid, &update.pool);
        if update.member_shares.is_zero() {
            AlphaV2::<T>::remove((hotkey, coldkey, netuid));
        } else {
            AlphaV2::<T>::insert((hotkey, coldkey, netuid), update.member_shares);
        }
    }

    /// Notes that the staker themself has changed a stake.
    fn note_stake_change(hotkey: &T::AccountId, coldkey: &T::AccountId) {
        LastColdkeyHotkeyStakeBlock::<T>::insert(coldkey, hotkey, Self::now());
    }

    /// Removes shares that are worth nothing any more.
    fn forget_shares(hotkey: &T::AccountId, netuid: NetUid) {
        let holders: Vec<T::AccountId> = AlphaV2::<T>::iter_key_prefix((hotkey,))
            .filter_map(|(coldkey, of)| (of == netuid).then_some(coldkey))
            .collect();
        for coldkey in holders {
            AlphaV2::<T>::remove((hotkey, coldkey, netuid));
        }
    }

    /// Adds alpha of `coldkey` behind `hotkey`.
    pub(crate) fn credit_stake(
        hotkey: &T::AccountId,
        coldkey: &T::AccountId,
        netuid: NetUid,
        amount: Alpha,
    ) -> Result<(), Error<T>> {
        let update = Self::share_pool(hotkey, netuid)
            .deposit(AlphaV2::<T>::get((hotkey, coldkey, netuid)), amount)
            .map_err(|_| Error::<T>::InsufficientLiquidity)?;
        Self::put_share_update(hotkey, coldkey, netuid, &update);
        Self::track_staking_hotkey(coldkey, hotkey);
        if netuid == ROOT {
            Self::root_stake_added(hotkey, coldkey, amount);
        }
        Ok(())
    }

    /// Takes alpha of `coldkey` from behind `hotkey`.
    fn debit_stake(
        hotkey: &T::AccountId,
        coldkey: &T::AccountId,
        netuid: NetUid,
        amount: Alpha,
    ) -> Result<(), Error<T>> {
        let update = Self::share_pool(hotkey, netuid)
            .withdraw(AlphaV2::<T>::get((hotkey, coldkey, netuid)), amount)
            .map_err(|_| Error::<T>::NotEnoughStakeToWithdraw)?;
        Self::put_share_update(hotkey, coldkey, netuid, &update);
        if netuid == ROOT {
            Self::root_stake_removed(hotkey, coldkey, amount);
        }
        Ok(())
    }

    /// Adds alpha for all who stake behind `hotkey`; for its owner, if nobody does.
    pub(crate) fn credit_nominators(
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Alpha,
    ) -> Result<(), Error<T>> {
        let pool = Self::share_pool(hotkey, netuid);
        if pool.shares.is_zero() {
            return Self::credit_stake(hotkey, &Self::coldkey_of(hotkey), netuid, amount);
        }
        let pool = pool.credit_all(amount).map_err(|_| Error::<T>::Overflow)?;
        Self::put_share_pool(hotkey, netuid, &pool);
        Ok(())
    }

    pub(crate) fn record_alpha_at_epoch(hotkey: &T::AccountId, netuid: NetUid) {
        TotalHotkeyAlphaLastEpoch::<T>::insert(hotkey, netuid, Self::hotkey_alpha(hotkey, netuid));
    }

    pub(crate) fn track_staking_hotkey(coldkey: &T::AccountId, hotkey: &T::AccountId) {
        let mut hotkeys = StakingHotkeys::<T>::get(coldkey);
        if !hotkeys.contains(hotkey) {
            hotkeys.push(hotkey.clone());
            StakingHotkeys::<T>::insert(coldkey, hotkeys);
        }
    }
}
