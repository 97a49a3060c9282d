//! How fast the event page is, with its true counts, while the sale goes on: as a ratio to a static
//! answer of the same size from the same server; and what thousands of listeners to the live counts
//! cost a sale.
//!
//! Method. As in `holds.rs`: the server on a runtime of one thread, the generator beside it in a
//! thread of its own, keep-alive connections. The routes take turns in many short rounds, for the
//! machine changes its pace within seconds; rates are medians, the ratio is that of all rounds
//! together, and beside it stands the middle half of theirs. The static route answers the same
//! request with as many bytes, made once, through the same layers. With "sale" somebody holds places
//! all the while, so that the page changes all the time.
//! `cargo bench -p nts-server --bench pages`; `--quick` for a short run.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod crowd;

use axum::http::header;
use axum::routing::get;
use bytes::Bytes;
use crowd::{Running, Wish, compared, crowd, median, noise, visit};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() {
    let quick = std::env::args().any(|a| a == "--quick" || a == "--test");
    let dir = std::env::temp_dir().join(format!("nts-pages-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // Each is as long as what it is compared with, which is known once that can be asked for.
    let still = |kind: &'static str, body: &Arc<OnceLock<Bytes>>| {
        let body = Arc::clone(body);
        get(move || {
            let body = body.get().cloned().unwrap_or_default();
            async move { ([(header::CONTENT_TYPE, kind)], body) }
        })
    };
    let html = "text/html; charset=utf-8";
    let bodies: [Arc<OnceLock<Bytes>>; 3] = Default::default();
    let more = axum::Router::new()
        .route("/still/page", still(html, &bodies[0]))
        .route("/still/gzip", still(html, &bodies[1]))
        .route("/still/json", still("application/json", &bodies[2]));
    let server = Running::start(&dir.join("pages.db"), more);
    let address = server.address;
    let generator = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (rounds, requests) = if quick { (1, 4_000) } else { (61, 5_000) };
    println!("the event page against a static answer ({rounds} rounds of {requests})");
    let kinds = [
        ("page", Wish { path: "/events/rush", gzip: false }, "/still/page"),
        ("page, gzip", Wish { path: "/events/rush", gzip: true }, "/still/gzip"),
        ("json", Wish { path: "/api/v1/events/rush", gzip: false }, "/still/json"),
    ];
    for ((_, wish, still), body) in kinds.iter().zip(&bodies) {
        let size = |wish| generator.block_on(visit(address, wish, 1, 1)).1;
        let longer = size(*wish) - size(Wish { path: still, ..*wish });
        body.set(vec![b'x'; longer].into()).unwrap();
    }
    for sale in [false, true] {
        for (name, wish, still) in kinds {
            let still = Wish { path: still, ..wish };
            let mut rates = [vec![], vec![]];
            let mut sizes = [0, 0];
            for round in 0..rounds {
                for n in [round % 2, 1 - round % 2] {
                    let wish = [still, wish][n];
                    let holding = sale.then(|| Holding::start(address, round * 2 + n));
                    let (rate, size) = generator.block_on(visit(address, wish, 64, requests));
                    drop(holding);
                    rates[n].push(rate);
                    sizes[n] = size;
                }
            }
            println!(
                "{:>12}{}: static {:>7.0}/s (noise {:.0} %, {} bytes), ours {:>7.0}/s ({} bytes), ratio {}",
                name,
                if sale { ", in a sale" } else { "" },
                median(&rates[0]),
                noise(&rates[0]),
                sizes[0],
                median(&rates[1]),
                sizes[1],
                compared(&rates),
            );
        }
    }
    listeners(&generator, address, quick);
    drop(server);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Somebody who holds a place every five milliseconds, so that the counts change all the time.
struct Holding {
    over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Holding {
    fn start(address: SocketAddr, run: usize) -> Holding {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut n = 0;
            while !ends.load(Ordering::SeqCst) {
                let run = format!("h{run}-{n}-{:?}", Instant::now());
                runtime.block_on(crowd(&[address], "/api/v1/events/rush/orders", 1, 1, &run));
                std::thread::sleep(Duration::from_millis(5));
                n += 1;
            }
        });
        Holding { over, thread: Some(thread) }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        _ = self.thread.take().unwrap().join();
    }
}

/// Durable holds with and without a crowd that listens to the live counts.
fn listeners(generator: &tokio::runtime::Runtime, address: SocketAddr, quick: bool) {
    let (count, rounds, requests) = if quick { (50, 1, 4_000) } else { (2_000, 5, 60_000) };
    let path = "/api/v1/events/rush/orders";
    let (mut ratios, mut frames_a_second) = (vec![], vec![]);
    for round in 0..rounds {
        let run = format!("alone-{round}");
        let alone = generator.block_on(crowd(&[address], path, 128, requests, &run)).rate;
        let heard = Arc::new(AtomicU64::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let listening = {
            let (heard, over) = (Arc::clone(&heard), Arc::clone(&over));
            std::thread::spawn(move || listen(address, count, &heard, &over))
        };
        while heard.load(Ordering::SeqCst) < count as u64 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (before, begun) = (heard.load(Ordering::SeqCst), Instant::now());
        let run = format!("heard-{round}");
        let listened = generator.block_on(crowd(&[address], path, 128, requests, &run)).rate;
        let frames = heard.load(Ordering::SeqCst) - before;
        frames_a_second.push(frames as f64 / begun.elapsed().as_secs_f64());
        ratios.push(listened / alone);
        over.store(true, Ordering::SeqCst);
        listening.join().unwrap();
    }
    println!(
        "{count} listeners to the live counts ({:.0} frames a second): holds at {:.2} ({:.2}-{:.2}) of their rate without them",
        median(&frames_a_second),
        median(&ratios),
        ratios.iter().copied().fold(f64::MAX, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
    );
}

/// Opens so many streams and counts what they hear, until it is over.
fn listen(address: SocketAddr, count: usize, heard: &Arc<AtomicU64>, over: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..count {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let ask = "GET /api/v1/events/rush/live HTTP/1.1\r\nhost: x\r\n\r\n";
            stream.write_all(ask.as_bytes()).await.unwrap();
            let heard = Arc::clone(heard);
            tasks.spawn(async move {
                let mut buffer = [0u8; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    let frames = buffer[..read].windows(6).filter(|w| w == b"data: ").count();
                    heard.fetch_add(frames as u64, Ordering::SeqCst);
                }
            });
        }
        while !over.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}
