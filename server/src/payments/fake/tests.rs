//! Stories of the fake: what it takes, refuses, remembers and repeats.

use super::*;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

struct World {
    fake: Arc<FakeStripe>,
    time: Arc<AtomicI64>,
}

fn world() -> World {
    let time = Arc::new(AtomicI64::new(1_800_000_000_000));
    let fake = FakeStripe::in_memory(Clock::Manual(Arc::clone(&time)), [1; 32]).unwrap();
    World { fake: Arc::new(fake), time }
}

const CREATE: &str = "amount=2000&currency=gbp&capture_method=manual&metadata[nts_order]=\
                      00000000-0000-0000-0000-000000000007";

impl World {
    async fn ask(&self, method: &'static str, path: &str, form: &str, key: &str) -> (u16, Value) {
        let form = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let key = (!key.is_empty()).then(|| key.to_owned());
        let request = WireRequest { method, path: path.into(), form, key };
        let answer = self.fake.exchange(request).await.unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    async fn post(&self, path: &str, form: &str, key: &str) -> (u16, Value) {
        self.ask("POST", path, form, key).await
    }

    async fn intent(&self) -> String {
        let (status, intent) = self.post("/v1/payment_intents", CREATE, "").await;
        assert_eq!(status, 200, "{intent}");
        intent["id"].as_str().unwrap().to_owned()
    }

    async fn confirm(&self, id: &str, token: &str, key: &str) -> (u16, Value) {
        let form = format!("confirmation_token={token}&return_url=https://here/");
        self.post(&format!("/v1/payment_intents/{id}/confirm"), &form, key).await
    }

    async fn captured(&self) -> String {
        let id = self.intent().await;
        assert_eq!(self.confirm(&id, "ctoken_ok", "").await.0, 200);
        assert_eq!(self.post(&format!("/v1/payment_intents/{id}/capture"), "", "").await.0, 200);
        id
    }

    fn moved(&self) -> (i64, i64) {
        let moved = self.fake.ledger(boxoffice::OrderId(7)).unwrap();
        (moved.captured, moved.refunded)
    }
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().or(answer["error"]["type"].as_str()).unwrap_or("none")
}

#[tokio::test(start_paused = true)]
async fn it_is_strict() {
    let w = world();
    let id = w.intent().await;
    let intents = "/v1/payment_intents";
    let confirm = format!("{intents}/{id}/confirm");
    for (path, form, status, expected) in [
        (intents, "currency=gbp", 400, "parameter_missing"),
        (intents, "amount=1e3&currency=gbp", 400, "parameter_invalid_integer"),
        (intents, "amount=1000&currency=gbp&colour=red", 400, "parameter_unknown"),
        (intents, "amount=1000&currency=xxx", 400, "invalid_request_error"),
        (intents, "amount=29&currency=gbp", 400, "amount_too_small"),
        (intents, "amount=100000000&currency=gbp", 400, "amount_too_large"),
        (intents, "amount=1001&currency=kwd", 400, "invalid_charge_amount"),
        (intents, "amount=1000&currency=gbp&confirm=true", 400, "invalid_request_error"),
        (confirm.as_str(), "confirmation_token=ctoken_ok", 400, "parameter_missing"),
        (confirm.as_str(), "return_url=x", 400, "parameter_missing"),
        (confirm.as_str(), "return_url=x&confirmation_token=ctoken_no", 400, "resource_missing"),
        ("/v1/payment_intents/pi_no/capture", "", 404, "resource_missing"),
        ("/v1/refunds", "payment_intent=pi_no", 404, "resource_missing"),
        ("/v1/refunds", "amount=5", 400, "parameter_missing"),
        ("/v1/moon", "", 404, "invalid_request_error"),
    ] {
        let (got, answer) = w.post(path, form, "").await;
        assert_eq!((got, code(&answer)), (status, expected), "{path} {form}: {answer}");
    }
    let capture = format!("{intents}/{id}/capture");
    let (status, answer) = w.post(&capture, "", "").await;
    assert_eq!((status, code(&answer)), (400, "payment_intent_unexpected_state"));
    let (status, answer) = w.ask("GET", &format!("{intents}/{id}?expand[]=moon"), "", "").await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_key_does_a_thing_once_and_repeats_its_answer_for_a_day_errors_too() {
    let w = world();
    let (_, first) = w.post("/v1/payment_intents", CREATE, "k1").await;
    assert_eq!(w.post("/v1/payment_intents", CREATE, "k1").await.1, first);
    let other = CREATE.replace("2000", "3000");
    let (status, answer) = w.post("/v1/payment_intents", &other, "k1").await;
    assert_eq!((status, code(&answer)), (400, "idempotency_error"));
    let id = first["id"].as_str().unwrap();
    let (status, declined) = w.confirm(id, "ctoken_declined", "k2").await;
    assert_eq!((status, code(&declined)), (402, "card_declined"));
    assert_eq!(w.confirm(id, "ctoken_declined", "k2").await, (402, declined));
    // What fails validation never began: under the same key it may be asked rightly.
    assert_eq!(w.post("/v1/payment_intents", "currency=gbp", "k3").await.0, 400);
    assert_eq!(w.post("/v1/payment_intents", CREATE, "k3").await.0, 200);
    // A 500 is repeated, too, whether it happened or not.
    for (way, key, happened) in [
        (InjectedFault::ErrorBefore, "k4", "requires_payment_method"),
        (InjectedFault::ErrorAfter, "k5", "requires_capture"),
    ] {
        let id = w.intent().await;
        w.fake.misbehave(move |o| (o == Operation::Confirm).then_some(way));
        assert_eq!(w.confirm(&id, "ctoken_ok", key).await.0, 500);
        w.fake.behave();
        assert_eq!(w.confirm(&id, "ctoken_ok", key).await.0, 500);
        let (_, read) = w.ask("GET", &format!("/v1/payment_intents/{id}"), "", "").await;
        assert_eq!(read["status"], happened);
    }
    w.time.fetch_add(KEYS_MS + 1, Ordering::SeqCst);
    let (_, anew) = w.post("/v1/payment_intents", CREATE, "k1").await;
    assert_ne!(anew["id"], first["id"], "after a day the key is unknown");
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_call_is_running_is_in_use() {
    let w = world();
    let id = w.intent().await;
    let (one, two) = tokio::join!(w.confirm(&id, "ctoken_slow", "k"), async {
        tokio::task::yield_now().await;
        w.confirm(&id, "ctoken_slow", "k").await
    });
    assert_eq!((one.0, one.1["status"].as_str()), (200, Some("requires_capture")));
    assert_eq!((two.0, code(&two.1)), (409, "idempotency_key_in_use"));
    assert_eq!(w.confirm(&id, "ctoken_slow", "k").await, one);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_held_for_one_order_and_those_of_others_go_by() {
    let w = world();
    let other = CREATE.replace("0007", "0008");
    let (_, others) = w.post("/v1/payment_intents", &other, "").await;
    let others = others["id"].as_str().unwrap();
    let id = w.intent().await;
    let held = w.fake.pause_of(OrderId(7), Operation::Confirm, Stop::Before);
    let of_another = w.confirm(others, "ctoken_ok", "");
    let goes_by = tokio::time::timeout(Duration::from_secs(60), of_another).await;
    assert_eq!(goes_by.expect("it is not held").0, 200);
    let goes_on = async {
        held.arrived().await;
        let is = w.fake.look(&id).unwrap().unwrap();
        let waits = boxoffice::IntentStatus::RequiresPaymentMethod;
        assert_eq!((is.order, is.status), (Some(OrderId(7)), waits));
        held.resume();
    };
    let ((status, _), ()) = tokio::join!(w.confirm(&id, "ctoken_ok", ""), goes_on);
    assert_eq!(status, 200);
    // One that is made now says its order in the form.
    let held = w.fake.pause_of(OrderId(8), Operation::Create, Stop::After);
    w.intent().await;
    let made = w.post("/v1/payment_intents", &other, "");
    let ((status, _), ()) = tokio::join!(made, async {
        held.arrived().await;
        held.resume();
    });
    assert_eq!(status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_token_with_a_suffix_is_used_once() {
    let w = world();
    let (one, two) = (w.intent().await, w.intent().await);
    assert_eq!(w.confirm(&one, "ctoken_ok_a", "").await.0, 200);
    assert_eq!(w.confirm(&two, "ctoken_ok_a", "").await.0, 400);
    assert_eq!(w.confirm(&two, "ctoken_ok_b", "").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn an_authorisation_lives_seven_days() {
    let w = world();
    let id = w.intent().await;
    w.confirm(&id, "ctoken_ok", "").await;
    assert_eq!(w.fake.authorised().unwrap(), vec![id.clone()]);
    w.time.fetch_add(7 * 24 * 3_600_000 + 1, Ordering::SeqCst);
    let (status, answer) = w.post(&format!("/v1/payment_intents/{id}/capture"), "", "").await;
    assert_eq!((status, code(&answer)), (400, "payment_intent_unexpected_state"));
    assert_eq!(answer["error"]["payment_intent"]["status"], "canceled");
    assert_eq!(w.moved(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn refunds_are_listed_and_never_more_than_was_taken() {
    let w = world();
    let id = w.captured().await;
    let refund =
        |amount: u32| format!("payment_intent={id}&amount={amount}&metadata[nts_refund]=r{amount}");
    assert_eq!(w.post("/v1/refunds", &refund(500), "r1").await.0, 200);
    assert_eq!(w.post("/v1/refunds", &refund(500), "r1").await.0, 200);
    assert_eq!(w.moved(), (2_000, 500), "once under one key");
    assert_eq!(w.post("/v1/refunds", &refund(500), "r2").await.0, 200);
    assert_eq!(w.moved(), (2_000, 1_000), "and once more under another");
    assert_eq!(w.post("/v1/refunds", &refund(1_001), "r3").await.0, 400);
    w.fake.refund_by_hand(&id, 1_000).unwrap();
    let (_, answer) = w.post("/v1/refunds", &refund(1), "r4").await;
    assert_eq!(code(&answer), "charge_already_refunded");
    let path = format!("/v1/refunds?payment_intent={id}&limit=2");
    let (_, page) = w.ask("GET", &path, "", "").await;
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"]),
        (2, &Value::Bool(true))
    );
    let last = page["data"][1]["id"].as_str().unwrap();
    let (_, page) = w.ask("GET", &format!("{path}&starting_after={last}"), "", "").await;
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"]),
        (1, &Value::Bool(false))
    );
    assert_eq!(page["data"][0]["metadata"]["nts_refund"], "r500");
    assert_eq!(w.moved(), (2_000, 2_000));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_page_by_page_and_each_page_is_a_range_of_an_index() {
    let w = world();
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(w.captured().await);
        // Some in the same second, some not.
        tokio::time::sleep(std::time::Duration::from_millis(600 * n)).await;
    }
    let mut seen: Vec<String> = Vec::new();
    let mut more = true;
    while more {
        let after = seen.last().map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let path = format!("/v1/payment_intents?limit=2{after}");
        let (status, page) = w.ask("GET", &path, "", "").await;
        assert_eq!(status, 200, "{page}");
        for intent in page["data"].as_array().unwrap() {
            seen.push(intent["id"].as_str().unwrap().to_owned());
        }
        more = page["has_more"] == Value::Bool(true);
    }
    made.reverse();
    assert_eq!(seen, made, "newest first, each once");
    let db = super::tables::open(None).unwrap().0;
    for (table, and) in [
        ("intents", ""),
        ("refunds", super::endpoints::of_intent(None)),
        ("refunds", super::endpoints::of_intent(Some("pi"))),
        ("disputes", super::endpoints::of_intent(Some("pi"))),
    ] {
        let sql = super::endpoints::rows("*", table, and);
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let mut explain = db.prepare(&sql).unwrap();
        let nothing = vec![None::<i64>; explain.parameter_count()];
        let plan: Vec<String> = explain
            .query_map(rusqlite::params_from_iter(nothing), |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let plan = plan.join("; ");
        assert!(plan.contains("(created>? AND created<?)") || plan.contains("intent=?"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{table} {and}: {plan}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_survives_being_reopened_and_an_older_file_begins_anew() {
    let dir = std::env::temp_dir().join(format!("nts-fake-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("sandbox");
    let old = Connection::open(&path).unwrap();
    old.execute_batch("CREATE TABLE intents (id TEXT) STRICT; INSERT INTO intents VALUES ('x')")
        .unwrap();
    drop(old);
    let mut w = world();
    let open = || Arc::new(FakeStripe::open(&path, Clock::System, [2; 32]).unwrap());
    w.fake = open();
    let id = w.captured().await;
    w.fake = open();
    // Within one millisecond ids are in no order.
    std::thread::sleep(Duration::from_millis(2));
    let other = w.intent().await;
    assert_ne!(id, other, "the same seed makes other ids in another life");
    assert!(id < other, "what is new stands together");
    assert_eq!(w.fake.events_since(0), Ok(vec![]), "the sandbox rings nowhere");
    assert_eq!(w.moved(), (2_000, 0));
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn calls_that_come_together_are_recorded_together_or_not_at_all() {
    let world = world();
    let id = world.intent().await;
    let commits = |world: &World| lock(&world.fake.state).commits();
    let before = commits(&world);
    let create = |key| world.post("/v1/payment_intents", CREATE, key);
    let (a, b, c) = tokio::join!(create("a"), create("b"), create("c"));
    assert_eq!([a.0, b.0, c.0], [200; 3]);
    assert_eq!(commits(&world), before + 1);
    // Who gives up at once leaves what was asked for: the others' calls are in it, too.
    {
        let mut gone = Box::pin(create("gone"));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(gone.as_mut().poll(context).is_pending())
        });
        assert!(polled.await, "it waits for others");
        let joined = create("joined");
        tokio::pin!(joined);
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(joined.as_mut().poll(context).is_pending())
        });
        assert!(polled.await);
        drop(gone);
        assert_eq!(joined.await.0, 200);
    }
    assert_eq!(create("gone").await.0, 200, "it is remembered under its key");
    // Where the database fails in the midst of one, none of them has happened, and all hear so.
    lock(&world.fake.state).db.execute_batch("DROP TABLE charges").unwrap();
    let (made, confirmed) =
        tokio::join!(create("undone"), world.confirm(&id, "ctoken_ok", "confirm"));
    assert_eq!((made.0, confirmed.0), (500, 500));
    let known = "SELECT count(*) FROM keys WHERE key IN ('undone', 'confirm')";
    let known: i64 = lock(&world.fake.state).db.query_row(known, [], |row| row.get(0)).unwrap();
    assert_eq!(known, 0);
    assert_eq!(create("undone").await.0, 200);
}
