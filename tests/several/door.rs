//! Doors at several processes: a ticket admits once, whichever of them is asked, and also while one is killed.

use crate::doors::*;
use crate::harness::*;
use crate::shops::Shops;
use nts_testkit::Postgres;
use serde_json::Value;
use std::sync::Mutex;

#[test]
fn three_processes_let_a_ticket_in_once() {
    let Some(postgres) = Postgres::shared() else { return };
    let mut shops = Shops::start(postgres, "door", 3, &[]);
    shops.at(0).make_event(2_000, 300);
    for nth in 1..3 {
        eventually("all know the event", || shops.at(nth).get("/api/v1/events/rock").status == 200);
    }
    let codes: Vec<String> = (0..10)
        .flat_map(|n| give(shops.at(n % 3), &format!("a{n}"), 20))
        .map(|[signed, _]| signed)
        .collect();
    let addresses = shops.addresses();
    let green: Mutex<Vec<(usize, Value)>> = Mutex::default();
    std::thread::scope(|scope| {
        for n in 0..12usize {
            let (addresses, codes, green) = (&addresses, &codes, &green);
            scope.spawn(move || {
                let mut device = Device::new(n as u64, "north");
                for (at, code) in codes.iter().enumerate().skip(n / 4 % 2) {
                    let body = device.next(code);
                    // The same scan is sent until somebody answers, each time to another process.
                    let answer = (0..60).find_map(|tried| {
                        let answer = check_in(&body).send(&addresses[(n + at + tried) % 3]);
                        let answer = answer.ok().filter(|answer| answer.status != 503);
                        if answer.is_none() {
                            std::thread::sleep(std::time::Duration::from_millis(50));
                        }
                        answer
                    });
                    let answer = answer.expect("somebody answers");
                    assert_eq!(answer.status, 200, "{answer:?}");
                    if answer.json()["result"] == "admitted" {
                        green.lock().unwrap().push((at, body));
                    }
                }
            });
        }
        eventually("some are in", || green.lock().unwrap().len() > 40);
        shops.kill(2);
    });
    let green = green.into_inner().unwrap();
    let mut once: Vec<usize> = green.iter().map(|(at, _)| *at).collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!((once.len(), green.len()), (codes.len(), codes.len()), "each once");
    for (at, body) in &green {
        assert_eq!(told(shops.at(at % 2), body)["result"], "admitted");
    }
    for nth in 0..2 {
        assert_eq!(overview(shops.at(nth))["inside"], codes.len());
    }
    shops.balanced(&[]);
}

#[test]
fn a_ticket_type_that_another_process_has_added_is_told_by_its_name() {
    let Some(postgres) = Postgres::shared() else { return };
    let shops = Shops::start(postgres, "door-type", 2, &[]);
    shops.at(0).make_event(50, 300);
    eventually("both know the event", || shops.at(1).get("/api/v1/events/rock").status == 200);
    assert_eq!(shops.at(0).send(event_with_vip(50)).status, 200);
    let codes = give_of(shops.at(0), "Ann", 10, "vip");
    let mut north = Device::new(1, "north");
    // At once: the process that is asked may not have heard of it yet.
    for code in &codes {
        let answer = north.scans(shops.at(1), &code[0]);
        assert_eq!(answer["result"], "admitted", "{answer}");
        assert_eq!(answer["ticket"]["ticket_type"], "VIP Lounge");
    }
    shops.balanced(&[]);
}
