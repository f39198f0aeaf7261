//! Whether money is conserved.
//!
//! * The balance of a pool's account is the subnet's TAO reserve, and the deposit that keeps the account alive where there
//!   is one.
//! * All reserves together are the total stake.
//! * Every alpha outside a pool is staked, set aside for the next epoch, set aside for claims of root, held by the
//!   protocol, or noted as unassigned.
//! * The market's issuance is the ledger's.
//!
//! That the ledger's issuance is the sum of all accounts is for the runtime to check, which knows them all.

use alloc::{collections::BTreeMap, vec::Vec};

use codec::{Decode, Encode};
use frame_support::traits::fungible::Inspect;
use scale_info::TypeInfo;

use crate::*;

/// Where the TAO and alpha of one subnet are.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, TypeInfo, serde::Serialize, serde::Deserialize,
)]
pub struct SubnetAudit {
    /// The subnet.
    pub netuid: NetUid,
    /// Balance of the pool's account, in rao.
    pub pool_account_rao: Tao,
    /// Recorded TAO reserve, in rao.
    pub tao_reserve_rao: Tao,
    /// What the account holds beside the reserve, in rao.
    pub pool_deposit_rao: Tao,
    /// Recorded alpha outside the pool.
    pub alpha_out: Alpha,
    /// Alpha behind hotkeys.
    pub staked: Alpha,
    /// Alpha set aside for the next epoch.
    pub pending: Alpha,
    /// Alpha set aside for claims of root.
    pub root_claims: Alpha,
    /// Alpha held by the protocol.
    pub protocol: Alpha,
    /// Alpha that nobody holds.
    pub unassigned: Alpha,
}

impl SubnetAudit {
    /// Whether both sums agree.
    pub fn holds(&self) -> bool {
        let parts = [self.staked, self.pending, self.root_claims, self.protocol, self.unassigned];
        let held: u128 = parts.into_iter().map(u128::from).sum();
        let backing = u128::from(self.tao_reserve_rao).saturating_add(u128::from(self.pool_deposit_rao));
        u128::from(self.pool_account_rao) == backing && held == u128::from(self.alpha_out)
    }
}

/// Where all TAO and alpha is.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, TypeInfo, serde::Serialize, serde::Deserialize,
)]
pub struct MarketAudit {
    /// Issuance that the ledger records, in rao.
    pub ledger_issuance_rao: Tao,
    /// Issuance that the market records, in rao.
    pub market_issuance_rao: Tao,
    /// Recorded TAO in all pools and on root, in rao.
    pub total_stake_rao: Tao,
    /// Subnet by subnet.
    pub subnets: Vec<SubnetAudit>,
}

impl MarketAudit {
    /// Whether every sum agrees.
    pub fn holds(&self) -> bool {
        let reserves: u128 = self.subnets.iter().map(|subnet| u128::from(subnet.tao_reserve_rao)).sum();
        self.ledger_issuance_rao == self.market_issuance_rao
            && reserves == u128::from(self.total_stake_rao)
            && self.subnets.iter().all(SubnetAudit::holds)
    }
}

impl<T: Config> Pallet<T> {
    /// Adds up where all TAO and alpha is. Between blocks, [`MarketAudit::holds`].
    ///
    /// Reads every hotkey: costs time in proportion to the stakes on the chain.
    pub fn audit() -> MarketAudit {
        let mut staked = BTreeMap::<NetUid, Alpha>::new();
        for (_, netuid, alpha) in Self::all_hotkey_alpha() {
            let total = staked.entry(netuid).or_default();
            *total = total.saturating_add(alpha);
        }
        let subnets = Self::all_netuids()
            .into_iter()
            .map(|netuid| Self::audit_subnet(netuid, staked.get(&netuid).copied().unwrap_or_default()))
            .collect();
        MarketAudit {
            ledger_issuance_rao: T::Currency::total_issuance(),
            market_issuance_rao: Self::total_issuance(),
            total_stake_rao: Self::total_stake(),
            subnets,
        }
    }

    /// Whether root may write what stands under a storage key, because the books do not depend on it: rules, prices, and
    /// records of what was.
    pub fn is_beside_the_books(key: &[u8]) -> bool {
        let records = [
            Self::last_update_prefix(),
            Self::moving_price_prefix(),
            Self::auto_stake_prefix(),
            Self::dividend_share_prefix(),
        ];
        let prefixes = Self::parameter_prefixes()
            .chain(Self::delegation_prefixes())
            .chain(Self::dividend_prefixes())
            .chain(records);
        prefixes.into_iter().any(|prefix| key.starts_with(&prefix))
    }

    fn audit_subnet(netuid: NetUid, staked: Alpha) -> SubnetAudit {
        let pots = Self::pending_emission(netuid);
        SubnetAudit {
            netuid,
            pool_account_rao: T::Currency::balance(&Self::pool_account(netuid)),
            tao_reserve_rao: Self::tao_reserve(netuid),
            pool_deposit_rao: Self::pool_deposit(netuid),
            alpha_out: Self::alpha_out(netuid),
            staked,
            pending: pots.epoch_emission_rao().saturating_add(pots.owner_cut_rao),
            root_claims: Self::root_claim_pot(netuid),
            protocol: Self::protocol_alpha(netuid),
            unassigned: Self::unassigned_alpha(netuid),
        }
    }
}
