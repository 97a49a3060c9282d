//! The audit log: who did what to which event or order, and when.

use super::{Field, Kind, Record, Tables, Value, read, record};
use crate::actor::Actor;
use crate::store::Fault;
use boxoffice::{EventId, OrderId, TimeMs};
use std::sync::LazyLock;

record! {
    /// A line of the log. It is written in the commit of what it tells, and never changed.
    pub struct AuditLine: "audit_log", key 1 {
        /// See [`audit_id`]. Lines lie in the order in which they were committed, as far as the clock of
        /// the database tells.
        pub id: u128,
        /// When it was decided, in milliseconds since 1970, by the clock of the database.
        pub at_ms: i64,
        /// Who.
        pub actor: Actor,
        /// Did what.
        pub action: Action,
        /// To which event, or to an order of which.
        pub event: Option<EventId>,
        /// To which order.
        pub order_id: Option<OrderId>,
        /// More about it, for a person.
        pub detail: String,
    }
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// An event was made.
    EventCreated,
    /// An event was changed.
    EventChanged,
    /// An event was deleted.
    EventDeleted,
    /// The sale of an event was paused.
    SalePaused,
    /// The sale of an event goes on.
    SaleResumed,
    /// An event was cancelled: its orders are cancelled and refunded.
    EventCanceled,
    /// A refund was asked for.
    RefundRequested,
    /// The box office owes a refund by itself, or found one at the payment provider.
    RefundRecorded,
    /// The payment provider made a refund, or could not.
    RefundAnswered,
    /// The names and addresses of buyers were erased.
    BuyersErased,
    /// Somebody was invited to the office, or was given a link to it by whoever owns the machine.
    Invited,
    /// Somebody has accepted an invitation.
    AccountMade,
    /// A person may not sign in any more.
    AccountRemoved,
    /// A person or a key was given a role.
    RoleGiven,
    /// A role was taken from a person.
    RoleTaken,
    /// Somebody has signed in.
    SignedIn,
    /// Somebody could not sign in.
    SignInDenied,
    /// A session was ended.
    SessionEnded,
    /// A person has another password, or none.
    PasswordChanged,
    /// A person has an authenticator now, or none any more, or other recovery codes.
    SecondStepChanged,
    /// An API key was made.
    KeyMade,
    /// An API key was ended.
    KeyEnded,
    /// An order was canceled by somebody other than its buyer.
    OrderCanceled,
    /// The organiser gave tickets away, or sold them without the payment provider.
    OrderSold,
    /// The organiser corrected the name of an order's buyer.
    NameCorrected,
    /// Somebody other than its buyer answered the questions of an order.
    AnswersChanged,
    /// An order was changed otherwise by somebody other than its buyer.
    OrderChanged,
    /// The tickets of an order were sent again by somebody other than its buyer.
    TicketsSentAgain,
    /// Something that is shown of the shop or of an event was changed: texts, colour, pictures.
    ShopChanged,
    /// All test orders were moved out of the database, into a file.
    TestOrdersMoved,
    /// How an event's door works was changed.
    DoorChanged,
    /// A device has reported later that it let somebody pass who would have been refused.
    DoorConflict,
    /// An entry or an exit was undone.
    ScanUndone,
    /// A webhook was made, changed or removed.
    WebhookChanged,
    /// The box office switched a webhook off, because its receiver takes nothing.
    WebhookOff,
    /// The box office found something that a person should look at.
    Alarm,
}

impl Action {
    const ALL: &[Action] = &[
        Action::EventCreated,
        Action::EventChanged,
        Action::EventDeleted,
        Action::SalePaused,
        Action::SaleResumed,
        Action::EventCanceled,
        Action::RefundRequested,
        Action::RefundRecorded,
        Action::RefundAnswered,
        Action::BuyersErased,
        Action::Invited,
        Action::AccountMade,
        Action::AccountRemoved,
        Action::RoleGiven,
        Action::RoleTaken,
        Action::SignedIn,
        Action::SignInDenied,
        Action::SessionEnded,
        Action::PasswordChanged,
        Action::SecondStepChanged,
        Action::KeyMade,
        Action::KeyEnded,
        Action::OrderCanceled,
        Action::OrderSold,
        Action::NameCorrected,
        Action::AnswersChanged,
        Action::OrderChanged,
        Action::TicketsSentAgain,
        Action::ShopChanged,
        Action::TestOrdersMoved,
        Action::DoorChanged,
        Action::DoorConflict,
        Action::ScanUndone,
        Action::WebhookChanged,
        Action::WebhookOff,
        Action::Alarm,
    ];

    /// As it is stored, and told.
    pub fn word(self) -> &'static str {
        match self {
            Action::EventCreated => "event_created",
            Action::EventChanged => "event_changed",
            Action::EventDeleted => "event_deleted",
            Action::SalePaused => "sale_paused",
            Action::SaleResumed => "sale_resumed",
            Action::EventCanceled => "event_canceled",
            Action::RefundRequested => "refund_requested",
            Action::RefundRecorded => "refund_recorded",
            Action::RefundAnswered => "refund_answered",
            Action::BuyersErased => "buyers_erased",
            Action::Invited => "invited",
            Action::AccountMade => "account_made",
            Action::AccountRemoved => "account_removed",
            Action::RoleGiven => "role_given",
            Action::RoleTaken => "role_taken",
            Action::SignedIn => "signed_in",
            Action::SignInDenied => "sign_in_denied",
            Action::SessionEnded => "session_ended",
            Action::PasswordChanged => "password_changed",
            Action::SecondStepChanged => "second_step_changed",
            Action::KeyMade => "key_made",
            Action::KeyEnded => "key_ended",
            Action::OrderCanceled => "order_canceled",
            Action::OrderSold => "order_sold",
            Action::NameCorrected => "name_corrected",
            Action::AnswersChanged => "answers_changed",
            Action::OrderChanged => "order_changed",
            Action::TicketsSentAgain => "tickets_sent_again",
            Action::ShopChanged => "shop_changed",
            Action::TestOrdersMoved => "test_orders_moved",
            Action::DoorChanged => "door_changed",
            Action::DoorConflict => "door_conflict",
            Action::ScanUndone => "scan_undone",
            Action::WebhookChanged => "webhook_changed",
            Action::WebhookOff => "webhook_off",
            Action::Alarm => "alarm",
        }
    }
}

impl Field for Action {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        Value::Text(self.word().into())
    }

    fn read(value: Value) -> Option<Action> {
        let Value::Text(word) = value else { return None };
        Action::ALL.iter().copied().find(|action| action.word() == word)
    }
}

impl Field for Actor {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn read(value: Value) -> Option<Actor> {
        let Value::Text(text) = value else { return None };
        text.parse().ok()
    }
}

/// The id of the `nth` line of a batch: the time, the number of the batch and `nth`, so that ids rise, and
/// a part of the writer's number, so that two processes never make the same one. Nothing about it is
/// random: the same batch that is tried again has the same lines.
pub fn audit_id(at_ms: TimeMs, batch: (i64, i64), nth: usize) -> u128 {
    let (writer, number) = batch;
    let part = |n: u64, bits: u32| u128::from(n & ((1 << bits) - 1));
    part(at_ms.max(0) as u64, 48) << 80
        | part(number as u64, 32) << 48
        | part(nth as u64, 16) << 32
        | part(writer as u64 ^ (writer as u64 >> 32), 32)
}

impl AuditLine {
    /// A line about the office, which belongs to no event. `id`: a new one of this time.
    pub fn of_office(
        id: u128,
        now: TimeMs,
        actor: Actor,
        action: Action,
        detail: String,
    ) -> AuditLine {
        AuditLine { id, at_ms: now, actor, action, event: None, order_id: None, detail }
    }
}

/// Which lines are asked for.
#[derive(Clone, Copy, Default, Debug)]
pub struct Filter {
    /// Only of this event and its orders.
    pub event: Option<EventId>,
    /// Only of this order.
    pub order: Option<OrderId>,
    /// Only from this time on, in milliseconds since 1970.
    pub from_ms: TimeMs,
    /// At most so many, the last ones.
    pub limit: usize,
}

static LAST: LazyLock<String> =
    LazyLock::new(|| AuditLine::table().select("WHERE id >= $1 ORDER BY id DESC LIMIT $2"));
static OF_EVENT: LazyLock<String> = LazyLock::new(|| {
    AuditLine::table().select("WHERE event = $1 AND id >= $2 ORDER BY id DESC LIMIT $3")
});
static OF_ORDER: LazyLock<String> = LazyLock::new(|| {
    AuditLine::table().select("WHERE order_id = $1 AND id >= $2 ORDER BY id DESC LIMIT $3")
});

static ALARMS: LazyLock<String> = LazyLock::new(|| {
    AuditLine::table().select("WHERE event = $1 AND action = 'alarm' ORDER BY id DESC LIMIT $2")
});

/// The last alarms about orders of an event, the newest first.
pub fn alarms(
    from: &mut dyn Tables,
    event: EventId,
    limit: usize,
) -> Result<Vec<AuditLine>, Fault> {
    let limit = Value::Int(limit.try_into().unwrap_or(i64::MAX));
    read(from.query(&ALARMS, &[event.value(), limit])?)
}

/// The last lines that a filter lets through, the oldest of them first.
pub fn last(from: &mut dyn Tables, filter: &Filter) -> Result<Vec<AuditLine>, Fault> {
    let first_id = audit_id(filter.from_ms, (0, 0), 0).value();
    let limit = Value::Int(filter.limit.try_into().unwrap_or(i64::MAX));
    let found = match (filter.order, filter.event) {
        (Some(order), _) => from.query(&OF_ORDER, &[order.value(), first_id, limit])?,
        (None, Some(event)) => from.query(&OF_EVENT, &[event.value(), first_id, limit])?,
        (None, None) => from.query(&LAST, &[first_id, limit])?,
    };
    let mut lines: Vec<AuditLine> = read(found)?;
    lines.retain(|line| filter.event.is_none() || line.event == filter.event);
    lines.reverse();
    Ok(lines)
}

/// Whose lines are read in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Those of an event and its orders.
    Event(EventId),
    /// Those of an order.
    Order(OrderId),
}

static EVENT_PAGE: LazyLock<String> = LazyLock::new(|| {
    AuditLine::table().select("WHERE event = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
});
static ORDER_PAGE: LazyLock<String> = LazyLock::new(|| {
    AuditLine::table().select("WHERE order_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
});

/// The lines of a place that come before a line, the newest first; `limit` at most.
pub fn page(
    from: &mut dyn Tables,
    of: Place,
    before: Option<u128>,
    limit: usize,
) -> Result<Vec<AuditLine>, Fault> {
    let before = before.unwrap_or(u128::MAX).value();
    let limit = Value::Int(limit.try_into().unwrap_or(i64::MAX));
    read(match of {
        Place::Event(event) => from.query(&EVENT_PAGE, &[event.value(), before, limit])?,
        Place::Order(order) => from.query(&ORDER_PAGE, &[order.value(), before, limit])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_with_the_time_the_batch_and_the_line() {
        let at = 1_800_000_000_000;
        let ids = [
            audit_id(-5, (-1, 9), 7),
            audit_id(at, (i64::MAX, 1), 0),
            audit_id(at, (0, 1), 1),
            audit_id(at, (0, 2), 0),
            audit_id(at + 1, (0, 1), 0),
        ];
        assert!(ids.is_sorted() && ids.windows(2).all(|two| two[0] != two[1]));
        assert_ne!(audit_id(at, (1, 1), 0), audit_id(at, (2, 1), 0), "another process");
    }

    #[test]
    fn an_action_has_one_word() {
        for action in Action::ALL.iter().copied() {
            assert_eq!(<Action as Field>::read(action.value()), Some(action));
        }
        assert_eq!(<Action as Field>::read(Value::Text("else".into())), None);
    }
}
