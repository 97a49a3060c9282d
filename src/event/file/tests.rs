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
fn questions_are_read_and_their_mistakes_told() {
    let asking = SHOW.replace("# [[questions]]", "[[questions]]");
    let mut asking = asking.replace("# id = \"diet\"", "id = \"diet\"");
    for field in ["text", "kind", "choices", "required", "per", "ticket_types"] {
        asking = asking.replace(&format!("# {field} = "), &format!("{field} = "));
    }
    let (_, body) = read(&asking).unwrap();
    assert_eq!(body.questions.as_ref().unwrap().len(), 1);
    assert_eq!(body.questions.as_ref().unwrap()[0].choices, ["everything", "vegetarian", "vegan"]);
    assert_eq!(body.questions.as_ref().unwrap()[0].ticket_types, ["adult"]);
    for (this, that, words) in [
        ("kind = \"choice\"", "kind = \"date\"", "question “diet”: kind is one of text, long_text"),
        ("per = \"ticket\"", "per = 1", "question “diet”: per is 1 without quotes"),
        ("required = true", "required = \"yes\"", "write required = true or required = false"),
        ("[\"adult\"]", "[\"adults\"]", "no ticket type has the id “adults”"),
        ("[\"adult\"]", "\"adult\"", "ticket_types is \"adult\": write a list of texts"),
        ("text = \"What do you eat?\"\n", "", "question “diet” has no text"),
        ("[[questions]]", "[questions]", "[questions] needs double brackets"),
    ] {
        assert!(asking.contains(this), "{this}");
        let mistakes = read(&asking.replacen(this, that, 1)).unwrap_err();
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|told| told.contains(words)), "{words}: {told:?}");
    }
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
        ("limit_per_order = 8", "seats = 8", "there is no field seats here; there are id, name,"),
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
            "price = { amount = 4000, currency = \"GBP\" }\nends_at = \"2030-07-05T18:00:00Z\"",
            "ends_at is said of the event, so it belongs above the first [[…]], [[pools]] in line",
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

/// What a mistake says to write: the name of the field and its value.
fn advised(text: &str) -> Option<(String, String)> {
    let at = ["write ", "such as "].iter().filter_map(|word| {
        let (_, right) = text.rsplit_once(word)?;
        let (name, value) = right.split_once(" = ")?;
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        name.chars().all(plain).then(|| (name.to_owned(), value.to_owned()))
    });
    let (name, value) = at.into_iter().next_back()?;
    let end = match value.chars().next()? {
        '"' => value[1..].find('"')? + 2,
        '{' => value.find('}')? + 1,
        _ => value.find([',', ' ']).unwrap_or(value.len()),
    };
    Some((name, value[..end].to_owned()))
}

/// The mistakes that are told of the show with another line in the place of this one (from 1).
fn with_line(n: usize, line: &str) -> Vec<Mistake> {
    let lines: Vec<&str> =
        SHOW.lines().enumerate().map(|(m, was)| if m + 1 == n { line } else { was }).collect();
    read(&lines.join("\n")).err().unwrap_or_default()
}

#[test]
fn what_is_advised_is_accepted() {
    let odd = [
        "0",
        "-1",
        "1",
        "5",
        "12",
        "1.5",
        "25.00",
        "0.10",
        "2500",
        "2,500",
        "0400",
        "826",
        "\"0\"",
        "\"9.99\"",
        "\"400\"",
        "\"5000\"",
        "\"99999999\"",
        "true",
        "True",
        "yes",
        "off",
        "[]",
        "[5]",
        "{}",
        "[\"a\"]",
        "2030-07-05",
        "2030-07-05T21:00:00",
        "2030-07-05T21:00:00Z",
        "20:00:00",
        "Harbour",
        "Harbour Night",
        "“Standing”",
        "£25",
        "GBP",
        "Europe/London",
        "harbour-night",
        "{ amount = 25.00, currency = \"GBP\" }",
        "{ amount = \"0.05\", currency = \"GBP\" }",
        "{ amount = 2500, currency = 826 }",
        "{ amount = 2,500, currency = \"GBP\" }",
    ];
    let mut followed = 0;
    for (n, line) in SHOW.lines().enumerate() {
        let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.starts_with('#')) else {
            continue;
        };
        for value in odd {
            for mistake in with_line(n + 1, &format!("{key} = {value}")) {
                let Some((name, right)) = advised(&mistake.text) else { continue };
                let text = match name.as_str() {
                    "amount" => format!("{key} = {{ amount = {right}, currency = \"GBP\" }}"),
                    "currency" if key == "price" => {
                        format!("{key} = {{ amount = 2500, currency = {right} }}")
                    }
                    _ => format!("{name} = {right}"),
                };
                followed += 1;
                // What other lines say of this one (a pool that has another id) is their own.
                let after = with_line(mistake.line, &text);
                let wrong = after.iter().find(|after| {
                    after.line == mistake.line && !after.text.contains("no pool has")
                });
                assert_eq!(wrong, None, "{key} = {value}: {mistake}");
            }
        }
    }
    assert!(followed > 150, "{followed}");
}

#[test]
fn one_mistake_is_told_once_and_in_the_line_in_which_it_is() {
    let price = "price = { amount = 4000, currency = \"GBP\" }";
    for (this, that, words) in [
        (price, "price = \"9.99\"", "write price = { amount = 999,"),
        (price, "price = 2500", "write price = { amount = 2500,"),
        (price, "price = 25.00", "write price = { amount = 2500,"),
        (price, "price = true", "write price = {"),
        (price, "price = []", "write price = {"),
        (price, "price = { amount = 2500 }", "has no currency"),
        (price, "price = £25", "price is not understood: write price = {"),
        (price, "price = { amount = 2,500, currency = \"GBP\" }", "without a comma"),
        ("currency = \"GBP\"", "currency = 826", "such as currency = \"GBP\""),
        ("name = \"Harbour Night\"", "name = Harbour Night", "write name = \"Harbour Night\""),
        ("name = \"Standing\"", "name = “Standing”", "write name = \"Standing\""),
        ("# hidden = true ", "hidden = yes ", "write hidden = true"),
        ("# hidden = true ", "hidden = True ", "write hidden = true"),
        ("capacity = 400", "capacity = 0400", "write capacity = 400"),
        ("limit_per_order = 8", "limit_per_order = \"5000\"", "a whole number from 1 to 1000"),
        (
            "starts_at = \"2030-07-05T20:00:00+01:00\"",
            "starts_at = 2030-07-05",
            "such as starts_at = \"2030-07-05T20:00:00+01:00\"",
        ),
        ("zone = \"Europe/London\"", "zone = 1", "such as zone = \"Europe/London\""),
        ("pool = \"seats\"", "pool = 5", "the id of one of the pools"),
        ("pool = \"seats\"", "pool = \"\"", "pool is empty"),
    ] {
        let told = told(&[(this, that)]);
        assert_eq!(told.len(), 1, "{that}: {told:#?}");
        let line = format!("line {}: ", line_of(this));
        assert!(told[0].starts_with(&line) && told[0].contains(words), "{that}: {told:#?}");
    }
    // A price that is not there is told once, where its ticket type begins.
    let missing = told(&[(price, "")]);
    assert_eq!(missing.len(), 1, "{missing:#?}");
    assert!(missing[0].contains("“seat” has no price") && !missing[0].starts_with("line 1: "));
}

#[test]
fn single_brackets_and_what_is_said_twice_are_told_with_their_names() {
    let told_of = |text: &str| -> Vec<String> {
        read(text).unwrap_err().iter().map(ToString::to_string).collect()
    };
    let told = told_of(&SHOW.replace("[[pools]]", "[pools]"));
    assert_eq!(told.len(), SHOW.matches("[[pools]]").count(), "{told:#?}");
    assert!(told.iter().all(|line| line.contains("[pools] needs double brackets")), "{told:#?}");
    let name = line_of("name = \"Harbour Night\"");
    let twice = "name = \"Harbour Night\"\nname = \"Else\"";
    let told = told_of(&SHOW.replacen("name = \"Harbour Night\"", twice, 1));
    assert_eq!(
        told,
        [format!(
            "line {}: name is said twice, first in line {name}: remove one of them",
            name + 1
        )]
    );
    let unknown = "limit_per_order = 8\naa = 1\nbb = 2\ncc = 3";
    let told = told_of(&SHOW.replacen("limit_per_order = 8", unknown, 1));
    assert_eq!(told.len(), 3);
    assert_eq!(told.iter().filter(|line| line.contains("there are id, name,")).count(), 1);
    // What is wrong with the pool of a ticket type is told beside other mistakes in pools.
    let both = SHOW.replacen("capacity = 400", "capacity = \"400\"", 1);
    let told = told_of(&both.replacen("pool = \"seats\"", "pool = \"b\"", 1));
    assert!(told.len() == 2 && told[1].contains("no pool has the id “b”"), "{told:#?}");
}
