//! `nts simulate`.

use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use nts_sim::many::{Summary, many};
use nts_sim::report;
use nts_sim::shrink::{Shrunk, shrink};
use nts_sim::{Fault, Outcome, Plan, Violation, Wishes};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::time::Instant;

/// What is simulated.
#[derive(Args)]
pub struct SimulateArgs {
    /// One run with this seed; the same seed gives the same trace, byte for byte
    #[arg(long, conflicts_with_all = ["runs", "from"])]
    seed: Option<u64>,

    /// Print the trace of the run of --seed
    #[arg(long, requires = "seed")]
    verbose: bool,

    /// Number of runs
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,

    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,

    /// Only these faults, separated by commas; "none" for none. See --list-faults
    #[arg(long, value_delimiter = ',', value_parser = parse_fault)]
    faults: Option<Vec<Named>>,

    /// List the faults
    #[arg(long)]
    list_faults: bool,

    /// Processes on one simulated database server; default: by the seed
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    processes: Option<u8>,

    /// Runs at the same time; default: one for each core
    #[arg(long)]
    threads: Option<usize>,

    /// Write a report with charts
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A fault by name, or none.
#[derive(Clone, Copy, Debug)]
struct Named(Option<Fault>);

fn parse_fault(name: &str) -> Result<Named, String> {
    match name {
        "none" => Ok(Named(None)),
        name => Fault::parse(name)
            .map(|fault| Named(Some(fault)))
            .ok_or_else(|| "there is no such fault; nts simulate --list-faults shows them".into()),
    }
}

/// What is proved, said before anything else.
const INTRODUCTION: &str = "\
The real thing is run here: HTTP handlers, writer, rules, settlement, payment client, and the store.
Simulated, from a seed: time, randomness, the networks, Stripe (by the fake that is also the sandbox),
and what lies below the store (a disk, or a database server). Everything goes wrong that is known
to; then the faults stop and everything must settle. Trusted, and not proved here: SQLite and
PostgreSQL themselves, the compiler, hyper below the handlers, and that Stripe keeps its word.
";

/// 0: every promise was kept. 1: one was broken. 2: the simulation could not run.
pub fn run(args: &SimulateArgs) -> ExitCode {
    if args.list_faults {
        for fault in Fault::ALL {
            let (name, what) = fault.what();
            say!("{name:<22} {what}");
        }
        return ExitCode::SUCCESS;
    }
    let wishes = Wishes {
        processes: args.processes.map(usize::from),
        faults: args.faults.as_ref().map(|named| named.iter().filter_map(|n| n.0).collect()),
    };
    let done = match args.seed {
        Some(seed) => one(args, &Plan::new(seed, &wishes)),
        None => some(args, &wishes),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("nts: not simulated: {reason}");
            ExitCode::from(2)
        }
    }
}

fn one(args: &SimulateArgs, plan: &Plan) -> Result<bool, String> {
    let outcome = nts_sim::run(plan, true)?;
    if args.json {
        say!("{:#}", outcome_json(&outcome));
    } else {
        say!("{plan}\n");
        if args.verbose {
            for line in &outcome.lines {
                say!("{line}");
            }
            say!();
        }
        say!("orders: {}", counted(outcome.orders.iter().map(|(k, v)| (*k, *v))));
        say!("faults: {}", counted(outcome.faults.iter().map(|(k, v)| (k.what().0, *v))));
        say!("simulated: {}", duration(outcome.simulated_ms));
        say!("hash of the whole story: {}", outcome.hash);
    }
    let shrunk = told(args, &outcome.plan, outcome.violation.as_ref())?;
    if let Some(path) = &args.report {
        let mut summary = Summary::default();
        summary.add(&outcome);
        write_report(args, path, &summary, &outcome, shrunk.as_ref())?;
    }
    if outcome.violation.is_none() && !args.json {
        say!("Every promise was kept.");
    }
    Ok(outcome.violation.is_none())
}

fn some(args: &SimulateArgs, wishes: &Wishes) -> Result<bool, String> {
    if !args.json {
        say!("{INTRODUCTION}");
    }
    let threads = args.threads.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
    });
    let bar = if std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} runs, {msg}{eta} left");
        ProgressBar::new(args.runs).with_style(style.map_err(|e| e.to_string())?)
    } else {
        ProgressBar::hidden()
    };
    let begun = Instant::now();
    let summary = many(args.from, args.runs, wishes, threads, &|so_far| {
        let seconds = begun.elapsed().as_secs_f64().max(0.001);
        let hours = so_far.simulated_ms as f64 / 3_600_000.0;
        let orders = so_far.all_orders() as f64 / seconds;
        bar.set_message(format!("{hours:.0} simulated hours, {orders:.0} orders a second, "));
        bar.set_position(so_far.runs);
    })?;
    bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    let first = summary.violations.first().cloned();
    if args.json {
        say!("{:#}", summary_json(&summary, seconds));
    } else {
        tell(&summary, seconds);
    }
    let plan = match &first {
        Some((plan, _)) => plan.clone(),
        None => Plan::new(args.from, wishes),
    };
    let shrunk = told(args, &plan, first.as_ref().map(|(_, violation)| violation))?;
    if let Some(path) = &args.report {
        let outcome = nts_sim::run(&plan, true)?;
        write_report(args, path, &summary, &outcome, shrunk.as_ref())?;
    }
    Ok(first.is_none())
}

/// Tells of a broken promise, and of the smallest plan that still breaks it.
fn told(
    args: &SimulateArgs,
    plan: &Plan,
    violation: Option<&Violation>,
) -> Result<Option<Shrunk>, String> {
    let Some(violation) = violation else { return Ok(None) };
    let shrunk = shrink(plan, violation.clone())?;
    if args.json {
        return Ok(Some(shrunk));
    }
    say!("\nBROKEN: {} (seed {})", violation.promise.words(), plan.seed);
    say!("  {}\n", violation.text);
    say!("The smallest plan that still shows it ({} runs to find it):", shrunk.runs);
    say!("  {}\n", shrunk.plan);
    for step in &shrunk.violation.steps {
        say!("{step}");
    }
    let processes = args.processes.map_or(String::new(), |n| format!(" --processes {n}"));
    say!("\nSee it all: nts simulate --seed {} --verbose{processes}", plan.seed);
    Ok(Some(shrunk))
}

fn tell(summary: &Summary, seconds: f64) {
    let hours = summary.simulated_ms as f64 / 3_600_000.0;
    let speed = summary.simulated_ms as f64 / 1000.0 / seconds;
    say!(
        "{} runs in {seconds:.1} s: {hours:.1} simulated hours ({} times real time), {} orders ({:.0} a second), {} faults",
        HumanCount(summary.runs),
        HumanCount(speed as u64),
        HumanCount(summary.all_orders()),
        summary.all_orders() as f64 / seconds,
        HumanCount(summary.all_faults()),
    );
    say!("\norders by outcome");
    for (state, count) in &summary.orders {
        say!("{:>12}  {state}", HumanCount(*count).to_string());
    }
    say!("\nfaults by kind");
    for (fault, count) in &summary.faults {
        let (name, what) = fault.what();
        say!("{:>12}  {name:<22} {what}", HumanCount(*count).to_string());
    }
    say!("\nrare situations, and in how many runs");
    for (mark, count) in &summary.marks {
        say!("{:>12}  {mark}", HumanCount(*count).to_string());
    }
    say!("\nwhat else was done");
    for (what, count) in &summary.counts {
        say!("{:>12}  {what}", HumanCount(*count).to_string());
    }
    if summary.violations.is_empty() {
        say!(
            "\nEvery promise was kept: never oversold; never charged twice, money and tickets go \
             together;\nnothing that was acknowledged is lost; no false answer; a hold lasts as \
             promised; everything settles;\nno client keeps more than its share; \
             nobody acts on what is another's; who is erased is shown nowhere; no panic."
        );
    }
}

fn counted<'a>(of: impl Iterator<Item = (&'a str, u64)>) -> String {
    let parts: Vec<String> = of.map(|(name, count)| format!("{name} {count}")).collect();
    if parts.is_empty() { "none".into() } else { parts.join(", ") }
}

fn duration(ms: i64) -> String {
    format!("{} min {} s", ms / 60_000, ms / 1000 % 60)
}

fn violation_json(plan: &Plan, violation: &Violation) -> Value {
    let steps: Vec<String> = violation.steps.iter().map(ToString::to_string).collect();
    json!({"seed": plan.seed, "promise": violation.promise.words(), "at_ms": violation.at_ms,
           "text": violation.text, "steps": steps})
}

fn outcome_json(outcome: &Outcome) -> Value {
    let faults: serde_json::Map<String, Value> =
        outcome.faults.iter().map(|(f, n)| (f.what().0.to_owned(), (*n).into())).collect();
    json!({"seed": outcome.plan.seed, "plan": outcome.plan.to_string(), "hash": outcome.hash,
           "simulated_ms": outcome.simulated_ms, "orders": outcome.orders, "faults": faults,
           "marks": outcome.marks, "counts": outcome.counts,
           "violation": outcome.violation.as_ref().map(|v| violation_json(&outcome.plan, v))})
}

fn summary_json(summary: &Summary, seconds: f64) -> Value {
    let faults: serde_json::Map<String, Value> =
        summary.faults.iter().map(|(f, n)| (f.what().0.to_owned(), (*n).into())).collect();
    let violations: Vec<Value> =
        summary.violations.iter().map(|(plan, v)| violation_json(plan, v)).collect();
    json!({"runs": summary.runs, "seconds": seconds, "simulated_ms": summary.simulated_ms,
           "orders": summary.orders, "faults": faults, "marks": summary.marks, "counts": summary.counts,
           "violations": violations})
}

fn write_report(
    args: &SimulateArgs,
    path: &PathBuf,
    summary: &Summary,
    outcome: &Outcome,
    shrunk: Option<&Shrunk>,
) -> Result<(), String> {
    let html = report::page(summary, outcome, shrunk);
    std::fs::write(path, html).map_err(|e| format!("{}: {e}", path.display()))?;
    if !args.json {
        say!("\nThe pictures are in {}", path.display());
    }
    Ok(())
}
