//! A damaged file. Whatever a single value in it is, reading is done or is a fault, and what was read is
//! such that the core can count with it.

use super::*;
use crate::fuzz::{check, slips, spoil};
use boxoffice::{Order, owed};
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::types::Value;

/// Values as no version wrote them. The schema takes a text for a text and a number for a number only.
fn odd() -> impl Strategy<Value = Value> {
    let border = vec![-1, 0, 1, 2, 9, 255, 65_536, 1 << 32, i64::MAX, i64::MIN, i64::MAX / 2];
    let text = vec!["", "x", "GB", "€", "\0", "\u{202e}"];
    prop_oneof![
        3 => select(border).prop_map(Value::Integer),
        1 => any::<i64>().prop_map(Value::Integer),
        1 => select(text).prop_map(|text| Value::Text(text.into())),
        2 => proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
        1 => Just(Value::Null),
    ]
}

/// Everything that the core counts of an order when it decides or is asked.
fn count(order: &Order) {
    _ = (order.total(), order.refunded(), order.owed_back(), order.counted());
    _ = (order.over(i64::MAX), order.is_stuck(), owed(order));
}

/// Reads all that a server and an audit read.
fn read_all(path: &Path) -> Result<(), Fault> {
    let mut reader = SqliteStore::reader(path)?;
    let events = reader.events();
    let mut after = None;
    while let Ok(page) = reader.all_orders(after, 100) {
        page.orders.iter().for_each(count);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for event in events? {
        event.pools.iter().for_each(|pool| _ = pool.left());
        let orders = reader.orders(event.id, None, 100)?.orders;
        orders.iter().for_each(count);
    }
    for lane in [Lane::Holds, Lane::Payments] {
        reader.due(i64::MAX, lane, 100)?;
    }
    reader.verify().map(drop)
}

#[test]
fn a_file_with_one_odd_value_is_read_or_is_a_fault() {
    let database = contract::told(|clock| OnDisk(Folder::new(), clock));
    let (whole, path) = (database.0.file("nts.db"), database.0.file("spoilt.db"));
    read_all(&whole).expect("it is whole");
    let fresh = || {
        for more in ["", "-wal", "-shm"] {
            _ = std::fs::remove_file(database.0.file(&format!("spoilt.db{more}")));
        }
        std::fs::copy(&whole, &path).unwrap();
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA ignore_check_constraints = 1; PRAGMA synchronous = 0").unwrap();
        conn
    };
    let conn = fresh();
    let tables =
        ["events", "pools", "ticket_types", "orders", "payments", "attempts", "refunds", "tickets"];
    let columns: Vec<(&str, String)> = tables
        .iter()
        .flat_map(|table| {
            let mut find =
                conn.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
            let names = find.query_map([], |row| row.get(0)).unwrap();
            names.map(|name| (*table, name.unwrap())).collect::<Vec<_>>()
        })
        .collect();
    assert!(columns.len() > 60);
    let written = std::cell::Cell::new(0);
    let own = prop_oneof![1 => slips(1, 2).prop_map(Some), 2 => Just(None)];
    check(600, &(select(columns), any::<u16>(), odd(), own), |((table, column), nth, odd, own)| {
        let conn = fresh();
        let all = format!("SELECT {column} FROM {table} ORDER BY 1");
        let all: Vec<Value> = {
            let mut find = conn.prepare(&all).unwrap();
            find.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let was = all[usize::from(nth) % all.len()].clone();
        // Its own bytes, spoilt, or something else.
        let odd = match (&was, own) {
            (Value::Blob(bytes), Some(slips)) => Value::Blob(spoil(bytes, &slips)),
            (Value::Text(text), Some(slips)) => {
                Value::Text(String::from_utf8_lossy(&spoil(text.as_bytes(), &slips)).into())
            }
            _ => odd,
        };
        let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {column} IS ?2");
        if conn.execute(&sql, params![odd, was]).is_err() {
            return Ok(());
        }
        written.set(written.get() + 1);
        _ = read_all(&path);
        Ok(())
    });
    assert!(written.get() > 100, "{}", written.get());
}
