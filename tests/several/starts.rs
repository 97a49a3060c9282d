//! One process on PostgreSQL: how it starts, what it says when it cannot, how it stops.

use crate::harness::*;
use nts_testkit::Postgres;
use std::time::Duration;

/// A directory for processes on a new database of the shared server.
fn shop(server: &Postgres, name: &str) -> Dir {
    Dir::on(name, server.url(&server.database()))
}

/// What it says when it does not start, with its exit status.
fn refused(dir: &Dir, database: &str) -> String {
    let output =
        nts(dir).env("NTS_ADDRESS", "127.0.0.1:0").env("NTS_DATABASE", database).output().unwrap();
    assert!(!output.status.success(), "it started with {database}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn sells_on_postgresql_and_the_books_balance() {
    let Some(postgres) = Postgres::shared() else { return };
    let dir = shop(postgres, "sells");
    let server = Server::start(&dir);
    server.make_event(3, 300);
    let order = server.send(hold("ann", 2)).json();
    assert_eq!(server.counts(), (2, 0, 1));
    assert_eq!(server.send(hold("bob", 2)).code(), Some(ProblemCode::SoldOut));
    let paid = server.send(pay(&order, "ctoken_ok")).json();
    assert_eq!(paid["state"], "paid", "{paid}");
    server.stop();
    // Everything is there after a start, and the books balance, while it sells as well.
    let server = Server::start(&dir);
    assert_eq!(server.counts(), (0, 2, 1));
    let audit = nts(&dir).arg("audit").output().unwrap();
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.status.success(), "{said}{}", String::from_utf8_lossy(&audit.stderr));
    assert!(said.contains("provider"), "it was compared with the sandbox: {said}");
    let backup = nts(&dir).args(["backup", "copy"]).output().unwrap();
    let said = String::from_utf8_lossy(&backup.stderr).into_owned();
    assert!(!backup.status.success() && said.contains("pg_basebackup"), "{said}");
    server.stop();
}

#[test]
fn says_clearly_why_it_does_not_start_and_never_a_password() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let database = postgres.database();
    let dir = Dir::on("refused", postgres.url(&database));
    let port = postgres.port();
    postgres.sql("postgres", "CREATE ROLE box LOGIN PASSWORD 'right'");
    postgres.require_password("box");
    let at = |user: &str, database: &str| format!("postgres://{user}@127.0.0.1:{port}/{database}");

    let said = refused(&dir, &at("box:gehe1m", &database));
    assert!(said.contains("password authentication failed"), "{said}");
    assert!(said.contains("Check the user, the password"), "{said}");
    let said2 = refused(&dir, &at("postgres", "nowhere"));
    assert!(said2.contains("\"nowhere\" does not exist"), "{said2}");
    let said3 = refused(&dir, "postgres://box:gehe1m@127.0.0.1:x/db");
    assert!(said3.contains("cannot be read"), "{said3}");
    postgres.sql(&database, "CREATE TABLE other (x bigint)");
    let said4 = refused(&dir, &at("postgres", &database));
    assert!(said4.contains("not a database of nts"), "{said4}");
    let newer = postgres.database();
    let server = Server::start_with(&dir, &[("NTS_DATABASE", &at("postgres", &newer))]);
    server.stop();
    postgres.sql(&newer, "UPDATE meta SET value = '999' WHERE key = 'schema'");
    let said5 = refused(&dir, &at("postgres", &newer));
    assert!(said5.contains("newer nts"), "{said5}");
    let config = nts(&dir).arg("config").env("NTS_DATABASE", at("box:gehe1m", "db")).output();
    let said6 = String::from_utf8_lossy(&config.unwrap().stdout).into_owned();
    let help = nts(&dir).arg("--help").env("NTS_DATABASE", at("box:gehe1m", "db")).output();
    let said7 = String::from_utf8_lossy(&help.unwrap().stdout).into_owned();
    let log = std::fs::read_to_string(dir.path("log")).unwrap();
    for said in [said, said2, said3, said4, said5, said6, said7, log] {
        assert!(!said.contains("gehe1m"), "a password is told: {said}");
    }
}

#[test]
fn waits_at_its_start_for_a_database_that_is_starting_too() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let dir = shop(&postgres, "waits");
    postgres.kill();
    let server = std::thread::scope(|scope| {
        let starting = scope.spawn(|| Server::start(&dir));
        eventually("it waits", || {
            let log = std::fs::read_to_string(dir.path("log")).unwrap_or_default();
            log.contains("waiting for the database")
        });
        assert!(!starting.is_finished(), "it waits");
        postgres.start_again();
        starting.join().unwrap()
    });
    server.make_event(3, 300);
    assert_eq!(server.send(hold("ann", 2)).status, 201);
    server.stop();
}

#[test]
fn is_ready_again_after_the_database_was_away_although_nobody_buys() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let dir = shop(&postgres, "ready-again");
    let server = Server::start(&dir);
    server.make_event(3, 300);
    assert_eq!(server.get("/readyz").status, 200);
    postgres.kill();
    let answer = server.send(hold("ann", 1));
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json()["money_moved"], "no");
    assert_eq!(server.get("/readyz").status, 503);
    // Pages go on, and say as of when: that moment stands still.
    assert_eq!(server.counts(), (0, 0, 3));
    let as_of = text(&server.event(), "as_of");
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(text(&server.event(), "as_of"), as_of);
    postgres.start_again();
    eventually("ready", || server.get("/readyz").status == 200);
    eventually("looked again", || text(&server.event(), "as_of") > as_of);
    assert_eq!(server.send(hold("ann", 1)).status, 201);
    server.stop();
}

#[test]
fn goes_on_for_a_while_when_asked_to_stop_and_says_that_it_is_not_ready() {
    let Some(postgres) = Postgres::shared() else { return };
    let dir = shop(postgres, "drains");
    let server = Server::start_with(&dir, &[("NTS_DRAIN_MS", "3000")]);
    server.make_event(3, 300);
    let address = server.address.clone();
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop());
        eventually("not ready", || Request::get("/readyz").send(&address).unwrap().status == 503);
        let answer = hold("ann", 1).send(&address).unwrap();
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(!stopping.is_finished(), "it still serves");
        stopping.join().unwrap();
    });
    assert!(Request::get("/readyz").send(&address).is_err(), "it is gone");
}

#[test]
fn processes_that_do_not_share_the_sandbox_are_told() {
    let Some(postgres) = Postgres::shared() else { return };
    let dir = shop(postgres, "sandboxes");
    let told = || std::fs::read_to_string(dir.path("log")).unwrap().contains("is not the one with");
    let one = Server::start(&dir);
    let two = Server::start(&dir);
    assert!(!told());
    let three = Server::start_with(&dir, &[("NTS_SANDBOX", "other.sandbox")]);
    assert!(told());
    for server in [one, two, three] {
        server.stop();
    }
}
