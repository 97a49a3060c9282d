//! Cold tables on a server: what the contract cannot tell.

use super::*;
use crate::actor::Actor;
use crate::store::contract;
use crate::store::records::audit_log::{Action, AuditLine, audit_id};
use crate::store::records::{RecordChange, get, page};
use crate::store::transfer::transfer;
use crate::store::{Batch, Database, records::Record};
use std::collections::BTreeMap;

fn line(nth: usize, detail: &str) -> AuditLine {
    let (actor, action) = (Actor::System, Action::Alarm);
    let (event, order_id) = (Some(boxoffice::EventId(7)), Some(boxoffice::OrderId(7 << 64)));
    let id = audit_id(nth as i64, (1, 1), nth);
    AuditLine { id, at_ms: nth as i64, actor, action, event, order_id, detail: detail.into() }
}

fn commit(store: &mut PgStore, records: &[RecordChange]) {
    let orders = BTreeMap::new();
    let batch = Batch { changes: &[], orders: &orders, recorded: &[], records, now_ms: 0 };
    store.commit(&batch).unwrap();
}

#[test]
fn a_batch_without_records_has_not_one_statement_more() {
    let statements = |changes: &[boxoffice::Change], records: &[RecordChange]| -> Vec<&str> {
        let orders = BTreeMap::new();
        let batch = Batch { changes, orders: &orders, recorded: &[], records, now_ms: 0 };
        write::Writing::of(&batch).unwrap().statements(1).iter().map(|ask| ask.sql).collect()
    };
    let moved =
        boxoffice::Change::Stock { event: boxoffice::EventId(1), pool: 0, held: 1, sold: 0 };
    let changes = [moved];
    let without = statements(&changes, &[]);
    assert_eq!(without.len(), 1);
    let many: Vec<_> = (0..100).map(|n| RecordChange::put(&line(n, ""))).collect();
    let with = statements(&changes, &many);
    assert_eq!(with[..1], without);
    assert_eq!(with.len(), 2, "a hundred rows are one statement");
}

#[test]
fn records_move_to_a_file_and_back() {
    let Some(server) = Postgres::shared() else { return };
    let told = contract::told(|clock| OnServer::new(server, "", clock));
    // More than a page of them, and a text that a file keeps and a server does not.
    let lines: Vec<AuditLine> = (0..1_234).map(|n| line(n, "\u{1f39f}")).collect();
    let puts: Vec<_> = lines.iter().map(RecordChange::put).collect();
    commit(&mut PgStore::open(&told.0, told.1.clone()).unwrap().store, &puts);
    let dir = std::env::temp_dir().join(format!("nts-records-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = Database::File(dir.join("moved.db"));
    let from = Database::Server(Box::new(told.0.clone()));
    let move_to = |from: &Database, to: &Database| transfer(from, to, &told.1, &mut |_| {});
    let moved = move_to(&from, &file).unwrap();
    assert_eq!(moved.records, 1_234);
    let mut reader = file.reader(&told.1).unwrap();
    assert_eq!(page::<AuditLine>(reader.tables(), None, 2_000).unwrap(), lines);
    drop(reader);
    let zero = line(1, "a\0b");
    let mut opened = file.open(told.1.clone()).unwrap();
    let (orders, records) = (BTreeMap::new(), [RecordChange::put(&zero)]);
    let batch =
        Batch { changes: &[], orders: &orders, recorded: &[], records: &records, now_ms: 0 };
    opened.store.commit(&batch).unwrap();
    drop(opened);
    let back = target(server, &server.database(), "");
    let to = Database::Server(Box::new(back.clone()));
    assert_eq!(move_to(&file, &to).unwrap().records, 1_234);
    let mut reader = to.reader(&told.1).unwrap();
    let kept: Option<AuditLine> = get(reader.tables(), &zero.key()).unwrap();
    assert_eq!(kept.unwrap().detail, "a\u{fffd}b");
    assert_eq!(reader.verify().unwrap(), Vec::<String>::new());
    drop(reader);
    // A damaged row is not carried on.
    let odd = RecordChange::Run("UPDATE audit_log SET actor = 'x' WHERE at_ms = 3", vec![]);
    commit(&mut PgStore::open(&back, told.1.clone()).unwrap().store, &[odd]);
    let again = Database::File(dir.join("again.db"));
    let why = move_to(&to, &again).unwrap_err();
    assert!(why.contains("audit_log.actor"), "{why}");
    std::fs::remove_dir_all(&dir).unwrap();
}
