//! From the form to the tickets, as one browser goes: the questions, the payment page, the order's page, names and
//! mails; and what a browser finds that does not know the order.

use super::{Browser, Got, KEY, Setup, Shop, event, field, quiz};
use axum::body::Body;
use axum::http::Request;
use nts_server::admission::network::Peer;
use nts_server::store::records::RecordChange;
use serde_json::{Value, json};
use std::time::Duration;

const ANN: &str = "name=Ann&email=ann%40example.org";
const CARDS: &str = "Choose a card of the sandbox";

fn says(got: &Got, status: u16, words: &[&str]) {
    assert_eq!(got.status, status, "{}", got.body);
    for text in words {
        assert!(got.body.contains(text), "{text}: {}", got.body);
    }
}

/// Where an answer leads, without the query.
fn led(got: &Got) -> String {
    assert_eq!(got.status, 303, "{}", got.body);
    got.header("location").split('?').next().unwrap().to_owned()
}

/// The page of an order that this browser makes.
async fn ordered(shop: &Shop, browser: &mut Browser, event: &str, more: &str) -> String {
    let form = format!("{ANN}&{more}");
    led(&browser.post(shop, &format!("/events/{event}/orders"), &form).await)
}

/// The path of the payment page of the order with this page.
async fn pay_path(shop: &Shop, page: &str) -> String {
    led(&shop.got("GET", &format!("{page}/pay"), &[], "").await)
}

/// The links of a page to orders and payments.
fn links(got: &Got) -> Vec<&str> {
    let all = got.body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    all.filter(|link| link.starts_with("/orders/") || link.starts_with("/pay/")).collect()
}

async fn made(shop: &Shop, slug: &str, mut body: Value, change: fn(&mut Value)) {
    change(&mut body);
    let (status, answer) = shop.put_event(slug, body).await;
    assert!(status == 200 || status == 201, "{answer}");
}

fn nothing(_: &mut Value) {}

fn free(body: &mut Value) {
    body["ticket_types"].as_array_mut().unwrap().remove(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_browser_goes_on_to_the_payment_and_finds_back() {
    let shop = Shop::start("own-way").await;
    let mut browser = Browser::default();
    let form = format!("{ANN}&quantity:adult=2");
    let got = browser.post(&shop, "/events/rock/orders", &form).await;
    let (page, just_made) = (led(&got), got.header("location").to_owned());
    assert_eq!(just_made, format!("{page}?new"));
    let pay = pay_path(&shop, &page).await;
    // A browser that keeps cookies goes on; another one is shown the address to keep.
    assert_eq!(led(&browser.get(&shop, &just_made).await), pay);
    let keep = "Keep the address of this page before you pay.";
    says(&shop.got("GET", &just_made, &[], "").await, 200, &["Reserved for you", keep]);
    let own = browser.get(&shop, &page).await;
    assert!(own.status == 200 && !own.body.contains(keep), "{}", own.body);
    says(&browser.get(&shop, &pay).await, 200, &[CARDS, "2 × Adult", "£50.00"]);
    // The way back is for whoever came from the order's page.
    let back = format!("{pay}/order");
    assert_eq!(led(&browser.get(&shop, &back).await), page);
    let strange = shop.got("GET", &back, &[], "").await;
    says(
        &strange,
        200,
        &["Reserved for you", "This page is for the payment alone.", ">Pay £50.00</a>"],
    );
    assert_eq!(links(&strange), [&*pay]);

    // The pages that everybody sees have the way to it for this browser.
    let (open, tickets) =
        ("You have an open reservation: 2 × Adult", "You have tickets: 2 × Adult");
    for path in ["/", "/events/rock"] {
        let got = browser.get(&shop, path).await;
        says(&got, 200, &[open]);
        assert_eq!(links(&got), [&*pay], "{path}");
        assert!(links(&shop.got("GET", path, &[], "").await).is_empty(), "{path}");
    }
    assert!(links(&browser.get(&shop, "/events/jazz").await).is_empty(), "of another event");

    // The bank asks: its page, or Stripe's script, which runs on the payment page alone.
    let bank = browser.post(&shop, &pay, "token=ctoken_3ds").await;
    assert!(led(&bank).starts_with("/sandbox/authenticate/"));
    assert_eq!(led(&browser.get(&shop, &pay).await), page, "the order's page tells of the bank");
    let asked = browser.get(&shop, &page).await;
    says(
        &asked,
        200,
        &["Your bank needs to confirm this payment", "/sandbox/authenticate/", "?another"],
    );
    let elsewhere = shop.got("GET", &pay, &[], "").await;
    says(&elsewhere, 200, &["Your bank needs to confirm", "/sandbox/authenticate/", "?another"]);
    says(&browser.get(&shop, &format!("{pay}?another")).await, 200, &[CARDS]);
    let script = browser.post(&shop, &pay, "token=ctoken_3ds_sdk").await;
    assert_eq!(led(&script), pay);
    let declined = browser.post(&shop, &pay, "token=ctoken_declined").await;
    assert_eq!(led(&declined), back);
    says(
        &browser.get(&shop, &page).await,
        200,
        &["The payment was declined", "Your card was declined."],
    );
    says(&browser.get(&shop, &pay).await, 200, &[CARDS, "Your card was declined."]);
    let paid = browser.post(&shop, &pay, "token=ctoken_ok").await;
    assert_eq!(led(&paid), back);
    says(&browser.get(&shop, &page).await, 200, &["Your tickets", "svg role=\"img\""]);
    let strange = shop.got("GET", &pay, &[], "").await;
    says(&strange, 200, &["<h1>Paid</h1>", "This browser does not know it"]);
    assert!(links(&strange).is_empty(), "{:?}", links(&strange));
    for path in ["/", "/events/rock"] {
        let got = browser.get(&shop, path).await;
        says(&got, 200, &[tickets]);
        // No page says the order's secret because of a cookie.
        assert_eq!(links(&got), [&*back], "{path}");
    }
    // A double click, and the back button.
    assert_eq!(led(&browser.post(&shop, &pay, "token=ctoken_ok").await), back);
    assert_eq!(led(&browser.post(&shop, &format!("{page}/pay"), "token=ctoken_ok").await), page);
    shop.pass_s(365 * 86_400);
    assert!(links(&browser.get(&shop, "/events/rock").await).is_empty(), "it is over");
}

/// What is told of an order follows what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_order_that_has_ended_is_not_offered_again() {
    let shop = Shop::start("own-ended").await;
    let mut browser = Browser::default();
    let cancelled = ordered(&shop, &mut browser, "rock", "quantity:adult=1").await;
    let kept = browser.clone();
    assert_eq!(led(&browser.post(&shop, &format!("{cancelled}/cancel"), "").await), cancelled);
    says(&browser.get(&shop, &cancelled).await, 200, &["This reservation was cancelled"]);
    let over = ordered(&shop, &mut browser, "rock", "quantity:adult=1").await;
    let pay = pay_path(&shop, &over).await;
    assert!(!browser.0["nts_orders"].contains(&kept.0["nts_orders"]), "it is forgotten");
    assert_eq!(links(&browser.get(&shop, "/").await), [&*pay]);
    shop.pass_s(300);
    assert!(links(&browser.get(&shop, "/").await).is_empty());
    says(&browser.get(&shop, &over).await, 200, &["The time is over"]);
    assert_eq!(led(&browser.get(&shop, &pay).await), over);
    let strange = shop.got("GET", &pay, &[], "").await;
    says(&strange, 200, &["The time is over"]);
    assert!(links(&strange).is_empty(), "{:?}", links(&strange));
    assert_eq!(led(&shop.got("POST", &pay, &[], "token=ctoken_ok").await), format!("{pay}/order"));
    // Whoever wants to change an order gets it back in the form.
    let changed = ordered(&shop, &mut browser, "rock", "quantity:adult=2&quantity:child=1").await;
    let form = browser.post(&shop, &format!("{changed}/cancel"), "change=yes").await;
    says(&form, 200, &["Your reservation was cancelled. Change what you want"]);
    assert_eq!(field(&form.body, "quantity:adult"), Some("2"));
    assert_eq!(field(&form.body, "quantity:child"), Some("1"));
    assert_eq!(field(&form.body, "email"), Some("ann@example.org"));
}

/// A browser remembers the last six orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_browser_remembers_its_last_orders() {
    let shop = Shop::start("own-last").await;
    made(&shop, "rock", event("rock", 100), nothing).await;
    let mut browser = Browser::default();
    let mut paths = Vec::new();
    for n in 1..=7 {
        let page = ordered(&shop, &mut browser, "rock", &format!("quantity:adult={n}")).await;
        paths.insert(0, pay_path(&shop, &page).await);
        paths.truncate(6);
        assert_eq!(links(&browser.get(&shop, "/").await), paths, "after {n}");
    }
    // A script is not told of them, and neither is anybody who made the cookie up.
    let cookie = format!("nts_orders={}", browser.0["nts_orders"]);
    let script = [("cookie", &*cookie), ("sec-fetch-mode", "cors")];
    assert!(links(&shop.got("GET", "/", &script, "").await).is_empty());
    let made_up = cookie.replace(':', ":x");
    assert!(links(&shop.got("GET", "/", &[("cookie", &*made_up)], "").await).is_empty());
}

/// What costs nothing is not paid: no page asks for a card.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn free_tickets_are_had_without_a_card() {
    let shop = Shop::start("own-free").await;
    made(&shop, "free", event("free", 10), free).await;
    let mut browser = Browser::default();
    let page = ordered(&shop, &mut browser, "free", "quantity:child=1").await;
    says(&browser.get(&shop, &page).await, 200, &["Your tickets", "svg role=\"img\""]);
    // A program holds, and a person takes them on a page.
    let body = json!({"buyer": {"name": "Ann", "email": "ann@example.org"},
                      "lines": [{"ticket_type": "child", "quantity": 1}]});
    let held = async || {
        let (status, held) = shop.json("POST", "/api/v1/events/free/orders", "", &body).await;
        assert_eq!(status, 201, "{held}");
        let held: Value = serde_json::from_str(&held).unwrap();
        held["url"].as_str().unwrap().split_once("8080").unwrap().1.to_owned()
    };
    let page = held().await;
    let pay = pay_path(&shop, &page).await;
    let got = shop.got("GET", &pay, &[], "").await;
    says(&got, 200, &[">Get my tickets</button>", &format!("action=\"{pay}\"")]);
    assert!(!got.body.contains(CARDS), "{}", got.body);
    assert_eq!(led(&shop.got("POST", &pay, &[], "").await), format!("{pay}/order"));
    says(&shop.got("GET", &page, &[], "").await, 200, &["Your tickets"]);
    let page = held().await;
    says(
        &shop.got("GET", &page, &[], "").await,
        200,
        &["Reserved for you", ">Get my tickets</button>"],
    );
    assert_eq!(led(&shop.got("POST", &format!("{page}/pay"), &[], "").await), page);
    says(&shop.got("GET", &page, &[], "").await, 200, &["Your tickets"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn questions_come_before_the_payment() {
    let shop = Shop::start("own-questions").await;
    made(&shop, "quiz", quiz(), nothing).await;
    let mut browser = Browser::default();
    let got = browser.post(&shop, "/events/quiz/orders", &format!("{ANN}&quantity:adult=1")).await;
    let (page, just_made) = (led(&got), got.header("location").to_owned());
    let (answers, pay) = (format!("{page}/answers"), format!("{page}/pay"));
    assert_eq!(led(&browser.get(&shop, &just_made).await), answers);
    // From everywhere else, too: the way to the payment leads past the questions.
    assert_eq!(led(&shop.got("GET", &pay, &[], "").await), answers);
    let cookie = browser.0["nts_orders"].clone();
    let (id, _) = cookie.split_once(':').unwrap();
    let order = boxoffice::OrderId(uuid::Uuid::parse_str(id).unwrap().as_u128());
    let pay_path = shop.app.links.pay_path(order);
    assert_eq!(led(&browser.get(&shop, &pay_path).await), answers);
    // Whoever does not know the order learns no answer, and cannot pay yet.
    let strange = shop.got("GET", &pay_path, &[], "").await;
    says(&strange, 200, &["The organiser asks a few questions before the payment."]);
    assert!(!strange.body.contains(CARDS) && links(&strange).is_empty(), "{}", strange.body);
    assert_eq!(
        led(&shop.got("POST", &pay_path, &[], "token=ctoken_ok").await),
        format!("{pay_path}/order")
    );
    says(
        &browser.get(&shop, &page).await,
        200,
        &["Reserved for you", &format!("href=\"{answers}\"")],
    );
    let shown = browser.get(&shop, &answers).await;
    says(&shown, 200, &["The organiser asks this before you pay.", "Continue to payment"]);
    let wrong = browser.post(&shop, &answers, "a.which=Else&a.sure.1=yes&a.less=words").await;
    says(&wrong, 422, &["id=\"faults\"", "value=\"words\""]);
    let saved = browser.post(&shop, &answers, "a.which=This&a.sure.1=yes").await;
    assert_eq!(led(&saved), pay);
    says(&browser.get(&shop, &pay_path).await, 200, &[CARDS]);
    says(&browser.get(&shop, &page).await, 200, &["Which one?", "This"]);
    assert_eq!(
        led(&browser.post(&shop, &pay_path, "token=ctoken_ok").await),
        format!("{pay_path}/order")
    );
    says(
        &browser.get(&shop, &answers).await,
        200,
        &["You can change your answers here.", "Save the answers"],
    );
    assert_eq!(led(&browser.post(&shop, &answers, "a.which=That&a.sure.1=no").await), page);

    // The time is over: there is nothing to be answered any more, and nothing to be paid.
    let late = ordered(&shop, &mut browser, "quiz", "quantity:adult=2").await;
    let late_pay = led(&shop.got("GET", &format!("{late}/pay"), &[], "").await);
    assert_eq!(late_pay, format!("{late}/answers"));
    let id = late.split('/').nth(2).unwrap();
    let order = boxoffice::OrderId(uuid::Uuid::parse_str(id).unwrap().as_u128());
    let late_pay = shop.app.links.pay_path(order);
    shop.pass_s(301);
    assert_eq!(led(&browser.get(&shop, &late_pay).await), late, "and not to the questions");
    assert_eq!(led(&browser.get(&shop, &format!("{late}/pay")).await), late_pay);
    assert_eq!(led(&browser.get(&shop, &format!("{late}/answers")).await), late);
    let answered = "a.which=This&a.sure.1=no&a.sure.2=no";
    let got = browser.post(&shop, &format!("{late}/answers"), answered).await;
    assert_eq!(led(&got), late);
    let shown = browser.get(&shop, &late).await;
    says(&shown, 200, &["The time is over"]);
    assert!(!shown.body.contains("/answers\""), "{}", shown.body);
}

/// A payment that was begun before the organiser asked anything goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_has_begun_to_pay_is_asked_nothing_before() {
    let shop = Shop::start("own-begun").await;
    made(&shop, "quiz", event("pools", 10), nothing).await;
    let mut browser = Browser::default();
    let page = ordered(&shop, &mut browser, "quiz", "quantity:adult=1").await;
    let pay = pay_path(&shop, &page).await;
    assert_eq!(
        led(&browser.post(&shop, &pay, "token=ctoken_declined").await),
        format!("{pay}/order")
    );
    made(&shop, "quiz", quiz(), nothing).await;
    says(&browser.get(&shop, &pay).await, 200, &[CARDS]);
    assert_eq!(led(&browser.get(&shop, &format!("{page}/pay")).await), pay);
    assert_eq!(led(&browser.post(&shop, &pay, "token=ctoken_ok").await), format!("{pay}/order"));
    says(&browser.get(&shop, &page).await, 200, &["Your tickets"]);
}

/// Free tickets of an event that asks something: its questions, then the tickets.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn questions_come_before_free_tickets() {
    let shop = Shop::start("own-free-questions").await;
    made(&shop, "quiz", quiz(), |quiz| {
        free(quiz);
        quiz["questions"].as_array_mut().unwrap().truncate(1);
    })
    .await;
    let mut browser = Browser::default();
    let page = ordered(&shop, &mut browser, "quiz", "quantity:child=1").await;
    says(&browser.get(&shop, &page).await, 200, &["Reserved for you"]);
    let answers = format!("{page}/answers");
    assert_eq!(led(&browser.get(&shop, &format!("{page}?new")).await), answers);
    let shown = browser.get(&shop, &answers).await;
    says(&shown, 200, &["The organiser asks this before you get the tickets.", "Get my tickets"]);
    assert_eq!(led(&browser.post(&shop, &answers, "a.which=This").await), page);
    says(&browser.get(&shop, &page).await, 200, &["Your tickets"]);
}

/// Answers may be larger than an order, and not larger than what the settings allow to anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn answers_have_room_within_the_settings() {
    for (name, flags, most) in [
        ("usual", &[][..], 256 * 1024),
        ("small", &["--body-bytes=20000"][..], 20_000),
        ("large", &["--body-bytes=1000000"][..], 256 * 1024),
    ] {
        let setup = Setup { flags, ..Setup::default() };
        let shop = Shop::start_as(&format!("own-room-{name}"), setup).await;
        made(&shop, "quiz", quiz(), nothing).await;
        let mut browser = Browser::default();
        let page = ordered(&shop, &mut browser, "quiz", "quantity:adult=1").await;
        let answers = format!("{page}/answers");
        let form = |bytes: usize| {
            let form = "a.which=This&a.sure.1=no&more=";
            format!("{form}{}", "x".repeat(bytes - form.len()))
        };
        let got = browser.post(&shop, &answers, &form(most + 1)).await;
        says(&got, 413, &[&format!("at most {most} bytes")]);
        assert_eq!(led(&browser.post(&shop, &answers, &form(most)).await), format!("{page}/pay"));
    }
}

/// An amount of a penny is money that was given back, and a penny less is a lower price.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_penny_is_told() {
    let mut shop = Shop::start("own-penny").await;
    let paid = shop.hold("rock", 1).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    let shown = shop.got("GET", &paid.page(), &[], "").await;
    assert!(!shown.body.contains(">Refunded<"), "{}", shown.body);
    let amount = json!({"amount": {"amount": 1, "currency": "GBP"}}).to_string();
    let request = Request::post(format!("{}/refunds", paid.api()))
        .header("authorization", format!("Bearer {KEY}"))
        .header("idempotency-key", "one penny")
        .header("content-type", "application/json");
    let (status, told) = shop.ask(request.body(Body::from(amount)).unwrap()).await;
    assert_eq!(status, 200, "{told}");
    let shown = shop.got("GET", &paid.page(), &[], "").await;
    says(&shown, 200, &["Your tickets", ">Refunded</th><td class=\"num\">£0.01</td>"]);
    let cheaper = |body: &mut Value| {
        body["codes"] =
            json!([{"code": "PENNY", "uses": 9, "amount_off": {"amount": 1, "currency": "GBP"}}]);
    };
    made(&shop, "codes", event("pools", 10), cheaper).await;
    let page =
        ordered(&shop, &mut Browser::default(), "codes", "quantity:adult=2&code=penny").await;
    says(&shop.got("GET", &page, &[], "").await, 200, &["£0.01 off each", "£49.98"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_of_a_ticket_is_short_and_can_be_seen() {
    let mut shop = Shop::start("own-names").await;
    let paid = shop.hold("rock", 1).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    let path = format!("{}/tickets/1", paid.page());
    let long = |letters: usize| format!("name={}", "x".repeat(letters));
    for (form, said) in [
        ("name=".to_owned(), "Please enter a name."),
        ("name=++".into(), "Please enter a name."),
        (long(201), "Please enter a name of at most 200 characters."),
        (long(300), "Please enter a name of at most 200 characters."),
        ("name=a%E2%80%8Bb".into(), "This name has characters that cannot be seen."),
        ("name=a%0Ab".into(), "This name has characters that cannot be seen."),
    ] {
        let got = shop.got("POST", &path, &[], &form).await;
        says(&got, 422, &[said, "id=\"faults\""]);
    }
    let saved = shop.got("POST", &path, &[], &long(200)).await;
    assert_eq!(saved.header("location"), format!("{}?named=1#t1", paid.page()));
    for number in ["2", "0", "x"] {
        let path = format!("{}/tickets/{number}", paid.page());
        assert_eq!(shop.got("POST", &path, &[], "name=Bob").await.status, 404, "{number}");
    }
}

/// Waits until a page of an order says something.
async fn until(shop: &Shop, page: &str, text: &str) -> Got {
    for _ in 0..200 {
        let got = shop.got("GET", page, &[], "").await;
        if got.body.contains(text) {
            return got;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{page} does not say {text}");
}

/// What the order's page says of mails, and what can be asked for there.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tickets_are_sent_again_and_to_another_address() {
    let mut shop = Shop::start_as("own-mails", Setup { relay: true, ..Setup::default() }).await;
    let paid = shop.hold("rock", 1).await;
    let (page, section) = (paid.page(), "id=\"mail-title\"");
    assert!(!shop.got("GET", &page, &[], "").await.body.contains(section), "nothing was sent yet");
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    let got = until(&shop, &page, "Sent to ann@example.org,").await;
    says(&got, 200, &[section, "Send the tickets again", "Change and send"]);
    assert!(!got.body.contains(&format!("{page}/mails/1")), "mails are sent, and not only shown");
    assert_eq!(shop.got("GET", &format!("{page}/mails/1"), &[], "").await.status, 404);
    let again = async |shop: &Shop| {
        let got = shop.got("POST", &format!("{page}/mails"), &[], "").await;
        assert_eq!(got.status, 303, "{}", got.body);
        got.header("location").to_owned()
    };
    assert_eq!(again(&shop).await, format!("{page}?lately#mail"));
    let lately = shop.got("GET", &format!("{page}?lately"), &[], "").await;
    says(
        &lately,
        200,
        &["<p class=\"notice\" role=\"status\">Your tickets were sent a short while ago"],
    );
    let api = format!("{}/mails", paid.api());
    let (status, told) = shop.json("POST", &api, &paid.secret, &Value::Null).await;
    assert_eq!(status, 429, "{told}");
    shop.pass_s(300);
    assert_eq!(again(&shop).await, format!("{page}?sent#mail"));
    let sent = shop.got("GET", &format!("{page}?sent"), &[], "").await;
    says(
        &sent,
        200,
        &["<p class=\"state paid\" role=\"status\">The tickets are on the way to ann@example.org"],
    );

    let to = async |shop: &Shop, address: &str| {
        shop.got("POST", &format!("{page}/email"), &[], &format!("email={address}")).await
    };
    says(&to(&shop, "").await, 400, &["Enter your e-mail address."]);
    says(&to(&shop, "ann").await, 400, &["This is not an e-mail address.", "value=\"ann\""]);
    // The same address once more is no change, as often as it is sent.
    for address in ["bea", "cyd", "cyd", "cyd", "cyd", "dan"] {
        let got = to(&shop, &format!("{address}%40example.org")).await;
        assert_eq!(
            got.header("location"),
            format!("{page}?address#mail"),
            "{address}: {}",
            got.body
        );
        let done = shop.got("GET", &format!("{page}?address"), &[], "").await;
        says(&done, 200, &[&format!("The address is now {address}@example.org.")]);
    }
    let often = to(&shop, "eve%40example.org").await;
    says(
        &often,
        429,
        &["The address was changed several times today.", "value=\"eve@example.org\""],
    );
    assert_eq!(to(&shop, "dan%40example.org").await.status, 303, "it has this one");
    let email = format!("{}/email", paid.api());
    let eve = json!({"email": "eve@example.org"});
    let put = Request::put(&email).header("authorization", format!("Bearer {}", paid.secret));
    let put = put.header("content-type", "application/json");
    let told = shop.answer(put.body(Body::from(eve.to_string())).unwrap()).await;
    assert_eq!((told.status, told.header("retry-after")), (429, "86400"), "{}", told.body);
    // The organiser may at any time; the buyer again after a day.
    assert_eq!(shop.json("PUT", &email, KEY, &eve).await.0, 200);
    shop.pass_s(86_400);
    assert_eq!(to(&shop, "fay%40example.org").await.status, 303);
}

/// While no mail is sent each can be looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn in_the_sandbox_a_mail_is_a_page() {
    let mut shop = Shop::start("own-mail-pages").await;
    let paid = shop.hold("rock", 2).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    let page = paid.page();
    let first = format!("{page}/mails/1");
    says(
        &shop.got("GET", &page, &[], "").await,
        200,
        &[&format!("<a href=\"{first}\">the tickets</a>")],
    );
    says(&shop.got("GET", &first, &[], "").await, 200, &["ann@example.org", "A night of rock"]);
    assert_eq!(shop.got("GET", &format!("{page}/mails/2"), &[], "").await.status, 404);
    let back = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": true});
    assert_eq!(shop.refund(&paid, back).await.0, 200);
    let address = shop.got("POST", &format!("{page}/email"), &[], "email=bea%40example.org").await;
    assert_eq!(address.status, 303, "{}", address.body);
    let got = shop.got("GET", &page, &[], "").await;
    let kinds = ["the tickets", "a refund", "another address"];
    let links = kinds.map(|kind| got.body.matches(&format!("\">{kind}</a>")).count());
    assert_eq!(links, [1, 1, 1], "{}", got.body);
    for wrong in ["0", "9", "x", "-1"] {
        assert_eq!(shop.got("GET", &format!("{page}/mails/{wrong}"), &[], "").await.status, 404);
    }
}

/// Where no mail can be sent, another address is all that can be given.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_relay_the_page_says_what_is_known_of_mails() {
    let mut shop = Shop::start_as("own-no-relay", Setup { stripe: true, ..Setup::default() }).await;
    let paid = shop.hold("rock", 1).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    let page = paid.page();
    let (again, change) = ("Send the tickets again", "Change and send");
    let got = shop.got("GET", &page, &[], "").await;
    says(&got, 200, &["Not sent to ann@example.org yet", change]);
    assert!(!got.body.contains(again), "{}", got.body);
    // Mails are not known for ever.
    let forget = RecordChange::Run("DELETE FROM outbox", vec![]);
    shop.app.accounts.writer.write(vec![forget]).await.unwrap();
    let got = shop.got("GET", &page, &[], "").await;
    says(&got, 200, &[change]);
    assert!(!got.body.contains("ann@example.org yet") && !got.body.contains(again), "{}", got.body);
    // Nothing can be done and nothing is known: nothing is said.
    shop.pass_s(365 * 86_400);
    assert!(!shop.got("GET", &page, &[], "").await.body.contains("id=\"mail-title\""));
}

/// The page with Stripe's form asks for what the bank wants, or for a card.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_page_with_stripes_form_knows_what_is_to_be_done() {
    let mut shop = Shop::start_as("own-stripe", Setup { stripe: true, ..Setup::default() }).await;
    let order = shop.hold("rock", 2).await;
    let pay = shop.pay_path(&order);
    let form = ["pk_test_publishable", "data-amount=\"5000\"", "data-currency=\"gbp\""];
    let got = shop.got("GET", &pay, &[], "").await;
    says(&got, 200, &form);
    assert!(got.header("content-security-policy").contains("https://js.stripe.com"));
    assert_eq!(got.header("cross-origin-opener-policy"), "same-origin-allow-popups");
    // Stripe's script asks for the bank, with a secret that is of this payment alone.
    let asks = shop.got("POST", &pay, &[], "token=ctoken_3ds_sdk").await;
    assert_eq!(led(&asks), pay);
    let got = shop.got("GET", &pay, &[], "").await;
    says(&got, 200, &["pi_", "_secret_", "?another"]);
    let another = shop.got("GET", &format!("{pay}?another"), &[], "").await;
    says(&another, 200, &form);
    assert!(!another.body.contains("_secret_"), "{}", another.body);
    let back = format!("{pay}/order");
    says(
        &shop.got("GET", &back, &[], "").await,
        200,
        &["Your bank needs to confirm", &format!("href=\"{pay}\"")],
    );
    assert_eq!(led(&shop.got("POST", &pay, &[], "token=ctoken_ok").await), back);
    says(&shop.got("GET", &pay, &[], "").await, 200, &["<h1>Paid</h1>"]);
}

/// Whoever has lost tickets types an address; what is answered depends on nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn lost_tickets_are_asked_for_a_few_times_by_each_network() {
    for (relay, said) in
        [(true, "If ann@example.org has orders"), (false, "In test mode no mail is sent.")]
    {
        let shop =
            Shop::start_as(&format!("own-lost-{relay}"), Setup { relay, ..Setup::default() }).await;
        let ask = async |from: &str, form: &str| {
            let request = Request::post("/tickets")
                .header("accept", "text/html")
                .header("content-type", "application/x-www-form-urlencoded")
                .extension(Peer(from.parse().unwrap()));
            shop.answer(request.body(Body::from(form.to_owned())).unwrap()).await
        };
        let (one, other) = ("198.51.100.7", "203.0.113.7");
        says(&ask(one, "email=").await, 400, &["Enter your e-mail address.", "id=\"faults\""]);
        says(
            &ask(one, "email=ann").await,
            400,
            &["This is not an e-mail address.", "value=\"ann\""],
        );
        for _ in 0..18 {
            says(&ask(one, "email=ann%40example.org").await, 200, &[said]);
        }
        let often = ask(one, "email=ann%40example.org").await;
        let words = "Tickets were asked for very often from your network. Please try again later.";
        says(&often, 429, &[words, "value=\"ann@example.org\"", "name=\"email\""]);
        let seconds: u32 = often.header("retry-after").parse().unwrap();
        assert!((1..=3_600).contains(&seconds), "{seconds}");
        says(&ask(other, "email=ann%40example.org").await, 200, &[said]);
    }
}
