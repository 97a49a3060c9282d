//! `nts audit`.

use clap::Args;
use nts_server::audit::{Against, audit};
use nts_server::clock::Clock;
use nts_server::config::{Config, DatabaseName};
use nts_server::reads::Reads;
use nts_server::run;
use nts_server::store::test_orders::Mode;
use nts_server::store::{Database, Fault};
use std::process::ExitCode;

/// What is audited.
#[derive(Args)]
pub struct AuditArgs {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// Check the database only; do not ask the payment provider
    #[arg(long)]
    books_only: bool,

    /// Cancel or refund payments of this shop that the provider has and the database has not (after the
    /// database was restored from an old copy). Without it they are reported only
    #[arg(long, conflicts_with = "books_only")]
    settle: bool,

    /// Compare the provider's payments of this many days; default: since the oldest event
    #[arg(long)]
    days: Option<u32>,

    #[command(flatten)]
    config: Config,
}

/// Accepts the history of a database that went back to an earlier state.
pub fn accept_history(database: &DatabaseName) -> Result<(), String> {
    let database = Database::parse(database.told())?;
    match database.accept_history()? {
        Some(why) => say!(
            "Accepted: {database} goes on as it is now ({why}). All processes sell again by themselves. Orders \
             that are not in it are gone; nts audit tells which of them were paid."
        ),
        None => say!("Nobody has noticed that {database} went back. Nothing was changed."),
    }
    Ok(())
}

/// 0: everything agrees. 1: something does not. 2: the audit could not run.
pub fn run(args: &AuditArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = match runtime {
        Ok(runtime) => runtime.block_on(make(args)),
        Err(error) => Err(format!("cannot start: {error}")),
    };
    match report {
        Ok(report) => {
            if args.json {
                say!("{:#}", report.json());
            } else {
                print!("{report}");
            }
            if report.balanced() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(reason) => {
            eprintln!("nts: no audit was made: {reason}");
            ExitCode::from(2)
        }
    }
}

async fn make(args: &AuditArgs) -> Result<nts_server::audit::Report, String> {
    let database = Database::parse(args.config.database.told())?;
    super::backup::must_exist(&database, "")?;
    let clock = Clock::System;
    let (at, time) = (database.clone(), clock.clone());
    // Where the database is a server, it is waited for, in threads that may.
    let settles = args.settle;
    let opened = tokio::task::spawn_blocking(move || {
        // Of what a standby has not heard of yet, the money would be given back.
        let reader = if settles { at.serving_reader(&time)? } else { at.reader(&time)? };
        Ok((reader, at.secret(&time)?, at.mode(&time)?))
    });
    let opened = opened.await.map_err(|e| e.to_string())?;
    let (reader, secret, mode) = opened.map_err(|e: Fault| e.to_string())?;
    let reads = Reads::threads(vec![reader]).map_err(|e| e.to_string())?;
    if let Some(versions) = reads.ask(|r| r.versions()).await.map_err(|e| e.to_string())? {
        if let Some(why) = versions.stopped {
            eprintln!("nts: {why}.");
        }
        if versions.is_standby {
            eprintln!(
                "nts: this is a standby. It may not have the last orders yet: what is found here is not settled."
            );
        }
    }
    let events = reads.ask(|r| r.events()).await.map_err(|e| e.to_string())?;
    if !args.books_only {
        let orders = reads.ask(|r| r.all_orders(None, 1)).await.map_err(|e| e.to_string())?.orders;
        same_provider(&args.config, mode.filter(|_| !orders.is_empty()))?;
    }
    // An event's id begins with the milliseconds at which it was made.
    let oldest_ms = events.iter().map(|e| (e.id.0 >> 16) as i64).min().unwrap_or(0);
    let since_s = match args.days {
        Some(days) => clock.now_ms() / 1000 - i64::from(days) * 86_400,
        None => oldest_ms / 1000 - 86_400,
    };
    let stripe = match args.books_only {
        true => None,
        false => run::provider(&args.config, &clock, &database, secret)?,
    };
    if stripe.is_none() && !args.books_only {
        let missing = run::sandbox_path(&args.config, &database);
        eprintln!(
            "nts: the sandbox's file, {}, is not there, so no payment can be compared. If the database was \
             restored, restore that file as well.",
            missing.display()
        );
    }
    let against = stripe.as_ref().map(|stripe| {
        let settle = args.settle;
        Against { stripe, since_s: since_s.max(0), settle }
    });
    audit(&reads, &clock, against).await.map_err(|e| e.to_string())
}

/// Asked of another provider, every payment would seem to be lost.
fn same_provider(config: &Config, mode: Option<Mode>) -> Result<(), String> {
    let asked = Mode::of(config.stripe()?.map(|keys| keys.live));
    match mode {
        Some(mode) if mode != asked => Err(format!(
            "the orders were made with {mode}, and this would ask {asked}. To audit them, {}. To check the \
             database alone: nts audit --books-only",
            mode.how()
        )),
        _ => Ok(()),
    }
}
