//! Runtime APIs from the outside: SCALE arguments in, SCALE answers out, compared with the state they speak of.

mod common;

use std::{collections::BTreeMap, sync::OnceLock};

use codec::{Compact, DecodeAll, Encode};
use common::{account, market_events, new_chain, run_block, run_blocks, tao};
use myelin_runtime::{
    api,
    views::{
        basket::{BasketPosition, BasketSummary, BasketTradingStatus},
        delegate::{DelegateInfo, Delegation},
        hyperparameters::{HyperparamEntry, HyperparamValue, SubnetHyperparams, SubnetHyperparamsV2},
        metagraph::{Metagraph, SelectiveMetagraph, SubnetState},
        neuron::{NeuronInfo, NeuronInfoLite},
        stake::{StakeAvailabilities, StakeAvailability, StakeInfo},
        subnet::{DynamicInfo, SubnetInfo, SubnetInfov2},
        swap::{SimSwapResult, SubnetPrice},
    },
    AccountId, Runtime, RuntimeCall, SubtensorModule, System,
};
use pallet_subtensor::{AxonInfo, Call, Event, LockState, PrometheusInfo, SubnetIdentityV3};
use sp_core::{storage::StateVersion, H256};
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring as Keyring;
use substrate_fixed::types::{I32F32, U64F64};

/// The subnet with neurons 0 to 4, hotkeys 1 to 5.
const NETUID: u16 = 1;
/// A subnet that has not started, with hotkey 11.
const QUIET: u16 = 2;
/// A subnet that does not exist.
const ABSENT: u16 = 9;
/// Root, the quiet subnet and the busy one.
const NETUIDS: [u16; 3] = [0, NETUID, QUIET];

fn alice() -> AccountId {
    Keyring::Alice.to_account_id()
}

fn bob() -> AccountId {
    Keyring::Bob.to_account_id()
}

fn charlie() -> AccountId {
    Keyring::Charlie.to_account_id()
}

/// Calls a runtime API. Arguments are given as a tuple, and their encoding is that of the call.
fn ask<Answer: DecodeAll>(method: &str, arguments: impl Encode) -> Answer {
    let answer = api::dispatch(method, &arguments.encode()).unwrap_or_else(|| panic!("no method {method}"));
    Answer::decode_all(&mut &answer[..]).unwrap_or_else(|error| panic!("{method}: {error}"))
}

fn act(signer: AccountId, call: Call<Runtime>) {
    assert_eq!(run_block(vec![(signer, RuntimeCall::SubtensorModule(call))]), vec![Ok(())]);
}

fn stake(coldkey: AccountId, hotkey: u8, netuid: u16, amount: u64) {
    act(coldkey, Call::add_stake { hotkey: account(hotkey), netuid, amount_staked: tao(amount) });
}

fn set_weights(validator: u8, dests: Vec<u16>, weights: Vec<u16>) {
    act(
        account(validator),
        Call::set_mechanism_weights { netuid: NETUID, mecid: 0, dests, weights, version_key: 0 },
    );
}

fn identity() -> SubnetIdentityV3 {
    SubnetIdentityV3 { subnet_name: b"storage".to_vec(), ..Default::default() }
}

fn open_subnets() {
    act(alice(), Call::register_network_with_identity { hotkey: account(1), identity: Some(identity()) });
    act(alice(), Call::start_call { netuid: NETUID });
    act(charlie(), Call::register_network { hotkey: account(11) });
}

fn serve(hotkey: u8) {
    let (netuid, version, ip, port, ip_type) = (NETUID, 7, 0x0102_0304, 8091, 4);
    let (protocol, placeholder1, placeholder2) = (4, 5, 6);
    act(
        account(hotkey),
        Call::serve_axon { netuid, version, ip, port, ip_type, protocol, placeholder1, placeholder2 },
    );
    act(account(hotkey), Call::serve_prometheus { netuid, version, ip, port: 9100, ip_type });
}

/// Makes a chain on which little is at its default: validators 2 and 3 (Bob's, 2 with root stake and with Charlie as
/// nominator) have judged miners 4 and 5, epochs have paid them, and miner 4 serves.
fn keep_busy() {
    open_subnets();
    for hotkey in 2..=5 {
        act(bob(), Call::burned_register { netuid: NETUID, hotkey: account(hotkey) });
    }
    act(bob(), Call::root_register { hotkey: account(2) });
    stake(bob(), 2, NETUID, 300);
    stake(bob(), 3, NETUID, 200);
    stake(charlie(), 2, NETUID, 100);
    stake(charlie(), 2, 0, 50);
    serve(4);
    run_blocks(10);
    set_weights(2, vec![3, 4], vec![60_000, 20_000]);
    set_weights(3, vec![3, 4, 1], vec![3, 1, 0]);
    run_blocks(23);
}

/// Trie nodes and root of a state.
type Snapshot = (Vec<(Vec<u8>, (Vec<u8>, i32))>, H256);

/// Runs `test` on a busy chain. Making one takes a while, so that all tests start from copies of the same.
fn on_busy_chain(test: impl FnOnce()) {
    static BUSY: OnceLock<Snapshot> = OnceLock::new();
    let (nodes, root) = BUSY.get_or_init(|| {
        let mut chain = new_chain();
        chain.execute_with(keep_busy);
        chain.commit_all().expect("a change to the state is left open");
        chain.into_raw_snapshot()
    });
    TestExternalities::from_raw_snapshot(nodes.clone(), *root, StateVersion::V1).execute_with(test);
}

fn plain<Number: Copy>(numbers: &[Compact<Number>]) -> Vec<Number> {
    numbers.iter().map(|number| number.0).collect()
}

fn links(pairs: Vec<(u16, u16)>) -> Vec<(Compact<u16>, Compact<u16>)> {
    pairs
        .into_iter()
        .filter(|(_, share)| *share > 0)
        .map(|(uid, share)| (Compact(uid), Compact(share)))
        .collect()
}

/// What the record of `uid` has to be, item by item from the state.
fn expected_neuron(uid: u16) -> NeuronInfo {
    let hotkey = SubtensorModule::hotkey_at(NETUID, uid).expect("the slot is taken");
    let coldkey = SubtensorModule::coldkey_of(&hotkey);
    let at = usize::from(uid);
    NeuronInfo {
        uid,
        netuid: NETUID,
        active: SubtensorModule::active(NETUID)[at],
        axon_info: SubtensorModule::axon(NETUID, &hotkey).unwrap_or_default(),
        prometheus_info: SubtensorModule::prometheus(NETUID, &hotkey).unwrap_or_default(),
        stake: vec![(coldkey.clone(), Compact(SubtensorModule::hotkey_alpha(&hotkey, NETUID)))],
        rank: 0,
        emission: SubtensorModule::neuron_emission(NETUID)[at],
        incentive: SubtensorModule::incentive(NETUID)[at],
        consensus: SubtensorModule::consensus(NETUID)[at],
        trust: 0,
        validator_trust: SubtensorModule::validator_trust(NETUID)[at],
        dividends: SubtensorModule::dividends(NETUID)[at],
        last_update: SubtensorModule::last_updates(NETUID)[at],
        validator_permit: SubtensorModule::validator_permits(NETUID)[at],
        weights: links(SubtensorModule::weights_of(NETUID, uid)),
        bonds: links(SubtensorModule::bonds_of(NETUID, uid)),
        pruning_score: u16::MAX,
        hotkey,
        coldkey,
    }
}

#[test]
fn neurons_are_what_the_state_says() {
    on_busy_chain(|| {
        let neurons: Vec<NeuronInfo> = ask("NeuronInfoRuntimeApi_get_neurons", NETUID);
        assert_eq!(neurons, (0..5).map(expected_neuron).collect::<Vec<_>>());
        assert_eq!(neurons[3].hotkey, account(4));
        assert!(neurons[1].dividends > 0 && neurons[1].validator_trust > 0 && neurons[1].validator_permit);
        assert!(neurons[3].incentive > 0 && neurons[3].consensus > 0 && neurons[3].emission > 0);
        assert_eq!(plain_pairs(&neurons[2].weights), vec![(3, 65_535), (4, 21_845)], "zeros are left out");
        assert_eq!(neurons[1].bonds.len(), 2);
    });
}

fn plain_pairs(pairs: &[(Compact<u16>, Compact<u16>)]) -> Vec<(u16, u16)> {
    pairs.iter().map(|(uid, share)| (uid.0, share.0)).collect()
}

#[test]
fn neurons_show_where_they_answer() {
    on_busy_chain(|| {
        let neurons: Vec<NeuronInfoLite> = ask("NeuronInfoRuntimeApi_get_neurons_lite", NETUID);
        let axon = &neurons[3].axon_info;
        assert_eq!((axon.ip, axon.port, axon.ip_type, axon.protocol), (0x0102_0304, 8091, 4, 4));
        assert_eq!(neurons[3].prometheus_info.port, 9100);
        assert_eq!(neurons[4].axon_info, AxonInfo::default());
        assert_eq!(neurons[4].prometheus_info, PrometheusInfo::default());
    });
}

#[test]
fn a_lite_neuron_is_a_neuron_without_weights_and_bonds() {
    on_busy_chain(|| {
        let neurons: Vec<NeuronInfo> = ask("NeuronInfoRuntimeApi_get_neurons", NETUID);
        let lite: Vec<NeuronInfoLite> = ask("NeuronInfoRuntimeApi_get_neurons_lite", NETUID);
        assert_eq!(lite.len(), 5);
        for (neuron, lite) in neurons.into_iter().zip(lite) {
            let links = (&neuron.weights, &neuron.bonds).encode();
            let tail = neuron.pruning_score.encode().len() + 2;
            let whole = neuron.encode();
            let head = whole.len() - links.len() - tail;
            assert_eq!(lite.encode(), [&whole[..head], &whole[whole.len() - tail..]].concat());
        }
    });
}

#[test]
fn one_neuron_is_found_by_its_slot() {
    on_busy_chain(|| {
        let neuron: Option<NeuronInfo> = ask("NeuronInfoRuntimeApi_get_neuron", (NETUID, 3_u16));
        assert_eq!(neuron, Some(expected_neuron(3)));
        let lite: Option<NeuronInfoLite> = ask("NeuronInfoRuntimeApi_get_neuron_lite", (NETUID, 3_u16));
        assert_eq!(lite.map(|lite| lite.hotkey), Some(account(4)));
        for (netuid, uid) in [(NETUID, 5_u16), (ABSENT, 0)] {
            assert_eq!(ask::<Option<NeuronInfo>>("NeuronInfoRuntimeApi_get_neuron", (netuid, uid)), None);
            assert_eq!(
                ask::<Option<NeuronInfoLite>>("NeuronInfoRuntimeApi_get_neuron_lite", (netuid, uid)),
                None
            );
        }
    });
}

#[test]
fn a_subnet_that_does_not_exist_has_no_neurons() {
    on_busy_chain(|| {
        assert_eq!(ask::<Vec<NeuronInfo>>("NeuronInfoRuntimeApi_get_neurons", ABSENT), vec![]);
        assert_eq!(ask::<Vec<NeuronInfoLite>>("NeuronInfoRuntimeApi_get_neurons_lite", ABSENT), vec![]);
    });
}

fn metagraph(netuid: u16) -> Metagraph {
    ask::<Option<Metagraph>>("SubnetInfoRuntimeApi_get_metagraph", netuid).expect("the subnet exists")
}

#[test]
fn a_metagraph_shows_the_subnet() {
    on_busy_chain(|| {
        let graph = metagraph(NETUID);
        assert_eq!(graph.netuid.0, NETUID);
        assert_eq!(plain(&graph.name), b"storage");
        assert_eq!(plain(&graph.symbol), "α".as_bytes());
        assert_eq!(graph.identity, Some(identity()));
        assert_eq!((graph.owner_hotkey, graph.owner_coldkey), (account(1), alice()));
        assert_eq!(graph.block.0, u64::from(System::block_number()));
        assert_eq!(graph.network_registered_at.0, 1);
        assert_eq!(graph.tempo.0, 10);
        let last_step = SubtensorModule::last_step_block(NETUID);
        assert!(last_step > 0);
        assert_eq!(graph.last_step.0, last_step);
        assert_eq!(graph.blocks_since_last_step.0, graph.block.0 - last_step);
        assert_eq!((graph.num_uids.0, graph.max_uids.0, graph.max_validators.0), (5, 256, 64));
        assert_eq!(graph.burn.0, SubtensorModule::burn(NETUID));
        assert_eq!((graph.alpha_low.0, graph.alpha_high.0), (45_875, 58_982));
        assert_eq!((graph.min_burn.0, graph.max_burn.0), (500_000, 100_000_000_000));
        assert_eq!((graph.min_difficulty.0, graph.max_difficulty.0), (10_000_000, u64::MAX / 4));
        assert_eq!((graph.max_regs_per_block.0, graph.target_regs_per_interval.0), (1, 2));
        assert_eq!(graph.activity_cutoff.0, SubtensorModule::activity_cutoff(NETUID));
    });
}

#[test]
fn a_metagraph_shows_the_pool() {
    on_busy_chain(|| {
        let graph = metagraph(NETUID);
        assert_eq!(graph.tao_in.0, SubtensorModule::tao_reserve(NETUID));
        assert_eq!(graph.alpha_in.0, SubtensorModule::alpha_reserve(NETUID));
        assert_eq!(graph.alpha_out.0, SubtensorModule::alpha_out(NETUID));
        let emission = (graph.tao_in_emission.0, graph.alpha_in_emission.0, graph.alpha_out_emission.0);
        assert_eq!(emission, SubtensorModule::last_emission(NETUID));
        assert!(emission.0 > 0 && emission.1 > 0 && emission.2 > 0);
        let pending = SubtensorModule::pending_emission(NETUID);
        assert!(pending.server_rao > 0 && pending.validator_rao > 0);
        assert_eq!(graph.pending_alpha_emission.0, pending.server_rao + pending.validator_rao);
        assert_eq!(graph.subnet_volume.0, SubtensorModule::traded_volume(NETUID));
        assert_eq!(graph.moving_price, SubtensorModule::moving_price(NETUID));
        assert!(graph.moving_price > 0);
    });
}

#[test]
fn a_metagraph_shows_neurons_in_columns() {
    on_busy_chain(|| {
        let graph = metagraph(NETUID);
        let neurons: Vec<NeuronInfo> = ask("NeuronInfoRuntimeApi_get_neurons", NETUID);
        let column = |value: fn(&NeuronInfo) -> u64| neurons.iter().map(value).collect::<Vec<_>>();
        let wide =
            |values: &[Compact<u16>]| values.iter().map(|value| u64::from(value.0)).collect::<Vec<_>>();
        assert_eq!(graph.hotkeys, (1..=5).map(account).collect::<Vec<_>>());
        assert_eq!(graph.coldkeys, [alice(), bob(), bob(), bob(), bob()]);
        assert_eq!(graph.identities, vec![None; 5]);
        assert_eq!(graph.axons, neurons.iter().map(|neuron| neuron.axon_info.clone()).collect::<Vec<_>>());
        assert_eq!(graph.active, neurons.iter().map(|neuron| neuron.active).collect::<Vec<_>>());
        assert_eq!(
            graph.validator_permit,
            neurons.iter().map(|neuron| neuron.validator_permit).collect::<Vec<_>>()
        );
        assert_eq!(plain(&graph.last_update), column(|neuron| neuron.last_update));
        assert_eq!(plain(&graph.emission), column(|neuron| neuron.emission));
        assert_eq!(wide(&graph.dividends), column(|neuron| neuron.dividends.into()));
        assert_eq!(wide(&graph.incentives), column(|neuron| neuron.incentive.into()));
        assert_eq!(wide(&graph.consensus), column(|neuron| neuron.consensus.into()));
        assert_eq!(plain(&graph.block_at_registration), vec![1, 4, 5, 6, 7]);
        assert_eq!((graph.pruning_score, graph.trust, graph.rank), (vec![], vec![], vec![]));
    });
}

#[test]
fn a_metagraph_shows_stake_and_dividends() {
    on_busy_chain(|| {
        let graph = metagraph(NETUID);
        for (uid, hotkey) in graph.hotkeys.iter().enumerate() {
            let alpha = SubtensorModule::hotkey_alpha(hotkey, NETUID);
            let root = SubtensorModule::hotkey_alpha(hotkey, 0);
            assert_eq!((graph.alpha_stake[uid].0, graph.tao_stake[uid].0), (alpha, root));
            assert_eq!(graph.total_stake[uid].0, SubtensorModule::weighted_stake_rao(NETUID, hotkey));
            assert_eq!(graph.tao_dividends_per_hotkey[uid], (hotkey.clone(), Compact(0)));
            let dividends = SubtensorModule::alpha_dividends(NETUID, hotkey);
            assert_eq!(graph.alpha_dividends_per_hotkey[uid], (hotkey.clone(), Compact(dividends)));
        }
        assert_eq!(graph.tao_stake[1].0, tao(50));
        assert!(graph.total_stake[1].0 > graph.alpha_stake[1].0);
        assert!(graph.alpha_dividends_per_hotkey[1].1 .0 > 0);
    });
}

#[test]
fn all_metagraphs_are_all_subnets_and_all_their_mechanisms() {
    on_busy_chain(|| {
        let each: Vec<Option<Metagraph>> = NETUIDS.into_iter().map(metagraph).map(Some).collect();
        assert_eq!(ask::<Vec<Option<Metagraph>>>("SubnetInfoRuntimeApi_get_all_metagraphs", ()), each);
        assert_eq!(ask::<Vec<Option<Metagraph>>>("SubnetInfoRuntimeApi_get_all_mechagraphs", ()), each);
        let first: Option<Metagraph> = ask("SubnetInfoRuntimeApi_get_mechagraph", (NETUID, 0_u8));
        assert_eq!(first, Some(metagraph(NETUID)));
        assert_eq!(ask::<Option<Metagraph>>("SubnetInfoRuntimeApi_get_mechagraph", (NETUID, 1_u8)), None);
        assert_eq!(ask::<Option<Metagraph>>("SubnetInfoRuntimeApi_get_metagraph", ABSENT), None);
    });
}

#[test]
fn a_second_mechanism_has_incentives_and_updates_of_its_own() {
    on_busy_chain(|| {
        let index = pallet_subtensor::storage_index(NETUID, 1);
        pallet_subtensor::MechanismCountCurrent::<Runtime>::insert(NETUID, 2);
        pallet_subtensor::Incentive::<Runtime>::insert(index, vec![1, 2, 3, 4, 5]);
        pallet_subtensor::LastUpdate::<Runtime>::insert(index, vec![6, 7, 8, 9, 10]);
        let second: Option<Metagraph> = ask("SubnetInfoRuntimeApi_get_mechagraph", (NETUID, 1_u8));
        let second = second.expect("the mechanism exists");
        assert_eq!(second.netuid.0, 4096 + NETUID);
        assert_eq!(plain(&second.incentives), vec![1, 2, 3, 4, 5]);
        assert_eq!(plain(&second.last_update), vec![6, 7, 8, 9, 10]);
        let first = metagraph(NETUID);
        let as_first = Metagraph {
            netuid: first.netuid,
            incentives: first.incentives.clone(),
            last_update: first.last_update.clone(),
            ..second.clone()
        };
        assert_eq!(as_first, first);
        let all: Vec<Option<Metagraph>> = ask("SubnetInfoRuntimeApi_get_all_mechagraphs", ());
        assert_eq!(&all[1..3], [Some(first), Some(second)]);
    });
}

fn selected(netuid: u16, numbers: &[u16]) -> SelectiveMetagraph {
    let answer: Option<SelectiveMetagraph> =
        ask("SubnetInfoRuntimeApi_get_selective_metagraph", (netuid, numbers.to_vec()));
    answer.expect("the subnet exists")
}

#[test]
fn every_field_of_a_metagraph_can_be_asked_for_by_its_number() {
    const FIELDS: usize = 74;
    on_busy_chain(|| {
        let mut fields = Vec::new();
        for number in 1..=71 {
            let answer = selected(NETUID, &[number]).encode();
            let before = usize::from(number);
            let after = FIELDS - before - 1;
            assert!(answer[..before].iter().all(|byte| *byte == 0), "fields before {number}");
            assert_eq!(answer[before], 1, "field {number}");
            assert!(answer[answer.len() - after..].iter().all(|byte| *byte == 0), "fields after {number}");
            fields.extend_from_slice(&answer[before + 1..answer.len() - after]);
        }
        let whole = metagraph(NETUID).encode();
        assert_eq!(fields, whole[Compact(NETUID).encode().len()..]);
    });
}

#[test]
fn the_number_of_a_selected_subnet_is_shown_when_asked_for() {
    on_busy_chain(|| {
        assert_eq!(selected(NETUID, &[]).netuid.0, 0);
        assert_eq!(selected(NETUID, &[0, 999]).netuid.0, NETUID);
        let mechanism = |mechanism: u8| -> Option<SelectiveMetagraph> {
            ask("SubnetInfoRuntimeApi_get_selective_mechagraph", (NETUID, mechanism, vec![62_u16]))
        };
        let first = mechanism(0).expect("the mechanism exists");
        assert_eq!((first.netuid.0, first.incentives), (NETUID, Some(metagraph(NETUID).incentives)));
        assert_eq!(mechanism(1), None);
        let absent: Option<SelectiveMetagraph> =
            ask("SubnetInfoRuntimeApi_get_selective_metagraph", (ABSENT, vec![0_u16]));
        assert_eq!(absent, None);
    });
}

#[test]
fn validators_are_selected_by_growing_stake() {
    on_busy_chain(|| {
        let answer = selected(NETUID, &[72, 73]);
        assert_eq!(answer.commitments, Some(vec![]));
        let validators = plain(&answer.validators.expect("asked for"));
        assert_eq!(validators.len(), 5);
        let stakes: Vec<u64> =
            validators.iter().map(|uid| metagraph(NETUID).total_stake[usize::from(*uid)].0).collect();
        assert!(stakes.is_sorted() && stakes[0] < stakes[4], "{stakes:?}");
        pallet_subtensor::StakeThreshold::<Runtime>::put(stakes[3]);
        assert_eq!(selected(NETUID, &[72]).validators, Some(vec![Compact(validators[4])]));
        pallet_subtensor::ValidatorPermit::<Runtime>::insert(NETUID, vec![false; 5]);
        assert_eq!(selected(NETUID, &[72]).validators, Some(vec![]));
    });
}

#[test]
fn a_subnet_state_is_a_part_of_the_metagraph() {
    on_busy_chain(|| {
        let state: Option<SubnetState> = ask("SubnetInfoRuntimeApi_get_subnet_state", NETUID);
        let (state, graph) = (state.expect("the subnet exists"), metagraph(NETUID));
        assert_eq!((state.hotkeys, state.coldkeys), (graph.hotkeys, graph.coldkeys));
        assert_eq!((state.dividends, state.incentives), (graph.dividends, graph.incentives));
        assert_eq!((state.alpha_stake, state.total_stake), (graph.alpha_stake, graph.total_stake));
        assert_eq!((state.last_update, state.emission), (graph.last_update, graph.emission));
        assert_eq!(state.emission_history, vec![vec![Compact(0); 5]; 3]);
        assert_eq!(ask::<Option<SubnetState>>("SubnetInfoRuntimeApi_get_subnet_state", ABSENT), None);
    });
}

#[test]
fn dynamic_info_is_the_metagraph_without_neurons() {
    on_busy_chain(|| {
        let info: Option<DynamicInfo> = ask("SubnetInfoRuntimeApi_get_dynamic_info", NETUID);
        let (info, graph) = (info.expect("the subnet exists"), metagraph(NETUID));
        assert_eq!((info.subnet_name, info.token_symbol), (graph.name, graph.symbol));
        assert_eq!((info.owner_hotkey, info.owner_coldkey), (graph.owner_hotkey, graph.owner_coldkey));
        assert_eq!(
            (info.tao_in, info.alpha_in, info.alpha_out),
            (graph.tao_in.0, graph.alpha_in.0, graph.alpha_out.0)
        );
        let emission = (info.tao_in_emission, info.alpha_in_emission, info.alpha_out_emission);
        assert_eq!(emission, SubtensorModule::last_emission(NETUID));
        assert_eq!(info.pending_alpha_emission, graph.pending_alpha_emission.0);
        assert_eq!((info.subnet_volume, info.moving_price), (graph.subnet_volume.0, graph.moving_price));
        assert_eq!((info.last_step, info.tempo), (graph.last_step.0, graph.tempo.0));
        assert_eq!(info.blocks_since_last_step, graph.blocks_since_last_step.0);
        assert_eq!(info.subnet_identity, Some(identity()));
    });
}

#[test]
fn lists_of_subnets_have_every_subnet() {
    on_busy_chain(|| {
        let dynamic: Vec<Option<DynamicInfo>> = ask("SubnetInfoRuntimeApi_get_all_dynamic_info", ());
        assert_eq!(dynamic.iter().flatten().map(|info| info.netuid).collect::<Vec<_>>(), NETUIDS);
        let names: Vec<Vec<u8>> = dynamic.iter().flatten().map(|info| plain(&info.subnet_name)).collect();
        assert_eq!(names, [&b"root"[..], b"storage", b"unknown"]);
        let first: Vec<Option<SubnetInfo>> = ask("SubnetInfoRuntimeApi_get_subnets_info", ());
        assert_eq!(first.iter().flatten().map(|info| info.netuid).collect::<Vec<_>>(), NETUIDS);
        let second: Vec<Option<SubnetInfov2>> = ask("SubnetInfoRuntimeApi_get_subnets_info_v2", ());
        assert_eq!(second.iter().flatten().map(|info| info.netuid).collect::<Vec<_>>(), NETUIDS);
    });
}

#[test]
fn the_second_version_of_a_subnet_adds_its_identity() {
    on_busy_chain(|| {
        let first: Option<SubnetInfo> = ask("SubnetInfoRuntimeApi_get_subnet_info", NETUID);
        let second: Option<SubnetInfov2> = ask("SubnetInfoRuntimeApi_get_subnet_info_v2", NETUID);
        let (first, second) = (first.expect("it exists"), second.expect("it exists"));
        assert_eq!(second.encode(), (&first, Some(identity())).encode());
        assert_eq!((first.owner, first.subnetwork_n, first.max_allowed_uids), (alice(), 5, 256));
        assert_eq!((first.burn, first.tempo), (SubtensorModule::burn(NETUID), 10));
        assert_eq!((first.scaling_law_power, first.difficulty), (50, 10_000_000));
        assert_eq!(ask::<Option<SubnetInfo>>("SubnetInfoRuntimeApi_get_subnet_info", ABSENT), None);
        assert_eq!(ask::<Option<DynamicInfo>>("SubnetInfoRuntimeApi_get_dynamic_info", ABSENT), None);
    });
}

#[test]
fn the_second_version_of_the_rules_adds_six() {
    on_busy_chain(|| {
        let first: Option<SubnetHyperparams> = ask("SubnetInfoRuntimeApi_get_subnet_hyperparams", NETUID);
        let second: Option<SubnetHyperparamsV2> =
            ask("SubnetInfoRuntimeApi_get_subnet_hyperparams_v2", NETUID);
        let first = first.expect("it exists");
        let steepness = I32F32::from_num(1000);
        let added = (steepness, Compact(3_u16), true, true, false, false);
        assert_eq!(second.encode(), Some((&first, added)).encode());
        assert_eq!((first.tempo, first.kappa, first.rho), (10, 32_767, 10));
        assert_eq!((first.weights_rate_limit, first.immunity_period), (0, 5000));
        assert_eq!(
            ask::<Option<SubnetHyperparams>>("SubnetInfoRuntimeApi_get_subnet_hyperparams", ABSENT),
            None
        );
    });
}

#[test]
fn rules_have_names_and_kinds() {
    use HyperparamValue::{Bool, TaoBalance, I32F32 as Signed, U16, U32, U64, U64F64 as Fraction};
    let expected = [
        ("kappa", U16(32_767)),
        ("immunity_period", U16(5000)),
        ("min_allowed_weights", U16(1)),
        ("max_weights_limit", U16(65_535)),
        ("tempo", U16(10)),
        ("weights_version", U64(0)),
        ("weights_rate_limit", U64(0)),
        ("activity_cutoff", U64(138)),
        ("activity_cutoff_factor", U32(13_889)),
        ("registration_allowed", Bool(true)),
        ("target_regs_per_interval", U16(2)),
        ("min_burn", TaoBalance(500_000)),
        ("max_burn", TaoBalance(100_000_000_000)),
        ("burn_half_life", U16(360)),
        ("burn_increase_mult", Fraction(U64F64::from_bits(23_242_897_532_874_035_200))),
        ("bonds_moving_avg", U64(900_000)),
        ("max_regs_per_block", U16(1)),
        ("serving_rate_limit", U64(0)),
        ("max_validators", U16(64)),
        ("commit_reveal_period", U64(1)),
        ("commit_reveal_weights_enabled", Bool(false)),
        ("alpha_high", U16(58_982)),
        ("alpha_low", U16(45_875)),
        ("liquid_alpha_enabled", Bool(false)),
        ("alpha_sigmoid_steepness", Signed(I32F32::from_num(1000))),
        ("yuma_version", U16(3)),
        ("subnet_is_active", Bool(true)),
        ("transfers_enabled", Bool(true)),
        ("bonds_reset_enabled", Bool(false)),
        ("user_liquidity_enabled", Bool(false)),
        ("owner_cut_enabled", Bool(true)),
        ("owner_cut_auto_lock_enabled", Bool(false)),
        ("min_childkey_take", U16(0)),
    ];
    let entries = expected.map(|(name, value)| HyperparamEntry { name: name.into(), value });
    on_busy_chain(|| {
        let rules = |netuid: u16| -> Option<Vec<HyperparamEntry>> {
            ask("SubnetInfoRuntimeApi_get_subnet_hyperparams_v3", netuid)
        };
        assert_eq!(rules(NETUID), Some(entries.to_vec()));
        assert_eq!(
            rules(QUIET).map(|rules| rules[26].value.clone()),
            Some(Bool(false)),
            "it has not started"
        );
        assert_eq!(rules(ABSENT), None);
        pallet_subtensor::Yuma3On::<Runtime>::insert(NETUID, false);
        assert_eq!(rules(NETUID).map(|rules| rules[25].value.clone()), Some(U16(2)));
    });
}

#[test]
fn epochs_are_announced() {
    on_busy_chain(|| {
        let next =
            |netuid: u16| ask::<Option<u64>>("SubnetInfoRuntimeApi_get_next_epoch_start_block", netuid);
        let announced = next(NETUID).expect("the subnet has a tempo");
        let now = u64::from(System::block_number());
        assert!((now + 1..=now + 10).contains(&announced));
        for _ in now..announced - 1 {
            run_blocks(1);
            assert!(SubtensorModule::last_step_block(NETUID) < now);
        }
        run_blocks(1);
        assert_eq!(SubtensorModule::last_step_block(NETUID), announced);
        pallet_subtensor::Tempo::<Runtime>::insert(NETUID, 0);
        assert_eq!(next(NETUID), None);
    });
}

#[test]
fn pools_have_accounts_and_no_subnet_is_pruned() {
    on_busy_chain(|| {
        let pool =
            |netuid: u16| ask::<Option<AccountId>>("SubnetInfoRuntimeApi_get_subnet_account_id", netuid);
        let mut bytes = *b"modlsubtensr\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(pool(NETUID), Some(AccountId::new(bytes)));
        bytes[12] = 2;
        assert_eq!(pool(QUIET), Some(AccountId::new(bytes)));
        assert_eq!(pool(ABSENT), None);
        assert_eq!(ask::<Option<u16>>("SubnetInfoRuntimeApi_get_subnet_to_prune", ()), None);
    });
}

#[test]
fn a_coldkey_says_where_its_rewards_are_staked() {
    on_busy_chain(|| {
        let destination = || -> Option<AccountId> {
            ask("SubnetInfoRuntimeApi_get_coldkey_auto_stake_hotkey", (bob(), NETUID))
        };
        assert_eq!(destination(), None);
        pallet_subtensor::AutoStakeDestination::<Runtime>::insert(bob(), NETUID, account(3));
        assert_eq!(destination(), Some(account(3)));
    });
}

#[test]
fn the_next_subnet_costs_what_is_quoted() {
    on_busy_chain(|| {
        run_blocks(1);
        let quoted: u64 = ask("SubnetRegistrationRuntimeApi_get_network_registration_cost", ());
        assert!(quoted > tao(1000));
        // The price falls from block to block: the quote is for the block that it is asked in.
        assert_eq!(quoted, SubtensorModule::lock_cost());
        act(alice(), Call::register_network { hotkey: account(12) });
        let paid = SubtensorModule::tao_reserve(3);
        assert!(paid <= quoted && paid > quoted - tao(1), "quoted {quoted}, paid {paid}");
    });
}

fn stake_infos(coldkey: AccountId) -> Vec<StakeInfo> {
    ask("StakeInfoRuntimeApi_get_stake_info_for_coldkey", coldkey)
}

#[test]
fn a_coldkey_sees_all_its_stake() {
    on_busy_chain(|| {
        let infos = stake_infos(charlie());
        let shown: Vec<_> = infos.iter().map(|info| (info.netuid, info.hotkey.clone())).collect();
        assert_eq!(
            shown,
            [(0, account(2)), (NETUID, account(2))],
            "subnet by subnet, without empty positions"
        );
        assert_eq!(infos[0].stake, tao(50));
        assert!(infos[0].is_registered && infos[1].is_registered);
        assert_eq!(infos[1].stake, SubtensorModule::stake_of(&account(2), &charlie(), NETUID));
        assert_eq!(infos[1].emission, SubtensorModule::alpha_dividends(NETUID, &account(2)));
        assert!(infos[1].emission > 0);
        for info in infos {
            assert_eq!(info.coldkey, charlie());
            assert_eq!((info.locked, info.tao_emission, info.drain), (0, 0, 0));
        }
    });
}

#[test]
fn several_coldkeys_are_answered_in_their_order() {
    on_busy_chain(|| {
        let nobody = account(99);
        let answer: Vec<(AccountId, Vec<StakeInfo>)> =
            ask("StakeInfoRuntimeApi_get_stake_info_for_coldkeys", (vec![charlie(), nobody.clone(), bob()],));
        let expected =
            vec![(charlie(), stake_infos(charlie())), (nobody, vec![]), (bob(), stake_infos(bob()))];
        assert_eq!(answer, expected);
    });
}

#[test]
fn one_position_is_answered_even_if_it_is_empty() {
    on_busy_chain(|| {
        let position = |hotkey: u8| -> Option<StakeInfo> {
            let arguments = (account(hotkey), charlie(), NETUID);
            ask("StakeInfoRuntimeApi_get_stake_info_for_hotkey_coldkey_netuid", arguments)
        };
        assert_eq!(position(2), Some(stake_infos(charlie()).remove(1)));
        let empty = position(11).expect("always an answer");
        assert_eq!((empty.stake, empty.is_registered, empty.hotkey), (0, false, account(11)));
    });
}

fn availability(coldkeys: Vec<AccountId>, netuids: Option<Vec<u16>>) -> StakeAvailabilities {
    ask("StakeInfoRuntimeApi_get_stake_availability_for_coldkeys", (coldkeys, netuids))
}

#[test]
fn all_stake_is_available() {
    on_busy_chain(|| {
        let of_bob: u64 =
            (2..=5).map(|hotkey| SubtensorModule::stake_of(&account(hotkey), &bob(), NETUID)).sum();
        let row = |total| StakeAvailability { total, locked: 0, available: total };
        let answer = availability(vec![bob(), charlie()], None);
        assert_eq!(answer[&bob()], BTreeMap::from([(NETUID, row(of_bob))]));
        let of_charlie = SubtensorModule::stake_of(&account(2), &charlie(), NETUID);
        assert_eq!(answer[&charlie()], BTreeMap::from([(0, row(tao(50))), (NETUID, row(of_charlie))]));
    });
}

#[test]
fn availability_is_answered_for_the_subnets_that_are_asked_for() {
    on_busy_chain(|| {
        let subnets = |netuids: &[u16]| -> Vec<u16> {
            availability(vec![charlie()], Some(netuids.to_vec()))[&charlie()].keys().copied().collect()
        };
        assert_eq!(subnets(&[NETUID]), [NETUID]);
        assert_eq!(subnets(&[NETUID, 0, NETUID]), [0, NETUID]);
        assert_eq!(subnets(&[QUIET, ABSENT]), [0_u16; 0]);
        assert_eq!(subnets(&[]), [0_u16; 0]);
        assert_eq!(subnets(&[0, 0, 0, NETUID]), [0_u16; 0], "more than there are subnets");
    });
}

#[test]
fn moving_stake_costs_the_fee_of_where_it_goes() {
    on_busy_chain(|| {
        let fee = |origin: Option<u16>, destination: Option<u16>| -> u64 {
            let at = |netuid: Option<u16>| netuid.map(|netuid| (account(2), netuid));
            let arguments = (at(origin), bob(), at(destination), bob(), tao(100));
            ask("StakeInfoRuntimeApi_get_stake_fee", arguments)
        };
        let charged = 100_000_000_000_u64 * 33 / 65_535;
        assert_eq!(fee(None, Some(NETUID)), charged);
        assert_eq!(fee(Some(NETUID), None), charged);
        assert_eq!(fee(Some(0), Some(NETUID)), charged);
        assert_eq!(fee(Some(NETUID), Some(0)), 0);
        assert_eq!(fee(Some(NETUID), Some(NETUID)), 0);
        assert_eq!(fee(None, None), 0);
    });
}

#[test]
fn nobody_has_locked_anything() {
    on_busy_chain(|| {
        let lock: Option<LockState> = ask("StakeInfoRuntimeApi_get_coldkey_lock", (bob(), NETUID));
        assert_eq!(lock, None);
        let conviction: U64F64 = ask("StakeInfoRuntimeApi_get_hotkey_conviction", (account(2), NETUID));
        assert_eq!(conviction, U64F64::from_num(0));
        let most: Option<AccountId> = ask("StakeInfoRuntimeApi_get_most_convicted_hotkey_on_subnet", NETUID);
        assert_eq!(most, None);
    });
}

#[test]
fn a_delegate_shows_who_stakes_with_it() {
    on_busy_chain(|| {
        let delegates: Vec<DelegateInfo> = ask("DelegateInfoRuntimeApi_get_delegates", ());
        let one: Option<DelegateInfo> = ask("DelegateInfoRuntimeApi_get_delegate", account(2));
        assert_eq!(delegates, vec![one.expect("it is a delegate")]);
        let delegate = &delegates[0];
        assert_eq!((&delegate.delegate_ss58, &delegate.owner_ss58), (&account(2), &bob()));
        assert_eq!(delegate.take, 11_796);
        let alpha = |coldkey: &AccountId, netuid| SubtensorModule::stake_of(&account(2), coldkey, netuid);
        let mut nominators: BTreeMap<AccountId, BTreeMap<u16, u64>> = BTreeMap::new();
        for (coldkey, rows) in &delegate.nominators {
            let rows = rows.iter().map(|(netuid, alpha)| (netuid.0, alpha.0)).collect();
            assert_eq!(nominators.insert(coldkey.clone(), rows), None, "one entry for each coldkey");
        }
        let of = |coldkey: &AccountId, netuids: &[u16]| {
            netuids.iter().map(|netuid| (*netuid, alpha(coldkey, *netuid))).collect::<BTreeMap<_, _>>()
        };
        let expected =
            BTreeMap::from([(bob(), of(&bob(), &[NETUID])), (charlie(), of(&charlie(), &[0, NETUID]))]);
        assert_eq!(nominators, expected);
        assert_eq!(ask::<Option<DelegateInfo>>("DelegateInfoRuntimeApi_get_delegate", account(4)), None);
    });
}

#[test]
fn a_delegate_shows_what_it_earns_in_a_day() {
    on_busy_chain(|| {
        let delegate: Option<DelegateInfo> = ask("DelegateInfoRuntimeApi_get_delegate", account(2));
        let delegate = delegate.expect("it is a delegate");
        assert_eq!(plain(&delegate.registrations), [0, NETUID]);
        assert_eq!(plain(&delegate.validator_permits), [NETUID]);
        // Four blocks a second, ten blocks an epoch.
        let daily = SubtensorModule::neuron_emission(NETUID)[1] * (86_400 * 4) / 10;
        assert!(daily > 0);
        assert_eq!(delegate.total_daily_return, daily);
        let for_stakers = u128::from(daily) * (65_535 - 11_796) / 65_535;
        assert_eq!(u128::from(delegate.return_per_1000), for_stakers * 1000 / 50);
    });
}

#[test]
fn a_coldkey_sees_whom_it_stakes_with() {
    on_busy_chain(|| {
        let rows: Vec<Delegation> = ask("DelegateInfoRuntimeApi_get_delegated", charlie());
        let shown: Vec<_> = rows.iter().map(|(_, (netuid, alpha))| (netuid.0, alpha.0)).collect();
        let expected =
            [0, NETUID].map(|netuid| (netuid, SubtensorModule::stake_of(&account(2), &charlie(), netuid)));
        assert_eq!(shown, expected);
        let one: Option<DelegateInfo> = ask("DelegateInfoRuntimeApi_get_delegate", account(2));
        let without_nominators = DelegateInfo { nominators: vec![], ..one.expect("it is a delegate") };
        assert!(rows.iter().all(|(delegate, _)| delegate == &without_nominators));
    });
}

#[test]
fn prices_are_in_rao() {
    on_busy_chain(|| {
        let price = |netuid: u16| ask::<u64>("SwapRuntimeApi_current_alpha_price", netuid);
        assert_eq!(price(0), tao(1));
        assert_eq!(price(NETUID), SubtensorModule::spot_price_rao(NETUID));
        assert!(price(NETUID) > tao(1), "stake was bought");
        let all: Vec<SubnetPrice> = ask("SwapRuntimeApi_current_alpha_price_all", ());
        assert_eq!(all, NETUIDS.map(|netuid| SubnetPrice { netuid, price: price(netuid) }));
    });
}

/// What the last purchase or sale of this block moved: rao, alpha, fee.
fn last_trade() -> (u64, u64, u64) {
    let trade = market_events().into_iter().rev().find_map(|event| match event {
        Event::StakeAdded(_, _, tao, alpha, _, fee) | Event::StakeRemoved(_, _, tao, alpha, _, fee) => {
            Some((tao, alpha, fee))
        }
        _ => None,
    });
    trade.expect("something was traded")
}

/// A quote is for the state as it is, but a trade comes a block later, and emission moves the reserves in between.
fn stop_emission() {
    pallet_subtensor::FirstEmissionBlockNumber::<Runtime>::remove(NETUID);
}

#[test]
fn a_simulated_purchase_is_the_purchase() {
    on_busy_chain(|| {
        stop_emission();
        let quote: SimSwapResult = ask("SwapRuntimeApi_sim_swap_tao_for_alpha", (NETUID, tao(10)));
        let price = SubtensorModule::spot_price(NETUID);
        assert_eq!((quote.tao_fee, quote.alpha_fee, quote.tao_slippage), (tao(10) * 33 / 65_535, 0, 0));
        assert_eq!(quote.tao_amount, tao(10) - quote.tao_fee);
        let at_price: u64 = (U64F64::from_num(tao(10)) / price).to_num();
        assert_eq!(quote.alpha_slippage, at_price - quote.alpha_amount);
        assert!(quote.alpha_slippage > 0);
        let reserves = (SubtensorModule::tao_reserve(NETUID), SubtensorModule::alpha_reserve(NETUID));
        stake(bob(), 2, NETUID, 10);
        assert_eq!(last_trade(), (tao(10), quote.alpha_amount, quote.tao_fee));
        assert_eq!(SubtensorModule::tao_reserve(NETUID), reserves.0 + quote.tao_amount);
        assert_eq!(SubtensorModule::alpha_reserve(NETUID), reserves.1 - quote.alpha_amount);
    });
}

#[test]
fn a_simulated_sale_is_the_sale() {
    on_busy_chain(|| {
        stop_emission();
        let alpha = tao(10);
        let quote: SimSwapResult = ask("SwapRuntimeApi_sim_swap_alpha_for_tao", (NETUID, alpha));
        assert_eq!((quote.alpha_fee, quote.tao_fee, quote.alpha_slippage), (alpha * 33 / 65_535, 0, 0));
        assert_eq!(quote.alpha_amount, alpha - quote.alpha_fee);
        let at_price: u64 = (U64F64::from_num(alpha) * SubtensorModule::spot_price(NETUID)).to_num();
        assert_eq!(quote.tao_slippage, at_price - quote.tao_amount);
        assert!(quote.tao_slippage > 0);
        act(bob(), Call::remove_stake { hotkey: account(2), netuid: NETUID, amount_unstaked: alpha });
        assert_eq!(last_trade(), (quote.tao_amount, alpha, quote.alpha_fee));
    });
}

#[test]
fn root_trades_one_to_one_and_what_is_refused_is_all_zero() {
    on_busy_chain(|| {
        let buy = |netuid: u16, tao: u64| -> SimSwapResult {
            ask("SwapRuntimeApi_sim_swap_tao_for_alpha", (netuid, tao))
        };
        let sell = |netuid: u16, alpha: u64| -> SimSwapResult {
            ask("SwapRuntimeApi_sim_swap_alpha_for_tao", (netuid, alpha))
        };
        let even = SimSwapResult { tao_amount: tao(3), alpha_amount: tao(3), ..Default::default() };
        assert_eq!((buy(0, tao(3)), sell(0, tao(3))), (even, even));
        let nothing = SimSwapResult::default();
        assert_eq!((buy(ABSENT, tao(3)), sell(ABSENT, tao(3))), (nothing, nothing));
        assert_eq!((buy(NETUID, u64::MAX), sell(NETUID, u64::MAX)), (nothing, nothing));
    });
}

#[test]
fn there_are_no_baskets() {
    on_busy_chain(|| {
        assert_eq!(ask::<u64>("BetaBasketRuntimeApi_get_root_basket_owed", bob()), 0);
        let positions: Vec<(AccountId, u64, u64)> =
            ask("BetaBasketRuntimeApi_get_root_basket_positions", bob());
        assert_eq!(positions, vec![]);
        let position: Option<BasketPosition> =
            ask("BetaBasketRuntimeApi_get_basket_position", (account(2), bob()));
        assert_eq!(position, None);
        let portfolio: Vec<BasketPosition> = ask("BetaBasketRuntimeApi_get_root_basket_portfolio", bob());
        assert_eq!(portfolio, vec![]);
        let basket: Vec<(u16, u64, u64)> = ask("BetaBasketRuntimeApi_get_validator_basket", account(2));
        assert_eq!(basket, vec![]);
        let summary: BasketSummary = ask("BetaBasketRuntimeApi_get_validator_basket_summary", account(2));
        assert_eq!(summary, BasketSummary::empty(account(2)));
        let all: Vec<BasketSummary> = ask("BetaBasketRuntimeApi_get_all_validator_baskets", ());
        assert_eq!(all, vec![]);
        assert_eq!(ask::<u64>("BetaBasketRuntimeApi_get_validator_basket_nav", account(2)), 0);
        assert_eq!(ask::<u64>("BetaBasketRuntimeApi_get_root_basket_total_nav", ()), 0);
        let trading: BasketTradingStatus = ask("BetaBasketRuntimeApi_get_basket_trading_status", account(2));
        assert_eq!(trading, BasketTradingStatus::default());
    });
}
