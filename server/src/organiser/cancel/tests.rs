//! What counts for a cancellation, and which events are found.

use super::*;
use crate::actor::Actor;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::reads::Reads;
use crate::store::sqlite::SqliteStore;
use crate::writer::{Job, Queue, Writer};
use nts_testkit::fixtures;

/// The event was cancelled then.
const AT_MS: TimeMs = 1_000_000;

fn refund(at_ms: TimeMs, amount_minor: i64, state: RefundState) -> Refund {
    Refund {
        id: RefundId((at_ms as u128) << 80 | 7),
        amount_minor,
        quantities: vec![1],
        restock: false,
        state,
        by_hand: false,
        of_amount: false,
    }
}

fn told(state: OrderState, until_ms: TimeMs, refunds: Vec<Refund>) -> Standing {
    let order = fixtures::order(state);
    let lines = vec![fixtures::line(2, 999)];
    standing(&Order { lines, until_ms, refunds, ..order }, AT_MS)
}

#[test]
fn what_came_to_an_end_before_is_of_no_cancellation() {
    use OrderState::{Refunded, Released, Void};
    let done = || RefundState::Succeeded("re".into());
    let (before, later) = (AT_MS - 1, AT_MS);
    for (expected, state, until_ms, refunds) in [
        (Standing::Before, Refunded, 0, vec![refund(before, 1_998, done())]),
        (Standing::Refunded(1_998), Refunded, 0, vec![refund(later, 1_998, done())]),
        // Only what went back by it.
        (
            Standing::Refunded(999),
            Refunded,
            0,
            vec![refund(before, 999, done()), refund(later, 999, done())],
        ),
        (Standing::Refunded(0), Refunded, 0, vec![refund(later, 0, done())]),
        (Standing::Before, Released, before, vec![]),
        (Standing::Released, Released, later, vec![]),
        (Standing::Before, Void, before, vec![refund(before, 1_998, done())]),
        (Standing::Refunded(1_998), Void, later, vec![refund(before, 1_998, done())]),
        (Standing::Open, Refunded, 0, vec![refund(later, 1_998, RefundState::Pending)]),
    ] {
        assert_eq!(told(state, until_ms, refunds), expected, "{state:?} until {until_ms}");
    }
    let cash = |at_ms| {
        let order = fixtures::order(Refunded);
        let refunds = vec![refund(at_ms, 999, RefundState::Succeeded("cash".into()))];
        let lines = vec![fixtures::line(1, 999)];
        standing(&Order { tender: Tender::Cash, lines, refunds, ..order }, AT_MS)
    };
    assert_eq!((cash(before), cash(later)), (Standing::Before, Standing::Failed));
}

#[test]
fn only_a_failed_refund_of_all_that_was_left_ends_the_tries() {
    use OrderState::Paid;
    let failed = || RefundState::Failed("no".into());
    let of = |quantity: u32, at_ms, state| {
        let of_amount = quantity == 0;
        Refund { quantities: vec![quantity], of_amount, ..refund(at_ms, 999, state) }
    };
    let done = || RefundState::Succeeded("re".into());
    let (before, later) = (AT_MS - 1, AT_MS);
    for (expected, refunds) in [
        (Standing::Open, vec![]),
        // An amount, and some tickets of two.
        (Standing::Open, vec![of(0, later, failed())]),
        (Standing::Open, vec![of(1, later, failed())]),
        (Standing::Open, vec![of(2, before, failed())]),
        (Standing::Failed, vec![of(2, later, failed())]),
        (Standing::Failed, vec![of(0, later, failed()), of(2, later, failed())]),
        // All of two, of which one had gone; and one of two, before the other went.
        (Standing::Failed, vec![of(1, before, done()), of(1, later, failed())]),
        (Standing::Open, vec![of(1, later, failed()), of(1, later, done())]),
        (Standing::Open, vec![of(1, later, failed()), of(1, later, failed())]),
    ] {
        let text = format!("{refunds:?}");
        assert_eq!(told(Paid, 0, refunds), expected, "{text}");
    }
}

#[tokio::test]
async fn all_cancelled_events_are_found_however_many_there_are() {
    let dir = std::env::temp_dir().join(format!("nts-canceled-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let store = SqliteStore::open(&dir.join("nts.db"), Clock::System).expect("a database").store;
    let reads = Reads::inline(Box::new(store.own_reader().expect("a reader")));
    let metrics = Arc::new(Metrics::default());
    let (queue, mut jobs) = Queue::new(5_000, Duration::from_secs(5), Arc::clone(&metrics));
    let mut writer = Writer::new(Box::new(store), metrics);
    let rows = (1..=7).map(|n| Cancellation::begun(EventId(n), 5, Actor::System, 1));
    let rows: Vec<RecordChange> = rows.map(|row| RecordChange::put(&row)).collect();
    let write = async {
        let job: Job = jobs.recv().await.expect("something to write");
        for (caller, answer) in writer.step(vec![job]).answers {
            _ = caller.send(answer);
        }
    };
    let (written, ()) = tokio::join!(queue.write(rows), write);
    written.expect("they are written");
    for at_a_time in [1, 2, 3, 7, 8, EVENTS] {
        let found = reads.ask(move |reader| canceled(reader.tables(), at_a_time)).await;
        let found: Vec<u64> = found.expect("rows").iter().map(|job| job.event.0).collect();
        assert_eq!(found, [1, 2, 3, 4, 5, 6, 7], "{at_a_time} at a time");
    }
    std::fs::remove_dir_all(&dir).expect("it is there");
}
