//! What is written down of a database that went back, and who is refused then. `tests/several/history.rs` has the
//! whole of it, with servers that fail.

use super::seller::Seller;
use super::*;
use crate::store::history::HistoryId;

fn link(target: &Target) -> Link {
    let mut link = Link::new(target.other_process(), Use::Serving).unwrap();
    link.connect().unwrap();
    link
}

fn here(link: &mut Link) -> HistoryId {
    schema::Told::read(&link.ask(&[ask!(schema::STATE)]).unwrap()[0]).unwrap().history
}

fn sells(seller: &mut Seller, event: EventId, name: &str) -> bool {
    let hold = seller.hold(event, name);
    seller.batch(vec![(hold, None)])[0].is_ok()
}

/// Whoever starts removes rows of others.
#[test]
fn a_writer_that_has_recorded_nothing_for_a_month_raises_no_alarm() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    let mut seller = Seller::new(&target);
    let event = seller.put_event("rush", 9);
    // Both have read what it has recorded.
    let mut watcher = PgReader::open(&target.other_process(), Clock::System).unwrap();
    assert_eq!(watcher.versions().unwrap().unwrap().stopped, None);
    server.sql(&database, "UPDATE writers SET seen_ms = seen_ms - 31 * 86400000::bigint");
    let later = target.other_process();
    let _store = PgStore::open(&later, Clock::System).unwrap().store;
    let mut reader = PgReader::open(&later, Clock::System).unwrap();
    assert_eq!(reader.versions().unwrap().unwrap().stopped, None);
    assert_eq!(watcher.versions().unwrap().unwrap().stopped, None);
    assert!(sells(&mut seller, event, "ann"));
}

#[test]
fn of_a_process_that_recorded_nothing_no_row_stays_for_ever() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    drop(PgStore::open(&target, Clock::System).unwrap());
    server.sql(&database, "UPDATE writers SET seen_ms = seen_ms - 31 * 86400000::bigint");
    drop(PgStore::open(&target, Clock::System).unwrap());
    assert_eq!(server.sql(&database, "SELECT count(*) FROM writers"), "1");
}

#[test]
fn two_who_notice_at_the_same_moment_both_refuse_the_others() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut seller = Seller::new(&target);
    let event = seller.put_event("rush", 9);
    assert!(sells(&mut seller, event, "ann"));
    let (mut one, mut other) = (link(&target), link(&target));
    let here = here(&mut one);
    schema::stop(&mut one, 0, here, "the first says so").unwrap();
    schema::stop(&mut other, 0, here, "the second says so").unwrap();
    assert!(!sells(&mut seller, event, "ben"));
    assert!(schema::accept(&mut one).unwrap().unwrap().contains("the first"));
    // The first may be told that its connection is refused.
    assert!(sells(&mut seller, event, "cyd") || sells(&mut seller, event, "cyd"));
}

#[test]
fn refusing_the_writers_twice_refuses_them() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut seller = Seller::new(&target);
    let event = seller.put_event("rush", 9);
    let epoch = |link: &mut Link| {
        let rows = link.ask(&[ask!("SELECT sum(epoch)::text FROM writers")]).unwrap();
        one::<String>(&rows[0]).unwrap()
    };
    let mut link = link(&target);
    let before = epoch(&mut link);
    for _ in 0..2 {
        link.script("BEGIN").unwrap();
        schema::refuse_writers(&mut link).unwrap();
        link.script("COMMIT").unwrap();
        assert_ne!(epoch(&mut link), before);
    }
    // It begins again, and sells: nothing is wrong with the database.
    assert!(sells(&mut seller, event, "ann") || sells(&mut seller, event, "ann"));
}

/// It was frozen between its question and what it writes.
#[test]
fn who_noticed_it_before_a_person_accepted_stops_nobody_after_it() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut seller = Seller::new(&target);
    let event = seller.put_event("rush", 9);
    let (mut quick, mut slow) = (link(&target), link(&target));
    let before = here(&mut slow);
    schema::stop(&mut quick, 0, before, "it went back").unwrap();
    assert!(schema::accept(&mut quick).unwrap().is_some());
    assert_eq!(here(&mut quick).number, 1);
    assert!(schema::stop(&mut slow, 0, before, "it went back").is_err(), "it must ask again");
    assert_eq!(schema::get(&mut quick, crate::store::history::WENT_BACK).unwrap(), None);
    assert!(sells(&mut seller, event, "ann") || sells(&mut seller, event, "ann"));
}

#[test]
fn a_start_says_so_if_the_schema_cannot_be_committed_and_goes_on_when_it_can() {
    let Some(server) = Postgres::start(&[]) else { return };
    let target = target(&server, &server.database(), "");
    server.set("synchronous_standby_names", "nobody");
    match PgStore::open(&target, Clock::System) {
        Err(OpenError::Away { .. }) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was made ready"),
    }
    server.set("synchronous_standby_names", "");
    let mut seller = Seller::new(&target);
    let event = seller.put_event("rush", 9);
    assert!(sells(&mut seller, event, "ann"));
}
