//! How fast durable holds are: through HTTP, as a ratio to a route of the same server that only
//! parses and answers; of an event with a limit per buyer, as a ratio to one without, also with two
//! million buyers recorded; of an event whose holds a webhook is told of, as a ratio to the same event
//! without one; and of the writer alone at three sizes of batch.
//!
//! Method. HTTP: the server in this process, on a runtime of one thread, on a real file; the
//! generator in one thread beside it, with keep-alive connections that each send the next request
//! when the last is answered; one event, one ticket, an idempotency key and a buyer each. The routes take
//! turns in short rounds, for the machine changes its pace within seconds; rates and percentiles are
//! medians, the ratio is that of all rounds together, and beside it stands the middle half of theirs.
//! The webhook: made before each round that has one, deleted after it with what it is owed, so that the
//! next round has none; its receiver, in a thread of its own, answers at once.
//! The writer: `Writer::step` on a store of its own, commands ready made, every batch one durable
//! commit. All of it is bounded in count. `cargo bench -p nts-server`; `--quick` for a short run.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod crowd;

use axum::routing::post;
use boxoffice::{Buyer, BuyerKey, Command, EventSpec, LineWish};
use crowd::{Running, compared, crowd, event_json, median, noise, parse_only};
use nts_rush::receiver::Receiver;
use nts_server::clock::Clock;
use nts_server::identity::buyer;
use nts_server::ids::{Ids, digest};
use nts_server::metrics::Metrics;
use nts_server::store::RequestKey;
use nts_server::store::sqlite::SqliteStore;
use nts_server::writer::{IdempotencyKey, Job, Writer};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    if let Some(database) = std::env::args().skip_while(|a| a != "--open").nth(1) {
        return open(Path::new(&database));
    }
    let quick = std::env::args().any(|a| a == "--quick");
    // `cargo test --benches` asks whether it runs, not how fast it is.
    let quick = quick || std::env::args().any(|a| a == "--test");
    let dir = std::env::temp_dir().join(format!("nts-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // `--http`, `--webhook` and `--writer` measure only what they name.
    let parts: Vec<String> = std::env::args().collect();
    let some = ["--http", "--webhook", "--writer"].iter().any(|one| parts.iter().any(|a| a == one));
    let wanted = |part: &str| !some || parts.iter().any(|a| a == part);
    if wanted("--http") {
        through_http(&dir, quick);
    }
    if wanted("--webhook") {
        with_a_webhook(&dir, quick);
    }
    if wanted("--writer") {
        writer_alone(&dir, quick);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The routes that take turns: what only parses, a hold, a hold of an event with a limit, and the old
/// route, which holds one ticket for each name and answers with a page.
const PATHS: [&str; 4] = [
    "/bench/rush",
    "/api/v1/events/rush/orders",
    "/api/v1/events/limited/orders",
    "/nts/v1/reserve",
];

fn through_http(dir: &Path, quick: bool) {
    let database = dir.join("http.db");
    let (rounds, requests) = amount(quick);
    let generator = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("durable holds through HTTP, one event, one key each ({rounds} rounds of {requests})");
    let server = Running::start(&database, parsing());
    for connections in [1usize, 64, 512] {
        let requests = if connections == 1 { requests / 15 } else { requests };
        turns(&generator, server.address, connections, rounds, requests, "empty");
    }
    drop(server);
    let buyers = if quick { 5_000 } else { 2_000_000 };
    fill(&database, buyers);
    println!("{buyers} buyers recorded of the event with a limit");
    for limited in [false, true] {
        limit(&database, limited);
        println!("with the limit {}:", if limited { "set" } else { "lifted" });
        // In a process of its own, so that its memory is its own.
        let mut open = std::process::Command::new(std::env::current_exe().unwrap());
        assert!(open.arg("--open").arg(&database).status().unwrap().success());
    }
    let server = Running::start(&database, parsing());
    for connections in [64usize, 512] {
        turns(&generator, server.address, connections, rounds, requests, "filled");
    }
}

/// How many rounds, and how many requests in each. `--rounds N` for fewer.
fn amount(quick: bool) -> (usize, usize) {
    let (rounds, requests) = if quick { (1, 4_000) } else { (15, 20_000) };
    let asked = std::env::args().skip_while(|a| a != "--rounds").nth(1);
    (asked.map_or(rounds, |n| n.parse().unwrap()), requests)
}

/// Holds while a webhook is told of each, in turns with holds that nobody is told of.
fn with_a_webhook(dir: &Path, quick: bool) {
    let (rounds, requests) = amount(quick);
    let generator = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!(
        "durable holds through HTTP with a webhook that is told of each ({rounds} rounds of {requests})"
    );
    let server = Running::start(&dir.join("webhook.db"), parsing());
    let receiver = Receiver::start().unwrap();
    let body = format!(
        r#"{{"url":"http://{}/","types":["order.held"],"event":"rush"}}"#,
        receiver.address
    );
    for connections in [64usize, 512] {
        let mut rates = [const { vec![] }; 2];
        let mut slowest = [const { vec![] }; 2];
        let before = receiver.taken();
        for round in 0..rounds {
            for turn in 0..2 {
                let told = (round + turn) % 2;
                let ask = |method, path: &str, body: &str| {
                    generator.block_on(crowd::as_organiser(server.address, method, path, body))
                };
                let webhook = (told == 1).then(|| {
                    let made: serde_json::Value =
                        serde_json::from_slice(&ask("POST", "/api/v1/webhooks", &body)).unwrap();
                    made["id"].as_str().unwrap().to_owned()
                });
                let run = format!("hook{told}-{connections}-{round}");
                let heard = generator.block_on(crowd(
                    &[server.address],
                    PATHS[1],
                    connections,
                    requests,
                    &run,
                ));
                rates[told].push(heard.rate);
                slowest[told].push(heard.p99_ms);
                if let Some(id) = webhook {
                    ask("DELETE", &format!("/api/v1/webhooks/{id}"), "");
                }
            }
        }
        println!(
            "{connections:>4} connections: no webhook {:>7.0}/s (noise {:.0} %, p99 {:>5.1} ms)  one {:>7.0}/s (p99 {:>5.1} ms)  ratio {}; {} messages arrived meanwhile",
            median(&rates[0]),
            noise(&rates[0]),
            median(&slowest[0]),
            median(&rates[1]),
            median(&slowest[1]),
            compared(&rates),
            receiver.taken() - before,
        );
    }
}

fn parsing() -> axum::Router<Arc<nts_server::http::site::Site>> {
    axum::Router::new().route("/bench/{event}", post(parse_only))
}

/// All routes in turns, and what came of it.
fn turns(
    generator: &tokio::runtime::Runtime,
    address: std::net::SocketAddr,
    connections: usize,
    rounds: usize,
    requests: usize,
    name: &str,
) {
    let mut rates = [const { vec![] }; 4];
    let mut slowest = [const { vec![] }; 4];
    for round in 0..rounds {
        for turn in 0..4 {
            let i = (round + turn) % 4;
            let run = format!("{name}-{connections}-{round}");
            let heard =
                generator.block_on(crowd(&[address], PATHS[i], connections, requests, &run));
            rates[i].push(heard.rate);
            slowest[i].push(heard.p99_ms);
        }
    }
    let [parse, hold, limited, old] = rates;
    println!(
        "{connections:>4} connections: parse only {:>7.0}/s (noise {:.0} %, p99 {:>5.1} ms)  hold {:>7.0}/s (p99 {:>5.1} ms)  ratio {}",
        median(&parse),
        noise(&parse),
        median(&slowest[0]),
        median(&hold),
        median(&slowest[1]),
        compared(&[parse.clone(), hold.clone()]),
    );
    println!(
        "     with a limit per buyer {:>7.0}/s (p99 {:>5.1} ms)  ratio to without {}, p99 {:.2} times",
        median(&limited),
        median(&slowest[2]),
        compared(&[hold.clone(), limited.clone()]),
        median(&slowest[2]) / median(&slowest[1]),
    );
    println!(
        "                 the old route {:>7.0}/s (p99 {:>5.1} ms)  ratio to a hold without a limit {}",
        median(&old),
        median(&slowest[3]),
        compared(&[hold, old]),
    );
}

/// Sets or lifts the limit of the event that has one.
fn limit(database: &Path, limited: bool) {
    let opened = SqliteStore::open(database, Clock::System).unwrap();
    let mut reader = opened.store.own_reader().unwrap();
    let events = nts_server::store::Reader::events(&mut reader).unwrap();
    let event = events.into_iter().find(|e| e.spec.slug == "limited").unwrap();
    let mut writer = Writer::new(Box::new(opened.store), Arc::new(Metrics::default()));
    let spec = EventSpec { limit_per_buyer: limited.then_some(4), ..event.spec };
    step(&mut writer, vec![(Command::PutEvent { id: event.id, spec }, None)]);
}

/// So many more buyers hold a place of the event with a limit.
fn fill(database: &Path, buyers: u64) {
    let opened = SqliteStore::open(database, Clock::System).unwrap();
    let ids = Ids::new([9; 32], opened.last_high);
    let mut reader = opened.store.own_reader().unwrap();
    let events = nts_server::store::Reader::events(&mut reader).unwrap();
    let event = events.iter().find(|e| e.spec.slug == "limited").unwrap().id;
    let mut writer = Writer::new(Box::new(opened.store), Arc::new(Metrics::default()));
    for first in (0..buyers).step_by(5_000) {
        let holds = (first..buyers.min(first + 5_000)).map(|serial| {
            let buyer = buyer(
                &format!("Buyer {serial}"),
                &format!("of{serial}@example.org"),
                boxoffice::Language::EN,
            );
            let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
            let order = ids.order(Clock::System.now_ms());
            (
                Command::Hold {
                    order,
                    event,
                    buyer,
                    untagged: None,
                    lines,
                    terms: boxoffice::Terms::default(),
                    metadata: boxoffice::Metadata::default(),
                    most_ms: None,
                },
                None,
            )
        });
        step(&mut writer, holds.collect());
    }
}

fn writer_alone(dir: &Path, quick: bool) {
    println!(
        "the writer alone, one durable commit a batch, one key each; without and with a limit"
    );
    let metrics = Arc::new(Metrics::default());
    let opened = SqliteStore::open(&dir.join("writer.db"), Clock::System).unwrap();
    let ids = Ids::new([9; 32], opened.last_high);
    let mut writer = Writer::new(Box::new(opened.store), metrics);
    let events = [("rush", None), ("limited", Some(4))].map(|(slug, limit_per_buyer)| {
        let body = serde_json::from_value(event_json(10_000_000)).unwrap();
        let id = ids.event(Clock::System.now_ms());
        let spec =
            EventSpec { limit_per_buyer, ..nts_server::event_body::spec(body, slug).unwrap() };
        step(&mut writer, vec![(Command::PutEvent { id, spec }, None)]);
        id
    });
    let mut serial = 0u64;
    for batch in [1usize, 64, 1024] {
        let batches = if quick { 4 } else { (100_000 / batch).clamp(100, 4_000) };
        let mut times = [const { Vec::<Duration>::new() }; 2];
        let mut worked_ns = [0u64; 2];
        for n in 0..2 * batches {
            let of = n % 2;
            let jobs = (0..batch).map(|_| {
                serial += 1;
                let buyer = Buyer {
                    name: format!("Buyer {serial}"),
                    email: format!("b{serial}@example.org"),
                    key: BuyerKey(digest(&[b"buyer", &serial.to_be_bytes()])),
                    language: boxoffice::Language::EN,
                };
                let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
                let order = ids.order(Clock::System.now_ms());
                let key = RequestKey(digest(&[&serial.to_be_bytes()]));
                let request = IdempotencyKey { key, fingerprint: serial };
                let hold = Command::Hold {
                    order,
                    event: events[of],
                    buyer,
                    untagged: None,
                    lines,
                    terms: boxoffice::Terms::default(),
                    metadata: boxoffice::Metadata::default(),
                    most_ms: None,
                };
                (hold, Some(request))
            });
            let jobs = jobs.collect();
            let (begun, before_ns) = (Instant::now(), worked());
            step(&mut writer, jobs);
            times[of].push(begun.elapsed());
            worked_ns[of] += worked() - before_ns;
        }
        let holds = (batch * batches) as f64;
        let spent = times.each_ref().map(|times| times.iter().sum::<Duration>().as_secs_f64());
        for (of, name) in ["without", "with   "].into_iter().enumerate() {
            times[of].sort_unstable();
            let part = |of_hundred: usize| times[of][times[of].len() * of_hundred / 100];
            println!(
                "batch {batch:>4} {name}: {:>8.0} holds/s, {:>6.1} us a hold, a batch takes {:>5.2} ms (p99 {:.2} ms)",
                holds / spent[of],
                spent[of] * 1e6 / holds,
                part(50).as_secs_f64() * 1e3,
                part(99).as_secs_f64() * 1e3,
            );
        }
        let medians = times.each_ref().map(|times| times[times.len() / 2].as_secs_f64());
        println!(
            "           with to without: {:.2}, by the median batch {:.2}, by the thread's work {:.2} ({:.1} and {:.1} us a hold)",
            spent[0] / spent[1],
            medians[0] / medians[1],
            worked_ns[0] as f64 / worked_ns[1] as f64,
            worked_ns[0] as f64 / 1e3 / holds,
            worked_ns[1] as f64 / 1e3 / holds,
        );
    }
}

/// Opens a database three times, and tells how long that takes and how much memory.
fn open(database: &Path) {
    for _ in 0..3 {
        let (begun, before_ns, before_mb) = (Instant::now(), worked(), memory_mb());
        let opened = SqliteStore::open(database, Clock::System).unwrap();
        println!(
            "  opened in {:.2} s, {:.2} s of them work; {} MB, {} MB before",
            begun.elapsed().as_secs_f64(),
            (worked() - before_ns) as f64 / 1e9,
            memory_mb(),
            before_mb,
        );
        drop(opened);
    }
}

/// For how long this thread has worked, in nanoseconds: what others do meanwhile is not in it. 0 where
/// the system does not tell.
fn worked() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// How much memory this process has, in megabytes.
fn memory_mb() -> u64 {
    let told = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = told.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096 / 1_000_000
}

fn step(writer: &mut Writer, commands: Vec<(Command, Option<IdempotencyKey>)>) {
    let (jobs, hears): (Vec<Job>, Vec<_>) = commands
        .into_iter()
        .map(|(command, request)| Job::new(command, request, Duration::from_secs(60)))
        .unzip();
    let committed = writer.step(jobs);
    assert_eq!(committed.answers.len(), hears.len());
    assert!(committed.answers.iter().all(|(_, answer)| answer.is_ok()));
}
