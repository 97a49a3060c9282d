//! `nts go-live`: from test orders to real ones.

use clap::Args;
use nts_server::clock::Clock;
use nts_server::config::Config;
use nts_server::run;
use nts_server::store::Database;
use nts_server::store::test_orders::{SetAside, Unclear, set_aside};
use nts_server::text::counted;
use nts_server::when;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is moved where.
#[derive(Args)]
pub struct GoLiveArgs {
    /// The file that gets the test orders; it must not exist. Default: beside the database, with the time
    /// in its name
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,

    /// Move free orders as well, whose tickets may be real: no payment says whether they are tests
    #[arg(long)]
    free_too: bool,

    /// Move what was sold at the box office as well, for cash or at a card terminal, as test orders
    #[arg(long)]
    box_office_too: bool,

    #[command(flatten)]
    config: Config,
}

/// Moves the test orders aside.
pub fn run(args: &GoLiveArgs) -> Result<(), String> {
    let database = Database::parse(args.config.database.told())?;
    super::backup::must_exist(&database, " Nothing was changed.")?;
    let archive = match &args.archive {
        Some(archive) => archive.clone(),
        None => archive_of(&database, Clock::System.now_ms()),
    };
    super::backup::folder_must_exist(&archive, "Nothing was changed.")?;
    let sandbox = run::sandbox_path(&args.config, &database);
    let beside = Database::File(archive.clone()).sandbox();
    for file in [&archive, &beside] {
        if file.exists() {
            return Err(format!("{} exists already. Nothing was changed.", file.display()));
        }
    }
    let tests = Unclear { free: args.free_too, box_office: args.box_office_too };
    let SetAside { events, orders, tickets } =
        set_aside(&database, &archive, tests, &Clock::System, &mut |_| {})?;
    if orders == 0 {
        say!("{database} has no orders: it can be used with any keys. Nothing was changed.");
        return Ok(());
    }
    say!(
        "Moved {} and {} from {database} to {}. None of these tickets is valid in {database} any more, and all \
         places are free again.",
        counted(orders, "test order"),
        counted(tickets, "ticket"),
        archive.display(),
    );
    if sandbox.exists() {
        match move_sandbox(&sandbox, &beside) {
            Ok(()) => say!("The sandbox's file went along: {}.", beside.display()),
            Err(error) => say!(
                "The sandbox's file, {}, could not be moved ({error}): remove it before you use the sandbox \
                 with this database again.",
                sandbox.display()
            ),
        }
    }
    if !events.is_empty() {
        say!("These events stayed, as they are: {}.", events.join(", "));
    }
    say!(
        "Check their dates, prices and numbers of places, and that each of them is to be sold. Then start nts \
         with the live keys of Stripe. {} has names and e-mail addresses in it: remove it when you no longer need it.",
        archive.display()
    );
    Ok(())
}

/// `nts.db.test-orders-20261129T014500123Z`.
fn archive_of(database: &Database, now_ms: i64) -> PathBuf {
    let time = when::rfc3339(now_ms).replace(['-', ':', '.'], "");
    let mut name = match database {
        Database::File(path) => path.as_os_str().to_owned(),
        Database::Server(_) => "nts.db".into(),
    };
    name.push(format!(".test-orders-{time}"));
    name.into()
}

/// The file, and what SQLite and several processes keep beside it.
fn move_sandbox(from: &Path, to: &Path) -> std::io::Result<()> {
    let with = |path: &Path, suffix: &str| {
        let mut name = OsString::from(path);
        name.push(suffix);
        PathBuf::from(name)
    };
    for suffix in ["-wal", "-shm", ".mark", ""] {
        let file = with(from, suffix);
        if file.exists() {
            std::fs::rename(file, with(to, suffix))?;
        }
    }
    Ok(())
}
