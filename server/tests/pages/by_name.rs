//! The old routes, which sell one ticket to a name: all that a script of the old demo and a person can be answered.

use super::{Browser, Got, KEY, Setup, Shop, event, field};
use serde_json::{Value, json};

/// What a page says after a reservation, and after a payment.
const RESERVED: &str = "thank you Ann";
const COMPLETE: &str = "your payment is complete";

/// A server whose old routes sell `rock`, with so many tickets for each buyer.
async fn selling(name: &str, limit: u32, stripe: bool, change: fn(&mut Value)) -> Shop {
    let shop = Shop::start_as(name, Setup { show: "rock", stripe, ..Setup::default() }).await;
    let mut rock = event("rock", 10);
    rock["limit_per_buyer"] = json!(limit);
    change(&mut rock);
    let (status, answer) = shop.put_event("rock", rock).await;
    assert_eq!(status, 200, "{answer}");
    shop
}

fn nothing(_: &mut Value) {}

/// What a script gets.
async fn sent(shop: &Shop, path: &str, form: &str) -> Got {
    shop.got("POST", &format!("/nts/v1/{path}"), &[], form).await
}

/// The form of a page that pays a reservation, without a card.
fn paying(page: &Got) -> String {
    let field = |name: &str| {
        let value = field(&page.body, name)?;
        Some(format!("{name}={value}"))
    };
    ["fullname", "secret", "order_secret"]
        .into_iter()
        .filter_map(field)
        .collect::<Vec<_>>()
        .join("&")
}

/// Where the page of the order is said to be.
fn order_link(got: &Got) -> Option<&str> {
    let links = got.body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    links.into_iter().find(|link| link.starts_with("/orders/") || link.starts_with("/pay/"))
}

/// Asserts a status, and that the page says all of this.
fn says(got: &Got, status: u16, words: &[&str]) {
    assert_eq!(got.status, status, "{}", got.body);
    for text in words {
        assert!(got.body.contains(text), "{text}: {}", got.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_has_one_ticket_whatever_a_buyer_may_have() {
    for limit in [1, 4] {
        let shop = selling(&format!("one-name-{limit}"), limit, false, nothing).await;
        let first = sent(&shop, "reserve", "fullname=Ann").await;
        says(&first, 200, &[RESERVED, "reserved for ~5 minutes", "Pay £25.00 with a good card"]);
        assert!(order_link(&first).is_some_and(|link| link.starts_with("/orders/")));
        assert!(first.cookies().contains("nts_order=") && first.cookies().contains("nts_orders="));
        let form = paying(&first);
        assert_eq!(form.matches('=').count(), 3, "{form}");
        assert_eq!(shop.taken("rock").await, (1, 0));
        // In the sandbox a name renews its hold, and nobody else learns anything of the order.
        shop.pass_s(100);
        let again = sent(&shop, "reserve", "fullname=++ANN+").await;
        says(&again, 200, &["thank you ANN", "reserved for ~5 minutes"]);
        assert_eq!((order_link(&again), paying(&again).as_str()), (None, "fullname=ANN"));
        assert_eq!(again.cookies(), "");
        // Whoever shows the secret gets it again.
        let own = sent(&shop, "reserve", &form).await;
        says(&own, 200, &[RESERVED]);
        assert_eq!(field(&own.body, "secret"), field(&first.body, "secret"));
        assert_eq!(shop.taken("rock").await, (1, 0), "limit {limit}");
        // A hold that has run out is out of the way.
        shop.pass_s(301);
        says(&sent(&shop, "charge", "fullname=Ann&stripeToken=tok_visa").await, 410, &[]);
        let later = sent(&shop, "reserve", "fullname=Ann").await;
        says(&later, 200, &[RESERVED]);
        assert!(order_link(&later).is_some() && order_link(&later) != order_link(&first));
        assert_eq!(shop.taken("rock").await, (1, 0));
        let faults = [
            ("fullname=", "<h1>Please check what you sent</h1>"),
            ("fullname=a%00b", "<h1>Please check what you sent</h1>"),
        ];
        for (form, title) in faults {
            says(&sent(&shop, "reserve", form).await, 400, &[title, "name=\"fullname\""]);
        }
    }
}

/// A hold that ends sooner than holds of the event usually do.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_page_says_how_long_the_place_is_kept() {
    let shop = selling("how-long", 1, false, nothing).await;
    let form = paying(&sent(&shop, "reserve", "fullname=Ann").await);
    let declined = format!("{form}&stripeToken=tok_chargeDeclined");
    for (passed_s, left) in
        [(0, "~5 minutes"), (60, "~4 minutes"), (175, "~1 min 10 s"), (50, "~20 seconds")]
    {
        shop.pass_s(passed_s);
        says(
            &sent(&shop, "charge", &declined).await,
            402,
            &[&format!("reserved for {left} (until")],
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_alone_has_one_attempt_to_pay() {
    let shop = selling("one-attempt", 4, false, nothing).await;
    let charge = async |form: &str| sent(&shop, "charge", form).await;
    says(&charge("fullname=Ann&stripeToken=tok_visa").await, 404, &["Reserve a ticket first."]);
    let form = paying(&sent(&shop, "reserve", "fullname=Ann").await);
    says(&charge("fullname=Ann&stripeToken=card").await, 400, &["name=\"fullname\""]);
    let declined = charge("fullname=Ann&stripeToken=tok_chargeDeclined").await;
    says(&declined, 402, &["Your card was declined."]);
    assert_eq!((order_link(&declined), field(&declined.body, "secret")), (None, None));
    // A stranger cannot use up the attempts of whoever has reserved.
    says(&charge("fullname=Ann&stripeToken=tok_visa").await, 403, &["/nts/v1/reserve answered"]);
    says(&charge("fullname=Ann&stripeToken=tok_visa&secret=x").await, 403, &[]);
    let stranger = sent(&shop, "reserve", "fullname=Ann").await;
    says(
        &stranger,
        409,
        &["<h1>The payment for this name was declined</h1>", "kept until 12:05 in London"],
    );
    assert_eq!((order_link(&stranger), field(&stranger.body, "secret")), (None, None));
    // With the secret it goes on.
    let own = sent(&shop, "reserve", &form).await;
    says(&own, 200, &["<h1>The payment was declined</h1>", RESERVED, "Your card was declined."]);
    assert_eq!(paying(&own), form);
    let again = charge(&format!("{form}&stripeToken=tok_chargeDeclined")).await;
    says(&again, 402, &["<h1>The payment was declined</h1>", RESERVED, "Your card was declined."]);
    assert_eq!(paying(&again), form);
    let paid = charge(&format!("{form}&stripeToken=tok_visa")).await;
    says(&paid, 200, &["congratulations Ann", COMPLETE]);
    assert!(order_link(&paid).is_some_and(|link| link.starts_with("/orders/")));
    assert_eq!(shop.taken("rock").await, (0, 1));
    // Charging again charges nothing, and says the same; only whoever shows the secret is led to the ticket.
    let by_payment = form.split("&order_secret").next().unwrap();
    for (form, link) in [(&*form, "/orders/"), (by_payment, "/pay/"), ("fullname=Ann", "")] {
        for path in ["charge", "reserve"] {
            let got = sent(&shop, path, &format!("{form}&stripeToken=tok_visa")).await;
            says(&got, 200, &["congratulations Ann", COMPLETE]);
            assert_eq!(order_link(&got).is_some(), !link.is_empty(), "{path} {form}");
            assert!(order_link(&got).unwrap_or_default().starts_with(link), "{path} {form}");
        }
    }
    assert_eq!(shop.taken("rock").await, (0, 1));
    let guests = shop.got("GET", "/nts/v1/list-guests", &[], "").await;
    says(&guests, 200, &["Ann<br>"]);
    let after = shop.got("GET", "/nts/v1/list-guests?after=1", &[], "").await;
    says(&after, 200, &["Nobody has paid yet."]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_whose_bank_asks_is_told_so_in_words() {
    let shop = selling("bank-asks", 1, false, nothing).await;
    let form = paying(&sent(&shop, "reserve", "fullname=Ann").await);
    let asked = sent(&shop, "charge", "fullname=Ann&stripeToken=ctoken_3ds").await;
    says(&asked, 202, &["Not finished yet", "Your bank needs to confirm", "The page of the order"]);
    assert_eq!(order_link(&asked), None);
    // It is under way: neither that name nor another request begins a second payment.
    let second = sent(&shop, "charge", "fullname=Ann&stripeToken=tok_visa").await;
    says(&second, 409, &["<h1>A payment is under way</h1>"]);
    says(&sent(&shop, "reserve", "fullname=Ann").await, 409, &["<h1>A payment is under way</h1>"]);
    assert_eq!(shop.taken("rock").await, (1, 0));
    // Whoever shows the secret may take another card, and goes to where its bank asks.
    let charge =
        async |token: &str| sent(&shop, "charge", &format!("{form}&stripeToken={token}")).await;
    says(&charge("ctoken_3ds").await, 409, &["<h1>A payment is under way</h1>"]);
    let script = charge("ctoken_3ds_sdk").await;
    assert_eq!(script.status, 303, "{}", script.body);
    assert!(script.header("location").starts_with("/pay/"), "{:?}", script.headers);
    let bank = charge("ctoken_3ds_b").await;
    assert_eq!(bank.status, 303, "{}", bank.body);
    assert!(bank.header("location").starts_with("/sandbox/authenticate/"), "{:?}", bank.headers);
    says(&charge("tok_visa").await, 200, &[COMPLETE]);
}

/// A browser is known by the cookie of the order that it has made.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_browser_that_reserved_needs_no_secret() {
    let shop = selling("cookie", 1, false, nothing).await;
    let mut browser = Browser::default();
    let first = browser.post(&shop, "/nts/v1/reserve", "fullname=Ann").await;
    says(&first, 200, &[RESERVED]);
    let again = browser.post(&shop, "/nts/v1/reserve", "fullname=Ann").await;
    assert_eq!(field(&again.body, "secret"), field(&first.body, "secret"), "{}", again.body);
    let paid = browser.post(&shop, "/nts/v1/charge", "fullname=Ann&stripeToken=tok_visa").await;
    says(&paid, 200, &[COMPLETE]);
    let way = order_link(&paid).expect("the way to the ticket");
    assert!(way.starts_with("/pay/"), "nobody reads the order's secret by a cookie: {way}");
    let led = browser.get(&shop, way).await;
    assert_eq!((led.status, &led.header("location")[..8]), (303, "/orders/"));
}

/// Where money is taken, a name alone learns and does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn where_money_is_taken_only_the_secret_counts() {
    let shop = selling("secret", 4, true, nothing).await;
    let charge = async |form: &str| sent(&shop, "charge", form).await;
    let first = sent(&shop, "reserve", "fullname=Ann").await;
    says(&first, 200, &[RESERVED, ">Pay £25.00</button>"]);
    assert!(!first.body.contains("tok_visa"), "{}", first.body);
    let form = paying(&first);
    let taken = "<h1>This name has an order already</h1>";
    says(&sent(&shop, "reserve", "fullname=Ann").await, 200, &[taken]);
    says(&sent(&shop, "reserve", "fullname=Ann&secret=x").await, 200, &[taken]);
    says(&sent(&shop, "reserve", &form).await, 200, &[RESERVED]);
    assert_eq!(shop.taken("rock").await, (1, 0));
    for form in ["fullname=Ann", "fullname=Bob", "fullname=Ann&secret=x", "fullname=Bob&secret=x"] {
        let got = charge(&format!("{form}&stripeToken=ctoken_ok")).await;
        says(&got, 403, &["/nts/v1/reserve answered"]);
    }
    // A person goes to the page with Stripe's form.
    let person = charge(&form).await;
    assert_eq!(person.status, 303, "{}", person.body);
    let page = shop.got("GET", person.header("location"), &[], "").await;
    says(&page, 200, &["pk_test_publishable", "data-amount=\"2500\""]);
    let declined = charge(&format!("{form}&stripeToken=ctoken_declined")).await;
    says(&declined, 402, &["<h1>The payment was declined</h1>", "Your card was declined."]);
    says(&sent(&shop, "reserve", "fullname=Ann").await, 200, &[taken]);
    says(&charge(&format!("{form}&stripeToken=ctoken_ok")).await, 200, &[COMPLETE]);
    says(&sent(&shop, "reserve", "fullname=Ann").await, 200, &[taken]);
    says(&sent(&shop, "reserve", &form).await, 200, &[COMPLETE]);
    // A hold that has run out keeps nobody's name.
    says(&sent(&shop, "reserve", "fullname=Bob").await, 200, &["thank you Bob"]);
    shop.pass_s(301);
    says(&sent(&shop, "reserve", "fullname=Bob").await, 200, &["thank you Bob"]);
    assert_eq!(shop.taken("rock").await, (1, 1));
    // Who has paid is the organiser's to know.
    says(&shop.got("GET", "/nts/v1/list-guests", &[], "").await, 401, &[]);
    let key = format!("Bearer {KEY}");
    let guests = shop.got("GET", "/nts/v1/list-guests", &[("authorization", &key)], "").await;
    says(&guests, 200, &["Ann<br>"]);
    assert_eq!(sent(&shop, "debug/reset", "").await.status, 404, "real tickets stay");
}

/// What costs nothing is not paid on a page for cards.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_free_ticket_is_taken_without_a_card() {
    for stripe in [false, true] {
        let name = format!("free-name-{stripe}");
        let shop = selling(&name, 1, stripe, |rock| {
            rock["ticket_types"].as_array_mut().unwrap().remove(0);
        });
        let shop = shop.await;
        let form = paying(&sent(&shop, "reserve", "fullname=Ann").await);
        says(&sent(&shop, "charge", &form).await, 200, &["congratulations Ann", COMPLETE]);
        assert_eq!(shop.taken("rock").await, (0, 1));
    }
}

/// A refunded order is told as it is, and sells nothing again to its form.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_refunded_name_has_no_order_any_more() {
    let shop = selling("refunded-name", 1, false, nothing).await;
    let first = sent(&shop, "reserve", "fullname=Ann").await;
    let form = format!("{}&stripeToken=tok_visa", paying(&first));
    says(&sent(&shop, "charge", &form).await, 200, &[COMPLETE]);
    let id = order_link(&first).unwrap().split('/').nth(2).unwrap();
    let refund = format!("/api/v1/orders/{id}/refunds");
    let all = json!({"all": true, "restock": true});
    assert_eq!(shop.json("POST", &refund, KEY, &all).await.0, 200);
    let told = sent(&shop, "charge", &form).await;
    says(&told, 410, &["<h1>This order is over</h1>", "It was refunded."]);
    assert!(!told.body.contains(COMPLETE), "{}", told.body);
    says(&sent(&shop, "reserve", "fullname=Ann").await, 200, &[RESERVED]);
    assert_eq!(shop.taken("rock").await, (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_show_without_a_limit_per_buyer_is_not_sold_by_name() {
    let shop = Shop::start_as("no-limit", Setup { show: "rock", ..Setup::default() }).await;
    for path in ["reserve", "charge", "debug/reset"] {
        let got = sent(&shop, path, "fullname=Ann").await;
        says(&got, 409, &["This show is not sold by name", "limit_per_buyer"]);
    }
    assert_eq!(shop.got("GET", "/nts/v1/list-guests", &[], "").await.status, 409);
    let shop = Shop::start_as("no-show", Setup { show: "blues", ..Setup::default() }).await;
    for path in ["reserve", "charge", "debug/reset"] {
        assert_eq!(sent(&shop, path, "fullname=Ann").await.status, 404, "{path}");
    }
}

/// A script resets at once. A browser, and whoever sends the form of the front page, is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reset_is_asked_for_where_a_person_may_have_slipped() {
    let shop = selling("reset", 4, false, nothing).await;
    let form = paying(&sent(&shop, "reserve", "fullname=Ann").await);
    let paid = format!("{form}&stripeToken=tok_visa");
    let mut browser = Browser::default();
    let question = "<h1>Reset A night of rock?</h1>";
    for (n, how) in ["no body", "a form", "confirmed"].into_iter().enumerate() {
        says(&sent(&shop, "reserve", "fullname=Bob").await, 200, &["thank you Bob"]);
        let form = paying(&sent(&shop, "reserve", "fullname=Ann").await);
        let form = if n == 0 { paid.clone() } else { format!("{form}&stripeToken=tok_visa") };
        says(&sent(&shop, "charge", &form).await, 200, &[COMPLETE]);
        assert_eq!(shop.taken("rock").await, (1, 1), "{how}");
        says(&sent(&shop, "debug/reset", "ask=1").await, 200, &[question]);
        let asked = browser.post(&shop, "/nts/v1/debug/reset", "").await;
        says(&asked, 200, &[question]);
        let wrong = browser.post(&shop, "/nts/v1/debug/reset", "confirm=x").await;
        says(&wrong, 200, &[question]);
        assert_eq!(shop.taken("rock").await, (1, 1), "{how}: nothing is reset yet");
        let reset = match how {
            "no body" => {
                let (status, _) = shop.json("POST", "/nts/v1/debug/reset", "", &Value::Null).await;
                assert_eq!(status, 303);
                None
            }
            "a form" => Some(sent(&shop, "debug/reset", "other=1").await),
            _ => {
                let confirm = format!("confirm={}", field(&asked.body, "confirm").unwrap());
                Some(browser.post(&shop, "/nts/v1/debug/reset", &confirm).await)
            }
        };
        if let Some(got) = reset {
            assert_eq!((got.status, got.header("location")), (303, "/"), "{}", got.body);
        }
        assert_eq!(shop.taken("rock").await, (0, 0), "{how}");
        says(
            &shop.got("GET", "/nts/v1/list-guests", &[], "").await,
            200,
            &["Nobody has paid yet."],
        );
    }
}

/// The form of the old show is on the front page while nothing else is on sale, or where the settings say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_front_page_has_the_form_of_the_show_that_is_sold_by_name() {
    // By the settings: whether the form is there with these limits and other events on sale.
    for (name, flags, shown) in [
        ("usual", &[][..], [false, false, true, false]),
        ("on", &["--demo-card=1"], [false, true, true, false]),
        ("off", &["--demo-card=0"], [false; 4]),
    ] {
        let setup = Setup { show: "rock", flags, ..Setup::default() };
        let shop = Shop::start_as(&format!("card-{name}"), setup).await;
        let states = [(false, true), (true, true), (true, false), (false, false)];
        for ((limit, others), shown) in states.into_iter().zip(shown) {
            let (mut rock, mut jazz) = (event("rock", 10), event("jazz", 1));
            if limit {
                rock["limit_per_buyer"] = json!(4);
            }
            if !others {
                jazz["sale_closes"] = json!("2029-12-01T12:00:00Z");
            }
            assert_eq!(shop.put_event("rock", rock).await.0, 200);
            assert_eq!(shop.put_event("jazz", jazz).await.0, 200);
            let front = shop.got("GET", "/", &[], "").await;
            for part in ["action=\"/nts/v1/reserve\"", "<strong>only 10 left</strong>"] {
                let is = front.body.contains(part);
                assert_eq!(is, shown, "{name} {limit} {others}: {}", front.body);
            }
        }
    }
}
