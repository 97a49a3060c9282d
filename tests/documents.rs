//! The documents: their links lead to files, and the files and settings that they name exist. And two
//! facts that stand in several files: the toolchain, and the versions of dependencies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nts_server::config::Config;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Variables that tests read and the server does not.
const OF_TESTS: &[&str] = &[
    "NTS_DOOR_QUEUE",
    "NTS_FUZZ_SEED",
    "NTS_FUZZ_TIMES",
    "NTS_MUTANT_STARTS",
    "NTS_PDF_LOOK",
    "NTS_TEST_ALL",
    "NTS_TEST_PICTURES",
];

/// Variables that a command reads and the server does not.
const OF_COMMANDS: &[&str] = &["NTS_URL"];

/// Every document, but for the changelog, which names what earlier versions had.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for dir in [root.to_path_buf(), root.join("docs"), root.join("deploy/cluster")] {
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

/// All files of the repository in directories with source code.
fn sources(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.is_file() {
            found.push(path.to_str().unwrap().to_string());
        }
    }
}

#[test]
fn every_source_file_that_is_named_exists() {
    let mut found = Vec::new();
    sources(Path::new(env!("CARGO_MANIFEST_DIR")), &mut found);
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for word in text.split('`').filter(|w| w.ends_with(".rs") && !w.contains(['*', ' '])) {
            if !found.iter().any(|file| file.ends_with(&format!("/{word}"))) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is named in a text like a setting, and is none.
fn no_settings(text: &str) -> Vec<String> {
    let table = Config::markdown();
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let mut wrong = Vec::new();
    for after in text.split("NTS_").skip(1) {
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        let name = format!("NTS_{}", &after[..end]);
        let family = after[end..].starts_with('*') && table.contains(&name);
        let known = table.contains(&format!("`{name}`"));
        if !family && !known && !OF_TESTS.contains(&&*name) && !OF_COMMANDS.contains(&&*name) {
            wrong.push(name);
        }
    }
    wrong
}

#[test]
fn every_setting_that_is_named_exists() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        wrong.extend(no_settings(&text).iter().map(|name| format!("{}: {name}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_setting_in_the_files_for_installing_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("docker-compose.yml"), root.join("Dockerfile")];
    for dir in ["deploy", "deploy/cluster"] {
        let entries = std::fs::read_dir(root.join(dir)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    let mut named = 0;
    for path in files.into_iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&path).unwrap();
        named += text.matches("NTS_").count();
        assert_eq!(no_settings(&text), [""; 0], "{}", path.display());
    }
    assert!(named > 30, "the files are where they are looked for");
}

#[test]
fn systemd_takes_the_units() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let dir = std::env::temp_dir().join(format!("nts-units-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut verify = std::process::Command::new("systemd-analyze");
    verify.arg("verify");
    let units = [
        "nts.service",
        "nts-backup.service",
        "nts-backup.timer",
        "cluster/patroni.service",
        "cluster/nts-etcd-leader.service",
        "cluster/nts-audit.service",
        "cluster/nts-audit.timer",
        "cluster/nts-alarm@.service",
        "cluster/nts-wal.service",
        "cluster/nts-base.service",
        "cluster/nts-base.timer",
    ];
    // It wants the programs to be there.
    let programs = [
        "/usr/local/bin/nts",
        "/usr/local/sbin/nts-alarm",
        "/usr/local/sbin/nts-etcd-leader",
        "/opt/patroni/bin/patroni",
        "/usr/bin/pg_receivewal",
        "/sbin/modprobe",
    ];
    for path in units {
        let unit = std::fs::read_to_string(root.join(path)).unwrap();
        let unit = programs.iter().fold(unit, |unit, program| unit.replace(program, "/bin/true"));
        let name = path.rsplit('/').next().unwrap();
        std::fs::write(dir.join(name), unit).unwrap();
        verify.arg(dir.join(name));
    }
    match verify.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let about_ours: Vec<_> = said.lines().filter(|line| line.contains("nts")).collect();
            assert!(about_ours.is_empty(), "{said}");
        }
        Err(why) => eprintln!("left out: there is no systemd-analyze: {why}"),
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn every_step_of_a_script_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let mut scripts = 0;
    for entry in std::fs::read_dir(root.join("boxoffice/scripts")).unwrap() {
        scripts += 1;
        let script = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in script.lines().map(str::trim) {
            let mut words = line.split(' ').filter(|w| !w.is_empty());
            let Some(mut verb) = words.next().filter(|w| !w.starts_with(['#', '='])) else {
                continue;
            };
            if verb.strip_suffix('x').is_some_and(|n| n.parse::<u32>().is_ok()) {
                verb = words.next().unwrap();
            }
            assert!(
                text.contains(&format!("`{verb} ")),
                "CONTRIBUTING.md does not explain: {line}"
            );
        }
    }
    assert!(scripts > 10, "the scripts are where they are looked for");
}

#[test]
fn the_container_is_built_with_the_pinned_toolchain() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let toolchain = std::fs::read_to_string(root.join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap();
    let dockerfile = std::fs::read_to_string(root.join("Dockerfile")).unwrap();
    let image = format!("FROM rust:{}-", channel.trim_matches('"'));
    assert!(dockerfile.contains(&image), "the Dockerfile does not say {image}");
}

#[test]
fn a_crate_that_two_manifests_name_has_its_version_in_the_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = |dir: &str| std::fs::read_to_string(root.join(dir).join("Cargo.toml")).unwrap();
    let workspace = manifest(".");
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<&str> =
        members.split('"').filter(|word| !word.contains(['[', ',', ']'])).collect();
    assert!(members.len() > 5, "the members are where they are looked for: {members:?}");
    // By crate: the manifests that name it, and those that do so with a version or a path of their own.
    let mut named: BTreeMap<String, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for member in members {
        let (text, mut of_dependencies) = (manifest(member), false);
        for line in text.lines() {
            if line.starts_with('[') {
                of_dependencies = line.contains("dependencies") && !line.contains("workspace");
            } else if of_dependencies && let Some((name, value)) = line.split_once('=') {
                let inherits = line.contains("workspace = true");
                let name = name.trim().trim_end_matches(".workspace").to_string();
                let (all, own) = named.entry(name).or_default();
                all.push(member);
                if !inherits && (value.contains('"') || value.contains("version")) {
                    own.push(member);
                }
            }
        }
    }
    let wrong: Vec<_> = named
        .iter()
        .filter(|(_, (all, own))| !own.is_empty() && all.iter().any(|member| *member != all[0]))
        .collect();
    assert!(wrong.is_empty(), "put these into [workspace.dependencies]: {wrong:?}");
}

#[test]
fn the_api_document_has_the_table_of_all_problem_codes() {
    let mut table = String::from("| `code` | status | meaning |\n|---|---|---|\n");
    for code in nts_api::ProblemCode::ALL {
        let statuses: Vec<String> = code.statuses().iter().map(u16::to_string).collect();
        table += &format!("| `{code}` | {} | {} |\n", statuses.join(", "), code.meaning());
    }
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let text = std::fs::read_to_string(document).unwrap();
    assert!(text.contains(&table), "put this table into docs/api.md:\n{table}");
}

/// The words of a list with their meanings, as a table.
macro_rules! words {
    ($name:literal, $list:ty) => {{
        let mut table = format!("| {} | meaning |\n|---|---|\n", $name);
        for word in <$list>::ALL {
            table += &format!("| `{word}` | {} |\n", word.meaning());
        }
        table
    }};
}

#[test]
fn the_api_document_has_the_tables_of_all_states() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let text = std::fs::read_to_string(document).unwrap();
    let tables = [
        words!("`state` of an order", nts_api::OrderState),
        words!("`state` of an attempt", nts_api::AttemptState),
        words!("`state` of a refund", nts_api::RefundState),
        words!("`kind` of a mail", nts_api::MailKind),
        words!("`state` of a mail", nts_api::MailState),
        words!("`type` of an action", nts_api::ActionKind),
    ];
    for table in tables {
        assert!(text.contains(&table), "put this table into docs/api.md:\n{table}");
    }
}
