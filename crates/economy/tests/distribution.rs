//! Payouts of an epoch and root claims against recorded numbers of the reference chain.

use myelin_economy::{
    distribution::{
        apportion, settle_incentives, split_dividends, unpaid_rao, Dividend, EpochPots, Family, Parent,
    },
    root_claims::{
        auto_claim_indices, claim_rao, claimable_dividend, claimed_after_adding, claimed_after_removing,
        owed, ClaimableDividend,
    },
    stake::{
        effective_childkey_take, inherited_stake, nomination_floor_rao, split_take, ParentLink, StakePair,
        TakeSplit,
    },
};
use myelin_fixed::{I96F32, U96F32};

const TAO: u64 = 1_000_000_000;

fn stake(alpha_rao: u64, root_rao: u64) -> StakePair {
    StakePair { alpha_rao, root_rao }
}

fn dividend(hotkey: u8, dividends_rao: u64, alpha_rao: u64, root_rao: u64) -> Dividend<u8> {
    Dividend { hotkey, dividends_rao, stake: stake(alpha_rao, root_rao) }
}

#[test]
fn pots_are_divided_as_the_reference_does() {
    let dividends = [dividend(1, 77_783_738, 4_859_302, 2_342_352), dividend(2, 19_283_940, 23_423, 859_273)];
    let payouts = apportion(&dividends, 183_123_567_452, 837_120_949_872, U96F32::from_num(0.18));
    let floored: Vec<(u64, u64)> =
        payouts.iter().map(|payout| (payout.alpha.to_num(), payout.root.to_num())).collect();
    assert_eq!(floored, [(176_856_534_496, 226_443_796_624), (6_267_032_912, 610_677_153_052)]);
    let dust =
        unpaid_rao(183_123_567_452, payouts.iter().map(|payout| split_take(payout.alpha, 0).nominators_rao));
    assert_eq!(dust, 183_123_567_452 - 176_856_534_496 - 6_267_032_912);
}

#[test]
fn equal_stakers_earn_equally_whatever_their_root_stake() {
    let dividends = [dividend(1, 50, TAO, 2 * TAO), dividend(2, 50, TAO, TAO)];
    for weight in [0.5, 1.0] {
        let equal =
            apportion(&[dividend(1, 50, TAO, 0), dividend(2, 50, TAO, 0)], TAO, 0, U96F32::from_num(weight));
        assert_eq!(equal.iter().map(|payout| payout.alpha.to_num()).collect::<Vec<u64>>(), [TAO / 2; 2]);
        let alpha: u64 = apportion(&dividends, TAO, 0, U96F32::from_num(weight))
            .iter()
            .map(|p| p.alpha.to_num::<u64>())
            .sum();
        assert!(TAO - alpha <= 2);
    }
}

#[test]
fn a_pot_for_which_nothing_counts_is_dust() {
    let payouts = apportion(&[dividend(1, 10, TAO, 0)], 100, 1_000, U96F32::from_num(1));
    assert_eq!((payouts[0].alpha.to_num::<u64>(), payouts[0].root.to_num::<u64>()), (100, 0));
    assert_eq!(
        unpaid_rao(1_000, payouts.iter().map(|payout| split_take(payout.root, 0).nominators_rao)),
        1_000
    );
}

fn lent_by(stake: StakePair, same_coldkey: bool) -> Parent<u8> {
    Parent { hotkey: 2, stake, proportion_u64: u64::MAX, same_coldkey }
}

fn child(stake: StakePair, parents: Vec<Parent<u8>>, childkey_take_u16: u16) -> Family<u8> {
    Family { hotkey: 1, stake, child_proportions_u64: Vec::new(), parents, childkey_take_u16 }
}

#[test]
fn a_child_keeps_its_take_and_passes_on_the_rest() {
    let family = child(stake(0, 0), vec![lent_by(stake(TAO, 0), false)], u16::MAX / 10);
    let split = split_dividends(&family, TAO, U96F32::from_num(0), 0);
    assert_eq!(split.payouts.iter().map(|(hotkey, _)| *hotkey).collect::<Vec<_>>(), [2, 1]);
    assert!(split.payouts[0].1.abs_diff(900_000_000) <= 10_000, "{split:?}");
    assert!(split.payouts[1].1.abs_diff(100_000_000) <= 10_000, "{split:?}");
}

#[test]
fn a_lender_without_stake_of_its_own_receives_for_what_it_lends() {
    // The child has as much stake as its parent lends it, alpha and root alike.
    for (take_u16, expected) in [(0, [500_000_000, 500_000_000]), (u16::MAX, [0, TAO])] {
        let family = child(stake(TAO, TAO), vec![lent_by(stake(TAO, TAO), false)], take_u16);
        let split = split_dividends(&family, TAO, U96F32::from_num(1), 0);
        for ((_, paid), expected) in split.payouts.iter().zip(expected) {
            assert!(paid.abs_diff(expected) <= 1, "{split:?}");
        }
    }
}

#[test]
fn one_owner_pays_itself_no_take_and_burns_nothing() {
    let family = child(stake(0, 0), vec![lent_by(stake(TAO, 0), true)], u16::MAX);
    let split = split_dividends(&family, TAO, U96F32::from_num(0), u64::MAX);
    assert_eq!((split.payouts[0].1, split.payouts[1].1, split.burned_rao), (TAO, 0, 0));
}

#[test]
fn child_key_burn_comes_off_the_lenders_part() {
    let family = child(stake(0, 0), vec![lent_by(stake(TAO, 0), false)], 0);
    let split = split_dividends(&family, TAO, U96F32::from_num(0), u64::MAX / 2);
    assert!(split.burned_rao.abs_diff(TAO / 2) <= 1, "{split:?}");
    assert_eq!(split.payouts[0].1 + split.payouts[1].1 + split.burned_rao + split.dust_rao, TAO);
}

#[test]
fn a_validator_without_any_stake_keeps_its_dividends() {
    let split =
        split_dividends(&child(stake(0, 0), vec![lent_by(stake(0, 0), false)], 0), 5, U96F32::from_num(0), 0);
    assert_eq!(split.payouts, [(2, 0), (1, 5)]);
}

#[test]
fn stake_is_lent_once_and_only_to_children() {
    let own = stake(TAO, 2 * TAO);
    let parent = ParentLink { stake: stake(10 * TAO, 0), proportion_u64: u64::MAX };
    assert_eq!(inherited_stake(own, &[], &[]), own);
    assert_eq!(inherited_stake(own, &[u64::MAX], &[]), stake(0, 0));
    assert_eq!(inherited_stake(own, &[], &[parent]), stake(11 * TAO, 2 * TAO));
    let half = inherited_stake(own, &[u64::MAX / 2], &[]);
    assert!(half.alpha_rao.abs_diff(TAO / 2) <= 1 && half.root_rao.abs_diff(TAO) <= 1);
}

#[test]
fn takes_have_a_floor() {
    assert_eq!(effective_childkey_take(5, 10, 20), 20);
    assert_eq!(effective_childkey_take(30, 10, 20), 30);
    assert_eq!(split_take(U96F32::from_num(1_000), 11_796), TakeSplit { take_rao: 179, nominators_rao: 820 });
    assert_eq!(
        split_take(U96F32::from_num(1_000), u16::MAX),
        TakeSplit { take_rao: 1_000, nominators_rao: 0 }
    );
    assert_eq!(nomination_floor_rao(1_000_000), 2_000_000);
    assert_eq!(nomination_floor_rao(u64::MAX), u64::MAX);
}

#[test]
fn incentives_of_the_owner_are_withheld() {
    let settled = settle_incentives([(1_u8, 30), (2, 0), (3, 10)], |hotkey| *hotkey == 3);
    assert_eq!((settled.paid, settled.withheld), (vec![(1, 30)], vec![(3, 10)]));
    assert_eq!((settled.withheld_rao, settled.total_rao), (10, 40));
    assert_eq!(settled.miner_burned, U96F32::from_num(0.25));
    assert_eq!(settle_incentives([(1_u8, 0)], |_| true).miner_burned, 0);
}

#[test]
fn validators_inherit_the_miners_pot_if_no_miner_earned() {
    let pots = EpochPots { server_rao: 50, validator_rao: 40, root_rao: 10, owner_cut_rao: 5 };
    assert_eq!(pots.epoch_emission_rao(), 100);
    assert_eq!((pots.alpha_dividends_rao(0), pots.server_surplus_rao(0)), (90, 0));
    assert_eq!((pots.alpha_dividends_rao(45), pots.server_surplus_rao(45)), (40, 5));
    assert_eq!(pots.server_surplus_rao(51), -1);
}

#[test]
fn root_dividends_become_a_rate_that_stakers_claim() {
    // Root stake 2 000 000, dividend 1 000 000, take 18 %.
    let split = split_take(U96F32::from_num(1_000_000), 11_796);
    assert!(split.take_rao.abs_diff(180_000) <= 100);
    let ClaimableDividend::Rate { increase, dust_rao } = claimable_dividend(split.nominators_rao, 2_000_000)
    else {
        panic!("more dividend than stake")
    };
    assert!((increase.to_num::<f64>() - 0.41).abs() < 0.001);
    assert!(dust_rao <= 1);
    let threshold = I96F32::from_num(0);
    let claim = claim_rao(increase, 2_000_000, 0, threshold).unwrap();
    assert_eq!(claim + dust_rao, split.nominators_rao);
    assert_eq!(claim_rao(increase, 2_000_000, claim.into(), threshold), None);
    let second = claim_rao(increase + increase, 2_000_000, claim.into(), threshold).unwrap();
    assert!(second.abs_diff(claim) <= 1);
}

#[test]
fn a_dividend_beyond_the_root_stake_goes_to_the_owner() {
    assert_eq!(claimable_dividend(11, 10), ClaimableDividend::StakeToOwner { amount_rao: 11 });
    let whole = ClaimableDividend::Rate { increase: I96F32::from_num(1), dust_rao: 0 };
    assert_eq!(claimable_dividend(10, 10), whole);
    let nothing = ClaimableDividend::Rate { increase: I96F32::from_num(0), dust_rao: 0 };
    assert_eq!(claimable_dividend(0, 0), nothing);
}

#[test]
fn claims_below_the_threshold_wait() {
    let rate = I96F32::from_num(0.5);
    assert_eq!(claim_rao(rate, 1_000_000, 1, I96F32::from_num(500_000)), None);
    assert_eq!(claim_rao(rate, 1_000_000, 0, I96F32::from_num(500_000)), Some(500_000));
    assert!(owed(rate, 10, 100) < 0);
    assert_eq!(claim_rao(rate, 10, 100, I96F32::from_num(-1_000)), None);
}

#[test]
fn changing_root_stake_neither_earns_nor_loses_past_dividends() {
    let rate = I96F32::from_num(0.41);
    let before = owed(rate, 1_000, 100);
    let claimed = claimed_after_adding(100, rate, 500);
    assert!((owed(rate, 1_500, claimed) - before).abs() < 1);
    assert_eq!(claimed_after_removing(claimed, rate, 500), 100);
    assert_eq!(claimed_after_removing(1, rate, 500), 0);
}

#[test]
fn auto_claim_draws_match_the_reference() {
    let cases = [
        (
            "4e7e8301f5d206748d1c4f822e3564ddb1124f86591a839f58dfc2f007983b61",
            [265, 630, 1286, 1558, 4496, 4861, 5517, 5789, 6803, 8096, 9092, 11034, 11399, 12055, 12327],
        ),
        (
            "c357a61b4f8af02f92c4f354b4839925d8c5a18c9c017f80efab7efcb363aed7",
            [61, 246, 1440, 2855, 3521, 5236, 6130, 6615, 8511, 9405, 9890, 11786, 11971, 13165, 14580],
        ),
    ];
    for (hash, indices) in cases {
        let drawn: Vec<u64> = auto_claim_indices(&bytes(hash), 15, 15_000).into_iter().collect();
        assert_eq!(drawn, indices);
    }
    assert!(auto_claim_indices(&[7; 32], 5, 0).is_empty());
    assert!(auto_claim_indices(&[7; 32], 0, 5).is_empty());
}

fn bytes(hex: &str) -> [u8; 32] {
    std::array::from_fn(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
}
