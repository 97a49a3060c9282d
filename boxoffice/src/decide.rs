//! The decisions. Each reads from top to bottom: refusals first, in a fixed order and with one
//! reason each; a line that marks the point of no return; then the changes.

mod books;
mod event;
mod forget;
mod hold;
mod pay;
mod refund;
mod settle;

use crate::mutant::{Mutant, on};
use crate::{
    Change, Command, Effect, EventId, Line, Order, OrderId, OrderState, RefundId, State, TimeMs,
};
use alloc::{string::String, vec::Vec};

/// What was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// To be recorded, all or nothing, before anybody hears of it. None: nothing changed.
    pub changes: Vec<Change>,
    /// To be done once the changes are recorded.
    pub effects: Vec<Effect>,
    /// What a person must look at; also in the order's [`Order::trouble`].
    pub alarms: Vec<Alarm>,
    /// What to answer once the changes are recorded.
    pub reply: Reply,
}

/// What a yes says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The event is so from now on.
    Event {
        /// Its id.
        id: EventId,
        /// Whether it is new.
        created: bool,
    },
    /// The places are kept.
    Held {
        /// By this order.
        order: OrderId,
        /// Until then.
        until_ms: TimeMs,
    },
    /// The buyer's latest order.
    Found {
        /// Which.
        order: OrderId,
    },
    /// An attempt to pay is owed.
    Paying {
        /// Of this order.
        order: OrderId,
        /// Its number.
        attempt: u16,
    },
    /// Where the order stands now.
    Order {
        /// Which.
        order: OrderId,
        /// Its state.
        state: OrderState,
    },
    /// A refund is owed, or done if nothing had been paid.
    Refunding {
        /// Of this order.
        order: OrderId,
        /// Its id.
        refund: RefundId,
        /// How much, in minor units of the order's currency.
        amount_minor: i64,
    },
}

/// Something that should not have happened, though nothing was lost by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// Where.
    pub order: OrderId,
    /// What.
    pub text: String,
}

/// A legitimate no. Nothing was changed, and no money moved by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The command cannot be understood; the text says what is wrong with it.
    Invalid(String),
    /// There is no such event.
    UnknownEvent,
    /// The event has no such ticket type on offer.
    UnknownTicketType(String),
    /// There is no such order.
    UnknownOrder,
    /// The sale opens at this time.
    NotYetOnSale(TimeMs),
    /// The sale is over since this time.
    SaleClosed(TimeMs),
    /// Not enough places are left for this ticket type.
    SoldOut {
        /// Its id.
        ticket_type: String,
        /// How many are left.
        left: u32,
        /// How many of the pool are held and not paid: these may come back.
        held: u32,
    },
    /// More than this many tickets in one order.
    LimitPerOrder(u32),
    /// More than one buyer may have.
    LimitPerBuyer {
        /// The limit.
        limit: u32,
        /// What the buyer has.
        has: u32,
        /// The buyer's latest order.
        order: OrderId,
    },
    /// The hold has run out before anybody began to pay; the places are offered again.
    HoldExpired,
    /// The time to pay is over; the payment that was begun is being cancelled.
    PaymentExpired,
    /// An attempt to pay is not decided yet.
    PaymentUnderWay,
    /// It is paid already, or approved and the money is being taken; nothing was charged now.
    AlreadyPaid,
    /// It is given up, or was refunded. What that means for the money depends on the state.
    Canceled(OrderState),
    /// As many attempts to pay as one order may have were made.
    TooManyAttempts {
        /// How many that is.
        most: u32,
        /// Until then the places are kept, unless the buyer gives them back.
        until_ms: TimeMs,
    },
    /// Its time is not over.
    NotDue,
    /// Only an order that is paid can be refunded.
    NotPaid(OrderState),
    /// A refund of this order is under way.
    RefundUnderWay,
    /// All of it is refunded already.
    NothingToRefund,
    /// More than is left of this ticket type in the order.
    RefundTooLarge {
        /// Its id.
        ticket_type: String,
        /// How many can still be refunded.
        left: u32,
    },
    /// A pool cannot be smaller than what is held and sold of it.
    CapacityBelowTaken {
        /// Its name.
        pool: String,
        /// Held and sold together.
        taken: u32,
    },
    /// The currency cannot change while orders are alive.
    CurrencyFixed,
    /// A limit per buyer comes too late: the event has more places taken than can be counted now.
    LimitTooLate {
        /// Held and sold together.
        taken: u32,
        /// The most that can be counted.
        most: u32,
    },
    /// Whether tags in e-mail addresses count cannot change while orders are alive.
    TagsFixed,
    /// A ticket type cannot move to another pool.
    PoolFixed(String),
    /// The event has had too many pools or ticket types in its life.
    TooManyParts,
}

/// Decides one command against the state that was loaded for it (see
/// [`Command::add_keys`]). `now` is the one clock of the money path, read after loading.
pub fn decide(state: &State, command: &Command, now: TimeMs) -> Result<Decision, Refusal> {
    match command {
        Command::PutEvent { id, spec } => event::put(state, *id, spec),
        Command::Hold { order, event, buyer, untagged, lines, most_ms } => {
            hold::hold(state, *order, *event, (buyer, *untagged), lines, *most_ms, now)
        }
        Command::FindOrder { event, buyer } => hold::find(state, *event, *buyer),
        Command::Renew { order, most_ms } => {
            hold::renew(state, find(state, *order)?, *most_ms, now)
        }
        Command::Cancel { order } => hold::cancel(state, find(state, *order)?, now),
        Command::GiveUp { order, attempt } => {
            hold::give_up_unread(state, find(state, *order)?, *attempt, now)
        }
        Command::Expire { order } => hold::expire(state, find(state, *order)?, now),
        Command::Forget { order, placed_before_ms } => {
            forget::forget(state, find(state, *order)?, *placed_before_ms)
        }
        Command::Pay { order, payment, live, token } => {
            pay::pay(state, find(state, *order)?, *payment, *live, token, now)
        }
        Command::IntentCreated { order, intent } => {
            pay::intent_created(find(state, *order)?, intent, now)
        }
        Command::AttemptDeclined { order, attempt, reason } => {
            pay::attempt_declined(state, find(state, *order)?, *attempt, reason, now)
        }
        Command::Reconcile { order, intent, known } => {
            settle::reconcile(state, find(state, *order)?, intent, *known, now)
        }
        Command::Defer { order, trouble, wait_ms } => {
            settle::defer(find(state, *order)?, trouble, *wait_ms, now)
        }
        Command::Refund { order, refund, wish, restock } => {
            refund::refund(state, find(state, *order)?, *refund, wish, *restock, now)
        }
        Command::RefundAnswered { order, refund, outcome } => {
            refund::answered(state, find(state, *order)?, *refund, outcome, now)
        }
    }
}

fn find(state: &State, id: OrderId) -> Result<&Order, Refusal> {
    state.orders.get(&id).ok_or(Refusal::UnknownOrder)
}

/// A decision in the making. Everything here comes after the point of no return.
#[derive(Default)]
struct Draft {
    changes: Vec<Change>,
    effects: Vec<Effect>,
    alarms: Vec<Alarm>,
    /// What stands with the order already and is still so: it goes on standing there.
    standing: Vec<String>,
}

impl Draft {
    fn reply(self, reply: Reply) -> Result<Decision, Refusal> {
        let Draft { mut changes, effects, alarms, standing } = self;
        let texts: Vec<&str> =
            alarms.iter().map(|a| &a.text).chain(&standing).map(|t| &**t).collect();
        let last = changes.iter_mut().rev().find_map(|c| match c {
            Change::OrderMoved { trouble, .. } => Some(trouble),
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
    fn reply_order(self, order: &Order) -> Result<Decision, Refusal> {
        let moved = self.changes.iter().rev().find_map(|c| match c {
            Change::OrderMoved { state, .. } => Some(*state),
            _ => None,
        });
        let state = moved.unwrap_or(order.state);
        self.reply(Reply::Order { order: order.id, state })
    }

    /// Moves an order to a state in which nothing is owed.
    fn rest(&mut self, order: &Order, state: OrderState) {
        self.changes.push(moved(order, state, None));
    }

    /// Moves an order to a state in which something is owed at once.
    fn owe(&mut self, order: &Order, state: OrderState, now: TimeMs) {
        self.changes.push(moved(order, state, Some(now)));
        self.effects.push(Effect::Settle(order.id));
    }

    /// Leaves an order as it is, to be looked at at `due_ms`.
    fn wait(&mut self, order: &Order, due_ms: TimeMs, tries: u32) {
        self.changes.push(Change::OrderMoved {
            order: order.id,
            state: order.state,
            until_ms: order.until_ms,
            due_ms: Some(due_ms),
            tries,
            trouble: order.trouble.clone(),
        });
    }

    /// Says that a person must look at this, and keeps it with the order.
    fn alarm(&mut self, order: &Order, text: impl Into<String>) {
        if !self.changes.iter().any(|c| matches!(c, Change::OrderMoved { .. })) {
            self.changes.push(Change::OrderMoved {
                order: order.id,
                state: order.state,
                until_ms: order.until_ms,
                due_ms: order.due_ms,
                tries: order.tries,
                // Set at the end, when all alarms are known.
                trouble: None,
            });
        }
        self.alarms.push(Alarm { order: order.id, text: text.into() });
    }

    /// Says what is so for as long as nobody does something about it, and is read again and again:
    /// only if it does not stand with the order yet.
    fn alarm_once(&mut self, order: &Order, text: impl Into<String>) {
        let text = text.into();
        if order.trouble.as_ref().is_some_and(|known| known.contains(&text)) {
            self.standing.push(text);
        } else {
            self.alarm(order, text);
        }
    }

    /// Moves the places of an order: `held` and `sold` say how each of its places counts.
    fn stock(&mut self, order: &Order, held: i64, sold: i64) {
        for (pool, places) in by_pool(order.lines.iter().map(|l| (l.pool, l.quantity))) {
            let pool = if on(Mutant::OtherPoolBack) && held < 0 && sold == 0 { 0 } else { pool };
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
    fn forget_places(&mut self, state: &State, order: &Order, places: u32) {
        let key = (order.event, order.buyer.key);
        if let Some(record) = state.buyers.get(&key) {
            let mut record = *record;
            record.places = record.places.saturating_sub(places);
            let (event, buyer) = key;
            self.changes.push(Change::BuyerPut { event, buyer, record });
        }
    }

    /// C2, and the end of a hold that nobody began to pay: the places are offered again.
    fn release(&mut self, state: &State, order: &Order) {
        assert!(order.state.holds(), "only held places are released");
        self.rest(order, OrderState::Released);
        self.stock(order, -1, 0);
        self.forget_places(state, order, order.lines.iter().map(|l| l.quantity).sum());
    }

    /// What was sold and never got its tickets: the places are offered again.
    fn void(&mut self, state: &State, order: &Order) {
        assert!(order.state == OrderState::Committed, "only what has no tickets is void");
        self.rest(order, OrderState::Void);
        self.stock(order, 0, -1);
        self.forget_places(state, order, order.lines.iter().map(|l| l.quantity).sum());
    }

    /// The order, and what belongs to it, as it is once these changes are recorded: for a decision
    /// that goes on from there.
    fn outcome(&self, state: &State, order: &Order) -> State {
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

fn moved(order: &Order, state: OrderState, due_ms: Option<TimeMs>) -> Change {
    Change::OrderMoved {
        order: order.id,
        state,
        until_ms: order.until_ms,
        due_ms,
        tries: 0,
        trouble: None,
    }
}

/// The places of some lines, added up by pool, in the order of the pools.
fn by_pool(lines: impl Iterator<Item = (u16, u32)>) -> Vec<(u16, u32)> {
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

/// A fresh line of `quantity` tickets.
fn line(ticket_type: u16, pool: u16, quantity: u32, unit_minor: i64) -> Line {
    Line { ticket_type, pool, quantity, unit_minor, refunded: 0, restocked: 0 }
}
