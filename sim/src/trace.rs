//! What happened, line by line: to be read, to be hashed, and to be counted.

use boxoffice::{OrderId, OrderState};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

/// How many lines are kept for who wants to know what led to a violation.
const KEPT: usize = 4_000;

/// One line of the story.
#[derive(Clone, Debug)]
pub struct Line {
    /// Milliseconds since the beginning.
    pub at_ms: i64,
    /// The order that it is about, by the number under which the story knows it.
    pub order: Option<usize>,
    /// What happened.
    pub text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.at_ms as f64 / 1000.0;
        write!(f, "{seconds:>10.3}  {}", self.text)
    }
}

/// The promises (the first four are those of the design; the others are what keeps them).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Promise {
    /// At every moment held + sold <= capacity, and the counters are what the orders say.
    NeverOversold,
    /// Never charged twice, never money without tickets, never tickets without money.
    MoneyIsTickets,
    /// What anybody was told of survives.
    NothingLost,
    /// What anybody was told is true.
    NoFalseAnswer,
    /// A hold lasts as long as was promised, and an order moves along its arrows only.
    HoldsLast,
    /// When the faults stop, everything settles.
    AllSettles,
    /// No client keeps more unpaid places than its budget.
    OwnShare,
    /// Nobody acts on what is another's, or is shown it.
    OnlyTheirs,
    /// Who is erased is shown in no answer, and nothing else of an order is changed by that.
    Erased,
    /// Whoever has paid is sent the tickets, once if anybody can know, and nothing is sent that is not so.
    MailArrives,
    /// Each change that a webhook is to be told of is told at least once, and nothing is told that was not so.
    HookArrives,
    /// An alarm is raised where a person must look, and nowhere without a reason.
    NoAlarm,
    /// A ticket is shown green once, and whoever saw green is in the records.
    AdmitsOnce,
    /// No part of the server panics, and no request is answered with 500.
    NoPanic,
}

impl Promise {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Promise::NeverOversold => "never oversold",
            Promise::MoneyIsTickets => "never charged twice, money and tickets go together",
            Promise::NothingLost => "nothing that was acknowledged is lost",
            Promise::NoFalseAnswer => "no false answer",
            Promise::HoldsLast => "a hold lasts as promised",
            Promise::AllSettles => "everything settles",
            Promise::OwnShare => "no client keeps more than its share",
            Promise::OnlyTheirs => "nobody acts on what is another's",
            Promise::Erased => "who is erased is shown nowhere",
            Promise::AdmitsOnce => "a ticket admits once",
            Promise::MailArrives => "whoever has paid is sent the tickets",
            Promise::HookArrives => "webhooks are told what happened",
            Promise::NoAlarm => "alarms have a reason, and none is missing",
            Promise::NoPanic => "no panic, no 500",
        }
    }
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// When, in milliseconds since the beginning.
    pub at_ms: i64,
    /// How.
    pub text: String,
    /// The steps that led there: those of the order concerned, or the last ones.
    pub steps: Vec<Line>,
}

/// What is counted, for the pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sample {
    /// Milliseconds since the beginning.
    pub at_ms: i64,
    /// The pool's capacity.
    pub capacity: u32,
    /// Places held.
    pub held: u32,
    /// Places sold.
    pub sold: u32,
}

/// How many orders are in each state, in the order of [`OrderState::ALL`].
pub type Standing = [u32; OrderState::ALL.len()];

/// The story of a run.
pub struct Trace {
    hash: Sha256,
    orders: BTreeMap<OrderId, usize>,
    lines: VecDeque<Line>,
    whole: bool,
    told: u64,
    /// Rare situations that were reached.
    pub marks: BTreeSet<&'static str>,
    /// What is counted.
    pub counts: BTreeMap<&'static str, u64>,
    /// The counters of the pool as they changed.
    pub samples: Vec<Sample>,
    /// When a fault of the larger kind struck, and which.
    pub strikes: Vec<(i64, &'static str)>,
    /// How many orders were in each state, as that changed.
    pub turns: Vec<(i64, Standing)>,
    standing: Standing,
    /// The first broken promise.
    pub violation: Option<Violation>,
}

impl Trace {
    /// An empty story; `whole` keeps every line, and what only pictures need.
    pub fn new(whole: bool) -> Trace {
        Trace {
            hash: Sha256::new(),
            orders: BTreeMap::new(),
            lines: VecDeque::new(),
            whole,
            told: 0,
            marks: BTreeSet::new(),
            counts: BTreeMap::new(),
            samples: Vec::new(),
            strikes: Vec::new(),
            turns: Vec::new(),
            standing: Standing::default(),
            violation: None,
        }
    }

    /// The number under which the story knows an order.
    pub fn number(&mut self, order: OrderId) -> usize {
        let next = self.orders.len() + 1;
        *self.orders.entry(order).or_insert(next)
    }

    /// Tells a line.
    pub fn tell(&mut self, at_ms: i64, order: Option<OrderId>, text: String) {
        let order = order.map(|id| self.number(id));
        self.hash.update(at_ms.to_le_bytes());
        self.hash.update(order.unwrap_or(0).to_le_bytes());
        self.hash.update(text.as_bytes());
        self.hash.update([0]);
        self.told += 1;
        if !self.whole && self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        let text = match order {
            Some(n) => format!("order {n}: {text}"),
            None => text,
        };
        self.lines.push_back(Line { at_ms, order, text });
    }

    /// Adds to the hash what need not be read.
    pub fn hash(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Notes that a rare situation was reached.
    pub fn mark(&mut self, what: &'static str) {
        self.marks.insert(what);
    }

    /// Notes the pool's counters.
    pub fn sample(&mut self, sample: Sample) {
        if self.whole {
            self.samples.push(sample);
        }
    }

    /// Notes that an order has another state.
    pub fn turn(&mut self, at_ms: i64, from: Option<OrderState>, to: OrderState) {
        if let Some(from) = from {
            self.standing[from as usize] -= 1;
        }
        self.standing[to as usize] += 1;
        if self.whole {
            self.turns.push((at_ms, self.standing));
        }
    }

    /// Notes that one of the larger faults struck.
    pub fn strike(&mut self, at_ms: i64, what: &'static str) {
        if self.whole {
            self.strikes.push((at_ms, what));
        }
    }

    /// A promise is broken. Only the first counts: what follows may follow from it.
    pub fn broken(&mut self, at_ms: i64, promise: Promise, order: Option<OrderId>, text: String) {
        if self.violation.is_some() {
            return;
        }
        self.tell(at_ms, order, format!("BROKEN ({}): {text}", promise.words()));
        let number = order.map(|id| self.number(id));
        let about = |line: &&Line| number.is_none() || line.order == number;
        let mut steps: Vec<Line> =
            self.lines.iter().rev().filter(about).take(40).cloned().collect();
        steps.reverse();
        self.violation = Some(Violation { promise, at_ms, text, steps });
    }

    /// All lines that are kept.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    /// How many lines were told.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// The hash of everything that was told.
    pub fn digest(&self) -> String {
        let bytes = self.hash.clone().finalize();
        bytes.iter().take(16).fold(String::new(), |mut text, byte| {
            _ = write!(text, "{byte:02x}");
            text
        })
    }
}
