//! What the benchmarks share: a crowd over HTTP, and the event that it wants to see.

use axum::extract::{Path, State};
use axum::response::Response;
use boxoffice::{Command, Event, EventSpec, Order, OrderState, Refusal};
use nts_server::app::App;
use nts_server::config::Config;
use nts_server::event_body;
use nts_server::http::extract::Sent;
use nts_server::http::problem::Problem;
use nts_server::http::site::Site;
use nts_server::http::{api, router_with};
use nts_server::language::Lang;
use nts_server::run::Server;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How a crowd was answered.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "not every benchmark looks at everything")]
pub struct Heard {
    /// Answers a second.
    pub rate: f64,
    /// The 99th percentile of the waiting, in milliseconds.
    pub p99_ms: f64,
    /// The 99.9th.
    pub p999_ms: f64,
    /// The longest.
    pub worst_ms: f64,
}

/// Sends so many requests over so many connections, spread over the addresses. `run` is in every
/// idempotency key and every e-mail address: buyers of different runs are different buyers.
pub async fn crowd(
    addresses: &[SocketAddr],
    path: &str,
    connections: usize,
    requests: usize,
    run: &str,
) -> Heard {
    let mut tasks = tokio::task::JoinSet::new();
    let mut streams = Vec::new();
    for n in 0..connections {
        let stream = TcpStream::connect(addresses[n % addresses.len()]).await.unwrap();
        stream.set_nodelay(true).unwrap();
        streams.push(stream);
    }
    let old_route = path.starts_with("/nts/");
    let kind = if old_route { "application/x-www-form-urlencoded" } else { "application/json" };
    let begun = Instant::now();
    for (c, mut stream) in streams.into_iter().enumerate() {
        let (path, run) = (path.to_owned(), run.to_owned());
        let mine = requests / connections;
        tasks.spawn(async move {
            let mut waits = Vec::with_capacity(mine);
            let mut buffer = vec![0u8; 4096];
            for n in 0..mine {
                let body = if old_route {
                    format!("fullname=b{run}.{c}.{n}")
                } else {
                    format!(
                        "{{\"buyer\":{{\"name\":\"Buyer {c} {n}\",\"email\":\"b{run}.{c}.{n}@example.org\"}},\"lines\":[{{\"ticket_type\":\"t\",\"quantity\":1}}]}}"
                    )
                };
                let request = format!(
                    "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\nidempotency-key: {run:0>16}-{c}-{n}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let asked = Instant::now();
                stream.write_all(request.as_bytes()).await.unwrap();
                let (status, _) = answer(&mut stream, &mut buffer).await;
                assert_eq!(status, if old_route { 200 } else { 201 });
                waits.push(asked.elapsed());
            }
            waits
        });
    }
    let mut waits: Vec<Duration> = Vec::with_capacity(requests);
    while let Some(done) = tasks.join_next().await {
        waits.extend(done.unwrap());
    }
    let rate = waits.len() as f64 / begun.elapsed().as_secs_f64();
    waits.sort_unstable();
    let of_thousand = |part: usize| waits[(waits.len() - 1) * part / 1000].as_secs_f64() * 1e3;
    Heard { rate, p99_ms: of_thousand(990), p999_ms: of_thousand(999), worst_ms: of_thousand(1000) }
}

/// What a visitor looks at.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "not every benchmark visits")]
pub struct Wish {
    pub path: &'static str,
    /// Whether it may be compressed.
    pub gzip: bool,
}

/// Looks so often over so many connections; gives looks a second and the bytes of the last answer.
#[allow(dead_code, reason = "not every benchmark visits")]
pub async fn visit(
    address: SocketAddr,
    wish: Wish,
    connections: usize,
    requests: usize,
) -> (f64, usize) {
    let encoding = if wish.gzip { "accept-encoding: gzip, br\r\n" } else { "" };
    let request = format!("GET {} HTTP/1.1\r\nhost: x\r\n{encoding}\r\n", wish.path);
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        streams.push(stream);
    }
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for mut stream in streams {
        let request = request.clone();
        tasks.spawn(async move {
            let (mut buffer, mut size) = (vec![0u8; 8192], 0);
            for _ in 0..requests / connections {
                stream.write_all(request.as_bytes()).await.unwrap();
                let (status, read) = answer(&mut stream, &mut buffer).await;
                assert_eq!(status, 200);
                size = read;
            }
            size
        });
    }
    let mut size = 0;
    while let Some(done) = tasks.join_next().await {
        size = done.unwrap();
    }
    let looks = requests / connections * connections;
    (looks as f64 / begun.elapsed().as_secs_f64(), size)
}

/// Reads one answer with a content-length; gives its status and how long it is.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> (u16, usize) {
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(filled * 2, 0);
        }
        let read = stream.read(&mut buffer[filled..]).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        filled += read;
        let Some(end) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end]).unwrap();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap();
        if filled >= end + 4 + length.parse::<usize>().unwrap() {
            return (head[9..12].parse().unwrap(), filled);
        }
    }
}

/// A route to compare with: everything that a hold does but the hold.
#[allow(dead_code, reason = "not every benchmark holds")]
pub async fn parse_only(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Sent { headers, body }: Sent,
) -> Result<Response, Problem> {
    let event = app.catalogue.event(&slug).ok_or(Problem::from(Refusal::UnknownEvent))?;
    let (command, _) = api::hold_command(&app, &event, &headers, &body, Lang::En)?;
    Ok(answered(&app, &event, command, app.clock.now_ms()))
}

/// The answer to a hold of one ticket type as if it had been taken.
#[allow(dead_code, reason = "not every benchmark holds")]
pub fn answered(app: &App, event: &Event, command: Command, now: i64) -> Response {
    let Command::Hold { order, event: id, buyer, lines, .. } = command else { unreachable!() };
    let t = &event.ticket_types[0];
    let lines = lines.iter().map(|l| boxoffice::Line {
        ticket_type: 0,
        pool: 0,
        quantity: l.quantity as u32,
        unit_minor: t.price_minor,
        refunded: 0,
        restocked: 0,
        extra: boxoffice::Extra::default(),
    });
    let order = Order {
        id: order,
        event: id,
        buyer,
        lines: lines.collect(),
        currency: event.spec.currency,
        state: OrderState::Held,
        placed_ms: now,
        until_ms: now + 300_000,
        due_ms: None,
        tries: 0,
        trouble: None,
        payment: None,
        tender: boxoffice::Tender::Online,
        reference: String::new(),
        answers: Vec::new(),
        metadata: boxoffice::Metadata::default(),
        refunds: vec![],
        tickets: vec![],
    };
    api::held(app, &order, event, order.until_ms)
}

pub fn event_json(capacity: u32) -> serde_json::Value {
    serde_json::json!({
        "name": "Rush", "place": "", "starts_at": "2030-06-01T20:00:00Z", "zone": "UTC",
        "currency": "GBP", "hold_seconds": 3600,
        "pools": [{"id": "all", "capacity": capacity}],
        "ticket_types": [{"id": "t", "name": "T", "pool": "all",
                          "price": {"amount": 100, "currency": "GBP"}}],
    })
}

pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How fast the second is to the first, over all rounds of so many requests of both; and the middle half of
/// what single rounds say, a range that one bad moment does not stretch.
#[allow(dead_code, reason = "not every benchmark has many rounds")]
pub fn compared(rates: &[Vec<f64>; 2]) -> String {
    let [first, second] = rates.each_ref().map(|r| r.iter().map(|rate| 1.0 / rate).sum::<f64>());
    let mut ratios: Vec<f64> = rates[1].iter().zip(&rates[0]).map(|(b, a)| b / a).collect();
    ratios.sort_by(f64::total_cmp);
    let (low, high) = (ratios[ratios.len() / 4], ratios[ratios.len() * 3 / 4]);
    format!("{:.2} ({low:.2}-{high:.2})", first / second)
}

/// A server in a thread of its own, until it is dropped.
#[allow(dead_code, reason = "not every benchmark has it in its own process")]
pub struct Running {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[allow(dead_code, reason = "not every benchmark has it in its own process")]
impl Running {
    /// Serves this database, and some routes more.
    pub fn start(database: &std::path::Path, more: axum::Router<Arc<Site>>) -> Running {
        let database = database.to_str().unwrap().to_owned();
        let (said, hear) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            // As `nts serve` has it on two cores.
            let runtime = nts_server::tasks::front(1).unwrap();
            runtime.block_on(async {
                let server = serve(&database).await;
                let app = Arc::clone(&server.app);
                put_event(&app).await;
                let router = router_with(Arc::clone(&app), more);
                said.send(app.config.address).unwrap();
                drop(app);
                server.serve_router(router, async { _ = stopped.await }).await;
            });
        });
        Running { address: hear.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.stop.take().unwrap().send(());
        _ = self.thread.take().unwrap().join();
    }
}

/// A server on this database.
#[allow(dead_code, reason = "not every benchmark has it in its own process")]
pub async fn serve(database: &str) -> Server {
    let flags = ["--address", "127.0.0.1:0", "--database", database];
    let flags = flags.into_iter().chain(["--organiser-key", KEY]);
    Server::start(Config::from_flags(flags).unwrap()).await.unwrap()
}

/// Makes the events of the benchmarks, or leaves them as they are: `limited` has a limit per buyer,
/// `rush` has none; the last is that of the old routes, one ticket for each name.
pub async fn put_event(app: &App) {
    let old = app.config.show.as_str();
    for (slug, limit_per_buyer) in [("rush", None), ("limited", Some(4)), (old, Some(1))] {
        let body = serde_json::from_value(event_json(10_000_000)).unwrap();
        let id = app.ids.event(app.clock.now_ms());
        let spec = EventSpec { limit_per_buyer, ..event_body::spec(body, slug).unwrap() };
        app.sales.submit(Command::PutEvent { id, spec }, None).await.unwrap();
    }
}

/// The machine's noise: by how many percent the same thing differs from its median when it is measured
/// several times.
#[allow(dead_code, reason = "not every benchmark has a thing that stays the same")]
pub fn noise(values: &[f64]) -> f64 {
    let (low, high) = values.iter().fold((f64::MAX, 0.0f64), |(l, h), v| (l.min(*v), h.max(*v)));
    (high - low) / 2.0 / median(values) * 100.0
}

/// The key of the organiser.
const KEY: &str = "a-key-for-benches";

/// The body of one answer.
#[allow(dead_code, reason = "not every benchmark asks")]
pub async fn body(address: SocketAddr, path: &str) -> Vec<u8> {
    as_organiser(address, "GET", path, "").await
}

/// What the organiser asks, and the body of the answer.
#[allow(dead_code, reason = "not every benchmark asks")]
pub async fn as_organiser(address: SocketAddr, method: &str, path: &str, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let ask = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&answer));
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    answer.split_off(end)
}
