//! A budget of calls per second, for each endpoint and in all, served by class and then in the order
//! of arrival.
//!
//! Stripe answers 429 to more than 25 requests a second to one endpoint and 100 in all
//! (<https://docs.stripe.com/rate-limits>). So every call needs a [`Turn`], and nothing but this
//! makes one. Whoever must wait for it waits in the queue of the endpoint: higher classes first
//! ([`PaymentClass`]), within a class first come, first served, and a long queue at one endpoint does
//! not block the others.

use super::class::{CLASSES, Fairness, PaymentClass};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant, sleep_until};

/// A second as we count it, and a little more: what leaves here evenly may arrive less so.
const SECOND: Duration = Duration::from_millis(1_050);

/// What has a budget of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Endpoint {
    /// Creating a PaymentIntent.
    Create,
    /// Confirming one.
    Confirm,
    /// Reading one.
    Read,
    /// Capturing one.
    Capture,
    /// Cancelling one.
    Cancel,
    /// Asking for a refund.
    Refund,
    /// Listing PaymentIntents.
    Intents,
    /// Listing refunds.
    Refunds,
    /// Listing disputes.
    Disputes,
}

/// The right to one call.
#[derive(Debug)]
pub struct Turn {
    /// What for.
    pub endpoint: Endpoint,
    /// Whether it had to be waited for: then what was known before may be old.
    pub waited: bool,
}

/// Calls per second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// For each endpoint.
    pub each: u32,
    /// In all.
    pub all: u32,
}

/// Gives turns.
pub struct Governor(Option<Line>);

struct Line {
    ask: mpsc::UnboundedSender<Asked>,
    /// How many wait, by class.
    waiting: Arc<[AtomicUsize; CLASSES]>,
    each: u32,
}

struct Asked {
    endpoint: Endpoint,
    class: PaymentClass,
    patient: bool,
    grant: oneshot::Sender<Turn>,
}

impl Governor {
    /// Gives a turn to everybody at once: the sandbox has no limits, unless it is told some.
    pub fn unlimited() -> Governor {
        Governor(None)
    }

    /// Keeps to a budget, and the task that must run for it.
    pub fn new(budget: Budget) -> (Governor, impl Future<Output = ()> + Send + 'static) {
        assert!(budget.each > 0 && budget.all > 0, "a budget of nothing would stop the sale");
        let (ask, asked) = mpsc::unbounded_channel();
        let waiting: Arc<[AtomicUsize; CLASSES]> = Arc::default();
        let line = Line { ask, waiting: Arc::clone(&waiting), each: budget.each };
        (Governor(Some(line)), run(budget, asked, waiting))
    }

    /// Waits for a turn, in the first class: for everything but attempts to pay.
    pub async fn turn(&self, endpoint: Endpoint) -> Turn {
        self.turn_as(endpoint, PaymentClass::First).await
    }

    /// Waits for a turn in a class.
    pub async fn turn_as(&self, endpoint: Endpoint, class: PaymentClass) -> Turn {
        let Some(line) = &self.0 else { return Turn { endpoint, waited: false } };
        match line.enter(endpoint, class, true).await {
            Some(turn) => turn,
            // The task is gone: the server stops, and nothing more may be asked.
            None => std::future::pending().await,
        }
    }

    /// A turn at once, or none: for what is a comfort, and must not take it from who pays.
    pub async fn turn_now(&self, endpoint: Endpoint) -> Option<Turn> {
        let Some(line) = &self.0 else { return Some(Turn { endpoint, waited: false }) };
        line.enter(endpoint, PaymentClass::First, false).await
    }

    /// How many wait at all endpoints together, in all classes.
    pub fn waiting(&self) -> usize {
        self.waiting_up_to(PaymentClass::AfterDecline)
    }

    /// How many wait at all endpoints together, in a class and in those that go before it.
    pub fn waiting_up_to(&self, class: PaymentClass) -> usize {
        let Some(line) = &self.0 else { return 0 };
        let waiting = &line.waiting[..=class as usize];
        waiting.iter().map(|waiting| waiting.load(Ordering::Relaxed)).sum()
    }

    /// Orders that can begin to pay per second; `None`: as many as come.
    pub fn rate(&self) -> Option<u32> {
        self.0.as_ref().map(|line| line.each)
    }
}

impl Line {
    async fn enter(&self, endpoint: Endpoint, class: PaymentClass, patient: bool) -> Option<Turn> {
        let (grant, granted) = oneshot::channel();
        self.ask.send(Asked { endpoint, class, patient, grant }).ok()?;
        granted.await.ok()
    }
}

/// When the last calls were made: no more than so many lie within a second.
struct Window {
    made: VecDeque<Instant>,
    most: usize,
}

impl Window {
    fn new(most: u32) -> Window {
        Window { made: VecDeque::new(), most: most as usize }
    }

    /// When the next call may be made, if not at once.
    fn free_at(&self) -> Option<Instant> {
        (self.made.len() >= self.most).then(|| self.made[0] + SECOND)
    }

    fn is_free(&self, now: Instant) -> bool {
        self.free_at().is_none_or(|at| at <= now)
    }

    fn note(&mut self, now: Instant) {
        if self.made.len() >= self.most {
            self.made.pop_front();
        }
        self.made.push_back(now);
    }
}

/// Who waits: the number of the arrival, and where to send the turn.
type Waiting = (u64, oneshot::Sender<Turn>);

/// What waits at an endpoint, by class, and what was called there lately.
struct Lane {
    window: Window,
    queues: [VecDeque<Waiting>; CLASSES],
    fairness: Fairness,
}

impl Lane {
    fn new(most: u32) -> Lane {
        let queues = Default::default();
        Lane { window: Window::new(most), queues, fairness: Fairness::default() }
    }

    fn waits(&self) -> [bool; CLASSES] {
        std::array::from_fn(|class| !self.queues[class].is_empty())
    }

    fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// Takes those out who have gone: they do not use up a turn.
    fn forget_the_gone(&mut self) {
        for queue in &mut self.queues {
            while queue.front().is_some_and(|(_, grant)| grant.is_closed()) {
                queue.pop_front();
            }
        }
    }

    /// Whose turn it is here: the class, and what to compare with other endpoints. A class whose share
    /// is owed comes before the first, or it would wait for all of those elsewhere.
    fn next(&self) -> Option<(PaymentClass, Rank)> {
        let class = self.fairness.next(self.waits())?;
        let number = self.queues[class as usize].front()?.0;
        Some((class, (!self.fairness.is_owed(class), class, number)))
    }
}

/// The least goes first: whether its share is not owed, its class, and the number of its arrival.
type Rank = (bool, PaymentClass, u64);

/// The endpoints, and what was called lately in all.
struct Lines {
    budget: Budget,
    all: Window,
    each: BTreeMap<Endpoint, Lane>,
    arrived: u64,
}

impl Lines {
    /// Who comes is served at once, waits, or hears that there is no turn now.
    fn arrive(&mut self, asked: Asked, now: Instant) {
        let Asked { endpoint, class, patient, grant } = asked;
        let most = self.budget.each;
        let lane = self.each.entry(endpoint).or_insert_with(|| Lane::new(most));
        if lane.is_empty() && lane.window.is_free(now) && self.all.is_free(now) {
            if grant.send(Turn { endpoint, waited: false }).is_ok() {
                lane.window.note(now);
                self.all.note(now);
            }
        } else if patient {
            self.arrived += 1;
            lane.queues[class as usize].push_back((self.arrived, grant));
        }
    }

    /// Serves all whose turn it is; says when the next one's is.
    fn serve(&mut self, now: Instant) -> Option<Instant> {
        loop {
            self.each.values_mut().for_each(Lane::forget_the_gone);
            if let Some(at) = self.all.free_at().filter(|at| *at > now) {
                return self.each.values().any(|lane| !lane.is_empty()).then_some(at);
            }
            let ready = self.each.iter().filter(|(_, lane)| lane.window.is_free(now));
            let next =
                ready.filter_map(|(e, lane)| lane.next().map(|(class, rank)| (rank, *e, class)));
            let Some((_, endpoint, class)) = next.min() else {
                let waiting = self.each.values().filter(|lane| !lane.is_empty());
                return waiting.filter_map(|lane| lane.window.free_at()).min();
            };
            // Where nothing could be called anyway, nobody is passed over.
            for (other, lane) in &mut self.each {
                if *other != endpoint && lane.window.is_free(now) {
                    let waits = lane.waits();
                    lane.fairness.passed_over(class, waits);
                }
            }
            let lane = self.each.get_mut(&endpoint).expect("it was found there");
            if let Some((_, grant)) = lane.queues[class as usize].pop_front()
                && grant.send(Turn { endpoint, waited: true }).is_ok()
            {
                let waits = lane.waits();
                lane.fairness.served(class, waits);
                lane.window.note(now);
                self.all.note(now);
            }
        }
    }
}

async fn run(
    budget: Budget,
    mut asked: mpsc::UnboundedReceiver<Asked>,
    waiting: Arc<[AtomicUsize; CLASSES]>,
) {
    let mut lines =
        Lines { budget, all: Window::new(budget.all), each: BTreeMap::new(), arrived: 0 };
    let mut next: Option<Instant> = None;
    loop {
        let timer = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = timer => {}
            someone = asked.recv() => match someone {
                Some(someone) => lines.arrive(someone, Instant::now()),
                None => return,
            },
        }
        next = lines.serve(Instant::now());
        for (class, waiting) in waiting.iter().enumerate() {
            let count = lines.each.values().map(|lane| lane.queues[class].len()).sum();
            waiting.store(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;

    fn governor(each: u32, all: u32) -> (Arc<Governor>, tokio::task::JoinHandle<()>) {
        let (governor, task) = Governor::new(Budget { each, all });
        (Arc::new(governor), crate::tasks::spawn(task))
    }

    /// The most turns that fell into any one second.
    fn busiest_second(mut times: Vec<Duration>) -> usize {
        times.sort();
        let within = |from: Duration| {
            times.iter().filter(|t| **t >= from && **t < from + Duration::from_secs(1)).count()
        };
        times.iter().map(|t| within(*t)).max().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn ten_times_the_budget_is_served_in_order_and_within_it() {
        let (governor, _task) = governor(25, 100);
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for n in 0..2_500u32 {
            let governor = Arc::clone(&governor);
            // 250 a second, ten seconds long.
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_millis(4 * u64::from(n))).await;
                governor.turn(Endpoint::Create).await;
                (n, begun.elapsed())
            });
        }
        let mut served = tasks.join_all().await;
        served.sort_by_key(|(_, at)| *at);
        assert!(served.windows(2).all(|w| w[0].0 < w[1].0), "not in the order of arrival");
        let times: Vec<Duration> = served.iter().map(|(_, at)| *at).collect();
        assert!(busiest_second(times.clone()) <= 25);
        let last = times.iter().max().unwrap().as_secs_f64();
        assert!((98.0..110.0).contains(&last), "2500 at 25/s take 100 s, not {last}");
        assert_eq!(governor.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_at_one_endpoint_does_not_block_another() {
        let (governor, _task) = governor(5, 100);
        let mut tasks = JoinSet::new();
        for _ in 0..100 {
            let governor = Arc::clone(&governor);
            tasks.spawn(async move { governor.turn(Endpoint::Create).await });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(governor.waiting(), 95);
        let begun = Instant::now();
        let turn = governor.turn(Endpoint::Capture).await;
        assert!(!turn.waited && begun.elapsed() < Duration::from_millis(5));
    }

    #[tokio::test(start_paused = true)]
    async fn all_endpoints_together_keep_to_the_budget_in_all() {
        let (governor, _task) = governor(25, 40);
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for n in 0..400 {
            let governor = Arc::clone(&governor);
            let endpoints = [Endpoint::Create, Endpoint::Confirm, Endpoint::Capture];
            tasks.spawn(async move {
                governor.turn(endpoints[n % 3]).await;
                begun.elapsed()
            });
        }
        assert!(busiest_second(tasks.join_all().await) <= 40);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_gone_uses_up_no_turn_and_who_is_in_a_hurry_does_not_wait() {
        let (governor, _task) = governor(1, 10);
        governor.turn(Endpoint::Read).await;
        assert!(governor.turn_now(Endpoint::Read).await.is_none());
        let begun = Instant::now();
        for _ in 0..20 {
            let gone =
                tokio::time::timeout(Duration::from_millis(1), governor.turn(Endpoint::Read));
            assert!(gone.await.is_err());
        }
        governor.turn(Endpoint::Read).await;
        assert!(begun.elapsed() < Duration::from_millis(1_100), "{:?}", begun.elapsed());
    }

    /// Keeps so many of a class waiting at an endpoint, and counts who was served within so long.
    async fn crowd(
        governor: &Arc<Governor>,
        (endpoint, class, waiting): (Endpoint, PaymentClass, usize),
        tasks: &mut JoinSet<(Endpoint, PaymentClass)>,
    ) {
        for _ in 0..waiting {
            let governor = Arc::clone(governor);
            tasks.spawn(async move {
                governor.turn_as(endpoint, class).await;
                (endpoint, class)
            });
        }
        tokio::task::yield_now().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_attempt_goes_before_ten_thousand_that_follow_a_decline() {
        let (governor, _task) = governor(25, 100);
        let mut junk = JoinSet::new();
        for class in [PaymentClass::AfterDecline, PaymentClass::SecondOrder] {
            for endpoint in [Endpoint::Create, Endpoint::Confirm, Endpoint::Read] {
                crowd(&governor, (endpoint, class, 5_000), &mut junk).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let waiting = governor.waiting();
        assert_eq!(governor.waiting_up_to(PaymentClass::First), 0);
        assert!(governor.waiting_up_to(PaymentClass::SecondOrder) < waiting);
        let begun = Instant::now();
        for endpoint in [Endpoint::Create, Endpoint::Confirm, Endpoint::Capture] {
            governor.turn_as(endpoint, PaymentClass::First).await;
        }
        assert!(begun.elapsed() < Duration::from_millis(2_200), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn no_class_waits_for_ever() {
        let (governor, _task) = governor(25, 100);
        let mut tasks = JoinSet::new();
        for class in PaymentClass::ALL {
            crowd(&governor, (Endpoint::Confirm, class, 2_000), &mut tasks).await;
        }
        tokio::time::sleep(Duration::from_secs(44)).await;
        let mut served = [0u32; CLASSES];
        while let Some(Ok((_, class))) = tasks.try_join_next() {
            served[class as usize] += 1;
        }
        let all: u32 = served.iter().sum();
        assert!((1_000..1_100).contains(&all), "{all}");
        for share in served.map(|class| f64::from(class) / f64::from(all)).iter().skip(1) {
            assert!((0.07..0.11).contains(share), "{served:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn captures_are_not_kept_waiting_by_any_attempt_and_a_lower_class_is_not_by_other_endpoints()
     {
        // All endpoints together are the bottleneck.
        let (governor, _task) = governor(25, 25);
        let mut tasks = JoinSet::new();
        for class in PaymentClass::ALL {
            crowd(&governor, (Endpoint::Create, class, 2_000), &mut tasks).await;
        }
        crowd(&governor, (Endpoint::Confirm, PaymentClass::AfterDecline, 2_000), &mut tasks).await;
        // A capture waits for those first attempts that came before it, and for no other.
        let begun = Instant::now();
        crowd(&governor, (Endpoint::Capture, PaymentClass::First, 1), &mut tasks).await;
        let mut captured = None;
        tokio::time::sleep(Duration::from_secs(200)).await;
        let mut served = BTreeMap::new();
        while let Some(Ok(who)) = tasks.try_join_next() {
            *served.entry(who).or_insert(0) += 1;
            captured = captured.or((who.0 == Endpoint::Capture).then(|| begun.elapsed()));
        }
        assert!(captured.is_some(), "{served:?}");
        let confirmed = served[&(Endpoint::Confirm, PaymentClass::AfterDecline)];
        assert!(confirmed > 200, "{served:?}");
    }
}
