//! Turning away connections for which there is no place.

use std::{io, sync::Arc, time::Duration};

use myelin_listener::NoPlace;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// Connections that are told at the same time why they are turned away; further ones are closed without a word.
const MAX_TOLD: usize = 64;
/// How long each may take to listen.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Tells clients that there is no place for them.
pub(crate) struct Refusals {
    places: Arc<Semaphore>,
}

impl Refusals {
    pub fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_TOLD)) }
    }

    /// Tells the client why, whatever it asks for, in the background.
    pub fn refuse(&self, socket: TcpStream, reason: NoPlace) {
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _permit = permit;
            // Who does not listen is not told.
            let _ = timeout(MAX_TIME, tell(socket, reason)).await;
        });
    }
}

async fn tell(mut socket: TcpStream, reason: NoPlace) -> io::Result<()> {
    socket.write_all(answer(reason).as_bytes()).await?;
    socket.shutdown().await?;
    // Closing a socket with something unread in it takes the answer back.
    let mut ignored = [0; 4096];
    while socket.read(&mut ignored).await? > 0 {}
    Ok(())
}

fn answer(reason: NoPlace) -> String {
    let (status, text) = match reason {
        NoPlace::OfAddress(limit) => (
            "429 Too Many Requests",
            format!("your address has {limit} connections to this node; close some, or let its operator allow more\n"),
        ),
        NoPlace::OfAll(limit) => (
            "503 Service Unavailable",
            format!("all {limit} connections of this node are taken; try again in a moment, or use another node\n"),
        ),
    };
    let length = text.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nRetry-After: 10\r\nConnection: close\r\n\r\n{text}")
}
