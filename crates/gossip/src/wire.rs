//! What peers say to each other, in bytes.
//!
//! A message is its length (four bytes, little endian) and that many bytes of SCALE. A stream carries one request and then
//! one response. Every count is checked before anything is allocated for it.

use std::{io, time::Duration};

use async_trait::async_trait;
use codec::{Compact, Decode, Encode, Input};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{request_response, StreamProtocol};
use myelin_chain::Hash;

/// Addresses in one response.
pub const MAX_ADDRESSES: usize = 32;
/// Bytes of one address.
pub const MAX_ADDRESS_BYTES: usize = 256;
/// Bytes of one response.
pub const MAX_RESPONSE_BYTES: usize = 1 + 1 + MAX_ADDRESSES * (2 + MAX_ADDRESS_BYTES);

/// What a node asks of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub enum Request {
    /// Take these encoded transactions.
    #[codec(index = 0)]
    Transactions(Vec<Vec<u8>>),
    /// Tell me whom you are connected to.
    #[codec(index = 1)]
    Peers,
    /// I agree on blocks at the port and under the name of this encoded multiaddress, which names no host; it is the one that I am
    /// connected from, or was dialled at.
    #[codec(index = 2)]
    Consensus(Vec<u8>),
}

/// What a peer answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub enum Response {
    /// The request was looked at; the next one may come.
    #[codec(index = 0)]
    Received,
    /// The batch was not looked at; it may come again later.
    #[codec(index = 1)]
    Busy,
    /// Encoded multiaddresses, each ending in the peer's name.
    #[codec(index = 2)]
    Peers(Vec<Vec<u8>>),
}

/// What a message may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// Bytes of a request.
    pub max_message_bytes: usize,
    /// Transactions of a request.
    pub max_batch_count: usize,
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// It announces more bytes than a message may have.
    #[error("a message of {found} bytes was announced, {limit} are allowed")]
    TooLarge {
        /// Bytes announced.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// It announces more parts than a message may have.
    #[error("a message of {found} parts was announced, {limit} are allowed")]
    TooMany {
        /// Parts announced.
        found: usize,
        /// Parts allowed.
        limit: usize,
    },
    /// It announces more than it holds, or something unknown.
    #[error("the message cannot be decoded: {0}")]
    Malformed(String),
    /// Bytes follow the message.
    #[error("expected the end of the message, found {0} more bytes")]
    Trailing(usize),
}

impl From<codec::Error> for WireError {
    fn from(error: codec::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The name of the protocol on the chain with this genesis.
pub fn protocol_name(genesis_hash: &Hash) -> String {
    format!("/myelin/{}/transactions/2", hex::encode(genesis_hash))
}

/// Decodes a request.
///
/// # Errors
/// See [`WireError`].
pub fn decode_request(mut bytes: &[u8], limits: &WireLimits) -> Result<Request, WireError> {
    check_len(bytes.len(), limits.max_message_bytes)?;
    let request = match u8::decode(&mut bytes)? {
        0 => {
            Request::Transactions(decode_parts(&mut bytes, limits.max_batch_count, limits.max_message_bytes)?)
        }
        1 => Request::Peers,
        2 => Request::Consensus(decode_part(&mut bytes, MAX_ADDRESS_BYTES)?),
        other => return Err(WireError::Malformed(format!("no request has number {other}"))),
    };
    ended(bytes, request)
}

/// Decodes a response.
///
/// # Errors
/// See [`WireError`].
pub fn decode_response(mut bytes: &[u8]) -> Result<Response, WireError> {
    check_len(bytes.len(), MAX_RESPONSE_BYTES)?;
    let response = match u8::decode(&mut bytes)? {
        0 => Response::Received,
        1 => Response::Busy,
        2 => Response::Peers(decode_parts(&mut bytes, MAX_ADDRESSES, MAX_ADDRESS_BYTES)?),
        other => return Err(WireError::Malformed(format!("no response has number {other}"))),
    };
    ended(bytes, response)
}

fn decode_parts(bytes: &mut &[u8], max_count: usize, max_bytes: usize) -> Result<Vec<Vec<u8>>, WireError> {
    let count = decode_len(bytes)?;
    if count > max_count {
        return Err(WireError::TooMany { found: count, limit: max_count });
    }
    (0..count).map(|_| decode_part(bytes, max_bytes)).collect()
}

fn decode_part(bytes: &mut &[u8], max_bytes: usize) -> Result<Vec<u8>, WireError> {
    let length = decode_len(bytes)?;
    check_len(length, max_bytes)?;
    if length > bytes.len() {
        return Err(WireError::Malformed(format!("{length} bytes were announced, {} are left", bytes.len())));
    }
    let mut part = vec![0; length];
    Input::read(bytes, &mut part)?;
    Ok(part)
}

fn decode_len(bytes: &mut &[u8]) -> Result<usize, WireError> {
    Ok(Compact::<u32>::decode(bytes)?.0 as usize)
}

fn check_len(found: usize, limit: usize) -> Result<(), WireError> {
    if found > limit {
        return Err(WireError::TooLarge { found, limit });
    }
    Ok(())
}

fn ended<T>(rest: &[u8], message: T) -> Result<T, WireError> {
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(WireError::Trailing(rest.len()))
    }
}

/// Why there is no request on a stream that was opened for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are not a request.
    #[error(transparent)]
    Bad(#[from] WireError),
    /// The stream ended early, or nothing more came for too long.
    #[error("expected a whole request, found the end of the stream, or nothing more for too long")]
    Endless,
}

/// Reads and writes messages on streams. The swarm keeps failures to read a request to itself, so they are handed over in
/// the request's place.
#[derive(Clone, Debug)]
pub struct GossipCodec {
    limits: WireLimits,
    patience: Duration,
}

impl GossipCodec {
    /// Reads no more than this, and for no longer than `patience`.
    pub fn new(limits: WireLimits, patience: Duration) -> Self {
        Self { limits, patience }
    }

    async fn read<T: AsyncRead + Unpin + Send>(&self, io: &mut T) -> Result<Request, Unreadable> {
        let reading = read_message(io, self.limits.max_message_bytes);
        let bytes = tokio::time::timeout(self.patience, reading).await.map_err(|_| Unreadable::Endless)??;
        Ok(decode_request(&bytes, &self.limits)?)
    }
}

/// Why a message cannot be read.
enum ReadError {
    Wire(WireError),
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<WireError> for ReadError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<ReadError> for Unreadable {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Wire(error) => Self::Bad(error),
            ReadError::Io(_) => Self::Endless,
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Wire(error) => error.into(),
            ReadError::Io(error) => error,
        }
    }
}

async fn read_message<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> Result<Vec<u8>, ReadError> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_le_bytes(length);
    check_len(length as usize, limit)?;
    // The buffer grows with what arrives, not with what is announced.
    let mut bytes = Vec::new();
    io.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() != length as usize {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}

async fn write_message<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(bytes).await
}

#[async_trait]
impl request_response::Codec for GossipCodec {
    type Protocol = StreamProtocol;
    type Request = Result<Request, Unreadable>;
    type Response = Response;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Self::Request> {
        Ok(self.read(io).await)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Response> {
        Ok(decode_response(&read_message(io, MAX_RESPONSE_BYTES).await?)?)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Self::Request,
    ) -> io::Result<()> {
        let request = request.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        write_message(io, &request.encode()).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()> {
        write_message(io, &response.encode()).await
    }
}
