//! An organiser's whole first hour, on a phone: from the link of the first start to a refund. With JavaScript,
//! without, and by the keyboard alone.

use crate::browser::accessible;
use crate::harness::*;
use crate::webdriver::{Browser, ENTER, PHONE, TAB};
use std::time::{Duration, Instant};

/// How somebody works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hand {
    /// With a finger, where scripts run.
    Scripts,
    /// Where none run.
    Plain,
    /// With scripts, and nothing but the keyboard.
    Keyboard,
}

struct Organiser {
    browser: Browser,
    hand: Hand,
    url: String,
}

impl Organiser {
    fn fill(&self, css: &str, text: &str) {
        if self.hand == Hand::Keyboard {
            self.browser.tab_to(css);
            self.browser.keys(text);
        } else {
            self.browser.fill(css, text);
        }
    }

    fn press(&self, css: &str) {
        if self.hand == Hand::Keyboard {
            self.browser.tab_to(css);
            self.browser.keys(ENTER);
        } else {
            self.browser.click(css);
        }
    }

    /// Looks at the page as a person does who knows what it should say.
    fn sees(&self, text: &str, picture: &str) {
        self.browser.shows(text);
        if self.hand != Hand::Plain {
            accessible(&self.browser);
        }
        self.browser.whole_picture(&format!("hour-{:?}-{picture}", self.hand).to_lowercase());
    }

    fn goto(&self, path: &str) {
        self.browser.goto(&format!("{}{path}", self.url));
    }

    /// Marks the page, to find out whether it is still the same.
    fn mark(&self) {
        if self.hand != Hand::Plain {
            self.browser.run("window.mark = true");
        }
    }

    /// With scripts a form that is marked does not load the page anew, and says so to those who hear it.
    fn is_same_page(&self) {
        if self.hand != Hand::Plain {
            assert_eq!(
                self.browser.run("return window.mark === true"),
                true,
                "{}",
                self.browser.url()
            );
            let said = self.browser.run("return document.querySelector('#said').textContent");
            assert!(said.as_str().is_some_and(|said| !said.is_empty()), "nothing was said");
        }
    }
}

fn first_hour(hand: Hand) {
    let dir = Dir::new("first-hour");
    let server = Server::start_with(&dir, &[("NTS_DEMO", "0")]);
    let Some(browser) = Browser::start(hand != Hand::Plain, PHONE, false) else { return };
    let begun = Instant::now();
    let said = server.said.iter().find_map(|line| line.split_once("/office/welcome/"));
    let (_, token) = said.unwrap_or_else(|| panic!("no link in {:?}", server.said));
    let one = Organiser { browser, hand, url: format!("http://{}", server.address) };

    // An account, of the link that the first start prints. A password that is too short is told.
    one.goto(&format!("/office/welcome/{token}"));
    one.fill("#email", "ann@example.org");
    one.fill("#name", "Ann Example");
    one.fill("#password", "short");
    one.press("form button[type=submit]");
    one.sees("At least 10 characters", "welcome-mistake");
    one.fill("#password", "four words make a password");
    one.press("form button[type=submit]");
    one.sees("There are no events yet", "empty");

    // An event of one's own. What is missing is told at the field, and what was typed stays.
    one.press("main a[href='/office/events/new']");
    one.sees("What, when and where", "event-form");
    one.fill("#name", "Harbour Night");
    // As it is typed into a field of Chromium in its language.
    one.fill("#starts", &format!("06012030{TAB}0800PM"));
    one.fill("#place", "Old Harbour Hall");
    one.fill("#type-0-price", "0.10");
    one.fill("#pool-0-places", "40");
    one.mark();
    one.press("button[value=publish]");
    one.sees("Please check the marked field", "event-mistake");
    one.is_same_page();
    assert!(one.browser.has("#type-0-price[aria-invalid=true]"), "the field is marked");
    one.fill("#type-0-price", "25");
    one.press("button[value=publish]");
    one.sees("The event was made and is published.", "event-made");
    one.is_same_page();
    let address = one.browser.url();
    let slug = address.split("/office/events/").nth(1).and_then(|rest| rest.split('/').next());
    let slug = slug.unwrap_or_else(|| panic!("no event in {address}")).to_owned();

    // A buyer buys, in the same browser.
    one.goto(&format!("/events/{slug}"));
    one.sees("Continue to payment", "buyer-event");
    one.fill("input[name^='quantity:']", "2");
    one.fill("#name", "Bob Buyer");
    one.fill("#email", "bob@example.org");
    one.press(".bar button[type=submit]");
    one.browser.shows("Choose a card");
    one.press("button[value=ctoken_ok]");
    one.browser.shows("Add to calendar");
    assert!(begun.elapsed() < Duration::from_secs(300), "a first ticket within five minutes");

    // The sale tells it.
    one.goto("/office");
    one.press(&format!("main a[href='/office/events/{slug}']"));
    one.sees("By ticket type", "sale");
    let tiles = one.browser.source();
    assert!(tiles.contains("€50.00") && tiles.contains("2 sold"), "{tiles}");

    // The order is found, and one ticket given back.
    one.press(&format!("nav a[href='/office/events/{slug}/orders']"));
    one.browser.shows("Find an order");
    one.fill("#q", "bob");
    one.press("form[role=search] button[type=submit]");
    one.sees("Bob Buyer", "orders");
    one.press("table a[href^='/office/orders/']");
    one.sees("What happened", "order");
    one.press("a[href$='/refund']");
    one.sees("Put the places back on sale", "refund");
    one.fill("#reason", "one is ill");
    one.press("form button[type=submit]");
    one.sees("Please confirm the refund", "refund-confirm");
    one.press("form button[type=submit]");
    one.sees("Refunded", "refunded");
    one.goto(&format!("/office/events/{slug}"));
    one.browser.shows("€50.00 taken, €50.00 refunded");

    // And out again: what is behind the sign-in is not shown any more.
    one.press(".top a[href='/office/account']");
    one.sees("Where you are signed in", "account");
    one.press("form[action='/office/sign-out'] button");
    one.sees("Sign in", "signed-out");
    one.goto(&format!("/office/events/{slug}"));
    one.browser.shows("Password");
}

#[test]
fn the_first_hour_of_an_organiser_with_javascript() {
    first_hour(Hand::Scripts);
}

#[test]
fn the_first_hour_of_an_organiser_without_javascript() {
    first_hour(Hand::Plain);
}

#[test]
fn the_first_hour_of_an_organiser_by_the_keyboard() {
    first_hour(Hand::Keyboard);
}
