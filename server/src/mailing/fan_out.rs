//! Makes the messages of mails that are owed to all orders of an event, page by page. Each message has an id that
//! follows from its job and its order: two processes, or one that died meanwhile, make the same ones, once.

use crate::ids::digest;
use crate::mail::Letter;
use crate::messages::Outbox;
use crate::store::records::RecordChange;
use crate::store::records::mail_jobs::MailJob;
use crate::store::records::page;
use crate::writer::mail_message;
use boxoffice::{Order, OrderId, OrderState, TicketState};
use tokio::time::{Duration, sleep};

/// So many orders at a time, so that no batch becomes long by it.
const PAGE: usize = 200;
/// How long it waits between two of these.
const BETWEEN: Duration = Duration::from_millis(50);
/// So many jobs are looked at for one that this version knows.
const JOBS: usize = 100;

/// Works on the jobs until the process ends.
pub async fn fan_out(outbox: Outbox) {
    loop {
        let more = match step(&outbox).await {
            Ok(more) => more,
            Err(why) => {
                tracing::warn!(why, "mails to the buyers of an event could not be made");
                false
            }
        };
        sleep(if more { BETWEEN } else { outbox.look }).await;
    }
}

/// One page of the oldest job whose letter this version knows. Gives whether there is more to do.
async fn step(outbox: &Outbox) -> Result<bool, String> {
    let jobs = outbox.reads.ask(|reader| page::<MailJob>(reader.tables(), None, JOBS)).await;
    let jobs = jobs.map_err(|fault| fault.to_string())?;
    let mut unknown = None;
    let known =
        jobs.into_iter().find_map(|job| match serde_json::from_str::<Letter>(&job.letter) {
            Ok(letter) => Some((job, letter)),
            // Of a newer version, which makes them. Others need not wait for that.
            Err(error) => {
                unknown = Some(error.to_string());
                None
            }
        });
    let Some((job, letter)) = known else { return unknown.map_or(Ok(false), Err) };
    let (event, after) = (job.event, (job.done != OrderId(0)).then_some(job.done));
    let orders = outbox.reads.ask(move |reader| reader.orders(event, after, PAGE)).await;
    let orders = orders.map_err(|fault| fault.to_string())?;
    let now = outbox.clock.now_ms();
    let mut changes: Vec<RecordChange> = Vec::new();
    let to_be_told = orders.orders.iter().filter(|order| is_told(order, &job, &letter));
    changes.extend(to_be_told.map(|order| {
        let letter = letter.clone().to(order.id);
        mail_message(id(&job, order.id), &letter, &order.buyer.email, now).add()
    }));
    let next = orders.next;
    changes.push(next.map_or_else(|| job.end(), |done| job.go_on(done)));
    outbox.queue.write(changes).await.map_err(|no| format!("{no:?}"))?;
    Ok(true)
}

/// Whether the buyer of an order has tickets, and has ordered them before.
fn is_told(order: &Order, job: &MailJob, letter: &Letter) -> bool {
    let issued_before = match letter {
        Letter::Moved { issued, .. } => order.tickets.iter().any(|t| t.serial <= *issued),
        _ => false,
    };
    let valid = order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid);
    let paid = matches!(order.state, OrderState::Paid | OrderState::Refunding);
    valid
        && paid
        && !order.buyer.email.is_empty()
        && (order.placed_ms <= job.at_ms || issued_before)
}

/// The id of a message: that of its job's time, and a digest of both.
fn id(job: &MailJob, order: OrderId) -> u128 {
    let of = digest(&[b"mail", &job.id.to_be_bytes(), &order.0.to_be_bytes()]);
    (job.at_ms.max(0) as u128) << 80 | of & ((1 << 80) - 1)
}
