//! Requests as nobody should send them, to a whole server with the sandbox in it. None is answered with a
//! 5xx; one that is refused holds no place; one that is taken did what it says.

mod heads;
mod shop;

use crate::fuzz::{changes, check, slip, slips, spoil, spoil_json};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use shop::{JSON, KEY, Sent, Shop, form};
use std::cell::RefCell;
use std::collections::BTreeSet;

type Checked = Result<(), TestCaseError>;

fn order_body() -> Value {
    json!({
        "buyer": {"name": "Ann", "email": "ann@example.org"},
        "lines": [{"ticket_type": "adult", "quantity": 2}, {"ticket_type": "child", "quantity": 1}],
    })
}

/// What is true of every answer.
fn sane(what: &str, answer: &Sent) -> Checked {
    prop_assert!(answer.status < 500, "{what}: {answer:?}");
    // There is no body in the answer to HEAD.
    let has_body = !answer.text().is_empty();
    if has_body && answer.status >= 400 && answer.kind() == "application/problem+json" {
        let problem = answer.json();
        prop_assert_eq!(&problem["money_moved"], "no", "{}: {:?}", what, answer);
        let detail = problem["detail"].as_str().unwrap_or("");
        prop_assert!((10..600).contains(&detail.len()), "{what}: {detail}");
    }
    Ok(())
}

/// The places that an order says, read without our types; `None` if it says something else besides.
fn places(order: &Value) -> Option<u64> {
    let only = |value: &Value, names: [&str; 2]| {
        let fields = value.as_object().map(|o| o.keys().map(String::as_str).collect::<Vec<_>>());
        fields.is_some_and(|fields| fields == names)
    };
    let buyer = only(order, ["buyer", "lines"]) && only(&order["buyer"], ["email", "name"]);
    let lines = order["lines"].as_array().filter(|_| buyer)?;
    lines
        .iter()
        .map(|line| {
            only(line, ["quantity", "ticket_type"]).then(|| line["quantity"].as_u64()).flatten()
        })
        .sum()
}

#[test]
fn a_spoilt_order_in_json_holds_what_it_says_or_nothing() {
    let shop = Shop::start("json");
    let ways = (changes(0, 3), prop_oneof![3 => slips(0, 0), 1 => slips(1, 2)]);
    let taken = RefCell::new(0);
    check(500, &ways, |(changes, slips)| {
        let body = spoil(spoil_json(&order_body(), &changes).as_bytes(), &slips);
        let before = shop.held("rock");
        let answer = shop.post("/api/v1/events/rock/orders", &[JSON], &body);
        let more = shop.held("rock") - before;
        sane("a hold", &answer)?;
        if answer.status != 201 {
            prop_assert_eq!(more, 0, "refused: {:?}", answer);
            return Ok(());
        }
        *taken.borrow_mut() += 1;
        let said: Value = serde_json::from_slice(&body).expect("it was read");
        prop_assert_eq!(places(&said), Some(more), "{}", said);
        let lines = answer.json()["lines"].as_array().map_or(0, Vec::len);
        prop_assert_eq!(Some(lines), said["lines"].as_array().map(Vec::len));
        Ok(())
    });
    assert!(taken.take() > 20, "some were taken");
}

/// A form's fields: those of the page, perhaps spoilt, repeated or unknown.
fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let good = [
        ("name", "Ann O'Brien"),
        ("email", "ann+x@example.org"),
        ("quantity:adult", "2"),
        ("quantity:child", "1"),
    ];
    let odd = select(vec![
        ("quantity:adult", "1"),
        ("quantity:adult", "-1"),
        ("quantity:adult", "+3"),
        ("quantity:adult", "9223372036854775807"),
        ("quantity:adult", "99999999999999999999"),
        ("quantity:adult", "0x1"),
        ("quantity:", "1"),
        ("quantity:vip", "1"),
        ("quantity", "1"),
        ("QUANTITY:adult", "1"),
        ("email", ""),
        ("email", "x@y"),
        ("name", "\0"),
        ("name", "\u{202e}"),
        ("key", "k"),
        ("nobody_knows", "x"),
        ("", ""),
        ("ticket_type", "adult"),
    ]);
    let odd = proptest::collection::vec((any::<u16>(), odd), 0..3);
    let missing = proptest::option::weighted(0.3, 0..4usize);
    (missing, odd).prop_map(move |(missing, odd)| {
        let mut all: Vec<_> = good.to_vec();
        _ = missing.map(|n| all.remove(n));
        for (at, field) in odd {
            all.insert(usize::from(at) % (all.len() + 1), field);
        }
        all.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    })
}

#[test]
fn a_spoilt_form_holds_what_it_says_or_nothing() {
    let shop = Shop::start("form");
    let seen = RefCell::new(BTreeSet::new());
    let taken = RefCell::new(0);
    check(500, &(fields(), prop_oneof![2 => slips(0, 0), 1 => slips(1, 3)]), |(fields, slips)| {
        let body = spoil(&form(&fields), &slips);
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let before = shop.held("rock");
        let answer = shop.post("/events/rock/orders", &[kind], &body);
        let more = shop.held("rock") - before;
        sane("a form", &answer)?;
        let again = !seen.borrow_mut().insert(body.clone());
        if answer.status != 303 {
            prop_assert_eq!(more, 0, "refused: {:?}", answer);
            prop_assert!(answer.text().contains("<h1>"), "a page says why: {answer:?}");
            return Ok(());
        }
        *taken.borrow_mut() += 1;
        let read: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
        let said = read.iter().filter(|(name, _)| name.starts_with("quantity:"));
        let said: i64 = said.map(|(_, n)| n.trim().parse().unwrap_or(0)).sum();
        prop_assert!(said as u64 == more || (again && more == 0), "{said} were said, {more} held");
        Ok(())
    });
    assert!(taken.take() > 50, "some were taken");
}

fn event_body() -> Value {
    json!({
        "name": "Night", "place": "Pier 4", "starts_at": "2030-07-05T20:00:00+01:00",
        "zone": "Europe/London", "currency": "GBP", "limit_per_order": 8, "limit_per_buyer": 9,
        "ignore_email_tags": true, "hold_seconds": 300,
        "sale_opens": "2026-12-01T10:00:00Z", "sale_closes": "2030-07-05T18:00:00Z",
        "pools": [{"id": "floor", "capacity": 400}, {"id": "seats", "capacity": 80}],
        "ticket_types": [
            {"id": "adult", "name": "Standing", "pool": "floor",
             "price": {"amount": 2500, "currency": "GBP"}},
            {"id": "seat", "name": "Seat", "pool": "seats",
             "price": {"amount": 0, "currency": "gbp"}}],
    })
}

#[test]
fn an_event_is_as_it_was_described_or_is_not_made() {
    let shop = Shop::start("event");
    let number = RefCell::new(0);
    let made = RefCell::new(0);
    let ways = (changes(0, 3), prop_oneof![4 => slips(0, 0), 1 => slips(1, 2)]);
    check(400, &ways, |(changes, slips)| {
        *number.borrow_mut() += 1;
        let path = format!("/api/v1/events/e{}", number.borrow());
        let body = spoil(spoil_json(&event_body(), &changes).as_bytes(), &slips);
        let answer = shop.send("PUT", &path, &[JSON, ("authorization", KEY)], &body);
        sane("an event", &answer)?;
        let shown = shop.send("GET", &path, &[], b"");
        if answer.status != 201 {
            prop_assert!((400..500).contains(&answer.status), "{answer:?}");
            prop_assert_eq!(shown.status, 404, "it was made all the same");
            return Ok(());
        }
        *made.borrow_mut() += 1;
        let said: Value = serde_json::from_slice(&body).expect("it was read");
        let shown = shown.json();
        for (name, default) in [
            ("name", Value::Null),
            ("place", json!("")),
            ("zone", Value::Null),
            ("limit_per_order", json!(10)),
            ("limit_per_buyer", Value::Null),
            ("ignore_email_tags", json!(false)),
            ("hold_seconds", json!(300)),
        ] {
            let told = said.get(name).filter(|told| !told.is_null()).unwrap_or(&default);
            prop_assert_eq!(&shown[name], told, "{}", name);
        }
        for name in ["starts_at", "sale_opens", "sale_closes"] {
            let ms = |value: &Value| value.as_str().map(crate::when::parse);
            prop_assert_eq!(ms(&shown[name]), ms(&said[name]), "{}", name);
        }
        let code = |value: &Value| value.as_str().map(str::to_ascii_uppercase);
        prop_assert_eq!(code(&shown["currency"]), code(&said["currency"]));
        let rows = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        let types = (rows(&shown, "ticket_types"), rows(&said, "ticket_types"));
        prop_assert_eq!(types.0.len(), types.1.len());
        for (is, was) in types.0.iter().zip(&types.1) {
            for path in ["/id", "/name", "/pool", "/price/amount"] {
                prop_assert_eq!(is.pointer(path), was.pointer(path), "{}", path);
            }
            prop_assert_eq!(code(&is["price"]["currency"]), code(&was["price"]["currency"]));
        }
        // A pool without places is not shown.
        let pools = rows(&said, "pools").into_iter().filter(|pool| pool["capacity"] != 0);
        for (is, was) in rows(&shown, "pools").iter().zip(pools) {
            prop_assert_eq!((&is["id"], &is["capacity"]), (&was["id"], &was["capacity"]));
        }
        Ok(())
    });
    assert!(made.take() > 20, "some were made");
}

#[test]
fn what_is_told_of_an_order_needs_its_own_secret() {
    let shop = Shop::start("secret");
    let (id, secret) = shop.order();
    let (pay, cancel) =
        (format!("/api/v1/orders/{id}/pay"), format!("/orders/{id}/{secret}/cancel"));
    let whole = [
        format!("/orders/{id}/{secret}"),
        format!("/orders/{id}/{secret}/pay"),
        cancel,
        format!("/pay/{id}/{secret}"),
        format!("/pay/{id}/{secret}/order"),
        format!("/api/v1/orders/{id}"),
        pay,
        format!("/api/v1/orders/{id}/cancel"),
        format!("/api/v1/orders/{id}/refunds"),
    ];
    let bodies = select(vec![&b""[..], b"{}", b"{\"token\":\"ctoken_ok\"}", b"token=ctoken_ok"]);
    let kinds = select(vec!["application/json", "application/x-www-form-urlencoded", "x", ""]);
    let inputs = (select(whole.to_vec()), slips(1, 3), slips(1, 2), bodies, kinds, any::<bool>());
    check(600, &inputs, |(path, slips, other, body, kind, post)| {
        let path = spoil(path.as_bytes(), &slips);
        let shown =
            format!("Bearer {}", String::from_utf8_lossy(&spoil(secret.as_bytes(), &other)));
        if path.windows(secret.len()).any(|w| w == secret.as_bytes()) || shown.contains(&secret) {
            return Ok(());
        }
        let Ok(path) = std::str::from_utf8(&path) else { return Ok(()) };
        let method = if post { "POST" } else { "GET" };
        let headers = [("content-type", kind), ("authorization", &*shown)];
        let Some(answer) = shop.try_send(method, path, &headers, body) else { return Ok(()) };
        sane(path, &answer)?;
        let harmless = ["/", "/healthz"].contains(&path) || path.starts_with("/?");
        prop_assert!(harmless || answer.status >= 400, "{path}: {answer:?}");
        prop_assert!(!answer.text().contains(&secret), "{path}: {answer:?}");
        Ok(())
    });
    assert_eq!(shop.look(&id, &secret)["state"], "held", "nobody paid or cancelled it");
}

/// A text as it may stand in a path or a header.
fn odd_text() -> impl Strategy<Value = String> {
    let odd = vec![
        "",
        " ",
        "x",
        "-1",
        "0",
        "%00",
        "%ff",
        "%C3%A9",
        "%2F",
        "%2e%2e",
        "..",
        ".",
        "rock",
        "%72ock",
        "*",
        "99999999999999999999",
        "00000000-0000-0000-0000-000000000000",
        "{}",
        "\"",
        "<script>",
        "'--",
        "text/html",
        "application/json;charset=x",
        "gzip;q=0",
        "gzip;q=NaN",
        "Bearer",
        "Bearer ",
        "é",
        "same-origin",
        "cross-site",
        "max",
        "1,2",
        "::1",
        "unknown",
    ];
    prop_oneof![
        3 => select(odd).prop_map(str::to_owned),
        1 => "[ -~]{0,20}",
        1 => "[!-~]{250,300}",
        1 => "\\PC{0,8}",
    ]
}

#[test]
fn no_route_fails_whatever_it_is_sent() {
    let shop = Shop::start("routes");
    let routes = select(vec![
        "/",
        "/events/*",
        "/events/*/orders",
        "/orders/*/*",
        "/orders/*/*/pay",
        "/orders/*/*/cancel",
        "/pay/*/*",
        "/pay/*/*/order",
        "/assets/*",
        "/nts/v1/reserve",
        "/nts/v1/charge",
        "/nts/v1/list-guests?after=*&key=*",
        "/nts/v1/debug/reset",
        "/api/v1/events",
        "/api/v1/events/*",
        "/api/v1/events/*/live",
        "/api/v1/events/*/orders?after=*&limit=*",
        "/api/v1/orders/*",
        "/api/v1/orders/*/pay",
        "/api/v1/orders/*/cancel",
        "/api/v1/orders/*/refunds",
        "/healthz",
        "/readyz",
        "/metrics",
        "/sandbox/authenticate/*",
        "/stripe/webhook",
        "/*",
        "/*/*/*?*=*&*",
    ]);
    let names = select(vec![
        "accept",
        "accept-encoding",
        "authorization",
        "content-type",
        "cookie",
        "idempotency-key",
        "origin",
        "sec-fetch-site",
        "sec-fetch-mode",
        "stripe-signature",
        "x-forwarded-for",
        "content-encoding",
        "if-none-match",
    ]);
    let headers = proptest::collection::vec((names, odd_text()), 0..4);
    let bodies = prop_oneof![
        2 => changes(0, 2).prop_map(|c| spoil_json(&order_body(), &c).into_bytes()),
        1 => changes(0, 2).prop_map(|c| spoil_json(&json!({"token": "ctoken_ok"}), &c).into_bytes()),
        1 => changes(0, 2)
            .prop_map(|c| spoil_json(&json!({"all": true, "restock": false}), &c).into_bytes()),
        2 => fields().prop_map(|fields| form(&fields)),
        1 => select(vec!["fullname=Ann", "fullname=Ann&token=tok_visa", "confirm=x", "outcome=x"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..50),
    ];
    let kinds = select(vec!["application/json", "application/x-www-form-urlencoded", "", "é/*"]);
    let methods = select(vec!["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "QUERY"]);
    let parts = proptest::collection::vec(odd_text(), 5);
    let bytes = prop_oneof![3 => slips(0, 0), 1 => slips(1, 2)];
    let inputs = ((methods, routes, parts, headers), (kinds, bodies, bytes, any::<bool>()));
    let what = RefCell::new(0);
    check(
        1_500,
        &inputs,
        |((method, route, parts, mut headers), (kind, body, slips, organiser))| {
            let mut parts = parts.into_iter();
            let mut path = String::new();
            for piece in route.split_inclusive('*') {
                let (plain, gap) = piece.strip_suffix('*').map_or((piece, false), |p| (p, true));
                path += plain;
                path += &parts.next().filter(|_| gap).unwrap_or_default();
            }
            headers.push(("content-type", kind.to_owned()));
            if organiser {
                headers.push(("authorization", KEY.to_owned()));
            }
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let before = shop.held("rock");
            let body = spoil(&body, &slips);
            let Some(answer) = shop.try_send(method, &path, &headers, &body) else { return Ok(()) };
            *what.borrow_mut() += 1;
            sane(&format!("{method} {path}"), &answer)?;
            if answer.status >= 400 {
                prop_assert_eq!(shop.held("rock"), before, "{} {}: {:?}", method, path, answer);
            }
            Ok(())
        },
    );
    assert!(what.take() > 500);
}

#[test]
fn a_spoilt_payment_or_refund_is_refused_or_is_what_it_says() {
    let shop = Shop::start("pay");
    let ways = (changes(0, 2), prop_oneof![4 => slips(0, 0), 1 => slips(1, 2)]);
    check(40, &ways, |(changes, slips)| {
        let (id, secret) = shop.order();
        let body = spoil(spoil_json(&json!({"token": "ctoken_ok"}), &changes).as_bytes(), &slips);
        let bearer = format!("Bearer {secret}");
        let headers = [JSON, ("authorization", bearer.as_str())];
        let answer = shop.post(&format!("/api/v1/orders/{id}/pay"), &headers, &body);
        prop_assert!(answer.status < 500, "{answer:?}");
        let said = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let paid = shop.look(&id, &secret)["state"] == "paid";
        prop_assert!(!paid || said == json!({"token": "ctoken_ok"}), "{said}");
        prop_assert!(paid || answer.status >= 400, "{answer:?}");
        Ok(())
    });
    let refund = |n: i64| json!({"lines": [{"ticket_type": "adult", "quantity": n}], "all": false, "restock": true});
    check(60, &(ways, 1..3i64), |((changes, slips), n)| {
        let (id, secret) = shop.paid();
        let body = spoil(spoil_json(&refund(n), &changes).as_bytes(), &slips);
        let headers = [JSON, ("authorization", KEY)];
        let answer = shop.post(&format!("/api/v1/orders/{id}/refunds"), &headers, &body);
        sane("a refund", &answer)?;
        let back = shop.look(&id, &secret)["refunded"]["amount"].as_i64();
        if answer.status >= 400 {
            prop_assert_eq!(back, Some(0), "{:?}", answer);
            return Ok(());
        }
        let said: Value = serde_json::from_slice(&body).expect("it was read");
        let lines = said["lines"].as_array().into_iter().flatten();
        let wished: i64 = lines.map(|l| l["quantity"].as_i64().unwrap_or(0)).sum();
        let all = said["all"] == true;
        prop_assert_eq!(back, Some(if all { 2 * 500 } else { wished * 500 }), "{}", said);
        Ok(())
    });
}

#[test]
fn a_signed_notification_is_heard_or_malformed_and_an_unsigned_one_changes_nothing() {
    let shop = Shop::with_stripe("webhook");
    let event = json!({"id": "evt_1", "type": "payment_intent.succeeded", "created": 1,
        "data": {"object": {"object": "payment_intent", "id": "pi_1", "payment_intent": null,
            "metadata": {"nts_order": "00000000-0000-0000-0000-000000000007", "x": null}}}});
    let ways = (changes(0, 3), prop_oneof![2 => slips(0, 0), 1 => slips(1, 2)], slips(1, 2));
    check(500, &ways, |(changes, slips, others)| {
        let body = spoil(spoil_json(&event, &changes).as_bytes(), &slips);
        let header = shop.signature(&body);
        let answer = shop.post("/stripe/webhook", &[("stripe-signature", &header)], &body);
        let code = || answer.json()["code"].clone();
        prop_assert!(answer.status == 200 || answer.status == 400, "{answer:?}");
        prop_assert!(answer.status == 200 || code() == "invalid", "{answer:?}");
        let other = spoil(&body, &others);
        if other != body {
            let answer = shop.post("/stripe/webhook", &[("stripe-signature", &header)], &other);
            prop_assert_eq!(answer.status, 400);
            prop_assert_eq!(&answer.json()["code"], "bad_signature");
        }
        Ok(())
    });
}

#[test]
fn an_idempotency_key_is_printable_and_tells_keys_and_scopes_apart() {
    let bytes = || {
        prop_oneof![
            "[ -~]{0,300}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..9)
        ]
    };
    check(800, &(bytes(), bytes(), slip()), |(key, body, slip)| {
        let of = |key: &[u8], scope: &[u8], body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", HeaderValue::from_bytes(key).ok()?);
            crate::http::idempotency::keyed(&headers, &[scope], body).ok()?
        };
        let Ok(value) = HeaderValue::from_bytes(&key) else { return Ok(()) };
        let good = (1..=255).contains(&key.len()) && key.iter().all(|b| (32..127).contains(b));
        let one = of(&key, b"pay", &body);
        prop_assert_eq!(one.is_some(), good);
        let other = spoil(&key, std::slice::from_ref(&slip));
        let (Some(one), Some(two)) = (one, of(&other, b"pay", &body)) else { return Ok(()) };
        prop_assert_eq!(one.key == two.key, key == other);
        prop_assert!(of(&key, b"cancel", &body).is_some_and(|cancel| cancel.key != one.key));
        let mut headers = HeaderMap::new();
        headers.append("idempotency-key", value.clone());
        headers.append("idempotency-key", value);
        let refused =
            crate::http::idempotency::keyed(&headers, &[b"pay"], &body).err().map(|p| p.status);
        prop_assert_eq!(refused, Some(StatusCode::BAD_REQUEST), "two of them");
        Ok(())
    });
}
