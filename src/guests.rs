//! `nts guests import`: gives free tickets to the guests of a CSV file, on a running server.

use crate::server_url::{OrganiserServer, refused};
use boxoffice::check_slug;
use clap::Subcommand;
use nts_api::{GuestsAnswer, RowNote};
use nts_server::client;
use nts_server::text::plain;
use std::path::PathBuf;

/// What can be done with guests.
#[derive(Subcommand)]
pub enum GuestsCommand {
    /// Give free tickets to the guests of a CSV file with the columns name, email, ticket type and quantity; the
    /// exports of pretix and Hi.Events are recognised. To import the same file again gives nobody a second ticket
    Import {
        /// The event's id
        event: String,
        /// The file
        file: PathBuf,
        /// Give nothing, and tell what would be given and what is wrong with which line
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        server: OrganiserServer,
    },
}

/// Runs the command.
pub fn run(command: GuestsCommand) -> Result<(), String> {
    let GuestsCommand::Import { event, file, dry_run, server } = command;
    check_slug(&event).map_err(|e| format!("{event:?} is no id: {e}. Nothing was sent."))?;
    let name = file.display();
    let bytes = std::fs::read(&file).map_err(|e| format!("cannot read {name}: {e}"))?;
    let target = format!("{}/api/v1/events/{event}/guests?dry_run={dry_run}", server.base()?);
    let (mut given, mut before) = (0, None);
    loop {
        let (status, answer) =
            client::send("POST", &target, server.key(), "text/csv", bytes.clone())?;
        if status != 200 {
            return Err(refused(status, &answer));
        }
        let done: GuestsAnswer<'_> = serde_json::from_slice(&answer)
            .map_err(|e| format!("{target} answered 200 with what is no answer of nts: {e}"))?;
        given += done.given;
        let before = *before.get_or_insert(done.given_before);
        if !done.problems.is_empty() {
            return Err(wrong(&done, given, &name.to_string()));
        }
        if dry_run || done.left == 0 {
            done.left_out.iter().for_each(|note| say!("  {}", line(note)));
            say!("{}", told(&done, given, before));
            return Ok(());
        }
        if done.given == 0 {
            return Err(format!("{} rows were not given, and nothing says why", done.left));
        }
    }
}

fn line(note: &RowNote<'_>) -> String {
    format!("line {}: {}", note.line, plain(&note.text))
}

fn guests(n: u64) -> String {
    if n == 1 { "1 row".to_owned() } else { format!("{n} rows") }
}

/// What was done, in a sentence or two.
fn told(done: &GuestsAnswer<'_>, given: u64, before: u64) -> String {
    let known = match before {
        0 => String::new(),
        n => format!(" {} had been given before.", guests(n)),
    };
    if done.dry_run {
        let left = guests(done.left);
        let types = done.ticket_types.iter().filter(|count| count.left > 0);
        let types: Vec<String> =
            types.map(|count| format!("{} × {}", count.left, plain(&count.ticket_type))).collect();
        let of = match types.is_empty() {
            true => String::new(),
            false => format!(": {}", types.join(", ")),
        };
        return format!("{left} would be given free tickets{of}.{known} Nothing was changed.");
    }
    format!("{} got free tickets.{known}", guests(given))
}

/// What is wrong with the file.
fn wrong(done: &GuestsAnswer<'_>, given: u64, name: &str) -> String {
    let lines: String = done.problems.iter().map(|note| format!("\n  {}", line(note))).collect();
    let more = done.more_problems;
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let then = match given {
        0 => "Nothing was given".to_owned(),
        n => format!("{} were given, and stay so if you import the file again", guests(n)),
    };
    format!("{name} cannot be imported as it is. {then}:{lines}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nts_api::GuestCount;

    fn count(left: u64) -> Vec<GuestCount<'static>> {
        let of = |id: &'static str, left| GuestCount { left, ticket_type: id.into(), tickets: 9 };
        vec![of("adult", left), of("crew", 0)]
    }

    fn answer(left: u64, problems: &[(u64, &'static str)]) -> GuestsAnswer<'static> {
        let note =
            |(line, text): &(u64, &'static str)| RowNote { line: *line, text: (*text).into() };
        GuestsAnswer {
            dry_run: left > 0,
            given: 0,
            given_before: 0,
            left,
            left_out: vec![],
            more_problems: 2,
            problems: problems.iter().map(note).collect(),
            rows: 9,
            ticket_types: count(left),
            tickets: 9,
        }
    }

    #[test]
    fn what_was_done_is_told_in_a_sentence() {
        assert_eq!(told(&answer(0, &[]), 7, 0), "7 rows got free tickets.");
        assert_eq!(
            told(&answer(0, &[]), 1, 3),
            "1 row got free tickets. 3 rows had been given before."
        );
        assert_eq!(
            told(&answer(4, &[]), 0, 0),
            "4 rows would be given free tickets: 4 × adult. Nothing was changed."
        );
        let text = wrong(&answer(1, &[(3, "the name is empty")]), 0, "a.csv");
        assert!(text.contains("Nothing was given:\n  line 3: the name is empty\n  and 2 more"));
        let text = wrong(&answer(1, &[(3, "x")]), 2, "a.csv");
        assert!(text.contains("2 rows were given, and stay so"), "{text}");
    }
}
