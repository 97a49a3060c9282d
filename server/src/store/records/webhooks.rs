//! Webhooks: addresses of other programs that are told what happens, and how the last try of each message went.
//!
//! A message itself is a row of the outbox of the kind [`WEBHOOK`], whose destination is the id of its webhook. It is
//! owed in the commit of what it tells of.

use super::audit_log::AuditLine;
use super::outbox_rows::{Message, MessageState};
use super::{Field, Kind, Record, RecordChange, Row, Tables, Value, get, read, record};
use crate::actor::Actor;
use crate::store::Fault;
use boxoffice::{EventId, TimeMs};
use std::sync::LazyLock;

/// The kind of the messages in the outbox.
pub const WEBHOOK: &str = "webhook";
/// The subject of a message that only tries the way.
pub const TEST: &str = "webhook.test";
/// There are so many webhooks at most.
pub const MOST_WEBHOOKS: usize = 50;

/// What a webhook can be told of. The words are a promise to programs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum HookKind {
    /// An order holds tickets.
    OrderHeld,
    /// An order is paid, and its tickets are issued.
    OrderPaid,
    /// An order ended unpaid before its time was over.
    OrderCanceled,
    /// An order ended unpaid because its time was over.
    OrderExpired,
    /// Money of an order went back.
    OrderRefunded,
    /// The payment of an order failed after its tickets had been promised: there are none.
    OrderVoid,
    /// Tickets of an order are not valid any more.
    TicketRevoked,
    /// Tickets of an order are valid again, because their refund could not be made.
    TicketValidAgain,
    /// Somebody came in with a ticket.
    TicketCheckedIn,
    /// An event was made, changed, paused, resumed, cancelled or deleted.
    EventChanged,
    /// The last ticket of an event was sold.
    EventSoldOut,
    /// Tickets of an event that was sold out can be bought again.
    EventOnSaleAgain,
}

impl HookKind {
    /// All of them, in the order in which they are told.
    pub const ALL: [HookKind; 12] = [
        HookKind::OrderHeld,
        HookKind::OrderPaid,
        HookKind::OrderCanceled,
        HookKind::OrderExpired,
        HookKind::OrderRefunded,
        HookKind::OrderVoid,
        HookKind::TicketRevoked,
        HookKind::TicketValidAgain,
        HookKind::TicketCheckedIn,
        HookKind::EventChanged,
        HookKind::EventSoldOut,
        HookKind::EventOnSaleAgain,
    ];

    /// Its word: the `type` of a message.
    pub const fn word(self) -> &'static str {
        match self {
            HookKind::OrderHeld => "order.held",
            HookKind::OrderPaid => "order.paid",
            HookKind::OrderCanceled => "order.canceled",
            HookKind::OrderExpired => "order.expired",
            HookKind::OrderRefunded => "order.refunded",
            HookKind::OrderVoid => "order.void",
            HookKind::TicketRevoked => "ticket.revoked",
            HookKind::TicketValidAgain => "ticket.valid_again",
            HookKind::TicketCheckedIn => "ticket.checked_in",
            HookKind::EventChanged => "event.changed",
            HookKind::EventSoldOut => "event.sold_out",
            HookKind::EventOnSaleAgain => "event.on_sale_again",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<HookKind> {
        HookKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What a webhook is told of: some kinds, or all there are and will be.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HookKinds(Option<Vec<HookKind>>);

impl HookKinds {
    /// All there are and will be.
    pub const EVERY: HookKinds = HookKinds(None);

    /// These, each once.
    pub fn some(mut kinds: Vec<HookKind>) -> HookKinds {
        kinds.sort_unstable();
        kinds.dedup();
        HookKinds(Some(kinds))
    }

    /// Whether this is one of them.
    pub fn has(&self, kind: HookKind) -> bool {
        self.0.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// Which, if they are named one by one.
    pub fn named(&self) -> Option<&[HookKind]> {
        self.0.as_deref()
    }
}

/// Their words with a space between, or a star for all.
impl Field for HookKinds {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        Value::Text(match &self.0 {
            None => "*".into(),
            Some(kinds) => kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(" "),
        })
    }

    fn read(value: Value) -> Option<HookKinds> {
        let Value::Text(text) = value else { return None };
        if text == "*" {
            return Some(HookKinds::EVERY);
        }
        let kinds: Option<Vec<HookKind>> = text.split_whitespace().map(HookKind::parse).collect();
        kinds.map(HookKinds::some)
    }
}

record! {
    /// A webhook.
    pub struct Webhook: "webhooks", key 1 {
        /// Its id.
        pub id: u128,
        /// Where messages go: an `https` address.
        pub address: String,
        /// What it is told of.
        pub kinds: HookKinds,
        /// Of which event only; of all if absent.
        pub event: Option<EventId>,
        /// Whether it is told anything.
        pub is_on: bool,
        /// Why not, if nobody of the staff has switched it off.
        pub off_because: Option<String>,
        /// Since when all messages to it fail, in milliseconds since 1970; absent while they arrive.
        pub failing_ms: Option<i64>,
        /// Its secret is derived from the key of the server, its id and this number.
        pub secret: u32,
        /// Until then the secret before signs as well, in milliseconds since 1970.
        pub old_until_ms: Option<i64>,
        /// Who made it.
        pub made_by: Actor,
        /// When, in milliseconds since 1970.
        pub made_ms: i64,
    }
}

record! {
    /// How the last try of a message went.
    pub struct HookTry: "webhook_tries", key 1 {
        /// The id of the message in the outbox.
        pub message: u128,
        /// Which webhook it was for.
        pub webhook: u128,
        /// When the try began, in milliseconds since 1970.
        pub at_ms: i64,
        /// How long it took, in milliseconds.
        pub took_ms: i64,
        /// The HTTP status of the answer, if one came.
        pub status: Option<u32>,
        /// How the answer begins: at most a kilobyte.
        pub answer: String,
    }
}

/// How a webhook is named as a destination of the outbox.
pub fn destination(id: u128) -> String {
    format!("{id:032x}")
}

static ALL: LazyLock<String> = LazyLock::new(|| Webhook::table().select("ORDER BY id LIMIT 1000"));
static DUE_OF: LazyLock<String> = LazyLock::new(|| {
    Message::table().select(
        "WHERE kind = 'webhook' AND state = 0 AND destination = $1 AND due_ms <= $2
         ORDER BY due_ms, id LIMIT $3",
    )
});
static LATEST_DUE_OF: LazyLock<String> = LazyLock::new(|| {
    Message::table().select(
        "WHERE kind = 'webhook' AND state = 0 AND destination = $1 AND due_ms <= $2 AND tries = 0
         ORDER BY due_ms DESC, id DESC LIMIT $3",
    )
});
static LAST_OF: LazyLock<String> = LazyLock::new(|| {
    Message::table()
        .select("WHERE kind = 'webhook' AND destination = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
});
static TRIES_OF: LazyLock<String> = LazyLock::new(|| {
    HookTry::table().select("WHERE webhook = $1 AND message >= $2 AND message <= $3")
});

/// How many messages wait.
const WAITING: &str = "SELECT count(*) FROM outbox WHERE kind = 'webhook' AND state = 0";
/// So many rows are removed in one commit, so that no sale waits for it.
pub const PORTION: usize = 500;
const NEXT_DESTINATION: &str = "SELECT destination FROM outbox
    WHERE kind = 'webhook' AND destination > $1 ORDER BY destination LIMIT 1";
const MESSAGES_BEFORE: &str = "SELECT id FROM outbox
    WHERE kind = 'webhook' AND destination = $1 AND id < $2 ORDER BY id LIMIT $3";
const REMOVE_MESSAGES: &str =
    "DELETE FROM outbox WHERE kind = 'webhook' AND destination = $1 AND id <= $2";
const NEXT_TRIED: &str = "SELECT webhook FROM webhook_tries
    WHERE webhook > $1 ORDER BY webhook LIMIT 1";
const TRIES_BEFORE: &str = "SELECT message FROM webhook_tries
    WHERE webhook = $1 AND message < $2 ORDER BY message LIMIT $3";
const REMOVE_TRIES: &str = "DELETE FROM webhook_tries WHERE webhook = $1 AND message <= $2";

/// All webhooks, by their ids.
pub fn all(from: &mut dyn Tables) -> Result<Vec<Webhook>, Fault> {
    read(from.query(&ALL, &[])?)
}

/// What is due at `now` for one webhook, at most so many, the longest due first. `latest`: of what was never tried in vain
/// the one that is due last first.
pub fn due_of(
    from: &mut dyn Tables,
    destination: &str,
    now: TimeMs,
    latest: bool,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let sql = if latest { &LATEST_DUE_OF } else { &DUE_OF };
    let limit = Value::Int(limit.try_into().unwrap_or(i64::MAX));
    read(from.query(sql, &[Value::Text(destination.into()), Value::Int(now), limit])?)
}

/// The host of an address, and its port: its path may be a secret.
pub fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// How many messages wait, due or not, for all webhooks together.
pub fn all_waiting(from: &mut dyn Tables) -> Result<u64, Fault> {
    let count = from.query(WAITING, &[])?.into_iter().flatten().next().and_then(i64::read);
    Ok(count.unwrap_or(0).max(0) as u64)
}

/// A message with its last try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// The message.
    pub message: Message,
    /// How its last try went; none before the first.
    pub last: Option<HookTry>,
}

/// The messages of a webhook before one of this id, the newest first, at most so many.
pub fn last_of(
    from: &mut dyn Tables,
    webhook: u128,
    before: Option<u128>,
    limit: usize,
) -> Result<Vec<Tried>, Fault> {
    let limit = Value::Int(limit.try_into().unwrap_or(i64::MAX));
    let before = before.unwrap_or(u128::MAX).value();
    let found = from.query(&LAST_OF, &[Value::Text(destination(webhook)), before, limit])?;
    let messages: Vec<Message> = read(found)?;
    let (Some(newest), Some(oldest)) = (messages.first(), messages.last()) else {
        return Ok(Vec::new());
    };
    let between = [webhook.value(), oldest.id.value(), newest.id.value()];
    let tries: Vec<HookTry> = read(from.query(&TRIES_OF, &between)?)?;
    let with_try = |message: Message| Tried {
        last: tries.iter().find(|tried| tried.message == message.id).cloned(),
        message,
    };
    Ok(messages.into_iter().map(with_try).collect())
}

/// All messages to a webhook fail since then, unless they did before, or it has another address meanwhile.
pub fn failing(webhook: &Webhook, now: TimeMs) -> RecordChange {
    RecordChange::Run(
        "UPDATE webhooks SET failing_ms = $1 WHERE id = $2 AND address = $3 AND failing_ms IS NULL",
        vec![now.value(), webhook.id.value(), webhook.address.value()],
    )
}

/// A message to a webhook has arrived at this address.
pub fn works(webhook: &Webhook) -> RecordChange {
    RecordChange::Run(
        "UPDATE webhooks SET failing_ms = NULL
         WHERE id = $1 AND address = $2 AND failing_ms IS NOT NULL",
        vec![webhook.id.value(), webhook.address.value()],
    )
}

/// A webhook that [`off`] switches off: it is still on, at the address at which it fails since then.
macro_rules! still_fails {
    () => {
        "id = $2 AND address = $3 AND is_on = 1 AND failing_ms <= $4"
    };
}

/// Takes back what was recorded with an end that does not take place: see [`off`].
macro_rules! unless_switched_off {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM webhooks WHERE ",
            still_fails!(),
            ")"
        )
    };
}

/// A webhook is told nothing any more, unless it is off already, has another address meanwhile, or was switched on
/// again since it failed. Only if it is switched off, the log has the line and the mails are owed.
pub fn off(
    webhook: &Webhook,
    because: &str,
    failing_before_ms: TimeMs,
    line: &AuditLine,
    mails: &[Message],
) -> Vec<RecordChange> {
    let guard = [webhook.id.value(), webhook.address.value(), failing_before_ms.value()];
    let with = |first: Value| -> Row { [&[first], &guard[..]].concat() };
    // Whoever else switches it off waits, and finds it off.
    let mut changes = vec![
        RecordChange::Run(
            "UPDATE webhooks SET secret = secret WHERE id = $1",
            vec![webhook.id.value()],
        ),
        RecordChange::put(line),
        RecordChange::Run(unless_switched_off!("audit_log"), with(line.id.value())),
    ];
    for mail in mails {
        changes.push(RecordChange::put(mail));
        changes.push(RecordChange::Run(unless_switched_off!("outbox"), with(mail.id.value())));
    }
    changes.push(RecordChange::Run(
        concat!("UPDATE webhooks SET is_on = 0, off_because = $1 WHERE ", still_fails!()),
        with(Value::Text(because.into())),
    ));
    changes
}

/// A webhook has another address, where nothing has failed yet. Nothing else of it is touched, for another process may
/// change that at this moment; so with those below.
pub fn address_changed(id: u128, address: &str) -> RecordChange {
    RecordChange::Run(
        "UPDATE webhooks SET address = $1, failing_ms = NULL WHERE id = $2",
        vec![Value::Text(address.into()), id.value()],
    )
}

/// A webhook is told of these kinds.
pub fn kinds_changed(id: u128, kinds: &HookKinds) -> RecordChange {
    RecordChange::Run(
        "UPDATE webhooks SET kinds = $1 WHERE id = $2",
        vec![kinds.value(), id.value()],
    )
}

/// A webhook is told of this event, or of all.
pub fn event_changed(id: u128, event: Option<EventId>) -> RecordChange {
    RecordChange::Run(
        "UPDATE webhooks SET event = $1 WHERE id = $2",
        vec![event.value(), id.value()],
    )
}

/// Somebody switches a webhook on or off. One that was off begins anew: it is no longer failing.
pub fn switched(id: u128, is_on: bool) -> RecordChange {
    let sql = match is_on {
        true => {
            "UPDATE webhooks SET failing_ms = CASE is_on WHEN 0 THEN NULL ELSE failing_ms END,
                 is_on = 1, off_because = NULL
             WHERE id = $1"
        }
        false => "UPDATE webhooks SET is_on = 0, off_because = NULL WHERE id = $1",
    };
    RecordChange::Run(sql, vec![id.value()])
}

/// A webhook has its next secret, unless somebody else was faster. Until `old_until_ms` the one before signs as well;
/// none: it signs no more. `webhook` is as it was.
pub fn renewed(webhook: &Webhook, old_until_ms: Option<TimeMs>) -> RecordChange {
    RecordChange::Run(
        "UPDATE webhooks SET secret = secret + 1, old_until_ms = $1 WHERE id = $2 AND secret = $3",
        vec![old_until_ms.value(), webhook.id.value(), webhook.secret.value()],
    )
}

/// A message is to be sent again under its own id, from `due_ms` on. One that is under way at this moment is sent
/// twice.
pub fn again(id: u128, due_ms: TimeMs) -> RecordChange {
    RecordChange::Run(
        "UPDATE outbox SET state = 0, due_ms = $1, tried_ms = NULL, tries = 0, unanswered = 0,
            last_error = NULL, ended_ms = NULL
         WHERE id = $2 AND kind = 'webhook'",
        vec![due_ms.value(), id.value()],
    )
}

fn first(rows: Vec<Row>) -> Option<Value> {
    rows.into_iter().next().and_then(|row| row.into_iter().next())
}

fn last(rows: Vec<Row>) -> Option<Value> {
    rows.into_iter().next_back().and_then(|row| row.into_iter().next())
}

/// The next portion of what is to be removed, at most [`PORTION`] rows: messages that were owed before `before_ms`,
/// whatever became of them, all messages to webhooks that are no more, and the tries of both. Empty: nothing is left.
/// The first part of an id is the time since which a message is owed.
pub fn portion(from: &mut dyn Tables, before_ms: TimeMs) -> Result<Vec<RecordChange>, Fault> {
    let old = (before_ms.max(0) as u128) << 80;
    let most = Value::Int(PORTION as i64);
    let before = |from: &mut dyn Tables, webhook: Option<u128>| -> Result<Value, Fault> {
        let known = match webhook {
            Some(id) => get::<Webhook>(from, &[id.value()])?.is_some(),
            None => false,
        };
        Ok(if known { old } else { u128::MAX }.value())
    };
    let mut of = Value::Text(String::new());
    while let Some(next) = first(from.query(NEXT_DESTINATION, std::slice::from_ref(&of))?) {
        let id = String::read(next.clone()).and_then(|id| u128::from_str_radix(&id, 16).ok());
        let asked = [next.clone(), before(from, id)?, most.clone()];
        if let Some(last) = last(from.query(MESSAGES_BEFORE, &asked)?) {
            return Ok(vec![RecordChange::Run(REMOVE_MESSAGES, vec![next, last])]);
        }
        of = next;
    }
    let mut of = Value::Blob(Vec::new());
    while let Some(next) = first(from.query(NEXT_TRIED, std::slice::from_ref(&of))?) {
        let asked = [next.clone(), before(from, u128::read(next.clone()))?, most.clone()];
        if let Some(last) = last(from.query(TRIES_BEFORE, &asked)?) {
            return Ok(vec![RecordChange::Run(REMOVE_TRIES, vec![next, last])]);
        }
        of = next;
    }
    Ok(Vec::new())
}

/// The id of the `nth` message of a batch to the webhook that is in this place of the list. It rises with time, no two
/// messages of one batch or of two processes have the same, and none of a mail is among them: their number in the batch
/// is below 32,768. Nothing about it is random: the same batch that is tried again owes the same messages.
pub fn message_id(at_ms: TimeMs, batch: (i64, i64), place: usize, nth: usize) -> u128 {
    let (writer, number) = batch;
    assert!(place < MOST_WEBHOOKS * 2 && nth < 1 << 20, "a batch owes too many messages");
    let part = |n: u64, bits: u32| u128::from(n & ((1 << bits) - 1));
    let writer = writer as u64;
    part(at_ms.max(0) as u64, 48) << 80
        | part(number as u64, 32) << 48
        | 1 << 47
        | part(place as u64, 7) << 40
        | part(nth as u64, 20) << 20
        | part(writer ^ (writer >> 20) ^ (writer >> 40) ^ (writer >> 60), 20)
}

/// A message as it is owed: to be sent at once.
pub fn message(
    id: u128,
    webhook: u128,
    subject: &str,
    payload: String,
    event: Option<EventId>,
    now: TimeMs,
) -> Message {
    Message {
        id,
        kind: WEBHOOK.into(),
        lane: 0,
        destination: destination(webhook),
        subject: subject.into(),
        payload,
        // It names nobody, so it stays when the buyer of an order is erased.
        order_id: None,
        event,
        made_ms: now,
        due_ms: now,
        tried_ms: None,
        tries: 0,
        unanswered: 0,
        last_error: None,
        state: MessageState::Queued,
        ended_ms: None,
        owner: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_kind_has_one_word() {
        for kind in HookKind::ALL {
            assert_eq!(HookKind::parse(kind.word()), Some(kind));
        }
        assert_eq!(HookKind::parse(TEST), None, "nobody asks to be told of tests");
        let words: BTreeSet<&str> = HookKind::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), HookKind::ALL.len());
    }

    #[test]
    fn kinds_are_stored_in_one_way() {
        let some =
            HookKinds::some(vec![HookKind::OrderPaid, HookKind::OrderHeld, HookKind::OrderPaid]);
        assert_eq!(some.value(), Value::Text("order.held order.paid".into()));
        for kinds in [HookKinds::EVERY, some, HookKinds::some(HookKind::ALL.into())] {
            assert_eq!(HookKinds::read(kinds.value()), Some(kinds));
        }
        assert_eq!(HookKinds::read(Value::Text("order.eaten".into())), None);
        assert!(HookKinds::EVERY.has(HookKind::EventSoldOut));
        assert!(!HookKinds::some(vec![]).has(HookKind::EventSoldOut));
    }

    #[test]
    fn no_two_messages_have_one_id_and_none_that_of_a_mail() {
        use super::super::audit_log::audit_id;
        let mut ids = BTreeSet::new();
        for writer in [0, 7, i64::MIN, 1 << 40] {
            for nth in [0, 1, 32_767] {
                assert!(ids.insert(audit_id(1_800_000_000_000, (writer, 5), nth)));
                for place in [0, 1, MOST_WEBHOOKS - 1] {
                    assert!(ids.insert(message_id(1_800_000_000_000, (writer, 5), place, nth)));
                }
            }
        }
        let later = message_id(1_800_000_000_001, (0, 0), 0, 0);
        assert!(ids.iter().all(|id| *id < later), "they rise with time");
    }
}
