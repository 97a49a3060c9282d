//! The two lists: the holds that run out, and what is owed to the provider.

use super::world::World;
use crate::payments::fake::{InjectedFault, Operation, Stop};
use crate::settlement::{expire, run};
use boxoffice::{Command, OrderState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::{Duration, sleep};

/// How many of these orders are released.
async fn released(world: &World, orders: &[boxoffice::OrderId]) -> usize {
    let mut released = 0;
    for order in orders {
        released += usize::from(world.order(*order).await.state == OrderState::Released);
    }
    released
}

/// A crowd of holds that run out has the writer for half of the time: the other half is for those who buy.
#[tokio::test(start_paused = true)]
async fn a_full_list_of_holds_is_read_again_after_as_long_as_it_took() {
    let mut world = World::new("expire").await;
    let settlement = Arc::clone(&world.settlement);
    world.begin(expire(settlement, Duration::from_secs(10), 3));
    let mut orders = Vec::new();
    for _ in 0..7 {
        orders.push(world.hold().await);
    }
    sleep(Duration::from_secs(299)).await;
    assert_eq!(released(&world, &orders).await, 0);
    // From now on the writer takes four seconds. The list is read after 300, 308 and 316 seconds.
    world.writing_ms.store(4_000, Ordering::SeqCst);
    let mut seen = Vec::new();
    for _ in 0..7 {
        sleep(Duration::from_secs(4)).await;
        seen.push(released(&world, &orders).await);
    }
    assert_eq!(seen, [0, 3, 3, 6, 6, 7, 7], "after 303, 307, … seconds");
    // A list that was not full is read again in its time, 10 seconds after the one before.
    world.writing_ms.store(0, Ordering::SeqCst);
    let late = world.hold().await;
    sleep(Duration::from_secs(300)).await;
    let due_ms = world.order(late).await.until_ms;
    assert!(due_ms <= world.settlement.clock.now_ms());
    let seen = released(&world, &[late]).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!((seen, released(&world, &[late]).await), (0, 1));
}

/// While as many are at work as the list gives at a time, it is read at one look in ten, and gives as many
/// more.
#[tokio::test(start_paused = true)]
async fn what_is_owed_is_found_though_many_are_at_work() {
    let mut world = World::new("busy").await;
    world.begin(run(Arc::clone(&world.settlement), Duration::from_secs(1), 1));
    let slow = world.hold().await;
    let pause = world.fake.pause_of(slow, Operation::Create, Stop::Before);
    world.pay(slow, "ctoken_ok").await;
    pause.arrived().await;
    // The first try of another one is in vain, so that it is due a moment later.
    world.fail(Operation::Create, InjectedFault::TooMany, 1);
    let other = world.hold().await;
    world.pay(other, "ctoken_ok").await;
    world.until("it is put off", other, |o| o.tries == 1).await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!((world.order(other).await.tries, world.calls(Operation::Create)), (1, 2));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.order(other).await.state, OrderState::Paid);
    assert_eq!(world.order(slow).await.state, OrderState::Paying);
    // With one at work less it is read at each look.
    pause.resume();
    world.until("it is paid", slow, |o| o.state == OrderState::Paid).await;
    world.fail(Operation::Create, InjectedFault::TooMany, 1);
    let last = world.hold().await;
    world.pay(last, "ctoken_ok").await;
    world.until("it is put off", last, |o| o.tries == 1).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.order(last).await.state, OrderState::Paid);
}

/// Those who let others go first stand in line when the work begins.
#[tokio::test(start_paused = true)]
async fn who_stands_behind_others_when_the_work_begins_is_settled() {
    let mut world = World::new("behind").await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        let order = world.hold().await;
        world.pay(order, "ctoken_declined").await;
        let line = &world.settlement.queue;
        assert_eq!(line.next().await.0, order);
        assert!(line.end(order, true).is_none());
        let reason = "no".to_owned();
        world.ask(Command::AttemptDeclined { order, attempt: 1, reason }).await;
        world.pay(order, "ctoken_ok").await;
        orders.push(order);
    }
    assert_eq!(world.settlement.queue.behind(), 3);
    world.run();
    for order in orders {
        world.until("it is paid", order, |o| o.state == OrderState::Paid).await;
    }
}
