//! Locks over time against the formulas in floating point, and what must hold of them.

mod support;

use myelin_economy::conviction::{
    locked_part_rao, unlocked_rao, LockKind, LockRates, LockState, Takeover, TAKEOVER_AGE_BLOCKS,
};
use myelin_fixed::U64F64;
use proptest::prelude::*;

const TAO: u64 = 1_000_000_000;

fn lock(mass_rao: u64, conviction_rao: u64) -> LockState {
    LockState { mass_rao, conviction: U64F64::from_num(conviction_rao), updated_block: 1_000 }
}

fn expected(lock: &LockState, kind: LockKind, rates: LockRates, dt: u64) -> (f64, f64) {
    let (mass, conviction) = (lock.mass_rao as f64, lock.conviction.to_num::<f64>());
    let (m, u, dt) = (rates.maturity_blocks as f64, rates.unlock_blocks as f64, dt as f64);
    let (matured, left) = ((-dt / m).exp(), (-dt / u).exp());
    match kind {
        LockKind::Perpetual => (mass, conviction * matured + mass * (1.0 - matured)),
        LockKind::Decaying if m == u => (mass * left, conviction * matured + mass * (dt / m) * matured),
        LockKind::Decaying => (mass * left, conviction * matured + mass * u / (u - m) * (left - matured)),
    }
}

fn kinds() -> impl Strategy<Value = LockKind> {
    prop_oneof![Just(LockKind::Perpetual), Just(LockKind::Decaying)]
}

fn rates() -> impl Strategy<Value = LockRates> {
    let blocks = 1_000..2_000_000u64;
    (blocks.clone(), blocks, any::<bool>()).prop_map(|(maturity_blocks, unlock_blocks, equal)| LockRates {
        maturity_blocks,
        unlock_blocks: if equal { maturity_blocks } else { unlock_blocks },
    })
}

proptest! {
    #![proptest_config(support::config(2_000))]

    #[test]
    fn locks_follow_their_formulas(
        mass in 0..21_000_000 * TAO, conviction in 0..21_000_000 * TAO,
        kind in kinds(), rates in rates(), dt in 0..20_000_000u64,
    ) {
        let start = lock(mass, conviction);
        let end = start.rolled(kind, rates, start.updated_block + dt);
        let (mass, conviction) = expected(&start, kind, rates, dt);
        // Rates that nearly coincide lose digits in floating point.
        let tolerance = 2.0 + (start.mass_rao as f64 + start.conviction.to_num::<f64>()) * 1e-8;
        prop_assert!((end.mass_rao as f64 - mass).abs() <= tolerance, "{} {mass}", end.mass_rao);
        let found = end.conviction.to_num::<f64>();
        prop_assert!((found - conviction).abs() <= tolerance, "{found} {conviction}");
        prop_assert_eq!(end.updated_block, start.updated_block + dt);
    }

    #[test]
    fn conviction_stays_between_itself_and_the_mass(
        mass in 0..1_000 * TAO, conviction in 0..1_000 * TAO, kind in kinds(), rates in rates(), dt in 0..9_000_000u64,
    ) {
        let start = lock(mass, conviction);
        let end = start.rolled(kind, rates, start.updated_block + dt);
        prop_assert!(end.mass_rao <= mass);
        prop_assert!(end.conviction <= mass.max(conviction) + 1);
    }

    #[test]
    fn parts_of_a_lock_are_the_lock(mass in 0..1_000 * TAO, conviction in any::<u64>(), part in any::<u64>()) {
        let whole = lock(mass, conviction);
        let (stays, goes) = whole.split(part);
        prop_assert_eq!(stays.joined(&goes), whole);
        prop_assert_eq!(goes.mass_rao, part.min(mass));
    }

    #[test]
    fn free_alpha_goes_first(total in any::<u64>(), locked in any::<u64>(), amount in any::<u64>()) {
        let (locked, amount) = (locked.min(total), amount.min(total));
        let along = locked_part_rao(amount, total, locked);
        prop_assert!(along <= locked && amount - along <= unlocked_rao(total, locked));
        prop_assert!(along == 0 || amount - along == unlocked_rao(total, locked), "nothing free stays behind");
    }
}

#[test]
fn a_perpetual_lock_convinces_in_time_and_a_decaying_one_melts() {
    let rates = LockRates::default();
    let later = 1_000 + rates.maturity_blocks;
    let perpetual = lock(1_000 * TAO, 0).rolled(LockKind::Perpetual, rates, later);
    assert_eq!(perpetual.mass_rao, 1_000 * TAO);
    assert_eq!(perpetual.conviction.to_num::<u64>() / TAO, 632);
    let decaying = lock(1_000 * TAO, 0).rolled(LockKind::Decaying, rates, later);
    assert_eq!((decaying.mass_rao / TAO, decaying.conviction.to_num::<u64>() / TAO), (367, 367));
    let forgotten = decaying.rolled(LockKind::Decaying, rates, u64::MAX);
    assert_eq!((forgotten.mass_rao, forgotten.conviction), (0, U64F64::from_num(0)));
}

#[test]
fn nothing_happens_in_no_time() {
    let start = lock(5, 7);
    for now in [0, 999, 1_000] {
        assert_eq!(start.rolled(LockKind::Decaying, LockRates::default(), now), start);
    }
}

#[test]
fn rates_of_no_time_are_no_accident() {
    let rates = LockRates { maturity_blocks: 0, unlock_blocks: 0 };
    let end = lock(1_000 * TAO, 0).rolled(LockKind::Decaying, rates, u64::MAX);
    assert_eq!(end.mass_rao, 0);
}

#[test]
fn a_lock_is_dust_when_both_its_parts_are() {
    assert!(lock(99, 99).is_dust() && lock(0, 0).is_dust());
    assert!(!lock(100, 0).is_dust() && !lock(0, 100).is_dust());
    assert_eq!(lock(70, 1).pinned(), lock(70, 70));
    assert_eq!(lock(70, 1).with_more(5), lock(75, 1));
}

#[test]
fn an_old_subnet_goes_to_the_most_convinced() {
    let takeover = |age_blocks, alpha_out_rao, convictions: &[(u8, u64)]| Takeover {
        age_blocks,
        alpha_out_rao,
        convictions: convictions.iter().map(|(hotkey, rao)| (*hotkey, U64F64::from_num(*rao))).collect(),
    };
    let old = TAKEOVER_AGE_BLOCKS;
    assert_eq!(takeover(old, 1_000, &[(1, 40), (2, 60)]).winner(), Some(&2));
    assert_eq!(takeover(old - 1, 1_000, &[(1, 40), (2, 60)]).winner(), None, "too young");
    assert_eq!(takeover(old, 1_001, &[(1, 40), (2, 60)]).winner(), None, "too little conviction");
    assert_eq!(takeover(old, 10, &[(7, 50), (3, 50)]).winner(), Some(&3), "the smallest among equals");
    assert_eq!(takeover(old, 0, &[(7, 0)]).winner(), None, "no conviction at all");
    assert_eq!(takeover(old, 0, &[]).winner(), None);
}
