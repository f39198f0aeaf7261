//! Runtime APIs: what clients ask through `state_call`, and what the node itself needs to build and check blocks.

use alloc::vec::Vec;

use frame_support::weights::Weight;
use pallet_subtensor::{Alpha, LockState, MechId, NetUid, Tao, Uid};
use pallet_transaction_payment_rpc_runtime_api::{FeeDetails, RuntimeDispatchInfo};
use sp_core::OpaqueMetadata;
use sp_runtime::{
    traits::Block as BlockT,
    transaction_validity::{TransactionSource, TransactionValidity},
    ApplyExtrinsicResult, ExtrinsicInclusionMode,
};
use sp_version::RuntimeVersion;
use substrate_fixed::types::U64F64;

use crate::{
    arguments::runtime_apis,
    views::{
        self,
        audit::Audit,
        basket::{BasketPosition, BasketSummary, BasketTradingStatus},
        delegate::{DelegateInfo, Delegation},
        hyperparameters::{HyperparamEntry, SubnetHyperparams, SubnetHyperparamsV2},
        metagraph::{Metagraph, SelectiveMetagraph, SubnetState},
        neuron::{NeuronInfo, NeuronInfoLite},
        stake::{StakeAvailabilities, StakeInfo},
        subnet::{DynamicInfo, SubnetInfo, SubnetInfov2},
        swap::{SimSwapResult, SubnetPrice},
    },
    AccountId, Balance, Block, Executive, InherentDataExt, Nonce, Runtime, SubtensorModule, System,
    TransactionPayment, UncheckedExtrinsic, VERSION,
};

runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            VERSION
        }

        fn execute_block(block: <Block as BlockT>::LazyBlock) {
            Executive::execute_block(block)
        }

        fn initialize_block(header: &<Block as BlockT>::Header) -> ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(Runtime::metadata().into())
        }

        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
        }

        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }

        fn finalize_block() -> <Block as BlockT>::Header {
            Executive::finalize_block()
        }

        fn inherent_extrinsics(inherent: sp_inherents::InherentData) -> Vec<<Block as BlockT>::Extrinsic> {
            inherent.create_extrinsics()
        }

        fn check_inherents(
            block: <Block as BlockT>::LazyBlock,
            data: sp_inherents::InherentData,
        ) -> sp_inherents::CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            source: TransactionSource,
            tx: <Block as BlockT>::Extrinsic,
            block_hash: <Block as BlockT>::Hash,
        ) -> TransactionValidity {
            Executive::validate_transaction(source, tx, block_hash)
        }
    }

    impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
        fn account_nonce(account: AccountId) -> Nonce {
            System::account_nonce(account)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, Balance> for Runtime {
        fn query_info(uxt: UncheckedExtrinsic, len: u32) -> RuntimeDispatchInfo<Balance> {
            TransactionPayment::query_info(uxt, len)
        }

        fn query_fee_details(uxt: UncheckedExtrinsic, len: u32) -> FeeDetails<Balance> {
            TransactionPayment::query_fee_details(uxt, len)
        }

        fn query_weight_to_fee(weight: Weight) -> Balance {
            TransactionPayment::weight_to_fee(weight)
        }

        fn query_length_to_fee(length: u32) -> Balance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl views::interface::DelegateInfoRuntimeApi<Block> for Runtime {
        fn get_delegates() -> Vec<DelegateInfo> {
            views::delegate::delegates()
        }

        fn get_delegate(delegate_account: AccountId) -> Option<DelegateInfo> {
            views::delegate::delegate(delegate_account)
        }

        fn get_delegated(delegatee_account: AccountId) -> Vec<Delegation> {
            views::delegate::delegated(&delegatee_account)
        }
    }

    impl views::interface::NeuronInfoRuntimeApi<Block> for Runtime {
        fn get_neurons(netuid: NetUid) -> Vec<NeuronInfo> {
            views::neuron::neurons(netuid)
        }

        fn get_neuron(netuid: NetUid, uid: Uid) -> Option<NeuronInfo> {
            views::neuron::neuron(netuid, uid)
        }

        fn get_neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite> {
            views::neuron::neurons_lite(netuid)
        }

        fn get_neuron_lite(netuid: NetUid, uid: Uid) -> Option<NeuronInfoLite> {
            views::neuron::neuron_lite(netuid, uid)
        }
    }

    impl views::interface::SubnetInfoRuntimeApi<Block> for Runtime {
        fn get_subnet_info(netuid: NetUid) -> Option<SubnetInfo> {
            views::subnet::subnet_info(netuid)
        }

        fn get_subnets_info() -> Vec<Option<SubnetInfo>> {
            views::subnet::subnets_info()
        }

        fn get_subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2> {
            views::subnet::subnet_info_v2(netuid)
        }

        fn get_subnets_info_v2() -> Vec<Option<SubnetInfov2>> {
            views::subnet::subnets_info_v2()
        }

        fn get_subnet_hyperparams(netuid: NetUid) -> Option<SubnetHyperparams> {
            views::hyperparameters::subnet_hyperparams(netuid)
        }

        fn get_subnet_hyperparams_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2> {
            views::hyperparameters::subnet_hyperparams_v2(netuid)
        }

        fn get_subnet_hyperparams_v3(netuid: NetUid) -> Option<Vec<HyperparamEntry>> {
            views::hyperparameters::subnet_hyperparams_v3(netuid)
        }

        fn get_dynamic_info(netuid: NetUid) -> Option<DynamicInfo> {
            views::subnet::dynamic_info(netuid)
        }

        fn get_all_dynamic_info() -> Vec<Option<DynamicInfo>> {
            views::subnet::all_dynamic_info()
        }

        fn get_metagraph(netuid: NetUid) -> Option<Metagraph> {
            views::metagraph::metagraph(netuid)
        }

        fn get_all_metagraphs() -> Vec<Option<Metagraph>> {
            views::metagraph::all_metagraphs()
        }

        fn get_mechagraph(netuid: NetUid, mecid: MechId) -> Option<Metagraph> {
            views::metagraph::mechagraph(netuid, mecid)
        }

        fn get_all_mechagraphs() -> Vec<Option<Metagraph>> {
            views::metagraph::all_mechagraphs()
        }

        fn get_subnet_state(netuid: NetUid) -> Option<SubnetState> {
            views::metagraph::subnet_state(netuid)
        }

        fn get_selective_metagraph(netuid: NetUid, metagraph_indexes: Vec<u16>) -> Option<SelectiveMetagraph> {
            views::metagraph::selective_metagraph(netuid, metagraph_indexes)
        }

        fn get_selective_mechagraph(
            netuid: NetUid,
            subid: MechId,
            metagraph_indexes: Vec<u16>,
        ) -> Option<SelectiveMetagraph> {
            views::metagraph::selective_mechagraph(netuid, subid, metagraph_indexes)
        }

        fn get_coldkey_auto_stake_hotkey(coldkey: AccountId, netuid: NetUid) -> Option<AccountId> {
            SubtensorModule::auto_stake_destination(&coldkey, netuid)
        }

        fn get_subnet_to_prune() -> Option<NetUid> {
            None
        }

        fn get_subnet_account_id(netuid: NetUid) -> Option<AccountId> {
            views::subnet::subnet_account_id(netuid)
        }

        fn get_next_epoch_start_block(netuid: NetUid) -> Option<u64> {
            views::subnet::next_epoch_start_block(netuid)
        }
    }

    impl views::interface::StakeInfoRuntimeApi<Block> for Runtime {
        fn get_stake_info_for_coldkey(coldkey_account: AccountId) -> Vec<StakeInfo> {
            views::stake::stake_info_for_coldkey(&coldkey_account)
        }

        fn get_stake_info_for_coldkeys(coldkey_accounts: Vec<AccountId>) -> Vec<(AccountId, Vec<StakeInfo>)> {
            views::stake::stake_info_for_coldkeys(coldkey_accounts)
        }

        fn get_stake_info_for_hotkey_coldkey_netuid(
            hotkey_account: AccountId,
            coldkey_account: AccountId,
            netuid: NetUid,
        ) -> Option<StakeInfo> {
            Some(views::stake::stake_info(&hotkey_account, &coldkey_account, netuid))
        }

        fn get_stake_availability_for_coldkeys(
            coldkey_accounts: Vec<AccountId>,
            netuids: Option<Vec<NetUid>>,
        ) -> StakeAvailabilities {
            views::stake::stake_availability(coldkey_accounts, netuids)
        }

        fn get_stake_fee(
            origin: Option<(AccountId, NetUid)>,
            _origin_coldkey_account: AccountId,
            destination: Option<(AccountId, NetUid)>,
            _destination_coldkey_account: AccountId,
            amount: u64,
        ) -> u64 {
            views::stake::stake_fee(origin, destination, amount)
        }

        fn get_coldkey_lock(coldkey: AccountId, netuid: NetUid) -> Option<LockState> {
            views::stake::coldkey_lock(coldkey, netuid)
        }

        fn get_hotkey_conviction(hotkey: AccountId, netuid: NetUid) -> U64F64 {
            views::stake::hotkey_conviction(hotkey, netuid)
        }

        fn get_most_convicted_hotkey_on_subnet(netuid: NetUid) -> Option<AccountId> {
            views::stake::most_convicted_hotkey(netuid)
        }
    }

    impl views::interface::SubnetRegistrationRuntimeApi<Block> for Runtime {
        fn get_network_registration_cost() -> Tao {
            SubtensorModule::lock_cost()
        }
    }

    impl views::interface::SwapRuntimeApi<Block> for Runtime {
        fn current_alpha_price(netuid: NetUid) -> Tao {
            views::swap::current_alpha_price(netuid)
        }

        fn current_alpha_price_all() -> Vec<SubnetPrice> {
            views::swap::current_alpha_price_all()
        }

        fn sim_swap_tao_for_alpha(netuid: NetUid, tao: Tao) -> SimSwapResult {
            views::swap::sim_swap_tao_for_alpha(netuid, tao)
        }

        fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: Alpha) -> SimSwapResult {
            views::swap::sim_swap_alpha_for_tao(netuid, alpha)
        }
    }

    impl views::interface::BetaBasketRuntimeApi<Block> for Runtime {
        fn get_root_basket_owed(_coldkey: AccountId) -> Tao {
            0
        }

        fn get_root_basket_positions(_coldkey: AccountId) -> Vec<(AccountId, u64, Tao)> {
            Vec::new()
        }

        fn get_basket_position(_hotkey: AccountId, _coldkey: AccountId) -> Option<BasketPosition> {
            None
        }

        fn get_root_basket_portfolio(_coldkey: AccountId) -> Vec<BasketPosition> {
            Vec::new()
        }

        fn get_validator_basket(_hotkey: AccountId) -> Vec<(NetUid, Alpha, Tao)> {
            Vec::new()
        }

        fn get_validator_basket_summary(hotkey: AccountId) -> BasketSummary {
            BasketSummary::empty(hotkey)
        }

        fn get_all_validator_baskets() -> Vec<BasketSummary> {
            Vec::new()
        }

        fn get_validator_basket_nav(_hotkey: AccountId) -> Tao {
            0
        }

        fn get_root_basket_total_nav() -> Tao {
            0
        }

        fn get_basket_trading_status(_hotkey: AccountId) -> BasketTradingStatus {
            BasketTradingStatus::default()
        }
    }

    impl views::interface::AuditApi<Block> for Runtime {
        fn audit() -> Audit {
            views::audit::audit()
        }
    }
}
