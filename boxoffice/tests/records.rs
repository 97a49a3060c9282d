//! What the core makes of what a store keeps of a buyer: the number of places, and the latest order,
//! which need not be the one that has the places.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use boxoffice::*;

const EVENT: EventId = EventId(1);
const ANN: BuyerKey = BuyerKey(7);

/// An event that limits its buyers, with orders of one buyer that were released at once.
fn world(orders: u128) -> State {
    let spec = EventSpec {
        limit_per_order: 4,
        limit_per_buyer: Some(4),
        hold_ms: 60_000,
        pools: vec![PoolSpec { name: "stalls".into(), capacity: 9 }],
        ticket_types: vec![TicketTypeSpec {
            id: "adult".into(),
            name: "Adult".into(),
            pool: "stalls".into(),
            price_minor: 999,
            rules: boxoffice::TypeRules::default(),
        }],
        ..EventSpec::new("rock", Currency::parse("GBP").unwrap(), 0)
    };
    let mut state = State::default();
    step(&mut state, &Command::PutEvent { id: EVENT, spec });
    for order in (1..=orders).map(OrderId) {
        step(&mut state, &hold(order));
        step(&mut state, &Command::Cancel { order });
    }
    state
}

/// Ann holds a ticket.
fn hold(order: OrderId) -> Command {
    Command::Hold {
        order,
        event: EVENT,
        buyer: Buyer {
            name: "Ann".into(),
            email: String::new(),
            key: ANN,
            language: boxoffice::Language::EN,
        },
        untagged: None,
        lines: vec![LineWish { ticket_type: "adult".into(), quantity: 1 }],
        terms: Terms::default(),
        metadata: boxoffice::Metadata::default(),
        most_ms: None,
    }
}

fn step(state: &mut State, command: &Command) {
    decide(state, command, 0).unwrap().changes.iter().for_each(|change| state.apply(change));
}

fn keep(state: &mut State, places: u32, order: u128) {
    state.buyers.insert((EVENT, ANN), BuyerRecord { places, order: OrderId(order) });
}

#[test]
fn a_buyer_is_found_by_the_latest_order_while_there_are_places() {
    let mut state = world(2);
    let find = Command::FindOrder { event: EVENT, buyer: ANN };
    for (places, found) in [(0, None), (1, Some(OrderId(2))), (4, Some(OrderId(2)))] {
        keep(&mut state, places, 2);
        let reply = decide(&state, &find, 0).map(|decision| decision.reply);
        let expected = found.map_or(Err(Refusal::UnknownOrder), |order| Ok(Reply::Found { order }));
        assert_eq!(reply, expected, "{places} places");
    }
}

#[test]
fn the_latest_order_stays_while_its_buyer_has_places() {
    let mut state = world(2);
    let forgets = |state: &State, order| {
        let command = Command::Forget { order: OrderId(order), placed_before_ms: 1 };
        decide(state, &command, 1).is_ok()
    };
    for (places, latest, first_goes, second_goes) in
        [(1, 2, true, false), (1, 1, false, true), (0, 2, true, true), (3, 9, true, true)]
    {
        keep(&mut state, places, latest);
        assert_eq!(forgets(&state, 1), first_goes, "{places} places, latest {latest}");
        assert_eq!(forgets(&state, 2), second_goes, "{places} places, latest {latest}");
    }
    state.buyers.clear();
    assert!(forgets(&state, 1));
}

#[test]
fn a_hold_and_its_end_are_counted_for_the_next_decision() {
    let mut state = world(0);
    let record = |state: &State| state.buyers[&(EVENT, ANN)];
    let hold = |state: &mut State, order| {
        let buyer = Buyer {
            name: "Ann".into(),
            email: String::new(),
            key: ANN,
            language: boxoffice::Language::EN,
        };
        let lines = vec![LineWish { ticket_type: "adult".into(), quantity: 2 }];
        let (event, untagged, most_ms) = (EVENT, None, None);
        step(
            state,
            &Command::Hold {
                order,
                event,
                buyer,
                untagged,
                lines,
                terms: Terms::default(),
                metadata: boxoffice::Metadata::default(),
                most_ms,
            },
        );
    };
    hold(&mut state, OrderId(1));
    assert_eq!(record(&state), BuyerRecord { places: 2, order: OrderId(1) });
    hold(&mut state, OrderId(2));
    assert_eq!(record(&state), BuyerRecord { places: 4, order: OrderId(2) });
    step(&mut state, &Command::Cancel { order: OrderId(1) });
    assert_eq!(record(&state), BuyerRecord { places: 2, order: OrderId(2) });
    step(&mut state, &Command::Forget { order: OrderId(1), placed_before_ms: 1 });
    assert_eq!(state.orders.keys().collect::<Vec<_>>(), [&OrderId(2)]);
}

#[test]
#[should_panic(expected = "no arrow leads from Released to Held")]
fn no_change_brings_a_released_order_back() {
    let mut state = world(1);
    let order = OrderId(1);
    let due_ms = Some(60_000);
    let to =
        Standing { state: OrderState::Held, until_ms: 60_000, due_ms, tries: 0, trouble: None };
    state.apply(&Change::OrderMoved { order, to });
}

#[test]
fn the_waits_between_tries_double_up_to_a_minute() {
    for (tries, ms) in [
        (0, 0),
        (1, 0),
        (2, 250),
        (3, 750),
        (9, 63_750),
        (10, 63_750 + 60_000),
        (12, 63_750 + 3 * 60_000),
    ] {
        assert_eq!(tried_for_ms(tries), ms, "{tries} tries");
    }
}

#[test]
fn one_command_erases_so_many_orders_and_no_more() {
    let mut state = world(MOST_ERASED as u128 + 1);
    let erase = |count: u128| Command::Erase {
        event: EVENT,
        orders: (1..=count).map(OrderId).collect(),
        because: Erasure::Asked,
    };
    let all = MOST_ERASED as u128;
    assert!(matches!(decide(&state, &erase(all + 1), 0), Err(Refusal::Invalid(_))));
    step(&mut state, &erase(all));
    assert_eq!(state.orders.values().filter(|order| order.is_erased()).count(), MOST_ERASED);
    assert_eq!(state.orders[&OrderId(all + 1)].buyer.name, "Ann");
}

#[test]
#[should_panic(expected = "Held needs its buyer")]
fn no_change_takes_the_owner_of_a_held_order() {
    let mut state = world(0);
    let order = OrderId(1);
    step(&mut state, &hold(order));
    state.apply(&Change::BuyerErased { order, event: EVENT });
}
