//! Turns at something that only a few may do at a time, divided fairly among clients: whoever waits for one turn does not wait
//! behind all that another client wants.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use myelin_listener::Origin;
use tokio::sync::oneshot;

/// Who wants a turn. Those that come from this machine may be anybody, behind a proxy, so each connection is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// The server itself.
    Server,
    Remote(Origin),
    Local(u64),
}

impl Client {
    pub fn new(ip: IpAddr, connection: u64) -> Self {
        match Origin::of(ip) {
            origin if origin.is_loopback() => Self::Local(connection),
            origin => Self::Remote(origin),
        }
    }
}

pub(crate) struct Turns {
    state: Mutex<State>,
}

struct State {
    free: usize,
    is_closed: bool,
    waiting: HashMap<Client, VecDeque<oneshot::Sender<Turn>>>,
    /// Clients that wait, the next one first.
    order: VecDeque<Client>,
}

/// There will be no turns any more.
#[derive(Debug)]
pub(crate) struct Closed;

impl Turns {
    pub fn new(count: usize) -> Arc<Self> {
        let state = State { free: count, is_closed: false, waiting: HashMap::new(), order: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a turn, which lasts until what this returns is dropped.
    pub async fn take(self: &Arc<Self>, client: Client) -> Result<Turn, Closed> {
        let turn = {
            let mut state = self.state();
            if state.is_closed {
                return Err(Closed);
            }
            if state.free > 0 {
                state.free -= 1;
                return Ok(Turn { turns: Some(Arc::clone(self)) });
            }
            let (sender, turn) = oneshot::channel();
            state.wait(client, sender);
            turn
        };
        turn.await.map_err(|_| Closed)
    }

    /// Refuses who waits or comes later.
    pub fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.waiting.clear();
        state.order.clear();
    }

    /// Passes a turn on, or keeps it until somebody comes.
    fn pass_on(self: &Arc<Self>) {
        let mut turn = Turn { turns: Some(Arc::clone(self)) };
        let mut state = self.state();
        while let Some(next) = state.next() {
            match next.send(turn) {
                Ok(()) => return,
                // It does not wait any more.
                Err(returned) => turn = returned,
            }
        }
        turn.turns = None;
        state.free += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, client: Client, sender: oneshot::Sender<Turn>) {
        let queue = self.waiting.entry(client).or_default();
        if queue.is_empty() {
            self.order.push_back(client);
        }
        queue.push_back(sender);
    }

    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let client = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&client)?;
        let next = queue.pop_front();
        match queue.is_empty() {
            true => drop(self.waiting.remove(&client)),
            false => self.order.push_back(client),
        }
        next
    }
}

/// A turn.
pub(crate) struct Turn {
    /// Nothing when it was given back.
    turns: Option<Arc<Turns>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn client(last: u8) -> Client {
        Client::new([192, 0, 2, last].into(), 0)
    }

    /// Waits for a turn in the background, and notes the client when it has one.
    fn wait(turns: &Arc<Turns>, who: u8, had: &Arc<Mutex<Vec<u8>>>) -> tokio::task::JoinHandle<()> {
        let (turns, had) = (Arc::clone(turns), Arc::clone(had));
        tokio::spawn(async move {
            let _turn = turns.take(client(who)).await.unwrap();
            had.lock().unwrap().push(who);
        })
    }

    #[tokio::test]
    async fn who_wants_one_turn_does_not_wait_for_all_of_another() {
        let turns = Turns::new(1);
        let had = Arc::default();
        let first = turns.take(client(1)).await.unwrap();
        let mut waiting = Vec::new();
        for who in [1, 1, 1, 1, 2, 3, 3] {
            waiting.push(wait(&turns, who, &had));
            tokio::task::yield_now().await;
        }
        drop(first);
        for waiting in waiting {
            waiting.await.unwrap();
        }
        assert_eq!(*had.lock().unwrap(), [1, 2, 3, 1, 3, 1, 1]);
        let state = turns.state();
        assert!(state.free == 1 && state.order.is_empty() && state.waiting.is_empty());
    }

    #[tokio::test]
    async fn who_has_given_up_gets_no_turn() {
        let turns = Turns::new(1);
        let first = turns.take(client(1)).await.unwrap();
        assert!(timeout(Duration::from_millis(10), turns.take(client(1))).await.is_err());
        drop(first);
        timeout(Duration::from_secs(5), turns.take(client(2))).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_a_server_that_ends() {
        let turns = Turns::new(1);
        let _first = turns.take(Client::Server).await.unwrap();
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(client(1)).await.is_err() }
        });
        tokio::task::yield_now().await;
        turns.close();
        assert!(waiting.await.unwrap());
        assert!(turns.take(client(1)).await.is_err());
    }

    #[test]
    fn connections_of_this_machine_are_told_apart() {
        let local = |connection| Client::new([127, 0, 0, 1].into(), connection);
        assert_ne!(local(1), local(2));
        assert_eq!(client(1), Client::new([192, 0, 2, 1].into(), 9));
    }
}
