//! What every store must keep of the cold tables.

use super::{Database, Desk, spec};
use crate::actor::Actor;
use crate::store::records::audit_log::{self, Action, AuditLine, Filter, audit_id};
use crate::store::records::outbox_rows::{Message, MessageState, due};
use crate::store::records::sample::Sample;
use crate::store::records::{self, Engine, Record, RecordChange, Value, export, get, page};
use crate::store::{Fault, Reader};
use boxoffice::{Change, EventId, OrderId, OrderState};

const AT_MS: i64 = 1_800_000_000_000;

fn line(nth: usize) -> AuditLine {
    AuditLine {
        id: audit_id(AT_MS + nth as i64, (-7, 1 << 40), nth),
        at_ms: AT_MS + nth as i64,
        actor: Actor::ApiKey(u128::MAX),
        action: Action::EventChanged,
        event: Some(EventId(u64::MAX - nth as u64)),
        order_id: None,
        detail: format!("{nth}: 'quoted' \u{1f39f} $1"),
    }
}

fn lines<D: Database>(desk: &mut Desk<D>) -> Vec<AuditLine> {
    let mut reader = desk.database.reader();
    page(reader.tables(), None, 1_000).expect("page")
}

/// Atomic with the sale.
pub(super) fn with_the_sale<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 5));
    let hold = desk.hold_command("a", "seat", 2);
    let (mut changes, _) = desk.decide(&[hold]);
    let records = [RecordChange::put(&line(1)), RecordChange::put(&line(2))];
    // What refuses the sale refuses the records, and the other way around.
    changes.push(Change::Stock { event: desk.event, pool: 0, held: 1_000, sold: 0 });
    let refused = desk.commit_with(&changes, &[], &records);
    assert!(matches!(refused, Err(Fault::NotDone(_))));
    changes.pop();
    let odd = [RecordChange::put(&line(1)), RecordChange::Run("DELETE FROM no_such_table", vec![])];
    assert!(desk.commit_with(&changes, &[], &odd).is_err());
    assert_eq!(lines(desk), []);
    assert!(!desk.store().recover().expect("recover"));
    desk.assert_equal();
    assert_eq!(lines(desk), []);

    desk.commit_with(&changes, &[], &records).expect("commit");
    desk.assert_equal();
    assert_eq!(lines(desk), [line(1), line(2)]);
    assert!(desk.store().recover().expect("recover"));
    desk.reopen();
    assert_eq!(lines(desk), [line(1), line(2)]);
    // By themselves, too.
    desk.commit_with(&[], &[], &[RecordChange::put(&line(3))]).expect("commit");
    assert!(desk.store().recover().expect("recover"));
    assert_eq!(lines(desk).len(), 3);
}

/// What the declaration gives: load, put, delete and pages, in the order of the key.
pub(super) fn as_declared<D: Database>(desk: &mut Desk<D>) {
    let create = Box::leak(Sample::table().create(desk.database.engine()).into_boxed_str());
    desk.commit_with(&[], &[], &[RecordChange::Run(create, vec![])]).expect("create");
    // Texts in the order of their bytes, not of a language.
    let owners = ["", "B", "Z", "a", "b", "\u{e9}", "\u{1f39f}"];
    let mut rows: Vec<Sample> =
        owners.iter().flat_map(|owner| [-1, 0, 7].map(|n| Sample::of(owner, n))).collect();
    rows[3].note = None;
    rows[4].bytes = vec![];
    let puts: Vec<_> = rows.iter().rev().map(RecordChange::put).collect();
    desk.commit_with(&[], &[], &puts).expect("put");
    let mut reader = desk.database.reader();
    for limit in [1, 2, 20, 21, 22] {
        let (mut found, mut after) = (Vec::<Sample>::new(), None);
        loop {
            let some: Vec<Sample> = page(reader.tables(), after.as_deref(), limit).expect("a page");
            after = some.last().map(Record::key);
            let full = some.len() == limit;
            found.extend(some);
            if !full {
                break;
            }
        }
        assert_eq!(found, rows, "by {limit}");
    }
    for row in &rows {
        assert_eq!(get(reader.tables(), &row.key()).expect("get").as_ref(), Some(row));
    }
    assert_eq!(get::<Sample>(reader.tables(), &Sample::of("c", 0).key()).expect("get"), None);
    // The last word counts; a statement sees what was before it and not what is after it.
    let changed = Sample { note: Some("changed".into()), flag: true, ..rows[0].clone() };
    let changes = [
        RecordChange::delete::<Sample>(rows[0].key()),
        RecordChange::put(&rows[0]),
        RecordChange::put(&changed),
        RecordChange::delete::<Sample>(rows[1].key()),
        RecordChange::delete::<Sample>(Sample::of("nobody", 0).key()),
        RecordChange::put(&Sample::of("gone", 1)),
        RecordChange::Run(
            "DELETE FROM sample WHERE number >= $2 AND owner = $1",
            vec![Value::Text("gone".into()), Value::Int(1)],
        ),
        RecordChange::put(&Sample::of("gone", 2)),
    ];
    desk.commit_with(&[], &[], &changes).expect("commit");
    let found: Vec<Sample> = page(reader.tables(), None, 100).expect("page");
    assert_eq!(found[0], changed);
    assert_eq!(found.len(), rows.len());
    assert!(found.contains(&Sample::of("gone", 2)) && !found.contains(&rows[1]));
    // Other questions, and what is not asked of a reader.
    let sum = "SELECT owner, count(*), max(number) FROM sample WHERE flag = $2 AND number < $1
               GROUP BY owner ORDER BY owner DESC LIMIT $3";
    let values = [Value::Int(7), Value::Int(1), Value::Int(1)];
    let most = reader.tables().query(sum, &values).expect("ask");
    assert_eq!(most, [[Value::Text("\u{1f39f}".into()), Value::Int(1), Value::Int(0)]]);
    assert!(reader.tables().execute("DELETE FROM sample", &[]).is_err(), "a reader only reads");
    assert!(reader.tables().query("SELECT owner FROM sample WHERE number = $1", &[]).is_err());
    assert_eq!(page::<Sample>(reader.tables(), None, 100).expect("page"), found);
}

/// The questions of the log.
pub(super) fn the_log_is_asked<D: Database>(desk: &mut Desk<D>) {
    let mut all: Vec<AuditLine> = (0..6).map(line).collect();
    for nth in [2, 4] {
        all[nth].event = Some(EventId(9));
    }
    (all[4].order_id, all[4].action) = (Some(OrderId(1 << 127)), Action::RefundRequested);
    let puts: Vec<_> = all.iter().map(RecordChange::put).collect();
    desk.commit_with(&[], &[], &puts).expect("commit");
    let mut reader = desk.database.reader();
    let mut ask = |filter: Filter| audit_log::last(reader.tables(), &filter).expect("the log");
    let every = Filter { limit: 100, ..Filter::default() };
    assert_eq!(ask(every), all);
    assert_eq!(ask(Filter { limit: 2, ..every }), all[4..]);
    assert_eq!(ask(Filter { from_ms: AT_MS + 5, ..every }), all[5..]);
    assert_eq!(ask(Filter { event: Some(EventId(9)), ..every }), [all[2].clone(), all[4].clone()]);
    let order = Some(OrderId(1 << 127));
    assert_eq!(ask(Filter { order, ..every }), all[4..5]);
    assert_eq!(ask(Filter { order, event: Some(EventId(9)), ..every }), all[4..5]);
    assert_eq!(ask(Filter { order, event: Some(EventId(8)), ..every }), []);
    assert_eq!(ask(Filter { order, from_ms: AT_MS + 5, ..every }), []);
    let mut exported = Vec::new();
    export(reader.tables(), AuditLine::table(), &mut |row| exported.push(row)).expect("export");
    assert_eq!(exported.len(), all.len());
    assert_eq!(exported[4]["order_id"], "80000000000000000000000000000000");
    assert_eq!(exported[4]["at_ms"], AT_MS + 4);
    assert_eq!(exported[0]["order_id"], serde_json::Value::Null);
    assert_eq!(exported[0]["detail"], all[0].detail);
}

/// A row that nobody of ours wrote is noticed, and is a fault where it is read.
pub(super) fn damage_is_noticed<D: Database>(desk: &mut Desk<D>) {
    desk.put_event(spec("flute", 5));
    let order = desk.paid("somebody", 1);
    assert_eq!(desk.model.orders[&order].state, OrderState::Paid);
    let records = [RecordChange::put(&line(1)), RecordChange::put(&line(2))];
    desk.commit_with(&[], &[], &records).expect("commit");
    let mut reader = desk.database.reader();
    assert_eq!(reader.verify().expect("verify"), Vec::<String>::new());
    for (column, odd) in [
        ("audit_log.actor", "UPDATE audit_log SET actor = 'nobody' WHERE id = $1"),
        ("audit_log.action", "UPDATE audit_log SET action = '' WHERE id = $1"),
        ("audit_log.order_id", "UPDATE audit_log SET order_id = substr(id, 1, 5) WHERE id = $1"),
    ] {
        let key = line(1).key();
        desk.commit_with(&[], &[], &[RecordChange::Run(odd, key.clone())]).expect("commit");
        let wrong = reader.verify().expect("verify");
        let expected = format!("audit_log {:032x} is damaged: {column}", line(1).id);
        assert_eq!(wrong, [expected]);
        let fault = get::<AuditLine>(reader.tables(), &key).expect_err("unreadable").to_string();
        assert!(fault.contains(column), "{fault}");
        desk.commit_with(&[], &[], &records).expect("put anew");
    }
    assert_eq!(reader.verify().expect("verify"), Vec::<String>::new());
}

/// The schema of a database that was migrated step by step is the one that is declared.
pub(super) fn schema_is_as_declared<D: Database>(desk: &mut Desk<D>) {
    let mut reader = desk.database.reader();
    let engine = desk.database.engine();
    for table in records::tables() {
        let columns = match engine {
            Engine::Sqlite => reader.tables().query(
                "SELECT name, type, 1 - \"notnull\", pk FROM pragma_table_info($1) ORDER BY cid",
                &[Value::Text(table.name.into())],
            ),
            Engine::Postgres => reader.tables().query(
                "SELECT c.column_name::text,
                        c.data_type::text || coalesce(' ' || c.collation_name, ''),
                        (c.is_nullable = 'YES')::int::bigint, coalesce(k.ordinal_position, 0)::bigint
                 FROM information_schema.columns c
                 LEFT JOIN information_schema.key_column_usage k
                      ON k.table_schema = c.table_schema AND k.table_name = c.table_name
                         AND k.column_name = c.column_name
                 WHERE c.table_schema = current_schema() AND c.table_name = $1::text
                 ORDER BY c.ordinal_position",
                &[Value::Text(table.name.into())],
            ),
        };
        let declared = table.columns.iter().enumerate().map(|(at, column)| {
            let mut of = column.kind.sql(engine).to_owned();
            if of == "text" {
                // By bytes, on every server.
                of += " C";
            }
            let key = if at < table.key { at as i64 + 1 } else { 0 };
            vec![
                Value::Text(column.name.into()),
                Value::Text(of),
                Value::Int(column.nullable.into()),
                Value::Int(key),
            ]
        });
        assert_eq!(
            columns.expect("the columns"),
            declared.collect::<Vec<_>>(),
            "{} in the migrations is not as it is declared:\n{}",
            table.name,
            table.create(engine)
        );
    }
}

/// The questions and the changes of the outbox.
pub(super) fn the_outbox_is_fair<D: Database>(desk: &mut Desk<D>) {
    let message = |id: u128, kind: &str, destination: &str, due_ms: i64| Message {
        id,
        kind: kind.into(),
        destination: destination.into(),
        subject: "a subject".into(),
        payload: "{}".into(),
        due_ms,
        tries: 0,
        last_error: None,
        state: MessageState::Queued,
        owner: 0,
    };
    let all = [
        message(1, "mail", "a", 10),
        message(2, "mail", "a", 10),
        message(3, "mail", "b", 20),
        message(4, "mail", "c", 5),
        message(5, "mail", "c", 30),
        message(6, "mail", "d", 31),
        message(7, "other", "a", 1),
    ];
    let puts: Vec<_> = all.iter().map(RecordChange::put).collect();
    desk.commit_with(&[], &[], &puts).expect("commit");
    let mut reader = desk.database.reader();
    let mut ids = |now, limit| -> Vec<u128> {
        let found = due(reader.tables(), "mail", now, limit).expect("the outbox");
        found.iter().map(|message| message.id).collect()
    };
    assert_eq!(ids(30, 9), [4, 1, 3], "the oldest of each destination, and nothing too early");
    assert_eq!(ids(30, 2), [4, 1]);
    assert_eq!(ids(4, 9), []);
    // Two want the same: the first has it, for as long as it said.
    let claims = [all[3].claim(-8, 100), all[3].claim(9, 200), all[0].claim(-8, 100)];
    desk.commit_with(&[], &[], &claims).expect("commit");
    assert_eq!(ids(30, 9), [2, 3, 5]);
    assert_eq!(ids(100, 9), [2, 3, 5, 6]);
    let mut reader = desk.database.reader();
    let taken = |reader: &mut dyn Reader, id: usize| -> Message {
        get(reader.tables(), &all[id].key()).expect("get").expect("there")
    };
    let (c, a) = (taken(&mut *reader, 3), taken(&mut *reader, 0));
    assert_eq!((c.owner, c.due_ms, a.owner, a.due_ms), (-8, 100, -8, 100));
    // What was taken by another meanwhile cannot be ended any more.
    let late = Message { owner: 9, ..c.clone() };
    let ends = [late.delivered(), a.put_off(50, MessageState::Queued, "away"), c.delivered()];
    desk.commit_with(&[], &[], &ends).expect("commit");
    assert_eq!(get::<Message>(reader.tables(), &c.key()).expect("get"), None);
    let a = taken(&mut *reader, 0);
    assert_eq!((a.tries, a.due_ms, a.last_error.as_deref()), (1, 50, Some("away")));
    let given_up = a.claim(1, 99);
    desk.commit_with(&[], &[], &[given_up]).expect("commit");
    let a = taken(&mut *reader, 0);
    let gives_up = a.put_off(a.due_ms, MessageState::GivenUp, "no such address");
    desk.commit_with(&[], &[], &[gives_up]).expect("commit");
    let found = due(reader.tables(), "mail", i64::MAX, 9).expect("the outbox");
    assert_eq!(found.iter().map(|m| m.id).collect::<Vec<_>>(), [2, 3, 5, 6]);
    assert_eq!(taken(&mut *reader, 0).state, MessageState::GivenUp);
}
