//! The line of orders that owe something to the provider: who stands in it, as they are now, and how
//! fast it moves.

use boxoffice::{Effect, Order, OrderId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

/// How many orders may stand in line. The rest is found in the list of what is owed, but only when
/// there is time: they would be overtaken by those who come later.
const MOST: usize = 131_072;
/// So many of them are kept as they are, some hundred bytes each; the others are read in their turn.
const KEPT: usize = 65_536;
/// Over how long it is measured how fast the line moves.
const PACE: Duration = Duration::from_secs(1);

/// An order as it is after the last commit of our own; `None` if it must be read.
pub type Latest = Option<Arc<Order>>;

/// The line. One order stands in it once, and not while somebody is at work for it.
pub struct Line {
    ring: mpsc::Sender<OrderId>,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    standing: BTreeMap<OrderId, Standing>,
    /// Who was found in the list of what is owed and did not stand in line.
    found: VecDeque<OrderId>,
    /// For whom somebody is at work, with what they became if they owe something more meanwhile.
    at_work: BTreeMap<OrderId, Option<Latest>>,
    /// How many have ever joined, and how many of them have left again.
    joined: u64,
    left: u64,
    pace: Pace,
}

struct Standing {
    latest: Latest,
    /// It was the so-many-th to join.
    number: u64,
}

/// How many get on per second, as long as there is a line.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    done: u64,
    /// In the last second or somewhat more.
    per_second: Option<f64>,
}

impl Pace {
    fn note(&mut self) {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        self.done += 1;
        let passed = now - since;
        if passed >= PACE {
            self.per_second = Some(self.done as f64 / passed.as_secs_f64());
            (self.since, self.done) = (Some(now), 0);
        }
    }
}

impl Line {
    /// An empty line, and where its orders come out in the order in which they joined.
    pub fn new() -> (Line, mpsc::Receiver<OrderId>) {
        let (ring, rings) = mpsc::channel(MOST);
        (Line { ring, now: Mutex::default() }, rings)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what a batch has changed. Orders that owe something join the line; unless `keep`,
    /// they are to be read in their turn, because others may change them meanwhile.
    pub fn tell(&self, orders: &BTreeMap<OrderId, Arc<Order>>, effects: &[Effect], keep: bool) {
        let mut now = self.now();
        let Now { standing, at_work, joined, .. } = &mut *now;
        for (id, order) in orders {
            let news = at_work.get_mut(id).and_then(Option::as_mut);
            let latest = standing.get_mut(id).map(|standing| &mut standing.latest).or(news);
            if let Some(Some(latest)) = latest {
                *latest = Arc::clone(order);
            }
        }
        for Effect::Settle(id) in effects {
            let latest = || orders.get(id).filter(|_| keep).cloned();
            if let Some(news) = at_work.get_mut(id) {
                *news = Some(latest());
            } else if !standing.contains_key(id) && self.ring.try_send(*id).is_ok() {
                *joined += 1;
                let latest = if standing.len() < KEPT { latest() } else { None };
                standing.insert(*id, Standing { latest, number: *joined });
            }
        }
    }

    /// It is not known what is recorded: all must be read in their turn.
    pub fn doubt(&self) {
        let mut now = self.now();
        now.standing.values_mut().for_each(|standing| standing.latest = None);
        now.at_work.values_mut().flatten().for_each(|news| *news = None);
    }

    /// It is an order's turn: somebody is at work for it from now on. `None`: it does not stand in
    /// line, for it was taken up since it rang.
    pub(super) fn take(&self, id: OrderId) -> Option<Latest> {
        let mut now = self.now();
        let standing = now.standing.remove(&id)?;
        now.left += 1;
        now.at_work.insert(id, None);
        Some(standing.latest)
    }

    /// These were found in the list of what is owed. Who does not stand in line, because it has to be
    /// tried again or the line was full, goes before those who do: it was due when they had not come.
    pub(super) fn find(&self, due: Vec<OrderId>) {
        let mut now = self.now();
        let due = due.into_iter().filter(|id| !now.has(*id)).collect();
        now.found = due;
    }

    /// It is the turn of one who was found: somebody is at work for it from now on. `None`: there is
    /// none.
    pub(super) fn take_found(&self) -> Option<OrderId> {
        let mut now = self.now();
        while let Some(id) = now.found.pop_front() {
            // Unless it has joined since.
            if !now.has(id) {
                now.at_work.insert(id, None);
                return Some(id);
            }
        }
        None
    }

    /// The work for an order is done; it has got on, or there was nothing to do. Gives what it became if
    /// it owes something more: then somebody goes on being at work for it.
    pub(super) fn end(&self, id: OrderId, got_on: bool) -> Option<Latest> {
        let mut now = self.now();
        if now.standing.is_empty() {
            now.pace = Pace::default();
        } else if got_on {
            now.pace.note();
        }
        let news = now.at_work.remove(&id).expect("somebody was at work for it");
        if news.is_some() {
            now.at_work.insert(id, None);
        }
        news
    }

    /// For how many somebody is at work.
    pub(super) fn at_work(&self) -> usize {
        self.now().at_work.len()
    }

    /// An order that stands in line, as it is after the last commit of our own; `None` if that is not
    /// known here.
    pub fn known(&self, order: OrderId) -> Latest {
        self.now().standing.get(&order)?.latest.clone()
    }

    /// How many stand before an order; none if it is its turn already, and all if it is not known here.
    pub fn before(&self, order: OrderId) -> usize {
        self.now().before(order)
    }

    /// About how many seconds it takes until an order had its turn, at the pace at which the line moves.
    /// `None`: there is no line, or it is too new to be measured.
    pub fn seconds(&self, order: OrderId) -> Option<f64> {
        let now = self.now();
        Some((now.before(order) + now.at_work.len()) as f64 / now.pace.per_second?)
    }
}

impl Now {
    /// Whether it stands in line, or somebody is at work for it.
    fn has(&self, order: OrderId) -> bool {
        self.standing.contains_key(&order) || self.at_work.contains_key(&order)
    }

    fn before(&self, order: OrderId) -> usize {
        match self.standing.get(&order) {
            Some(standing) => {
                let before = standing.number - self.left - 1;
                usize::try_from(before).unwrap_or(usize::MAX)
            }
            None if self.at_work.contains_key(&order) => 0,
            None => self.standing.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::{Buyer, BuyerKey, Currency, EventId, OrderState};
    use tokio::time::advance;

    fn order(id: u128, tries: u32) -> Arc<Order> {
        Arc::new(Order {
            id: OrderId(id),
            event: EventId(1),
            buyer: Buyer { name: String::new(), email: String::new(), key: BuyerKey(0) },
            lines: Vec::new(),
            currency: Currency::parse("GBP").expect("a currency"),
            state: OrderState::Paying,
            placed_ms: 0,
            until_ms: 0,
            due_ms: Some(0),
            tries,
            trouble: None,
            payment: None,
            refunds: Vec::new(),
            tickets: Vec::new(),
        })
    }

    /// A batch that changed these orders, and these of them owe something.
    fn tell(line: &Line, changed: &[(u128, u32)], owe: &[u128], keep: bool) {
        let orders = changed.iter().map(|(id, tries)| (OrderId(*id), order(*id, *tries))).collect();
        let effects: Vec<Effect> = owe.iter().map(|id| Effect::Settle(OrderId(*id))).collect();
        line.tell(&orders, &effects, keep);
    }

    /// Takes one and tells its tries, if they are known.
    fn taken(line: &Line, id: u128) -> Option<Option<u32>> {
        line.take(OrderId(id)).map(|known| known.map(|order| order.tries))
    }

    fn ended(line: &Line, id: u128) -> Option<Option<u32>> {
        line.end(OrderId(id), true).map(|known| known.map(|order| order.tries))
    }

    #[tokio::test]
    async fn who_stands_in_line_is_taken_once_and_as_it_is_now() {
        let (line, mut rings) = Line::new();
        let before = |ids: [u128; 3]| ids.map(|id| line.before(OrderId(id)));
        tell(&line, &[(1, 0), (2, 0), (3, 0)], &[1, 2], true);
        assert_eq!(before([1, 2, 3]), [0, 1, 2], "the third is not known here");
        // It changes while it stands there, and rings again; another one changes and owes nothing.
        tell(&line, &[(2, 7), (3, 1)], &[2], true);
        let known = [1, 2, 3].map(|id| line.known(OrderId(id)).map(|order| order.tries));
        assert_eq!(known, [Some(0), Some(7), None]);
        assert_eq!((rings.recv().await, rings.recv().await), (Some(OrderId(1)), Some(OrderId(2))));
        assert_eq!(taken(&line, 1), Some(Some(0)));
        assert_eq!(taken(&line, 1), None, "it is being worked for");
        // What it owes while it is, is done when it ends, and nobody in the line is passed by it.
        tell(&line, &[(1, 1)], &[1], true);
        tell(&line, &[(1, 2), (4, 0)], &[4], true);
        assert_eq!(before([1, 2, 4]), [0, 0, 1]);
        assert_eq!((ended(&line, 1), ended(&line, 1)), (Some(Some(2)), None));
        assert_eq!(before([2, 4, 1]), [0, 1, 2]);
        assert_eq!((taken(&line, 2), taken(&line, 3)), (Some(Some(7)), None));
        assert_eq!(rings.try_recv(), Ok(OrderId(4)));
        assert!(rings.try_recv().is_err(), "nobody stands in line twice");
    }

    #[test]
    fn who_was_found_in_the_list_goes_first_unless_it_stands_in_line_or_is_worked_for() {
        let (line, _rings) = Line::new();
        let next = || line.take_found().map(|id| id.0);
        tell(&line, &[(1, 0), (2, 0)], &[1, 2], true);
        assert_eq!(taken(&line, 1), Some(Some(0)));
        line.find([1, 2, 3, 4, 5, 6].map(OrderId).to_vec());
        // One of them owes something since.
        tell(&line, &[(4, 1)], &[4], true);
        assert_eq!([next(), next(), next(), next()], [Some(3), Some(5), Some(6), None]);
        line.find([3, 7].map(OrderId).to_vec());
        line.find([3, 8].map(OrderId).to_vec());
        assert_eq!([next(), next()], [Some(8), None]);
        assert_eq!((line.at_work(), line.before(OrderId(4))), (5, 1));
    }

    #[tokio::test]
    async fn what_others_may_change_and_what_is_in_doubt_is_read() {
        let (line, _rings) = Line::new();
        tell(&line, &[(1, 0)], &[1], false);
        tell(&line, &[(1, 1)], &[], false);
        tell(&line, &[(2, 0), (3, 0)], &[2, 3], true);
        assert_eq!(taken(&line, 3), Some(Some(0)));
        tell(&line, &[(3, 1)], &[3], true);
        line.doubt();
        tell(&line, &[(2, 1), (3, 2)], &[], true);
        assert_eq!([1, 2, 3].map(|id| line.known(OrderId(id))), [None, None, None]);
        assert_eq!([taken(&line, 1), taken(&line, 2), ended(&line, 3)], [Some(None); 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_it_takes_is_measured_while_there_is_a_line() {
        let (line, _rings) = Line::new();
        // One now and then is no line, however long it takes.
        for id in 1..=5 {
            tell(&line, &[(id, 0)], &[id], true);
            assert_eq!((taken(&line, id), ended(&line, id)), (Some(Some(0)), None));
            assert_eq!(line.seconds(OrderId(id)), None);
            advance(Duration::from_secs(60)).await;
        }
        for id in 101..=200 {
            tell(&line, &[(id, 0)], &[id], true);
        }
        assert_eq!(line.seconds(OrderId(200)), None, "nobody knows yet");
        for id in 101..=121 {
            assert_eq!(taken(&line, id), Some(Some(0)));
            // Each owes something more meanwhile, as a sale does; and a look that finds nothing to do
            // does not count.
            tell(&line, &[(id, 1)], &[id], true);
            assert_eq!(line.end(OrderId(id), false).map(|known| known.is_some()), Some(true));
            assert_eq!(ended(&line, id), None);
            advance(Duration::from_millis(50)).await;
        }
        let near = |id, expected: f64| {
            let seconds = line.seconds(OrderId(id)).expect("it was measured");
            assert!((seconds - expected).abs() < 0.01, "{seconds} {expected}");
        };
        near(200, 78.0 / 21.0);
        near(142, 20.0 / 21.0);
        assert_eq!(taken(&line, 122), Some(Some(0)));
        near(122, 1.0 / 21.0);
        near(142, 20.0 / 21.0);
    }
}
