//! The office's accounts in a real browser, at a phone's width: with JavaScript and without, light and dark.

use crate::browser::accessible;
use crate::harness::*;
use crate::staff::{PASSWORD, between, first_link};
use crate::webdriver::{Browser, DESK, PHONE};
use nts_server::accounts::totp;
use std::time::{SystemTime, UNIX_EPOCH};

/// RFC 4648, of whole groups.
fn unbase32(text: &str) -> Vec<u8> {
    let digits = text.chars().filter_map(|c| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c));
    let bits: Vec<bool> = digits.flat_map(|d| (0..5).rev().map(move |n| d >> n & 1 == 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |b, bit| b << 1 | u8::from(*bit))).collect()
}

/// The way through all pages of accounts.
fn way(name: &str, javascript: bool, size: (u32, u32), dark: bool) {
    let dir = Dir::new(name);
    let server = Server::start(&dir);
    let Some(browser) = Browser::start(javascript, size, dark) else { return };
    let url = format!("http://{}", server.address);
    server.make_event(10, 300);
    let seen = |picture: &str| {
        if javascript {
            accessible(&browser);
        }
        browser.whole_picture(&format!("{name}-{picture}"));
    };

    // The first account.
    browser.goto(&format!("{url}{}", first_link(&server).unwrap()));
    browser.shows("Make your account");
    seen("01-welcome");
    browser.fill("#email", "ann@example.org");
    browser.fill("#name", "Ann");
    browser.fill("#password", "short");
    browser.click("main button");
    browser.shows("has at least 10 characters");
    seen("02-welcome-faults");
    browser.fill("#password", PASSWORD);
    browser.click("main button");
    browser.shows("Your account");
    assert!(browser.url().ends_with("/office"), "{}", browser.url());

    // People.
    browser.click("nav a[href='/office/people']");
    browser.shows("Invite somebody");
    seen("03-people");
    browser.fill("#email", "no address");
    browser.click("form[action='/office/people/invitations'] button");
    browser.shows("e-mail address of the person");
    seen("04-people-faults");
    browser.fill("#email", "bo@example.org");
    browser.click("form[action='/office/people/invitations'] button");
    browser.shows("is invited");
    seen("05-invitation");

    // Keys.
    browser.click("nav a[href='/office/keys']");
    browser.fill("#name", "A scanner");
    seen("06-keys");
    browser.click("form[action='/office/keys'] button");
    browser.shows("nts_sk_");
    seen("07-key");
    browser.click("main a.button");
    browser.shows("Not used yet");
    seen("08-keys");

    // The own account, and an authenticator.
    browser.click(".who-is-in a");
    seen("09-account");
    browser.click("main a[href='/office/account/authenticator']");
    browser.shows("Six digits");
    seen("10-authenticator");
    let secret = unbase32(between(&browser.source(), "<code>", "</code>"));
    let step = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 / 30;
    let used = step();
    browser.fill("#code", &totp::code(&secret, used));
    browser.click("main form button");
    browser.shows("they are shown this once");
    seen("11-recovery-codes");
    browser.click("main a.button");
    browser.shows("10 recovery codes are left");
    seen("12-account");
    browser.goto(&format!("{url}/office/confirm"));
    seen("13-confirm");
    browser.goto(&format!("{url}/office/account"));
    browser.click("form[action='/office/sign-out'] button");

    // In again.
    browser.shows("Sign in");
    seen("14-sign-in");
    browser.fill("#email", "ann@example.org");
    browser.fill("#password", "wrong horse");
    browser.click("main button");
    browser.shows("is wrong");
    seen("15-sign-in-faults");
    browser.fill("#password", PASSWORD);
    browser.click("main button");
    browser.shows("Enter the code");
    seen("16-code");
    browser.fill("#code", "000000");
    browser.click("main button");
    browser.shows("The code is wrong");
    seen("17-code-faults");
    // The one that set it up is used: the next one counts already.
    browser.fill("#code", &totp::code(&secret, used + 1));
    browser.click("main button");
    browser.shows("Your account");
    assert!(browser.url().ends_with("/office"), "{}", browser.url());
    browser.goto(&format!("{url}/office/welcome/0000"));
    browser.shows("does not work any more");
    seen("18-gone");
}

#[test]
fn accounts_on_a_phone_with_javascript() {
    way("office-accounts-js", true, PHONE, false);
}

#[test]
fn accounts_on_a_phone_without_javascript() {
    way("office-accounts-plain", false, PHONE, false);
}

#[test]
fn accounts_at_a_desk_in_the_dark() {
    way("office-accounts-dark", true, DESK, true);
}
