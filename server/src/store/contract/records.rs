//! What every store must keep of the cold tables.

use super::{Database, Desk, spec};
use crate::actor::Actor;
use crate::store::records::audit_log::{self, Action, AuditLine, Filter, audit_id};
use crate::store::records::mail_jobs::MailJob;
use crate::store::records::outbox_rows::{
    Ended, Message, MessageState, due, erase, of_no_order, of_order, of_subject, redirect, tidy,
    troubled, waiting,
};
use crate::store::records::sale_figures::{self, Gathered, SPAN_MS, Sums};
use crate::store::records::sample::Sample;
use crate::store::records::webhooks::{self, HookKind, HookKinds, HookTry, Webhook};
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

/// What the pages and the audit ask of the figures.
pub(super) fn figures_are_summed<D: Database>(desk: &mut Desk<D>) {
    let event = EventId(7);
    let sums = |sold| Sums { sold, taken_minor: 500 * sold, ..Sums::default() };
    let mut gathered = Gathered::default();
    let mut records = Vec::new();
    for (at_ms, sold) in [(AT_MS, 2), (AT_MS + SPAN_MS, 3), (AT_MS + 2 * SPAN_MS, -1)] {
        let gbp = boxoffice::Currency::parse("GBP").expect("a currency");
        gathered.add((event, at_ms, gbp), &[(0, sums(sold))].into(), 1);
        for (outcome, number) in [("", 4), ("declined", 1)] {
            records.push(sale_figures::add_try(event, at_ms, outcome.to_owned(), number));
        }
    }
    gathered.write(&mut records);
    desk.commit_with(&[], &[], &records).expect("commit");
    let mut reader = desk.database.reader();
    let totals = sale_figures::totals(reader.tables()).expect("totals");
    let told: Vec<_> = totals.iter().map(|row| (row.event, row.sold, row.taken_minor)).collect();
    assert_eq!(told, [(event, 4, 2_000)]);
    let spans =
        sale_figures::by_span(reader.tables(), event, SPAN_MS, AT_MS + SPAN_MS).expect("spans");
    assert_eq!(spans.iter().map(|row| row.sold).collect::<Vec<_>>(), [3, -1]);
    let tries = sale_figures::tries(reader.tables(), event, AT_MS).expect("tries");
    let told: Vec<_> = tries.iter().map(|row| (row.outcome.as_str(), row.number)).collect();
    assert_eq!(told, [("", 12), ("declined", 3)]);
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

/// A mail about an order, in class 1 if it is no ticket.
fn mail(id: u128, subject: &str, destination: &str, order: u128, due_ms: i64) -> Message {
    Message {
        id,
        kind: "mail".into(),
        lane: u32::from(subject != "tickets"),
        destination: destination.into(),
        subject: subject.into(),
        payload: "{}".into(),
        order_id: (order > 0).then_some(OrderId(order)),
        event: (order > 0).then_some(EventId(7)),
        made_ms: due_ms,
        due_ms,
        tried_ms: None,
        tries: 0,
        unanswered: 0,
        last_error: None,
        state: MessageState::Queued,
        ended_ms: None,
        owner: 0,
    }
}

fn there(reader: &mut dyn Reader, message: &Message) -> Message {
    get(reader.tables(), &message.key()).expect("get").expect("there")
}

fn ending(state: MessageState, due_ms: i64, why: &str) -> Ended {
    let (in_vain, unanswered) = (state == MessageState::Queued, state == MessageState::Unanswered);
    Ended { state, due_ms, in_vain, unanswered, why: Some(why.into()), erase: false }
}

/// The questions and the changes of the outbox.
pub(super) fn the_outbox_is_asked<D: Database>(desk: &mut Desk<D>) {
    let all = [
        mail(1, "moved", "a", 1, 10),
        mail(2, "tickets", "a", 1, 10),
        mail(3, "tickets", "b", 2, 20),
        mail(4, "moved", "c", 3, 5),
        mail(5, "tickets", "c", 3, 30),
        mail(6, "tickets", "d", 4, 31),
        Message { kind: "other".into(), ..mail(7, "tickets", "a", 5, 1) },
    ];
    let puts: Vec<_> = all.iter().map(RecordChange::put).collect();
    desk.commit_with(&[], &[], &puts).expect("commit");
    let mut reader = desk.database.reader();
    let mut ids = |now, limit| -> Vec<u128> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let some = due(reader.tables(), "mail", now, after, limit).expect("the outbox");
            after = some.last().map(Message::place);
            let full = some.len() == limit;
            found.extend(some.iter().map(|message| message.id));
            if !full {
                return found;
            }
        }
    };
    for limit in [1, 2, 3, 9] {
        assert_eq!(ids(30, limit), [2, 3, 5, 4, 1], "the class, then the time, by {limit}");
        assert_eq!(ids(4, limit), []);
    }
    // Two want the same: the first has it, for as long as it said.
    let claims = [all[3].claim(-8, 100), all[3].claim(9, 200), all[1].claim(-8, 100)];
    desk.commit_with(&[], &[], &claims).expect("commit");
    assert_eq!(ids(30, 9), [3, 5, 1]);
    assert_eq!(ids(100, 9), [3, 5, 6, 2, 1, 4]);
    let mut reader = desk.database.reader();
    let (c, a) = (there(&mut *reader, &all[3]), there(&mut *reader, &all[1]));
    assert_eq!((c.owner, c.due_ms, a.owner, a.due_ms), (-8, 100, -8, 100));
    // What was taken by another meanwhile cannot be ended any more.
    let late = Message { owner: 9, ..c.clone() };
    let ends = [late.remove(), a.end(44, ending(MessageState::Queued, 50, "away")), c.remove()];
    desk.commit_with(&[], &[], &ends).expect("commit");
    assert_eq!(get::<Message>(reader.tables(), &c.key()).expect("get"), None);
    let a = there(&mut *reader, &a);
    assert_eq!((a.tries, a.due_ms, a.tried_ms, a.ended_ms), (1, 50, Some(44), None));
    assert_eq!(a.last_error.as_deref(), Some("away"));
    desk.commit_with(&[], &[], &[a.claim(1, 99)]).expect("commit");
    let a = there(&mut *reader, &a);
    let refused = a.end(77, ending(MessageState::Refused, 0, "no such address"));
    desk.commit_with(&[], &[], &[refused]).expect("commit");
    let found = due(reader.tables(), "mail", i64::MAX, None, 9).expect("the outbox");
    assert_eq!(found.iter().map(|m| m.id).collect::<Vec<_>>(), [3, 5, 6, 1]);
    let a = there(&mut *reader, &a);
    assert_eq!((a.state, a.due_ms, a.tried_ms), (MessageState::Refused, 99, Some(44)));
    assert_eq!((a.ended_ms, &*a.destination), (Some(77), "a"));
    // It ended, and cannot be changed by who still believes to have it.
    desk.commit_with(&[], &[], &[a.claim(3, 500), a.remove()]).expect("commit");
    assert_eq!(there(&mut *reader, &a), a);
    assert_eq!(waiting(reader.tables(), "mail").expect("count"), (4, Some(10)));
    assert_eq!(waiting(reader.tables(), "none").expect("count"), (0, None));
    let of = of_order(reader.tables(), "mail", OrderId(1), 9).expect("of an order");
    assert_eq!(of.iter().map(|m| m.id).collect::<Vec<_>>(), [2, 1]);
    let of = of_subject(reader.tables(), "mail", OrderId(1), "moved", 9).expect("of a subject");
    assert_eq!(of.iter().map(|m| m.id).collect::<Vec<_>>(), [1]);
    assert_eq!(troubled(reader.tables(), "mail", EventId(7), 9).expect("trouble"), [a]);
    assert_eq!(troubled(reader.tables(), "mail", EventId(8), 9).expect("trouble"), []);
    // A message is added once.
    let again = [mail(3, "moved", "z", 2, 99).add(), mail(8, "moved", "e", 2, 99).add()];
    desk.commit_with(&[], &[], &again).expect("commit");
    assert_eq!(there(&mut *reader, &all[2]), all[2]);
    assert_eq!(there(&mut *reader, &mail(8, "", "", 2, 0)).destination, "e");
}

/// Who is erased is in no message, and who has another address gets what waits.
pub(super) fn the_outbox_forgets<D: Database>(desk: &mut Desk<D>) {
    let sent = Message {
        state: MessageState::Delivered,
        ended_ms: Some(3),
        ..mail(1, "tickets", "old", 1, 1)
    };
    let all = [
        sent.clone(),
        Message { owner: 5, due_ms: 900, tries: 2, ..mail(2, "refunded", "old", 1, 1) },
        mail(3, "again", "old", 1, 1),
        mail(4, "address_changed", "older", 1, 1),
        mail(5, "tickets", "old", 2, 1),
        mail(6, "lost", "old", 0, 1),
        Message {
            state: MessageState::Needless,
            ended_ms: Some(5),
            ..mail(7, "lost", "new", 0, 1)
        },
    ];
    let puts: Vec<_> = all.iter().map(RecordChange::put).collect();
    desk.commit_with(&[], &[], &puts).expect("commit");
    let stops = ["tickets", "again"];
    let moved = redirect("mail", OrderId(1), "new", &stops, "address_changed", 50);
    desk.commit_with(&[], &[], &moved).expect("commit");
    let mut reader = desk.database.reader();
    let mut now = |nth: usize| {
        let m = there(&mut *reader, &all[nth]);
        (m.destination, m.state, m.due_ms, m.owner, m.ended_ms)
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(now(0), (text(""), MessageState::Delivered, 1, 0, Some(3)));
    assert_eq!(now(1), (text("new"), MessageState::Queued, 50, 0, None));
    assert_eq!(now(2), (text(""), MessageState::Needless, 1, 0, Some(50)));
    assert_eq!(now(3), (text("older"), MessageState::Queued, 1, 0, None));
    assert_eq!(now(4), (text("old"), MessageState::Queued, 1, 0, None));
    assert_eq!(now(5), (text("old"), MessageState::Queued, 1, 0, None));
    // Who had taken it has it no more.
    let late = all[1].end(60, ending(MessageState::Delivered, 0, ""));
    desk.commit_with(&[], &[], &[late]).expect("commit");
    assert_eq!(now(1).1, MessageState::Queued);
    let mut gone = erase(OrderId(1), "new", 70);
    gone.extend(erase(OrderId(2), "old", 70));
    desk.commit_with(&[], &[], &gone).expect("commit");
    assert_eq!(now(1), (text(""), MessageState::Needless, 50, 0, Some(70)));
    assert_eq!(now(3), (text(""), MessageState::Needless, 1, 0, Some(70)));
    assert_eq!(now(4), (text(""), MessageState::Needless, 1, 0, Some(70)));
    let left: Vec<Message> = page(desk.database.reader().tables(), None, 99).expect("all");
    assert!(left.iter().all(|m| m.destination.is_empty() && m.last_error.is_none()), "{left:?}");
    assert_eq!(left.len(), 5, "what is about no order is gone");
    // What is about no order is kept for a while.
    let lost =
        Message { state: MessageState::Delivered, ended_ms: Some(5), ..mail(8, "lost", "x", 0, 1) };
    let puts = [RecordChange::put(&lost), RecordChange::put(&mail(9, "lost", "x", 0, 1))];
    desk.commit_with(&[], &[], &puts).expect("commit");
    desk.commit_with(&[], &[], &[tidy("mail", 5)]).expect("commit");
    let mut reader = desk.database.reader();
    let mut of = || {
        let found = of_no_order(reader.tables(), "mail", "x", 9).expect("of an address");
        found.iter().map(|m| m.id).collect::<Vec<_>>()
    };
    assert_eq!(of(), [9, 8]);
    desk.commit_with(&[], &[], &[tidy("mail", 6)]).expect("commit");
    assert_eq!(of(), [9]);
}

/// A job goes on where it stands, once.
pub(super) fn a_mail_job_goes_on<D: Database>(desk: &mut Desk<D>) {
    let job = MailJob {
        id: 9,
        at_ms: AT_MS,
        event: EventId(u64::MAX),
        letter: "\"lost\"".into(),
        done: OrderId(0),
    };
    desk.commit_with(&[], &[], &[RecordChange::put(&job)]).expect("commit");
    // Two processes have made the same page; the second has gone on from where the job does not stand any more.
    let steps = [job.go_on(OrderId(5)), job.go_on(OrderId(4))];
    desk.commit_with(&[], &[], &steps).expect("commit");
    let mut reader = desk.database.reader();
    let now: MailJob = get(reader.tables(), &job.key()).expect("get").expect("there");
    assert_eq!(now, MailJob { done: OrderId(5), ..job.clone() });
    desk.commit_with(&[], &[], &[now.end()]).expect("commit");
    assert_eq!(get::<MailJob>(reader.tables(), &job.key()).expect("get"), None);
}

/// What webhooks are asked and told.
pub(super) fn webhooks_are_kept<D: Database>(desk: &mut Desk<D>) {
    let hook = |id: u128| Webhook {
        id,
        address: format!("https://receiver{id}.example/"),
        kinds: HookKinds::some(vec![HookKind::OrderPaid]),
        event: Some(EventId(u64::MAX)),
        is_on: true,
        off_because: None,
        failing_ms: None,
        secret: 0,
        old_until_ms: None,
        made_by: Actor::System,
        made_ms: AT_MS,
    };
    let (one, other) = (hook(1), hook(u128::MAX));
    let owed = |place: usize, nth: usize, to: &Webhook| {
        let id = webhooks::message_id(AT_MS + nth as i64, (-7, 1 << 40), place, nth);
        webhooks::message(id, to.id, "order.paid", "{}".into(), None, AT_MS + nth as i64)
    };
    let messages: Vec<Message> = (0..5).map(|nth| owed(0, nth, &one)).collect();
    let to_other = owed(1, 0, &other);
    let mut puts = vec![RecordChange::put(&one), RecordChange::put(&other)];
    puts.extend(messages.iter().chain([&to_other]).map(RecordChange::put));
    desk.commit_with(&[], &[], &puts).expect("commit");
    let mut reader = desk.database.reader();
    assert_eq!(webhooks::all(reader.tables()).expect("all"), [one.clone(), other.clone()]);
    let to = webhooks::destination(one.id);
    let due = |reader: &mut dyn Reader, now, limit| {
        webhooks::due_of(reader.tables(), &to, now, false, limit).expect("due")
    };
    let latest = webhooks::due_of(reader.tables(), &to, AT_MS + 3, true, 2).expect("due");
    assert_eq!(latest, [messages[3].clone(), messages[2].clone()]);
    assert_eq!(webhooks::all_waiting(reader.tables()).expect("waiting"), 6);
    assert_eq!(due(&mut *reader, AT_MS + 10, 3), messages[..3]);
    assert_eq!(due(&mut *reader, AT_MS + 1, 10), messages[..2]);
    // One is taken and delivered, with how it went.
    let taken = Message { owner: 3, due_ms: AT_MS + 100, ..messages[0].clone() };
    let claim = messages[0].claim(3, AT_MS + 100);
    let delivered = Ended {
        state: MessageState::Delivered,
        due_ms: 0,
        in_vain: false,
        unanswered: false,
        why: None,
        erase: false,
    };
    let tried = HookTry {
        message: taken.id,
        webhook: one.id,
        at_ms: AT_MS,
        took_ms: 12,
        status: Some(204),
        answer: "\u{1f39f}".into(),
    };
    let end = [claim, taken.end(AT_MS + 50, delivered), RecordChange::put(&tried)];
    desk.commit_with(&[], &[], &end).expect("commit");
    let mut reader = desk.database.reader();
    assert_eq!(due(&mut *reader, AT_MS + 1_000, 10), messages[1..]);
    let last = |reader: &mut dyn Reader, before, limit| {
        webhooks::last_of(reader.tables(), one.id, before, limit).expect("the last")
    };
    let found = last(&mut *reader, None, 10);
    assert_eq!(found.iter().map(|t| t.message.id).collect::<Vec<_>>(), {
        let mut ids: Vec<u128> = messages.iter().map(|m| m.id).collect();
        ids.reverse();
        ids
    });
    assert_eq!((found[0].last.as_ref(), found[4].last.as_ref()), (None, Some(&tried)));
    assert_eq!(last(&mut *reader, Some(messages[2].id), 1)[0].message.id, messages[1].id);
    assert_eq!(last(&mut *reader, Some(messages[0].id), 10), []);
    // Again, under its own id.
    desk.commit_with(&[], &[], &[webhooks::again(taken.id, AT_MS + 60)]).expect("commit");
    let mut reader = desk.database.reader();
    let again = &last(&mut *reader, None, 10)[4].message;
    assert_eq!((again.state, again.due_ms, again.tries), (MessageState::Queued, AT_MS + 60, 0));
    // It fails, works again, and is switched off only while it fails for long enough, at the address that failed.
    let now = |desk: &mut Desk<D>, changes: &[RecordChange]| {
        desk.commit_with(&[], &[], changes).expect("commit");
        let mut reader = desk.database.reader();
        webhooks::all(reader.tables()).expect("all").remove(0)
    };
    let tells = |nth: usize| {
        let mail = Message { id: 77 + nth as u128, kind: "mail".into(), ..messages[0].clone() };
        (line(70 + nth), mail)
    };
    let off = |nth: usize, hook: &Webhook, before_ms| {
        let (line, mail) = tells(nth);
        webhooks::off(hook, "why", before_ms, &line, &[mail])
    };
    let told = |desk: &mut Desk<D>| {
        let mut reader = desk.database.reader();
        let mails = (0..9).filter(|nth| {
            let found: Option<Message> = get(reader.tables(), &tells(*nth).1.key()).expect("get");
            found.is_some()
        });
        let mails: Vec<usize> = mails.collect();
        let lines = (0..9).filter(|nth| {
            let found: Option<AuditLine> = get(reader.tables(), &tells(*nth).0.key()).expect("get");
            found.is_some()
        });
        assert_eq!(lines.collect::<Vec<_>>(), mails);
        mails
    };
    assert_eq!(now(desk, &off(0, &one, AT_MS)), one);
    let moved = Webhook { address: "https://elsewhere.example/".into(), ..one.clone() };
    assert_eq!(now(desk, &[webhooks::failing(&moved, AT_MS)]), one);
    let fails = now(desk, &[webhooks::failing(&one, AT_MS), webhooks::failing(&one, AT_MS + 9)]);
    assert_eq!(fails.failing_ms, Some(AT_MS));
    assert!(now(desk, &off(1, &one, AT_MS - 1)).is_on);
    assert!(now(desk, &off(2, &moved, AT_MS)).is_on);
    assert_eq!(now(desk, &[webhooks::works(&moved)]), fails);
    assert_eq!(now(desk, &[webhooks::works(&one)]), one);
    assert_eq!(told(desk), [0; 0]);
    let twice = [vec![webhooks::failing(&one, AT_MS)], off(3, &one, AT_MS), off(4, &one, AT_MS)];
    let is_off = now(desk, &twice.concat());
    assert_eq!((is_off.is_on, is_off.off_because.as_deref()), (false, Some("why")));
    assert_eq!(told(desk), [3], "it is told once, and only if it is switched off");
    // A new secret, once, whatever else is changed at that moment.
    let until = |ms| Some(AT_MS + ms);
    let renewed = [webhooks::renewed(&one, until(5)), webhooks::renewed(&one, until(6))];
    let secret = now(desk, &renewed);
    assert_eq!((secret.secret, secret.old_until_ms), (1, Some(AT_MS + 5)));
    let ended = now(desk, &[webhooks::renewed(&secret, None)]);
    assert_eq!((ended.secret, ended.old_until_ms), (2, None));
    // Each setting by itself.
    let set = [
        webhooks::address_changed(1, &moved.address),
        webhooks::kinds_changed(1, &HookKinds::EVERY),
        webhooks::event_changed(1, None),
    ];
    let mut expected = Webhook {
        address: moved.address.clone(),
        kinds: HookKinds::EVERY,
        event: None,
        failing_ms: None,
        ..ended
    };
    assert_eq!(now(desk, &set), expected);
    (expected.is_on, expected.off_because) = (true, None);
    assert_eq!(
        now(desk, &[webhooks::failing(&moved, AT_MS), webhooks::switched(1, true)]),
        expected
    );
    expected.failing_ms = Some(AT_MS);
    let again = [webhooks::failing(&moved, AT_MS), webhooks::switched(1, true)];
    assert_eq!(now(desk, &again), expected, "it was on");
    expected.is_on = false;
    assert_eq!(now(desk, &[webhooks::switched(1, false)]), expected);
    // Old messages go, and a webhook with all that was for it.
    let sweep = |desk: &mut Desk<D>, before_ms| loop {
        let mut reader = desk.database.reader();
        let next = webhooks::portion(reader.tables(), before_ms).expect("a portion");
        if next.is_empty() {
            return;
        }
        desk.commit_with(&[], &[], &next).expect("commit");
    };
    sweep(desk, AT_MS + 2);
    let mut reader = desk.database.reader();
    assert_eq!(last(&mut *reader, None, 10).len(), 3);
    assert_eq!(page::<HookTry>(reader.tables(), None, 10).expect("page"), []);
    let removed = RecordChange::delete::<Webhook>(one.key());
    desk.commit_with(&[], &[], &[removed, RecordChange::put(&tried)]).expect("commit");
    sweep(desk, AT_MS - 1);
    let mut reader = desk.database.reader();
    assert_eq!(webhooks::all(reader.tables()).expect("all"), [other]);
    assert_eq!(last(&mut *reader, None, 10), []);
}
