//! Finding and exporting among very many orders of one event: how long a first page takes, how long the search table
//! takes to fill, how long the files take, and how much memory the server has meanwhile.
//!
//! Method. Free orders with names of people are ordered, paid and issued a ticket through the writer in large batches;
//! every tenth is held only. The search table is filled as the task of the server fills it, without its pauses. Then
//! a server in a process of its own (this program again) is asked over HTTP, as a program of the organiser's asks:
//! each question 21 times, the middle one counts. Memory is the highest resident set (Linux only).
//! `cargo bench -p nts-server --bench search`; `-- --orders 1000000` for the figures in docs/performance.md, and
//! `--database postgres://…` (an empty database) for PostgreSQL. `--keep` leaves the SQLite file where it says.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use boxoffice::{Buyer, Command, EventId, LineWish, PaymentId};
use nts_server::clock::{Clock, DatabaseClock};
use nts_server::config::Config;
use nts_server::event_body;
use nts_server::identity::buyer_key;
use nts_server::ids::Ids;
use nts_server::metrics::Metrics;
use nts_server::organiser::search::fill::{Fill, step};
use nts_server::reads::Reads;
use nts_server::run::Server;
use nts_server::store::Database;
use nts_server::writer::{Job, Queue, Writer};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BATCH: u64 = 1_000;
const KEY: &str = "a-key-for-benches";
const FIRST: &[&str] = &[
    "Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Ken", "Margaret", "Dennis",
    "Radia", "Niklaus", "Anita", "Tim", "Hedy", "Linus", "Jean", "John", "Karen", "Leslie",
];
const LAST: &[&str] = &[
    "Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Allen", "Thompson", "Hamilton",
    "Ritchie", "Perlman", "Wirth", "Borg", "Lee", "Lamarr", "Müller", "Sammet", "Backus", "Jones",
    "Lamport",
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let after = |flag: &str| Some(args.get(args.iter().position(|a| a == flag)? + 1)?.clone());
    if let Some(database) = after("--only-serve") {
        return only_serve(&database);
    }
    let quick = args.iter().any(|a| a == "--quick" || a == "--test");
    let told = after("--orders").map(|n| n.parse().unwrap());
    let orders: u64 = told.unwrap_or(if quick { 5_000 } else { 200_000 });
    let dir = std::env::temp_dir().join(format!("nts-search-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("nts.db");
    let database = after("--database").unwrap_or(file.to_str().unwrap().into());
    let id = make(&database, orders);

    let mut child = serve(&database);
    println!("{:>42}  {:>9}  {:>6}", "first page of", "ms", "orders");
    for (what, query) in [
        ("the list, the oldest first", String::new()),
        ("an id", format!("q={id}")),
        ("the begin of an id", format!("q={}", &id[..8])),
        ("a name that one order has", "q=zuse+777".into()),
        ("a first name that one in twenty has", "q=ada".into()),
        ("a first and a last name, one in 400", "q=ada+lovelace".into()),
        ("last name first", "q=lamport+grace".into()),
        ("two names that are never together", "q=ada+zuse".into()),
        ("one letter", "q=a".into()),
        ("an address", "email=ada.hopper.20@example.org".into()),
        ("the begin of an address", "q=ada.hopper.20".into()),
        ("nothing that is there", "q=nobody+at+all".into()),
        ("a name, in a state that few are in", "q=ada&state=refunded".into()),
        ("a state that one in ten is in", "state=held".into()),
        ("a state that none is in", "state=void".into()),
        ("what has changed since tomorrow", "changed_since=2999-01-01T00:00:00Z".into()),
    ] {
        let path = format!("/api/v1/events/many/orders?limit=50&{query}");
        let mut took = Vec::new();
        let mut found = 0;
        for _ in 0..21 {
            let begun = Instant::now();
            let body = ask(child.address, &path, &mut |_| {});
            took.push(begun.elapsed().as_secs_f64() * 1e3);
            let list: serde_json::Value = serde_json::from_slice(&body).unwrap();
            found = list["orders"].as_array().unwrap_or_else(|| panic!("{list}")).len();
        }
        took.sort_by(f64::total_cmp);
        println!("{what:>42}  {:>9.1}  {found:>6}", took[10]);
    }
    let idle = child.memory_mb("VmRSS:");
    for file in ["orders.csv", "tickets.csv", "payments.csv", "days.csv"] {
        let (begun, mut lines) = (Instant::now(), 0);
        let path = format!("/api/v1/events/many/export/{file}");
        let mut count = |part: &[u8]| lines += part.iter().filter(|byte| **byte == b'\n').count();
        _ = ask(child.address, &path, &mut count);
        println!("{file}: {lines} lines in {:.1} s", begun.elapsed().as_secs_f64());
    }
    println!(
        "memory: {idle:.1} MB after the searches, {:.1} MB at most with the exports",
        child.memory_mb("VmHWM:")
    );
    child.end();
    if args.iter().any(|a| a == "--keep") {
        println!("the database is {database}");
    } else {
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

/// Makes the orders, fills the search table, and gives the id of an order in the middle.
fn make(database: &str, orders: u64) -> String {
    let database = Database::parse(database).unwrap();
    let clock = Clock::System;
    let opened = database.open(clock.clone()).unwrap();
    let ids = match opened.node {
        Some(node) => Ids::shared([9; 32], opened.last_high, node),
        None => Ids::new([9; 32], opened.last_high),
    };
    let mut writer = Writer::new(opened.store, Arc::new(Metrics::default()));
    let event = serde_json::json!({
        "name": "Many", "place": "", "starts_at": "2030-06-01T20:00:00Z", "zone": "UTC",
        "currency": "GBP", "hold_seconds": 3600,
        "pools": [{"id": "all", "capacity": 10_000_000}],
        "ticket_types": [{"id": "t", "name": "T", "pool": "all",
                          "price": {"amount": 0, "currency": "GBP"}}],
    });
    let spec = event_body::spec(serde_json::from_value(event).unwrap(), "many").unwrap();
    let event = ids.event(clock.now_ms());
    decide(&mut writer, vec![Command::PutEvent { id: event, spec }]);
    let begun = Instant::now();
    let (mut made, mut middle) = (0, String::new());
    while made < orders {
        let mut commands = Vec::with_capacity(2 * BATCH as usize);
        for _ in 0..BATCH.min(orders - made) {
            let hold = hold(&ids, &clock, event, made);
            let Command::Hold { order, .. } = hold else { unreachable!() };
            commands.push(hold);
            if made % 10 > 0 {
                let payment = PaymentId(order.0 ^ 1);
                commands.push(Command::Pay { order, payment, live: false, token: String::new() });
            }
            if made == orders / 2 {
                middle = uuid::Uuid::from_u128(order.0).to_string();
            }
            made += 1;
        }
        decide(&mut writer, commands);
    }
    println!("{orders} orders: made in {:.0} s", begun.elapsed().as_secs_f64());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    runtime.block_on(async {
        let metrics = Arc::new(Metrics::default());
        let (queue, jobs) = Queue::new(1_000, Duration::from_secs(60), metrics);
        let (told, _hear) = tokio::sync::mpsc::unbounded_channel();
        let writer = std::thread::spawn(move || writer.run(jobs, &told));
        let reads = Reads::threads(vec![database.reader(&clock).unwrap()]).unwrap();
        let clock = Arc::new(DatabaseClock::new(clock.clone()));
        let fill = Fill { queue, reads, clock };
        while step(&fill, 0).await.unwrap() {}
        drop(fill);
        writer.join().unwrap();
    });
    println!(
        "the search table: filled in {:.0} s ({:.0} orders a second)",
        begun.elapsed().as_secs_f64(),
        orders as f64 / begun.elapsed().as_secs_f64()
    );
    middle
}

fn hold(ids: &Ids, clock: &Clock, event: EventId, n: u64) -> Command {
    let at = |n: u64, of: &[&'static str]| of[(n % of.len() as u64) as usize];
    let (first, last) = (at(n, FIRST), at(n / FIRST.len() as u64, LAST));
    let name = match n {
        777 => "Konrad Zuse 777".into(),
        _ => format!("{first} {last}"),
    };
    let email = format!("{first}.{last}.{n}@example.org").to_lowercase();
    let key = buyer_key(&name, &email);
    let buyer = Buyer { name, email, key, language: boxoffice::Language::EN };
    let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
    let order = ids.order(clock.now_ms());
    Command::Hold {
        order,
        event,
        buyer,
        untagged: None,
        lines,
        terms: boxoffice::Terms::default(),
        metadata: boxoffice::Metadata::default(),
        most_ms: None,
    }
}

fn decide(writer: &mut Writer, commands: Vec<Command>) {
    let (jobs, _hears): (Vec<Job>, Vec<_>) = commands
        .into_iter()
        .map(|command| Job::new(command, None, Duration::from_secs(60)))
        .unzip();
    for (_, answer) in &writer.step(jobs).answers {
        assert!(answer.is_ok(), "{answer:?}");
    }
}

/// The server in a process of its own.
struct Serving {
    child: Child,
    address: std::net::SocketAddr,
}

impl Serving {
    fn memory_mb(&self, line: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let text = status.unwrap_or_default();
        let kb = text.lines().find_map(|l| l.strip_prefix(line)).unwrap_or("0 kB");
        kb.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }

    fn end(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

fn serve(database: &str) -> Serving {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--only-serve", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut lines = out.lines().map(Result::unwrap);
    let address = lines.find_map(|line| line.strip_prefix("it listens at ").map(str::to_owned));
    Serving { child, address: address.expect("it listens").parse().unwrap() }
}

/// The other process: serves until it is told to end.
fn only_serve(database: &str) {
    let runtime = nts_server::tasks::front(1).unwrap();
    runtime.block_on(async {
        let flags = ["--address", "127.0.0.1:0", "--database", database, "--organiser-key", KEY];
        let server = Server::start(Config::from_flags(flags).unwrap()).await.unwrap();
        let (end, ended) = tokio::sync::oneshot::channel();
        println!("it listens at {}", server.app.config.address);
        std::thread::spawn(move || {
            _ = std::io::stdin().read_line(&mut String::new());
            _ = end.send(());
        });
        let router = nts_server::http::router_with(Arc::clone(&server.app), axum::Router::new());
        server.serve_router(router, async { _ = ended.await }).await;
    });
    std::process::exit(0);
}

/// The body of an answer; each part of it is also handed to `each`, and a file is not kept.
fn ask(address: std::net::SocketAddr, path: &str, each: &mut dyn FnMut(&[u8])) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut body, mut buffer) = (Vec::new(), vec![0u8; 65_536]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        each(&buffer[..read]);
        if !path.contains("/export/") {
            body.extend_from_slice(&buffer[..read]);
        }
    }
    let end = body.windows(4).position(|w| w == b"\r\n\r\n").map_or(body.len(), |at| at + 4);
    body.split_off(end)
}
