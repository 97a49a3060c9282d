//! Runs the tests: once to learn which mutants each of them reaches, and then for each mutant those
//! that reach it.

use crate::build::{Built, area_of};
use crate::find::Mutant;
use crate::{Result, Settings, Suite};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A test, and what it reaches.
#[derive(Serialize, Deserialize)]
pub struct Test {
    suite: String,
    name: String,
    ms: u64,
    reaches: BTreeSet<usize>,
}

/// What became of a mutant.
#[derive(Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// The mutant's.
    pub key: String,
    /// The area that it belongs to.
    pub area: String,
    /// `noticed`, `hangs` (which is noticed, too), `survived`, or `unreached`.
    pub verdict: String,
    /// The suite that noticed it, or nothing.
    pub suite: String,
    /// How long the tests ran, in milliseconds.
    pub ms: u64,
}

/// Does something for each of some things, in so many lanes.
fn in_lanes<T: Sync>(lanes: usize, things: &[T], work: &(dyn Fn(usize, &T) -> Result<()> + Sync)) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let next = &next;
            scope.spawn(move || {
                while let Some(thing) = things.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(error) = work(lane, thing) {
                        eprintln!("{error}");
                    }
                }
            });
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "real tests in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Runs some tests of a suite. None: they did not end in time.
fn passes(
    built: &Built,
    suite: &str,
    tests: &[&str],
    variable: (&str, &str),
    most: Duration,
) -> Result<Option<bool>> {
    let (binary, directory) = built.binaries.get(suite).ok_or(format!("no suite {suite}"))?;
    let mut command = Command::new(binary);
    command.arg("--exact").args(tests).args(["--test-threads", "2"]);
    command.env(variable.0, variable.1).env("CARGO_MANIFEST_DIR", directory);
    command.current_dir(directory).stdout(Stdio::null()).stderr(Stdio::null());
    // With the processes that it starts, so that none of them is left behind.
    command.process_group(0);
    let (mut child, begun) = (command.spawn()?, now());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if begun.elapsed() > most {
            Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Learns which mutants each test of the wanted suites reaches, beside what is known of the `others`. A test
/// that fails without a mutant is left out, and told.
pub fn record(settings: &Settings, built: &Built, others: Vec<Test>) -> Result<Vec<Test>> {
    let mut names = Vec::new();
    for suite in &settings.suites {
        let (binary, directory) =
            built.binaries.get(suite.name).ok_or(format!("no suite {}", suite.name))?;
        let listed = Command::new(binary)
            .args(["--list", "--format", "terse"])
            .current_dir(directory)
            .output()?;
        let listed = String::from_utf8(listed.stdout)?;
        let tests = listed.lines().filter_map(|l| l.strip_suffix(": test"));
        // Those start database servers.
        let cheap = tests.filter(|t| !t.contains("postgres"));
        names.extend(cheap.map(|t| (suite.name.to_owned(), t.to_owned())));
    }
    let wanted = |t: &Test| settings.suites.iter().any(|s| s.name == t.suite);
    let tests = Mutex::new(others.into_iter().filter(|t| !wanted(t)).collect::<Vec<_>>());
    in_lanes(settings.lanes, &names, &|lane, (suite, name)| {
        let file = settings.copy.join(format!("reached{lane}"));
        let _ = fs::remove_file(&file);
        let begun = now();
        let path = file.to_str().ok_or("the path of the copy is not a text")?;
        let most = Duration::from_secs(300);
        let ok = passes(built, suite, &[name], ("MUTATION_RECORD", path), most)?;
        if ok != Some(true) {
            return Err(format!("left out, for it fails without a mutant: {suite} {name}").into());
        }
        let ms = begun.elapsed().as_millis().try_into()?;
        let reached = fs::read_to_string(&file).unwrap_or_default();
        let reaches = reached.lines().filter_map(|l| l.parse().ok()).collect();
        let (suite, name) = (suite.clone(), name.clone());
        tests.lock().expect("no panic").push(Test { suite, name, ms, reaches });
        Ok(())
    });
    let tests = tests.into_inner()?;
    fs::write(settings.copy.join("reach.json"), serde_json::to_vec(&tests)?)?;
    Ok(tests)
}

/// What was recorded last.
pub fn recorded(settings: &Settings) -> Result<Vec<Test>> {
    Ok(serde_json::from_slice(&fs::read(settings.copy.join("reach.json"))?)?)
}

/// The last verdict on each mutant.
pub fn verdicts(path: &Path) -> Result<BTreeMap<String, Verdict>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let parsed = text.lines().map(serde_json::from_str::<Verdict>);
    parsed.map(|v| v.map(|v| (v.key.clone(), v)).map_err(Into::into)).collect()
}

/// Runs what is still to be run. `again`: also what nothing has noticed before.
pub fn run(settings: &Settings, built: &Built, tests: &[Test], again: bool) -> Result<()> {
    let known = verdicts(&settings.results)?;
    let open = |m: &&Mutant| match known.get(&m.key) {
        None => true,
        Some(v) => again && (v.verdict == "survived" || v.verdict == "unreached"),
    };
    let wanted = |m: &&Mutant| settings.wants(m) && open(m);
    let mutants: Vec<_> = built.mutants.iter().filter(wanted).collect();
    let results = fs::File::options().append(true).create(true).open(&settings.results)?;
    let (done, of) = (AtomicUsize::new(0), mutants.len());
    in_lanes(settings.lanes, &mutants, &|_, mutant| {
        let verdict = judge(&settings.suites, built, tests, mutant)?;
        let line = serde_json::to_string(&verdict)? + "\n";
        (&results).write_all(line.as_bytes())?;
        let n = done.fetch_add(1, Ordering::SeqCst) + 1;
        if verdict.suite.is_empty() {
            println!(
                "{n}/{of} {}: {}:{} {}",
                verdict.verdict, mutant.file, mutant.line, mutant.key
            );
        }
        Ok(())
    });
    Ok(())
}

/// What is quick and reaches little comes first, and by itself: most mutants are noticed by that. No part takes much
/// longer than `longest` milliseconds.
fn in_parts(mut tests: Vec<&Test>, longest: u64) -> Vec<Vec<&Test>> {
    tests.sort_by_key(|t| t.ms * t.reaches.len() as u64);
    let (mut parts, mut part, mut ms, mut most) = (Vec::new(), Vec::new(), 0, 200);
    for test in tests {
        part.push(test);
        ms += test.ms;
        if ms >= most {
            parts.push(std::mem::take(&mut part));
            (ms, most) = (0, (most * 4).min(longest));
        }
    }
    parts.extend((!part.is_empty()).then_some(part));
    parts
}

fn judge(suites: &[Suite], built: &Built, tests: &[Test], mutant: &Mutant) -> Result<Verdict> {
    let begun = now();
    let (mut word, mut by) = ("unreached", "");
    let number = mutant.number.to_string();
    for suite in suites {
        let reaching =
            tests.iter().filter(|t| t.suite == suite.name && t.reaches.contains(&mutant.number));
        let mut taken = 0;
        for part in in_parts(reaching.collect(), suite.most_ms / 4) {
            if !by.is_empty() || taken > suite.most_ms {
                break;
            }
            word = "survived";
            let names: Vec<_> = part.iter().map(|t| &*t.name).collect();
            let usual = part.iter().map(|t| t.ms).sum::<u64>();
            taken += usual;
            let most = Duration::from_millis(4_000 + 8 * usual);
            match passes(built, suite.name, &names, ("MUTATION_ON", &number), most)? {
                Some(true) => {}
                Some(false) => (word, by) = ("noticed", suite.name),
                None => (word, by) = ("hangs", suite.name),
            }
        }
    }
    Ok(Verdict {
        key: mutant.key.clone(),
        area: area_of(&mutant.file).unwrap_or_default().to_owned(),
        verdict: word.to_owned(),
        suite: by.to_owned(),
        ms: begun.elapsed().as_millis().try_into()?,
    })
}
