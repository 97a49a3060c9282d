//! Whoever has paid is sent the tickets. What left for the relay, what it has taken, and whether that was all.

use super::Auditor;
use crate::trace::{Promise, Trace};
use boxoffice::{Buyer, Order, OrderId, OrderState, TicketState};
use std::collections::{BTreeMap, BTreeSet};

/// A mail on its way to the relay.
#[derive(Clone, Debug)]
pub struct Leaves {
    /// Its id.
    pub id: u128,
    /// About which order.
    pub order: Option<OrderId>,
    /// What it tells.
    pub subject: String,
    /// To whom.
    pub to: String,
    /// From which machine.
    pub machine: usize,
    /// From which of its processes.
    pub life: u32,
    /// Its text.
    pub text: String,
}

/// What was told of an order.
#[derive(Clone, Debug)]
struct Told {
    at_ms: i64,
    /// See [`Leaves::subject`].
    subject: String,
    to: String,
    /// Whether it said the place where the event was then.
    place: bool,
}

/// A mail that the relay has taken.
#[derive(Clone, Debug)]
struct Taken {
    at_ms: i64,
    to: String,
    machine: usize,
    life: u32,
    lost: bool,
}

/// An event that is in another place from some moment on.
#[derive(Clone, Debug)]
struct Move {
    at_ms: i64,
    /// Where it was.
    place: String,
    /// Where it is.
    to: String,
    /// Those who had tickets then.
    paid: Vec<OrderId>,
}

/// What the auditor knows of mails.
#[derive(Default)]
pub(super) struct Mails {
    taken: BTreeMap<u128, Vec<Taken>>,
    /// Of each order, what was taken.
    of_order: BTreeMap<OrderId, Vec<Told>>,
    /// Of each order, the addresses that do not exist.
    refused: BTreeSet<(OrderId, String)>,
    /// How often nobody answered to a mail that was not taken, by its id and its address.
    hung: BTreeMap<(u128, String), (u32, OrderId)>,
    /// The addresses that buyers have asked for.
    asked: BTreeMap<OrderId, BTreeSet<String>>,
    /// The addresses that orders ever had.
    had: BTreeMap<OrderId, BTreeSet<String>>,
    /// Orders that were paid at some moment.
    paid: BTreeSet<OrderId>,
    moves: Vec<Move>,
}

/// Somebody else takes a mail from the list so long after the last moment of a delivery, in milliseconds, less
/// what the clocks of processes that have no trouble may differ.
const BETWEEN_MS: i64 =
    nts_server::messages::TAKEN_MS - nts_server::messages::MOST_DELIVERY.as_millis() as i64 - 2_000;

/// Whether somebody gets in with it.
fn has_tickets(order: &Order) -> bool {
    let valid = order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid);
    valid && matches!(order.state, OrderState::Paid | OrderState::Refunding)
}

fn of_tickets(subject: &str) -> bool {
    matches!(subject, "tickets" | "again")
}

impl Auditor {
    /// A mail leaves for the relay: what it tells must be so now.
    pub fn mail_leaves(&mut self, trace: &mut Trace, at_ms: i64, mail: &Leaves) {
        let Some(id) = mail.order else { return };
        let Some(order) = self.orders.get(&id) else {
            let text = "a mail is sent about an order that is not there".into();
            return trace.broken(at_ms, Promise::MailArrives, Some(id), text);
        };
        let wrong = if order.buyer == Buyer::erased(id) {
            Some("whose buyer is erased".to_owned())
        } else if mail.subject == "address_changed" {
            let had = self.mails.had.get(&id).is_some_and(|had| had.contains(&mail.to));
            (!had).then(|| "to an address that it never had".to_owned())
        } else if order.buyer.email != mail.to {
            Some(format!("to {}, and it has {}", mail.to, order.buyer.email))
        } else if (of_tickets(&mail.subject) || mail.subject == "moved") && !has_tickets(order) {
            Some(format!("that has no tickets: it is {:?}", order.state))
        } else if of_tickets(&mail.subject) {
            self.wrong_codes(order, &mail.text)
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let text = format!("a mail ({}) is sent about an order {wrong}", mail.subject);
            trace.broken(at_ms, Promise::MailArrives, Some(id), text);
        }
    }

    /// The relay has taken a mail. Twice only where nobody can know that it had. `dead`: whether a process of
    /// a machine lives no more.
    pub fn mail_taken(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        mail: &Leaves,
        lost: bool,
        dead: &dyn Fn(usize, u32) -> bool,
    ) {
        let before = self.mails.taken.entry(mail.id).or_default();
        let same: Vec<&Taken> = before.iter().filter(|taken| taken.to == mail.to).collect();
        if let Some(last) = same.last() {
            trace.mark("a mail was taken twice");
            let unknown = same.iter().filter(|taken| taken.lost).count();
            let explained = if last.lost {
                // Once more, and not a third time, unless a process died before it could be recorded.
                unknown < 2 || same.iter().any(|taken| dead(taken.machine, taken.life))
            } else {
                dead(last.machine, last.life)
                    || at_ms - last.at_ms >= BETWEEN_MS && self.clock_moves
            };
            if !explained {
                let text = format!(
                    "a mail ({}) to {} is taken for the {}th time",
                    mail.subject,
                    mail.to,
                    same.len() + 1
                );
                trace.broken(at_ms, Promise::MailArrives, mail.order, text);
            }
        }
        let (machine, life) = (mail.machine, mail.life);
        before.push(Taken { at_ms, to: mail.to.clone(), machine, life, lost });
        if let Some(order) = mail.order {
            let event = self.orders.get(&order).and_then(|order| self.events.get(&order.event));
            let place = event.map(|event| &event.spec.place);
            let place = place.is_some_and(|place| mail.text.lines().any(|line| line == place));
            let (subject, to) = (mail.subject.clone(), mail.to.clone());
            let told = Told { at_ms, subject, to, place };
            self.mails.of_order.entry(order).or_default().push(told);
        }
    }

    /// Whether the relay has taken a mail to this address, and its reply was lost.
    pub fn reply_was_lost(&self, id: u128, to: &str) -> bool {
        let before = self.mails.taken.get(&id).map_or(&[][..], Vec::as_slice);
        before.iter().any(|taken| taken.lost && taken.to == to)
    }

    /// The relay does not take a mail, and never will.
    pub fn mail_refused(&mut self, mail: &Leaves) {
        if let Some(order) = mail.order {
            self.mails.refused.insert((order, mail.to.clone()));
        }
    }

    /// Nobody says that a mail was not taken.
    pub fn mail_hangs(&mut self, mail: &Leaves) {
        if let Some(order) = mail.order {
            let hung = self.mails.hung.entry((mail.id, mail.to.clone())).or_insert((0, order));
            hung.0 += 1;
        }
    }

    /// A buyer wants to have another address.
    pub fn address_asked(&mut self, order: OrderId, to: &str) {
        self.mails.asked.entry(order).or_default().insert(to.to_owned());
    }

    /// A buyer was told that the order has another address.
    pub fn address_told(&mut self, trace: &mut Trace, at_ms: i64, told: &Order) {
        let there = self.orders.get(&told.id);
        let erased = there.is_some_and(|order| order.buyer == Buyer::erased(told.id));
        let had = self.mails.had.get(&told.id);
        if !erased && !had.is_some_and(|had| had.contains(&told.buyer.email)) {
            let text = "another address was acknowledged, and the order does not have it".into();
            trace.broken(at_ms, Promise::NothingLost, Some(told.id), text);
        }
    }

    /// Whether the buyer of an order asked for the address that it has now.
    pub(super) fn is_readdressed(&self, order: &Order) -> bool {
        let asked = self.mails.asked.get(&order.id);
        let name = self.owners.get(&order.id).map(|owner| &owner.name);
        let asked = asked.is_some_and(|asked| asked.contains(&order.buyer.email));
        asked && name == Some(&order.buyer.name)
    }

    /// An order is committed.
    pub(super) fn mails_of(&mut self, order: &Order) {
        if !order.buyer.email.is_empty() {
            let email = order.buyer.email.clone();
            self.mails.had.entry(order.id).or_default().insert(email);
            if let Some(owner) = self.owners.get_mut(&order.id) {
                owner.clone_from(&order.buyer);
            }
        }
        if order.state == OrderState::Paid {
            self.mails.paid.insert(order.id);
        }
    }

    /// An event is in another place.
    pub(super) fn event_moves(&mut self, at_ms: i64, place: &str, to: &str) {
        let paid = self.orders.values().filter(|o| has_tickets(o) && o.state == OrderState::Paid);
        let paid = paid.map(|order| order.id).collect();
        self.mails.moves.push(Move { at_ms, place: place.into(), to: to.into(), paid });
    }

    /// In the end nothing is owed any more. `ended`: whether the event was over before.
    /// Gives an order about which a mail is missing.
    pub fn all_mails_sent(&self, trace: &mut Trace, at_ms: i64, ended: bool) -> Option<OrderId> {
        let mut missing = None;
        for id in self.mails.paid.iter().filter(|_| !ended) {
            let Some(order) = self.orders.get(id) else { continue };
            let (to, erased) = (&order.buyer.email, order.buyer == Buyer::erased(*id));
            if to.is_empty() || erased || order.state != OrderState::Paid {
                continue;
            }
            if self.mails.refused.contains(&(*id, to.clone())) {
                trace.mark("a mail was refused");
                continue;
            }
            let sent = self.mails.of_order.get(id).map_or(&[][..], Vec::as_slice);
            let arrived = sent.iter().any(|told| of_tickets(&told.subject) && told.to == *to);
            // Twice without an answer, and it counts as sent.
            let hung = self
                .mails
                .hung
                .iter()
                .any(|((_, whom), (times, order))| order == id && whom == to && *times >= 2);
            if hung {
                trace.mark("a mail was never answered");
                continue;
            }
            if !arrived {
                let text = format!("it was paid, and its tickets were never sent to {to}");
                trace.broken(at_ms, Promise::MailArrives, Some(*id), text);
                missing = Some(*id);
            }
            // Who was told once of each move that was not taken back knows where it is. So does whoever got
            // the tickets since: again, because they were valid again or the address was wrong.
            for moved in self.mails.moves.iter().filter(|moved| moved.paid.contains(id)) {
                let later = self.mails.moves.iter().filter(|later| later.at_ms >= moved.at_ms);
                let back = later.map(|later| &later.to).any(|to| *to == moved.place);
                let told = |told: &Told| {
                    let knows = told.subject == "moved" || of_tickets(&told.subject) && told.place;
                    knows && told.at_ms >= moved.at_ms
                };
                if !back && !sent.iter().any(told) {
                    let text =
                        format!("nobody told its buyer that it is not in {} any more", moved.place);
                    trace.broken(at_ms, Promise::MailArrives, Some(*id), text);
                    missing = Some(*id);
                }
            }
        }
        missing
    }
}
