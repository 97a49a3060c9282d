//! Admission: whether a request may enter. Overload ([`overload`]), the connections that may be kept
//! ([`slots`], [`connections`]), and limits per client and per e-mail address.
//!
//! A client is a network ([`network`]). What it may do is counted in two ways. Rates (requests that
//! hold, attempts to pay, look-ups, declines) are leaky buckets in tables of fixed size
//! ([`buckets`]). Unpaid places are counted exactly, from the orders that are unpaid now
//! ([`unpaid`]). Nothing is stored: after a restart all counts begin at zero, and each of several
//! processes has its own.
//!
//! Knows network addresses, limits and orders. It must not know HTTP, the writer, the store or the
//! payment provider.

pub mod breaker;
pub mod buckets;
pub mod client;
pub mod connections;
pub mod network;
pub mod overload;
pub mod sign_ins;
pub mod slots;
pub mod unpaid;

#[cfg(test)]
mod tests;

use crate::metrics::{ByReason, Metrics};
use boxoffice::{AttemptState, Order, OrderId, OrderState, TimeMs};
use breaker::Breaker;
use buckets::{Bucket, Buckets, Key, Rate};
use client::{Client, Clients};
use network::{Network, Proxies};
use overload::Overload;
use sign_ins::SignIns;
use slots::Slots;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use unpaid::{At, Tracked, Unpaid, Wish};

const MINUTE_US: u64 = 60_000_000;
const HOUR_US: u64 = 60 * MINUTE_US;

/// A network whose holds ran out unpaid gets shorter holds from so many on.
const RAN_OUT_OF_A_NETWORK: u64 = 5;
/// One of them is forgiven in so much time: five within half an hour count.
const RAN_OUT_OF_A_NETWORK_US: u64 = 6 * MINUTE_US;
/// One hold of an e-mail address that ran out unpaid is forgiven in so much time.
const RAN_OUT_OF_AN_EMAIL_US: u64 = 30 * MINUTE_US;
/// A hold is halved at most so often, and so many of those that ran out are remembered beyond the
/// first that shortens: who stops is forgiven in a bounded time.
const MOST_HALVINGS: u64 = 4;
/// A hold that is given back in the last quarter of its time has kept the places as long as one that
/// runs out.
const LATE_QUARTER: i64 = 4;
/// While very many attempts are declined, who was declined waits so long between two attempts.
const PACED_US: u64 = 30_000_000;
/// A look at an order with a wrong secret, or at an order that does not exist, takes as much of the
/// budget of look-ups as so many others.
const WRONG_LOOK: u64 = 30;

/// So many mails to whoever has lost tickets may be asked for per client and hour. An address gets only a few
/// of them whoever asks.
const LOST_AN_HOUR: u32 = 20;

/// So many wrong codes may be tried per client and hour; who has tried more is refused with a right one, too, or
/// would find it by trying on.
const WRONG_CODES_AN_HOUR: u32 = 20;

/// The limits, as they are configured. 0 switches a limit off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Requests that hold, per client and minute.
    pub holds: u32,
    /// Unpaid places per client in a pool, at most this number.
    pub places: u32,
    /// And at most this share of the pool, in percent.
    pub share: u32,
    /// Unpaid places per e-mail address and client in an event.
    pub email_places: u32,
    /// Attempts to pay, per client and minute.
    pub payments: u32,
    /// Declined attempts per client and hour.
    pub declines: u32,
    /// Declined attempts per e-mail address and hour, for orders of which one was declined.
    pub email_declines: u32,
    /// Look-ups of orders, per client and minute.
    pub lookups: u32,
    /// A hold after some that ran out unpaid is never shorter than this.
    pub least_hold_ms: u32,
    /// From this share of declined attempts on, in percent, there is an alarm, and who was declined
    /// must wait between attempts.
    pub declined_percent: u32,
    /// The proxies that are believed.
    pub proxies: Proxies,
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Too many requests that hold.
    Holds,
    /// Too many unpaid places of one network.
    Places,
    /// Too many unpaid places of one e-mail address and client.
    EmailPlaces,
    /// Too many attempts to pay.
    Payments,
    /// Too many declined attempts of one network.
    Declines,
    /// Too many declined attempts of one e-mail address.
    EmailDeclines,
    /// Very many attempts of all buyers are declined, and some of this network or address were.
    Paced,
    /// Too many look-ups of orders.
    Lookups,
    /// Too many wrong codes.
    Codes,
    /// Too many requests for lost tickets, or for links to sign in to the office.
    Lost,
    /// Too many attempts to sign in to the office.
    SignIns,
}

impl Reason {
    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Holds => "holds",
            Reason::Places => "places",
            Reason::EmailPlaces => "email_places",
            Reason::Payments => "payments",
            Reason::Declines => "declines",
            Reason::EmailDeclines => "email_declines",
            Reason::Paced => "paced",
            Reason::Lookups => "lookups",
            Reason::Codes => "codes",
            Reason::Lost => "lost",
            Reason::SignIns => "sign_ins",
        }
    }
}

/// A request that is over the budget of its client or e-mail address. Nothing was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// How many places are the most, where it is about places.
    pub most: u32,
    /// After so many seconds it may be tried again.
    pub again_s: u32,
}

impl Refused {
    fn after(reason: Reason, wait_us: u64) -> Refused {
        let again_s = u32::try_from(wait_us.div_ceil(1_000_000)).unwrap_or(u32::MAX);
        Refused { reason, most: 0, again_s: again_s.max(1) }
    }
}

/// What a client may do so often in a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BudgetOf {
    /// Requests that want to hold.
    Holds,
    /// Attempts to pay.
    Payments,
    /// Requests that look at an order, or change it by its secret.
    Lookups,
}

impl BudgetOf {
    /// Its name, as clients hear it.
    pub fn name(self) -> &'static str {
        match self {
            BudgetOf::Holds => "holds",
            BudgetOf::Payments => "payments",
            BudgetOf::Lookups => "lookups",
        }
    }
}

/// What is left of a budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// So many requests in each window, and at once.
    pub most: u32,
    /// How long a window is, in seconds.
    pub window_s: u64,
    /// So many are left now. It grows evenly.
    pub left: u64,
    /// In so many seconds all of it is there again.
    pub whole_in_s: u64,
}

/// The limits and what is counted for them.
pub struct Admission {
    limits: Limits,
    clients: Clients,
    key: Key,
    begun: Instant,
    metrics: Arc<Metrics>,
    holds: Buckets,
    payments: Buckets,
    lookups: Buckets,
    lost: Buckets,
    codes: Buckets,
    sign_ins: SignIns,
    declines: Buckets,
    email_declines: Buckets,
    ran_out: Buckets,
    email_ran_out: Buckets,
    paced: Buckets,
    unpaid: Mutex<Unpaid>,
    breaker: Mutex<Breaker>,
    /// How far the server is behind.
    pub overload: Overload,
    /// The connections that may be kept for a while.
    pub slots: Slots,
}

/// A request is rejected because the server is overloaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shed {
    /// After so many seconds it may be sent again.
    pub again_s: u32,
}

/// What a request reserved in the budgets, until its outcome is known. Dropped without a word (the
/// client hung up, say) it stays reserved until somebody looks whether the order exists.
#[must_use]
pub struct Reserved<'a> {
    admission: &'a Admission,
    order: Option<OrderId>,
    /// The hold is to last at most this long.
    pub most_ms: Option<i64>,
}

impl Reserved<'_> {
    /// The command changed nothing: what was reserved for it is free again.
    pub fn forget(self) {
        if let Some(order) = self.order {
            self.admission.forget(order);
        }
    }
}

impl Admission {
    /// Nothing is counted yet. `secret` keys the hashes, so that nobody can choose a place in a
    /// table.
    pub fn new(
        limits: Limits,
        secret: u128,
        metrics: Arc<Metrics>,
        overload: Overload,
        slots: Slots,
    ) -> Admission {
        let [holds, payments, lookups, lost, declines] = [(); 5].map(|()| Buckets::default());
        let [email_declines, ran_out, email_ran_out, paced, codes] =
            [(); 5].map(|()| Buckets::default());
        Admission {
            clients: Clients::new(limits.proxies.clone()),
            breaker: Mutex::new(Breaker::new(limits.declined_percent)),
            limits,
            key: Key::new(secret),
            begun: Instant::now(),
            metrics,
            holds,
            payments,
            lookups,
            lost,
            codes,
            sign_ins: SignIns::default(),
            declines,
            email_declines,
            ran_out,
            email_ran_out,
            paced,
            unpaid: Mutex::default(),
            overload,
            slots,
        }
    }

    /// Whether a read of an event may enter.
    pub fn check_read(&self) -> Result<(), Shed> {
        self.shed(self.overload.sheds_read())
    }

    /// Whether a new hold may enter.
    pub fn check_hold(&self) -> Result<(), Shed> {
        self.shed(self.overload.sheds_write())
    }

    fn shed(&self, again_s: Option<u32>) -> Result<(), Shed> {
        let Some(again_s) = again_s else { return Ok(()) };
        self.metrics.requests_shed.inc();
        Err(Shed { again_s })
    }

    /// Who a client is.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    fn unpaid(&self) -> MutexGuard<'_, Unpaid> {
        self.unpaid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since the beginning. What is waited for is counted by it, for a clock may jump.
    fn passed_ms(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn at(&self, clock_ms: TimeMs) -> At {
        At { clock_ms, passed_ms: self.passed_ms() }
    }

    fn refuse<T>(&self, refused: Refused) -> Result<T, Refused> {
        self.metrics.limited.get_or_create(&ByReason { reason: refused.reason.name() }).inc();
        Err(refused)
    }

    fn buckets_of(&self, network: Network) -> impl Iterator<Item = Bucket> + Clone {
        let key = self.key;
        network.levels().map(move |level| Bucket { key: key.of(&level), factor: level.factor() })
    }

    fn bucket_of(&self, identity: u128) -> impl Iterator<Item = Bucket> + Clone {
        std::iter::once(Bucket { key: self.key.of(&identity), factor: 1 })
    }

    /// The bucket of an e-mail address for one client alone: what others do with the address is not to
    /// its owner's cost.
    fn bucket_of_pair(
        &self,
        identity: u128,
        network: Network,
    ) -> impl Iterator<Item = Bucket> + Clone {
        let key = self.key.of(&(identity, network.levels().next()));
        std::iter::once(Bucket { key, factor: 1 })
    }

    /// Takes so much of a rate, or tells after how many microseconds there is enough of it.
    fn take(&self, of: &Buckets, rate: u32, client: Client, cost: u64) -> Result<(), u64> {
        let Client::Network(network) = client else { return Ok(()) };
        let Some(rate) = Rate::per(rate, MINUTE_US) else { return Ok(()) };
        of.take(self.buckets_of(network), rate, cost, self.now_us())
    }

    /// What is left to a client of a budget; `None`: it has no limit.
    pub fn left(&self, of: BudgetOf, client: Client) -> Option<Left> {
        let Client::Network(network) = client else { return None };
        let (buckets, most) = match of {
            BudgetOf::Holds => (&self.holds, self.limits.holds),
            BudgetOf::Payments => (&self.payments, self.limits.payments),
            BudgetOf::Lookups => (&self.lookups, self.limits.lookups),
        };
        let rate = Rate::per(most, MINUTE_US)?;
        let (left, whole_in_us) = buckets.left(self.buckets_of(network), rate, self.now_us());
        let whole_in_s = whole_in_us.div_ceil(1_000_000);
        Some(Left { most, window_s: MINUTE_US / 1_000_000, left, whole_in_s })
    }

    /// A request that wants to hold. For its client it counts whatever becomes of it.
    pub fn may_hold(&self, client: Client) -> Result<(), Refused> {
        let taken = self.take(&self.holds, self.limits.holds, client, 1);
        taken.or_else(|wait_us| self.refuse(Refused::after(Reason::Holds, wait_us)))
    }

    /// A request that wanted to hold and held nothing: it does not count for the larger prefixes, which
    /// the client shares with others.
    pub fn held_nothing(&self, client: Client) {
        let Client::Network(network) = client else { return };
        let Some(rate) = Rate::per(self.limits.holds, MINUTE_US) else { return };
        self.holds.give_back(self.buckets_of(network).skip(1), rate);
    }

    /// A request that looks at an order or gives one back.
    pub fn may_look(&self, client: Client) -> Result<(), Refused> {
        let taken = self.take(&self.lookups, self.limits.lookups, client, 1);
        taken.or_else(|wait_us| self.refuse(Refused::after(Reason::Lookups, wait_us)))
    }

    /// A look that found nothing, because the secret was wrong or there is no such order.
    pub fn looked_in_vain(&self, client: Client) {
        // All of what is left, if it is less.
        _ = self.take(&self.lookups, self.limits.lookups, client, WRONG_LOOK - 1);
    }

    /// A request for the orders of an address, whatever becomes of it. Like the limit for look-ups it is off
    /// where that is.
    pub fn may_ask_for_lost(&self, client: Client) -> Result<(), Refused> {
        let Client::Network(network) = client else { return Ok(()) };
        let rate = Rate::per(LOST_AN_HOUR, HOUR_US).filter(|_| self.limits.lookups > 0);
        let Some(rate) = rate else { return Ok(()) };
        let taken = self.lost.take(self.buckets_of(network), rate, 1, self.now_us());
        taken.or_else(|wait_us| self.refuse(Refused::after(Reason::Lost, wait_us)))
    }

    /// A request with a code, right or wrong: whether the client has not tried too many wrong ones. Like the
    /// limit for look-ups it is off where that is.
    pub fn may_try_code(&self, client: Client) -> Result<(), Refused> {
        let Client::Network(network) = client else { return Ok(()) };
        let Some(rate) = self.rate_of_codes() else { return Ok(()) };
        let room = self.codes.room(self.buckets_of(network), rate, self.now_us());
        room.or_else(|wait_us| self.refuse(Refused::after(Reason::Codes, wait_us)))
    }

    /// A code was wrong.
    pub fn tried_wrong_code(&self, client: Client) {
        let Client::Network(network) = client else { return };
        let Some(rate) = self.rate_of_codes() else { return };
        self.codes.add(self.buckets_of(network), rate, self.now_us());
    }

    fn rate_of_codes(&self) -> Option<Rate> {
        Rate::per(WRONG_CODES_AN_HOUR, HOUR_US).filter(|_| self.limits.lookups > 0)
    }

    /// Reserves the places that an order wants, or says that they are too many.
    pub fn reserve(
        &self,
        client: Client,
        wish: &Wish,
        now: TimeMs,
    ) -> Result<Reserved<'_>, Refused> {
        let Client::Network(network) = client else {
            return Ok(Reserved { admission: self, order: None, most_ms: None });
        };
        let reserved = self.unpaid().reserve(&self.limits, &self.key, network, wish, self.at(now));
        match reserved {
            Err(refused) => self.refuse(refused),
            Ok(order) => {
                let most_ms = self.shortened(client, wish.identity, wish.hold_ms);
                Ok(Reserved { admission: self, order, most_ms })
            }
        }
    }

    /// Orders for which this wish may be refused, and of which something may have changed that was not
    /// told here: they are worth a look before it is.
    pub fn doubtful(&self, client: Client, wish: &Wish) -> Vec<OrderId> {
        let Client::Network(network) = client else { return Vec::new() };
        self.unpaid().doubtful(&self.key, network, wish, self.passed_ms())
    }

    /// Orders that should have been heard of by now.
    pub fn overdue(&self, most: usize) -> Vec<OrderId> {
        self.unpaid().overdue(self.passed_ms(), most)
    }

    /// An order that was looked for does not exist.
    pub fn missing(&self, order: OrderId) {
        self.unpaid().missing(order, self.passed_ms());
    }

    /// Nothing came of an order.
    pub fn forget(&self, order: OrderId) {
        self.unpaid().remove(order);
    }

    /// How long a hold of this buyer may last, if some before it ran out unpaid: half as long for each.
    pub fn shortened(&self, client: Client, identity: u128, hold_ms: i64) -> Option<i64> {
        let Client::Network(network) = client else { return None };
        let least_ms = i64::from(self.limits.least_hold_ms);
        if least_ms == 0 {
            return None;
        }
        let now = self.now_us();
        let of_email = self.email_ran_out.debt(self.bucket_of_pair(identity, network), now);
        let of_network = self.ran_out.debt(self.buckets_of(network), now);
        let of_network = of_network.div_ceil(RAN_OUT_OF_A_NETWORK_US);
        let halvings = of_email
            .div_ceil(RAN_OUT_OF_AN_EMAIL_US)
            .max((of_network + 1).saturating_sub(RAN_OUT_OF_A_NETWORK));
        (halvings > 0).then(|| (hold_ms >> halvings.min(MOST_HALVINGS)).max(least_ms))
    }

    /// An attempt to pay an order. What is given back must be kept until the writer has answered.
    pub fn pay(&self, client: Client, order: OrderId) -> Result<Reserved<'_>, Refused> {
        let nothing = Reserved { admission: self, order: None, most_ms: None };
        let Client::Network(network) = client else {
            // Nothing is limited, but what becomes of it is counted for the alarm.
            let fresh = self.unpaid().pays(order, None, self.passed_ms());
            return Ok(Reserved { order: fresh.then_some(order), ..nothing });
        };
        if let Err(wait_us) = self.take(&self.payments, self.limits.payments, client, 1) {
            return self.refuse(Refused::after(Reason::Payments, wait_us));
        }
        // An order of which no attempt was declined is not refused for its e-mail address: others may have
        // used that address for theirs.
        let identity = self.unpaid().declined(order);
        self.not_declined(network, identity).or_else(|refused| self.refuse(refused))?;
        let fresh =
            self.unpaid().pays(order, Some((network, self.key.client(network))), self.passed_ms());
        Ok(Reserved { order: fresh.then_some(order), ..nothing })
    }

    /// Refuses who was declined too often, or must wait after it.
    fn not_declined(&self, network: Network, identity: Option<u128>) -> Result<(), Refused> {
        let now = self.now_us();
        let mut declined = false;
        if let Some(rate) = Rate::per(self.limits.declines, HOUR_US) {
            let buckets = self.buckets_of(network);
            self.declines
                .room(buckets.clone(), rate, now)
                .map_err(|wait_us| Refused::after(Reason::Declines, wait_us))?;
            declined |= self.declines.debt(buckets, now) > 0;
        }
        if let (Some(identity), Some(rate)) =
            (identity, Rate::per(self.limits.email_declines, HOUR_US))
        {
            let bucket = self.bucket_of(identity);
            self.email_declines
                .room(bucket.clone(), rate, now)
                .map_err(|wait_us| Refused::after(Reason::EmailDeclines, wait_us))?;
            declined |= self.email_declines.debt(bucket, now) > 0;
        }
        if !(declined && self.look_at_breaker(0, 0)) {
            return Ok(());
        }
        let pace = Rate { cost_us: PACED_US, most_us: PACED_US };
        let client = Network::levels(network).next().map(|level| self.key.of(&level));
        let email = identity.map(|identity| self.key.of(&identity));
        let both = client.into_iter().chain(email).map(|key| Bucket { key, factor: 1 });
        let paced = self.paced.take(both, pace, 1, now);
        paced.map_err(|wait_us| Refused::after(Reason::Paced, wait_us))
    }

    /// Takes in some decided attempts. Gives whether very many are declined.
    fn look_at_breaker(&self, decided: u32, declined: u32) -> bool {
        let (open, changed) = self.breaker().note(self.now_us(), decided, declined);
        if changed {
            self.metrics.declines_high.set(i64::from(open));
            let percent = self.limits.declined_percent;
            if open {
                self.metrics.alarms.inc();
                tracing::error!(
                    "ALARM: more than {percent} % of the attempts to pay within ten minutes were declined. \
                     Somebody may be testing stolen cards: look at the payments in the provider's desk. \
                     Who was declined now waits 30 seconds between attempts"
                );
            } else {
                tracing::warn!("no longer very many attempts to pay are declined");
            }
        }
        open
    }

    /// Looks whether very many attempts are still declined, also while nobody pays.
    pub fn refresh(&self) {
        self.metrics.unpaid_orders.set(self.unpaid().len() as i64);
        self.look_at_breaker(0, 0);
    }

    /// Takes in orders as they are after a commit. `identity` tells whose an order is.
    /// `told_of_all`: every change of these orders is told here, for nobody else can change them.
    pub fn told<'a>(
        &self,
        orders: impl IntoIterator<Item = &'a Order>,
        now: TimeMs,
        told_of_all: bool,
        identity: impl Fn(&Order) -> u128,
    ) {
        let mut unpaid = self.unpaid();
        if unpaid.is_empty() {
            return;
        }
        let (mut decided, mut declined) = (0, 0);
        for order in orders {
            let Some(tracked) = unpaid.tracked(order.id) else { continue };
            if tracked.identity.is_none() {
                tracked.identity = Some(identity(order));
            }
            let news = tracked.attempts(order);
            decided += news.decided;
            declined += news.declined;
            self.declined(tracked, news.declined);
            if ran_out(order, now) && tracked.counted() {
                self.ran_out(tracked);
            }
            unpaid.moved(order, self.at(now), told_of_all);
        }
        self.metrics.unpaid_orders.set(unpaid.len() as i64);
        drop(unpaid);
        if decided > 0 {
            self.look_at_breaker(decided, declined);
        }
    }

    fn declined(&self, tracked: &Tracked, times: u32) {
        let Some(payer) = tracked.payer else { return };
        let now = self.now_us();
        for _ in 0..times {
            if let Some(rate) = Rate::per(self.limits.declines, HOUR_US) {
                self.declines.add(self.buckets_of(payer), rate, now);
            }
            if let (Some(identity), Some(rate)) =
                (tracked.identity, Rate::per(self.limits.email_declines, HOUR_US))
            {
                self.email_declines.add(self.bucket_of(identity), rate, now);
            }
        }
    }

    fn ran_out(&self, tracked: &Tracked) {
        self.metrics.ran_out.inc();
        let now = self.now_us();
        let rate = |cost_us, most| Rate { cost_us, most_us: cost_us * most };
        if let Some(holder) = tracked.holder {
            let most = RAN_OUT_OF_A_NETWORK + MOST_HALVINGS;
            self.ran_out.add(self.buckets_of(holder), rate(RAN_OUT_OF_A_NETWORK_US, most), now);
            if let Some(identity) = tracked.identity {
                let rate = rate(RAN_OUT_OF_AN_EMAIL_US, MOST_HALVINGS);
                self.email_ran_out.add(self.bucket_of_pair(identity, holder), rate, now);
            }
        }
    }

    /// Whether its client had another order being paid when this one joined.
    pub fn is_second(&self, order: OrderId) -> bool {
        self.unpaid().tracked(order).is_some_and(|tracked| tracked.later)
    }
}

/// Whether an order was released unpaid after its time, or in its last quarter.
fn ran_out(order: &Order, now: TimeMs) -> bool {
    let lasted_ms = order.until_ms - order.placed_ms;
    order.state == OrderState::Released && now >= order.until_ms - lasted_ms / LATE_QUARTER
}

/// What became of attempts since they were looked at last.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Attempts {
    /// Authorised or declined.
    pub decided: u32,
    /// Declined.
    pub declined: u32,
}

impl Attempts {
    fn of(order: &Order) -> Attempts {
        let mut all = Attempts::default();
        for attempt in order.payment.iter().flat_map(|p| &p.attempts) {
            match attempt.state {
                AttemptState::Declined(_) => {
                    all.decided += 1;
                    all.declined += 1;
                }
                AttemptState::Authorised => all.decided += 1,
                _ => {}
            }
        }
        all
    }
}
