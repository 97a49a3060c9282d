//! Whether an order is whole in itself: its state, its payment, its tickets and its money.
//!
//! Written without the core's rules, from the promises alone, so that a mistake there is not
//! repeated here.

#[cfg(test)]
mod tests;

use boxoffice::{Order, OrderState, Refund, RefundState, Tender, TicketState, TimeMs};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// How long something may be owed until it is worth a word, in milliseconds: an hour.
const LONG_MS: i64 = 3_600_000;

/// What money an order says it took and gave back, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Money {
    /// Taken.
    pub taken: i64,
    /// Given back for certain.
    pub given_back: i64,
    /// Asked to be given back.
    pub going_back: i64,
}

/// What an order's own rows say of its money.
pub fn money(order: &Order) -> Money {
    let sum = |wanted: fn(&RefundState) -> bool| -> i64 {
        order.refunds.iter().filter(|r| wanted(&r.state)).map(|r| r.amount_minor).sum()
    };
    let given_back = sum(|state| matches!(state, RefundState::Succeeded(_)));
    let going_back = sum(|state| matches!(state, RefundState::Pending));
    let sold = order.state.was_paid();
    // Money that came although the places were given away, or in part only: all of it goes back,
    // so what goes back is what came.
    let taken = if sold { price(order) } else { given_back + going_back };
    Money { taken, given_back, going_back }
}

fn price(order: &Order) -> i64 {
    order.lines.iter().map(|l| i64::from(l.quantity) * l.unit_minor).sum()
}

/// Money that was to go back from an order and did not, though its tickets are gone: the least and the
/// most that it can be, in minor units. It is the buyer's until somebody refunds it again. A person was
/// told.
pub fn not_given_back(order: &Order) -> RangeInclusive<i64> {
    if !matches!(order.state, OrderState::Released | OrderState::Void) {
        let sum = order.refunds.iter().filter(|r| r.failed_later()).map(|r| r.amount_minor).sum();
        return sum..=sum;
    }
    // All that was received was to go back: what our first refund and those by hand before it were for.
    // One by hand that failed before ours was made is in ours already, and the rows do not say when it
    // failed.
    let Some(ours) = order.refunds.iter().position(|r| !r.by_hand) else { return 0..=0 };
    let (mut least, mut most) = (0, 0);
    for refund in &order.refunds[..=ours] {
        most += refund.amount_minor;
        if !(refund.by_hand && refund.failed_later()) {
            least += refund.amount_minor;
        }
    }
    let back = money(order).given_back + money(order).going_back;
    (least - back).max(0)..=(most - back).max(0)
}

/// The refunds that revoked the tickets which they name: those that went back, will go back, or came back
/// later.
fn revoking(order: &Order) -> impl Iterator<Item = &Refund> {
    let kept = |r: &&Refund| !matches!(r.state, RefundState::Failed(_)) || r.failed_later();
    order.refunds.iter().filter(kept)
}

/// What is wrong with an order, and what is only worth knowing.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Words {
    /// Broken promises.
    pub wrong: Vec<String>,
    /// Nothing is broken, but a person should know.
    pub notes: Vec<String>,
}

/// What a person must do about money that stayed. `minor`: minor units.
pub fn could_not(minor: i64) -> String {
    format!(
        "{minor} could not be given back, for the refund failed (minor units): refund it again, or pay \
         it back in another way"
    )
}

/// What the organiser sold or gave away: no provider has to do with it, and nothing is owed.
fn sold_by_organiser(order: &Order, wrong: &mut Vec<String>) {
    let how = order.tender.word();
    if !matches!(order.state, OrderState::Paid | OrderState::Refunded) {
        let state = order.state.word();
        wrong.push(format!("the organiser sold it ({how}), but it is {state}"));
    }
    if order.payment.is_some() {
        wrong.push(format!("the organiser sold it ({how}), but it has a payment at the provider"));
    }
    if order.due_ms.is_some() {
        wrong.push(format!("the organiser sold it ({how}), but something is owed for it"));
    }
    if order.tender == Tender::Free && price(order) > 0 {
        let price = price(order);
        wrong.push(format!("it was given away, but costs {price} (minor units)"));
    }
    let handed_back = |r: &Refund| !r.by_hand && matches!(r.state, RefundState::Succeeded(_));
    if !order.refunds.iter().all(handed_back) {
        wrong.push(format!("the organiser sold it ({how}), and a refund of it is not handed back"));
    }
}

/// Looks at one order by itself.
pub fn check(order: &Order, now: TimeMs) -> Words {
    let mut words = Words::default();
    let mut wrong = |text: String| words.wrong.push(text);
    let sold = order.state.was_paid();
    let places: u32 = order.lines.iter().map(|l| l.quantity).sum();
    let issued = order.tickets.len();
    let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid).count();
    if sold && issued != places as usize {
        wrong(format!("{issued} tickets were issued for {places} places that are paid"));
    }
    if !sold && issued > 0 {
        wrong(format!("{issued} tickets were issued although it is {}", order.state.word()));
    }
    let refunded: u32 = order.lines.iter().map(|l| l.refunded).sum();
    if sold && valid + refunded as usize != places as usize {
        wrong(format!("{valid} tickets are valid of {places} places, {refunded} of them refunded"));
    }
    let serials: BTreeSet<u32> = order.tickets.iter().map(|t| t.serial).collect();
    if serials.len() < issued {
        wrong("it has the same ticket twice".into());
    }
    if order.state == OrderState::Refunded && refunded < places {
        wrong(format!("refunded, but only {refunded} of its {places} places are"));
    }
    if order.state == OrderState::Paid && places > 0 && refunded == places {
        wrong("paid, but all of its places are refunded".into());
    }
    for (index, line) in order.lines.iter().enumerate() {
        if line.restocked > line.refunded || line.refunded > line.quantity {
            let (back, all) = (line.restocked, line.quantity);
            wrong(format!("of {all} places {} are refunded, {back} on sale again", line.refunded));
        }
        let revoked: u32 =
            revoking(order).map(|r| r.quantities.get(index).copied().unwrap_or(0)).sum();
        if revoked != line.refunded {
            wrong(format!("{} places are refunded, by refunds of {revoked}", line.refunded));
        }
    }
    let refunds: BTreeSet<_> = order.refunds.iter().map(|r| r.id).collect();
    if refunds.len() < order.refunds.len() {
        wrong("it has the same refund twice".into());
    }
    let mut worth = 0;
    for ticket in &order.tickets {
        match order.lines.get(usize::from(ticket.line)) {
            Some(line) if ticket.state == TicketState::Valid => worth += line.unit_minor,
            Some(_) => {}
            None => wrong(format!("ticket {} is of no line", ticket.serial)),
        }
        if ticket.guest.is_some() && ticket.revision == 0 {
            wrong(format!("ticket {} got a guest, and its first code still counts", ticket.serial));
        }
        if ticket.guest.is_some() && order.buyer.key.0 == order.id.0 {
            wrong(format!("ticket {} names a guest, and its buyer was erased", ticket.serial));
        }
    }
    let money = money(order);
    let stays = money.taken - money.given_back - money.going_back;
    let by_hand: i64 = order
        .refunds
        .iter()
        .filter(|r| r.by_hand && !matches!(r.state, RefundState::Failed(_)))
        .map(|r| r.amount_minor)
        .sum();
    // What was asked for as a sum while tickets stay valid, with what was sent back by the bank later.
    let of_sums = |r: &&Refund| r.of_amount && r.quantities.iter().all(|q| *q == 0);
    let asked: i64 = revoking(order).filter(of_sums).map(|r| r.amount_minor).sum();
    let keeps = (worth - asked).max(0);
    if stays < 0 {
        wrong(format!("{} more went back than was taken (minor units)", -stays));
    } else if worth > stays + by_hand + asked {
        wrong(format!(
            "its valid tickets are worth {worth}, but only {stays} was kept (minor units)"
        ));
    } else if keeps < stays && stays - keeps <= *not_given_back(order).end() {
        words.notes.push(could_not(stays - keeps));
    } else if keeps < stays && asked == 0 {
        wrong(format!("{stays} was kept, but its valid tickets are worth {worth} (minor units)"));
    } else if keeps < stays {
        wrong(format!(
            "{stays} was kept, but its valid tickets are worth {worth}, and {asked} was asked back beside them \
             (minor units)"
        ));
    } else if keeps > stays {
        words.notes.push(format!(
            "{} was sent back by hand without revoking a ticket (minor units)",
            keeps - stays
        ));
    } else if worth > 0 && stays == 0 {
        wrong(format!("nothing of its money is kept, and its valid tickets are worth {worth}"));
    }
    let least = *not_given_back(order).start();
    if matches!(order.state, OrderState::Released | OrderState::Void) && least > 0 {
        words.notes.push(could_not(least));
    }
    if order.tender != Tender::Online {
        sold_by_organiser(order, &mut words.wrong);
    }
    let mut wrong = |text: &str| words.wrong.push(text.to_owned());
    if let Some(payment) = &order.payment {
        let numbers = payment.attempts.iter().map(|a| usize::from(a.number));
        if payment.attempts.is_empty() || !numbers.eq(1..=payment.attempts.len()) {
            wrong("an attempt to pay is missing");
        }
    }
    let intent = order.payment.as_ref().and_then(|p| p.intent.as_ref());
    match order.state {
        OrderState::Held if order.payment.is_some() => wrong("held, but it has a payment"),
        OrderState::Paying | OrderState::Canceling if order.payment.is_none() => {
            wrong("being paid without a payment");
        }
        OrderState::Committed if intent.is_none() => wrong("committed without a PaymentIntent"),
        _ if sold && price(order) > 0 && intent.is_none() && order.tender == Tender::Online => {
            wrong("paid without a PaymentIntent");
        }
        _ => {}
    }
    let owes = matches!(
        order.state,
        OrderState::Held
            | OrderState::Paying
            | OrderState::Canceling
            | OrderState::Committed
            | OrderState::Refunding
    ) || money.going_back > 0;
    match order.due_ms {
        None if owes => wrong("it owes something, but nobody will look after it"),
        Some(due) if order.state != OrderState::Held && due + LONG_MS < now => {
            words.notes.push(format!(
                "{} and due for {} minutes: is nts running?",
                order.state.word(),
                (now - due) / 60_000
            ));
        }
        _ => {}
    }
    if let Some(dispute) = order.payment.as_ref().and_then(|p| p.dispute.as_ref()) {
        let (amount, status) = (dispute.amount_minor, &dispute.status);
        words.notes.push(format!("disputed: {amount} (minor units), {status}"));
    }
    if let Some(trouble) = &order.trouble {
        let state = order.state.word();
        words.notes.push(match order.due_ms {
            Some(_) if order.tries > 0 => {
                let minutes = boxoffice::tried_for_ms(order.tries) / 60_000;
                let tries = order.tries;
                format!("{state}: tried {tries} times, for {minutes} minutes at least: {trouble}")
            }
            _ => format!("{state}: {trouble}"),
        });
    }
    words
}
