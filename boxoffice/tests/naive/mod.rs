//! A second box office, as simple as can be: a flat list of orders, and every count made from
//! scratch each time it is needed. It shares no rule with the crate that it is compared to, only
//! the words.

use boxoffice::{
    Command, Event, EventId, EventSpec, IntentStatus, LineWish, Order, OrderId, OrderState,
    PaymentId, RefundId, RefundOutcome, RefundState, RefundWish, TicketState, TimeMs,
};

/// All events and all orders.
#[derive(Default)]
pub struct Naive {
    events: Vec<Show>,
    orders: Vec<Deal>,
}

struct Show {
    id: EventId,
    spec: EventSpec,
    /// Every ticket type that there ever was: id, pool, price, whether it is offered.
    types: Vec<(String, String, i64, bool)>,
    /// Every pool that there ever was, with its capacity.
    pools: Vec<(String, u32)>,
}

struct Deal {
    id: OrderId,
    event: EventId,
    buyer: u128,
    items: Vec<Item>,
    currency: boxoffice::Currency,
    state: OrderState,
    placed: TimeMs,
    ends: TimeMs,
    payment: Option<(PaymentId, bool)>,
    intent: Option<String>,
    attempts: usize,
    open: Open,
    backs: Vec<Back>,
}

struct Item {
    ticket: String,
    pool: String,
    price: i64,
    count: u32,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Open {
    No,
    Waiting,
    Acting,
}

struct Back {
    id: RefundId,
    counts: Vec<u32>,
    restock: bool,
    /// `None` while it is not known, then whether the money went back.
    done: Option<bool>,
}

impl Deal {
    fn count(&self) -> u32 {
        self.items.iter().map(|i| i.count).sum()
    }

    fn price(&self) -> i64 {
        self.items.iter().map(|i| i.price * i64::from(i.count)).sum()
    }

    fn has_places(&self) -> bool {
        !matches!(self.state, OrderState::Released | OrderState::Void)
    }

    fn is_held(&self) -> bool {
        matches!(self.state, OrderState::Held | OrderState::Paying | OrderState::Canceling)
    }

    /// Of item `i`: how many are given back or on their way, and how many went back on sale.
    fn given_back(&self, i: usize) -> (u32, u32) {
        let alive = self.backs.iter().filter(|b| b.done != Some(false));
        let restocked = self.backs.iter().filter(|b| b.done == Some(true) && b.restock);
        (alive.map(|b| b.counts[i]).sum(), restocked.map(|b| b.counts[i]).sum())
    }

    fn all_back(&self) -> bool {
        (0..self.items.len()).all(|i| self.given_back(i).0 == self.items[i].count)
    }

    /// Somebody gave up, or time did.
    fn give_up(&mut self) {
        self.open = Open::No;
        self.state = match self.intent {
            Some(_) => OrderState::Canceling,
            None => OrderState::Released,
        };
    }
}

impl Naive {
    /// Does what is asked and says whether it is granted.
    pub fn ask(&mut self, command: &Command, now: TimeMs) -> bool {
        let id = match command {
            Command::PutEvent { id, spec } => return self.put_event(*id, spec),
            Command::Hold { order, event, buyer, lines } => {
                let named = !buyer.name.trim().is_empty();
                return self.orders.iter().any(|o| o.id == *order)
                    || (named && self.hold(*order, *event, buyer.key.0, lines, now));
            }
            Command::Renew { order }
            | Command::Pay { order, .. }
            | Command::IntentCreated { order, .. }
            | Command::AttemptDeclined { order, .. }
            | Command::Reconcile { order, .. }
            | Command::Cancel { order }
            | Command::Expire { order }
            | Command::Defer { order, .. }
            | Command::Refund { order, .. }
            | Command::RefundAnswered { order, .. } => *order,
        };
        let Some(deal) = self.orders.iter_mut().find(|o| o.id == id) else { return false };
        let spec = &self.events.iter().find(|e| e.id == deal.event).unwrap().spec;
        let alive = now < deal.ends;
        match command {
            Command::PutEvent { .. } | Command::Hold { .. } => unreachable!("asked above"),
            Command::Renew { .. } => {
                if deal.state != OrderState::Held || !alive {
                    return false;
                }
                let wanted = (now + spec.hold_ms).min(deal.placed + 6 * spec.hold_ms);
                deal.ends = deal.ends.max(wanted);
                true
            }
            Command::Pay { payment, live, token, .. } => {
                let free = deal.price() == 0;
                if (token.is_empty() && !free) || !alive {
                    return false;
                }
                match deal.state {
                    OrderState::Held if free => deal.state = OrderState::Paid,
                    OrderState::Held => {
                        deal.state = OrderState::Paying;
                        deal.payment = Some((*payment, *live));
                        deal.ends = deal.ends.max(now + 5 * 60 * 1000);
                        (deal.attempts, deal.open) = (1, Open::Waiting);
                    }
                    OrderState::Paying if deal.open == Open::No && deal.attempts < 20 => {
                        (deal.attempts, deal.open) = (deal.attempts + 1, Open::Waiting);
                    }
                    _ => return false,
                }
                true
            }
            Command::IntentCreated { intent, .. } => {
                if deal.payment.is_some() && deal.intent.is_none() {
                    deal.intent = Some(intent.clone());
                }
                deal.payment.is_some()
            }
            Command::AttemptDeclined { attempt, .. } => {
                if deal.open != Open::No && deal.attempts == usize::from(*attempt) {
                    deal.open = Open::No;
                    if !alive {
                        deal.give_up();
                    }
                }
                true
            }
            Command::Reconcile { intent, .. } => {
                if deal.intent.as_ref() != Some(&intent.id) {
                    return false;
                }
                let (payment, live) = deal.payment.unwrap();
                let mine = intent.amount.minor == deal.price()
                    && intent.amount.currency == deal.currency
                    && intent.live == live
                    && intent.order == Some(deal.id)
                    && intent.payment == Some(payment);
                read(deal, intent.status, mine, alive, RefundId(payment.0));
                true
            }
            Command::Cancel { .. } => match deal.state {
                OrderState::Committed | OrderState::Paid | OrderState::Refunding => false,
                OrderState::Held | OrderState::Paying => {
                    deal.give_up();
                    true
                }
                _ => true,
            },
            Command::Expire { .. } => {
                let unpaid = deal.state == OrderState::Paying && deal.intent.is_none();
                let over = !alive && (deal.state == OrderState::Held || unpaid);
                if over {
                    deal.give_up();
                }
                over
            }
            Command::Defer { .. } => true,
            Command::Refund { refund, wish, restock, .. } => {
                deal.backs.iter().any(|b| b.id == *refund)
                    || refund_some(deal, *refund, wish, *restock)
            }
            Command::RefundAnswered { refund, outcome, .. } => {
                let sold = deal.state == OrderState::Refunding;
                let Some(back) = deal.backs.iter_mut().find(|b| b.id == *refund) else {
                    return false;
                };
                if back.done.is_none() && *outcome != RefundOutcome::Pending {
                    back.done = Some(matches!(outcome, RefundOutcome::Succeeded(_)));
                    if sold {
                        let whole = deal.all_back();
                        deal.state = if whole { OrderState::Refunded } else { OrderState::Paid };
                    }
                }
                true
            }
        }
    }

    /// What is held and what is sold of a pool.
    fn taken(&self, event: EventId, pool: &str) -> (u32, u32) {
        let (mut held, mut sold) = (0, 0);
        for deal in self.orders.iter().filter(|d| d.event == event && d.has_places()) {
            for (i, item) in deal.items.iter().enumerate().filter(|(_, item)| item.pool == pool) {
                if deal.is_held() {
                    held += item.count;
                } else {
                    sold += item.count - deal.given_back(i).1;
                }
            }
        }
        (held, sold)
    }

    fn put_event(&mut self, id: EventId, spec: &EventSpec) -> bool {
        let orderly = match (spec.sale_opens_ms, spec.sale_closes_ms) {
            (Some(opens), Some(closes)) => opens < closes,
            _ => true,
        };
        let priced = spec.ticket_types.iter().all(|t| t.price_minor >= 0);
        let placed = spec.ticket_types.iter().all(|t| spec.pools.iter().any(|p| p.name == t.pool));
        if !orderly || !priced || !placed || spec.ticket_types.is_empty() {
            return false;
        }
        let at = self.events.iter().position(|e| e.spec.slug == spec.slug);
        let at = at.unwrap_or_else(|| {
            let (types, pools) = (vec![], vec![]);
            self.events.push(Show { id, spec: spec.clone(), types, pools });
            self.events.len() - 1
        });
        let (id, old) = (self.events[at].id, &self.events[at]);
        let mut any_taken = false;
        for (pool, _) in &old.pools {
            let (held, sold) = self.taken(id, pool);
            let wanted = spec.pools.iter().find(|p| p.name == *pool).map_or(0, |p| p.capacity);
            if wanted < held + sold {
                return false;
            }
            any_taken |= held + sold > 0;
        }
        let moved = |(id, pool, _, _): &(String, String, i64, bool)| {
            spec.ticket_types.iter().any(|t| t.id == *id && t.pool != *pool)
        };
        if (any_taken && old.spec.currency != spec.currency) || old.types.iter().any(moved) {
            return false;
        }
        let show = &mut self.events[at];
        show.spec = spec.clone();
        show.pools.iter_mut().for_each(|p| p.1 = 0);
        for pool in &spec.pools {
            show.pools.retain(|p| p.0 != pool.name);
            show.pools.push((pool.name.clone(), pool.capacity));
        }
        show.types.iter_mut().for_each(|t| t.3 = false);
        for t in &spec.ticket_types {
            show.types.retain(|known| known.0 != t.id);
            show.types.push((t.id.clone(), t.pool.clone(), t.price_minor, true));
        }
        true
    }

    fn hold(
        &mut self,
        id: OrderId,
        event: EventId,
        buyer: u128,
        wishes: &[LineWish],
        now: TimeMs,
    ) -> bool {
        let Some(show) = self.events.iter().find(|e| e.id == event) else { return false };
        let open = show.spec.sale_opens_ms.is_none_or(|t| t <= now)
            && show.spec.sale_closes_ms.is_none_or(|t| now < t);
        let mut items: Vec<Item> = Vec::new();
        for wish in wishes {
            let offer = show.types.iter().find(|t| t.0 == wish.ticket_type && t.3);
            let (Some((ticket, pool, price, _)), 1..=1000) = (offer, wish.quantity) else {
                return false;
            };
            if items.iter().any(|i| i.ticket == *ticket) {
                return false;
            }
            let (ticket, pool, price) = (ticket.clone(), pool.clone(), *price);
            items.push(Item { ticket, pool, price, count: wish.quantity as u32 });
        }
        let count: u32 = items.iter().map(|i| i.count).sum();
        let has = |d: &Deal| {
            let back = d.backs.iter().filter(|b| b.done == Some(true)).flat_map(|b| &b.counts);
            d.count() - back.sum::<u32>()
        };
        let mine = |d: &&Deal| d.event == event && d.buyer == buyer && d.has_places();
        let has: u32 = self.orders.iter().filter(mine).map(has).sum();
        let fits = show.pools.iter().all(|(pool, capacity)| {
            let wanted: u32 = items.iter().filter(|i| i.pool == *pool).map(|i| i.count).sum();
            let (held, sold) = self.taken(event, pool);
            wanted == 0 || held + sold + wanted <= *capacity
        });
        let within = count >= 1
            && count <= show.spec.limit_per_order
            && show.spec.limit_per_buyer.is_none_or(|limit| has + count <= limit);
        if !open || !within || !fits {
            return false;
        }
        self.orders.push(Deal {
            id,
            event,
            buyer,
            items,
            currency: show.spec.currency,
            state: OrderState::Held,
            placed: now,
            ends: now + show.spec.hold_ms,
            payment: None,
            intent: None,
            attempts: 0,
            open: Open::No,
            backs: Vec::new(),
        });
        true
    }

    /// Whether an event of the real thing is as this one says.
    pub fn same_event(&self, event: &Event) -> Result<(), String> {
        let show = self.events.iter().find(|e| e.id == event.id).ok_or("no such event")?;
        for pool in &event.pools {
            let (held, sold) = self.taken(event.id, &pool.name);
            let known = show.pools.iter().find(|p| p.0 == pool.name).ok_or("no such pool")?;
            let (is, should) = ((pool.capacity, pool.held, pool.sold), (known.1, held, sold));
            if is != should {
                return Err(format!("pool {}: it is {is:?}, not {should:?}", pool.name));
            }
        }
        for t in &event.ticket_types {
            let known = show.types.iter().find(|known| known.0 == t.id).ok_or("no such type")?;
            let pool = event.pools[usize::from(t.pool)].name.clone();
            let is = (t.id.clone(), pool, t.price_minor, !t.retired);
            if is != *known {
                return Err(format!("ticket type: it is {is:?}, not {known:?}"));
            }
        }
        let issued = |d: &&Deal| {
            d.event == event.id
                && matches!(
                    d.state,
                    OrderState::Paid | OrderState::Refunding | OrderState::Refunded
                )
        };
        let serials: u32 = self.orders.iter().filter(issued).map(Deal::count).sum();
        if serials != event.serials || show.pools.len() != event.pools.len() {
            return Err(format!("{} serials, not {serials}", event.serials));
        }
        Ok(())
    }

    /// Whether an order of the real thing is as this one says.
    pub fn same_order(&self, order: &Order) -> Result<(), String> {
        let deal = self.orders.iter().find(|d| d.id == order.id).ok_or("no such order")?;
        let payment = order.payment.as_ref();
        let open = match payment.and_then(|p| p.open_attempt()).map(|a| &a.state) {
            None => Open::No,
            Some(boxoffice::AttemptState::Action) => Open::Acting,
            Some(_) => Open::Waiting,
        };
        let attempts = payment.map_or(0, |p| p.attempts.len());
        let ends = if deal.is_held() { (deal.ends, deal.placed) } else { (0, 0) };
        let ended = if deal.is_held() { (order.until_ms, order.placed_ms) } else { (0, 0) };
        let intent = payment.and_then(|p| p.intent.clone());
        let is = (order.state, ended, intent, attempts, open, order.total().minor);
        let should =
            (deal.state, ends, deal.intent.clone(), deal.attempts, deal.open, deal.price());
        if is != should {
            return Err(format!("it is {is:?}, not {should:?}"));
        }
        let issued =
            matches!(deal.state, OrderState::Paid | OrderState::Refunding | OrderState::Refunded);
        for (i, line) in order.lines.iter().enumerate() {
            let valid = order.tickets.iter().filter(|t| usize::from(t.line) == i);
            let valid = valid.filter(|t| t.state == TicketState::Valid).count();
            let (back, restocked) = deal.given_back(i);
            let is = (line.quantity, line.unit_minor, line.refunded, line.restocked, valid);
            let item = &deal.items[i];
            let good = if issued { item.count - back } else { 0 };
            let should = (item.count, item.price, back, restocked, good as usize);
            if is != should {
                return Err(format!("line {i}: it is {is:?}, not {should:?}"));
            }
        }
        let is = order.refunds.iter().map(|r| match r.state {
            RefundState::Pending => (r.id, None),
            RefundState::Succeeded(_) => (r.id, Some(true)),
            RefundState::Failed(_) => (r.id, Some(false)),
        });
        let should = deal.backs.iter().map(|b| (b.id, b.done));
        if !is.eq(should) || deal.items.len() != order.lines.len() {
            return Err("other refunds or other lines".into());
        }
        Ok(())
    }

    /// How many orders there are.
    pub fn orders(&self) -> usize {
        self.orders.len()
    }
}

fn read(deal: &mut Deal, status: IntentStatus, mine: bool, alive: bool, late: RefundId) {
    use IntentStatus::*;
    match (deal.state, status) {
        (OrderState::Paying, RequiresCapture) if mine => {
            (deal.state, deal.open) = (OrderState::Committed, Open::No);
        }
        (OrderState::Paying, RequiresCapture) => deal.give_up(),
        (OrderState::Paying | OrderState::Canceling | OrderState::Committed, Succeeded) => {
            (deal.state, deal.open) = (OrderState::Paid, Open::No);
        }
        (OrderState::Paying | OrderState::Canceling, Canceled) => {
            (deal.state, deal.open) = (OrderState::Released, Open::No);
        }
        (OrderState::Committed, Canceled) => deal.state = OrderState::Void,
        (OrderState::Paying, RequiresPaymentMethod | RequiresConfirmation | RequiresAction)
            if !alive =>
        {
            deal.give_up();
        }
        (OrderState::Paying, RequiresAction) if deal.open != Open::No => deal.open = Open::Acting,
        (OrderState::Paying, Processing) if deal.open != Open::No => deal.open = Open::Acting,
        (OrderState::Paying, RequiresPaymentMethod) if deal.open == Open::Acting => {
            deal.open = Open::No;
        }
        (OrderState::Released | OrderState::Void, Succeeded) if deal.backs.is_empty() => {
            let counts = vec![0; deal.items.len()];
            deal.backs.push(Back { id: late, counts, restock: false, done: None });
        }
        _ => {}
    }
}

fn refund_some(deal: &mut Deal, id: RefundId, wish: &RefundWish, restock: bool) -> bool {
    let left = |i: usize| deal.items[i].count - deal.given_back(i).0;
    let mut counts: Vec<u32> = (0..deal.items.len()).map(left).collect();
    if let RefundWish::Lines(wishes) = wish {
        let mut wanted = vec![0; counts.len()];
        for wish in wishes {
            let at = deal.items.iter().position(|i| i.ticket == wish.ticket_type);
            match at {
                Some(at)
                    if wanted[at] == 0
                        && wish.quantity >= 1
                        && wish.quantity <= i64::from(counts[at]) =>
                {
                    wanted[at] = wish.quantity as u32;
                }
                _ => return false,
            }
        }
        counts = wanted;
    }
    if deal.state != OrderState::Paid || counts.iter().all(|c| *c == 0) {
        return false;
    }
    let worth: i64 = deal.items.iter().zip(&counts).map(|(i, c)| i.price * i64::from(*c)).sum();
    let done = (worth == 0).then_some(true);
    deal.backs.push(Back { id, counts, restock, done });
    deal.state = match done {
        None => OrderState::Refunding,
        Some(_) if deal.all_back() => OrderState::Refunded,
        Some(_) => OrderState::Paid,
    };
    true
}
