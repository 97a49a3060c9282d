//! Several processes on one database, who buys there, and what must be true afterwards.

use crate::harness::*;
use nts_testkit::{Postgres, tickets};
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Processes that share a database and a directory, and in it the sandbox.
pub struct Shops {
    dir: Dir,
    settings: Vec<(String, String)>,
    servers: Vec<Option<Server>>,
}

impl Shops {
    pub fn start(
        postgres: &Postgres,
        name: &str,
        count: usize,
        settings: &[(&str, &str)],
    ) -> Shops {
        Shops::start_at(&postgres.url(&postgres.database()), name, count, settings)
    }

    /// All of them at the same moment, on a database that may be empty.
    pub fn start_at(url: &str, name: &str, count: usize, settings: &[(&str, &str)]) -> Shops {
        let settings = settings.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let dir = Dir::on(name, url.into());
        let mut shops = Shops { dir, settings, servers: Vec::new() };
        shops.servers = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..count).map(|_| scope.spawn(|| shops.new_one())).collect();
            starting.into_iter().map(|s| Some(s.join().unwrap())).collect()
        });
        shops
    }

    fn new_one(&self) -> Server {
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        Server::start_with(&self.dir, &settings)
    }

    pub fn at(&self, nth: usize) -> &Server {
        self.servers[nth].as_ref().unwrap()
    }

    pub fn addresses(&self) -> Vec<String> {
        self.servers.iter().flatten().map(|s| s.address.clone()).collect()
    }

    pub fn kill(&mut self, nth: usize) {
        self.servers[nth].take().unwrap().kill();
    }

    pub fn stop(&mut self, nth: usize) {
        self.servers[nth].take().unwrap().stop();
    }

    pub fn start_one(&mut self, nth: usize) {
        self.servers[nth] = Some(self.new_one());
    }

    /// The binary with the settings of these processes.
    pub fn command(&self) -> std::process::Command {
        let mut command = nts(&self.dir);
        command.envs(self.settings.iter().map(|(n, v)| (n, v)));
        command
    }

    /// A file in the directory of these processes.
    pub fn path(&self, file: &str) -> std::path::PathBuf {
        self.dir.path(file)
    }

    /// What the processes have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path("log")).unwrap_or_default()
    }

    /// The exit status of the audit and what it said.
    pub fn audit(&self, flags: &[&str]) -> (i32, String) {
        let output = self.command().arg("audit").args(flags).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), said + &String::from_utf8_lossy(&output.stderr))
    }

    /// The audit finds nothing.
    pub fn balanced(&self, flags: &[&str]) {
        let (status, said) = self.audit(flags);
        assert_eq!(status, 0, "{said}");
    }
}

/// What buyers were told.
#[derive(Default)]
pub struct Told {
    held: Mutex<Vec<Value>>,
    paid: Mutex<Vec<(Value, Value)>>,
}

/// Whether a buyer may meet trouble.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Connections that end, and 503; then the same is asked again elsewhere, under the same key.
    Expected,
    /// None at all.
    Never,
}

/// Asks one process after the other until one answers; nothing if nobody does, in time.
fn insist(
    addresses: &[String],
    first: usize,
    request: &Request,
    trouble: Trouble,
) -> Option<Answer> {
    for n in 0..12 {
        let answer = request.clone().send(&addresses[(first + n) % addresses.len()]);
        match answer {
            // A key that is still being answered elsewhere: the answer is there in a moment.
            Ok(answer)
                if answer.code() != Some(ProblemCode::RequestRunning) && answer.status != 503 =>
            {
                return Some(answer);
            }
            answer if trouble == Trouble::Never => panic!("a purchase failed: {answer:?}"),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    None
}

/// One purchase: a hold, and a payment at another process; one in four walks away.
pub fn buy(addresses: &[String], worker: usize, next: &AtomicU32, told: &Told, trouble: Trouble) {
    let n = next.fetch_add(1, Ordering::SeqCst);
    let wanted = hold(&format!("buyer{n}"), 1).key(&format!("the-hold-of-buyer-{n}"));
    let Some(answer) = insist(addresses, worker, &wanted, trouble) else { return };
    if answer.status != 201 {
        assert_eq!(answer.code(), Some(ProblemCode::SoldOut), "{answer:?}");
        std::thread::sleep(Duration::from_millis(20));
        return;
    }
    let order = answer.json();
    told.held.lock().unwrap().push(order.clone());
    if n % 4 == 3 {
        return;
    }
    let wanted = pay(&order, "ctoken_ok").key(&format!("p{n}"));
    let Some(answer) = insist(addresses, worker + 1, &wanted, trouble) else { return };
    let said = answer.json();
    match (answer.status, said["state"].as_str()) {
        (200, Some("paid")) => told.paid.lock().unwrap().push((order, said)),
        // Asked again after a kill, it may still be under way.
        (200, Some("paying" | "committed")) => {
            assert!(trouble == Trouble::Expected || said["state"] == "paying", "{said}");
        }
        _ => assert!(trouble == Trouble::Expected && answer.status == 409, "{answer:?}"),
    }
}

impl Told {
    pub fn paid(&self) -> usize {
        self.paid.lock().unwrap().len()
    }

    /// Waits until so many more have paid.
    pub fn more_pay(&self, more: usize) {
        let goal = self.paid() + more;
        eventually("some more buyers pay", || self.paid() >= goal);
    }

    /// Everything settles, what was told is true, and the counts are the sums, at each process.
    pub fn check(&self, shops: &Shops) {
        self.check_at(&shops.servers.iter().flatten().collect::<Vec<_>>());
    }

    pub fn check_at(&self, servers: &[&Server]) {
        let (held, paid) = (self.held.lock().unwrap(), self.paid.lock().unwrap());
        println!("{} holds and {} sales were acknowledged", held.len(), paid.len());
        let mut orders = Vec::new();
        eventually("everything settles", || {
            orders = servers[0].orders();
            orders.iter().all(|o| ["held", "paid", "released"].iter().any(|s| o["state"] == *s))
        });
        for (n, order) in held.iter().enumerate() {
            let now = servers[n % servers.len()].send(look(order));
            assert_eq!(now.status, 200, "an acknowledged hold is gone: {order}");
        }
        for (n, (order, said)) in paid.iter().enumerate() {
            let now = servers[n % servers.len()].send(look(order)).json();
            assert_eq!(now["state"], "paid", "an acknowledged sale is gone: {order}");
            assert_eq!(tickets(&now), tickets(said));
        }
        let mut names: Vec<&str> =
            orders.iter().filter_map(|o| o["buyer"]["name"].as_str()).collect();
        assert_eq!(names.len(), orders.len());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), orders.len(), "one key made two orders");
        let count = |state: &str| orders.iter().filter(|o| o["state"] == state).count() as u64;
        for server in servers {
            eventually("the counts are the sums", || {
                let (held, sold, _) = server.counts();
                (held, sold) == (count("held"), count("paid"))
            });
        }
        let mut codes: Vec<&str> = Vec::new();
        for order in &orders {
            let tickets = order["tickets"].as_array().unwrap();
            assert_eq!(tickets.len(), usize::from(order["state"] == "paid"), "{order}");
            codes.extend(tickets.iter().map(|t| t["code"].as_str().unwrap()));
        }
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all, "no ticket twice");
    }
}

/// As a load balancer does it: asks who is ready, ten times a second, and sends nobody elsewhere.
pub struct Balancer(Mutex<Vec<(String, bool)>>);

impl Balancer {
    pub fn new(addresses: Vec<String>) -> Balancer {
        Balancer(Mutex::new(addresses.into_iter().map(|a| (a, true)).collect()))
    }

    pub fn healthy(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|(_, ready)| *ready).map(|(address, _)| address.clone()).collect()
    }

    /// A process is somewhere else now.
    pub fn moved(&self, nth: usize, address: String) {
        self.0.lock().unwrap()[nth].0 = address;
    }

    pub fn watch(&self, done: &AtomicBool) {
        while !done.load(Ordering::SeqCst) {
            let addresses: Vec<String> =
                self.0.lock().unwrap().iter().map(|(address, _)| address.clone()).collect();
            for (nth, address) in addresses.iter().enumerate() {
                let ready = Request::get("/readyz").send(address).is_ok_and(|a| a.status == 200);
                let mut all = self.0.lock().unwrap();
                if all[nth].0 == *address {
                    all[nth].1 = ready;
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
