//! Admission as a whole, on orders that are made by hand.

mod limits;

use super::*;
use boxoffice::{Event, EventId, LineWish, Payment, PaymentId, Pool, TicketType};

use nts_testkit::fixtures;
use tokio::time::Duration;

const LIMITS: &[&str] = &[];
const NOW: TimeMs = 1_000_000;

fn admission(flags: &[&str]) -> Admission {
    let config = crate::config::Config::from_flags(flags.iter().copied()).unwrap();
    Admission::new(config.limits(), 7, Arc::default(), Overload::new(0), Slots::new(64, 8))
}

fn event(capacity: u32) -> Event {
    let spec = fixtures::event_spec("show", capacity);
    let pool = |name: &str| Pool { name: name.into(), capacity, held: 0, sold: 0 };
    let ticket = |id: &str, pool| TicketType {
        id: id.into(),
        name: id.into(),
        pool,
        price_minor: 100,
        retired: false,
    };
    Event {
        id: EventId(1),
        spec,
        pools: vec![pool("a"), pool("b")],
        ticket_types: vec![ticket("a", 0), ticket("b", 1), ticket("cheap a", 0)],
        counters: vec![],
        serials: 0,
        sale: boxoffice::Sale::Open,
    }
}

fn client(text: &str) -> Client {
    Client::Network(Network::of(text.parse().unwrap()))
}

fn wish(order: u128, email: u128, lines: &[(&str, i64)]) -> Wish {
    let lines: Vec<LineWish> =
        lines.iter().map(|(t, n)| LineWish { ticket_type: (*t).into(), quantity: *n }).collect();
    Wish::of(&event(1_000), OrderId(order), &lines, email)
}

/// Holds so many places of pool `a` and says whether that was allowed.
fn takes(admission: &Admission, who: &str, order: u128, places: i64) -> Result<(), Reason> {
    let wish = wish(order, order, &[("a", places)]);
    admission.reserve(client(who), &wish, NOW).map(drop).map_err(|refused| refused.reason)
}

fn order(id: u128, state: OrderState, attempts: &[AttemptState]) -> Order {
    let payment = Payment { id: PaymentId(id), intent: None, ..fixtures::payment(attempts) };
    Order {
        id: OrderId(id),
        lines: vec![fixtures::line(10, 100)],
        placed_ms: NOW,
        until_ms: NOW + 300_000,
        payment: (!attempts.is_empty()).then_some(payment),
        ..fixtures::order(state)
    }
}

fn told(admission: &Admission, order: &Order, now: TimeMs) {
    admission.told([order], now, true, |o| o.id.0);
}

fn declined() -> AttemptState {
    AttemptState::Declined("no".into())
}

const SCRIPT: &str = "203.0.113.7";

#[test]
fn places_are_counted_by_pool_and_until_the_order_is_no_longer_unpaid() {
    let admission = admission(LIMITS);
    for n in 1..=5 {
        assert_eq!(takes(&admission, SCRIPT, n, 10), Ok(()));
    }
    assert_eq!(takes(&admission, SCRIPT, 6, 1), Err(Reason::Places));
    // Two ticket types of one pool are one pool; the other pool has a budget of its own, and both
    // must have room.
    let both = wish(7, 7, &[("b", 5), ("cheap a", 1)]);
    assert!(admission.reserve(client(SCRIPT), &both, NOW).is_err());
    assert!(admission.reserve(client(SCRIPT), &wish(8, 8, &[("b", 10)]), NOW).is_ok());
    // Held, being paid, being cancelled: all of that is unpaid.
    for state in [OrderState::Held, OrderState::Paying, OrderState::Canceling] {
        told(&admission, &order(1, state, &[]), NOW);
        assert_eq!(takes(&admission, SCRIPT, 9, 1), Err(Reason::Places), "{state:?}");
    }
    for (id, state) in [
        (1, OrderState::Released),
        (2, OrderState::Committed),
        (3, OrderState::Paid),
        (4, OrderState::Void),
    ] {
        told(&admission, &order(id, state, &[]), NOW);
        // It is told twice now and then.
        told(&admission, &order(id, state, &[]), NOW);
        assert_eq!(takes(&admission, SCRIPT, 10 + id, 10), Ok(()), "{state:?}");
        assert_eq!(takes(&admission, SCRIPT, 20 + id, 1), Err(Reason::Places), "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_of_nothing_is_not_counted_and_what_is_in_doubt_is() {
    let admission = admission(LIMITS);
    let reserve = |n| admission.reserve(client(SCRIPT), &wish(n, n, &[("a", 10)]), NOW).unwrap();
    for n in 1..=100 {
        reserve(n).forget();
    }
    for n in 101..=105 {
        drop(reserve(n));
    }
    let until = |ms| tokio::time::sleep_until(admission.begun + Duration::from_millis(ms));
    assert_eq!(takes(&admission, SCRIPT, 106, 1), Err(Reason::Places));
    // Nothing was heard of them for a while: worth a look, though not again and again.
    until(4_990).await;
    assert_eq!(admission.doubtful(client(SCRIPT), &wish(200, 200, &[("a", 1)])), []);
    until(5_000).await;
    assert_eq!(admission.doubtful(client("198.51.100.1"), &wish(200, 200, &[("a", 1)])), []);
    assert_eq!(admission.doubtful(client(SCRIPT), &wish(200, 200, &[("a", 1)])).len(), 5);
    assert_eq!(admission.doubtful(client(SCRIPT), &wish(200, 200, &[("a", 1)])), []);
    // One that is not there may still come, but not for ever. A clock that jumps is no reason.
    until(29_990).await;
    told(&admission, &order(77, OrderState::Held, &[]), NOW + 900_000);
    admission.missing(OrderId(101));
    assert_eq!(takes(&admission, SCRIPT, 106, 1), Err(Reason::Places));
    assert_eq!(admission.overdue(9), []);
    until(30_000).await;
    assert_eq!(admission.overdue(9).len(), 5);
    admission.missing(OrderId(101));
    assert_eq!(takes(&admission, SCRIPT, 106, 10), Ok(()));
    // One that is there is counted until something becomes of it.
    told(&admission, &order(102, OrderState::Held, &[]), NOW + 30_000);
    until(900_000).await;
    admission.missing(OrderId(102));
    assert_eq!(takes(&admission, SCRIPT, 107, 1), Err(Reason::Places));
}

#[test]
fn a_request_that_is_sent_again_gets_its_answer_once_the_first_is_held() {
    let admission = admission(LIMITS);
    let keyed = |n, key| {
        let mut wish = wish(n, n, &[("a", 10)]);
        wish.request = Some(key);
        wish
    };
    let reserve = |wish: &Wish| admission.reserve(client(SCRIPT), wish, NOW);
    let first = reserve(&keyed(1, 77)).unwrap();
    for n in 2..=5 {
        drop(reserve(&keyed(n, n)));
    }
    // The first may still be dropped from the queue: then this one would be held.
    assert!(reserve(&keyed(6, 77)).is_err());
    told(&admission, &order(1, OrderState::Held, &[]), NOW);
    drop(first);
    assert!(reserve(&keyed(7, 77)).is_ok());
    assert!(reserve(&keyed(8, 78)).is_err());
}

#[tokio::test(start_paused = true)]
async fn where_other_processes_sell_what_was_not_told_is_looked_at() {
    let admission = admission(LIMITS);
    let until = |ms| tokio::time::sleep_until(admission.begun + Duration::from_millis(ms));
    let told = |order: &Order, ms| admission.told([order], NOW + ms, false, |o| o.id.0);
    assert_eq!(takes(&admission, SCRIPT, 1, 10), Ok(()));
    let held = order(1, OrderState::Held, &[]);
    told(&held, 0);
    until(5_000).await;
    assert_eq!(admission.doubtful(client(SCRIPT), &wish(200, 200, &[("a", 1)])), [OrderId(1)]);
    until(309_990).await;
    assert_eq!(admission.overdue(9), []);
    until(310_000).await;
    assert_eq!(admission.overdue(9), [OrderId(1)]);
    // It is still there, and is looked at again later.
    told(&held, 310_000);
    assert_eq!(admission.overdue(9), []);
    until(320_000).await;
    assert_eq!(admission.overdue(9), [OrderId(1)]);
    told(&order(1, OrderState::Paid, &[]), 320_000);
    assert_eq!(admission.overdue(9), []);
    assert!(admission.unpaid().is_empty());
}

#[test]
fn one_owner_of_a_large_ipv6_prefix_has_few_budgets() {
    let admission = admission(&["--email-places=0"]);
    let mut id = 0;
    let mut held = |address: String| {
        id += 1;
        takes(&admission, &address, id, 10).is_ok()
    };
    // One /64, whatever the rest of the address.
    assert_eq!((0..20).filter(|n| held(format!("2001:db8::{n:x}"))).count(), 5);
    // One /56 has twice as much, one /48 eight times, one /32 sixty-four times.
    assert_eq!((1..200).filter(|n| held(format!("2001:db8:0:{n:x}::1"))).count(), 5);
    let neighbours = (1..90).map(|n| format!("2001:db8:0:{n:x}01::1"));
    assert_eq!(neighbours.filter(|address| held(address.clone())).count(), 30);
    assert_eq!((1..900).filter(|n| held(format!("2001:db8:{n:x}::1"))).count(), 280);
    assert!(held("2001:db9::1".into()) && held("198.51.100.1".into()));
}

#[test]
fn a_household_leaves_some_of_each_budget_to_its_neighbours() {
    let admission =
        admission(&["--client-holds=10", "--client-payments=10", "--client-lookups=10"]);
    let (house, neighbour) = ("2001:db8:0:100", "2001:db8:0:200");
    for n in 0..256 {
        let own = client(&format!("{house}::").replace("100", &format!("1{n:02x}")));
        for _ in 0..20 {
            _ = admission.may_hold(own);
            _ = admission.may_look(own);
            _ = admission.pay(own, OrderId(n)).map(Reserved::forget);
        }
    }
    let own = client(&format!("{neighbour}::"));
    for n in 0..10 {
        assert_eq!(admission.may_hold(own), Ok(()), "{n}");
        assert_eq!(admission.may_look(own), Ok(()), "{n}");
        assert!(admission.pay(own, OrderId(1_000 + n)).is_ok(), "{n}");
    }
    assert!(admission.may_hold(own).is_err());
}

#[test]
fn what_holds_nothing_counts_for_its_client_alone() {
    let admission = admission(&["--client-holds=10"]);
    for n in 0..256 {
        let own = client(&format!("2001:db8:0:1{n:02x}::1"));
        for _ in 0..10 {
            assert_eq!(admission.may_hold(own), Ok(()), "{n}");
            admission.held_nothing(own);
        }
        assert!(admission.may_hold(own).is_err(), "its own budget is used up");
    }
    // What holds something counts for all: twice as much for a household.
    let held = (0..4).map(|n| client(&format!("2001:db8:0:2{n:02x}::1")));
    let held = held.flat_map(|own| (0..10).map(move |_| own));
    assert_eq!(held.filter(|own| admission.may_hold(*own).is_ok()).count(), 20);
}

#[test]
fn declines_count_for_who_paid_and_once_each() {
    let admission = admission(&["--client-declines=3", "--email-declines=0"]);
    assert_eq!(takes(&admission, "198.51.100.1", 1, 10), Ok(()));
    let pays = |who, id| admission.pay(client(who), OrderId(id)).map(drop).map_err(|r| r.reason);
    assert_eq!(pays(SCRIPT, 1), Ok(()));
    for attempts in 1..=2 {
        let paying = order(1, OrderState::Paying, &vec![declined(); attempts]);
        told(&admission, &paying, NOW);
        told(&admission, &paying, NOW);
        assert_eq!(pays(SCRIPT, 1), Ok(()), "{attempts}");
    }
    told(&admission, &order(1, OrderState::Paying, &vec![declined(); 3]), NOW);
    assert_eq!(pays(SCRIPT, 1), Err(Reason::Declines));
    assert_eq!(pays(SCRIPT, 2), Err(Reason::Declines), "whatever the order");
    assert_eq!(pays("198.51.100.1", 1), Ok(()), "who placed it is not to blame");
    // An order that was placed before this process began is counted as well.
    assert_eq!(pays("198.51.100.9", 9), Ok(()));
    told(&admission, &order(9, OrderState::Paying, &vec![declined(); 3]), NOW);
    assert_eq!(pays("198.51.100.9", 9), Err(Reason::Declines));
    assert_eq!(pays("198.51.100.9", 10), Err(Reason::Declines));
}

#[test]
fn the_second_order_that_a_client_pays_at_the_same_time_comes_later() {
    let admission = admission(LIMITS);
    for id in 1..=3 {
        assert_eq!(takes(&admission, SCRIPT, id, 10), Ok(()));
        drop(admission.pay(client(SCRIPT), OrderId(id)));
    }
    let second = |id| admission.is_second(OrderId(id));
    // As they come, also within one commit.
    let pays = |id| order(id, OrderState::Paying, &[AttemptState::Pending]);
    let (one, two) = (pays(1), pays(2));
    admission.told([&one, &two], NOW, true, |o| o.id.0);
    assert!(!second(1) && second(2));
    told(&admission, &pays(2), NOW);
    assert!(second(2), "it stays where it is");
    told(&admission, &order(1, OrderState::Paid, &[AttemptState::Authorised]), NOW);
    told(&admission, &order(2, OrderState::Released, &[]), NOW);
    told(&admission, &pays(3), NOW);
    assert!(!second(3), "nothing else of it is being paid");
    assert!(!second(99), "of an order that is not known");
    // Another client's order is first in any case.
    drop(admission.pay(client("198.51.100.1"), OrderId(4)));
    told(&admission, &pays(4), NOW);
    assert!(!second(4));
    told(&admission, &order(3, OrderState::Released, &[]), NOW);
    told(&admission, &order(4, OrderState::Released, &[]), NOW);
    assert!(admission.unpaid().is_empty(), "nothing is left behind");
}

#[test]
fn a_hold_that_ran_out_shortens_the_next_and_one_given_back_early_does_not() {
    let admission = admission(LIMITS);
    let lasts = |n: u128, email| {
        let wish = wish(n, email, &[("a", 1)]);
        admission.reserve(client(SCRIPT), &wish, NOW).unwrap().most_ms
    };
    let released =
        |id, after_ms| told(&admission, &order(id, OrderState::Released, &[]), NOW + after_ms);
    assert_eq!(lasts(1, 50), None);
    released(1, 10_000);
    assert_eq!(lasts(2, 50), None, "given back early");
    released(2, 225_000);
    assert_eq!(lasts(3, 50), Some(150_000), "given back in the last quarter");
    released(3, 300_000);
    assert_eq!(lasts(4, 50), Some(75_000));
    released(4, 300_000);
    assert_eq!(lasts(5, 50), Some(60_000), "not below the least");
    assert_eq!(lasts(6, 51), None, "another address of the same network");
    for (n, email) in [(5, 50), (6, 51)] {
        released(n, 300_000);
        assert_eq!(lasts(n + 10, email + 10), (n == 6).then_some(150_000));
    }
    // A short hold is never made longer.
    let mut short = wish(90, 50, &[("a", 1)]);
    short.hold_ms = 10_000;
    assert!(admission.reserve(client(SCRIPT), &short, NOW).unwrap().most_ms.unwrap() >= 10_000);
}

#[test]
fn without_limits_nothing_is_counted_for_a_client() {
    let admission = admission(LIMITS);
    for n in 0..500 {
        assert_eq!(admission.may_hold(Client::Unlimited), Ok(()));
        assert_eq!(admission.may_look(Client::Unlimited), Ok(()));
        let wish = wish(n, 1, &[("a", 10)]);
        assert!(admission.reserve(Client::Unlimited, &wish, NOW).is_ok());
        assert!(admission.pay(Client::Unlimited, OrderId(n)).is_ok());
        let order = order(n, OrderState::Paying, &vec![declined(); 3]);
        told(&admission, &order, NOW);
    }
    assert_eq!(admission.metrics.declines_high.get(), 1, "but the alarm sees it");
}

#[test]
fn a_ticket_type_that_was_made_a_moment_ago_counts() {
    let admission = admission(LIMITS);
    // The process has not heard of it yet, and not in which pool it is.
    let fresh = |n| wish(n, n, &[("made just now", 10)]);
    for n in 1..=5 {
        let reserved = admission.reserve(client(SCRIPT), &fresh(n), NOW).unwrap();
        told(&admission, &order(n, OrderState::Held, &[]), NOW);
        drop(reserved);
    }
    for (n, pool) in [(6, "a"), (7, "b"), (8, "made just now")] {
        let more = admission.reserve(client(SCRIPT), &wish(n, n, &[(pool, 1)]), NOW);
        assert_eq!(more.err().map(|refused| refused.reason), Some(Reason::Places), "{pool}");
    }
    // Where there is none it is refused, and counts no longer.
    let other = "198.51.100.9";
    for n in 10..=20 {
        admission.reserve(client(other), &fresh(n), NOW).unwrap().forget();
    }
    assert_eq!(takes(&admission, other, 30, 10), Ok(()));
}

#[test]
fn a_ticket_type_that_is_not_on_offer_any_more_counts_in_its_pool() {
    let admission = admission(LIMITS);
    let mut event = event(1_000);
    event.ticket_types[0].retired = true;
    let lines = [LineWish { ticket_type: "a".into(), quantity: 10 }];
    for n in 1..=5 {
        let wish = Wish::of(&event, OrderId(n), &lines, n);
        drop(admission.reserve(client(SCRIPT), &wish, NOW).unwrap());
    }
    assert_eq!(takes(&admission, SCRIPT, 6, 1), Err(Reason::Places));
    assert!(admission.reserve(client(SCRIPT), &wish(7, 7, &[("b", 10)]), NOW).is_ok());
}

#[test]
fn an_order_of_too_many_lines_asks_for_nothing() {
    let admission = admission(LIMITS);
    for n in 1..=60 {
        let lines: Vec<(&str, i64)> = vec![("x", 1); 1_100];
        drop(admission.reserve(client(SCRIPT), &wish(n, n, &lines), NOW).unwrap());
    }
    assert!(admission.unpaid().is_empty());
}
