//! Who comes when, and what is seen of it meanwhile.

use crate::books::{Books, Second};
use crate::buyer::Buyer;
use crate::client::{Client, Request};
use crate::scans::{Door, Scans, scan};
use crate::verify::{Verified, verify};
use crate::{Counts, Plan, Target};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How often progress is told.
const TELL: Duration = Duration::from_millis(250);

/// What all buyers share.
pub(crate) struct Crowd {
    pub(crate) plan: Plan,
    pub(crate) target: Target,
    pub(crate) client: Client,
    pub(crate) begun: Instant,
    /// Tells this run's keys from those of all others.
    pub(crate) run: String,
    /// A permit for each who may stay when all that is left is held by others.
    pub(crate) staying: Semaphore,
    books: Mutex<Books>,
}

impl Crowd {
    /// A crowd of which nobody has come yet.
    pub(crate) fn new(plan: &Plan, target: &Target, run: &str) -> Crowd {
        Crowd {
            plan: plan.clone(),
            target: target.clone(),
            client: Client::new(target.address, plan.connections.max(1)),
            begun: Instant::now(),
            run: run.into(),
            staying: Semaphore::new(plan.stayers),
            books: Mutex::default(),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long nobody has heard of tickets, counted from `begun` at the earliest.
    pub(crate) fn silence_since(&self, begun: Instant) -> Duration {
        self.books().last_sale.map_or(begun, |last| last.max(begun)).elapsed()
    }
}

/// Looks at the server from outside: its memory in bytes, if that is known.
pub type Probe<'a> = &'a dyn Fn() -> Option<u64>;

/// How it goes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Progress {
    /// Buyers who have come.
    pub came: u64,
    /// Buyers who are still at it.
    pub active: u64,
    /// Places that buyers were told are theirs.
    pub sold: u64,
    /// The places, as the server says.
    pub places: Counts,
    /// Sold in the last second.
    pub sold_a_second: u64,
    /// "Not now" in the last second.
    pub not_now_a_second: u64,
    /// The 99th percentile of the wait for places in the last second, in milliseconds.
    pub hold_p99_ms: f64,
    /// Orders that were looked at again, of how many, once the crowd is gone.
    pub checked: Option<(usize, usize)>,
}

/// What came of it.
pub struct Outcome {
    /// What the crowd was like.
    pub plan: Plan,
    /// What it wanted.
    pub target: Target,
    /// What it was told.
    pub books: Books,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// From the first buyer to the last who left.
    pub took: Duration,
    /// The first second, counted from 1, at whose end nothing was left.
    pub sold_out_s: Option<usize>,
    /// Whether it was true.
    pub verified: Verified,
    /// What came of the scans at another event's door, if there were any.
    pub scans: Option<Scans>,
    /// How many messages a webhook was told meanwhile, if there was one.
    pub told: Option<u64>,
}

/// Lets the crowd come, waits until all have gone, and looks whether they were told the truth. Runs
/// in the thread that calls it; devices scan at a door meanwhile in a thread of their own. The error is a sentence.
pub fn rush(
    plan: &Plan,
    target: &Target,
    run: &str,
    door: Option<Door>,
    probe: Probe<'_>,
    tell: &dyn Fn(&Progress),
) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(async {
        let crowd = Arc::new(Crowd::new(plan, target, run));
        let mut watch = Watch {
            client: Client::new(target.address, 1),
            progress: Progress { places: target.before, ..Progress::default() },
            seconds: Vec::new(),
        };
        let scanning = door.map(|door| std::thread::spawn(move || scan(&door)));
        come(&crowd, &mut watch, probe, tell).await;
        let took = crowd.begun.elapsed();
        watch.second(&crowd, probe).await;
        // Nothing else runs in this thread now, and what is looked at again must not slow the rest of the scans.
        let ended = scanning.map(std::thread::JoinHandle::join).transpose();
        let scans = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).transpose()?;
        let (progress, seconds) = (watch.progress, watch.seconds);
        let checked = |done, all| tell(&Progress { checked: Some((done, all)), ..progress });
        let verified = verify(&crowd, &seconds, &checked).await;
        let capacity = target.before.capacity;
        let sold_out = |s: &Second| s.places.is_some_and(|(_, sold)| sold >= capacity);
        let sold_out_s = seconds.iter().position(sold_out).map(|n| n + 1);
        let books = std::mem::take(&mut *crowd.books());
        let (plan, target) = (plan.clone(), target.clone());
        Ok(Outcome { plan, target, books, seconds, took, sold_out_s, verified, scans, told: None })
    })
}

/// When each buyer comes, in order.
fn moments(plan: &Plan) -> Vec<Duration> {
    let mut dice = ChaCha8Rng::seed_from_u64(plan.seed);
    dice.set_stream(u64::MAX);
    let within = plan.ramp.as_micros().max(1) as u64;
    // So many at random moments: what a stream of independent people looks like.
    let mut all: Vec<Duration> =
        (0..plan.buyers).map(|_| Duration::from_micros(dice.next_u64() % within)).collect();
    all.sort_unstable();
    all
}

async fn come(crowd: &Arc<Crowd>, watch: &mut Watch, probe: Probe<'_>, tell: &dyn Fn(&Progress)) {
    let mut buyers = JoinSet::new();
    let mut moments = moments(&crowd.plan).into_iter().enumerate().peekable();
    let mut next_tell = crowd.begun + TELL;
    let mut next_second = crowd.begun + Duration::from_secs(1);
    loop {
        while let Some(left) = buyers.try_join_next() {
            left.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        }
        let now = Instant::now();
        while let Some((n, due)) = moments.next_if(|(_, due)| crowd.begun + *due <= now) {
            // From when it was due, also if we are late.
            let buyer = Buyer::new(Arc::clone(crowd), n as u64);
            buyers.spawn(buyer.comes(crowd.begun + due));
            watch.progress.came += 1;
        }
        if moments.peek().is_none() && buyers.is_empty() {
            return;
        }
        if now >= next_second {
            next_second += Duration::from_secs(1);
            watch.second(crowd, probe).await;
        }
        if now >= next_tell {
            next_tell = now + TELL;
            watch.progress.active = buyers.len() as u64;
            tell(&watch.progress);
        }
        let next = moments.peek().map_or(now + TELL, |(_, due)| crowd.begun + *due);
        sleep_until(next.min(next_second).min(next_tell)).await;
    }
}

/// Looks at the event once a second, as anybody may.
struct Watch {
    client: Client,
    progress: Progress,
    seconds: Vec<Second>,
}

impl Watch {
    async fn second(&mut self, crowd: &Crowd, probe: Probe<'_>) {
        let mut second = crowd.books().next_second();
        let patience = Duration::from_millis(500);
        if let Some(counts) = look(&self.client, &crowd.target, patience).await {
            self.progress.places = counts;
            second.places = Some((counts.held, counts.sold));
        }
        second.memory = probe();
        self.progress.sold += second.sold;
        self.progress.sold_a_second = second.sold;
        self.progress.not_now_a_second = second.not_now;
        self.progress.hold_p99_ms = second.hold_ms[1];
        self.seconds.push(second);
    }
}

/// The places as the server says.
pub(crate) async fn look(client: &Client, target: &Target, patience: Duration) -> Option<Counts> {
    let request = Request::get(&format!("/api/v1/events/{}", target.slug));
    let answer = client.once(&request, patience).await.ok()?;
    target.counts(&answer.body)
}

/// The same, until it is answered, for a minute at most.
pub(crate) async fn retry_until_ok(client: &Client, target: &Target) -> Option<Counts> {
    for _ in 0..60 {
        if let Some(counts) = look(client, target, Duration::from_secs(5)).await {
            return Some(counts);
        }
        sleep(Duration::from_secs(1)).await;
    }
    None
}
