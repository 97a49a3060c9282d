//! How a sale goes: what was sold, taken and given back, by five minutes and ticket type, and how attempts to pay
//! went. The rows are written in the commit of what they count, so they are exact at every moment, and a page that
//! shows them reads no orders.
//!
//! What an order counts for follows from the order alone ([`counted`]). A commit adds the difference between what
//! it counted for before and what it counts for now, at the time of that commit. So the sum of an event's rows is
//! the sum over its orders; `nts audit` compares.

use super::{Field, RecordChange, Tables, Value, read, record};
use crate::store::Fault;
use boxoffice::{Currency, EventId, Line, OrderState, TimeMs};
use std::collections::BTreeMap;

/// The time of one row, in milliseconds. Every time zone is a multiple of it away from UTC.
pub const SPAN_MS: i64 = 5 * 60_000;
/// The ticket type of money that belongs to none: a refund of an amount, or a payment that went back whole.
pub const NO_TYPE: i64 = -1;
/// A reason is kept to so many characters.
const MOST_REASON: usize = 200;

record! {
    /// What was counted within five minutes. Numbers are differences: what is undone later is negative.
    pub struct SaleFigure: "sale_figures", key 4 {
        /// Of which event.
        pub event: EventId,
        /// When the five minutes began, in milliseconds since 1970.
        pub at_ms: i64,
        /// The index of the ticket type in its event, or [`NO_TYPE`].
        pub ticket_type: i64,
        /// The currency of the money.
        pub currency: String,
        /// Tickets that were sold.
        pub sold: i64,
        /// Tickets that were refunded, or are being refunded.
        pub refunded: i64,
        /// Those of them that are on sale again.
        pub restocked: i64,
        /// Money that was taken.
        pub taken_minor: i64,
        /// Money that went back for certain.
        pub given_back_minor: i64,
    }
}

record! {
    /// How many attempts to pay ended so within five minutes.
    pub struct PaymentTry: "payment_tries", key 3 {
        /// Of which event.
        pub event: EventId,
        /// When the five minutes began, in milliseconds since 1970.
        pub at_ms: i64,
        /// Why they were declined; empty: they were not.
        pub outcome: String,
        /// How many.
        pub number: i64,
    }
}

/// The five minutes in which this was.
pub fn span(at_ms: TimeMs) -> i64 {
    at_ms - at_ms.rem_euclid(SPAN_MS)
}

/// Numbers of one ticket type.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sums {
    /// See [`SaleFigure::sold`].
    pub sold: i64,
    /// See [`SaleFigure::refunded`].
    pub refunded: i64,
    /// See [`SaleFigure::restocked`].
    pub restocked: i64,
    /// See [`SaleFigure::taken_minor`].
    pub taken_minor: i64,
    /// See [`SaleFigure::given_back_minor`].
    pub given_back_minor: i64,
}

impl Sums {
    /// Adds others to these.
    pub fn add(&mut self, other: &Sums) {
        self.sold += other.sold;
        self.refunded += other.refunded;
        self.restocked += other.restocked;
        self.taken_minor += other.taken_minor;
        self.given_back_minor += other.given_back_minor;
    }

    /// Those of a row.
    pub fn of(row: &SaleFigure) -> Sums {
        Sums {
            sold: row.sold,
            refunded: row.refunded,
            restocked: row.restocked,
            taken_minor: row.taken_minor,
            given_back_minor: row.given_back_minor,
        }
    }

    /// The tickets and the money apart.
    pub fn parts(&self) -> (Sums, Sums) {
        let Sums { sold, refunded, restocked, taken_minor, given_back_minor } = *self;
        let money = Sums { taken_minor, given_back_minor, ..Sums::default() };
        (Sums { sold, refunded, restocked, ..Sums::default() }, money)
    }

    /// Tickets that are sold now: what is on sale again was sold in vain.
    pub fn standing(&self) -> i64 {
        self.sold - self.restocked
    }

    /// Money that was taken and has not gone back.
    pub fn revenue_minor(&self) -> i64 {
        self.taken_minor - self.given_back_minor
    }

    /// The same with the other sign.
    pub fn negative(&self) -> Sums {
        Sums {
            sold: -self.sold,
            refunded: -self.refunded,
            restocked: -self.restocked,
            taken_minor: -self.taken_minor,
            given_back_minor: -self.given_back_minor,
        }
    }
}

/// What is looked at of an order.
pub struct Seen<'a> {
    /// Whether its places count as sold.
    pub sells: bool,
    /// Whether its price was taken.
    pub paid: bool,
    /// Its lines.
    pub lines: &'a [Line],
    /// Its refunds that went back, or may still.
    pub refunds: Vec<SeenRefund>,
}

impl<'a> Seen<'a> {
    /// What is looked at of an order in this state.
    pub fn stored(state: OrderState, lines: &'a [Line], refunds: Vec<SeenRefund>) -> Seen<'a> {
        Seen { sells: state.sells(), paid: state.was_paid(), lines, refunds }
    }
}

/// What is looked at of a refund that has not failed.
pub struct SeenRefund {
    /// How much.
    pub amount_minor: i64,
    /// Of each line so many.
    pub quantities: Vec<u32>,
    /// Whether the money is back for certain.
    pub made: bool,
}

/// What an order counts for, by ticket type.
pub fn counted(order: &Seen<'_>) -> BTreeMap<i64, Sums> {
    let mut by_type: BTreeMap<i64, Sums> = BTreeMap::new();
    if !order.sells && order.refunds.is_empty() {
        return by_type;
    }
    if order.sells {
        for line in order.lines {
            let sums = by_type.entry(line.ticket_type.into()).or_default();
            sums.sold += i64::from(line.quantity);
            sums.refunded += i64::from(line.refunded);
            sums.restocked += i64::from(line.restocked);
            if order.paid {
                sums.taken_minor += line.price_minor();
            }
        }
    }
    for refund in &order.refunds {
        // Of money that came and must not stay all goes back: what goes back is what came.
        if !order.paid {
            by_type.entry(NO_TYPE).or_default().taken_minor += refund.amount_minor;
        }
        if !refund.made {
            continue;
        }
        let mut rest = refund.amount_minor;
        if order.paid {
            for (line, quantity) in order.lines.iter().zip(&refund.quantities) {
                let part = (line.unit_minor * i64::from(*quantity)).min(rest);
                by_type.entry(line.ticket_type.into()).or_default().given_back_minor += part;
                rest -= part;
            }
        }
        if rest != 0 {
            by_type.entry(NO_TYPE).or_default().given_back_minor += rest;
        }
    }
    by_type.retain(|_, sums| *sums != Sums::default());
    by_type
}

/// Figures that are gathered, to be written or compared.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Gathered(BTreeMap<(EventId, i64, i64, Currency), Sums>);

impl Gathered {
    /// Adds what an order counts for at this time. `sign`: 1, or -1 where it did before and does no more.
    pub fn add(
        &mut self,
        (event, at_ms, currency): (EventId, TimeMs, Currency),
        by_type: &BTreeMap<i64, Sums>,
        sign: i64,
    ) {
        for (ticket_type, sums) in by_type {
            let sums = if sign < 0 { sums.negative() } else { *sums };
            let key = (event, span(at_ms), *ticket_type, currency);
            self.0.entry(key).or_default().add(&sums);
        }
    }

    /// What is not nothing, as rows.
    pub fn rows(&self) -> impl Iterator<Item = SaleFigure> {
        let told = self.0.iter().filter(|(_, sums)| **sums != Sums::default());
        told.map(|(&(event, at_ms, ticket_type, currency), sums)| SaleFigure {
            event,
            at_ms,
            ticket_type,
            currency: currency.code().to_string(),
            sold: sums.sold,
            refunded: sums.refunded,
            restocked: sums.restocked,
            taken_minor: sums.taken_minor,
            given_back_minor: sums.given_back_minor,
        })
    }

    /// Adds them to what is recorded.
    pub fn write(&self, records: &mut Vec<RecordChange>) {
        records.extend(self.rows().map(|row| RecordChange::Run(ADD, super::Record::row(&row))));
    }
}

/// Adds differences to a row. Whoever counts for an event has its lock, so that no two wait for each other.
const ADD: &str = "INSERT INTO sale_figures (event, at_ms, ticket_type, currency, sold, refunded, restocked, \
    taken_minor, given_back_minor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
    ON CONFLICT (event, at_ms, ticket_type, currency) DO UPDATE SET \
    sold = sale_figures.sold + excluded.sold, \
    refunded = sale_figures.refunded + excluded.refunded, \
    restocked = sale_figures.restocked + excluded.restocked, \
    taken_minor = sale_figures.taken_minor + excluded.taken_minor, \
    given_back_minor = sale_figures.given_back_minor + excluded.given_back_minor";

const ADD_TRY: &str = "INSERT INTO payment_tries (event, at_ms, outcome, number) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (event, at_ms, outcome) DO UPDATE SET number = payment_tries.number + excluded.number";

/// How an attempt ended. `why`: why it was declined.
pub fn outcome(why: Option<&str>) -> String {
    why.map_or(String::new(), |why| why.chars().take(MOST_REASON).collect())
}

/// Adds attempts that ended so.
pub fn add_try(event: EventId, at_ms: TimeMs, outcome: String, number: i64) -> RecordChange {
    let row = PaymentTry { event, at_ms: span(at_ms), outcome, number };
    RecordChange::Run(ADD_TRY, super::Record::row(&row))
}

/// Removes what was counted for an event that is deleted.
pub fn forget(event: EventId) -> [RecordChange; 2] {
    ["DELETE FROM sale_figures WHERE event = $1", "DELETE FROM payment_tries WHERE event = $1"]
        .map(|sql| RecordChange::Run(sql, vec![event.value()]))
}

/// Every row of an event from this time on, by spans of so many milliseconds (a multiple of five minutes).
const BY_SPAN: &str = "SELECT event, at_ms / $2 * $2, ticket_type, currency, CAST(sum(sold) AS BIGINT), \
    CAST(sum(refunded) AS BIGINT), CAST(sum(restocked) AS BIGINT), CAST(sum(taken_minor) AS BIGINT), \
    CAST(sum(given_back_minor) AS BIGINT) FROM sale_figures WHERE event = $1 AND at_ms >= $3 \
    GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 4";
const ALL: &str = "SELECT event, CAST(0 AS BIGINT), ticket_type, currency, CAST(sum(sold) AS BIGINT), \
    CAST(sum(refunded) AS BIGINT), CAST(sum(restocked) AS BIGINT), CAST(sum(taken_minor) AS BIGINT), \
    CAST(sum(given_back_minor) AS BIGINT) FROM sale_figures GROUP BY 1, 3, 4 ORDER BY 1, 3, 4";
const TRIES: &str = "SELECT event, CAST(0 AS BIGINT), outcome, CAST(sum(number) AS BIGINT) FROM payment_tries \
    WHERE event = $1 AND at_ms >= $2 GROUP BY 1, 3 ORDER BY 4 DESC, 3";

/// The figures of an event from this time on, summed over spans of so many milliseconds.
pub fn by_span(
    from: &mut dyn Tables,
    event: EventId,
    span_ms: i64,
    since_ms: TimeMs,
) -> Result<Vec<SaleFigure>, Fault> {
    read(from.query(BY_SPAN, &[event.value(), Value::Int(span_ms), Value::Int(since_ms)])?)
}

/// The figures of all events, summed over all times.
pub fn totals(from: &mut dyn Tables) -> Result<Vec<SaleFigure>, Fault> {
    read(from.query(ALL, &[])?)
}

/// How attempts to pay for an event went from this time on, the most frequent outcome first.
pub fn tries(
    from: &mut dyn Tables,
    event: EventId,
    since_ms: TimeMs,
) -> Result<Vec<PaymentTry>, Fault> {
    read(from.query(TRIES, &[event.value(), Value::Int(since_ms)])?)
}

#[cfg(test)]
mod tests {
    use super::super::MemoryTables;
    use super::*;

    fn line(ticket_type: u16, quantity: u32, unit_minor: i64, refunded: u32) -> Line {
        Line {
            ticket_type,
            pool: 0,
            quantity,
            unit_minor,
            refunded,
            restocked: refunded.min(1),
            extra: boxoffice::Extra::default(),
        }
    }

    fn refund(amount_minor: i64, quantities: &[u32], made: bool) -> SeenRefund {
        SeenRefund { amount_minor, quantities: quantities.into(), made }
    }

    #[test]
    fn what_an_order_counts_for_follows_from_the_order() {
        let lines = [line(0, 3, 1_000, 2), line(4, 1, 500, 0)];
        let of = |sells, paid, refunds| counted(&Seen { sells, paid, lines: &lines, refunds });
        let sums = |sold, refunded, restocked, taken_minor, given_back_minor| Sums {
            sold,
            refunded,
            restocked,
            taken_minor,
            given_back_minor,
        };
        assert!(of(false, false, vec![]).is_empty(), "held");
        // Authorised: sold, and the money is not taken yet.
        assert_eq!(of(true, false, vec![])[&0], sums(3, 2, 1, 0, 0));
        let paid = of(true, true, vec![refund(2_000, &[2, 0], false)]);
        assert_eq!(paid[&0], sums(3, 2, 1, 3_000, 0), "the money is on its way back");
        assert_eq!(paid[&4], sums(1, 0, 0, 500, 0));
        let back = of(true, true, vec![refund(2_000, &[2, 0], true), refund(300, &[0, 0], true)]);
        assert_eq!(back[&0].given_back_minor, 2_000);
        assert_eq!(back[&NO_TYPE], sums(0, 0, 0, 0, 300), "an amount, for no ticket");
        // Less than the tickets cost: a fee was kept.
        assert_eq!(of(true, true, vec![refund(1_500, &[2, 0], true)])[&0].given_back_minor, 1_500);
        // Another sum was taken than it costs: all of it goes back.
        let void = of(false, false, vec![refund(900, &[3, 1], true)]);
        assert_eq!(void, BTreeMap::from([(NO_TYPE, sums(0, 0, 0, 900, 900))]));
    }

    #[test]
    fn differences_add_up_and_are_read_by_spans() {
        let mut tables = MemoryTables::new().expect("tables");
        let gbp = Currency::parse("GBP").expect("a currency");
        let (event, other) = (EventId(7), EventId(8));
        let sums =
            |sold| BTreeMap::from([(1, Sums { sold, taken_minor: 10 * sold, ..Sums::default() })]);
        let mut write = |event, at_ms, sold, sign| {
            let mut gathered = Gathered::default();
            gathered.add((event, at_ms, gbp), &sums(sold), sign);
            let mut records = Vec::new();
            gathered.write(&mut records);
            tables.commit(&records).expect("written");
        };
        let hour = 3_600_000;
        write(event, hour + 1, 2, 1);
        write(event, hour + SPAN_MS - 1, 3, 1);
        write(event, hour + SPAN_MS, 4, 1);
        write(event, 2 * hour, 1, -1);
        write(other, hour, 5, 1);
        let mut read = |span_ms, since| -> Vec<(i64, i64)> {
            let rows = by_span(&mut tables, event, span_ms, since).expect("rows");
            rows.iter().map(|row| (row.at_ms, row.sold)).collect()
        };
        assert_eq!(read(SPAN_MS, 0), [(hour, 5), (hour + SPAN_MS, 4), (2 * hour, -1)]);
        assert_eq!(read(hour, 0), [(hour, 9), (2 * hour, -1)]);
        assert_eq!(read(hour, 2 * hour), [(2 * hour, -1)]);
        let all = totals(&mut tables).expect("rows");
        let told: Vec<_> =
            all.iter().map(|r| (r.event, r.ticket_type, r.sold, r.taken_minor)).collect();
        assert_eq!(told, [(event, 1, 8, 80), (other, 1, 5, 50)]);
    }

    #[test]
    fn attempts_are_counted_by_their_outcome() {
        let mut tables = MemoryTables::new().expect("tables");
        let declined = outcome(Some("Your card was declined."));
        let records = [
            add_try(EventId(1), 5, outcome(None), 1),
            add_try(EventId(1), SPAN_MS, outcome(None), 3),
            add_try(EventId(1), SPAN_MS + 1, declined.clone(), 2),
            add_try(EventId(2), 5, declined.clone(), 9),
        ];
        tables.commit(&records).expect("written");
        let told = |tables: &mut MemoryTables, since| -> Vec<(String, i64)> {
            let rows = tries(tables, EventId(1), since).expect("rows");
            rows.into_iter().map(|row| (row.outcome, row.number)).collect()
        };
        assert_eq!(told(&mut tables, 0), [(String::new(), 4), (declined.clone(), 2)]);
        assert_eq!(told(&mut tables, SPAN_MS), [(String::new(), 3), (declined, 2)]);
        assert_eq!(outcome(Some(&"x".repeat(999))).len(), MOST_REASON);
    }
}
