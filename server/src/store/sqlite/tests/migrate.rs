//! A database of an older version opens, and says what it said.

use super::*;
use crate::store::sqlite::file::{APPLICATION_ID, MIGRATIONS};
use boxoffice::{
    AttemptState, CodeRule, Intent, IntentStatus, Known, Money, Order, OrderState, Owed, owed,
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
        known: Known::of(order),
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

fn hour_later() -> std::sync::Arc<std::sync::atomic::AtomicI64> {
    std::sync::Arc::new((1_800_000_000_000 + 3_600_000).into())
}
