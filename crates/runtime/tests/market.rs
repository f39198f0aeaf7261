//! The market from the outside: what people do, and what it comes to.

mod common;

use common::{account, market_events, new_chain, run_block, run_blocks, tao};
use myelin_runtime::{presets::Genesis, AccountId, Balances, Runtime, RuntimeCall, SubtensorModule};
use pallet_subtensor::{Call, Error, Event, MAX_HOTKEYS_OF_COLDKEY};
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::DispatchError;

const NETUID: u16 = 1;

fn owner() -> AccountId {
    Keyring::Alice.to_account_id()
}

fn market(call: Call<Runtime>) -> RuntimeCall {
    RuntimeCall::SubtensorModule(call)
}

fn error(error: Error<Runtime>) -> Result<(), DispatchError> {
    Err(error.into())
}

fn one(signer: AccountId, call: Call<Runtime>) -> Result<(), DispatchError> {
    run_block(vec![(signer, market(call))]).remove(0)
}

/// Alice opens subnet 1 with hotkey 1 and starts it.
fn open_subnet() {
    run_blocks(1);
    assert_eq!(one(owner(), Call::register_network { hotkey: account(1) }), Ok(()));
    assert!(market_events().contains(&Event::NetworkAdded(NETUID, 1)));
    assert_eq!(one(owner(), Call::start_call { netuid: NETUID }), Ok(()));
}

/// Bob registers `hotkeys` on subnet 1.
fn register(hotkeys: &[u8]) {
    for seed in hotkeys {
        let call = Call::burned_register { netuid: NETUID, hotkey: account(*seed) };
        assert_eq!(one(Keyring::Bob.to_account_id(), call), Ok(()));
    }
}

fn weights(netuid: u16, dests: Vec<u16>, weights: Vec<u16>) -> Call<Runtime> {
    Call::set_mechanism_weights { netuid, mecid: 0, dests, weights, version_key: 0 }
}

#[test]
fn a_subnet_costs_its_lock_and_the_next_costs_twice_as_much() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let before = Balances::free_balance(owner());
        assert_eq!(SubtensorModule::lock_cost(), tao(1000));
        assert_eq!(one(owner(), Call::register_network { hotkey: account(1) }), Ok(()));
        assert_eq!(before - Balances::free_balance(owner()), tao(1000));
        assert_eq!(SubtensorModule::tao_reserve(NETUID), tao(1000));
        assert_eq!(SubtensorModule::alpha_reserve(NETUID), tao(1000));
        assert!(SubtensorModule::lock_cost() > tao(1990));
        assert_eq!(one(owner(), Call::register_network { hotkey: account(2) }), Ok(()));
        assert_eq!(SubtensorModule::all_netuids(), vec![0, 1, 2]);
        assert_eq!(SubtensorModule::token_symbol(NETUID), "α".as_bytes());
    });
}

#[test]
fn a_subnet_is_started_by_its_owner_and_once() {
    new_chain().execute_with(|| {
        open_subnet();
        let start = || Call::start_call { netuid: NETUID };
        assert_eq!(one(account(9), start()), Err(DispatchError::BadOrigin));
        assert_eq!(one(owner(), start()), error(Error::FirstEmissionBlockNumberAlreadySet));
        assert_eq!(one(owner(), Call::start_call { netuid: 7 }), error(Error::SubnetNotExists));
    });
}

#[test]
fn a_slot_raises_the_price_of_the_next_and_belongs_to_one_hotkey() {
    new_chain().execute_with(|| {
        open_subnet();
        let price = SubtensorModule::burn(NETUID);
        register(&[2]);
        assert!(SubtensorModule::burn(NETUID) > price);
        assert_eq!(SubtensorModule::uid_of(NETUID, &account(2)), Some(1));
        let again = Call::burned_register { netuid: NETUID, hotkey: account(2) };
        let taken = one(Keyring::Bob.to_account_id(), again);
        assert_eq!(taken, error(Error::HotKeyAlreadyRegisteredInSubNet));
        let foreign = Call::burned_register { netuid: NETUID, hotkey: account(1) };
        assert!(one(Keyring::Bob.to_account_id(), foreign).is_err());
    });
}

#[test]
fn a_coldkey_has_a_bounded_number_of_hotkeys() {
    new_chain().execute_with(|| {
        open_subnet();
        let bob = Keyring::Bob.to_account_id();
        let hotkey = |index: usize| AccountId::new(sp_io::hashing::blake2_256(&index.to_le_bytes()));
        let associate = |index| Call::try_associate_hotkey { hotkey: hotkey(index) };
        let all = (0..MAX_HOTKEYS_OF_COLDKEY).map(|index| (bob.clone(), market(associate(index)))).collect();
        assert!(run_block(all).iter().all(Result::is_ok));
        let many = error(Error::TooManyStakingHotkeys);
        assert_eq!(one(bob.clone(), associate(MAX_HOTKEYS_OF_COLDKEY)), many);
        let register = |hotkey| Call::burned_register { netuid: NETUID, hotkey };
        assert_eq!(one(bob.clone(), register(hotkey(MAX_HOTKEYS_OF_COLDKEY))), many);
        assert_eq!(one(bob.clone(), register(hotkey(7))), Ok(()), "it is one of them already");

        let stake = |hotkey| Call::add_stake { hotkey, netuid: NETUID, amount_staked: tao(1) };
        assert_eq!(one(bob.clone(), stake(account(1))), many, "that of somebody else");
        assert_eq!(one(bob.clone(), stake(hotkey(7))), Ok(()));
        assert_eq!(SubtensorModule::hotkeys_of(&bob).len(), MAX_HOTKEYS_OF_COLDKEY);
        assert_eq!(SubtensorModule::staking_hotkeys(&bob).len(), MAX_HOTKEYS_OF_COLDKEY);
    });
}

#[test]
fn staking_and_unstaking_costs_only_fees() {
    new_chain().execute_with(|| {
        open_subnet();
        register(&[2]);
        let bob = Keyring::Bob.to_account_id();
        let before = Balances::free_balance(&bob);
        let stake = Call::add_stake { hotkey: account(2), netuid: NETUID, amount_staked: tao(100) };
        let unstake = Call::remove_stake { hotkey: account(2), netuid: NETUID, amount_unstaked: u64::MAX };
        let outcomes = run_block(vec![(bob.clone(), market(stake)), (bob.clone(), market(unstake))]);
        assert_eq!(outcomes, vec![Ok(()), Ok(())]);
        assert_eq!(SubtensorModule::stake_of(&account(2), &bob, NETUID), 0);
        let lost = before - Balances::free_balance(&bob);
        assert!(lost > tao(100) / 2000 && lost < tao(100) / 500, "lost {lost} rao");
    });
}

#[test]
fn a_price_limit_holds() {
    new_chain().execute_with(|| {
        open_subnet();
        register(&[2]);
        let bob = Keyring::Bob.to_account_id();
        let limit_price = SubtensorModule::spot_price_rao(NETUID) * 11 / 10;
        let order = |allow_partial| Call::add_stake_limit {
            hotkey: account(2),
            netuid: NETUID,
            amount_staked: tao(100_000),
            limit_price,
            allow_partial,
        };
        assert_eq!(one(bob.clone(), order(false)), error(Error::SlippageTooHigh));
        let before = Balances::free_balance(&bob);
        assert_eq!(one(bob.clone(), order(true)), Ok(()));
        assert!(SubtensorModule::spot_price_rao(NETUID) <= limit_price * 1001 / 1000);
        assert!(before - Balances::free_balance(&bob) < tao(1000));
    });
}

#[test]
fn validators_weights_decide_what_miners_earn() {
    new_chain().execute_with(|| {
        open_subnet();
        register(&[2, 3, 4, 5]);
        let bob = Keyring::Bob.to_account_id();
        for (seed, amount) in [(2, 300), (3, 200)] {
            let stake = Call::add_stake { hotkey: account(seed), netuid: NETUID, amount_staked: tao(amount) };
            assert_eq!(one(bob.clone(), stake), Ok(()));
        }
        assert_eq!(one(account(4), weights(NETUID, vec![4], vec![1])), error(Error::NeuronNoValidatorPermit));
        run_blocks(10);
        assert_eq!(SubtensorModule::validator_permits(NETUID), vec![true, true, true, false, false]);
        assert_eq!(one(account(2), weights(NETUID, vec![3, 4], vec![60000, 20000])), Ok(()));
        assert_eq!(one(account(3), weights(NETUID, vec![3, 4], vec![3, 1])), Ok(()));
        run_blocks(20);

        let incentive = SubtensorModule::incentive(NETUID);
        assert_eq!(&incentive[..3], &[0, 0, 0]);
        assert!((49_150..=49_153).contains(&incentive[3]) && (16_382..=16_385).contains(&incentive[4]));
        let earned = |seed: u8| SubtensorModule::hotkey_alpha(&account(seed), NETUID);
        assert!(earned(4) > 2 * earned(5) && earned(5) > 0);
        assert!(SubtensorModule::dividends(NETUID)[1] > SubtensorModule::dividends(NETUID)[2]);
        assert!(SubtensorModule::stake_of(&account(1), &owner(), NETUID) > 0, "the owner's cut");
    });
}

#[test]
fn weights_are_checked() {
    new_chain().execute_with(|| {
        open_subnet();
        register(&[2, 3]);
        let set = |signer: u8, dests: Vec<u16>, values: Vec<u16>| {
            one(account(signer), weights(NETUID, dests, values))
        };
        assert_eq!(set(1, vec![1], vec![1, 2]), error(Error::WeightVecNotEqualSize));
        assert_eq!(set(1, vec![1, 1], vec![1, 2]), error(Error::DuplicateUids));
        assert_eq!(set(1, vec![1, 9], vec![1, 2]), error(Error::UidVecContainInvalidOne));
        assert_eq!(set(1, vec![0, 1, 2, 3], vec![1; 4]), error(Error::UidsLengthExceedUidsInSubNet));
        assert_eq!(set(1, vec![], vec![]), error(Error::WeightVecLengthIsLow));
        assert_eq!(set(9, vec![1], vec![1]), error(Error::HotKeyNotRegisteredInSubNet));
        assert_eq!(one(account(1), weights(0, vec![1], vec![1])), error(Error::CommitRevealEnabled));
        let mechanism = Call::set_mechanism_weights {
            netuid: NETUID,
            mecid: 1,
            dests: vec![1],
            weights: vec![1],
            version_key: 0,
        };
        assert_eq!(one(account(1), mechanism), error(Error::MechanismDoesNotExist));
        assert_eq!(set(1, vec![1, 2], vec![1, 2]), Ok(()));
        assert_eq!(SubtensorModule::weights_of(NETUID, 0), vec![(1, 32768), (2, 65535)]);
    });
}

#[test]
fn endpoints_are_checked() {
    new_chain().execute_with(|| {
        open_subnet();
        let serve = |ip: u128, port: u16, ip_type: u8| Call::serve_axon {
            netuid: NETUID,
            version: 1,
            ip,
            port,
            ip_type,
            protocol: 4,
            placeholder1: 0,
            placeholder2: 0,
        };
        assert_eq!(one(account(9), serve(1, 1, 4)), error(Error::HotKeyNotRegisteredInNetwork));
        assert_eq!(one(account(1), serve(1, 1, 5)), error(Error::InvalidIpType));
        assert_eq!(one(account(1), serve(u128::MAX, 1, 4)), error(Error::InvalidIpAddress));
        assert_eq!(one(account(1), serve(0x7f00_0001, 0, 4)), error(Error::InvalidPort));
        assert_eq!(one(account(1), serve(0x7f00_0001, 8091, 4)), Ok(()));
        assert_eq!(SubtensorModule::axon(NETUID, &account(1)).map(|axon| axon.port), Some(8091));
    });
}

#[test]
fn tao_staked_on_root_comes_back_to_the_rao() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let bob = Keyring::Bob.to_account_id();
        assert_eq!(one(bob.clone(), Call::root_register { hotkey: account(2) }), Ok(()));
        let before = Balances::free_balance(&bob);
        let stake = Call::add_stake { hotkey: account(2), netuid: 0, amount_staked: tao(5) };
        assert_eq!(one(bob.clone(), stake), Ok(()));
        assert_eq!(SubtensorModule::stake_of(&account(2), &bob, 0), tao(5));
        let unstake = Call::remove_stake { hotkey: account(2), netuid: 0, amount_unstaked: tao(5) };
        assert_eq!(one(bob.clone(), unstake), Ok(()));
        assert_eq!(Balances::free_balance(&bob), before);
    });
}

#[test]
fn the_last_rao_on_root_stays_backed() {
    for left in [1, 499, 500, 501] {
        new_chain().execute_with(|| {
            run_blocks(1);
            let bob = Keyring::Bob.to_account_id();
            assert_eq!(one(bob.clone(), Call::root_register { hotkey: account(2) }), Ok(()));
            let stake = Call::add_stake { hotkey: account(2), netuid: 0, amount_staked: tao(5) };
            assert_eq!(one(bob.clone(), stake), Ok(()));
            let amount_unstaked = tao(5) - left;
            let unstake = Call::remove_stake { hotkey: account(2), netuid: 0, amount_unstaked };
            assert_eq!(one(bob.clone(), unstake), Ok(()), "all but {left} rao");
            assert_eq!(SubtensorModule::stake_of(&account(2), &bob, 0), left);
        });
    }
}

#[test]
fn nobody_sends_tao_into_a_pool() {
    new_chain().execute_with(|| {
        open_subnet();
        for netuid in [0, NETUID, 77] {
            let dest = SubtensorModule::pool_account(netuid);
            let transfer = pallet_balances::Call::transfer_allow_death { dest: dest.into(), value: tao(1) };
            let transfer = RuntimeCall::Balances(transfer);
            let batch = pallet_utility::Call::batch_all { calls: vec![transfer.clone()] };
            for call in [transfer, RuntimeCall::Utility(batch)] {
                let outcome = run_block(vec![(Keyring::Bob.to_account_id(), call)]);
                assert_eq!(outcome, vec![Err(frame_system::Error::<Runtime>::CallFiltered.into())]);
            }
        }
    });
    let mut genesis = Genesis::development(250);
    genesis.balances.push((SubtensorModule::pool_account(1), tao(1)));
    assert!(genesis.build_storage().unwrap_err().contains("pool"));
}

#[test]
fn the_fee_of_a_pool_is_set_by_root_alone() {
    const HIGHEST_RATE: u16 = 10_000;
    let set = |rate| RuntimeCall::Swap(pallet_swap::Call::set_fee_rate { netuid: NETUID, rate });
    let by_root = |rate| RuntimeCall::Sudo(pallet_sudo::Call::sudo { call: Box::new(set(rate)) });
    let fee = || myelin_runtime::views::stake::stake_fee(None, Some((account(1), NETUID)), tao(1));
    new_chain().execute_with(|| {
        open_subnet();
        let usual = fee();
        assert_eq!(run_block(vec![(owner(), set(HIGHEST_RATE))]), [Err(DispatchError::BadOrigin)]);
        assert_eq!(
            run_block(vec![(owner(), by_root(HIGHEST_RATE + 1))]),
            [Ok(())],
            "what sudo did is in an event"
        );
        assert_eq!(fee(), usual);
        assert_eq!(run_block(vec![(owner(), by_root(HIGHEST_RATE))]), [Ok(())]);
        assert_eq!(fee(), myelin_economy::pool::fee_on_gross(tao(1), HIGHEST_RATE));
        assert!(fee() > 100 * usual, "{usual}");
    });
}

#[test]
fn takes_fall_at_once_and_rise_with_patience() {
    const HIGHEST_TAKE: u16 = 11_796;
    let bob = || Keyring::Bob.to_account_id();
    let decrease = |take| Call::decrease_take { hotkey: account(2), take };
    let increase = |take| Call::increase_take { hotkey: account(2), take };
    new_chain().execute_with(|| {
        run_blocks(1);
        let change = |call| one(bob(), call);
        assert_eq!(change(decrease(0)), error(Error::HotKeyAccountNotExists));
        assert_eq!(change(Call::root_register { hotkey: account(2) }), Ok(()));
        assert_eq!(one(owner(), decrease(0)), error(Error::NonAssociatedColdKey));
        assert_eq!(SubtensorModule::take_of(&account(2)), HIGHEST_TAKE);

        assert_eq!(change(decrease(5_000)), Ok(()));
        assert!(market_events().contains(&Event::TakeDecreased(bob(), account(2), 5_000)));
        assert_eq!(SubtensorModule::take_of(&account(2)), 5_000);
        assert_eq!(change(decrease(5_000)), error(Error::DelegateTakeTooLow), "no decrease");
        assert_eq!(change(decrease(u16::MAX)), error(Error::DelegateTakeTooHigh));
        assert_eq!(change(increase(5_000)), error(Error::DelegateTakeTooLow), "no increase");
        assert_eq!(change(increase(HIGHEST_TAKE + 1)), error(Error::DelegateTakeTooHigh));
        assert_eq!(change(increase(6_000)), error(Error::DelegateTxRateLimitExceeded));
        assert_eq!(change(decrease(4_999)), Ok(()), "that never has to wait");

        const PATIENCE: u32 = 3;
        pallet_subtensor::TxDelegateTakeRateLimit::<Runtime>::put(u64::from(PATIENCE));
        run_blocks(PATIENCE - 1);
        assert_eq!(change(increase(6_000)), error(Error::DelegateTxRateLimitExceeded));
        assert_eq!(change(increase(6_000)), Ok(()));
        assert!(market_events().contains(&Event::TakeIncreased(bob(), account(2), 6_000)));
        assert_eq!(SubtensorModule::take_of(&account(2)), 6_000);
    });
}

#[test]
fn a_change_of_take_makes_a_delegate() {
    new_chain().execute_with(|| {
        open_subnet();
        register(&[2]);
        assert!(!SubtensorModule::is_delegate(&account(2)));
        let change = Call::increase_take { hotkey: account(2), take: 7 };
        assert_eq!(one(Keyring::Bob.to_account_id(), change), Ok(()));
        assert!(SubtensorModule::is_delegate(&account(2)));
        assert_eq!(SubtensorModule::take_of(&account(2)), 7);
    });
}
