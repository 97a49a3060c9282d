//! Mistakes in the file of an event.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const SHOW: &str = include_str!("../../../show.toml");

/// What is said of the show with this instead of that.
fn told(changes: &[(&str, &str)]) -> Vec<String> {
    let mut text = SHOW.to_owned();
    for (this, that) in changes {
        assert!(text.contains(this), "{this}");
        text = text.replacen(this, that, 1);
    }
    match read(&text) {
        Ok(_) => vec![],
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

fn line_of(words: &str) -> usize {
    1 + SHOW.lines().position(|line| line.contains(words)).unwrap()
}

#[test]
fn the_example_is_right() {
    assert_eq!(told(&[]), Vec::<String>::new());
}

#[test]
fn a_mistake_is_told_with_its_line_and_what_would_be_right() {
    let end = "price = { amount = 4000, currency = \"GBP\" }";
    for (this, that, words) in [
        (
            "amount = 4000",
            "amount = \"40.00\"",
            "“seat”: amount is \"40.00\", but it is counted in the smallest unit: write amount = 4000 for 40.00 GBP",
        ),
        ("amount = 4000", "amount = 40.00", "write amount = 4000 for 40.00 GBP"),
        (
            "{ amount = 4000, currency = \"GBP\" }",
            "\"9.99\"",
            "write price = { amount = 999, currency = \"GBP\" }",
        ),
        (
            "{ amount = 4000, currency = \"GBP\" }",
            "4000",
            "write price = { amount = 4000, currency",
        ),
        (
            "capacity = 400",
            "capacity = \"400\"",
            "pool “standing”: capacity is \"400\": write capacity = 400, without quotes",
        ),
        ("capacity = 80", "capacity = 80.0", "pool “seats”: capacity is 80.0: write capacity = 80"),
        ("capacity = 80", "capacity = -8", "not below 0"),
        ("capacity = 80", "capacity = 4294967296", "too large"),
        ("capacity = 80", "capacity = 10000001", "at most 10000000"),
        ("name = \"Harbour Night\"", "name = 1975", "write name = \"1975\""),
        ("name = \"Harbour Night\"", "name = true", "write name = \"true\""),
        (
            "starts_at = \"2030-07-05T20:00:00+01:00\"",
            "starts_at = 2030-07-05T20:00:00+01:00",
            "without quotes: write starts_at = \"2030-07-05T20:00:00+01:00\"",
        ),
        (
            "starts_at = \"2030-07-05T20:00:00+01:00\"",
            "starts_at = \"2030-07-05T20:00:00+00:00\"",
            "2030-07-05T20:00:00+01:00",
        ),
        ("limit_per_order = 8", "limit_per_ordr = 8", "is limit_per_order meant?"),
        ("limit_per_order = 8", "seats = 8", "there is no field seats here; there are name,"),
        ("# hidden = true ", "hidden = \"yes\" ", "write hidden = true or hidden = false"),
        ("place = ", "venue = ", "there is no field venue"),
        (
            "[[pools]]\nid = \"seats\"",
            "[pool]\nid = \"seats\"",
            "there is no field pool here; is pools meant?",
        ),
        ("amount = 4000", "amount = 29", "the least is 0.30 GBP"),
        ("pool = \"seats\"", "pool = \"balcony\"", "no pool has the id “balcony”"),
        (
            "id = \"harbour-night\"",
            "id = \"Harbour Night\"",
            "an event's id is 1 to 64 of a-z, 0-9 and -",
        ),
        (
            end,
            "price = { amount = 4000, currency = \"GBP\" }\nsale_closes = \"2030-07-05T18:00:00Z\"",
            "sale_closes is said of the event, so it belongs above the first [[…]], [[pools]] in line",
        ),
        (
            end,
            "price = { amount = 4000, currency = \"GBP\" }\ncolour = 1",
            "ticket type “seat”: there is no field colour here; there are id, name, pool, price",
        ),
    ] {
        let told = told(&[(this, that)]);
        assert!(told.iter().any(|line| line.contains(words)), "{that}: {told:#?}");
        let line = line_of(this.lines().last().unwrap());
        let near = [line, line + 1, line - 1].map(|n| format!("line {n}: "));
        let has_line = |told: &String| near.iter().any(|n| told.starts_with(n.as_str()));
        assert!(told.iter().all(has_line), "{that}: {told:#?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_none_that_follows_from_another() {
    let told = told(&[
        ("name = \"Harbour Night\"", ""),
        ("zone = \"Europe/London\"", "zone = \"Atlantis\""),
        ("capacity = 400", "capacity = \"400\""),
        ("id = \"seats\"\n", ""),
        ("amount = 2500", "amount = 25.00"),
        ("amount = 1500", "amount = 15"),
    ]);
    let words = [
        "the event has no name",
        "no time zone “Atlantis”",
        "capacity is \"400\"",
        "pool number 2 has no id",
        "write amount = 2500 for 25.00 GBP",
        "ticket type “concession”: a card cannot be charged 0.15 GBP",
    ];
    assert_eq!(told.len(), words.len(), "{told:#?}");
    for words in words {
        assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:#?}");
    }
    assert!(read("").unwrap_err().len() >= 6, "all that an event must have");
}

#[test]
fn slips_of_the_language_are_told_with_their_lines() {
    let told = told(&[("capacity = 400", "capacity = = 400"), ("amount = 4000", "amount 4000")]);
    let lines = [line_of("capacity = 400"), line_of("amount = 4000")];
    for line in lines {
        let line = format!("line {line}: ");
        assert!(told.iter().any(|told| told.starts_with(&line)), "{line}{told:#?}");
    }
}
