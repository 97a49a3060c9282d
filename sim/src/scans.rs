//! Devices at the doors: they scan tickets, also ones that another device has scanned just now; they ask again under
//! the same nonce when no answer comes; they lose their network, let people in all the same, and report it later;
//! and they undo what was a mistake. Their clocks are wrong.

use crate::auditor::Scanned;
use crate::rng::Rng;
use crate::world::{Ask, ORGANISER, World};
use nts_server::when;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Duration, sleep};

/// So many devices there are.
const DEVICES: u64 = 3;
/// The stream of randomness of the first one; the next have the next.
const STREAM: u64 = 7_310;
/// How wrong the clock of a device may be, in milliseconds.
const WRONG_MS: i64 = 7_200_000;
/// So many codes stand before another door as well.
const LATELY: usize = 4;
/// So many scans in one report.
const IN_ONE: usize = 5;

/// The codes that devices have scanned lately: who stands before one door may stand before another.
type Lately = Arc<Mutex<Vec<String>>>;

/// One device.
struct Device {
    world: Arc<World>,
    rng: Rng,
    id: u128,
    scans: u128,
    /// How far its clock is ahead, in milliseconds.
    ahead_ms: i64,
    /// Reports that nobody has answered yet, in their order.
    unsent: Vec<Scanned>,
    /// The codes that it has scanned.
    seen: BTreeSet<String>,
    lately: Lately,
}

/// The devices of a run, in two of three.
pub fn devices(world: &Arc<World>) -> Vec<impl Future<Output = ()> + use<>> {
    let mut rng = Rng::new(world.plan.seed, STREAM);
    let count = if rng.below(3) == 0 { 0 } else { DEVICES };
    let lately = Lately::default();
    let device = |n| {
        let mut rng = Rng::new(world.plan.seed, STREAM + n);
        let (id, ahead_ms) = (u128::from(n), rng.between(-WRONG_MS, WRONG_MS));
        let (unsent, seen) = (Vec::new(), BTreeSet::new());
        let (world, lately) = (Arc::clone(world), Arc::clone(&lately));
        Device { world, rng, id, scans: 0, ahead_ms, unsent, seen, lately }.works()
    };
    (1..=count).map(device).collect()
}

impl Device {
    /// Scans for as long as the storm lasts, and does not end before all is reported.
    async fn works(mut self) {
        let mut offline = 0u64;
        loop {
            let pause = self.rng.between(500, 9_000).unsigned_abs();
            sleep(Duration::from_millis(pause)).await;
            if self.world.chaos.is_calm() {
                break;
            }
            if offline == 0 && self.rng.below(12) == 0 {
                offline = 2 + self.rng.below(8);
            }
            let online = offline == 0;
            offline = offline.saturating_sub(1);
            if online && !self.unsent.is_empty() {
                self.reports().await;
                continue;
            }
            let Some(code) = self.somebody_comes() else { continue };
            if online {
                self.asks(code).await;
            } else if self.seen.insert(code.clone()) {
                let scan = self.scan(code, true);
                self.unsent.push(scan);
            }
        }
        while !self.unsent.is_empty() {
            self.reports().await;
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// With a code that was shown, often one that was scanned a moment ago.
    fn somebody_comes(&mut self) -> Option<String> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if !lately.is_empty() && self.rng.below(2) == 0 {
            let at = self.rng.below(lately.len() as u64) as usize;
            return Some(lately[at].clone());
        }
        let codes = self.world.audit(|auditor, _, _| auditor.codes_seen());
        if codes.is_empty() {
            return None;
        }
        let code = codes[self.rng.below(codes.len() as u64) as usize].clone();
        lately.push(code.clone());
        if lately.len() > LATELY {
            lately.remove(0);
        }
        Some(code)
    }

    fn scan(&mut self, code: String, late: bool) -> Scanned {
        self.scans += 1;
        let at_ms = self.world.store_now() + self.ahead_ms;
        Scanned { device: self.id, nonce: self.scans, code, late, at_ms }
    }

    fn body(scan: &Scanned) -> Value {
        let id = |id: u128| uuid::Uuid::from_u128(id).to_string();
        json!({
            "code": scan.code, "gate": format!("gate-{}", scan.device), "device": id(scan.device),
            "nonce": id(scan.nonce), "late": scan.late, "at": when::rfc3339(scan.at_ms.max(0)),
        })
    }

    async fn send(&mut self, scans: &[Scanned], body: &Value) -> Option<crate::world::Answer> {
        self.world.audit(|auditor, _, _| auditor.sends_scans(scans));
        let ask = Ask::post("/api/v1/events/show/check-ins", body).bearer(ORGANISER);
        let world = Arc::clone(&self.world);
        world.ask(&mut self.rng, "a door", ask).await
    }

    /// Asks whether somebody may come in, and waits for the answer; under the same nonce if none comes.
    async fn asks(&mut self, code: String) {
        let scan = self.scan(code, false);
        let asked = self.world.audit(|auditor, _, at| auditor.question(at));
        let body = Device::body(&scan);
        for _ in 0..4 {
            let Some(answer) = self.send(std::slice::from_ref(&scan), &body).await else {
                continue;
            };
            let told = self.world.audit(|auditor, story, at| {
                auditor.scan_told(story, at, &scan, Some(asked), answer.status, &answer.body)
            });
            if !told {
                continue;
            }
            self.seen.insert(scan.code.clone());
            if answer.body["result"] == "admitted" {
                self.world.mark("a ticket was let in");
                if self.rng.below(6) == 0 {
                    self.undoes(&scan).await;
                }
            }
            return;
        }
    }

    async fn undoes(&mut self, scan: &Scanned) {
        self.world.audit(|auditor, _, _| auditor.may_be_undone(scan));
        let id = |id: u128| uuid::Uuid::from_u128(id).to_string();
        let path = format!("/api/v1/events/show/check-ins/{}/{}", id(scan.device), id(scan.nonce));
        let ask = Ask { method: "DELETE", ..Ask::get(path) }.bearer(ORGANISER);
        let world = Arc::clone(&self.world);
        if let Some(answer) = world.ask(&mut self.rng, "a door", ask).await
            && answer.body["result"] == "undone"
        {
            self.world.audit(|auditor, _, _| auditor.is_undone(scan));
            world.mark("a check-in was undone");
        }
    }

    /// Reports what happened without a network. What is answered is done; the rest is reported again.
    async fn reports(&mut self) {
        let scans: Vec<Scanned> = self.unsent.iter().take(IN_ONE).cloned().collect();
        let body = json!({"scans": scans.iter().map(Device::body).collect::<Vec<_>>()});
        let Some(answer) = self.send(&scans, &body).await else { return };
        let results = answer.body["results"].as_array().cloned().unwrap_or_default();
        if answer.status != 200 || results.len() != scans.len() {
            self.world.audit(|auditor, story, at| {
                auditor.scan_told(story, at, &scans[0], None, answer.status, &answer.body)
            });
            return;
        }
        for (scan, result) in scans.iter().zip(&results) {
            self.world
                .audit(|auditor, story, at| auditor.scan_told(story, at, scan, None, 200, result));
            if result["objection"] == "already_in" {
                self.world.mark("two doors let one ticket in without a network");
            }
        }
        self.unsent.drain(..scans.len());
    }
}
