//! What is said of an event, word for word, and the questions that the words about an order hang on.

use super::*;
use boxoffice::{
    Attempt, Buyer, BuyerKey, Currency, EventId, EventSpec, OrderId, Payment, PaymentId, Pool,
    Refund, RefundId, TicketType,
};

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
            slug: "rock".into(),
            name: "Rock".into(),
            place: "Hall".into(),
            starts_ms: 10_000,
            zone: "UTC".into(),
            currency: Currency::parse("GBP").unwrap(),
            limit_per_order: 6,
            limit_per_buyer: Some(7),
            ignore_email_tags: true,
            hold_ms: 90_000,
            sale_opens_ms: Some(1_000),
            sale_closes_ms: Some(2_000),
            pools: vec![],
            ticket_types: vec![],
        },
        pools: vec![pool("gone", 0, 0, 0), pool("main", 10, 2, 3), pool("one", 1, 0, 0)],
        ticket_types: vec![ticket_type("adult", 1, false), ticket_type("child", 2, true)],
        serials: 0,
    }
}

#[test]
fn an_event_is_told_with_what_is_on_sale_of_it() {
    let expected = json!({
        "id": "rock", "name": "Rock", "place": "Hall", "starts_at": "1970-01-01T00:00:10Z",
        "zone": "UTC", "currency": "GBP", "limit_per_order": 6, "limit_per_buyer": 7,
        "ignore_email_tags": true, "hold_seconds": 90, "sale_opens": "1970-01-01T00:00:01Z",
        "sale_closes": "1970-01-01T00:00:02Z", "on_sale": true,
        // Without a pool that is gone, and without a ticket type that is.
        "pools": [{"id": "main", "capacity": 10, "held": 2, "sold": 3, "left": 5},
                  {"id": "one", "capacity": 1, "held": 0, "sold": 0, "left": 1}],
        "ticket_types": [{"id": "adult", "name": "The adult", "pool": "main",
                          "price": {"amount": 500, "currency": "GBP"}, "left": 5}],
        "as_of": "1970-01-01T00:00:03Z",
    });
    assert_eq!(event(&some_event(), 1_500, 3_000), expected);
}

#[test]
fn a_sale_is_open_from_its_beginning_until_before_its_end() {
    let mut event = some_event();
    let sells = |event: &Event| [999, 1_000, 1_999, 2_000].map(|now| on_sale(event, now));
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
    let attempts = attempts.iter().zip(1..).map(|(state, number)| Attempt {
        number,
        token: String::new(),
        begun_ms: 0,
        state: state.clone(),
    });
    let attempts: Vec<_> = attempts.collect();
    let payment = Payment {
        id: PaymentId(1),
        intent: Some("pi_1".into()),
        live: false,
        action: None,
        dispute: None,
        attempts: attempts.clone(),
    };
    Order {
        id: OrderId(1),
        event: EventId(1),
        buyer: Buyer { name: "Ann".into(), email: String::new(), key: BuyerKey(1) },
        lines: Vec::new(),
        currency: Currency::parse("GBP").unwrap(),
        state,
        placed_ms: 0,
        until_ms: 0,
        due_ms: None,
        tries: 0,
        trouble: None,
        payment: (!attempts.is_empty()).then_some(payment),
        refunds: Vec::new(),
        tickets: Vec::new(),
    }
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
        };
        let expected = json!({"id": "00000000-0000-0000-0000-000000000001", "state": word,
            "amount": {"amount": 300, "currency": "GBP"}, "restock": true, "by_hand": false,
            "reason": reason});
        assert_eq!(refund(&order, &made), expected);
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
