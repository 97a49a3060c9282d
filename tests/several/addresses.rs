//! Several servers in one address: those that do not answer, or cannot be used, are passed over.

use crate::failures::{either, synchronous_pair};
use crate::harness::*;
use crate::shops::*;
use nts_testkit::{Postgres, Silent};
use std::time::{Duration, Instant};

/// The address of a database at these ports of this machine.
fn at(ports: &[u16], database: &str, query: &str) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://postgres@{}/{database}{query}", hosts.join(","))
}

/// How long it takes until this is so.
fn time_until(what: &str, done: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    eventually(what, done);
    begun.elapsed()
}

fn sells(shops: &Shops, name: &str) -> bool {
    shops.at(0).send(hold(name, 1)).status == 201
}

#[test]
fn a_server_that_is_silent_mute_or_a_standby_is_passed_over_within_seconds() {
    let Some(primary) = Postgres::start(&[]) else { return };
    let database = primary.database();
    let standby = primary.standby();
    let (dropping, mute) = (Silent::dropping(), Silent::mute());
    for (what, first) in
        [("silent", dropping.port), ("mute", mute.port), ("a standby", standby.port())]
    {
        // As it is documented, and as somebody writes it who forgets the rest.
        for query in ["?target_session_attrs=read-write", ""] {
            let begun = Instant::now();
            let url = at(&[first, primary.port()], &database, query);
            let shops = Shops::start_at(&url, "passed-over", 1, &[]);
            shops.at(0).make_event(100, 300);
            assert!(sells(&shops, "ann"));
            let took = begun.elapsed();
            println!("the first server is {what}: it sold after {took:?}");
            // Three connections, each of which waits a third of a second.
            assert!(took < Duration::from_secs(10), "{what}: {took:?}");
        }
    }
}

#[test]
fn the_next_server_is_used_when_the_first_one_freezes() {
    let Some((primary, standby, database)) = synchronous_pair() else { return };
    let shops = Shops::start_at(&either(&primary, &standby, &database), "frozen", 2, &[]);
    shops.at(0).make_event(100, 300);
    let kept = shops.at(0).send(hold("kept", 1)).json();
    primary.freeze();
    standby.promote();
    let took = time_until("it sells on the other server", || sells(&shops, "new"));
    println!("sold again {took:?} after the promotion, while the old server hangs");
    // The commit that hangs is given up after ten seconds.
    assert!(took < Duration::from_secs(25), "{took:?}");
    // Also when the old one is back and does not know that it is none any more.
    primary.thaw();
    for nth in 0..2 {
        eventually("what was sold is there", || {
            shops.at(nth).send(look(&kept)).status == 200 && shops.at(nth).counts().0 >= 2
        });
    }
    let held = || standby.sql(&database, "SELECT held FROM pools WHERE name = 'floor'");
    let before = held();
    assert!(sells(&shops, "later"));
    assert_ne!(held(), before, "it is sold at the new server");
    shops.balanced(&[]);
}

/// Two primaries, as after a failover whose old primary nobody has stopped: its commits wait for a standby that
/// follows it no longer.
#[test]
fn a_primary_that_cannot_commit_is_left_for_another_one() {
    let Some((primary, standby, database)) = synchronous_pair() else { return };
    let shops = Shops::start_at(&either(&primary, &standby, &database), "left", 2, &[]);
    shops.at(0).make_event(100, 300);
    let kept = shops.at(0).send(hold("kept", 1)).json();
    standby.promote();
    let took = time_until("it sells on the other server", || sells(&shops, "new"));
    println!("the old primary was left after {took:?}");
    assert!(took < Duration::from_secs(25), "{took:?}");
    eventually("the other process sells there, too", || {
        shops.at(1).send(hold("other", 1)).status == 201
    });
    for nth in 0..2 {
        assert_eq!(shops.at(nth).send(look(&kept)).status, 200);
        eventually("both read what is sold there", || {
            let held = standby.sql(&database, "SELECT held FROM pools WHERE name = 'floor'");
            shops.at(nth).counts().0.to_string() == held
        });
    }
    shops.balanced(&[]);
}

#[test]
fn a_start_waits_for_room_for_every_connection_and_for_a_primary() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    postgres.sql("postgres", "CREATE ROLE few LOGIN");
    let waits_until = |name: &str, trouble: &str, over: &str| {
        let database = postgres.database();
        postgres.sql("postgres", &format!("ALTER DATABASE {database} OWNER TO few"));
        postgres.sql("postgres", trouble);
        let url = format!("postgres://few@127.0.0.1:{}/{database}", postgres.port());
        let dir = Dir::on(name, url);
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| Server::start(&dir));
            eventually("it waits", || {
                let log = std::fs::read_to_string(dir.path("log")).unwrap_or_default();
                log.contains("waiting for the database")
            });
            postgres.sql("postgres", over);
            starting.join().unwrap().stop();
        });
        std::fs::read_to_string(dir.path("log")).unwrap()
    };
    // Room for the writer, and for no reader.
    let log = waits_until(
        "no-room",
        "ALTER ROLE few CONNECTION LIMIT 1",
        "ALTER ROLE few CONNECTION LIMIT 3",
    );
    assert!(log.contains("too many connections"), "{log}");
    // Everything takes too long.
    let log = waits_until(
        "too-slow",
        "ALTER ROLE few SET statement_timeout = '1ms'",
        "ALTER ROLE few RESET statement_timeout",
    );
    assert!(log.contains("statement timeout"), "{log}");
    let log = waits_until(
        "demoted",
        "ALTER ROLE few SET default_transaction_read_only = on",
        "ALTER ROLE few RESET default_transaction_read_only",
    );
    assert!(log.contains("accepts no writes"), "{log}");
}

#[test]
fn the_audit_reads_a_standby_where_the_primary_is_gone() {
    let Some(primary) = Postgres::start(&[]) else { return };
    let database = primary.database();
    let standby = primary.standby();
    let url = at(&[primary.port(), standby.port()], &database, "");
    let shops = Shops::start_at(&url, "audited", 1, &[]);
    shops.at(0).make_event(100, 300);
    let order = shops.at(0).send(hold("ann", 2)).json();
    assert_eq!(shops.at(0).send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    shops.balanced(&[]);
    eventually("the standby has it", || {
        standby.sql(&database, "SELECT count(*) FROM tickets") == "2"
    });
    primary.kill();
    shops.balanced(&[]);
    let alone = at(&[standby.port()], &database, "?target_session_attrs=read-only");
    let audit = shops.command().arg("audit").env("NTS_DATABASE", alone).output().unwrap();
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.status.success(), "{said}{}", String::from_utf8_lossy(&audit.stderr));
    assert!(said.contains("2"), "{said}");
    assert!(String::from_utf8_lossy(&audit.stderr).contains("this is a standby"), "{audit:?}");
}

/// Whoever bought while the standby heard nothing would get the money back, and keep the tickets.
#[test]
fn nothing_is_settled_by_the_books_of_a_standby() {
    let Some(primary) = Postgres::start(&[]) else { return };
    let database = primary.database();
    let standby = primary.standby();
    let url = at(&[primary.port(), standby.port()], &database, "");
    let shops = Shops::start_at(&url, "settled", 1, &[]);
    shops.at(0).make_event(100, 300);
    eventually("the standby has it", || {
        standby.sql(&database, "SELECT count(*) FROM events WHERE slug = 'rock'") == "1"
    });
    standby.set("primary_conninfo", "");
    eventually("it is alone", || {
        primary.sql("postgres", "SELECT count(*) FROM pg_stat_replication") == "0"
    });
    let order = shops.at(0).send(hold("ann", 2)).json();
    assert_eq!(shops.at(0).send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    primary.kill();
    let alone = at(&[standby.port()], &database, "?target_session_attrs=read-only");
    for url in [url.clone(), alone] {
        let mut command = shops.command();
        let audit = command.args(["audit", "--settle"]).env("NTS_DATABASE", &url).output().unwrap();
        let said = String::from_utf8_lossy(&audit.stderr).into_owned();
        assert_eq!(audit.status.code(), Some(2), "{audit:?}");
        assert!(said.contains("no audit was made"), "{said}");
    }
    primary.start_again();
    shops.balanced(&[]);
}

/// So many connections a process has, as docs/high-availability.md says.
#[test]
fn a_process_has_three_connections() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let database = postgres.database();
    let shops = Shops::start_at(&postgres.url(&database), "three", 2, &[]);
    shops.at(0).make_event(100, 300);
    assert!(sells(&shops, "ann"));
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nts'";
    assert_eq!(postgres.sql("postgres", count), "6");
}
