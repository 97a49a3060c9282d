//! What stands for js.stripe.com, hooks.stripe.com and api.stripe.com in the browser: a script with
//! the surface of Stripe.js that the payment page uses, as strict as the real one about what it is
//! given (<https://docs.stripe.com/js>), its frames, and the two calls that it makes. The money is
//! the fake's.

use nts_server::payments::fake::FakeStripe;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const SCRIPT: &str = include_str!("stripe_js/stripe.js");
const CARD: &str = include_str!("stripe_js/card.html");
const BANK: &str = include_str!("stripe_js/bank.html");

/// Serves Stripe's names to a browser.
pub struct StripeJs {
    port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    fake: Arc<FakeStripe>,
    tokens: AtomicU32,
    /// The script cannot be had.
    away: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl StripeJs {
    pub fn start(fake: &Arc<FakeStripe>) -> StripeJs {
        let names = ["js.stripe.com", "hooks.stripe.com", "api.stripe.com"].map(String::from);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.into()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            fake: Arc::clone(fake),
            tokens: AtomicU32::new(0),
            away: AtomicBool::new(false),
            asked: Mutex::new(Vec::new()),
        });
        let serving = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (inner, config) = (Arc::clone(&serving), Arc::clone(&config));
                std::thread::spawn(move || inner.one(stream, config));
            }
        });
        StripeJs { port, inner }
    }

    /// What makes a browser come here for Stripe's names, and nowhere else for any name.
    pub fn arguments(&self) -> Vec<String> {
        let here = format!("127.0.0.1:{}", self.port);
        let rules = format!(
            "MAP *.stripe.com:443 {here}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
        );
        vec![format!("--host-resolver-rules={rules}"), "--ignore-certificate-errors".into()]
    }

    /// Whether the script cannot be had.
    pub fn away(&self, away: bool) {
        self.inner.away.store(away, Ordering::SeqCst);
    }

    /// What was asked for, as `host path`.
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }
}

impl Inner {
    /// One connection, one request. A browser that hangs up is no error.
    fn one(&self, stream: TcpStream, config: Arc<ServerConfig>) -> Option<()> {
        let tls = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
        let mut tls = BufReader::new(tls);
        let (mut first, mut host, mut length) = (String::new(), String::new(), 0usize);
        tls.read_line(&mut first).ok()?;
        loop {
            let mut line = String::new();
            tls.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "host" => host = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        tls.read_exact(&mut body).ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        self.asked.lock().unwrap().push(format!("{host} {path}"));
        let (status, kind, text) = self.answer(&host, &path, &String::from_utf8_lossy(&body));
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
             access-control-allow-origin: *\r\nconnection: close\r\n\r\n",
            text.len()
        );
        let stream = tls.get_mut();
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(text.as_bytes()).ok()?;
        stream.conn.send_close_notify();
        stream.flush().ok()
    }

    fn answer(&self, host: &str, path: &str, body: &str) -> (u16, &'static str, String) {
        let form: std::collections::BTreeMap<_, _> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let bare = path.split('?').next().unwrap_or_default();
        match (host, bare) {
            ("js.stripe.com", "/endive/stripe.js") if !self.away.load(Ordering::SeqCst) => {
                (200, "text/javascript", SCRIPT.into())
            }
            ("js.stripe.com", "/card.html") => (200, "text/html", CARD.into()),
            ("hooks.stripe.com", "/bank.html") => (200, "text/html", BANK.into()),
            ("api.stripe.com", "/v1/confirmation_tokens") => {
                let kind = match field("number").as_str() {
                    "4242424242424242" => "ok",
                    "4000000000000002" => "declined",
                    "4000002760003184" => "3ds_sdk",
                    _ => {
                        return (
                            402,
                            "application/json",
                            r#"{"error":{"message":"Your card number is invalid."}}"#.into(),
                        );
                    }
                };
                let n = self.tokens.fetch_add(1, Ordering::SeqCst);
                (200, "application/json", format!(r#"{{"id":"ctoken_{kind}_{n}"}}"#))
            }
            ("api.stripe.com", "/v1/authenticate") => {
                let secret = field("client_secret");
                let intent = secret.split("_secret").next().unwrap_or_default();
                let known = self.fake.authenticate(intent, field("answer") == "yes");
                assert!(known.unwrap().is_some(), "the page made up a client secret: {secret}");
                (200, "application/json", "{}".into())
            }
            _ => (404, "text/plain", String::new()),
        }
    }
}
