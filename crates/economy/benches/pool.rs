//! Cost of the power function and of swaps.

use criterion::{criterion_group, criterion_main, Criterion};
use myelin_economy::{
    constants::{LIMIT_PRECISION_BITS, MAX_LIMIT_PRICE_RAO, PERQUINTILL_PARTS, SWAP_PRECISION_BITS},
    pool::{Order, Pool, Side},
    power::{powr, Ratio},
    share_pool::SharePool,
};
use std::hint::black_box;

const TAO: u64 = 1_000_000_000;

/// Weights as emission leaves them: close to equal, and not in small terms.
const UNEQUAL_PARTS: u64 = 500_124_906_320_259_805;

fn power(criterion: &mut Criterion) {
    let base = Ratio::new(1_000_000 * u128::from(TAO), 1_001_000 * u128::from(TAO) + 7);
    let unequal = Ratio::new(UNEQUAL_PARTS, PERQUINTILL_PARTS - UNEQUAL_PARTS);
    let cases = [
        ("exponent=1", Ratio::new(1, 1), SWAP_PRECISION_BITS),
        ("exponent=3/2", Ratio::new(3, 2), SWAP_PRECISION_BITS),
        ("exponent=1023/1024", Ratio::new(1_023, 1_024), SWAP_PRECISION_BITS),
        ("exponent=unequal", unequal, SWAP_PRECISION_BITS),
        ("exponent=limit", Ratio::new(UNEQUAL_PARTS, PERQUINTILL_PARTS), LIMIT_PRECISION_BITS),
    ];
    for (name, exponent, precision_bits) in cases {
        criterion.bench_function(&format!("economy::powr/{name}"), |bencher| {
            bencher.iter(|| powr(black_box(base), black_box(exponent), precision_bits, PERQUINTILL_PARTS));
        });
    }
}

fn swap(criterion: &mut Criterion) {
    let balanced = Pool::balanced(4_000_000 * TAO, 1_000_000 * TAO);
    let unequal = Pool { quote_weight_parts: UNEQUAL_PARTS, ..balanced };
    let order = Order {
        side: Side::Buy,
        amount_rao: 123 * TAO,
        limit_price_rao: MAX_LIMIT_PRICE_RAO,
        fee_rate_u16: 33,
    };
    let limited = Order { amount_rao: 500_000 * TAO, limit_price_rao: 300_000_000, ..order };
    let cases = [
        ("weights=equal", balanced, order),
        ("weights=unequal", unequal, order),
        ("weights=unequal,limit=met", unequal, limited),
    ];
    for (name, pool, order) in cases {
        criterion.bench_function(&format!("economy::swap/{name}"), |bencher| {
            bencher.iter(|| black_box(&pool).swap(black_box(&order)));
        });
    }
    criterion.bench_function("economy::inject", |bencher| {
        bencher.iter(|| black_box(&unequal).inject(black_box(TAO / 3), black_box(TAO)));
    });
}

fn shares(criterion: &mut Criterion) {
    let first =
        SharePool::default().deposit(Default::default(), 123 * TAO).expect("an empty pool takes deposits");
    let pool = first.pool.credit_all(7 * TAO + 3).expect("the sum fits");
    criterion.bench_function("economy::share_pool/value_of", |bencher| {
        bencher.iter(|| black_box(&pool).value_of(black_box(first.member_shares)));
    });
    criterion.bench_function("economy::share_pool/deposit", |bencher| {
        bencher.iter(|| black_box(&pool).deposit(black_box(first.member_shares), black_box(17 * TAO)));
    });
}

criterion_group!(benches, power, swap, shares);
criterion_main!(benches);
