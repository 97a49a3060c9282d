//! `nts event`: makes, changes and deletes events of a running server.

mod file;

use crate::server_url::{OrganiserServer, refused};
use boxoffice::check_slug;
use clap::Subcommand;
use nts_server::client;
use nts_server::text::plain;
use serde_json::Value;
use std::path::PathBuf;

/// What can be done with events.
#[derive(Subcommand)]
pub enum EventCommand {
    /// Create or change the event that FILE describes; see show.toml for an example
    Apply {
        /// A TOML file
        file: PathBuf,
        #[command(flatten)]
        server: OrganiserServer,
    },
    /// Delete the event with this ID, if nobody ever ordered
    Delete {
        /// The event's id
        id: String,
        #[command(flatten)]
        server: OrganiserServer,
    },
}

/// Runs the command.
pub fn run(command: EventCommand) -> Result<(), String> {
    match command {
        EventCommand::Apply { file, server } => apply(&file, &server),
        EventCommand::Delete { id, server } => {
            check_slug(&id).map_err(|e| format!("{id:?} is no id: {e}. Nothing was sent."))?;
            let target = format!("{}/api/v1/events/{id}", server.base()?);
            let (status, answer) = client::ask("DELETE", &target, server.key(), vec![])?;
            match status {
                204 => say!("{id} is deleted"),
                _ => return Err(refused(status, &answer)),
            }
            Ok(())
        }
    }
}

fn apply(path: &std::path::Path, server: &OrganiserServer) -> Result<(), String> {
    let (name, url) = (path.display(), server.base()?);
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {name}: {e}"))?;
    let text =
        as_text(&bytes).map_err(|why| format!("cannot read {name}: {why}. Nothing was sent."))?;
    let (id, body) = file::read(text).map_err(|mistakes| {
        let count = match mistakes.len() {
            1 => "a mistake".into(),
            many => format!("{many} mistakes"),
        };
        let lines: String =
            mistakes.iter().map(|m| format!("\n  {}", plain(&m.to_string()))).collect();
        format!("{name} has {count}, and nothing was sent:{lines}")
    })?;
    let json = serde_json::to_vec(&body).map_err(|e| e.to_string())?;
    // What is wrong with the id is among the mistakes of the file.
    let (target, page) = (format!("{url}/api/v1/events/{id}"), format!("{url}/events/{id}"));
    let (status, answer) = client::ask("PUT", &target, server.key(), json)?;
    let said: Value = serde_json::from_slice(&answer).unwrap_or_default();
    match status {
        201 if said["on_sale"] == true => say!("{id} is on sale at {page}"),
        201 => say!("{id} is made: {page}"),
        200 => say!("{id} is changed: {page}"),
        _ => return Err(refused(status, &answer)),
    }
    if said["hidden"] == true {
        say!("  It is hidden: no list shows it, and whoever has this address can see it and buy.");
    }
    for pool in said["pools"].as_array().into_iter().flatten() {
        let count = |name: &str| pool[name].as_u64().unwrap_or_default();
        let places = if count("capacity") == 1 { "place" } else { "places" };
        say!(
            "  {}: {} {places}, {} held, {} sold, {} left",
            plain(pool["id"].as_str().unwrap_or_default()),
            count("capacity"),
            count("held"),
            count("sold"),
            count("left")
        );
    }
    for warning in said["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        say!("  Warning: {}", plain(warning));
    }
    Ok(())
}

/// A file as text. The error is the end of a sentence.
fn as_text(bytes: &[u8]) -> Result<&str, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is saved as UTF-16; save it as UTF-8".into());
    }
    if bytes.contains(&0) {
        return Err("it is no text file; an event is described in one, such as show.toml".into());
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        format!("line {line} has a letter that is not saved as UTF-8; save the file as UTF-8")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use boxoffice::EventSpec;
    use nts_server::event_body;

    const SHOW: &str = include_str!("../show.toml");

    fn spec(text: &str) -> Result<EventSpec, String> {
        let told = |mistakes: Vec<super::file::Mistake>| {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            lines.join("\n")
        };
        let (id, body) = super::file::read(text).map_err(told)?;
        event_body::spec(body, &id).map_err(|flaws| boxoffice::told(&flaws))
    }

    /// Which line of the show this is, and what it says of which key.
    fn lines() -> impl Iterator<Item = (usize, &'static str, &'static str)> {
        let lines = SHOW.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        lines.filter_map(|(n, line)| line.split_once(" = ").map(|(key, value)| (n, key, value)))
    }

    /// The show with another line in the place of this one.
    fn with(n: usize, line: &str) -> String {
        let lines = SHOW.lines().enumerate();
        lines.map(|(m, was)| if m == n { line } else { was }).collect::<Vec<_>>().join("\n")
    }

    const ODD: [&str; 26] = [
        "",
        "0",
        "-1",
        "1.5",
        "1e3",
        "nan",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "true",
        "\"\"",
        "\" \"",
        "\"x\"",
        "\"1\"",
        "\"\\u0000\"",
        "\"\\u202E\"",
        "\"é\"",
        "\"\"\"\na\"\"\"",
        "[]",
        "[[]]",
        "{}",
        "{ a = 1 }",
        "{ amount = -1, currency = \"GBP\" }",
        "{ amount = 2500, currency = \"EUR\" }",
        "2030-07-05T20:00:00Z",
        "\"2030-07-05\"",
    ];

    /// What a table says, read without our types: (key, value) as it is written.
    fn says(text: &str) -> toml::Table {
        text.parse().expect("what was read is TOML")
    }

    /// What was accepted is what stands there.
    fn is_as_told(text: &str, spec: &EventSpec) {
        let told = says(text);
        let string = |name: &str| told.get(name).map_or("", |v| v.as_str().expect("a text"));
        let number = |name: &str| told.get(name).map(|v| v.as_integer().expect("a number"));
        assert_eq!((spec.slug.as_str(), spec.name.as_str()), (string("id"), string("name")));
        assert_eq!(spec.place, string("place"));
        assert!(spec.zone.eq_ignore_ascii_case(string("zone")), "{}", spec.zone);
        assert_eq!(spec.currency.code(), string("currency").to_ascii_uppercase());
        assert_eq!(i64::from(spec.limit_per_order), number("limit_per_order").unwrap_or(10));
        assert_eq!(spec.limit_per_buyer.map(i64::from), number("limit_per_buyer"));
        assert_eq!(spec.description, string("description").trim());
        assert_eq!((spec.hidden, spec.keep_buyers_days), (false, None));
        assert_eq!((&*spec.contact, spec.attach_pdf), ("", false));
        assert_eq!(spec.ends_ms.is_some(), told.contains_key("ends_at"));
        assert_eq!(spec.hold_ms, number("hold_seconds").unwrap_or(300) * 1000);
        let list = |name: &str| told[name].as_array().expect("a list").clone();
        let pools: Vec<_> = list("pools")
            .iter()
            .map(|p| (p["id"].as_str().unwrap().to_owned(), p["capacity"].as_integer().unwrap()))
            .collect();
        let made: Vec<_> =
            spec.pools.iter().map(|p| (p.name.clone(), i64::from(p.capacity))).collect();
        assert_eq!(made, pools);
        let types: Vec<_> = list("ticket_types")
            .iter()
            .map(|t| {
                let text = |name: &str| t[name].as_str().unwrap().to_owned();
                (text("id"), text("name"), text("pool"), t["price"]["amount"].as_integer().unwrap())
            })
            .collect();
        let made = spec.ticket_types.iter();
        let made = made.map(|t| (t.id.clone(), t.name.clone(), t.pool.clone(), t.price_minor));
        assert_eq!(made.collect::<Vec<_>>(), types);
    }

    /// Whether an error names a line of the file, or the key. Line 1 is the first.
    fn names(error: &str, n: usize, key: &str) -> bool {
        error.contains(&format!("line {}", n + 1)) || error.contains(key)
    }

    #[test]
    fn one_wrong_thing_is_told_with_its_place_or_is_what_it_says() {
        is_as_told(SHOW, &spec(SHOW).unwrap());
        let mut wrong = 0;
        for (n, key, value) in lines() {
            let mut tries: Vec<String> = ODD.iter().map(|odd| format!("{key} = {odd}")).collect();
            // Missing, named otherwise, and there twice.
            tries.push(String::new());
            tries.push(format!("x{key} = {value}"));
            tries.push(format!("{key} = {value}\n{key} = {value}"));
            tries.push(format!("{key} {value}"));
            for line in tries {
                let text = with(n, &line);
                match spec(&text) {
                    Ok(spec) => is_as_told(&text, &spec),
                    Err(error) => {
                        wrong += 1;
                        let last = line.lines().count();
                        let told =
                            names(&error, n, key) || (1..=last).any(|m| names(&error, n + m, key));
                        assert!(told, "line {}: {line}: {error}", n + 1);
                    }
                }
            }
        }
        assert!(wrong > 300, "{wrong}");
    }

    #[test]
    fn a_file_that_is_not_in_utf8_is_told_with_its_line() {
        let told = |bytes: &[u8]| super::as_text(bytes).unwrap_err();
        assert!(told(b"a = 1\nname = \"Caf\xe9\"\n").starts_with("line 2 has a letter"));
        assert!(told(b"\xff\xfea\0").contains("UTF-16"));
        assert!(told(b"SQLite format 3\0").contains("no text file"));
        assert_eq!(super::as_text(b"\xef\xbb\xbfid = 1"), Ok("id = 1"));
    }

    #[test]
    fn a_file_that_is_cut_or_damaged_anywhere_is_refused_or_is_what_it_says() {
        for at in 0..SHOW.len() {
            let mut bytes = SHOW.as_bytes().to_vec();
            bytes[at] ^= 1 << (at % 7);
            for bytes in [&SHOW.as_bytes()[..at], &bytes] {
                let text = String::from_utf8_lossy(bytes);
                match spec(&text) {
                    Ok(spec) => is_as_told(&text, &spec),
                    Err(error) => assert!(error.len() > 10, "{error}"),
                }
            }
        }
    }
}
