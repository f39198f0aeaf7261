//! The engine's log while a node only follows.
//!
//! The log keeps a validator from saying after a crash what contradicts what it said before. Who says nothing needs none: the
//! engine writes nothing to it then, but begins it anew at every height, and waits until that is on disk. What a validator
//! has signed before it follows would be lost that way.

use arc_malachitebft_app_channel::app::engine::wal::{Msg, WalRef};
use ractor::{async_trait, Actor, ActorProcessingErr, ActorRef, SpawnErr};

use crate::context::Context;

/// A log that keeps nothing.
struct NoLog;

/// Starts one.
pub(crate) async fn start() -> Result<WalRef<Context>, SpawnErr> {
    Actor::spawn(None, NoLog, ()).await.map(|(log, _)| log)
}

#[async_trait]
impl Actor for NoLog {
    type Msg = Msg<Context>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        // Whoever asked may be gone by the time of the answer.
        match message {
            Msg::StartedHeight(_, reply) => drop(reply.send(Ok(Vec::new()))),
            Msg::Reset(_, reply) | Msg::Append(_, _, reply) | Msg::Flush(reply) => drop(reply.send(Ok(()))),
            Msg::Dump => {}
        }
        Ok(())
    }
}
