//! What the server says to the people who run it: the errors of its log, alarms among them.
//!
//! An alarm that a fault of the plan explains is part of a storm. One that nothing explains can only be
//! our own bug, and is a broken promise; so is a line that is not known here, and an alarm that was not
//! raised although money does not fit.

use crate::auditor::Auditor;
use crate::plan::Fault::{self, *};
use crate::trace::{Promise, Trace};
use crate::world::World;
use boxoffice::{Order, OrderId, OrderState, RefundState};
use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest, Subscriber};
use tracing::{Event, Level, Metadata};

/// More lines than so many are not kept: then the log says the same again and again.
const MOST: usize = 20_000;

/// So long after the storm a commit of the storm may still become known, in milliseconds.
const AFTER_MS: i64 = 120_000;

/// What was said, oldest first.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Listens to what is said in this thread until what is given is dropped.
    pub fn listen(&self) -> DefaultGuard {
        tracing::subscriber::set_default(Ear(self.clone()))
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Ear(Log);

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            _ = write!(self.message, "{value:?}");
        } else {
            _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }
}

impl Subscriber for Ear {
    fn register_callsite(&self, at: &'static Metadata<'static>) -> Interest {
        if *at.level() <= Level::ERROR { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, at: &Metadata<'_>) -> bool {
        *at.level() <= Level::ERROR
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        let mut lines = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < MOST {
            lines.push(format!("{}{}", words.message, words.fields));
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What explains a line.
enum Because {
    /// One of these has struck.
    Of(&'static [Fault]),
    /// Anything that can go wrong is.
    Any,
    /// It need not be explained.
    Always,
}

/// A refund, a capture or a void that was made in the provider's desk, and what banks do.
const HANDS: &[Fault] = &[
    CapturedByHand,
    RefundedByHand,
    HandsAnywhere,
    AwayForWeeks,
    Voided,
    RefundFailsLater,
    RefundPending,
];

/// What may be said, by a part of it, and what must be in the plan for that. The first that fits counts.
const MAY_BE_SAID: &[(&str, Because)] = &[
    ("captured by somebody else before we committed", Because::Of(&[CapturedByHand])),
    ("captured while it was being cancelled", Because::Of(&[CapturedByHand])),
    ("paid although it was released", Because::Of(&[CapturedByHand])),
    // It is never confirmed. Two processes made it under two keys, or the first call came too late.
    ("a second PaymentIntent", Because::Any),
    ("text=\"received ", Because::Of(&[CapturedByHand])),
    ("given back by hand", Because::Of(HANDS)),
    ("all of the money is back by hand", Because::Of(HANDS)),
    // After a sum was refunded, tickets took the rest.
    ("nothing of the money is kept any more", Because::Always),
    ("failed after all", Because::Of(HANDS)),
    ("charge_disputed", Because::Of(&[Disputed, HandsAnywhere])),
    // With nulls for its words it does not say that a dispute is why.
    ("(no message)", Because::Of(&[ProviderNulls])),
    ("the provider refused the refund", Because::Of(HANDS)),
    ("was refused, but it was made", Because::Any),
    ("money is left of an order that was released", Because::Of(HANDS)),
    ("disputed by the cardholder", Because::Of(&[Disputed, HandsAnywhere])),
    ("the authorisation ended before it was captured", Because::Any),
    ("cannot move on", Because::Any),
    // After a day of trying, or of a process that dies.
    ("a message is given up", Because::Of(&[MailLater, MailAway])),
    ("of the attempts to pay within ten minutes were declined", Because::Always),
    ("ALARM: the Stripe key may not", Because::Of(&[ProviderForbidden])),
    ("ALARM", Because::Of(&[])),
    ("a template failed", Because::Of(&[])),
    ("a PDF of tickets could not be made", Because::Of(&[])),
    ("the sandbox's own database", Because::Of(&[])),
    ("recorded at the door cannot be read", Because::Of(&[])),
    ("the store", Because::Any),
    ("cannot read", Because::Any),
    ("a question to the database failed", Because::Any),
    ("Stripe cannot be asked", Because::Any),
];

/// Whether a line may be said in a run in which these faults have struck.
fn explained(struck: &BTreeMap<Fault, u64>, line: &str) -> bool {
    let Some((_, because)) = MAY_BE_SAID.iter().find(|(part, _)| line.contains(part)) else {
        return false;
    };
    match because {
        Because::Of(faults) => faults.iter().any(|fault| struck.contains_key(fault)),
        Because::Any => !struck.is_empty(),
        Because::Always => true,
    }
}

/// Judges what was said in a run: nothing may be said that nothing explains.
pub fn judge(world: &World, log: &Log) {
    let lines = log.lines();
    let struck = world.chaos.struck();
    if let Some(line) = lines.iter().find(|line| !explained(&struck, line)) {
        let line: String = line.chars().take(300).collect();
        world.broken(Promise::NoAlarm, None, format!("nothing explains that it said: {line}"));
    }
    // Who is killed between a commit and its telling has told nobody, so only the calm counts.
    if lines.len() >= MOST {
        return;
    }
    let wanted: Vec<OrderId> = world.audit(|auditor, _, _| {
        let calm = auditor.calm_at_ms.map_or(i64::MAX, |since| since + AFTER_MS);
        auditor.alarming.iter().filter(|(at, _)| *at > calm).map(|(_, id)| *id).collect()
    });
    for order in wanted {
        let id = uuid::Uuid::from_u128(order.0).to_string();
        if !lines.iter().any(|line| line.contains("ALARM") && line.contains(&id)) {
            let text = "a person should look at it, and no alarm was raised";
            world.broken(Promise::NoAlarm, Some(order), text);
        }
    }
}

/// How much there is about an order that a person must be told of: money that others moved, that came back
/// or that is disputed, and refunds of all that came for places that were gone.
fn wants_a_person(order: &Order) -> usize {
    let others = order.refunds.iter().filter(|r| r.by_hand).count();
    let back = order.refunds.iter().filter(|r| r.failed_later()).count();
    let sold = order.state.sells();
    let wrong = order.refunds.iter().filter(|r| !sold && !r.by_hand).count().min(1);
    let refused = |r: &&boxoffice::Refund| matches!(r.state, RefundState::Failed(_));
    let refused = order.refunds.iter().filter(refused).count();
    let dispute = order.payment.as_ref().is_some_and(|p| p.dispute.is_some());
    others + back + wrong + refused + usize::from(dispute)
}

impl Auditor {
    /// An order is committed: what a person must be told of stands with it. Gives whether there is news of
    /// that kind.
    pub(crate) fn troubled(
        trace: &mut Trace,
        at_ms: i64,
        known: Option<&Order>,
        order: &Order,
    ) -> bool {
        let news = wants_a_person(order) > known.map_or(0, wants_a_person);
        // A refund that began or ended in the same step is looked after.
        let refunding = |order: &Order| order.state == OrderState::Refunding;
        let refunded = refunding(order) || known.is_some_and(refunding);
        if news && order.trouble.is_none() && !refunded {
            let text = "a person should look at it, and nothing stands with it";
            trace.broken(at_ms, Promise::NoAlarm, Some(order.id), text.into());
        }
        news
    }
}
