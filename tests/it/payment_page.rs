//! The payment page with Stripe, in a real browser: the card is typed into Stripe's frame, and the
//! page's policy lets nothing else in. What stands for Stripe's script is in `stripe_js.rs`.

use crate::browser::accessible;
use crate::harness::*;
use crate::money::Stripe;
use crate::stripe_js::StripeJs;
use crate::webdriver::{Browser, DESK, PHONE};
use serde_json::Value;

struct Counter {
    _dir: Dir,
    server: Server,
    stripe: Stripe,
    js: StripeJs,
    url: String,
}

impl Counter {
    fn open(name: &str) -> Counter {
        let dir = Dir::new(name);
        let stripe = Stripe::start();
        let js = StripeJs::start(&stripe.fake);
        let server = Server::start_with(&dir, &stripe.settings());
        server.make_event(40, 300);
        let url = format!("http://{}", server.address);
        Counter { _dir: dir, server, stripe, js, url }
    }

    fn browser(&self, javascript: bool, size: (u32, u32), dark: bool) -> Option<Browser> {
        Browser::start_with(javascript, size, dark, self.js.arguments())
    }

    /// Holds two places and goes to their payment page.
    fn go_to_pay(&self, browser: &Browser, name: &str) -> Value {
        let order = self.server.send(hold(name, 2)).json();
        browser.goto(&format!("{}{}", self.url, page_of(&order)));
        browser.click("a.button[href$='/pay']");
        order
    }
}

fn type_card(browser: &Browser, number: &str) {
    browser.enter_frame("#card iframe");
    browser.fill("#number", number);
    browser.leave_frame();
}

fn answer_the_bank(browser: &Browser, answer: &str) {
    eventually("the bank asks", || browser.has("#bank"));
    browser.enter_frame("#bank");
    browser.click(&format!("button[value={answer}]"));
    browser.leave_frame();
}

#[test]
fn a_card_is_declined_and_another_one_pays() {
    let counter = Counter::open("page-declined");
    let Some(browser) = counter.browser(true, PHONE, false) else { return };
    let order = counter.go_to_pay(&browser, "ann");
    eventually("Stripe's form is there", || browser.has("#loading[hidden]"));
    accessible(&browser);
    browser.picture("stripe-1-phone-pay");

    // What Stripe's form finds wrong is said beside it, and the button works again.
    type_card(&browser, "4242");
    browser.click("#payment button");
    browser.shows("Your card number is incomplete.");
    accessible(&browser);
    browser.picture("stripe-2-phone-incomplete");

    type_card(&browser, "4000000000000002");
    browser.click("#payment button");
    browser.shows("Your tickets are still reserved: you can try again");
    accessible(&browser);
    browser.picture("stripe-3-phone-declined");
    assert_eq!(counter.stripe.moved(&order), (0, 0));

    browser.click("a.button[href$='/pay']");
    eventually("Stripe's form is there", || browser.has("#loading[hidden]"));
    browser.shows("with another card if you like");
    type_card(&browser, "4242424242424242");
    browser.click("#payment button");
    browser.shows("Add to calendar");
    accessible(&browser);
    assert_eq!(counter.stripe.moved(&order), (5000, 0));
    assert_eq!(counter.server.counts(), (0, 2, 38));

    // Back to the payment page: its token is used up, and there is nothing to pay.
    let url = browser.url();
    browser.back();
    eventually("the way back leads to the order", || browser.url() == url);
    assert_eq!(counter.stripe.moved(&order), (5000, 0));
    let asked = counter.js.asked();
    assert!(asked.iter().any(|a| a == "api.stripe.com /v1/confirmation_tokens"), "{asked:?}");
}

#[test]
fn the_bank_asks_and_hears_no_and_yes() {
    let counter = Counter::open("page-3ds");
    let Some(browser) = counter.browser(true, DESK, true) else { return };
    let order = counter.go_to_pay(&browser, "bob");
    eventually("Stripe's form is there", || browser.has("#loading[hidden]"));
    accessible(&browser);
    browser.picture("stripe-4-desk-dark-pay");
    type_card(&browser, "4000002760003184");
    browser.click("#payment button");
    browser.shows("Your bank needs to confirm this payment");
    eventually("the bank asks", || browser.has("#bank"));
    browser.picture("stripe-5-desk-bank");

    // Loading the page again asks again.
    browser.reload();
    answer_the_bank(&browser, "no");
    browser.shows("Your tickets are still reserved: you can try again");
    assert_eq!(counter.stripe.moved(&order), (0, 0));

    browser.click("a.button[href$='/pay']");
    type_card(&browser, "4000002760003184");
    browser.click("#payment button");
    answer_the_bank(&browser, "yes");
    browser.shows("Add to calendar");
    accessible(&browser);
    assert_eq!(counter.stripe.moved(&order), (5000, 0));
}

#[test]
fn without_stripes_script_the_page_says_what_is_so() {
    let counter = Counter::open("page-away");
    counter.js.away(true);
    let Some(browser) = counter.browser(true, PHONE, false) else { return };
    counter.go_to_pay(&browser, "cyd");
    browser.shows("Nothing was charged and your tickets stay reserved.");
    browser.picture("stripe-6-phone-away");
    counter.js.away(false);
    browser.click("#payment button");
    eventually("Stripe's form is there", || {
        browser.has("#loading[hidden]") && browser.has("#card iframe")
    });
    drop(browser);

    let Some(browser) = counter.browser(false, PHONE, false) else { return };
    counter.go_to_pay(&browser, "dan");
    browser.shows("Stripe needs JavaScript");
    browser.picture("stripe-7-phone-noscript");
    assert_eq!(counter.server.counts(), (4, 0, 36));
}
