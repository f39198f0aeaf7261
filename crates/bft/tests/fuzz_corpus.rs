//! What fuzzing has found interesting, replayed: the bodies of the fuzz targets on the corpus of the repository.

#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/network/src/consensus.rs"]
mod targets;

use replay::replay;

const CORPUS: &str = "network/corpus";

#[test]
fn messages_do_no_harm() {
    replay(CORPUS, "consensus_wire", targets::consensus_wire);
}

#[test]
fn parts_do_no_harm() {
    replay(CORPUS, "parts", targets::parts);
}
