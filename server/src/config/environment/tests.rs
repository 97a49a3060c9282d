use super::super::Config;
use super::*;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Sub {
    Apply {
        #[arg(long, env = "NTS_ORGANISER_KEY", hide_env_values = true)]
        organiser_key: String,
    },
    Simulate,
}

fn variables(set: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    set.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn prepared(arguments: &[&str], set: &[(&str, &str)]) -> Result<Prepared, String> {
    let arguments: Vec<OsString> = ["nts"].iter().chain(arguments).map(Into::into).collect();
    prepare(Cli::command(), &arguments, variables(set))
}

fn parsed(arguments: &[&str], set: &[(&str, &str)]) -> Result<(Cli, Prepared), String> {
    let prepared = prepared(arguments, set)?;
    let all: Vec<&str> = ["nts"].iter().chain(arguments).copied().collect();
    let matches = prepared.command.clone().try_get_matches_from(all).map_err(|e| e.to_string())?;
    Ok((Cli::from_arg_matches(&matches).map_err(|e| e.to_string())?, prepared))
}

/// A file that goes away.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new(name: &str, bytes: &[u8]) -> Temporary {
        let path = std::env::temp_dir().join(format!("nts-env-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Temporary(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_variable_that_is_no_setting_is_refused_with_the_nearest_name() {
    for (wrong, near) in [
        ("NTS_STRIPE_SECRT_KEY", Some("NTS_STRIPE_SECRET_KEY")),
        ("NTS_STRIPE_SECRET", Some("NTS_STRIPE_SECRET_KEY")),
        ("NTS_STRIPE_KEY_SECRET", None),
        ("NTS_ORGANIZER_KEY", Some("NTS_ORGANISER_KEY")),
        ("NTS_ADRESS", Some("NTS_ADDRESS")),
        ("NTS_ADDRESS_FILE", None),
        ("NTS_DATABASE_FIEL", Some("NTS_DATABASE_FILE")),
        ("NTS_QUEUES", Some("NTS_QUEUE")),
        ("nts_queue", Some("NTS_QUEUE")),
        ("Nts_Log", Some("NTS_LOG")),
        ("NTS_", None),
        ("NTS_SOMETHING_ELSE_ALTOGETHER", None),
        ("NTS_SERVICE", None),
        ("NTS_PORT", None),
    ] {
        let error = prepared(&[], &[(wrong, "sk_live_quoted")]).err().expect(wrong);
        assert!(error.starts_with(&format!("{wrong} is set")), "{error}");
        assert!(!error.contains("quoted"), "{error}");
        if let Some(near) = near {
            assert!(error.contains(&format!("Did you mean {near}?")), "{wrong}: {error}");
        }
    }
    let error = prepared(&["simulate"], &[("NTS_A1", ""), ("NTS_B2", "")]).err().unwrap();
    assert!(error.contains("NTS_A1") && error.contains("NTS_B2"), "all at once: {error}");
}

#[test]
fn what_nobody_typed_is_no_mistake() {
    for (name, value) in [
        ("PATH", "/bin"),
        ("NTSX", "1"),
        ("NTS_TEST_ALL", "1"),
        ("NTS_FUZZ_SEED", "7"),
        ("NTS_MUTANT_STARTS", "2"),
        // A service called nts, and one called nts-db, in the same namespace of Kubernetes.
        ("NTS_SERVICE_HOST", "10.0.0.11"),
        ("NTS_SERVICE_PORT", "9000"),
        ("NTS_SERVICE_PORT_HTTP", "9000"),
        ("NTS_PORT", "tcp://10.0.0.11:9000"),
        ("NTS_PORT_9000_TCP", "tcp://10.0.0.11:9000"),
        ("NTS_PORT_9000_TCP_ADDR", "10.0.0.11"),
        ("NTS_DB_SERVICE_HOST", "10.0.0.12"),
        ("NTS_DB_PORT_5432_TCP_PROTO", "tcp"),
    ] {
        assert!(prepared(&[], &[(name, value)]).is_ok(), "{name}");
    }
}

#[test]
fn a_secret_is_read_from_its_file() {
    for (bytes, secret) in [
        ("a-key-of-the-organiser", "a-key-of-the-organiser"),
        ("a-key-of-the-organiser\n", "a-key-of-the-organiser"),
        ("a-key-of-the-organiser\r\n", "a-key-of-the-organiser"),
    ] {
        let file = Temporary::new("key", bytes.as_bytes());
        let set = [("NTS_ORGANISER_KEY_FILE", file.path()), ("NTS_ORGANISER_KEY", "")];
        let (cli, prepared) = parsed(&[], &set).unwrap();
        assert_eq!(cli.config.organiser_key.as_deref(), Some(secret));
        assert!(prepared.origins["NTS_ORGANISER_KEY"].contains(file.path()));
        let help = prepared.command.clone().render_long_help().to_string();
        assert!(!help.contains("of-the-organiser"), "{help}");
        // Where the flag would be required, too, and the flag is stronger.
        let (cli, _) = parsed(&["apply"], &set).unwrap();
        assert!(
            matches!(cli.command, Some(Sub::Apply { organiser_key }) if organiser_key == secret)
        );
        let (cli, _) = parsed(&["apply", "--organiser-key", "flag"], &set).unwrap();
        assert!(
            matches!(cli.command, Some(Sub::Apply { organiser_key }) if organiser_key == "flag")
        );
    }
    let file = Temporary::new("database", b"postgres://nts:geheim@db/nts\n");
    let (cli, _) = parsed(&[], &[("NTS_DATABASE_FILE", file.path())]).unwrap();
    assert_eq!(cli.config.database.told(), "postgres://nts:geheim@db/nts");
    let file = Temporary::new("stripe", b"sk_test_geheim\n");
    for variable in
        ["NTS_STRIPE_SECRET_KEY", "NTS_STRIPE_PUBLISHABLE_KEY", "NTS_STRIPE_WEBHOOK_SECRET"]
    {
        let name = format!("{variable}_FILE");
        assert!(prepared(&[], &[(&name, file.path())]).unwrap().origins.contains_key(variable));
    }
}

#[test]
fn a_file_that_holds_no_secret_is_refused_in_one_sentence_that_quotes_nothing() {
    let file = Temporary::new("both", b"geheim-geheim-geheim");
    let set = [("NTS_ORGANISER_KEY_FILE", file.path()), ("NTS_ORGANISER_KEY", "geheim-too")];
    let error = prepared(&[], &set).err().unwrap();
    assert!(error.contains("are both set") && !error.contains("geheim"), "{error}");
    for (name, bytes, told) in [
        ("empty", &b""[..], "is empty"),
        ("newline", b"\n", "is empty"),
        ("lines", b"geheim\ngeheim\n", "more than one line"),
        ("blank", b"geheim\n\n", "more than one line"),
        ("zero", b"ge\0heim\n", "more than one line"),
        ("bytes", b"geheim\xff\n", "cannot be read"),
        ("large", &[b'g'; 70_000], "too large"),
    ] {
        let file = Temporary::new(name, bytes);
        let error = prepared(&[], &[("NTS_ORGANISER_KEY_FILE", file.path())]).err().expect(name);
        assert!(error.contains(told), "{name}: {error}");
        assert!(
            error.starts_with("NTS_ORGANISER_KEY_FILE=") && !error.contains("geheim"),
            "{error}"
        );
    }
    for path in ["/no/such/file", "/"] {
        let error = prepared(&[], &[("NTS_ORGANISER_KEY_FILE", path)]).err().expect(path);
        assert!(error.contains("cannot be read") && error.contains(path), "{error}");
    }
    // A command that takes no secret does not read one.
    assert!(prepared(&["simulate"], &[("NTS_ORGANISER_KEY_FILE", "/no/such/file")]).is_ok());
    assert!(prepared(&["apply"], &[("NTS_DATABASE_FILE", "/no/such/file")]).is_ok());
}

#[test]
fn old_names_are_read_and_the_new_ones_are_told() {
    let (cli, prepared) = parsed(&[], &[("NTS_LAG_MS", "7"), ("NTS_PATIENCE_MS", "8")]).unwrap();
    assert_eq!((cli.config.overload_lag_ms, cli.config.queue_timeout_ms), (7, 8));
    assert_eq!(prepared.notes.len(), 2);
    assert!(
        prepared
            .notes
            .iter()
            .any(|n| n.starts_with("NTS_LAG_MS is now called NTS_OVERLOAD_LAG_MS"))
    );
    assert!(prepared.origins["NTS_OVERLOAD_LAG_MS"].contains("NTS_LAG_MS"));
    let both = [("NTS_LAG_MS", "7"), ("NTS_OVERLOAD_LAG_MS", "9")];
    let notes = self::prepared(&[], &both).unwrap().notes;
    assert!(notes[0].starts_with("NTS_LAG_MS is ignored"), "{notes:?}");
    let (cli, prepared) = parsed(&["--lag-ms=5", "--patience-ms", "6"], &[]).unwrap();
    assert_eq!((cli.config.overload_lag_ms, cli.config.queue_timeout_ms), (5, 6));
    assert_eq!(prepared.notes.len(), 2, "{:?}", prepared.notes);
    // A flag is stronger than a variable of whatever name, and a wrong value is told.
    let (cli, _) = parsed(&["--overload-lag-ms=5"], &[("NTS_LAG_MS", "7")]).unwrap();
    assert_eq!(cli.config.overload_lag_ms, 5);
    assert!(parsed(&[], &[("NTS_LAG_MS", "soon")]).is_err_and(|e| e.contains("soon")));
    assert!(parsed(&[], &[]).unwrap().1.notes.is_empty());
}
