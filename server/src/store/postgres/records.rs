//! The common language of the cold tables, as PostgreSQL understands it.

use super::link::{Ask, Link, Trouble, ask};
use super::rows::unreadable;
use super::write::text;
use crate::store::Fault;
use crate::store::records::{Many, RecordChange, Row, Tables, Value, gather};
use bytes::BytesMut;
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

impl ToSql for Value {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(n) if *of == Type::INT8 => n.to_sql(of, out),
            // Of a table that is older than this layer.
            Value::Int(n @ 0..=1) if *of == Type::BOOL => (*n == 1).to_sql(of, out),
            Value::Text(said) if *of == Type::TEXT => text(said).to_sql(of, out),
            Value::Blob(bytes) if *of == Type::BYTEA => bytes.as_slice().to_sql(of, out),
            other => Err(format!("{other:?} is no {of}").into()),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA, Type::BOOL].contains(of)
    }

    to_sql_checked!();
}

/// All values of a row.
pub(super) fn read(row: &tokio_postgres::Row) -> Result<Row, Trouble> {
    let value = |(at, column): (usize, &tokio_postgres::Column)| {
        let value = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(Value::Int),
            // A number that stands in a statement.
            Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(|n| Value::Int(n.into())),
            Type::BOOL => row.try_get::<_, Option<bool>>(at)?.map(|yes| Value::Int(yes.into())),
            Type::TEXT => row.try_get::<_, Option<String>>(at)?.map(Value::Text),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map(Value::Blob),
            _ => return Err(unreadable(column.name())),
        };
        Ok(value.unwrap_or(Value::Null))
    };
    row.columns().iter().enumerate().map(value).collect()
}

pub(super) fn read_all(rows: &[tokio_postgres::Row]) -> Result<Vec<Row>, Trouble> {
    rows.iter().map(read).collect()
}

/// A statement of the common language.
pub(super) fn statement(sql: &'static str, values: &[Value]) -> Ask<'static> {
    let values = values.iter().cloned().map(|value| Box::new(value) as Box<dyn ToSql + Sync>);
    Ask { sql, values: values.collect() }
}

/// One array for each of the first `columns` columns of some rows.
fn arrays<'a>(sql: &'static str, rows: &[&'a [Value]], columns: usize) -> Ask<'a> {
    let column = |at: usize| -> Box<dyn ToSql + Sync + 'a> {
        Box::new(rows.iter().map(|row| &row[at]).collect::<Vec<&'a Value>>())
    };
    Ask { sql, values: (0..columns).map(column).collect() }
}

/// The statements that write some changes: none for none, one for each table and kind.
pub(super) fn statements(changes: &[RecordChange]) -> Vec<Ask<'_>> {
    let statement = |many| match many {
        Many::Put(table, rows) => {
            let rows: Vec<&[Value]> = rows.into_iter().map(Vec::as_slice).collect();
            arrays(&table.sql().put_many, &rows, table.columns.len())
        }
        Many::Delete(table, keys) => arrays(&table.sql().delete_many, &keys, table.key),
        Many::Run(sql, values) => statement(sql, values),
    };
    gather(changes).into_iter().map(statement).collect()
}

/// A connection, within a transaction that somebody else begins and ends.
pub(super) struct Within<'l> {
    link: &'l mut Link,
    /// What went wrong last.
    pub(super) trouble: Option<Trouble>,
}

impl<'l> Within<'l> {
    pub(super) fn new(link: &'l mut Link) -> Within<'l> {
        Within { link, trouble: None }
    }

    fn ask(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Row>>, Fault> {
        let answers = self.link.ask(asks).and_then(|answers| {
            answers.iter().map(|rows| read_all(rows)).collect::<Result<Vec<_>, Trouble>>()
        });
        answers.map_err(|trouble| {
            let fault = Fault::NotDone(trouble.to_string());
            self.trouble = Some(trouble);
            fault
        })
    }
}

impl Tables for Within<'_> {
    fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        Ok(self.ask(&[statement(sql, values)])?.remove(0))
    }

    fn query_all(&mut self, asked: &[(&'static str, Vec<Value>)]) -> Result<Vec<Vec<Row>>, Fault> {
        let asks: Vec<Ask<'_>> = asked.iter().map(|(sql, values)| statement(sql, values)).collect();
        self.ask(&asks)
    }

    fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<(), Fault> {
        self.ask(&[statement(sql, values)]).map(drop)
    }
}

/// Writes changes within a transaction that somebody else begins and ends.
pub(super) fn write(link: &mut Link, changes: &[RecordChange]) -> Result<(), Trouble> {
    link.ask(&statements(changes)).map(drop)
}

/// Everything that a transaction of its own reads.
pub(super) fn ask_alone(
    link: &mut Link,
    sql: &'static str,
    values: &[Value],
) -> Result<Vec<Row>, Trouble> {
    let begin = ask!("BEGIN TRANSACTION READ ONLY");
    let answers = link.ask(&[begin, statement(sql, values), ask!("COMMIT")])?;
    read_all(&answers[1])
}
