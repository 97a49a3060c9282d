//! Which part may name which. A new arrow is a decision: change this table with the reason.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// Each part of the server and the parts that it may name. `run` composes the server, so it may name
/// all; `app` is the composition that results, and the table of its fields below says whose they are.
/// Every part may name the core.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "accounts",
            "admission",
            "catalogue",
            "clock",
            "codes",
            "config",
            "door",
            "ids",
            "links",
            "mail",
            "mailing",
            "metrics",
            "organiser",
            "payments",
            "pdf",
            "sales",
            "settlement",
            "shop",
            "stop",
            "tickets",
            "webhooks",
        ],
    ),
    ("colour", &[]),
    ("picture", &[]),
    // What pages show of the shop: its owner changes it, and a picture is read beside those that sell.
    (
        "shop",
        &[
            "access", "actor", "clock", "colour", "ids", "pdf", "picture", "reads", "store",
            "writer",
        ],
    ),
    // Who may do what. Use cases ask for its permits.
    ("access", &["actor"]),
    // Who may use the office: use cases of signing in. They know no HTTP.
    (
        "accounts",
        &[
            "access",
            "actor",
            "admission",
            "clock",
            "identity",
            "ids",
            "mail",
            "reads",
            "store",
            "tasks",
            "text",
            "writer",
        ],
    ),
    ("actor", &[]),
    // It counts requests that it rejects; a test of it starts a task.
    ("admission", &["metrics", "tasks"]),
    ("audit", &["clock", "payments", "reads", "store", "text", "when"]),
    ("calendar", &["ids", "language", "markdown", "when"]),
    ("catalogue", &[]),
    ("client", &[]),
    ("clock", &[]),
    // The keys are rows of the database; a test of it needs nothing else.
    ("codes", &["ids", "store", "ticket_code"]),
    ("config", &["admission", "mail", "payments", "text", "webhooks"]),
    ("event_body", &["ids", "language", "text", "when"]),
    ("identity", &["ids"]),
    ("ids", &[]),
    ("language", &["text"]),
    ("links", &["ids"]),
    // What a mail says follows from the order as it is then. The relay is counted, and closes connections in
    // tasks of their own.
    (
        "mail",
        &[
            "calendar",
            "catalogue",
            "clock",
            "codes",
            "identity",
            "language",
            "links",
            "metrics",
            "pdf",
            "qr",
            "reads",
            "store",
            "tasks",
            "text",
            "trust",
        ],
    ),
    ("metrics", &[]),
    ("private_file", &[]),
    ("problem_code", &[]),
    ("qr", &[]),
    ("search_text", &[]),
    ("stop", &[]),
    ("tasks", &[]),
    ("text", &[]),
    ("ticket_code", &[]),
    // Use cases of whoever has a code.
    (
        "tickets",
        &["access", "actor", "codes", "identity", "ids", "sales", "store", "ticket_code", "writer"],
    ),
    // Use cases of the door: a code is a ticket of an order, and a time lies on a day of the event.
    ("door", &["access", "codes", "organiser", "sales", "store", "tickets", "when", "writer"]),
    ("trust", &[]),
    ("when", &["text"]),
    // A database with several processes on it gives each the number by which it makes ids.
    // An older database gets the keys of its buyers anew.
    (
        "store",
        &[
            "access",
            "actor",
            "clock",
            "identity",
            "ids",
            "private_file",
            "search_text",
            "tasks",
            "text",
            "trust",
        ],
    ),
    // A command that admission rejects never reaches the writer, but its caller gets the same error.
    // The mails that a decision owes are committed with it, and the messages to webhooks, which say when. Since when a
    // batch is under way is told to those who read, by the clock that they read.
    (
        "writer",
        &[
            "actor",
            "admission",
            "clock",
            "mail",
            "metrics",
            "problem_code",
            "search_text",
            "store",
            "text",
            "when",
        ],
    ),
    ("reads", &["store", "tasks"]),
    // It knows what messages are owed to whom, and nothing of what they mean.
    ("messages", &["clock", "reads", "store", "writer"]),
    // Mails: from the outbox to the relay.
    (
        "mailing",
        &["catalogue", "clock", "ids", "mail", "messages", "metrics", "reads", "store", "writer"],
    ),
    // The file is made of the order, its codes and the words of a language; what makes it is a thread.
    ("pdf", &["codes", "language", "qr", "tasks"]),
    ("payments", &["clock", "ids", "private_file", "tasks", "text"]),
    (
        "settlement",
        &["admission", "clock", "links", "metrics", "payments", "reads", "store", "text", "writer"],
    ),
    // Use cases. They know neither HTTP nor SQL; of the payments they know what a token looks like.
    (
        "sales",
        &[
            "actor",
            "admission",
            "catalogue",
            "clock",
            "identity",
            "ids",
            "payments",
            "reads",
            "settlement",
            "stop",
            "store",
            "writer",
        ],
    ),
    ("markdown", &[]),
    // The search table is filled beside the sale, and codes of tickets lead to orders. What is wrong with a row
    // of a file is told in words.
    (
        "organiser",
        &[
            "access",
            "actor",
            "clock",
            "codes",
            "identity",
            "ids",
            "language",
            "mail",
            "mailing",
            "reads",
            "sales",
            "search_text",
            "store",
            "tasks",
            "text",
            "tickets",
            "when",
            "writer",
        ],
    ),
    // Webhooks: from the outbox to programs of others, and their use cases. Which networks a setting names is read as
    // those of proxies are.
    (
        "webhooks",
        &[
            "access",
            "actor",
            "admission",
            "clock",
            "ids",
            "mail",
            "messages",
            "metrics",
            "reads",
            "store",
            "text",
            "when",
            "writer",
        ],
    ),
    // What people read of a commit.
    ("sale_log", &["catalogue", "writer"]),
    // What a commit leads to.
    (
        "publish",
        &[
            "catalogue",
            "clock",
            "mail",
            "metrics",
            "sale_log",
            "sales",
            "settlement",
            "store",
            "writer",
        ],
    ),
    ("replicate", &["catalogue", "clock", "codes", "metrics", "reads", "store"]),
    // Which routes there are, and whose they are, follows from the settings. Of settlement it knows
    // the notices, of the store the key of a request, of the writer what a caller gets.
    (
        "http",
        &[
            "access",
            "accounts",
            "actor",
            "admission",
            "app",
            "calendar",
            "catalogue",
            "codes",
            "colour",
            "config",
            "door",
            "event_body",
            "identity",
            "ids",
            "language",
            "mail",
            "mailing",
            "markdown",
            "metrics",
            "organiser",
            "pdf",
            "picture",
            "problem_code",
            "qr",
            "sales",
            "settlement",
            "shop",
            "store",
            "tasks",
            "text",
            "tickets",
            "webhooks",
            "when",
            "writer",
        ],
    ),
];
const MAY_NAME_ALL: &[&str] = &["lib", "run"];

/// The names of values through whose fields other parts are reached.
const HOLDERS: &[&str] = &["app", "site", "sales", "organiser", "settlement", "tickets"];
/// Which parts may reach these fields of a holder. A field is a way past the table above, so it is an
/// arrow as well.
const FIELDS: &[(&str, &[&str])] = &[
    // Reads of the database: use cases, settlement, replication and the audit.
    (
        "reads",
        &[
            "audit",
            "door",
            "mailing",
            "organiser",
            "publish",
            "replicate",
            "run",
            "sales",
            "settlement",
            "tickets",
        ],
    ),
    ("writer", &["door", "organiser", "publish", "run", "sales", "settlement", "tickets"]),
    ("stripe", &["audit", "run", "sales", "settlement"]),
    ("queue", &["publish", "run", "sales", "settlement"]),
];

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
            for (field, may) in FIELDS {
                let reaches = |holder: &&str| {
                    let ends =
                        |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                    line.split(&format!("{holder}.{field}")).skip(1).any(|rest| !ends(rest))
                };
                if HOLDERS.iter().any(reaches) && !may.contains(&part) {
                    wrong.push(format!(
                        "{}:{}: {part} reaches {field}",
                        relative.display(),
                        number + 1
                    ));
                }
            }
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
fn no_parts_name_each_other_in_a_circle() {
    // Take away what names nothing that is left, until nothing is left.
    let mut left: Vec<(&str, Vec<&str>)> =
        ARROWS.iter().map(|(part, may)| (*part, may.to_vec())).collect();
    while !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|(part, _)| *part).collect();
        let free: Vec<&str> = left
            .iter()
            .filter(|(part, may)| !may.iter().any(|m| m != part && names.contains(m)))
            .map(|(part, _)| *part)
            .collect();
        assert!(!free.is_empty(), "a circle among {names:?}");
        left.retain(|(part, _)| !free.contains(part));
    }
}

#[test]
fn unsafe_code_is_where_sqlite_is_given_a_disk_and_nowhere_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let may = ["random.rs", "shared.rs", "vfs.rs"].map(|name| Path::new("src/disk").join(name));
    for (package, _) in CRATES {
        let (package, forbids) = (*package, *package != "sim");
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

/// Each crate of the workspace and the others that it is built with. Tests may use more.
const CRATES: &[(&str, &[&str])] = &[
    (".", &["boxoffice", "nts-api", "nts-rush", "nts-server", "nts-sim"]),
    // The wire types are what both sides of the API have in common, and know neither of them.
    ("api", &[]),
    ("boxoffice", &[]),
    ("rush", &["nts-api"]),
    ("server", &["boxoffice", "nts-api"]),
    ("sim", &["boxoffice", "nts-api", "nts-server"]),
    ("testkit", &["boxoffice", "nts-api"]),
];

#[test]
fn crates_are_built_with_only_those_that_they_may_use() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let members = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let members = members.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    let known: Vec<&str> = CRATES.iter().map(|(package, _)| *package).collect();
    assert_eq!(members, known, "a new crate: say what it may use");
    for (package, may) in CRATES {
        let manifest = std::fs::read_to_string(root.join(package).join("Cargo.toml")).unwrap();
        let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
        let lines = lines.take_while(|line| !line.starts_with('['));
        let names = lines.filter_map(|line| line.split([' ', '.', '=']).next());
        let ours = |name: &&str| *name == "boxoffice" || name.starts_with("nts-");
        let (uses, others): (Vec<&str>, Vec<&str>) =
            names.filter(|name| !name.is_empty()).partition(ours);
        assert_eq!(uses, *may, "{package}");
        if *package == "api" {
            // How they are sent, and how they describe themselves.
            assert_eq!(others, ["serde", "utoipa"], "the wire types need nothing else");
        }
    }
}
