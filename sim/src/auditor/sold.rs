//! What was sold stays as it was sold, at the price of when it was sold; and an event is what its
//! organiser said.

use super::Auditor;
use super::limit::person;
use super::refusals::is_answered;
use crate::trace::{Promise, Trace};
use boxoffice::{
    Discount, Event, EventSpec, Extra, Order, OrderState, RefundState, Tender, TicketState,
    TicketTypeSpec, TimeMs,
};

/// A line but for what refunds change of it.
fn frozen(order: &Order) -> Vec<(u16, u16, u32, i64, Extra)> {
    let lines = order.lines.iter();
    lines.map(|l| (l.ticket_type, l.pool, l.quantity, l.unit_minor, l.extra)).collect()
}

impl Auditor {
    /// What the event was, or was to be, at any moment within the step that is looked at now.
    fn specs_now(&self) -> Vec<&EventSpec> {
        let all = self.shows.len();
        let before = all.checked_sub(2).map(|n| &self.shows[n].event.spec);
        self.shows.last().into_iter().flat_map(|show| show.specs()).chain(before).collect()
    }

    /// An order that is new is as the event was when it was placed; what is known stays as it was.
    pub(super) fn order_is_sound(&self, trace: &mut Trace, at_ms: i64, now: TimeMs, order: &Order) {
        let id = Some(order.id);
        if let Some(why) = self.wrong_at_the_office(order) {
            trace.broken(at_ms, Promise::MoneyIsTickets, id, why.into());
        }
        let mut broken = |text: String| trace.broken(at_ms, Promise::NoFalseAnswer, id, text);
        if order.is_erased() && !order.answers.is_empty() {
            broken("its buyer is erased, and the answers are still there".into());
        }
        if order.is_erased() && !order.metadata.is_empty() {
            broken("its buyer is erased, and its metadata is still there".into());
        }
        if self.was_not_asked(order) {
            broken("it is being paid, and what must be answered is not".into());
        }
        if let Some(known) = self.orders.get(&order.id) {
            if (known.tender, &known.reference) != (order.tender, &order.reference) {
                broken("how it is paid has changed".into());
            }
            // Nobody puts other metadata.
            if known.metadata != order.metadata && !order.is_erased() {
                broken(format!("its metadata has changed: {:?}", order.metadata));
            }
            if frozen(known) != frozen(order) {
                broken(format!("what was ordered has changed: {:?}", order.lines));
            }
            if (known.placed_ms, known.currency, known.event)
                != (order.placed_ms, order.currency, order.event)
            {
                broken("when it was placed, or for what, has changed".into());
            }
            if known.buyer != order.buyer
                && let Err(why) = self.buyer_changed(now, order)
            {
                broken(why);
            }
            for (line, was) in order.lines.iter().zip(&known.lines) {
                if line.restocked < was.restocked {
                    broken("places that were back on sale are taken again".into());
                }
            }
            return;
        }
        let Some(event) = self.events.get(&order.event) else { return };
        let specs = self.specs_now();
        for line in &order.lines {
            let Some(kind) = event.ticket_types.get(usize::from(line.ticket_type)) else {
                broken(format!("there is no ticket type {}", line.ticket_type));
                continue;
            };
            if kind.pool != line.pool {
                broken(format!("{} draws on pool {}, not {}", kind.id, kind.pool, line.pool));
            }
            let offers = specs.iter().flat_map(|spec| &spec.ticket_types);
            let mut offers = offers.filter(|offer| offer.id == kind.id);
            let full = line.unit_minor + line.extra.discount_minor;
            let phase = line.extra.phase.and_then(|index| event.stock(index));
            let phase = phase.and_then(|count| Some(count.name.split_once('\n')?.1.to_owned()));
            let price = |offer: &TicketTypeSpec| match &phase {
                None => Some(offer.price_minor),
                Some(name) => {
                    let phase = offer.rules.phases.iter().find(|phase| phase.name == *name);
                    phase.map(|phase| phase.price_minor)
                }
            };
            let given = order.tender == Tender::Free && line.unit_minor == 0;
            if !given && !offers.any(|offer| price(offer) == Some(full)) {
                broken(format!("{} was sold at {full}, which was not its price", kind.id));
            }
            // One use of the code for each ticket that is cheaper with it, and the right price.
            let codes = specs.iter().flat_map(|spec| &spec.codes);
            let mut codes = codes.filter_map(|code| match code.discount {
                Some(Discount::Percent(percent)) => Some(i64::from(percent)),
                _ => None,
            });
            let exact = |percent: i64| 100 * line.unit_minor >= full * (100 - percent);
            let with_code = line.extra.code.is_some();
            // What is small is rounded up to what a card can be charged.
            let least = event.spec.currency.least_minor();
            if with_code != (line.extra.discount_minor > 0) && full > 20 * least
                || with_code && !codes.any(exact)
            {
                broken(format!("the code and the price do not fit: {line:?}"));
            }
            let counter = line.extra.type_counter.and_then(|index| event.stock(index));
            let limited = specs.iter().flat_map(|spec| &spec.ticket_types);
            let mut limited = limited.filter(|offer| offer.id == kind.id);
            if counter.is_some_and(|count| count.name != kind.id)
                || counter.is_none() && limited.all(|offer| offer.rules.capacity.is_some())
            {
                broken(format!("{} has a capacity, and is not counted: {line:?}", kind.id));
            }
        }
        // The times of the sale and the limit of an order are for buyers.
        let offline = order.tender.is_offline();
        if !offline && self.exact && !self.was_open(order.placed_ms) {
            broken("it was sold while the sale was closed".into());
        }
        let places: u32 = order.lines.iter().map(|l| l.quantity).sum();
        if !offline && !specs.iter().any(|spec| places <= spec.limit_per_order) {
            broken(format!("{places} places, and an order has fewer here"));
        }
        let who = person(&order.buyer.name, &order.buyer.email);
        if let Some(emails) = self.emails.get(&order.buyer.name)
            && !emails.iter().any(|email| person(&order.buyer.name, email) == who)
        {
            broken(format!("it is of {}, and {emails:?} ordered it", order.buyer.email));
        }
    }

    /// What is wrong with an order that the organiser made: no provider has to do with it, it owes nothing, and
    /// what is given away costs nothing.
    fn wrong_at_the_office(&self, order: &Order) -> Option<&'static str> {
        if !order.tender.is_offline() {
            return None;
        }
        let made = |refund: &boxoffice::Refund| {
            !refund.by_hand && matches!(refund.state, RefundState::Succeeded(_))
        };
        if !matches!(order.state, OrderState::Paid | OrderState::Refunded) {
            Some("the organiser made it, and it is neither paid nor refunded")
        } else if order.payment.is_some() {
            Some("the organiser made it, and it has a payment at the provider")
        } else if order.due_ms.is_some() || !order.refunds.iter().all(made) {
            Some("the organiser made it, and something of it is owed")
        } else if order.tender == Tender::Free && order.total().minor != 0 {
            Some("it was given away, and it costs something")
        } else {
            None
        }
    }

    /// Whether a buyer begins to pay, or has a free order, without an answer that is required.
    fn was_not_asked(&self, order: &Order) -> bool {
        let held = self.orders.get(&order.id).is_none_or(|known| known.state == OrderState::Held);
        let begun = matches!(
            order.state,
            OrderState::Paying | OrderState::Canceling | OrderState::Committed | OrderState::Paid
        );
        if !held || !begun || order.tender.is_offline() || order.is_erased() {
            return false;
        }
        let specs = self.specs_now();
        let answered = |spec: &&EventSpec| {
            let mut asked = spec.questions.iter().filter(|q| q.required && !q.per_ticket);
            asked.all(|question| is_answered(order, &question.id))
        };
        !specs.is_empty() && !specs.iter().any(answered)
    }

    /// Each place of a line that is paid and not refunded has its ticket.
    pub(super) fn tickets_of_lines(&self, trace: &mut Trace, at_ms: i64, order: &Order) {
        if !matches!(order.state, OrderState::Paid | OrderState::Refunding) {
            return;
        }
        let pending = order.refunds.iter().any(|refund| refund.state == RefundState::Pending);
        if !pending && order.lines.iter().all(|line| line.refunded == line.quantity) {
            let text = format!("all of it is refunded, and it is {:?}", order.state);
            trace.broken(at_ms, Promise::MoneyIsTickets, Some(order.id), text);
        }
        for (n, line) in order.lines.iter().enumerate() {
            let of_line = order.tickets.iter().filter(|ticket| usize::from(ticket.line) == n);
            let valid = of_line.filter(|ticket| ticket.state == TicketState::Valid).count();
            if valid as u32 != line.quantity - line.refunded {
                let text = format!("{valid} valid tickets of the line {line:?}");
                trace.broken(at_ms, Promise::MoneyIsTickets, Some(order.id), text);
            }
        }
    }

    /// The places that went back on sale are those of which the organiser said so, of refunds that
    /// were made, though a bank may have sent one back later.
    pub(super) fn restocked(&self, trace: &mut Trace, at_ms: i64, order: &Order) {
        for (n, line) in order.lines.iter().enumerate() {
            let places = |made: bool| -> u32 {
                let refunds = order.refunds.iter().filter(|refund| refund.restock);
                let refunds = refunds.filter(|refund| match refund.state {
                    RefundState::Succeeded(_) => true,
                    RefundState::Failed(_) => !made,
                    RefundState::Pending => false,
                });
                refunds.map(|refund| refund.quantities.get(n).copied().unwrap_or(0)).sum()
            };
            if !(places(true)..=places(false)).contains(&line.restocked) {
                let text = format!(
                    "{} places of a line are back on sale, and {} were to be",
                    line.restocked,
                    places(true)
                );
                trace.broken(at_ms, Promise::MoneyIsTickets, Some(order.id), text);
            }
        }
    }

    /// An event is what its organiser said last, and its parts keep their places in it.
    pub(super) fn event_is_sound(&self, trace: &mut Trace, at_ms: i64, event: &Event) {
        let mut broken = |text: String| trace.broken(at_ms, Promise::NoFalseAnswer, None, text);
        let spec = &event.spec;
        for kind in &event.ticket_types {
            let pool = event.pools.get(usize::from(kind.pool)).map(|pool| pool.name.as_str());
            let offer = spec.ticket_types.iter().find(|offer| offer.id == kind.id);
            let is = offer.is_some_and(|offer| {
                (offer.name.as_str(), offer.price_minor, Some(offer.pool.as_str()))
                    == (kind.name.as_str(), kind.price_minor, pool)
            });
            // One that is no longer offered may have sold under another name.
            let named = offer.is_some_and(|offer| offer.name == kind.name);
            let wrong = if kind.retired { named } else { !is };
            if wrong {
                broken(format!("the organiser wants {offer:?}, and it is {kind:?} of {pool:?}"));
            }
        }
        for pool in &event.pools {
            let wanted = spec.pools.iter().find(|wanted| wanted.name == pool.name);
            if wanted.map_or(0, |wanted| wanted.capacity) != pool.capacity {
                broken(format!("the organiser wants {wanted:?}, and it is {pool:?}"));
            }
        }
        let offered = |id: &str| {
            let kinds = event.ticket_types.iter().filter(|kind| !kind.retired);
            kinds.filter(|kind| kind.id == id).count()
        };
        let parts = |id: &str| offered(id) == 1;
        if let Some(gone) = spec.ticket_types.iter().find(|offer| !parts(&offer.id)) {
            broken(format!("there is no {} on sale", gone.id));
        }
        let Some(known) = self.events.get(&event.id) else { return };
        let kinds = |event: &Event| -> Vec<(String, String, u16)> {
            let kinds = event.ticket_types.iter();
            kinds.map(|kind| (kind.id.clone(), kind.name.clone(), kind.pool)).collect()
        };
        if !kinds(event).starts_with(&kinds(known)) {
            broken("a ticket type has another place in the event".into());
        }
        if event.serials < known.serials {
            broken("serials are counted again".into());
        }
    }
}
