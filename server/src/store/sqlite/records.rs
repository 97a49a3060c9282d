//! The common language of the cold tables, as SQLite understands it.

use super::not_done;
use crate::store::Fault;
use crate::store::records::{self, RecordChange, Row, Tables, Value};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{CachedStatement, Connection, Error, ToSql};

/// More than there are different statements, of the sale and of all cold tables.
const STATEMENTS: usize = 256;

/// Has a connection plan each statement once.
pub(in crate::store) fn plan_once(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan does not depend on what is bound. Otherwise the cache, which forgets what was bound, would have each
    // statement planned anew at each use (<https://www.sqlite.org/queryplanner-ng.html>, section 4, the stability
    // guarantee).
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(*n),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn read(value: ValueRef<'_>, column: usize) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Int(n),
        ValueRef::Text(_) => Value::Text(value.as_str()?.into()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
        ValueRef::Real(_) => {
            return Err(Error::InvalidColumnType(column, "a number".into(), Type::Real));
        }
    })
}

/// A statement with its values. SQLite takes `$1` for a name and counts names as they appear, so each
/// value is bound by its name. In most statements they appear in order, and nothing need be looked up.
fn bound<'c>(
    conn: &'c Connection,
    sql: &str,
    values: &[Value],
) -> rusqlite::Result<CachedStatement<'c>> {
    let mut statement = conn.prepare_cached(sql)?;
    for (value, number) in values.iter().zip(1..) {
        let here = statement.parameter_name(number).and_then(|name| name.strip_prefix('$'));
        let index = if here.is_some_and(|digits| digits.parse() == Ok(number)) {
            number
        } else {
            let name = format!("${number}");
            statement.parameter_index(&name)?.ok_or(Error::InvalidParameterName(name))?
        };
        statement.raw_bind_parameter(index, value)?;
    }
    if statement.parameter_count() != values.len() {
        return Err(Error::InvalidParameterCount(values.len(), statement.parameter_count()));
    }
    Ok(statement)
}

/// Reads rows.
pub(in crate::store) fn query(
    conn: &Connection,
    sql: &str,
    values: &[Value],
) -> rusqlite::Result<Vec<Row>> {
    let mut statement = bound(conn, sql, values)?;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(of) = rows.next()? {
        found.push(row(of)?);
    }
    Ok(found)
}

/// All values of a row.
pub(super) fn row(of: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    (0..of.as_ref().column_count()).map(|i| read(of.get_ref(i)?, i)).collect()
}

/// Changes rows.
pub(in crate::store) fn execute(
    conn: &Connection,
    sql: &str,
    values: &[Value],
) -> rusqlite::Result<()> {
    bound(conn, sql, values)?.raw_execute().map(drop)
}

/// A connection, within a transaction that somebody else begins and ends.
pub(super) struct Within<'c>(pub(super) &'c Connection);

impl Tables for Within<'_> {
    fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        query(self.0, sql, values).map_err(not_done)
    }

    fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<(), Fault> {
        execute(self.0, sql, values).map_err(refused)
    }
}

/// Writes changes within a transaction that somebody else begins and ends; nothing for none.
pub(super) fn write(conn: &Connection, changes: &[RecordChange]) -> Result<(), Fault> {
    records::write(&mut Within(conn), changes)
}

/// The fault of a write. The text names the constraint.
fn refused(error: Error) -> Fault {
    super::write::Trouble::Sql(error).into()
}
