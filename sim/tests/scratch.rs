#![allow(clippy::unwrap_used)]
use nts_sim::{Plan, Wishes, run};
use std::sync::atomic::{AtomicU64, Ordering};
#[test]
fn scratch() {
    let var = |n: &str| std::env::var(n).ok().and_then(|s| s.parse::<u64>().ok());
    let (from, runs) = (var("FROM").unwrap_or(1), var("RUNS").unwrap_or(100));
    let next = AtomicU64::new(from);
    let begun = std::time::Instant::now();
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= from + runs {
                        return;
                    }
                    let out = run(&Plan::new(seed, &Wishes::default()), false).unwrap();
                    if let Some(v) = out.violation {
                        println!(
                            "V {seed} {:?} {}: {} [{}]",
                            out.plan.place,
                            v.promise.words(),
                            v.text.chars().take(300).collect::<String>().replace('\n', " "),
                            if out.plan.faults.len() < 8 {
                                format!("{:?} pair {:?}", out.plan.faults, out.plan.pair)
                            } else {
                                format!("{} faults", out.plan.faults.len())
                            }
                        );
                    }
                }
            });
        }
    });
    println!("{runs} runs in {:.1} s", begun.elapsed().as_secs_f64());
}
