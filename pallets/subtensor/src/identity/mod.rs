//! Names.

pub mod storage;

use alloc::vec::Vec;

use frame_support::ensure;

use crate::*;

const SHORT_TEXT_BYTES: usize = 256;
const LONG_TEXT_BYTES: usize = 1024;

impl<T: Config> Pallet<T> {
    /// How `coldkey` presents itself.
    pub fn coldkey_identity(coldkey: &T::AccountId) -> Option<ChainIdentityV2> {
        IdentitiesV2::<T>::get(coldkey)
    }

    /// How `netuid` presents itself.
    pub fn subnet_identity(netuid: NetUid) -> Option<SubnetIdentityV3> {
        SubnetIdentitiesV3::<T>::get(netuid)
    }

    /// Name of `netuid` to show.
    pub fn subnet_name(netuid: NetUid) -> Vec<u8> {
        let named = Self::subnet_identity(netuid).map(|identity| identity.subnet_name).unwrap_or_default();
        match (named.is_empty(), netuid) {
            (false, _) => named,
            (true, ROOT) => b"root".to_vec(),
            (true, _) => b"unknown".to_vec(),
        }
    }

    pub(crate) fn put_subnet_identity(netuid: NetUid, identity: SubnetIdentityV3) -> Result<(), Error<T>> {
        let short = [&identity.subnet_name, &identity.discord];
        let long = [
            &identity.github_repo,
            &identity.subnet_contact,
            &identity.subnet_url,
            &identity.description,
            &identity.logo_url,
            &identity.additional,
        ];
        let fits = short.iter().all(|text| text.len() <= SHORT_TEXT_BYTES)
            && long.iter().all(|text| text.len() <= LONG_TEXT_BYTES);
        ensure!(fits, Error::<T>::InvalidIdentity);
        SubnetIdentitiesV3::<T>::insert(netuid, identity);
        Ok(())
    }
}
