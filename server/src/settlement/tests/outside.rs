//! What happens at the provider without us: its lists, its notices, and what our key may do there.

use super::world::{BEGUN_MS, World};
use crate::payments::fake::{InjectedFault, Operation};
use crate::payments::stripe::{Seen, Since};
use crate::settlement::external::{Row, compare, since};
use crate::settlement::{
    Notice, follow_external_changes, handle_notices, read_external_changes, try_permissions,
};
use boxoffice::{Order, OrderId, OrderState, Refund, RefundId, RefundOutcome, RefundState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{Duration, sleep};

const DAY_S: i64 = 24 * 3_600;
const BEGUN_S: i64 = BEGUN_MS / 1000;
/// The list of all refunds, and that of all disputes.
const LISTS: [&str; 2] = ["GET /v1/refunds?created", "GET /v1/disputes?created"];

#[test]
fn disputes_are_read_of_120_days_and_refunds_of_33_once_all_was_taken_in() {
    for (now_ms, whole, refunds_s, disputes_s) in [
        (BEGUN_MS, false, BEGUN_S - 120 * DAY_S, BEGUN_S - 120 * DAY_S),
        (BEGUN_MS, true, BEGUN_S - 33 * DAY_S, BEGUN_S - 120 * DAY_S),
        (BEGUN_MS + 999, true, BEGUN_S - 33 * DAY_S, BEGUN_S - 120 * DAY_S),
        (BEGUN_MS + 1_000, true, BEGUN_S + 1 - 33 * DAY_S, BEGUN_S + 1 - 120 * DAY_S),
    ] {
        let expected = Since { refunds_s, disputes_s };
        assert_eq!(since(now_ms, whole), expected, "{now_ms} {whole}");
    }
}

/// From when on the lists were read, in days before the world began, and after how many seconds.
fn looks(world: &World) -> Vec<(u64, [i64; 2])> {
    let days = |told: &str| {
        let (_, from) = told.split_once("[gte]=").unwrap();
        let from_s: i64 = from.split('&').next().unwrap().parse().unwrap();
        (BEGUN_S - from_s + DAY_S / 2) / DAY_S
    };
    let [refunds, disputes] = LISTS.map(|begin| world.asked(begin));
    let both = refunds.iter().zip(&disputes);
    both.map(|((at_ms, refunds), (_, disputes))| (at_ms / 1000, [days(refunds), days(disputes)]))
        .collect()
}

/// As long as one of the lists cannot be read, all is looked at again.
#[tokio::test(start_paused = true)]
async fn the_lists_are_read_every_five_minutes_and_whole_until_all_was_taken_in() {
    for list in [Operation::FindRefund, Operation::Disputes] {
        let mut world = World::new(&format!("lists-{list:?}")).await;
        world.fail(list, InjectedFault::ErrorBefore, 1);
        world.begin(follow_external_changes(Arc::clone(&world.settlement)));
        sleep(Duration::from_secs(1_000)).await;
        let (whole, usual) = ([120, 120], [33, 120]);
        assert_eq!(looks(&world), [(0, whole), (300, whole), (600, usual), (900, usual)]);
    }
}

#[test]
fn a_row_about_our_refund_is_news_if_the_books_say_otherwise() {
    use RefundOutcome as Told;
    const LATER: &str = "the bank sent the money back after the refund had succeeded";
    let words = || "words".to_owned();
    let outcomes = [Told::Succeeded(words()), Told::Pending, Told::Failed(words())];
    for (state, by_hand, expected) in [
        (RefundState::Pending, false, [Row::OnItsWay, Row::OnItsWay, Row::OnItsWay]),
        (RefundState::Succeeded(words()), false, [Row::Known, Row::Known, Row::News]),
        (RefundState::Failed(words()), false, [Row::News, Row::OnItsWay, Row::Known]),
        // It had succeeded before: the row is older than the books.
        (RefundState::Failed(LATER.into()), false, [Row::Known, Row::OnItsWay, Row::Known]),
        (RefundState::Failed(words()), true, [Row::Known, Row::OnItsWay, Row::Known]),
    ] {
        let refund = Refund {
            id: RefundId(1),
            amount_minor: 100,
            quantities: vec![],
            restock: false,
            state,
            by_hand,
            of_amount: false,
        };
        let given = outcomes.each_ref().map(|outcome| compare(&refund, outcome));
        assert_eq!(given, expected, "{refund:?}");
    }
}

/// Reads the lists once. Gives whether all of it was taken in, and how many payments were read for it.
async fn look(world: &World, seen: &mut Seen) -> (bool, u64) {
    let from = Since { refunds_s: 0, disputes_s: 0 };
    let before = world.calls(Operation::Read);
    let all = read_external_changes(&world.settlement, from, seen).await;
    (all, world.calls(Operation::Read) - before)
}

#[tokio::test(start_paused = true)]
async fn a_row_is_looked_at_until_it_was_taken_in() {
    let mut world = World::new("rows").await;
    world.run();
    let mut seen = Seen::default();
    let [ours, hand, disputed] = [world.paid().await, world.paid().await, world.paid().await];
    assert_eq!(look(&world, &mut seen).await, (true, 0), "nothing happened");
    // A refund of ours is pending at first: there is nothing to be read.
    world.fail(Operation::Refund, InjectedFault::RefundPends, 1);
    world.refund(ours).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.order(ours).await.state, OrderState::Refunding);
    assert_eq!(look(&world, &mut seen).await, (true, 0));
    world.until("it is refunded", ours, |o| o.state == OrderState::Refunded).await;
    assert_eq!(look(&world, &mut seen).await, (true, 0), "the books know it");

    // The bank sends it back.
    let refund = world.fake.refunds_of(&world.intent(ours).await).unwrap().remove(0);
    world.fake.fail_refund(&refund).unwrap();
    assert_eq!(look(&world, &mut seen).await, (true, 1));
    assert_eq!(world.order(ours).await.owed_back().minor, 100);

    // One that cannot be recorded, for the writer is busy, is looked at again.
    world.fake.refund_by_hand(&world.intent(hand).await, 100).unwrap();
    world.writing_ms.store(120_000, Ordering::SeqCst);
    let held = world.settlement.writer.clone();
    let order = disputed;
    world.begin(async move {
        _ = held.ask(boxoffice::Command::Expire { order }, None).await;
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(look(&world, &mut seen).await, (false, 1));
    world.writing_ms.store(0, Ordering::SeqCst);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(world.order(hand).await.state, OrderState::Paid);
    assert_eq!(look(&world, &mut seen).await, (true, 1));
    assert_eq!(world.order(hand).await.state, OrderState::Refunded);
    assert_eq!(look(&world, &mut seen).await, (true, 0), "it was taken in");

    // A row that does not say which payment it is about may say so the next time.
    world.fake.dispute(&world.intent(disputed).await, 100).unwrap();
    world.fail(Operation::Disputes, InjectedFault::Nulls, 1);
    assert_eq!(look(&world, &mut seen).await, (true, 0));
    assert_eq!(look(&world, &mut seen).await, (true, 1));
    assert!(world.order(disputed).await.payment.unwrap().dispute.is_some());

    // What is refused will be refused for ever; what cannot be reached may be there the next time.
    let mut fresh = Seen::default();
    world.fail(Operation::Read, InjectedFault::LostBefore, u32::MAX);
    let (all, read) = look(&world, &mut fresh).await;
    assert!(!all && read > 2, "{all} {read}");
    world.fake.behave();
    assert_eq!(look(&world, &mut fresh).await, (true, 2), "the refund by hand and the dispute");
    assert_eq!(look(&world, &mut fresh).await, (true, 0));
}

/// What is said of a payment, and of whose it is.
fn notice(world: &World, intent: &str, order: Option<OrderId>) {
    world.settlement.notices.add(Notice { intent: intent.into(), order });
}

fn handle(world: &mut World) {
    let received = world.received.take().unwrap();
    world.begin(handle_notices(Arc::clone(&world.settlement), received));
}

fn is_given_back(order: &Order) -> bool {
    order.state == OrderState::Refunded
}

/// A payment that cannot be read is tried again, after a pause that is doubled each time; not for ever, for the
/// lists tell of it as well, and not where it would be refused again.
#[tokio::test(start_paused = true)]
async fn a_notice_whose_payment_cannot_be_read_is_tried_again_for_a_while() {
    for (how, pauses_ms) in [
        (InjectedFault::LostBefore, &[500, 1_000, 2_000, 4_000, 8_000][..]),
        (InjectedFault::TooMany, &[500, 1_000, 2_000, 4_000, 8_000]),
        (InjectedFault::Forbidden, &[]),
    ] {
        let mut world = World::new(&format!("notice-{how:?}")).await;
        world.run();
        handle(&mut world);
        for in_vain in [true, false] {
            let order = world.paid().await;
            let intent = world.intent(order).await;
            world.fake.refund_by_hand(&intent, 100).unwrap();
            let fails = pauses_ms.len() as u32 + u32::from(in_vain);
            world.fail(Operation::Read, how, fails);
            notice(&world, &intent, Some(order));
            sleep(Duration::from_secs(60)).await;
            let reads = world.asked(&format!("GET /v1/payment_intents/{intent}"));
            let pauses: Vec<u64> = reads.windows(2).map(|two| two[1].0 - two[0].0).collect();
            assert_eq!(pauses, pauses_ms, "{how:?}");
            assert_eq!(is_given_back(&world.order(order).await), !in_vain, "{how:?}");
        }
    }
}

/// The charge of an ordinary sale tells that there is no refund and no dispute. Where the books have one, or
/// nobody knows whose the payment is, the lists are read whatever the charge says.
#[tokio::test(start_paused = true)]
async fn a_notice_reads_the_lists_of_a_payment_only_where_they_may_tell_something() {
    let mut world = World::new("whole").await;
    world.run();
    handle(&mut world);
    let [plain, part, disputed] = [world.paid().await, world.paid().await, world.paid().await];
    let ring = async |order: OrderId, known: bool| {
        let intent = world.intent(order).await;
        let lists = |world: &World| {
            let of = |list: &str| format!("GET /v1/{list}?payment_intent={intent}");
            ["refunds", "disputes"].map(|list| world.asked(&of(list)).len())
        };
        let before = lists(&world);
        notice(&world, &intent, known.then_some(order));
        sleep(Duration::from_secs(1)).await;
        let after = lists(&world);
        [after[0] - before[0], after[1] - before[1]]
    };
    assert_eq!(ring(plain, true).await, [0, 0]);
    assert_eq!(ring(plain, false).await, [1, 1]);
    world.fake.refund_by_hand(&world.intent(part).await, 40).unwrap();
    assert_eq!(ring(part, true).await, [1, 0], "the charge tells of it");
    assert_eq!(ring(part, true).await, [1, 1], "and the books have it");
    world.fake.dispute(&world.intent(disputed).await, 100).unwrap();
    assert_eq!(ring(disputed, true).await, [0, 1], "the charge tells of it");
    assert_eq!(ring(disputed, true).await, [1, 1], "and the books have it");
    // The payment of another order is not read.
    let reads = world.calls(Operation::Read);
    notice(&world, &world.intent(plain).await, Some(part));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.calls(Operation::Read), reads);
}

/// What can become untrue counts if nothing has happened since it was asked for: a notice is taken in with what
/// was known of its order before.
#[tokio::test(start_paused = true)]
async fn a_notice_that_the_bank_said_no_is_believed_at_once() {
    let mut world = World::new("bank-no").await;
    world.run();
    handle(&mut world);
    let order = world.hold().await;
    world.pay(order, "ctoken_3ds").await;
    world.until("the timer waits", order, |o| o.tries >= 6).await;
    let reads = world.calls(Operation::Read);
    let intent = world.intent(order).await;
    world.fake.authenticate(&intent, false).unwrap();
    notice(&world, &intent, Some(order));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(world.calls(Operation::Read), reads + 1, "the timer has not looked");
    let payment = world.order(order).await.payment.unwrap();
    assert!(payment.open_attempt().is_none(), "{payment:?}");
}

/// What the key may not do is told when a list is refused, and once.
#[tokio::test(start_paused = true)]
async fn a_list_that_our_key_may_not_read_is_told_once() {
    let world = World::new("list-forbidden").await;
    world.fail(Operation::Disputes, InjectedFault::Forbidden, u32::MAX);
    let mut seen = Seen::default();
    for _ in 0..3 {
        assert_eq!((look(&world, &mut seen).await, world.alarms()), ((false, 0), 1));
    }
}

/// The sale needs the key from the start on: while nobody answers, it is tried once a minute.
#[tokio::test(start_paused = true)]
async fn the_key_is_tried_until_somebody_answers_and_what_it_may_not_do_is_told_once() {
    for (how, alarms) in [(None, 0), (Some(InjectedFault::Forbidden), 1)] {
        let mut world = World::new(&format!("key-tried-{alarms}")).await;
        world.fail(Operation::List, InjectedFault::LostBefore, u32::MAX);
        let done = Arc::new(AtomicBool::new(false));
        let (settlement, says) = (Arc::clone(&world.settlement), Arc::clone(&done));
        world.begin(async move {
            try_permissions(settlement).await;
            says.store(true, Ordering::SeqCst);
        });
        sleep(Duration::from_secs(150)).await;
        let tried: Vec<u64> =
            world.asked("GET /v1/payment_intents?").iter().map(|(at_ms, _)| *at_ms).collect();
        assert_eq!((tried, done.load(Ordering::SeqCst)), (vec![0, 60_000, 120_000], false));
        world.fake.misbehave(move |o| how.filter(|_| o == Operation::Capture));
        sleep(Duration::from_secs(31)).await;
        assert_eq!((done.load(Ordering::SeqCst), world.alarms()), (true, alarms));
    }
}
