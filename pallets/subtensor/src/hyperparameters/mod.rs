//! The rules of each subnet.

pub mod storage;

use alloc::vec::Vec;

use frame_support::storage::generator::StorageMap as _;

use crate::{genesis::SubnetParameters, *};

/// Most validators on a new subnet, and on root.
const NEW_SUBNET_MAX_VALIDATORS: u16 = 64;
/// Seats on root.
const ROOT_SEATS: u16 = 64;
/// Blocks in root's interval of registrations.
const ROOT_TEMPO: u16 = 100;

macro_rules! parameter_getters {
    ($($(#[$doc:meta])* $name:ident($item:ident) -> $type:ty;)*) => {
        impl<T: Config> Pallet<T> {
            $($(#[$doc])* pub fn $name(netuid: NetUid) -> $type { $item::<T>::get(netuid) })*

            /// What the storage keys of these parameters start with.
            pub(crate) fn parameter_prefixes() -> impl Iterator<Item = [u8; 32]> {
                [$($item::<T>::prefix_hash()),*].into_iter()
            }
        }
    };
}

parameter_getters! {
    /// Blocks in an epoch.
    tempo(Tempo) -> u16;
    /// Share of stake, of 65535, that decides consensus.
    kappa(Kappa) -> u16;
    /// Sigmoid temperature of an earlier trust definition.
    rho(Rho) -> u16;
    /// Steepness of the liquid alpha sigmoid.
    alpha_sigmoid_steepness(AlphaSigmoidSteepness) -> i16;
    /// Blocks during which a new neuron is replaced last.
    immunity_period(ImmunityPeriod) -> u16;
    /// Fewest weights in a weight vector.
    min_allowed_weights(MinAllowedWeights) -> u16;
    /// Largest single weight, of 65535.
    max_weights_limit(MaxWeightsLimit) -> u16;
    /// Most neurons.
    max_allowed_uids(MaxAllowedUids) -> u16;
    /// Most validators.
    max_allowed_validators(MaxAllowedValidators) -> u16;
    /// Activity cutoff in thousandths of a tempo.
    activity_cutoff_factor_milli(ActivityCutoffFactorMilli) -> u32;
    /// Lowest version key that weights may carry.
    weights_version_key(WeightsVersionKey) -> u64;
    /// Fewest blocks between two weight settings of one validator.
    weights_set_rate_limit(WeightsSetRateLimit) -> u64;
    /// Fewest blocks between two announcements of one neuron.
    serving_rate_limit(ServingRateLimit) -> u64;
    /// Share of the old bonds that remains after an epoch, of a million.
    bonds_moving_average(BondsMovingAverage) -> u64;
    /// How far bonds follow clipped weights, of 65535.
    bonds_penalty(BondsPenalty) -> u16;
    /// Whether a commitment can reset bonds.
    bonds_reset_enabled(BondsResetOn) -> bool;
    /// Whether weights are committed first and revealed later.
    commit_reveal_enabled(CommitRevealWeightsEnabled) -> bool;
    /// Epochs between commit and reveal.
    reveal_period_epochs(RevealPeriodEpochs) -> u64;
    /// Whether bonds move at a rate of their own for each pair.
    liquid_alpha_enabled(LiquidAlphaOn) -> bool;
    /// Bounds of the liquid alpha, of 65535: low, high.
    alpha_values(AlphaValues) -> (u16, u16);
    /// Yuma 3 instead of Yuma 2.
    yuma3_enabled(Yuma3On) -> bool;
    /// Blocks after which the moving price has half of its pace.
    price_halving_blocks(EMAPriceHalvingBlocks) -> u64;
    /// Whether stake may change hands.
    transfers_enabled(TransferToggle) -> bool;
    /// What becomes of incentive of the owner's own neurons.
    recycle_or_burn(RecycleOrBurn) -> RecycleOrBurnEnum;
    /// Number of mechanisms.
    mechanism_count(MechanismCountCurrent) -> MechId;
    /// Shares of emission by mechanism, summing to 65535.
    mechanism_emission_split(MechanismEmissionSplit) -> Option<Vec<u16>>;
}

impl<T: Config> Pallet<T> {
    /// Fewest stake, in rao, to set weights.
    pub fn stake_threshold() -> u64 {
        StakeThreshold::<T>::get()
    }

    /// Blocks without weights after which a validator is inactive.
    pub fn activity_cutoff(netuid: NetUid) -> u64 {
        let factor_milli = Self::activity_cutoff_factor_milli(netuid);
        myelin_yuma::stake::activity_cutoff_blocks(factor_milli, Self::tempo(netuid))
    }

    /// Mechanisms of `netuid`, by number.
    pub fn mechanisms(netuid: NetUid) -> impl Iterator<Item = MechId> {
        0..Self::mechanism_count(netuid)
    }

    pub(crate) fn set_new_subnet_hyperparameters(netuid: NetUid, parameters: &SubnetParameters) {
        Tempo::<T>::insert(netuid, parameters.tempo);
        ImmunityPeriod::<T>::insert(netuid, parameters.immunity_period);
        WeightsSetRateLimit::<T>::insert(netuid, parameters.weights_set_rate_limit);
        ServingRateLimit::<T>::insert(netuid, parameters.serving_rate_limit);
        MaxAllowedValidators::<T>::insert(netuid, NEW_SUBNET_MAX_VALIDATORS);
        MinAllowedWeights::<T>::insert(netuid, 1);
        Yuma3On::<T>::insert(netuid, true);
        // Committed weights cannot be revealed by this chain yet, so no subnet starts with a rule that needs it.
        CommitRevealWeightsEnabled::<T>::insert(netuid, false);
    }

    pub(crate) fn set_root_hyperparameters() {
        Tempo::<T>::insert(ROOT, ROOT_TEMPO);
        MaxAllowedUids::<T>::insert(ROOT, ROOT_SEATS);
        MaxAllowedValidators::<T>::insert(ROOT, ROOT_SEATS);
        MinAllowedWeights::<T>::insert(ROOT, 0);
    }
}
