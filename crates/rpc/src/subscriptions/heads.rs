//! New blocks, one notification each, without gaps.

use std::{collections::VecDeque, sync::Arc};

use myelin_chain::{Chain, ChainError, ChainEvent, Header, Tip};
use tokio::sync::broadcast::{error::RecvError, Receiver};

use super::{End, Pending, Subscriber, Subscription};
use crate::{error, methods::chain::header_json, parameters::Arguments, Context};

/// Headers read at once for a subscriber that is behind.
const HEADERS_AT_ONCE: u32 = 64;

/// A block is final when it is known, so these three tell the same.
pub(super) const SUBSCRIPTIONS: &[Subscription] = &[
    Subscription {
        subscribe: "chain_subscribeNewHeads",
        notification: "chain_newHead",
        unsubscribe: "chain_unsubscribeNewHeads",
        aliases: &[
            ("chain_subscribeNewHead", "chain_unsubscribeNewHead"),
            ("chain_subscribe_newHead", "chain_unsubscribe_newHead"),
            ("subscribe_newHead", "unsubscribe_newHead"),
        ],
        parameters: &[],
    },
    Subscription {
        subscribe: "chain_subscribeFinalizedHeads",
        notification: "chain_finalizedHead",
        unsubscribe: "chain_unsubscribeFinalizedHeads",
        aliases: &[("chain_subscribeFinalisedHeads", "chain_unsubscribeFinalisedHeads")],
        parameters: &[],
    },
    Subscription {
        subscribe: "chain_subscribeAllHeads",
        notification: "chain_allHead",
        unsubscribe: "chain_unsubscribeAllHeads",
        aliases: &[],
        parameters: &[],
    },
];

pub(super) async fn follow(context: Arc<Context>, _: Arguments, pending: Pending) -> Result<(), End> {
    let mut heads = Heads::from_tip(&context);
    let subscriber = Subscriber::accept(pending, &context).await?;
    loop {
        let header = match heads.known() {
            Some(header) => header,
            None => match subscriber.wait(heads.next(&context)).await?? {
                Some(header) => header,
                None => return Ok(()),
            },
        };
        subscriber.notify(&header_json(&header)).await?;
    }
}

/// A place in the chain that moves with it.
struct Heads {
    events: Receiver<ChainEvent>,
    /// The block to tell of next.
    next: u32,
    /// Headers that were read ahead, from `next` on.
    ahead: VecDeque<Header>,
}

impl Heads {
    /// Starts with the tip itself.
    fn from_tip(context: &Context) -> Self {
        let events = context.chain().subscribe();
        Self { events, next: context.chain().tip().number(), ahead: VecDeque::new() }
    }

    /// The next header, if it was read ahead.
    fn known(&mut self) -> Option<Header> {
        let header = self.ahead.pop_front()?;
        self.next = header.number.saturating_add(1);
        Some(header)
    }

    /// The next header, as soon as there is one; nothing when the chain has ended.
    async fn next(&mut self, context: &Arc<Context>) -> Result<Option<Header>, End> {
        loop {
            let tip = context.chain().tip();
            // A development chain was taken back further than the subscriber has been told.
            if self.next > tip.number().saturating_add(1) {
                self.next = tip.number();
            }
            if self.next <= tip.number() {
                self.read_ahead(context, &tip).await?;
                if let Some(header) = self.known() {
                    return Ok(Some(header));
                }
            }
            match self.events.recv().await {
                Ok(ChainEvent::Reverted(tip)) => self.next = tip.number(),
                // Missed events are no loss: what is new is found by height.
                Ok(ChainEvent::Committed(_)) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    async fn read_ahead(&mut self, context: &Arc<Context>, tip: &Arc<Tip>) -> Result<(), End> {
        if self.next == tip.number() {
            self.ahead.push_back(tip.header.clone());
            return Ok(());
        }
        let first = self.next;
        let last = tip.number().min(first.saturating_add(HEADERS_AT_ONCE - 1));
        let chain = Arc::clone(&context.services.chain);
        let headers = context.workshop.read(move || headers(&chain, first, last)).await?;
        self.ahead = headers.map_err(error::chain)?;
        Ok(())
    }
}

/// The headers of a range of blocks, as far as they exist.
fn headers(chain: &Chain, first: u32, last: u32) -> Result<VecDeque<Header>, ChainError> {
    let mut found = VecDeque::new();
    for number in first..=last {
        let Some(hash) = chain.hash_of(number)? else { break };
        let Some(header) = chain.header(&hash)? else { break };
        found.push_back(header);
    }
    Ok(found)
}
