//! The messages that a decision owes to webhooks. They are rows of the outbox, committed with the decision: what a
//! program is to be told of is told, whatever dies. Where there is no webhook, a decision costs one look at an empty
//! list.
//!
//! A message has ids and states, and nothing of a buyer: no name, no address, no secret, no code of a ticket.

use crate::store::records::RecordChange;
use crate::store::records::webhooks::{HookKind, Webhook, message, message_id};
use crate::when;
use boxoffice::door::{Direction, Scan};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    Change, Event, EventId, EventSpec, Order, OrderId, OrderState, Refund, RefundId, RefundState,
    Sale, State, TicketState, TimeMs,
};
use nts_api::{Money, WebhookData, WebhookMessage, WebhookRefund};
use std::sync::{Arc, PoisonError, RwLock};

/// The webhooks that this process knows. Who changes one, or learns that another process has, puts a new list here.
#[derive(Default, Debug)]
pub struct HookList {
    known: RwLock<Arc<Vec<Webhook>>>,
    live: bool,
}

impl HookList {
    /// These. `live`: whether real money moves.
    pub fn new(webhooks: Vec<Webhook>, live: bool) -> HookList {
        HookList { known: RwLock::new(Arc::new(webhooks)), live }
    }

    /// Whether real money moves.
    pub fn live(&self) -> bool {
        self.live
    }

    /// Those that are known.
    pub fn known(&self) -> Arc<Vec<Webhook>> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These from now on.
    pub fn set(&self, webhooks: Vec<Webhook>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(webhooks);
    }
}

/// Gathers the messages of a batch.
pub(super) struct Webhooks {
    list: Arc<Vec<Webhook>>,
    live: bool,
    at_ms: TimeMs,
    batch: (i64, i64),
    nth: usize,
}

/// What is known of the orders and events of a decision before it.
#[derive(Default)]
pub(super) struct Before {
    orders: Vec<(OrderId, Option<OrderBefore>)>,
    events: Vec<(EventId, Option<EventBefore>)>,
}

struct OrderBefore {
    state: OrderState,
    /// The refunds that were made.
    made: Vec<RefundId>,
    valid: Vec<bool>,
}

struct EventBefore {
    slug: String,
    sold_out: bool,
    /// What was said of it, if the decision says something.
    said: Option<(EventSpec, Sale)>,
}

fn is_made(refund: &Refund) -> bool {
    matches!(refund.state, RefundState::Succeeded(_))
}

fn is_valid(ticket: &boxoffice::Ticket) -> bool {
    ticket.state == TicketState::Valid
}

impl OrderBefore {
    fn of(order: &Order) -> OrderBefore {
        OrderBefore {
            state: order.state,
            made: order.refunds.iter().filter(|r| is_made(r)).map(|r| r.id).collect(),
            valid: order.tickets.iter().map(is_valid).collect(),
        }
    }
}

/// Whether all places of an event are sold. Places that are held and not paid may come back.
fn is_sold_out(event: &Event) -> bool {
    let offered = event.pools.iter().any(|pool| pool.capacity > 0);
    offered && event.pools.iter().all(|pool| pool.sold >= pool.capacity)
}

/// A number that rises with each change of an order that messages tell of. It follows from the order itself: neither
/// its state nor one of its refunds ever goes back.
fn sequence(order: &Order) -> u32 {
    let state = match order.state {
        OrderState::Held => 1,
        OrderState::Paying => 2,
        OrderState::Canceling | OrderState::Committed => 3,
        // After a partial refund it is paid again.
        OrderState::Paid | OrderState::Refunding | OrderState::Refunded => 4,
        OrderState::Released | OrderState::Void => 4,
    };
    let of_refund = |refund: &Refund| match &refund.state {
        RefundState::Pending => 1,
        // One that failed can be found to be made all the same, and one that was made can fail later.
        RefundState::Failed(_) if !refund.failed_later() => 2,
        RefundState::Succeeded(_) => 3,
        RefundState::Failed(_) => 4,
    };
    state + order.refunds.iter().map(of_refund).sum::<u32>()
}

fn uuid(id: u128) -> String {
    uuid::Uuid::from_u128(id).to_string()
}

impl Webhooks {
    /// None yet. Of the batch of this number that is decided at this time.
    pub(super) fn new(list: &HookList, at_ms: TimeMs, batch: (i64, i64)) -> Webhooks {
        Webhooks { list: list.known(), live: list.live(), at_ms, batch, nth: 0 }
    }

    fn is_idle(&self) -> bool {
        self.list.iter().all(|webhook| !webhook.is_on)
    }

    /// Looks at what a decision will change. `state` is as it was before.
    pub(super) fn before(&self, changes: &[Change], state: &State) -> Option<Before> {
        if self.is_idle() {
            return None;
        }
        let mut before = Before::default();
        for change in changes {
            if let Some(id) = change.order()
                && !matches!(change, Change::OrderForgotten { .. })
                && !before.orders.iter().any(|(known, _)| *known == id)
            {
                before.orders.push((id, state.orders.get(&id).map(OrderBefore::of)));
            }
            let (event, says) = match change {
                Change::EventPut(event) => (event.id, true),
                Change::EventDeleted { event } => (*event, true),
                Change::Stock { event, sold, .. } if *sold != 0 => (*event, false),
                _ => continue,
            };
            let known = state.events.get(&event);
            let said = |event: &Event| says.then(|| (event.spec.clone(), event.sale));
            let now = |event: &Event| EventBefore {
                slug: event.spec.slug.clone(),
                sold_out: is_sold_out(event),
                said: said(event),
            };
            match before.events.iter_mut().find(|(known, _)| *known == event) {
                None => before.events.push((event, known.map(now))),
                Some((_, Some(earlier))) if earlier.said.is_none() => {
                    earlier.said = known.and_then(said);
                }
                Some(_) => {}
            }
        }
        Some(before)
    }

    /// Adds what a decision owes. `state` is as it is after all of its changes.
    pub(super) fn after(
        &mut self,
        before: Option<Before>,
        state: &State,
        records: &mut Vec<RecordChange>,
    ) {
        let Some(before) = before else { return };
        for (id, earlier) in before.orders {
            if let Some(order) = state.orders.get(&id) {
                self.of_order(earlier.as_ref(), order, state, records);
            }
        }
        for (id, earlier) in before.events {
            self.of_event(id, earlier, state.events.get(&id), records);
        }
    }

    fn of_order(
        &mut self,
        before: Option<&OrderBefore>,
        order: &Order,
        state: &State,
        records: &mut Vec<RecordChange>,
    ) {
        let slug = state.events.get(&order.event).map(|event| event.spec.slug.as_str());
        let data = || WebhookData {
            event: slug.map(Into::into),
            order: Some(uuid(order.id.0).into()),
            sequence: Some(sequence(order)),
            state: Some(order.state.word().into()),
            ..WebhookData::default()
        };
        let was = before.map(|before| before.state);
        let moved = match order.state {
            _ if was == Some(order.state) => None,
            OrderState::Held => Some(HookKind::OrderHeld),
            OrderState::Paid | OrderState::Refunding | OrderState::Refunded
                if !matches!(
                    was,
                    Some(OrderState::Paid | OrderState::Refunding | OrderState::Refunded)
                ) =>
            {
                Some(HookKind::OrderPaid).filter(|_| !on(Mutant::WebhookNotOwed))
            }
            OrderState::Released if self.at_ms >= order.until_ms => Some(HookKind::OrderExpired),
            OrderState::Released => Some(HookKind::OrderCanceled),
            OrderState::Void => Some(HookKind::OrderVoid),
            _ => None,
        };
        if let Some(kind) = moved {
            self.tell(kind, order.event, data(), records);
        }
        let was_valid = |n: usize| before.and_then(|before| before.valid.get(n).copied());
        let numbers = |from: Option<bool>, to: bool| -> Vec<u32> {
            let tickets = order.tickets.iter().enumerate();
            let changed = tickets.filter(|(n, t)| was_valid(*n) == from && is_valid(t) == to);
            changed.map(|(n, _)| n as u32 + 1).collect()
        };
        for (kind, tickets) in [
            (HookKind::TicketRevoked, numbers(Some(true), false)),
            (HookKind::TicketValidAgain, numbers(Some(false), true)),
        ] {
            if !tickets.is_empty() {
                let data = WebhookData { tickets: Some(tickets), ..data() };
                self.tell(kind, order.event, data, records);
            }
        }
        let made_before = |id: RefundId| before.is_some_and(|before| before.made.contains(&id));
        for refund in order.refunds.iter().filter(|r| is_made(r) && !made_before(r.id)) {
            let currency = order.currency.code().to_owned().into();
            let amount = Money { amount: refund.amount_minor, currency };
            let made = WebhookRefund { amount, id: uuid(refund.id.0).into() };
            let data = WebhookData { refund: Some(made), ..data() };
            self.tell(HookKind::OrderRefunded, order.event, data, records);
        }
    }

    fn of_event(
        &mut self,
        id: EventId,
        before: Option<EventBefore>,
        event: Option<&Event>,
        records: &mut Vec<RecordChange>,
    ) {
        let Some(event) = event else {
            if let Some(before) = before {
                let (slug, sale) = (Some(before.slug.into()), Some("deleted".into()));
                let data = WebhookData { event: slug, sale, ..WebhookData::default() };
                self.tell(HookKind::EventChanged, id, data, records);
            }
            return;
        };
        let data = || {
            let sale = match event.sale {
                Sale::Open => "open",
                Sale::Paused => "paused",
                Sale::Canceled => "canceled",
            };
            let (slug, sale) = (Some(event.spec.slug.as_str().into()), Some(sale.into()));
            WebhookData { event: slug, sale, ..WebhookData::default() }
        };
        let changed = match &before {
            None => true,
            Some(before) => before
                .said
                .as_ref()
                .is_some_and(|(spec, sale)| (spec, *sale) != (&event.spec, event.sale)),
        };
        if changed {
            self.tell(HookKind::EventChanged, id, data(), records);
        }
        match (before.is_some_and(|before| before.sold_out), is_sold_out(event)) {
            (false, true) => self.tell(HookKind::EventSoldOut, id, data(), records),
            (true, false) => self.tell(HookKind::EventOnSaleAgain, id, data(), records),
            _ => {}
        }
    }

    /// Adds what an entry at the door owes.
    pub(super) fn of_scan(&mut self, scan: &Scan, sale: &State, records: &mut Vec<RecordChange>) {
        if self.is_idle() || scan.direction != Direction::In || scan.visit.is_none() {
            return;
        }
        let event = sale.events.get(&scan.id.event);
        let data = WebhookData {
            event: event.map(|event| event.spec.slug.as_str().into()),
            gate: Some(scan.gate.as_str().into()),
            order: Some(uuid(scan.ticket.order.0).into()),
            tickets: Some(vec![scan.ticket.number.into()]),
            ..WebhookData::default()
        };
        // A device that was without a network reports it later.
        let when_ms = scan.when_ms();
        self.tell_of(HookKind::TicketCheckedIn, scan.id.event, data, when_ms, records);
    }

    /// Adds what a change owes that is decided now.
    fn tell(
        &mut self,
        kind: HookKind,
        event: EventId,
        data: WebhookData<'_>,
        records: &mut Vec<RecordChange>,
    ) {
        self.tell_of(kind, event, data, self.at_ms, records);
    }

    /// `when_ms`: when it happened.
    fn tell_of(
        &mut self,
        kind: HookKind,
        event: EventId,
        data: WebhookData<'_>,
        when_ms: TimeMs,
        records: &mut Vec<RecordChange>,
    ) {
        let mut payload = None;
        for (place, webhook) in self.list.iter().enumerate() {
            let wanted = webhook.is_on
                && webhook.kinds.has(kind)
                && webhook.event.is_none_or(|only| only == event);
            if !wanted {
                continue;
            }
            let payload = payload.get_or_insert_with(|| {
                self.nth += 1;
                let told = WebhookMessage {
                    data: data.clone(),
                    live: self.live,
                    timestamp: when::rfc3339(when_ms).into(),
                    kind: kind.word().into(),
                };
                serde_json::to_string(&told).expect("a message is JSON")
            });
            let id = message_id(self.at_ms, self.batch, place, self.nth);
            let event = Some(event);
            let message = message(id, webhook.id, kind.word(), payload.clone(), event, self.at_ms);
            records.push(RecordChange::put(&message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_whether_money_is_real_and_when_it_happened() {
        for live in [false, true] {
            let hook = Webhook {
                id: 7,
                address: "https://one.example/".into(),
                kinds: crate::store::records::webhooks::HookKinds::EVERY,
                event: None,
                is_on: true,
                off_because: None,
                failing_ms: None,
                secret: 0,
                old_until_ms: None,
                made_by: crate::actor::Actor::System,
                made_ms: 0,
            };
            let mut records = Vec::new();
            let mut told = Webhooks::new(&HookList::new(vec![hook], live), 90_000, (0, 0));
            let (kind, event) = (HookKind::TicketCheckedIn, EventId(1));
            told.tell_of(kind, event, WebhookData::default(), 1_000, &mut records);
            let [RecordChange::Put(_, row)] = &records[..] else { panic!("{records:?}") };
            let message: crate::store::records::outbox_rows::Message =
                crate::store::records::Record::read(row.clone()).expect("a message");
            let said: WebhookMessage<'_> = serde_json::from_str(&message.payload).expect("JSON");
            assert_eq!((said.live, &*said.timestamp), (live, &*when::rfc3339(1_000)));
            assert_eq!(message.made_ms, 90_000, "it is owed since it is known");
        }
    }

    #[test]
    fn an_event_without_places_is_not_sold_out() {
        let pool = |capacity, sold| boxoffice::Pool {
            name: "stalls".into(),
            capacity,
            held: capacity - sold,
            sold,
        };
        let event = |pools| Event {
            id: EventId(1),
            spec: EventSpec::new("rock", boxoffice::Currency::parse("GBP").expect("known"), 0),
            pools,
            ticket_types: vec![],
            counters: vec![],
            serials: 0,
            sale: Sale::Open,
        };
        assert!(!is_sold_out(&event(vec![])));
        assert!(!is_sold_out(&event(vec![pool(0, 0)])));
        assert!(is_sold_out(&event(vec![pool(0, 0), pool(3, 3)])));
        assert!(!is_sold_out(&event(vec![pool(1, 1), pool(3, 2)])), "the third is held only");
    }
}
