//! The decisions: a table of contents. Each decision reads from top to bottom: refusals first, in a
//! fixed order and with one reason each; a line that marks the point of no return; then the changes.

use crate::event::{delete, put, sale};
use crate::order::sell::Sale;
use crate::order::{address, answer, erase, forget, hold, metadata, name, rename, sell};
use crate::payment::{pay, refund, settle};
use crate::{Command, Decision, Order, OrderId, Refusal, State, TimeMs};

/// Decides one command against the state that was loaded for it (see
/// [`Command::add_keys`]). `now` is the one clock of the money path, read after loading.
pub fn decide(state: &State, command: &Command, now: TimeMs) -> Result<Decision, Refusal> {
    match command {
        Command::PutEvent { id, spec } => put::put(state, *id, spec),
        Command::PutEventIf { id, spec, seen } => put::put_if(state, *id, spec, seen.as_deref()),
        Command::PutEventParts { id, spec, kept, only } => {
            put::put_parts(state, *id, spec, kept, *only)
        }
        Command::SetSale { event, to, seen } => sale::set(state, *event, *to, seen.as_deref()),
        Command::DeleteEvent { slug, seen } => delete::delete(state, slug, seen.as_deref()),
        Command::Hold { order, event, buyer, untagged, lines, terms, metadata, most_ms } => {
            let wishes = (lines.as_slice(), terms, metadata);
            hold::hold(state, *order, *event, (buyer, *untagged), wishes, *most_ms, now)
        }
        Command::Sell {
            order,
            event,
            buyer,
            untagged,
            lines,
            tender,
            reference,
            metadata,
            shown_minor,
        } => {
            let sale = Sale {
                id: *order,
                event: *event,
                buyer,
                untagged: *untagged,
                wishes: lines,
                tender: *tender,
                reference,
                metadata,
                shown_minor: *shown_minor,
            };
            sell::sell(state, sale, now)
        }
        Command::FindOrder { event, buyer } => hold::find(state, *event, *buyer),
        Command::Renew { order, most_ms } => {
            hold::renew(state, order_of(state, *order)?, *most_ms, now)
        }
        Command::Cancel { order } => hold::cancel(state, order_of(state, *order)?, now),
        Command::GiveUp { order, attempt } => {
            hold::give_up_unread(state, order_of(state, *order)?, *attempt, now)
        }
        Command::Expire { order } => hold::expire(state, order_of(state, *order)?, now),
        Command::Forget { order, placed_before_ms } => {
            forget::forget(state, order_of(state, *order)?, *placed_before_ms)
        }
        Command::Erase { event, orders, because } => {
            erase::erase(state, *event, orders, *because, now)
        }
        Command::NameTicket { order, number, name } => {
            name::name(state, order_of(state, *order)?, *number, name, now)
        }
        Command::ChangeAddress { order, event, email, key, untagged } => {
            let to = (email.as_str(), *key, *untagged);
            address::change(state, order_of(state, *order)?, *event, to, now)
        }
        Command::CorrectName { order, event, name, key } => {
            rename::rename(state, order_of(state, *order)?, *event, name, *key)
        }
        Command::Answer { order, answers, staff } => {
            answer::answer(state, order_of(state, *order)?, answers, *staff, now)
        }
        Command::PutMetadata { order, metadata } => {
            metadata::put(order_of(state, *order)?, metadata)
        }
        Command::Pay { order, payment, live, token } => {
            pay::pay(state, order_of(state, *order)?, *payment, *live, token, now)
        }
        Command::IntentCreated { order, intent } => {
            pay::intent_created(order_of(state, *order)?, intent, now)
        }
        Command::AttemptDeclined { order, attempt, reason } => {
            pay::attempt_declined(state, order_of(state, *order)?, *attempt, reason, now)
        }
        Command::Reconcile { order, intent, known } => {
            settle::reconcile(state, order_of(state, *order)?, intent, *known, now)
        }
        Command::Defer { order, trouble, wait_ms } => {
            settle::defer(state, order_of(state, *order)?, trouble, *wait_ms, now)
        }
        Command::Refund { order, refund, wish, restock } => {
            refund::refund(state, order_of(state, *order)?, *refund, wish, *restock, now)
        }
        Command::RefundAnswered { order, refund, outcome } => {
            refund::answered(state, order_of(state, *order)?, *refund, outcome, now)
        }
    }
}

fn order_of(state: &State, id: OrderId) -> Result<&Order, Refusal> {
    state.orders.get(&id).ok_or(Refusal::UnknownOrder)
}
