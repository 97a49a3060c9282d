//! The sandbox in memory as the provider of a server that a test puts together, and requests at one moment.

use nts_server::clock::{Clock, DatabaseClock};
use nts_server::ids::Ids;
use nts_server::payments::fake::FakeStripe;
use nts_server::payments::governor::Governor;
use nts_server::payments::stripe::Stripe;
use std::sync::Arc;

/// The sandbox, its client without a budget, and the clock of the database that the client has. `shop`: see
/// [`Stripe::new`].
pub fn in_memory(
    clock: &Clock,
    ids: &Arc<Ids>,
    shop: String,
) -> (Arc<FakeStripe>, Stripe, Arc<DatabaseClock>) {
    let sandbox = Arc::new(FakeStripe::in_memory(clock.clone(), [3; 32]).unwrap());
    let of_database = Arc::new(DatabaseClock::new(clock.clone()));
    let (wire, governor) = (Box::new(Arc::clone(&sandbox)), Governor::unlimited());
    let (ids, same) = (Arc::clone(ids), Arc::clone(&of_database));
    (sandbox, Stripe::new(wire, governor, ids, same, false, shop), of_database)
}

/// All of them at once.
pub async fn join_all<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (one, done) in &mut all {
            if done.is_none() {
                match one.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *done = Some(output),
                    std::task::Poll::Pending => waits = true,
                }
            }
        }
        if waits { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    all.into_iter().map(|(_, done)| done.unwrap()).collect()
}
