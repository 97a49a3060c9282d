//! `nts audit-log`: who did what to which event or order, and when.

use clap::Args;
use nts_server::audit::log::{Wanted, lines};
use nts_server::clock::Clock;
use nts_server::config::DatabaseName;
use nts_server::store::Database;
use nts_server::when;
use std::num::NonZeroU32;

/// Which lines are printed.
#[derive(Args)]
pub struct AuditLogArgs {
    /// Only what was done to this event and its orders
    #[arg(long, value_name = "SLUG")]
    event: Option<String>,

    /// Only what was done to this order
    #[arg(long, value_name = "ID")]
    order: Option<String>,

    /// Only from this time on, such as 2027-06-01T20:00:00+02:00
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    from: Option<i64>,

    /// At most so many lines, the last ones
    #[arg(long, value_name = "N", default_value = "100")]
    limit: NonZeroU32,

    /// Print each line as a JSON object with at, actor, action, event, order and detail
    #[arg(long)]
    json: bool,

    /// The database to read
    #[arg(long, env = "NTS_DATABASE", hide_env_values = true, default_value = "nts.db")]
    database: DatabaseName,
}

/// Prints the lines, the oldest first.
pub fn run(args: &AuditLogArgs) -> Result<(), String> {
    let database = Database::parse(args.database.told())?;
    super::backup::must_exist(&database, "")?;
    let mut reader = database.reader(&Clock::System).map_err(|fault| fault.to_string())?;
    let wanted = Wanted {
        event: args.event.clone(),
        order: args.order.clone(),
        from_ms: args.from.unwrap_or(0),
        limit: args.limit.get() as usize,
    };
    for line in lines(&mut *reader, &wanted)? {
        if args.json {
            say!("{}", line.json());
        } else {
            say!("{line}");
        }
    }
    Ok(())
}
