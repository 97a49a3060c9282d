//! Connections that are slow, silent, malformed or never read: each request that was decided is
//! answered, memory stays bounded, and buyers are served meanwhile.

use crate::harness::*;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// More than any of these answers takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn send(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(server);
    // A server may answer and close before it has read everything.
    _ = stream.write_all(bytes);
    stream
}

/// All that comes until the connection ends. It must not end by a reset, which may take an answer with it.
fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    end.unwrap_or_else(|error| panic!("{error} after {answer:?}"));
    answer
}

/// Each answer of those in `raw`: its status, its head and its body.
fn answers(mut raw: &str) -> Vec<(u16, String, String)> {
    let mut answers = Vec::new();
    while let Some(end) = raw.find("\r\n\r\n") {
        let head = raw[..end].to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|l| l.lines().next());
        let length: usize = length.unwrap_or("0").parse().unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = &raw[end + 4..end + 4 + length];
        answers.push((status, head.clone(), body.to_owned()));
        raw = &raw[end + 4 + length..];
    }
    assert!(raw.is_empty(), "something is left over: {raw:?}");
    answers
}

fn hold_bytes(name: &str) -> String {
    let body = json!({
        "buyer": {"name": name, "email": format!("{name}@example.org")},
        "lines": [{"ticket_type": "adult", "quantity": 1}],
    })
    .to_string();
    format!(
        "POST /api/v1/events/rock/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An event whose page is some 50 kB.
fn make_large_event(server: &Server) {
    let mut event = event_json(100_000, 300);
    let kind = |n: u32| {
        json!({"id": format!("t{n}"), "name": format!("Row {n}, {}", "restricted view ".repeat(5)), "pool": "floor",
               "price": {"amount": 2500, "currency": "GBP"}})
    };
    let mut kinds = event["ticket_types"].as_array().unwrap().clone();
    kinds.extend((0..99).map(kind));
    event["ticket_types"] = Value::Array(kinds);
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    let length = server.get("/events/rock").body.len();
    assert!(length > 30_000, "{length}");
}

/// Sends as much of `bytes`, again and again, as the server takes within a while; reads nothing.
fn stuff(stream: &mut TcpStream, bytes: &[u8], times: usize) {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    for _ in 0..times {
        match stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) => {
                let full = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                let gone =
                    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
                assert!(full || gone, "{error}");
                return;
            }
        }
    }
}

#[test]
fn requests_whose_answers_are_never_read_take_no_memory() {
    let dir = Dir::new("unread");
    let server = Server::start(&dir);
    make_large_event(&server);
    let before = server.memory_kb();
    let many = "GET /events/rock HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200) + "GET";
    let mut streams: Vec<TcpStream> = (0..4).map(|_| connect(&server)).collect();
    for stream in &mut streams {
        // What follows the piece of a request makes it whole: some get another answer, all are read.
        stuff(stream, many.as_bytes(), 20);
        assert_eq!(server.send(hold("ann", 1)).status, 201, "a buyer is served meanwhile");
    }
    let grown = server.memory_kb().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} kB for four connections");
}

/// The beginning of a request with a body that never ends.
fn endless(method: &str, path: &str, more: &str) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\n{more}Content-Type: application/json\r\n\
         Content-Length: 262144\r\n\r\n"
    );
    [head.into_bytes(), vec![b' '; 240_000]].concat()
}

#[test]
fn a_body_that_does_not_end_takes_little_memory() {
    let dir = Dir::new("endless");
    let settings = [("NTS_SLOW_CLIENT_MS", "60000"), ("NTS_CONNECTIONS", "400")];
    let server = Server::start_with(&dir, &settings);
    server.make_event(100, 300);
    let before = server.memory_kb();
    let order = "/api/v1/orders/00000000-0000-0000-0000-000000000000";
    let asked = [
        endless("POST", "/api/v1/events/rock/orders", ""),
        endless("POST", "/events/rock/orders", ""),
        endless("PUT", "/api/v1/events/rock", ""),
        endless("PUT", "/api/v1/events/rock", "Authorization: Bearer guessed\r\n"),
        endless("POST", &format!("{order}/pay"), ""),
        endless("POST", &format!("{order}/refunds"), ""),
        endless("POST", "/nts/v1/reserve", ""),
        endless("POST", "/nts/v1/debug/reset", ""),
    ];
    let mut streams = Vec::new();
    for _ in 0..40 {
        streams.extend(asked.iter().map(|bytes| send(&server, bytes)));
    }
    let looks = (0..20).map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        server.memory_kb()
    });
    let grown = looks.max().unwrap().saturating_sub(before);
    assert!(grown < 320 * 64, "{grown} kB for 320 connections");
    is_served_soon(&server, "ann");
    // Without the organiser's key nothing of the body is waited for.
    for mut stream in streams.into_iter().skip(2).step_by(8) {
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status[9..], b"401");
    }
    // With it, an event may be described at length.
    let mut long = event_json(100, 300).to_string().into_bytes();
    long.extend(vec![b' '; 200_000]);
    assert_eq!(server.send(put_event("rock", 100, 300).body(long)).status, 200);
}

#[test]
fn large_notifications_take_little_memory_and_small_ones_are_heard() {
    let dir = Dir::new("endless-webhooks");
    let settings = [
        ("NTS_STRIPE_SECRET_KEY", "sk_test_x"),
        ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_test_x"),
        ("NTS_STRIPE_WEBHOOK_SECRET", "whsec_x"),
        ("NTS_SLOW_CLIENT_MS", "60000"),
    ];
    let server = Server::start_with(&dir, &settings);
    let before = server.memory_kb();
    let large = endless("POST", "/stripe/webhook", "Stripe-Signature: t=1,v1=0\r\n");
    let streams: Vec<TcpStream> = (0..200).map(|_| send(&server, &large)).collect();
    let looks = (0..20).map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        server.memory_kb()
    });
    let grown = looks.max().unwrap().saturating_sub(before);
    assert!(grown < 32 * 600 + 200 * 64, "{grown} kB for 200 notifications");
    let notification = Request::new("POST", "/stripe/webhook").json(&json!({}));
    assert_eq!(server.send(notification.clone()).code(), Some(ProblemCode::BadSignature));
    let whole = notification.body(vec![b' '; 100_000]);
    let busy = server.send(whole.clone());
    assert_eq!((busy.status, busy.code()), (503, Some(ProblemCode::Busy)), "Stripe sends it again");
    drop(streams);
    eventually("there is room again", || {
        server.send(whole.clone()).code() == Some(ProblemCode::BadSignature)
    });
}

#[test]
fn an_answer_before_the_body_says_that_the_connection_ends() {
    let dir = Dir::new("early");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    for (method, path) in [
        ("POST", "/nothing"),
        ("DELETE", "/healthz"),
        ("POST", "/api/v1/orders/1/refunds"),
        ("PUT", "/api/v1/events/rock"),
        ("GET", "/api/v1/events/rock"),
        ("POST", "/stripe/webhook"),
    ] {
        let begin = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
        let mut stream = send(&server, begin.as_bytes());
        let told = answers(&read_all(&mut stream));
        assert_eq!(told.len(), 1, "{method} {path}");
        assert!(told[0].1.contains("connection: close"), "{method} {path}: {}", told[0].1);
    }
    // A body that was read is no reason to end.
    let mut stream = send(&server, hold_bytes("ann").as_bytes());
    stream.write_all(hold_bytes("bob").as_bytes()).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let statuses: Vec<u16> = answers(&read_all(&mut stream)).iter().map(|a| a.0).collect();
    assert_eq!(statuses, [201, 201, 200]);
}

#[test]
fn whatever_follows_a_request_it_is_answered() {
    let dir = Dir::new("followed");
    let server = Server::start_with(&dir, &[("NTS_SLOW_CLIENT_MS", "2000")]);
    server.make_event(1_000, 300);
    let (get, post) = ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", hold_bytes("ann"));
    let long = "x".repeat(200_000);
    for (request, status) in [(get, 200), (post.as_str(), 201)] {
        for (what, after, then) in [
            ("an empty line", "\r\n", None),
            ("bytes beyond its length", "}}", Some(400)),
            ("a piece of the next request", "GET /heal", Some(408)),
            ("the next request", get, Some(200)),
            ("an empty line and the next request", &format!("\r\n{get}"), Some(200)),
            ("garbage", "\u{1}\u{2}\0garbage\r\n\r\n", Some(400)),
            ("much garbage", &format!("{long}\r\n\r\n"), Some(414)),
            ("a malformed request", "GET / HTTP/1.1\r\nHost: x\r\nx\u{1}: y\r\n\r\n", Some(400)),
        ] {
            let held = server.counts().0;
            let mut stream = send(&server, format!("{request}{after}").as_bytes());
            let told = answers(&read_all(&mut stream));
            let statuses: Vec<u16> = told.iter().map(|(status, ..)| *status).collect();
            let expected: Vec<u16> = [Some(status), then].into_iter().flatten().collect();
            assert_eq!(statuses, expected, "{what} after {request:?}");
            let new = u64::from(status == 201);
            assert_eq!(server.counts().0, held + new, "what was decided was told: {what}");
        }
    }
    // The same in two pieces, so that what follows comes after the answer was made.
    let mut stream = connect(&server);
    stream.write_all(post.as_bytes()).unwrap();
    assert_eq!(stream.peek(&mut [0]).unwrap(), 1, "the answer has come");
    stream.write_all(b"garbage\r\n\r\n").unwrap();
    let statuses: Vec<u16> = answers(&read_all(&mut stream)).iter().map(|a| a.0).collect();
    assert_eq!(statuses, [201, 400]);
    // An answer to a request whose body is not read is not lost by the closing of the connection.
    let body = "x".repeat(500_000);
    let refused =
        format!("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n{body}");
    let told = answers(&read_all(&mut send(&server, refused.as_bytes())));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, 404);
}

#[test]
fn a_malformed_head_gets_an_answer_that_says_what_is_wrong() {
    let dir = Dir::new("malformed");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let get = |path: &str, version: &str, headers: &str| {
        format!("GET {path} {version}\r\n{headers}\r\n").into_bytes()
    };
    let post = |headers: &str, body: &str| {
        format!("POST /api/v1/events/rock/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{body}").into_bytes()
    };
    let host = "Host: x\r\n";
    let long = |n: usize| "x".repeat(n);
    let many: String = (0..70).map(|n| format!("X-{n}: y\r\n")).collect();
    for (what, request, status) in [
        ("an address of 20 kB", get(&format!("/{}", long(20_000)), "HTTP/1.1", host), 414),
        ("an address of 80 kB", get(&format!("/{}", long(80_000)), "HTTP/1.1", host), 414),
        ("a header of 17 kB", get("/", "HTTP/1.1", &format!("{host}X: {}\r\n", long(17_000))), 431),
        (
            "many long headers",
            get("/", "HTTP/1.1", &format!("{host}{}", format!("X: {}\r\n", long(4_000)).repeat(9))),
            431,
        ),
        ("70 headers", get("/", "HTTP/1.1", &format!("{host}{many}")), 431),
        ("a folded header", get("/", "HTTP/1.1", "Host: x\r\nX: a\r\n b\r\n"), 400),
        ("a header without a colon", get("/", "HTTP/1.1", "Host: x\r\nnonsense\r\n"), 400),
        ("a blank before a colon", get("/", "HTTP/1.1", "Host: x\r\nX : a\r\n"), 400),
        ("a NUL in a header", get("/", "HTTP/1.1", "Host: x\r\nX: a\0b\r\n"), 400),
        ("a NUL in the address", get("/\0", "HTTP/1.1", host), 400),
        ("a NUL in the method", b"G\0T / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 400),
        ("a blank in the address", get("/a b", "HTTP/1.1", host), 400),
        ("HTTP/9.9", get("/", "HTTP/9.9", host), 505),
        ("HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 505),
        ("HTTP/x", get("/", "HTTP/x", host), 400),
        ("no version", b"GET /\r\n\r\n".to_vec(), 400),
        ("no request at all", b"hello\r\n\r\n".to_vec(), 400),
        ("a TLS greeting", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), 400),
        ("no host", get("/healthz", "HTTP/1.1", ""), 400),
        ("two hosts", get("/healthz", "HTTP/1.1", "Host: x\r\nHost: x\r\n"), 400),
        ("a host that is none", get("/healthz", "HTTP/1.1", "Host: a b\r\n"), 400),
        ("a length with a sign", post("Content-Length: +0", ""), 400),
        ("a negative length", post("Content-Length: -1", ""), 400),
        ("a length in hex", post("Content-Length: 0x10", ""), 400),
        ("a list of lengths", post("Content-Length: 2, 3", "{}"), 400),
        ("an endless length", post("Content-Length: 99999999999999999999999", ""), 400),
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 3", "{}x"), 400),
        ("another coding", post("Transfer-Encoding: gzip", "x"), 400),
        ("a coding twice", post("Transfer-Encoding: chunked, identity", "x"), 400),
        (
            "both ways to tell a length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 2", "zz\r\n"),
            400,
        ),
        (
            "both the other way round",
            post("Content-Length: 2\r\nTransfer-Encoding: chunked", "zz\r\n"),
            400,
        ),
        (
            "two lines of codings",
            post(
                "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
                "2\r\n{}\r\n0\r\n\r\n",
            ),
            400,
        ),
        (
            "a coding on two lines",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                "2\r\n{}\r\n0\r\n\r\n",
            ),
            400,
        ),
        ("a bad chunk", post("Transfer-Encoding: chunked", "xyz\r\n{}\r\n0\r\n\r\n"), 400),
        (
            "a chunk that is longer",
            post("Transfer-Encoding: chunked", "2\r\n{}}}\r\n0\r\n\r\n"),
            400,
        ),
    ] {
        let mut stream = send(&server, &request);
        let told = answers(&read_all(&mut stream));
        let (told_status, head, body) = told.first().unwrap_or_else(|| panic!("silence: {what}"));
        assert_eq!((told.len(), *told_status), (1, status), "{what}: {body}");
        assert!(head.contains("content-type: application/problem+json"), "{what}: {head}");
        assert!(head.contains("connection: close"), "{what}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{what}: {head}");
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], status, "{what}");
        assert_eq!(problem["money_moved"], "no", "{what}");
    }
    assert_eq!(server.counts().0, 0);
    let mut old = send(&server, b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(answers(&read_all(&mut old))[0].0, 200, "HTTP/1.0 needs no Host");
}

#[test]
fn a_head_that_is_not_finished_in_time_is_told_so() {
    let dir = Dir::new("unfinished");
    let server = Server::start_with(&dir, &[("NTS_SLOW_CLIENT_MS", "300")]);
    for (begin, status) in
        [("", None), ("\r\n", None), ("G", Some(408)), ("GET / HTTP/1.1\r\nHost: x\r\n", Some(408))]
    {
        let told = answers(&read_all(&mut send(&server, begin.as_bytes())));
        assert_eq!(told.first().map(|a| a.0), status, "{begin:?}");
    }
    let mut ended = send(&server, b"GET / HTTP/1.1\r\nHost: x");
    ended.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answers(&read_all(&mut ended))[0].0, 400, "it cannot be finished any more");
}

/// How many connections the server serves at the moment, without the one that asks.
fn served(server: &Server) -> u64 {
    let metrics = server.get("/metrics").text();
    // None is told where the one that asks is refused.
    let line = metrics.lines().find_map(|l| l.strip_prefix("nts_connections "));
    line.map_or(u64::MAX, |line| line.parse::<u64>().unwrap() - 1)
}

fn is_served_soon(server: &Server, who: &str) {
    for n in 0..3 {
        let begun = Instant::now();
        let answer = server.send(hold(&format!("{who}{n}"), 1));
        assert_eq!(answer.status, 201, "{answer:?}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(4), "before anybody's patience ends: {took:?}");
    }
}

#[test]
fn a_peer_that_reads_nothing_makes_room_and_is_dropped_in_time() {
    let dir = Dir::new("deaf");
    let settings = [("NTS_CONNECTIONS", "40"), ("NTS_SLOW_CLIENT_MS", "60000")];
    let server = Server::start_with(&dir, &settings);
    make_large_event(&server);
    let many = "GET /events/rock HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let fill = |server: &Server| -> Vec<TcpStream> {
        (0..60).map(|_| send(server, many.as_bytes())).collect()
    };
    let deaf = fill(&server);
    is_served_soon(&server, "ann");
    drop(deaf);
    server.stop();
    // With nobody waiting for their slots they go, too.
    let settings = [("NTS_SLOW_CLIENT_MS", "1000")];
    let server = Server::start_with(&dir, &settings);
    let deaf = fill(&server);
    eventually("all are dropped", || served(&server) == 0);
    drop(deaf);
}

#[test]
fn who_listens_and_does_not_read_is_dropped() {
    let dir = Dir::new("deaf-listener");
    let server = Server::start_with(&dir, &[("NTS_SLOW_CLIENT_MS", "1000")]);
    make_large_event(&server);
    let listen = b"GET /api/v1/events/rock/live HTTP/1.1\r\nHost: x\r\n\r\n";
    let deaf: Vec<TcpStream> = (0..3).map(|_| send(&server, listen)).collect();
    eventually("they listen", || served(&server) == 3);
    let mut n = 0;
    eventually("they are dropped", || {
        n += 1;
        server.send(hold(&format!("b{n}"), 1));
        served(&server) == 0
    });
    drop(deaf);
}

#[test]
fn connections_without_a_whole_request_make_room() {
    let dir = Dir::new("silent");
    let settings = [("NTS_CONNECTIONS", "40"), ("NTS_SLOW_CLIENT_MS", "60000")];
    let server = Server::start_with(&dir, &settings);
    server.make_event(1_000, 300);
    let silent: Vec<TcpStream> = (0..60).map(|_| connect(&server)).collect();
    is_served_soon(&server, "ann");
    drop(silent);
    eventually("all are gone", || served(&server) == 0);
    let heads: Vec<TcpStream> = (0..60).map(|_| send(&server, b"GET / HTTP/1.1\r\n")).collect();
    is_served_soon(&server, "bob");
    drop(heads);
    eventually("all are gone", || served(&server) == 0);
    // A body may take a second on its way while others wait.
    let whole = hold_bytes("eve");
    let bodies: Vec<TcpStream> =
        (0..60).map(|_| send(&server, &whole.as_bytes()[..whole.len() - 1])).collect();
    let held = server.counts().0;
    is_served_soon(&server, "cid");
    let mut told: Vec<u16> = Vec::new();
    for mut stream in bodies {
        let mut answer = [0; 12];
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        if stream.read_exact(&mut answer).is_err() {
            // It was not asked to go: it finishes its request.
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            _ = stream.write_all(&whole.as_bytes()[whole.len() - 1..]);
            stream.read_exact(&mut answer).unwrap_or_else(|error| panic!("{error} after {told:?}"));
        }
        told.push(String::from_utf8_lossy(&answer[9..]).parse().unwrap());
    }
    assert!(told.contains(&503), "who made room is told so: {told:?}");
    let new = told.iter().filter(|status| **status == 201).count() as u64;
    assert!(told.iter().all(|status| [201, 503].contains(status)), "{told:?}");
    assert_eq!(server.counts().0, held + 3 + new, "who was told no holds nothing");
}

#[test]
fn one_client_leaves_live_counts_to_others() {
    let dir = Dir::new("listeners");
    let settings = [("NTS_CONNECTIONS", "16"), ("NTS_TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with(&dir, &settings);
    server.make_event(10, 300);
    let listen = |client: &str| {
        let ask = "GET /api/v1/events/rock/live HTTP/1.1\r\nHost: x\r\n";
        let mut stream =
            send(&server, format!("{ask}X-Forwarded-For: {client}\r\n\r\n").as_bytes());
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (stream, String::from_utf8_lossy(&status[9..]).parse::<u16>().unwrap())
    };
    // Eight may listen, one client with two streams at most once others listen, too.
    let (_first, status) = listen("203.0.113.1");
    assert_eq!(status, 200);
    let (_other, status) = listen("198.51.100.1");
    assert_eq!(status, 200);
    let (second, status) = listen("203.0.113.1");
    assert_eq!(status, 200);
    let (_, status) = listen("203.0.113.1");
    assert_eq!(status, 429);
    // What the client itself writes before the proxy's address changes nothing.
    assert_eq!(listen("192.0.2.9, 203.0.113.1").1, 429);
    let (_other, status) = listen("198.51.100.2");
    assert_eq!(status, 200);
    drop(second);
    eventually("its share is free again", || listen("203.0.113.1").1 == 200);
}
