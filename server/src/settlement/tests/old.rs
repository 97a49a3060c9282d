//! Orders that came to nothing, and are removed after some days.

use super::world::World;
use crate::settlement::{forget, forget_before};
use boxoffice::{Command, OrderId, OrderState};
use std::sync::Arc;
use tokio::time::{Duration, Instant, sleep};

const HOUR: u64 = 3_600;

/// An order that came to nothing.
async fn canceled(world: &World) -> OrderId {
    let order = world.hold().await;
    world.ask(Command::Cancel { order }).await;
    assert_eq!(world.order(order).await.state, OrderState::Released);
    order
}

async fn is_there(world: &World, order: OrderId) -> bool {
    world.settlement.reads.ask(move |r| r.order(order)).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn what_came_to_nothing_is_removed_in_the_hour_in_which_it_is_old_enough() {
    let mut world = World::new("old").await;
    world.begin(forget(Arc::clone(&world.settlement)));
    let kept = world.hold().await;
    let first = canceled(&world).await;
    sleep(Duration::from_secs(20 * 24 * HOUR)).await;
    let second = canceled(&world).await;
    let there = async |world: &World| {
        [is_there(world, kept).await, is_there(world, first).await, is_there(world, second).await]
    };
    sleep(Duration::from_secs(10 * 24 * HOUR - 60)).await;
    assert_eq!(there(&world).await, [true, true, true], "30 days are not over");
    sleep(Duration::from_secs(HOUR + 120)).await;
    assert_eq!(there(&world).await, [true, false, true]);
    // The look goes on where it was.
    sleep(Duration::from_secs(20 * 24 * HOUR)).await;
    assert_eq!(there(&world).await, [true, false, false]);
}

/// Orders are looked at 128 at a time, and the database is left to others between two pages.
#[tokio::test(start_paused = true)]
async fn what_came_to_nothing_is_found_behind_a_page_of_those_that_stay() {
    let world = World::new("old-pages").await;
    for _ in 0..130 {
        world.hold().await;
    }
    let gone = [canceled(&world).await, canceled(&world).await];
    sleep(Duration::from_secs(1)).await;
    let late = canceled(&world).await;
    let mut after = None;
    let late_ms = world.order(late).await.placed_ms;
    let begun = Instant::now();
    assert_eq!(forget_before(&world.settlement, &mut after, late_ms).await, 2);
    assert!(begun.elapsed() > Duration::ZERO, "others have the database between two pages");
    assert_eq!(after, Some(gone[1]), "it has come to the end");
    assert_eq!([is_there(&world, gone[0]).await, is_there(&world, gone[1]).await], [false; 2]);
    assert!(is_there(&world, late).await);
    assert_eq!(forget_before(&world.settlement, &mut after, late_ms).await, 0);
    assert_eq!(forget_before(&world.settlement, &mut after, late_ms + 1).await, 1);
    assert!(!is_there(&world, late).await);
}
