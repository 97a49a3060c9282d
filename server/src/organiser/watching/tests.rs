use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::{advance, sleep};

#[tokio::test(start_paused = true)]
async fn however_many_look_one_reads_and_what_was_read_is_shown_for_a_moment() {
    let kept = Arc::new(Kept::<u32>::default());
    let reads = Arc::new(AtomicU32::new(0));
    let look = |event: u64, takes: Duration| {
        let (kept, reads) = (Arc::clone(&kept), Arc::clone(&reads));
        async move {
            let read = async {
                sleep(takes).await;
                Ok(reads.fetch_add(1, Ordering::SeqCst) + 1)
            };
            *kept.get(EventId(event), read).await.expect("it was read")
        }
    };
    let short = Duration::from_millis(10);
    let (a, b, c) = tokio::join!(look(1, short), look(1, short), look(1, short));
    assert_eq!((a, b, c), (1, 1, 1), "they look at the same");
    assert_eq!(look(2, short).await, 2, "another event");
    advance(KEPT - short * 3).await;
    assert_eq!(look(1, short).await, 1, "still shown");
    advance(short * 3).await;
    assert_eq!(look(1, short).await, 3, "read anew");
    // What takes long is read seldom.
    advance(KEPT).await;
    let long = Duration::from_secs(2);
    assert_eq!(look(1, long).await, 4);
    advance(long * (SHARE - 2)).await;
    assert_eq!(look(1, long).await, 4);
    advance(long * 2).await;
    assert_eq!(look(1, long).await, 5);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_is_not_kept() {
    let kept = Kept::<u32>::default();
    let failed = kept.get(EventId(1), async { Err(SaleError::Unavailable) }).await;
    assert_eq!(failed.map(|read| *read), Err(SaleError::Unavailable));
    let read = kept.get(EventId(1), async { Ok(7) }).await;
    assert_eq!(read.map(|read| *read), Ok(7));
}

#[test]
fn declines_are_told_from_payments() {
    let outcomes = [(String::new(), 90), ("Your card was declined.".into(), 7), ("No.".into(), 3)];
    assert_eq!(declined(&outcomes), (10, 100));
    assert_eq!(declined(&[]), (0, 0));
}

#[test]
fn an_order_needs_a_person_as_long_as_something_is_wrong_with_it() {
    use boxoffice::{Dispute, OrderState, Refund, RefundId, RefundState};
    use nts_testkit::fixtures;
    let paid = || {
        let mut order = fixtures::order(OrderState::Paid);
        order.lines = vec![fixtures::line(2, 1_000)];
        order.payment = Some(fixtures::payment(&[]));
        order
    };
    assert_eq!(why(&paid()), None, "it was told and is well again");

    let mut told = paid();
    told.trouble = Some("something to look at".into());
    assert_eq!(why(&told), Some(Why::Other("something to look at".into())));

    let mut stuck = fixtures::order(OrderState::Committed);
    stuck.due_ms = Some(1);
    stuck.trouble = Some("cannot move on: no answer".into());
    assert_eq!(why(&stuck), Some(Why::Stuck("cannot move on: no answer".into())));

    let disputed = |status: &str| {
        let mut order = paid();
        let dispute = Dispute { id: "dp_1".into(), amount_minor: 500, status: status.into() };
        order.payment.as_mut().expect("a payment").dispute = Some(dispute);
        why(&order)
    };
    let amount = Money { minor: 500, currency: paid().currency };
    for status in ["needs_response", "lost"] {
        assert_eq!(disputed(status), Some(Why::Disputed(amount, status.into())));
    }
    assert_eq!(disputed("won"), None);

    let mut owed = paid();
    owed.lines[0].refunded = 1;
    owed.refunds = vec![Refund {
        id: RefundId(1),
        amount_minor: owed.lines[0].unit_minor,
        quantities: vec![1],
        restock: false,
        state: RefundState::Failed(
            "the bank sent the money back after the refund had succeeded: closed".into(),
        ),
        by_hand: false,
        of_amount: false,
    }];
    assert_eq!(why(&owed), Some(Why::OwedBack(owed.owed_back())));
    assert!(owed.owed_back().minor > 0);
}
