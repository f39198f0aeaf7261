//! What a chain starts from, and what its new subnets start with.
//!
//! Periods are counted in blocks, so a chain with other than 12-second blocks wants other numbers. They are state, set in
//! genesis, so that one binary serves chains of different pace.

use crate::*;

/// What a new subnet starts with.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    codec::Encode,
    codec::Decode,
    scale_info::TypeInfo,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct SubnetParameters {
    /// Blocks in an epoch.
    pub tempo: u16,
    /// Blocks during which a new neuron is replaced last.
    pub immunity_period: u16,
    /// Fewest blocks between two weight settings of one validator.
    pub weights_set_rate_limit: u64,
    /// Fewest blocks between two announcements of one neuron.
    pub serving_rate_limit: u64,
    /// Whether the pool takes part in TAO emission without a decision of the chain.
    pub emission_enabled: bool,
    /// Whether neurons may announce a loopback address.
    pub loopback_allowed: bool,
}

impl Default for SubnetParameters {
    fn default() -> Self {
        Self {
            tempo: 360,
            immunity_period: 5000,
            weights_set_rate_limit: 100,
            serving_rate_limit: 50,
            emission_enabled: false,
            loopback_allowed: false,
        }
    }
}

/// What the market of a chain starts from.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ChainParameters {
    /// What a new subnet starts with.
    pub new_subnet: SubnetParameters,
    /// Fewest blocks between two subnet registrations.
    pub network_rate_limit: u64,
    /// Lowest price of a subnet, in rao.
    pub min_lock_cost: Tao,
    /// Blocks in which the price of a subnet falls by the last price.
    pub lock_reduction_interval: u64,
    /// A third of the most root registrations in an interval.
    pub root_registrations_target: u16,
    /// Most epochs in a block.
    pub max_epochs_per_block: u8,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn build_genesis(chain: &ChainParameters) {
        Self::set_subnet_costs(chain);
        Self::set_max_epochs_per_block(chain.max_epochs_per_block);
        Self::create_root();
        Self::set_root_hyperparameters();
        Self::set_root_registration(chain.root_registrations_target);
        Self::create_pool(ROOT, pools::Mechanism::Stable, 0, 0);
        Self::endow_root_pool();
        Self::record_issuance();
    }
}
