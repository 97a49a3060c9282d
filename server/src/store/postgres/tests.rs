//! The contract, and what is true where several processes share a database.

mod histories;
mod migrate;
mod races;
mod records;
mod seller;
mod trouble;

use super::*;
use crate::store::contract::{self, Database};
use crate::store::records::Engine;
use crate::store::{Lane, Reader, Store};
use nts_testkit::Postgres;
use std::sync::OnceLock;

/// A database of its own for one case. The session's default isolation is part of the address.
struct OnServer(Target, Clock);

impl OnServer {
    /// Of a database with all tables, which are made once.
    fn new(server: &Postgres, options: &str, clock: Clock) -> OnServer {
        static MADE: OnceLock<String> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let database = server.database();
            drop(PgStore::open(&target(server, &database, ""), clock.clone()).unwrap());
            database
        });
        OnServer(target(server, &server.copy(made), options), clock)
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

    fn engine(&self) -> Engine {
        Engine::Postgres
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

/// A database as version 1 made it, with a sale in it.
#[test]
fn orders_of_version_1_get_the_keys_of_their_buyers() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    let digest =
        |text: &str| Uuid::from_u128(crate::ids::digest(&[b"buyer", b"email", text.as_bytes()]));
    let order = |n: u32, event: u32, state: u32, email: &str, key: Uuid, places: u32| {
        format!(
            "INSERT INTO orders VALUES ({event}, '{}', {state}, '\\x0000{places:02x}640000', 'Some \
             Body', '{email}', '{key}', 'EUR', 0, 9, NULL, 0, NULL, NULL, NULL, 0, 0);",
            Uuid::from_u128((1 << 104) + u128::from(n))
        )
    };
    let none = Uuid::nil();
    let orders = [
        order(1, 1, 0, "ann@example.org", digest("ann@example.org"), 1),
        order(2, 1, 0, "Ann@Example.ORG", digest("ann@example.org"), 1),
        order(3, 1, 0, "ann@müller.example", digest("ann@müller.example"), 1),
        order(4, 1, 0, "ann@xn--mller-kva.example", digest("ann@xn--mller-kva.example"), 2),
        order(5, 1, 0, "ben@example.org", none, 3),
        order(6, 1, 7, "ben@example.org", none, 2),
        order(7, 2, 0, "cyd@example.org", none, 4),
    ];
    let buyers = format!(
        "INSERT INTO buyers VALUES (1, '{}', 2, '{none}'), (1, '{}', 1, '{none}'), (1, '{}', 2, '{none}')",
        digest("ann@example.org"),
        digest("ann@müller.example"),
        digest("ann@xn--mller-kva.example")
    );
    server.sql(
        &database,
        &format!(
            "{}
             INSERT INTO meta VALUES ('schema', '1'), ('application', 'nts1'), ('secret', '{}');
             INSERT INTO events VALUES
                 (1, 'limited', 'A', '', 0, 'UTC', 'EUR', 10, 3, 300000, NULL, NULL, 0),
                 (2, 'free', 'B', '', 0, 'UTC', 'EUR', 10, NULL, 300000, NULL, NULL, 0);
             INSERT INTO pools VALUES (1, 0, 'p', 90, 8, 0, 0), (2, 0, 'p', 90, 4, 0, 0);
             INSERT INTO ticket_types VALUES
                 (1, 0, 't', 'T', 0, 100, 0), (2, 0, 't', 'T', 0, 100, 0);
             {} {buyers}",
            schema::MIGRATIONS[0],
            "00".repeat(32),
            orders.concat(),
        ),
    );
    let mut store = PgStore::open(&target, Clock::System).unwrap().store;
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    assert_eq!(reader.verify().unwrap(), Vec::<String>::new());
    let mut has = |event: u64, email: &str| {
        let key = (EventId(event), crate::identity::buyer_key("", email));
        let keys = Keys { events: vec![key.0], buyers: vec![key], ..Keys::default() };
        let found = store.load(&keys, &[]).unwrap().state.buyers.get(&key).map(|has| has.places);
        store.release();
        found
    };
    assert_eq!(has(1, "ann@example.org"), Some(2));
    assert_eq!(has(1, "ANN@MÜLLER.example"), Some(3));
    assert_eq!(has(1, "ben@example.org"), Some(3));
    assert_eq!(has(2, "cyd@example.org"), None, "nobody counts without a limit");
}

#[test]
fn a_count_that_is_wrong_is_told() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    let mut seller = seller::Seller::new(&target);
    let event = seller.put_event("rush", 9);
    seller.limit("rush", 9, Some(4));
    let mut store = PgStore::open(&target, Clock::System).unwrap().store;
    for (n, name) in [(1u128, "a"), (2, "b")] {
        let batch = seller::decided(&mut store, &seller::hold(OrderId(n << 64), event, name));
        seller::commit(&mut store, &batch).unwrap();
    }
    let verify = || PgReader::open(&target, Clock::System).unwrap().verify().unwrap();
    assert_eq!(verify(), Vec::<String>::new());
    server.sql(&database, "UPDATE buyers SET places = places + 1");
    assert!(verify()[0].contains("counts 3 places, but has orders of 2"), "{:?}", verify());
    server.sql(&database, "DELETE FROM buyers");
    assert!(verify()[0].contains("1 buyers have places and no count"), "{:?}", verify());
}

/// Where nodes have no numbers of their own, two processes make ids that have one high half.
#[test]
fn a_code_finds_its_order_among_those_whose_ids_begin_alike() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut seller = seller::Seller::new(&target);
    let (event, other) = (seller.put_event("rush", 90), seller.put_event("other", 90));
    let id = |low: u128| OrderId(7 << 64 | low << 32);
    let hold = |low: u128| {
        let event = if low.is_multiple_of(3) { other } else { event };
        (seller::hold(id(low), event, &format!("buyer {low}")), None)
    };
    let later = (seller::hold(OrderId(8 << 64), event, "later"), None);
    seller.batch((1..=9).map(hold).chain([later]).collect());
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    for low in 0..=10 {
        let said = crate::ticket_code::Said {
            key: 1,
            event,
            order: crate::ticket_code::Said::order_part(id(low)),
            number: 1,
            ticket_type: 0,
            revision: 0,
        };
        let found = crate::tickets::order_of(&mut reader, &said).unwrap().map(|order| order.id);
        let there = (1..=9).contains(&low) && !low.is_multiple_of(3);
        assert_eq!(found, there.then(|| id(low)), "{low}");
    }
}

/// Counting is bounded: the event is locked meanwhile.
#[test]
fn a_limit_that_comes_too_late_is_refused_with_the_reason() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let mut seller = seller::Seller::new(&target(server, &database, ""));
    seller.put_event("rush", 500_000);
    let put = |limit_per_buyer| {
        let spec = boxoffice::EventSpec { limit_per_buyer, ..seller::spec("rush", 500_000) };
        (boxoffice::Command::PutEvent { id: EventId(9), spec }, None)
    };
    server.sql(&database, "UPDATE pools SET sold = 100000, held = 1");
    let answer = seller.batch(vec![put(Some(2))]).remove(0);
    let Err(crate::writer::CommandError::Refused(refusal)) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal, boxoffice::Refusal::LimitTooLate { taken: 100_001, most: 100_000 });
    assert!(seller.batch(vec![put(None)])[0].is_ok(), "everything else can change");
    server.sql(&database, "UPDATE pools SET held = 0");
    assert!(seller.batch(vec![put(Some(2))])[0].is_ok());
    // A limit that is there may change at any time: its buyers are counted.
    server.sql(&database, "UPDATE pools SET held = 300000");
    assert!(seller.batch(vec![put(Some(1))])[0].is_ok());
}
