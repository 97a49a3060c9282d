//! Webhooks: from a sale to a receiver over real HTTP, with signatures that another library checks.

use crate::harness::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A message as it arrived.
#[derive(Clone, Debug)]
struct Came {
    at: Instant,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Came {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    fn told(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        text(&self.told(), "type")
    }
}

/// A receiver on this machine, which does what the path says: `/hangs`, `/closes`, or a status such as `/500`.
#[derive(Clone)]
struct Receiver {
    port: u16,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Receiver { port, came: Arc::default() };
        let own = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(stream));
            }
        });
        receiver
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut read = Vec::new();
        let (head, mut body) = loop {
            let mut some = [0; 4_096];
            let n = stream.read(&mut some).ok().filter(|n| *n > 0)?;
            read.extend_from_slice(&some[..n]);
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                break (head.to_owned(), body.to_owned());
            }
        };
        let mut lines = head.lines();
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        };
        let headers: Vec<(String, String)> = lines.filter_map(pair).collect();
        let mut came = Came { at: Instant::now(), path, headers, body: String::new() };
        let length: usize = came.header("content-length").parse().ok()?;
        while body.len() < length {
            let mut some = [0; 4_096];
            let n = stream.read(&mut some).ok().filter(|n| *n > 0)?;
            body += &String::from_utf8_lossy(&some[..n]);
        }
        came.body = body;
        let path = came.path.clone();
        self.came.lock().unwrap().push(came);
        let more = match path.as_str() {
            "/hangs" => {
                std::thread::sleep(Duration::from_secs(60));
                return None;
            }
            "/closes" => return None,
            "/302" => format!("location: http://127.0.0.1:{}/200\r\n", self.port),
            _ => String::new(),
        };
        let status = path[1..].parse().unwrap_or(204);
        let answer = format!("HTTP/1.1 {status} x\r\n{more}content-length: 5\r\n\r\nwords");
        stream.write_all(answer.as_bytes()).ok()
    }

    fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn at(&self, path: &str) -> Vec<Came> {
        let came = self.came.lock().unwrap();
        came.iter().filter(|came| came.path == path).cloned().collect()
    }
}

fn api(server: &Server, method: &'static str, path: &str, body: &Value) -> Answer {
    let request = Request::new(method, &format!("/api/v1/webhooks{path}")).bearer(KEY);
    server.send(if body.is_null() { request } else { request.json(body) })
}

/// Makes a webhook; gives its id and its secret.
fn made(server: &Server, url: &str) -> (String, String) {
    let answer = api(server, "POST", "", &json!({"url": url}));
    assert_eq!(answer.status, 201, "{answer:?}");
    let made = answer.json();
    (text(&made, "id"), text(&made, "secret"))
}

fn paid(server: &Server, name: &str) -> Value {
    let order = server.send(hold(name, 1)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    order
}

/// The library of Standard Webhooks in a language.
enum Library {
    /// For Python, which lies where this Python looks.
    Python(PathBuf),
    /// For JavaScript, in this folder.
    JavaScript(PathBuf),
}

impl Library {
    /// Those that are there.
    fn all() -> Vec<Library> {
        let name = "standardwebhooks";
        let script = nts_testkit::fetched(name, name, "tools/standardwebhooks");
        let script = script.map(|folder| Library::JavaScript(folder.join("node_modules")));
        python().map(Library::Python).into_iter().chain(script).collect()
    }

    fn command(&self) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/webhooks");
        match self {
            Library::Python(python) => {
                let mut command = Command::new(python);
                command.arg(scripts.join("verify.py"));
                command
            }
            Library::JavaScript(folder) => {
                let mut command = Command::new("node");
                command.arg(scripts.join("verify.cjs")).env("NODE_PATH", folder);
                command
            }
        }
    }
}

/// What a library of Standard Webhooks says of a message.
fn verified(library: &Library, secret: &str, came: &Came, body: &str) -> Option<Value> {
    let headers: serde_json::Map<String, Value> =
        came.headers.iter().map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect();
    let mut child = library
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({"secret": secret, "headers": headers, "body": body});
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Some(serde_json::from_slice(&output.stdout).unwrap()),
        Some(3) => None,
        _ => panic!("{why}"),
    }
}

#[test]
fn the_libraries_of_standard_webhooks_take_our_signatures() {
    let libraries = Library::all();
    if crate::ON_POSTGRES || libraries.is_empty() {
        return;
    }
    let (dir, receiver) = (Dir::new("webhook-signed"), Receiver::start());
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let (id, secret) = made(&server, &receiver.address("/hook"));
    assert!(secret.starts_with("whsec_"));
    let order = paid(&server, "Ann");
    eventually("both messages arrive", || receiver.at("/hook").len() >= 2);
    let came = receiver.at("/hook");
    for (library, came) in
        libraries.iter().flat_map(|library| came.iter().map(move |c| (library, c)))
    {
        let told = verified(library, &secret, came, &came.body).expect("it is genuine");
        assert_eq!(told["data"]["order"], order["id"]);
        assert_eq!(told["live"], false);
        assert!(came.header("webhook-id").starts_with("msg_"));
        assert_eq!(verified(library, &secret, came, &came.body.replace("rock", "jazz")), None);
        assert_eq!(verified(library, "whsec_AAAA", came, &came.body), None);
    }
    // While it changes, whoever has either secret can check.
    let renewed = api(&server, "POST", &format!("/{id}/secret"), &Value::Null).json();
    let new = text(&renewed, "secret");
    assert_ne!(new, secret);
    assert!(renewed["old_secret_until"].is_string());
    // Whoever has lost the answer asks again, and gets the same.
    let again = api(&server, "POST", &format!("/{id}/secret"), &Value::Null).json();
    assert_eq!(again["secret"], new);
    paid(&server, "Bob");
    eventually("two more arrive", || receiver.at("/hook").len() >= 4);
    let came = receiver.at("/hook").pop().unwrap();
    assert_eq!(came.header("webhook-signature").split(' ').count(), 2);
    for library in &libraries {
        for secret in [&secret, &new] {
            assert!(verified(library, secret, &came, &came.body).is_some());
        }
    }
    let at_once = api(&server, "POST", &format!("/{id}/secret?at_once=true"), &Value::Null).json();
    assert_ne!(at_once["secret"], new);
    assert_eq!(at_once["old_secret_until"], Value::Null);
    paid(&server, "Cid");
    eventually("two more arrive", || receiver.at("/hook").len() >= 6);
    let came = receiver.at("/hook").pop().unwrap();
    assert_eq!(came.header("webhook-signature").split(' ').count(), 1);
    for library in &libraries {
        assert_eq!(verified(library, &new, &came, &came.body), None);
        assert!(verified(library, &text(&at_once, "secret"), &came, &came.body).is_some());
    }
}

/// The process dies again and again while messages are owed and sent.
#[test]
fn after_kills_each_sale_that_was_acknowledged_is_told() {
    let (dir, receiver) = (Dir::new("webhook-kills"), Receiver::start());
    let server = Server::start(&dir);
    server.make_event(1_000, 3_600);
    made(&server, &receiver.address("/hook"));
    server.stop();
    let mut sold = BTreeSet::new();
    let lives = if crate::ON_POSTGRES { 3 } else { 8 };
    for life in 0..lives {
        let server = Server::start(&dir);
        for n in 0..6 {
            sold.insert(text(&paid(&server, &format!("buyer{life}-{n}")), "id"));
        }
        // At once: hardly anything was sent yet.
        server.kill();
    }
    let _server = Server::start(&dir);
    let told = || -> BTreeSet<String> {
        let paid = receiver.at("/hook").into_iter().filter(|came| came.kind() == "order.paid");
        paid.map(|came| text(&came.told()["data"], "order")).collect()
    };
    // What a killed process had taken is free after two minutes.
    let begun = Instant::now();
    while !sold.is_subset(&told()) {
        assert!(begun.elapsed() < Duration::from_secs(240), "{:?}", sold.difference(&told()));
        std::thread::sleep(Duration::from_millis(200));
    }
    println!(
        "{} sales of {lives} lives were told, the last {:?} after the last kill",
        sold.len(),
        begun.elapsed()
    );
}

#[test]
fn receivers_that_fail_delay_no_other() {
    let (dir, receiver) = (Dir::new("webhook-fair"), Receiver::start());
    let server = Server::start(&dir);
    server.make_event(1_000, 3_600);
    let paths = ["/hangs", "/500", "/302", "/closes", "/410"];
    let ids: Vec<String> =
        paths.iter().map(|path| made(&server, &receiver.address(path)).0).collect();
    made(&server, &receiver.address("/works"));
    let mut slowest = Duration::ZERO;
    for n in 0..40 {
        let before = receiver.at("/works").len();
        let begun = Instant::now();
        paid(&server, &format!("buyer{n}"));
        eventually("it is told", || receiver.at("/works").len() >= before + 2);
        let last = receiver.at("/works").pop().unwrap();
        slowest = slowest.max(last.at - begun);
    }
    println!("beside five that fail, the slowest message arrived after {slowest:?}");
    assert_eq!(receiver.at("/200").len(), 0, "a redirect is not followed");
    for path in paths {
        assert!(!receiver.at(path).is_empty(), "{path} was tried");
    }
    assert!((1..=8).contains(&receiver.at("/410").len()), "those that were under way at once");
    let look = |id: &str| api(&server, "GET", &format!("/{id}"), &Value::Null).json();
    eventually("the one that is gone is off", || look(&ids[4])["enabled"] == false);
    assert!(text(&look(&ids[4]), "disabled_reason").contains("410"));
    eventually("the others are failing", || {
        ids[..4].iter().all(|id| look(id)["failing_since"].is_string())
    });
    let of = |id: &str| {
        let found = api(&server, "GET", &format!("/{id}/deliveries?limit=500"), &Value::Null);
        found.json()["deliveries"].as_array().unwrap().clone()
    };
    let tried = of(&ids[1]).into_iter().find(|d| d["last"].is_object()).expect("one was tried");
    assert_eq!(tried["last"]["status"], 500);
    assert_eq!(tried["last"]["answer"], "words");
    assert!(tried["last"]["duration_ms"].is_i64() && tried["last"]["error"].is_string(), "{tried}");
    assert_eq!(tried["state"], "waiting");
}

#[test]
fn webhooks_are_managed_by_programs() {
    let (dir, receiver) = (Dir::new("webhook-api"), Receiver::start());
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let none = api(&server, "GET", "", &Value::Null).json();
    assert_eq!(none, json!({"webhooks": []}));
    for (body, part) in [
        (json!({}), "url:"),
        (json!({"url": "http://example.org/"}), "https"),
        (json!({"url": "https://10.0.0.1/"}), "NTS_WEBHOOK_ALLOW"),
        (json!({"url": "https://169.254.169.254/latest/meta-data"}), "public internet"),
        (json!({"url": "https://example.org/", "types": []}), "types:"),
        (json!({"url": "https://example.org/", "types": ["order.eaten"]}), "order.paid"),
        (json!({"url": "https://example.org/", "enabled": false}), "enabled:"),
        (json!({"url": "https://example.org/", "odd": 1}), "odd"),
    ] {
        let refused = api(&server, "POST", "", &body);
        assert_eq!(refused.code(), Some(ProblemCode::Invalid), "{body}: {refused:?}");
        assert!(refused.text().contains(part), "{body}: {refused:?}");
    }
    let unknown = json!({"url": "https://example.org/", "event": "nothing"});
    assert_eq!(api(&server, "POST", "", &unknown).code(), Some(ProblemCode::UnknownEvent));
    let body = json!({"url": receiver.address("/hook"), "types": ["order.paid"], "event": "rock"});
    let made = api(&server, "POST", "", &body).json();
    let id = text(&made, "id");
    assert_eq!(made["types"], json!(["order.paid"]));
    assert_eq!(made["event"], "rock");
    let shown = api(&server, "GET", &format!("/{id}"), &Value::Null).json();
    assert_eq!(shown["secret"], Value::Null, "it is shown once");
    assert_eq!(api(&server, "GET", "", &Value::Null).json()["webhooks"], json!([shown]));
    paid(&server, "Ann");
    eventually("it is told", || receiver.at("/hook").len() == 1);
    let deliveries = || {
        let found = api(&server, "GET", &format!("/{id}/deliveries"), &Value::Null).json();
        found["deliveries"].as_array().unwrap().clone()
    };
    eventually("it is recorded", || deliveries()[0]["state"] == "delivered");
    let delivery = deliveries().remove(0);
    assert_eq!(delivery["last"]["status"], 204);
    let again = format!("/{id}/deliveries/{}/replay", text(&delivery, "id"));
    assert_eq!(api(&server, "POST", &again, &Value::Null).status, 202);
    eventually("it is sent again", || receiver.at("/hook").len() == 2);
    let came = receiver.at("/hook");
    assert_eq!(came[0].header("webhook-id"), came[1].header("webhook-id"));
    assert_eq!(api(&server, "POST", &format!("/{id}/test"), &Value::Null).status, 202);
    eventually("the test arrives", || receiver.at("/hook").len() == 3);
    assert_eq!(receiver.at("/hook")[2].kind(), "webhook.test");
    let page = api(&server, "GET", &format!("/{id}/deliveries?limit=1"), &Value::Null).json();
    let next = format!("/{id}/deliveries?limit=1&after={}", text(&page, "next"));
    let page = api(&server, "GET", &next, &Value::Null).json();
    assert_eq!(page["deliveries"][0]["id"], delivery["id"]);
    let off = api(&server, "PATCH", &format!("/{id}"), &json!({"enabled": false, "types": ["*"]}));
    assert_eq!((&off.json()["enabled"], &off.json()["types"]), (&json!(false), &json!(["*"])));
    paid(&server, "Bob");
    assert_eq!(deliveries().len(), 2, "nothing more is owed to it");
    for (method, path) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")] {
        let body = if method == "PATCH" { json!({}) } else { Value::Null };
        for odd in ["/nothing", "/00000000-0000-7000-8000-000000000000"] {
            let answer = api(&server, method, &format!("{odd}{path}"), &body);
            assert_eq!(answer.code(), Some(ProblemCode::NotFound), "{method} {odd}: {answer:?}");
        }
    }
    // What waits and is not wanted any more says so.
    let narrow = json!({"enabled": true, "types": ["event.sold_out"]});
    assert_eq!(api(&server, "PATCH", &format!("/{id}"), &narrow).status, 200);
    let old = deliveries().remove(1);
    assert_eq!(old["type"], "order.paid");
    let again = format!("/{id}/deliveries/{}/replay", text(&old, "id"));
    assert_eq!(api(&server, "POST", &again, &Value::Null).status, 202);
    eventually("it is not sent", || deliveries()[1]["state"] == "unwanted");
    assert_eq!(receiver.at("/hook").len(), 3);
    assert_eq!(api(&server, "DELETE", &format!("/{id}"), &Value::Null).status, 204);
    assert_eq!(api(&server, "GET", "", &Value::Null).json(), json!({"webhooks": []}));
}

#[test]
fn webhooks_are_managed_in_the_office() {
    if crate::ON_POSTGRES {
        return;
    }
    let (dir, receiver) = (Dir::new("webhook-office"), Receiver::start());
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let form = |path: &str, fields: &[(&str, &str)]| {
        server.send(Request::form(&format!("/office/webhooks{path}"), fields).bearer(KEY))
    };
    let wrong = form("", &[("address", "https://10.0.0.1/<b>"), ("every", "yes")]);
    assert_eq!(wrong.status, 422);
    let wrong = form("", &[("address", "https://10.0.0.1/"), ("every", "yes")]);
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("NTS_WEBHOOK_ALLOW") && wrong.text().contains("https://10.0.0.1/")
    );
    let none = form("", &[("address", "https://example.org/")]);
    assert!(none.status == 422 && none.text().contains("choose everything"));
    let made = form("", &[("address", &receiver.address("/500")), ("every", "yes")]);
    assert_eq!(made.status, 200);
    let page = made.text();
    assert!(page.contains("whsec_") && page.contains("shown this once"));
    let id = page.split("href=\"/office/webhooks/").nth(1).unwrap().split('"').next().unwrap();
    let show = || server.send(Request::get(&format!("/office/webhooks/{id}")).bearer(KEY)).text();
    assert!(!show().contains("whsec_"));
    assert_eq!(form(&format!("/{id}"), &[("do", "test")]).status, 303);
    eventually("it was tried", || show().contains("Last answer: 500"));
    assert!(show().contains("No message has arrived since"));
    let address = receiver.address("/hook");
    let moved = form(&format!("/{id}"), &[("do", "address"), ("address", &address)]);
    assert_eq!(moved.status, 303);
    let message = show().split("value=\"msg_").nth(1).unwrap()[..32].to_owned();
    let replayed =
        form(&format!("/{id}"), &[("do", "replay"), ("message", &format!("msg_{message}"))]);
    assert_eq!(replayed.status, 303);
    eventually("it is delivered", || show().contains("delivered"));
    let wrong = form(&format!("/{id}"), &[("do", "address"), ("address", "ftp://x")]);
    assert!(wrong.status == 422 && wrong.text().contains("does not begin with https://"));
    assert_eq!(form(&format!("/{id}"), &[("do", "off")]).status, 303);
    assert!(show().contains(">Off<"));
    assert!(form(&format!("/{id}"), &[("do", "secret")]).text().contains("whsec_"));
    assert_eq!(form(&format!("/{id}"), &[("do", "nothing")]).status, 400);
    assert_eq!(form(&format!("/{id}"), &[("do", "delete")]).status, 303);
    let list = server.send(Request::get("/office/webhooks").bearer(KEY)).text();
    assert!(!list.contains(id));
}
