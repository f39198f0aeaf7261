//! Signatures of the market's runtime APIs.
//!
//! Names of traits, methods and parameters are part of the protocol: clients find them in the metadata. The order of
//! parameters is that of the bytes. What the methods answer is documented where it is computed, in the modules beside.

use alloc::vec::Vec;

use pallet_subtensor::{Alpha, LockState, MechId, NetUid, Tao, Uid};
use substrate_fixed::types::U64F64;

use super::{
    audit::Audit,
    basket::{BasketPosition, BasketSummary, BasketTradingStatus},
    delegate::{DelegateInfo, Delegation},
    hyperparameters::{HyperparamEntry, SubnetHyperparams, SubnetHyperparamsV2},
    metagraph::{Metagraph, SelectiveMetagraph, SubnetState},
    neuron::{NeuronInfo, NeuronInfoLite},
    stake::{StakeAvailabilities, StakeInfo},
    subnet::{DynamicInfo, SubnetInfo, SubnetInfov2},
    swap::{SimSwapResult, SubnetPrice},
};
use crate::AccountId;

sp_api::decl_runtime_apis! {
    /// Who takes stake of others.
    pub trait DelegateInfoRuntimeApi {
        /// Everybody who does.
        fn get_delegates() -> Vec<DelegateInfo>;
        /// One of them.
        fn get_delegate(delegate_account: AccountId) -> Option<DelegateInfo>;
        /// Those that a coldkey stakes with, by subnet.
        fn get_delegated(delegatee_account: AccountId) -> Vec<Delegation>;
    }

    /// The neurons of a subnet, one record each.
    pub trait NeuronInfoRuntimeApi {
        /// All neurons.
        fn get_neurons(netuid: NetUid) -> Vec<NeuronInfo>;
        /// One neuron.
        fn get_neuron(netuid: NetUid, uid: Uid) -> Option<NeuronInfo>;
        /// All neurons, without weights and bonds.
        fn get_neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite>;
        /// One neuron, without weights and bonds.
        fn get_neuron_lite(netuid: NetUid, uid: Uid) -> Option<NeuronInfoLite>;
    }

    /// Subnets: their state, their rules and their neurons by column.
    #[api_version(2)]
    pub trait SubnetInfoRuntimeApi {
        /// A subnet, as older clients know it.
        fn get_subnet_info(netuid: NetUid) -> Option<SubnetInfo>;
        /// All subnets, as older clients know them.
        fn get_subnets_info() -> Vec<Option<SubnetInfo>>;
        /// A subnet and how it presents itself, as older clients know it.
        fn get_subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2>;
        /// All subnets and how they present themselves, as older clients know them.
        fn get_subnets_info_v2() -> Vec<Option<SubnetInfov2>>;
        /// The rules of a subnet, first version.
        fn get_subnet_hyperparams(netuid: NetUid) -> Option<SubnetHyperparams>;
        /// The rules of a subnet, second version.
        fn get_subnet_hyperparams_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2>;
        /// The rules of a subnet by name.
        fn get_subnet_hyperparams_v3(netuid: NetUid) -> Option<Vec<HyperparamEntry>>;
        /// What changes from block to block on a subnet.
        fn get_dynamic_info(netuid: NetUid) -> Option<DynamicInfo>;
        /// What changes from block to block on all subnets.
        fn get_all_dynamic_info() -> Vec<Option<DynamicInfo>>;
        /// A subnet and its neurons.
        fn get_metagraph(netuid: NetUid) -> Option<Metagraph>;
        /// All subnets and their neurons.
        fn get_all_metagraphs() -> Vec<Option<Metagraph>>;
        /// A subnet and its neurons as one mechanism sees them.
        fn get_mechagraph(netuid: NetUid, mecid: MechId) -> Option<Metagraph>;
        /// All subnets and their neurons as each mechanism sees them.
        fn get_all_mechagraphs() -> Vec<Option<Metagraph>>;
        /// The neurons of a subnet.
        fn get_subnet_state(netuid: NetUid) -> Option<SubnetState>;
        /// Some columns of a subnet, by number.
        fn get_selective_metagraph(netuid: NetUid, metagraph_indexes: Vec<u16>) -> Option<SelectiveMetagraph>;
        /// Some columns of a mechanism of a subnet, by number.
        fn get_selective_mechagraph(
            netuid: NetUid,
            subid: MechId,
            metagraph_indexes: Vec<u16>,
        ) -> Option<SelectiveMetagraph>;
        /// Where mining rewards of a coldkey are staked, if not behind the miner.
        fn get_coldkey_auto_stake_hotkey(coldkey: AccountId, netuid: NetUid) -> Option<AccountId>;
        /// The subnet that makes room for the next one when the chain is full. None: here a full chain stays as it is.
        fn get_subnet_to_prune() -> Option<NetUid>;
        /// The account that holds a subnet's TAO.
        fn get_subnet_account_id(netuid: NetUid) -> Option<AccountId>;
        /// Block of a subnet's next epoch.
        fn get_next_epoch_start_block(netuid: NetUid) -> Option<u64>;
    }

    /// Who stakes what.
    pub trait StakeInfoRuntimeApi {
        /// All stake of a coldkey.
        fn get_stake_info_for_coldkey(coldkey_account: AccountId) -> Vec<StakeInfo>;
        /// All stake of several coldkeys.
        fn get_stake_info_for_coldkeys(coldkey_accounts: Vec<AccountId>) -> Vec<(AccountId, Vec<StakeInfo>)>;
        /// What a coldkey has staked with a hotkey on a subnet, even if that is nothing.
        fn get_stake_info_for_hotkey_coldkey_netuid(
            hotkey_account: AccountId,
            coldkey_account: AccountId,
            netuid: NetUid,
        ) -> Option<StakeInfo>;
        /// What coldkeys can take back, by subnet.
        fn get_stake_availability_for_coldkeys(
            coldkey_accounts: Vec<AccountId>,
            netuids: Option<Vec<NetUid>>,
        ) -> StakeAvailabilities;
        /// Fee on moving stake.
        fn get_stake_fee(
            origin: Option<(AccountId, NetUid)>,
            origin_coldkey_account: AccountId,
            destination: Option<(AccountId, NetUid)>,
            destination_coldkey_account: AccountId,
            amount: u64,
        ) -> u64;
        /// What a coldkey has locked.
        fn get_coldkey_lock(coldkey: AccountId, netuid: NetUid) -> Option<LockState>;
        /// What age has made of the locks on a hotkey.
        fn get_hotkey_conviction(hotkey: AccountId, netuid: NetUid) -> U64F64;
        /// The hotkey with the most conviction.
        fn get_most_convicted_hotkey_on_subnet(netuid: NetUid) -> Option<AccountId>;
    }

    /// What a new subnet costs.
    pub trait SubnetRegistrationRuntimeApi {
        /// Rao, in this block.
        fn get_network_registration_cost() -> Tao;
    }

    /// Prices, and what a trade would do.
    pub trait SwapRuntimeApi {
        /// Rao an alpha on a subnet.
        fn current_alpha_price(netuid: NetUid) -> Tao;
        /// Rao an alpha on every subnet.
        fn current_alpha_price_all() -> Vec<SubnetPrice>;
        /// What buying alpha would do.
        fn sim_swap_tao_for_alpha(netuid: NetUid, tao: Tao) -> SimSwapResult;
        /// What selling alpha would do.
        fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: Alpha) -> SimSwapResult;
    }

    /// Baskets of root dividends. There are none here; these are the questions that wallets ask all the same.
    pub trait BetaBasketRuntimeApi {
        /// What all baskets owe a coldkey: 0.
        fn get_root_basket_owed(coldkey: AccountId) -> Tao;
        /// A coldkey's beta and its worth, by validator: none.
        fn get_root_basket_positions(coldkey: AccountId) -> Vec<(AccountId, u64, Tao)>;
        /// A coldkey's part in one basket: none.
        fn get_basket_position(hotkey: AccountId, coldkey: AccountId) -> Option<BasketPosition>;
        /// A coldkey's parts in all baskets: none.
        fn get_root_basket_portfolio(coldkey: AccountId) -> Vec<BasketPosition>;
        /// What is in a validator's basket: subnet, alpha, worth. Nothing.
        fn get_validator_basket(hotkey: AccountId) -> Vec<(NetUid, Alpha, Tao)>;
        /// A validator's basket: an empty one.
        fn get_validator_basket_summary(hotkey: AccountId) -> BasketSummary;
        /// All baskets: none.
        fn get_all_validator_baskets() -> Vec<BasketSummary>;
        /// What a validator's basket would bring: 0.
        fn get_validator_basket_nav(hotkey: AccountId) -> Tao;
        /// What all baskets would bring: 0.
        fn get_root_basket_total_nav() -> Tao;
        /// Whether a validator may trade in its basket: no.
        fn get_basket_trading_status(hotkey: AccountId) -> BasketTradingStatus;
    }

    /// Whether money is conserved.
    pub trait AuditApi {
        /// Adds up all accounts, reserves, stakes and pots of the chain.
        fn audit() -> Audit;
    }
}
