//! A second, naive box office, to be compared with the core. It is a flat list of orders, each a
//! list of single places; every count is made anew from that list whenever it is needed, and there
//! is no counter, no record of buyers and no list of changes. It knows the words of a command and
//! shares no rule with the core: where both agree, two people would have to make one mistake.

use boxoffice::{
    BuyerKey, CodeSpec, Command, Discount, Erasure, EventId, EventPart, EventSpec, Intent,
    IntentStatus, LineWish, Metadata, OrderId, PaymentId, QuestionKind, QuestionSpec, RefundId,
    RefundOutcome, RefundWish, Sale, Terms, TimeMs,
};

#[derive(Default)]
pub struct Model {
    shows: Vec<Show>,
    orders: Vec<Entry>,
}

struct Show {
    id: EventId,
    spec: EventSpec,
    /// Every pool that ever was, in order.
    pools: Vec<String>,
    /// Every ticket type that ever was, and its pool.
    types: Vec<(String, String)>,
    /// What its organiser has done to the sale: nothing, `paused` or `canceled`.
    stopped: &'static str,
    /// The ticket types that ever had a number of their own.
    numbered: Vec<String>,
}

/// An order.
pub struct Entry {
    pub id: OrderId,
    show: EventId,
    buyer: BuyerKey,
    address: String,
    currency: String,
    places: Vec<Place>,
    pub state: &'static str,
    placed: TimeMs,
    until: TimeMs,
    /// The payment and whether it is about real money.
    pub payment: Option<(PaymentId, bool)>,
    pub intent: Option<String>,
    /// One letter for each attempt: `?` asked for, and nobody but us keeps the buyer waiting, `!` the buyer must act, `n`o, `y`es, `x` given up.
    pub attempts: String,
    /// The card of the last attempt, and what its bank wants to show the buyer.
    card: String,
    asks: Option<String>,
    /// When the last one was asked for.
    asked: TimeMs,
    /// The provider's words of a dispute.
    dispute: Option<(String, String, i64)>,
    pub refunds: Vec<Back>,
    /// RELEASED or VOID, and the provider may still have to be told.
    loose_end: bool,
    /// By whom it was paid: the buyer, or the organiser in some way.
    paid_by: &'static str,
    /// The name of who ordered.
    name: String,
    /// The slips with answers: the question, the chair from 1 (0: for all), and what it says.
    slips: Vec<(String, usize, String)>,
    /// What a program has noted: keys and texts, by the keys.
    notes: Vec<(String, String)>,
}

/// One chair.
struct Place {
    ticket_type: String,
    pool: String,
    price: i64,
    /// The offer under which it was had, and the voucher that was shown for it.
    offer: Option<String>,
    voucher: Option<String>,
    serial: Option<u32>,
    /// Everybody who was to sit there, one after the other.
    guests: Vec<String>,
    /// The last of them, unless the name was erased.
    guest: Option<String>,
    refund: Option<RefundId>,
    restocked: bool,
}

pub struct Back {
    pub id: RefundId,
    amount: i64,
    /// The provider's name of it, as far as we know it.
    name: String,
    by_hand: bool,
    /// A sum was asked for, and no tickets.
    of_amount: bool,
    restock: bool,
    /// `?` owed, `y` done, `n` refused, `l` done, and later it failed.
    pub outcome: char,
}

impl Entry {
    fn taken(&self) -> impl Iterator<Item = &Place> {
        let none = matches!(self.state, "released" | "void");
        self.places.iter().filter(move |p| !none && !p.restocked)
    }

    fn total(&self) -> i64 {
        self.places.iter().map(|p| p.price).sum()
    }

    fn open(&self) -> bool {
        self.attempts.ends_with(['?', '!'])
    }

    /// Nobody's time runs while the buyer waits for us.
    fn over(&self, now: TimeMs) -> bool {
        !self.attempts.ends_with('?') && now >= self.until
    }

    /// The price of what was not given back, less what was.
    fn money_left(&self) -> i64 {
        let back = self.refunds.iter().filter(|r| "y?".contains(r.outcome)).map(|r| r.amount);
        self.total() - back.sum::<i64>()
    }

    /// What a refund was to give back, and the bank sent back again.
    fn owed_back(&self) -> i64 {
        if matches!(self.state, "released" | "void") {
            // What came was all that went back by hand before ours, and ours.
            let mut came = 0;
            for refund in &self.refunds {
                came += refund.amount;
                if !refund.by_hand {
                    return (came + self.money_left() - self.total()).max(0);
                }
            }
            return 0;
        }
        let late = self.refunds.iter().filter(|r| r.outcome == 'l').map(|r| r.amount).sum();
        let good = self.places.iter().filter(|p| p.refund.is_none()).map(|p| p.price);
        if matches!(self.state, "paid" | "refunding" | "refunded") {
            let beside = self.refunds.iter().filter(|r| {
                let took = self.places.iter().any(|p| p.refund == Some(r.id));
                r.of_amount && !took && "y?l".contains(r.outcome)
            });
            let beside: i64 = beside.map(|r| r.amount).sum();
            (self.money_left() - (good.sum::<i64>() - beside).max(0)).clamp(0, late)
        } else {
            0
        }
    }

    /// Who gave the last penny back by hand took the last tickets.
    fn take_last_tickets(&mut self, by: RefundId) {
        for place in self.places.iter_mut().filter(|p| p.refund.is_none()) {
            place.refund = Some(by);
        }
        self.state = "refunded";
    }

    /// The open attempt, if there is one, ends so.
    fn close(&mut self, how: char, now: TimeMs) {
        if self.attempts.ends_with('?') {
            // The time that it waited was not the buyer's.
            self.until += now - self.asked;
        }
        if self.open() {
            self.attempts.pop();
            self.attempts.push(how);
        }
    }

    fn take_card(&mut self, token: &str, now: TimeMs) {
        self.attempts.push('?');
        self.card = token.into();
        self.asks = None;
        self.asked = now;
    }

    /// How much of it can still be refunded.
    fn kept(&self, ticket_type: &str) -> usize {
        let kept = |p: &&Place| p.ticket_type == ticket_type && p.refund.is_none();
        self.places.iter().filter(kept).count()
    }

    fn no_longer_held(&self, now: TimeMs) -> String {
        match self.state {
            "committed" | "paid" | "refunding" => "refused already_paid".into(),
            "paying" => "refused payment_under_way".into(),
            "held" if now >= self.until => "refused hold_expired".into(),
            "released" if now >= self.until && self.payment.is_none() => {
                "refused hold_expired".into()
            }
            state => format!("refused canceled {state}"),
        }
    }

    /// Nobody need write to its buyer any more.
    fn is_over(&self) -> bool {
        let lost_or_won = ["won", "lost"];
        let disputed = self.dispute.iter().any(|(_, status, _)| !lost_or_won.contains(&&**status));
        let over = ["paid", "refunded", "released", "void"].contains(&self.state);
        over && self.owed() == "nothing" && self.owed_back() == 0 && !disputed
    }

    fn owed(&self) -> String {
        match self.state {
            _ if self.refunds.iter().any(|r| r.outcome == '?') => "refund".into(),
            "held" => "expiry".into(),
            "paying" if self.intent.is_none() && self.attempts.ends_with('?') => "create".into(),
            "paying" if self.intent.is_none() => "expiry".into(),
            "paying" if self.attempts.ends_with('?') => format!("confirm {}", self.attempts.len()),
            "paying" => "read".into(),
            "canceling" => "cancel".into(),
            "committed" => "capture".into(),
            _ if self.loose_end => "cancel".into(),
            _ => "nothing".into(),
        }
    }

    /// Everything about it that can be seen.
    fn seen(&self) -> String {
        let mut slips = self.slips.clone();
        slips.sort();
        let ticket =
            |p: &Place| Some((p.serial?, p.refund.is_none(), p.guests.len(), p.guest.clone()));
        let mut tickets: Vec<_> = self.places.iter().filter_map(ticket).collect();
        tickets.sort_unstable();
        let seen = |r: &Back| (r.id.0, r.amount, r.outcome, r.by_hand);
        let refunds: Vec<_> = self.refunds.iter().map(seen).collect();
        format!(
            "order {} {} of {} until {} total {} {} attempts {:?} owed {} tickets {tickets:?} refunds {refunds:?} dispute {:?} paid by {} for {} slips {slips:?} notes {:?}",
            self.id.0,
            self.state,
            self.buyer.0,
            self.until,
            self.total(),
            self.currency,
            self.attempts,
            self.owed(),
            self.dispute,
            self.paid_by,
            self.name,
            self.notes,
        )
    }
}

impl Model {
    /// What stands in the list of an order.
    pub fn order(&self, id: OrderId) -> Option<&Entry> {
        self.orders.iter().find(|o| o.id == id)
    }

    /// Everything that can be seen: a line for each pool and for each order.
    pub fn seen(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for show in &self.shows {
            for pool in &show.pools {
                let taken = self.taken(show.id, pool);
                let sold = self.sold(show.id, pool);
                let (id, of) = (show.id.0, show.capacity(pool));
                lines.push(format!("pool {id} {pool} held {} sold {sold} of {of}", taken - sold));
            }
        }
        lines.extend(self.orders.iter().map(Entry::seen));
        lines.sort();
        lines
    }

    fn taken(&self, show: EventId, pool: &str) -> usize {
        let here = self.orders.iter().filter(|o| o.show == show);
        here.flat_map(Entry::taken).filter(|p| p.pool == pool).count()
    }

    fn sold(&self, show: EventId, pool: &str) -> usize {
        let held = ["held", "paying", "canceling"];
        let here = self.orders.iter().filter(|o| o.show == show && !held.contains(&o.state));
        here.flat_map(Entry::taken).filter(|p| p.pool == pool).count()
    }

    /// What it answers to a command, in a few words.
    pub fn tell(&mut self, command: &Command, now: TimeMs) -> String {
        let id = match command {
            Command::PutEvent { id, spec } => return self.put(*id, spec),
            Command::PutEventIf { id, spec, seen } => {
                let there = self.shows.iter().find(|s| s.spec.slug == spec.slug);
                return match (there, seen) {
                    (Some(_), None) => "refused event_exists".into(),
                    (None, Some(_)) => "refused unknown_event".into(),
                    (Some(show), Some(seen)) if show.spec != **seen => {
                        "refused event_differs".into()
                    }
                    _ => self.put(*id, spec),
                };
            }
            Command::PutEventParts { id, spec, kept, only } => {
                let there = self.shows.iter().find(|s| s.spec.slug == spec.slug);
                if only.is_some() && there.map(|s| s.id) != *only {
                    return "refused unknown_event".into();
                }
                if there.is_some_and(|s| keeps_other_money(spec, &s.spec, kept)) {
                    return "refused invalid".into();
                }
                let spec = there.map_or_else(|| spec.clone(), |s| completed(spec, &s.spec, kept));
                return self.put(*id, &spec);
            }
            Command::SetSale { event, to, seen } => {
                let Some(show) = self.shows.iter_mut().find(|s| s.id == *event) else {
                    return "refused unknown_event".into();
                };
                if seen.as_ref().is_some_and(|seen| **seen != show.spec) {
                    return "refused event_differs".into();
                }
                let to = match to {
                    Sale::Open => "",
                    Sale::Paused => "paused",
                    Sale::Canceled => "canceled",
                };
                if show.stopped == "canceled" && to != "canceled" {
                    return "refused event_canceled".into();
                }
                show.stopped = to;
                return "changed".into();
            }
            Command::DeleteEvent { slug, seen } => {
                let there = self.shows.iter().find(|s| s.spec.slug == *slug);
                if there.is_some_and(|s| seen.as_ref().is_some_and(|seen| **seen != s.spec)) {
                    return "refused event_differs".into();
                }
                return self.delete(slug);
            }
            Command::FindOrder { event, buyer } => return self.find(*event, *buyer),
            Command::Hold { order, event, buyer, untagged, lines, terms, metadata, most_ms } => {
                if buyer.name.trim().is_empty() && self.order(*order).is_none() {
                    return "refused invalid".into();
                }
                let ignores = self.show(*event).is_some_and(|s| s.spec.ignore_email_tags);
                let key = if ignores { untagged.unwrap_or(buyer.key) } else { buyer.key };
                let new = self.order(*order).is_none();
                let answer = self.hold(*order, *event, key, (lines, terms, *most_ms), now);
                if let Some(entry) = self.orders.iter_mut().find(|o| o.id == *order && new) {
                    entry.address.clone_from(&buyer.email);
                    entry.name.clone_from(&buyer.name);
                    entry.notes = notes(metadata);
                }
                return answer;
            }
            Command::Sell { order, event, buyer, untagged, lines, tender, metadata, .. } => {
                if let Some(known) = self.order(*order) {
                    return known.state.into();
                }
                if tender.word() == "online" || buyer.name.trim().is_empty() {
                    return "refused invalid".into();
                }
                let key = untagged.filter(|_| self.ignores_tags(*event)).unwrap_or(buyer.key);
                let answer = self.sell(
                    *order,
                    *event,
                    (key, &buyer.name, &buyer.email),
                    lines,
                    (tender.word(), now),
                );
                if let Some(entry) = self.orders.iter_mut().find(|o| o.id == *order) {
                    entry.notes = notes(metadata);
                }
                return answer;
            }
            Command::CorrectName { order, event, name, key } => {
                return self.rename(*order, *event, name, *key);
            }
            Command::Erase { event, orders, because } => {
                return match self.show(*event) {
                    None => "refused unknown_event".into(),
                    Some(show) if *because == Erasure::TimeOver && !show.is_history(now) => {
                        "refused not_due".into()
                    }
                    Some(_) => self.erase(*event, orders),
                };
            }
            Command::ChangeAddress { order, event, email, key, untagged } => {
                let key = untagged.filter(|_| self.ignores_tags(*event)).unwrap_or(*key);
                return self.readdress(*order, *event, email, key, now);
            }
            Command::Renew { order, .. }
            | Command::Answer { order, .. }
            | Command::PutMetadata { order, .. }
            | Command::Pay { order, .. }
            | Command::IntentCreated { order, .. }
            | Command::AttemptDeclined { order, .. }
            | Command::Reconcile { order, .. }
            | Command::Cancel { order }
            | Command::GiveUp { order, .. }
            | Command::Expire { order }
            | Command::Forget { order, .. }
            | Command::NameTicket { order, .. }
            | Command::Defer { order, .. }
            | Command::Refund { order, .. }
            | Command::RefundAnswered { order, .. } => *order,
        };
        let Some(at) = self.orders.iter().position(|o| o.id == id) else {
            return "refused unknown_order".into();
        };
        let answer = self.about(at, command, now);
        self.give_tickets(at);
        answer.unwrap_or_else(|| self.orders[at].state.into())
    }

    /// Who has paid has tickets: the next serials of the show.
    fn give_tickets(&mut self, at: usize) {
        let show = self.orders[at].show;
        let here = self.orders.iter().filter(|o| o.show == show);
        let last = here.flat_map(|o| &o.places).filter_map(|p| p.serial).max().unwrap_or(0);
        let order = &mut self.orders[at];
        let paid = matches!(order.state, "paid" | "refunded");
        if paid && order.places.iter().all(|p| p.serial.is_none()) {
            for (place, serial) in order.places.iter_mut().zip(last + 1..) {
                place.serial = Some(serial);
            }
        }
    }

    /// `None`: the answer is the order's state.
    fn about(&mut self, at: usize, command: &Command, now: TimeMs) -> Option<String> {
        let hold_ms = self.show(self.orders[at].show)?.spec.hold_ms;
        let spec = &self.show(self.orders[at].show)?.spec;
        let over = spec.ends_ms.unwrap_or(spec.starts_ms + 12 * 3_600_000);
        let fixed = spec.names_until_ms.unwrap_or(spec.starts_ms);
        let show_types: Vec<String> =
            self.show(self.orders[at].show)?.types.iter().map(|t| t.0.clone()).collect();
        let questions = self.show(self.orders[at].show)?.spec.questions.clone();
        let canceled = self.show(self.orders[at].show)?.stopped == "canceled";
        let order = &mut self.orders[at];
        match command {
            Command::Answer { answers, staff, .. } => {
                if order.buyer.0 == order.id.0 {
                    return Some("refused buyer_erased".into());
                }
                let bought = ["committed", "paid", "refunding"].contains(&order.state);
                if order.state == "held" && now >= order.until || order.state == "released" {
                    return Some(order.no_longer_held(now));
                }
                if !bought && !["held", "paying"].contains(&order.state) {
                    return Some(format!("refused canceled {}", order.state));
                }
                if bought && !staff && (now >= fixed || now >= over) {
                    return Some("refused answers_fixed".into());
                }
                let slots = slots(order, &questions);
                let mut slips: Vec<(String, usize, String)> = Vec::new();
                for answer in answers {
                    let at = (answer.question.clone(), answer.ticket.map_or(0, usize::from));
                    let Some((_, kind)) = slots.iter().find(|(slot, _)| *slot == at) else {
                        return Some("refused answer_invalid".into());
                    };
                    if slips.iter().any(|slip| (&slip.0, slip.1) == (&at.0, at.1)) {
                        return Some("refused answer_invalid".into());
                    }
                    if !answer.value.trim().is_empty() && !may_be_said(kind, &answer.value) {
                        return Some("refused answer_invalid".into());
                    }
                    slips.push((at.0, at.1, answer.value.clone()));
                }
                slips.retain(|slip| !slip.2.trim().is_empty());
                let open = |slip: &(&(String, usize), &QuestionSpec)| {
                    slip.1.required && !slips.iter().any(|s| (&s.0, s.1) == (&slip.0.0, slip.0.1))
                };
                if bought && !staff && slots.iter().map(|(a, b)| (a, b)).any(|s| open(&s)) {
                    return Some("refused answer_invalid".into());
                }
                let old = std::mem::take(&mut order.slips);
                let asked = |slip: &(String, usize, String)| {
                    slots.iter().any(|(slot, _)| (&slot.0, slot.1) == (&slip.0, slip.1))
                };
                slips.extend(old.into_iter().filter(|slip| !asked(slip)));
                order.slips = slips;
                None
            }
            Command::PutMetadata { metadata, .. } => {
                if order.buyer.0 == order.id.0 {
                    return Some("refused buyer_erased".into());
                }
                order.notes = notes(metadata);
                None
            }
            Command::NameTicket { number, name, .. } => {
                if name.trim().is_empty() {
                    return Some("refused invalid".into());
                }
                if order.buyer.0 == order.id.0 {
                    return Some("refused buyer_erased".into());
                }
                if order.places.iter().all(|p| p.serial.is_none()) {
                    return Some(format!("refused no_tickets {}", order.state));
                }
                let mut seats: Vec<&mut Place> = order.places.iter_mut().collect();
                seats.sort_by_key(|seat| seat.serial);
                let Some(seat) = seats.into_iter().nth(usize::from(*number).wrapping_sub(1)) else {
                    return Some("refused unknown_ticket".into());
                };
                if seat.refund.is_some() {
                    return Some("refused ticket_revoked".into());
                }
                if seat.guest.as_ref() != Some(name) {
                    if now >= fixed || now >= over {
                        return Some("refused names_fixed".into());
                    }
                    if seat.guests.len() == 20 {
                        return Some("refused too_many_names".into());
                    }
                    seat.guests.push(name.clone());
                    seat.guest = Some(name.clone());
                }
                None
            }
            Command::Renew { most_ms, .. } => {
                if order.state != "held" || now >= order.until {
                    return Some(order.no_longer_held(now));
                }
                if canceled {
                    return Some("refused event_canceled".into());
                }
                let six_lives = order.placed + 6 * hold_ms;
                let lasts = most_ms.unwrap_or(hold_ms).min(hold_ms);
                order.until = order.until.max((now + lasts).min(six_lives));
                Some(format!("held until {}", order.until))
            }
            Command::Pay { payment, live, token, .. } => {
                if token.is_empty() && order.total() > 0 {
                    return Some("refused invalid".into());
                }
                if order.state == "paying" {
                    if canceled {
                        return Some("refused event_canceled".into());
                    }
                    let left_the_bank = order.attempts.ends_with('!') && order.asks.is_some();
                    if order.open() && (!left_the_bank || order.card == *token) {
                        return Some("refused payment_under_way".into());
                    }
                    if order.over(now) {
                        return Some("refused payment_expired".into());
                    }
                    if order.attempts.len() == 5 {
                        return Some("refused too_many_attempts".into());
                    }
                    order.close('x', now);
                    order.take_card(token, now);
                    return Some(format!("paying {}", order.attempts.len()));
                }
                if order.state != "held" || now >= order.until {
                    return Some(order.no_longer_held(now));
                }
                if canceled {
                    return Some("refused event_canceled".into());
                }
                let said = |slot: &(String, usize), question: &QuestionSpec| {
                    let slip = order.slips.iter().find(|s| (&s.0, s.1) == (&slot.0, slot.1));
                    slip.is_some_and(|slip| may_be_said(question, &slip.2))
                };
                let slots = slots(order, &questions);
                if slots.iter().any(|(slot, q)| q.required && !said(slot, q)) {
                    return Some("refused answers_missing".into());
                }
                if order.total() == 0 {
                    order.state = "paid";
                    return None;
                }
                order.state = "paying";
                order.until = order.until.max(now + 5 * 60 * 1000);
                order.payment = Some((*payment, *live));
                order.take_card(token, now);
                Some("paying 1".into())
            }
            Command::IntentCreated { intent, .. } => {
                if order.payment.is_none() {
                    return Some("refused invalid".into());
                }
                if order.intent.is_none() {
                    order.intent = Some(intent.clone());
                    order.loose_end = order.state == "released";
                }
                None
            }
            Command::AttemptDeclined { attempt, .. } => {
                if order.open() && usize::from(*attempt) == order.attempts.len() {
                    order.close('n', now);
                    if order.over(now) {
                        give_up(order);
                    }
                }
                None
            }
            Command::Reconcile { intent, known, .. } => {
                if order.intent.as_ref() != Some(&intent.id) {
                    return Some("refused invalid".into());
                }
                let stands = (order.state, order.attempts.len(), order.attempts.ends_with('!'));
                let fresh = (known.state.word(), usize::from(known.attempt), known.waits) == stands;
                read(order, intent, fresh, fresh && known.answers, now);
                None
            }
            Command::Cancel { .. } => match order.state {
                "committed" | "paid" | "refunding" => Some("refused already_paid".into()),
                "held" | "paying" => {
                    order.close('x', now);
                    give_up(order);
                    None
                }
                _ => None,
            },
            Command::GiveUp { attempt, .. } => {
                let last = usize::from(*attempt) == order.attempts.len();
                let pending = order.attempts.ends_with('?') && last;
                if order.state == "paying" && (pending || order.over(now)) {
                    order.close('x', now);
                    give_up(order);
                }
                None
            }
            Command::Expire { .. } => {
                let nobody_pays =
                    order.state == "held" || (order.state == "paying" && order.intent.is_none());
                if !nobody_pays || !order.over(now) {
                    return Some("refused not_due".into());
                }
                give_up(order);
                None
            }
            Command::Defer { .. } => None,
            Command::Refund { refund, wish, restock, .. } => {
                Some(refund_of(order, *refund, wish, *restock, &show_types))
            }
            Command::RefundAnswered { refund, outcome, .. } => answered(order, *refund, outcome),
            Command::PutEvent { .. }
            | Command::PutEventIf { .. }
            | Command::PutEventParts { .. }
            | Command::SetSale { .. }
            | Command::DeleteEvent { .. }
            | Command::Hold { .. }
            | Command::FindOrder { .. }
            | Command::Erase { .. }
            | Command::ChangeAddress { .. }
            | Command::Sell { .. }
            | Command::CorrectName { .. }
            | Command::Forget { .. } => None,
        }
    }

    fn show(&self, id: EventId) -> Option<&Show> {
        self.shows.iter().find(|s| s.id == id)
    }

    fn put(&mut self, id: EventId, spec: &EventSpec) -> String {
        let never = (TimeMs::MIN, TimeMs::MAX);
        let pool = |name: &str| spec.pools.iter().any(|p| p.name == name);
        let window =
            (spec.sale_opens_ms.unwrap_or(never.0), spec.sale_closes_ms.unwrap_or(never.1));
        let ends_before = spec.ends_ms.is_some_and(|ends| ends < spec.starts_ms);
        if window.0 >= window.1
            || ends_before
            || spec.keep_buyers_days.is_some_and(|days| days > 3650)
            || spec
                .questions
                .iter()
                .flat_map(|q| &q.ticket_types)
                .any(|id| spec.ticket_types.iter().all(|t| t.id != *id))
            || spec
                .ticket_types
                .iter()
                .any(|t| t.price_minor < 0 || !pool(&t.pool) || !chargeable(spec, t.price_minor))
            || spec.ticket_types.iter().any(|t| odd_offers(spec, t))
            || spec.codes.iter().any(|voucher| odd_voucher(spec, voucher))
        {
            return "refused invalid".into();
        }
        let Some(at) = self.shows.iter().position(|s| s.spec.slug == spec.slug) else {
            self.shows.push(Show {
                id,
                spec: spec.clone(),
                pools: spec.pools.iter().map(|p| p.name.clone()).collect(),
                types: spec.ticket_types.iter().map(|t| (t.id.clone(), t.pool.clone())).collect(),
                stopped: "",
                numbered: vec![],
            });
            self.number_types(id);
            return "new".into();
        };
        let show = &self.shows[at];
        let taken: Vec<(String, usize)> =
            show.pools.iter().map(|p| (p.clone(), self.taken(show.id, p))).collect();
        if show.spec.currency != spec.currency && taken.iter().any(|t| t.1 > 0) {
            return "refused currency_fixed".into();
        }
        let tags = show.spec.ignore_email_tags != spec.ignore_email_tags;
        if tags && taken.iter().any(|t| t.1 > 0) {
            return "refused tags_fixed".into();
        }
        for (pool, taken) in &taken {
            let named = spec.pools.iter().find(|p| p.name == *pool);
            if *taken > named.map_or(0, |p| p.capacity as usize) {
                return format!("refused capacity_below_taken {pool} {taken}");
            }
        }
        let moved = |t: &&boxoffice::TicketTypeSpec| {
            show.types.iter().any(|(id, pool)| *id == t.id && *pool != t.pool)
        };
        if let Some(t) = spec.ticket_types.iter().find(moved) {
            return format!("refused pool_fixed {}", t.id);
        }
        // Who was never counted cannot be counted any more once somebody may have one.
        let too_late = |t: &&boxoffice::TicketTypeSpec| {
            let old = show.types.iter().any(|(id, _)| *id == t.id);
            let sits = taken.iter().any(|(pool, taken)| *pool == t.pool && *taken > 0);
            t.rules.capacity.is_some() && old && sits && !show.numbered.contains(&t.id)
        };
        if let Some(t) = spec.ticket_types.iter().find(too_late) {
            return format!("refused capacity_too_late {}", t.id);
        }
        let id = show.id;
        let show = &mut self.shows[at];
        show.spec = spec.clone();
        for pool in &spec.pools {
            if !show.pools.contains(&pool.name) {
                show.pools.push(pool.name.clone());
            }
        }
        for t in &spec.ticket_types {
            if show.types.iter().all(|(id, _)| *id != t.id) {
                show.types.push((t.id.clone(), t.pool.clone()));
            }
        }
        self.number_types(id);
        "changed".into()
    }

    fn number_types(&mut self, id: EventId) {
        let show = self.shows.iter_mut().find(|s| s.id == id).expect("it was just put");
        for t in show.spec.ticket_types.iter().filter(|t| t.rules.capacity.is_some()) {
            if !show.numbered.contains(&t.id) {
                show.numbered.push(t.id.clone());
            }
        }
    }

    /// How many chairs of a show are taken, and how many of them are not sold, of those for which this
    /// is so.
    fn count(&self, show: EventId, is: impl Fn(&Place) -> bool) -> (usize, usize) {
        let (mut taken, mut held) = (0, 0);
        for order in self.orders.iter().filter(|o| o.show == show) {
            let some = order.taken().filter(|p| is(p)).count();
            taken += some;
            if ["held", "paying", "canceling"].contains(&order.state) {
                held += some;
            }
        }
        (taken, held)
    }

    /// Nobody is named any more by what is over. Who is found by an order that is named here, and has
    /// others that are not, stays with it.
    fn erase(&mut self, show: EventId, named: &[OrderId]) -> String {
        let (mut erased, mut left) = (0, 0);
        let here = self.orders.iter().filter(|o| named.contains(&o.id));
        let mut here: Vec<(TimeMs, OrderId)> = here.map(|o| (o.placed, o.id)).collect();
        here.sort();
        for (_, id) in here {
            let entry = self.order(id).expect("it is here");
            if entry.show != show || entry.buyer.0 == id.0 {
                continue;
            }
            let found_by_it = self.find(show, entry.buyer) == format!("found {}", id.0);
            let others = self.places_of(show, entry.buyer).filter(|(o, n)| o.id != id && *n > 0);
            let others: Vec<OrderId> = others.map(|(o, _)| o.id).collect();
            let stays =
                found_by_it && !others.is_empty() && !others.iter().any(|o| named.contains(o));
            if !entry.is_over() || stays {
                left += 1;
                continue;
            }
            erased += 1;
            let entry = self.orders.iter_mut().find(|o| o.id == id).expect("it is here");
            entry.buyer = BuyerKey(id.0);
            entry.places.iter_mut().for_each(|place| place.guest = None);
            entry.address.clear();
            entry.slips.clear();
            entry.notes.clear();
            entry.name = "erased".into();
        }
        format!("erased {erased} left {left}")
    }

    fn ignores_tags(&self, show: EventId) -> bool {
        self.show(show).is_some_and(|s| s.spec.ignore_email_tags)
    }

    /// Why an order cannot become another buyer's, if that is so.
    fn may_not_move(
        &self,
        id: OrderId,
        show: EventId,
        buyer: BuyerKey,
        limit: Option<u32>,
    ) -> Option<String> {
        let entry = self.order(id)?;
        let limit = limit.filter(|_| entry.buyer != buyer)?;
        let count = |who| self.places_of(show, who).map(|(_, n)| n).sum::<usize>();
        let here = self.places_of(show, entry.buyer).find(|(o, _)| o.id == id);
        let here = here.map_or(0, |(_, n)| n);
        let there = count(buyer);
        if here > 0 && there > 0 && there + here > limit as usize {
            return Some("refused limit".into());
        }
        let found_by_it = self.find(show, entry.buyer) == format!("found {}", id.0);
        let newest = here > 0 && found_by_it && count(entry.buyer) > here;
        newest.then(|| "refused address_fixed newest".into())
    }

    /// Somebody who has tickets gives another address.
    fn readdress(
        &mut self,
        id: OrderId,
        show: EventId,
        address: &str,
        buyer: BuyerKey,
        now: TimeMs,
    ) -> String {
        let Some(entry) = self.order(id).filter(|entry| entry.show == show) else {
            return "refused unknown_order".into();
        };
        let spec = &self.show(show).expect("it has orders").spec;
        let end = spec.ends_ms.unwrap_or(spec.starts_ms + 12 * 3_600_000);
        match entry.state {
            _ if entry.buyer.0 == id.0 => return "refused address_fixed erased".into(),
            "paid" | "refunding" if entry.address.is_empty() => {
                return "refused address_fixed never".into();
            }
            "paid" | "refunding" if now >= end => return "refused address_fixed over".into(),
            "paid" | "refunding" => {}
            state => return format!("refused address_fixed {state}"),
        }
        let state = entry.state.to_owned();
        if entry.address == address {
            return state;
        }
        if let Some(no) = self.may_not_move(id, show, buyer, spec.limit_per_buyer) {
            return no;
        }
        let entry = self.orders.iter_mut().find(|o| o.id == id).expect("it is here");
        (entry.address, entry.buyer) = (address.to_owned(), buyer);
        state
    }

    /// The organiser sells or gives away: it is paid, whatever the buyers may do just now.
    fn sell(
        &mut self,
        id: OrderId,
        event: EventId,
        (buyer, name, address): (BuyerKey, &str, &str),
        wishes: &[LineWish],
        (paid_by, now): (&'static str, TimeMs),
    ) -> String {
        let Some(show) = self.show(event) else { return "refused unknown_event".into() };
        let spec = show.spec.clone();
        if now >= spec.ends_ms.unwrap_or(spec.starts_ms + 12 * 60 * 60 * 1000) {
            return "refused event_over".into();
        }
        // As if the sale were open, and nobody limited.
        let show = self.shows.iter_mut().find(|s| s.id == event).expect("it is there");
        (show.spec.sale_opens_ms, show.spec.sale_closes_ms) = (None, None);
        (show.spec.limit_per_order, show.spec.limit_per_buyer) = (1_000, None);
        for t in &mut show.spec.ticket_types {
            (t.rules.hidden, t.rules.sale_opens_ms, t.rules.sale_closes_ms) = (false, None, None);
        }
        let stopped = show.stopped;
        if stopped == "paused" {
            show.stopped = "";
        }
        let answer = self.hold(id, event, buyer, (wishes, &Terms::default(), None), now);
        let show = self.shows.iter_mut().find(|s| s.id == event).expect("it is there");
        (show.spec, show.stopped) = (spec, stopped);
        if answer.starts_with("refused") {
            return answer;
        }
        let at = self.orders.iter().position(|o| o.id == id).expect("it is there");
        let entry = &mut self.orders[at];
        (entry.state, entry.until, entry.paid_by) = ("paid", now, paid_by);
        (entry.name, entry.address) = (name.into(), address.into());
        if paid_by == "free" {
            entry.places.iter_mut().for_each(|place| (place.price, place.offer) = (0, None));
        }
        self.give_tickets(at);
        "paid".into()
    }

    /// The name was mistyped. Where there is no address, it is by the name that somebody is known.
    fn rename(&mut self, id: OrderId, show: EventId, name: &str, key: BuyerKey) -> String {
        let Some(entry) = self.order(id).filter(|entry| entry.show == show) else {
            return "refused unknown_order".into();
        };
        if name.trim().is_empty() {
            return "refused invalid".into();
        }
        if entry.buyer.0 == id.0 {
            return "refused buyer_erased".into();
        }
        if !["paid", "refunding"].contains(&entry.state) {
            return format!("refused no_tickets {}", entry.state);
        }
        let (state, key) =
            (entry.state.to_owned(), if entry.address.is_empty() { key } else { entry.buyer });
        let limit = self.show(show).and_then(|s| s.spec.limit_per_buyer);
        if entry.name != name
            && let Some(no) = self.may_not_move(id, show, key, limit)
        {
            return no;
        }
        let entry = self.orders.iter_mut().find(|o| o.id == id).expect("it is here");
        if entry.name != name {
            (entry.name, entry.buyer) = (name.into(), key);
        }
        state
    }

    fn delete(&mut self, slug: &str) -> String {
        let Some(at) = self.shows.iter().position(|s| s.spec.slug == slug) else {
            return "refused unknown_event".into();
        };
        let id = self.shows[at].id;
        if self.orders.iter().any(|o| o.show == id) {
            return "refused event_ordered".into();
        }
        self.shows.remove(at);
        "deleted".into()
    }

    /// How many places a buyer has, order by order.
    fn places_of(
        &self,
        event: EventId,
        buyer: BuyerKey,
    ) -> impl Iterator<Item = (&Entry, usize)> + Clone {
        let mine = move |o: &&Entry| o.show == event && o.buyer == buyer && o.state != "released";
        let mine = self.orders.iter().filter(mine).filter(|o| o.state != "void");
        // What was lost by a refund made by hand is lost even if the money stayed after all.
        let given_back = |o: &Entry, p: &Place| {
            let gone = |r: &Back| Some(r.id) == p.refund && (r.outcome == 'y' || r.by_hand);
            o.refunds.iter().any(gone)
        };
        mine.map(move |o| (o, o.places.iter().filter(|p| !given_back(o, p)).count()))
    }

    fn find(&self, event: EventId, buyer: BuyerKey) -> String {
        let limited = self.show(event).is_some_and(|s| s.spec.limit_per_buyer.is_some());
        let found = self.places_of(event, buyer).filter(|(_, places)| limited && *places > 0);
        let latest = found.map(|(o, _)| o).max_by_key(|o| (o.placed, o.id));
        latest.map_or("refused unknown_order".into(), |o| format!("found {}", o.id.0))
    }

    fn hold(
        &mut self,
        id: OrderId,
        event: EventId,
        buyer: BuyerKey,
        (wishes, terms, most_ms): (&[LineWish], &Terms, Option<i64>),
        now: TimeMs,
    ) -> String {
        if let Some(known) = self.order(id) {
            return format!("held until {}", known.until);
        }
        let Some(show) = self.show(event) else { return "refused unknown_event".into() };
        let spec = &show.spec;
        let over = now >= spec.ends_ms.unwrap_or(spec.starts_ms + 12 * 60 * 60 * 1000);
        if show.stopped == "canceled" {
            return "refused event_canceled".into();
        }
        let never_again = over && spec.sale_closes_ms.is_none();
        if spec.sale_opens_ms.is_some_and(|opens| now < opens) && !never_again {
            return "refused not_on_sale".into();
        }
        match spec.sale_closes_ms {
            None if over => return "refused event_over".into(),
            Some(closes) if now >= closes && over => return "refused event_over".into(),
            Some(closes) if now >= closes => return "refused sale_closed".into(),
            _ if show.stopped == "paused" => return "refused sale_paused".into(),
            _ => {}
        }
        let mut voucher = None;
        if let Some(typed) = &terms.code {
            let typed = typed.trim();
            let known = spec.codes.iter().find(|v| v.code.eq_ignore_ascii_case(typed));
            let Some(known) = known else { return "refused unknown_code".into() };
            if known.valid_from_ms.is_some_and(|from| now < from)
                || known.valid_until_ms.is_some_and(|until| now >= until)
            {
                return "refused code_invalid".into();
            }
            voucher = Some(known);
        }
        if wishes.is_empty() {
            return "refused invalid".into();
        }
        let mut places: Vec<Place> = Vec::new();
        for wish in wishes {
            let Some(t) = spec.ticket_types.iter().find(|t| t.id == wish.ticket_type) else {
                return "refused unknown_ticket_type".into();
            };
            let shown = voucher.is_some_and(|v| v.opens.contains(&t.id));
            if t.rules.hidden && !shown {
                return "refused unknown_ticket_type".into();
            }
            if t.rules.sale_closes_ms.is_some_and(|end| now >= end) {
                return format!("refused sale_closed {}", t.id);
            }
            if t.rules.sale_opens_ms.is_some_and(|begin| now < begin) {
                return format!("refused not_on_sale {}", t.id);
            }
            let cheaper = voucher.filter(|v| {
                v.discount.is_some()
                    && (v.ticket_types.is_empty() || v.ticket_types.contains(&t.id))
            });
            let used = voucher.filter(|_| shown || cheaper.is_some()).map(|v| v.code.clone());
            if wish.quantity <= 0 {
                return "refused invalid".into();
            }
            if wish.quantity > i64::from(spec.limit_per_order) {
                return "refused limit".into();
            }
            if places.iter().any(|p| p.ticket_type == t.id) {
                return "refused invalid".into();
            }
            for _ in 0..wish.quantity {
                // Chair by chair: the first offer that is not over and has one left.
                let offer = t.rules.phases.iter().find(|offer| {
                    let had =
                        |p: &Place| p.ticket_type == t.id && p.offer.as_ref() == Some(&offer.name);
                    let taken = self.count(event, had).0 + places.iter().filter(|p| had(p)).count();
                    offer.until_ms.is_none_or(|end| now < end)
                        && offer.capacity.is_none_or(|most| taken < most as usize)
                });
                let price = offer.map_or(t.price_minor, |offer| offer.price_minor);
                let price = cheaper.map_or(price, |voucher| after(spec, price, voucher));
                places.push(Place {
                    ticket_type: t.id.clone(),
                    pool: t.pool.clone(),
                    price,
                    offer: offer.map(|offer| offer.name.clone()),
                    voucher: used.clone(),
                    serial: None,
                    guests: vec![],
                    guest: None,
                    refund: None,
                    restocked: false,
                });
            }
        }
        if places.len() > spec.limit_per_order as usize {
            return "refused limit".into();
        }
        let has: usize = self.places_of(event, buyer).map(|(_, places)| places).sum();
        if spec.limit_per_buyer.is_some_and(|limit| has + places.len() > limit as usize) {
            return "refused limit".into();
        }
        for pool in &show.pools {
            let left = show.capacity(pool) - self.taken(event, pool);
            let wanted: Vec<_> = places.iter().filter(|p| p.pool == *pool).collect();
            if wanted.len() > left {
                let held = self.taken(event, pool) - self.sold(event, pool);
                let t = &wanted[0].ticket_type;
                return format!("refused sold_out {t} left {left} held {held}");
            }
        }
        for wish in wishes {
            let id = &wish.ticket_type;
            let t = spec.ticket_types.iter().find(|t| t.id == *id).expect("it is on offer");
            let Some(most) = t.rules.capacity else { continue };
            let (taken, held) = self.count(event, |p| p.ticket_type == *id);
            let left = (most as usize).saturating_sub(taken);
            if wish.quantity as usize > left {
                return format!("refused sold_out {id} left {left} held {held}");
            }
        }
        if let Some(voucher) = voucher {
            let with = |p: &Place| p.voucher.as_ref() == Some(&voucher.code);
            let (taken, held) = self.count(event, with);
            let left = (voucher.uses as usize).saturating_sub(taken);
            if places.iter().filter(|p| with(p)).count() > left {
                return format!("refused code_used_up left {left} held {held}");
            }
        }
        for wish in wishes {
            let id = &wish.ticket_type;
            let dear = |p: &Place| terms.shown.get(id).is_some_and(|shown| p.price > *shown);
            if places.iter().any(|p| p.ticket_type == *id && dear(p)) {
                return format!("refused price_changed {id}");
            }
        }
        let until = now + most_ms.unwrap_or(spec.hold_ms).min(spec.hold_ms);
        let currency = spec.currency.code().into();
        self.orders.push(Entry {
            id,
            show: event,
            buyer,
            address: String::new(),
            currency,
            places,
            state: "held",
            placed: now,
            until,
            payment: None,
            intent: None,
            attempts: String::new(),
            card: String::new(),
            asks: None,
            asked: now,
            dispute: None,
            refunds: Vec::new(),
            loose_end: false,
            paid_by: "online",
            name: String::new(),
            slips: Vec::new(),
            notes: Vec::new(),
        });
        format!("held until {until}")
    }
}

fn notes(metadata: &Metadata) -> Vec<(String, String)> {
    metadata.iter().map(|(key, value)| (key.into(), value.into())).collect()
}

impl Show {
    /// It ended so many days ago as its organiser wants to remember who was there.
    fn is_history(&self, now: TimeMs) -> bool {
        let hour = 3_600_000;
        let end = self.spec.ends_ms.unwrap_or(self.spec.starts_ms + 12 * hour);
        self.spec.keep_buyers_days.is_some_and(|days| now - end >= 24 * hour * i64::from(days))
    }

    fn capacity(&self, pool: &str) -> usize {
        self.spec.pools.iter().find(|p| p.name == pool).map_or(0, |p| p.capacity as usize)
    }
}

/// Where an answer may stand: for the whole order, or on a chair.
fn slots(order: &Entry, questions: &[QuestionSpec]) -> Vec<((String, usize), QuestionSpec)> {
    let mut slots = Vec::new();
    for question in questions {
        let of = &question.ticket_types;
        let chairs: Vec<usize> = (1..)
            .zip(&order.places)
            .filter(|(_, place)| of.is_empty() || of.contains(&place.ticket_type))
            .map(|(n, _)| n)
            .collect();
        if question.per_ticket {
            slots.extend(chairs.into_iter().map(|n| ((question.id.clone(), n), question.clone())));
        } else if !chairs.is_empty() {
            slots.push(((question.id.clone(), 0), question.clone()));
        }
    }
    slots
}

/// Texts here are short, and can be seen.
fn may_be_said(question: &QuestionSpec, text: &str) -> bool {
    match &question.kind {
        QuestionKind::Line => !text.contains('\n'),
        QuestionKind::Lines => true,
        QuestionKind::Choice(all) => all.iter().any(|one| one == text),
        QuestionKind::YesNo => text == "yes" || text == "no",
    }
}

/// An offer that nobody understands.
fn odd_offers(spec: &EventSpec, t: &boxoffice::TicketTypeSpec) -> bool {
    let rules = &t.rules;
    let backwards = rules.sale_opens_ms.zip(rules.sale_closes_ms).is_some_and(|(a, z)| a >= z);
    let mut ends: Vec<TimeMs> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for offer in &rules.phases {
        let endless = offer.until_ms.is_none() && offer.capacity.is_none();
        let too_early = offer.until_ms.is_some_and(|end| ends.iter().any(|before| end <= *before));
        if endless
            || too_early
            || names.contains(&&*offer.name)
            || offer.capacity == Some(0)
            || offer.price_minor < 0
            || !chargeable(spec, offer.price_minor)
        {
            return true;
        }
        ends.extend(offer.until_ms);
        names.push(&offer.name);
    }
    backwards
}

/// A voucher that gives nothing, or what there is not.
fn odd_voucher(spec: &EventSpec, voucher: &CodeSpec) -> bool {
    let t = |id: &String| spec.ticket_types.iter().find(|t| t.id == *id);
    let shows_public = voucher.opens.iter().any(|id| t(id).is_none_or(|t| !t.rules.hidden));
    let of_nothing = voucher.ticket_types.iter().any(|id| t(id).is_none());
    let useless = voucher.discount.is_none() && voucher.opens.is_empty();
    let backwards = voucher.valid_from_ms.zip(voucher.valid_until_ms).is_some_and(|(a, z)| a >= z);
    shows_public || of_nothing || useless || backwards || voucher.uses == 0
}

/// The least that can be charged and is no less than what the voucher leaves of a price: looked for one
/// by one.
fn after(spec: &EventSpec, price: i64, voucher: &CodeSpec) -> i64 {
    let enough = |candidate: i64| match voucher.discount.expect("it makes cheaper") {
        Discount::Percent(percent) => 100 * candidate >= (100 - i64::from(percent)) * price,
        Discount::Minor(minor) => candidate >= price - minor,
    };
    let found = (0..price).find(|candidate| enough(*candidate) && chargeable(spec, *candidate));
    found.unwrap_or(price)
}

/// Nothing can be paid any more if nothing was made at the provider.
fn give_up(order: &mut Entry) {
    order.state = if order.intent.is_some() { "canceling" } else { "released" };
}

/// Of three decimals the last is 0; in Iceland and Uganda there are no cents.
fn chargeable(spec: &EventSpec, price: i64) -> bool {
    match spec.currency.code() {
        "GBP" => price == 0 || price >= 30,
        "JPY" => price == 0 || price >= 50,
        "KWD" | "BHD" | "JOD" | "OMR" | "TND" => price.to_string().ends_with('0'),
        "ISK" | "UGX" => price == 0 || price.to_string().ends_with("00"),
        _ => true,
    }
}

/// The table of states, row by row.
fn read(order: &mut Entry, intent: &Intent, fresh: bool, answer: bool, now: TimeMs) {
    use IntentStatus::*;
    let over = order.over(now);
    match (order.state, intent.status) {
        ("paying", RequiresCapture) => {
            let truth = (
                order.total(),
                order.currency.as_str(),
                Some(order.id),
                order.payment.map(|p| p.0),
                order.payment.map(|p| p.1),
            );
            let read = (
                intent.amount.minor,
                intent.amount.currency.code(),
                intent.order,
                intent.payment,
                Some(intent.live),
            );
            let same = truth == read;
            order.close(if same { 'y' } else { 'x' }, now);
            order.state = if same { "committed" } else { "canceling" };
        }
        ("paying" | "canceling" | "committed", Succeeded) => {
            order.close('y', now);
            let right = intent.received_minor == order.total()
                && intent.amount.currency.code() == order.currency
                && order.payment.is_some_and(|p| p.1 == intent.live);
            order.state = match order.state {
                _ if right => "paid",
                "committed" => "void",
                _ => "released",
            };
            look_at_the_books(order, intent);
        }
        ("paying", Canceled) => {
            order.close('x', now);
            order.state = "released";
        }
        ("paying", _) if !fresh && !over => {}
        // Nobody knows whether that is about this card or about the one of before.
        ("paying", Processing | RequiresAction)
            if order.attempts.ends_with('?') && order.attempts.contains('x') && !answer => {}
        ("paying", Processing) => {
            order.close('!', now);
            order.asks = None;
        }
        ("paying", _) if over => {
            order.close('x', now);
            order.state = "canceling";
        }
        ("paying", RequiresAction) if order.open() => {
            order.close('!', now);
            order.asks.clone_from(&intent.action);
        }
        ("paying", RequiresAction) => {}
        ("paying", RequiresPaymentMethod) if order.attempts.ends_with('!') => order.close('n', now),
        ("paying", _) => {}
        ("canceling", Canceled) => order.state = "released",
        ("committed", Canceled) => order.state = "void",
        ("canceling" | "committed", _) => {}
        (_, Succeeded) => look_at_the_books(order, intent),
        ("paid" | "refunding" | "refunded", _) => note_dispute(order, intent),
        (_, _) if order.refunds.iter().any(|r| r.outcome == '?') => {}
        (_, Canceled) => order.loose_end = false,
        (_, _) => order.loose_end = true,
    }
}

fn note_dispute(order: &mut Entry, intent: &Intent) {
    if let Some(d) = &intent.dispute {
        order.dispute = Some((d.id.clone(), d.status.clone(), d.amount_minor));
    }
}

/// The payment succeeded at some time: who gave what back, and what must still go back.
fn look_at_the_books(order: &mut Entry, intent: &Intent) {
    let mut last = None;
    for seen in &intent.refunds {
        if seen.failed {
            let fails = |r: &&mut Back| r.outcome == 'y' && r.name == seen.provider_id;
            if let Some(refund) = order.refunds.iter_mut().find(fails) {
                refund.outcome = 'l';
            }
            continue;
        }
        let known = |r: &Back| {
            let named = r.name == seen.provider_id && (r.by_hand || r.outcome == 'y');
            named || Some(r.id) == seen.ours
        };
        if !order.refunds.iter().any(known) {
            last = Some(seen.fresh);
            order.refunds.push(Back {
                id: seen.fresh,
                amount: seen.amount_minor,
                name: seen.provider_id.clone(),
                by_hand: true,
                of_amount: false,
                restock: false,
                outcome: 'y',
            });
        }
    }
    if matches!(order.state, "paid" | "refunding" | "refunded") {
        if let Some(last) = last
            && order.state == "paid"
            && order.money_left() <= 0
        {
            order.take_last_tickets(last);
        }
        note_dispute(order, intent);
        return;
    }
    // What has no places may keep no money; but it is asked for only once.
    let back = order.refunds.iter().filter(|r| "y?".contains(r.outcome));
    let kept: i64 = back.map(|r| -r.amount).sum();
    let kept = kept + intent.received_minor;
    order.loose_end = false;
    if kept > 0 && order.refunds.iter().all(|r| r.by_hand) {
        order.refunds.push(Back {
            id: RefundId(order.payment.map_or(0, |p| p.0.0)),
            amount: kept,
            name: String::new(),
            by_hand: false,
            of_amount: false,
            restock: false,
            outcome: '?',
        });
    }
}

fn refund_of(
    order: &mut Entry,
    id: RefundId,
    wish: &RefundWish,
    restock: bool,
    show_types: &[String],
) -> String {
    if let Some(known) = order.refunds.iter().find(|r| r.id == id) {
        return format!("refunding {}", known.amount);
    }
    if order.refunds.iter().any(|r| r.outcome == '?') {
        return "refused refund_under_way".into();
    }
    // A sum pays a debt first.
    let (debt, most) = (order.owed_back(), order.money_left().max(0));
    let (again, sum) = match wish {
        RefundWish::Lines(_) => (0, 0),
        RefundWish::All | RefundWish::Failed => (debt, 0),
        RefundWish::Amount(sum) => {
            match order.state {
                "paid" => {}
                _ if debt > 0 => {}
                "refunding" => return "refused refund_under_way".into(),
                "refunded" => return "refused nothing_to_refund".into(),
                state => return format!("refused not_paid {state}"),
            }
            let at_most = if debt > 0 { debt } else { most };
            let odd = match order.currency.as_str() {
                "KWD" | "BHD" | "JOD" | "OMR" | "TND" => !sum.to_string().ends_with('0'),
                "ISK" | "UGX" => !sum.to_string().ends_with("00"),
                _ => false,
            };
            if *sum <= 0 || odd && *sum != most {
                return "refused invalid".into();
            }
            if at_most == 0 {
                return "refused nothing_to_refund".into();
            }
            if *sum > at_most {
                return format!("refused amount_too_large {at_most}");
            }
            if debt > 0 { (*sum, 0) } else { (0, *sum) }
        }
    };
    let whole = sum > 0 && sum == most;
    match order.state {
        "paid" => {}
        _ if again > 0 => {
            order.refunds.push(Back {
                id,
                amount: again,
                name: String::new(),
                by_hand: false,
                of_amount: false,
                restock: false,
                outcome: '?',
            });
            return format!("refunding {again}");
        }
        "refunding" => return "refused refund_under_way".into(),
        "refunded" => return "refused nothing_to_refund".into(),
        state => return format!("refused not_paid {state}"),
    }
    let mut wanted: Vec<(String, usize)> = Vec::new();
    match wish {
        RefundWish::Amount(_) if !whole => {}
        RefundWish::All | RefundWish::Amount(_) => {
            wanted.extend(show_types.iter().map(|t| (t.clone(), order.kept(t))));
        }
        RefundWish::Failed => {}
        RefundWish::Lines(wishes) => {
            for wish in wishes {
                let t = &wish.ticket_type;
                if order.places.iter().all(|p| p.ticket_type != *t) {
                    return "refused unknown_ticket_type".into();
                }
                if wish.quantity < 1 || wanted.iter().any(|w| w.0 == *t) {
                    return "refused invalid".into();
                }
                let kept = order.kept(t);
                if wish.quantity > kept as i64 {
                    return format!("refused refund_too_large {t} left {kept}");
                }
                wanted.push((t.clone(), wish.quantity as usize));
            }
        }
    }
    let mut amount = 0;
    let mut some = false;
    for (t, quantity) in wanted {
        // The last tickets first.
        let kept = |p: &&mut Place| p.ticket_type == t && p.refund.is_none();
        for place in order.places.iter_mut().rev().filter(kept).take(quantity) {
            place.refund = Some(id);
            amount += place.price;
            some = true;
        }
    }
    if !some && again == 0 && sum == 0 {
        return "refused nothing_to_refund".into();
    }
    let amount = if sum > 0 { sum } else { (amount + again).min(most) };
    order.refunds.push(Back {
        id,
        amount,
        name: String::new(),
        by_hand: false,
        of_amount: sum > 0 && !whole,
        restock: restock && (sum == 0 || whole),
        outcome: '?',
    });
    order.state = "refunding";
    // What the organiser sold, the organiser hands back.
    if amount == 0 || order.paid_by != "online" {
        answered(order, id, &RefundOutcome::Succeeded(String::new()));
    }
    format!("refunding {amount}")
}

fn answered(order: &mut Entry, id: RefundId, outcome: &RefundOutcome) -> Option<String> {
    let Some(refund) = order.refunds.iter_mut().find(|r| r.id == id) else {
        return Some("refused invalid".into());
    };
    if refund.outcome != '?' {
        return None;
    }
    let of_it = |p: &&mut Place| p.refund == Some(id);
    match outcome {
        RefundOutcome::Pending => return None,
        RefundOutcome::Succeeded(name) => {
            refund.outcome = 'y';
            refund.name.clone_from(name);
            let restock = refund.restock;
            order.places.iter_mut().filter(of_it).for_each(|p| p.restocked = restock);
        }
        RefundOutcome::Failed(_) => {
            refund.outcome = 'n';
            order.places.iter_mut().filter(of_it).for_each(|p| p.refund = None);
        }
    }
    order.loose_end = false;
    if order.state == "refunding" {
        let whole = order.places.iter().all(|p| p.refund.is_some());
        order.state = if whole { "refunded" } else { "paid" };
        // Beside the tickets everything went back.
        let priced = order.places.iter().any(|p| p.refund.is_none() && p.price > 0);
        let loose = |r: &&Back| {
            let took = order.places.iter().any(|p| p.refund == Some(r.id));
            r.outcome == 'y' && r.amount > 0 && (r.by_hand || !took)
        };
        let others = order.refunds.iter().rev().filter(|r| r.id != id);
        let this = order.refunds.iter().filter(|r| r.id == id);
        let by = others.chain(this).find(loose);
        if let Some(by) = by.map(|r| r.id)
            && priced
            && order.money_left() <= 0
        {
            order.take_last_tickets(by);
        }
    }
    None
}

/// Whether amounts of money would be kept in another currency than theirs.
fn keeps_other_money(said: &EventSpec, there: &EventSpec, kept: &[EventPart]) -> bool {
    let phases = there.ticket_types.iter().any(|t| {
        let stays = said.ticket_types.iter().any(|other| other.id == t.id);
        stays && !t.rules.phases.is_empty() && kept.contains(&EventPart::Rules(t.id.clone()))
    });
    let off = there.codes.iter().any(|code| matches!(code.discount, Some(Discount::Minor(_))));
    said.currency != there.currency && (phases || (off && kept.contains(&EventPart::Codes)))
}

/// What an event shall be, where some of it is not said.
fn completed(said: &EventSpec, there: &EventSpec, kept: &[EventPart]) -> EventSpec {
    let keeps = |part: EventPart| kept.contains(&part);
    let rules = |t: &boxoffice::TicketTypeSpec| {
        let old = there.ticket_types.iter().find(|old| old.id == t.id);
        match old {
            Some(old) if keeps(EventPart::Rules(t.id.clone())) => old.rules.clone(),
            _ => t.rules.clone(),
        }
    };
    let with_rules =
        |t: &boxoffice::TicketTypeSpec| boxoffice::TicketTypeSpec { rules: rules(t), ..t.clone() };
    let of = |part: EventPart| if keeps(part) { there } else { said };
    EventSpec {
        description: of(EventPart::Description).description.clone(),
        hidden: of(EventPart::Hidden).hidden,
        keep_buyers_days: of(EventPart::KeepBuyersDays).keep_buyers_days,
        contact: of(EventPart::Contact).contact.clone(),
        attach_pdf: of(EventPart::AttachPdf).attach_pdf,
        questions: of(EventPart::Questions).questions.clone(),
        codes: of(EventPart::Codes).codes.clone(),
        ticket_types: said.ticket_types.iter().map(with_rules).collect(),
        ..said.clone()
    }
}
