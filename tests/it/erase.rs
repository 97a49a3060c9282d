//! `nts erase` on the command line, and reservations that have only a name.

use crate::harness::*;
use serde_json::json;

/// Runs `nts erase` against a server.
fn erase(dir: &Dir, url: &str, arguments: &[&str]) -> (bool, String) {
    let out = nts(dir).args(["erase", "--url", url]).args(arguments).output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_buyer_is_erased_on_the_command_line() {
    let dir = Dir::new("erase");
    let server = Server::start(&dir);
    server.make_event(9, 300);
    let url = format!("http://{}", server.address);
    let paid = server.send(hold("quilla", 1)).json();
    assert_eq!(server.send(pay(&paid, "ctoken_ok")).status, 200);
    eventually("it is sold", || server.counts().1 == 1);
    let held = server.send(hold("quilla", 1)).json();
    let (ok, said) = erase(&dir, &url, &["Quilla@Example.org", "--dry-run"]);
    assert!(ok && said.starts_with("1 order would be erased, and 1 order would be left"), "{said}");
    assert!(said.contains(&text(&held, "id")) && said.contains("Nothing was changed"), "{said}");
    let (ok, said) = erase(&dir, &url, &["Quilla@Example.org"]);
    assert!(ok && said.contains("erased from 1 order. 1 order is left for now"), "{said}");
    assert!(said.contains("It is held and may still be paid"), "{said}");
    let (ok, said) = erase(&dir, &url, &["nobody@example.org"]);
    assert!(ok && said.starts_with("No order has this buyer"), "{said}");
    let (ok, said) = erase(&dir, &url, &["--order", &text(&paid, "id")]);
    assert!(ok && said.starts_with("No order has this buyer"), "{said}");
    let page = server.get(&format!("/orders/{}/{}", text(&paid, "id"), text(&paid, "secret")));
    assert!(page.status == 200 && !page.text().contains("quilla"), "{}", page.text());
    for (arguments, hint) in [
        (&["quilla"][..], "The e-mail address is not one"),
        (&["a@b.example,c@d.example"], "more than one @"),
        (&["a;b@c.example"], "“;”"),
        (&["a b@c.example"], "a space"),
        (&[" "], "is empty"),
        (&["--order", "00000000-0000-0000-0000-000000000000"], "No order has this id"),
        (&["--order", "x"], "No order has this id"),
        (&["quilla@example.org", "--organiser-key", "wrong"], "401"),
        (&[], "required"),
        (&["a@b.example", "--order", "x"], "cannot be used with"),
    ] {
        let (ok, said) = erase(&dir, &url, arguments);
        assert!(!ok && said.contains(hint), "{hint}: {said}");
    }
    let (ok, said) = erase(&dir, "http://box.example:9000", &["quilla@example.org"]);
    assert!(!ok && said.contains("--plain-http") && said.contains("Nothing was sent"), "{said}");
    assert!(!said.contains(KEY), "{said}");
}

#[test]
fn a_reservation_by_name_is_erased_by_its_id() {
    let dir = Dir::new("erase-name");
    let server = Server::start_with(&dir, &[("NTS_SHOW", "rock")]);
    let mut event = event_json(9, 300);
    event["limit_per_buyer"] = 1.into();
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert!(server.send(put).status < 300);
    let reserve = || server.send(Request::form("/nts/v1/reserve", &[("fullname", "Quilla V")]));
    let charge = || {
        let form = [("fullname", "Quilla V"), ("stripeToken", "tok_visa")];
        server.send(Request::form("/nts/v1/charge", &form))
    };
    let guests = || server.send(Request::get("/nts/v1/list-guests").bearer(KEY)).text();
    assert_eq!(reserve().status, 200);
    assert_eq!(charge().status, 200);
    eventually("it is sold", || server.counts().1 == 1);
    assert!(guests().contains("Quilla V"));
    let id = server.orders()[0]["id"].as_str().unwrap().to_owned();
    let body = json!({"order": id});
    let erase = Request::new("POST", "/api/v1/erasures").bearer(KEY).json(&body);
    assert_eq!(server.send(erase).json()["erased"], 1);
    assert!(!guests().contains("Quilla") && guests().contains("erased"), "{}", guests());
    // The name leads nowhere any more, not even to an order that was remembered; and it may come again.
    let answer = charge();
    assert!(answer.status >= 400 && !answer.text().contains(&id), "{}", answer.text());
    assert_eq!(reserve().status, 200);
    assert_eq!(server.orders().len(), 2);
}
