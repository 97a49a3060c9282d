//! The settings of the shop and pictures: what the owner says stands on every page.

use crate::forms::PageForm;
use crate::harness::*;
use serde_json::{Value, json};

/// A picture of 40 by 30 points, all of one colour.
const PICTURE: &str = "89504e470d0a1a0a0000000d49484452000000280000001e0802000000d1bfcb8a0000002c4944415478\
    daedcd310d00000803b0294109fe832c64c0d1a47f33d52722168bc562b1582c168bc5e2bff10295044fac1c42d7140000000049454e44\
    ae426082";

fn picture() -> Vec<u8> {
    let digits: Vec<u8> = PICTURE.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A form with a file as browsers send it.
fn with_file(path: &str, field: &str, file: &[u8], texts: &[(&str, &str)]) -> Request {
    let mut body = Vec::new();
    for (name, value) in texts {
        let part =
            format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.into_bytes());
    }
    let head = format!(
        "--xx\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"a.png\"\r\n\
         Content-Type: image/png\r\n\r\n"
    );
    body.extend(head.into_bytes());
    body.extend(file);
    body.extend(b"\r\n--xx--\r\n");
    Request::new("POST", path)
        .bearer(KEY)
        .header("content-type", "multipart/form-data; boundary=xx")
        .body(body)
}

/// The form with a picture in it.
pub fn upload(path: &str, field: &str, texts: &[(&str, &str)]) -> Request {
    with_file(path, field, &picture(), texts)
}

fn page(server: &Server, path: &str) -> String {
    let answer = server.send(Request::get(path).bearer(KEY));
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.text()
}

/// Saves the settings with these fields.
fn save(server: &Server, fields: &[(&str, &str)]) -> Answer {
    let form = PageForm::of(&page(server, "/office/shop"), "/office/shop").unwrap();
    let seen = form.field("seen").unwrap().to_owned();
    let mut all = vec![("seen", seen.as_str())];
    all.extend(fields);
    server.send(Request::form("/office/shop", &all).bearer(KEY))
}

#[test]
fn what_the_owner_says_stands_on_every_page_in_four_languages() {
    let dir = Dir::new("shop-texts");
    let server = Server::start(&dir);
    let before = server.get("/").text();
    for path in ["/imprint", "/terms", "/privacy"] {
        assert_eq!(server.get(path).status, 404);
        assert!(!before.contains(&format!("href=\"{path}\"")));
    }
    let saved = save(
        &server,
        &[
            ("name", "Old Town Hall"),
            ("accent", "#ffee00"),
            ("imprint", "# Who\r\n\r\n**Ann**, <script>x</script> [mail](mailto:a@example.org)"),
            ("terms", "No refunds."),
            ("privacy", "We keep little."),
        ],
    );
    let to = "/office/shop?done=saved";
    assert_eq!((saved.status, saved.header("location")), (303, Some(to)), "{saved:?}");
    let front = server.get("/").text();
    assert!(front.contains("<a href=\"/\">Old Town Hall</a>"), "{front}");
    for (lang, words) in [
        ("en", ["Imprint", "Terms and conditions", "Privacy"]),
        ("de", ["Impressum", "Allgemeine Geschäftsbedingungen", "Datenschutz"]),
        ("fr", ["Mentions légales", "Conditions générales", "Protection des données"]),
        ("es", ["Aviso legal", "Términos y condiciones", "Privacidad"]),
    ] {
        let front = server.get(&format!("/?lang={lang}")).text();
        for (path, word) in ["/imprint", "/terms", "/privacy"].iter().zip(words) {
            assert!(front.contains(&format!("<a href=\"{path}\">{word}</a>")), "{word} in {front}");
            assert!(server.get(&format!("{path}?lang={lang}")).text().contains(word));
        }
    }
    let imprint = server.get("/imprint").text();
    let made = "<h3>Who</h3>\n<p><strong>Ann</strong>, &lt;script&gt;x&lt;/script&gt; \
                <a rel=\"nofollow noopener\" href=\"mailto:a@example.org\">mail</a></p>";
    assert!(imprint.contains(made), "{imprint}");
    // Yellow on white could not be read.
    let sheet = front.split("href=\"").find(|part| part.starts_with("/assets/nts-")).unwrap();
    let sheet = sheet.split('"').next().unwrap();
    assert_eq!(sheet, "/assets/nts-ffee00.css");
    let css = server.get(sheet);
    assert_eq!(css.header("content-type"), Some("text/css; charset=utf-8"));
    let css = css.text();
    assert!(
        css.contains("--accent: #") && !css.contains("--accent: #ffee00; --on-accent: #ffffff")
    );
    assert!(css.contains("--accent: #ffee00; --on-accent: #16151a"), "on dark pages it stays");
    assert_eq!(server.get("/assets/nts-FFEE00.css").status, 404);
    assert_eq!(server.get("/assets/nts-red.css").status, 404);
    // All of it is still there after a restart.
    server.stop();
    let server = Server::start(&dir);
    eventually("the name", || server.get("/").text().contains("Old Town Hall"));
}

#[test]
fn mistakes_are_told_and_two_owners_do_not_overwrite_each_other() {
    let dir = Dir::new("shop-mistakes");
    let server = Server::start(&dir);
    let wrong = save(&server, &[("name", "Hall"), ("accent", "reddish")]);
    assert_eq!(wrong.status, 422);
    let shown = wrong.text();
    assert!(shown.contains("<a href=\"#accent\">Write a colour such as #5a2a83"), "{shown}");
    assert!(shown.contains("value=\"reddish\"") && shown.contains("value=\"Hall\""), "{shown}");
    let old = page(&server, "/office/shop");
    assert_eq!(save(&server, &[("name", "First")]).status, 303);
    let seen = PageForm::of(&old, "/office/shop").unwrap().field("seen").unwrap().to_owned();
    let late = Request::form("/office/shop", &[("seen", &seen), ("name", "Second")]).bearer(KEY);
    let told = server.send(late);
    assert_eq!(told.status, 409);
    let told = told.text();
    assert!(told.contains("Somebody else has changed these settings"), "{told}");
    assert!(server.get("/").text().contains(">First</a>"));
    let form = PageForm::of(&told, "/office/shop").unwrap();
    let seen = form.field("seen").unwrap();
    let again = Request::form("/office/shop", &[("seen", seen), ("name", "Second")]).bearer(KEY);
    assert_eq!(server.send(again).status, 303);
    assert!(server.get("/").text().contains(">Second</a>"));
}

#[test]
fn a_picture_is_written_anew_kept_by_browsers_and_shown_with_links() {
    let dir = Dir::new("shop-picture");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let path = "/office/events/rock/picture";
    let texts = [("alt", "The hall, full")];
    let set = server.send(with_file(path, "picture", &picture(), &texts));
    assert_eq!(set.status, 303, "{set:?}");
    let mut shown = String::new();
    eventually("the page has the picture", || {
        shown = server.get("/events/rock").text();
        shown.contains("<img class=\"picture\"")
    });
    let at = shown.split("src=\"").find(|part| part.starts_with("/pictures/")).unwrap();
    let at = at.split('"').next().unwrap().to_owned();
    assert!(shown.contains("width=\"40\" height=\"30\" alt=\"The hall, full\">"), "{shown}");
    let base = format!("http://localhost:{}", server.address.split(':').nth(1).unwrap());
    for tag in [
        "<meta property=\"og:title\" content=\"Rock\">".to_owned(),
        format!("<meta property=\"og:image\" content=\"{base}{at}\">"),
        format!("<meta property=\"og:url\" content=\"{base}/events/rock\">"),
        "<meta property=\"og:image:alt\" content=\"The hall, full\">".to_owned(),
    ] {
        assert!(shown.contains(&tag), "{tag} in {shown}");
    }
    let got = server.get(&at);
    assert_eq!(got.header("content-type"), Some("image/jpeg"));
    assert!(got.header("cache-control").unwrap().contains("immutable"));
    assert!(got.body.starts_with(&[0xff, 0xd8, 0xff]), "written anew");
    let tag = got.header("etag").unwrap().to_owned();
    let same = server.send(Request::get(&at).header("if-none-match", &tag));
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(server.get("/pictures/00000000000000000000000000000000").status, 404);
    assert_eq!(server.get("/pictures/x").status, 404);
    // Other words for the same picture, and then none.
    let words = server.send(with_file(path, "picture", b"", &[("alt", "Our hall")]));
    assert_eq!(words.status, 303, "{words:?}");
    eventually("other words", || server.get("/events/rock").text().contains("alt=\"Our hall\""));
    let gone = server.send(with_file(path, "picture", b"", &[("do", "remove")]));
    assert_eq!(gone.status, 303);
    eventually("it is gone", || !server.get("/events/rock").text().contains("<img"));
    assert_eq!(server.get(&at).status, 200, "in the memory of this process");
    server.stop();
    let server = Server::start(&dir);
    assert_eq!(server.get(&at).status, 404, "nothing shows it any more");
}

#[test]
fn what_is_no_picture_is_refused_with_the_reason() {
    let dir = Dir::new("shop-no-picture");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let path = "/office/events/rock/picture";
    for (file, words) in [
        (&b"hello"[..], "This file is no picture that can be read."),
        (b"", "Choose a file"),
        (&vec![0; (8 << 20) + 1], "The file is larger than 8 MB."),
    ] {
        let refused = server.send(with_file(path, "picture", file, &[("alt", "x")]));
        assert_eq!(refused.status, 422, "{words}");
        let refused = refused.text();
        assert!(refused.contains(words) && refused.contains("id=\"e-picture\""), "{refused}");
    }
    let far_too_large = server.send(with_file(path, "picture", &vec![0; 9 << 20], &[]));
    assert_eq!(far_too_large.status, 413);
    let logo = server.send(with_file("/office/shop/logo", "logo", &picture(), &[]));
    assert_eq!(logo.status, 303, "{logo:?}");
    let front = server.get("/").text();
    assert!(front.contains("<img class=\"logo\" src=\"/pictures/"), "{front}");
    let gone = server.send(with_file("/office/shop/logo", "logo", b"", &[("do", "remove")]));
    assert_eq!(gone.status, 303);
    assert!(!server.get("/").text().contains("<img"));
}

fn order(server: &Server, name: &str, terms: Option<&str>) -> Answer {
    let email = format!("{name}@example.org");
    let mut fields = vec![("name", name), ("email", &email), ("quantity:adult", "1")];
    fields.extend(terms.map(|version| ("terms", version)));
    server.send(Request::form("/events/rock/orders", &fields))
}

/// The orders of the event, each as the API tells it.
fn accepted(server: &Server) -> Vec<(String, Value)> {
    let orders = server.orders().into_iter().map(|order| {
        let path = format!("/api/v1/orders/{}", text(&order, "id"));
        let order = server.send(Request::get(&path).bearer(KEY)).json();
        (order["buyer"]["name"].as_str().unwrap().to_owned(), order["terms_version"].clone())
    });
    orders.collect()
}

#[test]
fn buyers_accept_the_terms_and_the_order_records_which() {
    let dir = Dir::new("shop-terms");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    assert_eq!(order(&server, "Ann", None).status, 303, "there are no terms");
    assert_eq!(save(&server, &[("terms", "First terms.")]).status, 303);
    eventually("the box", || {
        server.get("/events/rock").text().contains("name=\"terms\" value=\"1\"")
    });
    let refused = order(&server, "Bob", None);
    assert_eq!(refused.status, 400);
    let refused = refused.text();
    assert!(refused.contains("Please accept the terms and conditions to go on"), "{refused}");
    assert!(refused.contains("aria-describedby=\"e-terms\"") && refused.contains("value=\"Bob\""));
    assert_eq!(order(&server, "Bob", Some("1")).status, 303);
    assert_eq!(save(&server, &[("terms", "Second terms.")]).status, 303);
    let late = order(&server, "Cat", Some("1"));
    assert_eq!(late.status, 400);
    assert!(late.text().contains("The terms have changed meanwhile."));
    assert_eq!(order(&server, "Cat", Some("2")).status, 303);
    let mut all = accepted(&server);
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let told: Vec<_> = all.iter().map(|(name, version)| (name.as_str(), version)).collect();
    assert_eq!(told, [("Ann", &Value::Null), ("Bob", &json!(1)), ("Cat", &json!(2))]);
    assert!(server.get("/terms?version=1").text().contains("First terms."));
    assert!(server.get("/terms").text().contains("Second terms."));
    assert_eq!(server.get("/terms?version=3").status, 404);
    // Saving other settings makes no new version.
    assert_eq!(save(&server, &[("terms", "Second terms."), ("name", "Hall")]).status, 303);
    assert!(server.get("/terms").text().contains("Version 2"));
}
