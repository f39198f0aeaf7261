//! The price of a slot, and who makes room.

pub mod storage;

use alloc::vec::Vec;

use frame_support::{
    ensure,
    pallet_prelude::*,
    traits::{
        fungible::Inspect,
        tokens::{Fortitude, Preservation},
    },
};
use myelin_economy::{
    constants::NEW_SUBNET_BURN_RAO,
    pool::Side,
    registration::{
        immune_owner_uids, neuron_to_prune, root_interval_cap, root_seat_to_take, BurnPolicy, PruneCandidate,
        PrunePolicy,
    },
};

use crate::{pools::Fee, *};

impl<T: Config> Pallet<T> {
    /// Price of a slot, in rao.
    pub fn burn(netuid: NetUid) -> Tao {
        Burn::<T>::get(netuid)
    }

    /// Bounds of the price of a slot, in rao.
    pub fn burn_bounds(netuid: NetUid) -> (Tao, Tao) {
        (MinBurn::<T>::get(netuid), MaxBurn::<T>::get(netuid))
    }

    /// Blocks in which the price halves, and the factor of one registration.
    pub fn burn_dynamics(netuid: NetUid) -> (u16, substrate_fixed::types::U64F64) {
        (BurnHalfLife::<T>::get(netuid), BurnIncreaseMult::<T>::get(netuid))
    }

    /// Whether neurons can register on `netuid`.
    pub fn registration_allowed(netuid: NetUid) -> bool {
        NetworkRegistrationAllowed::<T>::get(netuid)
    }

    /// Most registrations in a block, and a third of the most in an interval; root only.
    pub fn registration_caps(netuid: NetUid) -> (u16, u16) {
        (MaxRegistrationsPerBlock::<T>::get(netuid), TargetRegistrationsPerInterval::<T>::get(netuid))
    }

    pub(crate) fn open_registration(netuid: NetUid) {
        Burn::<T>::insert(netuid, NEW_SUBNET_BURN_RAO);
        NetworkRegistrationAllowed::<T>::insert(netuid, true);
    }

    pub(crate) fn set_root_registration(target: u16) {
        NetworkRegistrationAllowed::<T>::insert(ROOT, true);
        TargetRegistrationsPerInterval::<T>::insert(ROOT, target);
        MaxRegistrationsPerBlock::<T>::insert(ROOT, target);
    }

    /// Lets prices decay and opens a new block for registrations.
    pub(crate) fn roll_registration(netuid: NetUid) {
        let now = Self::now();
        let burn = Self::burn_policy(netuid).decayed_rao(Self::burn(netuid), now);
        put_if_changed::<Burn<T>, _>(netuid, burn);
        put_if_changed::<RegistrationsThisBlock<T>, _>(netuid, 0);
        if netuid == ROOT && Self::epoch_schedule(ROOT).is_due(now) {
            RegistrationsThisInterval::<T>::insert(ROOT, 0);
        }
    }

    pub(crate) fn do_burned_register(
        coldkey: &T::AccountId,
        netuid: NetUid,
        hotkey: &T::AccountId,
    ) -> DispatchResult {
        ensure!(netuid != ROOT, Error::<T>::RegistrationNotPermittedOnRootSubnet);
        ensure!(Self::subnet_exists(netuid), Error::<T>::SubnetNotExists);
        ensure!(Self::registration_allowed(netuid), Error::<T>::SubNetRegistrationDisabled);
        ensure!(!Self::is_registered(netuid, hotkey), Error::<T>::HotKeyAlreadyRegisteredInSubNet);
        let price = Self::burn(netuid);
        let spendable = T::Currency::reducible_balance(coldkey, Preservation::Expendable, Fortitude::Polite);
        ensure!(spendable >= price, Error::<T>::NotEnoughBalanceToStake);
        Self::create_hotkey_if_missing(coldkey, hotkey)?;
        ensure!(Self::owns(coldkey, hotkey), Error::<T>::NonAssociatedColdKey);
        let slot = Self::free_slot(netuid)?;

        let paid = Self::pay_for_slot(coldkey, netuid, price)?;
        let uid = Self::fill_slot(netuid, slot, hotkey)?;
        Burn::<T>::mutate(netuid, |burn| *burn = Self::burn_policy(netuid).after_registration_rao(*burn));
        RegistrationsThisBlock::<T>::mutate(netuid, |count| *count = count.saturating_add(1));
        let recycled = RAORecycledForRegistration::<T>::mutate(netuid, |total| {
            *total = total.saturating_add(paid);
            *total
        });
        Self::deposit_event(Event::RAORecycledForRegistrationSet(netuid, recycled));
        Self::deposit_event(Event::NeuronRegistered(netuid, uid, hotkey.clone()));
        Ok(())
    }

    pub(crate) fn do_root_register(coldkey: &T::AccountId, hotkey: &T::AccountId) -> DispatchResult {
        let (block_cap, interval_target) = Self::registration_caps(ROOT);
        ensure!(
            RegistrationsThisBlock::<T>::get(ROOT) < block_cap,
            Error::<T>::TooManyRegistrationsThisBlock
        );
        ensure!(
            RegistrationsThisInterval::<T>::get(ROOT) < root_interval_cap(interval_target),
            Error::<T>::TooManyRegistrationsThisInterval
        );
        ensure!(!Self::is_registered(ROOT, hotkey), Error::<T>::HotKeyAlreadyRegisteredInSubNet);
        Self::create_hotkey_if_missing(coldkey, hotkey)?;
        let slot = Self::root_seat_for(hotkey)?;
        let uid = Self::fill_slot(ROOT, slot, hotkey)?;
        Self::become_delegate(hotkey);
        RegistrationsThisBlock::<T>::mutate(ROOT, |count| *count = count.saturating_add(1));
        RegistrationsThisInterval::<T>::mutate(ROOT, |count| *count = count.saturating_add(1));
        Self::deposit_event(Event::NeuronRegistered(ROOT, uid, hotkey.clone()));
        Ok(())
    }

    /// Trades the price of a slot for alpha and takes that out of issuance: the TAO stays in the pool.
    fn pay_for_slot(coldkey: &T::AccountId, netuid: NetUid, price: Tao) -> Result<Tao, DispatchError> {
        let paid = Self::pay_into_pool(coldkey, netuid, price)?;
        let trade = Self::swap_at_market(netuid, Side::Buy, paid, Fee::Charged)?;
        Self::pay_out_of_pool(netuid, coldkey, trade.unfilled)?;
        Self::pay_fee_to_author(netuid, trade.fee)?;
        Self::recycle_alpha(netuid, trade.paid_out);
        Self::record_user_flow(netuid, trade.paid_in, 0);
        Ok(paid.saturating_sub(trade.unfilled))
    }

    fn fill_slot(netuid: NetUid, slot: Option<Uid>, hotkey: &T::AccountId) -> Result<Uid, Error<T>> {
        match slot {
            None => Self::append_neuron(netuid, hotkey),
            Some(uid) => {
                Self::replace_neuron(netuid, uid, hotkey);
                Ok(uid)
            }
        }
    }

    /// The slot to replace, or `None` if the subnet can grow.
    fn free_slot(netuid: NetUid) -> Result<Option<Uid>, Error<T>> {
        let most = Self::max_allowed_uids(netuid);
        ensure!(most > 0, Error::<T>::NoNeuronIdAvailable);
        if Self::neuron_count(netuid) < most {
            return Ok(None);
        }
        let policy = PrunePolicy {
            immunity_period_blocks: u64::from(Self::immunity_period(netuid)),
            min_non_immune_uids: MinNonImmuneUids::<T>::get(netuid),
        };
        neuron_to_prune(&Self::prune_candidates(netuid), policy, Self::now())
            .map(Some)
            .ok_or(Error::<T>::NoNeuronIdAvailable)
    }

    fn prune_candidates(netuid: NetUid) -> Vec<PruneCandidate> {
        let immune = Self::immune_owner_slots(netuid);
        let emission = Self::neuron_emission(netuid);
        (0..Self::neuron_count(netuid))
            .map(|uid| PruneCandidate {
                uid,
                emission_rao: emission.get(usize::from(uid)).copied().unwrap_or_default(),
                registered_block: Self::registered_block(netuid, uid),
                is_owner_immune: immune.contains(&uid),
            })
            .collect()
    }

    fn immune_owner_slots(netuid: NetUid) -> Vec<Uid> {
        let owned: Vec<(Uid, u64)> = Self::hotkeys_of(&Self::owner_coldkey(netuid))
            .iter()
            .filter_map(|hotkey| Self::uid_of(netuid, hotkey))
            .map(|uid| (uid, Self::registered_block(netuid, uid)))
            .collect();
        let owner_uid = Self::uid_of(netuid, &Self::owner_hotkey(netuid));
        immune_owner_uids(&owned, owner_uid, ImmuneOwnerUidsLimit::<T>::get(netuid))
    }

    /// The seat on root for `hotkey`: a free one, or that of the member with the least stake, if it has less.
    fn root_seat_for(hotkey: &T::AccountId) -> Result<Option<Uid>, Error<T>> {
        if Self::neuron_count(ROOT) < Self::max_allowed_uids(ROOT) {
            return Ok(None);
        }
        let members = Self::hotkeys(ROOT);
        ensure!(!members.is_empty(), Error::<T>::NoNeuronIdAvailable);
        let stakes: Vec<Alpha> = members.iter().map(|member| Self::hotkey_alpha(member, ROOT)).collect();
        let seat = root_seat_to_take(&stakes, Self::hotkey_alpha(hotkey, ROOT));
        seat.map(Some).ok_or(Error::<T>::StakeTooLowForRoot)
    }

    fn burn_policy(netuid: NetUid) -> BurnPolicy {
        let (half_life_blocks, increase) = Self::burn_dynamics(netuid);
        let (min_rao, max_rao) = Self::burn_bounds(netuid);
        BurnPolicy { half_life_blocks, increase, min_rao, max_rao }
    }
}
