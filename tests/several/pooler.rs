//! Behind a real PgBouncer: sessions of its clients are needed, and what gives each transaction another one is
//! refused.

use crate::harness::*;
use crate::shops::*;
use nts_testkit::{PgBouncer, Postgres};

fn log_of(dir: &Dir) -> String {
    std::fs::read_to_string(dir.path("log")).unwrap_or_default()
}

#[test]
fn a_pooler_in_transaction_mode_is_refused_with_the_reason() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    // One connection for all, and several.
    for pool_size in [1, 20] {
        let Some(pooler) = PgBouncer::start(&postgres, "transaction", pool_size) else { return };
        let database = postgres.database();
        let dir = Dir::on("pooled", pooler.url(&database));
        let output = nts(&dir).env("NTS_ADDRESS", "127.0.0.1:0").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "it started: {said}");
        assert!(said.contains("pool_mode = session"), "{said}");
        assert!(!said.contains("Check the user"), "{said}");
        // Also where the database is ready, and somebody else sells through it.
        let direct = Shops::start_at(&postgres.url(&database), "direct", 1, &[]);
        direct.at(0).make_event(100, 300);
        let output = nts(&dir).env("NTS_ADDRESS", "127.0.0.1:0").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("pool_mode = session"), "{said}");
        assert_eq!(direct.at(0).send(hold("ann", 1)).status, 201);
        direct.balanced(&[]);
    }
}

#[test]
fn a_pooler_in_session_mode_sells_and_the_books_balance() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let Some(pooler) = PgBouncer::start(&postgres, "session", 20) else { return };
    let database = postgres.database();
    let shops = Shops::start_at(&pooler.url(&database), "sessions", 2, &[]);
    shops.at(0).make_event(100, 300);
    for nth in 0..2 {
        eventually("it knows the event", || shops.at(nth).get("/events/rock").status == 200);
        let order = shops.at(nth).send(hold(&format!("b{nth}"), 1)).json();
        assert_eq!(shops.at(1 - nth).send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    }
    shops.balanced(&[]);
}

/// Somebody changes the pooler under a process that sells: it records nothing that way.
#[test]
fn a_pooler_that_changes_its_mode_is_noticed() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let Some(pooler) = PgBouncer::start(&postgres, "session", 20) else { return };
    let database = postgres.database();
    let dir = Dir::on("changed", pooler.url(&database));
    let server = Server::start(&dir);
    server.make_event(100, 300);
    assert_eq!(server.send(hold("ann", 1)).status, 201);
    pooler.restart("transaction", 1);
    eventually("it is refused", || {
        _ = server.send(hold("bob", 1));
        log_of(&dir).contains("pool_mode = session")
    });
    eventually("not ready", || server.get("/readyz").status == 503);
    pooler.restart("session", 20);
    eventually("it sells again", || server.send(hold("cid", 1)).status == 201);
}
