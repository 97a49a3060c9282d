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
    let read = super::spec(serde_json::from_value(body).unwrap(), "rock");
    read.map_err(|flaws| boxoffice::told(&flaws))
}

/// What is written of an event is read as the same event.
fn same_again(event: &EventSpec) {
    assert_eq!(super::spec(super::body(event), &event.slug).as_ref(), Ok(event));
}

#[test]
fn what_is_not_said_of_an_event_has_a_default() {
    let (id, name) = ("t".to_owned(), "T".to_owned());
    let expected = EventSpec {
        name: "Rock".into(),
        limit_per_order: 10,
        hold_ms: 300_000,
        pools: vec![PoolSpec { name: "all".into(), capacity: 7 }],
        ticket_types: vec![TicketTypeSpec {
            id,
            name,
            pool: "all".into(),
            price_minor: 999,
            rules: TypeRules::default(),
        }],
        ..EventSpec::new("rock", Currency::parse("GBP").unwrap(), 1_893_528_000_000)
    };
    assert_eq!(spec(body()), Ok(expected.clone()));
    same_again(&expected);
    let mut all = body();
    all["place"] = "Hall".into();
    all["limit_per_order"] = 3.into();
    all["limit_per_buyer"] = 4.into();
    all["ignore_email_tags"] = true.into();
    all["hold_seconds"] = 61.into();
    all["sale_opens"] = "2029-12-31T20:00:00Z".into();
    all["sale_closes"] = "2030-01-01T20:00:01Z".into();
    all["ends_at"] = "2030-01-01T21:00:00Z".into();
    all["description"] = "One.\r\n\r\nTwo.\n".into();
    all["hidden"] = true.into();
    all["keep_buyers_days"] = 30.into();
    all["contact"] = "ask@example.org".into();
    all["attach_pdf"] = true.into();
    all["names_until"] = "2029-12-31T20:00:00Z".into();
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
        names_until_ms: Some(1_893_528_000_000 - 24 * 3_600_000),
        keep_buyers_days: Some(30),
        contact: "ask@example.org".into(),
        attach_pdf: true,
        ..expected
    };
    assert_eq!(spec(all), Ok(expected.clone()));
    same_again(&expected);
}

#[test]
fn questions_are_read_and_told_again() {
    let mut asking = body();
    asking["questions"] = value!([
        {"id": "diet", "text": " What do you eat? ", "kind": "choice", "choices": ["all", "vegan"],
         "required": true, "per": "ticket", "ticket_types": ["t"]},
        {"id": "note", "text": "Anything else?", "kind": "long_text"},
        {"id": "member", "text": "Are you a member?", "kind": "yes_no", "per": "order"},
        {"id": "club", "text": "Your club?", "kind": "text"},
    ]);
    let read = spec(asking.clone()).unwrap();
    let diet = &read.questions[0];
    assert_eq!(diet.kind, QuestionKind::Choice(vec!["all".into(), "vegan".into()]));
    assert_eq!((&*diet.text, diet.required, diet.per_ticket), ("What do you eat?", true, true));
    let kinds = read.questions[1..].iter().map(|q| (q.kind.clone(), q.required, q.per_ticket));
    let expected = [QuestionKind::Lines, QuestionKind::YesNo, QuestionKind::Line];
    assert_eq!(kinds.collect::<Vec<_>>(), expected.map(|kind| (kind, false, false)));
    // What is told can be put back.
    let told: Vec<_> = read.questions.iter().map(question).collect();
    asking["questions"] = serde_json::to_value(told).unwrap();
    assert_eq!(spec(asking.clone()), Ok(read));
    for (member, wrong, words) in [
        ("kind", value!("date"), "questions[0].kind: question “diet”: kind is one of text"),
        ("kind", value!("text"), "only one of kind = \"choice\" has choices"),
        ("per", value!("day"), "per is order or ticket"),
        ("choices", value!([]), "it needs 1 to 100 choices"),
        ("ticket_types", value!(["u"]), "no ticket type has the id “u”"),
    ] {
        let mut asking = asking.clone();
        asking["questions"][0][member] = wrong;
        let read = super::spec(serde_json::from_value(asking).unwrap(), "rock");
        let flaws = read.unwrap_err();
        let told: Vec<_> = flaws.iter().map(|f| format!("{}: {}", f.at, f.text)).collect();
        assert!(told.iter().any(|told| told.contains(words)), "{words}: {told:?}");
    }
}

#[test]
fn what_cannot_be_of_an_event_is_said_with_its_field() {
    for (field, wrong, words) in [
        ("zone", "Atlantis", "no time zone “Atlantis”"),
        ("currency", "pounds", "currency: "),
        ("currency", "EUR", "ticket type “t”: "),
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

#[test]
fn all_that_is_wrong_is_told_at_once_with_where_it_is() {
    let mut all = body();
    all["zone"] = "Europe/London".into();
    all["starts_at"] = "2030-07-05T20:00:00+00:00".into();
    all["sale_opens"] = "2030-07-04T20:00:00+02:00".into();
    all["currency"] = "XYZ".into();
    all["hold_seconds"] = 0.into();
    all["pools"][0]["capacity"] = 10_000_001.into();
    all["ticket_types"][0]["pool"] = "balcony".into();
    all["ticket_types"][0]["price"]["currency"] = "XYZ".into();
    let flaws = super::spec(serde_json::from_value(all).unwrap(), "Rock#2").unwrap_err();
    let at: Vec<&str> = flaws.iter().map(|flaw| flaw.at.as_str()).collect();
    assert_eq!(
        at,
        [
            "starts_at",
            "sale_opens",
            "id",
            "currency",
            "hold_seconds",
            "pools[0].capacity",
            "ticket_types[0].pool"
        ]
    );
    assert!(flaws[0].text.contains("2030-07-05T20:00:00+01:00"), "{}", flaws[0].text);
}

#[test]
fn a_price_is_free_or_what_a_card_can_be_charged() {
    for (currency, amount, least) in [
        ("GBP", 1, "0.30 GBP"),
        ("GBP", 29, "0.30 GBP"),
        ("EUR", 49, "0.50 EUR"),
        ("JPY", 1, "50 JPY"),
        ("HUF", 100, "175.00 HUF"),
        ("KWD", 5, "multiples of 0.010 KWD"),
        ("ISK", 550, "multiples of 1.00 ISK"),
        ("GBP", -1, "0 to"),
        ("GBP", 100_000_000, "0 to 999999.99 GBP"),
    ] {
        let mut body = body();
        body["currency"] = currency.into();
        body["ticket_types"][0]["price"] = value!({"amount": amount, "currency": currency});
        let told = spec(body.clone()).unwrap_err();
        assert!(told.contains(least), "{amount} {currency}: {told}");
        body["ticket_types"][0]["price"]["amount"] = 0.into();
        assert!(spec(body).is_ok(), "free in {currency}");
    }
}

const NOW: TimeMs = 1_893_000_000_000;

#[test]
fn what_is_odd_is_told_and_done() {
    let told = |changes: Value| {
        let mut body = body();
        for (field, value) in changes.as_object().unwrap() {
            body[field] = value.clone();
        }
        warnings(&spec(body).unwrap(), NOW).join(" ")
    };
    assert_eq!(told(value!({})), "");
    for (changes, words) in [
        (value!({"starts_at": "2003-07-05T20:00:00Z"}), "is over: it ended on Sunday 6 July 2003"),
        (value!({"starts_at": "2029-12-26T17:00:00Z"}), "has begun: it started on"),
        (value!({"starts_at": "2303-07-05T20:00:00Z"}), "Is the year right?"),
        (value!({"sale_closes": "2029-12-01T00:00:00Z"}), "The sale is over: it closed on"),
        (value!({"sale_closes": "2030-01-01T21:00:00Z"}), "after the start of the event on"),
        (value!({"sale_closes": "2030-01-03T00:00:00Z"}), "after the end of the event on"),
        (value!({"sale_opens": "2030-01-01T21:00:00Z"}), "opens on Tuesday 1 January 2030, 21:00"),
        (value!({"sale_opens": "2030-01-03T00:00:00Z"}), "Nothing can be sold"),
        (value!({"hold_seconds": 59}), "for 59 seconds only"),
        (value!({"hold_seconds": 1}), "for 1 second only"),
        (value!({"ends_at": "2030-01-01T20:00:00Z"}), "ends when it starts, on Tuesday"),
        (value!({"ends_at": "2032-01-01T22:00:00Z"}), "lasts 730 days, until"),
        (
            value!({"starts_at": "2029-12-01T20:00:00Z", "keep_buyers_days": 1}),
            "erased now: it ended on Sunday 2 December 2029, 08:00, and they are kept for 1 day after",
        ),
        (
            value!({"starts_at": "2029-12-01T20:00:00Z", "sale_closes": "2030-01-01T20:00:00Z"}),
            "Its sale goes on until Tuesday",
        ),
        (
            value!({"limit_per_buyer": 1, "limit_per_order": 4}),
            "at most 1 ticket (limit_per_buyer), so no order reaches the 4",
        ),
        (
            value!({"ticket_types": [
                {"id": "a", "name": "Adult", "pool": "all", "price": {"amount": 0, "currency": "GBP"}},
                {"id": "b", "name": "adult ", "pool": "all", "price": {"amount": 0, "currency": "GBP"}},
            ]}),
            "Two ticket types are called “adult ”",
        ),
        (value!({"pools": [{"id": "all", "capacity": 0}]}), "Ticket type “t” cannot be sold"),
        (
            value!({"pools": [{"id": "all", "capacity": 1}, {"id": "spare", "capacity": 1}]}),
            "No ticket type draws on pool “spare”",
        ),
    ] {
        let told = told(changes.clone());
        assert!(told.contains(words), "{changes}: {told}");
    }
    assert_eq!(told(value!({"hold_seconds": 60})), "");
    assert_eq!(told(value!({"limit_per_buyer": 4})), "", "nothing was said of an order");
    assert_eq!(told(value!({"keep_buyers_days": 0, "ends_at": "2030-01-01T23:00:00Z"})), "");
}

#[test]
fn a_price_that_cards_may_not_be_charged_is_told() {
    let told = |currency: &str, amount: i64| {
        let mut body = body();
        body["currency"] = currency.into();
        body["ticket_types"][0]["price"] = value!({"amount": amount, "currency": currency});
        warnings(&spec(body).unwrap(), NOW).join(" ")
    };
    for (currency, amount, price) in [
        ("KRW", 1, "1 KRW"),
        ("VND", 50, "50 VND"),
        ("IDR", 1, "0.01 IDR"),
        ("TWD", 50, "0.50 TWD"),
        ("KWD", 10, "0.010 KWD"),
        ("KWD", 500, "0.500 KWD"),
    ] {
        let told = told(currency, amount);
        assert!(told.contains(&format!("costs {price}. Cards may not be")), "{told}");
    }
    for (currency, amount) in [("KRW", 51), ("TWD", 51), ("KWD", 510), ("GBP", 30), ("KRW", 0)] {
        assert_eq!(told(currency, amount), "", "{amount} {currency}");
    }
}

#[test]
fn what_was_told_can_be_put_back_and_no_more() {
    let mut spec = spec(body()).unwrap();
    spec.pools.push(PoolSpec { name: "none".into(), capacity: 0 });
    spec.limit_per_buyer = Some(3);
    spec.description = "One.\n\nTwo.".into();
    let pool = |name: &str, capacity, held| Pool { name: name.into(), capacity, held, sold: 0 };
    let event = Event {
        id: boxoffice::EventId(1),
        spec: spec.clone(),
        pools: vec![pool("all", 7, 2), pool("none", 0, 0)],
        ticket_types: vec![boxoffice::TicketType {
            id: "t".into(),
            name: "T".into(),
            pool: 0,
            price_minor: 999,
            retired: false,
        }],
        counters: vec![],
        serials: 0,
        sale: boxoffice::Sale::Open,
    };
    let sent = serde_json::to_value(told(&event, Viewer::ANYBODY, NOW, NOW - 5_000)).unwrap();
    let put = |sent: &Value| settable(&serde_json::to_vec(sent).unwrap(), "rock");
    assert_eq!(super::spec(put(&sent).unwrap().unwrap(), "rock"), Ok(spec.clone()));
    let mut warned = sent.clone();
    warned["warnings"] = value!(["The sale closes late."]);
    warned["name"] = "Else".into();
    assert_eq!(put(&warned).unwrap().unwrap().name, "Else");
    // What changes by itself may have changed since.
    for (path, other) in [
        ("/as_of", value!("2029-01-01T00:00:00Z")),
        ("/on_sale", value!(false)),
        ("/over", value!(true)),
        ("/pools/0/held", value!(6)),
        ("/pools/0/sold", value!(1)),
        ("/pools/0/left", value!("5")),
        ("/ticket_types/0/left", value!(8)),
        ("/ends_at", value!(null)),
        ("/hidden", value!(null)),
        ("/place", value!(null)),
        ("/ignore_email_tags", value!(null)),
        ("/limit_per_order", value!(null)),
    ] {
        let mut sent = sent.clone();
        *sent.pointer_mut(path).unwrap() = other;
        assert_eq!(super::spec(put(&sent).unwrap().unwrap(), "rock"), Ok(spec.clone()), "{path}");
    }
    let mut other = sent.clone();
    other["id"] = "jazz".into();
    assert!(put(&other).unwrap_err().contains("id cannot be set; it is “rock”"));
    let mut other = sent.clone();
    other["name"] = value!(null);
    assert!(put(&other).unwrap_err().contains("null"), "there is no event without a name");
    assert_eq!(settable(b"{}", "rock"), Ok(None));
    assert_eq!(settable(b"no", "rock"), Ok(None));
}

#[test]
fn nobody_else_can_calculate_the_version_of_an_event() {
    let spec = nts_testkit::fixtures::event_spec("rock", 10);
    let (secrets, others) = (Secrets::new([3; 32]), Secrets::new([4; 32]));
    let version = super::version(&secrets, &spec);
    assert_eq!((version.len(), super::version(&secrets, &spec)), (32, version.clone()));
    assert_ne!(super::version(&others, &spec), version);
    // As it was while it was a digest of what everybody knows, and of the codes.
    let body = serde_json::to_vec(&super::body(&spec)).unwrap();
    let digest = crate::ids::digest(&[b"event version", b"rock", &body]);
    assert_ne!(version, format!("{digest:032x}"));
    let mut other = spec.clone();
    other.name = "Other".into();
    assert_ne!(super::version(&secrets, &other), version);
    let other = boxoffice::EventSpec { slug: "jazz".into(), ..spec };
    assert_ne!(super::version(&secrets, &other), version);
}

#[test]
fn a_patch_is_merged_as_rfc_7396_says() {
    // Its appendix A.
    for (target, patch, expected) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
        (r#"{"a":"foo"}"#, "null", "null"),
        (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(merged(value(target), &value(patch)), value(expected), "{target} {patch}");
    }
}
