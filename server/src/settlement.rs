//! Settlement: does the pending actions of orders. It lets holds expire, and settles payments with the
//! provider.
//!
//! The order table is the list of pending actions ([`boxoffice::Order::due_ms`]); a notification after
//! a commit only reduces latency. Each order is worked on by one task at a time: read the order, ask the
//! provider for what [`boxoffice::owed`] says, and submit its answer to the writer as a command. Expiry
//! of holds needs no provider and has a list of its own, so that a long queue of payments never keeps
//! places from coming back on sale.
//!
//! It must not know: HTTP, SQL, and the wording of a provider's API.

mod external;
mod forget;
mod notices;
mod queue;
mod stuck;
#[cfg(test)]
mod tests;

pub use external::{follow_external_changes, read_external_changes, try_permissions};
pub use forget::{forget, forget_before};
pub use notices::{Notice, Notices, handle_notices};
pub use queue::{Latest, SettlementQueue};
pub use stuck::Stuck;

use crate::admission::Admission;
use crate::clock::DatabaseClock;
use crate::links::Links;
use crate::metrics::{Metrics, ProviderCall};
use crate::payments::class::PaymentClass;
use crate::payments::governor::{Endpoint, Turn};
use crate::payments::stripe::Stripe;
use crate::payments::{CallError, key};
use crate::reads::Reads;
use crate::store::Lane;
use crate::writer::{Answer, CommandError, Queue};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    Command, Effect, Intent, IntentStatus, Order, OrderId, OrderState, Owed, Payment, Refund,
    RefundOutcome, SeenVersion, owed,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

/// What settles orders: the provider, the queue of orders to settle, and the way to the writer.
pub struct Settlement {
    /// The payment provider.
    pub stripe: Stripe,
    /// The orders with a pending action at the provider.
    pub queue: SettlementQueue,
    /// The orders that cannot move on without a person.
    pub stuck: Stuck,
    /// Notices from outside that wait to be handled.
    pub notices: Notices,
    /// The time of the database.
    pub clock: Arc<DatabaseClock>,
    /// Reads orders.
    pub reads: Reads,
    /// Takes commands.
    pub writer: Queue,
    /// Tells which orders are a client's second.
    pub admission: Arc<Admission>,
    /// The addresses to which a bank sends buyers back.
    pub links: Arc<Links>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether other processes change the same orders.
    pub shared: bool,
    /// After how many days released orders are removed; 0: never.
    pub keep_released_days: u32,
}

impl Settlement {
    /// The priority class in which an order is settled. Everything but an attempt to pay has the first.
    pub fn payment_class(&self, order: &Order) -> PaymentClass {
        let attempts = order.payment.as_ref().map_or(0, |payment| payment.attempts.len());
        match (order.state, attempts) {
            (OrderState::Paying, 2..) => PaymentClass::AfterDecline,
            (OrderState::Paying, _) if self.admission.is_second(order.id) => {
                PaymentClass::SecondOrder
            }
            _ => PaymentClass::First,
        }
    }

    /// Whether orders that come later may be settled before this one.
    pub fn waits_behind_others(&self, order: &Order) -> bool {
        self.payment_class(order) != PaymentClass::First
    }

    /// The estimated seconds until an order is settled; 0 if no queue has formed. An order of a lower
    /// class waits longer if orders of a higher one come meanwhile.
    pub fn queue_seconds(&self, order: OrderId) -> u64 {
        let governor = self.stripe.governor();
        match governor.rate() {
            Some(rate) => {
                let class = self.queue.class(order).unwrap_or(PaymentClass::First);
                let ahead = governor.waiting_up_to(class);
                let before = ahead + self.queue.before(order);
                seconds_behind(before, governor.waiting() > ahead, rate)
            }
            None => self.queue.seconds(order).map_or(0, |seconds| seconds.ceil() as u64),
        }
    }

    /// Takes in what a batch has changed.
    pub fn committed(&self, orders: &BTreeMap<OrderId, Arc<Order>>, effects: &[Effect]) {
        self.stuck.tell(orders);
        let class = |order: &Order| self.payment_class(order);
        self.queue.tell(orders, effects, !self.shared, class);
    }
}

/// How many seconds it takes until so many were served at `rate` a second. `others`: whether others wait in
/// lower classes, which have their share meanwhile.
fn seconds_behind(before: usize, others: bool, rate: u32) -> u64 {
    let before = if others { before * 11 / 9 } else { before };
    (before as u64).div_ceil(u64::from(rate))
}

/// How many orders a list gives at a time: a crowd of expiring holds shares the writer with those
/// who buy.
pub const DUE_AT_ONCE: usize = 512;
/// How many things are done for an order in a row.
const MOST_STEPS: usize = 24;

/// Lets holds run out, until the process ends. The list is read once in every `every`; as long as it
/// is full (it gives `at_once` orders), it is read again after as much time as it took: the other half is
/// for those who buy.
pub async fn expire(settlement: Arc<Settlement>, every: Duration, at_once: usize) {
    let mut look = interval(every);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let early = if on(Mutant::EarlyExpiry) { 1_000 } else { 0 };
        let now = settlement.clock.now_ms() + early;
        let due = match settlement.reads.ask(move |r| r.due(now, Lane::Holds, at_once)).await {
            Ok(due) => due,
            Err(fault) => {
                tracing::error!(%fault, "cannot read which holds run out");
                continue;
            }
        };
        let (begun, full) = (Instant::now(), due.len() == at_once);
        let mut tasks = JoinSet::new();
        for order in due {
            let settlement = Arc::clone(&settlement);
            // Refused where it moved on meanwhile; not answered where the store is in trouble: it
            // is found again.
            tasks.spawn(
                async move { _ = settlement.writer.ask(Command::Expire { order }, None).await },
            );
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        }
        if full {
            look.reset_after(begun.elapsed().min(every));
        }
    }
}

/// Settles payments, until the process ends. The list of what is owed is read once in every `every`; it
/// gives `at_once` orders more than are at work.
pub async fn run(settlement: Arc<Settlement>, every: Duration, at_once: usize) {
    let mut look = interval(every);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // With whether the order got on.
    let mut tasks: JoinSet<(OrderId, bool)> = JoinSet::new();
    let mut looks = 0usize;
    loop {
        // Those who wait in the lower classes stand in the list, too, and must not fill the whole of it.
        let (busy, room) =
            (settlement.queue.at_work() + settlement.queue.behind(), settlement.queue.has_room());
        let next = match settlement.queue.take_found() {
            Some(order) => Some((order, None)),
            None => tokio::select! {
                biased;
                Some(done) = tasks.join_next() => {
                    let (order, got_on) =
                        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                    settlement.queue.end(order, got_on).map(|latest| (order, latest))
                }
                // Before the line, or those who do not stand in it would wait until it is empty.
                _ = look.tick(), if room => {
                    looks += 1;
                    // Those who are being looked after stand in the list, too: while they are many,
                    // it is long, and read less often.
                    if busy < at_once || looks.is_multiple_of(10) {
                        let (now, most) = (settlement.clock.now_ms(), at_once + busy);
                        match settlement.reads.ask(move |r| r.due(now, Lane::Payments, most)).await {
                            Ok(due) => settlement.queue.find(due),
                            Err(fault) => tracing::error!(%fault, "cannot read what is owed"),
                        }
                    }
                    None
                }
                next = settlement.queue.next() => Some(next),
            },
        };
        if let Some((order, latest)) = next {
            let settlement = Arc::clone(&settlement);
            tasks.spawn(async move { (order, settle_known(&settlement, order, latest).await) });
        }
    }
}

/// Does what an order owes until nothing more is due, and no more than some things in a row. `latest`: the
/// order as it is now, if that is known. Gives whether anything was done.
async fn settle_known(settlement: &Settlement, id: OrderId, latest: Latest) -> bool {
    let mut kept: Option<Turns> = None;
    // As the last step has left it.
    let mut left = latest;
    let mut done = false;
    for _ in 0..MOST_STEPS {
        let order = match left.take() {
            Some(order) => order,
            None => match settlement.reads.ask(move |r| r.order(id)).await {
                Ok(Some(order)) => Arc::new(order),
                Ok(None) => return done,
                Err(fault) => {
                    tracing::error!(%fault, "cannot read an order that owes");
                    return done;
                }
            },
        };
        let now = if on(Mutant::OwnClock) {
            settlement.clock.own_ms()
        } else {
            settlement.clock.now_ms()
        };
        assert!(!on(Mutant::Panics) || order.state != OrderState::Canceling, "a deliberate break");
        if order.due_ms.is_none_or(|due| due > now) {
            return done;
        }
        let class = settlement.payment_class(&order);
        if !settlement.queue.is_of(id, class) {
            return done;
        }
        let owed = owed(&order);
        let command = match endpoint(&owed) {
            None if owed == Owed::Expiry => Command::Expire { order: id },
            None => return done,
            Some(endpoint) => {
                let turns = match kept.take().filter(|turns| turns.0.endpoint == endpoint) {
                    Some(turns) => turns,
                    None => turns(settlement, endpoint, class).await,
                };
                if turns.0.waited || turns.1.as_ref().is_some_and(|turn| turn.waited) {
                    // The buyer may have given up meanwhile: look once more before money moves.
                    let still = |turn| Turn { waited: false, ..turn };
                    kept = Some((still(turns.0), turns.1.map(still)));
                    continue;
                }
                step(settlement, &order, owed, turns).await
            }
        };
        match settlement.writer.ask(command, None).await {
            Ok(replied) => (left, done) = (replied.order, true),
            Err(CommandError::Refused(refusal)) => {
                // The order moved on meanwhile: the next look at it sees where to.
                tracing::debug!(?refusal, "a step was overtaken");
                return done;
            }
            Err(no) => {
                // Nothing is lost: it is still owed.
                tracing::warn!(?no, "a step has to wait");
                return done;
            }
        }
    }
    done
}

/// The buyer is back, or somebody looks at the page: read the PaymentIntent of an order that waits
/// for something at the provider, now instead of when it is due; unless others wait for their turn.
pub async fn reconcile(settlement: &Settlement, order: &Order) -> Option<Answer> {
    if !matches!(order.state, OrderState::Paying | OrderState::Canceling | OrderState::Committed) {
        return None;
    }
    let payment = order.payment.as_ref().filter(|p| p.intent.is_some())?;
    let turn = settlement.stripe.governor().turn_now(Endpoint::Read).await?;
    let intent =
        count(settlement, "read", settlement.stripe.read(turn, order, payment).await).ok()?;
    let known = SeenVersion::of(order);
    Some(settlement.writer.ask(Command::Reconcile { order: order.id, intent, known }, None).await)
}

/// Where what is owed is asked for; `None` if no provider is needed.
fn endpoint(owed: &Owed<'_>) -> Option<Endpoint> {
    match owed {
        Owed::Nothing | Owed::Expiry => None,
        Owed::Create(_) => Some(Endpoint::Create),
        Owed::Confirm(..) => Some(Endpoint::Confirm),
        Owed::Read(_) => Some(Endpoint::Read),
        Owed::Capture(_) => Some(Endpoint::Capture),
        Owed::Cancel(_) => Some(Endpoint::Cancel),
        // Refunds are looked for before they are asked for.
        Owed::Refund(..) => Some(Endpoint::Refunds),
    }
}

/// The turn for a step, and the one for what follows it at once.
type Turns = (Turn, Option<Turn>);

/// Waits for the turns of a step. All waiting comes before the order is read for the last time: a
/// refund that waited between being looked for and being asked for might have been made meanwhile.
async fn turns(settlement: &Settlement, endpoint: Endpoint, class: PaymentClass) -> Turns {
    let governor = settlement.stripe.governor();
    let follows = match endpoint {
        Endpoint::Refunds => Some(governor.turn(Endpoint::Refund).await),
        _ => None,
    };
    (governor.turn_as(endpoint, class).await, follows)
}

/// Asks the provider for what is owed. Gives what its answer leads to.
async fn step(
    settlement: &Settlement,
    order: &Order,
    owed: Owed<'_>,
    (turn, follows): Turns,
) -> Command {
    let id = order.id;
    let stripe = &settlement.stripe;
    let reconcile =
        |intent| Command::Reconcile { order: id, intent, known: SeenVersion::of(order) };
    match owed {
        Owed::Nothing | Owed::Expiry => unreachable!("these need no turn"),
        Owed::Create(payment) => {
            match count(settlement, "create", stripe.create(turn, order, payment).await) {
                Ok(intent) => Command::IntentCreated { order: id, intent: intent.id },
                // It will never be created so: an amount below the provider's minimum, say.
                Err(CallError::Refused(why) | CallError::Declined(why)) => {
                    let open = payment.open_attempt().map_or(0, |a| a.number);
                    settlement.metrics.alarms.inc();
                    let named = uuid::Uuid::from_u128(id.0);
                    tracing::error!(order = %named, why, "ALARM: the provider refuses this payment");
                    let reason = not_accepted(&why).into();
                    Command::AttemptDeclined { order: id, attempt: open, reason }
                }
                Err(error) => {
                    let open = payment.open_attempt().map_or(0, |a| a.number);
                    not_allowed(order, open, &error).unwrap_or_else(|| defer(order, error))
                }
            }
        }
        Owed::Confirm(payment, attempt) => {
            let url = settlement.links.pay_url(id);
            let confirmed = stripe.confirm(turn, order, payment, attempt, &url).await;
            let answer = |intent| Command::Reconcile {
                order: id,
                intent,
                known: SeenVersion::confirming(order),
            };
            match count(settlement, "confirm", confirmed) {
                Ok(intent) => answer(intent),
                Err(CallError::Declined(reason)) => {
                    Command::AttemptDeclined { order: id, attempt: attempt.number, reason }
                }
                // Refused without a decline: a token that is no good, or a payment that is no
                // longer where we thought. What can be read of it tells which.
                Err(CallError::Refused(why)) => match read(settlement, order, payment).await {
                    Ok(i) if is_of_no_use(&i, order, payment) => {
                        let other_key =
                            key::confirm_rotated(order) || tried_elsewhere(settlement, order).await;
                        if other_key && !was_refused(order) {
                            // A call under another key may still be under way, and have used the token
                            // up: let it run out before anything is said.
                            let (trouble, wait_ms) = (format!("{REFUSED}{why}"), LONGEST_CALL_MS);
                            return Command::Defer { order: id, trouble, wait_ms: Some(wait_ms) };
                        }
                        // It is too old, or was used before. What Stripe says of it is for us.
                        not_for_buyers(order, &why);
                        let reason = ENTER_AGAIN.to_owned();
                        Command::AttemptDeclined { order: id, attempt: attempt.number, reason }
                    }
                    // Under an earlier key it had arrived: the bank asks about this card.
                    Ok(intent) if intent.status == IntentStatus::RequiresAction => answer(intent),
                    Ok(intent) if no_news(order, &intent) => defer(order, CallError::Refused(why)),
                    Ok(intent) => reconcile(intent),
                    Err(error) => unreadable(order, error),
                },
                Err(CallError::Unknown(why)) if on(Mutant::UnknownIsDeclined) => {
                    Command::AttemptDeclined { order: id, attempt: attempt.number, reason: why }
                }
                Err(error) => match not_allowed(order, attempt.number, &error) {
                    Some(declined) => {
                        declined_unless_paid(settlement, order, payment, declined).await
                    }
                    None => after(settlement, order, payment, error).await,
                },
            }
        }
        Owed::Read(payment) => {
            match count(settlement, "read", stripe.read(turn, order, payment).await) {
                Ok(intent) => reconcile(intent),
                // It cannot be read, and its time is over: it can still be cancelled, and that tells.
                Err(CallError::NotAllowed(_))
                    if order.state == OrderState::Paying
                        && order.over(settlement.clock.now_ms()) =>
                {
                    give_up(order)
                }
                Err(error) => defer(order, error),
            }
        }
        Owed::Capture(payment) => {
            match count(settlement, "capture", stripe.capture(turn, order, payment).await) {
                Ok(intent) => reconcile(intent),
                Err(CallError::Unknown(_)) if on(Mutant::CaptureUnknownIsDone) => {
                    payment.believed(order).map_or_else(|| unreachable!("it is read"), reconcile)
                }
                Err(error) => after(settlement, order, payment, error).await,
            }
        }
        Owed::Cancel(payment) if on(Mutant::CancelNotAsked) => {
            let intent = payment.believed(order).expect("it has an id");
            reconcile(Intent { status: IntentStatus::Canceled, ..intent })
        }
        Owed::Cancel(payment) => {
            match count(settlement, "cancel", stripe.cancel(turn, order, payment).await) {
                Ok(intent) => reconcile(intent),
                Err(error) => after(settlement, order, payment, error).await,
            }
        }
        Owed::Refund(payment, refund) => {
            match give_back(settlement, order, payment, refund, turn, follows).await {
                Ok(outcome) => Command::RefundAnswered { order: id, refund: refund.id, outcome },
                Err(CallError::Refused(reason) | CallError::Declined(reason)) => {
                    // Perhaps because somebody gave the money back by hand: take that in first.
                    if let Ok(intent) = read(settlement, order, payment).await {
                        _ = settlement.writer.ask(reconcile(intent), None).await;
                    }
                    // Or because it was made by a call whose answer was lost.
                    let turn = settlement.stripe.governor().turn(Endpoint::Refunds).await;
                    let found = settlement.stripe.find_refund(turn, payment, refund).await;
                    let outcome = match count(settlement, "find_refund", found) {
                        Ok(Some(outcome)) => outcome,
                        Ok(None) => RefundOutcome::Failed(reason),
                        Err(error) => return defer(order, error),
                    };
                    Command::RefundAnswered { order: id, refund: refund.id, outcome }
                }
                Err(error) => defer(order, error),
            }
        }
    }
}

/// What a buyer hears when the provider does not even create the payment. Why is for the log: its words
/// may tell of our account.
fn not_accepted(why: &str) -> &'static str {
    match why.split(':').next() {
        Some("amount_too_small") => {
            "The amount is less than can be paid by card (amount_too_small); the organiser has been told."
        }
        Some("amount_too_large") => {
            "The amount is more than can be paid by card (amount_too_large); the organiser has been told."
        }
        _ => {
            "The payment provider does not accept payments for this order at the moment, whatever the \
             card; the organiser has been told."
        }
    }
}

/// Whether a confirmation that was refused leaves the payment where another card can be tried. The
/// page of an attempt that it was to replace may still wait there; after tries under other keys
/// it may be its own page, for one of them may have arrived.
fn is_of_no_use(intent: &Intent, order: &Order, payment: &Payment) -> bool {
    match intent.status {
        IntentStatus::RequiresPaymentMethod => true,
        IntentStatus::RequiresAction => payment.replaces() && order.tries < key::TRIES,
        _ => false,
    }
}

/// How the trouble of an order begins whose card was refused while an earlier call may be under way.
const REFUSED: &str = "the card was refused: ";
/// Longer than a call may take, in milliseconds (`--stripe-timeout-ms` is at most 80 s).
const LONGEST_CALL_MS: i64 = 90_000;
/// How the trouble of an order begins whose step our key does not allow.
const NOT_ALLOWED: &str = "our key is refused: ";
/// How the trouble of an order begins whose payment the provider does not show us: it belongs to another
/// account, or to the other mode, say.
const UNREADABLE: &str = "the payment cannot be read: ";
/// After so many tries an attempt is given up that our key does not allow: the buyer's time runs on.
const MOST_NOT_ALLOWED: u32 = 3;

/// What a buyer is told whose card could not be used, though no bank has refused it.
const ENTER_AGAIN: &str = "The card details could not be used any more; perhaps they were entered too \
                           long ago. Please enter the card again.";
/// The same where the fault is ours.
const NOT_OUR_KEY: &str = "This box office cannot take payments at the moment; its organiser has been \
                           told.";

/// Whether another process has tried this order since it was read: by now it may be asking under another
/// key. It waits before it does, so what is decided on this look comes before that.
async fn tried_elsewhere(settlement: &Settlement, order: &Order) -> bool {
    if !settlement.shared {
        return false;
    }
    let id = order.id;
    let now = settlement.reads.ask(move |r| r.order(id)).await;
    !now.is_ok_and(|now| now.is_some_and(|now| now.tries == order.tries))
}

/// Whether the card of the open attempt was refused once, and the longest call has been waited out.
fn was_refused(order: &Order) -> bool {
    order.trouble.as_ref().is_some_and(|trouble| trouble.contains(REFUSED))
}

/// Our key does not allow a step of an attempt: nothing has happened, and waiting does not help. After
/// some tries the attempt is declined, so that the places of the order come back in the end; but not
/// while an earlier call, that was allowed, may be under way.
fn not_allowed(order: &Order, attempt: u16, error: &CallError) -> Option<Command> {
    let certain = matches!(error, CallError::NotAllowed(_) | CallError::KeyRefused(_));
    let reason = NOT_OUR_KEY.to_owned();
    let declined = Command::AttemptDeclined { order: order.id, attempt, reason };
    (certain && was_blocked_often(order)).then_some(declined)
}

/// Whether our key kept an attempt from being asked for or read before, the longest call has been waited
/// out since, and this is one of several tries.
fn was_blocked_often(order: &Order) -> bool {
    let blocked = |trouble: &String| trouble.contains(NOT_ALLOWED) || trouble.contains(UNREADABLE);
    order.trouble.as_ref().is_some_and(blocked) && order.tries + 1 >= MOST_NOT_ALLOWED
}

/// Our key may not confirm any more. An earlier confirmation, whose answer was lost, may have gone through
/// all the same: a decline says that nothing was charged, so that is read first.
async fn declined_unless_paid(
    settlement: &Settlement,
    order: &Order,
    payment: &Payment,
    declined: Command,
) -> Command {
    match read(settlement, order, payment).await {
        Ok(intent) => declined_unless_charged(order, payment, intent, declined),
        Err(error) => unreadable(order, error),
    }
}

/// The same with what was read.
fn declined_unless_charged(
    order: &Order,
    payment: &Payment,
    intent: Intent,
    declined: Command,
) -> Command {
    match intent.status {
        IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation => declined,
        // Nothing is charged for as long as a bank asks; it may be about the card before.
        IntentStatus::RequiresAction if payment.replaces() => declined,
        _ if no_news(order, &intent) => {
            let why = "the payment is being processed, and our key may not confirm it".into();
            defer(order, CallError::NotAllowed(why))
        }
        _ => Command::Reconcile { order: order.id, intent, known: SeenVersion::of(order) },
    }
}

/// A pending attempt cannot go on, and what became of it cannot be read. If that does not pass, the order
/// is given up: its payment can still be cancelled, and the answer to that tells whether money was set
/// aside. A decline would say that nothing was charged, and nobody knows that.
fn unreadable(order: &Order, error: CallError) -> Command {
    match error {
        CallError::NotAllowed(_) | CallError::KeyRefused(_) | CallError::Refused(_)
            if was_blocked_often(order) =>
        {
            give_up(order)
        }
        CallError::Refused(why) => {
            let (trouble, wait_ms) = (format!("{UNREADABLE}{why}"), Some(LONGEST_CALL_MS));
            Command::Defer { order: order.id, trouble, wait_ms }
        }
        error => defer(order, error),
    }
}

/// Gives an order up, unless more is known by now of its last attempt.
fn give_up(order: &Order) -> Command {
    let last = order.payment.as_ref().and_then(|payment| payment.attempts.last());
    Command::GiveUp { order: order.id, attempt: last.map_or(0, |last| last.number) }
}

/// Whether what was read says no more than was known before what was asked for failed: then the order
/// waits for the reason of that.
fn no_news(order: &Order, intent: &Intent) -> bool {
    use IntentStatus::{
        Processing, RequiresAction, RequiresCapture, RequiresConfirmation, RequiresPaymentMethod,
    };
    match order.state {
        OrderState::Paying => {
            let pending = order.payment.as_ref().filter(|p| p.pending_attempt().is_some());
            pending.is_some_and(|payment| match intent.status {
                RequiresPaymentMethod | RequiresConfirmation => true,
                // It may be about the card that this one replaces.
                RequiresAction | Processing => payment.replaces(),
                _ => false,
            })
        }
        OrderState::Committed => intent.status == RequiresCapture,
        OrderState::Canceling | OrderState::Released | OrderState::Void => matches!(
            intent.status,
            RequiresPaymentMethod
                | RequiresConfirmation
                | RequiresAction
                | Processing
                | RequiresCapture
        ),
        _ => false,
    }
}

/// The provider's words about a call are for the log: they may tell of our account.
fn not_for_buyers(order: &Order, why: &str) {
    let order = uuid::Uuid::from_u128(order.id.0);
    tracing::warn!(%order, why, "the card could not be used");
}

/// What a failed call leads to: where nothing happened, wait; else read the object back. A key that
/// was used for another call (the public address was changed in between, say) tells that something
/// was asked before, so that is read as well.
async fn after(
    settlement: &Settlement,
    order: &Order,
    payment: &Payment,
    error: CallError,
) -> Command {
    match error {
        CallError::NotDone(..) | CallError::KeyRefused(_) | CallError::NotAllowed(_) => {
            defer(order, error)
        }
        CallError::KeyReuse(_)
        | CallError::Declined(_)
        | CallError::Refused(_)
        | CallError::Unknown(_) => {
            let read = read(settlement, order, payment).await;
            if read.as_ref().is_ok_and(|intent| no_news(order, intent)) {
                return defer(order, error);
            }
            // `defer` tells of it itself.
            if let CallError::KeyReuse(why) = &error {
                key_reused(order, why);
            }
            match read {
                Ok(intent) => {
                    Command::Reconcile { order: order.id, intent, known: SeenVersion::of(order) }
                }
                Err(error) => defer(order, error),
            }
        }
    }
}

fn key_reused(order: &Order, why: &str) {
    let order = uuid::Uuid::from_u128(order.id.0);
    tracing::error!(%order, why, "ALARM: an idempotency key was used for another call");
}

/// How old it may be that a refund was not found at the provider, when it is requested: less than the pause
/// before it is requested under another key.
const LOOKED_UP_MS: i64 = LONGEST_CALL_MS / 2;

/// Refunds are looked for before they are asked for: a partial refund under a second key would be
/// paid twice once the provider has forgotten the first key.
async fn give_back(
    settlement: &Settlement,
    order: &Order,
    payment: &Payment,
    refund: &Refund,
    turn: Turn,
    follows: Option<Turn>,
) -> Result<RefundOutcome, CallError> {
    let stripe = &settlement.stripe;
    if on(Mutant::RefundNewKey) {
        let tries = order.tries.saturating_mul(boxoffice::REFUND_TRIES);
        let order = Order { tries, ..order.clone() };
        let turn = Turn { endpoint: Endpoint::Refund, waited: false };
        return count(settlement, "refund", stripe.refund(turn, &order, payment, refund).await);
    }
    let asked = settlement.clock.both_ms();
    let known = stripe.find_refund(turn, payment, refund).await;
    if let Some(outcome) = count(settlement, "find_refund", known)? {
        return Ok(outcome);
    }
    // A process that stood still since then (a machine that was suspended) knows nothing any more of what
    // others have refunded meanwhile under another key.
    if settlement.clock.passed_ms(asked) > LOOKED_UP_MS {
        let why = "the refund was looked for too long ago";
        return count(settlement, "refund", Err(CallError::NotDone(why.into(), None)));
    }
    let follows = follows.expect("a refund has a turn for being looked for, and one for itself");
    count(settlement, "refund", stripe.refund(follows, order, payment, refund).await)
}

async fn read(
    settlement: &Settlement,
    order: &Order,
    payment: &Payment,
) -> Result<Intent, CallError> {
    let class = settlement.payment_class(order);
    let turn = settlement.stripe.governor().turn_as(Endpoint::Read, class).await;
    count(settlement, "read", settlement.stripe.read(turn, order, payment).await)
}

/// How long to wait when the provider does not accept our key, or what it asks for.
const KEY_REFUSED_MS: i64 = 60_000;

fn defer(order: &Order, error: CallError) -> Command {
    let (trouble, wait_ms) = match error {
        CallError::NotDone(why, wait_ms) => (why, wait_ms),
        CallError::KeyReuse(why) => {
            key_reused(order, &why);
            (why, None)
        }
        CallError::KeyRefused(_) | CallError::NotAllowed(_) => {
            let pending = order.payment.as_ref().and_then(Payment::pending_attempt);
            let wait_ms = if pending.is_some() { LONGEST_CALL_MS } else { KEY_REFUSED_MS };
            (format!("{NOT_ALLOWED}{error}"), Some(wait_ms))
        }
        CallError::Declined(why) | CallError::Refused(why) | CallError::Unknown(why) => (why, None),
    };
    Command::Defer { order: order.id, trouble, wait_ms }
}

fn count<T>(
    settlement: &Settlement,
    call: &'static str,
    result: Result<T, CallError>,
) -> Result<T, CallError> {
    let outcome = match &result {
        Ok(_) => "ok",
        Err(CallError::Declined(_)) => "declined",
        Err(CallError::Refused(_)) => "refused",
        Err(CallError::NotDone(..)) => "not_done",
        Err(CallError::KeyRefused(_)) => "key_refused",
        Err(CallError::NotAllowed(_)) => "not_allowed",
        Err(CallError::KeyReuse(_)) => "key_reuse",
        Err(CallError::Unknown(_)) => "unknown",
    };
    let counted = ProviderCall { operation: call, outcome };
    settlement.metrics.provider.get_or_create(&counted).inc();
    match result {
        Err(CallError::NotAllowed(_)) => _ = external::tell_missing(settlement),
        // `key_reused` says of which order.
        Err(CallError::KeyReuse(_)) => _ = settlement.metrics.alarms.inc(),
        _ => {}
    }
    result
}
