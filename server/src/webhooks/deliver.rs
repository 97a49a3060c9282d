//! Delivers the messages to webhooks: signs them, sends them, and judges the answers.

use super::send::{Answered, Carry, Outcome, Post};
use super::sign;
use crate::actor::Actor;
use crate::clock::DatabaseClock;
use crate::ids::{Ids, Secrets};
use crate::mail::Letter;
use crate::messages::{Deliver, Delivery, Open, Policy};
use crate::metrics::{ByOutcome, Metrics};
use crate::reads::Reads;
use crate::store::records::RecordChange;
use crate::store::records::accounts::owners;
use crate::store::records::audit_log::{Action, AuditLine};
use crate::store::records::outbox_rows::{Message, MessageState};
use crate::store::records::webhooks::{
    HookKind, HookTry, MOST_WEBHOOKS, TEST, WEBHOOK, Webhook, destination, failing, off, works,
};
use crate::text::cut;
use crate::writer::{HookList, mail_message};
use boxoffice::TimeMs;
use boxoffice::mutant::{Mutant, on};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The pauses after each try in vain, as Standard Webhooks 1.0 proposes them; each is up to a tenth longer or shorter.
const PAUSES_MS: [i64; 9] = [
    5 * SECOND_MS,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    2 * HOUR_MS,
    5 * HOUR_MS,
    10 * HOUR_MS,
    14 * HOUR_MS,
    20 * HOUR_MS,
    24 * HOUR_MS,
];
/// A message is tried for so long: once more after all the pauses but the last.
const TRIED_FOR_MS: i64 = 72 * HOUR_MS;
/// A webhook that has taken nothing for so long is switched off.
pub const FAILS_FOR_MS: i64 = 72 * HOUR_MS;
/// So many messages to one webhook are under way at once; one, while it rests.
const AT_ONCE: usize = 8;
/// So many deliveries begin in a second at most, in this process.
const PER_SECOND: u32 = 200;
/// A webhook to which a message has arrived so lately does not rest because of another one that it does not take.
const LATELY_MS: i64 = MINUTE_MS;
/// While no message to a webhook arrives, it rests: one is tried after this pause, which doubles ...
const FIRST_REST_MS: i64 = 5 * SECOND_MS;
/// ... up to this.
const MOST_REST_MS: i64 = MINUTE_MS;
/// `Retry-After` is obeyed up to a day. The webhook itself rests no longer than above.
const MOST_RETRY_AFTER_MS: i64 = 24 * HOUR_MS;

/// Delivers messages to webhooks.
pub struct Sender {
    /// Takes them there.
    pub carry: Arc<dyn Carry>,
    /// Which webhooks there are.
    pub list: Arc<HookList>,
    /// Signs them.
    pub secrets: Secrets,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// The database's time.
    pub clock: Arc<DatabaseClock>,
    /// The way to the database for questions.
    pub reads: Reads,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Rung when the list of webhooks has to be read again.
    pub changed: Arc<Notify>,
    /// What is not in the database.
    pub memory: Arc<Memory>,
}

/// What a process remembers of its tries.
#[derive(Default, Debug)]
pub struct Memory(Mutex<Remembered>);

#[derive(Default, Debug)]
struct Remembered {
    /// How tries went that are not recorded yet, and to which address, by their messages.
    tries: BTreeMap<u128, (HookTry, String)>,
    /// Webhooks to which no message arrives at the moment.
    failing: BTreeMap<u128, Rest>,
    /// To which address of a webhook a message arrived the last time, and when.
    arrived: BTreeMap<u128, (String, TimeMs)>,
    /// When somebody switched a webhook on or gave it another address: what was under way then tells nothing of it.
    anew: BTreeMap<u128, TimeMs>,
}

/// A webhook rests.
#[derive(Debug)]
struct Rest {
    /// Its address then: another one begins anew.
    address: String,
    /// How often in a row.
    times: u32,
    /// Until when.
    until_ms: TimeMs,
}

fn webhook_of(message: &Message) -> Option<u128> {
    u128::from_str_radix(&message.destination, 16).ok()
}

/// Whether a webhook is told of what a message tells. It may have been changed since the message was owed.
fn wants(webhook: &Webhook, message: &Message) -> bool {
    let kind = HookKind::parse(&message.subject);
    let event = webhook.event.is_none_or(|only| message.event == Some(only));
    message.subject == TEST
        || event && kind.map_or(webhook.kinds.named().is_none(), |kind| webhook.kinds.has(kind))
}

/// How long `Retry-After` asks to wait: a number of seconds, or a date (RFC 9110, 10.2.3).
fn retry_after_ms(text: &str, now: TimeMs) -> i64 {
    let seconds = text.trim().parse::<i64>().ok();
    let by_date = || {
        let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
        Some(date.timestamp().as_millisecond() - now)
    };
    let wait = seconds.map(|s| s.saturating_mul(1_000)).or_else(by_date).unwrap_or(0);
    wait.clamp(0, MOST_RETRY_AFTER_MS)
}

/// What an answer means for a message.
fn judged(outcome: &Outcome, now: TimeMs) -> Delivery {
    let retry = |why: String, after_ms| Delivery::Retry { after_ms, why };
    let Answered { status, retry_after, .. } = match outcome {
        Ok(answered) => answered,
        Err(why) => return retry(why.clone(), 0),
    };
    let after_ms = retry_after.as_deref().map_or(0, |text| retry_after_ms(text, now));
    match status {
        200..=299 => Delivery::Delivered,
        300..=399 => retry(
            format!(
                "The receiver answered {status}. A redirect is not followed: change the address."
            ),
            0,
        ),
        410 => Delivery::Refused("The receiver answered 410: it wants no more messages.".into()),
        _ => retry(format!("The receiver answered {status}."), after_ms),
    }
}

impl Sender {
    fn webhook(&self, message: &Message) -> Option<Webhook> {
        let id = webhook_of(message)?;
        self.list.known().iter().find(|webhook| webhook.id == id).cloned()
    }

    /// The secrets that sign at this time: its own first.
    fn signing(&self, webhook: &Webhook, now: TimeMs) -> Vec<[u8; 32]> {
        let mut secrets = vec![self.secrets.webhook(webhook.id, webhook.secret)];
        if webhook.old_until_ms.is_some_and(|until| now < until) && webhook.secret > 0 {
            secrets.push(self.secrets.webhook(webhook.id, webhook.secret - 1));
        }
        secrets
    }

    async fn send(&self, webhook: &Webhook, message: &Message) -> Delivery {
        let (at_ms, begun) = (self.clock.now_ms(), Instant::now());
        let (id, timestamp) = (sign::id(message.id), sign::timestamp(at_ms));
        let secrets = self.signing(webhook, at_ms);
        let signature = sign::signatures(&secrets, &id, &timestamp, &message.payload);
        let (address, body) = (webhook.address.clone(), message.payload.clone());
        let outcome = self.carry.carry(Post { address, id, timestamp, signature, body }).await;
        let took_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let (status, answer) = match &outcome {
            Ok(answered) => (Some(answered.status.into()), answered.body.clone()),
            Err(_) => (None, String::new()),
        };
        let delivery = judged(&outcome, self.clock.now_ms());
        let tried =
            HookTry { message: message.id, webhook: webhook.id, at_ms, took_ms, status, answer };
        let address = webhook.address.clone();
        self.memory.lock().tries.insert(message.id, (tried, address));
        if self.is_still(webhook.id, &webhook.address, at_ms).is_some() {
            self.memory.lock().note(webhook, &delivery, self.clock.now_ms());
        }
        if on(Mutant::WebhookNotRetried) && matches!(delivery, Delivery::Retry { .. }) {
            return Delivery::Delivered;
        }
        delivery
    }

    /// The webhook of this id, if what came of a try that began at `at_ms` at this address says something of it.
    fn is_still(&self, id: u128, address: &str, at_ms: TimeMs) -> Option<Webhook> {
        let known = self.list.known();
        let webhook =
            known.iter().find(|webhook| webhook.id == id && webhook.address == address)?;
        let before = self.memory.lock().anew.get(&id).is_some_and(|anew| at_ms < *anew);
        (!before).then(|| webhook.clone())
    }

    /// Switches a webhook off, in the commit that records why and owes the owners a mail. If it is not known whom, it
    /// stays on until the next try.
    async fn switch_off(
        &self,
        webhook: &Webhook,
        why: &str,
        now: TimeMs,
        since_ms: TimeMs,
    ) -> Vec<RecordChange> {
        let owners = match self.reads.ask(|reader| owners(reader.tables())).await {
            Ok(owners) => owners,
            Err(fault) => {
                tracing::warn!(%fault, "a webhook that fails cannot be switched off at the moment");
                return Vec::new();
            }
        };
        let (id, host) = (uuid::Uuid::from_u128(webhook.id), host_of(&webhook.address));
        let detail = format!("{id} to {host}: {why}");
        let line_id = self.ids.message(now);
        let line = AuditLine::of_office(line_id, now, Actor::System, Action::WebhookOff, detail);
        let letter = Letter::WebhookOff(webhook.id);
        let mail = |id: u128, to: &str| mail_message(id, &letter, to, now);
        let mails: Vec<Message> =
            owners.iter().map(|owner| mail(self.ids.message(now), &owner.email)).collect();
        off(webhook, why, since_ms, &line, &mails)
    }
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has switched a webhook on, or given it another address, at `now`.
    pub(super) fn begin_anew(&self, id: u128, now: TimeMs) {
        let mut memory = self.lock();
        memory.failing.remove(&id);
        memory.arrived.remove(&id);
        memory.anew.insert(id, now);
    }

    /// Somebody wants a message to be sent at once, at `now`: a webhook that rests is tried with what is due longest.
    pub(super) fn wake(&self, id: u128, now: TimeMs) {
        if let Some(rest) = self.lock().failing.get_mut(&id) {
            (rest.times, rest.until_ms) = (0, rest.until_ms.min(now));
        }
    }

    /// A webhook is no more.
    pub(super) fn forget(&self, id: u128) {
        let mut memory = self.lock();
        memory.failing.remove(&id);
        memory.arrived.remove(&id);
        memory.anew.remove(&id);
    }
}

impl Remembered {
    /// Notes how a try ended that says something of a webhook.
    fn note(&mut self, webhook: &Webhook, delivery: &Delivery, now: TimeMs) {
        if *delivery == Delivery::Delivered {
            self.failing.remove(&webhook.id);
            self.arrived.insert(webhook.id, (webhook.address.clone(), now));
        } else {
            self.rest(webhook, delivery, now);
        }
    }

    fn rest(&mut self, webhook: &Webhook, delivery: &Delivery, now: TimeMs) {
        let asked_ms = match delivery {
            Delivery::Retry { after_ms, .. } => *after_ms,
            _ => 0,
        };
        let arrived = self.arrived.get(&webhook.id);
        let lately = arrived
            .is_some_and(|(address, at)| *address == webhook.address && now - at < LATELY_MS);
        // A receiver that takes others may have refused only this one. If it asks to wait, it means all.
        if lately && asked_ms == 0 {
            return;
        }
        let known = self.failing.get(&webhook.id).filter(|rest| rest.address == webhook.address);
        // Those that were under way at the same moment tell nothing more.
        if known.is_some_and(|rest| now < rest.until_ms) {
            return;
        }
        let times = known.map_or(0, |rest| rest.times + 1);
        let pause_ms = FIRST_REST_MS.saturating_mul(1 << times.min(20)).min(MOST_REST_MS);
        let until_ms = now.saturating_add(pause_ms.max(asked_ms.min(MOST_REST_MS)));
        let address = webhook.address.clone();
        self.failing.insert(webhook.id, Rest { address, times, until_ms });
    }
}

/// The host of an address, for the log.
pub(super) fn host_of(address: &str) -> &str {
    cut(crate::store::records::webhooks::host_of(address))
}

impl Deliver for Sender {
    const KIND: &'static str = WEBHOOK;

    fn policy(&self) -> Policy {
        Policy {
            per_second: PER_SECOND,
            at_once: AT_ONCE * MOST_WEBHOOKS,
            first_pause_ms: PAUSES_MS[0],
            most_pause_ms: PAUSES_MS[PAUSES_MS.len() - 1],
            tried_for_ms: TRIED_FOR_MS,
            // It waits while its webhook is off. What is old is removed.
            most_age_ms: i64::MAX,
            keeps: true,
            one_way: false,
        }
    }

    fn pause_ms(&self, message: &Message) -> i64 {
        let at = (message.tries as usize).min(PAUSES_MS.len() - 1);
        let pause_ms = PAUSES_MS[at];
        // So that what failed at one moment does not come back at one moment.
        let drawn = (message.id ^ (message.id >> 20) ^ (u128::from(message.tries) * 7_919)) % 201;
        pause_ms + pause_ms * (drawn as i64 - 100) / 1_000
    }

    fn destinations(&self) -> Option<Vec<Open>> {
        let (now, memory) = (self.clock.now_ms(), self.memory.lock());
        let known = self.list.known();
        let may = |webhook: &Webhook| {
            let rest = memory.failing.get(&webhook.id);
            match rest.filter(|rest| rest.address == webhook.address) {
                None => (AT_ONCE, false),
                Some(rest) if now < rest.until_ms => (0, false),
                // By turns what is due longest and the last that was not tried yet, for what it refuses may lie in front.
                Some(rest) => (1, rest.times % 2 == 1),
            }
        };
        let open = |webhook: &Webhook| {
            let (at_once, latest) = may(webhook);
            Open { destination: destination(webhook.id), at_once, latest }
        };
        Some(known.iter().filter(|webhook| webhook.is_on).map(open).collect())
    }

    async fn deliver(&self, message: &Message) -> Delivery {
        match self.webhook(message) {
            Some(webhook) if !wants(&webhook, message) => {
                Delivery::Needless("The webhook is not told of this any more.".into())
            }
            Some(webhook) if webhook.is_on => self.send(&webhook, message).await,
            // It was switched off a moment ago.
            _ => Delivery::Retry { after_ms: 0, why: "The webhook is switched off.".into() },
        }
    }

    fn ended(&self, _message: &Message, delivery: &Delivery, state: MessageState) {
        let outcome = match (state, delivery) {
            (MessageState::Queued, _) => "later",
            (MessageState::Delivered, _) => "delivered",
            (MessageState::Needless, _) => "unwanted",
            _ => "given_up",
        };
        self.metrics.webhooks.get_or_create(&ByOutcome { outcome }).inc();
    }

    async fn also(&self, message: &Message, delivery: &Delivery, now: TimeMs) -> Vec<RecordChange> {
        let tried = self.memory.lock().tries.remove(&message.id);
        let Some((tried, address)) = tried else { return Vec::new() };
        let mut changes = vec![RecordChange::put(&tried)];
        let Some(webhook) = self.is_still(tried.webhook, &address, tried.at_ms) else {
            return changes;
        };
        match delivery {
            Delivery::Delivered => {
                // Also if it is not known to fail: another process may have recorded that a moment ago.
                changes.push(works(&webhook));
                if webhook.failing_ms.is_some() {
                    self.changed.notify_one();
                }
            }
            Delivery::Retry { why, .. } => {
                match webhook.failing_ms {
                    None => changes.push(failing(&webhook, now)),
                    Some(since_ms) if now - since_ms >= FAILS_FOR_MS => {
                        let why =
                            format!("No message has arrived for three days. The last time: {why}");
                        let before_ms = now - FAILS_FOR_MS;
                        changes.extend(self.switch_off(&webhook, &why, now, before_ms).await);
                    }
                    Some(_) => return changes,
                }
                self.changed.notify_one();
            }
            Delivery::Refused(why) => {
                changes.push(failing(&webhook, now));
                changes.extend(self.switch_off(&webhook, why, now, now).await);
                self.changed.notify_one();
            }
            _ => {}
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_how_long_to_wait_in_seconds_or_by_a_date() {
        let now = 1_445_412_400_000;
        assert_eq!(retry_after_ms("120", now), 120_000);
        assert_eq!(retry_after_ms(" 0 ", now), 0);
        assert_eq!(retry_after_ms("Wed, 21 Oct 2015 07:28:00 GMT", now), 80_000);
        assert_eq!(retry_after_ms("Wed, 21 Oct 2005 07:28:00 GMT", now), 0, "it is over");
        assert_eq!(retry_after_ms("99999999999999999999", now), 0);
        assert_eq!(retry_after_ms("9223372036854775807", now), MOST_RETRY_AFTER_MS);
        assert_eq!(retry_after_ms("-5", now), 0);
        assert_eq!(retry_after_ms("soon", now), 0);
    }

    #[test]
    fn only_a_status_of_success_is_one() {
        let answered =
            |status| Ok(Answered { status, retry_after: Some("60".into()), body: String::new() });
        for status in [200, 201, 204, 299] {
            assert_eq!(judged(&answered(status), 0), Delivery::Delivered);
        }
        for status in [100, 300, 301, 302, 307, 308, 400, 401, 404, 409, 429, 500, 503] {
            let Delivery::Retry { after_ms, why } = judged(&answered(status), 0) else {
                panic!("{status}")
            };
            assert!(why.contains(&status.to_string()), "{why}");
            assert_eq!(after_ms, if (300..400).contains(&status) { 0 } else { 60_000 });
        }
        assert!(matches!(judged(&answered(410), 0), Delivery::Refused(_)));
        let lost = judged(&Err("The host cannot be found.".into()), 0);
        assert_eq!(lost, Delivery::Retry { after_ms: 0, why: "The host cannot be found.".into() });
    }

    #[test]
    fn the_log_has_the_host_of_an_address_and_not_its_path() {
        assert_eq!(host_of("https://example.org/secret?key=1"), "example.org");
        assert_eq!(host_of("https://example.org:8443"), "example.org:8443");
        assert_eq!(host_of("https://example.org?key=1"), "example.org");
    }
}
