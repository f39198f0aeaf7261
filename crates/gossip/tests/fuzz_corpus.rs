//! What fuzzing has found interesting, replayed: the bodies of the fuzz targets on the corpus of the repository.

#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/network/src/gossip.rs"]
mod targets;

use replay::replay;

const CORPUS: &str = "network/corpus";

#[test]
fn messages_do_no_harm() {
    replay(CORPUS, "gossip_wire", targets::gossip_wire);
}
