//! A WebSocket client that does nothing by itself: it reads only when told, and shows messages as they are.

use std::{io, net::SocketAddr};

use serde_json::{json, Value};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Small, so that a client that does not read stalls its server soon.
const RECEIVE_BUFFER_BYTES: u32 = 16 << 10;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const MASKED: u8 = 0x80;

pub struct Socket {
    pub stream: TcpStream,
    last_id: u64,
    /// Notifications that came while an answer was awaited.
    early: Vec<Value>,
}

impl Socket {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self { stream, last_id: 0, early: Vec::new() }
    }

    /// Sends a request and does not wait for its answer.
    pub async fn send(&mut self, method: &str, parameters: Value) -> u64 {
        self.last_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": parameters});
        self.stream.write_all(&frame(&request)).await.unwrap();
        self.last_id
    }

    /// Sends a request and waits for its answer.
    pub async fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.send(method, parameters).await;
        loop {
            let message = self.read_message().await.unwrap();
            if message["id"] == id {
                return message;
            }
            self.early.push(message);
        }
    }

    /// The next message.
    pub async fn receive(&mut self) -> io::Result<Value> {
        match self.early.is_empty() {
            true => self.read_message().await,
            false => Ok(self.early.remove(0)),
        }
    }

    async fn read_message(&mut self) -> io::Result<Value> {
        loop {
            let kind = self.stream.read_u8().await?;
            let length = match self.stream.read_u8().await? {
                126 => self.stream.read_u16().await?.into(),
                127 => self.stream.read_u64().await?,
                length => length.into(),
            };
            let mut content = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut content).await?;
            match kind {
                TEXT => return Ok(serde_json::from_slice(&content).unwrap()),
                PING => {}
                CLOSE => return Err(io::ErrorKind::ConnectionAborted.into()),
                other => panic!("frame of kind {other:#x}"),
            }
        }
    }
}

/// One masked text frame; the mask is all zero.
pub fn frame(message: &Value) -> Vec<u8> {
    let content = message.to_string().into_bytes();
    let mut frame = vec![TEXT];
    match content.len() {
        length @ 0..=125 => frame.push(MASKED | length as u8),
        length @ 126..=0xffff => {
            frame.push(MASKED | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(MASKED | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(content);
    frame
}
