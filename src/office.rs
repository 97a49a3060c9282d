//! `nts office`: lets whoever owns the machine into the office, also while a server runs.

use clap::{Subcommand, ValueEnum};
use nts_server::access::Role;
use nts_server::accounts::{Machine, machine_link};
use nts_server::clock::Clock;
use nts_server::config::Config;
use nts_server::ids::Secrets;
use nts_server::store::Database;
use nts_server::text::plain;
use nts_server::when;

/// A link works for so long.
const LASTS_MS: i64 = 24 * 3_600_000;

/// What is done with the office.
#[derive(Subcommand)]
pub enum OfficeCommand {
    /// Print a link that makes the account of this e-mail address in the office, or gives the one that there is
    /// another password and takes its authenticator off. It works once, for a day. No server must stop for it
    Invite {
        /// Whose account it is
        #[arg(id = "to", value_name = "EMAIL")]
        to: String,
        /// What the person may do
        #[arg(long, value_enum)]
        role: OneRole,
        /// Only for this event. Default: for all events
        #[arg(long, value_name = "SLUG")]
        event: Option<String>,
        #[command(flatten)]
        config: Box<Config>,
    },
}

/// A role as it is named on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum OneRole {
    /// Everything, people and keys as well
    Owner,
    /// Events, orders, refunds
    Manager,
    /// Orders, free tickets, sales at the box office
    BoxOffice,
    /// Looks at events and orders
    ReadOnly,
    /// Checks people in
    Door,
}

impl From<OneRole> for Role {
    fn from(role: OneRole) -> Role {
        match role {
            OneRole::Owner => Role::Owner,
            OneRole::Manager => Role::Manager,
            OneRole::BoxOffice => Role::BoxOffice,
            OneRole::ReadOnly => Role::ReadOnly,
            OneRole::Door => Role::Door,
        }
    }
}

/// Runs the command.
pub fn run(command: OfficeCommand) -> Result<(), String> {
    let OfficeCommand::Invite { to, role, event, config } = command;
    let to = to.trim();
    if to.is_empty() {
        return Err("the e-mail address is empty. No link was made.".into());
    }
    boxoffice::check_email(to).map_err(|why| format!("{why}. No link was made."))?;
    let role = Role::from(role);
    if role == Role::Owner && event.is_some() {
        return Err(
            "an owner has the whole shop: leave --event out, or choose another role.".into()
        );
    }
    let database = Database::parse(config.database.told())?;
    super::backup::must_exist(&database, "")?;
    let failed = |fault: nts_server::store::Fault| fault.to_string();
    let mut reader = database.reader(&Clock::System).map_err(failed)?;
    let event = match &event {
        None => None,
        Some(slug) => {
            let events = reader.events().map_err(failed)?;
            let found = events.iter().find(|event| event.spec.slug == *slug);
            let found = found.ok_or_else(|| format!("there is no event {}", plain(slug)))?;
            Some(found.id.0)
        }
    };
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|e| format!("no randomness: {e}"))?;
    let ends_ms = Clock::System.now_ms() + LASTS_MS;
    let offer = Machine {
        email: to.to_owned(),
        role: role.word().to_owned(),
        event,
        ends_ms,
        nonce: u64::from_le_bytes(nonce),
    };
    let secret = database.secret(&Clock::System).map_err(failed)?;
    let token = machine_link(&Secrets::new(secret), &offer);
    say!("{}/office/welcome/{token}", config.public_url());
    eprintln!(
        "It works once, until {}, for {}, as {}.",
        when::rfc3339(ends_ms),
        plain(to),
        role.word()
    );
    Ok(())
}
