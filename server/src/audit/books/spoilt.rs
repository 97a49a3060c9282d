//! Whatever is spoilt of an order that is right is noticed.

use super::*;
use boxoffice::{
    Attempt, AttemptState, Buyer, BuyerKey, CodeRule, Currency, EventId, Line, OrderId, Payment,
    PaymentId, RefundId, Ticket,
};

/// Three places for 10 each, one of them refunded.
fn good() -> Order {
    let ticket = |serial, state| Ticket { serial, line: 0, state, code_rule: CodeRule::Order };
    Order {
        id: OrderId(1),
        event: EventId(1),
        buyer: Buyer { name: "A".into(), email: "a@b.example".into(), key: BuyerKey(1) },
        lines: vec![Line {
            ticket_type: 0,
            pool: 0,
            quantity: 3,
            unit_minor: 10,
            refunded: 1,
            restocked: 1,
        }],
        currency: Currency::parse("GBP").expect("a currency"),
        state: OrderState::Paid,
        placed_ms: 0,
        until_ms: 0,
        due_ms: None,
        tries: 0,
        trouble: None,
        payment: Some(Payment {
            id: PaymentId(1),
            intent: Some("pi_1".into()),
            live: false,
            action: None,
            dispute: None,
            attempts: vec![Attempt {
                number: 1,
                token: String::new(),
                begun_ms: 0,
                state: AttemptState::Authorised,
            }],
        }),
        refunds: vec![Refund {
            id: RefundId(1),
            amount_minor: 10,
            quantities: vec![1],
            restock: true,
            state: RefundState::Succeeded("re_1".into()),
            by_hand: false,
        }],
        tickets: vec![
            ticket(1, TicketState::Valid),
            ticket(2, TicketState::Valid),
            ticket(3, TicketState::Revoked),
        ],
    }
}

#[test]
fn whatever_is_spoilt_of_an_order_is_wrong() {
    assert_eq!(check(&good(), 0), Words::default());
    let spoils: &[(&str, fn(&mut Order))] = &[
        ("3 tickets were issued although it is released", |o| o.state = OrderState::Released),
        ("only 1 of its 3 places are", |o| o.state = OrderState::Refunded),
        ("nobody will look after it", |o| o.state = OrderState::Held),
        ("valid tickets are worth 22", |o| o.lines[0].unit_minor = 11),
        ("3 tickets were issued for 4 places", |o| o.lines[0].quantity = 4),
        ("by refunds of 1", |o| o.lines[0].refunded = 2),
        ("2 on sale again", |o| o.lines[0].restocked = 2),
        ("2 tickets were issued", |o| o.tickets.truncate(2)),
        ("the same ticket twice", |o| o.tickets[1].serial = 1),
        ("is of no line", |o| o.tickets[0].line = 9),
        ("is of no line", |o| o.tickets[2].line = 9),
        ("3 tickets are valid", |o| o.tickets[2].state = TicketState::Valid),
        ("1 tickets are valid", |o| o.tickets[0].state = TicketState::Revoked),
        ("paid without a PaymentIntent", |o| o.payment = None),
        ("an attempt to pay is missing", |o| {
            o.payment.as_mut().expect("it has one").attempts.clear();
        }),
        ("tickets are worth 20", |o| o.refunds[0].amount_minor = 11),
        ("by refunds of 0", |o| o.refunds.clear()),
        ("by refunds of 2", |o| o.refunds[0].quantities[0] = 2),
        ("all of its places are refunded", |o| {
            o.tickets.iter_mut().for_each(|t| t.state = TicketState::Revoked);
            (o.lines[0].refunded, o.lines[0].restocked) = (3, 3);
            (o.refunds[0].quantities[0], o.refunds[0].amount_minor) = (3, 30);
        }),
        ("the same refund twice", |o| o.refunds.push(o.refunds[0].clone())),
        ("by refunds of 0", |o| o.refunds[0].state = RefundState::Failed("no".into())),
    ];
    for (text, spoil) in spoils {
        let mut order = good();
        spoil(&mut order);
        let wrong = check(&order, 0).wrong;
        assert!(wrong.iter().any(|w| w.contains(text)), "{text}: {wrong:?}");
    }
    // A free order whose tickets are valid though it is refunded, and one that is worth as much either
    // way.
    let mut free = Order { payment: None, refunds: Vec::new(), ..good() };
    (free.lines[0].unit_minor, free.lines[0].refunded) = (0, 3);
    (free.lines[0].restocked, free.state) = (3, OrderState::Refunded);
    let wrong = check(&free, 0).wrong;
    assert!(wrong.iter().any(|w| w.contains("2 tickets are valid of 3")), "{wrong:?}");
}
