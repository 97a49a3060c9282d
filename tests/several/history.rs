//! A database that went back to an earlier state: it is noticed by whoever has lived through it, told to all, and
//! nothing is sold until a person has accepted it.

use crate::failures::{either, synchronous_pair};
use crate::harness::*;
use crate::shops::*;
use nts_testkit::Postgres;

/// A primary and a standby that hears nothing any more, with processes that have sold since.
struct Lagging {
    primary: Postgres,
    standby: Postgres,
    shops: Shops,
    /// What the standby has.
    kept: serde_json::Value,
    /// What it has not.
    lost: serde_json::Value,
}

fn lagging(name: &str) -> Option<Lagging> {
    let primary = Postgres::start(&[])?;
    let database = primary.database();
    let standby = primary.standby();
    let shops = Shops::start_at(&either(&primary, &standby, &database), name, 2, &[]);
    shops.at(0).make_event(1_000, 3600);
    let kept = shops.at(0).send(hold("kept", 1)).json();
    assert_eq!(shops.at(0).send(pay(&kept, "ctoken_ok")).json()["state"], "paid");
    eventually("the standby has it", || {
        standby.sql(&database, "SELECT count(*) FROM tickets") == "1"
    });
    standby.set("primary_conninfo", "");
    eventually("it is alone", || {
        primary.sql("postgres", "SELECT count(*) FROM pg_stat_replication") == "0"
    });
    let lost = shops.at(0).send(hold("lost", 2)).json();
    assert_eq!(shops.at(0).send(pay(&lost, "ctoken_ok")).json()["state"], "paid");
    eventually("the other process has read that", || shops.at(1).counts().1 == 3);
    Some(Lagging { primary, standby, shops, kept, lost })
}

impl Lagging {
    fn fail_over(&self) {
        self.primary.kill();
        self.standby.promote();
    }

    /// Nobody sells, and everybody says why.
    fn check_stopped(&self, numbers: &[usize]) {
        for nth in numbers {
            let server = self.shops.at(*nth);
            let mut ready = None;
            eventually("it is noticed", || {
                let answer = server.get("/readyz");
                let is_noticed =
                    answer.status == 503 && answer.text().contains("nts accept-history");
                ready = Some(answer);
                is_noticed
            });
            let ready = ready.unwrap().json();
            assert!(text(&ready, "detail").contains("went back to an earlier state"), "{ready}");
            let refused = server.send(hold("nobody", 1));
            assert_eq!(refused.status, 503, "{refused:?}");
            let refused = refused.json();
            assert!(text(&refused, "detail").contains("stopped its sale"), "{refused}");
            assert_eq!(refused["money_moved"], "no");
            // Pages are shown, as the database is now.
            assert_eq!(server.get("/healthz").status, 200);
            eventually("the true counts", || server.counts() == (0, 1, 999));
            assert_eq!(server.send(look(&self.kept)).json()["state"], "paid");
            assert_eq!(server.send(look(&self.lost)).status, 404);
            let metrics = server.get("/metrics").text();
            assert!(metrics.contains("nts_history_went_back 1"), "{metrics}");
            assert!(metrics.contains("nts_ready 0"), "{metrics}");
        }
        assert!(self.shops.log().contains("ALARM: the database went back"));
    }

    /// Audit, settle, accept: as docs/high-availability.md says.
    fn accept(&self) {
        let (status, said) = self.shops.audit(&[]);
        assert!(status == 1 && said.contains("the books have forgotten"), "{said}");
        assert!(said.contains("went back to an earlier state"), "{said}");
        let (_, said) = self.shops.audit(&["--settle"]);
        assert!(said.contains("given back"), "{said}");
        let accepted = self.shops.command().arg("accept-history").output().unwrap();
        let said = String::from_utf8_lossy(&accepted.stdout).into_owned();
        assert!(accepted.status.success() && said.contains("Accepted"), "{said}");
        let again = self.shops.command().arg("accept-history").output().unwrap();
        let said = String::from_utf8_lossy(&again.stdout).into_owned();
        assert!(again.status.success() && said.contains("Nothing was changed"), "{said}");
    }
}

#[test]
fn an_asynchronous_failover_that_loses_orders_stops_the_sale_until_a_person_accepts_it() {
    let Some(mut lagging) = lagging("went-back") else { return };
    lagging.fail_over();
    lagging.check_stopped(&[0, 1]);
    // A start does not hide it, although a new process has nothing to compare with.
    lagging.shops.kill(0);
    lagging.shops.start_one(0);
    lagging.check_stopped(&[0, 1]);
    lagging.accept();
    for nth in 0..2 {
        eventually("ready", || lagging.shops.at(nth).get("/readyz").status == 200);
        let order = lagging.shops.at(nth).send(hold(&format!("new{nth}"), 1)).json();
        let paid = lagging.shops.at(nth).send(pay(&order, "ctoken_ok")).json();
        assert_eq!(paid["state"], "paid", "{paid}");
    }
    for nth in 0..2 {
        eventually("the counts go on", || lagging.shops.at(nth).counts() == (0, 3, 997));
        let metrics = lagging.shops.at(nth).get("/metrics").text();
        assert!(metrics.contains("nts_history_went_back 0"), "{metrics}");
    }
    lagging.shops.balanced(&[]);
}

/// The process that sold is gone with its machine: the other one has read what it had sold.
#[test]
fn a_process_that_only_looked_on_notices_it_as_well() {
    let Some(mut lagging) = lagging("looked-on") else { return };
    lagging.shops.kill(0);
    lagging.fail_over();
    lagging.check_stopped(&[1]);
    lagging.accept();
    eventually("it sells", || lagging.shops.at(1).send(hold("new", 1)).status == 201);
}

#[test]
fn a_failover_that_loses_nothing_and_a_process_that_is_gone_raise_no_alarm() {
    let Some((primary, standby, database)) = synchronous_pair() else { return };
    let mut shops = Shops::start_at(&either(&primary, &standby, &database), "no-alarm", 2, &[]);
    shops.at(0).make_event(1_000, 3600);
    for n in 0..10 {
        assert_eq!(shops.at(n % 2).send(hold(&format!("b{n}"), 1)).status, 201);
    }
    shops.kill(1);
    primary.kill();
    standby.promote();
    eventually("it sells again", || shops.at(0).send(hold("again", 1)).status == 201);
    shops.start_one(1);
    eventually("all is read", || shops.at(1).counts().0 == 11);
    assert!(!shops.log().contains("went back"), "{}", shops.log());
    // After the failover there is no standby any more: that is said, and counted.
    assert!(shops.log().contains("no synchronous standby"), "{}", shops.log());
    eventually("counted", || {
        shops.at(0).get("/metrics").text().contains("nts_database_synchronous_standby 0")
    });
}
