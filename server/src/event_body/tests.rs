//! What an organiser writes, as the core gets it.

use super::*;
use serde_json::{Value, json as value};

fn body() -> Value {
    value!({
        "name": "Rock", "starts_at": "2030-01-01T20:00:00Z", "zone": "UTC", "currency": "gbp",
        "pools": [{"id": "all", "capacity": 7}],
        "ticket_types": [{"id": "t", "name": "T", "pool": "all",
                          "price": {"amount": 999, "currency": "GBP"}}],
    })
}

fn spec(body: Value) -> Result<EventSpec, String> {
    super::spec(serde_json::from_value(body).unwrap(), "rock")
}

#[test]
fn what_is_not_said_of_an_event_has_a_default() {
    let (id, name) = ("t".to_owned(), "T".to_owned());
    let expected = EventSpec {
        name: "Rock".into(),
        limit_per_order: 10,
        hold_ms: 300_000,
        pools: vec![PoolSpec { name: "all".into(), capacity: 7 }],
        ticket_types: vec![TicketTypeSpec { id, name, pool: "all".into(), price_minor: 999 }],
        ..EventSpec::new("rock", Currency::parse("GBP").unwrap(), 1_893_528_000_000)
    };
    assert_eq!(spec(body()), Ok(expected.clone()));
    let mut all = body();
    all["place"] = "Hall".into();
    all["limit_per_order"] = 3.into();
    all["limit_per_buyer"] = 4.into();
    all["ignore_email_tags"] = true.into();
    all["hold_seconds"] = 61.into();
    all["sale_opens"] = "2029-12-31T21:00:00+01:00".into();
    all["sale_closes"] = "2030-01-01T20:00:01Z".into();
    all["ends_at"] = "2030-01-01T21:00:00Z".into();
    all["description"] = "One.\r\n\r\nTwo.\n".into();
    all["hidden"] = true.into();
    all["keep_buyers_days"] = 30.into();
    let expected = EventSpec {
        place: "Hall".into(),
        limit_per_order: 3,
        limit_per_buyer: Some(4),
        ignore_email_tags: true,
        hold_ms: 61_000,
        sale_opens_ms: Some(1_893_528_000_000 - 24 * 3_600_000),
        sale_closes_ms: Some(1_893_528_001_000),
        ends_ms: Some(1_893_528_000_000 + 3_600_000),
        description: "One.\n\nTwo.".into(),
        hidden: true,
        keep_buyers_days: Some(30),
        ..expected
    };
    assert_eq!(spec(all), Ok(expected));
}

#[test]
fn what_cannot_be_of_an_event_is_said_with_its_field() {
    for (field, wrong, words) in [
        ("zone", "Atlantis", "the zone"),
        ("currency", "pounds", "currency: "),
        ("currency", "EUR", "ticket type t: "),
        ("starts_at", "tomorrow", "starts_at: "),
        ("ends_at", "tomorrow", "ends_at: "),
        ("sale_opens", "tomorrow", "sale_opens: "),
        ("sale_closes", "tomorrow", "sale_closes: "),
    ] {
        let mut body = body();
        body[field] = wrong.into();
        let told = spec(body).unwrap_err();
        assert!(told.contains(words), "{field}: {told}");
    }
}
