//! How calls go wrong, and how a test holds one in the middle.

use crate::payments::wire::WireRequest;
use boxoffice::OrderId;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The calls, as they can be told to misbehave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operation {
    /// Creating a PaymentIntent.
    Create,
    /// Confirming one.
    Confirm,
    /// Reading one.
    Read,
    /// Capturing one.
    Capture,
    /// Cancelling one.
    Cancel,
    /// Listing the refunds of a payment, or all.
    FindRefund,
    /// Asking for a refund.
    Refund,
    /// Listing PaymentIntents.
    List,
    /// Listing disputes.
    Disputes,
    /// Something that Stripe does not know.
    Other,
}

/// Which call a request is.
pub(super) fn operation(request: &WireRequest) -> Operation {
    let path = request.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method, &parts[..]) {
        ("POST", ["v1", "payment_intents"]) => Operation::Create,
        ("POST", ["v1", "payment_intents", _, "confirm"]) => Operation::Confirm,
        ("POST", ["v1", "payment_intents", _, "capture"]) => Operation::Capture,
        ("POST", ["v1", "payment_intents", _, "cancel"]) => Operation::Cancel,
        ("GET", ["v1", "payment_intents", _]) => Operation::Read,
        ("GET", ["v1", "payment_intents"]) => Operation::List,
        ("POST", ["v1", "refunds"]) => Operation::Refund,
        ("GET", ["v1", "refunds"]) => Operation::FindRefund,
        ("GET", ["v1", "disputes"]) => Operation::Disputes,
        _ => Operation::Other,
    }
}

/// How a call goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InjectedFault {
    /// The request is lost: nothing happens, nobody knows.
    LostBefore,
    /// The answer is lost: it happened, nobody knows.
    LostAfter,
    /// No connection: nothing happens, and in process that is known.
    NoConnection,
    /// 429: nothing happens; ask again later.
    TooMany,
    /// 429 `lock_timeout`: somebody else changes the object; nothing happens.
    LockTimeout,
    /// 403: the key may not do this.
    Forbidden,
    /// 424: something that Stripe needs failed; nothing happened.
    DependencyBefore,
    /// 424: it failed when it had happened.
    DependencyAfter,
    /// All is well, and what may be null in the answer is null.
    Nulls,
    /// A refund is pending at first, and succeeds after a minute.
    RefundPends,
    /// A refund is pending at first, and fails after a minute.
    RefundFails,
    /// What stands for the card has expired when it arrives.
    TokenExpired,
    /// 409: another call under this key is running.
    Conflict,
    /// 500, and nothing happened; repeated under the key.
    ErrorBefore,
    /// 500, and it happened; repeated under the key.
    ErrorAfter,
    /// A proxy's page with status 502; nothing happened.
    Html,
    /// A page instead of JSON, with status 200; it happened.
    HtmlOk,
    /// Half of the JSON; it happened.
    Garbled,
    /// No answer for a minute; nothing happened.
    HangBefore,
    /// No answer for a minute; it happened.
    HangAfter,
    /// All is well, but it takes so many milliseconds longer.
    Slow(u64),
}

/// Says of each call how it goes wrong, if at all.
pub(super) type Plan = Box<dyn FnMut(Operation) -> Option<InjectedFault> + Send>;

/// Where a call is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Before anything has happened.
    Before,
    /// When it has happened, before the answer leaves.
    After,
}

/// A call that is held, or will be.
pub struct Breakpoint(Arc<Held>);

struct Held {
    operation: Operation,
    stop: Stop,
    /// Only calls about this order are held.
    order: Option<OrderId>,
    state: Mutex<HeldState>,
    changed: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HeldState {
    /// No call has come yet.
    Waiting,
    /// One is held.
    Arrived,
    /// It may go on.
    LetGo,
    /// It is cut off.
    Cut,
}

impl Held {
    fn get(&self) -> HeldState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: HeldState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_waiters();
    }

    async fn until(&self, is: impl Fn(HeldState) -> bool) -> HeldState {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let state = self.get();
            if is(state) {
                return state;
            }
            changed.await;
        }
    }
}

impl Breakpoint {
    /// Waits until a call is held here.
    pub async fn arrived(&self) {
        self.0.until(|state| state != HeldState::Waiting).await;
    }

    /// Lets it go on.
    pub fn resume(self) {
        self.0.set(HeldState::LetGo);
    }

    /// Cuts it off: no answer.
    pub fn cut(self) {
        self.0.set(HeldState::Cut);
    }
}

/// What was told to go wrong.
#[derive(Default)]
pub(super) struct Faults {
    plan: Mutex<Option<Plan>>,
    pauses: Mutex<Vec<Arc<Held>>>,
}

impl Faults {
    pub fn plan(&self, plan: Option<Plan>) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    pub fn next(&self, operation: Operation) -> Option<InjectedFault> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.as_mut().and_then(|plan| plan(operation))
    }

    pub fn pause(&self, operation: Operation, stop: Stop, order: Option<OrderId>) -> Breakpoint {
        let state = Mutex::new(HeldState::Waiting);
        let held = Arc::new(Held { operation, stop, order, state, changed: Notify::new() });
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&held));
        Breakpoint(held)
    }

    /// Holds a call if it is to be held here; `about` tells which order it is about. False: it is cut off.
    pub async fn stop(
        &self,
        operation: Operation,
        stop: Stop,
        about: impl FnOnce() -> Option<OrderId>,
    ) -> bool {
        let held = {
            let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
            let here = |p: &Held| p.operation == operation && p.stop == stop;
            let order = pauses.iter().any(|p| here(p) && p.order.is_some()).then(about).flatten();
            let at = pauses.iter().position(|p| here(p) && (p.order.is_none() || p.order == order));
            at.map(|at| pauses.remove(at))
        };
        let Some(held) = held else { return true };
        held.set(HeldState::Arrived);
        let over = |state| matches!(state, HeldState::LetGo | HeldState::Cut);
        held.until(over).await == HeldState::LetGo
    }
}
