//! The documents: their links lead to files, and the settings that they name exist.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nts_server::config::Config;
use std::path::{Path, PathBuf};

/// Variables that tests read and the server does not.
const OF_TESTS: &[&str] = &["NTS_FUZZ_SEED", "NTS_FUZZ_TIMES", "NTS_MUTANT_STARTS", "NTS_TEST_ALL"];

/// Every document, but for the changelog, which names what earlier versions had.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for dir in [root.to_path_buf(), root.join("docs")] {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "md") && !path.ends_with("CHANGELOG.md") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 8, "the documents are where they are looked for");
    found
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|l| l.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let anchor = |heading: &str| heading.to_lowercase().chars().filter(kept).collect::<String>();
    headings.map(|h| anchor(h.trim_start_matches('#').trim()).replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for after in text.split("](").skip(1) {
            let link = after.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let leads = target.exists()
                && (heading.is_empty()
                    || anchors(&std::fs::read_to_string(target).unwrap())
                        .contains(&heading.to_string()));
            if !leads {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_setting_that_is_named_exists() {
    let table = Config::markdown();
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for after in text.split("NTS_").skip(1) {
            let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
            let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
            let name = format!("NTS_{}", &after[..end]);
            let family = after[end..].starts_with('*') && table.contains(&name);
            if !family && !table.contains(&format!("`{name}`")) && !OF_TESTS.contains(&&*name) {
                wrong.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
