//! Where neurons answer.

pub mod storage;

use frame_support::{ensure, pallet_prelude::*};

use crate::*;

const IPV4_BROADCAST: u128 = u32::MAX as u128;
const IPV4_LOOPBACK: u128 = 0x7f00_0001;
const IPV6_LOOPBACK: u128 = 1;

impl<T: Config> Pallet<T> {
    /// Where `hotkey` answers on `netuid`.
    pub fn axon(netuid: NetUid, hotkey: &T::AccountId) -> Option<AxonInfo> {
        Axons::<T>::get(netuid, hotkey)
    }

    /// Where `hotkey` serves metrics on `netuid`.
    pub fn prometheus(netuid: NetUid, hotkey: &T::AccountId) -> Option<PrometheusInfo> {
        Prometheus::<T>::get(netuid, hotkey)
    }

    /// Whether `hotkey` may announce `axon` on `netuid` in this block.
    ///
    /// # Errors
    /// Not registered, not an address, too soon, or no port; in that order.
    pub fn check_axon(netuid: NetUid, hotkey: &T::AccountId, axon: &AxonInfo) -> Result<(), Error<T>> {
        ensure!(Self::is_registered(netuid, hotkey), Error::<T>::HotKeyNotRegisteredInNetwork);
        Self::check_address(axon.ip_type, axon.ip)?;
        let last = Self::axon(netuid, hotkey).map_or(0, |axon| axon.block);
        Self::check_serving_rate(netuid, last)?;
        ensure!(axon.port != 0, Error::<T>::InvalidPort);
        Ok(())
    }

    /// Whether `hotkey` may announce the metrics endpoint on `netuid` in this block.
    ///
    /// # Errors
    /// Not an address, not registered, too soon, or no port; in that order.
    pub fn check_prometheus(
        netuid: NetUid,
        hotkey: &T::AccountId,
        endpoint: &PrometheusInfo,
    ) -> Result<(), Error<T>> {
        Self::check_address(endpoint.ip_type, endpoint.ip)?;
        ensure!(endpoint.ip != 0, Error::<T>::InvalidIpAddress);
        ensure!(Self::is_registered(netuid, hotkey), Error::<T>::HotKeyNotRegisteredInNetwork);
        let last = Self::prometheus(netuid, hotkey).map_or(0, |endpoint| endpoint.block);
        Self::check_serving_rate(netuid, last)?;
        ensure!(endpoint.port != 0, Error::<T>::InvalidPort);
        Ok(())
    }

    pub(crate) fn do_serve_axon(hotkey: T::AccountId, netuid: NetUid, axon: AxonInfo) -> DispatchResult {
        Self::check_axon(netuid, &hotkey, &axon)?;
        Axons::<T>::insert(netuid, &hotkey, axon);
        Self::deposit_event(Event::AxonServed(netuid, hotkey));
        Ok(())
    }

    pub(crate) fn do_serve_prometheus(
        hotkey: T::AccountId,
        netuid: NetUid,
        endpoint: PrometheusInfo,
    ) -> DispatchResult {
        Self::check_prometheus(netuid, &hotkey, &endpoint)?;
        Prometheus::<T>::insert(netuid, &hotkey, endpoint);
        Self::deposit_event(Event::PrometheusServed(netuid, hotkey));
        Ok(())
    }

    pub(crate) fn forget_endpoints(netuid: NetUid, hotkey: &T::AccountId) {
        Axons::<T>::remove(netuid, hotkey);
        Prometheus::<T>::remove(netuid, hotkey);
    }

    fn check_serving_rate(netuid: NetUid, last: u64) -> Result<(), Error<T>> {
        let limit = Self::serving_rate_limit(netuid);
        let passed = limit == 0 || last == 0 || Self::now().saturating_sub(last) >= limit;
        ensure!(passed, Error::<T>::ServingRateLimitExceeded);
        Ok(())
    }

    fn check_address(ip_type: u8, ip: u128) -> Result<(), Error<T>> {
        let loopback_allowed = Self::new_subnet_parameters().loopback_allowed;
        let valid = match ip_type {
            4 => ip < IPV4_BROADCAST && (loopback_allowed || ip != IPV4_LOOPBACK),
            6 => ip != u128::MAX && (loopback_allowed || ip != IPV6_LOOPBACK),
            _ => return Err(Error::<T>::InvalidIpType),
        };
        ensure!(valid, Error::<T>::InvalidIpAddress);
        Ok(())
    }
}
