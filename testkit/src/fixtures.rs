//! An event and an order to start from: a test names only the fields that it is about.

use boxoffice::{
    Attempt, AttemptState, Buyer, BuyerKey, Currency, EventId, EventSpec, Line, Order, OrderId,
    OrderState, Payment, PaymentId, PoolSpec, TicketTypeSpec,
};

/// An event with the pool `all` of this capacity and the ticket type `t` at 1.00 GBP, on sale until 2096,
/// 10 tickets in an order at most, no limit per buyer, holds of 5 minutes.
pub fn event_spec(slug: &str, capacity: u32) -> EventSpec {
    EventSpec {
        name: "Show".into(),
        pools: vec![PoolSpec { name: "all".into(), capacity }],
        ticket_types: vec![TicketTypeSpec {
            id: "t".into(),
            name: "T".into(),
            pool: "all".into(),
            price_minor: 100,
            rules: boxoffice::TypeRules::default(),
        }],
        ..EventSpec::new(slug, gbp(), 4_000_000_000_000)
    }
}

/// Order 7 of event 1 in this state: Ann's, in GBP, with all times 0, nothing due, no lines, no payment,
/// no refunds and no tickets.
pub fn order(state: OrderState) -> Order {
    Order {
        id: OrderId(7),
        event: EventId(1),
        buyer: Buyer {
            name: "Ann".into(),
            email: String::new(),
            key: BuyerKey(1),
            language: boxoffice::Language::EN,
        },
        lines: vec![],
        currency: gbp(),
        state,
        placed_ms: 0,
        until_ms: 0,
        due_ms: None,
        tries: 0,
        trouble: None,
        payment: None,
        tender: boxoffice::Tender::Online,
        reference: String::new(),
        answers: Vec::new(),
        metadata: boxoffice::Metadata::default(),
        refunds: vec![],
        tickets: vec![],
    }
}

/// A line of the first ticket type and the first pool, with nothing refunded.
pub fn line(quantity: u32, unit_minor: i64) -> Line {
    Line {
        ticket_type: 0,
        pool: 0,
        quantity,
        unit_minor,
        refunded: 0,
        restocked: 0,
        extra: boxoffice::Extra::default(),
    }
}

/// Payment 8 in test mode with the PaymentIntent `pi_1` and attempts in these states, numbered from 1, all
/// of them begun at 0.
pub fn payment(attempts: &[AttemptState]) -> Payment {
    let attempts = attempts.iter().zip(1..).map(|(state, number)| Attempt {
        number,
        token: format!("ctoken_{number}"),
        begun_ms: 0,
        state: state.clone(),
    });
    Payment {
        id: PaymentId(8),
        intent: Some("pi_1".into()),
        live: false,
        action: None,
        attempts: attempts.collect(),
        dispute: None,
    }
}

/// Pounds.
pub fn gbp() -> Currency {
    Currency::parse("GBP").expect("a currency")
}
