//! What the API says of events and orders. The pages say the same from the same data.

#[cfg(test)]
mod parts;

use crate::app::App;
use crate::codes::TicketCode;
pub use crate::event_body::{Viewer, counts, money, told as event};
use crate::language::{Lang, Words};
use crate::when;
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    Answer, AttemptState, Currency, Event, Line, Money, Order, OrderState, Payment, Refund,
    RefundState, Ticket, TicketState, TimeMs, Vat, told_rate,
};
use bytes::Bytes;
use nts_api as wire;
use serde::Serialize;
use std::borrow::Cow;

/// Who waits for less than so many seconds looks again when it should be over.
const SOON_S: u64 = 15;
/// Who waits is told to look again after so many seconds at most.
const MOST_NEWS_IN_S: u64 = 60;

/// An answer as it is sent.
pub fn json(answer: &impl Serialize) -> Bytes {
    serde_json::to_vec(answer).expect("an answer is JSON").into()
}

/// The answer to a hold. Made from what was frozen then, so it is the same each time it is given.
pub fn held<'a>(
    app: &App,
    order: &'a Order,
    event: &'a Event,
    until_ms: TimeMs,
) -> wire::HeldOrder<'a> {
    let lines = order.lines.iter().map(|l| {
        let t = &event.ticket_types[usize::from(l.ticket_type)];
        wire::HeldLine {
            ticket_type: (&t.id).into(),
            name: (&t.name).into(),
            quantity: l.quantity,
            price: money(l.unit_minor, &order.currency),
            discount: discount(l, &order.currency),
        }
    });
    let secret = app.secrets.order(order.id);
    let id = uuid::Uuid::from_u128(order.id.0).to_string();
    wire::HeldOrder {
        url: format!("{}/orders/{id}/{secret}", app.links.base()).into(),
        id: id.into(),
        secret: secret.into(),
        event: (&event.spec.slug).into(),
        state: wire::OrderState::Held,
        held_until: when::rfc3339(until_ms).into(),
        total: money(order.total().minor, &order.currency),
        lines: lines.collect(),
    }
}

/// What a code took off the price of one ticket of a line, if it did.
fn discount<'a>(line: &Line, currency: &'a Currency) -> Option<wire::Money<'a>> {
    let minor = line.extra.discount_minor;
    (minor > 0).then(|| money(minor, currency))
}

/// The VAT of one rate.
fn vat_told<'a>(vat: &Vat, currency: &'a Currency) -> wire::Vat<'a> {
    wire::Vat {
        percent: told_rate(vat.rate, '.').into(),
        gross: money(vat.gross.minor, currency),
        net: money(vat.net().minor, currency),
        vat: money(vat.vat.minor, currency),
    }
}

/// An order as its buyer sees it: with its payment in plain words and its tickets.
pub fn order<'a>(app: &App, order: &'a Order, event: &'a Event, lang: Lang) -> wire::Order<'a> {
    let ticket_type = |number: u16| &event.ticket_types[usize::from(number)];
    let lines = order.lines.iter().map(|l| {
        let t = ticket_type(l.ticket_type);
        let unit_minor = if on(Mutant::PriceOfToday) { t.price_minor } else { l.unit_minor };
        wire::OrderLine {
            discount: discount(l, &order.currency),
            name: (&t.name).into(),
            price: money(unit_minor, &order.currency),
            quantity: l.quantity,
            refunded: l.refunded,
            ticket_type: (&t.id).into(),
        }
    });
    let tickets = order.tickets.iter().map(|t| ticket(app, order, event, t));
    let runs = matches!(order.state, OrderState::Held | OrderState::Paying) && !clock_stands(order);
    wire::Order {
        action: None,
        answers: order.answers.iter().map(answer).collect(),
        buyer: wire::Buyer {
            email: (&order.buyer.email).into(),
            erased: order.is_erased(),
            language: order.buyer.language.code().into(),
            name: (&order.buyer.name).into(),
        },
        event: (&event.spec.slug).into(),
        held_until: runs.then(|| when::rfc3339(order.until_ms).into()),
        id: uuid::Uuid::from_u128(order.id.0).to_string().into(),
        lines: lines.collect(),
        mails: None,
        terms_version: None,
        vat: order.vat().iter().map(|vat| vat_told(vat, &order.currency)).collect(),
        message: message(app, order, lang),
        metadata: order.metadata.iter().map(|(key, value)| (key.into(), value.into())).collect(),
        payment: order.payment.as_ref().map(|payment| self::payment(order, payment)),
        placed_at: when::rfc3339(order.placed_ms).into(),
        reference: None,
        refunded: money(order.refunded().minor, &order.currency),
        refunds: order.refunds.iter().map(|r| refund(order, r)).collect(),
        state: state(order.state),
        tender: order.tender.word().into(),
        tickets: tickets.collect(),
        total: money(order.total().minor, &order.currency),
        updated_at: None,
        url: app.links.order_url(order.id).into(),
    }
}

/// The same for the organiser, who noted something of it.
pub fn order_for_organiser<'a>(
    app: &App,
    order: &'a Order,
    event: &'a Event,
    lang: Lang,
) -> wire::Order<'a> {
    let mut view = self::order(app, order, event, lang);
    view.reference = Some(&order.reference).filter(|noted| !noted.is_empty()).map(Cow::from);
    view
}

/// The same for staff who may look at it and not change it: without the buyer's own link, which changes it.
pub fn order_to_look_at<'a>(
    app: &App,
    order: &'a Order,
    event: &'a Event,
    lang: Lang,
) -> wire::Order<'a> {
    let mut view = order_for_organiser(app, order, event, lang);
    view.url = format!("{}/office/orders/{}", app.links.base(), view.id).into();
    view
}

fn answer(answer: &Answer) -> wire::Answer<'_> {
    wire::Answer {
        answer: (&answer.value).into(),
        question: (&answer.question).into(),
        text: (&answer.text).into(),
        ticket: answer.ticket,
    }
}

/// A ticket of an order.
pub(in crate::http) fn ticket<'a>(
    app: &App,
    order: &'a Order,
    event: &'a Event,
    ticket: &'a Ticket,
) -> wire::Ticket<'a> {
    let line = &order.lines[usize::from(ticket.line)];
    let kind = &event.ticket_types[usize::from(line.ticket_type)];
    let TicketCode { url, short } = app.codes.of(order, ticket);
    wire::Ticket {
        code: short.into(),
        guest: ticket.guest.as_ref().map(Cow::from),
        name: (&kind.name).into(),
        number: order.number_of(ticket).expect("a ticket of the order"),
        revision: ticket.revision,
        ticket_type: (&kind.id).into(),
        url: url.into(),
        valid: ticket.state == TicketState::Valid,
    }
}

pub(in crate::http) fn state(state: OrderState) -> wire::OrderState {
    match state {
        OrderState::Held => wire::OrderState::Held,
        OrderState::Paying => wire::OrderState::Paying,
        OrderState::Canceling => wire::OrderState::Canceling,
        OrderState::Committed => wire::OrderState::Committed,
        OrderState::Paid => wire::OrderState::Paid,
        OrderState::Refunding => wire::OrderState::Refunding,
        OrderState::Refunded => wire::OrderState::Refunded,
        OrderState::Released => wire::OrderState::Released,
        OrderState::Void => wire::OrderState::Void,
    }
}

fn payment<'a>(order: &'a Order, payment: &'a Payment) -> wire::Payment<'a> {
    let attempts = payment.attempts.iter().map(|a| {
        let (state, reason) = match &a.state {
            AttemptState::Pending => (wire::AttemptState::Pending, None),
            AttemptState::Action => (wire::AttemptState::Action, None),
            AttemptState::Declined(why) => (wire::AttemptState::Declined, Some(why.into())),
            AttemptState::Authorised => (wire::AttemptState::Authorised, None),
            AttemptState::Abandoned => (wire::AttemptState::Abandoned, None),
        };
        let asks = state == wire::AttemptState::Action;
        let action = asks.then(|| payment.action.as_ref().map(Cow::from));
        wire::Attempt { action, number: a.number, reason, state }
    });
    let dispute = payment.dispute.as_ref().map(|d| wire::Dispute {
        amount: money(d.amount_minor, &order.currency),
        status: (&d.status).into(),
    });
    wire::Payment { attempts: attempts.collect(), dispute, live: payment.live }
}

/// A refund.
pub fn refund<'a>(order: &'a Order, refund: &'a Refund) -> wire::Refund<'a> {
    let (state, reason) = match &refund.state {
        RefundState::Pending => (wire::RefundState::Pending, None),
        RefundState::Succeeded(_) => (wire::RefundState::Succeeded, None),
        RefundState::Failed(reason) => (wire::RefundState::Failed, Some(reason.into())),
    };
    wire::Refund {
        amount: money(refund.amount_minor, &order.currency),
        by_hand: refund.by_hand,
        id: uuid::Uuid::from_u128(refund.id.0).to_string().into(),
        reason,
        restock: refund.restock,
        state,
    }
}

/// Whether the buyer's bank waits for the buyer.
pub fn bank_asks(order: &Order) -> bool {
    order.state == OrderState::Paying
        && order.payment.as_ref().is_some_and(|p| p.action.is_some() && p.open_attempt().is_some())
}

/// What a buyer must do before the bank pays.
pub enum Action<'a> {
    /// Go to this address: a path of ours (the sandbox's bank) or a bank's own.
    Redirect(&'a str),
    /// Let Stripe's script do it, which needs this secret.
    Secret(&'a str),
}

/// What the buyer of this order must do before the bank pays, if anything.
pub fn action(order: &Order) -> Option<Action<'_>> {
    let action = order.payment.as_ref()?.action.as_deref().filter(|_| bank_asks(order))?;
    let address = ["/", "https://", "http://"].iter().any(|begin| action.starts_with(begin));
    Some(if address { Action::Redirect(action) } else { Action::Secret(action) })
}

/// Whether an attempt is owed to the provider: the clock of the hold stands still meanwhile.
pub fn clock_stands(order: &Order) -> bool {
    order.state == OrderState::Paying
        && order
            .payment
            .as_ref()
            .is_some_and(|p| p.open_attempt().is_some_and(|a| a.state == AttemptState::Pending))
}

/// Whether a dispute is over, and the money stayed here.
fn dispute_is_over(status: &str) -> bool {
    matches!(status, "won" | "warning_closed" | "prevented")
}

/// Where an order stands, in plain words, with what is known of the provider at this moment.
pub fn message(app: &App, order: &Order, lang: Lang) -> Words {
    let owed_back = order.owed_back();
    if owed_back.minor > 0 && !order.refunds.iter().any(|r| r.state == RefundState::Pending) {
        return lang.said_refund_failed(&lang.money(owed_back));
    }
    if let Some(payment) = order.payment.as_ref().filter(|p| p.dispute.is_some())
        && let Some(dispute) = &payment.dispute
        && order.state == OrderState::Paid
        && !dispute_is_over(&dispute.status)
    {
        let amount = Money { minor: dispute.amount_minor, currency: order.currency };
        return lang.said_disputed(&lang.money(amount), &dispute.status.replace('_', " "));
    }
    if !clock_stands(order) {
        return plain(order, app.clock.now_ms(), lang);
    }
    let charged = !not_begun(order);
    if app.sales.provider_is_out_of_reach() {
        return lang.said_out_of_reach(charged);
    }
    match in_line_s(app, order) {
        0 | 1 => plain(order, app.clock.now_ms(), lang),
        seconds => {
            let wait = if seconds <= 60 {
                lang.seconds(seconds)
            } else {
                lang.minutes(seconds.div_ceil(60))
            };
            // Who has tried before lets those go first who have not.
            lang.said_in_line(&wait, app.sales.waits_behind_others(order), charged)
        }
    }
}

/// About how many seconds an order stands in line until its payment begins; 0: it does not.
fn in_line_s(app: &App, order: &Order) -> u64 {
    if waits_in_line(order) { app.sales.queue_seconds(order.id) } else { 0 }
}

/// Whether nothing exists yet that could take money.
fn not_begun(order: &Order) -> bool {
    order.payment.as_ref().is_none_or(|p| p.intent.is_none())
}

/// Whether an attempt waits for its turn: the payment does not exist yet, or it is a later attempt that
/// was not tried yet.
fn waits_in_line(order: &Order) -> bool {
    let later = order.payment.as_ref().is_some_and(|p| p.attempts.len() > 1 && order.tries == 0);
    clock_stands(order) && (not_begun(order) || later)
}

/// In how many seconds there may be news of an order that waits for the provider, so that it is looked
/// at again no more often than makes sense; `None`: it does not wait. While many wait, those who look
/// take the time of those who are being served.
pub fn poll_after_s(app: &App, order: &Order) -> Option<u64> {
    let waits = match order.state {
        OrderState::Paying => {
            let open = order.payment.as_ref().is_some_and(|p| p.open_attempt().is_some());
            open && !bank_asks(order)
        }
        state => {
            matches!(state, OrderState::Canceling | OrderState::Committed | OrderState::Refunding)
        }
    };
    waits.then(|| stretched_poll_s(in_line_s(app, order)))
}

/// When to look again who waits for about so many seconds: somewhat later than that, so that most look
/// once, or after half of the time, where it may turn out otherwise.
fn stretched_poll_s(seconds: u64) -> u64 {
    if seconds < SOON_S {
        seconds + seconds / 8 + 1
    } else {
        (seconds / 2).clamp(SOON_S, MOST_NEWS_IN_S)
    }
}

/// Where an order stands, in plain words; always says what that means for the buyer's money, and only
/// what is known of it. "Nothing was charged" is said only where nobody can have been.
pub fn plain(order: &Order, now: TimeMs, lang: Lang) -> Words {
    let attempt = order.payment.as_ref().and_then(|p| p.attempts.last()).map(|a| &a.state);
    let then = |first: Words, second: Words| Words::from(format!("{first} {second}"));
    match (order.state, attempt) {
        (OrderState::Held, _) if order.over(now) => lang.said_hold_over(),
        (OrderState::Held, _) => lang.said_held(),
        (OrderState::Paying, _) if order.over(now) => {
            then(lang.said_time_over(), lang.payment_being_cancelled())
        }
        (OrderState::Paying, Some(AttemptState::Declined(_))) => {
            then(lang.said_declined(), after_decline(order, lang).into())
        }
        (OrderState::Paying, _) if bank_asks(order) => lang.said_bank_asks(),
        (OrderState::Paying, _) => lang.said_paying(),
        (OrderState::Canceling, _) => then(lang.said_canceling(), lang.payment_being_cancelled()),
        (OrderState::Committed, _) => lang.said_committed(),
        (OrderState::Paid, _) if order.total().minor == 0 => lang.said_yours(),
        (OrderState::Paid, _) if order.refunded().minor > 0 => lang.said_partly_refunded(),
        (OrderState::Paid, _) => lang.said_paid(),
        (OrderState::Refunding, _) if takes_no_tickets(order) => lang.said_refunding_amount(),
        (OrderState::Refunding, _) => lang.said_refunding(),
        (OrderState::Refunded, _) if order.refunded().minor < order.total().minor => {
            lang.said_not_all_sent_back()
        }
        (OrderState::Refunded, _) => lang.said_refunded(),
        (OrderState::Released | OrderState::Void, _) if !order.refunds.is_empty() => {
            money_back(order, lang)
        }
        (OrderState::Released, None) if order.until_ms > now => lang.said_cancelled(),
        (OrderState::Released, None) => lang.said_released(),
        (OrderState::Released, Some(_)) => then(lang.said_released(), lang.said_bank_releases()),
        (OrderState::Void, _) => then(lang.said_void(), lang.said_bank_releases()),
    }
}

/// Whether the refund that is under way takes no tickets: a sum was asked for, or what failed goes back once more.
pub fn takes_no_tickets(order: &Order) -> bool {
    let under_way = order.refunds.iter().find(|refund| refund.state == RefundState::Pending);
    under_way.is_some_and(|refund| refund.quantities.iter().all(|quantity| *quantity == 0))
}

/// What became of money that was taken for an order which has no places.
fn money_back(order: &Order, lang: Lang) -> Words {
    let ours = |r: &&boxoffice::Refund| !r.by_hand;
    let failed = order.owed_back().minor > 0;
    match order.refunds.iter().find(ours).map(|r| &r.state) {
        _ if failed => lang.said_money_not_all_back(),
        Some(RefundState::Pending) => lang.said_money_going_back(),
        _ => lang.said_money_back(),
    }
}

/// What follows from a declined attempt, for the buyer's money and for what to do next.
pub fn after_decline(order: &Order, lang: Lang) -> String {
    let Some(payment) = &order.payment else { return String::new() };
    // The page of a bank that was left may still be open, and may still pay.
    let money =
        if payment.replaces() { lang.left_bank_may_pay() } else { lang.nothing_was_charged() };
    let next = if payment.intent.is_none() {
        // Not the card was refused but the payment.
        lang.reserved_until_time_over()
    } else if payment.has_attempts_left() {
        lang.may_try_again()
    } else {
        lang.takes_no_more_cards(payment.attempts.len() as u64)
    };
    format!("{money} {next}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::{Refund, RefundId};
    use nts_testkit::fixtures;

    /// An order for 999 until 300 s, with these attempts and refunds.
    fn order(
        state: OrderState,
        attempts: &[AttemptState],
        refunds: &[(i64, RefundState)],
    ) -> Order {
        let refund = |(amount_minor, state): &(i64, RefundState)| Refund {
            id: RefundId(1),
            amount_minor: *amount_minor,
            quantities: vec![0],
            restock: false,
            state: state.clone(),
            by_hand: false,
            of_amount: false,
        };
        Order {
            lines: vec![fixtures::line(1, 999)],
            until_ms: 300_000,
            payment: (!attempts.is_empty()).then(|| fixtures::payment(attempts)),
            refunds: refunds.iter().map(refund).collect(),
            ..fixtures::order(state)
        }
    }

    /// What an order is told begins so.
    fn begins(order: &Order, now: TimeMs, words: &str) {
        let told = plain(order, now, Lang::En);
        assert!(told.starts_with(words), "{:?} at {now}: {told}", order.state);
    }

    #[test]
    fn each_state_is_told_as_what_it_is() {
        use AttemptState::{Abandoned, Action, Authorised, Declined, Pending};
        use OrderState::*;
        let (no, done) = (|| Declined("No.".into()), || RefundState::Succeeded("re_1".into()));
        begins(&order(Held, &[], &[]), 299_999, "Your tickets are reserved. Nothing has been");
        begins(&order(Held, &[], &[]), 300_000, "The time is over and the tickets go back");
        begins(&order(Paying, &[Action], &[]), 299_999, "We are waiting for the answer");
        begins(&order(Paying, &[Action], &[]), 300_000, "The time is over. ");
        begins(&order(Paying, &[Pending], &[]), 300_000, "We are waiting for the answer");
        let again = "The payment was declined. Nothing was charged. Your tickets are still reserved: you \
                     can try again";
        begins(&order(Paying, &[no()], &[]), 0, again);
        let left = "The payment was declined. If you left a bank's page before";
        begins(&order(Paying, &[Abandoned, no()], &[]), 0, left);
        let last = [no(), no(), no(), no(), no()];
        let none = "The payment was declined. Nothing was charged. 5 cards were tried";
        begins(&order(Paying, &last, &[]), 0, none);
        let mut refused = order(Paying, &[no()], &[]);
        refused.payment.as_mut().unwrap().intent = None;
        let until =
            "The payment was declined. Nothing was charged. Your tickets stay reserved until";
        begins(&refused, 0, until);
        begins(&order(Committed, &[Authorised], &[]), 0, "Your payment is approved");
        begins(&order(Paid, &[Authorised], &[]), 0, "Paid. The tickets are yours.");
        begins(&order(Paid, &[Authorised], &[(1, done())]), 0, "Paid, and partly refunded.");
        let mut free = order(Paid, &[], &[]);
        free.lines[0].unit_minor = 0;
        begins(&free, 0, "The tickets are yours.");
        let penny = |o: &mut Order| o.lines[0].unit_minor = 1;
        penny(&mut free);
        begins(&free, 0, "Paid. The tickets are yours.");
        begins(&order(Refunded, &[Authorised], &[(999, done())]), 0, "Refunded. The tickets");
        let few = "The tickets are no longer valid, and not all of the money";
        begins(&order(Refunded, &[Authorised], &[(998, done())]), 0, few);
        let sent = |refunds: &[(i64, RefundState)], words: &str| {
            let told = plain(&order(Void, &[Authorised], refunds), 0, Lang::En);
            assert!(told.ends_with(words), "{told}");
        };
        sent(&[(999, RefundState::Pending)], "and it is being sent back in full.");
        sent(&[(999, done())], "and it was sent back.");
        sent(&[(1, RefundState::Failed("no".into()))], "Please ask the organiser.");
    }

    #[test]
    fn the_bank_asks_only_while_an_attempt_is_open() {
        let mut all = [
            (OrderState::Paying, AttemptState::Action, true),
            (OrderState::Paying, AttemptState::Pending, true),
            (OrderState::Paying, AttemptState::Declined("No.".into()), false),
            (OrderState::Canceling, AttemptState::Action, false),
            (OrderState::Paid, AttemptState::Action, false),
        ]
        .map(|(state, attempt, asks)| (order(state, &[attempt], &[]), asks));
        for (order, asks) in &mut all {
            assert!(!bank_asks(order) && action(order).is_none(), "it says nothing yet");
            for (what, redirects) in [("/bank", true), ("https://bank/x", true), ("secret", false)]
            {
                order.payment.as_mut().unwrap().action = Some(what.into());
                assert_eq!(bank_asks(order), *asks, "{:?}", order.state);
                let told = match action(order) {
                    Some(Action::Redirect(to)) => Some((to, true)),
                    Some(Action::Secret(secret)) => Some((secret, false)),
                    None => None,
                };
                assert_eq!(told, asks.then_some((what, redirects)));
            }
        }
        begins(&all[0].0, 0, "Your bank needs to confirm this payment");
    }

    #[test]
    fn who_waits_long_looks_after_half_of_it() {
        let again = [0, 1, 8, 14, 29, 30, 90, 120, 600].map(stretched_poll_s);
        assert_eq!(again, [1, 2, 10, 16, 15, 15, 45, 60, 60]);
        // All looks of who waits ten minutes.
        let (mut left, mut looks) = (600, 0);
        while left > 0 {
            left = u64::saturating_sub(left, stretched_poll_s(left));
            looks += 1;
        }
        assert_eq!(looks, 12);
    }
}
