//! A truthful payment provider in memory: the states of its PaymentIntents, the keys of its calls
//! and a ledger of the money. What it does it does once for each key; what it says is true at that
//! moment. Whether a call or its answer arrives is another's business.

use boxoffice::{
    Currency, Intent, IntentStatus, Money, OrderId, PaymentId, RefundId, RefundOutcome, TimeMs,
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
}

const WEEK: TimeMs = 7 * 86_400_000;

impl Provider {
    /// Does what a call asks, unless it was done before.
    pub fn call(&mut self, call: &Call, now: TimeMs) -> Answer {
        self.pass(now);
        // Capturing and cancelling go by the state alone; the others are known by their key.
        let by_state = matches!(call, Call::Capture { .. } | Call::Cancel { .. });
        if let Some(known) = self.answered.get(call).filter(|_| !by_state) {
            return known.clone();
        }
        let answer = self.act(call, now);
        self.answered.insert(call.clone(), answer.clone());
        answer
    }

    fn act(&mut self, call: &Call, now: TimeMs) -> Answer {
        let Call::Create { order, payment, minor, currency, live } = call else {
            return self.act_on(call, now);
        };
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
                if !matches!(status, RequiresPaymentMethod | RequiresConfirmation) {
                    return Answer::Refused(format!("it is {status:?}"));
                }
                match token.as_str() {
                    "declined" => {
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
            }
            Call::Cancel { .. } if !matches!(status, Processing | Succeeded | Canceled) => {
                *status = Canceled;
            }
            Call::Refund { refund, minor, .. } => {
                if paying.captured - paying.returned < *minor {
                    return Answer::Refused("more than was paid".into());
                }
                // Some banks take it back at once, some take their time, some refuse.
                let outcome = match refund.0 % 5 {
                    0 => RefundOutcome::Pending,
                    1 => RefundOutcome::Failed("the account is closed".into()),
                    _ => RefundOutcome::Succeeded("re".into()),
                };
                if !matches!(outcome, RefundOutcome::Failed(_)) {
                    paying.returned += minor;
                }
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
        self.intents[intent].intent.clone()
    }

    /// What is known of a refund under our id of it.
    pub fn find_refund(&mut self, refund: RefundId) -> Option<RefundOutcome> {
        let outcome = self.refunds.get_mut(&refund)?;
        let told = outcome.clone();
        if told == RefundOutcome::Pending {
            // Next time it will have gone through.
            *outcome = RefundOutcome::Succeeded("re".into());
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
