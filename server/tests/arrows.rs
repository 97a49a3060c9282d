//! Which part may name which. A new arrow is a decision: change this table with the reason.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// Each part of the server and the parts that it may name. `run` puts everything together and
/// `app` is what they share, so both may name all; every part may name the core.
const ARROWS: &[(&str, &[&str])] = &[
    ("actor", &[]),
    // It counts whom it refuses.
    ("admission", &["metrics"]),
    ("audit", &["clock", "payments", "reads", "store", "text", "when"]),
    ("catalogue", &[]),
    ("client", &[]),
    ("clock", &[]),
    ("config", &["admission", "payments"]),
    ("identity", &["ids"]),
    ("ids", &[]),
    // It measures how late the tasks come to their turn.
    ("lag", &["tasks"]),
    ("metrics", &[]),
    ("private_file", &[]),
    ("tasks", &[]),
    ("text", &[]),
    ("when", &[]),
    // A database with several processes on it gives each the number by which it makes ids.
    // An older database gets the keys of its buyers anew.
    ("store", &["actor", "clock", "identity", "ids", "private_file", "tasks"]),
    // What admission refuses never comes to the writer; who asked hears it as one more no.
    ("writer", &["actor", "admission", "metrics", "store"]),
    ("reads", &["store"]),
    // It knows what messages are owed to whom, and nothing of what they mean.
    ("messages", &["clock", "reads", "store", "writer"]),
    ("payments", &["clock", "ids", "private_file", "tasks", "text"]),
    ("outbox", &["app", "metrics", "payments", "store", "text", "writer"]),
    // Which routes there are, and whose they are, follows from the settings.
    (
        "http",
        &[
            "admission",
            "app",
            "catalogue",
            "config",
            "identity",
            "ids",
            "metrics",
            "outbox",
            "store",
            "tasks",
            "text",
            "when",
            "writer",
        ],
    ),
];
const MAY_NAME_ALL: &[&str] = &["app", "lib", "run"];

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn parts_name_only_what_they_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    assert!(found.len() > 20, "the sources are where they are looked for");
    let mut wrong = Vec::new();
    for path in found {
        let relative = path.strip_prefix(&src).unwrap();
        let part = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        // Tests put together what they need.
        let tests = ["contract", "fuzz", "fuzz.rs", "tests", "tests.rs"];
        let test = relative.iter().any(|p| tests.iter().any(|t| p == *t));
        if test || MAY_NAME_ALL.contains(&part) {
            continue;
        }
        let (_, allowed) = ARROWS
            .iter()
            .find(|(name, _)| *name == part)
            .unwrap_or_else(|| panic!("a new part, {part}: say what it may name"));
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            for after in line.split("crate::").skip(1) {
                let named: String =
                    after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if named != part && !allowed.contains(&named.as_str()) {
                    wrong.push(format!(
                        "{}:{}: {part} names {named}",
                        relative.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_where_sqlite_is_given_a_disk_and_nowhere_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let may = ["random.rs", "shared.rs", "vfs.rs"].map(|name| Path::new("src/disk").join(name));
    for (package, forbids) in [(".", true), ("boxoffice", true), ("server", true), ("sim", false)] {
        let manifest = std::fs::read_to_string(root.join(package).join("Cargo.toml")).unwrap();
        assert_eq!(manifest.contains("[lints]\nworkspace = true"), forbids, "{package}");
        let knows_sim = manifest.contains("nts-sim =");
        assert_eq!(knows_sim, package == ".", "only the command line knows the simulation");
    }
    let mut found = Vec::new();
    files(&root.join("sim/src"), &mut found);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let has = text.contains("expect(unsafe_code") || text.contains("allow(unsafe_code");
        let relative = path.strip_prefix(root.join("sim")).unwrap();
        assert_eq!(has, may.iter().any(|m| m == relative), "{}", relative.display());
    }
}

#[test]
fn the_core_knows_nothing_of_the_world() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../boxoffice");
    let manifest = std::fs::read_to_string(core.join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("\n[dependencies]"), "the core has no dependencies");
    let mut found = Vec::new();
    files(&core.join("src"), &mut found);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("std::"), "{} names std", path.display());
    }
}

#[test]
fn every_select_is_biased_so_that_a_seed_repeats_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    files(&src.join("../../src"), &mut found);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for after in text.split("select! {").skip(1) {
            let first = after.trim_start();
            assert!(first.starts_with("biased;"), "a select without biased in {}", path.display());
        }
    }
}
