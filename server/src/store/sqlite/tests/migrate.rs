//! A database of an older version opens, and says what it said.

use super::*;
use crate::store::sqlite::file::{APPLICATION_ID, MIGRATIONS};
use boxoffice::{
    AttemptState, CodeRule, Intent, IntentStatus, Money, Order, OrderState, Owed, SeenVersion, owed,
};

/// A database as version 1 made it, with orders in every state.
fn version_1(folder: &Folder) -> PathBuf {
    let path = folder.file("old.db");
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    conn.execute_batch(MIGRATIONS[0]).unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
    conn.execute_batch(include_str!("version_1.sql")).unwrap();
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    path
}

fn named(store: &SqliteStore, name: &str) -> Order {
    let mut reader = store.own_reader().unwrap();
    let events: Vec<EventId> = store.events.keys().copied().collect();
    let orders = events.iter().flat_map(|e| reader.orders(*e, None, 100).unwrap().orders);
    orders.into_iter().find(|o| o.buyer.name.contains(name)).unwrap()
}

#[test]
fn a_database_of_version_1_opens_and_says_what_it_said() {
    let folder = Folder::new();
    let path = version_1(&folder);
    let opened = SqliteStore::open(&path, clock()).unwrap();
    assert!(!opened.fresh);
    let store = opened.store;
    assert_eq!(store.own_reader().unwrap().verify().unwrap(), Vec::<String>::new());
    let version: i64 = store
        .conn
        .as_ref()
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, MIGRATIONS.len() as i64);

    for event in store.events.values() {
        let spec = &event.spec;
        assert_eq!((spec.description.as_str(), spec.ends_ms, spec.hidden), ("", None, false));
        assert_eq!((spec.ignore_email_tags, spec.keep_buyers_days), (false, None));
    }

    // In a few words, in the order in which they were placed.
    let mut seen = Vec::new();
    let mut reader = store.own_reader().unwrap();
    for event in store.events.keys() {
        for o in reader.orders(*event, None, 100).unwrap().orders {
            let name: String = o.buyer.name.chars().take(9).collect();
            let tickets = o.tickets.len();
            seen.push(format!("{name}: {} {} {tickets}", o.state.word(), o.refunded().minor));
            assert!(o.refunds.iter().all(|r| !r.by_hand));
            assert!(o.tickets.iter().all(|t| t.code_rule == CodeRule::Serial), "its code stays");
            let payment = o.payment.as_ref();
            assert!(payment.is_none_or(|p| p.dispute.is_none()));
            for attempt in payment.iter().flat_map(|p| &p.attempts) {
                assert!((o.placed_ms..o.until_ms).contains(&attempt.begun_ms), "{o:?}");
            }
        }
    }
    assert_eq!(
        seen,
        [
            "in anothe: held 0 0",
            "Held 👩\u{200d}👩\u{200d}: held 0 0",
            "renewed: held 0 0",
            "O'Brien \": paying 0 0",
            "action: paying 0 0",
            "declined : paying 0 0",
            "canceling: canceling 0 0",
            "committed: committed 0 0",
            "void: void 0 0",
            "free: paid 0 2",
            "paid: paid 0 4",
            "refunding: refunding 1998 2",
            "partly re: paid 999 3",
            "refunded: refunded 1998 2",
            "released: released 0 0",
            "late mone: released 999 0",
        ]
    );
    drop(store);
    let again = SqliteStore::open(&path, clock()).unwrap().store;
    assert_eq!(named(&again, "partly").refunds.len(), 2);
}

#[test]
fn orders_of_version_1_are_in_the_figures_of_their_sale() {
    use crate::audit::books;
    use crate::store::records::sale_figures::{SPAN_MS, by_span, totals};
    let folder = Folder::new();
    let store = SqliteStore::open(&version_1(&folder), clock()).unwrap().store;
    let mut reader = store.own_reader().unwrap();
    let mut orders = Vec::new();
    for event in store.events.keys() {
        orders.extend(reader.orders(*event, None, 100).unwrap().orders);
    }
    let money = orders.iter().map(books::money);
    let (taken, back) = money.fold((0, 0), |(t, b), m| (t + m.taken, b + m.given_back));
    let lines = orders.iter().filter(|o| o.state.sells()).flat_map(|o| &o.lines);
    let (sold, refunded) =
        lines.fold((0, 0), |(s, r), l| (s + i64::from(l.quantity), r + i64::from(l.refunded)));
    let rows = totals(reader.tables()).unwrap();
    let sum = |of: fn(&crate::store::records::sale_figures::SaleFigure) -> i64| -> i64 {
        rows.iter().map(of).sum()
    };
    assert!(taken > back && back > 0 && sold > refunded && refunded > 0);
    assert_eq!((sum(|r| r.taken_minor), sum(|r| r.given_back_minor)), (taken, back));
    assert_eq!((sum(|r| r.sold), sum(|r| r.refunded)), (sold, refunded));
    // At the time at which each was placed.
    let placed = |order: &Order| order.placed_ms - order.placed_ms.rem_euclid(SPAN_MS);
    for event in store.events.keys() {
        for row in by_span(reader.tables(), *event, SPAN_MS, 0).unwrap() {
            assert!(orders.iter().any(|o| o.event == *event && placed(o) == row.at_ms), "{row:?}");
        }
    }
}

#[test]
fn orders_of_version_1_go_on() {
    let folder = Folder::new();
    let path = version_1(&folder);
    let mut store = SqliteStore::open(&path, Clock::Manual(hour_later())).unwrap().store;
    // Asked for an hour ago, and never answered: it is still owed, and who asked for it has at
    // least five minutes once it is answered.
    let paying = named(&store, "O'Brien");
    assert!(matches!(owed(&paying), Owed::Create(_)));
    let reason = String::from("no");
    let declined = Command::AttemptDeclined { order: paying.id, attempt: 1, reason };
    run(&mut store, &[declined], &[]).unwrap();
    let paying = named(&store, "O'Brien");
    let attempts = &paying.payment.as_ref().unwrap().attempts;
    assert!(matches!(attempts[0].state, AttemptState::Declined(_)));
    assert_eq!(paying.until_ms, store.clock.now_ms() + 300_000);
    // Who was shown something has no more time than before.
    let action = named(&store, "action");
    let read = |order: &Order, status| Command::Reconcile {
        order: order.id,
        known: SeenVersion::of(order),
        intent: Intent {
            id: order.payment.as_ref().unwrap().intent.clone().unwrap(),
            status,
            amount: Money { minor: order.total().minor, currency: order.currency },
            received_minor: order.total().minor,
            live: false,
            order: Some(order.id),
            payment: order.payment.as_ref().map(|p| p.id),
            action: None,
            last_error: None,
            refunds: vec![],
            dispute: None,
        },
    };
    let committed = named(&store, "committed");
    let commands =
        [read(&action, IntentStatus::RequiresAction), read(&committed, IntentStatus::Succeeded)];
    run(&mut store, &commands, &[]).unwrap();
    assert_eq!(named(&store, "action").state, OrderState::Canceling);
    let issued = named(&store, "committed").tickets;
    assert_eq!(issued.len(), 3);
    assert!(issued.iter().all(|t| t.code_rule == CodeRule::Order), "issued by this version");
    assert_eq!(store.own_reader().unwrap().verify().unwrap(), Vec::<String>::new());
}

/// What a later version may write into this schema: more about each line.
#[test]
fn lines_of_a_newer_version_are_an_error_that_says_so() {
    let folder = Folder::new();
    let path = version_1(&folder);
    let store = SqliteStore::open(&path, clock()).unwrap().store;
    let paid = named(&store, "paid");
    let (high, low) = codec::split(paid.id);
    // As seven lines of six numbers are six lines of seven numbers.
    let newer = [&[0x83u8, 0][..], &[0; 42]].concat();
    let update = "UPDATE orders SET lines = ?3 WHERE id = ?1 AND low = ?2";
    store.conn.as_ref().unwrap().execute(update, params![high, low, newer]).unwrap();
    let mut reader = store.own_reader().unwrap();
    let fault = reader.order(paid.id).unwrap_err().to_string();
    assert!(fault.contains("orders.lines is written by a newer nts, in layout 3"), "{fault}");
    let wrong = reader.verify().unwrap();
    assert!(wrong.iter().any(|line| line.contains("written by a newer nts")), "{wrong:?}");
}

fn hour_later() -> std::sync::Arc<std::sync::atomic::AtomicI64> {
    std::sync::Arc::new((1_800_000_000_000 + 3_600_000).into())
}

/// What buyers of a show have, by the names and addresses of today.
fn has(store: &mut SqliteStore, event: EventId, buyers: &[(&str, &str)]) -> Vec<u32> {
    let key = |(name, email): &(&str, &str)| (event, crate::identity::buyer_key(name, email));
    let keys =
        Keys { events: vec![event], buyers: buyers.iter().map(key).collect(), ..Keys::default() };
    let state = store.load(&keys, &[]).unwrap().state;
    buyers.iter().map(|b| state.buyers.get(&key(b)).map_or(0, |has| has.places)).collect()
}

#[test]
fn orders_of_version_3_get_the_keys_of_their_buyers() {
    let folder = Folder::new();
    let path = folder.file("old.db");
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    for step in &MIGRATIONS[..3] {
        conn.execute_batch(step).unwrap();
    }
    conn.pragma_update(None, "user_version", 3).unwrap();
    conn.execute_batch(
        "INSERT INTO meta VALUES ('secret', zeroblob(32));
         INSERT INTO progress VALUES (1, 1, 0, 1099511627900);
         INSERT INTO events VALUES
             (1, 'limited', 'A', '', 0, 'UTC', 'EUR', 10, 3, 300000, NULL, NULL, 0),
             (2, 'free', 'B', '', 0, 'UTC', 'EUR', 10, NULL, 300000, NULL, NULL, 0);
         INSERT INTO pools VALUES (1, 0, 'p', 90, 8, 0, 0), (2, 0, 'p', 90, 5, 0, 0);
         INSERT INTO ticket_types VALUES (1, 0, 't', 'T', 0, 100, 0), (2, 0, 't', 'T', 0, 100, 0)",
    )
    .unwrap();
    let of_old = |text: &str| crate::ids::digest(&[b"buyer", b"email", text.as_bytes()]);
    let mut counts: BTreeMap<(i64, u128), i64> = BTreeMap::new();
    let orders = [
        // As they were: by the text in lower case, and none where there was no limit.
        (1, "ann@example.org", of_old("ann@example.org"), 1, 0),
        (1, "Ann@Example.ORG", of_old("ann@example.org"), 1, 0),
        (1, "ann@müller.example", of_old("ann@müller.example"), 1, 0),
        (1, "ann@xn--mller-kva.example", of_old("ann@xn--mller-kva.example"), 2, 0),
        // From before the limit, and one that was given back.
        (1, "ben@example.org", 0, 3, 0),
        (1, "ben@example.org", 0, 2, 7),
        (2, "cyd@example.org", 0, 4, 0),
        (2, "CYD@example.org", 0, 1, 0),
    ];
    for (n, (event, email, key, places, state)) in (1i64..).zip(orders) {
        let lines = [0, 0, places as u8, 100, 0, 0];
        conn.execute(
            "INSERT INTO orders (id, low, event, state, lines, name, email, buyer_key, currency,
                                 placed_ms, until_ms, tries)
             VALUES (?1, 7, ?2, ?3, ?4, 'Some Body', ?5, ?6, 'EUR', 0, 9, 0)",
            params![(1i64 << 40) + n, event, state, lines, email, key.to_be_bytes()],
        )
        .unwrap();
        if key != 0 {
            *counts.entry((event, key)).or_default() += places;
        }
    }
    for ((event, key), places) in counts {
        let insert = "INSERT INTO buyers VALUES (?1, ?2, ?3, 1, 7)";
        conn.execute(insert, params![event, key.to_be_bytes(), places]).unwrap();
    }
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    drop(conn);

    let mut store = SqliteStore::open(&path, clock()).unwrap().store;
    assert_eq!(store.own_reader().unwrap().verify().unwrap(), Vec::<String>::new());
    let limited = EventId(1);
    let ann = [("", "ann@example.org"), ("", "ANN@MÜLLER.example"), ("", "ben@example.org")];
    assert_eq!(has(&mut store, limited, &ann), [2, 3, 3]);
    let cyd = [("", "cyd@example.org")];
    assert_eq!(has(&mut store, EventId(2), &cyd), [0], "nobody counts without a limit");
    let mut spec = store.events[&EventId(2)].spec.clone();
    spec.limit_per_buyer = Some(5);
    run(&mut store, &[Command::PutEvent { id: EventId(9), spec }], &[]).unwrap();
    assert_eq!(has(&mut store, EventId(2), &cyd), [5], "a limit that comes late");
    assert_eq!(store.own_reader().unwrap().verify().unwrap(), Vec::<String>::new());
}
