//! Sending transactions and following them into a block.

use std::{sync::Arc, time::Duration};

use codec::DecodeAll;
use jsonrpsee::{core::client::Subscription, ws_client::WsClient};
use myelin_keys::Keypair;
use myelin_runtime::{AccountId, Balance, Hash, RuntimeCall};
use pallet_transaction_payment_rpc_runtime_api::RuntimeDispatchInfo;
use serde::Deserialize;
use sp_core::Bytes;
use sp_runtime::{
    generic::Era,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    ApplyExtrinsicResult,
};
use tokio::time::Instant;

use crate::{
    client::Client,
    error::ClientError,
    extrinsic::{account_of, sign, without_signature, SignedTransaction, SigningContext},
    receipt::Receipt,
    storage::hex_value,
    transport::{array, SubscriptionMethods},
};

const WATCH: SubscriptionMethods = SubscriptionMethods {
    subscribe: "author_submitAndWatchExtrinsic",
    unsubscribe: "author_unwatchExtrinsic",
};

/// How often a transaction is signed until its nonce is not taken. Whoever loses a nonce loses it to one who has sent then, so
/// about as many can send with one account at once.
const SEND_ATTEMPTS: u32 = 64;

const DRY_RUN: &str = "system_dryRun";

/// JSON-RPC codes of a pool that does not take a transaction.
mod code {
    pub(super) const INVALID: i32 = 1010;
    pub(super) const UNKNOWN_VALIDITY: i32 = 1011;
    pub(super) const ALREADY_IMPORTED: i32 = 1013;
    pub(super) const PRIORITY_TOO_LOW: i32 = 1014;
    pub(super) const IMMEDIATELY_DROPPED: i32 = 1016;
}

/// The advice to those who cannot pay.
pub(crate) const ADD_FUNDS: &str = "add funds to the signing account";

/// How far to follow a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// A block has it; on a chain with instant finality that is final too.
    InBlock,
    /// A final block has it.
    Finalized,
}

/// Where a watched transaction stands, as the node reports it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Status {
    Future,
    Ready,
    Broadcast(Vec<String>),
    InBlock(Hash),
    Retracted(Hash),
    FinalityTimeout(Hash),
    Finalized(Hash),
    Usurped(Hash),
    Dropped,
    Invalid,
}

/// A transaction that the node has taken.
struct Watched {
    transaction: SignedTransaction,
    first_block: u32,
    statuses: Subscription<Status>,
    // The subscription ends when the connection is dropped.
    _connection: Arc<WsClient>,
}

impl Client {
    /// Signs `call`, sends it and waits until it is where `wait` asks for.
    ///
    /// The nonce follows the account's other transactions through this client; the transaction is valid for
    /// `era_period_blocks` from the finalized head.
    ///
    /// # Errors
    /// - [`ClientError::Rejected`]: the node did not take it, nothing happened.
    /// - [`ClientError::Failed`]: it is in a block, the fee is paid, the action failed.
    /// - [`ClientError::NotIncluded`]: the pool dropped it.
    /// - [`ClientError::FateUnknown`]: the connection or the time ran out after it was sent.
    /// - those of a read, before anything was sent.
    pub async fn submit(
        &self,
        call: impl Into<RuntimeCall>,
        signer: &Keypair,
        wait: WaitFor,
    ) -> Result<Receipt, ClientError> {
        let call = call.into();
        let account = account_of(signer);
        let mut watched = self.send(call, signer, &account).await?;
        let deadline = self.config().inclusion_timeout;
        let outcome = match tokio::time::timeout(deadline, follow(&mut watched, wait)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(unknown_fate(&watched, format!("not in a block after {} ms", deadline.as_millis())))
            }
        };
        match outcome {
            Ok(block) => self.receipt_of(&watched, block).await?.success(),
            Err(error) => {
                self.nonces().forget(&account).await;
                Err(error)
            }
        }
    }

    /// What `call` would cost `signer` now, in rao.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn estimate_fee(
        &self,
        call: impl Into<RuntimeCall>,
        signer: &AccountId,
    ) -> Result<Balance, ClientError> {
        let mut context = self.signing_context().await?.0;
        context.nonce = self.next_nonce(signer).await?;
        let transaction = without_signature(call.into(), signer.clone(), &context);
        let length = u32::try_from(transaction.bytes.len()).unwrap_or(u32::MAX);
        let arguments = [transaction.bytes, codec::Encode::encode(&length)].concat();
        let info: RuntimeDispatchInfo<Balance> =
            self.runtime_api("TransactionPaymentApi_query_info", RawArguments(arguments)).await?;
        Ok(info.partial_fee)
    }

    /// Signs `call` and has the node run it on the newest block's state, where its effects are forgotten. Nothing is sent.
    ///
    /// Transactions that wait in the pool are not counted in: its nonce is the account's next on the chain.
    ///
    /// # Errors
    /// - [`ClientError::Rejected`]: no block could have it.
    /// - [`ClientError::WouldFail`]: a block could have it, and its action would fail there.
    /// - those of a read.
    pub async fn dry_run(&self, call: impl Into<RuntimeCall>, signer: &Keypair) -> Result<(), ClientError> {
        let (mut context, _) = self.signing_context().await?;
        context.nonce = self.runtime_api("AccountNonceApi_account_nonce", account_of(signer)).await?;
        let transaction = sign(call.into(), signer, &context);
        let params = array([hex_value(&transaction.bytes)]);
        let answer: Bytes = self.transport().read(DRY_RUN, params).await?;
        let outcome = ApplyExtrinsicResult::decode_all(&mut &answer[..])
            .map_err(|error| ClientError::decode(DRY_RUN, error))?;
        outcome.map_err(invalid)?.map_err(|error| ClientError::WouldFail { failure: error.into() })
    }

    /// Fails if `call` would fail now, as far as a [dry run](Self::dry_run) on this node tells. What a node does not tell is
    /// no failure: some have dry runs switched off.
    ///
    /// # Errors
    /// [`ClientError::Rejected`] and [`ClientError::WouldFail`].
    pub async fn check(&self, call: impl Into<RuntimeCall>, signer: &Keypair) -> Result<(), ClientError> {
        match self.dry_run(call, signer).await {
            // Another transaction of the account was included meanwhile.
            Err(error) if is_about_nonce(&error) => Ok(()),
            Err(error @ (ClientError::Rejected { .. } | ClientError::WouldFail { .. })) => Err(error),
            Err(error) => {
                tracing::debug!(%error, "the node runs nothing on trial");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Hands a transaction to the node, when it is this account's turn. Others may send with the same account at the same
    /// time, so a nonce that is taken is asked for again.
    async fn send(
        &self,
        call: RuntimeCall,
        signer: &Keypair,
        account: &AccountId,
    ) -> Result<Watched, ClientError> {
        let mut next_nonce = self.nonces().turn(account).await;
        let mut nonce = match next_nonce.take() {
            Some(nonce) => nonce,
            None => self.next_nonce(account).await?,
        };
        let mut attempt = 1;
        let watched = loop {
            match self.send_with(call.clone(), signer, nonce).await {
                Err(error) if attempt < SEND_ATTEMPTS && is_about_nonce(&error) => {
                    tracing::debug!(nonce, attempt, %error, "the nonce is taken");
                    attempt += 1;
                    nonce = self.next_nonce(account).await?;
                }
                outcome => break outcome?,
            }
        };
        *next_nonce = Some(nonce.saturating_add(1));
        Ok(watched)
    }

    async fn send_with(
        &self,
        call: RuntimeCall,
        signer: &Keypair,
        nonce: u32,
    ) -> Result<Watched, ClientError> {
        let (mut context, first_block) = self.signing_context().await?;
        context.nonce = nonce;
        let transaction = sign(call, signer, &context);
        let connection = self.transport().connection().await?;
        let params = array([hex_value(&transaction.bytes)]);
        match self.transport().subscribe(&connection, WATCH, params).await {
            Ok(statuses) => Ok(Watched { transaction, first_block, statuses, _connection: connection }),
            Err(ClientError::Refused { code, message, .. }) => Err(rejection(code, message)),
            Err(error) => Err(ClientError::FateUnknown {
                extrinsic: transaction.hash,
                first_block,
                reason: error.to_string(),
            }),
        }
    }

    /// Everything but the nonce, and the height it is anchored at.
    async fn signing_context(&self) -> Result<(SigningContext, u32), ClientError> {
        let head = self.at(self.finalized_hash().await?).block_number().await?;
        let era = Era::mortal(self.config().era_period_blocks, head.into());
        let birth = u32::try_from(era.birth(head.into())).unwrap_or(head);
        let era_birth = self.block_hash(birth).await?;
        let genesis = self.genesis().await?;
        Ok((SigningContext { nonce: 0, era, era_birth, genesis }, head))
    }

    async fn receipt_of(&self, watched: &Watched, block: Hash) -> Result<Receipt, ClientError> {
        let started = Instant::now();
        self.receipt(watched.transaction.hash, block).await.map_err(|error| {
            let waited = started.elapsed();
            unknown_fate(watched, in_block_unread(block, waited, &error))
        })
    }
}

/// Arguments that are encoded already.
struct RawArguments(Vec<u8>);

impl codec::Encode for RawArguments {
    fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }
}

async fn follow(watched: &mut Watched, wait: WaitFor) -> Result<Hash, ClientError> {
    loop {
        let status = match watched.statuses.next().await {
            Some(Ok(status)) => status,
            Some(Err(error)) => return Err(unknown_fate(watched, format!("unreadable status: {error}"))),
            None => return Err(unknown_fate(watched, "the connection to the node broke".into())),
        };
        tracing::debug!(extrinsic = ?watched.transaction.hash, ?status, "transaction status");
        match status {
            Status::InBlock(block) if wait == WaitFor::InBlock => return Ok(block),
            Status::Finalized(block) => return Ok(block),
            Status::Dropped | Status::Invalid | Status::Usurped(_) => {
                let status = format!("{status:?}").to_lowercase();
                return Err(ClientError::NotIncluded { extrinsic: watched.transaction.hash, status });
            }
            Status::FinalityTimeout(_) => {
                return Err(unknown_fate(watched, "its block was not finalized in time".into()))
            }
            Status::Future
            | Status::Ready
            | Status::Broadcast(_)
            | Status::InBlock(_)
            | Status::Retracted(_) => {}
        }
    }
}

fn unknown_fate(watched: &Watched, reason: String) -> ClientError {
    ClientError::FateUnknown { extrinsic: watched.transaction.hash, first_block: watched.first_block, reason }
}

fn in_block_unread(block: Hash, waited: Duration, error: &ClientError) -> String {
    format!(
        "it is in block {block:?}, whose events could not be read for {} ms ({error})",
        waited.as_millis()
    )
}

/// Whether the node says that this nonce is used up or taken.
fn is_about_nonce(error: &ClientError) -> bool {
    match error {
        ClientError::Rejected { code, .. }
            if [code::ALREADY_IMPORTED, code::PRIORITY_TOO_LOW].contains(code) =>
        {
            true
        }
        ClientError::Rejected { code: code::INVALID, reason, .. } => reason.contains("outdated"),
        _ => false,
    }
}

/// The rejection that the pool would answer.
fn invalid(error: TransactionValidityError) -> ClientError {
    let code = match error {
        TransactionValidityError::Invalid(_) => code::INVALID,
        TransactionValidityError::Unknown(_) => code::UNKNOWN_VALIDITY,
    };
    let message = match error {
        TransactionValidityError::Invalid(InvalidTransaction::Custom(number)) => {
            format!("Custom error: {number}")
        }
        other => <&'static str>::from(other).to_owned(),
    };
    rejection(code, message)
}

fn rejection(code: i32, message: String) -> ClientError {
    let custom = (code == code::INVALID).then(|| custom_error(&message)).flatten();
    let (reason, advice) = match custom.and_then(explain_custom) {
        Some((meaning, advice)) => (format!("{message} ({meaning})"), advice),
        None => (message.clone(), advice_for(code, &message)),
    };
    ClientError::Rejected { code, reason, advice }
}

fn advice_for(code: i32, message: &str) -> &'static str {
    let has = |part: &str| message.to_lowercase().contains(part);
    match code {
        code::INVALID if has("outdated") => "another transaction of this account used the nonce, send again",
        code::INVALID if has("pay") => ADD_FUNDS,
        code::INVALID if has("ancient") => "the transaction was signed too long ago, send again",
        code::INVALID if has("signature") => "check that program and node are of one version and chain",
        code::PRIORITY_TOO_LOW => "wait for this account's pending transaction",
        code::ALREADY_IMPORTED => "wait, the same transaction is pending",
        code::UNKNOWN_VALIDITY | code::INVALID => "check the action and the signing account",
        code::IMMEDIATELY_DROPPED => "nothing happened, and no fee was paid",
        _ => "see the reason",
    }
}

/// The number in `Custom error: N`.
fn custom_error(message: &str) -> Option<u8> {
    let (_, rest) = message.split_once("Custom error:")?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Meaning and remedy of the market's own pool errors.
fn explain_custom(number: u8) -> Option<(&'static str, &'static str)> {
    Some(match number {
        0 => ("the coldkey is being swapped", "finish or withdraw the swap"),
        1 => ("too little stake", "add stake to the hotkey"),
        2 => ("balance too low", ADD_FUNDS),
        3 => ("no such subnet", "check the netuid"),
        4 => ("no such hotkey", "register the hotkey"),
        5 => ("not that much stake", "unstake less"),
        6 => ("too soon after the last time", "wait for the rate limit to pass"),
        7 => ("the pool cannot fill this", "trade less"),
        8 => ("the price moved past the limit", "change the limit or the amount"),
        9 => ("transfers are disabled on this subnet", "ask its owner"),
        10 => ("the hotkey is not registered on this subnet", "register the hotkey"),
        11 => ("not an IP address that can be announced", "check address and type"),
        12 => ("too soon after the last announcement", "wait for the serving rate limit to pass"),
        13 => ("not a port that can be announced", "check the port"),
        14 => ("amount of zero", "give an amount"),
        15 => ("not a usable reveal round", "commit again with a later round"),
        16 => ("nothing was committed", "commit first"),
        17 => ("not the epoch of the reveal", "reveal in its epoch"),
        18 => ("lists of different lengths", "give one value for each target"),
        19 => ("no such uid", "check the uid"),
        21 => ("the coldkey's swap is disputed", "wait for the decision"),
        25 => ("the hotkey belongs to another coldkey", "sign with its coldkey"),
        26 => ("take too low", "choose a higher take"),
        27 => ("take too high", "choose a lower take"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_in_both_shapes() {
        let read = |text: &str| serde_json::from_str::<Status>(text).unwrap();
        assert_eq!(read("\"ready\""), Status::Ready);
        assert_eq!(read("\"invalid\""), Status::Invalid);
        assert_eq!(read("{\"broadcast\":[\"peer\"]}"), Status::Broadcast(vec!["peer".into()]));
        let hash = Hash::repeat_byte(7);
        assert_eq!(read(&format!("{{\"inBlock\":\"{hash:?}\"}}")), Status::InBlock(hash));
        assert_eq!(read(&format!("{{\"finalized\":\"{hash:?}\"}}")), Status::Finalized(hash));
    }

    #[test]
    fn rejections_say_what_to_do() {
        let ClientError::Rejected { reason, advice, .. } =
            rejection(1010, "Invalid Transaction: Custom error: 10".into())
        else {
            unreachable!("a rejection")
        };
        assert!(reason.ends_with("(the hotkey is not registered on this subnet)"));
        assert_eq!(advice, "register the hotkey");
        let poor = rejection(1010, "Inability to pay some fees (e.g. account balance too low)".into());
        assert!(poor.to_string().ends_with("add funds to the signing account"));
    }

    #[test]
    fn a_dry_run_is_rejected_in_the_words_of_the_pool() {
        let poor = invalid(InvalidTransaction::Payment.into());
        assert!(poor.to_string().ends_with("add funds to the signing account"), "{poor}");
        let unregistered = invalid(InvalidTransaction::Custom(10).into());
        assert!(unregistered.to_string().ends_with("register the hotkey"), "{unregistered}");
    }

    #[test]
    fn only_nonce_trouble_is_sent_again() {
        let rejected = |code, reason: &str| is_about_nonce(&rejection(code, reason.into()));
        assert!(rejected(1010, "Invalid Transaction: Transaction is outdated"));
        assert!(rejected(1014, "Priority is too low: (1 vs 1)"));
        assert!(!rejected(1010, "Invalid Transaction: Custom error: 6"));
        assert!(!is_about_nonce(&ClientError::Missing { what: "block".into() }));
    }
}
