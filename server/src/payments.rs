//! What we ask of the payment provider, and the ways in which a call can end.

pub mod class;
pub mod fake;
pub mod governor;
pub mod stripe;
pub mod wire;

/// How a call failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The card was refused, for good. The text is for the buyer.
    Declined(String),
    /// The provider refused the call, for good, and nothing happened.
    Refused(String),
    /// Nothing happened, and it may be asked again, not before so many milliseconds.
    NotDone(String, Option<i64>),
    /// Nothing happened: our key is not accepted (401).
    KeyRefused(String),
    /// Nothing happened: our key may not do this, though it is accepted (403).
    NotAllowed(String),
    /// An idempotency key was used for another call: our bug. Nothing happened.
    KeyReuse(String),
    /// It may have happened or not: read the object back, never guess.
    Unknown(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Declined(why) => write!(f, "declined: {why}"),
            CallError::Refused(why) => write!(f, "refused: {why}"),
            CallError::NotDone(why, _) => write!(f, "not done: {why}"),
            CallError::KeyRefused(why) => write!(f, "the key is not accepted: {why}"),
            CallError::NotAllowed(why) => write!(f, "the key may not do this: {why}"),
            CallError::KeyReuse(why) => write!(f, "an idempotency key was used twice: {why}"),
            CallError::Unknown(why) => write!(f, "outcome unknown: {why}"),
        }
    }
}

/// The idempotency keys of the calls.
///
/// A provider remembers a key for a day and repeats what it answered under it, a 500 too. So a key
/// alone would get stuck behind an answer that says nothing, and each of them changes when it was
/// tried often enough. That is safe, for safety never rests on a key: a PaymentIntent that nobody
/// confirmed takes no money; one PaymentIntent is authorised, captured and cancelled at most once;
/// and refunds are looked for by our id of them before they are asked for.
pub mod key {
    use boxoffice::{Attempt, Order, Payment, REFUND_TRIES, Refund};

    /// Tries under one key.
    pub const TRIES: u32 = 3;

    /// Whether this order's confirmation was asked for under another key before.
    pub fn confirm_rotated(order: &Order) -> bool {
        order.tries >= TRIES
    }

    /// Of creating the PaymentIntent.
    pub fn create(order: &Order, payment: &Payment) -> String {
        format!("nts-{:032x}-create-{}", payment.id.0, order.tries / TRIES)
    }
    /// Of confirming it.
    pub fn confirm(order: &Order, payment: &Payment, attempt: &Attempt) -> String {
        let (id, number) = (payment.id.0, attempt.number);
        format!("nts-{id:032x}-confirm-{number}-{}", order.tries / TRIES)
    }
    /// Of taking the money: another one for each try, for a refusal is repeated as well, also when
    /// the payment has moved on since.
    pub fn capture(order: &Order, payment: &Payment) -> String {
        format!("nts-{:032x}-capture-{}", payment.id.0, order.tries)
    }
    /// Of cancelling it: another one for each try, for the same reason.
    pub fn cancel(order: &Order, payment: &Payment) -> String {
        format!("nts-{:032x}-cancel-{}", payment.id.0, order.tries)
    }
    /// Of giving money back. Between two keys there is a pause ([`boxoffice::REFUND_PAUSE_MS`]).
    pub fn refund(order: &Order, refund: &Refund) -> String {
        format!("nts-{:032x}-refund-{}", refund.id.0, order.tries / REFUND_TRIES)
    }
}
