//! Waiting for a turn at the provider: how long it takes, and what has become of the order meanwhile.

use super::world::{Setup, World};
use super::{fixtures, join, order, pending};
use crate::admission::client::Client;
use crate::admission::network::Network;
use crate::payments::class::PaymentClass;
use crate::payments::fake::Operation;
use crate::payments::governor::{Budget, Endpoint};
use crate::settlement::{seconds_behind, settle_known};
use boxoffice::{AttemptState, Command, Order, OrderId, OrderState, RefundOutcome, RefundState};
use std::sync::Arc;
use tokio::time::{Duration, advance, sleep};

/// One call a second at each endpoint.
fn slow() -> Setup {
    Setup { budget: Some(Budget { each: 1, all: 100 }), ..Setup::default() }
}

#[test]
fn a_wait_is_told_in_seconds_that_are_begun_with_the_share_of_the_lower_classes() {
    for (before, others, rate, expected) in [
        (0, false, 15, 0),
        (0, true, 15, 0),
        (1, false, 15, 1),
        (15, false, 15, 1),
        (16, false, 15, 2),
        (90, false, 10, 9),
        // Of eleven turns those who go before others have nine.
        (90, true, 10, 11),
        (8, true, 1, 9),
        (9, true, 1, 11),
        (10, true, 1, 12),
        (900, true, 25, 44),
    ] {
        assert_eq!(seconds_behind(before, others, rate), expected, "{before} {others} {rate}");
    }
}

/// Those who wait for a turn at the provider have left the line, and stand before those who are in it.
#[tokio::test(start_paused = true)]
async fn the_wait_counts_those_at_the_provider_and_those_in_line() {
    let setup = Setup { budget: Some(Budget { each: 10, all: 1_000 }), ..Setup::default() };
    let mut world = World::with("seconds", setup).await;
    let settlement = Arc::clone(&world.settlement);
    let seconds = |order: u128| settlement.queue_seconds(OrderId(order));
    assert_eq!(seconds(99), 0, "nobody waits");
    let wait = |world: &mut World, class: PaymentClass, times: u32| {
        for _ in 0..times {
            let settlement = Arc::clone(&world.settlement);
            world.begin(async move {
                _ = settlement.stripe.governor().turn_as(Endpoint::Create, class).await;
            });
        }
    };
    // Ten of them have their turn at once.
    wait(&mut world, PaymentClass::First, 30);
    sleep(Duration::from_millis(1)).await;
    join(&settlement.queue, 1..=25, PaymentClass::First);
    assert_eq!(seconds(1), 2, "20 before it, at 10 a second");
    assert_eq!(seconds(25), 5, "24 more");
    wait(&mut world, PaymentClass::AfterDecline, 20);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(seconds(25), 6, "44 before it, and 9 others on the way");
    join(&settlement.queue, 31..=40, PaymentClass::AfterDecline);
    assert_eq!(seconds(40), 8, "40 at the provider, 25 of a higher class and 9 of its own");
    assert_eq!(seconds(99), 7, "of a stranger as if it came last: 55, and 12 others");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_limits_the_calls_the_wait_is_that_of_the_line() {
    let world = World::new("pace").await;
    let line = &world.settlement.queue;
    let seconds = |order: u128| world.settlement.queue_seconds(OrderId(order));
    join(line, 1..=40, PaymentClass::First);
    assert_eq!(seconds(40), 0, "nobody knows yet");
    let go = async || {
        let (order, _) = line.next().await;
        assert!(line.end(order, true).is_none());
    };
    for _ in 0..3 {
        go().await;
    }
    advance(Duration::from_secs(2)).await;
    go().await;
    // Four in two seconds.
    assert_eq!([5, 7, 8, 9, 40].map(seconds), [0, 1, 2, 2, 18]);
}

#[tokio::test(start_paused = true)]
async fn a_later_attempt_and_another_order_of_a_client_let_others_go_first() {
    use AttemptState::{Abandoned, Declined, Pending};
    let world = World::new("classes").await;
    let admission = &world.settlement.admission;
    let class = |order: &Order| {
        let class = world.settlement.payment_class(order);
        let behind = class != PaymentClass::First;
        assert_eq!(world.settlement.waits_behind_others(order), behind, "{order:?}");
        class
    };
    // Its client pays for another order already.
    let ann = Client::Network(Network::of("203.0.113.5".parse().unwrap()));
    let paying = |id: u128| Order { id: OrderId(id), until_ms: i64::MAX, ..pending() };
    for id in [71, 72] {
        _ = admission.pay(ann, OrderId(id)).unwrap();
        admission.told([&paying(id)], 0, true, |_| 1);
    }
    assert_eq!(class(&paying(71)), PaymentClass::First);
    assert_eq!(class(&paying(72)), PaymentClass::SecondOrder);
    let declined = || Declined("no".into());
    for (attempts, expected) in [
        (vec![Pending], PaymentClass::First),
        (vec![Abandoned, Pending], PaymentClass::AfterDecline),
        (vec![declined(), Pending], PaymentClass::AfterDecline),
        (vec![declined(), declined(), Pending], PaymentClass::AfterDecline),
    ] {
        assert_eq!(class(&order(OrderState::Paying, &attempts)), expected, "{attempts:?}");
        // All else is done first, whatever was before it.
        for state in OrderState::ALL.into_iter().filter(|state| *state != OrderState::Paying) {
            let second = Order { id: OrderId(72), ..order(state, &attempts) };
            assert_eq!(class(&second), PaymentClass::First, "{state:?}");
        }
    }
    let declined = Order { id: OrderId(72), ..order(OrderState::Paying, &[declined(), Pending]) };
    assert_eq!(class(&declined), PaymentClass::AfterDecline);
    assert_eq!(class(&fixtures::order(OrderState::Paying)), PaymentClass::First);
}

/// What a process keeps of a commit: others may change the same orders, where there are others.
#[tokio::test(start_paused = true)]
async fn a_commit_joins_the_line_and_counts_those_that_cannot_move_on() {
    for shared in [false, true] {
        let setup = Setup { shared, ..Setup::default() };
        let world = World::with(&format!("committed-{shared}"), setup).await;
        let (queue, stuck) = (&world.settlement.queue, &world.settlement.stuck);
        let order = world.hold().await;
        assert_eq!((queue.class(order), super::counted(stuck)), (None, vec![]));
        world.pay(order, "ctoken_ok").await;
        assert_eq!(queue.class(order), Some(PaymentClass::First));
        for _ in 0..10 {
            assert_eq!(super::counted(stuck), []);
            let trouble = "words".to_owned();
            world.ask(Command::Defer { order, trouble, wait_ms: None }).await;
        }
        assert_eq!(super::counted(stuck), [("paying", 1)]);
        let tries = queue.known(order).map(|order| order.tries);
        assert_eq!(tries, (!shared).then_some(10), "as it is now, if nobody else changes it");
    }
}

/// An order that was found in the list turns out to be of a class of which as many are worked for as may be: it
/// waits in line, and no call is made for it before its turn.
#[tokio::test(start_paused = true)]
async fn who_is_found_and_finds_no_place_in_its_class_waits_in_line() {
    let world = World::new("no-place").await;
    let line = &world.settlement.queue;
    let order = world.hold().await;
    for (token, class) in
        [("ctoken_declined", PaymentClass::First), ("ctoken_ok", PaymentClass::AfterDecline)]
    {
        world.pay(order, token).await;
        assert_eq!((line.class(order), line.next().await.0), (Some(class), order));
        assert!(line.end(order, true).is_none());
        if class == PaymentClass::First {
            let reason = "no".to_owned();
            world.ask(Command::AttemptDeclined { order, attempt: 1, reason }).await;
        }
    }
    join(line, 1..=256, PaymentClass::AfterDecline);
    for id in 1..=256 {
        assert_eq!(line.next().await.0, OrderId(id));
    }
    line.find(vec![order]);
    assert_eq!(line.take_found(), Some(order));
    assert!(!settle_known(&world.settlement, order, None).await);
    assert_eq!((world.asked(""), line.end(order, false)), (vec![], None));
    assert_eq!(line.class(order), Some(PaymentClass::AfterDecline));
    // One of the others ends.
    line.end(OrderId(1), true);
    assert_eq!(line.next().await.0, order);
    assert!(settle_known(&world.settlement, order, None).await);
    assert_eq!(world.order(order).await.state, OrderState::Paid);
}

/// The buyer gives up while the order waits for its turn: no payment is made.
#[tokio::test(start_paused = true)]
async fn who_gives_up_while_waiting_for_a_turn_is_not_asked_for() {
    let mut world = World::with("gives-up", slow()).await;
    world.run();
    let settlement = Arc::clone(&world.settlement);
    let governor = settlement.stripe.governor();
    // Somebody else has the turn of this second.
    governor.turn(Endpoint::Create).await;
    let order = world.hold().await;
    world.pay(order, "ctoken_ok").await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(governor.waiting(), 1);
    world.ask(Command::Cancel { order }).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!((governor.waiting(), world.calls(Operation::Create)), (0, 0));
    assert_eq!(world.order(order).await.state, OrderState::Released);
    // Who waits and does not give up is asked for once.
    governor.turn(Endpoint::Create).await;
    let order = world.paid().await;
    assert_eq!((world.calls(Operation::Create), world.moved(order)), (1, (100, 0)));
}

/// Another process gets the answer to a refund while this one waits for one of the two turns for it.
#[tokio::test(start_paused = true)]
async fn a_refund_that_was_answered_meanwhile_is_not_asked_for() {
    for (n, taken) in [Endpoint::Refund, Endpoint::Refunds].into_iter().enumerate() {
        let mut world = World::with(&format!("answered-{n}"), slow()).await;
        world.run();
        let order = world.paid().await;
        let settlement = Arc::clone(&world.settlement);
        let governor = settlement.stripe.governor();
        governor.turn(taken).await;
        let refund = world.refund(order).await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(governor.waiting(), 1, "{taken:?}");
        let outcome = RefundOutcome::Failed("words".into());
        world.ask(Command::RefundAnswered { order, refund, outcome }).await;
        sleep(Duration::from_secs(4)).await;
        let calls = [Operation::FindRefund, Operation::Refund].map(|o| world.calls(o));
        assert_eq!((governor.waiting(), calls), (0, [0, 0]), "{taken:?}");
        assert_eq!(world.order(order).await.state, OrderState::Paid);
        // One that nobody else answers is asked for once, after the same wait.
        governor.turn(taken).await;
        world.refund(order).await;
        let refunded = |o: &Order| o.state == OrderState::Refunded;
        let now = world.until("it is refunded", order, refunded).await;
        assert!(matches!(now.refunds[1].state, RefundState::Succeeded(_)), "{now:?}");
        let calls = [Operation::FindRefund, Operation::Refund].map(|o| world.calls(o));
        assert_eq!((calls, world.moved(order)), ([1, 1], (100, 100)), "{taken:?}");
    }
}
