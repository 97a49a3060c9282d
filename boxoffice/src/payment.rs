//! Payments, attempts and refunds as data, and what an order owes to its provider.

pub(crate) mod books;
pub(crate) mod pay;
pub(crate) mod refund;
pub(crate) mod settle;

use crate::{Money, Order, OrderId, OrderState, PaymentId, RefundId, TimeMs};
use alloc::{string::String, vec::Vec};

/// The most attempts of one payment: who mistypes a card or leaves the bank's page has enough of them,
/// and who tries out stolen cards has few.
pub const MOST_ATTEMPTS: usize = 5;

/// The one PaymentIntent of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payment {
    /// Our id of it; every idempotency key towards the provider is made from it.
    pub id: PaymentId,
    /// The provider's id of it, once it is known that it was created.
    pub intent: Option<String>,
    /// Whether real money moves.
    pub live: bool,
    /// What the buyer must be shown for an [`AttemptState::Action`]; the provider's own text.
    pub action: Option<String>,
    /// What the cardholder disputes, as it was last read. It revokes no ticket: a dispute can be
    /// won, and who is let in meanwhile is for people to say.
    pub dispute: Option<Dispute>,
    /// Its attempts, oldest first, numbered from 1.
    pub attempts: Vec<Attempt>,
}

impl Payment {
    /// The attempt that is not yet decided, if there is one.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        self.attempts
            .last()
            .filter(|a| matches!(a.state, AttemptState::Pending | AttemptState::Action))
    }

    /// Whether one more attempt may be made, as far as their number goes.
    pub fn has_attempts_left(&self) -> bool {
        self.attempts.len() < MOST_ATTEMPTS
    }

    /// Whether the last attempt follows one that waited for the buyer and was replaced by another
    /// card. Until the provider has answered the new one, a reading may still tell of the old one.
    pub fn replaces(&self) -> bool {
        self.attempts.iter().any(|a| a.state == AttemptState::Abandoned)
    }

    /// The attempt that we owe, if there is one.
    pub fn pending_attempt(&self) -> Option<&Attempt> {
        self.open_attempt().filter(|a| a.state == AttemptState::Pending)
    }
}

/// How far an order was, as far as the one knew who asked the provider about it. What was asked for
/// then may be older than what is known when the answer is decided on: another process, or a page
/// that the buyer has loaded again, may have been faster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeenVersion {
    /// Where it stood.
    pub state: OrderState,
    /// The number of its last attempt to pay; 0 if there was none.
    pub attempt: u16,
    /// Whether that was known to have arrived at the provider, and was not decided.
    pub waits: bool,
    /// Whether what was read is the provider's answer to confirming that attempt. Then it tells of
    /// that attempt, and not of one that it replaced.
    pub answers: bool,
}

impl SeenVersion {
    /// Nothing was known: what is read may be as old as it likes.
    pub const NOTHING: SeenVersion =
        SeenVersion { state: OrderState::Held, attempt: 0, waits: false, answers: false };

    /// As it is now.
    pub fn of(order: &Order) -> SeenVersion {
        let last = order.payment.as_ref().and_then(|p| p.attempts.last());
        SeenVersion {
            state: order.state,
            attempt: last.map_or(0, |a| a.number),
            waits: last.is_some_and(|a| a.state == AttemptState::Action),
            answers: false,
        }
    }

    /// As it is now, and what is read is the answer to confirming its last attempt.
    pub fn confirming(order: &Order) -> SeenVersion {
        SeenVersion { answers: true, ..SeenVersion::of(order) }
    }
}

/// One confirmation of a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Its number within the payment, from 1.
    pub number: u16,
    /// What stands for the buyer's card; forgotten as soon as the attempt is decided.
    pub token: String,
    /// When the buyer asked for it. As long as it is [`AttemptState::Pending`], the order's clock
    /// stands still at this moment.
    pub begun_ms: TimeMs,
    /// What is known of it.
    pub state: AttemptState,
}

/// What is known of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AttemptState {
    /// Owed, or asked for without a clear answer yet.
    Pending,
    /// It has arrived, and others decide it: the buyer, who must do something first (3-D Secure;
    /// [`Payment::action`] tells what), or a card network that takes its time.
    Action,
    /// The provider said no; the text is for the buyer.
    Declined(String),
    /// The provider said yes.
    Authorised,
    /// The order was given up before it was decided, or the buyer took another card.
    Abandoned,
}

/// Money on its way back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refund {
    /// Our id of it; its idempotency key is made from it.
    pub id: RefundId,
    /// How much, in minor units of the order's currency.
    pub amount_minor: i64,
    /// How many of each line of the order.
    pub quantities: Vec<u32>,
    /// Whether the places go back on sale when the money is back.
    pub restock: bool,
    /// What is known of it.
    pub state: RefundState,
    /// Whether somebody made it in the provider's own desk, and we only found it there. Its
    /// quantities are the places that lost their tickets by it: none, unless all money was back.
    /// They stay lost if it fails later.
    pub by_hand: bool,
    /// Whether a sum was asked for, and no tickets. Its quantities are the places that lost their tickets because
    /// nothing of the money was left by it and later refunds: mostly none.
    pub of_amount: bool,
}

impl Refund {
    /// How much of the order's money it takes: none once it has failed.
    pub fn given_minor(&self) -> i64 {
        if matches!(self.state, RefundState::Failed(_)) { 0 } else { self.amount_minor }
    }

    /// Whether it took money of which nobody said for which tickets: made by hand, or found to be made
    /// when its own tickets were valid again.
    pub(crate) fn took_no_tickets(&self) -> bool {
        (self.by_hand || self.quantities.iter().all(|q| *q == 0)) && self.given_minor() > 0
    }

    /// What it takes off what is kept for valid tickets, or was to take off when it was made: the sum that was
    /// asked for, as long as that took no tickets.
    pub(crate) fn reduces_minor(&self) -> i64 {
        let counts = self.given_minor() > 0 || self.failed_later();
        let none = self.quantities.iter().all(|q| *q == 0);
        if self.of_amount && none && counts { self.amount_minor } else { 0 }
    }

    /// Whether it failed after it had succeeded. The provider never makes it succeed again, so an
    /// older reading that says otherwise is of no account.
    pub fn failed_later(&self) -> bool {
        matches!(&self.state, RefundState::Failed(why) if self.by_hand || why.starts_with(FAILED_LATER))
    }
}

/// How the reason of a refund of ours begins that failed after it had succeeded.
pub(crate) const FAILED_LATER: &str = "the bank sent the money back after the refund had succeeded";

/// What is known of a refund.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefundState {
    /// Owed, or asked for without a clear answer yet.
    Pending,
    /// The provider says that the money went back. Holds the provider's id of it.
    Succeeded(String),
    /// The provider says that it cannot be done. Holds its reason; of one made by hand the
    /// provider's id of it, so that an old reading does not bring it back as a new one.
    Failed(String),
}

/// What a provider answers about a refund.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefundOutcome {
    /// The money went back. Holds the provider's id of it.
    Succeeded(String),
    /// It is under way at the provider.
    Pending,
    /// It cannot be done, and no money went back. Holds the reason.
    Failed(String),
}

/// A PaymentIntent as it was read from the provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// The provider's id of it.
    pub id: String,
    /// Where it stands.
    pub status: IntentStatus,
    /// What it is about.
    pub amount: Money,
    /// What was really taken, in minor units; 0 until it has succeeded. Less than the amount if
    /// somebody captured a part of it by hand.
    pub received_minor: i64,
    /// Whether real money moves.
    pub live: bool,
    /// The order written into its metadata.
    pub order: Option<OrderId>,
    /// The payment written into its metadata.
    pub payment: Option<PaymentId>,
    /// What the buyer must be shown when it requires an action.
    pub action: Option<String>,
    /// Why the last attempt failed, in words for the buyer.
    pub last_error: Option<String>,
    /// All refunds of it, whoever made them.
    pub refunds: Vec<RefundSeen>,
    /// What the cardholder disputes, if anything: the newest dispute.
    pub dispute: Option<Dispute>,
}

/// A refund as it was read from the provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefundSeen {
    /// The provider's id of it.
    pub provider_id: String,
    /// Our id of it, from its metadata; `None` if somebody made it by hand.
    pub ours: Option<RefundId>,
    /// An unused id of ours, for the case that it must be taken into our books.
    pub fresh: RefundId,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Whether the money stayed after all (failed or canceled).
    pub failed: bool,
    /// Whether the provider says that it is done. Neither this nor failed: it is under way, or the
    /// provider does not say.
    pub done: bool,
}

/// A cardholder's objection to a payment (<https://docs.stripe.com/disputes/how-disputes-work>).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispute {
    /// The provider's id of it.
    pub id: String,
    /// How much is disputed, in minor units.
    pub amount_minor: i64,
    /// Where it stands, in the provider's word: `needs_response`, `won`, `lost` …
    pub status: String,
}

/// The states of a PaymentIntent
/// (<https://docs.stripe.com/payments/paymentintents/lifecycle>).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntentStatus {
    /// No card yet, or the last one was declined.
    RequiresPaymentMethod,
    /// A card is there; it was not asked for the money.
    RequiresConfirmation,
    /// The buyer must do something (3-D Secure).
    RequiresAction,
    /// The card network has not answered.
    Processing,
    /// The money is set aside.
    RequiresCapture,
    /// The money is taken.
    Succeeded,
    /// Dead: it can never take money.
    Canceled,
}

/// What an order owes to its provider next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owed<'a> {
    /// Nothing.
    Nothing,
    /// Look whether its time is over: no provider is needed.
    Expiry,
    /// Create the PaymentIntent, unconfirmed.
    Create(&'a Payment),
    /// Confirm it: this attempt, under the attempt's own key, as often as it takes.
    Confirm(&'a Payment, &'a Attempt),
    /// Read it.
    Read(&'a Payment),
    /// Take the money.
    Capture(&'a Payment),
    /// Make sure that it can never take money.
    Cancel(&'a Payment),
    /// Give money back.
    Refund(&'a Payment, &'a Refund),
}

/// What `order` owes next. Whether it is due now is told by [`Order::due_ms`]; this tells only what.
pub fn owed(order: &Order) -> Owed<'_> {
    if order.due_ms.is_none() {
        return Owed::Nothing;
    }
    let Some(payment) = &order.payment else {
        return Owed::Expiry;
    };
    if let Some(refund) = order.refunds.iter().find(|r| r.state == RefundState::Pending) {
        return Owed::Refund(payment, refund);
    }
    if payment.intent.is_none() {
        // Nothing is created before somebody asks for an attempt. Once asked for, it is owed
        // however long it takes: the buyer's clock stands still.
        return match (order.state, payment.pending_attempt()) {
            (OrderState::Paying, Some(_)) => Owed::Create(payment),
            _ => Owed::Expiry,
        };
    }
    match order.state {
        OrderState::Held => Owed::Expiry,
        OrderState::Paying => match payment.pending_attempt() {
            Some(attempt) => Owed::Confirm(payment, attempt),
            None => Owed::Read(payment),
        },
        OrderState::Committed => Owed::Capture(payment),
        OrderState::Canceling | OrderState::Released | OrderState::Void => Owed::Cancel(payment),
        OrderState::Paid | OrderState::Refunding | OrderState::Refunded => Owed::Read(payment),
    }
}
