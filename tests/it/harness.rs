//! Starts the binary on a directory of its own and asks it over HTTP.

pub use nts_api::ProblemCode;
use nts_testkit::Postgres;
pub use nts_testkit::{Answer, Request, eventually};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub const KEY: &str = "a-key-for-the-tests";

/// A directory that goes away with the test, and the database in it or beside it.
pub struct Dir(PathBuf, Option<String>);

impl Dir {
    pub fn new(name: &str) -> Dir {
        let server = crate::ON_POSTGRES.then(Postgres::shared).flatten();
        Dir::make(name, server.map(|server| server.url(&server.database())))
    }

    /// A directory for what uses this database.
    #[allow(dead_code, reason = "not every test names its database")]
    pub fn on(name: &str, database: String) -> Dir {
        Dir::make(name, Some(database))
    }

    fn make(name: &str, database: Option<String>) -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("nts-{name}-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir, database)
    }

    /// The database of what runs here, as a setting.
    #[allow(dead_code, reason = "not every test names its database")]
    pub fn database(&self) -> String {
        self.1.clone().unwrap_or_else(|| self.path("nts.db").to_str().unwrap().to_owned())
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            for line in tail.iter().rev() {
                eprintln!("log: {line}");
            }
        }
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary with a clean environment, in a directory. It refuses nothing for being late: a test may
/// run on a machine that is busy with others.
pub fn nts(dir: &Dir) -> Command {
    in_dir(dir, Command::new(env!("CARGO_BIN_EXE_nts")))
}

/// The same where a new file gets the mode that this umask leaves.
#[allow(dead_code, reason = "not every test looks at modes")]
pub fn nts_under(umask: &str, dir: &Dir) -> Command {
    let mut command = Command::new("sh");
    let run = format!("umask {umask} && exec \"$0\" \"$@\"");
    command.args(["-c", &run, env!("CARGO_BIN_EXE_nts")]);
    in_dir(dir, command)
}

fn in_dir(dir: &Dir, mut command: Command) -> Command {
    command.current_dir(&dir.0).env_clear().env("NTS_ORGANISER_KEY", KEY);
    command.env("NTS_OVERLOAD_LAG_MS", "0");
    if let Some(database) = &dir.1 {
        command.env("NTS_DATABASE", database);
    }
    command
}

/// A running server.
pub struct Server {
    child: Child,
    pub address: String,
    /// What it has said at its start.
    pub said: Vec<String>,
}

impl Server {
    pub fn start(dir: &Dir) -> Server {
        Server::start_with(dir, &[])
    }

    pub fn start_with(dir: &Dir, settings: &[(&str, &str)]) -> Server {
        Server::start_as(dir, nts(dir), settings)
    }

    pub fn start_as(dir: &Dir, mut command: Command, settings: &[(&str, &str)]) -> Server {
        // Where the server says another address than its own, the port is chosen here.
        let outside = settings.iter().any(|(name, _)| *name == "NTS_PUBLIC_URL");
        let chosen = outside.then(|| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        });
        command.env("NTS_ADDRESS", chosen.as_deref().unwrap_or("127.0.0.1:0"));
        command.envs(settings.iter().copied());
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.path("log"));
        let mut child =
            command.stdout(Stdio::piped()).stderr(log.unwrap()).spawn().expect("the binary starts");
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut server = Server { child, address: String::new(), said: Vec::new() };
        for line in out.lines() {
            let line = line.unwrap();
            if let Some(url) = line.strip_prefix("nts serves at ") {
                let port = url.strip_prefix("http://localhost:");
                let told = port.map(|port| format!("127.0.0.1:{port}"));
                server.address = chosen.clone().or(told).unwrap_or_default();
            }
            server.said.push(line.clone());
            if !server.address.is_empty() {
                return server;
            }
        }
        let log = std::fs::read_to_string(dir.path("log")).unwrap_or_default();
        panic!("the server ended at its start: {:?} {log}", server.said);
    }

    /// How much memory it has, in kB.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends it at once: nothing is finished, nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        eventually("it stops", || self.child.try_wait().unwrap().is_some());
    }

    pub fn send(&self, request: Request) -> Answer {
        request.send(&self.address).expect("an answer")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path))
    }

    /// Makes the event `rock` with one pool and one ticket type.
    pub fn make_event(&self, capacity: u32, hold_seconds: u32) {
        let answer = self.send(put_event("rock", capacity, hold_seconds));
        assert!(answer.status == 201 || answer.status == 200, "{answer:?}");
    }

    pub fn event(&self) -> Value {
        self.get("/api/v1/events/rock").json()
    }

    /// `(held, sold, left)` of the event's pool.
    pub fn counts(&self) -> (u64, u64, u64) {
        let event = self.event();
        let count = |name: &str| event["pools"][0][name].as_u64().unwrap();
        (count("held"), count("sold"), count("left"))
    }

    /// All orders of the event, by the organiser's cursor pages.
    pub fn orders(&self) -> Vec<Value> {
        let mut orders = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.send(
                Request::get(&format!("/api/v1/events/rock/orders?limit=100{after}")).bearer(KEY),
            );
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            orders.extend(page["orders"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return orders,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub fn event_json(capacity: u32, hold_seconds: u32) -> Value {
    json!({
        "name": "Rock", "place": "Hall", "starts_at": "2030-06-01T20:00:00+01:00",
        "zone": "Europe/London", "currency": "GBP", "hold_seconds": hold_seconds,
        "pools": [{"id": "floor", "capacity": capacity}],
        "ticket_types": [{"id": "adult", "name": "Adult", "pool": "floor",
                          "price": {"amount": 2500, "currency": "GBP"}}],
    })
}

pub fn put_event(slug: &str, capacity: u32, hold_seconds: u32) -> Request {
    Request::new("PUT", &format!("/api/v1/events/{slug}"))
        .bearer(KEY)
        .json(&event_json(capacity, hold_seconds))
}

pub fn hold(name: &str, quantity: i64) -> Request {
    Request::new("POST", "/api/v1/events/rock/orders").json(&json!({
        "buyer": {"name": name, "email": format!("{name}@example.org")},
        "lines": [{"ticket_type": "adult", "quantity": quantity}],
    }))
}

pub fn pay(order: &Value, token: &str) -> Request {
    Request::new("POST", &format!("/api/v1/orders/{}/pay", text(order, "id")))
        .bearer(&text(order, "secret"))
        .json(&json!({"token": token}))
}

pub fn look(order: &Value) -> Request {
    Request::get(&format!("/api/v1/orders/{}", text(order, "id"))).bearer(&text(order, "secret"))
}

pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

/// The path of an order's page.
pub fn page_of(order: &Value) -> String {
    format!("/orders/{}/{}", text(order, "id"), text(order, "secret"))
}

/// The cookie that leads from the payment page back to the order's, as an answer sets it.
#[allow(dead_code, reason = "not every test goes there")]
pub fn way_back(answer: &Answer) -> String {
    let lines = answer.headers.lines().filter_map(|line| line.split_once(':'));
    let set = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let cookies = set.map(|(_, value)| value.trim().split(';').next().unwrap().to_owned());
    cookies.collect::<Vec<_>>().join("; ")
}

#[allow(dead_code, reason = "not every test makes pictures")]
/// A file beside the tests' directory, for what a person wants to look at.
pub fn keep(name: &str, bytes: &[u8]) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(name), bytes).unwrap();
}

/// What a command has said on both of its outputs.
#[allow(dead_code, reason = "not every test asks")]
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The Python that `tools/pypi/get` has made, if it has.
#[allow(dead_code, reason = "not all tests ask another program")]
pub fn python() -> Option<PathBuf> {
    Some(nts_testkit::fetched("python", "standardwebhooks", "tools/pypi/get")?.join("bin/python"))
}
