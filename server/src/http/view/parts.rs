//! What is said of an event, word for word, and the questions that the words about an order hang on.

use super::*;
use boxoffice::{Currency, EventId, EventSpec, Pool, Refund, RefundId, TicketType};
use nts_testkit::fixtures;

fn pool(name: &str, capacity: u32, held: u32, sold: u32) -> Pool {
    Pool { name: name.into(), capacity, held, sold }
}

fn some_event() -> Event {
    let ticket_type = |id: &str, pool, retired| TicketType {
        id: id.into(),
        name: format!("The {id}"),
        pool,
        price_minor: 500,
        retired,
    };
    Event {
        id: EventId(1),
        spec: EventSpec {
            name: "Rock".into(),
            place: "Hall".into(),
            description: "Loud.\nLong.".into(),
            ends_ms: Some(20_000),
            limit_per_order: 6,
            limit_per_buyer: Some(7),
            ignore_email_tags: true,
            hold_ms: 90_000,
            sale_opens_ms: Some(1_000),
            sale_closes_ms: Some(2_000),
            names_until_ms: Some(9_000),
            hidden: true,
            pools: ["main", "one"]
                .map(|name| boxoffice::PoolSpec { name: name.into(), capacity: 1 })
                .into(),
            ticket_types: vec![boxoffice::TicketTypeSpec {
                id: "adult".into(),
                name: "The adult".into(),
                pool: "main".into(),
                price_minor: 500,
                rules: boxoffice::TypeRules::default(),
            }],
            keep_buyers_days: Some(30),
            ..EventSpec::new("rock", Currency::parse("GBP").unwrap(), 10_000)
        },
        pools: vec![pool("gone", 0, 0, 0), pool("main", 10, 2, 3), pool("one", 1, 0, 0)],
        ticket_types: vec![ticket_type("adult", 1, false), ticket_type("child", 2, true)],
        counters: vec![],
        serials: 0,
        sale: boxoffice::Sale::Open,
    }
}

#[test]
fn an_event_is_told_with_what_is_on_sale_of_it() {
    // Without a pool that is gone, and without a ticket type that is.
    let pools = r#"[{"capacity":10,"held":2,"id":"main","left":5,"sold":3},{"capacity":1,"held":0,"id":"one","left":1,"sold":0}]"#;
    let types = r#"[{"id":"adult","left":5,"name":"The adult","pool":"main","price":{"amount":500,"currency":"GBP"}}]"#;
    let as_of = "1970-01-01T00:00:03Z";
    let expected = format!(
        r#"{{"as_of":"{as_of}","attach_pdf":false,"canceled":false,"contact":"","currency":"GBP","description":"Loud.\nLong.","ends_at":"1970-01-01T00:00:20Z","hidden":true,"hold_seconds":90,"id":"rock","ignore_email_tags":true,"keep_buyers_days":30,"limit_per_buyer":7,"limit_per_order":6,"name":"Rock","names_until":"1970-01-01T00:00:09Z","on_sale":true,"over":false,"paused":false,"place":"Hall","pools":{pools},"sale_closes":"1970-01-01T00:00:02Z","sale_opens":"1970-01-01T00:00:01Z","starts_at":"1970-01-01T00:00:10Z","ticket_types":{types},"zone":"UTC"}}"#
    );
    let mut some_event = some_event();
    assert_eq!(json(&event(&some_event, Viewer::ANYBODY, 1_500, 3_000)), expected);
    let expected =
        format!(r#"{{"as_of":"{as_of}","on_sale":true,"pools":{pools},"ticket_types":{types}}}"#);
    assert_eq!(json(&counts(&some_event, Viewer::ANYBODY, 1_500, 3_000)), expected);
    some_event.spec.limit_per_buyer = None;
    (some_event.spec.sale_opens_ms, some_event.spec.sale_closes_ms) = (None, None);
    let told: serde_json::Value =
        serde_json::from_slice(&json(&event(&some_event, Viewer::ANYBODY, 1_500, 3_000))).unwrap();
    for member in ["limit_per_buyer", "sale_opens", "sale_closes"] {
        assert_eq!(told.get(member), Some(&serde_json::Value::Null), "{member} is null");
    }
}

#[test]
fn a_sale_is_open_from_its_beginning_until_before_its_end() {
    let mut event = some_event();
    let sells = |event: &Event| [999, 1_000, 1_999, 2_000].map(|now| event.on_sale(now));
    assert_eq!(sells(&event), [false, true, true, false]);
    event.spec.sale_opens_ms = None;
    assert_eq!(sells(&event), [true, true, true, false]);
    event.spec.sale_closes_ms = None;
    assert_eq!(sells(&event), [true; 4]);
    event.spec.sale_opens_ms = Some(1_000);
    assert_eq!(sells(&event), [false, true, true, true]);
}

/// One with these attempts; without any it has no payment.
fn order_of(state: OrderState, attempts: &[AttemptState]) -> Order {
    let payment = (!attempts.is_empty()).then(|| fixtures::payment(attempts));
    Order { payment, ..fixtures::order(state) }
}

#[test]
fn a_refund_is_told_with_its_reason_only_if_it_failed() {
    let order = order_of(OrderState::Paid, &[]);
    for (state, word, reason) in [
        (RefundState::Pending, "pending", None),
        (RefundState::Succeeded("re_1".into()), "succeeded", None),
        (RefundState::Failed("No.".into()), "failed", Some("No.")),
    ] {
        let made = Refund {
            id: RefundId(1),
            amount_minor: 300,
            quantities: vec![],
            restock: true,
            state,
            by_hand: false,
            of_amount: false,
        };
        let reason = reason.map_or("null".into(), |reason| format!("{reason:?}"));
        let expected = format!(
            r#"{{"amount":{{"amount":300,"currency":"GBP"}},"by_hand":false,"id":"00000000-0000-0000-0000-000000000001","reason":{reason},"restock":true,"state":"{word}"}}"#
        );
        assert_eq!(json(&refund(&order, &made)), expected);
    }
}

#[test]
fn an_attempt_is_told_with_what_belongs_to_its_state() {
    let declined = AttemptState::Declined("No.".into());
    let states = [
        AttemptState::Abandoned,
        declined,
        AttemptState::Authorised,
        AttemptState::Pending,
        AttemptState::Action,
    ];
    let mut order = order_of(OrderState::Paying, &states);
    let told = |order: &Order| json(&payment(order, order.payment.as_ref().unwrap()));
    let expected = |action, dispute| {
        format!(
            r#"{{"attempts":[{{"number":1,"state":"abandoned"}},{{"number":2,"reason":"No.","state":"declined"}},{{"number":3,"state":"authorised"}},{{"number":4,"state":"pending"}},{{"action":{action},"number":5,"state":"action"}}],"dispute":{dispute},"live":false}}"#
        )
    };
    assert_eq!(told(&order), expected("null", "null"));
    let made = order.payment.as_mut().unwrap();
    made.action = Some("/bank".into());
    let (id, status) = ("du_1".into(), "lost".into());
    made.dispute = Some(boxoffice::Dispute { id, amount_minor: 5, status });
    let dispute = r#"{"amount":{"amount":5,"currency":"GBP"},"status":"lost"}"#;
    assert_eq!(told(&order), expected("\"/bank\"", dispute));
}

#[test]
fn a_state_is_told_in_the_words_of_the_core() {
    for one in OrderState::ALL {
        assert_eq!(json(&state(one)), format!("{:?}", one.word()));
    }
}

#[test]
fn the_clock_stands_while_an_attempt_is_owed_and_who_was_not_tried_waits_in_line() {
    use AttemptState::{Action, Authorised, Declined, Pending};
    let no = || Declined("No.".into());
    // With a PaymentIntent or without one, and after so many tries.
    for (state, attempts, intent, tries, stands, waits) in [
        (OrderState::Held, &[][..], true, 0, false, false),
        (OrderState::Paying, &[], true, 0, false, false),
        (OrderState::Paying, &[Pending], false, 0, true, true),
        (OrderState::Paying, &[Pending], false, 3, true, true),
        (OrderState::Paying, &[Pending], true, 0, true, false),
        (OrderState::Paying, &[no(), Pending], true, 0, true, true),
        (OrderState::Paying, &[no(), Pending], true, 1, true, false),
        (OrderState::Paying, &[no(), no(), Pending], true, 0, true, true),
        (OrderState::Paying, &[Action], true, 0, false, false),
        (OrderState::Paying, &[no(), Action], false, 0, false, false),
        (OrderState::Paying, &[no()], false, 0, false, false),
        (OrderState::Canceling, &[Pending], false, 0, false, false),
        (OrderState::Committed, &[Authorised], true, 0, false, false),
    ] {
        let mut order = order_of(state, attempts);
        order.tries = tries;
        if let Some(payment) = order.payment.as_mut().filter(|_| !intent) {
            payment.intent = None;
        }
        let told = format!("{state:?} {attempts:?} {intent} {tries}");
        assert_eq!(not_begun(&order), attempts.is_empty() || !intent, "{told}");
        assert_eq!((clock_stands(&order), waits_in_line(&order)), (stands, waits), "{told}");
    }
}

#[test]
fn a_dispute_is_over_where_the_money_stayed() {
    for (status, over) in [
        ("won", true),
        ("warning_closed", true),
        ("prevented", true),
        ("lost", false),
        ("needs_response", false),
        ("under_review", false),
        ("", false),
    ] {
        assert_eq!(dispute_is_over(status), over, "{status}");
    }
}
