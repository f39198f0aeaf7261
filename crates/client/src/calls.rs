//! Actions of the market, each one transaction.
//!
//! All of them return the receipt of a successful action; see [`Client::submit`] for how they fail. A *coldkey* signs what
//! moves money, a *hotkey* signs what a running miner or validator says.

use std::net::{IpAddr, SocketAddr};

use myelin_keys::Keypair;
use myelin_runtime::{AccountId, Balance, Runtime, RuntimeCall, RuntimeEvent};
use pallet_subtensor::{Alpha, Call as Market, Event as MarketEvent, NetUid, Tao, Uid};
use sp_runtime::MultiAddress;

use crate::{client::Client, error::ClientError, extrinsic::account_of, receipt::Receipt, submit::WaitFor};

/// Weights of one validator, ready to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Judged neurons, each once.
    pub uids: Vec<Uid>,
    /// Worth of each, relative to the others.
    pub values: Vec<u16>,
    /// Version of the judging program; at least the subnet's `WeightsVersionKey`.
    pub version_key: u64,
}

impl Client {
    /// Sends `amount_rao` to `to`, and keeps the sender's account alive.
    ///
    /// # Errors
    /// See [`Client::submit`].
    pub async fn transfer(
        &self,
        coldkey: &Keypair,
        to: &AccountId,
        amount_rao: Balance,
        wait: WaitFor,
    ) -> Result<Receipt, ClientError> {
        let dest = MultiAddress::Id(to.clone());
        let call = pallet_balances::Call::<Runtime>::transfer_keep_alive { dest, value: amount_rao };
        self.submit(RuntimeCall::Balances(call), coldkey, wait).await
    }

    /// Opens a subnet owned by `coldkey`, with `hotkey` in its first slot. Returns its number.
    ///
    /// # Errors
    /// See [`Client::submit`]; also if the receipt does not say which subnet was added.
    pub async fn register_subnet(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        wait: WaitFor,
    ) -> Result<(NetUid, Receipt), ClientError> {
        let call = Market::<Runtime>::register_network { hotkey: hotkey.clone() };
        let receipt = self.submit(RuntimeCall::SubtensorModule(call), coldkey, wait).await?;
        let netuid = receipt.find(|event| match event {
            RuntimeEvent::SubtensorModule(MarketEvent::NetworkAdded(netuid, _)) => Some(*netuid),
            _ => None,
        });
        with_fact(netuid, "NetworkAdded event in the receipt", receipt)
    }

    /// Starts a subnet: its token trades and it earns emission. Signed by the owner.
    ///
    /// # Errors
    /// See [`Client::submit`].
    pub async fn start_subnet(
        &self,
        coldkey: &Keypair,
        netuid: NetUid,
        wait: WaitFor,
    ) -> Result<Receipt, ClientError> {
        self.market(Market::start_call { netuid }, coldkey, wait).await
    }

    /// Buys a slot for `hotkey`. Returns its uid.
    ///
    /// # Errors
    /// See [`Client::submit`]; also if the receipt does not say which slot it is.
    pub async fn register_neuron(
        &self,
        coldkey: &Keypair,
        netuid: NetUid,
        hotkey: &AccountId,
        wait: WaitFor,
    ) -> Result<(Uid, Receipt), ClientError> {
        let call = Market::burned_register { netuid, hotkey: hotkey.clone() };
        let receipt = self.market(call, coldkey, wait).await?;
        let uid = receipt.find(|event| match event {
            RuntimeEvent::SubtensorModule(MarketEvent::NeuronRegistered(_, uid, _)) => Some(*uid),
            _ => None,
        });
        with_fact(uid, "NeuronRegistered event in the receipt", receipt)
    }

    /// Announces where `hotkey` answers. The chain refuses addresses that others cannot reach.
    ///
    /// # Errors
    /// See [`Client::submit`].
    pub async fn serve_axon(
        &self,
        hotkey: &Keypair,
        netuid: NetUid,
        endpoint: SocketAddr,
        protocol: u8,
        wait: WaitFor,
    ) -> Result<Receipt, ClientError> {
        let (ip, ip_type) = ip_number(endpoint.ip());
        let call = Market::serve_axon {
            netuid,
            version: 0,
            ip,
            port: endpoint.port(),
            ip_type,
            protocol,
            placeholder1: 0,
            placeholder2: 0,
        };
        self.market(call, hotkey, wait).await
    }

    /// Says what the validator `hotkey` thinks miners are worth to the subnet's first mechanism.
    ///
    /// # Errors
    /// See [`Client::submit`]; before sending, if uids and values differ in number.
    pub async fn set_weights(
        &self,
        hotkey: &Keypair,
        netuid: NetUid,
        weights: Weights,
        wait: WaitFor,
    ) -> Result<Receipt, ClientError> {
        let Weights { uids: dests, values: weights, version_key } = weights;
        if dests.len() != weights.len() {
            return Err(ClientError::Argument {
                expected: format!("one weight for each of {} uids", dests.len()),
                found: format!("{} weights", weights.len()),
            });
        }
        let call = Market::set_mechanism_weights { netuid, mecid: 0, dests, weights, version_key };
        self.market(call, hotkey, wait).await
    }

    /// Buys stake with `hotkey` on `netuid`, for `amount_rao` of TAO.
    ///
    /// # Errors
    /// See [`Client::submit`].
    pub async fn add_stake(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: NetUid,
        amount_rao: Tao,
        wait: WaitFor,
    ) -> Result<Receipt, ClientError> {
        let call = Market::add_stake { hotkey: hotkey.clone(), netuid, amount_staked: amount_rao };
        self.market(call, coldkey, wait).await
    }

    /// Sells `amount` of stake with `hotkey` on `netuid`, in rao of the subnet's token.
    ///
    /// # Errors
    /// See [`Client::submit`].
    pub async fn remove_stake(
        &self,
        coldkey: &Keypair,
        hotkey: &AccountId,
        netuid: NetUid,
        amount: Alpha,
        wait: WaitFor,
    ) -> Result<Receipt, ClientError> {
        let call = Market::remove_stake { hotkey: hotkey.clone(), netuid, amount_unstaked: amount };
        self.market(call, coldkey, wait).await
    }

    async fn market(
        &self,
        call: Market<Runtime>,
        signer: &Keypair,
        wait: WaitFor,
    ) -> Result<Receipt, ClientError> {
        tracing::debug!(account = %account_of(signer), ?call, "sending");
        self.submit(RuntimeCall::SubtensorModule(call), signer, wait).await
    }
}

/// The number under which the chain knows an address, and its kind.
pub fn ip_number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 4),
        IpAddr::V6(address) => (address.into(), 6),
    }
}

fn with_fact<T>(fact: Option<T>, what: &str, receipt: Receipt) -> Result<(T, Receipt), ClientError> {
    match fact {
        Some(fact) => Ok((fact, receipt)),
        None => Err(ClientError::Missing { what: what.into() }),
    }
}
