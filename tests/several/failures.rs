//! What becomes of a sale when the database fails: killed, failed over to a standby, or cut off at
//! the very moment of a COMMIT.

use crate::harness::*;
use crate::shops::*;
use nts_testkit::{Cut, Postgres, Proxy};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Lets a crowd buy at these processes until some have paid, while `strike` happens, and until as many
/// again have paid after it.
fn while_selling(shops: &Shops, told: &Told, next: &AtomicU32, strike: impl FnOnce()) {
    let addresses = &shops.addresses();
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..12usize {
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    buy(addresses, worker, next, told, Trouble::Expected);
                }
            });
        }
        told.more_pay(20);
        strike();
        told.more_pay(20);
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn the_database_is_killed_during_the_sale_and_nothing_acknowledged_is_lost() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let shops = Shops::start(&postgres, "db-killed", 3, &[]);
    shops.at(0).make_event(100_000, 3600);
    let (told, next) = (Told::default(), AtomicU32::new(0));
    for _ in 0..3 {
        while_selling(&shops, &told, &next, || {
            postgres.kill();
            eventually("it is noticed", || shops.at(0).get("/readyz").status == 503);
            postgres.start_again();
        });
    }
    assert!(told.paid() > 50, "too few bought to prove much: {}", told.paid());
    told.check(&shops);
    shops.balanced(&[]);
}

/// A server whose commits wait for another one, that one, and a database.
pub fn synchronous_pair() -> Option<(Postgres, Postgres, String)> {
    let primary = Postgres::start(&[])?;
    let database = primary.database();
    let standby = primary.standby();
    primary.set("synchronous_standby_names", "standby");
    wait_for_standby(&primary, "sync");
    Some((primary, standby, database))
}

/// The address of both servers of a pair; who connects finds the one that takes writes.
pub fn either(primary: &Postgres, standby: &Postgres, database: &str) -> String {
    let (a, b) = (primary.port(), standby.port());
    format!(
        "postgres://postgres@127.0.0.1:{a},127.0.0.1:{b}/{database}?target_session_attrs=read-write"
    )
}

fn wait_for_standby(primary: &Postgres, state: &str) {
    eventually("the standby follows", || {
        primary.sql("postgres", "SELECT sync_state FROM pg_stat_replication") == state
    });
}

#[test]
fn a_failover_to_a_synchronous_standby_loses_nothing_that_was_acknowledged() {
    let Some((primary, standby, database)) = synchronous_pair() else { return };
    let shops = Shops::start_at(&either(&primary, &standby, &database), "failover", 3, &[]);
    shops.at(0).make_event(100_000, 3600);
    let (told, next) = (Told::default(), AtomicU32::new(0));
    while_selling(&shops, &told, &next, || {
        // The old primary is gone for good before the standby takes over: two would be a lie.
        primary.kill();
        standby.promote();
    });
    let before = told.paid();
    while_selling(&shops, &told, &next, || {});
    assert!(told.paid() > before, "they go on by themselves on the other server");
    told.check(&shops);
    shops.balanced(&[]);
}

#[test]
fn what_an_asynchronous_standby_has_lost_is_found_at_the_provider_and_settled() {
    let Some(primary) = Postgres::start(&[]) else { return };
    let database = primary.database();
    let standby = primary.standby();
    wait_for_standby(&primary, "async");
    let shops = Shops::start_at(&either(&primary, &standby, &database), "lost", 2, &[]);
    shops.at(0).make_event(1_000, 3600);
    let kept = shops.at(0).send(hold("kept", 1)).json();
    assert_eq!(shops.at(0).send(pay(&kept, "ctoken_ok")).json()["state"], "paid");
    eventually("the standby has it", || {
        standby.sql(&database, "SELECT count(*) FROM tickets") == "1"
    });
    // From here on the standby hears nothing any more, as when the network to it is lost.
    standby.sql("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
    standby.sql("postgres", "SELECT pg_reload_conf()");
    eventually("it is alone", || {
        primary.sql("postgres", "SELECT count(*) FROM pg_stat_replication") == "0"
    });
    let lost = shops.at(0).send(hold("lost", 2)).json();
    assert_eq!(shops.at(0).send(pay(&lost, "ctoken_ok")).json()["state"], "paid");
    primary.kill();
    standby.promote();
    eventually("it is noticed", || {
        let answer = shops.at(1).get("/readyz");
        answer.status == 503 && answer.text().contains("nts accept-history")
    });
    assert_eq!(shops.at(1).send(look(&lost)).status, 404, "an asynchronous standby loses");
    let (status, said) = shops.audit(&[]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("was taken that the books have forgotten"), "{said}");
    assert!(said.contains("50.00"), "the sum is told: {said}");
    println!("{said}");
    let (_, said) = shops.audit(&["--settle"]);
    assert!(said.contains("given back"), "{said}");
    shops.balanced(&[]);
    assert_eq!(shops.at(1).send(look(&kept)).json()["state"], "paid");
    assert!(shops.command().arg("accept-history").output().unwrap().status.success());
    eventually("they sell again", || shops.at(0).send(hold("new", 1)).status == 201);
    shops.balanced(&[]);
}

#[test]
fn cut_off_at_the_commit_a_buyer_hears_one_true_answer_and_the_effect_is_there_once() {
    let Some(postgres) = Postgres::shared() else { return };
    let database = postgres.database();
    let proxy = Proxy::start(postgres.port());
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", proxy.port);
    let shops = Shops::start_at(&url, "cut", 1, &[]);
    shops.at(0).make_event(1_000, 3600);
    let counted = || {
        let counts = postgres.sql(&database, "SELECT held, sold FROM pools WHERE name = 'floor'");
        let (held, sold) = counts.split_once('|').unwrap();
        (held.parse::<u32>().unwrap(), sold.parse::<u32>().unwrap())
    };
    // Once undisturbed, so that everything is prepared.
    assert_eq!(shops.at(0).send(hold("first", 1)).status, 201);
    for round in 0..12u32 {
        let cut = [Cut::AnswerLost, Cut::NeverSent][round as usize % 2];
        proxy.arm_at_commit(cut);
        let wanted = hold(&format!("b{round}"), 1).key(&format!("the-hold-of-round-{round}"));
        let answer = shops.at(0).send(wanted.clone());
        assert_eq!(answer.status, 201, "{cut:?}: {answer:?}");
        assert_eq!(proxy.cuts(), round + 1, "it was cut");
        assert_eq!(counted().0, 2 + round, "{cut:?}: it is there once");
        // The same key gives the same order.
        assert_eq!(shops.at(0).send(wanted).json()["id"], answer.json()["id"]);
    }
    // And through a payment: cut at whichever of its commits comes next.
    for round in 0..6u32 {
        let order = shops.at(0).send(hold(&format!("p{round}"), 1)).json();
        let cut = [Cut::AnswerLost, Cut::NeverSent][round as usize % 2];
        proxy.arm_at_commit(cut);
        let paid = shops.at(0).send(pay(&order, "ctoken_ok")).json();
        assert_eq!(paid["state"], "paid", "{cut:?}: {paid}");
        eventually("sold once", || counted() == (13, round + 1));
    }
    assert_eq!(proxy.cuts(), 18);
    shops.balanced(&[]);
}
