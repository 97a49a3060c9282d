//! The codes of tickets. What is known of them is what answers have told: of which revision a code is, and who
//! comes with it. At any moment one code of a valid ticket admits, and no other.

use super::Auditor;
use crate::trace::{Promise, Trace};
use boxoffice::{Order, OrderId, Ticket, TicketState};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A ticket: its order, and its number there.
pub(super) type Which = (OrderId, u16);

/// So many tickets are in a mail at most.
const MOST_IN_MAIL: usize = 20;

/// What was told of tickets.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors {
    /// The revisions of each ticket that were shown: both codes, and the guest.
    shown: BTreeMap<Which, BTreeMap<u16, Revision>>,
    /// Of which ticket and revision a code is.
    whose: BTreeMap<String, (Which, u16)>,
    /// The names that were asked for on the tickets of an order.
    pub(super) asked: BTreeMap<OrderId, BTreeSet<String>>,
    /// Whether a ticket was valid when its order was shown last.
    valid: BTreeMap<Which, bool>,
}

#[derive(Clone, Debug)]
struct Revision {
    codes: [String; 2],
    guest: Option<String>,
}

/// The latest revision of a code's ticket that was shown, and whether that was valid then.
pub type Standing = (u16, bool);

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, name: &str) -> u16 {
    value[name].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(u16::MAX)
}

impl Auditor {
    /// The tickets of an order were shown.
    pub fn tickets_shown(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        order: OrderId,
        tickets: &Value,
    ) {
        let mut broken =
            |text: String| trace.broken(at_ms, Promise::NoFalseAnswer, Some(order), text);
        for ticket in tickets.as_array().into_iter().flatten() {
            let which = (order, number(ticket, "number"));
            let (n, revision) = (which.1, number(ticket, "revision"));
            let codes = [text(ticket, "url"), text(ticket, "code")];
            let guest = ticket["guest"].as_str().map(str::to_owned);
            for code in &codes {
                let owner = *self.doors.whose.entry(code.clone()).or_insert((which, revision));
                if code.is_empty() || owner != (which, revision) {
                    broken(format!(
                        "ticket {n} has at revision {revision} the code {code} of {owner:?}"
                    ));
                }
            }
            let told = Revision { codes, guest };
            let all = self.doors.shown.entry(which).or_default();
            let known = all.entry(revision).or_insert_with(|| told.clone());
            if known.codes != told.codes {
                broken(format!("ticket {n} has other codes at revision {revision}"));
            }
            // Whoever is erased takes the guests along; nobody else comes with the same code.
            if told.guest.is_some() && known.guest != told.guest {
                broken(format!("ticket {n} was of {:?}, and is of {:?}", known.guest, told.guest));
            }
            let named = told.guest.filter(|guest| {
                !self.doors.asked.get(&order).is_some_and(|names| names.contains(guest))
            });
            if let Some(guest) = named {
                broken(format!("ticket {n} is of {guest}, and nobody asked for that"));
            }
            _ = self.doors.valid.insert(which, ticket["valid"] == true);
        }
    }

    /// Somebody was told that a ticket has this name now. The name may have been another one again by the time
    /// that the answer was made.
    pub fn ticket_named(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        order: OrderId,
        ticket: u16,
        name: &str,
        view: &Value,
    ) {
        self.tickets_shown(trace, at_ms, order, &view["tickets"]);
        let known = self.doors.shown.get(&(order, ticket));
        let now = known.and_then(|all| all.last_key_value());
        if now.is_none_or(|(revision, _)| *revision == 0) {
            let text =
                format!("ticket {ticket} was passed on to {name} and has the code of before");
            trace.broken(at_ms, Promise::NoFalseAnswer, Some(order), text);
        }
    }

    /// What is wrong with a mail that brings the tickets of an order, as it is now: as far as their codes are
    /// known, it has those that admit, and no others.
    pub(super) fn wrong_codes(&self, order: &Order, text: &str) -> Option<String> {
        let valid = |ticket: &&Ticket| ticket.state == TicketState::Valid;
        // Of very many the mail shows some.
        let all = order.tickets.iter().filter(valid).count() <= MOST_IN_MAIL;
        order.tickets.iter().find_map(|ticket| {
            let number = order.number_of(ticket)?;
            let known = self.doors.shown.get(&(order.id, number))?;
            known.iter().find_map(|(revision, known)| {
                let admits = valid(&ticket) && *revision == ticket.revision;
                let there = text.contains(&known.codes[1]);
                let wrong = if admits { all && !there } else { there };
                let with = if there { "with" } else { "without" };
                wrong.then(|| format!("{with} the code of ticket {number}, revision {revision}"))
            })
        })
    }

    /// The tickets that were shown and were valid then.
    pub fn tickets_seen(&self) -> Vec<(OrderId, u16)> {
        let valid = self.doors.valid.iter().filter(|(_, valid)| **valid);
        valid.map(|(which, _)| *which).collect()
    }

    /// All codes that were ever shown.
    pub fn codes_seen(&self) -> Vec<String> {
        self.doors.whose.keys().cloned().collect()
    }

    /// All codes of some tickets, of those first that were passed on most often.
    pub fn most_passed_on(&self, most: usize) -> Vec<Vec<String>> {
        let mut tickets: Vec<_> = self.doors.shown.values().collect();
        tickets.sort_by_key(|all| std::cmp::Reverse(all.len()));
        let codes =
            |all: &BTreeMap<u16, Revision>| all.values().flat_map(|r| r.codes.clone()).collect();
        tickets.into_iter().take(most).map(codes).collect()
    }

    /// Of which ticket and revision a code is, if it was ever shown.
    pub(super) fn of_code(&self, code: &str) -> Option<(Which, u16)> {
        self.doors.whose.get(code).copied()
    }

    /// What is known of the ticket of a code.
    pub fn standing_of(&self, code: &str) -> Option<Standing> {
        let (which, _) = self.doors.whose.get(code)?;
        let latest = *self.doors.shown.get(which)?.last_key_value()?.0;
        Some((latest, *self.doors.valid.get(which)?))
    }

    /// The door was told of a code. `before` is what was known when it asked; `calm`: nothing has changed since.
    pub fn scanned(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        code: &str,
        (forged, calm): (bool, bool),
        before: Option<Standing>,
        (status, answer): (u16, &Value),
    ) {
        if status == 503 || status == 429 {
            return;
        }
        let Some((which, revision)) = self.doors.whose.get(code).copied() else { return };
        let mut broken =
            |text: String| trace.broken(at_ms, Promise::NoFalseAnswer, Some(which.0), text);
        let (n, state) = (which.1, answer["state"].as_str().unwrap_or_default());
        if forged {
            if status != 404 {
                broken(format!("a forged code of ticket {n} was answered with {status} {state}"));
            }
            return;
        }
        if status != 200 {
            return broken(format!("a code of ticket {n} was answered with {status}"));
        }
        let told = (number(answer, "revision"), number(&answer["ticket"], "number"));
        if told != (revision, which.1) {
            broken(format!(
                "a code of ticket {n} at revision {revision} is told to be of {told:?}"
            ));
        }
        let Some((latest, valid)) = before else { return };
        if state == "valid" && revision < latest {
            broken(format!("ticket {n} admits by its revision {revision}, and {latest} was told"));
        }
        if !calm {
            return;
        }
        let should = match (revision < latest, valid) {
            (true, _) => "replaced",
            (false, true) => "valid",
            (false, false) => "revoked",
        };
        if state != should {
            broken(format!("a code of ticket {n} is {state} in the end, it should be {should}"));
        }
        if state == "valid" {
            trace.count("codes that admit");
        }
    }
}
