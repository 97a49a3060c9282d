//! A ticket's code is one buyer's, also where the database has forgotten what it sold.

use crate::harness::*;
use nts_testkit::Postgres;
use std::collections::BTreeSet;

/// Sells one ticket to each, and gives the codes.
fn sell(server: &Server, names: [&str; 3]) -> Vec<String> {
    let codes = names.map(|name| {
        let order = server.send(hold(name, 1)).json();
        let paid = server.send(pay(&order, "ctoken_ok")).json();
        text(&paid["tickets"][0], "code")
    });
    codes.to_vec()
}

/// Both histories of one database begin with the same copy, so both count the same serials.
fn six_codes(first: Vec<String>, second: Vec<String>) {
    let all: BTreeSet<&String> = first.iter().chain(&second).collect();
    assert_eq!(all.len(), 6, "two people have the same code: {first:?} {second:?}");
}

#[test]
fn what_a_restored_database_issues_has_no_code_that_somebody_has() {
    if let Some(server) = crate::ON_POSTGRES.then(Postgres::shared).flatten() {
        return on_a_server(server);
    }
    let dir = Dir::new("tickets");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let backup = nts(&dir).args(["backup", "copy.db"]).output().unwrap();
    assert!(backup.status.success(), "{backup:?}");
    let forgotten = sell(&server, ["ann", "bob", "cat"]);
    server.stop();
    std::fs::rename(dir.path("copy.db"), dir.path("nts.db")).unwrap();
    let server = Server::start(&dir);
    settle(&dir);
    let others = sell(&server, ["dan", "eve", "fay"]);
    six_codes(forgotten, others);
    assert_eq!(server.counts(), (0, 3, 7));
}

/// Gives back what the books have forgotten.
fn settle(dir: &Dir) {
    let settled = nts(dir).args(["audit", "--settle"]).output().unwrap();
    let said = String::from_utf8_lossy(&settled.stdout).into_owned();
    assert!(settled.status.success() && said.contains("The books balance."), "{said}");
}

/// An old copy of the server's database goes on beside it, as a standby that was behind would.
fn on_a_server(postgres: &Postgres) {
    let name = postgres.database();
    let dir = Dir::on("tickets", postgres.url(&name));
    let server = Server::start(&dir);
    server.make_event(10, 300);
    server.stop();
    let copy = postgres.url(&format!("{name}_copy"));
    postgres.sql("postgres", &format!("CREATE DATABASE {name}_copy TEMPLATE {name}"));
    let server = Server::start(&dir);
    let forgotten = sell(&server, ["ann", "bob", "cat"]);
    server.stop();
    let server = Server::start_with(&dir, &[("NTS_DATABASE", &copy)]);
    let others = sell(&server, ["dan", "eve", "fay"]);
    six_codes(forgotten, others);
}
