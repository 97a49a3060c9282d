//! The columns of the table `events`, declared once for both engines.
//!
//! A new field of an event is one name in the list below, and a migration for each engine with a column of
//! the same name.

use super::records::{Field, Kind, Row, Value, take};
use boxoffice::{Currency, Event, EventId, EventSpec, Sale};
use std::sync::LazyLock;

/// Declares which fields of [`EventSpec`] are columns, each of the field's name. The first is never
/// changed.
macro_rules! spec_columns {
    ($($field:ident),* $(,)?) => {
        const SPEC: &[&str] = &[$(stringify!($field)),*];

        /// The columns in the order in which [`read`] takes them.
        macro_rules! event_columns {
            () => { concat!("id, serials, sale" $(, ", ", stringify!($field))*) };
        }

        fn spec_values(spec: &EventSpec) -> Row {
            vec![$(spec.$field.value()),*]
        }

        fn spec_of(row: &mut impl Iterator<Item = Value>) -> Result<EventSpec, String> {
            Ok(EventSpec {
                $($field: take(row, concat!("events.", stringify!($field)))?,)*
                pools: Vec::new(),
                ticket_types: Vec::new(),
            })
        }
    };
}

spec_columns!(
    slug,
    name,
    place,
    description,
    starts_ms,
    ends_ms,
    zone,
    currency,
    limit_per_order,
    limit_per_buyer,
    ignore_email_tags,
    hold_ms,
    sale_opens_ms,
    sale_closes_ms,
    names_until_ms,
    hidden,
    keep_buyers_days,
    contact,
    attach_pdf,
    questions,
    codes,
);
pub(super) use event_columns;

/// Writes an event, new or changed, with the values of [`values`]. It changes nothing if the database has
/// another event of this id. Of two counts of issued tickets the larger stays.
pub(super) static PUT: LazyLock<String> = LazyLock::new(|| {
    let places: Vec<String> = (1..=SPEC.len() + 3).map(|n| format!("${n}")).collect();
    let set: Vec<String> = SPEC[1..].iter().map(|c| format!("{c} = excluded.{c}")).collect();
    format!(
        "INSERT INTO events ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}, sale = excluded.sale, \
         serials = CASE WHEN events.serials < excluded.serials THEN excluded.serials \
         ELSE events.serials END WHERE events.slug = excluded.slug",
        event_columns!(),
        places.join(", "),
        set.join(", ")
    )
});

/// An event without its pools and ticket types as a row of these columns.
pub(super) fn values(event: &Event) -> Row {
    let mut row = vec![event.id.value(), event.serials.value(), event.sale.value()];
    row.append(&mut spec_values(&event.spec));
    row
}

/// The event of such a row, without its pools and ticket types. The error names the column that cannot be
/// read.
pub(super) fn read(row: Row) -> Result<Event, String> {
    let mut row = row.into_iter();
    let id: EventId = take(&mut row, "events.id")?;
    let serials = take(&mut row, "events.serials")?;
    let sale = take(&mut row, "events.sale")?;
    let spec = spec_of(&mut row)?;
    let (pools, ticket_types, counters) = (Vec::new(), Vec::new(), Vec::new());
    Ok(Event { id, spec, pools, ticket_types, counters, serials, sale })
}

impl Field for Currency {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        Value::Text(self.code().into())
    }

    fn read(value: Value) -> Option<Currency> {
        Currency::parse(&String::read(value)?)
    }
}

impl Field for Sale {
    const KIND: Kind = Kind::Int;

    fn value(&self) -> Value {
        Value::Int(match self {
            Sale::Open => 0,
            Sale::Paused => 1,
            Sale::Canceled => 2,
        })
    }

    fn read(value: Value) -> Option<Sale> {
        match value {
            Value::Int(0) => Some(Sale::Open),
            Value::Int(1) => Some(Sale::Paused),
            Value::Int(2) => Some(Sale::Canceled),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::{QuestionKind, QuestionSpec};

    fn question(id: &str, kind: QuestionKind) -> QuestionSpec {
        QuestionSpec {
            id: id.into(),
            text: "What?".into(),
            kind,
            required: true,
            per_ticket: id == "diet",
            ticket_types: vec!["adult".into()],
        }
    }

    fn event() -> Event {
        let currency = Currency::parse("GBP").expect("a currency");
        let spec = EventSpec {
            place: "Hall".into(),
            description: "One.\n\nTwo.".into(),
            ends_ms: Some(9),
            limit_per_buyer: Some(3),
            hidden: true,
            keep_buyers_days: Some(30),
            contact: "ask@example.org".into(),
            attach_pdf: true,
            questions: vec![
                question("diet", QuestionKind::Choice(vec!["none".into(), "vegan “x”".into()])),
                question("note", QuestionKind::Lines),
            ],
            names_until_ms: Some(4),
            ..EventSpec::new("rock", currency, 5)
        };
        Event {
            id: EventId(u64::MAX),
            spec,
            pools: vec![],
            ticket_types: vec![],
            counters: vec![],
            serials: 4,
            sale: Sale::Canceled,
        }
    }

    #[test]
    fn an_event_is_read_as_it_was_written_and_a_wrong_value_names_its_column() {
        assert_eq!(read(values(&event())), Ok(event()));
        let columns: Vec<&str> = event_columns!().split(", ").collect();
        assert_eq!(columns.len(), values(&event()).len());
        for (at, column) in columns.iter().enumerate() {
            let mut row = values(&event());
            row[at] = Value::Blob(vec![1]);
            assert_eq!(read(row), Err(format!("events.{column}")));
        }
    }
}
