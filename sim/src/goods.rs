//! What is for sale in a run: pools, ticket types and their prices, and how the organiser changes
//! them while the sale runs.

use crate::plan::Plan;
use crate::rng::Rng;
use crate::world::EPOCH_MS;
use boxoffice::TimeMs;
use serde_json::{Value, json};

/// The stream of randomness from which the goods of a plan are drawn.
pub const STREAM: u64 = 310;
/// The stream of what the organiser changes of them.
pub const CHANGES: u64 = 311;
/// The stream of the rules of ticket types, and of codes.
const RULES: u64 = 312;
/// The code of a run that has one, as its organiser writes it.
const CODE: &str = "Half-Price";
/// The most ticket types that an organiser makes in one run.
const MOST_KINDS: usize = 6;

/// The answers to the one question that must be answered.
pub const MEALS: [&str; 2] = ["All", "Plants"];

/// What is for sale at the beginning.
#[derive(Clone, PartialEq, Debug)]
pub struct Goods {
    /// The capacity of each pool, 1 or 2 of them.
    pub pools: Vec<u32>,
    /// The ticket types, 1 to 3 of them.
    pub kinds: Vec<Kind>,
    /// The most tickets in one order, if the organiser says so.
    pub limit_per_order: Option<u32>,
    /// What is said of the first ticket type beside its price, and of a code.
    pub rules: Rules,
}

/// A capacity and a price phase of the first ticket type, and a code for all.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rules {
    /// So many of it are sold at most.
    pub capacity: Option<u32>,
    /// So many of it are sold at a price in minor units, before the usual one holds.
    pub phase: Option<(u32, i64)>,
    /// A code for so many tickets, and how many per cent it takes off.
    pub code: Option<(u32, u8)>,
}

/// A ticket type.
#[derive(Clone, PartialEq, Debug)]
pub struct Kind {
    /// Its id.
    pub id: String,
    /// What buyers read.
    pub name: String,
    /// The index of its pool in [`Goods::pools`].
    pub pool: usize,
    /// Its price in minor units.
    pub price: i64,
    /// Whether it is on offer.
    pub offered: bool,
}

impl Goods {
    /// One ticket type on one pool.
    pub fn plain(places: u32, price: i64) -> Goods {
        let kind = Kind { id: "t".into(), name: "Ticket".into(), pool: 0, price, offered: true };
        let (limit_per_order, rules) = (None, Rules::default());
        Goods { pools: vec![places], kinds: vec![kind], limit_per_order, rules }
    }

    /// The goods of a seed: in half of the runs one ticket type on one pool.
    pub fn new(seed: u64, places: u32, price: i64, currency: &str) -> Goods {
        let mut rng = Rng::new(seed, STREAM);
        let mut goods = Goods::plain(places, price);
        goods.rules = Rules::new(seed, places, price, currency);
        if rng.below(2) == 0 {
            return goods;
        }
        if rng.below(2) == 0 {
            goods.pools.push(1 + rng.below(u64::from(places)) as u32);
        }
        let kinds = goods.pools.len().max(1 + rng.below(3) as usize);
        for n in 1..kinds {
            let pool = if n < goods.pools.len() {
                n
            } else {
                rng.below(goods.pools.len() as u64) as usize
            };
            let price = some_price(&mut rng, price, currency);
            let (id, name) = (format!("t{n}"), format!("Ticket {n}"));
            goods.kinds.push(Kind { id, name, pool, price, offered: true });
        }
        goods.limit_per_order = rng.pick(&[None, None, Some(3), Some(5)]);
        goods
    }

    /// Whether nothing is said of ticket types but their prices, and there is no code.
    pub fn has_no_rules(&self) -> bool {
        self.rules == Rules::default()
    }

    /// Whether there is one ticket type only.
    pub fn is_plain(&self) -> bool {
        self.kinds.len() == 1
    }
}

impl Rules {
    /// The rules of a seed: in two thirds of the runs none.
    fn new(seed: u64, places: u32, price: i64, currency: &str) -> Rules {
        let mut rng = Rng::new(seed, RULES);
        let mut rules = Rules::default();
        if rng.below(3) > 0 {
            return rules;
        }
        let mut some = |of: u32| 1 + rng.below(u64::from(of.max(1))) as u32;
        let (capacity, phase, uses) = (some(places), some(places), some(places));
        // Half of the price, or what a card can be charged.
        let currency = boxoffice::Currency::parse(currency).expect("the currency of a plan");
        let half = price / 2 / currency.step_minor() * currency.step_minor();
        let half = if price == 0 { 0 } else { half.max(currency.least_minor()) };
        rules.capacity = (rng.below(2) == 0).then_some(capacity);
        rules.phase = (rng.below(3) > 0).then_some((phase, half));
        rules.code = (rng.below(3) > 0).then(|| (uses, rng.pick(&[10, 33, 50, 100])));
        rules
    }
}

/// A price beside `price`; one that a card can be charged, or none.
fn some_price(rng: &mut Rng, price: i64, currency: &str) -> i64 {
    let step = if currency == "KWD" { 10 } else { 1 };
    let price = if price == 0 { 700 } else { price };
    let dearer = 2 * price + 3 * step;
    let prices = [0, price, price, dearer, dearer, 3 * price];
    rng.pick(&prices)
}

/// The event as the organiser wants it at the moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Show {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// The capacity of each pool.
    pub pools: Vec<u32>,
    /// The ticket types that there ever were.
    pub kinds: Vec<Kind>,
    /// The most tickets in one order.
    pub limit_per_order: Option<u32>,
    /// The most places of one buyer.
    pub limit_per_buyer: Option<u32>,
    /// When the sale opens.
    pub opens: Option<TimeMs>,
    /// When it closes.
    pub closes: Option<TimeMs>,
    /// When it ends, if its buyers are erased then.
    pub ends: Option<TimeMs>,
    /// See [`Goods::rules`].
    pub rules: Rules,
}

impl Show {
    /// As the plan says.
    pub fn of(plan: &Plan) -> Show {
        Show {
            name: "The Show".into(),
            place: String::new(),
            pools: plan.goods.pools.clone(),
            kinds: plan.goods.kinds.clone(),
            limit_per_order: plan.goods.limit_per_order,
            limit_per_buyer: plan.limit_per_buyer,
            opens: None,
            closes: None,
            ends: plan.ends_ms.map(|ends_ms| EPOCH_MS + ends_ms),
            rules: plan.goods.rules,
        }
    }

    /// The sale is closed, since long ago.
    pub fn close(&mut self) {
        (self.opens, self.closes) = (None, Some(EPOCH_MS - 1_000_000_000));
    }

    /// The sale is open without an end.
    pub fn open(&mut self) {
        (self.opens, self.closes) = (None, None);
    }

    /// The body that puts it.
    pub fn body(&self, plan: &Plan) -> Value {
        let pool = |n: usize| if n == 0 { "all".to_owned() } else { format!("pool {n}") };
        let pools = self.pools.iter().enumerate();
        let pools: Vec<Value> =
            pools.map(|(n, capacity)| json!({"id": pool(n), "capacity": capacity})).collect();
        let kinds = self.kinds.iter().filter(|kind| kind.offered);
        let kinds: Vec<Value> = kinds
            .map(|kind| {
                json!({"id": kind.id, "name": kind.name, "pool": pool(kind.pool),
                       "price": {"amount": kind.price, "currency": plan.currency}})
            })
            .collect();
        let mut kinds = kinds;
        for kind in kinds.iter_mut().filter(|kind| kind["id"] == self.kinds[0].id) {
            // What is not said of its rules would stay.
            kind["phases"] = json!([]);
            if let Some(capacity) = self.rules.capacity {
                kind["capacity"] = capacity.into();
            }
            if let Some((capacity, price)) = self.rules.phase {
                let price = json!({"amount": price, "currency": plan.currency});
                let phase = json!({"name": "Early", "price": price, "capacity": capacity});
                kind["phases"] = json!([phase]);
            }
        }
        let mut event = json!({
            "name": self.name, "starts_at": "2030-06-01T20:00:00Z", "zone": "UTC",
            "currency": plan.currency, "hold_seconds": plan.hold_seconds,
            "pools": pools, "ticket_types": kinds,
        });
        if let Some((uses, percent)) = self.rules.code {
            event["codes"] = json!([{"code": CODE, "uses": uses, "percent_off": percent}]);
        }
        if plan.asks() {
            event["questions"] = json!([
                {"id": "meal", "text": "What do you eat?", "kind": "choice", "choices": MEALS,
                 "required": true},
                {"id": "size", "text": "Which size?", "kind": "text", "per": "ticket"},
            ]);
        }
        if !self.place.is_empty() {
            event["place"] = self.place.clone().into();
        }
        if let Some(limit) = self.limit_per_order {
            event["limit_per_order"] = limit.into();
        }
        if let Some(limit) = self.limit_per_buyer {
            event["limit_per_buyer"] = limit.into();
        }
        if let Some(ends) = self.ends {
            let ends = nts_server::when::rfc3339(ends);
            event["starts_at"] = ends.clone().into();
            event["ends_at"] = ends.into();
            event["keep_buyers_days"] = 0.into();
            // With the event ends the sale, unless its organiser names a later time.
            if plan.seed.is_multiple_of(2) {
                event["sale_closes"] = "2040-01-01T00:00:00Z".into();
            }
        }
        if let Some(opens) = self.opens {
            event["sale_opens"] = nts_server::when::rfc3339(opens).into();
        }
        if let Some(closes) = self.closes {
            event["sale_closes"] = nts_server::when::rfc3339(closes).into();
        }
        event
    }

    /// Another number of places in one pool.
    pub fn resize(&mut self, plan: &Plan, rng: &mut Rng, pool: usize) {
        let most = i64::from(plan.goods.pools[pool]) * 2;
        self.pools[pool] = rng.between(1, most).unsigned_abs() as u32;
    }

    /// Another price of one ticket type.
    pub fn reprice(&mut self, plan: &Plan, rng: &mut Rng) {
        let n = rng.below(self.kinds.len() as u64) as usize;
        self.kinds[n].price = some_price(rng, plan.price, plan.currency);
    }

    /// Another name of the event, of a ticket type or of the place.
    pub fn rename(&mut self, rng: &mut Rng) {
        let number = rng.below(1_000);
        match rng.below(3) {
            0 => self.name = format!("The Show, part {number}"),
            1 => self.place = format!("Hall {number}"),
            _ => {
                let n = rng.below(self.kinds.len() as u64) as usize;
                self.kinds[n].name = format!("Seat {number}");
            }
        }
    }

    /// Other numbers of tickets of the first type, and for the code.
    pub fn ration(&mut self, changes: &Rng) {
        let mut rules = Rng::new(changes.clone().below(u64::MAX), RULES);
        let most = u64::from(self.pools[0]) + 1;
        let mut other = |number: &mut u32| *number = 1 + rules.below(most) as u32;
        self.rules.capacity.iter_mut().for_each(&mut other);
        self.rules.phase.iter_mut().for_each(|(capacity, _)| other(capacity));
        self.rules.code.iter_mut().for_each(|(uses, _)| other(uses));
    }

    /// A ticket type is retired, or offered again, or a new one is made.
    pub fn restock(&mut self, plan: &Plan, rng: &mut Rng) {
        let n = rng.below(self.kinds.len() as u64) as usize;
        let offered = self.kinds.iter().filter(|kind| kind.offered).count();
        if self.kinds.len() < MOST_KINDS && rng.below(3) == 0 {
            let n = self.kinds.len();
            let pool = rng.below(self.pools.len() as u64) as usize;
            let price = some_price(rng, plan.price, plan.currency);
            let (id, name) = (format!("t{n}"), format!("Ticket {n}"));
            self.kinds.push(Kind { id, name, pool, price, offered: true });
        } else if !self.kinds[n].offered {
            self.kinds[n].offered = true;
        } else if offered > 1 {
            self.kinds[n].offered = false;
        }
    }
}
