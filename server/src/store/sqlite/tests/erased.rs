//! What is erased or removed is in no byte of the file any more.

use super::{Folder, clock, hold, put_event, run};
use crate::store::sqlite::SqliteStore;
use boxoffice::{
    Command, Erasure, Intent, IntentStatus, MOST_ERASED, Metadata, Money, OrderId, PaymentId,
    SeenVersion, TimeMs,
};

/// How many orders there are: enough that the pages of the tables are split and filled again.
const ORDERS: u128 = 300;

fn id(n: u128) -> OrderId {
    OrderId(((1 << 40) + n) << 64 | 0x8000_0000_0000_0007)
}

fn pay(store: &mut SqliteStore, n: u128) {
    let (order, payment) = (id(n), PaymentId((1 << 110) + n));
    let token = "ctoken_ok".to_owned();
    run(store, &[Command::Pay { order, payment, live: false, token }], &[]).unwrap();
    let intent = format!("pi_{n}");
    run(store, &[Command::IntentCreated { order, intent: intent.clone() }], &[]).unwrap();
    for status in [IntentStatus::RequiresCapture, IntentStatus::Succeeded] {
        let known = store.own_reader().unwrap();
        let known = crate::store::Reader::order(&mut { known }, order).unwrap().unwrap();
        let amount: Money = known.total();
        let intent = Intent {
            id: intent.clone(),
            status,
            amount,
            received_minor: if status == IntentStatus::Succeeded { amount.minor } else { 0 },
            live: false,
            order: Some(order),
            payment: Some(payment),
            action: None,
            last_error: None,
            refunds: vec![],
            dispute: None,
        };
        let known = SeenVersion::of(&known);
        run(store, &[Command::Reconcile { order, intent, known }], &[]).unwrap();
    }
}

/// How often the file tells a name, an address or metadata.
fn told(bytes: &[u8]) -> usize {
    let count = |word: &[u8]| bytes.windows(word.len()).filter(|at| *at == word).count();
    count(b"Buyer ") + count(b"@example.com") + count(b"of buyer ")
}

#[test]
fn what_is_erased_or_removed_is_in_no_byte_of_the_file() {
    let folder = Folder::new();
    let path = folder.file("nts.db");
    let mut store = SqliteStore::open(&path, clock()).unwrap().store;
    let event = put_event(&mut store, "rock", 10_000);
    for n in 0..ORDERS {
        let mut hold = hold(event, n);
        if let Command::Hold { metadata, .. } = &mut hold
            && n % 2 == 0
        {
            let entry = ("note".to_owned(), format!("of buyer {n}"));
            *metadata = Metadata::new([entry]).unwrap();
        }
        run(&mut store, &[hold], &[]).unwrap();
        // Some pay at once, some later, and some give back.
        if n % 3 == 0 {
            pay(&mut store, n);
        }
        if n >= 40 && n % 3 == 1 {
            pay(&mut store, n - 40 - (n - 40) % 3 + 1);
        }
    }
    for n in (2..ORDERS).step_by(3) {
        run(&mut store, &[Command::Cancel { order: id(n) }], &[]).unwrap();
    }
    for n in (ORDERS - 40..ORDERS).filter(|n| n % 3 == 1) {
        run(&mut store, &[Command::Cancel { order: id(n) }], &[]).unwrap();
    }
    let forget = |n| Command::Forget { order: id(n), placed_before_ms: TimeMs::MAX };
    for n in (2..ORDERS).step_by(6) {
        run(&mut store, &[forget(n)], &[]).unwrap();
    }
    let all: Vec<OrderId> = (0..ORDERS).map(id).collect();
    for orders in all.chunks(MOST_ERASED) {
        let (orders, because) = (orders.to_vec(), Erasure::Asked);
        run(&mut store, &[Command::Erase { event, orders, because }], &[]).unwrap();
    }
    drop(store);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(told(&bytes), 0, "in {} bytes", bytes.len());
}
