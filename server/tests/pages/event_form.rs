//! The page of an event and its form: what a person reads there, and what comes of sending it.

use super::{Browser, Got, InParts, KEY, Shop, event, field};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

const ANN: &str = "name=Ann&email=ann%40example.org";

/// Makes an event, after a change of the usual one.
async fn made(shop: &Shop, slug: &str, change: impl FnOnce(&mut Value)) {
    let mut body = event(slug, 10);
    change(&mut body);
    let (status, answer) = shop.put_event(slug, body).await;
    assert!(status == 200 || status == 201, "{answer}");
}

async fn page(shop: &Shop, path: &str) -> String {
    let got = shop.got("GET", path, &[], "").await;
    assert_eq!(got.status, 200, "{}", got.body);
    got.body
}

/// What is answered to the form of an event.
async fn ordered(shop: &Shop, slug: &str, form: &str) -> Got {
    shop.got("POST", &format!("/events/{slug}/orders"), &[], form).await
}

/// The shop's texts, as its owner changes them.
async fn terms(shop: &Shop, text: &str) {
    let shown = shop.json("GET", "/office/shop", KEY, &Value::Null).await.1;
    let form = format!("seen={}&terms={text}", field(&shown, "seen").unwrap());
    let saved = shop.sent_to_office("/office/shop", &form).await;
    assert!(saved.starts_with("303"), "{saved}");
    // A page is made once in a second.
    shop.pass_s(1);
}

/// The first mistake that is told above a form, and all of them.
fn faults(got: &Got) -> Vec<&str> {
    let Some((_, rest)) = got.body.split_once("id=\"faults\"") else { return vec![] };
    let all = rest.split("</div>").next().unwrap().split('>').skip(1);
    all.map(|text| text.split('<').next().unwrap().trim()).filter(|text| !text.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_page_tells_what_can_be_ordered_and_how_many() {
    let shop = Shop::start("event-page").await;
    let (in_all, ten) = ("In all: ", ">10 left<");
    // A pool on which several types draw is told once, below them; that of one type is told beside it.
    let both = page(&shop, "/events/rock").await;
    assert!(both.contains(in_all) && both.matches(ten).count() == 1, "{both}");
    made(&shop, "one", |e| _ = e["ticket_types"].as_array_mut().unwrap().pop()).await;
    let one = page(&shop, "/events/one").await;
    assert!(!one.contains(in_all) && one.matches(ten).count() == 1, "{one}");
    assert_eq!(field(&one, "quantity:adult"), Some("1"), "there is nothing to choose");
    assert_eq!(field(&both, "quantity:adult"), Some(""));
    made(&shop, "pools", |e| {
        e["pools"].as_array_mut().unwrap().push(json!({"id": "balcony", "capacity": 2}));
        e["ticket_types"][1]["pool"] = json!("balcony");
    })
    .await;
    let pools = page(&shop, "/events/pools").await;
    assert!(
        !pools.contains(in_all) && pools.contains(ten) && pools.contains(">2 left<"),
        "{pools}"
    );

    // Each type says when it is sold.
    made(&shop, "times", |e| {
        e["ticket_types"][0]["sale_opens"] = json!("2030-05-30T10:00:00Z");
        e["ticket_types"][1]["sale_closes"] = json!("2029-12-30T10:00:00Z");
        let more = json!({"id": "now", "name": "Now", "pool": "floor",
                          "price": {"amount": 100, "currency": "GBP"}});
        e["ticket_types"].as_array_mut().unwrap().push(more);
    })
    .await;
    let times = page(&shop, "/events/times").await;
    assert!(times.contains("On sale from <time datetime=\"2030-05-30T10:00:00Z\">"), "{times}");
    assert!(times.contains(">No longer on sale<"), "{times}");
    let fields =
        ["adult", "child", "now"].map(|id| field(&times, &format!("quantity:{id}")).is_some());
    assert_eq!(fields, [false, false, true]);

    // How many one may have.
    for (order, buyer, said) in [
        (2, None, "At most 2 tickets in one order."),
        (2, Some(1), "At most 1 ticket for each person."),
        (2, Some(2), "At most 2 tickets for each person."),
        (2, Some(5), "At most 2 tickets in one order, and 5 for each person."),
    ] {
        made(&shop, "limits", |e| {
            e["limit_per_order"] = json!(order);
            if let Some(buyer) = buyer {
                e["limit_per_buyer"] = json!(buyer);
            }
        })
        .await;
        let limits = page(&shop, "/events/limits").await;
        assert!(limits.contains(said), "{said}: {limits}");
    }
}

/// How many are left of what is not sold is told before the sale, and not once it has been stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_page_counts_until_the_sale_opens_and_while_it_is_open() {
    let shop = Shop::start("event-counts").await;
    made(&shop, "later", |e| e["sale_opens"] = json!("2030-01-01T12:01:00Z")).await;
    let counts = |page: &str| page.contains(">10 left<");
    let before = page(&shop, "/events/later").await;
    assert!(counts(&before) && before.contains("content=\"61\""), "{before}");
    assert!(field(&before, "quantity:adult").is_none(), "{before}");
    let pause = "/api/v1/events/later/pause";
    assert_eq!(shop.json("POST", pause, KEY, &json!({})).await.0, 200);
    assert!(counts(&page(&shop, "/events/later").await), "it would not be on sale yet anyway");
    shop.pass_s(60);
    let paused = page(&shop, "/events/later").await;
    assert!(!counts(&paused) && !paused.contains("http-equiv=\"refresh\""), "{paused}");
    let resume = "/api/v1/events/later/resume";
    assert_eq!(shop.json("POST", resume, KEY, &json!({})).await.0, 200);
    let open = page(&shop, "/events/later").await;
    assert!(counts(&open) && field(&open, "quantity:adult").is_some(), "{open}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_filled_in_stays_and_each_mistake_is_told() {
    let shop = Shop::start("event-faults").await;
    // A kind that nobody wants may be left empty, or be 0.
    for empty in ["", "0", "+"] {
        let got =
            ordered(&shop, "rock", &format!("{ANN}&quantity:adult=1&quantity:child={empty}")).await;
        assert_eq!(got.status, 303, "{empty}: {}", got.body);
    }
    let got = ordered(&shop, "rock", "name=&email=ann&quantity:adult=2&quantity:child=x").await;
    assert_eq!(got.status, 400, "{}", got.body);
    let told = faults(&got);
    assert_eq!(told[0], "Please check the marked fields", "{told:?}");
    assert_eq!(
        told[1..3],
        ["Child: Enter a whole number, such as 2.", "Enter the name for the tickets."]
    );
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(field(&got.body, "quantity:adult"), Some("2"));
    assert_eq!(field(&got.body, "quantity:child"), Some("x"));
    assert_eq!(field(&got.body, "email"), Some("ann"));
    // Of prices is told once nothing else is wrong.
    let wrong = "name=&email=ann%40example.org&quantity:adult=1&price:adult=1";
    let got = ordered(&shop, "rock", wrong).await;
    assert_eq!(faults(&got), ["Please check the marked fields", "Enter the name for the tickets."]);
}

/// The buyer agrees to the prices that were told by sending the form once more as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn prices_that_were_told_are_agreed_to_by_sending_the_form_again() {
    let shop = Shop::start("event-prices").await;
    let gbp = |amount: i64| json!({"amount": amount, "currency": "GBP"});
    made(&shop, "phases", |e| {
        e["ticket_types"][0]["phases"] = json!([
            {"name": "One", "price": gbp(1000), "capacity": 1},
            {"name": "Two", "price": gbp(2000), "capacity": 5},
        ]);
    })
    .await;
    let shown = page(&shop, "/events/phases").await;
    let price = field(&shown, "price:adult").unwrap();
    assert_eq!(price, "1000");
    let form = |price: &str| format!("{ANN}&quantity:adult=2&price:adult={price}");
    let got = ordered(&shop, "phases", &form(price)).await;
    assert_eq!(got.status, 409, "{}", got.body);
    assert_eq!(faults(&got)[0], "The price has changed");
    assert!(faults(&got)[1].contains("£10.00") && faults(&got)[1].contains("£20.00"));
    assert_eq!(shop.taken("phases").await, (0, 0));
    let told = field(&got.body, "price:adult").unwrap();
    assert_eq!(told, "2000");
    let got = ordered(&shop, "phases", &form(told)).await;
    assert_eq!(got.status, 303, "{}", got.body);
    assert_eq!(shop.taken("phases").await, (2, 0));
}

/// The terms are accepted in the version that the buyer has seen, and all versions can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn terms_are_accepted_as_they_were_shown() {
    let shop = Shop::start("event-terms").await;
    assert_eq!(shop.got("GET", "/terms", &[], "").await.status, 404, "there are none");
    assert!(!page(&shop, "/events/rock").await.contains("id=\"terms\""));
    terms(&shop, "No+refunds.").await;
    let shown = page(&shop, "/events/rock").await;
    assert_eq!(field(&shown, "terms"), Some("1"));
    let ticked = |got: &Got| got.body.contains("name=\"terms\" value=\"1\" checked");
    let form = format!("{ANN}&quantity:adult=1");
    let got = ordered(&shop, "rock", &form).await;
    assert_eq!((got.status, ticked(&got)), (400, false), "{}", got.body);
    assert!(faults(&got)[1].starts_with("Please accept the terms"), "{:?}", faults(&got));
    // Whoever has made another mistake has accepted them all the same.
    let got =
        ordered(&shop, "rock", "name=&email=ann%40example.org&quantity:adult=1&terms=1").await;
    assert_eq!((got.status, ticked(&got)), (400, true), "{}", got.body);
    let got = ordered(&shop, "rock", "name=&email=ann%40example.org&quantity:adult=1").await;
    assert_eq!((got.status, ticked(&got)), (400, false), "{}", got.body);
    let got = ordered(&shop, "rock", &format!("{form}&terms=1")).await;
    assert_eq!(got.status, 303, "{}", got.body);
    // They change: what is ticked is not what is to be accepted.
    terms(&shop, "Refunds+within+a+day.").await;
    let got = ordered(&shop, "rock", &format!("{form}&terms=1")).await;
    assert_eq!(got.status, 400, "{}", got.body);
    assert!(faults(&got)[1].starts_with("The terms have changed"), "{:?}", faults(&got));
    assert!(!got.body.contains("value=\"2\" checked"), "{}", got.body);
    for (path, status, text) in [
        ("/terms", 200, "Refunds within a day."),
        ("/terms?version=2", 200, "Refunds within a day."),
        ("/terms?version=1", 200, "No refunds."),
        ("/terms?version=3", 404, "There is no page"),
        ("/terms?version=0", 400, ""),
        ("/imprint", 404, "There is no page"),
    ] {
        let got = shop.got("GET", path, &[], "").await;
        assert_eq!(got.status, status, "{path}: {}", got.body);
        assert!(got.body.contains(text) || status == 404, "{path}: {}", got.body);
    }
    let (now, old) = (page(&shop, "/terms").await, page(&shop, "/terms?version=1").await);
    assert!(now.contains("Version 2") && old.contains("Version 1"), "{now} {old}");
}

/// Whoever goes back and sends the same form again has one order; another code makes another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_same_form_again_is_the_same_order() {
    let shop = Shop::start("event-same").await;
    let codes = |e: &mut Value| {
        let half = |code: &str| json!({"code": code, "uses": 9, "percent_off": 50});
        e["codes"] = json!([half("HALF"), half("HALF2")]);
    };
    made(&shop, "codes", codes).await;
    made(&shop, "phases", |e| {
        e["ticket_types"][0]["phases"] = json!([
            {"name": "One", "price": {"amount": 1000, "currency": "GBP"}, "capacity": 1},
        ]);
    })
    .await;
    let mut browser = Browser::default();
    let mut order = async |event: &str, form: &str| {
        let form = format!("{ANN}&quantity:adult={form}");
        let got = browser.post(&shop, &format!("/events/{event}/orders"), &form).await;
        assert_eq!(got.status, 303, "{}", got.body);
        got.header("location").split('?').next().unwrap().to_owned()
    };
    let mut all = Vec::new();
    // The first of each row makes an order, and the others are the same.
    for (event, same) in [
        ("codes", &["1", "1", "1&price:adult=2500"][..]),
        // With a code that is for it, it is another wish.
        (
            "codes",
            &["1&code=half", "1&code=half", "1&quantity:child=0&code=+HALF&price:adult=1250"],
        ),
        ("codes", &["1&code=half2", "1&code=half2&price:adult=1300"]),
        ("codes", &["2", "+2", "02&price:child=1"]),
        ("codes", &["1&quantity:child=1", "1&quantity:child=1&price:child=0"]),
        ("phases", &["2", "2", "2&price:adult=2500"]),
    ] {
        let made = order(event, same[0]).await;
        assert!(!all.contains(&made), "{event} {same:?}");
        for form in same {
            assert_eq!(order(event, form).await, made, "{event} {form}");
        }
        all.push(made);
    }
    assert_eq!((shop.taken("codes").await, shop.taken("phases").await), ((7, 0), (2, 0)));
    // It is another order if the price is another one by now.
    made(&shop, "codes", |e| {
        codes(e);
        e["ticket_types"][0]["price"]["amount"] = json!(2_600);
    })
    .await;
    let dearer = order("codes", "1").await;
    assert!(!all.contains(&dearer));
    assert_eq!(order("codes", "1").await, dearer);
    // So it is if the code takes off more by now, or a dearer phase is over.
    for percent in [50, 60] {
        made(&shop, "raised", |e| {
            e["codes"] = json!([{"code": "SOME", "uses": 9, "percent_off": percent}]);
        })
        .await;
        let made = order("raised", "1&code=some").await;
        assert!(!all.contains(&made));
        assert_eq!(order("raised", "1&code=some").await, made);
        all.push(made);
    }
    made(&shop, "over", |e| {
        e["ticket_types"][0]["phases"] = json!([
            {"name": "Dear", "price": {"amount": 3000, "currency": "GBP"}, "until": "2030-01-01T12:01:00Z"},
        ]);
    })
    .await;
    let dear = order("over", "1").await;
    assert_eq!(order("over", "1").await, dear);
    shop.pass_s(61);
    let now = order("over", "1").await;
    assert_ne!(now, dear);
    assert_eq!(order("over", "1").await, now);
    // Somebody else's order is another one, and so is that of another browser.
    let bob = "name=Bob&email=ann%40example.org&quantity:adult=1";
    let got = browser.post(&shop, "/events/codes/orders", bob).await;
    assert_eq!((got.status, shop.taken("codes").await), (303, (9, 0)));
    let got = ordered(&shop, "codes", &format!("{ANN}&quantity:adult=1")).await;
    assert_eq!((got.status, shop.taken("codes").await), (303, (10, 0)));
}

/// A form is as large as an order may be.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_form_that_is_too_large_is_refused_with_the_way_back() {
    let shop = Shop::start("event-large").await;
    let form = format!("{ANN}&quantity:adult=1&more=");
    let with = |bytes: usize| format!("{form}{}", "x".repeat(bytes - form.len()));
    let got = ordered(&shop, "rock", &with(16 * 1024 + 1)).await;
    assert_eq!(got.status, 413, "{}", got.body);
    assert!(got.body.contains("at most 16384 bytes") && got.body.contains("href=\"/events/rock\""));
    // In parts, of which each is small.
    let parts = with(16 * 1024 + 1);
    let parts = parts.as_bytes().chunks(1_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let request = Request::post("/events/rock/orders")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::new(InParts(parts.into())));
    assert_eq!(shop.ask(request.unwrap()).await.0, 413);
    assert_eq!(shop.taken("rock").await, (0, 0));
    assert_eq!(ordered(&shop, "rock", &with(16 * 1024)).await.status, 303);
}
