//! A copy of the tree with all mutants in it, and its test binaries.

use crate::find::{Mutant, Place, find};
use crate::weave::{Woven, weave};
use crate::{AREAS, Result, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, str};

/// The crate that is written into the copy: says whether a mutant is switched on, or notes which are
/// reached.
const SWITCH: &str = r#"//! Says which mutant is switched on.
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

static ON: AtomicUsize = AtomicUsize::new(usize::MAX);
static SEEN: [AtomicBool; 32768] = [const { AtomicBool::new(false) }; 32768];
static RECORD: OnceLock<Option<std::fs::File>> = OnceLock::new();

/// Whether this mutant is switched on.
#[inline]
pub fn on(number: usize) -> bool {
    match ON.load(Relaxed) {
        usize::MAX => begin(number),
        0 => record(number),
        on => on == number,
    }
}

#[cold]
fn begin(number: usize) -> bool {
    let on = std::env::var("MUTATION_ON").ok().and_then(|n| n.parse().ok());
    ON.store(on.unwrap_or(0), Relaxed);
    self::on(number)
}

fn record(number: usize) -> bool {
    if !SEEN[number].load(Relaxed) && !SEEN[number].swap(true, Relaxed) {
        let file = RECORD.get_or_init(|| {
            let path = std::env::var_os("MUTATION_RECORD")?;
            std::fs::File::options().append(true).create(true).open(path).ok()
        });
        if let Some(mut file) = file.as_ref() {
            let _ = file.write_all(format!("{number}\n").as_bytes());
        }
    }
    false
}
"#;

/// The seeds of the suites `simulation` and `long`, each pair as a test: the first seed, and how many runs.
const SHORT: &[(u64, u64)] = &[(1, 3), (4, 7), (11, 15)];
const LONG: &[(u64, u64)] = &[(26, 75), (101, 75), (176, 75), (251, 75)];

/// A file of tests that play these.
fn simulation(seeds: &[(u64, u64)]) -> String {
    let test = |(first, runs): &(u64, u64)| {
        format!("#[test] fn from_{first}() {{ runs({first}, {runs}) }}\n")
    };
    let tests: String = seeds.iter().map(test).collect();
    format!(
        r#"//! A part of the simulation.
fn runs(first: u64, runs: u64) {{
    let none = |_: &nts_sim::many::Summary| ();
    let done = nts_sim::many::many(first, runs, &nts_sim::Wishes::default(), 1, &none).unwrap();
    assert!(done.violations.is_empty());
}}
{tests}"#
    )
}

/// What was built.
#[derive(Serialize, Deserialize)]
pub struct Built {
    /// The mutants that compile.
    pub mutants: Vec<Mutant>,
    /// The keys of those that do not.
    pub dropped: BTreeSet<String>,
    /// The test binary of each suite, and the directory that it is run in.
    pub binaries: BTreeMap<String, (PathBuf, PathBuf)>,
}

/// All mutants of the areas, by file.
pub fn all_places() -> Result<BTreeMap<String, Vec<Place>>> {
    let mut all = BTreeMap::new();
    let mut next = 1;
    for file in tracked()?.into_iter().filter(|f| area_of(f).is_some()) {
        let text = fs::read_to_string(&file)?;
        let places = find(&file, &text, next).map_err(|e| format!("{file}: {e}"))?;
        next += places.iter().map(|p| p.mutants.len()).sum::<usize>();
        all.insert(file, places);
    }
    Ok(all)
}

/// The area that a file belongs to.
pub fn area_of(file: &str) -> Option<&'static str> {
    let tests = ["tests.rs", "/tests/", "fuzz.rs", "/fuzz/", "spoilt.rs", "mutant.rs"];
    let is_test = tests.iter().any(|t| file.contains(t));
    let listed = |(_, files): &&(&str, &[&str])| {
        files.iter().any(|f| file == *f || (f.ends_with('/') && file.starts_with(f)))
    };
    if is_test || !file.ends_with(".rs") { None } else { AREAS.iter().find(listed).map(|a| a.0) }
}

fn tracked() -> Result<Vec<String>> {
    let listed =
        Command::new("git").args(["ls-files", "-co", "--exclude-standard", "-z"]).output()?;
    let files = str::from_utf8(&listed.stdout)?.split('\0').map(str::to_owned);
    Ok(files.filter(|f| !f.is_empty() && Path::new(f).is_file()).collect())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    // What is the same keeps its time, so that it is not compiled again.
    if fs::read(path).ok().as_deref() != Some(bytes) {
        fs::create_dir_all(path.parent().ok_or("no directory")?)?;
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// Copies the tree, puts the mutants in, and builds; leaves out what does not compile, and again.
pub fn build(settings: &Settings) -> Result<Built> {
    let places = all_places()?;
    let before = Built::load(settings).ok();
    let mut dropped = before.map(|b| b.dropped).unwrap_or_default();
    for file in tracked()?.iter().filter(|f| !places.contains_key(*f)) {
        let mut bytes = fs::read(file)?;
        if ["boxoffice/Cargo.toml", "server/Cargo.toml"].contains(&file.as_str()) {
            let more = "mutation_switch = { path = \"../mutation_switch\" }\n";
            let text = String::from_utf8(bytes)?;
            let (a, b) = text.split_once("\n[dependencies]\n").unwrap_or((&text, ""));
            bytes = format!("{a}\n[dependencies]\n{more}{b}").into_bytes();
        }
        if file.starts_with("tests/") && file.ends_with(".rs") {
            // The processes that these tests start have to know which mutant is switched on.
            let known = r#".env_clear().envs(std::env::vars().filter(|(name, _)| name.starts_with("MUTATION_")))"#;
            bytes = String::from_utf8(bytes)?.replace(".env_clear()", known).into_bytes();
        }
        write(&settings.copy.join(file), &bytes)?;
    }
    let manifest = "[package]\nname = \"mutation_switch\"\nedition = \"2024\"\n";
    write(&settings.copy.join("mutation_switch/Cargo.toml"), manifest.as_bytes())?;
    write(&settings.copy.join("mutation_switch/src/lib.rs"), SWITCH.as_bytes())?;
    write(&settings.copy.join("sim/tests/short.rs"), simulation(SHORT).as_bytes())?;
    write(&settings.copy.join("sim/tests/long.rs"), simulation(LONG).as_bytes())?;
    loop {
        let mut woven = BTreeMap::new();
        for (file, places) in &places {
            let one = weave(&fs::read_to_string(file)?, places, &dropped);
            write(&settings.copy.join(file), one.text.as_bytes())?;
            woven.insert(file.clone(), one);
        }
        let (blamed, binaries) = compile(settings, &woven)?;
        let all = places.values().flatten().flat_map(|p| &p.mutants);
        if blamed.is_empty() {
            let mutants = all.filter(|m| !dropped.contains(&m.key)).cloned().collect();
            let built = Built { mutants, dropped, binaries };
            write(&settings.copy.join("built.json"), &serde_json::to_vec(&built)?)?;
            return Ok(built);
        }
        eprintln!("{} mutants do not compile", blamed.len());
        dropped.extend(all.filter(|m| blamed.contains(&m.number)).map(|m| m.key.clone()));
        let built = Built { mutants: Vec::new(), dropped: dropped.clone(), binaries };
        write(&settings.copy.join("built.json"), &serde_json::to_vec(&built)?)?;
    }
}

impl Built {
    /// What was built last.
    pub fn load(settings: &Settings) -> Result<Built> {
        Ok(serde_json::from_slice(&fs::read(settings.copy.join("built.json"))?)?)
    }
}

type Binaries = BTreeMap<String, (PathBuf, PathBuf)>;

/// Builds the test binaries, or says which mutants are to blame.
fn compile(
    settings: &Settings,
    woven: &BTreeMap<String, Woven>,
) -> Result<(BTreeSet<usize>, Binaries)> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--no-run", "--message-format=json"]);
    for suite in &settings.suites {
        cargo.args(["-p", suite.package]);
        match suite.target {
            "--lib" if cargo.get_args().any(|a| a == "--lib") => &mut cargo,
            "--lib" => cargo.arg("--lib"),
            target => cargo.args(["--test", target]),
        };
    }
    cargo.current_dir(&settings.copy);
    cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
    let output = cargo.output()?;
    let (mut blamed, mut binaries, mut told) = (BTreeSet::new(), BTreeMap::new(), String::new());
    for line in str::from_utf8(&output.stdout)?.lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
            told += message["message"]["rendered"].as_str().unwrap_or_default();
            blamed.extend(to_blame(&message["message"], woven));
        }
        let Some(binary) = message["executable"].as_str() else { continue };
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let kind = message["target"]["kind"][0].as_str().unwrap_or_default();
        for suite in &settings.suites {
            let is_it = if kind == "lib" {
                suite.target == "--lib" && suite.package.replace('-', "_") == name
            } else {
                suite.target == name
            };
            let package = message["manifest_path"].as_str().unwrap_or_default();
            let directory = Path::new(package).parent().unwrap_or(Path::new("."));
            if is_it {
                let paths = (PathBuf::from(binary), directory.to_owned());
                binaries.insert(suite.name.to_owned(), paths);
            }
        }
    }
    if !output.status.success() && blamed.is_empty() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the copy does not compile:\n{told}{errors}").into());
    }
    Ok((blamed, binaries))
}

fn to_blame(message: &Value, woven: &BTreeMap<String, Woven>) -> Vec<usize> {
    let spans = |of: &Value| of["spans"].as_array().cloned().unwrap_or_default();
    let mut all = spans(message);
    all.sort_by_key(|s| s["is_primary"] != true);
    all.extend(message["children"].as_array().into_iter().flatten().flat_map(spans));
    for span in all {
        let file = span["file_name"].as_str().unwrap_or_default();
        let byte = |name: &str| span[name].as_u64().and_then(|n| usize::try_from(n).ok());
        if let (Some(woven), Some(start), Some(end)) =
            (woven.get(file), byte("byte_start"), byte("byte_end"))
        {
            let blamed = woven.blamed(&(start..end));
            if !blamed.is_empty() {
                return blamed;
            }
        }
    }
    Vec::new()
}
