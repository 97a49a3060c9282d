//! Mails to buyers, from the rows of the outbox to the relay; and what buyers and organisers ask of them.
//!
//! The writer owes a mail in the commit of what it tells of. Here it is delivered: what it tells is looked at
//! once more, then it is composed from the order as it is then, and handed to the relay. Without a relay
//! everything waits.

mod deliver;
mod fan_out;
#[cfg(test)]
mod tests;

pub use deliver::{Mailer, watch};
pub use fan_out::fan_out;

use crate::clock::DatabaseClock;
use crate::ids::{Ids, digest};
use crate::mail::{ADDRESS_CHANGED, Letter, Of, of_nobody};
use crate::reads::Reads;
use crate::store::records::RecordChange;
use crate::store::records::outbox_rows::{
    Message, MessageState, of_no_order, of_order, of_subject, troubled,
};
use crate::writer::{CommandError, MAIL, Queue, mail_message};
use boxoffice::{EventId, Order, OrderId, OrderState, TicketState, TimeMs};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// Tickets are sent again on request after so long, in milliseconds, ...
pub const AGAIN_AFTER_MS: i64 = 5 * 60_000;
/// ... and so often within a day.
pub const AGAIN_A_DAY: usize = 5;
/// The list of an address's orders is sent after so long, in milliseconds, ...
pub const LOST_AFTER_MS: i64 = 10 * 60_000;
/// ... and so often within a day.
pub const LOST_A_DAY: usize = 5;
/// An order's holder gives it another address so often within a day: whoever gets another one is sent a mail
/// without having asked for it.
pub const ADDRESSES_A_DAY: usize = 3;
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;
/// So many mails of an order are shown.
const MOST_SHOWN: usize = 50;

/// Mails as those who ask for them see them.
pub struct Mailing {
    /// The way to the writer.
    pub queue: Queue,
    /// The way to the database for questions.
    pub reads: Reads,
    /// The database's time.
    pub clock: Arc<DatabaseClock>,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Whether there is a relay: else mails wait until there is one.
    pub has_relay: bool,
    /// Turns of those who ask for mails.
    pub turns: Turns,
}

/// Whoever asks for a mail of one order or to one address waits until the one before has been answered: so the
/// limits hold however many ask at one moment. In this process; of several, each counts what the others have
/// committed.
pub struct Turns([Mutex<()>; 64]);

/// The turn of somebody.
pub type Turn<'a> = MutexGuard<'a, ()>;

impl Default for Turns {
    fn default() -> Turns {
        Turns(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Turns {
    async fn of(&self, what: &[u8]) -> Turn<'_> {
        self.0[(digest(&[b"turn", what]) % 64) as usize].lock().await
    }
}

/// A mail about an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailState {
    /// Its id: the same in each try.
    pub id: u128,
    /// About which order.
    pub order: Option<OrderId>,
    /// What it tells, as long as that is known.
    pub letter: Option<Letter>,
    /// What it tells: see [`Letter::subject`].
    pub subject: String,
    /// To whom; empty once that was erased, or is an address that the order does not have any more.
    pub to: String,
    /// Since when it is owed, in milliseconds since 1970.
    pub owed_ms: TimeMs,
    /// Where it stands.
    pub standing: MailStanding,
    /// When it was sent or came to its end, in milliseconds since 1970.
    pub ended_ms: Option<TimeMs>,
    /// The words of the relay, or why it was not sent.
    pub why: Option<String>,
}

/// Where a mail stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailStanding {
    /// It is about to be sent, or is tried again after a while.
    Waiting,
    /// It waits until a relay is configured.
    NoRelay,
    /// The relay has taken it.
    Sent,
    /// It was handed over twice, and the relay has not said whether it took it.
    SentPerhaps,
    /// The relay does not take it: the address does not exist, say.
    Refused,
    /// It was tried for a day, in vain.
    GivenUp,
    /// It could not be sent while it was of use.
    TooOld,
    /// There was nothing to tell any more.
    Needless,
}

/// What came of asking for a mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// It is owed now.
    Owed,
    /// One is on its way already, or was sent a moment ago: not before this time, in milliseconds since 1970.
    NotBefore(TimeMs),
    /// There is nothing to be sent: the order has no tickets, or no address.
    Nothing,
}

impl Mailing {
    /// The mails about an order, the newest first.
    pub async fn of_order(&self, order: OrderId) -> Result<Vec<MailState>, CommandError> {
        let known = self.messages_of(order).await?;
        Ok(known.into_iter().map(|message| self.state(message)).collect())
    }

    async fn messages_of(&self, order: OrderId) -> Result<Vec<Message>, CommandError> {
        let ask = move |reader: &mut dyn crate::store::Reader| {
            of_order(reader.tables(), MAIL, order, MOST_SHOWN)
        };
        Ok(self.reads.ask(ask).await?)
    }

    /// The last mails about the orders of an event that were refused or given up, the newest first.
    pub async fn troubled(
        &self,
        event: EventId,
        limit: usize,
    ) -> Result<Vec<MailState>, CommandError> {
        let ask = move |reader: &mut dyn crate::store::Reader| {
            troubled(reader.tables(), MAIL, event, limit)
        };
        Ok(self.reads.ask(ask).await?.into_iter().map(|message| self.state(message)).collect())
    }

    fn state(&self, message: Message) -> MailState {
        let standing = match message.state {
            MessageState::Queued if !self.has_relay => MailStanding::NoRelay,
            MessageState::Queued => MailStanding::Waiting,
            MessageState::Delivered => MailStanding::Sent,
            MessageState::Unanswered => MailStanding::SentPerhaps,
            MessageState::Refused => MailStanding::Refused,
            MessageState::GivenUp => MailStanding::GivenUp,
            MessageState::TooOld => MailStanding::TooOld,
            MessageState::Needless => MailStanding::Needless,
        };
        let former = message.subject == ADDRESS_CHANGED;
        MailState {
            id: message.id,
            order: message.order_id,
            letter: serde_json::from_str(&message.payload).ok(),
            to: if former { String::new() } else { message.destination },
            subject: message.subject,
            owed_ms: message.made_ms,
            standing,
            ended_ms: message.ended_ms,
            // The words of a relay may name the address.
            why: message.last_error.filter(|_| !former),
        }
    }

    /// Sends an order's tickets again, because its holder asks for them.
    pub async fn resend(&self, order: &Order) -> Result<Asked, CommandError> {
        self.resend_with(order, Vec::new()).await
    }

    /// The same; if they are owed now, these records are written with it.
    pub async fn resend_with(
        &self,
        order: &Order,
        also: Vec<RecordChange>,
    ) -> Result<Asked, CommandError> {
        let valid = order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid);
        let paid = matches!(order.state, OrderState::Paid | OrderState::Refunding);
        if order.buyer.email.is_empty() || !valid || !paid {
            return Ok(Asked::Nothing);
        }
        let _turn = self.turn_of(order.id).await;
        let now = self.clock.now_ms();
        let letter = Letter::Again(Of { order: order.id.0, event: order.event.0 });
        let of_tickets = |message: &&Message| letter.is_again_of(&message.subject);
        let known = self.messages_of(order.id).await?;
        let known: Vec<&Message> = known.iter().filter(of_tickets).collect();
        if let Some(at) = not_before(&known, now, AGAIN_AFTER_MS, AGAIN_A_DAY) {
            return Ok(Asked::NotBefore(at));
        }
        self.owe(&letter, &order.buyer.email, now, also).await
    }

    /// Sends to an address the list of its orders, because somebody typed it who has lost them. Whether there
    /// are any is looked at when it is composed. The answer must not tell.
    pub async fn lost(&self, address: &str) -> Result<Asked, CommandError> {
        let to = of_nobody(address);
        let _turn = self.turns.of(to.as_bytes()).await;
        let (asked, now) = (to.clone(), self.clock.now_ms());
        let ask = move |reader: &mut dyn crate::store::Reader| {
            of_no_order(reader.tables(), MAIL, &asked, MOST_SHOWN)
        };
        let known: Vec<Message> = self.reads.ask(ask).await?;
        // Mails of the office to the same address are no reason to wait.
        let lost = |message: &&Message| message.subject == Letter::Lost.subject();
        let known: Vec<&Message> = known.iter().filter(lost).collect();
        if let Some(at) = not_before(&known, now, LOST_AFTER_MS, LOST_A_DAY) {
            return Ok(Asked::NotBefore(at));
        }
        self.owe(&Letter::Lost, &to, now, Vec::new()).await
    }

    /// Waits for the turn of an order: nothing else is asked of its mails until it is dropped.
    pub async fn turn_of(&self, order: OrderId) -> Turn<'_> {
        self.turns.of(&order.0.to_be_bytes()).await
    }

    /// Whether an order's holder may give it another address, and until when not, in milliseconds since 1970.
    pub async fn address_not_before(&self, order: OrderId) -> Result<Option<TimeMs>, CommandError> {
        let now = self.clock.now_ms();
        let ask = move |reader: &mut dyn crate::store::Reader| {
            of_subject(reader.tables(), MAIL, order, ADDRESS_CHANGED, ADDRESSES_A_DAY)
        };
        let known: Vec<Message> = self.reads.ask(ask).await?;
        let nth = known.get(ADDRESSES_A_DAY - 1);
        let at = nth.map(|message| message.made_ms.saturating_add(DAY_MS));
        Ok(at.filter(|at| *at > now))
    }

    async fn owe(
        &self,
        letter: &Letter,
        to: &str,
        now: TimeMs,
        mut also: Vec<RecordChange>,
    ) -> Result<Asked, CommandError> {
        let message = mail_message(self.ids.message(now), letter, to, now);
        also.push(RecordChange::put(&message));
        self.queue.write(also).await?;
        Ok(Asked::Owed)
    }
}

/// Whether there must be no other such mail yet, and until when; `known` are those before, the newest first.
fn not_before(known: &[&Message], now: TimeMs, after_ms: i64, a_day: usize) -> Option<TimeMs> {
    let newest = known.first()?;
    // One that waits tells what is so when it is sent. One that could not be sent is no reason to wait.
    let waits = newest.state == MessageState::Queued;
    let soon = newest.made_ms.saturating_add(after_ms);
    if waits || soon > now && newest.state != MessageState::Refused {
        return Some(soon.max(now + 1));
    }
    let nth = known.get(a_day.saturating_sub(1))?;
    let a_day_later = nth.made_ms.saturating_add(DAY_MS);
    (a_day_later > now).then_some(a_day_later)
}
