//! The contract, and what is true where several processes share a database.

mod migrate;
mod proxy;
mod races;
mod seller;
mod trouble;

use super::*;
use crate::store::contract::{self, Database};
use crate::store::{Lane, Reader, Store};
use nts_testdb::Postgres;

/// A database of its own for one case. The session's default isolation is part of the address.
struct OnServer(Target, Clock);

impl OnServer {
    fn new(server: &Postgres, options: &str, clock: Clock) -> OnServer {
        OnServer(target(server, &server.database(), options), clock)
    }
}

fn target(server: &Postgres, database: &str, options: &str) -> Target {
    Target::parse(&format!("{}{options}", server.url(database))).unwrap()
}

impl Database for OnServer {
    fn store(&mut self) -> Box<dyn Store> {
        Box::new(PgStore::open(&self.0, self.1.clone()).unwrap().store)
    }

    fn reader(&mut self) -> Box<dyn Reader> {
        Box::new(PgReader::open(&self.0, self.1.clone()).unwrap())
    }
}

const SERIALIZABLE: &str = "?options=-c%20default_transaction_isolation%3Dserializable";

#[test]
fn keeps_the_contract_of_all_stores() {
    let Some(server) = Postgres::shared() else { return };
    contract::check(|clock| OnServer::new(server, "", clock));
}

#[test]
fn keeps_the_contract_under_serializable_too() {
    let Some(server) = Postgres::shared() else { return };
    contract::check(|clock| OnServer::new(server, SERIALIZABLE, clock));
}
