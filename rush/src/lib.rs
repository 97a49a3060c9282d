//! A crowd that wants tickets.
//!
//! Buyers arrive by a clock of their own, whether the server is fast or slow (an open loop), so that
//! a slow answer delays nobody behind it and hides nothing: how long something took is counted from
//! the moment at which a buyer wanted it. They look, hold places under an idempotency key, think,
//! pay in the sandbox, ask again when they hear nothing or "not now", and give up. What each of them
//! was told is written down and compared in the end with what the server then says.
//!
//! ```text
//! crowd (who comes when) ─► buyer (what one does) ─► client (HTTP) ─► the server
//!                               └─► books (what was told) ─► verify ─► report
//! ```
//!
//! Meanwhile devices may scan tickets at the door of another event, [`scans`], and a webhook may be told of the
//! sale: [`receiver`].

pub mod books;
mod buyer;
pub mod client;
mod crowd;
pub mod order;
pub mod receiver;
pub mod report;
pub mod scans;
pub mod verify;

pub use crowd::{Outcome, Probe, Progress, rush};

use client::{Client, Request};
use nts_api::{Event, Pool};
use std::net::SocketAddr;
use std::time::Duration;

/// What the crowd is like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many buyers.
    pub buyers: u64,
    /// Within this time they come, at random moments; zero: all at once.
    pub ramp: Duration,
    /// The most connections at a time. Who comes while all are busy waits, and that is counted.
    pub connections: usize,
    /// How long a buyer waits for one answer.
    pub patience: Duration,
    /// How long a buyer thinks before paying, on average.
    pub think: Duration,
    /// So many of a thousand look at the event's page first.
    pub look: u32,
    /// So many of a thousand hold places and never pay.
    pub walk_away: u32,
    /// So many of a thousand first pay with a card that is declined.
    pub declined: u32,
    /// So many of a thousand come back after "sold out", up to three times.
    pub come_back: u32,
    /// So many at a time who hear "sold out" stay until nobody holds a place any more, and want those
    /// that come back.
    pub stayers: usize,
    /// The most tickets in an order; how many it is, is drawn.
    pub most: u32,
    /// How often a buyer asks again, under the same key, who heard nothing or "not now".
    pub tries: u32,
    /// After the crowd so many orders are looked at again; those whose outcome nobody was told, all.
    pub check: usize,
    /// The same seed makes the same crowd; the server decides what becomes of it.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            buyers: 30_000,
            ramp: Duration::from_secs(10),
            connections: 512,
            patience: Duration::from_secs(10),
            think: Duration::from_secs(2),
            look: 1000,
            walk_away: 50,
            declined: 50,
            come_back: 300,
            stayers: 0,
            most: 4,
            tries: 5,
            check: 50_000,
            seed: 1,
        }
    }
}

/// What the crowd wants.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The event, by its slug.
    pub slug: String,
    /// The one ticket type that is wanted.
    pub ticket_type: String,
    /// The most tickets in an order there.
    pub limit: u32,
    /// How long a hold lasts, in seconds.
    pub hold_s: u64,
    /// The places as they were before the crowd came.
    pub before: Counts,
}

/// The places of an event.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// All there are.
    pub capacity: u64,
    /// Held.
    pub held: u64,
    /// Sold.
    pub sold: u64,
}

impl Counts {
    fn of(pool: &Pool<'_>) -> Counts {
        Counts { capacity: pool.capacity.into(), held: pool.held.into(), sold: pool.sold.into() }
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.capacity.saturating_sub(self.held + self.sold)
    }
}

impl Target {
    /// Looks at the event. The error is a sentence: nobody answers there, it is not nts, it takes
    /// real money, there is no such event, or it is not on sale.
    pub async fn find(address: SocketAddr, slug: &str) -> Result<Target, String> {
        let client = Client::new(address, 1);
        let get = |path: String| {
            let client = &client;
            async move {
                let patience = Duration::from_secs(10);
                let asked = client.once(&Request::get(&path), patience).await;
                asked.map_err(|why| format!("http://{address} does not answer: {why}"))
            }
        };
        // This route is there with the sandbox only, and for POST.
        match get("/nts/v1/debug/reset".into()).await?.status {
            405 => {}
            _ => {
                return Err(format!(
                    "http://{address} is not an nts with the sandbox: a load test is for test mode, \
                     never for a shop that takes money. Nothing was ordered."
                ));
            }
        }
        let answer = get(format!("/api/v1/events/{slug}")).await?;
        if answer.status == 404 {
            return Err(format!("there is no event {slug} at http://{address}"));
        }
        let view: Event<'_> = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("http://{address} describes no event: {error}"))?;
        if !view.on_sale {
            return Err(format!("the event {slug} is not on sale now"));
        }
        let Some(first) = view.ticket_types.first() else {
            return Err(format!("the event {slug} has no ticket type"));
        };
        let pool = view.pools.iter().find(|p| p.id == first.pool);
        let pool = pool.ok_or_else(|| format!("the event {slug} has no places"))?;
        Ok(Target {
            address,
            slug: slug.into(),
            ticket_type: first.id.clone().into_owned(),
            limit: view.limit_per_order,
            hold_s: view.hold_seconds.unsigned_abs(),
            before: Counts::of(pool),
        })
    }

    /// The places now, and how they were read.
    pub(crate) fn counts(&self, body: &[u8]) -> Option<Counts> {
        let view: Event<'_> = serde_json::from_slice(body).ok()?;
        let wanted = view.ticket_types.iter().find(|t| t.id == self.ticket_type)?;
        let pool = view.pools.iter().find(|p| p.id == wanted.pool)?;
        Some(Counts::of(pool))
    }
}
