//! Mails that are owed to all orders of an event at once. Such a job is written in the commit of what the mails
//! tell of; a worker then makes the messages of the outbox page by page (module `mailing`).

use super::{Field, RecordChange, record};
use boxoffice::{EventId, OrderId};

record! {
    /// A mail to everybody who has tickets for an event.
    pub struct MailJob: "mail_jobs", key 1 {
        /// Its id; rises with time.
        pub id: u128,
        /// When it was decided, in milliseconds since 1970, by the clock of the database.
        pub at_ms: i64,
        /// Which event.
        pub event: EventId,
        /// What is to be written, as JSON, with an order of 0.
        pub letter: String,
        /// The last order for which its message was made; 0: none yet.
        pub done: OrderId,
    }
}

/// Goes on behind an order, unless another process has gone on from there.
const GO_ON: &str = "UPDATE mail_jobs SET done = $1
    WHERE id = $2 AND done = $3";

impl MailJob {
    /// The messages up to this order are made.
    pub fn go_on(&self, done: OrderId) -> RecordChange {
        RecordChange::Run(GO_ON, vec![done.value(), self.id.value(), self.done.value()])
    }

    /// All of its messages are made.
    pub fn end(&self) -> RecordChange {
        RecordChange::delete::<MailJob>(vec![self.id.value()])
    }
}
