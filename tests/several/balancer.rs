//! The load balancer as `deploy/haproxy.cfg` sets it up, with the real HAProxy.

use crate::harness::*;
use crate::shops::*;
use nts_testkit::{Postgres, tool};
use std::process::{Child, Stdio};

/// A running HAProxy, gone with the test.
struct HaProxy(Child);

impl Drop for HaProxy {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The configuration with these processes in the place of those that it names.
fn configuration(servers: &[String], port: u16) -> String {
    let mut config = include_str!("../../deploy/haproxy.cfg").to_owned();
    config = config.replace("bind :9000", &format!("bind 127.0.0.1:{port}"));
    for (nth, server) in servers.iter().enumerate() {
        let named = format!("nts{n} nts{n}:9000", n = nth + 1);
        assert!(config.contains(&named), "{named}");
        config = config.replace(&named, &format!("nts{} {server}", nth + 1));
    }
    config
}

#[test]
fn while_the_database_is_away_buyers_see_pages_and_read_that_nothing_was_charged() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    if tool("haproxy", "haproxy", &["-v"], &[]).is_none() {
        return;
    }
    let shops = Shops::start(&postgres, "balanced", 3, &[]);
    shops.at(0).make_event(100, 3600);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = shops.path("haproxy.cfg");
    std::fs::write(&file, configuration(&shops.addresses(), port)).unwrap();
    let mut command = std::process::Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let _running = HaProxy(command.spawn().unwrap());
    let balancer = format!("127.0.0.1:{port}");
    let status = |path: &str| Request::get(path).send(&balancer).map_or(0, |answer| answer.status);
    eventually("it balances", || status("/events/rock") == 200);
    assert_eq!(hold("ann", 1).send(&balancer).unwrap().status, 201);

    postgres.kill();
    // Whoever asks first, asked or polled, finds out; then none is ready.
    for nth in 0..3 {
        _ = shops.at(nth).send(hold("bob", 1));
        eventually("not ready", || shops.at(nth).get("/readyz").status == 503);
    }
    let mut answers = Vec::new();
    // Longer than the balancer needs to notice.
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(4) {
        let page = Request::get("/api/v1/events/rock").send(&balancer).unwrap();
        assert_eq!(page.status, 200, "{page:?}");
        answers.push(hold("bob", 1).send(&balancer).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    for answer in answers {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.json()["money_moved"], "no", "{answer:?}");
    }
    postgres.start_again();
    eventually("it sells", || hold("bob", 1).send(&balancer).is_ok_and(|a| a.status == 201));
}
