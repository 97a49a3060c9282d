//! What every store must keep, told as small cases. Each case runs on a database of its own; the
//! changes in it come from the core, so they are such as will come.

mod desk;
mod door;
mod gifts;
mod records;
mod search;
mod story;

use super::records::Engine;
use super::{Fault, Lane, Owner, Reader, Recorded, RequestKey, Store};
use crate::clock::Clock;
use boxoffice::*;
use desk::{Desk, buyer, spec};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use story::comes_back_equal;

/// One database, which can be opened again and again.
pub trait Database {
    /// The writer's side. The one before it is closed by then.
    fn store(&mut self) -> Box<dyn Store>;
    /// The pages' side.
    fn reader(&mut self) -> Box<dyn Reader>;
    /// Whose dialect it speaks.
    fn engine(&self) -> Engine;
}

/// What is told, and how it is shown.
type Case<D> = (&'static str, fn(&mut Desk<D>));

/// Checks a store. `make` makes a new empty database.
pub fn check<D: Database>(make: impl Fn(Clock) -> D) {
    let cases: &[Case<D>] = &[
        ("what was committed comes back equal", comes_back_equal),
        ("a batch is recorded whole or not at all", all_or_nothing),
        ("the counters are guarded", counters_are_guarded),
        ("what is one stays one", one_stays_one),
        ("an event changes without touching its counters", event_changes),
        ("what was sold keeps its name", names_stay_as_sold),
        ("codes, phases and capacities are counted", sold_by_rules),
        ("an event is deleted only without orders", event_is_deleted),
        ("requests are found again", requests_are_found),
        ("a reader sees what was just committed", reader_sees),
        ("who is due comes first", due),
        ("an event's orders come in pages", pages),
        ("orders are listed by event, state and change", search::orders_are_listed),
        ("orders are found by text, and what is taken away stays away", search::orders_are_found),
        ("what came to nothing is forgotten, and nothing else", forgotten),
        ("a buyer is erased, and nothing else", erased),
        ("a ticket is passed on, and its guests are erased", passed_on),
        ("recovery tells what became of the last batch", recovery),
        ("what does not exist is not there", nothing_there),
        ("an order has another address", readdressed),
        ("answers stay with their order until it is erased", gifts::answers_are_kept),
        ("metadata stays with its order until it is erased", gifts::metadata_is_kept),
        ("what the organiser sells needs no payment", gifts::sold_without_a_provider),
        ("the name of a buyer is corrected", gifts::names_are_corrected),
        ("a limit per buyer counts the orders of before", late_limit),
        ("records are committed with the sale, or not at all", records::with_the_sale),
        ("a table has what its declaration gives it", records::as_declared),
        ("the audit log is asked by event, order and time", records::the_log_is_asked),
        ("a damaged record is noticed", records::damage_is_noticed),
        ("the outbox is asked for what is due, and by order", records::the_outbox_is_asked),
        ("the outbox forgets addresses", records::the_outbox_forgets),
        ("a mail job goes on", records::a_mail_job_goes_on),
        ("figures are summed over spans, and over all times", records::figures_are_summed),
        ("webhooks, their messages and their tries are kept", records::webhooks_are_kept),
        ("what is scanned at the door comes back", door::scans_come_back),
        ("a turn of a ticket is taken once", door::a_turn_is_taken_once),
        ("what is damaged at a door keeps back no other", door::damage_keeps_back_no_other),
        ("the schema of the cold tables is as declared", records::schema_is_as_declared),
    ];
    for (name, case) in cases {
        println!("{name}");
        let time = Arc::new(AtomicI64::new(1_800_000_000_000));
        case(&mut Desk::new(make(Clock::Manual(time.clone())), time));
    }
}

/// A closed database in which the longest case was told: orders in every state.
pub fn told<D: Database>(make: impl Fn(Clock) -> D) -> D {
    let time = Arc::new(AtomicI64::new(1_800_000_000_000));
    let mut desk = Desk::new(make(Clock::Manual(time.clone())), time);
    comes_back_equal(&mut desk);
    let Desk { database, .. } = desk;
    database
}

fn all_or_nothing<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(EventSpec { limit_per_buyer: Some(5), ..spec("flute", 5) });
    let order = desk.paid("somebody", 1);
    let before = desk.model.clone();

    let renamed = EventSpec { name: "Else".into(), limit_per_buyer: Some(5), ..spec("flute", 9) };
    let hold = desk.hold_command("new", "seat", 1);
    let Command::Hold { order: held, .. } = hold else { unreachable!() };
    let refund = desk.ids.refund(desk.now());
    let (mut changes, replies) = desk.decide(&[
        hold,
        Command::PutEvent { id: EventId(1), spec: renamed },
        Command::Refund { order, refund, wish: RefundWish::All, restock: false },
    ]);
    let event = desk.event;
    changes.push(Change::Stock { event, pool: 0, held: 1_000, sold: 0 });
    let key = RequestKey(77);
    let recorded = [Recorded { key, fingerprint: 1, reply: replies[0] }];
    for _ in 0..2 {
        let fault = desk.commit(&changes, &recorded).expect_err("oversold");
        let Fault::NotDone(why) = &fault else { panic!("{fault}") };
        assert!(why.contains("never_oversold"), "names the constraint: {why}");
        assert_eq!(desk.model, before);
        desk.assert_equal();
        let loaded = desk.store().load(&Keys { orders: vec![held], ..Keys::default() }, &[key]);
        let loaded = loaded.expect("load");
        assert!(loaded.state.orders.is_empty() && loaded.recorded.is_empty());
        assert!(!desk.store().recover().expect("recover"), "it is not recorded");
        desk.assert_equal();
    }
    // Without the last change it goes.
    changes.pop();
    desk.commit(&changes, &recorded).expect("commit");
    desk.assert_equal();
}

fn counters_are_guarded<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 5));
    desk.hold("a", "seat", 2);
    let event = desk.event;
    for (held, sold) in [(-3, 0), (0, -1), (4, 0), (0, 4), (2, 2), (i64::MAX, 0), (-2, 6)] {
        let change = Change::Stock { event, pool: 0, held, sold };
        desk.assert_not_done(&[change], &format!("{held} {sold}"));
    }
    let missing = Change::Stock { event, pool: 9, held: 1, sold: 0 };
    desk.assert_not_done(&[missing], "no such pool");
    desk.assert_equal();
    // To the last place, and down to nothing, in one batch.
    let all =
        [(3, 0), (-5, 5), (0, -5)].map(|(held, sold)| Change::Stock { event, pool: 0, held, sold });
    desk.commit(&all, &[]).expect("commit");
    desk.assert_equal();
}

fn one_stays_one<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 9));
    let (changes, _) = {
        let hold = desk.hold_command("a", "seat", 1);
        desk.decide(&[hold])
    };
    desk.commit(&changes, &[]).expect("commit");
    let (first, second) = (desk.paid("b", 1), desk.paid("c", 1));
    let other = desk.ids.payment(desk.now());
    let payment = Payment { id: other, ..desk.model.orders[&first].payment.clone().expect("one") };
    let ticket = desk.model.orders[&second].tickets[0].clone();
    let event = desk.event;
    let unknown = desk.ids.order(desk.now());
    let twisted = OrderId(first.0 ^ 1);
    let (state, trouble) = (OrderState::Paid, None);
    let to = Standing { state, until_ms: 0, due_ms: None, tries: 0, trouble };
    let moved = |order| Change::OrderMoved { order, to: to.clone() };
    let asked = desk.refund(second, RefundWish::All, false);
    let asked = desk.model.orders[&second].refunds.iter().find(|r| r.id == asked);
    let asked = asked.expect("just asked for").clone();
    let more = Refund { amount_minor: asked.amount_minor + 1, ..asked.clone() };
    let other_hand = Refund { by_hand: true, ..asked.clone() };
    let other_kind = Refund { of_amount: true, ..asked };
    let refund = |refund| vec![Change::RefundPut { order: second, refund }];
    let wrong: [(&str, Vec<Change>); 8] = [
        ("a refund's sum is fixed", refund(more)),
        ("a refund of ours is ours", refund(other_hand)),
        ("a refund of tickets stays one", refund(other_kind)),
        ("an order is placed once", changes),
        ("an order has one payment", vec![Change::PaymentPut { order: first, payment }]),
        ("a ticket is one order's", vec![Change::TicketPut { order: first, event, ticket }]),
        ("there is no such order", vec![moved(unknown)]),
        ("an id is all of its bits", vec![moved(twisted)]),
    ];
    for (rule, changes) in wrong {
        desk.assert_not_done(&changes, rule);
        desk.assert_equal();
    }
    let reply = Reply::Order { order: first, state: OrderState::Paid };
    let fact = Recorded { key: RequestKey(5), fingerprint: 5, reply };
    assert!(desk.commit(&[], &[fact, fact]).is_err(), "a request is answered once");
    desk.commit(&[], &[fact]).expect("commit");
    assert!(desk.commit(&[], &[fact]).is_err(), "a request is answered once");
}

fn names_stay_as_sold<D: Database>(desk: &mut Desk<D>) {
    let named = |name: &str, price_minor| {
        let mut spec = spec("flute", 5);
        spec.ticket_types[0].name = name.into();
        spec.ticket_types[0].price_minor = price_minor;
        spec
    };
    let sold = |desk: &mut Desk<D>, order: OrderId| {
        desk.assert_equal();
        let event = desk.model.events[&desk.event].clone();
        let of = desk.model.orders[&order].lines[0].ticket_type;
        event.ticket_types[usize::from(of)].name.clone()
    };
    desk.put_event(named("Standing", 999));
    let first = desk.paid("a", 1);
    desk.put_event(named("Seat", 1_500));
    assert_eq!(sold(desk, first), "Standing");
    let second = desk.hold("b", "seat", 1);
    desk.put_event(named("Standing", 700));
    desk.reopen();
    assert_eq!([sold(desk, first), sold(desk, second)], ["Standing", "Seat"]);
    let third = desk.hold("c", "seat", 1);
    assert_eq!(sold(desk, third), "Standing");
    assert_eq!(desk.model.orders[&third].lines[0].unit_minor, 700);
    assert_eq!(desk.model.events[&desk.event].ticket_types.len(), 4);
}

fn event_is_deleted<D: Database>(desk: &mut Desk<D>) {
    let delete = |slug: &str| Command::DeleteEvent { slug: slug.into(), seen: None };
    let limited = || EventSpec { limit_per_buyer: Some(5), ..spec("flute", 5) };
    desk.put_event(spec("harp", 3));
    let harp = desk.event;
    desk.put_event(limited());
    let flute = desk.event;
    desk.run(&[delete("flute")]);
    assert!(!desk.model.events.contains_key(&flute) && desk.model.events.contains_key(&harp));
    desk.assert_equal();
    assert!(desk.refused(&delete("flute")), "it is gone");
    // Another one gets its name, also in the batch in which it goes.
    desk.put_event(limited());
    let id = desk.ids.event(desk.now());
    desk.run(&[delete("flute"), Command::PutEvent { id, spec: limited() }]);
    desk.event = id;
    desk.assert_equal();
    desk.reopen();
    desk.assert_equal();

    // One order is enough, whatever becomes of it.
    let order = desk.hold("a", "seat", 1);
    assert!(desk.refused(&delete("flute")), "it is held");
    desk.run(&[Command::Cancel { order }]);
    assert!(desk.refused(&delete("flute")), "it was held");
    let changes = [Change::EventDeleted { event: id }];
    desk.assert_not_done(&changes, "it has an order");
    desk.assert_equal();
    desk.later(1_000);
    let placed_before_ms = desk.now();
    desk.run(&[Command::Forget { order, placed_before_ms }]);
    desk.run(&[delete("flute"), delete("harp")]);
    assert!(desk.model.events.is_empty());
    desk.reopen();
    desk.assert_equal();
}

fn event_changes<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 4));
    let order = desk.hold("a", "seat", 4);
    // One batch: places come back, the pool shrinks to what is left, and is filled again.
    let mut smaller = spec("flute", 1);
    smaller.ticket_types.remove(1);
    smaller.ticket_types.swap(0, 1);
    smaller.pools.reverse();
    smaller.pools.insert(0, PoolSpec { name: "box".into(), capacity: 2 });
    let hold = desk.hold_command("b", "seat", 1);
    desk.run(&[
        Command::Cancel { order },
        Command::PutEvent { id: EventId(1), spec: smaller.clone() },
        hold,
    ]);
    desk.assert_equal();
    // Grows, is filled, and issues tickets around a change.
    let (free, full) = (desk.hold_command("c", "high", 1), desk.hold_command("d", "seat", 9));
    let bigger = spec("flute", 10);
    desk.run(&[free, Command::PutEvent { id: EventId(1), spec: bigger }, full]);
    let friend = desk.hold("e", "friend", 2);
    let payment = desk.ids.payment(desk.now());
    desk.run(&[
        Command::Pay { order: friend, payment, live: false, token: String::new() },
        Command::PutEvent {
            id: EventId(1),
            spec: EventSpec { name: "F".into(), ..spec("flute", 10) },
        },
    ]);
    desk.assert_equal();
    desk.reopen();
    desk.assert_equal();
    let event = &desk.model.events[&desk.event];
    assert_eq!((event.pools[0].held, event.pools[1].sold, event.serials), (10, 2, 2));
    assert_eq!(event.pools.len(), 3);
}

/// Rules and codes come back as they were said, their counters move with the orders, and the database itself
/// refuses more than they have.
fn sold_by_rules<D: Database>(desk: &mut Desk<D>) {
    let ruled = |uses, capacity| {
        let mut all = spec("flute", 20);
        let phase = |name: &str, until_ms, capacity| PhaseSpec {
            name: name.into(),
            price_minor: 100,
            until_ms,
            capacity,
        };
        all.ticket_types[0].rules = TypeRules {
            sale_opens_ms: Some(1),
            sale_closes_ms: Some(i64::MAX),
            capacity: Some(capacity),
            phases: vec![phase("Früh 🐦", None, Some(2)), phase("dann", Some(i64::MAX), None)],
            ..TypeRules::default()
        };
        all.ticket_types[1].rules.hidden = true;
        let (opened, cheaper) = (all.ticket_types[1].id.clone(), all.ticket_types[0].id.clone());
        let code = |code: &str, discount| CodeSpec {
            code: code.into(),
            uses,
            opens: vec![opened.clone()],
            discount: Some(discount),
            ticket_types: vec![cheaper.clone()],
            valid_from_ms: Some(0),
            valid_until_ms: None,
        };
        // A code may be called as a pool is, and as a ticket type.
        let codes = [all.pools[0].name.to_uppercase(), "A".into(), "B-_9".into()];
        let discounts = [Discount::Percent(50), Discount::Minor(1), Discount::Percent(1)];
        all.codes = codes.iter().zip(discounts).map(|(name, off)| code(name, off)).collect();
        all
    };
    desk.put_event(ruled(3, 5));
    desk.assert_equal();
    let kind = desk.model.events[&desk.event].spec.ticket_types[0].id.clone();
    let hold = |desk: &mut Desk<D>, name: &str, code: Option<&str>, quantity| -> OrderId {
        let mut hold = desk.hold_command(name, &kind, quantity);
        let Command::Hold { order, terms, .. } = &mut hold else { unreachable!() };
        let order = *order;
        *terms = Terms { code: code.map(String::from), ..Terms::default() };
        desk.run(&[hold]);
        order
    };
    let counts = |desk: &Desk<D>| -> Vec<(u32, u32)> {
        let event = &desk.model.events[&desk.event];
        event.counters.iter().map(|c| (c.count.held, c.count.sold)).collect()
    };
    let with_code = hold(desk, "a", Some("b-_9"), 3);
    let without = hold(desk, "b", None, 1);
    desk.assert_equal();
    // The type, its phases and the codes, in the order in which they were said.
    assert_eq!(counts(desk), [(4, 0), (2, 0), (2, 0), (0, 0), (0, 0), (3, 0)]);
    let lines = desk.model.orders[&with_code].lines.clone();
    assert_eq!(lines.len(), 2, "two phases");
    assert!(lines.iter().all(|line| line.extra.code.is_some() && line.extra.discount_minor > 0));
    let event = desk.event;
    for (pool, held) in [(COUNTERS_FROM, 2), (COUNTERS_FROM + 1, 1), (COUNTERS_FROM + 5, 1)] {
        let change = Change::Stock { event, pool, held, sold: 0 };
        desk.assert_not_done(&[change], "more than a counter has");
    }
    let nobody = Change::Stock { event, pool: COUNTERS_FROM + 6, held: 0, sold: 1 };
    desk.assert_not_done(&[nobody], "a counter that does not exist");
    // In one batch: freed, said to be fewer, and taken again.
    let smaller = ruled(1, 2);
    let taken = desk.hold_command("c", &kind, 1);
    desk.run(&[
        Command::Cancel { order: with_code },
        Command::PutEvent { id: EventId(1), spec: smaller },
        taken,
    ]);
    desk.assert_equal();
    assert_eq!(counts(desk), [(2, 0), (1, 0), (1, 0), (0, 0), (0, 0), (0, 0)]);
    desk.reopen();
    desk.assert_equal();
    // Without them, counters of codes and phases stay for the orders that have them.
    desk.put_event(spec("flute", 20));
    desk.run(&[Command::Cancel { order: without }]);
    desk.assert_equal();
    assert_eq!(counts(desk), [(1, 0), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0)]);
    let wrong = desk.database.reader().verify().expect("verify");
    assert_eq!(wrong, Vec::<String>::new());
    desk.reopen();
    desk.assert_equal();
}

fn requests_are_found<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 5));
    let order = desk.ids.order(desk.now());
    let refund = RefundId(order.0 + 9);
    let replies = [
        Reply::Event { id: EventId(u64::MAX), created: true },
        Reply::Event { id: desk.event, created: false },
        Reply::Held { order, until_ms: 1_800_000_300_000 },
        Reply::Paying { order, attempt: u16::MAX },
        Reply::Erased { event: desk.event, erased: u32::MAX, left: 7 },
        Reply::Order { order, state: OrderState::Void },
        Reply::Order { order, state: OrderState::Held },
        Reply::Refunding { order, refund, amount_minor: 99_999_999 },
    ];
    let facts: Vec<Recorded> = (0u128..)
        .zip(replies)
        .map(|(i, reply)| Recorded {
            key: RequestKey(u128::MAX / 7 * i),
            fingerprint: u64::MAX - i as u64,
            reply,
        })
        .collect();
    desk.commit(&[], &facts[..3]).expect("commit");
    desk.commit(&[], &facts[3..]).expect("commit");
    let mut keys: Vec<RequestKey> = facts.iter().map(|f| f.key).collect();
    keys.push(RequestKey(12345));
    for _ in 0..3 {
        let recorded = desk.store().load(&Keys::default(), &keys).expect("load").recorded;
        let expected: BTreeMap<RequestKey, Recorded> = facts.iter().map(|f| (f.key, *f)).collect();
        assert_eq!(recorded, expected);
        desk.reopen();
        desk.later(3_600_000);
        assert!(!desk.store().recover().expect("recover"), "nothing was tried yet");
    }
}

fn reader_sees<D: Database>(desk: &mut Desk<D>) {
    let mut reader = desk.database.reader();
    assert!(reader.events().expect("events").is_empty());
    desk.put_event(spec("flute", 50));
    for n in 1..=20 {
        let order = desk.hold("a", "seat", 1);
        assert_eq!(reader.order(order).expect("order").map(|o| o.id), Some(order));
        assert_eq!(reader.events().expect("events")[0].pools[0].held, n);
    }
}

fn due<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 50));
    let start = desk.now();
    let first = desk.hold("a", "seat", 1);
    desk.later(1_000);
    let second = desk.hold("b", "seat", 1);
    desk.later(1_000);
    let third = desk.hold("c", "seat", 1);
    let rest = desk.hold("d", "seat", 1);
    desk.run(&[Command::Cancel { order: rest }]);
    desk.run(&[Command::Renew { order: first, most_ms: None }]);
    let mut reader = desk.database.reader();
    let mut due =
        |lane, at: i64, limit| reader.due(start + 300_000 + at, lane, limit).expect("due");
    assert_eq!(due(Lane::Holds, 999, 10), []);
    assert_eq!(due(Lane::Holds, 1_000, 10), [second]);
    assert_eq!(due(Lane::Holds, 2_000, 10), [second, first, third]);
    assert_eq!(due(Lane::Holds, i64::from(i32::MAX), 2), [second, first]);
    assert_eq!(due(Lane::Payments, i64::from(i32::MAX), 2), []);
    desk.pay(third);
    let owed = due(Lane::Payments, -290_000, 10);
    assert_eq!(owed, [third], "what is owed to the provider is due at once");
    assert_eq!(due(Lane::Holds, 2_000, 10), [second, first]);
    let all = reader.all_orders(None, 3).expect("orders");
    let ids: Vec<OrderId> = all.orders.iter().map(|o| o.id).collect();
    assert_eq!((ids, all.next), (vec![first, second, third], Some(third)));
    let all = reader.all_orders(all.next, 3).expect("orders");
    let ids: Vec<OrderId> = all.orders.iter().map(|o| o.id).collect();
    assert_eq!((ids, all.next), (vec![rest], None));
}

fn pages<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("other", 50));
    let other = desk.event;
    desk.put_event(spec("flute", 50));
    let event = desk.event;
    let mut expected = Vec::new();
    for n in 0..23 {
        desk.event = if n % 3 == 0 { other } else { event };
        let order = desk.hold("a", "seat", 1);
        if desk.event == event {
            expected.push(order);
        }
    }
    desk.pay(expected[4]);
    let mut reader = desk.database.reader();
    for limit in [1, 4, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = reader.orders(event, after, limit).expect("orders");
            assert!(page.orders.len() <= limit);
            seen.extend(page.orders);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.iter().map(|o| o.id).collect::<Vec<_>>(), expected);
        assert!(seen.iter().all(|o| Some(o) == desk.model.orders.get(&o.id)));
    }
    // Another process made this event, whose clock is half a minute ahead of ours.
    let id = crate::ids::Ids::new([2; 32], 0).event(desk.now() + 30_000);
    desk.run(&[Command::PutEvent { id, spec: spec("harp", 50) }]);
    desk.event = id;
    let order = desk.hold("Anna", "seat", 1);
    assert!(((order.0 >> 64) as u64) < id.0);
    let page = desk.database.reader().orders(id, None, 5).expect("orders");
    assert_eq!(page.orders.iter().map(|o| o.id).collect::<Vec<_>>(), [order]);
}

fn forgotten<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(EventSpec { limit_per_buyer: Some(5), ..spec("flute", 50) });
    let released = |desk: &mut Desk<D>, name| {
        let order = desk.hold(name, "seat", 1);
        desk.run(&[Command::Cancel { order }]);
        order
    };
    let never_paid = released(desk, "ann");
    let declined = desk.hold("bob", "seat", 1);
    desk.pay(declined);
    desk.created(declined);
    desk.run(&[Command::Cancel { order: declined }]);
    desk.read(declined, IntentStatus::Canceled);
    // The last order of somebody who has places, and an earlier one.
    let (earlier, last_of_a_buyer) = (desk.hold("eve", "seat", 1), released(desk, "eve"));
    let (held, paid) = (desk.hold("cid", "seat", 1), desk.paid("dan", 1));
    let now = desk.now();
    let before = |order, placed_before_ms| Command::Forget { order, placed_before_ms };
    for order in [earlier, last_of_a_buyer, held, paid] {
        assert!(desk.refused(&before(order, TimeMs::MAX)), "{order:?}");
    }
    assert!(desk.refused(&before(never_paid, now)), "it is not old enough");
    desk.later(1);
    // In one batch with another order of the same buyer.
    let again = desk.hold_command("ann", "seat", 1);
    desk.run(&[before(never_paid, now + 1), before(declined, now + 1), again]);
    desk.assert_equal();
    assert_eq!(desk.model.orders.len(), 5);
    let mut reader = desk.database.reader();
    for order in [never_paid, declined] {
        assert!(reader.order(order).expect("read").is_none());
    }
    assert_eq!(reader.verify().expect("verify"), Vec::<String>::new());
    desk.reopen();
    desk.assert_equal();
    // It cannot be done twice, and what takes places is refused by the store as well.
    let event = desk.event;
    for order in [never_paid, held, paid] {
        let change = Change::OrderForgotten { order, event };
        desk.assert_not_done(&[change], &format!("{order:?}"));
        desk.assert_equal();
    }
}

fn erased<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(EventSpec { limit_per_buyer: Some(5), ..spec("flute", 50) });
    let (paid, held) = (desk.paid("ann", 2), desk.hold("ann", "seat", 1));
    let released = desk.hold("bob", "seat", 1);
    desk.run(&[Command::Cancel { order: released }]);
    let open = desk.hold("bob", "seat", 1);
    desk.pay(open);
    let other = desk.paid("eve", 1);
    let names = |desk: &mut Desk<D>| -> Vec<String> {
        let mut reader = desk.database.reader();
        let page = reader.all_orders(None, 100).expect("orders").orders;
        let tickets = reader.tickets(desk.event, 0, 100).expect("tickets");
        page.into_iter().map(|o| o.buyer.name).chain(tickets.into_iter().map(|t| t.name)).collect()
    };
    let erase = |desk: &Desk<D>, orders: &[OrderId]| Command::Erase {
        event: desk.event,
        orders: orders.to_vec(),
        because: Erasure::Asked,
    };
    let all = [paid, held, released, open];
    let (event, command) = (desk.event, erase(desk, &all));
    // In one batch with another hold of the same buyer, who has one ticket and the new ones.
    let again = desk.hold_command("ann", "seat", 4);
    let replies = desk.run(&[command, again]);
    assert_eq!(replies[0], Reply::Erased { event, erased: 2, left: 2 });
    desk.assert_equal();
    let expected = ["erased", "ann", "erased", "bob", "eve", "ann", "erased", "erased", "eve"];
    assert_eq!(names(desk), expected);
    let full = desk.hold_command("ann", "seat", 1);
    assert!(desk.refused(&full), "what is not erased counts");
    let key = buyer("ann").key;
    let mut reader = desk.database.reader();
    let mut owners = Vec::new();
    let mut after = None;
    loop {
        let page = reader.owners(after, 2).expect("owners");
        owners.extend(page.owners);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let of_model = desk.model.orders.values();
    let of_model: Vec<Owner> =
        of_model.map(|o| Owner { order: o.id, event: o.event, buyer: o.buyer.key }).collect();
    assert_eq!(owners, of_model);
    assert_eq!(
        owners.iter().filter(|owner| owner.buyer == key).count(),
        2,
        "the hold, and the new one"
    );
    assert_eq!(reader.verify().expect("verify"), Vec::<String>::new());
    desk.reopen();
    desk.assert_equal();
    // An erased order goes its way: it is refunded, and its places are free again.
    let refund = desk.refund(paid, RefundWish::All, true);
    desk.answered(paid, refund, RefundOutcome::Succeeded("re_1".into()));
    desk.assert_equal();
    let again = erase(desk, &all);
    assert_eq!(desk.run(&[again]), [Reply::Erased { event, erased: 0, left: 2 }]);
    desk.assert_equal();
    // What may still be paid is refused by the store as well, and so is an order that does not exist.
    let nothing = desk.ids.order(desk.now());
    for order in [held, open, nothing] {
        let changes =
            [Change::BuyerErased { order: other, event }, Change::BuyerErased { order, event }];
        desk.assert_not_done(&changes, &format!("{order:?}"));
        desk.assert_equal();
    }
}

fn passed_on<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 50));
    let (first, other) = (desk.paid("ann", 3), desk.paid("bob", 1));
    let name = |order, number, name: &str| Command::NameTicket { order, number, name: name.into() };
    desk.run(&[name(first, 2, "Cid O'Brien 👩\u{200d}👧"), name(other, 1, "Dan")]);
    desk.assert_equal();
    // Twice in one batch: the last word counts.
    desk.run(&[name(first, 2, "Eve"), name(first, 3, "Fay"), name(first, 2, "Gil")]);
    desk.assert_equal();
    desk.reopen();
    desk.assert_equal();
    let ticket = |desk: &Desk<D>, at: usize| {
        let ticket = &desk.model.orders[&first].tickets[at];
        (ticket.revision, ticket.guest.clone())
    };
    assert_eq!(ticket(desk, 1), (3, Some("Gil".into())));
    // Each serial leads to its order, and none that was not issued.
    let mut reader = desk.database.reader();
    for (order, at) in [(first, 0), (first, 2), (other, 0)] {
        let serial = desk.model.orders[&order].tickets[at].serial;
        assert_eq!(reader.order_of_ticket(desk.event, serial).expect("a read"), Some(order));
    }
    assert_eq!(reader.order_of_ticket(desk.event, 5).expect("a read"), None);
    assert_eq!(reader.order_of_ticket(EventId(7), 1).expect("a read"), None);
    drop(reader);
    // A refund leaves names and revisions alone.
    let one = RefundWish::Lines(vec![LineWish { ticket_type: "seat".into(), quantity: 1 }]);
    let refund = desk.refund(first, one, true);
    desk.answered(first, refund, RefundOutcome::Succeeded("re_1".into()));
    desk.assert_equal();
    // In one batch with the last name.
    let event = desk.event;
    let erase = Command::Erase { event, orders: vec![first], because: Erasure::Asked };
    desk.run(&[name(first, 1, "Hal"), erase]);
    desk.assert_equal();
    assert_eq!(ticket(desk, 1), (3, None), "the codes stay");
    assert!(desk.model.orders[&other].tickets[0].guest.is_some(), "nobody else is erased");
    desk.reopen();
    desk.assert_equal();
    // A revision that no code can say is refused by the schema.
    let mut odd = desk.model.orders[&other].tickets[0].clone();
    odd.revision = 256;
    let change = Change::TicketPut { order: other, event, ticket: odd };
    assert!(desk.commit(&[change], &[]).is_err());
    assert!(!desk.store().recover().expect("recover"));
    desk.assert_equal();
}

fn readdressed<D: Database>(desk: &mut Desk<D>) {
    let change = |desk: &Desk<D>, order, email: &str| Command::ChangeAddress {
        order,
        event: desk.event,
        email: email.into(),
        key: crate::identity::buyer_key("", email),
        untagged: crate::identity::untagged_key(email),
    };
    // The orders of buyers with addresses.
    let hold = |desk: &mut Desk<D>, name: &str, kind: &str, quantity| -> OrderId {
        let mut hold = desk.hold_command(name, kind, quantity);
        let Command::Hold { order, buyer, .. } = &mut hold else { unreachable!() };
        let order = *order;
        buyer.email = format!("{name}@example.org");
        buyer.key = crate::identity::buyer_key("", &buyer.email);
        desk.run(&[hold]);
        order
    };
    let pay = |desk: &mut Desk<D>, order| {
        desk.pay(order);
        desk.created(order);
        desk.read(order, IntentStatus::RequiresCapture);
        desk.read(order, IntentStatus::Succeeded);
        order
    };
    let paid = |desk: &mut Desk<D>, name: &str, quantity| {
        let order = hold(desk, name, "seat", quantity);
        pay(desk, order)
    };
    for limit_per_buyer in [None, Some(3)] {
        let name = if limit_per_buyer.is_some() { "flute" } else { "harp" };
        desk.put_event(EventSpec { limit_per_buyer, ..spec(name, 50) });
        let (ann, bob) = (paid(desk, "ann", 2), paid(desk, "bob", 1));
        let email = "O'Brien+\u{fc}@example.org".to_owned();
        let command = change(desk, ann, &email);
        // Others are left alone, and one that says the same changes nothing.
        desk.run(&[command.clone(), command]);
        desk.assert_equal();
        assert_eq!(desk.model.orders[&ann].buyer.email, email);
        assert_ne!(desk.model.orders[&bob].buyer.email, email);
        // Twice in one batch: the last word counts. Two orders of one batch.
        let all = [
            change(desk, ann, "first@example.org"),
            change(desk, bob, "bob@example.com"),
            change(desk, ann, "last@example.org"),
        ];
        desk.run(&all);
        desk.assert_equal();
        desk.reopen();
        desk.assert_equal();
        let key = crate::identity::buyer_key("", "last@example.org");
        let order = &desk.model.orders[&ann];
        assert_eq!((&*order.buyer.email, order.buyer.key), ("last@example.org", key));
        // The limit counts for the address that it has now.
        let joined = change(desk, bob, "last@example.org");
        if limit_per_buyer.is_some() {
            let counted = |desk: &Desk<D>, key| {
                desk.model.buyers.get(&(desk.event, key)).map(|has| has.places)
            };
            assert_eq!(counted(desk, key), Some(2));
            desk.run(&[joined]);
            desk.assert_equal();
            assert_eq!(counted(desk, key), Some(3));
            let more = paid(desk, "cid", 1);
            let too_many = change(desk, more, "last@example.org");
            assert!(desk.refused(&too_many));
        } else {
            desk.run(&[joined]);
            desk.assert_equal();
        }
        // In one batch with what comes before and after: it is paid, readdressed, and refunded at once.
        let order = hold(desk, "dan", "friend", 1);
        let payment = desk.ids.payment(desk.now());
        let refund = desk.ids.refund(desk.now());
        let (token, wish) = (String::new(), RefundWish::All);
        let all = [
            Command::Pay { order, payment, live: false, token },
            change(desk, order, "dan@example.com"),
            Command::Refund { order, refund, wish, restock: true },
        ];
        desk.run(&all);
        desk.assert_equal();
        assert_eq!(desk.model.orders[&order].state, OrderState::Refunded);
        // And with its erasure.
        let event = desk.event;
        let order = paid(desk, "eve", 1);
        let erase = Command::Erase { event, orders: vec![order], because: Erasure::Asked };
        let command = change(desk, order, "eve@example.com");
        desk.run(&[command, erase]);
        desk.assert_equal();
        desk.reopen();
        desk.assert_equal();
        assert_eq!(desk.database.reader().verify().expect("verify"), Vec::<String>::new());
        // What has no tickets keeps its address, and the store says so as well.
        let held = hold(desk, "fay", "seat", 1);
        let early = change(desk, held, "fay@example.com");
        assert!(desk.refused(&early));
        let buyer = desk.model.orders[&bob].buyer.clone();
        for order in [held, desk.ids.order(desk.now())] {
            let change = Change::EmailPut { order, event, buyer: buyer.clone() };
            desk.assert_not_done(&[change], &format!("{order:?}"));
            desk.assert_equal();
        }
    }
}

fn recovery<D: Database>(desk: &mut Desk<D>) {
    assert!(!desk.store().recover().expect("recover"), "nothing was tried");
    desk.put_event(spec("flute", 5));
    assert!(desk.store().recover().expect("recover"), "it was recorded");
    assert!(desk.store().recover().expect("recover"), "and stays so");
    let bad = Change::Stock { event: desk.event, pool: 0, held: 6, sold: 0 };
    assert!(desk.commit(&[bad], &[]).is_err());
    assert!(!desk.store().recover().expect("recover"), "this one was not");
    assert!(!desk.store().recover().expect("recover"), "and stays so");
    let order = desk.hold("a", "seat", 5);
    assert!(desk.store().recover().expect("recover"));
    desk.assert_equal();
    // An order that is being paid is as it was, whatever was tried with it.
    desk.pay(order);
    let paying = desk.model.clone();
    for recovers in [false, true] {
        let intent = "pi_1".into();
        let (mut changes, _) = desk.decide(&[Command::IntentCreated { order, intent }]);
        changes.push(Change::Stock { event: desk.event, pool: 0, held: 1, sold: 0 });
        assert!(desk.commit(&changes, &[]).is_err());
        assert!(!recovers || !desk.store().recover().expect("recover"));
        assert_eq!(desk.model, paying);
        desk.assert_equal();
    }
    desk.created(order);
    desk.assert_equal();
    assert!(desk.store().recover().expect("recover"));
    desk.assert_equal();
}

fn late_limit<D: Database>(desk: &mut Desk<D>) {
    let limit = |desk: &mut Desk<D>, limit_per_buyer| {
        desk.put_event(EventSpec { limit_per_buyer, ..spec("flute", 90) });
        desk.assert_equal();
    };
    let has = |desk: &mut Desk<D>, name: &str| {
        let Command::Hold { buyer, event, .. } = desk.hold_command(name, "seat", 1) else {
            unreachable!()
        };
        let keys =
            Keys { events: vec![event], buyers: vec![(event, buyer.key)], ..Keys::default() };
        let loaded = desk.store().load(&keys, &[]).expect("load");
        desk.store().release();
        loaded.state.buyers.get(&(event, buyer.key)).map(|has| has.places)
    };
    limit(desk, None);
    let paid = desk.paid("ann", 4);
    let gone = desk.paid("bob", 3);
    let refund = desk.refund(gone, RefundWish::All, false);
    desk.answered(gone, refund, RefundOutcome::Succeeded("re_1".into()));
    let part = desk.paid("cat", 3);
    let lines = vec![LineWish { ticket_type: "seat".into(), quantity: 1 }];
    let refund = desk.refund(part, RefundWish::Lines(lines.clone()), true);
    desk.answered(part, refund, RefundOutcome::Succeeded("re_2".into()));
    let owed = desk.paid("dan", 3);
    let refund = desk.refund(owed, RefundWish::Lines(lines), true);
    let held = desk.hold("eve", "seat", 2);
    desk.hold("eve", "friend", 1);
    desk.run(&[Command::Cancel { order: held }]);
    assert_eq!(has(desk, "ann"), None, "nobody counts without a limit");

    limit(desk, Some(4));
    for _ in 0..2 {
        let names = ["ann", "bob", "cat", "dan", "eve", "fay"];
        let counted = names.map(|name| has(desk, name));
        assert_eq!(counted, [Some(4), None, Some(2), Some(3), Some(1), None]);
        desk.assert_equal();
        desk.reopen();
    }
    // What happens from now on counts as well.
    desk.answered(owed, refund, RefundOutcome::Succeeded("re_3".into()));
    desk.hold("eve", "seat", 3);
    desk.hold("fay", "seat", 1);
    assert_eq!(["dan", "eve", "fay"].map(|name| has(desk, name)), [Some(2), Some(4), Some(1)]);
    desk.assert_equal();

    // Without a limit for a while.
    limit(desk, None);
    let refund = desk.refund(paid, RefundWish::All, false);
    desk.answered(paid, refund, RefundOutcome::Succeeded("re_4".into()));
    desk.hold("fay", "seat", 5);
    desk.assert_equal();
    limit(desk, Some(1));
    assert_eq!(["ann", "eve", "fay"].map(|name| has(desk, name)), [None, Some(4), Some(6)]);
    desk.reopen();
    desk.assert_equal();
}

fn nothing_there<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 5));
    let order = desk.hold("a", "seat", 1);
    let keys = Keys {
        events: vec![EventId(5), EventId(u64::MAX)],
        slugs: vec!["flut".into(), String::new()],
        ordered: vec!["flut".into(), "flute\0".into()],
        orders: vec![
            OrderId(order.0 ^ 1),
            OrderId(order.0 ^ (1 << 64)),
            OrderId(0),
            OrderId(u128::MAX),
        ],
        buyers: vec![(desk.event, BuyerKey(0)), (EventId(1), BuyerKey(1))],
    };
    let loaded = desk.store().load(&keys, &[RequestKey(0)]).expect("load");
    let most_counted = loaded.state.most_counted;
    assert_eq!(loaded.state, State { most_counted, ..State::default() });
    assert!(loaded.recorded.is_empty());
    let mut reader = desk.database.reader();
    assert_eq!(reader.order(OrderId(order.0 ^ 1)).expect("order"), None);
    assert!(reader.orders(EventId(3), None, 5).expect("orders").orders.is_empty());
    assert!(reader.tickets(desk.event, 0, 5).expect("tickets").is_empty());
}
