//! The outbox: messages that are owed to somebody outside, such as mails. They are written in the commit
//! of what they tell of. One that was delivered stays where its kind wants a trace of it.

use super::webhooks::WEBHOOK;
use super::{Field, Kind, Record, RecordChange, Tables, Value, read, record};
use crate::store::Fault;
use boxoffice::{EventId, OrderId, TimeMs};
use std::sync::LazyLock;

record! {
    /// A message.
    pub struct Message: "outbox", key 1 {
        /// Its id; rises with time.
        pub id: u128,
        /// Who delivers it: the kind of a deliverer (module `messages`).
        pub kind: String,
        /// Its priority class: what is due in a lower one is delivered first.
        pub lane: u32,
        /// To whom, in the terms of its kind. Messages to one destination are delivered one at a time, and
        /// a slow destination delays only its own. Empty once it was erased.
        pub destination: String,
        /// What it is about: a fixed word, in the terms of its kind.
        pub subject: String,
        /// What is delivered, in the terms of its kind.
        pub payload: String,
        /// The order that it is about.
        pub order_id: Option<OrderId>,
        /// The event that it is about.
        pub event: Option<EventId>,
        /// Since when it is owed, in milliseconds since 1970.
        pub made_ms: i64,
        /// Not to be tried before this time, in milliseconds since 1970. While somebody tries, the time
        /// after which another may.
        pub due_ms: i64,
        /// When it was tried in vain for the first time, in milliseconds since 1970.
        pub tried_ms: Option<i64>,
        /// How often it was tried in vain.
        pub tries: u32,
        /// How often it was handed over and no answer came.
        pub unanswered: u32,
        /// Why it was in vain the last time, or is not delivered.
        pub last_error: Option<String>,
        /// Whether somebody still tries.
        pub state: MessageState,
        /// When nobody tried any more, in milliseconds since 1970.
        pub ended_ms: Option<i64>,
        /// Which process tries at the moment, or was the last to; 0: none has.
        pub owner: i64,
    }
}

/// Where a message stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageState {
    /// It is to be delivered.
    Queued,
    /// It was tried for as long as its kind allows, in vain; [`Message::last_error`] says why.
    GivenUp,
    /// It was delivered.
    Delivered,
    /// It was handed over more than once, and no answer came: it was delivered, as far as anybody knows.
    Unanswered,
    /// Whoever it is for does not take it; [`Message::last_error`] has the words.
    Refused,
    /// There was nothing to tell any more when it was due.
    Needless,
    /// It could not be delivered while it was of use.
    TooOld,
}

impl MessageState {
    const ALL: [MessageState; 7] = [
        MessageState::Queued,
        MessageState::GivenUp,
        MessageState::Delivered,
        MessageState::Unanswered,
        MessageState::Refused,
        MessageState::Needless,
        MessageState::TooOld,
    ];

    /// A fixed word for it.
    pub fn word(self) -> &'static str {
        match self {
            MessageState::Queued => "waiting",
            MessageState::GivenUp => "given_up",
            MessageState::Delivered => "sent",
            MessageState::Unanswered => "sent_unanswered",
            MessageState::Refused => "refused",
            MessageState::Needless => "needless",
            MessageState::TooOld => "too_old",
        }
    }
}

impl Field for MessageState {
    const KIND: Kind = Kind::Int;

    fn value(&self) -> Value {
        let at = MessageState::ALL.iter().position(|state| state == self);
        Value::Int(at.expect("all of them are listed") as i64)
    }

    fn read(value: Value) -> Option<MessageState> {
        let Value::Int(n) = value else { return None };
        MessageState::ALL.get(usize::try_from(n).ok()?).copied()
    }
}

/// How a try ended, or why none is made any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Where the message stands now.
    pub state: MessageState,
    /// Not to be tried before, if it is queued.
    pub due_ms: TimeMs,
    /// Whether this counts as a try in vain.
    pub in_vain: bool,
    /// Whether it was handed over and no answer came.
    pub unanswered: bool,
    /// Why.
    pub why: Option<String>,
    /// Whether its destination is erased now.
    pub erase: bool,
}

/// Those that are due, in the order in which they are delivered. Messages to webhooks are many and looked for by their
/// webhook (module `webhooks`): the index of those that wait is without them, here and in [`WAITING`].
static DUE: LazyLock<String> = LazyLock::new(|| {
    Message::table().select(
        "WHERE state = 0 AND kind <> 'webhook' AND kind = $1 AND due_ms <= $2
             AND (lane, due_ms, id) > ($3, $4, $5)
         ORDER BY lane, due_ms, id LIMIT $6",
    )
});
static OF_ORDER: LazyLock<String> = LazyLock::new(|| {
    Message::table().select("WHERE order_id = $1 AND kind = $2 ORDER BY id DESC LIMIT $3")
});
static OF_SUBJECT: LazyLock<String> = LazyLock::new(|| {
    Message::table()
        .select("WHERE order_id = $1 AND kind = $2 AND subject = $3 ORDER BY id DESC LIMIT $4")
});
static TROUBLED: LazyLock<String> = LazyLock::new(|| {
    Message::table()
        .select("WHERE event = $1 AND kind = $2 AND state IN (1, 4) ORDER BY id DESC LIMIT $3")
});
static OF_NO_ORDER: LazyLock<String> = LazyLock::new(|| {
    Message::table().select(
        "WHERE order_id IS NULL AND kind <> 'webhook' AND destination = $1 AND kind = $2
         ORDER BY id DESC LIMIT $3",
    )
});

/// How many wait, and since when the oldest does.
const WAITING: &str = "SELECT count(*), min(made_ms) FROM outbox
    WHERE state = 0 AND kind <> 'webhook' AND kind = $1";

/// Takes a message for a while, unless somebody else has taken it meanwhile.
const CLAIM: &str = "UPDATE outbox SET owner = $1, due_ms = $2
    WHERE id = $3 AND due_ms = $4 AND state = 0";
/// Ends what [`CLAIM`] began, unless it took so long that somebody else has taken it, or it was stopped or
/// changed meanwhile.
const REMOVE: &str =
    "DELETE FROM outbox WHERE id = $1 AND owner = $2 AND due_ms = $3 AND state = 0";
const END: &str = "UPDATE outbox SET destination = $4, due_ms = $5, tried_ms = $6, tries = $7,
        unanswered = $8, last_error = $9, state = $10, ended_ms = $11
    WHERE id = $1 AND owner = $2 AND due_ms = $3 AND state = 0";
/// What of an order is known of whoever is erased.
const ERASE: &str = "UPDATE outbox SET destination = '', last_error = NULL,
        ended_ms = CASE state WHEN 0 THEN $2 ELSE ended_ms END,
        state = CASE state WHEN 0 THEN 5 ELSE state END
    WHERE order_id = $1";
const ERASE_OF_NO_ORDER: &str =
    "DELETE FROM outbox WHERE order_id IS NULL AND kind <> 'webhook' AND destination = $1";
/// An order has another address: what was sent does not keep the old one, what is to be sent goes to the new.
const FORGET_ADDRESS: &str = "UPDATE outbox SET destination = '', last_error = NULL
    WHERE order_id = $1 AND kind = $2 AND state <> 0";
const STOP: &str = "UPDATE outbox SET destination = '', last_error = NULL, state = 5, ended_ms = $4
    WHERE order_id = $1 AND kind = $2 AND subject = $3 AND state = 0";
const REDIRECT: &str = "UPDATE outbox SET destination = $4, owner = 0, due_ms = $5, tries = 0,
        tried_ms = NULL, unanswered = 0, last_error = NULL
    WHERE order_id = $1 AND kind = $2 AND subject <> $3 AND state = 0";
/// What was about no order and ended long ago. The messages to webhooks are about none either, and many: its index, and
/// that of the two above, are without them.
const TIDY: &str = "DELETE FROM outbox
    WHERE order_id IS NULL AND kind <> 'webhook' AND kind = $1 AND state <> 0 AND ended_ms < $2";
/// A message, unless there is one of this id.
const ADD: &str =
    "INSERT INTO outbox (id, kind, lane, destination, subject, payload, order_id, event,
        made_ms, due_ms, tried_ms, tries, unanswered, last_error, state, ended_ms, owner)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (id) DO NOTHING";

/// Where a list of what is due goes on: the class, the due time and the id of a message.
pub type After = (u32, TimeMs, u128);

/// What is due at `now` of a kind that is not [`WEBHOOK`], those of the lowest class and of the oldest due time
/// first, at most `limit` of them; those that come after `after`.
pub fn due(
    from: &mut dyn Tables,
    kind: &str,
    now: TimeMs,
    after: Option<After>,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    assert!(kind != WEBHOOK, "those are found by their webhook");
    let (lane, due_ms, id) = after.unwrap_or((0, i64::MIN, 0));
    let values = [
        Value::Text(kind.into()),
        Value::Int(now),
        lane.value(),
        Value::Int(due_ms),
        id.value(),
        limited(limit),
    ];
    read(from.query(&DUE, &values)?)
}

/// How many messages of a kind that is not [`WEBHOOK`] wait, and since when the oldest does.
pub fn waiting(from: &mut dyn Tables, kind: &str) -> Result<(u64, Option<TimeMs>), Fault> {
    assert!(kind != WEBHOOK, "those are counted by their webhook");
    let rows = from.query(WAITING, &[Value::Text(kind.into())])?;
    let mut row = rows.into_iter().flatten();
    let count = row.next().and_then(i64::read).unwrap_or(0);
    Ok((count.max(0) as u64, row.next().and_then(i64::read)))
}

/// The last messages about an order, the newest first.
pub fn of_order(
    from: &mut dyn Tables,
    kind: &str,
    order: OrderId,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    read(from.query(&OF_ORDER, &[order.value(), Value::Text(kind.into()), limited(limit)])?)
}

/// The last messages about an order with this subject, the newest first.
pub fn of_subject(
    from: &mut dyn Tables,
    kind: &str,
    order: OrderId,
    subject: &str,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let text = |text: &str| Value::Text(text.into());
    read(from.query(&OF_SUBJECT, &[order.value(), text(kind), text(subject), limited(limit)])?)
}

/// The last messages about an event or an order of it that were refused or given up, the newest first.
pub fn troubled(
    from: &mut dyn Tables,
    kind: &str,
    event: EventId,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    read(from.query(&TROUBLED, &[event.value(), Value::Text(kind.into()), limited(limit)])?)
}

/// The last messages to a destination that are about no order, the newest first.
pub fn of_no_order(
    from: &mut dyn Tables,
    kind: &str,
    destination: &str,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let values = [Value::Text(destination.into()), Value::Text(kind.into()), limited(limit)];
    read(from.query(&OF_NO_ORDER, &values)?)
}

fn limited(limit: usize) -> Value {
    Value::Int(limit.try_into().unwrap_or(i64::MAX))
}

/// The buyer of an order is erased at `now`: no message about it keeps the address, and none waits any more.
/// Nor does one to the address that is about no order.
pub fn erase(order: OrderId, address: &str, now: TimeMs) -> Vec<RecordChange> {
    let mut changes = vec![RecordChange::Run(ERASE, vec![order.value(), Value::Int(now)])];
    if !address.is_empty() {
        changes.push(RecordChange::Run(ERASE_OF_NO_ORDER, vec![Value::Text(address.into())]));
    }
    changes
}

/// An order has another destination from `now` on. What waits goes there, but for messages with a subject in
/// `stopped`, which end, and for those with the subject `stays`; one that is being delivered is delivered again.
/// What has ended keeps no destination.
pub fn redirect(
    kind: &str,
    order: OrderId,
    to: &str,
    stopped: &[&str],
    stays: &str,
    now: TimeMs,
) -> Vec<RecordChange> {
    let of = |rest: &[Value]| -> Vec<Value> {
        [&[order.value(), Value::Text(kind.into())], rest].concat()
    };
    let text = |text: &str| Value::Text(text.into());
    let mut changes = vec![RecordChange::Run(FORGET_ADDRESS, of(&[]))];
    for subject in stopped {
        changes.push(RecordChange::Run(STOP, of(&[text(subject), Value::Int(now)])));
    }
    changes.push(RecordChange::Run(REDIRECT, of(&[text(stays), text(to), Value::Int(now)])));
    changes
}

/// Removes what is about no order and ended before `before_ms`.
pub fn tidy(kind: &str, before_ms: TimeMs) -> RecordChange {
    RecordChange::Run(TIDY, vec![Value::Text(kind.into()), Value::Int(before_ms)])
}

impl Message {
    /// Where a list goes on behind it.
    pub fn place(&self) -> After {
        (self.lane, self.due_ms, self.id)
    }

    /// Adds it, unless there is one of its id.
    pub fn add(&self) -> RecordChange {
        RecordChange::Run(ADD, self.row())
    }

    /// Takes it until `until_ms`, unless somebody else takes it first: read it again to know.
    pub fn claim(&self, owner: i64, until_ms: TimeMs) -> RecordChange {
        let (id, due) = (self.id.value(), Value::Int(self.due_ms));
        RecordChange::Run(CLAIM, vec![Value::Int(owner), Value::Int(until_ms), id, due])
    }

    fn mine(&self) -> Vec<Value> {
        vec![self.id.value(), Value::Int(self.owner), Value::Int(self.due_ms)]
    }

    /// It was delivered, and no trace of it is wanted. `self` is as it was claimed.
    pub fn remove(&self) -> RecordChange {
        RecordChange::Run(REMOVE, self.mine())
    }

    /// A try ended at `now`, or none is made any more. `self` is as it was claimed, or as it lay there.
    pub fn end(&self, now: TimeMs, ended: Ended) -> RecordChange {
        let Ended { state, due_ms, in_vain, unanswered, why, erase } = ended;
        let ends = state != MessageState::Queued;
        let destination = if erase && ends { String::new() } else { self.destination.clone() };
        let tries = self.tries.saturating_add(in_vain.into());
        let unanswered = self.unanswered.saturating_add(unanswered.into());
        let news = [
            destination.value(),
            Value::Int(if ends { self.due_ms } else { due_ms }),
            self.tried_ms.or(in_vain.then_some(now)).value(),
            tries.value(),
            unanswered.value(),
            why.filter(|_| !(erase && ends)).value(),
            state.value(),
            ends.then_some(now).value(),
        ];
        RecordChange::Run(END, [self.mine(), news.into()].concat())
    }
}
