//! The outbox: messages that are owed to somebody outside, such as mails. They are written in the commit
//! of what they tell of, and stay until they are delivered or given up.

use super::{Field, Kind, Record, RecordChange, Tables, Value, read, record};
use crate::store::Fault;
use boxoffice::TimeMs;
use std::sync::LazyLock;

record! {
    /// A message.
    pub struct Message: "outbox", key 1 {
        /// Its id; rises with time.
        pub id: u128,
        /// Who delivers it: the kind of a deliverer (module `messages`).
        pub kind: String,
        /// To whom, in the terms of its kind. Messages to one destination are delivered one at a time, and
        /// a slow destination delays only its own.
        pub destination: String,
        /// What it is about, for a person.
        pub subject: String,
        /// What is delivered, in the terms of its kind.
        pub payload: String,
        /// Not to be tried before this time, in milliseconds since 1970. While somebody tries, the time
        /// after which another may.
        pub due_ms: i64,
        /// How often it was tried in vain.
        pub tries: u32,
        /// Why it was in vain the last time.
        pub last_error: Option<String>,
        /// Whether somebody still tries.
        pub state: MessageState,
        /// Which process tries at the moment, or was the last to; 0: none has.
        pub owner: i64,
    }
}

/// Where a message stands. One that was delivered is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageState {
    /// It is to be delivered.
    Queued,
    /// It cannot be delivered; [`Message::last_error`] says why.
    GivenUp,
}

impl Field for MessageState {
    const KIND: Kind = Kind::Int;

    fn value(&self) -> Value {
        Value::Int(match self {
            MessageState::Queued => 0,
            MessageState::GivenUp => 1,
        })
    }

    fn read(value: Value) -> Option<MessageState> {
        match value {
            Value::Int(0) => Some(MessageState::Queued),
            Value::Int(1) => Some(MessageState::GivenUp),
            _ => None,
        }
    }
}

/// The oldest due message of each destination, those first that have been due for longest.
static DUE: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<&str> = Message::table().columns.iter().map(|column| column.name).collect();
    let all = names.join(", ");
    format!(
        "SELECT {all} FROM (
             SELECT {all}, row_number() OVER (PARTITION BY destination ORDER BY due_ms, id) AS nth
             FROM outbox WHERE state = 0 AND kind = $1 AND due_ms <= $2) AS due
         WHERE nth = 1 ORDER BY due_ms, id LIMIT $3"
    )
});

/// Takes a message for a while, unless somebody else has taken it meanwhile.
const CLAIM: &str = "UPDATE outbox SET owner = $1, due_ms = $2
    WHERE id = $3 AND due_ms = $4 AND state = 0";
/// Ends what [`CLAIM`] began, unless it took so long that somebody else has taken it.
const DELIVERED: &str = "DELETE FROM outbox WHERE id = $1 AND owner = $2 AND due_ms = $3";
const PUT_OFF: &str = "UPDATE outbox SET due_ms = $4, tries = $5, last_error = $6, state = $7
    WHERE id = $1 AND owner = $2 AND due_ms = $3";

/// The oldest message of each destination that is due at `now`, at most `limit` of them.
pub fn due(
    from: &mut dyn Tables,
    kind: &str,
    now: TimeMs,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let limit = Value::Int(limit.try_into().unwrap_or(i64::MAX));
    read(from.query(&DUE, &[Value::Text(kind.into()), Value::Int(now), limit])?)
}

impl Message {
    /// Takes it until `until_ms`, unless somebody else takes it first: read it again to know.
    pub fn claim(&self, owner: i64, until_ms: TimeMs) -> RecordChange {
        let (id, due) = (self.id.value(), Value::Int(self.due_ms));
        RecordChange::Run(CLAIM, vec![Value::Int(owner), Value::Int(until_ms), id, due])
    }

    fn mine(&self) -> Vec<Value> {
        vec![self.id.value(), Value::Int(self.owner), Value::Int(self.due_ms)]
    }

    /// It was delivered. `self` is as it was claimed.
    pub fn delivered(&self) -> RecordChange {
        RecordChange::Run(DELIVERED, self.mine())
    }

    /// It was not delivered, and is tried again at `due_ms`, or never. `self` is as it was claimed.
    pub fn put_off(&self, due_ms: TimeMs, state: MessageState, why: &str) -> RecordChange {
        let tries = self.tries.saturating_add(1);
        let news = [Value::Int(due_ms), tries.value(), Value::Text(why.into()), state.value()];
        RecordChange::Run(PUT_OFF, [self.mine(), news.into()].concat())
    }
}
