//! The relay: hands mails to an SMTP server (RFC 5321).
//!
//! - What an outcome means follows from how far the mail had got. Nothing is taken for a refusal of the
//!   recipient that may be a fault of our settings: a wrong password must not destroy every mail that is owed.
//! - Before the end of the text is sent, a broken connection means that the mail was not taken. After it, nobody
//!   knows: [`Sent::Unknown`].
//! - At most `AT_ONCE` connections, each for `MAILS_EACH` mails; one that is not used is closed.

mod connection;
mod message;
mod probe;
mod settings;
#[cfg(test)]
mod tests;

pub use connection::{PATIENCE, Patience};
pub use probe::{probe, records};
pub use settings::SmtpSettings;

use crate::clock::Clock;
use crate::mail::{Composed, Relay, Sent};
use crate::metrics::Metrics;
use crate::tasks::spawn;
use connection::{Connection, Failure, Limit, Phase, What};
use message::Formatted;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::{Duration, Instant, sleep};

/// So many connections are open at once. Relays allow few from one client.
const AT_ONCE: usize = 4;
/// A connection is used for so many mails: relays bound it, and a new one may reach another machine.
const MAILS_EACH: u32 = 50;
/// A connection that was not used for so long is closed.
const IDLE: Duration = Duration::from_secs(5);
/// The same trouble is logged once in this time.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Sends mails by an SMTP server.
#[derive(Clone)]
pub struct Smtp(Arc<Inner>);

struct Inner {
    settings: SmtpSettings,
    patience: Patience,
    clock: Clock,
    metrics: OnceLock<Arc<Metrics>>,
    permits: Semaphore,
    idle: Mutex<Idle>,
    /// The last thing that the relay did with a mail was to take it.
    takes: AtomicBool,
    logged: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Somebody closes them in time.
    watched: bool,
}

impl Smtp {
    /// A relay with these settings. It connects when there is a mail.
    pub fn new(settings: SmtpSettings, patience: Patience, clock: Clock) -> Smtp {
        Smtp(Arc::new(Inner {
            settings,
            patience,
            clock,
            metrics: OnceLock::new(),
            permits: Semaphore::new(AT_ONCE),
            idle: Mutex::default(),
            takes: AtomicBool::new(false),
            logged: Mutex::default(),
        }))
    }

    /// Counts there from now on.
    pub fn count(&self, metrics: Arc<Metrics>) {
        _ = self.0.metrics.set(metrics);
    }
}

impl Relay for Smtp {
    async fn send(&self, id: u128, to: &str, mail: &Composed) -> Sent {
        let inner = &self.0;
        let from = &inner.settings.from;
        let formatted = match message::format(id, from, to, mail, inner.clock.now_ms()) {
            Ok(formatted) => formatted,
            Err(why) => return Sent::Refused(why),
        };
        let _permit = inner.permits.acquire().await;
        match self.hand_over(&formatted).await {
            Ok(()) => {
                inner.takes.store(true, Ordering::SeqCst);
                inner.note(false);
                Sent::Accepted
            }
            Err(failure) => inner.outcome(&failure),
        }
    }
}

impl Smtp {
    async fn hand_over(&self, mail: &Formatted) -> Result<(), Failure> {
        let inner = &self.0;
        let limit = Limit::start(inner.patience);
        loop {
            let waiting = inner.take();
            let was_idle = waiting.is_some();
            let mut connection = match waiting {
                Some(connection) => connection,
                None => Connection::open(&inner.settings, limit, &|_| ()).await?,
            };
            let done = connection.send(inner.settings.from(), mail, limit, &|_| ()).await;
            let Err(failure) = done else {
                self.put_back(connection);
                return Ok(());
            };
            let closed = matches!(failure.what, What::Trouble(_) | What::Said(421, _));
            if was_idle && closed && failure.phase == Phase::Sender {
                // The relay closed it meanwhile; nothing of the mail was said.
                continue;
            }
            if !closed && connection.reset(limit).await {
                self.put_back(connection);
            }
            return Err(failure);
        }
    }

    /// Keeps a connection for the next mail, or closes it.
    fn put_back(&self, mut connection: Connection) {
        if connection.used >= MAILS_EACH {
            return close(connection);
        }
        connection.idle_since = Instant::now();
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.push(connection);
        if !std::mem::replace(&mut idle.watched, true) {
            let inner = Arc::clone(&self.0);
            _ = spawn(async move {
                loop {
                    sleep(IDLE).await;
                    let mut idle = inner.idle.lock().unwrap_or_else(PoisonError::into_inner);
                    let is_old = |c: &mut Connection| c.idle_since.elapsed() >= IDLE;
                    idle.connections.extract_if(.., is_old).for_each(close);
                    if idle.connections.is_empty() {
                        idle.watched = false;
                        return;
                    }
                }
            });
        }
    }
}

/// A relay's words for the log, which has no buyers in it.
fn without_addresses(text: &str) -> String {
    let word = |word: &str| if word.contains('@') { "(address)".into() } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn close(connection: Connection) {
    _ = spawn(async move { _ = connection.close().await });
}

impl Inner {
    /// A connection that waits.
    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).connections.pop()
    }

    /// What a failure means for the mail.
    fn outcome(&self, failure: &Failure) -> Sent {
        let why = failure.to_string();
        match (&failure.what, failure.phase) {
            (What::NoSuchAddresses(_), _) => Sent::Refused(why),
            (What::Trouble(_), Phase::End) => Sent::Unknown(why),
            (What::Said(500..=599, text), Phase::Recipient | Phase::Text | Phase::End) => {
                if !self.is_of_the_mail(failure, text) {
                    return self.fault(why);
                }
                Sent::Refused(why)
            }
            // Before a recipient was named nothing can be the recipient's fault.
            (What::Said(500..=599, _) | What::Unfit(_), _) => self.fault(why),
            (_, Phase::Sender | Phase::Recipient | Phase::Text | Phase::End) => Sent::Later(why),
            _ => {
                if self.may_log() {
                    tracing::warn!(why, "the mail relay cannot be used now; mails wait");
                }
                Sent::Later(why)
            }
        }
    }

    /// Whether a 5xx is about this mail, and not about us. Relays use the same codes for both: most check the
    /// sender and the log-in only when the recipient is named, and some only when they have all of the mail.
    fn is_of_the_mail(&self, failure: &Failure, text: &str) -> bool {
        let What::Said(code, _) = failure.what else { return false };
        // Not logged in, or not well enough (RFC 4954, section 6), or out of turn.
        if matches!(code, 503 | 530 | 534 | 535 | 538) {
            return false;
        }
        // RFC 3463: X.1 is the address, X.2 the mailbox, X.7 security and policy.
        let class = text.split(' ').next().and_then(|status| status.strip_prefix("5."));
        let subject = class.and_then(|class| class.split('.').next());
        let names_recipient = failure.phase == Phase::Recipient && subject != Some("7");
        if names_recipient || matches!(subject, Some("1" | "2")) {
            return true;
        }
        // It may be about the content, or the relay says it to everybody since an account was closed or a
        // sender was not confirmed. So one is refused after another one was taken, and no second.
        self.takes.swap(false, Ordering::SeqCst)
    }

    /// The relay will take nothing until a person has changed something.
    fn fault(&self, why: String) -> Sent {
        self.note(true);
        if self.may_log() {
            let why = without_addresses(&why);
            tracing::error!(
                why,
                "the mail relay takes no mail with these settings; mails wait. Check NTS_SMTP and \
                 NTS_MAIL_FROM with `nts mail test`"
            );
        }
        Sent::Later(why)
    }

    /// Whether it takes no mail because of the settings.
    fn note(&self, fault: bool) {
        if let Some(metrics) = self.metrics.get() {
            metrics.mail_relay_fault.set(i64::from(fault));
        }
    }

    fn may_log(&self) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let may = logged.is_none_or(|at| at.elapsed() >= LOG_EVERY);
        if may {
            *logged = Some(Instant::now());
        }
        may
    }
}
