//! A truthful payment provider in memory: the states of its PaymentIntents, the keys of its calls
//! and a ledger of the money. What it does it does once for each key; what it says is true at that
//! moment. Whether a call or its answer arrives is another's business.

use boxoffice::{
    Currency, Dispute, Intent, IntentStatus, Money, OrderId, PaymentId, RefundId, RefundOutcome,
    RefundSeen, TimeMs,
};
use std::collections::BTreeMap;

/// A call as it goes over the wire. The same call is the same key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Call {
    Create { order: OrderId, payment: PaymentId, minor: i64, currency: Currency, live: bool },
    Confirm { intent: String, attempt: u16, token: String },
    Capture { intent: String },
    Cancel { intent: String },
    Refund { intent: String, refund: RefundId, minor: i64 },
}

/// What somebody does at the provider's own desk, beside us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByHand {
    Capture,
    /// All but so much of it.
    CaptureLess(i64),
    Cancel,
    /// So much of it, or all that is left.
    Refund(Option<i64>),
    /// The bank does not take the last of those refunds.
    RefundFails,
    Dispute(&'static str),
}

/// What a call ends with.
#[derive(Clone, Debug)]
pub enum Answer {
    Intent(Box<Intent>),
    Refund(RefundOutcome),
    Declined(String),
    Refused(String),
}

struct Paying {
    intent: Intent,
    /// Money taken, and money given back.
    captured: i64,
    returned: i64,
    /// When its authorisation ends.
    dies: TimeMs,
}

/// The provider.
#[derive(Default)]
pub struct Provider {
    intents: BTreeMap<String, Paying>,
    /// What was answered under a key.
    answered: BTreeMap<Call, Answer>,
    refunds: BTreeMap<RefundId, RefundOutcome>,
    /// How many ids it has given away.
    ids: u128,
}

/// Less than this is not worth its while.
const LEAST_MINOR: i64 = 30;

const WEEK: TimeMs = 7 * 86_400_000;

impl Provider {
    /// Does what a call asks, unless it was done before.
    pub fn call(&mut self, call: &Call, now: TimeMs) -> Answer {
        self.pass(now);
        // Capturing and cancelling go by the state alone; the others are known by their key.
        let by_state = matches!(call, Call::Capture { .. } | Call::Cancel { .. });
        let known = self.answered.get(call).filter(|_| !by_state).cloned();
        let mut answer = known.unwrap_or_else(|| self.act(call, now));
        self.answered.entry(call.clone()).or_insert_with(|| answer.clone());
        if let Answer::Intent(intent) = &mut answer {
            self.hand_out_ids(intent);
        }
        answer
    }

    fn act(&mut self, call: &Call, now: TimeMs) -> Answer {
        let Call::Create { order, payment, minor, currency, live } = call else {
            return self.act_on(call, now);
        };
        if *minor < LEAST_MINOR {
            return Answer::Refused("amount_too_small".into());
        }
        let id = format!("pi_{}", self.intents.len() + 1);
        let intent = Intent {
            id: id.clone(),
            status: IntentStatus::RequiresPaymentMethod,
            amount: Money { minor: *minor, currency: *currency },
            received_minor: 0,
            live: *live,
            order: Some(*order),
            payment: Some(*payment),
            action: None,
            last_error: None,
            refunds: vec![],
            dispute: None,
        };
        let paying = Paying { intent: intent.clone(), captured: 0, returned: 0, dies: TimeMs::MAX };
        self.intents.insert(id, paying);
        Answer::Intent(Box::new(intent))
    }

    fn act_on(&mut self, call: &Call, now: TimeMs) -> Answer {
        use IntentStatus::*;
        let id = match call {
            Call::Create { .. } => unreachable!("there is nothing to act on yet"),
            Call::Confirm { intent, .. }
            | Call::Capture { intent }
            | Call::Cancel { intent }
            | Call::Refund { intent, .. } => intent,
        };
        let paying = self.intents.get_mut(id).expect("a PaymentIntent that was created");
        let status = &mut paying.intent.status;
        match call {
            Call::Confirm { token, .. } => {
                if !matches!(status, RequiresPaymentMethod | RequiresConfirmation | RequiresAction)
                {
                    return Answer::Refused(format!("it is {status:?}"));
                }
                // Another card takes the place of the one whose bank was asked.
                paying.intent.action = None;
                match token.as_str() {
                    "declined" => {
                        *status = RequiresPaymentMethod;
                        paying.intent.last_error = Some("declined".into());
                        return Answer::Declined("declined".into());
                    }
                    "3ds" => {
                        *status = RequiresAction;
                        paying.intent.action = Some("show".into());
                    }
                    "slow" => *status = Processing,
                    _ => *status = RequiresCapture,
                }
                paying.dies = now + WEEK;
            }
            Call::Capture { .. } if *status == RequiresCapture => {
                *status = Succeeded;
                paying.captured += paying.intent.amount.minor;
                paying.intent.received_minor = paying.captured;
            }
            Call::Cancel { .. } if !matches!(status, Processing | Succeeded | Canceled) => {
                *status = Canceled;
            }
            Call::Refund { refund, minor, .. } => {
                if paying.captured - paying.returned < *minor {
                    return Answer::Refused("more than was paid".into());
                }
                let name = format!("re_{}", refund.0);
                // Some banks take it back at once, some take their time, some refuse.
                let outcome = match refund.0 % 5 {
                    0 => RefundOutcome::Pending,
                    1 => RefundOutcome::Failed("the account is closed".into()),
                    _ => RefundOutcome::Succeeded(name.clone()),
                };
                let failed = matches!(outcome, RefundOutcome::Failed(_));
                if !failed {
                    paying.returned += minor;
                }
                let (ours, fresh, amount_minor) = (Some(*refund), RefundId(0), *minor);
                let done = matches!(outcome, RefundOutcome::Succeeded(_));
                let seen =
                    RefundSeen { provider_id: name, ours, fresh, amount_minor, failed, done };
                paying.intent.refunds.push(seen);
                self.refunds.insert(*refund, outcome.clone());
                return Answer::Refund(outcome);
            }
            _ => return Answer::Refused(format!("it is {status:?}")),
        }
        Answer::Intent(Box::new(paying.intent.clone()))
    }

    /// Reads a PaymentIntent.
    pub fn read(&mut self, intent: &str, now: TimeMs) -> Intent {
        self.pass(now);
        let mut intent = self.intents[intent].intent.clone();
        self.hand_out_ids(&mut intent);
        intent
    }

    /// Each reading brings unused ids for the refunds in it.
    fn hand_out_ids(&mut self, intent: &mut Intent) {
        for refund in &mut intent.refunds {
            self.ids += 1;
            refund.fresh = RefundId((1 << 64) + self.ids);
        }
    }

    /// Somebody does something by hand, if it can be done.
    pub fn by_hand(&mut self, intent: &str, what: ByHand, now: TimeMs) {
        use IntentStatus::*;
        self.pass(now);
        let name = format!("re_hand_{}", self.ids);
        self.ids += 1;
        let Some(paying) = self.intents.get_mut(intent) else { return };
        let status = paying.intent.status;
        match what {
            ByHand::Capture | ByHand::CaptureLess(_) if status == RequiresCapture => {
                let less = if let ByHand::CaptureLess(less) = what { less } else { 0 };
                paying.intent.status = Succeeded;
                paying.captured = (paying.intent.amount.minor - less).max(1);
                paying.intent.received_minor = paying.captured;
            }
            ByHand::Cancel if !matches!(status, Processing | Succeeded | Canceled) => {
                paying.intent.status = Canceled;
            }
            ByHand::Refund(minor) => {
                let left = paying.captured - paying.returned;
                let amount_minor = minor.unwrap_or(left);
                if amount_minor > 0 && amount_minor <= left {
                    paying.returned += amount_minor;
                    let (ours, fresh, failed) = (None, RefundId(0), false);
                    let done = true;
                    let seen =
                        RefundSeen { provider_id: name, ours, fresh, amount_minor, failed, done };
                    paying.intent.refunds.push(seen);
                }
            }
            ByHand::RefundFails => {
                let good = |r: &&mut RefundSeen| r.done;
                if let Some(refund) = paying.intent.refunds.iter_mut().rev().find(good) {
                    (refund.failed, refund.done) = (true, false);
                    paying.returned -= refund.amount_minor;
                }
            }
            ByHand::Dispute(word) if status == Succeeded => {
                let (id, amount_minor, status) = ("du_1".into(), paying.captured, word.into());
                paying.intent.dispute = Some(Dispute { id, amount_minor, status });
            }
            _ => {}
        }
    }

    /// What is known of a refund under our id of it.
    pub fn find_refund(&mut self, refund: RefundId) -> Option<RefundOutcome> {
        let outcome = self.refunds.get_mut(&refund)?;
        let told = outcome.clone();
        if told == RefundOutcome::Pending {
            // Next time it will have gone through.
            *outcome = RefundOutcome::Succeeded(format!("re_{}", refund.0));
        }
        Some(told)
    }

    /// The buyer does, or fails, what the bank asked for; or the card network answers at last.
    pub fn finish(&mut self, intent: &str, well: bool) {
        if let Some(paying) = self.intents.get_mut(intent)
            && matches!(
                paying.intent.status,
                IntentStatus::RequiresAction | IntentStatus::Processing
            )
        {
            paying.intent.action = None;
            paying.intent.status = match well {
                true => IntentStatus::RequiresCapture,
                false => IntentStatus::RequiresPaymentMethod,
            };
        }
    }

    /// Time passes: authorisations end, and what is processing is processed.
    fn pass(&mut self, now: TimeMs) {
        for paying in self.intents.values_mut() {
            let asked = paying.dies.saturating_sub(WEEK);
            match paying.intent.status {
                IntentStatus::RequiresCapture if now >= paying.dies => {
                    paying.intent.status = IntentStatus::Canceled;
                }
                IntentStatus::Processing if now >= asked + 3_600_000 => {
                    paying.intent.status = IntentStatus::RequiresCapture;
                }
                _ => {}
            }
        }
    }

    /// For each PaymentIntent: what it says, the money taken and the money given back.
    pub fn ledger(&self) -> impl Iterator<Item = (&Intent, i64, i64)> {
        self.intents.values().map(|p| (&p.intent, p.captured, p.returned))
    }
}
