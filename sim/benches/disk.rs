//! How many commits the store makes on the simulated disk in one thread, and what a disk weighs.
//! One hold in each batch, through `Writer::step`. `cargo bench -p nts-sim`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

#[path = "../tests/disk/shop.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod shop;

use nts_sim::disk::{Call, Disk};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::time::Instant;

fn main() {
    // `cargo test --benches` asks whether it runs, not how fast it is.
    let quick = std::env::args().any(|arg| arg == "--quick" || arg == "--test");
    let (commits, disks) = if quick { (200, 20) } else { (20_000, 1_000) };

    let disk = Disk::new(1);
    let process = disk.start();
    let mut world = shop::World::new(1);
    let mut shop = world.open(&process).unwrap();
    shop.put_event(&mut world);
    let begun = Instant::now();
    for _ in 0..commits {
        shop.sell(&mut world, 1);
    }
    let per_second = f64::from(commits) / begun.elapsed().as_secs_f64();
    println!("{per_second:.0} commits of one hold a second; {} bytes of files", disk.used_bytes());
    println!("{}", disk.counters());

    let before = resident_bytes();
    let begun = Instant::now();
    for seed in 0..disks {
        let disk = Disk::new(seed);
        let mut world = shop::World::new(seed);
        for _ in 0..2 {
            let process = disk.start();
            let mut shop = world.open(&process).unwrap();
            disk.fail(Call::Sync, 4, 1);
            for _ in 0..10 {
                shop.sell(&mut world, 1);
            }
            drop(process);
            disk.power_loss(&mut ChaCha8Rng::seed_from_u64(seed));
        }
    }
    let per_second = f64::from(disks as u32) / begun.elapsed().as_secs_f64();
    println!("{per_second:.0} disks of two lives and 20 commits a second");
    println!("resident: {} KiB before, {} KiB after", before / 1024, resident_bytes() / 1024);
}

/// What Linux says; elsewhere nothing.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
