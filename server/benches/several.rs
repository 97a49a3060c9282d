//! How fast several processes hold places of ONE hot pool on one PostgreSQL, next to the usual way:
//! a transaction for each request, which locks the pool's row, updates it and inserts the order; and
//! next to a route that only parses the same request and answers; and of an event with a limit per
//! buyer next to one without.
//!
//! Method. The servers are processes (this program once more), each with one thread for HTTP; the
//! database is a private PostgreSQL on a real disk with its default durability; the generator is one
//! thread with keep-alive connections. All ways are routes of the same server, read the same
//! request and write the same answer; the usual way does without idempotency keys, buyers, and
//! payments, and has 20 connections in each process (`--pool N` for another number). The ways take
//! turns; medians over the rounds; ratios within one run. `cargo bench -p nts-server --bench
//! several`; `--quick` for a short run, `--metrics` for what the processes count.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod crowd;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use boxoffice::Command;
use crowd::{answered, crowd, median, noise, parse_only};
use nts_server::http::extract::Sent;
use nts_server::http::problem::Problem;
use nts_server::http::site::Site;
use nts_server::http::{api, router_with};
use nts_server::language::Lang;
use nts_testkit::Postgres;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::{Client, NoTls, Statement};

/// The ways, in the order in which they take turns.
const NAMES: [&str; 4] = ["the usual way", "parse only", "batched", "with a limit"];

/// Connections of the usual way, for each process.
const USUAL_CONNECTIONS: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|a| a == "--serve") {
        return serve(&arguments[2], arguments[3].parse().unwrap());
    }
    let quick = arguments.iter().any(|a| a == "--quick" || a == "--test");
    let Some(postgres) = Postgres::start(&[]) else { return };
    let (rounds, ours, usual) = if quick { (1, 4_000, 600) } else { (5, 60_000, 4_000) };
    let connections = 512;
    let pool = arguments.iter().skip_while(|a| *a != "--pool").nth(1);
    let pool = pool.map_or(USUAL_CONNECTIONS, |pool| pool.parse().unwrap());
    println!(
        "durable holds of one hot pool through HTTP, {connections} connections ({rounds} rounds)"
    );
    for processes in [1, 3] {
        let database = postgres.database();
        postgres.sql(
            &database,
            "CREATE SCHEMA usual;
             CREATE TABLE usual.pools (id bigint PRIMARY KEY, capacity bigint NOT NULL,
                 held bigint NOT NULL, CHECK (held <= capacity));
             INSERT INTO usual.pools VALUES (1, 100000000, 0);
             CREATE TABLE usual.orders (id uuid PRIMARY KEY, pool bigint NOT NULL,
                 name text NOT NULL, email text NOT NULL, until_ms bigint NOT NULL)",
        );
        let dir = std::env::temp_dir().join(format!("nts-several-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let url = postgres.url(&database);
        let mut shops: Vec<(Child, SocketAddr)> =
            (0..processes).map(|_| start(&url, &dir, pool)).collect();
        let addresses: Vec<SocketAddr> = shops.iter().map(|(_, address)| *address).collect();
        let generator = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut rates, mut slowest) = ([const { vec![] }; 4], [const { vec![] }; 4]);
        for round in 0..rounds {
            for (way, (path, requests)) in [
                ("/bench/usual/rush", usual),
                ("/bench/parse/rush", ours),
                ("/api/v1/events/rush/orders", ours),
                ("/api/v1/events/limited/orders", ours),
            ]
            .into_iter()
            .enumerate()
            {
                let run = format!("{processes}-{round}");
                let heard =
                    generator.block_on(crowd(&addresses, path, connections, requests, &run));
                rates[way].push(heard.rate);
                slowest[way].push(heard.p99_ms);
            }
        }
        let ratio = |one: usize, other: usize| {
            let ratios = rates[one].iter().zip(&rates[other]).map(|(ours, other)| ours / other);
            let ratios: Vec<f64> = ratios.collect();
            let low = ratios.iter().copied().fold(f64::MAX, f64::min);
            let high = ratios.iter().copied().fold(0.0, f64::max);
            format!("{:.2} ({low:.2}-{high:.2})", median(&ratios))
        };
        println!("{processes} process{}", if processes == 1 { "" } else { "es" });
        for (way, name) in NAMES.into_iter().enumerate() {
            let (rate, p99) = (median(&rates[way]), median(&slowest[way]));
            let noise = noise(&rates[way]);
            println!("  {name:<14} {rate:>7.0}/s (noise {noise:.0} %), p99 {p99:>6.1} ms");
        }
        println!("  batched to the usual way: {}, to parse only: {}", ratio(2, 0), ratio(2, 1));
        println!("  with a limit per buyer to without: {}", ratio(3, 2));
        if arguments.iter().any(|a| a == "--metrics") {
            for address in &addresses {
                println!("{}", metrics(*address));
            }
        }
        for (shop, _) in &mut shops {
            shop.kill().unwrap();
            shop.wait().unwrap();
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

/// What a process has counted, but for what it counts by route.
fn metrics(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let told = |line: &&str| {
        ["batch", "commit", "overtaken", "decide", "waited"].iter().any(|n| line.contains(n))
            && !line.contains("bucket")
            && !line.starts_with('#')
    };
    text.lines().filter(told).collect::<Vec<_>>().join("\n")
}

fn start(url: &str, dir: &std::path::Path, connections: usize) -> (Child, SocketAddr) {
    let mut shop = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--serve", url, &connections.to_string()])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(shop.stdout.take().unwrap()).lines().map_while(Result::ok);
    let Some(at) = said.find_map(|line| Some(line.strip_prefix("at ")?.to_owned())) else {
        panic!("a server did not start: {:?}", shop.wait());
    };
    (shop, at.parse().unwrap())
}

/// One of the processes.
fn serve(url: &str, connections: usize) {
    let runtime = nts_server::tasks::front(1).unwrap();
    runtime.block_on(async {
        let server = crowd::serve(url).await;
        let app = Arc::clone(&server.app);
        crowd::put_event(&app).await;
        let usual = Arc::new(Usual::connect(url, connections).await);
        let more = axum::Router::new()
            .route("/bench/usual/{event}", post(hold))
            .layer(Extension(usual))
            .route("/bench/parse/{event}", post(parse_only));
        let router = router_with(Arc::clone(&app), more);
        println!("at {}", app.config.address);
        drop(app);
        server.serve_router(router, std::future::pending()).await;
    });
}

/// The usual way: some connections, and whoever gets one has it for a transaction.
struct Usual {
    free: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    client: Client,
    lock: Statement,
    update: Statement,
    insert: Statement,
}

impl Usual {
    async fn connect(url: &str, connections: usize) -> Usual {
        let mut idle = Vec::new();
        for _ in 0..connections {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(async move { connection.await.unwrap() });
            let lock = "SELECT capacity, held FROM usual.pools WHERE id = $1 FOR UPDATE";
            let update = "UPDATE usual.pools SET held = held + $2 WHERE id = $1";
            let insert = "INSERT INTO usual.orders VALUES ($1, $2, $3, $4, $5)";
            let lock = client.prepare(lock).await.unwrap();
            let update = client.prepare(update).await.unwrap();
            let insert = client.prepare(insert).await.unwrap();
            idle.push(Connection { client, lock, update, insert });
        }
        Usual { free: Semaphore::new(connections), idle: Mutex::new(idle) }
    }
}

async fn hold(
    State(app): State<Arc<Site>>,
    Extension(usual): Extension<Arc<Usual>>,
    Path(slug): Path<String>,
    Sent { headers, body }: Sent,
) -> Result<Response, Problem> {
    let event =
        app.catalogue.event(&slug).ok_or(Problem::from(boxoffice::Refusal::UnknownEvent))?;
    let (command, _) = api::hold_command(&app, &event, &headers, &body, Lang::En)?;
    let Command::Hold { order, buyer, lines, .. } = &command else { unreachable!() };
    let quantity = lines[0].quantity;
    let now = app.clock.now_ms();
    let until_ms = now + 300_000;
    let turn = usual.free.acquire().await.unwrap();
    let mut connection = usual.idle.lock().await.pop().unwrap();
    let Connection { client, lock, update, insert } = &mut connection;
    let transaction = client.transaction().await.unwrap();
    let row = transaction.query_one(&*lock, &[&1i64]).await.unwrap();
    let (capacity, held): (i64, i64) = (row.get(0), row.get(1));
    assert!(held + quantity <= capacity, "it is large enough");
    transaction.execute(&*update, &[&1i64, &quantity]).await.unwrap();
    let uuid = uuid::Uuid::from_u128(order.0);
    transaction
        .execute(&*insert, &[&uuid, &1i64, &buyer.name, &buyer.email, &until_ms])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    usual.idle.lock().await.push(connection);
    drop(turn);
    Ok(answered(&app, &event, command, now))
}
