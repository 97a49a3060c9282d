//! `nts migrate-store`.

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use nts_server::clock::Clock;
use nts_server::config::DatabaseName;
use nts_server::store::Database;
use nts_server::store::transfer::{Moved, Stage, transfer};
use std::io::IsTerminal;

/// Lets nts start again on a database that was moved elsewhere.
pub fn resume(database: &DatabaseName) -> Result<(), String> {
    let database = Database::parse(database.told())?;
    super::backup::must_exist(&database, " Nothing was changed.")?;
    match database.resume(Clock::System).map_err(|e| e.to_string())? {
        Some(to) => say!("{database} sells again. Never start nts on {to} any more."),
        None => say!("{database} was not moved; nothing was changed."),
    }
    Ok(())
}

/// Moves everything from one database into another that is empty.
pub fn migrate(from: &DatabaseName, to: &DatabaseName) -> Result<(), String> {
    let (to_use, hidden) = to.without_password();
    let (from, to) = (Database::parse(from.told())?, Database::parse(to.told())?);
    let bar = ProgressBar::hidden();
    if std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} orders, {eta} left");
        bar.set_style(style.map_err(|e| e.to_string())?);
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }
    let mut tell = |stage| match stage {
        Stage::Checking => bar.set_message("looking at the books"),
        Stage::Copying(done, all) => {
            bar.set_message("copying");
            bar.set_length(all);
            bar.set_position(done);
        }
        Stage::Comparing(done, all) => {
            bar.set_message("comparing");
            bar.set_length(all);
            bar.set_position(done);
        }
    };
    let moved = transfer(&from, &to, &Clock::System, &mut tell);
    bar.finish_and_clear();
    let Moved { events, orders, tickets, requests, records } = moved?;
    say!(
        "Moved {} events, {} orders and {} tickets, {} remembered answers and {} other records, from \
         {from} to {to}; the books balance there.",
        HumanCount(events),
        HumanCount(orders),
        HumanCount(tickets),
        HumanCount(requests),
        HumanCount(records),
    );
    // In quotes, for an address may contain what a shell takes for something else.
    say!("Start nts with:\n\n  NTS_DATABASE='{}'\n", to_use.replace('\'', "%27"));
    if hidden {
        say!("Replace PASSWORD by the password, which is not shown here.");
    }
    say!("nts does not start on {from} any more.");
    if from.sandbox().exists() {
        say!(
            "The sandbox keeps its own file: start with NTS_SANDBOX={} as well.",
            from.sandbox().display()
        );
    }
    Ok(())
}
