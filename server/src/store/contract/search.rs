//! Lists of orders with filters, and the table by which orders are found.

use super::Database;
use super::desk::{Desk, spec};
use crate::store::records::order_search::{FoundBy, SearchProgress, changed, progress, range};
use crate::store::{Listing, Reader};
use boxoffice::*;
use std::collections::BTreeSet;

/// All pages of a listing: the orders, and when each changed for the last time.
fn all(
    reader: &mut dyn Reader,
    listing: &Listing,
    fits: &dyn Fn(&Order) -> bool,
) -> Vec<(Order, TimeMs)> {
    let (mut listing, mut found) = (listing.clone(), Vec::new());
    for _ in 0..1_000 {
        let page = reader.listed(&listing, fits).expect("a page");
        assert!(page.orders.len() <= listing.limit);
        assert_eq!(page.orders.len(), page.changed_ms.len());
        found.extend(page.orders.into_iter().zip(page.changed_ms));
        match (page.next, listing.newest_first) {
            (None, _) => return found,
            (next, true) => listing.before = next,
            (next, false) => listing.after = next,
        }
    }
    panic!("the pages do not end");
}

pub(super) fn orders_are_listed<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("other", 50));
    let other = desk.event;
    desk.put_event(spec("flute", 50));
    let flute = desk.event;
    let mut orders = Vec::new();
    for n in 0..23 {
        desk.event = if n % 3 == 0 { other } else { flute };
        orders.push(desk.hold("a", if n % 2 == 0 { "seat" } else { "high" }, 1));
        desk.later(10);
    }
    let begun = desk.now();
    desk.later(1_000);
    desk.pay(orders[4]);
    desk.run(&[Command::Cancel { order: orders[5] }]);
    let paid = desk.paid("b", 2);
    // A name on a ticket is a change without a move.
    desk.later(1_000);
    let named = desk.now();
    desk.run(&[Command::NameTicket { order: paid, number: 2, name: "Grace".into() }]);
    desk.reopen();
    let changed = [(orders[4], begun + 1_000), (orders[5], begun + 1_000), (paid, named)];
    let changed_ms = |id: OrderId| changed.iter().find(|(of, _)| *of == id).map_or(0, |of| of.1);
    let model: Vec<Order> = desk.model.orders.values().cloned().collect();
    let mut reader = desk.database.reader();
    let of_type = |order: &Order| order.lines.iter().any(|line| line.ticket_type == 2);
    let events =
        [None, Some(vec![flute]), Some(vec![flute, other]), Some(vec![]), Some(vec![EventId(9)])];
    let states = [None, Some(OrderState::Held), Some(OrderState::Released)];
    let times = [None, Some(begun), Some(begun + 1_000), Some(named), Some(named + 1)];
    let mut compared = 0;
    for events in &events {
        let all_times = times.iter().flat_map(|since| [None, Some(named)].map(|to| (*since, to)));
        let all_times: Vec<_> = all_times.collect();
        for (state, (changed_since, changed_before)) in
            states.iter().flat_map(|s| all_times.iter().map(move |t| (*s, *t)))
        {
            for (newest_first, limit, look) in
                [(true, 4, 100), (false, 4, 100), (true, 100, 3), (false, 1, 1)]
            {
                let listing = Listing {
                    events: events.clone(),
                    after: Some(orders[1]),
                    before: None,
                    newest_first,
                    state,
                    changed_since,
                    changed_before,
                    limit,
                    look,
                    only: None,
                };
                for typed in [false, true] {
                    let fits = |order: &Order| !typed || of_type(order);
                    let last_ms = |o: &Order| changed_ms(o.id).max(o.placed_ms);
                    let mut expected: Vec<(Order, TimeMs)> = model
                        .iter()
                        .filter(|o| listing.fits(o, changed_ms(o.id)) && fits(o))
                        .map(|o| (o.clone(), last_ms(o)))
                        .collect();
                    if newest_first {
                        expected.reverse();
                    }
                    let found = all(&mut *reader, &listing, &fits);
                    assert_eq!(found, expected, "{listing:?} {typed}");
                    compared += found.len();
                }
            }
        }
    }
    assert!(compared > 500, "{compared}");
    for (order, last_ms) in [(paid, Some(named)), (OrderId(7), None)] {
        assert_eq!(reader.changed_ms(order).expect("a time"), last_ms);
    }
    let placed_ms = model.iter().find(|o| o.id == orders[7]).map(|o| o.placed_ms);
    assert_eq!(reader.changed_ms(orders[7]).expect("a time"), placed_ms);
    let only = |id| Listing::newest(5, 5).only(id);
    let found = reader.listed(&only(orders[7]), &|_| true).expect("a page").orders;
    assert_eq!(found.iter().map(|o| o.id).collect::<Vec<_>>(), [orders[7]]);
    assert!(
        reader.listed(&only(OrderId(orders[7].0 ^ 1)), &|_| true).expect("none").orders.is_empty()
    );
    assert!(reader.listed(&only(OrderId(0)), &|_| true).expect("none").orders.is_empty());
    assert!(reader.listed(&only(OrderId(u128::MAX)), &|_| true).expect("none").orders.is_empty());
}

fn row(text: &str, event: u64, order: u128) -> FoundBy {
    FoundBy { text: text.into(), event: EventId(event), order_id: OrderId(order) }
}

fn texts(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

/// What of the table begins so.
fn begins<D: Database>(desk: &mut Desk<D>, text: &str) -> Vec<(String, u128)> {
    let mut reader = desk.database.reader();
    let found = range(reader.tables(), &row(text, 0, 0), &format!("{text}{}", char::MAX), 100);
    found.expect("rows").into_iter().map(|row| (row.text, row.order_id.0)).collect()
}

pub(super) fn orders_are_found<D: Database>(desk: &mut Desk<D>) {
    let now = |desk: &mut Desk<D>| progress(desk.database.reader().tables()).expect("the row");
    assert_eq!(now(desk), SearchProgress::none());
    let write = |desk: &mut Desk<D>, records: &[crate::store::records::RecordChange]| {
        desk.commit_with(&[], &[], records).expect("a commit");
    };
    // The first page of the task.
    let read = now(desk);
    let first = [row("ada", 1, 10), row("adam", 1, 11), row("ada", 2, 12), row("äda", 1, 13)];
    let mut records = vec![SearchProgress::begin()];
    records.extend(read.go_on(OrderId(13), &first));
    write(desk, &records);
    assert_eq!(now(desk).done, OrderId(13));
    let found = |all: &[(&str, u128)]| -> Vec<(String, u128)> {
        all.iter().map(|(text, id)| ((*text).to_owned(), *id)).collect()
    };
    assert_eq!(begins(desk, "ada"), found(&[("ada", 10), ("ada", 12), ("adam", 11)]));
    assert_eq!(begins(desk, "ä"), found(&[("äda", 13)]));
    // The same page of a slower process changes nothing.
    let mut again = vec![SearchProgress::begin()];
    again.extend(read.go_on(OrderId(20), &[row("adc", 1, 20)]));
    write(desk, &again);
    assert_eq!((now(desk).done, begins(desk, "adc")), (OrderId(13), found(&[])));

    // What was read before something was taken away is not written.
    let read = now(desk);
    write(desk, &changed(EventId(1), OrderId(10), &texts(&["ada", "x"]), &texts(&["x", "byron"])));
    assert_eq!(begins(desk, "ada"), found(&[("ada", 12), ("adam", 11)]));
    assert_eq!(begins(desk, "b"), found(&[("byron", 10)]));
    assert_ne!(now(desk).generation, read.generation);
    write(desk, &read.go_on(OrderId(30), &[row("ada", 1, 10), row("ada", 1, 30)]));
    assert_eq!(begins(desk, "ada"), found(&[("ada", 12), ("adam", 11)]));
    assert_eq!(now(desk).done, OrderId(13));
    let read = now(desk);
    write(desk, &read.go_on(OrderId(30), &[row("ada", 1, 30), row("ada", 1, 30)]));
    assert_eq!(begins(desk, "ada").len(), 3);

    // What only comes does not stop the task.
    let read = now(desk);
    write(desk, &changed(EventId(1), OrderId(11), &texts(&["adam"]), &texts(&["adam", "eva"])));
    assert_eq!(now(desk), read);
    assert!(changed(EventId(1), OrderId(11), &texts(&["eva"]), &texts(&["eva"])).is_empty());

    // Pages go on behind a row.
    let mut reader = desk.database.reader();
    let behind = range(reader.tables(), &row("ada", 2, 12), "adz", 1).expect("rows");
    assert_eq!(behind, [row("adam", 1, 11)]);
}
