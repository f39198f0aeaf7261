//! When a command that runs until told otherwise has to end.

use std::{io::Read, thread};

use anyhow::Result;
use tokio::{
    signal::unix::{signal, SignalKind},
    sync::oneshot,
};

/// What ends this process besides Ctrl-C and the signal of a supervisor.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub with_stdin: bool,
}

impl Ending {
    /// Waits until the process is asked to end.
    pub async fn asked(self) -> Result<()> {
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminated.recv() => {}
            () = input_closed(), if self.with_stdin => {}
        }
        Ok(())
    }
}

/// Completes when standard input is closed, as it is when whoever holds its other end has ended, however that happened.
async fn input_closed() {
    let (closed, waiting) = oneshot::channel();
    // Not one of the runtime's threads, whose end the runtime would wait for.
    thread::spawn(move || {
        let mut bytes = [0; 256];
        while matches!(std::io::stdin().read(&mut bytes), Ok(count) if count > 0) {}
        // Nobody waits any more when the process ends for another reason.
        let _ = closed.send(());
    });
    let _ = waiting.await;
}
