//! What was scanned at the doors. A ticket is shown green online once, unless that was undone; whoever saw green is in
//! the records; what was reported late is there as well; and nothing is there that nobody scanned.

use super::Auditor;
use super::history::Question;
use crate::trace::{Promise, Trace};
use boxoffice::{Order, OrderId, TicketState};
use nts_server::store::records::door::{GateCountRow, ScanRow};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A scan as a device knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// The device.
    pub device: u128,
    /// What it calls the scan.
    pub nonce: u128,
    /// The code.
    pub code: String,
    /// Whether the person has passed without an answer.
    pub late: bool,
    /// When, by the clock of the device.
    pub at_ms: i64,
}

/// The device and the nonce.
type Name = (u128, u128);

/// What was asked and told at the doors.
#[derive(Clone, Debug, Default)]
pub(super) struct Scans {
    sent: BTreeMap<Name, Scanned>,
    /// What was told first of each, but for refusals, which are decided anew.
    told: BTreeMap<Name, String>,
    /// Somebody has asked for these to be undone.
    undone: BTreeSet<Name>,
    /// Somebody was told that these are undone.
    told_undone: BTreeSet<Name>,
}

fn name(scan: &Scanned) -> Name {
    (scan.device, scan.nonce)
}

impl Auditor {
    /// A device sends these scans.
    pub fn sends_scans(&mut self, scans: &[Scanned]) {
        self.scans.sent.extend(scans.iter().map(|scan| (name(scan), scan.clone())));
    }

    /// Somebody asks for a scan to be undone.
    pub fn may_be_undone(&mut self, scan: &Scanned) {
        self.scans.undone.insert(name(scan));
    }

    /// Somebody was told that a scan is undone.
    pub fn is_undone(&mut self, scan: &Scanned) {
        self.scans.told_undone.insert(name(scan));
    }

    /// A door was told what came of a scan. `asked`: when it asked first, unless it reports late. Gives whether it was an
    /// answer.
    pub fn scan_told(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        scan: &Scanned,
        asked: Option<Question>,
        status: u16,
        answer: &Value,
    ) -> bool {
        if status == 503 || status == 429 {
            return false;
        }
        let Some((which, revision)) = self.of_code(&scan.code) else { return true };
        let (order, n) = which;
        let mut broken = |promise, text: String| trace.broken(at_ms, promise, Some(order), text);
        let result = answer["result"].as_str().unwrap_or_default().to_owned();
        if status != 200 || result.is_empty() {
            let text = format!("a scan of ticket {n} was answered with {status} {answer}");
            broken(Promise::NoFalseAnswer, text);
            return true;
        }
        let undone = |of: &Name| self.scans.undone.contains(of);
        let own = name(scan);
        match &*result {
            "unknown_ticket" | "other_event" | "unknown_gate" | "nonce_used" => {
                let text = format!("a code of ticket {n} is told to be {result}");
                broken(Promise::NoFalseAnswer, text);
            }
            "undone" if !undone(&own) => {
                broken(Promise::NoFalseAnswer, format!("ticket {n}: nobody has undone its scan"));
            }
            "already_in" => {
                let others = self.scans.sent.values().filter(|other| name(other) != own);
                let of_code = |code: &str| self.of_code(code).map(|(which, _)| which);
                if !others.into_iter().any(|other| of_code(&other.code) == Some(which)) {
                    let text = format!("ticket {n} is told to be in, and nobody has scanned it");
                    broken(Promise::NoFalseAnswer, text);
                }
            }
            "admitted" if !scan.late => {
                let green = self.scans.told.iter().find(|(other, told)| {
                    let sent = &self.scans.sent[*other];
                    **other != own
                        && *told == "admitted"
                        && !sent.late
                        && !undone(other)
                        && self.of_code(&sent.code).map(|(which, _)| which) == Some(which)
                });
                if let Some((other, _)) = green.filter(|_| !undone(&own)) {
                    let text = format!("ticket {n} was shown green at {other:?} and {own:?}");
                    broken(Promise::AdmitsOnce, text);
                }
                let admits = |order: &Order| {
                    order.tickets.iter().any(|ticket| {
                        order.number_of(ticket) == Some(n)
                            && ticket.state == TicketState::Valid
                            && ticket.revision == revision
                    })
                };
                if let Some(asked) = asked
                    && !self.scans.told.contains_key(&own)
                    && !self.was(order, asked, admits)
                {
                    let text = format!(
                        "ticket {n} is let in with revision {revision}, and was not valid with it"
                    );
                    broken(Promise::NoFalseAnswer, text);
                }
            }
            _ => {}
        }
        if matches!(&*result, "admitted" | "recorded") {
            let first = self.scans.told.entry(own).or_insert_with(|| result.clone());
            if *first != result {
                let text = format!("a scan of ticket {n} was told to be {first}, and is {result}");
                broken(Promise::NoFalseAnswer, text);
            }
        } else if scan.late && result != "undone" {
            broken(Promise::NothingLost, format!("a late scan of ticket {n} is {result}"));
        }
        true
    }

    /// What is recorded of the doors in the end. `counts` are the counters of gates.
    pub fn doors_in_the_end(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        rows: &[ScanRow],
        counts: &[GateCountRow],
    ) {
        let mut broken = |promise, order: Option<OrderId>, text: String| {
            trace.broken(at_ms, promise, order, text);
        };
        let by_name: BTreeMap<Name, &ScanRow> =
            rows.iter().map(|row| ((row.device, row.nonce), row)).collect();
        for (of, told) in &self.scans.told {
            let Some(row) = by_name.get(of) else {
                broken(
                    Promise::AdmitsOnce,
                    None,
                    format!("scan {of:?} was told to be {told}, and is lost"),
                );
                continue;
            };
            let counts = row.undone_ms.is_none() && row.visit.is_some();
            if told == "admitted" && !counts && !self.scans.undone.contains(of) {
                let text = format!(
                    "ticket {} was shown green, and its scan {of:?} does not count",
                    row.number
                );
                broken(Promise::AdmitsOnce, Some(row.order_id), text);
            }
        }
        for of in &self.scans.told_undone {
            if by_name.get(of).is_none_or(|row| row.undone_ms.is_none()) {
                broken(Promise::NothingLost, None, format!("scan {of:?} was undone, and counts"));
            }
        }
        let mut visits = BTreeSet::new();
        let mut sums: BTreeMap<&str, [i64; 3]> = BTreeMap::new();
        for row in rows {
            let sent = self.scans.sent.get(&(row.device, row.nonce));
            let of = sent.and_then(|sent| self.of_code(&sent.code));
            let is_its_ticket = of.is_none_or(|((order, number), _)| {
                (order, u32::from(number)) == (row.order_id, row.number)
            });
            if !is_its_ticket || sent.is_none_or(|sent| sent.late != row.late || row.goes_out) {
                let text = format!("ticket {} has a scan that no device has made", row.number);
                broken(Promise::NoFalseAnswer, Some(row.order_id), text);
            }
            if !row.late && row.objection.is_some() {
                let text =
                    format!("ticket {} was let in online although it is not good", row.number);
                broken(Promise::AdmitsOnce, Some(row.order_id), text);
            }
            if row.undone_ms.is_some() {
                continue;
            }
            if row.visit.is_some() && !visits.insert((row.order_id, row.number)) {
                let text = format!("ticket {} was let in twice", row.number);
                broken(Promise::AdmitsOnce, Some(row.order_id), text);
            }
            let sum = sums.entry(&row.gate).or_default();
            match (row.goes_out, row.visit) {
                (false, Some(_)) => sum[0] += 1,
                (false, None) => sum[1] += 1,
                (true, _) => sum[2] += 1,
            }
        }
        let mut counted: BTreeMap<&str, [i64; 3]> = BTreeMap::new();
        for row in counts {
            let sum = counted.entry(&row.gate).or_default();
            sum[0] += row.entered;
            sum[1] += row.entered_again;
            sum[2] += row.went_out + row.went_out_unseen;
        }
        counted.retain(|_, sum| *sum != [0; 3]);
        if counted != sums {
            let text = format!("gates count {counted:?}, and their scans are {sums:?}");
            broken(Promise::NoFalseAnswer, None, text);
        }
        let unsent: Vec<&Name> = self
            .scans
            .sent
            .iter()
            .filter(|(of, scan)| scan.late && !by_name.contains_key(of))
            .map(|(of, _)| of)
            .collect();
        if !unsent.is_empty() {
            broken(Promise::NothingLost, None, format!("late scans {unsent:?} are not recorded"));
        }
        trace.count("scans");
    }
}
