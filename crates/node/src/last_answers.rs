//! What a node does whose disk takes nothing more, mostly because it is full.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use myelin_chain::{Application, Behind, SequencerError};
use tokio_util::sync::CancellationToken;

/// How long it goes on answering questions, so that those who ask it can look for another.
const LAST_ANSWERS: Duration = Duration::from_secs(20);

/// Why blocks are decided no more, once that is so.
pub(crate) type Failure = Arc<OnceLock<String>>;

/// Goes on answering questions for a while where deciding blocks has ended because nothing can be written.
pub(crate) async fn give(
    application: &Application,
    error: &SequencerError,
    failure: &Failure,
    shutdown: &CancellationToken,
) {
    let chain = Arc::clone(application.chain());
    // Where that cannot be found out, the node ends at once.
    let is_stuck = tokio::task::spawn_blocking(move || chain.store().takes_nothing()).await.unwrap_or(false);
    if !is_stuck || shutdown.is_cancelled() {
        return;
    }
    application.mempool().set_behind(Some(Behind::Ending));
    // There is one failure.
    let _ = failure.set(error.to_string());
    tracing::error!(%error, "nothing can be written any more; questions are answered for {} s more", LAST_ANSWERS.as_secs());
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(LAST_ANSWERS) => {}
    }
}
