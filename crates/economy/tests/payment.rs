//! Paying an epoch: in which order, and that every rao ends somewhere.

mod support;

use std::collections::BTreeMap;

use myelin_economy::{
    distribution::{EpochPots, Family, Parent},
    payment::{pay_epoch, Earnings, EpochLedger},
    stake::StakePair,
};
use myelin_fixed::U96F32;
use proptest::{collection::vec, prelude::*};
use support::config;

type Hotkey = u8;

/// What was done, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Owner,
    Incentive(Hotkey),
    AlphaTake(Hotkey),
    Nominators(Hotkey),
    AlphaDone(Hotkey),
    RootTake(Hotkey),
    RootStakers(Hotkey),
}

/// Accounts in memory. Hotkey 0 is the subnet owner's.
#[derive(Debug, Default)]
struct Ledger {
    stakes: BTreeMap<Hotkey, StakePair>,
    parents: BTreeMap<Hotkey, Vec<(u64, Hotkey)>>,
    take_u16: u16,
    steps: Vec<Step>,
    alpha_done: usize,
    paid_rao: u128,
    withheld_rao: u128,
    unassigned_rao: u128,
    surplus_rao: i128,
}

impl Ledger {
    fn pay(&mut self, step: Step, rao: u64) {
        self.steps.push(step);
        self.paid_rao += u128::from(rao);
    }
}

impl EpochLedger for Ledger {
    type Hotkey = Hotkey;

    fn tao_weight(&self) -> U96F32 {
        U96F32::from_num(0.18)
    }

    fn childkey_burn_u64(&self) -> u64 {
        u64::MAX / 10
    }

    fn is_owners(&self, hotkey: &Hotkey) -> bool {
        *hotkey == 0
    }

    fn family(&self, hotkey: &Hotkey) -> Family<Hotkey> {
        let parents = self.parents.get(hotkey).cloned().unwrap_or_default();
        let parent = |(proportion_u64, parent)| Parent {
            stake: self.own_stake(&parent),
            same_coldkey: parent % 2 == hotkey % 2,
            hotkey: parent,
            proportion_u64,
        };
        Family {
            hotkey: *hotkey,
            stake: self.own_stake(hotkey),
            child_proportions_u64: Vec::new(),
            parents: parents.into_iter().map(parent).collect(),
            childkey_take_u16: 6_553,
        }
    }

    fn own_stake(&self, hotkey: &Hotkey) -> StakePair {
        self.stakes.get(hotkey).copied().unwrap_or_default()
    }

    fn take_u16(&self, _: &Hotkey) -> u16 {
        self.take_u16
    }

    fn pay_owner(&mut self, cut_rao: u64) {
        self.pay(Step::Owner, cut_rao);
    }

    fn pay_incentive(&mut self, hotkey: &Hotkey, rao: u64) {
        self.pay(Step::Incentive(*hotkey), rao);
        // What miners are paid counts for dividends.
        self.stakes.entry(*hotkey).or_default().alpha_rao += rao;
    }

    fn withhold(&mut self, rao: u64, _: U96F32) {
        self.withheld_rao += u128::from(rao);
    }

    fn pay_take(&mut self, hotkey: &Hotkey, rao: u64) {
        let is_alpha = !self.steps.contains(&Step::AlphaDone(*hotkey));
        self.pay(if is_alpha { Step::AlphaTake(*hotkey) } else { Step::RootTake(*hotkey) }, rao);
    }

    fn pay_nominators(&mut self, hotkey: &Hotkey, rao: u64) {
        assert!(rao > 0);
        self.pay(Step::Nominators(*hotkey), rao);
    }

    fn alpha_is_paid(&mut self, hotkey: &Hotkey) {
        self.steps.push(Step::AlphaDone(*hotkey));
        self.alpha_done += 1;
    }

    fn pay_root_stakers(&mut self, hotkey: &Hotkey, rao: u64) {
        assert!(rao > 0);
        self.pay(Step::RootStakers(*hotkey), rao);
    }

    fn leave_unassigned(&mut self, rao: u64) {
        self.unassigned_rao += u128::from(rao);
    }

    fn settle_server_pot(&mut self, surplus_rao: i128) {
        self.surplus_rao = surplus_rao;
    }
}

#[test]
fn the_owner_is_paid_first_then_miners_by_hotkey_then_alpha_then_root() {
    let stake = StakePair { alpha_rao: 1_000, root_rao: 1_000 };
    let mut ledger =
        Ledger { stakes: [(1, stake), (2, stake)].into(), take_u16: u16::MAX / 2, ..Ledger::default() };
    let pots = EpochPots { server_rao: 300, validator_rao: 400, root_rao: 100, owner_cut_rao: 50 };
    // The slots are not in the order of the hotkeys.
    let earnings =
        Earnings { hotkeys: &[2, 0, 1], server_rao: &[100, 100, 100], validator_rao: &[200, 0, 200] };
    pay_epoch(&mut ledger, &pots, earnings);
    use Step::*;
    let expected = [
        Owner,
        Incentive(1),
        Incentive(2),
        AlphaTake(0),
        AlphaDone(0),
        AlphaTake(1),
        Nominators(1),
        AlphaDone(1),
        AlphaTake(2),
        Nominators(2),
        AlphaDone(2),
        RootTake(0),
        RootTake(1),
        RootStakers(1),
        RootTake(2),
        RootStakers(2),
    ];
    assert_eq!(ledger.steps, expected);
    assert_eq!(ledger.withheld_rao, 100, "the owner's own miner is not paid");
}

prop_compose! {
    fn ledger()(
        stakes in vec((0..1_u64 << 50, 0..1_u64 << 50), 12),
        lent in vec((any::<u64>(), 0..12_u8), 12),
        take_u16 in any::<u16>(),
    ) -> Ledger {
        let stakes = stakes.into_iter().zip(0..);
        let stakes = stakes.map(|((alpha_rao, root_rao), hotkey)| (hotkey, StakePair { alpha_rao, root_rao }));
        // Half of the hotkeys have a parent.
        let parents = lent.into_iter().zip(0..).filter(|((_, parent), hotkey)| parent != hotkey && hotkey % 2 == 0);
        let parents = parents.map(|((part, parent), hotkey)| (hotkey, vec![(part, parent)]));
        Ledger { stakes: stakes.collect(), parents: parents.collect(), take_u16, ..Ledger::default() }
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn every_rao_of_the_pots_is_paid_withheld_or_noted(
        mut ledger in ledger(),
        hotkeys in Just((0..10_u8).collect::<Vec<_>>()).prop_shuffle(),
        server_rao in vec(0..1_u64 << 40, 10),
        validator_rao in vec(0..1_u64 << 40, 10),
        [server, validator, root, owner] in any::<[u32; 4]>(),
        no_miner_earns in any::<bool>(),
    ) {
        let server_rao = if no_miner_earns { vec![0; 10] } else { server_rao };
        let pots = EpochPots {
            server_rao: u64::from(server) << 10,
            validator_rao: u64::from(validator) << 10,
            root_rao: u64::from(root) << 10,
            owner_cut_rao: owner.into(),
        };
        let earnings = Earnings { hotkeys: &hotkeys, server_rao: &server_rao, validator_rao: &validator_rao };
        pay_epoch(&mut ledger, &pots, earnings);
        let out = ledger.paid_rao + ledger.withheld_rao + ledger.unassigned_rao;
        let pots_rao = u128::from(pots.epoch_emission_rao()) + u128::from(pots.owner_cut_rao);
        prop_assert_eq!(out as i128 + ledger.surplus_rao, pots_rao as i128);
    }
}
