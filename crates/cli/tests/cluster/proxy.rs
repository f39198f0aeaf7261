//! A link between two nodes that can be cut.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards connections to one address, unless it is cut.
pub struct Proxy {
    address: SocketAddr,
    open: Arc<watch::Sender<bool>>,
}

impl Proxy {
    /// A proxy on a free port of this machine that forwards to `target`. It ends with the runtime.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let open = Arc::new(watch::channel(true).0);
        tokio::spawn(forward_all(listener, target, Arc::clone(&open)));
        Ok(Self { address, open })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections and takes no more; or takes them again.
    pub fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}

async fn forward_all(listener: TcpListener, target: SocketAddr, open: Arc<watch::Sender<bool>>) {
    while let Ok((connection, _)) = listener.accept().await {
        let mut state = open.subscribe();
        if *state.borrow_and_update() {
            tokio::spawn(async move {
                tokio::select! {
                    _ = state.wait_for(|open| !open) => {}
                    () = forward(connection, target) => {}
                }
            });
        }
    }
}

/// Whatever goes wrong on one side ends the other.
async fn forward(mut from: TcpStream, target: SocketAddr) {
    if let Ok(mut to) = TcpStream::connect(target).await {
        let _ = copy_bidirectional(&mut from, &mut to).await;
    }
}
