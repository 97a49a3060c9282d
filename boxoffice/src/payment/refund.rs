//! R1 and R2: tickets are revoked before the money goes back; places are free when it is back.

use crate::draft::{Draft, by_pool};
use crate::mutant::{Mutant, on};
use crate::order::sell::handed_back;
use crate::state::retry_ms;
use crate::{
    Change, Line, LineWish, Money, Order, OrderState, Refund, RefundId, RefundOutcome, RefundState,
    RefundWish, State, Ticket, TicketState, TimeMs,
};
use crate::{Decision, Refusal, Reply};
use alloc::{format, vec, vec::Vec};

/// R1: the tickets are revoked, and a refund with a fixed amount is owed.
pub(crate) fn refund(
    state: &State,
    order: &Order,
    id: RefundId,
    wish: &RefundWish,
    restock: bool,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    if let Some(known) = order.refunds.iter().find(|r| r.id == id) {
        // The same command once more, after a commit whose outcome was unknown.
        let amount_minor = known.amount_minor;
        return Draft::default().reply(Reply::Refunding {
            order: order.id,
            refund: id,
            amount_minor,
        });
    }
    if order.refunds.iter().any(|r| r.state == RefundState::Pending) {
        return Err(Refusal::RefundUnderWay);
    }
    let owed_minor = order.owed_back().minor;
    let again_minor = match wish {
        RefundWish::All | RefundWish::Failed => owed_minor,
        RefundWish::Lines(_) => 0,
        RefundWish::Amount(minor) => {
            check_amount(order, *minor, owed_minor)?;
            if owed_minor > 0 { *minor } else { 0 }
        }
    };
    // What is asked for beside the tickets.
    let asked_minor = match wish {
        RefundWish::Amount(minor) if again_minor == 0 => *minor,
        _ => 0,
    };
    let kept_minor = order.kept().minor;
    let takes_all = asked_minor > 0 && asked_minor == kept_minor;
    match order.state {
        OrderState::Paid => {}
        _ if again_minor > 0 => return Ok(again(order, id, again_minor, now)),
        OrderState::Refunding => return Err(Refusal::RefundUnderWay),
        OrderState::Refunded => return Err(Refusal::NothingToRefund),
        other => return Err(Refusal::NotPaid(other)),
    }
    let quantities = match wish {
        RefundWish::Lines(wishes) => some(state, order, wishes)?,
        RefundWish::All => all_left(order),
        RefundWish::Amount(_) if takes_all => all_left(order),
        RefundWish::Failed | RefundWish::Amount(_) => vec![0; order.lines.len()],
    };
    if quantities.iter().sum::<u32>() == 0 && again_minor == 0 && asked_minor == 0 {
        return Err(Refusal::NothingToRefund);
    }

    // The point of no return.
    let mut draft = Draft::default();
    let amounts = order.lines.iter().zip(&quantities);
    let price_minor: i64 = amounts.map(|(l, q)| l.unit_minor * i64::from(*q)).sum();
    // A part of it may have been given back already, by hand or beside the tickets.
    let amount_minor = match asked_minor {
        0 => (price_minor + again_minor).min(kept_minor),
        asked_minor => asked_minor,
    };
    let mut lines = order.lines.clone();
    for (line, quantity) in lines.iter_mut().zip(&quantities) {
        line.refunded += quantity;
        assert!(line.refunded <= line.quantity, "refunded more than was sold");
    }
    if !on(Mutant::RefundKeepsTickets) {
        draft.turn_tickets(order, &quantities, TicketState::Valid, TicketState::Revoked);
    }
    // Where nothing moves, no provider is asked.
    let state_of = match amount_minor {
        0 if price_minor == 0 => RefundState::Succeeded("free".into()),
        0 => RefundState::Succeeded("nothing left to give back".into()),
        // Who sold it hands the money back. No provider has it.
        _ if order.tender.is_offline() => RefundState::Succeeded(handed_back(order.tender)),
        _ => RefundState::Pending,
    };
    let of_amount = asked_minor > 0 && !takes_all;
    let restock = restock && !of_amount;
    let mut refund = Refund {
        id,
        amount_minor,
        quantities,
        restock,
        state: state_of,
        by_hand: false,
        of_amount,
    };
    if refund.state != RefundState::Pending {
        draft.give_back(state, order, lines, &mut refund);
    } else {
        draft.changes.push(Change::LinesPut { order: order.id, lines });
        draft.schedule_now(order, OrderState::Refunding, now);
    }
    draft.changes.push(Change::RefundPut { order: order.id, refund });
    draft.reply(Reply::Refunding { order: order.id, refund: id, amount_minor })
}

/// A refund failed of an order that has no places any more: its money is owed once more. The order
/// stays as it is, for nothing but the money moves.
fn again(order: &Order, id: RefundId, amount_minor: i64, now: TimeMs) -> Decision {
    let quantities = vec![0; order.lines.len()];
    let state = RefundState::Pending;
    let (restock, by_hand, of_amount) = (false, false, false);
    let refund = Refund { id, amount_minor, quantities, restock, state, by_hand, of_amount };
    // The point of no return.
    let mut draft = Draft::default();
    draft.schedule_now(order, order.state, now);
    draft.changes.push(Change::RefundPut { order: order.id, refund });
    let reply = Reply::Refunding { order: order.id, refund: id, amount_minor };
    Decision { changes: draft.changes, effects: draft.effects, alarms: draft.alarms, reply }
}

/// Whether such a sum can be given back: of what is owed because a refund failed, if something is, else of what is
/// kept.
fn check_amount(order: &Order, minor: i64, owed_minor: i64) -> Result<(), Refusal> {
    match order.state {
        OrderState::Paid => {}
        _ if owed_minor > 0 => {}
        OrderState::Refunding => return Err(Refusal::RefundUnderWay),
        OrderState::Refunded => return Err(Refusal::NothingToRefund),
        other => return Err(Refusal::NotPaid(other)),
    }
    if minor < 1 {
        return Err(Refusal::Invalid("the amount of a refund is more than 0".into()));
    }
    let step = order.currency.step_minor();
    if minor % step != 0 && minor != order.kept().minor {
        let code = order.currency.code();
        let step = Money { minor: step, currency: order.currency };
        return Err(Refusal::Invalid(format!("an amount in {code} is a multiple of {step}")));
    }
    let most_minor = if owed_minor > 0 { owed_minor } else { order.kept().minor };
    if most_minor == 0 {
        return Err(Refusal::NothingToRefund);
    }
    if minor > most_minor && !on(Mutant::AmountTooLarge) {
        let most = Money { minor: most_minor, currency: order.currency };
        return Err(Refusal::AmountTooLarge { most });
    }
    Ok(())
}

fn all_left(order: &Order) -> Vec<u32> {
    order.lines.iter().map(|l| l.quantity - l.refunded).collect()
}

/// The quantity of each line that the wishes ask for. Where a ticket type has several lines, because it was
/// sold at several prices, the last are refunded first, as of one line the last tickets are.
fn some(state: &State, order: &Order, wishes: &[LineWish]) -> Result<Vec<u32>, Refusal> {
    let event = state.events.get(&order.event).ok_or(Refusal::UnknownEvent)?;
    let mut quantities = vec![0u32; order.lines.len()];
    for wish in wishes {
        let of_type =
            |l: &Line| event.ticket_types[usize::from(l.ticket_type)].id == wish.ticket_type;
        let lines = || order.lines.iter().enumerate().filter(|(_, l)| of_type(l));
        if lines().next().is_none() {
            return Err(Refusal::UnknownTicketType(wish.ticket_type.clone()));
        }
        let left: u32 = lines().map(|(_, l)| l.quantity - l.refunded).sum();
        if wish.quantity < 1 {
            return Err(Refusal::Invalid("a quantity is at least 1".into()));
        }
        if lines().any(|(index, _)| quantities[index] > 0) {
            return Err(Refusal::Invalid("a ticket type is named twice".into()));
        }
        if wish.quantity > i64::from(left) - i64::from(on(Mutant::RefundTooLarge)) {
            let ticket_type = wish.ticket_type.clone();
            return Err(Refusal::RefundTooLarge { ticket_type, left });
        }
        let mut rest = wish.quantity as u32;
        for (index, line) in lines().rev() {
            quantities[index] = rest.min(line.quantity - line.refunded);
            rest -= quantities[index];
        }
    }
    Ok(quantities)
}

/// R2: what the provider said of a refund.
pub(crate) fn answered(
    state: &State,
    order: &Order,
    id: RefundId,
    outcome: &RefundOutcome,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let Some(refund) = order.refunds.iter().find(|r| r.id == id) else {
        return Err(Refusal::Invalid("this order has no such refund".into()));
    };
    if refund.state != RefundState::Pending {
        return Draft::default().reply_order(order);
    }

    // The point of no return.
    let mut draft = Draft::default();
    let mut refund = refund.clone();
    let late = order.state != OrderState::Refunding;
    match outcome {
        RefundOutcome::Pending => {
            let due_ms = retry_ms(now, order.tries);
            let why = "the provider has not finished the refund";
            draft.wait_in_trouble(order, due_ms, why, false, now);
        }
        RefundOutcome::Succeeded(provider_id) => {
            refund.state = RefundState::Succeeded(provider_id.clone());
            if late {
                draft.set_idle(order, order.state);
            } else {
                draft.give_back(state, order, order.lines.clone(), &mut refund);
            }
            draft.changes.push(Change::RefundPut { order: order.id, refund });
        }
        RefundOutcome::Failed(reason) => {
            refund.state = RefundState::Failed(reason.clone());
            if late {
                draft.set_idle(order, order.state);
            } else {
                draft.keep(state, order, &mut refund);
            }
            draft.alarm(order, alloc::format!("the provider refused the refund: {reason}"));
            draft.changes.push(Change::RefundPut { order: order.id, refund });
        }
    }
    draft.reply_order(order)
}

/// A refund for no particular tickets (made by hand, of an amount, or what repeats one that failed), if nothing is
/// left of the money by it although tickets that cost something are still valid. `answered` is our own refund as it is by now; `lines`
/// count it.
fn emptied(order: &Order, lines: &[Line], answered: &Refund) -> Option<Refund> {
    let others = || order.refunds.iter().filter(|r| r.id != answered.id);
    let given = others().map(Refund::given_minor).sum::<i64>() + answered.given_minor();
    let left = order.total().minor - given;
    let worth = |l: &Line| l.unit_minor * i64::from(l.quantity - l.refunded);
    let worth: i64 = lines.iter().map(worth).sum();
    let itself = core::iter::once(answered);
    let mut without_tickets = others().rev().chain(itself).filter(|r| r.took_no_tickets());
    if left > 0 || worth == 0 { None } else { without_tickets.next().cloned() }
}

impl Draft {
    /// A refund that was given up as failed was made all the same: its tickets go, as they were to.
    /// False if it cannot be so, because the order or its tickets have moved on.
    pub(crate) fn made_after_all(
        &mut self,
        state: &State,
        order: &Order,
        refund: &mut Refund,
    ) -> bool {
        let mut lines = order.lines.clone();
        let left = |(l, q): (&Line, &u32)| l.quantity - l.refunded >= *q;
        if order.state != OrderState::Paid || !lines.iter().zip(&refund.quantities).all(left) {
            return false;
        }
        for (line, quantity) in lines.iter_mut().zip(&refund.quantities) {
            line.refunded += quantity;
        }
        self.turn_tickets(order, &refund.quantities, TicketState::Valid, TicketState::Revoked);
        self.give_back(state, order, lines, refund);
        true
    }

    /// The money is back: the order is refunded once all its lines are, and the places are free
    /// if the organiser said so. `lines` count this refund already.
    fn give_back(
        &mut self,
        state: &State,
        order: &Order,
        mut lines: Vec<Line>,
        refund: &mut Refund,
    ) {
        if refund.restock {
            for (line, quantity) in lines.iter_mut().zip(&refund.quantities) {
                line.restocked += quantity;
                assert!(line.restocked <= line.refunded, "put back more than was refunded");
            }
            let places = lines.iter().zip(&refund.quantities);
            let places = places.flat_map(|(l, q)| l.stock().map(|stock| (stock, *q)));
            for (pool, places) in by_pool(places) {
                let sold = -i64::from(places);
                self.changes.push(Change::Stock { event: order.event, pool, held: 0, sold });
            }
        }
        let places = refund.quantities.iter().sum::<u32>();
        let swept = self.revoke_all_if_refunded(order, &mut lines, refund);
        let whole = lines.iter().all(|l| l.refunded == l.quantity);
        self.changes.push(Change::LinesPut { order: order.id, lines });
        self.set_idle(order, if whole { OrderState::Refunded } else { OrderState::Paid });
        self.forget_places(state, order, places + swept);
    }

    /// The money stays here, so the tickets are valid again; unless somebody has given all of it
    /// back by hand meanwhile, which may be why ours was refused.
    fn keep(&mut self, state: &State, order: &Order, refund: &mut Refund) {
        let mut lines = order.lines.clone();
        for (line, quantity) in lines.iter_mut().zip(&refund.quantities) {
            line.refunded -= quantity;
        }
        let swept = self.revoke_all_if_refunded(order, &mut lines, refund);
        self.changes.push(Change::LinesPut { order: order.id, lines });
        if swept > 0 {
            self.set_idle(order, OrderState::Refunded);
            self.forget_places(state, order, swept);
        } else {
            self.set_idle(order, OrderState::Paid);
            let quantities = &refund.quantities;
            self.turn_tickets(order, quantities, TicketState::Revoked, TicketState::Valid);
        }
    }

    fn revoke_all_if_refunded(
        &mut self,
        order: &Order,
        lines: &mut [Line],
        answered: &mut Refund,
    ) -> u32 {
        let Some(mut refund) = emptied(order, lines, answered) else { return 0 };
        let text = match refund.by_hand {
            true => "all of the money is back by hand, so all tickets are revoked",
            false => "nothing of the money is kept any more, so all tickets are revoked",
        };
        let places = self.revoke_all(order, lines, &mut refund);
        if refund.id == answered.id {
            // Whoever has answered it records it.
            *answered = refund;
        } else {
            self.changes.push(Change::RefundPut { order: order.id, refund });
        }
        self.alarm(order, text);
        places
    }

    /// Turns so many tickets of each line from one state to the other. Tickets are revoked from
    /// the last serial down and made valid again from the first revoked up, so that a refund that
    /// failed gives back the very tickets that it took.
    fn turn_tickets(
        &mut self,
        order: &Order,
        quantities: &[u32],
        from: TicketState,
        to: TicketState,
    ) {
        for (index, quantity) in quantities.iter().enumerate() {
            let of_line = |t: &&Ticket| usize::from(t.line) == index && t.state == from;
            let mut tickets: Vec<&Ticket> = order.tickets.iter().filter(of_line).collect();
            tickets.sort_by_key(|t| t.serial);
            if to == TicketState::Revoked {
                tickets.reverse();
            }
            assert!(tickets.len() >= *quantity as usize, "every refunded place has its ticket");
            for ticket in tickets.into_iter().take(*quantity as usize) {
                let ticket = Ticket { state: to, ..ticket.clone() };
                let (order, event) = (order.id, order.event);
                self.changes.push(Change::TicketPut { order, event, ticket });
            }
        }
    }
}
