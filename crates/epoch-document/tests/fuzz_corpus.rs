//! What fuzzing has found interesting, replayed: the bodies of the fuzz targets on the corpus of the repository.

#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use replay::replay;

const CORPUS: &str = "corpus";

#[test]
fn documents_do_no_harm() {
    replay(CORPUS, "epoch_json", targets::epoch_json);
}

#[test]
fn inputs_do_no_harm() {
    replay(CORPUS, "epoch", targets::epoch);
}
