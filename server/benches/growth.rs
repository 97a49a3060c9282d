//! What a box office costs that has sold for years: the rate of holds with millions of orders in the
//! database against an empty one, the start, the memory, the bytes on the disk; whether anybody
//! waits while a checkpoint runs; and what a sale feels when 100,000 holds run out at one moment.
//!
//! Method. The orders are free ones, ordered, paid and issued a ticket through the writer in large
//! batches; some more are held until one moment. Two servers then take holds through HTTP in turns,
//! one on this database and one on an empty one, each on a runtime of one thread, with the generator
//! beside it. The start is that of a process of its own on the large database (this program again),
//! from its beginning until it listens; its memory is the resident set (Linux only).
//! `cargo bench -p nts-server --bench growth`; `-- --orders 10000000` for the figures in
//! docs/performance.md, which need 4 GB of disk and some minutes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod crowd;

use boxoffice::{Buyer, BuyerKey, Command, EventId, LineWish, PaymentId};
use crowd::{Heard, Running, crowd, event_json, median, noise, serve};
use nts_server::clock::Clock;
use nts_server::event_body;
use nts_server::ids::Ids;
use nts_server::metrics::Metrics;
use nts_server::store::sqlite::SqliteStore;
use nts_server::writer::{Job, Writer};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// How many holds run out at one moment.
const EXPIRE: u64 = 100_000;
const BATCH: u64 = 1_024;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let after = |flag: &str| Some(args.get(args.iter().position(|a| a == flag)? + 1)?.clone());
    if let Some(database) = after("--only-start") {
        return only_start(&database);
    }
    let quick = args.iter().any(|a| a == "--quick" || a == "--test");
    let told = after("--orders").map(|n| n.parse().unwrap());
    let orders: u64 = told.unwrap_or(if quick { 5_000 } else { 1_000_000 });
    let expire = if quick { 20_000 } else { EXPIRE };
    let requests = if quick { 4_000 } else { 60_000 };
    let rounds = if quick { 1 } else { 5 };
    let dir = std::env::temp_dir().join(format!("nts-growth-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (large, empty) = (dir.join("large.db"), dir.join("empty.db"));

    let begun = Instant::now();
    // The clock that the orders are placed by: the last ones are held until it shows an hour more.
    let clock = Arc::new(AtomicI64::new(Clock::System.now_ms() - 24 * 3_600_000));
    let mut desk = Desk::open(&large, &clock);
    for batch in batches(orders) {
        desk.sell(batch);
    }
    drop(desk);
    let bytes = std::fs::metadata(&large).unwrap().len();
    println!(
        "{orders} orders with a ticket each: made in {:.0} s ({:.0}/s), {:.0} bytes on the disk for each",
        begun.elapsed().as_secs_f64(),
        orders as f64 / begun.elapsed().as_secs_f64(),
        bytes as f64 / orders as f64
    );
    start(&large);

    drop(Desk::open(&empty, &clock));
    let generator = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path = "/api/v1/events/rush/orders";
    let servers = [&empty, &large].map(|database| Running::start(database, axum::Router::new()));
    for connections in [64usize, 512] {
        let mut heard: [Vec<Heard>; 2] = [vec![], vec![]];
        for round in 0..rounds {
            for (n, server) in servers.iter().enumerate() {
                let run = format!("{connections}-{round}");
                let all = [server.address];
                heard[n].push(generator.block_on(crowd(&all, path, connections, requests, &run)));
            }
        }
        let of = |n: usize, what: fn(&Heard) -> f64| {
            median(&heard[n].iter().map(what).collect::<Vec<f64>>())
        };
        let ratios: Vec<f64> =
            heard[1].iter().zip(&heard[0]).map(|(l, e)| l.rate / e.rate).collect();
        println!(
            "{connections:>4} connections: empty {:>6.0}/s (noise {:.0} %, p99.9 {:.1} ms, longest {:.1} ms), with \
             them {:>6.0}/s (p99.9 {:.1} ms, longest {:.1} ms), ratio {:.2} ({:.2}-{:.2})",
            of(0, |h| h.rate),
            noise(&heard[0].iter().map(|h| h.rate).collect::<Vec<f64>>()),
            of(0, |h| h.p999_ms),
            of(0, |h| h.worst_ms),
            of(1, |h| h.rate),
            of(1, |h| h.p999_ms),
            of(1, |h| h.worst_ms),
            median(&ratios),
            ratios.iter().copied().fold(f64::MAX, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
        );
    }
    drop(servers);

    // An hour before so many seconds from now.
    let lead_s = if quick { 3 } else { 12 };
    clock.store(Clock::System.now_ms() + (lead_s - 3_600) * 1000, Ordering::SeqCst);
    let moment = Instant::now() + Duration::from_secs(lead_s as u64);
    let mut desk = Desk::open(&large, &clock);
    for batch in batches(expire) {
        desk.hold(batch);
    }
    drop(desk);
    expiring(&generator, &large, moment, expire);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// So many in batches.
fn batches(all: u64) -> impl Iterator<Item = u64> {
    (0..all.div_ceil(BATCH)).map(move |n| BATCH.min(all - n * BATCH))
}

/// Who makes the orders.
struct Desk {
    writer: Writer,
    ids: Ids,
    clock: Clock,
    past: EventId,
    rush: EventId,
    serial: u64,
}

impl Desk {
    fn open(path: &Path, clock: &Arc<AtomicI64>) -> Desk {
        let clock = Clock::Manual(Arc::clone(clock));
        let opened = SqliteStore::open(path, clock.clone()).unwrap();
        let ids = Ids::new([9; 32], opened.last_high);
        let mut writer = Writer::new(Box::new(opened.store), Arc::new(Metrics::default()));
        let mut put = |slug: &str, price: i64| {
            let mut json = event_json(10_000_000);
            json["ticket_types"][0]["price"]["amount"] = price.into();
            let spec = event_body::spec(serde_json::from_value(json).unwrap(), slug).unwrap();
            let id = ids.event(clock.now_ms());
            step(&mut writer, vec![Command::PutEvent { id, spec }]).events[0].id
        };
        let (past, rush) = (put("past", 0), put("rush", 100));
        Desk { writer, ids, clock, past, rush, serial: opened.last_high }
    }

    fn hold_command(&mut self, event: EventId) -> Command {
        self.serial += 1;
        let n = self.serial;
        let buyer = Buyer {
            name: format!("Buyer {n}"),
            email: format!("b{n}@example.org"),
            key: BuyerKey(n.into()),
            language: boxoffice::Language::EN,
        };
        let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
        let order = self.ids.order(self.clock.now_ms());
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

    fn hold(&mut self, count: u64) {
        let commands = (0..count).map(|_| self.hold_command(self.rush)).collect();
        step(&mut self.writer, commands);
    }

    fn sell(&mut self, count: u64) {
        let mut commands = Vec::with_capacity(2 * count as usize);
        for _ in 0..count {
            let hold = self.hold_command(self.past);
            let Command::Hold { order, .. } = hold else { unreachable!() };
            commands.push(hold);
            let payment = PaymentId(order.0 ^ 1);
            commands.push(Command::Pay { order, payment, live: false, token: String::new() });
        }
        step(&mut self.writer, commands);
    }
}

fn step(writer: &mut Writer, commands: Vec<Command>) -> nts_server::writer::Committed {
    let (jobs, hears): (Vec<Job>, Vec<_>) = commands
        .into_iter()
        .map(|command| Job::new(command, None, Duration::from_secs(60)))
        .unzip();
    let committed = writer.step(jobs);
    assert_eq!(committed.answers.len(), hears.len());
    for (_, answer) in &committed.answers {
        assert!(answer.is_ok(), "{answer:?}");
    }
    committed
}

/// The other process: starts, says so, and waits until it is told to end.
fn only_start(database: &str) {
    let runtime = nts_server::tasks::front(1).unwrap();
    runtime.block_on(async {
        let _server = serve(database).await;
        println!("it listens");
        let mut line = String::new();
        _ = std::io::stdin().read_line(&mut line);
    });
    std::process::exit(0);
}

/// How long a start takes, and how much memory an idle server has.
fn start(database: &Path) {
    let mut took = vec![];
    let mut memory = None;
    for _ in 0..5 {
        let begun = Instant::now();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .arg("--only-start")
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        assert!(out.lines().any(|line| line.unwrap() == "it listens"));
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        memory = status.ok().and_then(|text| {
            let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    let memory = memory.map_or("unknown here".into(), |kb| format!("{:.1} MB", kb as f64 / 1024.0));
    println!("it starts in {:.0} ms (median of 5); idle memory {memory}", median(&took));
}

/// Many holds run out at one moment, while others buy.
fn expiring(generator: &tokio::runtime::Runtime, database: &Path, moment: Instant, count: u64) {
    let server = Running::start(database, axum::Router::new());
    let path = "/api/v1/events/rush/orders";
    let held = || {
        generator.block_on(async {
            let body = crowd::body(server.address, "/api/v1/events/rush").await;
            let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
            event["pools"][0]["held"].as_u64().unwrap()
        })
    };
    let mut n = 0;
    let mut sell = |for_how_long: Duration| {
        let (begun, mut heard) = (Instant::now(), vec![]);
        while begun.elapsed() < for_how_long {
            n += 1;
            let run = format!("expiry-{n}");
            heard.push(generator.block_on(crowd(&[server.address], path, 64, 6_400, &run)));
        }
        heard
    };
    let before = sell(moment.saturating_duration_since(Instant::now()).mul_f64(0.8));
    let at_first = held();
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
    let (begun, mut during, mut sold) = (Instant::now(), vec![], 0);
    loop {
        let some = sell(Duration::from_millis(100));
        sold += some.len() as u64 * 6_400;
        during.extend(some);
        // What is sold is held, too: the rest was given back.
        if held() + count <= at_first + sold {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "they run out");
    }
    let took = begun.elapsed().as_secs_f64();
    let rate = |all: &[Heard]| median(&all.iter().map(|h| h.rate).collect::<Vec<_>>());
    let worst = |all: &[Heard]| all.iter().map(|h| h.worst_ms).fold(0.0, f64::max);
    println!(
        "{count} holds ran out at one moment and were back on sale after {took:.1} s; meanwhile holds \
         at {:.2} of their rate before, the longest took {:.1} ms (before: {:.1} ms)",
        rate(&during) / rate(&before),
        worst(&during),
        worst(&before),
    );
}
