//! Draft: a decision in the making, and the steps that several decisions share.

use crate::mutant::{Mutant, on};
use crate::{
    Alarm, Change, Decision, Effect, Extra, Line, Order, OrderState, Refusal, Reply, Standing,
    State, TimeMs,
};
use alloc::{string::String, vec::Vec};

/// A decision in the making. Everything here comes after the point of no return.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) changes: Vec<Change>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) alarms: Vec<Alarm>,
    /// What stands with the order already and is still so: it goes on standing there.
    pub(crate) standing: Vec<String>,
}

impl Draft {
    pub(crate) fn reply(self, reply: Reply) -> Result<Decision, Refusal> {
        let Draft { mut changes, effects, alarms, standing } = self;
        let texts: Vec<&str> =
            alarms.iter().map(|a| &a.text).chain(&standing).map(|t| &**t).collect();
        let last = changes.iter_mut().rev().find_map(|c| match c {
            Change::OrderMoved { to, .. } => Some(&mut to.trouble),
            _ => None,
        });
        match last {
            Some(trouble) if !texts.is_empty() => *trouble = Some(texts.join("; ")),
            Some(_) => {}
            None => assert!(alarms.is_empty(), "an alarm is kept with its order"),
        }
        Ok(Decision { changes, effects, alarms, reply })
    }

    /// Ends with the state that the order has once the changes are recorded.
    pub(crate) fn reply_order(self, order: &Order) -> Result<Decision, Refusal> {
        let moved = self.changes.iter().rev().find_map(|c| match c {
            Change::OrderMoved { to, .. } => Some(to.state),
            _ => None,
        });
        let state = moved.unwrap_or(order.state);
        self.reply(Reply::Order { order: order.id, state })
    }

    /// Moves an order to a state in which nothing is owed.
    pub(crate) fn set_idle(&mut self, order: &Order, state: OrderState) {
        self.changes.push(moved(order, state, None));
    }

    /// Moves an order to a state in which something is owed at once.
    pub(crate) fn schedule_now(&mut self, order: &Order, state: OrderState, now: TimeMs) {
        self.changes.push(moved(order, state, Some(now)));
        self.effects.push(Effect::Settle(order.id));
    }

    /// Leaves an order as it is, to be looked at at `due_ms`.
    pub(crate) fn retry_at(&mut self, order: &Order, due_ms: TimeMs, tries: u32) {
        let to = Standing { due_ms: Some(due_ms), tries, ..order.standing() };
        self.changes.push(Change::OrderMoved { order: order.id, to });
    }

    /// Says that a person must look at this, and keeps it with the order.
    pub(crate) fn alarm(&mut self, order: &Order, text: impl Into<String>) {
        if !self.changes.iter().any(|c| matches!(c, Change::OrderMoved { .. })) {
            // The trouble is set at the end, when all alarms are known.
            let to = Standing { trouble: None, ..order.standing() };
            self.changes.push(Change::OrderMoved { order: order.id, to });
        }
        self.alarms.push(Alarm { order: order.id, text: text.into() });
    }

    /// Says what is so for as long as nobody does something about it, and is read again and again:
    /// only if it does not stand with the order yet.
    pub(crate) fn alarm_once(&mut self, order: &Order, text: impl Into<String>) {
        let text = text.into();
        if order.trouble.as_ref().is_some_and(|known| known.contains(&text)) {
            self.standing.push(text);
        } else {
            self.alarm(order, text);
        }
    }

    /// Moves the places of an order: `held` and `sold` say how each of its places counts.
    pub(crate) fn stock(&mut self, order: &Order, held: i64, sold: i64) {
        for (pool, places) in by_pool(drawn(&order.lines)) {
            let pool = if on(Mutant::OtherPoolBack) && held < 0 && sold == 0 { 0 } else { pool };
            let code = order.lines.iter().any(|line| line.extra.code == Some(pool));
            if on(Mutant::CodeNotFreed) && code && held < 0 && sold == 0 {
                continue;
            }
            self.changes.push(Change::Stock {
                event: order.event,
                pool,
                held: held * i64::from(places),
                sold: sold * i64::from(places),
            });
        }
    }

    /// Takes places away from what the buyer has, if that was loaded. If not, nobody keeps it at
    /// the moment, and whoever counts it next counts the order as it is then.
    pub(crate) fn forget_places(&mut self, state: &State, order: &Order, places: u32) {
        let key = (order.event, order.buyer.key);
        if let Some(record) = state.buyers.get(&key) {
            let mut record = *record;
            record.places = record.places.saturating_sub(places);
            let (event, buyer) = key;
            self.changes.push(Change::BuyerPut { event, buyer, record });
        }
    }

    /// C2, and the end of a hold that nobody began to pay: the places are offered again.
    pub(crate) fn release(&mut self, state: &State, order: &Order) {
        assert!(order.state.holds(), "only held places are released");
        self.set_idle(order, OrderState::Released);
        self.stock(order, -1, 0);
        self.forget_places(state, order, order.lines.iter().map(|l| l.quantity).sum());
    }

    /// What was sold and never got its tickets: the places are offered again.
    pub(crate) fn void(&mut self, state: &State, order: &Order) {
        assert!(order.state == OrderState::Committed, "only what has no tickets is void");
        self.set_idle(order, OrderState::Void);
        self.stock(order, 0, -1);
        self.forget_places(state, order, order.lines.iter().map(|l| l.quantity).sum());
    }

    /// The order, and what belongs to it, as it is once these changes are recorded: for a decision
    /// that goes on from there.
    pub(crate) fn outcome(&self, state: &State, order: &Order) -> State {
        let mut next = State::default();
        let event = state.events.get(&order.event).expect("an order is loaded with its event");
        next.events.insert(event.id, event.clone());
        next.orders.insert(order.id, order.clone());
        let buyer = (order.event, order.buyer.key);
        if let Some(record) = state.buyers.get(&buyer) {
            next.buyers.insert(buyer, *record);
        }
        self.changes.iter().for_each(|change| next.apply(change));
        next
    }
}

pub(crate) fn moved(order: &Order, state: OrderState, due_ms: Option<TimeMs>) -> Change {
    let to = Standing { state, until_ms: order.until_ms, due_ms, tries: 0, trouble: None };
    Change::OrderMoved { order: order.id, to }
}

/// The places of some lines, added up by pool, in the order of the pools.
pub(crate) fn by_pool(lines: impl Iterator<Item = (u16, u32)>) -> Vec<(u16, u32)> {
    let mut pools: Vec<(u16, u32)> = Vec::new();
    for (pool, places) in lines {
        match pools.binary_search_by_key(&pool, |p| p.0) {
            Ok(i) => pools[i].1 += places,
            Err(i) => pools.insert(i, (pool, places)),
        }
    }
    pools.retain(|(_, places)| *places > 0);
    pools
}

/// What counts the tickets of some lines, with how many it counts.
fn drawn(lines: &[Line]) -> impl Iterator<Item = (u16, u32)> {
    lines.iter().flat_map(|line| line.stock().map(|stock| (stock, line.quantity)))
}

/// A fresh line of `quantity` tickets.
pub(crate) fn line(ticket_type: u16, pool: u16, quantity: u32, unit_minor: i64) -> Line {
    let extra = Extra::default();
    Line { ticket_type, pool, quantity, unit_minor, refunded: 0, restocked: 0, extra }
}
