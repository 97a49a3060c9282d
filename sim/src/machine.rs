//! A machine with the real server on it: started, killed, and started again.

use crate::auditor::Asked;
use crate::broken::BrokenReader;
use crate::chaos::Chaos;
use crate::disk::{Disk, Process};
use crate::hooks::SimReceiver;
use crate::mails::{PER_SECOND, SimRelay};
use crate::moments::{InHand, Moments, Step, step};
use crate::pages::Pages;
use crate::plan::{Fault, Plan, StorageKind};
use crate::provider::SimWire;
use crate::rng::Rng;
use crate::shared::Server;
use crate::trace::Promise;
use crate::world::{Answer, ORGANISER, World, ms_since};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use boxoffice::mutant::{Mutant, on};
use boxoffice::{Order, OrderId, TimeMs};
use http_body_util::BodyExt;
use nts_server::actor::Actor;
use nts_server::app::App;
use nts_server::clock::{Clock, DatabaseClock};
use nts_server::http;
use nts_server::ids::{Ids, Secrets, digest};
use nts_server::payments::governor::{Budget, Governor};
use nts_server::payments::stripe::Stripe;
use nts_server::reads::Reads;
use nts_server::replicate::read_versions;
use nts_server::run::{Assembled, MailParts, Parts, assemble};
use nts_server::store::records::{ticket_keys, webhooks};
use nts_server::store::sqlite::SqliteReader;
use nts_server::store::{Fault as StoreFault, Reader, Store};
use nts_server::writer::{CommandError, Committed, Job, Writer};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use tower::ServiceExt;

/// Orders read at a time.
const PAGE: usize = 1_000;

/// The database's name on its disk.
pub(crate) const FILE: &str = "nts.db";

/// Where the orders lie.
pub enum Backend {
    /// In a simulated database server.
    Shared(Server, [u8; 32]),
    /// In a file on a simulated disk.
    File(Box<OnDisk>),
}

/// A database file on a simulated disk.
pub struct OnDisk {
    /// The process that runs, and the auditor's, with its connection.
    running: Mutex<Option<Running>>,
    /// The disk.
    pub disk: Disk,
    secret: [u8; 32],
}

struct Running {
    /// The server's process, as the disk knows it.
    _server: Process,
    truth: SqliteReader,
    /// The auditor's.
    _watch: Process,
}

/// What a process opens.
struct Opened {
    store: Box<dyn Store>,
    reader: Box<dyn Reader>,
    secret: [u8; 32],
    last_high: u64,
}

impl Backend {
    /// As the plan says.
    pub fn new(plan: &Plan, clock: Clock, chaos: &Arc<Chaos>) -> Backend {
        let secret = Rng::new(plan.seed, 2).bytes();
        match plan.place {
            StorageKind::Shared => Backend::Shared(Server::new(clock, Arc::clone(chaos)), secret),
            StorageKind::File => {
                let disk = Disk::new(plan.seed);
                // As SQLite takes disks to be under Linux.
                disk.set_powersafe_overwrite(true);
                Backend::File(Box::new(OnDisk { running: Mutex::default(), disk, secret }))
            }
        }
    }

    fn open(&self, clock: &Clock) -> Result<Opened, String> {
        match self {
            Backend::Shared(server, secret) => {
                let store = server.connect(clock.clone());
                let reader = Box::new(store.reader());
                Ok(Opened { store: Box::new(store), reader, secret: *secret, last_high: 0 })
            }
            Backend::File(base) => {
                // Two processes never have it open at once.
                drop(base.running().take());
                let (server, watch) = (base.disk.start(), base.disk.watch());
                let opened = server.open(FILE, clock.clone(), base.secret);
                let opened = opened.map_err(|e| e.to_string())?;
                let truth = watch.read(FILE).map_err(|e| e.to_string())?;
                let reader = Box::new(opened.store.own_reader().map_err(|e| e.to_string())?);
                let (secret, last_high) = (opened.secret, opened.last_high);
                *base.running() = Some(Running { _server: server, truth, _watch: watch });
                Ok(Opened { store: Box::new(opened.store), reader, secret, last_high })
            }
        }
    }

    /// Reads what is committed, for the auditor; `None` if it cannot be read at the moment.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&mut dyn Reader) -> Result<T, StoreFault>,
    ) -> Option<T> {
        match self {
            Backend::Shared(server, _) => read(&mut server.truth()).ok(),
            Backend::File(base) => read(&mut base.running().as_mut()?.truth).ok(),
        }
    }

    /// A connection for reading that is never in trouble, and the server's secret.
    pub fn watch(&self) -> Result<(Watching, [u8; 32]), StoreFault> {
        match self {
            Backend::Shared(server, secret) => {
                Ok((Watching { reader: Box::new(server.truth()), _process: None }, *secret))
            }
            Backend::File(base) => {
                let process = base.disk.watch();
                let reader = Box::new(process.read(FILE)?);
                Ok((Watching { reader, _process: Some(process) }, base.secret))
            }
        }
    }

    /// Whether no transaction waits for its decision.
    pub fn decided(&self) -> bool {
        match self {
            Backend::Shared(server, _) => server.decided(),
            Backend::File(_) => true,
        }
    }

    /// The process is dead: killed, or without power.
    fn dies(&self, power_loss: Option<&mut Rng>) {
        if let Backend::File(base) = self {
            if let Some(rng) = power_loss {
                base.disk.power_loss(rng.numbers());
            }
            drop(base.running().take());
            // The process may have been the only thing that had halted.
            base.disk.go_on();
        }
    }
}

impl Life {
    fn look_for_the_dead(&mut self, world: &World) {
        while let Some(done) = self.requests.try_join_next() {
            world.joined(done);
        }
        while let Some(done) = self.background.try_join_next() {
            if done.as_ref().is_err_and(tokio::task::JoinError::is_panic) {
                world.joined(done);
            } else {
                world.broken(Promise::NoPanic, None, "a task of the server has ended");
            }
        }
    }
}

/// A connection for reading, and the process that it lives in.
pub struct Watching {
    /// The connection.
    pub reader: Box<dyn Reader>,
    /// Dropped after it.
    pub _process: Option<Process>,
}

impl OnDisk {
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A machine.
pub struct Machine {
    n: usize,
    clock: Clock,
    /// How far its clock is ahead.
    pub ahead_ms: Arc<AtomicI64>,
    rng: Mutex<Rng>,
    life: Mutex<Option<Life>>,
    /// Rung when the process has died by itself.
    died: Notify,
    /// What its process will commit next.
    in_hand: Mutex<Option<InHand>>,
    /// Rung when that was done in the middle of a step of another process.
    pub done_early: Notify,
    /// How many processes have run here.
    lives: AtomicU32,
    /// Whether the last of them runs no more.
    dead: AtomicBool,
    /// The step that its writer is in.
    pub step: Step,
    /// Held by the one who kills, stops or starts the process.
    pub driving: tokio::sync::Mutex<()>,
}

/// A process.
pub struct Life {
    app: Arc<App>,
    router: Router,
    background: JoinSet<()>,
    requests: JoinSet<()>,
    /// For a deliberate break: the lines of the order that was shown last.
    lines: Arc<Mutex<Value>>,
}

impl Machine {
    /// A machine on which nothing runs yet.
    pub fn new(n: usize, clock: Clock, ahead_ms: Arc<AtomicI64>, rng: Rng) -> Machine {
        Machine {
            n,
            clock,
            ahead_ms,
            rng: Mutex::new(rng),
            life: Mutex::default(),
            died: Notify::new(),
            in_hand: Mutex::default(),
            done_early: Notify::new(),
            lives: AtomicU32::new(0),
            dead: AtomicBool::new(false),
            step: Step::default(),
            driving: tokio::sync::Mutex::default(),
        }
    }

    /// The process that runs here, if any.
    pub fn life(&self) -> MutexGuard<'_, Option<Life>> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the process that runs here will commit next, while that takes its time.
    pub fn in_hand(&self) -> MutexGuard<'_, Option<InHand>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server. The error says why it did not start.
    pub fn start(&self, world: &Arc<World>) -> Result<(), String> {
        let Opened { store, mut reader, secret, last_high } = world.backend.open(&self.clock)?;
        let clock = Arc::new(DatabaseClock::new(self.clock.clone()));
        let pulse = read_versions(&mut *reader, &clock).map_err(|e| e.to_string())?;
        let events = reader.events().map_err(|e| e.to_string())?;
        let ticket_keys = ticket_keys::all(reader.tables()).map_err(|e| e.to_string())?;
        let webhooks = webhooks::all(reader.tables()).map_err(|e| e.to_string())?;
        let ids = Arc::new(Ids::new(self.rng().bytes(), last_high));
        let secrets = Secrets::new(secret);
        let mut background = JoinSet::new();
        let governor = match world.plan.budget.filter(|_| !on(Mutant::GovernorNotAsked)) {
            None => Governor::unlimited(),
            Some(each) => {
                let (governor, task) = Governor::new(Budget { each, all: each * 4 });
                background.spawn(task);
                governor
            }
        };
        let seldom = if on(Mutant::SeldomLooks) { 10 } else { 1 };
        let wire = SimWire::new(world, self.n);
        let shop = secrets.shop();
        let life = self.lives.fetch_add(1, Ordering::SeqCst) + 1;
        let stripe = Stripe::new(
            Box::new(wire),
            governor,
            Arc::clone(&ids),
            Arc::clone(&clock),
            false,
            shop,
        );
        let Assembled { app, jobs, told, tasks } = assemble(Parts {
            config: world.config.clone(),
            clock,
            ids,
            secrets,
            ticket_keys,
            organiser_key: digest(&[b"organiser", ORGANISER.as_bytes()]),
            events,
            reads: Reads::inline(Box::new(BrokenReader::new(Box::new(Pages::new(
                reader,
                world.plan.page,
            ))))),
            stripe,
            sandbox: None,
            mail: Some(MailParts {
                compose: None,
                relay: Arc::new(SimRelay::new(world, self.n, life)),
                per_second: PER_SECOND,
            }),
            webhooks,
            carry: Arc::new(SimReceiver::new(world, self.n, life)),
            mail_look: Duration::from_millis(world.plan.look_ms),
            process: i64::from(life) * 100 + self.n as i64 + 1,
            look: Duration::from_millis(world.plan.look_ms * seldom),
            pulse,
            follow: Duration::from_millis(world.plan.look_ms),
            due_at_once: world.plan.due_at_once,
            retention: Duration::from_secs(20),
        });
        for task in tasks {
            background.spawn(task);
        }
        let store = Moments::new(store, self.step.clone(), Arc::downgrade(world), self.n);
        let writer = Writer::new(Box::new(store), Arc::clone(&app.metrics));
        let writer = writer.telling(Arc::clone(&app.webhooks.list));
        let writer = writer.dating(Arc::clone(&app.clock), Arc::clone(&app.sales.under_way));
        background.spawn(write(Arc::downgrade(world), self.n, writer, jobs, told));
        let router = http::router(Arc::clone(&app));
        *self.life() =
            Some(Life { app, router, background, requests: JoinSet::new(), lines: Arc::default() });
        self.dead.store(false, Ordering::SeqCst);
        world.tell(None, format!("machine {}: the server starts", self.n));
        self.look_at_all(world);
        // By the clock of the database where there is one: a commit may be seen long after it.
        let now = matches!(world.backend, Backend::Shared(..)).then(|| self.store_now(world));
        world.audit(|auditor, _, _| auditor.process_started(now));
        Ok(())
    }

    /// Kills the process, if one runs: nothing is finished. With the power, the machine's disk may
    /// lose what was not flushed.
    pub async fn kill(&self, world: &World, power_loss: bool) {
        let Some(life) = self.life().take() else { return };
        self.dead.store(true, Ordering::SeqCst);
        world.backend.dies(power_loss.then_some(&mut *self.rng()));
        *self.in_hand() = None;
        let Life { app, router, mut background, mut requests, .. } = life;
        drop((app, router));
        background.abort_all();
        requests.abort_all();
        while let Some(done) = background.join_next().await {
            world.joined(done);
        }
        while let Some(done) = requests.join_next().await {
            world.joined(done);
        }
    }

    /// Stops the process as its operator does: what was accepted is finished.
    pub async fn stop(&self, world: &World) {
        let Some(life) = self.life().take() else { return };
        self.dead.store(true, Ordering::SeqCst);
        let Life { app, router, mut background, mut requests, .. } = life;
        app.stop.raise();
        drop(router);
        let drained = async {
            while let Some(done) = requests.join_next().await {
                world.joined(done);
            }
        };
        _ = timeout(Duration::from_secs(10), drained).await;
        requests.abort_all();
        drop(app);
        background.abort_all();
        *self.in_hand() = None;
        while let Some(done) = background.join_next().await {
            world.joined(done);
        }
        // It may have died in the middle of stopping.
        world.backend.dies(None);
        world.tell(None, format!("machine {}: the server has stopped", self.n));
    }

    /// Whether the process that runs here is this one of all that have run.
    pub fn lives(&self, life: u32) -> bool {
        // The life may be locked by whoever asks, on the way to the relay.
        self.lives.load(Ordering::SeqCst) == life && !self.dead.load(Ordering::SeqCst)
    }

    /// Gives an order another address in the process that runs here, if one does.
    pub fn change_address(
        &self,
        order: OrderId,
        to: String,
    ) -> Option<oneshot::Receiver<Result<Arc<Order>, CommandError>>> {
        let mut life = self.life();
        let life = life.as_mut().filter(|life| !life.app.stop.is_raised())?;
        let (sales, (answer, answered)) = (Arc::clone(&life.app.sales), oneshot::channel());
        life.requests.spawn(async move {
            _ = answer.send(sales.change_address(Actor::Buyer, order, &to, None).await);
        });
        Some(answered)
    }

    /// Lets the process die, as if by itself: its supervisor sees to the rest.
    pub fn dies(&self) {
        self.died.notify_one();
    }

    /// Waits until the process has died by itself.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// Notices what has panicked or ended that must not, if a process runs.
    pub fn look_for_the_dead(&self, world: &World) {
        if let Some(life) = self.life().as_mut() {
            life.look_for_the_dead(world);
        }
    }

    /// Hands a request to the process, if one runs. Dropping the receiver hangs up.
    pub fn request(
        &self,
        world: &Arc<World>,
        request: Request<Body>,
    ) -> Option<oneshot::Receiver<Answer>> {
        let mut life = self.life();
        let life = life.as_mut()?;
        if life.app.stop.is_raised() {
            return None;
        }
        life.look_for_the_dead(world);
        let (router, clock, begun) = (life.router.clone(), self.clock.clone(), world.begun);
        let before = Arc::clone(&life.lines);
        let (mut answer, answered) = oneshot::channel();
        life.requests.spawn(async move {
            let asked = async {
                if on(Mutant::SlowAnswers) {
                    sleep(Duration::from_secs(8)).await;
                }
                let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
                let status = response.status().as_u16();
                let body = response.into_body().collect().await;
                let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                let (mut body, text) = match serde_json::from_slice(&body) {
                    Ok(json) => (json, String::new()),
                    Err(_) => {
                        let text = String::from_utf8_lossy(&body).into_owned();
                        (serde_json::Value::Null, crate::broken::page(text))
                    }
                };
                break_answer(&mut body, &before);
                Answer { status, body, text, clock_ms: clock.now_ms(), at_ms: ms_since(begun) }
            };
            tokio::select! {
                biased;
                // The client hung up: the server drops what it was doing for it.
                () = answer.closed() => {}
                got = asked => { _ = answer.send(got); }
            }
        });
        Some(answered)
    }

    /// Listens to a stream of the process, if one runs: to its last frame. It ends with the process.
    pub fn listen(
        &self,
        world: &Arc<World>,
        request: Request<Body>,
    ) -> Option<watch::Receiver<String>> {
        let mut life = self.life();
        let life = life.as_mut().filter(|life| !life.app.stop.is_raised())?;
        life.look_for_the_dead(world);
        let router = life.router.clone();
        let (sender, receiver) = watch::channel(String::new());
        life.requests.spawn(async move {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            if response.status() != 200 {
                return;
            }
            let mut body = response.into_body();
            let mut before = String::new();
            loop {
                let frame = tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    frame = body.frame() => frame,
                };
                let Some(Ok(frame)) = frame else { return };
                let Ok(data) = frame.into_data() else { continue };
                let now = String::from_utf8_lossy(&data).into_owned();
                let told = if on(Mutant::LiveStops) && !before.is_empty() {
                    before.clone()
                } else {
                    before.clone_from(&now);
                    now
                };
                sender.send_replace(told);
            }
        });
        Some(receiver)
    }

    /// The auditor looks at everything that is recorded.
    fn look_at_all(&self, world: &World) {
        let all = world.backend.read(|reader| {
            let mut all = Vec::new();
            let mut after = None;
            loop {
                let page = reader.all_orders(after, PAGE)?;
                all.extend(page.orders);
                after = page.next;
                if after.is_none() {
                    return Ok((all, reader.events()?));
                }
            }
        });
        let Some((all, events)) = all else { return };
        let now = self.store_now(world);
        world.audit(|auditor, trace, at| auditor.restarted(trace, at, now, all, events));
    }

    fn store_now(&self, world: &World) -> TimeMs {
        match &world.backend {
            Backend::Shared(server, _) => server.now_ms(),
            Backend::File(_) => self.clock.now_ms(),
        }
    }
}

/// Deliberate breaks of what is shown of an order.
fn break_answer(body: &mut Value, before: &Mutex<Value>) {
    if on(Mutant::LinesOfAnother) && body["lines"].is_array() {
        let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *before, &mut body["lines"]);
        if body["lines"].is_null() {
            body["lines"] = before.clone();
        }
    }
    if on(Mutant::BuyersSwapped) && body["buyer"].is_object() {
        body["buyer"]["email"] = body["buyer"]["name"].clone();
    }
}

/// The writer of a process: the loop around [`Writer::step`], with a commit that takes its time.
async fn write(
    world: std::sync::Weak<World>,
    n: usize,
    writer: Writer,
    mut jobs: mpsc::Receiver<Job>,
    told: mpsc::UnboundedSender<Committed>,
) {
    let mut writer = Some(writer);
    let mut doubtful = false;
    loop {
        let Some(most) = world.upgrade().map(|world| world.plan.most_in_batch) else { return };
        let mut jobs_now = Vec::new();
        if jobs.recv_many(&mut jobs_now, most).await == 0 {
            return;
        }
        let Some(world) = world.upgrade() else { return };
        let machine = &world.machines[n];
        let chaos = &world.chaos;
        let takes = if chaos.strikes(Fault::CommitSlow) {
            chaos.between(Fault::CommitSlow, 200, 8_000)
        } else {
            machine.rng().between(0, 12)
        };
        let Some(writer_now) = writer.take() else { return std::future::pending().await };
        *machine.in_hand() =
            Some(InHand { writer: writer_now, jobs: jobs_now, done: None, doubtful });
        let done_early = machine.done_early.notified();
        _ = timeout(Duration::from_millis(takes.unsigned_abs()), done_early).await;
        // It is gone if its step has panicked.
        let hand = machine.in_hand().take();
        let Some(mut hand) = hand else { return std::future::pending().await };
        // It dies at some moment within the step, or right after it.
        let dies = chaos.strikes(Fault::CrashInStep);
        if hand.done.is_none() {
            while hand.jobs.len() < most
                && let Ok(job) = jobs.try_recv()
            {
                hand.jobs.push(job);
            }
            if dies && let Backend::File(base) = &world.backend {
                let calls = chaos.between(Fault::CrashInStep, 0, 80);
                base.disk.halt_after(calls.unsigned_abs());
            }
            if !step(&world, machine, &mut hand) {
                return std::future::pending().await;
            }
        }
        let Some(mut committed) = hand.done else { return std::future::pending().await };
        doubtful = committed.uncertain_since.is_some();
        writer = Some(hand.writer);
        if on(Mutant::NoAlarms) {
            committed.alarms.clear();
        }
        if dies {
            world.tell(None, format!("machine {n}: dies between a commit and its answers"));
            machine.died.notify_one();
            return std::future::pending().await;
        }
        let takes = machine.rng().between(0, 3);
        sleep(Duration::from_millis(takes.unsigned_abs())).await;
        if told.send(committed).is_err() {
            return;
        }
    }
}

/// The auditor looks at what a step has committed.
pub fn look(world: &World, machine: &Machine, committed: &Committed, asked: &Asked) {
    for alarm in &committed.alarms {
        world.tell(Some(alarm.order), format!("ALARM: {}", alarm.text));
    }
    if matches!(world.backend, Backend::Shared(..)) {
        return crate::provider::fences(world);
    }
    let ids = &committed.orders;
    if ids.is_empty() && committed.events.is_empty() {
        return;
    }
    let read = world.backend.read(|reader| {
        let orders = ids.keys().map(|id| reader.order(*id)).collect::<Result<Vec<_>, _>>()?;
        Ok((orders.into_iter().flatten().collect(), reader.events()?))
    });
    let Some((orders, events)) = read else { return };
    let now = machine.store_now(world);
    world.audit(|auditor, trace, at| auditor.committed(trace, at, now, (orders, events), asked));
    crate::provider::fences(world);
}
