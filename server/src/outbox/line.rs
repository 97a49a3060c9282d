//! The line of orders that owe something to the provider: who stands in it, as they are now, and how
//! fast it moves.

use boxoffice::{Effect, Order, OrderId};
use std::collections::BTreeMap;
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

/// The line. One order stands in it once.
pub struct Line {
    ring: mpsc::Sender<OrderId>,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// Who stands in line, or is at work and has news meanwhile.
    standing: BTreeMap<OrderId, Standing>,
    /// How many have ever joined, and how many of them have left again.
    joined: u64,
    left: u64,
    at_work: usize,
    pace: Pace,
}

struct Standing {
    /// As it is after the last commit of our own, if it is kept.
    order: Option<Arc<Order>>,
    /// It was the so-many-th to join.
    number: u64,
}

/// How many leave per second.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    done: u64,
    /// Of the last whole second.
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
        if !now.standing.is_empty() {
            for (id, order) in orders {
                if let Some(standing) = now.standing.get_mut(id) {
                    standing.order = standing.order.take().map(|_| Arc::clone(order));
                }
            }
        }
        for Effect::Settle(id) in effects {
            if now.standing.contains_key(id) || self.ring.try_send(*id).is_err() {
                continue;
            }
            let order = orders.get(id).filter(|_| keep && now.standing.len() < KEPT).cloned();
            now.joined += 1;
            let number = now.joined;
            now.standing.insert(*id, Standing { order, number });
        }
    }

    /// It is not known what is recorded: all must be read in their turn.
    pub fn doubt(&self) {
        self.now().standing.values_mut().for_each(|standing| standing.order = None);
    }

    /// It is an order's turn. `None`: it does not stand in line, for it was taken up since it rang;
    /// else the order, if it is kept.
    pub(super) fn take(&self, id: OrderId) -> Option<Option<Arc<Order>>> {
        let mut now = self.now();
        let standing = now.standing.remove(&id)?;
        now.left += 1;
        Some(standing.order)
    }

    /// Somebody is at work for an order, until the guard is dropped.
    pub(super) fn work(&self) -> Work<'_> {
        self.now().at_work += 1;
        Work { line: self, done: false }
    }

    /// How many stand before an order; before who would join now, if none is named; none if it is its
    /// turn already.
    pub fn before(&self, order: Option<OrderId>) -> usize {
        self.now().before(order)
    }

    /// About how many seconds it takes until they had their turn, at the pace at which the line moves.
    /// `None`: that was not measured yet.
    pub fn seconds(&self, order: Option<OrderId>) -> Option<f64> {
        let now = self.now();
        // Who is at work and has news stands in line again.
        let before = now.before(order).max(now.at_work);
        Some(before as f64 / now.pace.per_second?)
    }
}

impl Now {
    fn before(&self, order: Option<OrderId>) -> usize {
        let Some(id) = order else { return self.standing.len() };
        let number = self.standing.get(&id).map_or(0, |standing| standing.number);
        usize::try_from(number.saturating_sub(self.left + 1)).unwrap_or(usize::MAX)
    }
}

/// Somebody at work.
pub(super) struct Work<'a> {
    line: &'a Line,
    done: bool,
}

impl Work<'_> {
    /// It got on: something was asked of the provider and answered.
    pub fn done(&mut self) {
        self.done = true;
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let mut now = self.line.now();
        now.at_work -= 1;
        if self.done {
            now.pace.note();
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
            buyer: Buyer { name: String::new(), email: String::new(), key: BuyerKey::UNCOUNTED },
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

    fn taken(line: &Line, id: u128) -> Option<Option<u32>> {
        line.take(OrderId(id)).map(|order| order.map(|order| order.tries))
    }

    #[tokio::test]
    async fn who_stands_in_line_is_taken_once_and_as_it_is_now() {
        let (line, mut rings) = Line::new();
        tell(&line, &[(1, 0), (2, 0), (3, 0)], &[1, 2], true);
        assert_eq!(
            [Some(1), Some(2), Some(3), None].map(|id| line.before(id.map(OrderId))),
            [0, 1, 0, 2]
        );
        // It changes while it stands there, and rings again; another one changes and owes nothing.
        tell(&line, &[(2, 7), (3, 1)], &[2], true);
        assert_eq!((rings.recv().await, rings.recv().await), (Some(OrderId(1)), Some(OrderId(2))));
        assert!(rings.try_recv().is_err(), "nobody stands in line twice");
        assert_eq!(taken(&line, 1), Some(Some(0)));
        assert_eq!(line.before(Some(OrderId(2))), 0);
        assert_eq!(taken(&line, 2), Some(Some(7)));
        assert_eq!((taken(&line, 2), taken(&line, 3)), (None, None));
        // What others may change, and what is in doubt, is read.
        tell(&line, &[(4, 0)], &[4], false);
        tell(&line, &[(4, 1)], &[], true);
        tell(&line, &[(5, 0)], &[5], true);
        line.doubt();
        tell(&line, &[(5, 1)], &[], true);
        assert_eq!((taken(&line, 4), taken(&line, 5)), (Some(None), Some(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_it_takes_is_measured() {
        let (line, _rings) = Line::new();
        for id in 1..=100 {
            tell(&line, &[(id, 0)], &[id], true);
        }
        assert_eq!(line.seconds(None), None);
        for id in 1..=21 {
            let mut work = line.work();
            assert_eq!(taken(&line, id), Some(Some(0)));
            // Looks that find nothing to do do not count.
            drop(line.work());
            work.done();
            drop(work);
            advance(Duration::from_millis(50)).await;
        }
        let seconds = |id| line.seconds(id).expect("it was measured");
        assert!((seconds(None) - 79.0 / 21.0).abs() < 0.01, "{}", seconds(None));
        assert!((seconds(Some(OrderId(42))) - 20.0 / 21.0).abs() < 0.01);
        let _work: Vec<_> = (0..63).map(|_| line.work()).collect();
        assert!((seconds(Some(OrderId(1))) - 3.0).abs() < 0.01, "who is at work is not done yet");
    }
}
