//! What the audit log says of a decision.
//!
//! Written is what organisers do, what the box office does to money or finds wrong by itself, and every
//! refund, whoever asked for it. Not written are buyers' holds and payments and what follows from them:
//! their orders tell it, and a sale must not write more.

use crate::actor::Actor;
use crate::store::records::RecordChange;
use crate::store::records::audit_log::{Action, AuditLine, audit_id};
use crate::text::counted;
use boxoffice::{
    Change, Command, Decision, Erasure, EventId, Money, Order, OrderId, Refund, RefundState, Reply,
    Sale, State, TimeMs,
};

/// Gathers the lines of a batch.
pub(super) struct Log {
    at_ms: TimeMs,
    /// See [`crate::store::Store::next_batch`].
    batch: (i64, i64),
    /// The lines.
    pub(super) records: Vec<RecordChange>,
}

impl Log {
    /// None yet. Of the batch of this number that is decided at this time.
    pub(super) fn new(at_ms: TimeMs, batch: (i64, i64)) -> Log {
        Log { at_ms, batch, records: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        actor: Actor,
        action: Action,
        event: Option<EventId>,
        order_id: Option<OrderId>,
        detail: String,
    ) {
        let id = audit_id(self.at_ms, self.batch, self.records.len());
        let line = AuditLine { id, at_ms: self.at_ms, actor, action, event, order_id, detail };
        self.records.push(RecordChange::put(&line));
    }

    /// Adds what there is to say of a decision. `state` is as it was before. Whoever asked may have said why.
    pub(super) fn tell(
        &mut self,
        (actor, reason): (Actor, Option<&str>),
        command: &Command,
        decision: &Decision,
        state: &State,
    ) {
        let of = |id: OrderId| {
            let placed = decision.changes.iter().find_map(|change| match change {
                Change::OrderPlaced(order) if order.id == id => Some(&**order),
                _ => None,
            });
            placed.or_else(|| state.orders.get(&id))
        };
        let event_of = |id: OrderId| of(id).map(|order| order.event);
        match (command, decision.reply) {
            (
                Command::PutEvent { .. }
                | Command::PutEventIf { .. }
                | Command::PutEventParts { .. },
                Reply::Event { id, created },
            ) => {
                let put = decision.changes.iter().find_map(|change| match change {
                    Change::EventPut(event) => Some(&event.spec),
                    _ => None,
                });
                let before = state.events.get(&id).map(|event| &event.spec);
                // The same put again is no change.
                if let Some(spec) = put.filter(|spec| before != Some(*spec)) {
                    let action = if created { Action::EventCreated } else { Action::EventChanged };
                    self.add(actor, action, Some(id), None, spec.slug.clone());
                }
            }
            (Command::SetSale { to, .. }, Reply::Event { id, .. }) => {
                if let Some(event) = state.events.get(&id).filter(|event| event.sale != *to) {
                    let action = match to {
                        Sale::Open => Action::SaleResumed,
                        Sale::Paused => Action::SalePaused,
                        Sale::Canceled => Action::EventCanceled,
                    };
                    self.add(actor, action, Some(id), None, event.spec.slug.clone());
                }
            }
            (Command::Erase { because, .. }, Reply::Erased { event, erased: 1.., left }) => {
                self.erased(actor, *because, event, &decision.changes, left);
            }
            (Command::Erase { .. }, _) => {}
            (Command::DeleteEvent { slug, .. }, Reply::EventDeleted { id }) => {
                self.add(actor, Action::EventDeleted, Some(id), None, slug.clone());
            }
            (command, _) => {
                let asked = matches!(command, Command::Refund { .. });
                let mut refunds = false;
                for change in &decision.changes {
                    let Change::RefundPut { order, refund } = change else { continue };
                    refunds = true;
                    // One whose state stays has only taken tickets: another refund has taken the last of the money.
                    // An alarm tells it.
                    let before =
                        of(*order).and_then(|o| o.refunds.iter().find(|r| r.id == refund.id));
                    if before.is_some_and(|before| before.state == refund.state) {
                        continue;
                    }
                    let action = match refund.state {
                        _ if asked => Action::RefundRequested,
                        RefundState::Pending => Action::RefundRecorded,
                        RefundState::Succeeded(_) | RefundState::Failed(_) => {
                            Action::RefundAnswered
                        }
                    };
                    let detail = of(*order).map(|order| told(order, refund)).unwrap_or_default();
                    let detail = because(detail, reason.filter(|_| asked));
                    self.add(actor, action, event_of(*order), Some(*order), detail);
                }
                let changed = decision.changes.iter().find_map(Change::order);
                if is_organiser(actor)
                    && !refunds
                    && let Some(order) = changed
                {
                    let action = match command {
                        Command::Cancel { .. } => Action::OrderCanceled,
                        Command::Sell { .. } => Action::OrderSold,
                        Command::CorrectName { .. } => Action::NameCorrected,
                        Command::Answer { .. } => Action::AnswersChanged,
                        _ => Action::OrderChanged,
                    };
                    let moved = decision.changes.iter().rev().find_map(|change| match change {
                        Change::OrderMoved { to, .. } => Some(to.state),
                        _ => None,
                    });
                    let now = moved.or(of(order).map(|order| order.state));
                    let now = now.map_or("", |state| state.word());
                    // Neither names nor answers nor metadata: who is erased must not stay here.
                    let detail = match (command, of(order)) {
                        (_, Some(sold)) if action == Action::OrderSold => {
                            let tickets = counted(sold.places(), "ticket");
                            format!("{tickets} for {}: {}", sold.total(), sold.tender.word())
                        }
                        (Command::NameTicket { number, .. }, _) => {
                            format!("name on ticket {number}")
                        }
                        (Command::ChangeAddress { .. }, _) => "e-mail address".into(),
                        (Command::PutMetadata { .. }, _) => "metadata".into(),
                        _ => now.into(),
                    };
                    let detail = because(detail, reason);
                    self.add(actor, action, event_of(order), Some(order), detail);
                }
            }
        }
        for alarm in &decision.alarms {
            let (order, text) = (alarm.order, alarm.text.clone());
            self.add(Actor::System, Action::Alarm, event_of(order), Some(order), text);
        }
    }

    /// Buyers were erased. What was asked for is told of each order, so that it can be repeated where a copy of
    /// the database is restored that is older; what is due is erased there by itself, and told in one line.
    /// The address must not stand here.
    fn erased(
        &mut self,
        actor: Actor,
        because: Erasure,
        event: EventId,
        changes: &[Change],
        left: u32,
    ) {
        let orders = changes.iter().filter_map(|change| match change {
            Change::BuyerErased { order, .. } => Some(*order),
            _ => None,
        });
        let action = Action::BuyersErased;
        match because {
            Erasure::Asked => {
                for order in orders {
                    self.add(actor, action, Some(event), Some(order), "asked for".into());
                }
            }
            Erasure::TimeOver => {
                let mut detail =
                    counted(orders.count() as u64, "order") + ": the event is over for long enough";
                if left > 0 {
                    detail += &format!("; {left} left that still need their buyer");
                }
                self.add(actor, action, Some(event), None, detail);
            }
        }
    }
}

fn is_organiser(actor: Actor) -> bool {
    match actor {
        Actor::Staff(_) | Actor::ApiKey(_) | Actor::Device(_) => true,
        Actor::Buyer | Actor::System => false,
    }
}

/// What was done, and why, if somebody has said so.
fn because(what: String, reason: Option<&str>) -> String {
    match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("{what}; reason: {reason}"),
        None => what,
    }
}

/// A refund in words.
fn told(order: &Order, refund: &Refund) -> String {
    let id = uuid::Uuid::from_u128(refund.id.0);
    let amount = Money { minor: refund.amount_minor, currency: order.currency };
    let external = if refund.by_hand { ", made at the payment provider" } else { "" };
    match &refund.state {
        RefundState::Pending => format!("refund {id} of {amount}{external}: pending"),
        RefundState::Succeeded(made) => {
            format!("refund {id} of {amount}{external}: succeeded ({made})")
        }
        RefundState::Failed(why) => format!("refund {id} of {amount}{external}: failed ({why})"),
    }
}
