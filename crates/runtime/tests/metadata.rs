//! What clients look up in the metadata: names of everything they use, and the layout of what they decode.
//!
//! Clients resolve storage, calls, constants and runtime APIs by name, compose calls from argument names, and decode
//! answers by the types that the metadata gives. A name that changes here is a client that breaks, and one that is missing
//! is a command that never returns.

mod common;

use codec::Decode;
use common::new_chain;
use frame_metadata::{
    v15::{PalletMetadata, RuntimeApiMetadata, RuntimeMetadataV15},
    RuntimeMetadata, RuntimeMetadataPrefixed,
};
use myelin_runtime::Runtime;
use scale_info::{form::PortableForm, Field, PortableRegistry, TypeDef};

/// `spec_version`, and the first bytes of the Blake2b-256 digest of metadata version 15.
const METADATA: (u32, &str) = (4, "cef2f95463e556c0");

/// Runtime APIs: methods with the names and types of their parameters, and what they answer.
const RUNTIME_APIS: &[(&str, &[(&str, &str)])] = &[
    ("Metadata", &[("metadata_at_version(version: u32)", "Option<OpaqueMetadata>")]),
    ("AccountNonceApi", &[("account_nonce(account: AccountId32)", "u32")]),
    (
        "DelegateInfoRuntimeApi",
        &[
            ("get_delegates()", "Vec<DelegateInfo>"),
            ("get_delegate(delegate_account: AccountId32)", "Option<DelegateInfo>"),
            (
                "get_delegated(delegatee_account: AccountId32)",
                "Vec<(DelegateInfo, (Compact<u16>, Compact<u64>))>",
            ),
        ],
    ),
    (
        "NeuronInfoRuntimeApi",
        &[
            ("get_neurons(netuid: u16)", "Vec<NeuronInfo>"),
            ("get_neuron(netuid: u16, uid: u16)", "Option<NeuronInfo>"),
            ("get_neurons_lite(netuid: u16)", "Vec<NeuronInfoLite>"),
            ("get_neuron_lite(netuid: u16, uid: u16)", "Option<NeuronInfoLite>"),
        ],
    ),
    (
        "SubnetInfoRuntimeApi",
        &[
            ("get_subnet_info(netuid: u16)", "Option<SubnetInfo>"),
            ("get_subnets_info()", "Vec<Option<SubnetInfo>>"),
            ("get_subnet_info_v2(netuid: u16)", "Option<SubnetInfov2>"),
            ("get_subnets_info_v2()", "Vec<Option<SubnetInfov2>>"),
            ("get_subnet_hyperparams(netuid: u16)", "Option<SubnetHyperparams>"),
            ("get_subnet_hyperparams_v2(netuid: u16)", "Option<SubnetHyperparamsV2>"),
            ("get_subnet_hyperparams_v3(netuid: u16)", "Option<Vec<HyperparamEntry>>"),
            ("get_dynamic_info(netuid: u16)", "Option<DynamicInfo>"),
            ("get_all_dynamic_info()", "Vec<Option<DynamicInfo>>"),
            ("get_metagraph(netuid: u16)", "Option<Metagraph>"),
            ("get_all_metagraphs()", "Vec<Option<Metagraph>>"),
            ("get_mechagraph(netuid: u16, mecid: u8)", "Option<Metagraph>"),
            ("get_all_mechagraphs()", "Vec<Option<Metagraph>>"),
            ("get_subnet_state(netuid: u16)", "Option<SubnetState>"),
            (
                "get_selective_metagraph(netuid: u16, metagraph_indexes: Vec<u16>)",
                "Option<SelectiveMetagraph>",
            ),
            (
                "get_selective_mechagraph(netuid: u16, subid: u8, metagraph_indexes: Vec<u16>)",
                "Option<SelectiveMetagraph>",
            ),
            ("get_coldkey_auto_stake_hotkey(coldkey: AccountId32, netuid: u16)", "Option<AccountId32>"),
            ("get_subnet_to_prune()", "Option<u16>"),
            ("get_subnet_account_id(netuid: u16)", "Option<AccountId32>"),
            ("get_next_epoch_start_block(netuid: u16)", "Option<u64>"),
        ],
    ),
    (
        "StakeInfoRuntimeApi",
        &[
            ("get_stake_info_for_coldkey(coldkey_account: AccountId32)", "Vec<StakeInfo>"),
            (
                "get_stake_info_for_coldkeys(coldkey_accounts: Vec<AccountId32>)",
                "Vec<(AccountId32, Vec<StakeInfo>)>",
            ),
            (
                "get_stake_info_for_hotkey_coldkey_netuid(hotkey_account: AccountId32, \
                 coldkey_account: AccountId32, netuid: u16)",
                "Option<StakeInfo>",
            ),
            (
                "get_stake_availability_for_coldkeys(coldkey_accounts: Vec<AccountId32>, \
                 netuids: Option<Vec<u16>>)",
                "BTreeMap<AccountId32, BTreeMap<u16, StakeAvailability>>",
            ),
            (
                "get_stake_fee(origin: Option<(AccountId32, u16)>, origin_coldkey_account: AccountId32, \
                 destination: Option<(AccountId32, u16)>, destination_coldkey_account: AccountId32, amount: u64)",
                "u64",
            ),
            ("get_coldkey_lock(coldkey: AccountId32, netuid: u16)", "Option<LockState>"),
            ("get_hotkey_conviction(hotkey: AccountId32, netuid: u16)", "FixedU128"),
            ("get_most_convicted_hotkey_on_subnet(netuid: u16)", "Option<AccountId32>"),
        ],
    ),
    ("SubnetRegistrationRuntimeApi", &[("get_network_registration_cost()", "u64")]),
    (
        "SwapRuntimeApi",
        &[
            ("current_alpha_price(netuid: u16)", "u64"),
            ("current_alpha_price_all()", "Vec<SubnetPrice>"),
            ("sim_swap_tao_for_alpha(netuid: u16, tao: u64)", "SimSwapResult"),
            ("sim_swap_alpha_for_tao(netuid: u16, alpha: u64)", "SimSwapResult"),
        ],
    ),
    (
        "BetaBasketRuntimeApi",
        &[
            ("get_root_basket_owed(coldkey: AccountId32)", "u64"),
            ("get_root_basket_positions(coldkey: AccountId32)", "Vec<(AccountId32, u64, u64)>"),
            (
                "get_basket_position(hotkey: AccountId32, coldkey: AccountId32)",
                "Option<BasketPosition>",
            ),
            ("get_root_basket_portfolio(coldkey: AccountId32)", "Vec<BasketPosition>"),
            ("get_validator_basket(hotkey: AccountId32)", "Vec<(u16, u64, u64)>"),
            ("get_validator_basket_summary(hotkey: AccountId32)", "BasketSummary"),
            ("get_all_validator_baskets()", "Vec<BasketSummary>"),
            ("get_validator_basket_nav(hotkey: AccountId32)", "u64"),
            ("get_root_basket_total_nav()", "u64"),
            ("get_basket_trading_status(hotkey: AccountId32)", "BasketTradingStatus"),
        ],
    ),
];

/// Records that runtime APIs answer with, field by field. `C` marks compact integers.
const RECORDS: &[(&str, &str)] = &[
    (
        "AxonInfo",
        "block u64, version u32, ip u128, port u16, ip_type u8, protocol u8, placeholder1 u8, placeholder2 u8",
    ),
    ("PrometheusInfo", "block u64, version u32, ip u128, port u16, ip_type u8"),
    (
        "NeuronInfo",
        "hotkey AccountId32, coldkey AccountId32, uid C16, netuid C16, active bool, axon_info AxonInfo, \
         prometheus_info PrometheusInfo, stake Vec<(AccountId32, C64)>, rank C16, emission C64, incentive C16, \
         consensus C16, trust C16, validator_trust C16, dividends C16, last_update C64, validator_permit bool, \
         weights Vec<(C16, C16)>, bonds Vec<(C16, C16)>, pruning_score C16",
    ),
    (
        "NeuronInfoLite",
        "hotkey AccountId32, coldkey AccountId32, uid C16, netuid C16, active bool, axon_info AxonInfo, \
         prometheus_info PrometheusInfo, stake Vec<(AccountId32, C64)>, rank C16, emission C64, incentive C16, \
         consensus C16, trust C16, validator_trust C16, dividends C16, last_update C64, validator_permit bool, \
         pruning_score C16",
    ),
    (
        "Metagraph",
        "netuid C16, name Vec<C8>, symbol Vec<C8>, identity Option<SubnetIdentityV3>, network_registered_at C64, \
         owner_hotkey AccountId32, owner_coldkey AccountId32, block C64, tempo C16, last_step C64, \
         blocks_since_last_step C64, subnet_emission C64, alpha_in C64, alpha_out C64, tao_in C64, \
         alpha_out_emission C64, alpha_in_emission C64, tao_in_emission C64, pending_alpha_emission C64, \
         pending_root_emission C64, subnet_volume C128, moving_price FixedI128, rho C16, kappa C16, \
         min_allowed_weights C16, max_weights_limit C16, weights_version C64, weights_rate_limit C64, \
         activity_cutoff C64, max_validators C16, num_uids C16, max_uids C16, burn C64, difficulty C64, \
         registration_allowed bool, pow_registration_allowed bool, immunity_period C16, min_difficulty C64, \
         max_difficulty C64, min_burn C64, max_burn C64, adjustment_alpha C64, adjustment_interval C16, \
         target_regs_per_interval C16, max_regs_per_block C16, serving_rate_limit C64, \
         commit_reveal_weights_enabled bool, commit_reveal_period C64, liquid_alpha_enabled bool, alpha_high C16, \
         alpha_low C16, bonds_moving_avg C64, hotkeys Vec<AccountId32>, coldkeys Vec<AccountId32>, \
         identities Vec<Option<ChainIdentityV2>>, axons Vec<AxonInfo>, active Vec<bool>, \
         validator_permit Vec<bool>, pruning_score Vec<C16>, last_update Vec<C64>, emission Vec<C64>, \
         dividends Vec<C16>, incentives Vec<C16>, consensus Vec<C16>, trust Vec<C16>, rank Vec<C16>, \
         block_at_registration Vec<C64>, alpha_stake Vec<C64>, tao_stake Vec<C64>, total_stake Vec<C64>, \
         tao_dividends_per_hotkey Vec<(AccountId32, C64)>, alpha_dividends_per_hotkey Vec<(AccountId32, C64)>",
    ),
    (
        "DynamicInfo",
        "netuid C16, owner_hotkey AccountId32, owner_coldkey AccountId32, subnet_name Vec<C8>, \
         token_symbol Vec<C8>, tempo C16, last_step C64, blocks_since_last_step C64, emission C64, alpha_in C64, \
         alpha_out C64, tao_in C64, alpha_out_emission C64, alpha_in_emission C64, tao_in_emission C64, \
         pending_alpha_emission C64, pending_root_emission C64, subnet_volume C128, network_registered_at C64, \
         subnet_identity Option<SubnetIdentityV3>, moving_price FixedI128",
    ),
    (
        "SubnetState",
        "netuid C16, hotkeys Vec<AccountId32>, coldkeys Vec<AccountId32>, active Vec<bool>, \
         validator_permit Vec<bool>, pruning_score Vec<C16>, last_update Vec<C64>, emission Vec<C64>, \
         dividends Vec<C16>, incentives Vec<C16>, consensus Vec<C16>, trust Vec<C16>, rank Vec<C16>, \
         block_at_registration Vec<C64>, alpha_stake Vec<C64>, tao_stake Vec<C64>, total_stake Vec<C64>, \
         emission_history Vec<Vec<C64>>",
    ),
    (
        "StakeInfo",
        "hotkey AccountId32, coldkey AccountId32, netuid C16, stake C64, locked C64, emission C64, \
         tao_emission C64, drain C64, is_registered bool",
    ),
    ("StakeAvailability", "total C64, locked C64, available C64"),
    ("LockState", "locked_mass u64, conviction FixedU128, last_update u64"),
    (
        "DelegateInfo",
        "delegate_ss58 AccountId32, take C16, nominators Vec<(AccountId32, Vec<(C16, C64)>)>, \
         owner_ss58 AccountId32, registrations Vec<C16>, validator_permits Vec<C16>, return_per_1000 C64, \
         total_daily_return C64",
    ),
    ("HyperparamEntry", "name Vec<u8>, value HyperparamValue"),
    (
        "HyperparamValue",
        "0 Bool(bool), 1 U16(C16), 2 U32(C32), 3 U64(C64), 4 U128(C128), 5 TaoBalance(C64), \
         6 I32F32(FixedI64), 7 U64F64(FixedU128)",
    ),
    (
        "SimSwapResult",
        "tao_amount u64, alpha_amount u64, tao_fee u64, alpha_fee u64, tao_slippage u64, alpha_slippage u64",
    ),
    ("SubnetPrice", "netuid u16, price u64"),
    (
        "SubnetInfo",
        "netuid C16, rho C16, kappa C16, difficulty C64, immunity_period C16, max_allowed_validators C16, \
         min_allowed_weights C16, max_weights_limit C16, scaling_law_power C16, subnetwork_n C16, \
         max_allowed_uids C16, blocks_since_last_step C64, tempo C16, network_modality C16, \
         network_connect Vec<[u16; 2]>, emission_values C64, burn C64, owner AccountId32",
    ),
    (
        "SubnetInfov2",
        "netuid C16, rho C16, kappa C16, difficulty C64, immunity_period C16, max_allowed_validators C16, \
         min_allowed_weights C16, max_weights_limit C16, scaling_law_power C16, subnetwork_n C16, \
         max_allowed_uids C16, blocks_since_last_step C64, tempo C16, network_modality C16, \
         network_connect Vec<[u16; 2]>, emission_values C64, burn C64, owner AccountId32, \
         identity Option<SubnetIdentityV3>",
    ),
    (
        "SubnetHyperparams",
        "rho C16, kappa C16, immunity_period C16, min_allowed_weights C16, max_weights_limit C16, tempo C16, \
         min_difficulty C64, max_difficulty C64, weights_version C64, weights_rate_limit C64, \
         adjustment_interval C16, activity_cutoff C64, registration_allowed bool, target_regs_per_interval C16, \
         min_burn C64, max_burn C64, bonds_moving_avg C64, max_regs_per_block C16, serving_rate_limit C64, \
         max_validators C16, adjustment_alpha C64, difficulty C64, commit_reveal_period C64, \
         commit_reveal_weights_enabled bool, alpha_high C16, alpha_low C16, liquid_alpha_enabled bool",
    ),
    (
        "SubnetHyperparamsV2",
        "rho C16, kappa C16, immunity_period C16, min_allowed_weights C16, max_weights_limit C16, tempo C16, \
         min_difficulty C64, max_difficulty C64, weights_version C64, weights_rate_limit C64, \
         adjustment_interval C16, activity_cutoff C64, registration_allowed bool, target_regs_per_interval C16, \
         min_burn C64, max_burn C64, bonds_moving_avg C64, max_regs_per_block C16, serving_rate_limit C64, \
         max_validators C16, adjustment_alpha C64, difficulty C64, commit_reveal_period C64, \
         commit_reveal_weights_enabled bool, alpha_high C16, alpha_low C16, liquid_alpha_enabled bool, \
         alpha_sigmoid_steepness FixedI64, yuma_version C16, subnet_is_active bool, transfers_enabled bool, \
         bonds_reset_enabled bool, user_liquidity_enabled bool",
    ),
];

/// Storage items that clients read.
const STORAGE: &[(&str, &str)] = &[
    ("AlphaAssets", "AlphaBurned"),
    ("Commitments", "CommitmentOf RevealedCommitments"),
    ("MevShield", "NextKey"),
    ("Sudo", "Key"),
    ("System", "Account BlockHash Events Number"),
    ("Timestamp", "Now"),
    (
        "SubtensorModule",
        "AccountFlags ActivityCutoff ActivityCutoffFactorMilli AdjustmentAlpha AdjustmentInterval AdminFreezeWindow \
         AlphaSigmoidSteepness AlphaValues AssociatedEvmAddress AutoStakeDestination BasketClaimed BasketRate BlocksSinceLastStep \
         Bonds BondsMovingAverage BondsPenalty BondsResetOn Burn BurnHalfLife BurnIncreaseMult ChildKeys \
         ChildkeyThresholdSuspended ColdkeySwapAnnouncements ColdkeySwapDisputes CollateralDrainRatio CollateralLockShare \
         CommitRevealWeightsEnabled CurrentDissolveCleanupStatus DecayingHotkeyLock DecayingLock DecayingOwnerLock \
         Delegates Difficulty DissolveCleanupQueue HotkeyLock IdentitiesV2 ImmuneOwnerUidsLimit ImmunityPeriod \
         IsNetworkMember Kappa Keys LastEpochBlock LastPowRegistrationBlock LastRateLimitedBlock LastUpdate \
         LiquidAlphaOn Lock LockingColdkeys MaturityRate MaxAllowedUids MaxAllowedValidators MaxBurn MaxDelegateTake \
         MaxDifficulty MaxRegistrationsPerBlock MaxWeightsLimit MechanismCountCurrent MechanismEmissionSplit \
         MinAllowedWeights MinBurn MinChildkeyTakePerSubnet MinDelegateTake MinDifficulty MinerCollateral \
         NetworkPowRegistrationAllowed NetworkRegisteredAt NetworkRegistrationAllowed NetworkRegistrationQueue \
         NetworksAdded OwnedHotkeys Owner OwnerCutAutoLockEnabled OwnerCutEnabled OwnerHyperparamRateLimit OwnerLock \
         ParentKeys PendingChildKeys PendingEpochAt RegistrationsThisBlock RevealPeriodEpochs Rho \
         RootClaimableThreshold RootStakeUnlockInterval ServingRateLimit StakingHotkeys SubnetAlphaOut \
         SubnetEmaTaoFlow SubnetEmissionEnabled SubnetEpochConsensus SubnetEpochIndex SubnetIdentitiesV3 SubnetLeases SubnetLimit \
         SubnetLocked SubnetOwner SubnetOwnerHotkey SubnetProtocolAlpha SubnetTaoInEmission SubnetworkN \
         TargetRegistrationsPerInterval Tempo TimelockedWeightCommits TokenSymbol TotalAlphaStaked TotalHotkeyAlpha \
         TransferToggle TxRateLimit Uids UnlockRate ValidatorPermit Weights WeightsSetRateLimit WeightsVersionKey \
         Yuma3On",
    ),
];

/// Calls that clients compose, with their arguments.
const CALLS: &[(&str, &[&str])] = &[
    (
        "Balances",
        &[
            "transfer_all(dest, keep_alive)",
            "transfer_allow_death(dest, value)",
            "transfer_keep_alive(dest, value)",
        ],
    ),
    (
        "SubtensorModule",
        &[
            "add_stake(hotkey, netuid, amount_staked)",
            "add_stake_limit(hotkey, netuid, amount_staked, limit_price, allow_partial)",
            "burned_register(netuid, hotkey)",
            "decrease_take(hotkey, take)",
            "increase_take(hotkey, take)",
            "register_network(hotkey)",
            "register_network_with_identity(hotkey, identity)",
            "remove_stake(hotkey, netuid, amount_unstaked)",
            "remove_stake_limit(hotkey, netuid, amount_unstaked, limit_price, allow_partial)",
            "root_register(hotkey)",
            "serve_axon(netuid, version, ip, port, ip_type, protocol, placeholder1, placeholder2)",
            "serve_prometheus(netuid, version, ip, port, ip_type)",
            "set_mechanism_weights(netuid, mecid, dests, weights, version_key)",
            "set_weights(netuid, dests, weights, version_key)",
            "start_call(netuid)",
            "try_associate_hotkey(hotkey)",
        ],
    ),
    ("Sudo", &["sudo(call)", "sudo_unchecked_weight(call, weight)"]),
    ("System", &["set_code(code)"]),
    ("Utility", &["batch_all(calls)"]),
];

/// Constants that clients read.
const CONSTANTS: &[(&str, &str)] = &[
    ("Aura", "SlotDuration"),
    ("Balances", "ExistentialDeposit"),
    ("SubtensorModule", "InitialStartCallDelay"),
];

fn opaque_metadata() -> Vec<u8> {
    let opaque = new_chain().execute_with(|| Runtime::metadata_at_version(15)).expect("version 15 exists");
    opaque.to_vec()
}

/// Clients keep metadata by genesis and `spec_version` and never look again, so a change without a new version would have
/// them decode by what they once saw. Who changes the metadata raises `spec_version` and notes both here.
#[test]
fn metadata_changes_only_with_the_version() {
    let digest = sp_crypto_hashing::blake2_256(&opaque_metadata());
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((myelin_runtime::VERSION.spec_version, digest.as_str()), METADATA);
}

/// Nodes keep what they have encoded for as long as the slot duration stays.
#[test]
fn metadata_depends_on_the_state_only_by_the_slot_duration() {
    let at_slot = |mut chain: sp_io::TestExternalities| {
        chain.execute_with(|| {
            myelin_runtime::SlotDuration::set(&777);
            [14, 15, 16]
                .map(|version| Runtime::metadata_at_version(version).map(|metadata| metadata.to_vec()))
        })
    };
    let metadata = at_slot(new_chain());
    assert!(metadata.iter().all(Option::is_some));
    assert!(metadata == at_slot(sp_io::TestExternalities::default()));
}

fn metadata() -> RuntimeMetadataV15 {
    let opaque = opaque_metadata();
    let prefixed = RuntimeMetadataPrefixed::decode(&mut opaque.as_slice()).expect("metadata decodes");
    match prefixed.1 {
        RuntimeMetadata::V15(metadata) => metadata,
        other => panic!("asked for version 15, got {}", other.version()),
    }
}

fn pallet<'metadata>(
    metadata: &'metadata RuntimeMetadataV15,
    name: &str,
) -> &'metadata PalletMetadata<PortableForm> {
    metadata.pallets.iter().find(|pallet| pallet.name == name).unwrap_or_else(|| panic!("no pallet {name}"))
}

/// How a type is written in the tables above.
fn written(types: &PortableRegistry, id: u32) -> String {
    let described = types.resolve(id).expect("every type that is used is described");
    match &described.type_def {
        TypeDef::Primitive(primitive) => format!("{primitive:?}").to_lowercase(),
        TypeDef::Compact(inner) => format!("Compact<{}>", written(types, inner.type_param.id)),
        TypeDef::Sequence(items) => format!("Vec<{}>", written(types, items.type_param.id)),
        TypeDef::Array(items) => format!("[{}; {}]", written(types, items.type_param.id), items.len),
        TypeDef::Tuple(parts) => {
            format!("({})", join(parts.fields.iter().map(|part| written(types, part.id))))
        }
        TypeDef::Composite(_) | TypeDef::Variant(_) => {
            let name = described.path.ident().expect("records have names").to_string();
            let generic = |ident: &str| ["Option", "BTreeMap"].contains(&ident);
            let parameters = described.type_params.iter().filter(|_| generic(&name));
            let parameters =
                join(parameters.map(|parameter| {
                    written(types, parameter.ty.as_ref().expect("these have parameters").id)
                }));
            if parameters.is_empty() {
                name
            } else {
                format!("{name}<{parameters}>")
            }
        }
        TypeDef::BitSequence(_) => "bits".into(),
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn signature(
    types: &PortableRegistry,
    api: &RuntimeApiMetadata<PortableForm>,
    method: &str,
) -> (String, String) {
    let found = api.methods.iter().find(|found| found.name == method);
    let found = found.unwrap_or_else(|| panic!("no method {}.{method}", api.name));
    let inputs = found.inputs.iter().map(|input| format!("{}: {}", input.name, written(types, input.ty.id)));
    (format!("{method}({})", join(inputs)), written(types, found.output.id))
}

#[test]
fn runtime_apis_have_the_signatures_of_the_protocol() {
    let metadata = metadata();
    for (api, methods) in RUNTIME_APIS {
        let found = metadata.apis.iter().find(|found| found.name == *api);
        let found = found.unwrap_or_else(|| panic!("no runtime API {api}"));
        for (expected, answer) in *methods {
            let method = expected.split('(').next().expect("methods have names");
            assert_eq!(signature(&metadata.types, found, method), (expected.to_string(), answer.to_string()));
        }
    }
}

#[test]
fn no_runtime_api_of_the_market_is_missing_in_these_tables() {
    for api in metadata().apis.iter().filter(|api| api.name.ends_with("RuntimeApi")) {
        let listed = RUNTIME_APIS.iter().find(|(name, _)| *name == api.name);
        assert_eq!(listed.map(|(_, methods)| methods.len()), Some(api.methods.len()), "{}", api.name);
    }
}

fn layout(types: &PortableRegistry, name: &str) -> String {
    let mut named =
        types.types.iter().filter(|candidate| {
            let in_protocol =
                candidate.ty.path.segments.first().is_some_and(|first| {
                    ["myelin_runtime", "myelin_pallet_subtensor"].contains(&first.as_str())
                });
            in_protocol && candidate.ty.path.ident().is_some_and(|ident| ident == name)
        });
    let described = &named.next().unwrap_or_else(|| panic!("no type {name}")).ty;
    assert!(named.next().is_none(), "several types {name}");
    let field = |field: &Field<PortableForm>| {
        let written = written(types, field.ty.id);
        field.name.as_ref().map_or(written.clone(), |name| format!("{name} {written}"))
    };
    match &described.type_def {
        TypeDef::Composite(record) => join(record.fields.iter().map(field)),
        TypeDef::Variant(choice) => join(choice.variants.iter().map(|variant| {
            format!("{} {}({})", variant.index, variant.name, join(variant.fields.iter().map(field)))
        })),
        other => panic!("{name} is {other:?}"),
    }
}

fn in_full(abbreviated: &str) -> String {
    ["16", "32", "64", "128", "8"].into_iter().fold(abbreviated.to_string(), |text, bits| {
        text.replace(&format!("C{bits}"), &format!("Compact<u{bits}>"))
    })
}

#[test]
fn records_have_the_fields_of_the_protocol() {
    let metadata = metadata();
    for (name, fields) in RECORDS {
        assert_eq!(layout(&metadata.types, name), in_full(fields), "{name}");
    }
}

#[test]
fn a_selective_metagraph_is_a_metagraph_of_options_and_two_more() {
    let metadata = metadata();
    let table = RECORDS.iter().find(|(name, _)| *name == "Metagraph").expect("it is there").1;
    let full = in_full(table);
    let whole = layout(&metadata.types, "SelectiveMetagraph");
    let (netuid, rest) = whole.split_once(", ").expect("it has fields");
    assert_eq!(netuid, "netuid Compact<u16>");
    let names = |text: &str| text.split(", ").filter_map(|field| field.split_once(' ')).count();
    assert_eq!(names(rest), names(&full) - 1 + 2);
    for number in [
        "name Option<Vec<Compact<u8>>>",
        "identity Option<Option<SubnetIdentityV3>>",
        "burn Option<Compact<u64>>",
    ] {
        assert!(whole.contains(number), "{number} in {whole}");
    }
    let end =
        "validators Option<Vec<Compact<u16>>>, commitments Option<Vec<(AccountId32, Vec<Compact<u8>>)>>";
    assert!(whole.ends_with(end), "{whole}");
}

#[test]
fn storage_that_clients_read_is_listed() {
    let metadata = metadata();
    for (name, items) in STORAGE {
        let storage = pallet(&metadata, name).storage.as_ref().expect("it has storage");
        for item in items.split_whitespace() {
            assert!(storage.entries.iter().any(|entry| entry.name == item), "{name}.{item} is not listed");
        }
    }
}

#[test]
fn calls_that_clients_compose_have_their_arguments() {
    let metadata = metadata();
    for (name, calls) in CALLS {
        let id = pallet(&metadata, name).calls.as_ref().expect("it has calls").ty.id;
        let TypeDef::Variant(variants) = &metadata.types.resolve(id).expect("described").type_def else {
            panic!("calls of {name} are not variants");
        };
        let found: Vec<String> = variants
            .variants
            .iter()
            .map(|call| {
                let arguments =
                    call.fields.iter().filter_map(|field| field.name.as_ref()).map(ToString::to_string);
                format!("{}({})", call.name, join(arguments))
            })
            .collect();
        for call in *calls {
            assert!(found.iter().any(|found| found == call), "{name}.{call} is not among {found:#?}");
        }
    }
}

#[test]
fn constants_that_clients_read_are_listed() {
    let metadata = metadata();
    for (name, constant) in CONSTANTS {
        let constants = &pallet(&metadata, name).constants;
        assert!(constants.iter().any(|found| found.name == *constant), "{name}.{constant} is not listed");
    }
}
