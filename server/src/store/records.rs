//! Cold tables: what is not on the way of a sale, such as the audit log and messages to be sent.
//!
//! A table is declared once, as its row type, with `record!`. From that declaration it gets, on every
//! engine: load, put, delete, page by key, transfer to another database, verification and export. A new
//! table is one declaration in this directory, its name in [`tables`], and a migration for each engine,
//! which a test compares with the declaration.
//!
//! - Writes are [`RecordChange`]s of a [`crate::store::Batch`]: they are committed with the changes that
//!   caused them, or not at all. A batch without them executes no statement more.
//! - Reads beyond load and page are one SQL text for all engines ([`Tables::query`]): parameters are
//!   `$1`, `$2` …, upserts `ON CONFLICT … DO UPDATE`, and what it gives is a column, `count(*)`, or
//!   another value of one of the [`Kind`]s.
//! - Nothing here is read when a command of a sale is decided. Commands of the door are decided by the rows of the
//!   tickets that they are about ([`door::load`]).
//!
//! Columns are whole numbers, texts and bytes only: times are in milliseconds, ids are 16 bytes, yes and
//! no are 1 and 0. Texts are compared by their bytes on every engine.

pub mod accounts;
pub mod api_keys;
pub mod audit_log;
pub mod cancellations;
pub mod door;
pub mod door_reads;
mod field;
pub mod gate_links;
pub mod mail_jobs;
mod memory;
pub mod order_search;
pub mod outbox_rows;
pub mod sale_figures;
#[cfg(test)]
pub(super) mod sample;
pub mod sessions;
pub mod shop;
pub mod ticket_keys;
pub mod webhooks;

pub use field::{Field, take};
pub use memory::MemoryTables;

use super::Fault;
use accounts::{Account, GrantRow, RecoveryCode};
use api_keys::ApiKey;
use audit_log::AuditLine;
use cancellations::Cancellation;
use door::{DoorRow, GateCountRow, ScanRow};
use gate_links::{DoorDevice, GateLink};
use mail_jobs::MailJob;
use order_search::{FoundBy, SearchProgress};
use outbox_rows::Message;
use sale_figures::{PaymentTry, SaleFigure};
use sessions::{OneTimeLink, Session};
use shop::{EventPicture, Picture, ShopRow, TermsAccepted, TermsRow};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use ticket_keys::TicketKey;
use webhooks::{HookTry, Webhook};

/// The tables that a database has.
pub fn tables() -> &'static [&'static Table] {
    static TABLES: OnceLock<Vec<&'static Table>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables =
            vec![AuditLine::table(), Message::table(), TicketKey::table(), MailJob::table()];
        // Who may use the office.
        tables.extend([Account::table(), GrantRow::table(), RecoveryCode::table()]);
        tables.extend([Session::table(), OneTimeLink::table(), ApiKey::table()]);
        // How a sale goes.
        tables.extend([SaleFigure::table(), PaymentTry::table()]);
        // What orders are found by.
        tables.extend([FoundBy::table(), SearchProgress::table()]);
        // What is shown of the shop and of events.
        tables.extend([ShopRow::table(), TermsRow::table(), TermsAccepted::table()]);
        tables.extend([Picture::table(), EventPicture::table(), Cancellation::table()]);
        // The door.
        tables.extend([DoorRow::table(), ScanRow::table(), GateCountRow::table()]);
        tables.extend([GateLink::table(), DoorDevice::table()]);
        // Programs of others that are told what happens.
        tables.extend([Webhook::table(), HookTry::table()]);
        tables
    })
}

/// Rows at a time where all of them are read.
pub(super) const PAGE: usize = 1_000;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A whole number with a sign, of 64 bits.
    Int,
    /// A text.
    Text,
    /// Bytes.
    Blob,
}

/// A value in a column. The order is that of the engines, among values of one kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Value {
    /// None.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// The values of a row, in the order of its table's columns.
pub type Row = Vec<Value>;

/// A column of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name, the same in the row type.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may hold nothing.
    pub nullable: bool,
}

/// A table as it was declared.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// How many of them, from the first, are its key.
    pub key: usize,
    /// Whether the row type can read a row. The error names the column.
    pub check: fn(Row) -> Result<(), String>,
    sql: OnceLock<Sql>,
}

/// The statements that follow from a declaration.
pub(super) struct Sql {
    /// All columns by key.
    pub(super) get: String,
    /// The first rows in the order of the key.
    pub(super) first: String,
    /// The rows that follow a key.
    pub(super) after: String,
    /// A row, new or changed.
    pub(super) put: String,
    /// No such row any more.
    pub(super) delete: String,
    /// For PostgreSQL: many rows, one array for each column.
    pub(super) put_many: String,
    /// For PostgreSQL: none of these rows any more, one array for each column of the key.
    pub(super) delete_many: String,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({})", self.name)
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Table) -> bool {
        self.name == other.name
    }
}

impl Eq for Table {}

/// Which dialect a declaration is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// SQLite, strict tables.
    Sqlite,
    /// PostgreSQL and what speaks its language.
    Postgres,
}

impl Kind {
    /// The type of its columns.
    pub fn sql(self, engine: Engine) -> &'static str {
        match (engine, self) {
            (Engine::Sqlite, Kind::Int) => "INTEGER",
            (Engine::Sqlite, Kind::Text) => "TEXT",
            (Engine::Sqlite, Kind::Blob) => "BLOB",
            (Engine::Postgres, Kind::Int) => "bigint",
            (Engine::Postgres, Kind::Text) => "text",
            (Engine::Postgres, Kind::Blob) => "bytea",
        }
    }
}

impl Table {
    /// For `record!`.
    pub const fn new(
        name: &'static str,
        columns: &'static [Column],
        key: usize,
        check: fn(Row) -> Result<(), String>,
    ) -> Table {
        assert!(key > 0 && key <= columns.len());
        Table { name, columns, key, check, sql: OnceLock::new() }
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|column| column.name)
    }

    /// The statement that makes the table, as its migration has it.
    pub fn create(&self, engine: Engine) -> String {
        let columns = self.columns.iter().map(|column| {
            let null = if column.nullable { "" } else { " NOT NULL" };
            let collate = match (engine, column.kind) {
                (Engine::Postgres, Kind::Text) => " COLLATE \"C\"",
                _ => "",
            };
            format!("    {} {}{collate}{null},\n", column.name, column.kind.sql(engine))
        });
        let key = self.names().take(self.key).collect::<Vec<_>>().join(", ");
        let end = match engine {
            Engine::Sqlite => ") STRICT, WITHOUT ROWID",
            Engine::Postgres => ")",
        };
        let columns: String = columns.collect();
        format!("CREATE TABLE {} (\n{columns}    PRIMARY KEY ({key})\n{end}", self.name)
    }

    /// All columns of some rows: of those that `rest` names, in its order.
    pub fn select(&self, rest: &str) -> String {
        let all = self.names().collect::<Vec<_>>().join(", ");
        format!("SELECT {all} FROM {} {rest}", self.name)
    }

    pub(super) fn sql(&self) -> &Sql {
        self.sql.get_or_init(|| {
            let name = self.name;
            let key: Vec<&str> = self.names().take(self.key).collect();
            let rest: Vec<&str> = self.names().skip(self.key).collect();
            let all = self.names().collect::<Vec<_>>().join(", ");
            let by = key.join(", ");
            let numbers = |n: usize| -> String {
                (1..=n).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ")
            };
            let is = |(i, column): (usize, &&str)| format!("{column} = ${}", i + 1);
            let is_key = key.iter().enumerate().map(is).collect::<Vec<_>>().join(" AND ");
            let set: Vec<String> = rest.iter().map(|c| format!("{c} = excluded.{c}")).collect();
            let conflict = match set.is_empty() {
                true => format!("ON CONFLICT ({by}) DO NOTHING"),
                false => format!("ON CONFLICT ({by}) DO UPDATE SET {}", set.join(", ")),
            };
            let arrays = |n: usize| -> String {
                let columns = self.columns[..n].iter().enumerate();
                let typed =
                    columns.map(|(i, c)| format!("${}::{}[]", i + 1, c.kind.sql(Engine::Postgres)));
                typed.collect::<Vec<_>>().join(", ")
            };
            let (n, k) = (self.columns.len(), self.key);
            let same: Vec<String> = key.iter().map(|c| format!("t.{c} = d.{c}")).collect();
            Sql {
                get: format!("SELECT {all} FROM {name} WHERE {is_key}"),
                first: format!("SELECT {all} FROM {name} ORDER BY {by} LIMIT $1"),
                after: format!(
                    "SELECT {all} FROM {name} WHERE ({by}) > ({}) ORDER BY {by} LIMIT ${}",
                    numbers(k),
                    k + 1
                ),
                put: format!("INSERT INTO {name} ({all}) VALUES ({}) {conflict}", numbers(n)),
                delete: format!("DELETE FROM {name} WHERE {is_key}"),
                put_many: format!(
                    "INSERT INTO {name} ({all}) SELECT * FROM unnest({}) {conflict}",
                    arrays(n)
                ),
                delete_many: format!(
                    "DELETE FROM {name} t USING unnest({}) AS d ({by}) WHERE {}",
                    arrays(k),
                    same.join(" AND ")
                ),
            }
        })
    }
}

/// The row type of a table. Made by `record!`.
pub trait Record: Sized {
    /// Its table.
    fn table() -> &'static Table;
    /// Its values.
    fn row(&self) -> Row;
    /// The same again. The error names the column that nobody of ours wrote.
    fn read(row: Row) -> Result<Self, String>;
    /// Its key.
    fn key(&self) -> Row {
        let mut row = self.row();
        row.truncate(Self::table().key);
        row
    }
}

/// Declares a table as a struct: the name of the table, how many of the first fields are its key, and its
/// fields, each of a type that is a [`Field`].
macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident: $table:literal, key $key:literal {
        $($(#[$about:meta])* pub $field:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name {
            $($(#[$about])* pub $field: $type,)*
        }

        impl $crate::store::records::Record for $name {
            fn table() -> &'static $crate::store::records::Table {
                use $crate::store::records::{Column, Field, Record, Table};
                static TABLE: Table = Table::new(
                    $table,
                    &[$(Column {
                        name: stringify!($field),
                        kind: <$type as Field>::KIND,
                        nullable: <$type as Field>::NULLABLE,
                    }),*],
                    $key,
                    |row| <$name as Record>::read(row).map(drop),
                );
                &TABLE
            }

            fn row(&self) -> $crate::store::records::Row {
                vec![$($crate::store::records::Field::value(&self.$field)),*]
            }

            fn read(row: $crate::store::records::Row) -> Result<Self, String> {
                let mut row = row.into_iter();
                Ok($name {
                    $($field: $crate::store::records::take(
                        &mut row,
                        concat!($table, ".", stringify!($field)),
                    )?),*
                })
            }
        }
    };
}
pub(crate) use record;

/// A change of a cold table, committed with the batch that it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordChange {
    /// A row is so from now on, new or changed.
    Put(&'static Table, Row),
    /// There is no row of this key any more.
    Delete(&'static Table, Row),
    /// A statement in the common language of the engines. How many rows it changes does not matter; what
    /// only one of several processes may do is guarded by its condition.
    Run(&'static str, Row),
}

impl RecordChange {
    /// A row is so from now on.
    pub fn put<R: Record>(record: &R) -> RecordChange {
        RecordChange::Put(R::table(), record.row())
    }

    /// There is no row of this key any more.
    pub fn delete<R: Record>(key: Row) -> RecordChange {
        assert_eq!(key.len(), R::table().key, "the key of {}", R::table().name);
        RecordChange::Delete(R::table(), key)
    }
}

/// The common language of the engines.
pub trait Tables {
    /// Reads rows. Sees what is committed; within a transaction also what was written in it.
    fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault>;
    /// Asks several questions, and gives the answers in their order. Where the database is on another machine they
    /// go there together.
    fn query_all(&mut self, asked: &[(&'static str, Vec<Value>)]) -> Result<Vec<Vec<Row>>, Fault> {
        asked.iter().map(|(sql, values)| self.query(sql, values)).collect()
    }
    /// Changes rows. Only within a transaction that writes: what reads for pages refuses it.
    fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<(), Fault>;
}

/// Writes changes one after the other.
pub(super) fn write(to: &mut dyn Tables, changes: &[RecordChange]) -> Result<(), Fault> {
    for change in changes {
        match change {
            RecordChange::Put(table, row) => to.execute(&table.sql().put, row)?,
            RecordChange::Delete(table, key) => to.execute(&table.sql().delete, key)?,
            RecordChange::Run(sql, values) => to.execute(sql, values)?,
        };
    }
    Ok(())
}

/// Some changes for an engine that writes many rows with one statement.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Many<'a> {
    /// These rows, no two of one key.
    Put(&'static Table, Vec<&'a Row>),
    /// None of these keys.
    Delete(&'static Table, Vec<&'a [Value]>),
    /// A statement.
    Run(&'static str, &'a Row),
}

/// Gathers changes by table: the last word on each row, in the order of their keys, so that two processes
/// with the same rows do not wait for each other. A statement sees what was changed before it.
pub(super) fn gather(changes: &[RecordChange]) -> Vec<Many<'_>> {
    type Last<'a> = BTreeMap<(&'static str, &'a [Value]), (&'static Table, Option<&'a Row>)>;
    fn flush<'a>(last: &mut Last<'a>, all: &mut Vec<Many<'a>>) {
        for ((_, key), (table, row)) in std::mem::take(last) {
            match (row, all.last_mut()) {
                (Some(row), Some(Many::Put(of, rows))) if *of == table => rows.push(row),
                (Some(row), _) => all.push(Many::Put(table, vec![row])),
                (None, Some(Many::Delete(of, keys))) if *of == table => keys.push(key),
                (None, _) => all.push(Many::Delete(table, vec![key])),
            }
        }
    }
    let (mut last, mut all): (Last<'_>, Vec<Many<'_>>) = (BTreeMap::new(), Vec::new());
    for change in changes {
        match change {
            RecordChange::Put(table, row) => {
                last.insert((table.name, &row[..table.key]), (table, Some(row)));
            }
            RecordChange::Delete(table, key) => _ = last.insert((table.name, key), (table, None)),
            RecordChange::Run(sql, values) => {
                flush(&mut last, &mut all);
                all.push(Many::Run(sql, values));
            }
        }
    }
    flush(&mut last, &mut all);
    all
}

/// Some rows as what they stand for.
pub fn read<R: Record>(rows: Vec<Row>) -> Result<Vec<R>, Fault> {
    let read = |row| R::read(row).map_err(|why| Fault::NotDone(format!("unreadable: {why}")));
    rows.into_iter().map(read).collect()
}

/// The row of this key.
pub fn get<R: Record>(from: &mut dyn Tables, key: &[Value]) -> Result<Option<R>, Fault> {
    Ok(read(from.query(&R::table().sql().get, key)?)?.pop())
}

/// The rows after this key, at most `limit` of them, in the order of their keys. There are no more if
/// there are fewer than `limit`.
pub fn page<R: Record>(
    from: &mut dyn Tables,
    after: Option<&[Value]>,
    limit: usize,
) -> Result<Vec<R>, Fault> {
    read(rows(from, R::table(), after, limit)?)
}

/// The same as values.
pub(super) fn rows(
    from: &mut dyn Tables,
    table: &'static Table,
    after: Option<&[Value]>,
    limit: usize,
) -> Result<Vec<Row>, Fault> {
    let limit = Value::Int(limit as i64);
    match after {
        None => from.query(&table.sql().first, &[limit]),
        Some(key) => from.query(&table.sql().after, &[key, &[limit]].concat()),
    }
}

/// Hands out every row of a table, in the order of its key, page by page.
pub(super) fn each_page(
    from: &mut dyn Tables,
    table: &'static Table,
    each: &mut dyn FnMut(Vec<Row>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut after: Option<Row> = None;
    loop {
        let found = rows(from, table, after.as_deref(), PAGE)?;
        let full = found.len() == PAGE;
        after = found.last().map(|row| row[..table.key].to_vec());
        each(found)?;
        if !full {
            return Ok(());
        }
    }
}

/// Reads every row of every table, and tells which nobody of ours wrote.
pub(super) fn verify(from: &mut dyn Tables, wrong: &mut Vec<String>) -> Result<(), Fault> {
    for table in tables() {
        each_page(from, table, &mut |rows| {
            for row in rows {
                let key: Vec<String> = row[..table.key].iter().map(Value::to_string).collect();
                if let Err(why) = (table.check)(row) {
                    wrong.push(format!("{} {} is damaged: {why}", table.name, key.join(", ")));
                }
            }
            Ok(())
        })?;
    }
    door::verify(from, wrong)
}

/// Hands out every row of a table as an object: bytes in hexadecimal digits, the rest as it is.
pub fn export(
    from: &mut dyn Tables,
    table: &'static Table,
    each: &mut dyn FnMut(serde_json::Map<String, serde_json::Value>),
) -> Result<(), Fault> {
    each_page(from, table, &mut |rows| {
        rows.into_iter().for_each(|row| each(object(table, row)));
        Ok(())
    })
}

/// A row as an object.
fn object(table: &Table, row: Row) -> serde_json::Map<String, serde_json::Value> {
    let named = table.names().zip(row).map(|(name, value)| {
        let value = match value {
            Value::Null => serde_json::Value::Null,
            Value::Int(n) => n.into(),
            text => text.to_string().into(),
        };
        (name.to_owned(), value)
    });
    named.collect()
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Text(text) => f.write_str(text),
            Value::Blob(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sample::Sample;
    use super::*;

    #[test]
    fn the_statements_follow_from_the_declaration() {
        let sql = Sample::table().sql();
        assert_eq!(
            [&sql.after, &sql.put, &sql.delete_many],
            [
                "SELECT owner, number, note, bytes, flag FROM sample WHERE (owner, number) > \
                 ($1, $2) ORDER BY owner, number LIMIT $3",
                "INSERT INTO sample (owner, number, note, bytes, flag) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (owner, number) DO UPDATE SET note = excluded.note, \
                 bytes = excluded.bytes, flag = excluded.flag",
                "DELETE FROM sample t USING unnest($1::text[], $2::bigint[]) AS d (owner, number) \
                 WHERE t.owner = d.owner AND t.number = d.number",
            ]
        );
    }

    #[test]
    fn the_last_word_on_a_row_counts_and_a_statement_sees_what_was_before_it() {
        let put = |owner, number| RecordChange::put(&Sample::of(owner, number));
        let delete =
            |owner, number| RecordChange::delete::<Sample>(Sample::of(owner, number).key());
        let run = RecordChange::Run("DELETE FROM sample", vec![]);
        let changes = [
            put("b", 1),
            delete("a", 2),
            put("a", 2),
            put("b", 1),
            delete("c", 3),
            run,
            put("b", 1),
        ];
        let (a, b) = (Sample::of("a", 2).row(), Sample::of("b", 1).row());
        let c = Sample::of("c", 3).key();
        let table = Sample::table();
        assert_eq!(
            gather(&changes),
            [
                Many::Put(table, vec![&a, &b]),
                Many::Delete(table, vec![&c]),
                Many::Run("DELETE FROM sample", &vec![]),
                Many::Put(table, vec![&b]),
            ]
        );
        assert!(gather(&[]).is_empty(), "nothing is nothing");
    }
}
