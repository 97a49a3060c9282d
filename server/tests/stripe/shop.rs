//! A server and the fake Stripe, with real HTTP between them, and clocks that a test can turn.

use boxoffice::{Command, Order, OrderId, OrderState, TicketState};
use nts_server::app::App;
use nts_server::audit::{Against, Failed, Report, audit};
use nts_server::clock::Clock;
use nts_server::config::Config;
use nts_server::event_body;
use nts_server::payments::CallError;
use nts_server::payments::fake::{FakeStripe, InjectedFault, Operation, http};
use nts_server::reads::Reads;
use nts_server::run::Server;
use nts_server::settlement::Notice;
use nts_server::store::Database;
use nts_testkit::{Answer, Postgres, Request, eventually_async};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const KEY: &str = "a-key-for-the-tests";
pub const WEBHOOK: &str = "whsec_of_the_tests";
pub const HOUR: i64 = 3_600_000;

/// The ways in which any call may go wrong.
pub const WAYS: [InjectedFault; 16] = [
    InjectedFault::LostBefore,
    InjectedFault::LostAfter,
    InjectedFault::NoConnection,
    InjectedFault::TooMany,
    InjectedFault::Conflict,
    InjectedFault::ErrorBefore,
    InjectedFault::ErrorAfter,
    InjectedFault::Html,
    InjectedFault::HtmlOk,
    InjectedFault::Garbled,
    InjectedFault::HangBefore,
    InjectedFault::HangAfter,
    InjectedFault::LockTimeout,
    InjectedFault::DependencyBefore,
    InjectedFault::DependencyAfter,
    InjectedFault::Nulls,
];

/// A clock that runs as fast as the real one, some time ahead of it.
#[derive(Clone, Default)]
pub struct Time {
    ahead: Arc<AtomicI64>,
    shown: Arc<AtomicI64>,
    stopped: Arc<AtomicBool>,
}

impl Time {
    pub fn start() -> Time {
        let time = Time::default();
        time.show();
        let ticking = time.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                ticking.show();
            }
        });
        time
    }

    fn show(&self) {
        if !self.stopped.load(Ordering::SeqCst) {
            let now = Clock::System.now_ms() + self.ahead.load(Ordering::SeqCst);
            self.shown.store(now, Ordering::SeqCst);
        }
    }

    /// From now on it stands still: nothing becomes due any more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    pub fn jump(&self, ms: i64) {
        self.ahead.fetch_add(ms, Ordering::SeqCst);
        self.show();
    }

    pub fn clock(&self) -> Clock {
        Clock::Manual(Arc::clone(&self.shown))
    }
}

pub struct Shop {
    pub fake: Arc<FakeStripe>,
    /// Stripe's clock.
    pub stripe_time: Time,
    /// Ours.
    pub time: Time,
    pub dir: PathBuf,
    pub fake_at: SocketAddr,
    flags: Vec<String>,
    answering: JoinHandle<()>,
    life: Option<Life>,
}

/// One run of the server.
struct Life {
    app: Arc<App>,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Life {
    async fn begin(flags: &[String], time: &Time) -> Life {
        // A machine that is busy with others is not an overrun server.
        let flags = flags.iter().map(String::as_str).chain(["--overload-lag-ms=0"]);
        let config = Config::from_flags(flags).unwrap();
        let server = Server::start_at(config, time.clock()).await.unwrap();
        let app = Arc::clone(&server.app);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(server.serve(async { _ = stopped.await }));
        Life { app, stop, serving }
    }
}

/// How a shop is set up.
#[derive(Clone)]
pub struct Setup {
    pub places: u32,
    pub hold_seconds: u32,
    pub price: i64,
    pub currency: &'static str,
    pub timeout_ms: u32,
    pub endpoint_calls: u32,
    pub calls: u32,
    pub webhook_secret: &'static str,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            places: 1_000,
            hold_seconds: 300,
            price: 1_000,
            currency: "GBP",
            timeout_ms: 300,
            endpoint_calls: 10_000,
            calls: 40_000,
            webhook_secret: WEBHOOK,
        }
    }
}

pub async fn shop(name: &str) -> Shop {
    Shop::start(name, Setup::default()).await
}

impl Shop {
    pub async fn start(name: &str, setup: Setup) -> Shop {
        let dir = std::env::temp_dir().join(format!("nts-stripe-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let (time, stripe_time) = (Time::start(), Time::start());
        let seed = [name.len() as u8; 32];
        let fake = Arc::new(FakeStripe::in_memory(stripe_time.clock(), seed).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake_at = listener.local_addr().unwrap();
        let answering = tokio::spawn(http::serve(Arc::clone(&fake), listener));
        // Without a PostgreSQL the same is tested on a file, and that is said.
        let server = if crate::ON_POSTGRES { Postgres::shared() } else { None };
        let database = match server {
            Some(server) => server.url(&server.database()),
            None => dir.join("nts.db").display().to_string(),
        };
        let flags = vec![
            "--address=127.0.0.1:0".into(),
            format!("--organiser-key={KEY}"),
            format!("--database={database}"),
            "--stripe-secret-key=sk_test_secretkey".into(),
            "--stripe-publishable-key=pk_test_publishable".into(),
            format!("--stripe-api-base=http://{fake_at}"),
            format!("--stripe-timeout-ms={}", setup.timeout_ms),
            format!("--stripe-endpoint-calls={}", setup.endpoint_calls),
            format!("--stripe-calls={}", setup.calls),
            format!("--stripe-webhook-secret={}", setup.webhook_secret),
        ];
        let life = Some(Life::begin(&flags, &time).await);
        // The key was tried: what is counted from now on is the sale's.
        let shop = Shop { fake, stripe_time, time, dir, fake_at, flags, answering, life };
        shop.called(Operation::Cancel, 1).await;
        shop.make_event("rock", &setup).await;
        shop
    }

    pub fn app(&self) -> &Arc<App> {
        &self.life.as_ref().expect("it runs").app
    }

    pub async fn make_event(&self, slug: &str, setup: &Setup) {
        let body = serde_json::from_value(json!({
            "name": "Rock", "starts_at": "2030-01-01T20:00:00Z", "zone": "UTC",
            "currency": setup.currency, "hold_seconds": setup.hold_seconds,
            "pools": [{"id": "all", "capacity": setup.places}],
            "ticket_types": [{"id": "t", "name": "T", "pool": "all",
                              "price": {"amount": setup.price, "currency": setup.currency}}],
        }))
        .unwrap();
        let app = self.app();
        let id = app.ids.event(app.clock.now_ms());
        let spec = event_body::spec(body, slug).unwrap();
        app.sales.submit(Command::PutEvent { id, spec }, None).await.unwrap();
    }

    /// Stops the server; what it left in the database stays.
    pub async fn stop(&mut self) {
        let Life { app, stop, serving } = self.life.take().expect("it runs");
        stop.send(()).unwrap();
        drop(app);
        serving.await.unwrap();
    }

    /// Starts it again.
    pub async fn start_again(&mut self) {
        assert!(self.life.is_none());
        self.life = Some(Life::begin(&self.flags, &self.time).await);
    }

    /// Stripe goes away: nobody listens at its address.
    pub async fn unplug(&mut self) {
        self.answering.abort();
        _ = (&mut self.answering).await;
    }

    /// Stripe is back at the same address.
    pub async fn plug_in(&mut self) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.fake_at).unwrap();
        let listener = socket.listen(1024).unwrap();
        self.answering = tokio::spawn(http::serve(Arc::clone(&self.fake), listener));
    }

    /// Stops everything, after an audit that must find nothing wrong.
    pub async fn close(mut self) {
        self.balanced().await;
        self.stop().await;
        self.answering.abort();
        std::fs::remove_dir_all(&self.dir).unwrap();
    }

    // ---- what buyers and organisers do, over HTTP

    pub async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        exchange(self.app().config.address, method, path, headers, body).await
    }

    /// The head of the answer to a GET.
    pub async fn head(&self, path: &str) -> String {
        sent(self.app().config.address, "GET", path, &[], "").await.headers + "\r\n"
    }

    pub async fn hold(&self, buyer: &str, quantity: u32) -> Held {
        self.hold_at("rock", buyer, quantity).await
    }

    pub async fn hold_at(&self, event: &str, buyer: &str, quantity: u32) -> Held {
        let body = json!({"buyer": {"name": buyer, "email": format!("{buyer}@example.org")},
                          "lines": [{"ticket_type": "t", "quantity": quantity}]});
        let path = format!("/api/v1/events/{event}/orders");
        let (status, text) = self.http("POST", &path, &[], &body.to_string()).await;
        assert_eq!(status, 201, "{text}");
        let held: Value = serde_json::from_str(&text).unwrap();
        let id = held["id"].as_str().unwrap().to_owned();
        let secret = held["secret"].as_str().unwrap().to_owned();
        let order = OrderId(uuid::Uuid::try_parse(&id).unwrap().as_u128());
        Held { order, id, secret }
    }

    /// Gives the status and the answer.
    pub async fn pay(&self, held: &Held, token: &str) -> (u16, Value) {
        let path = format!("/api/v1/orders/{}/pay", held.id);
        let bearer = format!("Bearer {}", held.secret);
        let body = json!({"token": token}).to_string();
        let (status, text) = self.http("POST", &path, &[("authorization", &bearer)], &body).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} {text}")))
    }

    pub async fn cancel(&self, held: &Held) -> (u16, String) {
        let path = format!("/api/v1/orders/{}/cancel", held.id);
        let bearer = format!("Bearer {}", held.secret);
        self.http("POST", &path, &[("authorization", &bearer)], "{}").await
    }

    /// Asks for a refund under a key of its own.
    pub async fn refund(&self, held: &Held, body: Value) -> (u16, Value) {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let key = format!("refund {}", ASKED.fetch_add(1, Ordering::Relaxed));
        let path = format!("/api/v1/orders/{}/refunds", held.id);
        let bearer = format!("Bearer {KEY}");
        let body = body.to_string();
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", &key)];
        let (status, text) = self.http("POST", &path, &headers, &body).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} {text}")))
    }

    /// The order's page.
    pub async fn page(&self, held: &Held) -> String {
        let path = format!("/orders/{}/{}", held.id, held.secret);
        let (status, text) = self.http("GET", &path, &[], "").await;
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Notice as Stripe does, with everything that it says since event `since`, in this order.
    pub async fn ring(&self, since: i64) -> i64 {
        let mut last = since;
        for (n, body) in self.fake.events_since(since).unwrap() {
            assert_eq!(self.webhook(&body).await.0, 200);
            last = last.max(n);
        }
        last
    }

    /// One webhook, signed now.
    pub async fn webhook(&self, body: &str) -> (u16, String) {
        let seconds = self.time.clock().now_ms() / 1000;
        self.webhook_signed(body, &FakeStripe::signature(WEBHOOK, seconds, body)).await
    }

    pub async fn webhook_signed(&self, body: &str, signature: &str) -> (u16, String) {
        let headers = [("stripe-signature", signature)];
        self.http("POST", "/stripe/webhook", &headers, body).await
    }

    /// Waits until every notice that came so far was handled. They are handled one after the other, so
    /// the last of them, of a payment that this order does not have, is received when all before it are
    /// done.
    pub async fn notices_handled(&self, held: &Held) {
        let notices = &self.app().settlement.notices;
        notices.add(Notice { intent: "pi_not_its_own".into(), order: Some(held.order) });
        eventually_async("the notices are handled", async || {
            if notices.is_empty() { Ok(()) } else { Err(notices.len()) }
        })
        .await
    }

    /// Waits until Stripe was called in this way so often.
    pub async fn called(&self, operation: Operation, times: u64) {
        eventually_async("Stripe is called", async || {
            let calls = self.fake.calls();
            let enough = calls.get(&operation).is_some_and(|made| *made >= times);
            if enough { Ok(()) } else { Err(calls) }
        })
        .await
    }

    // ---- what is so

    pub async fn order(&self, held: &Held) -> Order {
        let id = held.order;
        self.app().sales.reads.ask(move |r| r.order(id)).await.unwrap().unwrap()
    }

    /// All orders as they are.
    pub async fn orders(&self) -> Vec<Order> {
        self.app().sales.reads.ask(|r| r.all_orders(None, 500)).await.unwrap().orders
    }

    pub async fn intent(&self, held: &Held) -> String {
        let order = self.until("it has a PaymentIntent", held, |o| {
            o.payment.as_ref().is_some_and(|p| p.intent.is_some())
        });
        order.await.payment.unwrap().intent.unwrap()
    }

    pub async fn until(&self, what: &str, held: &Held, is: impl Fn(&Order) -> bool) -> Order {
        eventually_async(what, async || {
            let order = self.order(held).await;
            if is(&order) { Ok(order) } else { Err(order) }
        })
        .await
    }

    /// Waits until the metrics say something.
    pub async fn metrics(&self, what: &str, is: impl Fn(&str) -> bool) {
        eventually_async(what, async || {
            let (_, text) = self.http("GET", "/metrics", &[], "").await;
            if is(&text) { Ok(()) } else { Err(text) }
        })
        .await
    }

    pub async fn state(&self, held: &Held, state: OrderState) -> Order {
        self.until(state.word(), held, |o| o.state == state).await
    }

    pub async fn settled(&self, held: &Held) -> Order {
        self.until("it settles", held, |o| o.due_ms.is_none()).await
    }

    /// Turns our clock on to when the order is tried next, again and again, until something is so. Gives
    /// how long that took by our clock, in milliseconds.
    pub async fn as_time_goes_by(&self, held: &Held, is: impl Fn(&Order) -> bool) -> (Order, i64) {
        let begun = self.time.clock().now_ms();
        loop {
            let order = self.order(held).await;
            if is(&order) {
                return (order, self.time.clock().now_ms() - begun);
            }
            let (tries, due_ms) = (order.tries, order.due_ms);
            // A hold has nothing to try: it would only run out.
            let due = due_ms.filter(|_| order.state != OrderState::Held);
            self.time.jump(due.map_or(0, |due| (due - self.time.clock().now_ms()).max(0)));
            let moved = |o: &Order| is(o) || (o.tries, o.due_ms) != (tries, due_ms);
            self.until("it is tried", held, moved).await;
        }
    }

    /// The fake's ledger: what was taken and given back of an order.
    pub fn moved(&self, held: &Held) -> (i64, i64) {
        let moved = self.fake.ledger(held.order).unwrap();
        (moved.captured, moved.refunded)
    }

    pub async fn report(&self, settle: bool) -> Report {
        let database = Database::parse(self.app().config.database.told()).unwrap();
        let clock = self.time.clock();
        let opening = tokio::task::spawn_blocking(move || database.reader(&clock).unwrap());
        let reads = Reads::threads(vec![opening.await.unwrap()]).unwrap();
        let stripe = &self.app().settlement.stripe;
        // A list that a busy machine did not give in time is asked for again.
        for _ in 0..20 {
            let against = Against { stripe, since_s: 0, settle };
            match audit(&reads, &self.time.clock(), Some(against)).await {
                Err(Failed::Provider(CallError::Unknown(_))) => {}
                report => return report.unwrap(),
            }
        }
        panic!("the provider's lists cannot be read")
    }

    /// Our own audit, and one that knows nothing of it: the fake's ledger against the tickets.
    pub async fn balanced(&self) {
        let report = self.report(false).await;
        assert!(report.balanced(), "{report}");
        let mut ledger = self.fake.ledger_all().unwrap();
        let mut after = None;
        loop {
            let page = self.app().sales.reads.ask(move |r| r.all_orders(after, 500)).await.unwrap();
            for order in &page.orders {
                let moved = ledger.remove(&order.id).unwrap_or_default();
                let kept = moved.captured - moved.refunded;
                let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid);
                let worth: i64 = valid.map(|t| order.lines[usize::from(t.line)].unit_minor).sum();
                // What went back beside tickets.
                let beside = order.refunds.iter().filter(|r| r.by_hand || r.of_amount);
                let by_hand: i64 = beside.map(|r| r.amount_minor).sum();
                // What a bank has sent back is the buyer's: the books say so.
                let kept = kept - order.owed_back().minor;
                assert!(kept <= worth && worth <= kept + by_hand, "{kept} kept: {order:#?}");
                assert!(moved.captured <= order.total().minor, "charged twice: {order:#?}");
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        // What the books have forgotten was given back.
        ledger.retain(|_, moved| moved.captured != moved.refunded);
        assert!(ledger.is_empty(), "money of orders that we do not know: {ledger:?}");
        assert_eq!(self.fake.authorised().unwrap(), Vec::<String>::new(), "left set aside");
    }
}

/// An order and the key to it.
#[derive(Clone)]
pub struct Held {
    pub order: OrderId,
    pub id: String,
    pub secret: String,
}

/// One request on a connection of its own.
pub async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let answer = sent(address, method, path, headers, body).await;
    (answer.status, answer.text())
}

async fn sent(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::new(method, path).body(body.into());
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send_async(address).await.unwrap()
}
