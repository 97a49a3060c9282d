//! Guests from a CSV file: each row gives somebody free tickets.
//!
//! The columns are found by their names: `name` (or first and last name), `email`, `ticket type` and `quantity`,
//! and those of the exports of pretix (list of order positions) and of Hi.Events (list of attendees), in English.
//!
//! A row is given once for ever, however often its file is imported: the order has the file's digest and the
//! row's line as its reference. So an import that was cut off is simply repeated.

use super::Organiser;
use super::sell::Sale;
use crate::access::{Permit, may};
use crate::identity::guest;
use crate::ids::digest;
use crate::sales::SaleError;
use crate::store::RequestKey;
use crate::text::shorten;
use crate::writer::{CommandError, IdempotencyKey};
use boxoffice::{
    CounterKind, Event, Language, LineWish, MOST_SOLD_AT_ONCE, Metadata, Refusal, Tender, TimeMs,
    check_email, check_name,
};
use std::collections::{BTreeMap, BTreeSet};

/// The most rows of a file.
pub const MOST_ROWS: usize = 10_000;
/// The most bytes of a file.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;
/// So many rows at most are given at once; then somebody asks for the next.
const AT_ONCE: usize = 200;

/// What is said of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowNote {
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// What, in a sentence.
    pub text: String,
}

/// How many tickets of a type a file has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeCount {
    /// The id of the ticket type.
    pub ticket_type: String,
    /// How many.
    pub tickets: u64,
    /// How many of them are not given yet.
    pub left: u64,
}

/// What became of a file.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Imported {
    /// How many rows it has, but for its head and those that are left out.
    pub rows: usize,
    /// How many tickets they are.
    pub tickets: u64,
    /// The same by the ids of ticket types, with how many of them are still to be given, in the event's order.
    pub by_type: Vec<TypeCount>,
    /// Rows that were given now.
    pub given: usize,
    /// Rows that were given before.
    pub given_before: usize,
    /// Rows that are still to be given: ask once more.
    pub left: usize,
    /// Rows that are not imported, because their status says so.
    pub left_out: Vec<RowNote>,
    /// What is wrong. Nothing is given as long as something is.
    pub problems: Vec<RowNote>,
}

/// A row as it is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// Who gets the tickets.
    pub name: String,
    /// Where they are mailed; empty: nowhere.
    pub email: String,
    /// The id of the ticket type.
    pub ticket_type: String,
    /// How many, from 1 to [`MOST_SOLD_AT_ONCE`].
    pub quantity: u32,
    /// Whether it was given before.
    pub known: bool,
}

/// A column of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name, as it stands in the first line.
    pub head: String,
    /// What is read from it; `None`: nothing.
    pub means: Option<String>,
}

/// A file that was read and checked. Nothing is given by that.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Checked {
    /// Which program has exported it, if its columns say so.
    pub source: Option<&'static str>,
    /// Its columns, in their order. None, if it cannot be read.
    pub columns: Vec<Column>,
    /// The rows that can be given, or were given before.
    pub rows: Vec<Row>,
    /// Rows that are not imported, because their status says so.
    pub left_out: Vec<RowNote>,
    /// What is wrong. Nothing is given as long as something is.
    pub problems: Vec<RowNote>,
    /// What the references of its orders begin with.
    prefix: String,
}

impl Checked {
    fn reference(&self, row: &Row) -> String {
        format!("{}row {}", self.prefix, row.line)
    }
}

impl Organiser {
    /// Reads a file and says what would be given, and what is wrong with which row.
    pub async fn check_guests(
        &self,
        permit: &Permit<may::SellTickets>,
        event: &Event,
        file: &[u8],
    ) -> Result<Checked, SaleError> {
        if event.id != permit.event() {
            return Err(CommandError::Refused(Refusal::UnknownEvent));
        }
        let file = as_it_counts(file);
        let mut checked = read(&file, event);
        checked.prefix = format!("import {:032x} ", digest(&[b"guests", &file]));
        let (id, prefix) = (event.id, checked.prefix.clone());
        let known = self.sales.reads.ask(move |r| r.references(id, &prefix)).await?;
        let known: BTreeSet<String> = known.into_iter().collect();
        let known: Vec<bool> =
            checked.rows.iter().map(|row| known.contains(&checked.reference(row))).collect();
        checked.rows.iter_mut().zip(known).for_each(|(row, known)| row.known = known);
        let fresh: Vec<&Row> = checked.rows.iter().filter(|row| !row.known).collect();
        let problems = too_many(&fresh, event, self.sales.clock.now_ms());
        checked.problems.extend(problems);
        Ok(checked)
    }

    /// Gives free tickets to the guests of a file, some rows at a time. With `dry_run` nothing is given, and it is
    /// told what would be. The guests are written to in this language.
    pub async fn import_guests(
        &self,
        permit: &Permit<may::SellTickets>,
        event: &Event,
        file: &[u8],
        language: Language,
        dry_run: bool,
    ) -> Result<Imported, SaleError> {
        let checked = self.check_guests(permit, event, file).await?;
        let fresh: Vec<&Row> = checked.rows.iter().filter(|row| !row.known).collect();
        let mut done = Imported {
            rows: checked.rows.len(),
            tickets: checked.rows.iter().map(|row| u64::from(row.quantity)).sum(),
            by_type: by_type(&checked.rows, &fresh, event),
            given_before: checked.rows.len() - fresh.len(),
            left: fresh.len(),
            left_out: checked.left_out.clone(),
            problems: checked.problems.clone(),
            ..Imported::default()
        };
        if dry_run || !done.problems.is_empty() {
            return Ok(done);
        }
        for row in fresh.into_iter().take(AT_ONCE) {
            let reference = checked.reference(row);
            // Two imports of one file at the same time: the second is told what the first was.
            let of = event.id.0.to_be_bytes();
            let request = IdempotencyKey {
                key: RequestKey(digest(&[b"guest", &of, reference.as_bytes()])),
                fingerprint: 0,
            };
            let lines = vec![LineWish {
                ticket_type: row.ticket_type.clone(),
                quantity: row.quantity.into(),
            }];
            let sale = Sale {
                name: row.name.clone(),
                email: row.email.clone(),
                language,
                lines,
                tender: Tender::Free,
                reference,
                metadata: Metadata::default(),
                shown_minor: None,
            };
            match self.sell(permit, sale, Some(request)).await {
                Ok(_) => {}
                Err(CommandError::Refused(no)) => {
                    done.problems.push(RowNote { line: row.line, text: refused(&no) });
                    return Ok(done);
                }
                Err(no) => return Err(no),
            }
            done.given += 1;
            done.left -= 1;
            let of_row = done.by_type.iter_mut().find(|count| count.ticket_type == row.ticket_type);
            if let Some(count) = of_row {
                count.left -= u64::from(row.quantity);
            }
        }
        Ok(done)
    }
}

/// The bytes of a file by which it is known: without a mark at its beginning and empty lines at its end, and with
/// the line ends of Unix. So the same table is the same file when it is uploaded and when it is pasted into a form.
fn as_it_counts(file: &[u8]) -> Vec<u8> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).trim_ascii_end();
    let mut plain = Vec::with_capacity(file.len());
    let mut bytes = file.iter().peekable();
    while let Some(byte) = bytes.next() {
        if *byte == b'\r' {
            bytes.next_if(|next| **next == b'\n');
        }
        plain.push(if *byte == b'\r' { b'\n' } else { *byte });
    }
    plain
}

/// Why a row was refused that had nothing wrong with it before: others were faster, or the event was changed.
fn refused(no: &Refusal) -> String {
    match no {
        Refusal::SoldOut { ticket_type, left, .. } => format!(
            "only {left} of “{}” are left; the rows before this one were given",
            shorten(ticket_type)
        ),
        no => format!(
            "{}; the rows before this one were given",
            crate::language::Lang::En.refused(no, crate::when::rfc3339).trim_end_matches('.')
        ),
    }
}

/// How many tickets of each type the rows are, and how many of them the fresh ones.
fn by_type(rows: &[Row], fresh: &[&Row], event: &Event) -> Vec<TypeCount> {
    let mut counts: Vec<TypeCount> = Vec::new();
    for ticket_type in event.spec.ticket_types.iter().map(|t| &t.id) {
        let sum = |rows: &mut dyn Iterator<Item = &Row>| -> u64 {
            let of_type = rows.filter(|row| row.ticket_type == *ticket_type);
            of_type.map(|row| u64::from(row.quantity)).sum()
        };
        let tickets = sum(&mut rows.iter());
        if tickets > 0 {
            let left = sum(&mut fresh.iter().copied());
            counts.push(TypeCount { ticket_type: ticket_type.clone(), tickets, left });
        }
    }
    counts
}

/// Why these rows cannot all be given: the event does not sell any more, or from a row on too few places are left;
/// one such row for each pool, and one for each ticket type that has a capacity of its own.
fn too_many(rows: &[&Row], event: &Event, now: TimeMs) -> Vec<RowNote> {
    let Some(first) = rows.first() else { return Vec::new() };
    if event.is_over(now) || event.is_canceled() {
        let no = match event.is_canceled() {
            true => Refusal::EventCanceled,
            false => Refusal::EventOver(event.spec.ends()),
        };
        let text = crate::language::Lang::En.refused(&no, crate::when::rfc3339);
        let text = text.trim_end_matches('.').to_owned();
        return vec![RowNote { line: first.line, text }];
    }
    let mut wanted: BTreeMap<u16, u64> = BTreeMap::new();
    let mut notes: BTreeMap<u16, RowNote> = BTreeMap::new();
    for row in rows {
        let Some(at) = event.offered(&row.ticket_type) else { continue };
        let pool = event.ticket_types[usize::from(at)].pool;
        let said = event.spec.ticket_types.iter().find(|t| t.id == row.ticket_type);
        // What is held and sold may be more than the organiser wants by now.
        let own = said.and_then(|t| t.rules.capacity).and_then(|capacity| {
            let index = event.counter(CounterKind::Type, &row.ticket_type)?;
            Some((index, capacity))
        });
        let pool_has = (pool, event.pools[usize::from(pool)].capacity);
        for (stock, capacity) in [Some(pool_has), own].into_iter().flatten() {
            let Some(count) = event.stock(stock) else { continue };
            let sum = wanted.entry(stock).or_default();
            *sum += u64::from(row.quantity);
            let left = capacity.saturating_sub(count.held + count.sold);
            if *sum > u64::from(left) {
                let what = match stock == pool {
                    true => format!("pool “{}” has {left} left", shorten(&count.name)),
                    false => format!("ticket type “{}” has {left} left", shorten(&row.ticket_type)),
                };
                let text = format!("from this row on there are not enough places: {what}");
                notes.entry(stock).or_insert(RowNote { line: row.line, text });
            }
        }
    }
    notes.into_values().collect()
}

/// Where the parts of a row stand.
#[derive(Default, PartialEq, Eq, Debug)]
struct Columns {
    names: Vec<usize>,
    first: Option<usize>,
    last: Option<usize>,
    emails: Vec<usize>,
    ticket_type: Option<usize>,
    variation: Option<usize>,
    quantity: Option<usize>,
    status: Option<usize>,
}

/// The name of a column without what people write in different ways.
fn column_name(head: &str) -> String {
    let words = head.to_lowercase().replace(['_', '-', ':'], " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Columns {
    /// By the names in the head of a file. Where several columns may hold a thing, the best comes first.
    fn of(head: &csv::StringRecord) -> Columns {
        let heads: Vec<String> = head.iter().map(column_name).collect();
        let all = |known: &[&str]| -> Vec<usize> {
            let at = |name: &&str| heads.iter().position(|head| head == name);
            known.iter().filter_map(at).collect()
        };
        let one = |known: &[&str]| all(known).first().copied();
        Columns {
            names: all(&[
                "attendee name",
                "name",
                "guest",
                "guest name",
                "full name",
                "buyer",
                "invoice address name",
            ]),
            first: one(&["first name", "firstname", "given name", "attendee name given name"]),
            last: one(&[
                "last name",
                "lastname",
                "surname",
                "family name",
                "attendee name family name",
            ]),
            emails: all(&[
                "attendee email",
                "email",
                "e mail",
                "email address",
                "e mail address",
                "mail",
            ]),
            ticket_type: one(&[
                "ticket type",
                "ticket type id",
                "ticket",
                "ticket name",
                "product",
                "product name",
                "type",
                "item",
            ]),
            variation: one(&["variation"]),
            quantity: one(&["quantity", "count", "number of tickets", "tickets"]),
            status: one(&["status", "order status"]),
        }
    }
}

impl Columns {
    /// What is read from each column of a file with this head.
    fn told(&self, head: &csv::StringRecord) -> Vec<Column> {
        let title = |at: usize| head.get(at).unwrap_or_default();
        let or_else = |all: &[usize], at: usize, what: &str| {
            let first = *all.first()?;
            all.contains(&at).then(|| match first == at {
                true => what.to_owned(),
                false => format!("{what}, where “{}” is empty", shorten(title(first))),
            })
        };
        let part = |what: &str| match self.names.first() {
            None => what.to_owned(),
            Some(name) => format!("{what}, where “{}” is empty", shorten(title(*name))),
        };
        let means = |at: usize| {
            let is = |column: Option<usize>| column == Some(at);
            or_else(&self.names, at, "name")
                .or_else(|| or_else(&self.emails, at, "e-mail address"))
                .or_else(|| is(self.first).then(|| part("first name")))
                .or_else(|| is(self.last).then(|| part("last name")))
                .or_else(|| is(self.ticket_type).then(|| "ticket type".to_owned()))
                .or_else(|| is(self.variation).then(|| "variation of the ticket type".to_owned()))
                .or_else(|| is(self.quantity).then(|| "number of tickets".to_owned()))
                .or_else(|| is(self.status).then(|| "status".to_owned()))
        };
        let column = |(at, head): (usize, &str)| Column { head: head.into(), means: means(at) };
        head.iter().enumerate().map(column).collect()
    }
}

/// The program that has exported a file with this head.
fn source(head: &csv::StringRecord) -> Option<&'static str> {
    let heads: Vec<String> = head.iter().map(column_name).collect();
    let has = |known: &[&str]| known.iter().all(|name| heads.iter().any(|head| head == name));
    match () {
        () if has(&["order code", "position id", "product"]) => Some("pretix"),
        () if has(&["public id", "product name", "first name"]) => Some("Hi.Events"),
        () => None,
    }
}

/// Statuses of rows that are imported, in the words of pretix and Hi.Events.
const GOOD: [&str; 7] = ["", "paid", "active", "completed", "confirmed", "valid", "approved"];

/// Reads a file and checks each row. No problem: all rows can be given, as far as places are left.
fn read(file: &[u8], event: &Event) -> Checked {
    let mut read = Checked::default();
    let whole =
        |text: String| Checked { problems: vec![RowNote { line: 1, text }], ..Checked::default() };
    if file.len() > MOST_BYTES {
        return whole(format!("the file has more than {} MiB", MOST_BYTES / 1024 / 1024));
    }
    if file.contains(&0) {
        return whole("this is no CSV file in UTF-8; save the table as CSV, in UTF-8".into());
    }
    if let Err(error) = std::str::from_utf8(file) {
        let before = &file[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count() as u64;
        let text = "this line has a letter that is not saved as UTF-8; save the file as UTF-8";
        let problems = vec![RowNote { line, text: text.into() }];
        return Checked { problems, ..Checked::default() };
    }
    let head = file.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |mark: u8| head.iter().filter(|b| **b == mark).count();
    let delimiter =
        [b',', b';', b'\t'].into_iter().max_by_key(|mark| (count(*mark), *mark == b','));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or(b','))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(file);
    let columns = match reader.headers() {
        Ok(head) => {
            let columns = Columns::of(head);
            (read.source, read.columns) = (source(head), columns.told(head));
            columns
        }
        Err(error) => return whole(format!("the file cannot be read: {error}")),
    };
    let (source, told) = (read.source, read.columns.clone());
    let whole = |text: String| Checked { source, columns: told.clone(), ..whole(text) };
    if columns.names.is_empty() && columns.first.is_none() && columns.last.is_none() {
        return whole(
            "there is no column with names: the first line names the columns, one of which is name"
                .into(),
        );
    }
    let on_offer: Vec<&boxoffice::TicketType> =
        event.ticket_types.iter().filter(|t| !t.retired).collect();
    if columns.ticket_type.is_none() && on_offer.len() != 1 {
        return whole("there is no column “ticket type”, and the event has several".into());
    }
    let mut lines = Lines { file, at: 0, line: 1 };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                read.problems.push(RowNote { line, text: format!("it cannot be read: {error}") });
                break;
            }
        };
        let line = lines.of(record.position());
        if record.iter().all(str::is_empty) {
            continue;
        }
        if read.rows.len() + read.left_out.len() + read.problems.len() >= MOST_ROWS {
            let text = format!("a file has at most {MOST_ROWS} rows; divide it");
            read.problems.push(RowNote { line, text });
            break;
        }
        let at = |column: Option<usize>| column.and_then(|n| record.get(n)).unwrap_or_default();
        let status = at(columns.status);
        if !GOOD.contains(&status.to_lowercase().as_str()) {
            let text = format!("left out, for its status is “{}”", shorten(status));
            read.left_out.push(RowNote { line, text });
            continue;
        }
        match row(&record, line, &columns, &on_offer) {
            Ok(row) => read.rows.push(row),
            Err(text) => read.problems.push(RowNote { line, text }),
        }
    }
    if read.rows.is_empty() && read.problems.is_empty() && read.left_out.is_empty() {
        return whole("the file has no rows below its first line, which names the columns".into());
    }
    read
}

/// Counts the lines of a file, from its beginning to its end.
struct Lines<'f> {
    file: &'f [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which a row begins. Its position is where the row before it ends: empty lines, and the second
    /// half of an end of line, come first.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let row = position.and_then(|p| usize::try_from(p.byte()).ok()).unwrap_or(self.at);
        let ends = |b: &u8| matches!(b, b'\r' | b'\n');
        while self.at < row || self.file.get(self.at).is_some_and(ends) {
            self.line += u64::from(self.file.get(self.at) == Some(&b'\n'));
            self.at += 1;
        }
        self.line
    }
}

/// A row of the file. The error is what is wrong with it.
fn row(
    record: &csv::StringRecord,
    line: u64,
    columns: &Columns,
    on_offer: &[&boxoffice::TicketType],
) -> Result<Row, String> {
    let at = |column: Option<usize>| column.and_then(|n| record.get(n)).unwrap_or_default();
    let first_of = |all: &[usize]| {
        let some = all.iter().filter_map(|n| record.get(*n)).find(|text| !text.is_empty());
        some.unwrap_or_default().to_owned()
    };
    let parts = format!("{} {}", at(columns.first), at(columns.last));
    let mut name = guest(&first_of(&columns.names));
    if name.is_empty() {
        name = guest(&parts);
    }
    check_name(&name)?;
    let email = first_of(&columns.emails);
    check_email(&email)?;
    let said = at(columns.ticket_type);
    let variation = at(columns.variation);
    let ticket_type = match (columns.ticket_type, on_offer) {
        (None, [only]) => *only,
        _ if said.is_empty() && variation.is_empty() => {
            return Err("no ticket type is named".into());
        }
        _ => find_type(said, variation, on_offer)
            .ok_or_else(|| format!("the event has no ticket type “{}”", shorten(said)))?,
    };
    let quantity = match at(columns.quantity) {
        "" => 1,
        text => text
            .parse::<u32>()
            .ok()
            .filter(|quantity| (1..=MOST_SOLD_AT_ONCE).contains(quantity))
            .ok_or_else(|| {
                format!(
                    "the quantity “{}” is no number from 1 to {MOST_SOLD_AT_ONCE}",
                    shorten(text)
                )
            })?,
    };
    Ok(Row { line, name, email, ticket_type: ticket_type.id.clone(), quantity, known: false })
}

/// The ticket type that a row means: by its id, or by its name however it is written. A variation of a product
/// may be a ticket type of its own.
fn find_type<'t>(
    said: &str,
    variation: &str,
    on_offer: &[&'t boxoffice::TicketType],
) -> Option<&'t boxoffice::TicketType> {
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let find = |text: &str| {
        let by_id = on_offer.iter().find(|t| t.id == text);
        by_id.or_else(|| on_offer.iter().find(|t| same(&t.name, text))).copied()
    };
    if variation.is_empty() {
        return find(said);
    }
    let both = [format!("{said} – {variation}"), format!("{said} - {variation}")];
    both.iter().find_map(|text| find(text)).or_else(|| find(variation)).or_else(|| find(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::{Currency, EventId, EventSpec, Pool, TicketType};

    fn event(types: &[(&str, &str)]) -> Event {
        let of = |(id, name): &(&str, &str)| TicketType {
            id: (*id).into(),
            name: (*name).into(),
            pool: 0,
            price_minor: 999,
            retired: false,
        };
        let currency = Currency::parse("GBP").expect("a currency");
        Event {
            id: EventId(1),
            spec: EventSpec::new("rock", currency, 0),
            sale: boxoffice::Sale::Open,
            counters: Vec::new(),
            pools: vec![Pool { name: "hall".into(), capacity: 9, held: 2, sold: 2 }],
            ticket_types: types.iter().map(of).collect(),
            serials: 0,
        }
    }

    const TYPES: [(&str, &str); 3] =
        [("adult", "Adult"), ("child", "Child – under 12"), ("crew", "Crew")];

    fn rows(file: &str) -> Vec<(u64, String, String, String, u32)> {
        let read = super::read(&as_it_counts(file.as_bytes()), &event(&TYPES));
        assert_eq!(read.problems, [], "{file}");
        let told = |r: Row| (r.line, r.name, r.email, r.ticket_type, r.quantity);
        read.rows.into_iter().map(told).collect()
    }

    fn row_of(
        line: u64,
        name: &str,
        email: &str,
        t: &str,
        quantity: u32,
    ) -> (u64, String, String, String, u32) {
        (line, name.into(), email.into(), t.into(), quantity)
    }

    fn problems(file: &str) -> Vec<(u64, String)> {
        let read = read(file.as_bytes(), &event(&TYPES));
        read.problems.into_iter().map(|note| (note.line, note.text)).collect()
    }

    #[test]
    fn our_own_columns_are_read_in_any_order_and_with_any_usual_delimiter() {
        let ann = row_of(2, "Ann O'Brien", "ann@example.org", "adult", 2);
        for file in [
            "name,email,ticket type,quantity\nAnn O'Brien,ann@example.org,adult,2\n",
            "\u{feff}Quantity;Ticket_Type;E-Mail;Name\r\n2;ADULT;ann@example.org;Ann O'Brien\r\n",
            "Name\tEmail\tTicket type\tQuantity\n Ann O'Brien \tann@example.org\tAdult\t 2\n",
        ] {
            assert_eq!(rows(file), std::slice::from_ref(&ann), "{file}");
        }
        let few = "name,ticket type\n\"Smith, Bob\",Crew\n\n,\n\"Two\nlines\",x\n";
        let read = read(few.as_bytes(), &event(&TYPES));
        assert_eq!(read.rows.len(), 1);
        assert_eq!(read.rows[0].name, "Smith, Bob");
        assert_eq!(read.problems[0].line, 5, "an empty row and an empty line are passed over");
    }

    #[test]
    fn the_exports_of_pretix_and_hi_events_are_recognised() {
        let pretix = "Event slug,Order code,Position ID,Status,Email,Phone number,Order date,\
            Order time,Product,Variation,Price,Tax rate,Tax rule,Tax value,Attendee name,\
            Attendee name: Given name,Attendee name: Family name,Attendee email,Company\n\
            demo,A1B2C,1,paid,buyer@example.org,,2026-01-01,12:00:00,Adult,,9.99,0,,0,Ann Smith,\
            Ann,Smith,ann@example.org,\n\
            demo,A1B2C,2,paid,buyer@example.org,,2026-01-01,12:00:00,Child,under 12,9.99,0,,0,\
            Cid Smith,Cid,Smith,,\n\
            demo,Z9,1,canceled,x@example.org,,2026-01-01,12:00:00,Adult,,9.99,0,,0,Eve,,,,\n";
        let ann = row_of(2, "Ann Smith", "ann@example.org", "adult", 1);
        let cid = row_of(3, "Cid Smith", "buyer@example.org", "child", 1);
        assert_eq!(rows(pretix), [ann, cid]);
        let read = super::read(pretix.as_bytes(), &event(&TYPES));
        assert_eq!((read.left_out.len(), read.left_out[0].line), (1, 4));
        let hi = "ID,First Name,Last Name,Email,Status,Is Checked In,Checked In At,Product ID,\
            Product Name,Event ID,Public ID,Short ID,Created Date,Last Updated Date,Notes\n\
            1,Ann,Smith,ann@example.org,ACTIVE,No,,5,Adult,1,A-1,a_1,2026-01-01,2026-01-01,\n\
            2,Bob,,bob@example.org,CANCELLED,No,,5,Adult,1,A-2,a_2,2026-01-01,2026-01-01,\n";
        assert_eq!(rows(hi), [row_of(2, "Ann Smith", "ann@example.org", "adult", 1)]);
    }

    #[test]
    fn each_row_says_what_is_wrong_with_it() {
        let file = "name,email,ticket type,quantity\n\
            ,a@example.org,adult,1\n\
            Ann,nobody,adult,1\n\
            Ann,,senior,1\n\
            Ann,,adult,0\n\
            Ann,,adult,two\n\
            Ann,,adult,1001\n\
            Ann,,,1\n\
            A\u{200b}nn,,adult,1\n";
        let told = problems(file);
        assert_eq!(told.iter().map(|p| p.0).collect::<Vec<_>>(), (2..=9).collect::<Vec<_>>());
        for ((_, told), says) in told.iter().zip([
            "the name is empty",
            "the e-mail address is not one",
            "the event has no ticket type “senior”",
            "the quantity “0” is no number from 1 to 1000",
            "“two”",
            "“1001”",
            "no ticket type is named",
            "invisible",
        ]) {
            assert!(told.contains(says), "{told}");
        }
        for (file, says) in [
            ("", "no column with names"),
            ("email,ticket type\n", "no column with names"),
            ("name,email\nAnn,\n", "no column “ticket type”"),
            ("name,ticket type\n", "no rows"),
            ("name\0", "no CSV file"),
        ] {
            assert!(problems(file)[0].1.contains(says), "{file}: {:?}", problems(file));
        }
        let latin = super::read(b"name,ticket type\nCaf\xe9,adult\n", &event(&TYPES));
        assert_eq!(latin.problems[0].line, 2);
        // An event with one ticket type needs no column for it.
        let one = super::read(b"name\nAnn\nBob\n", &event(&TYPES[..1]));
        assert_eq!((one.rows.len(), one.problems), (2, vec![]));
    }

    #[test]
    fn a_file_has_so_many_rows_and_no_more() {
        let mut file = "name,ticket type\n".to_owned() + &"Ann,adult\n".repeat(MOST_ROWS);
        assert_eq!(rows(&file).len(), MOST_ROWS);
        file += "Bob,adult\n";
        let told = problems(&file);
        assert_eq!((told.len(), told[0].0), (1, MOST_ROWS as u64 + 2));
        assert!(problems(&"x".repeat(MOST_BYTES + 1))[0].1.contains("4 MiB"));
    }

    #[test]
    fn the_first_row_without_a_place_is_told() {
        let event = event(&TYPES);
        let row = |line, quantity| Row {
            line,
            name: "Ann".into(),
            email: String::new(),
            ticket_type: "adult".into(),
            quantity,
            known: false,
        };
        let rows = [row(2, 3), row(3, 2), row(4, 1), row(5, 1)];
        let of = |n: usize| too_many(&rows[..n].iter().collect::<Vec<_>>(), &event, 0);
        assert_eq!(of(2), []);
        let told = of(4);
        assert_eq!((told.len(), told[0].line), (1, 4), "{told:?}");
        assert!(told[0].text.contains("“hall” has 5 left"), "{told:?}");
    }

    #[test]
    fn a_file_is_counted_as_a_whole_by_ticket_type_and_by_pool() {
        let mut event = event(&TYPES);
        event.spec.ticket_types = TYPES
            .iter()
            .map(|(id, name)| boxoffice::TicketTypeSpec {
                id: (*id).into(),
                name: (*name).into(),
                pool: "hall".into(),
                price_minor: 999,
                rules: boxoffice::TypeRules {
                    capacity: (*id == "child").then_some(3),
                    ..boxoffice::TypeRules::default()
                },
            })
            .collect();
        event.counters = vec![boxoffice::Counter {
            kind: CounterKind::Type,
            // More were wanted before.
            count: Pool { name: "child".into(), capacity: 8, held: 1, sold: 1 },
        }];
        let row = |line, ticket_type: &str, quantity| Row {
            line,
            name: "Ann".into(),
            email: String::new(),
            ticket_type: ticket_type.into(),
            quantity,
            known: false,
        };
        let rows = [
            row(2, "adult", 2),
            row(3, "child", 1),
            row(4, "child", 1),
            row(5, "crew", 1),
            row(6, "adult", 1),
        ];
        let all: Vec<&Row> = rows.iter().collect();
        let told: Vec<_> =
            too_many(&all, &event, 0).into_iter().map(|n| (n.line, n.text)).collect();
        let begins = "from this row on there are not enough places: ";
        assert_eq!(
            told,
            [
                (6, format!("{begins}pool “hall” has 5 left")),
                (4, format!("{begins}ticket type “child” has 1 left")),
            ]
        );
        let count = |id: &str, tickets, left| TypeCount { ticket_type: id.into(), tickets, left };
        assert_eq!(
            by_type(&rows, &all[3..], &event),
            [count("adult", 3, 1), count("child", 2, 0), count("crew", 1, 1)]
        );
        let ended = event.spec.ends();
        let told = too_many(&all, &event, ended);
        assert_eq!((told.len(), told[0].line), (1, 2), "{told:?}");
        assert!(told[0].text.contains("no tickets are sold any more"), "{told:?}");
    }

    #[test]
    fn the_same_table_is_the_same_file_however_it_is_sent() {
        let unix = b"name,ticket type\n\nAnn,adult\n\"Two\nlines\",crew".to_vec();
        let text = String::from_utf8(unix.clone()).expect("a text");
        for sent in [
            text.replace('\n', "\r\n"),
            text.replace('\n', "\r"),
            format!("\u{feff}{text}\r\n\r\n"),
            text + "\n",
        ] {
            assert_eq!(as_it_counts(sent.as_bytes()), unix, "{sent:?}");
        }
        assert_ne!(as_it_counts(b"\nname"), as_it_counts(b"name"), "lines keep their numbers");
    }

    #[test]
    fn what_is_read_from_which_column_is_told() {
        let told = |head: &str| {
            let read = super::read(head.as_bytes(), &event(&TYPES));
            let columns = read.columns.into_iter().map(|c| (c.head, c.means.unwrap_or_default()));
            (read.source, columns.collect::<Vec<_>>())
        };
        let column = |head: &str, means: &str| (head.to_owned(), means.to_owned());
        let (source, columns) = told("Name,E-Mail,Seat,Ticket_Type,Quantity\n");
        assert_eq!(source, None);
        assert_eq!(
            columns,
            [
                column("Name", "name"),
                column("E-Mail", "e-mail address"),
                column("Seat", ""),
                column("Ticket_Type", "ticket type"),
                column("Quantity", "number of tickets"),
            ]
        );
        let (source, columns) = told(
            "Order code,Position ID,Status,Email,Product,Variation,Attendee name,Attendee email,\
             Attendee name: Given name\n",
        );
        assert_eq!(source, Some("pretix"));
        assert_eq!(columns[3], column("Email", "e-mail address, where “Attendee email” is empty"));
        assert_eq!(columns[8].1, "first name, where “Attendee name” is empty");
        let (source, columns) = told("First Name,Last Name,Email,Status,Product Name,Public ID\n");
        assert_eq!(source, Some("Hi.Events"));
        assert_eq!(columns[1], column("Last Name", "last name"));
        assert_eq!(columns[5], column("Public ID", ""));
    }
}
