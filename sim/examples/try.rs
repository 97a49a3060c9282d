use nts_sim::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let from: u64 = a[1].parse().unwrap();
    let to: u64 = a[2].parse().unwrap();
    let verbose = a.len() > 3;
    let begun = std::time::Instant::now();
    let (mut ms, mut orders, mut faults) = (0i64, 0u64, 0u64);
    for seed in from..to {
        let plan = Plan::new(seed, &Wishes::default());
        let o = run(&plan, verbose).unwrap();
        ms += o.simulated_ms;
        orders += o.orders.values().sum::<u64>();
        faults += o.faults.values().sum::<u64>();
        if verbose {
            println!("{plan}");
            for l in &o.lines {
                println!("{l}");
            }
            println!("{:?} {:?}", o.orders, o.counts);
        }
        if let Some(v) = &o.violation {
            println!("{plan}\nVIOLATION {:?} {}: {}", v.promise, v.at_ms, v.text);
            for s in &v.steps {
                println!("{s}");
            }
            if a.len() <= 3 {
                break;
            }
        }
        if verbose {
            println!("hash {}", o.hash);
        }
    }
    let t = begun.elapsed().as_secs_f64();
    println!(
        "{} runs in {t:.2} s: {:.1}/s, {:.1} h simulated, {orders} orders, {faults} faults",
        to - from,
        (to - from) as f64 / t,
        ms as f64 / 3.6e6
    );
}
