//! The mails that a decision owes to buyers. They are rows of the outbox, committed with the decision: whoever
//! has paid is owed the tickets from then on, whatever dies. Without an address nothing is owed.

use crate::mail::{ADDRESS_CHANGED, Letter, Of, WITH_TICKETS, of_nobody};
use crate::store::records::RecordChange;
use crate::store::records::audit_log::audit_id;
use crate::store::records::mail_jobs::MailJob;
use crate::store::records::outbox_rows::{Message, MessageState, erase, redirect};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    Change, Decision, Event, Order, OrderId, OrderState, RefundId, RefundState, State, TicketState,
    TimeMs,
};

/// The kind of their messages.
pub const MAIL: &str = "mail";

/// Gathers the mails of a batch.
pub(super) struct Mails {
    at_ms: TimeMs,
    /// See [`crate::store::Store::next_batch`].
    batch: (i64, i64),
    nth: usize,
}

/// A mail as it is owed: to be sent at once.
pub fn message(id: u128, letter: &Letter, to: &str, now: TimeMs) -> Message {
    let of = letter.of();
    Message {
        id,
        kind: MAIL.into(),
        lane: letter.lane(),
        destination: to.into(),
        subject: letter.subject().into(),
        payload: serde_json::to_string(letter).expect("a letter is JSON"),
        order_id: of.map(Of::order),
        event: of.map(Of::event),
        made_ms: now,
        due_ms: now,
        tried_ms: None,
        tries: 0,
        unanswered: 0,
        last_error: None,
        state: MessageState::Queued,
        ended_ms: None,
        owner: 0,
    }
}

/// An order that is placed by a decision: what the organiser sells is placed and paid in one step.
fn placed(decision: &Decision, id: OrderId) -> Option<&Order> {
    decision.changes.iter().find_map(|change| match change {
        Change::OrderPlaced(order) if order.id == id => Some(&**order),
        _ => None,
    })
}

impl Mails {
    /// None yet. Of the batch of this number that is decided at this time.
    pub(super) fn new(at_ms: TimeMs, batch: (i64, i64)) -> Mails {
        Mails { at_ms, batch, nth: 0 }
    }

    fn id(&mut self) -> u128 {
        self.nth += 1;
        audit_id(self.at_ms, self.batch, self.nth)
    }

    fn write(&mut self, letter: &Letter, to: &str, records: &mut Vec<RecordChange>) {
        if !to.is_empty() {
            let message = message(self.id(), letter, to, self.at_ms);
            records.push(RecordChange::put(&message));
        }
    }

    /// Adds what a decision owes. `state` is as it was before.
    pub(super) fn owe(
        &mut self,
        decision: &Decision,
        state: &State,
        records: &mut Vec<RecordChange>,
    ) {
        // A command moves one order, or changes the buyers of some.
        let moved = decision.changes.iter().rev().find_map(|change| match change {
            Change::OrderMoved { order, to } => Some((*order, Some(to.state))),
            _ => None,
        });
        let refunded = || {
            decision.changes.iter().find_map(|change| match change {
                Change::RefundPut { order, .. } => Some((*order, None)),
                _ => None,
            })
        };
        if let Some((id, now)) = moved.or_else(refunded)
            && let Some(before) = state.orders.get(&id).or_else(|| placed(decision, id))
        {
            self.of_order(before, now.unwrap_or(before.state), &decision.changes, records);
        }
        for change in &decision.changes {
            match change {
                Change::EventPut(event) => {
                    if let Some(known) = state.events.get(&event.id) {
                        self.of_event(known, event, records);
                    }
                }
                Change::BuyerErased { order, .. } => {
                    let address = state.orders.get(order).map_or("", |o| &o.buyer.email);
                    records.extend(erase(*order, &of_nobody(address), self.at_ms));
                }
                Change::EmailPut { order, buyer, .. } => {
                    if let Some(before) = state.orders.get(order) {
                        self.address_changed(before, &buyer.email, records);
                    }
                }
                _ => {}
            }
        }
    }

    /// `now` is the state in which the order is after all of the changes.
    fn of_order(
        &mut self,
        before: &Order,
        now: OrderState,
        changes: &[Change],
        records: &mut Vec<RecordChange>,
    ) {
        let to = &before.buyer.email;
        if to.is_empty() {
            return;
        }
        let of = Of { order: before.id.0, event: before.event.0 };
        let paid = matches!(before.state, OrderState::Paid | OrderState::Refunding);
        // After a partial refund it is paid again; and what is refunded in part at once has tickets all the same.
        let sells = matches!(now, OrderState::Paid | OrderState::Refunding);
        if sells && !paid && !on(Mutant::MailOwedLate) {
            self.write(&Letter::Tickets(of), to, records);
        }
        // A refund that could not be made: tickets that were revoked are valid again, which nobody was told.
        let valid_again = |change: &Change| match change {
            Change::TicketPut { ticket, .. } => ticket.state == TicketState::Valid,
            _ => false,
        };
        if now == OrderState::Paid && paid && changes.iter().any(valid_again) {
            self.write(&Letter::Again(of), to, records);
        }
        let gone = matches!(now, OrderState::Released | OrderState::Void);
        let mut void = now == OrderState::Void && before.state != OrderState::Void;
        let mut told: Vec<RefundId> = Vec::new();
        for change in changes {
            let Change::RefundPut { refund, .. } = change else { continue };
            let known = before.refunds.iter().find(|known| known.id == refund.id);
            // Its places are gone, and its money goes back: one letter says both.
            void |= gone && known.is_none() && !refund.by_hand;
            let made = matches!(refund.state, RefundState::Succeeded(_));
            let new = known.is_none_or(|known| known.state != refund.state);
            if made && new && !gone && !told.contains(&refund.id) {
                told.push(refund.id);
                self.write(&Letter::Refunded(of, refund.id.0), to, records);
            }
        }
        if void {
            self.write(&Letter::Void(of), to, records);
        }
    }

    /// An event that is sold already is at another time or in another place.
    fn of_event(&mut self, known: &Event, event: &Event, records: &mut Vec<RecordChange>) {
        let (old, new) = (&known.spec, &event.spec);
        let moved =
            (old.starts_ms, &old.zone, &old.place) != (new.starts_ms, &new.zone, &new.place);
        if !moved || known.is_canceled() || known.pools.iter().all(|pool| pool.sold == 0) {
            return;
        }
        let of = Of { order: 0, event: event.id.0 };
        let (started_ms, place) = (old.starts_ms, old.place.clone());
        let letter = Letter::Moved { of, started_ms, place, issued: known.serials };
        let letter = serde_json::to_string(&letter).expect("a letter is JSON");
        let (id, at_ms) = (self.id(), self.at_ms);
        let done = OrderId(0);
        let job = MailJob { id, at_ms, event: event.id, letter, done };
        records.push(RecordChange::put(&job));
    }

    /// An order has another address: the old one is told, and the new one gets the tickets and all that waits.
    fn address_changed(&mut self, before: &Order, to: &str, records: &mut Vec<RecordChange>) {
        let old = &before.buyer.email;
        let of = Of { order: before.id.0, event: before.event.0 };
        if !on(Mutant::MailToOldAddress) {
            let stopped = &WITH_TICKETS;
            records.extend(redirect(MAIL, before.id, to, stopped, ADDRESS_CHANGED, self.at_ms));
        }
        self.write(&Letter::AddressChanged(of), old, records);
        if before.tickets.iter().any(|ticket| ticket.state == TicketState::Valid) {
            self.write(&Letter::Again(of), to, records);
        }
    }
}
