//! A database of an older version opens, also while processes of that version still write.

use super::*;
use crate::store::postgres::schema::MIGRATIONS;
use boxoffice::{CodeRule, EventId};

/// As version 1 issues a ticket.
const ISSUE: &str = "INSERT INTO tickets (event, serial, order_id, line, state) VALUES
    (7, {serial}, '01a2225e-0000-7000-8000-000000000001', 0, 0)";

#[test]
fn tickets_of_version_1_keep_their_codes() {
    let Some(server) = Postgres::shared() else { return };
    let name = server.database();
    let sql = |sql: &str| server.sql(&name, sql);
    sql(MIGRATIONS[0]);
    let secret = "0".repeat(64);
    sql(&format!(
        "INSERT INTO meta VALUES ('application', 'nts1'), ('schema', '1'), ('secret', '{secret}');
         INSERT INTO orders VALUES (7, '01a2225e-0000-7000-8000-000000000001', 4, '', 'Ann', '',
             '01a2225e-0000-7000-8000-000000000002', 'GBP', 0, 0, NULL, 0, NULL, 1, 2, 0, 0)"
    ));
    sql(&ISSUE.replace("{serial}", "1"));
    let target = target(server, &name, "");
    let opened = PgStore::open(&target, Clock::System).unwrap();
    assert!(!opened.fresh);
    assert_eq!(sql("SELECT value FROM meta WHERE key = 'schema'"), MIGRATIONS.len().to_string());
    // A process of the old version goes on, and tells its buyers the codes of the old rule.
    sql(&ISSUE.replace("{serial}", "2"));
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    let tickets = reader.tickets(EventId(7), 0, 9).unwrap();
    let rules: Vec<_> = tickets.iter().map(|t| (t.ticket.serial, t.ticket.code_rule)).collect();
    assert_eq!(rules, [(1, CodeRule::Serial), (2, CodeRule::Serial)]);
}

/// What a later version may write into this schema: more about each line.
#[test]
fn lines_of_a_newer_version_are_an_error_that_says_so() {
    let Some(server) = Postgres::shared() else { return };
    let name = server.database();
    let target = target(server, &name, "");
    PgStore::open(&target, Clock::System).unwrap();
    let order = "01a2225e-0000-7000-8000-000000000001";
    let insert = |lines: &str| {
        format!(
            "INSERT INTO orders (event, id, state, lines, name, email, buyer_key, currency, placed_ms,
                                 until_ms, tries, keeper, kept_until_ms)
             VALUES (7, '{order}', 7, '{lines}', 'Ann', '', '{order}', 'GBP', 0, 0, 0, 0, 0)
             ON CONFLICT (event, id) DO UPDATE SET lines = excluded.lines"
        )
    };
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    let id = boxoffice::OrderId(Uuid::parse_str(order).unwrap().as_u128());
    // The same line as it was written without a version, and with one.
    let mut read = |lines: &str| {
        server.sql(&name, &insert(lines));
        reader.order(id).map(|order| order.unwrap().lines).map_err(|fault| fault.to_string())
    };
    let old = read("\\x000002640000").unwrap();
    assert_eq!(read("\\x8100000002640000").unwrap(), old);
    let fault = read("\\x830000000264000000").unwrap_err();
    assert!(fault.contains("orders.lines is written by a newer nts, in layout 3"), "{fault}");
}
