//! The queue of orders that owe something to the provider: who waits in it, by class, as they are now,
//! and how fast it moves.

use crate::payments::class::{CLASSES, Fairness, PaymentClass};
use boxoffice::{Effect, Order, OrderId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

/// How many orders may stand in line. The rest is found in the list of what is owed, but only when
/// there is time: they would be overtaken by those who come later.
const MOST: usize = 131_072;
/// So many of them are kept as they are, some hundred bytes each; the others are read in their turn.
const KEPT: usize = 65_536;
/// How many orders of each class are settled at the same time. Most of them wait for their turn at the
/// provider. Each class has places of its own, so that no number of attempts after a decline keeps a
/// first attempt from being begun.
const AT_ONCE: [usize; CLASSES] = [1_024, 256, 256];
/// Over how long it is measured how fast the line moves.
const PACE: Duration = Duration::from_secs(1);

/// An order as it is after the last commit of our own; `None` if it must be read.
pub type Latest = Option<Arc<Order>>;

/// The line. One order stands in it once, and not while somebody is at work for it.
#[derive(Default)]
pub struct SettlementQueue {
    joined: Notify,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    standing: BTreeMap<OrderId, Standing>,
    /// In which order they joined, by class. One that has left, or has moved to another class, is
    /// still there under its old number, and passed over.
    queues: [VecDeque<(OrderId, u64)>; CLASSES],
    fairness: Fairness,
    /// Who was found in the list of what is owed and did not stand in line.
    found: VecDeque<OrderId>,
    /// For whom somebody is at work.
    at_work: BTreeMap<OrderId, Work>,
    /// How many of them there are of each class.
    busy: [usize; CLASSES],
    /// How many have ever joined, and how many of them have left again, by class.
    joined: [u64; CLASSES],
    left: [u64; CLASSES],
    pace: Pace,
}

struct Standing {
    latest: Latest,
    class: PaymentClass,
    /// It was the so-many-th of its class to join.
    number: u64,
}

struct Work {
    class: PaymentClass,
    /// What it became, if it owes something more meanwhile.
    news: Option<Latest>,
    /// It has to wait for a place of its class: it joins the line when the work ends.
    waits: bool,
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

impl SettlementQueue {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what a batch has changed. Orders that owe something join the line, in their class;
    /// unless `keep`, they are to be read in their turn, because others may change them meanwhile.
    pub fn tell(
        &self,
        orders: &BTreeMap<OrderId, Arc<Order>>,
        effects: &[Effect],
        keep: bool,
        class: impl Fn(&Order) -> PaymentClass,
    ) {
        let mut now = self.now();
        for (id, order) in orders {
            let Now { standing, at_work, .. } = &mut *now;
            let news = at_work.get_mut(id).and_then(|work| work.news.as_mut());
            let latest = standing.get_mut(id).map(|standing| &mut standing.latest).or(news);
            if let Some(Some(latest)) = latest {
                *latest = Arc::clone(order);
            }
        }
        let mut joined = false;
        for Effect::Settle(id) in effects {
            let order = orders.get(id);
            let latest = order.filter(|_| keep).cloned();
            let class = order.map_or(PaymentClass::First, |order| class(order));
            if let Some(work) = now.at_work.get_mut(id) {
                work.news = Some(latest);
            } else {
                joined |= now.join(*id, class, latest);
            }
        }
        drop(now);
        if joined {
            self.joined.notify_one();
        }
    }

    /// It is not known what is recorded: all must be read in their turn.
    pub fn forget_latest(&self) {
        let mut now = self.now();
        now.standing.values_mut().for_each(|standing| standing.latest = None);
        now.at_work
            .values_mut()
            .filter_map(|work| work.news.as_mut())
            .for_each(|news| *news = None);
    }

    /// Waits for an order whose turn it is: somebody is at work for it from now on.
    pub(super) async fn next(&self) -> (OrderId, Latest) {
        loop {
            if let Some(taken) = self.take() {
                return taken;
            }
            self.joined.notified().await;
        }
    }

    fn take(&self) -> Option<(OrderId, Latest)> {
        let mut now = self.now();
        now.forget_the_gone();
        let waits = std::array::from_fn(|class| {
            !now.queues[class].is_empty() && now.busy[class] < AT_ONCE[class]
        });
        let class = now.fairness.next(waits)?;
        now.fairness.served(class, waits);
        let (id, _) = now.queues[class as usize].pop_front()?;
        now.left[class as usize] += 1;
        let standing = now.standing.remove(&id)?;
        now.begin(id, class);
        Some((id, standing.latest))
    }

    /// These were found in the list of what is owed. Who does not stand in line, because it has to be
    /// tried again or the line was full, goes before those who do: it was due when they had not come.
    pub(super) fn find(&self, due: Vec<OrderId>) {
        let mut now = self.now();
        let due = due.into_iter().filter(|id| !now.has(*id)).collect();
        now.found = due;
    }

    /// It is the turn of one who was found: somebody is at work for it from now on. `None`: there is
    /// none, or no place for it. What class it is of is not known yet.
    pub(super) fn take_found(&self) -> Option<OrderId> {
        let mut now = self.now();
        if !now.has_room() {
            return None;
        }
        while let Some(id) = now.found.pop_front() {
            // Unless it has joined since.
            if !now.has(id) {
                now.begin(id, PaymentClass::First);
                return Some(id);
            }
        }
        None
    }

    /// Says of which class an order is for which somebody is at work. `false`: too many of that class
    /// are worked for, so it has to wait in line, and the work for it must end.
    pub(super) fn is_of(&self, id: OrderId, class: PaymentClass) -> bool {
        let mut now = self.now();
        let Now { at_work, busy, .. } = &mut *now;
        let Some(work) = at_work.get_mut(&id).filter(|work| work.class != class) else {
            return true;
        };
        work.waits = busy[class as usize] >= AT_ONCE[class as usize];
        busy[work.class as usize] -= 1;
        busy[class as usize] += 1;
        work.class = class;
        !work.waits
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
        let work = now.at_work.remove(&id).expect("somebody was at work for it");
        now.busy[work.class as usize] -= 1;
        if work.waits {
            now.join(id, work.class, None);
            return None;
        }
        if work.news.is_some() {
            now.begin(id, work.class);
        }
        work.news
    }

    /// For how many somebody is at work.
    pub(super) fn at_work(&self) -> usize {
        self.now().at_work.len()
    }

    /// Whether somebody can be at work for one more, whatever its class.
    pub(super) fn has_room(&self) -> bool {
        self.now().has_room()
    }

    /// How many stand in line in classes that go after the first.
    pub(super) fn behind(&self) -> usize {
        let now = self.now();
        now.queues.iter().skip(1).map(VecDeque::len).sum()
    }

    /// An order that stands in line, as it is after the last commit of our own; `None` if that is not
    /// known here.
    pub fn known(&self, order: OrderId) -> Latest {
        self.now().standing.get(&order)?.latest.clone()
    }

    /// The class of an order that stands in line or is worked for.
    pub fn class(&self, order: OrderId) -> Option<PaymentClass> {
        let now = self.now();
        let standing = now.standing.get(&order).map(|standing| standing.class);
        standing.or_else(|| now.at_work.get(&order).map(|work| work.class))
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

    fn has_room(&self) -> bool {
        self.busy[PaymentClass::First as usize] < AT_ONCE[PaymentClass::First as usize]
    }

    fn begin(&mut self, id: OrderId, class: PaymentClass) {
        self.busy[class as usize] += 1;
        self.at_work.insert(id, Work { class, news: None, waits: false });
    }

    /// Joins the line, unless it stands there already or the line is full. One that comes into a
    /// higher class while it stands there (it is being cancelled, say) goes there. Tells whether
    /// anything is new.
    fn join(&mut self, id: OrderId, class: PaymentClass, latest: Latest) -> bool {
        match self.standing.get(&id) {
            Some(standing) if standing.class <= class => return false,
            None if self.standing.len() >= MOST => return false,
            _ => {}
        }
        let queue = class as usize;
        self.joined[queue] += 1;
        let number = self.joined[queue];
        self.queues[queue].push_back((id, number));
        let kept = self.standing.len() < KEPT;
        let latest = if kept { latest } else { None };
        self.standing.insert(id, Standing { latest, class, number });
        true
    }

    /// Takes those out of the fronts of the queues who have moved to another class.
    fn forget_the_gone(&mut self) {
        for class in PaymentClass::ALL {
            let Now { queues, standing, left, .. } = self;
            let gone = |(id, number): &(OrderId, u64)| {
                standing.get(id).is_none_or(|s| (s.class, s.number) != (class, *number))
            };
            while queues[class as usize].front().is_some_and(gone) {
                queues[class as usize].pop_front();
                left[class as usize] += 1;
            }
        }
    }

    fn before(&self, order: OrderId) -> usize {
        match self.standing.get(&order) {
            Some(standing) => {
                let class = standing.class as usize;
                let before = standing.number.saturating_sub(self.left[class] + 1);
                let higher: usize = self.queues[..class].iter().map(VecDeque::len).sum();
                higher + usize::try_from(before).unwrap_or(usize::MAX)
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
            buyer: Buyer {
                name: String::new(),
                email: String::new(),
                key: BuyerKey(0),
                language: boxoffice::Language::EN,
            },
            lines: Vec::new(),
            currency: Currency::parse("GBP").expect("a currency"),
            state: OrderState::Paying,
            placed_ms: 0,
            until_ms: 0,
            due_ms: Some(0),
            tries,
            trouble: None,
            payment: None,
            tender: boxoffice::Tender::Online,
            reference: String::new(),
            answers: Vec::new(),
            metadata: boxoffice::Metadata::default(),
            refunds: Vec::new(),
            tickets: Vec::new(),
        })
    }

    /// A batch that changed these orders, and these of them owe something.
    fn tell(line: &SettlementQueue, changed: &[(u128, u32)], owe: &[u128], keep: bool) {
        tell_as(line, changed, owe, keep, PaymentClass::First);
    }

    fn tell_as(
        line: &SettlementQueue,
        changed: &[(u128, u32)],
        owe: &[u128],
        keep: bool,
        class: PaymentClass,
    ) {
        let orders = changed.iter().map(|(id, tries)| (OrderId(*id), order(*id, *tries))).collect();
        let effects: Vec<Effect> = owe.iter().map(|id| Effect::Settle(OrderId(*id))).collect();
        line.tell(&orders, &effects, keep, |_| class);
    }

    /// Takes the next one and tells its tries, if they are known.
    fn taken(line: &SettlementQueue) -> Option<(u128, Option<u32>)> {
        line.take().map(|(id, known)| (id.0, known.map(|order| order.tries)))
    }

    fn ended(line: &SettlementQueue, id: u128) -> Option<Option<u32>> {
        line.end(OrderId(id), true).map(|known| known.map(|order| order.tries))
    }

    #[tokio::test]
    async fn who_stands_in_line_is_taken_once_and_as_it_is_now() {
        let line = SettlementQueue::default();
        let before = |ids: [u128; 3]| ids.map(|id| line.before(OrderId(id)));
        tell(&line, &[(1, 0), (2, 0), (3, 0)], &[1, 2], true);
        assert_eq!(before([1, 2, 3]), [0, 1, 2], "the third is not known here");
        // It changes while it stands there, and rings again; another one changes and owes nothing.
        tell(&line, &[(2, 7), (3, 1)], &[2], true);
        let known = [1, 2, 3].map(|id| line.known(OrderId(id)).map(|order| order.tries));
        assert_eq!(known, [Some(0), Some(7), None]);
        assert_eq!(taken(&line), Some((1, Some(0))));
        // What it owes while it is worked for, is done when it ends, and nobody in the line is passed
        // by it.
        tell(&line, &[(1, 1)], &[1], true);
        tell(&line, &[(1, 2), (4, 0)], &[4], true);
        assert_eq!(before([1, 2, 4]), [0, 0, 1]);
        assert_eq!((ended(&line, 1), ended(&line, 1)), (Some(Some(2)), None));
        assert_eq!(before([2, 4, 1]), [0, 1, 2]);
        assert_eq!([taken(&line), taken(&line)], [Some((2, Some(7))), Some((4, Some(0)))]);
        assert_eq!(taken(&line), None, "nobody stands in line twice");
    }

    #[test]
    fn who_was_found_in_the_list_goes_first_unless_it_stands_in_line_or_is_worked_for() {
        let line = SettlementQueue::default();
        let next = || line.take_found().map(|id| id.0);
        tell(&line, &[(1, 0), (2, 0)], &[1, 2], true);
        assert_eq!(taken(&line), Some((1, Some(0))));
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
        let line = SettlementQueue::default();
        tell(&line, &[(3, 0)], &[3], true);
        assert_eq!(taken(&line), Some((3, Some(0))));
        tell(&line, &[(1, 0)], &[1], false);
        tell(&line, &[(1, 1)], &[], false);
        tell(&line, &[(2, 0)], &[2], true);
        tell(&line, &[(3, 1)], &[3], true);
        line.forget_latest();
        tell(&line, &[(2, 1), (3, 2)], &[], true);
        assert_eq!([1, 2, 3].map(|id| line.known(OrderId(id))), [None, None, None]);
        assert_eq!([taken(&line), taken(&line)], [Some((1, None)), Some((2, None))]);
        assert_eq!(ended(&line, 3), Some(None));
    }

    #[tokio::test]
    async fn first_attempts_go_before_the_others_and_have_places_of_their_own() {
        let line = SettlementQueue::default();
        let junk: Vec<(u128, u32)> = (1..=2_000).map(|id| (id, 0)).collect();
        let ids: Vec<u128> = junk.iter().map(|(id, _)| *id).collect();
        tell_as(&line, &junk, &ids, true, PaymentClass::AfterDecline);
        let mut begun = 0;
        while taken(&line).is_some() {
            begun += 1;
        }
        assert_eq!(begun, AT_ONCE[PaymentClass::AfterDecline as usize]);
        assert!(line.has_room());
        tell(&line, &[(9_001, 0), (9_002, 0)], &[9_001, 9_002], true);
        assert_eq!(line.before(OrderId(9_002)), 1, "nobody of a lower class stands before it");
        assert_eq!(line.before(OrderId(2_000)), 2 + 2_000 - 256 - 1);
        assert_eq!(line.class(OrderId(9_001)), Some(PaymentClass::First));
        assert_eq!([taken(&line), taken(&line)], [Some((9_001, Some(0))), Some((9_002, Some(0)))]);
        // When one of the others ends, the next of them begins.
        assert_eq!((taken(&line), ended(&line, 1)), (None, None));
        assert_eq!(taken(&line), Some((257, Some(0))));
    }

    #[tokio::test]
    async fn who_is_found_in_the_list_waits_with_those_of_its_class() {
        let line = SettlementQueue::default();
        let ids: Vec<u128> = (1..=300).collect();
        let junk: Vec<(u128, u32)> = ids.iter().map(|id| (*id, 0)).collect();
        tell_as(&line, &junk, &ids, true, PaymentClass::AfterDecline);
        while taken(&line).is_some() {}
        line.find([500, 501].map(OrderId).to_vec());
        let (one, other) = (line.take_found().expect("found"), line.take_found().expect("found"));
        assert!(line.is_of(one, PaymentClass::First), "a capture that is tried again");
        assert!(!line.is_of(other, PaymentClass::AfterDecline), "there is no place for it");
        assert_eq!(line.end(other, false), None);
        assert_eq!((line.before(other), line.class(other)), (44, Some(PaymentClass::AfterDecline)));
        for id in 1..=44 {
            line.end(OrderId(id), true);
            assert_eq!(taken(&line).map(|(id, _)| id), Some(256 + id));
        }
        line.end(OrderId(45), true);
        assert_eq!(taken(&line), Some((501, None)));
        assert_eq!(line.at_work(), 256 + 1);
    }

    #[tokio::test]
    async fn who_gives_up_while_waiting_in_a_lower_class_goes_with_the_first() {
        let line = SettlementQueue::default();
        tell_as(&line, &[(1, 0), (2, 0)], &[1, 2], true, PaymentClass::AfterDecline);
        tell(&line, &[(3, 0), (2, 1)], &[3, 2], true);
        assert_eq!([3, 2, 1].map(|id| line.before(OrderId(id))), [0, 1, 2]);
        let order = [taken(&line), taken(&line), taken(&line), taken(&line)];
        assert_eq!(order, [Some((3, Some(0))), Some((2, Some(1))), Some((1, Some(0))), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_it_takes_is_measured_while_there_is_a_line() {
        let line = SettlementQueue::default();
        // One now and then is no line, however long it takes.
        for id in 1..=5 {
            tell(&line, &[(id, 0)], &[id], true);
            assert_eq!((taken(&line), ended(&line, id)), (Some((id, Some(0))), None));
            assert_eq!(line.seconds(OrderId(id)), None);
            advance(Duration::from_secs(60)).await;
        }
        for id in 101..=200 {
            tell(&line, &[(id, 0)], &[id], true);
        }
        assert_eq!(line.seconds(OrderId(200)), None, "nobody knows yet");
        for id in 101..=121 {
            assert_eq!(taken(&line), Some((id, Some(0))));
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
        assert_eq!(taken(&line), Some((122, Some(0))));
        near(122, 1.0 / 21.0);
        near(142, 20.0 / 21.0);
    }

    /// Those at work are of a class each, and each class has a number of places.
    #[tokio::test]
    async fn who_turns_out_to_be_of_another_class_takes_a_place_there_and_leaves_the_first() {
        let line = SettlementQueue::default();
        let most = AT_ONCE[PaymentClass::First as usize] as u128;
        line.find((1..=most + 9).map(OrderId).collect());
        for id in 1..=most {
            assert_eq!(line.take_found(), Some(OrderId(id)));
        }
        assert_eq!((line.take_found(), line.has_room()), (None, false));
        assert!(line.is_of(OrderId(1), PaymentClass::AfterDecline));
        assert_eq!(line.take_found(), Some(OrderId(most + 1)));
        assert_eq!((line.take_found(), line.has_room()), (None, false), "one place, not two");
        let ids: Vec<u128> = (5_001..=5_300).collect();
        let junk: Vec<(u128, u32)> = ids.iter().map(|id| (*id, 0)).collect();
        tell_as(&line, &junk, &ids, true, PaymentClass::AfterDecline);
        let begun = std::iter::from_fn(|| taken(&line)).count();
        assert_eq!(begun, AT_ONCE[PaymentClass::AfterDecline as usize] - 1);
    }

    #[tokio::test]
    async fn a_lower_class_gets_one_in_ten() {
        let line = SettlementQueue::default();
        let ids: Vec<u128> = (1..=30).collect();
        let orders: Vec<(u128, u32)> = ids.iter().map(|id| (*id, 0)).collect();
        tell(&line, &orders[..20], &ids[..20], true);
        tell_as(&line, &orders[20..], &ids[20..], true, PaymentClass::AfterDecline);
        let order: Vec<u128> = std::iter::from_fn(|| taken(&line)).map(|(id, _)| id).collect();
        assert_eq!(order[..11], [1, 2, 3, 4, 5, 6, 7, 8, 9, 21, 10]);
        assert_eq!(order.len(), 30);
    }

    #[tokio::test]
    async fn who_has_moved_to_another_class_is_not_in_the_way_of_those_behind() {
        let line = SettlementQueue::default();
        let all = [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)];
        tell_as(&line, &all, &[1, 2, 3, 4, 5], true, PaymentClass::AfterDecline);
        tell(&line, &[(2, 1), (3, 1)], &[2, 3], true);
        let order: Vec<_> = (0..4).map(|_| taken(&line).map(|(id, _)| id)).collect();
        assert_eq!(order, [Some(2), Some(3), Some(1), Some(4)]);
        assert_eq!(line.before(OrderId(5)), 0);
    }

    /// Who waits for somebody to join is woken by one who does, also where the batch tells of another
    /// who stands in line already.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_next_is_woken() {
        for owe in [vec![1], vec![1, 2], vec![1, 1]] {
            let line = SettlementQueue::default();
            let orders: Vec<(u128, u32)> = owe.iter().map(|id| (*id, 0)).collect();
            let wait = async {
                let next = tokio::time::timeout(Duration::from_secs(9), line.next());
                next.await.map(|(id, _)| id.0)
            };
            let join = async {
                tokio::task::yield_now().await;
                tell(&line, &orders, &owe, true);
            };
            let (next, ()) = tokio::join!(wait, join);
            assert_eq!(next, Ok(1), "{owe:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_that_of_the_last_seconds_and_forgotten_with_the_line() {
        let line = SettlementQueue::default();
        let ids: Vec<u128> = (1..=40).collect();
        let orders: Vec<(u128, u32)> = ids.iter().map(|id| (*id, 0)).collect();
        tell(&line, &orders, &ids, true);
        let go = |times: usize| {
            for _ in 0..times {
                let (id, _) = taken(&line).expect("one stands in line");
                assert_eq!(ended(&line, id), None);
            }
        };
        go(3);
        advance(Duration::from_secs(2)).await;
        go(1);
        // Four in two seconds, and 36 stand there.
        assert_eq!(line.seconds(OrderId(99)), Some(18.0));
        advance(Duration::from_secs(4)).await;
        go(2);
        // One in the four seconds after that.
        assert_eq!(line.seconds(OrderId(99)), Some(34.0 * 4.0));
        go(34);
        tell(&line, &[(50, 0)], &[50], true);
        assert_eq!(line.seconds(OrderId(50)), None);
    }
}
