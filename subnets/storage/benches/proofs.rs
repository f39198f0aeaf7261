//! What storage costs: making objects, keeping their hashes, proving slices and checking proofs.

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use myelin_storage::{
    object::{ObjectId, Seed},
    proof::{hash_tree, prove, verify, Slice},
};

const MIB: u64 = 1024 * 1024;

fn object(size: u64) -> ObjectId {
    ObjectId { holders: vec!["miner".into()], slot: 0, generation: 0, size }
}

fn bytes(size: u64) -> Vec<u8> {
    let mut data = Vec::new();
    std::io::Read::read_to_end(&mut object(size).reader(&Seed::from_bytes([1; 32])), &mut data).unwrap();
    data
}

fn objects(criterion: &mut Criterion) {
    let (seed, data) = (Seed::from_bytes([1; 32]), bytes(MIB));
    let mut making = criterion.benchmark_group("storage::make_and_name");
    making.throughput(Throughput::Bytes(MIB));
    making.bench_function("size_mib=1", |bencher| bencher.iter(|| object(MIB).digests(&seed)));
    making.finish();
    let mut hashing = criterion.benchmark_group("storage::hash_tree");
    hashing.throughput(Throughput::Bytes(MIB));
    hashing.bench_function("size_mib=1", |bencher| bencher.iter(|| hash_tree(&data[..], MIB).unwrap()));
    hashing.finish();
}

fn proofs(criterion: &mut Criterion) {
    for size_mib in [1, 64] {
        let (size, slice) = (size_mib * MIB, Slice { chunk: 500, chunks: 16 });
        let data = bytes(size);
        let (root, tree) = hash_tree(&data[..], size).unwrap();
        criterion.bench_function(&format!("storage::prove/size_mib={size_mib},chunks=16"), |bencher| {
            bencher.iter(|| prove(&data[..], &tree, root, size, slice).unwrap())
        });
        let proof = prove(&data[..], &tree, root, size, slice).unwrap();
        criterion.bench_function(&format!("storage::verify/size_mib={size_mib},chunks=16"), |bencher| {
            bencher.iter(|| verify(root, size, slice, &proof).unwrap())
        });
    }
}

criterion_group!(benches, objects, proofs);
criterion_main!(benches);
