//! The command line: a table of contents.

use clap::{Parser, Subcommand};
use nts_server::config::{Config, DatabaseName};
use std::path::PathBuf;
use std::process::ExitCode;

/// Prints a line. Who closed the other end of the pipe has read enough: no reason to die.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod audit;
mod audit_log;
mod backup;
mod event;
mod migrate;
mod rush;
mod serve;
mod simulate;

/// A box office in one binary: sells tickets, takes the money, issues the tickets.
///
/// Without a command it serves.
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
    /// Serve the box office (this is what nts alone does)
    Serve {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Print every setting with its variable, its default and its value now
    Config {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Copy the database into FILE, also while nts is selling
    Backup {
        /// Where to; it must not exist yet
        file: PathBuf,
        /// The database to copy
        #[arg(long, env = "NTS_DATABASE", hide_env_values = true, default_value = "nts.db")]
        database: DatabaseName,
    },
    /// Move everything into another database: from a file to PostgreSQL, or back. Nobody may sell
    /// meanwhile
    MigrateStore {
        /// From here: a file, or postgres://…
        from: DatabaseName,
        /// To here: a file that does not exist, or a PostgreSQL database without tables
        #[arg(required_unless_present = "resume")]
        to: Option<DatabaseName>,
        /// Move nothing, but sell from FROM again, although it was moved elsewhere. Only if nobody
        /// sells there and nobody will: places would be sold twice
        #[arg(long, conflicts_with = "to")]
        resume: bool,
    },
    /// Prove that the books balance: pools, orders, payments and tickets, also against the provider
    Audit {
        #[command(flatten)]
        args: Box<audit::AuditArgs>,
    },
    /// Print the audit log: who did what to which event or order, and when. It holds what organisers do,
    /// every refund, and alarms; buyers' holds and payments are in their orders
    AuditLog {
        #[command(flatten)]
        args: audit_log::AuditLogArgs,
    },
    /// Send a crowd to a rehearsal, and look whether everybody was told the truth
    Rush {
        #[command(flatten)]
        args: Box<rush::RushArgs>,
    },
    /// Try to break the box office: the real code under simulated time, faults and crashes
    Simulate {
        #[command(flatten)]
        args: simulate::SimulateArgs,
    },
    /// Make and change events
    Event {
        #[command(subcommand)]
        command: event::EventCommand,
    },
}

/// The most open files that we ask for: some systems allow a billion.
const FILES: u64 = 1 << 20;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Each connection is an open file, for a server and for a crowd. What a shell starts may open 1,024,
    // unless it asks for what the system allows. If it is refused, the server says what it can serve.
    _ = rlimit::increase_nofile_limit(FILES);
    let result = match cli.command {
        None => serve::serve(cli.config),
        Some(Command::Serve { config }) => serve::serve(*config),
        Some(Command::Config { config }) => {
            print!("{}", config.describe());
            Ok(())
        }
        Some(Command::Backup { file, database }) => backup::backup(&database, &file),
        Some(Command::MigrateStore { from, to: Some(to), .. }) => migrate::migrate(&from, &to),
        Some(Command::MigrateStore { from, to: None, .. }) => migrate::resume(&from),
        Some(Command::Audit { args }) => return audit::run(&args),
        Some(Command::AuditLog { args }) => audit_log::run(&args),
        Some(Command::Rush { args }) => return rush::run(&args),
        Some(Command::Simulate { args }) => return simulate::run(&args),
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
