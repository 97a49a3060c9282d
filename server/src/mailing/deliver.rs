//! Delivers mails: what a row of the outbox tells is looked at, composed and handed to the relay.

use crate::catalogue::Catalogue;
use crate::mail::{ADDRESS_CHANGED, AnyCompose, AnyRelay, Letter, NotComposed, Of, Sent};
use crate::messages::{Deliver, Delivery, Outbox, Policy};
use crate::metrics::{ByMail, Metrics};
use crate::reads::Reads;
use crate::store::Reader;
use crate::store::records::outbox_rows::{Message, MessageState, tidy, waiting};
use crate::writer::MAIL;
use boxoffice::mutant::{Mutant, on};
use boxoffice::{Event, Order, OrderState, TicketState, TimeMs};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How many connections to the relay are open at once, at most.
const AT_ONCE: usize = 4;
/// The first pause after the relay has not taken a mail, in milliseconds; it doubles up to an hour.
const FIRST_PAUSE_MS: i64 = 60_000;
const MOST_PAUSE_MS: i64 = 3_600_000;
/// A mail that the relay does not take is given up after a day.
const TRIED_FOR_MS: i64 = 24 * 3_600_000;
/// What could not be sent for a week, mostly because there was no relay, is not sent any more.
pub const MOST_AGE_MS: i64 = 7 * 24 * 3_600_000;
/// For how long the events are waited for that another process has changed. They are looked at several times a
/// second, and less often where there are very many, or the database is slow.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// How often it is counted what waits.
const COUNT: Duration = Duration::from_secs(15);
/// What is about no order is kept for so long, in milliseconds: so long the limits of asking look back.
const KEPT_MS: i64 = 2 * 24 * 3_600_000;

/// Delivers mails.
pub struct Mailer {
    /// Makes their text.
    pub compose: Arc<dyn AnyCompose>,
    /// Takes them.
    pub relay: Arc<dyn AnyRelay>,
    /// So many a second at most, in this process.
    pub per_second: u32,
    /// The way to the database for questions.
    pub reads: Reads,
    /// The events as of the last commit.
    pub catalogue: Arc<Catalogue>,
    /// The database's time.
    pub clock: Arc<crate::clock::DatabaseClock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// A mail is not sent, though it is due.
struct Stop {
    /// Why.
    delivery: Delivery,
    /// Whether the event is the reason, and not the order.
    because_of_event: bool,
}

/// Why a mail is not sent, though it is due.
fn stopped(
    letter: &Letter,
    to: &str,
    order: &Order,
    event: Option<&Event>,
    now: TimeMs,
) -> Option<Stop> {
    let needless = |why: &str| {
        Some(Stop { delivery: Delivery::Needless(why.into()), because_of_event: false })
    };
    let by_event = |delivery: Delivery| Some(Stop { delivery, because_of_event: true });
    let valid = order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid);
    let sells = matches!(order.state, OrderState::Paid | OrderState::Refunding);
    if order.is_erased() {
        return needless("the buyer was erased");
    }
    let elsewhere = order.buyer.email != to && !on(Mutant::MailToOldAddress);
    if elsewhere && !matches!(letter, Letter::AddressChanged(_)) {
        return needless("the order has another address");
    }
    if letter.is_of_tickets() && !(valid && sells) {
        return needless("the order has no valid tickets any more");
    }
    let event = event?;
    if letter.is_of_tickets() && event.spec.ends() <= now {
        return by_event(Delivery::TooOld("the event is over".into()));
    }
    if letter.is_of_tickets() && event.is_canceled() {
        return by_event(Delivery::Needless("the event was cancelled".into()));
    }
    match letter {
        Letter::Moved { started_ms, place, .. }
            if (event.spec.starts_ms, &event.spec.place) == (*started_ms, place) =>
        {
            by_event(Delivery::Needless("it was moved back".into()))
        }
        _ => None,
    }
}

impl Mailer {
    /// Why a mail that is owed since `owed_ms` is not sent, if so. An error: that cannot be said at the moment.
    async fn stop(
        &self,
        letter: &Letter,
        to: &str,
        owed_ms: TimeMs,
    ) -> Result<Option<Stop>, String> {
        let Some(of) = letter.of() else { return Ok(None) };
        let unknown = || String::from("the events cannot be read");
        // Nothing is told as it was before the mail was owed.
        if !self.catalogue.knows(owed_ms, KNOWN_WITHIN).await {
            return Err(unknown());
        }
        let stop = self.looked_at(letter, to, of).await?;
        if !stop.as_ref().is_some_and(|stop| stop.because_of_event) {
            return Ok(stop);
        }
        // A mail that is stopped is never sent. So not by what another process has changed meanwhile.
        if !self.catalogue.fresh(KNOWN_WITHIN).await {
            return Err(unknown());
        }
        self.looked_at(letter, to, of).await
    }

    async fn looked_at(&self, letter: &Letter, to: &str, of: Of) -> Result<Option<Stop>, String> {
        let order = self.reads.ask(move |reader: &mut dyn Reader| reader.order(of.order())).await;
        let Some(order) = order.map_err(|fault| fault.to_string())? else {
            let delivery = Delivery::Needless("there is no such order".into());
            return Ok(Some(Stop { delivery, because_of_event: false }));
        };
        let (event, now) = (self.catalogue.event_by_id(order.event), self.clock.now_ms());
        Ok(stopped(letter, to, &order, event.as_deref(), now))
    }
}

impl Deliver for Mailer {
    const KIND: &'static str = MAIL;

    fn policy(&self) -> Policy {
        Policy {
            per_second: self.per_second,
            at_once: AT_ONCE,
            first_pause_ms: FIRST_PAUSE_MS,
            most_pause_ms: MOST_PAUSE_MS,
            tried_for_ms: TRIED_FOR_MS,
            most_age_ms: MOST_AGE_MS,
            keeps: true,
            one_way: true,
        }
    }

    async fn deliver(&self, message: &Message) -> Delivery {
        let to = &message.destination;
        let letter: Letter = match serde_json::from_str(&message.payload) {
            Ok(letter) => letter,
            // Of a newer version, which delivers it.
            Err(_) => {
                return Delivery::Failed("it cannot be read".into());
            }
        };
        match self.stop(&letter, to, message.made_ms).await {
            Ok(None) => {}
            Ok(Some(_)) if on(Mutant::MailNotStopped) => {}
            Ok(Some(stop)) => return stop.delivery,
            Err(why) => return Delivery::Retry { after_ms: 0, why },
        }
        let mail = match self.compose.compose_any(&letter, to).await {
            Ok(mail) => mail,
            Err(NotComposed::Needless(why)) => return Delivery::Needless(why),
            Err(NotComposed::Later(why)) => return Delivery::Failed(why),
        };
        match self.relay.send_any(message.id, to, &mail).await {
            Sent::Accepted => Delivery::Delivered,
            Sent::Later(why) => Delivery::Retry { after_ms: 0, why },
            Sent::Refused(why) => Delivery::Refused(why),
            Sent::Unknown(why) => Delivery::Unanswered(why),
        }
    }

    fn ended(&self, message: &Message, delivery: &Delivery, state: MessageState) {
        let outcome = match (state, delivery) {
            (MessageState::Queued, Delivery::Unanswered(_)) => "no_answer",
            (MessageState::Queued, _) => "later",
            (state, _) => state.word(),
        };
        let kind = known_subject(&message.subject);
        self.metrics.mails.get_or_create(&ByMail { kind, outcome }).inc();
        if let Delivery::Refused(why) = delivery {
            let (id, order) = (uuid::Uuid::from_u128(message.id), message.order_id);
            let order = order.map(|order| uuid::Uuid::from_u128(order.0)).unwrap_or_default();
            tracing::warn!(kind, %id, %order, code = codes(why), "the relay has refused a mail");
        }
    }

    fn forgets(&self, message: &Message) -> bool {
        message.subject == ADDRESS_CHANGED
    }
}

/// The codes with which a reply begins (RFC 5321, 4.2; RFC 3463), without its words, for they name the address.
fn codes(reply: &str) -> &str {
    let end = reply.find(|c: char| !c.is_ascii_digit() && !". -".contains(c));
    reply[..end.unwrap_or(reply.len())].trim_end_matches([' ', '-', '.'])
}

/// The subject of a letter as a fixed word.
fn known_subject(subject: &str) -> &'static str {
    const ALL: [&str; 8] = [
        "tickets",
        "again",
        "refunded",
        "void",
        "moved",
        "event_canceled",
        ADDRESS_CHANGED,
        "lost",
    ];
    ALL.into_iter().find(|known| *known == subject).unwrap_or("other")
}

/// Counts what waits, and removes what is of no use, until the process ends.
pub async fn watch(outbox: Outbox, metrics: Arc<Metrics>) {
    let mut looks: u64 = 0;
    loop {
        sleep(COUNT).await;
        let found = outbox.reads.ask(|reader| waiting(reader.tables(), MAIL)).await;
        let now = outbox.clock.now_ms();
        if let Ok((count, since_ms)) = found {
            metrics.mails_waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
            let age_ms = since_ms.map_or(0, |since| (now - since).max(0));
            metrics.oldest_mail.set(age_ms as f64 / 1_000.0);
        }
        looks += 1;
        if looks.is_multiple_of(240) {
            // What is in trouble is tried again an hour later.
            _ = outbox.queue.write(vec![tidy(MAIL, now - KEPT_MS)]).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::codes;

    #[test]
    fn a_reply_is_logged_without_its_words() {
        assert_eq!(codes("550 5.1.1 <ann@example.com>: no such user"), "550 5.1.1");
        assert_eq!(codes("550-5.7.1 ann"), "550-5.7.1");
        assert_eq!(codes("no connection to ann"), "");
        assert_eq!(codes("554"), "554");
    }
}
