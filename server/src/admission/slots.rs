//! Slots: how many of the connections may be kept by those who wait. The rest is for requests that are
//! answered at once.

use super::connections::Shares;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// So many notifications of the provider at a time may be larger than what anybody may send. Whether one is
/// genuine is known when it has come whole, and those that are refused are sent again.
const LARGE_WEBHOOKS: usize = 32;
/// So many links to sign in to the office are made at a time.
const SIGN_IN_LINKS: usize = 32;

/// The slots of connections that are kept for a while.
pub struct Slots {
    /// A permit for each client that listens to live counts.
    pub listeners: Arc<Semaphore>,
    /// How many of them each client has.
    pub listener_shares: Arc<Shares>,
    /// A permit for each request that keeps its connection until a payment is decided.
    pub waiters: Semaphore,
    /// A permit for each large notification that is being received.
    pub large_webhooks: Semaphore,
    /// A permit for each link to sign in to the office that is being made, after its answer.
    pub sign_in_links: Arc<Semaphore>,
}

impl Slots {
    /// The slots where there are `connections`, and a client may have `of_a_client` of them.
    pub fn new(connections: u32, of_a_client: u32) -> Slots {
        let share = of_a_client as usize * most_listeners(connections);
        let share = share.div_ceil(connections.max(1) as usize);
        Slots {
            listeners: Arc::new(Semaphore::new(most_listeners(connections))),
            listener_shares: Shares::new(u32::try_from(share).unwrap_or(u32::MAX)),
            waiters: Semaphore::new(most_waiters(connections)),
            large_webhooks: Semaphore::new(LARGE_WEBHOOKS),
            sign_in_links: Arc::new(Semaphore::new(SIGN_IN_LINKS)),
        }
    }

    /// Only `places` of the `connections` can be had: the slots become fewer in proportion.
    pub fn shrink(&self, connections: u32, places: u32) {
        self.listeners.forget_permits(most_listeners(connections) - most_listeners(places));
        self.waiters.forget_permits(most_waiters(connections) - most_waiters(places));
    }
}

/// Of so many connections, how many may listen to live counts.
fn most_listeners(connections: u32) -> usize {
    (connections / 2) as usize
}

/// Of so many connections, how many may be kept until a payment is decided.
fn most_waiters(connections: u32) -> usize {
    connections.div_ceil(3) as usize
}
