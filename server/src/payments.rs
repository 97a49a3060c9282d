//! What we ask of a payment provider, and the four ways in which a call can end.

pub mod governor;
pub mod sandbox;
pub mod wire;

use boxoffice::{Attempt, Intent, Order, Payment, Refund, RefundOutcome};
use std::pin::Pin;

/// How a call failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The card was refused, for good. The text is for the buyer.
    Declined(String),
    /// The provider refused the call, for good, and nothing happened.
    Refused(String),
    /// Nothing happened, and it may be asked again, not before so many milliseconds.
    NotDone(String, Option<i64>),
    /// An idempotency key was used for another call: our bug. Nothing happened.
    KeyReuse(String),
    /// It may have happened or not: read the object back, never guess.
    Unknown(String),
}

/// The answer to a call that is under way.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'a>>;

/// A payment provider. Every call that changes something carries an idempotency key that is made
/// from the id of the row that was committed before it, so it may be repeated for ever.
pub trait Provider: Send + Sync {
    /// Whether real money moves.
    fn live(&self) -> bool;
    /// Creates the order's PaymentIntent, unconfirmed.
    fn create<'a>(&'a self, order: &'a Order, payment: &'a Payment) -> Call<'a, Intent>;
    /// Confirms it with the attempt's token. `return_url`: where the buyer comes back to.
    fn confirm<'a>(
        &'a self,
        payment: &'a Payment,
        attempt: &'a Attempt,
        return_url: &'a str,
    ) -> Call<'a, Intent>;
    /// Reads it.
    fn read<'a>(&'a self, payment: &'a Payment) -> Call<'a, Intent>;
    /// Takes the money that was set aside.
    fn capture<'a>(&'a self, order: &'a Order, payment: &'a Payment) -> Call<'a, Intent>;
    /// Makes sure that it can never take money.
    fn cancel<'a>(&'a self, order: &'a Order, payment: &'a Payment) -> Call<'a, Intent>;
    /// Looks for a refund by our id of it; `None` if there is none.
    fn find_refund<'a>(
        &'a self,
        payment: &'a Payment,
        refund: &'a Refund,
    ) -> Call<'a, Option<RefundOutcome>>;
    /// Gives money back.
    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> Call<'a, RefundOutcome>;
}

/// The idempotency keys of the calls.
pub mod key {
    use boxoffice::{Attempt, Order, Payment, Refund};

    /// Of [`super::Provider::create`].
    pub fn create(payment: &Payment) -> String {
        format!("nts-{:032x}-create", payment.id.0)
    }
    /// Of [`super::Provider::confirm`].
    pub fn confirm(payment: &Payment, attempt: &Attempt) -> String {
        format!("nts-{:032x}-confirm-{}", payment.id.0, attempt.number)
    }
    /// Of [`super::Provider::capture`]: another one for each try. A provider repeats a refusal
    /// for as long as it knows the key, also when the payment has moved on since; and a second
    /// capture cannot take money twice, for a captured payment refuses it.
    pub fn capture(order: &Order, payment: &Payment) -> String {
        format!("nts-{:032x}-capture-{}", payment.id.0, order.tries)
    }
    /// Of [`super::Provider::cancel`]: another one for each try, for the same reason.
    pub fn cancel(order: &Order, payment: &Payment) -> String {
        format!("nts-{:032x}-cancel-{}", payment.id.0, order.tries)
    }
    /// Of [`super::Provider::refund`].
    pub fn refund(refund: &Refund) -> String {
        format!("nts-{:032x}-refund", refund.id.0)
    }
}
