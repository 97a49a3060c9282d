//! The pages in other languages: nothing that people read escapes the catalogue of sentences, an order keeps the
//! language in which it was made, and some pages whole.

use super::{Got, KEY, NOW_MS, Shop, event, quiz, wanted};
use axum::body::Body;
use axum::http::Request;
use insta::assert_snapshot;
use nts_testkit::unmarked;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// What the organiser and the buyer wrote.
const DATA: &[&str] = &[
    "A night of rock",
    "A night of jazz",
    "A night of later",
    "A night of closed",
    "A night of free",
    "A night of draft",
    "A night of pools",
    "A night of codes",
    "Late",
    "Past",
    "Hall",
    "Adult",
    "Child",
    "Ann",
    "ann@example.org",
    "×",
    "As good as it gets.",
    "sold_out",
    "Shall we?",
    "Which one?",
    "Say more.",
    "Or less.",
    "This",
    "That",
    "words",
];

impl Shop {
    /// A page in this language.
    async fn in_language(&self, lang: &str, path: &str) -> String {
        let got = self.got("GET", path, &[("accept-language", lang)], "").await;
        format!("{}\n{}", got.status, self.redacted(got.body))
    }
}

/// The pages that were looked at, and what was found on them.
#[derive(Default)]
struct Found {
    pages: usize,
    texts: Vec<String>,
}

impl Found {
    fn look(&mut self, what: &str, status: u16, got: &Got) {
        assert_eq!(got.status, status, "{what}: {}", got.body);
        assert!(got.body.contains("<html lang=\"en-XA\">"), "{what}: {}", got.body);
        assert_eq!(got.header("content-language"), "en-XA", "{what}");
        assert!(got.header("vary").contains("accept-language"), "{what}");
        let texts = unmarked(&got.body, DATA);
        self.texts.extend(texts.into_iter().map(|text| format!("{what}: {text}")));
        self.pages += 1;
    }

    async fn page(&mut self, shop: &Shop, what: &str, status: u16, path: &str) {
        self.page_with(shop, what, status, path, "").await;
    }

    async fn page_with(&mut self, shop: &Shop, what: &str, status: u16, path: &str, cookies: &str) {
        let mut headers = vec![("accept-language", "en-XA")];
        if !cookies.is_empty() {
            headers.extend([
                ("cookie", cookies),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ]);
        }
        self.look(what, status, &shop.got("GET", path, &headers, "").await);
    }

    async fn form(&mut self, shop: &Shop, what: &str, status: u16, path: &str, form: &str) {
        let got = shop.got("POST", path, &[("accept-language", "en-XA")], form).await;
        self.look(what, status, &got);
    }
}

/// Every page in every state that can be reached here, in the language of the tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_text_escapes_the_catalogue() {
    let mut shop = Shop::start("words").await;
    let mut found = Found::default();
    let with = |slug: &str, change: fn(&mut Value)| {
        let mut body = event(slug, 3);
        change(&mut body);
        body
    };
    for (slug, body) in [
        ("later", with("later", |e| e["sale_opens"] = json!("2030-02-01T12:00:00Z"))),
        ("closed", with("closed", |e| e["sale_closes"] = json!("2030-01-01T11:00:00Z"))),
        (
            "draft",
            with("draft", |e| {
                e["hidden"] = json!(true);
                e["limit_per_buyer"] = json!(1);
                e["description"] = json!("As good as it gets.\n\n".repeat(9));
            }),
        ),
        (
            "free",
            with("free", |e| {
                e["ticket_types"].as_array_mut().unwrap().remove(0);
                e["limit_per_buyer"] = json!(20);
            }),
        ),
        (
            "pools",
            with("pools", |e| {
                e["pools"].as_array_mut().unwrap().push(json!({"id": "balcony", "capacity": 2}));
                let more = json!({"id": "best", "name": "Adult", "pool": "balcony",
                              "price": {"amount": 1234567, "currency": "GBP"}});
                e["ticket_types"].as_array_mut().unwrap().push(more);
            }),
        ),
        (
            "codes",
            with("codes", |e| {
                let types = e["ticket_types"].as_array_mut().unwrap();
                let gbp = |amount: i64| json!({"amount": amount, "currency": "GBP"});
                types[0]["phases"] = json!([
                    {"name": "One", "price": gbp(1000), "capacity": 1},
                    {"name": "Two", "price": gbp(2000), "until": "2030-05-01T12:00:00Z"},
                ]);
                types[1]["phases"] = json!([
                    {"name": "Both", "price": gbp(400), "capacity": 2, "until": "2030-05-01T12:00:00Z"},
                ]);
                types.extend([
                    json!({"id": "late", "name": "Late", "pool": "floor", "price": gbp(100),
                           "sale_opens": "2030-05-30T10:00:00Z"}),
                    json!({"id": "past", "name": "Past", "pool": "floor", "price": gbp(100),
                           "sale_closes": "2029-12-30T10:00:00Z", "capacity": 1}),
                ]);
                e["codes"] = json!([
                    {"code": "HALF", "uses": 1, "percent_off": 50},
                    {"code": "EARLY", "uses": 1, "percent_off": 50, "valid_from": "2030-05-01T12:00:00Z"},
                    {"code": "LATE", "uses": 1, "percent_off": 50, "valid_until": "2029-05-01T12:00:00Z"},
                ]);
            }),
        ),
    ] {
        let (status, answer) = shop.put_event(slug, body).await;
        assert_eq!(status, 201, "{answer}");
    }
    for slug in ["rock", "later", "closed", "draft", "free", "pools", "codes"] {
        found.page(&shop, slug, 200, &format!("/events/{slug}")).await;
    }
    found.page(&shop, "the front page", 200, "/").await;

    // The form, with all that can be wrong with it.
    let orders = "/events/rock/orders?lang=en-XA";
    let ann = "name=Ann&email=ann%40example.org";
    for (what, status, form) in [
        ("nothing", 400, String::new()),
        ("no number", 400, format!("{ann}&quantity:adult=x")),
        ("a wrong name and address", 400, "name=A%00&email=ann&quantity:adult=1".into()),
        ("sent twice", 400, format!("{ann}&quantity:adult=1&quantity:adult=1")),
        ("too many", 409, format!("{ann}&quantity:adult=99")),
        ("too many of both", 409, format!("{ann}&quantity:adult=9&quantity:child=9")),
        ("not enough", 409, format!("{ann}&quantity:adult=10&quantity:child=0&price:adult=2500")),
        ("another price", 409, format!("{ann}&quantity:adult=1&price:adult=1")),
        ("no such type", 404, format!("{ann}&quantity:senior=1")),
        ("another form", 400, format!("{ann}&quantity:adult=1&key={}", "x".repeat(65))),
    ] {
        if what == "not enough" {
            shop.hold("rock", 4).await;
        }
        found.form(&shop, what, status, orders, &form).await;
    }
    for (code, status) in [("half", 200), ("nope", 409), ("early", 409), ("late", 409)] {
        found.page(&shop, code, status, &format!("/events/codes?code={code}")).await;
    }
    let codes = "/events/codes/orders?lang=en-XA";
    for (what, form) in [
        ("two prices", "quantity:adult=2&price:adult=1000"),
        ("a wrong code", "quantity:adult=1&code=nope"),
        ("more than the code has", "quantity:adult=2&code=half"),
        ("not on sale yet", "quantity:late=1"),
        ("no longer on sale", "quantity:past=1"),
    ] {
        found.form(&shop, what, 409, codes, &format!("{ann}&{form}")).await;
    }
    let in_xa = [("accept-language", "en-XA")];
    let with_code = format!("{ann}&quantity:adult=1&code=half");
    let cheaper = shop.got("POST", codes, &in_xa, &with_code).await;
    assert_eq!(cheaper.status, 303, "{}", cheaper.body);
    found.page(&shop, "with a code", 200, cheaper.header("location")).await;
    let bob = "name=Ann&email=bob%40example.org&quantity:adult=1&code=half";
    found.form(&shop, "all of the code is reserved", 409, codes, bob).await;
    let jazz = shop.hold("jazz", 1).await;
    let sold_out = format!("{ann}&quantity:adult=1");
    found.page(&shop, "all reserved", 200, "/events/jazz").await;
    found.form(&shop, "all reserved, sent", 409, "/events/jazz/orders", &sold_out).await;
    assert_eq!(shop.pay(&jazz, "ctoken_ok").await.0, 200);
    found.page(&shop, "sold out", 200, "/events/jazz").await;
    found.form(&shop, "sold out, sent", 409, "/events/jazz/orders", &sold_out).await;
    found.form(&shop, "closed, sent", 409, "/events/closed/orders", &sold_out).await;
    found.form(&shop, "later, sent", 409, "/events/later/orders", &sold_out).await;

    // An order of this browser, and the limit for a person.
    let headers = [("accept-language", "en-XA")];
    let made = shop.got("POST", "/events/draft/orders", &headers, &sold_out).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let cookies = made.cookies();
    found.page_with(&shop, "an own order", 200, "/events/draft", &cookies).await;
    found.page_with(&shop, "an own order, in front", 200, "/", &cookies).await;
    found.page(&shop, "without cookies", 200, made.header("location")).await;
    let again = format!("{ann}&quantity:child=1");
    found.form(&shop, "the limit for a person", 409, "/events/draft/orders", &again).await;
    let free = shop.got("POST", "/events/free/orders", &headers, &again).await;
    assert_eq!(free.status, 303, "{}", free.body);
    let owns = free.cookies();
    found.page_with(&shop, "own tickets", 200, "/events/free", &owns).await;
    found.page_with(&shop, "own tickets, in front", 200, "/", &owns).await;
    found.page(&shop, "a free order", 200, free.header("location")).await;

    // An order in each state, and its payment pages.
    let order = shop.hold("pools", 1).await;
    let pay = shop.pay_path(&order);
    found.page(&shop, "held", 200, &order.page()).await;
    found.page(&shop, "to pay", 200, &pay).await;
    found.page(&shop, "to pay, in short", 200, &format!("{pay}/order")).await;
    assert_eq!(shop.pay(&order, "ctoken_declined").await.0, 402);
    found.page(&shop, "declined", 200, &order.page()).await;
    found.page(&shop, "declined, to pay", 200, &pay).await;
    found.page(&shop, "declined, in short", 200, &format!("{pay}/order")).await;
    let (_, asks) = shop.pay(&order, "ctoken_3ds").await;
    let asks: Value = serde_json::from_str(&asks).unwrap();
    let bank = asks["action"]["url"].as_str().unwrap().replace("http://127.0.0.1:8080", "");
    found.page(&shop, "the bank asks", 200, &order.page()).await;
    found.page(&shop, "the bank asks, to pay", 200, &pay).await;
    found.page(&shop, "the bank asks, another card", 200, &format!("{pay}?another")).await;
    found.page(&shop, "the bank", 200, &bank).await;
    let said = shop.got("POST", &bank, &headers, "answer=no").await;
    assert_eq!(said.status, 303, "{}", said.body);
    found.page(&shop, "refused", 200, &order.page()).await;
    found.page(&shop, "the bank, again", 200, &bank).await;
    for _ in 0..3 {
        shop.pay(&order, "ctoken_declined").await;
    }
    found.page(&shop, "too many cards", 200, &order.page()).await;
    found.form(&shop, "a wrong secret to pay", 404, &format!("{pay}x"), "").await;
    let slow = shop.hold("pools", 1).await;
    assert_eq!(shop.pay(&slow, "ctoken_processing").await.0, 202);
    found.page(&shop, "paying", 200, &slow.page()).await;
    found.page(&shop, "paying, to pay", 200, &shop.pay_path(&slow)).await;
    assert_eq!(shop.cancel(&slow).await.0, 200);
    found.page(&shop, "canceling", 200, &slow.page()).await;
    let paid = shop.hold("rock", 2).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    found.page(&shop, "paid", 200, &paid.page()).await;
    found.page(&shop, "paid, to pay", 200, &shop.pay_path(&paid)).await;
    let part = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": false});
    assert_eq!(shop.refund(&paid, part).await.0, 200);
    found.page(&shop, "refunded in part", 200, &paid.page()).await;
    assert_eq!(shop.refund(&paid, json!({"all": true, "restock": true})).await.0, 200);
    found.page(&shop, "refunded", 200, &paid.page()).await;
    let released = shop.hold("rock", 1).await;
    let change = format!("{}/cancel", released.page());
    found.form(&shop, "given back to change", 200, &change, "change=yes").await;
    found.page(&shop, "cancelled", 200, &released.page()).await;
    let over = shop.hold("rock", 1).await;
    shop.time.fetch_add(301_000, Ordering::SeqCst);
    found.page(&shop, "the time is over", 200, &over.page()).await;
    let erased = json!({"email": "ann@example.org"});
    assert_eq!(shop.json("POST", "/api/v1/erasures", KEY, &erased).await.0, 200);
    found.page(&shop, "erased", 200, &paid.page()).await;

    // Questions, and what the organiser sold.
    assert_eq!(shop.put_event("quiz", quiz()).await.0, 201);
    let asked = shop.hold("quiz", 2).await;
    let answers = format!("{}/answers", asked.page());
    found.page(&shop, "asked", 200, &asked.page()).await;
    found.page(&shop, "the questions", 200, &answers).await;
    found.page(&shop, "asked, to pay", 200, &shop.pay_path(&asked)).await;
    let too_long = "x".repeat(201);
    for (what, form) in [
        ("no answers", "a.which=That".to_owned()),
        ("wrong answers", format!("a.which=Else&a.sure.1=no&a.sure.2=x&a.less={too_long}")),
        ("unseen answers", "a.which=That&a.sure.1=no&a.sure.2=no&a.less=x%E2%80%8B".to_owned()),
    ] {
        found.form(&shop, what, 422, &answers, &form).await;
    }
    let form = "a.which=That&a.sure.1=yes&a.sure.2=no&a.more=words%0D%0Awords";
    let saved = shop.got("POST", &answers, &headers, form).await;
    assert_eq!((saved.status, saved.header("location").ends_with("/pay")), (303, true));
    found.page(&shop, "answered", 200, &asked.page()).await;
    found.page(&shop, "the answers", 200, &answers).await;
    assert_eq!(shop.pay(&asked, "ctoken_ok").await.0, 200);
    found.page(&shop, "answered and paid", 200, &asked.page()).await;
    found.page(&shop, "the answers of who has paid", 200, &answers).await;
    for tender in ["free", "cash"] {
        let sale = json!({"buyer": {"name": "Ann"}, "tender": tender,
                          "lines": [{"ticket_type": "adult", "quantity": 1}]});
        let (status, sold) = shop.json("POST", "/api/v1/events/rock/sales", KEY, &sale).await;
        assert_eq!(status, 201, "{sold}");
        let sold: Value = serde_json::from_str(&sold).unwrap();
        let page = sold["url"].as_str().unwrap().split_once("8080").unwrap().1.to_owned();
        found.page(&shop, tender, 200, &page).await;
    }

    // Problems.
    let wrong = paid.page().replace(&paid.secret, "wrong");
    found.page(&shop, "a wrong secret", 404, &wrong).await;
    found.page(&shop, "no page", 404, "/nothing/here").await;
    found.page(&shop, "no event", 404, "/events/blues").await;
    found.page(&shop, "no text", 400, "/events/%ff").await;
    found.page(&shop, "a code", 200, "/problems/sold_out").await;
    found.form(&shop, "a wrong method", 405, "/events/rock", "").await;
    let foreign = [("accept-language", "en-XA"), ("sec-fetch-site", "cross-site")];
    found.look("another site", 403, &shop.got("POST", orders, &foreign, "").await);
    shop.time.store(NOW_MS + 365 * 86_400_000, Ordering::SeqCst);
    found.page(&shop, "over", 200, "/events/rock").await;
    found.page(&shop, "nothing on sale", 200, "/").await;

    // What scripts write.
    let script = shop.got("GET", "/assets/nts-en-XA.js", &[], "").await;
    let words = script.body.split_once("\nconst words = ").unwrap().1.split_once(";\n").unwrap().0;
    assert!(words.len() > 500, "{words}");
    found.texts.extend(unmarked(&format!("<script data-words='{words}'></script>"), DATA));

    assert!(found.pages > 60, "{}", found.pages);
    assert_eq!(found.texts, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pages_in_german_french_and_spanish() {
    let mut shop = Shop::start("languages").await;
    let order = shop.hold("rock", 2).await;
    assert_snapshot!("page_front_es", shop.in_language("es-MX, en;q=0.5", "/").await);
    assert_snapshot!("page_event_de", shop.in_language("de-AT", "/events/rock").await);
    assert_snapshot!("page_order_held_fr", shop.in_language("fr", &order.page()).await);
    assert_eq!(shop.pay(&order, "ctoken_declined").await.0, 402);
    assert_snapshot!("page_order_declined_de", shop.in_language("de", &order.page()).await);
    assert_snapshot!("page_problem_fr", shop.in_language("fr", "/events/blues").await);
}

/// `?lang=`, else the cookie, else what the browser accepts, else English.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_page_is_in_the_language_that_was_asked_for() {
    let shop = Shop::start("asked").await;
    let lang = |got: &Got| got.body.split('"').nth(1).unwrap().to_owned();
    for (query, cookie, accepts, is) in [
        ("", "", "", "en"),
        ("", "", "de", "de"),
        ("", "", "nl, fr;q=0.5", "fr"),
        ("", "", "\u{7f}\u{1}".trim_start_matches(char::is_control), "en"),
        ("", "", ";;,,q=1;q=,de-,", "de"),
        ("", "nts_lang=es", "de", "es"),
        ("", "nts_lang=xx; nts_lang=fr", "de", "fr"),
        ("", "nts_lang=xx", "de", "de"),
        ("?lang=fr", "nts_lang=es", "de", "fr"),
        ("?a=b&lang=FR&c", "", "", "fr"),
        ("?lang=tlh", "nts_lang=es", "de", "es"),
    ] {
        for path in ["/", "/events/rock"] {
            let headers = [("cookie", cookie), ("accept-language", accepts)];
            let headers: Vec<_> = headers.into_iter().filter(|(_, v)| !v.is_empty()).collect();
            let got = shop.got("GET", &format!("{path}{query}"), &headers, "").await;
            let told = format!("{path} {query} {cookie} {accepts}");
            assert_eq!((got.status, &*lang(&got)), (200, is), "{told}");
            assert_eq!(got.header("content-language"), is, "{told}");
            assert!(got.header("vary").contains("accept-language"), "{told}");
            assert!(got.header("vary").contains("cookie"), "{told}");
            let remembers = query.to_lowercase().contains("lang=fr");
            let kept = got.header("set-cookie");
            assert_eq!(kept.starts_with("nts_lang=fr; Path=/; "), remembers, "{told}: {kept}");
            assert_eq!(kept.contains("Max-Age=31536000"), remembers, "{told}: {kept}");
        }
    }
    let long = format!("{},de", "x".repeat(8_000));
    let got = shop.got("GET", "/", &[("accept-language", &long)], "").await;
    assert_eq!((got.status, &*lang(&got)), (200, "en"));
    // The links to other languages keep the rest of the query, and lead to a page.
    let got = shop.got("GET", "/?lang=de&from=a%26b", &[], "").await;
    assert!(got.body.contains("href=\"?from=a%26b&#38;lang=fr\""), "{}", got.body);
    let got = shop.got("POST", "/events/rock/orders?lang=de", &[], "name=Ann").await;
    assert_eq!((got.status, &*lang(&got)), (400, "de"));
    assert!(got.body.contains("href=\"/events/rock?lang=fr\""), "{}", got.body);
    assert_eq!(got.header("set-cookie"), "", "a form chooses nothing");
    // Programs: by what they accept alone, and their query stays strict.
    let headers = [("accept-language", "de"), ("cookie", "nts_lang=fr")];
    let got = shop.got("GET", "/api/v1/events/blues", &headers, "").await;
    assert_eq!(got.status, 404);
    assert!(got.body.contains("\"code\":\"unknown_event\""), "{}", got.body);
    assert!(got.body.contains("Diese Veranstaltung gibt es nicht"), "{}", got.body);
    let got = shop.got("GET", "/api/v1/events/rock?lang=de", &[], "").await;
    assert_eq!(got.status, 400, "{}", got.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_order_remembers_its_language() {
    let mut shop = Shop::start("remembers").await;
    let language = async |shop: &Shop, path: String, secret: String| {
        let (status, answer) = shop.json("GET", &path, &secret, &Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["buyer"]["language"].as_str().unwrap().to_owned()
    };
    // The page's language, whatever the browser accepts.
    let form = "name=Ann&email=ann%40example.org&quantity:adult=1";
    for (path, is) in [("/events/rock/orders?lang=fr", "fr"), ("/events/rock/orders", "de")] {
        let got = shop.got("POST", path, &[("accept-language", "de")], form).await;
        assert_eq!(got.status, 303, "{}", got.body);
        let location = got.header("location").split('?').next().unwrap().to_owned();
        let (id, secret) = location["/orders/".len()..].split_once('/').unwrap();
        let told = language(&shop, format!("/api/v1/orders/{id}"), secret.to_owned()).await;
        assert_eq!(told, is, "{path}");
    }
    // The API: its field, else what is accepted, else English.
    for (field, accepts, is) in [("es", "de", "es"), ("", "de-CH", "de"), ("", "", "en")] {
        let mut body = wanted("adult", 1);
        if !field.is_empty() {
            body["buyer"]["language"] = json!(field);
        }
        let mut request = Request::builder()
            .method("POST")
            .uri("/api/v1/events/rock/orders")
            .header("content-type", "application/json");
        if !accepts.is_empty() {
            request = request.header("accept-language", accepts);
        }
        let (status, answer) = shop.ask(request.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(status, 201, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let told = language(&shop, format!("/api/v1/orders/{}", text("id")), text("secret")).await;
        assert_eq!(told, is);
    }
    let mut body = wanted("adult", 1);
    for unknown in [json!("nl"), json!("en-XA"), json!(""), json!("deutsch")] {
        body["buyer"]["language"] = unknown;
        let (status, answer) = shop.json("POST", "/api/v1/events/rock/orders", "", &body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer.contains("en, de, fr, es"), "{answer}");
    }
    // An erased buyer has none.
    let order = shop.hold("rock", 1).await;
    assert_eq!(shop.cancel(&order).await.0, 200);
    let erase = json!({"order": order.id});
    let (status, answer) = shop.json("POST", "/api/v1/erasures", KEY, &erase).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(language(&shop, order.api(), order.secret.clone()).await, "en");
}
