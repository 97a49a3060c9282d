//! What `/readyz` says, and what buyers read, while nothing can be recorded; and how soon all is well again.

use crate::harness::*;
use crate::shops::*;
use nts_testkit::Postgres;
use std::time::{Duration, Instant};

/// Commits wait for a standby that is not there.
#[test]
fn while_commits_hang_it_is_not_ready_and_buyers_read_that_the_database_does_not_answer() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let shops = Shops::start(&postgres, "hangs", 1, &[("NTS_QUEUE_TIMEOUT_MS", "2500")]);
    let server = shops.at(0);
    server.make_event(100, 3600);
    assert_eq!(server.send(hold("first", 1)).status, 201);
    postgres.set("synchronous_standby_names", "nobody");
    let address = &server.address;
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..4)
            .map(|n| {
                let buyer = scope.spawn(move || hold(&format!("b{n}"), 1).send(address).unwrap());
                std::thread::sleep(Duration::from_millis(200));
                buyer
            })
            .collect();
        eventually("not ready", || {
            let answer = server.get("/readyz");
            answer.status == 503 && answer.text().contains("has not answered")
        });
        // Pages are served meanwhile.
        assert_eq!(server.get("/healthz").status, 200);
        assert_eq!(server.get("/events/rock").status, 200);
        assert!(server.get("/metrics").text().contains("nts_ready 0"));
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).collect()
    });
    let mut waited = 0;
    for answer in answers {
        assert_eq!(answer.status, 503, "{answer:?}");
        let said = answer.json();
        assert_ne!(answer.code(), Some(ProblemCode::Busy), "{said}");
        if answer.code() == Some(ProblemCode::Unavailable) {
            assert!(text(&said, "detail").contains("database does not answer"), "{said}");
            assert_eq!(said["money_moved"], "no");
            waited += 1;
        }
    }
    assert!(waited > 0, "those behind the first heard why");
    postgres.set("synchronous_standby_names", "");
    eventually("ready", || server.get("/readyz").status == 200);
    assert_eq!(server.send(hold("last", 1)).status, 201);
}

/// Each write is refused as on a full disk (SQLSTATE 53100), and each read is answered.
#[test]
fn while_commits_are_refused_it_is_not_ready_also_if_nobody_buys() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let database = postgres.database();
    let shops = Shops::start_at(&postgres.url(&database), "full", 1, &[]);
    let server = shops.at(0);
    server.make_event(100, 3600);
    postgres.sql(
        &database,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
         CREATE TRIGGER full_disk BEFORE INSERT ON orders EXECUTE FUNCTION full_disk();
         CREATE TRIGGER full_disk BEFORE INSERT ON meta EXECUTE FUNCTION full_disk();",
    );
    let refused = server.send(hold("ann", 1));
    assert_eq!(refused.code(), Some(ProblemCode::Unavailable), "{refused:?}");
    assert_eq!(refused.json()["money_moved"], "no");
    for _ in 0..20 {
        assert_eq!(server.get("/readyz").status, 503);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.get("/events/rock").status, 200);
    postgres.sql(&database, "DROP TRIGGER full_disk ON orders; DROP TRIGGER full_disk ON meta;");
    eventually("ready", || server.get("/readyz").status == 200);
    assert_eq!(server.send(hold("ann", 1)).status, 201);
    assert_eq!(postgres.sql(&database, "SELECT count(*) FROM meta WHERE key LIKE 'proof%'"), "0");
}

#[test]
fn while_its_readers_are_refused_it_is_not_ready() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let database = postgres.database();
    postgres.sql("postgres", "CREATE ROLE few LOGIN");
    postgres.sql("postgres", &format!("ALTER DATABASE {database} OWNER TO few"));
    let url = format!("postgres://few@127.0.0.1:{}/{database}", postgres.port());
    let shops = Shops::start_at(&url, "no-readers", 1, &[]);
    let server = shops.at(0);
    server.make_event(100, 3600);
    assert_eq!(server.get("/readyz").status, 200);
    postgres.sql("postgres", "ALTER ROLE few CONNECTION LIMIT 1");
    // All but the one that holds the number of the process, which is the writer's.
    postgres.sql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few' AND pid NOT IN
             (SELECT pid FROM pg_locks WHERE locktype = 'advisory')",
    );
    eventually("not ready", || {
        let answer = server.get("/readyz");
        answer.status == 503 && answer.text().contains("question")
    });
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/events/rock").status, 200);
    postgres.sql("postgres", "ALTER ROLE few CONNECTION LIMIT -1");
    eventually("ready", || server.get("/readyz").status == 200);
}

#[test]
fn counts_follow_again_at_once_after_an_outage() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let shops = Shops::start(&postgres, "follows", 2, &[]);
    shops.at(0).make_event(1_000, 3600);
    eventually("the other knows", || shops.at(1).get("/events/rock").status == 200);
    let mut took = Vec::new();
    // On a busy machine one may take longer for another reason; all three do not.
    for outage in 1..=3 {
        postgres.kill();
        assert_eq!(shops.at(0).send(hold("nobody", 1)).status, 503);
        // So long that pauses which double have grown beyond a second.
        std::thread::sleep(Duration::from_secs(8));
        postgres.start_again();
        let who = format!("ann{outage}");
        eventually("it sells", || shops.at(0).send(hold(&who, 1)).status == 201);
        let begun = Instant::now();
        eventually("the other knows", || shops.at(1).counts().0 == outage);
        took.push(begun.elapsed());
        println!("known at the other process {took:?} after the first sale");
        if took.last().is_some_and(|took| *took < Duration::from_secs(1)) {
            return;
        }
    }
    panic!("{took:?}");
}
