//! The command line: a table of contents.

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use nts_server::config::environment::{Prepared, prepare};
use nts_server::config::{Config, DatabaseName, path_parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Prints a line. A closed pipe is no error: its reader has read enough.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod audit;
mod audit_log;
mod backup;
mod erase;
mod event;
mod go_live;
mod guests;
mod mail;
mod migrate;
mod office;
mod rush;
mod serve;
mod server_url;
mod simulate;
mod wrong;

/// A box office in one binary: sells tickets, takes the money, issues the tickets.
///
/// Without a command it starts the server.
#[derive(Parser)]
#[command(name = "nts", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server (the default command)
    Serve {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Print every setting with its variable, its default and its present value
    Config {
        /// Print them as the Markdown table of README.md, without their present values
        #[arg(long)]
        markdown: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Copy the SQLite database into FILE, also while nts sells
    Backup {
        /// The copy; it must not exist yet
        file: PathBuf,
        /// The database to copy
        #[arg(long, env = "NTS_DATABASE", hide_env_values = true, default_value = "nts.db")]
        database: DatabaseName,
        /// The sandbox's file, which is copied to FILE.sandbox. Default: beside the database file
        #[arg(long, env = "NTS_SANDBOX", value_parser = path_parser())]
        sandbox: Option<PathBuf>,
    },
    /// Move all test orders and their tickets out of the database into a file, so that it can sell for real:
    /// events stay. Refuses if an order is real. No server may run meanwhile
    GoLive {
        #[command(flatten)]
        args: Box<go_live::GoLiveArgs>,
    },
    /// Move everything into another database: from a file to PostgreSQL, or back. No server may run
    /// meanwhile
    MigrateStore {
        /// The source: a file, or postgres://…
        from: DatabaseName,
        /// The target: a file that does not exist, or a PostgreSQL database without tables
        #[arg(required_unless_present = "resume")]
        to: Option<DatabaseName>,
        /// Move nothing, but allow selling from FROM again, although it was moved. Only if no server
        /// uses the other database, now or later: tickets would be sold twice
        #[arg(long, conflicts_with = "to")]
        resume: bool,
    },
    /// Check pools, orders, payments and tickets against each other and against the provider
    Audit {
        #[command(flatten)]
        args: Box<audit::AuditArgs>,
    },
    /// Sell again from a PostgreSQL database that went back to an earlier state: an old copy, or a standby that
    /// had not heard the last orders. Run nts audit and nts audit --settle before. Processes that serve go on by
    /// themselves
    AcceptHistory {
        /// The database
        #[arg(long, env = "NTS_DATABASE", hide_env_values = true, default_value = "nts.db")]
        database: DatabaseName,
    },
    /// Print the audit log: who did what to which event or order, and when. It holds what organisers do,
    /// every refund, and alarms; buyers' holds and payments are in their orders
    AuditLog {
        #[command(flatten)]
        args: audit_log::AuditLogArgs,
    },
    /// Load test: simulated buyers in the sandbox, and a check that every answer was true
    Rush {
        #[command(flatten)]
        args: Box<rush::RushArgs>,
    },
    /// Run the real code under simulated time, faults and crashes, and check the promises
    Simulate {
        #[command(flatten)]
        args: simulate::SimulateArgs,
    },
    /// Free tickets for the guests of a list
    Guests {
        #[command(subcommand)]
        command: guests::GuestsCommand,
    },
    /// Erase a buyer's name and e-mail address from orders. Tickets, amounts and states stay; an order that
    /// is not finished is left, and told
    Erase {
        #[command(flatten)]
        args: erase::EraseArgs,
    },
    /// Mails to buyers: send a test mail
    Mail {
        #[command(subcommand)]
        command: mail::MailCommand,
    },
    /// The office: print a link that lets somebody in
    Office {
        #[command(subcommand)]
        command: office::OfficeCommand,
    },
    /// Create and change events
    Event {
        #[command(subcommand)]
        command: event::EventCommand,
    },
}

/// The most open files that we ask for; some systems would allow a billion.
const FILES: u64 = 1 << 20;

/// Raises the soft limit of open files to [`FILES`], or to the hard limit if that is lower.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current else { return };
    let mut wanted = FILES.min(maximum.unwrap_or(FILES));
    // Some systems (macOS) refuse more than a limit of the kernel's, whatever the hard limit says.
    while wanted > current {
        if setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok() {
            return;
        }
        wanted /= 2;
    }
}

/// Reads the command line and the environment. Ends the process if it asks for help, or is wrong.
fn read_settings() -> Result<(Cli, ArgMatches, Prepared), String> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let prepared = match prepare(Cli::command(), &arguments, std::env::vars_os()) {
        Ok(prepared) => prepared,
        Err(wrong) => {
            // Help is given whatever the environment is.
            if let Err(error) = Cli::command().try_get_matches_from(&arguments)
                && !error.use_stderr()
            {
                error.exit();
            }
            return Err(wrong);
        }
    };
    let matches = match prepared.command.clone().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return Err(wrong::told(&error, Cli::command(), &prepared, &arguments)),
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    Ok((cli, matches, prepared))
}

/// Prints every setting, and where its value comes from.
fn print_settings(config: &Config, matches: &ArgMatches, prepared: &Prepared) {
    let matches = matches.subcommand_matches("config").unwrap_or(matches);
    let origin = |id: &str, variable: &str| match matches.value_source(id) {
        Some(ValueSource::CommandLine) => "flag".to_owned(),
        Some(ValueSource::EnvVariable) => "environment variable".to_owned(),
        _ => prepared.origins.get(variable).cloned().unwrap_or_else(|| "default".to_owned()),
    };
    print!("{}", config.describe(origin));
}

fn main() -> ExitCode {
    let (cli, matches, prepared) = match read_settings() {
        Ok(read) => read,
        Err(reason) => {
            eprintln!("nts: {reason}");
            return ExitCode::from(2);
        }
    };
    let serves = matches!(cli.command, None | Some(Command::Serve { .. }));
    // A server logs them.
    for note in prepared.notes.iter().filter(|_| !serves) {
        eprintln!("nts: {note}");
    }
    // Each connection is an open file, for a server and for a crowd. What a shell starts may open 1,024,
    // unless it asks for what the system allows. If it is refused, the server says what it can serve.
    raise_open_files();
    let result = match cli.command {
        None => serve::serve(cli.config, &prepared.notes),
        Some(Command::Serve { config }) => serve::serve(*config, &prepared.notes),
        Some(Command::Config { markdown: true, .. }) => {
            print!("{}", Config::markdown());
            Ok(())
        }
        Some(Command::Config { config, .. }) => {
            print_settings(&config, &matches, &prepared);
            config.check().map_err(|why| format!("a server would not start with this: {why}"))
        }
        Some(Command::Backup { file, database, sandbox }) => {
            backup::backup(&database, sandbox.as_deref(), &file)
        }
        Some(Command::GoLive { args }) => go_live::run(&args),
        Some(Command::MigrateStore { from, to: Some(to), .. }) => migrate::migrate(&from, &to),
        Some(Command::MigrateStore { from, to: None, .. }) => migrate::resume(&from),
        Some(Command::Audit { args }) => return audit::run(&args),
        Some(Command::AcceptHistory { database }) => audit::accept_history(&database),
        Some(Command::AuditLog { args }) => audit_log::run(&args),
        Some(Command::Rush { args }) => return rush::run(&args),
        Some(Command::Simulate { args }) => return simulate::run(&args),
        Some(Command::Guests { command }) => guests::run(command),
        Some(Command::Erase { args }) => erase::run(args),
        Some(Command::Mail { command }) => mail::run(command),
        Some(Command::Office { command }) => office::run(command),
        Some(Command::Event { command }) => event::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("nts: {reason}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command with its help, however deep: what clap finds wrong with one, it finds here.
    fn help_of(command: &clap::Command, path: &mut Vec<String>, seen: &mut usize) {
        *seen += 1;
        let mut arguments = path.clone();
        arguments.push("--help".into());
        let asked = Cli::command().try_get_matches_from(&arguments);
        let kind = asked.map(drop).map_err(|error| error.kind());
        assert_eq!(kind, Err(clap::error::ErrorKind::DisplayHelp), "{arguments:?}");
        for sub in command.get_subcommands() {
            path.push(sub.get_name().to_owned());
            help_of(sub, path, seen);
            path.pop();
        }
    }

    #[test]
    fn every_command_line_can_be_built() {
        Cli::command().debug_assert();
        let mut seen = 0;
        help_of(&Cli::command(), &mut vec!["nts".into()], &mut seen);
        assert!(seen > 12, "{seen}");
    }
}
