//! Whose turn it is to have us do what strangers may have us do and what costs something: checking a signature, looking into the store.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::network::Network;

/// Gives turns at a steady pace. Whoever waits stands in the line of their network (IPv6: of the /48), and the lines take turns, so
/// that a network that sends a thousand times as much as another waits a thousand times as long. Who succeeded lately stands in a line
/// of its own, before all others: whatever strangers do, a provider is heard.
///
/// Waiting is bounded, in number and in time. Whoever comes when the place is full pushes out the last of the longest line, if that is
/// longer than their own.
#[derive(Debug)]
pub struct Turns {
    pace: Duration,
    patience: Duration,
    state: Mutex<State>,
}

/// It was not somebody's turn in time, or there was no place to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wait for their turn")]
pub struct Busy;

#[derive(Debug)]
struct State {
    /// Somebody's turn is being waited for.
    taken: bool,
    /// When the next turn may be.
    next: Instant,
    /// Those who succeeded lately.
    known: HashMap<Network, Instant>,
    first: Line,
    lines: HashMap<Network, Line>,
    /// Lines with somebody in them, in the order in which it is their turn.
    order: VecDeque<Network>,
    /// In `lines`.
    waiting: usize,
    number: u64,
}

type Line = VecDeque<Waiter>;

#[derive(Debug)]
struct Waiter {
    number: u64,
    called: oneshot::Sender<Word>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    YourTurn,
    NoPlace,
}

/// A place in a line, or a turn; given up when dropped, whatever happens to whoever waits.
struct Place<'a> {
    turns: &'a Turns,
    /// `None`: it is their turn.
    waits: Option<(Option<Network>, u64, oneshot::Receiver<Word>)>,
}

impl Turns {
    /// A turn every `pace`; whoever has none after `patience` has none.
    pub fn new(pace: Duration, patience: Duration) -> Self {
        let state = State {
            taken: false,
            next: Instant::now(),
            known: HashMap::new(),
            first: Line::new(),
            lines: HashMap::new(),
            order: VecDeque::new(),
            waiting: 0,
            number: 0,
        };
        Self { pace, patience, state: Mutex::new(state) }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn wait(&self, client: IpAddr) -> Result<(), Busy> {
        let mut place = self.line_up(client)?;
        if let Some((_, _, called)) = &mut place.waits {
            match tokio::time::timeout(self.patience, called).await {
                Ok(Ok(Word::YourTurn)) => place.waits = None,
                Ok(Ok(Word::NoPlace) | Err(_)) | Err(_) => return Err(Busy),
            }
        }
        let at = self.state().next;
        tokio::time::sleep_until(at).await;
        self.state().next = Instant::now() + self.pace;
        Ok(())
    }

    /// What this client had a turn for was right: for some time it comes before strangers.
    pub fn succeeded(&self, client: IpAddr) {
        let (mut state, now) = (self.state(), Instant::now());
        let network = Network::narrowest(client);
        if state.known.len() >= MOST_KNOWN && !state.known.contains_key(&network) {
            state.known.retain(|_, since| now.duration_since(*since) < KNOWN_FOR);
            let oldest = state.known.iter().min_by_key(|(_, since)| **since).map(|(network, _)| *network);
            if let Some(oldest) = oldest.filter(|_| state.known.len() >= MOST_KNOWN) {
                state.known.remove(&oldest);
            }
        }
        state.known.insert(network, now);
    }

    /// Whether it succeeded lately.
    pub fn is_known(&self, client: IpAddr) -> bool {
        self.state().knows(client)
    }

    fn line_up(&self, client: IpAddr) -> Result<Place<'_>, Busy> {
        let mut state = self.state();
        if !state.taken {
            state.taken = true;
            return Ok(Place { turns: self, waits: None });
        }
        state.number += 1;
        let number = state.number;
        let (called, call) = oneshot::channel();
        let waiter = Waiter { number, called };
        let network = if state.knows(client) {
            if state.first.len() >= MOST {
                return Err(Busy);
            }
            state.first.push_back(waiter);
            None
        } else {
            let network = Network::widest(client);
            state.make_place(network)?;
            state.push(network, waiter);
            Some(network)
        };
        drop(state);
        Ok(Place { turns: self, waits: Some((network, number, call)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn knows(&self, client: IpAddr) -> bool {
        self.known.get(&Network::narrowest(client)).is_some_and(|since| since.elapsed() < KNOWN_FOR)
    }

    fn push(&mut self, network: Network, waiter: Waiter) {
        let line = self.lines.entry(network).or_default();
        if line.is_empty() {
            self.order.push_back(network);
        }
        line.push_back(waiter);
        self.waiting += 1;
    }

    /// So that one more can stand in the line of `network`.
    fn make_place(&mut self, network: Network) -> Result<(), Busy> {
        let own = self.lines.get(&network).map_or(0, VecDeque::len);
        if own >= MOST_OF_ONE {
            return Err(Busy);
        }
        if self.waiting < MOST {
            return Ok(());
        }
        let longest = self.lines.iter().max_by_key(|(_, line)| line.len());
        let (longest, last) = longest.and_then(|(network, line)| Some((*network, line.back()?.number))).ok_or(Busy)?;
        if self.lines.get(&longest).is_none_or(|line| line.len() <= own + 1) {
            return Err(Busy);
        }
        if let Some(pushed_out) = self.take_out(longest, last) {
            let _they_may_have_gone = pushed_out.called.send(Word::NoPlace);
        }
        Ok(())
    }

    fn take_out(&mut self, network: Network, number: u64) -> Option<Waiter> {
        let line = self.lines.get_mut(&network)?;
        let at = line.iter().position(|waiter| waiter.number == number)?;
        let waiter = line.remove(at);
        self.waiting -= 1;
        if line.is_empty() {
            self.lines.remove(&network);
            self.order.retain(|other| *other != network);
        }
        waiter
    }

    /// Whoever comes next.
    fn next(&mut self) -> Option<Waiter> {
        if let Some(known) = self.first.pop_front() {
            return Some(known);
        }
        let network = self.order.pop_front()?;
        let line = self.lines.get_mut(&network)?;
        let waiter = line.pop_front();
        self.waiting = self.waiting.saturating_sub(1);
        if line.is_empty() {
            self.lines.remove(&network);
        } else {
            self.order.push_back(network);
        }
        waiter
    }

    /// A turn is over.
    fn pass_on(&mut self) {
        while let Some(waiter) = self.next() {
            if waiter.called.send(Word::YourTurn).is_ok() {
                return;
            }
        }
        self.taken = false;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        let Some((network, number, mut called)) = self.waits.take() else {
            state.pass_on();
            return;
        };
        let left = match network {
            Some(network) => state.take_out(network, number).is_some(),
            None => {
                let before = state.first.len();
                state.first.retain(|waiter| waiter.number != number);
                state.first.len() < before
            }
        };
        // It may have become their turn while they gave up.
        if !left && called.try_recv() == Ok(Word::YourTurn) {
            state.pass_on();
        }
    }
}

/// Who may wait in all; a place takes some hundred bytes, and keeps a request open.
const MOST: usize = 512;
/// In one line.
const MOST_OF_ONE: usize = 64;
/// Networks to remember.
const MOST_KNOWN: usize = 1024;
/// A provider may have nobody to sign out over a long weekend.
const KNOWN_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::{JoinHandle, LocalSet, spawn_local};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(1);

    /// Clients that wait, and the order in which it was their turn.
    #[derive(Clone)]
    struct Hall {
        turns: Rc<Turns>,
        served: Rc<RefCell<Vec<String>>>,
    }

    impl Hall {
        fn opens(pace: Duration, patience: Duration) -> Self {
            Self { turns: Rc::new(Turns::new(pace, patience)), served: Rc::default() }
        }

        /// Comes, and stands in line when this returns.
        async fn comes(&self, client: &str) -> JoinHandle<Result<(), Busy>> {
            let (hall, client) = (self.clone(), client.to_owned());
            let task = spawn_local(async move {
                hall.turns.wait(client.parse().unwrap()).await?;
                hall.served.borrow_mut().push(client);
                Ok(())
            });
            tokio::task::yield_now().await;
            task
        }

        fn waiting(&self) -> usize {
            self.turns.state().waiting
        }

        /// From now on nobody waits for the pace.
        fn hurry(&self) {
            self.turns.state().next = Instant::now();
        }
    }

    fn stranger(number: usize) -> String {
        format!("2001:db8:{number:x}::1")
    }

    async fn ends(tasks: Vec<JoinHandle<Result<(), Busy>>>) -> Vec<Result<(), Busy>> {
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap());
        }
        all
    }

    #[tokio::test]
    async fn lines_take_turns_and_who_is_known_comes_first() {
        LocalSet::new()
            .run_until(async {
                let hall = Hall::opens(SHORT, LONG);
                hall.turns.succeeded("198.51.100.7".parse().unwrap());
                // The first has the turn, and waits for its time.
                hall.turns.state().next = Instant::now() + Duration::from_millis(200);
                let mut tasks = Vec::new();
                for client in [
                    "192.0.2.1",
                    "192.0.2.2",
                    "192.0.2.2",
                    "192.0.2.2",
                    "2001:db8::1",
                    "2001:db8:0:7::1",
                    "192.0.2.3",
                    "198.51.100.7",
                ] {
                    tasks.push(hall.comes(client).await);
                }
                ends(tasks).await;
                assert_eq!(
                    *hall.served.borrow(),
                    [
                        "192.0.2.1",
                        "198.51.100.7",
                        "192.0.2.2",
                        "2001:db8::1",
                        "192.0.2.3",
                        "192.0.2.2",
                        "2001:db8:0:7::1",
                        "192.0.2.2"
                    ]
                );
                assert!(!hall.turns.state().taken && hall.waiting() == 0);
            })
            .await;
    }

    #[tokio::test]
    async fn a_full_place_is_shared_out_fairly() {
        LocalSet::new()
            .run_until(async {
                let hall = Hall::opens(SHORT, LONG);
                hall.turns.state().next = Instant::now() + LONG;
                let head = hall.comes("192.0.2.200").await;
                let (mut flood, mut refused) = (Vec::new(), 0);
                for number in 0..2 * MOST {
                    let task = hall.comes(&stranger(number % 16)).await;
                    if task.is_finished() {
                        refused += 1;
                    } else {
                        flood.push(task);
                    }
                }
                assert_eq!((hall.waiting(), refused), (MOST, MOST));
                // Somebody else has a place all the same; and another who is known.
                let other = hall.comes("192.0.2.1").await;
                hall.turns.succeeded("192.0.2.9".parse().unwrap());
                let known = hall.comes("192.0.2.9").await;
                assert!(!other.is_finished() && !known.is_finished());
                tokio::task::yield_now().await;
                assert_eq!(hall.waiting(), MOST);
                assert_eq!(flood.iter().filter(|task| task.is_finished()).count(), 1, "one was pushed out");
                hall.hurry();
                head.abort();
                assert_eq!(ends(vec![other, known]).await, [Ok(()), Ok(())]);
                let at = hall.served.borrow().iter().position(|client| client == "192.0.2.1").unwrap();
                assert!(at <= 17, "behind one of each line, at most: {at}");
            })
            .await;
    }

    #[tokio::test]
    async fn one_network_does_not_fill_the_place() {
        LocalSet::new()
            .run_until(async {
                let hall = Hall::opens(SHORT, LONG);
                hall.turns.state().next = Instant::now() + LONG;
                let mut tasks = Vec::new();
                for _ in 0..MOST_OF_ONE + 2 {
                    tasks.push(hall.comes("192.0.2.1").await);
                }
                assert_eq!(tasks.pop().unwrap().await.unwrap(), Err(Busy));
                assert_eq!(hall.waiting(), MOST_OF_ONE);
            })
            .await;
    }

    #[tokio::test]
    async fn who_gives_up_keeps_nobody_waiting() {
        LocalSet::new()
            .run_until(async {
                let hall = Hall::opens(SHORT, LONG);
                hall.turns.state().next = Instant::now() + LONG;
                let head = hall.comes("192.0.2.1").await;
                let second = hall.comes("192.0.2.2").await;
                let third = hall.comes("192.0.2.3").await;
                hall.hurry();
                second.abort();
                head.abort();
                assert_eq!(third.await.unwrap(), Ok(()));
                assert!(!hall.turns.state().taken);
                assert_eq!(hall.comes("192.0.2.4").await.await.unwrap(), Ok(()));
            })
            .await;
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        LocalSet::new()
            .run_until(async {
                let hall = Hall::opens(LONG, Duration::from_millis(20));
                hall.turns.wait("192.0.2.1".parse().unwrap()).await.unwrap();
                let _head = hall.comes("192.0.2.1").await;
                let waits = hall.comes("192.0.2.2").await;
                assert_eq!(waits.await.unwrap(), Err(Busy));
                assert_eq!(hall.waiting(), 0);
            })
            .await;
    }

    #[tokio::test]
    async fn turns_have_a_pace() {
        let turns = Turns::new(Duration::from_millis(20), LONG);
        let began = Instant::now();
        for _ in 0..4 {
            turns.wait("192.0.2.1".parse().unwrap()).await.unwrap();
        }
        assert!(began.elapsed() >= Duration::from_millis(60));
    }

    #[tokio::test]
    async fn who_is_known_is_bounded() {
        let turns = Turns::new(SHORT, LONG);
        for number in 0..2 * MOST_KNOWN {
            turns.succeeded(stranger(number).parse().unwrap());
        }
        let state = turns.state();
        assert_eq!(state.known.len(), MOST_KNOWN);
        assert!(state.knows(stranger(2 * MOST_KNOWN - 1).parse().unwrap()) && !state.knows(stranger(0).parse().unwrap()));
    }
}
