//! What fuzzing has found interesting, replayed: the bodies of the fuzz targets on the corpus of the repository.

#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/network/src/chain.rs"]
mod targets;

use replay::replay;

const CORPUS: &str = "network/corpus";

#[test]
fn certificates_do_no_harm() {
    replay(CORPUS, "certificate", targets::certificate);
}

#[test]
fn blocks_do_no_harm() {
    replay(CORPUS, "block", targets::block);
}

#[test]
fn extrinsics_do_no_harm() {
    replay(CORPUS, "extrinsic", targets::extrinsic);
}
