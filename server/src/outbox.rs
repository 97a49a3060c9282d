//! Does what orders owe: lets holds run out, and settles payments with the provider.
//!
//! The order table is the list of what is owed ([`boxoffice::Order::due_ms`]); a ring only saves
//! the waiting. For every order one thing is done at a time: read the order, ask the provider for
//! what [`boxoffice::owed`] says, and hand what it answered to the writer as a command.
//!
//! What it does not know: HTTP, SQL, and which provider it is.

use crate::app::App;
use crate::metrics::Label;
use crate::payments::CallError;
use crate::writer::{Answer, NoReply};
use boxoffice::{
    Command, Intent, IntentStatus, Order, OrderId, OrderState, Owed, Payment, Refund,
    RefundOutcome, owed,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, MissedTickBehavior, interval};

/// How often the list of what is owed is read.
const LOOK: Duration = Duration::from_millis(100);
/// How many orders are settled at the same time.
const AT_ONCE: usize = 128;
/// How many orders the list gives at a time: a crowd of expiring holds shares the writer with
/// those who buy.
const DUE_AT_ONCE: usize = 512;
/// How many things are done for an order in a row.
const MOST_STEPS: usize = 12;

/// Runs until the process ends. `rings` names orders that owe something now.
pub async fn run(app: Arc<App>, mut rings: mpsc::Receiver<OrderId>) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut busy: BTreeSet<OrderId> = BTreeSet::new();
    let mut again: BTreeSet<OrderId> = BTreeSet::new();
    let mut tasks: JoinSet<OrderId> = JoinSet::new();
    loop {
        let mut next: Vec<OrderId> = Vec::new();
        tokio::select! {
            biased;
            Some(done) = tasks.join_next() => {
                let order = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                busy.remove(&order);
                if again.remove(&order) {
                    next.push(order);
                }
            }
            ring = rings.recv(), if busy.len() < AT_ONCE => match ring {
                Some(order) => next.push(order),
                None => return,
            },
            _ = look.tick(), if busy.len() < AT_ONCE => {
                let now = app.clock.now_ms();
                match app.reads.ask(move |r| r.due(now, DUE_AT_ONCE)).await {
                    Ok(due) => next.extend(due),
                    Err(fault) => tracing::error!(%fault, "cannot read what is owed"),
                }
            }
        }
        for order in next {
            if !busy.insert(order) {
                again.insert(order);
                continue;
            }
            let app = Arc::clone(&app);
            tasks.spawn(async move {
                settle(&app, order).await;
                order
            });
        }
    }
}

/// Does what an order owes until nothing more is due, and no more than a few things in a row.
pub async fn settle(app: &App, id: OrderId) {
    for _ in 0..MOST_STEPS {
        let order = match app.reads.ask(move |r| r.order(id)).await {
            Ok(Some(order)) => order,
            Ok(None) => return,
            Err(fault) => return tracing::error!(%fault, "cannot read an order that owes"),
        };
        let now = app.clock.now_ms();
        if order.due_ms.is_none_or(|due| due > now) {
            return;
        }
        let command = match next_command(app, &order).await {
            Some(command) => command,
            None => return,
        };
        match app.ask(command, None).await {
            Ok(_) => {}
            Err(NoReply::Refused(refusal)) => {
                // The order moved on meanwhile: the next look at it sees where to.
                return tracing::debug!(?refusal, "a step was overtaken");
            }
            // Nothing is lost: it is still owed.
            Err(no) => return tracing::warn!(?no, "a step has to wait"),
        }
    }
}

/// The buyer is back, or a webhook came, or somebody looks at the page: read the PaymentIntent of
/// an order that waits for something at the provider, now instead of when it is due.
pub async fn reconcile(app: &App, order: &Order) -> Option<Answer> {
    if !matches!(order.state, OrderState::Paying | OrderState::Canceling | OrderState::Committed) {
        return None;
    }
    let payment = order.payment.as_ref().filter(|p| p.intent.is_some())?;
    let intent = app.provider.read(payment).await.ok()?;
    Some(app.ask(Command::Reconcile { order: order.id, intent }, None).await)
}

async fn next_command(app: &App, order: &Order) -> Option<Command> {
    let id = order.id;
    let reconcile = |intent| Command::Reconcile { order: id, intent };
    let command = match owed(order) {
        Owed::Nothing => return None,
        Owed::Expiry => Command::Expire { order: id },
        Owed::Create(payment) => {
            match count(app, "create", app.provider.create(order, payment).await) {
                Ok(intent) => Command::IntentCreated { order: id, intent: intent.id },
                Err(error) => defer(order, error),
            }
        }
        Owed::Confirm(payment, attempt) => {
            let url = app.order_url(id);
            match count(app, "confirm", app.provider.confirm(payment, attempt, &url).await) {
                Ok(intent) => reconcile(intent),
                Err(CallError::Declined(reason)) => {
                    Command::AttemptDeclined { order: id, attempt: attempt.number, reason }
                }
                // Refused without a decline: a token that is no good, or a payment that is no
                // longer where we thought. What can be read of it tells which.
                Err(CallError::Refused(reason)) => match read(app, payment).await {
                    Ok(i) if i.status == IntentStatus::RequiresPaymentMethod => {
                        Command::AttemptDeclined { order: id, attempt: attempt.number, reason }
                    }
                    Ok(intent) => reconcile(intent),
                    Err(error) => defer(order, error),
                },
                Err(error) => after(app, order, payment, error).await,
            }
        }
        Owed::Read(payment) => match read(app, payment).await {
            Ok(intent) => reconcile(intent),
            Err(error) => defer(order, error),
        },
        Owed::Capture(payment) => {
            match count(app, "capture", app.provider.capture(order, payment).await) {
                Ok(intent) => reconcile(intent),
                Err(error) => after(app, order, payment, error).await,
            }
        }
        Owed::Cancel(payment) => {
            match count(app, "cancel", app.provider.cancel(order, payment).await) {
                Ok(intent) => reconcile(intent),
                Err(error) => after(app, order, payment, error).await,
            }
        }
        Owed::Refund(payment, refund) => match give_back(app, payment, refund).await {
            Ok(outcome) => Command::RefundAnswered { order: id, refund: refund.id, outcome },
            Err(CallError::Refused(reason) | CallError::Declined(reason)) => {
                let outcome = RefundOutcome::Failed(reason);
                Command::RefundAnswered { order: id, refund: refund.id, outcome }
            }
            Err(error) => defer(order, error),
        },
    };
    Some(command)
}

/// What a failed call leads to: where nothing happened, wait; else read the object back.
async fn after(app: &App, order: &Order, payment: &Payment, error: CallError) -> Command {
    match error {
        CallError::NotDone(..) | CallError::KeyReuse(_) => defer(order, error),
        CallError::Declined(_) | CallError::Refused(_) | CallError::Unknown(_) => {
            match read(app, payment).await {
                Ok(intent) => Command::Reconcile { order: order.id, intent },
                Err(error) => defer(order, error),
            }
        }
    }
}

/// Refunds are looked for before they are asked for: a partial refund under a second key would be
/// paid twice once the provider has forgotten the first key.
async fn give_back(
    app: &App,
    payment: &Payment,
    refund: &Refund,
) -> Result<RefundOutcome, CallError> {
    match count(app, "find_refund", app.provider.find_refund(payment, refund).await)? {
        Some(outcome) => Ok(outcome),
        None => count(app, "refund", app.provider.refund(payment, refund).await),
    }
}

async fn read(app: &App, payment: &Payment) -> Result<Intent, CallError> {
    count(app, "read", app.provider.read(payment).await)
}

fn defer(order: &Order, error: CallError) -> Command {
    let (trouble, wait_ms) = match error {
        CallError::NotDone(why, wait_ms) => (why, wait_ms),
        CallError::KeyReuse(why) => {
            tracing::error!(order = %uuid::Uuid::from_u128(order.id.0), why, "an idempotency key was used twice");
            (why, Some(60_000))
        }
        CallError::Declined(why) | CallError::Refused(why) | CallError::Unknown(why) => (why, None),
    };
    Command::Defer { order: order.id, trouble, wait_ms }
}

fn count<T>(app: &App, call: &'static str, result: Result<T, CallError>) -> Result<T, CallError> {
    let name = match (&result, call) {
        (Ok(_), call) => call,
        (Err(CallError::Declined(_)), _) => "declined",
        (Err(CallError::Refused(_)), _) => "refused",
        (Err(CallError::NotDone(..)), _) => "not_done",
        (Err(CallError::KeyReuse(_)), _) => "key_reuse",
        (Err(CallError::Unknown(_)), _) => "unknown",
    };
    app.metrics.provider.get_or_create(&Label { name }).inc();
    result
}
