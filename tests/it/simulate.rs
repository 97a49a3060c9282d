//! `nts simulate` as a process: the same story twice, and statuses that a script can rely on.

use crate::harness::*;
use std::process::Output;

fn simulate(dir: &Dir, arguments: &[&str]) -> Output {
    nts(dir).arg("simulate").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_seed_tells_the_same_story_byte_for_byte_in_another_process() {
    let dir = Dir::new("same-story");
    let mut hashes = std::collections::BTreeSet::new();
    // Among them runs on a file and on a database server, of one process and of several.
    for seed in ["5", "6", "9", "12"] {
        let tell = || simulate(&dir, &["--seed", seed, "--verbose"]);
        let (one, other) = (tell(), tell());
        assert!(one.status.success(), "seed {seed}: {}", said(&one));
        assert_eq!(one.stdout, other.stdout, "seed {seed}");
        let text = said(&one);
        let hash = text.lines().find(|l| l.starts_with("hash of the whole story: "));
        hashes.insert(hash.expect("a hash").to_owned());
    }
    assert_eq!(hashes.len(), 4, "another seed is another story");
}

#[test]
fn many_runs_are_summed_up_for_people_and_for_programs() {
    let dir = Dir::new("many-runs");
    let text = said(&simulate(&dir, &["--runs", "2"]));
    assert!(text.contains("2 runs in") && text.contains("Every promise was kept"), "{text}");
    let json = simulate(&dir, &["--runs", "2", "--json", "--report", "report.html"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["runs"], 2, "{json}");
    let page = std::fs::read_to_string(dir.path("report.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script"), "{page}");
    let wrong = simulate(&dir, &["--faults", "no-such-fault"]);
    assert_eq!(wrong.status.code(), Some(2));
}
