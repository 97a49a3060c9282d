//! A buyer is erased: no answer shows the name or the address any more, and money and tickets stay.

use crate::shop::{HOUR, Held, KEY, Shop, shop};
use boxoffice::{Command, EventSpec, Order, OrderState};
use nts_server::actor::Actor;
use nts_server::organiser::retention::Progress;
use nts_server::store::records::audit_log::{Action, AuditLine};
use nts_server::store::records::page;
use serde_json::{Value, json};

/// The answer to an erasure, which is 200.
async fn erase(shop: &Shop, body: Value) -> Value {
    let (status, text) = erasure(shop, body).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn erasure(shop: &Shop, body: Value) -> (u16, String) {
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    shop.http("POST", "/api/v1/erasures", &headers, &body.to_string()).await
}

/// What an erasure says in numbers.
fn counts(said: &Value) -> [u64; 3] {
    ["found", "erased", "left"].map(|name| said[name].as_u64().unwrap())
}

async fn paid(shop: &Shop, buyer: &str) -> Held {
    let held = shop.hold(buyer, 1).await;
    assert_eq!(shop.pay(&held, "ctoken_ok").await.0, 200);
    shop.state(&held, OrderState::Paid).await;
    held
}

/// An order without its buyer.
fn rest(order: &Order) -> Order {
    Order { buyer: boxoffice::Buyer::erased(order.id), ..order.clone() }
}

/// Everything that the server says of an order: to its buyer, to the organiser, and on pages.
async fn everything(shop: &Shop, held: &Held) -> String {
    let (own, key) = (format!("Bearer {}", held.secret), format!("Bearer {KEY}"));
    let path = format!("/api/v1/orders/{}", held.id);
    let mut all = shop.page(held).await;
    for (path, bearer) in
        [(&*path, &own), (&path, &key), ("/api/v1/events/rock/orders?limit=500", &key)]
    {
        let (status, text) = shop.http("GET", path, &[("authorization", bearer)], "").await;
        assert_eq!(status, 200, "{text}");
        all += &text;
    }
    all
}

async fn lines(shop: &Shop, action: Action) -> Vec<AuditLine> {
    let all = shop.app().sales.reads.ask(|r| page::<AuditLine>(r.tables(), None, 500)).await;
    all.unwrap().into_iter().filter(|line| line.action == action).collect()
}

#[tokio::test]
async fn an_address_is_erased_from_all_orders_that_are_finished() {
    let mut shop = shop("erased").await;
    let (first, second) = (paid(&shop, "zoe").await, paid(&shop, "ZOE").await);
    let canceled = shop.hold("zoe", 1).await;
    assert_eq!(shop.cancel(&canceled).await.0, 200);
    let refunded = paid(&shop, "zoe").await;
    assert_eq!(shop.refund(&refunded, json!({"all": true, "restock": true})).await.0, 200);
    shop.state(&refunded, OrderState::Refunded).await;
    let (held, other) = (shop.hold("zoe", 1).await, paid(&shop, "anna").await);
    let gone = [&first, &second, &canceled, &refunded];
    let mut before = Vec::new();
    for held in gone {
        before.push(shop.order(held).await);
    }
    let (moved, report) = (shop.moved(&first), shop.report(false).await);
    assert!(report.findings.is_empty(), "{report}");

    // Nothing changes by asking how much it would be.
    let said = erase(&shop, json!({"email": " Zoe@Example.ORG ", "dry_run": true})).await;
    assert_eq!((counts(&said), &said["dry_run"]), ([5, 4, 1], &json!(true)));
    assert_eq!(shop.order(&first).await, before[0]);
    assert!(lines(&shop, Action::BuyersErased).await.is_empty());

    let said = erase(&shop, json!({"email": " Zoe@Example.ORG "})).await;
    assert_eq!(counts(&said), [5, 4, 1]);
    let left = &said["orders_left"][0];
    assert_eq!((&left["id"], &left["state"]), (&json!(held.id), &json!("held")));
    for (held, before) in gone.into_iter().zip(&before) {
        assert_eq!(shop.order(held).await, rest(before), "money and tickets stay");
        let told = everything(&shop, held).await;
        // The one that is left is in the organiser's list.
        assert_eq!(told.matches("zoe@example.org").count(), 1, "{told}");
        let erased = r#""buyer":{"email":"","erased":true,"language":"en","name":"erased"}"#;
        assert!(told.contains(erased), "{told}");
        assert!(!told.contains("ZOE"), "{told}");
    }
    assert_eq!(shop.order(&other).await.buyer.name, "anna");
    assert_eq!(shop.moved(&first), moved);
    let told = lines(&shop, Action::BuyersErased).await;
    let orders: Vec<_> = told.iter().filter_map(|line| line.order_id).collect();
    assert_eq!(orders, [first.order, second.order, canceled.order, refunded.order]);
    for line in &told {
        assert!(matches!(line.actor, Actor::ApiKey(_)) && line.event.is_some(), "{line:?}");
        assert_eq!(line.detail, "asked for");
    }
    // Once more: nothing is left to do, and nothing more is told.
    assert_eq!(counts(&erase(&shop, json!({"email": "zoe@example.org"})).await), [1, 0, 1]);
    assert_eq!(lines(&shop, Action::BuyersErased).await.len(), 4);

    // What was left goes when it is finished, also by its id; and it is the same after a restart.
    assert_eq!(shop.cancel(&held).await.0, 200);
    assert_eq!(counts(&erase(&shop, json!({"order": held.id})).await), [1, 1, 0]);
    assert_eq!(counts(&erase(&shop, json!({"order": held.id})).await), [0, 0, 0]);
    let last = &lines(&shop, Action::BuyersErased).await[4..];
    assert!(matches!(last, [line] if line.order_id == Some(held.order)), "{last:?}");
    shop.stop().await;
    shop.start_again().await;
    for held in gone.into_iter().chain([&held]) {
        let told = everything(&shop, held).await.to_lowercase();
        assert!(!told.contains("zoe"), "{told}");
    }
    // An erased order is refunded as any other.
    assert_eq!(shop.refund(&first, json!({"all": true, "restock": true})).await.0, 200);
    shop.state(&first, OrderState::Refunded).await;
    let report = shop.report(false).await;
    assert!(report.balanced() && report.findings.is_empty(), "{report}");
    shop.close().await;
}

#[tokio::test]
async fn an_answer_of_before_is_repeated_without_the_address() {
    let shop = shop("erased-again").await;
    let body = json!({"buyer": {"name": "Quilla Vance", "email": "quilla@example.org"},
                      "lines": [{"ticket_type": "t", "quantity": 1}]})
    .to_string();
    let hold = || {
        shop.http(
            "POST",
            "/api/v1/events/rock/orders",
            &[("idempotency-key", "k1-k1-k1-k1-k1-k1")],
            &body,
        )
    };
    let (status, first) = hold().await;
    assert_eq!(status, 201, "{first}");
    let told: Value = serde_json::from_str(&first).unwrap();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    let order = boxoffice::OrderId(uuid::Uuid::try_parse(&text("id")).unwrap().as_u128());
    let held = Held { order, id: text("id"), secret: text("secret") };
    let bearer = format!("Bearer {}", held.secret);
    let path = format!("/api/v1/orders/{}/pay", held.id);
    let headers = [("authorization", &*bearer), ("idempotency-key", "k2-k2-k2-k2-k2-k2")];
    let pay = || shop.http("POST", &path, &headers, "{\"token\":\"ctoken_ok\"}");
    let (status, told) = pay().await;
    assert!(status == 200 && told.contains("quilla@example.org"), "{told}");
    shop.state(&held, OrderState::Paid).await;
    assert_eq!(counts(&erase(&shop, json!({"email": "quilla@example.org"})).await), [1, 1, 0]);
    let (status, again) = hold().await;
    assert_eq!((status, &again), (201, &first), "the same order, and it never told the buyer");
    let (status, again) = pay().await;
    assert_eq!(status, 200, "{again}");
    assert!(again.contains("\"paid\"") && !again.to_lowercase().contains("quilla"), "{again}");
    shop.balanced().await;
    shop.close().await;
}

#[tokio::test]
async fn what_cannot_be_understood_erases_nothing() {
    let shop = shop("erased-odd").await;
    let held = paid(&shop, "ann").await;
    for (body, status) in [
        (json!({}), 400),
        (json!({"email": ""}), 400),
        (json!({"email": "ann"}), 400),
        (json!({"email": "@example.org"}), 400),
        (json!({"email": "ann@example.org", "order": held.id}), 400),
        (json!({"email": "ann@example.org", "all": true}), 400),
        (json!({"order": "nothing"}), 404),
        (json!({"order": uuid::Uuid::nil().to_string()}), 404),
        (json!({"email": 7}), 400),
    ] {
        let (said, text) = erasure(&shop, body.clone()).await;
        assert_eq!(said, status, "{body}: {text}");
    }
    // One that nobody has is no error: it may have been erased before.
    for email in ["bob@example.org", "ann@example.com", "ann+x@example.org"] {
        assert_eq!(counts(&erase(&shop, json!({"email": email})).await), [0, 0, 0], "{email}");
    }
    assert_eq!(shop.order(&held).await.buyer.name, "ann");
    shop.close().await;
}

/// Puts the event of the shop anew, with these changes.
async fn change(shop: &Shop, change: impl FnOnce(&mut EventSpec)) {
    let event = shop.app().sales.event_named("rock").await.unwrap();
    let mut spec = event.spec.clone();
    change(&mut spec);
    shop.app().sales.submit(Command::PutEvent { id: event.id, spec }, None).await.unwrap();
}

#[tokio::test]
async fn where_tags_are_ignored_an_address_is_that_of_all_its_tags() {
    let shop = shop("erased-tags").await;
    change(&shop, |spec| spec.ignore_email_tags = true).await;
    let (plain, tagged) = (paid(&shop, "ann").await, paid(&shop, "ann+x").await);
    let other = paid(&shop, "anna").await;
    assert_eq!(counts(&erase(&shop, json!({"email": "ann+y@example.org"})).await), [2, 2, 0]);
    assert!(shop.order(&plain).await.is_erased() && shop.order(&tagged).await.is_erased());
    // Once all orders are over, the organiser may take tags for different buyers.
    let (plain, tagged) = (shop.hold("ann", 1).await, shop.hold("ann+x", 1).await);
    for held in [&plain, &tagged] {
        assert_eq!(shop.cancel(held).await.0, 200);
    }
    for held in [&other] {
        assert_eq!(shop.refund(held, json!({"all": true, "restock": true})).await.0, 200);
        shop.state(held, OrderState::Refunded).await;
    }
    let said = erase(&shop, json!({"email": "ann+x@example.org", "dry_run": true})).await;
    assert_eq!(counts(&said), [2, 2, 0]);
    shop.close().await;
}

#[tokio::test]
async fn the_buyers_of_a_past_event_are_erased_after_so_many_days() {
    let shop = shop("retention").await;
    change(&shop, |spec| {
        spec.starts_ms = shop.app().clock.now_ms() + HOUR;
        spec.keep_buyers_days = Some(30);
        // It is sold for longer than it takes.
        spec.sale_closes_ms = Some(spec.starts_ms + 90 * 24 * HOUR);
    })
    .await;
    let (done, disputed) = (paid(&shop, "ann").await, paid(&shop, "bob").await);
    let dispute = shop.fake.dispute(&shop.intent(&disputed).await, 100).unwrap();
    let rung = shop.ring(0).await;
    shop.until("the dispute is known", &disputed, |o| {
        o.payment.as_ref().is_some_and(|p| p.dispute.is_some())
    })
    .await;
    let (app, mut progress) = (shop.app(), Progress::default());
    // It ends twelve hours after it begins.
    shop.time.jump(30 * 24 * HOUR + 12 * HOUR);
    assert_eq!(app.organiser.erase_past(&mut progress).await, 0, "an hour is missing");
    shop.time.jump(HOUR);
    let open = shop.hold("cid", 1).await;
    assert_eq!(app.organiser.erase_past(&mut progress).await, 1);
    assert!(shop.order(&done).await.is_erased());
    assert_eq!(shop.order(&disputed).await.buyer.name, "bob");
    assert_eq!(shop.order(&open).await.buyer.name, "cid");
    assert_eq!(app.organiser.erase_past(&mut progress).await, 0);
    // Another process looks by itself, and finds nothing more.
    assert_eq!(app.organiser.erase_past(&mut Progress::default()).await, 0);
    let told = lines(&shop, Action::BuyersErased).await;
    assert_eq!((told.len(), told[0].actor), (1, Actor::System));
    let detail = "1 order: the event is over for long enough; 2 left that still need their buyer";
    assert_eq!(told[0].detail, detail);
    // What was left is erased once it is over, and so is what was ordered even later.
    assert_eq!(shop.cancel(&open).await.0, 200);
    let late = shop.hold("dan", 1).await;
    assert_eq!(shop.cancel(&late).await.0, 200);
    assert_eq!(app.organiser.erase_past(&mut progress).await, 2);
    shop.fake.move_dispute(&dispute, "won").unwrap();
    shop.ring(rung).await;
    shop.until("the dispute is won", &disputed, |o| {
        o.payment.as_ref().is_some_and(|p| p.dispute.as_ref().is_some_and(|d| d.status == "won"))
    })
    .await;
    assert_eq!(app.organiser.erase_past(&mut progress).await, 1);
    assert!(shop.order(&disputed).await.is_erased());
    let report = shop.report(false).await;
    assert!(report.balanced(), "{report}");
    shop.close().await;
}
