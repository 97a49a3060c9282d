//! What is typed into the form of an event, as the core gets it.

use super::*;
use boxoffice::{PoolSpec, TicketTypeSpec};

fn form(fields: &[(&str, &str)]) -> Typed {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let kind = axum::http::HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = [(axum::http::header::CONTENT_TYPE, kind)].into_iter().collect();
    Typed::read(&Form::read(&headers, body.as_bytes()).unwrap())
}

/// What a newcomer types.
const LEAST: [(&str, &str); 7] = [
    ("name", "Jazz"),
    ("starts", "2030-06-01T20:00"),
    ("zone", "Europe/Vienna"),
    ("currency", "EUR"),
    ("pool-0-places", "80"),
    ("type-0-name", "Ticket"),
    ("type-0-price", "12,50"),
];

fn least() -> Typed {
    form(&LEAST)
}

#[test]
fn a_name_a_start_a_price_and_a_count_are_an_event() {
    let spec = least().event("jazz", None, true).unwrap();
    let expected = EventSpec {
        name: "Jazz".into(),
        zone: "Europe/Vienna".into(),
        hidden: true,
        pools: vec![PoolSpec { name: "Places".into(), capacity: 80 }],
        ticket_types: vec![TicketTypeSpec {
            id: "ticket".into(),
            name: "Ticket".into(),
            pool: "Places".into(),
            price_minor: 1_250,
            rules: boxoffice::TypeRules::default(),
        }],
        ..EventSpec::new(
            "jazz",
            Currency::parse("EUR").unwrap(),
            when::parse("2030-06-01T18:00:00Z").unwrap(),
        )
    };
    assert_eq!(spec, expected);
}

#[test]
fn the_form_of_an_event_makes_the_same_event() {
    let mut spec = least().event("jazz", None, false).unwrap();
    spec.ends_ms = Some(spec.starts_ms + 7_200_000);
    spec.sale_opens_ms = Some(spec.starts_ms - 86_400_000);
    spec.sale_closes_ms = Some(spec.starts_ms);
    spec.names_until_ms = Some(spec.starts_ms - 1_000);
    spec.description = "One.\n\nTwo.".into();
    (spec.place, spec.contact) = ("Hall".into(), "ask@example.org".into());
    (spec.limit_per_order, spec.limit_per_buyer) = (4, Some(6));
    (spec.hold_ms, spec.keep_buyers_days) = (450_000, Some(30));
    (spec.ignore_email_tags, spec.attach_pdf) = (true, true);
    spec.pools.push(PoolSpec { name: "Balcony".into(), capacity: 0 });
    spec.ticket_types.push(TicketTypeSpec {
        id: "x".into(),
        name: "High".into(),
        pool: "Balcony".into(),
        price_minor: 0,
        rules: boxoffice::TypeRules::default(),
    });
    let seen = event_body::body(&spec);
    let typed = Typed::of(&seen, "jazz");
    assert_eq!(typed.event("jazz", Some(&seen), false), Ok(spec));
    assert_eq!(Typed::changes(&typed, &typed), []);
}

#[test]
fn what_is_wrong_is_said_at_its_field() {
    for (field, wrong, at, words) in [
        ("name", "", "name", "name"),
        ("starts", "", "starts", "Write the day and the time"),
        ("starts", "2030-03-31T02:30", "starts", "put forward"),
        ("zone", "Atlantis", "zone", "no time zone"),
        ("currency", "Pounds", "currency", "such as EUR"),
        ("ends", "2030-06-01T19:00", "ends", "ends before it starts"),
        ("ends", "never", "ends", "Write the day"),
        ("per_order", "many", "per_order", "from 1 to 1000"),
        ("per_order", "0", "per_order", "from 1 to 1000"),
        ("per_buyer", "-1", "per_buyer", "from 1 on"),
        ("hold", "90", "hold", "from 1 to 60"),
        ("keep", "9999", "keep", "from 0 to 3650"),
        ("contact", "nobody", "contact", "e-mail"),
        ("slug", "Jazz!", "slug", "1 to 64 of a-z"),
        ("pool-0-places", "lots", "pool-0-places", "how many places"),
        ("pool-0-places", "10000001", "pool-0-places", "at most"),
        ("type-0-name", "", "type-0-name", "name"),
        ("type-0-price", "", "type-0-price", "0 is free"),
        ("type-0-price", "1,000.00", "type-0-price", "such as 12.50"),
        ("type-0-price", "0.10", "type-0-price", "cannot be charged"),
        ("type-0-pool", "Attic", "type-0-pool", "no pool"),
    ] {
        let mut fields = LEAST.to_vec();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, wrong));
        let typed = form(&fields);
        let slug = if field == "slug" { wrong } else { "jazz" };
        let faults = typed.event(slug, None, false).expect_err(field);
        let told = faults.of(at).unwrap_or_else(|| panic!("{field} {wrong}: {faults:?}"));
        assert!(told.contains(words), "{field} {wrong}: {told}");
        assert_eq!(faults.marked().len(), 1, "{faults:?}");
        assert!(faults.whole().is_empty());
    }
}

#[test]
fn several_pools_and_types_are_rows_and_empty_rows_are_none() {
    let mut fields = LEAST.to_vec();
    fields.extend([
        ("pool-0-name", "Stalls"),
        ("pool-1-name", "Balcony"),
        ("pool-1-places", "20"),
        ("pool-2-name", ""),
        ("pool-2-places", ""),
        ("type-0-pool", "Stalls"),
        ("type-1-name", "Ticket"),
        ("type-1-price", "9"),
        ("type-1-pool", "Balcony"),
        ("type-2-name", ""),
        ("type-2-price", ""),
    ]);
    let spec = form(&fields).event("jazz", None, false).unwrap();
    let pools: Vec<_> = spec.pools.iter().map(|p| (p.name.as_str(), p.capacity)).collect();
    assert_eq!(pools, [("Stalls", 80), ("Balcony", 20)]);
    let types: Vec<_> =
        spec.ticket_types.iter().map(|t| (t.id.as_str(), t.pool.as_str(), t.price_minor)).collect();
    assert_eq!(types, [("ticket", "Stalls", 1_250), ("ticket-2", "Balcony", 900)]);
    // A fault behind an empty row is told at its own row.
    fields.extend([("type-3-name", "Late"), ("type-3-price", "0.01"), ("type-3-pool", "Stalls")]);
    let faults = form(&fields).event("jazz", None, false).unwrap_err();
    assert_eq!(faults.marked().len(), 1);
    assert!(faults.of("type-3-price").is_some(), "{faults:?}");
}

#[test]
fn what_others_changed_is_taken_over_where_nothing_was_typed() {
    let old = least();
    let (mut new, mut typed) = (old.clone(), old.clone());
    new.set("place", "Cellar");
    new.set("name", "Jazz night");
    new.pools[0].places = "90".into();
    typed.set("name", "Jazz!");
    typed.types[0].price = "15".into();
    typed.merge(&old, &new);
    assert_eq!((typed.get("place"), typed.get("name")), ("Cellar", "Jazz!"));
    assert_eq!((typed.pools[0].places.as_str(), typed.types[0].price.as_str()), ("90", "15"));
    let changes = Typed::changes(&old, &new);
    let told: Vec<_> = changes.iter().map(|(what, was, is)| (&**what, &**was, &**is)).collect();
    assert_eq!(
        told,
        [
            ("Name", "Jazz", "Jazz night"),
            ("Place", "nothing", "Cellar"),
            ("Places", ": 80", ": 90")
        ]
    );
}

#[test]
fn prices_are_read_as_people_write_them() {
    let currency = |code| Currency::parse(code).unwrap();
    for (text, code, amount) in [
        ("12", "EUR", 1_200),
        ("12.5", "EUR", 1_250),
        ("12,50", "EUR", 1_250),
        ("0", "EUR", 0),
        ("1500", "JPY", 1_500),
        ("1.25", "KWD", 1_250),
    ] {
        assert_eq!(minor(text, currency(code)), Ok(amount), "{text}");
        assert_eq!(minor(&major(amount, currency(code)), currency(code)), Ok(amount), "{text}");
    }
    for (text, code) in [
        ("", "EUR"),
        ("€12", "EUR"),
        ("1.234", "EUR"),
        ("1.5", "JPY"),
        ("-1", "EUR"),
        (".5", "EUR"),
    ] {
        assert!(minor(text, currency(code)).is_err(), "{text}");
    }
    for s in [60, 61, 90, 300, 450, 3_600, 59] {
        assert_eq!(seconds(&minutes(s)), Some(s), "{s}");
    }
    assert_eq!((seconds("x"), seconds(""), seconds("1.2345")), (None, None, None));
}

#[test]
fn an_address_is_made_from_a_name() {
    for (name, slug) in [
        ("Jazz im Hof ’27", "jazz-im-hof-27"),
        ("  Größe & Maß!", "grosse-mass"),
        ("Ça va? Œuvre", "ca-va-oeuvre"),
        ("東京", "event"),
        ("", "event"),
        ("Rock'n'Roll", "rocknroll"),
    ] {
        assert_eq!(slug_of(name, "event"), slug);
    }
    assert_eq!(slug_of(&"ab ".repeat(50), "event").len(), 59);
    assert_eq!(unused("rock", |slug| slug == "rock" || slug == "rock-2"), "rock-3");
    assert!(boxoffice::check_slug(&slug_of("Łódź Ø þ", "event")).is_ok());
}

#[test]
fn windows_counts_phases_and_codes_are_rows_and_make_the_same_event_again() {
    let mut fields = LEAST.to_vec();
    fields.extend([
        ("type-0-opens", "2030-05-01T10:00"),
        ("type-0-closes", "2030-06-01T12:00"),
        ("type-0-capacity", "40"),
        ("type-0-vat", "7,7"),
        ("type-0-phase-0-name", "Early bird"),
        ("type-0-phase-0-price", "9"),
        ("type-0-phase-0-until", "2030-05-10T00:00"),
        ("type-0-phase-0-capacity", ""),
        // What is empty is no phase.
        ("type-0-phase-1-name", ""),
        ("type-0-phase-1-price", ""),
        ("type-1-name", "Friends"),
        ("type-1-price", "5"),
        ("type-1-hidden", "yes"),
        ("code-0-code", "jazz"),
        ("code-0-uses", "10"),
        ("code-0-percent", "50"),
        ("code-0-types", "Ticket"),
        ("code-1-code", "FRIENDS"),
        ("code-1-uses", "5"),
        ("code-1-opens", "friends"),
        ("code-1-until", "2030-05-20T00:00"),
        ("code-2-code", ""),
        ("code-2-uses", ""),
    ]);
    let spec = form(&fields).event("jazz", None, false).unwrap();
    let rules = &spec.ticket_types[0].rules;
    assert_eq!((rules.capacity, rules.vat), (Some(40), Some(770)));
    assert_eq!(rules.sale_opens_ms, when::parse("2030-05-01T08:00:00Z").ok());
    let phases: Vec<_> = rules.phases.iter().map(|p| (p.name.as_str(), p.price_minor)).collect();
    assert_eq!(phases, [("Early bird", 900)]);
    assert!(spec.ticket_types[1].rules.hidden);
    let codes: Vec<_> = spec.codes.iter().map(|c| (c.code.as_str(), c.uses)).collect();
    assert_eq!(codes, [("JAZZ", 10), ("FRIENDS", 5)]);
    assert_eq!(spec.codes[0].ticket_types, ["ticket"]);
    assert_eq!(spec.codes[1].opens, ["friends"]);
    let seen = event_body::body(&spec);
    assert_eq!(Typed::of(&seen, "jazz").event("jazz", Some(&seen), false), Ok(spec));
}

#[test]
fn a_mistake_in_a_row_of_a_row_is_told_there() {
    for (field, wrong) in [
        ("type-0-opens", "soon"),
        ("type-0-capacity", "some"),
        ("type-0-vat", "lots"),
        ("type-0-phase-0-price", "cheap"),
        ("type-0-phase-0-until", "later"),
        ("code-0-uses", "often"),
        ("code-0-percent", "101"),
        ("code-0-types", "Unheard of"),
        ("code-0-code", "a b"),
    ] {
        let mut fields = LEAST.to_vec();
        fields.extend([
            ("type-0-opens", ""),
            ("type-0-phase-0-name", "Early"),
            ("type-0-phase-0-price", "9"),
            ("type-0-phase-0-capacity", "5"),
            ("code-0-code", "JAZZ"),
            ("code-0-uses", "10"),
            ("code-0-percent", "50"),
        ]);
        fields.retain(|(name, _)| *name != field);
        // The first field of a row says that there is one.
        let at = fields.iter().position(|(name, _)| *name == "code-0-uses").unwrap_or(0);
        fields.insert(at, (field, wrong));
        let faults = form(&fields).event("jazz", None, false).expect_err(field);
        assert!(faults.of(field).is_some(), "{field}: {faults:?}");
    }
}

#[test]
fn an_event_with_very_many_codes_keeps_them() {
    let mut spec = least().event("jazz", None, false).unwrap();
    let code = |n: u32| boxoffice::CodeSpec {
        code: format!("C{n}"),
        uses: 1,
        opens: vec![],
        discount: Some(boxoffice::Discount::Percent(10)),
        ticket_types: vec![],
        valid_from_ms: None,
        valid_until_ms: None,
    };
    spec.codes = (0..51).map(code).collect();
    let seen = event_body::body(&spec);
    let typed = Typed::of(&seen, "jazz");
    assert!(typed.keeps_codes && typed.codes.is_empty());
    assert_eq!(typed.event("jazz", Some(&seen), false), Ok(spec));
}

#[test]
fn questions_are_rows_and_make_the_same_event_again() {
    let mut fields = LEAST.to_vec();
    fields.extend([
        ("question-0-text", "Which size of shirt?"),
        ("question-0-id", ""),
        ("question-0-kind", "choice"),
        ("question-0-choices", "S\r\nM\r\n\r\nL"),
        ("question-0-required", "yes"),
        ("question-0-per", "ticket"),
        ("question-0-types", "Ticket"),
        // In an empty row something is chosen all the same.
        ("question-1-text", ""),
        ("question-1-kind", "text"),
        ("question-1-required", "no"),
        ("question-1-per", "order"),
    ]);
    let spec = form(&fields).event("jazz", None, false).unwrap();
    assert_eq!(spec.questions.len(), 1);
    let question = &spec.questions[0];
    assert_eq!(question.id, "which-size-of-shirt");
    assert!(question.required && question.per_ticket);
    assert_eq!(question.ticket_types, ["ticket"]);
    let choices = boxoffice::QuestionKind::Choice(vec!["S".into(), "M".into(), "L".into()]);
    assert_eq!(question.kind, choices);
    let seen = event_body::body(&spec);
    assert_eq!(Typed::of(&seen, "jazz").event("jazz", Some(&seen), false), Ok(spec));
    fields.retain(|(name, _)| *name != "question-0-choices");
    let faults = form(&fields).event("jazz", None, false).unwrap_err();
    assert!(faults.of("question-0-choices").is_some(), "{faults:?}");
}
