//! The cold tables in memory, for a database that is simulated. The same SQL runs here as elsewhere.

use super::{Engine, RecordChange, Row, Tables, Value, tables, write};
use crate::store::Fault;
use crate::store::sqlite::{execute, plan_once, query};
use rusqlite::Connection;

/// The cold tables, empty at first. The same statements give the same rows.
pub struct MemoryTables(Connection);

impl MemoryTables {
    /// Empty tables.
    pub fn new() -> Result<MemoryTables, Fault> {
        let made = Connection::open_in_memory().and_then(|conn| {
            plan_once(&conn)?;
            tables()
                .iter()
                .try_for_each(|table| conn.execute_batch(&table.create(Engine::Sqlite)))?;
            Ok(conn)
        });
        made.map(MemoryTables).map_err(|error| Fault::NotDone(error.to_string()))
    }

    /// Writes all of these changes or, with an error, none of them.
    pub fn commit(&mut self, changes: &[RecordChange]) -> Result<(), Fault> {
        self.execute("BEGIN", &[])?;
        let done = write(self, changes);
        self.execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }, &[])?;
        done
    }
}

impl Tables for MemoryTables {
    fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        query(&self.0, sql, values).map_err(|error| Fault::NotDone(error.to_string()))
    }

    fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<(), Fault> {
        execute(&self.0, sql, values).map_err(|error| Fault::NotDone(error.to_string()))
    }
}
