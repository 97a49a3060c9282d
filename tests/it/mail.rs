//! Mails to buyers: by an independent mail server, read by other libraries; and by a relay that goes away, refuses
//! and does not answer, while the process is killed.

use crate::harness::*;
use nts_testkit::smtp::{Does, Relay, Step, Taken};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const FROM: &str = "Théâtre \"Süd\" <tickets@example.org>";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/mail").join(name)
}

/// A mail server that is not ours.
struct Aiosmtpd {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Aiosmtpd {
    fn start(python: &Path, dir: &Dir, words: &[&str]) -> Aiosmtpd {
        let folder = dir.path("mails");
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(python);
        command
            .args(["-W", "ignore"])
            .arg(script("server.py"))
            .arg("--folder")
            .arg(&folder)
            .args(words);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("its port");
        Aiosmtpd { child, port, folder }
    }

    /// The mails that have come: the envelope, and what another library reads in it.
    fn mails(&self, python: &Path, count: usize) -> Vec<(Value, Value)> {
        let envelope = |n: usize| self.folder.join(format!("{n}.json"));
        eventually("the mails are there", || envelope(count).exists());
        let read = |n: usize| {
            let told = std::fs::read(envelope(n)).unwrap();
            let mail = std::fs::read(self.folder.join(format!("{n}.eml"))).unwrap();
            (serde_json::from_slice(&told).unwrap(), read_mail(python, &mail))
        };
        (1..=count).map(read).collect()
    }
}

impl Drop for Aiosmtpd {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn read_mail(python: &Path, mail: &[u8]) -> Value {
    let mut command = Command::new(python);
    let mut child = command
        .arg(script("read.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(mail).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A certificate for this machine, and the one that has signed it, in files.
fn certificates(dir: &Dir) -> (String, String, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_file = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let of = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = of.signed_by(&key, &issuer).unwrap().pem();
    let write = |name: &str, text: String| {
        std::fs::write(dir.path(name), text).unwrap();
        dir.path(name).to_str().unwrap().to_owned()
    };
    (
        write("ca.pem", ca_file),
        write("certificate.pem", certificate),
        write("key.pem", key.serialize_pem()),
    )
}

/// Makes an event whose words are in several scripts.
fn make_event(server: &Server) {
    let mut event = event_json(5_000, 3600);
    event["name"] = json!("Ärger im Théâtre – Ἀντιγόνη ☂");
    event["place"] = json!("Süd-Bühne; Raum 1, Прага");
    let request = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert!(matches!(server.send(request).status, 200 | 201));
}

/// Buys so many tickets; the paid order.
fn buy(server: &Server, name: &str, email: &str, quantity: i64) -> Value {
    let order = Request::new("POST", "/api/v1/events/rock/orders").json(&json!({
        "buyer": {"name": name, "email": email},
        "lines": [{"ticket_type": "adult", "quantity": quantity}],
    }));
    let order = server.send(order);
    assert_eq!(order.status, 201, "{order:?}");
    let order = order.json();
    let mut paid = server.send(pay(&order, "ctoken_ok")).json();
    eventually("it is paid", || {
        paid = server.send(look(&order)).json();
        paid["state"] == "paid"
    });
    paid
}

fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let all = mail["headers"].as_array().unwrap().iter();
    all.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
}

/// Sells with this relay, and lets others read the mails.
fn sale_by(dir: &Dir, python: &Path, relay: &Aiosmtpd, settings: &[(&str, &str)]) {
    let server = Server::start_with(dir, settings);
    make_event(&server);
    let names = ["Käthe Łuczak", "Σοφία Ιωάννου", "Ольга Щукина", "山田 花子", "ליאת \"Q\" <x>"];
    let mut orders = BTreeMap::new();
    for (n, name) in names.iter().enumerate() {
        let email = format!("buyer{n}@example.org");
        orders.insert(email.clone(), (*name, buy(&server, name, &email, 1 + n as i64 % 2)));
    }
    let mails = relay.mails(python, names.len());
    let mut to = BTreeSet::new();
    for (envelope, mail) in &mails {
        assert_eq!(envelope["from"], "tickets@example.org");
        assert_eq!(envelope["smtputf8"], false);
        let address = envelope["to"][0].as_str().unwrap();
        assert!(to.insert(address), "{address} has two mails");
        let (name, order) = &orders[address];
        assert_eq!(mail["defects"], json!([]), "{mail:#}");
        assert_eq!((&mail["bare"], mail["longest_line"].as_u64() < Some(998)), (&json!(0), true));
        for (field, value) in [("to", address), ("auto-submitted", "auto-generated")] {
            assert_eq!(header(mail, field), [value]);
        }
        for field in ["subject", "date", "message-id", "mime-version", "from"] {
            assert_eq!(header(mail, field).len(), 1, "{field}: {mail:#}");
        }
        assert_eq!(mail["from_name"], "Théâtre \"Süd\"");
        assert_eq!(mail["from_address"], "tickets@example.org");
        assert!(header(mail, "message-id")[0].ends_with("@example.org>"));
        let subject = header(mail, "subject")[0];
        assert!(subject.contains("Ärger im Théâtre – Ἀντιγόνη ☂"), "{subject}");
        // Two texts, then the pictures that the second shows, then the file.
        let tickets = order["tickets"].as_array().unwrap();
        let mut related = vec![
            json!("multipart/related"),
            json!(["multipart/alternative", "text/plain", "text/html"]),
        ];
        related.extend(tickets.iter().map(|_| json!("image/png")));
        assert_eq!(mail["shape"], json!(["multipart/mixed", related, "text/calendar"]));
        let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
        assert!(text.contains(name), "{name}: {text}");
        let pictures = mail["inline"].as_array().unwrap();
        for (ticket, picture) in tickets.iter().zip(pictures) {
            let id = picture["id"].as_str().unwrap().trim_matches(['<', '>']);
            assert!(html.contains(&format!("cid:{id}\"")), "{id}: {html}");
            let code = ticket["code"].as_str().unwrap();
            assert!(text.contains(code) && html.contains(code), "{code}: {text}");
            // Its own page, or what people type.
            let url = ticket["url"].as_str().unwrap_or(code);
            qr_is(dir, picture, &[code, url]);
        }
        let calendar = &mail["calendar"];
        assert_eq!((&calendar["events"], &calendar["errors"]), (&json!(1), &json!([])));
        assert_eq!(calendar["start"], "2030-06-01T19:00:00+00:00");
        let summary = calendar["summary"].as_str().unwrap();
        assert!(summary.contains("Ärger im Théâtre – Ἀντιγόνη ☂"), "{summary}");
        let place = calendar["location"].as_str().unwrap();
        assert!(place.contains("Süd-Bühne; Raum 1, Прага"), "{place}");
        let file = &mail["attachments"][0];
        assert!(file["name"].as_str().unwrap().ends_with(".ics"), "{file}");
    }
    assert_eq!(to.len(), names.len());
}

/// Whether another decoder reads one of these in a picture.
fn qr_is(dir: &Dir, picture: &Value, codes: &[&str]) {
    use base64::Engine as _;
    let png = picture["base64"].as_str().unwrap();
    let png = base64::engine::general_purpose::STANDARD.decode(png).unwrap();
    std::fs::write(dir.path("qr.png"), png).unwrap();
    let file = dir.path("qr.png");
    let words = ["--quiet", "--raw", file.to_str().unwrap()];
    if let Some(read) = nts_testkit::tool("zbarimg", "zbar-tools", &words, &[]) {
        let read = String::from_utf8(read).unwrap();
        assert!(codes.contains(&read.trim_end()), "{read}: {codes:?}");
    }
}

#[test]
fn mails_are_read_by_others_after_they_came_by_tls_with_a_password() {
    let Some(python) = python() else { return };
    for kind in ["smtps", "smtp"] {
        let dir = Dir::new("mail");
        let (ca, certificate, key) = certificates(&dir);
        let mut words = vec!["--certificate", &certificate, "--key", &key, "--user", "ann@relay"];
        words.extend(["--password", "p@ss:w/rd%é"]);
        if kind == "smtp" {
            words.push("--starttls");
        }
        let relay = Aiosmtpd::start(&python, &dir, &words);
        let query = if kind == "smtp" { "?tls=required" } else { "" };
        let port = relay.port;
        let url = format!("{kind}://ann%40relay:p%40ss%3Aw%2Frd%25%C3%A9@localhost:{port}{query}");
        let settings = [("NTS_SMTP", &*url), ("NTS_SMTP_CA", &ca), ("NTS_MAIL_FROM", FROM)];
        sale_by(&dir, &python, &relay, &settings);
        let envelope = std::fs::read(relay.folder.join("1.json")).unwrap();
        let envelope: Value = serde_json::from_slice(&envelope).unwrap();
        assert_eq!((&envelope["tls"], &envelope["user"]), (&json!(true), &json!("ann@relay")));
        assert_eq!(envelope["hello"], "example.org");

        // The same by hand; a wrong password, and a certificate that nobody has signed.
        let test = |settings: &[(&str, &str)]| {
            let mut command = nts(&dir);
            command.args(["mail", "test", "someone@example.org"]).envs(settings.iter().copied());
            let output = command.output().unwrap();
            (output.status.code(), said(&output))
        };
        let (code, told) = test(&settings);
        assert_eq!(code, Some(0), "{told}");
        for part in [
            "TLS 1.3: the certificate is valid for localhost.",
            "AUTH: 235",
            "RCPT TO:<someone@example.org>: 250",
            "DATA: 354",
            "The mail: 250 taken",
            "TXT at _dmarc.example.org",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("p@ss"), "{told}");
        let wrong = url.replace("p%40ss", "PASSWORD");
        let mut other = settings;
        other[0].1 = &wrong;
        let (code, told) = test(&other);
        assert!(code == Some(1) && told.contains("logging in: the relay said 535"), "{told}");
        assert!(!told.contains("PASSWORD"), "{told}");
        let (code, told) = test(&[settings[0], settings[2]]);
        assert!(code == Some(1) && told.contains("certificate is not believed"), "{told}");
    }
}

#[test]
fn wrong_settings_of_mail_end_a_start_and_are_told_without_the_password() {
    let dir = Dir::new("mail-settings");
    let run = |settings: &[(&str, &str)], words: &[&str]| {
        let output = nts(&dir).envs(settings.iter().copied()).args(words).output().unwrap();
        (output.status.success(), said(&output))
    };
    let good = ("NTS_SMTP", "smtps://ann:PASSWORD@mail.example.org");
    let from = ("NTS_MAIL_FROM", "tickets@example.org");
    for (settings, told) in [
        (&[good][..], "NTS_SMTP is set and NTS_MAIL_FROM is not"),
        (&[good, ("NTS_MAIL_FROM", "Town Hall")], "NTS_MAIL_FROM: this is no sender"),
        (&[("NTS_SMTP", "smtps://ann:PASS@WORD@mail.example.org"), from], "write @ as %40"),
        (&[good, from, ("NTS_SMTP_CA", "nowhere.pem")], "NTS_SMTP_CA=nowhere.pem: "),
    ] {
        let (ok, said) = run(settings, &["--address", "127.0.0.1:0"]);
        assert!(!ok && said.contains(told), "{told}: {said}");
        assert!(!said.contains("PASS"), "{said}");
    }
    let (ok, said) = run(&[good, from], &["config"]);
    assert!(ok && said.contains("NTS_SMTP=(set, not shown)"), "{said}");
    assert!(!said.contains("PASSWORD"), "{said}");
    std::fs::write(dir.path("secret"), "smtps://ann:PASSWORD@mail.example.org\n").unwrap();
    let (ok, said) = run(&[("NTS_SMTP_FILE", "secret"), from], &["config"]);
    assert!(
        ok && said.contains("NTS_SMTP=(set, not shown)") && !said.contains("PASSWORD"),
        "{said}"
    );
    let (ok, said) = run(&[], &["mail", "test", "ann@example.org"]);
    assert!(!ok && said.contains("NTS_SMTP is not set"), "{said}");
}

/// The settings for a relay of ours.
fn by(relay: &Relay) -> String {
    format!("smtp://{}", relay.address)
}

/// The mails by the address that they went to.
fn by_address(taken: &[Taken]) -> BTreeMap<String, Vec<Taken>> {
    let mut all: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
    for mail in taken {
        all.entry(mail.to.clone()).or_default().push(mail.clone());
    }
    all
}

#[test]
fn whoever_paid_has_a_mail_after_twenty_kills() {
    let dir = Dir::new("mail-kills");
    // Now and then it takes a mail and says nothing: those may come twice. What came after a kill without
    // that, too: the process did not live to write down that it was taken.
    let (mut n, silent) = (0u32, Arc::new(Mutex::new(BTreeSet::new())));
    let unanswered = Arc::clone(&silent);
    let relay = Relay::with(&["8BITMIME"], move |step, line| {
        if step != Step::End {
            return Does::Usual;
        }
        n += 1;
        if n.is_multiple_of(7) {
            unanswered.lock().unwrap().insert(line.to_owned());
            return Does::TakesAndCloses;
        }
        Does::Usual
    });
    let url = by(&relay);
    let settings =
        [("NTS_SMTP", &*url), ("NTS_MAIL_FROM", "t@example.org"), ("NTS_MAIL_RATE", "1000")];
    let paid = Mutex::new(BTreeSet::new());
    let buyers = AtomicU32::new(0);
    // After which connection each life ended.
    let mut lives = Vec::new();
    for life in 0..20 {
        let server = Server::start_with(&dir, &settings);
        if life == 0 {
            make_event(&server);
        }
        let address = server.address.clone();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| buy_until_it_ends(&address, &buyers, &paid));
            }
            // Between the commit and the mail, during the mail, and after some.
            let (before, sold) = (relay.taken().len(), paid.lock().unwrap().len());
            eventually("some have paid", || paid.lock().unwrap().len() > sold + life % 3);
            if life % 4 > 0 {
                eventually("some have mails", || relay.taken().len() >= before + life % 4);
            }
            server.kill();
        });
        lives.push(relay.connections());
    }
    let server = Server::start_with(&dir, &settings);
    let paid = paid.into_inner().unwrap();
    let begun = Instant::now();
    // What a killed process was about to send is left to it for some two minutes.
    let missing = loop {
        let all = by_address(&relay.taken());
        let missing: Vec<_> = paid.iter().filter(|to| !all.contains_key(*to)).collect();
        if missing.is_empty() || begun.elapsed() > Duration::from_secs(240) {
            break missing.into_iter().cloned().collect::<Vec<_>>();
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(missing.is_empty(), "they have paid and have no mail: {missing:?}");
    drop(server);
    let silent = silent.lock().unwrap();
    let life_of = |mail: &Taken| lives.partition_point(|last| *last < mail.connection);
    let (mut twice, mut killed) = (0, 0);
    for (to, mails) in by_address(&relay.taken()) {
        let ids: BTreeSet<_> = mails.iter().map(|mail| mail.header("message-id")).collect();
        assert_eq!(ids.len(), 1, "{to}: each try has the same Message-ID");
        if mails.len() > 1 && silent.contains(&to) {
            twice += 1;
        } else if mails.len() > 1 {
            let of: BTreeSet<usize> = mails.iter().map(life_of).collect();
            assert_eq!(of.len(), mails.len(), "{to}: twice in one life, though it was answered");
            killed += 1;
        }
        assert!(mails.len() <= 4, "{to}: {}", mails.len());
    }
    // At most what was under way at each kill.
    assert!(killed <= 20 * 8, "{killed}");
    println!("{} paid; twice after no answer: {twice}, after a kill: {killed}", paid.len());
    assert!(paid.len() >= 40, "too few to prove much: {}", paid.len());
}

/// Buys until the server is gone. Notes who was told that they have paid.
fn buy_until_it_ends(address: &str, buyers: &AtomicU32, paid: &Mutex<BTreeSet<String>>) {
    loop {
        let n = buyers.fetch_add(1, Ordering::SeqCst);
        let Ok(order) = hold(&format!("buyer{n}"), 1).send(address) else { return };
        assert_eq!(order.status, 201, "{order:?}");
        let Ok(answer) = pay(&order.json(), "ctoken_ok").send(address) else { return };
        if answer.status == 200 && answer.json()["state"] == "paid" {
            paid.lock().unwrap().insert(format!("buyer{n}@example.org"));
        }
    }
}

#[test]
fn mails_wait_for_a_relay_that_is_away_and_then_go_at_the_rate() {
    const RATE: usize = 8;
    const ORDERS: usize = 30;
    let dir = Dir::new("mail-away");
    let relay = Relay::start();
    let (url, address) = (by(&relay), relay.address);
    drop(relay);
    let rate = RATE.to_string();
    let settings =
        [("NTS_SMTP", &*url), ("NTS_MAIL_FROM", "t@example.org"), ("NTS_MAIL_RATE", &rate)];
    let server = Server::start_with(&dir, &settings);
    make_event(&server);
    for n in 0..ORDERS {
        buy(&server, "Ann", &format!("buyer{n}@example.org"), 1);
    }
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("nts_mails_waiting"), "{metrics}");
    let relay = Relay::at(address, &["8BITMIME"], |_, _| Does::Usual);
    let begun = Instant::now();
    // Who was tried in vain waits a minute before the next try.
    while relay.taken().len() < ORDERS && begun.elapsed() < Duration::from_secs(240) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let taken = relay.taken();
    assert_eq!(taken.len(), ORDERS, "all of them arrive, once");
    assert_eq!(by_address(&taken).len(), ORDERS);
    let at: Vec<Instant> = taken.iter().map(|mail| mail.at).collect();
    let in_a_second = |from: &Instant| {
        at.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count()
    };
    let most = at.iter().map(in_a_second).max().unwrap();
    // What was allowed before may come at once, and is bounded by the connections.
    assert!(most <= RATE + 4 + 1, "{most} in a second");
}
