//! Unpaid places per client and per e-mail address, counted exactly.
//!
//! Each order that is held, paying or canceling and was placed here by a client is tracked with what
//! it counts for, and taken off when a commit tells that it is no longer so. The memory is bounded by
//! `MOST_TRACKED` orders of some 400 bytes each; beyond it orders are not counted.

use super::buckets::Key;
use super::network::{Level, Network};
use super::{Attempts, Limits, Reason, Refused};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{Event, EventId, LineWish, MOST_LINES, Order, OrderId, OrderState, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

/// So many unpaid orders are tracked at most: some 50 MB.
const MOST_TRACKED: usize = 131_072;
/// A client may have so many unpaid places, whatever share of the pool that is.
const LEAST_PLACES: u32 = 10;
/// Who asked for an order has surely been answered after so long: then it exists or never will.
const ANSWERED_MS: i64 = 30_000;
/// An order that another process may change is looked at so long after its end.
const AFTER_END_MS: i64 = 10_000;
/// Before a client is refused it is looked again what became of its orders, but of one order not
/// more often than this.
const LOOKED_MS: i64 = 5_000;

/// A moment.
#[derive(Clone, Copy)]
pub struct At {
    /// By the clock that orders are told by. It may jump.
    pub clock_ms: TimeMs,
    /// Milliseconds since the process began.
    pub passed_ms: i64,
}

/// What a request wants to hold.
pub struct Wish {
    /// The id of the new order.
    pub order: OrderId,
    /// Of which event.
    pub event: EventId,
    /// How long its holds last.
    pub hold_ms: i64,
    /// What identifies the buyer: a digest of the e-mail address, or of the name if there is none.
    pub identity: u128,
    /// The digest of its idempotency key, if it has one.
    pub request: Option<u128>,
    /// Most tickets in one order.
    most_per_order: u32,
    /// The pools it draws on: which, their capacity, and how many places.
    pools: Vec<(u16, u32, u32)>,
    /// How many places it asks for.
    places: u32,
}

impl Wish {
    /// What some lines of an event ask for. Lines of more than an order may have ask for nothing: they will
    /// be refused. A ticket type that is not known here may have been made a moment ago, and one that is not
    /// on offer may be by now: their places count, those of an unknown one in each pool, for nobody knows
    /// yet in which. If it does not exist it is refused, and counts no longer.
    pub fn of(event: &Event, order: OrderId, lines: &[LineWish], identity: u128) -> Wish {
        let most_per_order = event.spec.limit_per_order;
        let mut pools: Vec<(u16, u32, u32)> = Vec::new();
        let mut all = 0u32;
        let mut unknown = 0u32;
        for line in lines.iter().take(if lines.len() > MOST_LINES { 0 } else { MOST_LINES }) {
            let quantity = u32::try_from(line.quantity).unwrap_or(0);
            if quantity == 0 || quantity > most_per_order {
                continue;
            }
            all = all.saturating_add(quantity);
            let Some(of) = event.ticket_types.iter().find(|t| t.id == line.ticket_type) else {
                unknown = unknown.saturating_add(quantity);
                continue;
            };
            match pools.iter_mut().find(|p| p.0 == of.pool) {
                Some(asked) => asked.2 = asked.2.saturating_add(quantity),
                None => {
                    let capacity = event.pools[usize::from(of.pool)].capacity;
                    pools.push((of.pool, capacity, quantity));
                }
            }
        }
        if unknown > 0 {
            for (pool, of) in (0u16..).zip(&event.pools).filter(|(_, of)| of.capacity > 0) {
                match pools.iter_mut().find(|p| p.0 == pool) {
                    Some(asked) => asked.2 = asked.2.saturating_add(unknown),
                    None => pools.push((pool, of.capacity, unknown)),
                }
            }
        }
        let places = if all <= most_per_order { all } else { 0 };
        pools.retain(|p| p.2 > 0 && places > 0);
        let hold_ms = event.spec.hold_ms;
        Wish {
            order,
            event: event.id,
            hold_ms,
            identity,
            request: None,
            most_per_order,
            pools,
            places,
        }
    }

    fn budget(&self, key: &Key, pool: u16, level: Level) -> u64 {
        key.of(&(self.event.0, pool, level))
    }

    /// The budget of an e-mail address, for one client alone: anybody can write the address of somebody
    /// else, and must not use up what its owner may hold.
    fn email_budget(&self, key: &Key, network: Network) -> u64 {
        key.of(&(self.event.0, self.identity, network.levels().next()))
    }

    /// How many places a client may have unpaid in a pool of this capacity. Some at least, or small
    /// pools could not be sold: a full order, and ten.
    fn most(&self, limits: &Limits, level: Level, capacity: u32) -> Option<u32> {
        if limits.places == 0 {
            return None;
        }
        let number = u64::from(limits.places);
        let share = match limits.share {
            0 => u64::MAX,
            percent => u64::from(capacity) * u64::from(percent) / 100,
        };
        let most = number.min(share).saturating_mul(level.factor());
        let most = most.max(u64::from(self.most_per_order.max(LEAST_PLACES)));
        Some(u32::try_from(most).unwrap_or(u32::MAX))
    }

    fn most_of_email(&self, limits: &Limits) -> Option<u32> {
        (limits.email_places > 0).then(|| limits.email_places.max(self.most_per_order))
    }
}

/// An order that is unpaid, or is being paid.
#[derive(Default, Debug)]
pub struct Tracked {
    /// Who placed it; nobody if that is not known, or not limited.
    pub holder: Option<Network>,
    /// Who tried to pay it last.
    pub payer: Option<Network>,
    /// The hash of that client.
    payer_client: Option<u64>,
    /// The hash of that client while the order is being paid.
    paying: Option<u64>,
    /// Its payer had another order being paid when this one joined.
    pub later: bool,
    /// What identifies its buyer, once it is known.
    pub identity: Option<u128>,
    /// The key of the request that placed it.
    request: Option<u128>,
    /// What it counts for: the hashes of budgets, and how many places.
    counts: Vec<(u64, u32)>,
    /// Its attempts that were decided.
    attempts: Attempts,
    /// The end of its hold, once that is known.
    until_ms: Option<TimeMs>,
    /// When it must be looked at if nothing is heard of it, by the time that has passed.
    due_ms: Option<i64>,
    /// When it was looked at last.
    looked_ms: i64,
}

impl Tracked {
    /// What became of its attempts since it was told last.
    pub fn attempts(&mut self, order: &Order) -> Attempts {
        let all = Attempts::of(order);
        let before = std::mem::replace(&mut self.attempts, all);
        Attempts {
            decided: all.decided.saturating_sub(before.decided),
            declined: all.declined.saturating_sub(before.declined),
        }
    }

    /// Whether its places count for somebody.
    pub fn counted(&self) -> bool {
        !self.counts.is_empty()
    }
}

/// What is unpaid of one budget.
#[derive(Default)]
struct Budget {
    places: u32,
    /// The orders that count for it: most have one.
    first: Option<OrderId>,
    more: Vec<OrderId>,
}

impl Budget {
    fn add(&mut self, order: OrderId, places: u32) {
        self.places += places;
        match self.first {
            None => self.first = Some(order),
            Some(_) => self.more.push(order),
        }
    }

    fn remove(&mut self, order: OrderId, places: u32) {
        self.places = self.places.saturating_sub(places);
        if self.first == Some(order) {
            self.first = self.more.pop();
        } else if let Some(at) = self.more.iter().position(|known| *known == order) {
            self.more.swap_remove(at);
        }
    }
}

/// How many parts the budgets are kept in: each is small, so that one is found with few steps.
const PARTS: usize = 16_384;

/// Budgets by their hash.
#[derive(Default)]
struct Budgets(Vec<BTreeMap<u64, Budget>>);

impl Budgets {
    fn part(&self, budget: u64) -> Option<&BTreeMap<u64, Budget>> {
        self.0.get((budget % PARTS as u64) as usize)
    }

    fn part_mut(&mut self, budget: u64) -> &mut BTreeMap<u64, Budget> {
        if self.0.is_empty() {
            self.0.resize_with(PARTS, BTreeMap::new);
        }
        &mut self.0[(budget % PARTS as u64) as usize]
    }

    fn get(&self, budget: u64) -> Option<&Budget> {
        self.part(budget)?.get(&budget)
    }

    fn remove(&mut self, budget: u64, order: OrderId, places: u32) {
        let part = self.part_mut(budget);
        if let Some(known) = part.get_mut(&budget) {
            known.remove(order, places);
            if known.first.is_none() {
                part.remove(&budget);
            }
        }
    }
}

/// All of them.
#[derive(Default)]
pub struct Unpaid {
    orders: BTreeMap<OrderId, Tracked>,
    /// What is unpaid.
    budgets: Budgets,
    /// How many orders each client is paying now, by its hash.
    paying: BTreeMap<u64, u32>,
    /// When which order must be looked at.
    due: BTreeSet<(i64, OrderId)>,
}

impl Unpaid {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// One of them.
    pub fn tracked(&mut self, order: OrderId) -> Option<&mut Tracked> {
        self.orders.get_mut(&order)
    }

    /// What identifies the buyer of an order of which an attempt was declined.
    pub fn declined(&self, order: OrderId) -> Option<u128> {
        let tracked = self.orders.get(&order)?;
        tracked.identity.filter(|_| tracked.attempts.declined > 0)
    }

    /// Counts the places of a new order. Gives the order if it must be taken off again should nothing
    /// come of it.
    pub fn reserve(
        &mut self,
        limits: &Limits,
        key: &Key,
        network: Network,
        wish: &Wish,
        now: At,
    ) -> Result<Option<OrderId>, Refused> {
        let mut counts = Vec::with_capacity(wish.pools.len() + 1);
        for (pool, capacity, places) in &wish.pools {
            for level in network.levels() {
                let Some(most) = wish.most(limits, level, *capacity) else { continue };
                let budget = wish.budget(key, *pool, level);
                if self.count(budget).saturating_add(*places) > most {
                    return self.over(key, network, wish, Reason::Places, most, now);
                }
                counts.push((budget, *places));
            }
        }
        if let Some(most) = wish.most_of_email(limits)
            && wish.places > 0
        {
            let budget = wish.email_budget(key, network);
            if self.count(budget).saturating_add(wish.places) > most {
                return self.over(key, network, wish, Reason::EmailPlaces, most, now);
            }
            counts.push((budget, wish.places));
        }
        if counts.is_empty() || self.orders.len() >= MOST_TRACKED {
            return Ok(None);
        }
        for (budget, places) in counts.iter().filter(|_| !on(Mutant::ClientBudgetNotCounted)) {
            let part = self.budgets.part_mut(*budget);
            part.entry(*budget).or_default().add(wish.order, *places);
        }
        let due_ms = now.passed_ms + ANSWERED_MS;
        self.due.insert((due_ms, wish.order));
        let tracked = Tracked {
            holder: Some(network),
            identity: Some(wish.identity),
            request: wish.request,
            counts,
            due_ms: Some(due_ms),
            looked_ms: now.passed_ms,
            ..Tracked::default()
        };
        self.orders.insert(wish.order, tracked);
        Ok(Some(wish.order))
    }

    fn count(&self, budget: u64) -> u32 {
        self.budgets.get(budget).map_or(0, |b| b.places)
    }

    /// The orders that count for the client's own budgets that a wish is about, and for its e-mail
    /// address.
    fn rivals(
        &self,
        key: &Key,
        network: Network,
        wish: &Wish,
    ) -> impl Iterator<Item = (OrderId, &Tracked)> {
        let own = network.levels().next();
        let pools = wish
            .pools
            .iter()
            .flat_map(|(pool, ..)| own.map(|level| wish.budget(key, *pool, level)));
        let budgets: Vec<u64> = pools.chain([wish.email_budget(key, network)]).collect();
        let budgets = budgets.into_iter().filter_map(|budget| self.budgets.get(budget));
        budgets
            .flat_map(|budget| budget.first.iter().chain(&budget.more))
            .filter_map(|id| Some((*id, self.orders.get(id)?)))
    }

    /// Too many: unless it is a request that was sent before and held then. It gets the answer of
    /// then, and holds nothing more: the writer remembers its key. While the first is not known to be
    /// held it may still be dropped, and this one would take its place.
    fn over(
        &self,
        key: &Key,
        network: Network,
        wish: &Wish,
        reason: Reason,
        most: u32,
        now: At,
    ) -> Result<Option<OrderId>, Refused> {
        let known = |t: &Tracked| {
            wish.request.is_some() && t.request == wish.request && t.until_ms.is_some()
        };
        if self.rivals(key, network, wish).any(|(_, t)| known(t)) {
            return Ok(None);
        }
        let ends = self.rivals(key, network, wish).filter_map(|(_, t)| t.until_ms).min();
        let wait_s = ends.map_or(30, |ends| (ends - now.clock_ms).max(0) / 1000);
        // Its buyer may pay or give back an order at any moment, so it is not told to wait for long.
        Err(Refused { reason, most, again_s: wait_s.clamp(5, 10) as u32 })
    }

    /// Somebody tries to pay an order. Gives whether it is tracked from now on only.
    pub fn pays(&mut self, order: OrderId, payer: Option<(Network, u64)>, now: i64) -> bool {
        let fresh = !self.orders.contains_key(&order);
        if fresh {
            if self.orders.len() >= MOST_TRACKED {
                return false;
            }
            let due_ms = Some(now + ANSWERED_MS);
            let tracked = Tracked { due_ms, looked_ms: now, ..Tracked::default() };
            self.due.insert((now + ANSWERED_MS, order));
            self.orders.insert(order, tracked);
        }
        let Some((network, client)) = payer else { return fresh };
        let tracked = self.orders.get_mut(&order).expect("it is tracked");
        tracked.payer = Some(network);
        tracked.payer_client = Some(client);
        let itself = u32::from(tracked.paying == Some(client));
        let others = self.paying.get(&client).copied().unwrap_or(0) - itself;
        tracked.later = others > 0;
        fresh
    }

    /// An order is so now. `told_of_all`: what it becomes is told here, too.
    pub fn moved(&mut self, order: &Order, now: At, told_of_all: bool) {
        let Some(tracked) = self.orders.get_mut(&order.id) else { return };
        if !order.state.holds() {
            return self.remove(order.id);
        }
        tracked.until_ms = Some(order.until_ms);
        tracked.looked_ms = now.passed_ms;
        let left_ms = (order.until_ms - now.clock_ms).max(0);
        let due_ms = (!told_of_all).then(|| now.passed_ms + left_ms + AFTER_END_MS);
        let before = std::mem::replace(&mut tracked.due_ms, due_ms);
        let pays = order.state == OrderState::Paying;
        let client = if pays { tracked.paying.or(tracked.payer_client) } else { None };
        let was = std::mem::replace(&mut tracked.paying, client);
        if before != due_ms {
            if let Some(before) = before {
                self.due.remove(&(before, order.id));
            }
            if let Some(due_ms) = due_ms {
                self.due.insert((due_ms, order.id));
            }
        }
        self.pays_no_more(was.filter(|_| was != client));
        if let Some(client) = client.filter(|client| was != Some(*client)) {
            let orders = self.paying.entry(client).or_default();
            *orders += 1;
            let later = *orders > 1;
            self.orders.get_mut(&order.id).expect("it is tracked").later = later;
        }
    }

    fn pays_no_more(&mut self, client: Option<u64>) {
        if let Some(client) = client
            && let Some(orders) = self.paying.get_mut(&client)
        {
            *orders -= 1;
            if *orders == 0 {
                self.paying.remove(&client);
            }
        }
    }

    /// An order is no longer unpaid, or there is none.
    pub fn remove(&mut self, order: OrderId) {
        let Some(tracked) = self.orders.remove(&order) else { return };
        for (budget, places) in tracked.counts {
            self.budgets.remove(budget, order, places);
        }
        if let Some(due_ms) = tracked.due_ms {
            self.due.remove(&(due_ms, order));
        }
        self.pays_no_more(tracked.paying);
    }

    /// An order that is tracked was looked for and does not exist. It may still be on its way, unless
    /// who asked for it has surely been answered.
    pub fn missing(&mut self, order: OrderId, now: i64) {
        let due = |t: &Tracked| t.due_ms.is_some_and(|due_ms| due_ms <= now);
        if self.orders.get(&order).is_some_and(due) {
            self.remove(order);
        }
    }

    /// Orders of which nothing was heard for longer than is usual.
    pub fn overdue(&self, now: i64, most: usize) -> Vec<OrderId> {
        let late = self.due.iter().take_while(|(due_ms, _)| *due_ms <= now);
        late.take(most).map(|(_, order)| *order).collect()
    }

    /// Orders for which this wish may be refused and that may have been paid or given back, or never
    /// placed.
    pub fn doubtful(&mut self, key: &Key, network: Network, wish: &Wish, now: i64) -> Vec<OrderId> {
        let doubtful = |t: &Tracked| t.due_ms.is_some() && now - t.looked_ms >= LOOKED_MS;
        let found = self.rivals(key, network, wish).filter(|(_, t)| doubtful(t));
        let found: Vec<OrderId> = found.map(|(id, _)| id).collect();
        for order in &found {
            if let Some(tracked) = self.orders.get_mut(order) {
                tracked.looked_ms = now;
            }
        }
        found
    }
}
