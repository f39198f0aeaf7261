//! Stake shares: decimal arithmetic, and pools against exact fractions.

mod support;

use myelin_economy::{
    decimal::SafeFloat,
    share_pool::{SharePool, SharePoolError},
};
use num_bigint::BigUint;
use proptest::prelude::*;
use support::config;

const MAX_MANTISSA: u128 = 10_u128.pow(21);

fn float(mantissa: u128, exponent: i64) -> SafeFloat {
    SafeFloat::new(mantissa, exponent).unwrap()
}

#[test]
fn values_are_canonical() {
    let cases = [
        (0, 5, 0, 0),
        (1, 0, MAX_MANTISSA, -21),
        (10, 0, MAX_MANTISSA, -20),
        (12, 3, 120_000_000_000_000_000_000 * 10 / 10, 3 - 19),
        (MAX_MANTISSA, 0, MAX_MANTISSA, 0),
        (MAX_MANTISSA + 9, 0, MAX_MANTISSA / 10, 1),
        (u128::MAX, -17, 340_282_366_920_938_463_463, 1),
    ];
    for (mantissa, exponent, digits, power) in cases {
        let value = float(mantissa, exponent);
        let expected = if digits == MAX_MANTISSA / 10 { (MAX_MANTISSA, power - 1) } else { (digits, power) };
        assert_eq!((value.mantissa, value.exponent), expected, "{mantissa} * 10^{exponent}");
    }
    assert_eq!(SafeFloat::from(25), float(25, 0));
    assert_eq!(SafeFloat::new(1, i64::MIN), None);
    assert_eq!(SafeFloat::new(u128::MAX, i64::MAX), None);
}

#[test]
fn integers_are_recovered_and_saturate() {
    for value in [0, 1, 9, 10, 99_999, 21_000_000_000_000_000, u64::MAX] {
        assert_eq!(SafeFloat::from(value).to_u64(), value);
    }
    assert_eq!(float(15, -1).to_u64(), 1);
    assert_eq!(float(1, 20).to_u64(), u64::MAX);
    assert_eq!(float(1, 40).to_u64(), u64::MAX);
    assert_eq!(float(1, -40).to_u64(), 0);
    // Stored values need not be canonical.
    assert_eq!(SafeFloat { mantissa: 7, exponent: 0 }.to_u64(), 7);
    assert_eq!(SafeFloat { mantissa: 7, exponent: 2 }.to_u64(), 700);
}

#[test]
fn sums_drop_digits_below_the_larger_operand() {
    let million = SafeFloat::from(1_000_000);
    assert_eq!(million.checked_add(SafeFloat::ZERO), Some(million));
    assert_eq!(SafeFloat::ZERO.checked_add(million), Some(million));
    assert_eq!(million.checked_add(float(1, -15)), Some(float(1_000_000_000_000_000_000_001, -15)));
    assert_eq!(million.checked_add(float(1, -16)), Some(million));
    assert_eq!(million.saturating_sub(float(1, -15)), Some(float(999_999_999_999_999_999_999, -15)));
    assert_eq!(million.saturating_sub(float(1, 9)), Some(SafeFloat::ZERO));
    assert_eq!(SafeFloat::ZERO.saturating_sub(million), Some(SafeFloat::ZERO));
    assert_eq!(million.mul_div(million, SafeFloat::ZERO), None);
}

#[test]
fn floored_differences_are_never_more_than_the_real_ones() {
    let million = SafeFloat::from(1_000_000);
    assert_eq!(million.floored_sub(SafeFloat::ZERO), Some(million));
    assert_eq!(million.floored_sub(million), Some(SafeFloat::ZERO));
    assert_eq!(million.floored_sub(SafeFloat::from(1)), Some(SafeFloat::from(999_999)));
    assert_eq!(SafeFloat::from(1).floored_sub(million), None);
    // The plain difference forgets what is below the last digit of a million.
    let little = float(1, -16);
    assert_eq!(million.saturating_sub(little), Some(million));
    assert_eq!(million.floored_sub(little), Some(float(999_999_999_999_999_999_999, -15)));
    assert_eq!(million.floored_sub(float(1, -200)), None);
}

#[test]
fn a_member_that_leaves_keeps_no_fraction() {
    let pool = SharePool { value_rao: 10, shares: SafeFloat::from(3) };
    let leaving = pool.withdraw(SafeFloat::from(1), 3).unwrap();
    assert_eq!((leaving.member_shares, leaving.pool.value_rao), (SafeFloat::ZERO, 7));
    assert_eq!(leaving.pool.value_of(SafeFloat::from(2)), 7);
    let untouched = pool.withdraw(SafeFloat::from(1), 0).unwrap();
    assert_eq!((untouched.pool, untouched.member_shares), (pool, SafeFloat::from(1)));
}

/// Shares left over from a pool a million times larger are known to fewer digits than the members' own.
#[test]
fn a_large_member_who_leaves_does_not_make_the_others_own_too_much() {
    let large = SharePool::default().deposit(SafeFloat::ZERO, 59_812_478_976).unwrap();
    let pool = large.pool.credit_all(185_019_354_442_250).unwrap();
    let small = pool.deposit(SafeFloat::ZERO, 1).unwrap();
    let all = small.pool.value_of(large.member_shares);
    let left = small.pool.withdraw(large.member_shares, all).unwrap();
    let credited = left.pool.credit_all(475_241_868_545).unwrap();
    let owned = credited.value_of(small.member_shares);
    assert!(
        owned <= credited.value_rao && credited.value_rao - owned < 1_000,
        "{owned} of {}",
        credited.value_rao
    );
}

fn integer_part(value: &BigUint) -> u64 {
    u64::try_from(value.clone()).unwrap_or(u64::MAX)
}

#[test]
fn a_pool_is_shared_by_deposits() {
    let first = SharePool::default().deposit(SafeFloat::ZERO, 1_000).unwrap();
    assert!(!first.restarted);
    let doubled = first.pool.credit_all(1_000).unwrap();
    let second = doubled.deposit(SafeFloat::ZERO, 500).unwrap();
    assert_eq!(second.pool.value_rao, 2_500);
    assert_eq!(second.pool.value_of(first.member_shares), 2_000);
    assert_eq!(second.pool.value_of(second.member_shares), 500);
    assert_eq!(second.member_shares, float(250, 0));
    let left = second.pool.withdraw(first.member_shares, 2_000).unwrap();
    assert_eq!((left.pool.value_rao, left.member_shares, left.restarted), (500, SafeFloat::ZERO, false));
    let empty = left.pool.withdraw(second.member_shares, 500).unwrap();
    assert_eq!(
        (empty.pool, empty.member_shares, empty.restarted),
        (SharePool::default(), SafeFloat::ZERO, true)
    );
}

#[test]
fn operations_that_would_lose_money_are_refused() {
    let pool = SharePool { value_rao: 1_000, shares: SafeFloat::from(1_000) };
    let all = SafeFloat::from(1_000);
    let too_much = SharePoolError::NotEnoughStake { requested_rao: 1_001, owned_rao: 1_000 };
    assert_eq!(pool.withdraw(all, 1_001), Err(too_much));
    assert!(SharePool::default().withdraw(SafeFloat::ZERO, 1).is_err());
    let full = SharePool { value_rao: u64::MAX, ..pool };
    assert_eq!(full.deposit(all, 1), Err(SharePoolError::Overflow { amount_rao: 1, value_rao: u64::MAX }));
    assert_eq!(full.credit_all(1), Err(SharePoolError::Overflow { amount_rao: 1, value_rao: u64::MAX }));
    assert_eq!(pool.deposit(all, 0).unwrap().pool, pool);
}

#[test]
fn a_deposit_into_worthless_shares_starts_the_count_anew() {
    let worthless = SharePool { value_rao: 0, shares: SafeFloat::from(77) };
    let update = worthless.deposit(SafeFloat::ZERO, 10).unwrap();
    assert!(update.restarted);
    assert_eq!((update.pool.shares, update.member_shares), (SafeFloat::from(10), SafeFloat::from(10)));
}

#[test]
fn value_without_shares_goes_to_the_first_depositor() {
    let orphaned = SharePool { value_rao: 90, shares: SafeFloat::ZERO };
    let update = orphaned.deposit(SafeFloat::ZERO, 10).unwrap();
    assert_eq!((update.pool.value_rao, update.pool.value_of(update.member_shares)), (100, 100));
}

#[test]
fn shares_beyond_the_count_are_worth_no_more_than_the_pool() {
    let pool = SharePool { value_rao: 1_000, shares: SafeFloat::from(10) };
    assert_eq!(pool.value_of(SafeFloat::from(11)), 1_000);
}

#[cfg(feature = "codec")]
#[test]
fn shares_are_stored_as_mantissa_and_exponent() {
    use codec::{Decode, Encode, MaxEncodedLen};
    let value = SafeFloat { mantissa: 0x0102, exponent: -2 };
    let mut expected = vec![2, 1];
    expected.extend([0; 14]);
    expected.extend((-2_i64).to_le_bytes());
    assert_eq!(value.encode(), expected);
    assert_eq!(SafeFloat::decode(&mut &expected[..]), Ok(value));
    assert_eq!(SafeFloat::max_encoded_len(), 24);
}

/// What happens to one of four members, or to all.
#[derive(Clone, Debug)]
enum Step {
    Deposit(usize, u64),
    Withdraw(usize, u64),
    Credit(u64),
}

/// The reference chain's share arithmetic, as its formulas say.
#[derive(Clone, Copy, Debug, Default)]
struct Reference {
    value_rao: u64,
    shares: SafeFloat,
    members: [SafeFloat; 4],
}

impl Reference {
    fn worth(&self, rao: u64) -> SafeFloat {
        SafeFloat::from(rao).mul_div(self.shares, self.value_rao.into()).unwrap_or(SafeFloat::ZERO)
    }

    fn value_of(&self, member: usize) -> u64 {
        SafeFloat::from(self.value_rao)
            .mul_div(self.members[member], self.shares)
            .map_or(0, SafeFloat::to_u64)
    }

    fn add(&mut self, member: usize, rao: u64) {
        let bought = if self.shares.is_zero() { rao.into() } else { self.worth(rao) };
        self.members[member] = self.members[member].checked_add(bought).unwrap();
        self.shares = self.shares.checked_add(bought).unwrap();
        self.value_rao += rao;
    }

    fn remove(&mut self, member: usize, rao: u64) {
        let sold = self.worth(rao);
        self.members[member] = self.members[member].saturating_sub(sold).unwrap();
        self.shares = self.shares.saturating_sub(sold).unwrap();
        self.value_rao -= rao;
    }
}

fn real(shares: SafeFloat) -> f64 {
    shares.mantissa as f64 * 10_f64.powi(shares.exponent as i32)
}

fn step() -> impl Strategy<Value = Step> {
    let amount = || (1..1_000_000_000_000_000_u64, 0_u32..50).prop_map(|(rao, shift)| (rao >> shift).max(1));
    prop_oneof![
        (0..4_usize, amount()).prop_map(|(member, rao)| Step::Deposit(member, rao)),
        (0..4_usize, 1..=100_u64).prop_map(|(member, percent)| Step::Withdraw(member, percent)),
        amount().prop_map(Step::Credit),
    ]
}

proptest! {
    #![proptest_config(config(256))]

    /// Members never own more than the pool holds, together they own all of it but rounding, and nobody's stake
    /// changes by what others do.
    #[test]
    fn shares_conserve(steps in prop::collection::vec(step(), 1..120)) {
        let (mut pool, mut members) = (SharePool::default(), [SafeFloat::ZERO; 4]);
        let mut forgotten_shares = 0.0_f64;
        for step in steps {
            let before = members.map(|shares| pool.value_of(shares));
            let (member, update, expected) = match step {
                Step::Credit(rao) => {
                    // Dividends reach hotkeys with stake.
                    if !pool.shares.is_zero() {
                        pool = pool.credit_all(rao).unwrap();
                    }
                    continue;
                }
                Step::Deposit(member, rao) => match pool.deposit(members[member], rao) {
                    Ok(update) => (member, update, before[member] + rao),
                    Err(error) => {
                        let refused = matches!(error, SharePoolError::BuysNoShares { .. });
                        prop_assert!(refused, "{error}");
                        continue;
                    }
                },
                Step::Withdraw(member, percent) => {
                    let rao = (u128::from(before[member]) * u128::from(percent) / 100) as u64;
                    (member, pool.withdraw(members[member], rao).unwrap(), before[member] - rao)
                }
            };
            if update.restarted {
                members = [SafeFloat::ZERO; 4];
                forgotten_shares = 0.0;
            }
            // Each operation may forget the last digit of the count, which is worth more the smaller the count gets.
            forgotten_shares += 2e-20 * real(pool.shares).max(real(update.pool.shares));
            pool = update.pool;
            members[member] = update.member_shares;
            let forgotten_rao = forgotten_shares / real(pool.shares).max(f64::MIN_POSITIVE) * pool.value_rao as f64;
            let slack_rao = 1 + forgotten_rao.min(1e18) as u64;
            let after = members.map(|shares| pool.value_of(shares));
            prop_assert!(after[member].abs_diff(expected) <= slack_rao, "{expected} became {}", after[member]);
            for (index, (before, after)) in before.into_iter().zip(after).enumerate() {
                prop_assert!(index == member || before.abs_diff(after) <= 1, "{before} became {after}");
            }
            let owned: u64 = after.iter().sum();
            prop_assert!(owned <= pool.value_rao, "{owned} of {}", pool.value_rao);
            prop_assert!(pool.value_rao - owned <= 4 * slack_rao, "{owned} of {}", pool.value_rao);
        }
    }

    /// The reference moves count and member by the same truncated number of shares, each on digits of its own. What
    /// that makes of a member differs from ours by a rao for each operation with the dividends on it, and by digits that
    /// both forget.
    #[test]
    fn members_own_what_the_reference_gives_them(steps in prop::collection::vec(step(), 1..60)) {
        let (mut pool, mut members) = (SharePool::default(), [SafeFloat::ZERO; 4]);
        let mut reference = Reference::default();
        let mut apart_shares = 0.0_f64;
        for step in steps {
            let update = match step {
                Step::Credit(rao) if !pool.shares.is_zero() => {
                    pool = pool.credit_all(rao).unwrap();
                    reference.value_rao += rao;
                    continue;
                }
                Step::Credit(_) => continue,
                Step::Deposit(member, rao) => {
                    pool.deposit(members[member], rao).ok().map(|update| (member, update, rao, true))
                }
                Step::Withdraw(member, percent) => {
                    let owned = pool.value_of(members[member]).min(reference.value_of(member));
                    let rao = (u128::from(owned) * u128::from(percent) / 100) as u64;
                    pool.withdraw(members[member], rao).ok().map(|update| (member, update, rao, false))
                }
            };
            let Some((member, update, rao, is_deposit)) = update else { continue };
            if is_deposit { reference.add(member, rao) } else { reference.remove(member, rao) }
            if update.restarted {
                members = [SafeFloat::ZERO; 4];
                reference.members.iter_mut().enumerate().for_each(|(index, shares)| {
                    if index != member { *shares = SafeFloat::ZERO }
                });
                if !is_deposit { reference = Reference::default() }
                apart_shares = 0.0;
            }
            // A rao's worth of shares, and the digits that both forget.
            for pool in [pool, update.pool].into_iter().filter(|pool| pool.value_rao > 0) {
                apart_shares += real(pool.shares) * (1.0 / pool.value_rao as f64 + 4e-20);
            }
            pool = update.pool;
            members[member] = update.member_shares;
            prop_assert_eq!(pool.value_rao, reference.value_rao);
            let apart = 2.0 * apart_shares / real(pool.shares).max(f64::MIN_POSITIVE);
            let bound_rao = 1 + (apart * pool.value_rao as f64).min(1e18) as u64;
            for (index, shares) in members.into_iter().enumerate() {
                let (ours, theirs) = (pool.value_of(shares), reference.value_of(index));
                prop_assert!(ours.abs_diff(theirs) <= bound_rao, "member {index}: {ours}, reference {theirs}, bound {bound_rao}");
            }
        }
    }

    /// `mul_div` is the exact quotient but for its last digit.
    #[test]
    fn products_are_exact_before_they_are_truncated(a in 1_u64.., b in 1_u64.., c in 1_u64..) {
        let value = SafeFloat::from(a).mul_div(b.into(), c.into()).unwrap();
        let exact = BigUint::from(a) * b / c;
        let relative_error = exact.clone() / 10_u64.pow(19) + 1_u32;
        let actual = BigUint::from(value.to_u64());
        if exact < BigUint::from(u64::MAX) {
            prop_assert!(actual <= exact && &exact - actual <= relative_error);
        } else {
            prop_assert_eq!(value.to_u64(), integer_part(&exact));
        }
        prop_assert!(value.mantissa > MAX_MANTISSA / 10 && value.mantissa <= MAX_MANTISSA);
    }

    #[test]
    fn sums_and_differences_undo_each_other(a in 1_u64.., b in 1_u64..) {
        let (a, b) = (a.max(b), a.min(b));
        let sum = SafeFloat::from(a).checked_add(b.into()).unwrap();
        prop_assert_eq!(sum.saturating_sub(b.into()).unwrap().to_u64().abs_diff(a) <= 1, true);
        prop_assert!(SafeFloat::from(a).saturating_sub(b.into()).unwrap().to_u64() == a - b);
    }
}
