//! A run: machines with the real server on them, a network between them and everybody else, the
//! fake provider, and one runtime whose time is simulated.

use crate::auditor::Auditor;
use crate::breaks::{self, Breaks};
use crate::chaos::Chaos;
use crate::machine::{Backend, Machine};
use crate::pace::Calls;
use crate::plan::{Fault, Plan, StorageKind};
use crate::rng::Rng;
use crate::strangers::{Told, heard};
use crate::trace::{Promise, Trace};
use axum::body::Body;
use axum::http::Request;
use boxoffice::{OrderId, TimeMs};
use nts_api::ProblemCode;
use nts_server::admission::network::Peer;
use nts_server::clock::Clock;
use nts_server::config::Config;
use nts_server::payments::fake::FakeStripe;
use nts_server::store::Reader;
use nts_server::store::records::mail_jobs::MailJob;
use nts_server::store::records::outbox_rows::{Message, of_order, waiting};
use nts_server::store::records::webhooks::all_waiting;
use nts_server::store::records::{Value, get, page};
use serde_json::Value as Json;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{Duration, Instant, sleep};

/// Where these occur, what was done may be recorded late, or another process may take a thing for its own.
const TROUBLE: [Fault; 11] = [
    Fault::ClockJump,
    Fault::ClockInStep,
    Fault::DiskError,
    Fault::DiskFull,
    Fault::CommitSlow,
    Fault::CommitRefused,
    Fault::CommitAnswerLost,
    Fault::CommitLost,
    Fault::CommitLate,
    Fault::ReadFails,
    Fault::MailSlow,
];
/// When every run begins: 2027-01-15T08:00:00Z.
pub const EPOCH_MS: TimeMs = 1_800_000_000_000;
/// The organiser's key.
pub const ORGANISER: &str = "the-organisers-key";
/// The secret with which the provider signs what it rings with.
pub const WEBHOOK_SECRET: &str = "whsec_simulated";
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer that waits for nobody may take where nothing goes wrong, in milliseconds.
const ANSWER_MS: i64 = 5_000;
/// And a sale, from the buyer's last word to what it shows. Who takes another card at the moment at which
/// the bank's page of the first is finished waits for a look at the list or two.
const SALE_MS: i64 = 12_000;
/// Who waits for so long for a server that lives waits forever, in milliseconds: it answers within 25 seconds,
/// and some more for a commit.
const FOREVER_MS: i64 = 29_000;

/// A run.
pub struct World {
    /// What it is made of.
    pub plan: Plan,
    /// What goes wrong.
    pub chaos: Arc<Chaos>,
    /// Stripe.
    pub fake: Arc<FakeStripe>,
    /// Where the orders lie.
    pub backend: Backend,
    /// The settings of all processes.
    pub config: Config,
    /// The machines on which the processes run.
    pub machines: Vec<Machine>,
    /// How far the provider's clock is ahead, in milliseconds.
    pub double_ahead_ms: Arc<AtomicI64>,
    /// What the provider was asked lately, by all processes.
    pub calls: Mutex<Calls>,
    /// When it began.
    pub begun: Instant,
    trace: Mutex<Trace>,
    auditor: Mutex<Auditor>,
    /// What goes on though who asked for it has gone: requests and calls that are late.
    elsewhere: Mutex<JoinSet<()>>,
    /// The secrets that buyers were told.
    told: Mutex<Told>,
    /// What a deliberate break remembers.
    breaks: Mutex<Breaks>,
}

/// What came back.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, if it is JSON.
    pub body: Json,
    /// The body, if it is anything else.
    pub text: String,
    /// What the clock of the machine said when it was made.
    pub clock_ms: TimeMs,
    /// When that was, in milliseconds since the beginning.
    pub at_ms: i64,
}

impl Answer {
    /// The code of a problem; `None`: it is none, or its code is not one of the API's.
    pub fn code(&self) -> Option<ProblemCode> {
        ProblemCode::parse(self.code_text())
    }

    /// The code of a problem as it was sent, or an empty text.
    pub fn code_text(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// What a browser sends from a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// A request of somebody outside.
#[derive(Clone)]
pub struct Ask {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: String,
    /// Bearer token, if any.
    pub bearer: Option<String>,
    /// The idempotency key, if any.
    pub key: Option<String>,
    /// Any other header.
    pub header: Option<(&'static str, String)>,
    /// The address that it comes from, if it is limited by that.
    pub peer: Option<IpAddr>,
    /// Whether it is of somebody who may not do what it asks for.
    pub stranger: bool,
    /// The body.
    pub body: String,
}

impl Ask {
    /// A question.
    pub fn get(path: impl Into<String>) -> Ask {
        Ask {
            method: "GET",
            path: path.into(),
            bearer: None,
            key: None,
            header: None,
            peer: None,
            stranger: false,
            body: String::new(),
        }
    }

    /// Something to be done.
    pub fn post(path: impl Into<String>, body: &Json) -> Ask {
        Ask { method: "POST", body: body.to_string(), ..Ask::get(path) }
    }

    /// By whom.
    pub fn bearer(mut self, token: &str) -> Ask {
        self.bearer = Some(token.into());
        self
    }

    /// By somebody who may not.
    pub fn as_stranger(mut self) -> Ask {
        self.stranger = true;
        self
    }

    /// From which address.
    pub fn from(mut self, peer: IpAddr) -> Ask {
        self.peer = Some(peer);
        self
    }

    /// Under which idempotency key.
    pub fn key(mut self, key: Option<&str>) -> Ask {
        self.key = key.map(str::to_owned);
        self
    }

    /// As the server gets it.
    pub fn request(&self) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        if self.header.as_ref().is_none_or(|(name, _)| *name != "content-type") {
            let kind = if self.path.starts_with("/nts/") { FORM } else { "application/json" };
            request = request.header("content-type", kind);
        }
        if let Some(token) = &self.bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        if let Some((name, value)) = &self.header {
            request = request.header(*name, value);
        }
        if let Some(peer) = self.peer {
            request = request.extension(Peer(peer));
        }
        request.body(Body::from(self.body.clone())).expect("a request")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world at its beginning, within a runtime whose time is paused.
    pub fn new(plan: Plan, whole: bool) -> Result<World, String> {
        let begun = Instant::now();
        let chaos = Arc::new(Chaos::new(&plan));
        let clock = |ahead_ms| Clock::Virtual { begun, begun_ms: EPOCH_MS, ahead_ms };
        let double_ahead_ms = Arc::new(AtomicI64::new(0));
        let double_clock = clock(Arc::clone(&double_ahead_ms));
        let mut rng = Rng::new(plan.seed, 1);
        let fake = FakeStripe::in_memory(double_clock, rng.bytes()).map_err(|e| e.to_string())?;
        let backend =
            Backend::new(&plan, clock(Arc::new(AtomicI64::new(plan.base_ahead_ms))), &chaos);
        let machines = (0..plan.processes).map(|n| {
            // Clocks differ always, not only in special seeds.
            let ahead = Arc::new(AtomicI64::new(rng.between(-500, 500)));
            Machine::new(n, clock(Arc::clone(&ahead)), ahead, Rng::new(plan.seed, 10 + n as u64))
        });
        let secret = format!("--stripe-webhook-secret={WEBHOOK_SECRET}");
        let config = Config::from_flags([
            "--address=127.0.0.1:1",
            "--public-url=http://box.example",
            "--database=simulated",
            "--show=show",
            "--organiser-key=the-organisers-key",
            "--stripe-publishable-key=pk_test_simulated",
            "--stripe-secret-key=sk_test_simulated",
            &secret,
        ])
        .map_err(|e| e.to_string())?;
        let mut auditor =
            Auditor::new(prompt_ms(&plan), plan.faults.contains_key(&Fault::ProviderNulls));
        auditor.processes(plan.processes);
        auditor.clock_moves = TROUBLE.into_iter().any(|fault| plan.faults.contains_key(&fault));
        auditor.ended = plan.ends_ms.map(|ends_ms| EPOCH_MS + ends_ms);
        let machines: Vec<Machine> = machines.collect();
        auditor.clock_is_ahead(
            0,
            match plan.place {
                StorageKind::File => machines[0].ahead_ms.load(Ordering::SeqCst),
                StorageKind::Shared => plan.base_ahead_ms,
            },
        );
        Ok(World {
            plan,
            chaos,
            fake: Arc::new(fake),
            backend,
            config,
            machines,
            double_ahead_ms,
            calls: Mutex::default(),
            begun,
            trace: Mutex::new(Trace::new(whole)),
            auditor: Mutex::new(auditor),
            elsewhere: Mutex::default(),
            told: Mutex::default(),
            breaks: Mutex::default(),
        })
    }

    /// The clock of the database server.
    pub fn clock(&self) -> Clock {
        if let Backend::Shared(server, _) = &self.backend {
            return server.clock();
        }
        let ahead_ms = Arc::new(AtomicI64::new(self.plan.base_ahead_ms));
        Clock::Virtual { begun: self.begun, begun_ms: EPOCH_MS, ahead_ms }
    }

    /// How far the clock of the database server is ahead by now, in milliseconds.
    pub fn base_ahead_ms(&self) -> i64 {
        match &self.backend {
            Backend::Shared(server, _) => self.plan.base_ahead_ms + server.forward_ms(),
            Backend::File(_) => self.plan.base_ahead_ms,
        }
    }

    /// What the clock of the store says.
    pub fn store_now(&self) -> i64 {
        let ahead_ms = match &self.backend {
            Backend::Shared(..) => self.base_ahead_ms(),
            Backend::File(_) => self.machines[0].ahead_ms.load(Ordering::SeqCst),
        };
        EPOCH_MS + self.at_ms() + ahead_ms
    }

    /// Milliseconds since the beginning.
    pub fn at_ms(&self) -> i64 {
        ms_since(self.begun)
    }

    /// The row of a mail, as it is committed; `None`: it cannot be read, or is not there.
    pub fn mail_row(&self, id: u128) -> Option<Message> {
        let key = [Value::Blob(id.to_be_bytes().into())];
        self.backend.read(|reader| get::<Message>(reader.tables(), &key))?
    }

    /// How many mails wait, and how many jobs that make some.
    pub fn mails_waiting(&self) -> usize {
        let read = |reader: &mut dyn Reader| {
            let jobs: Vec<MailJob> = page(reader.tables(), None, 10)?;
            Ok(waiting(reader.tables(), "mail")?.0 as usize + jobs.len())
        };
        // Nobody can read it while no process runs.
        self.backend.read(read).unwrap_or(1)
    }

    /// Tells what became of the mails about an order.
    pub fn tell_mails(&self, order: OrderId) {
        let read = |reader: &mut dyn Reader| of_order(reader.tables(), "mail", order, 100);
        for mail in self.backend.read(read).into_iter().flatten() {
            let Message { subject, state, last_error, .. } = mail;
            let why = last_error.unwrap_or_default();
            self.tell(Some(order), format!("mail {subject}: {} {why}", state.word()));
        }
    }

    /// How many messages to webhooks wait.
    pub fn hooks_waiting(&self) -> usize {
        let read = |reader: &mut dyn Reader| Ok(all_waiting(reader.tables())? as usize);
        self.backend.read(read).unwrap_or(1)
    }

    /// The story so far.
    pub fn trace(&self) -> MutexGuard<'_, Trace> {
        lock(&self.trace)
    }

    /// The secrets that buyers were told.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        lock(&self.told)
    }

    /// Lets the auditor look at something.
    pub fn audit<T>(&self, look: impl FnOnce(&mut Auditor, &mut Trace, i64) -> T) -> T {
        let mut auditor = lock(&self.auditor);
        // What has been committed since, by whichever process, whether it lives to tell it or not.
        if let Backend::Shared(server, _) = &self.backend {
            for news in server.news() {
                let (at_ms, now, what) = (self.at_ms(), news.now_ms, (news.orders, news.events));
                auditor.committed(&mut self.trace(), at_ms, now, what, &news.asked);
            }
        }
        look(&mut auditor, &mut self.trace(), self.at_ms())
    }

    /// Tells a line of the story.
    pub fn tell(&self, order: Option<OrderId>, text: impl Into<String>) {
        self.trace().tell(self.at_ms(), order, text.into());
    }

    /// A rare situation was reached.
    pub fn mark(&self, what: &'static str) {
        self.trace().mark(what);
    }

    /// A promise is broken.
    pub fn broken(&self, promise: Promise, order: Option<OrderId>, text: impl Into<String>) {
        self.trace().broken(self.at_ms(), promise, order, text.into());
    }

    /// Whether a promise was broken: then nothing that follows is worth its time.
    pub fn is_broken(&self) -> bool {
        self.trace().violation.is_some()
    }

    /// Begins something that goes on until the run ends.
    pub fn elsewhere(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut elsewhere = lock(&self.elsewhere);
        elsewhere.spawn(task);
        while let Some(done) = elsewhere.try_join_next() {
            self.joined(done);
        }
    }

    /// Looks at how a task ended.
    pub fn joined(&self, done: Result<(), tokio::task::JoinError>) {
        if let Err(error) = done
            && error.is_panic()
        {
            self.panicked();
        }
    }

    /// Something panicked.
    pub fn panicked(&self) {
        let said = crate::panics::take().unwrap_or_else(|| "a panic".into());
        self.broken(Promise::NoPanic, None, said);
    }

    /// Ends everything; nothing of it is left in the runtime.
    pub async fn end(&self) {
        for machine in &self.machines {
            machine.kill(self, false).await;
        }
        let mut elsewhere = std::mem::take(&mut *lock(&self.elsewhere));
        elsewhere.abort_all();
        while let Some(done) = elsewhere.join_next().await {
            self.joined(done);
        }
    }

    // ---- the network between the machines and the world

    /// Asks a machine over a network on which everything may go wrong. `None`: no answer came, and
    /// it is not known whether the request arrived.
    pub async fn ask(self: &Arc<World>, rng: &mut Rng, who: &str, ask: Ask) -> Option<Answer> {
        let n = rng.below(self.machines.len() as u64) as usize;
        let way = |rng: &mut Rng| Duration::from_millis(rng.between(2, 60) as u64);
        let (there, back) = (way(rng), way(rng));
        self.audit(|auditor, _, _| auditor.sent(&ask.path, ask.key.as_deref(), &ask.body));
        let patience = Instant::now() + PATIENCE;
        let chaos = &self.chaos;
        let what = format!("{who}: {} {}", ask.method, ask.path);
        if !ask.stranger {
            let key = ask.key.as_deref();
            self.audit(|a, _, _| a.asks(ask.method, &ask.path, key, &ask.body, 1));
        }
        if chaos.strikes(Fault::RequestLost) {
            self.tell(None, format!("{what} is lost on its way"));
            tokio::time::sleep_until(patience).await;
            return None;
        }
        if chaos.strikes(Fault::RequestTwice) {
            if ask.key.is_none() && !ask.stranger {
                self.audit(|auditor, _, _| {
                    auditor.asks(ask.method, &ask.path, None, &ask.body, 1);
                    if ask.path.ends_with("/orders") || ask.path.ends_with("/reserve") {
                        auditor.may_have(who, 1);
                    } else if let Some(order) = paid_by(&ask.path) {
                        auditor.may_pay(order, 1);
                    }
                });
            }
            self.audit(|auditor, _, _| auditor.sent(&ask.path, ask.key.as_deref(), &ask.body));
            let (world, again) = (Arc::clone(self), ask.clone());
            let late = chaos.between(Fault::RequestTwice, 1, 90_000);
            let told = format!("{what} arrives again");
            self.elsewhere(async move {
                sleep(Duration::from_millis(late.unsigned_abs())).await;
                world.tell(None, told);
                if let Some(answer) = world.deliver(n, &again) {
                    _ = answer.await;
                }
            });
        }
        if chaos.strikes(Fault::Slow) {
            sleep(Duration::from_millis(chaos.between(Fault::Slow, 500, 20_000).unsigned_abs()))
                .await;
        }
        sleep(there).await;
        let (asked, question) = (Instant::now(), self.audit(|auditor, _, at| auditor.question(at)));
        let Some(answer) = self.deliver(n, &ask) else {
            self.tell(None, format!("{what}: nobody listens at machine {n}"));
            return None;
        };
        // Dropping it hangs up.
        let answer = tokio::time::timeout_at(patience, answer).await;
        self.answered(&ask, asked, &answer);
        let Ok(Ok(answer)) = answer else {
            self.tell(None, format!("{what}: no answer"));
            return None;
        };
        if chaos.strikes(Fault::AnswerLost) {
            self.tell(None, format!("{what}: {} is lost on its way", answer.status));
            tokio::time::sleep_until(patience).await;
            return None;
        }
        self.audit(|auditor, story, at| {
            auditor.answer_given(story, at, question, &ask.path, &answer.text);
        });
        sleep(back).await;
        heard(&mut self.told(), &ask, &answer);
        let code = answer.code_text();
        self.tell(None, format!("{what}: {} {code}", answer.status));
        if answer.status == 500 {
            self.broken(Promise::NoPanic, None, format!("{what} was answered with 500"));
        }
        Some(answer)
    }

    /// Whether the answer took too long, or did not come although the server lives.
    fn answered<T>(&self, ask: &Ask, asked: Instant, answer: &Result<Result<Answer, T>, Elapsed>) {
        let took_ms = ms_since(asked);
        let waits = ["/pay", "/cancel", "/refunds"].iter().any(|end| ask.path.ends_with(end));
        let paid = |a: &Answer| ask.path.ends_with("/pay") && a.body["state"] == "paid";
        let most_ms = match (answer, prompt_ms(&self.plan)) {
            // Who is dead has dropped the request.
            // Who waits in a line of slow commits, each for one request, waits for as many of them.
            (Err(_), _) if self.plan.most_in_batch < 10 => return,
            (Err(_), _) => FOREVER_MS,
            (Ok(Ok(answer)), Some(_)) if paid(answer) => SALE_MS,
            (Ok(Ok(_)), Some(_)) if !waits => ANSWER_MS,
            _ => return,
        };
        if took_ms > most_ms {
            let text = format!("{} {} took {took_ms} ms", ask.method, ask.path);
            self.broken(Promise::AllSettles, paid_by(&ask.path), text);
        }
    }

    /// Hands a request to the server on a machine; `None` if none runs there.
    pub fn deliver(
        self: &Arc<World>,
        n: usize,
        ask: &Ask,
    ) -> Option<tokio::sync::oneshot::Receiver<Answer>> {
        let bent = breaks::bend(&self.told(), &mut lock(&self.breaks), ask);
        self.machines[n].request(self, bent.as_ref().unwrap_or(ask).request())
    }

    /// Asks machine after machine until one answers, however long it takes: for who must be heard.
    pub async fn retry_until_answered(
        self: &Arc<World>,
        rng: &mut Rng,
        who: &str,
        ask: Ask,
    ) -> Answer {
        loop {
            if let Some(answer) = self.ask(rng, who, ask.clone()).await
                && answer.status != 503
            {
                return answer;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// How far a machine's clock is ahead, moved by so much.
    pub fn jump(&self, n: usize, by_ms: i64) {
        let ahead_ms = self.machines[n].ahead_ms.fetch_add(by_ms, Ordering::SeqCst) + by_ms;
        if self.plan.place == StorageKind::File {
            self.audit(|auditor, _, at| auditor.clock_is_ahead(at, ahead_ms));
        }
    }
}

/// How long what is owed may wait at most where nothing goes wrong: for the look at the list, the
/// provider and a commit, with much to spare. `None`: something may delay it.
fn prompt_ms(plan: &Plan) -> Option<i64> {
    let nothing = plan.faults.is_empty() && plan.budget != Some(3);
    nothing.then_some(15_000)
}

/// How long ago that was, in milliseconds.
pub fn ms_since(begun: Instant) -> i64 {
    i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// The order that a request wants to pay.
fn paid_by(path: &str) -> Option<OrderId> {
    let id = path.strip_prefix("/api/v1/orders/")?.strip_suffix("/pay")?;
    uuid::Uuid::try_parse(id).ok().map(|id| OrderId(id.as_u128()))
}
