//! `nts migrate-store`: from a file to PostgreSQL and back, whole or not at all.

use crate::harness::*;
use nts_testkit::Postgres;
use serde_json::Value;
use std::process::Output;

fn migrate(dir: &Dir, from: &str, to: &str) -> Output {
    nts(dir).args(["migrate-store", from, to]).output().unwrap()
}

/// What a start says that is refused.
fn refused_start(dir: &Dir, database: &str) -> String {
    let output = nts(dir).env("NTS_DATABASE", database).arg("serve").output().unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

/// Orders in many states: held, at the bank, declined, paid, given back in part, let go.
fn sell(server: &Server) -> Vec<Value> {
    server.make_event(10_000, 3600);
    let order =
        |name: &str| server.send(hold(name, 2).key(&format!("the-key-of-buyer-{name}"))).json();
    let paid = |name: &str, token: &str| {
        let order = order(name);
        server.send(pay(&order, token));
        order
    };
    let mut all = vec![order("held"), paid("bank", "ctoken_3ds"), paid("no", "ctoken_declined")];
    let back = paid("back", "ctoken_ok");
    let refund = Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(&back, "id")));
    let lines = serde_json::json!({"lines": [{"ticket_type": "adult", "quantity": 1}],
                                   "restock": true});
    assert_eq!(server.send(refund.bearer(KEY).json(&lines)).status, 200);
    let gone = order("gone");
    let cancel = Request::new("POST", &format!("/api/v1/orders/{}/cancel", text(&gone, "id")));
    let cancel = cancel.bearer(&text(&gone, "secret")).json(&serde_json::json!({}));
    assert_eq!(server.send(cancel).status, 200);
    all.extend([back, gone]);
    // More than what is read at a time.
    for n in 0..1_050 {
        assert_eq!(server.send(hold(&format!("b{n}"), 1)).status, 201);
    }
    for n in 0..30 {
        all.push(paid(&format!("ok{n}"), "ctoken_ok"));
    }
    // Guests, a language, another address, and a key that signs: all of it moves with the mails that wait.
    let last = all.last().unwrap().clone();
    let named = format!("/api/v1/orders/{}/tickets/2", text(&last, "id"));
    let named = Request::new("POST", &named).bearer(&text(&last, "secret"));
    assert_eq!(server.send(named.json(&serde_json::json!({"name": "Zoë 👩"}))).status, 200);
    let email = Request::new("PUT", &format!("/api/v1/orders/{}/email", text(&last, "id")));
    let email = email.bearer(KEY).json(&serde_json::json!({"email": "zoe@example.com"}));
    assert_eq!(server.send(email).status, 200);
    let french = hold("french", 1).header("accept-language", "fr");
    all.push(server.send(french).json());
    let french = server.send(look(all.last().unwrap())).json();
    assert_eq!(french["buyer"]["language"], "fr", "{french}");
    server.send(pay(all.last().unwrap(), "ctoken_ok"));
    assert_eq!(server.send(Request::new("POST", "/api/v1/door/keys").bearer(KEY)).status, 201);
    // A limit that comes late: what buyers have is counted from then on.
    let mut event = event_json(10_000, 3600);
    event["limit_per_buyer"] = 2.into();
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 200);
    // One name for each show: a record of what a buyer has.
    let reserve = Request::form("/nts/v1/reserve", &[("fullname", "Ann")]);
    assert!(server.send(reserve).status < 400);
    all
}

/// Who has two places gets no more, and who has one may have one more.
fn counted(server: &Server) {
    for (name, status) in [("held", 409), ("ok7", 409), ("back", 409), ("b9", 409)] {
        let answer = server.send(hold(name, if name == "held" || name == "ok7" { 1 } else { 2 }));
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
    assert_eq!(server.get("/api/v1/events/rock").json()["limit_per_buyer"], 2);
}

/// The orders as they are seen, with their tickets and what was given back.
fn seen(server: &Server, orders: &[Value]) -> Vec<Value> {
    let see = |order| {
        let mut seen = server.send(look(order)).json();
        // The port is another one; and it moves while a payment is looked at.
        for member in ["url", "updated_at"] {
            seen.as_object_mut().unwrap().remove(member);
        }
        for ticket in seen["tickets"].as_array_mut().into_iter().flatten() {
            let url = ticket["url"].as_str().map(|url| url[url.find("/T/").unwrap()..].to_owned());
            ticket["url"] = url.into();
        }
        seen
    };
    orders.iter().map(see).collect()
}

#[test]
fn a_file_moves_into_postgresql_and_back_and_nothing_is_different() {
    let Some(postgres) = Postgres::shared() else { return };
    let (file, url) = ("nts.db", postgres.url(&postgres.database()));
    let dir = Dir::on("moving", file.into());
    let server = Server::start(&dir);
    let orders = sell(&server);
    let (before, counts) = (seen(&server, &orders), server.counts());
    // Nobody moves what is being sold from.
    let refused = migrate(&dir, file, &url);
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(
        said(&refused).contains("in use") || said(&refused).contains("another"),
        "{}",
        said(&refused)
    );
    server.stop();

    let moved = migrate(&dir, file, &url);
    assert!(moved.status.success(), "{}", said(&moved));
    println!("{}", said(&moved));
    assert!(said(&moved).contains("NTS_SANDBOX=nts.db.sandbox"), "{}", said(&moved));
    // From now on nobody sells from the file by mistake.
    let refused = refused_start(&dir, file);
    assert!(refused.contains(&format!("{file} was moved to postgres://")), "{refused}");
    let settings = [("NTS_DATABASE", url.as_str()), ("NTS_SANDBOX", "nts.db.sandbox")];
    let server = Server::start_with(&dir, &settings);
    assert_eq!(server.counts(), counts);
    assert!(seen(&server, &orders) == before);
    counted(&server);
    // The same request is still the same request.
    assert_eq!(
        server.send(hold("held", 2).key("the-key-of-buyer-held")).json()["id"],
        orders[0]["id"]
    );
    // It goes on: what was held is paid.
    let paid = server.send(pay(&orders[0], "ctoken_ok")).json();
    assert_eq!(paid["state"], "paid", "{paid}");
    let (before, counts) = (seen(&server, &orders), server.counts());
    let audit = nts(&dir).envs(settings).arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", said(&audit));

    let refused = migrate(&dir, &url, "back.db");
    assert!(said(&refused).contains("nts serves on"), "{}", said(&refused));
    server.stop();
    let refused = migrate(&dir, &url, file);
    assert!(said(&refused).contains("exists already"), "{}", said(&refused));
    let refused = migrate(&dir, file, &url);
    assert!(said(&refused).contains("was moved to postgres://"), "{}", said(&refused));
    // Nor into a database that has something in it.
    let other = Dir::on("moving-other", file.into());
    Server::start(&other).stop();
    let refused = migrate(&other, file, &url);
    assert!(said(&refused).contains("is not empty"), "{}", said(&refused));

    let moved = migrate(&dir, &url, "back.db");
    assert!(moved.status.success(), "{}", said(&moved));
    let refused = refused_start(&dir, &url);
    assert!(refused.contains("was moved to back.db"), "{refused}");
    let settings = [("NTS_DATABASE", "back.db"), ("NTS_SANDBOX", "nts.db.sandbox")];
    let server = Server::start_with(&dir, &settings);
    assert_eq!(server.counts(), counts);
    assert!(seen(&server, &orders) == before);
    let audit = nts(&dir).envs(settings).arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", said(&audit));
    counted(&server);
    assert_eq!(server.send(hold("new", 1)).status, 201);
    server.stop();

    // Who means it sells from where it was.
    for database in [url.as_str(), file] {
        let resumed = nts(&dir).args(["migrate-store", "--resume", database]).output().unwrap();
        assert!(resumed.status.success(), "{}", said(&resumed));
        assert!(said(&resumed).contains("sells again"), "{}", said(&resumed));
        let settings = [("NTS_DATABASE", database), ("NTS_SANDBOX", "nts.db.sandbox")];
        let server = Server::start_with(&dir, &settings);
        server.stop();
    }
}

#[test]
fn a_move_that_breaks_leaves_the_target_as_it_was() {
    let Some(postgres) = Postgres::shared() else { return };
    let database = postgres.database();
    let url = postgres.url(&database);
    let dir = Dir::on("broken-move", "nts.db".into());
    let server = Server::start(&dir);
    server.make_event(100, 3600);
    for n in 0..20 {
        assert_eq!(server.send(hold(&format!("b{n}"), 1)).status, 201);
    }
    server.stop();
    let tables =
        || postgres.sql(&database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    // Refused in the middle: some orders are there before the one that breaks a rule.
    postgres.sql(
        &database,
        "CREATE FUNCTION strike() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             IF to_regclass('requests') IS NOT NULL
                AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'broken') THEN
                 EXECUTE 'ALTER TABLE orders ADD CONSTRAINT broken CHECK (name <> ''b17'')';
             END IF; END $$;
         CREATE EVENT TRIGGER strike ON ddl_command_end WHEN TAG IN ('CREATE INDEX')
             EXECUTE FUNCTION strike()",
    );
    let broken = migrate(&dir, "nts.db", &url);
    assert!(!broken.status.success(), "{}", said(&broken));
    assert!(said(&broken).contains("is as it was before"), "{}", said(&broken));
    assert_eq!(tables(), "0", "nothing is left of it");
    postgres.sql(&database, "DROP EVENT TRIGGER strike; DROP FUNCTION strike()");
    let moved = migrate(&dir, "nts.db", &url);
    assert!(moved.status.success(), "{}", said(&moved));

    // What does not balance is not carried on; and no file is left behind.
    postgres.sql(&database, "UPDATE pools SET held = held + 1 WHERE name = 'floor'");
    let refused = migrate(&dir, &url, "back.db");
    assert!(said(&refused).contains("do not balance"), "{}", said(&refused));
    postgres.sql(&database, "UPDATE pools SET held = held - 1 WHERE name = 'floor'");
    // Two orders of one instant have no place in a file.
    postgres.sql(
        &database,
        "INSERT INTO orders SELECT event, (substr(id::text, 1, 35) || 'f')::uuid, 7, lines, name,
             email, buyer_key, currency, placed_ms, until_ms, NULL, 0, NULL, NULL, NULL, 0, 0, language
         FROM orders WHERE id::text NOT LIKE '%f' LIMIT 1",
    );
    let refused = migrate(&dir, &url, "back.db");
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(said(&refused).contains("one key for both"), "{}", said(&refused));
    assert!(!dir.path("back.db").exists() && !dir.path("back.db.partial").exists());
}
