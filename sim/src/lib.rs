//! Tries to break the box office.
//!
//! The real HTTP handlers, writer, core, store, settlement and payment client run in one thread under
//! simulated time; only four things are replaced: time, randomness, the network, and what lies
//! below the database (SQLite's disk, or the database server). Everything follows from a seed: the
//! same seed gives the same story, byte for byte, on any machine.
//!
//! A run has two parts: a storm, in which buyers come and things go wrong, and then a calm, in which
//! everything must settle. All the while [`auditor::Auditor`] checks the promises.

pub mod actors;
pub mod alarms;
pub mod auditor;
pub mod breaks;
mod broken;
pub mod buyers;
pub mod cancels;
pub mod chaos;
pub mod dashboard;
pub mod disk;
pub mod erases;
pub mod goods;
pub mod guests;
pub mod histories;
pub mod hooks;
pub mod keys;
mod log;
pub mod machine;
pub mod mails;
pub mod many;
pub mod moments;
pub mod office;
pub mod pace;
pub mod page;
pub mod pages;
mod panics;
pub mod plan;
pub mod provider;
pub mod readers;
pub mod report;
pub mod rng;
pub mod scans;
pub mod shared;
pub mod shrink;
mod spoil;
pub mod strangers;
pub mod trace;
pub mod world;

pub use plan::{Fault, Plan, StorageKind, Wishes};
pub use trace::{Line, Promise, Sample, Standing, Violation};

use boxoffice::OrderState;
use machine::Watching;
use nts_server::audit::{Against, Finding, Report, Weight, audit};
use nts_server::clock::DatabaseClock;
use nts_server::ids::{Ids, Secrets};
use nts_server::payments::governor::Governor;
use nts_server::payments::stripe::Stripe;
use nts_server::payments::wire::Wire;
use nts_server::reads::Reads;
use nts_server::store::Reader;
use pages::{Direct, Pages};
use rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use trace::Trace;
use world::World;

/// How long the calm may take until everything is settled, in milliseconds: 30 hours.
const CALM_MS: i64 = 30 * 3_600_000;
/// How long everything but refunds may take to be settled, in milliseconds.
const SETTLED_MS: i64 = 30 * 60_000;
/// How long all mails may take to be sent, in milliseconds: pauses double up to an hour.
const MAILED_MS: i64 = 3 * 3_600_000;
/// How long it takes at least: what was done by hand is found by a list that is read every five
/// minutes.
const LEAST_CALM_MS: i64 = 11 * 60_000;

/// What came of a run.
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// The hash of the whole story.
    pub hash: String,
    /// How long it took in simulated time, in milliseconds.
    pub simulated_ms: i64,
    /// Orders by their last state.
    pub orders: BTreeMap<&'static str, u64>,
    /// How often each fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// What else was counted.
    pub counts: BTreeMap<&'static str, u64>,
    /// Rare situations that were reached.
    pub marks: BTreeSet<&'static str>,
    /// The trace: every line if it was asked for, else the last ones.
    pub lines: Vec<Line>,
    /// The counters of the pool as they changed, if it was asked for.
    pub samples: Vec<Sample>,
    /// When machines went down, if it was asked for.
    pub strikes: Vec<(i64, &'static str)>,
    /// How many orders were in each state, as that changed, if it was asked for.
    pub turns: Vec<(i64, Standing)>,
    /// When which fault struck, in milliseconds since the beginning.
    pub moments: Vec<(i64, Fault)>,
    /// The first broken promise.
    pub violation: Option<Violation>,
}

/// Runs a plan. `whole`: keep every line of the story, and what is needed for pictures.
pub fn run(plan: &Plan, whole: bool) -> Result<Outcome, String> {
    disk::prepare();
    panics::listen();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|e| e.to_string())?;
    let log = alarms::Log::default();
    let _listening = log.listen();
    let outcome = runtime.block_on(async {
        let world = Arc::new(World::new(plan.clone(), whole)?);
        live(&world).await;
        alarms::judge(&world, &log);
        spoil::spoil(&world).await;
        world.end().await;
        Ok(outcome(&world))
    });
    drop(runtime);
    panics::ignore();
    outcome
}

/// After so many seconds all buyers of an event that has ended are erased.
const RETAINED_S: u64 = 90;

async fn live(world: &Arc<World>) {
    let mut others = JoinSet::new();
    for n in 0..world.machines.len() {
        others.spawn(actors::supervisor(Arc::clone(world), n));
    }
    let mut rng = Rng::new(world.plan.seed, 6);
    let show = goods::Show::of(&world.plan);
    actors::put_event(world, &mut rng, &show).await;
    if world.plan.hook() {
        hooks::make(world).await;
    }
    // Every process must know of it before the sale: they read the events when they start.
    for machine in &world.machines {
        let _driving = machine.driving.lock().await;
        machine.kill(world, false).await;
        while machine.start(world).is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    }
    provider::misbehave(world, &world.fake);
    others.spawn(actors::organiser(Arc::clone(world)));
    if world.chaos.has(Fault::Erase) {
        others.spawn(erases::erases(Arc::clone(world)));
    }
    if world.chaos.has(Fault::Readdress) {
        others.spawn(mails::readdress(Arc::clone(world)));
    }
    others.spawn(guests::guests(Arc::clone(world)));
    others.spawn(office::sells(Arc::clone(world)));
    others.spawn(guests::door(Arc::clone(world)));
    for device in scans::devices(world) {
        others.spawn(device);
    }
    others.spawn(actors::hands(Arc::clone(world)));
    let screen = readers::Screen::default();
    others.spawn(readers::readers(Arc::clone(world)));
    others.spawn(readers::screen(Arc::clone(world), Arc::clone(&screen)));
    if world.chaos.has(Fault::HandsAnywhere) {
        others.spawn(dashboard::anywhere(Arc::clone(world)));
    }
    if world.chaos.has(Fault::WebhookReplayed) {
        others.spawn(dashboard::replays(Arc::clone(world)));
    }
    if world.plan.webhooks {
        others.spawn(actors::webhooks(Arc::clone(world)));
    }
    let mut buyers = JoinSet::new();
    for n in 1..=world.plan.buyers {
        buyers.spawn(buyers::buyer(Arc::clone(world), n));
    }
    for n in 0..strangers::PEOPLE {
        others.spawn(strangers::stranger(Arc::clone(world), n));
    }
    for n in 0..keys::PEOPLE {
        buyers.spawn(keys::careless(Arc::clone(world), n));
    }
    others.spawn(keys::organiser(Arc::clone(world)));
    if world.plan.script {
        for lane in 1..=buyers::LANES {
            buyers.spawn(buyers::script(Arc::clone(world), lane));
        }
    }
    if let Some(pair) = world.plan.pair {
        for n in 1..=buyers::pairs::ORDERS {
            buyers.spawn(buyers::pairs::meets(Arc::clone(world), n, pair));
        }
    }
    sleep(Duration::from_millis(world.plan.storm_ms.unsigned_abs())).await;
    world.chaos.calm_down();
    world.audit(|auditor, _, at| auditor.calm(at));
    world.fake.behave();
    world.tell(None, "the storm is over");
    while let Some(done) = buyers.join_next().await {
        world.joined(done);
    }
    calm(world).await;
    if !world.is_broken() {
        // What was the last to settle is known to every process a look later.
        sleep(Duration::from_millis(2 * world.plan.look_ms + 1_000)).await;
        readers::all_is_told(world, &screen).await;
        readers::doors_are_recorded(world);
    }
    if world.plan.ends_ms.is_some() && world.plan.page.is_none() && !world.is_broken() {
        sleep(Duration::from_secs(RETAINED_S)).await;
        let now = world.store_now();
        world.audit(|auditor, story, at| auditor.retained(story, at, now));
    }
    others.abort_all();
    while let Some(done) = others.join_next().await {
        world.joined(done);
    }
    if !world.is_broken() {
        cancels::cancels(world).await;
    }
}

/// Waits until everything is settled, and lets the auditor look at the end.
async fn calm(world: &Arc<World>) {
    let begun = world.at_ms();
    if readers::settles_at_once(world) {
        settle(world).await;
    }
    loop {
        sleep(Duration::from_secs(10)).await;
        for machine in &world.machines {
            machine.look_for_the_dead(world);
        }
        let passed = world.at_ms() - begun;
        if world.is_broken() {
            return;
        }
        let (owing, late) = world.audit(|auditor, trace, at| {
            auditor.still_owed(trace, at);
            (auditor.owing(), auditor.owes_since(at, SETTLED_MS))
        });
        if late.is_some() {
            let text = format!("something is owed {} minutes after the storm", passed / 60_000);
            world.broken(Promise::AllSettles, late, text);
        }
        let mails = world.mails_waiting();
        if mails > 0 && passed > MAILED_MS {
            let text = format!("{mails} mails wait {} minutes after the storm", passed / 60_000);
            world.broken(Promise::MailArrives, None, text);
        }
        let hooks = if world.plan.hook() { world.hooks_waiting() } else { 0 };
        if hooks > 0 && passed > MAILED_MS {
            let text = format!(
                "{hooks} messages to webhooks wait {} minutes after the storm",
                passed / 60_000
            );
            world.broken(Promise::HookArrives, None, text);
        }
        let owing = owing.is_empty() && mails == 0 && hooks == 0;
        if owing && world.backend.decided() && passed >= LEAST_CALM_MS || passed > CALM_MS {
            break;
        }
    }
    let (Ok(ledger), Ok(authorised), Ok(given)) =
        (world.fake.ledger_all(), world.fake.authorised(), world.fake.refunds())
    else {
        world.broken(Promise::NoPanic, None, "the fake's ledger cannot be read");
        return;
    };
    world.audit(|auditor, trace, at| auditor.settled(trace, at, &ledger, &authorised, &given));
    let ended = world.plan.ends_ms.is_some();
    let missed = world.audit(|auditor, trace, at| auditor.all_mails_sent(trace, at, ended));
    if let Some(order) = missed {
        world.tell_mails(order);
    }
    if world.plan.hook() {
        world.audit(|auditor, trace, at| auditor.all_hooks_told(trace, at));
    }
    if let Err(why) = books_balance(world).await {
        world.broken(Promise::AllSettles, None, format!("the audit cannot be made: {why}"));
    }
    log::check(world);
}

/// `nts audit --settle` at once after the storm, while things are owed: it may cancel and give back only what
/// the books have forgotten, and they have forgotten nothing.
async fn settle(world: &World) {
    let wire = Box::new(Arc::clone(&world.fake));
    let Ok(report) = audit_of(world, |reader| reader, wire, true).await else { return };
    world.trace().count("audits with --settle");
    // What was done by hand a moment ago may not be in the books yet; nothing may be settled for that.
    let settled = |f: &&Finding| f.weight == Weight::Settled;
    if let Some(finding) = report.findings.iter().find(settled) {
        let text = format!("nts audit --settle in the middle: {}", finding.text);
        world.broken(Promise::MoneyIsTickets, finding.order, text);
    }
}

/// Makes the audit that `nts audit` makes, against the provider's own list.
async fn books_balance(world: &World) -> Result<(), String> {
    let wire = Box::new(Direct { to: Arc::clone(&world.fake), most: world.plan.page });
    let report =
        audit_of(world, |reader| Box::new(Pages::new(reader, world.plan.page)), wire, false)
            .await?;
    for finding in report.findings.iter().filter(|f| f.weight == Weight::Wrong) {
        let text = format!("nts audit: {}", finding.text);
        world.broken(Promise::MoneyIsTickets, finding.order, text);
    }
    Ok(())
}

/// Makes an audit of what `read` makes of the books, against what is at the other end of `wire`.
async fn audit_of(
    world: &World,
    read: impl FnOnce(Box<dyn Reader>) -> Box<dyn Reader>,
    wire: Box<dyn Wire>,
    settle: bool,
) -> Result<Report, String> {
    let (watching, secret) = world.backend.watch().map_err(|e| e.to_string())?;
    let Watching { reader, _process } = watching;
    let reader = read(reader);
    let clock = world.clock();
    let ids = Arc::new(Ids::new(Rng::new(world.plan.seed, 7).bytes(), 0));
    let shop = Secrets::new(secret).shop();
    let of_database = Arc::new(DatabaseClock::new(clock.clone()));
    let stripe = Stripe::new(wire, Governor::unlimited(), ids, of_database, false, shop);
    let reads = Reads::inline(reader);
    let against = Against { stripe: &stripe, since_s: 0, settle };
    audit(&reads, &clock, Some(against)).await.map_err(|e| e.to_string())
}

fn outcome(world: &World) -> Outcome {
    let mut orders: BTreeMap<&'static str, u64> = BTreeMap::new();
    world.audit(|auditor, _, _| {
        for order in auditor.orders() {
            let word = match order.state {
                OrderState::Paid if order.total().minor == 0 => "paid (free)",
                state => state.word(),
            };
            *orders.entry(word).or_default() += 1;
        }
    });
    let simulated_ms = world.at_ms();
    let mut trace = world.trace();
    let Trace { marks, counts, samples, strikes, turns, violation, .. } = &mut *trace;
    let (mut marks, mut counts) = (std::mem::take(marks), std::mem::take(counts));
    let turns = std::mem::take(turns);
    if let machine::Backend::File(base) = &world.backend {
        let disk = base.disk.counters();
        let failed = disk.failed_reads + disk.failed_writes + disk.failed_syncs;
        counts.insert("disk: syncs", disk.syncs);
        counts.insert("disk: calls that failed", failed);
        counts.insert("disk: unsynced changes lost with the power", disk.dropped);
        counts.insert("disk: writes torn by it", disk.torn);
        for (mark, count) in [
            ("a power loss took back what was not synced", disk.dropped),
            ("a power loss tore a write", disk.torn),
            ("a sync failed", disk.failed_syncs),
            ("a write found no space", disk.writes_without_space),
        ] {
            if count > 0 {
                marks.insert(mark);
            }
        }
    }
    let (samples, strikes) = (std::mem::take(samples), std::mem::take(strikes));
    let violation = violation.take();
    Outcome {
        plan: world.plan.clone(),
        hash: trace.digest(),
        simulated_ms,
        orders,
        faults: world.chaos.struck(),
        counts,
        marks,
        lines: trace.lines().cloned().collect(),
        samples,
        strikes,
        turns,
        moments: world.chaos.when(),
        violation,
    }
}
