//! A peer that speaks the protocol's frames and says what it likes.

use std::{collections::HashSet, io, time::Duration};

use async_trait::async_trait;
use codec::Encode;
use libp2p::{
    core::{upgrade::Version, Transport},
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt},
    identify, noise, ping,
    request_response::{self, OutboundRequestId, ProtocolSupport},
    swarm::{self, NetworkBehaviour, SwarmEvent},
    tcp, yamux, Multiaddr, PeerId, StreamProtocol, Swarm,
};
use myelin_gossip::wire::{protocol_name, Request};

use super::{TestNode, PATIENCE};

/// Bytes as they are.
#[derive(Clone)]
pub struct RawCodec;

#[async_trait]
impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
}

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(4 << 20).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    exchange: request_response::Behaviour<RawCodec>,
}

/// A misbehaving peer of one node.
pub struct Rogue {
    swarm: Swarm<Behaviour>,
    victim: PeerId,
    address: Multiaddr,
    waiting: HashSet<OutboundRequestId>,
}

/// What a rogue sees.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    Answer(Vec<u8>),
    Refused,
    Disconnected,
}

impl Rogue {
    /// Connects to a node.
    pub async fn connect(victim: &TestNode) -> Self {
        let key = libp2p::identity::Keypair::generate_ed25519();
        let protocol = protocol_name(&victim.chain.genesis_hash());
        let behaviour = Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(protocol.clone(), key.public())),
            ping: ping::Behaviour::default(),
            exchange: request_response::Behaviour::with_codec(
                RawCodec,
                [(StreamProtocol::try_from_owned(protocol).unwrap(), ProtocolSupport::Full)],
                request_response::Config::default().with_request_timeout(Duration::from_secs(60)),
            ),
        };
        let transport = tcp::tokio::Transport::default()
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&key).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        let config =
            swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(3600));
        let swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
        let mut rogue =
            Self { swarm, victim: victim.peer_id(), address: victim.address(), waiting: HashSet::new() };
        assert!(rogue.dial().await, "a stranger may connect");
        rogue
    }

    pub fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// Connects again; false when it is thrown out before it hears who the node is.
    pub async fn dial(&mut self) -> bool {
        self.swarm.dial(self.address.clone()).unwrap();
        let outcome = async {
            loop {
                match self.swarm.select_next_some().await {
                    SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { .. })) => {
                        return true;
                    }
                    SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => {
                        return false;
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, outcome).await.unwrap()
    }

    /// Ends the connection by itself.
    pub async fn hang_up(&mut self) {
        self.swarm.disconnect_peer_id(self.victim).unwrap();
        self.is_dropped().await;
    }

    /// Sends raw bytes as a request.
    pub fn send(&mut self, bytes: Vec<u8>) {
        let id = self.swarm.behaviour_mut().exchange.send_request(&self.victim, bytes);
        self.waiting.insert(id);
    }

    /// Sends a proper batch.
    pub fn send_batch(&mut self, transactions: Vec<Vec<u8>>) {
        self.send(frame(&Request::Transactions(transactions).encode()));
    }

    /// Requests that nobody has answered yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next thing that happens to it.
    pub async fn next(&mut self) -> Seen {
        let next = async {
            loop {
                match self.swarm.select_next_some().await {
                    SwarmEvent::ConnectionClosed { .. } => {
                        self.waiting.clear();
                        return Seen::Disconnected;
                    }
                    SwarmEvent::Behaviour(BehaviourEvent::Exchange(event)) => match event {
                        request_response::Event::Message {
                            message: request_response::Message::Response { request_id, response },
                            ..
                        } => {
                            self.waiting.remove(&request_id);
                            return Seen::Answer(response);
                        }
                        request_response::Event::OutboundFailure { request_id, .. } => {
                            self.waiting.remove(&request_id);
                            return Seen::Refused;
                        }
                        // It leaves whatever the node sends without an answer.
                        _ => {}
                    },
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("the node does something")
    }

    /// Waits for the end of the connection.
    pub async fn is_dropped(&mut self) {
        while self.next().await != Seen::Disconnected {}
    }
}

/// A message as the protocol frames it.
pub fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes()[..], body].concat()
}
