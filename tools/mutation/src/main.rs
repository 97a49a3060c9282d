//! Mutation testing: small deliberate breaks (mutants) of the product, and which of them its cheap tests
//! notice. What no test notices is either a test that is missing, or has its reason in
//! `survivors.md`.
//!
//! It puts all mutants into a copy of the tree at once, each behind a switch that is read from the
//! environment, and builds the copy once; so a mutant costs no build. Then it runs each test alone to
//! learn which mutants it reaches, and for each mutant only the tests that reach it, the cheap suites
//! first. A mutant that hangs its tests counts as noticed.
//!
//! ```text
//! cd tools/mutation && cargo build --release && cd ../..
//! alias mutation=tools/mutation/target/release/mutation      # from the root of the repository
//! nice -n 10 mutation build            # copies, builds (some minutes), records what tests reach
//! nice -n 10 mutation record --suites stripe   # once more, for some suites
//! nice -n 10 mutation run              # judges the mutants that have no verdict yet
//! nice -n 10 mutation run --again      # and those that survived, after a test was added and built
//! mutation report --only writer        # the score, and the survivors without a reason
//! mutation show 17                     # a mutant as a diff
//! ```
//!
//! Of a slow suite only as many tests are run for one mutant as take a certain time (`Suite::most_ms`), those first that are quick
//! and reach little. `simulation` plays 25 runs, `long` up to 300 others.
//!
//! `--only` takes an area (see `AREAS`) or the beginning of a path. `--copy DIR` and `--results FILE` say
//! where the copy and the verdicts (one JSON object a line, the last one counts) are kept; by default both
//! are below `target/`. `--lanes N` says how many mutants are run at a time (2). `--suites
//! core,scripts` builds and asks only these (see `SUITES`). `--one-in 8` takes every eighth mutant.
//!
//! How to read the report: for each file and area the number of mutants, which suite noticed how many,
//! how many survive, and the score, once of all and once without those that have a reason. `unreached` is
//! a survivor that no test reaches at all.
//!
//! What is not mutated: constants and `const fn` (a switch is read at run time), what is inside of
//! macros other than `matches!`, tests, patterns, SQL and templates.

mod build;
mod find;
mod report;
mod run;
mod weave;

use std::path::PathBuf;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is mutated: a name, and files or directories.
const AREAS: &[(&str, &[&str])] = &[
    ("boxoffice", &["boxoffice/src/"]),
    ("writer", &["server/src/writer.rs"]),
    ("settlement", &["server/src/settlement.rs", "server/src/settlement/"]),
    (
        "payments",
        &[
            "server/src/payments.rs",
            "server/src/payments/class.rs",
            "server/src/payments/governor.rs",
            "server/src/payments/stripe.rs",
            "server/src/payments/stripe/",
        ],
    ),
    ("catalogue", &["server/src/catalogue.rs"]),
    ("admission", &["server/src/admission.rs", "server/src/admission/"]),
    ("audit", &["server/src/audit.rs", "server/src/audit/"]),
    (
        "http",
        &[
            "server/src/http.rs",
            "server/src/http/api.rs",
            "server/src/http/api/",
            "server/src/http/auth.rs",
            "server/src/http/extract.rs",
            "server/src/http/idempotency.rs",
            "server/src/http/integrations/",
            "server/src/http/legacy.rs",
            "server/src/http/problem.rs",
            "server/src/http/page.rs",
            "server/src/http/shop/",
            "server/src/http/shown.rs",
            "server/src/http/view.rs",
        ],
    ),
    ("ids", &["server/src/ids.rs"]),
];

/// A test binary.
#[derive(Clone, Copy)]
struct Suite {
    name: &'static str,
    package: &'static str,
    /// `--lib`, or the name of a file in `tests/`.
    target: &'static str,
    /// How long its tests may take for one mutant, by the times that they took when they were recorded, in milliseconds: those
    /// that would come later are left out.
    most_ms: u64,
}

/// All tests of a suite.
const ALL: u64 = u64::MAX;

/// The suites, the cheap ones first.
const SUITES: &[Suite] = &[
    Suite { name: "core", package: "boxoffice", target: "--lib", most_ms: ALL },
    Suite { name: "scripts", package: "boxoffice", target: "scripts", most_ms: ALL },
    Suite { name: "records", package: "boxoffice", target: "records", most_ms: ALL },
    Suite { name: "property", package: "boxoffice", target: "property", most_ms: ALL },
    Suite { name: "server", package: "nts-server", target: "--lib", most_ms: ALL },
    Suite { name: "snapshots", package: "nts-server", target: "snapshots", most_ms: ALL },
    Suite { name: "office", package: "nts-server", target: "office", most_ms: 16_000 },
    Suite { name: "accounts", package: "nts-server", target: "accounts", most_ms: 16_000 },
    Suite { name: "stripe", package: "nts-server", target: "stripe", most_ms: 16_000 },
    Suite { name: "simulation", package: "nts-sim", target: "short", most_ms: 16_000 },
    Suite { name: "long", package: "nts-sim", target: "long", most_ms: 60_000 },
    Suite { name: "another_card", package: "boxoffice", target: "another_card", most_ms: ALL },
    Suite { name: "it", package: "nts", target: "it", most_ms: 16_000 },
];

/// What was asked for.
struct Settings {
    only: Option<String>,
    copy: PathBuf,
    results: PathBuf,
    lanes: usize,
    suites: Vec<Suite>,
    one_in: usize,
}

impl Settings {
    fn wants(&self, mutant: &find::Mutant) -> bool {
        let file = &mutant.file;
        let only = |only: &String| build::area_of(file) == Some(only) || file.starts_with(only);
        self.only.as_ref().is_none_or(only) && mutant.number.is_multiple_of(self.one_in)
    }
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let verb = words.next().unwrap_or_default();
    let mut settings = Settings {
        only: None,
        copy: "target/mutation".into(),
        results: "target/mutation.jsonl".into(),
        lanes: 2,
        suites: SUITES.to_vec(),
        one_in: 1,
    };
    let (mut number, mut again) = (None, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} what?"));
        match word.as_str() {
            "--only" => settings.only = Some(value()?),
            "--copy" => settings.copy = value()?.into(),
            "--results" => settings.results = value()?.into(),
            "--lanes" => settings.lanes = value()?.parse()?,
            "--suites" => {
                let names = value()?;
                settings.suites.retain(|s| names.split(',').any(|n| n == s.name));
            }
            "--one-in" => settings.one_in = value()?.parse()?,
            "--again" => again = true,
            _ => number = Some(word.parse::<usize>()?),
        }
    }
    std::fs::create_dir_all(&settings.copy)?;
    settings.copy = settings.copy.canonicalize()?;
    match verb.as_str() {
        "list" => {
            let all = build::all_places()?;
            for mutant in all.values().flatten().flat_map(|p| &p.mutants) {
                if settings.wants(mutant) {
                    println!("{:5} {}:{} {}", mutant.number, mutant.file, mutant.line, mutant.key);
                }
            }
        }
        "build" => {
            let built = build::build(&settings)?;
            println!("{} mutants, {} do not compile", built.mutants.len(), built.dropped.len());
            let tests = run::record(&settings, &built, Vec::new())?;
            println!("{} tests", tests.len());
        }
        "record" => {
            let built = build::Built::load(&settings)?;
            let others = run::recorded(&settings).unwrap_or_default();
            println!("{} tests", run::record(&settings, &built, others)?.len());
        }
        "run" => {
            let built = build::Built::load(&settings)?;
            run::run(&settings, &built, &run::recorded(&settings)?, again)?;
        }
        "report" => report::report(&settings, &build::Built::load(&settings)?)?,
        "show" => {
            let built = build::Built::load(&settings)?;
            let mutant = built.mutants.iter().find(|m| Some(m.number) == number);
            report::show(mutant.ok_or("there is no such mutant")?)?;
        }
        _ => println!("mutation list|build|record|run|report|show: see the head of src/main.rs"),
    }
    Ok(())
}
