//! The figures of sales, counted from all orders: where a database gets them that was made before there were any.

use super::link::{Link, Trouble, ask};
use super::rows::{self, InOrder};
use crate::store::codec::{decode_lines, decode_quantities, state_from};
use crate::store::records::sale_figures::{Gathered, Seen, SeenRefund, counted};
use boxoffice::{Currency, EventId};
use std::collections::BTreeMap;
use uuid::Uuid;

/// So many orders at a time.
const PAGE: i64 = 10_000;

const ORDERS: &str = "SELECT id, event, state::bigint, lines, currency, placed_ms FROM orders
     WHERE id > $1 ORDER BY id LIMIT $2";
const REFUNDS: &str = "SELECT order_id, amount_minor, quantities, state::bigint FROM refunds
     WHERE state < 2 ORDER BY order_id, number";
const PUT: &str = "INSERT INTO sale_figures (event, at_ms, ticket_type, currency, sold, refunded, restocked,
         taken_minor, given_back_minor)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[],
         $7::bigint[], $8::bigint[], $9::bigint[])";

/// Counts every order at the time at which it was placed: when it was paid was not recorded.
pub(super) fn count_anew(link: &mut Link) -> Result<(), Trouble> {
    let mut refunds: BTreeMap<Uuid, Vec<SeenRefund>> = BTreeMap::new();
    for row in link.ask(&[ask!(REFUNDS)])?.remove(0) {
        let mut row = InOrder::of(&row);
        let order: Uuid = row.next()?;
        let amount_minor = row.next()?;
        let quantities = decode_quantities(row.next()?);
        let quantities = quantities.map_err(|why| rows::blob("refunds.quantities", why))?;
        let made = row.next::<i64>()? == 1;
        refunds.entry(order).or_default().push(SeenRefund { amount_minor, quantities, made });
    }
    let unreadable = |what: &str| Trouble::Unreadable(what.to_owned());
    let mut gathered = Gathered::default();
    let mut after = Uuid::nil();
    loop {
        let page = link.ask(&[ask!(ORDERS, after, PAGE)])?.remove(0);
        for row in &page {
            let mut row = InOrder::of(row);
            after = row.next()?;
            let event = EventId(row.next::<i64>()? as u64);
            let state = state_from(row.next()?).ok_or_else(|| unreadable("orders.state"))?;
            let lines = decode_lines(row.next()?);
            let lines = lines.map_err(|why| rows::blob("orders.lines", why))?;
            let currency = Currency::parse(row.next()?);
            let currency = currency.ok_or_else(|| unreadable("orders.currency"))?;
            let of_order = refunds.remove(&after).unwrap_or_default();
            let by_type = counted(&Seen::stored(state, &lines, of_order));
            gathered.add((event, row.next()?, currency), &by_type, 1);
        }
        if (page.len() as i64) < PAGE {
            break;
        }
    }
    let all: Vec<_> = gathered.rows().collect();
    for some in all.chunks(PAGE as usize) {
        let column = |of: fn(&crate::store::records::sale_figures::SaleFigure) -> i64| -> Vec<i64> {
            some.iter().map(of).collect()
        };
        link.ask(&[ask!(
            PUT,
            column(|row| row.event.0 as i64),
            column(|row| row.at_ms),
            column(|row| row.ticket_type),
            some.iter().map(|row| row.currency.clone()).collect::<Vec<String>>(),
            column(|row| row.sold),
            column(|row| row.refunded),
            column(|row| row.restocked),
            column(|row| row.taken_minor),
            column(|row| row.given_back_minor),
        )])?;
    }
    Ok(())
}
